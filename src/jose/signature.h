/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file signature.h
 * The operations behind the algorithm table: raw signatures as JWS carries
 * them, over bytes. Below jwk and jws; it knows neither headers nor kids.
 *
 * What makes a verification with OpenSSL 3 dear besides its arithmetic is
 * setting it up: fetching algorithms, building contexts, counting references
 * that all threads share. A verifier belongs to one key and one algorithm,
 * fetches once, and keeps a few contexts ready on a shelf (shelf.h); a thread takes
 * one out, uses it alone, and puts it back. Nothing is locked, nothing waits.
 */
#pragma once

#include <apr_pools.h>
#include <openssl/evp.h>

#include "jose/alg.h"

typedef struct bearer_verifier_t bearer_verifier_t;

typedef enum {
    BEARER_VERIFY_OK,
    BEARER_VERIFY_BAD,     /**< not a signature of these bytes by this key */
    BEARER_VERIFY_BROKEN   /**< OpenSSL could not carry it out */
} bearer_verify_t;

/**
 * A verifier for one algorithm with one key. The key must fit the algorithm;
 * it and oct must outlive the verifier. Cheap: contexts are made on first use.
 * @param pkey  public key; NULL for HS*, then oct/oct_len
 * @return NULL when OpenSSL does not know the digest (or memory is short)
 */
bearer_verifier_t *bearer_verifier_create(const bearer_alg_t *alg,
                                          EVP_PKEY *pkey,
                                          const unsigned char *oct,
                                          apr_size_t oct_len);

/** Frees it; no other thread may be in bearer_verifier_check(). NULL is fine. */
void bearer_verifier_free(bearer_verifier_t *verifier);

/**
 * Is signature (RFC 7518 section 3 form: R || S for ECDSA) one of data?
 * Lengths are exact; ECDSA r and s in 1..n-1; the PSS salt is as long as the
 * hash. Thread-safe. Leaves OpenSSL's error queue as it found it.
 */
bearer_verify_t bearer_verifier_check(bearer_verifier_t *verifier,
                                      const void *data, apr_size_t len,
                                      const unsigned char *signature,
                                      apr_size_t signature_len);

/**
 * Signs data. The key must fit the algorithm.
 * @param signature  in p
 * @param pkey       private key; NULL for HS*, then oct/oct_len
 * @return APR_SUCCESS or APR_EGENERAL
 */
apr_status_t bearer_signature_make(unsigned char **signature,
                                   apr_size_t *signature_len,
                                   const bearer_alg_t *alg, EVP_PKEY *pkey,
                                   const unsigned char *oct,
                                   apr_size_t oct_len, const void *data,
                                   apr_size_t len, apr_pool_t *p);

/** 1 if this OpenSSL, with its providers and policy, verifies with alg. */
int bearer_signature_probe(const bearer_alg_t *alg);
