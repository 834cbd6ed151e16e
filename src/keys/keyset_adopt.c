/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Puts a document into force as the key set: a fetched one, or one from the cache.
 * Also writes to the cache. See keyset_inside.h.
 */
#include "keys/keyset_inside.h"

#include <string.h>

#include <apr_strings.h>

/* ---- taking a document over -------------------------------------------- */

void bearer_keyset_log_skipped(bearer_keyset_t *ks, const bearer_jwks_report_t *report)
{
    int i;

    for (i = 0; i < report->lines->nelts; i++) {
        bearer_world_log(ks->access.world, BEARER_LOG_WARNING,
                         AB(0201) "keys of issuer %s: %s", ks->name,
                         APR_ARRAY_IDX(report->lines, i, const char *));
    }
}

/* Parses a document; one without a usable key is an error. The process that
 * fetched the document logs skipped keys once. */
static apr_status_t parse(bearer_keyset_t *ks, bearer_jwks_t **set,
                          const bearer_keyset_record_t *record,
                          const unsigned char *digest, int fetched_here,
                          const char **error, apr_pool_t *p)
{
    bearer_jwks_report_t report;
    apr_status_t rv = bearer_jwks_parse(set, record->document, record->len, ks->origin,
                                        &report, error, p);
    int log;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    lock(ks);
    log = fetched_here && memcmp(ks->logged, digest, sizeof(ks->logged)) != 0;
    memcpy(ks->logged, digest, sizeof(ks->logged));
    unlock(ks);
    if (log) {
        bearer_keyset_log_skipped(ks, &report);
    }
    if (bearer_jwks_count(*set) > 0) {
        return APR_SUCCESS;
    }
    bearer_jwks_release(*set);
    *error = apr_psprintf(p, "the key set has no usable key (skipped: %d)",
                          report.skipped);
    return APR_EINVAL;
}

/* Returns the set in force if the document is identical, so that parsing is not needed. */
static bearer_jwks_t *same_document(bearer_keyset_t *ks,
                                    const unsigned char *digest)
{
    bearer_jwks_t *set = NULL;

    lock(ks);
    if (ks->set && ks->kept
        && memcmp(ks->kept->digest, digest, sizeof(ks->kept->digest)) == 0) {
        set = bearer_jwks_retain(ks->set);
    }
    unlock(ks);
    return set;
}

apr_status_t bearer_keyset_adopt(bearer_keyset_t *ks,
                                 bearer_keyset_record_t *record, int fetched_here,
                                 int *changed, const char **error, apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_time_t now = now_of(ks);
    news_t news;
    apr_status_t rv = bearer_text_sha256(record->document, record->len, digest);

    if (rv != APR_SUCCESS) {
        *error = "no SHA-256";
        return rv;
    }
    news.set = same_document(ks, digest);
    if (!news.set) {
        rv = parse(ks, &news.set, record, digest, fetched_here, error, p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    /* a time slightly ahead of this host's clock must not extend the lifetime */
    record->fetched = record->fetched > now ? now : record->fetched;
    news.metadata = bearer_keyset_keep_metadata(record);
    record->metadata = NULL;
    news.kept = bearer_keyset_keep(record);
    if (!news.kept) {
        bearer_jwks_release(news.set);
        bearer_keyset_forget(news.metadata);
        *error = "out of memory";
        return APR_ENOMEM;
    }
    memcpy(news.kept->digest, digest, sizeof(digest));
    *changed = bearer_keyset_put_in_force(ks, &news, fetched_here);
    return APR_SUCCESS;
}

/* ---- the cache --------------------------------------------------------- */

/* Returns 1 if this record is newer than the one in force and still usable. */
static int is_newer(bearer_keyset_t *ks, const bearer_keyset_record_t *record)
{
    apr_time_t now = now_of(ks);
    int newer;

    lock(ks);
    newer = !ks->set || !ks->kept || record->fetched > ks->kept->record.fetched;
    unlock(ks);
    /* a time in the future would always be newer and prevent fetching */
    return newer && record->fetched <= now + CLOCK_TOLERANCE
        && record->fetched + record->life + refresh_of(ks)->stale > now;
}

static void adopt_from(bearer_keyset_t *ks, const bearer_keyset_place_t *place,
                       apr_pool_t *p)
{
    bearer_keyset_record_t record;
    const char *error = NULL;
    int changed = 0;

    if (bearer_keyset_record_get(&record, place, &ks->access, p)
            != APR_SUCCESS
        || !is_newer(ks, &record)) {
        return;
    }
    if (bearer_keyset_adopt(ks, &record, 0, &changed, &error, p) != APR_SUCCESS) {
        bearer_world_log(ks->access.world, BEARER_LOG_WARNING,
                         AB(0202) "keys of issuer %s: the key set in the shared cache cannot be "
                         "used: %s",
                         ks->name, error);
    } else if (changed) {
        bearer_world_log(ks->access.world, BEARER_LOG_DEBUG,
                         AB(0203) "keys of issuer %s: read from the shared cache", ks->name);
    }
}

static void attempt_from_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_attempt_t attempt;
    apr_time_t now = now_of(ks);
    apr_time_t latest = now + CLOCK_TOLERANCE + longest_pause(ks);

    if (bearer_keyset_attempt_get(&attempt, &ks->place, p) != APR_SUCCESS
        || attempt.when > now + CLOCK_TOLERANCE) {
        return;
    }
    lock(ks);
    if (attempt.kid_when < ks->attempt.kid_when) {
        attempt.kid_when = ks->attempt.kid_when;
    }
    ks->attempt.kid_when = attempt.kid_when;
    if (attempt.when > ks->attempt.when) {
        if (attempt.retry_at > latest) {
            attempt.retry_at = latest;
        }
        bearer_keyset_take_attempt(ks, &attempt);
    }
    unlock(ks);
}

void bearer_keyset_look_into_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    if (ks->place.cache) {
        adopt_from(ks, &ks->place, p);
        attempt_from_cache(ks, p);
        lock(ks);
        ks->looked = now_of(ks);
        unlock(ks);
    }
}

void bearer_keyset_prime(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_place_t place = ks->place;

    place.cache = ks->access.world->keys_home;
    if (place.cache && !ks->watch && !ks->per_tenant) {
        adopt_from(ks, &place, p);
    }
}

/* Copies the record in force into p, with document and metadata. */
static apr_status_t copy_record(bearer_keyset_t *ks,
                                bearer_keyset_record_t *record,
                                apr_time_t *expires, apr_pool_t *p)
{
    apr_status_t rv = APR_NOTFOUND;

    lock(ks);
    if (ks->set && ks->kept && !ks->watch) {
        bearer_keyset_record_copy(record, &ks->kept->record, p);
        if (ks->metadata) {
            record->metadata = bearer_metadata_copy(ks->metadata->record.metadata, p);
            record->metadata_fetched = ks->metadata->record.metadata_fetched;
        }
        *expires = ks->gone;
        rv = APR_SUCCESS;
    }
    unlock(ks);
    return rv;
}

void bearer_keyset_tell_attempt(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_attempt_t attempt;

    lock(ks);
    attempt = ks->attempt;
    attempt.error = apr_pstrdup(p, attempt.error);
    attempt.fetched = ks->kept ? ks->kept->record.fetched : 0;
    unlock(ks);
    if (!attempt.when) {
        attempt.when = attempt.fetched; /* fetched by another process, or restored */
    }
    bearer_keyset_attempt_put(
        &ks->place, &attempt,
        now_of(ks) + refresh_of(ks)->max + refresh_of(ks)->stale, p);
}

void bearer_keyset_tell_all(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_record_t record;
    apr_time_t expires;

    if (!ks->place.cache) {
        return;
    }
    if (copy_record(ks, &record, &expires, p) == APR_SUCCESS) {
        bearer_keyset_record_put(&ks->place, &record, expires, p);
    }
    bearer_keyset_tell_attempt(ks, p);
}
