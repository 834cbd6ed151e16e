/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tokencache.h
 * Verified tokens of one process (AuthBearerTokenCache), so that a token seen
 * before costs a hash and a look-up. Keyed by SHA-256 over the policy
 * fingerprint and the token; holds the judged principal. A fixed number of
 * entries in sets of a few ways, a clock hand for eviction; a principal larger
 * than BEARER_TOKENCACHE_ENTRY_MAX is not kept.
 *
 * A token is put when it is seen again (bearer_tokencache_note): those that are
 * used once cost nothing here and push out none that is used often.
 *
 * What may have changed since is asked again on every hit: times
 * (bearer_tokencache_get does that with `now` and skew), and by the caller
 * revocation and the generation of the issuer's keys.
 *
 *     principal = bearer_tokencache_get(cache, &entry, key, now, skew);
 *     if (principal && bearer_tokencache_generation(entry) != generation) {
 *         bearer_tokencache_drop(entry);
 *         bearer_tokencache_release(entry);
 *         principal = NULL;
 *     }
 *     ... use principal, then bearer_tokencache_release(entry) (pool cleanup)
 *
 * No thread waits and none locks: each entry is one atomic word (a reference
 * count and its state). An entry that is being written is a miss, one that is
 * in use is not evicted. No allocation on a hit. Entries live in memory of
 * their own, malloc'ed in one piece; no APR pool is shared between threads.
 *
 * The claims of a cached principal are read by several threads at once. That
 * is safe for everything that only reads: json_object_get, iteration,
 * json_equal, json_dumps, json_deep_copy (jansson >= 2.11 keeps no marks in the
 * values while it walks them). Nobody calls json_incref or json_decref on them:
 * jansson reads the count before it changes it atomically, which is a data
 * race. What is to outlive the reference to the entry is deep-copied.
 */
#pragma once

#include <apr_pools.h>

#include "base/text.h"
#include "judge/principal.h"

typedef struct bearer_tokencache_t bearer_tokencache_t;
typedef struct bearer_tokencache_entry_t bearer_tokencache_entry_t;

/** Memory of one entry at most, claims included. What fits into a header field
 *  of httpd's default size fits. */
#define BEARER_TOKENCACHE_ENTRY_MAX (32 * 1024)

/**
 * @param entries  rounded up to whole sets; 0: no cache, *cache is NULL and
 *                 nothing is allocated. A NULL cache always misses.
 * @param p        the process's pool. When it is destroyed so are the entries,
 *                 references or not.
 */
apr_status_t bearer_tokencache_create(bearer_tokencache_t **cache,
                                      unsigned entries, apr_pool_t *p);

/**
 * The principal judged for this key, or NULL. It is valid until
 * bearer_tokencache_release(*entry), by any thread. An entry past its time
 * (expires + skew, valid_until) is dropped.
 * @param entry  NULL when the answer is NULL
 * @param key    BEARER_SHA256_SIZE bytes
 * @param skew   for expires and not_before
 */
const bearer_principal_t *
bearer_tokencache_get(bearer_tokencache_t *cache,
                      bearer_tokencache_entry_t **entry,
                      const unsigned char *key, apr_time_t now,
                      apr_interval_time_t skew);

/** The generation of the issuer's keys that was given at put. */
apr_uint64_t
bearer_tokencache_generation(const bearer_tokencache_entry_t *entry);

/** Nobody finds the entry any more; those who hold it may use it on. The
 *  caller's reference is still to be released. */
void bearer_tokencache_drop(bearer_tokencache_entry_t *entry);

/** Gives a reference back; the last one of a dropped entry frees it. */
void bearer_tokencache_release(bearer_tokencache_entry_t *entry);

/**
 * Keeps a deep copy of a principal; principal->issuer is not copied and must
 * outlive the cache. Where there is no room (all ways in use, too large) it is
 * not kept.
 * @param generation   of the issuer's keys it was judged with
 * @param valid_until  the last moment it is valid at, beside expires (maximum
 *                     age, an introspection answer's time to live); 0: none
 */
void bearer_tokencache_put(bearer_tokencache_t *cache, const unsigned char *key,
                           const bearer_principal_t *principal,
                           apr_uint64_t generation, apr_time_t valid_until);

/**
 * Notes that a token was verified, and tells whether it was noted before. A token
 * that is used once need not be kept, and does not push out one that is: what is
 * seen a second time is put. Of as many tokens as there are entries four times
 * over the key is remembered, not the principal; a note says nothing about
 * whether the token is still good. Direct-mapped: a newer token may take the
 * place of an older one. 0 for a NULL cache.
 */
int bearer_tokencache_note(bearer_tokencache_t *cache, const unsigned char *key);

/** Was it noted? */
int bearer_tokencache_noted(const bearer_tokencache_t *cache,
                            const unsigned char *key);

typedef struct bearer_tokencache_stats_t {
    unsigned entries, used;
    apr_uint64_t hits, misses, evictions;
    apr_size_t bytes;         /**< of all entries kept now */
} bearer_tokencache_stats_t;

/** Walks the whole table; zeroes for a NULL cache. */
void bearer_tokencache_stats(bearer_tokencache_t *cache,
                             bearer_tokencache_stats_t *stats);
