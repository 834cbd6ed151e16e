/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file shared.h
 * Memory shared by all children on this host; it survives a graceful restart. Any
 * process and any thread of the server may use it.
 */
#pragma once

#include <httpd.h>

#include "base/breaker.h"
#include "base/budget.h"
#include "base/gate.h"
#include "state/signed_out.h"
#include "state/vouch.h"

/** Creates the shared memory, in post_config; later calls find it again. */
apr_status_t ab_shared_create(apr_pool_t *pconf, server_rec *s);
/** Returns memory for all children that survives a restart. It is created once for a
 *  layout and size, zeroed, and found again by them.
 *  @param file  name below the runtime directory, used if the system has no anonymous
 *               shared memory
 *  @param made  set to 1 if the memory is new
 *  @return NULL if there is none; *rv says why */
void *ab_shared_keep(const char *layout, const char *file, apr_size_t size,
                     int *made, apr_pool_t *pconf, server_rec *s,
                     apr_status_t *rv);
/** Returns the memory of the throttle, for BEARER_THROTTLE_ENTRIES; NULL: none. */
void *ab_shared_throttle(void);
/** Takes a host-wide lease. Returns 1 if the caller now holds it. The lease ends with
 *  ab_shared_unlease(), at `until`, or with the process that took it. */
int ab_shared_lease(const unsigned char *key, apr_time_t now,
                    apr_time_t until);
/** Ends a lease that this process took. */
void ab_shared_unlease(const unsigned char *key);
/** Waits while a process of this host holds the lease, at most for `longest`. Returns 0
 *  if no process holds it. */
int ab_shared_await(const unsigned char *key, apr_time_t now,
                    apr_interval_time_t longest);
/** Returns the tokens verified on this host; NULL: none are remembered. */
bearer_vouched_t *ab_shared_vouched(void);
/** Creates the memory for access tokens of signed-out sessions, in post_config. */
void ab_shared_create_signed_out(apr_pool_t *pconf, server_rec *s);
/** Returns it; NULL: no virtual host has sessions, or there is no shared memory. */
bearer_signed_out_t *ab_shared_signed_out(void);
/** Returns the host's part of the gate; NULL: none. */
bearer_gate_host_t *ab_shared_gate(void);
/** Returns the budget of pushed authorization requests to an issuer for unauthenticated
 *  browsers (RFC 9126). Never NULL.
 *  @param issuer  index in the configuration */
bearer_budget_t *ab_shared_pushes(int issuer);
/** The state of a network cache as this host sees it. */
typedef struct shared_cache_t {
    bearer_breaker_t down;             /**< open while the cache does not answer */
    bearer_breaker_t full;             /**< open while the cache refuses to store values */
    bearer_calls_t calls;
    _Atomic apr_uint32_t epoch;        /**< how often the cache has become available
                                        *   again */
} shared_cache_t;
/** @param kind  a store_kind_t below STORE_SOCACHES */
shared_cache_t *ab_shared_cache(int kind);
/** Returns AB_SHARED_HOST_SIZE bytes that distinguish this server from others that
 *  share a cache; NULL: none. */
#define AB_SHARED_HOST_SIZE 16
const unsigned char *ab_shared_host(void);
/** Warnings that one process logs for all. */
typedef enum {
    SHARED_WARN_FORWARDED_FOR,
    SHARED_WARN_CHILD,  /**< conditions that every child finds alike */
    SHARED_WARNINGS
} shared_warning_t;
/** Returns 1 to the first caller on this host since the server was started, else 0. */
int ab_shared_first(shared_warning_t warning);
