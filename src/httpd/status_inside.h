/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status_inside.h
 * Shared by status.c, which counts and answers, and status_collect.c, which builds one
 * JSON value (report/status.h) from all figures.
 */
#pragma once


#include <jansson.h>

#include "state/meter.h"

typedef struct status_counters_t {
    bearer_meter_t *meter;  /**< NULL: counting is off */
    int *slots;             /**< by issuer index */
    int count;              /**< of slots */
} status_counters_t;

/** Returns the counter slot of an issuer, by its index. */
static inline int ab_status_slot(const status_counters_t *c, int issuer)
{
    return issuer >= 0 && issuer < c->count ? c->slots[issuer] : BEARER_METER_NONE;
}

/** Returns a new reference to the JSON value. Sends no requests. */
json_t *ab_status_collect(const status_counters_t *c, const char *fingerprint,
                          apr_pool_t *p);
