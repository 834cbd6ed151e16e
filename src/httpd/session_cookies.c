/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_cookies.c
 * The cookies of AuthBearerSessionCheck: finding them among the client's cookies, and
 * removing them from the request like a token.
 */
#include "session_cookies.h"

#include "ask/session_check.h"
#include "base/cookie.h"
#include "judge/credential_syntax.h"
#include "trust/session_check_line.h"
#include "trust/settings.h"

/** The source of a credential in cookies. No source in AuthBearerTokenFrom has an empty
 *  name. */
static const bearer_from_t in_cookies = { BEARER_FROM_COOKIE, "" };

const credential_t ab_session_credential = {
    .reason = BEARER_NO_CREDENTIAL,  /* there is no token to forward */
    .from = &in_cookies
};

int ab_session_in_chain(const bearer_settings_t *settings)
{
    return bearer_judge_provides(settings, BEARER_PROVIDER_SESSION);
}

/* Returns the check of a location if its chain contains the provider, or NULL. */
static const bearer_session_check_t *in_force(const bearer_settings_t *settings)
{
    return settings->session_check && ab_session_in_chain(settings)
        ? settings->session_check : NULL;
}

/* Returns the Cookie header as it was before a check's cookies were removed. */
static const char *cookie_field(const request_rec *r)
{
    const request_rec *q;

    for (q = r; q; q = ab_request_parent(q)) {
        const request_t *record = ab_request_peek(q);

        if (record && record->checked_cookies) {
            return record->checked_cookies;
        }
    }
    return apr_table_get(r->headers_in, "Cookie");
}

/* If no cookies are named, all are sent except this module's own and those that are
 * tokens for others. */
static const char *without_own(request_rec *r, const bearer_settings_t *settings,
                               const char *field)
{
    int i;

    field = bearer_cookie_strip(field, r->pool);
    for (i = 0; field && i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i,
                                                   bearer_from_t);

        if (from->kind == BEARER_FROM_COOKIE) {
            field = bearer_syntax_without_cookie(field, from->name, r->pool);
        }
    }
    return field;
}

const char *ab_session_cookies(request_rec *r,
                               const bearer_settings_t *settings)
{
    const bearer_session_check_t *check = in_force(settings);
    const char *field;

    if (!check || !bearer_session_check_by_cookie(check)) {
        return NULL;
    }
    field = cookie_field(r);
    if (field && !check->cookies) {
        field = without_own(r, settings, field);
    }
    return bearer_session_check_cookies(check, field, r->pool);
}

void ab_session_strip(request_rec *r, const bearer_settings_t *settings,
                      int keep)
{
    const bearer_session_check_t *check = in_force(settings);
    const request_t *record = ab_request_principal(r);
    const char *field, *kept;

    if (!check || !bearer_session_check_by_cookie(check)
        || (keep && record && record->winner == &ab_session_credential)) {
        return;
    }
    field = apr_table_get(r->headers_in, "Cookie");
    kept = field && check->cookies
        ? bearer_syntax_without_cookies(field, check->cookies, r->pool) : NULL;
    if (kept == field) {
        return;
    }
    if (!ab_request(r)->checked_cookies) {
        ab_request(r)->checked_cookies = field;
    }
    ab_request_set_field(r, "Cookie", kept);
}
