/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file jwk.h
 * Keys: JWK and JWK Set (RFC 7517, RFC 7518 section 6, RFC 8037), PEM, and their
 * limits. A parsed key set is immutable and has a reference count, so that requests
 * on many threads can use it while a newer set replaces it.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "base/reason.h"
#include "jose/alg.h"
#include "jose/signature.h"

/** Limits; see docs/reference/limits.md. */
#define BEARER_JWKS_MAX_BYTES (256 * 1024)
#define BEARER_JWKS_MAX_KEYS 100
#define BEARER_RSA_MIN_BITS 2048
#define BEARER_RSA_MAX_BITS 8192
#define BEARER_KID_MAX 256

typedef struct bearer_jwk_t {
    const char *kid;        /**< NULL: none */
    bearer_kty_t kty;
    const char *curve;      /**< JWK crv; NULL for RSA and oct */
    int bits;               /**< strength as an administrator names it */
    bearer_algs_t algs;     /**< algorithms it may verify, by kty, curve, use, key_ops
                                 and alg; 0: none */
    const char *issuer;     /**< the JWK's own "issuer" member (Entra), or NULL */
    EVP_PKEY *pkey;         /**< public key; NULL for oct */
    const unsigned char *oct;
    apr_size_t oct_len;
    const char *thumbprint; /**< RFC 7638, SHA-256, base64url */
    const char *unfit;      /**< why (some of) its type's algorithms are excluded, e.g.
                                 `its use is "enc"`; or NULL */
    bearer_verifier_t **verifiers; /**< one per bit of algs, in table order */
} bearer_jwk_t;

typedef struct bearer_jwks_t bearer_jwks_t;

/** The origin of a document, which decides how it is read. */
typedef enum {
    BEARER_JWKS_REMOTE,  /**< from a URL: oct keys are skipped */
    BEARER_JWKS_LOCAL,   /**< from a local file: oct keys are used */
    BEARER_JWKS_SPIFFE   /**< a SPIFFE bundle: only use "jwt-svid" */
} bearer_jwks_origin_t;

/** The result of reading a document. It has one line per skipped key, e.g. `key 3
 *  (kid "x"): RSA 1024 bits is below 2048` (the first key is 1), and per private
 *  key in a local file, of which only the public part is used. Keys whose `use`,
 *  `key_ops` or `alg` excludes signatures are not reported. */
typedef struct bearer_jwks_report_t {
    int keys;                    /**< usable keys */
    int skipped;
    apr_array_header_t *lines;   /**< const char * */
} bearer_jwks_report_t;

/**
 * Parses a JWK Set (RFC 7517 section 5). Keys that have an unknown type or missing
 * members, or are weak or malformed, are skipped and reported. A document is refused
 * as a whole if it is not an object with a `keys` array, is too large or has too many
 * keys.
 * @param set     counted reference; release with bearer_jwks_release()
 * @param report  may be NULL; lines live in p
 * @param error   on failure an error message, in p
 * @return APR_SUCCESS (also with no usable key), APR_EINVAL, APR_ENOSPC
 */
apr_status_t bearer_jwks_parse(bearer_jwks_t **set, const char *text,
                               apr_size_t len, bearer_jwks_origin_t origin,
                               bearer_jwks_report_t *report,
                               const char **error, apr_pool_t *p);

/**
 * Parses PEM with one or more "PUBLIC KEY", "RSA PUBLIC KEY" or "CERTIFICATE" blocks.
 * The keys have no kid; the same limits apply. A private key is refused.
 */
apr_status_t bearer_jwks_parse_pem(bearer_jwks_t **set, const char *text,
                                   apr_size_t len, const char **error,
                                   apr_pool_t *p);

/** Parses JSON if the first non-blank byte is `{`, else PEM. */
apr_status_t bearer_jwks_parse_any(bearer_jwks_t **set, const char *text,
                                   apr_size_t len, bearer_jwks_origin_t origin,
                                   bearer_jwks_report_t *report,
                                   const char **error, apr_pool_t *p);

/** Reads a file and parses it with bearer_jwks_parse_any(). */
apr_status_t bearer_jwks_load(bearer_jwks_t **set, const char *path,
                              bearer_jwks_origin_t origin,
                              bearer_jwks_report_t *report,
                              const char **error, apr_pool_t *p);

/** Changes the reference count. Thread-safe. */
bearer_jwks_t *bearer_jwks_retain(bearer_jwks_t *set);
void bearer_jwks_release(bearer_jwks_t *set);

/** Maximum number of sets in a pool. */
#define BEARER_JWKS_MAX_PARTS 8

/**
 * Makes one set out of several, for an issuer with several sources of keys. Its keys
 * are those of the parts, in the order of the parts; its digest depends on theirs.
 * @param set    counted reference; holds a reference to each part
 * @param parts  sets that are not pools themselves
 * @param n      1 to BEARER_JWKS_MAX_PARTS
 */
apr_status_t bearer_jwks_pool(bearer_jwks_t **set, bearer_jwks_t *const *parts, int n);

/** The usable keys, i.e. those with algs, in the document's order. */
int bearer_jwks_count(const bearer_jwks_t *set);
const bearer_jwk_t *bearer_jwks_at(const bearer_jwks_t *set, int i);

/** Returns the SHA-256 over the thumbprints, kids and algs of the usable keys, in
 *  order. It changes if and only if the usable keys change. 32 bytes. */
const unsigned char *bearer_jwks_digest(const bearer_jwks_t *set);

/** Returns a number from that digest; for a pool, the sum over its parts. 0: no set. */
apr_uint64_t bearer_jwks_stamp(const bearer_jwks_t *set);

/** The parts of a pool; of another set, the set itself. */
int bearer_jwks_part_count(const bearer_jwks_t *set);
const bearer_jwks_t *bearer_jwks_part(const bearer_jwks_t *set, int i);

/** Returns 1 if part is set, or one of its parts. */
int bearer_jwks_contains(const bearer_jwks_t *set, const bearer_jwks_t *part);

/** Returns 1 if the set has a key with that kid, usable or not. */
int bearer_jwks_names(const bearer_jwks_t *set, const char *kid);

/** Returns 1 if no key of a pool has that kid, but keys with other kids are there. A key
 *  without a kid (PEM) may be selected then, but if it does not match, the kid is unknown. */
int bearer_jwks_guesses(const bearer_jwks_t *set, const char *kid);

/**
 * Check 6: selects the key for a token. In a pool, each part selects for itself; parts
 * with a key of that kid come first, in their order. bearer_jwks_second() returns the
 * other key to try.
 * @param kid     the token's kid; NULL if it has none: then exactly one key of the
 *                set must be eligible. It is ignored if no usable key of the set has a
 *                kid (PEM) and it is not the kid of a skipped key
 * @param iss     the token's issuer. A key with its own `issuer` member must match it
 *                ("{tenantid}" in it stands for tenant, or for one path segment if
 *                tenant is NULL). NULL: not checked
 * @return BEARER_OK; BEARER_KID (no kid, and several eligible keys); BEARER_KEY (no
 *         key has the kid, or it is not eligible for alg: the detail says whether
 *         kty, use, key_ops, alg or curve is the cause)
 * @param unknown_kid  set to 1 if a refresh may help: no key of the document has that
 *                     kid, including skipped keys, or the token has no kid and no key
 *                     is eligible
 */
bearer_reason_t bearer_jwks_select(const bearer_jwk_t **key, int *unknown_kid,
                                   const bearer_jwks_t *set,
                                   const bearer_alg_t *alg, const char *kid,
                                   const char *iss, const char *tenant,
                                   bearer_refusal_t *why, apr_pool_t *p);

/** Returns the key of a pool to try if the signature does not match the selected one:
 *  that of a later part. NULL: there is none. Same parameters as above. */
const bearer_jwk_t *bearer_jwks_second(const bearer_jwks_t *set, const bearer_alg_t *alg,
                                       const char *kid, const char *iss,
                                       const char *tenant);

/** Returns the verifier of a key for an algorithm; NULL if it is not in key->algs. */
bearer_verifier_t *bearer_jwk_verifier(const bearer_jwk_t *key,
                                       const bearer_alg_t *alg);

/** Returns the algorithms that the type and curve of a JWK object allow. */
bearer_algs_t bearer_jwk_algs(const json_t *jwk);

/** Returns the RFC 7638 thumbprint of a JWK object, in p; NULL if members are missing. */
const char *bearer_jwk_thumbprint(const json_t *jwk, apr_pool_t *p);

/** Returns the name of a member that only a private key has, or NULL. */
const char *bearer_jwk_private_member(const json_t *jwk);

/**
 * Reads a public key that a client sent, to verify one algorithm. Keys with a private
 * member, oct keys, and keys whose type, curve, use, key_ops or alg excludes the
 * algorithm are refused.
 * @param pkey      the caller frees it after the verifier
 * @param verifier  the caller frees it
 * @return NULL, or why the key is refused ("it ..."), in p
 */
const char *bearer_jwk_public(EVP_PKEY **pkey, bearer_verifier_t **verifier,
                              const json_t *jwk, const bearer_alg_t *alg,
                              apr_pool_t *p);

/** Creates a JWK object for an EVP_PKEY, with the private part if with_private is
 *  set; kid is the thumbprint. Released with p. */
apr_status_t bearer_jwk_from_pkey(json_t **jwk, EVP_PKEY *pkey,
                                  int with_private, apr_pool_t *p);

/** Converts a private JWK object to an EVP_PKEY, released with p (for signing
 *  tools and private_key_jwt). */
apr_status_t bearer_jwk_private(EVP_PKEY **pkey, const json_t *jwk,
                                const char **error, apr_pool_t *p);
