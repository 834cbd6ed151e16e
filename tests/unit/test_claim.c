/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* `Require claim`: reading a SPEC, matching it. */
#include "claims.h"

#include "judge/claim.h"
#include "posix_regex.h"

static const bearer_claim_rule_t *rule_of(apr_pool_t *p, const char *spec)
{
    const char *error = NULL;
    const bearer_claim_rule_t *rule =
        bearer_claim_compile(spec, posix_regex_compile, &error, p);

    UNIT_CHECK(rule, "%s: %s", spec, error);
    assert_null(error);
    return rule;
}

static void test_reading(void **state)
{
    static const struct {
        const char *spec, *name, *value;   /* value NULL: another form */
    } cases[] = {
        { "role", "role", NULL },
        { "role:admin", "role", "admin" },
        { "role:", "role", "" },
        { "role~^a", "role", NULL },
        { "role:a:b~c", "role", "a:b~c" },
        { "https://example.com/roles:admin", "https://example.com/roles",
          "admin" },
        { "https://example.com/roles", "https://example.com/roles", NULL },
        { "cognito\\:groups:x", "cognito:groups", "x" },
        { "a\\~b:c", "a~b", "c" },
        { "a\\.b:c", "a\\.b", "c" },
        { "url:https://x", "url", "https://x" },
        { "a:b\\:c\\~d\\.e", "a", "b:c~d.e" },
        { "a:CORP\\ann", "a", "CORP\\ann" },
        { "dn:CN=x", "dn", "CN=x" },
        { "a\\b:c", "a\\b", "c" },
        { "a:%{HTTP_HOST}", "a", "%{HTTP_HOST}" },
        { "a://b", "a://b", NULL },
        { "a:/b", "a", "/b" },
        { "a\\", "a\\", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *paths = apr_array_make(p, 2, sizeof(const bearer_path_t *));
    unsigned i;

    paths->nelts = 2;
    APR_ARRAY_IDX(paths, 0, const bearer_path_t *) = bearer_path_compile("first", p);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const bearer_claim_rule_t *rule = rule_of(p, cases[i].spec);
        const char *value = bearer_claim_value(rule);

        APR_ARRAY_IDX(paths, 1, const bearer_path_t *) = bearer_path_compile("other", p);
        assert_false(bearer_claim_is_at(rule, paths));
        APR_ARRAY_IDX(paths, 1, const bearer_path_t *) = bearer_path_compile(cases[i].name, p);
        assert_true(bearer_claim_is_at(rule, paths));
        UNIT_CHECK(cases[i].value ? value && !strcmp(value, cases[i].value)
                                  : !value, "%s", cases[i].spec);
    }
}

static void test_bad_specs(void **state)
{
    static const struct {
        const char *spec, *error;
    } cases[] = {
        { "", "does not name a claim" },
        { ":a", "does not name a claim" },
        { "~a", "does not name a claim" },
        { "==", "there are no operators" }, /* dept == shop */
        { "=~", "there are no operators" },
        { "!=", "there are no operators" },
        { "a~", "would match every value" },
        { "a~(", "is not a valid regular expression: unbalanced" },
    };
    apr_pool_t *p = unit_pool(state);
    const char *error = NULL;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_null(bearer_claim_compile(cases[i].spec, posix_regex_compile,
                                         &error, p));
        UNIT_CHECK(unit_contains(error, cases[i].error), "%s: %s",
                   cases[i].spec, error);
    }
    assert_null(bearer_claim_compile("a~b", NULL, &error, p));
    assert_non_null(error);
    assert_non_null(bearer_claim_compile("a:b", NULL, &error, p));
}

typedef struct match_case_t {
    const char *spec, *claims;
    int yes;
} match_case_t;

static void check_matches(apr_pool_t *p, const match_case_t *cases,
                          unsigned count, int is_scope)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        int yes = bearer_claim_match(rule_of(p, cases[i].spec),
                                     unit_claims(p, cases[i].claims), NULL,
                                     is_scope, NULL);

        UNIT_CHECK(yes == cases[i].yes, "%s on %s", cases[i].spec,
                   cases[i].claims);
    }
}

static void test_present(void **state)
{
    static const match_case_t cases[] = {
        { "a", "{'a':'x'}", 1 },
        { "a", "{'a':''}", 1 },
        { "a", "{'a':0}", 1 },
        { "a", "{'a':[]}", 1 },
        { "a", "{'a':{}}", 1 },
        { "a", "{'a':true}", 1 },
        { "a", "{'a':false}", 0 },
        { "a", "{'a':'false'}", 0 },
        { "a", "{'a':'False'}", 1 },
        { "a", "{'a':'null'}", 1 },
        { "a", "{'a':null}", 0 },
        { "a", "{'b':1}", 0 },
        { "a.b", "{'a':{'b':1}}", 1 },
        { "a.b", "{'a':{'b':false}}", 0 },
    };

    check_matches(unit_pool(state), cases, UNIT_COUNT(cases), 0);
}

static void test_equal_is_typed(void **state)
{
    static const match_case_t cases[] = {
        { "a:x", "{'a':'x'}", 1 },
        { "a:x", "{'a':'X'}", 0 },
        { "a:x", "{'a':'xy'}", 0 },
        { "a:x", "{'a':{'x':1}}", 0 },
        { "a:", "{'a':''}", 1 },
        { "a:", "{'a':'x'}", 0 },
        /* numbers equal numbers */
        { "a:3", "{'a':3}", 1 },
        { "a:3", "{'a':3.0}", 1 },
        { "a:3.0", "{'a':3}", 1 },
        { "a:3e0", "{'a':3}", 1 },
        { "a:30e-1", "{'a':3}", 1 },
        { "a:3.5", "{'a':3.5}", 1 },
        { "a:3.5", "{'a':3}", 0 },
        { "a:-3", "{'a':-3}", 1 },
        { "a:03", "{'a':3}", 0 },
        { "a:+3", "{'a':3}", 0 },
        { "a:3 ", "{'a':3}", 0 },
        { "a:0x3", "{'a':3}", 0 },
        { "a:.5", "{'a':0.5}", 0 },
        { "a:5.", "{'a':5}", 0 },
        { "a:5e", "{'a':5}", 0 },
        { "a:-", "{'a':0}", 0 },
        { "a:inf", "{'a':1e308}", 0 },
        { "a:nan", "{'a':0.5}", 0 },
        { "a:1e999", "{'a':1e308}", 0 },
        { "a:0", "{'a':-0.0}", 1 },
        { "a:9007199254740993", "{'a':9007199254740993}", 1 },
        { "a:9007199254740992", "{'a':9007199254740993}", 0 },
        { "a:9007199254740992.0", "{'a':9007199254740993}", 0 },
        { "a:9007199254740993", "{'a':9007199254740992.0}", 0 },
        { "a:9223372036854775807", "{'a':9223372036854775807}", 1 },
        { "a:9223372036854775808", "{'a':9223372036854775807}", 0 },
        { "a:9223372036854775807", "{'a':9223372036854775807.0}", 0 },
        /* ids come as numbers and as strings of digits */
        { "a:3", "{'a':'3'}", 1 },
        { "a:3", "{'a':'3.0'}", 0 },
        /* true and false are JSON's and the strings that many write for them */
        { "a:true", "{'a':true}", 1 },
        { "a:true", "{'a':false}", 0 },
        { "a:true", "{'a':'true'}", 1 },
        { "a:true", "{'a':'false'}", 0 },
        { "a:true", "{'a':1}", 0 },
        { "a:false", "{'a':false}", 1 },
        { "a:false", "{'a':'false'}", 1 },
        { "a:false", "{'a':null}", 0 },
        { "a:false", "{'b':1}", 0 },
        /* null is absence */
        { "a:null", "{'a':null}", 0 },
        { "a:null", "{'a':'null'}", 1 },
        { "a:null", "{'b':1}", 0 },
        { "a:True", "{'a':true}", 0 },
        { "a:True", "{'a':'True'}", 1 },
    };

    check_matches(unit_pool(state), cases, UNIT_COUNT(cases), 0);
}

static void test_arrays(void **state)
{
    static const match_case_t cases[] = {
        { "a:x", "{'a':['w','x']}", 1 },
        { "a:x", "{'a':['w']}", 0 },
        { "a:x", "{'a':[]}", 0 },
        { "a:x", "{'a':[['x']]}", 0 },
        { "a:x", "{'a':[{'x':'x'}]}", 0 },
        { "a:2", "{'a':[1,2]}", 1 },
        { "a:true", "{'a':['x',true]}", 1 },
        { "a:true", "{'a':['x','true']}", 1 },
        { "a:null", "{'a':[null]}", 0 },
        { "a~^x", "{'a':['w','xy']}", 1 },
        { "a~^y", "{'a':['w','xy']}", 0 },
        { "realm_access.roles:admin", "{'realm_access':{'roles':['admin']}}",
          1 },
        { "https://example.com/roles:admin",
          "{'https://example.com/roles':['admin']}", 1 },
    };

    check_matches(unit_pool(state), cases, UNIT_COUNT(cases), 0);
}

static void test_regex(void **state)
{
    static const match_case_t cases[] = {
        { "a~b", "{'a':'abc'}", 1 },
        { "a~^b", "{'a':'abc'}", 0 },
        { "a~^(x|abc)$", "{'a':'abc'}", 1 },
        { "a~^true$", "{'a':'true'}", 1 },
        { "a~^true$", "{'a':true}", 1 },
        { "a~^4", "{'a':42}", 1 },
        { "a~^1\\.5$", "{'a':1.5}", 1 },
        { "a~.", "{'a':null}", 0 },
        { "a~.", "{'a':{'b':'c'}}", 0 },
        { "a~x:y", "{'a':'x:y'}", 1 },
        { "a~x~y", "{'a':'x~y'}", 1 },
    };

    check_matches(unit_pool(state), cases, UNIT_COUNT(cases), 0);
}

static void test_scope_strings(void **state)
{
    static const match_case_t as_scope[] = {
        { "scope:read", "{'scope':'read write'}", 1 },
        { "scope:write", "{'scope':'read write'}", 1 },
        { "scope:rea", "{'scope':'read write'}", 0 },
        { "scope:read write", "{'scope':'read write'}", 1 },
        { "scope:write read", "{'scope':'read write'}", 0 },
        { "scope:x", "{'scope':'  x  '}", 1 },
        { "scope:", "{'scope':'read write'}", 0 },
        { "scope~^wri", "{'scope':'read write'}", 1 },
        { "scope~^read write$", "{'scope':'read write'}", 1 },
        { "scope~^ead", "{'scope':'read write'}", 0 },
        { "scp:read", "{'scp':['read','write']}", 1 },
        { "scp:read", "{'scp':['read write']}", 0 },
    };
    static const match_case_t elsewhere[] = {
        { "scope:read", "{'scope':'read write'}", 0 },
        { "scope:read write", "{'scope':'read write'}", 1 },
    };
    apr_pool_t *p = unit_pool(state);

    check_matches(p, as_scope, UNIT_COUNT(as_scope), 1);
    check_matches(p, elsewhere, UNIT_COUNT(elsewhere), 0);
}

/* A scope name longer than the scratch on the stack. */
static void test_long_scope_under_regex(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char text[1200];
    json_t *claims = json_object();

    bearer_json_tie(claims, p);
    memset(text, 'a', sizeof(text));
    memcpy(text, "read ", 5);
    strcpy(text + 1100, "z end");
    json_object_set_new(claims, "scope", json_string(text));
    assert_true(bearer_claim_match(rule_of(p, "scope~^a+z$"), claims, NULL, 1, NULL));
    assert_false(bearer_claim_match(rule_of(p, "scope~^a+y$"), claims, NULL,
                                    1, NULL));
}

static int asked(void *count)
{
    return --*(int *)count < 0;
}

/* What cannot be decided is neither yes nor no: `Require not` would make a grant
 * of a no. */
static void test_undecided(void **state)
{
    static const struct {
        const char *claims;
        int answer;
    } cases[] = {
        { "{'a':'m'}", 1 },
        { "{'a':'x'}", 0 },
        { "{'a':'!'}", BEARER_REGEX_GAVE_UP },
        { "{'a':['x','!','m']}", BEARER_REGEX_GAVE_UP },
        { "{'a':['x','m','!']}", 1 },
        { "{'a':'x ! m'}", BEARER_REGEX_GAVE_UP },
        { "{'b':'!'}", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    const char *error = NULL;
    const bearer_claim_rule_t *rule = bearer_claim_compile("a~.", giving_up_compile,
                                                           &error, p);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const json_t *claims = unit_claims(p, cases[i].claims);

        UNIT_CHECK(bearer_claim_match(rule, claims, NULL, 1, NULL)
                   == cases[i].answer, "%s", cases[i].claims);
    }
}

static void test_effort_ends(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *error = NULL;
    const bearer_claim_rule_t *rule = bearer_claim_compile("a~.", giving_up_compile,
                                                           &error, p);
    const json_t *claims = unit_claims(p, "{'a':['x','x','m']}");
    int left;
    const bearer_claim_effort_t effort = { asked, &left };

    left = 3;
    assert_int_equal(bearer_claim_match(rule, claims, NULL, 0, &effort), 1);
    left = 2;
    assert_int_equal(bearer_claim_match(rule, claims, NULL, 0, &effort),
                     BEARER_REGEX_SPENT);
    left = 0;  /* without a regular expression nobody asks */
    assert_int_equal(bearer_claim_match(rule_of(p, "a:m"), claims, NULL, 0,
                                        &effort), 1);
}

/* A scope's members are looked at first: a list of them may be longer than what a
 * regular expression reads. */
static void test_too_long_for_a_regex(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char text[BEARER_REGEX_MAX_VALUE + 2];
    json_t *claims = json_object();

    bearer_json_tie(claims, p);
    memset(text, 'a', sizeof(text));
    text[BEARER_REGEX_MAX_VALUE] = '\0';
    json_object_set_new(claims, "a", json_string(text));
    assert_int_equal(bearer_claim_match(rule_of(p, "a~^a+$"), claims, NULL, 0,
                                        NULL), 1);
    text[BEARER_REGEX_MAX_VALUE] = 'a';
    text[BEARER_REGEX_MAX_VALUE + 1] = '\0';
    json_object_set_new(claims, "a", json_string(text));
    assert_int_equal(bearer_claim_match(rule_of(p, "a~^a+$"), claims, NULL, 0,
                                        NULL), BEARER_REGEX_TOO_LONG);
    assert_int_equal(bearer_claim_match(rule_of(p, "a~^a+$"), claims, NULL, 1,
                                        NULL), BEARER_REGEX_TOO_LONG);
    memcpy(text, "read ", 5);
    text[1000] = ' ';
    json_object_set_new(claims, "scope", json_string(text));
    assert_int_equal(bearer_claim_match(rule_of(p, "scope~^re"), claims, NULL, 1,
                                        NULL), 1);
    assert_int_equal(bearer_claim_match(rule_of(p, "scope~^no"), claims, NULL, 1,
                                        NULL), BEARER_REGEX_TOO_LONG);
    assert_int_equal(bearer_claim_match(rule_of(p, "scope:read"), claims, NULL, 1,
                                        NULL), 1);
}

static void test_expanded_value(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_claim_rule_t *rule = rule_of(p, "host:%{HTTP_HOST}");
    json_t *claims = unit_claims(p, "{'host':'a.example'}");

    assert_true(bearer_claim_match(rule, claims, "a.example", 0, NULL));
    assert_false(bearer_claim_match(rule, claims, "b.example", 0, NULL));
    assert_false(bearer_claim_match(rule, claims, NULL, 0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_reading),
        UNIT_TEST(test_bad_specs),
        UNIT_TEST(test_present),
        UNIT_TEST(test_equal_is_typed),
        UNIT_TEST(test_arrays),
        UNIT_TEST(test_regex),
        UNIT_TEST(test_scope_strings),
        UNIT_TEST(test_long_scope_under_regex),
        UNIT_TEST(test_undecided),
        UNIT_TEST(test_effort_ends),
        UNIT_TEST(test_too_long_for_a_regex),
        UNIT_TEST(test_expanded_value),
    };

    return UNIT_RUN("claim", tests);
}
