/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What carries a token: Authorization, a cookie, a query, Basic, all with the
 * same text. What is read must be what is taken away.
 */
#include "fuzz.h"

#include "judge/credential_syntax.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

static const bearer_found_t nothing = { NULL, NULL, 0, 0 };

static bearer_reason_t judge(const bearer_found_t *found, apr_pool_t *p)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason = bearer_syntax_judge(found, &why, p);
    const char *s;

    FUZZ_CHECK((reason == BEARER_NO_CREDENTIAL) == (found->count == 0));
    FUZZ_CHECK(!found->count || found->token);
    if (why.detail) {
        fuzz_check_line(why.detail);
    }
    for (s = found->token; reason == BEARER_OK && *s; s++) {
        FUZZ_CHECK(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789-._~+/=", *s));
    }
    return reason;
}

static void cookies(const char *text, apr_pool_t *p)
{
    bearer_found_t found = nothing, left = nothing;
    const char *rest;

    bearer_syntax_cookie(&found, text, "at", p);
    (void)judge(&found, p);
    rest = bearer_syntax_without_cookie(text, "at", p);
    if (rest) {
        FUZZ_CHECK(strlen(rest) <= 2 * strlen(text)); /* `;` becomes `; ` */
        bearer_syntax_cookie(&left, rest, "at", p);
        FUZZ_CHECK(left.count == 0);
    }
    FUZZ_CHECK(found.count || rest != NULL || strstr(text, "at"));
}

/* Cookies for a session service, and those that the application gets. */
static void store_cookies(const char *text, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 2, sizeof(const char *));
    bearer_found_t left = nothing;
    const char *sent, *rest;

    APR_ARRAY_PUSH(names, const char *) = "at";
    APR_ARRAY_PUSH(names, const char *) = "s";
    sent = bearer_syntax_cookies(text, names, p);
    rest = bearer_syntax_without_cookies(text, names, p);
    if (sent) {
        FUZZ_CHECK(*sent && strchr(sent, '='));
        FUZZ_CHECK(bearer_syntax_without_cookies(sent, names, p) == NULL);
        FUZZ_CHECK(!strcmp(bearer_syntax_cookies(sent, names, p), sent));
    }
    if (rest) {
        FUZZ_CHECK(bearer_syntax_cookies(rest, names, p) == NULL);
        bearer_syntax_cookie(&left, rest, "at", p);
        bearer_syntax_cookie(&left, rest, "s", p);
        FUZZ_CHECK(left.count == 0);
    }
}

static void queries(const char *text, apr_pool_t *p)
{
    bearer_found_t found = nothing, left = nothing;
    const char *masked = bearer_syntax_mask_query(text, "t", p);
    const char *url = bearer_syntax_mask_url(apr_pstrcat(p, "GET /?", text,
                                                         " HTTP/1.1", NULL),
                                             "t", p);

    bearer_syntax_query(&found, text, "t", p);
    (void)judge(&found, p);
    bearer_syntax_query(&left, masked, "t", p);
    FUZZ_CHECK(left.count == found.count);
    FUZZ_CHECK(!left.count || left.error
               || strncmp(left.token, "***", 3) == 0);
    FUZZ_CHECK(bearer_syntax_mask_query(masked, "t", p) == masked);
    if (!strpbrk(text, " #?")) {
        FUZZ_CHECK(strstr(url, masked) != NULL);
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    bearer_found_t authorization = nothing, bare = nothing, basic = nothing;
    bearer_found_t user = nothing;

    (void)len;
    bearer_syntax_authorization(&authorization, text);
    (void)judge(&authorization, p);
    FUZZ_CHECK(!authorization.dpop || bearer_syntax_after_scheme(text, "DPoP"));
    FUZZ_CHECK(bearer_syntax_is_token(text) == (authorization.count == 1));
    bearer_syntax_bare(&bare, text);
    (void)judge(&bare, p);
    bearer_syntax_basic(&basic, text, NULL, p);
    (void)judge(&basic, p);
    FUZZ_CHECK(!(authorization.count == 1 && basic.count));
    bearer_syntax_basic(&user, text, "token", p);
    FUZZ_CHECK(user.count <= basic.count);
    cookies(text, p);
    store_cookies(text, p);
    queries(text, p);
}
