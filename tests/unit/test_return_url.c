/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Where a browser may be sent: a corpus of payloads, and the bounds. */
#include "unit.h"

#include "login/return_url.h"

#define BASE "https://app.example"

static const char *unescaped(apr_pool_t *p, const char *line)
{
    char *out = apr_palloc(p, strlen(line) + 1), *at = out;

    while (*line) {
        unsigned byte;

        if (sscanf(line, "\\x%2x", &byte) == 1) {
            *at++ = (char)byte;
            line += 4;
        } else {
            *at++ = *line++;
        }
    }
    *at = '\0';
    return out;
}

static void test_corpus(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *rest, *line = apr_strtok(apr_pstrdup(p, unit_vector(
        p, "open-redirect.txt")), "\n", &rest);
    int good = 0, bad = 0;

    for (; line; line = apr_strtok(NULL, "\n", &rest)) {
        int ok = strncmp(line, "ok ", 3) == 0;
        const char *target = unescaped(p, ok ? line + 3 : line);
        const char *url;

        /* a NUL ends what a header field can say */
        if (*line == '#' && line[1] == ' ') {
            continue;
        }
        url = bearer_return_url(BASE, target, p);
        if (strstr(line, "\\x00")) {
            assert_true(!url || strcmp(url, BASE "/") == 0);
            continue;
        }
        UNIT_CHECK((url != NULL) == ok, "%s gave %s", line, url);
        good += ok;
        bad += !ok;
        if (ok) {
            assert_string_equal(url, apr_pstrcat(p, BASE, target, NULL));
        }
    }
    assert_true(good >= 9 && bad >= 55);
}

static void test_bounds(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *long_one = apr_pcalloc(p, BEARER_RETURN_MAX + 2);

    memset(long_one, 'a', BEARER_RETURN_MAX);
    *long_one = '/';
    assert_non_null(bearer_return_url(BASE, long_one, p));
    long_one[BEARER_RETURN_MAX] = 'a';
    assert_null(bearer_return_url(BASE, long_one, p));
    assert_null(bearer_return_url(BASE, "", p));
    assert_null(bearer_return_url(BASE, NULL, p));
}

/* The page of a link is the one that is come back to. */
static void test_escape(void **state)
{
    apr_pool_t *p = unit_pool(state);
    static const struct {
        const char *target, *escaped;
    } cases[] = {
        { "/", "/" }, { "/a?b=c&d=%20", "/a?b=c&d=%20" },
        { "/Moore's_law", "/Moore%27s_law" },
        { "/find?name='x'&dir=C:\\x&a=\"b\"`<>", "/find?name=%27x%27&dir=C:%5Cx&"
          "a=%22b%22%60%3C%3E" },
        { "/caf\xc3\xa9?\xff", "/caf%C3%A9?%FF" },
    };
    /* what may not be is not made so */
    static const char *const never[] = {
        "/\\evil.example", "/a b", "/\"x", "/<x>", "/a`b", "//evil.example", "/#x",
        "/\x7f\n"
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *escaped = bearer_return_escape(cases[i].target, p);

        assert_string_equal(escaped, cases[i].escaped);
        assert_non_null(bearer_return_url(BASE, escaped, p));
    }
    for (i = 0; i < UNIT_COUNT(never); i++) {
        UNIT_CHECK(!bearer_return_url(BASE, bearer_return_escape(never[i], p), p),
                   "%s", never[i]);
    }
}

/* The page that this browser asked for: whatever is legal, and always of this host. */
static void test_here(void **state)
{
    static const char *const good[] = {
        "/", "/a//b", "/a//", "/a/%5Cb", "/%2F%2Fevil.example", "/%0d%0aX:%20y",
        "/.//evil.example", "/%00", "/%",
        "/a?b=//c&d=%5C", "/[a]|^{b}"
    };
    static const char *const bad[] = {
        "", "//", "//evil.example/", "//user@evil.example:80/", "///x", "evil.example",
        "https://evil.example/", "/\\evil.example", "\\\\evil.example",
        "/a b", "/a\nX: y", "/a\r", "/\x7f", "/\xc3\xa9", "/#x", "/<x>", "/\"x", "?x", "@evil"
    };
    apr_pool_t *p = unit_pool(state);
    char *long_one = apr_pcalloc(p, BEARER_RETURN_MAX + 2);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        const char *url = bearer_return_here(BASE, good[i], p);

        UNIT_CHECK(url && strcmp(url, apr_pstrcat(p, BASE, good[i], NULL)) == 0, "%s",
                   good[i]);
    }
    for (i = 0; i < UNIT_COUNT(bad); i++) {
        UNIT_CHECK(!bearer_return_here(BASE, bad[i], p), "%s", bad[i]);
    }
    assert_null(bearer_return_here(BASE, NULL, p));
    memset(long_one, 'a', BEARER_RETURN_MAX);
    *long_one = '/';
    assert_non_null(bearer_return_here(BASE, long_one, p));
    long_one[BEARER_RETURN_MAX] = 'a';
    assert_null(bearer_return_here(BASE, long_one, p));
}

int main(void)
{
    const struct CMUnitTest tests[] = { UNIT_TEST(test_corpus),
                                        UNIT_TEST(test_bounds),
                                        UNIT_TEST(test_escape), UNIT_TEST(test_here) };

    return UNIT_RUN("return_url", tests);
}
