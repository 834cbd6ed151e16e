/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file issuer.h
 * Who is trusted: issuers as configured, found by `iss`, and their metadata
 * (RFC 8414, OpenID Connect Discovery 1.0). The structs are filled at
 * configuration time and only read afterwards.
 */
#pragma once

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "base/reason.h"
#include "base/world.h"
#include "trust/settings.h"

/** X(symbol, what is written before the value). The first is the default. */
#define BEARER_SOURCES(X) \
    X(DISCOVER, "discover") \
    X(OFF, "off") \
    X(URL, "") \
    X(FILE, "file:") \
    X(SPIFFE_URL, "spiffe:") \
    X(SPIFFE_FILE, "spiffe:")

typedef enum {
#define X(symbol, word) BEARER_SOURCE_##symbol,
    BEARER_SOURCES(X)
#undef X
} bearer_source_kind_t;

typedef struct bearer_source_t {
    bearer_source_kind_t kind;
    const char *value;        /**< URL or absolute path; NULL for DISCOVER, OFF */
} bearer_source_t;

typedef struct bearer_issuer_t {
    const char *url;          /**< as configured; may contain {tenant} */
    const char *name;         /**< short name; the url where none was given */
    int index;                /**< position in the process's table of key sets */
    int party;                /**< as the gate knows it (gate.h) */
    const apr_array_header_t *aliases;         /**< const char * */
    const apr_array_header_t *tenants;         /**< const char *; NULL: none written */
    const char *tenants_file;                  /**< or NULL */
    int tenants_any;                           /**< `*` */
    bearer_source_t metadata; /**< DISCOVER, URL or OFF */
    bearer_source_t keys;
    const char *fetch_auth_file;               /**< or NULL */
    bearer_source_t introspection;             /**< OFF by default */
    int introspect_all;                        /**< for=all */
    apr_interval_time_t introspection_ttl;
    const apr_array_header_t *token_prefixes;  /**< const char *, or NULL */
    bearer_settings_t settings;                /**< layer I */
    const char *file;         /**< where it was declared, for messages */
    int line;
} bearer_issuer_t;

typedef struct bearer_issuers_t bearer_issuers_t;

/** Is url of this issuer a template? */
int bearer_issuer_is_template(const bearer_issuer_t *issuer);

/** SPIFFE JWT-SVIDs: no iss, chosen by the trust domain of sub. */
int bearer_issuer_is_spiffe(const bearer_issuer_t *issuer);

bearer_issuers_t *bearer_issuers_create(apr_pool_t *p);

/** Adds one, which must live as long as issuers; NULL, or what is wrong (same
 *  iss twice, template without tenants, ...) with the mend, in the pool of
 *  issuers. */
const char *bearer_issuers_add(bearer_issuers_t *issuers,
                               const bearer_issuer_t *issuer);

int bearer_issuers_count(const bearer_issuers_t *issuers);
const bearer_issuer_t *bearer_issuers_at(const bearer_issuers_t *issuers, int i);

/** By configured url, byte for byte; NULL when not declared. */
const bearer_issuer_t *bearer_issuers_by_url(const bearer_issuers_t *issuers,
                                             const char *url);

/**
 * Check 5: by a token's `iss` (or alias), byte for byte; one hash look-up
 * however many there are. *tenant (in p) is what {tenant} stood for, else NULL.
 * The tenant's admission is check 8's matter (bearer_issuer_tenant_admitted).
 */
const bearer_issuer_t *bearer_issuers_find(const bearer_issuers_t *issuers,
                                           const char *iss, const char **tenant,
                                           apr_pool_t *p);

/** The configuration's view of what would be fetched: NULL, or the first URL of
 *  this issuer that may not be (bearer_http_url_error), with the mend. */
const char *bearer_issuer_fetch_error(const bearer_issuer_t *issuer,
                                      const apr_array_header_t *plain_http,
                                      apr_pool_t *p);

/** What {tenant} may stand for: 1-64 bytes of [A-Za-z0-9._-], not "." or "..",
 *  which would be a step in a path. */
int bearer_issuer_tenant_valid(const char *tenant);

/** Which tenant of issuer an `iss` of its own names, in p; NULL: none. */
const char *bearer_issuer_tenant_of(const bearer_issuer_t *issuer,
                                    const char *iss, apr_pool_t *p);

/** Content of an AuthBearerTenants file: one ID a line, `#` begins a comment.
 *  Sorted (bearer_issuer_tenant_admitted searches it). APR_EINVAL with *error
 *  naming the line. */
apr_status_t bearer_issuer_tenants_parse(const apr_array_header_t **tenants,
                                         const char *text, apr_size_t len,
                                         const char **error, apr_pool_t *p);

/** url with {tenant} replaced; url itself where it has none or tenant is NULL. */
const char *bearer_issuer_expand(const char *url, const char *tenant,
                                 apr_pool_t *p);

/** The SPIFFE issuer for a `sub` spiffe://TRUST-DOMAIN/..., or NULL. */
const bearer_issuer_t *bearer_issuers_find_spiffe(const bearer_issuers_t *issuers,
                                                  const char *sub, apr_pool_t *p);

/** Is tenant in the issuer's list (file_tenants: the watched file's content as
 *  bearer_issuer_tenants_parse gave it, or NULL)? */
int bearer_issuer_tenant_admitted(const bearer_issuer_t *issuer,
                                  const char *tenant,
                                  const apr_array_header_t *file_tenants);

/** URLs among it, by their names in the document. */
#define BEARER_ENDPOINTS(X) \
    X(jwks_uri) \
    X(introspection_endpoint) \
    X(authorization_endpoint) \
    X(token_endpoint) \
    X(userinfo_endpoint) \
    X(end_session_endpoint) \
    X(revocation_endpoint) \
    X(pushed_authorization_request_endpoint)

/** What an issuer publishes about itself; NULL members: not offered. */
typedef struct bearer_metadata_t {
    const char *issuer;
#define X(name) const char *name;
    BEARER_ENDPOINTS(X)
#undef X
    int require_pushed_authorization_requests;
    int authorization_response_iss_parameter_supported;
    const apr_array_header_t *scopes_supported; /**< const char *, or NULL */
    const char *source;       /**< URL it came from */
    /** const char *, one line each: endpoints that are not used because they may
     *  not be fetched; NULL: none */
    const apr_array_header_t *left_out;
} bearer_metadata_t;

/** A metadata document is at most so long. */
#define BEARER_METADATA_MAX (64 * 1024)

/** The well-known URLs to ask, in order: RFC 8414 section 3.1 (inserted before
 *  the path), then OpenID Connect Discovery section 4 (appended). */
const apr_array_header_t *bearer_issuer_metadata_urls(const bearer_issuer_t *issuer,
                                                      apr_pool_t *p);

/**
 * Parses one metadata document. Its `issuer` must equal the configured one byte
 * for byte (RFC 8414 section 3.3), and its jwks_uri must be fetchable
 * (bearer_http_url_error); another endpoint that is not is left out and named
 * in left_out, so that it does not take the keys with it.
 * @param source  URL that the document came from, not NULL: it bounds which URLs
 *                may be named
 */
apr_status_t bearer_metadata_parse(bearer_metadata_t **metadata,
                                   const char *text, apr_size_t len,
                                   const char *issuer, const char *source,
                                   const apr_array_header_t *plain_http,
                                   const char **error, apr_pool_t *p);

/** A deep copy. */
bearer_metadata_t *bearer_metadata_copy(const bearer_metadata_t *metadata,
                                        apr_pool_t *p);

/** As a document that bearer_metadata_parse() reads, without source and
 *  left_out; the caller owns the reference. NULL: out of memory. */
json_t *bearer_metadata_json(const bearer_metadata_t *metadata);

/** What a request to an issuer needs: resolved settings and the world. */
typedef struct bearer_issuer_access_t {
    const bearer_issuer_t *issuer;
    const bearer_settings_t *settings;  /**< resolved S and I */
    const apr_array_header_t *plain_http;
    const bearer_world_t *world;
    const char *tenant;    /**< what {tenant} stands for in URLs, or NULL */
    /** By the world's clock: requests get no more time than is left until then,
     *  so that several in a row keep within one total timeout. 0: each its own. */
    apr_time_t deadline;
} bearer_issuer_access_t;

/** A request as these settings bound it: timeouts, CA file, proxy, bytes of answer.
 *  All else of it is zero. */
void bearer_request_bound(bearer_http_request_t *r, const bearer_settings_t *settings,
                          int party, apr_size_t max);

/**
 * A request to the issuer, so bounded. APR_SUCCESS, or with *error APR_EINVAL: the URL
 * may not be asked (bearer_http_url_error); APR_ENOTIMPL: nothing may be; APR_TIMEUP:
 * the deadline is over.
 * @param headers  may be filled until it is performed
 */
apr_status_t bearer_issuer_request(bearer_http_request_t *r,
                                   const bearer_issuer_access_t *access,
                                   const char *method, const char *url,
                                   const apr_table_t *headers, apr_size_t max,
                                   const char **error, apr_pool_t *p);

/** Makes it. Whatever the status, APR_SUCCESS; else *error says why none came. */
apr_status_t bearer_issuer_perform(bearer_http_response_t **response,
                                   const bearer_issuer_access_t *access,
                                   const bearer_http_request_t *r,
                                   const char **error, apr_pool_t *p);

/** A bounded GET of a JSON document, with the issuer's timeouts, CA file and
 *  proxy. 200 only. The FetchAuth token goes to the origin of the issuer's URL
 *  and of the keys and metadata URLs as configured, never to another one that a
 *  document names. APR_NOTFOUND: the answer was 404 or 410. */
apr_status_t bearer_issuer_get(bearer_http_response_t **response,
                               const bearer_issuer_access_t *access,
                               const char *url, apr_size_t max,
                               const char **error, apr_pool_t *p);

/** Asks the issuer for its metadata (several URLs, the first that fits). */
apr_status_t bearer_metadata_fetch(bearer_metadata_t **metadata,
                                   const bearer_issuer_access_t *access,
                                   const char **error, apr_pool_t *p);
