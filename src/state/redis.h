/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file redis.h
 * A client for one redis server, over hiredis. The differences that matter to
 * the callers are kept apart:
 *
 *   APR_SUCCESS   the server did it
 *   APR_NOTFOUND  the server says that the key does not exist
 *   APR_EEXIST    the server says that the key already exists
 *   APR_ENOSPC    the server refuses to write (full, a replica, ...); reading
 *                 goes on
 *   APR_EGENERAL  nobody knows: the server cannot be asked just now
 *
 * One deadline covers all that a call does: waiting for a connection, looking up
 * the address, connecting, TLS, AUTH, SELECT, and the whole reply. After a failure
 * the breaker keeps all callers of the host away from the server but one a second.
 * A call that waits longer than a moment passes the world's gate.
 *
 * A reply that is longer than the caller allows is refused while it arrives.
 *
 * The log says once what is wrong and what to change, and once that it is over;
 * refused writes are logged once a minute. No key, value or password is logged.
 *
 * Thread-safe. Create it after fork; its connections are closed with its pool.
 * SIGPIPE must be ignored, as httpd does.
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

/** At most so many connections of one client. */
#define BEARER_REDIS_CONNECTIONS 16
/** At most so many values in one call. */
#define BEARER_REDIS_VALUES 16
/** At most so many keys in one list. */
#define BEARER_REDIS_EACH 32
/** Older connections, and those unused for so long, are not used any more. */
#define BEARER_REDIS_AGE apr_time_from_sec(300)
#define BEARER_REDIS_IDLE apr_time_from_sec(30)

/** What the processes of a host share about a server: the caller's memory, zeroed
 *  when new. */
typedef struct bearer_redis_shared_t {
    bearer_breaker_t breaker;
    _Atomic int trouble;           /**< what was logged last; 0: nothing is wrong */
    _Atomic apr_int64_t refused;   /**< when a refused write was last logged */
} bearer_redis_shared_t;

/** Where the server is, and how to ask it. Lives as long as the client. */
typedef struct bearer_redis_config_t {
    const char *name;              /**< for the log: without a password */
    const char *host;              /**< NULL: path */
    int port;
    const char *path;              /**< of a unix socket */
    const char *user;              /**< NULL: the default user */
    const bearer_secret_t *password; /**< NULL: none */
    int database;
    int tls;
    const char *ca_file;           /**< PEM; NULL: the system's */
    apr_interval_time_t timeout;   /**< of a call, > 0 */
    unsigned connections;          /**< 1..BEARER_REDIS_CONNECTIONS */
} bearer_redis_config_t;

typedef enum {
    BEARER_REDIS_ALWAYS,
    BEARER_REDIS_IF_ABSENT,
    BEARER_REDIS_IF_PRESENT
} bearer_redis_when_t;

typedef struct bearer_redis_t bearer_redis_t;

/** NULL, or what this build lacks for such a server, and how to get it. */
const char *bearer_redis_lacks(int tls);

/**
 * Connects to nobody.
 * @param world, shared  live as long as p, the process's pool
 * @param lookup  NULL: the system's resolver
 */
apr_status_t bearer_redis_create(bearer_redis_t **redis,
                                 const bearer_redis_config_t *config,
                                 const bearer_world_t *world,
                                 bearer_redis_shared_t *shared,
                                 bearer_lookup_fn lookup, apr_pool_t *p);

/** GET or, of several keys, MGET: one round trip.
 *  @param values  n of them are filled, in p; an absent one has no data
 *  @param max     of a value's length; a longer one is APR_EGENERAL
 *  @return APR_SUCCESS, APR_EGENERAL */
apr_status_t bearer_redis_get(bearer_redis_t *redis, const char *const *keys,
                              int n, bearer_cache_value_t *values,
                              apr_size_t max, apr_pool_t *p);

/** SET.
 *  @param life  > 0; rounded up to milliseconds
 *  @return APR_SUCCESS, APR_EEXIST, APR_NOTFOUND, APR_ENOSPC, APR_EGENERAL */
apr_status_t bearer_redis_set(bearer_redis_t *redis, const char *key,
                              const void *value, apr_size_t len,
                              apr_interval_time_t life, bearer_redis_when_t when,
                              apr_pool_t *p);

/** What may be added beside others of its kind, such as sessions of one user. */
typedef struct bearer_redis_list_t {
    const char *key;               /**< of the list of them */
    const char *prefix;            /**< of the keys that it names, in 64 digits each */
    apr_interval_time_t life;      /**< of the list, at least */
} bearer_redis_list_t;

/**
 * SET with BEARER_REDIS_IF_ABSENT, in one round trip with the list: of those that
 * it names there are BEARER_REDIS_EACH at most, so one more ends the one that has the
 * least time left. The server does all of it at once, or nothing.
 * @param key   the list's prefix and 64 digits
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
