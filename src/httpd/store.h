/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store.h
 * httpd's caches (AuthBearerSOCache) behind the library's cache interface. A returned
 * cache lives as long as the process; any thread may use it.
 */
#pragma once

#include "records.h"

#include "base/world.h"
#include "jose/jwk.h"

/** Returns the word of for= for this kind of value. */
const char *ab_store_word(store_kind_t kind);
/** Hooks of the stores. The first two return OK or an HTTP status. */
int ab_store_pre_config(apr_pool_t *pconf);
int ab_store_post_config(apr_pool_t *pconf, apr_pool_t *ptemp,
                         server_rec *s);
void ab_store_child_init(apr_pool_t *p, server_rec *s);
/** Returns the library's view of a store, or NULL if there is none. */
const bearer_cache_t *ab_store_cache(store_kind_t kind);
/** Returns a read-only view of the key sets in this host's memory. It sends no
 *  requests. */
const bearer_cache_t *ab_store_home(void);
/** Returns 1 if only children of this server share the store. */
int ab_store_is_local(store_kind_t kind);

/** Maximum size of a STORE_KEYS value, in bytes. */
#define AB_STORE_KEYS_MAX (BEARER_JWKS_MAX_BYTES + 65536)
