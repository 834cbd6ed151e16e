/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.c
 * Counters shared by all children, `SetHandler bearer-status` (HTML, ?format=json,
 * ?format=prometheus) and a section in mod_status. A request costs one atomic addition
 * (a refusal three) and no lock. status_collect.c reads the counters.
 *
 * The counters have their own mapping, kept in the process pool, so that a graceful
 * restart loses none. A build with another layout creates a new mapping and copies the
 * counters.
 */
#include "status.h"
#include "records.h"
#include "shared.h"
#include "status_inside.h"
#include "store_own.h"
#include "trace.h"

#include <stdatomic.h>
#include <unistd.h>

#include <ap_expr.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_status.h>

#include "base/reason.h"
#include "base/text.h"
#include "base/world.h"
#include "report/status.h"
#include "state/tokencache.h"

APLOG_USE_MODULE(auth_bearer);

#define LAYOUT "mod_auth_bearer meter 6"
/** The latest block of any layout, and that of version 0.1.0. */
#define LAST "mod_auth_bearer meter"
#define LAST_0_1 "mod_auth_bearer meter 2 " APR_STRINGIFY(BEARER_METER_0_1_SIZE)
/** Children report the state of their caches once in this many ticks. */
#define TELL_EVERY 5

static void *block;               /* NULL: counting is off */
static const char *fingerprint = "";

/** This child's view of the counters; created in child_init. */
static status_counters_t own;
/** Cache figures that this child has already reported. */
static _Atomic apr_uint64_t hits, misses, evictions;

/* ---- the mapping ----------------------------------------------------------- */

/* Copies the counters of the previous block, so that they continue after an upgrade. */
static void take_over(apr_pool_t *keep)
{
    bearer_meter_version_t version = BEARER_METER_LATER;
    void *old = NULL;

    apr_pool_userdata_get(&old, LAST, keep);
    if (!old) {
        apr_pool_userdata_get(&old, LAST_0_1, keep);
        version = BEARER_METER_0_1;
    }
    if (old) {
        bearer_meter_take_over(bearer_meter_attach(block, apr_time_now()), old, version);
    }
}

static void create_block(apr_pool_t *pconf, server_rec *s)
{
    apr_size_t size = bearer_meter_size();
    apr_pool_t *keep = s->process->pool;
    apr_status_t rv;
    int made;

    block = ab_shared_keep(LAYOUT, "auth_bearer_meter", size, &made, pconf, s,
                           &rv);
    if (!block) {
        ab_log_server(APLOG_WARNING, rv, s,
                      AB(0906) "cannot allocate %" APR_SIZE_T_FMT " bytes of shared memory; "
                      "nothing is counted", size);
        return;
    }
    if (made) {
        take_over(keep);
    }
    apr_pool_userdata_set(block, LAST, NULL, keep);
}

/* Two servers with the same fingerprint have read the same directives of this module. */
static const char *fingerprint_of(server_rec *s, apr_pool_t *p)
{
    const apr_array_header_t *sections = ab_config_server(s)->global->sections;
    unsigned char all[2 * BEARER_SHA256_SIZE] = { 0 };
    int i;

    for (; s; s = s->next) {
        memcpy(all + BEARER_SHA256_SIZE, ab_config_server(s)->digest,
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

void ab_status_post_config(apr_pool_t *pconf, server_rec *s)
{
    create_block(pconf, s);
    fingerprint = fingerprint_of(s, pconf);
}

/* ---- counting -------------------------------------------------------------- */

static int slot_of(const bearer_issuer_t *issuer)
{
    return ab_status_slot(&own, issuer ? issuer->index : -1);
}

static void event(void *nothing, bearer_event_t what, int issuer,
                  apr_interval_time_t elapsed)
{
    (void)nothing;
    bearer_meter_event(own.meter, ab_status_slot(&own, issuer), what, elapsed);
}

void ab_status_child_init(process_t *process)
{
    int i;

    memset(&own, 0, sizeof(own));
    hits = misses = evictions = 0;
    if (!block) {
        return;
    }
    own.count = process->global->issuers->nelts;
    own.slots = apr_pcalloc(process->pool, sizeof(int) * (apr_size_t)own.count);
    own.meter = bearer_meter_attach(block, apr_time_now());
    for (i = 0; i < own.count; i++) {
        own.slots[i] = bearer_meter_slot(own.meter,
                                         ab_config_issuer_at(process->global, i)->name);
    }
    process->world.event = event;
}

void ab_status_granted(const bearer_issuer_t *issuer)
{
    bearer_meter_granted(own.meter, slot_of(issuer));
}

void ab_status_refused(const bearer_issuer_t *issuer, bearer_reason_t reason)
{
    bearer_meter_refused(own.meter, slot_of(issuer), reason, apr_time_now());
}

void ab_status_throttled(void)
{
    bearer_meter_throttled(own.meter);
}

/* If two threads report at once, they exchange the reported value: what one adds too
 * much, the other subtracts. So the sum is exact, modulo 2^64. */
static apr_uint64_t since_told(_Atomic apr_uint64_t *told, apr_uint64_t now)
{
    return now - atomic_exchange(told, now);
}

/* Reports what happened in this child's cache since its last report. */
static void tell_caches(const process_t *process)
{
    bearer_tokencache_stats_t now;
    bearer_meter_cache_t cache = { 0 };

    bearer_tokencache_stats(process->tokens, &now);
    cache.entries = now.entries;
    cache.used = now.used;
    cache.bytes = now.bytes;
    cache.hits = since_told(&hits, now.hits);
    cache.misses = since_told(&misses, now.misses);
    cache.evictions = since_told(&evictions, now.evictions);
    bearer_meter_child(own.meter, (apr_uint64_t)getpid(), &cache, apr_time_now());
}

void ab_status_child_ends(const process_t *process)
{
    tell_caches(process);
    bearer_meter_child_ended(own.meter, (apr_uint64_t)getpid());
}

void ab_status_tick(const process_t *process)
{
    static unsigned ticks;  /* only one watchdog thread uses it */

    ab_store_own_tick();
    if (own.meter && ticks++ % TELL_EVERY == 0) {
        tell_caches(process);
    }
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
    { "", "text/html; charset=utf-8", bearer_status_html },  /* any other query */
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

/* Is this SetHandler line in an .htaccess, or in a section of one? */
static int contains(ap_conf_vector_t *conf, const ap_expr_info_t *handler)
{
    const core_dir_config *core = ap_get_core_module_config(conf);

    return core && (core->expr_handler == handler
                    || some_contains(core->sec_file, handler)
                    || some_contains(core->sec_if, handler));
}

/* With AllowOverride FileInfo, the author of an .htaccess can choose any handler, but
 * this one shows data for the administrator. If an .htaccess was read, the line must be
 * in the server configuration. */
static int is_by_the_administrator(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const ap_expr_info_t *line = core ? core->expr_handler : NULL;
    const struct htaccess_result *file = r->htaccess;
    const char *error = NULL, *name;

    while (file && !file->htaccess) {
        file = file->next;  /* not in this file */
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

/* Reports this child's figures first: it may be the only child. */
static json_t *collect(apr_pool_t *p)
{
    if (ab_process()) {
        tell_caches(ab_process());
    }
    return ab_status_collect(&own, fingerprint, p);
}

int ab_status_handler(request_rec *r)
{
    json_t *status;
    int i = 0;

    if (!r->handler || strcmp(r->handler, "bearer-status") != 0) {
        return DECLINED;
    }
    if (!is_by_the_administrator(r)) {
        ab_log(APLOG_ERR, r, AB(0102) "the handler bearer-status is not accepted where an "
               ".htaccess file applies; write SetHandler bearer-status in the server's "
               "configuration, in a <Location>");
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

void ab_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, section, NULL, NULL, APR_HOOK_MIDDLE);
}
