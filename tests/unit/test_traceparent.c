/* Licensed under the Apache License, Version 2.0; see LICENSE. */
#include "unit.h"

#include "base/traceparent.h"

#define IDS "-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"

static void test_passed_on(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_traceparent("00" IDS "01", p), "00" IDS "01");
    assert_string_equal(bearer_traceparent("cc" IDS "ff", p), "cc" IDS "ff");
    /* a later version may say more; it is not passed on */
    assert_string_equal(bearer_traceparent("cc" IDS "01-more", p),
                        "cc" IDS "01");
}

static void test_not_passed_on(void **state)
{
    static const char *const bad[] = {
        "", "x", "00" IDS "0", "00" IDS "01-more", "00" IDS "01x",
        "cc" IDS "01.more", "ff" IDS "01", "0g" IDS "01", "AA" IDS "01",
        "00" IDS "0G", "00 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    assert_null(bearer_traceparent(NULL, p));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bearer_traceparent(bad[i], p)) {
            fail_msg("passed on: %s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_passed_on),
        UNIT_TEST(test_not_passed_on),
    };

    return UNIT_RUN("traceparent", tests);
}
