/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttle.h
 * Failures per client address (AuthBearerThrottle), in one block of memory that all
 * children share. The caller maps it, zeroed, before the children start and keeps it
 * over a graceful restart, so that a penalty continues.
 *
 * A bucket holds the addresses that hash to it and a pool of records. There is one
 * record per refused token, with its time, so that the window slides and the same
 * token counts once. Both numbers are fixed, so memory is bounded. If a bucket is
 * full, the address that has been idle longest is removed, but never one with a
 * running penalty; if there is no other, the new address is not stored. Failures
 * whose records were removed still count (with the time of the newest of them).
 *
 * Random bytes in the block determine the bucket of an address, so an attacker cannot
 * choose addresses that fill one bucket.
 *
 * The block contains no pointers, tokens or token digests. What it stores of a token
 * is keyed with the same random bytes.
 *
 * bearer_throttle_remembers and bearer_throttle_check take no lock. All other
 * functions take the bucket's flag. They try for some microseconds and then continue
 * without it: no request waits for another. If the holder of a flag died, the flag is
 * ignored after BEARER_THROTTLE_HOLD. Thread-safe and process-safe.
 *
 * `now` is the current time in microseconds since the epoch, not the time when a slow
 * request began. A NULL throttle never throttles.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#include "base/reason.h"
#include "base/world.h"
#include "trust/settings.h"

typedef struct bearer_throttle_t bearer_throttle_t;

/** Number of addresses that a server stores; about 20 MB, which fill up gradually. */
#define BEARER_THROTTLE_ENTRIES 100000

/** Bytes of an address in the table. */
#define BEARER_THROTTLE_KEY_SIZE 16

/** A flag held for longer belongs to a process that died. */
#define BEARER_THROTTLE_HOLD apr_time_from_sec(2)

/** Identifies a presented credential. */
typedef struct bearer_throttle_token_t {
    /** First 8 bytes of its SHA-256; 0: not identified, each failure counts. */
    apr_uint64_t digest;
    /** A fingerprint of everything else that affects the result (issuers,
     *  audiences, ..., key generation): the same token may be valid at another
     *  location. Not used for counting. */
    apr_uint64_t policy;
} bearer_throttle_token_t;

/** Returns the size in bytes of a block for at least `entries` addresses. It
 *  depends on nothing else. */
apr_size_t bearer_throttle_size(unsigned entries);

/**
 * Uses block as a table; the first process to attach initializes it. Several
 * processes may call it at the same time.
 * @param block  aligned to 8 bytes, of bearer_throttle_size(entries) bytes; must be
 *               zeroed at first; must outlive p
 * @param world  for the random bytes of a new block
 * @return APR_SUCCESS; APR_EINVAL: wrong size or alignment; APR_EMISMATCH: another
 *         layout or size, so zero it or map a new one; APR_EGENERAL: no random bytes.
 *         A version with other reason numbers has the same layout: penalties and
 *         counts continue, but bearer_throttle_known_bad() recognizes no token then
 */
apr_status_t bearer_throttle_attach(bearer_throttle_t **throttle, void *block,
                                    apr_size_t size, unsigned entries,
                                    const bearer_world_t *world, apr_pool_t *p);

/**
 * Converts an address to its form in the table: IPv4 whole, IPv6 by /64, v4-mapped as
 * IPv4.
 * @param key  BEARER_THROTTLE_KEY_SIZE bytes
 * @return APR_SUCCESS, or APR_EINVAL if ip is not an address
 */
apr_status_t bearer_throttle_address(unsigned char *key, const char *ip);

/** Returns the seconds left of a running penalty, rounded up (Retry-After), or 0. */
unsigned bearer_throttle_check(bearer_throttle_t *throttle,
                               const unsigned char *key, apr_time_t now);

/**
 * Counts one failure; call it only for reasons whose category counts. The N-th
 * failure within the window starts the penalty and clears the count. The same token
 * counts once per window. During a penalty nothing counts.
 * @return 1 if this failure started a penalty
 */
int bearer_throttle_failure(bearer_throttle_t *throttle,
                            const unsigned char *key,
                            const bearer_throttle_token_t *token,
                            bearer_reason_t reason,
                            const bearer_throttle_settings_t *settings,
                            apr_time_t now);

/** Returns 1 if the table has this address, which is rare. If not, the other
 *  functions need not be called. */
int bearer_throttle_remembers(bearer_throttle_t *throttle,
                              const unsigned char *key);

/**
 * Returns 1 if this token was refused from this address under this policy within the
 * window, so that the result can be taken from memory.
 * @param reason  why it was refused; unchanged if the result is 0
 */
int bearer_throttle_known_bad(bearer_throttle_t *throttle,
                              const unsigned char *key,
                              const bearer_throttle_token_t *token,
                              const bearer_throttle_settings_t *settings,
                              apr_time_t now, bearer_reason_t *reason);

/** Clears the count after a success, but not a running penalty and the records of
 *  refused tokens. Writes nothing if there is nothing to clear. */
void bearer_throttle_success(bearer_throttle_t *throttle,
                             const unsigned char *key, apr_time_t now);

/** Counts addresses with a running penalty, and stored addresses, for status
 *  pages. Reads the whole table. */
void bearer_throttle_stats(bearer_throttle_t *throttle, apr_time_t now,
                           unsigned *penalised, unsigned *used);
