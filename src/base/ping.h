/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file ping.h
 * Checks whether a redis or memcached server answers. It uses its own connection with
 * a strict time limit. The clients of httpd's providers have none: they wait without
 * limit for a server that was suspended. Only the name lookup can take as long as the
 * resolver does.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

/** X(name, port, question, start of the answer) */
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
 * @param timeout  for each server, in microseconds
 * @return NULL if at least one server answers and none of the others times out; else
 *         an error message, for the log, in p
 */
const char *bearer_ping(bearer_ping_protocol_t protocol, const char *servers,
                        apr_interval_time_t timeout, apr_pool_t *p);
