/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file meter.h
 * Counters in one block of memory that all children share: the figures of the status
 * page and of metrics. Each count is one atomic addition (a refusal is three),
 * without locks, waits or allocation.
 *
 * The number of labels is bounded. An issuer counts in a slot assigned to its name.
 * If no slot is free, it counts in the last slot, which sums all such issuers. A
 * reason is a member of bearer_reason_t. No client input becomes a label.
 *
 * A refusal is also counted in two rings of periods, for the last minute and the last
 * hour; each cell says which period it counts. Thread-safe and process-safe. `now` is
 * the current time in microseconds. A NULL meter counts nothing and reads as zero.
 */
#pragma once

#include <apr_time.h>

#include "base/reason.h"
#include "base/world.h"

typedef struct bearer_meter_t bearer_meter_t;

/** Number of issuers with their own slot. */
#define BEARER_METER_NAMED 32
/** The first slot is for requests without an issuer, the last for all further issuers. */
#define BEARER_METER_SLOTS (BEARER_METER_NAMED + 2)
#define BEARER_METER_NONE 0
#define BEARER_METER_OTHERS (BEARER_METER_SLOTS - 1)
#define BEARER_METER_OTHERS_LABEL "(others)"
/** Maximum length of a label plus 1. A longer name is replaced with its beginning,
 *  `~`, and 16 hex digits of the name's SHA-256, so that two long names get two
 *  labels. */
#define BEARER_METER_LABEL 128
/** Maximum number of children whose caches are summed. */
#define BEARER_METER_CHILDREN 512

/** Returns the size of a block in bytes; it is constant. */
apr_size_t bearer_meter_size(void);

/** Uses a block of bearer_meter_size() bytes, aligned to 8. It must be zeroed at first. */
bearer_meter_t *bearer_meter_attach(void *block, apr_time_t now);

/** The version that wrote a block. */
typedef enum {
    BEARER_METER_0_1,  /**< version 0.1.0 */
    BEARER_METER_LATER /**< the block contains its layout */
} bearer_meter_version_t;
#define BEARER_METER_0_1_SIZE 418088

/** Adds the counters of another version's block, which no process uses any longer,
 *  except processes that are ending. Call it after attach and before any process
 *  counts in the new block. Reasons that this version does not know are omitted. */
void bearer_meter_take_over(bearer_meter_t *meter, const void *old,
                            bearer_meter_version_t version);

/** Returns when the block was first attached, which is when counting began. */
apr_time_t bearer_meter_since(const bearer_meter_t *meter);

/** Returns the slot of a name; assigns one if the name is new. Too slow for requests. */
int bearer_meter_slot(bearer_meter_t *meter, const char *name);
/** Returns the label of a slot, or NULL if it is not assigned. */
const char *bearer_meter_label(const bearer_meter_t *meter, int slot);

/* ---- counting ----------------------------------------------------------- */

/** Counts a granted request. */
void bearer_meter_granted(bearer_meter_t *meter, int slot);

/** Counts a refusal in its total and in both rings. */
void bearer_meter_refused(bearer_meter_t *meter, int slot,
                          bearer_reason_t reason, apr_time_t now);

/** Counts the start of a penalty. */
void bearer_meter_throttled(bearer_meter_t *meter);
/** Counts an event. elapsed: microseconds, of BEARER_EVENT_INTROSPECTED and
 *  BEARER_EVENT_INTROSPECTION_FAILED. */
void bearer_meter_event(bearer_meter_t *meter, int slot, bearer_event_t event,
                        apr_interval_time_t elapsed);

/** The current content of a child's caches, and what happened since its last report. */
typedef struct bearer_meter_cache_t {
    apr_uint64_t entries, used, bytes;     /**< current */
    apr_uint64_t hits, misses, evictions;  /**< since the last report */
} bearer_meter_cache_t;

/** Reports for a child, identified by its pid. A child without a report for
 *  BEARER_METER_SILENT no longer counts as alive. */
void bearer_meter_child(bearer_meter_t *meter, apr_uint64_t pid,
                        const bearer_meter_cache_t *cache, apr_time_t now);
#define BEARER_METER_SILENT apr_time_from_sec(60)
/** Reports that a child ends: its counts stay, the content of its caches does not. */
void bearer_meter_child_ended(bearer_meter_t *meter, apr_uint64_t pid);

/* ---- reading ------------------------------------------------------------ */

typedef struct bearer_meter_refusals_t {
    apr_uint64_t total, hour, minute;
} bearer_meter_refusals_t;

/** Reads the refusals of a slot for one reason. */
void bearer_meter_read_refusals(const bearer_meter_t *meter, int slot,
                                bearer_reason_t reason, apr_time_t now,
                                bearer_meter_refusals_t *out);
apr_uint64_t bearer_meter_read_granted(const bearer_meter_t *meter, int slot);
apr_uint64_t bearer_meter_read_throttled(const bearer_meter_t *meter);
apr_uint64_t bearer_meter_read_event(const bearer_meter_t *meter, int slot,
                                     bearer_event_t event);

/** Upper bounds of the latency histogram, in microseconds; the last bucket has none. */
#define BEARER_METER_BUCKETS 11
extern const apr_interval_time_t bearer_meter_bounds[BEARER_METER_BUCKETS - 1];

typedef struct bearer_meter_latency_t {
    apr_uint64_t below[BEARER_METER_BUCKETS];  /**< cumulative */
    apr_uint64_t sum;                          /**< microseconds */
} bearer_meter_latency_t;

/** Reads the latency histogram of introspection requests. */
void bearer_meter_read_latency(const bearer_meter_t *meter, int slot,
                               bearer_meter_latency_t *out);

/** Returns 1 if the process exists. */
typedef int (*bearer_meter_alive_t)(apr_uint64_t pid);

/** Sums over the children. *children: how many are alive and have reported
 *  recently. A killed child does not report its end, so alive is called; NULL: all
 *  are alive. */
void bearer_meter_read_caches(const bearer_meter_t *meter, apr_time_t now,
                              bearer_meter_alive_t alive,
                              bearer_meter_cache_t *out, int *children);
