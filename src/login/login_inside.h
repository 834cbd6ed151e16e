/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file login_inside.h
 * Shared by login_request.c, login_attempt.c, login_response.c, login_tokens.c,
 * login_userinfo.c and login_step_up.c only: small encodings, one way to send a
 * request to the issuer, and one way to report an unusable response. Thread-safe;
 * everything is in the caller's pool.
 */
#pragma once

#include "login/login.h"

/** Creates an attempt with a new state, nonce and verifier; NULL: no random bytes. */
bearer_attempt_t *bearer_attempt_new(const bearer_login_t *login,
                                     const char *target, apr_pool_t *p);

/** Adds NAME=VALUE to a table; returns NAME. */
const char *bearer_login_add(apr_table_t *t, const char *parameter, const char **value,
                             apr_pool_t *p);

/** Adds parameters to a URL. An endpoint may already have a query (RFC 6749 section 3.1). */
const char *bearer_login_with_query(const char *url, const apr_table_t *t,
                                    apr_pool_t *p);

/**
 * Posts a form and reads the response.
 * @param answer  NULL: the response is not a JSON object
 * @param status  0: there was no response, and error says why
 */
apr_status_t bearer_login_ask(json_t **answer, int *status,
                              const bearer_login_t *login, const char *endpoint,
                              const apr_table_t *form, const char **error,
                              apr_pool_t *p);

/** Returns an error code (RFC 6749 section 5.2) for comparison, "" if there is none. */
const char *bearer_login_error_of(const json_t *answer);

/** Sets *said to what an error code means. Returns the reason for a login that ends with
 *  it. */
bearer_reason_t bearer_login_understand(bearer_said_t *said, const char *code);

/** Returns BEARER_LOGIN_ISSUER; why says what failed and what the issuer answered. */
bearer_reason_t bearer_login_no_use(bearer_said_t *said, const json_t *answer, int status,
                                    const char *error, const char *what,
                                    bearer_refusal_t *why, apr_pool_t *p);
