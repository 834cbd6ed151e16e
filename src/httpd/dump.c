/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * `httpd -t -D DUMP_BEARER`: prints the sections with their effective values; secrets
 * are masked. check.c explains how the sections are found.
 */
#include "browser_site.h"
#include "check.h"
#include "check_inside.h"

#include <http_core.h>

#include "base/http.h"
#include "base/text.h"
#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/settings.h"

static void dump_setting(apr_file_t *out, const bearer_settings_t *settings,
                         bearer_setting_t setting, apr_pool_t *p)
{
    const char *text = bearer_settings_print(settings, setting, p);
    apr_array_header_t *lines = bearer_text_split(p, text, "\n");
    int i;

    for (i = 0; i < lines->nelts; i++) {
        apr_file_printf(out, "    %s %s%s\n", bearer_settings_directive(setting),
                        APR_ARRAY_IDX(lines, i, const char *),
                        bearer_settings_wrote(settings, setting) ? "" : "   # default");
    }
}

/* Prints the settings for the tokens of each issuer with its own value. Returns 1 if
 * every accepted issuer has its own value, so that the section's value is unused. */
static int dump_issuers(apr_file_t *out, const bearer_issuers_t *issuers,
                        const bearer_settings_t *here, bearer_setting_t setting,
                        apr_pool_t *p)
{
    int i, own = 0, others = 0;

    for (i = 0; issuers && i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        if (!bearer_judge_accepts(here, issuer)) {
            continue;
        }
        if (!bearer_settings_wrote(&issuer->settings, setting)) {
            others++;
            continue;
        }
        own++;
        apr_file_printf(out, "    %s %s   # tokens of issuer %s\n",
                        bearer_settings_directive(setting),
                        bearer_settings_print(&issuer->settings, setting, p),
                        issuer->name);
    }
    return own && !others;
}

static void dump_section(apr_file_t *out, const ab_section_t *section,
                         const walk_t *w)
{
    const server_config_t *server = ab_config_server(section->server);
    bearer_settings_t here;
    int i;

    ab_config_resolve(&here, server, NULL, &section->settings);
    apr_file_printf(out, "%s %s   # %s:%d, server %s\n",
                    section->node->directive, section->node->args,
                    section->node->filename, section->node->line_num,
                    section->server->server_hostname
                    ? section->server->server_hostname : "(main)");
    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        bearer_setting_t setting = (bearer_setting_t)i;

        if (bearer_settings_where(setting) & (BEARER_WHERE_D | BEARER_WHERE_H)
            && (bearer_settings_wrote(&section->settings, setting)
                || !dump_issuers(out, server->issuers, &here, setting, w->p))) {
            dump_setting(out, &here, setting, w->p);
        }
    }
}

static void dump_list(apr_file_t *out, const char *directive,
                      const apr_array_header_t *words, apr_pool_t *p)
{
    if (words) {
        apr_file_printf(out, "    %s %s\n", directive,
                        apr_array_pstrcat(p, words, ' '));
    }
}

static void dump_source(apr_file_t *out, const char *directive,
                        const bearer_source_t *source, const char *behind,
                        apr_pool_t *p)
{
    apr_file_printf(out, "    %s %s%s\n", directive,
                    bearer_issuer_source_shown(source, p), behind);
}

static void dump_keys(apr_file_t *out, const bearer_issuer_t *issuer, apr_pool_t *p)
{
    int i;

    apr_file_printf(out, "    AuthBearerKeys");
    for (i = 0; i < bearer_issuer_key_sources(issuer); i++) {
        apr_file_printf(out, " %s", bearer_issuer_source_shown(&issuer->keys[i], p));
    }
    apr_file_printf(out, "\n");
}

static void dump_issuer(apr_file_t *out, const walk_t *w, int index)
{
    const bearer_issuer_t *issuer = ab_config_issuer_at(w->global, index);
    const server_rec *s = APR_ARRAY_IDX(w->global->issuer_servers, index,
                                        const server_rec *);
    bearer_settings_t settings;
    int i;

    ab_config_resolve(&settings, ab_config_server(s), issuer, NULL);
    apr_file_printf(out, "<AuthBearerIssuer %s %s>   # %s:%d\n", issuer->url,
                    issuer->name, issuer->file, issuer->line);
    dump_keys(out, issuer, w->p);
    dump_source(out, "AuthBearerMetadata", &issuer->metadata, "", w->p);
    for (i = 0; i < BEARER_HAND_COUNT; i++) {
        if (issuer->endpoints[i].kind != BEARER_SOURCE_DISCOVER) {
            dump_source(out, apr_pstrcat(w->p, "AuthBearerEndpoint ", bearer_endpoint_name(i),
                                         NULL), &issuer->endpoints[i], "", w->p);
        }
    }
    dump_source(out, "AuthBearerIntrospection", &issuer->introspection,
                issuer->introspect_all ? " for=all" : "", w->p);
    apr_file_printf(out, "    AuthBearerIntrospectionTTL %" APR_TIME_T_FMT "%s\n",
                    apr_time_usec(issuer->introspection_ttl)
                    ? apr_time_as_msec(issuer->introspection_ttl)
                    : apr_time_sec(issuer->introspection_ttl),
                    apr_time_usec(issuer->introspection_ttl) ? "ms" : "s");
    dump_list(out, "AuthBearerTokenPrefix", issuer->token_prefixes, w->p);
    dump_list(out, "AuthBearerIssuerAlias", issuer->aliases, w->p);
    dump_list(out, "AuthBearerTenants", issuer->tenants, w->p);
    if (issuer->tenants_any || issuer->tenants_file) {
        apr_file_printf(out, "    AuthBearerTenants %s%s\n",
                        issuer->tenants_any ? "*" : "file:",
                        issuer->tenants_any ? "" : issuer->tenants_file);
    }
    if (issuer->fetch_auth_file) {
        apr_file_printf(out, "    AuthBearerFetchAuth file:%s\n",
                        issuer->fetch_auth_file);
    }
    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        if (bearer_settings_where((bearer_setting_t)i) & BEARER_WHERE_I) {
            dump_setting(out, &settings, (bearer_setting_t)i, w->p);
        }
    }
    apr_file_printf(out, "</AuthBearerIssuer>\n");
}

static void dump_server_begin(apr_file_t *out, const server_rec *s)
{
    apr_file_printf(out, "server %s   # %s:%d\n",
                    s->server_hostname ? s->server_hostname : "(main)",
                    s->defn_name ? s->defn_name : "(main)", (int)s->defn_line_number);
}

static void dump_names(apr_file_t *out, const login_config_t *login)
{
    const apr_array_header_t *names = login->names;
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        apr_file_printf(out, "%s%s%s", i ? " " : "    AuthBearerBaseURL ",
                        APR_ARRAY_IDX(names, i, base_name_t).origin,
                        i == names->nelts - 1 ? "\n" : "");
    }
    if (login->domain) {
        apr_file_printf(out, "    AuthBearerSessionDomain %s%s%s\n", login->domain,
                        login->domain_login ? " login=" : "",
                        login->domain_login ? login->domain_login : "");
    }
}

static void dump_lifetime(apr_file_t *out, const login_config_t *login)
{
    apr_file_printf(out, "    AuthBearerSessionLifetime max=%" APR_TIME_T_FMT "s idle=%"
                    APR_TIME_T_FMT "s persist=%s\n",
                    apr_time_sec(login->max ? login->max : AB_SESSION_MAX),
                    apr_time_sec(login->idle ? login->idle : AB_SESSION_IDLE),
                    login->persist == AB_PERSIST_ON ? "on" : "off");
}

/* Prints the server's names, the lifetime of its sessions, its settings that issuers may
 * override, and which of them do. */
static void dump_server(apr_file_t *out, const server_rec *s, const walk_t *w)
{
    const server_config_t *server = ab_config_server(s);
    const apr_uint64_t own = s->is_virtual ? server->own : server->settings.set;
    int i, named = 0;

    if (server->login.names || server->login.domain || server->login.used) {
        named++;
        dump_server_begin(out, s);
    }
    if (named) {
        dump_names(out, &server->login);
    }
    if (server->login.used) {
        dump_lifetime(out, &server->login);
    }
    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        bearer_setting_t setting = (bearer_setting_t)i;

        if (!((own >> i) & 1u) || !(bearer_settings_where(setting) & BEARER_WHERE_I)) {
            continue;
        }
        if (!named++) {
            dump_server_begin(out, s);
        }
        dump_setting(out, &server->settings, setting, w->p);
        dump_issuers(out, server->issuers, &server->settings, setting, w->p);
    }
}

void ab_check_dump(apr_pool_t *p, server_rec *s)
{
    apr_file_t *out = NULL;
    server_rec *one;
    walk_t w;
    int i;

    if (!ap_exists_config_define("DUMP_BEARER")) {
        return;
    }
    apr_file_open_stdout(&out, p);
    ab_check_begin(&w, p, s);
    apr_file_printf(out, "mod_auth_bearer: issuers\n");
    for (i = 0; i < w.global->issuers->nelts; i++) {
        dump_issuer(out, &w, i);
    }
    apr_file_printf(out, "mod_auth_bearer: servers\n");
    for (one = s; one; one = one->next) {
        dump_server(out, one, &w);
    }
    ab_check_proofs_dump(out, &w);
    apr_file_printf(out, "mod_auth_bearer: sections with AuthType Bearer\n");
    for (i = 0; i < w.sections->nelts; i++) {
        dump_section(out, &APR_ARRAY_IDX(w.sections, i, ab_section_t), &w);
    }
}
