/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file return_url.h
 * Limits where a browser may be sent after login and logout to paths of this server
 * (CWE-601). It does not use a list of bad spellings. The result is built from the
 * server's own origin and a path that has only characters allowed in a path and a
 * query.
 */
#pragma once

#include <apr_pools.h>

/** Maximum length of a path with its query, in bytes. */
#define BEARER_RETURN_MAX 8159

/** Encodes bytes of a path and query that browsers send unencoded but that a
 *  target must not contain: an apostrophe, bytes beyond ASCII, and in a query `"`,
 *  `<`, `>`, a backtick and a backslash (in a path, browsers treat a backslash as
 *  a slash). The result names the same page. In p. */
const char *bearer_return_escape(const char *target, apr_pool_t *p);

/** Returns base and target, in p, for a target that this browser has just requested
 *  here: any path and query of legal characters. NULL: it has others, is too long, or
 *  begins with two slashes, which something that removes base would make a host. */
const char *bearer_return_here(const char *base, const char *target, apr_pool_t *p);

/**
 * The same for a target that somebody else may have chosen, e.g. in a parameter: also
 * refused is what could become another host if a proxy or an application removes base,
 * decodes the path once more or removes dot segments.
 * @param base    this server: SCHEME://HOST[:PORT], without a path
 * @param target  the requested path, with or without a query
 * @return base and target, in p; NULL if target is not acceptable
 */
const char *bearer_return_url(const char *base, const char *target, apr_pool_t *p);
