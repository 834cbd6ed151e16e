/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer sign: creates a development token, or signs any payload.
 */
#include "ht.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_time.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"
#include "jose/jws.h"

/* ---- the claims ---------------------------------------------------------- */

static int add_string(const ht_call_t *call, json_t *claims, const char *name,
                      const char *text)
{
    if (text && json_object_set_new(claims, name, json_string(text))) {
        return ht_usage(call, "%s is not UTF-8", name);
    }
    return HT_OK;
}

/* Adds NAME=VALUE. A VALUE that is JSON is parsed; any other is a string. */
static int add_claim(const ht_call_t *call, json_t *claims, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *name;
    json_t *value;

    if (!equals || equals == text) {
        return ht_usage(call, "--claim %s is not NAME=VALUE",
                        bearer_text_quote(call->p, text));
    }
    name = apr_pstrmemdup(call->p, text, (apr_size_t)(equals - text));
    value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                       NULL);
    if (!value) {
        value = json_string(equals + 1);
    }
    /* it takes the reference even if it fails */
    if (json_object_set_new(claims, name, value)) {
        return ht_usage(call, "--claim %s is not UTF-8",
                        bearer_text_quote(call->p, name));
    }
    return HT_OK;
}

static int add_claims(const ht_call_t *call, json_t *claims)
{
    const apr_array_header_t *list = ht_values(call, "claim");
    int i, status = HT_OK;

    for (i = 0; i < list->nelts && status == HT_OK; i++) {
        status = add_claim(call, claims, APR_ARRAY_IDX(list, i, const char *));
    }
    return status;
}

/* One audience is a string, several are an array (RFC 7519 section 4.1.3). */
static int add_audience(const ht_call_t *call, json_t *claims)
{
    const apr_array_header_t *list = ht_values(call, "audience");
    json_t *audience = bearer_json_strings(list);

    bearer_json_tie(audience, call->p);
    if ((int)json_array_size(audience) < list->nelts) {
        return ht_usage(call, "aud is not UTF-8");
    }
    if (list->nelts) {
        json_object_set(claims, "aud",
                        list->nelts > 1 ? audience : json_array_get(audience, 0));
    }
    return HT_OK;
}

static int add_times(const ht_call_t *call, json_t *claims)
{
    apr_int64_t max = HT_SECONDS_MAX, expires = 3600, not_before = 0, now;
    apr_time_t clock;

    if (ht_now(call, &clock) != HT_OK
        || ht_number(call, "expires", -max, max, &expires) != HT_OK
        || ht_number(call, "not-before", -max, max, &not_before) != HT_OK) {
        return HT_USAGE;
    }
    now = apr_time_sec(clock);
    json_object_set_new(claims, "iat", json_integer(now));
    json_object_set_new(claims, "exp", json_integer(now + expires));
    if (ht_has(call, "not-before")) {
        json_object_set_new(claims, "nbf", json_integer(now + not_before));
    }
    return HT_OK;
}

static int add_jti(const ht_call_t *call, json_t *claims)
{
    unsigned char random[16];

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return ht_fail(call, HT_USAGE, "OpenSSL returned no random bytes");
    }
    return add_string(call, claims, "jti",
                      bearer_b64url_encode(call->p, random, sizeof(random)));
}

/* Binds the token to a key or certificate of the client (RFC 9449 section 6.1, RFC 8705
 * section 3.1). */
static int add_binding(const ht_call_t *call, json_t *claims)
{
    const char *key = ht_value(call, "dpop"), *path = ht_value(call, "mtls");
    const char *jkt = NULL, *x5t = NULL, *pem;

    if ((key && ht_thumbprint(call, key, &jkt) != HT_OK)
        || (path && ht_certificate(call, path, &pem, &x5t) != HT_OK)) {
        return HT_USAGE;
    }
    if (key || path) {
        json_object_set_new(claims, "cnf", json_pack("{s:s* s:s*}", "jkt", jkt, "x5t#S256",
                                                     x5t));
    }
    return HT_OK;
}

/* --claim comes last, so it overrides the other options. */
static int make_claims(const ht_call_t *call, const char **payload, apr_size_t *len)
{
    json_t *claims = json_object(), *checked;
    const char *error = NULL;

    bearer_json_tie(claims, call->p);
    if (add_string(call, claims, "iss", ht_value(call, "issuer")) != HT_OK
        || add_string(call, claims, "sub", ht_value(call, "subject")) != HT_OK
        || add_audience(call, claims) != HT_OK
        || add_times(call, claims) != HT_OK || add_jti(call, claims) != HT_OK
        || add_binding(call, claims) != HT_OK || add_claims(call, claims) != HT_OK) {
        return HT_USAGE;
    }
    *payload = bearer_json_text(claims, call->p);
    *len = strlen(*payload);
    return bearer_json_parse(&checked, *payload, *len, &error, call->p) == APR_SUCCESS
        ? HT_OK : ht_usage(call, "no verifier accepts these claims: %s", error);
}

/* --payload is signed unchanged; claims cannot be added. */
static int read_payload(const ht_call_t *call, const char **payload,
                        apr_size_t *len)
{
    if (ht_misplaced(call, HT_CLAIMS, "cannot be combined with --payload")
        != HT_OK) {
        return HT_USAGE;
    }
    return ht_read_file(call, ht_value(call, "payload"),
                        (apr_size_t)BEARER_TOKEN_MAX, payload, len);
}

/* ---- the token ----------------------------------------------------------- */

/* A claims token has a typ header (RFC 9068 section 2.1); other payloads have one only
 * on request. --typ '' omits it. */
static int make_header(const ht_call_t *call, const json_t *jwk, json_t **header)
{
    const char *typ = ht_value(call, "typ");

    if (!typ) {
        typ = ht_has(call, "payload") ? "" : "at+jwt";
    }
    *header = json_object();
    bearer_json_tie(*header, call->p);
    json_object_set_new(*header, "alg", json_null());  /* reserves its position; see
                                                        * jws.h */
    if (*typ && add_string(call, *header, "typ", typ) != HT_OK) {
        return HT_USAGE;
    }
    return add_string(call, *header, "kid", bearer_json_string(jwk, "kid"));
}

/* Returns the token, or NULL with *error, which may be NULL. */
static char *signed_by(const ht_call_t *call, const json_t *jwk, json_t *header,
                       const char *payload, apr_size_t len,
                       const bearer_alg_t *alg, const char **error)
{
    const char *k = bearer_json_string(jwk, "k");
    unsigned char *oct = NULL;
    apr_size_t oct_len = 0;
    EVP_PKEY *pkey = NULL;
    char *token = NULL;

    if (alg->kty != BEARER_KTY_OCT) {
        if (bearer_jwk_private(&pkey, jwk, error, call->p) != APR_SUCCESS) {
            return NULL;
        }
    } else if (!k || bearer_b64url_decode_p(&oct, &oct_len, k, strlen(k), call->p)
                         != APR_SUCCESS) {
        *error = "k is not base64url";
        return NULL;
    }
    if (bearer_jws_sign(&token, header, payload, len, alg, pkey, oct, oct_len, error,
                        call->p) != APR_SUCCESS) {
        token = NULL;
    }
    OPENSSL_cleanse(oct, oct_len);
    return token;
}

static int sign(const ht_call_t *call, const json_t *jwk,
                const bearer_alg_t *alg, const char *payload, apr_size_t len)
{
    const char *error = NULL;
    json_t *header = NULL;
    char *token;

    if (make_header(call, jwk, &header) != HT_OK) {
        return HT_USAGE;
    }
    token = signed_by(call, jwk, header, payload, len, alg, &error);
    if (!token) {
        return ht_fail(call, HT_USAGE, "%s: %s",
                       bearer_text_quote(call->p, ht_value(call, "key")),
                       error ? error : "OpenSSL did not sign");
    }
    if (strlen(token) > (apr_size_t)BEARER_TOKEN_MAX) {
        return ht_usage(call, "the token is longer than %d bytes",
                        BEARER_TOKEN_MAX);
    }
    return ht_write(call, apr_pstrcat(call->p, token, "\n", NULL),
                    strlen(token) + 1);
}

static int run(const ht_call_t *call)
{
    const char *payload = NULL;
    const bearer_alg_t *alg = NULL;
    apr_size_t len = 0;
    json_t *jwk = NULL;

    if (ht_signing_key(call, ~(bearer_algs_t)0, &jwk, &alg) != HT_OK
        || (ht_has(call, "payload") ? read_payload(call, &payload, &len)
                                    : make_claims(call, &payload, &len))
               != HT_OK) {
        return HT_USAGE;
    }
    return sign(call, jwk, alg, payload, len);
}

static const ht_option_t options[] = {
    { "key", "FILE", HT_REQUIRED, "private JWK Set (as made by keygen), JWK or PEM" },
    { "kid", "KID", 0, "key of the set, if several fit" },
    { "alg", "ALG", 0, "algorithm, if the key allows several" },
    { "issuer", "ISS", HT_CLAIMS, "claim iss" },
    { "subject", "SUB", HT_CLAIMS, "claim sub" },
    { "audience", "AUD", HT_REPEAT | HT_CLAIMS, "claim aud; several are an array" },
    { "expires", "SECONDS", HT_CLAIMS, "claim exp, relative to now (default 3600; may "
      "be negative)" },
    { "not-before", "SECONDS", HT_CLAIMS, "claim nbf, relative to now (may be negative)" },
    { "now", "EPOCH", HT_CLAIMS, "time to assume, in seconds since 1970" },
    { "dpop", "KEY", HT_CLAIMS, "claim cnf.jkt: bind the token to this JWK or PEM key of the "
      "client, private or public" },
    { "mtls", "CERT", HT_CLAIMS, "claim cnf.x5t#S256: bind the token to this certificate of "
      "the client (PEM)" },
    { "typ", "TYP", 0, "header typ (default at+jwt, with --payload none); '' omits it" },
    { "claim", "NAME=VALUE", HT_REPEAT | HT_CLAIMS, "any claim; VALUE is JSON if "
      "possible, else a string" },
    { "payload", "FILE", 0, "sign this file instead of claims; -: standard input" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_sign = {
    "sign", NULL, 0, "Sign a development token.",
    "iat, exp and jti are added. --claim overrides the other options.", options, run
};
