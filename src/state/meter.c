/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Counters in shared memory. See meter.h.
 */
#include "state/meter_inside.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "base/text.h"

/* The last minute is the current period and the eleven before it; likewise the
 * hour. Each may therefore be short by up to a period. */
#define PERIODS 12
#define MINUTE_PERIOD apr_time_from_sec(5)
#define HOUR_PERIOD apr_time_from_sec(300)

typedef _Atomic apr_uint64_t counter_t;

/** period << 32 | count */
typedef struct ring_t {
    counter_t cells[PERIODS];
} ring_t;

typedef struct refusals_t {
    counter_t total;
    ring_t minute, hour;
} refusals_t;

enum { FREE, NAMING, NAMED = METER_NAMED };

typedef struct slot_t {
    _Atomic int state;
    char label[BEARER_METER_LABEL];
    counter_t granted;
    counter_t events[BEARER_EVENTS];
    counter_t latency[BEARER_METER_BUCKETS];
    counter_t latency_sum;
    refusals_t refusals[BEARER_REASON_COUNT];
} slot_t;

typedef struct child_t {
    counter_t pid;
    counter_t spoken;
    counter_t entries, used, bytes;
} child_t;

struct bearer_meter_t {
    meter_shape_t shape;
    _Atomic apr_int64_t since;
    counter_t throttled;
    counter_t hits, misses, evictions;
    slot_t slots[BEARER_METER_SLOTS];
    child_t children[BEARER_METER_CHILDREN];
};

const apr_interval_time_t bearer_meter_bounds[BEARER_METER_BUCKETS - 1] = {
    5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000
};

static void add(counter_t *counter, apr_uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static apr_uint64_t get(const counter_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

apr_size_t bearer_meter_size(void)
{
    return sizeof(bearer_meter_t);
}

/* All processes that attach write the same. */
static void describe(meter_shape_t *shape)
{
    int i;

    for (i = 0; i < BEARER_REASON_COUNT; i++) {
        apr_cpystrn(shape->names[i], bearer_reason_name((bearer_reason_t)i),
                    METER_REASON_NAME);
    }
    shape->head = offsetof(bearer_meter_t, since);
    shape->slots = BEARER_METER_SLOTS;
    shape->label = BEARER_METER_LABEL;
    shape->periods = PERIODS;
    shape->events = BEARER_EVENTS;
    shape->buckets = BEARER_METER_BUCKETS;
    shape->reasons = BEARER_REASON_COUNT;
    shape->magic = METER_MAGIC;
}

bearer_meter_t *bearer_meter_attach(void *block, apr_time_t now)
{
    bearer_meter_t *meter = block;
    apr_int64_t never = 0;

    if (meter) {
        if (meter->shape.magic != METER_MAGIC) {
            describe(&meter->shape);
        }
        atomic_compare_exchange_strong(&meter->since, &never, now);
        bearer_meter_slot(meter, "");
    }
    return meter;
}

apr_time_t bearer_meter_since(const bearer_meter_t *meter)
{
    return meter ? atomic_load(&meter->since) : 0;
}

/* ---- slots --------------------------------------------------------------- */

/* 64 bits of SHA-256 distinguish long names. */
#define DIGEST 8
#define TAIL (sizeof("~") - 1 + 2 * (size_t)DIGEST)

static const char others[] = BEARER_METER_OTHERS_LABEL;

/* Makes a label as the header describes; does not cut within a UTF-8 character. */
static void make_label(char *label, const char *name)
{
    unsigned char digest[BEARER_SHA256_SIZE] = { 0 };
    size_t n = BEARER_METER_LABEL - 1 - TAIL;

    if (strlen(name) < BEARER_METER_LABEL) {
        apr_cpystrn(label, name, BEARER_METER_LABEL);
        return;
    }
    while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80) {
        n--;
    }
    memcpy(label, name, n);
    label[n++] = '~';
    bearer_text_sha256(name, strlen(name), digest);
    apr_escape_hex(label + n, digest, DIGEST, 0, NULL);
}

/* Takes a free slot for a label; returns 0 if another process has taken it. */
static int take(slot_t *slot, const char *label)
{
    int state = FREE;

    if (!atomic_compare_exchange_strong(&slot->state, &state, NAMING)) {
        return 0;
    }
    apr_cpystrn(slot->label, label, sizeof(slot->label));
    atomic_store(&slot->state, NAMED);
    return 1;
}

/* If a process died while it named a slot, the slot stays unused. */
static void wait_for_name(const slot_t *slot)
{
    int tries;

    for (tries = 0; tries < 1000 && atomic_load(&slot->state) == NAMING; tries++) {
        apr_sleep(100);
    }
}

int bearer_meter_slot(bearer_meter_t *meter, const char *name)
{
    char label[BEARER_METER_LABEL];
    int i;

    if (!meter) {
        return BEARER_METER_NONE;
    }
    make_label(label, name);
    for (i = 0; i < BEARER_METER_OTHERS && strcmp(label, others) != 0; i++) {
        slot_t *slot = &meter->slots[i];

        if (atomic_load(&slot->state) == FREE && take(slot, label)) {
            return i;
        }
        wait_for_name(slot);
        if (atomic_load(&slot->state) == NAMED && !strcmp(slot->label, label)) {
            return i;
        }
    }
    take(&meter->slots[BEARER_METER_OTHERS], others);
    return BEARER_METER_OTHERS;
}

static slot_t *slot_at(bearer_meter_t *meter, int slot)
{
    return meter && slot >= 0 && slot < BEARER_METER_SLOTS
        ? &meter->slots[slot] : NULL;
}

static const slot_t *slot_of(const bearer_meter_t *meter, int slot)
{
    return slot_at((bearer_meter_t *)(apr_uintptr_t)meter, slot);
}

const char *bearer_meter_label(const bearer_meter_t *meter, int slot)
{
    const slot_t *s = slot_of(meter, slot);

    return s && atomic_load(&s->state) == NAMED ? s->label : NULL;
}

/* ---- counting ------------------------------------------------------------ */

static apr_uint64_t period_at(apr_time_t now, apr_interval_time_t period)
{
    return (apr_uint64_t)(now / period) & 0xffffffffu;
}

/* A cell of an earlier period starts again. If two threads restart it at the same
 * time, one wins and the other adds. */
static void count(ring_t *ring, apr_time_t now, apr_interval_time_t length)
{
    apr_uint64_t period = period_at(now, length);
    counter_t *cell = &ring->cells[period % PERIODS];
    apr_uint64_t seen = get(cell);

    while (seen >> 32 != period) {
        if (atomic_compare_exchange_weak(cell, &seen, period << 32 | 1)) {
            return;
        }
    }
    add(cell, 1);
}

void bearer_meter_granted(bearer_meter_t *meter, int slot)
{
    slot_t *s = slot_at(meter, slot);

    if (s) {
        add(&s->granted, 1);
    }
}

void bearer_meter_refused(bearer_meter_t *meter, int slot,
                          bearer_reason_t reason, apr_time_t now)
{
    slot_t *s = slot_at(meter, slot);

    if (s && (unsigned)reason < BEARER_REASON_COUNT) {
        add(&s->refusals[reason].total, 1);
        count(&s->refusals[reason].minute, now, MINUTE_PERIOD);
        count(&s->refusals[reason].hour, now, HOUR_PERIOD);
    }
}

void bearer_meter_throttled(bearer_meter_t *meter)
{
    if (meter) {
        add(&meter->throttled, 1);
    }
}

static int bucket_of(apr_interval_time_t elapsed)
{
    int i = 0;

    while (i < BEARER_METER_BUCKETS - 1 && elapsed > bearer_meter_bounds[i]) {
        i++;
    }
    return i;
}

void bearer_meter_event(bearer_meter_t *meter, int slot, bearer_event_t event,
                        apr_interval_time_t elapsed)
{
    slot_t *s = slot_at(meter, slot);

    if (!s || (unsigned)event >= BEARER_EVENTS) {
        return;
    }
    add(&s->events[event], 1);
    if (event == BEARER_EVENT_INTROSPECTED
        || event == BEARER_EVENT_INTROSPECTION_FAILED) {
        add(&s->latency[bucket_of(elapsed)], 1);
        add(&s->latency_sum, elapsed > 0 ? (apr_uint64_t)elapsed : 0);
    }
}

/* Returns the i-th place to look for a child. */
static child_t *child_at(bearer_meter_t *meter, apr_uint64_t pid, int i)
{
    return &meter->children[(pid + (apr_uint64_t)i) % BEARER_METER_CHILDREN];
}

static child_t *find_child(bearer_meter_t *meter, apr_uint64_t pid)
{
    int i;

    for (i = 0; i < BEARER_METER_CHILDREN; i++) {
        if (get(&child_at(meter, pid, i)->pid) == pid) {
            return child_at(meter, pid, i);
        }
    }
    return NULL;
}

static child_t *child_of(bearer_meter_t *meter, apr_uint64_t pid, apr_time_t now)
{
    child_t *child = find_child(meter, pid);
    int i;

    for (i = 0; !child && i < BEARER_METER_CHILDREN; i++) {
        child_t *other = child_at(meter, pid, i);
        apr_uint64_t seen = get(&other->pid);

        if ((!seen || (apr_time_t)get(&other->spoken) + BEARER_METER_SILENT < now)
            && atomic_compare_exchange_strong(&other->pid, &seen, pid)) {
            child = other;
        }
    }
    return child;
}

void bearer_meter_child(bearer_meter_t *meter, apr_uint64_t pid,
                        const bearer_meter_cache_t *cache, apr_time_t now)
{
    child_t *child;

    if (!meter) {
        return;
    }
    child = child_of(meter, pid, now);
    add(&meter->hits, cache->hits);
    add(&meter->misses, cache->misses);
    add(&meter->evictions, cache->evictions);
    if (child) {
        atomic_store(&child->entries, cache->entries);
        atomic_store(&child->used, cache->used);
        atomic_store(&child->bytes, cache->bytes);
        atomic_store(&child->spoken, (apr_uint64_t)now);
    }
}

void bearer_meter_child_ended(bearer_meter_t *meter, apr_uint64_t pid)
{
    child_t *child = meter ? find_child(meter, pid) : NULL;

    if (child) {
        atomic_compare_exchange_strong(&child->pid, &pid, 0);
    }
}

/* ---- reading ------------------------------------------------------------- */

static apr_uint64_t sum(const ring_t *ring, apr_time_t now,
                        apr_interval_time_t length)
{
    apr_uint64_t period = period_at(now, length), all = 0;
    int i;

    for (i = 0; i < PERIODS; i++) {
        apr_uint64_t cell = get(&ring->cells[i]);

        if (((period - (cell >> 32)) & 0xffffffffu) < PERIODS) {
            all += cell & 0xffffffffu;
        }
    }
    return all;
}

void bearer_meter_read_refusals(const bearer_meter_t *meter, int slot,
                                bearer_reason_t reason, apr_time_t now,
                                bearer_meter_refusals_t *out)
{
    const slot_t *s = slot_of(meter, slot);

    memset(out, 0, sizeof(*out));
    if (s && (unsigned)reason < BEARER_REASON_COUNT) {
        out->total = get(&s->refusals[reason].total);
        out->minute = sum(&s->refusals[reason].minute, now, MINUTE_PERIOD);
        out->hour = sum(&s->refusals[reason].hour, now, HOUR_PERIOD);
    }
}

apr_uint64_t bearer_meter_read_granted(const bearer_meter_t *meter, int slot)
{
    const slot_t *s = slot_of(meter, slot);

    return s ? get(&s->granted) : 0;
}

apr_uint64_t bearer_meter_read_throttled(const bearer_meter_t *meter)
{
    return meter ? get(&meter->throttled) : 0;
}

apr_uint64_t bearer_meter_read_event(const bearer_meter_t *meter, int slot,
                                     bearer_event_t event)
{
    const slot_t *s = slot_of(meter, slot);

    return s && (unsigned)event < BEARER_EVENTS ? get(&s->events[event]) : 0;
}

void bearer_meter_read_latency(const bearer_meter_t *meter, int slot,
                               bearer_meter_latency_t *out)
{
    const slot_t *s = slot_of(meter, slot);
    apr_uint64_t below = 0;
    int i;

    memset(out, 0, sizeof(*out));
    for (i = 0; s && i < BEARER_METER_BUCKETS; i++) {
        below += get(&s->latency[i]);
        out->below[i] = below;
    }
    out->sum = s ? get(&s->latency_sum) : 0;
}

static int is_counted(const child_t *child, apr_time_t now,
                      bearer_meter_alive_t alive)
{
    apr_uint64_t pid = get(&child->pid);

    return pid && (apr_time_t)get(&child->spoken) + BEARER_METER_SILENT >= now
        && (!alive || alive(pid));
}

void bearer_meter_read_caches(const bearer_meter_t *meter, apr_time_t now,
                              bearer_meter_alive_t alive,
                              bearer_meter_cache_t *out, int *children)
{
    int i;

    memset(out, 0, sizeof(*out));
    *children = 0;
    for (i = 0; meter && i < BEARER_METER_CHILDREN; i++) {
        const child_t *child = &meter->children[i];

        if (is_counted(child, now, alive)) {
            out->entries += get(&child->entries);
            out->used += get(&child->used);
            out->bytes += get(&child->bytes);
            ++*children;
        }
    }
    if (meter) {
        out->hits = get(&meter->hits);
        out->misses = get(&meter->misses);
        out->evictions = get(&meter->evictions);
    }
}
