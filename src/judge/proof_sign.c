/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Signs DPoP proofs. See proof.h.
 */
#include "judge/proof.h"

#include <string.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "base/world.h"
#include "jose/jwk.h"
#include "jose/jws.h"

/** Random bytes of a `jti`; RFC 9449 section 4.2 asks for 96 bits. */
#define JTI_BYTES 16

static int put(json_t *object, const char *name, const char *value)
{
    return !value || json_object_set_new(object, name, json_string(value)) == 0;
}

/* Returns NULL if there are no random bytes. */
static const char *new_jti(apr_pool_t *p)
{
    unsigned char random[JTI_BYTES];

    return bearer_world_random(NULL, random, sizeof(random)) == APR_SUCCESS
        ? bearer_b64url_encode(p, random, sizeof(random)) : NULL;
}

/* Returns NULL if OpenSSL failed. */
static const char *ath_of(const bearer_proof_claims_t *c, apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    return bearer_text_sha256(c->token, c->token_len, digest) == APR_SUCCESS
        ? bearer_b64url_encode(p, digest, sizeof(digest)) : NULL;
}

/* Returns the claims as text; NULL and an error message on failure. */
static const char *claims_text(const bearer_proof_claims_t *c, const char **error,
                               apr_pool_t *p)
{
    json_t *claims = bearer_json_tie(json_object(), p);
    const char *jti = c->jti ? c->jti : new_jti(p);
    const char *ath = c->token ? ath_of(c, p) : NULL;

    if (!bearer_proof_url(c->url, p)) {
        *error = apr_psprintf(p, "%s is not the URL of an HTTP request",
                              bearer_text_quote(p, c->url));
        return NULL;
    }
    *error = "the proof's claims cannot be made: a value is not UTF-8, or OpenSSL failed";
    return jti && (ath || !c->token)
                   && put(claims, "jti", jti) && put(claims, "htm", c->method)
                   && put(claims, "htu", apr_pstrmemdup(p, c->url, strcspn(c->url, "?#")))
                   && json_object_set_new(claims, "iat", json_integer(apr_time_sec(c->now))) == 0
                   && put(claims, "ath", ath) && put(claims, "nonce", c->nonce)
               ? bearer_json_text(claims, p) : NULL;
}

/* Returns the header with the public key; NULL and an error message on failure. */
static json_t *header_of(const bearer_alg_t **alg, EVP_PKEY *pkey, const char **error,
                         apr_pool_t *p)
{
    json_t *header = bearer_json_tie(json_object(), p), *jwk;
    bearer_algs_t algs;

    *error = "the key is not one that signs proofs";
    if (!pkey || bearer_jwk_from_pkey(&jwk, pkey, 0, p) != APR_SUCCESS) {
        return NULL;
    }
    algs = bearer_jwk_algs(jwk);
    *alg = *alg ? *alg : bearer_alg_next(&algs);
    json_object_del(jwk, "kid");
    return *alg && put(header, "typ", "dpop+jwt") && json_object_set(header, "jwk", jwk) == 0
        ? header : NULL;
}

apr_status_t bearer_proof_sign(char **proof, const bearer_proof_claims_t *claims,
                               EVP_PKEY *pkey, const bearer_alg_t *alg,
                               const char **error, apr_pool_t *p)
{
    const char *text = claims_text(claims, error, p);
    json_t *header = text ? header_of(&alg, pkey, error, p) : NULL;

    *proof = NULL;
    return header ? bearer_jws_sign(proof, header, text, strlen(text), alg, pkey, NULL, 0,
                                    error, p) : APR_EINVAL;
}
