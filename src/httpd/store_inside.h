/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_inside.h
 * Shared by store.c, store_value.c and remote.c. Other files must not include it.
 */
#pragma once

#include "store.h"
#include "store_redis.h"

#include "base/seal.h"

/** Maximum lifetime of a value, even if the caller asks for more. */
#define MAX_LIFE apr_time_from_sec(29 * 24 * 3600)

typedef struct remote_t remote_t;

/** One kind of value. */
typedef struct kind_t {
    store_kind_t number;
    const char *word;            /**< the word in for= */
    bearer_event_t error;        /**< counts its failed operations */
    const char *id;              /**< socache name, at most 14 characters */
    struct ap_socache_hints hints;
    unsigned max_value;          /**< bytes, after sealing */
    const char *default_size;    /**< size of a default shmcb; NULL: own memory */
    int sealed;                  /**< 1: the caller seals the values */
    int handed_over;             /**< 1: passed on to the next generation; see handover.c */
    const char *loss;            /**< log text: the effect of an unavailable cache */
} kind_t;

/** A store in a process. */
typedef struct store_t {
    const store_config_t *config;
    const kind_t *kind;
    bearer_cache_t cache;
    bearer_seal_t *seal;         /**< NULL: values stay in this host's memory */
    remote_t *remote;            /**< NULL: not a network cache */
    server_rec *server;
} store_t;

/** One operation on a provider. */
typedef struct store_question_t {
    enum { STORE_RETRIEVE, STORE_KEEP, STORE_REMOVE } what;
    const unsigned char *key;
    unsigned char *value;
    unsigned len;                /**< length of value; STORE_RETRIEVE: the buffer size,
                                  *   then the length */
    apr_time_t expires;          /**< STORE_KEEP */
} store_question_t;

/** Runs an operation with the store's provider, on one of its instances. */
apr_status_t ab_store_ask(const store_t *store, ap_socache_instance_t *instance,
                          store_question_t *q, apr_pool_t *p);

/** Wraps httpd's providers for network caches, so that a cache server that does not
 *  answer causes little delay. NULL: this provider does not use the network. */
remote_t *ab_remote_create(const store_t *store, apr_pool_t *p);
/** Like ab_store_ask(). APR_EGENERAL: the cache is unavailable; APR_NOTFOUND: it has no
 *  such value; other errors: the cache refuses to store the value. */
apr_status_t ab_remote_ask(remote_t *remote, store_question_t *question, apr_pool_t *p);

/** The hooks of store_value.c, which create the mutex of shared memory. */
int ab_store_value_pre_config(apr_pool_t *pconf);
int ab_store_value_post_config(apr_pool_t *pconf, server_rec *s);

/** Counts a failed operation. Returns rv. */
apr_status_t ab_store_value_counted(const store_t *store, apr_status_t rv);
/** Reads a value into p. APR_NOTFOUND: no such value; APR_EGENERAL: the cache is
 *  unavailable. */
apr_status_t ab_store_value_get(const store_t *store, const unsigned char *key,
                                unsigned char **value, apr_size_t *len,
                                apr_pool_t *p);
/** Stores a value.
 *  @param when  values other than BEARER_REDIS_ALWAYS work with this module's Redis
 *               client only */
apr_status_t ab_store_value_put_when(const store_t *store, const unsigned char *key,
                                     const bearer_cache_entry_t *entry,
                                     bearer_redis_when_t when, apr_pool_t *p);
/** Stores a value in any case. */
apr_status_t ab_store_value_put(const store_t *store, const unsigned char *key,
                                const unsigned char *value, apr_size_t len,
                                apr_time_t expires, apr_pool_t *p);
/** Removes a value, if there is one. */
apr_status_t ab_store_value_remove(const store_t *store, const unsigned char *key,
                                   apr_pool_t *p);
