/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file flight.h
 * Asking somebody else who the caller is, whoever it is that is asked: threads
 * that have the same question at once share one flight, whoever would have to
 * wait passes the world's gate first, and an answer that was worth something is
 * kept for a while. Introspection, session checks and the refreshes of sessions
 * are its users.
 *
 * Which questions are the same is decided by a key of 32 bytes: everything that
 * may change the answer belongs into it.
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

/** An answer is at most so long. */
#define BEARER_ANSWER_MAX (64 * 1024)

/** One that is longer is used, but not kept; and what a kept one grows by. */
#define BEARER_ANSWER_KEPT_MAX (16 * 1024)
#define BEARER_ANSWER_OVERHEAD 32

/** What came back. */
typedef struct bearer_answer_t {
    bearer_reason_t reason;  /**< BEARER_OK: there is a text */
    const char *text;        /**< NUL-terminated */
    apr_size_t len;
    apr_time_t asked;        /**< by the world's clock, before it was asked: the
                                  answer is never older than it is taken for */
    unsigned retry;          /**< seconds after which asking makes sense again,
                                  where the other side said so; else 0 */
} bearer_answer_t;

/** How to ask; called by one of those who have the question. */
typedef struct bearer_ask_t {
    /** @param answer  text, len and retry are to be filled, in p
     *  @return the reason; anything but BEARER_OK with why */
    bearer_reason_t (*ask)(void *baton, bearer_answer_t *answer,
                           bearer_refusal_t *why, apr_pool_t *p);
    void *baton;
    apr_interval_time_t total;    /**< the longest that one request may take */
    int party;                    /**< who is asked, for the gate */
    bearer_reason_t unavailable;  /**< when nobody could be asked */
    int only_first;               /**< does not wait for another's flight, which is
                                       then as if nobody could be asked */
} bearer_ask_t;

/** What those need who share something else than an answer: a mutex, and a condition
 *  to broadcast when a flight lands. */
apr_status_t bearer_flight_locks(apr_thread_mutex_t **mutex, apr_thread_cond_t **landed,
                                 apr_pool_t *p);

/** Under the mutex: waits while *flying, until that time by the real clock at the
 *  latest; 0: it still flies. */
int bearer_flight_wait(apr_thread_cond_t *landed, apr_thread_mutex_t *mutex,
                       const int *flying, apr_time_t until);

typedef struct bearer_flights_t bearer_flights_t;

/** @param p  the process's pool; world lives as long */
apr_status_t bearer_flights_create(bearer_flights_t **flights,
                                   const bearer_world_t *world, apr_pool_t *p);

/**
 * Asks, or waits for whoever is asking the same already.
 * @param key     BEARER_CACHE_KEY_SIZE bytes
 * @param answer  filled, in p
 * @param why     filled where answer->reason is not BEARER_OK
 * @return 1: this caller was the one who asked
 */
int bearer_flights_share(bearer_flights_t *flights, const unsigned char *key,
                         const bearer_ask_t *ask, bearer_answer_t *answer,
                         bearer_refusal_t *why, apr_pool_t *p);

/** Keeps an answer until then at the latest; cache NULL or `until` 0: not. */
void bearer_answer_keep(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_answer_t *answer, apr_time_t until,
                        apr_pool_t *p);

/** The last moment for an answer: its ttl, or an `exp` in it if that is sooner; 0: now
 *  is too late, or ttl is 0. */
apr_time_t bearer_answer_until(apr_time_t asked, apr_interval_time_t ttl,
                               const json_t *content, apr_time_t now);

/** 1: an answer was kept that is younger than ttl; it is in p. A ttl that was
 *  shortened counts for what is kept already. cache NULL or ttl 0: none is. */
int bearer_answer_kept(const bearer_cache_t *cache, const unsigned char *key,
                       apr_interval_time_t ttl, apr_time_t now,
                       bearer_answer_t *answer, apr_pool_t *p);
