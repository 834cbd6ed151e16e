/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file resource.c
 * AuthBearerResource: the documents of RFC 9728. They are created when the server
 * starts and served before other modules process the request. So clients can read them
 * even if `<Location />` is protected or `ProxyPass /` forwards everything.
 */
#include "resource.h"
#include "config_parse.h"

#include <http_protocol.h>
#include <http_request.h>

#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/resource.h"
#include "trust/settings.h"

#define CACHE_CONTROL "public, max-age=300"

/** The documents of a virtual host; the two lists are parallel. */
struct resources_t {
    apr_array_header_t *resources;  /**< const bearer_resource_t * */
    apr_array_header_t *documents;  /**< const char * */
};

/* ---- settings at the resource's path --------------------------------------- */

/** What httpd would merge for the section's path, as far as the tree shows. */
typedef struct view_t {
    bearer_settings_t settings;
    apr_array_header_t *scopes;     /**< const char *: from the last Require lines */
} view_t;

static int is_plain_location(const section_t *section)
{
    const char *path = section->node->args;

    return !strcasecmp(section->node->directive, "<Location") && *path != '~'
        && !strpbrk(path, "*?[");
}

static int covers(const char *outer, const char *inner)
{
    apr_size_t len = strlen(outer);

    return !strncmp(outer, inner, len)
        && (!inner[len] || inner[len] == '/' || (len && outer[len - 1] == '/'));
}

static int reaches(const section_t *other, const section_t *section,
                   apr_pool_t *p)
{
    return other == section
        || (is_plain_location(other) && is_plain_location(section)
            && (other->server == section->server || !other->server->is_virtual)
            && covers(ab_config_path(other->node, p), ab_config_path(section->node, p)));
}

/* Collects the scopes of `Require scope a b` in a section and its containers. Returns 1
 * if there is any Require. */
static int collect_scopes(apr_array_header_t *scopes, const ap_directive_t *node,
                          apr_pool_t *p)
{
    int any = 0, i;

    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, "Require")) {
            apr_array_header_t *words = ab_config_words(p, node->args);

            any = 1;
            for (i = 1; i < words->nelts
                 && !strcasecmp(APR_ARRAY_IDX(words, 0, const char *), "scope");
                 i++) {
                APR_ARRAY_PUSH(scopes, const char *) =
                    APR_ARRAY_IDX(words, i, const char *);
            }
        } else if (node->first_child
                 && strncasecmp(node->directive, "<RequireNone", 12)) {
            any |= collect_scopes(scopes, node->first_child, p);
        }
    }
    return any;
}

static void look(view_t *view, const section_t *section,
                 const apr_array_header_t *sections, apr_pool_t *p)
{
    int i;

    memset(view, 0, sizeof(*view));
    for (i = 0; i < sections->nelts; i++) {
        const section_t *other = &APR_ARRAY_IDX(sections, i, section_t);
        apr_array_header_t *scopes = apr_array_make(p, 2, sizeof(const char *));

        if (!reaches(other, section, p)) {
            continue;
        }
        bearer_settings_merge(&view->settings, &view->settings,
                              &other->dir->settings);
        if (collect_scopes(scopes, other->node->first_child, p)) {
            view->scopes = scopes;
        }
    }
}

/* ---- documents -------------------------------------------------------------- */

static void add_issuer(apr_array_header_t *list, const char *url)
{
    if (!strncmp(url, "https:", 6) || !strncmp(url, "http:", 5)) {
        APR_ARRAY_PUSH(list, const char *) = url;
    }
}

/* Returns the accepted issuers, with each named tenant. An issuer that is not a URL is
 * omitted, because clients cannot contact it. */
static apr_array_header_t *issuers_of(const server_config_t *server,
                                      const bearer_settings_t *settings,
                                      apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    int i, k;

    for (i = 0; i < bearer_issuers_count(server->issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(server->issuers, i);

        if (!bearer_judge_accepts(settings, issuer)) {
            continue;
        }
        if (!bearer_issuer_is_template(issuer)) {
            add_issuer(list, issuer->url);
        }
        for (k = 0; issuer->tenants && k < issuer->tenants->nelts; k++) {
            add_issuer(list, bearer_issuer_expand(
                issuer->url, APR_ARRAY_IDX(issuer->tenants, k, const char *), p));
        }
    }
    return list;
}

static void add_document(resources_t *out, const server_config_t *server,
                         const section_t *section, apr_pool_t *p)
{
    const bearer_resource_t *resource = section->dir->settings.resource;
    bearer_settings_t settings;
    view_t view;

    look(&view, section, server->global->sections, p);
    ab_config_resolve(&settings, server, NULL, &view.settings);
    APR_ARRAY_PUSH(out->resources, const bearer_resource_t *) = resource;
    APR_ARRAY_PUSH(out->documents, const char *) =
        bearer_resource_document(resource, issuers_of(server, &settings, p),
                                 view.scopes, settings.token_from, p);
}

/* A virtual host also has the main server's sections. */
static resources_t *resources_of(server_rec *s, apr_pool_t *p)
{
    const server_config_t *server = ab_config_server(s);
    const apr_array_header_t *sections = server->global->sections;
    resources_t *out = NULL;
    int i;

    for (i = 0; server->issuers && i < sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(sections, i, section_t);

        if (!bearer_settings_has(&section->dir->settings, RESOURCE)
            || (section->server != s && section->server->is_virtual)) {
            continue;
        }
        if (!out) {
            out = apr_pcalloc(p, sizeof(*out));
            out->resources = apr_array_make(p, 2, sizeof(bearer_resource_t *));
            out->documents = apr_array_make(p, 2, sizeof(const char *));
        }
        add_document(out, server, section, p);
    }
    return out;
}

void ab_resource_post_config(apr_pool_t *pconf, server_rec *s)
{
    for (; s; s = s->next) {
        ab_config_server(s)->resources = resources_of(s, pconf);
    }
}

/* ---- answering --------------------------------------------------------------- */

/* Returns the document for this path, or NULL. */
static const char *document_for(request_rec *r)
{
    const resources_t *own = ab_config_server(r->server)->resources;
    int i;

    if (!own || !r->uri
        || strncmp(r->uri, BEARER_RESOURCE_WELL_KNOWN,
                   strlen(BEARER_RESOURCE_WELL_KNOWN)) != 0) {
        return NULL;
    }
    i = bearer_resource_find(own->resources, r->uri, r->hostname);
    return i < 0 ? NULL : APR_ARRAY_IDX(own->documents, i, const char *);
}

/* Clients in a browser send a preflight because of their own request headers. */
static int preflight(request_rec *r)
{
    apr_table_setn(r->headers_out, "Access-Control-Allow-Methods", "GET, HEAD");
    apr_table_setn(r->headers_out, "Access-Control-Allow-Headers", "*");
    apr_table_setn(r->headers_out, "Access-Control-Max-Age", "86400");
    apr_table_setn(r->headers_out, "Allow", "GET, HEAD, OPTIONS");
    r->status = HTTP_NO_CONTENT;
    ap_set_content_length(r, 0);
    return OK;
}

int ab_resource_quick(request_rec *r, int lookup)
{
    const char *document = lookup ? NULL : document_for(r);

    if (!document) {
        return DECLINED;
    }
    apr_table_setn(r->headers_out, "Access-Control-Allow-Origin", "*");
    if (r->method_number == M_OPTIONS) {
        return preflight(r);
    }
    if (r->method_number != M_GET) {  /* HEAD is M_GET */
        ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, M_OPTIONS, -1);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->headers_out, "Cache-Control", CACHE_CONTROL);
    ap_set_content_length(r, (apr_off_t)strlen(document));
    ap_rputs(document, r);
    return OK;
}
