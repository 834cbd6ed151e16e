/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See session.h. */
#include "login/session.h"

#include <string.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/base61.h"
#include "base/cookie.h"
#include "base/json.h"
#include "base/text.h"
#include "login/session_inside.h"
#include "trust/issuer.h"

#define ISSUER_MAX 2048

/** How long before its expiry a token is refreshed. */
#define REFRESH_AHEAD apr_time_from_sec(30)
/** How long browsers with the previous cookie can get the result of a refresh. */
#define SHARED_FOR apr_time_from_sec(60)
#define SUCCESSORS 16
/** Name of the entry with the result of refreshing a revision. */
#define SUCCESSOR "successor"
/** Maximum time for storing. */
#define TOUCH_FOR apr_time_from_sec(2)

/* ---- creating and changing --------------------------------------------- */

static const unsigned char no_mark[BEARER_CACHE_KEY_SIZE];

/* Computes the names of the marks that a logout by sid or sub will leave for this
 * session. A refreshed ID token may have no sid (OpenID Connect Core section
 * 12.2): the session with the issuer is still that of the login. */
static apr_status_t set_marks(bearer_session_t *s, const json_t *body,
                              apr_pool_t *p)
{
    const json_t *claims = json_object_get(body, BEARER_SESSION_CLAIMS);
    const char *client = bearer_json_string(body, BEARER_SESSION_CLIENT);
    const char *sid = bearer_json_string(claims, "sid");
    const char *sub = bearer_json_string(claims, "sub");
    /* two tenants of one issuer may use the same sid or sub */
    const char *issuer = bearer_issuer_expand(
        s->issuer, bearer_json_string(body, BEARER_SESSION_TENANT), p);
    apr_status_t rv = APR_SUCCESS;

    client = client ? client : "";
    if (sid) {
        rv = bearer_session_mark_name(s->by_sid, "sid", issuer, client, sid, p);
    } else if (sub && memcmp(s->by_sid, no_mark, sizeof(no_mark)) == 0) {
        rv = bearer_session_mark_name(s->by_sid, BEARER_SESSION_WITHOUT_SID, issuer,
                                      client, sub, p);
    }
    if (rv == APR_SUCCESS && sub) {
        rv = bearer_session_mark_name(s->by_sub, "sub", issuer, client, sub, p);
    }
    return rv;
}

apr_status_t bearer_session_renew(bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  json_t *body, apr_pool_t *p)
{
    apr_status_t rv = bearer_world_random(store->world, session->revision,
                                          sizeof(session->revision));

    if (rv == APR_SUCCESS) {
        rv = set_marks(session, body, p);
    }
    return rv == APR_SUCCESS ? bearer_session_pack(session, body, p) : rv;
}

apr_status_t bearer_session_new(bearer_session_t **session,
                                const bearer_session_store_t *store,
                                const char *issuer, json_t *body,
                                apr_pool_t *p)
{
    bearer_session_t *s = apr_pcalloc(p, sizeof(*s));
    apr_time_t now = bearer_world_now(store->world);
    apr_status_t rv;

    *session = s;
    s->issuer = issuer;
    s->created = s->seen = now;
    s->ends = now + store->max;
    rv = strlen(issuer) > ISSUER_MAX ? APR_ENOSPC
       : bearer_world_random(store->world, s->id, sizeof(s->id));
    return rv == APR_SUCCESS ? bearer_session_renew(s, store, body, p) : rv;
}

/* ---- the stores -------------------------------------------------------- */

/* Context of a record in a cookie: binds it to this server. */
static const char *cookie_context(const bearer_session_store_t *store,
                                  apr_pool_t *p)
{
    return apr_pstrcat(p, "session cookie ", store->server, NULL);
}

static apr_time_t until(const bearer_session_t *s,
                        const bearer_session_store_t *store)
{
    apr_time_t idle = s->seen + store->idle + store->idle / 4;

    return idle < s->ends ? idle : s->ends;
}

static apr_status_t save_in_cookie(const char **cookie, bearer_session_t *s,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p)
{
    apr_size_t len;
    const unsigned char *record = bearer_session_encode(s, &len, p);
    const char *text = bearer_seal_text(store->seal, cookie_context(store, p), record,
                                        len, store->world, p);

    if (text && strlen(text) > BEARER_COOKIE_MAX) {
        return APR_ENOSPC;
    }
    if (text && cookie) {
        *cookie = text;
    }
    return text ? APR_SUCCESS : APR_EGENERAL;
}

/* Stores the record in the cache; how: BEARER_KEEP_*. */
static apr_status_t keep_record(bearer_session_t *s,
                                const bearer_session_store_t *store, int how,
                                const bearer_owners_t *owners, apr_pool_t *p)
{
    bearer_cache_entry_t entry = { BEARER_KEPT_SESSION, NULL, 0, until(s, store),
                                   owners, s->ends };
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv;

    entry.value = bearer_session_encode(s, &entry.len, p);
    if (entry.len + BEARER_SEAL_OVERHEAD > BEARER_SESSION_MAX) {
        return APR_ENOSPC;
    }
    if (bearer_session_record_name(name, store, "record", s->id, NULL)
        != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    rv = bearer_session_keep(store, how, name, &entry, p);
    return rv == APR_ENOSPC ? APR_ENOMEM : rv == APR_EINVAL ? APR_ENOSPC : rv;
}

/* A logout by the issuer after the login began has found no record, so its mark is checked. */
static apr_status_t add_record(bearer_session_t *s,
                               const bearer_session_store_t *store,
                               const bearer_owners_t *owners, apr_pool_t *p)
{
    apr_status_t rv = keep_record(s, store, BEARER_KEEP_ADD, owners, p);

    if (rv == APR_SUCCESS) {
        rv = bearer_session_look_for_logout(s, store, p);
        if (rv != APR_SUCCESS) {
            bearer_session_remove(s, store, p);
        }
    }
    return rv;
}

static apr_status_t find_owners(bearer_owners_t *owners, bearer_session_t *s,
                                const unsigned char *address, apr_pool_t *p)
{
    const json_t *claims = json_object_get(bearer_session_body(s, p),
                                           BEARER_SESSION_CLAIMS);
    const char *sub = bearer_json_string(claims, "sub");
    const char *iss = bearer_json_string(claims, "iss");  /* that of its tenant */
    const char *const texts[] = { "subject", iss ? iss : s->issuer, sub ? sub : "" };
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv = bearer_session_name(name, p, 3, texts);

    memset(owners, 0, sizeof(*owners));
    memcpy(owners->id[BEARER_OWNER_SID], s->by_sid, BEARER_OWNER_SIZE);
    memcpy(owners->id[BEARER_OWNER_SUB], s->by_sub, BEARER_OWNER_SIZE);
    memcpy(owners->id[BEARER_OWNER_SUBJECT], name, BEARER_OWNER_SIZE);
    if (address) {
        memcpy(owners->id[BEARER_OWNER_ADDRESS], address, BEARER_OWNER_SIZE);
    }
    return rv;
}

static int has_sid(bearer_session_t *s, apr_pool_t *p)
{
    return bearer_json_string(json_object_get(bearer_session_body(s, p), BEARER_SESSION_CLAIMS),
                              "sid") != NULL;
}

static apr_status_t keep_new(bearer_session_t *session, const bearer_session_store_t *store,
                             const unsigned char *address, apr_pool_t *p)
{
    bearer_owners_t owners;
    apr_status_t rv;

    if (!bearer_session_is_certain(store)) {
        return keep_record(session, store, BEARER_KEEP_PUT, NULL, p);
    }
    rv = find_owners(&owners, session, address, p);
    if (rv == APR_SUCCESS && has_sid(session, p)) {
        rv = bearer_session_index(session, store, p);
    }
    return rv == APR_SUCCESS ? add_record(session, store, &owners, p) : rv;
}

apr_status_t bearer_session_begin(const char **cookie, bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  const unsigned char *address, apr_pool_t *p)
{
    apr_status_t rv = bearer_session_cookie(cookie, session, store, p);

    if (rv == APR_SUCCESS) {
        rv = store->in_cookie ? bearer_session_reserve(session, store, p)
                              : keep_new(session, store, address, p);
    }
    if (rv == APR_SUCCESS) {
        bearer_world_count(store->world, store->in_cookie ? BEARER_EVENT_BEGUN_COOKIE
                                                          : BEARER_EVENT_BEGUN_CACHE);
    }
    return rv;
}

static apr_status_t load_from_cookie(bearer_session_t **session,
                                     const bearer_session_store_t *store,
                                     const char *cookie, apr_pool_t *p)
{
    unsigned char *record;
    apr_size_t len;

    if (strlen(cookie) > BEARER_COOKIE_MAX
        || bearer_seal_read(&record, &len, store->seal, cookie_context(store, p), cookie,
                            p) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    *session = bearer_session_decode(record, len, p);
    return *session ? bearer_session_look_for_end(*session, store, p) : APR_NOTFOUND;
}

static apr_status_t load_by_id(bearer_session_t **session,
                               const bearer_session_store_t *store,
                               const unsigned char *id, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *record;
    apr_size_t len;
    apr_status_t rv;

    if (bearer_session_record_name(name, store, "record", id, NULL) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    rv = bearer_session_fetch(store, BEARER_KEPT_SESSION, name, &record, &len, p);
    if (rv != APR_SUCCESS) {
        return rv == APR_EGENERAL ? APR_EGENERAL : APR_NOTFOUND;
    }
    *session = bearer_session_decode(record, len, p);
    return *session && bearer_text_equal_ct((*session)->id, id,
                                            BEARER_SESSION_ID_SIZE)
               ? APR_SUCCESS : APR_NOTFOUND;
}

static apr_status_t load_from_cache(bearer_session_t **session,
                                    const bearer_session_store_t *store,
                                    const char *cookie, apr_pool_t *p)
{
    unsigned char *id;
    apr_size_t len = 0;

    /* the second is how an earlier version wrote it, which may look like a shorter id
     * in the first */
    if (strlen(cookie) > 64
        || ((bearer_base61_decode(&id, &len, cookie, strlen(cookie), p) != APR_SUCCESS
             || len != BEARER_SESSION_ID_SIZE)
            && (bearer_b64url_decode_p(&id, &len, cookie, strlen(cookie), p) != APR_SUCCESS
                || len != BEARER_SESSION_ID_SIZE))) {
        return APR_NOTFOUND;
    }
    return load_by_id(session, store, id, p);
}

apr_interval_time_t bearer_session_left(const bearer_session_t *s,
                                        const bearer_session_store_t *store)
{
    apr_time_t now = bearer_world_now(store->world), end = s->ends;

    end = s->seen + store->idle < end ? s->seen + store->idle : end;
    return (s->created + store->max < end ? s->created + store->max : end) - now;
}

static int is_expired(const bearer_session_t *s, const bearer_session_store_t *store)
{
    return bearer_session_left(s, store) <= 0;
}

/* APR_SUCCESS: the session continues; APR_EOF: it has ended; APR_EGENERAL: unknown. */
static apr_status_t still_on(const bearer_session_t *s,
                             const bearer_session_store_t *store, apr_pool_t *p)
{
    if (is_expired(s, store)) {
        return APR_EOF;
    }
    /* if a logout by the issuer removes records, this one would not exist */
    return store->in_cookie || store->cache->end
        ? APR_SUCCESS : bearer_session_look_for_logout(s, store, p);
}

apr_status_t bearer_session_load(bearer_session_t **session,
                                 const bearer_session_store_t *store,
                                 const char *cookie, apr_pool_t *p)
{
    apr_status_t rv = store->in_cookie
                          ? load_from_cookie(session, store, cookie, p)
                          : load_from_cache(session, store, cookie, p);

    if (rv == APR_SUCCESS) {
        rv = still_on(*session, store, p);
        if (rv == APR_EOF && !store->in_cookie) {
            bearer_session_remove(*session, store, p);
            bearer_world_count(store->world, is_expired(*session, store)
                               ? BEARER_EVENT_ENDED_EXPIRED : BEARER_EVENT_ENDED_ISSUER);
        }
    }
    if (rv != APR_SUCCESS) {
        *session = NULL;
    }
    return rv == APR_EOF ? APR_NOTFOUND : rv;
}

/* Stores an existing session; *cookie is set if the cookie holds the record.
 * Returns as bearer_session_begin(); APR_EOF if it was ended meanwhile. */
static apr_status_t update(const char **cookie, bearer_session_t *session,
                           const bearer_session_store_t *store, apr_pool_t *p)
{
    apr_status_t rv;

    if (!store->in_cookie && bearer_session_is_certain(store)) {
        rv = keep_record(session, store, BEARER_KEEP_REPLACE, NULL, p);
        return rv == APR_NOTFOUND ? APR_EOF : rv;
    }
    rv = store->in_cookie
        ? save_in_cookie(cookie, session, store, p)
        : keep_record(session, store, BEARER_KEEP_PUT, NULL, p);
    if (rv == APR_SUCCESS) {
        rv = bearer_session_look_for_end(session, store, p);
        if (rv == APR_EOF && !store->in_cookie) {
            bearer_session_remove(session, store, p);
        }
    }
    return rv;
}

apr_status_t bearer_session_cookie(const char **cookie, bearer_session_t *session,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p)
{
    if (store->in_cookie) {
        return save_in_cookie(cookie, session, store, p);
    }
    *cookie = bearer_base61_encode(p, session->id, sizeof(session->id));
    return APR_SUCCESS;
}

/* ---- lifetime ---------------------------------------------------------- */

/* Holds the lease, so that it does not overwrite a refresh of another thread with
 * older data. */
static void save_seen(const char **cookie, bearer_session_t *session,
                      const bearer_session_store_t *store, apr_time_t now,
                      apr_pool_t *p)
{
    bearer_session_t *latest = session;
    const char *value = NULL;

    if ((store->in_cookie
         || load_by_id(&latest, store, session->id, p) == APR_SUCCESS)) {
        latest->seen = now;
        if (update(&value, latest, store, p) == APR_SUCCESS) {
            *cookie = value;
            session->seen = now;
        }
    }
}

void bearer_session_touch(const char **cookie, bearer_session_t *session,
                          const bearer_session_store_t *store, apr_pool_t *p)
{
    apr_time_t now = bearer_world_now(store->world);
    apr_interval_time_t precision = store->idle / 16;

    *cookie = NULL;
    if (precision > apr_time_from_sec(60)) {
        precision = apr_time_from_sec(60);
    }
    if (now - session->seen < precision
        || bearer_session_lease(session, store, now + TOUCH_FOR, p)
           != APR_SUCCESS) {
        return;
    }
    save_seen(cookie, session, store, now, p);
    bearer_session_unlease(session, store, p);
}

void bearer_session_expect(bearer_session_t *session, apr_time_t when)
{
    if (!session->access_expires || session->access_expires > when + REFRESH_AHEAD) {
        session->access_expires = when + REFRESH_AHEAD;
    }
}

int bearer_session_owes(bearer_session_t *session, apr_time_t now, apr_pool_t *p)
{
    apr_time_t expires = json_integer_value(json_object_get(bearer_session_body(session, p),
                                                            BEARER_SESSION_OWED));

    return expires && now < expires - REFRESH_AHEAD;
}

int bearer_session_refresh_due(const bearer_session_t *session, apr_time_t now)
{
    return session->access_expires && now >= session->retry
           && now >= session->access_expires - REFRESH_AHEAD;
}

apr_status_t bearer_session_lease(const bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  apr_time_t end, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    return bearer_session_record_name(name, store, "lease", session->id, NULL) == APR_SUCCESS
        ? bearer_cache_lease(store->cache, name, end, p) : APR_SUCCESS;
}

void bearer_session_await(const bearer_session_t *session,
                          const bearer_session_store_t *store,
                          apr_interval_time_t longest)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    if (bearer_session_record_name(name, store, "lease", session->id, NULL) == APR_SUCCESS) {
        bearer_cache_await(store->cache, name, longest);
    }
}

void bearer_session_unlease(const bearer_session_t *session,
                            const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    if (bearer_session_record_name(name, store, "lease", session->id, NULL) == APR_SUCCESS) {
        bearer_cache_unlease(store->cache, name, p);
    }
}

/* If the cookie holds the record, other requests have the old one. The result of
 * the refresh is stored where they look for it. */
static apr_status_t successor(bearer_session_t **session,
                              const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *record;
    bearer_session_t *next;
    apr_status_t rv;
    apr_size_t len;
    int steps;

    rv = bearer_session_look_for_end(*session, store, p);
    if (rv != APR_SUCCESS) {
        return rv == APR_EOF ? APR_EOF : APR_NOTFOUND;
    }
    rv = APR_NOTFOUND;
    /* there may have been several refreshes since this cookie was set */
    for (steps = 0; steps < SUCCESSORS; steps++) {
        if (bearer_session_record_name(name, store, SUCCESSOR, (*session)->id,
                                       (*session)->revision) != APR_SUCCESS
            || bearer_session_fetch(store, BEARER_KEPT_SESSION, name, &record, &len,
                                    p) != APR_SUCCESS
            || (next = bearer_session_decode(record, len, p)) == NULL) {
            break;
        }
        if (memcmp(next->revision, (*session)->revision, sizeof(next->revision))
            == 0) {
            (*session)->retry = next->retry;  /* a refresh failed */
            break;
        }
        *session = next;
        rv = APR_SUCCESS;
    }
    return rv;
}

apr_status_t bearer_session_replace(const char **cookie,
                                    bearer_session_t *session,
                                    const unsigned char *before,
                                    const bearer_session_store_t *store,
                                    apr_pool_t *p)
{
    bearer_cache_entry_t entry = { BEARER_KEPT_SESSION, NULL, 0,
                                   bearer_world_now(store->world) + SHARED_FOR, NULL, 0 };
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    if (store->in_cookie && store->cache
        && bearer_session_record_name(name, store, SUCCESSOR, session->id, before)
           == APR_SUCCESS) {
        entry.value = bearer_session_encode(session, &entry.len, p);
        bearer_session_keep(store, BEARER_KEEP_PUT, name, &entry, p);
    }
    return update(cookie, session, store, p);
}

apr_status_t bearer_session_again(bearer_session_t **session,
                                  const bearer_session_store_t *store,
                                  apr_pool_t *p)
{
    bearer_session_t *now = NULL;
    apr_status_t rv;

    if (store->in_cookie) {
        return successor(session, store, p);
    }
    rv = load_by_id(&now, store, (*session)->id, p);
    if (rv == APR_SUCCESS) {
        rv = still_on(now, store, p);
    }
    if (rv != APR_SUCCESS) {
        return rv == APR_NOTFOUND || rv == APR_EOF ? APR_EOF : APR_NOTFOUND;
    }
    if (memcmp(now->revision, (*session)->revision, sizeof(now->revision)) == 0) {
        (*session)->retry = now->retry;  /* another thread's refresh may have failed */
        return APR_NOTFOUND;
    }
    *session = now;
    return APR_SUCCESS;
}
