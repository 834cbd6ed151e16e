/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttle_inside.h
 * A bucket of the throttle's table, for throttle.c (the table and the public
 * functions) and throttle_bucket.c (the addresses and records of one bucket).
 *
 * Fields that bearer_throttle_check() and bearer_bucket_find() read without the
 * bucket's flag are atomics. Only the holder of the flag accesses the others.
 *
 * A slot is filled in an order that leaves it free or complete if its writer dies:
 * tag is set to 0 first and to its value last.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "state/throttle.h"

#define LOAD(word, order) atomic_load_explicit(&(word), memory_order_##order)
#define STORE(word, value, order) \
    atomic_store_explicit(&(word), value, memory_order_##order)

/* Capacity of a bucket, and its intended fill: with twice the room, 100,000
 * penalties at the same time overfill one bucket in 3,000 tables. */
#define SLOTS 64
#define FILL 32
#define RECORDS 128

_Static_assert(SLOTS <= 64, "a bit each");

/* The clocks of threads differ slightly. After a clock was set back further, times
 * "in the future" are ignored; otherwise a penalty would run for hours. */
#define CLOCK_SLACK apr_time_from_sec(60)

/* A record's reason byte: flags above the reason. A token that was refused for a reason
 * beyond the mask counts, but is judged again: wider records would make another layout,
 * and penalties would end with an upgrade. */
#define COUNTED 0x80u
#define NAMELESS 0x40u
#define REASON_MASK 0x3fu

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2
                   && ATOMIC_CHAR_LOCK_FREE == 2,
               "atomics work between processes");

typedef struct bucket_t {
    _Atomic uint64_t flag;           /* 0, or when its holder took it */
    _Atomic uint64_t used;           /* one bit per slot that was ever used */
    /* slots: one address each */
    _Atomic uint64_t hi[SLOTS], lo[SLOTS];
    _Atomic uint64_t until[SLOTS];   /* of the penalty */
    _Atomic uint64_t length[SLOTS];
    _Atomic uint32_t tag[SLOTS];     /* 0: free */
    _Atomic uint8_t dirty[SLOTS];    /* a success must clear something */
    apr_time_t last[SLOTS];          /* last failure */
    apr_interval_time_t window[SLOTS];
    apr_time_t lost_at[SLOTS];       /* newest of the removed records */
    uint32_t lost[SLOTS];            /* how many of the removed records count */
    /* records: one refused token each */
    apr_time_t at[RECORDS];
    uint32_t token[RECORDS];         /* keyed digest of the token */
    uint32_t judged[RECORDS];        /* keyed digest of token and policy */
    uint8_t owner[RECORDS];          /* slot + 1; 0: free */
    uint8_t reason[RECORDS];
} bucket_t;

/* The place of an address in the table. */
typedef struct place_t {
    bucket_t *bucket;
    uint64_t hi, lo;
    uint32_t tag;
} place_t;

/* A credential in the form of records. */
typedef struct mark_t {
    uint32_t token, judged;
    uint8_t reason;
} mark_t;

/* The result of reading the records of an address, for one token. */
typedef struct tally_t {
    unsigned count;     /* failures within the window */
    int seen;           /* this token was refused within the window */
    int judged;         /* this token was refused under the same policy */
    bearer_reason_t reason;
} tally_t;

/** Returns the slot of an address, or -1. Without the flag, the result may be
 *  outdated when it is used. */
int bearer_bucket_find(const place_t *place);

/** Returns 1 if this slot belongs to the address. */
int bearer_bucket_is_at(const place_t *place, int i);

/** Returns the microseconds left of a slot's penalty; 0: none. */
apr_interval_time_t bearer_bucket_penalty(const bucket_t *b, int i, apr_time_t now);

/** Takes the flag; returns 1 if the bucket is the caller's until
 *  bearer_bucket_release() with the same now. */
int bearer_bucket_take(bucket_t *b, apr_time_t now);
void bearer_bucket_release(bucket_t *b, apr_time_t now);

/* flag held: */

/** Returns the address's slot, or a new one; -1: no room. */
int bearer_bucket_slot(const place_t *place, apr_time_t now);

/** Returns 1 if a penalty began. */
int bearer_bucket_fail(bucket_t *b, int slot, const mark_t *mark,
                       const bearer_throttle_settings_t *settings, apr_time_t now);

void bearer_bucket_tally(tally_t *tally, const bucket_t *b, int slot,
                         const mark_t *mark, apr_interval_time_t window,
                         apr_time_t now);

/** Clears the count of a slot. */
void bearer_bucket_clear(bucket_t *b, int slot);
