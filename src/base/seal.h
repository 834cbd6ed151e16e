/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file seal.h
 * Values that leave the process come back only if we wrote them: AES-256-GCM
 * under keys derived (HKDF-SHA-256, RFC 5869) from the administrator's secret
 * files. The first secret seals, all of them open, so a secret can be rotated
 * without losing what was sealed before.
 *
 *   sealed = version (1) | key id (4) | nonce (12) | ciphertext | tag (16)
 *
 * The context (what the value is and for whom) is authenticated with it, so a
 * value cannot be moved to another key or purpose. Immutable after creation,
 * thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/world.h"

/** What sealing adds to a value. */
#define BEARER_SEAL_OVERHEAD 33
/** A secret file holds at least so many bytes. */
#define BEARER_SEAL_MIN_SECRET 32

typedef struct bearer_seal_t bearer_seal_t;

/**
 * @param files    const char *, paths; read now
 * @param purpose  part of the key derivation, e.g. "keys": seals of two purposes
 *                 never open each other's values
 * @param error    what is wrong and the mend, in p
 */
apr_status_t bearer_seal_create(bearer_seal_t **seal,
                                const apr_array_header_t *files,
                                const char *purpose, const char **error,
                                apr_pool_t *p);

apr_status_t bearer_seal_close(unsigned char **sealed, apr_size_t *sealed_len,
                               const bearer_seal_t *seal, const void *context,
                               apr_size_t context_len, const void *value,
                               apr_size_t len, const bearer_world_t *world,
                               apr_pool_t *p);

/** APR_SUCCESS; APR_NOTFOUND: it is of a secret that is none of these; APR_EACCES
 *  for whatever else we did not seal so. */
apr_status_t bearer_seal_open(unsigned char **value, apr_size_t *len,
                              const bearer_seal_t *seal, const void *context,
                              apr_size_t context_len, const void *sealed,
                              apr_size_t sealed_len, apr_pool_t *p);

/** Sealed as base64url, for a cookie, with a text as context; NULL: it failed. */
const char *bearer_seal_text(const bearer_seal_t *seal, const char *context,
                             const void *value, apr_size_t len,
                             const bearer_world_t *world, apr_pool_t *p);

/** The reverse. APR_EACCES also for what is no base64url. */
apr_status_t bearer_seal_read(unsigned char **value, apr_size_t *len,
                              const bearer_seal_t *seal, const char *context,
                              const char *text, apr_pool_t *p);
