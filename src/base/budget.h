/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file budget.h
 * Limits requests to other servers that unauthenticated clients cause. It allows
 * BEARER_BUDGET_AT_ONCE calls, then one every BEARER_BUDGET_EACH, and never more than
 * BEARER_BUDGET_FLYING at the same time (or fewer). A caller begins and ends each
 * call. A caller that is refused must do something cheaper. Places are the lower
 * layer: they only limit how many calls run at the same time.
 *
 * A budget is in the caller's memory, which must be zeroed at first. Children that
 * share the memory share the budget. It does not lock, wait or contain pointers. If a
 * caller dies during a call, its place becomes free at `until`.
 *
 * Times are microseconds since the epoch. Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#define BEARER_BUDGET_AT_ONCE 100
#define BEARER_BUDGET_EACH (APR_USEC_PER_SEC / 10)
#define BEARER_BUDGET_FLYING 16

/** Time until which the place is taken; 0: free. */
typedef _Atomic apr_int64_t bearer_place_t;

/** Releases a place (-1: none), unless its time is over and another caller has it. */
void bearer_place_give(bearer_place_t *places, int place, apr_time_t until);

typedef struct bearer_budget_t {
    _Atomic apr_int64_t even;      /**< when the full budget is available again */
    bearer_place_t flying[BEARER_BUDGET_FLYING];
} bearer_budget_t;

/**
 * Begins a call.
 * @param flying  maximum number of concurrent calls, if less than
 *                BEARER_BUDGET_FLYING
 * @param until   when the call is over in any case
 * @return a place in `flying` for bearer_place_give(), or -1 if the budget is used up
 */
int bearer_budget_begin(bearer_budget_t *budget, int flying, apr_time_t now,
                        apr_time_t until);
