/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file shelf.h
 * Things that one thread at a time works with, kept from one use to the next:
 * OpenSSL's contexts, for one. Whoever takes a thing has it alone, and gives it
 * back warm; nobody waits. A thing lies where the processor that used it last
 * looks first, because its caches have it: a server's threads are many, and take
 * turns.
 */
#pragma once

#include <stdatomic.h>

/** Places: about as many as run at once on one machine. */
#define BEARER_SHELF_PLACES 16

/** All zero: empty. */
typedef struct bearer_shelf_t {
    _Atomic(void *) place[BEARER_SHELF_PLACES];
} bearer_shelf_t;

/** A thing that is the caller's from now on, or NULL: there is none. Thread-safe. */
void *bearer_shelf_take(bearer_shelf_t *shelf);

/** Keeps a thing, or releases it if there is no room. Thread-safe. */
void bearer_shelf_give(bearer_shelf_t *shelf, void *thing, void (*release)(void *thing));

/** Releases all that is there. Nobody may use the shelf any more. */
void bearer_shelf_clear(bearer_shelf_t *shelf, void (*release)(void *thing));
