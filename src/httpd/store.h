/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store.h
 * httpd's caches (AuthBearerSOCache) behind the library's cache interface. A cache that
 * was given out lives as long as the process; any thread may use it.
 */
#pragma once

#include "records.h"

#include "base/world.h"
#include "jose/jwk.h"

/** What for= calls such values. */
const char *ab_store_word(store_kind_t kind);
int ab_store_pre_config(apr_pool_t *pconf);
int ab_store_post_config(apr_pool_t *pconf, apr_pool_t *ptemp,
                         server_rec *s);
void ab_store_child_init(apr_pool_t *p, server_rec *s);
/** The library's view of a store, or NULL where there is none. */
const bearer_cache_t *ab_store_cache(store_kind_t kind);
/** To look into: what this host's memory has of key sets; it asks nobody. */
const bearer_cache_t *ab_store_home(void);
/** 1 where all who share a store are children of this server. */
int ab_store_is_local(store_kind_t kind);

/** The longest value of STORE_KEYS. */
#define AB_STORE_KEYS_MAX (BEARER_JWKS_MAX_BYTES + 65536)
