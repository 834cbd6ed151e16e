/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file login_inside.h
 * What the rooms of the relying party share (login_request.c, login_attempt.c,
 * login_response.c, login_tokens.c, login_userinfo.c, login_step_up.c), and
 * nobody else: small encodings, and one way to ask the issuer and to say that
 * its answer was of no use. Thread-safe; everything in the caller's pool.
 */
#pragma once

#include "login/login.h"

/** A new attempt with state, nonce and verifier of its own; NULL: no random
 *  bytes. */
bearer_attempt_t *bearer_attempt_new(const bearer_login_t *login,
                                     const char *target, apr_pool_t *p);

/** RFC 6749 section 3.1: an endpoint may have a query of its own. */
const char *bearer_login_with_query(const char *url, const apr_table_t *t,
                                    apr_pool_t *p);

/**
 * Posts a form and reads the answer.
 * @param answer  NULL: it is no JSON object
 * @param status  0: none came, and error says why
 */
apr_status_t bearer_login_ask(json_t **answer, int *status,
                              const bearer_login_t *login, const char *endpoint,
                              const apr_table_t *form, const char **error,
                              apr_pool_t *p);

/** An error code (RFC 6749 section 5.2) to compare, "" for none. */
const char *bearer_login_error_of(const json_t *answer);

/** BEARER_LOGIN_ISSUER: what could not be done, and what the issuer said. */
bearer_reason_t bearer_login_no_use(const json_t *answer, int status,
                                    const char *error, const char *what,
                                    bearer_refusal_t *why, apr_pool_t *p);
