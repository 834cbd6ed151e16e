/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file vouch.h
 * Digests of tokens that were verified on this host, in memory that processes share
 * and that a restart does not reach. While an address is throttled, a token that is
 * vouched for is verified all the same, in whatever process it arrives. Being in the
 * table is no more than that: nobody is let in for it.
 *
 * A digest is entered after a successful verification only, so nobody fills the
 * table who has no good tokens. Of BEARER_VOUCH_WAYS digests that share a set a
 * newer one takes the place of another.
 *
 * A table is the caller's memory, zeroed when new. No lock. Thread-safe and
 * process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr.h>

#define BEARER_VOUCH_SETS 4096
#define BEARER_VOUCH_WAYS 4

typedef struct bearer_vouched_t {
    _Atomic apr_uint64_t digests[BEARER_VOUCH_SETS][BEARER_VOUCH_WAYS];
} bearer_vouched_t;

/** The token was verified just now. table may be NULL; digest 0: no token. */
void bearer_vouch(bearer_vouched_t *table, apr_uint64_t digest);

/** It was refused. */
void bearer_vouch_end(bearer_vouched_t *table, apr_uint64_t digest);

int bearer_vouched(bearer_vouched_t *table, apr_uint64_t digest);
