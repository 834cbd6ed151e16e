/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Checks 8 and 10 to 12: claims, whatever their source. See judge.h; judge_kind.c
 * checks the kind of token. Refusals are written for the administrator who reads the
 * log: what was found, what was expected, what to change.
 */
#include "judge/judge_checks.h"

#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"

/* ---- time in words ----------------------------------------------------- */

/** If a limit is missed by less than this, a wrong clock may be the cause. */
#define CLOCK_SUSPECT apr_time_from_sec(600)

/* "75 s", "12000 s (3 h 20 min)" */
static const char *span(apr_interval_time_t t, apr_pool_t *p)
{
    apr_int64_t s = apr_time_sec(t);

    if (s < 180) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT " s", s);
    }
    if (s < 2 * 3600) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT " s (%" APR_INT64_T_FMT
                            " min)", s, s / 60);
    }
    if (s < 2 * 86400) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT " s (%" APR_INT64_T_FMT
                            " h %" APR_INT64_T_FMT " min)", s, s / 3600,
                            s / 60 % 60);
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT " s (%" APR_INT64_T_FMT " days)",
                        s, s / 86400);
}

static const char *setting(const bearer_judgement_t *j, bearer_setting_t which)
{
    return bearer_settings_print(&j->settings, which, j->p);
}

static const char *skew(const bearer_judgement_t *j)
{
    return setting(j, BEARER_SET_CLOCK_SKEW);
}

/* A wrong clock is typically wrong by minutes. */
static const char *clock_hint(apr_interval_time_t off)
{
    return off < CLOCK_SUSPECT
               ? "; if new tokens are refused too, compare this server's clock with the issuer's"
               : "";
}

static bearer_reason_t no_date(bearer_judgement_t *j, bearer_reason_t reason,
                               const char *name)
{
    return bearer_refuse(&j->why, j->p, reason, "claim '%s' is not a number "
                         "of seconds since 1970 (RFC 7519 section 2)", name);
}

/* ---- check 8: issuer, tenant ------------------------------------------- */

/* For an introspection response: an absent iss means the issuer that was asked. */
bearer_reason_t bearer_check_iss(bearer_judgement_t *j)
{
    const json_t *iss = json_object_get(j->claims, "iss");

    if (!iss) {
        return BEARER_OK;
    }
    if (!json_is_string(iss)) {
        return REFUSE(j, ISS, "claim 'iss' is not a string (RFC 7519 section 4.1.1)");
    }
    j->iss = json_string_value(iss);
    if (bearer_issuers_find(j->issuers, j->iss, &j->tenant, j->p)
        != j->issuer) {
        return REFUSE(j, ISS, "the response names issuer %s, but the request went to issuer %s; if "
                      "they are the same, write the first in AuthBearerIssuerAlias of the second",
                      bearer_text_quote(j->p, j->iss),
                      bearer_text_quote(j->p, j->issuer->url));
    }
    return BEARER_OK;
}

static bearer_reason_t check_admission(bearer_judgement_t *j)
{
    const bearer_issuer_t *issuer = j->issuer;
    const apr_array_header_t *file = NULL;

    if (j->tenants && issuer->tenants_file) {
        file = j->tenants(j->baton, issuer, j->p);
        if (!file) {  /* not the token's fault, and not counted by the throttle */
            return REFUSE(j, KEYS, "the tenants of issuer %s are unknown: AuthBearerTenants "
                          "file:%s was not read; let the server's user read it",
                          bearer_text_quote(j->p, issuer->url), issuer->tenants_file);
        }
    }
    if (bearer_issuer_tenant_admitted(issuer, j->tenant, file)) {
        return BEARER_OK;
    }
    return REFUSE(j, TENANT, "tenant %s is not in AuthBearerTenants %s of issuer %s",
                  bearer_text_quote(j->p, j->tenant),
                  issuer->tenants_file
                      ? apr_pstrcat(j->p, "file:", issuer->tenants_file, NULL)
                      : bearer_text_quote_list(j->p, issuer->tenants),
                  bearer_text_quote(j->p, issuer->url));
}

bearer_reason_t bearer_check_tenant(bearer_judgement_t *j)
{
    const json_t *tid = json_object_get(j->claims, "tid");
    const char *named = json_string_value(tid);

    if (!bearer_issuer_is_template(j->issuer)) {
        return BEARER_OK;
    }
    if (!j->tenant) {
        /* a response without iss: only tid can tell */
        j->tenant = named;
    }
    if (!j->tenant) {
        return REFUSE(j, TENANT, "the response has no tenant in iss or tid");
    }
    if (tid && (!named || strcmp(named, j->tenant) != 0)) {
        return REFUSE(j, TENANT, "claim 'tid' is %s, but iss names tenant %s",
                      named ? bearer_text_quote(j->p, named) : "not a string",
                      bearer_text_quote(j->p, j->tenant));
    }
    return check_admission(j);
}

/* ---- check 8: audience ------------------------------------------------- */

static int aud_has_type(const json_t *aud)
{
    apr_size_t i = 0;

    while (i < json_array_size(aud) && bearer_judge_aud_at(aud, i)) {
        i++;
    }
    return !aud || json_is_string(aud)
        || (json_is_array(aud) && i == json_array_size(aud));
}

static const char *audience_hint(const bearer_judgement_t *j, const json_t *aud)
{
    const apr_array_header_t *wanted = j->settings.audience;
    apr_size_t i;
    int w;

    for (i = 0; i < bearer_judge_aud_count(aud) && i < 16; i++) {
        for (w = 0; w < wanted->nelts; w++) {
            const char *seen = bearer_judge_aud_at(aud, i);
            const char *difference = bearer_judge_difference(
                seen, APR_ARRAY_IDX(wanted, w, const char *));

            if (difference) {
                return apr_psprintf(j->p, "; %s differs %s: the two must be identical",
                                    bearer_text_quote(j->p, seen), difference);
            }
        }
    }
    return "";
}

static bearer_reason_t wrong_audience(bearer_judgement_t *j, const json_t *aud)
{
    apr_array_header_t *seen = apr_array_make(j->p, 4, sizeof(const char *));
    const char *wanted = bearer_text_quote_list(j->p, j->settings.audience);
    apr_size_t i;

    if (bearer_judge_aud_count(aud) == 1) {
        return REFUSE(j, AUD, "audience %s is not in AuthBearerAudience %s%s",
                      bearer_text_quote(j->p, bearer_judge_aud_at(aud, 0)), wanted,
                      audience_hint(j, aud));
    }
    for (i = 0; i < bearer_judge_aud_count(aud) && i < 16; i++) {
        APR_ARRAY_PUSH(seen, const char *) = bearer_judge_aud_at(aud, i);
    }
    return REFUSE(j, AUD, "the audiences %s are not in AuthBearerAudience %s%s",
                  bearer_text_quote_list(j->p, seen), wanted, audience_hint(j, aud));
}

bearer_reason_t bearer_check_audience(bearer_judgement_t *j)
{
    const json_t *aud = json_object_get(j->claims, "aud");
    const apr_array_header_t *wanted = j->settings.audience;
    apr_size_t i;

    if (!aud_has_type(aud)) {
        return REFUSE(j, AUD_TYPE, "claim 'aud' is neither a string nor an array of "
                      "strings (RFC 7519 section 4.1.3)");
    }
    if (apr_is_empty_array(wanted) && j->settings.session) {
        return REFUSE(j, AUD, "only sessions are accepted here: tokens need AuthBearerAudience");
    }
    if (apr_is_empty_array(wanted)) {
        return REFUSE(j, CONFIGURATION,
                      "no AuthBearerAudience applies here to issuer %s; set it to the audience of "
                      "this service's tokens (this token: %s)", bearer_text_quote(j->p, j->iss),
                      bearer_judge_aud_count(aud)
                          ? bearer_text_quote(j->p, bearer_judge_aud_at(aud, 0))
                          : "none");
    }
    if (!bearer_judge_aud_count(aud)) {
        return j->settings.no_audience_accept ? BEARER_OK
            : REFUSE(j, AUD, "the token has no audience (aud), but needs one of AuthBearerAudience "
                     "%s; request it for that audience, or write AuthBearerNoAudience accept and "
                     "AuthBearerClients",
                     bearer_text_quote_list(j->p, wanted));
    }
    for (i = 0; i < bearer_judge_aud_count(aud); i++) {
        if (bearer_text_among(wanted, bearer_judge_aud_at(aud, i))) {
            return BEARER_OK;
        }
    }
    return wrong_audience(j, aud);
}

/* ---- check 8: times ---------------------------------------------------- */

bearer_reason_t bearer_check_exp(bearer_judgement_t *j)
{
    apr_interval_time_t late;
    apr_time_t exp;
    apr_status_t rv = bearer_json_date(&exp, j->claims, "exp");

    if (rv == APR_NOTFOUND) {
        /* a logout token: its age and its jti limit its use */
        return j->on & (BEARER_ON_CLAIMS | BEARER_ON_USERINFO | BEARER_ON_LOGOUT)
            ? BEARER_OK
            : REFUSE(j, EXP_TYPE, "the token has no exp, and tokens without expiry are not "
                     "accepted; configure the issuer to set a lifetime");
    }
    if (rv != APR_SUCCESS) {
        return no_date(j, BEARER_EXP_TYPE, "exp");
    }
    late = j->now - exp;
    if (late < j->settings.clock_skew) {
        return BEARER_OK;
    }
    return REFUSE(j, EXP, "the token expired %s ago (AuthBearerClockSkew %s%s); the client must "
                  "get a new one%s", span(late, j->p),
                  j->settings.clock_skew ? "allows less than " : "is ", skew(j),
                  clock_hint(late));
}

/* Checks that a time is not in the future. what: format for it, with a span of time. */
static bearer_reason_t check_begun(bearer_judgement_t *j, const char *claim,
                                   bearer_reason_t no_time, bearer_reason_t reason,
                                   const char *what)
{
    apr_time_t t = 0;
    apr_status_t rv = bearer_json_date(&t, j->claims, claim);

    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        return no_date(j, no_time, claim);
    }
    if (rv == APR_NOTFOUND || t <= j->now + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, reason, "%s%s%s; AuthBearerClockSkew allows %s%s",
                         what, span(t - j->now, j->p),
                         reason == BEARER_NBF ? " from now" : " in the future",
                         skew(j), clock_hint(t - j->now));
}

bearer_reason_t bearer_check_nbf(bearer_judgement_t *j)
{
    return check_begun(j, "nbf", BEARER_NBF_TYPE, BEARER_NBF,
                       "the token is not valid (nbf) before ");
}

bearer_reason_t bearer_check_iat(bearer_judgement_t *j)
{
    return check_begun(j, "iat", BEARER_IAT_TYPE, BEARER_IAT,
                       "the token was issued (iat) ");
}

/*
 * If the directive is configured, a missing iat is refused, except for JWT-SVIDs,
 * which have none. The default is for tokens that are not introspected: an issuer
 * that has just called a token active knows its age.
 */
bearer_reason_t bearer_check_age(bearer_judgement_t *j)
{
    int written = (int)bearer_settings_has(&j->settings, MAX_TOKEN_AGE);
    apr_interval_time_t max = j->settings.max_token_age;
    apr_time_t iat;

    if (!max || (j->on == BEARER_ON_CLAIMS && !written)) {
        return BEARER_OK;
    }
    if (bearer_json_date(&iat, j->claims, "iat") != APR_SUCCESS) {
        return !written || (j->issuer && bearer_issuer_is_spiffe(j->issuer))
            ? BEARER_OK
            : REFUSE(j, AGE, "the token has no iat, which AuthBearerMaxTokenAge %s needs",
                     setting(j, BEARER_SET_MAX_TOKEN_AGE));
    }
    if (j->now - iat <= max + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return REFUSE(j, AGE, "the token was issued %s ago; AuthBearerMaxTokenAge is %s "
                  "(AuthBearerClockSkew %s); the client must get a new one, or raise the maximum",
                  span(j->now - iat, j->p),
                  setting(j, BEARER_SET_MAX_TOKEN_AGE), skew(j));
}

/* ---- check 8: user claim ----------------------------------------------- */

bearer_reason_t bearer_check_user_claim(bearer_judgement_t *j)
{
    if (bearer_user_claim_is_email(&j->settings.user_claim)) {
        return REFUSE(j, CONFIGURATION,
                      "AuthBearerUserClaim email is not possible for tokens, because the address "
                      "may be unverified; use sub");
    }
    return bearer_principal_user_claim(j->claims, &j->settings, &j->why, j->p);
}

/* ---- check 10: calling client ------------------------------------------ */

static const char *foreign_audience(const bearer_judgement_t *j)
{
    const json_t *aud = json_object_get(j->claims, "aud");
    apr_size_t i;

    for (i = 0; i < bearer_judge_aud_count(aud); i++) {
        const char *one = bearer_judge_aud_at(aud, i);

        if (one && !bearer_text_among(j->settings.audience, one)) {
            return one;
        }
    }
    return NULL;
}

bearer_reason_t bearer_check_client(bearer_judgement_t *j)
{
    const char *name, *foreign;
    const json_t *client = bearer_principal_client_claim(j->claims, &name);

    if (client) {
        return json_string_length(client) ? BEARER_OK
            : REFUSE(j, AZP, "claim '%s', the client, is empty or not a string",
                     name);
    }
    foreign = foreign_audience(j);
    if (!foreign) {
        return BEARER_OK;
    }
    return REFUSE(j, AZP, "the token is also for %s, which is not in AuthBearerAudience %s, but "
                  "does not name its client (azp, client_id, appid or cid)",
                  bearer_text_quote(j->p, foreign),
                  bearer_text_quote_list(j->p, j->settings.audience));
}

bearer_reason_t bearer_check_clients(bearer_judgement_t *j)
{
    const apr_array_header_t *clients = j->settings.clients;
    const char *client = bearer_principal_client(j->claims, &j->settings);

    if (apr_is_empty_array(clients) || bearer_text_among(clients, client)) {
        return BEARER_OK;
    }
    if (!client) {
        return REFUSE(j, CLIENTS, "the token does not name its client (azp, client_id, appid or "
                      "cid), but AuthBearerClients needs one of %s",
                      bearer_text_quote_list(j->p, clients));
    }
    return REFUSE(j, CLIENTS, "client %s is not in AuthBearerClients %s",
                  bearer_text_quote(j->p, client),
                  bearer_text_quote_list(j->p, clients));
}

/* ---- checks 11 and 12 -------------------------------------------------- */

bearer_reason_t bearer_check_revocation(bearer_judgement_t *j)
{
    return !j->revoked ? BEARER_OK
        : j->revoked(j->baton, j->iss,
                     bearer_principal_jti(j->claims, j->p), j->token,
                     j->token_len, &j->why, j->p);
}

bearer_reason_t bearer_check_identifier(bearer_judgement_t *j)
{
    const char *error = bearer_judge_names_error(j->issuers, &j->settings,
                                                 j->issuer, j->p);

    return error ? REFUSE(j, CONFIGURATION, "%s", error)
                 : bearer_principal_build(&j->principal, j->method, j->claims,
                                          j->issuer, j->iss, j->tenant,
                                          &j->settings, &j->why, j->p);
}
