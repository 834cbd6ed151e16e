/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_proofs.h
 * The memory of used proofs of possession (AuthBearerSOCache for=proofs; RFC 9449
 * section 11.1): a proof is accepted once, by all threads, children, generations of
 * children, and hosts that share a Redis server.
 */
#pragma once

#include <httpd.h>

/** Returns 1 if some section can meet a proof; if not, there is no memory for them. Call
 *  it after the configuration has been checked. */
int ab_store_proofs_wanted(server_rec *s);

/** Call after ab_store_post_config(). Returns OK or an HTTP status. */
int ab_store_proofs_post_config(apr_pool_t *pconf, server_rec *s);

/**
 * Uses a proof, after all other checks of it. Of all calls with the same id, one
 * succeeds. Any thread may call it. It holds no lock while it waits for a cache server,
 * and then counts as waiting for another server (gate.h).
 * @param id       32 bytes: the name of the proof, a digest
 * @param token    32 bytes: the digest of its token. The proofs of one token may fill a
 *                 quarter of the memory; with Redis, there is a limit per host
 * @param expires  microseconds since the epoch: no check accepts the proof after that
 * @return APR_SUCCESS: it was not used before; APR_EEXIST: it was; APR_ENOSPC: there is
 *         no room, or its token has its share; APR_EGENERAL: the memory is not available,
 *         or `expires` is past. Only APR_SUCCESS permits to accept the proof
 */
apr_status_t ab_store_use_proof(const unsigned char id[32], const unsigned char token[32],
                                apr_time_t expires, apr_pool_t *p);
