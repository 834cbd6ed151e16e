/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file table.h
 * Lasting state in one block of memory that all children share: sessions, ended
 * sessions, used identifiers, redeemed logins; or, in a block of their own, used proofs
 * of possession. The caller maps the block, zeroed,
 * before the children start. It keeps the block over a graceful restart, so that old
 * and new children work on the same records.
 *
 * A record has a key of 32 bytes, a value, an expiry and, for a session, its owners:
 * digests by which the session can be found (bearer_owner_t). If the room is used up,
 * the kind of a record (bearer_kept_t) decides what is removed:
 *
 *   marks      stay until they expire
 *   sessions   the address with the most sessions loses the one unused for longest
 *   attempts   have a reserved sixteenth of the room; the oldest is removed first
 *   logouts    have a reserved 64th, and room that is not needed otherwise; the oldest
 *              is removed first
 *
 * A user (BEARER_OWNER_SUBJECT) has at most BEARER_TABLE_EACH sessions. One more
 * session ends the user's session that was unused for longest.
 *
 * In a table of proofs (bearer_table_attach_proofs()) nothing makes room: a proof stays
 * until it expires. One token has at most one BEARER_TABLE_TOKENS-th of the room.
 *
 * A child may be killed at any instruction. Locks are robust. A record is valid once
 * one word in it says so. All other data (chains, lists, counts) is derived from the
 * records; a process that finds an interrupted change rebuilds it (table_repair.c).
 * Locks are held only for memory access. Thread-safe and process-safe.
 *
 * The layout depends only on the size of the block. A block with another layout is
 * refused (APR_EMISMATCH) and never read.
 *
 * `now` is the current time in microseconds since the epoch. APR_EGENERAL: the memory
 * cannot be used, because the process that holds a lock has been stopped for two
 * seconds.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#include "base/world.h"

typedef struct bearer_table_t bearer_table_t;

/** Size of a block in bytes: minimum, maximum, default. */
#define BEARER_TABLE_MIN (64 * 1024)
#define BEARER_TABLE_MAX ((apr_uint64_t)16 << 30)
#define BEARER_TABLE_DEFAULT (8 * 1024 * 1024)
/** Maximum length of a value, in a block of 160 KB or more. In bytes. */
#define BEARER_TABLE_VALUE (16 * 1024)
/** Maximum number of sessions of one user. */
#define BEARER_TABLE_EACH 32
/** Default size of a table of proofs: has room for 65,536. In bytes. */
#define BEARER_TABLE_PROOFS (8704 * 1024)
/** The share of one token in a table of proofs: one in this many. */
#define BEARER_TABLE_TOKENS 4

/**
 * Uses block as a table. The first process to attach initializes it, before others
 * attach.
 * @param block  aligned to 128; must be zeroed at first; must outlive p
 * @return APR_SUCCESS; APR_EINVAL: wrong size or alignment; APR_EMISMATCH: another
 *         layout or size
 */
apr_status_t bearer_table_attach(bearer_table_t **table, void *block,
                                 apr_size_t size, apr_pool_t *p);

/** The same for a table of proofs, which has another layout: only bearer_table_use(),
 *  bearer_table_sweep() and bearer_table_stats() work with it. */
apr_status_t bearer_table_attach_proofs(bearer_table_t **table, void *block,
                                        apr_size_t size, apr_pool_t *p);

/** Returns how many proofs fit into a block of that size. */
apr_uint64_t bearer_table_room_for_proofs(apr_uint64_t size);

/** Returns how many sessions with values of len bytes fit into a block of that size. */
apr_uint64_t bearer_table_room(apr_uint64_t size, apr_size_t len);

/** Copies a value into p. Returns APR_SUCCESS, APR_NOTFOUND or APR_EGENERAL.
 *  APR_EGENERAL also means that a value is damaged; a session's value is not
 *  checked, because it is sealed. */
apr_status_t bearer_table_get(bearer_table_t *table, const unsigned char *key,
                              apr_time_t now, unsigned char **value,
                              apr_size_t *len, apr_pool_t *p);

/** What an entry may be: a new one, a new value of an existing one, or either. */
enum { BEARER_TABLE_NEW = 1, BEARER_TABLE_OLD = 2, BEARER_TABLE_EITHER = 3 };

/** Works like add (BEARER_TABLE_NEW) or replace (BEARER_TABLE_OLD) of
 *  bearer_cache_t. Only a new record takes the owners of the entry. APR_EINVAL:
 *  the value is too long.
 *  @param may  BEARER_TABLE_NEW, BEARER_TABLE_OLD or BEARER_TABLE_EITHER */
apr_status_t bearer_table_keep(bearer_table_t *table, int may, const unsigned char *key,
                               const bearer_cache_entry_t *entry, apr_time_t now);

/**
 * Uses a proof: of all callers with the same id, one succeeds until the proof expires.
 * In a table above 1 MB, tokens are counted by parts of their digests: a token of which
 * all four parts are shared with tokens of many proofs would be refused too early.
 * @param id     BEARER_CACHE_KEY_SIZE bytes, a digest
 * @param token  digest of the token that it was presented with, at least
 *               BEARER_OWNER_SIZE bytes
 * @return APR_SUCCESS; APR_EEXIST: it was used before; APR_ENOSPC: no room;
 *         APR_EBUSY: its token has its share of the room; APR_EGENERAL
 */
apr_status_t bearer_table_use(bearer_table_t *table, const unsigned char *id,
                              const unsigned char *token, apr_time_t expires,
                              apr_time_t now);

/** Removes a record. Returns APR_SUCCESS, APR_NOTFOUND or APR_EGENERAL. */
apr_status_t bearer_table_remove(bearer_table_t *table, const unsigned char *key);

/** Removes all sessions of that owner.
 *  @param ended  set to their number, also after an error; NULL: not wanted */
apr_status_t bearer_table_end(bearer_table_t *table, bearer_owner_t by,
                              const unsigned char *owner, unsigned *ended);

/** Copies the key of a session of that owner to key. Returns APR_SUCCESS, APR_NOTFOUND or
 *  APR_EGENERAL. */
apr_status_t bearer_table_owned(bearer_table_t *table, bearer_owner_t by,
                                const unsigned char *owner, unsigned char *key);

/** Removes expired records in the next part of the block. May be called at any rate. */
void bearer_table_sweep(bearer_table_t *table, apr_time_t now);

typedef struct bearer_table_stats_t {
    apr_uint64_t size;             /**< size of the block in bytes */
    apr_uint64_t sessions, others; /**< current records, including expired ones */
    apr_uint64_t used, all;        /**< parts of the block */
    apr_uint64_t evicted;          /**< sessions removed to make room */
    apr_uint64_t surplus;          /**< sessions ended by a newer session of the same user;
                                        proofs refused because of their token's share */
    apr_uint64_t refused;          /**< records for which there was no room */
    apr_uint64_t repaired;         /**< interrupted changes that were repaired */
} bearer_table_stats_t;

/** Reads the figures; they may change meanwhile. */
void bearer_table_stats(const bearer_table_t *table, bearer_table_stats_t *out);

/** Reports a lack of room: returns 1 at most once in `every` over all callers, if
 *  there was any since the last report. The numbers are those since then. */
int bearer_table_is_short(bearer_table_t *table, apr_time_t now,
                          apr_interval_time_t every, apr_uint64_t *evicted,
                          apr_uint64_t *refused);
