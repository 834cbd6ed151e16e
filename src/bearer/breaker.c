/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See breaker.h. */
#include "bearer/breaker.h"

#define INTERVAL BEARER_BREAKER_INTERVAL

bearer_breaker_pass_t bearer_breaker_ask(bearer_breaker_t *breaker,
                                         apr_time_t now, apr_time_t until)
{
    apr_int64_t next = atomic_load(&breaker->next);
    apr_time_t longest = until > now + INTERVAL ? until : now + INTERVAL;

    if (!next) {
        return BEARER_BREAKER_CLOSED;
    }
    /* further ahead than any probe lasts: the clock was set back */
    if (next > now && next <= longest) {
        return BEARER_BREAKER_OPEN;
    }
    return atomic_compare_exchange_strong(&breaker->next, &next, longest)
        ? BEARER_BREAKER_PROBE : BEARER_BREAKER_OPEN;
}

/* Only the probe closes it: calls that began before it opened may succeed or fail
 * one after the other. */
int bearer_breaker_tell(bearer_breaker_t *breaker, bearer_breaker_pass_t pass,
                        int answered, apr_time_t now)
{
    apr_int64_t next = 0;

    if (answered) {
        return pass == BEARER_BREAKER_PROBE
            && atomic_exchange(&breaker->next, 0) != 0;
    }
    if (atomic_compare_exchange_strong(&breaker->next, &next, now + INTERVAL)) {
        return 1;
    }
    if (pass == BEARER_BREAKER_PROBE && next > now + INTERVAL) {
        /* fails only if somebody else has just said when */
        (void)atomic_compare_exchange_strong(&breaker->next, &next,
                                             now + INTERVAL);
    }
    return 0;
}

int bearer_breaker_is_open(const bearer_breaker_t *breaker)
{
    return atomic_load(&breaker->next) != 0;
}
