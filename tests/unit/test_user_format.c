/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* AuthBearerUserFormat: when two users of two sources can get one name. */
#include "unit.h"

#include "judge/user_format.h"

/* "name" or "name|tenant" (`*`: any), separated by blanks. */
static apr_array_header_t *sources_of(apr_pool_t *p, const char *text,
                                      int printable)
{
    apr_array_header_t *sources = apr_array_make(p, 4,
                                                 sizeof(bearer_user_source_t));
    char *rest, *word = apr_strtok(apr_pstrdup(p, text), " ", &rest);

    for (; word; word = apr_strtok(NULL, " ", &rest)) {
        bearer_user_source_t *source = apr_array_push(sources);
        char *tenant = strchr(word, '|');

        source->name = word;
        source->tenant = "";
        source->printable = printable;
        if (tenant) {
            *tenant++ = '\0';
            source->tenant = strcmp(tenant, "*") == 0 ? NULL : tenant;
        }
    }
    return sources;
}

static int collides(apr_pool_t *p, const char *format, const char *sources)
{
    const bearer_user_source_t *a, *b;

    return bearer_user_format_collides(format, sources_of(p, sources, 0), &a, &b, p);
}

static void test_names(void **state)
{
    static const struct {
        const char *format, *sources;
        int collides;
    } cases[] = {
        { "%i-%u", "corp corp-eu", 1 },
        { "%i-%u", "corp-eu corp", 1 },
        { "%i-%u", "corp eu", 0 },
        { "%i-%u", "corp corpeu", 0 },
        { "%i-%u", "co-a co-b", 0 },
        { "%i%u", "corp corpeu", 1 },
        { "%i%u", "corp eu", 0 },
        { "%u-%i", "eu corp-eu", 1 },
        { "%u-%i", "corp corp-eu", 0 },
        { "%u@%i", "corp corp-eu eu", 0 },
        { "%u@%i", "corp x@corp", 1 },
        { "%u@%i", "https://a.test/ https://b.test/", 0 },
        { "%i/%u", "https://a.test https://a.test/x", 1 },
        { "%i=%u", "a a=b", 0 },     /* no user has "=" in it */
        { "%u", "a b", 0 },
        { "%%i-%u", "corp corp-eu", 0 },
        { "%i", "corp corp-eu", 0 },
        { "%i-%u", "corp", 0 },
        { "%i-%u", "", 0 },
        { "<%i>%u", "a a>b", 1 },
        { "<%i>%u", "a b", 0 },
        { "%u%u", "a", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        if (collides(p, cases[i].format, cases[i].sources) != cases[i].collides) {
            fail_msg("%s with %s", cases[i].format, cases[i].sources);
        }
    }
}

static void test_tenants(void **state)
{
    static const struct {
        const char *format, *sources;
        int collides;
    } cases[] = {
        { "%t-%u", "i|a i|b", 0 },
        { "%t-%u", "i|a i|a-b", 1 },
        { "%t-%u", "i|*", 1 },
        { "%t%u", "i|*", 1 },
        { "%u%t", "i|*", 1 },
        { "%u-%t", "i|*", 1 },
        { "%u@%t", "i|*", 0 },
        { "%t/%u", "i|*", 0 },
        { "%t/%u", "i|* j|*", 0 },      /* the issuers share their users */
        { "%t/%u", "i|a j|a", 0 },
        { "%t-%u", "i|a j|a-b", 1 },
        { "%i/%t/%u", "i|* j|* k", 0 },
        { "%i-%t/%u", "corp|* corp-eu|*", 1 },
        { "%i/%t/%u", "corp|* corp-eu|*", 0 },
        { "%i%t/%u", "a|* ab|*", 1 },
        { "%u@%t", "plain i|*", 0 },
        { "%u%t", "plain i|a", 1 },
        { "%u%t", "plain i|*", 1 },
        { "%u@%t", "plain i|a", 0 },
        { "%u@%t@%i", "i|* j|*", 0 },
        { "%u@%t.%i", "x|* y.x|*", 1 },
        { "%u.%t", "i|a i|b.a", 1 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        if (collides(p, cases[i].format, cases[i].sources) != cases[i].collides) {
            fail_msg("%s with %s", cases[i].format, cases[i].sources);
        }
    }
}

/* What check 12 refuses in a user is a good separator. */
static void test_user_characters(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_user_source_t *a, *b;
    int printable;

    for (printable = 0; printable < 2; printable++) {
        assert_int_equal(bearer_user_format_collides(
            "%i;%u", sources_of(p, "corp corp;eu", printable), &a, &b, p),
            printable);
    }
    assert_string_equal(a->name, "corp;eu");
    assert_string_equal(b->name, "corp");
}

/* A long list of names costs little: most pairs differ at an end. */
static void test_many(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *names = "";
    int i;

    for (i = 0; i < 500; i++) {
        names = apr_psprintf(p, "%s https://idp.example/realms/shop-%d", names, i);
    }
    assert_int_equal(collides(p, "%u@%i", names), 0);
    assert_int_equal(collides(p, "%i/%u", names), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_names), UNIT_TEST(test_tenants),
        UNIT_TEST(test_user_characters), UNIT_TEST(test_many)
    };

    return UNIT_RUN("user_format", tests);
}
