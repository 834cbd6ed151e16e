/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file headers.h
 * Caches the headers of recently verified tokens. While an issuer signs with one key,
 * its tokens have the same header. Equal bytes mean equal content, so the header need
 * not be decoded, parsed and checked again.
 *
 * Only tokens with a valid signature add their header, so an attacker cannot choose
 * what is cached.
 */
#pragma once

#include <apr_pools.h>

#include "jose/alg.h"

/** Longer headers (base64url) and those with a longer kid or typ are not cached. */
#define BEARER_HEADERS_TEXT_MAX 256
#define BEARER_HEADERS_NAME_MAX 96

typedef struct bearer_headers_t bearer_headers_t;

/** What checks 3 and 4 found in a header. */
typedef struct bearer_header_facts_t {
    const bearer_alg_t *alg;
    const char *kid;  /**< NULL: none */
    const char *typ;  /**< NULL: none */
} bearer_header_facts_t;

/** Creates a cache that lives as long as p. */
bearer_headers_t *bearer_headers_create(apr_pool_t *p);

/** Returns 1 and fills facts (strings in p) if the header text is cached. headers
 *  may be NULL. Thread-safe, without waiting. */
int bearer_headers_find(bearer_headers_t *headers, bearer_header_facts_t *facts,
                        const char *text, apr_size_t len, apr_pool_t *p);

/** Caches a copy of facts. headers may be NULL. Thread-safe, without waiting. */
void bearer_headers_keep(bearer_headers_t *headers, const char *text,
                         apr_size_t len, const bearer_header_facts_t *facts);
