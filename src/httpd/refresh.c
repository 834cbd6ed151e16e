/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refresh.c
 * mod_watchdog, where it is loaded: two threads in each child that refresh key
 * sets ahead of time and look at watched files, so that no request does. A slow
 * issuer keeps the one, never the one that looks at files. Its absence means that
 * a request refreshes what it finds due.
 */
#include "glue.h"

#include <stdatomic.h>

#include <ap_mpm.h>
#include <apr_optional.h>
#include <mod_watchdog.h>

APLOG_USE_MODULE(auth_bearer);

#define INTERVAL apr_time_from_sec(1)

/** What one thread does every INTERVAL. */
typedef struct job_t {
    const char *name;
    void (*run)(process_t *process, apr_pool_t *ptemp);
} job_t;

/** How long a child that ends waits for jobs that were told to stop. */
#define PATIENCE apr_time_from_sec(2)

static int active;
static _Thread_local int in_background;
static atomic_int jobs_under_way;
static atomic_int is_ending;

int bearer_refresh_active(void)
{
    return active;
}

static int is_stopping(void)
{
    int state = AP_MPMQ_RUNNING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
        && state == AP_MPMQ_STOPPING;
}

/* A child that stops waits for these threads; its requests are served to the
 * end. */
int bearer_refresh_must_stop(void *nothing)
{
    (void)nothing;
    return in_background && (atomic_load(&is_ending) || is_stopping());
}

/* mod_watchdog's threads belong to a pool that outlives the child's, and are not
 * joined before all that they work on is gone. */
void bearer_refresh_end(void)
{
    apr_time_t until = apr_time_now() + PATIENCE;

    atomic_store(&is_ending, 1);
    while (atomic_load(&jobs_under_way) && apr_time_now() < until) {
        apr_sleep(apr_time_from_msec(2));
    }
}

/* ---- the jobs ----------------------------------------------------------- */

static int is_local(const process_t *process, int index)
{
    bearer_source_kind_t kind = APR_ARRAY_IDX(process->global->issuers, index,
                                              const bearer_issuer_t *)->keys.kind;

    return kind == BEARER_SOURCE_FILE || kind == BEARER_SOURCE_SPIFFE_FILE;
}

static void look_at_files(process_t *process, apr_pool_t *ptemp)
{
    int i;

    bearer_revocation_refresh(process->revocations);
    bearer_status_tick(process);
    for (i = 0; i < process->keyset_count; i++) {
        if (is_local(process, i)) {
            bearer_keyset_maintain(process->keysets[i], ptemp);
            apr_pool_clear(ptemp);
        }
    }
}

static void ask_issuers(process_t *process, apr_pool_t *ptemp)
{
    int i;

    for (i = 0; i < process->keyset_count && !bearer_refresh_must_stop(NULL); i++) {
        if (!is_local(process, i)) {
            bearer_keyset_maintain(process->keysets[i], ptemp);
        }
        if (process->clients[i]) {
            bearer_client_maintain(process->clients[i], ptemp);
        }
        apr_pool_clear(ptemp);
    }
}

static job_t jobs[] = {
    { "_auth_bearer_files_", look_at_files },
    { "_auth_bearer_issuers_", ask_issuers }
};
#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

/* Must answer APR_SUCCESS always: anything else disables it. */
static apr_status_t tick(int state, void *job, apr_pool_t *p)
{
    process_t *process;
    apr_pool_t *ptemp;

    if (state != AP_WATCHDOG_STATE_RUNNING) {
        return APR_SUCCESS;
    }
    atomic_fetch_add(&jobs_under_way, 1);
    process = bearer_process();
    if (process && apr_pool_create(&ptemp, p) == APR_SUCCESS) {
        in_background = 1;
        ((const job_t *)job)->run(process, ptemp);
        apr_pool_destroy(ptemp);
    }
    atomic_fetch_sub(&jobs_under_way, 1);
    return APR_SUCCESS;
}

/* ---- start -------------------------------------------------------------- */

void bearer_refresh_post_config(apr_pool_t *pconf, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get_instance =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *register_callback =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;
    size_t i;

    active = 0;
    if (!get_instance || !register_callback) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "mod_watchdog "
                     "is not loaded, so key sets are refreshed by requests "
                     "(a2enmod watchdog)");
        return;
    }
    for (i = 0; i < JOBS; i++) {
        if (get_instance(&watchdog, jobs[i].name, 0, 0, pconf) != APR_SUCCESS
            || register_callback(watchdog, INTERVAL, &jobs[i], tick)
               != APR_SUCCESS) {
            return;
        }
    }
    active = 1;
}
