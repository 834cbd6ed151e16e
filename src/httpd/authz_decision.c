/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authz_decision.c
 * Takes httpd's decision about the rules of a location and translates it: an
 * authenticated principal gets 403 instead of httpd's 401, with the challenge and the
 * log line.
 */
#include "authn.h"
#include "authz.h"
#include "browser_domain.h"
#include "environment.h"
#include "foreign_user.h"
#include "refuse.h"
#include "status.h"

#include <apr_strings.h>
#include <http_request.h>

#include "base/text.h"

/* `Require all granted` needs no authentication. In three cases this module
 * authenticates anyway: there is a `Require not` of this module, an expression has
 * already used the claims, or AuthBearerOptional is set, which refuses bad credentials. */
int ab_authz_force(request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    if (own && own->negated) {
        return OK;  /* the rule cannot be decided before the user is known */
    }
    if (!ab_config_in_force(r)) {
        return DECLINED;
    }
    return (own && own->ahead) || ab_config_of(r)->optional ? OK : DECLINED;
}

/* RFC 9470: a browser signs in again, a client learns what is missing. */
static int ask_for_more(request_rec *r, const request_t *own)
{
    const ab_refused_t more = { .login = own->weak };
    bearer_settings_t settings = *own->settings;
    int status = DECLINED;

    if (own->settings->login.on && !strcmp(own->principal->method, "cookie")) {
        settings.login.parameters = settings.login.parameters
            ? apr_array_append(r->pool, settings.login.parameters, own->weak) : own->weak;
        ab_browser_too_weak(r, own->weak_detail);
        status = ab_authn_sign_in_again(r, &settings, own->principal->issuer,
                                        own->weak_detail);
    }
    return status != DECLINED ? status : ab_refuse(r, BEARER_ACR, own->weak_detail, &more);
}

static int forbid(request_rec *r, const request_t *own)
{
    const apr_array_header_t *scopes = ab_authz_scopes(r, own->principal,
                                                       own->settings);
    const char *lost = own->maybe
        ? apr_psprintf(r->pool, "; claim %s is malformed, or the session has not kept it "
                       "(AuthBearerSessionClaims): let it be kept, and sign in again",
                       bearer_text_quote(r->pool, own->maybe)) : "";
    const char *asked = own->unmet
        ? bearer_text_quote_list(r->pool, own->unmet) : "(no line of this module)";

    if (own->weak) {
        return ask_for_more(r, own);
    }
    if (scopes) {
        const ab_refused_t more = { .scopes = scopes };

        return ab_refuse(r, BEARER_SCOPE,
            apr_psprintf(r->pool, "the token has scopes %s, but Require scope needs one of %s "
                         "(AuthBearerScopeClaim)%s",
                         bearer_text_quote(r->pool, own->principal->scope),
                         bearer_text_quote_list(r->pool, scopes), lost), &more);
    }
    if (own->principal->left_out) {
        ab_environment_left_out(r, own->principal->left_out);
    }
    return ab_refuse(r, BEARER_REQUIRE,
        apr_psprintf(r->pool, "the token is valid, but these Require lines are not met: %s; roles "
                     "are %s (AuthBearerRolesClaim), groups are %s (AuthBearerGroupsClaim)%s",
                     asked,
                     bearer_text_quote_list(r->pool, own->principal->roles),
                     bearer_text_quote_list(r->pool, own->principal->groups), lost),
        NULL);
}

int ab_authz_lost(request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    if (!own || !own->lost || !ab_config_in_force(r)) {
        return DECLINED;
    }
    return ab_refuse(r, BEARER_REQUIRE, apr_psprintf(
        r->pool, "a rule or an expression cannot be decided: claim %s is malformed, or the session "
        "has not kept it (AuthBearerSessionClaims): let it be kept, and sign in again",
        bearer_text_quote(r->pool, own->lost)), NULL);
}

/* httpd answers 401, or 403 without headers, to a user without permission. This hook
 * takes the decision first, to add the challenge and the log line. */
int ab_authz_checker(request_rec *r)
{
    request_t *own = ab_request_peek(r);
    ab_refused_t more = { 0 };
    int status, anonymous;

    if ((own && own->deciding) || !ab_config_in_force(r)) {
        return DECLINED;
    }
    if (!own || !own->principal) {  /* another module authenticated this request */
        ab_foreign_user_settle(r);
        status = ab_authn_check_user_id(r);
        if (status != OK) {
            return status;
        }
        own = ab_request(r);
    }
    anonymous = own->principal->user == NULL;
    if (anonymous) {
        /* so that valid-user and similar rules ignore this user */
        ab_foreign_user_settle(r);
        if (own->preflight) {
            return OK;   /* only a user was missing so far */
        }
    }
    own->deciding = 1;
    status = ap_run_auth_checker(r);
    own->deciding = 0;
    if (own->lost) {
        return ab_authz_lost(r);
    }
    if (own->undecided && status == HTTP_INTERNAL_SERVER_ERROR) {
        return ab_refuse(r, BEARER_CONFIGURATION, own->undecided, NULL);
    }
    if (status != HTTP_UNAUTHORIZED && status != HTTP_FORBIDDEN) {
        if (status == OK && !anonymous && ap_is_initial_req(r)) {
            ab_status_granted(own->principal->issuer);
        }
        return status;
    }
    if (anonymous) {
        own->principal = NULL;
        more.scopes = ab_authz_scopes(r, NULL, own->settings);
        return ab_refuse(r, BEARER_NO_CREDENTIAL,
                         "the request has no token; with AuthBearerOptional, it must still match "
                         "the Require lines", &more);
    }
    return forbid(r, own);
}
