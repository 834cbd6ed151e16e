/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_table.h
 * A table in memory that processes can share, records that say whose they are, and
 * a look at all of a table's structures. Without cmocka, so that stress programs can
 * include it as well.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <apr_strings.h>

#include "base/text.h"
#include "state/table_inside.h"

#define TABLE_T0 apr_time_from_sec(1767225600)

static inline void *table_block(apr_size_t size)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (block == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return block;
}

static inline void table_key(unsigned char *key, unsigned n)
{
    bearer_text_sha256(&n, sizeof(n), key);
}

/** Owners: 0 for none. */
static inline bearer_owners_t table_owned_by(unsigned sid, unsigned sub,
                                             unsigned address)
{
    const unsigned of[BEARER_OWNERS] = { sid, sub, sub, address };
    unsigned char digest[32];
    bearer_owners_t owners;
    int i;

    memset(&owners, 0, sizeof(owners));
    for (i = 0; i < BEARER_OWNERS; i++) {
        if (of[i]) {
            const unsigned both[2] = { (unsigned)i, of[i] };

            bearer_text_sha256(both, sizeof(both), digest);
            memcpy(owners.id[i], digest, BEARER_OWNER_SIZE);
        }
    }
    return owners;
}

/** A value that tells by itself whether it is whole: bytes that follow from its
 *  first eight (number and version) and its length. */
static inline void table_value(unsigned char *value, apr_size_t len, unsigned n,
                               unsigned version)
{
    apr_uint64_t x;
    apr_size_t i;

    memcpy(value, &n, 4);
    memcpy(value + 4, &version, 4);
    x = n * 2654435761u + version * 40503u + len;
    for (i = 8; i < len; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        value[i] = (unsigned char)(x >> 56);
    }
}

/** The version of a whole value of that number, or -1. */
static inline long table_version(const unsigned char *value, apr_size_t len,
                                 unsigned n)
{
    static _Thread_local unsigned char wanted[BEARER_TABLE_VALUE];
    unsigned number, version;

    if (len < 8) {
        return -1;
    }
    memcpy(&number, value, 4);
    memcpy(&version, value + 4, 4);
    table_value(wanted, len, n, version);
    return number == n && !memcmp(value, wanted, len) ? (long)version : -1;
}

#define TABLE_WRONG(what) \
    do { \
        fprintf(stderr, "table, line %d: %s\n", __LINE__, what); \
        return 0; \
    } while (0)

/** Chunks in the list of those given back; -1: it is none. */
static inline long table_free_chunks(const bearer_table_t *t)
{
    long n = 0;
    chunk_t i;

    for (i = t->header->free; i; i = t->next[i]) {
        if (i >= t->header->fresh || t->kinds[i] != CHUNK_FREE
            || n++ > (long)t->header->chunks) {
            return -1;
        }
    }
    return n;
}

/** Is every record found in every way, and every chunk accounted for? Nobody
 *  changes it meanwhile. */
static inline int table_is_sound(const bearer_table_t *t)
{
    apr_uint64_t records = 0, owned = 0, used = 0;
    long given_back = table_free_chunks(t);
    apr_uint32_t b;
    chunk_t i, c;

    for (b = 0; b <= t->bucket_mask; b++) {
        for (i = t->buckets[b]; i; i = table_head(t, i)->chain) {
            const head_t *head = table_head(t, i);
            apr_uint32_t n = table_chunks_of(head);

            if (t->kinds[i] != CHUNK_HEAD || head->state != COMMITTED
                || head->check != bearer_table_check(t, i)
                || bearer_table_find(t, head->key) != i) {
                TABLE_WRONG("a record does not count");
            }
            for (c = t->next[i]; c; c = t->next[c]) {
                if (t->kinds[c] != CHUNK_MORE || --n == 0) {
                    TABLE_WRONG("its chunks are not its own");
                }
            }
            records++;
            owned += table_is_owned(head) != 0;
            used += table_chunks_of(head);
        }
    }
    if (records != t->header->sessions + t->header->others
        || owned != t->header->sessions || used != t->header->used) {
        TABLE_WRONG("miscounted");
    }
    if (given_back < 0
        || used + (apr_uint64_t)given_back + 1 != t->header->fresh) {
        TABLE_WRONG("chunks were lost");
    }
    return 1;
}

/** Each session in the lists of its owners; addresses counted and ranked. */
static inline int table_is_indexed(const bearer_table_t *t)
{
    apr_uint64_t in_rings = 0;
    apr_uint32_t n, b;
    chunk_t i, j;

    for (b = 0; b <= t->bucket_mask; b++) {
        for (i = t->buckets[b]; i; i = table_head(t, i)->chain) {
            int by;

            for (by = 0; table_is_owned(table_head(t, i)) && by < BEARER_OWNER_ADDRESS;
                 by++) {
                for (j = bearer_table_first(t, (bearer_owner_t)by,
                                            table_owners(t, i)->of.id[by]);
                     j && j != i;
                     j = bearer_table_after(t, (bearer_owner_t)by, j)) {
                }
                if (!j && table_owners(t, i)->of.id[by][0]) {
                    TABLE_WRONG("a session is not found by an owner");
                }
            }
        }
    }
    for (n = 1; n <= RANKS; n++) {
        chunk_t first = t->header->ranks[n];

        for (i = first; i; i = table_owners(t, i)->lists[RING_RANK].next) {
            apr_uint32_t count = 0;

            j = i;
            do {
                count++;
                j = table_owners(t, j)->lists[RING_MATES].next;
            } while (j != i);
            in_rings += count;
            if (count != table_owners(t, i)->count
                || (n < RANKS ? count != n : count < n)) {
                TABLE_WRONG("an address is miscounted");
            }
            if (table_owners(t, i)->lists[RING_RANK].next == first) {
                break;
            }
        }
    }
    if (in_rings != t->header->sessions) {
        TABLE_WRONG("a session has no address");
    }
    return 1;
}
