/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file keyset.h
 * The life cycle of an issuer's key set in one process:
 *
 *   empty -> fresh -> due (refreshed ahead of time) -> stale (issuer down) -> gone
 *
 * A request whose key is known never waits: it verifies with the current set, also
 * during a refresh. Only a request that finds no set at all waits for the running
 * fetch, for the total timeout at most.
 *
 * Processes share the document (not the parsed keys) through world->keys_cache, so
 * that one child's fetch serves all. Each process parses the document once, and again
 * only when it changes. Locks protect pointer swaps and are never held during I/O.
 *
 * Thread-safe. All times are by world's clock.
 */
#pragma once

#include "base/reason.h"
#include "base/world.h"
#include "jose/jwk.h"
#include "trust/issuer.h"

/** Delay before a background refresh after a failure. It doubles each time, up to
 *  KeysRefresh min, with a jitter of a quarter either way. */
#define BEARER_KEYSET_RETRY apr_time_from_sec(2)

/** A request with an unknown kid waits for a fetch at most this long, from the
 *  start of the fetch. */
#define BEARER_KEYSET_KID_PATIENCE apr_time_from_sec(2)

/** Lifetime of a set without cache headers (clamped by KeysRefresh). */
#define BEARER_KEYSET_DEFAULT_LIFE apr_time_from_sec(3600)

typedef struct bearer_keyset_t bearer_keyset_t;

/** The state of one set, for status pages and logs. */
typedef struct bearer_keyset_state_t {
    int keys;
    apr_time_t fetched;        /**< 0: never */
    apr_time_t due;            /**< when the next refresh is due; a key file is checked then */
    apr_time_t gone;           /**< when it stops being used; 0: never (a file) */
    apr_time_t last_attempt;
    int last_attempt_failed;
    const char *last_error;    /**< in the caller's pool, or NULL */
    apr_time_t metadata_fetched; /**< 0: never, or not discovered */
    const char *metadata_error;  /**< of the last attempt, or NULL */
    apr_uint64_t generation;   /**< grows by 1 when the usable keys change */
} bearer_keyset_state_t;

/**
 * Creates a key set. It fetches and reads nothing yet; a key file is read when first
 * needed.
 * @param access  copied; what it points to must live as long as p
 * @param p       the process's pool; the key set is destroyed with it
 */
apr_status_t bearer_keyset_create(bearer_keyset_t **keyset,
                                  const bearer_issuer_access_t *access,
                                  apr_pool_t *p);

/**
 * Returns the key set of a tenant. If AuthBearerKeys contains {tenant}, each tenant
 * has its own key set, created on first use; otherwise one tenant's key could sign
 * for another. If the source is the same for all tenants, returns keyset itself. The
 * caller must have accepted the tenant (bearer_issuer_tenant_admitted), so that a
 * token cannot choose what is fetched. Beyond BEARER_KEYSET_MAX_TENANTS, the least
 * valuable set is removed. Call bearer_keyset_release() when done. NULL: not a
 * tenant, or all sets are in use.
 */
bearer_keyset_t *bearer_keyset_of_tenant(bearer_keyset_t *keyset,
                                         const char *tenant);
/** Releases any set, of a tenant or not; does nothing for NULL. */
void bearer_keyset_release(bearer_keyset_t *keyset);
/** Records that a token of that tenant was accepted. Its keys are then kept in
 *  preference to those of tenants that only unverified tokens have named. keyset
 *  and tenant are as above; tenant may be NULL. */
void bearer_keyset_served(bearer_keyset_t *keyset, const char *tenant);
#define BEARER_KEYSET_MAX_TENANTS 1000

/**
 * Returns the set to verify with. Call bearer_jwks_release(*set) when done. If the
 * process has no set, it takes one from the cache or fetches one; one thread fetches
 * and the others wait.
 * @return BEARER_OK or BEARER_KEYS (no usable keys are known; the detail says what
 *         failed and how to fix it)
 */
bearer_reason_t bearer_keyset_acquire(bearer_keyset_t *keyset,
                                      bearer_jwks_t **set,
                                      bearer_refusal_t *why, apr_pool_t *p);

/** Like bearer_keyset_acquire(), but waits only so long, and never longer than that. */
bearer_reason_t bearer_keyset_acquire_within(bearer_keyset_t *keyset,
                                             apr_interval_time_t longest,
                                             bearer_jwks_t **set,
                                             bearer_refusal_t *why, apr_pool_t *p);

/** Returns 1 if bearer_keyset_acquire() would now return from memory or a local
 *  file, without network or cache. */
int bearer_keyset_at_hand(bearer_keyset_t *keyset);

/**
 * Call this if a token names a kid that *set does not have (bearer_jwks_select() set
 * unknown_kid). It looks for a newer set in the cache, else fetches, at most once per
 * KeysRefresh min, issuer and host, including failed attempts. It fetches nothing if the
 * keys are newer than the request.
 * @param presented  when the token was presented
 * @return BEARER_OK: *set was replaced with a newer one (the old reference is
 *         released). BEARER_KEY: the last refresh succeeded but brought no newer set:
 *         the kid is unknown. BEARER_KEYS: the last refresh failed
 */
bearer_reason_t bearer_keyset_refresh_for_kid(bearer_keyset_t *keyset,
                                              const char *kid, apr_time_t presented,
                                              bearer_jwks_t **set,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p);

/** Returns 1 if the set lacks a kid now and AuthBearerKeysRefresh min= prevents another
 *  fetch for it. */
int bearer_keyset_held_back(bearer_keyset_t *keyset);

/** Counts a fetch for an unknown kid at that time as one of this key set too.
 *  @return the time of the last one, not before `when` */
apr_time_t bearer_keyset_hold_back(bearer_keyset_t *keyset, apr_time_t when, apr_pool_t *p);

/**
 * Call this if a signature does not match its key, which may have been replaced under
 * the same name. Looks for a newer set like bearer_keyset_refresh_for_kid(), with the
 * same limit, if the keys were fetched before the token was issued.
 * @param issued  the token's iat, whole seconds
 * @return BEARER_OK: *set was replaced with a newer one (the old reference is
 *         released). BEARER_SIGNATURE: there is none
 */
bearer_reason_t bearer_keyset_refresh_replaced(bearer_keyset_t *keyset, apr_time_t issued,
                                               bearer_jwks_t **set, apr_pool_t *p);

/** Returns 1 if there is a set, or the keys are in a file. */
int bearer_keyset_is_warm(bearer_keyset_t *keyset);
/** Returns 1 if the keys are in a file. */
int bearer_keyset_is_file(const bearer_keyset_t *keyset);

/**
 * For a background thread. Fetches if the set is due (or is empty and not a
 * tenant's), and reads a changed key file again. Never blocks a request.
 */
void bearer_keyset_maintain(bearer_keyset_t *keyset, apr_pool_t *ptemp);

/** Like bearer_keyset_maintain(), for a crew (crew.h): appends the errands that
 *  are due, usually none. The key set must outlive the crew.
 *  @param errands  array of bearer_errand_t */
void bearer_keyset_errands(bearer_keyset_t *keyset, apr_array_header_t *errands,
                           apr_pool_t *ptemp);

/** Call this before the process serves requests. It takes over the set in
 *  world->keys_home, so that not even the first request waits. */
void bearer_keyset_prime(bearer_keyset_t *keyset, apr_pool_t *ptemp);

/** Says whether a background thread maintains the set. Without one, the first
 *  request that finds the set due refreshes it; other requests use the current set
 *  meanwhile. */
void bearer_keyset_set_maintained(bearer_keyset_t *keyset, int maintained);

/** Copies the current state; its texts are in p. */
void bearer_keyset_state(bearer_keyset_t *keyset, bearer_keyset_state_t *state,
                         apr_pool_t *p);

/**
 * For caches of verified tokens: returns a number that changes when the keys in force
 * change; never 1. 0 means: do not cache verified tokens, and do not use cached ones.
 * It is 0 if the set is gone, or is overdue in a process without maintenance, so that
 * callers return to bearer_keyset_acquire() in time. It is always 0 for keys per
 * tenant (bearer_keyset_of_tenant). Cheap, lock-free. Not the generation in
 * bearer_keyset_state_t.
 */
apr_uint64_t bearer_keyset_generation(const bearer_keyset_t *keyset);

/** Returns a number that depends only on the usable keys in force, in any process; 0:
 *  there are none. For keys per tenant: on the keys of all tenants that this process has
 *  now. Cheap, lock-free. */
apr_uint64_t bearer_keyset_stamp(const bearer_keyset_t *keyset);

/** Returns the issuer's metadata as last fetched with the keys, or fetches it if
 *  there is none. NULL with *error if it is unavailable. Copied into p. */
const bearer_metadata_t *bearer_keyset_metadata(bearer_keyset_t *keyset,
                                                const char **error,
                                                apr_pool_t *p);

/** Returns the lifetime of a document by its Cache-Control, Expires and Age
 *  headers (RFC 9111), clamped to min..max. Without such headers, the default
 *  lifetime, clamped. */
apr_interval_time_t bearer_keyset_life(const apr_table_t *headers,
                                       apr_time_t now, apr_interval_time_t min,
                                       apr_interval_time_t max);
