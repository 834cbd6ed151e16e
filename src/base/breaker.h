/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file breaker.h
 * Keeps requests from a server that does not answer. After a failure the breaker
 * is open: nobody asks that server, except one caller every
 * BEARER_BREAKER_INTERVAL, the probe. The probe's success closes the breaker.
 *
 * A breaker is one word of the caller's memory, zeroed when new (closed). In
 * memory that processes share it is the breaker of them all. No lock, no wait. A
 * caller that dies as the probe keeps nobody else from probing after its `until`.
 *
 * Times are microseconds since the epoch. Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#include "base/budget.h"

#define BEARER_BREAKER_INTERVAL apr_time_from_sec(1)
/** No probe is taken for under way for longer. */
#define BEARER_BREAKER_LONGEST apr_time_from_sec(10)

/** When the next probe may begin; 0: closed; negative: the same, while one who
 *  doubts (bearer_breaker_doubt) is the probe. */
typedef struct bearer_breaker_t {
    _Atomic apr_int64_t next;
} bearer_breaker_t;

/** What a caller may do. */
typedef enum {
    BEARER_BREAKER_CLOSED,  /**< ask the server */
    BEARER_BREAKER_PROBE,   /**< ask the server: this call decides */
    BEARER_BREAKER_OPEN     /**< do not ask it */
} bearer_breaker_pass_t;

/**
 * Before the server is asked. Who is not told OPEN asks it and then calls
 * bearer_breaker_tell().
 * @param until  the call is over then, whatever happens: there is no second
 *               probe before
 */
bearer_breaker_pass_t bearer_breaker_ask(bearer_breaker_t *breaker,
                                         apr_time_t now, apr_time_t until);

/**
 * Something speaks against a server, and a quick look can tell: PROBE, and until
 * bearer_breaker_tell() the others keep off; or OPEN: somebody looks already. If the
 * server answers after all, nothing has happened.
 */
bearer_breaker_pass_t bearer_breaker_doubt(bearer_breaker_t *breaker,
                                           apr_time_t now, apr_time_t until);

/**
 * After the server was asked.
 * @param pass      what bearer_breaker_ask() answered
 * @param answered  0: it failed as a server; a refusal is an answer
 * @return 1: this call has opened or closed the breaker, which is worth a line in
 *         the log
 */
int bearer_breaker_tell(bearer_breaker_t *breaker, bearer_breaker_pass_t pass,
                        int answered, apr_time_t now);

/** 1: bearer_breaker_ask() would not say CLOSED. */
int bearer_breaker_is_open(const bearer_breaker_t *breaker);

/** Calls of a server that are under way, for one that may never answer; zeroed when
 *  new, in memory that the callers share. */
#define BEARER_CALLS 64
typedef struct bearer_calls_t {
    bearer_place_t until[BEARER_CALLS];
} bearer_calls_t;

/**
 * @param until  then it takes too long
 * @param late   set to 1 if another call takes too long, or its caller has died; each
 *               is told once
 * @return a place for bearer_place_give(), or -1: there are too many to notice
 *         this one
 */
int bearer_calls_begin(bearer_calls_t *calls, apr_time_t now, apr_time_t until,
                       int *late);
