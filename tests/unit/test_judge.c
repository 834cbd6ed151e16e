/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The checks of a JWT in their order: bytes, header, issuer, keys, signature. */
#include "judge_fixture.h"

static void test_good_token(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const bearer_principal_t *principal;

    judge_expect(f, judge_token(f, "{'azp':'web','jti':'j1','scope':'a b'}"),
                 BEARER_GRANTED, BEARER_OK, NULL, "good");
    principal = f->j.principal;
    assert_string_equal(principal->user, "ann");
    assert_string_equal(principal->method, "jwt");
    assert_string_equal(principal->iss, ISS);
    assert_ptr_equal(principal->issuer, f->issuer);
    assert_string_equal(principal->client, "web");
    assert_string_equal(principal->scope, "a b");
    assert_true(principal->expires == apr_time_from_sec(NOW + 300));
    assert_string_equal(f->j.jws.facts.kid, "one");
    assert_int_equal(f->asked, 1);
    assert_int_equal(f->refreshed, 0);
    assert_string_equal(f->last_jti, "j1");
}

/* jti is not marked as used. */
static void test_a_token_serves_until_it_expires(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *token = judge_token(f, "{'jti':'j1'}");
    int i;

    for (i = 0; i < 100; i++) {
        assert_int_equal(judge_it(f, token), BEARER_GRANTED);
    }
}

static void test_table(void **state)
{
    int last = 0;
    int i;

    (void)state;
    for (i = 0; bearer_judge_check(i); i++) {
        const bearer_check_t *c = bearer_judge_check(i);

        assert_true(c->number >= last && c->number <= 12);
        assert_true(c->name && c->run && c->on);
        assert_true(!c->directive || !strncmp(c->directive, "AuthBearer", 10));
        last = c->number;
    }
    assert_int_equal(last, 12);
    assert_null(bearer_judge_check(-1));
    assert_null(bearer_judge_check(i + 1));
}

/* ---- checks 1 and 2 ---------------------------------------------------- */

static const char *part(judge_fixture_t *f, const char *text)
{
    return bearer_b64url_encode(f->p, text, strlen(text));
}

static const char *dots(apr_pool_t *p, int n)
{
    char *text = apr_palloc(p, (apr_size_t)n + 1);

    memset(text, '.', (apr_size_t)n);
    text[n] = '\0';
    return text;
}

static void test_bytes(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    apr_pool_t *p = f->p;
    const char *good = judge_token(f, NULL);
    const char *head = part(f, "{\"alg\":\"ES256\"}");
    struct {
        const char *what, *token;
        bearer_verdict_t verdict;
        bearer_reason_t reason;
    } cases[] = {
        { "empty", "", BEARER_NOT_MINE, BEARER_SEGMENTS },
        { "opaque", "ory_at_abcdef", BEARER_NOT_MINE, BEARER_SEGMENTS },
        { "opaque with dots", "a.b.c", BEARER_NOT_MINE, BEARER_SEGMENTS },
        { "8 KB of dots", dots(p, 8192), BEARER_NOT_MINE, BEARER_SEGMENTS },
        { "one dot", apr_pstrcat(p, head, ".x", NULL), BEARER_NOT_MINE,
          BEARER_SEGMENTS },
        { "an array as header", apr_pstrcat(p, part(f, "[]"), ".e30.e30", NULL),
          BEARER_NOT_MINE, BEARER_SEGMENTS },
        { "four segments", apr_pstrcat(p, good, ".x", NULL), BEARER_DENIED,
          BEARER_SEGMENTS },
        { "a JWE", apr_pstrcat(p, head, ".a.b.c.d", NULL), BEARER_DENIED,
          BEARER_SEGMENTS },
        { "no payload", apr_pstrcat(p, head, "..eA", NULL), BEARER_DENIED,
          BEARER_JSON },
        { "a padded signature", apr_pstrcat(p, good, "=", NULL), BEARER_DENIED,
          BEARER_BASE64URL },
        { "a blank behind", apr_pstrcat(p, good, " ", NULL), BEARER_DENIED,
          BEARER_CREDENTIAL_SYNTAX },
        { "a line end", apr_pstrcat(p, good, "\n", NULL), BEARER_DENIED,
          BEARER_CREDENTIAL_SYNTAX },
        { "payload no object", apr_pstrcat(p, head, ".", part(f, "[1]"), ".eA",
                                           NULL), BEARER_DENIED, BEARER_JSON },
        { "duplicate member", apr_pstrcat(p, head, ".",
                                          part(f, "{\"sub\":\"a\","
                                               "\"\\u0073ub\":\"b\"}"), ".eA",
                                          NULL), BEARER_DENIED, BEARER_JSON },
        { "trailing junk", apr_pstrcat(p, head, ".", part(f, "{}x"), ".eA",
                                       NULL), BEARER_DENIED, BEARER_JSON },
    };
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        judge_expect(f, cases[i].token, cases[i].verdict, cases[i].reason, NULL,
                     cases[i].what);
    }
    assert_int_equal(f->asked, 0);
}

static void test_size(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    char *big = apr_palloc(f->p, BEARER_TOKEN_MAX + 2);
    const char *head = apr_pstrcat(f->p, part(f, "{\"alg\":\"ES256\"}"), ".",
                                   NULL);

    memset(big, 'A', BEARER_TOKEN_MAX + 1);
    big[BEARER_TOKEN_MAX + 1] = '\0';
    memcpy(big, head, strlen(head));
    big[BEARER_TOKEN_MAX - 10] = '.';
    assert_int_not_equal(judge_it(f, big), BEARER_GRANTED);
    assert_int_equal(f->asked, 0);
}

/* ---- checks 3 and 4 ---------------------------------------------------- */

static void test_header(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    static const struct {
        const char *header;
        bearer_reason_t reason;
    } cases[] = {
        { "{'crit':['exp']}", BEARER_CRIT },
        { "{'crit':[]}", BEARER_CRIT },
        { "{'b64':false,'crit':['b64']}", BEARER_CRIT },
        { "{'typ':7}", BEARER_HEADER },
        { "{'kid':7}", BEARER_KID },
        { "{'kid':''}", BEARER_KID },
        { "{'kid':'../../etc/passwd\\u0001'}", BEARER_KID },
        { "{'kid':'a b'}", BEARER_KID },
    };
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        judge_expect(f, judge_sign(f, 0, cases[i].header, NULL), BEARER_DENIED,
                     cases[i].reason, NULL, cases[i].header);
    }
    assert_int_equal(f->asked, 0);
    judge_expect(f, judge_sign(f, 0, "{'jku':'https://evil','x5u':'https://e',"
                               "'jwk':{},'x5c':['x']}", NULL), BEARER_GRANTED,
                 BEARER_OK, NULL, "jku is ignored");
}

static void test_alg_none(void **state)
{
    static const char *const names[] = { "none", "None", "nOnE", "NONE", "",
                                         "HS256", "ES256K", "es256", "XX" };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    char *payload = json_dumps(judge_claims(f->p, NULL), 0);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        const char *header = apr_psprintf(f->p, "{\"alg\":\"%s\"}", names[i]);

        judge_expect(f, apr_pstrcat(f->p, part(f, header), ".",
                                    part(f, payload), ".", NULL),
                     BEARER_DENIED, BEARER_ALG, NULL, names[i]);
    }
    free(payload);
    assert_int_equal(f->asked, 0);
}

/* Check 3 knows all issuers' algorithms, check 6 this one's. */
static void test_algorithms_of_the_issuer(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *other = judge_issuer(f->p, "https://other.example");
    bearer_algs_t es256 = bearer_alg_find("ES256")->bit;
    bearer_algs_t rs256 = bearer_alg_find("RS256")->bit;

    bearer_settings_put(&f->server, ALGORITHMS, algorithms, rs256);
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_ALG,
                 "AuthBearerAlgorithms", "nobody's");
    assert_null(f->j.issuer);
    bearer_settings_put(&other->settings, ALGORITHMS, algorithms, es256);
    judge_declare(f, other);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u");
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_ALG,
                 "alg 'ES256' is not among the AuthBearerAlgorithms of issuer "
                 "'" ISS "' (RS256)", "another issuer's");
    assert_ptr_equal(f->j.issuer, f->issuer);
    assert_int_equal(f->asked, 0);
    bearer_settings_put(&f->issuer->settings, ALGORITHMS, algorithms,
                        es256 | rs256);
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "another issuer");
}

/* HS* counts only with a local key file. */
static void test_symmetric(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *local = judge_issuer(f->p, "https://local.example");
    bearer_algs_t hs256 = bearer_alg_find("HS256")->bit;
    static const unsigned char secret[] = "0123456789abcdef0123456789abcdef";
    char *payload = json_dumps(judge_claims(f->p, NULL), 0);
    const char *error;
    char *token;

    bearer_settings_put(&f->server, ALGORITHMS, algorithms,
                        bearer_alg_defaults() | hs256);
    assert_int_equal(bearer_jws_sign(&token, unit_claims(f->p, "{}"), payload,
                                     strlen(payload), bearer_alg_find("HS256"),
                                     NULL, secret, 32, &error, f->p),
                     APR_SUCCESS);
    free(payload);
    judge_expect(f, token, BEARER_DENIED, BEARER_ALG, NULL, "no file at all");
    assert_null(f->j.issuer);
    local->keys[0].kind = BEARER_SOURCE_FILE;
    local->keys[0].value = "/keys.json";
    judge_declare(f, local);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u");
    judge_expect(f, token, BEARER_DENIED, BEARER_ALG, "AuthBearerKeys file:PATH",
                 "another issuer's file");
    assert_int_equal(f->asked, 0);
}

static void test_prepared(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *local = judge_issuer(f->p, "https://local.example");
    bearer_algs_t hs256 = bearer_alg_find("HS256")->bit;
    const bearer_settings_t *defaults = bearer_settings_defaults(f->p);
    const bearer_judge_common_t *common;

    common = bearer_judge_prepare(f->issuers, defaults, NULL, f->p);
    assert_true(common->algorithms == defaults->algorithms);
    assert_int_equal(common->prefixes->nelts, 0);
    local->keys[0].kind = BEARER_SOURCE_FILE;
    local->keys[0].value = "/keys.json";
    local->token_prefixes = unit_list(f->p, "gw_ ory_at_");
    bearer_settings_put(&local->settings, ALGORITHMS, algorithms, hs256);
    judge_declare(f, local);
    common = bearer_judge_prepare(f->issuers, defaults, NULL, f->p);
    assert_true(common->algorithms == (defaults->algorithms | hs256));
    assert_int_equal(common->prefixes->nelts, 2);
    assert_true(common->first['g'] && common->first['o']);
    assert_false(common->first['e']);
}

/* ---- check 5 ----------------------------------------------------------- */

static void test_issuer(void **state)
{
    static const struct {
        const char *iss;
        const char *detail;
    } strangers[] = {
        { "'https://evil.example'", "issuer 'https://evil.example' is not "
          "configured: it is not in AuthBearerIssuer (" ISS ")" },
        { "'https://idp.example'", "differs from '" ISS "' only by a "
          "trailing slash" },
        { "'https://IDP.example/'", "only in upper and lower case" },
        { "'http://idp.example/'", "only in the scheme" },
        { "'http://idp.example'", "only in spelling" },
        { "'idp.example/'", "only in the scheme" },
        { "''", "the token has no issuer" },
        { ABSENT, "the token has no issuer (iss)" },
        { "null", "the token has no issuer (iss)" },
        { "'https://idp.example/\\n'", "%0a" },
    };
    static const char *const no_strings[] = { "['" ISS "']", "7", "{}", "true" };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    unsigned i;

    for (i = 0; i < UNIT_COUNT(strangers); i++) {
        const char *patch = apr_psprintf(f->p, "{'iss':%s}", strangers[i].iss);

        judge_expect(f, judge_token(f, patch), BEARER_NOT_MINE, BEARER_ISS,
                     strangers[i].detail, patch);
    }
    for (i = 0; i < UNIT_COUNT(no_strings); i++) {
        const char *patch = apr_psprintf(f->p, "{'iss':%s}", no_strings[i]);

        judge_expect(f, judge_token(f, patch), BEARER_DENIED, BEARER_ISS,
                     "not a string", patch);
    }
    judge_expect(f, judge_token(f, "{'iss':" ABSENT ",'sub':" ABSENT "}"),
                 BEARER_NOT_MINE, BEARER_ISS, "has no issuer", "neither");
    judge_it(f, judge_token(f, "{'iss':'https://idp.example/x'}"));
    assert_false(unit_contains(f->j.why.detail, "differs"));
    judge_it(f, judge_token(f, "{'iss':'https://idp.exampl'}"));
    assert_false(unit_contains(f->j.why.detail, "differs"));
    assert_int_equal(f->asked, 0);
}

static void test_entra_version_hint(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *entra =
        judge_issuer(f->p, "https://login.microsoftonline.com/t1/v2.0");

    judge_it(f, judge_token(f, "{'iss':'https://sts.windows.net/t1/'}"));
    assert_false(unit_contains(f->j.why.detail, "requestedAccessTokenVersion"));
    judge_declare(f, entra);
    judge_expect(f, judge_token(f, "{'iss':'https://sts.windows.net/t1/'}"),
                 BEARER_NOT_MINE, BEARER_ISS, "requestedAccessTokenVersion",
                 "v1 token");
}

static void test_alias(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *google = judge_issuer(f->p, "https://accounts.example");

    google->aliases = unit_list(f->p, "accounts.example");
    google->name = "google";
    judge_declare(f, google);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u@%i");
    judge_expect(f, judge_token(f, "{'iss':'accounts.example'}"),
                 BEARER_GRANTED, BEARER_OK, NULL, "alias");
    assert_string_equal(f->j.principal->user, "ann@google");
    assert_string_equal(f->j.principal->iss, "accounts.example");
}

static void test_accept_issuer(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    judge_declare(f, judge_issuer(f->p, "https://other.example"));
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, "https://other.example"));
    judge_expect(f, judge_token(f, NULL), BEARER_NOT_MINE, BEARER_ISS,
                 "issuer '" ISS "' is configured, but not accepted here by AuthBearerAcceptIssuer "
                                "(https://other.example)", "narrowed");
    f->dir.accept_issuer = unit_list(f->p, "https://other.example " ISS);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u");
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "both");
    assert_true(bearer_judge_accepts(&f->dir, f->issuer));
    f->dir.accept_issuer = unit_list(f->p, "");
    assert_true(bearer_judge_accepts(&f->dir, f->issuer));
}

static void test_introspected_issuer(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->issuer->introspect_all = 1;
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "no endpoint");
    f->issuer->introspection.kind = BEARER_SOURCE_DISCOVER;
    judge_expect(f, judge_token(f, NULL), BEARER_NOT_MINE, BEARER_ISS,
                 "for=all", "for=all");
    f->issuer->introspect_all = 0;
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "for=opaque");
}

static void test_token_prefix(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->issuer->token_prefixes = unit_list(f->p, "ey");
    judge_expect(f, judge_token(f, NULL), BEARER_NOT_MINE, BEARER_CHAIN,
                 "AuthBearerTokenPrefix", "prefix");
    f->issuer->token_prefixes = unit_list(f->p, "gw_abc");
    judge_expect(f, "gw_abc", BEARER_NOT_MINE, BEARER_CHAIN,
                 "AuthBearerTokenPrefix", "the whole token");
    f->issuer->token_prefixes = unit_list(f->p, "eyXX gw_");
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "another prefix");
    f->issuer->token_prefixes =
        unit_list(f->p, apr_pstrcat(f->p, judge_token(f, NULL), "x", NULL));
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "longer than the token");
}

/* A token of issuer A signed with issuer B's key. */
static void test_keys_are_of_one_issuer(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *kid[] = { "one" };

    f->set = unit_key_set(f->p, &f->keys[1], kid, 1);
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_SIGNATURE, NULL,
                 "another's key by the same kid");
    assert_int_equal(f->refreshed, 0);
}

/* ---- tenants ----------------------------------------------------------- */

static judge_fixture_t *tenant_fixture(apr_pool_t *p, bearer_issuer_t **issuer)
{
    judge_fixture_t *f = judge_fixture(p);

    *issuer = judge_issuer(p, "https://login.example/{tenant}/v2.0");
    (*issuer)->keys[0].kind = BEARER_SOURCE_URL;
    (*issuer)->keys[0].value = "https://login.example/{tenant}/keys";
    (*issuer)->tenants = unit_list(p, "t1 t2");
    judge_declare(f, *issuer);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u@%t");
    return f;
}

static void test_tenants(void **state)
{
    bearer_issuer_t *issuer;
    judge_fixture_t *f = tenant_fixture(unit_pool(state), &issuer);
    static const judge_case_t cases[] = {
        { "{'iss':'https://login.example/t1/v2.0'}", BEARER_OK, NULL },
        { "{'iss':'https://login.example/t2/v2.0','tid':'t2'}", BEARER_OK,
          NULL },
        { "{'iss':'https://login.example/t3/v2.0'}", BEARER_TENANT,
          "tenant 't3' is not in AuthBearerTenants (t1, t2)" },
        { "{'iss':'https://login.example/t1/v2.0','tid':'t2'}", BEARER_TENANT,
          "claim 'tid' is 't2', but iss names tenant 't1'" },
        { "{'iss':'https://login.example/t1/v2.0','tid':7}", BEARER_TENANT,
          "not a string" },
        { "{'tid':'whatever'}", BEARER_OK, NULL },
    };

    judge_cases(f, cases, UNIT_COUNT(cases));
    judge_expect(f, judge_token(f, "{'iss':'https://login.example/../v2.0'}"),
                 BEARER_NOT_MINE, BEARER_ISS, NULL, "a step in a path");
    /* keys are never asked for in the name of a stranger */
    f->asked = 0;
    judge_expect(f, judge_token(f, "{'iss':'https://login.example/t9/v2.0'}"),
                 BEARER_DENIED, BEARER_TENANT, NULL, "stranger");
    assert_int_equal(f->asked, 0);
}

static void test_tenants_file(void **state)
{
    bearer_issuer_t *issuer;
    judge_fixture_t *f = tenant_fixture(unit_pool(state), &issuer);
    const char *token = judge_token(f, "{'iss':'https://login.example/t5/v2.0'}");

    issuer->tenants = NULL;
    issuer->tenants_file = "/tenants";
    judge_expect(f, token, BEARER_DENIED, BEARER_KEYS, "file:/tenants was not read",
                 "no file yet");
    f->file_tenants = unit_list(f->p, "t4 t5");
    judge_expect(f, token, BEARER_GRANTED, BEARER_OK, NULL, "in the file");
    assert_string_equal(f->j.tenant, "t5");
    assert_string_equal(f->j.principal->user, "ann@t5");
    issuer->tenants_file = NULL;
    issuer->tenants_any = 1;
    judge_expect(f, judge_token(f, "{'iss':'https://login.example/t6/v2.0'}"),
                 BEARER_GRANTED, BEARER_OK, NULL, "anybody");
}

/* What configtest could not see is not let in either: the same sub of two tenants,
 * or of two issuers, is two people. */
static void test_two_people_one_name(void **state)
{
    bearer_issuer_t *issuer;
    judge_fixture_t *f = tenant_fixture(unit_pool(state), &issuer);
    const char *token = judge_token(f, "{'iss':'https://login.example/t1/v2.0'}");

    judge_expect(f, token, BEARER_GRANTED, BEARER_OK, NULL, "told apart");
    assert_string_equal(f->j.principal->user, "ann@t1");
    f->dir.user_format = "%u";
    judge_expect(f, token, BEARER_DENIED, BEARER_CONFIGURATION, "%t", "tenants");
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "an issuer without tenants");
    issuer->tenants = unit_list(f->p, "t1");
    judge_expect(f, token, BEARER_GRANTED, BEARER_OK, NULL, "one tenant");
    f->dir.set &= ~((apr_uint64_t)1 << BEARER_SET_USER_FORMAT);
    judge_expect(f, token, BEARER_DENIED, BEARER_CONFIGURATION,
                 "several issuers", "issuers");
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, "https://login.example/{tenant}/v2.0"));
    judge_expect(f, token, BEARER_GRANTED, BEARER_OK, NULL, "one issuer");
}

/* ---- SPIFFE ------------------------------------------------------------ */

static void test_spiffe(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *spire = judge_issuer(f->p, "spiffe://prod.example");
    const char *svid;

    spire->keys[0].kind = BEARER_SOURCE_SPIFFE_FILE;
    spire->keys[0].value = "/bundle.json";
    judge_declare(f, spire);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u");
    bearer_settings_put(&f->dir, MAX_TOKEN_AGE, max_token_age,
                        apr_time_from_sec(3600));
    svid = "{'iss':" ABSENT ",'iat':" ABSENT ",'sub':'spiffe://prod.example/a'}";
    judge_expect(f, judge_sign(f, 0, "{'typ':'JOSE'}", svid), BEARER_GRANTED,
                 BEARER_OK, NULL, "JWT-SVID");
    assert_string_equal(f->j.principal->user, "spiffe://prod.example/a");
    assert_ptr_equal(f->j.principal->issuer, spire);
    assert_string_equal(f->j.principal->iss, "spiffe://prod.example");
    judge_expect(f, judge_token(f, "{'iss':" ABSENT ",'sub':"
                                "'spiffe://dev.example/a'}"),
                 BEARER_NOT_MINE, BEARER_ISS, "not in a trust domain",
                 "another trust domain");
    judge_expect(f, judge_token(f, "{'iss':'https://oidc.prod.example','sub':"
                                "'spiffe://prod.example/a'}"),
                 BEARER_GRANTED, BEARER_OK, NULL, "iss means nothing there");
    judge_expect(f, judge_token(f, "{'iss':'spiffe://prod.example'}"),
                 BEARER_NOT_MINE, BEARER_ISS, NULL, "iss instead of sub");
    judge_expect(f, judge_sign(f, 0, "{'typ':'JOSE'}", NULL), BEARER_DENIED,
                 BEARER_TYPE, NULL, "JOSE elsewhere");
    /* iss wins where it names an issuer */
    judge_expect(f, judge_token(f, "{'sub':'spiffe://prod.example/a'}"),
                 BEARER_GRANTED, BEARER_OK, NULL, "iss first");
    assert_ptr_equal(f->j.principal->issuer, f->issuer);
}

/* ---- checks 6 and 7 ---------------------------------------------------- */

static const char *broken_signature(judge_fixture_t *f, const char *patch)
{
    char *token = apr_pstrdup(f->p, judge_token(f, patch));
    char *c = token + strlen(token) - 10;

    *c = *c == 'A' ? 'B' : 'A';
    return token;
}

static void test_keys(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->keys_answer = BEARER_KEYS;
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_KEYS,
                 "no keys today", "nothing known");
    assert_int_equal(f->refreshed, 0);
    f->keys_answer = BEARER_OK;
    judge_expect(f, broken_signature(f, NULL), BEARER_DENIED, BEARER_SIGNATURE,
                 NULL, "signature");
    judge_begin(f)->keys = NULL;
    assert_int_equal(bearer_judge_jwt(&f->j, judge_token(f, NULL),
                                      strlen(judge_token(f, NULL))),
                     BEARER_DENIED);
    assert_int_equal(f->j.why.reason, BEARER_KEYS);
}

static void test_unknown_kid(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *kids[] = { "one", "two" };

    judge_expect(f, judge_sign(f, 1, NULL, NULL), BEARER_DENIED, BEARER_KEY,
                 "nothing newer", "unknown");
    assert_int_equal(f->refreshed, 1);
    f->newer = unit_key_set(f->p, f->keys, kids, 2);
    judge_expect(f, judge_sign(f, 1, NULL, NULL), BEARER_GRANTED, BEARER_OK,
                 NULL, "rotated");
    judge_expect(f, judge_sign(f, 1, "{'kid':'three'}", NULL), BEARER_DENIED,
                 BEARER_KEY, NULL, "newer, but without that one");
    assert_int_equal(f->refreshed, 3);
}

/* A signature that fails may mean a key replaced under the same name. */
static void test_replaced_key(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *kids[] = { "other", "one" };
    const char *token = judge_sign(f, 1, "{'kid':'one'}", NULL);

    judge_expect(f, token, BEARER_DENIED, BEARER_SIGNATURE, "does not match key 'one'",
                 "nothing newer");
    assert_int_equal(f->replaced, 1);
    f->newer = unit_key_set(f->p, f->keys, kids, 2);
    judge_expect(f, token, BEARER_GRANTED, BEARER_OK, NULL, "replaced");
    judge_expect(f, broken_signature(f, NULL), BEARER_DENIED, BEARER_SIGNATURE,
                 NULL, "of neither");
    assert_int_equal(f->replaced, 3);
    /* no request for a token that is refused anyway, or that does not say when */
    judge_expect(f, judge_sign(f, 1, "{'kid':'one'}", "{'exp':1}"), BEARER_DENIED,
                 BEARER_SIGNATURE, NULL, "expired");
    judge_expect(f, judge_sign(f, 1, "{'kid':'one'}", "{'iat':" ABSENT "}"),
                 BEARER_DENIED, BEARER_SIGNATURE, NULL, "without iat");
    assert_int_equal(f->replaced, 3);
}

/* Of two sources, both may have the kid. */
static void test_second_key_of_a_pool(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *kid = "one";
    bearer_jwks_t *parts[2] = { f->set, unit_key_set(f->p, &f->keys[1], &kid, 1) };

    assert_int_equal(bearer_jwks_pool(&f->set, parts, 2), APR_SUCCESS);
    judge_expect(f, judge_sign(f, 0, "{'kid':'one'}", NULL), BEARER_GRANTED, BEARER_OK,
                 NULL, "the first");
    judge_expect(f, judge_sign(f, 1, "{'kid':'one'}", NULL), BEARER_GRANTED, BEARER_OK,
                 NULL, "the second");
    assert_int_equal(f->replaced, 0);
    judge_expect(f, broken_signature(f, NULL), BEARER_DENIED, BEARER_SIGNATURE, NULL,
                 "neither");
    bearer_jwks_release(f->set);
    f->set = parts[0];
}

/* Nothing is fetched for a token that is refused anyway. */
static void test_no_refresh_for_a_lost_token(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    judge_expect(f, judge_sign(f, 1, NULL, "{'exp':1}"), BEARER_DENIED,
                 BEARER_KEY, "no key of issuer '" ISS "' has kid 'two', and the keys are not "
                                                      "fetched again, because the token is refused "
                                                      "anyway: the token expired", "expired");
    assert_int_equal(f->refreshed, 0);
    /* with keys at hand the signature comes first */
    judge_expect(f, broken_signature(f, "{'exp':1}"), BEARER_DENIED,
                 BEARER_SIGNATURE, NULL, "forged and expired");
}

static void test_no_fetch_for_a_lost_token(void **state)
{
    static const judge_case_t cases[] = {
        { "{'aud':'other'}", BEARER_AUD, NULL },
        { "{'exp':1}", BEARER_EXP, NULL },
        { "{'exp':" ABSENT "}", BEARER_EXP_TYPE, NULL },
        { "{'nonce':'n'}", BEARER_TYPE, NULL },
        { "{'sub':'a,b'}", BEARER_IDENTIFIER, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->at_hand = 0;
    judge_cases(f, cases, UNIT_COUNT(cases));
    assert_int_equal(f->asked, 0);
    f->revoked = BEARER_REVOKED;
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_REVOKED, NULL,
                 "revoked");
    assert_int_equal(f->asked, 0);
    f->revoked = BEARER_OK;
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "good");
    judge_expect(f, broken_signature(f, NULL), BEARER_DENIED, BEARER_SIGNATURE,
                 NULL, "forged");
    assert_int_equal(f->asked, 2);
}

/* ---- observing --------------------------------------------------------- */

typedef struct seen_t {
    apr_array_header_t *lines;
    apr_pool_t *p;
} seen_t;

static void observe(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j)
{
    seen_t *seen = baton;

    assert_true((reason == BEARER_OK) == (j->why.detail == NULL));
    APR_ARRAY_PUSH(seen->lines, const char *) =
        apr_psprintf(seen->p, "%d %s: %s", check->number, check->name,
                     bearer_reason_name(reason));
}

static const char *observed(judge_fixture_t *f, const char *token,
                            int keep_going)
{
    seen_t seen;

    seen.p = f->p;
    seen.lines = apr_array_make(f->p, 30, sizeof(const char *));
    judge_begin(f);
    f->j.observe = observe;
    f->j.observe_baton = &seen;
    f->j.keep_going = keep_going;
    bearer_judge_jwt(&f->j, token, strlen(token));
    return unit_lines(f->p, seen.lines);
}

static void test_observed_in_order(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    assert_string_equal(observed(f, judge_token(f, NULL), 0),
        "1 credential: ok\n2 envelope: ok\n2 payload: ok\n3 header: ok\n"
        "4 kid: ok\n5 issuer: ok\n5 tenant: ok\n6 algorithm: ok\n6 key: ok\n"
        "7 signature: ok\n8 audience: ok\n8 expiry: ok\n8 not before: ok\n"
        "8 issued at: ok\n8 age: ok\n8 user claim: ok\n8 profile: ok\n"
        "9 access token: ok\n9 ID token: ok\n10 calling client: ok\n"
        "10 clients: ok\n11 revocation: ok\n12 identifier: ok");
    assert_string_equal(observed(f, judge_sign(f, 0, "{'crit':['x']}", NULL), 0),
        "1 credential: ok\n2 envelope: ok\n2 payload: ok\n3 header: crit");
}

/* explain: the first refusal counts, the others are shown. */
static void test_keep_going(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *text = observed(f, judge_sign(f, 1, NULL, "{'aud':'x','exp':1}"),
                                1);

    assert_true(unit_contains(text, "6 key: key\n8 audience: aud\n"
                              "8 expiry: exp\n8 not before: ok"));
    assert_true(unit_contains(text, "12 identifier: ok"));
    assert_int_equal(f->j.why.reason, BEARER_KEY);
    assert_string_equal(f->j.why.detail, "nothing newer");
    assert_null(f->j.principal);
    /* what a check needs must be there */
    text = observed(f, judge_sign(f, 0, "{'crit':['x']}",
                                  "{'iss':'https://x','aud':'y'}"), 1);
    assert_string_equal(text,
        "1 credential: ok\n2 envelope: ok\n2 payload: ok\n3 header: crit\n"
        "4 kid: ok\n5 issuer: iss\n8 audience: aud\n8 expiry: ok\n"
        "8 not before: ok\n8 issued at: ok\n8 age: ok\n8 user claim: ok\n"
        "8 profile: ok\n9 access token: ok\n9 ID token: ok\n"
        "10 calling client: azp\n10 clients: ok\n11 revocation: ok\n"
        "12 identifier: ok");
    assert_int_equal(f->j.why.reason, BEARER_CRIT);
    assert_int_equal(f->j.not_mine, 0);  /* whose it is was asked too late */
}

/* Only what a key of the issuer has signed is remembered. */
static void test_headers_of_good_tokens_only(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_headers_t *headers = bearer_headers_create(f->p);
    const char *good = judge_token(f, NULL);
    char *bad = apr_pstrdup(f->p, good);
    apr_size_t len = strcspn(good, ".");
    bearer_header_facts_t facts;
    int known;

    bad[strlen(bad) - 10] = bad[strlen(bad) - 10] == 'A' ? 'B' : 'A';
    for (known = 0; known < 2; known++) {
        const char *token = known ? good : bad;
        bearer_judgement_t *j = judge_begin(f);

        j->headers = headers;
        assert_int_equal(bearer_judge_jwt(j, token, strlen(token)),
                         known ? BEARER_GRANTED : BEARER_DENIED);
        assert_int_equal(bearer_headers_find(headers, &facts, good, len, f->p), known);
    }
    /* and a header that is known makes no signature good */
    judge_begin(f)->headers = headers;
    assert_int_equal(bearer_judge_jwt(&f->j, bad, strlen(bad)), BEARER_DENIED);
    assert_int_equal(f->j.why.reason, BEARER_SIGNATURE);
}

/* What was said of an issuer of Entra's first version is said of no other. */
static void test_hints_about_the_issuer(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    judge_expect(f, judge_token(f, "{'iss':'https://sts.windows.net/t1/'}"),
                 BEARER_NOT_MINE, BEARER_ISS, NULL, "another issuer");
    assert_false(unit_contains(f->j.why.detail, "version 1"));
    judge_declare(f, judge_issuer(f->p, "https://login.microsoftonline.com/t1/v2.0"));
    judge_expect(f, judge_token(f, "{'iss':'https://sts.windows.net/t1/'}"),
                 BEARER_NOT_MINE, BEARER_ISS, "Entra token of version 1", "Entra");
}

/* ---- key sets are given back ------------------------------------------------ */

/* Of each that was taken (the linker puts these in the place of the library's). */
static int taken;

bearer_jwks_t *__real_bearer_jwks_retain(bearer_jwks_t *set);
bearer_jwks_t *__wrap_bearer_jwks_retain(bearer_jwks_t *set);
void __real_bearer_jwks_release(bearer_jwks_t *set);
void __wrap_bearer_jwks_release(bearer_jwks_t *set);

bearer_jwks_t *__wrap_bearer_jwks_retain(bearer_jwks_t *set)
{
    taken++;
    return __real_bearer_jwks_retain(set);
}

void __wrap_bearer_jwks_release(bearer_jwks_t *set)
{
    taken -= set != NULL;
    __real_bearer_jwks_release(set);
}

static void test_key_sets_are_given_back(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *good = judge_token(f, NULL);
    char *bad = apr_pstrdup(f->p, good);

    bad[strlen(bad) - 10] = bad[strlen(bad) - 10] == 'A' ? 'B' : 'A';
    taken = 0;
    judge_expect(f, good, BEARER_GRANTED, BEARER_OK, NULL, "good");
    assert_int_equal(taken, 0);
    judge_expect(f, bad, BEARER_DENIED, BEARER_SIGNATURE, NULL, "bad");
    assert_int_equal(taken, 0);
    judge_expect(f, judge_sign(f, 1, NULL, NULL), BEARER_DENIED, BEARER_KEY, NULL,
                 "unknown kid");
    assert_int_equal(taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_good_token),
        UNIT_TEST(test_a_token_serves_until_it_expires),
        UNIT_TEST(test_table),
        UNIT_TEST(test_bytes),
        UNIT_TEST(test_size),
        UNIT_TEST(test_header),
        UNIT_TEST(test_alg_none),
        UNIT_TEST(test_algorithms_of_the_issuer),
        UNIT_TEST(test_symmetric),
        UNIT_TEST(test_prepared),
        UNIT_TEST(test_issuer),
        UNIT_TEST(test_entra_version_hint),
        UNIT_TEST(test_alias),
        UNIT_TEST(test_accept_issuer),
        UNIT_TEST(test_introspected_issuer),
        UNIT_TEST(test_token_prefix),
        UNIT_TEST(test_keys_are_of_one_issuer),
        UNIT_TEST(test_tenants),
        UNIT_TEST(test_tenants_file),
        UNIT_TEST(test_two_people_one_name),
        UNIT_TEST(test_spiffe),
        UNIT_TEST(test_keys),
        UNIT_TEST(test_unknown_kid),
        UNIT_TEST(test_replaced_key),
        UNIT_TEST(test_second_key_of_a_pool),
        UNIT_TEST(test_no_refresh_for_a_lost_token),
        UNIT_TEST(test_no_fetch_for_a_lost_token),
        UNIT_TEST(test_observed_in_order),
        UNIT_TEST(test_keep_going),
        UNIT_TEST(test_headers_of_good_tokens_only),
        UNIT_TEST(test_hints_about_the_issuer),
        UNIT_TEST(test_key_sets_are_given_back),
    };

    return UNIT_RUN("judge", tests);
}
