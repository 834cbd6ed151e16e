/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file hints.h
 * Names that other products use for a setting, and the equivalent here.
 */
#pragma once

#include <apr_pools.h>

/** Returns "instead of WORD, ...", in p; NULL if there is no hint for
 *  this word of this directive. */
const char *bearer_hint(const char *directive, const char *word, apr_size_t len,
                        apr_pool_t *p);
