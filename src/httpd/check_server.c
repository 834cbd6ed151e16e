/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Contradictions in the configuration of the server: session services, secrets, logins,
 * caches. See check.c.
 */
#include "browser_site.h"
#include "check_inside.h"
#include "store_redis.h"

#include <stdlib.h>

#include "base/seal.h"
#include "state/revocation.h"
#include "state/table.h"
#include "trust/issuer.h"
#include "trust/session_check_line.h"
#include "trust/settings.h"

/* ---- session services ---------------------------------------------------- */

static void check_session_check(walk_t *w, const configured_check_t *noted)
{
    const bearer_session_check_t *check = noted->check;
    apr_array_header_t *findings = bearer_findings_create(w->p);
    const char *error = bearer_session_check_error(check, w->global->plain_http,
                                                   w->p);
    int i;

    if (error) {
        ab_check_say(w, BEARER_LOG_ERROR, noted->node, AB(0731) "%s", error);
    }
    bearer_session_check_lint(findings, check);
    for (i = 0; i < findings->nelts; i++) {
        ab_check_add(w, noted->node, &APR_ARRAY_IDX(findings, i, bearer_finding_t));
    }
    if (bearer_session_check_by_cookie(check) && !check->cookies) {
        ab_check_say(w, BEARER_LOG_NOTICE, noted->node,
                     AB(0735) "AuthBearerSessionCheck send=cookie: all cookies of the client go to "
                     "the session service, and none reaches the application; name the session's "
                     "cookies: cookies=a,b");
    }
}

/* ---- the server --------------------------------------------------------- */

static void check_secret_permissions(walk_t *w, const apr_array_header_t *files)
{
    apr_finfo_t info;
    int i;

    for (i = 0; files && i < files->nelts; i++) {
        const char *path = APR_ARRAY_IDX(files, i, const char *);

        if (apr_stat(&info, path, APR_FINFO_PROT, w->p) == APR_SUCCESS
            && (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE))) {
            ab_check_say(w, BEARER_LOG_WARNING,
                         ab_check_find(w, ap_conftree, "AuthBearerSecretFile", path),
                         AB(0751) "AuthBearerSecretFile: %s is readable or writable by other "
                         "users; run chmod o-rwx %s", path, path);
        }
    }
}

static void check_secrets(walk_t *w)
{
    int i;

    for (i = 0; i < w->global->secrets->nelts; i++) {
        const configured_secret_t *noted = &APR_ARRAY_IDX(w->global->secrets, i,
                                                          configured_secret_t);
        const char *warning, *error = bearer_secret_lint(noted->secret, &warning,
                                                         w->p);

        if (error) {
            ab_check_say(w, BEARER_LOG_ERROR, noted->node, AB(0752) "%s", error);
        } else if (warning) {
            ab_check_say(w, BEARER_LOG_WARNING, noted->node, AB(0753) "%s", warning);
        }
    }
}

/* Says which redirect URI to register for one name, or with one of several issuers. */
static void say_callback(walk_t *w, server_rec *s, const bearer_issuer_t *issuer,
                         const char *base, int issuers)
{
    const char *uri = ab_browser_callback_url(base, ab_browser_path(s),
                                              issuers > 1 ? issuer : NULL, w->p);
    ap_directive_t at = { 0 };

    at.filename = issuer->file;
    at.line_num = issuer->line;
    ab_check_say(w, BEARER_LOG_NOTICE, &at,
                 AB(0762) "browsers log in with %d issuers at %s; with issuer %s, register the "
                 "redirect URI %s", issuers, base, issuer->url, uri);
}

/* Lists the redirect URIs to register with each issuer, if there is more than one. */
static void check_callbacks(walk_t *w, server_rec *s)
{
    const apr_array_header_t *list = ab_browser_issuers(s, w->p);
    const apr_array_header_t *names = ab_config_server(s)->login.names;
    const char *login = ab_config_server(s)->login.domain_login;
    const int count = names && !login ? names->nelts : 1;
    const char *base = login ? login : ab_browser_base(s, w->p);
    int i, k;

    if (login && !ab_check_is_login_host(&ab_config_server(s)->login, w->p)) {
        return;  /* none leads here */
    }
    for (i = 0; i < list->nelts && (list->nelts > 1 || count > 1); i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(list, i, const bearer_issuer_t *);
        ap_directive_t at = { 0 };

        at.filename = issuer->file;
        at.line_num = issuer->line;
        if (list->nelts > 1 && !ab_browser_has_name(issuer)) {
            ab_check_say(w, BEARER_LOG_ERROR, &at,
                         AB(0761) "browsers log in with %d issuers at %s, so each needs its own "
                         "callback %s/callback/NAME; write <AuthBearerIssuer '%s' NAME>, NAME of "
                         "A-Z a-z 0-9 - . _ ~", list->nelts, base, ab_browser_path(s),
                         issuer->url);
            continue;
        }
        for (k = 0; k < count; k++) {
            say_callback(w, s, issuer,
                         names && !login ? APR_ARRAY_IDX(names, k, base_name_t).origin : base,
                         list->nelts);
        }
    }
}

static void check_login(walk_t *w, server_rec *s)
{
    const server_config_t *server = ab_config_server(s);
    bearer_seal_t *seal;
    const char *error;

    if (server->secret_files != w->global->secret_files) {
        check_secret_permissions(w, server->secret_files);
    }
    if (!server->login.used) {
        return;
    }
    check_callbacks(w, s);
    /* the section with AuthType and the one with the session may differ */
    if (server->login.on && server->issuers && !server->secret_files
        && !ab_check_said(w, AB_FINDING_NO_SECRET, NULL)) {
        ab_check_no_secret(w, ab_check_find(w, ap_conftree, "AuthBearerSession", NULL));
    }
    if (server->login.store == SESSIONS_IN_COOKIE) {
        ab_check_say(w, BEARER_LOG_NOTICE, NULL,
                     AB(0763) "server %s: AuthBearerSessionStore cookie: the issuer cannot end a "
                     "session (back-channel and front-channel logout get 404)",
                     s->server_hostname ? s->server_hostname : "(main)");
    } else if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST) {
        const char *at = apr_pstrcat(w->p, ab_browser_base(s, w->p), ab_browser_path(s), NULL);

        ab_check_say(w, BEARER_LOG_NOTICE, NULL,
                     AB(0842) "with the issuer, register the post-logout redirect URI %s/logout, "
                     "and the back-channel logout URI %s/backchannel-logout, or the front-channel "
                     "logout URI %s/frontchannel-logout with iss and sid", at, at, at);
    }
    if (server->secret_files
        && server->secret_files != w->global->secret_files
        && bearer_seal_create(&seal, server->secret_files, "check", &error, w->p)
           != APR_SUCCESS) {
        ab_check_say(w, BEARER_LOG_ERROR, NULL, AB(0754) "AuthBearerSecretFile: %s",
                     error);
    }
}

/* An entry is HOST or HOST:PORT (config_server.c), IPv6 with or without []. */
static int is_loopback(const char *entry, apr_pool_t *p)
{
    bearer_http_url_t url;

    return bearer_http_is_loopback(entry)
        || (!bearer_http_url_split(&url, apr_pstrcat(p, "http://", entry, "/",
                                                     NULL), p)
            && bearer_http_is_loopback(url.host));
}

const char *ab_check_size_text(apr_uint64_t size, apr_pool_t *p)
{
    return size % (1024 * 1024)
        ? apr_psprintf(p, "%" APR_UINT64_T_FMT, size)
        : apr_psprintf(p, "%" APR_UINT64_T_FMT "M", size / (1024 * 1024));
}

void ab_check_shmcb(walk_t *w, store_kind_t kind)
{
    const store_config_t *store = &w->global->stores[kind];

    if (store->own && store->args) {
        ab_check_say(w, BEARER_LOG_NOTICE, store->node,
                     AB(0765) "AuthBearerSOCache shmcb: %s use shm:%s, the module's own memory; "
                     "the file %s is not used for them",
                     kind == STORE_PROOFS ? "used proofs" : "sessions",
                     ab_check_size_text(store->own, w->p), bearer_text_quote(w->p, store->args));
    }
}

/** Approximate size in bytes of a session whose access token is a JWT. */
#define RECORD 3000

/* Reports where sessions are kept, how many fit, and what httpd's caches do not
 * guarantee. */
static void check_sessions(walk_t *w)
{
    const store_config_t *store = &w->global->stores[STORE_SESSIONS];
    apr_uint64_t size = ab_config_own_size(w->global, STORE_SESSIONS);

    if (!size && ab_store_redis_has(store)) {
        return;
    }
    if (!size) {
        ab_check_say(w, BEARER_LOG_WARNING, store->node,
                     AB(0764) "AuthBearerSOCache %s: this cache may lose the record of a logout, "
                     "and an ended session would be valid again; for sessions, write shm:SIZE, or "
                     "redis://HOST for several hosts", store->name);
        return;
    }
    ab_check_shmcb(w, STORE_SESSIONS);
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST) {  /* only in configtest:
                                                                    * no news later */
        ab_check_say(w, BEARER_LOG_NOTICE, store->node, AB(0766) "AuthBearerSOCache shm:%s: room "
                     "for %" APR_UINT64_T_FMT " sessions of %d bytes (a JWT as "
                     "access token)", ab_check_size_text(size, w->p),
                     bearer_table_room(size, RECORD), RECORD);
    }
}

static void check_global(walk_t *w)
{
    const global_config_t *global = w->global;
    bearer_seal_t *seal;
    const char *error;
    int i, foreign = 0;

    for (i = 0; i < global->plain_http->nelts; i++) {
        const char *host = APR_ARRAY_IDX(global->plain_http, i, const char *);

        if (!is_loopback(host, w->p)) {
            ab_check_say(w, BEARER_LOG_WARNING,
                         ab_check_find(w, ap_conftree, "AuthBearerPlainHTTP", NULL),
                         AB(0769) "AuthBearerPlainHTTP %s: anyone on the network path can replace "
                         "the issuer's keys; use https", host);
        }
    }
    if (global->revocations
        && (error = bearer_revocation_file_error(global->revocations, w->p))) {
        ab_check_say(w, BEARER_LOG_ERROR,
                     ab_check_find(w, ap_conftree, "AuthBearerRevocations", NULL),
                     AB(0770) "AuthBearerRevocations: %s", error);
    }
    for (i = 0; i < STORE_SOCACHES; i++) {
        foreign |= ab_config_is_foreign(&global->stores[i]);
    }
    if (foreign && !global->secret_files) {
        ab_check_say(w, BEARER_LOG_ERROR,
                     ab_check_find(w, ap_conftree, "AuthBearerSOCache", NULL),
                     AB(0767) "AuthBearerSOCache: anyone who can write to this cache could add a "
                     "key; set AuthBearerSecretFile PATH in the main server (umask 077; "
                     "openssl rand -out PATH 48)");
    }
    if (global->throttle_store) {
        ab_check_say(w, BEARER_LOG_NOTICE, global->throttle_store,
                     AB(0768) "AuthBearerSOCache for=throttle: the throttle counts in the memory "
                     "of this host, regardless of the cache, so that refused tokens cause no "
                     "network requests; each host counts separately");
    }
    check_secret_permissions(w, global->secret_files);
    if (global->secret_files
        && bearer_seal_create(&seal, global->secret_files, "check", &error, w->p)
           != APR_SUCCESS) {
        ab_check_say(w, BEARER_LOG_ERROR,
                     ab_check_find(w, ap_conftree, "AuthBearerSecretFile", NULL),
                     AB(0755) "AuthBearerSecretFile: %s", error);
    }
}

static void note_environment(walk_t *w)
{
    static const char *const names[] = {
        "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL
    };
    int i;

    for (i = 0; names[i]; i++) {
        if (getenv(names[i])) {
            ab_check_say(w, BEARER_LOG_NOTICE, NULL,
                         AB(0771) "the environment's %s is not used for requests to issuers; if a "
                         "proxy is needed, write AuthBearerHTTPProxy", names[i]);
            return;
        }
    }
}

void ab_check_one_server(walk_t *w)
{
    server_rec *vhost;
    int i, logins = 0;

    for (i = 0; i < w->global->session_checks->nelts; i++) {
        check_session_check(w, &APR_ARRAY_IDX(w->global->session_checks, i,
                                              configured_check_t));
    }
    for (vhost = w->main; vhost; vhost = vhost->next) {
        check_login(w, vhost);
        ab_check_domain(w, vhost);
        logins |= ab_config_server(vhost)->login.used;
    }
    if (logins) {
        check_sessions(w);
    }
    ab_check_proofs(w);
    check_secrets(w);
    check_global(w);
    if (ab_config_is_used(w->global)) {
        note_environment(w);
    }
}
