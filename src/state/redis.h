/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file redis.h
 * A client for one redis server, over hiredis. The results that matter to callers are
 * distinct:
 *
 *   APR_SUCCESS   the server did it
 *   APR_NOTFOUND  the server says that the key does not exist
 *   APR_EEXIST    the server says that the key already exists
 *   APR_ENOSPC    the server refuses to write (full, a replica, ...); reads still
 *                 work
 *   APR_EGENERAL  unknown: the server is unavailable
 *
 * One deadline covers the whole call: waiting for a connection, looking up the
 * address, connecting, TLS, AUTH, SELECT, and the complete reply. After a failure,
 * the breaker lets only one caller of the host per second send a request. A call that
 * waits longer than a moment enters the world's gate.
 *
 * A reply that is longer than the caller allows is refused while it arrives.
 *
 * The log says once what to change, and once that the problem is
 * over. Refused writes are logged once a minute. Keys, values and passwords are not
 * logged.
 *
 * Thread-safe. Create it after fork. Its connections are closed with its pool. The
 * caller must ignore SIGPIPE, as httpd does.
 */
#pragma once

#include <stdatomic.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/breaker.h"
#include "base/gate.h"
#include "base/resolver.h"
#include "base/secret.h"
#include "base/world.h"

/** Maximum number of connections of one client. */
#define BEARER_REDIS_CONNECTIONS 16
/** Maximum number of values in one call. */
#define BEARER_REDIS_VALUES BEARER_CACHE_MANY
/** Maximum number of keys in one list. */
#define BEARER_REDIS_EACH 32
/** Older connections, and those unused for longer than IDLE, are not reused. */
#define BEARER_REDIS_AGE apr_time_from_sec(300)
#define BEARER_REDIS_IDLE apr_time_from_sec(30)

/** What the processes of a host share about a server. It is in the caller's
 *  memory, which must be zeroed at first. */
typedef struct bearer_redis_shared_t {
    bearer_breaker_t breaker;
    _Atomic int trouble;           /**< the problem logged last; 0: none */
    _Atomic apr_int64_t refused;   /**< when a refused write was last logged */
} bearer_redis_shared_t;

/** Where the server is and how to connect. It must live as long as the client. */
typedef struct bearer_redis_config_t {
    const char *name;              /**< for the log, without a password */
    const char *host;              /**< NULL: use path */
    int port;
    const char *path;              /**< of a unix socket */
    const char *user;              /**< NULL: the default user */
    const bearer_secret_t *password; /**< NULL: none */
    int database;
    int tls;
    const char *ca_file;           /**< PEM; NULL: the system's */
    apr_interval_time_t timeout;   /**< of a call, microseconds, > 0 */
    unsigned connections;          /**< 1..BEARER_REDIS_CONNECTIONS */
} bearer_redis_config_t;

typedef enum {
    BEARER_REDIS_ALWAYS,
    BEARER_REDIS_IF_ABSENT,
    BEARER_REDIS_IF_PRESENT
} bearer_redis_when_t;

typedef struct bearer_redis_t bearer_redis_t;

/** Returns NULL, or what this build lacks for such a server, and how to get it. */
const char *bearer_redis_lacks(int tls);

/**
 * Creates a client without connecting.
 * @param world, shared  must live as long as p, the process's pool
 * @param lookup         NULL: the system's resolver
 */
apr_status_t bearer_redis_create(bearer_redis_t **redis,
                                 const bearer_redis_config_t *config,
                                 const bearer_world_t *world,
                                 bearer_redis_shared_t *shared,
                                 bearer_lookup_fn lookup, apr_pool_t *p);

/** GET or, for several keys, MGET: one round trip.
 *  @param values  n of them are filled, in p; an absent one has no data
 *  @param max     maximum length of a value; a longer one gives APR_EGENERAL
 *  @return APR_SUCCESS, APR_EGENERAL */
apr_status_t bearer_redis_get(bearer_redis_t *redis, const char *const *keys,
                              int n, bearer_cache_value_t *values,
                              apr_size_t max, apr_pool_t *p);

/** SET.
 *  @param life  > 0, microseconds; rounded up to milliseconds
 *  @return APR_SUCCESS, APR_EEXIST, APR_NOTFOUND, APR_ENOSPC, APR_EGENERAL */
apr_status_t bearer_redis_set(bearer_redis_t *redis, const char *key,
                              const void *value, apr_size_t len,
                              apr_interval_time_t life, bearer_redis_when_t when,
                              apr_pool_t *p);

/** A list of related keys, such as the sessions of one user. */
typedef struct bearer_redis_list_t {
    const char *key;               /**< key of the list */
    const char *prefix;            /**< prefix of the listed keys; 64 digits follow it */
    apr_interval_time_t life;      /**< minimum lifetime of the list, microseconds */
} bearer_redis_list_t;

/**
 * SET with BEARER_REDIS_IF_ABSENT, in one round trip with the list. At most
 * BEARER_REDIS_EACH of the listed keys exist. If there would be one more, the key
 * with the least time left is deleted. The server does all of this atomically, or
 * nothing.
 * @param key  the list's prefix and 64 digits
 * @return as bearer_redis_set()
 */
apr_status_t bearer_redis_add_to_list(bearer_redis_t *redis, const char *key,
                                      const void *value, apr_size_t len,
                                      apr_interval_time_t life,
                                      const bearer_redis_list_t *list,
                                      apr_pool_t *p);

/** DEL. @return APR_SUCCESS, APR_NOTFOUND, APR_ENOSPC, APR_EGENERAL */
apr_status_t bearer_redis_remove(bearer_redis_t *redis, const char *key,
                                 apr_pool_t *p);
