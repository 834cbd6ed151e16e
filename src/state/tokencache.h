/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tokencache.h
 * The verified tokens of one process (AuthBearerTokenCache). A token seen before
 * costs a hash and a look-up. The key is the SHA-256 over the policy fingerprint and
 * the token; the value is the judged principal. The cache has a fixed number of
 * entries in sets of a few ways, with a clock hand for eviction. A principal larger
 * than BEARER_TOKENCACHE_ENTRY_MAX is not cached.
 *
 * A token is stored when it is seen for the second time (bearer_tokencache_note).
 * Tokens that are used once take no room and evict no token that is used often.
 *
 * Everything that may have changed since is checked on every hit: times
 * (bearer_tokencache_get does that with `now` and skew), and by the caller revocation
 * and the generation of the issuer's keys.
 *
 *     principal = bearer_tokencache_get(cache, &entry, key, now, skew);
 *     if (principal && bearer_tokencache_generation(entry) != generation) {
 *         bearer_tokencache_drop(entry);
 *         bearer_tokencache_release(entry);
 *         principal = NULL;
 *     }
 *     ... use principal, then bearer_tokencache_release(entry) (pool cleanup)
 *
 * No thread waits or locks: each entry has one atomic word (a reference count and its
 * state). An entry that is being written is a miss; an entry in use is not evicted. A
 * hit allocates nothing. Entries have their own memory, malloc'ed in one piece;
 * threads share no APR pool.
 *
 * Several threads read the claims of a cached principal at the same time. That is
 * safe for functions that only read: json_object_get, iteration, json_equal,
 * json_dumps, json_deep_copy (jansson >= 2.11 does not mark values while it walks
 * them). Do not call json_incref or json_decref on them: jansson reads the count
 * before it changes it atomically, which is a data race. Deep-copy what must outlive
 * the reference to the entry.
 */
#pragma once

#include <apr_pools.h>

#include "base/text.h"
#include "judge/principal.h"

typedef struct bearer_tokencache_t bearer_tokencache_t;
typedef struct bearer_tokencache_entry_t bearer_tokencache_entry_t;

/** Maximum memory of one entry, in bytes, including claims. A token that fits into
 *  a header field of httpd's default size fits. */
#define BEARER_TOKENCACHE_ENTRY_MAX (32 * 1024)

/**
 * @param entries  rounded up to whole sets; 0: no cache, *cache is NULL and nothing
 *                 is allocated. A NULL cache always misses
 * @param p        the process's pool. When it is destroyed, the entries are too, even
 *                 if references exist
 */
apr_status_t bearer_tokencache_create(bearer_tokencache_t **cache,
                                      unsigned entries, apr_pool_t *p);

/**
 * Returns the principal judged for this key, or NULL. It is valid until
 * bearer_tokencache_release(*entry), which any thread may call. An expired entry
 * (expires + skew, valid_until) is dropped.
 * @param entry  set to NULL if the result is NULL
 * @param key    BEARER_SHA256_SIZE bytes
 * @param skew   microseconds, for expires and not_before
 */
const bearer_principal_t *
bearer_tokencache_get(bearer_tokencache_t *cache,
                      bearer_tokencache_entry_t **entry,
                      const unsigned char *key, apr_time_t now,
                      apr_interval_time_t skew);

/** Returns the generation of the issuer's keys that was passed to put. */
apr_uint64_t
bearer_tokencache_generation(const bearer_tokencache_entry_t *entry);

/**
 * Keeps one thing with the entry, e.g. a key that only requests with this token need. The
 * caller has a reference to the entry. Thread-safe, without waiting: of several threads,
 * one attaches its thing. Its memory is not part of BEARER_TOKENCACHE_ENTRY_MAX.
 * @param release  called exactly once, when the entry is freed, by any thread
 * @return 1: the entry owns the thing; it is valid as long as the caller's reference.
 *         0: the entry has one; the caller still owns its own, and frees it
 */
int bearer_tokencache_attach(bearer_tokencache_entry_t *entry, void *thing,
                             void (*release)(void *thing));

/** Returns the thing that is attached, or NULL. It is valid as long as the caller's
 *  reference. Thread-safe. */
void *bearer_tokencache_attached(bearer_tokencache_entry_t *entry);

/** Removes the entry from the cache; threads that hold it may still use it. The
 *  caller must still release its reference. */
void bearer_tokencache_drop(bearer_tokencache_entry_t *entry);

/** Releases a reference; the last one of a dropped entry frees it. */
void bearer_tokencache_release(bearer_tokencache_entry_t *entry);

/**
 * Caches a deep copy of a principal. principal->issuer is not copied and must outlive
 * the cache. If there is no room (all ways in use, too large), nothing is cached.
 * @param generation   of the issuer's keys with which it was judged
 * @param valid_until  latest time at which it is valid, in addition to expires
 *                     (maximum age, lifetime of an introspection response); 0: none
 */
void bearer_tokencache_put(bearer_tokencache_t *cache, const unsigned char *key,
                           const bearer_principal_t *principal,
                           apr_uint64_t generation, apr_time_t valid_until);

/**
 * Notes that a token was verified, and returns 1 if it was noted before. The second
 * time, the caller should put the token; a token that is used once is not cached and
 * evicts nothing. The notes hold four times as many keys as there are entries, but no
 * principals. A note does not say whether the token is still valid. The table is
 * direct-mapped: a newer token may replace an older one. Returns 0 for a NULL cache.
 */
int bearer_tokencache_note(bearer_tokencache_t *cache, const unsigned char *key);

/** Returns 1 if the token was noted. */
int bearer_tokencache_noted(const bearer_tokencache_t *cache,
                            const unsigned char *key);

typedef struct bearer_tokencache_stats_t {
    unsigned entries, used;
    apr_uint64_t hits, misses, evictions;
    apr_size_t bytes;         /**< of all current entries */
} bearer_tokencache_stats_t;

/** Reads the whole table; zeroes for a NULL cache. */
void bearer_tokencache_stats(bearer_tokencache_t *cache,
                             bearer_tokencache_stats_t *stats);
