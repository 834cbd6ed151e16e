/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Times and swaps of a key set: what its mutex protects. See keyset_inside.h.
 */
#include "keys/keyset_inside.h"

#include <string.h>

#include <apr_strings.h>

const char *bearer_keyset_seconds(apr_interval_time_t t, apr_pool_t *p)
{
    return apr_psprintf(p, "%ld s", (long)apr_time_sec(t < 0 ? 0 : t));
}

/* ---- copies of records ------------------------------------------------- */

kept_t *bearer_keyset_keep(const bearer_keyset_record_t *record)
{
    apr_pool_t *pool;
    kept_t *kept;

    if (apr_pool_create_unmanaged(&pool) != APR_SUCCESS) {
        return NULL;
    }
    kept = apr_pcalloc(pool, sizeof(*kept));
    kept->pool = pool;
    bearer_keyset_record_copy(&kept->record, record, pool);
    return kept;
}

kept_t *bearer_keyset_keep_metadata(const bearer_keyset_record_t *record)
{
    const bearer_keyset_record_t alone = {
        .metadata = record->metadata, .metadata_fetched = record->metadata_fetched
    };

    return record->metadata ? bearer_keyset_keep(&alone) : NULL;
}

void bearer_keyset_forget(kept_t *kept)
{
    if (kept) {
        apr_pool_destroy(kept->pool);
    }
}

/* ---- times; under the mutex -------------------------------------------- */

apr_time_t bearer_keyset_due_at(const bearer_keyset_t *ks)
{
    return ks->maintained ? ks->ahead : ks->expiry;
}

/* Returns 1 if that time has come. A time further ahead than possible was written
 * before the clock was set back and counts as over. */
static int is_over(apr_time_t until, apr_interval_time_t most, apr_time_t now)
{
    return now >= until || until - now > most + CLOCK_TOLERANCE;
}

int bearer_keyset_is_due(const bearer_keyset_t *ks, apr_time_t now)
{
    /* a clock that was set back must not extend the lifetime */
    return now >= bearer_keyset_due_at(ks)
        || (ks->watch && is_over(ks->expiry, BEARER_FILEWATCH_INTERVAL, now))
        || (ks->kept && now + CLOCK_TOLERANCE < ks->kept->record.fetched);
}

int bearer_keyset_may_try(const bearer_keyset_t *ks, purpose_t purpose,
                          apr_time_t now)
{
    if (ks->watch) {
        return is_over(ks->expiry, BEARER_FILEWATCH_INTERVAL, now);
    }
    if (purpose == FOR_KID) {
        apr_time_t last = ks->attempt.kid_when;
        apr_interval_time_t min = refresh_of(ks)->min;

        return !last || is_over(last + min, min, now);
    }
    return !ks->attempt.failed
        || is_over(ks->attempt.retry_at, longest_pause(ks), now);
}

int bearer_keyset_may_look(const bearer_keyset_t *ks, apr_time_t now)
{
    return ks->place.cache
        && (now - ks->looked >= LOOK_INTERVAL || now < ks->looked);
}

int bearer_keyset_due_and_allowed(const bearer_keyset_t *ks, apr_time_t now)
{
    return !ks->in_flight && bearer_keyset_is_due(ks, now)
        && bearer_keyset_pause_is_over(ks, now)
        && bearer_keyset_may_try(ks, FOR_DUE, now);
}

int bearer_keyset_pause_is_over(const bearer_keyset_t *ks, apr_time_t now)
{
    return is_over(ks->pause_until, LOOK_INTERVAL, now);
}

int bearer_keyset_may_try_metadata(const bearer_keyset_t *ks, apr_time_t now)
{
    return is_over(ks->metadata_retry, longest_pause(ks), now);
}

void bearer_keyset_set_alarm(bearer_keyset_t *ks)
{
    apr_time_t alarm = NEVER;

    if (ks->set) {
        alarm = ks->gone;
        if (!ks->maintained && !ks->in_flight) {
            apr_time_t overdue = ks->expiry;

            if (overdue < ks->pause_until) {
                overdue = ks->pause_until;
            }
            if (ks->attempt.failed && overdue < ks->attempt.retry_at) {
                overdue = ks->attempt.retry_at;
            }
            alarm = overdue < alarm ? overdue : alarm;
        }
    }
    atomic_store(&ks->alarm, alarm);
}

void bearer_keyset_keys_changed(bearer_keyset_t *ks)
{
    apr_uint64_t stamp = bearer_jwks_stamp(ks->set);
    apr_uint64_t before = atomic_exchange(&ks->stamp, stamp);

    if (ks->home) {
        atomic_fetch_add(&ks->home->of->stamp, stamp - before);
    }
    ks->changes++;
    atomic_store(&ks->generation, ks->changes + FIRST_GENERATION);
}

void bearer_keyset_drop_if_gone(bearer_keyset_t *ks, apr_time_t now)
{
    if (ks->set && now >= ks->gone) {
        bearer_jwks_release(ks->set);
        ks->set = NULL;
        bearer_keyset_keys_changed(ks);
        bearer_keyset_set_alarm(ks);
        ks->say_gone = 1;
    }
}

double bearer_keyset_chance(const bearer_keyset_t *ks)
{
    unsigned char bytes[2];

    if (bearer_world_random(ks->access.world, bytes, sizeof(bytes))
        != APR_SUCCESS) {
        return 0.5;
    }
    return (bytes[0] * 256 + bytes[1]) / 65535.0;
}

static apr_interval_time_t part_of(apr_interval_time_t t, double part)
{
    return (apr_interval_time_t)((double)t * part);
}

/* Sets the refresh ahead of the expiry by 5 to 15 % of the lifetime, differently
 * in each process, so that one process fetches and the others find the result; and
 * by the interval of maintenance. Not before `min`, but always that far ahead of
 * the end. */
static void set_times(bearer_keyset_t *ks, const bearer_keyset_record_t *r,
                      double luck)
{
    const bearer_refresh_t *refresh = refresh_of(ks);
    apr_interval_time_t early = part_of(r->life, 0.05 + luck / 10);
    apr_interval_time_t quarter = r->life / 4;

    early += quarter < LOOK_INTERVAL ? quarter : LOOK_INTERVAL;
    ks->expiry = r->fetched + r->life;
    ks->gone = ks->expiry + refresh->stale;
    ks->ahead = ks->expiry - early;
    if (ks->ahead < r->fetched + refresh->min) {
        ks->ahead = r->fetched + refresh->min;
    }
    if (ks->ahead > ks->gone - early) {
        ks->ahead = ks->gone - early;
    }
    ks->pause_until = 0;
}

apr_interval_time_t bearer_keyset_retry_delay(const bearer_keyset_t *ks,
                                              int failures, double luck)
{
    apr_interval_time_t cap = refresh_of(ks)->min;
    apr_interval_time_t delay = BEARER_KEYSET_RETRY;

    cap = cap < apr_time_from_sec(1) ? apr_time_from_sec(1) : cap;
    for (; failures > 1 && delay < cap; failures--) {
        delay *= 2;
    }
    delay = delay < cap ? delay : cap;
    return part_of(delay, 0.75 + luck / 2);
}

/* ---- attempts; under the mutex ----------------------------------------- */

void bearer_keyset_take_attempt(bearer_keyset_t *ks,
                                const bearer_keyset_attempt_t *attempt)
{
    ks->attempt = *attempt;
    ks->attempt.error = NULL;
    if (attempt->failed) {
        apr_cpystrn(ks->error_text,
                    attempt->error ? attempt->error : "the last fetch failed",
                    sizeof(ks->error_text));
        ks->attempt.error = ks->error_text;
    }
    bearer_keyset_set_alarm(ks);
}

void bearer_keyset_note_attempt(bearer_keyset_t *ks, purpose_t purpose,
                                apr_time_t started, const char *error,
                                int lasting)
{
    bearer_keyset_attempt_t attempt = ks->attempt;

    attempt.when = started;
    attempt.kid_when = purpose == FOR_KID ? started : attempt.kid_when;
    attempt.failed = error != NULL;
    attempt.error = error;
    attempt.failures = error ? attempt.failures + 1 : 0;
    attempt.retry_at = 0;
    if (error) {
        /* a complete but unusable response will not improve soon */
        int failures = lasting ? 64 : attempt.failures;
        double luck = bearer_keyset_chance(ks);

        attempt.retry_at = now_of(ks)
                         + bearer_keyset_retry_delay(ks, failures, luck);
    }
    bearer_keyset_take_attempt(ks, &attempt);
}

/* ---- putting into force ------------------------------------------------- */

int bearer_keyset_equal_sets(const bearer_jwks_t *a, const bearer_jwks_t *b)
{
    return a && b
        && memcmp(bearer_jwks_digest(a), bearer_jwks_digest(b), BEARER_SHA256_SIZE) == 0;
}

/* Under the mutex: replaces the data in force with the news; returns 1 if the
 * usable keys changed. If the keys are equal, the set stays the same object, so
 * that comparing pointers shows whether there is a new one. */
static int exchange(bearer_keyset_t *ks, news_t *news, double luck)
{
    news_t old = *news;
    int changed = news->set != ks->set && !bearer_keyset_equal_sets(news->set, ks->set);

    if (changed) {
        old.set = ks->set;
        ks->set = news->set;
        bearer_keyset_keys_changed(ks);
    }
    old.kept = ks->kept;
    ks->kept = news->kept;
    if (news->metadata) {
        old.metadata = ks->metadata;
        ks->metadata = news->metadata;
    }
    set_times(ks, &ks->kept->record, luck);
    bearer_keyset_set_alarm(ks);
    *news = old;
    return changed;
}

/* A flight may have replaced the set, so a record from the cache must still be newer. */
int bearer_keyset_put_in_force(bearer_keyset_t *ks, news_t *news, int fetched_here)
{
    double luck = bearer_keyset_chance(ks);
    int changed = 0;

    lock(ks);
    if (fetched_here || !ks->set || !ks->kept
        || news->kept->record.fetched > ks->kept->record.fetched) {
        changed = exchange(ks, news, luck);
    }
    unlock(ks);
    bearer_jwks_release(news->set);
    bearer_keyset_forget(news->kept);
    bearer_keyset_forget(news->metadata);
    return changed;
}
