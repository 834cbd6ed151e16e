/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.c
 * A virtual host as browsers see it: its origin, the path of the endpoints, the issuers
 * that log in, and their callback URLs.
 *
 * If there are several issuers, each has its own callback (RFC 9700 section 4.4.2).
 * Otherwise a dishonest issuer could have a browser deliver another issuer's code here,
 * and would receive that code in the token request.
 */
#include "browser.h"
#include "config_parse.h"

#include <apr_lib.h>

#define LOGIN_PATH "/.auth"

/* Uses https if ServerName's scheme says so or if the virtual host itself uses TLS.
 * mod_ssl answers for connections only, and at this point there is none. */
static const char *origin_of(server_rec *s, apr_pool_t *p)
{
    const char *scheme = s->server_scheme ? s->server_scheme
                       : ab_config_switched_on(s, "SSLEngine", p) ? "https" : "http";
    const char *host = s->server_hostname;
    int standard = strcmp(scheme, "https") == 0 ? 443 : 80;
    int port = s->port ? s->port
             : s->is_virtual && s->addrs && s->addrs->host_port
               ? s->addrs->host_port : standard;

    host = host ? host : "localhost";
    return port == standard ? apr_psprintf(p, "%s://%s", scheme, host)
                            : apr_psprintf(p, "%s://%s:%d", scheme, host, port);
}

int ab_browser_within(const char *host, const char *domain)
{
    const apr_size_t len = strlen(host), end = strlen(domain);

    return len >= end && !strcmp(host + len - end, domain)
        && (len == end || host[len - end - 1] == '.');
}

const char *ab_browser_path(const server_rec *s)
{
    const char *path = ab_config_server(s)->login.path;

    return path ? path : LOGIN_PATH;
}

const char *ab_browser_base(server_rec *s, apr_pool_t *p)
{
    const apr_array_header_t *names = ab_config_server(s)->login.names;
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        const base_name_t *name = &APR_ARRAY_IDX(names, i, base_name_t);

        if (!name->wild) {
            return name->origin;
        }
    }
    return origin_of(s, p);
}

/* ---- issuers ------------------------------------------------------------ */

int ab_browser_has_client(const server_config_t *server, const bearer_issuer_t *issuer)
{
    bearer_settings_t s;

    ab_config_resolve(&s, server, issuer, NULL);
    return s.client_id != NULL;
}

static void add(apr_array_header_t *list, const bearer_issuer_t *issuer)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        if (APR_ARRAY_IDX(list, i, const bearer_issuer_t *) == issuer) {
            return;
        }
    }
    APR_ARRAY_PUSH(list, const bearer_issuer_t *) = issuer;
}

/* Adds the issuers that AuthBearerLoginIssuer names and that are accepted here. Returns an
 * error message or NULL. */
static const char *add_named(apr_array_header_t *list, const server_config_t *server,
                             const bearer_settings_t *settings, apr_pool_t *p)
{
    int i;

    for (i = 0; i < settings->login_issuer->nelts; i++) {
        const char *url = APR_ARRAY_IDX(settings->login_issuer, i, const char *);
        const bearer_issuer_t *issuer = server->issuers
            ? bearer_issuers_by_url(server->issuers, url) : NULL;

        if (!issuer || !ab_browser_has_client(server, issuer)) {
            return apr_psprintf(p, "AuthBearerLoginIssuer %s is not an issuer of this server "
                                "with AuthBearerClientID", url);
        }
        if (bearer_judge_accepts(settings, issuer)) {
            add(list, issuer);
        }
    }
    return list->nelts ? NULL
        : "AuthBearerAcceptIssuer accepts no issuer of AuthBearerLoginIssuer";
}

const apr_array_header_t *ab_browser_possible(const server_config_t *server,
                                              const bearer_settings_t *settings,
                                              const char **error, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const bearer_issuer_t *));
    int i, count = server->issuers ? bearer_issuers_count(server->issuers) : 0;

    if (settings->login_issuer) {
        *error = add_named(list, server, settings, p);
        return *error ? NULL : list;
    }
    for (i = 0; i < count; i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(server->issuers, i);

        if (ab_browser_has_client(server, issuer)) {
            add(list, issuer);
        }
    }
    *error = list->nelts == 1 ? NULL : list->nelts
        ? "several issuers have AuthBearerClientID; name those for logins: "
          "AuthBearerLoginIssuer URL ..."
        : "no issuer has AuthBearerClientID, so browsers cannot log in; write the "
          "client ID of this server";
    return *error ? NULL : list;
}

/* ---- several ------------------------------------------------------------- */

static void add_possible(apr_array_header_t *list, const server_config_t *server,
                         const bearer_settings_t *settings, apr_pool_t *p)
{
    const char *error;
    const apr_array_header_t *some = ab_browser_possible(server, settings, &error, p);
    int i;

    for (i = 0; some && i < some->nelts; i++) {
        add(list, APR_ARRAY_IDX(some, i, const bearer_issuer_t *));
    }
}

const apr_array_header_t *ab_browser_issuers(const server_rec *s, apr_pool_t *p)
{
    const server_config_t *server = ab_config_server(s);
    const apr_array_header_t *sections = server->global->sections;
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const bearer_issuer_t *));
    bearer_settings_t here;
    int i;

    ab_config_resolve(&here, server, NULL, NULL);
    add_possible(list, server, &here, p);
    for (i = 0; i < sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(sections, i, section_t);

        /* sections of the main server count in every virtual host */
        if ((section->server == s || !section->server->is_virtual)
            && section->dir->settings.login_issuer) {
            add_possible(list, server, &section->dir->settings, p);
        }
    }
    return list;
}

const char *ab_browser_callback_url(const char *base, const char *path,
                                    const bearer_issuer_t *issuer, apr_pool_t *p)
{
    return apr_pstrcat(p, base, path, CALLBACK, issuer ? "/" : NULL,
                       issuer ? issuer->name : NULL, NULL);
}

const char *ab_browser_own_callback(request_rec *r, const bearer_issuer_t *issuer)
{
    const browser_t *browser = ab_browser_of(r);

    return ab_browser_callback_url(browser->origin, browser->path,
                                   browser->several ? issuer : NULL, r->pool);
}

int ab_browser_has_name(const bearer_issuer_t *issuer)
{
    const char *c;

    for (c = issuer->name; apr_isalnum(*c) || (*c && strchr("-._~", *c)); c++) {
    }
    return !*c && *issuer->name && strcmp(issuer->name, ".") != 0
        && strcmp(issuer->name, "..") != 0 && strcmp(issuer->name, issuer->url) != 0;
}
