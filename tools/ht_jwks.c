/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer jwks: converts public keys and certificates from PEM to one JWK Set.
 */
#include "ht.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"

static int has_key(const json_t *keys, const char *kid)
{
    json_t *jwk;
    size_t i;

    json_array_foreach(keys, i, jwk) {
        const char *other = bearer_json_string(jwk, "kid");

        if (other && !strcmp(other, kid)) {
            return 1;
        }
    }
    return 0;
}

static int add_key(const ht_call_t *call, json_t *keys, const bearer_jwk_t *key)
{
    json_t *jwk;

    if (bearer_jwk_from_pkey(&jwk, key->pkey, 0, call->p) != APR_SUCCESS) {
        return ht_fail(call, HT_USAGE, "a key cannot be written as JWK");
    }
    json_object_set_new(jwk, "use", json_string("sig"));
    if (!has_key(keys, bearer_json_string(jwk, "kid"))) {
        json_array_append(keys, jwk);
    }
    return HT_OK;
}

static int add_file(const ht_call_t *call, json_t *keys, const char *path)
{
    const char *data, *error = NULL;
    bearer_jwks_t *set;
    apr_size_t len;
    int status = HT_OK, i;

    if (ht_read_file(call, path, (apr_size_t)BEARER_JWKS_MAX_BYTES, &data, &len)
        != HT_OK) {
        return HT_USAGE;
    }
    if (bearer_jwks_parse_pem(&set, data, len, &error, call->p) != APR_SUCCESS) {
        return ht_fail(call, HT_USAGE, "%s: %s",
                       bearer_text_quote(call->p, path),
                       error ? error : "not PEM");
    }
    for (i = 0; i < bearer_jwks_count(set) && status == HT_OK; i++) {
        status = add_key(call, keys, bearer_jwks_at(set, i));
    }
    bearer_jwks_release(set);
    return status;
}

static int run(const ht_call_t *call)
{
    json_t *keys = json_array();
    json_t *set = json_pack("{s:o}", "keys", keys);
    int i, status = HT_OK;

    bearer_json_tie(set, call->p);
    if (!call->operands->nelts) {
        APR_ARRAY_PUSH(call->operands, const char *) = "-";
    }
    for (i = 0; i < call->operands->nelts && status == HT_OK; i++) {
        status = add_file(call, keys,
                          APR_ARRAY_IDX(call->operands, i, const char *));
    }
    return status == HT_OK ? ht_write_json(call, set) : status;
}

const ht_command_t ht_jwks = {
    "jwks", "[FILE]...", 0,
    "Write PEM public keys and certificates as a JWK Set.",
    "FILE - or none: standard input. A key's kid is its RFC 7638 "
    "thumbprint. Private keys, and RSA keys below 2048 bits, are refused.",
    NULL, run
};
