/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file hints.h
 * Words of other products that an administrator may write out of habit, and what
 * does their work here.
 */
#pragma once

#include <apr_pools.h>

/** "WORD has another name here: ...", in p; NULL: nothing is known of this word of
 *  this directive. */
const char *bearer_hint(const char *directive, const char *word, apr_size_t len,
                        apr_pool_t *p);
