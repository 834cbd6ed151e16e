/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file alg.h
 * The table of signature algorithms (RFC 7518 section 3.1, RFC 8037, RFC 8812,
 * RFC 9864). A new algorithm is a new row in alg.c.
 */
#pragma once

#include <apr_pools.h>

/** X(symbol, name): types of keys. Each table by type is written by this list. */
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
    const char *curve;       /**< JWK crv it needs; NULL: any of its kty's
                                  (RSA, oct), or for EdDSA Ed25519 and Ed448 */
    const char *digest;      /**< OpenSSL name; NULL: the algorithm has its own */
    bearer_padding_t padding;
    apr_size_t signature_len;/**< exact octets; 0: as long as the modulus */
    apr_size_t min_key;      /**< oct: octets at least (RFC 7518 section 3.2) */
    int in_default;          /**< part of the default allow-list */
} bearer_alg_t;

/** JWK `kty`; "" for BEARER_KTY_NONE. */
const char *bearer_kty_name(bearer_kty_t kty);

/** The type of that name, compared case-sensitively; BEARER_KTY_NONE: there is none
 *  (name NULL too). */
bearer_kty_t bearer_kty_find(const char *name);

/** Row by JWA name, or NULL. "none" is not a row. Thread-safe. */
const bearer_alg_t *bearer_alg_find(const char *name);

/** The first row of a set, in table order, which is taken out of the set; NULL: none is
 *  left. */
#define BEARER_ALGS_ALL (~(bearer_algs_t)0)
const bearer_alg_t *bearer_alg_next(bearer_algs_t *set);

/** The default allow-list: asymmetric, without ES256K. */
bearer_algs_t bearer_alg_defaults(void);

/** All HS* rows. */
bearer_algs_t bearer_alg_symmetric(void);

/** Those of a set that this OpenSSL (its providers, its policy) carries out. */
bearer_algs_t bearer_alg_supported(bearer_algs_t wanted);

/** Algorithms that a key of this type and curve (NULL: none) can verify. */
bearer_algs_t bearer_alg_for_key(bearer_kty_t kty, const char *curve);

/** "RS256 ES256", in table order, in p. */
const char *bearer_alg_names(bearer_algs_t set, apr_pool_t *p);
