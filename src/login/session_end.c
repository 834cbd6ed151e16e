/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The end of sessions, and identifiers that can be used once.
 *
 * If the cache is certain (bearer_session_is_certain), the record decides. Ending a
 * session removes the record. A running request cannot restore it, because an
 * existing session is only ever replaced. A logout by the issuer removes the records
 * of its sid or sub, and leaves a mark for logins in progress. Marks of logouts, and
 * the identifiers of used logout tokens, have their own, limited room. If an issuer
 * needs more within the time of a login, the oldest are removed.
 *
 * With other caches, ending a session stores a mark before it removes the record. A
 * request that stores an existing session checks for the mark afterwards. A logout by
 * the issuer is a mark that every session look-up checks.
 *
 * A cookie that was copied cannot be taken back. If the cookie holds the record, a
 * mark ends the session, for as long as the cookie could be used. Its place is
 * reserved when the session begins.
 */
#include "login/session_inside.h"

#include <string.h>

/** The name of the mark of one session's end. */
#define DEAD "dead"
/** A request that was running when the session ended is over after this time. */
#define DEAD_FOR apr_time_from_sec(120)
/** The same for a login that the issuer had answered when it ended the session. */
#define LOGIN_FOR apr_time_from_sec(600)
/** Number of attempts to get the lease for a one-time identifier; its holder needs
 *  less time. */
#define ONCE_LOOKS 10
#define ONCE_LOOK apr_time_from_msec(20)

/* ---- one session -------------------------------------------------------- */

apr_status_t bearer_session_look_for_end(const bearer_session_t *s,
                                         const bearer_session_store_t *store,
                                         apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *value;
    apr_size_t len = 0;
    apr_status_t rv = bearer_session_record_name(name, store, DEAD, s->id, NULL);

    if (rv == APR_SUCCESS) {
        rv = bearer_session_fetch(store, BEARER_KEPT_MARK, name, &value, &len, p);
    }
    return rv == APR_NOTFOUND ? APR_SUCCESS
         : rv != APR_SUCCESS ? APR_EGENERAL
         : len && *value == BEARER_SESSION_PLACE ? APR_SUCCESS : APR_EOF;
}

static apr_status_t mark_end(const bearer_session_t *s,
                             const bearer_session_store_t *store,
                             apr_time_t expires, apr_pool_t *p)
{
    static const unsigned char ended = BEARER_SESSION_ENDED;
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    return bearer_session_record_name(name, store, DEAD, s->id, NULL) == APR_SUCCESS
        ? bearer_session_mark(store, name, &ended, 1, expires, p) : APR_EGENERAL;
}

apr_status_t bearer_session_reserve(const bearer_session_t *s,
                                    const bearer_session_store_t *store,
                                    apr_pool_t *p)
{
    static const unsigned char place = BEARER_SESSION_PLACE;
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, &place, 1, s->ends, NULL, 0 };
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv;

    if (!bearer_session_is_certain(store)) {
        return APR_SUCCESS;
    }
    rv = bearer_session_record_name(name, store, DEAD, s->id, NULL);
    if (rv == APR_SUCCESS) {
        rv = bearer_session_keep(store, BEARER_KEEP_ADD, name, &entry, p);
    }
    return rv == APR_SUCCESS ? APR_SUCCESS
         : rv == APR_ENOSPC ? APR_ENOMEM : APR_EGENERAL;
}

apr_status_t bearer_session_remove(const bearer_session_t *s,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv = bearer_session_record_name(name, store, "record", s->id, NULL);

    if (rv == APR_SUCCESS) {
        rv = store->cache->remove(store->cache, name, p);
    }
    return rv == APR_SUCCESS || rv == APR_NOTFOUND ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t bearer_session_end(const bearer_session_t *s,
                                const bearer_session_store_t *store, apr_pool_t *p)
{
    apr_status_t rv, removed;

    if (store->in_cookie) {
        return mark_end(s, store, s->ends, p);
    }
    if (bearer_session_is_certain(store)) {
        return bearer_session_remove(s, store, p);
    }
    rv = mark_end(s, store, bearer_world_now(store->world) + DEAD_FOR, p);
    removed = bearer_session_remove(s, store, p);
    return rv == APR_SUCCESS ? removed : rv;
}

/* ---- logout by the issuer ----------------------------------------------- */

static const unsigned char no_mark[BEARER_CACHE_KEY_SIZE];

/* Checks whether the session was made before the logout that left this mark. */
static apr_status_t judge_mark(const bearer_session_t *s,
                               const bearer_cache_value_t *mark)
{
    apr_time_t when = 0;

    if (!mark->data) {
        return APR_SUCCESS;
    }
    if (mark->len != sizeof(apr_uint64_t)) {
        return APR_EGENERAL;
    }
    bearer_session_take_time(mark->data, &when);
    return s->created <= when ? APR_EOF : APR_SUCCESS;
}

apr_status_t bearer_session_look_for_logout(const bearer_session_t *s,
                                            const bearer_session_store_t *store,
                                            apr_pool_t *p)
{
    const unsigned char *names[2];
    bearer_cache_value_t marks[2];
    apr_status_t rv = APR_SUCCESS;
    int i, n = 0;

    if (memcmp(s->by_sid, no_mark, sizeof(no_mark)) != 0) {
        names[n++] = s->by_sid;
    }
    if (memcmp(s->by_sub, no_mark, sizeof(no_mark)) != 0) {
        names[n++] = s->by_sub;
    }
    if (n) {
        rv = bearer_session_fetch_marks(store, names, n, marks, p);
    }
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = judge_mark(s, &marks[i]);
    }
    return rv;
}

/* If records are found by owner, only a login in progress needs the mark. The
 * issuer may then leave any number of marks, which take no room from sessions. */
static apr_status_t mark_logout(const bearer_session_store_t *store,
                                const unsigned char *name, apr_time_t now,
                                apr_pool_t *p)
{
    unsigned char when[8];
    bearer_cache_entry_t entry = { BEARER_KEPT_LOGOUT, when, sizeof(when),
                                   now + LOGIN_FOR, NULL, 0 };
    apr_status_t rv = APR_NOTFOUND;
    int how;

    bearer_session_put_time(when, now);
    if (!store->cache->end) {
        return bearer_session_mark(store, name, when, sizeof(when), now + store->max,
                                   p);
    }
    for (how = BEARER_KEEP_ADD; how <= BEARER_KEEP_REPLACE && rv != APR_SUCCESS;
         how++) {
        rv = bearer_session_keep(store, how, name, &entry, p);
    }
    return rv == APR_NOTFOUND  /* it was removed between the two calls */
        ? bearer_session_keep(store, BEARER_KEEP_ADD, name, &entry, p) : rv;
}

/* Stores the mark first, so that a login in progress finds it or is found. */
static apr_status_t end_all(const bearer_session_store_t *store, const char *by,
                            const char *issuer, const char *client,
                            const char *value, apr_pool_t *p)
{
    const bearer_cache_t *cache = store->cache;
    bearer_owner_t owner = strcmp(by, "sub") == 0 ? BEARER_OWNER_SUB
                                                  : BEARER_OWNER_SID;
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv;

    if (!cache
        || bearer_session_mark_name(name, by, issuer, client, value, p)
           != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    rv = mark_logout(store, name, bearer_world_now(store->world), p);
    if (cache->end && cache->end(cache, owner, name, p) != APR_SUCCESS) {
        rv = APR_EGENERAL;
    }
    return rv;
}

apr_status_t bearer_session_logout(const bearer_session_store_t *store,
                                   const char *issuer, const char *client,
                                   const char *sid, const char *sub,
                                   apr_pool_t *p)
{
    apr_status_t rv = end_all(store, sid ? "sid" : "sub", issuer, client,
                              sid ? sid : sub, p);

    /* an issuer may omit the sid from the ID token */
    return rv == APR_SUCCESS && sid && sub
        ? end_all(store, BEARER_SESSION_WITHOUT_SID, issuer, client, sub, p) : rv;
}

/* ---- logout by a frame of the issuer's page ------------------------------- */

int bearer_session_finds_sid(const bearer_session_store_t *store)
{
    return !store->in_cookie && bearer_session_is_certain(store);
}

/* The server's own memory finds sessions by their owners. In a cache that hosts share, an
 * entry names the record. */
static apr_status_t name_index(unsigned char *name, const bearer_session_store_t *store,
                               const unsigned char *by_sid)
{
    return bearer_session_record_name(name, store, "sid", by_sid, NULL);
}

apr_status_t bearer_session_index(const bearer_session_t *s,
                                  const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], record[BEARER_CACHE_KEY_SIZE];

    return store->cache->find ? APR_SUCCESS
        : name_index(name, store, s->by_sid) == APR_SUCCESS
          && bearer_session_record_name(record, store, "record", s->id, NULL) == APR_SUCCESS
          ? bearer_session_mark(store, name, record, sizeof(record), s->ends, p) : APR_EGENERAL;
}

static apr_status_t find_record(unsigned char *key, const bearer_session_store_t *store,
                                const unsigned char *by_sid, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *value;
    apr_size_t len = 0;
    apr_status_t rv;

    if (store->cache->find) {
        return store->cache->find(store->cache, BEARER_OWNER_SID, by_sid, key, p);
    }
    rv = name_index(name, store, by_sid);
    if (rv == APR_SUCCESS) {
        rv = bearer_session_fetch(store, BEARER_KEPT_MARK, name, &value, &len, p);
    }
    if (rv == APR_SUCCESS && len != BEARER_CACHE_KEY_SIZE) {
        rv = APR_EGENERAL;
    } else if (rv == APR_SUCCESS) {
        memcpy(key, value, len);
    }
    return rv;
}

apr_status_t bearer_session_end_sid(bearer_session_t **session,
                                    const bearer_session_store_t *store,
                                    const char *issuer, const char *client,
                                    const char *sid, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], key[BEARER_CACHE_KEY_SIZE], *record;
    apr_size_t len;
    apr_status_t rv = bearer_session_mark_name(name, "sid", issuer, client, sid, p);

    *session = NULL;
    if (rv == APR_SUCCESS) {
        rv = find_record(key, store, name, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = bearer_session_fetch(store, BEARER_KEPT_SESSION, key, &record, &len, p);
    if (rv == APR_SUCCESS) {
        *session = bearer_session_decode(record, len, p);
    }
    /* in the server's own memory it is there, perhaps with another host's secret */
    if (rv == APR_SUCCESS || store->cache->find) {
        rv = store->cache->remove(store->cache, key, p);
    }
    if (rv == APR_SUCCESS) {
        bearer_world_count(store->world, BEARER_EVENT_ENDED_ISSUER);
    }
    return rv;
}

/* ---- one-time identifiers ----------------------------------------------- */

static apr_status_t once_name(unsigned char *name, const char *what,
                              const char *issuer, const char *id, apr_pool_t *p)
{
    const char *const texts[] = { "once", what, issuer, id };

    return bearer_session_name(name, p, 4, texts);
}

static apr_status_t is_used(const bearer_session_store_t *store,
                            const unsigned char *name, apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;
    apr_status_t rv = bearer_session_fetch(store, BEARER_KEPT_MARK, name, &value,
                                           &len, p);

    return rv == APR_SUCCESS ? APR_EEXIST
         : rv == APR_NOTFOUND ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t bearer_session_used(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    return once_name(name, what, issuer, id, p) == APR_SUCCESS
        ? is_used(store, name, p) : APR_EGENERAL;
}

/* Keys may share a lease, and the lease of a refresh lasts long. After this wait,
 * the lease belongs to another key. */
static int lease_soon(const bearer_session_store_t *store,
                      const unsigned char *name, apr_time_t end, apr_pool_t *p)
{
    int looks = store->cache && store->cache->lease ? ONCE_LOOKS : 0;

    for (; looks; looks--) {
        if (store->cache->lease(store->cache, name, end, p) != APR_EBUSY) {
            return 1;
        }
        bearer_cache_await(store->cache, name, ONCE_LOOK);
    }
    return 0;
}

/* For a cache that cannot do both in one step. */
static apr_status_t look_and_mark(const bearer_session_store_t *store,
                                  const unsigned char *name, apr_time_t end,
                                  apr_pool_t *p)
{
    int leased = lease_soon(store, name, end, p);
    apr_status_t rv = is_used(store, name, p);

    if (rv == APR_SUCCESS) {
        rv = bearer_session_mark(store, name, "1", 1, end, p);
    }
    if (leased) {
        bearer_cache_unlease(store->cache, name, p);
    }
    return rv;
}

apr_status_t bearer_session_once(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_time_t end, apr_pool_t *p)
{
    /* of an attempt, which any client can use; else of a logout token */
    const bearer_cache_entry_t entry = {
        strcmp(what, BEARER_SESSION_STATE) == 0 ? BEARER_KEPT_ATTEMPT
                                                : BEARER_KEPT_LOGOUT,
        (const unsigned char *)"1", 1, end, NULL, 0
    };
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv;

    if (once_name(name, what, issuer, id, p) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    if (!bearer_session_is_certain(store)) {
        return look_and_mark(store, name, end, p);
    }
    rv = bearer_session_keep(store, BEARER_KEEP_ADD, name, &entry, p);
    return rv == APR_SUCCESS || rv == APR_EEXIST ? rv : APR_EGENERAL;
}
