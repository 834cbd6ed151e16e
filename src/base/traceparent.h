/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file traceparent.h
 * The field that ties requests of several hosts together (W3C Trace Context).
 * Pure function, thread-safe.
 */
#pragma once

#include <apr_pools.h>

/** version-traceid-parentid-flags */
#define BEARER_TRACEPARENT_LEN 55

/**
 * What of a client's traceparent may be passed on (section 3.2.2), in p: those
 * 55 characters, nothing that a later version adds. NULL: it is none.
 */
const char *bearer_traceparent(const char *value, apr_pool_t *p);
