/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Logging through a world, and what stands in for a missing part of it. */
#include "unit.h"

static void test_a_log_line_is_one_line_of_at_most_1024_bytes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    char *big = apr_palloc(p, 5001);

    bearer_world_log(&w->world, BEARER_LOG_INFO, "key %d of %s", 3,
                     "a\nAug 1 forged");
    assert_int_equal(unit_world_logged(w, "key 3 of a?Aug 1 forged"), 1);
    memset(big, 'y', 5000);
    big[5000] = '\0';
    bearer_world_log(&w->world, BEARER_LOG_ERROR, "%s", big);
    assert_int_equal(w->lines->nelts, 2);
    assert_int_equal(strlen(APR_ARRAY_IDX(w->lines, 1, const char *)), 1024);
}

static void test_a_world_without_parts_works(void **state)
{
    bearer_world_t nothing;
    unsigned char a[32] = { 0 }, b[32] = { 0 };
    apr_time_t before = apr_time_now();

    (void)state;
    memset(&nothing, 0, sizeof(nothing));
    bearer_world_log(&nothing, BEARER_LOG_ERROR, "to nobody");
    bearer_world_log(NULL, BEARER_LOG_ERROR, "to nobody");
    assert_true(bearer_world_now(&nothing) >= before);
    assert_int_equal(bearer_world_random(&nothing, a, sizeof(a)), APR_SUCCESS);
    assert_int_equal(bearer_world_random(NULL, b, sizeof(b)), APR_SUCCESS);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void test_the_given_parts_are_used(void **state)
{
    unit_world_t *w = unit_world(unit_pool(state));
    unsigned char bytes[3];

    w->now = 42;
    w->next_random = 7;
    assert_int_equal(bearer_world_now(&w->world), 42);
    assert_int_equal(bearer_world_random(&w->world, bytes, 3), APR_SUCCESS);
    assert_memory_equal(bytes, "\x07\x08\x09", 3);
}

/* Every byte that a terminal or a log reader could take for something else. */
static void test_control_characters(void **state)
{
    unit_world_t *w = unit_world(unit_pool(state));
    int c;

    for (c = 1; c < 256; c++) {
        const char *line;

        bearer_world_log(&w->world, BEARER_LOG_INFO, "a%cb", c);
        line = APR_ARRAY_IDX(w->lines, c - 1, const char *);
        assert_int_equal(strlen(line), 3);
        UNIT_CHECK((unsigned char)line[1] == unit_tame(c), "%d", c);
    }
}

/* The number as it is written, and what is behind it. */
static void test_numbers_of_messages(void **state)
{
    static const struct {
        const char *message;
        int number;
        const char *text;
    } cases[] = {
        { "AB0711: x", 711, "x" },     { "AB9203: ", 9203, "" },
        { "AB071: x", 0, "AB071: x" }, { "AB07111: x", 0, "AB07111: x" },
        { "AB0711 x", 0, "AB0711 x" }, { "AH0711: x", 0, "AH0711: x" },
        { "AB07x1: x", 0, "AB07x1: x" }, { "AB", 0, "AB" }, { "", 0, "" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        int number = bearer_message_number(cases[i].message);

        UNIT_CHECK(number == cases[i].number, "%s: %d", cases[i].message, number);
        assert_string_equal(bearer_message_text(cases[i].message), cases[i].text);
    }
    assert_int_equal(bearer_message_number(NULL), 0);
}

typedef struct spy_t {
    bearer_event_t event;
    int issuer, n;
    apr_interval_time_t elapsed;
} spy_t;

static void note(void *baton, bearer_event_t event, int issuer,
                 apr_interval_time_t elapsed)
{
    spy_t *spy = baton;

    spy->event = event;
    spy->issuer = issuer;
    spy->elapsed = elapsed;
    spy->n++;
}

static void test_events(void **state)
{
    unit_world_t *w = unit_world(unit_pool(state));
    spy_t spy = { BEARER_EVENTS, 0, 0, 0 };

    bearer_world_event(NULL, BEARER_EVENT_FETCHED, 1, 2);
    bearer_world_event(&w->world, BEARER_EVENT_FETCHED, 1, 2);
    w->world.event = note;
    w->world.event_baton = &spy;
    bearer_world_event(&w->world, BEARER_EVENT_INTROSPECTED, 3, 4);
    assert_int_equal(spy.n, 1);
    assert_int_equal(spy.event, BEARER_EVENT_INTROSPECTED);
    assert_int_equal(spy.issuer, 3);
    assert_int_equal(spy.elapsed, 4);
}

static void own_await(const bearer_cache_t *cache, const unsigned char *key,
                      apr_interval_time_t longest)
{
    (void)key;
    *(apr_interval_time_t *)cache->baton = longest;
}

/* With a cache that cannot wake anybody, in steps; not at all without time. */
static void test_await(void **state)
{
    static const unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_interval_time_t waited = 0;
    bearer_cache_t cache = { .await = own_await, .baton = &waited };
    apr_time_t begun = apr_time_now();

    (void)state;
    bearer_cache_await(&cache, key, 0);
    assert_int_equal(waited, 0);
    bearer_cache_await(&cache, key, 77);
    assert_int_equal(waited, 77);
    cache.await = NULL;
    bearer_cache_await(&cache, key, 0);
    bearer_cache_await(&cache, key, -1);
    bearer_cache_await(&cache, key, 2000);
    assert_true(apr_time_now() - begun >= 2000);
    begun = apr_time_now();
    bearer_cache_await(&cache, key, apr_time_from_sec(1000));
    assert_true(apr_time_now() - begun >= BEARER_AWAIT_STEP);
    assert_true(apr_time_now() - begun < apr_time_from_sec(100));
}

static void test_a_line_is_due_once_a_minute(void **state)
{
    const apr_time_t now = apr_time_from_sec(1700000000);
    _Atomic apr_time_t last = 0;

    (void)state;
    assert_true(bearer_world_is_due(&last, 10));   /* a clock that begins at 0 */
    assert_true(bearer_world_is_due(&last, now));
    assert_false(bearer_world_is_due(&last, now));
    assert_false(bearer_world_is_due(&last, now + apr_time_from_sec(60) - 1));
    assert_true(bearer_world_is_due(&last, now + apr_time_from_sec(60)));
    assert_true(bearer_world_is_due(&last, now)); /* the clock was set back */
    assert_false(bearer_world_is_due(&last, now));
}

static void test_leases(void **state)
{
    static const unsigned char key[BEARER_CACHE_KEY_SIZE] = { 0 };
    const bearer_cache_t without = { 0 };
    apr_pool_t *p = unit_pool(state);

    assert_int_equal(bearer_cache_lease(NULL, key, 1, p), APR_SUCCESS);
    assert_int_equal(bearer_cache_lease(&without, key, 1, p), APR_SUCCESS);
    bearer_cache_unlease(NULL, key, p);
    bearer_cache_unlease(&without, key, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_a_log_line_is_one_line_of_at_most_1024_bytes),
        UNIT_TEST(test_a_world_without_parts_works),
        UNIT_TEST(test_the_given_parts_are_used),
        UNIT_TEST(test_control_characters),
        UNIT_TEST(test_numbers_of_messages),
        UNIT_TEST(test_events),
        UNIT_TEST(test_await),
        UNIT_TEST(test_a_line_is_due_once_a_minute),
        UNIT_TEST(test_leases),
    };

    return UNIT_RUN("world", tests);
}
