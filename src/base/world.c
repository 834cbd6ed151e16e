/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Helpers for bearer_world_t, and defaults for missing parts. Thread-safe if the
 * world's functions are.
 */
#include "base/world.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include <openssl/rand.h>

#define LOG_LINE_MAX 1024

void bearer_world_log(const bearer_world_t *world, bearer_log_level_t level,
                      const char *fmt, ...)
{
    char line[LOG_LINE_MAX + 1];
    va_list args;
    int n;

    if (!world || !world->log) {
        return;
    }
    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    bearer_message_tame(line);  /* a line feed could forge a log line */
    world->log(world->log_baton, level, line);
}

int bearer_world_is_due(_Atomic apr_time_t *last, apr_time_t now)
{
    apr_time_t seen = atomic_load(last);

    return (!seen || now - seen >= apr_time_from_sec(60) || now < seen)
        && atomic_compare_exchange_strong(last, &seen, now);
}

apr_time_t bearer_world_now(const bearer_world_t *world)
{
    return world && world->now ? world->now(world->now_baton) : apr_time_now();
}

apr_status_t bearer_world_random(const bearer_world_t *world,
                                 unsigned char *bytes, apr_size_t len)
{
    if (world && world->random) {
        return world->random(world->random_baton, bytes, len);
    }
    if (len > INT_MAX) {
        return APR_EGENERAL;
    }
    return RAND_bytes(bytes, (int)len) == 1 ? APR_SUCCESS : APR_EGENERAL;
}

void bearer_world_event(const bearer_world_t *world, bearer_event_t event,
                        int issuer, apr_interval_time_t elapsed)
{
    if (world && world->event) {
        world->event(world->event_baton, event, issuer, elapsed);
    }
}

void bearer_world_count(const bearer_world_t *world, bearer_event_t event)
{
    bearer_world_event(world, event, -1, 0);
}

void bearer_cache_await(const bearer_cache_t *cache, const unsigned char *key,
                        apr_interval_time_t longest)
{
    if (longest > 0 && cache->await) {
        cache->await(cache, key, longest);
    } else if (longest > 0) {
        apr_sleep(longest < BEARER_AWAIT_STEP ? longest : BEARER_AWAIT_STEP);
    }
}

apr_status_t bearer_cache_lease(const bearer_cache_t *cache, const unsigned char *key,
                                apr_time_t until, apr_pool_t *p)
{
    return cache && cache->lease && cache->lease(cache, key, until, p) == APR_EBUSY
        ? APR_EBUSY : APR_SUCCESS;
}

void bearer_cache_unlease(const bearer_cache_t *cache, const unsigned char *key,
                          apr_pool_t *p)
{
    if (cache && cache->unlease) {
        cache->unlease(cache, key, p);
    }
}
