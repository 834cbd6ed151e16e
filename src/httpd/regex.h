/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file regex.h
 * httpd's regular expressions behind the library's interface, and the bound on what
 * those of one request may take. A compiled one lives as long as the configuration and
 * may be used by any thread.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#include "base/path.h"

const bearer_regex_t *ab_config_regex(const char *pattern,
                                      const char **error, apr_pool_t *p);
/** What the regular expressions of a request have taken; all 0 at first. */
typedef struct regex_effort_t {
    apr_time_t begun;            /**< 0: none was asked yet */
    apr_time_t used;             /**< processor time of the thread, then */
} regex_effort_t;
/** For bearer_claim_effort_t: 1 when a request has used up its time. */
int ab_regex_spent(void *effort);
