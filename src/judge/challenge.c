/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Writes WWW-Authenticate. See challenge.h. Each value passes a filter for its
 * grammar, so that no configured or received value can end a quoted string or a line.
 */
#include "judge/challenge.h"

#include <string.h>
#include <strings.h>

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

#define VALUE_MAX 512

static apr_size_t name_length(const char *parameter)
{
    return strcspn(parameter, "=");
}

static int is_name(const char *parameter, const char *name)
{
    const apr_size_t len = name_length(parameter);

    return strlen(name) == len && strncasecmp(parameter, name, len) == 0;
}

static const char *name_error(const apr_array_header_t *parameters, const char *name,
                              apr_pool_t *p)
{
    static const char *const own[] = {
        "realm", "error", "error_description", "error_uri", "scope", "acr_values",
        "max_age", "resource_metadata", "algs", NULL
    };
    int i;

    for (i = 0; own[i]; i++) {
        if (strcasecmp(name, own[i]) == 0) {
            return apr_psprintf(p, "%s cannot be set: the module sets it", own[i]);
        }
    }
    for (i = 0; i < parameters->nelts - 1; i++) {
        if (is_name(APR_ARRAY_IDX(parameters, i, const char *), name)) {
            return apr_psprintf(p, "%s is given twice", name);
        }
    }
    return NULL;
}

const char *bearer_challenge_error(const apr_array_header_t *parameters, apr_pool_t *p)
{
    const char *parameter = APR_ARRAY_IDX(parameters, parameters->nelts - 1,
                                          const char *);
    const char *name = apr_pstrmemdup(p, parameter, name_length(parameter)), *value;

    if (!parameter[strlen(name)] || !bearer_text_is_token(name)) {
        return apr_psprintf(p, "%s is not NAME=VALUE (a parameter of the challenge)",
                            bearer_text_quote(p, parameter));
    }
    for (value = parameter + strlen(name) + 1; *value; value++) {
        if (*value < 0x20 || *value > 0x7e) {
            return apr_psprintf(p, "the value of %s has a character that a header cannot have",
                                name);
        }
    }
    return strlen(parameter) - strlen(name) - 1 > VALUE_MAX
        ? apr_psprintf(p, "the value of %s is longer than %d bytes", name, VALUE_MAX)
        : name_error(parameters, name, p);
}

static const char *add_parameters(const char *line, const apr_array_header_t *parameters,
                                  apr_pool_t *p)
{
    int i;

    for (i = 0; parameters && i < parameters->nelts; i++) {
        const char *one = APR_ARRAY_IDX(parameters, i, const char *);
        const apr_size_t len = name_length(one);

        line = add(line, apr_pstrmemdup(p, one, len), quoted_string(one + len + 1, p), p);
    }
    return line;
}

const char *bearer_challenge_write(const bearer_challenge_t *challenge,
                                   apr_pool_t *p)
{
    const char *algs = challenge->algs, *metadata = challenge->resource_metadata;
    const char *line = apr_pstrcat(p, algs ? "DPoP" : "Bearer", " realm=\"",
                                   quoted_string(challenge->realm, p), "\"",
                                   NULL);

    if (challenge->bare && !algs) {
        return line;
    }
    line = add(line, "error", bearer_category(challenge->category)->error, p);
    if (challenge->bare) {
        return add(line, "algs", algs, p);
    }
    line = add(line, "error_description",
               bearer_category(challenge->category)->description, p);
    line = add(line, "scope", scope_value(challenge->scopes, p), p);
    line = add_login(line, challenge->login, p);
    /* an absolute URI uses only characters that a scope may contain */
    line = add(line, "resource_metadata",
               metadata && bearer_text_is_scope(metadata) ? metadata : NULL, p);
    return add(add_parameters(line, challenge->parameters, p), "algs", algs, p);
}

const char *bearer_challenge_basic(const char *realm, apr_pool_t *p)
{
    return apr_pstrcat(p, "Basic realm=\"", quoted_string(realm, p), "\"",
                       NULL);
}
