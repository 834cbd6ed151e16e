/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Stores objects for reuse. See shelf.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu */
#endif

#include "base/shelf.h"

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

/* Returns where to begin. If the processor is unknown, the thread's stack address
 * is used, which differs between threads. */
static unsigned home(void)
{
#ifdef __linux__
    return (unsigned)sched_getcpu() % BEARER_SHELF_PLACES;
#else
    char on_stack;
    uint64_t mixed = (uint64_t)(uintptr_t)&on_stack >> 12;

    mixed *= UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(mixed >> 32) % BEARER_SHELF_PLACES;
#endif
}

void *bearer_shelf_take(bearer_shelf_t *shelf)
{
    const unsigned first = home();
    unsigned i;

    for (i = 0; i < BEARER_SHELF_PLACES; i++) {
        _Atomic(void *) *place = &shelf->place[(first + i) % BEARER_SHELF_PLACES];

        if (atomic_load_explicit(place, memory_order_relaxed)) {
            void *thing = atomic_exchange_explicit(place, NULL,
                                                   memory_order_acquire);
            if (thing) {
                return thing;
            }
        }
    }
    return NULL;
}

void bearer_shelf_give(bearer_shelf_t *shelf, void *thing, void (*release)(void *thing))
{
    const unsigned first = home();
    unsigned i;

    for (i = 0; i < BEARER_SHELF_PLACES; i++) {
        void *empty = NULL;

        if (atomic_compare_exchange_strong_explicit(
                &shelf->place[(first + i) % BEARER_SHELF_PLACES], &empty, thing,
                memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    release(thing);
}

void bearer_shelf_clear(bearer_shelf_t *shelf, void (*release)(void *thing))
{
    unsigned i;

    for (i = 0; i < BEARER_SHELF_PLACES; i++) {
        void *thing = atomic_exchange(&shelf->place[i], NULL);

        if (thing) {
            release(thing);
        }
    }
}
