/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file resolver.h
 * Looks up the addresses of one host in a separate thread, because the system's
 * resolver has no deadline. A caller waits for the first result, until its deadline
 * at the latest. Later lookups run in the background, one at a time. Until one
 * succeeds, the former addresses stay in use.
 *
 * A numeric address needs no lookup and no thread.
 *
 * Thread-safe. Create it after fork.
 */
#pragma once

#include <sys/socket.h>

#include <apr_pools.h>
#include <apr_time.h>

/** Further addresses of a host are ignored. */
#define BEARER_RESOLVER_MAX 8
/** If a caller asks for older addresses, a new lookup begins. */
#define BEARER_RESOLVER_FRESH apr_time_from_sec(30)

typedef struct bearer_address_t {
    struct sockaddr_storage address;
    socklen_t len;
} bearer_address_t;

/** Fills at most BEARER_RESOLVER_MAX addresses and returns their number, or a
 *  negative number with *error set to a static string. May block. */
typedef int (*bearer_lookup_fn)(const char *host, int port,
                                bearer_address_t *addresses, const char **error);

typedef struct bearer_resolver_t bearer_resolver_t;

/**
 * Starts the first lookup.
 * @param lookup  NULL: the system's resolver
 * @param p       the process's pool. When it is destroyed, a running lookup gets a
 *                short time to end, and is then abandoned
 */
apr_status_t bearer_resolver_create(bearer_resolver_t **resolver,
                                    const char *host, int port,
                                    bearer_lookup_fn lookup, apr_pool_t *p);

/**
 * Returns the addresses.
 * @param addresses  room for BEARER_RESOLVER_MAX
 * @param until      the deadline (bearer_monotonic) if no address is known yet
 * @param error      set to a static string if the result is 0
 * @return the number of addresses; 0 if none is known
 */
int bearer_resolver_get(bearer_resolver_t *resolver, bearer_address_t *addresses,
                        apr_time_t until, const char **error);

/** Reports that no address works: the next caller starts a new lookup. */
void bearer_resolver_expire(bearer_resolver_t *resolver);

/** Returns microseconds of a clock that cannot be set. */
apr_time_t bearer_monotonic(void);
