/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file functions.c
 * The functions claim('a.b') and claims('roles') for httpd's expressions. A constant
 * name is compiled when the configuration is read.
 */
#include "authn.h"
#include "authz.h"
#include "config_parse.h"
#include "hooks.h"
#include "request.h"

#include <ap_expr.h>
#include <http_core.h>

#include "base/path.h"
#include "judge/exports.h"

static const json_t *find(ap_expr_eval_ctx_t *ctx, const void *compiled,
                          const char *name)
{
    const request_t *record = ab_request_principal(ctx->r);
    const bearer_principal_t *principal = record ? record->principal
                                                 : ab_authn_ahead(ctx->r);
    const bearer_path_t *path = compiled ? compiled
                                         : bearer_path_compile(name, ctx->p);

    if (!principal || !path) {
        return NULL;
    }
    ab_authz_note_lost(ctx->r, principal, path); /* "" would be a value */
    return bearer_path_find(path, principal->claims);
}

static const char *claim(ap_expr_eval_ctx_t *ctx, const void *compiled,
                         const char *name)
{
    const json_t *value = find(ctx, compiled, name);
    const char *text = value ? bearer_exports_value(value, ctx->p) : NULL;
    const request_t *own;

    if (value && !text) {
        own = ab_request_peek(ctx->r);
        if (own && own->deciding) {  /* "" would be a value for Require */
            *ctx->err = "the value of a claim() has CR, LF or NUL, or is over 8192 "
                        "bytes; use Require claim";
        }
    }
    return text ? text : "";
}

static apr_array_header_t *claims(ap_expr_eval_ctx_t *ctx, const void *compiled,
                                  const char *name)
{
    const json_t *value = find(ctx, compiled, name), *member;
    apr_array_header_t *list = apr_array_make(ctx->p, 4, sizeof(const char *));
    const char *text;
    size_t i;

    if (json_is_array(value)) {
        json_array_foreach(value, i, member) {
            text = bearer_exports_value(member, ctx->p);
            if (text) {
                APR_ARRAY_PUSH(list, const char *) = text;
            }
        }
    } else if (value && (text = bearer_exports_value(value, ctx->p)) != NULL) {
        APR_ARRAY_PUSH(list, const char *) = text;
    }
    return list;
}

static ap_expr_list_func_t *const list_function = claims;
static ap_expr_string_func_t *const string_function = claim;

int ab_functions_lookup(ap_expr_lookup_parms *parms)
{
    int list = parms->type == AP_EXPR_FUNC_LIST;
    const bearer_path_t *path;

    if ((!list && parms->type != AP_EXPR_FUNC_STRING)
        || strcasecmp(parms->name, list ? "claims" : "claim") != 0) {
        return DECLINED;
    }
    /* C has no conversion from function to object pointers; POSIX guarantees the
     * representation */
    memcpy(parms->func, list ? (const void *)&list_function
                             : (const void *)&string_function,
           sizeof(list_function));
    path = parms->arg ? bearer_path_compile(parms->arg, parms->pool) : NULL;
    if (path && ap_state_query(AP_SQ_MAIN_STATE) < AP_SQ_MS_RUN_MPM) {
        APR_ARRAY_PUSH(ab_config_current()->expressed, const bearer_path_t *) = path;
    }
    *parms->data = path;
    return OK;
}
