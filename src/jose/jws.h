/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file jws.h
 * JWS compact serialization (RFC 7515): strict parsing, header rules,
 * signature. It knows nothing of claims.
 */
#pragma once

#include <apr_pools.h>
#include <jansson.h>

#include "base/reason.h"
#include "jose/headers.h"
#include "jose/jwk.h"

/** A token is at most so long (product.md 3.1 check 2). */
#define BEARER_TOKEN_MAX (100 * 1024)

typedef struct bearer_jws_t {
    const char *token;           /**< the caller's bytes; not copied */
    apr_size_t token_len;
    apr_size_t signing_input_len;/**< token[0 .. this) is what was signed */
    const char *segment[3];
    apr_size_t segment_len[3];
    /* filled by bearer_jws_parse */
    json_t *header;              /**< released with the pool; NULL: it was
                                      accepted before (headers.h) */
    const char *payload;         /**< NUL-terminated bytes */
    apr_size_t payload_len;
    const unsigned char *signature;
    apr_size_t signature_len;
    /** filled by bearer_jws_check_header and bearer_jws_check_kid, or with header
     *  NULL by bearer_jws_parse_known */
    bearer_header_facts_t facts;
} bearer_jws_t;

/**
 * Does this look like a JWT, so that the jwt provider is responsible? At least
 * two dots, and the first segment decodes to a JSON object. Touches at most
 * the first segment, of at most BEARER_TOKEN_MAX. What bearer_jws_parse()
 * accepts is one, so a fast path parses first and asks here only on failure.
 */
int bearer_jws_looks_like(const char *token, apr_size_t len, apr_pool_t *p);

/**
 * Check 2 for the envelope: size, exactly three segments, strict base64url,
 * header a strict JSON object. The payload is decoded, not parsed.
 * @return BEARER_OK, BEARER_SIZE, BEARER_SEGMENTS, BEARER_BASE64URL, BEARER_JSON
 */
bearer_reason_t bearer_jws_parse(bearer_jws_t *jws, const char *token,
                                 apr_size_t len, bearer_refusal_t *why,
                                 apr_pool_t *p);

/** The same, but that a header which is among headers (NULL: none are) is not
 *  parsed: header is NULL then, and the facts are known. */
bearer_reason_t bearer_jws_parse_known(bearer_jws_t *jws,
                                       bearer_headers_t *headers,
                                       const char *token, apr_size_t len,
                                       bearer_refusal_t *why, apr_pool_t *p);

/** After a signature was right: keeps the header for bearer_jws_parse_known(). */
void bearer_jws_remember_header(const bearer_jws_t *jws,
                                bearer_headers_t *headers);

/** Check 3: alg in the allow-list (BEARER_ALG), no crit (BEARER_CRIT: none is
 *  understood), no b64 (BEARER_B64, RFC 7797 section 7), typ a string
 *  (BEARER_HEADER). jku, x5u, jwk and x5c are never looked at. */
bearer_reason_t bearer_jws_check_header(bearer_jws_t *jws,
                                        bearer_algs_t allowed,
                                        bearer_refusal_t *why, apr_pool_t *p);

/** Any JWS's kid: absent, or a string of at most 256 bytes (BEARER_KID). */
bearer_reason_t bearer_jws_read_kid(bearer_jws_t *jws, bearer_refusal_t *why,
                                    apr_pool_t *p);

/** Check 4, a JWT's kid: absent, or 1-256 bytes of [A-Za-z0-9._~+/=:-]. */
bearer_reason_t bearer_jws_check_kid(bearer_jws_t *jws, bearer_refusal_t *why,
                                     apr_pool_t *p);

/**
 * Check 7. jws->facts.alg must be among key->algs (BEARER_KEY otherwise).
 * Signature lengths are exact; ECDSA r and s in 1..n-1.
 * @return BEARER_OK, BEARER_SIGNATURE, or BEARER_INTERNAL (OpenSSL failed)
 * Thread-safe; several threads may use one key.
 */
bearer_reason_t bearer_jws_verify(const bearer_jws_t *jws,
                                  const bearer_jwk_t *key,
                                  bearer_refusal_t *why, apr_pool_t *p);

/**
 * Signs payload: for htbearer, client assertions and tests.
 * @param pkey  private key; NULL for HS*, then oct/oct_len
 * @param header  json object; `alg` is set by this function
 */
apr_status_t bearer_jws_sign(char **token, json_t *header, const void *payload,
                             apr_size_t len, const bearer_alg_t *alg,
                             EVP_PKEY *pkey, const unsigned char *oct,
                             apr_size_t oct_len, const char **error,
                             apr_pool_t *p);
