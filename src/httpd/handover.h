/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file handover.h
 * A copy of the key cache on this host that survives a restart. Any process and any
 * thread of the server may use it. Values are copied into the caller's pool.
 */
#pragma once

#include <httpd.h>

/** Creates the copy, in post_config.
 *  @param sets  maximum number of key sets */
apr_status_t ab_handover_create(unsigned sets, apr_pool_t *ptemp,
                                server_rec *s);
/** Reads a value. APR_NOTFOUND if there is none, or if another process is writing it. */
apr_status_t ab_handover_get(const unsigned char *key, unsigned char **value,
                             apr_size_t *len, apr_time_t *expires,
                             apr_pool_t *p);
/** Stores or replaces a value. A value that is too long is not stored. */
void ab_handover_put(const unsigned char *key, const unsigned char *value,
                     apr_size_t len, apr_time_t expires);
/** Removes a value, if there is one. */
void ab_handover_remove(const unsigned char *key);
