/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file meter.h
 * What happened, counted, in one block of memory that all children share: the
 * figures of the status page and of metrics. Every count is one atomic addition
 * (a refusal is three); nothing is locked, nothing waits, nothing allocates.
 *
 * Labels are bounded: an issuer counts in a slot that is given to its name, or in
 * the last slot, where all issuers that found none are summed; a reason is a member
 * of bearer_reason_t. No value of a client gets in.
 *
 * A refusal is also counted in two rings of periods, so that the last minute and
 * the last hour can be told; a cell says which period it counts. Thread-safe and
 * process-safe. `now` is the present in microseconds. A NULL meter counts
 * nothing and reads as zero.
 */
#pragma once

#include <apr_time.h>

#include "base/reason.h"
#include "base/world.h"

typedef struct bearer_meter_t bearer_meter_t;

/** So many issuers have a slot of their own. */
#define BEARER_METER_NAMED 32
/** The first slot is for no issuer, the last for the issuers beyond those. */
#define BEARER_METER_SLOTS (BEARER_METER_NAMED + 2)
#define BEARER_METER_NONE 0
#define BEARER_METER_OTHERS (BEARER_METER_SLOTS - 1)
#define BEARER_METER_OTHERS_LABEL "(others)"
/** A label is shorter than this. Of a longer name it is the beginning, `~`, and 16
 *  hex digits of the name's SHA-256, so that two long names are two labels. */
#define BEARER_METER_LABEL 128
/** Children whose caches are summed up. */
#define BEARER_METER_CHILDREN 512

/** Bytes of a block; depends on nothing. */
apr_size_t bearer_meter_size(void);

/** block: of bearer_meter_size() bytes, aligned to 8, zeroed when new. */
bearer_meter_t *bearer_meter_attach(void *block, apr_time_t now);

/** Whose block it is. */
typedef enum {
    BEARER_METER_0_1,  /**< version 0.1.0 */
    BEARER_METER_LATER /**< it says itself how it is laid out */
} bearer_meter_version_t;
#define BEARER_METER_0_1_SIZE 418088

/** Adds the counters of another version's block, which no process counts in any
 *  longer, or only to end; before anyone counts in this one, which has been
 *  attached. What this version does not know (a reason) is left out. */
void bearer_meter_take_over(bearer_meter_t *meter, const void *old,
                            bearer_meter_version_t version);

/** When the block was first attached: counters count since then. */
apr_time_t bearer_meter_since(const bearer_meter_t *meter);

/** The slot of a name, taken if it is new. Not for the way of a request. */
int bearer_meter_slot(bearer_meter_t *meter, const char *name);
/** The label of a slot, or NULL where it is not taken. */
const char *bearer_meter_label(const bearer_meter_t *meter, int slot);

/* ---- counting ----------------------------------------------------------- */

void bearer_meter_granted(bearer_meter_t *meter, int slot);
void bearer_meter_refused(bearer_meter_t *meter, int slot,
                          bearer_reason_t reason, apr_time_t now);
void bearer_meter_throttled(bearer_meter_t *meter);
/** elapsed: of BEARER_EVENT_INTROSPECTED and its failure. */
void bearer_meter_event(bearer_meter_t *meter, int slot, bearer_event_t event,
                        apr_interval_time_t elapsed);

/** What a child's caches hold now, and what came to pass since it last said. */
typedef struct bearer_meter_cache_t {
    apr_uint64_t entries, used, bytes;     /**< now */
    apr_uint64_t hits, misses, evictions;  /**< since */
} bearer_meter_cache_t;

/** By child (its pid); a child that has not spoken for BEARER_METER_SILENT no
 *  longer counts among those that live. */
void bearer_meter_child(bearer_meter_t *meter, apr_uint64_t pid,
                        const bearer_meter_cache_t *cache, apr_time_t now);
#define BEARER_METER_SILENT apr_time_from_sec(60)
/** A child ends: what it counted stays, what its caches held does not. */
void bearer_meter_child_ended(bearer_meter_t *meter, apr_uint64_t pid);

/* ---- reading ------------------------------------------------------------ */

typedef struct bearer_meter_refusals_t {
    apr_uint64_t total, hour, minute;
} bearer_meter_refusals_t;

void bearer_meter_read_refusals(const bearer_meter_t *meter, int slot,
                                bearer_reason_t reason, apr_time_t now,
                                bearer_meter_refusals_t *out);
apr_uint64_t bearer_meter_read_granted(const bearer_meter_t *meter, int slot);
apr_uint64_t bearer_meter_read_throttled(const bearer_meter_t *meter);
apr_uint64_t bearer_meter_read_event(const bearer_meter_t *meter, int slot,
                                     bearer_event_t event);

/** Upper bounds of the latency histogram in microseconds; the last is none. */
#define BEARER_METER_BUCKETS 11
extern const apr_interval_time_t bearer_meter_bounds[BEARER_METER_BUCKETS - 1];

typedef struct bearer_meter_latency_t {
    apr_uint64_t below[BEARER_METER_BUCKETS];  /**< cumulative */
    apr_uint64_t sum;                          /**< microseconds */
} bearer_meter_latency_t;

void bearer_meter_read_latency(const bearer_meter_t *meter, int slot,
                               bearer_meter_latency_t *out);

/** Is there such a process? */
typedef int (*bearer_meter_alive_t)(apr_uint64_t pid);

/** Sums over the children; *children: how many live and have spoken lately. A child
 *  that was killed has not said that it ends, so alive is asked; NULL: all live. */
void bearer_meter_read_caches(const bearer_meter_t *meter, apr_time_t now,
                              bearer_meter_alive_t alive,
                              bearer_meter_cache_t *out, int *children);
