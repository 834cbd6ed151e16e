/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file breaker.h
 * Stops requests to a server that does not answer. After a failure the breaker is
 * open: no caller sends a request, except one caller every BEARER_BREAKER_INTERVAL,
 * the probe. If the probe succeeds, the breaker closes.
 *
 * A breaker is one word in the caller's memory; zero means closed. Processes that
 * share the memory share the breaker. It does not lock or wait. If the caller with
 * the probe dies, another caller can probe after `until`.
 *
 * Times are microseconds since the epoch. Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#include "base/budget.h"

#define BEARER_BREAKER_INTERVAL apr_time_from_sec(1)
/** The longest time that a probe counts as running. */
#define BEARER_BREAKER_LONGEST apr_time_from_sec(10)

/** When the next probe may begin; 0: closed. Negative: the same time, while the
 *  running probe comes from bearer_breaker_doubt(). */
typedef struct bearer_breaker_t {
    _Atomic apr_int64_t next;
} bearer_breaker_t;

/** What a caller may do. */
typedef enum {
    BEARER_BREAKER_CLOSED,  /**< send the request */
    BEARER_BREAKER_PROBE,   /**< send the request: its result decides */
    BEARER_BREAKER_OPEN     /**< do not send the request */
} bearer_breaker_pass_t;

/**
 * Call this before a request to the server. Unless the result is OPEN, the caller
 * sends the request and then calls bearer_breaker_tell().
 * @param until  when the request is over in any case; no second probe begins before
 */
bearer_breaker_pass_t bearer_breaker_ask(bearer_breaker_t *breaker,
                                         apr_time_t now, apr_time_t until);

/**
 * Reports a sign that the server fails, if a quick request can verify it. PROBE: the
 * caller sends that request; other callers get OPEN until bearer_breaker_tell().
 * OPEN: another caller is already probing. If the server answers, the breaker returns
 * to its former state.
 */
bearer_breaker_pass_t bearer_breaker_doubt(bearer_breaker_t *breaker,
                                           apr_time_t now, apr_time_t until);

/**
 * Call this after the request to the server.
 * @param pass      the result of bearer_breaker_ask()
 * @param answered  0: the server failed; a refusal counts as an answer
 * @return 1 if this call opened or closed the breaker, so that the caller can log it
 */
int bearer_breaker_tell(bearer_breaker_t *breaker, bearer_breaker_pass_t pass,
                        int answered, apr_time_t now);

/** Returns 1 if bearer_breaker_ask() would not return CLOSED. */
int bearer_breaker_is_open(const bearer_breaker_t *breaker);

/** The running calls to a server, to detect one that never returns. It must be
 *  zeroed at first, in memory that the callers share. */
#define BEARER_CALLS 64
typedef struct bearer_calls_t {
    bearer_place_t until[BEARER_CALLS];
} bearer_calls_t;

/**
 * Registers a call.
 * @param until  after this time the call is late
 * @param late   set to 1 if another call is late or its caller has died; each call is
 *               reported once
 * @return a place for bearer_place_give(), or -1 if the table is full; the call is
 *         then not watched
 */
int bearer_calls_begin(bearer_calls_t *calls, apr_time_t now, apr_time_t until,
                       int *late);
