/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file caches.c
 * Cache headers (responses.md): a response to an authenticated request is for its
 * owner only. A shared cache in front of this server does not recognize a cookie or
 * query as a credential. mod_cache in this server does not even see Authorization,
 * which is removed before it looks.
 */
#include "export.h"
#include "hooks.h"
#include "request.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "trust/settings.h"

#define FIELD "Cache-Control"
#define NOTE "bearer-cache-control"

/* Properties of a response: the filter's context. */
enum { IS_PRIVATE = 1, BY_AUTHORIZATION = 2, VARIES = 4 };

static int cache_is_loaded;          /* set again with each configuration */
static ap_filter_rec_t *filter;

static void look_for_cache(void)
{
    cache_is_loaded = ap_find_linked_module("mod_cache.c") != NULL;
}

/* ---- the fields --------------------------------------------------------- */

static int is_one_of(const char *item, const char *const *words)
{
    const apr_size_t len = strcspn(item, "=;");

    for (; *words; words++) {
        if (strlen(*words) == len && !ap_cstr_casecmpn(item, *words, len)) {
            return 1;
        }
    }
    return 0;
}

/* RFC 9111 section 3.5: directives that let a shared cache store a response to a
 * request with Authorization. */
static int is_for_others(request_rec *r, const char *field)
{
    static const char *const words[] = { "public", "s-maxage", "must-revalidate",
                                         "proxy-revalidate", NULL };
    const char *item;

    while ((item = ap_get_list_item(r->pool, &field)) != NULL) {
        if (is_one_of(item, words)) {
            return 1;
        }
    }
    return 0;
}

/* `private` comes first, so that a malformed directive before it cannot absorb it. */
static const char *for_the_owner(request_rec *r, const char *field)
{
    static const char *const words[] = { "public", "s-maxage", "proxy-revalidate",
                                         "private", NULL };
    const char *kept = "private", *item;

    while (field && (item = ap_get_list_item(r->pool, &field)) != NULL) {
        if (!is_one_of(item, words)) {
            kept = apr_pstrcat(r->pool, kept, ", ", item, NULL);
        }
    }
    return kept;
}

/* Joins all values in one header, because a cache may read only one of two headers. */
static const char *both(request_rec *r)
{
    const char *error = apr_table_get(r->err_headers_out, FIELD);
    const char *field = apr_table_get(r->headers_out, FIELD);

    if (field) {
        field = apr_table_getm(r->pool, r->headers_out, FIELD);
    }
    if (!error) {
        return field;
    }
    error = apr_table_getm(r->pool, r->err_headers_out, FIELD);
    apr_table_unset(r->err_headers_out, FIELD);
    return field ? apr_pstrcat(r->pool, error, ", ", field, NULL) : error;
}

static void set_control(request_rec *r, int what)
{
    const char *field = both(r);

    /* the application decides about its own responses to such a token */
    int its_own = field && (what & BY_AUTHORIZATION);

    if (!its_own) {
        field = for_the_owner(r, field);
    }
    apr_table_setn(r->headers_out, FIELD, field);
    if (cache_is_loaded && !(its_own && is_for_others(r, field))) {
        apr_table_setn(r->subprocess_env, "no-cache", "1");
    }
}

static int has_item(request_rec *r, const apr_table_t *headers, const char *item)
{
    const char *vary = apr_table_getm(r->pool, headers, "Vary");

    return vary && (ap_find_list_item(r->pool, vary, item)
                    || ap_find_list_item(r->pool, vary, "*"));
}

static void vary_by_cookie(request_rec *r)
{
    if (!has_item(r, r->headers_out, "cookie")
        && !has_item(r, r->err_headers_out, "cookie")) {
        apr_table_mergen(r->headers_out, "Vary", "Cookie");
    }
}

static apr_status_t tell(ap_filter_t *f, apr_bucket_brigade *bb)
{
    int what = (int)(apr_uintptr_t)f->ctx;

    if (what & IS_PRIVATE) {
        set_control(f->r, what);
    }
    if (what & VARIES) {
        vary_by_cookie(f->r);
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* ---- whose response it is --------------------------------------------------- */

static int by_credential(const credential_t *credential)
{
    const bearer_from_t *from = credential ? credential->from : NULL;

    return from && from->kind == BEARER_FROM_HEADER && !from->name
               ? IS_PRIVATE | BY_AUTHORIZATION : IS_PRIVATE;
}

/* RFC 6750 section 2.3: applies to every response to a URL with a token in it. */
static int by_query(const request_rec *r)
{
    const request_t *own = ab_request_peek(r);
    const credential_t *credential = own ? own->credential : NULL;

    return credential && credential->reason == BEARER_OK
                   && credential->from->kind == BEARER_FROM_QUERY
               ? IS_PRIVATE : 0;
}

/* A public page may include protected parts, and its headers are sent before them. So a
 * credential that a browser or client sends with the page counts as if the page had
 * required it. */
static int by_parts(request_rec *r)
{
    const request_t *own = ab_request_peek(r);
    const ap_filter_t *f = r->output_filters;
    int what = own && own->cookies ? IS_PRIVATE
             : apr_table_get(r->headers_in, "Authorization")
                   ? IS_PRIVATE | BY_AUTHORIZATION : 0;

    if (!what || ap_auth_type(r)) {
        return 0;
    }
    /* also matches the name that AddOutputFilterByType gives the filter */
    while (f && !ap_strcasestr(f->frec->name, "includes")) {
        f = f->next;
    }
    return f ? what : 0;
}

/* Returns the settings that applied when the request was first examined, or NULL. */
static const bearer_settings_t *settings_of(request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    return own && own->scrubbed ? ab_config_of(r) : NULL;
}

/* Does the user depend on a cookie alone here? */
static int varies(request_rec *r)
{
    for (; r; r = r->prev) {
        const bearer_settings_t *settings = settings_of(r);

        if (settings && settings->session && settings->optional) {
            return VARIES;
        }
    }
    return 0;
}

static int what_it_is(request_rec *r)
{
    const request_t *record = ab_request_principal(r);

    if (record && record->principal->user && record->reason == BEARER_OK) {
        return by_credential(record->winner) | varies(r);
    }
    return by_query(r) | by_parts(r) | varies(r);
}

/* ---- the hooks ---------------------------------------------------------------- */

static void add_filter(request_rec *r, int what)
{
    if (what) {
        ap_add_output_filter_handle(filter, (void *)(apr_uintptr_t)what, r,
                                    r->connection);
    }
}

static void insert_error_filter(request_rec *r)
{
    add_filter(r, what_it_is(r));
}

/* Prevents mod_cache from storing the rest of the page that includes this part. */
static void stop_saving(request_rec *r)
{
    ap_filter_t *f;

    for (; r; r = r->main) {
        apr_table_setn(r->subprocess_env, "no-cache", "1");
        for (f = r->output_filters; f; f = f->next) {
            if (!strncmp(f->frec->name, "cache_save", 10)) {  /* _subreq */
                ap_remove_output_filter(f);
            }
        }
    }
}

/* mod_cache looks up a response when the credential is already removed from the
 * request. If authentication is optional, its stored response may be the page for
 * anonymous users. */
static void do_not_look(request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, FIELD);
    const bearer_settings_t *settings = settings_of(r);

    if (settings && settings->optional) {
        apr_table_setn(r->notes, NOTE, field ? field : "");
        apr_table_setn(r->headers_in, FIELD, "no-cache");
    }
}

/* A handler after mod_cache's: restores the header for the application. */
static int undo(request_rec *r)
{
    const char *field = cache_is_loaded ? apr_table_get(r->notes, NOTE) : NULL;

    if (field) {
        ab_request_set_field(r, FIELD, *field ? field : NULL);
    }
    return DECLINED;
}

static void insert_filter(request_rec *r)
{
    int what;

    ab_export_catch_up(r);
    what = what_it_is(r);
    if (!r->main) {
        add_filter(r, what);
    }
    if (cache_is_loaded && (what & IS_PRIVATE)) {
        do_not_look(r);
        if (r->main) {
            stop_saving(r);
        }
    }
}

void ab_caches_register(void)
{
    /* mod_headers has the last word on the response */
    static const char *const after[] = { "mod_headers.c", NULL };
    static const char *const after_cache[] = { "mod_cache.c", NULL };

    ap_hook_optional_fn_retrieve(look_for_cache, NULL, NULL, APR_HOOK_MIDDLE);
    filter = ap_register_output_filter("BEARER_CACHES", tell, NULL,
                                       AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert_filter, after, NULL, APR_HOOK_LAST);
    ap_hook_insert_error_filter(insert_error_filter, after, NULL, APR_HOOK_LAST);
    ap_hook_handler(undo, after_cache, NULL, APR_HOOK_REALLY_FIRST);
}
