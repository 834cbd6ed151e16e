/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_own.h
 * The module's own memory for sessions and for used proofs (AuthBearerSOCache
 * shm[:SIZE]; state/table.h): its configuration line, and the table of sessions behind
 * the library's cache interface. After creation, any process and thread may use it.
 * `kind` is STORE_SESSIONS or STORE_PROOFS.
 */
#pragma once

#include "config_parse.h"

#include "state/table.h"

/** Is the word shm or shm:SIZE? */
int ab_store_own_is(const char *word);
/** Parses the word into *store. Returns NULL, or an error message. */
const char *ab_store_own_parse(store_config_t *store, const parse_t *in);
/** For sessions and proofs: replaces shmcb with the module's own shared memory of the
 *  same size. Afterwards args is the unused file name, or NULL. */
const char *ab_store_own_instead(store_config_t *store, store_kind_t kind, apr_pool_t *p);

/** A new configuration: no table is used, until it is created. */
void ab_store_own_begin(void);
/** Creates the table, or finds that of the previous generation.
 *  @param size  bytes
 *  @return OK, or a hook status after a log line */
int ab_store_own_create(store_kind_t kind, apr_uint64_t size, apr_pool_t *pconf,
                        server_rec *s);
/** For sessions: sets all functions of the cache except the leases. */
void ab_store_own_fill(bearer_cache_t *cache);
/** Returns the table of used proofs, or NULL if it is not used. */
bearer_table_t *ab_store_own_proofs(void);
/** Returns 0 if the table is not used. */
int ab_store_own_stats(store_kind_t kind, bearer_table_stats_t *stats);
/** Call once a second from a background thread. */
void ab_store_own_tick(void);
