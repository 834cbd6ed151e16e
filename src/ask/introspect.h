/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file introspect.h
 * Asking an issuer about a token (RFC 7662), and keeping what it said.
 *
 * Only an answer that was judged and granted is kept: under SHA-256 over the
 * token's digest, issuer, endpoint and policy, for AuthBearerIntrospectionTTL
 * at most and never past its `exp`; it is judged again on every hit. Nothing of
 * a failure is kept, nor that a token is inactive: an issuer that replicates may
 * say so of a token that it has just issued. (The throttle remembers the latter for
 * its window and the client's address.) What is on the revocation list is not asked
 * about.
 *
 * Threads that ask about the same token under the same policy at once share one
 * flight. Whoever would have to wait passes a gate first, so that an issuer
 * that does not answer cannot take every worker (flight.h).
 *
 * Thread-safe. One per issuer and process.
 */
#pragma once

#include <apr_pools.h>

#include "ask/client_auth.h"
#include "base/flight.h"
#include "base/world.h"
#include "judge/judge.h"

typedef struct bearer_introspect_t bearer_introspect_t;

typedef struct bearer_introspect_config_t {
    const bearer_issuer_access_t *access;  /**< copied */
    bearer_client_t *client;
    /** Where AuthBearerIntrospection says `discover`: the endpoint of the
     *  issuer's metadata, in p; NULL with *error. */
    const char *(*endpoint)(void *baton, const char **error, apr_pool_t *p);
    void *baton;
    const bearer_cache_t *cache;           /**< NULL: nothing is kept */
} bearer_introspect_config_t;

/** @param p  the process's pool; what config points to lives as long */
apr_status_t bearer_introspect_create(bearer_introspect_t **introspect,
                                      const bearer_introspect_config_t *config,
                                      apr_pool_t *p);

/**
 * Whom to ask about a token here: the issuer of the longest matching
 * AuthBearerTokenPrefix of all that are declared; of a JWT, its `iss` if that
 * issuer wants to be asked about all its tokens; of any other token the only
 * accepted issuer with an endpoint and without prefixes. NULL: nobody, with why:
 * the token is not shown to another instead.
 * @param settings  resolved, without an issuer's layer
 */
const bearer_issuer_t *bearer_introspect_whom(const bearer_issuers_t *issuers,
                                              const bearer_settings_t *settings,
                                              const char *token, apr_size_t len,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p);

/**
 * Asks, or takes what is kept, and judges the claims (bearer_judge_claims).
 * @param j       given by the caller as for bearer_judge_claims; filled
 * @param digest  SHA-256 of the token, 32 bytes
 * @param policy  32 bytes that differ wherever a judgement may differ
 * @param until   when granted: the last moment at which the answer may be used
 *                without asking again; 0: not at all
 * @return BEARER_GRANTED, or BEARER_DENIED with j->why: BEARER_INACTIVE,
 *         BEARER_INTROSPECTION (it cannot be asked) or a check's
 */
bearer_verdict_t bearer_introspect_judge(bearer_introspect_t *introspect,
                                         bearer_judgement_t *j,
                                         const char *token, apr_size_t len,
                                         const unsigned char *digest,
                                         const unsigned char *policy,
                                         apr_time_t *until);
