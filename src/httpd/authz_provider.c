/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authz_provider.c
 * Registers the rules of authz.c with httpd: a provider for each kind, a wrapper if
 * another module also has a `claim`, and a wrapper for each <AuthzProviderAlias> of
 * this module's rules.
 */
#include "authz.h"
#include "config_parse.h"
#include "handlers.h"
#include "trace.h"

#include <ap_provider.h>
#include <http_request.h>

APLOG_USE_MODULE(auth_bearer);

/* ---- reading ------------------------------------------------------------- */

/* Can the rule grant access by not being met? Such a rule must not be decided for a
 * client that was never asked for credentials. */
static int is_negated(cmd_parms *cmd)
{
    const ap_directive_t *d = cmd->directive;

    if (!strcasecmp(d->directive, "Require")
        && ab_config_first_is(d, "not", cmd->temp_pool)) {
        return 1;
    }
    for (; d; d = d->parent) {
        if (!strncasecmp(d->directive, "<RequireNone", 12)) {
            return 1;
        }
    }
    return 0;
}

static int wrap_alias(cmd_parms *cmd);

static const char *read_rule(cmd_parms *cmd, const char *line, bearer_require_t kind,
                             require_t **out)
{
    return ab_authz_parse(cmd, line, kind, is_negated(cmd) || wrap_alias(cmd), out);
}

/* httpd does not tell a parser which provider it belongs to. */
#define X(symbol, word) \
    static const char *parse_##symbol(cmd_parms *cmd, const char *line, \
                                      const void **parsed) \
    { \
        return read_rule(cmd, line, BEARER_REQUIRE_##symbol, \
                         (require_t **)(void *)parsed); \
    }
BEARER_REQUIRES(X)
#undef X

static const authz_provider providers[] = {
#define X(symbol, word) { ab_authz_check, parse_##symbol },
    BEARER_REQUIRES(X)
#undef X
};

void ab_authz_register(apr_pool_t *p)
{
    bearer_require_t i;

    /* `claim` is registered in pre_config, because another module may have one */
    for (i = BEARER_REQUIRE_CLAIM + 1; i < BEARER_REQUIRE_COUNT; i++) {
        ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP,
                                  ab_authz_kind_name(i),
                                  AUTHZ_PROVIDER_VERSION, &providers[i],
                                  AP_AUTH_INTERNAL_PER_CONF);
    }
}

/* Replaces a provider that is already registered and counted. httpd compares the number
 * of AP_AUTH_INTERNAL_PER_CONF providers with the number of providers. */
static void replace(apr_pool_t *p, const char *name, const authz_provider *by)
{
    ap_register_provider(p, AUTHZ_PROVIDER_GROUP, name, AUTHZ_PROVIDER_VERSION, by);
}

/* ---- `Require claim` beside another module's ----------------------------- */

static const authz_provider *foreign; /* set again in each pre_config */

/* Does the nearest AuthType, in the section of the rule or an enclosing one, name this
 * module? An AuthType elsewhere is known only at request time. */
static int is_ours_for_sure(const cmd_parms *cmd)
{
    const ap_directive_t *section, *type;

    for (section = cmd->directive->parent; section; section = section->parent) {
        type = ab_config_beside(section->first_child, "AuthType");
        if (type) {
            return ab_config_first_is(type, "Bearer", cmd->temp_pool);
        }
    }
    return 0;
}

static const char *parse_shared_claim(cmd_parms *cmd, const char *line,
                                      const void **parsed)
{
    require_t *require;
    const char *error = read_rule(cmd, line, BEARER_REQUIRE_CLAIM, &require);

    require->error = error;
    require->foreign_error = foreign->parse_require_line
        ? foreign->parse_require_line(cmd, line, &require->foreign) : NULL;
    *parsed = require;
    return require->foreign_error || is_ours_for_sure(cmd) ? error : NULL;
}

/* Only at request time is it known which of the two providers is meant. */
static authz_status check_shared_claim(request_rec *r, const char *line,
                                       const void *parsed)
{
    const require_t *require = parsed;
    const int ours = ab_config_in_force(r);
    const char *error = ours ? require->error : require->foreign_error;
    request_t *own;

    if (!error) {
        return ours ? ab_authz_check(r, line, parsed)
                    : foreign->check_authorization(r, line, require->foreign);
    }
    own = ab_request(r);
    if (ours && !own->principal && !own->deciding) {
        own->negated = 1;  /* in any case: the rule must not grant access without
                            * authentication */
        return AUTHZ_DENIED_NO_USER;
    }
    if (ours) {
        own->undecided = bearer_message_text(error);
    } else {
        ab_log(APLOG_ERR, r, AB(0106) "%s", error);
    }
    return AUTHZ_GENERAL_ERROR;
}

static const authz_provider shared_claim = {
    check_shared_claim, parse_shared_claim
};

void ab_authz_pre_config(apr_pool_t *pconf)
{
    const char *name = ab_authz_kind_name(BEARER_REQUIRE_CLAIM);

    foreign = ap_lookup_provider(AUTHZ_PROVIDER_GROUP, name,
                                 AUTHZ_PROVIDER_VERSION);
    if (foreign) {
        replace(pconf, name, &shared_claim);
    } else {
        ap_register_auth_provider(pconf, AUTHZ_PROVIDER_GROUP, name,
                                  AUTHZ_PROVIDER_VERSION, &providers[BEARER_REQUIRE_CLAIM],
                                  AP_AUTH_INTERNAL_PER_CONF);
    }
}

/* ---- <AuthzProviderAlias> ------------------------------------------------ */

/*
 * httpd parses an alias once for all lines that use it and calls no parser for those
 * lines. So no parser learns whether one of them is negated. This module therefore
 * wraps each alias of its rules in a provider with a parser. httpd registers the alias
 * after parsing the rule; a directive inserted after the section then wraps it.
 */
static const authz_provider *aliased; /* httpd's provider, the same for every alias */

ap_directive_t *ab_authz_alias(const cmd_parms *cmd)
{
    ap_directive_t *d = cmd->directive;

    while (d && strncasecmp(d->directive, "<AuthzProviderAlias", 19) != 0) {
        d = d->parent;
    }
    return d;
}

static const char *parse_alias(cmd_parms *cmd, const char *line, const void **parsed)
{
    alias_use_t *use = apr_pcalloc(cmd->pool, sizeof(*use));

    (void)line;
    if (ab_authz_alias(cmd)) {
        return AB(0666) "an alias cannot use another alias: httpd would not stop evaluating it; "
               "name the rule itself";
    }
    use->negated = is_negated(cmd);
    *parsed = use;
    return NULL;
}

static authz_status check_alias(request_rec *r, const char *line,
                                const void *parsed)
{
    request_t *own = ab_request(r);
    authz_status status;

    own->alias = parsed;
    status = aliased->check_authorization(r, line, NULL);
    own->alias = NULL;
    return status;
}

static const authz_provider alias = { check_alias, parse_alias };

const char *ab_authz_wrap(cmd_parms *cmd, void *dir, const char *name)
{
    const authz_provider *found = ap_lookup_provider(AUTHZ_PROVIDER_GROUP, name,
                                                     AUTHZ_PROVIDER_VERSION);

    (void)dir;
    /* ignored when read from a file: mod_info's dump of a configuration contains it */
    if (cmd->directive->data == &alias && found && found != &alias) {
        aliased = found;
        replace(cmd->pool, name, &alias);
    }
    return NULL;
}

/* Is httpd reading an <AuthzProviderAlias>? Its uses may be negated or not; the wrapper
 * then distinguishes them. */
static int wrap_alias(cmd_parms *cmd)
{
    ap_directive_t *section = ab_authz_alias(cmd), *wrap;
    const char *args;

    if (!section) {
        return 0;
    }
    args = section->args;
    ap_getword_conf(cmd->temp_pool, &args);
    wrap = apr_pcalloc(cmd->pool, sizeof(*wrap));
    wrap->directive = AB_AUTHZ_WRAP;
    wrap->args = ap_getword_conf(cmd->pool, &args);
    wrap->filename = section->filename;
    wrap->line_num = section->line_num;
    wrap->parent = section->parent;
    wrap->data = (void *)(apr_uintptr_t)&alias;
    wrap->next = section->next;
    section->next = wrap;
    return 1;
}
