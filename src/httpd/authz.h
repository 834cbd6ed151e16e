/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authz.h
 * Authorization: the rules (authz.c), their registration with httpd (authz_provider.c),
 * and the decision about a location (authz_decision.c). Rules live as long as the
 * configuration. Any thread may evaluate them for the request that it serves.
 */
#pragma once

#include "request.h"

#include <mod_auth.h>

/** One kind of rule, e.g. `Require scope`. */
typedef struct ab_authz_kind_t ab_authz_kind_t;

/** One `Require` line that belongs to this module. */
typedef struct require_t {
    const ab_authz_kind_t *kind;
    const char *line;
    apr_array_header_t *items;     /**< item_t */
    int negated;                   /**< inside `not`, RequireNone or a negated alias */
    const void *foreign;           /**< result of another module's parser for `claim` */
    const char *foreign_error;     /**< error of the other module's parser, or NULL */
    const char *error;             /**< error of this module's parser, if only the other
                                    *   one accepted the line */
} require_t;

/** One `Require` line that uses an <AuthzProviderAlias> of one of this module's rules. */
typedef struct alias_use_t {
    int negated;
} alias_use_t;

/** Returns the name of a kind of rule, e.g. "scope". Constant. */
const char *ab_authz_kind_name(bearer_require_t kind);
/** Parses a rule of the given kind, for a provider.
 *  @param line  the arguments of the Require line
 *  @param negated  1 if the rule may grant access by not being met
 *  @param out  the parsed rule; lives as long as the configuration
 *  @return NULL, or an error message */
const char *ab_authz_parse(cmd_parms *cmd, const char *line, bearer_require_t kind,
                           int negated, require_t **out);
/** Notes a claim that is needed and that the session did not keep. What it said is unknown;
 *  without it, a rule or an application would decide as if the user had none. So the
 *  request is refused: ab_authz_lost(). */
void ab_authz_note_lost(request_rec *r, const bearer_principal_t *principal,
                        const bearer_path_t *path);
/** Evaluates a rule.
 *  @param parsed  the require_t of the line */
authz_status ab_authz_check(request_rec *r, const char *line,
                            const void *parsed);

/** Returns the scopes (const char *) named by the rules that httpd evaluated before
 *  authentication. With a principal: only those that the principal does not have. */
apr_array_header_t *ab_authz_scopes(request_rec *r,
                                    const bearer_principal_t *principal,
                                    const bearer_settings_t *settings);

/* authz_provider.c */
/** Registers the providers of all kinds except `claim`. Called once per load. */
void ab_authz_register(apr_pool_t *p);
/** Registers `claim`, or wraps the `claim` of another module. */
void ab_authz_pre_config(apr_pool_t *pconf);
/** Returns the <AuthzProviderAlias> section that contains a directive, or NULL. */
ap_directive_t *ab_authz_alias(const cmd_parms *cmd);

/* authz_decision.c: the hooks */
/** Requires authentication for locations whose rules need it. */
int ab_authz_force(request_rec *r);
/** Decides about the location's rules. Returns OK, DECLINED or an HTTP status. */
int ab_authz_checker(request_rec *r);
/** Refuses a request if a rule or an expression so far, of mod_rewrite for one, needed a
 *  claim that the session did not keep. Also a fixup. */
int ab_authz_lost(request_rec *r);
