/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.c
 * How it is doing: the counters that all children share, `SetHandler
 * bearer-status` (HTML, ?format=json, ?format=prometheus) and a section of
 * mod_status. A request pays one atomic addition (a refusal three), no lock.
 *
 * The counters have a mapping of their own, kept in the process pool: a graceful
 * restart loses none, and another layout gets another one.
 */
#include "glue.h"

#include <apr_optional_hooks.h>
#include <mod_status.h>
#include <unistd.h>

#include "bearer/meter.h"
#include "bearer/status.h"

APLOG_USE_MODULE(auth_bearer);

#define LAYOUT "mod_auth_bearer meter 2"
/** Children tell what their caches hold once in so many ticks. */
#define TELL_EVERY 5

static void *block;               /* NULL: nothing is counted */
static const char *fingerprint = "";

/** What this child knows of its counters; made in child_init. */
static struct {
    bearer_meter_t *meter;
    int *slots;                   /**< by issuer index */
    int count;
    bearer_tokencache_stats_t told;
} own;

/* ---- the mapping ----------------------------------------------------------- */

static void create_block(apr_pool_t *pconf, server_rec *s)
{
    apr_size_t size = bearer_meter_size();
    apr_status_t rv;
    int made;

    block = bearer_shared_keep(LAYOUT, "auth_bearer_meter", size, &made, pconf, s,
                               &rv);
    if (!block) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "nothing is counted: no "
                     "shared memory of %" APR_SIZE_T_FMT " bytes", size);
    }
}

/* Two servers with the same one have read the same directives of ours. */
static const char *fingerprint_of(server_rec *s, apr_pool_t *p)
{
    const apr_array_header_t *sections = bearer_config_server(s)->global->sections;
    unsigned char all[2 * BEARER_SHA256_SIZE] = { 0 };
    int i;

    for (; s; s = s->next) {
        memcpy(all + BEARER_SHA256_SIZE, bearer_config_server(s)->digest,
               BEARER_SHA256_SIZE);
        bearer_text_sha256(all, sizeof(all), all);
    }
    for (i = 0; i < sections->nelts; i++) {
        memcpy(all + BEARER_SHA256_SIZE,
               APR_ARRAY_IDX(sections, i, section_t).dir->digest,
               BEARER_SHA256_SIZE);
        bearer_text_sha256(all, sizeof(all), all);
    }
    return bearer_text_hex(p, all, 8);
}

void bearer_status_post_config(apr_pool_t *pconf, server_rec *s)
{
    create_block(pconf, s);
    fingerprint = fingerprint_of(s, pconf);
}

/* ---- counting -------------------------------------------------------------- */

static int slot_of(const bearer_issuer_t *issuer)
{
    return issuer && issuer->index >= 0 && issuer->index < own.count
        ? own.slots[issuer->index] : BEARER_METER_NONE;
}

static void event(void *nothing, bearer_event_t what, int issuer,
                  apr_interval_time_t elapsed)
{
    (void)nothing;
    bearer_meter_event(own.meter, issuer >= 0 && issuer < own.count
                                  ? own.slots[issuer] : BEARER_METER_NONE,
                       what, elapsed);
}

void bearer_status_child_init(process_t *process)
{
    const apr_array_header_t *issuers = process->global->issuers;
    int i;

    memset(&own, 0, sizeof(own));
    if (!block) {
        return;
    }
    own.slots = apr_pcalloc(process->pool, sizeof(int) * (apr_size_t)issuers->nelts);
    own.meter = bearer_meter_attach(block, apr_time_now());
    for (i = 0; i < issuers->nelts; i++) {
        own.slots[i] = bearer_meter_slot(own.meter,
                                         APR_ARRAY_IDX(issuers, i,
                                                       bearer_issuer_t *)->name);
    }
    own.count = issuers->nelts;
    process->world.event = event;
}

void bearer_status_granted(const bearer_issuer_t *issuer)
{
    bearer_meter_granted(own.meter, slot_of(issuer));
}

void bearer_status_refused(const bearer_issuer_t *issuer, bearer_reason_t reason)
{
    bearer_meter_refused(own.meter, slot_of(issuer), reason, apr_time_now());
}

void bearer_status_throttled(void)
{
    bearer_meter_throttled(own.meter);
}

/* What happened in this child's cache since it last told. */
static void tell_caches(const process_t *process)
{
    bearer_tokencache_stats_t now;
    bearer_meter_cache_t cache = { 0 };

    bearer_tokencache_stats(process->tokens, &now);
    cache.entries = now.entries;
    cache.used = now.used;
    cache.bytes = now.bytes;
    cache.hits = now.hits - own.told.hits;
    cache.misses = now.misses - own.told.misses;
    cache.evictions = now.evictions - own.told.evictions;
    own.told = now;
    bearer_meter_child(own.meter, (apr_uint64_t)getpid(), &cache, apr_time_now());
}

void bearer_status_tick(const process_t *process)
{
    static unsigned ticks;  /* of the one watchdog thread */

    bearer_store_own_tick();
    if (own.meter && ticks++ % TELL_EVERY == 0) {
        tell_caches(process);
    }
}

/* ---- collecting ------------------------------------------------------------ */

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

static const char *type_of(const bearer_jwk_t *key)
{
    static const char *const names[] = {
        [BEARER_KTY_RSA] = "RSA", [BEARER_KTY_EC] = "EC",
        [BEARER_KTY_OKP] = "OKP", [BEARER_KTY_OCT] = "oct"
    };

    return (unsigned)key->kty < sizeof(names) / sizeof(names[0])
        && names[key->kty] ? names[key->kty] : "";
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
        put_string(one, "type", type_of(key), p);
        put_string(one, "curve", key->curve, p);
        put_number(one, "bits", (apr_uint64_t)key->bits);
        put_string(one, "algorithms", bearer_alg_names(key->algs, p), p);
        json_array_append_new(list, one);
    }
    bearer_jwks_release(set);
    return list;
}

static json_t *keys_json(bearer_keyset_t *keyset, apr_pool_t *p)
{
    bearer_keyset_state_t state;
    json_t *out = json_object();

    put(out, "list", keys_in(keyset, p));
    bearer_keyset_state(keyset, &state, p);
    put_number(out, "count", (apr_uint64_t)state.keys);
    put_time(out, "fetched", state.fetched);
    put_time(out, "due", state.due);
    put_time(out, "gone", state.gone);
    put_time(out, "last_attempt", state.last_attempt);
    put_time(out, "metadata_fetched", state.metadata_fetched);
    put_string(out, "metadata_error", state.metadata_error, p);
    put_string(out, "last_error", state.last_attempt_failed ? state.last_error
                                                            : NULL, p);
    return out;
}

static json_t *fetches_json(int slot)
{
    json_t *out = json_object();

    put_number(out, "ok", bearer_meter_read_event(own.meter, slot,
                                                  BEARER_EVENT_FETCHED));
    put_number(out, "failed", bearer_meter_read_event(own.meter, slot,
                                                      BEARER_EVENT_FETCH_FAILED));
    put_number(out, "unknown_kid", bearer_meter_read_event(
        own.meter, slot, BEARER_EVENT_UNKNOWN_KID));
    return out;
}

static json_t *introspection_json(int slot)
{
    json_t *out = json_object(), *buckets = json_array();
    bearer_meter_latency_t latency;
    int i;

    bearer_meter_read_latency(own.meter, slot, &latency);
    for (i = 0; i < BEARER_METER_BUCKETS; i++) {
        json_array_append_new(buckets, json_integer((json_int_t)latency.below[i]));
    }
    put_number(out, "ok", bearer_meter_read_event(own.meter, slot,
                                                  BEARER_EVENT_INTROSPECTED));
    put_number(out, "failed", bearer_meter_read_event(
        own.meter, slot, BEARER_EVENT_INTROSPECTION_FAILED));
    put_number(out, "kept", bearer_meter_read_event(own.meter, slot,
                                                    BEARER_EVENT_ANSWER_KEPT));
    put_number(out, "sum", latency.sum);
    put(out, "buckets", buckets);
    return out;
}

static json_t *issuers_json(const process_t *process, apr_pool_t *p)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < process->keyset_count; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(process->global->issuers, i,
                                                      const bearer_issuer_t *);
        json_t *one = json_object();
        int slot = slot_of(issuer);

        put_string(one, "name", issuer->name, p);
        put_string(one, "url", issuer->url, p);
        put(one, "keys", keys_json(process->keysets[i], p));
        put_number(one, "granted", bearer_meter_read_granted(own.meter, slot));
        put(one, "fetches", fetches_json(slot));
        put(one, "introspection", introspection_json(slot));
        json_array_append_new(list, one);
    }
    return list;
}

static void add_refusals(json_t *list, int slot, apr_time_t now)
{
    int reason;

    for (reason = 0; reason < BEARER_REASON_COUNT; reason++) {
        bearer_reason_t r = (bearer_reason_t)reason;
        bearer_meter_refusals_t n;
        json_t *row;

        bearer_meter_read_refusals(own.meter, slot, r, now, &n);
        if (!n.total) {
            continue;
        }
        row = json_object();
        put(row, "issuer", json_string(bearer_meter_name(own.meter, slot)));
        put(row, "reason", json_string(bearer_reason_name(r)));
        put(row, "category", json_string(
            bearer_category_name(bearer_reason_category(r))));
        put_number(row, "minute", n.minute);
        put_number(row, "hour", n.hour);
        put_number(row, "total", n.total);
        json_array_append_new(list, row);
    }
}

static json_t *refusals_json(apr_time_t now)
{
    json_t *list = json_array();
    int slot;

    for (slot = 0; slot < BEARER_METER_ISSUERS; slot++) {
        if (bearer_meter_name(own.meter, slot)) {
            add_refusals(list, slot, now);
        }
    }
    return list;
}

static json_t *tokens_json(const process_t *process, apr_time_t now)
{
    json_t *out = json_object();
    bearer_meter_cache_t sum;
    int children;

    if (!bearer_refresh_active()) {
        tell_caches(process);  /* nobody else does */
    }
    bearer_meter_read_caches(own.meter, now, &sum, &children);
    put_number(out, "entries", sum.entries);
    put_number(out, "used", sum.used);
    put_number(out, "bytes", sum.bytes);
    put_number(out, "hits", sum.hits);
    put_number(out, "misses", sum.misses);
    put_number(out, "evictions", sum.evictions);
    put_number(out, "children", (apr_uint64_t)children);
    return out;
}

static json_t *throttle_json(const process_t *process, apr_time_t now)
{
    unsigned penalised = 0, used = 0;
    json_t *out = json_object();

    if (process->throttle) {
        bearer_throttle_stats(process->throttle, now, &penalised, &used);
    }
    put_number(out, "penalised", penalised);
    put_number(out, "remembered", used);
    put_number(out, "started", bearer_meter_read_throttled(own.meter));
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

static json_t *collect(apr_pool_t *p)
{
    const process_t *process = bearer_process();
    apr_time_t now = apr_time_now();
    bearer_table_stats_t stats;
    json_t *out = json_object();

    put_time(out, "now", now);
    put_time(out, "since", bearer_meter_since(own.meter));
    put(out, "configuration", json_string(fingerprint));
    put(out, "issuers", process ? issuers_json(process, p) : json_array());
    put(out, "refusals", refusals_json(now));
    if (bearer_store_own_stats(&stats)) {
        put(out, "sessions", sessions_json(&stats));
    }
    if (process) {
        put(out, "tokens", tokens_json(process, now));
        put(out, "throttle", throttle_json(process, now));
        put(out, "revocations", revocations_json(process));
    }
    return out;
}

/* ---- the handler ------------------------------------------------------------- */

static const char *json_text(const json_t *status, apr_pool_t *p)
{
    char *text = json_dumps(status, JSON_INDENT(1));
    const char *copy = text ? apr_pstrcat(p, text, "\n", NULL) : "{}\n";

    free(text);
    return copy;
}

static const struct {
    const char *query;
    const char *type;
    const char *(*write)(const json_t *status, apr_pool_t *p);
} formats[] = {
    { "format=json", "application/json", json_text },
    { "format=prometheus", "text/plain; version=0.0.4; charset=utf-8",
      bearer_status_prometheus },
    { "", "text/html; charset=utf-8", bearer_status_html },  /* the others */
};

static int contains(ap_conf_vector_t *conf, const ap_expr_info_t *handler);

static int some_contains(const apr_array_header_t *sections,
                         const ap_expr_info_t *handler)
{
    int i, found = 0;

    for (i = 0; sections && !found && i < sections->nelts; i++) {
        found = contains(APR_ARRAY_IDX(sections, i, ap_conf_vector_t *), handler);
    }
    return found;
}

/* Is this SetHandler line in an .htaccess, or in a section of it? */
static int contains(ap_conf_vector_t *conf, const ap_expr_info_t *handler)
{
    const core_dir_config *core = ap_get_core_module_config(conf);

    return core && (core->expr_handler == handler
                    || some_contains(core->sec_file, handler)
                    || some_contains(core->sec_if, handler));
}

/* AllowOverride FileInfo lets who writes an .htaccess choose any handler, but what
 * this one shows is the administrator's. Where an .htaccess was read, the line must
 * be one of the server configuration. */
static int is_by_the_administrator(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const ap_expr_info_t *line = core ? core->expr_handler : NULL;
    const struct htaccess_result *file = r->htaccess;
    const char *error = NULL, *name;

    while (file && !file->htaccess) {
        file = file->next;  /* it is not there */
    }
    if (!file) {
        return 1;
    }
    name = line ? ap_expr_str_exec(r, line, &error) : NULL;
    if (error || !name || ap_cstr_casecmp(name, r->handler)) {
        return 0;
    }
    for (; file; file = file->next) {
        if (file->htaccess && contains(file->htaccess, line)) {
            return 0;
        }
    }
    return 1;
}

int bearer_status_handler(request_rec *r)
{
    json_t *status;
    int i = 0;

    if (!r->handler || strcmp(r->handler, "bearer-status") != 0) {
        return DECLINED;
    }
    if (!is_by_the_administrator(r)) {
        bearer_log(APLOG_ERR, r, "the handler bearer-status was chosen where an "
                   ".htaccess file applies; the page is served only by SetHandler "
                   "bearer-status in the server configuration (in a <Location>)");
        return HTTP_FORBIDDEN;
    }
    if (r->method_number != M_GET) {
        ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    while (*formats[i].query
           && (!r->args || strcmp(r->args, formats[i].query) != 0)) {
        i++;
    }
    status = collect(r->pool);
    ap_set_content_type(r, formats[i].type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; style-src 'unsafe-inline'; "
                   "frame-ancestors 'none'");
    ap_rputs(formats[i].write(status, r->pool), r);
    json_decref(status);
    return OK;
}

/* ---- mod_status -------------------------------------------------------------- */

static int section(request_rec *r, int flags)
{
    json_t *status = collect(r->pool);

    ap_rputs(flags & AP_STATUS_SHORT ? bearer_status_auto(status, r->pool)
                                     : bearer_status_section(status, r->pool), r);
    json_decref(status);
    return OK;
}

void bearer_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, section, NULL, NULL, APR_HOOK_MIDDLE);
}
