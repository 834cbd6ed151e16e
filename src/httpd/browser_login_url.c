/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_login_url.c
 * The redirect to an external login page (AuthBearerLoginURL), e.g. that of the session
 * service in AuthBearerSessionCheck.
 *
 * That page may know the user and send the browser back at once, although its cookie does
 * not reach this server. A cookie with the times of the latest redirects ends this loop. A
 * browser without it can only send itself in circles.
 */
#include "browser.h"
#include "page.h"
#include "process.h"
#include "scrub.h"
#include "trace.h"

#include <apr_strings.h>

APLOG_USE_MODULE(auth_bearer);

/** Maximum number of redirects of a browser within this time. */
#define SENT_MAX 3
#define SENT_LIFE 30 /* seconds */

/* Counts the redirects of the last SENT_LIFE seconds: seconds since 1970, joined by `.`.
 * Sets *value to their list and the present time. */
static int count_sent(request_rec *r, const char *name, const char **value)
{
    const char *given = bearer_cookie_get(ab_browser_cookies(r), name, r->pool);
    const apr_int64_t now = apr_time_sec(bearer_world_now(&ab_process()->world));
    char *rest, *entry;
    int n = 0;

    *value = apr_psprintf(r->pool, "%" APR_INT64_T_FMT, now);
    if (!given) {
        return 0;
    }
    entry = apr_strtok(apr_pstrdup(r->pool, given), ".", &rest);
    for (; entry && n < SENT_MAX; entry = apr_strtok(NULL, ".", &rest)) {
        const apr_int64_t age = now - apr_atoi64(entry);

        if (strlen(entry) == strspn(entry, "0123456789") && strlen(entry) <= 12
            && age < SENT_LIFE && age > -SENT_LIFE) {
            *value = apr_psprintf(r->pool, "%s.%s", *value, entry);
            n++;
        }
    }
    return n;
}

static const char *location(request_rec *r, const bearer_login_url_t *login)
{
    const char *origin = ab_config_server(r->server)->origin;
    const char *address = apr_pstrcat(r->pool, origin, ab_browser_target(r, origin), NULL);

    return apr_pstrcat(r->pool, login->url, strchr(login->url, '?') ? "&" : "?",
                       login->parameter, "=", bearer_http_form_escape(r->pool, address),
                       NULL);
}

int ab_browser_login_url(request_rec *r, const bearer_settings_t *settings,
                         const char *why)
{
    const bearer_login_url_t *login = settings->login_url;
    const char *origin = ab_config_server(r->server)->origin, *sent;
    bearer_cookie_names_t names;

    if (!login || !origin || !ab_browser_navigates(r)) {
        return DECLINED;
    }
    bearer_cookie_names(&names, origin, r->pool);
    if (count_sent(r, names.sent, &sent) >= SENT_MAX) {
        ab_log(APLOG_INFO, r, AB(0309) "the browser was redirected to %s %d times within %d s and "
               "still has no session here; check the domain of the session's cookie and cookies= "
               "of AuthBearerSessionCheck", bearer_http_url_shown(login->url, r->pool),
               SENT_MAX, SENT_LIFE);
        return DECLINED;
    }
    ab_log(APLOG_INFO, r, AB(0308) "the browser is redirected to %s: %s",
           bearer_http_url_shown(login->url, r->pool), why);
    ab_scrub_credential(r, settings, 0);
    ab_browser_set_cookie(r, bearer_cookie_set(&names, names.sent, sent, SENT_LIFE, r->pool));
    return ab_page_redirect(r, HTTP_MOVED_TEMPORARILY, location(r, login));
}
