/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file jws.h
 * JWS compact serialization (RFC 7515): strict parsing, header rules, signature. It
 * does not interpret claims.
 */
#pragma once

#include <apr_pools.h>
#include <jansson.h>

#include "base/reason.h"
#include "jose/headers.h"
#include "jose/jwk.h"

/** Maximum length of a token, in bytes. */
#define BEARER_TOKEN_MAX (100 * 1024)

typedef struct bearer_jws_t {
    const char *token;           /**< the caller's bytes; not copied */
    apr_size_t token_len;
    apr_size_t signing_input_len;/**< token[0 .. signing_input_len) is signed */
    const char *segment[3];
    apr_size_t segment_len[3];
    /* filled by bearer_jws_parse */
    json_t *header;              /**< released with the pool; NULL if the header cache
                                      had it (headers.h) */
    const char *payload;         /**< NUL-terminated bytes */
    apr_size_t payload_len;
    const unsigned char *signature;
    apr_size_t signature_len;
    /** Filled by bearer_jws_check_header and bearer_jws_check_kid. If header is
     *  NULL, filled by bearer_jws_parse_known. */
    bearer_header_facts_t facts;
} bearer_jws_t;

/**
 * Returns 1 if this looks like a JWT, so that the jwt provider handles it: it has at
 * least two dots, and the first segment decodes to a JSON object. It reads at most
 * the first segment, of at most BEARER_TOKEN_MAX bytes. bearer_jws_parse() accepts
 * only such tokens, so a fast path parses first and calls this only on failure.
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

/** Like bearer_jws_parse(), but does not parse a header that is cached in headers
 *  (may be NULL): header is then NULL, and facts is filled. */
bearer_reason_t bearer_jws_parse_known(bearer_jws_t *jws,
                                       bearer_headers_t *headers,
                                       const char *token, apr_size_t len,
                                       bearer_refusal_t *why, apr_pool_t *p);

/** Like bearer_jws_parse(), but does not parse a header whose text is this one: header is
 *  then NULL. For callers that know its content. */
bearer_reason_t bearer_jws_parse_same(bearer_jws_t *jws, const char *header,
                                      apr_size_t header_len, const char *token,
                                      apr_size_t len, bearer_refusal_t *why,
                                      apr_pool_t *p);

/** Caches the header for bearer_jws_parse_known(). Call it only after the
 *  signature was verified. */
void bearer_jws_remember_header(const bearer_jws_t *jws,
                                bearer_headers_t *headers);

/** Check 3: alg is in the allow-list (BEARER_ALG), no crit (BEARER_CRIT: none is
 *  supported), no b64 (BEARER_B64, RFC 7797 section 7), typ is a string
 *  (BEARER_HEADER). jku, x5u, jwk and x5c are ignored. */
bearer_reason_t bearer_jws_check_header(bearer_jws_t *jws,
                                        bearer_algs_t allowed,
                                        bearer_refusal_t *why, apr_pool_t *p);

/** Returns 1 if a typ is the wanted one. Case and a leading `application/` make no
 *  difference (RFC 7515 section 4.1.9). */
int bearer_jws_is_typ(const char *typ, const char *wanted);

/** Reads the kid of any JWS: absent, or a string of at most 256 bytes (BEARER_KID). */
bearer_reason_t bearer_jws_read_kid(bearer_jws_t *jws, bearer_refusal_t *why,
                                    apr_pool_t *p);

/** Check 4, a JWT's kid: absent, or 1-256 bytes of [A-Za-z0-9._~+/=:-]. */
bearer_reason_t bearer_jws_check_kid(bearer_jws_t *jws, bearer_refusal_t *why,
                                     apr_pool_t *p);

/**
 * Check 7: verifies the signature. jws->facts.alg must be in key->algs (BEARER_KEY
 * otherwise). Signature lengths must be exact; ECDSA r and s must be in 1..n-1.
 * Thread-safe; several threads may use one key.
 * @return BEARER_OK, BEARER_SIGNATURE, or BEARER_INTERNAL (OpenSSL failed)
 */
bearer_reason_t bearer_jws_verify(const bearer_jws_t *jws,
                                  const bearer_jwk_t *key,
                                  bearer_refusal_t *why, apr_pool_t *p);

/**
 * Signs payload, for htbearer, client assertions and tests.
 * @param pkey    private key; NULL for HS*, which uses oct and oct_len
 * @param header  JSON object; this function sets `alg`
 */
apr_status_t bearer_jws_sign(char **token, json_t *header, const void *payload,
                             apr_size_t len, const bearer_alg_t *alg,
                             EVP_PKEY *pkey, const unsigned char *oct,
                             apr_size_t oct_len, const char **error,
                             apr_pool_t *p);
