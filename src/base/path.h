/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file path.h
 * Paths with which an administrator names a claim, and the interface to regular
 * expressions. Both are compiled at configuration time and immutable afterwards, so
 * all threads may use them.
 *
 * `a.b` is member b of a. At each level, the whole name is tried first: so
 * `https://example.com/roles` and `cognito:groups` need no quoting. `\.` is a dot
 * that never separates. `@this` is the whole object.
 */
#pragma once

#include <apr_pools.h>
#include <jansson.h>

typedef struct bearer_path_t bearer_path_t;

/** Compiles a path, in p; text is copied. NULL if it is empty or over 256 bytes. */
const bearer_path_t *bearer_path_compile(const char *text, apr_pool_t *p);

/** The same for the name of one member, in which a dot never separates. */
const bearer_path_t *bearer_path_of_member(const char *name, apr_pool_t *p);

/** Returns the first of these names (NULL ends them) of a member in which a value at the
 *  path could be: the whole path, or its beginning. NULL: none; for `@this`, any. */
const char *bearer_path_among(const bearer_path_t *path, const char *const *names);

/** Returns the path as it was written. */
const char *bearer_path_text(const bearer_path_t *path);

/** Returns a borrowed reference into claims, or NULL. Does not allocate. */
json_t *bearer_path_find(const bearer_path_t *path, const json_t *claims);

/** Maximum length of a value for a regular expression, in bytes. */
#define BEARER_REGEX_MAX_VALUE 2048

/** The match failed: the result is neither a match (1) nor no match (0). Negative. */
typedef enum {
    BEARER_REGEX_GAVE_UP = -1,   /**< the engine's limit, or no memory */
    BEARER_REGEX_TOO_LONG = -2,  /**< the value exceeds BEARER_REGEX_MAX_VALUE */
    BEARER_REGEX_SPENT = -3      /**< the request has used up its matching time */
} bearer_regex_error_t;

/**
 * A compiled regular expression. The library has no regex engine. These pointers lead
 * to httpd's (ap_regcomp) or to PCRE2. The engine limits the work per match.
 */
typedef struct bearer_regex_t {
    const char *pattern;
    /** Stores the spans of groups 0..n-1 in starts and ends (-1: unset). Returns 1
     *  for a match, 0 for none, or a bearer_regex_error_t. With n 0, starts and
     *  ends may be NULL. */
    int (*match)(const void *compiled, const char *subject, int *starts,
                 int *ends, int n);
    const void *compiled;
} bearer_regex_t;

/** Returns why a match failed and what to change, for the log. Static string. */
const char *bearer_regex_error_text(int error);

/** Compiles a regular expression. On failure the result is NULL and *error is set
 *  (printable, in p). */
typedef const bearer_regex_t *(*bearer_regex_compile_fn)(const char *pattern,
                                                         const char **error,
                                                         apr_pool_t *p);

/** Replaces $0..$9 in substitution with the groups of a match ($$ is a dollar).
 *  @param out  in p; NULL unless the result is 1
 *  @return 1; 0 if subject does not match; or a bearer_regex_error_t */
int bearer_regex_substitute(const char **out, const bearer_regex_t *regex,
                            const char *substitution, const char *subject,
                            apr_pool_t *p);
