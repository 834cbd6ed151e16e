/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See budget.h. */
#include "bearer/budget.h"

/** What can be spent ahead. */
#define AHEAD (BEARER_BUDGET_AT_ONCE * BEARER_BUDGET_EACH)
/** So far apart may be what two processes take for now; what is further ahead
 *  was written before the clock was set back. */
#define CLOCKS apr_time_from_sec(60)

/* Places are looked at first: a call that finds none costs no budget. */
static int take_place(bearer_budget_t *b, int flying, apr_time_t now,
                      apr_time_t until)
{
    int i;

    for (i = 0; i < flying && i < BEARER_BUDGET_FLYING; i++) {
        apr_int64_t seen = atomic_load(&b->flying[i]);

        if (seen <= now
            && atomic_compare_exchange_strong(&b->flying[i], &seen, until)) {
            return i;
        }
    }
    return -1;
}

/* A bucket of tokens in one word: when it would be full again. */
static int spend(bearer_budget_t *b, apr_time_t now)
{
    apr_int64_t seen = atomic_load(&b->even), from;

    do {
        from = seen > now && seen <= now + AHEAD + CLOCKS ? seen : now;
        if (from + BEARER_BUDGET_EACH > now + AHEAD) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak(&b->even, &seen,
                                           from + BEARER_BUDGET_EACH));
    return 1;
}

int bearer_budget_begin(bearer_budget_t *budget, int flying, apr_time_t now,
                        apr_time_t until)
{
    int place = take_place(budget, flying, now, until);

    if (place >= 0 && !spend(budget, now)) {
        bearer_budget_end(budget, place);
        place = -1;
    }
    return place;
}

void bearer_budget_end(bearer_budget_t *budget, int place)
{
    atomic_store(&budget->flying[place], 0);
}
