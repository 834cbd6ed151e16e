/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file table_inside.h
 * The layout of a table's block, for table*.c only.
 *
 *   header | stripes | buckets by key | buckets by owner | kinds of chunks |
 *   what follows each chunk | chunks
 *
 * A record is a head, then a chunk of owners if it is a session, then the rest of
 * the value. What counts is in the chunks, their kinds and `next`; everything else
 * is derived from that.
 *
 * Locks: changes are made one at a time, under `change`. A record's bucket belongs
 * to a stripe; who reads holds the stripe only, who changes holds it as well while
 * he changes what a reader can see. So a reader waits for no change but in its own
 * stripe. Both `changing` say that a change is going on: whoever has the lock and
 * finds it set knows that it was broken off.
 *
 * Chunk 0 is not used: index 0 is "none", as in memory that nothing was written to.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "state/table.h"

/** Changes whenever the layout below does. */
#define LAYOUT 2
#define MAGIC "bearer\0t"
#define CHUNK 128
#define STRIPES 64
#define INLINE 44
/** Lists of addresses by how many sessions they have; the last: so many or more. */
#define RANKS 256
#define COMMITTED 0x5e55104eu

enum { CHUNK_FREE, CHUNK_HEAD, CHUNK_MORE };

/** Of a head: a chunk of owners follows it; its chunks lie one after the other. */
enum { OWNED = 1, STRAIGHT = 2 };

typedef apr_uint32_t chunk_t;      /**< index of one */

typedef struct head_t {
    _Atomic apr_uint32_t state;    /**< COMMITTED: it counts */
    unsigned char kind;            /**< bearer_kept_t */
    unsigned char how;             /**< OWNED, STRAIGHT */
    apr_uint16_t len;              /**< of the value */
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_uint64_t serial;           /**< of two with one key the later counts */
    apr_int64_t expires, touched;
    apr_uint32_t sum;              /**< of the value; 0: of a session, whose seal says
                                        whether it is whole */
    apr_uint32_t check;            /**< of the members above, and of the owners */
    chunk_t chain;                 /**< the next in its bucket */
    chunk_t older, newer;          /**< in its queue */
    unsigned char value[INLINE];   /**< its beginning */
} head_t;

typedef struct links_t {
    chunk_t next, prev;
} links_t;

/** Lists that a session is in: those of its owners; in LIST_ADDRESS one session
 *  stands for all of its address. Rings: addresses with as many sessions, the one
 *  that was not used for longest first; all sessions of an address. */
enum { LIST_ADDRESS = BEARER_OWNER_ADDRESS, RING_RANK, RING_MATES, LISTS };

typedef struct owners_t {
    bearer_owners_t of;
    links_t lists[LISTS];
    apr_uint32_t count;            /**< of its address; 0: another stands for it */
} owners_t;

/** Records of which the oldest makes room for the next, and their chunks. */
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
    chunk_t fresh;                 /**< from here on nothing was ever written to */
    chunk_t hand;                  /**< where sweeping goes on */
    /* derived */
    chunk_t free;                  /**< chunks given back */
    queue_t queues[QUEUES];
    apr_int64_t soonest;           /**< nothing expires before */
    apr_int64_t swept;             /**< when all of it was looked at last */
    chunk_t ranks[RANKS + 1];
    _Atomic apr_uint64_t used, sessions, others;
    /* counted, and how many of that have been told of, when */
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
    apr_uint32_t reserve;          /**< chunks that only a replacement may use */
    apr_uint32_t shares[QUEUES];   /**< chunks that nothing else gets */
};

static inline head_t *table_head(const bearer_table_t *t, chunk_t i)
{
    return (head_t *)(void *)(t->chunks + (apr_size_t)i * CHUNK);
}

static inline int table_is_owned(const head_t *head)
{
    return head->how & OWNED;
}

/** The queue of a kind; -1: it has none. */
static inline int table_queue(bearer_kept_t kind)
{
    return kind == BEARER_KEPT_ATTEMPT ? QUEUE_ATTEMPTS
         : kind == BEARER_KEPT_LOGOUT ? QUEUE_LOGOUTS : -1;
}

/** Of an owned record. */
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

/** Chunks of a record. */
static inline apr_uint32_t table_chunks(apr_size_t len, int owned)
{
    return (owned ? 2u : 1u)
        + (len > INLINE ? (apr_uint32_t)((len - INLINE + CHUNK - 1) / CHUNK) : 0u);
}

static inline apr_uint32_t table_chunks_of(const head_t *head)
{
    return table_chunks(head->len, table_is_owned(head));
}

/* table_record.c: under the lock of changes, but for the copy */

/** Over all of a head that counts. */
apr_uint32_t bearer_table_check(const bearer_table_t *t, chunk_t i);
/** A record, written, but not there for anybody yet. There are chunks enough.
 *  @param old  the one whose place it takes, and whose owners it has; 0: none */
chunk_t bearer_table_compose(bearer_table_t *t, const unsigned char *key,
                             const bearer_cache_entry_t *entry, chunk_t old,
                             apr_time_t now);
/** Its chunks behind the head become of that kind, CHUNK_MORE or CHUNK_FREE, and
 *  count as used or not. Returns the last of them. */
chunk_t bearer_table_mark(bearer_table_t *t, chunk_t i, unsigned char kind);
/** Gives its chunks back. */
void bearer_table_release(bearer_table_t *t, chunk_t i);
/** Its value, head->len bytes; under the lock of its stripe. */
void bearer_table_copy(const bearer_table_t *t, chunk_t i, unsigned char *to);
apr_uint32_t bearer_table_sum(const unsigned char *value, apr_size_t len);

/* table_repair.c: locks, and what to do when their holder died */

/** A robust lock in the block. */
apr_status_t bearer_table_make_lock(pthread_mutex_t *lock);
/** Begins a change, after mending one that was broken off. */
apr_status_t bearer_table_begin(bearer_table_t *t);
void bearer_table_finish(bearer_table_t *t);
/** The stripe of that key; before a change of it, change is 1. */
apr_status_t bearer_table_enter(bearer_table_t *t, stripe_t *stripe, int change);
void bearer_table_leave(stripe_t *stripe);
/** COMMITTED: from now on it counts, everything else has been written; 0: it does
 *  not, and nothing else has been changed yet. */
void bearer_table_commit(head_t *head, apr_uint32_t state);

/* table_index.c: under the lock of changes; enlist and delist also under that of
 * the record's stripe */

chunk_t bearer_table_find(const bearer_table_t *t, const unsigned char *key);
/** In its bucket, where readers find it. */
void bearer_table_link(bearer_table_t *t, chunk_t i);
void bearer_table_unlink(bearer_table_t *t, chunk_t i);
/** In all other lists, and counted. */
void bearer_table_enlist(bearer_table_t *t, chunk_t i);
void bearer_table_delist(bearer_table_t *t, chunk_t i);
/** The first of that owner in a list, and those after it; 0: no more. */
chunk_t bearer_table_first(const bearer_table_t *t, bearer_owner_t by,
                           const unsigned char *owner);
chunk_t bearer_table_after(const bearer_table_t *t, bearer_owner_t by, chunk_t i);
/** The one of two that was unused for longer; `oldest` may be 0, i may be `but`, which
 *  does not count. */
chunk_t bearer_table_older(const bearer_table_t *t, chunk_t oldest, chunk_t i,
                           chunk_t but);
/** Of the address with the most sessions, the one that was unused for longest, but
 *  not `but`; 0: there is none. */
chunk_t bearer_table_victim(const bearer_table_t *t, chunk_t but);
