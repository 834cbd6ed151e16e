/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The user of a session, by its claims. See session.h. */
#include "login/session.h"

#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "login/login.h"

/* Anyone can claim an address that is not verified. */
static int is_unverified(const json_t *claims, const bearer_settings_t *settings)
{
    return strcmp(bearer_path_text(settings->session_user_claim.path), "email") == 0
        && !json_is_true(json_object_get(claims, "email_verified"));
}

int bearer_session_email_is_open(const json_t *claims, const bearer_settings_t *settings)
{
    return is_unverified(claims, settings) && bearer_json_string(claims, "email");
}

static bearer_reason_t check_email(const json_t *claims,
                                   const bearer_settings_t *settings,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    if (!is_unverified(claims, settings)) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_SESSION_USER,
                         "the user's e-mail address is unverified (email_verified is not true), so "
                         "it cannot be the user name; let the issuer verify it, or name another "
                         "claim in AuthBearerSessionUserClaim (sub)");
}

bearer_reason_t bearer_session_user_of(const bearer_principal_t **principal,
                                       json_t *claims,
                                       const bearer_issuer_t *issuer,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_settings_t s = *settings;
    const char *iss = bearer_json_string(claims, "iss");
    bearer_reason_t reason;

    iss = iss ? iss : issuer->url;

    *principal = NULL;
    s.user_claim = s.session_user_claim;
    reason = check_email(claims, &s, why, p);
    if (reason == BEARER_OK) {
        reason = bearer_principal_build(principal, "cookie", claims, issuer, iss,
                                        bearer_issuer_tenant_of(issuer, iss, p),
                                        &s, why, p);
    }
    if (reason == BEARER_USER_CLAIM) {
        return bearer_refuse(why, p, BEARER_SESSION_USER,
                             "claim %s, named by AuthBearerSessionUserClaim, is missing or "
                             "unusable; request its scope (AuthBearerLoginScopes), or name another "
                             "claim",
                             bearer_text_quote(p, bearer_path_text(
                                 s.session_user_claim.path)));
    }
    return reason;
}

static const apr_array_header_t *dropped_of(const json_t *body, apr_pool_t *p)
{
    json_t *dropped = json_object_get(body, BEARER_SESSION_DROPPED), *parts;
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(const char *));
    const char *name;

    json_object_foreach(dropped, name, parts) {
        APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(p, name);
    }
    return names->nelts ? names : NULL;
}

/* The user must not become another one because a claim was dropped. */
static bearer_reason_t check_user_kept(const bearer_principal_t *principal,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_path_t *path;
    const char *lost = NULL;
    int i;

    for (i = 0; !lost && (path = bearer_user_claim_at(&settings->session_user_claim, i)); i++) {
        lost = bearer_principal_lost(principal, path);
    }
    return !lost ? BEARER_OK
        : bearer_refuse(why, p, BEARER_SESSION_USER, "this session, begun before the "
                        "configuration changed, has not kept claim %s, which "
                        "AuthBearerSessionUserClaim now names; the user must sign in again",
                        bearer_text_quote(p, lost));
}

bearer_reason_t bearer_session_principal(const bearer_principal_t **principal,
                                         bearer_session_t *session,
                                         const bearer_issuer_t *issuer,
                                         const bearer_settings_t *settings,
                                         bearer_refusal_t *why, apr_pool_t *p)
{
    const json_t *body = bearer_session_body(session, p);
    const json_t *said = json_object_get(body, BEARER_SESSION_CLAIMS);
    json_t *claims = said ? bearer_login_merge(
        said, json_object_get(body, BEARER_SESSION_USERINFO), p) : NULL;
    bearer_principal_t lost = { .dropped = dropped_of(body, p) }, *own;
    bearer_reason_t reason;

    if (!claims) {
        return bearer_refuse(why, p, BEARER_INTERNAL, "the session's record "
                             "cannot be read");
    }
    reason = check_user_kept(&lost, settings, why, p);
    if (reason == BEARER_OK) {
        reason = bearer_session_user_of(principal, claims, issuer, settings, why, p);
    }
    if (reason == BEARER_OK) {
        own = apr_pmemdup(p, *principal, sizeof(*own));
        own->expires = session->ends;  /* the ID token's exp was for the login */
        own->not_before = 0;
        own->dropped = lost.dropped;
        /* userinfo may name any */
        own->client = bearer_json_string(said, "azp");
        own->client = apr_pstrdup(p, own->client ? own->client
                                  : bearer_json_string(body, BEARER_SESSION_CLIENT));
        *principal = own;
    }
    return reason;
}
