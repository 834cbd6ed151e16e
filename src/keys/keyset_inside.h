/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file keyset_inside.h
 * The inside of a key set, for keyset*.c only.
 *
 * All that changes is in bearer_keyset_t, guarded by its mutex, which is held to
 * look and to swap pointers. Whatever takes time (the cache, the network, a file,
 * parsing) is done by a *flight*: the one thread that has set in_flight works
 * without the mutex, and on landing clears it and wakes who waits.
 *
 * Across processes the lease of the cache does the same, and the cache carries
 * the document and the last attempt, so that one process's fetch, and its
 * failure, is everybody's.
 *
 *   keyset.c           requests, creation
 *   keyset_tenants.c   key sets by tenant
 *   keyset_maintain.c  the background
 *   keyset_metadata.c  the issuer's metadata
 *   keyset_flight.c    flights: what takes time
 *   keyset_adopt.c     a document comes into force; the cache
 *   keyset_state.c     times and swaps: what the mutex guards
 *   keyset_record.c    what processes tell each other
 *   keyset_life.c      how long a document lives
 */
#pragma once

#include <stdatomic.h>

#include <apr_thread_mutex.h>

#include "base/filewatch.h"
#include "base/flight.h"
#include "base/text.h"
#include "keys/keyset.h"
#include "keys/keyset_record.h"

/** Discovered metadata is asked for again after so long, or after a failure. */
#define METADATA_LIFE apr_time_from_sec(3600)
/** How often a process looks into the cache for what others have fetched. */
#define LOOK_INTERVAL apr_time_from_sec(1)
/** What comes from further in the future is another host's wrong clock. */
#define CLOCK_TOLERANCE apr_time_from_sec(60)
/** A limited fetch lasts at most this long, and a quarter of AuthBearerTimeout
 *  total=. One that took longer is slow. */
#define QUICK_FETCH apr_time_from_msec(500)
#define NEVER APR_INT64_MAX
#define ERROR_MAX 512
/** The generation of no keys at all; less means something else to those who ask. */
#define FIRST_GENERATION 2

/** Why a flight is made; decides when it is done. */
typedef enum { FOR_DUE,
               FOR_COLD,
               FOR_KID } purpose_t;

/** What is in force, in a pool of its own: a document, or metadata. */
typedef struct kept_t {
    apr_pool_t *pool;
    bearer_keyset_record_t record; /* with that alone */
    unsigned char digest[BEARER_SHA256_SIZE]; /* of the document */
} kept_t;

typedef struct tenants_t tenants_t;

/** Where the key set of a tenant is kept. It stays as long as the issuer's set; its
 *  set does not, unless somebody uses it. */
typedef struct tenant_place_t {
    bearer_keyset_t *of;
    /* under the mutex of that one */
    bearer_keyset_t *set; /* NULL: none */
    int users;
    int proved; /* a token was accepted by it */
    apr_uint64_t used; /* the higher, the later */
} tenant_place_t;

struct bearer_keyset_t {
    /* fixed at creation */
    bearer_issuer_access_t access;
    const char *name; /* of the issuer, quoted */
    bearer_jwks_origin_t origin;
    bearer_keyset_place_t place;
    bearer_filewatch_t *watch; /* NULL: keys are fetched */
    int per_tenant; /* the keys' URL contains {tenant} */
    apr_pool_t *own; /* used under the mutex only */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    /* under the mutex */
    int in_flight;
    apr_time_t took_off; /* by the real clock */
    apr_time_t warmed_up; /* by a fetch of a process that had no set */
    bearer_jwks_t *set; /* NULL: cold, or gone */
    kept_t *kept; /* the document; may outlive the set */
    kept_t *metadata;
    apr_time_t loaded; /* a file */
    apr_time_t ahead; /* refreshed from here by maintenance */
    apr_time_t expiry; /* and from here by a request */
    apr_time_t gone;
    apr_time_t pause_until; /* another process is at it */
    apr_time_t looked, synced; /* into the cache */
    bearer_keyset_attempt_t attempt; /* error points to error_text */
    char error_text[ERROR_MAX];
    unsigned char logged[BEARER_SHA256_SIZE]; /* skipped keys, of this one */
    int say_gone; /* the log is not written under the mutex */
    int maintained;
    int slow; /* the last fetch took long, or got no answer in little time */
    int syncing;
    int metadata_in_flight;
    apr_time_t metadata_retry;
    char metadata_error[ERROR_MAX];
    tenants_t *tenants; /* NULL: the source is the same for all */
    tenant_place_t *home; /* NULL: not of a tenant. Fixed */
    unsigned turns; /* 1 << purpose: it had one to fetch */
    apr_uint64_t changes;
    /* read without it */
    _Atomic apr_uint64_t generation;
    _Atomic apr_time_t alarm; /* from here a request must come by */
};

/* What a process takes over at once. */
typedef struct news_t {
    bearer_jwks_t *set;
    kept_t *kept;
    kept_t *metadata; /* NULL: nothing new of it */
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
                         AB(0207) "keys of issuer %s: the known keys are too old to be"
                         " used any longer (AuthBearerKeysRefresh stale=)",
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

/* ---- keyset.c ---------------------------------------------------------- */

/* under the mutex, which they leave and take again: */

/** Whoever is going to wait passes the gate first. NULL, or why not. */
const char *bearer_keyset_enter(bearer_keyset_t *ks, bearer_ticket_t *ticket);
/** Looks for a set, in a process that has none. NULL, or why it did not. */
const char *bearer_keyset_warm_up(bearer_keyset_t *ks, apr_pool_t *p);

/* ---- keyset_state.c ---------------------------------------------------- */

/** "12 s" */
const char *bearer_keyset_seconds(apr_interval_time_t t, apr_pool_t *p);

/** A deep copy in a pool of its own, without a digest; NULL: out of memory. */
kept_t *bearer_keyset_keep(const bearer_keyset_record_t *record);
/** The same of the metadata in a record, or NULL if there is none. */
kept_t *bearer_keyset_keep_metadata(const bearer_keyset_record_t *record);
/** NULL is fine. */
void bearer_keyset_forget(kept_t *kept);

/** 0..1, at random. */
double bearer_keyset_chance(const bearer_keyset_t *ks);
int bearer_keyset_equal_sets(const bearer_jwks_t *a, const bearer_jwks_t *b);

/* under the mutex: */

/** From when on the set should be refreshed, by whom it concerns. */
apr_time_t bearer_keyset_due_at(const bearer_keyset_t *ks);
int bearer_keyset_is_due(const bearer_keyset_t *ks, apr_time_t now);
/** May a fetch be made for this purpose, as far as earlier ones go? */
int bearer_keyset_may_try(const bearer_keyset_t *ks, purpose_t purpose,
                          apr_time_t now);
/** Is it time to look for what another process may have fetched? */
int bearer_keyset_may_look(const bearer_keyset_t *ks, apr_time_t now);
int bearer_keyset_due_and_allowed(const bearer_keyset_t *ks, apr_time_t now);
/** Is no other process at it? */
int bearer_keyset_pause_is_over(const bearer_keyset_t *ks, apr_time_t now);
int bearer_keyset_may_try_metadata(const bearer_keyset_t *ks, apr_time_t now);
/** After any change of the times: tells generation() when to be 0. */
void bearer_keyset_set_alarm(bearer_keyset_t *ks);
void bearer_keyset_keys_changed(bearer_keyset_t *ks);
/** After `stale` a set serves no longer, whatever has become of its issuer. */
void bearer_keyset_drop_if_gone(bearer_keyset_t *ks, apr_time_t now);
apr_interval_time_t bearer_keyset_retry_delay(const bearer_keyset_t *ks,
                                              int failures, double luck);
void bearer_keyset_take_attempt(bearer_keyset_t *ks,
                                const bearer_keyset_attempt_t *attempt);
/** @param lasting  the answer was complete and useless */
void bearer_keyset_note_attempt(bearer_keyset_t *ks, purpose_t purpose,
                                apr_time_t started, const char *error,
                                int lasting);

/* without it: */

/** Takes the references over; 1 if the usable keys changed. */
int bearer_keyset_put_in_force(bearer_keyset_t *ks, news_t *news,
                               int fetched_here);

/* ---- keyset.c ---------------------------------------------------------- */

/** A set that is in no other pool; both outside of its mutex. */
apr_status_t bearer_keyset_make(bearer_keyset_t **keyset,
                                const bearer_issuer_access_t *access);
/** @return APR_SUCCESS: a pool's clean-up */
apr_status_t bearer_keyset_destroy(void *keyset);

/* ---- keyset_tenants.c -------------------------------------------------- */

void bearer_keyset_tenants_init(bearer_keyset_t *ks);
void bearer_keyset_tenants_destroy(bearer_keyset_t *ks);
/** Under the mutex: tells the sets whether a background thread looks after them. It
 *  does so only after a token was accepted: forged ones do not keep it busy. */
void bearer_keyset_tenants_maintained(bearer_keyset_t *ks);
/** tenant_place_t *: those that the background looks after. */
apr_array_header_t *bearer_keyset_proved_places(bearer_keyset_t *ks, apr_pool_t *p);
/** The set that is there now, for bearer_keyset_release(); or NULL. */
bearer_keyset_t *bearer_keyset_hold(tenant_place_t *place);
/** Without the mutex, before a fetch for a request: may a tenant's keys be fetched
 *  now? Waits a little for it. 0: it was noted as an attempt that failed. */
int bearer_keyset_take_turn(bearer_keyset_t *ks, purpose_t purpose);

/* ---- keyset_adopt.c ---------------------------------------------------- */

/** Parses a document and puts it in force. The record may be changed. */
apr_status_t bearer_keyset_adopt(bearer_keyset_t *ks,
                                 bearer_keyset_record_t *record, int fetched_here,
                                 int *changed, const char **error, apr_pool_t *p);
/** Takes over from the cache what is newer there: record and attempt. */
void bearer_keyset_look_into_cache(bearer_keyset_t *ks, apr_pool_t *p);
/** Puts what is in force into the cache. */
void bearer_keyset_tell_all(bearer_keyset_t *ks, apr_pool_t *p);
/** Its last attempt only. */
void bearer_keyset_tell_attempt(bearer_keyset_t *ks, apr_pool_t *p);
void bearer_keyset_log_skipped(bearer_keyset_t *ks,
                               const bearer_jwks_report_t *report);

/* ---- keyset_flight.c --------------------------------------------------- */

void bearer_keyset_log_left_out(bearer_keyset_t *ks,
                                const bearer_metadata_t *metadata);
/** Under the mutex, by the thread that flies next. */
void bearer_keyset_take_off(bearer_keyset_t *ks);
/**
 * One flight. Called with in_flight set by this thread and without the mutex.
 * @param known     FOR_KID: the set that does not have it
 * @param patience  by the real clock: until then it waits for another process
 *                  that has the lease; 0: not at all
 * @param deadline  by the world's clock, for all requests together; 0: none
 */
void bearer_keyset_fly(bearer_keyset_t *ks, purpose_t purpose,
                       const bearer_jwks_t *known, apr_time_t patience,
                       apr_time_t deadline, apr_pool_t *p);
/** The same for a request: under the mutex, which it leaves and takes again. */
void bearer_keyset_fly_unlocked(bearer_keyset_t *ks, purpose_t purpose,
                                const bearer_jwks_t *known,
                                apr_time_t patience, apr_pool_t *p);
/** Under the mutex: 0 when a flight was still under way at that (real) time. */
int bearer_keyset_wait_for_landing(bearer_keyset_t *ks, apr_time_t patience);
