/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status_inside.h
 * Between status.c, which counts and answers, and status_collect.c, which makes one
 * JSON value (report/status.h) of what is known.
 */
#pragma once

#include "process.h"

#include <jansson.h>

#include "state/meter.h"

typedef struct status_counters_t {
    const bearer_meter_t *meter;  /**< NULL: nothing is counted */
    const int *slots;             /**< by issuer index */
    int count;                    /**< of slots */
} status_counters_t;

/** A new reference. Fetches nothing. */
json_t *ab_status_collect(const status_counters_t *counters,
                          const char *fingerprint, apr_pool_t *p);
