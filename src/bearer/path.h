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
#ifndef BEARER_PATH_H
#define BEARER_PATH_H

#include <apr_pools.h>
#include <jansson.h>

typedef struct bearer_path_t bearer_path_t;

/** Compiles a path; text lives in p. NULL when empty or over 256 bytes. */
const bearer_path_t *bearer_path_compile(const char *text, apr_pool_t *p);

/** As it was written. */
const char *bearer_path_text(const bearer_path_t *path);

/** Borrowed reference into claims, or NULL. No allocation. */
json_t *bearer_path_find(const bearer_path_t *path, const json_t *claims);

/**
 * A compiled regular expression. The library contains no engine of its own:
 * httpd's (ap_regcomp) or PCRE2 is behind these pointers.
 */
typedef struct bearer_regex_t {
    const char *pattern;
    /** Spans of group 0..n-1 in starts/ends (-1: unset). 1 match, 0 none. With
     *  n 0 only the answer is wanted; starts and ends may be NULL. */
    int (*match)(const void *compiled, const char *subject, int *starts,
                 int *ends, int n);
    const void *compiled;
} bearer_regex_t;

/** Compiles one; NULL with *error set (printable, in p) when it is no regex. */
typedef const bearer_regex_t *(*bearer_regex_compile_fn)(const char *pattern,
                                                         const char **error,
                                                         apr_pool_t *p);

/** Replaces $0..$9 of substitution by the groups of a match ($$ is a dollar);
 *  NULL when subject does not match. */
const char *bearer_regex_substitute(const bearer_regex_t *regex,
                                    const char *substitution,
                                    const char *subject, apr_pool_t *p);

#endif
