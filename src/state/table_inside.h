/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file table_inside.h
 * The layout of a table's block, for table*.c only.
 *
 *   header | stripes | buckets by key | buckets by owner | kinds of chunks |
 *   next of each chunk | chunks
 *
 * A record is a head, then a chunk of owners if it is a session, then the rest of the
 * value. The chunks, their kinds and `next` are authoritative; all other data is
 * derived.
 *
 * Locks: one change at a time, under `change`. A record's bucket belongs to a stripe.
 * A reader holds only the stripe's lock. A writer holds both locks while it changes
 * what a reader can see, so a reader waits only for changes in its own stripe. The
 * two `changing` flags say that a change is in progress: a process that takes the
 * lock and finds the flag set knows that the change was interrupted.
 *
 * Chunk 0 is not used: index 0 means "none", as in memory that is still zero.
 *
 * In a table of proofs, all records are BEARER_KEPT_PROOF, and the value is a part of
 * the token's digest. The buckets by owner are numbers instead: each counts the proofs
 * of the tokens that fall into it, by another part of the digest in each of the four.
 * The smallest of a token's numbers is the number of its proofs, or more.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "state/table.h"

/** Must change if the layout below changes: of sessions, of proofs. */
#define LAYOUT 2
#define LAYOUT_PROOFS 0x10001
#define MAGIC "bearer\0t"
#define CHUNK 128
#define STRIPES 64
#define INLINE 44
/** Lists of addresses by number of sessions; the last is for that number or more. */
#define RANKS 256
#define COMMITTED 0x5e55104eu

enum { CHUNK_FREE, CHUNK_HEAD, CHUNK_MORE };

/** Flags of a head: a chunk of owners follows it; its chunks are contiguous. */
enum { OWNED = 1, STRAIGHT = 2 };

typedef apr_uint32_t chunk_t;      /**< index of a chunk */

typedef struct head_t {
    _Atomic apr_uint32_t state;    /**< COMMITTED: the record is valid */
    unsigned char kind;            /**< bearer_kept_t */
    unsigned char how;             /**< OWNED, STRAIGHT */
    apr_uint16_t len;              /**< length of the value */
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_uint64_t serial;           /**< of two records with one key, the higher serial is
                                        valid */
    apr_int64_t expires, touched;
    apr_uint32_t sum;              /**< checksum of the value; 0 for a session, whose
                                        seal protects it */
    apr_uint32_t check;            /**< checksum of the members above and of the owners */
    chunk_t chain;                 /**< the next in its bucket */
    chunk_t older, newer;          /**< in its queue */
    unsigned char value[INLINE];   /**< the first bytes of the value */
} head_t;

typedef struct links_t {
    chunk_t next, prev;
} links_t;

/** Lists that contain a session: those of its owners. In LIST_ADDRESS, one session
 *  represents all of its address. Rings: RING_RANK links addresses with the same
 *  number of sessions, the least recently used first; RING_MATES links all
 *  sessions of an address. */
enum { LIST_ADDRESS = BEARER_OWNER_ADDRESS, RING_RANK, RING_MATES, LISTS };

typedef struct owners_t {
    bearer_owners_t of;
    links_t lists[LISTS];
    apr_uint32_t count;            /**< sessions of its address; 0: another session
                                        represents the address */
} owners_t;

/** Records whose oldest is removed for the next one, and their number of chunks. */
enum { QUEUE_ATTEMPTS, QUEUE_LOGOUTS, QUEUES };

typedef struct queue_t {
    chunk_t oldest, newest;
    apr_uint32_t chunks;
} queue_t;

typedef struct stripe_t {
    _Alignas(CHUNK) pthread_mutex_t lock;
    _Atomic apr_uint32_t changing;
} stripe_t;

typedef struct header_t {
    char magic[8];
    apr_uint32_t layout, chunks;
    apr_uint64_t size;
    _Alignas(CHUNK) pthread_mutex_t change;
    _Atomic apr_uint32_t changing;
    apr_uint64_t serial;
    chunk_t fresh;                 /**< no chunk from here on was ever used */
    chunk_t hand;                  /**< where sweeping continues */
    /* derived */
    chunk_t free;                  /**< released chunks */
    queue_t queues[QUEUES];
    apr_int64_t soonest;           /**< no record expires earlier */
    apr_int64_t swept;             /**< when a sweep last covered the whole block */
    chunk_t ranks[RANKS + 1];
    _Atomic apr_uint64_t used, sessions, others;
    /* counts, how many of them were reported, and when */
    _Atomic apr_uint64_t evicted, surplus, refused, repaired;
    _Atomic apr_uint64_t told_evicted, told_refused;
    _Atomic apr_int64_t told;
} header_t;

struct bearer_table_t {
    header_t *header;
    stripe_t *stripes;
    chunk_t *buckets;
    chunk_t *by_owner[BEARER_OWNERS];
    unsigned char *kinds;
    chunk_t *next;
    unsigned char *chunks;
    apr_uint32_t bucket_mask, owner_mask;
    apr_uint32_t reserve;          /**< chunks reserved for replacements */
    apr_uint32_t shares[QUEUES];   /**< chunks reserved for each queue */
    apr_uint32_t each;             /**< of a table of proofs: how many a token may have;
                                        of others: 0 */
};

static inline head_t *table_head(const bearer_table_t *t, chunk_t i)
{
    return (head_t *)(void *)(t->chunks + (apr_size_t)i * CHUNK);
}

static inline int table_is_owned(const head_t *head)
{
    return head->how & OWNED;
}

/** Returns the queue of a kind, or -1. */
static inline int table_queue(bearer_kept_t kind)
{
    return kind == BEARER_KEPT_ATTEMPT ? QUEUE_ATTEMPTS
         : kind == BEARER_KEPT_LOGOUT ? QUEUE_LOGOUTS : -1;
}

/** Returns the owners of an owned record. */
static inline owners_t *table_owners(const bearer_table_t *t, chunk_t i)
{
    return (owners_t *)(void *)(t->chunks + (apr_size_t)t->next[i] * CHUNK);
}

static inline apr_uint32_t table_bucket(const bearer_table_t *t,
                                        const unsigned char *key)
{
    apr_uint32_t n;

    memcpy(&n, key, sizeof(n));
    return n & t->bucket_mask;
}

static inline stripe_t *table_stripe(const bearer_table_t *t,
                                     const unsigned char *key)
{
    return &t->stripes[table_bucket(t, key) % STRIPES];
}

/** Returns the number of chunks of a record. */
static inline apr_uint32_t table_chunks(apr_size_t len, int owned)
{
    return (owned ? 2u : 1u)
        + (len > INLINE ? (apr_uint32_t)((len - INLINE + CHUNK - 1) / CHUNK) : 0u);
}

static inline apr_uint32_t table_chunks_of(const head_t *head)
{
    return table_chunks(head->len, table_is_owned(head));
}

/* table_record.c: under the lock of changes, except bearer_table_copy() */

/** Returns the checksum of a valid head. */
apr_uint32_t bearer_table_check(const bearer_table_t *t, chunk_t i);
/** Writes a record that no reader can find yet. There must be enough chunks.
 *  @param old  the record to replace, whose owners it takes; 0: none */
chunk_t bearer_table_compose(bearer_table_t *t, const unsigned char *key,
                             const bearer_cache_entry_t *entry, chunk_t old,
                             apr_time_t now);
/** Sets the kind of the chunks after the head to CHUNK_MORE or CHUNK_FREE and
 *  updates the count of used chunks. Returns the last of them. */
chunk_t bearer_table_mark(bearer_table_t *t, chunk_t i, unsigned char kind);
/** Releases the chunks of a record. */
void bearer_table_release(bearer_table_t *t, chunk_t i);
/** Copies the value, head->len bytes. Call it under the lock of the stripe. */
void bearer_table_copy(const bearer_table_t *t, chunk_t i, unsigned char *to);
apr_uint32_t bearer_table_sum(const unsigned char *value, apr_size_t len);

/* table_repair.c: locks, and recovery if their holder died */

/** Creates a robust lock in the block. */
apr_status_t bearer_table_make_lock(pthread_mutex_t *lock);
/** Begins a change; first repairs an interrupted one. */
apr_status_t bearer_table_begin(bearer_table_t *t);
void bearer_table_finish(bearer_table_t *t);
/** Locks a stripe. For a change, `change` is 1. */
apr_status_t bearer_table_enter(bearer_table_t *t, stripe_t *stripe, int change);
void bearer_table_leave(stripe_t *stripe);
/** Sets the state of a head. COMMITTED: the record is valid, and all other data
 *  has been written; 0: it is invalid, and no other data has been changed yet. */
void bearer_table_commit(head_t *head, apr_uint32_t state);

/* table_index.c: under the lock of changes; enlist and delist also under that of
 * the record's stripe */

chunk_t bearer_table_find(const bearer_table_t *t, const unsigned char *key);
/** Adds a record to its bucket, where readers find it. */
void bearer_table_link(bearer_table_t *t, chunk_t i);
void bearer_table_unlink(bearer_table_t *t, chunk_t i);
/** Returns the number of proofs of a token, BEARER_OWNER_SIZE bytes of its digest. */
apr_uint32_t bearer_table_proofs_of(const bearer_table_t *t, const unsigned char *token);
/** Adds a record to all other lists and counts it. */
void bearer_table_enlist(bearer_table_t *t, chunk_t i);
void bearer_table_delist(bearer_table_t *t, chunk_t i);
/** The first record of that owner in a list, and those after it; 0: no more. */
chunk_t bearer_table_first(const bearer_table_t *t, bearer_owner_t by,
                           const unsigned char *owner);
chunk_t bearer_table_after(const bearer_table_t *t, bearer_owner_t by, chunk_t i);
/** Returns the record that was unused for longer; `oldest` may be 0. i is ignored
 *  if it is `but`. */
chunk_t bearer_table_older(const bearer_table_t *t, chunk_t oldest, chunk_t i,
                           chunk_t but);
/** Returns the session unused for longest of the address with the most sessions,
 *  except `but`; 0: none. */
chunk_t bearer_table_victim(const bearer_table_t *t, chunk_t but);
