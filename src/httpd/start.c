/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file start.c
 * The order of initialization, from reading the configuration to the end of a child,
 * before and after fork.
 */
#include "start.h"
#include "asking.h"
#include "authz.h"
#include "browser.h"
#include "browser_revoke.h"
#include "check.h"
#include "foreign_user.h"
#include "handover.h"
#include "process.h"
#include "proof.h"
#include "refresh.h"
#include "resource.h"
#include "shared.h"
#include "status.h"
#include "store.h"
#include "store_proofs.h"
#include "store_redis.h"
#include "trace.h"
#include "waiting.h"

#include <curl/curl.h>
#include <http_core.h>
#include <http_request.h>

#include "base/secret.h"
#include "base/sha256.h"
#include "judge/judge.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- before the configuration is read -------------------------------------- */

int ab_start_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    ab_authz_pre_config(pconf);
    return ab_store_pre_config(pconf);
}

/* ---- after the configuration has been read ----------------------------------- */

#define TENANTS_HANDED_OVER 32

static int is_used(server_rec *s)
{
    return ab_config_is_used(ab_config_server(s)->global);
}

/* Prepares the data that judging shares among the issuers of a virtual host. */
static void prepare_judging(apr_pool_t *pconf, server_rec *s)
{
    for (; s; s = s->next) {
        server_config_t *server = ab_config_server(s);

        if (server->issuers) {
            server->common = bearer_judge_prepare(server->issuers,
                                                  server->global->defaults,
                                                  &server->settings, pconf);
        }
    }
}

/* Secrets are read here and not in each child, because the user of the children may not
 * be able to read them. */
static int start_secrets(apr_pool_t *pconf, server_rec *s)
{
    const apr_array_header_t *secrets = ab_config_server(s)->global->secrets;
    const char *error;
    int i;

    for (i = 0; i < secrets->nelts; i++) {
        if (bearer_secret_start(APR_ARRAY_IDX(secrets, i,
                                              configured_secret_t).secret,
                                &error, pconf) != APR_SUCCESS) {
            ab_log_server(APLOG_EMERG, 0, s, AB(0902) "%s", error);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* Counts the key sets to fetch, including a limited number for the tenants of an
 * issuer. */
static unsigned count_sets(server_rec *s)
{
    const global_config_t *global = ab_config_server(s)->global;
    int i, k, sets = 0;

    for (i = 0; i < global->issuers->nelts; i++) {
        const bearer_issuer_t *issuer = ab_config_issuer_at(global, i);

        for (k = 0; k < bearer_issuer_key_sources(issuer); k++) {
            const char *keys = issuer->keys[k].value;

            sets += keys && strstr(keys, "{tenant}") ? TENANTS_HANDED_OVER : 1;
        }
    }
    return (unsigned)sets;
}

static apr_status_t end_curl(void *nothing)
{
    (void)nothing;
    curl_global_cleanup();
    return APR_SUCCESS;
}

/* Runs twice at start: the first pass only proves that the configuration is usable. */
int ab_start_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                         server_rec *s)
{
    int status;

    (void)plog;
    ab_process_set(NULL);
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || !is_used(s)) {
        return OK;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ab_log_server(APLOG_EMERG, 0, s, AB(0901) "libcurl cannot be initialized");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, NULL, end_curl, apr_pool_cleanup_null);
    prepare_judging(pconf, s);
    ab_resource_post_config(pconf, s);
    ab_status_post_config(pconf, s);
    ab_waiting_post_config(s, ptemp);
    ab_shared_create(pconf, s);  /* without it, each child counts for itself */
    ab_handover_create(count_sets(s), ptemp, s);
    if ((status = start_secrets(pconf, s)) == OK
        && (status = ab_store_post_config(pconf, ptemp, s)) == OK
        && (status = ab_store_proofs_post_config(pconf, s)) == OK
        && (status = ab_browser_post_config(pconf, s)) == OK
        && (status = ab_proof_post_config(pconf, s)) == OK) {
        ab_refresh_post_config(pconf, s);
    }
    return status;
}

/* ---- in a child -------------------------------------------------------------- */

/* Both use syslog's levels in the same order. */
_Static_assert(APLOG_ERR + (int)BEARER_LOG_DEBUG == APLOG_DEBUG, "levels of the log");

static void world_log(void *server, bearer_log_level_t level, const char *message)
{
    ab_log_server(APLOG_ERR + (int)level, 0, (server_rec *)server,
                  "%s%s", message, ab_trace_suffix_here());
}

/* Loads the keys that the host already has, so that the first request does not wait for
 * them. */
static void prime_keysets(process_t *process)
{
    apr_pool_t *ptemp;
    int i;

    if (apr_pool_create_unmanaged(&ptemp) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < process->global->issuers->nelts; i++) {
        bearer_keypool_prime(process->keys[i], ptemp);
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
}

static void make_throttle(process_t *process)
{
    void *block = ab_shared_throttle();
    apr_status_t rv = block
        ? bearer_throttle_attach(&process->throttle, block,
                                 bearer_throttle_size(BEARER_THROTTLE_ENTRIES),
                                 BEARER_THROTTLE_ENTRIES, &process->world, process->pool)
        : APR_ENOMEM;

    if (rv != APR_SUCCESS) {
        process->throttle = NULL;
        ab_log_server(APLOG_WARNING, rv, process->server,
                      AB(0912) "the throttle's memory cannot be used, so no client is throttled; "
                      "stop and start the server");
    }
}

/* Runs before anything that belongs to the child is released. */
static apr_status_t forget(void *process)
{
    ab_process_set(NULL);
    ab_refresh_end(((process_t *)process)->crew);
    ab_status_child_ends(process);
    return APR_SUCCESS;
}

/* Creates what a child needs to verify tokens, on top of its HTTP client. */
static apr_status_t make_parts(process_t *process, apr_pool_t *p)
{
    apr_status_t rv;

    ab_store_redis_child_init(process);
    if ((rv = ab_process_create_parts(process)) == APR_SUCCESS
        && (rv = bearer_sha256_create(&process->sha256, p)) == APR_SUCCESS
        && (rv = ab_asking_create(process)) == APR_SUCCESS
        && (rv = ab_browser_revoke_create(process)) == APR_SUCCESS
        && (rv = ab_refresh_crew(&process->crew, p)) == APR_SUCCESS
        && (rv = bearer_tokencache_create(&process->tokens,
                                          process->global->token_cache_entries, p))
           == APR_SUCCESS && process->global->revocations) {
        rv = bearer_revocation_create(&process->revocations, process->global->revocations,
                                      &process->world, p);
    }
    return rv;
}

void ab_start_child_init(apr_pool_t *p, server_rec *s)
{
    process_t *process;
    apr_status_t rv;

    if (!is_used(s)) {
        return;
    }
    ab_store_child_init(p, s);
    process = apr_pcalloc(p, sizeof(*process));
    process->pool = p;
    process->server = s;
    process->global = ab_config_server(s)->global;
    process->world.log = world_log;
    process->world.log_baton = s;
    process->world.is_told = !ab_shared_first(SHARED_WARN_CHILD);
    process->world.keys_cache = ab_store_cache(STORE_KEYS);
    process->world.keys_home = ab_store_home();
    process->world.http = ab_trace_http(
        bearer_http_curl_create("mod_auth_bearer", ab_refresh_must_stop, p), p);
    ab_status_child_init(process);
    rv = ab_waiting_create(process);
    if (rv == APR_SUCCESS) {
        rv = make_parts(process, p);
    }
    if (rv != APR_SUCCESS) {
        ab_log_server(APLOG_CRIT, rv, s,
                      AB(0913) "a child could not be set up; every request with a token or session "
                      "gets 500");
        return;
    }
    prime_keysets(process);
    make_throttle(process);
    process->headers = bearer_headers_create(p);
    apr_pool_pre_cleanup_register(p, process, forget);
    ab_process_set(process);
}

/* ---- before authentication --------------------------------------------------- */

static int check_access(request_rec *r)
{
    if (r->user || r->ap_auth_type) {
        ab_foreign_user_put_right(r);
    }
    return ab_check_foreign_watch ? ab_check_foreign_access(r) : DECLINED;
}

void ab_start_register(void)
{
    static const char *const ssl[] = { "mod_ssl.c", NULL };
    static const char *const authorization[] = { "mod_authz_core.c", NULL };

    ap_hook_check_access(check_access, ssl, NULL, APR_HOOK_REALLY_LAST,
                         AP_AUTH_INTERNAL_PER_CONF);
    /* under `Satisfy any`, a hook that refuses keeps the later ones from running, but
     * the round before authentication still follows */
    ap_hook_check_access_ex(check_access, NULL, authorization, APR_HOOK_REALLY_FIRST,
                            AP_AUTH_INTERNAL_PER_CONF);
}
