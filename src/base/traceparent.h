/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file traceparent.h
 * The traceparent field, which links requests of several hosts (W3C Trace Context).
 * Pure function, thread-safe.
 */
#pragma once

#include <apr_pools.h>

/** version-traceid-parentid-flags */
#define BEARER_TRACEPARENT_LEN 55

/**
 * Returns the part of a client's traceparent that may be passed on (section 3.2.2),
 * in p: 55 characters, without additions of later versions. NULL if the value is
 * invalid.
 */
const char *bearer_traceparent(const char *value, apr_pool_t *p);
