/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file issuer.h
 * The trusted issuers: their configuration, the look-up by `iss`, and their metadata
 * (RFC 8414, OpenID Connect Discovery 1.0). The structs are filled at configuration
 * time and read-only afterwards.
 */
#pragma once

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "base/reason.h"
#include "base/world.h"
#include "trust/settings.h"

/** X(symbol, the text before the value). The first is the default. */
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

/** AuthBearerEndpoint. X(symbol, name, member of bearer_metadata_t). */
#define BEARER_HAND_ENDPOINTS(X) \
    X(AUTHORIZATION, "authorization", authorization_endpoint) \
    X(TOKEN, "token", token_endpoint) \
    X(USERINFO, "userinfo", userinfo_endpoint) \
    X(END_SESSION, "end_session", end_session_endpoint) \
    X(REVOCATION, "revocation", revocation_endpoint) \
    X(PAR, "par", pushed_authorization_request_endpoint) \
    X(INTROSPECTION, "introspection", introspection_endpoint)

typedef enum {
#define X(symbol, name, member) BEARER_HAND_##symbol,
    BEARER_HAND_ENDPOINTS(X)
#undef X
    BEARER_HAND_COUNT
} bearer_hand_endpoint_t;

/** Maximum number of sources in AuthBearerKeys. */
#define BEARER_KEY_SOURCES_MAX 8

typedef struct bearer_issuer_t {
    const char *url;          /**< as configured; may contain {tenant} */
    const char *name;         /**< short name; the url if none was given */
    int index;                /**< index in the process's table of key sets */
    int party;                /**< the party for the gate (gate.h) */
    const apr_array_header_t *aliases;         /**< const char * */
    const apr_array_header_t *tenants;         /**< const char *; NULL: not configured */
    const char *tenants_file;                  /**< or NULL */
    int tenants_any;                           /**< `*` */
    bearer_source_t metadata; /**< DISCOVER, URL or OFF */
    bearer_source_t keys[BEARER_KEY_SOURCES_MAX]; /**< in the order of preference */
    int key_sources;          /**< how many of them; 0 counts as 1 */
    /** AuthBearerEndpoint: URL or OFF; DISCOVER: what the metadata says */
    bearer_source_t endpoints[BEARER_HAND_COUNT];
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

/** Returns 1 if the issuer's url contains {tenant}. */
int bearer_issuer_is_template(const bearer_issuer_t *issuer);

/** Returns 1 unless AuthBearerMetadata is off, or an issuer with {tenant} has no URL in it. */
int bearer_issuer_has_metadata(const bearer_issuer_t *issuer);

/** Returns the number of sources of the issuer's keys, at least 1. */
int bearer_issuer_key_sources(const bearer_issuer_t *issuer);

/** Returns 1 if some of the issuer's keys come from this kind of source. */
int bearer_issuer_has_keys(const bearer_issuer_t *issuer, bearer_source_kind_t kind);

/** Returns 1 if the URL of some of the issuer's keys contains {tenant}. */
int bearer_issuer_has_tenant_keys(const bearer_issuer_t *issuer);

/** Returns the source of keys as AuthBearerKeys has it, with masked secrets, in p. */
const char *bearer_issuer_source_shown(const bearer_source_t *source, apr_pool_t *p);

/** Returns 1 for a file. */
int bearer_issuer_source_is_file(const bearer_source_t *source);

/** Returns 1 for SPIFFE JWT-SVIDs: they have no iss; the trust domain of sub
 *  selects the issuer. */
int bearer_issuer_is_spiffe(const bearer_issuer_t *issuer);

/** Creates an empty table in p. */
bearer_issuers_t *bearer_issuers_create(apr_pool_t *p);

/** Adds an issuer, which must live as long as issuers. Returns NULL, or what is
 *  wrong (same iss twice, template without tenants, ...) and how to fix it, in the
 *  pool of issuers. */
const char *bearer_issuers_add(bearer_issuers_t *issuers,
                               const bearer_issuer_t *issuer);

/** The issuers in the order in which they were added. */
int bearer_issuers_count(const bearer_issuers_t *issuers);
const bearer_issuer_t *bearer_issuers_at(const bearer_issuers_t *issuers, int i);

/** Finds an issuer by the configured url, byte for byte; NULL if not declared. */
const bearer_issuer_t *bearer_issuers_by_url(const bearer_issuers_t *issuers,
                                             const char *url);

/**
 * Check 5: finds an issuer by a token's `iss` (or alias), byte for byte, with one
 * hash look-up. *tenant (in p) is the value of {tenant}, else NULL. Check 8 decides
 * whether the tenant is accepted (bearer_issuer_tenant_admitted).
 */
const bearer_issuer_t *bearer_issuers_find(const bearer_issuers_t *issuers,
                                           const char *iss, const char **tenant,
                                           apr_pool_t *p);

/** Checks the URLs that the configuration would fetch. Returns NULL, or for the
 *  first URL of this issuer that may not be fetched (bearer_http_url_error), what
 *  is wrong and how to fix it. */
const char *bearer_issuer_fetch_error(const bearer_issuer_t *issuer,
                                      const apr_array_header_t *plain_http,
                                      apr_pool_t *p);

/** Returns 1 if tenant may replace {tenant}: 1-64 bytes of [A-Za-z0-9._-], not "."
 *  or "..", which would change the path. */
int bearer_issuer_tenant_valid(const char *tenant);

/** Returns the tenant in an `iss` of this issuer, in p; NULL if there is none. */
const char *bearer_issuer_tenant_of(const bearer_issuer_t *issuer,
                                    const char *iss, apr_pool_t *p);

/** Parses an AuthBearerTenants file: one ID per line, `#` begins a comment. The
 *  result is sorted, for the search in bearer_issuer_tenant_admitted().
 *  APR_EINVAL: *error names the line. */
apr_status_t bearer_issuer_tenants_parse(const apr_array_header_t **tenants,
                                         const char *text, apr_size_t len,
                                         const char **error, apr_pool_t *p);

/** Returns url with {tenant} replaced; url itself if it has no {tenant} or tenant is NULL. */
const char *bearer_issuer_expand(const char *url, const char *tenant,
                                 apr_pool_t *p);

/** Returns the SPIFFE issuer for a `sub` spiffe://TRUST-DOMAIN/..., or NULL. */
const bearer_issuer_t *bearer_issuers_find_spiffe(const bearer_issuers_t *issuers,
                                                  const char *sub, apr_pool_t *p);

/** Returns 1 if tenant is in the issuer's list. file_tenants: the result of
 *  bearer_issuer_tenants_parse() for the watched file, or NULL. */
int bearer_issuer_tenant_admitted(const bearer_issuer_t *issuer,
                                  const char *tenant,
                                  const apr_array_header_t *file_tenants);

/** The URLs in the metadata, by their names in the document. */
#define BEARER_ENDPOINTS(X) \
    X(jwks_uri) \
    X(introspection_endpoint) \
    X(authorization_endpoint) \
    X(token_endpoint) \
    X(userinfo_endpoint) \
    X(end_session_endpoint) \
    X(revocation_endpoint) \
    X(pushed_authorization_request_endpoint)

/** The lists of words in the metadata, const char *, by their names in the document. */
#define BEARER_METADATA_LISTS(X) \
    X(scopes_supported) \
    X(prompt_values_supported)

/** An issuer's metadata; NULL members: not offered. */
typedef struct bearer_metadata_t {
    const char *issuer;
#define X(name) const char *name;
    BEARER_ENDPOINTS(X)
#undef X
    int require_pushed_authorization_requests;
    int authorization_response_iss_parameter_supported;
#define X(name) const apr_array_header_t *name;
    BEARER_METADATA_LISTS(X)
#undef X
    const char *source;       /**< URL of the document */
    /** const char *, one line each: endpoints that are ignored because they may
     *  not be fetched, and documents that could not be used; NULL: none */
    const apr_array_header_t *left_out;
} bearer_metadata_t;

/** Maximum size of a metadata document, in bytes. */
#define BEARER_METADATA_MAX (64 * 1024)

/** Returns the well-known URLs to request, in order: RFC 8414 section 3.1
 *  (inserted before the path), then OpenID Connect Discovery section 4 (appended). */
const apr_array_header_t *bearer_issuer_metadata_urls(const bearer_issuer_t *issuer,
                                                      apr_pool_t *p);

/**
 * Parses one metadata document. Its `issuer` must equal the configured one byte for
 * byte (RFC 8414 section 3.3), and its jwks_uri must be fetchable
 * (bearer_http_url_error). Other endpoints that may not be fetched are ignored and
 * listed in left_out, so that the keys stay usable.
 * @param source  URL of the document, not NULL: it limits the URLs that the document
 *                may name
 */
apr_status_t bearer_metadata_parse(bearer_metadata_t **metadata,
                                   const char *text, apr_size_t len,
                                   const char *issuer, const char *source,
                                   const apr_array_header_t *plain_http,
                                   const char **error, apr_pool_t *p);

/** Returns a deep copy, in p. */
bearer_metadata_t *bearer_metadata_copy(const bearer_metadata_t *metadata,
                                        apr_pool_t *p);

/** Returns the name of an endpoint that AuthBearerEndpoint can set, or NULL. */
const char *bearer_endpoint_name(int endpoint);

/** Returns 1 if the issuer has some URL by AuthBearerEndpoint. */
int bearer_endpoint_any(const bearer_issuer_t *issuer);

/** Returns 1 if the configuration names the endpoint, or metadata may. */
int bearer_endpoint_possible(const bearer_issuer_t *issuer, bearer_hand_endpoint_t endpoint);

/** Returns the name of the first endpoint whose URL contains {tenant}, or NULL. */
const char *bearer_endpoint_tenant(const bearer_issuer_t *issuer);

/** Returns NULL, or for the first URL that may not be requested what is wrong. */
const char *bearer_endpoint_error(const bearer_issuer_t *issuer,
                                  const apr_array_header_t *plain_http, apr_pool_t *p);

/**
 * Returns the metadata with the endpoints of AuthBearerEndpoint instead of its own.
 * @param metadata  NULL: the issuer has none, only such endpoints
 * @param p         the result is a shallow copy in p
 */
const bearer_metadata_t *bearer_endpoint_apply(const bearer_metadata_t *metadata,
                                               const bearer_issuer_t *issuer,
                                               apr_pool_t *p);

/** Returns a document that bearer_metadata_parse() reads, without source and
 *  left_out. The caller owns the reference. NULL: out of memory. */
json_t *bearer_metadata_json(const bearer_metadata_t *metadata);

/** What a request to an issuer needs: resolved settings and the world. */
typedef struct bearer_issuer_access_t {
    const bearer_issuer_t *issuer;
    const bearer_settings_t *settings;  /**< resolved S and I */
    const apr_array_header_t *plain_http;
    const bearer_world_t *world;
    const char *tenant;    /**< the value for {tenant} in URLs, or NULL */
    const bearer_source_t *keys; /**< for a key set: its source; NULL: the first */
    /** By the world's clock: requests must end by then, so that several in a row
     *  stay within one total timeout. 0: each request has its own timeout. */
    apr_time_t deadline;
    int for_login;         /**< 1: this server logs users in with the issuer, so both
                                metadata documents are read */
} bearer_issuer_access_t;

/** Fills a request with the limits of these settings: timeouts, CA file, proxy,
 *  maximum response size in bytes. All other members are zero. */
void bearer_request_bound(bearer_http_request_t *r, const bearer_settings_t *settings,
                          int party, apr_size_t max);

/**
 * Prepares a request to the issuer with these limits. Returns APR_SUCCESS, or sets
 * *error and returns APR_EINVAL if the URL may not be requested
 * (bearer_http_url_error), APR_ENOTIMPL if no request may be sent at all, or
 * APR_TIMEUP if the deadline has passed.
 * @param headers  may be filled until the request is performed
 */
apr_status_t bearer_issuer_request(bearer_http_request_t *r,
                                   const bearer_issuer_access_t *access,
                                   const char *method, const char *url,
                                   const apr_table_t *headers, apr_size_t max,
                                   const char **error, apr_pool_t *p);

/** Performs the request. Returns APR_SUCCESS for any response status; else *error
 *  says why there was no response. */
apr_status_t bearer_issuer_perform(bearer_http_response_t **response,
                                   const bearer_issuer_access_t *access,
                                   const bearer_http_request_t *r,
                                   const char **error, apr_pool_t *p);

/** Gets a JSON document within the limits, with the issuer's timeouts, CA file and
 *  proxy; only status 200 is a success. The FetchAuth token is sent only to the
 *  origin of the issuer's URL and of the configured keys and metadata URLs, never
 *  to an origin that a document names. APR_NOTFOUND: the status was 404 or 410. */
apr_status_t bearer_issuer_get(bearer_http_response_t **response,
                               const bearer_issuer_access_t *access,
                               const char *url, apr_size_t max,
                               const char **error, apr_pool_t *p);

/** Fetches the issuer's metadata: the first document that can be used or, for_login, the
 *  members of both. Of a member that both have, the first document's counts; null is
 *  absent. A second document that cannot be used is in left_out; one that is missing
 *  (404) is not. */
apr_status_t bearer_metadata_fetch(bearer_metadata_t **metadata,
                                   const bearer_issuer_access_t *access,
                                   const char **error, apr_pool_t *p);
