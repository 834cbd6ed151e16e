/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_check_line.h
 * A line AuthBearerSessionCheck: read, printed, and examined for mistakes. What is
 * asked of the session service is in ask/session_check.h.
 *
 * Lines are made when the configuration is read and are only read afterwards.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/finding.h"
#include "trust/settings.h"

/**
 * How the credential reaches the store. X(SYMBOL, word, named, field)
 *   named  a name follows: of the form's field, or of the header
 *   field  of the request, that it takes; NULL: the one of that name
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
    const char *name;           /**< of the form's field or the header */
    const apr_array_header_t *cookies; /**< const char *; NULL: whichever come */
    const char *prefix;         /**< of the tokens that are asked about; or NULL */
    const char *method;         /**< NULL: the client's */
    int client_path, client_query, client_host; /**< in place of the URL's */
    const apr_array_header_t *headers; /**< const char *, forwarded; or NULL */
    const apr_table_t *add;     /**< fixed ones, or NULL */
    const bearer_path_t *subject, *extra;
    const bearer_path_t *user;  /**< where the subject is among the claims */
    int subject_written;
    apr_interval_time_t ttl;    /**< 0: no answer is kept */
    int party;                  /**< as the gate knows the service */
};

/**
 * The words of `URL [key=value ...]` but for ttl=, which is the caller's to read
 * and to put into the result.
 * @param words  const char *
 * @return NULL, or what is wrong with the mend, in p
 */
const char *bearer_session_check_parse(bearer_session_check_t **check,
                                       const apr_array_header_t *words,
                                       apr_pool_t *p);

/** The line as it would be written, values of add= masked; in p. */
const char *bearer_session_check_print(const bearer_session_check_t *check,
                                       apr_pool_t *p);

/** What only the whole configuration shows: NULL, or why the URL may not be
 *  asked, with the mend. */
const char *bearer_session_check_error(const bearer_session_check_t *check,
                                       const apr_array_header_t *plain_http,
                                       apr_pool_t *p);

/** Appends a finding for each thing that looks like a mistake. */
void bearer_session_check_lint(apr_array_header_t *findings,
                               const bearer_session_check_t *check);

/** The field of the request that carries the credential, or goes with it. */
const char *bearer_session_check_field(const bearer_session_check_t *check);

/** 0: HEAD brings no body to read a subject from, and CONNECT and TRACE are no
 *  requests for an answer at all. */
int bearer_session_check_answers(const char *method);

/** Is it asked about cookies, not about tokens? */
int bearer_session_check_by_cookie(const bearer_session_check_t *check);
