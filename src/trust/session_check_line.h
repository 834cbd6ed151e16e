/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_check_line.h
 * Parses, prints and checks an AuthBearerSessionCheck line. ask/session_check.h sends
 * the request to the session service.
 *
 * Lines are created when the configuration is read, and read-only afterwards.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/finding.h"
#include "trust/settings.h"

/**
 * How the credential reaches the session service. X(SYMBOL, word, named, field)
 *     named  1: a name follows, of the form field or of the header
 *     field  the request header it uses; NULL: the one of that name
 */
#define BEARER_SENDS(X) \
    X(AUTHORIZATION, "authorization", 0, "Authorization") \
    X(FORM, "form", 1, "Content-Type") \
    X(HEADER, "header", 1, NULL) \
    X(COOKIE, "cookie", 0, "Cookie")

typedef enum {
#define X(symbol, word, named, field) BEARER_SEND_##symbol,
    BEARER_SENDS(X)
#undef X
} bearer_send_t;

struct bearer_session_check_t {
    const char *url;
    bearer_send_t send;
    const char *name;           /**< of the form field or the header */
    const apr_array_header_t *cookies; /**< const char *; NULL: all cookies */
    const char *prefix;         /**< prefix of the tokens to check; or NULL */
    const char *method;         /**< NULL: the client's method */
    int client_path, client_query, client_host; /**< use the client's, not the URL's */
    const apr_array_header_t *headers; /**< const char *, forwarded; or NULL */
    const apr_table_t *add;     /**< fixed ones, or NULL */
    const bearer_path_t *subject, *extra;
    const bearer_path_t *user;  /**< where the claims contain the subject */
    int subject_written;
    apr_interval_time_t ttl;    /**< 0: answers are not cached */
    int party;                  /**< the party for the gate */
};

/**
 * Parses the words of `URL [key=value ...]` except ttl=, which the caller reads and
 * stores in the result.
 * @param words  const char *
 * @return NULL, or an error message with the correction, in p
 */
const char *bearer_session_check_parse(bearer_session_check_t **check,
                                       const apr_array_header_t *words,
                                       apr_pool_t *p);

/** Returns the configuration line, with the values of add= masked; in p. */
const char *bearer_session_check_print(const bearer_session_check_t *check,
                                       apr_pool_t *p);

/** Checks the line against the whole configuration. Returns NULL, or why the URL
 *  may not be requested and how to fix it. */
const char *bearer_session_check_error(const bearer_session_check_t *check,
                                       const apr_array_header_t *plain_http,
                                       apr_pool_t *p);

/** Appends a finding for each likely mistake. */
void bearer_session_check_lint(apr_array_header_t *findings,
                               const bearer_session_check_t *check);

/** Returns the request header that carries the credential or accompanies it. */
const char *bearer_session_check_field(const bearer_session_check_t *check);

/** Returns 0 if the method cannot be used: a response to HEAD has no body with a
 *  subject, and CONNECT and TRACE are unsuitable for a check. */
int bearer_session_check_answers(const char *method);

/** Returns 1 if the line checks cookies, 0 if it checks tokens. */
int bearer_session_check_by_cookie(const bearer_session_check_t *check);

/** Returns a line of AuthBearerSessionCheck, in the order written; NULL after the last.
 *  @param checks  bearer_settings_t.session_checks, or NULL */
const bearer_session_check_t *bearer_session_check_at(const apr_array_header_t *checks,
                                                      int i);

/** Returns the first line that is never used, because those before it take every request
 *  that it would take; or NULL. */
const bearer_session_check_t *bearer_session_check_unreached(
    const apr_array_header_t *checks);
