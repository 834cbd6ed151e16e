/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The public functions of a key set. See keyset.h, and keyset_inside.h for how it
 * works.
 */
#include "keys/keyset_inside.h"

#include <string.h>

#include <apr_strings.h>

/* ---- requests ---------------------------------------------------------- */

const char *bearer_keyset_enter(bearer_keyset_t *ks, bearer_ticket_t *ticket)
{
    const char *full;

    unlock(ks);
    full = bearer_gate_enter(ticket, ks->access.world->gate,
                             ks->access.issuer->party,
                             ks->access.settings->timeout.total);
    lock(ks);
    return full;
}

/* Under the mutex: gets a set for a process that has none. */
static void look_for_set(bearer_keyset_t *ks, apr_time_t patience, apr_pool_t *p)
{
    while (!ks->set) {
        apr_time_t seen = ks->attempt.when;
        apr_time_t now;

        if (!bearer_keyset_wait_for_landing(ks, patience) || ks->set) {
            return;
        }
        /* if this thread waited for a flight, it uses the outcome of that flight */
        now = now_of(ks);
        if (ks->attempt.when != seen
            && !bearer_keyset_may_try(ks, FOR_COLD, now)) {
            return;
        }
        if (!bearer_keyset_may_try(ks, FOR_COLD, now)
            && !bearer_keyset_may_look(ks, now)) {
            return;
        }
        seen = ks->attempt.when;
        if (apr_time_now() >= patience) {
            return;
        }
        bearer_keyset_fly_unlocked(ks, FOR_COLD, NULL, patience, p);
        if (ks->attempt.when != seen || apr_time_now() >= patience
            || !bearer_keyset_may_try(ks, FOR_COLD, now_of(ks))) {
            return;
        }
    }
}

const char *bearer_keyset_warm_up(bearer_keyset_t *ks, apr_interval_time_t longest,
                                  apr_pool_t *p)
{
    apr_time_t patience = apr_time_now() + longest;
    bearer_ticket_t ticket;
    const char *full;
    apr_time_t now;

    /* the thread in flight may be waiting for a cache that hangs */
    unlock(ks);
    bearer_keyset_prime(ks, p);
    lock(ks);
    now = now_of(ks);
    if (ks->set || ks->watch
        || (!ks->in_flight && !bearer_keyset_may_try(ks, FOR_COLD, now)
            && !bearer_keyset_may_look(ks, now))) {
        look_for_set(ks, patience, p);
        return NULL;
    }
    full = bearer_keyset_enter(ks, &ticket);
    if (!full) {
        look_for_set(ks, patience, p);
        bearer_gate_leave(&ticket);
    } else {
        bearer_keyset_wait_for_landing(ks, ks->took_off + BEARER_GATE_PATIENCE);
    }
    return full;
}

static bearer_reason_t nothing_usable(bearer_keyset_t *ks, const char *full,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    return bearer_refuse(
        why, p, BEARER_KEYS, "issuer %s has no cached keys: %s", ks->name,
        full ? full
        : ks->attempt.failed ? ks->error_text
        : ks->in_flight    ? "fetching them takes longer than AuthBearerTimeout total="
                           : "another process is fetching them");
}

/* Under the mutex. If the gate is full, continues with the current set. */
static void refresh_due(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_ticket_t ticket;

    if (!bearer_keyset_enter(ks, &ticket)) {
        if (bearer_keyset_due_and_allowed(ks, now_of(ks))) {
            bearer_keyset_fly_unlocked(ks, FOR_DUE, NULL, 0, p);
        }
        bearer_gate_leave(&ticket);
    }
    bearer_keyset_drop_if_gone(ks, now_of(ks));
}

bearer_reason_t bearer_keyset_acquire(bearer_keyset_t *ks, bearer_jwks_t **set,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    return bearer_keyset_acquire_within(ks, ks->access.settings->timeout.total, set, why, p);
}

bearer_reason_t bearer_keyset_acquire_within(bearer_keyset_t *ks,
                                             apr_interval_time_t longest,
                                             bearer_jwks_t **set,
                                             bearer_refusal_t *why, apr_pool_t *p)
{
    const apr_interval_time_t total = ks->access.settings->timeout.total;
    bearer_reason_t reason = BEARER_OK;
    const char *full = NULL;
    apr_time_t now = now_of(ks);

    *set = NULL;
    lock(ks);
    bearer_keyset_drop_if_gone(ks, now);
    if (!ks->set) {
        full = bearer_keyset_warm_up(ks, longest < total ? longest : total, p);
    } else if (!ks->maintained && bearer_keyset_due_and_allowed(ks, now)) {
        refresh_due(ks, p);
    }
    if (ks->set) {
        *set = bearer_jwks_retain(ks->set);
    } else {
        reason = nothing_usable(ks, full, why, p);
    }
    unlock(ks);
    return reason;
}

int bearer_keyset_at_hand(bearer_keyset_t *ks)
{
    apr_time_t now = now_of(ks);
    int at_hand;

    lock(ks);
    bearer_keyset_drop_if_gone(ks, now);
    at_hand = ks->watch
              || (ks->set
                  && (ks->maintained
                      || !bearer_keyset_due_and_allowed(ks, now)));
    unlock(ks);
    return at_hand;
}

/* Under the mutex: returns 1 if this request may look for a newer set. */
static int may_look_for_kid(const bearer_keyset_t *ks, apr_time_t now)
{
    if (ks->watch) {
        return bearer_keyset_may_try(ks, FOR_KID, now);
    }
    return bearer_keyset_may_try(ks, FOR_KID, now)
        || bearer_keyset_may_look(ks, now);
}

static bearer_reason_t unknown_kid(bearer_keyset_t *ks, const char *kid,
                                   int landed, const char *full,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    apr_time_t now = now_of(ks);
    apr_time_t next = ks->attempt.kid_when + refresh_of(ks)->min;
    const char *again = "";

    if (!ks->set) {
        return nothing_usable(ks, full, why, p);
    }
    if (ks->attempt.failed || !landed) {
        return bearer_refuse(why, p, BEARER_KEYS,
                             "kid %s is not among the cached keys of issuer %s, and newer keys are "
                             "unavailable: %s",
                             bearer_text_quote(p, kid), ks->name,
                             full ? full
                             : ks->attempt.failed ? ks->error_text
                                                : "they are being fetched");
    }
    if (!ks->watch && next > now) {
        again = apr_psprintf(p, "; the keys are fetched again for an unknown kid in %s "
                             "(AuthBearerKeysRefresh min=)",
                             bearer_keyset_seconds(next - now, p));
    }
    return bearer_refuse(why, p, BEARER_KEY,
                         "kid %s is not among the %d %s of issuer %s%s",
                         bearer_text_quote(p, kid), bearer_jwks_count(ks->set),
                         bearer_jwks_count(ks->set) == 1 ? "key" : "keys", ks->name,
                         again);
}

/* Under the mutex: returns how long to wait, by the real clock. It counts from the
 * beginning of the flight, so that a stream of unknown kids does not block threads
 * for as long as the issuer does not answer. */
static apr_time_t patience_for_kid(const bearer_keyset_t *ks)
{
    return (ks->in_flight ? ks->took_off : apr_time_now()) + kid_patience(ks);
}

/* Under the mutex: returns 0 if the outcome is unknown. */
static int look_for_kid(bearer_keyset_t *ks, const bearer_jwks_t *old,
                        apr_pool_t *p)
{
    apr_time_t patience = patience_for_kid(ks);
    int landed = ks->set == old ? bearer_keyset_wait_for_landing(ks, patience) : 1;

    if (landed && ks->set == old && may_look_for_kid(ks, now_of(ks))) {
        apr_time_t seen = ks->attempt.when;

        bearer_keyset_fly_unlocked(ks, FOR_KID, old, patience, p);
        landed = ks->attempt.when != seen
              || !bearer_keyset_may_try(ks, FOR_KID, now_of(ks));
    }
    return landed;
}

/* Under the mutex: were the keys fetched after that time? A request that fetched them,
 * or waited for them, need not fetch them again. */
static int is_newer_than(const bearer_keyset_t *ks, apr_time_t when)
{
    return ks->set && ks->kept && ks->kept->record.fetched >= when;
}

bearer_reason_t bearer_keyset_refresh_for_kid(bearer_keyset_t *ks,
                                              const char *kid, apr_time_t presented,
                                              bearer_jwks_t **set,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p)
{
    bearer_jwks_t *old = *set;
    bearer_reason_t reason = BEARER_OK;
    bearer_ticket_t ticket = { 0 };
    const char *full = NULL;
    int landed = 1, newer;

    lock(ks);
    bearer_keyset_drop_if_gone(ks, now_of(ks));
    newer = is_newer_than(ks, presented);
    if (!newer && !ks->watch && ks->set == old
        && (ks->in_flight || may_look_for_kid(ks, now_of(ks)))) {
        full = bearer_keyset_enter(ks, &ticket);
    }
    if (!newer) {
        landed = !full && look_for_kid(ks, old, p);
    }
    if (ks->set && ks->set != old) {
        *set = bearer_jwks_retain(ks->set);
    } else {
        reason = unknown_kid(ks, kid, landed, full, why, p);
    }
    unlock(ks);
    bearer_gate_leave(&ticket);
    if (reason == BEARER_OK) {
        bearer_jwks_release(old);
    }
    return reason;
}

int bearer_keyset_held_back(bearer_keyset_t *ks)
{
    int held_back;

    lock(ks);
    held_back = !ks->watch && ks->set && !bearer_keyset_may_try(ks, FOR_KID, now_of(ks));
    unlock(ks);
    return held_back;
}

apr_time_t bearer_keyset_hold_back(bearer_keyset_t *ks, apr_time_t when, apr_pool_t *p)
{
    int tell;

    lock(ks);
    tell = !ks->watch && ks->set && ks->attempt.kid_when < when;
    if (tell) {
        ks->attempt.kid_when = when;
    } else if (!ks->watch && when < ks->attempt.kid_when) {
        when = ks->attempt.kid_when;
    }
    unlock(ks);
    if (tell) {
        bearer_keyset_look_into_cache(ks, p);
        bearer_keyset_tell_attempt(ks, p);
    }
    return when;
}

/* Under the mutex: returns 1 if the keys may be older than a token issued then. iat has
 * whole seconds. */
static int is_older(const bearer_keyset_t *ks, apr_time_t issued)
{
    apr_time_t fetched = ks->kept ? ks->kept->record.fetched : ks->loaded;

    return fetched - apr_time_from_sec(1) < issued;
}

bearer_reason_t bearer_keyset_refresh_replaced(bearer_keyset_t *ks, apr_time_t issued,
                                               bearer_jwks_t **set, apr_pool_t *p)
{
    bearer_jwks_t *old = *set;
    bearer_reason_t reason = BEARER_SIGNATURE;
    bearer_ticket_t ticket = { 0 };
    const char *full = NULL;

    lock(ks);
    bearer_keyset_drop_if_gone(ks, now_of(ks));
    if (ks->set == old && is_older(ks, issued)) {
        full = ks->watch ? NULL : bearer_keyset_enter(ks, &ticket);
        if (!full) {
            look_for_kid(ks, old, p);
        }
    }
    if (ks->set && ks->set != old) {
        *set = bearer_jwks_retain(ks->set);
        reason = BEARER_OK;
    }
    unlock(ks);
    bearer_gate_leave(&ticket);
    if (reason == BEARER_OK) {
        bearer_jwks_release(old);
    }
    return reason;
}

int bearer_keyset_is_file(const bearer_keyset_t *ks)
{
    return ks->watch != NULL;
}

int bearer_keyset_is_warm(bearer_keyset_t *ks)
{
    int warm;

    lock(ks);
    bearer_keyset_drop_if_gone(ks, now_of(ks));
    warm = ks->set || ks->watch;
    unlock(ks);
    return warm;
}

/* ---- maintenance ------------------------------------------------------- */

void bearer_keyset_set_maintained(bearer_keyset_t *ks, int maintained)
{
    lock(ks);
    ks->maintained = maintained;
    bearer_keyset_set_alarm(ks);
    bearer_keyset_tenants_maintained(ks);
    unlock(ks);
}

/* ---- state and metadata ------------------------------------------------ */

apr_uint64_t bearer_keyset_generation(const bearer_keyset_t *keyset)
{
    return keyset->per_tenant || now_of(keyset) >= atomic_load(&keyset->alarm)
        ? 0 : atomic_load(&keyset->generation);
}

apr_uint64_t bearer_keyset_stamp(const bearer_keyset_t *keyset)
{
    return atomic_load(&keyset->stamp);
}

void bearer_keyset_state(bearer_keyset_t *ks, bearer_keyset_state_t *state,
                         apr_pool_t *p)
{
    memset(state, 0, sizeof(*state));
    lock(ks);
    if (ks->set) {
        state->keys = bearer_jwks_count(ks->set);
        state->fetched = ks->kept ? ks->kept->record.fetched : ks->loaded;
        state->due = bearer_keyset_due_at(ks);
        state->gone = ks->gone == NEVER ? 0 : ks->gone;
    }
    if (ks->attempt.failed && state->due < ks->attempt.retry_at) {
        state->due = ks->attempt.retry_at;
    }
    state->last_attempt = ks->attempt.when;
    state->last_attempt_failed = ks->attempt.failed;
    state->last_error = apr_pstrdup(p, ks->attempt.error);
    state->generation = ks->changes;
    state->metadata_fetched = ks->metadata ? ks->metadata->record.metadata_fetched : 0;
    state->metadata_error = *ks->metadata_error
        ? apr_pstrdup(p, ks->metadata_error) : NULL;
    unlock(ks);
}

/* ---- creation ---------------------------------------------------------- */

apr_status_t bearer_keyset_destroy(void *keyset)
{
    bearer_keyset_t *ks = keyset;

    bearer_keyset_tenants_destroy(ks);
    bearer_jwks_release(ks->set);
    bearer_keyset_forget(ks->kept);
    bearer_keyset_forget(ks->metadata);
    apr_pool_destroy(ks->own);
    return APR_SUCCESS;
}

/* bearer_filewatch_load_fn */
static apr_status_t load_file(void *baton, const char *data, apr_size_t len,
                              const char **error, apr_pool_t *p)
{
    bearer_keyset_t *ks = baton;
    bearer_jwks_report_t report;
    bearer_jwks_t *set = NULL, *old;
    apr_status_t rv;

    rv = bearer_jwks_parse_any(&set, data, len, ks->origin, &report, error, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    bearer_keyset_log_skipped(ks, &report);
    if (bearer_jwks_count(set) == 0) {
        bearer_jwks_release(set);
        *error = "it has no usable key";
        return APR_EINVAL;
    }
    lock(ks);
    old = set;
    if (!bearer_keyset_equal_sets(set, ks->set)) {
        old = ks->set;
        ks->set = set;
        ks->gone = NEVER;
        bearer_keyset_keys_changed(ks);
    }
    ks->loaded = now_of(ks);
    unlock(ks);
    bearer_jwks_release(old);
    return APR_SUCCESS;
}

static apr_status_t create_watch(bearer_keyset_t *ks)
{
    const bearer_source_t *keys = ks->access.keys;

    if (!bearer_issuer_source_is_file(keys)) {
        return APR_SUCCESS;
    }
    if (keys->kind == BEARER_SOURCE_FILE) {
        ks->origin = BEARER_JWKS_LOCAL;
    }
    return bearer_filewatch_create(&ks->watch, "AuthBearerKeys", keys->value,
                                   BEARER_JWKS_MAX_BYTES, load_file, ks,
                                   ks->access.world, ks->own);
}

/* Names the source if the issuer has several. */
static const char *name_of(const bearer_issuer_access_t *access, apr_pool_t *p)
{
    const char *issuer = bearer_text_quote(
        p, bearer_issuer_expand(access->issuer->url, access->tenant, p));

    return bearer_issuer_key_sources(access->issuer) == 1 ? issuer
        : apr_pstrcat(p, issuer, " (",
                      bearer_text_quote(p, bearer_issuer_source_shown(access->keys, p)),
                      ")", NULL);
}

static apr_status_t initialize(bearer_keyset_t *ks)
{
    const bearer_source_t *keys = ks->access.keys;
    apr_status_t rv;

    ks->name = name_of(&ks->access, ks->own);
    ks->origin = keys->kind == BEARER_SOURCE_SPIFFE_URL
                      || keys->kind == BEARER_SOURCE_SPIFFE_FILE
                   ? BEARER_JWKS_SPIFFE
                   : BEARER_JWKS_REMOTE;
    ks->per_tenant = !ks->access.tenant && keys->value
                  && strstr(keys->value, "{tenant}") != NULL;
    if (ks->per_tenant) {
        bearer_keyset_tenants_init(ks);
    }
    atomic_init(&ks->generation, FIRST_GENERATION);
    atomic_init(&ks->stamp, 0);
    atomic_init(&ks->alarm, NEVER);
    rv = bearer_flight_locks(&ks->mutex, &ks->landed, ks->own);
    if (rv == APR_SUCCESS) {
        rv = create_watch(ks);
    }
    return rv == APR_SUCCESS
             ? bearer_keyset_place_init(&ks->place, &ks->access, ks->own)
             : rv;
}

/* In its own pool, which is not a child of another: threads without knowledge of
 * the parent use it. */
apr_status_t bearer_keyset_make(bearer_keyset_t **keyset,
                                const bearer_issuer_access_t *access)
{
    bearer_keyset_t *ks;
    apr_pool_t *own;
    apr_status_t rv = apr_pool_create_unmanaged(&own);

    *keyset = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    ks = apr_pcalloc(own, sizeof(*ks));
    ks->own = own;
    ks->access = *access;
    ks->access.keys = access->keys ? access->keys : access->issuer->keys;
    ks->access.tenant = apr_pstrdup(own, access->tenant);
    rv = initialize(ks);
    if (rv == APR_SUCCESS) {
        *keyset = ks;
    } else {
        apr_pool_destroy(own);
    }
    return rv;
}

apr_status_t bearer_keyset_create(bearer_keyset_t **keyset,
                                  const bearer_issuer_access_t *access,
                                  apr_pool_t *p)
{
    apr_status_t rv = bearer_keyset_make(keyset, access);

    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, *keyset, bearer_keyset_destroy, apr_pool_cleanup_null);
    }
    return rv;
}
