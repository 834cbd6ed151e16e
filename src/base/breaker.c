/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See breaker.h. */
#include "base/breaker.h"

#define INTERVAL BEARER_BREAKER_INTERVAL

/* When the next probe may begin if this one does not end. */
static apr_time_t end_of(apr_time_t now, apr_time_t until)
{
    until = until > now + INTERVAL ? until : now + INTERVAL;
    return until < now + BEARER_BREAKER_LONGEST ? until
                                                : now + BEARER_BREAKER_LONGEST;
}

bearer_breaker_pass_t bearer_breaker_ask(bearer_breaker_t *breaker,
                                         apr_time_t now, apr_time_t until)
{
    apr_int64_t word = atomic_load(&breaker->next);
    apr_int64_t next = word < 0 ? -word : word, end = end_of(now, until);

    if (!word) {
        return BEARER_BREAKER_CLOSED;
    }
    /* further in the future than any probe lasts: the clock was set back */
    if (next > now && next <= now + BEARER_BREAKER_LONGEST) {
        return BEARER_BREAKER_OPEN;
    }
    return atomic_compare_exchange_strong(&breaker->next, &word,
                                          word < 0 ? -end : end)
        ? BEARER_BREAKER_PROBE : BEARER_BREAKER_OPEN;
}

bearer_breaker_pass_t bearer_breaker_doubt(bearer_breaker_t *breaker,
                                           apr_time_t now, apr_time_t until)
{
    apr_int64_t closed = 0;

    return atomic_compare_exchange_strong(&breaker->next, &closed,
                                          -end_of(now, until))
        ? BEARER_BREAKER_PROBE : BEARER_BREAKER_OPEN;
}

/* Only the probe closes the breaker: calls that began before it opened may still
 * succeed or fail. */
int bearer_breaker_tell(bearer_breaker_t *breaker, bearer_breaker_pass_t pass,
                        int answered, apr_time_t now)
{
    apr_int64_t seen = 0, next = now + INTERVAL;

    if (answered) {
        return pass == BEARER_BREAKER_PROBE
            && atomic_exchange(&breaker->next, 0) > 0;
    }
    if (atomic_compare_exchange_strong(&breaker->next, &seen, next)) {
        return 1;
    }
    /* the exchange fails only if another caller has just set the time */
    return pass == BEARER_BREAKER_PROBE && (seen < 0 || seen > next)
        && atomic_compare_exchange_strong(&breaker->next, &seen, next)
        && seen < 0;
}

int bearer_breaker_is_open(const bearer_breaker_t *breaker)
{
    return atomic_load(&breaker->next) != 0;
}

int bearer_calls_begin(bearer_calls_t *calls, apr_time_t now, apr_time_t until,
                       int *late)
{
    int i, place = -1;

    *late = 0;
    for (i = 0; i < BEARER_CALLS; i++) {
        apr_int64_t seen = atomic_load(&calls->until[i]);

        if (seen && seen <= now
            && atomic_compare_exchange_strong(&calls->until[i], &seen, 0)) {
            *late = 1;
            seen = 0;
        }
        if (!seen && place < 0
            && atomic_compare_exchange_strong(&calls->until[i], &seen, until)) {
            place = i;
        }
    }
    return place;
}
