/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file keyset.h
 * The life of an issuer's key set in one process:
 *
 *   empty -> fresh -> due (refreshed ahead of time) -> stale (issuer down) -> gone
 *
 * A request whose key is known never waits: it verifies with the set that is
 * there, also while that is being refreshed. Only a request that finds nothing
 * at all waits for the one flight in progress, for the total timeout at most.
 *
 * The document (not the parsed keys) is shared through world->keys_cache, so
 * that one child's fetch serves all; each process parses it once and again only
 * when it changed. Locks are held for pointer swaps, never over I/O.
 *
 * Thread-safe. All times by world's clock.
 */
#pragma once

#include "base/reason.h"
#include "base/world.h"
#include "jose/jwk.h"
#include "trust/issuer.h"

/** Background refreshes after a failure: from this on, doubled each time up to
 *  KeysRefresh min, with jitter of a quarter either way. */
#define BEARER_KEYSET_RETRY apr_time_from_sec(2)

/** Who brings a kid that nobody knows waits for a fetch, from its beginning on,
 *  at most so long. */
#define BEARER_KEYSET_KID_PATIENCE apr_time_from_sec(2)

/** Without cache headers a set lives so long (clamped by KeysRefresh). */
#define BEARER_KEYSET_DEFAULT_LIFE apr_time_from_sec(3600)

typedef struct bearer_keyset_t bearer_keyset_t;

/** What there is to know about one set, for status pages and logs. */
typedef struct bearer_keyset_state_t {
    int keys;
    apr_time_t fetched;        /**< 0: never */
    apr_time_t due;            /**< when the next refresh is wanted; a file is
                                    looked at then */
    apr_time_t gone;           /**< when it stops serving; 0: never (a file) */
    apr_time_t last_attempt;
    int last_attempt_failed;
    const char *last_error;    /**< in the caller's pool, or NULL */
    apr_time_t metadata_fetched; /**< 0: never, or not discovered */
    const char *metadata_error;  /**< of the last attempt, or NULL */
    apr_uint64_t generation;   /**< +1 whenever the usable keys changed */
} bearer_keyset_state_t;

/**
 * @param access  copied; what it points to lives as long as p
 * @param p       the process's pool; the key set is destroyed with it
 * Nothing is fetched or read yet, but a key file is read when first needed.
 */
apr_status_t bearer_keyset_create(bearer_keyset_t **keyset,
                                  const bearer_issuer_access_t *access,
                                  apr_pool_t *p);

/**
 * Where AuthBearerKeys contains {tenant} each tenant has a key set of its own
 * (otherwise one tenant's key would sign for another): this is it, created at
 * its first use, or keyset itself where the source is the same for all. The
 * caller has admitted the tenant (bearer_issuer_tenant_admitted), so that no
 * token decides what is fetched. With more than BEARER_KEYSET_MAX_TENANTS the one
 * that is least worth it makes room. Call bearer_keyset_release() when done.
 * NULL: not a tenant, or all sets are being used just now.
 */
bearer_keyset_t *bearer_keyset_of_tenant(bearer_keyset_t *keyset,
                                         const char *tenant);
/** For any set, of a tenant or not; NULL is fine. */
void bearer_keyset_release(bearer_keyset_t *keyset);
/** A token of that tenant was accepted: its keys stay before those of tenants that
 *  only unverified tokens have named. keyset, tenant: as above; tenant may be NULL. */
void bearer_keyset_served(bearer_keyset_t *keyset, const char *tenant);
#define BEARER_KEYSET_MAX_TENANTS 1000

/**
 * The set to verify with. Call bearer_jwks_release(*set) when done.
 * On a process that has none it is taken from the cache, else fetched (one
 * flight; the others wait).
 * @return BEARER_OK or BEARER_KEYS (nothing usable is known; detail says what
 *         failed and the mend)
 */
bearer_reason_t bearer_keyset_acquire(bearer_keyset_t *keyset,
                                      bearer_jwks_t **set,
                                      bearer_refusal_t *why, apr_pool_t *p);

/** 1: bearer_keyset_acquire() would answer from memory or a local file now, and
 *  ask neither the network nor a cache. */
int bearer_keyset_at_hand(bearer_keyset_t *keyset);

/**
 * A token names a kid that *set does not have (bearer_jwks_select said
 * unknown_kid). Looks for a newer set in the cache, else fetches, at most once
 * per KeysRefresh min and issuer, host-wide, failures included.
 * On BEARER_OK *set was replaced by a newer one (the old reference is released).
 * BEARER_KEY: the last refresh succeeded and no newer set has come: the kid is
 * unknown. BEARER_KEYS: the last refresh failed.
 */
bearer_reason_t bearer_keyset_refresh_for_kid(bearer_keyset_t *keyset,
                                              const char *kid,
                                              bearer_jwks_t **set,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p);

/**
 * For a background thread: fetches if the set is due (or empty, and no tenant's), reads
 * a key file again if it changed. Never blocks a request.
 */
void bearer_keyset_maintain(bearer_keyset_t *keyset, apr_pool_t *ptemp);

/** The same for a crew (crew.h): appends what maintain would do now, which is
 *  nothing most of the time. The key set outlives the crew.
 *  @param errands  of bearer_errand_t */
void bearer_keyset_errands(bearer_keyset_t *keyset, apr_array_header_t *errands,
                           apr_pool_t *ptemp);

/** Before the process serves: takes over what world->keys_home has, so that not
 *  even the first request waits. */
void bearer_keyset_prime(bearer_keyset_t *keyset, apr_pool_t *ptemp);

/** Also tells whether a background thread looks after the set: without one, a
 *  request that finds it due refreshes it itself (one of them; the others
 *  serve on). */
void bearer_keyset_set_maintained(bearer_keyset_t *keyset, int maintained);

void bearer_keyset_state(bearer_keyset_t *keyset, bearer_keyset_state_t *state,
                         apr_pool_t *p);

/**
 * For caches of verified tokens: differs from an earlier answer whenever the
 * keys in force changed; never 1. 0: keep no verified tokens, and use none that
 * is kept: the set is gone, or overdue in a process without maintenance, so that
 * whoever compares comes back to bearer_keyset_acquire() in time; always for keys
 * by tenant (bearer_keyset_of_tenant). Cheap, lock-free. Not state's generation.
 */
apr_uint64_t bearer_keyset_generation(const bearer_keyset_t *keyset);

/** The issuer's metadata as last fetched with the keys, or fetched now (cold).
 *  NULL with *error when not to be had. Copied into p. */
const bearer_metadata_t *bearer_keyset_metadata(bearer_keyset_t *keyset,
                                                const char **error,
                                                apr_pool_t *p);

/** Life of a document by its Cache-Control/Expires/Age headers (RFC
 *  9111), clamped to min..max; without headers the default life, clamped. */
apr_interval_time_t bearer_keyset_life(const apr_table_t *headers,
                                       apr_time_t now, apr_interval_time_t min,
                                       apr_interval_time_t max);
