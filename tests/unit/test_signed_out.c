/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Access tokens of signed-out sessions: nothing displaces an entry. */
#include "unit.h"

#include <string.h>

#include "base/sha256.h"
#include "state/signed_out.h"

#define NOW apr_time_from_sec(1767225600)
#define SECONDS(n) apr_time_from_sec(n)

static bearer_signed_out_t *table(apr_pool_t *p)
{
    return apr_pcalloc(p, sizeof(bearer_signed_out_t));
}

/* All of these use the same entries of the table. */
static const unsigned char *digest(int n)
{
    static unsigned char bytes[BEARER_SHA256_SIZE];

    memset(bytes, 7, sizeof(bytes));
    memcpy(bytes + 8, &n, sizeof(n));
    return bytes;
}

static void test_until_it_expires(void **state)
{
    bearer_signed_out_t *t = table(unit_pool(state));

    assert_false(bearer_signed_out_any(t, NOW));
    assert_false(bearer_signed_out_has(t, digest(1), NOW));
    assert_int_equal(bearer_signed_out_add(t, digest(1), NOW + SECONDS(10), NOW),
                     APR_SUCCESS);
    assert_true(bearer_signed_out_any(t, NOW));
    assert_true(bearer_signed_out_has(t, digest(1), NOW));
    assert_false(bearer_signed_out_has(t, digest(2), NOW));
    assert_true(bearer_signed_out_has(t, digest(1), NOW + SECONDS(10) - 1));
    assert_false(bearer_signed_out_has(t, digest(1), NOW + SECONDS(10)));
    assert_false(bearer_signed_out_any(t, NOW + SECONDS(10)));
}

static void test_nothing_is_displaced(void **state)
{
    bearer_signed_out_t *t = table(unit_pool(state));
    int i;

    for (i = 0; i < BEARER_SIGNED_OUT_WAYS; i++) {
        assert_int_equal(bearer_signed_out_add(t, digest(i), NOW + SECONDS(10 + i), NOW),
                         APR_SUCCESS);
    }
    assert_int_equal(bearer_signed_out_add(t, digest(i), NOW + SECONDS(99), NOW),
                     APR_ENOSPC);
    assert_false(bearer_signed_out_has(t, digest(i), NOW));
    for (i = 0; i < BEARER_SIGNED_OUT_WAYS; i++) {
        assert_true(bearer_signed_out_has(t, digest(i), NOW));
    }
    /* the place of an expired entry is free */
    assert_int_equal(bearer_signed_out_add(t, digest(i), NOW + SECONDS(99),
                                           NOW + SECONDS(10)), APR_SUCCESS);
    assert_true(bearer_signed_out_has(t, digest(i), NOW + SECONDS(10)));
    assert_true(bearer_signed_out_has(t, digest(1), NOW + SECONDS(10)));
}

static void test_what_takes_no_room(void **state)
{
    bearer_signed_out_t *t = table(unit_pool(state));
    int i;

    for (i = 0; i < 2 * BEARER_SIGNED_OUT_WAYS; i++) {
        assert_int_equal(bearer_signed_out_add(t, digest(1), NOW + SECONDS(10), NOW),
                         APR_SUCCESS);   /* it is there */
        assert_int_equal(bearer_signed_out_add(t, digest(2), NOW, NOW),
                         APR_SUCCESS);   /* it has expired */
    }
    assert_false(bearer_signed_out_has(t, digest(2), NOW - 1));
    assert_int_equal(bearer_signed_out_add(t, digest(3), NOW + SECONDS(10), NOW),
                     APR_SUCCESS);
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_false(bearer_signed_out_any(NULL, NOW));
    assert_false(bearer_signed_out_has(NULL, digest(1), NOW));
    assert_int_equal(bearer_signed_out_add(NULL, digest(1), NOW + SECONDS(10), NOW),
                     APR_ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_until_it_expires), UNIT_TEST(test_nothing_is_displaced),
        UNIT_TEST(test_what_takes_no_room), UNIT_TEST(test_without_memory)
    };

    return UNIT_RUN("signed_out", tests);
}
