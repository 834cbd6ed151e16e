/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file redis_inside.h
 * For redis*.c only: one connection to a redis server (redis_connection.c), the
 * pool of them (redis_pool.c), one call. Nothing here blocks: each wait ends at the
 * call's deadline.
 */
#pragma once

#include <apr_thread_cond.h>

#include "state/redis.h"

/** Of a command. */
#define REDIS_ARGS (BEARER_REDIS_VALUES + 1)

/** A call's time. Most calls are over in a moment; one that is not takes a ticket
 *  of the gate. */
typedef struct bearer_redis_wait_t {
    apr_time_t begun, until;       /**< by bearer_monotonic() */
    apr_time_t moment;             /**< the end of the first moment */
    bearer_gate_t *gate;           /**< NULL: there is none to pass */
    bearer_ticket_t ticket;
    int entered;
} bearer_redis_wait_t;

typedef enum {
    BEARER_REDIS_DONE,
    BEARER_REDIS_CUT,              /**< closed before anything of the reply came */
    BEARER_REDIS_LATE,             /**< the deadline is over */
    BEARER_REDIS_CROWDED,          /**< the gate is full */
    BEARER_REDIS_UNFIT,            /**< the reply is longer than allowed, or of
                                        another kind */
    BEARER_REDIS_BROKEN            /**< anything else; see the detail */
} bearer_redis_end_t;

/** What a server said. values: the caller's, for strings. */
typedef struct bearer_redis_reply_t {
    int is_error, is_nil, is_array;
    long long integer;
    char text[160];                /**< of a status or an error, cut */
    bearer_cache_value_t *values;
    int count;                     /**< of values */
    apr_size_t max;                /**< of a value's length */
    apr_pool_t *p;                 /**< where values are copied to */
} bearer_redis_reply_t;

typedef struct bearer_redis_command_t {
    int count;
    const char *args[REDIS_ARGS];
    size_t lens[REDIS_ARGS];
} bearer_redis_command_t;

typedef struct bearer_redis_connection_t bearer_redis_connection_t;

typedef struct bearer_redis_call_t bearer_redis_call_t;

/** A context for TLS connections; NULL with *error, in p. Lives as long as p. */
void *bearer_redis_tls(const char *ca_file, const char **error, apr_pool_t *p);

/** Connects for a call, with TLS if the client has a context. The certificate must be
 *  for the configured host. call->detail: where the answer is not BEARER_REDIS_DONE. */
bearer_redis_end_t bearer_redis_connect(bearer_redis_connection_t **connection,
                                        const bearer_address_t *address,
                                        bearer_redis_call_t *call);

/** Sends a command and takes its whole reply into call->reply. Unless the answer is
 *  BEARER_REDIS_DONE the connection is of no more use. */
bearer_redis_end_t bearer_redis_exchange(bearer_redis_connection_t *connection,
                                         const bearer_redis_command_t *command,
                                         bearer_redis_call_t *call);

/** 0: the server has closed it, or says something that nobody asked for. */
int bearer_redis_is_open(const bearer_redis_connection_t *connection);

void bearer_redis_close(bearer_redis_connection_t *connection);

/** How long the caller may sleep now, in milliseconds: 0 and *end: not at all. May
 *  wait itself, at the gate: no lock is held. */
int bearer_redis_may_wait(bearer_redis_wait_t *wait, bearer_redis_end_t *end);

/* ---- the pool ----------------------------------------------------------- */

/** A connection, and how old it is. */
typedef struct bearer_redis_slot_t {
    bearer_redis_connection_t *connection;  /**< NULL: to be opened */
    apr_time_t made, used;
} bearer_redis_slot_t;

struct bearer_redis_t {
    const bearer_redis_config_t *config;
    const bearer_world_t *world;
    bearer_redis_shared_t *shared;
    bearer_secret_watch_t *password;
    bearer_resolver_t *resolver;   /**< NULL: `socket` */
    bearer_address_t socket;
    void *tls;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *changed;
    _Atomic unsigned turn;         /**< which address is tried first */
    /* under the mutex */
    bearer_redis_slot_t idle[BEARER_REDIS_CONNECTIONS];
    unsigned idle_count, open_count;
};

/** One call. */
struct bearer_redis_call_t {
    bearer_redis_t *redis;
    bearer_redis_command_t command;
    bearer_redis_reply_t reply;
    bearer_redis_wait_t wait;
    apr_time_t asked;              /**< by bearer_monotonic(): then it got its turn */
    bearer_breaker_pass_t pass;
    int once;                      /**< the server may do it once only */
    int writes;
    int spared;                    /**< the server was not asked, or not to blame */
    const char *detail;
    apr_pool_t *p;
};

/** One try, on a connection that was idle or a new one. */
bearer_redis_end_t bearer_redis_try(bearer_redis_call_t *call);

/** Closes what is idle: what one connection has met, the others will. */
void bearer_redis_drop_idle(bearer_redis_t *redis);

/** Adds an argument, which lives as long as the command. */
void bearer_redis_add(bearer_redis_command_t *command, const char *text);
void bearer_redis_add_bytes(bearer_redis_command_t *command, const char *bytes,
                            apr_size_t len);
