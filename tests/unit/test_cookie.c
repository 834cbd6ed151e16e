/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Cookies: names, attributes, chunks, and what a browser may send. */
#include "unit.h"

#include "base/cookie.h"

static apr_pool_t *pool_of_pairs;

static void names_for(bearer_cookie_names_t *names, const char *url,
                      const char *session, int secure, apr_pool_t *p)
{
    bearer_cookie_names(names, url, p);
    assert_string_equal(names->session, session);
    assert_int_equal(names->secure, secure);
}

static void test_names(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_cookie_names_t n;

    names_for(&n, "http://a.example", "bearer_session", 0, p);
    names_for(&n, "http://a.example:443", "bearer_session_443", 0, p);
    names_for(&n, "https://a.example", "__Host-bearer_session", 1, p);
    names_for(&n, "https://a.example:443", "__Host-bearer_session", 1, p);
    names_for(&n, "https://a.example:8443", "__Host-bearer_session_8443", 1, p);
    assert_string_equal(n.login, "__Host-bearer_login_8443.");
}

static void test_get(void **state)
{
    apr_pool_t *p = unit_pool(state);
    static const struct {
        const char *field, *value;
    } cases[] = {
        { NULL, NULL }, { "", NULL }, { "a=1", "1" }, { "b=2; a=1", "1" },
        { "a = 1 ;b=2", "1" }, { "\ta=1", "1" }, { "xa=1", NULL },
        { "a=1; a=2", NULL }, { "a=1; A=2", "1" }, { "a=", NULL }, { "a", NULL },
        { "=1; a=3", "3" }, { ";;; a=4;", "4" }, { "a=b=c", "b=c" },
        { "aa=1; ab=2", NULL },
        /* two lines, joined by httpd or by what stands in front of it */
        { "b=2, a=1", "1" }, { "b=2,a=1", "1" }, { "a=1, b=2", "1" },
        { "a=1, a=2", NULL }, { "b=2, a = 1 , c=3", "1" }, { "b=2, xa=1", NULL }
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *v = bearer_cookie_get(cases[i].field, "a", p);

        UNIT_CHECK((v == NULL) == (cases[i].value == NULL)
                       && (!v || strcmp(v, cases[i].value) == 0),
                   "%s gave %s", cases[i].field, v);
    }
}

/* A browser lets a neighbour's host set a cookie with a comma in it, but none of
 * such a name. */
static void test_prefix_behind_a_comma(void **state)
{
    apr_pool_t *p = unit_pool(state);
    static const char *const planted[] = {
        "x=1, __Host-a=bad", "x=1,__Host-a=bad", "x=1,\t__Host-a=bad"
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(planted); i++) {
        const char *both = apr_pstrcat(p, "__Host-a=good; ", planted[i], NULL);

        assert_null(bearer_cookie_get(planted[i], "__Host-a", p));
        assert_string_equal(bearer_cookie_get(both, "__Host-a", p), "good");
    }
    assert_null(bearer_cookie_get("x=1, __Secure-a=bad", "__Secure-a", p));
    assert_string_equal(bearer_cookie_get("x=1; __Host-a=good", "__Host-a", p),
                        "good");
}

/* The cookie of a domain: another host can set one of its name, so each value is tried,
 * in the order sent, up to a number. */
static void test_values(void **state)
{
    apr_pool_t *p = unit_pool(state);
    static const struct {
        const char *field, *all;
    } cases[] = {
        { NULL, "" }, { "", "" }, { "a=1", "1" }, { "a=2; a=1", "2 1" }, { "a=; a=1", "1" },
        { "a=1; b=2; a=3; A=4; xa=5; a.1=6", "1 3" }, { "a=1; a=1", "1 1" },
        { "a=1; a=2; a=3; a=4; a=5", "1 2 3 4" }, { "a=1, a=2", "1 2" }
    };
    const char *values[BEARER_COOKIE_VALUES], *all, *full;
    char chunk[BEARER_COOKIE_CHUNK + 1];
    size_t i;
    int k, n;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        n = bearer_cookie_values(values, cases[i].field, "a", p);
        for (all = "", k = 0; k < n; k++) {
            all = apr_pstrcat(p, all, k ? " " : "", values[k], NULL);
        }
        UNIT_CHECK(!strcmp(all, cases[i].all), "%s gave %s", cases[i].field, all);
    }
    assert_int_equal(bearer_cookie_values(values, "x=1, __Secure-a=bad; __Secure-a=2",
                                          "__Secure-a", p), 1);
    assert_string_equal(values[0], "2");
    memset(chunk, 'x', BEARER_COOKIE_CHUNK);
    chunk[BEARER_COOKIE_CHUNK] = '\0';
    full = apr_pstrcat(p, "a.1=p; a=", chunk, "; a=s; a.1=q", NULL);
    assert_int_equal(bearer_cookie_values(values, full, "a", p), 3);
    assert_string_equal(values[0], apr_pstrcat(p, chunk, "p", NULL));
    assert_string_equal(values[1], apr_pstrcat(p, chunk, "q", NULL));
    assert_string_equal(values[2], "s");
    assert_int_equal(bearer_cookie_values(values, apr_pstrcat(p, "a=", chunk, NULL), "a", p), 1);
    assert_string_equal(values[0], chunk);
    full = apr_pstrcat(p, full, "; a.1=r; a.1=t; a.1=u", NULL);
    assert_int_equal(bearer_cookie_values(values, full, "a", p), BEARER_COOKIE_VALUES);
}

/* Of a domain: Domain and another prefix for the session, nothing else of it for others. */
static void test_share(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const apr_array_header_t *lines;
    bearer_cookie_names_t n;
    int i;

    bearer_cookie_names(&n, "https://a.b.example:8443", p);
    bearer_cookie_share(&n, "b.example");
    assert_string_equal(bearer_cookie_set(&n, n.session, "v", -1, p),
                        "__Secure-bearer_session=v; Path=/; Domain=b.example; HttpOnly; Secure; "
                        "SameSite=Lax");
    assert_false(unit_contains(bearer_cookie_set(&n, n.tries, "v", 60, p), "Domain"));
    assert_string_equal(n.login, "__Host-bearer_login_8443.");
    lines = bearer_cookie_split(&n, n.session, NULL, -1, "__Secure-bearer_session.1=x", p);
    assert_int_equal(lines->nelts, 2);
    for (i = 0; i < 2; i++) {
        assert_true(unit_contains(APR_ARRAY_IDX(lines, i, const char *), "; Domain=b.example; "
                                  "Max-Age=0"));
    }
}

static void test_set(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_cookie_names_t n;

    bearer_cookie_names(&n, "https://a.example", p);
    assert_string_equal(bearer_cookie_set(&n, n.session, "v", -1, p),
                        "__Host-bearer_session=v; Path=/; HttpOnly; Secure; "
                        "SameSite=Lax");
    assert_true(unit_contains(bearer_cookie_set(&n, n.session, "", 0, p),
                              "; Max-Age=0; Expires=Thu, 01 Jan 1970"));
    bearer_cookie_names(&n, "http://a.example", p);
    assert_false(unit_contains(bearer_cookie_set(&n, "x", "v", 60, p), "Secure"));
}

/* The Cookie field that a browser makes of Set-Cookie lines. */
static const char *field_of(const apr_array_header_t *lines, apr_pool_t *p)
{
    const char *field = "other=1";
    int i;

    for (i = 0; i < lines->nelts; i++) {
        const char *line = APR_ARRAY_IDX(lines, i, const char *);

        if (!strstr(line, "Max-Age=0")) {
            field = apr_pstrcat(p, field, "; ",
                                apr_pstrmemdup(p, line, strcspn(line, ";")), NULL);
        }
    }
    return field;
}

static void test_chunks(void **state)
{
    static const int sizes[] = {
        1, BEARER_COOKIE_CHUNK - 1, BEARER_COOKIE_CHUNK, BEARER_COOKIE_CHUNK + 1,
        BEARER_COOKIE_MAX
    };
    apr_pool_t *p = unit_pool(state);
    const apr_array_header_t *lines;
    bearer_cookie_names_t n;
    char value[BEARER_COOKIE_MAX + 2];
    const char *values[BEARER_COOKIE_VALUES];
    size_t i;

    bearer_cookie_names(&n, "https://a.example", p);
    for (i = 0; i < UNIT_COUNT(sizes); i++) {
        int k;

        for (k = 0; k < sizes[i]; k++) {
            value[k] = (char)('a' + k % 23);
        }
        value[sizes[i]] = '\0';
        lines = bearer_cookie_split(&n, n.session, value, -1, NULL, p);
        assert_non_null(lines);
        for (k = 0; k < lines->nelts; k++) {
            assert_true(strlen(APR_ARRAY_IDX(lines, k, const char *)) < 4096);
        }
        assert_int_equal(bearer_cookie_values(values, field_of(lines, p), n.session, p), 1);
        assert_string_equal(values[0], value);
        assert_string_equal(bearer_cookie_strip(field_of(lines, p), p),
                            "other=1");
    }
    memset(value, 'a', BEARER_COOKIE_MAX + 1);
    value[BEARER_COOKIE_MAX + 1] = '\0';
    assert_null(bearer_cookie_split(&n, n.session, value, -1, NULL, p));
    /* a shorter value takes an earlier chunk away; so does the end */
    value[10] = '\0';
    lines = bearer_cookie_split(&n, n.session, value, 60,
                                "__Host-bearer_session.1=old", p);
    assert_int_equal(lines->nelts, 2);
    assert_true(unit_contains(APR_ARRAY_IDX(lines, 0, const char *), "; Max-Age=60;"));
    assert_true(unit_contains(APR_ARRAY_IDX(lines, 1, const char *), "Max-Age=0"));
    lines = bearer_cookie_split(&n, n.session, NULL, 60, NULL, p);
    assert_int_equal(lines->nelts, 1);
    assert_true(unit_contains(APR_ARRAY_IDX(lines, 0, const char *), "Max-Age=0"));
}

static void test_strip(void **state)
{
    apr_pool_t *p = unit_pool(state);
    static const struct {
        const char *field, *kept;
    } cases[] = {
        { "a=1; b=2", "a=1; b=2" },
        { "a=1;b=2;bearer_session=x", "a=1; b=2" },
        { "bearer_session=x", NULL },
        { "bearer_session =x; bearer_session.1=y", NULL },
        /* of another port or scheme of this host */
        { "bearer_session_8080=x; a=1", "a=1" },
        { "__Host-bearer_session=x; __Host-bearer_session.1=y; a=1", "a=1" },
        { "__Secure-bearer_session=x; __Secure-bearer_session.1=y; a=1", "a=1" },
        { "__Secure-bearer_sessions=1; __Secure-a=2", "__Secure-bearer_sessions=1; __Secure-a=2" },
        { "__Host-bearer_login_8443.abc=1; __Host-bearer_tries_8443=1", NULL },
        { "__Host-bearer_issuer=corp; bearer_issuer_8080=corp; bearer_sent=1", NULL },
        { "bearer_sessions=x", "bearer_sessions=x" },
        { "bearer_session_id=x; bearer_=1; xbearer_tries=2",
          "bearer_session_id=x; bearer_=1; xbearer_tries=2" },
        { "bearer_login.abc=1; a=bearer_session=3", "a=bearer_session=3" },
        { "bearer_tries=1;x;y=2", "x; y=2" },
        { "a;b;c;d;e;f;bearer_tries=1", "a; b; c; d; e; f" },
        /* two lines, joined by httpd or by what stands in front of it */
        { "a=1, bearer_session=x", "a=1" },
        { "a=1,bearer_session=x", "a=1" },
        { "bearer_session=x, a=1", "a=1" },
        { "a=1; bearer_session=x, b=2", "a=1; b=2" },
        { "a=1, bearer_session=x, b=2; c=3", "a=1; b=2; c=3" },
        { "x=1, __Host-bearer_session=y; a=1", "x=1; a=1" },
        /* an application's commas are its own affair */
        { "a=x, y,z ; bearer_session=x", "a=x, y,z " },
        { "a=1,;bearer_session=x", "a=1," },
        { "a=1, b=2", "a=1, b=2" },
        /* what was part of a value must not become a cookie that browsers protect */
        { "bearer_session=x, __Host-a=bad", NULL },
        { "b=1; bearer_session=x,__Secure-a=bad; c=2", "b=1; c=2" },
        { "b=1, __Host-a=1; bearer_tries=1", "b=1, __Host-a=1" },
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *kept = bearer_cookie_strip(cases[i].field, p);

        UNIT_CHECK((kept == NULL) == (cases[i].kept == NULL)
                       && (!kept || strcmp(kept, cases[i].kept) == 0),
                   "%s gave %s", cases[i].field, kept);
    }
    assert_string_equal(bearer_cookie_own("a=1; bearer_session=x, b=2; "
                                          "bearer_tries=3", p),
                        "bearer_session=x; bearer_tries=3");
    assert_null(bearer_cookie_own("a=1; b=2", p));
}

static int put_pair(void *baton, const char *name, const char *value)
{
    const char **all = baton;

    *all = apr_psprintf(pool_of_pairs, "%s[%s=%s]", *all, name, value);
    return !strstr(*all, "stop");
}

/* Every pair, with its blanks cut, until it was enough. */
static void test_each(void **state)
{
    static const struct {
        const char *field, *pairs;
    } cases[] = {
        { NULL, "" }, { "", "" }, { " ", "" }, { ";", "" }, { "a", "" }, { "=1", "" },
        { "a=1", "[a=1]" }, { " a = 1 ", "[a=1]" }, { "\ta\t=\t1\t", "[a=1]" },
        { "a=", "[a=]" }, { "a= ", "[a=]" }, { "a=  1  2  ", "[a=1  2]" },
        { "a=1;b=2", "[a=1][b=2]" }, { "a=1, b=2", "[a=1][b=2]" },
        { "a=1;;b=2;", "[a=1][b=2]" }, { "a=b=c", "[a=b=c]" },
        { "a=1,__Host-b=2", "[a=1]" }, { "a=1,__Secure-b=2", "[a=1]" },
        { "a=1;__Host-b=2", "[a=1][__Host-b=2]" },
        { "stop=1; b=2", "[stop=1]" }, { " =1;a=2", "[a=2]" }
    };
    size_t i;

    pool_of_pairs = unit_pool(state);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *all = "";

        bearer_cookie_each(cases[i].field, put_pair, &all, pool_of_pairs);
        UNIT_CHECK(strcmp(all, cases[i].pairs) == 0, "%s: %s", cases[i].field, all);
    }
}

/* A cookie that this module sets, of any server of this host, reaches no application. */
static void test_own_names_are_stripped(void **state)
{
    static const char *const servers[] = {
        "http://a.example", "http://a.example:8080", "https://a.example",
        "https://a.example:8443"
    };
    apr_pool_t *p = unit_pool(state);
    size_t i, k;

    for (i = 0; i < UNIT_COUNT(servers); i++) {
        bearer_cookie_names_t names;

        bearer_cookie_names(&names, servers[i], p);
        {
            const char *own[] = {
                names.session, apr_pstrcat(p, names.session, ".1", NULL), names.tries,
                apr_pstrcat(p, names.login, "c3RhdGU", NULL)
            };

            for (k = 0; k < UNIT_COUNT(own); k++) {
                const char *pair = apr_pstrcat(p, own[k], "=v", NULL);

                assert_null(bearer_cookie_strip(pair, p));
                assert_string_equal(bearer_cookie_own(pair, p), pair);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_names), UNIT_TEST(test_get), UNIT_TEST(test_set),
        UNIT_TEST(test_chunks), UNIT_TEST(test_strip), UNIT_TEST(test_values),
        UNIT_TEST(test_share),
        UNIT_TEST(test_own_names_are_stripped), UNIT_TEST(test_prefix_behind_a_comma),
        UNIT_TEST(test_each),
    };

    return UNIT_RUN("cookie", tests);
}
