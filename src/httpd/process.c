/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file process.c
 * The state of one child: the world that the library sees, a key set per
 * issuer, the verified tokens, the throttle, the revocations. Made after fork,
 * released with the child's pool.
 */
#include "store_redis.h"

#include <stdatomic.h>

#include <ap_mpm.h>
#include <curl/curl.h>


APLOG_USE_MODULE(auth_bearer);

#define TENANTS_HANDED_OVER 32

/* Set once; mod_watchdog's threads may run before. */
static _Atomic(process_t *) the_process;

process_t *ab_process(void)
{
    return atomic_load(&the_process);
}

#define LEVEL_ERROR   APLOG_ERR
#define LEVEL_WARNING APLOG_WARNING
#define LEVEL_NOTICE  APLOG_NOTICE
#define LEVEL_INFO    APLOG_INFO
#define LEVEL_DEBUG   APLOG_DEBUG

static void world_log(void *server, bearer_log_level_t level, const char *message)
{
    static const int levels[] = {
#define X(symbol) LEVEL_##symbol,
        BEARER_LOG_LEVELS(X)
#undef X
    };

    ap_log_error(APLOG_MARK, levels[level], 0, (server_rec *)server,
                 "%s%s", message, ab_trace_suffix_here());
}

static int is_used(server_rec *s)
{
    return ab_config_is_used(ab_config_server(s)->global);
}

/* What judging needs of each vhost's issuers together. */
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

/* Here and not in each child: the children's user need not be able to read
 * them. */
static int start_secrets(apr_pool_t *pconf, server_rec *s)
{
    const apr_array_header_t *secrets = ab_config_server(s)->global->secrets;
    const char *error;
    int i;

    for (i = 0; i < secrets->nelts; i++) {
        if (bearer_secret_start(APR_ARRAY_IDX(secrets, i,
                                              configured_secret_t).secret,
                                &error, pconf) != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, AB(0902) "%s", error);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* Key sets that are fetched; of one issuer's tenants as many as are worth it. */
static unsigned count_sets(server_rec *s)
{
    const apr_array_header_t *issuers = ab_config_server(s)->global->issuers;
    int i, sets = 0;

    for (i = 0; i < issuers->nelts; i++) {
        const char *keys = APR_ARRAY_IDX(issuers, i, const bearer_issuer_t *)
                               ->keys.value;

        sets += keys && strstr(keys, "{tenant}") ? TENANTS_HANDED_OVER : 1;
    }
    return (unsigned)sets;
}

static apr_status_t end_curl(void *nothing)
{
    (void)nothing;
    curl_global_cleanup();
    return APR_SUCCESS;
}

/* Runs twice at start: the first pass only proves that the configuration can
 * be used. */
int ab_process_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s)
{
    int status;

    (void)plog;
    atomic_store(&the_process, NULL);
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || !is_used(s)) {
        return OK;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, AB(0901) "libcurl cannot be used");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, NULL, end_curl, apr_pool_cleanup_null);
    prepare_judging(pconf, s);
    ab_resource_post_config(pconf, s);
    ab_status_post_config(pconf, s);
    ab_waiting_post_config(s, ptemp);
    ab_shared_create(pconf, s);  /* without it nothing is throttled */
    ab_handover_create(count_sets(s), ptemp, s);
    status = start_secrets(pconf, s);
    if (status == OK) {
        status = ab_store_post_config(pconf, ptemp, s);
    }
    if (status == OK) {
        status = ab_browser_post_config(pconf, s);
    }
    if (status == OK) {
        ab_refresh_post_config(pconf, s);
    }
    return status;
}

static void resolve_for(bearer_settings_t *out, const process_t *process,
                        const bearer_issuer_t *issuer, const server_rec *s)
{
    bearer_settings_resolve(out, process->global->defaults,
                            &ab_config_server(s)->settings, &issuer->settings,
                            NULL);
}

/* An issuer as a vhost sees it: S of that vhost, and I. */
static const bearer_issuer_access_t *access_of(process_t *process,
                                               const bearer_issuer_t *issuer,
                                               const server_rec *s)
{
    bearer_issuer_access_t *access = apr_pcalloc(process->pool, sizeof(*access));
    bearer_settings_t *settings = apr_palloc(process->pool, sizeof(*settings));

    resolve_for(settings, process, issuer, s);
    access->issuer = issuer;
    access->settings = settings;
    access->plain_http = process->global->plain_http;
    access->world = &process->world;
    return access;
}

static const server_rec *declared_by(const process_t *process, int index)
{
    return APR_ARRAY_IDX(process->global->issuer_servers, index,
                         const server_rec *);
}

const bearer_issuer_access_t *ab_process_access(process_t *process, int index)
{
    return access_of(process, APR_ARRAY_IDX(process->global->issuers, index,
                                            const bearer_issuer_t *),
                     declared_by(process, index));
}

static apr_status_t make_keysets(process_t *process)
{
    apr_status_t rv = APR_SUCCESS;
    int i, n = process->global->issuers->nelts;

    process->keysets = apr_pcalloc(process->pool,
                                   sizeof(*process->keysets) * (apr_size_t)n);
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = bearer_keyset_create(&process->keysets[i], ab_process_access(process, i),
                                  process->pool);
        if (rv == APR_SUCCESS) {
            bearer_keyset_set_maintained(process->keysets[i],
                                         ab_refresh_active());
        }
    }
    process->keyset_count = rv == APR_SUCCESS ? n : 0;
    return rv;
}

/* Not even the first request of a child waits for what the host knows. */
static void prime_keysets(process_t *process)
{
    apr_pool_t *ptemp;
    int i;

    if (apr_pool_create_unmanaged(&ptemp) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < process->keyset_count; i++) {
        bearer_keyset_prime(process->keysets[i], ptemp);
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
}

static const char *token_endpoint(void *keyset, const char **error, apr_pool_t *p)
{
    const bearer_metadata_t *metadata = bearer_keyset_metadata(keyset, error, p);

    if (metadata && !metadata->token_endpoint) {
        *error = "the issuer's metadata names no token_endpoint";
    }
    return metadata ? metadata->token_endpoint : NULL;
}

static apr_status_t make_client(bearer_client_t **client, process_t *process,
                                const bearer_issuer_access_t *access)
{
    bearer_client_config_t config = {
        access, NULL, token_endpoint, process->keysets[access->issuer->index]
    };

    config.key = ab_config_key(process->global, access->settings->client_key);
    return bearer_client_create(client, &config, process->pool);
}

/* Of one configuration: what was written once is in one place. */
static int is_same_client(const bearer_settings_t *a, const bearer_settings_t *b)
{
    return a->client_id == b->client_id && a->client_secret == b->client_secret
        && a->client_auth == b->client_auth && a->client_key == b->client_key
        && a->client_cert == b->client_cert && a->ca_file == b->ca_file
        && a->http_proxy == b->http_proxy
        && a->timeout.connect == b->timeout.connect
        && a->timeout.total == b->timeout.total;
}

/* A vhost that logs browsers in at an issuer which another one declared is there
 * what its own directives say. */
static apr_status_t make_vhost_clients(process_t *process, server_rec *s)
{
    const server_config_t *server = ab_config_server(s);
    int i, n = server->browser ? bearer_issuers_count(server->issuers) : 0;
    apr_status_t rv = APR_SUCCESS;
    bearer_settings_t here, there;

    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(server->issuers, i);

        resolve_for(&here, process, issuer, s);
        resolve_for(&there, process, issuer, declared_by(process, issuer->index));
        if (here.client_id && !is_same_client(&here, &there)) {
            vhost_client_t *own = apr_array_push(process->vhost_clients);

            own->server = server;
            own->issuer = issuer->index;
            rv = make_client(&own->client, process, access_of(process, issuer, s));
        }
    }
    return rv;
}

static apr_status_t make_clients(process_t *process)
{
    server_rec *s = process->server;
    apr_status_t rv = APR_SUCCESS;
    int i, n = process->global->issuers->nelts;

    process->clients = apr_pcalloc(process->pool,
                                   sizeof(*process->clients) * (apr_size_t)n);
    process->vhost_clients = apr_array_make(process->pool, 1,
                                            sizeof(vhost_client_t));
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = make_client(&process->clients[i], process,
                         ab_process_access(process, i));
    }
    for (; s && rv == APR_SUCCESS; s = s->next) {
        rv = make_vhost_clients(process, s);
    }
    return rv;
}

bearer_client_t *ab_process_client(const process_t *process,
                                   const server_config_t *server, int issuer)
{
    int i;

    for (i = 0; i < process->vhost_clients->nelts; i++) {
        const vhost_client_t *own = &APR_ARRAY_IDX(process->vhost_clients, i,
                                                   vhost_client_t);

        if (own->server == server && own->issuer == issuer) {
            return own->client;
        }
    }
    return process->clients[issuer];
}

static apr_status_t make_tenants(process_t *process)
{
    apr_status_t rv = APR_SUCCESS;
    int i, n = process->global->issuers->nelts;

    process->tenants = apr_pcalloc(process->pool,
                                   sizeof(*process->tenants) * (apr_size_t)n);
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        const char *path = APR_ARRAY_IDX(process->global->issuers, i,
                                         const bearer_issuer_t *)->tenants_file;

        if (path) {
            rv = bearer_tenants_create(&process->tenants[i], path,
                                       &process->world, process->pool);
        }
    }
    return rv;
}

static void make_throttle(process_t *process)
{
    apr_size_t size;
    void *block = ab_shared_throttle(&size);

    apr_status_t rv = block
        ? bearer_throttle_attach(&process->throttle, block, size,
                                 BEARER_THROTTLE_ENTRIES, &process->world,
                                 process->pool)
        : APR_ENOMEM;

    if (rv != APR_SUCCESS) {
        process->throttle = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, process->server, AB(0912) "no client "
                     "is throttled: the throttle's memory cannot be used; stop "
                     "and start the server");
    }
}

/* Before anything that belongs to the child goes. */
static apr_status_t forget(void *process)
{
    atomic_store(&the_process, NULL);
    ab_refresh_end(((process_t *)process)->crew);
    ab_status_child_ends(process);
    return APR_SUCCESS;
}

/* What a child verifies tokens with, over its client for HTTP. */
static apr_status_t make_parts(process_t *process, apr_pool_t *p)
{
    apr_status_t rv;

    ab_store_redis_child_init(process);
    rv = make_keysets(process);
    if (rv == APR_SUCCESS) {
        rv = make_clients(process);
    }
    if (rv == APR_SUCCESS) {
        rv = make_tenants(process);
    }
    if (rv == APR_SUCCESS) {
        rv = bearer_sha256_create(&process->sha256, process->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = ab_asking_create(process);
    }
    if (rv == APR_SUCCESS) {
        rv = ab_refresh_crew(&process->crew, p);
    }
    if (rv == APR_SUCCESS) {
        rv = bearer_tokencache_create(&process->tokens,
                                      process->global->token_cache_entries, p);
    }
    if (rv == APR_SUCCESS && process->global->revocations) {
        rv = bearer_revocation_create(&process->revocations,
                                      process->global->revocations,
                                      &process->world, p);
    }
    return rv;
}

void ab_process_child_init(apr_pool_t *p, server_rec *s)
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
    rv = bearer_http_curl_create(&process->world.http, "mod_auth_bearer", p);
    if (rv == APR_SUCCESS) {
        bearer_http_curl_stop_when(process->world.http,
                                   ab_refresh_must_stop, NULL);
        process->world.http = ab_trace_http(process->world.http, p);
        ab_status_child_init(process);
        rv = ab_waiting_create(process);
    }
    if (rv == APR_SUCCESS) {
        rv = make_parts(process, p);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, AB(0913) "a child cannot "
                     "verify tokens and refuses all of them");
        return;
    }
    prime_keysets(process);
    make_throttle(process);
    process->headers = bearer_headers_create(p);
    apr_pool_pre_cleanup_register(p, process, forget);
    atomic_store(&the_process, process);
}
