/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Rows of the judge's table for tokens about a login: ID tokens (OpenID Connect Core
 * 1.0 section 3.1.3.7) and logout tokens (Back-Channel Logout 1.0 section 2.6). See
 * judge.h. Bytes, key, signature and times use the rows for all tokens; the kind of
 * token is checked in judge_kind.c.
 */
#include "judge/judge_checks.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"

/* ---- issuer and audience ----------------------------------------------- */

bearer_reason_t bearer_check_login_issuer(bearer_judgement_t *j)
{
    const bearer_issuer_t *asked = j->expected->issuer;
    const char *iss = bearer_json_string(j->claims, "iss");

    j->iss = iss ? iss : "";
    j->issuer = bearer_issuers_find(j->issuers, j->iss, &j->tenant, j->p);
    if (!j->issuer || (asked && j->issuer != asked)) {
        return REFUSE(j, ISS, "the token is from issuer %s, but must be from %s; the two must be "
                      "identical",
                      bearer_text_quote(j->p, j->iss),
                      asked ? bearer_text_quote(j->p, asked->url)
                          : "a configured issuer");
    }
    if (j->expected->tenant && (!j->tenant || strcmp(j->tenant, j->expected->tenant) != 0)) {
        return REFUSE(j, TENANT, "the token is from tenant %s, but the session is from tenant %s",
                      bearer_text_quote(j->p, j->tenant),
                      bearer_text_quote(j->p, j->expected->tenant));
    }
    bearer_settings_resolve(&j->settings, j->defaults, j->server,
                            &j->issuer->settings, NULL);
    return BEARER_OK;
}

static int audience_has(const json_t *aud, const char *client)
{
    apr_size_t i;

    for (i = 0; i < bearer_judge_aud_count(aud); i++) {
        const char *one = bearer_judge_aud_at(aud, i);

        if (one && strcmp(one, client) == 0) {
            return 1;
        }
    }
    return 0;
}

bearer_reason_t bearer_check_own_audience(bearer_judgement_t *j)
{
    const char *client = j->settings.client_id;

    if (client && audience_has(json_object_get(j->claims, "aud"), client)) {
        return BEARER_OK;
    }
    return REFUSE(j, AUD, "the token's aud does not name this server's "
                  "AuthBearerClientID %s", bearer_text_quote(j->p, client));
}

/* Rules 4 and 5 of section 3.1.3.7. */
bearer_reason_t bearer_check_own_azp(bearer_judgement_t *j)
{
    const json_t *aud = json_object_get(j->claims, "aud");
    const json_t *azp = bearer_json_member(j->claims, "azp");
    const char *client = j->settings.client_id;

    if (azp ? client && json_is_string(azp)
                  && strcmp(json_string_value(azp), client) == 0
            : json_array_size(aud) <= 1) {
        return BEARER_OK;
    }
    return REFUSE(j, AZP,
                  azp ? "the ID token was issued to another client (azp %s)"
                      : "the ID token has several audiences and no azp (%s)",
                  bearer_text_quote(j->p, json_string_value(azp)));
}

/* ---- times ------------------------------------------------------------- */

bearer_reason_t bearer_check_recent(bearer_judgement_t *j)
{
    apr_time_t iat = 0;

    if (bearer_json_date(&iat, j->claims, "iat") != APR_SUCCESS) {
        return REFUSE(j, IAT_TYPE, "the token has no iat");
    }
    if (j->now - iat <= BEARER_LOGIN_RECENT + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return REFUSE(j, AGE, "the token was issued %" APR_TIME_T_FMT " s ago, but should be new; "
                  "compare this server's clock with the issuer's",
                  apr_time_sec(j->now - iat));
}

/* acr and auth_time if they were requested (rules 12 and 13). */
bearer_reason_t bearer_check_authentication(bearer_judgement_t *j)
{
    const apr_array_header_t *wanted = j->expected->acr_values;
    apr_time_t when = 0;

    if (wanted && wanted->nelts && !bearer_principal_acr_among(j->claims, wanted)) {
        return REFUSE(j, LOGIN_WEAK, "the issuer authenticated the user with acr %s, but one of "
                      "%s is needed (AuthBearerLogin acr_values=, Require authentication acr=)",
                      bearer_principal_acr_text(j->claims, j->p),
                      bearer_text_quote_list(j->p, wanted));
    }
    if (j->expected->max_age < 0) {
        return BEARER_OK;
    }
    if (bearer_json_date(&when, j->claims, "auth_time") == APR_SUCCESS
        && j->now - when <= j->expected->max_age + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return REFUSE(j, LOGIN_WEAK, "the user's authentication is older than the requested "
                  "max_age, or the ID token has no auth_time");
}

/* ---- identity and binding ---------------------------------------------- */

bearer_reason_t bearer_check_subject(bearer_judgement_t *j)
{
    const char *sub = bearer_json_string(j->claims, "sub");

    if (!sub || !*sub || strlen(sub) > 256) {
        return REFUSE(j, USER_CLAIM, "the ID token's sub is missing, empty or too "
                      "long");
    }
    if (j->expected->sub && strcmp(sub, j->expected->sub) != 0) {
        return REFUSE(j, USER_CLAIM, "the refreshed ID token is for another user (sub)");
    }
    return BEARER_OK;
}

/* Rule 11: without a nonce, an attacker could insert an ID token of another login. */
bearer_reason_t bearer_check_nonce(bearer_judgement_t *j)
{
    const json_t *nonce = json_object_get(j->claims, "nonce");
    const char *wanted = j->expected->nonce;

    if (!wanted || (json_is_string(nonce)
                    && bearer_text_same_ct(json_string_value(nonce), wanted))) {
        return BEARER_OK;
    }
    return REFUSE(j, NONCE,
                  nonce ? "the ID token's nonce is not that of this login"
                      : "the ID token has no nonce");
}

/* Section 3.1.3.6: the left half of the hash that the signature uses. For EdDSA it
 * is SHA-512 (Ed25519) or SHAKE256 (Ed448). Issuers do not agree on the latter, so
 * at_hash is not checked for it. */
bearer_reason_t bearer_check_at_hash(bearer_judgement_t *j)
{
    const json_t *claim = bearer_json_member(j->claims, "at_hash");
    const char *digest = j->jws.facts.alg->digest ? j->jws.facts.alg->digest : "SHA512";
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t len = 0;

    if (!claim || !j->expected->access_token
        || (j->key && j->key->curve && strcmp(j->key->curve, "Ed448") == 0)) {
        return BEARER_OK;
    }
    if (json_is_string(claim)
        && EVP_Q_digest(NULL, digest, NULL, j->expected->access_token,
                        strlen(j->expected->access_token), hash, &len)
        && bearer_text_same_ct(bearer_b64url_encode(j->p, hash, len / 2),
                               json_string_value(claim))) {
        return BEARER_OK;
    }
    return REFUSE(j, AT_HASH, "the access token was not issued with this ID token (at_hash)");
}
