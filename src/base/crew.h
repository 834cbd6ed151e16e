/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file crew.h
 * Runs errands that may take long side by side, in threads that live as long as
 * there is something to do. At most BEARER_CREW_SIZE run at once.
 *
 * A slow errand delays no other one: errands that are known to be slow never
 * occupy all threads, and one that is not known to be slow is limited while others
 * wait for its thread. If it needs more time it comes again, as a slow one.
 *
 * bearer_crew_send() and bearer_crew_end() are for one thread at a time.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#define BEARER_CREW_SIZE 8
/** So many of them may take as long as they need. */
#define BEARER_CREW_LONG 6

typedef struct bearer_errand_t {
    /** Called by one of the threads.
     *  @param limited  1: it gives up soon, because others wait */
    void (*run)(void *what, int limited, apr_pool_t *ptemp);
    void *what;
    int slow;         /**< it failed, or took long, the last time */
    apr_time_t last;  /**< when that was; the longest ago comes first */
} bearer_errand_t;

typedef struct bearer_crew_t bearer_crew_t;

/** @param begin  called at the beginning of each thread, or NULL
 *  @param p      lives until bearer_crew_end() */
apr_status_t bearer_crew_create(bearer_crew_t **crew, void (*begin)(void),
                                apr_pool_t *p);

/**
 * What there is to do now; replaces what has not been begun of an earlier list.
 * Returns at once, except where no thread can be created: then the caller runs
 * one errand itself.
 * @param errands  copied; none of them may be under way
 */
void bearer_crew_send(bearer_crew_t *crew, const bearer_errand_t *errands,
                      int n);

/** No further errand begins, and the threads are joined as far as they end by
 *  `until` (real time). 1: all have. */
int bearer_crew_end(bearer_crew_t *crew, apr_time_t until);
