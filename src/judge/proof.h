/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file proof.h
 * DPoP proofs (RFC 9449 section 4): a JWT by which a client proves, for one request, that
 * it has the private key to which its token is bound (`cnf.jkt`, bearer_principal_jkt()).
 *
 * A proof is a value on the caller's stack; several threads may judge at the same time.
 * The caller then enters its `id` into the memory of used proofs: only that makes a proof
 * valid once.
 *
 * Making a key costs as much as a verification. The caller keeps the key of a verified
 * proof with its token (bearer_tokencache_attach()) and passes it with the next proof.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>
#include <openssl/evp.h>

#include "base/reason.h"
#include "base/sha256.h"
#include "jose/alg.h"

/** Limits, in bytes. */
#define BEARER_PROOF_MAX 8192
#define BEARER_PROOF_JTI_MAX 256
#define BEARER_PROOF_NONCE_MAX 512

/** Size of bearer_proof_t.id. */
#define BEARER_PROOF_ID_SIZE BEARER_SHA256_SIZE

/** The key of verified proofs, with the header in which they name it. Immutable, in its
 *  own memory; any number of threads may use it. */
typedef struct bearer_proof_key_t bearer_proof_key_t;

/** Frees a key (bearer_proof_key_t), or does nothing for NULL. No thread may use it any
 *  more. Its type is that of bearer_tokencache_attach(). */
void bearer_proof_key_free(void *key);

/** One check of a proof, for bearer_proof_t.observe. */
typedef struct bearer_proof_check_t {
    const char *name;        /**< e.g. "proof URL" */
    const char *directive;   /**< an administrator can change; NULL: none */
} bearer_proof_check_t;

typedef struct bearer_proof_t {
    /* set by the caller; must outlive the call */
    const char *field;       /**< the DPoP field, several lines joined by ", "; NULL: none */
    const char *method;      /**< of the request */
    const char *url;         /**< of the request, as this server knows it; query and fragment
                                  are ignored */
    const char *token;       /**< whose SHA-256 `ath` must be; NULL: `ath` is not looked at */
    apr_size_t token_len;
    const char *jkt;         /**< thumbprint of the key that the token is bound to; NULL: any */
    apr_time_t now;
    apr_interval_time_t window;  /**< how old `iat` may be */
    apr_interval_time_t skew;    /**< how far it may be in the future */
    /** Judges the proof's nonce, of at most BEARER_PROOF_NONCE_MAX bytes. Returns BEARER_OK
     *  or BEARER_PROOF_NONCE. A proof without one is refused. NULL: nonces are not looked at. */
    bearer_reason_t (*nonce)(void *baton, const char *nonce);
    void *baton;
    const bearer_proof_key_t *known;  /**< from an earlier proof for this token. It is used if
                                           the header is the same, byte for byte; NULL: none */
    bearer_sha256_t *sha256;          /**< of the process; NULL: slower */
    /** Receives each check that is reached, with its result; NULL: none. After a refusal
     *  the other checks follow that do not depend on it. */
    void (*observe)(void *baton, const bearer_proof_check_t *check,
                    const bearer_refusal_t *why);
    void *observe_baton;

    /* filled; all but why only for BEARER_OK */
    const char *thumbprint;   /**< of the proof's key (RFC 7638), in p */
    /** A key that was made; the caller must free it (bearer_proof_key_free()) or keep it.
     *  NULL: known was used. Always NULL for a refusal. */
    bearer_proof_key_t *made;
    unsigned char id[BEARER_PROOF_ID_SIZE];  /**< SHA-256 of thumbprint and jti */
    apr_time_t expires;       /**< until then the id must be remembered: at no time will this
                                   proof be recent again, on any host within the skew */
    bearer_refusal_t why;     /**< detail in p */
} bearer_proof_t;

/**
 * Judges a proof (RFC 9449 section 4.3, without check 12, which is the caller's): cheap
 * checks first, the signature last. A refusal because of `iat` or the nonce means that the
 * checks before these have passed; the signature was not verified.
 * @return BEARER_OK, or why.reason: BEARER_PROOF (none, several, malformed, key or
 *         signature), BEARER_PROOF_REQUEST (method, URL, token), BEARER_BINDING (key),
 *         BEARER_PROOF_TIME, BEARER_PROOF_NONCE, BEARER_INTERNAL (OpenSSL failed)
 */
bearer_reason_t bearer_proof_judge(bearer_proof_t *proof, apr_pool_t *p);

/** The checks in their order; NULL after the last. */
const bearer_proof_check_t *bearer_proof_check(int i);

/** Returns the algorithms of proofs, e.g. "ES256 PS256", in p: all asymmetric ones that
 *  this OpenSSL supports. Slow: call it once per process. */
const char *bearer_proof_algs(apr_pool_t *p);

/**
 * Returns a URL in the form in which the URLs of proofs and requests are compared, in p:
 * normalized by RFC 3986 sections 6.2.2 and 6.2.3 (case of scheme and host, percent
 * encoding, dot segments, default port, empty path), without query and fragment; wss and
 * ws become https and http. Characters that a path must not have, but clients send, are
 * encoded. NULL: it is not the URL of an HTTP request.
 */
const char *bearer_proof_url(const char *url, apr_pool_t *p);

/** What bearer_proof_sign() writes into a proof. */
typedef struct bearer_proof_claims_t {
    const char *method;
    const char *url;         /**< its query and fragment are left out */
    const char *token;       /**< for `ath`; NULL: none */
    apr_size_t token_len;
    const char *nonce;       /**< NULL: none */
    const char *jti;         /**< NULL: random */
    apr_time_t now;
} bearer_proof_claims_t;

/**
 * Signs a proof, for htbearer and tests.
 * @param pkey   private key
 * @param alg    NULL: the first that fits the key
 * @param error  on failure an error message, in p
 */
apr_status_t bearer_proof_sign(char **proof, const bearer_proof_claims_t *claims,
                               EVP_PKEY *pkey, const bearer_alg_t *alg,
                               const char **error, apr_pool_t *p);
