/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file bell.h
 * A condition without a lock, for memory that processes may share. A thread reads
 * how often the bell has rung, looks whether what it wants is there, and if not
 * waits until the bell rings once more or its time is over. Whoever changes
 * something rings. No ring between the reading and the waiting is lost.
 *
 * A bell is the caller's memory, zeroed when new. A process that is killed while
 * it waits leaves nothing behind, unlike with a process-shared pthread_cond_t.
 * On Linux waiting is a futex. Elsewhere a thread looks again every
 * BEARER_BELL_STEP.
 *
 * Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#define BEARER_BELL_STEP apr_time_from_msec(5)

typedef struct bearer_bell_t {
    _Atomic apr_uint32_t rung;     /**< how often; it may wrap */
    _Atomic apr_uint32_t waiting;  /**< threads; too many after one was killed,
                                        which costs a system call per ring */
} bearer_bell_t;

/** How often it has rung. */
apr_uint32_t bearer_bell_rung(bearer_bell_t *bell);

/** Returns when the bell has rung more often than `rung`, when `longest` is over,
 *  or earlier for no reason: the caller looks again. */
void bearer_bell_wait(bearer_bell_t *bell, apr_uint32_t rung,
                      apr_interval_time_t longest);

/** Wakes every thread that waits. */
void bearer_bell_ring(bearer_bell_t *bell);
