/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The status for Prometheus. See status.h.
 */
#include "report/status_inside.h"

#include "state/meter.h"

static const escape_t label_escapes[] = {
    {'\\', "\\\\"}, {'"', "\\\""}, {'\n', "\\n"}, {0, NULL}
};

static const char *label(const page_t *page, const char *s)
{
    return escape(s, label_escapes, page->p);
}

static void head(page_t *page, const char *name, const char *type,
                 const char *help)
{
    add(page, "# HELP auth_bearer_%s %s\n# TYPE auth_bearer_%s %s\n", name, help,
        name, type);
}

static void single(page_t *page, const char *name, const char *type,
                   const char *help, apr_int64_t value)
{
    head(page, name, type, help);
    add(page, "auth_bearer_%s " N "\n", name, value);
}

/** One figure per label. */
typedef struct figure_t {
    const char *name, *type, *help;
    const char *group;   /**< member of the row of `counters`, or NULL */
    const char *member;
    int relative;        /**< 1: seconds since, -1: seconds until, 0: unchanged */
    const char *labels;
} figure_t;

static const figure_t figures[] = {
    { "granted_total", "counter", "Granted requests", NULL,
      "granted", 0, "" },
    { "keys", "gauge", "Usable keys", "keys", "count", 0, "" },
    { "keys_age_seconds", "gauge", "Time since the key set was fetched", "keys", "fetched",
      1, "" },
    { "keys_remaining_seconds", "gauge", "Time until the key set expires if the issuer stays "
      "unavailable", "keys", "gone", -1, "" },
    { "metadata_age_seconds", "gauge", "Time since the metadata was fetched",
      "keys", "metadata_fetched", 1, "" },
    { "fetches_total", "counter", "Key set fetches", "fetches", "ok", 0,
      ",result=\"ok\"" },
    { "fetches_total", NULL, NULL, "fetches", "failed", 0, ",result=\"failed\"" },
    { "unknown_kid_refreshes_total", "counter", "Fetches because of an unknown "
      "kid", "fetches", "unknown_kid", 0, "" },
    { "introspections_total", "counter", "Introspection requests", "introspection",
      "ok", 0, ",result=\"ok\"" },
    { "introspections_total", NULL, NULL, "introspection", "failed", 0,
      ",result=\"failed\"" },
    { "introspection_cache_hits_total", "counter", "Cached responses used",
      "introspection", "kept", 0, "" },
    { "turned_away_total", "counter", "Requests above the limit of waiting workers, for "
      "the issuer", NULL, "turned_away", 0, "" },
};

/* For a label without a configured issuer, zero values are omitted: such a label
 * may have counted only one thing, or be outdated. */
static int is_told(const json_t *row, apr_int64_t value)
{
    return value || number(row, "issuers");
}

static void add_figure(page_t *page, const figure_t *f)
{
    const json_t *row;
    size_t i;

    if (f->type) {
        head(page, f->name, f->type, f->help);
    }
    json_array_foreach(member(page->status, "counters"), i, row) {
        const json_t *group = f->group ? member(row, f->group) : row;
        apr_int64_t value = number(group, f->member);

        if (!is_told(row, value) || (f->relative && !value)) {
            continue;
        }
        value = f->relative > 0 ? page->now - value
              : f->relative < 0 ? value - page->now : value;
        add(page, "auth_bearer_%s{issuer=\"%s\"%s} " N "\n",
            f->name, label(page, string(row, "issuer")), f->labels, value);
    }
}

static void add_refused(page_t *page)
{
    const json_t *row;
    size_t i;

    head(page, "refused_total", "counter", "Refused requests, by check");
    json_array_foreach(member(page->status, "refusals"), i, row) {
        add(page, "auth_bearer_refused_total{issuer=\"%s\",reason=\"%s\","
            "category=\"%s\"} " N "\n",
            label(page, string(row, "issuer")), label(page, string(row, "reason")),
            label(page, string(row, "category")), number(row, "total"));
    }
}

static void add_unavailable(page_t *page)
{
    const json_t *row;
    apr_int64_t sum = 0;
    size_t i;

    json_array_foreach(member(page->status, "refusals"), i, row) {
        if (!strcmp(string(row, "category"), "unavailable")) {
            sum += number(row, "total");
        }
    }
    single(page, "unavailable_total", "counter", "Requests that got 503", sum);
}

static void add_histogram(page_t *page, const json_t *row)
{
    const char *name = label(page, string(row, "issuer"));
    const json_t *in = member(row, "introspection");
    const json_t *buckets = member(in, "buckets");
    size_t i, n = json_array_size(buckets);

    if (!is_told(row, number(in, "ok") + number(in, "failed"))) {
        return;
    }
    for (i = 0; i < n; i++) {
        add(page, "auth_bearer_introspection_seconds_bucket{issuer=\"%s\",le=\"%s\"}"
            " " N "\n", name,
            i < BEARER_METER_BUCKETS - 1
            ? apr_psprintf(page->p, "%.3f", (double)bearer_meter_bounds[i] / 1e6)
            : "+Inf",
            (apr_int64_t)json_integer_value(json_array_get(buckets, i)));
    }
    add(page, "auth_bearer_introspection_seconds_sum{issuer=\"%s\"} %.6f\n"
        "auth_bearer_introspection_seconds_count{issuer=\"%s\"} " N "\n", name,
        (double)number(in, "sum") / 1e6, name,
        n ? (apr_int64_t)json_integer_value(json_array_get(buckets, n - 1)) : 0);
}

/** One figure of the whole server. */
static const struct {
    const char *name, *type, *help;
    const char *group, *member;   /**< where it is in the status: a number or a boolean */
} singles[] = {
    { "token_cache_entries", "gauge", "Capacity for verified tokens", "tokens",
      "entries" },
    { "token_cache_used", "gauge", "Cached tokens", "tokens", "used" },
    { "token_cache_bytes", "gauge", "Memory of cached tokens", "tokens",
      "bytes" },
    { "token_cache_hits_total", "counter", "Tokens found in the cache", "tokens",
      "hits" },
    { "token_cache_misses_total", "counter", "Tokens not found in the cache", "tokens",
      "misses" },
    { "token_cache_evictions_total", "counter", "Tokens removed to make room", "tokens",
      "evictions" },
    { "throttled_addresses", "gauge", "Addresses under a penalty", "throttle",
      "penalised" },
    { "throttle_started_total", "counter", "Penalties started", "throttle",
      "started" },
    { "waiting_workers", "gauge", "Workers that wait for other servers", "waiting",
      "now" },
    { "waiting_workers_limit", "gauge", "How many workers may wait", "waiting", "limit" },
    { "turned_away_services_total", "counter", "Requests above the limit of "
      "waiting workers, for session services", "waiting", "services" },
    { "turned_away_cache_total", "counter", "Requests above the limit of waiting "
      "workers, for a cache", "waiting", "cache" },
    { "revocations", "gauge", "Entries of the revocation list", "revocations",
      "entries" },
    { "revocation_list_closed", "gauge", "1: the revocation list cannot be read, "
      "every token gets 503", "revocations", "closed" },
    { "sessions", "gauge", "Sessions in the cache", "sessions", "count" },
    { "sessions_bytes", "gauge", "Size of the session cache", "sessions", "bytes" },
    { "sessions_used_bytes", "gauge", "Used part of the session cache", "sessions", "used" },
    { "sessions_evicted_total", "counter", "Sessions ended because the cache was full",
      "sessions", "evicted" },
    { "sessions_refused_total", "counter", "Logins and marks refused because the cache was full",
      "sessions", "refused" },
    { "sessions_surplus_total", "counter", "Sessions ended by a newer one of the same "
      "user", "sessions", "surplus" },
    { "proofs", "gauge", "Used proofs of possession in memory", "proofs", "count" },
    { "proofs_bytes", "gauge", "Size of the memory of used proofs", "proofs", "bytes" },
    { "proofs_used_bytes", "gauge", "Used part of the memory of used proofs", "proofs", "used" },
    { "proofs_refused_total", "counter", "Proofs refused because the memory was full", "proofs",
      "refused" },
    { "proofs_share_refused_total", "counter", "Proofs refused because their token had its share "
      "of the memory", "proofs", "share" },
};

static void add_singles(page_t *page)
{
    size_t i;

    for (i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        const json_t *group = member(page->status, singles[i].group);

        single(page, singles[i].name, singles[i].type, singles[i].help,
               is_true(group, singles[i].member)
                   ? 1 : number(group, singles[i].member));
    }
}

static void add_group(page_t *page, bearer_group_t group)
{
    const json_t *counts = member(member(page->status, "counts"), count_groups[group].name);
    const char *name = apr_pstrcat(page->p, count_groups[group].name, "_total", NULL), *value;
    json_t *n;

    head(page, name, "counter", count_groups[group].help);
    json_object_foreach((json_t *)(apr_uintptr_t)counts, value, n) {
        add(page, "auth_bearer_%s{%s=\"%s\"} " N "\n", name, count_groups[group].label,
            label(page, value), (apr_int64_t)json_integer_value(n));
    }
}

const char *bearer_status_prometheus(const json_t *status, apr_pool_t *p)
{
    const json_t *row;
    page_t page;
    size_t i;

    begin(&page, status, p);
    head(&page, "info", "gauge", "Version, and fingerprint of the configuration");
    add(&page, "auth_bearer_info{version=\"%s\",configuration=\"%s\"} 1\n",
        label(&page, string(status, "version")),
        label(&page, string(status, "configuration")));
    single(&page, "start_time_seconds", "gauge", "When counting began",
           number(status, "since"));
    for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        add_figure(&page, &figures[i]);
    }
    add_refused(&page);
    add_unavailable(&page);
    head(&page, "introspection_seconds", "histogram", "Duration of introspection requests");
    json_array_foreach(member(status, "counters"), i, row) {
        add_histogram(&page, row);
    }
    add_singles(&page);
    for (i = 0; i < BEARER_GROUPS; i++) {
        add_group(&page, (bearer_group_t)i);
    }
    return end(&page);
}
