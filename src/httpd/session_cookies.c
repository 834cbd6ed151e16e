/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_cookies.c
 * The cookies of AuthBearerSessionCheck: finding them among the client's cookies, and
 * removing them from the request like a token.
 */
#include "session_cookies.h"

#include "ask/session_check.h"
#include "base/cookie.h"
#include "base/text.h"
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

/* Returns the checks of a location if its chain contains the provider, or NULL. */
static const apr_array_header_t *in_force(const bearer_settings_t *settings)
{
    return settings->session_checks && ab_session_in_chain(settings)
        ? settings->session_checks : NULL;
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

const char *ab_session_cookies(request_rec *r, const bearer_settings_t *settings,
                               const bearer_session_check_t **check)
{
    const apr_array_header_t *checks = in_force(settings);
    const char *cookies = NULL;
    int i;

    for (i = 0; !cookies && (*check = bearer_session_check_at(checks, i)) != NULL; i++) {
        const char *field = bearer_session_check_by_cookie(*check) ? cookie_field(r) : NULL;

        if (field && !(*check)->cookies) {
            field = without_own(r, settings, field);
        }
        cookies = bearer_session_check_cookies(*check, field, r->pool);
    }
    return cookies;
}

const char *ab_session_cookie_names(request_rec *r, const bearer_settings_t *settings)
{
    const apr_array_header_t *checks = in_force(settings);
    apr_array_header_t *names = apr_array_make(r->pool, 2, sizeof(const char *));
    const bearer_session_check_t *check;
    int i;

    for (i = 0; (check = bearer_session_check_at(checks, i)) != NULL; i++) {
        if (check->cookies) {
            apr_array_cat(names, check->cookies);
        }
    }
    return names->nelts ? bearer_text_quote_list(r->pool, names) : NULL;
}

/* ---- removal ---------------------------------------------------------------- */

/* Returns the check whose cookies were the credential, or NULL. */
static const bearer_session_check_t *accepted(const request_rec *r)
{
    const request_t *record = ab_request_principal(r);

    return record && record->winner == &ab_session_credential ? record->session_check
                                                              : NULL;
}

/* Returns the names that are not in `spared`. */
static const apr_array_header_t *other_names(const apr_array_header_t *names,
                                             const apr_array_header_t *spared,
                                             apr_pool_t *p)
{
    apr_array_header_t *others = apr_array_make(p, names->nelts, sizeof(const char *));
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (!bearer_text_among(spared, name)) {
            APR_ARRAY_PUSH(others, const char *) = name;
        }
    }
    return others;
}

/* Returns the field without the cookies of a check; those of `keep` stay. */
static const char *without(const bearer_session_check_t *check, const char *field,
                           const bearer_session_check_t *keep, apr_pool_t *p)
{
    if (keep && !keep->cookies) {
        return field;  /* all cookies were the credential */
    }
    if (!check->cookies) {
        return keep ? bearer_session_check_cookies(keep, field, p) : NULL;
    }
    return bearer_syntax_without_cookies(
        field, other_names(check->cookies, keep ? keep->cookies : NULL, p), p);
}

void ab_session_strip(request_rec *r, const bearer_settings_t *settings,
                      int keep)
{
    const apr_array_header_t *checks = in_force(settings);
    const bearer_session_check_t *credential = keep ? accepted(r) : NULL, *check;
    const char *field = apr_table_get(r->headers_in, "Cookie"), *kept = field;
    int i;

    for (i = 0; kept && (check = bearer_session_check_at(checks, i)) != NULL; i++) {
        if (bearer_session_check_by_cookie(check)) {
            kept = without(check, kept, credential, r->pool);
        }
    }
    if (kept == field) {
        return;
    }
    if (!ab_request(r)->checked_cookies) {
        ab_request(r)->checked_cookies = field;
    }
    ab_request_set_field(r, "Cookie", kept);
}
