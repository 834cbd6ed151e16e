/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See budget.h. */
#include "base/budget.h"

/** How much can be spent in advance. */
#define AHEAD (BEARER_BUDGET_AT_ONCE * BEARER_BUDGET_EACH)
/** Maximum difference between the clocks of two processes; a time further ahead
 *  was written before the clock was set back. */
#define CLOCKS apr_time_from_sec(60)

/* Threads start the search at different places. */
static int take(bearer_place_t *places, int n, apr_time_t now, apr_time_t until)
{
    int i, first = n > 0 ? (int)(now % n) : 0;

    for (i = 0; i < n; i++) {
        int place = (first + i) % n;
        apr_int64_t seen = atomic_load(&places[place]);

        if (seen <= now
            && atomic_compare_exchange_strong(&places[place], &seen, until)) {
            return place;
        }
    }
    return -1;
}

void bearer_place_give(bearer_place_t *places, int place, apr_time_t until)
{
    apr_int64_t mine = until;

    if (place >= 0) {
        atomic_compare_exchange_strong(&places[place], &mine, 0);
    }
}

/* A token bucket in one word: the time at which it would be full again. */
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

/* Takes a place first: a call that finds none spends no budget. */
int bearer_budget_begin(bearer_budget_t *budget, int flying, apr_time_t now,
                        apr_time_t until)
{
    int most = flying < BEARER_BUDGET_FLYING ? flying : BEARER_BUDGET_FLYING;
    int place = take(budget->flying, most, now, until);

    if (place >= 0 && !spend(budget, now)) {
        bearer_place_give(budget->flying, place, until);
        place = -1;
    }
    return place;
}
