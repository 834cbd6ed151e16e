/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_callback.c
 * The callback: turns the response of the issuer into a session and redirects the
 * browser to the requested page.
 */
#include "browser.h"
#include "browser_claims.h"
#include "browser_domain.h"
#include "browser_session.h"
#include "browser_userinfo.h"
#include "page.h"
#include "process.h"
#include "throttling.h"
#include "trace.h"

#include <apr_strings.h>

#include "base/gate.h"
#include "base/text.h"
#include "judge/judge.h"
#include "login/return_url.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

/** A login whose browser has returned. */
typedef struct arrival_t {
    request_rec *r;
    const browser_t *browser;
    bearer_session_store_t store;
    apr_table_t *parameters;
    bearer_attempt_t *attempt;
    const char *code;              /**< from the response */
    bearer_login_t login;
    bearer_tokens_t tokens;
    json_t *claims;                /**< of the ID token */
    json_t *userinfo;              /**< NULL: none */
    const bearer_settings_t *settings; /**< of the callback's path */
    unsigned wait;                 /**< seconds for Retry-After */
    const char *cookie;            /**< cookie name of the attempt */
    bearer_ticket_t ticket;        /**< for all requests to the issuer */
    apr_time_t began;              /**< before the first request to the issuer */
    bearer_refusal_t why;
} arrival_t;

/* Finds the attempt by the state in the response. */
static bearer_reason_t find_attempt(arrival_t *a)
{
    const char *state = apr_table_get(a->parameters, "state");
    const char *name, *value;
    apr_status_t rv;

    if (!state || strlen(state) < BEARER_LOGIN_TAG
        || strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                  "0123456789-_") != strlen(state)) {
        ab_page_cause(a->r, AB_PAGE_LOGIN_RESPONSE);
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE,
                             "the response has no state of this server");
    }
    name = ab_browser_attempt_name(a->r, state);
    value = bearer_cookie_get(ab_browser_cookies(a->r), name, a->r->pool);
    if (!value) {
        if (!ab_browser_cookies(a->r)) {
            ab_page_cause(a->r, AB_PAGE_COOKIES);
        }
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE,
                             "no login is under way in this browser for this state: used before, "
                             "too old, begun in another browser, or no cookies; check that "
                             "AuthBearerBaseURL is the URL that browsers use");
    }
    a->cookie = name;
    rv = bearer_attempt_open(&a->attempt, value, a->browser->login_seal,
                             a->browser->origin, &ab_process()->world, a->r->pool);
    if (rv == APR_SUCCESS) {
        ab_request(a->r)->account_of = a->attempt->issuer;
        return BEARER_OK;
    }
    ab_browser_forget(a->r, name);
    if (rv == APR_TIMEUP) {
        ab_page_cause(a->r, AB_PAGE_LOGIN_EXPIRED);
    }
    return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE, rv == APR_TIMEUP
                         ? "the login took too long"
                         : "the login's cookie was not created by this server");
}

/* RFC 9700 section 4.4.2.2: a response at another issuer's callback carries a code of
 * that issuer. The issuer of the attempt must not receive it. */
static bearer_reason_t check_callback(arrival_t *a, const bearer_issuer_t *issuer)
{
    const char *own = ab_browser_own_callback(a->r, issuer);

    if (strcmp(own + strlen(a->browser->origin), a->r->uri) == 0) {
        return BEARER_OK;
    }
    return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_RESPONSE,
                         "the response came to %s, but the browser was sent to issuer %s, whose "
                         "redirect URI is %s; check the redirect URI that is registered with the "
                         "issuer",
                         bearer_text_quote(a->r->pool, a->r->uri),
                         bearer_text_quote(a->r->pool, issuer->url), own);
}

static bearer_reason_t may_ask(arrival_t *a, const bearer_issuer_t *issuer)
{
    const char *full;

    a->wait = ab_throttling_callback(a->r, a->settings);
    if (a->wait) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_THROTTLED,
                             "too many failed logins, or refused codes or tokens, from this "
                             "address (AuthBearerThrottle); no request was sent to the issuer");
    }
    full = bearer_gate_enter(&a->ticket, ab_process()->world.gate,
                             issuer->party, a->settings->timeout.total);
    if (!full) {
        return BEARER_OK;
    }
    /* the same response serves again: 20 restored tabs take turns, without a click */
    apr_table_setn(a->r->err_headers_out, "Refresh", "2");
    ab_page_cause(a->r, AB_PAGE_LOGIN_WAIT);
    return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_ISSUER, "%s", full);
}

/* If the address has too many failed logins, or the gate is full, the attempt and its
 * cookie are kept, so that the browser can send the same response again. */
static bearer_reason_t find_issuer(arrival_t *a)
{
    const server_config_t *server = ab_config_server(a->r->server);
    const bearer_issuer_t *issuer = bearer_issuers_by_url(server->issuers,
                                                          a->attempt->issuer);
    bearer_reason_t reason;

    if (!issuer || !ab_browser_has_client(server, issuer)) {
        reason = bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE,
                               "the issuer of this login is no longer configured");
    } else {
        reason = check_callback(a, issuer);
    }
    if (reason == BEARER_OK && may_ask(a, issuer) != BEARER_OK) {
        return a->why.reason;
    }
    ab_browser_forget(a->r, a->cookie);
    return reason == BEARER_OK
        ? ab_browser_client(&a->login, a->r, issuer, &a->why)
        : reason;
}

static bearer_reason_t take_code(arrival_t *a)
{
    return bearer_login_response(&a->code, a->attempt, a->parameters, a->login.metadata,
                                 &a->why, a->r->pool);
}

/* Each attempt redeems one code only, however often the browser sends the cookie. */
static bearer_reason_t use_attempt(arrival_t *a)
{
    apr_status_t rv;

    a->began = apr_time_now();
    rv = bearer_session_once(&a->store, BEARER_SESSION_STATE, a->attempt->issuer,
                             a->attempt->state,
                             a->attempt->created + BEARER_LOGIN_LIFE, a->r->pool);
    if (rv == APR_EEXIST) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE,
                             "this login was already completed, or has failed");
    }
    return rv == APR_SUCCESS ? BEARER_OK
        : bearer_refuse(&a->why, a->r->pool, BEARER_SESSION_STORE, BROWSER_NO_STORE);
}

static bearer_reason_t redeem(arrival_t *a)
{
    static const bearer_throttle_token_t each = { 0, 0 };
    unsigned char address[BEARER_THROTTLE_KEY_SIZE];
    int counted = ab_throttling_address(address, a->r, a->settings);
    bearer_reason_t reason = bearer_login_redeem(&a->tokens, &a->login, a->attempt,
                                                 a->code, &a->why, a->r->pool);

    if (counted) {
        ab_throttling_failure(a->r, a->settings, address, &each, reason);
    }
    return reason;
}

/* Whether to try again, or with whom, depends on what is wrong with the ID token. */
static ab_page_t page_of_token(bearer_reason_t reason)
{
    if (reason == BEARER_TENANT) {
        return AB_PAGE_LOGIN_TENANT;
    }
    if (reason == BEARER_KEYS) {
        return AB_PAGE_LOGIN_ISSUER;
    }
    if (reason == BEARER_LOGIN_WEAK) {
        return AB_PAGE_LOGIN_WEAK;
    }
    switch (bearer_reason_category(reason)) {
    case BEARER_CATEGORY_EXPIRED:
    case BEARER_CATEGORY_NOT_YET_VALID:
    case BEARER_CATEGORY_AGE:
        return AB_PAGE_LOGIN_CLOCK;
    case BEARER_CATEGORY_UNAVAILABLE:
        return AB_PAGE_UNAVAILABLE;
    default:
        return AB_PAGE_LOGIN_TOKEN;
    }
}

static bearer_reason_t judge_id_token(arrival_t *a)
{
    const bearer_attempt_t *attempt = a->attempt;
    bearer_expected_t expected = {
        a->login.access->issuer, attempt->nonce, a->tokens.access_token, NULL,
        attempt->acr_values, attempt->max_age, NULL
    };
    bearer_judgement_t j;

    ab_browser_judgement(&j, a->r, &expected);
    if (bearer_judge_login(&j, BEARER_ON_ID, a->tokens.id_token) != BEARER_GRANTED) {
        ab_page_cause(a->r, page_of_token(j.why.reason));
        a->why = j.why;
        return j.why.reason;
    }
    bearer_keypool_served(ab_process()->keys[j.issuer->index], j.tenant);
    a->claims = bearer_login_merge(j.claims, NULL, a->r->pool);
    return a->claims ? BEARER_OK : BEARER_INTERNAL;
}

/* Without an answer the login is refused: groups that only userinfo has would be
 * missing in the session. */
static bearer_reason_t ask_userinfo(arrival_t *a)
{
    bearer_reason_t reason = ab_browser_userinfo(&a->userinfo, a->r, &a->login,
                                                 a->tokens.access_token, a->claims, &a->why);

    if (reason == BEARER_INACTIVE) {
        a->why.reason = reason = BEARER_LOGIN_ISSUER;
        ab_page_cause(a->r, AB_PAGE_LOGIN_UNUSABLE);
    }
    return reason;
}

static bearer_reason_t find_user(arrival_t *a)
{
    const bearer_issuer_access_t *access = a->login.access;
    const char *ignored = a->why.detail;  /* what ask_userinfo() says */
    const bearer_principal_t *principal;
    json_t *claims = bearer_login_merge(a->claims, a->userinfo, a->r->pool);
    bearer_reason_t reason;

    if (!claims) {
        return BEARER_INTERNAL;
    }
    reason = bearer_session_user_of(&principal, claims, access->issuer, access->settings,
                                    &a->why, a->r->pool);
    if (reason == BEARER_SESSION_USER && ignored) {
        ab_page_cause(a->r, AB_PAGE_LOGIN_UNUSABLE);
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_ISSUER, "%s", ignored);
    }
    if (reason == BEARER_SESSION_USER && bearer_session_email_is_open(claims, access->settings)) {
        ab_page_cause(a->r, AB_PAGE_EMAIL);
    } else if (reason == BEARER_IDENTIFIER) {
        ab_page_cause(a->r, AB_PAGE_USER);
    }
    return reason;
}

/* Has another tab of this browser signed in the same person since this login began? Then
 * its session continues: if each of 20 restored tabs ended the one before, requests
 * under way would find none. A login that asked for more than the usual does not count. */
static int continues(arrival_t *a, bearer_session_t *earlier)
{
    static const char *const who[] = { "sub", "iss", "tid" };
    const bearer_attempt_t *attempt = a->attempt;
    const json_t *claims = json_object_get(bearer_session_body(earlier, a->r->pool),
                                           BEARER_SESSION_CLAIMS);
    apr_size_t i;

    for (i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
        const json_t *then = json_object_get(claims, who[i]);
        const json_t *now = json_object_get(a->claims, who[i]);

        if (then != now && !json_equal(then, now)) {
            return 0;
        }
    }
    return earlier->created > attempt->created && !attempt->acr_values
        && attempt->max_age < 0 && !strcmp(earlier->issuer, attempt->issuer)
        && ab_browser_is_own(a->r, earlier);
}

/* Every login gets a new session id, so that an id set by an attacker before the login
 * is worthless. Returns 0 if the session of another tab continues. */
static int end_earlier(arrival_t *a)
{
    bearer_session_t *earlier[BEARER_COOKIE_VALUES];
    int n = ab_browser_sessions(earlier, &a->store, a->r);

    if (n == 1 && continues(a, earlier[0])) {
        return 0;
    }
    while (n-- > 0) {
        if (bearer_session_end(earlier[n], &a->store, a->r->pool) == APR_SUCCESS) {
            bearer_world_count(a->store.world, BEARER_EVENT_ENDED_LOGIN);
        }
    }
    return 1;
}

/* The client address is the owner of the session. It determines whose session makes
 * room if the memory is full; see BEARER_OWNER_ADDRESS. */
static apr_status_t begin_session(const char **value, bearer_session_t *session,
                                  arrival_t *a)
{
    unsigned char address[BEARER_OWNER_SIZE];

    _Static_assert(BEARER_OWNER_SIZE == BEARER_THROTTLE_KEY_SIZE, "an address");
    /* a logout received during the requests to the issuer takes effect */
    session->created = a->began;
    session->access_expires = a->tokens.refresh_token ? a->tokens.access_expires : 0;
    return bearer_session_begin(value, session, &a->store,
                                bearer_throttle_address(address, a->r->useragent_ip)
                                == APR_SUCCESS ? address : NULL, a->r->pool);
}

static bearer_reason_t no_session(arrival_t *a, apr_status_t rv)
{
    if (rv == APR_ENOSPC) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_SESSION_SIZE, a->store.in_cookie
            ? "the session is too large for cookies (%d bytes); write AuthBearerSessionStore "
              "cache, leave out claims (AuthBearerSessionClaims), or reduce what the issuer puts "
              "into its tokens"
            : "the session is too large for the session cache (%d bytes); leave out claims "
              "(AuthBearerSessionClaims), or reduce what the issuer puts into its tokens",
            a->store.in_cookie ? BEARER_COOKIE_MAX / 11 * 8 : BEARER_SESSION_MAX);
    }
    if (rv == APR_EOF) {
        ab_page_cause(a->r, AB_PAGE_LOGIN_ENDED);
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE,
                             "the issuer ended this session during the login (back-channel "
                             "logout)");
    }
    return bearer_refuse(&a->why, a->r->pool, BEARER_SESSION_STORE, "%s "
                         "(AuthBearerSOCache for=sessions)", rv == APR_ENOMEM
                         ? "the session cache is full, and no session may be removed; raise its "
                           "size, shm:SIZE"
                         : "the session cannot be stored: the session cache does not answer, or is "
                           "full");
}

static bearer_reason_t make_session(arrival_t *a)
{
    const bearer_settings_t *settings = a->login.access->settings;
    bearer_session_t *session;
    const char *value = NULL;
    apr_status_t rv = APR_EGENERAL;
    json_t *body;

    if (!a->tokens.scope) {  /* RFC 6749 section 5.1: the requested scope */
        a->tokens.scope = apr_array_pstrcat(a->r->pool, settings->login_scopes, ' ');
    }
    if (!end_earlier(a)) {
        return BEARER_OK;
    }
    body = ab_browser_body(&a->login, &a->tokens, a->claims, a->userinfo, a->r->pool);
    body = ab_browser_drop_claims(body, a->r, a->login.access, NULL,
                                  BEARER_PART_ID | BEARER_PART_USERINFO);
    if (body) {
        rv = bearer_session_new(&session, &a->store, a->login.access->issuer->url,
                                body, a->r->pool);
    }
    json_decref(body);
    if (rv == APR_SUCCESS) {
        rv = begin_session(&value, session, a);
    }
    if (rv != APR_SUCCESS) {
        return no_session(a, rv);
    }
    if (a->store.in_cookie) {
        ab_browser_make_room(a->r, strlen(value), BEARER_LOGIN_ATTEMPTS);
    }
    ab_browser_set_session(a->r, value, bearer_session_left(session, &a->store));
    ab_log(APLOG_INFO, a->r, AB(0303) "login, session %s, sub %s",
           bearer_text_fingerprint(a->r->pool, session->id,
                                   BEARER_SESSION_ID_SIZE),
           bearer_text_fingerprint(a->r->pool,
                                   bearer_json_string(a->claims, "sub"),
                                   strlen(bearer_json_string(a->claims, "sub"))));
    return BEARER_OK;
}

/* Returns the URL of the page that was requested when the login began. */
static const char *page_of(arrival_t *a)
{
    apr_pool_t *p = a->r->pool;
    const char *target = a->attempt ? ab_browser_room_target(a->r, a->attempt) : "/";
    const char *url = *target == '/' ? bearer_return_here(a->browser->origin, target, p)
                                     : ab_browser_page(a->r, target);

    return url ? url : apr_pstrcat(p, a->browser->origin, "/", NULL);
}

static bearer_event_t result_of(bearer_reason_t reason)
{
    return reason == BEARER_OK ? BEARER_EVENT_LOGIN_OK
         : reason == BEARER_LOGIN_STATE ? BEARER_EVENT_LOGIN_STALE
         : bearer_reason_category(reason) == BEARER_CATEGORY_UNAVAILABLE
         ? BEARER_EVENT_LOGIN_UNAVAILABLE : BEARER_EVENT_LOGIN_REFUSED;
}

int ab_browser_callback(request_rec *r)
{
    static bearer_reason_t (*const steps[])(arrival_t *a) = {
        find_attempt, find_issuer, take_code, use_attempt, redeem, judge_id_token,
        ask_userinfo, find_user, make_session
    };
    const browser_t *browser = ab_browser_of(r);
    arrival_t a = { .r = r, .browser = browser };
    const char *back;
    bearer_reason_t reason;
    apr_size_t i;

    ab_browser_store(&a.store, r);
    a.settings = ab_config_of(r);
    reason = bearer_login_parse(&a.parameters, ab_request(r)->answer, &a.why, r->pool);
    for (i = 0; reason == BEARER_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        reason = steps[i](&a);
    }
    bearer_gate_leave(&a.ticket);
    bearer_world_count(a.store.world, result_of(reason));
    back = page_of(&a);
    if (reason != BEARER_OK) {
        if (a.attempt) {
            ab_page_said(r, &a.attempt->said);
        }
        if (reason == BEARER_SESSION_STORE) {
            ab_page_cause(r, AB_PAGE_UNAVAILABLE);  /* there is no session yet */
        }
        if (bearer_reason_category(reason) == BEARER_CATEGORY_UNAVAILABLE) {
            ab_throttling_unanswered(r, a.settings);
        }
        if (a.attempt && (result_of(reason) == BEARER_EVENT_LOGIN_REFUSED
                          || reason == BEARER_LOGIN_ISSUER)) {
            ab_browser_remember(r, NULL);  /* to try again is to choose again */
        }
        if (a.wait) {
            apr_table_setn(r->err_headers_out, "Retry-After",
                           apr_psprintf(r->pool, "%u", a.wait));
        }
        return ab_page_refusal(r, reason, a.why.detail, a.attempt ? back : NULL);
    }
    ab_throttling_logged_in(r, a.settings);
    ab_browser_remember(r, a.login.access->issuer);
    ab_browser_count_try(r, a.attempt->target);
    return ab_page_redirect(r, HTTP_SEE_OTHER, back);
}
