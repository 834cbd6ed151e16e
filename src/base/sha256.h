/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file sha256.h
 * SHA-256 (FIPS 180-4) for code that runs in each request. It fetches the algorithm
 * once and reuses the contexts; for a short text, EVP_Digest() spends most of its
 * time on these. Code that runs rarely uses bearer_text_sha256().
 */
#pragma once

#include <apr_pools.h>

#include "base/text.h"

typedef struct bearer_sha256_t bearer_sha256_t;

/** A piece of the input; data may be NULL if len is 0. */
typedef struct bearer_sha256_piece_t {
    const void *data;
    apr_size_t len;
} bearer_sha256_piece_t;

/** Creates the object, which lives as long as p. @return APR_EGENERAL if this
 *  OpenSSL has no SHA-256 */
apr_status_t bearer_sha256_create(bearer_sha256_t **sha256, apr_pool_t *p);

/**
 * Computes the digest of n consecutive pieces. Thread-safe, without waiting.
 * @param sha256  NULL: works like bearer_text_sha256()
 * @param out     BEARER_SHA256_SIZE bytes
 */
apr_status_t bearer_sha256_of(bearer_sha256_t *sha256, unsigned char *out,
                              const bearer_sha256_piece_t *pieces, int n);
