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

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_a_log_line_is_one_line_of_at_most_1024_bytes),
        UNIT_TEST(test_a_world_without_parts_works),
        UNIT_TEST(test_the_given_parts_are_used),
    };

    return UNIT_RUN("world", tests);
}
