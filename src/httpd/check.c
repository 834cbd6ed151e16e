/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check.c
 * Contradictions in the configuration, reported by `apachectl configtest` (which never
 * runs post_config) with file, line and the fix. This file walks the tree and checks
 * the sections. The other check_*.c files check the rest.
 *
 * `AuthType Bearer` is a directive of another module, so a section with only that line
 * has no record of this module. Therefore the tree of directives is walked, and each
 * section with that line is checked with the layers that apply to it.
 */
#include "check.h"
#include "browser_claims.h"
#include "browser_site.h"
#include "check_inside.h"
#include "process.h"
#include "session_cookies.h"

#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/settings.h"

/* ---- the tree ----------------------------------------------------------- */

static int lets_auth_config_in(const char *args)
{
    return ap_strcasestr(args, "AuthConfig") || ap_strcasestr(args, "All");
}

static void walk(walk_t *w, const ap_directive_t *node, server_rec *server)
{
    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, "AuthType")) {
            if (ab_config_first_is(node, "Bearer", w->p) && node->parent) {
                ab_section_t *s = apr_array_push(w->sections);

                memset(s, 0, sizeof(*s));
                s->server = server;
                s->node = node->parent;
                s->auth_type = node;
                ab_check_collect(w, node->parent, &s->settings);
            }
        } else if (!strncasecmp(node->directive, "AllowOverride", 13)
                 && (!strcasecmp(node->directive, "AllowOverrideList")
                     || lets_auth_config_in(node->args))) {
            w->htaccess = 1;
        }
        if (node->first_child) {
            walk(w, node->first_child,
                 ab_check_is_section(node, "VirtualHost")
                 ? ab_check_vhost_of(w, node) : server);
        }
    }
}

/* ---- sections ----------------------------------------------------------- */

/* Does any directive here forward requests to another server? */
static int proxies(const ap_directive_t *node)
{
    static const char *const names[][2] = {  /* and what the arguments contain */
        { "ProxyPass", "" }, { "ProxyPassMatch", "" }, { "SetHandler", "proxy:" },
        { "RewriteRule", "[P]" }, { "RewriteRule", "[P," },
        { "RewriteRule", ",P]" }, { "RewriteRule", ",P," },
    };
    unsigned i;

    for (; node; node = node->next) {
        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (!strcasecmp(node->directive, names[i][0])
                && ap_strcasestr(node->args, names[i][1])) {
                return 1;
            }
        }
        if (node->first_child && proxies(node->first_child)) {
            return 1;
        }
    }
    return 0;
}

/* Can another section, or an .htaccess, still set what is missing? */
static int is_pardoned(const walk_t *w, const ab_section_t *s,
                       const bearer_finding_t *finding)
{
    switch (finding->number) {
    case BEARER_FINDING_NO_SESSION_CHECK:
        return ab_check_reached(w, s->node, BEARER_SET_SESSION_CHECK);
    case BEARER_FINDING_NO_AUDIENCE:
        return w->htaccess || ab_check_reached(w, s->node, BEARER_SET_AUDIENCE);
    default:
        return 0;
    }
}

static void check_login_url(walk_t *w, const ab_section_t *s,
                            const bearer_settings_t *settings)
{
    const char *error = settings->login_url
        ? bearer_http_url_error(settings->login_url->url, NULL, w->global->plain_http, w->p)
        : NULL;

    if (error) {
        ab_check_say(w, BEARER_LOG_ERROR, s->auth_type, AB(0708) "AuthBearerLoginURL: %s", error);
    }
}

/* A login needs both endpoints. */
static void check_login_endpoints(walk_t *w, const ab_section_t *s,
                                  const bearer_issuer_t *issuer,
                                  const bearer_settings_t *settings)
{
    static const bearer_hand_endpoint_t needed[] = { BEARER_HAND_AUTHORIZATION,
                                                     BEARER_HAND_TOKEN };
    apr_size_t i;

    for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (bearer_endpoint_possible(issuer, needed[i])) {
            continue;
        }
        if (bearer_issuer_is_template(issuer) && !bearer_issuer_has_metadata(issuer)) {
            ab_check_say(w, BEARER_LOG_ERROR, s->auth_type,
                         AB(0707) "logins with issuer %s need AuthBearerMetadata URL, the metadata "
                         "for all tenants, or AuthBearerEndpoint authorization and token: metadata "
                         "cannot be discovered, because the tenant is not known before the login",
                         issuer->url);
            return;
        }
        if (settings->login.on) {
            ab_check_say(w, BEARER_LOG_ERROR, s->auth_type,
                         AB(0820) "logins with issuer %s need its %s endpoint; write "
                         "AuthBearerEndpoint %s URL, or AuthBearerMetadata discover or URL",
                         issuer->url, bearer_endpoint_name((int)needed[i]),
                         bearer_endpoint_name((int)needed[i]));
        }
    }
}

/* Checks what a session or a login additionally needs. */
static void check_browser_section(walk_t *w, const ab_section_t *s,
                                  const server_config_t *server,
                                  const bearer_settings_t *settings)
{
    const apr_array_header_t *list;
    const char *error;
    int i;

    if (!settings->session && !settings->login.on) {
        return;
    }
    if (!server->secret_files) {
        ab_check_no_secret(w, s->auth_type);
    }
    list = ab_browser_possible(server, settings, &error, w->p);
    if (!list) {
        ab_check_say(w, BEARER_LOG_ERROR, s->auth_type, AB(0705) "%s", error);
    }
    for (i = 0; list && i < list->nelts; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(list, i, const bearer_issuer_t *);
        bearer_settings_t own;

        ab_config_resolve(&own, server, issuer, NULL);
        check_login_endpoints(w, s, issuer, settings);
        error = bearer_client_lint(&own, issuer, w->p);
        if (error) {
            ab_check_say(w, BEARER_LOG_ERROR, s->auth_type, "%s", error);
        }
        error = ab_browser_claims_missing(s->server, issuer, &own, w->p);
        if (error) {
            ab_check_say(w, BEARER_LOG_ERROR, s->auth_type,
                         AB(0850) "AuthBearerSessionClaims !%s: the configuration names this claim "
                         "(in a Require, a list of claims or an expression), so sessions must keep "
                         "it; remove !%s", error, error);
        }
    }
}

static void check_section(walk_t *w, const ab_section_t *s)
{
    const server_config_t *server = ab_config_server(s->server);
    apr_array_header_t *findings = bearer_findings_create(w->p);
    const bearer_issuers_t *issuers = server->issuers;
    bearer_settings_t settings;
    int i;

    ab_config_resolve(&settings, server, NULL, &s->settings);
    if (!issuers && !ab_session_in_chain(&settings)) {
        ab_check_say(w, BEARER_LOG_ERROR, s->auth_type,
                     AB(0703) "AuthType Bearer is set, but this server has no issuer; write "
                     "AuthBearerIssuer URL");
        return;
    }
    if (!issuers) {
        issuers = bearer_issuers_create(w->p);
    }
    bearer_judge_lint(findings, issuers, w->global->defaults, &server->settings,
                      &s->settings, w->p);
    bearer_judge_lint_names(findings, issuers, w->global->defaults,
                            &server->settings, &s->settings, w->p);
    for (i = 0; i < findings->nelts; i++) {
        const bearer_finding_t *finding = &APR_ARRAY_IDX(findings, i, bearer_finding_t);

        if (!is_pardoned(w, s, finding)) {
            ab_check_add(w, s->auth_type, finding);
        }
    }
    check_browser_section(w, s, server, &settings);
    check_login_url(w, s, &settings);
    if (settings.forward == BEARER_FORWARD_NONE && proxies(ap_conftree)) {
        ab_check_say(w, BEARER_LOG_NOTICE, s->auth_type,
                     AB(0704) "AuthBearerForward none: a proxied application does not learn the "
                     "user; if it needs to, write AuthBearerForward identity");
    }
}

static int has_two_logins(const section_t *s, const bearer_settings_t *layer)
{
    bearer_settings_t settings;

    ab_config_resolve(&settings, ab_config_server(s->server), NULL, layer);
    return settings.login_url && settings.login.on;
}

/* One of the two may come from a <Location> that the path of this one lies in. */
static void check_two_logins(walk_t *w)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *s = &APR_ARRAY_IDX(w->global->sections, i, section_t);
        bearer_settings_t own = { 0 }, all = { 0 };

        ab_check_collect(w, s->node, &own);
        ab_check_collect_path(w, s, &all);
        if (has_two_logins(s, &all) && !has_two_logins(s, &own)) {
            ab_check_say(w, BEARER_LOG_ERROR, s->node, "%s", bearer_judge_two_logins);
        }
    }
}

static void check_nonces(walk_t *w)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *s = &APR_ARRAY_IDX(w->global->sections, i, section_t);
        const ap_directive_t *at = ab_config_beside(s->node->first_child, "AuthBearerProof");
        bearer_settings_t own = { 0 };

        ab_check_collect(w, s->node, &own);
        if (at && own.proof.nonce && !ab_config_server(s->server)->secret_files) {
            ab_check_say(w, BEARER_LOG_ERROR, at,
                         AB(0756) "AuthBearerProof nonce=on needs AuthBearerSecretFile PATH; "
                         "create the file with: (umask 077; openssl rand -out PATH 48)");
        }
    }
}

/* ---- the whole ---------------------------------------------------------- */

void ab_check_begin(walk_t *w, apr_pool_t *p, server_rec *s)
{
    memset(w, 0, sizeof(*w));
    w->p = p;
    w->main = s;
    w->global = ab_config_server(s)->global;
    w->sections = apr_array_make(p, 8, sizeof(ab_section_t));
    w->findings = apr_array_make(p, 8, sizeof(place_finding_t));
    walk(w, ap_conftree, s);
}

int ab_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                    server_rec *s)
{
    walk_t w;
    int i;

    (void)plog;
    ab_config_own_records(pconf, s);
    ab_check_begin(&w, ptemp, s);
    for (i = 0; i < w.sections->nelts; i++) {
        check_section(&w, &APR_ARRAY_IDX(w.sections, i, ab_section_t));
    }
    check_two_logins(&w);
    check_nonces(&w);
    for (i = 0; i < w.global->issuers->nelts; i++) {
        ab_check_one_issuer(&w, i);
    }
    ab_check_one_server(&w);
    ab_check_without_effect(&w);
    ab_check_foreign(&w);
    return ab_check_print(&w);
}

/* ---- at request time ------------------------------------------------------- */

/* If no issuer is accepted: NULL if there is a session service, else what is missing. */
static const char *nobody_to_ask(const bearer_settings_t *settings)
{
    if (!ab_session_in_chain(settings)) {
        return "this server has no issuer; write AuthBearerIssuer URL";
    }
    return settings->session_checks ? NULL
        : bearer_message_text(bearer_judge_no_session_check);
}

const char *ab_check_request(request_rec *r)
{
    const server_config_t *server = ab_config_server(r->server);
    const dir_config_t *dir = ab_config_dir(r);
    apr_array_header_t *findings;
    const bearer_finding_t *found;
    const char *error;

    if (!server->issuers && (error = nobody_to_ask(ab_config_of(r)))) {
        return error;
    }
    if (!ab_process()) {
        return "this child could not be set up; the log of its start has the cause";
    }
    if (!server->issuers) {
        return NULL;  /* no tokens are judged here */
    }
    if (!dir->from_htaccess) {  /* configtest has checked the rest */
        return bearer_settings_has(&dir->settings, AUDIENCE)
            || bearer_settings_has(&server->settings, AUDIENCE) ? NULL
            : bearer_message_text(bearer_judge_audience_error(
                  server->issuers, server->global->defaults, &server->settings,
                  &dir->settings, r->pool));
    }
    findings = bearer_findings_create(r->pool);
    bearer_judge_lint(findings, server->issuers, server->global->defaults,
                      &server->settings, &dir->settings, r->pool);
    found = bearer_findings_error(findings);
    return found ? bearer_message_text(found->text) : NULL;
}
