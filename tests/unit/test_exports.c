/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* What the application gets, and what it must not get from a client. */
#include "claims.h"

#include "judge/exports.h"

typedef struct fixture_t {
    bearer_settings_t settings;
    bearer_issuer_t issuer;
    bearer_principal_t principal;
    apr_table_t *env, *headers;
    apr_array_header_t *left_out;
    apr_pool_t *p;
} fixture_t;

static fixture_t *fixture(apr_pool_t *p, const char *claims)
{
    fixture_t *f = apr_pcalloc(p, sizeof(*f));

    f->p = p;
    f->settings = *bearer_settings_defaults(p);
    f->settings.exports.mode = BEARER_EXPORT_BOTH;
    f->principal = *bearer_principal_anonymous(p);
    f->principal.claims = unit_claims(p, claims);
    f->env = apr_table_make(p, 8);
    f->headers = apr_table_make(p, 8);
    f->left_out = apr_array_make(p, 4, sizeof(const char *));
    return f;
}

static void export(fixture_t *f)
{
    apr_table_clear(f->env);
    apr_table_clear(f->headers);
    apr_array_clear(f->left_out);
    bearer_exports_apply(f->env, f->headers, &f->principal, &f->settings,
                         f->left_out, f->p);
}

static void expect(const apr_table_t *table, const char *name,
                   const char *value)
{
    const char *seen = apr_table_get(table, name);

    UNIT_CHECK(value ? seen && !strcmp(seen, value) : !seen, "%s is %s", name,
               seen ? seen : "(not set)");
}

static int entries(const apr_table_t *table)
{
    return apr_table_elts(table)->nelts;
}

static void test_fixed_names(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{}");

    f->principal.method = "jwt";
    f->issuer.url = "https://a/";
    f->issuer.name = "a";
    f->principal.issuer = &f->issuer;
    f->principal.iss = "https://alias/";
    f->principal.expires = apr_time_from_sec(1700000000) + 1;
    f->principal.client = "web";
    f->principal.scopes = unit_list(p, "read write");
    f->principal.roles = unit_list(p, "r s");
    f->principal.groups = unit_list(p, "g");
    export(f);
    expect(f->env, "BEARER_METHOD", "jwt");
    expect(f->env, "BEARER_ISSUER", "https://alias/");
    expect(f->env, "BEARER_ISSUER_NAME", "a");
    expect(f->env, "BEARER_EXPIRES", "1700000000");
    expect(f->env, "BEARER_CLIENT", "web");
    expect(f->env, "BEARER_SCOPE", "read write");
    expect(f->env, "BEARER_ROLES", "r,s");
    expect(f->env, "BEARER_GROUPS", "g");
    assert_int_equal(entries(f->headers), 0);
    assert_int_equal(f->left_out->nelts, 0);
    f->principal.left_out = unit_list(p, "what was left out");
    export(f);
    assert_string_equal(unit_lines(p, f->left_out), "what\nwas\nleft\nout");
    f->principal.iss = "";
    export(f);
    expect(f->env, "BEARER_ISSUER", "https://a/");
}

static void test_anonymous(void **state)
{
    fixture_t *f = fixture(unit_pool(state), "{}");

    export(f);
    expect(f->env, "BEARER_METHOD", "anonymous");
    assert_int_equal(entries(f->env), 1);
    assert_int_equal(entries(f->headers), 0);
    f->settings.forward = BEARER_FORWARD_IDENTITY;
    export(f);
    assert_int_equal(entries(f->headers), 0);
}

static void test_modes(void **state)
{
    fixture_t *f = fixture(unit_pool(state), "{'a':'b'}");
    int mode;

    for (mode = BEARER_EXPORT_NONE; mode <= BEARER_EXPORT_BOTH; mode++) {
        f->settings.exports.mode = mode;
        export(f);
        expect(f->env, "BEARER_CLAIM_a",
               mode & BEARER_EXPORT_ENV ? "b" : NULL);
        expect(f->headers, "X-Claim-a",
               mode & BEARER_EXPORT_HEADERS ? "b" : NULL);
        expect(f->env, "BEARER_METHOD", "anonymous");
    }
    /* tables are overlaid: what was there under another name stays, what was
     * there under the same, however often and however spelled, is gone */
    apr_table_set(f->env, "OTHER", "x");
    apr_table_add(f->env, "BEARER_METHOD", "forged");
    apr_table_add(f->env, "Bearer_method", "forged");
    bearer_exports_apply(f->env, f->headers, &f->principal, &f->settings, NULL,
                         f->p);
    expect(f->env, "OTHER", "x");
    expect(f->env, "BEARER_METHOD", "anonymous");
    assert_int_equal(entries(f->env), 3);
}

static void test_values(void **state)
{
    static const struct {
        const char *json, *text;   /* NULL: not exported */
    } cases[] = {
        { "'a b'", "a b" },
        { "''", "" },
        { "'\xc3\xa9'", "\xc3\xa9" },
        { "'a\\tb'", "a\tb" },
        { "'a\\nb'", NULL },
        { "'a\\rb'", NULL },
        { "7", "7" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "1.5", "1.5" },
        { "0.1", "0.1" },
        { "3.0", "3.0" },
        { "1e300", "1e300" },
        { "true", "true" },
        { "false", "false" },
        { "['a','b']", "a,b" },
        { "[]", "" },
        { "['a,b','c\\\\d']", "a\\,b,c\\\\d" },
        { "[1,true,null,'x']", "1,true,null,x" },
        { "['a','b\\n']", NULL },
        { "{'a':[1,{'b':'c\\n'}]}", "{\"a\":[1,{\"b\":\"c\\n\"}]}" },
        { "['a',{'b':1}]", "[\"a\",{\"b\":1}]" },
        { "[['a']]", "[[\"a\"]]" },
        { "{}", "{}" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *text = bearer_exports_value(unit_value(p, cases[i].json),
                                                p);

        UNIT_CHECK(cases[i].text ? text && !strcmp(text, cases[i].text)
                                 : !text, "%s is %s", cases[i].json,
                   text ? text : "(none)");
    }
    assert_null(bearer_exports_value(NULL, p));
}

static json_t *long_string(apr_pool_t *p, apr_size_t len, char c)
{
    char *text = apr_palloc(p, len + 1);
    json_t *value;

    memset(text, c, len);
    text[len] = '\0';
    value = json_string(text);
    bearer_json_tie(value, p);
    return value;
}

static void test_value_limit(void **state)
{
    static const struct {
        apr_size_t len;
        char c;
        int in_array, exported;
    } cases[] = {
        { BEARER_EXPORT_MAX_VALUE, 'a', 0, 1 },
        { BEARER_EXPORT_MAX_VALUE + 1, 'a', 0, 0 },
        { BEARER_EXPORT_MAX_VALUE, 'a', 1, 1 },
        { BEARER_EXPORT_MAX_VALUE + 1, 'a', 1, 0 },
        { BEARER_EXPORT_MAX_VALUE / 2, ',', 1, 1 },
        { BEARER_EXPORT_MAX_VALUE / 2 + 1, ',', 1, 0 },
        { BEARER_EXPORT_MAX_VALUE - 6, 'a', 2, 1 },
        { BEARER_EXPORT_MAX_VALUE - 5, 'a', 2, 0 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *value = long_string(p, cases[i].len, cases[i].c);
        json_t *outer = cases[i].in_array ? json_array() : json_object();

        bearer_json_tie(outer, p);
        if (cases[i].in_array == 1) {
            json_array_append(outer, value);
            value = outer;
        } else if (cases[i].in_array == 2) {
            /* [["..."]] is JSON: six characters around it */
            json_t *inner = json_array();

            json_array_append(inner, value);
            json_array_append_new(outer, inner);
            value = outer;
        }
        UNIT_CHECK((bearer_exports_value(value, p) != NULL)
                   == cases[i].exported, "case %u", i);
    }
}

static void test_names(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{'https://x/roles':'r','preferred_username':'u',"
                           "'a b':'s','n':null,'caf\xc3\xa9':'c','x-y':'m'}");

    export(f);
    expect(f->env, "BEARER_CLAIM_https___x_roles", "r");
    expect(f->headers, "X-Claim-https___x_roles", "r");
    expect(f->env, "BEARER_CLAIM_preferred_username", "u");
    expect(f->headers, "X-Claim-preferred_username", "u");
    expect(f->env, "BEARER_CLAIM_a_b", "s");
    expect(f->env, "BEARER_CLAIM_caf__", "c");
    expect(f->env, "BEARER_CLAIM_x_y", "m");
    expect(f->headers, "X-Claim-x-y", "m");
    expect(f->env, "BEARER_CLAIM_n", NULL);
    assert_int_equal(f->left_out->nelts, 0);
}

/* An application splits at commas and takes white space off: "r, admin". */
static void test_odd_roles_in_their_claims(void **state)
{
    static const struct {
        const char *roles, *shown;   /* NULL: not exported */
    } cases[] = {
        { "['r','s']", "r,s" },
        { "['r',' admin']", "r" },
        { "[' admin','r','admin\\u00a0','s']", "r,s" },
        { "[' admin']", "" },
        { "['a\\tadmin','r']", "r" },
        { "['a,b','r']", "a\\,b,r" },
        { "[1,true,' x']", "1,true" },
        { "' admin'", NULL },
        { "'admin'", "admin" },
        { "{'x':' admin'}", "{\"x\":\" admin\"}" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        fixture_t *f = fixture(p, apr_psprintf(p, "{'roles':%s,'g.h':%s,'x':%s}",
                                               cases[i].roles, cases[i].roles,
                                               cases[i].roles));

        f->principal.left_out = unit_list(p, "something");
        f->settings.roles_claim = UNIT_PATHS(p, "roles");
        f->settings.groups_claim = UNIT_PATHS(p, "nowhere g.h");
        export(f);
        expect(f->env, "BEARER_CLAIM_roles", cases[i].shown);
        expect(f->headers, "X-Claim-roles", cases[i].shown);
        expect(f->headers, "X-Claim-g.h", cases[i].shown);
    }
}

/* A field's value ends at its blanks. */
static void test_blanks_at_the_ends_of_headers(void **state)
{
    static const char *const cases[][2] = {
        { " a", "%20a" }, { "a ", "a%20" }, { "  a  b ", "%20 a  b%20" },
        { " ", "%20" }, { "  ", "%20%20" }, { "a b", "a b" }, { "", "" },
        { " \xc3\xa9", "%20%C3%A9" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_string_equal(bearer_exports_header_value(cases[i][0], p),
                            cases[i][1]);
    }
}

static void test_prefixes_are_as_written(void **state)
{
    fixture_t *f = fixture(unit_pool(state), "{'sub':'u'}");

    f->settings.exports.env_prefix = "OIDC_CLAIM_";
    f->settings.exports.header_prefix = "OIDC_CLAIM_";
    export(f);
    expect(f->env, "OIDC_CLAIM_sub", "u");
    expect(f->headers, "OIDC_CLAIM_sub", "u");
}

static void test_named_claims(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{'a':'1','b':'2','b.c':'3'}");

    f->settings.exports.claims = unit_list(p, "b.c b x");
    export(f);
    expect(f->env, "BEARER_CLAIM_a", NULL);
    expect(f->env, "BEARER_CLAIM_b", "2");
    expect(f->env, "BEARER_CLAIM_b_c", "3");
    expect(f->env, "BEARER_CLAIM_x", NULL);
}

/* The exact spelling wins; else none is exported. */
static void test_collisions(void **state)
{
    static const struct {
        const char *claims, *value;   /* of a_b */
        int left_out;
    } cases[] = {
        { "{'a.b':'1','a_b':'2'}", "2", 1 },
        { "{'a_b':'2','a.b':'1'}", "2", 1 },
        { "{'a.b':'1','a-b':'3'}", NULL, 2 },
        { "{'a.b':'1','a-b':'3','a_b':'2'}", "2", 2 },
        { "{'a.b':'1','a_b':'2','a-b':'3','a:b':'4'}", "2", 3 },
        /* environments and headers are looked up without case */
        { "{'a_b':'1','A_B':'2'}", NULL, 2 },
        { "{'a.b':'0','a_b':'1','A_B':'2','a:b':'3'}", NULL, 4 },
        { "{'a_b':'1','A.B':'2'}", "1", 1 },
        { "{'A.B':'2','a_b':'1'}", "1", 1 },
        /* null is no value, but it is a name */
        { "{'a_b':null,'a.b':'1'}", NULL, 1 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        fixture_t *f = fixture(p, cases[i].claims);

        export(f);
        expect(f->env, "BEARER_CLAIM_a_b", cases[i].value);
        UNIT_CHECK(entries(f->headers) == (cases[i].value ? 1 : 0), "%s",
                   cases[i].claims);
        UNIT_CHECK(f->left_out->nelts == cases[i].left_out, "%s: %s",
                   cases[i].claims, unit_lines(p, f->left_out));
    }
}

static void test_fixed_names_are_not_overwritten(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{'METHOD':'x','roles':'y','Forwarded-User':'z',"
                           "'user_roles':'v','ok':'1'}");

    f->settings.exports.env_prefix = "BEARER_";
    f->settings.exports.header_prefix = "X-";
    export(f);
    expect(f->env, "BEARER_METHOD", "anonymous");
    expect(f->env, "BEARER_ROLES", NULL);
    expect(f->env, "BEARER_ok", "1");
    expect(f->headers, "X-Forwarded-User", NULL);
    expect(f->headers, "X-user_roles", NULL);
    expect(f->headers, "X-ok", "1");
    assert_int_equal(f->left_out->nelts, 4);
}

static void test_line_ends_are_left_out(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{'a':'x\\r\\nSet-Cookie: y','b':['\\n'],"
                           "'c':{'d':'\\n'},'e':'ok'}");

    export(f);
    expect(f->env, "BEARER_CLAIM_a", NULL);
    expect(f->headers, "X-Claim-a", NULL);
    expect(f->env, "BEARER_CLAIM_b", NULL);
    expect(f->env, "BEARER_CLAIM_c", "{\"d\":\"\\n\"}");
    expect(f->env, "BEARER_CLAIM_e", "ok");
    assert_int_equal(f->left_out->nelts, 2);
    assert_true(unit_contains(unit_lines(p, f->left_out), "claim 'a' is not "
                              "exported: it has CR, LF or NUL"));
}

static void test_claim_limit(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{}");
    int i;

    for (i = 0; i < BEARER_EXPORT_MAX_CLAIMS + 3; i++) {
        json_object_set_new(f->principal.claims, apr_psprintf(p, "c%d", i),
                            json_integer(i));
    }
    export(f);
    assert_int_equal(entries(f->headers), BEARER_EXPORT_MAX_CLAIMS);
    assert_int_equal(f->left_out->nelts, 1);
    assert_true(unit_contains(unit_lines(p, f->left_out), "claims not exported: 3;"));
}

static void test_header_values(void **state)
{
    static const struct {
        const char *value, *header;
    } cases[] = {
        { "plain", "plain" },
        { "100%", "100%25" },
        { "caf\xc3\xa9", "caf%C3%A9" },
        { "a\tb\x7f\x01", "a%09b%7F%01" },
        { "", "" },
        { " a ~", "%20a ~" },
    };
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{'a':'caf\xc3\xa9 %'}");
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_string_equal(bearer_exports_header_value(cases[i].value, p),
                            cases[i].header);
    }
    export(f);
    expect(f->env, "BEARER_CLAIM_a", "caf\xc3\xa9 %");
    expect(f->headers, "X-Claim-a", "caf%C3%A9 %25");
}

static void test_identity(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p, "{}");

    f->principal.user = "ann\xc3\xa9";
    f->principal.roles = unit_list(p, "r u");
    f->settings.forward = BEARER_FORWARD_IDENTITY;
    export(f);
    expect(f->headers, "X-Forwarded-User", "ann%C3%A9");
    expect(f->headers, "X-User-Roles", "r,u");
    expect(f->headers, "X-User-Groups", NULL);
}

static void test_reserved_headers(void **state)
{
    static const struct {
        const char *name;
        int reserved;
    } cases[] = {
        { "X-Forwarded-User", 1 },
        { "x-forwarded-user", 1 },
        { "X_Forwarded_User", 1 },
        { "X-Forwarded_User", 1 },
        { "X.FORWARDED.USER", 1 },
        { "X-User-Roles", 1 },
        { "x_user_groups", 1 },
        { "X-Claim-sub", 1 },
        { "X-Claim-", 1 },
        { "x_claim_anything", 1 },
        { "X-CLAIM_https___x", 1 },
        { "X-Forwarded-User2", 0 },
        { "X-Forwarded-Use", 0 },
        { "X-Forwarded-For", 0 },
        { "X-Claim", 0 },
        { "X-Claims", 0 },
        { "X-Claimed-By", 0 },
        { "Authorization", 0 },
        { "Remote-User", 0 },
        { "", 0 },
    };
    bearer_settings_t s = *bearer_settings_defaults(unit_pool(state));
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(bearer_exports_reserved_header(cases[i].name, &s)
                   == cases[i].reserved, "%s", cases[i].name);
    }
    /* whether or not anything is exported; and with the prefix as written */
    s.exports.mode = BEARER_EXPORT_NONE;
    s.exports.header_prefix = "OIDC_CLAIM_";
    assert_true(bearer_exports_reserved_header("oidc-claim-sub", &s));
    assert_false(bearer_exports_reserved_header("X-Claim-sub", &s));
    s.exports.header_prefix = "X-AZ-";
    assert_true(bearer_exports_reserved_header("x-az-sub", &s));
    s.exports.header_prefix = "";
    assert_false(bearer_exports_reserved_header("Host", &s));
}

static void test_reserved_variables(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = *bearer_settings_defaults(p);

    assert_true(bearer_exports_reserved_variable("BEARER_CLAIM_sub", &s));
    assert_true(bearer_exports_reserved_variable("BEARER_ROLES", &s));
    assert_true(bearer_exports_reserved_variable("REMOTE_USER", &s));
    assert_true(bearer_exports_reserved_variable("AUTH_TYPE", &s));
    assert_false(bearer_exports_reserved_variable("REDIRECT_REMOTE_USER", &s));
    assert_false(bearer_exports_reserved_variable("REMOTE_ADDR", &s));
    s.exports.env_prefix = "OIDC_CLAIM_";
    assert_true(bearer_exports_reserved_variable("OIDC_CLAIM_sub", &s));
    assert_false(bearer_exports_reserved_variable("BEARER_CLAIM_sub", &s));
    assert_true(bearer_exports_same_name("X-Token", "x_TOKEN"));
    assert_false(bearer_exports_same_name("X-Token", "X-Tokens"));
}

static void test_prefix_lengths(void **state)
{
    char text[66];

    (void)state;
    memset(text, 'A', sizeof(text));
    text[64] = '\0';
    assert_int_equal(bearer_exports_env_prefix(text), BEARER_PREFIX_GOOD);
    text[64] = 'A';
    text[65] = '\0';
    assert_int_equal(bearer_exports_env_prefix(text), BEARER_PREFIX_MISSPELT);
}

static void test_prefix_errors(void **state)
{
    static const struct {
        const char *prefix;
        bearer_prefix_t is;
    } cases[] = {
        { "", BEARER_PREFIX_MISSPELT }, { "A", BEARER_PREFIX_MISSPELT },
        { "bearer_", BEARER_PREFIX_MISSPELT }, { "A-B", BEARER_PREFIX_MISSPELT },
        { "HTTP_X", BEARER_PREFIX_TAKEN }, { "REDIRECT_A", BEARER_PREFIX_TAKEN },
        { "REMOTE_", BEARER_PREFIX_TAKEN }, { "SSL_A", BEARER_PREFIX_TAKEN },
        { "BEARER_CLAIM_", BEARER_PREFIX_GOOD }, { "AB", BEARER_PREFIX_GOOD },
        { "OIDC_", BEARER_PREFIX_GOOD }, { "HTTPX_", BEARER_PREFIX_GOOD },
        { "A2", BEARER_PREFIX_GOOD }
    };
    unsigned i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(bearer_exports_env_prefix(cases[i].prefix) == cases[i].is, "%s",
                   cases[i].prefix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_fixed_names),
        UNIT_TEST(test_anonymous),
        UNIT_TEST(test_modes),
        UNIT_TEST(test_values),
        UNIT_TEST(test_value_limit),
        UNIT_TEST(test_names),
        UNIT_TEST(test_odd_roles_in_their_claims),
        UNIT_TEST(test_blanks_at_the_ends_of_headers),
        UNIT_TEST(test_prefixes_are_as_written),
        UNIT_TEST(test_named_claims),
        UNIT_TEST(test_collisions),
        UNIT_TEST(test_fixed_names_are_not_overwritten),
        UNIT_TEST(test_line_ends_are_left_out),
        UNIT_TEST(test_claim_limit),
        UNIT_TEST(test_header_values),
        UNIT_TEST(test_identity),
        UNIT_TEST(test_reserved_headers),
        UNIT_TEST(test_reserved_variables),
        UNIT_TEST(test_prefix_errors),
        UNIT_TEST(test_prefix_lengths),
    };

    return UNIT_RUN("exports", tests);
}
