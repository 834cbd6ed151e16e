/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tokencache.h
 * Verified tokens of one process, so that a token seen before costs a hash and
 * a look-up. Keyed by SHA-256 over the policy fingerprint and the token; holds
 * the judged principal. Fixed number of entries, sets of a few ways, a clock
 * hand for eviction.
 *
 * What may have changed since is asked again by the caller on every hit: times
 * (bearer_tokencache_get does that with `now` and skew), revocation, and the
 * generation of the issuer's keys.
 *
 * No thread waits: each set has an atomic flag that is tried; who does not get
 * it treats the token as not seen. No allocation on a hit.
 */
#ifndef BEARER_TOKENCACHE_H
#define BEARER_TOKENCACHE_H

#include <apr_pools.h>

#include "bearer/principal.h"
#include "bearer/text.h"

typedef struct bearer_tokencache_t bearer_tokencache_t;
typedef struct bearer_tokencache_entry_t bearer_tokencache_entry_t;

/** entries 0: no cache; *cache is NULL and nothing is allocated. */
apr_status_t bearer_tokencache_create(bearer_tokencache_t **cache,
                                      unsigned entries, apr_pool_t *p);

/**
 * The principal judged for this key, or NULL. It is valid until
 * bearer_tokencache_release(*entry), from any thread.
 * @param generation  of the issuer's keys now in force; another one is a miss
 *                    and drops the entry
 * @param skew        for exp and nbf
 */
const bearer_principal_t *bearer_tokencache_get(bearer_tokencache_t *cache,
                                                bearer_tokencache_entry_t **entry,
                                                const unsigned char *key,
                                                apr_time_t now,
                                                apr_interval_time_t skew);

/** What the caller compares: key generation given at put. */
apr_uint64_t bearer_tokencache_generation(const bearer_tokencache_entry_t *entry);

void bearer_tokencache_drop(bearer_tokencache_t *cache,
                            bearer_tokencache_entry_t *entry);
void bearer_tokencache_release(bearer_tokencache_entry_t *entry);

/**
 * Keeps a principal. `build` is called to copy it into the entry's own memory
 * (a pool of its own, destroyed on eviction).
 * @param valid_until  judged validity beyond exp (MaxTokenAge); 0: none
 */
void bearer_tokencache_put(bearer_tokencache_t *cache, const unsigned char *key,
                           const bearer_principal_t *principal,
                           apr_uint64_t generation, apr_time_t valid_until);

void bearer_tokencache_clear(bearer_tokencache_t *cache);

typedef struct bearer_tokencache_stats_t {
    unsigned entries, used;
    apr_uint64_t hits, misses, evictions;
} bearer_tokencache_stats_t;
void bearer_tokencache_stats(bearer_tokencache_t *cache,
                             bearer_tokencache_stats_t *stats);

/** A deep copy of a principal into p: strings, arrays, and a deep copy of the
 *  claims (jansson's reference counts are not shared between requests). */
const bearer_principal_t *bearer_principal_copy(const bearer_principal_t *from,
                                                apr_pool_t *p);

#endif
