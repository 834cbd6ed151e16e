/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file binding.h
 * Whether a token may be presented as it was, by what it is bound to (AuthBearerProof):
 * the rules of RFC 9449 section 7 and RFC 8705 section 3. The proofs themselves are judged
 * by proof.h and certificate.h. Thread-safe; results are in p.
 */
#pragma once

#include "judge/principal.h"

/**
 * Judges how the token is bound and presented.
 * @param principal  of the token
 * @param settings   resolved; `proof` is used. The caller handles BEARER_PROOF_IGNORE
 * @param dpop       1: presented with the scheme DPoP
 * @return BEARER_OK, which leaves the proofs of principal->bound to be judged; or
 *         BEARER_BINDING
 */
bearer_reason_t bearer_binding_check(const bearer_principal_t *principal,
                                     const bearer_settings_t *settings, int dpop,
                                     bearer_refusal_t *why, apr_pool_t *p);

/**
 * Compares the client certificate with the one that the token is bound to.
 * @param principal  with BEARER_BOUND_MTLS
 * @param seen       x5t#S256 of the client's certificate; NULL: it has none
 * @param missing    why there is none, for the log; for seen == NULL
 * @return BEARER_OK or BEARER_BINDING
 */
bearer_reason_t bearer_binding_certificate(const bearer_principal_t *principal,
                                           const char *seen, const char *missing,
                                           bearer_refusal_t *why, apr_pool_t *p);

/** Returns what was proven for the application: "dpop", "mtls", "dpop,mtls"; NULL:
 *  nothing. proven: BEARER_BOUND_ bits. */
const char *bearer_binding_proven(unsigned proven);
