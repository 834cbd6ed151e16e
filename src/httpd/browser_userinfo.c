/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_userinfo.c
 * The userinfo endpoint: when it is asked (AuthBearerUserinfo), and for which claims.
 * The library sends the request and reads the response.
 */
#include "browser_userinfo.h"
#include "trace.h"

#include <http_main.h>

#include "base/path.h"
#include "trust/issuer.h"
#include "trust/settings.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- claims that the configuration names ---------------------------------- */

static void add_path(apr_array_header_t *list, const bearer_path_t *path)
{
    APR_ARRAY_PUSH(list, const bearer_path_t *) = path;
}

/* Only what is written counts, not defaults: few issuers have `roles` and `groups`. */
void ab_browser_named_by(apr_array_header_t *list, const bearer_settings_t *layer)
{
    const apr_array_header_t *names = layer->exports.claims;
    int i;

    if (bearer_settings_has(layer, ROLES_CLAIM)) {
        apr_array_cat(list, layer->roles_claim);
    }
    if (bearer_settings_has(layer, GROUPS_CLAIM)) {
        apr_array_cat(list, layer->groups_claim);
    }
    for (i = 0; bearer_settings_has(layer, EXPORT) && names && i < names->nelts; i++) {
        add_path(list, bearer_path_of_member(APR_ARRAY_IDX(names, i, const char *),
                                             list->pool));
    }
}

void ab_browser_named_user(apr_array_header_t *list, const bearer_user_claim_t *claim)
{
    add_path(list, claim->path);
    if (bearer_user_claim_is_email(claim)) {
        add_path(list, bearer_path_of_member("email_verified", list->pool));
    }
}

/* Do both use the sessions of one domain? */
static int share(const server_rec *a, const server_rec *b)
{
    const char *domain = ab_config_server(a)->login.domain;
    const char *other = ab_config_server(b)->login.domain;

    return a == b || (domain && other && !strcmp(domain, other));
}

int ab_browser_counts(const server_rec *s, const server_rec *where)
{
    return !where->is_virtual || share(s, where);
}

/* A session that begins in one virtual host must serve in all of its domain, which may
 * take the user from another claim. */
static void add_server(apr_array_header_t *list, const server_rec *s, apr_pool_t *p)
{
    const server_config_t *server = ab_config_server(s);
    const apr_array_header_t *issuers = server->login.domain ? ab_browser_issuers(s, p) : NULL;
    bearer_settings_t here;
    int i;

    ab_browser_named_by(list, &server->settings);
    for (i = 0; issuers && i < issuers->nelts; i++) {
        ab_config_resolve(&here, server, APR_ARRAY_IDX(issuers, i, const bearer_issuer_t *), NULL);
        ab_browser_named_user(list, &here.session_user_claim);
    }
}

const apr_array_header_t *ab_browser_named_claims(const server_rec *s, apr_pool_t *p)
{
    const server_config_t *server = ab_config_server(s);
    const apr_array_header_t *sections = server->global->sections;
    const apr_array_header_t *required = server->global->required;
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const bearer_path_t *));
    const server_rec *one;
    int i;

    for (one = ap_server_conf; one; one = one->next) {
        if (share(s, one)) {
            add_server(list, one, p);
        }
    }
    for (i = 0; i < sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(sections, i, section_t);

        if (ab_browser_counts(s, section->server)) {
            ab_browser_named_by(list, &section->dir->settings);
        }
    }
    for (i = 0; i < required->nelts; i++) {
        const named_claim_t *named = &APR_ARRAY_IDX(required, i, named_claim_t);

        if (ab_browser_counts(s, named->server) && named->path) {
            add_path(list, named->path);
        }
    }
    return list;
}

/* ---- when it is asked ------------------------------------------------------- */

static int lacks_one(const apr_array_header_t *list, const json_t *claims)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        const bearer_path_t *path = APR_ARRAY_IDX(list, i, const bearer_path_t *);
        const json_t *value = bearer_path_find(path, claims);

        /* userinfo never has those that are bound to the token */
        if ((!value || json_is_null(value)) && !bearer_path_among(path, bearer_login_bound)) {
            return 1;
        }
    }
    return 0;
}

/* Does the ID token lack the user, or a claim that the configuration names? */
static int is_missing(request_rec *r, const bearer_issuer_access_t *access, json_t *claims)
{
    apr_array_header_t *of_issuer = apr_array_make(r->pool, 2, sizeof(const bearer_path_t *));
    const bearer_principal_t *principal;
    bearer_refusal_t why;

    ab_browser_named_by(of_issuer, &access->issuer->settings);
    return lacks_one(ab_browser_of(r)->named, claims) || lacks_one(of_issuer, claims)
        || bearer_session_user_of(&principal, claims, access->issuer, access->settings,
                                  &why, r->pool) == BEARER_SESSION_USER;
}

/* A session whose userinfo was asked gets it replaced at each refresh. */
static int is_wanted(request_rec *r, const bearer_issuer_access_t *access, json_t *claims,
                     const json_t *part)
{
    switch (access->settings->userinfo) {
    case BEARER_USERINFO_ALWAYS:
        return 1;
    case BEARER_USERINFO_NEVER:
        return 0;
    default:
        return part || is_missing(r, access, claims);
    }
}

bearer_reason_t ab_browser_userinfo(json_t **part, request_rec *r,
                                    const bearer_login_t *login,
                                    const char *access_token, json_t *claims,
                                    bearer_refusal_t *why)
{
    const bearer_expected_t expected = {
        .issuer = login->access->issuer, .max_age = -1,
        .tenant = ab_browser_tenant(login->access->issuer, claims, r->pool)
    };
    bearer_judgement_t j;
    bearer_reason_t reason;
    json_t *answer;

    why->detail = NULL;
    if (!is_wanted(r, login->access, claims, *part)) {
        *part = NULL;
        return BEARER_OK;
    }
    if (!login->metadata->userinfo_endpoint) {
        return BEARER_OK;  /* perhaps only now: what it said before counts */
    }
    ab_browser_judgement(&j, r, &expected);
    reason = bearer_login_userinfo(&answer, login, access_token,
                                   bearer_json_string(claims, "sub"), &j, why, r->pool);
    if (reason == BEARER_OK) {
        *part = answer;
        if (why->detail) {
            ab_log(APLOG_WARNING, r, AB(0304) "%s; its claims are ignored", why->detail);
        }
    }
    return reason;
}
