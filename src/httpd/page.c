/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page.c
 * Error and confirmation pages: their layout, and which one is sent. They are small and
 * need no script, image or other file. They show a reference that the log line contains
 * too (the id of mod_unique_id if it is loaded). They contain no data of the request, but
 * for the address of the page in a link, nor of the token or the response of an issuer; an
 * issuer's error is named if it is a standard one.
 * The texts are in page_texts.c.
 *
 * An administrator's ErrorDocument takes precedence. Clients that accept JSON but not
 * HTML get JSON.
 */
#include "page.h"
#include "answer.h"
#include "browser.h"
#include "credential.h"
#include "environment.h"
#include "process.h"
#include "request.h"
#include "status.h"
#include "trace.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_core.h>

#include "base/http.h"
#include "base/json.h"
#include "base/text.h"
#include "login/return_url.h"
#include "trust/issuer.h"
#include "trust/settings.h"

APLOG_USE_MODULE(auth_bearer);

/** What a page offers: AB_PAGES. */
enum { NONE = 0, AGAIN = 1, ACCOUNT = 2, SIGN_IN = 4, START = 8, WAIT = 16 };

static const unsigned char next_steps[AB_PAGE_COUNT] = {
#define X(symbol, next) next,
    AB_PAGES(X)
#undef X
};

/** Maximum length of a page's address in the query of a link, encoded. */
#define ADDRESS_MAX 4096

/* Reasons with a page of their own. BAD_REQUEST is 0; it is the page of a status only. */
static const unsigned char pages[BEARER_REASON_COUNT] = {
    [BEARER_SIGNATURE_REMOVED] = AB_PAGE_SIGNATURE_REMOVED,
    [BEARER_LOGIN_STATE] = AB_PAGE_LOGIN_STATE,
    [BEARER_LOGIN_RESPONSE] = AB_PAGE_LOGIN_RESPONSE,
    [BEARER_LOGIN_DENIED] = AB_PAGE_LOGIN_DENIED,
    [BEARER_LOGIN_LOOP] = AB_PAGE_LOGIN_LOOP,
    [BEARER_LOGIN_ISSUER] = AB_PAGE_LOGIN_ISSUER,
    [BEARER_LOGIN_LIMIT] = AB_PAGE_LOGIN_LIMIT,
    [BEARER_SESSION_USER] = AB_PAGE_USER,
    [BEARER_SESSION_STORE] = AB_PAGE_SESSION_STORE,
    [BEARER_SESSION_SIZE] = AB_PAGE_SESSION_SIZE,
    [BEARER_SESSION_LIMIT] = AB_PAGE_SESSION_LIMIT,
    [BEARER_CROSS_SITE] = AB_PAGE_CROSS_SITE,
    [BEARER_ACR] = AB_PAGE_STRONGER,
    [BEARER_SESSION_INSUFFICIENT] = AB_PAGE_STRONGER_ELSEWHERE,
};

void ab_page_cause(request_rec *r, ab_page_t page)
{
    ab_request(r)->page = (unsigned char)page;
}

void ab_page_said(request_rec *r, const bearer_said_t *said)
{
    static const unsigned char by_saying[] = {
        AB_PAGE_BAD_REQUEST,
#define X(symbol) AB_PAGE_LOGIN_##symbol,
        BEARER_SAYINGS(X)
#undef X
    };

    if (said->what) {
        ab_page_cause(r, (ab_page_t)by_saying[said->what]);
        /* of use only where the people who run the site must change something */
        ab_request(r)->issuer_error = said->what < BEARER_SAID_CLIENT ? NULL : said->code;
    }
}

static ab_page_t page_of(const request_rec *r, bearer_reason_t reason)
{
    const request_t *own = ab_request_peek(r);
    const ab_answer_t *answer = ab_answer_of(reason);

    return own && own->page ? (ab_page_t)own->page
         : pages[reason] ? (ab_page_t)pages[reason]
         : answer->status == HTTP_UNAUTHORIZED && r->method_number == M_POST
         ? AB_PAGE_NOT_KEPT : answer->page;
}

int ab_page_waits(const request_rec *r, bearer_reason_t reason)
{
    return ab_answer_of(reason)->retry && next_steps[page_of(r, reason)] & WAIT;
}

const char *ab_page_site(request_rec *r)
{
    const char *name = ap_auth_name(r);
    char *plain, *to;

    if (!name || !*name) {
        return r->server->server_hostname;
    }
    /* httpd stores it prepared for quotes, with its quotes escaped */
    plain = to = apr_palloc(r->pool, strlen(name) + 1);
    for (; *name; name++) {
        if (name[0] != '\\' || name[1] != '"') {
            *to++ = *name;
        }
    }
    *to = '\0';
    return plain;
}

/* ---- HTML --------------------------------------------------------------- */

static const char head[] =
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"robots\" content=\"noindex\">\n<style>\n"
    ":root { color-scheme: light dark; background: Canvas; color: CanvasText }\n"
    "body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; "
    "margin: 10vh auto; padding: 0 1rem; overflow-wrap: anywhere }\n"
    "header { font-weight: 600 }\n"
    "h1 { font-size: 1.6rem; line-height: 1.2 }\n"
    "button { font: inherit; padding: .4rem 1rem }\n"
    ":focus-visible { outline: 3px solid; outline-offset: 3px }\n</style>\n";

static const char *paragraph(apr_pool_t *p, const char *text)
{
    return *text ? apr_pstrcat(p, "<p>", bearer_text_html(p, text), "</p>\n", NULL) : "";
}

static const char *link_with(request_rec *r, const char *attribute, const char *url,
                             const char *text)
{
    apr_pool_t *p = r->pool;

    return apr_pstrcat(p, "<p><a ", attribute, "href=\"", bearer_text_html(p, url), "\">",
                       bearer_text_html(p, text), "</a></p>\n", NULL);
}

const char *ab_page_link_to(request_rec *r, const char *url, const char *text)
{
    return link_with(r, "", url, text);
}

const char *ab_page_link(request_rec *r, const char *url, ab_label_t label)
{
    return link_with(r, "", url, ab_page_label(label));
}

const char *ab_page_button(request_rec *r, const char *action, const char *name,
                           const char *value, ab_label_t label)
{
    apr_pool_t *p = r->pool;

    return apr_pstrcat(p, "<form method=\"post\" action=\"", bearer_text_html(p, action),
                       "\">\n<input type=\"hidden\" name=\"", name, "\" value=\"",
                       bearer_text_html(p, value), "\">\n<p><button>",
                       bearer_text_html(p, ab_page_label(label)),
                       "</button></p>\n</form>\n", NULL);
}

/* rest: HTML after the text */
static const char *html_of(request_rec *r, const ab_text_t *text, const char *rest)
{
    apr_pool_t *p = r->pool;
    const char *title = bearer_text_html(p, text->title);
    const char *site = bearer_text_html(p, ab_page_site(r));

    return apr_pstrcat(p, "<!DOCTYPE html>\n<html lang=\"", ab_page_language, "\">\n<head>\n"
                       "<meta charset=\"utf-8\">\n", head, "<title>",
                       ab_page_fill(bearer_text_html(p, ab_page_label(AB_LABEL_TITLE)),
                                    title, site, p),
                       "</title>\n</head>\n<body>\n<header>", site, "</header>\n<main>\n<h1>",
                       title, "</h1>\n",
                       paragraph(p, text->what), paragraph(p, text->todo), rest,
                       "</main>\n</body>\n</html>\n", NULL);
}

/* Returns the reference of a page. It reveals nothing, but identifies the log line. */
static const char *reference(request_rec *r)
{
    const char *id = ab_trace_id(r);
    unsigned char bytes[5];

    if (id) {
        return id;
    }
    return bearer_world_random(ab_process() ? &ab_process()->world : NULL, bytes,
                               sizeof(bytes)) == APR_SUCCESS
        ? bearer_text_hex(r->pool, bytes, sizeof(bytes)) : "none";
}

static const char *json_of(request_rec *r, json_t *body)
{
    const char *text = bearer_json_text(body, r->pool);

    json_decref(body);
    return apr_pstrcat(r->pool, text ? text : "{}", "\n", NULL);
}

/* Returns the page that was wanted, for the query of a link.
 * @param wanted  its URL, or NULL */
static const char *return_to(request_rec *r, const char *wanted)
{
    const char *host = wanted && *wanted != '/' ? strstr(wanted, "://") : NULL;
    const char *target = host ? ap_strchr_c(host + 3, '/') : wanted;

    target = target ? bearer_return_escape(target, r->pool) : NULL;
    target = bearer_return_url("", target, r->pool)
        ? bearer_http_form_escape(r->pool, target) : "/";
    return strlen(target) <= ADDRESS_MAX ? target : "/";
}

/* A login with another account, which leads back. Not if a token was refused: no person
 * sent it. */
static const char *another_account(request_rec *r, const browser_t *browser,
                                   const char *wanted)
{
    const request_t *own = ab_request_principal(r);
    const bearer_principal_t *who = own ? own->principal : NULL;
    const char *issuer = who && who->issuer ? who->issuer->url : ab_request(r)->account_of;

    if (who && strcmp(who->method, "cookie") != 0) {
        return "";
    }
    return ab_page_link(r, apr_pstrcat(
        r->pool, browser->path, "/login?prompt=select_account&return=", return_to(r, wanted),
        browser->several && issuer ? "&iss=" : NULL,
        bearer_http_form_escape(r->pool, issuer ? issuer : ""), NULL), AB_LABEL_ACCOUNT);
}

/* Returns what the person can do next, as links.
 * @param wanted  URL of the page that was wanted, on this server; or NULL */
static const char *steps(request_rec *r, ab_page_t page, const char *wanted)
{
    const browser_t *browser = ab_config_server(r->server)->browser;
    const unsigned next = next_steps[page];
    const char *links = next & AGAIN && wanted ? ab_page_link(r, wanted, AB_LABEL_TRY_AGAIN)
        : next & (START | AGAIN) ? ab_page_link(r, "/", AB_LABEL_START) : "";

    if (!(next & (SIGN_IN | ACCOUNT)) || !browser) {
        return links;
    }
    return apr_pstrcat(r->pool, links, next & ACCOUNT
        ? another_account(r, browser, wanted)
        /* what was sent can be sent again from its tab */
        : link_with(r, page == AB_PAGE_NOT_KEPT ? "target=\"_blank\" " : "",
                    apr_pstrcat(r->pool, browser->path, "/login?return=",
                                return_to(r, wanted), NULL),
                    ab_page_label(AB_LABEL_SIGN_IN)), NULL);
}

static const char *refusal(request_rec *r, bearer_reason_t reason, int json,
                           const char *name, const char *ref, const char *wanted)
{
    apr_pool_t *p = r->pool;
    const request_t *own = ab_request_peek(r);
    ab_page_t page = page_of(r, reason);
    ab_text_t text = ab_page_text(page);

    if (own && own->issuer_error) {
        /* one of this module's own strings */
        text.what = apr_pstrcat(p, text.what, " ", ab_page_fill(
            ab_page_label(AB_LABEL_ANSWER), own->issuer_error, "", p), NULL);
    }
    if (json) {
        return json_of(r, json_pack("{s:s,s:o,s:s}", "error", name, "error_description",
            json_string(apr_pstrcat(p, text.what, " ", text.todo, NULL)), "reference", ref));
    }
    return html_of(r, &text, apr_pstrcat(
        p, steps(r, page, wanted), "<p><small>",
        ab_page_fill(bearer_text_html(p, ab_page_label(AB_LABEL_REFERENCE)),
                     apr_pstrcat(p, "<code>", ref, "</code>", NULL), "", p),
        "</small></p>\n", NULL));
}

/* ---- HTML or JSON --------------------------------------------------------- */

static int accepts(request_rec *r, const char *type)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return accept && ap_strcasestr(accept, type);
}

static int wants_json(request_rec *r)
{
    return accepts(r, "application/json") && !accepts(r, "text/html");
}

static int is_replaced(request_rec *r, int status)
{
    return ap_response_code_string(r, ap_index_of_response(status)) != NULL;
}

/* ---- sending ------------------------------------------------------------ */

void ab_page_no_store(request_rec *r)
{
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "Pragma", "no-cache");
    apr_table_setn(r->err_headers_out, "Referrer-Policy", "no-referrer");
}

int ab_page_redirect(request_rec *r, int status, const char *url)
{
    ab_page_no_store(r);
    apr_table_setn(r->headers_out, "Location", url);
    return status;
}

/* RFC 9110 section 15.5.2: a 401 has a challenge. */
static void demand_sign_in(request_rec *r)
{
    apr_table_setn(r->err_headers_out, "WWW-Authenticate",
                   apr_psprintf(r->pool, "Bearer realm=\"%s\"",
                                r->server->server_hostname));
}

/* The fields of every page of this module. */
static void protect(request_rec *r)
{
    ab_page_no_store(r);
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->err_headers_out, "Content-Security-Policy",
                   /* no form-action: browsers compare it with the issuer's address, to
                    * which a logout redirects */
                   "default-src 'none'; style-src 'unsafe-inline'; "
                   "base-uri 'none'; frame-ancestors 'none'");
}

static void send_page(request_rec *r, int status, int json, const char *text)
{
    protect(r);
    r->status = status;
    r->handler = "bearer-browser";
    ap_run_insert_filter(r);  /* no other hook of this request has run */
    ap_set_content_type(r, json ? "application/json" : "text/html; charset=utf-8");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    ap_rputs(text, r);
}

int ab_page_refusal(request_rec *r, bearer_reason_t reason,
                    const char *detail, const char *wanted)
{
    bearer_category_t category = bearer_reason_category(reason);
    const ab_answer_t *answer = ab_answer_of(reason);
    int status = answer->status, json = wants_json(r);
    const char *ref = reference(r);

    ab_request(r)->reason = reason;
    ab_status_refused(NULL, reason);
    ab_environment_refusal(r, reason);
    ab_log(answer->level, r,
           "%srefused, %s/%s, page %s: %s", bearer_reason_number(reason),
           bearer_category(category)->name, bearer_reason_name(reason), ref,
           detail ? detail : "no detail");
    if (status == HTTP_UNAUTHORIZED) {
        demand_sign_in(r);
    }
    if (ab_page_waits(r, reason) && !apr_table_get(r->err_headers_out, "Retry-After")) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%d", ANSWER_RETRY_AFTER));
    }
    if (is_replaced(r, status)) {
        ab_page_no_store(r);
        return status;
    }
    send_page(r, status, json,
              refusal(r, reason, json, bearer_reason_name(reason), ref, wanted));
    return OK;
}

int ab_page_json(request_rec *r, json_t *object)
{
    send_page(r, HTTP_OK, 1, json_of(r, object));
    return OK;
}

int ab_page_say(request_rec *r, ab_page_t page, const char *form)
{
    const ab_text_t text = ab_page_text(page);
    int json = wants_json(r);

    send_page(r, HTTP_OK, json,
              json ? json_of(r, json_pack("{s:s}", "message", text.title))
                   : html_of(r, &text, form));
    return OK;
}

/* Not replaced by an ErrorDocument: without the links nobody could sign in. */
int ab_page_ask(request_rec *r, ab_page_t page, const char *links)
{
    const ab_text_t text = ab_page_text(page);

    if (wants_json(r)) {
        return DECLINED;
    }
    demand_sign_in(r);
    protect(r);
    ap_custom_response(r, HTTP_UNAUTHORIZED, html_of(r, &text, links));
    return HTTP_UNAUTHORIZED;
}

/* Returns the page that the person opened, as its own next step; NULL: none, as for a form
 * that was sent. The token of a query is left out. */
static const char *wanted_here(request_rec *r, bearer_reason_t reason)
{
    const char *target = ab_request_first(r)->unparsed_uri;

    if (reason == BEARER_MISDIRECTED) {
        return apr_pstrcat(r->pool, ab_browser_of(r)->origin, "/", NULL);
    }
    if (!target || r->method_number != M_GET) {
        return NULL;
    }
    if (ab_credential_from(ab_config_of(r), BEARER_FROM_QUERY)) {
        target = apr_pstrmemdup(r->pool, target, strcspn(target, "?"));
    }
    target = bearer_return_escape(target, r->pool);
    return bearer_return_url("", target, r->pool);
}

void ab_page_prepare(request_rec *r, bearer_reason_t reason)
{
    int status = ab_answer_of(reason)->status, json = wants_json(r);
    const bearer_settings_t *settings;
    const char *ref;

    if (!ab_config_server(r->server)->global->browsers
        || (!json && !accepts(r, "text/html")) || is_replaced(r, status)) {
        return;
    }
    settings = ab_config_of(r);
    if (!settings->login_url && (!ab_config_server(r->server)->browser
                                 || (!settings->session && !settings->login.on))) {
        return;
    }
    ref = reference(r);
    ab_log(APLOG_INFO, r, AB(0101) "error page sent: reference %s, check %s", ref,
           bearer_reason_name(reason));
    protect(r);
    ab_request(r)->json = json;
    /* The page is ASCII, so the charset that httpd declares does not matter. The cause
     * goes to the log; a program gets the category. */
    ap_custom_response(r, status, refusal(
        r, reason, json, bearer_category(bearer_reason_category(reason))->name, ref,
        json ? NULL : wanted_here(r, reason)));
}

/* httpd would send every prepared page as text/html. */
static apr_status_t type_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    ap_set_content_type(f->r, "application/json");
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

static void insert_type_filter(request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    if (own && own->json && ab_answer_of(own->reason)->status == r->status) {
        ap_add_output_filter("BEARER_PAGE", NULL, r, r->connection);
    }
}

void ab_page_register(void)
{
    ap_register_output_filter("BEARER_PAGE", type_filter, NULL, AP_FTYPE_RESOURCE);
    ap_hook_insert_error_filter(insert_type_filter, NULL, NULL, APR_HOOK_MIDDLE);
}
