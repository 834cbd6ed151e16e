/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A Cookie field as a browser, or whoever says that he is one, sends it: what
 * is read of this module's own cookies, what the backend gets to see, and the
 * way of a long value through chunks. And where the same client may be sent
 * after login.
 */
#include "fuzz.h"

#include "base/cookie.h"
#include "login/return_url.h"

static bearer_cookie_names_t names[2];

static void fuzz_setup(apr_pool_t *p)
{
    bearer_cookie_names(&names[0], "https://app.example", p);
    bearer_cookie_names(&names[1], "http://app.example:8080", p);
}

/* ---- reading and stripping ---------------------------------------------- */

typedef struct pairs_t {
    const bearer_cookie_names_t *names;
    int own, others, sessions;
    const char *session;
    apr_pool_t *p;
    const char *kept;      /**< the others, written down */
} pairs_t;

/* Of any server of this host. */
static int is_own(const char *name)
{
    static const char *const starts[] = {
        "bearer_session", "bearer_login", "bearer_tries", "__Host-bearer_session",
        "__Host-bearer_login", "__Host-bearer_tries", "bearer_issuer", "__Host-bearer_issuer"
    };
    size_t i, end = strcspn(name, ".");

    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        size_t len = strlen(starts[i]);

        if (strncmp(name, starts[i], len) == 0
            && (len == end
                || (len < end && name[len] == '_'
                    && strspn(name + len + 1, "0123456789") == end - len - 1))) {
            return 1;
        }
    }
    return 0;
}

static int collect(void *baton, const char *name, const char *value)
{
    pairs_t *pairs = baton;

    FUZZ_CHECK(*name && !strpbrk(name, ";=") && !strchr(value, ';'));
    FUZZ_CHECK(!strchr(" \t", *name) && !strchr(" \t", name[strlen(name) - 1]));
    FUZZ_CHECK(!*value || (!strchr(" \t", *value)
                           && !strchr(" \t", value[strlen(value) - 1])));
    if (!is_own(name)) {
        pairs->others++;
        pairs->kept = apr_pstrcat(pairs->p, pairs->kept, name, "=", value, ";",
                                  NULL);
        return 1;
    }
    pairs->own++;
    if (strcmp(name, pairs->names->session) == 0) {
        pairs->sessions++;
        pairs->session = value;
    }
    return 1;
}

static void read_and_strip(const bearer_cookie_names_t *own, const char *field,
                           apr_pool_t *p)
{
    pairs_t before = { own, 0, 0, 0, NULL, p, "" };
    pairs_t after = before;
    const char *value = bearer_cookie_get(field, own->session, p);
    const char *left = bearer_cookie_strip(field, p);

    bearer_cookie_each(field, collect, &before, p);
    FUZZ_CHECK(!value == (before.sessions != 1 || !*before.session));
    FUZZ_CHECK(!value || strcmp(value, before.session) == 0);
    bearer_cookie_each(left, collect, &after, p);
    FUZZ_CHECK(after.own == 0 && after.others == before.others);
    FUZZ_CHECK(strcmp(after.kept, before.kept) == 0);
    FUZZ_CHECK(!left || strcmp(left, bearer_cookie_strip(left, p)) == 0);
}

/* ---- a value out and back ----------------------------------------------- */

static void there_and_back(const bearer_cookie_names_t *own, const char *text,
                           apr_pool_t *p)
{
    char *value = apr_pstrdup(p, text);
    const apr_array_header_t *lines;
    const char *field = "";
    size_t len;
    int i;

    len = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789-_.");
    value[len] = '\0';
    lines = bearer_cookie_split(own, own->session, value, 60, text, p);
    FUZZ_CHECK(!lines == (len > BEARER_COOKIE_MAX));
    for (i = 0; lines && i < lines->nelts; i++) {
        const char *line = APR_ARRAY_IDX(lines, i, const char *);
        const char *end = strchr(line, ';');

        FUZZ_CHECK(end && end - line < 4096 && !strpbrk(line, "\r\n"));
        field = apr_pstrcat(p, apr_pstrmemdup(p, line, (size_t)(end - line)),
                            "; ", field, NULL);
    }
    if (lines && len) {
        const char *again[BEARER_COOKIE_VALUES];

        FUZZ_CHECK(bearer_cookie_values(again, field, own->session, p) == 1
                   && strcmp(*again, value) == 0);
    }
}

/* ---- and where to afterwards -------------------------------------------- */

static void return_url(const char *text, apr_pool_t *p)
{
    static const char base[] = "https://app.example";
    const char *url = bearer_return_url(base, text, p);

    if (url) {
        const char *path = url + strlen(base);

        FUZZ_CHECK(strncmp(url, base, strlen(base)) == 0);
        FUZZ_CHECK(*path == '/' && path[1] != '/' && path[1] != '\\');
        for (; *path; path++) {
            FUZZ_CHECK(*path > 0x20 && *path < 0x7f && *path != '\\'
                       && *path != '"' && *path != '<');
        }
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const char *values[BEARER_COOKIE_VALUES];
    size_t i;
    int n;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        read_and_strip(&names[i], text, p);
        there_and_back(&names[i], text, p);
    }
    n = bearer_cookie_values(values, text, names[0].session, p);
    FUZZ_CHECK(n <= BEARER_COOKIE_VALUES);
    while (n--) {
        FUZZ_CHECK(*values[n] && strlen(values[n]) <= len);
    }
    return_url(text, p);
}
