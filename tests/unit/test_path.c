/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Paths into the claims; substitution. */
#include "unit.h"

#include "base/path.h"
#include "claims.h"
#include "posix_regex.h"

static void test_find(void **state)
{
    static const struct {
        const char *claims, *path, *found;
    } cases[] = {
        { "{'sub':'a'}", "sub", "'a'" },
        { "{'sub':'a'}", "Sub", NULL },
        { "{'a':{'b':1}}", "a.b", "1" },
        { "{'a':{'b':1}}", "a", "{'b':1}" },
        { "{'a':{'b':{'c':true}}}", "a.b.c", "true" },
        { "{'a':{'b':1}}", "a.c", NULL },
        { "{'a':'x'}", "a.b", NULL },
        { "{'a':[{'b':1}]}", "a.b", NULL },
        /* whole first, at every level */
        { "{'a.b':2,'a':{'b':1}}", "a.b", "2" },
        { "{'https://example.com/roles':['r']}", "https://example.com/roles",
          "['r']" },
        { "{'cognito:groups':['g']}", "cognito:groups", "['g']" },
        { "{'https://x.com/app':{'roles':['r']}}", "https://x.com/app.roles",
          "['r']" },
        { "{'x':{'https://e.com/r':1}}", "x.https://e.com/r", "1" },
        { "{'resource_access':{'my.app':{'roles':['r']}}}",
          "resource_access.my.app.roles", "['r']" },
        { "{'a':{'b.c':1,'b':{'c':2}}}", "a.b.c", "1" },
        { "{'a.b':{'d':1},'a':{'b':{'c':2}}}", "a.b.c", "2" },
        /* null is there */
        { "{'a':null}", "a", "null" },
        { "{'a.b':null,'a':{'b':1}}", "a.b", "null" },
        /* a dot that never separates */
        { "{'a.b':2,'a':{'b':1}}", "a\\.b", "2" },
        { "{'a':{'b':1}}", "a\\.b", NULL },
        { "{'a.b':{'c':3}}", "a\\.b.c", "3" },
        { "{'a\\\\':1}", "a\\", "1" },
        /* empty names */
        { "{'':{'a':1}}", ".a", "1" },
        { "{'a':{'':1}}", "a.", "1" },
        { "{'@this':1}", "@this", "{'@this':1}" },
        { "{'a':{'@this':1}}", "a.@this", "1" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *claims = unit_claims(p, cases[i].claims);
        const bearer_path_t *path = bearer_path_compile(cases[i].path, p);
        json_t *found, *wanted = NULL;

        assert_non_null(path);
        assert_string_equal(bearer_path_text(path), cases[i].path);
        found = bearer_path_find(path, claims);
        if (cases[i].found) {
            wanted = unit_value(p, cases[i].found);
        }
        UNIT_CHECK(wanted ? json_equal(found, wanted) : !found,
                   "%s in %s", cases[i].path, cases[i].claims);
    }
}

/* In which members a value could be. */
static void test_among(void **state)
{
    static const char *const names[] = { "groups", "a.b", "x", "", "https://e.com/r", NULL };
    static const struct {
        const char *path, *found;
    } cases[] = {
        { "groups", "groups" }, { "groups.a", "groups" }, { "groups\\.a", NULL },
        { "group", NULL }, { "groupsx", NULL }, { "groupsx.y", NULL }, { "Groups", NULL },
        { "a", NULL }, { "a.b", "a.b" }, { "a.b.c", "a.b" }, { "a\\.b.c", "a.b" },
        { "a.bc", NULL }, { "c.x", NULL }, { "x.a.b", "x" }, { ".a", "" },
        { "https://e.com/r", "https://e.com/r" }, { "https://e.com/r.s", "https://e.com/r" },
        { "https://e.com/rs", NULL }, { "@this", "groups" }, { "@this.x", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    const char *found;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        found = bearer_path_among(bearer_path_compile(cases[i].path, p), names);
        UNIT_CHECK(found == cases[i].found || (found && cases[i].found
                                               && !strcmp(found, cases[i].found)),
                   "%s: %s", cases[i].path, found);
    }
    assert_string_equal(bearer_path_among(bearer_path_of_member("a.b", p), names), "a.b");
    assert_null(bearer_path_among(bearer_path_of_member("a.b.c", p), names));
    assert_null(bearer_path_among(bearer_path_of_member("@this", p), names));
    assert_null(bearer_path_among(bearer_path_compile("@this", p), names + 5));
}

static void test_compile_limits(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char text[300];

    assert_null(bearer_path_compile("", p));
    assert_null(bearer_path_compile(NULL, p));
    memset(text, 'a', sizeof(text));
    text[256] = '\0';
    assert_non_null(bearer_path_compile(text, p));
    text[256] = 'a';
    text[257] = '\0';
    assert_null(bearer_path_compile(text, p));
}

/* Each member is looked at once, however many ways there are to cut. */
static void test_find_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *claims = json_object(), *level = claims;
    char text[257];
    int i, n;

    for (i = 0; i < 16; i++) {
        json_t *last = NULL;

        for (n = 1; n < 8; n++) {
            char name[20] = "a";
            int k;

            for (k = 1; k < n; k++) {
                strcat(name, ".a");
            }
            last = json_object();
            json_object_set_new(level, name, last);
        }
        level = last;
    }
    bearer_json_tie(claims, p);
    for (i = 0; i < 256; i++) {
        text[i] = i % 2 ? '.' : 'a';
    }
    text[255] = '\0';
    assert_null(bearer_path_find(bearer_path_compile(text, p), claims));
}

static void test_find_in_nothing(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_null(bearer_path_find(bearer_path_compile("a.b", p), NULL));
    assert_null(bearer_path_find(bearer_path_compile("@this", p), NULL));
    assert_null(bearer_path_find(bearer_path_compile("a", p),
                                 unit_value(p, "['a']")));
}

static void test_substitute(void **state)
{
    static const struct {
        const char *pattern, *substitution, *subject, *result;
    } cases[] = {
        { "^([^@]+)@example\\.com$", "$1", "ann@example.com", "ann" },
        { "^([^@]+)@example\\.com$", "$1", "ann@example.org", NULL },
        { "^(a)(b)?$", "[$1|$2]", "a", "[a|]" },
        { "b", "<$0>", "abc", "<b>" },
        { "a", "$$1", "a", "$1" },
        { "a", "5$", "a", "5$" },
        { "a", "$x", "a", "$x" },
        { "a", "$9", "a", "" },
        { "a", "", "a", "" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *error = NULL;
        const bearer_regex_t *regex = posix_regex_compile(cases[i].pattern,
                                                          &error, p);
        const char *result = "";
        int met = bearer_regex_substitute(&result, regex, cases[i].substitution,
                                          cases[i].subject, p);

        assert_int_equal(met, cases[i].result != NULL);
        if (!cases[i].result) {
            assert_null(result);
            continue;
        }
        assert_non_null(result);
        assert_string_equal(result, cases[i].result);
    }
}

static void test_substitute_undecided(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *error = NULL, *result = "";
    const bearer_regex_t *regex = giving_up_compile(".", &error, p);
    char text[BEARER_REGEX_MAX_VALUE + 2];

    assert_int_equal(bearer_regex_substitute(&result, regex, "$0", "!", p),
                     BEARER_REGEX_GAVE_UP);
    assert_null(result);
    memset(text, 'm', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(bearer_regex_substitute(&result, regex, "$0", text, p),
                     BEARER_REGEX_TOO_LONG);
    text[sizeof(text) - 2] = '\0';
    assert_int_equal(bearer_regex_substitute(&result, regex, "$0", text, p), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_find), UNIT_TEST(test_among),
        UNIT_TEST(test_compile_limits),
        UNIT_TEST(test_find_is_bounded),
        UNIT_TEST(test_find_in_nothing),
        UNIT_TEST(test_substitute),
        UNIT_TEST(test_substitute_undecided),
    };

    return UNIT_RUN("path", tests);
}
