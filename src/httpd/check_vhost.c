/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Directives without effect: a list replaced by a second line, settings of a virtual
 * host that its issuers override, a Require that admits everyone. See check.c.
 */
#include "browser_site.h"
#include "check_inside.h"

#include "trust/issuer.h"
#include "trust/settings.h"

/* ---- lists ----------------------------------------------------------------- */

/* Does the directive's row say that it is a list? */
static int is_list(const char *directive)
{
    const command_rec *command = ap_find_command(directive, auth_bearer_module.cmds);

    return command && command->cmd_data;
}

/* Names are separated by spaces; a comma joins two names into one. */
static void check_commas(walk_t *w, const ap_directive_t *node)
{
    const char *args = node->args, *word;

    while (*args) {
        word = ap_getword_conf(w->p, &args);
        if (strpbrk(word, ", \t")) {
            ab_check_say(w, BEARER_LOG_WARNING, node,
                         AB(0814) "%s: %s is one name here; separate names by spaces, without "
                         "commas or quotes around several", node->directive,
                         bearer_text_quote(w->p, word));
            return;
        }
    }
}

static void check_lists(walk_t *w, const ap_directive_t *first)
{
    const ap_directive_t *node, *other;

    for (node = first; node; node = node->next) {
        other = ab_config_beside(first, node->directive);
        if (other != node && is_list(node->directive)) {
            ab_check_say(w, BEARER_LOG_ERROR, node,
                         AB(0811) "%s is given twice in this section, and the second line would "
                         "replace the first (%s:%d); write one line with all values",
                         node->directive,
                         other->filename, other->line_num);
        }
        if (!strcasecmp(node->directive, "AuthBearerAudience")
            || !strcasecmp(node->directive, "AuthBearerClients")) {
            check_commas(w, node);
        }
        if (node->first_child) {
            check_lists(w, node->first_child);
        }
    }
}

/* ---- what issuers override --------------------------------------------------- */

static const bearer_setting_t about_tokens[] = {
    BEARER_SET_AUDIENCE, BEARER_SET_NO_AUDIENCE, BEARER_SET_CLIENTS, BEARER_SET_ID_TOKENS
};

static int overrides(const bearer_issuer_t *issuer, const bearer_settings_t *vhost,
                     bearer_setting_t setting, apr_pool_t *p)
{
    return bearer_settings_wrote(&issuer->settings, setting)
        && strcmp(bearer_settings_print(&issuer->settings, setting, p),
                  bearer_settings_print(vhost, setting, p)) != 0;
}

/* An issuer section overrides the server's own directives, so a virtual host may set an
 * audience that no token is compared with. */
static void check_overridden(walk_t *w, server_rec *s, bearer_setting_t setting)
{
    const server_config_t *server = ab_config_server(s);
    const char *name = bearer_settings_directive(setting);
    const bearer_issuer_t *issuer = NULL;
    const ap_directive_t *written = ab_config_beside(ab_config_inside(s), name);
    int i, n = bearer_issuers_count(server->issuers), count = 0;

    for (i = 0; i < n; i++) {
        const bearer_issuer_t *one = bearer_issuers_at(server->issuers, i);

        if (overrides(one, &server->settings, setting, w->p)) {
            issuer = issuer ? issuer : one;
            count++;
        }
    }
    if (count && count == n) {
        ab_check_say(w, BEARER_LOG_ERROR, written,
                     AB(0812) "%s has no effect in this virtual host: every issuer has its own %s "
                     "(%s, at %s:%d); write it in the sections with AuthType Bearer, or remove it "
                     "from <AuthBearerIssuer>", name, name, issuer->name, issuer->file,
                     issuer->line);
    } else if (count) {
        ab_check_say(w, BEARER_LOG_WARNING, written,
                     AB(0813) "%s has no effect for %d of %d issuers, which have their own %s (%s, "
                     "at %s:%d); to set it for all, write it in the sections with AuthType Bearer",
                     name, count, n, name,
                     issuer->name, issuer->file, issuer->line);
    }
}

/* A virtual host never inherits a name, since each has its own. */
static void check_name(walk_t *w, server_rec *s)
{
    const server_config_t *server = ab_config_server(s);
    const apr_array_header_t *outer = ab_config_server(w->main)->login.names;
    const char *base;

    if (!outer || server->login.names || !server->login.on
        || !ab_browser_issuers(s, w->p)->nelts) {
        return;
    }
    base = ab_browser_base(s, w->p);
    if (strcmp(base, ab_browser_base(w->main, w->p)) != 0) {
        ab_check_say(w, BEARER_LOG_WARNING,
                     ab_config_beside(ap_conftree, "AuthBearerBaseURL"),
                     AB(0821) "AuthBearerBaseURL of the main server has no effect in the virtual "
                     "host %s (%s:%d): browsers log in there at %s; write AuthBearerBaseURL in it",
                     s->server_hostname ? s->server_hostname : "(no name)",
                     s->defn_name ? s->defn_name : "(unknown)", (int)s->defn_line_number, base);
    }
}

static void check_vhost(walk_t *w, server_rec *s)
{
    const server_config_t *server = ab_config_server(s);
    unsigned i;

    check_name(w, s);
    if (!server->issuers || !server->inherits_issuers) {
        return;
    }
    for (i = 0; i < sizeof(about_tokens) / sizeof(about_tokens[0]); i++) {
        if ((server->own >> about_tokens[i]) & 1u) {
            check_overridden(w, s, about_tokens[i]);
        }
    }
}

/* ---- Require ------------------------------------------------------------------ */

/* Returns the <Location>, <Directory> or similar section that contains a Require, or
 * NULL. */
static const ap_directive_t *section_of(const ap_directive_t *node)
{
    do {
        node = node->parent;
    } while (node && (ab_check_is_section(node, "Require")
                      || ab_check_is_section(node, "Limit")));
    return node;
}

/* Does a Require that needs a user apply to the section from elsewhere, as far as the
 * tree shows? *granted receives a `Require all granted` that does. */
static int reached_by_require(const walk_t *w, const ab_section_t *s,
                              const ap_directive_t *node,
                              const ap_directive_t **granted)
{
    const ap_directive_t *in;

    for (; node; node = node->next) {
        if (ab_check_is_section(node, "VirtualHost")
            && s->server != w->main && ab_check_vhost_of(w, node) != s->server) {
            continue;
        }
        if (!strcasecmp(node->directive, "Require")
            && (in = section_of(node)) != NULL
            && ab_check_may_reach(w, in, s->node)) {
            if (!ab_config_first_is(node, "all", w->p)) {
                return 1;  /* `all` allows or denies every request without a user */
            }
            *granted = ap_strcasestr(node->args, "granted") ? node : *granted;
        }
        if (node->first_child
            && reached_by_require(w, s, node->first_child, granted)) {
            return 1;
        }
    }
    return 0;
}

static void check_require(walk_t *w, const ab_section_t *s)
{
    const ap_directive_t *granted = NULL;

    if (w->htaccess || ab_check_find(w, s->node->first_child, "Require", NULL)
        || reached_by_require(w, s, ap_conftree, &granted)) {
        return;
    }
    if (granted) {
        ab_check_say(w, BEARER_LOG_WARNING, s->auth_type,
                     AB(0815) "no Require here needs a user: where the inherited Require all "
                     "granted applies (%s:%d), no token is needed; elsewhere, e.g. if proxied, "
                     "every request gets 500; write Require valid-user", granted->filename,
                     granted->line_num);
    } else {
        ab_check_say(w, BEARER_LOG_WARNING, s->auth_type,
                     AB(0816) "no Require applies to this AuthType Bearer: httpd answers 500 to "
                     "every request (AH01627), or 403 where an inherited Require all denied "
                     "applies; write Require valid-user");
    }
}

/* ---- logins ------------------------------------------------------------------- */

static void check_login_section(walk_t *w, const section_t *section)
{
    const char *name = bearer_settings_has(&section->dir->settings, LOGIN)
                       ? "AuthBearerLogin" : "AuthBearerSession";
    bearer_settings_t settings;

    memset(&settings, 0, sizeof(settings));
    ab_check_collect(w, section->node, &settings);
    if (settings.login.on && !settings.session
        && !ab_check_reached(w, section->node, BEARER_SET_SESSION)) {
        ab_check_say(w, BEARER_LOG_ERROR,
                     ab_check_find(w, section->node->first_child, name, NULL),
                     AB(0702) "AuthBearerLogin On needs AuthBearerSession On in the same section; "
                     "without it, users must log in again on every page");
    }
}

/* Does a page lead to the sign-out of this server, and so back to itself? */
static int leads_back(const char *to, server_rec *s, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, ab_browser_path(s), "/logout", NULL);
    const char *base = ab_browser_base(s, p);
    apr_size_t skip = strncmp(to, base, strlen(base)) ? 0 : strlen(base), n = strlen(path);

    return !strncmp(to + skip, path, n) && strchr("?", to[skip + n]);
}

/* Checks an AuthBearerLogout of the section, NULL: of the server, for the server's own
 * endpoint. Returns 1 if it counts there. */
static int check_logout(walk_t *w, server_rec *s, const ap_directive_t *section,
                        const bearer_settings_t *settings)
{
    ap_directive_t endpoint = { .directive = "<Location" };

    endpoint.args = apr_pstrcat(w->p, ab_browser_path(s), "/logout>", NULL);
    if (section && (!ab_check_is_section(section, "Location")
                    || !ab_check_may_reach(w, section, &endpoint))) {
        return 0;
    }
    if (settings->logout.to && leads_back(settings->logout.to, s, w->p)) {
        ab_check_say(w, BEARER_LOG_ERROR,
                     section ? ab_check_find(w, section->first_child, "AuthBearerLogout", NULL)
                             : ab_config_beside(ab_config_inside(s), "AuthBearerLogout"),
                     AB(0841) "AuthBearerLogout to=%s leads to the sign-out again; name another "
                     "page", settings->logout.to);
    }
    return 1;
}

static void check_logouts(walk_t *w)
{
    server_rec *s;
    int i, counts;

    for (s = w->main; s; s = s->next) {
        check_logout(w, s, NULL, &ab_config_server(s)->settings);
    }
    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        counts = !bearer_settings_has(&section->dir->settings, LOGOUT);
        for (s = w->main; s && !counts; s = s->next) {
            counts = check_logout(w, s, section->node, &section->dir->settings);
        }
        if (!counts) {
            ab_check_say(w, BEARER_LOG_WARNING,
                         ab_check_find(w, section->node->first_child, "AuthBearerLogout", NULL),
                         AB(0840) "AuthBearerLogout has no effect in this section; write it in "
                         "<Location %s/logout>, or in the server",
                         ab_browser_path(section->server));
        }
    }
}

void ab_check_without_effect(walk_t *w)
{
    server_rec *s;
    int i;

    check_lists(w, ap_conftree);
    check_logouts(w);
    for (s = w->main; s; s = s->next) {
        if (s->is_virtual) {
            check_vhost(w, s);
        }
    }
    for (i = 0; i < w->sections->nelts; i++) {
        check_require(w, &APR_ARRAY_IDX(w->sections, i, ab_section_t));
    }
    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (bearer_settings_has(&section->dir->settings, LOGIN)
            || bearer_settings_has(&section->dir->settings, SESSION)) {
            check_login_section(w, section);
        }
    }
}
