/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file seal.h
 * Encrypts and authenticates (seals) values that leave the process, so that only
 * values this server wrote are accepted back. It uses AES-256-GCM with keys derived
 * (HKDF-SHA-256, RFC 5869) from the administrator's secret files. The first secret
 * seals; all of them open. A secret can therefore be rotated without losing sealed
 * values.
 *
 *   sealed = version (1) | key id (4) | nonce (12) | ciphertext | tag (16)
 *
 * The context (what the value is and for whom) is authenticated, so a value cannot be
 * moved to another key or purpose. Immutable after creation, thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/world.h"

/** Bytes that sealing adds to a value. */
#define BEARER_SEAL_OVERHEAD 33
/** Minimum size of a secret file, in bytes. */
#define BEARER_SEAL_MIN_SECRET 32

typedef struct bearer_seal_t bearer_seal_t;

/**
 * @param files    const char *, paths; read by this call
 * @param purpose  part of the key derivation, e.g. "keys": seals of two purposes
 *                 cannot open each other's values
 * @param error    an error message with the correction, in p
 */
apr_status_t bearer_seal_create(bearer_seal_t **seal,
                                const apr_array_header_t *files,
                                const char *purpose, const char **error,
                                apr_pool_t *p);

/** Seals a value into p with the first secret. world provides the nonce. Returns
 *  APR_SUCCESS, or APR_EGENERAL if there are no random bytes or OpenSSL fails. */
apr_status_t bearer_seal_close(unsigned char **sealed, apr_size_t *sealed_len,
                               const bearer_seal_t *seal, const void *context,
                               apr_size_t context_len, const void *value,
                               apr_size_t len, const bearer_world_t *world,
                               apr_pool_t *p);

/** Returns APR_SUCCESS; APR_NOTFOUND if none of the secrets sealed the value;
 *  APR_EACCES if it is not authentic. */
apr_status_t bearer_seal_open(unsigned char **value, apr_size_t *len,
                              const bearer_seal_t *seal, const void *context,
                              apr_size_t context_len, const void *sealed,
                              apr_size_t sealed_len, apr_pool_t *p);

/** Seals a value as text for a cookie (bearer_base61_encode()), with a text as context.
 *  NULL: failure. */
const char *bearer_seal_text(const bearer_seal_t *seal, const char *context,
                             const void *value, apr_size_t len,
                             const bearer_world_t *world, apr_pool_t *p);

/** Opens what bearer_seal_text() sealed, also as earlier versions wrote it (base64url).
 *  Returns APR_EACCES also if text is neither. */
apr_status_t bearer_seal_read(unsigned char **value, apr_size_t *len,
                              const bearer_seal_t *seal, const char *context,
                              const char *text, apr_pool_t *p);
