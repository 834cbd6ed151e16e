/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Several AuthBearerSessionCheck lines of a section, in the order written. See
 * session_check_line.h.
 */
#include "trust/session_check_line.h"

#include <string.h>

#include "base/text.h"

const bearer_session_check_t *bearer_session_check_at(const apr_array_header_t *checks,
                                                      int i)
{
    return checks && i < checks->nelts
        ? APR_ARRAY_IDX(checks, i, const bearer_session_check_t *) : NULL;
}

/* Does one of the lines before the n-th take each request with this cookie? */
static int takes_cookie(const apr_array_header_t *checks, int n, const char *name)
{
    int i;

    for (i = 0; i < n; i++) {
        const bearer_session_check_t *check = APR_ARRAY_IDX(
            checks, i, const bearer_session_check_t *);

        if (bearer_session_check_by_cookie(check)
            && (!check->cookies || (name && bearer_text_among(check->cookies, name)))) {
            return 1;
        }
    }
    return 0;
}

/* Does one of the lines before the n-th take every token with this prefix? */
static int takes_prefix(const apr_array_header_t *checks, int n, const char *prefix)
{
    int i;

    for (i = 0; i < n; i++) {
        const bearer_session_check_t *check = APR_ARRAY_IDX(
            checks, i, const bearer_session_check_t *);

        if (!bearer_session_check_by_cookie(check)
            && (!check->prefix
                || (prefix && !strncmp(prefix, check->prefix, strlen(check->prefix))))) {
            return 1;
        }
    }
    return 0;
}

/* Do the lines before the n-th, which is `check`, take what it would take? */
static int is_taken(const apr_array_header_t *checks, int n,
                    const bearer_session_check_t *check)
{
    int i;

    if (!bearer_session_check_by_cookie(check)) {
        return takes_prefix(checks, n, check->prefix);
    }
    if (!check->cookies) {
        return takes_cookie(checks, n, NULL);
    }
    for (i = 0; i < check->cookies->nelts
                && takes_cookie(checks, n, APR_ARRAY_IDX(check->cookies, i, const char *));
         i++) {
    }
    return i == check->cookies->nelts;
}

const bearer_session_check_t *bearer_session_check_unreached(
    const apr_array_header_t *checks)
{
    const bearer_session_check_t *check;
    int i;

    for (i = 0; (check = bearer_session_check_at(checks, i)) != NULL
                && !is_taken(checks, i, check); i++) {
    }
    return check;
}
