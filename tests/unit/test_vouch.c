/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Digests of tokens that were verified. */
#include "unit.h"

#include "state/vouch.h"

static bearer_vouched_t *table(apr_pool_t *p)
{
    return apr_pcalloc(p, sizeof(bearer_vouched_t));
}

/* The nth digest of a set. */
static apr_uint64_t in_set(apr_uint64_t set, apr_uint64_t n)
{
    return set + ((n + 1) << 40) + (n << 32);
}

static void test_entered_and_ended(void **state)
{
    bearer_vouched_t *t = table(unit_pool(state));

    assert_false(bearer_vouched(t, 7));
    bearer_vouch(t, 7);
    bearer_vouch(t, 7);
    assert_true(bearer_vouched(t, 7));
    assert_false(bearer_vouched(t, 7 + BEARER_VOUCH_SETS));
    bearer_vouch_end(t, 8);
    assert_true(bearer_vouched(t, 7));
    bearer_vouch_end(t, 7);
    assert_false(bearer_vouched(t, 7));
}

/* What is no token is never there, and neither is anything without a table. */
static void test_nothing(void **state)
{
    bearer_vouched_t *t = table(unit_pool(state));

    bearer_vouch(t, 0);
    assert_false(bearer_vouched(t, 0));
    bearer_vouch_end(t, 0);
    bearer_vouch(NULL, 7);
    assert_false(bearer_vouched(NULL, 7));
    bearer_vouch_end(NULL, 7);
}

/* A set holds so many; a newer one takes the place of one of them. */
static void test_bounded(void **state)
{
    bearer_vouched_t *t = table(unit_pool(state));
    int held = 0;
    apr_uint64_t i;

    for (i = 0; i < BEARER_VOUCH_WAYS; i++) {
        bearer_vouch(t, in_set(5, i));
    }
    for (i = 0; i < BEARER_VOUCH_WAYS; i++) {
        assert_true(bearer_vouched(t, in_set(5, i)));
    }
    bearer_vouch(t, in_set(5, 100));
    assert_true(bearer_vouched(t, in_set(5, 100)));
    for (i = 0; i < BEARER_VOUCH_WAYS; i++) {
        held += bearer_vouched(t, in_set(5, i));
    }
    assert_int_equal(held, BEARER_VOUCH_WAYS - 1);
    bearer_vouch_end(t, in_set(5, 100));
    bearer_vouch(t, in_set(5, 101));    /* a place that is free is taken first */
    for (held = 0, i = 0; i < BEARER_VOUCH_WAYS; i++) {
        held += bearer_vouched(t, in_set(5, i));
    }
    assert_int_equal(held, BEARER_VOUCH_WAYS - 1);
}

/* What stands beside a set is not in it. */
static void test_neighbours(void **state)
{
    bearer_vouched_t *t = table(unit_pool(state));

    atomic_store(&t->digests[6][0], in_set(5, 0));
    assert_false(bearer_vouched(t, in_set(5, 0)));
    atomic_store(&t->digests[5][BEARER_VOUCH_WAYS - 1], in_set(5, 0));
    assert_true(bearer_vouched(t, in_set(5, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_entered_and_ended), UNIT_TEST(test_nothing),
        UNIT_TEST(test_bounded),
        UNIT_TEST(test_neighbours),
    };

    return UNIT_RUN("vouch", tests);
}
