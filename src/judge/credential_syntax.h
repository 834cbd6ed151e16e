/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file credential_syntax.h
 * The syntax of everything that carries a token: Authorization, a custom header, a
 * cookie, a query parameter, Basic credentials (check 1), and how a token is removed
 * from what other code sees. It reads and returns strings and does not access the
 * request.
 *
 * Strings are NUL-terminated, as the client sent them. Time and memory are linear in
 * their length. Pure functions, thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/reason.h"

/** The result so far: the first token, and the number of tokens. */
typedef struct bearer_found_t {
    const char *token;   /**< the caller's bytes or a copy in p; NULL: none */
    const char *error;   /**< a syntax error near the token; static; or NULL */
    unsigned count;
    int dpop;            /**< 1: the first token came under the scheme DPoP */
} bearer_found_t;

/** Returns the text after `scheme` and its spaces (RFC 9110 section 11.4), or NULL
 *  if the field has another scheme. */
const char *bearer_syntax_after_scheme(const char *field, const char *scheme);

/** Returns 1 if the field has a scheme of tokens: `Bearer` or `DPoP`. */
int bearer_syntax_is_token(const char *field);

/* ---- finding tokens: each adds to found --------------------------------- */

/** Authorization: `Bearer TOKEN` or `DPoP TOKEN` (RFC 9449 section 7.1). httpd joins
 *  two header lines with a comma, so one of these schemes after other credentials
 *  counts as a second token. */
void bearer_syntax_authorization(bearer_found_t *found, const char *field);

/** A custom header or variable: the token alone, or `Bearer TOKEN`. */
void bearer_syntax_bare(bearer_found_t *found, const char *field);

/** Each non-empty cookie of that name (RFC 6265 section 4.2). A comma also
 *  separates cookies, because httpd joins two Cookie lines with one. */
void bearer_syntax_cookie(bearer_found_t *found, const char *field,
                          const char *name, apr_pool_t *p);

/** Each query parameter of that name, percent-decoded. */
void bearer_syntax_query(bearer_found_t *found, const char *query,
                         const char *name, apr_pool_t *p);

/** `Basic BASE64(user:TOKEN)` (RFC 7617). If the user is not `user` (NULL: any),
 *  the field is not a credential. */
void bearer_syntax_basic(bearer_found_t *found, const char *field,
                         const char *user, apr_pool_t *p);

/**
 * Returns the pairs of a Cookie field that have one of these names (const char *;
 * NULL: any) and a value, as `a=1; b=2`; NULL: there are none. Pairs are separated by
 * `;`, or by a comma and a space, with which httpd joins two Cookie lines. A comma
 * alone may be part of a value.
 */
const char *bearer_syntax_cookies(const char *field,
                                  const apr_array_header_t *names, apr_pool_t *p);

/** Check 1: exactly one token, with only the characters of RFC 6750 section 2.1, which
 *  are those of the scheme DPoP, too.
 *  Returns BEARER_OK, BEARER_NO_CREDENTIAL, BEARER_CREDENTIAL_COUNT or
 *  BEARER_CREDENTIAL_SYNTAX. */
bearer_reason_t bearer_syntax_judge(const bearer_found_t *found,
                                    bearer_refusal_t *why, apr_pool_t *p);

/* ---- removing tokens ---------------------------------------------------- */

/** Returns a Cookie field without the cookies of that name: field itself if it has
 *  none, NULL if nothing is left. */
const char *bearer_syntax_without_cookie(const char *field, const char *name,
                                         apr_pool_t *p);

/** The same for several names, also by the rules of bearer_syntax_cookies(). */
const char *bearer_syntax_without_cookies(const char *field,
                                          const apr_array_header_t *names,
                                          apr_pool_t *p);

/** Returns a query without the parameters of that name; NULL if nothing is left. `;`
 *  also separates parameters, because some applications read it so. */
const char *bearer_syntax_without_parameter(const char *query, const char *name,
                                            apr_pool_t *p);

/** Returns a query with the values of that name replaced by `***`; query itself if
 *  there are none. `;` also separates parameters, because some applications read
 *  it so. */
const char *bearer_syntax_mask_query(const char *query, const char *name,
                                     apr_pool_t *p);

/** The same for the query of a URL in any text: from the first `?` to the next
 *  space or `#`. Suitable for a request line, a URL, a Referer. */
const char *bearer_syntax_mask_url(const char *text, const char *name,
                                   apr_pool_t *p);
