/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The envelope of a token. See jws.h. Cheap checks come first. Memory is allocated
 * only after the token's form has been checked (CVE-2025-30204).
 */
#include "jose/jws.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "jose/jwk_inside.h"

/* ---- form -------------------------------------------------------------- */

int bearer_jws_looks_like(const char *token, apr_size_t len, apr_pool_t *p)
{
    const char *first, *second;
    unsigned char *text;
    apr_size_t text_len;
    json_t *header;
    int is_object;

    /* a JWT that is too long is still a JWT, though invalid: it is not introspected */
    first = memchr(token, '.', len < BEARER_TOKEN_MAX ? len : BEARER_TOKEN_MAX);
    if (!first || first == token) {
        return 0;
    }
    second = memchr(first + 1, '.', len - (apr_size_t)(first + 1 - token));
    if (!second
        || bearer_b64url_decode_p(&text, &text_len, token,
                                  (apr_size_t)(first - token), p)
               != APR_SUCCESS) {
        return 0;
    }
    /* not strict: a header with duplicate members is still a JWT, though invalid */
    header = json_loadb((const char *)text, text_len, 0, NULL);
    is_object = json_is_object(header);
    json_decref(header);
    return is_object;
}

/* Counts the segments. */
static int segments(const char *token, apr_size_t len)
{
    const char *at = token, *end = token + len;
    int n = 1;

    for (; (at = memchr(at, '.', (apr_size_t)(end - at))) != NULL; at++) {
        n++;
    }
    return n;
}

/* Finds the three segments; another number is refused. */
static int split(bearer_jws_t *jws, const char *token, apr_size_t len)
{
    const char *at = token, *end = token + len;
    int i;

    for (i = 0; i < 3; i++) {
        const char *dot = memchr(at, '.', (apr_size_t)(end - at));

        if ((dot == NULL) != (i == 2)) {
            return 0;
        }
        jws->segment[i] = at;
        jws->segment_len[i] = (apr_size_t)((dot ? dot : end) - at);
        at = dot ? dot + 1 : end;
    }
    jws->signing_input_len = (apr_size_t)(jws->segment[2] - 1 - token);
    return 1;
}

static bearer_reason_t decode(const bearer_jws_t *jws, int i,
                              unsigned char **bytes, apr_size_t *len,
                              bearer_refusal_t *why, apr_pool_t *p)
{
    static const char *const names[] = { "header", "payload", "signature" };

    if (bearer_b64url_decode_p(bytes, len, jws->segment[i],
                               jws->segment_len[i], p) != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_BASE64URL,
                             "the token's %s is not strict base64url",
                             names[i]);
    }
    return BEARER_OK;
}

static bearer_reason_t parse_header(bearer_jws_t *jws, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    unsigned char *text;
    apr_size_t len;
    const char *error;
    bearer_reason_t reason = decode(jws, 0, &text, &len, why, p);

    if (reason == BEARER_OK
        && bearer_json_parse_whole(&jws->header, (const char *)text, len, &error, p)
               != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_JSON,
                             "the token's header is not a strict JSON object: "
                             "%s", error);
    }
    return reason;
}

void bearer_jws_remember_header(const bearer_jws_t *jws, bearer_headers_t *headers)
{
    if (jws->header) {
        bearer_headers_keep(headers, jws->segment[0], jws->segment_len[0], &jws->facts);
    }
}

/* Finds the segments. */
static bearer_reason_t begin(bearer_jws_t *jws, const char *token, apr_size_t len,
                             bearer_refusal_t *why, apr_pool_t *p)
{
    memset(jws, 0, sizeof(*jws));
    jws->token = token;
    jws->token_len = len;
    if (len > BEARER_TOKEN_MAX) {
        return bearer_refuse(why, p, BEARER_SIZE,
                             "the token has %lu bytes; at most %d are accepted",
                             (unsigned long)len, BEARER_TOKEN_MAX);
    }
    if (!split(jws, token, len)) {
        return bearer_refuse(why, p, BEARER_SEGMENTS, "the token does not have three segments%s",
                             segments(token, len) == 5
                                 ? ", but five: it is encrypted (JWE), which is not supported; let "
                                   "the issuer sign it only (JWS)" : "");
    }
    return BEARER_OK;
}

static bearer_reason_t decode_rest(bearer_jws_t *jws, bearer_refusal_t *why, apr_pool_t *p)
{
    unsigned char *payload, *signature;
    bearer_reason_t reason = decode(jws, 1, &payload, &jws->payload_len, why, p);

    if (reason == BEARER_OK) {
        reason = decode(jws, 2, &signature, &jws->signature_len, why, p);
    }
    if (reason == BEARER_OK) {
        jws->payload = (const char *)payload;
        jws->signature = signature;
    }
    return reason;
}

bearer_reason_t bearer_jws_parse_known(bearer_jws_t *jws, bearer_headers_t *headers,
                                       const char *token, apr_size_t len,
                                       bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_reason_t reason = begin(jws, token, len, why, p);

    if (reason == BEARER_OK
        && !bearer_headers_find(headers, &jws->facts, jws->segment[0], jws->segment_len[0], p)) {
        reason = parse_header(jws, why, p);
    }
    return reason == BEARER_OK ? decode_rest(jws, why, p) : reason;
}

bearer_reason_t bearer_jws_parse_same(bearer_jws_t *jws, const char *header,
                                      apr_size_t header_len, const char *token,
                                      apr_size_t len, bearer_refusal_t *why,
                                      apr_pool_t *p)
{
    bearer_reason_t reason = begin(jws, token, len, why, p);

    if (reason == BEARER_OK
        && !(header && jws->segment_len[0] == header_len
             && memcmp(jws->segment[0], header, header_len) == 0)) {
        reason = parse_header(jws, why, p);
    }
    return reason == BEARER_OK ? decode_rest(jws, why, p) : reason;
}

bearer_reason_t bearer_jws_parse(bearer_jws_t *jws, const char *token,
                                 apr_size_t len, bearer_refusal_t *why,
                                 apr_pool_t *p)
{
    return bearer_jws_parse_known(jws, NULL, token, len, why, p);
}

/* ---- check 3: the header ----------------------------------------------- */

static bearer_reason_t check_alg(bearer_jws_t *jws, bearer_algs_t allowed,
                                 bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_alg_t *known = jws->header ? NULL : jws->facts.alg;
    const char *name = known ? known->name : bearer_json_string(jws->header, "alg");
    const bearer_alg_t *alg = known ? known : bearer_alg_find(name);

    if (!name) {
        return bearer_refuse(why, p, BEARER_ALG, "the header's alg is missing or is not a string");
    }
    if (!alg || !(alg->bit & allowed)) {
        return bearer_refuse(why, p, BEARER_ALG,
                             "algorithm %s is not in AuthBearerAlgorithms (%s)",
                             bearer_text_quote(p, name), bearer_alg_names(allowed, p));
    }
    jws->facts.alg = alg;
    return BEARER_OK;
}

static bearer_reason_t check_members(bearer_jws_t *jws, bearer_refusal_t *why,
                                     apr_pool_t *p)
{
    const json_t *typ = bearer_json_member(jws->header, "typ");

    /* RFC 7515 section 4.1.11: this module supports no extensions, and an empty
     * list or a value that is not a list is invalid too */
    if (json_object_get(jws->header, "crit")) {
        return bearer_refuse(why, p, BEARER_CRIT,
                             "the header has crit, but no critical extension is supported");
    }
    /* RFC 7797 section 7: JWTs do not use it */
    if (json_object_get(jws->header, "b64")) {
        return bearer_refuse(why, p, BEARER_B64,
                             "the header has b64, which JWTs do not use");
    }
    jws->facts.typ = json_string_value(typ);
    if (typ && !jws->facts.typ) {
        return bearer_refuse(why, p, BEARER_HEADER, "the header's typ is not a string");
    }
    return BEARER_OK;
}

bearer_reason_t bearer_jws_check_header(bearer_jws_t *jws, bearer_algs_t allowed,
                                        bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_reason_t reason = check_alg(jws, allowed, why, p);

    if (reason == BEARER_OK && jws->header) {
        reason = check_members(jws, why, p);
    }
    if (reason == BEARER_OK && jws->segment_len[2] == 0) {
        /* RFC 7515 A.5 with another alg: no key is needed to refuse it */
        return bearer_refuse(why, p, BEARER_SIGNATURE, "the token has no signature");
    }
    return reason;
}

int bearer_jws_is_typ(const char *typ, const char *wanted)
{
    if (strncasecmp(typ, "application/", 12) == 0) {
        typ += 12;
    }
    return strcasecmp(typ, wanted) == 0;
}

/* ---- check 4: kid ------------------------------------------------------ */

/* len is the string's length: a NUL in it (which jansson prevents) is not in the set either. */
static int is_kid(const char *kid, apr_size_t len)
{
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        "._~+/=:-";

    return len >= 1 && strspn(kid, characters) == len;
}

bearer_reason_t bearer_jws_read_kid(bearer_jws_t *jws, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    const json_t *member = bearer_json_member(jws->header, "kid");
    const char *kid = json_string_value(member);
    apr_size_t len = json_string_length(member);

    jws->facts.kid = NULL;
    if (!member) {
        return BEARER_OK;
    }
    if (!kid) {
        return bearer_refuse(why, p, BEARER_KID, "the kid is not a string");
    }
    if (len > BEARER_KID_MAX) {
        return bearer_refuse(why, p, BEARER_KID,
                             "the kid has %lu bytes; at most %d are accepted",
                             (unsigned long)len, BEARER_KID_MAX);
    }
    jws->facts.kid = kid;
    return BEARER_OK;
}

bearer_reason_t bearer_jws_check_kid(bearer_jws_t *jws, bearer_refusal_t *why,
                                     apr_pool_t *p)
{
    bearer_reason_t reason;
    const char *kid;
    apr_size_t len;

    if (!jws->header) {
        return BEARER_OK;
    }
    reason = bearer_jws_read_kid(jws, why, p);
    kid = jws->facts.kid;
    len = json_string_length(json_object_get(jws->header, "kid"));
    if (reason == BEARER_OK && kid && !is_kid(kid, len)) {
        jws->facts.kid = NULL;
        return bearer_refuse(why, p, BEARER_KID,
                             "the kid %s has a character that is not in [A-Za-z0-9._~+/=:-]",
                             bearer_text_quote_n(p, kid, len));
    }
    return reason;
}

/* ---- check 7: the signature -------------------------------------------- */

bearer_reason_t bearer_jws_verify(const bearer_jws_t *jws, const bearer_jwk_t *key,
                                  bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_verifier_t *verifier = bearer_jwk_verifier(key, jws->facts.alg);
    const char *alg = jws->facts.alg ? jws->facts.alg->name : "(none)";

    if (!verifier) {
        return bearer_refuse(why, p, BEARER_KEY,
                             "the key (%s) cannot verify %s",
                             bearer_jwk_describe(key, p), alg);
    }
    switch (bearer_verifier_check(verifier, jws->token, jws->signing_input_len,
                                  jws->signature, jws->signature_len)) {
    case BEARER_VERIFY_OK:
        return BEARER_OK;
    case BEARER_VERIFY_BAD:
        return bearer_refuse(why, p, BEARER_SIGNATURE,
                             "the %s signature does not match key %s (%s): the token was altered, "
                             "or signed by another environment of the issuer", alg,
                             bearer_text_quote(p, key->kid),
                             bearer_jwk_describe(key, p));
    default:
        return bearer_refuse(why, p, BEARER_INTERNAL,
                             "OpenSSL failed in %s with key %s", alg,
                             bearer_text_quote(p, key->kid));
    }
}

/* ---- signing ----------------------------------------------------------- */

/* Checks that the key fits, for a better error text than OpenSSL's. */
static const char *signing_problem(const bearer_alg_t *alg, EVP_PKEY *pkey,
                                   apr_size_t oct_len, apr_pool_t *p)
{
    const char *crv;
    json_t *jwk;

    if (alg->kty == BEARER_KTY_OCT) {
        return oct_len >= alg->min_key ? NULL
                                       : "the oct key is shorter than the hash";
    }
    if (!pkey || bearer_jwk_from_pkey(&jwk, pkey, 0, p) != APR_SUCCESS) {
        return "there is no signing key";
    }
    if (!(bearer_jwk_algs(jwk) & alg->bit)) {
        crv = bearer_json_string(jwk, "crv");
        return apr_psprintf(p, "a key of type %s %s does not sign %s",
                            bearer_json_string(jwk, "kty"), crv ? crv : "", alg->name);
    }
    return NULL;
}

static char *signing_input(json_t *header, const void *payload, apr_size_t len,
                           const bearer_alg_t *alg, apr_pool_t *p)
{
    const char *text = NULL;

    if (json_object_set_new(header, "alg", json_string(alg->name)) == 0) {
        text = bearer_json_text(header, p);
    }
    return text ? apr_pstrcat(p, bearer_b64url_encode(p, text, strlen(text)), ".",
                              bearer_b64url_encode(p, payload, len), NULL)
                : NULL;
}

apr_status_t bearer_jws_sign(char **token, json_t *header, const void *payload,
                             apr_size_t len, const bearer_alg_t *alg,
                             EVP_PKEY *pkey, const unsigned char *oct,
                             apr_size_t oct_len, const char **error,
                             apr_pool_t *p)
{
    unsigned char *signature;
    apr_size_t signature_len;
    char *input;

    *token = NULL;
    *error = signing_problem(alg, pkey, oct_len, p);
    if (*error) {
        return APR_EINVAL;
    }
    input = signing_input(header, payload, len, alg, p);
    if (!input
        || bearer_signature_make(&signature, &signature_len, alg, pkey, oct,
                                 oct_len, input, strlen(input), p)
               != APR_SUCCESS) {
        *error = apr_psprintf(p, "OpenSSL cannot sign with %s", alg->name);
        return APR_EGENERAL;
    }
    *token = apr_pstrcat(p, input, ".", bearer_b64url_encode(p, signature, signature_len),
                         NULL);
    return APR_SUCCESS;
}
