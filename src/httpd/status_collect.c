/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status_collect.c
 * Builds one JSON value from the figures of issuers, keys, caches and counters.
 * `counters` contains each count once, under the label of its slot, so that the counts
 * add up. An issuer with its own slot also has its counts next to its keys.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

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

#ifndef BEARER_VERSION
#define BEARER_VERSION "unknown"  /* built without configure */
#endif

/* ---- values and keys ------------------------------------------------------ */

/* The type that json_pack() expects for `I`. */
#define COUNT(n) ((json_int_t)(n))
#define TIME(when) ((json_int_t)apr_time_sec(when))
/* Reads the count of an event from the variables c and slot. */
#define EVENT(what) \
    COUNT(bearer_meter_read_event(c->meter, slot, BEARER_EVENT_##what))

static const char *text(const char *s, apr_pool_t *p)
{
    return !s ? "" : bearer_text_is_utf8(s, strlen(s)) ? s : bearer_text_quote(p, s);
}

/* Uses available keys only: a status page must not fetch. */
static json_t *keys_in(bearer_keypool_t *pool, apr_pool_t *p)
{
    bearer_wish_t wish = { BEARER_WISH_KEYS, NULL, 0, 0 };
    json_t *list = json_array();
    bearer_jwks_t *set = NULL;
    int i;

    if (!bearer_keypool_at_hand(pool, NULL)
        || bearer_keypool_get(pool, NULL, &wish, &set, NULL, p) != BEARER_OK) {
        return list;
    }
    for (i = 0; i < bearer_jwks_count(set); i++) {
        const bearer_jwk_t *key = bearer_jwks_at(set, i);

        json_array_append_new(list, json_pack(
            "{s:s, s:s, s:s, s:i, s:s}", "kid", text(key->kid, p),
            "type", bearer_kty_name(key->kty), "curve", text(key->curve, p),
            "bits", key->bits, "algorithms", bearer_alg_names(key->algs, p)));
    }
    bearer_jwks_release(set);
    return list;
}

/* One object for each source, if there are several. */
static json_t *sources_json(bearer_keypool_t *pool, const bearer_issuer_t *issuer,
                            apr_pool_t *p)
{
    int i, n = bearer_keypool_sources(pool);
    json_t *list = n > 1 ? json_array() : NULL;
    bearer_keyset_state_t state;

    for (i = 0; list && i < n; i++) {
        const char *source = bearer_issuer_source_shown(&issuer->keys[i], p);

        bearer_keypool_source_state(pool, i, &state, p);
        json_array_append_new(list, json_pack(
            "{s:s, s:i, s:I, s:I, s:I, s:s}", "source", text(source, p),
            "count", state.keys, "fetched", TIME(state.fetched), "due", TIME(state.due),
            "gone", TIME(state.gone), "last_error",
            text(state.last_attempt_failed ? state.last_error : NULL, p)));
    }
    return list;
}

static json_t *keys_json(bearer_keypool_t *pool, const bearer_issuer_t *issuer,
                         const bearer_keyset_state_t *state, apr_pool_t *p)
{
    return json_pack(
        "{s:o, s:o*, s:i, s:I, s:I, s:I, s:I, s:I, s:s, s:s}",
        "list", keys_in(pool, p), "sources", sources_json(pool, issuer, p),
        "count", state->keys, "fetched", TIME(state->fetched), "due", TIME(state->due),
        "gone", TIME(state->gone), "last_attempt", TIME(state->last_attempt),
        "metadata_fetched", TIME(state->metadata_fetched),
        "metadata_error", text(state->metadata_error, p), "last_error",
        text(state->last_attempt_failed ? state->last_error : NULL, p));
}

/* ---- issuers and their counters ------------------------------------------- */

/** Figures of all issuers of a slot together: the number of their keys, and the worst
 *  value of each time. */
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

static void put_counts(json_t *object, const status_counters_t *c, int slot)
{
    json_t *buckets = json_array();
    bearer_meter_latency_t latency;
    int i;

    bearer_meter_read_latency(c->meter, slot, &latency);
    for (i = 0; i < BEARER_METER_BUCKETS; i++) {
        json_array_append_new(buckets, json_integer(COUNT(latency.below[i])));
    }
    json_object_update_new(object, json_pack(
        "{s:I, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:o}, s:I}",
        "granted", COUNT(bearer_meter_read_granted(c->meter, slot)),
        "fetches", "ok", EVENT(FETCHED), "failed", EVENT(FETCH_FAILED),
        "unknown_kid", EVENT(UNKNOWN_KID),
        "introspection", "ok", EVENT(INTROSPECTED),
        "failed", EVENT(INTROSPECTION_FAILED), "kept", EVENT(ANSWER_KEPT),
        "sum", COUNT(latency.sum), "buckets", buckets,
        "turned_away", EVENT(NO_PLACE)));
}

static json_t *issuers_json(const status_counters_t *c, const process_t *process,
                            group_t *groups, apr_pool_t *p)
{
    json_t *list = json_array();
    bearer_keyset_state_t state;
    int i;

    for (i = 0; i < process->global->issuers->nelts; i++) {
        const bearer_issuer_t *issuer = ab_config_issuer_at(process->global, i);

        bearer_keypool_state(process->keys[i], &state, p);
        add_to_group(&groups[ab_status_slot(c, i)], &state);
        json_array_append_new(list, json_pack(
            "{s:s, s:s, s:o}", "name", text(issuer->name, p), "url", text(issuer->url, p),
            "keys", keys_json(process->keys[i], issuer, &state, p)));
    }
    return list;
}

/* If several issuers share a slot, its counts appear only once, in `counters`. */
static void add_own_counts(json_t *issuers, const status_counters_t *c,
                           const group_t *groups)
{
    json_t *issuer;
    size_t i;

    json_array_foreach(issuers, i, issuer) {
        int slot = ab_status_slot(c, (int)i);

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
        const group_t *group = &groups[slot];
        json_t *one;

        if (!label && !group->issuers) {
            continue;
        }
        one = json_pack("{s:s, s:i}", "issuer", text(label, p), "issuers", group->issuers);
        put_counts(one, c, slot);
        if (group->issuers) {
            json_object_set_new(one, "keys", json_pack(
                "{s:I, s:I, s:I, s:I}", "count", COUNT(group->keys),
                "fetched", TIME(group->fetched), "gone", TIME(group->gone),
                "metadata_fetched", TIME(group->metadata_fetched)));
        }
        json_array_append_new(list, one);
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

        bearer_meter_read_refusals(c->meter, slot, r, now, &n);
        if (n.total) {
            json_array_append_new(list, json_pack(
                "{s:s, s:s, s:s, s:I, s:I, s:I}",
                "issuer", text(bearer_meter_label(c->meter, slot), p),
                "reason", bearer_reason_name(r),
                "category", bearer_category(bearer_reason_category(r))->name,
                "minute", COUNT(n.minute), "hour", COUNT(n.hour),
                "total", COUNT(n.total)));
        }
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
    bearer_meter_cache_t sum;
    int children;

    bearer_meter_read_caches(c->meter, now, is_alive, &sum, &children);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "entries", COUNT(sum.entries),
                     "used", COUNT(sum.used), "bytes", COUNT(sum.bytes),
                     "hits", COUNT(sum.hits), "misses", COUNT(sum.misses),
                     "evictions", COUNT(sum.evictions), "children", children);
}

static json_t *throttle_json(const status_counters_t *c, const process_t *process,
                             apr_time_t now)
{
    unsigned penalised = 0, used = 0;

    if (process->throttle) {
        bearer_throttle_stats(process->throttle, now, &penalised, &used);
    }
    return json_pack("{s:I, s:I, s:I}", "penalised", COUNT(penalised),
                     "remembered", COUNT(used),
                     "started", COUNT(bearer_meter_read_throttled(c->meter)));
}

static json_t *waiting_json(const status_counters_t *c, const process_t *process)
{
    const int slot = BEARER_METER_NONE;
    int inside, limit;

    bearer_gate_stats(process->world.gate, &inside, &limit);
    return json_pack("{s:i, s:i, s:I, s:I}", "now", inside, "limit", limit,
                     "services", EVENT(NO_PLACE_SERVICE), "cache", EVENT(NO_PLACE_CACHE));
}

static json_t *sessions_json(const bearer_table_stats_t *stats)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "count", COUNT(stats->sessions),
                     "bytes", COUNT(stats->size),
                     "used", COUNT(stats->size / stats->all * stats->used),
                     "evicted", COUNT(stats->evicted), "refused", COUNT(stats->refused),
                     "surplus", COUNT(stats->surplus));
}

static json_t *proofs_json(const bearer_table_stats_t *stats)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", COUNT(stats->others),
                     "bytes", COUNT(stats->size),
                     "used", COUNT(stats->size / stats->all * stats->used),
                     "refused", COUNT(stats->refused), "share", COUNT(stats->surplus));
}

/* The groups of BEARER_COUNTS, each an object. */
static json_t *counts_json(const status_counters_t *c)
{
    const int slot = BEARER_METER_NONE;
    json_t *groups[BEARER_GROUPS], *all = json_object();

#define X(symbol, name, label, title, help) \
    json_object_set_new(all, name, groups[BEARER_GROUP_##symbol] = json_object());
    BEARER_COUNT_GROUPS(X)
#undef X
#define X(symbol, group, value) \
    json_object_set_new(groups[BEARER_GROUP_##group], value, json_integer(EVENT(symbol)));
    BEARER_COUNTS(X)
#undef X
    return all;
}

static json_t *revocations_json(const process_t *process)
{
    bearer_revocation_state_t state = { 0 };

    if (process->revocations) {
        bearer_revocation_state(process->revocations, &state);
    }
    return json_pack("{s:b, s:b, s:I}", "configured", process->revocations != NULL,
                     "closed", state.closed, "entries", COUNT(state.entries));
}

json_t *ab_status_collect(const status_counters_t *c, const char *fingerprint,
                          apr_pool_t *p)
{
    const process_t *process = ab_process();
    group_t groups[BEARER_METER_SLOTS] = { { 0 } };
    json_t *issuers = process ? issuers_json(c, process, groups, p) : json_array();
    apr_time_t now = apr_time_now();
    bearer_table_stats_t stats;
    json_t *out;

    add_own_counts(issuers, c, groups);
    out = json_pack("{s:s, s:I, s:I, s:s, s:o, s:o}", "version", BEARER_VERSION,
                    "now", TIME(now), "since", TIME(bearer_meter_since(c->meter)),
                    "configuration", fingerprint, "issuers", issuers,
                    "counters", counters_json(c, groups, p));
    if (process) {
        json_object_update_new(out, json_pack(
            "{s:o, s:o, s:o, s:o}", "tokens", tokens_json(c, now),
            "throttle", throttle_json(c, process, now),
            "revocations", revocations_json(process),
            "waiting", waiting_json(c, process)));
    }
    json_object_set_new(out, "counts", counts_json(c));
    json_object_set_new(out, "refusals", refusals_json(c, now, p));
    if (ab_store_own_stats(STORE_SESSIONS, &stats)) {
        json_object_set_new(out, "sessions", sessions_json(&stats));
    }
    if (ab_store_own_stats(STORE_PROOFS, &stats)) {
        json_object_set_new(out, "proofs", proofs_json(&stats));
    }
    return out;
}
