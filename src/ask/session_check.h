/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_check.h
 * Asks a session service who the caller is (AuthBearerSessionCheck, see
 * trust/session_check_line.h): builds the request for a client's request, and
 * evaluates the response. For services that take a session cookie or a session token
 * as it is (sessions/whoami of Ory Kratos, a userinfo endpoint). For introspection
 * endpoints see introspect.h.
 *
 * The request always goes to the configured server. Of the client's input, only a
 * path, a query and the value of a header can become part of it, and only if the line
 * says so.
 *
 * The asker is thread-safe; one per process.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/flight.h"
#include "base/http.h"
#include "base/reason.h"
#include "judge/principal.h"
#include "trust/session_check_line.h"

/* ---- the question -------------------------------------------------------- */

/** Returns the part of a Cookie field for the session service, or NULL: the check
 *  does not apply to these cookies, or to cookies at all. field may be NULL. */
const char *bearer_session_check_cookies(const bearer_session_check_t *check,
                                         const char *field, apr_pool_t *p);

/** Returns 1 if the check applies to this token. */
int bearer_session_check_takes(const bearer_session_check_t *check,
                               const char *token, apr_size_t len);

/** The relevant parts of a client's request; all must outlive the question. */
typedef struct bearer_session_question_t {
    const bearer_session_check_t *check;
    const bearer_settings_t *settings; /**< resolved: timeouts, and how a principal is built */
    const unsigned char *policy;       /**< 32 bytes that differ if a judgement may differ */
    const char *method;                /**< the client's */
    const char *path;                  /**< escaped, beginning with `/` */
    const char *query;                 /**< or NULL */
    const char *host;                  /**< its Host field, or NULL */
    const apr_table_t *headers;        /**< all of its header fields */
    const char *credential;            /**< the token, or the cookies from
                                            bearer_session_check_cookies() */
    /* ---- filled by bearer_session_question_prepare ---- */
    bearer_http_request_t request;
    unsigned char key[BEARER_CACHE_KEY_SIZE]; /**< equal for questions that have the same
                                                   answer */
    int keyed;                         /**< 0: the key could not be computed */
} bearer_session_question_t;

/** Builds the request and the cache key; what they refer to is in p. */
void bearer_session_question_prepare(bearer_session_question_t *question,
                                     apr_pool_t *p);

/* ---- the asker ------------------------------------------------------------ */

typedef struct bearer_session_asker_t bearer_session_asker_t;

/** @param cache  NULL: answers are not cached
 *  @param p      the process's pool; world and cache must live as long */
apr_status_t bearer_session_asker_create(bearer_session_asker_t **asker,
                                         const bearer_world_t *world,
                                         const bearer_cache_t *cache,
                                         apr_pool_t *p);

/** The result of a question. */
typedef struct bearer_session_result_t {
    bearer_reason_t reason;
    const bearer_principal_t *principal; /**< when BEARER_OK */
    unsigned retry;                      /**< seconds, if the session service named a time */
} bearer_session_result_t;

/**
 * Sends a request to the session service, or takes a cached answer.
 * @param question  prepared
 * @param why       filled unless the result is BEARER_OK: BEARER_SESSION_DENIED,
 *                  BEARER_SESSION_INSUFFICIENT (the session is valid, but e.g. a second
 *                  factor is missing), BEARER_SESSION_LIMIT (the service limits requests),
 *                  BEARER_SESSION_CHECK (no usable response) or BEARER_INTERNAL
 */
void bearer_session_ask(bearer_session_asker_t *asker,
                        const bearer_session_question_t *question,
                        bearer_session_result_t *result, bearer_refusal_t *why,
                        apr_pool_t *p);
