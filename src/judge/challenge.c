/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Writes WWW-Authenticate. See challenge.h. Each value passes a filter for its
 * grammar, so that no configured or received value can end a quoted string or a line.
 */
#include "judge/challenge.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

/* RFC 6750 section 3: characters allowed in error, error_description and scope. */
static int is_text(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

/* RFC 9110 section 5.6.4, without obs-text. */
static const char *quoted_string(const char *s, apr_pool_t *p)
{
    char *text = apr_palloc(p, 2 * strlen(s) + 1);
    char *out = text;

    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\') {
            *out++ = '\\';
            *out++ = *s;
        } else if (is_text(c)) {
            *out++ = *s;
        }
    }
    *out = '\0';
    return text;
}

/* Returns the scope names that may be sent, each once; NULL: none. */
static const char *scope_value(const apr_array_header_t *scopes, apr_pool_t *p)
{
    apr_array_header_t *good;
    int i;

    if (!scopes || !scopes->nelts) {
        return NULL;
    }
    good = apr_array_make(p, scopes->nelts, sizeof(const char *));
    for (i = 0; i < scopes->nelts; i++) {
        const char *s = APR_ARRAY_IDX(scopes, i, const char *);

        if (bearer_text_is_scope(s) && !bearer_text_among(good, s)) {
            APR_ARRAY_PUSH(good, const char *) = s;
        }
    }
    return good->nelts ? apr_array_pstrcat(p, good, ' ') : NULL;
}

static const char *add(const char *line, const char *name, const char *value,
                       apr_pool_t *p)
{
    return value ? apr_pstrcat(p, line, ", ", name, "=\"", value, "\"", NULL)
                 : line;
}

/* RFC 9470 section 3: how the user must authenticate. */
static const char *add_login(const char *line, const apr_array_header_t *login,
                             apr_pool_t *p)
{
    int i;

    for (i = 0; login && i < login->nelts; i++) {
        const char *one = APR_ARRAY_IDX(login, i, const char *);

        if (strncmp(one, "acr_values=", 11) == 0) {
            line = add(line, "acr_values", quoted_string(one + 11, p), p);
        } else if (strncmp(one, "max_age=", 8) == 0) {
            line = add(line, "max_age", quoted_string(one + 8, p), p);
        }
    }
    return line;
}

const char *bearer_challenge_write(const bearer_challenge_t *challenge,
                                   apr_pool_t *p)
{
    const char *line = apr_pstrcat(p, "Bearer realm=\"",
                                   quoted_string(challenge->realm, p), "\"",
                                   NULL);
    const char *metadata = challenge->resource_metadata;

    if (challenge->bare) {
        return line;
    }
    line = add(line, "error", bearer_category(challenge->category)->error, p);
    line = add(line, "error_description",
               bearer_category(challenge->category)->description, p);
    line = add(line, "scope", scope_value(challenge->scopes, p), p);
    line = add_login(line, challenge->login, p);
    /* an absolute URI uses only characters that a scope may contain */
    return add(line, "resource_metadata",
               metadata && bearer_text_is_scope(metadata) ? metadata : NULL, p);
}

const char *bearer_challenge_basic(const char *realm, apr_pool_t *p)
{
    return apr_pstrcat(p, "Basic realm=\"", quoted_string(realm, p), "\"",
                       NULL);
}
