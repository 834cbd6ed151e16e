/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Letters and digits without 0: what is written, and what is not read. */
#include "unit.h"

#include "base/base61.h"

static const char allowed[] =
    "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static apr_status_t decode(const char *text, apr_pool_t *p)
{
    unsigned char *out;
    apr_size_t len;

    return bearer_base61_decode(&out, &len, text, strlen(text), p);
}

/* No firewall finds `--`, `0x`, a dot or a slash in it; every value returns. */
static void test_alphabet(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char bytes[64], *out;
    const char *text;
    apr_size_t len, n;
    unsigned i, k;

    for (i = 0; i < 4096; i++) {
        n = i % 65;
        for (k = 0; k < n; k++) {
            bytes[k] = (unsigned char)(i < 65 ? 0xff : i < 130 ? 0
                                       : i * (k + 7) ^ (i >> 3) ^ (k << 5));
        }
        text = bearer_base61_encode(p, bytes, n);
        assert_int_equal(strspn(text, allowed), strlen(text));
        assert_in_range(strlen(text), n, (n * 11 + 7) / 8 + 1);
        assert_int_equal(bearer_base61_decode(&out, &len, text, strlen(text), p), APR_SUCCESS);
        assert_int_equal(len, n);
        assert_memory_equal(out, bytes, n);
        assert_int_equal(out[n], 0);
    }
}

static void test_known(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_base61_encode(p, "", 0), "");
    assert_string_equal(bearer_base61_encode(p, "\0", 1), "11");
    assert_string_equal(bearer_base61_encode(p, "\xff", 1), "5C");
    assert_string_equal(bearer_base61_encode(p, "hello, world", 12),
                        "BYHhriMBfKM3E3ZEP");
}

/* One spelling for each value, and no other characters. */
static void test_other_spellings(void **state)
{
    static const char *const bad[] = {
        "1", "1111", "11111111", "111111111111",      /* no bytes are so long */
        "5D", "zz", "zzz", "zzzzz", "zzzzzzzzzzz",    /* more than the bytes hold */
        "01", "10", "-1", "1.", "1_", "1 ", "1\n", "1=", "1\xff", "\xc3\xa4",
        "1111111111111111111110"
    };
    apr_pool_t *p = unit_pool(state);
    unsigned char *out;
    apr_size_t len, i;
    unsigned n = 0;
    char pair[3] = { 0, 0, 0 };

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        UNIT_CHECK(decode(bad[i], p) == APR_EINVAL, "%s", bad[i]);
    }
    assert_int_equal(bearer_base61_decode(&out, &len, "1\0", 2, p), APR_EINVAL);
    assert_null(out);
    assert_int_equal(len, 0);
    for (i = 0; i < 61 * 61; i++) {
        pair[0] = allowed[i / 61];
        pair[1] = allowed[i % 61];
        n += decode(pair, p) == APR_SUCCESS;
    }
    assert_int_equal(n, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_alphabet), UNIT_TEST(test_known), UNIT_TEST(test_other_spellings),
    };

    return UNIT_RUN("base61", tests);
}
