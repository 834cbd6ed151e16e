/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store.c
 * httpd's socache behind the library's cache interface. There is one instance per kind
 * of value, each with hints for its size, because small entries and key sets do not fit
 * well in the same shmcb. Values that leave this host's memory are encrypted and
 * authenticated: anyone who can write to redis must not be able to add a key. Key sets
 * have a second copy on this host (handover.c), in case the cache loses them.
 */
#include "store.h"
#include "handover.h"
#include "shared.h"
#include "store_inside.h"
#include "store_own.h"
#include "trace.h"

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_log.h>

#include "base/flight.h"
#include "base/message.h"
#include "login/session.h"
#include "state/redis.h"

APLOG_USE_MODULE(auth_bearer);

/* Times of a lease among hosts: how long a host waits to detect a competing one, and
 * how long the others wait if the holder dies. */
#define LEASE_SETTLES apr_time_from_msec(20)
#define LEASE_MAX apr_time_from_sec(10)

#define KIND_KEYS \
    "bearer-keys", { 32, 4096, 3600 * (apr_time_t)1000000 }, \
    AB_STORE_KEYS_MAX, "6291456", 0, 1, "each host fetches its own key sets"
#define KIND_SESSIONS \
    "bearer-sess", { 32, 512, 8 * 3600 * (apr_time_t)1000000 }, \
    BEARER_SESSION_MAX, NULL, 1, 0, "requests with a session get 503"
#define KIND_INTROSPECTION \
    "bearer-answer", { 32, 1024, 60 * (apr_time_t)1000000 }, \
    BEARER_ANSWER_KEPT_MAX + BEARER_ANSWER_OVERHEAD + BEARER_SEAL_OVERHEAD, \
    "1048576", 0, 0, "responses are not cached"

#define KIND_PROOFS \
    "bearer-proofs", { 32, 32, 180 * (apr_time_t)1000000 }, \
    32, NULL, 1, 0, "requests with a proof of possession get 503"

/* By store_kind_t. */
static const kind_t kinds[] = {
#define X(symbol, word) { STORE_##symbol, word, BEARER_EVENT_CACHE_##symbol, KIND_##symbol },
    AB_STORES(X)
#undef X
};

static store_t stores[STORE_KINDS];  /* set in post_config */

const char *ab_store_word(store_kind_t kind)
{
    return kinds[kind].word;
}

static int any_login(server_rec *s)
{
    for (; s; s = s->next) {
        if (ab_config_server(s)->login.used) {
            return 1;
        }
    }
    return 0;
}

/* Nothing is allocated for unused kinds. */
static int is_wanted(int kind, server_rec *s)
{
    const global_config_t *global = ab_config_server(s)->global;

    return kind == STORE_INTROSPECTION ? ab_config_keeps_answers(global)
         : kind == STORE_SESSIONS ? any_login(s)
         : kind != STORE_PROOFS || global->proofs.possible;
}

int ab_store_is_local(store_kind_t kind)
{
    return stores[kind].config && !ab_config_is_foreign(stores[kind].config);
}

/* ---- configuration ------------------------------------------------------ */

int ab_store_pre_config(apr_pool_t *pconf)
{
    memset(stores, 0, sizeof(stores));
    ab_store_own_begin();
    return ab_store_value_pre_config(pconf);
}

/* ---- start -------------------------------------------------------------- */

static apr_status_t destroy(void *data)
{
    store_t *store = data;

    store->config->provider->destroy(store->config->instance, store->server);
    return APR_SUCCESS;
}

/* shmcb if it is loaded and the configuration names no cache */
static void choose_default(store_config_t *store, const kind_t *kind,
                           apr_pool_t *pconf, apr_pool_t *ptemp)
{
    const char *args = apr_pstrcat(pconf, ap_runtime_dir_relative(pconf, kind->id),
                                   "(", kind->default_size, ")", NULL);

    store->provider = ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, "shmcb",
                                         AP_SOCACHE_PROVIDER_VERSION);
    if (store->provider
        && store->provider->create(&store->instance, args, ptemp, pconf)) {
        store->provider = NULL;
    }
    store->name = "shmcb";
}

static int open_store(store_t *store, const global_config_t *global,
                      apr_pool_t *pconf, server_rec *s)
{
    const store_config_t *config = store->config;
    const char *error;
    apr_status_t rv;

    rv = config->provider->init(config->instance, store->kind->id,
                                &store->kind->hints, s, pconf);
    if (rv != APR_SUCCESS) {
        ab_log_server(APLOG_EMERG, rv, s,
                      AB(0402) "the cache %s could not be created (AuthBearerSOCache)",
                      config->name);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, store, destroy, apr_pool_cleanup_null);
    store->remote = ab_remote_create(store, pconf);
    if (ab_config_is_foreign(config) && !store->kind->sealed
        && bearer_seal_create(&store->seal, global->secret_files,
                              store->kind->word, &error, pconf) != APR_SUCCESS) {
        ab_log_server(APLOG_EMERG, 0, s, AB(0403) "%s "
                      "(AuthBearerSecretFile)", error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

int ab_store_post_config(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *s)
{
    global_config_t *global = ab_config_server(s)->global;
    int i, status = OK, missing = 0;

    for (i = 0; i < STORE_KINDS && status == OK; i++) {
        store_config_t *config = &global->stores[i];
        int own = i >= STORE_SESSIONS && !config->provider;

        if (!is_wanted(i, s)) {
            continue;
        }
        if (!own && !config->provider) {
            choose_default(config, &kinds[i], pconf, ptemp);
            missing |= !config->provider;
        }
        if (own || config->provider || kinds[i].handed_over) {
            stores[i].config = config;
            stores[i].kind = &kinds[i];
            stores[i].server = s;
        }
        if (own) {
            status = ab_store_own_create(kinds[i].number,
                                         ab_config_own_size(global, kinds[i].number), pconf, s);
        } else if (config->provider) {
            status = open_store(&stores[i], global, pconf, s);
        }
    }
    if (missing) {
        ab_log_server(APLOG_NOTICE, 0, s,
                      AB(0401) "mod_socache_shmcb is not loaded: key sets are shared, but each "
                      "child caches introspection responses separately; load it (a2enmod "
                      "socache_shmcb)");
    }
    return status == OK ? ab_store_value_post_config(pconf, s) : status;
}

/* ---- leases ------------------------------------------------------------- */

typedef struct among_hosts_t {
    unsigned char host[AB_SHARED_HOST_SIZE];
    apr_time_t until;
} among_hosts_t;

/* Does another host hold the lease? Also 0 if the cache is unavailable. */
static int held_elsewhere(const store_t *store, const unsigned char *key,
                          apr_time_t now, apr_pool_t *p)
{
    unsigned char *value;
    among_hosts_t lease;
    apr_size_t len;

    if (ab_store_value_get(store, key, &value, &len, p) != APR_SUCCESS
                 || len != sizeof(lease)) {
        return 0;
    }
    memcpy(&lease, value, sizeof(lease));
    return lease.until > now && lease.until <= now + 2 * LEASE_MAX
        && memcmp(lease.host, ab_shared_host(), sizeof(lease.host)) != 0;
}

/* httpd's caches have no atomic exchange: the last writer wins. Each host writes its
 * name and, a moment later, reads whose name is stored. Two hosts whose writes are
 * further apart both get the lease, and fetch twice. */
static int lease_among_hosts(const store_t *store, const unsigned char *key,
                             apr_time_t until, apr_pool_t *p)
{
    apr_time_t now = apr_time_now();
    among_hosts_t lease;
    const bearer_cache_entry_t entry = {
        BEARER_KEPT_MARK, (const unsigned char *)&lease, sizeof(lease),
        until < now + LEASE_MAX ? until : now + LEASE_MAX, NULL, 0
    };

    if (held_elsewhere(store, key, now, p)) {
        return 0;
    }
    memcpy(lease.host, ab_shared_host(), sizeof(lease.host));
    lease.until = entry.expires;
    if (ab_store_redis_has(store->config)) {
        return ab_store_value_put_when(store, key, &entry, BEARER_REDIS_IF_ABSENT, p)
                   != APR_EEXIST
            || !held_elsewhere(store, key, now, p);
    }
    if (ab_store_value_put_when(store, key, &entry, BEARER_REDIS_ALWAYS, p)
        != APR_SUCCESS) {
        return 1;
    }
    apr_sleep(LEASE_SETTLES);
    return !held_elsewhere(store, key, now, p);
}

/* Only if the result of another host's request is shared. */
static int is_among_hosts(const store_t *store)
{
    return store->kind->handed_over && ab_config_is_foreign(store->config)
        && ab_shared_host();
}

static apr_status_t lease(const bearer_cache_t *cache, const unsigned char *key,
                          apr_time_t until, apr_pool_t *p)
{
    const store_t *store = cache->baton;

    if (!ab_shared_lease(key, apr_time_now(), until)) {
        return APR_EBUSY;
    }
    if (is_among_hosts(store) && !lease_among_hosts(store, key, until, p)) {
        ab_shared_unlease(key);
        return APR_EBUSY;
    }
    return APR_SUCCESS;
}

static void unlease(const bearer_cache_t *cache, const unsigned char *key,
                    apr_pool_t *p)
{
    const store_t *store = cache->baton;

    if (is_among_hosts(store) && !held_elsewhere(store, key, apr_time_now(), p)) {
        (void)ab_store_value_remove(store, key, p);
    }
    ab_shared_unlease(key);
}

/* There are no wake-ups between hosts: a lease held by another host is polled. */
static void await(const bearer_cache_t *cache, const unsigned char *key,
                  apr_interval_time_t longest)
{
    if (!ab_shared_await(key, apr_time_now(), longest)
        && is_among_hosts(cache->baton)) {
        apr_sleep(longest < BEARER_AWAIT_STEP ? longest : BEARER_AWAIT_STEP);
    }
}

/* ---- the library's interface -------------------------------------------- */

/* Stores on this host a value that another host has fetched; the value contains its
 * lifetime. Writes only changed values, because handover.c has no locks. */
static void keep_at_home(const unsigned char *key, const unsigned char *value,
                         apr_size_t len, apr_pool_t *p)
{
    unsigned char *there;
    apr_size_t size;
    apr_time_t expires;

    if (ab_handover_get(key, &there, &size, &expires, p) != APR_SUCCESS
        || size != len || memcmp(there, value, len) != 0) {
        ab_handover_put(key, value, len, apr_time_now() + MAX_LIFE);
    }
}

static apr_status_t get(const bearer_cache_t *cache, const unsigned char *key,
                        unsigned char **value, apr_size_t *len, apr_pool_t *p)
{
    const store_t *store = cache->baton;
    apr_status_t rv = ab_store_value_get(store, key, value, len, p);
    apr_time_t expires;

    if (!store->kind->handed_over) {
        return rv;
    }
    if (rv != APR_SUCCESS) {
        rv = ab_handover_get(key, value, len, &expires, p);
        if (rv == APR_SUCCESS) {
            (void)ab_store_value_put(store, key, *value, *len, expires, p);
        }
    } else if (store->seal) {
        keep_at_home(key, *value, *len, p);
    }
    return rv;
}

static apr_status_t put(const bearer_cache_t *cache, const unsigned char *key,
                        const unsigned char *value, apr_size_t len,
                        apr_time_t expires, apr_pool_t *p)
{
    const store_t *store = cache->baton;

    if (store->kind->handed_over) {
        ab_handover_put(key, value, len, expires);
    }
    return ab_store_value_put(store, key, value, len, expires, p);
}

static apr_status_t take_out(const bearer_cache_t *cache,
                             const unsigned char *key, apr_pool_t *p)
{
    const store_t *store = cache->baton;

    if (store->kind->handed_over) {
        ab_handover_remove(key);
    }
    return ab_store_value_remove(store, key, p);
}

/* For values that the caller seals. */
static apr_status_t get_many(const bearer_cache_t *cache,
                             const unsigned char *const *keys, int n,
                             bearer_cache_value_t *values, apr_pool_t *p)
{
    const store_t *store = cache->baton;

    return ab_store_value_counted(store, ab_store_redis_get(
        store->config->instance, keys, n, values, store->kind->max_value, p));
}

static apr_status_t add(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    return ab_store_value_put_when(cache->baton, key, entry, BEARER_REDIS_IF_ABSENT, p);
}

static apr_status_t replace(const bearer_cache_t *cache, const unsigned char *key,
                            const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    return ab_store_value_put_when(cache->baton, key, entry, BEARER_REDIS_IF_PRESENT, p);
}

static apr_status_t get_at_home(const bearer_cache_t *cache,
                                const unsigned char *key, unsigned char **value,
                                apr_size_t *len, apr_pool_t *p)
{
    apr_time_t expires;

    (void)cache;
    return ab_handover_get(key, value, len, &expires, p);
}

const bearer_cache_t *ab_store_home(void)
{
    static const bearer_cache_t home = { .get = get_at_home };

    return &home;
}

const bearer_cache_t *ab_store_cache(store_kind_t kind)
{
    store_t *store = &stores[kind];

    if (!store->config) {
        return NULL;
    }
    store->cache.get = get;
    store->cache.put = put;
    store->cache.remove = take_out;
    store->cache.lease = lease;
    store->cache.unlease = unlease;
    store->cache.await = await;
    if (ab_store_redis_has(store->config)) {
        store->cache.get_many = store->kind->sealed ? get_many : NULL;
        store->cache.add = add;
        store->cache.replace = replace;
    }
    store->cache.baton = store;
    if (kind == STORE_SESSIONS && !store->config->provider) {
        ab_store_own_fill(&store->cache);
    }
    return &store->cache;
}
