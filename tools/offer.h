/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file offer.h
 * What an issuer offers, read from its documents: the reading side of
 * `htbearer discover`. Nothing is asked here and nothing printed; the documents
 * are a stranger's, and whatever they say, the result is bounded, and a line of
 * it is one line of printable ASCII. One thread; everything lives in the pool.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "jose/jwk.h"
#include "trust/issuer.h"

typedef struct offer_t {
    apr_pool_t *p;
    const char *asked;           /**< the issuer, as it was asked for */
    const char *source;          /**< URL of its metadata */
    const char *named;           /**< the issuer, by its own word */
    const json_t *document;
    bearer_metadata_t *metadata;
    bearer_jwks_t *keys;         /**< NULL: none were read */
    apr_array_header_t *odd;     /**< const char *, printable */
    /* what the configuration needs to ask the same, or NULL */
    const apr_array_header_t *plain_http;
    const char *ca_file;         /**< absolute */
    const char *http_proxy;
} offer_t;

/** asked: has passed bearer_http_url_error(). */
offer_t *offer_create(const char *asked, const apr_array_header_t *plain_http,
                      apr_pool_t *p);

/**
 * Reads one metadata document. *stranger: it is a good one, of another issuer
 * than was asked for; the next address may have a better one.
 * @return APR_SUCCESS, or APR_EINVAL with *error, one printable line
 */
apr_status_t offer_read_metadata(offer_t *offer, const char *source,
                                 const char *text, apr_size_t len,
                                 int *stranger, const char **error);

/** Where its keys are to be asked, or NULL: it names none, or names a host that
 *  a stranger has no business to choose. Says so among what is odd. */
const char *offer_keys_url(offer_t *offer);

/** Reads its key set; one that cannot be used is odd. */
void offer_read_keys(offer_t *offer, const char *text, apr_size_t len);

/** One more line of what is odd; values from outside go through
 *  bearer_text_quote(). */
void offer_odd(offer_t *offer, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Usable keys. */
int offer_key_count(const offer_t *offer);

/**
 * issuer, metadata, the endpoints (null: not offered), client_auth[], scopes[],
 * keys[] {kid, type, bits, algorithms}, odd[], configuration. Released with the
 * pool. Looks for what else is odd; call it once, last.
 */
json_t *offer_json(offer_t *offer);
