/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file export.c
 * What others see of the request (product.md 3.5): what carried the token is
 * removed, and the principal is written into environment and headers.
 *
 * The fixup runs before mod_rewrite's, so that `RewriteCond %{ENV:...}` in a
 * directory sees the variables; it walks back to the main or the previous
 * request, because those were authenticated and this one was not.
 */
#include "glue.h"

#include "bearer/credential_syntax.h"
#include "bearer/exports.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- before the request is served --------------------------------------- */

/* A request that was made of one that was refused before it came to fixups, by
 * whomever: an error document elsewhere. */
static void strip_what_was_left(request_rec *r)
{
    request_rec *q;

    for (q = r->prev; q; q = q->prev) {
        const request_t *own = bearer_request_peek(q);

        if (bearer_config_in_force(q) && !(own && own->principal)) {
            bearer_credential_strip(r, bearer_config_of(q), 0);
        }
    }
}

int bearer_export_header_parser(request_rec *r)
{
    request_rec *q;

    /* A request that was refused by its address came to no other hook of ours; its
     * error document is told of its user (REDIRECT_REMOTE_USER). */
    for (q = r->prev; q; q = q->prev) {
        bearer_foreign_user_settle(q);
    }
    if (r->prev && !bearer_config_in_force(r)) {
        strip_what_was_left(r);
    }
    bearer_scrub(r);
    return DECLINED;
}

/* What was kept for the application is not for the access log: it shows headers
 * where it is told to. */
int bearer_export_log_transaction(request_rec *r)
{
    for (; r; r = r->next) {
        bearer_foreign_user_settle(r);
        bearer_browser_hide(r);
        if (bearer_config_in_force(r)) {
            bearer_credential_strip(r, bearer_config_of(r), 0);
        }
    }
    return DECLINED;
}

int bearer_export_access_checker(request_rec *r)
{
    bearer_scrub(r);
    return DECLINED;
}

/* ---- export ------------------------------------------------------------- */

void bearer_export_tell(request_rec *r, const apr_array_header_t *left_out)
{
    int i;

    for (i = 0; i < left_out->nelts && !r->main && !r->prev; i++) {
        bearer_log(APLOG_INFO, r, "%s",
                   APR_ARRAY_IDX(left_out, i, const char *));
    }
}

static void export_principal(request_rec *r, const request_t *record)
{
    const bearer_settings_t *settings = record->settings;
    const bearer_principal_t *principal = record->principal;
    apr_array_header_t *left_out = apr_array_make(r->pool, 1, sizeof(const char *));

    bearer_exports_apply(r->subprocess_env, r->headers_in, principal, settings,
                         left_out, r->pool);
    bearer_export_tell(r, left_out);
}

/* An error document shows why: httpd renamed the variables of the refused
 * request to REDIRECT_*. */
static void export_refusal(request_rec *r)
{
    const request_rec *from;

    for (from = r; from; from = bearer_request_parent(from)) {
        const request_t *record = bearer_request_peek(from);

        if (record && record->reason != BEARER_OK) {
            apr_table_setn(r->subprocess_env, "BEARER_ERROR",
                           bearer_category_name(
                               bearer_reason_category(record->reason)));
            apr_table_setn(r->subprocess_env, "BEARER_ERROR_CHECK",
                           bearer_reason_name(record->reason));
            return;
        }
    }
}

/* The token goes on in Authorization, wherever it came from; Basic stays. A
 * token in Authorization that nobody looked at does not: the application would
 * take it for one that was verified. */
static void forward_token(request_rec *r, const credential_t *credential)
{
    const bearer_from_t *from = credential->from;
    const char *field = apr_table_get(r->headers_in, "Authorization");

    if (credential->reason != BEARER_OK) {
        if (field && (bearer_syntax_after_scheme(field, "Bearer")
                      || (from && from->kind == BEARER_FROM_COOKIE))) {
            apr_table_unset(r->headers_in, "Authorization");
        }
    }
    else if ((from->kind != BEARER_FROM_HEADER || from->name)
             && from->kind != BEARER_FROM_BASIC) {
        apr_table_setn(r->headers_in, "Authorization",
                       apr_pstrcat(r->pool, "Bearer ", credential->token, NULL));
    }
}

/* RFC 6750 section 2.3: what a URL with a token in it brought is no page for
 * shared caches. */
static void keep_private(request_rec *r, const credential_t *credential)
{
    if (credential->reason == BEARER_OK && credential->from
        && credential->from->kind == BEARER_FROM_QUERY && !r->main) {
        apr_table_mergen(r->err_headers_out, "Cache-Control", "private");
    }
}

/* An upgrade to h2c is httpd's first handler: it goes through the request once
 * more, as HTTP/2 and as it finds it then, without the token. A server may leave
 * an upgrade alone (RFC 9110 section 7.8). */
static void leave_upgrade(request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "Upgrade");

    if (field && ap_find_token(r->pool, field, "h2c")) {
        apr_table_unset(r->headers_in, "Upgrade");
    }
}

int bearer_export_fixups(request_rec *r)
{
    const char *type = ap_auth_type(r);
    int in_force = bearer_config_in_force(r);
    const credential_t *credential;
    const request_t *record;
    const bearer_settings_t *settings;

    bearer_browser_strip(r);
    if (type && !in_force) {
        return DECLINED;  /* another scheme says who the user is here */
    }
    record = bearer_request_principal(r);
    if (r->user != (record ? record->user : NULL)) {
        bearer_foreign_user_settle(r);
    }
    if (in_force) {
        bearer_scrub(r);
        leave_upgrade(r);
        settings = bearer_config_of(r);
        credential = bearer_credential_get(r);
        keep_private(r, credential);
        if (settings->forward & BEARER_FORWARD_TOKEN) {
            forward_token(r, record && record->winner ? record->winner
                                                      : credential);
        }
        bearer_credential_strip(r, settings,
                                settings->forward & BEARER_FORWARD_TOKEN);
    }
    export_refusal(r);
    if (record) {
        if (r->main && !in_force) {
            r->headers_in = apr_table_copy(r->pool, r->headers_in);
        }
        export_principal(r, record);
        if (r->main && record == bearer_request_peek(r)
            && !bearer_request_borrows(r)) {
            bearer_request_lend(r);
        }
    }
    return DECLINED;
}

/* mod_dir sends a request for a directory on as one for its index, after fixups
 * and by no way that asks a hook of ours again. */
static void catch_up(request_rec *r)
{
    const request_t *own = bearer_request_peek(r);

    if (bearer_config_in_force(r) && !(own && own->scrubbed)) {
        bearer_export_fixups(r);
    }
}

/* ---- caches ------------------------------------------------------------- */

static int cache_is_loaded; /* set anew with each configuration */

static void look_for_cache(void)
{
    cache_is_loaded = ap_find_linked_module("mod_cache.c") != NULL;
}

/* RFC 9111 section 3.5: what lets a shared cache keep such an answer. */
static int lets_others(const char *item)
{
    static const char *const words[] = {
        "public", "s-maxage", "must-revalidate", "proxy-revalidate"
    };
    const apr_size_t len = strcspn(item, "=");
    apr_size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) == len && !strncasecmp(item, words[i], len)) {
            return 1;
        }
    }
    return 0;
}

static int is_for_others(const request_rec *r)
{
    const char *field = apr_table_getm(r->pool, r->err_headers_out,
                                       "Cache-Control");
    const char *item;

    if (!field) {
        field = apr_table_getm(r->pool, r->headers_out, "Cache-Control");
    }
    while (field && (item = ap_get_list_item(r->pool, &field)) != NULL) {
        if (lets_others(item)) {
            return 1;
        }
    }
    return 0;
}

/* mod_cache would ask the same of a request with Authorization, but it does when
 * the answer is there, and the field is gone by then; and its quick handler
 * serves before any Require is asked. So it is told in words of its own. */
static apr_status_t not_for_others(ap_filter_t *f, apr_bucket_brigade *bb)
{
    if (!is_for_others(f->r)) {
        apr_table_setn(f->r->subprocess_env, "no-cache", "1");
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

static void insert_filter(request_rec *r)
{
    const request_t *record;

    catch_up(r);
    if (r->main && bearer_config_in_force(r)) {
        bearer_scrub_includer(r);
    }
    record = cache_is_loaded ? bearer_request_principal(r) : NULL;
    if (!record || !record->principal->user) {
        return;
    }
    if (r->main) {  /* its filters stand behind those that keep its answer */
        apr_table_setn(r->subprocess_env, "no-cache", "1");
    }
    else {
        ap_add_output_filter("BEARER_NOT_FOR_OTHERS", NULL, r, r->connection);
    }
}

void bearer_export_register(void)
{
    /* what mod_headers says of the answer counts */
    static const char *const after[] = { "mod_headers.c", NULL };

    ap_hook_optional_fn_retrieve(look_for_cache, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_output_filter("BEARER_NOT_FOR_OTHERS", not_for_others, NULL,
                              AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert_filter, after, NULL, APR_HOOK_LAST);
}
