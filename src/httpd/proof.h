/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file proof.h
 * Proof of possession (AuthBearerProof): whether the client that presents a token has
 * the key to which the token is bound (RFC 9449 DPoP, RFC 8705 mutual TLS).
 */
#pragma once

#include "provider.h"

/** Prepares nonces and this server's own URLs. Returns OK, or a hook status after a log
 *  line. */
int ab_proof_post_config(apr_pool_t *pconf, server_rec *s);

/** Must ab_proof_judge() be asked for this token? Costs nothing for an ordinary one. */
#define AB_PROOF_CONCERNS(a, principal) \
    ((principal)->bound || (a)->settings->proof.mode || (a)->credential->dpop)

/**
 * Judges a token that has passed every other check. Each proof counts once: requests made
 * from the client's request, and judging ahead, share it.
 * @param principal  of the token; must outlive the request
 * @param why        filled for a refusal
 * @return BEARER_OK with a->proven set, BEARER_BINDING, a BEARER_PROOF... reason, or
 *         BEARER_INTERNAL
 */
bearer_reason_t ab_proof_judge(attempt_t *a, const bearer_principal_t *principal,
                               bearer_refusal_t *why);
