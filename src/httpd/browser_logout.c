/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_logout.c
 * Ends a session: at the user's request (RP-initiated logout), or at the issuer's
 * (back-channel logout, front-channel logout).
 *
 * No other party may sign a user out. The session cookie is SameSite=Lax, so the
 * remaining risk is a link in a page, an e-mail or an application. Unless the browser
 * states that the request began on this site, the user must confirm. The confirmation
 * form carries a value that only pages of this session know.
 */
#include "answer.h"
#include "browser.h"
#include "browser_domain.h"
#include "browser_revoke.h"
#include "browser_session.h"
#include "environment.h"
#include "page.h"
#include "records.h"
#include "trace.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>

#include "base/text.h"

APLOG_USE_MODULE(auth_bearer);

/** Maximum size of a form, in bytes: one with a logout token. */
#define FORM_MAX (32 * 1024)

/* ---- forms -------------------------------------------------------------- */

const char *ab_browser_form(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    char *body = apr_palloc(r->pool, FORM_MAX + 1);
    apr_size_t len = 0;
    long n = 0;

    if (!type || ap_cstr_casecmpn(type, "application/x-www-form-urlencoded", 33)
        || ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        return NULL;
    }
    if (ap_should_client_block(r)) {
        while (len < FORM_MAX
               && (n = ap_get_client_block(r, body + len, FORM_MAX - len)) > 0) {
            len += (apr_size_t)n;
        }
    }
    body[len] = '\0';
    return n < 0 || len == FORM_MAX || strlen(body) != len ? NULL : body;
}

/* ---- asked for by the person -------------------------------------------- */

/* Of all n sessions: another host of a domain may have set one, and can read its form. */
static const char *form_token(bearer_session_t **found, int n, apr_pool_t *p)
{
    unsigned char hash[BEARER_SHA256_SIZE];
    const char *text = "logout form ";

    while (n--) {
        text = apr_pstrcat(p, text, bearer_text_hex(p, found[n]->id, BEARER_SESSION_ID_SIZE),
                           NULL);
    }
    bearer_text_sha256(text, strlen(text), hash);
    return bearer_text_hex(p, hash, sizeof(hash));
}

/* An image in a page that others can edit (a wiki, a forum) does not express the wish
 * of the user who reads the page. */
static int is_part_of_a_page(request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");

    return r->method_number == M_GET && mode && !ap_cstr_casecmp(mode, "no-cors");
}

/* Did the request begin on this site? `none` does not prove it: it stands for a typed
 * address, but also for a link in an e-mail or an application. */
static int from_here(request_rec *r)
{
    return !is_part_of_a_page(r) && ab_browser_is_same_origin(r, 0);
}

/* Does the request show the confirmation? A GET does, and so does a POST without a
 * page, as when a restored browser repeats it. A POST from another site's page is
 * refused. */
static int may_ask(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");

    return r->method_number == M_GET || (site && !ap_cstr_casecmp(site, "none"));
}

static int has_form_token(request_rec *r, bearer_session_t **found, int n)
{
    const char *body = r->method_number == M_POST ? ab_browser_form(r) : NULL;
    const char *wanted = form_token(found, n, r->pool), *token;
    apr_table_t *fields;

    if (!body || bearer_login_parse(&fields, body, NULL, r->pool) != BEARER_OK) {
        return 0;
    }
    token = apr_table_get(fields, "token");
    return token && bearer_text_same_ct(token, wanted);
}

static int ask_first(request_rec *r, bearer_session_t **found, int n)
{
    return ab_page_say(r, AB_PAGE_SIGN_OUT, apr_pstrcat(r->pool, ab_page_button(
        r, apr_pstrcat(r->pool, ab_browser_of(r)->path, "/logout", NULL), "token",
        form_token(found, n, r->pool), AB_LABEL_SIGN_OUT),
        ab_page_link(r, "/", AB_LABEL_STAY), NULL));
}

/* The last step, also for a browser that returns from the issuer. Nothing in the request
 * decides where it goes. */
static int signed_out(request_rec *r)
{
    const char *to = ab_config_of(r)->logout.to;

    return to ? ab_page_redirect(r, HTTP_SEE_OTHER, *to == '/' ? apr_pstrcat(
                                     r->pool, ab_browser_of(r)->origin, to, NULL) : to)
              : ab_page_say(r, AB_PAGE_SIGNED_OUT, ab_page_link(r, "/", AB_LABEL_START));
}

/* Returns the issuer's logout URL, or NULL (without leads: always), and has the tokens
 * revoked. With the refresh token, the issuer ends its session, which end_session_endpoint
 * then would not find. A failure never prevents the logout here. */
static const char *tell_issuer(request_rec *r, bearer_session_t *session, int leads)
{
    const server_config_t *server = ab_config_server(r->server);
    const bearer_logout_t *how = &ab_config_of(r)->logout;
    const bearer_issuer_t *issuer = bearer_issuers_by_url(server->issuers,
                                                          session->issuer);
    bearer_refusal_t why = { BEARER_OK, NULL };
    const char *url = NULL;
    bearer_login_t login;

    if (!ab_browser_is_own(r, session)) {
        return NULL;
    }
    if (!how->issuer || !leads) {
        /* only the tokens are revoked */
    } else if (ab_browser_client(&login, r, issuer, &why) == BEARER_OK) {
        url = bearer_login_end_session(&login, bearer_session_string(
            session, BEARER_SESSION_ID_TOKEN, r->pool), ab_browser_of(r)->logout,
            how->parameters, r->pool);
    } else {
        ab_browser_not_told(r->server, why.detail);
    }
    ab_browser_revoke(r, issuer, session, url ? AB_BROWSER_ARRIVES : 0);
    return url;
}

int ab_browser_logout(request_rec *r)
{
    const bearer_cookie_names_t *names = &ab_browser_of(r)->names;
    const char *cookies = ab_browser_cookies(r), *url = NULL, *next;
    bearer_session_t *found[BEARER_COOKIE_VALUES];
    bearer_session_store_t store;
    int i, n;

    ab_browser_store(&store, r);
    n = ab_browser_sessions(found, &store, r);
    if (n < 0) {
        return ab_page_refusal(r, BEARER_SESSION_STORE, BROWSER_NO_STORE, NULL);
    }
    if (!n) {
        if (cookies && strstr(cookies, names->session)) {
            ab_browser_set_session(r, NULL, 0);
        }
        return signed_out(r);
    }
    if (ab_browser_speculates(r)) {
        /* any refusal will do: the browser repeats the request when the user opens the
         * page */
        return ab_page_refusal(r, BEARER_CROSS_SITE,
                               "the browser prefetched the logout (Sec-Purpose, Purpose); the user "
                               "did not request it", NULL);
    }
    if (!from_here(r) && !has_form_token(r, found, n)) {
        return may_ask(r) ? ask_first(r, found, n)
            : ab_page_refusal(r, BEARER_CROSS_SITE, "another site requested the logout", NULL);
    }
    for (i = 0; i < n && bearer_session_end(found[i], &store, r->pool) == APR_SUCCESS; i++) {
    }
    if (i < n) {
        return ab_page_refusal(r, BEARER_SESSION_STORE,
                               "the session cannot be ended: the session cache does not answer, or "
                               "is full (AuthBearerSOCache for=sessions)", NULL);
    }
    bearer_world_count(store.world, BEARER_EVENT_ENDED_LOGOUT);
    ab_browser_set_session(r, NULL, 0);
    if (bearer_cookie_get(cookies, names->tries, r->pool)) {
        /* a return without a session is not a loop now */
        ab_browser_forget(r, names->tries);
    }
    ab_browser_remember(r, NULL);
    for (i = 0; i < n; i++) {
        ab_log(APLOG_INFO, r, AB(0321) "logout, session %s",
               bearer_text_fingerprint(r->pool, found[i]->id, BEARER_SESSION_ID_SIZE));
        ab_browser_refuse_token(r, found[i]);
        next = tell_issuer(r, found[i], !url);
        url = url ? url : next;
    }
    return url ? ab_page_redirect(r, HTTP_SEE_OTHER, url) : signed_out(r);
}

/* ---- told by the issuer ------------------------------------------------- */

/* Back-Channel Logout 1.0 section 2.8: 200, or 400 with an error as JSON. */
static int answer_issuer(request_rec *r, bearer_reason_t reason,
                         const char *detail)
{
    int unavailable = bearer_reason_category(reason) == BEARER_CATEGORY_UNAVAILABLE;

    ab_page_no_store(r);
    ap_run_insert_filter(r);
    r->status = reason == BEARER_OK ? HTTP_OK
              : unavailable ? HTTP_SERVICE_UNAVAILABLE : HTTP_BAD_REQUEST;
    if (reason == BEARER_OK) {
        ap_set_content_length(r, 0);
        return OK;
    }
    ab_environment_refusal(r, reason);
    ab_log(APLOG_INFO, r, AB(0323) "back-channel logout refused, "
           "%s: %s", bearer_reason_name(reason), detail);
    if (unavailable) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%d", ANSWER_RETRY_AFTER));
    }
    ap_set_content_type(r, "application/json");
    ap_rputs(apr_psprintf(r->pool, "{\"error\":\"%s\",\"error_description\":\"%s\""
                          "}\n", unavailable ? "temporarily_unavailable"
                                             : "invalid_request",
                          bearer_reason_name(reason)), r);
    return OK;
}

static bearer_reason_t logout_by(request_rec *r, const bearer_judgement_t *j,
                                 bearer_refusal_t *why)
{
    const char *sid = bearer_json_string(j->claims, "sid");
    const char *sub = bearer_json_string(j->claims, "sub");
    const char *jti = bearer_json_string(j->claims, "jti");
    const char *issuer = bearer_issuer_expand(j->issuer->url, j->tenant, r->pool);
    bearer_session_store_t store;
    apr_time_t until = j->now, exp;
    apr_status_t rv;

    ab_browser_store(&store, r);
    /* the token is accepted until it is too old, or expires before that */
    bearer_json_date(&until, j->claims, "iat");
    until += BEARER_LOGIN_RECENT;
    if (bearer_json_date(&exp, j->claims, "exp") == APR_SUCCESS && exp < until) {
        until = exp;
    }
    rv = bearer_session_used(&store, "jti", issuer, jti, r->pool);
    if (rv == APR_EEXIST) {
        return bearer_refuse(why, r->pool, BEARER_LOGOUT_TOKEN, "the logout token "
                             "was used before (jti)");
    }
    if (rv == APR_SUCCESS) {
        rv = bearer_session_logout(&store, issuer, j->settings.client_id,
                                   sid, sub, r->pool);
    }
    /* last: after a 503 the issuer sends the same token again */
    if (rv == APR_SUCCESS) {
        rv = bearer_session_once(&store, "jti", issuer, jti,
                                 until + 2 * j->settings.clock_skew, r->pool);
    }
    return rv == APR_SUCCESS ? BEARER_OK
        : bearer_refuse(why, r->pool, BEARER_SESSION_STORE, BROWSER_NO_STORE);
}

int ab_browser_backchannel(request_rec *r)
{
    static const bearer_expected_t any = { .max_age = -1 };
    const char *body, *token = NULL;
    bearer_reason_t reason;
    apr_table_t *fields;
    bearer_judgement_t j;

    if (ab_browser_of(r)->in_cookie) {
        return HTTP_NOT_FOUND;  /* no session here can be found by sid */
    }
    body = ab_browser_form(r);
    if (body && bearer_login_parse(&fields, body, NULL, r->pool) == BEARER_OK) {
        token = apr_table_get(fields, "logout_token");
    }
    if (!token || !*token) {
        return answer_issuer(r, BEARER_LOGOUT_TOKEN, "the body is not a form with a logout_token");
    }
    ab_browser_judgement(&j, r, &any);
    if (bearer_judge_login(&j, BEARER_ON_LOGOUT, token) != BEARER_GRANTED) {
        return answer_issuer(r, j.why.reason, j.why.detail);
    }
    reason = logout_by(r, &j, &j.why);
    if (reason == BEARER_OK) {
        ab_log(APLOG_INFO, r, AB(0324) "back-channel logout: the issuer ended sessions");
    }
    return answer_issuer(r, reason, j.why.detail);
}

/* ---- told by a frame of the issuer's page -------------------------------- */

/** Sessions that one sid can name: one for each login of a browser. A cache that reads from
 *  a replica may return one that is gone; it must not do so without end. */
#define NAMED_MAX 32

/* A browser sends no cookie from such a frame, so iss and sid are the only proof. Nobody can
 * guess a sid; who knows one can end that session and do nothing else. */
static void end_named(request_rec *r, const bearer_session_store_t *store,
                      const bearer_issuer_t *issuer, const char *iss, const char *sid)
{
    bearer_session_t *session;
    bearer_settings_t settings;
    apr_status_t rv = APR_SUCCESS;
    int i;

    ab_config_resolve(&settings, ab_config_server(r->server), issuer, NULL);
    for (i = 0; i < NAMED_MAX; i++) {
        rv = bearer_session_end_sid(&session, store, iss, settings.client_id
                                    ? settings.client_id : "", sid, r->pool);
        if (rv != APR_SUCCESS) {
            break;
        }
        ab_log(APLOG_INFO, r, AB(0331) "front-channel logout: the issuer ended a session");
        if (session) {
            ab_browser_refuse_token(r, session);
            ab_browser_revoke(r, issuer, session, AB_BROWSER_ARRIVES);
        }
    }
    if (rv != APR_NOTFOUND) {
        ab_log(APLOG_WARNING, r, AB(0332) "front-channel logout: a session may not have ended: "
               "%s", BROWSER_NO_STORE);
    }
}

/* Returns SCHEME://HOST[:PORT] of a URL for a policy; 'none' if it has none. */
static const char *framed_by(const char *url, apr_pool_t *p)
{
    bearer_http_url_t parts;

    return bearer_http_url_split(&parts, url, p) ? "'none'"
        : apr_pstrmemdup(p, url, strlen(url) - strlen(parts.path));
}

int ab_browser_frontchannel(request_rec *r)
{
    const char *iss = NULL, *sid = NULL, *tenant = NULL, *origin = "'none'";
    const bearer_issuer_t *issuer = NULL;
    bearer_session_store_t store;
    apr_table_t *fields;

    ab_browser_store(&store, r);
    if (!bearer_session_finds_sid(&store)) {
        return HTTP_NOT_FOUND;
    }
    if (bearer_login_parse(&fields, r->args, NULL, r->pool) == BEARER_OK) {
        iss = apr_table_get(fields, "iss");
        sid = apr_table_get(fields, "sid");
    }
    if (iss) {
        issuer = bearer_issuers_find(ab_config_server(r->server)->issuers, iss, &tenant, r->pool);
    }
    if (issuer) {
        iss = bearer_issuer_expand(issuer->url, tenant, r->pool);
        origin = framed_by(iss, r->pool);
    }
    if (issuer && sid && *sid) {
        end_named(r, &store, issuer, iss, sid);
    }
    ab_page_no_store(r);
    apr_table_setn(r->err_headers_out, "Content-Security-Policy",
                   apr_pstrcat(r->pool, "default-src 'none'; frame-ancestors ", origin, NULL));
    ap_run_insert_filter(r);
    ap_set_content_type(r, "text/html; charset=utf-8");
    ap_set_content_length(r, 0);
    return OK;
}
