/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Requests to issuers, with the server's HTTP client and the same limits. Every request
 * is announced.
 */
#include "ht.h"

#include <curl/curl.h>

#include "report/explain.h"

static void world_log(void *call, bearer_log_level_t level, const char *message)
{
    if (level <= BEARER_LOG_NOTICE) {
        ht_say(call, "%s", message);
    }
}

static apr_status_t end_curl(void *nothing)
{
    (void)nothing;
    curl_global_cleanup();
    return APR_SUCCESS;
}

int ht_world(const ht_call_t *call, bearer_world_t *world, int offline)
{
    void *baton = (void *)(apr_uintptr_t)call;
    const bearer_http_client_t *client = NULL;

    if (!offline) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
            return ht_fail(call, HT_USAGE, "libcurl cannot be used");
        }
        apr_pool_cleanup_register(call->p, NULL, end_curl, apr_pool_cleanup_null);
        client = bearer_http_curl_create("htbearer", NULL, call->p);
    }
    world->http = bearer_explain_http(client, ht_say_line, baton, call->p);
    world->log = world_log;
    world->log_baton = baton;
    return HT_OK;
}
