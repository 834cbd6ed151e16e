/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A cache in one process's memory. See localcache.h.
 */
#include "base/localcache.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#define WAYS 4

typedef struct entry_t {
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_time_t expires;
    unsigned char *value;      /* malloc'd; NULL: free */
    apr_size_t len;
} entry_t;

typedef struct local_t {
    bearer_cache_t cache;      /* the interface for callers */
    const bearer_world_t *world;
    apr_thread_mutex_t *mutex;
    entry_t *entries;
    unsigned sets;
    apr_size_t max_value;
} local_t;

/* Keys are digests, so any of their bytes distribute them evenly. */
static entry_t *set_of(const local_t *local, const unsigned char *key)
{
    apr_uint32_t n;

    memcpy(&n, key, sizeof(n));
    return &local->entries[(apr_size_t)(n % local->sets) * WAYS];
}

static entry_t *find(const local_t *local, const unsigned char *key)
{
    entry_t *set = set_of(local, key);
    int i;

    for (i = 0; i < WAYS; i++) {
        if (set[i].value
            && memcmp(set[i].key, key, BEARER_CACHE_KEY_SIZE) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

static void drop(entry_t *entry)
{
    free(entry->value);
    entry->value = NULL;
}

/* Returns the key's own place, else a free one, else the one that expires first. */
static entry_t *place_for(const local_t *local, const unsigned char *key)
{
    entry_t *set = set_of(local, key), *place = find(local, key);
    int i;

    for (i = 0; !place && i < WAYS; i++) {
        place = set[i].value ? NULL : &set[i];
    }
    if (!place) {
        place = set;
        for (i = 1; i < WAYS; i++) {
            place = set[i].expires < place->expires ? &set[i] : place;
        }
    }
    return place;
}

static apr_status_t get(const bearer_cache_t *cache, const unsigned char *key,
                        unsigned char **value, apr_size_t *len, apr_pool_t *p)
{
    local_t *local = cache->baton;
    apr_time_t now = bearer_world_now(local->world);
    apr_status_t rv = APR_NOTFOUND;
    entry_t *entry;

    apr_thread_mutex_lock(local->mutex);
    entry = find(local, key);
    if (entry && entry->expires <= now) {
        drop(entry);
    } else if (entry) {
        *value = apr_pmemdup(p, entry->value, entry->len);
        *len = entry->len;
        rv = APR_SUCCESS;
    }
    apr_thread_mutex_unlock(local->mutex);
    return rv;
}

static apr_status_t put(const bearer_cache_t *cache, const unsigned char *key,
                        const unsigned char *value, apr_size_t len,
                        apr_time_t expires, apr_pool_t *p)
{
    local_t *local = cache->baton;
    unsigned char *copy;
    entry_t *entry;

    (void)p;
    if (!len || len > local->max_value
        || expires <= bearer_world_now(local->world)) {
        return APR_EINVAL;
    }
    copy = malloc(len);
    if (!copy) {
        return APR_ENOMEM;
    }
    memcpy(copy, value, len);
    apr_thread_mutex_lock(local->mutex);
    entry = place_for(local, key);
    drop(entry);
    memcpy(entry->key, key, BEARER_CACHE_KEY_SIZE);
    entry->value = copy;
    entry->len = len;
    entry->expires = expires;
    apr_thread_mutex_unlock(local->mutex);
    return APR_SUCCESS;
}

static apr_status_t take_out(const bearer_cache_t *cache,
                             const unsigned char *key, apr_pool_t *p)
{
    local_t *local = cache->baton;
    entry_t *entry;

    (void)p;
    apr_thread_mutex_lock(local->mutex);
    entry = find(local, key);
    if (entry) {
        drop(entry);
    }
    apr_thread_mutex_unlock(local->mutex);
    return APR_SUCCESS;
}

static apr_status_t release(void *baton)
{
    local_t *local = baton;
    unsigned i;

    for (i = 0; i < local->sets * WAYS; i++) {
        free(local->entries[i].value);
    }
    free(local->entries);
    return APR_SUCCESS;
}

apr_status_t bearer_localcache_create(const bearer_cache_t **cache,
                                      unsigned entries, apr_size_t max_value,
                                      const bearer_world_t *world,
                                      apr_pool_t *p)
{
    local_t *local;

    *cache = NULL;
    if (!entries) {
        return APR_SUCCESS;
    }
    local = apr_pcalloc(p, sizeof(*local));
    local->world = world;
    local->sets = (entries + WAYS - 1) / WAYS;
    local->max_value = max_value;
    local->entries = calloc((size_t)local->sets * WAYS, sizeof(entry_t));
    if (!local->entries) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, local, release, apr_pool_cleanup_null);
    local->cache.get = get;
    local->cache.put = put;
    local->cache.remove = take_out;
    local->cache.baton = local;
    *cache = &local->cache;
    return apr_thread_mutex_create(&local->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}
