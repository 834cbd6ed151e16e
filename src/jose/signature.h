/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file signature.h
 * The operations for the algorithm table: raw signatures in JWS form, over bytes. jwk
 * and jws use it; it does not interpret headers or kids.
 *
 * With OpenSSL 3, setting up a verification is expensive: fetching algorithms,
 * building contexts, and counting references that all threads share. A verifier
 * belongs to one key and one algorithm. It fetches once and keeps a few contexts
 * ready for reuse (shelf.h). A thread takes one, uses it alone, and puts it back,
 * without a lock or a wait.
 */
#pragma once

#include <apr_pools.h>
#include <openssl/evp.h>

#include "jose/alg.h"

typedef struct bearer_verifier_t bearer_verifier_t;

typedef enum {
    BEARER_VERIFY_OK,
    BEARER_VERIFY_BAD,     /**< not a signature of these bytes by this key */
    BEARER_VERIFY_BROKEN   /**< OpenSSL failed */
} bearer_verify_t;

/**
 * Creates a verifier for one algorithm with one key. The key must fit the algorithm.
 * pkey and oct must outlive the verifier. Cheap: contexts are created on first use.
 * @param pkey  public key; NULL for HS*, which uses oct and oct_len
 * @return NULL if OpenSSL does not know the digest, or memory is short
 */
bearer_verifier_t *bearer_verifier_create(const bearer_alg_t *alg,
                                          EVP_PKEY *pkey,
                                          const unsigned char *oct,
                                          apr_size_t oct_len);

/** Frees a verifier, or does nothing for NULL. No other thread may be in
 *  bearer_verifier_check(). */
void bearer_verifier_free(bearer_verifier_t *verifier);

/**
 * Verifies a signature of data, in the form of RFC 7518 section 3 (R || S for ECDSA).
 * Lengths must be exact; ECDSA r and s must be in 1..n-1; the PSS salt must be as
 * long as the hash. Thread-safe. Leaves OpenSSL's error queue unchanged.
 */
bearer_verify_t bearer_verifier_check(bearer_verifier_t *verifier,
                                      const void *data, apr_size_t len,
                                      const unsigned char *signature,
                                      apr_size_t signature_len);

/**
 * Signs data. The key must fit the algorithm.
 * @param signature  in p
 * @param pkey       private key; NULL for HS*, which uses oct and oct_len
 * @return APR_SUCCESS or APR_EGENERAL
 */
apr_status_t bearer_signature_make(unsigned char **signature,
                                   apr_size_t *signature_len,
                                   const bearer_alg_t *alg, EVP_PKEY *pkey,
                                   const unsigned char *oct,
                                   apr_size_t oct_len, const void *data,
                                   apr_size_t len, apr_pool_t *p);

/** Returns 1 if this OpenSSL can verify with alg, given its providers and policy. */
int bearer_signature_probe(const bearer_alg_t *alg);
