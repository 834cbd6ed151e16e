/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The settings for verify and explain: the options that correspond to directives become
 * the settings of a server, and its judgement.
 */
#include "ht.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define SKEW_MAX 300  /* as for AuthBearerClockSkew */

int ht_algs(const ht_call_t *call, bearer_algs_t *algs)
{
    const apr_array_header_t *names = bearer_text_split(
        call->p, apr_array_pstrcat(call->p, ht_values(call, "alg"), ','), ", ");
    const bearer_alg_t *alg;
    int i;

    *algs = ht_has(call, "alg") ? 0 : bearer_settings_defaults(call->p)->algorithms;
    for (i = 0; i < names->nelts; i++) {
        if (ht_alg(call, APR_ARRAY_IDX(names, i, const char *), &alg) != HT_OK) {
            return HT_USAGE;
        }
        *algs |= alg->bit;
    }
    return *algs ? HT_OK : ht_usage(call, "--alg is empty");
}

/* Reads the options for the kind of token. */
static int read_kind(const ht_call_t *call, bearer_settings_t *server)
{
#define WORD(symbol, word) word,
    static const char *const modes[] = { BEARER_ID_TOKEN_MODES(WORD) NULL };
#undef WORD
    const char *mode = ht_value(call, "id-tokens");
    const apr_array_header_t *types = ht_values(call, "token-type");
    int i = 0;

    while (mode && modes[i] && strcmp(mode, modes[i]) != 0) {
        i++;
    }
    if (!modes[i]) {
        return ht_usage(call, "--id-tokens %s is not refuse, scoped or accept",
                        bearer_text_quote(call->p, mode));
    }
    if (mode) {
        bearer_settings_put(server, ID_TOKENS, id_tokens, i);
    }
    for (i = 0; i < types->nelts; i++) {
        const char *type = APR_ARRAY_IDX(types, i, const char *);
        const char *kind = bearer_judge_other_kind(type);

        if (kind) {
            return ht_usage(call, "--token-type %s is %s, never an access token",
                            bearer_text_quote(call->p, type), kind);
        }
    }
    if (types->nelts) {
        bearer_settings_put(server, TOKEN_TYPES, token_types, types);
    }
    return HT_OK;
}

int ht_judgement(const ht_call_t *call, bearer_judgement_t *j,
                 bearer_settings_t *server)
{
    apr_int64_t skew = 60, age = 0;
    bearer_algs_t algs;

    if (ht_now(call, &j->now) != HT_OK
        || ht_number(call, "clock-skew", 0, SKEW_MAX, &skew) != HT_OK
        || ht_number(call, "max-age", 0, HT_SECONDS_MAX, &age) != HT_OK
        || ht_algs(call, &algs) != HT_OK || read_kind(call, server) != HT_OK) {
        return HT_USAGE;
    }
    bearer_settings_put(server, CLOCK_SKEW, clock_skew, apr_time_from_sec(skew));
    bearer_settings_put(server, ALGORITHMS, algorithms, algs);
    bearer_settings_put(server, AUDIENCE, audience, ht_values(call, "audience"));
    if (ht_has(call, "max-age")) {
        bearer_settings_put(server, MAX_TOKEN_AGE, max_token_age,
                            apr_time_from_sec(age));
    }
    j->p = call->p;
    j->defaults = bearer_settings_defaults(call->p);
    j->server = server;
    j->method = "jwt";
    return HT_OK;
}

int ht_declare(const ht_call_t *call, bearer_judgement_t *j,
               bearer_issuer_t *issuer)
{
    bearer_issuers_t *issuers = bearer_issuers_create(call->p);
    const char *error;

    j->issuers = issuers;
    issuer->name = issuer->url;
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    issuer->file = "htbearer";
    error = bearer_issuers_add(issuers, issuer);
    return error ? ht_usage(call, "%s", error) : HT_OK;
}

json_t *ht_unverified_claims(const char *token, apr_size_t len, apr_pool_t *p)
{
    bearer_jws_t jws = { 0 };
    json_t *claims;

    return bearer_jws_parse(&jws, token, len, NULL, p) == BEARER_OK
                   && bearer_json_parse(&claims, jws.payload, jws.payload_len, NULL,
                                        p) == APR_SUCCESS
               ? claims : NULL;
}
