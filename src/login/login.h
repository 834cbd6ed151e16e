/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file login.h
 * The relying party (OpenID Connect Core 1.0, authorization code with PKCE): sends a
 * browser to the issuer and processes its return, and sends requests to the issuer
 * for a session.
 *
 *   begin    -> URL of the issuer, and a sealed attempt for the browser
 *   response -> checks that the response belongs to the attempt; returns its code
 *   redeem   -> tokens; the judge checks the ID token (judge.h)
 *
 * login_request.c, login_attempt.c, login_response.c, login_tokens.c,
 * login_userinfo.c, login_step_up.c; what they share is in login_inside.h.
 *
 * Each attempt has its own state, nonce and PKCE verifier and its own cookie, so that
 * two tabs do not interfere. The server stores nothing. Thread-safe; everything is in
 * the caller's pool.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/budget.h"
#include "base/seal.h"
#include "judge/judge.h"
#include "trust/issuer.h"

/** Maximum duration of a login: as long as a provider's own login page. */
#define BEARER_LOGIN_LIFE apr_time_from_sec(1800)
/** Maximum number of pending logins of one browser. */
#define BEARER_LOGIN_ATTEMPTS 32
/** Number of characters of the state in the name of its cookie. */
#define BEARER_LOGIN_TAG 8
/** Maximum length of a code, a state or an error code, in bytes. */
#define BEARER_LOGIN_PARAMETER_MAX 4096
/** Maximum size of an issuer's response, in bytes. */
#define BEARER_LOGIN_ANSWER_MAX (64 * 1024)

/** Posts a form to an endpoint of the issuer with client authentication, like
 *  bearer_client_post() in client_auth.h. */
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
    int quiet;                     /**< begin a login only if that needs no request to
                                        the issuer */
    bearer_budget_t *pushes;       /**< limits all pushed requests to this issuer,
                                        whatever client causes them; NULL: no limit */
    int flying;                    /**< maximum number of concurrent pushed requests */
} bearer_login_t;

/** X(symbol): what an issuer says when it gives no tokens, as far as it matters to the
 *  person who signs in. The pages of browsers have a text for each. */
#define BEARER_SAYINGS(X) \
    X(DENIED)   /* the person, or the issuer about the person, does not want this */ \
    X(SILENT)   /* it needs the person, but was told not to ask */ \
    X(WEAK)     /* it cannot authenticate the person as was requested */ \
    X(TROUBLE)  /* not now */ \
    X(STATE)    /* the code is too old, or was used */ \
    X(CLIENT)   /* it does not accept this server as its client */ \
    X(PROOF)    /* it binds tokens to a key (DPoP) */ \
    X(REFUSED)  /* another standard error, which lasts */ \
    X(ERROR)    /* an error of its own */ \
    X(UNUSABLE) /* a response without what a login needs */

typedef struct bearer_said_t {
    enum {
        BEARER_SAID_NOTHING,
#define X(symbol) BEARER_SAID_##symbol,
        BEARER_SAYINGS(X)
#undef X
    } what;
    const char *code;              /**< a standard error code, a static string; or NULL */
} bearer_said_t;

/** One pending login. */
typedef struct bearer_attempt_t {
    const char *state, *nonce;     /**< digests of the verifier, so that the cookie is short */
    const char *verifier;          /**< random */
    const char *issuer;            /**< URL as configured */
    const char *target;            /**< path and query to return to */
    int elsewhere;                 /**< 1: target is only the part that fits; the caller
                                        keeps the whole */
    apr_time_t created;
    const apr_array_header_t *acr_values; /**< const char *, or NULL */
    apr_interval_time_t max_age;   /**< negative: not requested */
    bearer_said_t said;            /**< by the issuer, if a function below failed; not
                                        stored */
} bearer_attempt_t;

/** Checks a parameter (NAME=VALUE) that an administrator adds to the authorization
 *  request. Returns an error message, or NULL. Parameters that secure the login are
 *  refused. */
const char *bearer_login_parameter_error(const char *parameter, apr_pool_t *p);

/** The same for a parameter of the request to end_session_endpoint. Those that the module
 *  sends are refused. */
const char *bearer_logout_parameter_error(const char *parameter, apr_pool_t *p);

/**
 * Reads [acr=A,B] [max-age=TIME], of `Require authentication`.
 * @param parameters  result for bearer_login_suffices(), in p
 * @param words       const char *: of the line
 * @param from        index of the first one
 * @return NULL, or what is wrong with the line, in p
 */
const char *bearer_login_parse_required(const apr_array_header_t **parameters,
                                        const apr_array_header_t *words, int from,
                                        apr_pool_t *p);

/**
 * Checks whether the claims of a token suffice for a location that requires an
 * authentication with these parameters (acr_values, max_age). RFC 9470.
 * @param parameters  const char *, NAME=VALUE; or NULL
 * @return BEARER_OK or BEARER_ACR
 */
bearer_reason_t bearer_login_suffices(const apr_array_header_t *parameters,
                                      const json_t *claims, apr_time_t now,
                                      apr_interval_time_t skew,
                                      bearer_refusal_t *why, apr_pool_t *p);

/** Returns 1 if a login sends a pushed request to the issuer (AuthBearerPushed). */
int bearer_login_pushes(const bearer_login_t *login);

/**
 * Creates an authorization request. If bearer_login_pushes() and a request is permitted
 * now, the request is pushed (RFC 9126). If pushing is not permitted or the issuer
 * refuses it, and neither the issuer nor AuthBearerPushed requires it, the URL carries
 * the parameters.
 * @param attempt     also set after most failures, for `said`; else NULL
 * @param parameters  const char *, NAME=VALUE; or NULL
 * @param target      to return to; the caller has validated it
 * @return BEARER_OK, BEARER_LOGIN_ISSUER, BEARER_INTERNAL; if the request must be
 *         pushed: BEARER_THROTTLED (login->quiet), BEARER_LOGIN_LIMIT (login->pushes,
 *         or the gate is full)
 */
bearer_reason_t bearer_login_begin(bearer_attempt_t **attempt, const char **url,
                                   const bearer_login_t *login,
                                   const apr_array_header_t *parameters,
                                   const char *target, bearer_refusal_t *why,
                                   apr_pool_t *p);

/** Returns the attempt as a cookie's value, valid for this server only; NULL: failure. */
const char *bearer_attempt_seal(const bearer_attempt_t *attempt,
                                const bearer_seal_t *seal, const char *server,
                                const bearer_world_t *world, apr_pool_t *p);

/** Returns APR_SUCCESS; APR_NOTFOUND if this server did not seal it; APR_TIMEUP if
 *  it is too old. */
apr_status_t bearer_attempt_open(bearer_attempt_t **attempt, const char *value,
                                 const bearer_seal_t *seal, const char *server,
                                 const bearer_world_t *world, apr_pool_t *p);

/** Decodes the parameters of a query or a form. BEARER_LOGIN_RESPONSE if one
 *  occurs twice or is too long. text may be NULL. */
bearer_reason_t bearer_login_parse(apr_table_t **parameters, const char *text,
                                   bearer_refusal_t *why, apr_pool_t *p);

/**
 * Checks that this is the response to the attempt (RFC 6749 section 4.1.2, RFC 9207).
 * @param code  its code, if BEARER_OK
 * @return BEARER_OK, BEARER_LOGIN_STATE, BEARER_LOGIN_RESPONSE, BEARER_ISS,
 *         BEARER_LOGIN_DENIED (the user or the issuer refused), BEARER_LOGIN_ISSUER
 *         (the issuer has a problem)
 */
bearer_reason_t bearer_login_response(const char **code,
                                      bearer_attempt_t *attempt,
                                      const apr_table_t *parameters,
                                      const bearer_metadata_t *metadata,
                                      bearer_refusal_t *why, apr_pool_t *p);

typedef struct bearer_tokens_t {
    const char *id_token;          /**< NULL only after a refresh */
    const char *access_token;      /**< or NULL */
    const char *refresh_token;     /**< or NULL */
    const char *scope;             /**< or NULL */
    apr_time_t access_expires;     /**< 0: not stated */
} bearer_tokens_t;

/** Sends the token request. Returns BEARER_OK, BEARER_LOGIN_RESPONSE (the code was
 *  refused) or BEARER_LOGIN_ISSUER. */
bearer_reason_t bearer_login_redeem(bearer_tokens_t *tokens,
                                    const bearer_login_t *login,
                                    bearer_attempt_t *attempt,
                                    const char *code, bearer_refusal_t *why,
                                    apr_pool_t *p);

/** Refreshes tokens. Returns BEARER_OK; BEARER_INACTIVE if the issuer ended the
 *  grant (invalid_grant); BEARER_LOGIN_ISSUER if there is no usable response, and
 *  a retry makes sense. */
bearer_reason_t bearer_login_refresh(bearer_tokens_t *tokens,
                                     const bearer_login_t *login,
                                     const char *refresh_token,
                                     bearer_refusal_t *why, apr_pool_t *p);

/** Claims that are never taken from userinfo, and NULL: they are about the token, the
 *  issuer, the authentication or the permissions of the client. */
extern const char *const bearer_login_bound[];
/** Returns 1 if it is one of them. */
int bearer_login_binds(const char *name);

/**
 * Gets the userinfo endpoint's claims about sub (OpenID Connect Core section 5.3),
 * without members that are null or that bearer_login_merge() ignores.
 * @param claims  NULL: there is no endpoint or no access token, or the response is
 *                about another user, and why->detail says so
 * @param j       prepared for a signed response, with expected->issuer; NULL: a signed
 *                response cannot be used
 * @return BEARER_OK; BEARER_INACTIVE: the endpoint answered 401 or 403;
 *         BEARER_LOGIN_ISSUER: there is no usable response
 */
bearer_reason_t bearer_login_userinfo(json_t **claims,
                                      const bearer_login_t *login,
                                      const char *access_token, const char *sub,
                                      bearer_judgement_t *j,
                                      bearer_refusal_t *why, apr_pool_t *p);

/** Merges the claims of an ID token with those of userinfo, which may be NULL, into a
 *  new object. The ID token's claims take precedence. Claims about the token, the
 *  issuer or the authentication are never taken from userinfo. email_verified counts
 *  only for the address of its own source. NULL: no memory. */
json_t *bearer_login_merge(const json_t *id_token, const json_t *userinfo,
                           apr_pool_t *p);

/** Returns the URL for signing out with the issuer, or NULL if it has no such endpoint.
 *  @param parameters  further ones: const char *, NAME=VALUE; or NULL */
const char *bearer_login_end_session(const bearer_login_t *login,
                                     const char *id_token, const char *back_to,
                                     const apr_array_header_t *parameters,
                                     apr_pool_t *p);

/** Revokes a token (RFC 7009). Returns BEARER_OK also if the issuer has no
 *  endpoint. hint: "refresh_token" or "access_token". */
bearer_reason_t bearer_login_revoke(const bearer_login_t *login,
                                    const char *token, const char *hint,
                                    bearer_refusal_t *why, apr_pool_t *p);
