/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file handover.h
 * The key cache's copy on this host, which outlives a restart. Any process of the
 * server, any thread; values are copied into the caller's pool.
 */
#pragma once

#include <httpd.h>

/** @param sets  key sets that there may be */
apr_status_t ab_handover_create(unsigned sets, apr_pool_t *ptemp,
                                server_rec *s);
/** APR_NOTFOUND when there is none, or it is being written just now. */
apr_status_t ab_handover_get(const unsigned char *key, unsigned char **value,
                             apr_size_t *len, apr_time_t *expires,
                             apr_pool_t *p);
void ab_handover_put(const unsigned char *key, const unsigned char *value,
                     apr_size_t len, apr_time_t expires);
void ab_handover_remove(const unsigned char *key);
