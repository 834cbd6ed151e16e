/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_signed_out.h
 * Tells other hosts which access tokens belong to signed-out sessions (signed_out.h),
 * by a cache that they share. Each entry has a number within the minute in which it was
 * written, so a host finds new entries without a list: it reads the next numbers until
 * there is none. The hosts' clocks may differ by a minute.
 *
 * Everything is in the caller's pool; thread-safe.
 */
#pragma once

#include "login/session.h"
#include "state/signed_out.h"

/** Returns 1 if the store is a cache that hosts share and that can do this. */
int bearer_session_has_hosts(const bearer_session_store_t *store);

/** Writes a token for the other hosts.
 *  @param digest  BEARER_SHA256_SIZE bytes
 *  @return APR_SUCCESS; APR_ENOSPC or APR_EGENERAL: the other hosts do not learn of it */
apr_status_t bearer_session_announce(const bearer_session_store_t *store,
                                     const bearer_signed_out_t *table,
                                     const unsigned char *digest, apr_time_t until,
                                     apr_pool_t *p);

/** Reads what was written since the last call, into the table: at first all that may
 *  still be in effect. One caller at a time.
 *  @return APR_SUCCESS; APR_EGENERAL: the cache does not answer, and the next call
 *          reads the same */
apr_status_t bearer_session_hear(bearer_signed_out_t *table,
                                 const bearer_session_store_t *store, apr_pool_t *p);
