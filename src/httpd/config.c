/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config.c
 * Stores directives in the configuration records. A directive of a layer (S, I, D, H)
 * is a row of trust/settings_rows.h; config_settings.c parses its words. The context of
 * the directive determines the layer. The library (settings.h) determines which layer
 * takes effect.
 */
#include "authz.h"
#include "config_parse.h"
#include "handlers.h"

#include "trust/settings.h"

static void remember_section(cmd_parms *cmd, dir_config_t *dir)
{
    apr_array_header_t *all = ab_config_current()->sections;
    section_t *section;

    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        dir->from_htaccess = 1;  /* these directives are discarded after the request */
        return;
    }
    if (all->nelts
        && APR_ARRAY_IDX(all, all->nelts - 1, section_t).dir == dir) {
        return;
    }
    section = apr_array_push(all);
    section->server = cmd->server;
    section->node = cmd->directive->parent;
    section->dir = dir;
}

/** Determines the layer that a directive here is stored in. Returns an error if it is
 *  not allowed here. */
static const char *layer(cmd_parms *cmd, void *dir_, int where,
                         bearer_settings_t **out, unsigned char **digest)
{
    server_config_t *server = ab_config_server(cmd->server);
    dir_config_t *dir = dir_;

    *out = &dir->settings;
    *digest = dir->digest;
    if (ab_authz_alias(cmd)) {
        return ab_config_misplaced(cmd, AB(0511) "%s has no effect in "
                                   "<AuthzProviderAlias>; write it in the <Location> or "
                                   "<Directory> that uses the alias");
    }
    if (server->open) {
        *out = &server->open->settings;
        *digest = server->digest;
        return where & BEARER_WHERE_I ? NULL
            : ab_config_misplaced(cmd, AB(0512) "%s is not allowed in <AuthBearerIssuer>; move it "
                                  "out of that section");
    }
    if (!cmd->path) {
        *out = &server->settings;
        *digest = server->digest;
        return where & BEARER_WHERE_S ? NULL
            : apr_psprintf(cmd->pool, AB(0513) "%s is only allowed in %s", cmd->cmd->name,
                           where & BEARER_WHERE_D
                           ? "a <Location> or <Directory>"
                           : "<AuthBearerIssuer>");
    }
    if (!(where & BEARER_WHERE_D)) {
        return ab_config_misplaced(cmd, AB(0514) "%s is not allowed in a section; write it in the "
                                   "server or a <VirtualHost>");
    }
    if (!(where & BEARER_WHERE_H) && ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        return ab_config_misplaced(cmd, AB(0515) "%s is not allowed in .htaccess; write "
                                   "it in a <Directory> or <Location> of the server's "
                                   "configuration");
    }
    remember_section(cmd, dir);
    dir->has_digest = 1;
    return NULL;
}

const char *ab_config_setting(cmd_parms *cmd, void *dir, const char *args)
{
    const bearer_setting_t setting = bearer_settings_find(cmd->cmd->name);
    bearer_settings_t *out;
    unsigned char *digest;
    const char *error, *text;
    parse_t in;

    error = layer(cmd, dir, bearer_settings_where(setting), &out, &digest);
    if (error) {
        return error;
    }
    ab_parse_begin(&in, cmd, args);
    error = ab_config_read(&in, setting, out);
    if (!error && !ap_check_cmd_context(cmd, NOT_IN_HTACCESS)
        && ((setting == BEARER_SET_SESSION && out->session)
            || (setting == BEARER_SET_LOGIN && out->login.on))) {
        ab_config_server(cmd->server)->login.used = 1;
        ab_config_server(cmd->server)->login.on = 1;
    }
    if (setting == BEARER_SET_LOGIN_URL) {
        ab_config_current()->login_urls = 1;
    }
    text = apr_pstrcat(cmd->temp_pool, cmd->cmd->name, " ", args, NULL);
    ab_config_digest(digest, text, strlen(text), cmd->temp_pool);
    return error;
}
