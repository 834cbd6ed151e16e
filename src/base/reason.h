/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file reason.h
 * Why a credential was refused: one enum for the whole product.
 *
 * A reason is the check that failed. It belongs to a category. The client learns only
 * the category; the reason and its detail are for the administrator's log. The row of a
 * category has its HTTP status; answer.c of the glue has what a page says with it.
 *
 * To add a reason, add a row to BEARER_REASONS and its number to messages.txt. To add
 * a category, add a row to BEARER_CATEGORIES. A new status needs its ANSWER_ in
 * answer.c, which does not compile without it.
 */
#pragma once

#include <apr_pools.h>

#include "base/message.h"

/**
 * X(symbol, name, status, challenge, error, description, counted)
 *     name         BEARER_ERROR, the word in the log and in metrics
 *     status       of the HTTP response; 0: no refusal
 *     challenge    1: WWW-Authenticate is sent
 *     error        RFC 6750 section 3.1, RFC 9449 section 7.1 error code; NULL: none is sent
 *     description  error_description for the client (only %x20-21/23-5B/5D-7E)
 *     counted      1: the throttle counts this failure
 */
#define BEARER_CATEGORIES(X) \
    X(OK, "ok", 0, 0, NULL, NULL, 0) \
    X(NO_CREDENTIAL, "no_credential", 401, 1, NULL, NULL, 0) \
    X(REQUEST, "request", 400, 1, "invalid_request", \
      "The request must contain exactly one well-formed token", 1) \
    X(MALFORMED, "malformed", 401, 1, "invalid_token", "The token is malformed", 1) \
    X(ALGORITHM, "algorithm", 401, 1, "invalid_token", \
      "The token's algorithm is not accepted", 1) \
    X(KEY, "key", 401, 1, "invalid_token", "The token's key is unknown", 1) \
    X(SIGNATURE, "signature", 401, 1, "invalid_token", "The token's signature is not valid", 1) \
    X(ISSUER, "issuer", 401, 1, "invalid_token", "The token's issuer is not accepted", 1) \
    X(TYPE, "type", 401, 1, "invalid_token", "The token is not an access token", 1) \
    X(CLIENT, "client", 401, 1, "invalid_token", "The token's client is not accepted", 1) \
    X(IDENTIFIER, "identifier", 401, 1, "invalid_token", \
      "The token's identifier is not accepted", 1) \
    X(INACTIVE, "inactive", 401, 1, "invalid_token", "The token is not active", 1) \
    X(REVOKED, "revoked", 401, 1, "invalid_token", "The token was revoked", 1) \
    X(EXPIRED, "expired", 401, 1, "invalid_token", "The token has expired", 0) \
    X(NOT_YET_VALID, "not_yet_valid", 401, 1, "invalid_token", "The token is not valid yet", 0) \
    X(AGE, "age", 401, 1, "invalid_token", "The token is too old", 0) \
    X(AUDIENCE, "audience", 401, 1, "invalid_token", \
      "The token is for another audience", 0) \
    X(AUTHENTICATION, "authentication", 401, 1, "insufficient_user_authentication", \
      "A different authentication is required", 0) \
    X(PROOF, "proof", 401, 1, "invalid_dpop_proof", "The DPoP proof is not valid", 1) \
    X(PROOF_TIME, "proof_time", 401, 1, "invalid_dpop_proof", \
      "The DPoP proof is not recent", 0) \
    X(PROOF_NONCE, "proof_nonce", 401, 1, "use_dpop_nonce", \
      "A nonce from this server is needed in the DPoP proof", 0) \
    X(BINDING, "binding", 401, 1, "invalid_token", \
      "The token is not bound to a key, or the key was not proven", 1) \
    X(SCOPE, "scope", 403, 1, "insufficient_scope", "The token lacks a required scope", 0) \
    X(REQUIRE, "require", 403, 0, NULL, NULL, 0) \
    X(CROSS_SITE, "cross_site", 403, 0, NULL, NULL, 0) \
    X(SESSION_INSUFFICIENT, "session_insufficient", 403, 0, NULL, NULL, 0) \
    X(THROTTLED, "throttled", 429, 0, NULL, NULL, 0) \
    X(UNAVAILABLE, "unavailable", 503, 0, NULL, NULL, 0) \
    X(MISDIRECTED, "misdirected", 421, 0, NULL, NULL, 0) \
    X(MISCONFIGURED, "misconfigured", 500, 0, NULL, NULL, 0)

typedef enum {
#define X(symbol, name, status, challenge, error, description, counted) \
    BEARER_CATEGORY_##symbol,
    BEARER_CATEGORIES(X)
#undef X
    BEARER_CATEGORY_COUNT
} bearer_category_t;

/**
 * X(number, symbol, name, category)
 *     number  number of the log line about the refusal: message.h
 *     name    BEARER_ERROR_CHECK: the check that failed
 */
#define BEARER_REASONS(X) \
    X(0001, OK, "ok", OK) \
    /* check 1: the credential */ \
    X(0002, NO_CREDENTIAL, "no_credential", NO_CREDENTIAL) \
    X(0003, CREDENTIAL_SYNTAX, "credential_syntax", REQUEST) \
    X(0004, CREDENTIAL_COUNT, "credential_count", REQUEST) \
    /* check 2: size, segments, base64url, JSON */ \
    X(0005, SIZE, "size", MALFORMED) \
    X(0006, SEGMENTS, "segments", MALFORMED) \
    X(0007, BASE64URL, "base64url", MALFORMED) \
    X(0008, JSON, "json", MALFORMED) \
    /* check 3: header */ \
    X(0009, ALG, "alg", ALGORITHM) \
    X(0010, CRIT, "crit", MALFORMED) \
    X(0011, B64, "b64", MALFORMED) \
    X(0012, HEADER, "header", MALFORMED) \
    /* checks 4 to 7: kid, issuer, key, signature */ \
    X(0013, KID, "kid", KEY) \
    X(0014, ISS, "iss", ISSUER) \
    X(0015, KEYS, "keys", UNAVAILABLE) \
    X(0016, KEY, "key", KEY) \
    X(0017, SIGNATURE, "signature", SIGNATURE) \
    /* check 8: claims */ \
    X(0018, TENANT, "tenant", ISSUER) \
    X(0019, AUD, "aud", AUDIENCE) \
    X(0020, AUD_TYPE, "aud_type", MALFORMED) \
    X(0021, EXP, "exp", EXPIRED) \
    X(0022, EXP_TYPE, "exp_type", MALFORMED) \
    X(0023, NBF, "nbf", NOT_YET_VALID) \
    X(0024, NBF_TYPE, "nbf_type", MALFORMED) \
    X(0025, IAT, "iat", NOT_YET_VALID) \
    X(0026, IAT_TYPE, "iat_type", MALFORMED) \
    X(0027, AGE, "age", AGE) \
    X(0028, USER_CLAIM, "user_claim", IDENTIFIER) \
    X(0029, PROFILE, "profile", TYPE) \
    /* check 9: only access tokens */ \
    X(0030, TYPE, "type", TYPE) \
    X(0031, ID_TOKEN, "id_token", TYPE) \
    /* checks 10 to 12 */ \
    X(0032, AZP, "azp", CLIENT) \
    X(0033, CLIENTS, "clients", CLIENT) \
    X(0034, REVOKED, "revoked", REVOKED) \
    X(0035, REVOCATION_LIST, "revocation_list", UNAVAILABLE) \
    X(0036, IDENTIFIER, "identifier", IDENTIFIER) \
    /* issuer chain, introspection, session checks */ \
    X(0037, CHAIN, "chain", ISSUER) \
    X(0038, INACTIVE, "inactive", INACTIVE) \
    X(0039, INTROSPECTION, "introspection", UNAVAILABLE) \
    X(0040, SESSION_CHECK, "session_check", UNAVAILABLE) \
    X(0041, SESSION_DENIED, "session_denied", INACTIVE) \
    X(0042, SESSION_LIMIT, "session_limit", THROTTLED) \
    /* browsers: the login and its ID token, the session */ \
    X(0043, LOGIN_STATE, "login_state", REQUEST) \
    X(0044, LOGIN_RESPONSE, "login_response", REQUEST) \
    X(0045, LOGIN_DENIED, "login_denied", REQUIRE) \
    X(0046, LOGIN_LOOP, "login_loop", REQUIRE) \
    X(0047, LOGIN_ISSUER, "login_issuer", UNAVAILABLE) \
    X(0048, LOGIN_LIMIT, "login_limit", UNAVAILABLE) \
    X(0049, NONCE, "nonce", MALFORMED) \
    X(0050, AT_HASH, "at_hash", MALFORMED) \
    X(0051, ACR, "acr", AUTHENTICATION) \
    X(0052, LOGOUT_TOKEN, "logout_token", TYPE) \
    X(0053, SESSION_USER, "session_user", REQUIRE) \
    X(0054, SESSION_STORE, "session_store", UNAVAILABLE) \
    X(0055, SESSION_SIZE, "session_size", MISCONFIGURED) \
    /* throttling and authorization */ \
    X(0056, THROTTLED, "throttled", THROTTLED) \
    X(0057, CROSS_SITE, "cross_site", CROSS_SITE) \
    X(0058, SCOPE, "scope", SCOPE) \
    X(0059, REQUIRE, "require", REQUIRE) \
    X(0060, CONFIGURATION, "configuration", MISCONFIGURED) \
    X(0061, INTERNAL, "internal", UNAVAILABLE) \
    X(0062, SESSION_INSUFFICIENT, "session_insufficient", SESSION_INSUFFICIENT) \
    X(0063, SIGNATURE_REMOVED, "signature_removed", SIGNATURE) \
    X(0064, MISDIRECTED, "misdirected", MISDIRECTED) \
    X(0065, LOGIN_WEAK, "login_weak", REQUIRE) \
    /* proof of possession */ \
    X(0066, PROOF, "proof", PROOF) \
    X(0067, PROOF_REQUEST, "proof_request", PROOF) \
    X(0068, PROOF_TIME, "proof_time", PROOF_TIME) \
    X(0069, PROOF_REPLAY, "proof_replay", PROOF) \
    X(0070, PROOF_NONCE, "proof_nonce", PROOF_NONCE) \
    X(0071, PROOF_MEMORY, "proof_memory", UNAVAILABLE) \
    X(0072, BINDING, "binding", BINDING)

typedef enum {
#define X(number, symbol, name, category) BEARER_##symbol,
    BEARER_REASONS(X)
#undef X
    BEARER_REASON_COUNT
} bearer_reason_t;

/** A refusal: the check, and for the log what was found, what was expected, and
 *  what to change. */
typedef struct bearer_refusal_t {
    bearer_reason_t reason;
    /** One sentence for the log: printable ASCII, bounded, never a token, a secret
     *  or raw client bytes. NULL if reason is BEARER_OK. */
    const char *detail;
} bearer_refusal_t;

/** Returns the name of the check, e.g. "aud". Static string, never NULL. */
const char *bearer_reason_name(bearer_reason_t reason);

/** Returns the start of a log line about this refusal, e.g. `AB0019: `. */
const char *bearer_reason_number(bearer_reason_t reason);

/** Returns the category of a reason. */
bearer_category_t bearer_reason_category(bearer_reason_t reason);

/** A row of BEARER_CATEGORIES; its strings are static. */
typedef struct bearer_category_row_t {
    const char *name;         /**< e.g. "audience"; never NULL */
    const char *error;        /**< RFC 6750 section 3.1, RFC 9449 section 7.1, or NULL */
    const char *description;  /**< or NULL */
    int status;               /**< of the HTTP response; 0: no refusal */
    int counted;
} bearer_category_row_t;

/** Returns the row of a category, never NULL; for an invalid value, the row `unavailable`. */
const bearer_category_row_t *bearer_category(bearer_category_t category);

/**
 * Records a refusal and returns its reason, so that a check can write `return
 * bearer_refuse(why, p, BEARER_AUD, "audience %s is not ...", ...)`. The caller must
 * pass values from a client or an issuer through bearer_text_quote().
 * @param why  filled; may be NULL if the caller does not want the detail
 * @param p    lifetime of the detail
 */
bearer_reason_t bearer_refuse(bearer_refusal_t *why, apr_pool_t *p,
                              bearer_reason_t reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
