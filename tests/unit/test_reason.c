/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The reason tables, and the promise that no detail carries raw bytes. */
#include "unit.h"

#include "base/reason.h"

static void test_every_reason_has_a_name_of_its_own(void **state)
{
    unsigned i, j;

    (void)state;
    for (i = 0; i < BEARER_REASON_COUNT; i++) {
        const char *name = bearer_reason_name((bearer_reason_t)i);

        assert_true(name[0] != '\0');
        for (j = 0; j < i; j++) {
            assert_string_not_equal(name,
                                    bearer_reason_name((bearer_reason_t)j));
        }
    }
}

/* RFC 6750 section 3: error_description has no `"`, no `\`, no control. */
static void test_descriptions_fit_a_challenge(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < BEARER_CATEGORY_COUNT; i++) {
        bearer_category_t category = (bearer_category_t)i;
        const char *s = bearer_category(category)->description;

        /* both or neither are told */
        assert_int_equal(s == NULL, bearer_category(category)->error == NULL);
        for (; s && *s; s++) {
            assert_true(*s >= 0x20 && *s <= 0x7e && *s != '"' && *s != '\\');
        }
    }
}

static void test_accidents_are_not_counted(void **state)
{
    static const bearer_reason_t accidents[] = {
        BEARER_OK, BEARER_NO_CREDENTIAL, BEARER_EXP, BEARER_NBF, BEARER_AGE,
        BEARER_AUD, BEARER_SCOPE, BEARER_KEYS, BEARER_THROTTLED
    };
    static const bearer_reason_t attacks[] = {
        BEARER_CREDENTIAL_COUNT, BEARER_BASE64URL, BEARER_ALG, BEARER_KEY,
        BEARER_SIGNATURE, BEARER_ISS, BEARER_TYPE, BEARER_CLIENTS,
        BEARER_IDENTIFIER, BEARER_INACTIVE, BEARER_REVOKED
    };
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(accidents); i++) {
        UNIT_CHECK(!bearer_category(
                       bearer_reason_category(accidents[i]))->counted,
                   "%s", bearer_reason_name(accidents[i]));
    }
    for (i = 0; i < UNIT_COUNT(attacks); i++) {
        UNIT_CHECK(bearer_category(bearer_reason_category(attacks[i]))->counted,
                   "%s", bearer_reason_name(attacks[i]));
    }
}

static void test_a_reason_outside_the_enum_is_never_ok(void **state)
{
    bearer_reason_t wild = (bearer_reason_t)(BEARER_REASON_COUNT + 7);

    (void)state;
    assert_string_equal(bearer_reason_name(wild), "internal");
    assert_int_equal(bearer_reason_category(wild),
                     BEARER_CATEGORY_UNAVAILABLE);
    assert_string_equal(
        bearer_category((bearer_category_t)(BEARER_CATEGORY_COUNT + 1))->name,
        "unavailable");
}

static void test_refuse_records_reason_and_detail(void **state)
{
    bearer_refusal_t why = { BEARER_OK, NULL };

    assert_int_equal(bearer_refuse(&why, unit_pool(state), BEARER_AUD,
                                   "audience %s is not in %d", "'x'", 3),
                     BEARER_AUD);
    assert_int_equal(why.reason, BEARER_AUD);
    assert_string_equal(why.detail, "audience 'x' is not in 3");
    assert_int_equal(bearer_refuse(NULL, unit_pool(state), BEARER_EXP, "x"),
                     BEARER_EXP);
}

static void test_a_detail_is_one_bounded_printable_line(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_refusal_t why;
    char *big = apr_palloc(p, 100001);

    bearer_refuse(&why, p, BEARER_KID, "a\r\nb\x1b[31m\xc3\xa4");
    assert_string_equal(why.detail, "a??b?[31m??");
    memset(big, 'x', 100000);
    big[100000] = '\0';
    bearer_refuse(&why, p, BEARER_KID, "%s", big);
    assert_in_range(strlen(why.detail), 100, 1000);
}

static void test_every_reason_has_a_number_of_its_own(void **state)
{
    int i, k;

    (void)state;
    for (i = 0; i < BEARER_REASON_COUNT; i++) {
        const char *number = bearer_reason_number((bearer_reason_t)i);

        UNIT_CHECK(strlen(number) == BEARER_MESSAGE_NUMBER
                   && !*bearer_message_text(number), "%s", number);
        for (k = 0; k < i; k++) {
            UNIT_CHECK(strcmp(number, bearer_reason_number((bearer_reason_t)k)) != 0,
                       "%s", number);
        }
    }
}

static void test_a_number_stands_before_everything(void **state)
{
    static const char *const others[] = {
        "", "a", "AB", "AB0001", "AB0001:", "AB0001:x", "AB001: x", "AB00a1: x",
        "xAB0001: x", "AH0001: x"
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    assert_string_equal(AB(0101) "x", "AB0101: x");
    assert_string_equal(bearer_message_text("AB0101: x"), "x");
    assert_string_equal(bearer_message_text("AB0101: "), "");
    assert_null(bearer_message_text(NULL));
    assert_string_equal(bearer_message_with(p, "AB0101: x", "a:1: "), "AB0101: a:1: x");
    assert_string_equal(bearer_message_with(p, "x", "a:1: "), "a:1: x");
    for (i = 0; i < UNIT_COUNT(others); i++) {
        assert_ptr_equal(bearer_message_text(others[i]), others[i]);
    }
}

static void test_printable(void **state)
{
    bearer_refusal_t why;
    int c;

    for (c = 1; c < 256; c++) {
        bearer_refuse(&why, unit_pool(state), BEARER_KID, "a%cb", c);
        assert_int_equal(strlen(why.detail), 3);
        UNIT_CHECK((unsigned char)why.detail[1] == unit_tame(c), "%d", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_every_reason_has_a_name_of_its_own),
        UNIT_TEST(test_descriptions_fit_a_challenge),
        UNIT_TEST(test_accidents_are_not_counted),
        UNIT_TEST(test_a_reason_outside_the_enum_is_never_ok),
        UNIT_TEST(test_refuse_records_reason_and_detail),
        UNIT_TEST(test_a_detail_is_one_bounded_printable_line),
        UNIT_TEST(test_every_reason_has_a_number_of_its_own),
        UNIT_TEST(test_a_number_stands_before_everything),
        UNIT_TEST(test_printable),
    };

    return UNIT_RUN("reason", tests);
}
