/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer verify: judges a token as the server does, with keys from a file. An
 * audience or issuer that is not given is taken from the token, so that all other
 * checks run as in the server.
 */
#include "ht.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"

typedef struct verify_t {
    const ht_call_t *call;
    const char *token;
    apr_size_t len;
    bearer_jwks_t *keys;
    bearer_algs_t algs;
    ht_evidence_t evidence;
} verify_t;

/* ---- what is given ------------------------------------------------------- */

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
                       error ? error : "it cannot be read");
    }
    apr_pool_cleanup_register(call->p, *keys, release_keys,
                              apr_pool_cleanup_null);
    for (i = 0; report.lines && i < report.lines->nelts; i++) {
        ht_say(call, "%s: skipped %s", shown,
               APR_ARRAY_IDX(report.lines, i, const char *));
    }
    return bearer_jwks_count(*keys)
               ? HT_OK
               : ht_fail(call, HT_USAGE, "%s: no usable key", shown);
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
        /* a kid of any JWS, not only of an issuer's JWT: RFC 7520 has one with an `@` */
        reason = bearer_jws_read_kid(&jws, &why, p);
    }
    if (reason == BEARER_OK) {
        reason = bearer_jwks_select(&key, &unknown_kid, v->keys, jws.facts.alg,
                                    jws.facts.kid, NULL, NULL, &why, p);
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
                                    bearer_wish_t *wish, bearer_jwks_t **set,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const verify_t *v = baton;

    (void)issuer;
    if (wish->kind == BEARER_WISH_REPLACED) {
        return BEARER_SIGNATURE;
    }
    if (wish->kind == BEARER_WISH_KID) {
        return bearer_refuse(why, p, BEARER_KEY, "no key for kid %s in %s",
                             bearer_text_quote(p, wish->kid),
                             bearer_text_quote(p, ht_value(v->call, "keys")));
    }
    *set = bearer_jwks_retain(v->keys);
    return BEARER_OK;
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
        APR_ARRAY_PUSH(list, const char *) = "";  /* an empty list is an error */
    }
    return list;
}

/* Takes a missing audience (or its absence) and a missing issuer from the token. If the
 * token has no issuer, the judge reports it. */
static int complete(const verify_t *v, const json_t *claims, bearer_judgement_t *j,
                    bearer_settings_t *server)
{
    apr_pool_t *p = v->call->p;
    bearer_issuer_t *issuer = apr_pcalloc(p, sizeof(*issuer));

    if (!ht_has(v->call, "audience")) {
        bearer_settings_put(server, NO_AUDIENCE, no_audience_accept, 1);
        bearer_settings_put(server, AUDIENCE, audience, own_audience(claims, p));
    }
    issuer->url = ht_value(v->call, "issuer");
    if (!issuer->url) {
        issuer->url = bearer_json_string(claims, "iss");
    }
    if (!issuer->url) {
        j->issuers = bearer_issuers_create(p);
        return HT_OK;
    }
    issuer->metadata.kind = BEARER_SOURCE_OFF;
    issuer->keys[0].kind = BEARER_SOURCE_FILE;
    issuer->keys[0].value = ht_value(v->call, "keys");
    return ht_declare(v->call, j, issuer);
}

static int verify_claims(verify_t *v)
{
    static const char *const optional[] = { "audience", "issuer", NULL };
    const ht_call_t *call = v->call;
    const json_t *claims = ht_unverified_claims(v->token, v->len, call->p);
    bearer_settings_t server = { 0 };
    bearer_judgement_t j = { .keys = keys_of_file, .baton = v };
    int i;

    if (ht_judgement(call, &j, &server) != HT_OK || ht_binding(call, &server) != HT_OK
        || complete(v, claims, &j, &server) != HT_OK) {
        return HT_USAGE;
    }
    if (bearer_judge_jwt(&j, v->token, v->len) != BEARER_GRANTED
        || ht_prove(&v->evidence, &j, NULL) != BEARER_OK) {
        return ht_refused(call, j.why.reason, &j.why);
    }
    for (i = 0; optional[i]; i++) {
        if (!ht_has(call, optional[i])) {
            ht_say(call, "note: any %s is accepted without --%s", optional[i],
                   optional[i]);
        }
    }
    return ht_write_json(call, j.claims);
}

static int run(const ht_call_t *call)
{
    verify_t v = { .call = call };
    int status;

    if ((ht_has(call, "jws-only")
         && ht_misplaced(call, HT_CLAIMS, "cannot be combined with --jws-only") != HT_OK)
        || ht_check_evidence(call) != HT_OK || ht_evidence(call, &v.evidence) != HT_OK
        || ht_algs(call, &v.algs) != HT_OK || load_keys(call, &v.keys) != HT_OK) {
        return HT_USAGE;
    }
    status = ht_read_token(call, &v.token, &v.len);
    if (status != HT_OK) {
        return status;
    }
    return ht_has(call, "jws-only") ? verify_signature(&v) : verify_claims(&v);
}

static const ht_option_t options[] = {
    { "keys", "FILE", HT_REQUIRED, "AuthBearerKeys file: JWK Set or PEM" },
    { "jws-only", NULL, 0, "check only header, key and signature; print the payload" },
    { "alg", "LIST", HT_REPEAT, "AuthBearerAlgorithms, separated by commas" },
    { "audience", "AUD", HT_REPEAT | HT_CLAIMS, "AuthBearerAudience (default: any)" },
    { "issuer", "ISS", HT_CLAIMS, "AuthBearerIssuer (default: any)" },
    { "id-tokens", "MODE", HT_CLAIMS, "AuthBearerIDTokens: refuse, scoped or accept" },
    { "token-type", "TYPE", HT_REPEAT | HT_CLAIMS, "AuthBearerTokenTypes" },
    { "clock-skew", "SECONDS", HT_CLAIMS, "AuthBearerClockSkew (default 60)" },
    { "max-age", "SECONDS", HT_CLAIMS, "AuthBearerMaxTokenAge (default 90000; 0: "
      "off)" },
    { "binding", "LIST", HT_CLAIMS, "AuthBearerProof: auto (default), ignore, dpop, mtls; "
      "window=SECONDS" },
    { "proof", "FILE", HT_CLAIMS, "DPoP proof of the client" },
    { "url", "URL", HT_CLAIMS, "of the request, for --proof (AuthBearerBaseURL)" },
    { "method", "METHOD", HT_CLAIMS, "of the request, for --proof (default GET)" },
    { "certificate", "FILE", HT_CLAIMS, "certificate of the client (PEM)" },
    { "now", "EPOCH", HT_CLAIMS, "time to assume, in seconds since 1970" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_verify = {
    "verify", NULL, 1, "Check a token as the server does, and print its claims.",
    "If the token is refused, standard error names the failed check. A token that is bound to "
    "a client's key or certificate (claim cnf) is refused without its proof, as by a server; "
    "--binding ignore accepts it.",
    options, run
};
