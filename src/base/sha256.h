/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file sha256.h
 * SHA-256 (FIPS 180-4) for each request: the algorithm is fetched once and the
 * contexts are kept, which an EVP_Digest() of a short text spends most of its
 * time on. What is digested once in a while uses bearer_text_sha256().
 */
#pragma once

#include <apr_pools.h>

#include "base/text.h"

typedef struct bearer_sha256_t bearer_sha256_t;

/** Of a piece of text; data may be NULL where len is 0. */
typedef struct bearer_sha256_piece_t {
    const void *data;
    apr_size_t len;
} bearer_sha256_piece_t;

/** Lives as long as p. @return APR_EGENERAL: this OpenSSL has no SHA-256 */
apr_status_t bearer_sha256_create(bearer_sha256_t **sha256, apr_pool_t *p);

/**
 * Digest of n pieces, one after the other. Thread-safe; nobody waits.
 * @param sha256  NULL: for once, as bearer_text_sha256()
 * @param out  BEARER_SHA256_SIZE bytes
 */
apr_status_t bearer_sha256_of(bearer_sha256_t *sha256, unsigned char *out,
                              const bearer_sha256_piece_t *pieces, int n);
