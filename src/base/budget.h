/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file budget.h
 * How often somebody else may be called because of clients that nobody knows:
 * BEARER_BUDGET_AT_ONCE calls, after that one each BEARER_BUDGET_EACH, and never
 * more than BEARER_BUDGET_FLYING of them, or fewer, under way. Whoever wants to
 * call begins, and ends; who is not let in does something cheaper. Below it lie
 * places, which bound how many are under way and nothing else.
 *
 * A budget is a piece of memory of the caller's, zeroed when new; where children
 * share it, it is the budget of them all. No lock, no pointer, no wait. A caller
 * that dies under way gives its place back when `until` is over.
 *
 * Times are microseconds since the epoch. Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_time.h>

#define BEARER_BUDGET_AT_ONCE 100
#define BEARER_BUDGET_EACH (APR_USEC_PER_SEC / 10)
#define BEARER_BUDGET_FLYING 16

/** Until when it is taken; 0: free. */
typedef _Atomic apr_int64_t bearer_place_t;

/** Gives one back (-1: none), unless its time is over and another caller has it. */
void bearer_place_give(bearer_place_t *places, int place, apr_time_t until);

typedef struct bearer_budget_t {
    _Atomic apr_int64_t even;      /**< then all that was spent is earned again */
    bearer_place_t flying[BEARER_BUDGET_FLYING];
} bearer_budget_t;

/**
 * @param flying  so many may be under way, if that is less than
 *                BEARER_BUDGET_FLYING
 * @param until   the call is over then, whatever happens
 * @return a place of `flying` to give back (bearer_place_give), or -1: the budget is
 *         spent
 */
int bearer_budget_begin(bearer_budget_t *budget, int flying, apr_time_t now,
                        apr_time_t until);
