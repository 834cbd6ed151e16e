/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttle_inside.h
 * A bucket of the throttle's table, for throttle.c (the table, what callers ask) and
 * throttle_bucket.c (the addresses and the records of one bucket).
 *
 * Fields that bearer_throttle_check() and bearer_bucket_find() read without the
 * bucket's flag are atomics; the others belong to its holder.
 *
 * A slot is taken in an order that leaves it free or whole wherever its writer
 * dies: tag to 0 first and from 0 last.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "state/throttle.h"

#define LOAD(word, order) atomic_load_explicit(&(word), memory_order_##order)
#define STORE(word, value, order) \
    atomic_store_explicit(&(word), value, memory_order_##order)

/* Addresses that a bucket can hold, and how many it is meant for: with twice
 * the room, 100,000 penalties at once overfill one bucket in 3,000 tables. */
#define SLOTS 64
#define FILL 32
#define RECORDS 128

_Static_assert(SLOTS <= 64, "a bit each");

/* Clocks of threads differ a little; one that was set back by more makes what
 * is "in the future" void, or a penalty would run for hours. */
#define CLOCK_SLACK apr_time_from_sec(60)

/* A record's reason byte: flags above the reason. */
#define COUNTED 0x80u
#define NAMELESS 0x40u
#define REASON_MASK 0x3fu

_Static_assert(BEARER_REASON_COUNT <= REASON_MASK + 1, "reason fits a record");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2
                   && ATOMIC_CHAR_LOCK_FREE == 2,
               "atomics work between processes");

typedef struct bucket_t {
    _Atomic uint64_t flag;           /* 0, or when its holder took it */
    _Atomic uint64_t used;           /* slots that ever were, a bit each */
    /* slots: an address each */
    _Atomic uint64_t hi[SLOTS], lo[SLOTS];
    _Atomic uint64_t until[SLOTS];   /* of the penalty */
    _Atomic uint64_t length[SLOTS];
    _Atomic uint32_t tag[SLOTS];     /* 0: free */
    _Atomic uint8_t dirty[SLOTS];    /* a success has something to clear */
    apr_time_t last[SLOTS];          /* failure */
    apr_interval_time_t window[SLOTS];
    apr_time_t lost_at[SLOTS];       /* newest of the records that made room */
    uint32_t lost[SLOTS];            /* how many of them count */
    /* records: a refused token each */
    apr_time_t at[RECORDS];
    uint32_t token[RECORDS];         /* keyed digest of the token */
    uint32_t judged[RECORDS];        /* keyed digest of token and policy */
    uint8_t owner[RECORDS];          /* slot + 1; 0: free */
    uint8_t reason[RECORDS];
} bucket_t;

/* An address, located. */
typedef struct place_t {
    bucket_t *bucket;
    uint64_t hi, lo;
    uint32_t tag;
} place_t;

/* A credential as records know it. */
typedef struct mark_t {
    uint32_t token, judged;
    uint8_t reason;
} mark_t;

/* What the records of an address say about it and one token. */
typedef struct tally_t {
    unsigned count;     /* failures within the window */
    int seen;           /* this token among what was refused within it */
    int judged;         /* under the same policy */
    bearer_reason_t reason;
} tally_t;

/** The slot of an address, or -1. Without the flag the answer may be over by the time
 *  it is used. */
int bearer_bucket_find(const place_t *place);

/** Is this slot the address's? */
int bearer_bucket_is_at(const place_t *place, int i);

/** Microseconds of penalty that a slot has left; 0: none. */
apr_interval_time_t bearer_bucket_penalty(const bucket_t *b, int i, apr_time_t now);

/** 1: the bucket is the caller's until bearer_bucket_release() with the same now. */
int bearer_bucket_take(bucket_t *b, apr_time_t now);
void bearer_bucket_release(bucket_t *b, apr_time_t now);

/* flag held: */

/** The address's slot, a new one if need be; -1: no room. */
int bearer_bucket_slot(const place_t *place, apr_time_t now);

/** 1: a penalty began. */
int bearer_bucket_fail(bucket_t *b, int slot, const mark_t *mark,
                       const bearer_throttle_settings_t *settings, apr_time_t now);

void bearer_bucket_tally(tally_t *tally, const bucket_t *b, int slot,
                         const mark_t *mark, apr_interval_time_t window,
                         apr_time_t now);

/** Nothing counts any more. */
void bearer_bucket_clear(bucket_t *b, int slot);
