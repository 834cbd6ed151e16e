/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file waiting.c
 * The gate of a child (gate.h): how many of its workers, and of all workers of the
 * host, may wait for external servers, and which servers these are.
 *
 * HTTP/2 streams run on mod_http2's own threads: as many as a child has workers, and
 * half as many again if needed, unless H2MinWorkers and H2MaxWorkers are set. While a
 * stream runs, its connection also holds one of the MPM's workers. So both kinds of
 * threads count against one limit: half of the smaller number.
 */
#include "waiting.h"
#include "records.h"
#include "refresh.h"
#include "shared.h"

#include <ap_mpm.h>

#include "base/http.h"
#include "trust/settings.h"

/** Maximum number of mod_http2's threads; 0: not configured, and so more than workers.
 *  Set before fork. */
static int h2_workers;

/* ---- the servers that are waited for ------------------------------------ */

static bearer_session_check_t *check_at(const global_config_t *global, int i)
{
    return (bearer_session_check_t *)(apr_uintptr_t)APR_ARRAY_IDX(
        global->session_checks, i, configured_check_t).check;
}

/* Identical declarations in several virtual hosts are one party. */
static int number_issuers(const global_config_t *global)
{
    int i, k, n = 0;

    for (i = 0; i < global->issuers->nelts; i++) {
        bearer_issuer_t *issuer = ab_config_issuer_at(global, i);

        for (k = 0; strcmp(ab_config_issuer_at(global, k)->url, issuer->url); k++) {
        }
        issuer->party = BEARER_PARTY_ISSUER(k);
        n += k == i;
    }
    return n;
}

/* Checks that use the same server are one party. */
static int number_services(const global_config_t *global, apr_pool_t *ptemp)
{
    int i, k, n = 0;

    for (i = 0; i < global->session_checks->nelts; i++) {
        for (k = 0; k < i && !bearer_http_same_origin(check_at(global, k)->url,
                                                      check_at(global, i)->url,
                                                      ptemp); k++) {
        }
        check_at(global, i)->party = BEARER_PARTY_SERVICE(k);
        n += k == i;
    }
    return n;
}

static const char *name_of(void *global_, int party)
{
    const global_config_t *global = global_;
    int i = (party - BEARER_PARTY_ISSUER(0)) / 2;

    if (party == BEARER_PARTY_CACHE) {
        return "AuthBearerSOCache";
    }
    if (party < BEARER_PARTY_ISSUER(0)) {
        return NULL;
    }
    return party % 2 == 0
        ? i < global->issuers->nelts ? ab_config_issuer_at(global, i)->url : NULL
        : i < global->session_checks->nelts ? check_at(global, i)->url : NULL;
}

/* ---- the number of workers ---------------------------------------------- */

static int most(int what)
{
    int n = 1;

    ap_mpm_query(what, &n);
    return n > 1 ? n : 1;
}

int ab_waiting_threads(void)
{
    return most(AP_MPMQ_MAX_THREADS);
}

static int half_of(int workers)
{
    return workers > 3 ? workers / 2 : 1;
}

/* Returns the number configured with a directive of mod_http2; 0: none. The directive
 * is in the main server, perhaps inside <IfModule>. mod_http2 has no function that
 * returns it. */
static int number_of(const ap_directive_t *node, const char *name)
{
    int found = 0;

    for (; node; node = node->next) {
        int n = node->first_child ? number_of(node->first_child, name)
              : !ap_cstr_casecmp(node->directive, name) ? atoi(node->args) : 0;

        found = n > 0 ? n : found;
    }
    return found;
}

static int find_h2_workers(void)
{
    int most = number_of(ap_conftree, "H2MaxWorkers");

    return most ? most : number_of(ap_conftree, "H2MinWorkers") * 3 / 2;
}

/* ---- the gate ----------------------------------------------------------- */

void ab_waiting_post_config(server_rec *s, apr_pool_t *ptemp)
{
    global_config_t *global = ab_config_server(s)->global;

    h2_workers = find_h2_workers();
    global->parties = number_issuers(global) + number_services(global, ptemp);
}

static int any_cache_outside(const global_config_t *global)
{
    int i, any = 0;

    for (i = 0; i < STORE_KINDS; i++) {
        any |= global->stores[i].provider
            && ab_config_is_foreign(&global->stores[i]);
    }
    return any;
}

apr_status_t ab_waiting_create(process_t *process)
{
    bearer_gate_config_t config = { 0 };
    int threads = ab_waiting_threads();
    apr_status_t rv;

    process->waiting = half_of(most(AP_MPMQ_MAX_DAEMONS) * threads);
    config.world = &process->world;
    config.host = ab_shared_gate();
    config.host_limit = process->waiting;
    config.own_limit = half_of(h2_workers && h2_workers < threads ? h2_workers : threads);
    config.parties = process->global->parties;
    config.cache = any_cache_outside(process->global);
    config.exempt = ab_refresh_in_background;
    config.name = name_of;
    config.name_baton = process->global;
    rv = bearer_gate_create(&process->world.gate, &config, process->pool);
    if (rv == APR_SUCCESS) {
        process->world.http = bearer_gate_http(process->world.gate,
                                               process->world.http, process->pool);
    }
    return rv;
}
