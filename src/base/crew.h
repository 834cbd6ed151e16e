/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file crew.h
 * Runs errands that may take long concurrently, in threads that live while there is
 * work. At most BEARER_CREW_SIZE errands run at the same time.
 *
 * A slow errand does not delay others. Errands known to be slow never occupy all
 * threads. An errand not known to be slow is limited while others wait for its
 * thread. If it needs more time, it is sent again as a slow one.
 *
 * Only one thread at a time may call bearer_crew_send() and bearer_crew_end().
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#define BEARER_CREW_SIZE 8
/** Errands that may run without a limit at the same time. */
#define BEARER_CREW_LONG 6

typedef struct bearer_errand_t {
    /** Called by one of the threads.
     *  @param limited  1: give up soon, because other errands wait */
    void (*run)(void *what, int limited, apr_pool_t *ptemp);
    void *what;
    int slow;         /**< the last run failed or took long */
    apr_time_t last;  /**< time of the last run; the oldest runs first */
} bearer_errand_t;

typedef struct bearer_crew_t bearer_crew_t;

/** @param begin  called at the start of each thread, or NULL
 *  @param p      must live until bearer_crew_end() */
apr_status_t bearer_crew_create(bearer_crew_t **crew, void (*begin)(void),
                                apr_pool_t *p);

/**
 * Sets the errands to run; replaces the errands of an earlier list that have not
 * begun. Returns immediately. If no thread can be created, the caller runs one errand
 * itself.
 * @param errands  copied; none of them may be running
 */
void bearer_crew_send(bearer_crew_t *crew, const bearer_errand_t *errands,
                      int n);

/** Stops new errands and joins the threads that end by `until` (real time).
 *  Returns 1 if all have ended. */
int bearer_crew_end(bearer_crew_t *crew, apr_time_t until);
