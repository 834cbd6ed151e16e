/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* WWW-Authenticate. */
#include "claims.h"

#include "judge/challenge.h"

static const char *written(apr_pool_t *p, const char *realm,
                           bearer_category_t category, const char *scopes,
                           const char *metadata, int bare)
{
    bearer_challenge_t challenge;

    challenge.login = NULL;
    challenge.realm = realm;
    challenge.category = category;
    challenge.scopes = scopes ? unit_list(p, scopes) : NULL;
    challenge.resource_metadata = metadata;
    challenge.parameters = NULL;
    challenge.bare = bare;
    challenge.algs = NULL;
    return bearer_challenge_write(&challenge, p);
}

static void test_forms(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(written(p, "orders", BEARER_CATEGORY_NO_CREDENTIAL,
                                NULL, NULL, 0), "Bearer realm=\"orders\"");
    assert_string_equal(written(p, "orders", BEARER_CATEGORY_NO_CREDENTIAL,
                                "a b", NULL, 0),
                        "Bearer realm=\"orders\", scope=\"a b\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_EXPIRED, NULL, NULL, 0),
                        "Bearer realm=\"o\", error=\"invalid_token\", "
                        "error_description=\"The token has expired\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_SCOPE, "x", NULL, 0),
                        "Bearer realm=\"o\", error=\"insufficient_scope\", "
                        "error_description=\"The token lacks a required "
                        "scope\", scope=\"x\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_NO_CREDENTIAL, NULL,
                                "https://a/.well-known/x", 0),
                        "Bearer realm=\"o\", "
                        "resource_metadata=\"https://a/.well-known/x\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_UNAVAILABLE, NULL, NULL,
                                0), "Bearer realm=\"o\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_SCOPE, "x", "https://a",
                                1), "Bearer realm=\"o\"");
}

/* RFC 9449 section 7.1. */
static void test_dpop(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_challenge_t c = { "o", BEARER_CATEGORY_PROOF_NONCE, NULL, "https://a/x", NULL,
                             NULL, 0, "ES256 PS256" };

    c.scopes = unit_list(p, "a b");
    c.parameters = unit_list(p, "service=x");
    assert_string_equal(bearer_challenge_write(&c, p), "DPoP realm=\"o\", "
                        "error=\"use_dpop_nonce\", error_description=\"A nonce from this "
                        "server is needed in the DPoP proof\", scope=\"a b\", "
                        "resource_metadata=\"https://a/x\", service=\"x\", "
                        "algs=\"ES256 PS256\"");
    c.bare = 1;
    assert_string_equal(bearer_challenge_write(&c, p), "DPoP realm=\"o\", "
                        "error=\"use_dpop_nonce\", algs=\"ES256 PS256\"");
    c.category = BEARER_CATEGORY_NO_CREDENTIAL;
    assert_string_equal(bearer_challenge_write(&c, p),
                        "DPoP realm=\"o\", algs=\"ES256 PS256\"");
    c.algs = NULL;
    assert_string_equal(bearer_challenge_write(&c, p), "Bearer realm=\"o\"");
}

/* RFC 9470 section 3. */
static void test_authentication(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_challenge_t c = { "o", BEARER_CATEGORY_AUTHENTICATION, NULL, NULL, NULL,
                             NULL, 0, NULL };
    apr_array_header_t *login = apr_array_make(p, 3, sizeof(const char *));

    APR_ARRAY_PUSH(login, const char *) = "prompt=login";
    APR_ARRAY_PUSH(login, const char *) = "acr_values=gold \"x\"";
    APR_ARRAY_PUSH(login, const char *) = "max_age=60";
    c.login = login;
    assert_string_equal(bearer_challenge_write(&c, p), "Bearer realm=\"o\", "
                        "error=\"insufficient_user_authentication\", "
                        "error_description=\"A different authentication is "
                        "required\", acr_values=\"gold \\\"x\\\"\", "
                        "max_age=\"60\"");
}

/* RFC 9110 section 5.6.4: quoted-pair for " and \, nothing that ends a line. */
static void test_realm_is_quoted(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(written(p, "a \"b\" \\c", BEARER_CATEGORY_NO_CREDENTIAL,
                                NULL, NULL, 0),
                        "Bearer realm=\"a \\\"b\\\" \\\\c\"");
    assert_string_equal(written(p, "a\r\nX: y\t\x01\x7f\xc3\xa9",
                                BEARER_CATEGORY_NO_CREDENTIAL, NULL, NULL, 0),
                        "Bearer realm=\"aX: y\"");
    assert_string_equal(bearer_challenge_basic("a\"b\n", p),
                        "Basic realm=\"a\\\"b\"");
}

/* RFC 6749 section 3.3, RFC 6750 section 3: each once, only its characters. */
static void test_scopes_are_filtered(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(written(p, "o", BEARER_CATEGORY_NO_CREDENTIAL,
                                "a b\"c d\\e a f\xc3\xa9 g\x01 h", NULL, 0),
                        "Bearer realm=\"o\", scope=\"a h\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_NO_CREDENTIAL, "\"",
                                NULL, 0), "Bearer realm=\"o\"");
    assert_string_equal(written(p, "o", BEARER_CATEGORY_NO_CREDENTIAL, "",
                                NULL, 0), "Bearer realm=\"o\"");
}

static void test_metadata_is_a_url_or_nothing(void **state)
{
    static const char *const bad[] = {
        "", "https://a/\"", "https://a b", "https://a\r\nX: y", "https://\xc3\xa9"
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        assert_string_equal(written(p, "o", BEARER_CATEGORY_NO_CREDENTIAL, NULL,
                                    bad[i], 0), "Bearer realm=\"o\"");
    }
}

/* RFC 6750 section 3: no parameter twice; text only of its characters. */
static void test_every_category(void **state)
{
    static const char *const names[] = {
        "realm=", "error=", "error_description=", "scope=", "resource_metadata="
    };
    apr_pool_t *p = unit_pool(state);
    int category;
    unsigned i;

    for (category = 0; category < BEARER_CATEGORY_COUNT; category++) {
        const char *line = written(p, "r", (bearer_category_t)category, "s",
                                   "https://m", 0);

        for (i = 0; i < UNIT_COUNT(names); i++) {
            const char *at = strstr(line, apr_pstrcat(p, " ", names[i], NULL));

            assert_true(!at || !strstr(at + 1, apr_pstrcat(p, " ", names[i],
                                                           NULL)));
        }
        for (; *line; line++) {
            assert_in_range(*line, 0x20, 0x7e);
        }
    }
}

/* AuthBearerChallenge: names are tokens, each once, none of the module's; values are
 * printable. What is accepted is written so that a reader gets it back. */
static void test_parameters(void **state)
{
    static const struct {
        const char *list, *written;  /* written: NULL for an error */
    } cases[] = {
        { "service=x", ", service=\"x\"" },
        { "a= B=2 !#$%&'*+-.^_`|~9=3", ", a=\"\", B=\"2\", !#$%&'*+-.^_`|~9=\"3\"" },
        { "a=\"=\\,;", ", a=\"\\\"=\\\\,;\"" },
        { "realm2=x scopes=y", ", realm2=\"x\", scopes=\"y\"" },
        { "realm=x", NULL }, { "REALM=x", NULL }, { "error=x", NULL },
        { "error_description=x", NULL }, { "error_uri=x", NULL }, { "scope=x", NULL },
        { "acr_values=x", NULL }, { "max_age=1", NULL }, { "resource_metadata=x", NULL },
        { "algs=x", NULL }, { "a", NULL }, { "=x", NULL }, { "a,b=x", NULL },
        { "a\"=x", NULL }, { "a=x a=y", NULL }, { "aa=x a=z Aa=y", NULL },
        { "a=\r\nX:y", NULL }, { "a=\xc3\xa9", NULL }, { "a=\x7f", NULL },
        { "a=\t", NULL }, { "\xc3\xa9=a", NULL }
    };
    apr_pool_t *p = unit_pool(state);
    bearer_challenge_t c = { "o", BEARER_CATEGORY_NO_CREDENTIAL, NULL, NULL, NULL, NULL, 0,
                             NULL };
    char *value = apr_palloc(p, 600);
    unsigned i;
    int n;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_array_header_t *all = bearer_text_split(p, cases[i].list, " ");
        apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
        const char *error = NULL;

        for (n = 0; !error && n < all->nelts; n++) {
            APR_ARRAY_PUSH(list, const char *) = APR_ARRAY_IDX(all, n, const char *);
            error = bearer_challenge_error(list, p);
        }
        UNIT_CHECK(!error == (cases[i].written != NULL), "%s", cases[i].list);
        if (cases[i].written) {
            c.parameters = list;
            assert_string_equal(bearer_challenge_write(&c, p),
                                apr_pstrcat(p, "Bearer realm=\"o\"", cases[i].written, NULL));
        }
    }
    c.bare = 1;
    assert_string_equal(bearer_challenge_write(&c, p), "Bearer realm=\"o\"");
    for (n = 512; n < 514; n++) {
        memset(value, 'v', 600);
        value[0] = 'a';
        value[1] = '=';
        value[n + 2] = '\0';
        assert_int_equal(bearer_challenge_error(unit_list(p, value), p) != NULL, n == 513);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_forms), UNIT_TEST(test_dpop), UNIT_TEST(test_authentication),
        UNIT_TEST(test_realm_is_quoted),
        UNIT_TEST(test_scopes_are_filtered),
        UNIT_TEST(test_metadata_is_a_url_or_nothing),
        UNIT_TEST(test_every_category), UNIT_TEST(test_parameters),
    };

    return UNIT_RUN("challenge", tests);
}
