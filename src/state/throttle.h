/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttle.h
 * Failures per client address (AuthBearerThrottle), in one block of memory that
 * all children share. The caller maps it, zeroed, before the children start and
 * keeps it over a graceful restart, so that a penalty outlives the restart.
 *
 * A bucket holds the addresses that hash to it and a pool of records: one per
 * refused token, with its time, so that the window slides and the same token
 * counts once. The number of both is fixed, so memory is bounded. In a full
 * bucket the address that has been idle longest goes first and a running
 * penalty never: then the new address is the one not remembered. Records that
 * make room go on counting (their time then is that of the newest of them).
 *
 * Where an address lands depends on random bytes in the block: nobody can
 * choose addresses that crowd one bucket.
 *
 * The block holds no pointer, no token and no digest of one: what it keeps of a
 * token is keyed with the same random bytes.
 *
 * bearer_throttle_remembers and bearer_throttle_check take no lock. All else
 * takes the bucket's flag, tries for some microseconds, and then goes on
 * without: no request waits for another. The flag of a holder that died is
 * overrun after BEARER_THROTTLE_HOLD. Thread-safe and process-safe.
 *
 * `now` is the present, in microseconds since the epoch (not when a slow
 * request began). A NULL throttle is one that never throttles.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#include "base/reason.h"
#include "base/world.h"
#include "trust/settings.h"

typedef struct bearer_throttle_t bearer_throttle_t;

/** Addresses that a server remembers; about 20 MB, used as they come. */
#define BEARER_THROTTLE_ENTRIES 100000

/** Bytes of an address as it counts. */
#define BEARER_THROTTLE_KEY_SIZE 16

/** A flag held for longer was left by a process that died. */
#define BEARER_THROTTLE_HOLD apr_time_from_sec(2)

/** What the throttle knows a presented credential by. */
typedef struct bearer_throttle_token_t {
    /** First 8 bytes of its SHA-256; 0: it has no identity, each one counts. */
    apr_uint64_t digest;
    /** A fingerprint of all that the answer depends upon beside the token
     *  (issuers, audiences, ..., key generation): the same token may be good at
     *  another location. Does not matter for counting. */
    apr_uint64_t policy;
} bearer_throttle_token_t;

/** Bytes of a block for at least `entries` addresses; depends on nothing
 *  else. */
apr_size_t bearer_throttle_size(unsigned entries);

/**
 * Uses block as a table; the first one to attach makes it one. May be called by
 * several processes at once.
 * @param block    aligned to 8 bytes, of bearer_throttle_size(entries) bytes,
 *                 zeroed when new; outlives p
 * @param world    for the random bytes of a new block
 * @return APR_EINVAL: size or alignment; APR_EMISMATCH: of another layout or
 *         size, zero it or map a new one; APR_EGENERAL: no random bytes. A version
 *         that numbers reasons otherwise has the same layout: penalties and counts
 *         go on, only bearer_throttle_known_bad() knows no token then.
 */
apr_status_t bearer_throttle_attach(bearer_throttle_t **throttle, void *block,
                                    apr_size_t size, unsigned entries,
                                    const bearer_world_t *world, apr_pool_t *p);

/**
 * The address as it counts: IPv4 whole, IPv6 by /64, v4-mapped as IPv4.
 * @param key  BEARER_THROTTLE_KEY_SIZE bytes
 * @return APR_EINVAL for anything that is no address
 */
apr_status_t bearer_throttle_address(unsigned char *key, const char *ip);

/** Is a penalty running? Seconds left, rounded up (Retry-After), or 0. */
unsigned bearer_throttle_check(bearer_throttle_t *throttle,
                               const unsigned char *key, apr_time_t now);

/**
 * Counts one failure; call it only for reasons whose category counts. The N-th
 * within the window starts the penalty and clears the count; the same token
 * counts once per window; during a penalty nothing counts.
 * @return 1 when this one started a penalty
 */
int bearer_throttle_failure(bearer_throttle_t *throttle,
                            const unsigned char *key,
                            const bearer_throttle_token_t *token,
                            bearer_reason_t reason,
                            const bearer_throttle_settings_t *settings,
                            apr_time_t now);

/** Is anything known of this address? Seldom; all other questions can be spared. */
int bearer_throttle_remembers(bearer_throttle_t *throttle,
                              const unsigned char *key);

/**
 * Was this token refused from this address under this policy within the window?
 * Then its answer comes from memory.
 * @param reason  what it was refused for; untouched when the answer is 0
 */
int bearer_throttle_known_bad(bearer_throttle_t *throttle,
                              const unsigned char *key,
                              const bearer_throttle_token_t *token,
                              const bearer_throttle_settings_t *settings,
                              apr_time_t now, bearer_reason_t *reason);

/** A success clears the count, not a running penalty, nor what is known of
 *  refused tokens. Costs no write where there is nothing to clear. */
void bearer_throttle_success(bearer_throttle_t *throttle,
                             const unsigned char *key, apr_time_t now);

/** For status pages: addresses with a running penalty, addresses remembered.
 *  Walks the whole table. */
void bearer_throttle_stats(bearer_throttle_t *throttle, apr_time_t now,
                           unsigned *penalised, unsigned *used);
