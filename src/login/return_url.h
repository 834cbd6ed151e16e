/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file return_url.h
 * Where a browser may be sent after login and logout: to a path of this server,
 * and nowhere else (CWE-601). What decides is not a list of bad spellings: the
 * answer is built of the server's own origin and a path that holds nothing but
 * characters of a path and a query.
 */
#pragma once

#include <apr_pools.h>

/** Longer ones are not kept. */
#define BEARER_RETURN_MAX 2000

/** A path and query with those bytes encoded that browsers send as they are but that
 *  no target may have: an apostrophe, bytes beyond ASCII, and in a query `"`, `<`,
 *  `>`, a backtick and a backslash (which in a path is none, but a slash to them).
 *  The page is the same. In p. */
const char *bearer_return_escape(const char *target, apr_pool_t *p);

/**
 * @param base    this server: SCHEME://HOST[:PORT], without a path
 * @param target  what is asked for: a path with or without a query
 * @return base and target, in p; NULL when target is not one
 */
const char *bearer_return_url(const char *base, const char *target, apr_pool_t *p);
