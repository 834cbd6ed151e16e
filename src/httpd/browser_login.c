/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_login.c
 * The redirect to the issuer: which requests are redirected, what the browser keeps (a
 * sealed cookie for each pending login), and when this stops because logins do not
 * last.
 */
#include "browser_domain.h"
#include "browser_login.h"
#include "page.h"
#include "process.h"
#include "refuse.h"
#include "store.h"
#include "throttling.h"
#include "trace.h"

#include <apr_strings.h>

#include "base/text.h"
#include "login/return_url.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

/** Maximum number of logins for one page that succeed in a row without the session
 *  being used. */
#define TRIES_MAX 3
#define TRIES_LIFE 60 /* seconds */
#define TRIES_KEPT 4
/** Seconds in which a browser that was sent to the first name does not come back with
 *  another Host, unless a proxy puts another Host into every request. */
#define HOME_LIFE 10

/** Bytes of a Cookie header for its name, the cookie of the tries, and cookies that an
 *  application sets meanwhile. */
#define FIELD_MARGIN 512

/** Bytes of an address in the cookie of a login. 20 tabs that are restored at once
 *  begin 20 logins without knowing of each other: all cookies fit in one header field. */
#define TARGET_ROOM 100
/** The same if the login may end on another host, which has no part in this host's
 *  memory. */
#define TARGET_ROOM_ELSEWHERE 2000

/* ---- logins that come back ---------------------------------------------- */

/* Counts the logins for a page. Sets its hash and the entries of other pages. The
 * format is one entry per page, HASH-N, the latest first, separated by `.`. */
static int tries_of(request_rec *r, const char *target, const char **hash,
                    const char **others)
{
    apr_pool_t *p = r->pool;
    const char *value = bearer_cookie_get(ab_browser_cookies(r),
                                          ab_browser_of(r)->names.tries, p);
    char *rest, *entry;
    int tries = 0, kept = 0;

    *others = "";
    *hash = bearer_text_fingerprint(p, target, strlen(target));
    if (!value || strlen(value) > 128) {
        return 0;
    }
    entry = apr_strtok(apr_pstrdup(p, value), ".", &rest);
    for (; entry && kept < TRIES_KEPT; entry = apr_strtok(NULL, ".", &rest)) {
        apr_size_t len = strspn(entry, "0123456789abcdef");

        if (len != 8 || entry[8] != '-' || entry[9] < '1' || entry[9] > '9'
            || entry[10]) {
            continue;
        }
        if (strncmp(entry, *hash, 8) == 0) {
            tries = entry[9] - '0';
        } else if (++kept < TRIES_KEPT) {
            *others = apr_pstrcat(p, *others, ".", entry, NULL);
        }
    }
    return tries;
}

static void count_try(request_rec *r, const char *target, int life)
{
    const bearer_cookie_names_t *names = &ab_browser_of(r)->names;
    const char *hash, *others;
    int n = tries_of(r, target, &hash, &others);

    n = n < 9 ? n + 1 : 9;
    ab_browser_set_cookie(r, bearer_cookie_set(names, names->tries,
        apr_psprintf(r->pool, "%s-%d%s", hash, n, others), life, r->pool));
}

void ab_browser_count_try(request_rec *r, const char *target)
{
    count_try(r, target, TRIES_LIFE);
}

int ab_browser_loops(request_rec *r, const char *target)
{
    const char *hash, *others;

    return tries_of(r, target, &hash, &others) >= TRIES_MAX;
}

/* ---- the way to the issuer ---------------------------------------------- */

int ab_browser_speculates(const request_rec *r)
{
    static const char *const fields[] = { "Sec-Purpose", "Purpose", "X-Purpose",
                                          "X-Moz" };
    apr_size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *purpose = apr_table_get(r->headers_in, fields[i]);

        if (purpose && (ap_strcasestr(purpose, "prefetch")
                        || ap_strcasestr(purpose, "prerender")
                        || ap_strcasestr(purpose, "preview"))) {
            return 1;
        }
    }
    return 0;
}

int ab_browser_opens_page(request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return !r->main && !r->header_only
        && !ab_browser_speculates(r) && !ab_request_by_script(r)
        && (apr_table_get(r->headers_in, "Sec-Fetch-Mode")
            || (accept && ap_strcasestr(accept, "text/html")));
}

int ab_browser_navigates(request_rec *r)
{
    return r->method_number == M_GET && ab_browser_opens_page(r);
}

const char *ab_browser_target(request_rec *r, const char *origin)
{
    const char *whole = r->unparsed_uri, *target;
    request_rec *first = r;

    while (first->prev) {
        first = first->prev;  /* the client's request, not an internal redirect */
        whole = first->unparsed_uri;
    }
    target = whole ? strstr(whole, "://") : NULL;
    whole = target && *whole != '/' ? ap_strchr_c(target + 3, '/') : whole;  /* absolute-form */
    whole = whole ? bearer_return_escape(whole, r->pool) : "";
    while (whole[0] == '/' && whole[1] == '/') {
        whole++;  /* the same page; see bearer_return_here() */
    }
    if (bearer_return_here(origin, whole, r->pool)) {
        return whole;
    }
    target = apr_pstrmemdup(r->pool, whole, strcspn(whole, "?"));
    target = bearer_return_here(origin, target, r->pool) ? target : "/";
    ab_log(APLOG_INFO, r, AB(0305) "the login will lead to %s, not to the page that was "
           "requested: its address has characters that a URL cannot have, or more than %d bytes",
           bearer_text_quote(r->pool, target), BEARER_RETURN_MAX);
    return target;
}

int ab_browser_go_home(request_rec *r, const char **why)
{
    const char *home = ab_browser_of(r)->origin, *target, *hash, *others;
    const char *host = apr_table_get(r->headers_in, "Host");

    *why = apr_psprintf(r->pool, "Host %s is no name in AuthBearerBaseURL",
                        host ? bearer_text_quote(r->pool, host) : "(none)");
    if (!ab_browser_navigates(r)) {
        return DECLINED;
    }
    target = ab_browser_target(r, home);
    if (tries_of(r, target, &hash, &others)) {
        *why = apr_psprintf(r->pool, "%s, and the browser was sent to %s a moment ago; a proxy "
                            "must pass Host on (ProxyPreserveHost On)", *why, home);
        return DECLINED;
    }
    count_try(r, target, HOME_LIFE);
    ab_log(APLOG_DEBUG, r, AB(0310) "%s; the browser is redirected to %s", *why, home);
    return ab_page_redirect(r, HTTP_MOVED_TEMPORARILY,
                            apr_pstrcat(r->pool, home, target, NULL));
}

/** A pending login in the browser. */
typedef struct kept_t {
    const char *name;
    apr_size_t len;                /**< length of its pair in the Cookie header */
    apr_time_t created;            /**< 0: deleted */
} kept_t;

/** All pending logins. */
typedef struct attempts_t {
    request_rec *r;
    const browser_t *browser;
    apr_array_header_t *kept;      /**< kept_t */
    int count;                     /**< number of logins that stay */
    apr_size_t len;                /**< length of the next Cookie header */
} attempts_t;

static int look_at_attempt(void *baton, const char *name, const char *value)
{
    attempts_t *a = baton;
    apr_size_t prefix = strlen(a->browser->names.login);
    bearer_attempt_t *attempt;
    kept_t *kept;

    if (strncmp(name, a->browser->names.login, prefix) != 0
        || strlen(name) != prefix + BEARER_LOGIN_TAG) {
        return 1;
    }
    kept = apr_array_push(a->kept);
    kept->name = apr_pstrdup(a->r->pool, name);
    kept->len = strlen(name) + strlen(value) + 2;
    if (bearer_attempt_open(&attempt, value, a->browser->login_seal,
                            a->browser->origin, &ab_process()->world,
                            a->r->pool) == APR_SUCCESS) {
        kept->created = attempt->created;
        a->count++;
    } else {
        a->len -= kept->len;
        ab_browser_forget(a->r, kept->name);
    }
    return 1;
}

static void forget_oldest(attempts_t *a)
{
    kept_t *oldest = NULL;
    int i;

    for (i = 0; i < a->kept->nelts; i++) {
        kept_t *kept = &APR_ARRAY_IDX(a->kept, i, kept_t);

        if (kept->created && (!oldest || kept->created < oldest->created)) {
            oldest = kept;
        }
    }
    if (oldest) {
        oldest->created = 0;
        a->len -= oldest->len;
        ab_browser_forget(a->r, oldest->name);
    }
    a->count--;
}

/* With many tabs or long URLs, the oldest login is deleted. Otherwise httpd would
 * refuse a header with all of them (LimitRequestFieldSize). */
apr_size_t ab_browser_make_room(request_rec *r, apr_size_t more, int most)
{
    apr_size_t limit = (apr_size_t)r->server->limit_req_fieldsize;
    const char *field = ab_browser_cookies(r);
    attempts_t a = { r, ab_browser_of(r), NULL, 0, more };

    limit = limit > 2 * FIELD_MARGIN ? limit - FIELD_MARGIN : limit;
    if (field) {
        a.kept = apr_array_make(r->pool, BEARER_LOGIN_ATTEMPTS, sizeof(kept_t));
        a.len += strlen(field);
        bearer_cookie_each(field, look_at_attempt, &a, r->pool);
    }
    while (a.count > 0 && (a.count > most || a.len > limit)) {
        forget_oldest(&a);
    }
    return a.len > limit ? a.len - limit : 0;
}

const char *ab_browser_attempt_name(request_rec *r, const char *state)
{
    return apr_psprintf(r->pool, "%s%.*s", ab_browser_of(r)->names.login,
                        BEARER_LOGIN_TAG, state);
}

static const char *seal(request_rec *r, const bearer_attempt_t *attempt)
{
    const browser_t *browser = ab_browser_of(r);

    return bearer_attempt_seal(attempt, browser->login_seal, browser->origin,
                               &ab_process()->world, r->pool);
}

/* Does a login end on the host on which it began? */
static int ends_here(const browser_t *browser)
{
    return !browser->in_cookie && ab_store_is_local(STORE_SESSIONS);
}

/* Stores the attempt in the browser. */
static int keep(request_rec *r, bearer_attempt_t *attempt)
{
    const browser_t *browser = ab_browser_of(r);
    const char *name = ab_browser_attempt_name(r, attempt->state);
    const apr_size_t fits = ends_here(browser) ? TARGET_ROOM : TARGET_ROOM_ELSEWHERE;
    const char *value;

    if (strlen(attempt->target) > fits) {
        ab_browser_room_move(r, attempt);
    }
    value = seal(r, attempt);
    if (value && ab_browser_make_room(r, strlen(name) + strlen(value) + 3,
                                      BEARER_LOGIN_ATTEMPTS - 1)
        && strchr(attempt->target, '?')) {
        ab_browser_room_move(r, attempt);
        value = seal(r, attempt);
    }
    if (!value || strlen(value) > BEARER_COOKIE_CHUNK) {
        return 0;
    }
    ab_browser_set_cookie(r, bearer_cookie_set(&browser->names, name, value,
        (int)apr_time_sec(BEARER_LOGIN_LIFE), r->pool));
    return 1;
}

bearer_reason_t ab_browser_begin(request_rec *r, const bearer_settings_t *settings,
                                 const bearer_issuer_t *issuer, const char *target,
                                 const char **url, unsigned *wait, bearer_refusal_t *why)
{
    bearer_attempt_t *attempt = NULL;
    bearer_login_t login;
    bearer_reason_t reason;

    if (ab_browser_loops(r, target)) {
        return bearer_refuse(why, r->pool, BEARER_LOGIN_LOOP,
                             "the browser signed in several times for this page and still has no "
                             "session; check its cookies, AuthBearerBaseURL, the session cache, "
                             "and whether the login issuer is accepted here "
                             "(AuthBearerAcceptIssuer)");
    }
    reason = ab_browser_client(&login, r, issuer, why);
    if (reason == BEARER_OK) {
        if (bearer_login_pushes(&login)) {
            *wait = ab_throttling_login(r, settings);
            login.quiet = *wait != 0;
        }
        reason = bearer_login_begin(&attempt, url, &login,
                                    settings->login.parameters, target, why, r->pool);
    }
    if (reason != BEARER_OK) {
        if (attempt) {
            ab_page_said(r, &attempt->said);
        }
        if (reason == BEARER_LOGIN_ISSUER) {
            ab_browser_remember(r, NULL);  /* another one may answer */
        }
        return reason;
    }
    return keep(r, attempt) ? BEARER_OK
        : bearer_refuse(why, r->pool, BEARER_INTERNAL,
                        "the login cannot be encrypted for its cookie");
}

int ab_browser_login(request_rec *r, const bearer_settings_t *settings,
                     const bearer_issuer_t *issuer)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    const apr_array_header_t *possible;
    const char *target, *url = NULL;
    bearer_reason_t reason;
    unsigned wait = 0;

    if (!ab_browser_of(r) || !ab_browser_navigates(r)) {
        return DECLINED;
    }
    if (ab_browser_unfit_again(r)) {
        ab_page_cause(r, issuer ? AB_PAGE_STRONGER : AB_PAGE_NO_ACCESS);
        return ab_refuse(r, issuer ? BEARER_ACR : BEARER_SESSION_USER, apr_pstrcat(
            r->pool, "the browser signed in again, but its session still does not count here: ",
            ab_request(r)->no_session, NULL), NULL);
    }
    target = ab_browser_target(r, ab_browser_of(r)->origin);
    if (ab_browser_is_guest(ab_browser_of(r))) {
        return ab_browser_login_there(r, settings, issuer, target);
    }
    if (!issuer) {
        possible = ab_browser_possible(ab_config_server(r->server), settings, &why.detail,
                                       r->pool);
        if (!possible) {
            return ab_refuse(r, BEARER_CONFIGURATION, why.detail, NULL);
        }
        issuer = ab_browser_chosen(r, possible);
    }
    if (!issuer) {
        return ab_browser_ask(r, settings, possible, target);
    }
    reason = ab_browser_begin(r, settings, issuer, target, &url, &wait, &why);
    if (reason != BEARER_OK) {
        const ab_refused_t more = { .retry = wait };

        return ab_refuse(r, reason, why.detail, &more);
    }
    ab_log(APLOG_DEBUG, r, AB(0301) "the browser has no session and is redirected to the issuer");
    return ab_page_redirect(r, HTTP_MOVED_TEMPORARILY, url);
}
