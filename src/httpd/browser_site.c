/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.c
 * A virtual host as browsers see it: its origin, and the path of the endpoints.
 */
#include "browser_site.h"
#include "config_parse.h"

#define LOGIN_PATH "/.auth"

/* https by ServerName's scheme, or because the vhost speaks TLS itself; mod_ssl tells
 * of connections only, and there is none yet. */
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

const browser_t *ab_browser_of(const request_rec *r)
{
    return ab_config_server(r->server)->browser;
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
