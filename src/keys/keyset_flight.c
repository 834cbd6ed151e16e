/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Flights: the slow work of a key set. See keyset_inside.h.
 */
#include "keys/keyset_inside.h"

#include <string.h>

#include <apr_strings.h>

/** Time for writing the result of a fetch to the cache, after the fetch has timed out. */
#define LEASE_SLACK apr_time_from_msec(250)

/* ---- fetching ---------------------------------------------------------- */

/* Under the mutex. After a failure the keys may have moved, so the metadata is not
 * young then. */
static int metadata_is_young(const bearer_keyset_t *ks, apr_time_t now)
{
    apr_time_t fetched = ks->metadata->record.metadata_fetched;

    return !ks->attempt.failed && now - fetched < METADATA_LIFE && now >= fetched;
}

/* Copies the metadata into the record; returns 0 if there is none that is young enough. */
static int take_known_metadata(bearer_keyset_t *ks,
                               bearer_keyset_record_t *record, int old_too,
                               apr_pool_t *p)
{
    lock(ks);
    if (ks->metadata && (old_too || metadata_is_young(ks, now_of(ks)))) {
        record->metadata = bearer_metadata_copy(ks->metadata->record.metadata, p);
        record->metadata_fetched = ks->metadata->record.metadata_fetched;
    }
    unlock(ks);
    return record->metadata != NULL;
}

void bearer_keyset_log_left_out(bearer_keyset_t *ks,
                                const bearer_metadata_t *metadata)
{
    int i;

    for (i = 0; metadata->left_out && i < metadata->left_out->nelts; i++) {
        bearer_world_log(ks->access.world, BEARER_LOG_INFO,
                         AB(0204) "metadata of issuer %s: not used: %s", ks->name,
                         APR_ARRAY_IDX(metadata->left_out, i, const char *));
    }
}

static apr_status_t discover(bearer_keyset_t *ks,
                             const bearer_issuer_access_t *access,
                             bearer_keyset_record_t *record, const char **error,
                             apr_pool_t *p)
{
    bearer_metadata_t *fetched;
    apr_status_t rv;

    if (!take_known_metadata(ks, record, 0, p)) {
        rv = bearer_metadata_fetch(&fetched, access, error, p);
        if (rv == APR_SUCCESS) {
            bearer_keyset_log_left_out(ks, fetched);
            record->metadata = fetched;
            record->metadata_fetched = now_of(ks);
        } else if (!take_known_metadata(ks, record, 1, p)) {
            return rv;
        }
    }
    record->source = record->metadata->jwks_uri;
    if (!record->source) {
        *error = apr_psprintf(p, "the metadata at %s has no jwks_uri; name the URL in "
                              "AuthBearerKeys",
                              bearer_http_url_shown(record->metadata->source,
                                                    p));
        return APR_EINVAL;
    }
    return APR_SUCCESS;
}

static apr_status_t fetch_document(bearer_keyset_t *ks,
                                   const bearer_issuer_access_t *access,
                                   bearer_keyset_record_t *record,
                                   const char **error, apr_pool_t *p)
{
    bearer_http_response_t *response;
    apr_status_t rv = APR_SUCCESS;

    memset(record, 0, sizeof(*record));
    record->fetched = now_of(ks);
    if (access->keys->kind == BEARER_SOURCE_DISCOVER) {
        rv = discover(ks, access, record, error, p);
    } else {
        record->source = bearer_issuer_expand(access->keys->value, access->tenant, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = bearer_issuer_get(&response, access, record->source, BEARER_JWKS_MAX_BYTES, error, p);
    if (rv == APR_SUCCESS) {
        record->document = response->body;
        record->len = response->body_len;
        record->life = bearer_keyset_life(response->headers, now_of(ks),
                                          refresh_of(ks)->min, refresh_of(ks)->max);
    }
    return rv;
}

static void log_failure(bearer_keyset_t *ks, const char *error, apr_pool_t *p)
{
    apr_time_t now = now_of(ks), gone, retry_at;

    lock(ks);
    gone = ks->set ? ks->gone : 0;
    retry_at = ks->attempt.retry_at;
    unlock(ks);
    bearer_world_log(
        ks->access.world, gone ? BEARER_LOG_WARNING : BEARER_LOG_ERROR,
        AB(0205) "keys of issuer %s: fetching them failed (%s); %s; next attempt in %s",
        ks->name, error,
        gone ? apr_pstrcat(p, "cached keys stay usable for ",
                           bearer_keyset_seconds(gone - now, p), NULL)
             : "there are no cached keys, tokens get 503",
        bearer_keyset_seconds(retry_at - now, p));
}

static void log_success(bearer_keyset_t *ks, const bearer_keyset_record_t *r,
                        int changed, int recovered, apr_pool_t *p)
{
    bearer_keyset_state_t state;

    bearer_keyset_state(ks, &state, p);
    bearer_world_log(ks->access.world,
                     recovered ? BEARER_LOG_NOTICE
                     : changed ? BEARER_LOG_INFO
                               : BEARER_LOG_DEBUG,
                     AB(0206) "keys of issuer %s: %d %s from %s%s, next refresh in %s",
                     ks->name, state.keys, state.keys == 1 ? "key" : "keys",
                     bearer_http_url_shown(r->source, p),
                     changed ? "" : ", unchanged",
                     bearer_keyset_seconds(state.due - now_of(ks), p));
}

static void tell_counters(const bearer_keyset_t *ks, purpose_t purpose,
                          apr_status_t rv)
{
    const bearer_world_t *world = ks->access.world;
    int issuer = ks->access.issuer->index;

    if (purpose == FOR_KID) {
        bearer_world_event(world, BEARER_EVENT_UNKNOWN_KID, issuer, 0);
    }
    bearer_world_event(world, rv == APR_SUCCESS ? BEARER_EVENT_FETCHED
                                                : BEARER_EVENT_FETCH_FAILED,
                       issuer, 0);
}

/* Returns 1 for a fetch that does not count as an attempt: it was interrupted by
 * the end of this process, or it had a short time limit and got no response. It is
 * repeated with the full time. */
static int is_put_off(bearer_keyset_t *ks, apr_status_t rv, apr_time_t started,
                      apr_time_t deadline)
{
    int put_off = rv == APR_EINTR
        || (deadline && deadline - started < kid_patience(ks) / 2
            && now_of(ks) + apr_time_from_msec(10) >= deadline);

    if (put_off) {
        lock(ks);
        ks->slow = 1;
        unlock(ks);
    }
    return put_off;
}

static void fetch(bearer_keyset_t *ks, purpose_t purpose, apr_time_t deadline,
                  apr_pool_t *p)
{
    bearer_issuer_access_t access = ks->access;
    bearer_keyset_record_t record;
    apr_time_t started = now_of(ks);
    const char *error = NULL;
    int changed = 0, recovered, lasting = 0;
    apr_status_t rv;

    access.deadline = deadline;
    rv = fetch_document(ks, &access, &record, &error, p);
    if (rv == APR_SUCCESS) {
        rv = bearer_keyset_adopt(ks, &record, 1, &changed, &error, p);
        lasting = rv != APR_SUCCESS;
        if (lasting) {
            error = apr_psprintf(p, "%s cannot be used: %s",
                                 bearer_http_url_shown(record.source, p),
                                 error);
        }
    }
    if (rv != APR_SUCCESS) {
        if (is_put_off(ks, rv, started, deadline)) {
            return;
        }
        error = error ? error : "the fetch failed";
    }
    lock(ks);
    ks->slow = apr_time_now() - ks->took_off > QUICK_FETCH;
    recovered = ks->attempt.failed && rv == APR_SUCCESS;
    bearer_keyset_note_attempt(ks, purpose, started,
                               rv == APR_SUCCESS ? NULL : error, lasting);
    unlock(ks);
    tell_counters(ks, purpose, rv);
    if (rv == APR_SUCCESS) {
        bearer_keyset_tell_all(ks, p);
        log_success(ks, &record, changed, recovered, p);
    } else {
        bearer_keyset_tell_attempt(ks, p);
        log_failure(ks, error, p);
    }
}

/* ---- flights ----------------------------------------------------------- */

/* Returns 1 if nothing is left to fetch for this purpose. known: FOR_KID, the set
 * without the kid. */
static int settled(bearer_keyset_t *ks, purpose_t purpose,
                   const bearer_jwks_t *known, apr_pool_t *p)
{
    apr_time_t now;
    int done = 0;

    bearer_keyset_look_into_cache(ks, p);
    lock(ks);
    now = now_of(ks);
    switch (purpose) {
    case FOR_DUE:
        done = ks->set && !bearer_keyset_is_due(ks, now);
        break;
    case FOR_COLD:
        done = ks->set != NULL;
        break;
    case FOR_KID:
        done = ks->set && ks->set != known;
        break;
    }
    done = done || !bearer_keyset_may_try(ks, purpose, now);
    unlock(ks);
    return done;
}

/* Returns until when no other process of this host fetches. A fetch of several
 * documents may take longer. But a suspended process must not keep the others
 * without keys for longer than a failed request would. */
static apr_time_t lease_ends(const bearer_keyset_t *ks, apr_time_t deadline)
{
    apr_time_t ends = deadline
        ? deadline : now_of(ks) + ks->access.settings->timeout.total;

    return ends + LEASE_SLACK;
}

/*
 * @param patience  how long to wait (real time) for another process that holds the
 *                  lease; 0: not at all
 * @param deadline  by the world's clock, for all requests together; 0: none
 */
static void fly_over_network(bearer_keyset_t *ks, purpose_t purpose,
                             const bearer_jwks_t *known, apr_time_t patience,
                             apr_time_t deadline)
{
    const bearer_keyset_place_t *place = &ks->place;
    apr_pool_t *ptemp;
    int turn = 0;

    if (apr_pool_create_unmanaged(&ptemp) != APR_SUCCESS) {
        return;
    }
    while (!settled(ks, purpose, known, ptemp)) {
        turn = turn || bearer_keyset_take_turn(ks, purpose);
        if (!turn) {
            break;
        }
        if (bearer_cache_lease(place->cache, place->lease, lease_ends(ks, deadline), ptemp)
            == APR_SUCCESS) {
            /* the former holder may have fetched after this process looked and
             * before it got the lease */
            if (!settled(ks, purpose, known, ptemp)) {
                fetch(ks, purpose, deadline, ptemp);
            }
            bearer_cache_unlease(place->cache, place->lease, ptemp);
            break;
        }
        if (apr_time_now() >= patience) {
            lock(ks);
            ks->pause_until = now_of(ks) + LOOK_INTERVAL;
            unlock(ks);
            break;
        }
        bearer_cache_await(place->cache, place->lease, patience - apr_time_now());
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
}

static void fly_to_file(bearer_keyset_t *ks, purpose_t purpose, apr_pool_t *p)
{
    apr_status_t rv = bearer_filewatch_look(ks->watch, 0, p);
    const char *error =
        rv == APR_SUCCESS ? NULL : bearer_filewatch_error(ks->watch, p);

    lock(ks);
    ks->expiry = ks->ahead = now_of(ks) + BEARER_FILEWATCH_INTERVAL;
    bearer_keyset_note_attempt(ks, purpose, now_of(ks), error, 0);
    ks->attempt.retry_at = 0; /* a file may be read again soon */
    bearer_keyset_set_alarm(ks);
    unlock(ks);
}

/* Call it without the mutex, after this thread has set in_flight. */
void bearer_keyset_fly(bearer_keyset_t *ks, purpose_t purpose,
                       const bearer_jwks_t *known, apr_time_t patience,
                       apr_time_t deadline, apr_pool_t *p)
{
    if (ks->watch) {
        fly_to_file(ks, purpose, p);
    } else {
        fly_over_network(ks, purpose, known, patience, deadline);
    }
    lock(ks);
    ks->in_flight = 0;
    bearer_keyset_set_alarm(ks);
    apr_thread_cond_broadcast(ks->landed);
    unlock(ks);
}

void bearer_keyset_take_off(bearer_keyset_t *ks)
{
    ks->in_flight = 1;
    ks->took_off = apr_time_now();
    bearer_keyset_set_alarm(ks);
}

/* Called under the mutex; releases it and takes it again. */
void bearer_keyset_fly_unlocked(bearer_keyset_t *ks, purpose_t purpose,
                                const bearer_jwks_t *known, apr_time_t patience,
                                apr_pool_t *p)
{
    apr_time_t deadline = now_of(ks)
        + (purpose == FOR_COLD ? patience - apr_time_now()
                               : ks->access.settings->timeout.total);

    bearer_keyset_take_off(ks);
    unlock(ks);
    bearer_keyset_fly(ks, purpose, known, patience, deadline, p);
    lock(ks);
}

/* Under the mutex: returns 0 if a flight was still running at that (real) time. */
int bearer_keyset_wait_for_landing(bearer_keyset_t *ks, apr_time_t patience)
{
    return bearer_flight_wait(ks->landed, ks->mutex, &ks->in_flight, patience);
}
