/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_hide.c
 * Hides from others: this module's cookies, and the code and state in a login response.
 *
 * Both are removed from the request before httpd reads an .htaccess, so that authors of
 * .htaccess files cannot collect login credentials.
 */
#include "browser.h"
#include "credential.h"
#include "scrub.h"

#include <apr_strings.h>

#include "judge/credential_syntax.h"

/* ---- cookies ------------------------------------------------------------ */

static void set_cookies(request_rec *r, const char *field)
{
    if (r->main) {
        /* the table may belong to the main request, which still needs it */
        r->headers_in = apr_table_copy(r->pool, r->headers_in);
    }
    ab_request_set_field(r, "Cookie", field);
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

/* AuthBearerStripCookies Off: restores the cookies for the application. */
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
    if (r->main) {  /* an included file has not passed this hook before */
        take_cookies(r);
    }
    if (ab_browser_cookies(r) && !ab_config_of(r)->strip_cookies) {
        give_cookies_back(r);
    }
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

void ab_browser_hide_answer(request_rec *r)
{
    if (is_callback(r->uri, ab_browser_of(r))) {
        ab_request(r)->answer = r->args;
        mask_answer(r);
    }
}

/* Hides the response in the Referer of the page on which the browser stayed. */
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

/* Has r a login response that httpd refused before any hook, or whose path is spelled
 * differently? */
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
    const browser_t *browser = ab_browser_of(r);

    ab_browser_map_to_storage(r);
    if (browser && has_answer(r, browser)) {
        mask_answer(r);
    }
    ab_browser_hide_set_cookies(r);
}
