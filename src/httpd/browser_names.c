/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_names.c
 * The names of a virtual host (AuthBearerBaseURL), and which of them is in force in a
 * request.
 *
 * With one name, the Host of a request is not looked at. With several, Host only selects
 * among them; it becomes part of a URL only as the label in place of a `*`, and then has
 * only letters, digits and hyphens.
 */
#include "browser.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/http.h"

#define LABEL_MAX 63  /* RFC 1035 section 2.3.4 */

void ab_browser_name(browser_t *b, const char *origin, apr_pool_t *p)
{
    b->origin = origin;
    b->site = b->domain ? apr_pstrcat(p, "domain ", b->domain, NULL) : origin;
    b->logout = apr_pstrcat(p, b->login ? b->login : origin, b->path, "/logout", NULL);
    bearer_cookie_names(&b->names, origin, p);
    if (b->domain) {
        bearer_cookie_share(&b->names, b->domain);
    }
}

/* RFC 5890 section 2.3.1: letters, digits, hyphens inside. */
static int is_label(const char *s, apr_size_t len)
{
    return len && len <= LABEL_MAX && apr_isalnum(*s) && apr_isalnum(s[len - 1])
        && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") >= len;
}

/* Returns the origin that this name has with that Host, or NULL. */
static const char *origin_with(const base_name_t *name, const char *host, apr_pool_t *p)
{
    const char *scheme = name->https ? "https://" : "http://";
    apr_size_t label;
    bearer_http_url_t url;

    if (bearer_http_url_split(&url, apr_pstrcat(p, scheme, host, NULL), p) || *url.path
        || url.port != name->port) {
        return NULL;
    }
    if (!name->wild) {
        return strcmp(url.host, name->host) == 0 ? name->origin : NULL;
    }
    label = strcspn(url.host, ".");
    return is_label(url.host, label) && strcmp(url.host + label, name->host) == 0
        ? apr_psprintf(p, "%s%.*s%s", scheme, (int)label, url.host,
                       name->origin + strlen(scheme) + 1)
        : NULL;
}

/* A name that is written counts before one that a * makes. */
const char *ab_browser_origin_of(const apr_array_header_t *names, const char *host,
                                 apr_pool_t *p)
{
    const char *origin = NULL;
    int i, wild;

    for (wild = 0; host && !origin && wild <= 1; wild++) {
        for (i = 0; !origin && i < names->nelts; i++) {
            const base_name_t *name = &APR_ARRAY_IDX(names, i, base_name_t);

            origin = name->wild == wild ? origin_with(name, host, p) : NULL;
        }
    }
    return origin;
}

/* The record of the client's request keeps the result: every part of a request, and
 * every request made from it, has the same name. */
const browser_t *ab_browser_of(const request_rec *r)
{
    const server_config_t *server = ab_config_server(r->server);
    const char *origin;
    request_rec *first;
    request_t *record;
    browser_t *named;

    if (!server->browser || !server->login.names || server->login.names->nelts < 2) {
        return server->browser;
    }
    first = ab_request_first(r);
    record = ab_request(first);
    if (record->named_of != server->browser) {
        named = apr_pmemdup(first->pool, server->browser, sizeof(*named));
        origin = ab_browser_origin_of(server->login.names,
                                      apr_table_get(first->headers_in, "Host"), first->pool);
        named->elsewhere = !origin;
        if (origin) {
            ab_browser_name(named, origin, first->pool);
        }
        record->named = named;
        record->named_of = server->browser;
    }
    return record->named;
}

int ab_browser_elsewhere(const request_rec *r)
{
    const browser_t *browser = ab_browser_of(r);

    return browser && browser->elsewhere;
}

int ab_browser_is_same_origin(const request_rec *r, int unstated)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");

    return site ? !ap_cstr_casecmp(site, "same-origin")
         : origin ? !ap_cstr_casecmp(origin, ab_browser_of(r)->origin) : unstated;
}
