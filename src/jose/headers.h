/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file headers.h
 * Headers of tokens that were verified lately. An issuer's tokens have the same
 * header as long as it signs with the same key, so that most need not be decoded,
 * parsed and looked through again: equal bytes say the same.
 *
 * Only a token whose signature was right leaves its header here, so nobody else
 * decides what is kept.
 */
#pragma once

#include <apr_pools.h>

#include "jose/alg.h"

/** Longer ones (base64url) and their kid or typ are not kept. */
#define BEARER_HEADERS_TEXT_MAX 256
#define BEARER_HEADERS_NAME_MAX 96

typedef struct bearer_headers_t bearer_headers_t;

/** What check 3 and 4 found in a header. */
typedef struct bearer_header_facts_t {
    const bearer_alg_t *alg;
    const char *kid;  /**< NULL: none */
    const char *typ;  /**< NULL: none */
} bearer_header_facts_t;

/** Lives as long as p. */
bearer_headers_t *bearer_headers_create(apr_pool_t *p);

/** 1: facts (strings in p) are those of this text. headers may be NULL.
 *  Thread-safe; nobody waits. */
int bearer_headers_find(bearer_headers_t *headers, bearer_header_facts_t *facts,
                        const char *text, apr_size_t len, apr_pool_t *p);

/** Keeps facts, which are copied. headers may be NULL. Thread-safe; nobody waits. */
void bearer_headers_keep(bearer_headers_t *headers, const char *text,
                         apr_size_t len, const bearer_header_facts_t *facts);
