/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_value.c
 * Reads and writes one value of a store: encrypted and authenticated if it leaves this
 * host, with a lifetime that every provider accepts, and under a lock if the provider
 * needs one.
 */
#include "process.h"
#include "store.h"
#include "store_inside.h"
#include "trace.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <apr_strings.h>
#include <util_mutex.h>

#include "state/redis.h"

APLOG_USE_MODULE(auth_bearer);

/* Works around pitfalls in httpd: an expiry in the past wraps (redis), and 30 days or
 * more are an absolute time (memcache). */
#define MIN_LIFE apr_time_from_sec(1)

#define MUTEX_TYPE "auth-bearer"

/** The size from which values did not fit in shared memory (0: none yet). httpd logs
 *  each failure, so such values are not tried again. */
static atomic_uint too_long[STORE_KINDS];

static apr_global_mutex_t *mutex;

int ab_store_value_pre_config(apr_pool_t *pconf)
{
    mutex = NULL;
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0)
        == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

int ab_store_value_post_config(apr_pool_t *pconf, server_rec *s)
{
    return ap_global_mutex_create(&mutex, NULL, MUTEX_TYPE, NULL, s, pconf, 0)
        == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;  /* httpd has logged why */
}

void ab_store_child_init(apr_pool_t *p, server_rec *s)
{
    apr_status_t rv;

    if (!mutex) {
        return;
    }
    rv = apr_global_mutex_child_init(&mutex, apr_global_mutex_lockfile(mutex), p);
    if (rv != APR_SUCCESS) {
        ab_log_server(APLOG_ERR, rv, s, AB(0404) "a child could "
                      "not open the cache's lock");
    }
}

apr_status_t ab_store_ask(const store_t *store, ap_socache_instance_t *instance,
                          store_question_t *q, apr_pool_t *p)
{
    const ap_socache_provider_t *provider = store->config->provider;

    switch (q->what) {
    case STORE_RETRIEVE:
        return provider->retrieve(instance, store->server, q->key,
                                  BEARER_CACHE_KEY_SIZE, q->value, &q->len, p);
    case STORE_KEEP:
        return provider->store(instance, store->server, q->key, BEARER_CACHE_KEY_SIZE,
                               q->expires, q->value, q->len, p);
    case STORE_REMOVE:
        break;
    }
    return provider->remove(instance, store->server, q->key, BEARER_CACHE_KEY_SIZE, p);
}

/* Only shared memory needs a lock, even for reads (they move data). For redis and
 * memcache, it would be held during network calls; see remote.c. */
static apr_status_t ask(const store_t *store, store_question_t *q, apr_pool_t *p)
{
    int wants_lock = store->config->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE;
    apr_status_t rv;

    if (store->remote) {
        return ab_remote_ask(store->remote, q, p);
    }
    if (wants_lock) {
        apr_global_mutex_lock(mutex);
    }
    rv = ab_store_ask(store, store->config->instance, q, p);
    if (wants_lock) {
        apr_global_mutex_unlock(mutex);
    }
    return rv;
}

/* Shared memory refuses only values longer than one of its parts. */
static int is_too_long(const store_t *store, apr_size_t len)
{
    unsigned limit = atomic_load(&too_long[store->kind->number]);

    return limit && len >= limit;
}

static void note_refusal(const store_t *store, apr_size_t len)
{
    if (!ab_config_is_foreign(store->config)) {
        atomic_store(&too_long[store->kind->number], (unsigned)len);
        ab_log_server(APLOG_WARNING, 0, store->server,
                      AB(0405) "a value of %" APR_SIZE_T_FMT " bytes does not fit in the cache for "
                      "%s; raise the cache's size (AuthBearerSOCache)%s", len,
                      store->kind->word, ab_trace_suffix_here());
    }
}

apr_status_t ab_store_value_counted(const store_t *store, apr_status_t rv)
{
    const process_t *process = ab_process();

    if (process && rv != APR_SUCCESS && rv != APR_NOTFOUND && rv != APR_EEXIST) {
        bearer_world_count(&process->world, store->kind->error);
    }
    return rv;
}

/* The stored value is read into a buffer from malloc(), because a pool would not
 * release so large a block. */
apr_status_t ab_store_value_get(const store_t *store, const unsigned char *key,
                                unsigned char **value, apr_size_t *len,
                                apr_pool_t *p)
{
    store_question_t q = { STORE_RETRIEVE, key, NULL, store->kind->max_value, 0 };
    apr_status_t rv = APR_EGENERAL;
    apr_pool_t *ptemp;

    if (!store->config->provider) {
        return APR_NOTFOUND;
    }
    q.value = malloc(q.len);
    if (q.value && apr_pool_create(&ptemp, p) == APR_SUCCESS) {
        rv = ask(store, &q, ptemp);
        if (rv == APR_EGENERAL && !store->remote && !ab_store_redis_has(store->config)) {
            rv = APR_NOTFOUND;
        }
        apr_pool_destroy(ptemp);
    }
    if (rv == APR_SUCCESS && !store->seal) {
        *value = apr_pmemdup(p, q.value, q.len);
        *len = q.len;
    } else if (rv == APR_SUCCESS
               && bearer_seal_open(value, len, store->seal, key, BEARER_CACHE_KEY_SIZE,
                                   q.value, q.len, p) != APR_SUCCESS) {
        rv = APR_NOTFOUND;
    }
    free(q.value);
    return ab_store_value_counted(store, rv == APR_SUCCESS || rv == APR_EGENERAL
                                         ? rv : APR_NOTFOUND);
}

apr_status_t ab_store_value_put_when(const store_t *store, const unsigned char *key,
                                     const bearer_cache_entry_t *entry,
                                     bearer_redis_when_t when, apr_pool_t *p)
{
    store_question_t q = { STORE_KEEP, key, (unsigned char *)(apr_uintptr_t)entry->value,
                           0, 0 };
    bearer_cache_entry_t kept = *entry;
    apr_time_t now = apr_time_now();
    apr_status_t rv;

    if (!store->config->provider) {
        return APR_NOTFOUND;
    }
    if (store->seal
        && bearer_seal_close(&q.value, &kept.len, store->seal, key, BEARER_CACHE_KEY_SIZE,
                             entry->value, entry->len, NULL, p) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    if (kept.len > store->kind->max_value || kept.expires < now + MIN_LIFE
        || is_too_long(store, kept.len)) {
        return APR_EINVAL;
    }
    kept.value = q.value;
    q.len = (unsigned)kept.len;
    q.expires = kept.expires = kept.expires < now + MAX_LIFE ? kept.expires
                                                             : now + MAX_LIFE;
    rv = ab_store_redis_has(store->config)
        ? ab_store_redis_set(store->config->instance, key, &kept, when, p)
        : ask(store, &q, p);
    if (rv != APR_SUCCESS) {
        note_refusal(store, kept.len);
    }
    return ab_store_value_counted(store, rv);
}

apr_status_t ab_store_value_put(const store_t *store, const unsigned char *key,
                                const unsigned char *value, apr_size_t len,
                                apr_time_t expires, apr_pool_t *p)
{
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, value, len, expires, NULL, 0 };

    return ab_store_value_put_when(store, key, &entry, BEARER_REDIS_ALWAYS, p);
}

apr_status_t ab_store_value_remove(const store_t *store, const unsigned char *key,
                                   apr_pool_t *p)
{
    store_question_t q = { STORE_REMOVE, key, NULL, 0, 0 };

    return store->config->provider ? ab_store_value_counted(store, ask(store, &q, p))
                                   : APR_SUCCESS;
}
