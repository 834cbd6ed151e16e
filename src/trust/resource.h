/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file resource.h
 * Protected resource metadata (RFC 9728): one AuthBearerResource line, the location
 * of its document, and its content. Pure functions, thread-safe. Values are created
 * when the configuration is read, and read-only afterwards.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "trust/settings.h"

/** RFC 9728 section 3: inserted between host and path of the resource. */
#define BEARER_RESOURCE_WELL_KNOWN "/.well-known/oauth-protected-resource"

struct bearer_resource_t {
    const char *url;      /**< the resource identifier as configured */
    const char *host;     /**< lower case */
    int port;
    const char *path;     /**< path of its document, with the well-known part */
    const char *metadata; /**< absolute URL of its document */
    const char *name;     /**< resource_name, or NULL */
    const char *doc;      /**< resource_documentation, or NULL */
    const apr_array_header_t *scopes; /**< const char *, or NULL: not configured */
};

/**
 * Parses the words of `URL [name=STR] [doc=URL] [scopes=a,b]`.
 * @param words  const char *
 * @return NULL, or an error message with the correction, in p
 */
const char *bearer_resource_parse(const bearer_resource_t **resource,
                                  const apr_array_header_t *words,
                                  apr_pool_t *p);

/** Returns the configuration line, in p. */
const char *bearer_resource_print(const bearer_resource_t *resource,
                                  apr_pool_t *p);

/**
 * Returns the document. If a list is NULL or empty, its member is omitted (RFC 9728
 * section 2: no empty arrays).
 * @param issuers     const char *, identifiers of authorization servers
 * @param scopes      const char *, used if the line names none
 * @param token_from  bearer_from_t: becomes bearer_methods_supported
 * @return JSON text in p, or NULL if memory is short
 */
const char *bearer_resource_document(const bearer_resource_t *resource,
                                     const apr_array_header_t *issuers,
                                     const apr_array_header_t *scopes,
                                     const apr_array_header_t *token_from,
                                     apr_pool_t *p);

/**
 * Finds the resource for a request for a metadata document: of those whose document
 * has the path, the one with the request's host. For the bare well-known path, it
 * takes the resource with the shortest path.
 * @param resources  const bearer_resource_t *
 * @param host       the request's, or NULL
 * @return its index, or -1
 */
int bearer_resource_find(const apr_array_header_t *resources, const char *path,
                         const char *host);
