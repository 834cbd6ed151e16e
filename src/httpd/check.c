/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check.c
 * What the configuration contradicts itself in, found by `apachectl configtest`
 * (which never runs post_config), with file, line and the mend. Here: the walk,
 * and the sections; check_issuer.c and check_server.c have the rest.
 *
 * `AuthType Bearer` is another module's directive, and a section that has only
 * that has no record of ours. So the tree of directives is walked: each section
 * with that line is judged with the layers that reach it.
 */
#include "check_inside.h"

#include <stdarg.h>

APLOG_USE_MODULE(auth_bearer);

/* ---- telling ------------------------------------------------------------- */

/* An error stands last, where httpd says that the configuration failed. */
void ab_check_say(walk_t *w, int level, const ap_directive_t *at,
                  const char *format, ...)
{
    const char *text;
    va_list args;
    char *line;

    va_start(args, format);
    text = apr_pvsprintf(w->p, format, args);
    va_end(args);
    if (at) {
        text = bearer_message_with(w->p, text, apr_psprintf(w->p, "%s:%d: ",
                                                            at->filename,
                                                            at->line_num));
    }
    line = apr_pstrdup(w->p, text);
    bearer_message_tame(line);
    if (level <= APLOG_ERR) {
        APR_ARRAY_PUSH(w->errors, const char *) = line;
        return;
    }
    ap_log_error(APLOG_MARK, level | APLOG_STARTUP, 0, w->main, "%s: %s",
                 level == APLOG_WARNING ? "warning" : "note", line);
}

static int say_errors(const walk_t *w)
{
    int i;

    for (i = 0; i < w->errors->nelts; i++) {
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, 0, w->main, "%s",
                     APR_ARRAY_IDX(w->errors, i, const char *));
    }
    return w->errors->nelts ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

void ab_check_no_secret(walk_t *w, const ap_directive_t *at)
{
    ab_check_say(w, APLOG_ERR, at, AB(0701) "sessions and logins are sealed with a secret: "
                 "AuthBearerSecretFile PATH (openssl rand -out PATH 48)");
    w->told_secret = 1;
}

const ap_directive_t *ab_check_find(const ap_directive_t *node, const char *name)
{
    const ap_directive_t *found;

    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, name)) {
            return node;
        }
        if (node->first_child && (found = ab_check_find(node->first_child, name))) {
            return found;
        }
    }
    return NULL;
}

static int names_path(const walk_t *w, const ap_directive_t *node, const char *path)
{
    const char *args = node->args;

    while (*args) {
        const char *word = ap_server_root_relative(w->p,
                                                   ap_getword_conf(w->p, &args));

        if (word && !strcmp(word, path)) {
            return 1;
        }
    }
    return 0;
}

/* The directive of that name that names this file, or NULL. */
const ap_directive_t *ab_check_find_file(const walk_t *w,
                                         const ap_directive_t *node,
                                         const char *name, const char *path)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        if (!strcasecmp(node->directive, name) && names_path(w, node, path)) {
            found = node;
        } else if (node->first_child) {
            found = ab_check_find_file(w, node->first_child, name, path);
        }
    }
    return found;
}

/* ---- the tree ----------------------------------------------------------- */

int ab_check_is_section(const ap_directive_t *node, const char *name)
{
    return node->directive[0] == '<' && !strncasecmp(node->directive + 1, name,
                                                     strlen(name));
}

server_rec *ab_check_vhost_of(const walk_t *w, const ap_directive_t *node)
{
    server_rec *s;

    for (s = w->main; s; s = s->next) {
        if (s->is_virtual && s->defn_line_number == (unsigned)node->line_num
            && s->defn_name && !strcmp(s->defn_name, node->filename)) {
            return s;
        }
    }
    return w->main;
}

const ap_directive_t *ab_check_inside(const walk_t *w, const server_rec *s)
{
    const ap_directive_t *node = ap_conftree;

    while (s != w->main && node
           && !(ab_check_is_section(node, "VirtualHost")
                && ab_check_vhost_of(w, node) == s)) {
        node = node->next;
    }
    return s == w->main ? node : node ? node->first_child : NULL;
}

static const dir_config_t *record_of(const walk_t *w, const ap_directive_t *node)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *s = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (s->node == node) {
            return s->dir;
        }
    }
    return NULL;
}

/* What the section and those around it wrote. */
void ab_check_collect(const walk_t *w, const ap_directive_t *node,
                      bearer_settings_t *out)
{
    const dir_config_t *dir;

    if (node->parent) {
        ab_check_collect(w, node->parent, out);
    }
    dir = record_of(w, node);
    if (dir) {
        bearer_settings_merge(out, out, &dir->settings);
    }
}

static int lets_auth_config_in(const char *args)
{
    return ap_strcasestr(args, "AuthConfig") || ap_strcasestr(args, "All");
}

static void walk(walk_t *w, const ap_directive_t *node, server_rec *server)
{
    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, "AuthType")) {
            const char *args = node->args;

            if (!strcasecmp(ap_getword_conf(w->p, &args), "Bearer")
                && node->parent) {
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

const char *ab_check_path_of(const walk_t *w, const ap_directive_t *node)
{
    const char *args = node->args, *end = strrchr(args, '>');

    args = apr_pstrmemdup(w->p, args, end ? (apr_size_t)(end - args)
                                          : strlen(args));
    return ap_getword_conf(w->p, &args);
}

int ab_check_may_reach(const walk_t *w, const ap_directive_t *other,
                       const ap_directive_t *node)
{
    const char *own = ab_check_path_of(w, node);
    const char *path = ab_check_path_of(w, other);

    return strcasecmp(other->directive, "<Location") != 0
        || strcasecmp(node->directive, "<Location") != 0
        || *path == '~' || *own == '~' || strpbrk(path, "*?[")
        || !strncmp(own, path, strlen(path));
}

int ab_check_reached(const walk_t *w, const ap_directive_t *node,
                     bearer_setting_t setting)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *other = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (bearer_settings_wrote(&other->dir->settings, setting)
            && ab_check_may_reach(w, other->node, node)) {
            return 1;
        }
    }
    return 0;
}

/* ---- sections ----------------------------------------------------------- */

/* Does anything here hand requests to another server? */
static int proxies(const ap_directive_t *node)
{
    static const char *const names[][2] = {  /* and what the arguments have */
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

/* An error that another section, or .htaccess, may still mend. */
static int is_pardoned(const walk_t *w, const ab_section_t *s,
                       const bearer_issuers_t *issuers, const char *error)
{
    const server_config_t *server = ab_config_server(s->server);
    const char *audience;

    if (!strcmp(error, bearer_judge_no_session_check)) {
        return ab_check_reached(w, s->node, BEARER_SET_SESSION_CHECK);
    }
    if (!w->htaccess && !ab_check_reached(w, s->node, BEARER_SET_AUDIENCE)) {
        return 0;
    }
    audience = bearer_judge_audience_error(issuers, w->global->defaults,
                                           &server->settings, &s->settings, w->p);
    return audience && !strcmp(error, audience);
}

/* What a session or a login needs besides. */
static void check_browser_section(walk_t *w, const ab_section_t *s,
                                  const server_config_t *server,
                                  const bearer_settings_t *settings)
{
    const bearer_issuer_t *issuer;
    const char *error;

    if (!settings->session && !settings->login.on) {
        return;
    }
    if (!server->secret_files) {
        ab_check_no_secret(w, s->auth_type);
    }
    issuer = ab_browser_issuer(server, settings, &error, w->p);
    if (!issuer) {
        ab_check_say(w, APLOG_ERR, s->auth_type, AB(0705) "%s", error);
    } else {
        bearer_settings_t own;

        bearer_settings_resolve(&own, w->global->defaults, &server->settings,
                                &issuer->settings, NULL);
        error = bearer_client_lint(&own, issuer, w->p);
        if (error) {
            ab_check_say(w, APLOG_ERR, s->auth_type, "%s", error);
        }
    }
}

static void check_section(walk_t *w, const ab_section_t *s)
{
    const server_config_t *server = ab_config_server(s->server);
    apr_array_header_t *errors = apr_array_make(w->p, 2, sizeof(const char *));
    apr_array_header_t *warnings = apr_array_make(w->p, 2, sizeof(const char *));
    const bearer_issuers_t *issuers = server->issuers;
    bearer_settings_t settings;
    int i;

    bearer_settings_resolve(&settings, w->global->defaults, &server->settings,
                            NULL, &s->settings);
    if (!issuers && !ab_session_in_chain(&settings)) {
        ab_check_say(w, APLOG_ERR, s->auth_type, AB(0703) "AuthType Bearer, but no issuer "
                     "is trusted in this server; declare one: AuthBearerIssuer "
                     "URL");
        return;
    }
    if (!issuers) {
        issuers = bearer_issuers_create(w->p);
    }
    bearer_judge_lint(errors, warnings, issuers, w->global->defaults,
                      &server->settings, &s->settings, w->p);
    bearer_judge_lint_names(warnings, issuers, w->global->defaults,
                            &server->settings, &s->settings, w->p);
    for (i = 0; i < errors->nelts; i++) {
        const char *error = APR_ARRAY_IDX(errors, i, const char *);

        if (!is_pardoned(w, s, issuers, error)) {
            ab_check_say(w, APLOG_ERR, s->auth_type, "%s", error);
        }
    }
    for (i = 0; i < warnings->nelts; i++) {
        ab_check_say(w, APLOG_WARNING, s->auth_type, "%s",
                     APR_ARRAY_IDX(warnings, i, const char *));
    }
    check_browser_section(w, s, server, &settings);
    if (settings.forward == BEARER_FORWARD_NONE && proxies(ap_conftree)) {
        ab_check_say(w, APLOG_NOTICE, s->auth_type, AB(0704) "AuthBearerForward none: a "
                     "proxied application learns nothing of the user; "
                     "AuthBearerForward identity tells it");
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
    w->errors = apr_array_make(p, 2, sizeof(const char *));
    walk(w, ap_conftree, s);
}

int ab_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                    server_rec *s)
{
    walk_t w;
    int i;

    (void)pconf;
    (void)plog;
    ab_check_begin(&w, ptemp, s);
    for (i = 0; i < w.sections->nelts; i++) {
        check_section(&w, &APR_ARRAY_IDX(w.sections, i, ab_section_t));
    }
    for (i = 0; i < w.global->issuers->nelts; i++) {
        ab_check_one_issuer(&w, i);
    }
    ab_check_one_server(&w);
    ab_check_without_effect(&w);
    ab_check_foreign(&w);
    return say_errors(&w);
}

/* ---- at a request -------------------------------------------------------- */

/* Where no issuer is trusted: NULL if there is a session store, else what lacks. */
static const char *nobody_to_ask(const bearer_settings_t *settings)
{
    if (!ab_session_in_chain(settings)) {
        return "no issuer is trusted in this server; declare one: "
               "AuthBearerIssuer URL";
    }
    return settings->session_check ? NULL
        : bearer_message_text(bearer_judge_no_session_check);
}

const char *ab_check_request(request_rec *r)
{
    const server_config_t *server = ab_config_server(r->server);
    const dir_config_t *dir = ab_config_dir(r);
    apr_array_header_t *errors, *warnings;
    const char *error;

    if (!server->issuers && (error = nobody_to_ask(ab_config_of(r)))) {
        return error;
    }
    if (!ab_process()) {
        return "this child could not be started; the log of its start says why";
    }
    if (!server->issuers) {
        return NULL;  /* there are no tokens to be judged */
    }
    if (!dir->from_htaccess) {  /* configtest has judged the rest */
        return bearer_settings_has(&dir->settings, AUDIENCE)
            || bearer_settings_has(&server->settings, AUDIENCE) ? NULL
            : bearer_message_text(bearer_judge_audience_error(
                  server->issuers, server->global->defaults, &server->settings,
                  &dir->settings, r->pool));
    }
    errors = apr_array_make(r->pool, 1, sizeof(const char *));
    warnings = apr_array_make(r->pool, 1, sizeof(const char *));
    bearer_judge_lint(errors, warnings, server->issuers, server->global->defaults,
                      &server->settings, &dir->settings, r->pool);
    return errors->nelts
        ? bearer_message_text(APR_ARRAY_IDX(errors, 0, const char *)) : NULL;
}
