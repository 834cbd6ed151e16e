/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttle.h
 * Failures per client address, in one block of memory that all children share
 * (the caller maps it; it survives a graceful restart because the caller keeps
 * it). A fixed number of slots, so memory is bounded; the oldest idle entry
 * goes first, an entry with a running penalty last.
 *
 * No lock is ever waited for: slots are C11 atomics behind a per-bucket flag
 * that is tried, and a request that finds it taken goes on unthrottled and
 * uncounted only in that instant. A holder that died is overrun after a bound.
 * Thread-safe and process-safe.
 */
#ifndef BEARER_THROTTLE_H
#define BEARER_THROTTLE_H

#include <apr_pools.h>
#include <apr_time.h>

#include "bearer/settings.h"

typedef struct bearer_throttle_t bearer_throttle_t;

/** Bytes that a table for `entries` addresses needs; depends on nothing else. */
apr_size_t bearer_throttle_size(unsigned entries);

/** Uses block (zeroed when new, or as an earlier generation left it with the
 *  same entries) as a table. secret: 16 random bytes, the same for all users of
 *  a block, so that nobody can choose colliding addresses. */
apr_status_t bearer_throttle_attach(bearer_throttle_t **throttle, void *block,
                                    apr_size_t size, unsigned entries,
                                    apr_pool_t *p);

/**
 * The address as it counts: IPv4 whole, IPv6 by /64, v4-mapped as IPv4.
 * @return 16 bytes in key; APR_EINVAL for anything else
 */
apr_status_t bearer_throttle_address(unsigned char *key, const char *ip);

/** Is a penalty running? Seconds left, rounded up (Retry-After), or 0. */
unsigned bearer_throttle_check(bearer_throttle_t *throttle,
                               const unsigned char *key, apr_time_t now);

/**
 * Counts one failure. The N-th within the window starts the penalty and clears
 * the count; the same refused token counts once per window.
 * @param token_digest  first 8 bytes of the refused token's SHA-256
 * @return 1 when this one started a penalty
 */
int bearer_throttle_failure(bearer_throttle_t *throttle,
                            const unsigned char *key, apr_uint64_t token_digest,
                            const bearer_throttle_settings_t *settings,
                            apr_time_t now);

/** Was this token refused from this address within the window? Then its answer
 *  comes from memory: *reason is what it was refused for. */
int bearer_throttle_known_bad(bearer_throttle_t *throttle,
                              const unsigned char *key,
                              apr_uint64_t token_digest, apr_time_t now);

/** A success clears the count, not a running penalty. */
void bearer_throttle_success(bearer_throttle_t *throttle,
                             const unsigned char *key, apr_time_t now);

/** For status pages: addresses with a running penalty, entries in use. */
void bearer_throttle_stats(bearer_throttle_t *throttle, apr_time_t now,
                           unsigned *penalised, unsigned *used);

#endif
