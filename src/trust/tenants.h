/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tenants.h
 * An AuthBearerTenants file: who is trusted, read again when it changes. A file
 * that cannot be read from the start admits nobody; one that becomes unreadable
 * or wrong later leaves in force what was read before.
 *
 * Many threads may ask at once; what they are given does not change under them.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/world.h"

/** A tenants file is at most so long. */
#define BEARER_TENANTS_MAX (1024 * 1024)

typedef struct bearer_tenants_t bearer_tenants_t;

/**
 * Reads the file; that it cannot be read is logged, and no failure here.
 * @param world  lives as long as p
 */
apr_status_t bearer_tenants_create(bearer_tenants_t **tenants, const char *path,
                                   const bearer_world_t *world, apr_pool_t *p);

/** What is in force, as bearer_issuer_tenants_parse() gives it; NULL: nothing.
 *  Valid as long as p. Looks at the file at most every few seconds. */
const apr_array_header_t *bearer_tenants_get(bearer_tenants_t *tenants,
                                             apr_pool_t *p);

/** +1 whenever other content came in force; never 0. Read before
 *  bearer_tenants_get() it tells later whether that answer still holds. Looks at
 *  the file as that does. */
apr_uint64_t bearer_tenants_version(bearer_tenants_t *tenants,
                                    apr_pool_t *ptemp);

/** For a background thread: looks at the file now, so that no request does. */
void bearer_tenants_refresh(bearer_tenants_t *tenants, apr_pool_t *ptemp);

/** What is wrong with the file, with the mend, in p; NULL: nothing. For
 *  configtest. */
const char *bearer_tenants_file_error(const char *path, apr_pool_t *p);
