/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file bell.h
 * A condition variable without a lock, for memory that processes may share. A thread
 * reads the ring count, then checks its condition. If the condition does not hold,
 * the thread waits until the bell rings again or its time is over. A thread that
 * changes the condition rings the bell. A ring between reading and waiting is not
 * lost.
 *
 * A bell is in the caller's memory, which must be zeroed at first. Unlike with a
 * process-shared pthread_cond_t, a process that is killed while it waits leaves no
 * broken state. On Linux, waiting uses a futex. Elsewhere a thread checks again every
 * BEARER_BELL_STEP.
 *
 * Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#define BEARER_BELL_STEP apr_time_from_msec(5)

typedef struct bearer_bell_t {
    _Atomic apr_uint32_t rung;     /**< number of rings; may wrap */
    _Atomic apr_uint32_t waiting;  /**< waiting threads; too high after a waiting thread
                                        was killed, which costs one system call per ring */
} bearer_bell_t;

/** Returns the number of rings so far. */
apr_uint32_t bearer_bell_rung(bearer_bell_t *bell);

/** Waits until the bell has rung more often than `rung` or `longest`
 *  (microseconds) is over. It may also return earlier: the caller must check its
 *  condition again. */
void bearer_bell_wait(bearer_bell_t *bell, apr_uint32_t rung,
                      apr_interval_time_t longest);

/** Wakes all waiting threads. */
void bearer_bell_ring(bearer_bell_t *bell);
