/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file challenge.h
 * The WWW-Authenticate field (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9110 section
 * 11.6.1, RFC 9728 section 5.1, RFC 9470 section 3). Each parameter occurs at most once. Values are
 * quoted and reduced to the characters that the grammar allows. Thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/reason.h"

typedef struct bearer_challenge_t {
    const char *realm;                 /**< never NULL */
    bearer_category_t category;        /**< determines error and description */
    const apr_array_header_t *scopes;  /**< const char *, or NULL */
    const char *resource_metadata;     /**< absolute URL, or NULL */
    const apr_array_header_t *login;   /**< const char *, NAME=VALUE; acr_values and
                                            max_age are sent; or NULL */
    const apr_array_header_t *parameters; /**< const char *, NAME=VALUE, accepted by
                                            bearer_challenge_error(); or NULL */
    int bare;                          /**< AuthBearerChallenge Off: realm only; for DPoP
                                            also error and algs */
    const char *algs;                  /**< the scheme is DPoP, and these are the algorithms
                                            of proofs (bearer_proof_algs()); NULL: Bearer */
} bearer_challenge_t;

/** Judges the last of the parameters of AuthBearerChallenge (const char *, NAME=VALUE).
 *  @return NULL, or what is wrong, in p: the name is no token (RFC 9110 section 5.6.2),
 *          occurs before, ignoring case, or is one that the module sets; the value is
 *          longer than 512 bytes or has characters other than printable ASCII */
const char *bearer_challenge_error(const apr_array_header_t *parameters, apr_pool_t *p);

/** Returns `Bearer realm="...", error="...", ...` or `DPoP ...`, in p. Scope tokens that the
 *  grammar (RFC 6749 section 3.3) does not allow are omitted. */
const char *bearer_challenge_write(const bearer_challenge_t *challenge,
                                   apr_pool_t *p);

/** Returns `Basic realm="..."` with the same quoting, for the basic[:USER] source. */
const char *bearer_challenge_basic(const char *realm, apr_pool_t *p);
