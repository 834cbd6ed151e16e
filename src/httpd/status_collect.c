/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status_collect.c
 * What is known of issuers, keys, caches and counters, as one JSON value. Each count
 * is in `counters` once, under the label of its slot, so that they add up; an
 * issuer that has a slot of its own has them beside its keys, too.
 */
#include "process.h"
#include "status_inside.h"
#include "store_own.h"

#include <errno.h>
#include <signal.h>

#include "base/gate.h"
#include "base/reason.h"
#include "base/text.h"
#include "jose/alg.h"
#include "jose/jwk.h"
#include "trust/issuer.h"

/* ---- values and keys ------------------------------------------------------ */

static void put(json_t *object, const char *name, json_t *value)
{
    json_object_set_new(object, name, value);
}

static void put_number(json_t *object, const char *name, apr_uint64_t n)
{
    put(object, name, json_integer((json_int_t)n));
}

static void put_time(json_t *object, const char *name, apr_time_t when)
{
    put(object, name, json_integer((json_int_t)apr_time_sec(when)));
}

static void put_string(json_t *object, const char *name, const char *s,
                       apr_pool_t *p)
{
    put(object, name, json_string(!s ? "" : bearer_text_is_utf8(s, strlen(s))
                                  ? s : bearer_text_quote(p, s)));
}

/* Only what is at hand: a page must not fetch. */
static json_t *keys_in(bearer_keyset_t *keyset, apr_pool_t *p)
{
    json_t *list = json_array();
    bearer_jwks_t *set = NULL;
    int i;

    if (!bearer_keyset_at_hand(keyset)
        || bearer_keyset_acquire(keyset, &set, NULL, p) != BEARER_OK) {
        return list;
    }
    for (i = 0; i < bearer_jwks_count(set); i++) {
        const bearer_jwk_t *key = bearer_jwks_at(set, i);
        json_t *one = json_object();

        put_string(one, "kid", key->kid, p);
        put_string(one, "type", bearer_kty_name(key->kty), p);
        put_string(one, "curve", key->curve, p);
        put_number(one, "bits", (apr_uint64_t)key->bits);
        put_string(one, "algorithms", bearer_alg_names(key->algs, p), p);
        json_array_append_new(list, one);
    }
    bearer_jwks_release(set);
    return list;
}

static json_t *keys_json(bearer_keyset_t *keyset,
                         const bearer_keyset_state_t *state, apr_pool_t *p)
{
    json_t *out = json_object();

    put(out, "list", keys_in(keyset, p));
    put_number(out, "count", (apr_uint64_t)state->keys);
    put_time(out, "fetched", state->fetched);
    put_time(out, "due", state->due);
    put_time(out, "gone", state->gone);
    put_time(out, "last_attempt", state->last_attempt);
    put_time(out, "metadata_fetched", state->metadata_fetched);
    put_string(out, "metadata_error", state->metadata_error, p);
    put_string(out, "last_error", state->last_attempt_failed ? state->last_error
                                                             : NULL, p);
    return out;
}

/* ---- issuers and their counters ------------------------------------------- */

/** What is told of all issuers of a slot together: the number of their keys, and
 *  the worst of each time. */
typedef struct group_t {
    int issuers;
    apr_uint64_t keys;
    apr_time_t fetched, gone, metadata_fetched;  /**< the earliest; 0: never */
} group_t;

static void keep_earliest(apr_time_t *kept, apr_time_t when)
{
    if (when && (!*kept || when < *kept)) {
        *kept = when;
    }
}

static void add_to_group(group_t *group, const bearer_keyset_state_t *state)
{
    group->issuers++;
    group->keys += (apr_uint64_t)state->keys;
    keep_earliest(&group->fetched, state->fetched);
    keep_earliest(&group->gone, state->gone);
    keep_earliest(&group->metadata_fetched, state->metadata_fetched);
}

static json_t *group_json(const group_t *group)
{
    json_t *out = json_object();

    put_number(out, "count", group->keys);
    put_time(out, "fetched", group->fetched);
    put_time(out, "gone", group->gone);
    put_time(out, "metadata_fetched", group->metadata_fetched);
    return out;
}

static json_t *fetches_json(const status_counters_t *c, int slot)
{
    json_t *out = json_object();

    put_number(out, "ok", bearer_meter_read_event(c->meter, slot,
                                                  BEARER_EVENT_FETCHED));
    put_number(out, "failed", bearer_meter_read_event(c->meter, slot,
                                                      BEARER_EVENT_FETCH_FAILED));
    put_number(out, "unknown_kid", bearer_meter_read_event(
        c->meter, slot, BEARER_EVENT_UNKNOWN_KID));
    return out;
}

static json_t *introspection_json(const status_counters_t *c, int slot)
{
    json_t *out = json_object(), *buckets = json_array();
    bearer_meter_latency_t latency;
    int i;

    bearer_meter_read_latency(c->meter, slot, &latency);
    for (i = 0; i < BEARER_METER_BUCKETS; i++) {
        json_array_append_new(buckets, json_integer((json_int_t)latency.below[i]));
    }
    put_number(out, "ok", bearer_meter_read_event(c->meter, slot,
                                                  BEARER_EVENT_INTROSPECTED));
    put_number(out, "failed", bearer_meter_read_event(
        c->meter, slot, BEARER_EVENT_INTROSPECTION_FAILED));
    put_number(out, "kept", bearer_meter_read_event(c->meter, slot,
                                                    BEARER_EVENT_ANSWER_KEPT));
    put_number(out, "sum", latency.sum);
    put(out, "buckets", buckets);
    return out;
}

static void put_counts(json_t *object, const status_counters_t *c, int slot)
{
    put_number(object, "granted", bearer_meter_read_granted(c->meter, slot));
    put(object, "fetches", fetches_json(c, slot));
    put(object, "introspection", introspection_json(c, slot));
    put_number(object, "turned_away", bearer_meter_read_event(c->meter, slot,
                                                              BEARER_EVENT_NO_PLACE));
}

static int slot_of(const status_counters_t *c, int issuer)
{
    return issuer < c->count ? c->slots[issuer] : BEARER_METER_NONE;
}

static json_t *issuers_json(const status_counters_t *c, const process_t *process,
                            group_t *groups, apr_pool_t *p)
{
    json_t *list = json_array();
    bearer_keyset_state_t state;
    int i;

    for (i = 0; i < process->keyset_count; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(process->global->issuers, i,
                                                      const bearer_issuer_t *);
        json_t *one = json_object();

        bearer_keyset_state(process->keysets[i], &state, p);
        add_to_group(&groups[slot_of(c, i)], &state);
        put_string(one, "name", issuer->name, p);
        put_string(one, "url", issuer->url, p);
        put(one, "keys", keys_json(process->keysets[i], &state, p));
        json_array_append_new(list, one);
    }
    return list;
}

/* What several issuers share is told once, in `counters`. */
static void add_own_counts(json_t *issuers, const status_counters_t *c,
                           const group_t *groups)
{
    json_t *issuer;
    size_t i;

    json_array_foreach(issuers, i, issuer) {
        int slot = slot_of(c, (int)i);

        if (slot != BEARER_METER_NONE && slot != BEARER_METER_OTHERS
            && groups[slot].issuers == 1) {
            put_counts(issuer, c, slot);
        }
    }
}

static json_t *counters_json(const status_counters_t *c, const group_t *groups,
                             apr_pool_t *p)
{
    json_t *list = json_array();
    int slot;

    for (slot = 0; slot < BEARER_METER_SLOTS; slot++) {
        const char *label = bearer_meter_label(c->meter, slot);
        json_t *one;

        if (label || groups[slot].issuers) {
            one = json_object();
            put_string(one, "issuer", label, p);
            put_number(one, "issuers", (apr_uint64_t)groups[slot].issuers);
            put_counts(one, c, slot);
            if (groups[slot].issuers) {
                put(one, "keys", group_json(&groups[slot]));
            }
            json_array_append_new(list, one);
        }
    }
    return list;
}

static void add_refusals(json_t *list, const status_counters_t *c, int slot,
                         apr_time_t now, apr_pool_t *p)
{
    int reason;

    for (reason = 0; reason < BEARER_REASON_COUNT; reason++) {
        bearer_reason_t r = (bearer_reason_t)reason;
        bearer_meter_refusals_t n;
        json_t *row;

        bearer_meter_read_refusals(c->meter, slot, r, now, &n);
        if (!n.total) {
            continue;
        }
        row = json_object();
        put_string(row, "issuer", bearer_meter_label(c->meter, slot), p);
        put(row, "reason", json_string(bearer_reason_name(r)));
        put(row, "category", json_string(
            bearer_category(bearer_reason_category(r))->name));
        put_number(row, "minute", n.minute);
        put_number(row, "hour", n.hour);
        put_number(row, "total", n.total);
        json_array_append_new(list, row);
    }
}

static json_t *refusals_json(const status_counters_t *c, apr_time_t now,
                             apr_pool_t *p)
{
    json_t *list = json_array();
    int slot;

    for (slot = 0; slot < BEARER_METER_SLOTS; slot++) {
        if (bearer_meter_label(c->meter, slot)) {
            add_refusals(list, c, slot, now, p);
        }
    }
    return list;
}

/* ---- the rest ------------------------------------------------------------- */

static int is_alive(apr_uint64_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

static json_t *tokens_json(const status_counters_t *c, apr_time_t now)
{
    json_t *out = json_object();
    bearer_meter_cache_t sum;
    int children;

    bearer_meter_read_caches(c->meter, now, is_alive, &sum, &children);
    put_number(out, "entries", sum.entries);
    put_number(out, "used", sum.used);
    put_number(out, "bytes", sum.bytes);
    put_number(out, "hits", sum.hits);
    put_number(out, "misses", sum.misses);
    put_number(out, "evictions", sum.evictions);
    put_number(out, "children", (apr_uint64_t)children);
    return out;
}

static json_t *throttle_json(const status_counters_t *c, const process_t *process,
                             apr_time_t now)
{
    unsigned penalised = 0, used = 0;
    json_t *out = json_object();

    if (process->throttle) {
        bearer_throttle_stats(process->throttle, now, &penalised, &used);
    }
    put_number(out, "penalised", penalised);
    put_number(out, "remembered", used);
    put_number(out, "started", bearer_meter_read_throttled(c->meter));
    return out;
}

static json_t *waiting_json(const status_counters_t *c, const process_t *process)
{
    json_t *out = json_object();
    int inside, limit;

    bearer_gate_stats(process->world.gate, &inside, &limit);
    put_number(out, "now", (apr_uint64_t)inside);
    put_number(out, "limit", (apr_uint64_t)limit);
    put_number(out, "services", bearer_meter_read_event(
        c->meter, BEARER_METER_NONE, BEARER_EVENT_NO_PLACE_SERVICE));
    put_number(out, "cache", bearer_meter_read_event(
        c->meter, BEARER_METER_NONE, BEARER_EVENT_NO_PLACE_CACHE));
    return out;
}

static json_t *sessions_json(const bearer_table_stats_t *stats)
{
    json_t *out = json_object();

    put_number(out, "count", stats->sessions);
    put_number(out, "bytes", stats->size);
    put_number(out, "used", stats->size / stats->all * stats->used);
    put_number(out, "evicted", stats->evicted);
    put_number(out, "refused", stats->refused);
    put_number(out, "surplus", stats->surplus);
    return out;
}

static json_t *revocations_json(const process_t *process)
{
    bearer_revocation_state_t state = { 0 };
    json_t *out = json_object();

    if (process->revocations) {
        bearer_revocation_state(process->revocations, &state);
    }
    put(out, "configured", json_boolean(process->revocations != NULL));
    put(out, "closed", json_boolean(state.closed));
    put_number(out, "entries", state.entries);
    return out;
}

static void put_process(json_t *out, const status_counters_t *c,
                        const process_t *process, apr_time_t now, apr_pool_t *p)
{
    group_t groups[BEARER_METER_SLOTS] = { { 0 } };
    json_t *issuers = process ? issuers_json(c, process, groups, p) : json_array();

    add_own_counts(issuers, c, groups);
    put(out, "issuers", issuers);
    put(out, "counters", counters_json(c, groups, p));
    if (process) {
        put(out, "tokens", tokens_json(c, now));
        put(out, "throttle", throttle_json(c, process, now));
        put(out, "revocations", revocations_json(process));
        put(out, "waiting", waiting_json(c, process));
    }
}

json_t *ab_status_collect(const status_counters_t *counters,
                          const char *fingerprint, apr_pool_t *p)
{
    apr_time_t now = apr_time_now();
    bearer_table_stats_t stats;
    json_t *out = json_object();

    put_time(out, "now", now);
    put_time(out, "since", bearer_meter_since(counters->meter));
    put(out, "configuration", json_string(fingerprint));
    put_process(out, counters, ab_process(), now, p);
    put(out, "refusals", refusals_json(counters, now, p));
    if (ab_store_own_stats(&stats)) {
        put(out, "sessions", sessions_json(&stats));
    }
    return out;
}
