/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file meter_inside.h
 * The layout of a block of counters, stored in the block itself. A later version with
 * more reasons or slots can therefore take the counters over (meter_upgrade.c).
 */
#pragma once

#include "state/meter.h"

/** Changes only if this structure does. */
#define METER_MAGIC APR_UINT64_C(0x4265617265724d35)
#define METER_REASON_NAME 24

/**
 * The layout. After this structure, `head` bytes from the start of the block, follow:
 * since, throttled, hits, misses, evictions; then the slots. A slot: its state (an
 * int; METER_NAMED: it has a label), the label, padding to 8 bytes, granted, events,
 * latency and its sum, and for each reason its total and two rings of periods. All
 * are 64-bit words.
 */
typedef struct meter_shape_t {
    apr_uint64_t magic;
    apr_uint32_t head, slots, label, periods;
    apr_uint32_t events;    /**< new events are added at the end */
    apr_uint32_t buckets, reasons, reserved;
    /** Reasons are identified by name. */
    char names[BEARER_REASON_COUNT][METER_REASON_NAME];
} meter_shape_t;

#define METER_NAMED 2
