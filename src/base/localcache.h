/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file localcache.h
 * A bearer_cache_t in the memory of one process, used if no shared cache is
 * configured. It has a fixed number of entries in small sets. If a set is full, the
 * entry that expires first is replaced. Unused entries take no memory except in the
 * table. Thread-safe. It has no leases, because nothing is shared.
 */
#pragma once

#include <apr_pools.h>

#include "base/world.h"

/**
 * @param entries    rounded up to whole sets; with 0, *cache is NULL and nothing is
 *                   allocated
 * @param max_value  bytes; larger values are not cached
 * @param world      for the clock; must live as long as p, the process's pool
 */
apr_status_t bearer_localcache_create(const bearer_cache_t **cache,
                                      unsigned entries, apr_size_t max_value,
                                      const bearer_world_t *world,
                                      apr_pool_t *p);
