/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config.c
 * Directives into records. A directive of a layer (S, I, D, H) is a row in
 * `parsers`: what reads its words and where the value goes. Which layer it is
 * written to follows from where it stands; which layer counts is the library's
 * matter (settings.h).
 */
#include "config_parse.h"

#include <limits.h>


#include <apr_lib.h>
#include <apr_uri.h>


APLOG_USE_MODULE(auth_bearer);

#define DEFAULT_TOKEN_CACHE 1024

static global_config_t *current; /* the configuration being read */

/* ---- records ------------------------------------------------------------ */

/* As soon as the module is loaded, because httpd makes the main server's record
 * then, before pre_config. */
void ab_config_begin(apr_pool_t *pconf)
{
    current = apr_pcalloc(pconf, sizeof(*current));
    current->plain_http = apr_array_make(pconf, 2, sizeof(const char *));
    current->issuers = apr_array_make(pconf, 4, sizeof(bearer_issuer_t *));
    current->issuer_servers = apr_array_make(pconf, 4, sizeof(server_rec *));
    current->sections = apr_array_make(pconf, 8, sizeof(section_t));
    current->secrets = apr_array_make(pconf, 2, sizeof(configured_secret_t));
    current->session_checks = apr_array_make(pconf, 2, sizeof(configured_check_t));
    current->token_cache_entries = DEFAULT_TOKEN_CACHE;
    current->defaults = bearer_settings_defaults(pconf);
}

int ab_config_pre(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    ab_authz_pre_config(pconf);
    return ab_store_pre_config(pconf);
}

void *ab_config_create_server(apr_pool_t *p, server_rec *s)
{
    server_config_t *server = apr_pcalloc(p, sizeof(*server));

    (void)s;
    server->global = current;
    return server;
}

/* SHA-256 over what was there and what comes: order counts. */
void ab_config_digest(unsigned char *digest, const void *more, apr_size_t len,
                       apr_pool_t *p)
{
    unsigned char *all = apr_palloc(p, BEARER_SHA256_SIZE + len);

    memcpy(all, digest, BEARER_SHA256_SIZE);
    memcpy(all + BEARER_SHA256_SIZE, more, len);
    bearer_text_sha256(all, BEARER_SHA256_SIZE + len, digest);
}

static void merge_login(login_config_t *login, const login_config_t *over)
{
    login->path = over->path ? over->path : login->path;
    login->base_url = over->base_url ? over->base_url : NULL; /* its own name */
    login->store = over->store ? over->store : login->store;
    login->max = over->max ? over->max : login->max;
    login->idle = over->idle ? over->idle : login->idle;
    login->used |= over->used;
    login->on |= over->on;
}

void *ab_config_merge_server(apr_pool_t *p, void *base_, void *over_)
{
    const server_config_t *base = base_, *over = over_;
    server_config_t *server = apr_pmemdup(p, base, sizeof(*base));

    bearer_settings_merge(&server->settings, &base->settings, &over->settings);
    server->own = over->settings.set;
    server->inherits_issuers = !over->issuers;
    if (over->issuers) {
        server->issuers = over->issuers;
    }
    if (over->secret_files) {
        server->secret_files = over->secret_files;
    }
    merge_login(&server->login, &over->login);
    ab_config_digest(server->digest, over->digest, BEARER_SHA256_SIZE, p);
    return server;
}

void *ab_config_create_dir(apr_pool_t *p, char *path)
{
    (void)path;
    return apr_pcalloc(p, sizeof(dir_config_t));
}

void *ab_config_merge_dir(apr_pool_t *p, void *base_, void *over_)
{
    const dir_config_t *base = base_, *over = over_;
    dir_config_t *dir;

    if (!over->settings.set) {
        return base_;
    }
    if (!base->settings.set) {
        return over_;
    }
    dir = apr_pmemdup(p, base, sizeof(*base));
    bearer_settings_merge(&dir->settings, &base->settings, &over->settings);
    dir->from_htaccess = base->from_htaccess || over->from_htaccess;
    dir->has_digest = 1;
    ab_config_digest(dir->digest, over->digest, BEARER_SHA256_SIZE, p);
    return dir;
}

server_config_t *ab_config_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &auth_bearer_module);
}

const dir_config_t *ab_config_dir(const request_rec *r)
{
    static const dir_config_t nothing;
    const dir_config_t *dir = ap_get_module_config(r->per_dir_config,
                                                   &auth_bearer_module);

    return dir ? dir : &nothing;
}

const bearer_settings_t *ab_config_of(request_rec *r)
{
    request_t *own = ab_request(r);
    const server_config_t *server = ab_config_server(r->server);
    bearer_settings_t *resolved;

    /* <AuthzProviderAlias> swaps the configuration around a call */
    if (own->location_of != r->per_dir_config) {
        resolved = apr_palloc(r->pool, sizeof(*resolved));
        bearer_settings_resolve(resolved, server->global->defaults,
                                &server->settings, NULL,
                                &ab_config_dir(r)->settings);
        own->location = resolved;
        own->location_of = r->per_dir_config;
    }
    return own->location;
}

int ab_config_in_force(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type && !ap_cstr_casecmp(type, "Bearer");
}

global_config_t *ab_config_current(void)
{
    return current;
}

/* ---- words -------------------------------------------------------------- */

apr_array_header_t *ab_config_words(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(const char *));

    while (*args) {
        const char *word = ap_getword_conf(p, &args);

        if (*word || *args) {
            APR_ARRAY_PUSH(words, const char *) = word;
        }
    }
    return words;
}

/* ---- layers ------------------------------------------------------------- */

static server_config_t *server_of(cmd_parms *cmd)
{
    return ab_config_server(cmd->server);
}

static void remember_section(cmd_parms *cmd, dir_config_t *dir)
{
    const apr_array_header_t *all = current->sections;
    section_t *section;

    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        dir->from_htaccess = 1;  /* its directives are gone after the request */
        return;
    }
    if (all->nelts
        && APR_ARRAY_IDX(all, all->nelts - 1, section_t).dir == dir) {
        return;
    }
    section = apr_array_push(current->sections);
    section->server = cmd->server;
    section->node = cmd->directive->parent;
    section->dir = dir;
}

/** Which layer a directive is written to here, or why it may not stand here. */
static const char *layer(cmd_parms *cmd, void *dir_, int where,
                         bearer_settings_t **out, unsigned char **digest)
{
    server_config_t *server = server_of(cmd);
    dir_config_t *dir = dir_;

    if (ab_authz_in_alias(cmd)) {
        return apr_psprintf(cmd->pool, AB(0511) "%s has no effect in <AuthzProviderAlias>; "
                            "write it in the <Location> or <Directory> that uses "
                            "the alias", cmd->cmd->name);
    }
    if (server->open) {
        *out = &server->open->settings;
        *digest = server->digest;
        return where & BEARER_WHERE_I ? NULL
            : apr_psprintf(cmd->pool, AB(0512) "%s does not belong into "
                           "<AuthBearerIssuer>", cmd->cmd->name);
    }
    if (!cmd->path) {
        *out = &server->settings;
        *digest = server->digest;
        return where & BEARER_WHERE_S ? NULL
            : apr_psprintf(cmd->pool, AB(0513) "%s belongs into %s", cmd->cmd->name,
                           where & BEARER_WHERE_D
                           ? "a <Location> or <Directory>"
                           : "<AuthBearerIssuer>");
    }
    if (!(where & BEARER_WHERE_D)) {
        return apr_psprintf(cmd->pool, AB(0514) "%s belongs into the server or a "
                            "<VirtualHost>, not into a section", cmd->cmd->name);
    }
    if (!(where & BEARER_WHERE_H) && ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        return apr_psprintf(cmd->pool, AB(0515) "%s is not allowed in .htaccess; write it "
                            "in a <Directory> or <Location> of the server's "
                            "configuration", cmd->cmd->name);
    }
    remember_section(cmd, dir);
    dir->has_digest = 1;
    *out = &dir->settings;
    *digest = dir->digest;
    return NULL;
}

const char *ab_config_setting(cmd_parms *cmd, void *dir, const char *args)
{
    const parser_t *row = ab_config_parser(cmd->cmd->name);
    unsigned char *digest = NULL;
    parse_t in;
    const char *error, *text;

    if (!row) {
        return AB(0516) "has no parser in this version";
    }
    in.cmd = cmd;
    in.p = cmd->pool;
    error = layer(cmd, dir, bearer_settings_where(row->setting), &in.out, &digest);
    if (error) {
        return error;
    }
    in.words = ab_config_words(cmd->pool, args);
    error = row->parse(&in, row);
    in.out->set |= (apr_uint64_t)1 << row->setting;
    if (!error && !ap_check_cmd_context(cmd, NOT_IN_HTACCESS)
        && ((row->setting == BEARER_SET_SESSION && in.out->session)
            || (row->setting == BEARER_SET_LOGIN && in.out->login.on))) {
        server_of(cmd)->login.used = 1;
        server_of(cmd)->login.on = 1;
    }
    text = apr_pstrcat(cmd->temp_pool, cmd->cmd->name, " ", args, NULL);
    ab_config_digest(digest, text, strlen(text), cmd->temp_pool);
    return error;
}
