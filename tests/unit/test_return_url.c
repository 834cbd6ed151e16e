/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Where a browser may be sent: a corpus of payloads, and the bounds. */
#include "unit.h"

#include "bearer/return_url.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = { UNIT_TEST(test_corpus),
                                        UNIT_TEST(test_bounds) };

    return UNIT_RUN("return_url", tests);
}
