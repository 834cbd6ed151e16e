/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file records.c
 * The configuration records: creating and merging them for httpd, finding them for a
 * server or a request, and the queries that several files share.
 */
#include "config_parse.h"
#include "request.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>

#include "judge/proof.h"
#include "state/table.h"
#include "trust/issuer.h"
#include "trust/settings.h"

#define DEFAULT_TOKEN_CACHE 1024

static global_config_t *current; /* the configuration being read */

/* Runs when the module is loaded, because httpd creates the main server's record then,
 * before pre_config. */
void ab_config_begin(apr_pool_t *pconf)
{
    current = apr_pcalloc(pconf, sizeof(*current));
    current->plain_http = apr_array_make(pconf, 2, sizeof(const char *));
    current->issuers = apr_array_make(pconf, 4, sizeof(bearer_issuer_t *));
    current->issuer_servers = apr_array_make(pconf, 4, sizeof(server_rec *));
    current->sections = apr_array_make(pconf, 8, sizeof(section_t));
    current->required = apr_array_make(pconf, 8, sizeof(named_claim_t));
    current->expressed = apr_array_make(pconf, 2, sizeof(const bearer_path_t *));
    current->secrets = apr_array_make(pconf, 2, sizeof(configured_secret_t));
    current->session_checks = apr_array_make(pconf, 2, sizeof(configured_check_t));
    current->token_cache_entries = DEFAULT_TOKEN_CACHE;
    current->defaults = bearer_settings_defaults(pconf);
    current->proof_algs = bearer_proof_algs(pconf);
}

void *ab_config_create_server(apr_pool_t *p, server_rec *s)
{
    server_config_t *server = apr_pcalloc(p, sizeof(*server));

    (void)s;
    server->global = current;
    return server;
}

void ab_config_digest(unsigned char *digest, const void *more, apr_size_t len,
                       apr_pool_t *p)
{
    unsigned char *all = apr_palloc(p, BEARER_SHA256_SIZE + len);

    memcpy(all, digest, BEARER_SHA256_SIZE);
    memcpy(all + BEARER_SHA256_SIZE, more, len);
    bearer_text_sha256(all, BEARER_SHA256_SIZE + len, digest);
}

static void merge_login(login_config_t *login, const login_config_t *over)
{
    login->path = over->path ? over->path : login->path;
    login->names = over->names; /* each virtual host has its own name */
    if (over->domain) {
        login->domain = over->domain;
        login->domain_login = over->domain_login;
    }
    login->store = over->store ? over->store : login->store;
    login->max = over->max ? over->max : login->max;
    login->idle = over->idle ? over->idle : login->idle;
    login->persist = over->persist ? over->persist : login->persist;
    login->used |= over->used;
    login->on |= over->on;
}

void *ab_config_merge_server(apr_pool_t *p, void *base_, void *over_)
{
    const server_config_t *base = base_, *over = over_;
    server_config_t *server = apr_pmemdup(p, base, sizeof(*base));

    bearer_settings_merge(&server->settings, &base->settings, &over->settings);
    server->own = over->settings.set;
    server->inherits_issuers = !over->issuers;
    if (over->issuers) {
        server->issuers = over->issuers;
    }
    if (over->secret_files) {
        server->secret_files = over->secret_files;
    }
    merge_login(&server->login, &over->login);
    ab_config_digest(server->digest, over->digest, BEARER_SHA256_SIZE, p);
    return server;
}

void ab_config_own_records(apr_pool_t *p, server_rec *s)
{
    server_config_t *outer = ab_config_server(s);

    while ((s = s->next) != NULL) {
        if (ab_config_server(s) == outer) {
            server_config_t *server = apr_pmemdup(p, outer, sizeof(*outer));

            server->login.names = NULL; /* as merge_login() does */
            ap_set_module_config(s->module_config, &auth_bearer_module, server);
        }
    }
}

void *ab_config_create_dir(apr_pool_t *p, char *path)
{
    (void)path;
    return apr_pcalloc(p, sizeof(dir_config_t));
}

void *ab_config_merge_dir(apr_pool_t *p, void *base_, void *over_)
{
    const dir_config_t *base = base_, *over = over_;
    dir_config_t *dir;

    if (!over->settings.set) {
        return base_;
    }
    if (!base->settings.set) {
        return over_;
    }
    dir = apr_pmemdup(p, base, sizeof(*base));
    bearer_settings_merge(&dir->settings, &base->settings, &over->settings);
    dir->from_htaccess = base->from_htaccess || over->from_htaccess;
    dir->has_digest = 1;
    ab_config_digest(dir->digest, over->digest, BEARER_SHA256_SIZE, p);
    return dir;
}

global_config_t *ab_config_current(void)
{
    return current;
}

/* ---- what is in force ---------------------------------------------------- */

server_config_t *ab_config_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &auth_bearer_module);
}

const dir_config_t *ab_config_dir(const request_rec *r)
{
    static const dir_config_t nothing;
    const dir_config_t *dir = ap_get_module_config(r->per_dir_config,
                                                   &auth_bearer_module);

    return dir ? dir : &nothing;
}

void ab_config_resolve(bearer_settings_t *out, const server_config_t *server,
                       const bearer_issuer_t *issuer, const bearer_settings_t *dir)
{
    bearer_settings_resolve(out, server->global->defaults, &server->settings,
                            issuer ? &issuer->settings : NULL, dir);
}

const bearer_settings_t *ab_config_of(request_rec *r)
{
    request_t *own = ab_request(r);
    bearer_settings_t *resolved;

    /* <AuthzProviderAlias> swaps the configuration around a call */
    if (own->location_of != r->per_dir_config) {
        resolved = apr_palloc(r->pool, sizeof(*resolved));
        ab_config_resolve(resolved, ab_config_server(r->server), NULL,
                          &ab_config_dir(r)->settings);
        own->location = resolved;
        own->location_of = r->per_dir_config;
    }
    return own->location;
}

int ab_config_in_force(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type && !ap_cstr_casecmp(type, "Bearer");
}

/* ---- queries --------------------------------------------------------------- */

int ab_config_is_used(const global_config_t *global)
{
    return global->issuers->nelts > 0 || global->session_checks->nelts > 0;
}

int ab_config_keeps_answers(const global_config_t *global)
{
    int i;

    for (i = 0; i < global->session_checks->nelts; i++) {
        if (APR_ARRAY_IDX(global->session_checks, i,
                          configured_check_t).check->ttl) {
            return 1;
        }
    }

    for (i = 0; i < global->issuers->nelts; i++) {
        const bearer_issuer_t *issuer = ab_config_issuer_at(global, i);

        if (issuer->introspection.kind != BEARER_SOURCE_OFF
            && issuer->introspection_ttl) {
            return 1;
        }
    }
    return 0;
}

const bearer_secret_t *ab_config_key(const global_config_t *global,
                                     const char *path)
{
    int i;

    for (i = 0; path && i < global->secrets->nelts; i++) {
        const bearer_secret_t *secret = APR_ARRAY_IDX(global->secrets, i,
                                                      configured_secret_t).secret;

        if (secret->whole && !strcmp(secret->source, path)) {
            return secret;
        }
    }
    return NULL;
}

int ab_config_is_foreign(const store_config_t *store)
{
    return store->name && !store->own && strcmp(store->name, "shmcb") != 0;
}

apr_uint64_t ab_config_own_default(store_kind_t kind)
{
    return kind == STORE_PROOFS ? BEARER_TABLE_PROOFS : BEARER_TABLE_DEFAULT;
}

apr_uint64_t ab_config_own_size(const global_config_t *global, store_kind_t kind)
{
    const store_config_t *store = &global->stores[kind];

    return store->provider ? 0 : store->own ? store->own : ab_config_own_default(kind);
}
