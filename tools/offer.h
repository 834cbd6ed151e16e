/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file offer.h
 * What an issuer offers, read from its documents: the parsing part of `htbearer
 * discover`. It sends no requests and prints nothing. The documents are untrusted: the
 * result is limited in size, and each line is printable ASCII. One thread; everything
 * is allocated in the pool.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "jose/jwk.h"
#include "trust/issuer.h"

/** The member with the methods of client authentication for logins. */
#define OFFER_LOGIN_AUTH "token_endpoint_auth_methods_supported"

typedef struct offer_t {
    apr_pool_t *p;
    const char *asked;           /**< the issuer that the user asked for */
    const char *source;          /**< URL of its metadata */
    const char *named;           /**< the issuer that the metadata names */
    json_t *document;            /**< of both documents */
    bearer_metadata_t *metadata;
    bearer_jwks_t *keys;         /**< NULL: no keys were read */
    apr_array_header_t *odd;     /**< const char *, printable warnings */
    /* needed in the configuration for the same requests, or NULL */
    const apr_array_header_t *plain_http;
    const char *ca_file;         /**< absolute */
    const char *http_proxy;
} offer_t;

/** Creates an offer.
 *  @param asked  must have passed bearer_http_url_error() */
offer_t *offer_create(const char *asked, const apr_array_header_t *plain_http,
                      apr_pool_t *p);

/**
 * Parses one metadata document. A document that names another issuer than the one
 * asked for is replaced by the next one; to one of the right issuer, the next one only
 * adds the members that it lacks.
 * @return APR_SUCCESS, or APR_EINVAL with *error, one printable line
 */
apr_status_t offer_read_metadata(offer_t *offer, const char *source,
                                 const char *text, apr_size_t len,
                                 const char **error);

/** Returns the URL of the issuer's keys. NULL if the metadata names none, or names a
 *  host that an untrusted document must not choose; adds a warning then. */
const char *offer_keys_url(offer_t *offer);

/** Parses the issuer's key set. A key set that cannot be used adds a warning. */
void offer_read_keys(offer_t *offer, const char *text, apr_size_t len);

/** Adds a warning. Pass external values through bearer_text_quote(). */
void offer_odd(offer_t *offer, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Does this array in the document contain the word? */
int offer_lists(const offer_t *offer, const char *name, const char *word);

/** Adds a line to an <AuthBearerIssuer> section. */
void offer_line(const offer_t *offer, const char **conf, const char *directive,
                const char *value);

/** Returns the best known method of client authentication in an array of the document. */
const char *offer_client_auth(const offer_t *offer, const char *name);

/** Returns a configuration that logs browsers in; NULL: the issuer does not offer it.
 *  @param before  lines before the <AuthBearerIssuer> section
 *  @param inside  lines inside */
const char *offer_login(const offer_t *offer, const char *before, const char *inside);

/** Returns the number of usable keys. */
int offer_key_count(const offer_t *offer);

/**
 * Returns the result: issuer, metadata, the endpoints (null: not offered),
 * client_auth[], login_auth[], back_channel, pushed_required, dpop_algorithms[],
 * certificate_bound, scopes[], keys[] {kid, type, bits, algorithms}, odd[], configuration,
 * login_configuration (null: not offered).
 * Released with the pool. Adds the remaining warnings; call it once, last.
 */
json_t *offer_json(offer_t *offer);
