/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file keyset_inside.h
 * The internals of a key set, for keyset*.c only.
 *
 * All mutable state is in bearer_keyset_t, protected by its mutex, which is held only
 * to read state and swap pointers. Slow work (the cache, the network, a file,
 * parsing) is done by a *flight*: the one thread that has set in_flight works without
 * the mutex. At the end it clears in_flight and wakes the waiting threads.
 *
 * Across processes, the lease of the cache has the same purpose. The cache holds the
 * document and the last attempt, so that all processes share one process's fetch, and
 * its failure.
 *
 *   keyset.c           requests, creation
 *   keyset_tenants.c   key sets per tenant
 *   keyset_maintain.c  background maintenance
 *   keyset_metadata.c  the issuer's metadata
 *   keyset_flight.c    flights: the slow work
 *   keyset_adopt.c     a document comes into force; the cache
 *   keyset_state.c     times and swaps: what the mutex protects
 *   keyset_record.c    what processes share
 *   keyset_life.c      lifetime of a document
 */
#pragma once

#include <stdatomic.h>

#include <apr_thread_mutex.h>

#include "base/filewatch.h"
#include "base/flight.h"
#include "base/text.h"
#include "keys/keyset.h"
#include "keys/keyset_record.h"

/** Discovered metadata is fetched again after this time, also after a failure. */
#define METADATA_LIFE apr_time_from_sec(3600)
/** How often a process checks the cache for documents that others have fetched. */
#define LOOK_INTERVAL apr_time_from_sec(1)
/** A time further in the future comes from another host with a wrong clock. */
#define CLOCK_TOLERANCE apr_time_from_sec(60)
/** A limited fetch lasts at most this long, and at most a quarter of
 *  AuthBearerTimeout total=. A fetch that took longer counts as slow. */
#define QUICK_FETCH apr_time_from_msec(500)
#define NEVER APR_INT64_MAX
#define ERROR_MAX 512
/** The generation without any keys; callers give lower numbers another meaning. */
#define FIRST_GENERATION 2

/** The purpose of a flight; it decides when the flight is done. */
typedef enum { FOR_DUE,
               FOR_COLD,
               FOR_KID } purpose_t;

/** A document or metadata in force, in its own pool. */
typedef struct kept_t {
    apr_pool_t *pool;
    bearer_keyset_record_t record; /* only that part is filled */
    unsigned char digest[BEARER_SHA256_SIZE]; /* of the document */
} kept_t;

typedef struct tenants_t tenants_t;

/** The place for a tenant's key set. The place lives as long as the issuer's set;
 *  the key set in it may be removed while it is not in use. */
typedef struct tenant_place_t {
    bearer_keyset_t *of;
    /* under the mutex of `of` */
    bearer_keyset_t *set; /* NULL: none */
    int users;
    int proved; /* a token was accepted with it */
    apr_uint64_t used; /* the higher, the more recent */
} tenant_place_t;

struct bearer_keyset_t {
    /* fixed at creation */
    bearer_issuer_access_t access;
    const char *name; /* of the issuer, quoted */
    bearer_jwks_origin_t origin;
    bearer_keyset_place_t place;
    bearer_filewatch_t *watch; /* NULL: keys are fetched */
    int per_tenant; /* 1: the URL of the keys contains {tenant} */
    apr_pool_t *own; /* use only under the mutex */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    /* under the mutex */
    int in_flight;
    apr_time_t took_off; /* start of the flight, by the real clock */
    bearer_jwks_t *set; /* NULL: cold, or gone */
    kept_t *kept; /* the document; may outlive the set */
    kept_t *metadata;
    apr_time_t loaded; /* when the file was loaded */
    apr_time_t ahead; /* from this time, maintenance refreshes */
    apr_time_t expiry; /* from this time, a request refreshes */
    apr_time_t gone;
    apr_time_t pause_until; /* another process is fetching */
    apr_time_t looked, synced; /* when the cache was last read */
    bearer_keyset_attempt_t attempt; /* error points to error_text */
    char error_text[ERROR_MAX];
    unsigned char logged[BEARER_SHA256_SIZE]; /* digest of the document whose skipped
                                                 keys were logged */
    int say_gone; /* deferred log line, because the log is not written under the mutex */
    int maintained;
    int slow; /* the last fetch was slow, or got no response in a short time */
    int syncing;
    int metadata_in_flight;
    apr_time_t metadata_retry;
    char metadata_error[ERROR_MAX];
    tenants_t *tenants; /* NULL: the source is the same for all */
    tenant_place_t *home; /* NULL: not a tenant's set. Does not change */
    unsigned turns; /* 1 << purpose: a turn to fetch was granted */
    apr_uint64_t changes;
    /* read without the mutex */
    _Atomic apr_uint64_t generation;
    _Atomic apr_uint64_t stamp;
    _Atomic apr_time_t alarm; /* from this time, a request must call bearer_keyset_acquire() */
};

/* What a process takes over in one step. */
typedef struct news_t {
    bearer_jwks_t *set;
    kept_t *kept;
    kept_t *metadata; /* NULL: no new metadata */
} news_t;

static inline void lock(bearer_keyset_t *ks)
{
    apr_thread_mutex_lock(ks->mutex);
}

static inline void unlock(bearer_keyset_t *ks)
{
    int say_gone = ks->say_gone;

    ks->say_gone = 0;
    apr_thread_mutex_unlock(ks->mutex);
    if (say_gone) {
        bearer_world_log(ks->access.world, BEARER_LOG_ERROR,
                         AB(0207) "keys of issuer %s: the cached keys are older than "
                         "AuthBearerKeysRefresh stale= allows; tokens get 503",
                         ks->name);
    }
}

static inline apr_time_t now_of(const bearer_keyset_t *ks)
{
    return bearer_world_now(ks->access.world);
}

static inline const bearer_refresh_t *refresh_of(const bearer_keyset_t *ks)
{
    return &ks->access.settings->keys_refresh;
}

/* The longest pause after a failure; also limits what another process stored. */
static inline apr_interval_time_t longest_pause(const bearer_keyset_t *ks)
{
    return 2 * refresh_of(ks)->min;
}

/* How long a request waits for a fetch for an unknown kid. */
static inline apr_interval_time_t kid_patience(const bearer_keyset_t *ks)
{
    apr_interval_time_t total = ks->access.settings->timeout.total;

    return total < BEARER_KEYSET_KID_PATIENCE ? total : BEARER_KEYSET_KID_PATIENCE;
}

/* ---- keyset.c ---------------------------------------------------------- */

/* called under the mutex; release it and take it again: */

/** Enters the gate before a wait. Returns NULL, or why it could not. */
const char *bearer_keyset_enter(bearer_keyset_t *ks, bearer_ticket_t *ticket);
/** Gets a set in a process that has none; waits so long at most. Returns NULL, or why it
 *  failed. */
const char *bearer_keyset_warm_up(bearer_keyset_t *ks, apr_interval_time_t longest,
                                  apr_pool_t *p);

/* ---- keyset_state.c ---------------------------------------------------- */

/** Returns the time as text: "12 s". */
const char *bearer_keyset_seconds(apr_interval_time_t t, apr_pool_t *p);

/** Returns a deep copy in its own pool, without a digest; NULL: out of memory. */
kept_t *bearer_keyset_keep(const bearer_keyset_record_t *record);
/** Like bearer_keyset_keep(), for the metadata in a record; NULL if there is none. */
kept_t *bearer_keyset_keep_metadata(const bearer_keyset_record_t *record);
/** Frees a copy; does nothing for NULL. */
void bearer_keyset_forget(kept_t *kept);

/** Returns a random number from 0 to 1. */
double bearer_keyset_chance(const bearer_keyset_t *ks);
int bearer_keyset_equal_sets(const bearer_jwks_t *a, const bearer_jwks_t *b);

/* under the mutex: */

/** Returns when the set should be refreshed, by maintenance or else by a request. */
apr_time_t bearer_keyset_due_at(const bearer_keyset_t *ks);
int bearer_keyset_is_due(const bearer_keyset_t *ks, apr_time_t now);
/** Returns 1 if earlier attempts permit a fetch for this purpose. */
int bearer_keyset_may_try(const bearer_keyset_t *ks, purpose_t purpose,
                          apr_time_t now);
/** Returns 1 if it is time to check whether another process has fetched. */
int bearer_keyset_may_look(const bearer_keyset_t *ks, apr_time_t now);
int bearer_keyset_due_and_allowed(const bearer_keyset_t *ks, apr_time_t now);
/** Returns 1 if no other process is fetching. */
int bearer_keyset_pause_is_over(const bearer_keyset_t *ks, apr_time_t now);
int bearer_keyset_may_try_metadata(const bearer_keyset_t *ks, apr_time_t now);
/** Call this after any change of the times: it sets the time from which
 *  bearer_keyset_generation() returns 0. */
void bearer_keyset_set_alarm(bearer_keyset_t *ks);
void bearer_keyset_keys_changed(bearer_keyset_t *ks);
/** Drops a set older than `stale`, whatever the state of its issuer. */
void bearer_keyset_drop_if_gone(bearer_keyset_t *ks, apr_time_t now);
apr_interval_time_t bearer_keyset_retry_delay(const bearer_keyset_t *ks,
                                              int failures, double luck);
void bearer_keyset_take_attempt(bearer_keyset_t *ks,
                                const bearer_keyset_attempt_t *attempt);
/** @param lasting  1: the response was complete but unusable */
void bearer_keyset_note_attempt(bearer_keyset_t *ks, purpose_t purpose,
                                apr_time_t started, const char *error,
                                int lasting);

/* without the mutex: */

/** Takes the references over; returns 1 if the usable keys changed. */
int bearer_keyset_put_in_force(bearer_keyset_t *ks, news_t *news,
                               int fetched_here);

/* ---- keyset.c ---------------------------------------------------------- */

/** Creates a set in its own pool. Call this and bearer_keyset_destroy() without its mutex. */
apr_status_t bearer_keyset_make(bearer_keyset_t **keyset,
                                const bearer_issuer_access_t *access);
/** @return APR_SUCCESS, as a pool cleanup must */
apr_status_t bearer_keyset_destroy(void *keyset);

/* ---- keyset_tenants.c -------------------------------------------------- */

void bearer_keyset_tenants_init(bearer_keyset_t *ks);
void bearer_keyset_tenants_destroy(bearer_keyset_t *ks);
/** Under the mutex: tells the tenants' sets whether a background thread maintains
 *  them. It maintains a set only after one of the tenant's tokens was accepted, so
 *  that forged tokens cannot keep it busy. */
void bearer_keyset_tenants_maintained(bearer_keyset_t *ks);
/** Returns the places (tenant_place_t *) that background maintenance covers. */
apr_array_header_t *bearer_keyset_proved_places(bearer_keyset_t *ks, apr_pool_t *p);
/** Returns the current set, for bearer_keyset_release(); or NULL. */
bearer_keyset_t *bearer_keyset_hold(tenant_place_t *place);
/** Without the mutex, before a fetch for a request: returns 1 if a tenant's keys
 *  may be fetched now; waits a short time for it. 0: it was recorded as a failed
 *  attempt. */
int bearer_keyset_take_turn(bearer_keyset_t *ks, purpose_t purpose);

/* ---- keyset_adopt.c ---------------------------------------------------- */

/** Parses a document and puts it into force. The record may be changed. */
apr_status_t bearer_keyset_adopt(bearer_keyset_t *ks,
                                 bearer_keyset_record_t *record, int fetched_here,
                                 int *changed, const char **error, apr_pool_t *p);
/** Takes over a newer record and attempt from the cache. */
void bearer_keyset_look_into_cache(bearer_keyset_t *ks, apr_pool_t *p);
/** Writes the record in force to the cache. */
void bearer_keyset_tell_all(bearer_keyset_t *ks, apr_pool_t *p);
/** Writes only the last attempt to the cache. */
void bearer_keyset_tell_attempt(bearer_keyset_t *ks, apr_pool_t *p);
void bearer_keyset_log_skipped(bearer_keyset_t *ks,
                               const bearer_jwks_report_t *report);

/* ---- keyset_flight.c --------------------------------------------------- */

void bearer_keyset_log_left_out(bearer_keyset_t *ks,
                                const bearer_metadata_t *metadata);
/** Marks the flight as begun. Under the mutex, by the thread that will fetch. */
void bearer_keyset_take_off(bearer_keyset_t *ks);
/**
 * Performs one flight. Call it without the mutex, after this thread has set
 * in_flight.
 * @param known     FOR_KID: the set that does not have the kid
 * @param patience  how long to wait (real time) for another process that holds the
 *                  lease; 0: not at all
 * @param deadline  by the world's clock, for all requests together; 0: none
 */
void bearer_keyset_fly(bearer_keyset_t *ks, purpose_t purpose,
                       const bearer_jwks_t *known, apr_time_t patience,
                       apr_time_t deadline, apr_pool_t *p);
/** Like bearer_keyset_fly(), for a request. Called under the mutex; releases it
 *  and takes it again. */
void bearer_keyset_fly_unlocked(bearer_keyset_t *ks, purpose_t purpose,
                                const bearer_jwks_t *known,
                                apr_time_t patience, apr_pool_t *p);
/** Under the mutex: waits for the flight; returns 0 if it is still running at that
 *  (real) time. */
int bearer_keyset_wait_for_landing(bearer_keyset_t *ks, apr_time_t patience);
