/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file shelf.h
 * Stores objects for reuse that one thread at a time uses, such as OpenSSL contexts.
 * A thread takes an object, uses it alone, and gives it back. No thread waits. An
 * object is stored at the index of the processor that used it last, because that
 * processor's caches hold it and many threads share one processor.
 */
#pragma once

#include <stdatomic.h>

/** Places: about the number of threads that run at the same time on one machine. */
#define BEARER_SHELF_PLACES 16

/** Empty if all zero. */
typedef struct bearer_shelf_t {
    _Atomic(void *) place[BEARER_SHELF_PLACES];
} bearer_shelf_t;

/** Returns an object, which the caller then owns; NULL if the shelf has none. Thread-safe. */
void *bearer_shelf_take(bearer_shelf_t *shelf);

/** Stores an object, or releases it if there is no room. Thread-safe. */
void bearer_shelf_give(bearer_shelf_t *shelf, void *thing, void (*release)(void *thing));

/** Releases all stored objects. No other thread may use the shelf any more. */
void bearer_shelf_clear(bearer_shelf_t *shelf, void (*release)(void *thing));
