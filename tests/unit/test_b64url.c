/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Strict base64url: one spelling for every text. */
#include "unit.h"

#include "base/b64url.h"

static apr_status_t decode(apr_pool_t *p, const char *in, apr_size_t len,
                           apr_size_t *out_len)
{
    unsigned char *out;

    return bearer_b64url_decode_p(&out, out_len, in, len, p);
}

/* RFC 4648 section 10, without padding. */
static void test_rfc4648_vectors(void **state)
{
    static const struct {
        const char *plain, *coded;
    } cases[] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "-__-" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        unsigned char *out;
        apr_size_t len;

        assert_string_equal(bearer_b64url_encode(p, cases[i].plain,
                                                 strlen(cases[i].plain)),
                            cases[i].coded);
        assert_int_equal(bearer_b64url_decode_p(&out, &len, cases[i].coded,
                                                strlen(cases[i].coded), p),
                         APR_SUCCESS);
        assert_int_equal(len, strlen(cases[i].plain));
        assert_string_equal((char *)out, cases[i].plain);
    }
}

static void test_every_byte_returns(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char bytes[256];
    apr_size_t n;

    for (n = 0; n < sizeof(bytes); n++) {
        unsigned char *out;
        apr_size_t len;
        const char *coded;

        bytes[n] = (unsigned char)(n * 7 + 3);
        coded = bearer_b64url_encode(p, bytes, n + 1);
        assert_int_equal(bearer_b64url_decode_p(&out, &len, coded,
                                                strlen(coded), p),
                         APR_SUCCESS);
        assert_int_equal(len, n + 1);
        assert_memory_equal(out, bytes, n + 1);
    }
}

static void test_attack_other_spellings(void **state)
{
    static const char *const bad[] = {
        "Zg==", "Zg=", "Zm8=", "=", "====",          /* padding */
        "Zh", "Zm9", "Z_", "Zm_",                    /* last bits not zero */
        "A", "AAAAA",                                /* length % 4 = 1 */
        "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v\r\n", "Z\tg",
        "+/+/", "Zm9/", "Zm9+", "Zm9v.", "Zm9,", "Z\xc3\xa4g", "\xff\xff",
    };
    apr_pool_t *p = unit_pool(state);
    apr_size_t len;
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        UNIT_CHECK(decode(p, bad[i], strlen(bad[i]), &len) == APR_EINVAL,
                   "case %u", (unsigned)i);
        assert_int_equal(len, 0);
    }
    assert_int_equal(decode(p, "Z\0gA", 4, &len), APR_EINVAL);
    assert_int_equal(decode(p, "Zg\0", 3, &len), APR_EINVAL);
}

/* Of the 16 (4) spellings that end alike exactly one is accepted. */
static void test_attack_noncanonical_last_bits(void **state)
{
    static const char all[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    apr_pool_t *p = unit_pool(state);
    unsigned two = 0, three = 0, i;
    apr_size_t len;

    for (i = 0; i < 64; i++) {
        char text[4] = { 'x', all[i], 0, 0 };

        two += decode(p, text, 2, &len) == APR_SUCCESS;
        text[1] = 'y';
        text[2] = all[i];
        three += decode(p, text, 3, &len) == APR_SUCCESS;
    }
    assert_int_equal(two, 4);
    assert_int_equal(three, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_rfc4648_vectors),
        UNIT_TEST(test_every_byte_returns),
        UNIT_TEST(test_attack_other_spellings),
        UNIT_TEST(test_attack_noncanonical_last_bits),
    };

    return UNIT_RUN("b64url", tests);
}
