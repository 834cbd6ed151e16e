/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file table.h
 * Lasting state in one block of memory that all children share: sessions, what has
 * ended or was used, logins that were redeemed. The caller maps the block,
 * zeroed, before the children start, and keeps it over a graceful restart, so that
 * the children of before and the new ones work on the same records.
 *
 * A record has a key of 32 bytes, a value, an end, and, for a session, its owners:
 * digests by which it is found again (bearer_owner_t). What happens when the room is
 * used up follows from what a record is (bearer_kept_t):
 *
 *   marks      stay until they expire
 *   sessions   the address with the most of them loses the one unused for longest
 *   attempts   have a sixteenth of the room, which nothing else gets; the oldest goes
 *              first
 *   logouts    have a sixty-fourth, and what nobody else needs; the oldest goes first
 *
 * A user (BEARER_OWNER_SUBJECT) has at most BEARER_TABLE_EACH sessions; one more
 * ends the one of them that was unused for longest.
 *
 * A child may be killed at any instruction. Locks are robust; a record counts once
 * one word in it says so; all else (chains, lists, counts) follows from the records
 * and is made anew by whoever finds that a change was broken off (table_repair.c).
 * No lock is held over anything but memory. Thread-safe and process-safe.
 *
 * The size of a block depends on nothing but what was asked for. A block that
 * another layout was written to is refused (APR_EMISMATCH), never read.
 *
 * `now` is the present, in microseconds since the epoch. APR_EGENERAL: the memory
 * cannot be used; whoever holds a lock has been stopped for two seconds.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#include "base/world.h"

typedef struct bearer_table_t bearer_table_t;

/** Bytes of a block: at least, at most, and where nothing is said. */
#define BEARER_TABLE_MIN (64 * 1024)
#define BEARER_TABLE_MAX ((apr_uint64_t)16 << 30)
#define BEARER_TABLE_DEFAULT (8 * 1024 * 1024)
/** The longest value, in a block of 160 KB or more. */
#define BEARER_TABLE_VALUE (16 * 1024)
/** Sessions of one user. */
#define BEARER_TABLE_EACH 32

/**
 * Uses block as a table; the first one to attach makes it one, before there are
 * others.
 * @param block  aligned to 128, zeroed when new; outlives p
 * @return APR_EINVAL: size or alignment; APR_EMISMATCH: of another layout or size
 */
apr_status_t bearer_table_attach(bearer_table_t **table, void *block,
                                 apr_size_t size, apr_pool_t *p);

/** How many sessions with values of so many bytes fit into a block of that size. */
apr_uint64_t bearer_table_room(apr_uint64_t size, apr_size_t len);

/** Copies a value into p. APR_SUCCESS, APR_NOTFOUND; APR_EGENERAL also for a value that
 *  is not as it was kept, unless it is a session's: those are sealed. */
apr_status_t bearer_table_get(bearer_table_t *table, const unsigned char *key,
                              apr_time_t now, unsigned char **value,
                              apr_size_t *len, apr_pool_t *p);

/** What an entry may be: a new one, another value of an old one, or either. */
enum { BEARER_TABLE_NEW = 1, BEARER_TABLE_OLD = 2, BEARER_TABLE_EITHER = 3 };

/** As add (BEARER_TABLE_NEW) or replace (BEARER_TABLE_OLD) of bearer_cache_t. Only what
 *  is new takes the owners of the entry. APR_EINVAL: the value is too long.
 *  @param may  BEARER_TABLE_... */
apr_status_t bearer_table_keep(bearer_table_t *table, int may, const unsigned char *key,
                               const bearer_cache_entry_t *entry, apr_time_t now);

/** APR_SUCCESS, APR_NOTFOUND, APR_EGENERAL. */
apr_status_t bearer_table_remove(bearer_table_t *table, const unsigned char *key);

/** Removes all sessions with that owner. */
apr_status_t bearer_table_end(bearer_table_t *table, bearer_owner_t by,
                              const unsigned char *owner);

/** Removes what has expired in the next part of the block; seldom and often alike. */
void bearer_table_sweep(bearer_table_t *table, apr_time_t now);

typedef struct bearer_table_stats_t {
    apr_uint64_t size;             /**< bytes of the block */
    apr_uint64_t sessions, others; /**< records now, expired ones included */
    apr_uint64_t used, all;        /**< parts of the block */
    apr_uint64_t evicted;          /**< sessions that made room */
    apr_uint64_t surplus;          /**< sessions ended by a newer one of their user */
    apr_uint64_t refused;          /**< records that found no room */
    apr_uint64_t repaired;         /**< changes that were broken off */
} bearer_table_stats_t;

void bearer_table_stats(const bearer_table_t *table, bearer_table_stats_t *out);

/** Has room been short since this was last said? 1 once in `every`, of all who ask;
 *  then the numbers are those since. */
int bearer_table_is_short(bearer_table_t *table, apr_time_t now,
                          apr_interval_time_t every, apr_uint64_t *evicted,
                          apr_uint64_t *refused);
