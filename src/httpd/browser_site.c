/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.c
 * A virtual host as browsers see it: its origin, and the path of the endpoints.
 */
#include "browser_site.h"
#include "browser.h"
#include "records.h"

#include <apr_strings.h>

#define LOGIN_PATH "/.auth"

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
