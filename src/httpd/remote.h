/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file remote.h
 * httpd's providers for caches over the network, called so that a server which does
 * not answer costs little. For store.c; how it works is in remote.c.
 */
#pragma once

#include "records.h"

typedef struct remote_t remote_t;
typedef struct remote_config_t {
    const store_config_t *store;
    const char *id;                    /**< for the provider */
    const struct ap_socache_hints *hints;
    int kind;                          /**< a store_kind_t */
    const char *word;                  /**< what it keeps, for the log */
    const char *loss;                  /**< what becomes of requests while it cannot
                                        *   be asked */
    int seldom;                        /**< each call is worth a sign of life first,
                                        *   so none hangs */
    server_rec *server;
} remote_config_t;
/** NULL: the provider does not use the network. */
remote_t *ab_remote_create(const remote_config_t *config, apr_pool_t *p);
/** APR_NOTFOUND: it is not there; APR_EGENERAL: the cache cannot be asked; others
 *  are the provider's. */
apr_status_t ab_remote_retrieve(remote_t *remote, const unsigned char *key,
                                unsigned char *value, unsigned *len,
                                apr_pool_t *p);
/** APR_EGENERAL: the cache cannot be asked; others: it refuses. */
apr_status_t ab_remote_store(remote_t *remote, const unsigned char *key,
                             unsigned char *value, unsigned len,
                             apr_time_t expires, apr_pool_t *p);
apr_status_t ab_remote_remove(remote_t *remote, const unsigned char *key,
                              apr_pool_t *p);
