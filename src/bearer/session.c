/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See session.h. */
#include "bearer/session.h"

#include <string.h>

#include <apr_strings.h>

#include "bearer/b64url.h"
#include "bearer/cookie.h"
#include "bearer/json.h"
#include "bearer/session_inside.h"
#include "bearer/text.h"

#define ISSUER_MAX 2048

/** A token is refreshed so long before it expires. */
#define REFRESH_AHEAD apr_time_from_sec(30)
/** What a refresh gave is known so long to those with the cookie of before. */
#define SHARED_FOR apr_time_from_sec(60)
#define SUCCESSORS 16
/** The cache is asked whether it answers at all, and how often at most. */
#define PROBE_LIFE apr_time_from_sec(60)
/** A request that was under way when the session ended is over by then. */
#define DEAD_FOR apr_time_from_sec(120)
/** Saving takes no longer. */
#define TOUCH_FOR apr_time_from_sec(2)
/** Whoever uses something once is done with it in less time than this. */
#define ONCE_LOOKS 10
#define ONCE_LOOK apr_time_from_msec(20)

/* ---- names in the cache ------------------------------------------------ */

/* Texts one behind the other, each with its length: no two lists of texts have
 * the same name. */
static apr_status_t name_of(unsigned char *out, apr_pool_t *p, int n,
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

/* The name of a record: of this server, for this purpose. Hot: every request. */
static apr_status_t record_name(unsigned char *out,
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

static apr_status_t mark_name(unsigned char *out, const char *by,
                              const char *issuer, const char *client,
                              const char *value, apr_pool_t *p)
{
    const char *const texts[] = { "logout", by, issuer, client, value };

    return name_of(out, p, 5, texts);
}

/* What a refresh made of this revision. */
static apr_status_t successor_name(unsigned char *out,
                                   const bearer_session_store_t *store,
                                   const unsigned char *revision,
                                   const unsigned char *id)
{
    return record_name(out, store, "successor", id, revision);
}

/* ---- sealed entries ---------------------------------------------------- */

static apr_status_t put_sealed(const bearer_session_store_t *store,
                               const unsigned char *name, const void *value,
                               apr_size_t len, apr_time_t expires, apr_pool_t *p)
{
    unsigned char *sealed;
    apr_size_t sealed_len;

    if (!store->cache
        || bearer_seal_close(&sealed, &sealed_len, store->seal, name,
                             BEARER_CACHE_KEY_SIZE, value, len, store->world, p)
           != APR_SUCCESS
        || store->cache->put(store->cache, name, sealed, sealed_len, expires, p)
           != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

/* APR_NOTFOUND: it is not there, or of a server with another secret (or ours of
 * before the last one was dropped); APR_EGENERAL: nobody knows; APR_EINVAL: what is
 * there is not what we put there. */
static apr_status_t get_sealed(const bearer_session_store_t *store,
                               const unsigned char *name, unsigned char **value,
                               apr_size_t *len, apr_pool_t *p)
{
    unsigned char *sealed;
    apr_size_t sealed_len;
    apr_status_t rv = store->cache
        ? store->cache->get(store->cache, name, &sealed, &sealed_len, p)
        : APR_NOTFOUND;

    if (rv != APR_SUCCESS) {
        return rv == APR_NOTFOUND ? APR_NOTFOUND : APR_EGENERAL;
    }
    rv = bearer_seal_open(value, len, store->seal, name, BEARER_CACHE_KEY_SIZE,
                          sealed, sealed_len, p);
    return rv == APR_SUCCESS || rv == APR_NOTFOUND ? rv : APR_EINVAL;
}

/* "Not there" may mean "down": does the cache keep anything? */
static int cache_answers(const bearer_session_store_t *store, apr_pool_t *p)
{
    static const char *const texts[] = { "session", "probe" };
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    unsigned char *value;
    apr_size_t len;

    return name_of(name, p, 2, texts) == APR_SUCCESS
           && (get_sealed(store, name, &value, &len, p) == APR_SUCCESS
               || (put_sealed(store, name, "1", 1,
                              bearer_world_now(store->world) + PROBE_LIFE, p)
                   == APR_SUCCESS
                   && get_sealed(store, name, &value, &len, p) == APR_SUCCESS));
}

/* ---- making and changing ----------------------------------------------- */

/** Marks for sessions of a sub that have no sid, by a logout that has both. */
#define WITHOUT_SID "sub without sid"

static const unsigned char no_mark[BEARER_CACHE_KEY_SIZE];

/* Where a logout by sid or sub will leave its mark for this session. A refreshed
 * ID token may come without sid (OpenID Connect Core section 12.2): the session
 * at the issuer is still that of the login. */
static apr_status_t set_marks(bearer_session_t *s, const json_t *body,
                              apr_pool_t *p)
{
    const json_t *claims = json_object_get(body, BEARER_SESSION_CLAIMS);
    const char *client = bearer_json_string(body, BEARER_SESSION_CLIENT);
    const char *sid = bearer_json_string(claims, "sid");
    const char *sub = bearer_json_string(claims, "sub");
    apr_status_t rv = APR_SUCCESS;

    client = client ? client : "";
    if (sid) {
        rv = mark_name(s->by_sid, "sid", s->issuer, client, sid, p);
    }
    else if (sub && memcmp(s->by_sid, no_mark, sizeof(no_mark)) == 0) {
        rv = mark_name(s->by_sid, WITHOUT_SID, s->issuer, client, sub, p);
    }
    if (rv == APR_SUCCESS && sub) {
        rv = mark_name(s->by_sub, "sub", s->issuer, client, sub, p);
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

/* Context of a record in a cookie: this server's and no other's. */
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

/* Who ends a session leaves a mark before he removes the record, and who saves
 * one that was there before looks for it afterwards: a request that was under
 * way does not bring it back. A cookie cannot be removed from a browser's copy,
 * so where the record is in the cookie the mark is what ends it, as long as
 * there is a cache that keeps it. */
static apr_status_t dead_name(unsigned char *out,
                              const bearer_session_store_t *store,
                              const bearer_session_t *s)
{
    return record_name(out, store, "dead", s->id, NULL);
}

static int is_dead(const bearer_session_t *s,
                   const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *value;
    apr_size_t len;

    return dead_name(name, store, s) == APR_SUCCESS
           && get_sealed(store, name, &value, &len, p) == APR_SUCCESS;
}

static apr_status_t save_in_cookie(const char **cookie, bearer_session_t *s,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p)
{
    const char *context = cookie_context(store, p);
    unsigned char *record, *sealed;
    apr_size_t len, sealed_len;

    record = bearer_session_encode(s, &len, p);
    if (bearer_seal_close(&sealed, &sealed_len, store->seal, context,
                          strlen(context), record, len, store->world, p)
        != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    if ((sealed_len * 4 + 2) / 3 > BEARER_COOKIE_MAX) {
        return APR_ENOSPC;
    }
    if (cookie) {
        *cookie = bearer_b64url_encode(p, sealed, sealed_len);
    }
    return APR_SUCCESS;
}

apr_status_t bearer_session_save(const char **cookie, bearer_session_t *session,
                                 const bearer_session_store_t *store,
                                 apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *record;
    apr_size_t len;

    if (store->in_cookie) {
        return save_in_cookie(cookie, session, store, p);
    }
    record = bearer_session_encode(session, &len, p);
    if (len + BEARER_SEAL_OVERHEAD > BEARER_SESSION_MAX) {
        return APR_ENOSPC;
    }
    if (cookie) {
        *cookie = bearer_b64url_encode(p, session->id, sizeof(session->id));
    }
    if (record_name(name, store, "record", session->id, NULL) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    return put_sealed(store, name, record, len, until(session, store), p);
}

static apr_status_t load_from_cookie(bearer_session_t **session,
                                     const bearer_session_store_t *store,
                                     const char *cookie, apr_pool_t *p)
{
    const char *context = cookie_context(store, p);
    apr_size_t len = strlen(cookie), sealed_len, record_len;
    unsigned char *sealed, *record;

    if (len > BEARER_COOKIE_MAX
        || bearer_b64url_decode_p(&sealed, &sealed_len, cookie, len, p)
           != APR_SUCCESS
        || bearer_seal_open(&record, &record_len, store->seal, context,
                            strlen(context), sealed, sealed_len, p)
           != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    *session = bearer_session_decode(record, record_len, p);
    return *session && !is_dead(*session, store, p) ? APR_SUCCESS : APR_NOTFOUND;
}

static apr_status_t load_by_id(bearer_session_t **session,
                               const bearer_session_store_t *store,
                               const unsigned char *id, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *record;
    apr_size_t len;
    apr_status_t rv;

    if (record_name(name, store, "record", id, NULL) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    rv = get_sealed(store, name, &record, &len, p);
    if (rv == APR_EGENERAL || (rv == APR_NOTFOUND && store->cache->add)) {
        return rv;  /* it is known: nobody waits for the cache once more */
    }
    if (rv != APR_SUCCESS) {
        return cache_answers(store, p) ? APR_NOTFOUND : APR_EGENERAL;
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
    unsigned char id[BEARER_B64URL_DECODED_MAX(64)];
    apr_size_t len = 0;

    if (strlen(cookie) > 64
        || bearer_b64url_decode(id, &len, cookie, strlen(cookie)) != APR_SUCCESS
        || len != BEARER_SESSION_ID_SIZE) {
        return APR_NOTFOUND;
    }
    return load_by_id(session, store, id, p);
}

/* Did a back-channel logout leave a mark after the session was made? APR_SUCCESS:
 * no; APR_EOF: yes; APR_EGENERAL: nobody knows, and that is no "no". */
static apr_status_t look_for_mark(const bearer_session_t *s,
                                  const bearer_session_store_t *store,
                                  const unsigned char *name, apr_pool_t *p)
{
    unsigned char *value;
    apr_time_t when = 0;
    apr_size_t len;
    apr_status_t rv;

    if (memcmp(name, no_mark, sizeof(no_mark)) == 0) {
        return APR_SUCCESS;
    }
    rv = get_sealed(store, name, &value, &len, p);
    if (rv != APR_SUCCESS || len != sizeof(apr_uint64_t)) {
        return rv == APR_NOTFOUND ? APR_SUCCESS : APR_EGENERAL;
    }
    bearer_session_take_time(value, &when);
    return s->created <= when ? APR_EOF : APR_SUCCESS;
}

/* APR_SUCCESS: it goes on; APR_EOF: it is over; APR_EGENERAL: nobody knows. */
static apr_status_t still_on(const bearer_session_t *s,
                             const bearer_session_store_t *store, apr_pool_t *p)
{
    apr_time_t now = bearer_world_now(store->world);
    apr_status_t rv;

    if (now >= s->ends || now - s->seen >= store->idle
        || now - s->created >= store->max) {
        return APR_EOF;
    }
    if (store->in_cookie || store->no_marks) {
        return APR_SUCCESS;
    }
    rv = look_for_mark(s, store, s->by_sid, p);
    return rv == APR_SUCCESS ? look_for_mark(s, store, s->by_sub, p) : rv;
}

static void remove_record(const bearer_session_t *session,
                          const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    if (!store->in_cookie
        && record_name(name, store, "record", session->id, NULL) == APR_SUCCESS) {
        store->cache->remove(store->cache, name, p);
    }
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
        if (rv == APR_EOF) {
            remove_record(*session, store, p);
            rv = APR_NOTFOUND;
        }
    }
    if (rv != APR_SUCCESS) {
        *session = NULL;
    }
    return rv;
}

void bearer_session_end(const bearer_session_t *session,
                        const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_time_t now = bearer_world_now(store->world);

    if (dead_name(name, store, session) == APR_SUCCESS) {
        put_sealed(store, name, "1", 1,
                   store->in_cookie ? session->ends : now + DEAD_FOR, p);
    }
    remove_record(session, store, p);
}

apr_status_t bearer_session_update(const char **cookie,
                                   bearer_session_t *session,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p)
{
    apr_status_t rv = bearer_session_save(cookie, session, store, p);

    if (rv == APR_SUCCESS && is_dead(session, store, p)) {
        remove_record(session, store, p);
        rv = APR_EOF;
    }
    return rv;
}

/* ---- life -------------------------------------------------------------- */

/* Under the lease, so that a refresh in another thread is not overwritten by
 * what this one read before it. */
static void save_seen(const char **cookie, bearer_session_t *session,
                      const bearer_session_store_t *store, apr_time_t now,
                      apr_pool_t *p)
{
    bearer_session_t *latest = session;
    apr_status_t rv = store->in_cookie ? APR_SUCCESS
                                       : load_by_id(&latest, store, session->id,
                                                    p);

    if (rv == APR_SUCCESS) {
        latest->seen = now;
        bearer_session_update(store->in_cookie ? cookie : NULL, latest, store, p);
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

    if (!store->cache || !store->cache->lease
        || record_name(name, store, "lease", session->id, NULL) != APR_SUCCESS) {
        return APR_SUCCESS;
    }
    return store->cache->lease(store->cache, name, end, p) == APR_EBUSY
               ? APR_EBUSY : APR_SUCCESS;
}

void bearer_session_await(const bearer_session_t *session,
                          const bearer_session_store_t *store,
                          apr_interval_time_t longest)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    if (record_name(name, store, "lease", session->id, NULL) == APR_SUCCESS) {
        bearer_cache_await(store->cache, name, longest);
    }
}

void bearer_session_unlease(const bearer_session_t *session,
                            const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];

    if (store->cache && store->cache->unlease
        && record_name(name, store, "lease", session->id, NULL) == APR_SUCCESS) {
        store->cache->unlease(store->cache, name, p);
    }
}

/* Where the record is in the cookie, others hold the old one: what became of it
 * is left where they look for it. */
static apr_status_t successor(bearer_session_t **session,
                              const bearer_session_store_t *store, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], *record;
    apr_status_t rv = APR_NOTFOUND;
    bearer_session_t *next;
    apr_size_t len;
    int steps;

    if (is_dead(*session, store, p)) {
        return APR_EOF;
    }
    /* there may have been several refreshes since this cookie was set */
    for (steps = 0; steps < SUCCESSORS; steps++) {
        if (successor_name(name, store, (*session)->revision, (*session)->id)
            != APR_SUCCESS
            || get_sealed(store, name, &record, &len, p) != APR_SUCCESS
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
    unsigned char name[BEARER_CACHE_KEY_SIZE], *record;
    apr_size_t len;

    if (store->in_cookie && store->cache
        && successor_name(name, store, before, session->id) == APR_SUCCESS) {
        record = bearer_session_encode(session, &len, p);
        put_sealed(store, name, record, len,
                   bearer_world_now(store->world) + SHARED_FOR, p);
    }
    return bearer_session_update(cookie, session, store, p);
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
        (*session)->retry = now->retry;  /* another's refresh may have failed */
        return APR_NOTFOUND;
    }
    *session = now;
    return APR_SUCCESS;
}

/* ---- back-channel logout ----------------------------------------------- */

static apr_status_t leave_mark(const bearer_session_store_t *store, const char *by,
                               const char *issuer, const char *client,
                               const char *value, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE], when[8];
    apr_time_t now = bearer_world_now(store->world);

    if (mark_name(name, by, issuer, client, value, p) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    bearer_session_put_time(when, now);
    return put_sealed(store, name, when, sizeof(when), now + store->max, p);
}

apr_status_t bearer_session_logout(const bearer_session_store_t *store,
                                   const char *issuer, const char *client,
                                   const char *sid, const char *sub,
                                   apr_pool_t *p)
{
    apr_status_t rv = leave_mark(store, sid ? "sid" : "sub", issuer, client,
                                 sid ? sid : sub, p);

    /* an issuer need not have put the sid into the ID token */
    return rv == APR_SUCCESS && sid && sub
        ? leave_mark(store, WITHOUT_SID, issuer, client, sub, p) : rv;
}

static apr_status_t once_name(unsigned char *name, const char *what,
                              const char *issuer, const char *id, apr_pool_t *p)
{
    const char *const texts[] = { "once", what, issuer, id };

    return name_of(name, p, 4, texts);
}

static apr_status_t is_used(const bearer_session_store_t *store,
                            const unsigned char *name, apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;
    apr_status_t rv = get_sealed(store, name, &value, &len, p);

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

/* Keys may share a lease, and that of a refresh lasts: who has waited so long has
 * waited for another key's. */
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

apr_status_t bearer_session_once(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_time_t end, apr_pool_t *p)
{
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    apr_status_t rv;
    int leased;

    if (once_name(name, what, issuer, id, p) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    leased = lease_soon(store, name, end, p);
    rv = is_used(store, name, p);
    if (rv == APR_SUCCESS) {
        rv = put_sealed(store, name, "1", 1, end, p);
    }
    if (leased && store->cache->unlease) {
        store->cache->unlease(store->cache, name, p);
    }
    return rv;
}
