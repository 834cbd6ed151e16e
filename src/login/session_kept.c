/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The cache entries of sessions: their names, and which are sealed. See
 * session_inside.h.
 */
#include "login/session_inside.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

/* ---- names -------------------------------------------------------------- */

/* Hashes the texts one after the other, each with its length, so that no two lists
 * have the same name. */
apr_status_t bearer_session_name(unsigned char *out, apr_pool_t *p, int n,
                                 const char *const *texts)
{
    const char *all = "";
    int i;

    for (i = 0; i < n; i++) {
        all = apr_psprintf(p, "%s%" APR_SIZE_T_FMT ":%s", all, strlen(texts[i]),
                           texts[i]);
    }
    return bearer_text_sha256(all, strlen(all), out);
}

/* Runs in every request. */
apr_status_t bearer_session_record_name(unsigned char *out,
                                        const bearer_session_store_t *store,
                                        const char *what, const unsigned char *id,
                                        const unsigned char *revision)
{
    static const char nothing[1];
    const bearer_sha256_piece_t pieces[] = {
        { "session ", 8 }, { what, strlen(what) + 1 },
        { id, BEARER_SESSION_ID_SIZE },
        { revision ? (const void *)revision : nothing,
          revision ? BEARER_SESSION_REVISION_SIZE : 0 },
        { store->server, strlen(store->server) }
    };

    return bearer_sha256_of(store->sha256, out, pieces, 5);
}

apr_status_t bearer_session_mark_name(unsigned char *out, const char *by,
                                      const char *issuer, const char *client,
                                      const char *value, apr_pool_t *p)
{
    const char *const texts[] = { "logout", by, issuer, client, value };

    return bearer_session_name(out, p, 5, texts);
}

/* ---- entries ------------------------------------------------------------ */

int bearer_session_is_certain(const bearer_session_store_t *store)
{
    return store->cache && store->cache->add;
}

/* Entries in this server's own memory are not encrypted, unless they contain tokens. */
static int is_sealed(const bearer_session_store_t *store, bearer_kept_t kind)
{
    return kind == BEARER_KEPT_SESSION || !store->cache->is_own;
}

apr_status_t bearer_session_keep(const bearer_session_store_t *store, int how,
                                 const unsigned char *name,
                                 const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    const bearer_cache_t *cache = store->cache;
    bearer_cache_entry_t closed = *entry;
    unsigned char *sealed;

    if (!cache) {
        return APR_EGENERAL;
    }
    if (is_sealed(store, entry->kind)) {
        if (bearer_seal_close(&sealed, &closed.len, store->seal, name,
                              BEARER_CACHE_KEY_SIZE, entry->value, entry->len,
                              store->world, p) != APR_SUCCESS) {
            return APR_EGENERAL;
        }
        closed.value = sealed;
    }
    if (how == BEARER_KEEP_ADD) {
        return cache->add(cache, name, &closed, p);
    }
    if (how == BEARER_KEEP_REPLACE) {
        return cache->replace(cache, name, &closed, p);
    }
    return cache->put(cache, name, closed.value, closed.len, closed.expires, p)
           == APR_SUCCESS ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t bearer_session_mark(const bearer_session_store_t *store,
                                 const unsigned char *name, const void *value,
                                 apr_size_t len, apr_time_t expires, apr_pool_t *p)
{
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, value, len, expires,
                                         NULL, 0 };

    return bearer_session_keep(store, BEARER_KEEP_PUT, name, &entry, p);
}

/* Opens an entry. APR_NOTFOUND: it was sealed with another secret. */
static apr_status_t open_kept(bearer_cache_value_t *value,
                              const bearer_session_store_t *store,
                              bearer_kept_t kind, const unsigned char *name,
                              apr_pool_t *p)
{
    apr_status_t rv;

    if (!is_sealed(store, kind)) {
        return APR_SUCCESS;
    }
    rv = bearer_seal_open(&value->data, &value->len, store->seal, name,
                          BEARER_CACHE_KEY_SIZE, value->data, value->len, p);
    return rv == APR_SUCCESS || rv == APR_NOTFOUND ? rv : APR_EINVAL;
}

apr_status_t bearer_session_fetch(const bearer_session_store_t *store,
                                  bearer_kept_t kind, const unsigned char *name,
                                  unsigned char **value, apr_size_t *len,
                                  apr_pool_t *p)
{
    bearer_cache_value_t kept;
    apr_status_t rv = store->cache
        ? store->cache->get(store->cache, name, &kept.data, &kept.len, p)
        : APR_NOTFOUND;

    if (rv != APR_SUCCESS) {
        return rv == APR_NOTFOUND ? APR_NOTFOUND : APR_EGENERAL;
    }
    rv = open_kept(&kept, store, kind, name, p);
    if (rv == APR_SUCCESS) {
        *value = kept.data;
        *len = kept.len;
    }
    return rv;
}

apr_status_t bearer_session_fetch_marks(const bearer_session_store_t *store,
                                        const unsigned char *const *names, int n,
                                        bearer_cache_value_t *values, apr_pool_t *p)
{
    const bearer_cache_t *cache = store->cache;
    int many = cache && cache->get_many, i;
    apr_status_t rv = many ? cache->get_many(cache, names, n, values, p)
                           : APR_SUCCESS;

    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        if (!many) {
            rv = bearer_session_fetch(store, BEARER_KEPT_MARK, names[i],
                                      &values[i].data, &values[i].len, p);
        } else if (values[i].data) {
            rv = open_kept(&values[i], store, BEARER_KEPT_MARK, names[i], p);
        }
        if (rv == APR_NOTFOUND) {
            values[i].data = NULL;
            rv = APR_SUCCESS;
        }
    }
    return rv == APR_SUCCESS ? APR_SUCCESS : APR_EGENERAL;
}
