/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_hide.c
 * What others must not see of browsers: this module's own cookies, and the code and
 * state that an issuer's answer brings.
 *
 * Both are gone from the request before an .htaccess is read: who may write one may
 * not collect what signs people in. For the same reason a cookie that is set has no
 * value until mod_headers and the like are done with the response.
 */
#include "browser.h"

#include "base/text.h"
#include "judge/credential_syntax.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- cookies ------------------------------------------------------------ */

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

static void set_cookies(request_rec *r, const char *field)
{
    if (r->main) {
        /* the table may be the main request's, who has not looked at it yet */
        r->headers_in = apr_table_copy(r->pool, r->headers_in);
    }
    if (field) {
        apr_table_setn(r->headers_in, "Cookie", field);
    } else {
        apr_table_unset(r->headers_in, "Cookie");
    }
}

static void take_cookies(request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "Cookie");
    const char *kept = field ? bearer_cookie_strip(field, r->pool) : NULL;

    if (kept != field) {
        ab_request(r)->cookies = field;
        set_cookies(r, kept);
        ab_scrub_cookies(r);
    }
}

/* AuthBearerStripCookies Off: where the application may see them. */
static void give_cookies_back(request_rec *r)
{
    const char *all = ab_browser_cookies(r);
    const char *own = all ? bearer_cookie_own(all, r->pool) : NULL;
    const char *field = own ? apr_table_get(r->headers_in, "Cookie") : NULL;

    if (own && !(field && bearer_cookie_own(field, r->pool))) {
        set_cookies(r, field ? apr_pstrcat(r->pool, field, "; ", own, NULL) : own);
    }
}

void ab_browser_strip(request_rec *r)
{
    if (!ab_config_server(r->server)->global->browsers) {
        return;
    }
    if (r->main) {  /* a file that is included has not come by here before */
        take_cookies(r);
    }
    if (ab_browser_cookies(r) && !ab_config_of(r)->strip_cookies) {
        give_cookies_back(r);
    }
}

/* ---- cookies that are set ------------------------------------------------- */

#define SET_COOKIE "Set-Cookie"

static ap_filter_rec_t *sender;

/* The request that the client made keeps the lines of all that are made from it. */
static request_rec *first_request(request_rec *r)
{
    while (ab_request_parent(r)) {
        r = r->main ? r->main : r->prev;
    }
    return r;
}

/* httpd carries the field to the response, through redirects and indexes; in it
 * stands which line is meant. */
void ab_browser_set_cookie(request_rec *r, const char *line)
{
    request_rec *first = first_request(r);
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

/* The line that the value of a field stands for, or NULL. Attributes that somebody
 * added to it do not count. */
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

/* Puts the lines in, or takes them out again. */
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
    const request_t *record = ab_request_peek(first_request(r));

    if (record && record->set_cookies) {
        replace_lines(r, r->headers_out, record->set_cookies, put);
        replace_lines(r, r->err_headers_out, record->set_cookies, put);
    }
}

static apr_status_t send_cookies(ap_filter_t *f, apr_bucket_brigade *bb)
{
    replace_cookies(f->r, 1);
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

static void insert_sender(request_rec *r)
{
    const request_t *record = ab_request_peek(first_request(r));

    if (record && record->set_cookies && !r->main) {
        ap_add_output_filter_handle(sender, NULL, r, r->connection);
    }
}

void ab_browser_register(void)
{
    static const char *const after[] = { "mod_headers.c", NULL };

    /* behind whatever filter an .htaccess may add */
    sender = ap_register_output_filter("BEARER_COOKIES", send_cookies, NULL,
                                       AP_FTYPE_PROTOCOL - 1);
    ap_hook_insert_filter(insert_sender, after, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(insert_sender, after, NULL, APR_HOOK_REALLY_LAST);
}

/* ---- the issuer's answer -------------------------------------------------- */

static const char *const answer_names[] = {
    "code", "state", "id_token", "access_token", "response", NULL
};

static int is_callback(const char *url, const browser_t *browser)
{
    return strncmp(url, browser->callback_path, strlen(browser->callback_path)) == 0;
}

static void mask_answer(request_rec *r)
{
    const char *const *name = answer_names;

    for (; *name; name++) {
        ab_credential_mask(r, *name);
    }
}

void ab_browser_hide_answer(request_rec *r, const browser_t *browser)
{
    if (is_callback(r->uri, browser)) {
        ab_request(r)->answer = r->args;
        mask_answer(r);
    }
}

/* The page that an answer ended on, if it did not end on another one. */
static void hide_referer(request_rec *r, const browser_t *browser)
{
    const char *referer = apr_table_get(r->headers_in, "Referer");
    const char *const *name = answer_names;

    if (referer && strstr(referer, browser->callback_path)) {
        for (; *name; name++) {
            referer = bearer_syntax_mask_url(referer, *name, r->pool);
        }
        apr_table_setn(r->headers_in, "Referer", referer);
    }
}

/* An answer that httpd refused before it was asked whose it is, or that is spelled
 * in another way. */
static int has_answer(const request_rec *r, const browser_t *browser)
{
    return r->the_request && strchr(r->the_request, '?')
        && ((r->uri && is_callback(r->uri, browser))
            || strstr(r->the_request, browser->callback_path));
}

/* ---- the hooks -------------------------------------------------------------- */

int ab_browser_map_to_storage(request_rec *r)
{
    const server_config_t *server = ab_config_server(r->server);

    if (server->global->browsers) {
        take_cookies(r);
    }
    if (server->browser) {
        hide_referer(r, server->browser);
    }
    return DECLINED;
}

void ab_browser_hide(request_rec *r)
{
    const server_config_t *server = ab_config_server(r->server);

    if (server->global->browsers) {
        take_cookies(r);
    }
    if (server->browser) {
        hide_referer(r, server->browser);
    }
    if (server->browser && has_answer(r, server->browser)) {
        mask_answer(r);
    }
    replace_cookies(r, 0);
}
