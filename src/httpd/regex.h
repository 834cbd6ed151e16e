/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file regex.h
 * httpd's regular expressions behind the library's interface, and the time limit for
 * the expressions of one request. A compiled expression lives as long as the
 * configuration; any thread may use it.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>

#include "base/path.h"

/** Compiles a pattern; the result lives as long as p. NULL with *error if the pattern is
 *  not valid. */
const bearer_regex_t *ab_config_regex(const char *pattern,
                                      const char **error, apr_pool_t *p);
/** The time that a request has spent on regular expressions; all zero at first. */
typedef struct regex_effort_t {
    apr_time_t begun;            /**< start of the current measurement; 0: no expression
                                  *   evaluated yet */
    apr_time_t used;             /**< processor time of the thread at that moment */
} regex_effort_t;
/** For bearer_claim_effort_t: returns 1 if the request has used up its time. */
int ab_regex_spent(void *effort);
