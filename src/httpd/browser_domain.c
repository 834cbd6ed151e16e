/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_domain.c
 * Sessions of a domain (AuthBearerSessionDomain): which cookie counts if other hosts can
 * set one, whether a session that began at another host counts here, and logins at the
 * host of login=.
 */
#include "browser_domain.h"
#include "browser_login.h"
#include "browser_session.h"
#include "page.h"
#include "process.h"
#include "refuse.h"
#include "trace.h"

#include <apr_strings.h>

#include "base/http.h"
#include "base/text.h"
#include "login/return_url.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

#define HTTPS "https://"

/* ---- which cookie ------------------------------------------------------- */

/* If a browser has two sessions, somebody else set one of them. Nothing shows which one, so
 * the caller must use neither. */
int ab_browser_sessions(bearer_session_t **sessions, const bearer_session_store_t *store,
                        request_rec *r)
{
    const char *values[BEARER_COOKIE_VALUES];
    bearer_session_t *session;
    int i, k, n = 0, count = !store->cache && !store->in_cookie ? 0
        : bearer_cookie_values(values, ab_browser_cookies(r), ab_browser_of(r)->names.session,
                               r->pool);
    apr_status_t rv;

    for (i = 0; i < count; i++) {
        rv = bearer_session_load(&session, store, values[i], r->pool);
        if (rv == APR_EGENERAL) {
            return -1;
        }
        for (k = 0; k < n && session
                    && memcmp(sessions[k]->id, session->id, sizeof(session->id)); k++) {
        }
        if (session && (k == n || session->seen > sessions[k]->seen)) {
            sessions[k] = session;
            n += k == n;
        }
    }
    if (count && !n) {
        ab_log(APLOG_DEBUG, r,
               AB(0311) "the session cookie has no session: the session has ended, or another "
               "server created it");
    }
    return n;
}

bearer_reason_t ab_browser_only_session(bearer_session_t **session,
                                        const bearer_session_store_t *store, request_rec *r,
                                        bearer_refusal_t *why)
{
    bearer_session_t *found[BEARER_COOKIE_VALUES];
    const int n = ab_browser_sessions(found, store, r);

    if (n < 0) {
        return bearer_refuse(why, r->pool, BEARER_SESSION_STORE, BROWSER_NO_STORE);
    }
    if (n > 1) {
        return bearer_refuse(why, r->pool, BEARER_NO_CREDENTIAL, "the cookies are those of %d "
                             "sessions, so none counts; another host of the domain may have set "
                             "one", n);
    }
    *session = n ? found[0] : NULL;
    return n ? BEARER_OK : BEARER_NO_CREDENTIAL;
}

/* ---- whether it counts --------------------------------------------------- */

int ab_browser_is_own(const request_rec *r, bearer_session_t *session)
{
    const server_config_t *server = ab_config_server(r->server);
    const bearer_issuer_t *issuer = bearer_issuers_by_url(server->issuers, session->issuer);
    const char *client;
    bearer_settings_t here;

    if (!ab_browser_of(r)->domain || !issuer) {
        return issuer != NULL;
    }
    ab_config_resolve(&here, server, issuer, NULL);
    client = bearer_session_string(session, BEARER_SESSION_CLIENT, r->pool);
    return client && here.client_id && !strcmp(client, here.client_id);
}

/** Characters of a fingerprint. */
#define FINGERPRINT 8

/* The session, and the person: what was refused for one does not concern another. */
static void note_unfit(request_rec *r, const bearer_session_t *session)
{
    if (ab_browser_of(r)->domain) {
        ab_request(r)->unfit = apr_pstrcat(
            r->pool, bearer_text_fingerprint(r->pool, session->id, sizeof(session->id)),
            bearer_text_fingerprint(r->pool, session->by_sub, sizeof(session->by_sub)), NULL);
    }
}

bearer_reason_t ab_browser_fitting(request_rec *r, const bearer_session_t *session,
                                   bearer_reason_t reason)
{
    const browser_t *browser = ab_browser_of(r);
    const int unfit = reason == BEARER_NO_CREDENTIAL || reason == BEARER_SESSION_USER
        || reason == BEARER_IDENTIFIER;

    if (unfit || reason == BEARER_ACR) {
        note_unfit(r, session);
    }
    return browser->domain && unfit ? BEARER_NO_CREDENTIAL : reason;
}

void ab_browser_too_weak(request_rec *r, const char *why)
{
    const bearer_session_t *session = ab_browser_session(r, 0);

    ab_request(r)->no_session = why;
    if (session) {
        note_unfit(r, session);
    }
}

/* ---- logins that do not help ----------------------------------------------- */

/** Seconds for which the browser remembers its session from before the login. */
#define SENT_LIFE 60

/* AuthBearerLoginURL keeps times in this cookie, which have other lengths. */
static const char *session_before(request_rec *r)
{
    const char *value = bearer_cookie_get(ab_browser_cookies(r), ab_browser_of(r)->names.sent,
                                          r->pool);

    return value && strlen(value) == 2 * FINGERPRINT ? value : NULL;
}

void ab_browser_fits(request_rec *r)
{
    if (ab_browser_of(r)->domain && session_before(r)) {
        ab_browser_forget(r, ab_browser_of(r)->names.sent);
    }
}

/* Other tabs may still use the earlier session. */
int ab_browser_unfit_again(request_rec *r)
{
    const bearer_cookie_names_t *names = &ab_browser_of(r)->names;
    const char *now = ab_request(r)->unfit, *before = now ? session_before(r) : NULL;

    if (before && strncmp(before, now, FINGERPRINT) != 0
        && !strcmp(before + FINGERPRINT, now + FINGERPRINT)) {
        ab_browser_forget(r, names->sent);
        return 1;
    }
    if (now) {
        ab_browser_set_cookie(r, bearer_cookie_set(names, names->sent, now, SENT_LIFE, r->pool));
    }
    return 0;
}

/* ---- logins at the host of login= ------------------------------------------ */

/** Bytes of a URL that every server accepts: httpd's limit less method and version. */
#define URL_MAX 8100

int ab_browser_is_guest(const browser_t *browser)
{
    return browser->login && strcmp(browser->login, browser->origin) != 0;
}

/* Returns the origin of a virtual host of the domain that has this host; NULL: none. */
static const char *origin_in_domain(const browser_t *browser, const char *host, apr_pool_t *p)
{
    const char *origin = NULL;
    const server_rec *s;

    for (s = ab_process()->server; s && !origin; s = s->next) {
        const login_config_t *login = &ab_config_server(s)->login;

        if (login->names && login->domain && !strcmp(login->domain, browser->domain)) {
            origin = ab_browser_origin_of(login->names, host, p);
        }
    }
    return origin && !strncmp(origin, HTTPS, strlen(HTTPS)) ? origin : NULL;
}

const char *ab_browser_page(const request_rec *r, const char *target)
{
    const browser_t *browser = ab_browser_of(r);
    const char *origin = browser->origin, *host;

    if (browser->login && !strncmp(target, HTTPS, strlen(HTTPS))) {
        host = target + strlen(HTTPS);
        target = host + strcspn(host, "/");
        origin = origin_in_domain(browser, apr_pstrmemdup(r->pool, host,
                                                          (apr_size_t)(target - host)), r->pool);
        target = *target ? target : "/";
    }
    return origin ? bearer_return_url(origin, target, r->pool) : NULL;
}

const char *const ab_browser_passed[] = { "acr_values", "max_age", NULL };

int ab_browser_passes(const char *parameter)
{
    const apr_size_t len = strcspn(parameter, "=");
    int i;

    for (i = 0; ab_browser_passed[i]; i++) {
        if (strlen(ab_browser_passed[i]) == len
            && !strncasecmp(parameter, ab_browser_passed[i], len)) {
            return i;
        }
    }
    return -1;
}

/* With a session that does not count here, the other host would send the browser back at
 * once. So the issuer must ask the user, with the one prompt that all issuers support, and
 * for what the page wants. */
static const char *login_at(request_rec *r, const char *page, const bearer_settings_t *settings,
                            const bearer_issuer_t *issuer)
{
    const browser_t *browser = ab_browser_of(r);
    const apr_array_header_t *all = settings->login.parameters;
    apr_pool_t *p = r->pool;
    const char *url = apr_pstrcat(p, browser->login, browser->path, "/login?return=",
                                  bearer_http_form_escape(p, page), issuer ? "&iss=" : "",
                                  issuer ? bearer_http_form_escape(p, issuer->url) : "",
                                  ab_request(r)->unfit ? "&prompt=login" : "", NULL);
    const char *name;
    int i, taken = 0;

    /* the last one of a name counts */
    for (i = all ? all->nelts - 1 : -1; i >= 0; i--) {
        const char *one = APR_ARRAY_IDX(all, i, const char *);
        const int which = ab_browser_passes(one);

        if (which >= 0 && !(taken & 1 << which)) {
            taken |= 1 << which;
            name = ab_browser_passed[which];
            url = apr_pstrcat(p, url, "&", name, "=",
                              bearer_http_form_escape(p, one + strlen(name) + 1), NULL);
        }
    }
    return url;
}

const bearer_issuer_t *ab_browser_only_issuer(request_rec *r, const bearer_settings_t *settings,
                                              const char **error)
{
    const apr_array_header_t *possible = ab_browser_possible(ab_config_server(r->server),
                                                             settings, error, r->pool);

    return possible && possible->nelts == 1
        ? APR_ARRAY_IDX(possible, 0, const bearer_issuer_t *) : NULL;
}

int ab_browser_login_there(request_rec *r, const bearer_settings_t *settings,
                           const bearer_issuer_t *issuer, const char *target)
{
    const char *error = NULL, *page, *url;

    issuer = issuer ? issuer : ab_browser_only_issuer(r, settings, &error);
    if (error) {
        return ab_refuse(r, BEARER_CONFIGURATION, error, NULL);
    }
    page = ab_browser_page(r, target);
    url = login_at(r, page ? page : "", settings, issuer);
    if (!page || strlen(url) > URL_MAX) {
        page = ab_browser_page(r, apr_pstrmemdup(r->pool, target, strcspn(target, "?")));
        page = page && strlen(page) < URL_MAX / 4 ? page : ab_browser_page(r, "/");
        url = login_at(r, page, settings, issuer);
        ab_log(APLOG_INFO, r, AB(0330) "the login will lead to %s, not to the page that was "
               "requested: the host of login= does not take its address, which is too long, or "
               "which a proxy could read as one of another host",
               bearer_text_quote(r->pool, page));
    }
    ab_log(APLOG_DEBUG, r, AB(0333) "the browser is redirected to %s to sign in",
           ab_browser_of(r)->login);
    return ab_page_redirect(r, HTTP_MOVED_TEMPORARILY, url);
}
