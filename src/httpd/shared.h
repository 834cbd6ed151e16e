/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file shared.h
 * Memory that all children of the host share; a graceful restart keeps it. Any
 * process of the server, any thread.
 */
#pragma once

#include <httpd.h>

#include "base/breaker.h"
#include "base/budget.h"
#include "base/gate.h"
#include "state/vouch.h"

apr_status_t ab_shared_create(apr_pool_t *pconf, server_rec *s);
/** Memory for all children that a restart does not reach: made once for a layout
 *  and size, zeroed, and found again under them.
 *  @param file  below the runtime directory, where the system has no anonymous
 *               shared memory
 *  @param made  1: it is new
 *  @return NULL: there is none, and *rv says why */
void *ab_shared_keep(const char *layout, const char *file, apr_size_t size,
                     int *made, apr_pool_t *pconf, server_rec *s,
                     apr_status_t *rv);
/** The throttle's block, for BEARER_THROTTLE_ENTRIES; NULL: none. */
void *ab_shared_throttle(void);
/** A host-wide lease: 1 when the caller has it now. It ends with unlease, with
 *  `until`, or with the process that took it. */
int ab_shared_lease(const unsigned char *key, apr_time_t now,
                    apr_time_t until);
void ab_shared_unlease(const unsigned char *key);
/** Waits while a process of this host holds it, for `longest` or less. 0: none
 *  does. */
int ab_shared_await(const unsigned char *key, apr_time_t now,
                    apr_interval_time_t longest);
/** Tokens that were verified on this host; NULL: none are remembered. */
bearer_vouched_t *ab_shared_vouched(void);
/** The host's part of the gate; NULL: none. */
bearer_gate_host_t *ab_shared_gate(void);
/** How often that issuer may be pushed requests for browsers that nobody knows;
 *  never NULL.
 *  @param issuer  its index in the configuration */
bearer_budget_t *ab_shared_pushes(int issuer);
/** What this host knows of a cache over the network; kind: a store_kind_t. */
typedef struct shared_cache_t {
    bearer_breaker_t down;             /**< it does not answer */
    bearer_breaker_t full;             /**< it refuses what it should keep */
    bearer_calls_t calls;
    _Atomic apr_uint32_t epoch;        /**< how often it has come back */
} shared_cache_t;
shared_cache_t *ab_shared_cache(int kind);
/** What tells this server from others that share a cache; NULL: nothing does. */
#define AB_SHARED_HOST_SIZE 16
const unsigned char *ab_shared_host(void);
/** 1 for the first caller on this host since the server was started. */
typedef enum {
    SHARED_WARN_FORWARDED_FOR,
    SHARED_WARN_CHILD,  /**< what each child finds alike */
    SHARED_WARNINGS
} shared_warning_t;
int ab_shared_first(shared_warning_t warning);
