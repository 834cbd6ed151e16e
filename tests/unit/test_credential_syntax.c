/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Check 1, string by string: what counts as one token, and what is left when it
 * is taken away. */
#include <time.h>

#include "unit.h"

#include "judge/credential_syntax.h"

typedef struct case_t {
    const char *field;
    bearer_reason_t reason;
    const char *token;      /* when BEARER_OK */
} case_t;

static void expect(const case_t *c, const bearer_found_t *found, apr_pool_t *p)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason = bearer_syntax_judge(found, &why, p);

    UNIT_CHECK(reason == c->reason, "%s: %s", c->field,
               bearer_reason_name(reason));
    if (reason == BEARER_OK) {
        UNIT_CHECK(strcmp(found->token, c->token) == 0, "%s: %s", c->field,
                   found->token);
    }
    if (reason == BEARER_CREDENTIAL_SYNTAX || reason == BEARER_CREDENTIAL_COUNT) {
        assert_non_null(why.detail);
    }
}

/* ---- Authorization (RFC 6750 section 2.1) ------------------------------- */

static const case_t authorization[] = {
    { "Bearer abc", BEARER_OK, "abc" },
    { "bEaReR   abc", BEARER_OK, "abc" },
    { "Bearer a-b._~+/c0==", BEARER_OK, "a-b._~+/c0==" },
    { "Bearer", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer ", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer =", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a=b", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a b", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer\tabc", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a\xc3\xa4", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer \"abc\"", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a, Bearer b", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a,", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a, Basic eHg=", BEARER_CREDENTIAL_SYNTAX, NULL },
    /* httpd joins the lines in the order in which they came */
    { "Basic eDp5, Bearer a", BEARER_CREDENTIAL_COUNT, NULL },
    { "Basic eDp5,bearer", BEARER_CREDENTIAL_COUNT, NULL },
    { "Digest realm=\"x, Bearer y\", nonce=\"z\"", BEARER_NO_CREDENTIAL, NULL },
    { "Digest realm=\"x\\\", Bearer y\"", BEARER_NO_CREDENTIAL, NULL },
    { "Basic eDp5", BEARER_NO_CREDENTIAL, NULL },
    { "Bearerabc", BEARER_NO_CREDENTIAL, NULL },
    /* RFC 9449 section 7.1 */
    { "DPoP abc", BEARER_OK, "abc" },
    { "dpop  a-b._~+/c0==", BEARER_OK, "a-b._~+/c0==" },
    { "DPoP", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "DPoP \"abc\"", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "DPoP\tabc", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "DPoP a,", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "DPoP a, DPoP b", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "DPoP a, Bearer a", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Bearer a, DPoP b", BEARER_CREDENTIAL_SYNTAX, NULL },
    { "Basic eDp5, DPoP a", BEARER_CREDENTIAL_COUNT, NULL },
    { "Digest realm=\"x, DPoP y\"", BEARER_NO_CREDENTIAL, NULL },
    { "DPoPabc", BEARER_NO_CREDENTIAL, NULL },
    { "", BEARER_NO_CREDENTIAL, NULL },
    { " Bearer abc", BEARER_NO_CREDENTIAL, NULL },
};

/* The refusal of a misspelt token must still name its scheme. */
static int starts_with_dpop(const char *field)
{
    return strncasecmp(field, "DPoP", 4) == 0 && (!field[4] || strchr(" \t", field[4]));
}

static void test_authorization(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(authorization); i++) {
        bearer_found_t found = { NULL, NULL, 0, 0 };

        bearer_syntax_authorization(&found, authorization[i].field);
        expect(&authorization[i], &found, p);
        UNIT_CHECK(found.dpop == starts_with_dpop(authorization[i].field), "%s",
                   authorization[i].field);
    }
}

static void test_bare(void **state)
{
    static const case_t cases[] = {
        { "abc", BEARER_OK, "abc" },
        { "Bearer abc", BEARER_OK, "abc" },
        { "DPoP abc", BEARER_CREDENTIAL_SYNTAX, NULL },
        { "", BEARER_CREDENTIAL_SYNTAX, NULL },
        { "a, b", BEARER_CREDENTIAL_SYNTAX, NULL },
        { "Token abc", BEARER_CREDENTIAL_SYNTAX, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_found_t found = { NULL, NULL, 0, 0 };

        bearer_syntax_bare(&found, cases[i].field);
        expect(&cases[i], &found, p);
    }
}

/* ---- Basic -------------------------------------------------------------- */

static void test_basic(void **state)
{
    static const struct {
        case_t c;
        const char *user;
    } cases[] = {
        { { "Basic dG9rZW46YWJj", BEARER_OK, "abc" }, NULL },
        { { "basic dG9rZW46YWJj", BEARER_OK, "abc" }, "token" },
        { { "Basic dG9rZW46YWJj", BEARER_NO_CREDENTIAL, NULL }, "other" },
        { { "Basic dG9rZW46YWI=", BEARER_OK, "ab" }, NULL },
        { { "Basic dG9rZW46YWI", BEARER_OK, "ab" }, NULL },
        { { "Basic dG9rZW46YQ", BEARER_OK, "a" }, NULL },
        { { "Basic OmFiYw==", BEARER_OK, "abc" }, NULL },
        { { "Basic YTpiOmM=", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Basic dG9rZW46", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Basic dG9rZW4=", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Basic dG9rZW46YWI==", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Basic dG9rZW46Y", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Basic", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Basic dG9r ZW46YWJj", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        /* "token:a\0b": what stands behind a NUL would be seen by others only */
        { { "Basic dG9rZW46YQBi", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        /* two lines; the second must not be forgotten */
        { { "Basic dG9rZW46YWJj, Bearer x", BEARER_CREDENTIAL_SYNTAX, NULL },
          NULL },
        { { "Basic dG9rZW46YWJj, Basic dG9rZW46YWJk",
            BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
        { { "Bearer abc", BEARER_NO_CREDENTIAL, NULL }, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_found_t found = { NULL, NULL, 0, 0 };

        bearer_syntax_basic(&found, cases[i].c.field, cases[i].user, p);
        expect(&cases[i].c, &found, p);
    }
}

/* ---- cookies: read and taken away under the same name -------------------- */

static const struct {
    case_t c;
    const char *left;   /* NULL: nothing */
} cookies[] = {
    { { "at=abc", BEARER_OK, "abc" }, NULL },
    { { "a=1; at=abc; b=2", BEARER_OK, "abc" }, "a=1; b=2" },
    { { "at=abc;b=2", BEARER_OK, "abc" }, "b=2" },
    { { "a=1;at=abc", BEARER_OK, "abc" }, "a=1" },
    { { " at=abc ;", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
    { { "at =abc", BEARER_OK, "abc" }, NULL },
    { { "a=1; \t at \t=abc", BEARER_OK, "abc" }, "a=1" },
    { { "a=1, at=abc", BEARER_OK, "abc" }, "a=1" },
    { { "a=1,at=abc", BEARER_OK, "abc" }, "a=1" },
    { { "at=abc, b=2", BEARER_OK, "abc" }, "b=2" },
    { { "a=1; at=abc, b=2", BEARER_OK, "abc" }, "a=1; b=2" },
    { { "a=x, y; at=abc", BEARER_OK, "abc" }, "a=x, y" },
    { { "at=abc, __Host-b=2", BEARER_OK, "abc" }, NULL },
    { { "at=abc, at=abd", BEARER_CREDENTIAL_COUNT, NULL }, NULL },
    { { "at=a; at=b; c=d", BEARER_CREDENTIAL_COUNT, NULL }, "c=d" },
    { { "at=", BEARER_NO_CREDENTIAL, NULL }, NULL },
    { { "at=; at=b", BEARER_OK, "b" }, NULL },
    { { "at", BEARER_NO_CREDENTIAL, NULL }, "at" },
    { { "AT=abc", BEARER_NO_CREDENTIAL, NULL }, "AT=abc" },
    { { "a t=abc", BEARER_NO_CREDENTIAL, NULL }, "a t=abc" },
    { { "xat=abc; at2=abc", BEARER_NO_CREDENTIAL, NULL }, "xat=abc; at2=abc" },
    { { "at=\"abc\"", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
    { { "at=a=b", BEARER_CREDENTIAL_SYNTAX, NULL }, NULL },
    { { "", BEARER_NO_CREDENTIAL, NULL }, "" },
    { { ";;;", BEARER_NO_CREDENTIAL, NULL }, ";;;" },
    { { "c=d;", BEARER_NO_CREDENTIAL, NULL }, "c=d;" },
};

static void test_cookies(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cookies); i++) {
        bearer_found_t found = { NULL, NULL, 0, 0 };
        const char *field = cookies[i].c.field, *left;

        bearer_syntax_cookie(&found, field, "at", p);
        expect(&cookies[i].c, &found, p);
        left = bearer_syntax_without_cookie(field, "at", p);
        UNIT_CHECK((!left && !cookies[i].left)
                   || (left && cookies[i].left && !strcmp(left, cookies[i].left)),
                   "%s: left is %s", field, left ? left : "nothing");
    }
}

/* A browser lets a neighbour's host set a cookie with a comma in it. */
static void test_prefixed_cookies(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_found_t found = { NULL, NULL, 0, 0 };
    static const char planted[] = "x=1, __Host-at=bad; __Host-at=good";

    bearer_syntax_cookie(&found, planted, "__Host-at", p);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.token, "good");
    assert_string_equal(bearer_syntax_without_cookie(planted, "__Host-at", p),
                        "x=1");
}

/* ---- queries ------------------------------------------------------------- */

static const struct {
    case_t c;
    const char *masked;
} queries[] = {
    { { "t=abc", BEARER_OK, "abc" }, "t=***" },
    { { "a=1&t=abc&b=2", BEARER_OK, "abc" }, "a=1&t=***&b=2" },
    { { "a=1&&t=a%2Db&", BEARER_OK, "a-b" }, "a=1&&t=***&" },
    { { "%74=abc", BEARER_OK, "abc" }, "%74=***" },
    { { "t=abc&t=abd", BEARER_CREDENTIAL_COUNT, NULL }, "t=***&t=***" },
    { { "t=abc&%74=abd", BEARER_CREDENTIAL_COUNT, NULL }, "t=***&%74=***" },
    { { "t=", BEARER_CREDENTIAL_SYNTAX, NULL }, "t=***" },
    { { "t=a%00b", BEARER_CREDENTIAL_SYNTAX, NULL }, "t=***" },
    { { "t=a%", BEARER_CREDENTIAL_SYNTAX, NULL }, "t=***" },
    { { "t=a%4", BEARER_CREDENTIAL_SYNTAX, NULL }, "t=***" },
    { { "t=a%zz", BEARER_CREDENTIAL_SYNTAX, NULL }, "t=***" },
    { { "t=a+b", BEARER_CREDENTIAL_SYNTAX, NULL }, "t=***" },
    { { "t=a%2Bb", BEARER_OK, "a+b" }, "t=***" },
    { { "t", BEARER_NO_CREDENTIAL, NULL }, "t" },
    { { "T=abc", BEARER_NO_CREDENTIAL, NULL }, "T=abc" },
    { { "t%=abc", BEARER_NO_CREDENTIAL, NULL }, "t%=abc" },
    { { "%7=abc", BEARER_NO_CREDENTIAL, NULL }, "%7=abc" },
    { { "tt=abc&a=t=abc", BEARER_NO_CREDENTIAL, NULL }, "tt=abc&a=t=abc" },
    /* some applications split here as well */
    { { "a=1;t=abc", BEARER_NO_CREDENTIAL, NULL }, "a=1;t=***" },
    { { "", BEARER_NO_CREDENTIAL, NULL }, "" },
};

static void test_queries(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(queries); i++) {
        bearer_found_t found = { NULL, NULL, 0, 0 };
        const char *query = queries[i].c.field, *masked;

        bearer_syntax_query(&found, query, "t", p);
        expect(&queries[i].c, &found, p);
        masked = bearer_syntax_mask_query(query, "t", p);
        UNIT_CHECK(strcmp(masked, queries[i].masked) == 0, "%s: %s", query,
                   masked);
        assert_ptr_equal(bearer_syntax_mask_query(masked, "t", p), masked);
    }
}

static void test_parameter_removed(void **state)
{
    static const char *const cases[][2] = {
        { "t=abc", "-" }, { "t=", "-" }, { "t=a&t=b;t=c", "-" },
        { "a=1&t=abc", "a=1" }, { "t=abc&a=1", "a=1" },
        { "a=1&t=abc&b=2", "a=1&b=2" }, { "a=1;t=abc;b=2", "a=1;b=2" },
        { "%74=abc&a=%26t=1", "a=%26t=1" }, { "T=abc&tt=1&t", "T=abc&tt=1&t" },
        { "a=1?t=2", "a=1?t=2" }, { "", "-" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *left = bearer_syntax_without_parameter(cases[i][0], "t", p);

        UNIT_CHECK(!strcmp(left ? left : "-", cases[i][1]), "%s: %s", cases[i][0],
                   left ? left : "-");
    }
}

static void test_masked_in_other_text(void **state)
{
    static const char *const cases[][2] = {
        { "GET /a?t=abc HTTP/1.1", "GET /a?t=*** HTTP/1.1" },
        { "GET /t=abc?t=abc HTTP/1.1", "GET /t=abc?t=*** HTTP/1.1" },
        { "GET /a?b=1&t=abc", "GET /a?b=1&t=***" },
        { "GET /a HTTP/1.1", "GET /a HTTP/1.1" },
        { "/a?t=abc#t=abc", "/a?t=***#t=abc" },
        { "https://h/?%74=abc&x", "https://h/?%74=***&x" },
        { "?", "?" },
        { "", "" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_string_equal(bearer_syntax_mask_url(cases[i][0], "t", p),
                            cases[i][1]);
    }
}

/* ---- bounds -------------------------------------------------------------- */

/* A list of n pieces; what is done with it must not cost n times n. */
static char *many(const char *piece, int n, apr_pool_t *p)
{
    apr_size_t len = strlen(piece);
    char *text = apr_palloc(p, len * (apr_size_t)n + 1);
    int i;

    for (i = 0; i < n; i++) {
        memcpy(text + len * (apr_size_t)i, piece, len);
    }
    text[len * (apr_size_t)n] = '\0';
    return text;
}

static void test_linear(void **state)
{
    const int n = 400000;
    apr_pool_t *p = unit_pool(state);
    bearer_found_t found = { NULL, NULL, 0, 0 };
    clock_t start = clock();

    bearer_syntax_cookie(&found, many("a=a;", n, p), "a", p);
    bearer_syntax_query(&found, many("a=a&", n, p), "a", p);
    assert_int_equal(found.count, 2 * n);
    assert_null(bearer_syntax_without_cookie(many("a=a;", n, p), "a", p));
    bearer_syntax_without_cookie(many("b=a;", n, p), "a", p);
    bearer_syntax_mask_query(many("a=a&", n, p), "a", p);
    bearer_syntax_authorization(&found, many("a,", n, p));
    /* squares would be minutes and gigabytes */
    assert_true(clock() - start < unit_slow() * 5 * CLOCKS_PER_SEC);
}

static void test_the_first_of_several_is_kept(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_found_t found = { NULL, NULL, 0, 0 };

    bearer_syntax_cookie(&found, "at=a", "at", p);
    bearer_syntax_authorization(&found, "Bearer b");
    bearer_syntax_query(&found, "t=c", "t", p);
    assert_int_equal(found.count, 3);
    assert_string_equal(found.token, "a");
    assert_int_equal(bearer_syntax_judge(&found, NULL, p),
                     BEARER_CREDENTIAL_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_authorization),
        UNIT_TEST(test_bare),
        UNIT_TEST(test_basic),
        UNIT_TEST(test_cookies),
        UNIT_TEST(test_prefixed_cookies),
        UNIT_TEST(test_queries),
        UNIT_TEST(test_parameter_removed),
        UNIT_TEST(test_masked_in_other_text),
        UNIT_TEST(test_linear),
        UNIT_TEST(test_the_first_of_several_is_kept),
    };

    return UNIT_RUN("credential_syntax", tests);
}
