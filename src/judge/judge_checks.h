/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file judge_checks.h
 * The rows of the judge's table, one function each, in judge_token.c, judge_claims.c,
 * judge_kind.c and judge_login.c; for these and judge.c only. Each function returns
 * BEARER_OK, or fills j->why and returns the reason.
 */
#pragma once

#include "judge/judge.h"

/**
 * X(number, name, directive, on, needs, gives, function)
 *     number     number in docs/architecture.md
 *     directive  the directive to change, or NULL
 *     on         what it judges, as named in judge.c
 *     needs      HAS(...): required to run
 *     gives      HAS(...): known after it has passed
 *     function   the suffix of bearer_check_...()
 *
 * Cheap and local checks come first. The tenant is checked before its keys are fetched:
 * a client must not choose whose keys are fetched.
 */
#define BEARER_CHECKS(X) \
    X(1, "credential", NULL, SIGNED, 0, 0, credential) \
    X(2, "envelope", NULL, SIGNED, 0, HAS(JWS), envelope) \
    X(2, "payload", NULL, SIGNED, HAS(JWS), HAS(CLAIMS), payload) \
    X(3, "header", "AuthBearerAlgorithms", SIGNED, HAS(JWS), HAS(ALG), header) \
    X(4, "kid", NULL, SIGNED, HAS(JWS), HAS(KID), kid) \
    X(5, "issuer", "AuthBearerIssuer", JWT, HAS(CLAIMS), HAS(ISSUER), issuer) \
    X(5, "login issuer", "AuthBearerLoginIssuer", LOGIN, HAS(CLAIMS), HAS(ISSUER), login_issuer) \
    X(5, "tenant", "AuthBearerTenants", SIGNED, HAS(ISSUER), 0, tenant) \
    X(6, "algorithm", "AuthBearerAlgorithms", SIGNED, HAS(ISSUER) | HAS(ALG), 0, algorithm) \
    X(6, "key", "AuthBearerKeys", SIGNED, HAS(ISSUER) | HAS(ALG) | HAS(KID), HAS(KEY), key) \
    X(7, "signature", NULL, SIGNED, HAS(KEY), 0, signature) \
    X(8, "issuer", "AuthBearerIssuer", CLAIMS, HAS(CLAIMS), 0, iss) \
    X(8, "tenant", "AuthBearerTenants", CLAIMS, HAS(CLAIMS), 0, tenant) \
    X(8, "audience", "AuthBearerAudience", BOTH, HAS(CLAIMS), 0, audience) \
    X(8, "client audience", "AuthBearerClientID", LOGIN, HAS(CLAIMS), 0, own_audience) \
    X(8, "authorized party", "AuthBearerClientID", ID, HAS(CLAIMS), 0, own_azp) \
    X(8, "expiry", "AuthBearerClockSkew", ALL, HAS(CLAIMS), 0, exp) \
    X(8, "not before", "AuthBearerClockSkew", ALL, HAS(CLAIMS), 0, nbf) \
    X(8, "issued at", "AuthBearerClockSkew", ALL, HAS(CLAIMS), 0, iat) \
    X(8, "issued recently", "AuthBearerClockSkew", EVENT, HAS(CLAIMS), 0, recent) \
    X(8, "age", "AuthBearerMaxTokenAge", BOTH, HAS(CLAIMS), 0, age) \
    X(8, "user claim", "AuthBearerUserClaim", BOTH, HAS(CLAIMS), 0, user_claim) \
    X(8, "profile", "AuthBearerTokenProfile", BOTH, HAS(CLAIMS), 0, profile) \
    X(8, "subject", NULL, ID, HAS(CLAIMS), 0, subject) \
    X(8, "nonce", NULL, ID, HAS(CLAIMS), 0, nonce) \
    X(8, "access token hash", NULL, ID, HAS(CLAIMS) | HAS(ALG), 0, at_hash) \
    X(8, "authentication", "AuthBearerLogin", ID, HAS(CLAIMS), 0, authentication) \
    X(9, "login token", NULL, EVENT, HAS(CLAIMS), 0, login_type) \
    X(9, "logout", NULL, LOGOUT, HAS(CLAIMS), 0, logout) \
    X(9, "access token", "AuthBearerIDTokens", BOTH, HAS(CLAIMS), 0, type) \
    X(9, "ID token", "AuthBearerIDTokens", BOTH, HAS(CLAIMS), 0, id_token) \
    X(10, "calling client", "AuthBearerAudience", BOTH, HAS(CLAIMS), 0, client) \
    X(10, "clients", "AuthBearerClients", BOTH, HAS(CLAIMS), 0, clients) \
    X(11, "revocation", "AuthBearerRevocations", BOTH, HAS(CLAIMS), 0, revocation) \
    X(12, "identifier", "AuthBearerUserChars", BOTH, HAS(CLAIMS), 0, identifier)

#define X(number, name, directive, on, needs, gives, function) \
    bearer_reason_t bearer_check_##function(bearer_judgement_t *j);
BEARER_CHECKS(X)
#undef X

/** `return REFUSE(j, AUD, "audience %s ...", ...);`: bearer_refuse() into j->why. */
#define REFUSE(j, symbol, ...) \
    bearer_refuse(&(j)->why, (j)->p, BEARER_##symbol, __VA_ARGS__)

/** Runs checks 8 to 12 early, before a fetch. Returns BEARER_OK, or the first
 *  refusal, in j->why. */
bearer_reason_t bearer_judge_screen(bearer_judgement_t *j);

/** Returns BEARER_OK, or refuses a token of check 9a whose payload says that it is
 *  another kind than an access or ID token. Needs the claims only. */
bearer_reason_t bearer_judge_named_type(bearer_judgement_t *j);

/** The members of aud, which is a string or an array (RFC 7519 section 4.1.3); an
 *  empty string names none. */
static inline apr_size_t bearer_judge_aud_count(const json_t *aud)
{
    return json_is_string(aud) ? json_string_length(aud) > 0 : json_array_size(aud);
}

/** Returns NULL if the member is not a string. */
static inline const char *bearer_judge_aud_at(const json_t *aud, apr_size_t i)
{
    return json_string_value(json_is_string(aud) ? aud : json_array_get(aud, i));
}

/** Describes how two texts that should be equal differ, if it is a common mistake
 *  ("only by a trailing slash"); else NULL. */
const char *bearer_judge_difference(const char *seen, const char *wanted);
