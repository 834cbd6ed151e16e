/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file localcache.h
 * The shared cache's stand-in where none is configured: a bearer_cache_t in the
 * memory of one process. A fixed number of entries, small sets, the one that
 * expires first goes first; what is not used takes no memory but the table.
 * Thread-safe. No leases: there is nobody to share with.
 */
#pragma once

#include <apr_pools.h>

#include "base/world.h"

/**
 * @param entries    rounded up to whole sets; 0: *cache is NULL and nothing is
 *                   allocated
 * @param max_value  larger values are not kept
 * @param world      for the clock; lives as long as p, the process's pool
 */
apr_status_t bearer_localcache_create(const bearer_cache_t **cache,
                                      unsigned entries, apr_size_t max_value,
                                      const bearer_world_t *world,
                                      apr_pool_t *p);
