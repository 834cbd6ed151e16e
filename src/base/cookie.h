/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file cookie.h
 * This module's own cookies: their names, the Set-Cookie field, values in
 * chunks, and finding them in what a browser sends (RFC 6265).
 *
 * On https every name begins with `__Host-`, so that neither another host of
 * the domain nor plain http can plant one; Path is always `/`, so that the same
 * cookie is seen wherever the server is entered. Cookies know no ports: a
 * server on another than the scheme's own port has its number in the names, so
 * that two on one host do not overwrite each other's.
 *
 * Pure functions; results in p.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

/** A browser keeps 4096 bytes of a cookie, name and attributes included. */
#define BEARER_COOKIE_CHUNK 3600
/** All cookies together must fit into one request header field of httpd's
 *  default size (8190 bytes). */
#define BEARER_COOKIE_CHUNKS 2
#define BEARER_COOKIE_MAX (BEARER_COOKIE_CHUNK * BEARER_COOKIE_CHUNKS)

typedef struct bearer_cookie_names_t {
    const char *session;   /**< further chunks: the name and `.1` */
    const char *login;     /**< prefix of one cookie per login under way */
    const char *tries;     /**< logins that came back in a row */
    int secure;
} bearer_cookie_names_t;

/** @param base_url  this server as a browser sees it: SCHEME://HOST[:PORT] */
void bearer_cookie_names(bearer_cookie_names_t *names, const char *base_url,
                         apr_pool_t *p);

/**
 * httpd joins two Cookie lines with a comma, so a comma separates pairs, too. But a
 * browser lets any host of the domain set a cookie with a comma in its value: a name
 * that the prefix `__Host-` or `__Secure-` protects from that does not count behind
 * one. It is taken away there all the same.
 * @param before  the separator in front of the name; '\0': it is the first
 */
int bearer_cookie_counts(char before, const char *name);

/** One pair of a Cookie field that counts; pointers into a copy. 0 ends the walk. */
typedef int (*bearer_cookie_fn)(void *baton, const char *name,
                                const char *value);
void bearer_cookie_each(const char *field, bearer_cookie_fn fn, void *baton,
                        apr_pool_t *p);

/** The value of that name; NULL when it is absent, empty or there twice: who
 *  can plant a second one must not choose which counts. field may be NULL. */
const char *bearer_cookie_get(const char *field, const char *name,
                              apr_pool_t *p);

/** The chunks of a value put together again, or NULL. */
const char *bearer_cookie_join(const char *field, const char *name,
                               apr_pool_t *p);

/** max_age: seconds; below 0: until the browser is closed; 0: remove it. The
 *  value consists of base64url characters and `.`. */
const char *bearer_cookie_set(const bearer_cookie_names_t *names,
                              const char *name, const char *value, int max_age,
                              apr_pool_t *p);

/**
 * Set-Cookie values (const char *) for a value of any length up to
 * BEARER_COOKIE_MAX; chunks of an earlier, longer value (in field) are removed.
 * NULL value: all chunks are removed.
 * @return NULL when the value is too long
 */
const apr_array_header_t *bearer_cookie_split(const bearer_cookie_names_t *names,
                                              const char *name,
                                              const char *value,
                                              const char *field, apr_pool_t *p);

/** Does the pair that begins here stay? */
typedef int (*bearer_cookie_choice_fn)(const void *baton, const char *pair);

/** The pairs of a field that stay; NULL: nothing is left; field itself: all of
 *  them. What an application's value consists of is not touched.
 *  @param bare  a comma separates without a blank behind it, too */
const char *bearer_cookie_choose(const char *field, int bare,
                                 bearer_cookie_choice_fn stays, const void *baton,
                                 apr_pool_t *p);

/** The field without this module's own cookies, whichever server of this host set
 *  them (another port or scheme); NULL: nothing is left; field itself when it has
 *  none of them. */
const char *bearer_cookie_strip(const char *field, apr_pool_t *p);

/** The other half of it: the own ones only; NULL: there are none. */
const char *bearer_cookie_own(const char *field, apr_pool_t *p);
