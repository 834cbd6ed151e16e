/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file alg.h
 * The table of signature algorithms (RFC 7518 section 3.1, RFC 8037, RFC 8812, RFC
 * 9864). To add an algorithm, add a row in alg.c. Thread-safe.
 */
#pragma once

#include <apr_pools.h>

/** X(symbol, name): key types. All tables by type are generated from this list. */
#define BEARER_KTYS(X) X(RSA, "RSA") X(EC, "EC") X(OKP, "OKP") X(OCT, "oct")

typedef enum {
    BEARER_KTY_NONE,
#define X(symbol, name) BEARER_KTY_##symbol,
    BEARER_KTYS(X)
#undef X
} bearer_kty_t;

typedef enum {
    BEARER_PADDING_NONE,
    BEARER_PADDING_PKCS1,
    BEARER_PADDING_PSS   /**< salt length = hash length, RFC 7518 section 3.5 */
} bearer_padding_t;

/** A set of algorithms: bit i is row i of the table. */
typedef apr_uint32_t bearer_algs_t;

typedef struct bearer_alg_t {
    const char *name;        /**< JWA name, compared case-sensitively */
    bearer_algs_t bit;
    bearer_kty_t kty;
    const char *curve;       /**< required JWK crv; NULL: any of its kty (RSA, oct), or
                                  for EdDSA Ed25519 and Ed448 */
    const char *digest;      /**< OpenSSL name; NULL: the algorithm determines it */
    bearer_padding_t padding;
    apr_size_t signature_len;/**< exact octets; 0: same length as the modulus */
    apr_size_t min_key;      /**< oct: minimum octets (RFC 7518 section 3.2) */
    int in_default;          /**< part of the default allow-list */
} bearer_alg_t;

/** Returns the JWK `kty`; "" for BEARER_KTY_NONE. */
const char *bearer_kty_name(bearer_kty_t kty);

/** Returns the type of that name, compared case-sensitively, or BEARER_KTY_NONE.
 *  name may be NULL. */
bearer_kty_t bearer_kty_find(const char *name);

/** Returns a row by JWA name, or NULL. There is no row for "none". */
const bearer_alg_t *bearer_alg_find(const char *name);

/** Removes the first row, in table order, from a set and returns it; NULL if the
 *  set is empty. */
#define BEARER_ALGS_ALL (~(bearer_algs_t)0)
const bearer_alg_t *bearer_alg_next(bearer_algs_t *set);

/** Returns the default allow-list: the rows with in_default. */
bearer_algs_t bearer_alg_defaults(void);

/** Returns all HS* rows. */
bearer_algs_t bearer_alg_symmetric(void);

/** Returns the algorithms of a set that this OpenSSL supports, with its providers
 *  and policy. */
bearer_algs_t bearer_alg_supported(bearer_algs_t wanted);

/** Returns the algorithms that a key of this type and curve (NULL: none) can verify. */
bearer_algs_t bearer_alg_for_key(bearer_kty_t kty, const char *curve);

/** Returns names such as "RS256 ES256", in table order, in p. */
const char *bearer_alg_names(bearer_algs_t set, apr_pool_t *p);
