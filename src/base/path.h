/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file path.h
 * How an administrator names a place in the claims, and how the library
 * borrows regular expressions. Both are compiled at configuration time and
 * immutable afterwards, so every thread may use them.
 *
 * `a.b` is member b of a, but a name is tried whole first, at every level:
 * `https://example.com/roles` and `cognito:groups` need no quoting, `\.` is a
 * dot that never separates. `@this` is the whole object.
 */
#pragma once

#include <apr_pools.h>
#include <jansson.h>

typedef struct bearer_path_t bearer_path_t;

/** Compiles a path; text lives in p. NULL when empty or over 256 bytes. */
const bearer_path_t *bearer_path_compile(const char *text, apr_pool_t *p);

/** As it was written. */
const char *bearer_path_text(const bearer_path_t *path);

/** Borrowed reference into claims, or NULL. No allocation. */
json_t *bearer_path_find(const bearer_path_t *path, const json_t *claims);

/** The longest value that a regular expression reads. */
#define BEARER_REGEX_MAX_VALUE 2048

/** Neither a match (1) nor none (0): the rule cannot be decided. Negative. */
typedef enum {
    BEARER_REGEX_GAVE_UP = -1,   /**< the engine's own bound, or no memory */
    BEARER_REGEX_TOO_LONG = -2,  /**< the value is over BEARER_REGEX_MAX_VALUE */
    BEARER_REGEX_SPENT = -3      /**< this request has spent too much on them */
} bearer_regex_error_t;

/**
 * A compiled regular expression. The library contains no engine of its own:
 * httpd's (ap_regcomp) or PCRE2 is behind these pointers. The engine bounds the
 * work that one match may take.
 */
typedef struct bearer_regex_t {
    const char *pattern;
    /** Spans of group 0..n-1 in starts/ends (-1: unset). 1 match, 0 none, or a
     *  bearer_regex_error_t. With n 0 only the answer is wanted; starts and ends
     *  may be NULL. */
    int (*match)(const void *compiled, const char *subject, int *starts,
                 int *ends, int n);
    const void *compiled;
} bearer_regex_t;

/** Why a match answered so, and what to change, for the log. Static string. */
const char *bearer_regex_error_text(int error);

/** Compiles one; NULL with *error set (printable, in p) when it is no regex. */
typedef const bearer_regex_t *(*bearer_regex_compile_fn)(const char *pattern,
                                                         const char **error,
                                                         apr_pool_t *p);

/** Replaces $0..$9 of substitution by the groups of a match ($$ is a dollar).
 *  @param out  in p; NULL unless 1 is returned
 *  @return 1; 0: subject does not match; or a bearer_regex_error_t */
int bearer_regex_substitute(const char **out, const bearer_regex_t *regex,
                            const char *substitution, const char *subject,
                            apr_pool_t *p);
