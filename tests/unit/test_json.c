/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Strict JSON: everything that two parsers could read differently is refused. */
#include "unit.h"

static apr_status_t parse(apr_pool_t *p, const char *text, const char **error)
{
    json_t *object;

    return bearer_json_parse(&object, text, strlen(text), error, p);
}

static void test_an_object_is_parsed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *text = " {\"a\": \"x\", \"n\": 1, \"e\": \"\"}\n";
    const char *error;
    json_t *object;

    assert_int_equal(bearer_json_parse(&object, text, strlen(text), &error, p),
                     APR_SUCCESS);
    assert_null(error);
    assert_string_equal(bearer_json_string(object, "a"), "x");
    assert_string_equal(bearer_json_string(object, "e"), "");
    assert_null(bearer_json_string(object, "n"));
    assert_null(bearer_json_string(object, "missing"));
    assert_null(bearer_json_string(NULL, "a"));
}

static void test_attack_ambiguous_json(void **state)
{
    static const struct {
        const char *text, *phrase;
    } cases[] = {
        { "{\"sub\":\"a\",\"sub\":\"b\"}", "duplicate member name" },
        { "{\"sub\":\"a\",\"\\u0073ub\":\"b\"}", "duplicate member name" },
        { "{\"x\":{\"s\":1,\"\\u0073\":2}}", "duplicate member name" },
        { "{} x", "bytes after the end" },
        { "{}{}", "bytes after the end" },
        { "{\"a\":1", "it ends too early" },
        { "", "it ends too early" },
        { "{\"a\":\"\\u0000\"}", "NUL character" },
        { "{\"a\\u0000b\":1}", "NUL character" },
        { "{\"a\":\"\xff\"}", "invalid UTF-8" },
        { "{\"a\":\"\xc0\xaf\"}", "invalid UTF-8" },
        { "{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8" },
        { "{\"a\":\"\\ud800\"}", "not JSON" },       /* lone surrogates */
        { "{\"a\":\"\\udc00\"}", "not JSON" },
        { "{\"a\":\"\\ud800\\u0041\"}", "not JSON" },
        { "\xef\xbb\xbf{}", "not JSON" },            /* byte order mark */
        { "{\"a\":NaN}", "not JSON" },
        { "{\"a\":Infinity}", "not JSON" },
        { "{\"a\":1e400}", "number out of range" },
        { "{\"a\":9223372036854775808}", "number out of range" },
        { "{\"a\":18446744073709551615}", "number out of range" },
        { "{'a':1}", "not JSON" },
        { "{\"a\":1,}", "not JSON" },
        { "{\"a\":01}", "not JSON" },
        { "{\"a\":1}//", "bytes after the end" },
        { "{a:1}", "not JSON" },
        { "{\"a\":\"\n\"}", "not JSON" },
        { "[]", "not an object" },
        { "[{}]", "not an object" },
        { "\"x\"", "not JSON" },
        { "null", "not JSON" },
        { "1", "not JSON" },
    };
    apr_pool_t *p = unit_pool(state);
    const char *error;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(parse(p, cases[i].text, &error) == APR_EINVAL,
                   "accepted: %s", cases[i].text);
        UNIT_CHECK(unit_contains(error, cases[i].phrase), "%s: %s",
                   cases[i].text, error);
    }
    assert_int_equal(parse(p, "{", NULL), APR_EINVAL);
}

static void test_attack_raw_nul(void **state)
{
    static const char inside[] = "{\"a\":\"x\0y\"}";
    static const char behind[] = "{}\0{}";
    apr_pool_t *p = unit_pool(state);
    json_t *object;

    assert_int_equal(bearer_json_parse(&object, inside, sizeof(inside) - 1,
                                       NULL, p), APR_EINVAL);
    assert_int_equal(bearer_json_parse(&object, behind, sizeof(behind) - 1,
                                       NULL, p), APR_EINVAL);
    assert_null(object);
}

/* {"a":{"a":...1...}} with so many braces, or brackets inside one brace. */
static const char *nested(apr_pool_t *p, int depth, int arrays)
{
    const char *text = "1";
    int i;

    for (i = 1; i < depth; i++) {
        text = arrays ? apr_pstrcat(p, "[", text, "]", NULL)
                      : apr_pstrcat(p, "{\"a\":", text, "}", NULL);
    }
    return apr_pstrcat(p, "{\"a\":", text, "}", NULL);
}

static void test_attack_nesting(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *error;
    char *big;
    int arrays;

    for (arrays = 0; arrays < 2; arrays++) {
        assert_int_equal(parse(p, nested(p, 32, arrays), &error), APR_SUCCESS);
        assert_int_equal(parse(p, nested(p, 33, arrays), &error), APR_EINVAL);
        assert_true(unit_contains(error, "nested too deeply"));
    }
    big = apr_palloc(p, 90001);
    memset(big, '[', 90000);
    big[90000] = '\0';
    assert_int_equal(parse(p, big, &error), APR_EINVAL);
}

/* Brackets in strings are no nesting, and wide is not deep. */
static void test_depth_counts_structure_only(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *text = "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\","
                       "\"b\\\"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\":1}";
    const char *wide = "1";
    const char *error;
    int i;

    assert_int_equal(parse(p, text, &error), APR_SUCCESS);
    for (i = 0; i < 100; i++) {
        wide = apr_pstrcat(p, wide, ",[{}]", NULL);
    }
    assert_int_equal(parse(p, apr_pstrcat(p, "{\"a\":[", wide, "]}", NULL),
                           &error), APR_SUCCESS);
}

/* Null is absence, at any depth; in an array it keeps its position. */
static void test_null_is_absence(void **state)
{
    static const char text[] =
        "{\"a\":null,\"b\":{\"c\":null,\"d\":1},\"e\":[null,{\"f\":null}],\"g\":\"null\"}";
    apr_pool_t *p = unit_pool(state);
    json_t *object;

    assert_int_equal(bearer_json_parse(&object, text, sizeof(text) - 1, NULL, p),
                     APR_SUCCESS);
    assert_string_equal(bearer_json_text(object, p),
                        "{\"b\":{\"d\":1},\"e\":[null,{}],\"g\":\"null\"}");
    assert_int_equal(bearer_json_parse_whole(&object, text, sizeof(text) - 1, NULL, p),
                     APR_SUCCESS);
    assert_string_equal(bearer_json_text(object, p), text);
    assert_null(bearer_json_member(object, "a"));
    assert_non_null(bearer_json_member(object, "b"));
}

static void test_the_error_repeats_nothing_of_the_text(void **state)
{
    const char *error;

    parse(unit_pool(state), "{\"a\":secret}", &error);
    assert_false(unit_contains(error, "secret"));
    assert_true(unit_contains(error, " at byte "));
}

static void test_dates(void **state)
{
    static const struct {
        const char *json;
        apr_status_t status;
        apr_time_t when;
    } cases[] = {
        { "0", APR_SUCCESS, 0 },
        { "1767225600", APR_SUCCESS, APR_INT64_C(1767225600000000) },
        { "1.5", APR_SUCCESS, 1500000 },
        { "1e10", APR_SUCCESS, APR_INT64_C(10000000000000000) },
        { "-0.0", APR_SUCCESS, 0 },
        { "9223372036854775807", APR_SUCCESS, APR_INT64_MAX / 2 },
        { "4611686018427", APR_SUCCESS, APR_INT64_C(4611686018427000000) },
        { "4611686018428", APR_SUCCESS, APR_INT64_MAX / 2 },
        { "1e300", APR_SUCCESS, APR_INT64_MAX / 2 },
        { "-1", APR_EINVAL, 0 },
        { "-0.5", APR_EINVAL, 0 },
        { "-1e300", APR_EINVAL, 0 },
        { "\"123\"", APR_EINVAL, 0 },
        { "true", APR_EINVAL, 0 },
        { "null", APR_NOTFOUND, 0 },
        { "[1]", APR_EINVAL, 0 },
        { "{}", APR_EINVAL, 0 },
    };
    apr_pool_t *p = unit_pool(state);
    apr_time_t when;
    json_t *object;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *text = apr_pstrcat(p, "{\"exp\":", cases[i].json, "}",
                                       NULL);

        assert_int_equal(bearer_json_parse(&object, text, strlen(text), NULL,
                                           p), APR_SUCCESS);
        UNIT_CHECK(bearer_json_date(&when, object, "exp") == cases[i].status,
                   "%s", cases[i].json);
        UNIT_CHECK(when == cases[i].when, "%s", cases[i].json);
    }
    assert_int_equal(bearer_json_date(&when, object, "nbf"), APR_NOTFOUND);
}

static void test_tie_releases_with_the_pool(void **state)
{
    apr_pool_t *sub;
    json_t *value = json_object();

    assert_int_equal(apr_pool_create(&sub, unit_pool(state)), APR_SUCCESS);
    json_incref(value);
    bearer_json_tie(value, sub);
    bearer_json_tie(NULL, sub);
    assert_int_equal(value->refcount, 2);
    apr_pool_destroy(sub);
    assert_int_equal(value->refcount, 1);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_an_object_is_parsed),
        UNIT_TEST(test_attack_ambiguous_json),
        UNIT_TEST(test_attack_raw_nul),
        UNIT_TEST(test_attack_nesting),
        UNIT_TEST(test_depth_counts_structure_only),
        UNIT_TEST(test_null_is_absence),
        UNIT_TEST(test_the_error_repeats_nothing_of_the_text),
        UNIT_TEST(test_dates),
        UNIT_TEST(test_tie_releases_with_the_pool),
    };

    return UNIT_RUN("json", tests);
}
