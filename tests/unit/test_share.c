/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* How often each of many names does something per period. */
#include "unit.h"

#include "base/text.h"
#include "state/share.h"

#define T0 apr_time_from_sec(1767225600)
#define MOST 100u
#define PERIOD apr_time_from_sec(60)

static const bearer_share_limit_t limit = { MOST, PERIOD };

static unsigned char *name_of(unsigned char *name, unsigned n)
{
    bearer_text_sha256(&n, sizeof(n), name);
    return name;
}

/* How often of n times, at that time. */
static unsigned use(bearer_share_t *share, unsigned who, unsigned n, apr_time_t now)
{
    unsigned char name[32];
    unsigned done = 0;

    for (name_of(name, who); n; n--) {
        if (bearer_share_has(share, name, &limit, now)) {
            bearer_share_use(share, name, &limit, now);
            done++;
        }
    }
    return done;
}

static bearer_share_t *made(void **state)
{
    return apr_pcalloc(unit_pool(state), sizeof(bearer_share_t));
}

static void test_at_once(void **state)
{
    bearer_share_t *share = made(state);

    assert_int_equal(use(share, 1, 1000, T0), MOST);
    assert_int_equal(use(share, 2, 1000, T0), MOST);
    assert_int_equal(use(share, 1, 1000, T0 + PERIOD / 2), MOST / 2);
    assert_int_equal(use(share, 1, 1000, T0 + 3 * PERIOD), MOST);
    /* to ask is not to use */
    assert_int_equal(use(share, 3, 0, T0), 0);
    assert_int_equal(use(share, 3, 1000, T0), MOST);
}

/* Who stays within the limit is never refused, however unevenly; who does not has at most
 * twice as many in any period. */
static void test_any_period(void **state)
{
    bearer_share_t *share = made(state);
    unsigned round, in_period;
    apr_time_t now = T0;

    for (round = 0; round < 50; round++) {
        assert_int_equal(use(share, 1, MOST - 30, now), MOST - 30);
        now += PERIOD / 3 * 2;
        assert_int_equal(use(share, 1, 30, now), 30);
        now += PERIOD / 3;
    }
    for (round = in_period = 0; round < 60; round++) {
        in_period += use(share, 2, 1000, now);
        now += PERIOD / 60;
    }
    assert_in_range(in_period, MOST, 2 * MOST);
}

/* Busy names all around: nobody else is refused. */
static void test_others(void **state)
{
    bearer_share_t *share = made(state);
    unsigned i;

    for (i = 0; i < 64; i++) {
        assert_int_equal(use(share, 1000 + i, 1000, T0), MOST);
    }
    for (i = 0; i < 2000; i++) {
        assert_int_equal(use(share, 10000 + i, 1, T0), 1);
    }
}

/* A word that many have used counts no less than before. */
static void test_more_than_can_be_counted(void **state)
{
    bearer_share_t *share = made(state);
    unsigned char name[32];
    unsigned i;

    for (i = 0; i < 10 * MOST; i++) {
        bearer_share_use(share, name_of(name, 1), &limit, T0);
        assert_int_equal(bearer_share_has(share, name, &limit, T0), i + 1 < MOST);
    }
    assert_int_equal(bearer_share_has(share, name, &limit, T0 + PERIOD), 0);
    assert_int_equal(bearer_share_has(share, name, &limit, T0 + 2 * PERIOD), 1);
}

static void test_clock_set_back(void **state)
{
    bearer_share_t *share = made(state);

    assert_int_equal(use(share, 1, 1000, T0 + 100 * PERIOD), MOST);
    assert_int_equal(use(share, 1, 1000, T0), MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_at_once),
        UNIT_TEST(test_any_period),
        UNIT_TEST(test_others),
        UNIT_TEST(test_more_than_can_be_counted),
        UNIT_TEST(test_clock_set_back),
    };
    return UNIT_RUN("share", tests);
}
