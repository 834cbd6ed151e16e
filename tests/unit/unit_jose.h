/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_jose.h
 * Keys, key sets and tokens for the unit tests.
 */
#pragma once

#include "unit.h"

#include "base/b64url.h"
#include "jose/alg.h"
#include "jose/jwk.h"
#include "jose/jws.h"

/** Key (private parts included) of a row of tests/vectors/jose.json, by name:
 *  "RFC 7520 4.1" is RSA 2048, "RFC 7515 A.3" P-256, "RFC 7520 4.3" P-521,
 *  "RFC 8037 A.4 and A.5" Ed25519, "RFC 7515 A.1" oct. A copy, to be changed
 *  at will. */
static inline json_t *unit_rfc_key(apr_pool_t *p, const char *name)
{
    json_t *rows = json_object_get(unit_vector_json(p, "jose.json"), "jws");
    json_t *row, *key = NULL;
    size_t i;

    json_array_foreach(rows, i, row) {
        if (strcmp(bearer_json_string(row, "name"), name) == 0) {
            key = json_deep_copy(json_object_get(row, "key"));
        }
    }
    UNIT_CHECK(key != NULL, "no key %s", name);
    bearer_json_tie(key, p);
    return key;
}

/** A fresh private key: type "EC" with a curve, "ED25519", "ED448". */
static inline json_t *unit_new_key(apr_pool_t *p, const char *type,
                                   const char *curve)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, type, curve);
    json_t *jwk = NULL;

    UNIT_CHECK(pkey != NULL
                   && bearer_jwk_from_pkey(&jwk, pkey, 1, p) == APR_SUCCESS,
               "cannot make a key of type %s", type);
    EVP_PKEY_free(pkey);
    return jwk;
}

/** A private key that fits the algorithm. */
static inline json_t *unit_key_for(apr_pool_t *p, const char *name)
{
    const bearer_alg_t *alg = bearer_alg_find(name);

    switch (alg->kty) {
    case BEARER_KTY_RSA:
        return unit_rfc_key(p, "RFC 7520 4.1");
    case BEARER_KTY_OCT:
        return unit_rfc_key(p, "RFC 7515 A.1");
    case BEARER_KTY_EC:
        return unit_new_key(p, "EC", alg->curve);
    default:
        return unit_new_key(p, alg->curve ? alg->curve : "Ed25519", NULL);
    }
}

/** A copy without the private members. */
static inline json_t *unit_public(apr_pool_t *p, const json_t *jwk)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi" };
    json_t *copy = json_deep_copy(jwk);
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        json_object_del(copy, names[i]);
    }
    bearer_json_tie(copy, p);
    return copy;
}

/** A copy with one member set; value is stolen, NULL deletes the member. */
static inline json_t *unit_with(apr_pool_t *p, const json_t *object,
                                const char *name, json_t *value)
{
    json_t *copy = json_deep_copy(object);

    if (value) {
        json_object_set_new(copy, name, value);
    } else {
        json_object_del(copy, name);
    }
    bearer_json_tie(copy, p);
    return copy;
}

static inline apr_status_t unit_release_set(void *set)
{
    bearer_jwks_release((bearer_jwks_t *)set);
    return APR_SUCCESS;
}

/** Text of {"keys": [jwk]}, or with jwk NULL of {"keys": []}. */
static inline const char *unit_jwks_text(apr_pool_t *p, const json_t *jwk)
{
    char *dump = jwk ? json_dumps(jwk, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *text = apr_pstrcat(p, "{\"keys\":[", dump ? dump : "", "]}",
                                   NULL);

    free(dump);
    return text;
}

/** The set of a text, released with p; the test fails if it is refused. */
static inline bearer_jwks_t *unit_set_text(apr_pool_t *p, const char *text,
                                           bearer_jwks_origin_t origin,
                                           bearer_jwks_report_t *report)
{
    bearer_jwks_t *set;
    const char *error;

    if (bearer_jwks_parse(&set, text, strlen(text), origin, report, &error, p)
        != APR_SUCCESS) {
        UNIT_FAIL("key set refused: %s", error);
    }
    apr_pool_cleanup_register(p, set, unit_release_set, apr_pool_cleanup_null);
    return set;
}

/** A set of one key, as from a local file. */
static inline bearer_jwks_t *unit_set(apr_pool_t *p, const json_t *jwk)
{
    return unit_set_text(p, unit_jwks_text(p, jwk), BEARER_JWKS_LOCAL, NULL);
}

/** Signs a payload: alg by name, jwk private or oct, header text `{...}` or
 *  NULL for none but alg. */
static inline const char *unit_sign(apr_pool_t *p, const char *alg,
                                    const json_t *jwk, const char *header,
                                    const char *payload)
{
    json_t *object = json_loads(header ? header : "{}", 0, NULL);
    const bearer_alg_t *row = bearer_alg_find(alg);
    const char *k = bearer_json_string(jwk, "k");
    unsigned char *oct = NULL;
    apr_size_t oct_len = 0;
    EVP_PKEY *pkey = NULL;
    const char *error = "its header is no JSON";
    char *token = NULL;

    bearer_json_tie(object, p);
    if (k) {
        bearer_b64url_decode_p(&oct, &oct_len, k, strlen(k), p);
    } else if (bearer_jwk_private(&pkey, jwk, &error, p) != APR_SUCCESS) {
        UNIT_FAIL("no private key: %s", error);
    }
    if (!object
        || bearer_jws_sign(&token, object, payload, strlen(payload), row, pkey,
                           oct, oct_len, &error, p) != APR_SUCCESS) {
        UNIT_FAIL("cannot sign: %s", error);
    }
    return token;
}

/** A token of a header text and payload as they are, with any signature. */
static inline const char *unit_raw_token(apr_pool_t *p, const char *header,
                                         const char *payload,
                                         const void *signature, apr_size_t len)
{
    return apr_pstrcat(p, bearer_b64url_encode(p, header, strlen(header)), ".",
                       bearer_b64url_encode(p, payload, strlen(payload)), ".",
                       bearer_b64url_encode(p, signature, len), NULL);
}
