/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser.c
 * Browsers: what a vhost knows of itself, this server as a client of its issuers,
 * and the endpoints below AuthBearerLoginPath.
 *
 * The endpoints are answered in the quick handler, before ProxyPass, Alias and
 * RewriteRule are looked at and before anybody asks who is there: whatever the
 * rest of the configuration says, a browser that comes back from the issuer is
 * let in here. A path that is spelled in any other way than as it is written
 * goes the way of all requests.
 *
 * Whatever a browser or an issuer sent is either looked for in what this server
 * sealed, or judged, or thrown away; none of it gets into a header, a page or
 * the log as it came.
 */
#include "browser.h"

#include <ap_listen.h>
#include <http_vhost.h>

APLOG_USE_MODULE(auth_bearer);

#define LOGIN_PATH "/.auth"
#define DEFAULT_MAX apr_time_from_sec(8 * 3600)
#define DEFAULT_IDLE apr_time_from_sec(30 * 60)

/* ---- configuration ------------------------------------------------------ */

/* The section of a virtual host, or NULL. */
static const ap_directive_t *section_of(const server_rec *s,
                                        const ap_directive_t *node)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        found = s->defn_name && s->defn_line_number == (unsigned)node->line_num
                     && !ap_cstr_casecmp(node->directive, "<VirtualHost")
                     && !strcmp(s->defn_name, node->filename)
                  ? node
                  : section_of(s, node->first_child);
    }
    return found;
}

/* The last SSLEngine here, perhaps inside <IfModule>, or NULL. */
static const char *engine_in(const ap_directive_t *node)
{
    const char *found = NULL;

    for (; node; node = node->next) {
        const char *here = !ap_cstr_casecmp(node->directive, "SSLEngine")
                             ? node->args
                         : ap_cstr_casecmp(node->directive, "<VirtualHost")
                             ? engine_in(node->first_child)
                             : NULL;

        found = here ? here : found;
    }
    return found;
}

/* mod_ssl itself tells of connections only, and there is none yet. */
static int speaks_tls(const server_rec *s, apr_pool_t *p)
{
    const ap_directive_t *section = s->is_virtual ? section_of(s, ap_conftree)
                                                  : NULL;
    const char *engine = section ? engine_in(section->first_child) : NULL;

    if (!engine) {
        engine = engine_in(ap_conftree);
    }
    return engine && !ap_cstr_casecmp(ap_getword_conf(p, &engine), "on");
}

/* https by ServerName's scheme, or because the vhost speaks TLS itself. */
static const char *scheme_of(const server_rec *s, apr_pool_t *p)
{
    return s->server_scheme ? s->server_scheme : speaks_tls(s, p) ? "https"
                                                                  : "http";
}

static const char *origin_of(server_rec *s, apr_pool_t *p)
{
    const char *scheme = scheme_of(s, p), *host = s->server_hostname;
    int standard = strcmp(scheme, "https") == 0 ? 443 : 80;
    int port = s->port ? s->port
             : s->is_virtual && s->addrs && s->addrs->host_port
               ? s->addrs->host_port : standard;

    host = host ? host : "localhost";
    return port == standard ? apr_psprintf(p, "%s://%s", scheme, host)
                            : apr_psprintf(p, "%s://%s:%d", scheme, host, port);
}

const char *ab_browser_origin(const server_rec *s)
{
    const browser_t *browser = ab_config_server(s)->browser;

    return browser ? browser->origin : NULL;
}

const char *ab_browser_path(const server_rec *s)
{
    const char *path = ab_config_server(s)->login.path;

    return path ? path : LOGIN_PATH;
}

const char *ab_browser_base(server_rec *s, apr_pool_t *p)
{
    const char *base = ab_config_server(s)->login.base_url;

    return base ? base : origin_of(s, p);
}

static int make_browser(server_rec *s, server_config_t *server, apr_pool_t *p)
{
    const login_config_t *login = &server->login;
    browser_t *b = apr_pcalloc(p, sizeof(*b));
    const char *error = NULL;

    b->origin = ab_browser_base(s, p);
    b->path = ab_browser_path(s);
    b->several = ab_browser_issuers(s, p)->nelts > 1;
    b->callback_path = apr_pstrcat(p, b->path, "/callback", NULL);
    b->logout = apr_pstrcat(p, b->origin, b->path, "/logout", NULL);
    b->in_cookie = login->store == SESSIONS_IN_COOKIE;
    b->max = login->max ? login->max : DEFAULT_MAX;
    b->idle = login->idle ? login->idle : DEFAULT_IDLE;
    bearer_cookie_names(&b->names, b->origin, p);
    if (bearer_seal_create(&b->session_seal, server->secret_files, "session",
                           &error, p) != APR_SUCCESS
        || bearer_seal_create(&b->login_seal, server->secret_files, "login",
                              &error, p) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, AB(0903) "%s (AuthBearerSecretFile)",
                     error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    server->browser = b;
    server->global->browsers++;
    return OK;
}

int ab_browser_post_config(apr_pool_t *pconf, server_rec *s)
{
    int status = OK;

    ab_config_server(s)->global->browsers = 0;
    for (; s && status == OK; s = s->next) {
        server_config_t *server = ab_config_server(s);

        server->browser = NULL;
        if (server->login.used && server->issuers && server->secret_files) {
            status = make_browser(s, server, pconf);
        }
    }
    return status;
}

/* ---- this server as a client -------------------------------------------- */

void ab_browser_set_session(request_rec *r, const browser_t *browser,
                            const char *value)
{
    const apr_array_header_t *lines =
        bearer_cookie_split(&browser->names, browser->names.session, value,
                            ab_browser_cookies(r), r->pool);
    int i;

    for (i = 0; lines && i < lines->nelts; i++) {
        ab_browser_set_cookie(r, APR_ARRAY_IDX(lines, i, const char *));
    }
}

static apr_status_t post(void *baton, bearer_http_response_t **response,
                         const char *endpoint, const apr_table_t *form,
                         const char **error, apr_pool_t *p)
{
    return bearer_client_post(response, baton, endpoint, form, "application/json",
                              BEARER_LOGIN_ANSWER_MAX, error, p);
}

bearer_reason_t ab_browser_client(bearer_login_t *login, request_rec *r,
                                  const browser_t *browser,
                                  const bearer_issuer_t *issuer,
                                  bearer_refusal_t *why)
{
    const server_config_t *server = ab_config_server(r->server);
    process_t *process = ab_process();
    bearer_issuer_access_t *access = apr_pcalloc(r->pool, sizeof(*access));
    bearer_settings_t *settings = apr_palloc(r->pool, sizeof(*settings));
    const char *error = NULL;

    bearer_settings_resolve(settings, server->global->defaults, &server->settings,
                            &issuer->settings, NULL);
    access->issuer = issuer;
    access->settings = settings;
    access->plain_http = server->global->plain_http;
    access->world = &process->world;
    memset(login, 0, sizeof(*login));
    login->access = access;
    login->redirect_uri = ab_browser_own_callback(browser, issuer, r->pool);
    login->post = post;
    login->post_baton = ab_process_client(process, server, issuer->index);
    login->pushes = ab_shared_pushes(issuer->index);
    login->flying = process->waiting;
    login->metadata = bearer_keyset_metadata(process->keysets[issuer->index],
                                             &error, r->pool);
    if (!login->metadata) {
        return bearer_refuse(why, r->pool, BEARER_LOGIN_ISSUER, "the metadata of "
                             "issuer %s is not to be had: %s",
                             bearer_text_quote(r->pool, issuer->url),
                             error ? error : "AuthBearerMetadata off?");
    }
    return BEARER_OK;
}

static bearer_reason_t keys_of(void *baton, const bearer_issuer_t *issuer,
                               int unknown_kid, const char *kid,
                               bearer_jwks_t **set, bearer_refusal_t *why,
                               apr_pool_t *p)
{
    bearer_keyset_t *keyset = ab_process()->keysets[issuer->index];

    (void)baton;
    return unknown_kid ? bearer_keyset_refresh_for_kid(keyset, kid, set, why, p)
                       : bearer_keyset_acquire(keyset, set, why, p);
}

void ab_browser_judgement(bearer_judgement_t *j, request_rec *r,
                          const bearer_expected_t *expected)
{
    const server_config_t *server = ab_config_server(r->server);

    memset(j, 0, sizeof(*j));
    j->p = r->pool;
    j->now = bearer_world_now(&ab_process()->world);
    j->issuers = server->issuers;
    j->defaults = server->global->defaults;
    j->server = &server->settings;
    j->method = "cookie";
    j->keys = keys_of;
    j->expected = expected;
}

json_t *ab_browser_body(const bearer_login_t *login,
                        const bearer_tokens_t *tokens, json_t *claims)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        { BEARER_SESSION_CLIENT, login->access->settings->client_id },
        { BEARER_SESSION_ID_TOKEN, tokens->id_token },
        { BEARER_SESSION_ACCESS_TOKEN, tokens->access_token },
        { BEARER_SESSION_REFRESH_TOKEN, tokens->refresh_token },
        { BEARER_SESSION_SCOPE, tokens->scope },
    };
    json_t *body = json_object();
    apr_size_t i;

    for (i = 0; body && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value) {
            json_object_set_new(body, rows[i].name, json_string(rows[i].value));
        }
    }
    if (body) {
        /* so that `Require scope` means the same on both paths */
        if (tokens->scope && !json_object_get(claims, "scope")) {
            json_object_set_new(claims, "scope", json_string(tokens->scope));
        }
        json_object_set(body, BEARER_SESSION_CLAIMS, claims);
    }
    return body;
}

/* ---- the endpoints ------------------------------------------------------ */

static const struct {
    const char *name;
    apr_int64_t methods;
    const char *allow;
    int (*answer)(request_rec *r, const browser_t *browser);
} endpoints[] = {
    { CALLBACK, AP_METHOD_BIT << M_GET, "GET",
      ab_browser_callback },
    { "/logout", AP_METHOD_BIT << M_GET | AP_METHOD_BIT << M_POST, "GET, POST",
      ab_browser_logout },
    { "/backchannel-logout", AP_METHOD_BIT << M_POST, "POST",
      ab_browser_backchannel },
};

/* Where several issuers log in, each has a callback below the common path. What
 * comes to another path there is answered, too: a code is for nobody else. */
static int is_endpoint(const browser_t *browser, const char *name,
                       const char *path)
{
    apr_size_t len = strlen(name);

    return strncmp(path, name, len) == 0
        && (!path[len] || (browser->several && path[len] == '/'
                           && !strcmp(name, CALLBACK)));
}

static int quick(request_rec *r, int lookup)
{
    const browser_t *browser = ab_config_server(r->server)->browser;
    apr_size_t len, i;

    if (!browser || lookup || !r->uri) {
        return DECLINED;
    }
    len = strlen(browser->path);
    if (strncmp(r->uri, browser->path, len) != 0 || r->uri[len] != '/') {
        return DECLINED;
    }
    ab_browser_hide_answer(r, browser);
    for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (!is_endpoint(browser, endpoints[i].name, r->uri + len)) {
            continue;
        }
        if (r->method_number < 0 || r->method_number >= METHODS
            || !(endpoints[i].methods & (AP_METHOD_BIT << r->method_number))) {
            apr_table_setn(r->err_headers_out, "Allow", endpoints[i].allow);
            return HTTP_METHOD_NOT_ALLOWED;
        }
        return ab_process()
            ? endpoints[i].answer(r, browser)
            : ab_page_refusal(r, BEARER_CONFIGURATION, "this child could not "
                              "be started", NULL);
    }
    return DECLINED;
}

int ab_browser_quick(request_rec *r, int lookup)
{
    request_rec *before = ab_trace_enter(r);
    int status = quick(r, lookup);

    ab_trace_leave(before);
    return status;
}
