/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file login.h
 * The relying party (OpenID Connect Core 1.0, authorization code with PKCE): the
 * way of a browser to the issuer and back, and what is asked of the issuer on
 * behalf of a session.
 *
 *   begin    -> URL of the issuer, and an attempt that the browser keeps sealed
 *   response -> is this the answer to that attempt? its code
 *   redeem   -> tokens; the ID token is the judge's matter (judge.h)
 *
 * login_request.c, login_attempt.c, login_response.c, login_tokens.c,
 * login_userinfo.c, login_step_up.c; what they share is in login_inside.h.
 *
 * Each attempt has its own state, nonce and PKCE verifier and is kept apart from
 * others, so that two tabs do not disturb each other. Nothing is kept on the
 * server. Thread-safe; everything in the caller's pool.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/budget.h"
#include "base/seal.h"
#include "judge/judge.h"
#include "trust/issuer.h"

/** A login takes at most so long. */
#define BEARER_LOGIN_LIFE apr_time_from_sec(600)
/** So many logins of one browser may be under way. */
#define BEARER_LOGIN_ATTEMPTS 5
/** Characters of the state that name its cookie. */
#define BEARER_LOGIN_TAG 8
/** A code, a state or an error code is at most so long. */
#define BEARER_LOGIN_PARAMETER_MAX 4096
/** An answer of the issuer is at most so long. */
#define BEARER_LOGIN_ANSWER_MAX (64 * 1024)

/** Posts a form to an endpoint of the issuer with the client's authentication;
 *  as bearer_client_post of client_auth.h does. */
typedef apr_status_t (*bearer_login_post_fn)(void *baton,
                                             bearer_http_response_t **response,
                                             const char *endpoint,
                                             const apr_table_t *form,
                                             const char **error, apr_pool_t *p);

/** This server as a client of one issuer. */
typedef struct bearer_login_t {
    const bearer_issuer_access_t *access;
    const bearer_metadata_t *metadata;
    const char *redirect_uri;
    bearer_login_post_fn post;
    void *post_baton;
    int quiet;                     /**< a login begins without asking the issuer
                                        anything, or not at all */
    bearer_budget_t *pushes;       /**< of all requests that are pushed to this
                                        issuer, whoever causes them; NULL: no bound */
    int flying;                    /**< so many of them may be under way */
} bearer_login_t;

/** One login under way. */
typedef struct bearer_attempt_t {
    const char *state, *nonce, *verifier;
    const char *issuer;            /**< URL as configured */
    const char *target;            /**< path and query to come back to */
    apr_time_t created;
    const apr_array_header_t *acr_values; /**< const char *, or NULL */
    apr_interval_time_t max_age;   /**< below 0: not asked for */
} bearer_attempt_t;

/** What is wrong with a parameter (NAME=VALUE) that an administrator wants in
 *  the authorization request, or NULL: those that make it safe are not his. */
const char *bearer_login_parameter_error(const char *parameter, apr_pool_t *p);

/**
 * Are claims, of an ID token that was judged when it came, good enough for a place
 * whose logins have these parameters (acr_values, max_age)? RFC 9470.
 * @param parameters  const char *, NAME=VALUE; or NULL
 * @return BEARER_OK or BEARER_ACR
 */
bearer_reason_t bearer_login_suffices(const apr_array_header_t *parameters,
                                      const json_t *claims, apr_time_t now,
                                      apr_interval_time_t skew,
                                      bearer_refusal_t *why, apr_pool_t *p);

/**
 * An authorization request; by a pushed request (RFC 9126) where the issuer has
 * an endpoint for it and it may be asked now, and the plain way where the issuer
 * only offers to be pushed to.
 * @param parameters  const char *, NAME=VALUE; or NULL
 * @param target      to come back to; validated by the caller
 * @return BEARER_OK, BEARER_LOGIN_ISSUER, BEARER_INTERNAL; where it would have to
 *         be pushed: BEARER_THROTTLED (login->quiet), BEARER_LOGIN_LIMIT
 *         (login->pushes, or the gate is full)
 */
bearer_reason_t bearer_login_begin(bearer_attempt_t **attempt, const char **url,
                                   const bearer_login_t *login,
                                   const apr_array_header_t *parameters,
                                   const char *target, bearer_refusal_t *why,
                                   apr_pool_t *p);

/** As a cookie's value, good for this server only; NULL: it failed. */
const char *bearer_attempt_seal(const bearer_attempt_t *attempt,
                                const bearer_seal_t *seal, const char *server,
                                const bearer_world_t *world, apr_pool_t *p);

/** APR_SUCCESS; APR_NOTFOUND: not of ours; APR_TIMEUP: too old. */
apr_status_t bearer_attempt_open(bearer_attempt_t **attempt, const char *value,
                                 const bearer_seal_t *seal, const char *server,
                                 const bearer_world_t *world, apr_pool_t *p);

/** The parameters of a query or a form, decoded. BEARER_LOGIN_RESPONSE when one
 *  stands there twice or is too long. text may be NULL. */
bearer_reason_t bearer_login_parse(apr_table_t **parameters, const char *text,
                                   bearer_refusal_t *why, apr_pool_t *p);

/**
 * Is this the answer to the attempt (RFC 6749 section 4.1.2, RFC 9207)?
 * @param code  its code, when BEARER_OK
 * @return also BEARER_LOGIN_STATE, BEARER_LOGIN_RESPONSE, BEARER_ISS,
 *         BEARER_LOGIN_DENIED (the user or the issuer said no),
 *         BEARER_LOGIN_ISSUER (it is in trouble)
 */
bearer_reason_t bearer_login_response(const char **code,
                                      const bearer_attempt_t *attempt,
                                      const apr_table_t *parameters,
                                      const bearer_metadata_t *metadata,
                                      bearer_refusal_t *why, apr_pool_t *p);

typedef struct bearer_tokens_t {
    const char *id_token;          /**< NULL only after a refresh */
    const char *access_token;      /**< or NULL */
    const char *refresh_token;     /**< or NULL */
    const char *scope;             /**< or NULL */
    apr_time_t access_expires;     /**< 0: not said */
} bearer_tokens_t;

/** The token request. BEARER_OK, BEARER_LOGIN_RESPONSE (the code was refused),
 *  BEARER_LOGIN_ISSUER. */
bearer_reason_t bearer_login_redeem(bearer_tokens_t *tokens,
                                    const bearer_login_t *login,
                                    const bearer_attempt_t *attempt,
                                    const char *code, bearer_refusal_t *why,
                                    apr_pool_t *p);

/** BEARER_OK; BEARER_INACTIVE: the issuer ended it (invalid_grant);
 *  BEARER_LOGIN_ISSUER: no usable answer, it may be tried again. */
bearer_reason_t bearer_login_refresh(bearer_tokens_t *tokens,
                                     const bearer_login_t *login,
                                     const char *refresh_token,
                                     bearer_refusal_t *why, apr_pool_t *p);

/** Claims of the userinfo endpoint about sub; NULL: none. */
bearer_reason_t bearer_login_userinfo(json_t **claims,
                                      const bearer_login_t *login,
                                      const char *access_token, const char *sub,
                                      bearer_refusal_t *why, apr_pool_t *p);

/** Adds what userinfo says to the claims of an ID token, which count first, in a
 *  new object; what the token itself is about is never replaced or added. */
json_t *bearer_login_merge(const json_t *id_token, const json_t *userinfo,
                           apr_pool_t *p);

/** Where a browser signs out at the issuer, or NULL: it has no such place. */
const char *bearer_login_end_session(const bearer_login_t *login,
                                     const char *id_token,
                                     const char *back_to, apr_pool_t *p);

/** RFC 7009. BEARER_OK also where the issuer has no endpoint. hint:
 *  "refresh_token" or "access_token". */
bearer_reason_t bearer_login_revoke(const bearer_login_t *login,
                                    const char *token, const char *hint,
                                    bearer_refusal_t *why, apr_pool_t *p);
