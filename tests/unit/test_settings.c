/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Settings: defaults, layers, and how they print. */
#include "unit.h"

#include "ask/session_check.h"
#include "trust/settings.h"
#include "claims.h"
#include "posix_regex.h"

typedef struct print_case_t {
    bearer_setting_t setting;
    const char *text;
} print_case_t;

/* product: section 2, the column "default"; but for the algorithms, which depend on
 * OpenSSL. */
static const print_case_t default_texts[] = {
    { BEARER_SET_CLIENT_ID, "(none)" },
    { BEARER_SET_CLIENT_SECRET, "(none)" },
    { BEARER_SET_CLIENT_AUTH, "client_secret_basic" },
    { BEARER_SET_CLIENT_KEY, "(none)" },
    { BEARER_SET_CLIENT_CERT, "(none)" },
    { BEARER_SET_CA_FILE, "(system)" },
    { BEARER_SET_HTTP_PROXY, "none" },
    { BEARER_SET_TIMEOUT, "connect=2s total=5s" },
    { BEARER_SET_KEYS_REFRESH, "min=60s max=24h stale=24h" },
    { BEARER_SET_PROVIDERS, "jwt introspection" },
    { BEARER_SET_ACCEPT_ISSUER, "(all declared)" },
    { BEARER_SET_AUDIENCE, "(none)" },
    { BEARER_SET_NO_AUDIENCE, "refuse" },
    { BEARER_SET_CLIENTS, "(any)" },
    { BEARER_SET_TOKEN_FROM, "header" },
    { BEARER_SET_PROOF, "auto window=60s nonce=off" },
    { BEARER_SET_MAX_TOKEN_AGE, "25h" },
    { BEARER_SET_CLOCK_SKEW, "60s" },
    { BEARER_SET_TOKEN_PROFILE, "auto" },
    { BEARER_SET_ID_TOKENS, "refuse" },
    { BEARER_SET_TOKEN_TYPES, "(none)" },
    { BEARER_SET_THROTTLE, "threshold=20 window=60s penalty=60s" },
    { BEARER_SET_CHALLENGE, "On" },
    { BEARER_SET_OPTIONAL, "Off" },
    { BEARER_SET_PREFLIGHT, "off" },
    { BEARER_SET_SESSION_CHECK, "(none)" },
    { BEARER_SET_USER_CLAIM, "sub" },
    { BEARER_SET_USER_FORMAT, "%u" },
    { BEARER_SET_USER_CHARS, "strict" },
    { BEARER_SET_ROLES_CLAIM, "roles" },
    { BEARER_SET_GROUPS_CLAIM, "groups" },
    { BEARER_SET_SCOPE_CLAIM, "scope scp" },
    { BEARER_SET_SCOPE_STRATEGY, "exact" },
    { BEARER_SET_EXPORT, "env env-prefix=BEARER_CLAIM_ header-prefix=X-Claim- "
                         "claims=*" },
    { BEARER_SET_FORWARD, "identity" },
    { BEARER_SET_STRIP_COOKIES, "On" },
    { BEARER_SET_SESSION, "Off" },
    { BEARER_SET_LOGIN, "Off" },
    { BEARER_SET_LOGIN_URL, "(none)" },
    { BEARER_SET_LOGOUT, "issuer=on" },
    { BEARER_SET_PREFER_BEARER, "cookie" },
    { BEARER_SET_LOGIN_ISSUER, "(the only one with a client id)" },
    { BEARER_SET_LOGIN_SCOPES, "openid profile email" },
    { BEARER_SET_USERINFO, "missing" },
    { BEARER_SET_PUSHED, "auto" },
    { BEARER_SET_SESSION_USER_CLAIM, "email" },
    { BEARER_SET_SESSION_CLAIMS, "*" },
    { BEARER_SET_RESOURCE, "(none)" },
};

static void test_defaults(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_settings_t *s = bearer_settings_defaults(p);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(default_texts); i++) {
        const print_case_t *c = &default_texts[i];
        const char *text = bearer_settings_print(s, c->setting, p);

        UNIT_CHECK(strcmp(text, c->text) == 0, "%s is %s, not %s",
                   bearer_settings_directive(c->setting), text, c->text);
    }
    assert_true(s->set == 0);
    assert_true(unit_contains(bearer_settings_print(s, BEARER_SET_ALGORITHMS,
                                                    p), "RS256"));
    assert_false(unit_contains(bearer_settings_print(s, BEARER_SET_ALGORITHMS,
                                                     p), "HS256"));
    assert_true(s->algorithms == bearer_alg_supported(bearer_alg_defaults()));
}

static void test_every_setting_has_a_row(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_settings_t *s = bearer_settings_defaults(p);
    int i;

    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        bearer_setting_t which = (bearer_setting_t)i;

        UNIT_CHECK(strncmp(bearer_settings_directive(which), "AuthBearer", 10)
                   == 0, "setting %d", i);
        UNIT_CHECK(bearer_settings_where(which) > 0
                   && bearer_settings_where(which) < 16, "setting %d", i);
        assert_non_null(bearer_settings_print(s, which, p));
    }
    assert_int_equal(bearer_settings_find("AuthBearerNothing"), BEARER_SETTING_COUNT);
    assert_null(bearer_settings_directive(BEARER_SETTING_COUNT));
    assert_int_equal(bearer_settings_where(BEARER_SETTING_COUNT), 0);
    assert_string_equal(bearer_settings_print(s, BEARER_SETTING_COUNT, p), "");
    assert_int_equal(bearer_settings_where(BEARER_SET_AUDIENCE),
                     BEARER_WHERE_S | BEARER_WHERE_I | BEARER_WHERE_D
                     | BEARER_WHERE_H);
    assert_int_equal(bearer_settings_where(BEARER_SET_CLIENT_SECRET),
                     BEARER_WHERE_S | BEARER_WHERE_I);
}

/* ---- layers ------------------------------------------------------------ */

/* the innermost D or H, else I, else S, else the default */
static void test_precedence(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_settings_t *defaults = bearer_settings_defaults(p);
    unsigned mask;

    for (mask = 0; mask < 8; mask++) {
        bearer_settings_t s, i, d, out;
        apr_interval_time_t wanted = mask & 4 ? 3 : mask & 2 ? 2 : mask & 1 ? 1
                                     : apr_time_from_sec(60);

        memset(&s, 0, sizeof(s));
        i = d = s;
        if (mask & 1) {
            bearer_settings_put(&s, CLOCK_SKEW, clock_skew, 1);
        }
        if (mask & 2) {
            bearer_settings_put(&i, CLOCK_SKEW, clock_skew, 2);
        }
        if (mask & 4) {
            bearer_settings_put(&d, CLOCK_SKEW, clock_skew, 3);
        }
        bearer_settings_resolve(&out, defaults, &s, &i, &d);
        UNIT_CHECK(out.clock_skew == wanted, "layers %u", mask);
        UNIT_CHECK((bearer_settings_has(&out, CLOCK_SKEW) != 0) == (mask != 0),
                   "layers %u", mask);
        assert_false(bearer_settings_has(&out, AUDIENCE));
        assert_string_equal(out.user_format, "%u");
    }
}

static void test_resolve_without_layers(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_settings_t *defaults = bearer_settings_defaults(p);
    bearer_settings_t out;

    bearer_settings_resolve(&out, defaults, NULL, NULL, NULL);
    assert_true(out.max_token_age == apr_time_from_sec(25 * 3600));
    assert_true(out.set == 0);
}

static void test_lists_replace(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t outer, inner, out;

    memset(&outer, 0, sizeof(outer));
    memset(&inner, 0, sizeof(inner));
    bearer_settings_put(&outer, AUDIENCE, audience, unit_list(p, "a b"));
    bearer_settings_put(&outer, CLIENTS, clients, unit_list(p, "c"));
    bearer_settings_put(&inner, AUDIENCE, audience, unit_list(p, "d"));
    bearer_settings_merge(&out, &outer, &inner);
    assert_string_equal(bearer_settings_print(&out, BEARER_SET_AUDIENCE, p),
                        "d");
    assert_string_equal(bearer_settings_print(&out, BEARER_SET_CLIENTS, p),
                        "c");
    /* back to the default: written, and nothing in it */
    bearer_settings_put(&inner, CLIENTS, clients, NULL);
    bearer_settings_merge(&out, &outer, &inner);
    assert_string_equal(bearer_settings_print(&out, BEARER_SET_CLIENTS, p),
                        "(any)");
    assert_true(bearer_settings_has(&out, CLIENTS));
}

static void test_merge_in_place(void **state)
{
    bearer_settings_t a, b;

    (void)state;
    memset(&a, 0, sizeof(a));
    b = a;
    bearer_settings_put(&a, OPTIONAL, optional, 1);
    bearer_settings_put(&a, FORWARD, forward, BEARER_FORWARD_TOKEN);
    bearer_settings_put(&b, FORWARD, forward, BEARER_FORWARD_NONE);
    bearer_settings_merge(&b, &a, &b);
    assert_int_equal(b.optional, 1);
    assert_int_equal(b.forward, BEARER_FORWARD_NONE);
    assert_true(bearer_settings_has(&b, OPTIONAL));

    memset(&b, 0, sizeof(b));
    bearer_settings_put(&b, FORWARD, forward, BEARER_FORWARD_IDENTITY);
    bearer_settings_merge(&a, &a, &b);
    assert_int_equal(a.optional, 1);
    assert_int_equal(a.forward, BEARER_FORWARD_IDENTITY);
}

/* ---- printing ---------------------------------------------------------- */

static void test_times(void **state)
{
    static const struct {
        apr_interval_time_t time;
        const char *text;
    } cases[] = {
        { 0, "0s" },
        { apr_time_from_msec(250), "250ms" },
        { apr_time_from_sec(1), "1s" },
        { apr_time_from_sec(60), "60s" },
        { apr_time_from_sec(90), "90s" },
        { apr_time_from_sec(120), "2min" },
        { apr_time_from_sec(300), "5min" },
        { apr_time_from_sec(3600), "1h" },
        { apr_time_from_sec(3660), "61min" },
        { apr_time_from_sec(90000), "25h" },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s;
    unsigned i;

    memset(&s, 0, sizeof(s));
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        s.clock_skew = cases[i].time;
        assert_string_equal(bearer_settings_print(&s, BEARER_SET_CLOCK_SKEW, p),
                            cases[i].text);
    }
    s.max_token_age = 0;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_MAX_TOKEN_AGE, p),
                        "off");
}

static void test_words_are_quoted_where_needed(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        { "api://orders", "api://orders" },
        { "", "\"\"" },
        { "two words", "\"two words\"" },
        { "\"", "\"\\\"\"" },
        { "\"\"\"", "\"\\\"\\\"\\\"\"" },
        { "a\"b", "a\"b" },
        { "a \"b\"", "\"a \\\"b\\\"\"" },
        { "#1", "\"#1\"" },
        { "^\\d+$", "^\\d+$" },
        { "a\\\\b", "a\\\\\\b" },
        { "a b\\", "\"a b\\\\\"" },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s;
    unsigned i;

    memset(&s, 0, sizeof(s));
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *text;

        s.client_id = cases[i].value;
        text = bearer_settings_print(&s, BEARER_SET_CLIENT_ID, p);
        apr_pstrdup(p, "what is allocated next");
        assert_string_equal(text, cases[i].text);
    }
}

static void put_from(apr_array_header_t *array, bearer_from_kind_t kind,
                     const char *name)
{
    bearer_from_t *from = apr_array_push(array);

    from->kind = kind;
    from->name = name;
}

static void test_lists_print(void **state)
{
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *from = apr_array_make(p, 4, sizeof(bearer_from_t));
    bearer_settings_t s;

    memset(&s, 0, sizeof(s));
    put_from(from, BEARER_FROM_HEADER, NULL);
    put_from(from, BEARER_FROM_COOKIE, "at");
    put_from(from, BEARER_FROM_QUERY, "access_token");
    put_from(from, BEARER_FROM_BASIC, NULL);
    s.token_from = from;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_TOKEN_FROM, p),
                        "header cookie:at query:access_token basic");
    s.audience = unit_list(p, "api://a api://b");
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_AUDIENCE, p),
                        "api://a api://b");
    s.algorithms = bearer_alg_find("ES256")->bit | bearer_alg_find("RS256")->bit;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_ALGORITHMS, p),
                        "RS256 ES256");
    s.algorithms = 0;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_ALGORITHMS, p),
                        "(none)");
}

static void test_groups_of_values_print(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *error = NULL;
    bearer_settings_t s;

    memset(&s, 0, sizeof(s));
    s.user_claim.path = bearer_path_compile("preferred username", p);
    s.user_claim.regex = posix_regex_compile("^([^@]+)@", &error, p);
    s.user_claim.substitution = "$1";
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_USER_CLAIM, p),
                        "\"preferred username\" ^([^@]+)@ $1");
    assert_true(bearer_user_claim_parse(&s.user_claim, "sub,act.sub", p));
    s.user_claim.regex = NULL;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_USER_CLAIM, p), "sub,act.sub");
    assert_false(bearer_user_claim_is_email(&s.user_claim));
    assert_true(bearer_user_claim_parse(&s.user_claim, "sub,email", p));
    assert_true(bearer_user_claim_is_email(&s.user_claim));
    assert_false(bearer_user_claim_parse(&s.user_claim, ",", p));
    s.exports.mode = BEARER_EXPORT_BOTH;
    s.exports.env_prefix = "OIDC_CLAIM_";
    s.exports.header_prefix = "OIDC-";
    s.exports.claims = unit_list(p, "sub email");
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_EXPORT, p),
                        "both env-prefix=OIDC_CLAIM_ header-prefix=OIDC- "
                        "claims=sub,email");
    s.forward = BEARER_FORWARD_IDENTITY | BEARER_FORWARD_TOKEN;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_FORWARD, p),
                        "identity token");
    s.throttle.on = 0;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_THROTTLE, p),
                        "off");
}

static void test_proof_prints(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s;

    memset(&s, 0, sizeof(s));
    s.proof = bearer_settings_defaults(p)->proof;
    s.proof.mode = BEARER_PROOF_DPOP | BEARER_PROOF_MTLS;
    s.proof.window = apr_time_from_sec(120);
    s.proof.nonce = 1;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_PROOF, p),
                        "dpop mtls window=2min nonce=on");
    s.proof.mode = BEARER_PROOF_MTLS;
    s.proof.nonce = 0;
    s.proof.certificate = "X-SSL-Cert";
    s.proof.from_text = unit_list(p, "192.0.2.1 2001:db8::/32");
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_PROOF, p),
                        "mtls window=2min nonce=off certificate=X-SSL-Cert "
                        "from=192.0.2.1,2001:db8::/32");
    s.proof.mode = BEARER_PROOF_IGNORE;
    s.proof.certificate = NULL;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_PROOF, p), "ignore");
}

static void test_secrets_are_masked(void **state)
{
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *words = unit_list(p, "https://k.test/whoami");
    bearer_session_check_t *check = NULL;
    apr_array_header_t *checks;
    bearer_settings_t s;

    memset(&s, 0, sizeof(s));
    s.client_secret = apr_palloc(p, 16);
    strcpy((char *)s.client_secret, "hunter2");

    APR_ARRAY_PUSH(words, const char *) = "add=X-Key:hunter2";
    assert_null(bearer_session_check_parse(&check, words, p));
    checks = apr_array_make(p, 2, sizeof(const bearer_session_check_t *));
    APR_ARRAY_PUSH(checks, const bearer_session_check_t *) = check;
    s.session_checks = checks;
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_CLIENT_SECRET, p),
                        "***");
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_SESSION_CHECK, p),
                        "https://k.test/whoami send=authorization method=same "
                        "path=url query=url host=url add=X-Key:*** subject=sub "
                        "extra=extra ttl=0s");
    APR_ARRAY_PUSH(checks, const bearer_session_check_t *) = check;
    assert_true(unit_contains(bearer_settings_print(&s, BEARER_SET_SESSION_CHECK, p),
                              "ttl=0s\nhttps://k.test/whoami send="));
    s.http_proxy = "http://me:hunter2@proxy.test:3128";
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_HTTP_PROXY, p),
                        "http://***@proxy.test:3128");
    s.http_proxy = "http://proxy.test:3128";
    assert_string_equal(bearer_settings_print(&s, BEARER_SET_HTTP_PROXY, p),
                        "http://proxy.test:3128");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_defaults),
        UNIT_TEST(test_every_setting_has_a_row),
        UNIT_TEST(test_precedence),
        UNIT_TEST(test_resolve_without_layers),
        UNIT_TEST(test_lists_replace),
        UNIT_TEST(test_merge_in_place),
        UNIT_TEST(test_times),
        UNIT_TEST(test_words_are_quoted_where_needed),
        UNIT_TEST(test_lists_print),
        UNIT_TEST(test_groups_of_values_print),
        UNIT_TEST(test_proof_prints),
        UNIT_TEST(test_secrets_are_masked),
    };

    return UNIT_RUN("settings", tests);
}
