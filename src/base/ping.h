/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file ping.h
 * Asks a redis or memcached for a sign of life. It has a connection of its own and
 * a time limit that holds, unlike the clients of httpd's providers: they read from
 * a server that was stopped for as long as it takes. Only the look-up of a name
 * takes as long as the resolver does.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

/** X(name, port, question, how the answer begins) */
#define BEARER_PINGS(X) \
    X(REDIS, 6379, "PING\r\n", "+PONG") \
    X(MEMCACHED, 11211, "version\r\n", "VERSION ")

typedef enum {
#define X(name, port, question, answer) BEARER_PING_##name,
    BEARER_PINGS(X)
#undef X
} bearer_ping_protocol_t;

/**
 * @param servers  HOST[:PORT],... or paths of sockets, as the provider takes them
 * @param timeout  for each of them
 * @return NULL: they can be asked: at least one answers, and none of the others
 *         keeps silent; else what is wrong, for the log, in p
 */
const char *bearer_ping(bearer_ping_protocol_t protocol, const char *servers,
                        apr_interval_time_t timeout, apr_pool_t *p);
