/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* From claims to a principal: user, scopes, roles, and questions to it. */
#include "claims.h"

#include "judge/principal.h"
#include "judge/user_format.h"
#include "posix_regex.h"

static bearer_settings_t settings_of(apr_pool_t *p, const char *user_claim)
{
    bearer_settings_t s = *bearer_settings_defaults(p);

    assert_true(bearer_user_claim_parse(&s.user_claim, user_claim, p));
    return s;
}

static bearer_issuer_t issuer_named(const char *url, const char *name)
{
    bearer_issuer_t issuer;

    memset(&issuer, 0, sizeof(issuer));
    issuer.url = url;
    issuer.name = name;
    return issuer;
}

static const bearer_principal_t *build(apr_pool_t *p, const char *claims,
                                       const bearer_settings_t *s,
                                       bearer_refusal_t *why)
{
    static bearer_issuer_t issuer;
    const bearer_principal_t *principal;
    bearer_reason_t reason;

    issuer = issuer_named("https://a.example/", "a");
    memset(why, 0, sizeof(*why));
    reason = bearer_principal_build(&principal, "jwt", unit_claims(p, claims),
                                    &issuer, "https://a.example/", "t1", s, why,
                                    p);
    assert_int_equal(reason, why->reason);
    assert_true((principal != NULL) == (reason == BEARER_OK));
    return principal;
}

static void test_user_claim(void **state)
{
    static const struct {
        const char *claim, *claims;
        bearer_reason_t reason;
        const char *text;   /* the user, or part of the detail */
    } cases[] = {
        { "sub", "{'sub':'ann'}", BEARER_OK, "ann" },
        { "sub", "{'sub':'auth0|5f7@clients'}", BEARER_OK, "auth0|5f7@clients" },
        { "sub", "{'sub':'system:serviceaccount:ns:n'}", BEARER_OK,
          "system:serviceaccount:ns:n" },
        { "sub", "{}", BEARER_USER_CLAIM, "claim 'sub' is missing" },
        { "sub", "{'sub':1}", BEARER_USER_CLAIM, "is an integer" },
        { "sub", "{'sub':{}}", BEARER_USER_CLAIM, "is an object" },
        { "sub", "{'sub':null}", BEARER_USER_CLAIM, "is missing" },
        { "sub,client_id", "{'sub':'ann','client_id':'web'}", BEARER_OK, "ann" },
        { "sub,client_id", "{'client_id':'web'}", BEARER_OK, "web" },
        { "sub,client_id", "{'sub':null,'client_id':'web'}", BEARER_OK, "web" },
        { "sub,client_id", "{'sub':['x'],'client_id':'web'}", BEARER_USER_CLAIM, "is an array" },
        { "sub,client_id", "{'sub':'a;b','client_id':'web'}", BEARER_IDENTIFIER, "a;b" },
        { "uid,n,sub", "{'uid':{},'n':7,'sub':'ann'}", BEARER_USER_CLAIM, "'uid' is an object" },
        { "uid,n,sub", "{'n':7,'sub':'ann'}", BEARER_OK, "7" },
        { "a.b,x.y", "{'a':{},'x':{'y':'deep'}}", BEARER_OK, "deep" },
        { "sub,client_id", "{}", BEARER_USER_CLAIM, "'sub,client_id' is missing" },
        { "sub", "{'sub':['a']}", BEARER_USER_CLAIM, "is an array" },
        { "uid", "{'sub':'a','uid':42}", BEARER_OK, "42" },
        { "uid", "{'uid':-1}", BEARER_OK, "-1" },
        { "uid", "{'uid':'42'}", BEARER_OK, "42" },
        { "uid", "{'uid':4.5}", BEARER_USER_CLAIM, "number with a fraction" },
        { "uid", "{'uid':true}", BEARER_USER_CLAIM, "is a boolean" },
        /* sub is a string even where it is not the user */
        { "uid", "{'sub':1,'uid':42}", BEARER_USER_CLAIM, "'sub' is an int" },
        { "act.sub", "{'sub':'a','act':{'sub':'b'}}", BEARER_OK, "b" },
        { "act.sub", "{'sub':'a','act':{'sub':7}}", BEARER_OK, "7" },
        { "sub", "{'sub':''}", BEARER_IDENTIFIER, "it is empty" },
        { "sub", "{'sub':' a'}", BEARER_IDENTIFIER, "white space" },
        { "sub", "{'sub':'a\\u202eb'}", BEARER_IDENTIFIER, "bidirectional" },
        { "sub", "{'sub':'a\\nb'}", BEARER_IDENTIFIER, "control character" },
        { "sub", "{'sub':'CN=ann,O=x'}", BEARER_IDENTIFIER,
          "AuthBearerUserChars printable" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_settings_t s = settings_of(p, cases[i].claim);
        bearer_refusal_t why;
        const bearer_principal_t *principal = build(p, cases[i].claims, &s,
                                                    &why);

        UNIT_CHECK(why.reason == cases[i].reason, "%s in %s: %s",
                   cases[i].claim, cases[i].claims, why.detail);
        if (principal) {
            assert_string_equal(principal->user, cases[i].text);
            assert_string_equal(principal->user_value, cases[i].text);
        } else {
            UNIT_CHECK(unit_contains(why.detail, cases[i].text), "%s",
                       why.detail);
            assert_true(unit_contains(why.detail, "AuthBearerUserClaim")
                        || unit_contains(why.detail, "RFC 7519"));
        }
    }
}

static void test_user_chars(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;

    s.user_chars_printable = 1;
    assert_string_equal(build(p, "{'sub':'CN=ann,O=x'}", &s, &why)->user,
                        "CN=ann,O=x");
    assert_null(build(p, "{'sub':'a\\u2066b'}", &s, &why));
}

static void test_user_regex(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "upn");
    const char *error = NULL;
    bearer_refusal_t why;

    s.user_claim.regex = posix_regex_compile("^([^@]+)@example\\.com$", &error,
                                             p);
    s.user_claim.substitution = "$1";
    assert_string_equal(build(p, "{'upn':'ann@example.com'}", &s, &why)->user,
                        "ann");
    assert_null(build(p, "{'upn':'ann@evil.example'}", &s, &why));
    assert_int_equal(why.reason, BEARER_USER_CLAIM);
    assert_string_equal(why.detail, "claim 'upn' is 'ann@evil.example', which does not match the "
                                    "regular expression '^([^@]+)@example%5c.com$' of "
                                    "AuthBearerUserClaim");
    /* what comes out is checked, not what went in */
    assert_null(build(p, "{'upn':'a,b@example.com'}", &s, &why));
    assert_int_equal(why.reason, BEARER_IDENTIFIER);
    s.user_claim.substitution = "";
    assert_null(build(p, "{'upn':'ann@example.com'}", &s, &why));
    assert_int_equal(why.reason, BEARER_IDENTIFIER);
}

/* A server's regular expression that gives up is the server's affair: no user,
 * and not the value as it came. */
static void test_user_regex_gives_up(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "upn");
    const char *error = NULL;
    bearer_refusal_t why;

    s.user_claim.regex = giving_up_compile("^(m+)+$", &error, p);
    s.user_claim.substitution = "ann";
    assert_string_equal(build(p, "{'upn':'m'}", &s, &why)->user, "ann");
    assert_null(build(p, "{'upn':'m!'}", &s, &why));
    assert_int_equal(why.reason, BEARER_CONFIGURATION);
    assert_true(unit_contains(why.detail, "claim 'upn'"));
    assert_true(unit_contains(why.detail, "^(m+)+$"));
    assert_true(unit_contains(why.detail, "too many steps"));
}

static void test_user_format(void **state)
{
    static const struct {
        const char *format, *user;
    } cases[] = {
        { "%u", "ann" },
        { "%u@%i", "ann@a" },
        { "%i/%t/%u", "a/t1/ann" },
        { "%i/%u", "a/ann" },
        { "%%%u%%", "%ann%" },
        { "x%u", "xann" },
        { "%u%u", "annann" },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const bearer_principal_t *principal;

        s.user_format = cases[i].format;
        principal = build(p, "{'sub':'ann'}", &s, &why);
        assert_string_equal(principal->user, cases[i].user);
        assert_string_equal(principal->user_value, "ann");
        assert_null(bearer_user_format_error(cases[i].format));
    }
    assert_true(unit_contains(bearer_user_format_error("%i"), "without %u"));
    assert_true(unit_contains(bearer_user_format_error("user"), "without %u"));
    assert_true(unit_contains(bearer_user_format_error("%u%"), "only %u"));
    assert_true(unit_contains(bearer_user_format_error("%u%x"), "only"));
    assert_true(unit_contains(bearer_user_format_error("%%u"), "without %u"));
}

static void test_fields(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;
    const bearer_principal_t *principal =
        build(p, "{'sub':'ann','azp':'web','jti':'j1','exp':1700000000,"
              "'nbf':1600000000.5,'iat':1500000000,'scope':'a  b a',"
              "'scp':['b','c d',3],'roles':['r','two words'],'groups':'g h'}",
              &s, &why);

    assert_string_equal(principal->method, "jwt");
    assert_string_equal(principal->iss, "https://a.example/");
    assert_string_equal(principal->issuer->name, "a");
    assert_string_equal(principal->client, "web");
    assert_string_equal(principal->jti, "j1");
    assert_true(principal->expires == apr_time_from_sec(1700000000));
    assert_true(principal->not_before == apr_time_from_sec(1600000000)
                                         + 500000);
    assert_true(principal->issued == apr_time_from_sec(1500000000));
    assert_string_equal(principal->scope, "a b c d");
    assert_int_equal(principal->scopes->nelts, 4);
    assert_string_equal(unit_lines(p, principal->roles), "r\ntwo words");
    assert_string_equal(unit_lines(p, principal->groups), "g h");
    assert_int_equal(principal->token_digest[0], 0);
}

/* Zitadel writes roles as an object; scopes have no such form. */
static void test_names_of_members(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;
    const bearer_principal_t *principal;

    s.roles_claim = UNIT_PATHS(p, "urn:roles more");
    principal = build(p, "{'sub':'a','urn:roles':{'admin':{'22':'a.example'},'dev':1,'x,y':1,"
                      "'no':false,'nil':null,'':1},'more':['dev','ops'],'groups':{'g':{}},"
                      "'scope':{'s':1}}", &s, &why);
    assert_string_equal(unit_lines(p, principal->roles), "admin\ndev\nops");
    assert_string_equal(unit_lines(p, principal->groups), "g");
    assert_int_equal(principal->scopes->nelts, 0);
    assert_int_equal(principal->left_out->nelts, 1);
}

/* The revocation list is asked again at each hit of the token cache: by what it
 * was asked by at first. */
static void test_jti(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;

    assert_string_equal(build(p, "{'sub':'a','jti':42}", &s, &why)->jti, "42");
    assert_string_equal(build(p, "{'sub':'a','jti':'42'}", &s, &why)->jti, "42");
    assert_null(build(p, "{'sub':'a','jti':4.5}", &s, &why)->jti);
}

static void test_pooled_paths(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;
    const bearer_principal_t *principal;

    s.roles_claim = UNIT_PATHS(p, "realm_access.roles resource_access.x.roles");
    principal = build(p, "{'sub':'a','realm_access':{'roles':['r','s']},"
                      "'resource_access':{'x':{'roles':['s','t']}},"
                      "'roles':['no']}", &s, &why);
    assert_string_equal(unit_lines(p, principal->roles), "r\ns\nt");
    assert_string_equal(principal->scope, "");
    assert_int_equal(principal->scopes->nelts, 0);
    assert_null(principal->client);
    assert_null(principal->jti);
    assert_true(principal->expires == 0);
}

static void test_client(void **state)
{
    static const struct {
        const char *claims, *client;
    } cases[] = {
        { "{'azp':'a','client_id':'b','appid':'c','cid':'d'}", "a" },
        { "{'client_id':'b','appid':'c','cid':'d'}", "b" },
        { "{'appid':'c','cid':'d'}", "c" },
        { "{'cid':'d'}", "d" },
        { "{}", NULL },
        /* a damaged name does not let another one through */
        { "{'azp':['x'],'client_id':'b'}", NULL },
        { "{'azp':'','client_id':'b'}", NULL },
        { "{'azp':null,'client_id':'b'}", "b" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *client =
            bearer_principal_client(unit_claims(p, cases[i].claims), bearer_settings_defaults(p));

        UNIT_CHECK(cases[i].client ? client && !strcmp(client, cases[i].client)
                                   : !client, "%s", cases[i].claims);
    }
}

static void test_anonymous(void **state)
{
    const bearer_principal_t *nobody =
        bearer_principal_anonymous(unit_pool(state));

    assert_string_equal(nobody->method, "anonymous");
    assert_null(nobody->user);
    assert_string_equal(nobody->scope, "");
    assert_int_equal(nobody->roles->nelts, 0);
    assert_int_equal(json_object_size(nobody->claims), 0);
    assert_false(bearer_principal_has_scope(nobody, "a", BEARER_SCOPE_EXACT));
    assert_false(bearer_principal_has_role(nobody, "a"));
}

static void test_scope_strategies(void **state)
{
    static const struct {
        const char *granted, *wanted;
        int exact, hierarchic, wildcard;
    } cases[] = {
        { "foo", "foo", 1, 1, 1 },
        { "foo", "foo.bar", 0, 1, 0 },
        { "foo", "foo.bar.baz", 0, 1, 0 },
        { "foo", "foobar", 0, 0, 0 },
        { "foo", "fo", 0, 0, 0 },
        { "foo", "Foo", 0, 0, 0 },
        { "foo.bar", "foo", 0, 0, 0 },
        { "foo.bar", "foo.bar.baz", 0, 1, 0 },
        { "foo.bar", "foo.baz", 0, 0, 0 },
        { "foo.*", "foo.a", 0, 0, 1 },
        { "foo.*", "foo.a.b", 0, 0, 1 },
        { "foo.*", "foo", 0, 0, 0 },
        { "foo.*", "foo.", 0, 0, 0 },
        { "foo.*", "foo..b", 0, 0, 0 },
        { "foo.*", "foo.*", 1, 1, 1 },
        { "foo.*", "foox.a", 0, 0, 0 },
        { "foo.*.c", "foo.b.c", 0, 0, 1 },
        { "foo.*.c", "foo.b.d", 0, 0, 0 },
        { "foo.*.c", "foo.b.c.d", 0, 0, 0 },
        { "foo.*.c", "foo..c", 0, 0, 0 },
        { "foo.*.*", "foo.b.c.d", 0, 0, 1 },
        { "foo.*.*", "foo.b", 0, 0, 0 },
        { "*", "foo", 0, 0, 1 },
        { "*", "foo.bar", 0, 0, 1 },
        { "fo*", "foo", 0, 0, 0 },
        { "**", "foo", 0, 0, 0 },
        { "a:b", "a:b", 1, 1, 1 },
        { "x foo", "foo", 1, 1, 1 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_principal_t principal = *bearer_principal_anonymous(p);
        const char *w = cases[i].wanted;

        principal.scopes = unit_list(p, cases[i].granted);
        UNIT_CHECK(bearer_principal_has_scope(&principal, w, BEARER_SCOPE_EXACT)
                   == cases[i].exact, "%s %s", cases[i].granted, w);
        UNIT_CHECK(bearer_principal_has_scope(&principal, w,
                                              BEARER_SCOPE_HIERARCHIC)
                   == cases[i].hierarchic, "%s %s", cases[i].granted, w);
        UNIT_CHECK(bearer_principal_has_scope(&principal, w,
                                              BEARER_SCOPE_WILDCARD)
                   == cases[i].wildcard, "%s %s", cases[i].granted, w);
    }
}

/* What an application would read as another name counts for nothing. */
static void test_odd_names_are_left_out(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;
    const bearer_principal_t *principal = build(
        p, "{'sub':'a','roles':['r',' admin','admin\\u00a0','x,y','two words',"
        "'t\\tb','n\\u0085l','\\ufeffbom',' '],'groups':' staff',"
        "'scope':'read a\\tb x\\u2003y  write'}", &s, &why);

    assert_string_equal(unit_lines(p, principal->roles), "r\ntwo words");
    assert_int_equal(principal->groups->nelts, 0);
    assert_string_equal(unit_lines(p, principal->scopes), "read\nwrite");
    assert_string_equal(principal->scope, "read write");
    assert_false(bearer_principal_has_role(principal, " admin"));
    assert_false(bearer_principal_has_role(principal, "x,y"));
    assert_string_equal(unit_lines(p, principal->left_out),
        "scope 'a%09b' is omitted: it has a control character\n"
        "scope 'x%e2%80%83y' is omitted: it has white space\n"
        "role ' admin' is omitted: it begins with white space\n"
        "role 'admin%c2%a0' is omitted: it ends with white space\n"
        "role 'x,y' is omitted: it has a comma, which separates names\n"
        "role 't%09b' is omitted: it has a control character\n"
        "role 'n%c2%85l' is omitted: it has a control character\n"
        "role '%ef%bb%bfbom' is omitted: it begins with white space\n"
        "more names omitted: 2");
    principal = build(p, "{'sub':'a','groups':' staff'}", &s, &why);
    assert_string_equal(unit_lines(p, principal->left_out),
                        "group ' staff' is omitted: it begins with white space");
    principal = build(p, "{'sub':'a','roles':['r']}", &s, &why);
    assert_null(principal->left_out);
}

static void test_roles_and_groups_are_pooled(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_principal_t principal = *bearer_principal_anonymous(p);

    principal.roles = unit_list(p, "admin");
    principal.groups = unit_list(p, "staff");
    assert_true(bearer_principal_has_role(&principal, "admin"));
    assert_true(bearer_principal_has_role(&principal, "staff"));
    assert_false(bearer_principal_has_role(&principal, "Admin"));
    assert_false(bearer_principal_has_role(&principal, "adm"));
}

static void test_without_an_issuer(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    json_t *claims = unit_claims(p, "{'sub':'ann','roles':['r']}");
    const bearer_principal_t *principal;

    assert_int_equal(bearer_principal_build(&principal, "session", claims, NULL,
                                            NULL, NULL, &s, NULL, p),
                     BEARER_OK);
    /* one owner, so that a cache may take them over */
    assert_int_equal(claims->refcount, 1);
    assert_string_equal(bearer_json_string(principal->claims, "sub"), "ann");
    assert_string_equal(unit_lines(p, principal->roles), "r");
    assert_string_equal(principal->iss, "");
    assert_null(principal->issuer);
}

/* RFC 9449 section 6.1, RFC 8705 section 3.1 */
#define A_JKT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
#define AN_X5T "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"
#define DPOP BEARER_BOUND_DPOP
#define MTLS BEARER_BOUND_MTLS
#define OTHER BEARER_BOUND_OTHER

static void test_bound(void **state)
{
    static const struct {
        const char *claims;
        unsigned bound;
    } cases[] = {
        { "'a':1", 0 },
        { "'cnf':null", 0 },
        { "'jkt':'" A_JKT "'", 0 },
        { "'cnf':{'jkt':'" A_JKT "'}", DPOP },
        { "'cnf':{'jkt':'" A_JKT "','x':{}}", DPOP },
        { "'cnf':{'jkt':'" A_JKT "','x5t#S256':null}", DPOP },
        { "'cnf':{'x5t#S256':'" A_JKT "'}", MTLS },
        { "'cnf':{'x5t#S256':'" A_JKT "','jkt':'" A_JKT "'}", DPOP | MTLS },
        { "'cnf':{}", OTHER },
        { "'cnf':{'jkt':null}", OTHER },
        { "'cnf':{'jwk':{}}", OTHER },
        { "'cnf':{'x5t':'" A_JKT "'}", OTHER },
        { "'cnf':{'x5t#s256':'" A_JKT "'}", OTHER },
        { "'cnf':'" A_JKT "'", OTHER },
        { "'cnf':['jkt']", OTHER },
        { "'cnf':false", OTHER },
        { "'cnf':0", OTHER },
        { "'cnf':{'jkt':''}", OTHER },
        { "'cnf':{'jkt':'0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4'}", OTHER },
        { "'cnf':{'jkt':'" A_JKT "A'}", OTHER },
        { "'cnf':{'jkt':'" A_JKT "='}", OTHER },
        { "'cnf':{'jkt':'0ZcOCORZNYy+DWpqq30jZyJGHTN0d2HglBV3uiguA4I'}", OTHER },
        /* its unused bits are not zero, as in the RFC's own example */
        { "'cnf':{'x5t#S256':'" AN_X5T "'}", OTHER },
        { "'cnf':{'jkt':7}", OTHER },
        { "'cnf':{'jkt':['" A_JKT "']}", OTHER },
        /* one that nobody can prove beside one that could be */
        { "'cnf':{'jkt':'" A_JKT "','x5t#S256':'x'}", DPOP | OTHER },
        { "'cnf':{'jkt':1,'x5t#S256':'" A_JKT "'}", MTLS | OTHER },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t s = settings_of(p, "sub");
    bearer_refusal_t why;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const bearer_principal_t *principal =
            build(p, apr_pstrcat(p, "{'sub':'ann',", cases[i].claims, "}", NULL), &s, &why);
        const char *jkt = bearer_principal_jkt(principal);
        const char *x5t = bearer_principal_x5t(principal);

        UNIT_CHECK(principal->bound == cases[i].bound, "%s: %u", cases[i].claims,
                   principal->bound);
        UNIT_CHECK(principal->bound & DPOP ? jkt && !strcmp(jkt, A_JKT) : !jkt, "%s",
                   cases[i].claims);
        UNIT_CHECK(principal->bound & MTLS ? x5t && !strcmp(x5t, A_JKT) : !x5t, "%s",
                   cases[i].claims);
    }
    assert_int_equal(bearer_principal_anonymous(p)->bound, 0);
    assert_null(bearer_principal_jkt(bearer_principal_anonymous(p)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_user_claim),
        UNIT_TEST(test_user_chars),
        UNIT_TEST(test_user_regex),
        UNIT_TEST(test_user_regex_gives_up),
        UNIT_TEST(test_user_format),
        UNIT_TEST(test_fields),
        UNIT_TEST(test_names_of_members),
        UNIT_TEST(test_jti),
        UNIT_TEST(test_pooled_paths),
        UNIT_TEST(test_client),
        UNIT_TEST(test_anonymous),
        UNIT_TEST(test_scope_strategies),
        UNIT_TEST(test_odd_names_are_left_out),
        UNIT_TEST(test_roles_and_groups_are_pooled),
        UNIT_TEST(test_without_an_issuer),
        UNIT_TEST(test_bound),
    };

    return UNIT_RUN("principal", tests);
}
