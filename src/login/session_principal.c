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
    bearer_principal_t *own;
    bearer_reason_t reason;

    if (!claims) {
        return bearer_refuse(why, p, BEARER_INTERNAL, "the session's record "
                             "cannot be read");
    }
    reason = bearer_session_user_of(principal, claims, issuer, settings, why, p);
    if (reason == BEARER_OK) {
        own = apr_pmemdup(p, *principal, sizeof(*own));
        own->expires = session->ends;  /* the ID token's exp was for the login */
        own->not_before = 0;
        *principal = own;
    }
    return reason;
}
