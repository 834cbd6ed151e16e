/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file flight.h
 * Requests to another server about the caller: introspection, session checks and
 * session refreshes. Threads with the same question share one request, a flight. Each
 * thread that would wait first enters the world's gate. Useful answers are cached.
 *
 * A key of 32 bytes identifies the question. The key must cover everything that may
 * change the answer.
 *
 * Thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_thread_cond.h>
#include <apr_time.h>
#include <jansson.h>

#include "base/reason.h"
#include "base/world.h"

/** Maximum length of an answer, in bytes. */
#define BEARER_ANSWER_MAX (64 * 1024)

/** Longer answers are used but not cached. The overhead is what caching adds to an
 *  answer. Both in bytes. */
#define BEARER_ANSWER_KEPT_MAX (16 * 1024)
#define BEARER_ANSWER_OVERHEAD 32

/** An answer. */
typedef struct bearer_answer_t {
    bearer_reason_t reason;  /**< BEARER_OK: text is set */
    const char *text;        /**< NUL-terminated */
    apr_size_t len;
    apr_time_t asked;        /**< the world's time before the request was sent, so that
                                  the answer is never older than assumed */
    unsigned retry;          /**< seconds until a retry makes sense, if the other side
                                  named a time; else 0 */
} bearer_answer_t;

/** How to get an answer. One of the threads that share the question calls ask(). */
typedef struct bearer_ask_t {
    /** @param answer  the callee sets text, len and retry, allocated in p
     *  @return the reason; if it is not BEARER_OK, why is filled */
    bearer_reason_t (*ask)(void *baton, bearer_answer_t *answer,
                           bearer_refusal_t *why, apr_pool_t *p);
    void *baton;
    apr_interval_time_t total;    /**< maximum time of one request */
    int party;                    /**< the party that gets the request, for the gate */
    bearer_reason_t unavailable;  /**< the reason if no request could be made */
    int only_first;               /**< do not wait for another thread's flight; if one
                                       exists, the result is `unavailable` */
} bearer_ask_t;

/** Creates a mutex and a condition variable for code that shares something other
 *  than an answer. The condition is to be broadcast when a flight ends. */
apr_status_t bearer_flight_locks(apr_thread_mutex_t **mutex, apr_thread_cond_t **landed,
                                 apr_pool_t *p);

/** Waits while *flying is set, until `until` (real time) at the latest. The caller
 *  holds the mutex. Returns 0 if *flying is still set. */
int bearer_flight_wait(apr_thread_cond_t *landed, apr_thread_mutex_t *mutex,
                       const int *flying, apr_time_t until);

typedef struct bearer_flights_t bearer_flights_t;

/** @param p  the process's pool; world must live as long as p */
apr_status_t bearer_flights_create(bearer_flights_t **flights,
                                   const bearer_world_t *world, apr_pool_t *p);

/**
 * Gets the answer, or waits for a thread that is already getting it.
 * @param key     BEARER_CACHE_KEY_SIZE bytes
 * @param answer  filled, in p
 * @param why     filled if answer->reason is not BEARER_OK
 * @return 1 if this caller made the request itself
 */
int bearer_flights_share(bearer_flights_t *flights, const unsigned char *key,
                         const bearer_ask_t *ask, bearer_answer_t *answer,
                         bearer_refusal_t *why, apr_pool_t *p);

/** Caches an answer until `until` at the latest. Does nothing if cache is NULL or
 *  `until` is 0. */
void bearer_answer_keep(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_answer_t *answer, apr_time_t until,
                        apr_pool_t *p);

/** Returns when an answer expires: after ttl, or at its `exp` claim if that is
 *  sooner. Returns 0 if that time has passed or ttl is 0. */
apr_time_t bearer_answer_until(apr_time_t asked, apr_interval_time_t ttl,
                               const json_t *content, apr_time_t now);

/** Looks up a cached answer that is younger than ttl; returns 1 if there is one,
 *  and copies it into p. A shorter ttl also applies to answers cached earlier.
 *  Returns 0 if cache is NULL or ttl is 0. */
int bearer_answer_kept(const bearer_cache_t *cache, const unsigned char *key,
                       apr_interval_time_t ttl, apr_time_t now,
                       bearer_answer_t *answer, apr_pool_t *p);
