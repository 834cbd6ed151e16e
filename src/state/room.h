/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file room.h
 * A fixed number of places for values that any client can cause to be kept: a new value
 * replaces the oldest. So clients can push out each other's values, and nothing else.
 *
 * A room is in the caller's memory, which must be zeroed at first. It does not lock,
 * wait or contain pointers. A value that is read while another replaces it is mixed:
 * the caller must be able to notice, e.g. because values are sealed. Thread-safe and
 * process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_pools.h>

#define BEARER_ROOM_PLACES 256
/** Maximum size of a value, in bytes. */
#define BEARER_ROOM_BYTES 8192
/** Size of a key, in bytes: part of a digest. */
#define BEARER_ROOM_KEY 16

#define BEARER_ROOM_WORDS (BEARER_ROOM_BYTES / 8)

typedef struct bearer_room_t {
    _Atomic apr_uint64_t next;             /**< counts the values */
    struct {
        _Atomic apr_uint64_t key[2], len;  /**< key all zero: empty */
        _Atomic apr_uint64_t words[BEARER_ROOM_WORDS];
    } places[BEARER_ROOM_PLACES];
} bearer_room_t;

/** Keeps a value. Returns 0 if it is too long. */
int bearer_room_put(bearer_room_t *room, const unsigned char *key, const void *value,
                    apr_size_t len);

/** Returns a copy of the value in p, with its length; NULL: it is not there. */
unsigned char *bearer_room_get(bearer_room_t *room, const unsigned char *key,
                               apr_size_t *len, apr_pool_t *p);
