/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The issuer's metadata for requests: taken from the fetched keys, or fetched by one
 * request while others wait. See keyset_inside.h.
 */
#include "keys/keyset_inside.h"

#include <apr_strings.h>

/* Gets the metadata with discovered keys, possibly from the cache. */
static void warm_up_for_metadata(bearer_keyset_t *ks, apr_pool_t *p)
{
    if (ks->access.keys->kind == BEARER_SOURCE_DISCOVER && !ks->set
        && !ks->metadata) {
        bearer_keyset_warm_up(ks, ks->access.settings->timeout.total, p);
    }
}

/* Called under the mutex; releases it and takes it again. */
static void fetch_metadata(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_issuer_access_t access = ks->access;
    bearer_keyset_record_t record = { .metadata_fetched = now_of(ks) };
    bearer_metadata_t *fetched;
    kept_t *kept = NULL;
    const char *error = NULL;

    access.deadline = record.metadata_fetched + access.settings->timeout.total;
    ks->metadata_in_flight = 1;
    unlock(ks);
    if (bearer_metadata_fetch(&fetched, &access, &error, p) == APR_SUCCESS) {
        bearer_keyset_log_left_out(ks, fetched);
        record.metadata = fetched;
        kept = bearer_keyset_keep(&record);
    } else {
        bearer_world_log(access.world, BEARER_LOG_WARNING,
                         AB(0208) "metadata of issuer %s: %s", ks->name, error);
    }
    lock(ks);
    ks->metadata_in_flight = 0;
    if (kept) {
        bearer_keyset_forget(ks->metadata);
        ks->metadata = kept;
    } else {
        ks->metadata_retry = now_of(ks)
            + bearer_keyset_retry_delay(ks, 4, bearer_keyset_chance(ks));
        apr_cpystrn(ks->metadata_error, error ? error : "out of memory",
                    sizeof(ks->metadata_error));
    }
    apr_thread_cond_broadcast(ks->landed);
}

static void wait_for_metadata(bearer_keyset_t *ks)
{
    apr_time_t patience = apr_time_now() + ks->access.settings->timeout.total;

    while (!ks->metadata && ks->metadata_in_flight) {
        apr_interval_time_t left = patience - apr_time_now();

        if (left <= 0) {
            return;
        }
        apr_thread_cond_timedwait(ks->landed, ks->mutex, left);
    }
}

/* Under the mutex: returns 1 if none is known, or newer metadata is due. */
static int wants_metadata(const bearer_keyset_t *ks, apr_time_t now)
{
    apr_time_t fetched = ks->metadata ? ks->metadata->record.metadata_fetched : 0;

    return !ks->metadata || now - fetched >= METADATA_LIFE || now < fetched;
}

/* Under the mutex: returns 1 if a request would wait or fetch. A request with old
 * metadata does not wait for another thread's fetch, and none repeats a fetch that
 * has just failed. */
static int would_wait_for_metadata(const bearer_keyset_t *ks, apr_time_t now)
{
    return wants_metadata(ks, now)
        && ((!ks->metadata_in_flight && bearer_keyset_may_try_metadata(ks, now))
            || (!ks->metadata
                && (ks->metadata_in_flight || ks->in_flight
                    || bearer_keyset_may_try(ks, FOR_COLD, now))));
}

static void look_for_metadata(bearer_keyset_t *ks, apr_time_t now, apr_pool_t *p)
{
    warm_up_for_metadata(ks, p);
    wait_for_metadata(ks);
    if (wants_metadata(ks, now) && !ks->metadata_in_flight
        && bearer_keyset_may_try_metadata(ks, now)) {
        fetch_metadata(ks, p);
    }
}

const bearer_metadata_t *
bearer_keyset_metadata(bearer_keyset_t *ks, const char **error, apr_pool_t *p)
{
    const bearer_metadata_t *metadata = NULL;
    bearer_ticket_t ticket = { 0 };
    apr_time_t now = now_of(ks);
    const char *full = NULL;

    *error = NULL;
    lock(ks);
    if (would_wait_for_metadata(ks, now)) {
        full = bearer_keyset_enter(ks, &ticket);
    }
    if (!full) {
        look_for_metadata(ks, now, p);
    }
    if (ks->metadata) {
        metadata = bearer_metadata_copy(ks->metadata->record.metadata, p);
    } else {
        *error = full ? full
               : ks->metadata_error[0] ? apr_pstrdup(p, ks->metadata_error)
                                       : "the metadata is being fetched";
    }
    unlock(ks);
    bearer_gate_leave(&ticket);
    return metadata;
}
