/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authz_provider.c
 * How httpd comes to know the rules of authz.c: one provider for each kind; a
 * wrapper where another module has a `claim` too; and one around each
 * <AuthzProviderAlias> of our rules.
 */
#include "authz.h"
#include "config_parse.h"
#include "handlers.h"
#include "trace.h"

#include <ap_provider.h>
#include <http_request.h>

APLOG_USE_MODULE(auth_bearer);

/* ---- reading ------------------------------------------------------------- */

/* A rule that grants by not being met: it must not be answered for a client that
 * was never asked who it is. */
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

/* httpd tells a parser nothing of the provider it belongs to. */
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

    /* `claim` waits for pre_config: another module may have one */
    for (i = BEARER_REQUIRE_CLAIM + 1; i < BEARER_REQUIRE_COUNT; i++) {
        ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP,
                                  ab_authz_kind_name(i),
                                  AUTHZ_PROVIDER_VERSION, &providers[i],
                                  AP_AUTH_INTERNAL_PER_CONF);
    }
}

/* In place of a provider that is registered and counted already: httpd compares
 * how many are AP_AUTH_INTERNAL_PER_CONF with how many there are. */
static void replace(apr_pool_t *p, const char *name, const authz_provider *by)
{
    ap_register_provider(p, AUTHZ_PROVIDER_GROUP, name, AUTHZ_PROVIDER_VERSION, by);
}

/* ---- `Require claim` beside another module's ----------------------------- */

static const authz_provider *foreign; /* set anew in each pre_config */

/* Does the nearest AuthType beside or around a rule say that it is ours? One that
 * stands elsewhere is known at the request only. */
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

/* Which of the two is meant is known only now. */
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
        own->negated = 1;  /* whatever it says: nobody gets by it unasked */
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
 * httpd reads an alias once, for all the lines that use it, and has no parser for
 * those: whether one of them is negated is known to nobody. So each alias of a
 * rule of ours gets a wrapper with a parser. httpd registers the alias after our
 * rule was read; a directive that is put behind the section then wraps it.
 */
static const authz_provider *aliased; /* httpd's, the same for every alias */

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
        return AB(0666) "an alias of an alias: httpd would not find its way out of it; name "
               "the rule itself";
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
    /* in a file it means nothing: mod_info's dump of a configuration has it */
    if (cmd->directive->data == &alias && found && found != &alias) {
        aliased = found;
        replace(cmd->pool, name, &alias);
    }
    return NULL;
}

/* Is an <AuthzProviderAlias> being read, whose uses may be negated or not? Then they
 * will be told apart. */
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
