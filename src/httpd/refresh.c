/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refresh.c
 * mod_watchdog, where it is loaded: a thread in each child that refreshes key
 * sets ahead of time and looks at watched files, so that no request does. Its
 * absence means that a request refreshes what it finds due.
 */
#include "glue.h"

#include <ap_mpm.h>
#include <apr_optional.h>
#include <mod_watchdog.h>

APLOG_USE_MODULE(auth_bearer);

#define INTERVAL apr_time_from_sec(1)

static int active;

int bearer_refresh_active(void)
{
    return active;
}

/* Must answer APR_SUCCESS always: anything else disables it. */
static apr_status_t tick(int state, void *data, apr_pool_t *p)
{
    process_t *process = bearer_process();
    apr_pool_t *ptemp;
    int i, mpm_state = AP_MPMQ_RUNNING;

    (void)data;
    if (state != AP_WATCHDOG_STATE_RUNNING || !process
        || apr_pool_create(&ptemp, p) != APR_SUCCESS) {
        return APR_SUCCESS;
    }
    bearer_revocation_refresh(process->revocations);
    for (i = 0; i < process->keyset_count; i++) {
        if (ap_mpm_query(AP_MPMQ_MPM_STATE, &mpm_state) == APR_SUCCESS
            && mpm_state == AP_MPMQ_STOPPING) {
            break;  /* the child is joined to this thread: do not keep it */
        }
        bearer_keyset_maintain(process->keysets[i], ptemp);
        if (process->clients[i]) {
            bearer_client_maintain(process->clients[i], ptemp);
        }
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
    return APR_SUCCESS;
}

void bearer_refresh_post_config(apr_pool_t *pconf, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get_instance =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *register_callback =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    active = 0;
    if (!get_instance || !register_callback) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "mod_watchdog "
                     "is not loaded, so key sets are refreshed by requests "
                     "(a2enmod watchdog)");
        return;
    }
    if (get_instance(&watchdog, "_auth_bearer_", 0, 0, pconf) == APR_SUCCESS
        && register_callback(watchdog, INTERVAL, NULL, tick) == APR_SUCCESS) {
        active = 1;
    }
}
