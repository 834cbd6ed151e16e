/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The challenge: a category, a realm, a metadata URL, scopes, one a line. Each
 * one written must be read by the grammar of RFC 9110 section 11.6.1.
 */
#include "fuzz.h"

#include "judge/challenge.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

/* name="value"; the end of it */
static const char *parameter(const char *s, char *name, size_t room)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

    FUZZ_CHECK(n > 0 && n < room && s[n] == '=' && s[n + 1] == '"');
    memcpy(name, s, n);
    name[n] = '\0';
    for (s += n + 2; *s != '"'; s++) {
        if (*s == '\\') {
            s++;
        }
        FUZZ_CHECK(*s >= 0x20 && *s <= 0x7e);
    }
    return s + 1;
}

/* Each parameter once (RFC 6750 section 3). */
static void check(const char *field, const char *scheme)
{
    char names[8][40];
    int count = 0, i;

    FUZZ_CHECK(strncmp(field, scheme, strlen(scheme)) == 0);
    field += strlen(scheme);
    for (;;) {
        FUZZ_CHECK(count < 8);
        field = parameter(field, names[count], sizeof(names[0]));
        for (i = 0; i < count; i++) {
            FUZZ_CHECK(strcmp(names[i], names[count]) != 0);
        }
        count++;
        if (!*field) {
            return;
        }
        FUZZ_CHECK(field[0] == ',' && field[1] == ' ');
        field += 2;
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    apr_array_header_t *scopes = apr_array_make(p, 4, sizeof(const char *));
    bearer_challenge_t c = { NULL, BEARER_CATEGORY_OK, NULL, NULL, NULL, NULL, 0, NULL };

    if (!len) {
        return;
    }
    c.category = (bearer_category_t)((unsigned char)*text
                                     % BEARER_CATEGORY_COUNT);
    c.bare = (unsigned char)*text >= 0x80;
    text++;
    c.realm = fuzz_part(&text, '\n', p);
    if (*text) {
        c.resource_metadata = fuzz_part(&text, '\n', p);
    }
    while (*text) {
        APR_ARRAY_PUSH(scopes, const char *) = fuzz_part(&text, '\n', p);
        c.scopes = scopes;
    }
    check(bearer_challenge_write(&c, p), "Bearer ");
    c.algs = "ES256 PS256";
    check(bearer_challenge_write(&c, p), "DPoP ");
    check(bearer_challenge_basic(c.realm, p), "Basic ");
}
