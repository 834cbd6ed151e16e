/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refresh.c
 * Two threads in each child refresh key sets and check watched files, so that requests
 * do not have to. They are mod_watchdog's threads or, if it is not loaded, the module's
 * own. One thread checks files. The other hands requests to issuers to a crew (crew.h)
 * and never waits for them.
 */
#include "refresh.h"
#include "process.h"
#include "status.h"
#include "trace.h"

#include <stdatomic.h>

#include <ap_mpm.h>
#include <apr_optional.h>
#include <apr_thread_cond.h>
#include <apr_thread_proc.h>
#include <http_log.h>
#include <mod_watchdog.h>
#include <openssl/crypto.h>

#include "base/message.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

#define INTERVAL apr_time_from_sec(1)

/** What one thread does at every INTERVAL. */
typedef struct job_t {
    const char *name;
    void (*run)(process_t *process, apr_pool_t *ptemp);
} job_t;

/** Maximum time that an ending child waits for jobs that were told to stop. */
#define PATIENCE apr_time_from_sec(2)

static int watchdog;  /* 1: mod_watchdog runs the jobs */
static _Thread_local int in_background;
static atomic_int jobs_under_way;
static atomic_int is_ending;  /* 1: the child is ending */

/** The module's own threads, in a child without mod_watchdog. */
static struct {
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *wake;
    apr_thread_t *threads[2];
} own;

int ab_refresh_in_background(void)
{
    return in_background;
}

static int is_stopping(void)
{
    int state = AP_MPMQ_RUNNING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
        && state == AP_MPMQ_STOPPING;
}

/* A stopping child waits for these threads; running requests are completed. */
int ab_refresh_must_stop(void)
{
    return in_background && (atomic_load(&is_ending) || is_stopping());
}

static void begin_thread(void)
{
    in_background = 1;
}

apr_status_t ab_refresh_crew(bearer_crew_t **crew, apr_pool_t *p)
{
    return bearer_crew_create(crew, begin_thread, p);
}

/* mod_watchdog's threads belong to a pool that outlives the child's. They are not
 * joined before the data that they use is released. */
void ab_refresh_end(bearer_crew_t *crew)
{
    apr_time_t until = apr_time_now() + PATIENCE;

    atomic_store(&is_ending, 1);
    bearer_crew_end(crew, until);
    while (atomic_load(&jobs_under_way) && apr_time_now() < until) {
        apr_sleep(apr_time_from_msec(2));
    }
}

/* ---- the jobs ----------------------------------------------------------- */

static void look_at_files(process_t *process, apr_pool_t *ptemp)
{
    int i;

    bearer_revocation_refresh(process->revocations);
    ab_status_tick(process);
    for (i = 0; i < process->global->issuers->nelts; i++) {
        bearer_keypool_look_at_files(process->keys[i], ptemp);
        if (process->tenants[i]) {
            bearer_tenants_refresh(process->tenants[i], ptemp);
        }
        apr_pool_clear(ptemp);
    }
}

/* This errand cannot be limited, so it is always sent as a slow one (crew.h). */
static void renew_token(void *client, int limited, apr_pool_t *ptemp)
{
    (void)limited;
    bearer_client_maintain(client, ptemp);
}

static void ask_issuers(process_t *process, apr_pool_t *ptemp)
{
    apr_array_header_t *errands = apr_array_make(ptemp, 8,
                                                 sizeof(bearer_errand_t));
    int i;

    if (ab_refresh_must_stop()) {
        return;
    }
    for (i = 0; i < process->global->issuers->nelts; i++) {
        bearer_client_t *client = process->clients[i];

        bearer_keypool_errands(process->keys[i], errands, ptemp);
        if (client && bearer_client_is_due(client)) {
            APR_ARRAY_PUSH(errands, bearer_errand_t)
                = (bearer_errand_t){ renew_token, client, 1, 0 };
        }
    }
    process->more_errands(process, errands);
    bearer_crew_send(process->crew, (const bearer_errand_t *)errands->elts,
                     errands->nelts);
}

static job_t jobs[] = {
    { "_auth_bearer_files_", look_at_files },
    { "_auth_bearer_issuers_", ask_issuers }
};
#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

/* Must always return APR_SUCCESS: any other value disables the callback. */
static apr_status_t tick(int state, void *job, apr_pool_t *p)
{
    process_t *process;
    apr_pool_t *ptemp;

    if (state == AP_WATCHDOG_STATE_STOPPING) {
        OPENSSL_thread_stop();  /* frees its random generator */
    }
    if (state != AP_WATCHDOG_STATE_RUNNING) {
        return APR_SUCCESS;
    }
    atomic_fetch_add(&jobs_under_way, 1);
    process = ab_process();
    if (process && apr_pool_create(&ptemp, p) == APR_SUCCESS) {
        in_background = 1;
        ((const job_t *)job)->run(process, ptemp);
        apr_pool_destroy(ptemp);
    }
    atomic_fetch_sub(&jobs_under_way, 1);
    return APR_SUCCESS;
}

/* ---- the module's own threads ------------------------------------------ */

/* Returns 1 if the thread must end. */
static int sleep_a_while(void)
{
    apr_thread_mutex_lock(own.mutex);
    if (!atomic_load(&is_ending)) {
        apr_thread_cond_timedwait(own.wake, own.mutex, INTERVAL);
    }
    apr_thread_mutex_unlock(own.mutex);
    return atomic_load(&is_ending);
}

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *job)
{
    apr_pool_t *ptemp;

    (void)thread;
    apr_setup_signal_thread();  /* signals are handled by the MPM's threads */
    in_background = 1;
    /* must not share an allocator with the request threads */
    if (apr_pool_create_unmanaged(&ptemp) == APR_SUCCESS) {
        do {
            process_t *process = ab_process();

            if (process) {
                ((const job_t *)job)->run(process, ptemp);
            }
            apr_pool_clear(ptemp);
        } while (!sleep_a_while());
        apr_pool_destroy(ptemp);
    }
    OPENSSL_thread_stop();
    return NULL;
}

/* Runs before anything that the threads use is released. */
static apr_status_t stop_threads(void *nothing)
{
    apr_status_t rv;
    size_t i;

    (void)nothing;
    apr_thread_mutex_lock(own.mutex);
    atomic_store(&is_ending, 1);
    apr_thread_cond_broadcast(own.wake);
    apr_thread_mutex_unlock(own.mutex);
    for (i = 0; i < JOBS; i++) {
        if (own.threads[i]) {
            apr_thread_join(&rv, own.threads[i]);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t start_threads(apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(&own.mutex, APR_THREAD_MUTEX_DEFAULT, p);
    size_t i;

    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&own.wake, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_pre_cleanup_register(p, NULL, stop_threads);
    for (i = 0; i < JOBS && rv == APR_SUCCESS; i++) {
        rv = apr_thread_create(&own.threads[i], NULL, work, &jobs[i], p);
    }
    return rv;
}

/* If no thread can be created for lack of memory, requests refresh key sets that are
 * due. */
void ab_refresh_child_init(apr_pool_t *p, server_rec *s)
{
    process_t *process = ab_process();
    apr_status_t rv;
    int i;

    if (!process) {
        return;
    }
    rv = watchdog ? APR_SUCCESS : start_threads(p);
    if (rv != APR_SUCCESS) {
        ab_log_server(APLOG_WARNING, rv, s,
                      AB(0911) "there is no thread to refresh key sets; requests refresh them and "
                      "wait");
        return;
    }
    for (i = 0; i < process->global->issuers->nelts; i++) {
        bearer_keypool_set_maintained(process->keys[i], 1);
    }
}

/* ---- start -------------------------------------------------------------- */

void ab_refresh_post_config(apr_pool_t *pconf, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get_instance =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *register_callback =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *instance;
    size_t i;

    watchdog = 0;
    if (!get_instance || !register_callback) {
        ab_log_server(APLOG_INFO, 0, s,
                      AB(0907) "mod_watchdog is not loaded; each child refreshes key sets with its "
                      "own threads");
        return;
    }
    for (i = 0; i < JOBS; i++) {
        if (get_instance(&instance, jobs[i].name, 0, 0, pconf) != APR_SUCCESS
            || register_callback(instance, INTERVAL, &jobs[i], tick)
               != APR_SUCCESS) {
            return;
        }
    }
    watchdog = 1;
}
