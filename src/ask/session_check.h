/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_check.h
 * Asking a session store who the caller is (AuthBearerSessionCheck, see
 * trust/session_check_line.h): what is asked of the store for a client's request,
 * and what its answer is worth. For stores that take a session cookie or a
 * session token as they are (Ory Kratos' sessions/whoami, a userinfo endpoint);
 * an introspection endpoint is another room's (introspect.h).
 *
 * The address that is asked is always the configured one: of what a client sends
 * nothing but a path, a query and the value of a field may become part of the
 * question, and only where the line says so.
 *
 * The asker is thread-safe, one per process.
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

/** The part of a Cookie field that goes to the store, or NULL: the check is not
 *  responsible for these cookies, or for cookies at all. field may be NULL. */
const char *bearer_session_check_cookies(const bearer_session_check_t *check,
                                         const char *field, apr_pool_t *p);

/** Is the check responsible for this token? */
int bearer_session_check_takes(const bearer_session_check_t *check,
                               const char *token, apr_size_t len);

/** A client's request as far as it matters; all outlives the question. */
typedef struct bearer_session_question_t {
    const bearer_session_check_t *check;
    const bearer_settings_t *settings; /**< resolved; whom to ask how long, and
                                            what a principal is made by */
    const unsigned char *policy;       /**< 32 bytes that differ wherever a
                                            judgement may differ */
    const char *method;                /**< the client's */
    const char *path;                  /**< escaped, beginning with `/` */
    const char *query;                 /**< or NULL */
    const char *host;                  /**< its Host field, or NULL */
    const apr_table_t *headers;        /**< all of its fields */
    const char *credential;            /**< the token, or the cookies as
                                            bearer_session_check_cookies gave them */
    /* ---- filled by bearer_session_question_prepare ---- */
    bearer_http_request_t request;
    unsigned char key[BEARER_CACHE_KEY_SIZE]; /**< the same for questions that
                                            have the same answer */
    int keyed;                         /**< 0: the key could not be made */
} bearer_session_question_t;

void bearer_session_question_prepare(bearer_session_question_t *question,
                                     apr_pool_t *p);

/* ---- asking --------------------------------------------------------------- */

typedef struct bearer_session_asker_t bearer_session_asker_t;

/** @param cache  NULL: no answer is kept
 *  @param p      the process's pool; the others live as long */
apr_status_t bearer_session_asker_create(bearer_session_asker_t **asker,
                                         const bearer_world_t *world,
                                         const bearer_cache_t *cache,
                                         apr_pool_t *p);

/** What came of a question. */
typedef struct bearer_session_result_t {
    bearer_reason_t reason;
    const bearer_principal_t *principal; /**< when BEARER_OK */
    unsigned retry;                      /**< seconds, where the store said so */
} bearer_session_result_t;

/**
 * Asks, or takes what was kept.
 * @param question  prepared
 * @param why       filled unless the result is BEARER_OK: BEARER_SESSION_DENIED,
 *                  BEARER_SESSION_LIMIT (it wants to be left alone),
 *                  BEARER_SESSION_CHECK (no answer that can be used) or
 *                  BEARER_INTERNAL
 */
void bearer_session_ask(bearer_session_asker_t *asker,
                        const bearer_session_question_t *question,
                        bearer_session_result_t *result, bearer_refusal_t *why,
                        apr_pool_t *p);
