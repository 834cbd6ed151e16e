/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tenants.h
 * An AuthBearerTenants file, read again when it changes. If the file cannot be read
 * from the start, no tenant is accepted. If it becomes unreadable or invalid later,
 * the content read before stays in force.
 *
 * Thread-safe. A returned list does not change.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/world.h"

/** Maximum size of a tenants file, in bytes. */
#define BEARER_TENANTS_MAX (1024 * 1024)

typedef struct bearer_tenants_t bearer_tenants_t;

/**
 * Reads the file. If it cannot be read, this is logged but not an error.
 * @param world  must live as long as p
 */
apr_status_t bearer_tenants_create(bearer_tenants_t **tenants, const char *path,
                                   const bearer_world_t *world, apr_pool_t *p);

/** Returns the list in force, as from bearer_issuer_tenants_parse(); NULL: none.
 *  Valid as long as p. Checks the file at most every few seconds. */
const apr_array_header_t *bearer_tenants_get(bearer_tenants_t *tenants,
                                             apr_pool_t *p);

/** Returns a number that grows when other content comes into force; never 0. If a
 *  caller reads it before bearer_tenants_get(), it can later tell whether the list
 *  is still current. Checks the file as bearer_tenants_get() does. */
apr_uint64_t bearer_tenants_version(bearer_tenants_t *tenants,
                                    apr_pool_t *ptemp);

/** For a background thread: checks the file now, so that no request has to. */
void bearer_tenants_refresh(bearer_tenants_t *tenants, apr_pool_t *ptemp);

/** Returns an error message about the file, with the correction, in p; NULL: nothing. For
 *  configtest. */
const char *bearer_tenants_file_error(const char *path, apr_pool_t *p);
