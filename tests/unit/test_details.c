/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* `Require authorization-details` (RFC 9396): reading a line, matching it. */
#include "claims.h"

#include "base/text.h"
#include "judge/details.h"

static const char *parsed(bearer_details_rule_t *rule, const char *line, apr_pool_t *p)
{
    return bearer_details_parse(rule, bearer_text_split(p, line, " "), 0, p);
}

static void test_reading(void **state)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        { "payment", NULL },
        { "payment actions=read,write locations=https://a.example/", NULL },
        { "", "it needs a type" },
        { "payment actions=", "actions= is empty" },
        { "payment locations=,", "locations= is empty" },
        { "payment actions=a actions=b", "actions= appears twice" },
        { "payment action=a", "'action=a' is neither" },
        { "payment actions", "'actions' is neither" },
        { "payment actionsx=a", "'actionsx=a' is neither" },
        { "payment other", "'other' is neither" },
    };
    bearer_details_rule_t rule;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *error = parsed(&rule, cases[i].line, unit_pool(state));

        UNIT_CHECK(cases[i].error ? error && !strncmp(error, cases[i].error,
                                                      strlen(cases[i].error)) : !error,
                   "%s: %s", cases[i].line, error);
    }
}

#define ONE "{'type':'payment','actions':['read','write']," \
            "'locations':['https://a.example/','https://b.example/']}"

static void test_matching(void **state)
{
    static const struct {
        const char *line, *details;
        int met;
    } cases[] = {
        { "payment", "[" ONE "]", 1 },
        { "account", "[" ONE "]", 0 },
        { "pay", "[" ONE "]", 0 },
        { "payment actions=write", "[" ONE "]", 1 },
        { "payment actions=write,read", "[" ONE "]", 1 },
        { "payment actions=write,delete", "[" ONE "]", 0 },
        { "payment actions=rea", "[" ONE "]", 0 },
        { "payment locations=https://b.example/", "[" ONE "]", 1 },
        { "payment actions=read locations=https://b.example/", "[" ONE "]", 1 },
        { "payment actions=read locations=https://c.example/", "[" ONE "]", 0 },
        /* in one and the same object */
        { "payment actions=a locations=b", "[{'type':'payment','actions':['a']},"
          "{'type':'payment','locations':['b']}]", 0 },
        { "payment actions=a locations=b", "[{'type':'payment','actions':['a']},"
          "{'type':'payment','locations':['b'],'actions':['a','c']}]", 1 },
        { "payment actions=a", "[{'type':'other','actions':['a']},{'type':'payment'}]", 0 },
        /* not as RFC 9396 has it */
        { "payment", "{'type':'payment'}", -1 },
        { "payment", "'payment'", -1 },
        { "payment", "[]", 0 },
        { "payment", "[" ONE ",'payment']", -1 },
        { "payment", "[" ONE ",{'type':1}]", -1 },
        { "payment", "[" ONE ",{}]", -1 },
        { "payment", "[['payment']]", -1 },
        { "payment actions=a", "[{'type':'payment','actions':'a'}]", 0 },
        { "payment actions=1", "[{'type':'payment','actions':[1]}]", 0 },
        { "payment actions=a", "[{'type':'payment','actions':{'a':'a'}}]", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_details_rule_t rule;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *claims = unit_claims(p, apr_pstrcat(p, "{'authorization_details':",
                                                    cases[i].details, "}", NULL));

        assert_null(parsed(&rule, cases[i].line, p));
        UNIT_CHECK(bearer_details_match(&rule, claims) == cases[i].met, "%s, %s",
                   cases[i].line, cases[i].details);
    }
    assert_false(bearer_details_match(&rule, unit_claims(p, "{}")));
    /* nested ones do not count */
    assert_null(parsed(&rule, "payment", p));
    assert_false(bearer_details_match(&rule, unit_claims(
        p, "{'act':{'authorization_details':[" ONE "]}}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_reading),
        UNIT_TEST(test_matching),
    };

    return UNIT_RUN("details", tests);
}
