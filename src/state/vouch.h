/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file vouch.h
 * Digests of tokens that this host has verified, in memory that processes share and
 * that survives a restart. While an address is throttled, a token in the table is
 * still verified, in any process. The table grants nothing: it only allows
 * verification.
 *
 * A digest is added only after a successful verification, so a client without valid
 * tokens cannot fill the table. BEARER_VOUCH_WAYS digests share a set; if it is full,
 * a new digest replaces one of them.
 *
 * A table is in the caller's memory, which must be zeroed at first. No lock.
 * Thread-safe and process-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr.h>

#define BEARER_VOUCH_SETS 4096
#define BEARER_VOUCH_WAYS 4

typedef struct bearer_vouched_t {
    _Atomic apr_uint64_t digests[BEARER_VOUCH_SETS][BEARER_VOUCH_WAYS];
} bearer_vouched_t;

/** Adds a token that was just verified. table may be NULL; digest 0: no token. */
void bearer_vouch(bearer_vouched_t *table, apr_uint64_t digest);

/** Removes a token that was refused. */
void bearer_vouch_end(bearer_vouched_t *table, apr_uint64_t digest);

/** Returns 1 if the digest is in the table. */
int bearer_vouched(bearer_vouched_t *table, apr_uint64_t digest);
