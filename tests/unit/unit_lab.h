/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_lab.h
 * A laboratory for what fetches: a scripted issuer, a cache that several
 * "processes" share, a clock and a log that many threads may use.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "unit_http.h"

#include "trust/issuer.h"

#define LAB_ENTRIES 64
#define LAB_LINES 256

typedef struct lab_entry_t {
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    unsigned char *value;       /* malloc'd; NULL: free */
    apr_size_t len;
    apr_time_t expires;
} lab_entry_t;

typedef struct lab_t {
    bearer_world_t world;
    unit_http_t *http;
    bearer_settings_t settings;
    bearer_issuer_t issuer;
    bearer_issuer_access_t access;
    _Atomic apr_time_t now;
    bearer_cache_t cache;
    pthread_mutex_t mutex;      /* for all below */
    lab_entry_t entries[LAB_ENTRIES];
    int cache_down;
    int gets, puts;
    unsigned char lease[BEARER_CACHE_KEY_SIZE];
    apr_time_t lease_until;     /* 0: nobody holds it */
    char *lines[LAB_LINES];     /* malloc'd */
    int line_count;
    unsigned random;
} lab_t;

#define SECONDS(n) apr_time_from_sec(n)

/* ---- the world --------------------------------------------------------- */

static inline void lab_log(void *baton, bearer_log_level_t level,
                           const char *message)
{
    lab_t *lab = baton;

    (void)level;
    pthread_mutex_lock(&lab->mutex);
    if (lab->line_count < LAB_LINES) {
        lab->lines[lab->line_count++] = strdup(message);
    }
    pthread_mutex_unlock(&lab->mutex);
}

static inline apr_time_t lab_now(void *baton)
{
    return atomic_load(&((lab_t *)baton)->now);
}

static inline apr_status_t lab_random(void *baton, unsigned char *bytes,
                                      apr_size_t len)
{
    lab_t *lab = baton;

    pthread_mutex_lock(&lab->mutex);
    while (len--) {
        lab->random = lab->random * 1103515245u + 12345u;
        *bytes++ = (unsigned char)(lab->random >> 16);
    }
    pthread_mutex_unlock(&lab->mutex);
    return APR_SUCCESS;
}

static inline void lab_pass(lab_t *lab, apr_interval_time_t t)
{
    atomic_fetch_add(&lab->now, t);
}

/** How many log lines contain part. */
static inline int lab_logged(lab_t *lab, const char *part)
{
    int i, n = 0;

    pthread_mutex_lock(&lab->mutex);
    for (i = 0; i < lab->line_count; i++) {
        n += unit_contains(lab->lines[i], part);
    }
    pthread_mutex_unlock(&lab->mutex);
    return n;
}

static inline void lab_forget_log(lab_t *lab)
{
    while (lab->line_count) {
        free(lab->lines[--lab->line_count]);
    }
}

/* ---- the cache --------------------------------------------------------- */

static inline lab_entry_t *lab_find(lab_t *lab, const unsigned char *key)
{
    int i;

    for (i = 0; i < LAB_ENTRIES; i++) {
        if (lab->entries[i].value
            && memcmp(lab->entries[i].key, key, BEARER_CACHE_KEY_SIZE) == 0) {
            return &lab->entries[i];
        }
    }
    return NULL;
}

static inline apr_status_t lab_get(const bearer_cache_t *cache,
                                   const unsigned char *key,
                                   unsigned char **value, apr_size_t *len,
                                   apr_pool_t *p)
{
    lab_t *lab = cache->baton;
    apr_status_t rv = APR_NOTFOUND;
    lab_entry_t *e;

    pthread_mutex_lock(&lab->mutex);
    lab->gets++;
    e = lab->cache_down ? NULL : lab_find(lab, key);
    if (e && e->expires > atomic_load(&lab->now)) {
        *value = apr_pmemdup(p, e->value, e->len);
        *len = e->len;
        rv = APR_SUCCESS;
    }
    pthread_mutex_unlock(&lab->mutex);
    return rv;
}

static inline apr_status_t lab_put(const bearer_cache_t *cache,
                                   const unsigned char *key,
                                   const unsigned char *value, apr_size_t len,
                                   apr_time_t expires, apr_pool_t *p)
{
    lab_t *lab = cache->baton;
    lab_entry_t *e;
    int i;

    (void)p;
    pthread_mutex_lock(&lab->mutex);
    lab->puts++;
    if (lab->cache_down) {
        pthread_mutex_unlock(&lab->mutex);
        return APR_EGENERAL;
    }
    e = lab_find(lab, key);
    for (i = 0; !e && i < LAB_ENTRIES; i++) {
        e = lab->entries[i].value ? NULL : &lab->entries[i];
    }
    assert_non_null(e);
    free(e->value);
    e->value = malloc(len);
    memcpy(e->value, value, len);
    memcpy(e->key, key, BEARER_CACHE_KEY_SIZE);
    e->len = len;
    e->expires = expires;
    pthread_mutex_unlock(&lab->mutex);
    return APR_SUCCESS;
}

static inline void lab_empty_cache(lab_t *lab)
{
    int i;

    for (i = 0; i < LAB_ENTRIES; i++) {
        free(lab->entries[i].value);
        lab->entries[i].value = NULL;
    }
}

static inline apr_status_t lab_lease(const bearer_cache_t *cache,
                                     const unsigned char *key, apr_time_t until,
                                     apr_pool_t *p)
{
    lab_t *lab = cache->baton;
    apr_status_t rv = APR_EBUSY;

    (void)p;
    pthread_mutex_lock(&lab->mutex);
    if (lab->lease_until <= atomic_load(&lab->now)
        || memcmp(lab->lease, key, sizeof(lab->lease)) != 0) {
        memcpy(lab->lease, key, sizeof(lab->lease));
        lab->lease_until = until;
        rv = APR_SUCCESS;
    }
    pthread_mutex_unlock(&lab->mutex);
    return rv;
}

static inline void lab_unlease(const bearer_cache_t *cache,
                               const unsigned char *key, apr_pool_t *p)
{
    lab_t *lab = cache->baton;

    (void)p;
    pthread_mutex_lock(&lab->mutex);
    if (memcmp(lab->lease, key, sizeof(lab->lease)) == 0) {
        lab->lease_until = 0;
    }
    pthread_mutex_unlock(&lab->mutex);
}

/* ---- the laboratory ---------------------------------------------------- */

static inline apr_status_t lab_close(void *baton)
{
    lab_t *lab = baton;

    lab_forget_log(lab);
    lab_empty_cache(lab);
    return APR_SUCCESS;
}

/** An issuer with a keys URL, default settings, a short total timeout
 *  (waits are by the real clock), and no shared cache until world.keys_cache is
 *  set to &lab->cache. */
static inline lab_t *lab_open(apr_pool_t *p)
{
    lab_t *lab = apr_pcalloc(p, sizeof(*lab));

    pthread_mutex_init(&lab->mutex, NULL);
    lab->http = unit_http(p);
    atomic_init(&lab->now, SECONDS(1767225600));
    lab->world.log = lab_log;
    lab->world.log_baton = lab;
    lab->world.now = lab_now;
    lab->world.now_baton = lab;
    lab->world.random = lab_random;
    lab->world.random_baton = lab;
    lab->world.http = &lab->http->client;
    lab->cache.get = lab_get;
    lab->cache.put = lab_put;
    lab->cache.lease = lab_lease;
    lab->cache.unlease = lab_unlease;
    lab->cache.baton = lab;
    lab->settings.timeout.connect = apr_time_from_msec(100);
    lab->settings.timeout.total = apr_time_from_msec(200);
    lab->settings.keys_refresh.min = SECONDS(60);
    lab->settings.keys_refresh.max = SECONDS(86400);
    lab->settings.keys_refresh.stale = SECONDS(86400);
    lab->issuer.url = lab->issuer.name = "https://idp.example.com/";
    lab->issuer.keys[0].kind = BEARER_SOURCE_URL;
    lab->issuer.keys[0].value = "https://idp.example.com/keys";
    lab->issuer.introspection.kind = BEARER_SOURCE_OFF;
    lab->access.issuer = &lab->issuer;
    lab->access.settings = &lab->settings;
    lab->access.world = &lab->world;
    apr_pool_cleanup_register(p, lab, lab_close, apr_pool_cleanup_null);
    return lab;
}

/* ---- a gate ------------------------------------------------------------ */

/** From now on so many threads may wait. */
static inline void lab_gate(lab_t *lab, int places, apr_pool_t *p)
{
    bearer_gate_config_t config = { 0 };

    config.world = &lab->world;
    config.own_limit = places;
    config.parties = 1;
    assert_int_equal(bearer_gate_create(&lab->world.gate, &config, p),
                     APR_SUCCESS);
}

/** Another thread that has taken a place, the last one or the only one. */
typedef struct unit_full_t {
    bearer_gate_t *gate;
    pthread_t thread;
    atomic_int in, leave;
} unit_full_t;

static inline void *unit_full_hold(void *full_)
{
    unit_full_t *full = full_;
    bearer_ticket_t ticket;

    atomic_store(&full->in, bearer_gate_enter(&ticket, full->gate, 0, SECONDS(60))
                            ? 2 : 1);
    while (!atomic_load(&full->leave)) {
        apr_sleep(500);
    }
    bearer_gate_leave(&ticket);
    return NULL;
}

static inline void unit_full(unit_full_t *full, bearer_gate_t *gate)
{
    memset(full, 0, sizeof(*full));
    full->gate = gate;
    assert_int_equal(pthread_create(&full->thread, NULL, unit_full_hold, full), 0);
    while (!atomic_load(&full->in)) {
        apr_sleep(500);
    }
    assert_int_equal(atomic_load(&full->in), 1);
}

static inline void unit_not_full(unit_full_t *full)
{
    atomic_store(&full->leave, 1);
    pthread_join(full->thread, NULL);
}
