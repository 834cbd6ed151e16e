/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file posix_regex.h
 * A bearer_regex_t over the C library's regular expressions, for unit tests of
 * rooms that are given an engine.
 */
#pragma once

#include <regex.h>

#include <apr_strings.h>

#include "base/path.h"

static inline int posix_regex_match(const void *compiled, const char *subject,
                                    int *starts, int *ends, int n)
{
    regmatch_t found[10];
    int rc = regexec(compiled, subject, 10, found, 0);
    int i;

    if (rc != 0) {
        return rc == REG_NOMATCH ? 0 : BEARER_REGEX_GAVE_UP;
    }
    for (i = 0; i < n && i < 10; i++) {
        starts[i] = (int)found[i].rm_so;
        ends[i] = (int)found[i].rm_eo;
    }
    return 1;
}

static inline apr_status_t posix_regex_free(void *compiled)
{
    regfree(compiled);
    return APR_SUCCESS;
}

/** A bearer_regex_compile_fn. */
static inline const bearer_regex_t *
posix_regex_compile(const char *pattern, const char **error, apr_pool_t *p)
{
    bearer_regex_t *regex = apr_pcalloc(p, sizeof(*regex));
    regex_t *compiled = apr_pcalloc(p, sizeof(*compiled));

    if (regcomp(compiled, pattern, REG_EXTENDED) != 0) {
        *error = "unbalanced";
        return NULL;
    }
    apr_pool_cleanup_register(p, compiled, posix_regex_free,
                              apr_pool_cleanup_null);
    regex->pattern = apr_pstrdup(p, pattern);
    regex->match = posix_regex_match;
    regex->compiled = compiled;
    return regex;
}

/** A regular expression that gives up on values with an `!`, and on others
 *  matches those with an `m`; that is all of its language. */
static inline int giving_up_match(const void *compiled, const char *subject,
                                  int *starts, int *ends, int n)
{
    int i;

    (void)compiled;
    for (i = 0; i < n; i++) {
        starts[i] = ends[i] = 0;
    }
    return strchr(subject, '!') ? BEARER_REGEX_GAVE_UP
                                : strchr(subject, 'm') != NULL;
}

/** A bearer_regex_compile_fn. */
static inline const bearer_regex_t *
giving_up_compile(const char *pattern, const char **error, apr_pool_t *p)
{
    bearer_regex_t *regex = apr_pcalloc(p, sizeof(*regex));

    (void)error;
    regex->pattern = apr_pstrdup(p, pattern);
    regex->match = giving_up_match;
    return regex;
}
