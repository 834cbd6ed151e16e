/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file keypool.h
 * The keys of one issuer in one process, from all sources of AuthBearerKeys. Each source
 * has its own key set with its own life (keyset.h). A source that fails does not affect
 * the others: a request uses the sets that are available, and looks for the others only
 * if it does not find its key.
 *
 * The glue, htbearer and tests call these functions. Thread-safe. No lock is held during
 * I/O.
 */
#pragma once

#include "keys/keyset.h"

typedef struct bearer_keypool_t bearer_keypool_t;

/** What a judgement wants. */
typedef enum {
    BEARER_WISH_KEYS,     /**< the keys in force */
    BEARER_WISH_KID,      /**< newer keys: the kid is unknown */
    BEARER_WISH_REPLACED  /**< newer keys: a signature does not match its key */
} bearer_wish_kind_t;

typedef struct bearer_wish_t {
    bearer_wish_kind_t kind;
    const char *kid;        /**< of the token, or NULL */
    apr_time_t since;       /**< KID: when the token was presented; REPLACED: its iat.
                                 Keys that were fetched later are not fetched again */
    int held_back;          /**< result, KID: the kid is unknown, and AuthBearerKeysRefresh
                                 min= prevents another fetch for it */
} bearer_wish_t;

/**
 * Creates the key sets of an issuer. Fetches and reads nothing yet.
 * @param access  copied; what it points to must live as long as p
 * @param p       the process's pool; the keys are destroyed with it
 */
apr_status_t bearer_keypool_create(bearer_keypool_t **pool,
                                   const bearer_issuer_access_t *access, apr_pool_t *p);

/**
 * Fulfils a wish. KEYS: sets *set; call bearer_jwks_release(*set) when done. KID and
 * REPLACED: *set is the set that was not enough; it is replaced if there is a newer one
 * (the old reference is released).
 * @param tenant  the accepted tenant of the token, or NULL (bearer_keyset_of_tenant)
 * @return BEARER_OK. KEYS: BEARER_KEYS. KID: BEARER_KEY (the last refresh of every source
 *         succeeded) or BEARER_KEYS (one failed). REPLACED: BEARER_SIGNATURE (nothing
 *         newer)
 */
bearer_reason_t bearer_keypool_get(bearer_keypool_t *pool, const char *tenant,
                                   bearer_wish_t *wish, bearer_jwks_t **set,
                                   bearer_refusal_t *why, apr_pool_t *p);

/** Returns 1 if a wish for KEYS would now be fulfilled from memory or a local file. */
int bearer_keypool_at_hand(bearer_keypool_t *pool, const char *tenant);

/** Records that a token of that tenant was accepted (bearer_keyset_served). */
void bearer_keypool_served(bearer_keypool_t *pool, const char *tenant);

/* For background threads, and at start: like the functions of keyset.h, for all sources. */
void bearer_keypool_look_at_files(bearer_keypool_t *pool, apr_pool_t *ptemp);
/** Sources that are not files. */
void bearer_keypool_errands(bearer_keypool_t *pool, apr_array_header_t *errands,
                            apr_pool_t *ptemp);
void bearer_keypool_prime(bearer_keypool_t *pool, apr_pool_t *ptemp);
void bearer_keypool_set_maintained(bearer_keypool_t *pool, int maintained);

/** Returns the number of sources, at least 1. */
int bearer_keypool_sources(const bearer_keypool_t *pool);
/** Copies the state of one source, from 0 on. */
void bearer_keypool_source_state(bearer_keypool_t *pool, int i,
                                 bearer_keyset_state_t *state, apr_pool_t *p);
/** Copies the state of all sources together: the sum of the keys; of each time the
 *  earliest, of attempts the latest; the error of the first source that has one. */
void bearer_keypool_state(bearer_keypool_t *pool, bearer_keyset_state_t *state,
                          apr_pool_t *p);

/** Like bearer_keyset_generation(), for all sources together. */
apr_uint64_t bearer_keypool_generation(const bearer_keypool_t *pool);
/** Like bearer_keyset_stamp(), for all sources together. */
apr_uint64_t bearer_keypool_stamp(const bearer_keypool_t *pool);
/** Returns 1 if the keys in force, of that tenant or NULL, are those of the set. */
int bearer_keypool_has(bearer_keypool_t *pool, const char *tenant,
                       const bearer_jwks_t *set);

/** Like bearer_keyset_metadata(), with the endpoints of AuthBearerEndpoint. */
const bearer_metadata_t *bearer_keypool_metadata(bearer_keypool_t *pool,
                                                 const char **error, apr_pool_t *p);
