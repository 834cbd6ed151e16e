/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file process.c
 * The state of a child and its parts for each issuer: key set, client data, tenants.
 * start.c creates the rest and releases everything.
 */
#include "process.h"

#include <stdatomic.h>

#include "trust/issuer.h"
#include "trust/settings.h"

/* Set once. Threads of mod_watchdog may run before that. */
static _Atomic(process_t *) the_process;

process_t *ab_process(void)
{
    return atomic_load(&the_process);
}

void ab_process_set(process_t *process)
{
    atomic_store(&the_process, process);
}

const bearer_issuer_access_t *ab_process_access_of(process_t *process,
                                                   const bearer_issuer_t *issuer,
                                                   const server_config_t *server,
                                                   apr_pool_t *p)
{
    bearer_issuer_access_t *access = apr_pcalloc(p, sizeof(*access));
    bearer_settings_t *settings = apr_palloc(p, sizeof(*settings));

    ab_config_resolve(settings, server, issuer, NULL);
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

/* Does a virtual host log users in with the issuer? */
static int logs_in(const process_t *process, const bearer_issuer_t *issuer)
{
    server_rec *s;

    for (s = process->server; s; s = s->next) {
        const server_config_t *server = ab_config_server(s);
        bearer_settings_t here;

        if (server->browser
            && bearer_issuers_by_url(server->issuers, issuer->url) == issuer) {
            ab_config_resolve(&here, server, issuer, NULL);
            if (here.client_id) {
                return 1;
            }
        }
    }
    return 0;
}

const bearer_issuer_access_t *ab_process_access(process_t *process, int index)
{
    const bearer_issuer_t *issuer = ab_config_issuer_at(process->global, index);
    bearer_issuer_access_t *access = apr_palloc(process->pool, sizeof(*access));

    *access = *ab_process_access_of(process, issuer,
                                    ab_config_server(declared_by(process, index)),
                                    process->pool);
    access->for_login = logs_in(process, issuer);
    return access;
}

static const char *token_endpoint(void *keyset, const char **error, apr_pool_t *p)
{
    const bearer_metadata_t *metadata = bearer_keypool_metadata(keyset, error, p);

    if (metadata && !metadata->token_endpoint) {
        *error = "the issuer's metadata has no token_endpoint";
    }
    return metadata ? metadata->token_endpoint : NULL;
}

static apr_status_t make_client(bearer_client_t **client, process_t *process,
                                const bearer_issuer_access_t *access)
{
    const bearer_client_config_t config = {
        access, ab_config_key(process->global, access->settings->client_key),
        token_endpoint, process->keys[access->issuer->index]
    };

    return bearer_client_create(client, &config, process->pool);
}

/* For settings of one configuration: equal pointers mean the same directive. */
static int is_same_client(const bearer_settings_t *a, const bearer_settings_t *b)
{
    return a->client_id == b->client_id && a->client_secret == b->client_secret
        && a->client_auth == b->client_auth && a->client_key == b->client_key
        && a->client_cert == b->client_cert && a->ca_file == b->ca_file
        && a->http_proxy == b->http_proxy
        && a->timeout.connect == b->timeout.connect
        && a->timeout.total == b->timeout.total;
}

/* If a virtual host uses an issuer for logins that another server declared, its own
 * directives determine the client data. */
static apr_status_t make_vhost_clients(process_t *process, server_rec *s)
{
    const server_config_t *server = ab_config_server(s);
    int i, n = server->browser ? bearer_issuers_count(server->issuers) : 0;
    apr_status_t rv = APR_SUCCESS;
    bearer_settings_t here, there;

    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(server->issuers, i);

        ab_config_resolve(&here, server, issuer, NULL);
        ab_config_resolve(&there, ab_config_server(declared_by(process, issuer->index)),
                          issuer, NULL);
        if (here.client_id && !is_same_client(&here, &there)) {
            vhost_client_t *own = apr_array_push(process->vhost_clients);

            own->server = server;
            own->issuer = issuer->index;
            rv = make_client(&own->client, process,
                             ab_process_access_of(process, issuer, server,
                                                  process->pool));
        }
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

static apr_status_t make_parts(process_t *process, int i)
{
    const bearer_issuer_access_t *access = ab_process_access(process, i);
    const char *tenants = access->issuer->tenants_file;
    apr_status_t rv = bearer_keypool_create(&process->keys[i], access, process->pool);

    if (rv == APR_SUCCESS) {
        rv = make_client(&process->clients[i], process, access);
    }
    if (rv == APR_SUCCESS && tenants) {
        rv = bearer_tenants_create(&process->tenants[i], tenants, &process->world,
                                   process->pool);
    }
    return rv;
}

apr_status_t ab_process_create_parts(process_t *process)
{
    int i, n = process->global->issuers->nelts;
    apr_pool_t *p = process->pool;
    server_rec *s = process->server;
    apr_status_t rv = APR_SUCCESS;

    process->keys = apr_pcalloc(p, sizeof(*process->keys) * (apr_size_t)n);
    process->clients = apr_pcalloc(p, sizeof(*process->clients) * (apr_size_t)n);
    process->tenants = apr_pcalloc(p, sizeof(*process->tenants) * (apr_size_t)n);
    process->vhost_clients = apr_array_make(p, 1, sizeof(vhost_client_t));
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = make_parts(process, i);
    }
    for (; s && rv == APR_SUCCESS; s = s->next) {
        rv = make_vhost_clients(process, s);
    }
    return rv;
}
