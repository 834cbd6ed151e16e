/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_session.h
 * A cache in memory, a key, and a bearer_session_store_t made of them.
 */
#pragma once

#include "unit.h"

#include <unistd.h>

#include "base/seal.h"
#include "login/session.h"
#include "state/table.h"

typedef struct unit_cache_t {
    bearer_cache_t cache;
    apr_hash_t *values, *leases;
    apr_pool_t *p;
    int down, puts, manys;
    int gets_left;            /**< then none is known any more; below 0: no limit */
    unit_world_t *world;
} unit_cache_t;

typedef struct unit_value_t {
    unsigned char *bytes;
    apr_size_t len;
    apr_time_t expires;
} unit_value_t;

static inline apr_status_t unit_cache_get(const bearer_cache_t *cache,
                                          const unsigned char *key,
                                          unsigned char **value,
                                          apr_size_t *len, apr_pool_t *p)
{
    unit_cache_t *c = cache->baton;
    unit_value_t *v = apr_hash_get(c->values, key, BEARER_CACHE_KEY_SIZE);

    if (c->gets_left == 0) {
        return APR_EGENERAL;
    }
    c->gets_left -= c->gets_left > 0;
    if (c->down) {
        return APR_EGENERAL;
    }
    if (!v || v->expires <= c->world->now) {
        return APR_NOTFOUND;
    }
    *value = apr_pmemdup(p, v->bytes, v->len);
    *len = v->len;
    return APR_SUCCESS;
}

/** For cache.get_many: a cache to which one round trip costs as much as another. */
static inline apr_status_t unit_cache_get_many(const bearer_cache_t *cache,
                                               const unsigned char *const *keys,
                                               int n, bearer_cache_value_t *values,
                                               apr_pool_t *p)
{
    unit_cache_t *c = cache->baton;
    apr_status_t rv = APR_SUCCESS;
    int i;

    c->manys++;
    for (i = 0; i < n && rv != APR_EGENERAL; i++) {
        values[i].data = NULL;
        rv = unit_cache_get(cache, keys[i], &values[i].data, &values[i].len, p);
    }
    return rv == APR_EGENERAL ? rv : APR_SUCCESS;
}

static inline apr_status_t unit_cache_put(const bearer_cache_t *cache,
                                          const unsigned char *key,
                                          const unsigned char *value,
                                          apr_size_t len, apr_time_t expires,
                                          apr_pool_t *p)
{
    unit_cache_t *c = cache->baton;
    unit_value_t *v = apr_palloc(c->p, sizeof(*v));

    (void)p;
    if (c->down) {
        return APR_EGENERAL;
    }
    c->puts++;
    v->bytes = apr_pmemdup(c->p, value, len);
    v->len = len;
    v->expires = expires;
    apr_hash_set(c->values, apr_pmemdup(c->p, key, BEARER_CACHE_KEY_SIZE),
                 BEARER_CACHE_KEY_SIZE, v);
    return APR_SUCCESS;
}

static inline apr_status_t unit_cache_remove(const bearer_cache_t *cache,
                                             const unsigned char *key,
                                             apr_pool_t *p)
{
    unit_cache_t *c = cache->baton;

    (void)p;
    apr_hash_set(c->values, key, BEARER_CACHE_KEY_SIZE, NULL);
    return APR_SUCCESS;
}

static inline apr_status_t unit_cache_lease(const bearer_cache_t *cache,
                                            const unsigned char *key,
                                            apr_time_t until, apr_pool_t *p)
{
    unit_cache_t *c = cache->baton;

    (void)until;
    (void)p;
    if (apr_hash_get(c->leases, key, BEARER_CACHE_KEY_SIZE)) {
        return APR_EBUSY;
    }
    apr_hash_set(c->leases, apr_pmemdup(c->p, key, BEARER_CACHE_KEY_SIZE),
                 BEARER_CACHE_KEY_SIZE, "held");
    return APR_SUCCESS;
}

static inline void unit_cache_unlease(const bearer_cache_t *cache,
                                      const unsigned char *key, apr_pool_t *p)
{
    unit_cache_t *c = cache->baton;

    (void)p;
    apr_hash_set(c->leases, key, BEARER_CACHE_KEY_SIZE, NULL);
}

static inline unit_cache_t *unit_cache(unit_world_t *world)
{
    unit_cache_t *c = apr_pcalloc(world->p, sizeof(*c));

    c->p = world->p;
    c->world = world;
    c->gets_left = -1;
    c->values = apr_hash_make(c->p);
    c->leases = apr_hash_make(c->p);
    c->cache.get = unit_cache_get;
    c->cache.put = unit_cache_put;
    c->cache.remove = unit_cache_remove;
    c->cache.lease = unit_cache_lease;
    c->cache.unlease = unit_cache_unlease;
    c->cache.baton = c;
    return c;
}

/* ---- the module's own memory as a cache ---------------------------------- */

typedef struct unit_own_t {
    bearer_cache_t cache;
    bearer_table_t *table;
    unit_world_t *world;
    unit_cache_t *beside;          /**< for leases */
    int down;
} unit_own_t;

static inline apr_status_t unit_own_get(const bearer_cache_t *cache,
                                        const unsigned char *key,
                                        unsigned char **value, apr_size_t *len,
                                        apr_pool_t *p)
{
    unit_own_t *o = cache->baton;

    return o->down ? APR_EGENERAL
                   : bearer_table_get(o->table, key, o->world->now, value, len, p);
}

static inline apr_status_t unit_own_do(const bearer_cache_t *cache, int may,
                                       const unsigned char *key,
                                       const bearer_cache_entry_t *entry)
{
    unit_own_t *o = cache->baton;

    return o->down ? APR_EGENERAL
                   : bearer_table_keep(o->table, may, key, entry, o->world->now);
}

static inline apr_status_t unit_own_put(const bearer_cache_t *cache,
                                        const unsigned char *key,
                                        const unsigned char *value, apr_size_t len,
                                        apr_time_t expires, apr_pool_t *p)
{
    const bearer_cache_entry_t entry = { .kind = BEARER_KEPT_MARK, .value = value,
                                         .len = len, .expires = expires };

    (void)p;
    return unit_own_do(cache, BEARER_TABLE_EITHER, key, &entry);
}

static inline apr_status_t unit_own_add(const bearer_cache_t *cache,
                                        const unsigned char *key,
                                        const bearer_cache_entry_t *entry,
                                        apr_pool_t *p)
{
    (void)p;
    return unit_own_do(cache, BEARER_TABLE_NEW, key, entry);
}

static inline apr_status_t unit_own_replace(const bearer_cache_t *cache,
                                            const unsigned char *key,
                                            const bearer_cache_entry_t *entry,
                                            apr_pool_t *p)
{
    (void)p;
    return unit_own_do(cache, BEARER_TABLE_OLD, key, entry);
}

static inline apr_status_t unit_own_remove(const bearer_cache_t *cache,
                                           const unsigned char *key, apr_pool_t *p)
{
    unit_own_t *o = cache->baton;

    (void)p;
    return o->down ? APR_EGENERAL : bearer_table_remove(o->table, key);
}

static inline apr_status_t unit_own_end(const bearer_cache_t *cache,
                                        bearer_owner_t by,
                                        const unsigned char *owner, apr_pool_t *p)
{
    unit_own_t *o = cache->baton;

    (void)p;
    return o->down ? APR_EGENERAL : bearer_table_end(o->table, by, owner, NULL);
}

static inline apr_status_t unit_own_find(const bearer_cache_t *cache,
                                         bearer_owner_t by, const unsigned char *owner,
                                         unsigned char *key, apr_pool_t *p)
{
    unit_own_t *o = cache->baton;

    (void)p;
    return o->down ? APR_EGENERAL : bearer_table_owned(o->table, by, owner, key);
}

static inline apr_status_t unit_own_lease(const bearer_cache_t *cache,
                                          const unsigned char *key,
                                          apr_time_t until, apr_pool_t *p)
{
    unit_own_t *o = cache->baton;

    return o->beside->cache.lease(&o->beside->cache, key, until, p);
}

static inline void unit_own_unlease(const bearer_cache_t *cache,
                                    const unsigned char *key, apr_pool_t *p)
{
    unit_own_t *o = cache->baton;

    o->beside->cache.unlease(&o->beside->cache, key, p);
}

static inline unit_own_t *unit_own(unit_world_t *world, apr_size_t size)
{
    unit_own_t *o = apr_pcalloc(world->p, sizeof(*o));
    apr_uintptr_t block = (apr_uintptr_t)apr_pcalloc(world->p, size + 128);

    assert_int_equal(bearer_table_attach(&o->table, (void *)((block + 127) / 128 * 128),
                                         size, world->p), APR_SUCCESS);
    o->world = world;
    o->beside = unit_cache(world);
    o->cache.get = unit_own_get;
    o->cache.put = unit_own_put;
    o->cache.add = unit_own_add;
    o->cache.replace = unit_own_replace;
    o->cache.remove = unit_own_remove;
    o->cache.end = unit_own_end;
    o->cache.find = unit_own_find;
    o->cache.lease = unit_own_lease;
    o->cache.unlease = unit_own_unlease;
    o->cache.is_own = 1;
    o->cache.baton = o;
    return o;
}

/** A seal of secrets that are given as texts, separated by spaces. */
static inline bearer_seal_t *unit_seal(apr_pool_t *p, const char *secrets,
                                       const char *purpose)
{
    apr_array_header_t *files = apr_array_make(p, 2, sizeof(const char *));
    char *rest, *one = apr_strtok(apr_pstrdup(p, secrets), " ", &rest);
    bearer_seal_t *seal = NULL;
    const char *error = NULL;
    int i;

    for (; one; one = apr_strtok(NULL, " ", &rest)) {
        char *name = apr_pstrdup(p, "/tmp/unit-seal-XXXXXX");
        int fd = mkstemp(name);
        char bytes[64];

        memset(bytes, 0, sizeof(bytes));
        apr_cpystrn(bytes, one, sizeof(bytes));
        assert_true(fd >= 0 && write(fd, bytes, sizeof(bytes)) == 64);
        close(fd);
        APR_ARRAY_PUSH(files, const char *) = name;
    }
    assert_int_equal(bearer_seal_create(&seal, files, purpose, &error, p),
                     APR_SUCCESS);
    for (i = 0; i < files->nelts; i++) {
        unlink(APR_ARRAY_IDX(files, i, const char *));
    }
    return seal;
}

#define UNIT_SERVER "https://app.example"

/** A store with the usual times, sealed by one secret. */
static inline bearer_session_store_t unit_store(unit_world_t *w,
                                                const bearer_cache_t *cache,
                                                int in_cookie)
{
    bearer_session_store_t store = { 0 };

    store.seal = unit_seal(w->p, "one", "session");
    store.cache = cache;
    store.world = &w->world;
    store.server = UNIT_SERVER;
    store.in_cookie = in_cookie;
    store.max = apr_time_from_sec(8 * 3600);
    store.idle = apr_time_from_sec(1800);
    return store;
}

/** What a session of ann keeps. */
static inline json_t *unit_session_body(apr_pool_t *p)
{
    json_t *body = json_pack("{s:s,s:{s:s,s:s}}", "client", "app", "claims", "sub",
                             "ann", "sid", "s1");

    bearer_json_tie(body, p);
    return body;
}
