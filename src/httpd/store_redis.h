/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_redis.h
 * AuthBearerSOCache redis://, rediss:// and unix:, which are this module's own
 * client (state/redis.h): as a provider for store.c, and what httpd's providers
 * cannot do.
 */
#pragma once

#include "config_parse.h"
#include "process.h"

#include "state/redis.h"

/** Does the first word of AuthBearerSOCache name such a server? */
int ab_store_redis_is(const char *word);

/**
 * Reads a line, for= not among its words.
 * @param instance  for one kind of value; ab_store_redis_share() for others
 * @return NULL, or what is wrong with it
 */
const char *ab_store_redis_parse(ap_socache_instance_t **instance,
                                 const parse_t *in);

/** The same server, for another kind of value. */
ap_socache_instance_t *ab_store_redis_share(const ap_socache_instance_t *from,
                                            apr_pool_t *p);

/** What store.c knows it as. retrieve() is APR_NOTFOUND only where the server says
 *  so, and APR_EGENERAL where it cannot be asked. Instead of store() there is
 *  ab_store_redis_set(). */
extern const ap_socache_provider_t ab_store_redis_provider;
#define STORE_REDIS_NAME "redis://"

/** Is it this client? It knows what is absent, and has a breaker. */
static inline int ab_store_redis_has(const store_config_t *store)
{
    return store->provider == &ab_store_redis_provider;
}

/** After fork, and after the gate. */
void ab_store_redis_child_init(const process_t *process);

/** As bearer_redis_get(), for at most BEARER_REDIS_VALUES keys. */
apr_status_t ab_store_redis_get(const ap_socache_instance_t *instance,
                                const unsigned char *const *keys, int n,
                                bearer_cache_value_t *values, apr_size_t max,
                                apr_pool_t *p);

/** As bearer_redis_set(); a new session as bearer_redis_add_to_list(), in that of its
 *  user. */
apr_status_t ab_store_redis_set(const ap_socache_instance_t *instance,
                                const unsigned char *key,
                                const bearer_cache_entry_t *entry,
                                bearer_redis_when_t when, apr_pool_t *p);
