/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authz.h
 * Authorization: the rules (authz.c), how httpd comes to know them
 * (authz_provider.c), and its decision (authz_decision.c). Rules live as long as the
 * configuration; any thread may ask them, on its own request.
 */
#pragma once

#include "request.h"

#include <mod_auth.h>

/** One kind of rule, e.g. `Require scope`. */
typedef struct ab_authz_kind_t ab_authz_kind_t;

/** One `Require` line of ours. */
typedef struct require_t {
    const ab_authz_kind_t *kind;
    const char *line;
    apr_array_header_t *items;     /**< item_t */
    int negated;                   /**< `not`, RequireNone, or an alias's */
    const void *foreign;           /**< what another module's `claim` parsed */
    const char *foreign_error;     /**< it did not */
    const char *error;             /**< ours did not parse; another's did */
} require_t;

/** One `Require` line with a name that an <AuthzProviderAlias> gave to a rule. */
typedef struct alias_use_t {
    int negated;
} alias_use_t;

const char *ab_authz_kind_name(bearer_require_t kind);
/** Reads a rule of that kind, for a provider.
 *  @param negated  it may grant by not being met */
const char *ab_authz_parse(cmd_parms *cmd, const char *line, bearer_require_t kind,
                           int negated, require_t **out);
/** The answer of a rule; require_t. */
authz_status ab_authz_check(request_rec *r, const char *line,
                            const void *parsed);

/** Scopes that the location's rules name, as far as they were asked before
 *  authentication; with a principal only those that it does not meet. */
apr_array_header_t *ab_authz_scopes(request_rec *r,
                                    const bearer_principal_t *principal,
                                    const bearer_settings_t *settings);

/* authz_provider.c */
void ab_authz_register(apr_pool_t *p);
void ab_authz_pre_config(apr_pool_t *pconf);
/** The <AuthzProviderAlias> that a directive stands in, or NULL. */
ap_directive_t *ab_authz_alias(const cmd_parms *cmd);

/* authz_decision.c: the hooks */
int ab_authz_force(request_rec *r);
int ab_authz_checker(request_rec *r);
