/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file share.h
 * Limits how often each of very many names (digests) does something per period, in a
 * fixed amount of memory. It allows `most` at once, and `most` per period after that: at
 * most twice as many in any period. A name that never exceeds `most` in a period is
 * never refused.
 *
 * Each part of the name selects a word in its row. The smallest of the four counts. So a
 * name is refused too early only if each of its words is shared with a busy name.
 *
 * A share is in the caller's memory, which must be zeroed at first. It does not lock,
 * wait or contain pointers. Callers that ask at the same time may exceed the limit by
 * their number. Times are microseconds since the epoch. Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#define BEARER_SHARE_ROWS 4
#define BEARER_SHARE_WORDS 1024
/** Size of a name, in bytes: a digest, or its beginning. */
#define BEARER_SHARE_NAME 16

typedef struct bearer_share_t {
    /** when nothing counts any more */
    _Atomic apr_int64_t even[BEARER_SHARE_ROWS][BEARER_SHARE_WORDS];
} bearer_share_t;

/** The limit: `most` per period, both > 0, most <= period. */
typedef struct bearer_share_limit_t {
    unsigned most;
    apr_interval_time_t period;
} bearer_share_limit_t;

/** Returns 1 if that name may do it once more. */
int bearer_share_has(const bearer_share_t *share, const unsigned char *name,
                     const bearer_share_limit_t *limit, apr_time_t now);

/** Counts that the name has done it. */
void bearer_share_use(bearer_share_t *share, const unsigned char *name,
                      const bearer_share_limit_t *limit, apr_time_t now);
