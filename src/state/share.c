/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * See share.h. Each word is a token bucket: the time at which the bucket would be full
 * again.
 */
#include "state/share.h"

#include <string.h>

/** Maximum difference between the clocks of two processes; a time further ahead was
 *  written before the clock was set back. */
#define CLOCKS apr_time_from_sec(60)

static unsigned word_of(const unsigned char *name, int row)
{
    apr_uint32_t n;

    memcpy(&n, name + (apr_size_t)row * sizeof(n), sizeof(n));
    return n % BEARER_SHARE_WORDS;
}

static apr_interval_time_t each(const bearer_share_limit_t *limit)
{
    return limit->period / limit->most;
}

/* Returns when the bucket is full; now, if it is. */
static apr_time_t full_at(apr_int64_t even, const bearer_share_limit_t *limit,
                          apr_time_t now)
{
    return even > now && even <= now + 2 * limit->period + CLOCKS ? even : now;
}

/* Others may share the word, so there is a limit to what is counted. */
static apr_time_t later(apr_int64_t even, const bearer_share_limit_t *limit,
                        apr_time_t now)
{
    const apr_time_t full = full_at(even, limit, now);

    return full + each(limit) <= now + 2 * limit->period ? full + each(limit) : full;
}

int bearer_share_has(const bearer_share_t *share, const unsigned char *name,
                     const bearer_share_limit_t *limit, apr_time_t now)
{
    int row;

    for (row = 0; row < BEARER_SHARE_ROWS; row++) {
        const apr_int64_t even = atomic_load_explicit(
            &share->even[row][word_of(name, row)], memory_order_relaxed);

        if (full_at(even, limit, now) + each(limit) <= now + limit->period) {
            return 1;
        }
    }
    return 0;
}

void bearer_share_use(bearer_share_t *share, const unsigned char *name,
                      const bearer_share_limit_t *limit, apr_time_t now)
{
    int row;

    for (row = 0; row < BEARER_SHARE_ROWS; row++) {
        _Atomic apr_int64_t *even = &share->even[row][word_of(name, row)];
        apr_int64_t seen = atomic_load_explicit(even, memory_order_relaxed);

        while (!atomic_compare_exchange_weak(even, &seen, later(seen, limit, now))) {
        }
    }
}
