/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser.c
 * Browser sessions: the data of a virtual host, and the endpoints below
 * AuthBearerLoginPath.
 *
 * The quick handler answers the endpoints, before ProxyPass, Alias and RewriteRule and
 * before authentication. So a browser that returns from the issuer is let in regardless
 * of the rest of the configuration. A path in any other spelling is processed like
 * every other request.
 *
 * Input from a browser or an issuer is looked up in data that this server sealed, or
 * judged, or discarded. It is never copied unchanged to a header, a page or the log.
 */
#include "browser.h"
#include "browser_status.h"
#include "browser_userinfo.h"
#include "page.h"
#include "process.h"
#include "shared.h"
#include "trace.h"

#include <apr_strings.h>
#include <http_request.h>

#include "base/seal.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- configuration ------------------------------------------------------ */

static int make_browser(server_rec *s, server_config_t *server, apr_pool_t *p)
{
    const login_config_t *login = &server->login;
    browser_t *b = apr_pcalloc(p, sizeof(*b));
    const char *error = NULL;

    b->path = ab_browser_path(s);
    b->several = ab_browser_issuers(s, p)->nelts > 1;
    b->callback_path = apr_pstrcat(p, b->path, "/callback", NULL);
    b->in_cookie = login->store == SESSIONS_IN_COOKIE;
    b->max = login->max ? login->max : AB_SESSION_MAX;
    b->idle = login->idle ? login->idle : AB_SESSION_IDLE;
    b->persist = login->persist == AB_PERSIST_ON;
    b->domain = login->domain;
    b->login = login->domain_login;
    b->named = ab_browser_named_claims(s, p);
    b->told = ab_browser_told_claims(s, apr_pstrcat(p, b->path, "/session", NULL), p);
    ab_browser_name(b, ab_browser_base(s, p), p);
    if (bearer_seal_create(&b->session_seal, server->secret_files, "session",
                           &error, p) != APR_SUCCESS
        || bearer_seal_create(&b->login_seal, server->secret_files, "login",
                              &error, p) != APR_SUCCESS) {
        ab_log_server(APLOG_EMERG, 0, s, AB(0903) "%s (AuthBearerSecretFile)",
                      error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    server->browser = b;
    server->global->browsers++;
    return OK;
}

int ab_browser_post_config(apr_pool_t *pconf, server_rec *s)
{
    global_config_t *global = ab_config_server(s)->global;
    server_rec *main_server = s;
    int status = OK;

    global->browsers = global->login_urls;
    for (; s && status == OK; s = s->next) {
        server_config_t *server = ab_config_server(s);

        server->browser = NULL;
        server->origin = global->login_urls ? ab_browser_base(s, pconf) : NULL;
        if (server->login.used && server->issuers && server->secret_files) {
            status = make_browser(s, server, pconf);
        }
    }
    if (global->browsers) {
        ab_browser_room_create(pconf, main_server);
        ab_shared_create_signed_out(pconf, main_server);
    }
    return status;
}

/* ---- the endpoints ------------------------------------------------------ */

static int refuse_elsewhere(request_rec *r, const char *why)
{
    return ab_page_refusal(r, BEARER_MISDIRECTED, why,
                           apr_pstrcat(r->pool, ab_browser_of(r)->origin, "/", NULL));
}

/* No issuer was told this address, so the response is not carried on to where it would
 * count. */
static int stay_elsewhere(request_rec *r)
{
    return refuse_elsewhere(r, "the response to a login came to a Host that is no name in "
                            "AuthBearerBaseURL");
}

static int go_home(request_rec *r)
{
    const char *why;
    int status = ab_browser_go_home(r, &why);

    return status != DECLINED ? status : refuse_elsewhere(r, why);
}

static const struct {
    const char *name;
    apr_int64_t methods;
    int (*answer)(request_rec *r);
    int (*elsewhere)(request_rec *r); /* with another Host; NULL: as with a name */
} endpoints[] = {
    { CALLBACK, AP_METHOD_BIT << M_GET, ab_browser_callback, stay_elsewhere },
    { "/login", AP_METHOD_BIT << M_GET | AP_METHOD_BIT << M_POST, ab_browser_login_path,
      go_home },
    { "/logout", AP_METHOD_BIT << M_GET | AP_METHOD_BIT << M_POST, ab_browser_logout, go_home },
    { "/session", AP_METHOD_BIT << M_GET, ab_browser_status, go_home },
    { "/backchannel-logout", AP_METHOD_BIT << M_POST, ab_browser_backchannel, NULL },
    { "/frontchannel-logout", AP_METHOD_BIT << M_GET, ab_browser_frontchannel, NULL },
};

/* If several issuers log in, each has a callback below the common path. Other paths
 * there are answered too, so that a code never reaches another handler. */
static int is_endpoint(const browser_t *browser, const char *name,
                       const char *path)
{
    apr_size_t len = strlen(name);

    return strncmp(path, name, len) == 0
        && (!path[len] || (browser->several && path[len] == '/'
                           && !strcmp(name, CALLBACK)));
}

/* httpd merges the <Location> sections of a path later. Its own walk makes them apply to
 * an endpoint as to any other path: ab_config_of() has their directives, and so have the
 * error documents, headers and log levels of other modules. */
static int answer(request_rec *r, apr_size_t i)
{
    const int status = ap_location_walk(r);

    if (status != OK) {
        return status;
    }
    if (r->method_number < 0 || r->method_number >= METHODS
        || !(endpoints[i].methods & (AP_METHOD_BIT << r->method_number))) {
        r->allowed_methods->method_mask |= endpoints[i].methods;
        return HTTP_METHOD_NOT_ALLOWED;
    }
    return ab_process()
        ? (ab_browser_elsewhere(r) && endpoints[i].elsewhere
           ? endpoints[i].elsewhere : endpoints[i].answer)(r)
        : ab_page_refusal(r, BEARER_CONFIGURATION, "this child could not be set up", NULL);
}

int ab_browser_quick(request_rec *r, int lookup)
{
    AB_TRACE(r);
    const browser_t *browser = ab_browser_of(r);
    apr_size_t len, i;

    if (!browser || lookup || !r->uri) {
        return DECLINED;
    }
    len = strlen(browser->path);
    if (strncmp(r->uri, browser->path, len) != 0 || r->uri[len] != '/') {
        return DECLINED;
    }
    ab_browser_hide_answer(r);
    for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (is_endpoint(browser, endpoints[i].name, r->uri + len)) {
            return answer(r, i);
        }
    }
    return DECLINED;
}
