/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Signed-out access tokens, told to other hosts by a cache that they share. */
#include "unit_session.h"

#include "login/session_signed_out.h"

#define UNTIL(f) ((f)->w->now + apr_time_from_sec(3600))

typedef struct fixture_t {
    apr_pool_t *p;
    unit_world_t *w;
    unit_cache_t *cache;
    bearer_session_store_t store;
    bearer_signed_out_t *here, *there;   /**< two hosts */
} fixture_t;

static apr_status_t add(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;
    apr_status_t rv = cache->get(cache, key, &value, &len, p);

    return rv == APR_SUCCESS ? APR_EEXIST
         : rv != APR_NOTFOUND ? rv
         : cache->put(cache, key, entry->value, entry->len, entry->expires, p);
}

static fixture_t *fixture(apr_pool_t *p)
{
    fixture_t *f = apr_pcalloc(p, sizeof(*f));

    f->p = p;
    f->w = unit_world(p);
    f->cache = unit_cache(f->w);
    f->cache->cache.add = add;
    f->cache->cache.get_many = unit_cache_get_many;
    f->store = unit_store(f->w, &f->cache->cache, 0);
    f->here = apr_pcalloc(p, sizeof(*f->here));
    f->there = apr_pcalloc(p, sizeof(*f->there));
    return f;
}

static const unsigned char *digest(int n)
{
    static unsigned char bytes[BEARER_SHA256_SIZE];

    memset(bytes, 1, sizeof(bytes));
    memcpy(bytes, &n, sizeof(n));
    return bytes;
}

static void announce(fixture_t *f, int n)
{
    assert_int_equal(bearer_session_announce(&f->store, f->here, digest(n), UNTIL(f), f->p),
                     APR_SUCCESS);
}

static void hear(fixture_t *f)
{
    assert_int_equal(bearer_session_hear(f->there, &f->store, f->p), APR_SUCCESS);
}

static int knows(fixture_t *f, int n)
{
    return bearer_signed_out_has(f->there, digest(n), f->w->now);
}

static void test_another_host_learns_of_it(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    int n;

    hear(f);
    for (n = 0; n < 5; n++) {
        announce(f, n);
        announce(f, 100 + n);
        assert_false(knows(f, n));
        hear(f);
        assert_true(knows(f, n) && knows(f, 100 + n));
        f->w->now += apr_time_from_sec(25);
    }
    f->w->now += apr_time_from_sec(3600);
    assert_false(knows(f, 0));
}

static void test_a_host_that_starts_reads_all(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    int n;

    for (n = 0; n < 40; n++) {
        announce(f, n);
        f->w->now += apr_time_from_sec(n % 3 ? 0 : 150);
    }
    hear(f);
    for (n = 0; n < 40; n++) {
        UNIT_CHECK(knows(f, n), "%d", n);
    }
    /* from then on: three minutes, in one request */
    f->cache->manys = 0;
    hear(f);
    assert_int_equal(f->cache->manys, 1);
}

/* A host whose clock is a minute ahead, or behind. */
static void test_clocks(void **state)
{
    fixture_t *f = fixture(unit_pool(state));

    hear(f);
    f->w->now += apr_time_from_sec(60);
    announce(f, 1);
    f->w->now -= apr_time_from_sec(120);
    announce(f, 2);
    f->w->now += apr_time_from_sec(60);
    hear(f);
    assert_true(knows(f, 1) && knows(f, 2));
}

/* A request that announces while another process of its host has read, and is about to
 * say how far: an entry after a gap would never be read. */
static void test_announcing_between_two_minutes(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    int n;

    for (n = 0; n < 3; n++) {
        announce(f, n);
    }
    assert_int_equal(bearer_session_hear(f->here, &f->store, f->p), APR_SUCCESS);
    f->w->now += apr_time_from_sec(60);
    atomic_fetch_add(&f->here->minute, 1);
    announce(f, 3);
    hear(f);
    assert_true(knows(f, 2) && knows(f, 3));
}

static void test_a_cache_that_was_away(void **state)
{
    fixture_t *f = fixture(unit_pool(state));

    hear(f);
    announce(f, 1);
    f->cache->down = 1;
    assert_int_equal(bearer_session_hear(f->there, &f->store, f->p), APR_EGENERAL);
    assert_int_equal(bearer_session_announce(&f->store, f->here, digest(2), UNTIL(f), f->p),
                     APR_EGENERAL);
    f->w->now += apr_time_from_sec(1000);
    f->cache->down = 0;
    hear(f);
    assert_true(knows(f, 1));
}

static void test_which_caches(void **state)
{
    fixture_t *f = fixture(unit_pool(state));

    assert_true(bearer_session_has_hosts(&f->store));
    f->cache->cache.is_own = 1;
    assert_false(bearer_session_has_hosts(&f->store));
    f->cache->cache.is_own = 0;
    f->cache->cache.add = NULL;
    assert_false(bearer_session_has_hosts(&f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_another_host_learns_of_it),
        UNIT_TEST(test_a_host_that_starts_reads_all), UNIT_TEST(test_clocks),
        UNIT_TEST(test_announcing_between_two_minutes),
        UNIT_TEST(test_a_cache_that_was_away), UNIT_TEST(test_which_caches)
    };

    return UNIT_RUN("session_signed_out", tests);
}
