/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_cookies.c
 * This module's cookies: reading them from the browser, and setting them. A cookie
 * being set has no value until mod_headers and similar modules have processed the
 * response, so that authors of .htaccess files cannot collect login cookies.
 */
#include "browser.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>

#include "base/text.h"

const char *ab_browser_cookies(const request_rec *r)
{
    for (; r; r = ab_request_parent(r)) {
        const request_t *record = ab_request_peek(r);

        if (record && record->cookies) {
            return record->cookies;
        }
        if (!ab_request_parent(r)) {
            return apr_table_get(r->headers_in, "Cookie");
        }
    }
    return NULL;
}

/* ---- cookies that are set ------------------------------------------------- */

#define SET_COOKIE "Set-Cookie"

static ap_filter_rec_t *sender;

/* The record of the client's request keeps the lines of all requests made from it.
 * httpd carries the header to the response through redirects and indexes; the header
 * contains only a reference to the line. */
void ab_browser_set_cookie(request_rec *r, const char *line)
{
    request_rec *first = ab_request_first(r);
    request_t *record = ab_request(first);

    if (!record->set_cookies) {
        record->set_cookies = apr_array_make(first->pool, 2, sizeof(const char *));
    }
    apr_table_addn(r->err_headers_out, SET_COOKIE,
                   apr_psprintf(r->pool, "%.*s=*%d*", (int)strcspn(line, "="), line,
                                record->set_cookies->nelts));
    apr_table_mergen(r->err_headers_out, "Cache-Control", "no-store");
    APR_ARRAY_PUSH(record->set_cookies, const char *) = apr_pstrdup(first->pool, line);
}

void ab_browser_set_session(request_rec *r, const char *value, apr_interval_time_t left)
{
    const browser_t *b = ab_browser_of(r);
    const int age = b->persist ? (int)apr_time_sec(left + APR_USEC_PER_SEC - 1) : -1;
    const apr_array_header_t *lines =
        bearer_cookie_split(&b->names, b->names.session, value, age, ab_browser_cookies(r),
                            r->pool);
    int i;

    for (i = 0; lines && i < lines->nelts; i++) {
        ab_browser_set_cookie(r, APR_ARRAY_IDX(lines, i, const char *));
    }
}

void ab_browser_forget(request_rec *r, const char *name)
{
    ab_browser_set_cookie(r, bearer_cookie_set(&ab_browser_of(r)->names, name, "", 0,
                                               r->pool));
}

/* Returns the line that a header value refers to, or NULL. Attributes added by other
 * modules are ignored. */
static const char *line_of(const apr_array_header_t *lines, const char *value)
{
    const apr_size_t name = strcspn(value, "=");
    const char *line;
    char *end;
    apr_int64_t i;

    if (!value[name] || value[name + 1] != '*') {
        return NULL;
    }
    i = apr_strtoi64(value + name + 2, &end, 10);
    if (*end != '*' || i < 0 || i >= lines->nelts) {
        return NULL;
    }
    line = APR_ARRAY_IDX(lines, i, const char *);
    return strncmp(line, value, name + 1) == 0 ? line : NULL;
}

/* Inserts the lines, or removes them again. */
static void replace_lines(request_rec *r, apr_table_t *headers,
                          const apr_array_header_t *lines, int put)
{
    const apr_array_header_t *fields = apr_table_elts(headers);
    apr_table_entry_t *entry = (apr_table_entry_t *)(void *)fields->elts;
    int i;

    for (i = 0; i < fields->nelts; i++, entry++) {
        const char *value = NULL;

        if (!entry->key || ap_cstr_casecmp(entry->key, SET_COOKIE)) {
            continue;
        }
        if (put) {
            value = line_of(lines, entry->val);
        } else if (bearer_text_among(lines, entry->val)) {
            value = apr_psprintf(r->pool, "%.*s=***", (int)strcspn(entry->val, "="),
                                 entry->val);
        }
        if (value) {
            entry->val = (char *)(apr_uintptr_t)value;
        }
    }
}

static void replace_cookies(request_rec *r, int put)
{
    const request_t *record = ab_request_peek(ab_request_first(r));

    if (record && record->set_cookies) {
        replace_lines(r, r->headers_out, record->set_cookies, put);
        replace_lines(r, r->err_headers_out, record->set_cookies, put);
    }
}

void ab_browser_hide_set_cookies(request_rec *r)
{
    replace_cookies(r, 0);
}

static apr_status_t send_cookies(ap_filter_t *f, apr_bucket_brigade *bb)
{
    replace_cookies(f->r, 1);
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

static void insert_sender(request_rec *r)
{
    const request_t *record = ab_request_peek(ab_request_first(r));

    if (record && record->set_cookies && !r->main) {
        ap_add_output_filter_handle(sender, NULL, r, r->connection);
    }
}

void ab_browser_register(void)
{
    static const char *const after[] = { "mod_headers.c", NULL };

    /* after every filter that an .htaccess may add */
    sender = ap_register_output_filter("BEARER_COOKIES", send_cookies, NULL,
                                       AP_FTYPE_PROTOCOL - 1);
    ap_hook_insert_filter(insert_sender, after, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(insert_sender, after, NULL, APR_HOOK_REALLY_LAST);
}
