/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The keys of an issuer from all its sources. See keypool.h.
 */
#include "keys/keypool.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#if BEARER_KEY_SOURCES_MAX > BEARER_JWKS_MAX_PARTS
#error "a part for each source"
#endif

typedef bearer_jwks_t *parts_t[BEARER_KEY_SOURCES_MAX];

struct bearer_keypool_t {
    const bearer_issuer_t *issuer;
    int n;
    bearer_keyset_t *sources[BEARER_KEY_SOURCES_MAX];
    bearer_keyset_t *metadata;  /* the source whose discovery also brings the metadata */
    apr_thread_mutex_t *mutex;
    bearer_jwks_t *joined;      /* under the mutex: the last one made, or NULL */
};

/* ---- parts --------------------------------------------------------------- */

static void release_parts(const bearer_keypool_t *pool, parts_t parts)
{
    int i;

    for (i = 0; i < pool->n; i++) {
        bearer_jwks_release(parts[i]);
    }
}

static int consists_of(const bearer_jwks_t *joined, bearer_jwks_t *const *parts, int n)
{
    int i, same = joined != NULL && bearer_jwks_part_count(joined) == n;

    for (i = 0; i < n && same; i++) {
        same = bearer_jwks_part(joined, i) == parts[i];
    }
    return same;
}

/* Returns a counted set of these parts, made only if they changed. NULL: out of memory. */
static bearer_jwks_t *join(bearer_keypool_t *pool, bearer_jwks_t *const *found, int n)
{
    bearer_jwks_t *set = NULL, *old = NULL;

    if (n == 1) {
        return bearer_jwks_retain(found[0]);
    }
    apr_thread_mutex_lock(pool->mutex);
    if (!consists_of(pool->joined, found, n)
        && bearer_jwks_pool(&set, found, n) == APR_SUCCESS) {
        old = pool->joined;
        pool->joined = set;
    }
    if (consists_of(pool->joined, found, n)) {
        set = bearer_jwks_retain(pool->joined);
    }
    apr_thread_mutex_unlock(pool->mutex);
    bearer_jwks_release(old);
    return set;
}

/* Takes the references of the parts over. */
static bearer_reason_t put_together(bearer_keypool_t *pool, parts_t parts,
                                    bearer_jwks_t **set, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    bearer_jwks_t *found[BEARER_KEY_SOURCES_MAX];
    int i, n = 0;

    for (i = 0; i < pool->n; i++) {
        if (parts[i]) {
            found[n++] = parts[i];
        }
    }
    *set = n ? join(pool, found, n) : NULL;
    release_parts(pool, parts);
    return *set ? BEARER_OK
         : n ? bearer_refuse(why, p, BEARER_INTERNAL, "out of memory") : BEARER_KEYS;
}

/* ---- sources -------------------------------------------------------------- */

/* Returns the key set of a source, which the caller releases (bearer_keyset_release). */
static bearer_keyset_t *source_of(bearer_keypool_t *pool, int i, const char *tenant)
{
    return tenant ? bearer_keyset_of_tenant(pool->sources[i], tenant) : pool->sources[i];
}

static bearer_reason_t no_room(bearer_refusal_t *why, apr_pool_t *p)
{
    return bearer_refuse(why, p, BEARER_KEYS,
                         "the keys of %d tenants are in use or being fetched, which is the "
                         "limit; try again",
                         BEARER_KEYSET_MAX_TENANTS);
}

/* Gets the keys of one source. only_warm: not if a request would wait for a first fetch. */
static bearer_reason_t acquire(bearer_keypool_t *pool, int i, const char *tenant,
                               int only_warm, bearer_jwks_t **part,
                               bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_keyset_t *source = source_of(pool, i, tenant);
    bearer_reason_t reason = BEARER_KEYS;

    *part = NULL;
    if (!source) {
        return no_room(why, p);
    }
    if (!only_warm || bearer_keyset_is_warm(source)) {
        reason = bearer_keyset_acquire(source, part, why, p);
    }
    bearer_keyset_release(source);
    return reason;
}

/* Sources without keys are asked only if no other has any. */
static bearer_reason_t get_keys(bearer_keypool_t *pool, const char *tenant,
                                bearer_jwks_t **set, bearer_refusal_t *why,
                                apr_pool_t *p)
{
    parts_t parts = { NULL };
    int i, n = 0;

    for (i = 0; i < pool->n; i++) {
        n += acquire(pool, i, tenant, 1, &parts[i], why, p) == BEARER_OK;
    }
    for (i = 0; i < pool->n && !n; i++) {
        n += acquire(pool, i, tenant, 0, &parts[i], why, p) == BEARER_OK;
    }
    return put_together(pool, parts, set, why, p);
}

/* Does with one source what the wish is for. */
static bearer_reason_t grant(bearer_keyset_t *source, bearer_wish_t *wish,
                             bearer_jwks_t **part, bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_reason_t reason = BEARER_INTERNAL;

    switch (wish->kind) {
    case BEARER_WISH_KEYS:
        reason = bearer_keyset_acquire(source, part, why, p);
        break;
    case BEARER_WISH_KID:
        reason = bearer_keyset_refresh_for_kid(source, wish->kid, wish->since, part, why, p);
        wish->held_back |= reason == BEARER_KEY && bearer_keyset_held_back(source);
        break;
    case BEARER_WISH_REPLACED:
        reason = bearer_keyset_refresh_replaced(source, wish->since, part, p);
        break;
    }
    return reason;
}

/* Looks for newer keys of one source than the set has; *part: its current keys. A first
 * fetch ends at `until`. */
static bearer_reason_t renew(bearer_keypool_t *pool, int i, const char *tenant,
                             bearer_wish_t *wish, const bearer_jwks_t *set,
                             apr_time_t until, bearer_jwks_t **part,
                             bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_keyset_t *source = source_of(pool, i, tenant);
    bearer_reason_t reason;

    *part = NULL;
    if (!source) {
        return no_room(why, p);
    }
    reason = bearer_keyset_acquire_within(source, until - apr_time_now(), part, why, p);
    if (reason == BEARER_OK && bearer_jwks_contains(set, *part)) {
        reason = grant(source, wish, part, why, p);
    }
    bearer_keyset_release(source);
    return reason;
}

/* ---- wishes -------------------------------------------------------------- */

/* Are these keys what the wish was for? Without a kid any newer key may fit. */
static int may_fit(const bearer_wish_t *wish, const bearer_jwks_t *part)
{
    return !wish->kid || bearer_jwks_names(part, wish->kid);
}

/* A source has what was wanted: the others wait for AuthBearerKeysRefresh min= too. */
static void hold_back(bearer_keypool_t *pool, const char *tenant, apr_pool_t *p)
{
    apr_time_t last = 0;
    int i;

    for (i = 0; i < 2 * pool->n; i++) {
        bearer_keyset_t *source = source_of(pool, i % pool->n, tenant);

        last = source ? bearer_keyset_hold_back(source, last, p) : last;
        bearer_keyset_release(source);
    }
}

/* Goes through the sources in order, until one has what is wanted or the patience is
 * over; those that follow give what they have. */
static bearer_reason_t look_further(bearer_keypool_t *pool, const char *tenant,
                                    bearer_wish_t *wish, bearer_jwks_t **set,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    apr_time_t until = apr_time_now() + BEARER_KEYSET_KID_PATIENCE;
    bearer_refusal_t failure = { BEARER_OK, NULL };
    parts_t parts = { NULL };
    int i, fits = 0, newer = 0;
    bearer_jwks_t *joined;

    for (i = 0; i < pool->n; i++) {
        if (fits || apr_time_now() >= until) {
            acquire(pool, i, tenant, 1, &parts[i], NULL, p);
        } else if (renew(pool, i, tenant, wish, *set, until, &parts[i], why, p)
                       == BEARER_KEYS
                   && why) {
            failure = *why;
        }
        if (parts[i] && !bearer_jwks_contains(*set, parts[i])) {
            newer = 1;
            fits |= may_fit(wish, parts[i]);
        }
    }
    if (fits) {
        hold_back(pool, tenant, p);
    }
    if (put_together(pool, parts, &joined, why, p) == BEARER_OK && newer) {
        bearer_jwks_release(*set);
        *set = joined;
    } else {
        bearer_jwks_release(joined);
    }
    if (wish->kind == BEARER_WISH_REPLACED) {
        return newer ? BEARER_OK : BEARER_SIGNATURE;
    }
    if (!fits && failure.reason != BEARER_OK) {
        *why = failure;
        return BEARER_KEYS;
    }
    return newer ? BEARER_OK : BEARER_KEY;
}

/* With one source there is nothing to put together. */
static bearer_reason_t get_from_one(bearer_keypool_t *pool, const char *tenant,
                                    bearer_wish_t *wish, bearer_jwks_t **set,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_keyset_t *source = source_of(pool, 0, tenant);
    bearer_reason_t reason;

    if (!source) {
        return no_room(why, p);
    }
    reason = grant(source, wish, set, why, p);
    bearer_keyset_release(source);
    return reason;
}

bearer_reason_t bearer_keypool_get(bearer_keypool_t *pool, const char *tenant,
                                   bearer_wish_t *wish, bearer_jwks_t **set,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    wish->held_back = 0;
    return pool->n == 1 ? get_from_one(pool, tenant, wish, set, why, p)
         : wish->kind == BEARER_WISH_KEYS ? get_keys(pool, tenant, set, why, p)
         : look_further(pool, tenant, wish, set, why, p);
}

int bearer_keypool_at_hand(bearer_keypool_t *pool, const char *tenant)
{
    int i, any = 0, all = 1;

    for (i = 0; i < pool->n; i++) {
        bearer_keyset_t *source = source_of(pool, i, tenant);

        if (source && bearer_keyset_is_warm(source)) {
            any = 1;
            all &= bearer_keyset_at_hand(source);
        }
        bearer_keyset_release(source);
    }
    return any && all;
}

void bearer_keypool_served(bearer_keypool_t *pool, const char *tenant)
{
    int i;

    for (i = 0; i < pool->n; i++) {
        bearer_keyset_served(pool->sources[i], tenant);
    }
}

/* ---- maintenance ----------------------------------------------------------- */

void bearer_keypool_look_at_files(bearer_keypool_t *pool, apr_pool_t *ptemp)
{
    int i;

    for (i = 0; i < pool->n; i++) {
        if (bearer_keyset_is_file(pool->sources[i])) {
            bearer_keyset_maintain(pool->sources[i], ptemp);
        }
    }
}

void bearer_keypool_errands(bearer_keypool_t *pool, apr_array_header_t *errands,
                            apr_pool_t *ptemp)
{
    int i;

    for (i = 0; i < pool->n; i++) {
        if (!bearer_keyset_is_file(pool->sources[i])) {
            bearer_keyset_errands(pool->sources[i], errands, ptemp);
        }
    }
}

void bearer_keypool_prime(bearer_keypool_t *pool, apr_pool_t *ptemp)
{
    int i;

    for (i = 0; i < pool->n; i++) {
        bearer_keyset_prime(pool->sources[i], ptemp);
    }
}

void bearer_keypool_set_maintained(bearer_keypool_t *pool, int maintained)
{
    int i;

    for (i = 0; i < pool->n; i++) {
        bearer_keyset_set_maintained(pool->sources[i], maintained);
    }
}

/* ---- state ----------------------------------------------------------------- */

int bearer_keypool_sources(const bearer_keypool_t *pool)
{
    return pool->n;
}

void bearer_keypool_source_state(bearer_keypool_t *pool, int i,
                                 bearer_keyset_state_t *state, apr_pool_t *p)
{
    bearer_keyset_state(pool->sources[i], state, p);
}

static void keep_earlier(apr_time_t *kept, apr_time_t when)
{
    if (when && (!*kept || when < *kept)) {
        *kept = when;
    }
}

static void add_state(bearer_keyset_state_t *sum, const bearer_keyset_state_t *one)
{
    sum->keys += one->keys;
    sum->generation += one->generation;
    keep_earlier(&sum->fetched, one->fetched);
    keep_earlier(&sum->due, one->due);
    keep_earlier(&sum->gone, one->gone);
    if (sum->last_attempt < one->last_attempt) {
        sum->last_attempt = one->last_attempt;
    }
    if (one->last_attempt_failed && !sum->last_attempt_failed) {
        sum->last_attempt_failed = 1;
        sum->last_error = one->last_error;
    }
}

void bearer_keypool_state(bearer_keypool_t *pool, bearer_keyset_state_t *state,
                          apr_pool_t *p)
{
    bearer_keyset_state_t one;
    int i;

    bearer_keyset_state(pool->sources[0], state, p);
    for (i = 1; i < pool->n; i++) {
        bearer_keyset_state(pool->sources[i], &one, p);
        add_state(state, &one);
    }
    bearer_keyset_state(pool->metadata, &one, p);
    state->metadata_fetched = one.metadata_fetched;
    state->metadata_error = one.metadata_error;
}

apr_uint64_t bearer_keypool_generation(const bearer_keypool_t *pool)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < pool->n; i++) {
        apr_uint64_t generation = bearer_keyset_generation(pool->sources[i]);

        if (!generation) {
            return 0;
        }
        sum += generation;
    }
    return sum;
}

apr_uint64_t bearer_keypool_stamp(const bearer_keypool_t *pool)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < pool->n; i++) {
        sum += bearer_keyset_stamp(pool->sources[i]);
    }
    return sum;
}

int bearer_keypool_has(bearer_keypool_t *pool, const char *tenant,
                       const bearer_jwks_t *set)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < pool->n; i++) {
        bearer_keyset_t *source = source_of(pool, i, tenant);

        sum += source ? bearer_keyset_stamp(source) : 0;
        bearer_keyset_release(source);
    }
    return sum == bearer_jwks_stamp(set);
}

const bearer_metadata_t *bearer_keypool_metadata(bearer_keypool_t *pool,
                                                 const char **error, apr_pool_t *p)
{
    const bearer_metadata_t *metadata;

    *error = NULL;
    if (!bearer_issuer_has_metadata(pool->issuer) && bearer_endpoint_any(pool->issuer)) {
        return bearer_endpoint_apply(NULL, pool->issuer, p);
    }
    metadata = bearer_keyset_metadata(pool->metadata, error, p);
    return metadata ? bearer_endpoint_apply(metadata, pool->issuer, p) : NULL;
}

/* ---- creation --------------------------------------------------------------- */

static apr_status_t destroy(void *keypool)
{
    bearer_keypool_t *pool = keypool;

    bearer_jwks_release(pool->joined);
    return APR_SUCCESS;
}

apr_status_t bearer_keypool_create(bearer_keypool_t **out,
                                   const bearer_issuer_access_t *access, apr_pool_t *p)
{
    bearer_keypool_t *pool = apr_pcalloc(p, sizeof(*pool));
    bearer_issuer_access_t own = *access;
    apr_status_t rv = apr_thread_mutex_create(&pool->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    int i;

    pool->issuer = access->issuer;
    pool->n = bearer_issuer_key_sources(access->issuer);
    for (i = 0; i < pool->n && rv == APR_SUCCESS; i++) {
        own.keys = &access->issuer->keys[i];
        rv = bearer_keyset_create(&pool->sources[i], &own, p);
        if (!i || own.keys->kind == BEARER_SOURCE_DISCOVER) {
            pool->metadata = pool->sources[i];
        }
    }
    apr_pool_cleanup_register(p, pool, destroy, apr_pool_cleanup_null);
    *out = pool;
    return rv;
}
