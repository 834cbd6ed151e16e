/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_choice.c
 * Logins with several issuers: which one is used, the page on which users choose, and
 * what the browser remembers.
 *
 * The page has a link to PATH/login for each issuer. A link carries the page that it
 * leads to as `return`, or as `page` what that parameter cannot carry: the parameters
 * that logins have there (AuthBearerLogin), and an address that is long or that `return`
 * does not accept. `page` is sealed, so it leads only to a page that was requested from
 * this server, with that page's parameters.
 */
#include "browser.h"
#include "page.h"
#include "process.h"
#include "trace.h"

#include <apr_strings.h>

#include "base/http.h"
#include "base/text.h"
#include "login/return_url.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

/** How long a browser remembers the issuer of its latest login, in seconds. */
#define REMEMBERED (30 * 24 * 3600)
#define KEY_SIZE 16

/* ---- what is remembered ------------------------------------------------- */

const bearer_issuer_t *ab_browser_chosen(request_rec *r, const apr_array_header_t *possible)
{
    const char *name = bearer_cookie_get(ab_browser_cookies(r),
                                         ab_browser_of(r)->names.issuer, r->pool);
    int i;

    for (i = 0; i < possible->nelts; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(possible, i, const bearer_issuer_t *);

        if (possible->nelts == 1 || (name && !strcmp(name, issuer->name))) {
            return issuer;
        }
    }
    return NULL;
}

void ab_browser_remember(request_rec *r, const bearer_issuer_t *issuer)
{
    const browser_t *browser = ab_browser_of(r);
    const bearer_cookie_names_t *names = &browser->names;

    if (browser->several && issuer) {
        ab_browser_set_cookie(r, bearer_cookie_set(names, names->issuer, issuer->name,
                                                   REMEMBERED, r->pool));
    } else if (bearer_cookie_get(ab_browser_cookies(r), names->issuer, r->pool)) {
        ab_browser_forget(r, names->issuer);
    }
}

/* ---- sealed pages ------------------------------------------------------- */

static const char *context_of(request_rec *r)
{
    return apr_pstrcat(r->pool, "login page ", ab_browser_of(r)->origin, NULL);
}

/* Lines: the target, after the key of browser_room.c if the whole is there, and the
 * parameters. NULL: failure. */
static const char *seal_page(request_rec *r, const char *target,
                             const apr_array_header_t *parameters)
{
    const bearer_world_t *world = &ab_process()->world;
    unsigned char key[KEY_SIZE];
    bearer_attempt_t page = { .target = target, .state = "" };
    const char *text;

    if (strlen(target) > (apr_size_t)r->server->limit_req_line / 4) {
        if (bearer_world_random(world, key, sizeof(key)) != APR_SUCCESS) {
            return NULL;
        }
        page.state = bearer_text_hex(r->pool, key, sizeof(key));
        ab_browser_room_move(r, &page);
    }
    text = apr_pstrcat(r->pool, page.elsewhere ? page.state : "", page.target, "\n",
                       parameters ? apr_array_pstrcat(r->pool, parameters, '\n') : "", NULL);
    return bearer_seal_text(ab_browser_of(r)->login_seal, context_of(r), text, strlen(text),
                            world, r->pool);
}

const char *ab_browser_sealed_page(request_rec *r, const char *sealed,
                                   const apr_array_header_t **parameters)
{
    bearer_attempt_t page = { .elsewhere = 0 };
    unsigned char *text;
    apr_size_t len;
    char *target, *rest;

    if (bearer_seal_read(&text, &len, ab_browser_of(r)->login_seal, context_of(r), sealed,
                         r->pool) != APR_SUCCESS) {
        return NULL;
    }
    rest = strchr((char *)text, '\n');
    target = strchr((char *)text, '/');
    if (!rest || !target || target > rest) {
        return NULL;
    }
    *rest++ = '\0';
    *parameters = *rest ? bearer_text_split(r->pool, rest, "\n") : NULL;
    page.target = target;
    page.elsewhere = target > (char *)text;
    page.state = apr_pstrmemdup(r->pool, (char *)text, (apr_size_t)(target - (char *)text));
    return bearer_return_here("", ab_browser_room_target(r, &page), r->pool);
}

/* ---- the page ----------------------------------------------------------- */

const char *ab_browser_choices(request_rec *r, const apr_array_header_t *possible,
                               const char *query)
{
    apr_pool_t *p = r->pool;
    const char *html = "";
    int i;

    for (i = 0; i < possible->nelts; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(possible, i, const bearer_issuer_t *);

        html = apr_pstrcat(p, html, ab_page_link_to(
            r, apr_pstrcat(p, ab_browser_of(r)->path, "/login?iss=",
                           bearer_http_form_escape(p, issuer->url), "&", query, NULL),
            issuer->name), NULL);
    }
    return html;
}

int ab_browser_ask(request_rec *r, const bearer_settings_t *settings,
                   const apr_array_header_t *possible, const char *target)
{
    apr_pool_t *p = r->pool;
    const apr_array_header_t *parameters = settings->login.parameters;
    const char *name = "return=";
    int status;
    const char *value = parameters || !bearer_return_url("", target, p) ? NULL
                      : bearer_http_form_escape(p, target);

    if (!value || strlen(value) > (apr_size_t)r->server->limit_req_line / 2) {
        name = "page=";
        value = seal_page(r, target, parameters);
    }
    status = ab_page_ask(r, AB_PAGE_CHOICE, ab_browser_choices(
        r, possible, value ? apr_pstrcat(p, name, value, NULL) : ""));
    if (status != DECLINED) {
        ab_log(APLOG_DEBUG, r, AB(0329) "the browser has no session and is asked with which of "
               "%d issuers to log in", possible->nelts);
    }
    return status;
}
