/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_claims.c
 * AuthBearerSessionClaims: which claims a session keeps. Those that the configuration
 * names are always kept, so that its rules can be decided.
 */
#include "browser_claims.h"
#include "browser_userinfo.h"

#include "base/path.h"
#include "base/text.h"
#include "trust/issuer.h"
#include "trust/settings.h"

/** What one virtual host wants of the claims of one issuer. */
typedef struct policy_t {
    const apr_array_header_t *words;   /**< AuthBearerSessionClaims; NULL: all */
    const bearer_settings_t *settings;
    apr_array_header_t *named;         /**< const bearer_path_t * */
    int roles;                         /**< 1: there is a Require role */
} policy_t;

static void add_layer(apr_array_header_t *list, const bearer_settings_t *layer)
{
    ab_browser_named_by(list, layer);
    if (bearer_settings_has(layer, SCOPE_CLAIM)) {
        apr_array_cat(list, layer->scope_claim);
    }
}

/* Reads what only rules of this virtual host, or of the main server, name. */
static void add_rules(policy_t *policy, const server_rec *s)
{
    const apr_array_header_t *required = ab_config_server(s)->global->required;
    int i;

    for (i = 0; i < required->nelts; i++) {
        const named_claim_t *named = &APR_ARRAY_IDX(required, i, named_claim_t);

        if (ab_browser_counts(s, named->server)) {
            policy->roles |= !named->path;
        }
    }
}

static void make_policy(policy_t *policy, const server_rec *s, const bearer_issuer_t *issuer,
                        const bearer_settings_t *settings, apr_pool_t *p)
{
    const server_config_t *server = ab_config_server(s);
    const apr_array_header_t *sections = server->global->sections;
    int i;

    policy->words = settings->session_claims;
    policy->settings = settings;
    policy->roles = 0;
    policy->named = apr_array_copy(p, ab_browser_named_claims(s, p));
    apr_array_cat(policy->named, server->global->expressed);
    apr_array_cat(policy->named, settings->scope_claim);
    for (i = 0; i < sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(sections, i, section_t);

        if (ab_browser_counts(s, section->server)) {
            add_layer(policy->named, &section->dir->settings);
        }
    }
    add_layer(policy->named, &issuer->settings);
    ab_browser_named_user(policy->named, &settings->session_user_claim);
    add_rules(policy, s);
}

static int is_read(const apr_array_header_t *paths, const char *name)
{
    const char *const one[] = { name, NULL };
    int i;

    for (i = 0; i < paths->nelts; i++) {
        if (bearer_path_among(APR_ARRAY_IDX(paths, i, const bearer_path_t *), one)) {
            return 1;
        }
    }
    return 0;
}

/* bearer_session_keeps_fn. A list of names also keeps the roles and groups that a Require
 * role reads by default; !NAME may leave out one of them. */
static int keeps(void *baton, const char *name)
{
    const policy_t *policy = baton;
    const apr_array_header_t *words = policy->words;
    int i, listed = 0, without;

    if (!words || bearer_login_binds(name) || is_read(policy->named, name)) {
        return 1;
    }
    without = *APR_ARRAY_IDX(words, 0, const char *) == '!';
    for (i = 0; i < words->nelts; i++) {
        listed |= !strcmp(APR_ARRAY_IDX(words, i, const char *) + without, name);
    }
    return without ? !listed
        : listed || (policy->roles && (is_read(policy->settings->roles_claim, name)
                                       || is_read(policy->settings->groups_claim, name)));
}

json_t *ab_browser_drop_claims(json_t *body, request_rec *r,
                               const bearer_issuer_access_t *access, const json_t *before,
                               int fresh)
{
    policy_t policy;

    if (!body || (!access->settings->session_claims
        && !json_object_get(before, BEARER_SESSION_DROPPED)
        && !json_object_get(before, BEARER_SESSION_SAID))) {
        return body;
    }
    make_policy(&policy, r->server, access->issuer, access->settings, r->pool);
    if (bearer_session_drop(body, before, fresh, keeps, &policy, r->pool) != APR_SUCCESS) {
        json_decref(body);
        return NULL;
    }
    return body;
}

const char *ab_browser_claims_missing(const server_rec *s, const bearer_issuer_t *issuer,
                                      const bearer_settings_t *settings, apr_pool_t *p)
{
    const apr_array_header_t *words = settings->session_claims;
    policy_t policy;
    int i;

    if (!words) {
        return NULL;
    }
    make_policy(&policy, s, issuer, settings, p);
    for (i = 0; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);

        if (*word == '!' && is_read(policy.named, word + 1)) {
            return word + 1;
        }
    }
    return NULL;
}
