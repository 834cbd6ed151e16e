/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Checks 8 to 12: claims, whoever vouches for them. See judge.h. The refusals
 * are written for the administrator who reads the log: what was seen, what is
 * wanted, what to change.
 */
#include "judge/judge_checks.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"

/* ---- time in words ----------------------------------------------------- */

/** What happened so little before or after the limit may be a clock's fault. */
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

/* A clock that is wrong is minutes wrong. */
static const char *clock_hint(apr_interval_time_t off)
{
    return off < CLOCK_SUSPECT
               ? "; if new tokens are refused so, compare this server's clock "
                 "with the issuer's" : "";
}

static bearer_reason_t no_date(bearer_judgement_t *j, bearer_reason_t reason,
                               const char *name)
{
    return bearer_refuse(&j->why, j->p, reason, "claim '%s' is not a number "
                         "of seconds since 1970 (RFC 7519 section 2)", name);
}

/* ---- check 8: issuer, tenant ------------------------------------------- */

/* Of an answer: an absent iss is the issuer that was asked. */
bearer_reason_t bearer_check_iss(bearer_judgement_t *j)
{
    const json_t *iss = json_object_get(j->claims, "iss");

    if (!iss) {
        return BEARER_OK;
    }
    if (!json_is_string(iss)) {
        return bearer_refuse(&j->why, j->p, BEARER_ISS, "claim 'iss' is not "
                             "a string (RFC 7519 section 4.1.1)");
    }
    j->iss = json_string_value(iss);
    if (bearer_issuers_find(j->issuers, j->iss, &j->tenant, j->p)
        != j->issuer) {
        return bearer_refuse(&j->why, j->p, BEARER_ISS, "the answer speaks of "
                             "issuer %s, but issuer %s was asked; if both are "
                             "one, name the former in its AuthBearerIssuerAlias",
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
        file = j->tenants(j->tenants_baton, issuer, j->p);
        if (!file) {  /* not the token's fault, and none that the throttle counts */
            return bearer_refuse(&j->why, j->p, BEARER_KEYS, "no tenant of issuer"
                                 " %s is known: AuthBearerTenants file:%s was not"
                                 " read; can the server's user read it?",
                                 bearer_text_quote(j->p, issuer->url),
                                 issuer->tenants_file);
        }
    }
    if (bearer_issuer_tenant_admitted(issuer, j->tenant, file)) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_TENANT, "tenant %s is not in "
                         "AuthBearerTenants %s of issuer %s",
                         bearer_text_quote(j->p, j->tenant),
                         issuer->tenants_file
                             ? apr_pstrcat(j->p, "file:", issuer->tenants_file,
                                           NULL)
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
        /* an answer without iss: only tid can tell */
        j->tenant = named;
    }
    if (!j->tenant) {
        return bearer_refuse(&j->why, j->p, BEARER_TENANT, "the answer names no"
                             " tenant, neither in iss nor in tid");
    }
    if (tid && (!named || strcmp(named, j->tenant) != 0)) {
        return bearer_refuse(&j->why, j->p, BEARER_TENANT, "claim 'tid' is "
                             "%s, but iss speaks of tenant %s",
                             named ? bearer_text_quote(j->p, named)
                                   : "not a string",
                             bearer_text_quote(j->p, j->tenant));
    }
    return check_admission(j);
}

/* ---- check 8: audience ------------------------------------------------- */

/* aud is a string or an array (RFC 7519 section 4.1.3): its members alike. */
static apr_size_t aud_count(const json_t *aud)
{
    return json_is_string(aud) ? 1 : json_array_size(aud);
}

static const char *aud_at(const json_t *aud, apr_size_t i)
{
    return json_string_value(json_is_string(aud) ? aud
                                                 : json_array_get(aud, i));
}

static int aud_has_type(const json_t *aud)
{
    apr_size_t i;

    if (!aud || json_is_string(aud)) {
        return 1;
    }
    if (!json_is_array(aud)) {
        return 0;
    }
    for (i = 0; i < json_array_size(aud); i++) {
        if (!aud_at(aud, i)) {
            return 0;
        }
    }
    return 1;
}

static const char *audience_hint(const bearer_judgement_t *j, const json_t *aud)
{
    const apr_array_header_t *wanted = j->settings.audience;
    apr_size_t i;
    int w;

    for (i = 0; i < aud_count(aud) && i < 16; i++) {
        for (w = 0; w < wanted->nelts; w++) {
            const char *seen = aud_at(aud, i);
            const char *difference = bearer_judge_difference(
                seen, APR_ARRAY_IDX(wanted, w, const char *));

            if (difference) {
                return apr_psprintf(j->p, "; %s differs %s, and has to be equal"
                                    " byte for byte",
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

    if (aud_count(aud) == 1) {
        return bearer_refuse(&j->why, j->p, BEARER_AUD, "audience %s is not in "
                             "AuthBearerAudience %s%s",
                             bearer_text_quote(j->p, aud_at(aud, 0)), wanted,
                             audience_hint(j, aud));
    }
    for (i = 0; i < aud_count(aud) && i < 16; i++) {
        APR_ARRAY_PUSH(seen, const char *) = aud_at(aud, i);
    }
    return bearer_refuse(&j->why, j->p, BEARER_AUD, "none of the audiences %s "
                         "is in AuthBearerAudience %s%s",
                         bearer_text_quote_list(j->p, seen), wanted,
                         audience_hint(j, aud));
}

bearer_reason_t bearer_check_audience(bearer_judgement_t *j)
{
    const json_t *aud = json_object_get(j->claims, "aud");
    apr_size_t i;

    if (!aud_has_type(aud)) {
        return bearer_refuse(&j->why, j->p, BEARER_AUD_TYPE, "claim 'aud' is "
                             "neither a string nor an array of strings (RFC "
                             "7519 section 4.1.3)");
    }
    if ((!j->settings.audience || !j->settings.audience->nelts)
        && j->settings.session) {
        return bearer_refuse(&j->why, j->p, BEARER_AUD, "only sessions are let in "
                             "here: no AuthBearerAudience says whom a token must "
                             "be meant for");
    }
    if (!j->settings.audience || !j->settings.audience->nelts) {
        return bearer_refuse(&j->why, j->p, BEARER_CONFIGURATION, "no "
                             "AuthBearerAudience is in force here for issuer "
                             "%s: write the audience that its tokens for this "
                             "place carry (this one: %s)",
                             bearer_text_quote(j->p, j->iss),
                             aud_count(aud)
                                 ? bearer_text_quote(j->p, aud_at(aud, 0))
                                 : "none");
    }
    if (!aud_count(aud)) {
        return j->settings.no_audience_accept ? BEARER_OK
            : bearer_refuse(&j->why, j->p, BEARER_AUD, "the token names no "
                            "audience (aud), wanted is one of "
                            "AuthBearerAudience %s: request the token for that "
                            "audience, or write AuthBearerNoAudience accept, "
                            "with AuthBearerClients",
                            bearer_text_quote_list(j->p, j->settings.audience));
    }
    for (i = 0; i < aud_count(aud); i++) {
        if (bearer_text_among(j->settings.audience, aud_at(aud, i))) {
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
        return j->on == BEARER_ON_CLAIMS ? BEARER_OK
            : bearer_refuse(&j->why, j->p, BEARER_EXP_TYPE, "the token has no "
                            "exp: a token that never expires is not accepted; "
                            "let the issuer give it a lifetime");
    }
    if (rv != APR_SUCCESS) {
        return no_date(j, BEARER_EXP_TYPE, "exp");
    }
    late = j->now - exp;
    if (late < j->settings.clock_skew) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_EXP, "the token expired %s ago, "
                         "AuthBearerClockSkew %s%s: the client has to get a new "
                         "one%s", span(late, j->p),
                         j->settings.clock_skew ? "allows for less than " : "is ",
                         skew(j), clock_hint(late));
}

bearer_reason_t bearer_check_nbf(bearer_judgement_t *j)
{
    apr_time_t nbf;
    apr_status_t rv = bearer_json_date(&nbf, j->claims, "nbf");

    if (rv == APR_NOTFOUND) {
        return BEARER_OK;
    }
    if (rv != APR_SUCCESS) {
        return no_date(j, BEARER_NBF_TYPE, "nbf");
    }
    if (nbf <= j->now + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_NBF, "the token is not valid "
                         "(nbf) before %s from now, AuthBearerClockSkew allows "
                         "for %s%s", span(nbf - j->now, j->p), skew(j),
                         clock_hint(nbf - j->now));
}

bearer_reason_t bearer_check_iat(bearer_judgement_t *j)
{
    apr_time_t iat;
    apr_status_t rv = bearer_json_date(&iat, j->claims, "iat");

    if (rv == APR_NOTFOUND) {
        return BEARER_OK;
    }
    if (rv != APR_SUCCESS) {
        return no_date(j, BEARER_IAT_TYPE, "iat");
    }
    if (iat <= j->now + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_IAT, "the token was issued (iat) "
                         "%s in the future, AuthBearerClockSkew allows for %s%s",
                         span(iat - j->now, j->p), skew(j),
                         clock_hint(iat - j->now));
}

/*
 * Where the directive is written a missing iat is refused, but for JWT-SVIDs,
 * which have none. The default is for tokens that nobody can ask about: an
 * issuer that has just called a token active knows its age.
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
        return !written || (j->issuer && bearer_judge_is_spiffe(j->issuer))
            ? BEARER_OK
            : bearer_refuse(&j->why, j->p, BEARER_AGE, "the token does not say "
                            "when it was issued (iat), which "
                            "AuthBearerMaxTokenAge %s demands",
                            setting(j, BEARER_SET_MAX_TOKEN_AGE));
    }
    if (j->now - iat <= max + j->settings.clock_skew) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_AGE, "the token was issued %s "
                         "ago, AuthBearerMaxTokenAge is %s (and "
                         "AuthBearerClockSkew %s): the client has to get a new "
                         "one, or raise the former", span(j->now - iat, j->p),
                         setting(j, BEARER_SET_MAX_TOKEN_AGE), skew(j));
}

/* ---- check 8: user claim, profile -------------------------------------- */

bearer_reason_t bearer_check_user_claim(bearer_judgement_t *j)
{
    const char *path = bearer_path_text(j->settings.user_claim.path);

    if (strcmp(path, "email") == 0) {
        return bearer_refuse(&j->why, j->p, BEARER_CONFIGURATION,
                             "AuthBearerUserClaim email is not possible for "
                             "tokens: an address that nobody has verified would "
                             "become the user; use sub");
    }
    return bearer_principal_user_claim(j->claims, &j->settings, &j->why, j->p);
}

/* RFC 7515 section 4.1.9: without a slash as if application/ came first; and
 * case does not matter. */
static int is_typ(const char *typ, const char *wanted)
{
    if (strncasecmp(typ, "application/", 12) == 0) {
        typ += 12;
    }
    return strcasecmp(typ, wanted) == 0;
}

static int is_at_jwt(const bearer_judgement_t *j)
{
    return j->jws.typ && is_typ(j->jws.typ, "at+jwt");
}

/* RFC 9068 sections 2.2 and 4. */
bearer_reason_t bearer_check_profile(bearer_judgement_t *j)
{
    static const char *const required[] = { "iss", "exp", "aud", "sub",
                                            "client_id", "iat", "jti" };
    unsigned i;

    if (j->settings.token_profile != BEARER_PROFILE_RFC9068) {
        return BEARER_OK;
    }
    if (!is_at_jwt(j)) {
        return bearer_refuse(&j->why, j->p, BEARER_PROFILE, "header typ is %s, "
                             "but AuthBearerTokenProfile rfc9068 demands "
                             "'at+jwt'", bearer_text_quote(j->p, j->jws.typ));
    }
    for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        const json_t *value = json_object_get(j->claims, required[i]);

        if (!value || json_is_null(value)) {
            return bearer_refuse(&j->why, j->p, BEARER_PROFILE, "claim '%s' "
                                 "is missing, which AuthBearerTokenProfile "
                                 "rfc9068 demands", required[i]);
        }
    }
    return BEARER_OK;
}

/* ---- check 9a: never an access token ----------------------------------- */

typedef struct sign_t {
    const char *seen;
    const char *is;    /* what shows that sign */
} sign_t;

static const sign_t header_types[] = {
    { "dpop+jwt", "a DPoP proof" },
    { "logout+jwt", "a logout token" },
    { "secevent+jwt", "a security event" },
    { "token-introspection+jwt", "an introspection answer" },
    { NULL, "something else" }
};

static const sign_t payload_types[] = {
    { "ID", "an ID token" },
    { "Refresh", "a refresh token" },
    { "Offline", "an offline token" },
    { "Logout", "a logout token" },
    { NULL, NULL }
};

static const sign_t telling_claims[] = {
    { "nonce", "an ID token" },
    { "at_hash", "an ID token" },
    { "c_hash", "an ID token" },
    { NULL, NULL }
};

static bearer_reason_t not_an_access_token(bearer_judgement_t *j,
                                           const char *sign, const char *is)
{
    return bearer_refuse(&j->why, j->p, BEARER_TYPE, "%s: this is %s, not an "
                         "access token; the client has to send the "
                         "access_token of the issuer's answer", sign, is);
}

static bearer_reason_t check_header_typ(bearer_judgement_t *j)
{
    const char *typ = j->jws.typ;
    const sign_t *row = header_types;

    if (!typ || is_typ(typ, "JWT") || is_typ(typ, "at+jwt")
        || (j->issuer && bearer_judge_is_spiffe(j->issuer)
            && is_typ(typ, "JOSE"))) {
        return BEARER_OK;
    }
    while (row->seen && !is_typ(typ, row->seen)) {
        row++;
    }
    return not_an_access_token(j, apr_psprintf(j->p, "header typ is %s, wanted "
                                               "is JWT or at+jwt",
                                               bearer_text_quote(j->p, typ)),
                               row->is);
}

/* `access` as Cognito writes it; Hydra's introspection says access_token. */
static int is_access_use(const bearer_judgement_t *j, const json_t *use)
{
    const char *s = json_string_value(use);

    return s && (strcmp(s, "access") == 0
                 || (j->on == BEARER_ON_CLAIMS
                     && strcmp(s, "access_token") == 0));
}

static bearer_reason_t check_token_use(bearer_judgement_t *j)
{
    const json_t *use = json_object_get(j->claims, "token_use");
    const char *s = json_string_value(use);

    if (!use || is_access_use(j, use)) {
        return BEARER_OK;
    }
    return not_an_access_token(j, apr_psprintf(j->p, "claim 'token_use' is "
                                               "%s, wanted is access",
                                               s ? bearer_text_quote(j->p, s)
                                                 : "not a string"),
                               s && strcmp(s, "id") == 0 ? "an ID token"
                                                         : "another token");
}

/* RFC 7662 wants Bearer there; some issuers say which of the tokens it is. */
static bearer_reason_t check_token_type(bearer_judgement_t *j)
{
    const char *type = j->on == BEARER_ON_CLAIMS
                           ? bearer_json_string(j->claims, "token_type") : NULL;

    return type && strcasecmp(type, "refresh_token") == 0
               ? not_an_access_token(j, "claim 'token_type' is "
                                     "'refresh_token'", "a refresh token")
               : BEARER_OK;
}

static bearer_reason_t check_payload_typ(bearer_judgement_t *j)
{
    const char *typ = bearer_json_string(j->claims, "typ");
    const sign_t *row;

    for (row = payload_types; typ && row->seen; row++) {
        if (strcasecmp(typ, row->seen) == 0) {
            return not_an_access_token(j, apr_psprintf(j->p, "claim 'typ' is "
                                                       "'%s'", row->seen),
                                       row->is);
        }
    }
    return BEARER_OK;
}

static bearer_reason_t check_telling_claims(bearer_judgement_t *j)
{
    static const char logout[] =
        "http://schemas.openid.net/event/backchannel-logout";
    const json_t *events = json_object_get(j->claims, "events");
    const sign_t *row;

    for (row = telling_claims; row->seen; row++) {
        if (json_object_get(j->claims, row->seen)) {
            return not_an_access_token(j, apr_psprintf(j->p, "it has a claim "
                                                       "'%s'", row->seen),
                                       row->is);
        }
    }
    return json_object_get(events, logout)
               ? not_an_access_token(j, "its claim 'events' has a logout",
                                     "a logout token")
               : BEARER_OK;
}

bearer_reason_t bearer_check_type(bearer_judgement_t *j)
{
    static bearer_reason_t (*const parts[])(bearer_judgement_t *) = {
        check_header_typ, check_token_use, check_token_type,
        check_payload_typ, check_telling_claims
    };
    bearer_reason_t reason = BEARER_OK;
    unsigned i;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && reason == BEARER_OK;
         i++) {
        reason = parts[i](j);
    }
    return reason;
}

/* ---- check 9b: refused as an ID token ---------------------------------- */

static int has_scope_claim(const bearer_judgement_t *j)
{
    const apr_array_header_t *paths = j->settings.scope_claim;
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        const json_t *scope = bearer_path_find(
            APR_ARRAY_IDX(paths, i, const bearer_path_t *), j->claims);

        if (json_string_length(scope) || json_array_size(scope)) {
            return 1;
        }
    }
    return 0;
}

bearer_reason_t bearer_check_id_token(bearer_judgement_t *j)
{
    const char *own = j->settings.client_id;
    const json_t *aud = json_object_get(j->claims, "aud");
    const char *client;

    if (!own || aud_count(aud) != 1 || !aud_at(aud, 0)
        || strcmp(aud_at(aud, 0), own) != 0) {
        return BEARER_OK;
    }
    client = bearer_principal_client(j->claims);
    if (is_at_jwt(j) || has_scope_claim(j)
        || is_access_use(j, json_object_get(j->claims, "token_use"))
        || (client && strcmp(client, own) != 0)) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_ID_TOKEN, "the only audience is "
                         "%s, this server's own AuthBearerClientID, and nothing "
                         "shows an access token (typ at+jwt, token_use access, "
                         "a scope, another client): this is an ID token; the "
                         "client has to send its access token",
                         bearer_text_quote(j->p, own));
}

/* ---- check 10: calling client ------------------------------------------ */

static const char *foreign_audience(const bearer_judgement_t *j)
{
    const json_t *aud = json_object_get(j->claims, "aud");
    apr_size_t i;

    for (i = 0; i < aud_count(aud); i++) {
        const char *one = aud_at(aud, i);

        if (one && !bearer_text_among(j->settings.audience, one)) {
            return one;
        }
    }
    return NULL;
}

static bearer_reason_t check_client_type(bearer_judgement_t *j)
{
    static const char *const names[] = { "azp", "client_id", "appid", "cid" };
    unsigned i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *value = json_object_get(j->claims, names[i]);

        if (value && !json_string_length(value)) {
            return bearer_refuse(&j->why, j->p, BEARER_AZP, "claim '%s', the "
                                 "calling client, is empty or not a string",
                                 names[i]);
        }
        if (value) {
            break;
        }
    }
    return BEARER_OK;
}

bearer_reason_t bearer_check_client(bearer_judgement_t *j)
{
    bearer_reason_t reason = check_client_type(j);
    const char *foreign;

    if (reason != BEARER_OK || bearer_principal_client(j->claims)) {
        return reason;
    }
    foreign = foreign_audience(j);
    if (!foreign) {
        return BEARER_OK;
    }
    return bearer_refuse(&j->why, j->p, BEARER_AZP, "the token is for %s too, "
                         "which is not in AuthBearerAudience %s, and so must "
                         "name its client (azp, client_id, appid or cid), but "
                         "does not", bearer_text_quote(j->p, foreign),
                         bearer_text_quote_list(j->p, j->settings.audience));
}

bearer_reason_t bearer_check_clients(bearer_judgement_t *j)
{
    const apr_array_header_t *clients = j->settings.clients;
    const char *client = bearer_principal_client(j->claims);

    if (!clients || !clients->nelts || bearer_text_among(clients, client)) {
        return BEARER_OK;
    }
    if (!client) {
        return bearer_refuse(&j->why, j->p, BEARER_CLIENTS, "the token names no "
                             "client (azp, client_id, appid or cid), wanted is "
                             "one of AuthBearerClients %s",
                             bearer_text_quote_list(j->p, clients));
    }
    return bearer_refuse(&j->why, j->p, BEARER_CLIENTS, "client %s is not in "
                         "AuthBearerClients %s", bearer_text_quote(j->p, client),
                         bearer_text_quote_list(j->p, clients));
}

/* ---- checks 11 and 12 -------------------------------------------------- */

bearer_reason_t bearer_check_revocation(bearer_judgement_t *j)
{
    return !j->revoked ? BEARER_OK
        : j->revoked(j->revoked_baton, j->iss,
                     bearer_principal_jti(j->claims, j->p), j->token,
                     j->token_len, &j->why, j->p);
}

bearer_reason_t bearer_check_identifier(bearer_judgement_t *j)
{
    const char *error = bearer_judge_names_error(j->issuers, &j->settings,
                                                 j->issuer, j->p);

    return error ? bearer_refuse(&j->why, j->p, BEARER_CONFIGURATION, "%s", error)
                 : bearer_principal_build(&j->principal, j->method, j->claims,
                                          j->issuer, j->iss, j->tenant,
                                          &j->settings, &j->why, j->p);
}
