/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_own.h
 * The module's own memory for sessions (AuthBearerSOCache shm[:SIZE]; state/table.h):
 * its line, and the table behind the library's cache interface. Once it is made, any
 * process and thread.
 */
#pragma once

#include "config_parse.h"

#include "state/table.h"

int ab_store_own_is(const char *word);
const char *ab_store_own_parse(store_config_t *store, const parse_t *in);
/** For sessions: what shmcb (its args) means there. args is then the file, which is
 *  not used, or NULL. */
const char *ab_store_own_instead(store_config_t *store, apr_pool_t *p);

int ab_store_own_create(apr_uint64_t size, apr_pool_t *pconf, server_rec *s);
/** All but the leases. */
void ab_store_own_fill(bearer_cache_t *cache);
/** 0: it is not used. */
int ab_store_own_stats(bearer_table_stats_t *stats);
/** From a background thread, once a second. */
void ab_store_own_tick(void);
