/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status_inside.h
 * Between status.c, which counts and answers, and status_collect.c, which makes one
 * JSON value (report/status.h) of what is known.
 */
#pragma once


#include <jansson.h>

#include "state/meter.h"

typedef struct status_counters_t {
    bearer_meter_t *meter;  /**< NULL: nothing is counted */
    int *slots;             /**< by issuer index */
    int count;              /**< of slots */
} status_counters_t;

/** Where an issuer counts, by its index. */
static inline int ab_status_slot(const status_counters_t *c, int issuer)
{
    return issuer >= 0 && issuer < c->count ? c->slots[issuer] : BEARER_METER_NONE;
}

/** A new reference. Fetches nothing. */
json_t *ab_status_collect(const status_counters_t *c, const char *fingerprint,
                          apr_pool_t *p);
