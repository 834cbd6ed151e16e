/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file redis_inside.h
 * For redis*.c only: one connection to a redis server (redis_connection.c), the pool
 * of connections (redis_pool.c), and one call. Every wait ends at the call's
 * deadline.
 */
#pragma once

#include <apr_thread_cond.h>

#include "state/redis.h"

/** Maximum number of arguments of a command. */
#define REDIS_ARGS (BEARER_REDIS_VALUES + 1)

/** The time of a call. Most calls end within a moment; a longer one takes a ticket
 *  of the gate. */
typedef struct bearer_redis_wait_t {
    apr_time_t begun, until;       /**< by bearer_monotonic() */
    apr_time_t moment;             /**< when the call counts as long */
    bearer_gate_t *gate;           /**< NULL: no gate */
    bearer_ticket_t ticket;
    int entered;
} bearer_redis_wait_t;

typedef enum {
    BEARER_REDIS_DONE,
    BEARER_REDIS_CUT,              /**< closed before any byte of the reply arrived */
    BEARER_REDIS_LATE,             /**< the deadline has passed */
    BEARER_REDIS_CROWDED,          /**< the gate is full */
    BEARER_REDIS_UNFIT,            /**< the reply is longer than allowed, or of another kind */
    BEARER_REDIS_BROKEN            /**< any other failure; see the detail */
} bearer_redis_end_t;

/** A server's reply. values: in the caller's memory, for strings. */
typedef struct bearer_redis_reply_t {
    int is_error, is_nil, is_array;
    long long integer;
    char text[160];                /**< of a status or an error, truncated */
    bearer_cache_value_t *values;
    int count;                     /**< number of values */
    apr_size_t max;                /**< maximum length of a value */
    apr_pool_t *p;                 /**< pool for the copies of values */
} bearer_redis_reply_t;

typedef struct bearer_redis_command_t {
    int count;
    const char *args[REDIS_ARGS];
    size_t lens[REDIS_ARGS];
} bearer_redis_command_t;

typedef struct bearer_redis_connection_t bearer_redis_connection_t;

typedef struct bearer_redis_call_t bearer_redis_call_t;

/** Returns a context for TLS connections that lives as long as p; NULL with *error, in p. */
void *bearer_redis_tls(const char *ca_file, const char **error, apr_pool_t *p);

/** Connects for a call, with TLS if the client has a context. The certificate must
 *  match the configured host. call->detail is set unless the result is
 *  BEARER_REDIS_DONE. */
bearer_redis_end_t bearer_redis_connect(bearer_redis_connection_t **connection,
                                        const bearer_address_t *address,
                                        bearer_redis_call_t *call);

/** Sends a command and reads its whole reply into call->reply. Unless the result
 *  is BEARER_REDIS_DONE, the connection must be closed. */
bearer_redis_end_t bearer_redis_exchange(bearer_redis_connection_t *connection,
                                         const bearer_redis_command_t *command,
                                         bearer_redis_call_t *call);

/** Returns 0 if the server has closed the connection or sent unexpected data. */
int bearer_redis_is_open(const bearer_redis_connection_t *connection);

void bearer_redis_close(bearer_redis_connection_t *connection);

/** Returns how long the caller may sleep now, in milliseconds. 0 with *end set:
 *  not at all. May itself wait at the gate; call it without locks. */
int bearer_redis_may_wait(bearer_redis_wait_t *wait, bearer_redis_end_t *end);

/* ---- the pool ----------------------------------------------------------- */

/** A connection and its age. */
typedef struct bearer_redis_slot_t {
    bearer_redis_connection_t *connection;  /**< NULL: not open yet */
    apr_time_t made, used;
} bearer_redis_slot_t;

struct bearer_redis_t {
    const bearer_redis_config_t *config;
    const bearer_world_t *world;
    bearer_redis_shared_t *shared;
    bearer_secret_watch_t *password;
    bearer_resolver_t *resolver;   /**< NULL: `socket` is used */
    bearer_address_t socket;
    void *tls;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *changed;
    _Atomic unsigned turn;         /**< the address to try first */
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
    apr_time_t asked;              /**< when its turn came, by bearer_monotonic() */
    bearer_breaker_pass_t pass;
    int once;                      /**< the server may execute it only once */
    int writes;
    int spared;                    /**< the server got no request, or did not cause the
                                        failure */
    const char *detail;
    apr_pool_t *p;
};

/** Makes one attempt, on an idle connection or a new one. */
bearer_redis_end_t bearer_redis_try(bearer_redis_call_t *call);

/** Closes idle connections: an error on one of them will affect the others. */
void bearer_redis_drop_idle(bearer_redis_t *redis);

/** Adds an argument, which must live as long as the command. */
void bearer_redis_add(bearer_redis_command_t *command, const char *text);
void bearer_redis_add_bytes(bearer_redis_command_t *command, const char *bytes,
                            apr_size_t len);
