/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer verify: the judgement of the server, over keys from a file. What is
 * not asked for (an audience, an issuer) is taken from the token, so that every
 * other check runs as it does there.
 */
#include "ht.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_time.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "judge/judge.h"

#define SECONDS_MAX APR_INT64_C(1000000000000)
#define SKEW_MAX 300  /* as for AuthBearerClockSkew */

typedef struct verify_t {
    const ht_call_t *call;
    const char *token;
    apr_size_t len;
    bearer_jwks_t *keys;
    bearer_algs_t algs;
} verify_t;

/* ---- what is given ------------------------------------------------------- */

static int add_algs(const ht_call_t *call, const char *list, bearer_algs_t *algs)
{
    char *copy = apr_pstrdup(call->p, list), *state;
    const char *name = apr_strtok(copy, ", ", &state);
    const bearer_alg_t *alg;

    for (; name; name = apr_strtok(NULL, ", ", &state)) {
        if (ht_alg(call, name, &alg) != HT_OK) {
            return HT_USAGE;
        }
        *algs |= alg->bit;
    }
    return HT_OK;
}

static int read_algs(const ht_call_t *call, bearer_algs_t *algs)
{
    const apr_array_header_t *lists = ht_values(call, "alg");
    int i;

    *algs = lists ? 0 : bearer_alg_supported(bearer_alg_defaults());
    for (i = 0; lists && i < lists->nelts; i++) {
        if (add_algs(call, APR_ARRAY_IDX(lists, i, const char *), algs)
            != HT_OK) {
            return HT_USAGE;
        }
    }
    return *algs ? HT_OK : ht_usage(call, "--alg names no algorithm");
}

static apr_status_t release_keys(void *set)
{
    bearer_jwks_release(set);
    return APR_SUCCESS;
}

static int load_keys(const ht_call_t *call, bearer_jwks_t **keys)
{
    bearer_jwks_report_t report = { 0 };
    const char *path = ht_value(call, "keys");
    const char *shown = bearer_text_quote(call->p, path);
    const char *error = NULL;
    int i;

    if (bearer_jwks_load(keys, path, BEARER_JWKS_LOCAL, &report, &error,
                         call->p) != APR_SUCCESS) {
        return ht_fail(call, HT_USAGE, "%s: %s", shown,
                       error ? error : "cannot be read");
    }
    apr_pool_cleanup_register(call->p, *keys, release_keys,
                              apr_pool_cleanup_null);
    for (i = 0; report.lines && i < report.lines->nelts; i++) {
        ht_say(call, "%s: skipped %s", shown,
               APR_ARRAY_IDX(report.lines, i, const char *));
    }
    return bearer_jwks_count(*keys)
               ? HT_OK
               : ht_fail(call, HT_USAGE, "%s: no usable key in it", shown);
}

/* ---- --jws-only ---------------------------------------------------------- */

static int verify_signature(const verify_t *v)
{
    apr_pool_t *p = v->call->p;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jws_t jws = { 0 };
    const bearer_jwk_t *key = NULL;
    bearer_reason_t reason;
    int unknown_kid;

    reason = bearer_jws_parse(&jws, v->token, v->len, &why, p);
    if (reason == BEARER_OK) {
        reason = bearer_jws_check_header(&jws, v->algs, &why, p);
    }
    if (reason == BEARER_OK) {
        /* any JWS's, not a JWT's of a provider: RFC 7520's kid has an `@` */
        reason = bearer_jws_read_kid(&jws, &why, p);
    }
    if (reason == BEARER_OK) {
        reason = bearer_jwks_select(&key, &unknown_kid, v->keys, jws.alg,
                                    jws.kid, NULL, NULL, &why, p);
    }
    if (reason == BEARER_OK) {
        reason = bearer_jws_verify(&jws, key, &why, p);
    }
    return reason == BEARER_OK
               ? ht_write(v->call, jws.payload, jws.payload_len)
               : ht_refused(v->call, reason, &why);
}

/* ---- the whole judgement ------------------------------------------------- */

static bearer_reason_t keys_of_file(void *baton, const bearer_issuer_t *issuer,
                                    int unknown_kid, const char *kid,
                                    bearer_jwks_t **set, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    const verify_t *v = baton;

    (void)issuer;
    if (unknown_kid) {
        return bearer_refuse(why, p, BEARER_KEY, "no key for kid %s in %s",
                             bearer_text_quote(p, kid),
                             bearer_text_quote(p, ht_value(v->call, "keys")));
    }
    *set = bearer_jwks_retain(v->keys);
    return BEARER_OK;
}

/* The token's own claims, before anything is known about it; NULL if none. */
static json_t *unverified_claims(const verify_t *v)
{
    bearer_jws_t jws = { 0 };
    json_t *claims;
    apr_pool_t *p = v->call->p;

    if (bearer_jws_parse(&jws, v->token, v->len, NULL, p) != BEARER_OK
        || bearer_json_parse(&claims, jws.payload, jws.payload_len, NULL, p)
               != APR_SUCCESS) {
        return NULL;
    }
    return claims;
}

static const apr_array_header_t *own_audience(const json_t *claims,
                                              apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    const json_t *aud = json_object_get(claims, "aud");
    const json_t *member;
    size_t i;

    if (json_is_string(aud)) {
        APR_ARRAY_PUSH(list, const char *) = json_string_value(aud);
    }
    json_array_foreach(aud, i, member) {
        if (json_is_string(member)) {
            APR_ARRAY_PUSH(list, const char *) = json_string_value(member);
        }
    }
    if (!list->nelts) {
        APR_ARRAY_PUSH(list, const char *) = "";  /* none at all is an error */
    }
    return list;
}

/* Without --audience the token's own is taken; with none in it either, that it
 * names none is accepted. */
static void set_audience(bearer_settings_t *settings, const ht_call_t *call,
                         const json_t *claims)
{
    const apr_array_header_t *list = ht_values(call, "audience");

    if (!list) {
        bearer_settings_put(settings, NO_AUDIENCE, no_audience_accept, 1);
        list = own_audience(claims, call->p);
    }
    bearer_settings_put(settings, AUDIENCE, audience, list);
}

static int read_settings(const verify_t *v, const json_t *claims,
                         bearer_settings_t *settings)
{
    const ht_call_t *call = v->call;
    apr_int64_t skew = 60, age = 0;

    if (ht_number(call, "clock-skew", 0, SKEW_MAX, &skew) != HT_OK
        || ht_number(call, "max-age", 0, SECONDS_MAX, &age) != HT_OK) {
        return HT_USAGE;
    }
    bearer_settings_put(settings, ALGORITHMS, algorithms, v->algs);
    bearer_settings_put(settings, CLOCK_SKEW, clock_skew,
                        apr_time_from_sec(skew));
    if (ht_has(call, "max-age")) {
        bearer_settings_put(settings, MAX_TOKEN_AGE, max_token_age,
                            apr_time_from_sec(age));
    }
    set_audience(settings, call, claims);
    return HT_OK;
}

static int declare_issuer(const verify_t *v, const json_t *claims,
                          bearer_issuers_t *issuers)
{
    apr_pool_t *p = v->call->p;
    bearer_issuer_t *issuer = apr_pcalloc(p, sizeof(*issuer));
    const char *error;

    issuer->url = ht_value(v->call, "issuer");
    if (!issuer->url) {
        issuer->url = bearer_json_string(claims, "iss");
    }
    if (!issuer->url) {
        return HT_OK;  /* the judge will say that the token has none */
    }
    issuer->name = issuer->url;
    issuer->aliases = apr_array_make(p, 1, sizeof(const char *));
    issuer->metadata.kind = BEARER_SOURCE_OFF;
    issuer->keys.kind = BEARER_SOURCE_FILE;
    issuer->keys.value = ht_value(v->call, "keys");
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    issuer->file = "htbearer";
    error = bearer_issuers_add(issuers, issuer);
    return error ? ht_usage(v->call, "%s", error) : HT_OK;
}

static void say_what_was_not_asked(const ht_call_t *call)
{
    static const char *const optional[] = { "audience", "issuer", NULL };
    int i;

    for (i = 0; optional[i]; i++) {
        if (!ht_has(call, optional[i])) {
            ht_say(call, "note: any %s is accepted without --%s", optional[i],
                   optional[i]);
        }
    }
}

static int verify_claims(const verify_t *v)
{
    const ht_call_t *call = v->call;
    const json_t *claims = unverified_claims(v);
    bearer_settings_t server = { 0 }, dir = { 0 };
    bearer_judgement_t j = { 0 };
    bearer_issuers_t *issuers = bearer_issuers_create(call->p);
    apr_int64_t now = -1;

    if (ht_number(call, "now", 0, SECONDS_MAX, &now) != HT_OK
        || read_settings(v, claims, &server) != HT_OK
        || declare_issuer(v, claims, issuers) != HT_OK) {
        return HT_USAGE;
    }
    j.p = call->p;
    j.now = now < 0 ? apr_time_now() : apr_time_from_sec(now);
    j.issuers = issuers;
    j.defaults = bearer_settings_defaults(call->p);
    j.server = &server;
    j.dir = &dir;
    j.method = "jwt";
    j.keys = keys_of_file;
    j.keys_baton = (void *)(apr_uintptr_t)v;
    if (bearer_judge_jwt(&j, v->token, v->len) != BEARER_GRANTED) {
        return ht_refused(call, j.why.reason, &j.why);
    }
    say_what_was_not_asked(call);
    return ht_write_json(call, j.claims);
}

static int check_options(const ht_call_t *call)
{
    static const char *const claims_only[] = {
        "audience", "issuer", "clock-skew", "max-age", "now", NULL
    };
    int i;

    for (i = 0; ht_has(call, "jws-only") && claims_only[i]; i++) {
        if (ht_has(call, claims_only[i])) {
            return ht_usage(call, "--jws-only looks at no claims: --%s means "
                                  "nothing there", claims_only[i]);
        }
    }
    return HT_OK;
}

static int run(const ht_call_t *call)
{
    verify_t v = { call, NULL, 0, NULL, 0 };
    int status;

    if (check_options(call) != HT_OK || read_algs(call, &v.algs) != HT_OK
        || load_keys(call, &v.keys) != HT_OK) {
        return HT_USAGE;
    }
    status = ht_read_token(call, &v.token, &v.len);
    if (status != HT_OK) {
        return status;
    }
    return ht_has(call, "jws-only") ? verify_signature(&v) : verify_claims(&v);
}

static const ht_option_t options[] = {
    { "keys", "FILE", HT_REQUIRED, "JWK Set, or PEM public keys and "
      "certificates" },
    { "jws-only", NULL, 0, "judge header, key and signature only; print the "
      "payload's bytes as they are" },
    { "alg", "LIST", HT_REPEAT, "algorithms accepted, by comma (default: all "
      "asymmetric but ES256K); HS* must be named" },
    { "audience", "AUD", HT_REPEAT, "one of these must be in aud (default: any)" },
    { "issuer", "ISS", 0, "iss must be this (default: any)" },
    { "clock-skew", "SECONDS", 0, "leeway for exp, nbf and iat (default 60, at "
      "most 300)" },
    { "max-age", "SECONDS", 0, "AuthBearerMaxTokenAge (default 90000, which is "
      "25 hours; 0 is off)" },
    { "now", "EPOCH", 0, "judge as of this time, in seconds since 1970" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_verify = {
    "verify", NULL, 1, "Judge a token as the server would, and print its claims.",
    "Exit status 0: accepted; 1: refused, with the check and the reason on "
    "standard error; 2: usage, or keys that cannot be read.",
    options, run
};
