/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file introspect.h
 * Token introspection (RFC 7662), with a cache.
 *
 * A response is cached only if it was judged and granted. The key is the SHA-256 over
 * the token's digest, issuer, endpoint and policy. It is cached for
 * AuthBearerIntrospectionTTL at most, never beyond its `exp`, and judged again on
 * every hit. Failures are not cached. `active: false` is not cached either, because
 * an issuer that replicates may return it for a token that it has just issued. (The
 * throttle remembers such a token for its window and the client's address.) A token
 * on the revocation list is not introspected.
 *
 * Concurrent requests with the same token and policy share one introspection request.
 * A thread that would wait first enters the gate, so that an issuer that does not
 * answer cannot block all workers (flight.h).
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
    /** For AuthBearerIntrospection discover: returns the endpoint in the issuer's
     *  metadata, in p; NULL with *error. */
    const char *(*endpoint)(void *baton, const char **error, apr_pool_t *p);
    void *baton;
    const bearer_cache_t *cache;           /**< NULL: nothing is cached */
} bearer_introspect_config_t;

/** @param p  the process's pool; what config points to must live as long */
apr_status_t bearer_introspect_create(bearer_introspect_t **introspect,
                                      const bearer_introspect_config_t *config,
                                      apr_pool_t *p);

/**
 * Selects the issuer that introspects a token: the issuer with the longest matching
 * AuthBearerTokenPrefix of all declared ones; for a JWT, its `iss` if that issuer
 * introspects all its tokens; for any other token, the only accepted issuer with an
 * endpoint and without prefixes. NULL: none, with why; the token is not sent to
 * another issuer then.
 * @param settings  resolved, without an issuer's layer
 */
const bearer_issuer_t *bearer_introspect_whom(const bearer_issuers_t *issuers,
                                              const bearer_settings_t *settings,
                                              const char *token, apr_size_t len,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p);

/**
 * Sends a request, or takes a cached response, and judges the claims
 * (bearer_judge_claims).
 * @param j       prepared as for bearer_judge_claims; filled
 * @param digest  SHA-256 of the token, 32 bytes
 * @param policy  32 bytes that differ if a judgement may differ
 * @param until   if granted: how long the result may be used without another request;
 *                0: not at all
 * @return BEARER_GRANTED, or BEARER_DENIED with j->why: BEARER_INACTIVE,
 *         BEARER_INTROSPECTION (no usable response) or the reason of a check
 */
bearer_verdict_t bearer_introspect_judge(bearer_introspect_t *introspect,
                                         bearer_judgement_t *j,
                                         const char *token, apr_size_t len,
                                         const unsigned char *digest,
                                         const unsigned char *policy,
                                         apr_time_t *until);
