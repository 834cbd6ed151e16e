/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file credential_syntax.h
 * The syntax of what carries a token: Authorization, a header of one's own, a
 * cookie, a query parameter, Basic credentials (check 1); and how a token is
 * taken out of what others see. It reads strings and writes strings; what
 * request they belong to is the caller's affair.
 *
 * Strings are NUL-terminated, as they came from the client. Time and memory are
 * linear in their length. Pure functions, thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/reason.h"

/** What was found so far: the first token, and how many there are in all. */
typedef struct bearer_found_t {
    const char *token;   /**< the caller's bytes or a copy in p; NULL: none */
    const char *error;   /**< what is wrong around it; static; or NULL */
    unsigned count;
} bearer_found_t;

/** What stands behind `scheme` and its blanks (RFC 9110 section 11.4), or NULL
 *  when the field is of another scheme. */
const char *bearer_syntax_after_scheme(const char *field, const char *scheme);

/* ---- looking for tokens: each adds to found ----------------------------- */

/** Authorization: `Bearer TOKEN`. httpd joins two lines with a comma, so a
 *  Bearer behind other credentials counts as a second one. */
void bearer_syntax_authorization(bearer_found_t *found, const char *field);

/** A header or variable of one's own: the token alone, or `Bearer TOKEN`. */
void bearer_syntax_bare(bearer_found_t *found, const char *field);

/** Each non-empty cookie of that name (RFC 6265 section 4.2; a comma separates
 *  too, because httpd joins two Cookie lines with one). */
void bearer_syntax_cookie(bearer_found_t *found, const char *field,
                          const char *name, apr_pool_t *p);

/** Each parameter of that name, percent-decoded. */
void bearer_syntax_query(bearer_found_t *found, const char *query,
                         const char *name, apr_pool_t *p);

/** `Basic BASE64(user:TOKEN)` (RFC 7617); another user than `user` (NULL: any)
 *  is nobody we know, hence no credential. */
void bearer_syntax_basic(bearer_found_t *found, const char *field,
                         const char *user, apr_pool_t *p);

/**
 * Those pairs of a Cookie field that have one of these names (const char *; NULL:
 * any) and a value, one behind the other as `a=1; b=2`; NULL: there are none.
 * Between pairs stands a `;`, or a comma and a blank, with which httpd joins two
 * Cookie lines; a comma alone may be part of a value.
 */
const char *bearer_syntax_cookies(const char *field,
                                  const apr_array_header_t *names, apr_pool_t *p);

/** Check 1: exactly one, and each byte one of RFC 6750 section 2.1.
 *  BEARER_OK, BEARER_NO_CREDENTIAL, BEARER_CREDENTIAL_COUNT or _SYNTAX. */
bearer_reason_t bearer_syntax_judge(const bearer_found_t *found,
                                    bearer_refusal_t *why, apr_pool_t *p);

/* ---- taking tokens away ------------------------------------------------- */

/** A Cookie field without the cookies of that name; field itself where there is
 *  none of them, NULL where nothing is left. */
const char *bearer_syntax_without_cookie(const char *field, const char *name,
                                         apr_pool_t *p);

/** The same for several names, by the rules of bearer_syntax_cookies too. */
const char *bearer_syntax_without_cookies(const char *field,
                                          const apr_array_header_t *names,
                                          apr_pool_t *p);

/** A query with the values of that name replaced by `***`; query itself where
 *  there is none (left). `;` separates too: some applications read it so. */
const char *bearer_syntax_mask_query(const char *query, const char *name,
                                     apr_pool_t *p);

/** The same for the query of a URL somewhere in text: from the first `?` to the
 *  next blank or `#`. Fits a request line, a URL, a Referer. */
const char *bearer_syntax_mask_url(const char *text, const char *name,
                                   apr_pool_t *p);
