/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page.c
 * Error and confirmation pages. They are small and need no script, image or other file.
 * They state what happened and what to do, and show a reference that the log line
 * contains too (the id of mod_unique_id if it is loaded). They contain no data of the
 * request, the token or the response of an issuer; an issuer's error is named if it is
 * a standard one.
 *
 * An administrator's ErrorDocument takes precedence. Clients that accept JSON but not
 * HTML get JSON.
 */
#include "page.h"
#include "answer.h"
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

#include "base/text.h"
#include "trust/settings.h"

APLOG_USE_MODULE(auth_bearer);

/* By reason; a reason without a title uses the text of its category. */
static const ab_text_t texts[BEARER_REASON_COUNT] = {
    [BEARER_SIGNATURE_REMOVED] = { "This request cannot be verified",
      "Google Cloud Run has used the token in Authorization and removed its signature "
      "(SIGNATURE_REMOVED_BY_GOOGLE).",
      "Send the token for Cloud Run in X-Serverless-Authorization, and the token for "
      "this site in Authorization." },
    [BEARER_LOGIN_STATE] = { "This sign-in cannot be completed",
      "It was started too long ago or in another browser, or it is already complete. This "
      "also happens if the browser does not accept cookies.",
      "Go back to the page that you wanted and sign in again." },
    [BEARER_LOGIN_RESPONSE] = { "This sign-in cannot be completed",
      "The response of the sign-in service does not belong to this sign-in.",
      "Go back to the page that you wanted and sign in again." },
    [BEARER_LOGIN_DENIED] = { "You were not signed in",
      "The sign-in was cancelled, or the sign-in service did not allow it.",
      "Try again, or ask the people who run this site for access." },
    [BEARER_LOGIN_LOOP] = { "Signing in does not last",
      "You have signed in several times, but each time this site did not recognize you "
      "afterwards.",
      "Allow cookies for this site and try again. If that does not help, tell the "
      "people who run this site." },
    [BEARER_LOGIN_ISSUER] = { "The sign-in service cannot be reached",
      "This site got no usable response from the sign-in service.",
      "Please try again in a moment." },
    [BEARER_LOGIN_LIMIT] = { "Many people are signing in",
      "This site limits the number of sign-ins at a time, and the limit is reached.",
      "Please try again in a moment." },
    [BEARER_SESSION_USER] = { "Your account cannot be used here",
      "You are signed in, but your account lacks information that this site needs, such "
      "as a verified e-mail address.",
      "Verify your e-mail address with the sign-in service, or ask the people who "
      "run this site." },
    [BEARER_SESSION_STORE] = { "Your session is unavailable",
      "This site cannot reach its session cache.",
      "Please try again in a moment. You do not need to sign in again." },
    [BEARER_SESSION_SIZE] = { "Your session is too large",
      "The sign-in service sent more information about you than this site's cookies can "
      "hold.",
      "Contact the people who run this site. AuthBearerSessionStore cache keeps sessions on "
      "the server." },
    [BEARER_CROSS_SITE] = { "This request came from another site",
      "To protect you, this site does not let other sites change anything in your name.",
      "To make the change, go to this site." },
    [BEARER_ACR] = { "A stronger sign-in is needed",
      "You are signed in, but this page requires a newer or stronger sign-in.",
      "Open the page in your browser and sign in again when asked." },
    [BEARER_SESSION_INSUFFICIENT] = { "A stronger sign-in is needed",
      "You are signed in, but this site requires more, such as a second step with a code or "
      "a security key.",
      "Complete your sign-in with the sign-in service and try again." },
    [BEARER_LOGOUT_TOKEN] = { "You were not signed out",
      "The page that requested the sign-out belongs to another site or is out of date.",
      "Go back to this site and sign out there." },
};

static const ab_text_t *text_for(const request_rec *r, bearer_reason_t reason)
{
    /* for users who sent a form and want to know its outcome */
    static const ab_text_t not_kept = { "You are not signed in",
        "Your session has ended, so the data that you sent was not accepted.",
        "Sign in using another tab, then return to this one and send the data again." };
    /* to try again does not help */
    static const ab_text_t refused = { "The sign-in service refused this site's request",
        "This site and the service that signs you in are not set up for each other.",
        "Tell the people who run this site." };
    const request_t *own = ab_request_peek(r);
    const ab_answer_t *answer = ab_answer_of(reason);

    return reason == BEARER_LOGIN_ISSUER && own && own->issuer_error ? &refused
         : texts[reason].title ? &texts[reason]
         : answer->status == HTTP_UNAUTHORIZED && r->method_number == M_POST ? &not_kept
         : &answer->text;
}

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"robots\" content=\"noindex\">\n<style>\n"
    ":root { color-scheme: light dark }\n"
    "body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; "
    "margin: 12vh auto; padding: 0 1rem }\n"
    "h1 { font-size: 1.6rem; line-height: 1.2 }\n"
    "button { font: inherit; padding: .4rem 1rem }\n"
    "small { opacity: .8 }\n</style>\n";

static const char *page(apr_pool_t *p, const char *title, const char *what,
                        const char *rest)
{
    return apr_pstrcat(p, head, "<title>", title, "</title>\n</head>\n<body>\n"
                       "<main>\n<h1>", title, "</h1>\n<p>", what, "</p>\n", rest,
                       "</main>\n</body>\n</html>\n", NULL);
}

static const char *link_to(apr_pool_t *p, const char *url)
{
    return url ? apr_pstrcat(p, "<p><a href=\"", ap_escape_html(p, url),
                             "\">Try again</a></p>\n", NULL)
               : "";
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

/* What the issuer answered. The code is one of this module's own strings. */
static const char *issuer_error(const request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    return own && own->issuer_error
        ? apr_pstrcat(r->pool, " Its answer was ", own->issuer_error, ".", NULL) : "";
}

static const char *refusal(request_rec *r, bearer_reason_t reason, int json,
                           const char *error, const char *ref, const char *again)
{
    const ab_text_t *text = text_for(r, reason);
    const char *what = apr_pstrcat(r->pool, text->what, issuer_error(r), NULL);

    if (json) {
        return apr_psprintf(r->pool, "{\"error\":\"%s\",\"error_description\":"
                            "\"%s %s\",\"reference\":\"%s\"}\n", error, what,
                            text->todo, ref);
    }
    return page(r->pool, text->title, what,
                apr_pstrcat(r->pool, "<p>", text->todo, "</p>\n",
                            link_to(r->pool, again),
                            "<p><small>Reference for the people who run this "
                            "site: <code>", ref, "</code></small></p>\n", NULL));
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

static void send_page(request_rec *r, int status, int json, const char *text)
{
    ab_page_no_store(r);
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->err_headers_out, "Content-Security-Policy",
                   /* no form-action: browsers compare it with the issuer's address, to
                    * which a logout redirects */
                   "default-src 'none'; style-src 'unsafe-inline'; "
                   "base-uri 'none'; frame-ancestors 'none'");
    r->status = status;
    r->handler = "bearer-browser";
    ap_run_insert_filter(r);  /* no other hook of this request has run */
    ap_set_content_type(r, json ? "application/json" : "text/html; charset=utf-8");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    ap_rputs(text, r);
}

int ab_page_refusal(request_rec *r, bearer_reason_t reason,
                    const char *detail, const char *again)
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
        apr_table_setn(r->err_headers_out, "WWW-Authenticate",
                       apr_psprintf(r->pool, "Bearer realm=\"%s\"",
                                    r->server->server_hostname));
    }
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%d", ANSWER_RETRY_AFTER));
    }
    if (is_replaced(r, status)) {
        ab_page_no_store(r);
        return status;
    }
    send_page(r, status, json,
              refusal(r, reason, json, bearer_reason_name(reason), ref, again));
    return OK;
}

int ab_page_say(request_rec *r, const char *title, const char *what,
                const char *form)
{
    int json = wants_json(r);

    send_page(r, HTTP_OK, json,
              json ? apr_psprintf(r->pool, "{\"message\":\"%s\"}\n", title)
                   : page(r->pool, title, what, form));
    return OK;
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
    ab_page_no_store(r);
    ab_request(r)->json = json;
    /* The page is ASCII, so the charset that httpd declares does not matter. The cause
     * goes to the log; a program gets the category. */
    ap_custom_response(r, status, refusal(
        r, reason, json, bearer_category(bearer_reason_category(reason))->name, ref, NULL));
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
