/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The life of a key set. See keyset.h for what callers see.
 *
 * All that changes is in bearer_keyset_t, guarded by its mutex, which is held to
 * look and to swap pointers. Whatever takes time (the cache, the network, a file,
 * parsing) is done by a *flight*: the one thread that has set in_flight works
 * without the mutex, and on landing clears it and wakes who waits.
 *
 * Across processes the lease of the cache does the same, and the cache carries
 * the document and the last attempt, so that one process's fetch, and its
 * failure, is everybody's.
 */
#include "bearer/keyset.h"

#include <stdatomic.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include "bearer/filewatch.h"
#include "bearer/keyset_record.h"
#include "bearer/text.h"

/** Discovered metadata is asked for again after so long, or after a failure. */
#define METADATA_LIFE apr_time_from_sec(3600)
/** How often a process looks into the cache for what others have fetched. */
#define LOOK_INTERVAL apr_time_from_sec(1)
#define SYNC_INTERVAL apr_time_from_sec(10)
/** Steps in which a cold process waits for the one that fetches. */
#define POLL_INTERVAL apr_time_from_msec(20)
/** A set as young as this is not fetched again for an unknown kid. */
#define JUST_FETCHED apr_time_from_msec(100)
/** What comes from further in the future is another host's wrong clock. */
#define CLOCK_TOLERANCE apr_time_from_sec(60)
#define NEVER APR_INT64_MAX
#define ERROR_MAX 512

/** Why a flight is made; decides when it is done. */
typedef enum { FOR_DUE, FOR_COLD, FOR_KID } purpose_t;

/** What is in force, in a pool of its own. */
typedef struct kept_t {
    apr_pool_t *pool;
    bearer_keyset_record_t record;       /* without its metadata */
    unsigned char digest[BEARER_SHA256_SIZE];  /* of the document */
} kept_t;

typedef struct kept_metadata_t {
    apr_pool_t *pool;
    bearer_metadata_t *metadata;
    apr_time_t fetched;
} kept_metadata_t;

struct bearer_keyset_t {
    /* fixed at creation */
    bearer_issuer_access_t access;
    const char *name;                    /* of the issuer, quoted */
    bearer_jwks_origin_t origin;
    bearer_keyset_place_t place;
    bearer_filewatch_t *watch;           /* NULL: keys are fetched */
    int per_tenant;                      /* the keys' URL contains {tenant} */
    apr_pool_t *own;                     /* used under the mutex only */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    /* under the mutex */
    int in_flight;
    bearer_jwks_t *set;                  /* NULL: cold, or gone */
    kept_t *kept;                        /* may outlive the set */
    kept_metadata_t *metadata;
    apr_time_t loaded;                   /* a file */
    apr_time_t ahead;                    /* refreshed from here by maintenance */
    apr_time_t expiry;                   /* and from here by a request */
    apr_time_t gone;
    apr_time_t pause_until;              /* another process is at it */
    apr_time_t looked, synced;           /* into the cache */
    bearer_keyset_attempt_t attempt;     /* error points to error_text */
    char error_text[ERROR_MAX];
    unsigned char logged[BEARER_SHA256_SIZE];  /* skipped keys, of this one */
    int maintained, eager;
    int metadata_in_flight;
    apr_time_t metadata_retry;
    char metadata_error[ERROR_MAX];
    apr_hash_t *tenants;                 /* bearer_keyset_t * */
    apr_uint64_t changes;
    /* read without it */
    _Atomic apr_uint64_t generation;
    _Atomic apr_time_t alarm;            /* from here a request must come by */
};

static void lock(bearer_keyset_t *ks)
{
    apr_thread_mutex_lock(ks->mutex);
}

static void unlock(bearer_keyset_t *ks)
{
    apr_thread_mutex_unlock(ks->mutex);
}

static apr_time_t now_of(const bearer_keyset_t *ks)
{
    return bearer_world_now(ks->access.world);
}

static const bearer_refresh_t *refresh_of(const bearer_keyset_t *ks)
{
    return &ks->access.settings->keys_refresh;
}

static const char *seconds(apr_interval_time_t t, apr_pool_t *p)
{
    return apr_psprintf(p, "%ld s", (long)apr_time_sec(t < 0 ? 0 : t));
}

/* ---- what is kept ------------------------------------------------------ */

static kept_t *keep_record(const bearer_keyset_record_t *record,
                           const unsigned char *digest)
{
    apr_pool_t *pool;
    kept_t *kept;

    if (apr_pool_create_unmanaged(&pool) != APR_SUCCESS) {
        return NULL;
    }
    kept = apr_pcalloc(pool, sizeof(*kept));
    kept->pool = pool;
    kept->record = *record;
    kept->record.metadata = NULL;
    kept->record.source = apr_pstrdup(pool, record->source);
    kept->record.document = apr_pmemdup(pool, record->document, record->len);
    memcpy(kept->digest, digest, sizeof(kept->digest));
    return kept;
}

static kept_metadata_t *keep_metadata(const bearer_metadata_t *metadata,
                                      apr_time_t fetched)
{
    apr_pool_t *pool;
    kept_metadata_t *kept;

    if (!metadata || apr_pool_create_unmanaged(&pool) != APR_SUCCESS) {
        return NULL;
    }
    kept = apr_pcalloc(pool, sizeof(*kept));
    kept->pool = pool;
    kept->metadata = bearer_metadata_copy(metadata, pool);
    kept->fetched = fetched;
    return kept;
}

static void forget_record(kept_t *kept)
{
    if (kept) {
        apr_pool_destroy(kept->pool);
    }
}

static void forget_metadata(kept_metadata_t *kept)
{
    if (kept) {
        apr_pool_destroy(kept->pool);
    }
}

static void forget_set(bearer_jwks_t *set)
{
    if (set) {
        bearer_jwks_release(set);
    }
}

/* ---- times; under the mutex -------------------------------------------- */

/* From when on the set should be refreshed, by whom it concerns. */
static apr_time_t due_at(const bearer_keyset_t *ks)
{
    return ks->maintained ? ks->ahead : ks->expiry;
}

/* May a fetch be made for this purpose, as far as earlier ones go? */
static int may_try(const bearer_keyset_t *ks, purpose_t purpose, apr_time_t now)
{
    if (ks->watch) {
        return now >= ks->expiry;
    }
    if (purpose == FOR_KID) {
        apr_time_t last = ks->attempt.kid_when;

        return !last || now - last >= refresh_of(ks)->min || now < last;
    }
    return !ks->attempt.failed || now >= ks->attempt.retry_at;
}

/* Is it time to look for what another process may have fetched? */
static int may_look(const bearer_keyset_t *ks, apr_time_t now)
{
    return ks->place.cache
           && (now - ks->looked >= LOOK_INTERVAL || now < ks->looked);
}

static int due_and_allowed(const bearer_keyset_t *ks, apr_time_t now)
{
    return !ks->in_flight && now >= due_at(ks) && now >= ks->pause_until
           && may_try(ks, FOR_DUE, now);
}

/* Tells generation() when it must answer differently. */
static void set_alarm(bearer_keyset_t *ks)
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

static void keys_changed(bearer_keyset_t *ks)
{
    ks->changes++;
    atomic_store(&ks->generation, ks->changes + 1);
}

/* After `stale` a set serves no longer, whatever has become of its issuer. */
static void drop_if_gone(bearer_keyset_t *ks, apr_time_t now)
{
    if (ks->set && now >= ks->gone) {
        bearer_jwks_release(ks->set);
        ks->set = NULL;
        keys_changed(ks);
        set_alarm(ks);
        bearer_world_log(ks->access.world, BEARER_LOG_ERROR,
                         "keys of issuer %s: the known keys are too old to be"
                         " used any longer (AuthBearerKeysRefresh stale=)",
                         ks->name);
    }
}

/* 0..1 */
static double chance(const bearer_keyset_t *ks)
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

/* Ahead of its expiry by 5 to 15 % of its life, differently in each process, so
 * that one of them fetches and the others find that done. */
static void set_times(bearer_keyset_t *ks, const bearer_keyset_record_t *r,
                      double luck)
{
    const bearer_refresh_t *refresh = refresh_of(ks);

    ks->expiry = r->fetched + r->life;
    ks->gone = ks->expiry + refresh->stale;
    ks->ahead = ks->expiry - part_of(r->life, 0.05 + luck / 10);
    if (ks->ahead < r->fetched + refresh->min) {
        ks->ahead = r->fetched + refresh->min;
    }
    ks->pause_until = 0;
}

static apr_interval_time_t retry_delay(const bearer_keyset_t *ks, int failures,
                                       double luck)
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

static void take_attempt(bearer_keyset_t *ks,
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
    set_alarm(ks);
}

static void note_attempt(bearer_keyset_t *ks, purpose_t purpose,
                         apr_time_t started, const char *error, int lasting)
{
    bearer_keyset_attempt_t attempt = ks->attempt;

    attempt.when = started;
    attempt.kid_when = purpose == FOR_KID ? started : attempt.kid_when;
    attempt.failed = error != NULL;
    attempt.error = error;
    attempt.failures = error ? attempt.failures + 1 : 0;
    attempt.retry_at = 0;
    if (error) {
        /* an answer that is complete and useless does not get better soon */
        attempt.retry_at = now_of(ks)
                           + retry_delay(ks, lasting ? 64 : attempt.failures,
                                         chance(ks));
    }
    take_attempt(ks, &attempt);
}

/* ---- taking a document over -------------------------------------------- */

static void log_skipped(bearer_keyset_t *ks, const bearer_jwks_report_t *report)
{
    int i;

    for (i = 0; report->lines && i < report->lines->nelts; i++) {
        bearer_world_log(ks->access.world, BEARER_LOG_WARNING,
                         "keys of issuer %s: %s", ks->name,
                         APR_ARRAY_IDX(report->lines, i, const char *));
    }
}

/* Parses; a document without a usable key is an error. Skipped keys are logged
 * once per document, by the process that fetched it. */
static apr_status_t parse(bearer_keyset_t *ks, bearer_jwks_t **set,
                          const bearer_keyset_record_t *record,
                          const unsigned char *digest, int fetched_here,
                          const char **error, apr_pool_t *p)
{
    bearer_jwks_report_t report;
    apr_status_t rv;
    int log;

    memset(&report, 0, sizeof(report));
    rv = bearer_jwks_parse(set, record->document, record->len, ks->origin,
                           &report, error, p);
    if (rv != APR_SUCCESS) {
        *set = NULL;
        return rv;
    }
    lock(ks);
    log = fetched_here && memcmp(ks->logged, digest, sizeof(ks->logged)) != 0;
    memcpy(ks->logged, digest, sizeof(ks->logged));
    unlock(ks);
    if (log) {
        log_skipped(ks, &report);
    }
    if (bearer_jwks_count(*set) > 0) {
        return APR_SUCCESS;
    }
    bearer_jwks_release(*set);
    *set = NULL;
    *error = apr_psprintf(p, "the document has no usable key (%d skipped)",
                          report.skipped);
    return APR_EINVAL;
}

static int equal_sets(const bearer_jwks_t *a, const bearer_jwks_t *b)
{
    return a && b
           && memcmp(bearer_jwks_digest(a), bearer_jwks_digest(b),
                     BEARER_SHA256_SIZE) == 0;
}

/* The document in force, if it is this very one: nothing to parse then. */
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

/* What a process takes over at once. */
typedef struct news_t {
    bearer_jwks_t *set;
    kept_t *kept;
    kept_metadata_t *metadata;   /* NULL: nothing new of it */
} news_t;

/* Under the mutex: exchanges the news with what is in force; 1 if the usable
 * keys changed. A set with the same keys stays the same object, so that a
 * pointer tells whether there is anything new. */
static int exchange(bearer_keyset_t *ks, news_t *news, double luck)
{
    news_t old = *news;
    int changed = news->set != ks->set && !equal_sets(news->set, ks->set);

    if (changed) {
        old.set = ks->set;
        ks->set = news->set;
        keys_changed(ks);
    }
    old.kept = ks->kept;
    ks->kept = news->kept;
    if (news->metadata) {
        old.metadata = ks->metadata;
        ks->metadata = news->metadata;
    }
    set_times(ks, &ks->kept->record, luck);
    set_alarm(ks);
    *news = old;
    return changed;
}

/* Takes the references over. What comes from the cache must still be newer than
 * what a flight may have brought meanwhile. */
static int put_in_force(bearer_keyset_t *ks, news_t *news, int fetched_here)
{
    double luck = chance(ks);
    int changed = 0;

    lock(ks);
    if (fetched_here || !ks->set || !ks->kept
        || news->kept->record.fetched > ks->kept->record.fetched) {
        changed = exchange(ks, news, luck);
    }
    unlock(ks);
    forget_set(news->set);
    forget_record(news->kept);
    forget_metadata(news->metadata);
    return changed;
}

static apr_status_t adopt(bearer_keyset_t *ks, bearer_keyset_record_t *record,
                          int fetched_here, int *changed, const char **error,
                          apr_pool_t *p)
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
    /* a little ahead of this host's clock: it does not live longer for it */
    record->fetched = record->fetched > now ? now : record->fetched;
    news.kept = keep_record(record, digest);
    if (!news.kept) {
        bearer_jwks_release(news.set);
        *error = "out of memory";
        return APR_ENOMEM;
    }
    news.metadata = keep_metadata(record->metadata, record->metadata_fetched);
    *changed = put_in_force(ks, &news, fetched_here);
    return APR_SUCCESS;
}

/* ---- the cache --------------------------------------------------------- */

/* Is this record newer than what is in force, and does it serve at all? */
static int is_newer(bearer_keyset_t *ks, const bearer_keyset_record_t *record)
{
    apr_time_t now = now_of(ks);
    int newer;

    lock(ks);
    newer = !ks->set || !ks->kept
            || record->fetched > ks->kept->record.fetched;
    unlock(ks);
    /* from the future it would be newer for ever, and nothing be fetched */
    return newer && record->fetched <= now + CLOCK_TOLERANCE
           && record->fetched + record->life + refresh_of(ks)->stale > now;
}

static void adopt_from_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_record_t record;
    const char *error = NULL;
    int changed = 0;

    if (bearer_keyset_record_get(&record, &ks->place, &ks->access, p)
            != APR_SUCCESS
        || !is_newer(ks, &record)) {
        return;
    }
    if (adopt(ks, &record, 0, &changed, &error, p) != APR_SUCCESS) {
        bearer_world_log(ks->access.world, BEARER_LOG_WARNING,
                         "keys of issuer %s: the document in the cache cannot"
                         " be used: %s", ks->name, error);
    } else if (changed) {
        bearer_world_log(ks->access.world, BEARER_LOG_DEBUG,
                         "keys of issuer %s: taken from the cache", ks->name);
    }
}

static void attempt_from_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_attempt_t attempt;

    if (bearer_keyset_attempt_get(&attempt, &ks->place, p) != APR_SUCCESS
        || attempt.when > now_of(ks) + CLOCK_TOLERANCE) {
        return;
    }
    lock(ks);
    if (attempt.when > ks->attempt.when) {
        if (attempt.kid_when < ks->attempt.kid_when) {
            attempt.kid_when = ks->attempt.kid_when;
        }
        take_attempt(ks, &attempt);
    }
    unlock(ks);
}

static void look_into_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    if (ks->place.cache) {
        adopt_from_cache(ks, p);
        attempt_from_cache(ks, p);
        lock(ks);
        ks->looked = now_of(ks);
        unlock(ks);
    }
}

/* What is in force as a record in p, document and metadata too. */
static apr_status_t copy_record(bearer_keyset_t *ks,
                                bearer_keyset_record_t *record,
                                apr_time_t *expires, apr_pool_t *p)
{
    apr_status_t rv = APR_NOTFOUND;

    lock(ks);
    if (ks->set && ks->kept && !ks->watch) {
        *record = ks->kept->record;
        record->source = apr_pstrdup(p, record->source);
        record->document = apr_pmemdup(p, record->document, record->len);
        if (ks->metadata) {
            record->metadata = bearer_metadata_copy(ks->metadata->metadata, p);
            record->metadata_fetched = ks->metadata->fetched;
        }
        *expires = ks->gone;
        rv = APR_SUCCESS;
    }
    unlock(ks);
    return rv;
}

static void tell_attempt(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_attempt_t attempt;

    lock(ks);
    attempt = ks->attempt;
    attempt.error = apr_pstrdup(p, attempt.error);
    attempt.fetched = ks->kept ? ks->kept->record.fetched : 0;
    unlock(ks);
    if (!attempt.when) {
        attempt.when = attempt.fetched;   /* another process's, or restored */
    }
    bearer_keyset_attempt_put(&ks->place, &attempt,
                              now_of(ks) + refresh_of(ks)->max
                                  + refresh_of(ks)->stale, p);
}

static void tell_all(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_record_t record;
    apr_time_t expires;

    if (!ks->place.cache) {
        return;
    }
    if (copy_record(ks, &record, &expires, p) == APR_SUCCESS) {
        bearer_keyset_record_put(&ks->place, &record, expires, p);
    }
    tell_attempt(ks, p);
}

/* ---- fetching ---------------------------------------------------------- */

/* Metadata that is young enough, in p; NULL: it must be asked for. */
static const bearer_metadata_t *known_metadata(bearer_keyset_t *ks,
                                               apr_time_t *fetched,
                                               apr_pool_t *p)
{
    const bearer_metadata_t *metadata = NULL;
    apr_time_t now = now_of(ks);

    lock(ks);
    /* after a failure the keys may have moved: ask where they are */
    if (ks->metadata && !ks->attempt.failed
        && now - ks->metadata->fetched < METADATA_LIFE
        && now >= ks->metadata->fetched) {
        metadata = bearer_metadata_copy(ks->metadata->metadata, p);
        *fetched = ks->metadata->fetched;
    }
    unlock(ks);
    return metadata;
}

static void log_left_out(bearer_keyset_t *ks, const bearer_metadata_t *metadata)
{
    int i;

    for (i = 0; metadata->left_out && i < metadata->left_out->nelts; i++) {
        bearer_world_log(ks->access.world, BEARER_LOG_INFO,
                         "metadata of issuer %s: not used: %s", ks->name,
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

    record->metadata = known_metadata(ks, &record->metadata_fetched, p);
    if (!record->metadata) {
        record->metadata_fetched = now_of(ks);
        rv = bearer_metadata_fetch(&fetched, access, error, p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        log_left_out(ks, fetched);
        record->metadata = fetched;
    }
    record->source = record->metadata->jwks_uri;
    if (!record->source) {
        *error = apr_psprintf(p, "the metadata at %s has no jwks_uri:"
                                 " AuthBearerKeys can name the URL",
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
    const bearer_refresh_t *refresh = refresh_of(ks);
    bearer_http_response_t *response;
    apr_status_t rv = APR_SUCCESS;

    memset(record, 0, sizeof(*record));
    record->fetched = now_of(ks);
    if (access->issuer->keys.kind == BEARER_SOURCE_DISCOVER) {
        rv = discover(ks, access, record, error, p);
    } else {
        record->source = bearer_issuer_expand(access->issuer->keys.value,
                                              access->tenant, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = bearer_issuer_get(&response, access, record->source,
                           BEARER_JWKS_MAX_BYTES, error, p);
    if (rv == APR_SUCCESS) {
        record->document = response->body;
        record->len = response->body_len;
        record->life = bearer_keyset_life(response->headers, now_of(ks),
                                          refresh->min, refresh->max);
    }
    return rv;
}

static void log_failure(bearer_keyset_t *ks, const char *error, apr_pool_t *p)
{
    apr_time_t now = now_of(ks), gone = 0, retry_at;

    lock(ks);
    if (ks->set) {
        gone = ks->gone;
    }
    retry_at = ks->attempt.retry_at;
    unlock(ks);
    bearer_world_log(ks->access.world,
                     gone ? BEARER_LOG_WARNING : BEARER_LOG_ERROR,
                     "keys of issuer %s: %s; %s, next try in %s", ks->name,
                     error,
                     gone ? apr_pstrcat(p, "the known keys serve on for ",
                                        seconds(gone - now, p), NULL)
                          : "no key is known, its tokens cannot be verified",
                     seconds(retry_at - now, p));
}

static void log_success(bearer_keyset_t *ks, const bearer_keyset_record_t *r,
                        int changed, int recovered, apr_pool_t *p)
{
    bearer_keyset_state_t state;

    bearer_keyset_state(ks, &state, p);
    bearer_world_log(ks->access.world,
                     recovered ? BEARER_LOG_NOTICE
                               : changed ? BEARER_LOG_INFO : BEARER_LOG_DEBUG,
                     "keys of issuer %s: %d %s from %s%s, next refresh in %s",
                     ks->name, state.keys, state.keys == 1 ? "key" : "keys",
                     bearer_http_url_shown(r->source, p),
                     changed ? "" : ", unchanged",
                     seconds(state.due - now_of(ks), p));
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
        rv = adopt(ks, &record, 1, &changed, &error, p);
        lasting = rv != APR_SUCCESS;
        if (lasting) {
            error = apr_psprintf(p, "%s cannot be used: %s",
                                 bearer_http_url_shown(record.source, p),
                                 error);
        }
    }
    if (rv != APR_SUCCESS && !error) {
        error = "the fetch failed";
    }
    lock(ks);
    recovered = ks->attempt.failed && rv == APR_SUCCESS;
    note_attempt(ks, purpose, started, rv == APR_SUCCESS ? NULL : error,
                 lasting);
    unlock(ks);
    if (rv == APR_SUCCESS) {
        tell_all(ks, p);
        log_success(ks, &record, changed, recovered, p);
    } else {
        tell_attempt(ks, p);
        log_failure(ks, error, p);
    }
}

/* ---- flights ----------------------------------------------------------- */

/* Is there nothing left to fetch for this purpose? known: FOR_KID, the set that
 * does not have it. */
static int settled(bearer_keyset_t *ks, purpose_t purpose,
                   const bearer_jwks_t *known, apr_pool_t *p)
{
    apr_time_t now;
    int done = 0;

    look_into_cache(ks, p);
    lock(ks);
    now = now_of(ks);
    switch (purpose) {
    case FOR_DUE:
        done = ks->set && now < due_at(ks);
        break;
    case FOR_COLD:
        done = ks->set != NULL;
        break;
    case FOR_KID:
        done = ks->set && ks->set != known;
        break;
    }
    done = done || !may_try(ks, purpose, now);
    unlock(ks);
    return done;
}

/* How long a fetch can take at most, when nothing but timeouts ends it: two
 * documents of metadata and the keys. */
static apr_interval_time_t longest_fetch(const bearer_keyset_t *ks)
{
    return 3 * ks->access.settings->timeout.total + apr_time_from_sec(5);
}

/*
 * @param patience  by the real clock: until then it waits for another process
 *                  that has the lease; 0: not at all
 * @param deadline  by the world's clock, for all requests together; 0: none
 */
static void fly_over_network(bearer_keyset_t *ks, purpose_t purpose,
                             const bearer_jwks_t *known, apr_time_t patience,
                             apr_time_t deadline)
{
    apr_pool_t *ptemp;

    if (apr_pool_create_unmanaged(&ptemp) != APR_SUCCESS) {
        return;
    }
    while (!settled(ks, purpose, known, ptemp)) {
        if (bearer_keyset_lease(&ks->place, now_of(ks) + longest_fetch(ks),
                                ptemp) == APR_SUCCESS) {
            /* who had it before may have fetched between look and lease */
            if (!settled(ks, purpose, known, ptemp)) {
                fetch(ks, purpose, deadline, ptemp);
            }
            bearer_keyset_unlease(&ks->place, ptemp);
            break;
        }
        if (apr_time_now() >= patience) {
            lock(ks);
            ks->pause_until = now_of(ks) + LOOK_INTERVAL;
            unlock(ks);
            break;
        }
        apr_sleep(POLL_INTERVAL);
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
}

static void fly_to_file(bearer_keyset_t *ks, purpose_t purpose, apr_pool_t *p)
{
    apr_status_t rv = bearer_filewatch_look(ks->watch, 0, p);
    const char *error = rv == APR_SUCCESS ? NULL
                                          : bearer_filewatch_error(ks->watch,
                                                                   p);

    lock(ks);
    ks->expiry = ks->ahead = now_of(ks) + BEARER_FILEWATCH_INTERVAL;
    note_attempt(ks, purpose, now_of(ks), error, 0);
    ks->attempt.retry_at = 0;   /* a file may be looked at again soon */
    set_alarm(ks);
    unlock(ks);
}

/* Called with in_flight set by this thread and without the mutex. */
static void fly(bearer_keyset_t *ks, purpose_t purpose,
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
    set_alarm(ks);
    apr_thread_cond_broadcast(ks->landed);
    unlock(ks);
}

/* Under the mutex, which it leaves and takes again. */
static void fly_unlocked(bearer_keyset_t *ks, purpose_t purpose,
                         const bearer_jwks_t *known, apr_time_t patience,
                         apr_pool_t *p)
{
    apr_time_t deadline = now_of(ks) + ks->access.settings->timeout.total;

    ks->in_flight = 1;
    set_alarm(ks);
    unlock(ks);
    fly(ks, purpose, known, patience, deadline, p);
    lock(ks);
}

/* Under the mutex: 0 when a flight was still under way at that (real) time. */
static int wait_for_landing(bearer_keyset_t *ks, apr_time_t patience)
{
    while (ks->in_flight) {
        apr_interval_time_t left = patience - apr_time_now();

        if (left <= 0) {
            return 0;
        }
        apr_thread_cond_timedwait(ks->landed, ks->mutex, left);
    }
    return 1;
}

/* ---- requests ---------------------------------------------------------- */

/* Under the mutex: finds a set for a process that has none. */
static void warm_up(bearer_keyset_t *ks, apr_pool_t *p)
{
    apr_time_t patience = apr_time_now() + ks->access.settings->timeout.total;

    while (!ks->set) {
        apr_time_t seen = ks->attempt.when;
        apr_time_t now;

        if (!wait_for_landing(ks, patience) || ks->set) {
            return;
        }
        /* the outcome of a flight that was waited for is this one's, too */
        now = now_of(ks);
        if (ks->attempt.when != seen && !may_try(ks, FOR_COLD, now)) {
            return;
        }
        if (!may_try(ks, FOR_COLD, now) && !may_look(ks, now)) {
            return;
        }
        seen = ks->attempt.when;
        fly_unlocked(ks, FOR_COLD, NULL, patience, p);
        if (ks->attempt.when != seen || apr_time_now() >= patience
            || !may_try(ks, FOR_COLD, now_of(ks))) {
            return;
        }
    }
}

static bearer_reason_t nothing_usable(bearer_keyset_t *ks, bearer_refusal_t *why,
                                      apr_pool_t *p)
{
    return bearer_refuse(why, p, BEARER_KEYS,
                         "no key of issuer %s is known: %s", ks->name,
                         ks->attempt.failed ? ks->error_text
                         : ks->in_flight
                             ? "they are being fetched, for longer than"
                               " AuthBearerTimeout total="
                             : "another process is fetching them");
}

bearer_reason_t bearer_keyset_acquire(bearer_keyset_t *ks, bearer_jwks_t **set,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_reason_t reason = BEARER_OK;
    apr_time_t now = now_of(ks);

    *set = NULL;
    lock(ks);
    drop_if_gone(ks, now);
    if (!ks->set) {
        warm_up(ks, p);
    } else if (!ks->maintained && due_and_allowed(ks, now)) {
        fly_unlocked(ks, FOR_DUE, NULL, 0, p);
        drop_if_gone(ks, now_of(ks));
    }
    if (ks->set) {
        *set = bearer_jwks_retain(ks->set);
    } else {
        reason = nothing_usable(ks, why, p);
    }
    unlock(ks);
    return reason;
}

/* Under the mutex: may this request cause a look for a newer set? */
static int may_look_for_kid(const bearer_keyset_t *ks, apr_time_t now)
{
    if (ks->watch) {
        return may_try(ks, FOR_KID, now);
    }
    if (ks->kept && now - ks->kept->record.fetched < JUST_FETCHED
        && now >= ks->kept->record.fetched) {
        return 0;
    }
    return may_try(ks, FOR_KID, now) || may_look(ks, now);
}

static bearer_reason_t unknown_kid(bearer_keyset_t *ks, const char *kid,
                                   int landed, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    apr_time_t now = now_of(ks);
    apr_time_t next = ks->attempt.kid_when + refresh_of(ks)->min;

    if (!ks->set) {
        return nothing_usable(ks, why, p);
    }
    if (ks->attempt.failed || !landed) {
        return bearer_refuse(why, p, BEARER_KEYS,
                             "kid %s is not among the known keys of issuer %s,"
                             " and newer ones cannot be had: %s",
                             bearer_text_quote(p, kid), ks->name,
                             ks->attempt.failed ? ks->error_text
                                                : "they are being fetched");
    }
    return bearer_refuse(why, p, BEARER_KEY,
                         "kid %s is not among the %d keys of issuer %s%s",
                         bearer_text_quote(p, kid), bearer_jwks_count(ks->set),
                         ks->name,
                         ks->watch || next <= now
                             ? ""
                             : apr_psprintf(p, "; unknown ones are looked for"
                                               " again in %s"
                                               " (AuthBearerKeysRefresh min=)",
                                            seconds(next - now, p)));
}

bearer_reason_t bearer_keyset_refresh_for_kid(bearer_keyset_t *ks,
                                              const char *kid,
                                              bearer_jwks_t **set,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p)
{
    apr_interval_time_t total = ks->access.settings->timeout.total;
    apr_time_t patience = apr_time_now()
                          + (total < BEARER_KEYSET_KID_PATIENCE
                                 ? total : BEARER_KEYSET_KID_PATIENCE);
    bearer_jwks_t *old = *set;
    bearer_reason_t reason = BEARER_OK;
    int landed;

    lock(ks);
    drop_if_gone(ks, now_of(ks));
    landed = ks->set == old ? wait_for_landing(ks, patience) : 1;
    if (landed && ks->set == old && may_look_for_kid(ks, now_of(ks))) {
        apr_time_t seen = ks->attempt.when;

        fly_unlocked(ks, FOR_KID, old, patience, p);
        landed = ks->attempt.when != seen || !may_try(ks, FOR_KID, now_of(ks));
    }
    if (ks->set && ks->set != old) {
        *set = bearer_jwks_retain(ks->set);
    } else {
        reason = unknown_kid(ks, kid, landed, why, p);
    }
    unlock(ks);
    if (reason == BEARER_OK) {
        forget_set(old);
    }
    return reason;
}

/* ---- maintenance ------------------------------------------------------- */

/* The cache may have been emptied (a restart, an eviction, a back end that came
 * back), and others may have fetched before this process is due. */
static void sync_with_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_attempt_t attempt;
    apr_time_t fetched;

    lock(ks);
    fetched = ks->kept ? ks->kept->record.fetched : 0;
    unlock(ks);
    if (bearer_keyset_attempt_get(&attempt, &ks->place, p) != APR_SUCCESS) {
        tell_all(ks, p);
    } else if (attempt.fetched > fetched) {
        look_into_cache(ks, p);
    }
}

typedef enum { REST, REFRESH, WARM_UP, SYNC } task_t;

/* Under the mutex. */
static task_t task_of(bearer_keyset_t *ks, apr_time_t now)
{
    if (ks->in_flight || now < ks->pause_until) {
        return REST;
    }
    if (!ks->set) {
        return ks->eager && (may_try(ks, FOR_COLD, now) || may_look(ks, now))
                   ? WARM_UP : REST;
    }
    if (due_and_allowed(ks, now)) {
        return REFRESH;
    }
    if (ks->place.cache && !ks->watch
        && (now - ks->synced >= SYNC_INTERVAL || now < ks->synced)) {
        ks->synced = now;
        return SYNC;
    }
    return REST;
}

static void maintain_one(bearer_keyset_t *ks, apr_pool_t *ptemp)
{
    task_t task;
    apr_time_t now = now_of(ks);

    lock(ks);
    drop_if_gone(ks, now);
    task = task_of(ks, now);
    if (task == REFRESH || task == WARM_UP) {
        ks->in_flight = 1;
    }
    unlock(ks);
    switch (task) {
    case REFRESH:
        fly(ks, FOR_DUE, NULL, 0, 0, ptemp);
        break;
    case WARM_UP:
        fly(ks, FOR_COLD, NULL, 0, 0, ptemp);
        break;
    case SYNC:
        sync_with_cache(ks, ptemp);
        break;
    case REST:
        break;
    }
}

/* The key sets of tenants, as they are now; they live as long as ks. */
static apr_array_header_t *tenants_of(bearer_keyset_t *ks, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(bearer_keyset_t *));
    apr_hash_index_t *i;

    lock(ks);
    for (i = apr_hash_first(p, ks->tenants); i; i = apr_hash_next(i)) {
        void *tenant;

        apr_hash_this(i, NULL, NULL, &tenant);
        APR_ARRAY_PUSH(list, bearer_keyset_t *) = tenant;
    }
    unlock(ks);
    return list;
}

void bearer_keyset_maintain(bearer_keyset_t *ks, apr_pool_t *ptemp)
{
    apr_array_header_t *tenants;
    int i;

    if (!ks->per_tenant) {
        maintain_one(ks, ptemp);
        return;
    }
    tenants = tenants_of(ks, ptemp);
    for (i = 0; i < tenants->nelts; i++) {
        maintain_one(APR_ARRAY_IDX(tenants, i, bearer_keyset_t *), ptemp);
    }
}

static void set_flags(bearer_keyset_t *ks, const int *maintained,
                      const int *eager)
{
    apr_hash_index_t *i;

    lock(ks);
    ks->maintained = maintained ? *maintained : ks->maintained;
    ks->eager = eager ? *eager : ks->eager;
    set_alarm(ks);
    for (i = apr_hash_first(NULL, ks->tenants); i; i = apr_hash_next(i)) {
        void *tenant;

        apr_hash_this(i, NULL, NULL, &tenant);
        set_flags(tenant, maintained, NULL);
    }
    unlock(ks);
}

void bearer_keyset_set_maintained(bearer_keyset_t *ks, int maintained)
{
    set_flags(ks, &maintained, NULL);
}

void bearer_keyset_set_eager(bearer_keyset_t *ks, int eager)
{
    set_flags(ks, NULL, &eager);
}

/* ---- what others want to know ------------------------------------------ */

apr_uint64_t bearer_keyset_generation(const bearer_keyset_t *keyset)
{
    if (keyset->per_tenant) {
        return 0;
    }
    return atomic_load(&keyset->generation) * 2
           + (now_of(keyset) >= atomic_load(&keyset->alarm) ? 1 : 0);
}

void bearer_keyset_state(bearer_keyset_t *ks, bearer_keyset_state_t *state,
                         apr_pool_t *p)
{
    memset(state, 0, sizeof(*state));
    lock(ks);
    if (ks->set) {
        state->keys = bearer_jwks_count(ks->set);
        state->fetched = ks->kept ? ks->kept->record.fetched : ks->loaded;
        state->due = due_at(ks);
        state->gone = ks->gone == NEVER ? 0 : ks->gone;
    }
    if (ks->attempt.failed && state->due < ks->attempt.retry_at) {
        state->due = ks->attempt.retry_at;
    }
    state->last_attempt = ks->attempt.when;
    state->last_attempt_failed = ks->attempt.failed;
    state->last_error = apr_pstrdup(p, ks->attempt.error);
    state->generation = ks->changes;
    unlock(ks);
}

apr_status_t bearer_keyset_save(bearer_keyset_t *ks, unsigned char **value,
                                apr_size_t *len, apr_pool_t *p)
{
    bearer_keyset_record_t record;
    apr_time_t expires;
    apr_status_t rv = copy_record(ks, &record, &expires, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    return bearer_keyset_record_encode(value, len, &ks->place, &record, p);
}

apr_status_t bearer_keyset_restore(bearer_keyset_t *ks,
                                   const unsigned char *value, apr_size_t len,
                                   apr_pool_t *p)
{
    bearer_keyset_record_t record;
    const char *error;
    int changed;
    apr_status_t rv = bearer_keyset_record_decode(&record, &ks->place,
                                                  &ks->access, value, len, p);

    if (rv != APR_SUCCESS || ks->watch) {
        return APR_EINVAL;
    }
    if (!is_newer(ks, &record)) {
        return APR_NOTFOUND;
    }
    return adopt(ks, &record, 0, &changed, &error, p);
}

/* ---- metadata ---------------------------------------------------------- */

/* Discovered keys bring metadata with them, perhaps out of the cache. */
static void warm_up_for_metadata(bearer_keyset_t *ks, apr_pool_t *p)
{
    if (ks->access.issuer->keys.kind == BEARER_SOURCE_DISCOVER && !ks->set
        && !ks->metadata) {
        warm_up(ks, p);
    }
}

/* Under the mutex, which it leaves and takes again. */
static void fetch_metadata(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_issuer_access_t access = ks->access;
    bearer_metadata_t *fetched;
    kept_metadata_t *kept = NULL;
    apr_time_t now = now_of(ks);
    const char *error = NULL;

    access.deadline = now + access.settings->timeout.total;
    ks->metadata_in_flight = 1;
    unlock(ks);
    if (bearer_metadata_fetch(&fetched, &access, &error, p) == APR_SUCCESS) {
        log_left_out(ks, fetched);
        kept = keep_metadata(fetched, now);
    } else {
        bearer_world_log(access.world, BEARER_LOG_WARNING,
                         "metadata of issuer %s: %s", ks->name, error);
    }
    lock(ks);
    ks->metadata_in_flight = 0;
    if (kept) {
        forget_metadata(ks->metadata);
        ks->metadata = kept;
    } else {
        ks->metadata_retry = now_of(ks) + retry_delay(ks, 4, chance(ks));
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

const bearer_metadata_t *bearer_keyset_metadata(bearer_keyset_t *ks,
                                                const char **error,
                                                apr_pool_t *p)
{
    const bearer_metadata_t *metadata = NULL;
    apr_time_t now = now_of(ks);
    int old;

    *error = NULL;
    lock(ks);
    warm_up_for_metadata(ks, p);
    wait_for_metadata(ks);
    old = !ks->metadata || now - ks->metadata->fetched >= METADATA_LIFE
          || now < ks->metadata->fetched;
    if (old && !ks->metadata_in_flight && now >= ks->metadata_retry) {
        fetch_metadata(ks, p);
    }
    if (ks->metadata) {
        metadata = bearer_metadata_copy(ks->metadata->metadata, p);
    } else {
        *error = ks->metadata_error[0] ? apr_pstrdup(p, ks->metadata_error)
                                       : "the metadata is being fetched";
    }
    unlock(ks);
    return metadata;
}

/* ---- creation ---------------------------------------------------------- */

static apr_status_t destroy(void *data)
{
    bearer_keyset_t *ks = data;

    forget_set(ks->set);
    forget_record(ks->kept);
    forget_metadata(ks->metadata);
    apr_pool_destroy(ks->own);
    return APR_SUCCESS;
}

/* bearer_filewatch_load_fn: JWKS when it begins like JSON, else PEM. */
static apr_status_t load_file(void *baton, const char *data, apr_size_t len,
                              const char **error, apr_pool_t *p)
{
    bearer_keyset_t *ks = baton;
    bearer_jwks_report_t report;
    bearer_jwks_t *set = NULL, *old;
    apr_status_t rv;

    memset(&report, 0, sizeof(report));
    if (data[strspn(data, " \t\r\n")] == '{') {
        rv = bearer_jwks_parse(&set, data, len, ks->origin, &report, error, p);
    } else {
        rv = bearer_jwks_parse_pem(&set, data, len, error, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    log_skipped(ks, &report);
    if (bearer_jwks_count(set) == 0) {
        bearer_jwks_release(set);
        *error = "it has no usable key";
        return APR_EINVAL;
    }
    lock(ks);
    old = set;
    if (!equal_sets(set, ks->set)) {
        old = ks->set;
        ks->set = set;
        ks->gone = NEVER;
        keys_changed(ks);
    }
    ks->loaded = now_of(ks);
    unlock(ks);
    forget_set(old);
    return APR_SUCCESS;
}

static apr_status_t create_watch(bearer_keyset_t *ks)
{
    const bearer_source_t *keys = &ks->access.issuer->keys;

    if (keys->kind != BEARER_SOURCE_FILE
        && keys->kind != BEARER_SOURCE_SPIFFE_FILE) {
        return APR_SUCCESS;
    }
    if (keys->kind == BEARER_SOURCE_FILE) {
        ks->origin = BEARER_JWKS_LOCAL;
    }
    return bearer_filewatch_create(&ks->watch, "AuthBearerKeys", keys->value,
                                   BEARER_JWKS_MAX_BYTES, load_file, ks,
                                   ks->access.world, ks->own);
}

static apr_status_t initialize(bearer_keyset_t *ks)
{
    const bearer_issuer_t *issuer = ks->access.issuer;
    apr_status_t rv;

    ks->name = bearer_text_quote(ks->own,
                                 bearer_issuer_expand(issuer->url,
                                                      ks->access.tenant,
                                                      ks->own));
    ks->origin = issuer->keys.kind == BEARER_SOURCE_SPIFFE_URL
                         || issuer->keys.kind == BEARER_SOURCE_SPIFFE_FILE
                     ? BEARER_JWKS_SPIFFE
                     : BEARER_JWKS_REMOTE;
    ks->per_tenant = !ks->access.tenant && issuer->keys.value
                     && strstr(issuer->keys.value, "{tenant}") != NULL;
    ks->tenants = apr_hash_make(ks->own);
    ks->eager = 1;
    atomic_init(&ks->generation, 1);
    atomic_init(&ks->alarm, NEVER);
    rv = apr_thread_mutex_create(&ks->mutex, APR_THREAD_MUTEX_DEFAULT, ks->own);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&ks->landed, ks->own);
    }
    if (rv == APR_SUCCESS) {
        rv = create_watch(ks);
    }
    return rv == APR_SUCCESS
               ? bearer_keyset_place_init(&ks->place, &ks->access, ks->own)
               : rv;
}

apr_status_t bearer_keyset_create(bearer_keyset_t **keyset,
                                  const bearer_issuer_access_t *access,
                                  apr_pool_t *p)
{
    bearer_keyset_t *ks = apr_pcalloc(p, sizeof(*ks));
    apr_status_t rv;

    *keyset = NULL;
    ks->access = *access;
    /* not a child of p: it is used by threads that p knows nothing of */
    rv = apr_pool_create_unmanaged(&ks->own);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, ks, destroy, apr_pool_cleanup_null);
    rv = initialize(ks);
    if (rv == APR_SUCCESS) {
        *keyset = ks;
    }
    return rv;
}

/* Under the mutex. */
static bearer_keyset_t *create_tenant(bearer_keyset_t *ks, const char *tenant)
{
    bearer_issuer_access_t access = ks->access;
    bearer_keyset_t *child;

    access.tenant = apr_pstrdup(ks->own, tenant);
    if (bearer_keyset_create(&child, &access, ks->own) != APR_SUCCESS) {
        return NULL;
    }
    child->maintained = ks->maintained;
    child->eager = 0;
    apr_hash_set(ks->tenants, access.tenant, APR_HASH_KEY_STRING, child);
    return child;
}

bearer_keyset_t *bearer_keyset_of_tenant(bearer_keyset_t *ks,
                                         const char *tenant)
{
    bearer_keyset_t *child;

    if (!ks->per_tenant) {
        return ks;
    }
    if (!bearer_issuer_tenant_valid(tenant)) {
        return NULL;
    }
    lock(ks);
    child = apr_hash_get(ks->tenants, tenant, APR_HASH_KEY_STRING);
    if (!child && apr_hash_count(ks->tenants) < BEARER_KEYSET_MAX_TENANTS) {
        child = create_tenant(ks, tenant);
    }
    unlock(ks);
    return child;
}
