/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file cookie.h
 * The module's own cookies: their names, the Set-Cookie field, values in chunks, and
 * how they are found in the Cookie field (RFC 6265).
 *
 * With https each name begins with `__Host-`, so that neither another host of the
 * domain nor plain http can set such a cookie. Path is always `/`, so that the
 * browser sends the cookie for every URL of the server. Cookies do not depend on the
 * port. If the port is not the scheme's default, the names contain it, so that two
 * servers on one host do not overwrite each other's cookies.
 *
 * A session may be that of a whole domain. Its cookie then begins with `__Secure-`, has
 * the domain as its Domain, and no port in its name. Any host of the domain can set one,
 * also beside ours, since a cookie is identified by its Domain and Path, too. The browser
 * does not say which is which, so each value is tried.
 *
 * Pure functions, thread-safe; results are in p.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

/** Bytes of a value per cookie. A browser stores 4096 bytes, including name and attributes. */
#define BEARER_COOKIE_CHUNK 3600
/** All cookies together must fit into one request header field of httpd's default
 *  size (8190 bytes). */
#define BEARER_COOKIE_CHUNKS 2
/** Number of values of one cookie that are tried. */
#define BEARER_COOKIE_VALUES 4
#define BEARER_COOKIE_MAX (BEARER_COOKIE_CHUNK * BEARER_COOKIE_CHUNKS)

typedef struct bearer_cookie_names_t {
    const char *session;   /**< further chunks have the suffixes `.1`, ... */
    const char *login;     /**< prefix; each pending login has its own cookie */
    const char *tries;     /**< counts recent logins per page, to detect login loops */
    const char *sent;      /**< when the browser was redirected to AuthBearerLoginURL, or the
                            *   session with which it was redirected to sign in */
    const char *issuer;    /**< NAME of the issuer of the latest login, if there are several */
    int secure;
    const char *domain;    /**< of the session's cookie; NULL: it is this host's */
} bearer_cookie_names_t;

/** @param base_url  this server's URL as browsers see it: SCHEME://HOST[:PORT] */
void bearer_cookie_names(bearer_cookie_names_t *names, const char *base_url,
                         apr_pool_t *p);
/** Makes the session's cookie that of a domain, which lives as long as *names. */
void bearer_cookie_share(bearer_cookie_names_t *names, const char *domain);

/**
 * Decides whether a pair of the Cookie field counts. httpd joins two Cookie lines
 * with a comma, so a comma also separates pairs. But a browser lets any host of the
 * domain set a cookie with a comma in its value. A name with the prefix `__Host-` or
 * `__Secure-`, which protects against that, therefore does not count after a comma.
 * It is still removed.
 * @param before  the separator before the name; '\0' if the pair is the first
 * @return 1 if the pair counts
 */
int bearer_cookie_counts(char before, const char *name);

/** Called for each pair of a Cookie field that counts, with pointers into a copy.
 *  Return 0 to stop. */
typedef int (*bearer_cookie_fn)(void *baton, const char *name,
                                const char *value);

/** Calls fn for each pair of a Cookie field that counts; field may be NULL. */
void bearer_cookie_each(const char *field, bearer_cookie_fn fn, void *baton,
                        apr_pool_t *p);

/** Returns the value of the cookie. Returns NULL if it is absent, empty or occurs
 *  twice: an attacker who can set a second cookie must not choose which one
 *  counts. field may be NULL. */
const char *bearer_cookie_get(const char *field, const char *name,
                              apr_pool_t *p);

/** Finds the values of a cookie in chunks, each joined: as many as the field has cookies
 *  with that name (and with those of further chunks), at most BEARER_COOKIE_VALUES, for
 *  which `values` has room. The caller decides which of them counts.
 *  @return their number */
int bearer_cookie_values(const char **values, const char *field, const char *name,
                         apr_pool_t *p);

/** Returns a Set-Cookie value. max_age is in seconds; negative: until the browser
 *  closes; 0: remove the cookie. The value must consist of base64url characters,
 *  `.` and `~`; see base61.h for secrets. */
const char *bearer_cookie_set(const bearer_cookie_names_t *names,
                              const char *name, const char *value, int max_age,
                              apr_pool_t *p);

/**
 * Returns Set-Cookie values (const char *) for a value of up to BEARER_COOKIE_MAX
 * bytes. They also remove the chunks of an earlier, longer value in field. With value
 * NULL they remove all chunks.
 * @param max_age  as above, of the chunks that are set
 * @return NULL if the value is too long
 */
const apr_array_header_t *bearer_cookie_split(const bearer_cookie_names_t *names,
                                              const char *name,
                                              const char *value, int max_age,
                                              const char *field, apr_pool_t *p);

/** Returns 1 if the pair stays. */
typedef int (*bearer_cookie_choice_fn)(const void *baton, const char *pair);

/** Returns the pairs of a field that stay: NULL if none is left, field itself if
 *  all stay. Values of the application's cookies are not changed.
 *  @param bare  1: a comma without a following space also separates pairs */
const char *bearer_cookie_choose(const char *field, int bare,
                                 bearer_cookie_choice_fn stays, const void *baton,
                                 apr_pool_t *p);

/** Returns the field without this module's cookies, whichever server of this host
 *  set them (another port or scheme). Returns NULL if nothing is left, or field itself
 *  if it has none of these cookies. */
const char *bearer_cookie_strip(const char *field, apr_pool_t *p);

/** Returns only this module's cookies, the opposite of bearer_cookie_strip(); NULL: none. */
const char *bearer_cookie_own(const char *field, apr_pool_t *p);
