/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The cache in one process's memory.
 */
#include "unit.h"

#include "base/localcache.h"

static const unsigned char *key_of(apr_pool_t *p, int n)
{
    unsigned char *key = apr_pcalloc(p, BEARER_CACHE_KEY_SIZE);

    bearer_text_sha256(&n, sizeof(n), key);
    return key;
}

static apr_status_t put(const bearer_cache_t *cache, apr_pool_t *p, int n,
                        const char *value, apr_time_t expires)
{
    return cache->put(cache, key_of(p, n), (const unsigned char *)value,
                      strlen(value), expires, p);
}

static const char *get(const bearer_cache_t *cache, apr_pool_t *p, int n)
{
    unsigned char *value;
    apr_size_t len;

    return cache->get(cache, key_of(p, n), &value, &len, p) == APR_SUCCESS
               ? apr_pstrmemdup(p, (char *)value, len) : NULL;
}

/* A cache that is off is nothing at all. */
static void test_off(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_cache_t *cache;

    assert_int_equal(bearer_localcache_create(&cache, 0, 100,
                                              &unit_world(p)->world, p),
                     APR_SUCCESS);
    assert_null(cache);
}

static void test_life(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const bearer_cache_t *cache;

    bearer_localcache_create(&cache, 8, 10, &w->world, p);
    assert_null(get(cache, p, 1));
    assert_int_equal(put(cache, p, 1, "one", w->now + 10), APR_SUCCESS);
    assert_string_equal(get(cache, p, 1), "one");
    assert_int_equal(put(cache, p, 1, "another", w->now + 10), APR_SUCCESS);
    assert_string_equal(get(cache, p, 1), "another");
    w->now += 9;
    assert_string_equal(get(cache, p, 1), "another");
    w->now += 1;
    assert_null(get(cache, p, 1));
    assert_int_not_equal(put(cache, p, 1, "late", w->now), APR_SUCCESS);
    assert_int_equal(put(cache, p, 2, "two", w->now + 10), APR_SUCCESS);
    cache->remove(cache, key_of(p, 2), p);
    assert_null(get(cache, p, 2));
}

static void test_limits(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const bearer_cache_t *cache;
    int i, kept = 0;

    bearer_localcache_create(&cache, 8, 10, &w->world, p);
    assert_int_equal(put(cache, p, 1, "0123456789", w->now + 10), APR_SUCCESS);
    assert_int_not_equal(put(cache, p, 1, "0123456789a", w->now + 10),
                         APR_SUCCESS);
    assert_string_equal(get(cache, p, 1), "0123456789");
    for (i = 0; i < 1000; i++) {
        assert_int_equal(put(cache, p, i, "x", w->now + 1000 - i), APR_SUCCESS);
        assert_string_equal(get(cache, p, i), "x");
    }
    for (i = 0; i < 1000; i++) {
        kept += get(cache, p, i) != NULL;
    }
    assert_int_equal(kept, 8);
}

/* In a full set the one that expires first makes room. */
static void test_who_goes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const bearer_cache_t *cache;
    int i;

    bearer_localcache_create(&cache, 4, 10, &w->world, p);
    for (i = 0; i < 4; i++) {
        put(cache, p, i, "x", w->now + 100 + (i == 2 ? -50 : i));
    }
    put(cache, p, 4, "x", w->now + 100);
    assert_null(get(cache, p, 2));
    for (i = 0; i < 5; i++) {
        assert_true(i == 2 || get(cache, p, i) != NULL);
    }
}

/* However few entries are asked for, one has its place. */
static void test_few(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const bearer_cache_t *cache;
    unsigned n;

    for (n = 1; n < 20; n++) {
        assert_int_equal(bearer_localcache_create(&cache, n, 10, &w->world, p),
                         APR_SUCCESS);
        assert_int_equal(put(cache, p, 1, "one", w->now + 10), APR_SUCCESS);
        assert_string_equal(get(cache, p, 1), "one");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_off),
        UNIT_TEST(test_life),
        UNIT_TEST(test_limits),
        UNIT_TEST(test_who_goes),
        UNIT_TEST(test_few),
    };
    return UNIT_RUN("localcache", tests);
}
