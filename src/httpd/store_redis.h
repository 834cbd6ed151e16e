/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_redis.h
 * AuthBearerSOCache redis://, rediss:// and unix:, which use this module's own client
 * (state/redis.h): a provider for store.c, and functions that httpd's providers do not
 * have.
 */
#pragma once

#include "config_parse.h"
#include "process.h"

#include "state/redis.h"

/** Does the first word of AuthBearerSOCache name a Redis server? */
int ab_store_redis_is(const char *word);

/**
 * Parses an AuthBearerSOCache line without its for= word.
 * @param instance  for one kind of value; use ab_store_redis_share() for others
 * @return NULL, or an error message
 */
const char *ab_store_redis_parse(ap_socache_instance_t **instance,
                                 const parse_t *in);

/** Returns an instance with the same server for another kind of value. */
ap_socache_instance_t *ab_store_redis_share(const ap_socache_instance_t *from,
                                            apr_pool_t *p);

/** The provider for store.c. retrieve() returns APR_NOTFOUND only if the server says
 *  so, and APR_EGENERAL if the server is unavailable. Use ab_store_redis_set() instead
 *  of store(). */
extern const ap_socache_provider_t ab_store_redis_provider;
#define STORE_REDIS_NAME "redis://"

/** Does the store use this client? Only this client reports absent values reliably and
 *  has a breaker. */
static inline int ab_store_redis_has(const store_config_t *store)
{
    return store->provider == &ab_store_redis_provider;
}

/** Call after fork, and after the gate is created. */
void ab_store_redis_child_init(const process_t *process);

/** Like bearer_redis_get(), for at most BEARER_REDIS_VALUES keys. */
apr_status_t ab_store_redis_get(const ap_socache_instance_t *instance,
                                const unsigned char *const *keys, int n,
                                bearer_cache_value_t *values, apr_size_t max,
                                apr_pool_t *p);

/** Like bearer_redis_set(). A new session is also added to its user's list, as with
 *  bearer_redis_add_to_list(). */
apr_status_t ab_store_redis_set(const ap_socache_instance_t *instance,
                                const unsigned char *key,
                                const bearer_cache_entry_t *entry,
                                bearer_redis_when_t when, apr_pool_t *p);
