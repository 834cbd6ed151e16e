/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Directives of other modules that are incompatible with AuthType Bearer. configtest
 * finds them in the tree of directives, in which Include and <IfModule> are already
 * resolved. Combinations through .htaccess or through sections of different kinds are
 * found at request time.
 */
#include "check.h"
#include "check_inside.h"
#include "refuse.h"
#include "request.h"

static const char merge_trailers[] =
    AB(0801) "MergeTrailers On: a client's trailers become headers after identity headers were "
    "removed; with AuthType Bearer, write MergeTrailers Off";
static const char fake_basic_auth[] =
    AB(0802) "SSLOptions +FakeBasicAuth: mod_ssl replaces the client's Authorization header; with "
    "AuthType Bearer, write SSLOptions -FakeBasicAuth";
static const char forward_proxy[] =
    AB(0803) "ProxyRequests On: clients of a forward proxy send Authorization to the origin, so "
    "AuthType Bearer cannot be used for them; for a reverse proxy, write ProxyRequests Off";

/* Where FakeBasicAuth may be set. */
enum { HERE = 1, IN_HTACCESS = 2 };

/* set again with each configuration */
static int may_be_faked;
int ab_check_foreign_watch;

/* ---- a server's directives ------------------------------------------------ */

/* Sections of the main server count in every virtual host. */
static int counts_in(const walk_t *w, const ab_section_t *section,
                     const server_rec *s)
{
    return section->server == s || section->server == w->main;
}

/* Reports a directive once, however many servers it applies to. */
static void say_once(walk_t *w, const ap_directive_t *at, const char *text,
                     const char *beside, const ap_directive_t *other)
{
    if (!ab_check_said(w, bearer_message_number(text), at)) {
        ab_check_say(w, BEARER_LOG_ERROR, at, "%s (%s: %s:%d)", text, beside,
                     other->filename, other->line_num);
    }
}

static int is_in_proxy(const ap_directive_t *node)
{
    while (node && !ab_check_is_section(node, "Proxy")) {
        node = node->parent;
    }
    return node != NULL;
}

static void check_switches(walk_t *w, const ab_section_t *section, const server_rec *s)
{
    const ap_directive_t *node = ab_config_switched_on(s, "MergeTrailers", w->p);

    if (node) {
        say_once(w, node, merge_trailers, "AuthType Bearer", section->auth_type);
    }
    if (is_in_proxy(section->node)
        && (node = ab_config_switched_on(s, "ProxyRequests", w->p)) != NULL) {
        say_once(w, section->auth_type, forward_proxy, "ProxyRequests", node);
    }
}

/* ---- SSLOptions ------------------------------------------------------------ */

/* The merged settings in force; NULL: not Bearer, not faked. */
typedef struct view_t {
    const ap_directive_t *bearer;
    const ap_directive_t *fake;
} view_t;

/* mod_ssl: a word without a sign replaces all options before it. */
static void merge_options(const walk_t *w, view_t *view, const ap_directive_t *node)
{
    const char *args = node->args;

    while (*args) {
        const char *word = ap_getword_conf(w->p, &args);
        int sign = *word == '+' || *word == '-';

        if (!strcasecmp(word + sign, "FakeBasicAuth")) {
            view->fake = *word == '-' ? NULL : node;
        } else if (!sign) {
            view->fake = NULL;
        }
    }
}

static void merge(const walk_t *w, view_t *view, const ap_directive_t *node)
{
    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, "SSLOptions")) {
            merge_options(w, view, node);
        } else if (!strcasecmp(node->directive, "AuthType")) {
            view->bearer = ab_config_first_is(node, "Bearer", w->p) ? node : NULL;
        }
    }
}

/* Does one section apply to every request of the other? Combinations that configtest
 * cannot compare (patterns, a <Directory> and a <Location>) are checked at request
 * time. */
static int covers(const walk_t *w, const ap_directive_t *section,
                  const ap_directive_t *other)
{
    const char *path, *longer;
    apr_size_t len;

    if (strcasecmp(section->directive, other->directive) != 0
        || (strcasecmp(section->directive, "<Location") != 0
            && strcasecmp(section->directive, "<Directory") != 0)) {
        return 0;
    }
    path = ab_config_path(section, w->p);
    longer = ab_config_path(other, w->p);
    len = strlen(path);
    return *path == '/' && !strpbrk(path, "*?[") && !strncmp(longer, path, len)
        && (!len || path[len - 1] == '/' || !longer[len] || longer[len] == '/');
}

/* Merges from the outermost section to this one. */
static void merge_chain(const walk_t *w, view_t *view, const ap_directive_t *node,
                        const ap_directive_t *outermost)
{
    if (node != outermost) {
        merge_chain(w, view, node->parent, outermost);
    }
    merge(w, view, node->first_child);
}

/* Lists the sections of a server that cover a section, and the section itself, in
 * httpd's order: directories by length, locations as written. */
static void list_covering(const walk_t *w, apr_array_header_t *list,
                          const server_rec *s, const ap_directive_t *section)
{
    const int sorted = !strcasecmp(section->directive, "<Directory");
    const ap_directive_t *o;
    int i;

    for (o = ab_config_inside(s); o; o = o->next) {
        if (o != section && !covers(w, o, section)) {
            continue;
        }
        APR_ARRAY_PUSH(list, const ap_directive_t *) = o;
        for (i = list->nelts - 1; sorted && i > 0; i--) {
            const ap_directive_t **before = &APR_ARRAY_IDX(list, i - 1,
                                                           const ap_directive_t *);

            if (strlen(ab_config_path(*before, w->p))
                <= strlen(ab_config_path(o, w->p))) {
                break;
            }
            before[1] = *before;
            *before = o;
        }
    }
}

static void check_options(walk_t *w, const ap_directive_t *node, const server_rec *s)
{
    const ap_directive_t *outermost = node;
    apr_array_header_t *list = apr_array_make(w->p, 4, sizeof(ap_directive_t *));
    view_t view = { NULL, NULL };
    int i;

    while (outermost->parent
           && !ab_check_is_section(outermost->parent, "VirtualHost")) {
        outermost = outermost->parent;
    }
    merge(w, &view, ap_conftree);
    list_covering(w, list, w->main, outermost);
    if (s != w->main) {
        merge(w, &view, ab_config_inside(s));
        list_covering(w, list, s, outermost);
    }
    for (i = 0; i < list->nelts; i++) {
        const ap_directive_t *o = APR_ARRAY_IDX(list, i, const ap_directive_t *);

        if (o == outermost) {
            merge_chain(w, &view, node, outermost);
        } else {
            merge(w, &view, o->first_child);
        }
    }
    if (view.bearer && view.fake) {
        say_once(w, view.fake, fake_basic_auth, "AuthType Bearer", view.bearer);
    }
}

/* Checks each section that sets either option, for each server that it applies to. */
static void check_sections(walk_t *w, const ap_directive_t *node, const server_rec *owner)
{
    const server_rec *s;

    for (; node; node = node->next) {
        if (!node->first_child) {
            continue;
        }
        if (ab_check_is_section(node, "VirtualHost")) {
            check_sections(w, node->first_child, ab_check_vhost_of(w, node));
            continue;
        }
        if (ab_config_beside(node->first_child, "SSLOptions")
            || ab_config_beside(node->first_child, "AuthType")) {
            for (s = w->main; s; s = s->next) {
                if (s == owner || owner == w->main) {
                    check_options(w, node, s);
                }
            }
        }
        check_sections(w, node->first_child, owner);
    }
}

static int mentions_fake(const walk_t *w, const ap_directive_t *node)
{
    int found = 0;

    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, "SSLOptions")
            && ap_strcasestr(node->args, "FakeBasicAuth")) {
            found |= HERE;
        } else if (!strncasecmp(node->directive, "AllowOverride", 13)
                 && !ab_config_first_is(node, "None", w->p)) {
            found |= IN_HTACCESS;
        }
        found |= mentions_fake(w, node->first_child);
    }
    return found;
}

void ab_check_foreign(walk_t *w)
{
    const server_rec *s;
    int i;

    may_be_faked = ap_find_linked_module("mod_ssl.c") ? mentions_fake(w, ap_conftree)
                                                      : 0;
    ab_check_foreign_watch = may_be_faked
        || ab_check_find(w, ap_conftree, "MergeTrailers", NULL)
        || ab_check_find(w, ap_conftree, "ProxyRequests", NULL);
    for (i = 0; i < w->sections->nelts; i++) {
        const ab_section_t *section = &APR_ARRAY_IDX(w->sections, i, ab_section_t);

        for (s = w->main; s; s = s->next) {
            if (counts_in(w, section, s)) {
                check_switches(w, section, s);
            }
        }
    }
    if (may_be_faked & HERE) {
        check_sections(w, ap_conftree, w->main);
    }
}

/* ---- at request time ------------------------------------------------------- */

int ab_check_foreign_access(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(
        r->server->module_config);
    const char *field;

    if (core->merge_trailers == AP_MERGE_TRAILERS_ENABLE
        || r->proxyreq == PROXYREQ_PROXY) {
        if (ab_config_in_force(r)) {
            return ab_refuse(r, BEARER_CONFIGURATION,
                             r->proxyreq == PROXYREQ_PROXY
                             ? forward_proxy : merge_trailers, NULL);
        }
    }
    if (may_be_faked) {
        field = apr_table_get(r->headers_in, "Authorization");
        ab_request(r)->authorization = field ? field : "";
    }
    return DECLINED;
}

const char *ab_check_foreign_request(request_rec *r)
{
    const char *now = apr_table_get(r->headers_in, "Authorization");

    return now && now != ab_request(r)->authorization
        && !strncmp(now, "Basic ", 6) ? fake_basic_auth : NULL;
}
