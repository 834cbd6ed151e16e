/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Takes over the counters of another version. See meter_inside.h for the layout in a
 * block. A block of version 0.1.0 does not contain its layout; it is described here.
 */
#include "state/meter_inside.h"

#include <stddef.h>
#include <string.h>

typedef apr_uint64_t word_t;

/** since, throttled, hits, misses, evictions */
#define HEAD_WORDS 5

static const char *const reasons_0_1[] = {
    "ok", "no_credential", "credential_syntax", "credential_count", "size", "segments",
    "base64url", "json", "alg", "crit", "b64", "header", "kid", "iss", "keys", "key",
    "signature", "tenant", "aud", "aud_type", "exp", "exp_type", "nbf", "nbf_type", "iat",
    "iat_type", "age", "user_claim", "profile", "type", "id_token", "azp", "clients",
    "revoked", "revocation_list", "identifier", "chain", "inactive", "introspection",
    "session_check", "session_denied", "session_limit", "login_state", "login_response",
    "login_denied", "login_loop", "login_issuer", "login_limit", "nonce", "at_hash", "acr",
    "logout_token", "session_user", "session_store", "session_size", "throttled",
    "cross_site", "scope", "require", "configuration", "internal",
};
#define REASONS_0_1 (sizeof(reasons_0_1) / sizeof(reasons_0_1[0]))

/** A block and its layout. */
typedef struct area_t {
    char *base;
    meter_shape_t shape;     /**< without its names */
    const char *names;       /**< NULL: reasons_0_1 */
    apr_size_t words;        /**< words from the start of a slot to its counters */
    apr_size_t slot_size;
} area_t;

/* Returns 0 if the version is unknown. */
static int area_of(area_t *area, const void *block, bearer_meter_version_t version)
{
    static const meter_shape_t first = {
        .magic = METER_MAGIC, .slots = 32, .label = 64, .periods = 12, .events = 6,
        .buckets = 11, .reasons = REASONS_0_1
    };
    const meter_shape_t *shape = &area->shape;
    apr_size_t counters;

    area->base = (char *)(apr_uintptr_t)block;
    if (version == BEARER_METER_0_1) {
        area->shape = first;
        area->names = NULL;
    } else {
        memcpy(&area->shape, block, offsetof(meter_shape_t, names));
        area->names = area->base + offsetof(meter_shape_t, names);
    }
    counters = 1 + shape->events + shape->buckets + 1
             + (apr_size_t)shape->reasons * (1 + 2 * shape->periods);
    area->words = (sizeof(int) + shape->label + 7) & ~(apr_size_t)7;
    area->slot_size = area->words + counters * sizeof(word_t);
    return shape->magic == METER_MAGIC;
}

static const char *name_of(const area_t *area, apr_uint32_t reason)
{
    return area->names ? area->names + (apr_size_t)reason * METER_REASON_NAME
                       : reasons_0_1[reason];
}

static word_t *words_at(const area_t *area, apr_size_t offset)
{
    return (word_t *)(void *)(area->base + area->shape.head + offset);
}

static apr_size_t slot_at(const area_t *area, apr_uint32_t slot)
{
    return HEAD_WORDS * sizeof(word_t) + slot * area->slot_size;
}

static void add(word_t *to, const word_t *from, apr_size_t n)
{
    while (n--) {
        to[n] += from[n];
    }
}

/* Adds a total and the rings; each cell says which period it counts. */
static void add_reason(const area_t *to, word_t *there, const area_t *from,
                       const word_t *here)
{
    apr_size_t i;

    add(there, here, 1);
    for (i = 1; to->shape.periods == from->shape.periods
                && i <= 2 * (apr_size_t)from->shape.periods; i++) {
        there[i] = there[i] ? there[i] : here[i];
    }
}

static void add_reasons(const area_t *to, word_t *there, const area_t *from,
                        const word_t *here)
{
    const apr_size_t step = 1 + 2 * (apr_size_t)to->shape.periods;
    const apr_size_t old_step = 1 + 2 * (apr_size_t)from->shape.periods;
    apr_uint32_t i, j;

    for (i = 0; i < from->shape.reasons; i++) {
        for (j = 0; j < to->shape.reasons; j++) {
            if (!strncmp(name_of(from, i), name_of(to, j), METER_REASON_NAME - 1)) {
                add_reason(to, there + j * step, from, here + i * old_step);
                break;
            }
        }
    }
}

static void add_slot(const area_t *to, apr_uint32_t slot, const area_t *from,
                     apr_uint32_t old)
{
    const meter_shape_t *shape = &from->shape;
    word_t *there = words_at(to, slot_at(to, slot) + to->words);
    const word_t *here = words_at(from, slot_at(from, old) + from->words);
    const apr_uint32_t events = shape->events < to->shape.events ? shape->events
                                                                 : to->shape.events;

    add(there, here, 1 + events);       /* granted */
    there += 1 + to->shape.events;
    here += 1 + shape->events;
    if (shape->buckets == to->shape.buckets) {
        add(there, here, shape->buckets + 1);
    }
    add_reasons(to, there + to->shape.buckets + 1, from, here + shape->buckets + 1);
}

void bearer_meter_take_over(bearer_meter_t *meter, const void *old,
                            bearer_meter_version_t version)
{
    area_t from, to;
    apr_uint32_t i;
    int state;

    if (!area_of(&from, old, version) || !area_of(&to, meter, BEARER_METER_LATER)) {
        return;
    }
    words_at(&to, 0)[0] = 0;            /* so that the start time of the old block is
                                           taken over */
    add(words_at(&to, 0), words_at(&from, 0), HEAD_WORDS);
    for (i = 0; i < from.shape.slots; i++) {
        const char *slot = (const char *)words_at(&from, slot_at(&from, i));

        memcpy(&state, slot, sizeof(state));
        if (state == METER_NAMED) {
            add_slot(&to, (apr_uint32_t)bearer_meter_slot(meter, slot + sizeof(int)),
                     &from, i);
        }
    }
}
