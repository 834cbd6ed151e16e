/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authz.c
 * The kinds of `Require` that this module adds (BEARER_REQUIRES). The rules are parsed
 * with the configuration. httpd evaluates them twice, before and after authentication.
 *
 * Before: every rule answers "no user" and is recorded. The challenge must name the
 * scopes of all rules, and a negated rule must not open the location to a client that
 * was never asked for credentials (force_authn). After: a rule that cannot be decided
 * ends the request with 500, because httpd negates only yes and no. authz_decision.c
 * uses the answers.
 */
#include "authz.h"
#include "config_parse.h"
#include "process.h"
#include "trace.h"

#include <ap_expr.h>

#include "judge/claim.h"
#include "judge/details.h"
#include "judge/principal.h"
#include "login/login.h"
#include "trust/settings.h"

APLOG_USE_MODULE(auth_bearer);

typedef ab_authz_kind_t kind_t;

/** One word of a Require line. */
typedef struct item_t {
    const char *word;
    const bearer_claim_rule_t *rule;
    bearer_details_rule_t details;
    const bearer_path_t *path;     /**< of the claim with the details */
    const apr_array_header_t *parameters; /* of authentication */
    const ap_expr_info_t *expr;    /**< %{...} in a value, or bearer-expr */
} item_t;

/** The principal and the request that a rule is evaluated for. */
typedef struct asking_t {
    request_rec *r;
    const bearer_principal_t *principal;
    const bearer_settings_t *settings;
} asking_t;

struct ab_authz_kind_t {
    const char *name;
    const char *(*parse)(cmd_parms *cmd, require_t *require);
    /** Returns 1, 0, or the result of undecided(). */
    int (*met)(const asking_t *asking, const item_t *item);
    /** Returns the scope that an item names, or NULL. */
    const char *(*scope)(const asking_t *asking, const item_t *item);
};

/* ---- the kinds ---------------------------------------------------------- */

static const char *parse_words(cmd_parms *cmd, require_t *require)
{
    apr_array_header_t *words = ab_config_words(cmd->pool, require->line);
    int i;

    if (!words->nelts) {
        return apr_psprintf(cmd->pool, AB(0661) "Require %s needs at least one value",
                            require->kind->name);
    }
    for (i = 0; i < words->nelts; i++) {
        item_t *item = apr_array_push(require->items);

        item->word = APR_ARRAY_IDX(words, i, const char *);
    }
    return NULL;
}

/* A word that cannot equal any role or scope: the rule would never match, and its
 * negation always would. */
static const char *parse_names(cmd_parms *cmd, require_t *require)
{
    const int scope = require->kind->scope != NULL;
    const char *error = parse_words(cmd, require);
    int i;

    for (i = 0; !error && i < require->items->nelts; i++) {
        const char *word = APR_ARRAY_IDX(require->items, i, item_t).word;

        error = *word ? bearer_text_member_error(word, scope ? ' '
                                                 : BEARER_NAMES_SEPARATOR)
                      : "it is empty";
        if (error) {
            return apr_psprintf(cmd->pool, AB(0662) "Require %s: %s never matches: %s%s",
                                require->kind->name,
                                bearer_text_quote(cmd->pool, word), error,
                                scope ? "; write one word for each scope"
                                : "; Require claim compares the claim unchanged, e.g. "
                                  "'groups:CN=a,OU=b'");
        }
    }
    return error;
}

static unsigned expr_flags(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_HTACCESS) ? AP_EXPR_FLAG_RESTRICTED : 0;
}

/* A login asks the issuer for claims that rules need (AuthBearerUserinfo), and a session
 * keeps them (AuthBearerSessionClaims). */
static void name_claim(cmd_parms *cmd, const bearer_path_t *path)
{
    if (!ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        named_claim_t *named = apr_array_push(ab_config_current()->required);

        named->server = cmd->server;
        named->path = path;
    }
}

static const char *parse_claim(cmd_parms *cmd, require_t *require)
{
    const char *error = parse_words(cmd, require);
    int i;

    for (i = 0; !error && i < require->items->nelts; i++) {
        item_t *item = &APR_ARRAY_IDX(require->items, i, item_t);
        const char *value;

        item->rule = bearer_claim_compile(item->word, ab_config_regex, &error,
                                          cmd->pool);
        if (!item->rule) {
            return apr_psprintf(cmd->pool, AB(0663) "Require claim: %s", error);
        }
        name_claim(cmd, bearer_claim_path(item->rule));
        value = bearer_claim_value(item->rule);
        if (value && ap_strstr_c(value, "%{")) {
            item->expr = ap_expr_parse_cmd(cmd, value, AP_EXPR_FLAG_STRING_RESULT
                                           | expr_flags(cmd), &error, NULL);
            if (!item->expr) {
                return apr_psprintf(cmd->pool, AB(0664) "Require claim: in %s: %s",
                                    bearer_text_quote(cmd->pool, value), error);
            }
        }
    }
    return error;
}

static const char *parse_roles(cmd_parms *cmd, require_t *require)
{
    name_claim(cmd, NULL);
    return parse_names(cmd, require);
}

static const char *parse_actor(cmd_parms *cmd, require_t *require)
{
    name_claim(cmd, bearer_path_of_member("act", cmd->pool));
    return parse_words(cmd, require);
}

static const char *parse_details(cmd_parms *cmd, require_t *require)
{
    item_t *item = apr_array_push(require->items);
    const char *error = bearer_details_parse(&item->details,
                                             ab_config_words(cmd->pool, require->line), 0,
                                             cmd->pool);

    item->word = require->line;
    item->path = bearer_path_of_member(BEARER_DETAILS, cmd->pool);
    name_claim(cmd, item->path);
    return error ? apr_psprintf(cmd->pool, AB(0669) "Require authorization-details: %s", error)
                 : NULL;
}

static const char *parse_authentication(cmd_parms *cmd, require_t *require)
{
    item_t *item = apr_array_push(require->items);
    const char *error = bearer_login_parse_required(
        &item->parameters, ab_config_words(cmd->pool, require->line), 0, cmd->pool);

    item->word = require->line;
    return error ? apr_psprintf(cmd->pool, AB(0670) "Require authentication: %s", error) : NULL;
}

/* The whole expression may stand in double quotes, as in httpd's Require expr. */
static const char *unquoted(cmd_parms *cmd, const char *line)
{
    apr_size_t len = strlen(line);

    return len > 1 && line[0] == '"' && line[len - 1] == '"'
        ? apr_pstrmemdup(cmd->pool, line + 1, len - 2) : line;
}

/* httpd's expressions do not distinguish "no match" from a regular expression that
 * exceeded its limits. */
static void warn_of_regex(cmd_parms *cmd, const char *line, const require_t *require)
{
    if ((ap_strstr_c(line, "!~") || (require->negated && ap_strstr_c(line, "=~")))
        && !ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        ab_log_server(APLOG_WARNING | APLOG_STARTUP, 0, cmd->server,
                      AB(0706) "%s:%d: warning: Require bearer-expr: if a regular expression gives "
                      "up on a value, it does not match, which grants access here; use Require "
                      "claim name~regex",
                      cmd->directive->filename, cmd->directive->line_num);
    }
}

static const char *parse_expr(cmd_parms *cmd, require_t *require)
{
    item_t *item = apr_array_push(require->items);
    const char *error = NULL;

    item->word = unquoted(cmd, require->line);
    warn_of_regex(cmd, item->word, require);
    item->expr = ap_expr_parse_cmd(cmd, item->word, expr_flags(cmd), &error, NULL);
    return item->expr ? NULL
        : apr_psprintf(cmd->pool, AB(0665) "Require bearer-expr: %s", error);
}

/* Ends the request with 500; the log line names the rule, the cause and the fix. */
static int undecided(request_rec *r, const char *kind, const item_t *item,
                     const char *why)
{
    ab_request(r)->undecided =
        apr_psprintf(r->pool, "Require %s %s cannot be decided: %s", kind,
                     bearer_text_quote(r->pool, item->word),
                     why ? why : "its expression cannot be evaluated");
    return -1;
}

void ab_authz_note_lost(request_rec *r, const bearer_principal_t *principal,
                        const bearer_path_t *path)
{
    const char *lost = bearer_principal_lost(principal, path);

    if (lost) {
        ab_request(r)->lost = lost;
    }
}

/* Notes a claim that the session did not keep, or that is malformed: the rule is neither met
 * nor not met. */
static int not_met(const asking_t *asking, const char *lost)
{
    if (lost) {
        ab_request(asking->r)->lost = lost;
    }
    return 0;
}

static int met_claim(const asking_t *asking, const item_t *item)
{
    request_rec *r = asking->r;
    const bearer_claim_effort_t effort = {
        ab_regex_spent, &ab_request(r)->regex_effort
    };
    const char *error = NULL, *value = NULL;
    int met;

    if (item->expr) {
        value = ap_expr_str_exec(r, item->expr, &error);
        if (error || !value) {
            return undecided(r, "claim", item, error);
        }
    }
    ab_authz_note_lost(r, asking->principal, bearer_claim_path(item->rule));
    met = bearer_claim_match(item->rule, asking->principal->claims, value,
                             bearer_claim_is_at(item->rule, asking->settings->scope_claim),
                             &effort);
    return met < 0 ? undecided(r, "claim", item, bearer_regex_error_text(met)) : met;
}

static int met_scope(const asking_t *asking, const item_t *item)
{
    return bearer_principal_has_scope(
        asking->principal, item->word,
        (bearer_scope_strategy_t)asking->settings->scope_strategy)
        || not_met(asking, bearer_principal_lost_of(asking->principal,
                                                    asking->settings->scope_claim));
}

static int met_role(const asking_t *asking, const item_t *item)
{
    return bearer_principal_has_role(asking->principal, item->word)
        || not_met(asking, bearer_principal_lost_of(asking->principal,
                                                    asking->settings->roles_claim))
        || not_met(asking, bearer_principal_lost_of(asking->principal,
                                                    asking->settings->groups_claim));
}

static int met_issuer(const asking_t *asking, const item_t *item)
{
    return bearer_principal_is_of(asking->principal, item->word);
}

static int met_actor(const asking_t *asking, const item_t *item)
{
    int met = bearer_principal_has_actor(asking->principal, item->word);

    return met < 0 ? not_met(asking, "act") : met;
}

static int met_details(const asking_t *asking, const item_t *item)
{
    int met = bearer_details_match(&item->details, asking->principal->claims);

    ab_authz_note_lost(asking->r, asking->principal, item->path);
    return met < 0 ? not_met(asking, BEARER_DETAILS) : met;
}

static int met_authentication(const asking_t *asking, const item_t *item)
{
    request_t *own = ab_request(asking->r);
    bearer_refusal_t why;

    if (bearer_login_suffices(item->parameters, asking->principal->claims,
                              bearer_world_now(&ab_process()->world),
                              asking->settings->clock_skew, &why, asking->r->pool) == BEARER_OK) {
        return 1;
    }
    if (!own->weak) {
        own->weak = item->parameters;
        own->weak_detail = why.detail;
    }
    return 0;
}

static int met_expr(const asking_t *asking, const item_t *item)
{
    const char *error = NULL;
    int rc = ap_expr_exec(asking->r, item->expr, &error);

    return rc < 0 ? undecided(asking->r, "bearer-expr", item, error) : rc > 0;
}

static const char *scope_of_word(const asking_t *asking, const item_t *item)
{
    (void)asking;
    return item->word;
}

static const char *scope_of_claim(const asking_t *asking, const item_t *item)
{
    const char *value = bearer_claim_value(item->rule), *error = NULL;

    if (!value || !bearer_claim_is_at(item->rule, asking->settings->scope_claim)) {
        return NULL;
    }
    return item->expr ? ap_expr_str_exec(asking->r, item->expr, &error) : value;
}

#define KIND_CLAIM        parse_claim, met_claim, scope_of_claim
#define KIND_BEARER_CLAIM KIND_CLAIM
#define KIND_SCOPE        parse_names, met_scope, scope_of_word
#define KIND_ROLE         parse_roles, met_role, NULL
#define KIND_ISSUER       parse_words, met_issuer, NULL
#define KIND_ACTOR        parse_actor, met_actor, NULL
#define KIND_DETAILS      parse_details, met_details, NULL
#define KIND_AUTHENTICATION parse_authentication, met_authentication, NULL
#define KIND_EXPR         parse_expr, met_expr, NULL

/* By bearer_require_t. */
static const kind_t kinds[] = {
#define X(symbol, word) { word, KIND_##symbol },
    BEARER_REQUIRES(X)
#undef X
};

const char *ab_authz_kind_name(bearer_require_t kind)
{
    return kinds[kind].name;
}

/* ---- reading ------------------------------------------------------------ */

const char *ab_authz_parse(cmd_parms *cmd, const char *line, bearer_require_t kind,
                           int negated, require_t **out)
{
    require_t *require = apr_pcalloc(cmd->pool, sizeof(*require));

    require->kind = &kinds[kind];
    require->line = apr_pstrdup(cmd->pool, line);
    require->items = apr_array_make(cmd->pool, 2, sizeof(item_t));
    require->negated = negated;
    *out = require;
    return require->kind->parse(cmd, require);
}

/* ---- asking ------------------------------------------------------------- */

/* Evaluates the items of a line until one matches. Returns 1, 0, or the result of
 * undecided() for the first undecided item. With 0, *lost is a claim that the session did
 * not keep, which might have met the line; or NULL. */
static int is_met(const char **lost, const asking_t *asking, const require_t *require)
{
    request_t *own = ab_request(asking->r);
    const char *before = own->lost;
    int i, met = 0;

    *lost = NULL;
    for (i = 0; !met && i < require->items->nelts; i++) {
        own->lost = NULL;
        met = require->kind->met(asking, &APR_ARRAY_IDX(require->items, i, item_t));
        if (own->lost) {
            *lost = own->lost;
            met = 0;
        }
    }
    own->lost = before;
    return met;
}

/* Appends to one of the lists in a request's record. */
static void note(apr_array_header_t **list, const void *what, apr_pool_t *p)
{
    *list = *list ? *list : apr_array_make(p, 2, sizeof(const void *));
    APR_ARRAY_PUSH(*list, const void *) = what;
}

authz_status ab_authz_check(request_rec *r, const char *line, const void *parsed)
{
    const require_t *require = parsed;
    request_t *own = ab_request(r);
    const int negated = own->alias ? own->alias->negated : require->negated;
    const asking_t asking = { r, own->principal, own->settings };
    const apr_array_header_t *weak = own->weak;
    const char *lost;
    int met;

    (void)line;
    if (r->user && !own->principal && !ab_config_in_force(r)) {
        return AUTHZ_DENIED;  /* another scheme's user: this module has no claims of that
                               * user */
    }
    if (!r->user || !own->principal) {
        if (negated) {
            own->negated = 1;
        } else if (require->kind->scope) {
            note(&own->rules, require, r->pool);
        }
        return AUTHZ_DENIED_NO_USER;
    }
    met = is_met(&lost, &asking, require);
    own->weak = negated ? weak : own->weak;
    if (met) {
        return met > 0 ? AUTHZ_GRANTED : AUTHZ_GENERAL_ERROR;
    }
    if (lost && negated) {
        own->lost = lost;
        return AUTHZ_GENERAL_ERROR;
    }
    own->maybe = lost ? lost : own->maybe;
    if (!negated) {
        note(&own->unmet, apr_pstrcat(r->pool, require->kind->name, " ", require->line,
                                      NULL), r->pool);
    }
    return AUTHZ_DENIED;
}

apr_array_header_t *ab_authz_scopes(request_rec *r,
                                    const bearer_principal_t *principal,
                                    const bearer_settings_t *settings)
{
    const request_t *own = ab_request(r);
    const asking_t asking = { r, principal, settings ? settings : ab_config_of(r) };
    apr_array_header_t *scopes = apr_array_make(r->pool, 2, sizeof(const char *));
    const char *lost;
    int i, k;

    for (i = 0; own->rules && i < own->rules->nelts; i++) {
        const require_t *require = APR_ARRAY_IDX(own->rules, i, const require_t *);

        if (principal && is_met(&lost, &asking, require) > 0) {
            continue;
        }
        for (k = 0; k < require->items->nelts; k++) {
            const item_t *item = &APR_ARRAY_IDX(require->items, k, item_t);
            const char *scope = require->kind->scope(&asking, item);

            if (scope && !bearer_text_among(scopes, scope)) {
                APR_ARRAY_PUSH(scopes, const char *) = scope;
            }
        }
    }
    return scopes->nelts ? scopes : NULL;
}
