/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_inside.h
 * Between store.c, store_value.c and remote.c; nobody else includes this.
 */
#pragma once

#include "store.h"
#include "store_redis.h"

#include "base/seal.h"

/** The longest life of a value, whatever is asked for. */
#define MAX_LIFE apr_time_from_sec(29 * 24 * 3600)

typedef struct remote_t remote_t;

/** One kind of value. */
typedef struct kind_t {
    store_kind_t number;
    const char *word;            /**< in for= */
    const char *id;              /**< socache name, at most 14 characters */
    struct ap_socache_hints hints;
    unsigned max_value;          /**< bytes, sealed */
    const char *default_size;    /**< of a default shmcb; NULL: own memory */
    int sealed;                  /**< its owner seals what he keeps */
    int handed_over;             /**< to the next generation; see handover.c */
    const char *loss;            /**< where the cache cannot be asked */
} kind_t;

/** A store in a process. */
typedef struct store_t {
    const store_config_t *config;
    const kind_t *kind;
    bearer_cache_t cache;
    bearer_seal_t *seal;         /**< NULL: stays in this host's memory */
    remote_t *remote;            /**< NULL: not over the network */
    server_rec *server;
} store_t;

/** What a provider is asked. */
typedef struct store_question_t {
    enum { STORE_RETRIEVE, STORE_KEEP, STORE_REMOVE } what;
    const unsigned char *key;
    unsigned char *value;
    unsigned len;                /**< of value; STORE_RETRIEVE: its room, then its
                                  *   length */
    apr_time_t expires;          /**< STORE_KEEP */
} store_question_t;

/** Asks the store's provider, for one of its instances. */
apr_status_t ab_store_ask(const store_t *store, ap_socache_instance_t *instance,
                          store_question_t *q, apr_pool_t *p);

/** httpd's providers for caches over the network, called so that a server which does
 *  not answer costs little. NULL: this one does not use the network. */
remote_t *ab_remote_create(const store_t *store, apr_pool_t *p);
/** As ab_store_ask(). APR_EGENERAL: the cache cannot be asked; APR_NOTFOUND: it is not
 *  there; others: it refuses to keep it. */
apr_status_t ab_remote_ask(remote_t *remote, store_question_t *question, apr_pool_t *p);

int ab_store_value_pre_config(apr_pool_t *pconf);
int ab_store_value_post_config(apr_pool_t *pconf, server_rec *s);

/** APR_NOTFOUND: it is not there; APR_EGENERAL: the cache cannot be asked. */
apr_status_t ab_store_value_get(const store_t *store, const unsigned char *key,
                                unsigned char **value, apr_size_t *len,
                                apr_pool_t *p);
/** when: anything but BEARER_REDIS_ALWAYS is for our own client only. */
apr_status_t ab_store_value_put_when(const store_t *store, const unsigned char *key,
                                     const bearer_cache_entry_t *entry,
                                     bearer_redis_when_t when, apr_pool_t *p);
apr_status_t ab_store_value_put(const store_t *store, const unsigned char *key,
                                const unsigned char *value, apr_size_t len,
                                apr_time_t expires, apr_pool_t *p);
apr_status_t ab_store_value_remove(const store_t *store, const unsigned char *key,
                                   apr_pool_t *p);
