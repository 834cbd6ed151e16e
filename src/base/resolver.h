/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file resolver.h
 * The addresses of one host, looked up in a thread of its own: the system's
 * resolver knows no deadline, so no caller runs it. A caller waits for the first
 * answer until its deadline at most. Later lookups happen behind the callers'
 * backs, at most one at a time; until they succeed the former addresses serve.
 *
 * A numeric address needs no lookup and no thread.
 *
 * Thread-safe. Create it after fork.
 */
#pragma once

#include <sys/socket.h>

#include <apr_pools.h>
#include <apr_time.h>

/** More addresses of a host are ignored. */
#define BEARER_RESOLVER_MAX 8
/** Older addresses are looked up again, when they are asked for. */
#define BEARER_RESOLVER_FRESH apr_time_from_sec(30)

typedef struct bearer_address_t {
    struct sockaddr_storage address;
    socklen_t len;
} bearer_address_t;

/** Fills at most BEARER_RESOLVER_MAX addresses; the number of them, or a negative
 *  number with *error (a string that lasts). May block. */
typedef int (*bearer_lookup_fn)(const char *host, int port,
                                bearer_address_t *addresses, const char **error);

typedef struct bearer_resolver_t bearer_resolver_t;

/**
 * Starts the first lookup.
 * @param lookup  NULL: the system's resolver
 * @param p       the process's pool. When it is destroyed a lookup under way has
 *                a moment to end, and is abandoned then.
 */
apr_status_t bearer_resolver_create(bearer_resolver_t **resolver,
                                    const char *host, int port,
                                    bearer_lookup_fn lookup, apr_pool_t *p);

/**
 * The addresses.
 * @param addresses  BEARER_RESOLVER_MAX
 * @param until      by bearer_monotonic(); waits no longer if none is known
 * @param error      where the answer is 0; a string that lasts
 * @return their number; 0: none is known
 */
int bearer_resolver_get(bearer_resolver_t *resolver, bearer_address_t *addresses,
                        apr_time_t until, const char **error);

/** None of the addresses is of use: the next caller gets newer ones looked up. */
void bearer_resolver_expire(bearer_resolver_t *resolver);

/** Microseconds of a clock that nobody sets. */
apr_time_t bearer_monotonic(void);
