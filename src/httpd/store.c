/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store.c
 * httpd's socache behind the library's cache interface. One instance per kind
 * of value, each with hints of its own size, because a small entry and a key
 * set do not live well together in shmcb. Whatever leaves this host's memory is
 * sealed: who can write to redis must not be able to add a key. Key sets have a
 * second copy on this host (handover.c), for when the cache has lost them.
 */
#include "remote.h"
#include "store_redis.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "login/session.h"

APLOG_USE_MODULE(auth_bearer);

#define MUTEX_TYPE "auth-bearer"
/* Guards of httpd-traps: a past expiry wraps (redis), 30 days and more are an
 * absolute time (memcache). */
#define MIN_LIFE apr_time_from_sec(1)
#define MAX_LIFE apr_time_from_sec(29 * 24 * 3600)
/* A lease among hosts: two takers see each other within the one, and a host that
 * died keeps the others waiting for the other. */
#define LEASE_SETTLES apr_time_from_msec(20)
#define LEASE_MAX apr_time_from_sec(10)

/** One kind of value. */
typedef struct kind_t {
    const char *word;            /**< in for= */
    const char *id;              /**< socache name, at most 14 characters */
    struct ap_socache_hints hints;
    unsigned max_value;          /**< bytes, sealed */
    const char *default_size;    /**< of a default shmcb; NULL: own memory */
    int sealed;                  /**< its owner seals what he keeps */
    int handed_over;             /**< to the next generation; see handover.c */
    const char *loss;            /**< where the cache cannot be asked */
} kind_t;

#define KIND_KEYS \
    "bearer-keys", { 32, 4096, 3600 * (apr_time_t)1000000 }, \
    AB_STORE_KEYS_MAX, "6291456", 0, 1, "each host fetches key sets for itself"
#define KIND_SESSIONS \
    "bearer-sess", { 32, 512, 8 * 3600 * (apr_time_t)1000000 }, \
    BEARER_SESSION_MAX, NULL, 1, 0, "requests with a session get 503"
#define KIND_INTROSPECTION \
    "bearer-answer", { 32, 1024, 60 * (apr_time_t)1000000 }, \
    BEARER_ANSWER_KEPT_MAX + BEARER_ANSWER_OVERHEAD + BEARER_SEAL_OVERHEAD, \
    "1048576", 0, 0, "responses are not cached"

/* By store_kind_t. */
static const kind_t kinds[] = {
#define X(symbol, word) { word, KIND_##symbol },
    AB_STORES(X)
#undef X
};

/** A store in a process. */
typedef struct store_t {
    const store_config_t *config;
    const kind_t *kind;
    bearer_cache_t cache;
    bearer_seal_t *seal;         /**< NULL: stays in this host's memory */
    remote_t *remote;            /**< NULL: not over the network */
    server_rec *server;
} store_t;

/** Values of so many bytes did not fit in shared memory (0: none yet): httpd logs
 *  each, so they are not tried again. */
static atomic_uint too_long[STORE_KINDS];
static apr_global_mutex_t *mutex;
static store_t stores[STORE_KINDS];  /* filled in post_config */

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

/* Nothing is allocated for what nobody uses. */
static int is_wanted(int kind, server_rec *s)
{
    switch (kind) {
    case STORE_INTROSPECTION:
        return ab_config_keeps_answers(ab_config_server(s)->global);
    case STORE_SESSIONS:
        return any_login(s);
    default:
        return 1;
    }
}

int ab_store_is_local(store_kind_t kind)
{
    return stores[kind].config && !ab_store_is_foreign(stores[kind].config);
}

/* ---- configuration ------------------------------------------------------ */

int ab_store_pre_config(apr_pool_t *pconf)
{
    memset(stores, 0, sizeof(stores));
    mutex = NULL;
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0)
        == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- start -------------------------------------------------------------- */

static apr_status_t destroy(void *data)
{
    store_t *store = data;

    if (store->config) {
        store->config->provider->destroy(store->config->instance, store->server);
    }
    return APR_SUCCESS;
}

/* shmcb where it is loaded and nobody chose */
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

static remote_t *make_remote(const store_t *store, apr_pool_t *pconf)
{
    const kind_t *kind = store->kind;
    remote_config_t config = { store->config, kind->id, &kind->hints,
                               (int)(kind - kinds), kind->word, kind->loss,
                               kind->handed_over, store->server };

    return ab_store_redis_has(store->config)
        ? NULL : ab_remote_create(&config, pconf);
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
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, AB(0402) "the cache %s "
                     "could not be made (AuthBearerSOCache)", config->name);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, store, destroy, apr_pool_cleanup_null);
    store->remote = make_remote(store, pconf);
    if (ab_store_is_foreign(config) && !store->kind->sealed
        && bearer_seal_create(&store->seal, global->secret_files,
                              store->kind->word, &error, pconf) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, AB(0403) "%s "
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

        if (!is_wanted(i, s)) {
            continue;
        }
        if (i == STORE_SESSIONS && !config->provider) {
            stores[i].config = config;
            stores[i].kind = &kinds[i];
            status = ab_store_own_create(ab_store_own_size(global), pconf, s);
            continue;
        }
        if (!config->provider) {
            choose_default(config, &kinds[i], pconf, ptemp);
        }
        missing |= !config->provider;
        if (config->provider || kinds[i].handed_over) {
            stores[i].config = config;
            stores[i].kind = &kinds[i];
            stores[i].server = s;
        }
        if (config->provider) {
            status = open_store(&stores[i], global, pconf, s);
        }
    }
    if (missing) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, AB(0401) "no shared "
                     "cache: mod_socache_shmcb is not loaded; key sets are shared "
                     "all the same, but each child keeps issuers' answers for "
                     "itself (a2enmod socache_shmcb)");
    }
    if (status == OK
        && ap_global_mutex_create(&mutex, NULL, MUTEX_TYPE, NULL, s, pconf, 0)
           != APR_SUCCESS) {
        status = HTTP_INTERNAL_SERVER_ERROR;  /* httpd has logged why */
    }
    return status;
}

void ab_store_child_init(apr_pool_t *p, server_rec *s)
{
    apr_status_t rv;

    if (!mutex) {
        return;
    }
    rv = apr_global_mutex_child_init(&mutex, apr_global_mutex_lockfile(mutex), p);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, AB(0404) "a child could "
                     "not open the cache's lock");
    }
}

/* ---- the provider ------------------------------------------------------- */

/* Only shared memory wants a lock, reads included (they move data); for redis
 * and memcache, where it would be held over the network, see remote.c. */
static void lock(const store_t *store)
{
    if (store->config->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        apr_global_mutex_lock(mutex);
    }
}

static void unlock(const store_t *store)
{
    if (store->config->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        apr_global_mutex_unlock(mutex);
    }
}

static apr_status_t ask(const store_t *store, const unsigned char *key,
                        unsigned char *buffer, unsigned *size, apr_pool_t *ptemp)
{
    apr_status_t rv;

    if (store->remote) {
        return ab_remote_retrieve(store->remote, key, buffer, size, ptemp);
    }
    lock(store);
    rv = store->config->provider->retrieve(store->config->instance, store->server,
                                           key, BEARER_CACHE_KEY_SIZE, buffer, size,
                                           ptemp);
    unlock(store);
    return rv == APR_SUCCESS || ab_store_redis_has(store->config)
        ? rv : APR_NOTFOUND;
}

/* The value as it is kept: in a buffer that malloc() made, because a pool would
 * keep so large a block. NULL: not there. */
static unsigned char *retrieve(const store_t *store, const unsigned char *key,
                               unsigned *size, apr_status_t *status,
                               apr_pool_t *p)
{
    unsigned char *buffer = malloc(store->kind->max_value);
    apr_pool_t *ptemp;
    apr_status_t rv = APR_EGENERAL;

    *size = store->kind->max_value;
    if (buffer && apr_pool_create(&ptemp, p) == APR_SUCCESS) {
        rv = ask(store, key, buffer, size, ptemp);
        apr_pool_destroy(ptemp);
    }
    if (rv != APR_SUCCESS) {
        free(buffer);
        buffer = NULL;
        rv = rv == APR_EGENERAL ? rv : APR_NOTFOUND;
    }
    *status = rv;
    return buffer;
}

/* Shared memory refuses nothing but what is longer than a part of it. */
static int is_too_long(const store_t *store, apr_size_t len)
{
    unsigned limit = atomic_load(&too_long[store->kind - kinds]);

    return limit && len >= limit;
}

static void note_refusal(const store_t *store, apr_size_t len)
{
    if (!ab_store_is_foreign(store->config)) {
        atomic_store(&too_long[store->kind - kinds], (unsigned)len);
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, store->server,
                     AB(0405) "a value of %" APR_SIZE_T_FMT " bytes does not fit into the "
                     "cache for %s: give it more memory (AuthBearerSOCache)%s", len,
                     store->kind->word, ab_trace_suffix_here());
    }
}

static apr_status_t get_value(const store_t *store, const unsigned char *key,
                              unsigned char **value, apr_size_t *len,
                              apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    unsigned char *buffer;
    unsigned size;

    if (!store->config->provider) {
        return APR_NOTFOUND;
    }
    buffer = retrieve(store, key, &size, &rv, p);
    if (!buffer) {
        return rv;
    }
    if (store->seal) {
        rv = bearer_seal_open(value, len, store->seal, key, BEARER_CACHE_KEY_SIZE,
                              buffer, size, p);
    } else {
        *value = apr_pmemdup(p, buffer, size);
        *len = size;
    }
    free(buffer);
    return rv == APR_SUCCESS ? APR_SUCCESS : APR_NOTFOUND;
}

static apr_status_t hand_over(const store_t *store, const unsigned char *key,
                              const bearer_cache_entry_t *entry,
                              bearer_redis_when_t when, apr_pool_t *p)
{
    unsigned char *value = (unsigned char *)(apr_uintptr_t)entry->value;
    apr_status_t rv;

    if (when != BEARER_REDIS_ALWAYS) {
        return ab_store_redis_set(store->config->instance, key, entry, when, p);
    }
    if (store->remote) {
        return ab_remote_store(store->remote, key, value, (unsigned)entry->len,
                               entry->expires, p);
    }
    lock(store);
    rv = store->config->provider->store(store->config->instance, store->server, key,
                                        BEARER_CACHE_KEY_SIZE, entry->expires, value,
                                        (unsigned)entry->len, p);
    unlock(store);
    return rv;
}

/* when: anything but BEARER_REDIS_ALWAYS is for our own client only. */
static apr_status_t put_when(const store_t *store, const unsigned char *key,
                             const bearer_cache_entry_t *entry,
                             bearer_redis_when_t when, apr_pool_t *p)
{
    bearer_cache_entry_t kept = *entry;
    apr_time_t now = apr_time_now();
    unsigned char *sealed = (unsigned char *)(apr_uintptr_t)entry->value;
    apr_status_t rv;

    if (!store->config->provider) {
        return APR_NOTFOUND;
    }
    if (store->seal
        && bearer_seal_close(&sealed, &kept.len, store->seal, key,
                             BEARER_CACHE_KEY_SIZE, entry->value, entry->len, NULL, p)
           != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    kept.value = sealed;
    if (kept.len > store->kind->max_value || kept.expires < now + MIN_LIFE
        || is_too_long(store, kept.len)) {
        return APR_EINVAL;
    }
    kept.expires = kept.expires < now + MAX_LIFE ? kept.expires : now + MAX_LIFE;
    rv = hand_over(store, key, &kept, when, p);
    if (rv != APR_SUCCESS) {
        note_refusal(store, kept.len);
    }
    return rv;
}

static apr_status_t put_value(const store_t *store, const unsigned char *key,
                              const unsigned char *value, apr_size_t len,
                              apr_time_t expires, apr_pool_t *p)
{
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, value, len, expires, NULL, 0 };

    return put_when(store, key, &entry, BEARER_REDIS_ALWAYS, p);
}

static apr_status_t remove_value(const store_t *store, const unsigned char *key,
                                 apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    if (store->remote) {
        return ab_remote_remove(store->remote, key, p);
    }
    if (store->config->provider) {
        lock(store);
        rv = store->config->provider->remove(store->config->instance,
                                             store->server, key,
                                             BEARER_CACHE_KEY_SIZE, p);
        unlock(store);
    }
    return rv;
}

/* ---- leases ------------------------------------------------------------- */

typedef struct among_hosts_t {
    unsigned char host[AB_SHARED_HOST_SIZE];
    apr_time_t until;
} among_hosts_t;

/* Has another host the lease? 0 also when the cache is down. */
static int held_elsewhere(const store_t *store, const unsigned char *key,
                          apr_time_t now, apr_pool_t *p)
{
    unsigned char *value;
    among_hosts_t lease;
    apr_size_t len;

    if (get_value(store, key, &value, &len, p) != APR_SUCCESS
        || len != sizeof(lease)) {
        return 0;
    }
    memcpy(&lease, value, sizeof(lease));
    return lease.until > now && lease.until <= now + 2 * LEASE_MAX
        && memcmp(lease.host, ab_shared_host(), sizeof(lease.host)) != 0;
}

/* httpd's caches have no exchange, only a last writer: each writes its name and, a
 * moment later, reads whose it is. Two hosts that are further apart than the moment
 * both have the lease, and fetch twice. */
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
        return put_when(store, key, &entry, BEARER_REDIS_IF_ABSENT, p) != APR_EEXIST
            || !held_elsewhere(store, key, now, p);
    }
    if (put_when(store, key, &entry, BEARER_REDIS_ALWAYS, p) != APR_SUCCESS) {
        return 1;
    }
    apr_sleep(LEASE_SETTLES);
    return !held_elsewhere(store, key, now, p);
}

/* Among hosts only for what another host's flight has the answer to. */
static int is_among_hosts(const store_t *store)
{
    return store->kind->handed_over && ab_store_is_foreign(store->config)
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
        (void)remove_value(store, key, p);
    }
    ab_shared_unlease(key);
}

/* No bell rings from host to host: what another one holds is looked for again. */
static void await(const bearer_cache_t *cache, const unsigned char *key,
                  apr_interval_time_t longest)
{
    if (!ab_shared_await(key, apr_time_now(), longest)
        && is_among_hosts(cache->baton)) {
        apr_sleep(longest < BEARER_AWAIT_STEP ? longest : BEARER_AWAIT_STEP);
    }
}

/* ---- the library's interface -------------------------------------------- */

/* What another host has fetched; how long it serves is said inside. Rarely
 * written, as handover.c has no locks. */
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
    apr_status_t rv = get_value(store, key, value, len, p);
    apr_time_t expires;

    if (!store->kind->handed_over) {
        return rv;
    }
    if (rv != APR_SUCCESS) {
        rv = ab_handover_get(key, value, len, &expires, p);
        if (rv == APR_SUCCESS) {
            (void)put_value(store, key, *value, *len, expires, p);
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
    return put_value(store, key, value, len, expires, p);
}

static apr_status_t take_out(const bearer_cache_t *cache,
                             const unsigned char *key, apr_pool_t *p)
{
    const store_t *store = cache->baton;

    if (store->kind->handed_over) {
        ab_handover_remove(key);
    }
    return remove_value(store, key, p);
}

/* For values that their owner seals. */
static apr_status_t get_many(const bearer_cache_t *cache,
                             const unsigned char *const *keys, int n,
                             bearer_cache_value_t *values, apr_pool_t *p)
{
    const store_t *store = cache->baton;

    return ab_store_redis_get(store->config->instance, keys, n, values,
                              store->kind->max_value, p);
}

static apr_status_t add(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    return put_when(cache->baton, key, entry, BEARER_REDIS_IF_ABSENT, p);
}

static apr_status_t replace(const bearer_cache_t *cache, const unsigned char *key,
                            const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    return put_when(cache->baton, key, entry, BEARER_REDIS_IF_PRESENT, p);
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
