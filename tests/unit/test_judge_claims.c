/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Checks 8 to 12: audience, times, type, client, revocation, identifier. */
#include "judge_fixture.h"

static void run_cases(void **state, const judge_case_t *cases, size_t count)
{
    judge_cases(judge_fixture(unit_pool(state)), cases, count);
}

/* ---- audience ---------------------------------------------------------- */

static void test_audience(void **state)
{
    static const judge_case_t cases[] = {
        { NULL, BEARER_OK, NULL },
        { "{'aud':['" AUD "']}", BEARER_OK, NULL },
        { "{'aud':['x','" AUD "'],'azp':'web'}", BEARER_OK, NULL },
        { "{'aud':'account'}", BEARER_AUD,
          "audience 'account' is not in AuthBearerAudience (" AUD ")" },
        { "{'aud':['account']}", BEARER_AUD, "audience 'account' is not in" },
        { "{'aud':['a','b']}", BEARER_AUD,
          "the audiences (a, b) are not in AuthBearerAudience (" AUD ")" },
        { "{'aud':'api://orders/'}", BEARER_AUD,
          "differs only by a trailing slash" },
        { "{'aud':'API://ORDERS'}", BEARER_AUD, "upper and lower case" },
        { "{'aud':'orders'}", BEARER_AUD, "in the scheme" },
        { "{'aud':''}", BEARER_AUD, "has no audience" },
        { "{'aud':'x\\ny'}", BEARER_AUD, "'x%0ay'" },
        { "{'aud':[]}", BEARER_AUD, "AuthBearerNoAudience accept" },
        { "{'aud':" ABSENT "}", BEARER_AUD, "has no audience" },
        { "{'aud':null}", BEARER_AUD, "has no audience" },
        { "{'aud':1}", BEARER_AUD_TYPE, NULL },
        { "{'aud':{}}", BEARER_AUD_TYPE, NULL },
        { "{'aud':{'" AUD "':1}}", BEARER_AUD_TYPE, NULL },
        { "{'aud':['" AUD "',1]}", BEARER_AUD_TYPE, NULL },
        { "{'aud':['" AUD "',null]}", BEARER_AUD_TYPE, NULL },
        { "{'aud':[['" AUD "']]}", BEARER_AUD_TYPE, NULL },
    };

    run_cases(state, cases, UNIT_COUNT(cases));
}

static void test_no_audience_accepted(void **state)
{
    static const judge_case_t cases[] = {
        { "{'aud':" ABSENT ",'client_id':'web'}", BEARER_OK, NULL },
        { "{'aud':[],'client_id':'web'}", BEARER_OK, NULL },
        { "{'aud':" ABSENT "}", BEARER_CLIENTS, "does not name its client" },
        { "{'aud':'account','client_id':'web'}", BEARER_AUD, NULL },
        { "{'aud':null,'client_id':'web'}", BEARER_OK, NULL },
        { "{'aud':'','client_id':'web'}", BEARER_OK, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, NO_AUDIENCE, no_audience_accept, 1);
    bearer_settings_put(&f->dir, CLIENTS, clients, unit_list(f->p, "web"));
    judge_cases(f, cases, UNIT_COUNT(cases));
}

static void test_audience_layers(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->dir.set = 0;
    f->dir.audience = NULL;
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_CONFIGURATION,
                 "no AuthBearerAudience applies here to issuer '" ISS
                 "'", "nowhere");
    bearer_settings_put(&f->server, AUDIENCE, audience, unit_list(f->p, "x"));
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_AUD, NULL, "S");
    bearer_settings_put(&f->issuer->settings, AUDIENCE, audience,
                        unit_list(f->p, AUD));
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL, "I");
    bearer_settings_put(&f->dir, AUDIENCE, audience, unit_list(f->p, "y z"));
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_AUD, "(y, z)",
                 "D");
}

/* ---- times ------------------------------------------------------------- */

typedef struct time_case_t {
    const char *claim;
    int offset;              /* seconds from now */
    bearer_reason_t reason;
} time_case_t;

static void time_cases(judge_fixture_t *f, const time_case_t *cases, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        const char *patch = apr_psprintf(f->p, "{'%s':%d}", cases[i].claim,
                                         NOW + cases[i].offset);

        judge_expect(f, judge_token(f, patch),
                     cases[i].reason ? BEARER_DENIED : BEARER_GRANTED,
                     cases[i].reason, NULL,
                     apr_psprintf(f->p, "%s %+d", cases[i].claim,
                                  cases[i].offset));
    }
}

/* RFC 7519: exp <= now - skew, nbf > now + skew, iat > now + skew are refused. */
static void test_times_at_the_edge(void **state)
{
    static const time_case_t with_60s[] = {
        { "exp", 1, BEARER_OK },
        { "exp", 0, BEARER_OK },
        { "exp", -59, BEARER_OK },
        { "exp", -60, BEARER_EXP },
        { "exp", -61, BEARER_EXP },
        { "nbf", 59, BEARER_OK },
        { "nbf", 60, BEARER_OK },
        { "nbf", 61, BEARER_NBF },
        { "nbf", -1000000, BEARER_OK },
        { "iat", 59, BEARER_OK },
        { "iat", 60, BEARER_OK },
        { "iat", 61, BEARER_IAT },
    };
    static const time_case_t without[] = {
        { "exp", 1, BEARER_OK },
        { "exp", 0, BEARER_EXP },
        { "exp", -1, BEARER_EXP },
        { "nbf", -1, BEARER_OK },
        { "nbf", 0, BEARER_OK },
        { "nbf", 1, BEARER_NBF },
        { "iat", 0, BEARER_OK },
        { "iat", 1, BEARER_IAT },
    };
    static const time_case_t with_5min[] = {
        { "exp", -299, BEARER_OK },
        { "exp", -300, BEARER_EXP },
        { "nbf", 300, BEARER_OK },
        { "nbf", 301, BEARER_NBF },
        { "iat", 300, BEARER_OK },
        { "iat", 301, BEARER_IAT },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    time_cases(f, with_60s, UNIT_COUNT(with_60s));
    bearer_settings_put(&f->dir, CLOCK_SKEW, clock_skew, 0);
    time_cases(f, without, UNIT_COUNT(without));
    f->dir.clock_skew = apr_time_from_sec(300);
    time_cases(f, with_5min, UNIT_COUNT(with_5min));
}

/* The clock has microseconds, and so have real numbers in claims. */
static void test_parts_of_a_second(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *token = judge_token(f, apr_psprintf(f->p, "{'exp':%d.5}", NOW));

    bearer_settings_put(&f->dir, CLOCK_SKEW, clock_skew, 0);
    judge_begin(f)->now = apr_time_from_sec(NOW) + 499999;
    assert_int_equal(bearer_judge_jwt(&f->j, token, strlen(token)),
                     BEARER_GRANTED);
    judge_begin(f)->now = apr_time_from_sec(NOW) + 500000;
    assert_int_equal(bearer_judge_jwt(&f->j, token, strlen(token)),
                     BEARER_DENIED);
}

/* now - iat > max + skew is refused. */
static void test_age_at_the_edge(void **state)
{
    static const time_case_t by_default[] = {
        { "iat", -25 * 3600, BEARER_OK },
        { "iat", -25 * 3600 - 60, BEARER_OK },
        { "iat", -25 * 3600 - 61, BEARER_AGE },
    };
    static const time_case_t one_hour[] = {
        { "iat", -3660, BEARER_OK },
        { "iat", -3661, BEARER_AGE },
    };
    static const time_case_t off[] = { { "iat", -NOW, BEARER_OK } };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *no_iat = judge_token(f, "{'iat':" ABSENT "}");

    time_cases(f, by_default, UNIT_COUNT(by_default));
    judge_expect(f, no_iat, BEARER_GRANTED, BEARER_OK, NULL, "no iat");
    bearer_settings_put(&f->server, MAX_TOKEN_AGE, max_token_age,
                        apr_time_from_sec(3600));
    time_cases(f, one_hour, UNIT_COUNT(one_hour));
    judge_expect(f, no_iat, BEARER_DENIED, BEARER_AGE,
                 "has no iat, which AuthBearerMaxTokenAge 1h needs", "no iat, but written");
    bearer_settings_put(&f->dir, MAX_TOKEN_AGE, max_token_age, 0);
    time_cases(f, off, UNIT_COUNT(off));
    judge_expect(f, no_iat, BEARER_GRANTED, BEARER_OK, NULL, "no iat, off");
}

static void test_time_types(void **state)
{
    static const judge_case_t cases[] = {
        { "{'exp':" ABSENT "}", BEARER_EXP_TYPE, "no exp" },
        { "{'exp':'1767225900'}", BEARER_EXP_TYPE, "'exp' is not a number" },
        { "{'exp':true}", BEARER_EXP_TYPE, NULL },
        { "{'exp':null}", BEARER_EXP_TYPE, "has no exp" },
        { "{'exp':-1}", BEARER_EXP_TYPE, NULL },
        { "{'exp':[1767225900]}", BEARER_EXP_TYPE, NULL },
        { "{'exp':1767225900.5}", BEARER_OK, NULL },
        { "{'exp':1e10}", BEARER_OK, NULL },
        { "{'exp':1e300}", BEARER_OK, NULL },
        { "{'exp':9223372036854775807}", BEARER_OK, NULL },
        { "{'exp':0}", BEARER_EXP, NULL },
        { "{'exp':1.5}", BEARER_EXP, NULL },
        { "{'nbf':'0'}", BEARER_NBF_TYPE, NULL },
        { "{'nbf':null}", BEARER_OK, NULL },
        { "{'nbf':-1}", BEARER_NBF_TYPE, NULL },
        { "{'nbf':1e300}", BEARER_NBF, NULL },
        { "{'nbf':0.5}", BEARER_OK, NULL },
        { "{'iat':'0'}", BEARER_IAT_TYPE, NULL },
        { "{'iat':null}", BEARER_OK, NULL },
        { "{'iat':9223372036854775807}", BEARER_IAT, NULL },
        { "{'iat':-5}", BEARER_IAT_TYPE, NULL },
    };

    run_cases(state, cases, UNIT_COUNT(cases));
}

static void test_time_texts(void **state)
{
    static const struct {
        const char *claim;
        int offset;
        const char *detail;
    } cases[] = {
        { "exp", -75, "the token expired 75 s ago (AuthBearerClockSkew allows less than 60s); the "
                      "client must get a new one; if new tokens are refused too, compare this "
                      "server's clock with the issuer's" },
        { "exp", -1200, "the token expired 1200 s (20 min) ago (AuthBearerClockSkew allows less "
                        "than 60s); the client must get a new one" },
        { "exp", -12000, "expired 12000 s (3 h 20 min) ago" },
        { "exp", -864000, "expired 864000 s (10 days) ago" },
        { "nbf", 75, "the token is not valid (nbf) before 75 s from now; AuthBearerClockSkew "
                     "allows 60s; if new tokens are refused too, compare this server's clock with "
                     "the issuer's" },
        { "iat", 3600, "the token was issued (iat) 3600 s (60 min) in the future; "
                       "AuthBearerClockSkew allows 60s" },
        { "iat", -93600, "the token was issued 93600 s (26 h 0 min) ago; AuthBearerMaxTokenAge is "
                         "25h (AuthBearerClockSkew 60s); the client must get a new one, or raise "
                         "the maximum" },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        judge_it(f, judge_token(f, apr_psprintf(f->p, "{'%s':%d}",
                                                cases[i].claim,
                                                NOW + cases[i].offset)));
        UNIT_CHECK(unit_contains(f->j.why.detail, cases[i].detail), "%s",
                   f->j.why.detail);
    }
    judge_it(f, judge_token(f, apr_psprintf(f->p, "{'exp':%d}", NOW - 1200)));
    assert_false(unit_contains(f->j.why.detail, "clock with"));
    bearer_settings_put(&f->dir, CLOCK_SKEW, clock_skew, 0);
    judge_it(f, judge_token(f, apr_psprintf(f->p, "{'exp':%d}", NOW - 5)));
    UNIT_CHECK(unit_contains(f->j.why.detail, "the token expired 5 s ago "
                             "(AuthBearerClockSkew is 0s); the client"), "%s",
               f->j.why.detail);
}

/* ---- user claim -------------------------------------------------------- */

static void test_user_claim(void **state)
{
    static const judge_case_t cases[] = {
        { "{'sub':" ABSENT "}", BEARER_USER_CLAIM, "claim 'sub' is missing" },
        { "{'sub':7}", BEARER_USER_CLAIM, NULL },
        { "{'sub':{}}", BEARER_USER_CLAIM, NULL },
        { "{'sub':null}", BEARER_USER_CLAIM, "is missing" },
        { "{'sub':''}", BEARER_IDENTIFIER, NULL },
        { "{'sub':'a\\u202eb'}", BEARER_IDENTIFIER, NULL },
        { "{'sub':'a;b'}", BEARER_IDENTIFIER, "AuthBearerUserChars" },
        /* check 8 comes before 9, 12 behind it */
        { "{'sub':7,'nonce':'n'}", BEARER_USER_CLAIM, NULL },
        { "{'sub':'a;b','nonce':'n'}", BEARER_TYPE, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    judge_cases(f, cases, UNIT_COUNT(cases));
    bearer_settings_put(&f->server, USER_CHARS, user_chars_printable, 1);
    judge_expect(f, judge_token(f, "{'sub':'CN=a;b'}"), BEARER_GRANTED,
                 BEARER_OK, NULL, "printable");
    f->dir.user_claim.path = bearer_path_compile("email", f->p);
    bearer_settings_put(&f->dir, USER_CLAIM, user_claim, f->dir.user_claim);
    judge_expect(f, judge_token(f, "{'email':'a@b.example'}"), BEARER_DENIED,
                 BEARER_CONFIGURATION, "AuthBearerUserClaim email", "email");
}

/* ---- RFC 9068 ---------------------------------------------------------- */

static void test_rfc9068_profile(void **state)
{
    static const char claims[] = "{'client_id':'web','jti':'j'}";
    static const char *const required[] = { "client_id", "jti", "iat" };
    static const char *const good[] = { "at+jwt", "AT+JWT",
                                        "application/at+jwt",
                                        "Application/At+Jwt" };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    unsigned i;

    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "auto");
    bearer_settings_put(&f->dir, TOKEN_PROFILE, token_profile,
                        BEARER_PROFILE_RFC9068);
    for (i = 0; i < UNIT_COUNT(good); i++) {
        judge_expect(f, judge_sign(f, 0, apr_psprintf(f->p, "{'typ':'%s'}",
                                                      good[i]), claims),
                     BEARER_GRANTED, BEARER_OK, NULL, good[i]);
    }
    judge_expect(f, judge_sign(f, 0, "{'typ':'JWT'}", claims), BEARER_DENIED,
                 BEARER_PROFILE, "header typ is 'JWT', but AuthBearerTokenProfile rfc9068 needs "
                                 "'at+jwt'", "JWT");
    judge_expect(f, judge_token(f, claims), BEARER_DENIED, BEARER_PROFILE,
                 "header typ is (none)", "no typ");
    for (i = 0; i < UNIT_COUNT(required); i++) {
        json_t *all = unit_claims(f->p, claims);

        json_object_set_new(all, required[i], json_string("<absent>"));
        judge_expect(f, judge_sign(f, 0, "{'typ':'at+jwt'}",
                                   unit_json(f->p, all)),
                     BEARER_DENIED, BEARER_PROFILE,
                     apr_psprintf(f->p, "claim '%s' is missing", required[i]),
                     required[i]);
    }
}

/* ---- check 9a ---------------------------------------------------------- */

static void test_never_an_access_token(void **state)
{
    static const judge_case_t cases[] = {
        { "{'nonce':'n'}", BEARER_TYPE, "claim 'nonce', the mark of an ID token" },
        { "{'nonce':'n'}", BEARER_TYPE, "write AuthBearerIDTokens accept and" },
        { "{'nonce':'n','scope':'s'}", BEARER_TYPE, "write AuthBearerIDTokens scoped" },
        { "{'nonce':null,'at_hash':null,'c_hash':null,'events':null,'typ':null}", BEARER_OK, NULL },
        { "{'at_hash':'x'}", BEARER_TYPE, "at_hash" },
        { "{'c_hash':'x'}", BEARER_TYPE, "c_hash" },
        { "{'token_use':'access'}", BEARER_OK, NULL },
        { "{'token_use':'id'}", BEARER_TYPE, "'token_use' is 'id', expected "
          "access: this is an ID token" },
        { "{'token_use':'refresh'}", BEARER_TYPE, NULL },
        { "{'token_use':'Access'}", BEARER_TYPE, NULL },
        { "{'token_use':'access_token'}", BEARER_TYPE, NULL },
        { "{'token_use':''}", BEARER_TYPE, NULL },
        { "{'token_use':true}", BEARER_TYPE, "not a string" },
        { "{'token_use':null}", BEARER_OK, NULL },
        { "{'typ':'Bearer'}", BEARER_OK, NULL },
        { "{'typ':'ID'}", BEARER_TYPE, "claim 'typ' is 'ID': this is an ID "
          "token" },
        { "{'typ':'Refresh'}", BEARER_TYPE, "a refresh token" },
        { "{'typ':'Offline'}", BEARER_TYPE, "an offline token" },
        { "{'typ':'Logout'}", BEARER_TYPE, "a logout token" },
        { "{'typ':'logout'}", BEARER_TYPE, NULL },
        { "{'typ':7}", BEARER_OK, NULL },
        { "{'events':{'http://schemas.openid.net/event/backchannel-logout':"
          "{}}}", BEARER_TYPE, "a logout token" },
        { "{'events':['concert']}", BEARER_OK, NULL },
        { "{'acr':'1','auth_time':1,'sid':'x'}", BEARER_OK, NULL },
    };

    run_cases(state, cases, UNIT_COUNT(cases));
}

/* A token with all marks, and what shows that it is no ID token. */
static void test_marks_of_an_id_token(void **state)
{
    static const char marked[] = "'nonce':'n','at_hash':'x','c_hash':'y'";
    static const struct {
        const char *header, *claims;
        int refuse, scoped, accept;   /* passes under these */
    } cases[] = {
        { NULL, "", 0, 0, 1 },
        { "{'typ':'JWT'}", "", 0, 0, 1 },
        { "{'typ':'at+jwt'}", "", 1, 1, 1 },
        { "{'typ':'application/AT+JWT'}", "", 1, 1, 1 },
        { NULL, ",'token_use':'access'", 1, 1, 1 },
        { NULL, ",'token_use':'id'", 0, 0, 1 },
        { NULL, ",'token_use':'refresh'", 0, 0, 0 },
        /* Keycloak before 25 */
        { NULL, ",'typ':'Bearer'", 1, 1, 1 },
        { NULL, ",'typ':'bearer'", 0, 0, 1 },
        { NULL, ",'typ':'ID'", 0, 0, 1 },
        { NULL, ",'typ':'Refresh'", 0, 0, 0 },
        { NULL, ",'typ':'Logout'", 0, 0, 0 },
        /* authentik: aud is the client */
        { NULL, ",'azp':'" AUD "','scope':'openid'", 0, 1, 1 },
        { NULL, ",'azp':'" AUD "','scope':''", 0, 0, 1 },
        { NULL, ",'scope':'openid'", 0, 1, 1 },
        { NULL, ",'scope':{'a':1}", 0, 0, 1 },
        /* Azure AD B2C: the client is another */
        { NULL, ",'azp':'web','scp':'read'", 1, 1, 1 },
        { NULL, ",'appid':'web','scp':['read']", 1, 1, 1 },
        { NULL, ",'azp':'web'", 0, 0, 1 },
        { NULL, ",'azp':'','scp':'read'", 0, 0, 0 },
        { NULL, ",'aud':['" AUD "','web'],'azp':'web','scp':'read'", 0, 1, 1 },
        { "{'typ':'logout+jwt'}", "", 0, 0, 0 },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    unsigned i, mode;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const int passes[] = { cases[i].refuse, cases[i].scoped, cases[i].accept };
        const char *token = judge_sign(f, 0, cases[i].header, apr_pstrcat(
            f->p, "{", marked, cases[i].claims, "}", NULL));

        for (mode = BEARER_ID_TOKENS_REFUSE; mode <= BEARER_ID_TOKENS_ACCEPT; mode++) {
            bearer_settings_put(&f->dir, ID_TOKENS, id_tokens, (int)mode);
            UNIT_CHECK((judge_it(f, token) == BEARER_GRANTED) == passes[mode],
                       "%s, mode %u: %s", cases[i].claims, mode,
                       f->j.why.detail ? f->j.why.detail : "-");
        }
    }
}

/* Under accept, the only audience is the client of a token that names none. */
static void test_client_of_an_id_token(void **state)
{
    static const judge_case_t cases[] = {
        { "{'aud':'web'}", BEARER_OK, NULL },
        { "{'aud':['web']}", BEARER_OK, NULL },
        { "{'aud':['web'],'azp':'other'}", BEARER_CLIENTS, "'other'" },
        { "{'aud':['web','" AUD "']}", BEARER_CLIENTS, "does not name its client" },
        { NULL, BEARER_CLIENTS, "client '" AUD "' is not in" },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->dir.audience = unit_list(f->p, AUD " web");
    bearer_settings_put(&f->dir, CLIENTS, clients, unit_list(f->p, "web"));
    bearer_settings_put(&f->issuer->settings, CLIENT_ID, client_id, "web");
    judge_expect(f, judge_token(f, "{'aud':'web'}"), BEARER_DENIED, BEARER_ID_TOKEN,
                 "AuthBearerIDTokens accept", "refuse");
    bearer_settings_put(&f->dir, ID_TOKENS, id_tokens, BEARER_ID_TOKENS_ACCEPT);
    judge_cases(f, cases, UNIT_COUNT(cases));
    judge_it(f, judge_token(f, "{'aud':'web'}"));
    assert_string_equal(f->j.principal->client, "web");
}

static void test_further_types(void **state)
{
    static const struct {
        const char *typ;
        bearer_reason_t reason;
    } cases[] = {
        { "txntoken+jwt", BEARER_OK }, { "TXNToken+JWT", BEARER_OK },
        { "application/txntoken+jwt", BEARER_OK }, { "wit+jwt", BEARER_OK },
        { "JWT", BEARER_OK }, { "at+jwt", BEARER_OK },
        { "kb+jwt", BEARER_TYPE }, { "text/wit+jwt", BEARER_TYPE },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    unsigned i;

    judge_expect(f, judge_sign(f, 0, "{'typ':'wit+jwt'}", NULL), BEARER_DENIED, BEARER_TYPE,
                 "AuthBearerTokenTypes (none)", "not listed");
    bearer_settings_put(&f->dir, TOKEN_TYPES, token_types,
                        unit_list(f->p, "txntoken+jwt Application/wit+jwt"));
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *header = apr_psprintf(f->p, "{'typ':'%s'}", cases[i].typ);

        judge_expect(f, judge_sign(f, 0, header, NULL),
                     cases[i].reason ? BEARER_DENIED : BEARER_GRANTED, cases[i].reason,
                     cases[i].reason ? "AuthBearerTokenTypes txntoken+jwt" : NULL, header);
    }
    /* marked, it shows no access token */
    judge_expect(f, judge_sign(f, 0, "{'typ':'wit+jwt'}", "{'nonce':'n'}"), BEARER_DENIED,
                 BEARER_TYPE, "'nonce'", "nonce");
}

static void test_header_typ(void **state)
{
    static const struct {
        const char *typ;
        bearer_reason_t reason;
        const char *detail;
    } cases[] = {
        { "JWT", BEARER_OK, NULL },
        { "jwt", BEARER_OK, NULL },
        { "application/jwt", BEARER_OK, NULL },
        { "at+jwt", BEARER_OK, NULL },
        { "AT+JWT", BEARER_OK, NULL },
        { "application/at+jwt", BEARER_OK, NULL },
        { "APPLICATION/AT+JWT", BEARER_OK, NULL },
        { "", BEARER_TYPE, NULL },
        { "at+jwt ", BEARER_TYPE, NULL },
        { "text/at+jwt", BEARER_TYPE, NULL },
        { "application/application/jwt", BEARER_TYPE, NULL },
        { "JOSE", BEARER_TYPE, NULL },
        { "id_token", BEARER_TYPE, NULL },
        { "dpop+jwt", BEARER_TYPE, "header typ is 'dpop+jwt', expected JWT or at+jwt: this is a "
                                   "DPoP proof" },
        { "logout+jwt", BEARER_TYPE, "a logout token" },
        { "token-introspection+jwt", BEARER_TYPE, "an introspection response" },
        { "application/token-introspection+jwt", BEARER_TYPE, NULL },
        { "secevent+jwt", BEARER_TYPE, "a security event" },
        { "kb+jwt", BEARER_TYPE, "AuthBearerTokenTypes" },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *header = apr_psprintf(f->p, "{'typ':'%s'}", cases[i].typ);

        judge_expect(f, judge_sign(f, 0, header, NULL),
                     cases[i].reason ? BEARER_DENIED : BEARER_GRANTED,
                     cases[i].reason, cases[i].detail, header);
    }
}

/* ---- check 9b ---------------------------------------------------------- */

static void test_own_client_id_as_audience(void **state)
{
    static const judge_case_t cases[] = {
        { "{'aud':'web'}", BEARER_ID_TOKEN, "the only audience is 'web', this "
          "server's AuthBearerClientID" },
        { "{'aud':['web']}", BEARER_ID_TOKEN, NULL },
        { "{'aud':'web','azp':'web'}", BEARER_ID_TOKEN, NULL },
        { "{'aud':'web','scope':''}", BEARER_ID_TOKEN, NULL },
        { "{'aud':'web','scp':[]}", BEARER_ID_TOKEN, NULL },
        { "{'aud':'web','azp':'other'}", BEARER_OK, NULL },
        { "{'aud':'web','client_id':'other'}", BEARER_OK, NULL },
        { "{'aud':'web','scope':'read'}", BEARER_OK, NULL },
        { "{'aud':'web','scp':['read']}", BEARER_OK, NULL },
        { "{'aud':'web','token_use':'access'}", BEARER_OK, NULL },
        { "{'aud':['web','" AUD "'],'azp':'web'}", BEARER_OK, NULL },
        { "{'aud':'" AUD "','azp':'web'}", BEARER_OK, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->dir.audience = unit_list(f->p, AUD " web");
    judge_expect(f, judge_token(f, "{'aud':'web'}"), BEARER_GRANTED, BEARER_OK,
                 NULL, "no client id of our own");
    bearer_settings_put(&f->issuer->settings, CLIENT_ID, client_id, "web");
    judge_cases(f, cases, UNIT_COUNT(cases));
    judge_expect(f, judge_sign(f, 0, "{'typ':'at+jwt'}", "{'aud':'web'}"),
                 BEARER_GRANTED, BEARER_OK, NULL, "at+jwt");
    judge_expect(f, judge_sign(f, 0, "{'typ':'JWT'}", "{'aud':'web'}"),
                 BEARER_DENIED, BEARER_ID_TOKEN, NULL, "JWT");
}

/* ---- check 10 ---------------------------------------------------------- */

static void test_calling_client(void **state)
{
    static const judge_case_t cases[] = {
        { "{'aud':['" AUD "','x']}", BEARER_AZP, "the token is also for 'x', "
          "which is not in AuthBearerAudience (" AUD ", api://two)" },
        { "{'aud':['" AUD "','x'],'azp':'web'}", BEARER_OK, NULL },
        { "{'aud':['" AUD "','x'],'client_id':'web'}", BEARER_OK, NULL },
        { "{'aud':['" AUD "','x'],'appid':'web'}", BEARER_OK, NULL },
        { "{'aud':['" AUD "','x'],'cid':'web'}", BEARER_OK, NULL },
        { "{'aud':['" AUD "','api://two']}", BEARER_OK, NULL },
        { "{'aud':['" AUD "','" AUD "']}", BEARER_OK, NULL },
        { "{'azp':7}", BEARER_AZP, "claim 'azp', the client, is empty or not a string" },
        { "{'azp':''}", BEARER_AZP, NULL },
        { "{'azp':null,'client_id':'web'}", BEARER_OK, NULL },
        { "{'azp':'web','client_id':7}", BEARER_OK, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->dir.audience = unit_list(f->p, AUD " api://two");
    judge_cases(f, cases, UNIT_COUNT(cases));
}

static void test_clients(void **state)
{
    static const judge_case_t cases[] = {
        { "{'azp':'web'}", BEARER_OK, NULL },
        { "{'cid':'app'}", BEARER_OK, NULL },
        { "{'azp':'other'}", BEARER_CLIENTS, "client 'other' is not in "
          "AuthBearerClients (web, app)" },
        { "{'azp':'Web'}", BEARER_CLIENTS, NULL },
        /* azp decides, whatever the others say */
        { "{'azp':'other','client_id':'web'}", BEARER_CLIENTS, NULL },
        { NULL, BEARER_CLIENTS, "the token does not name its client (azp, client_id, appid or "
                                "cid), but AuthBearerClients needs one of (web, app)" },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->server, CLIENTS, clients, unit_list(f->p,
                                                                "web app"));
    judge_cases(f, cases, UNIT_COUNT(cases));
    /* back to the default */
    bearer_settings_put(&f->dir, CLIENTS, clients, NULL);
    judge_expect(f, judge_token(f, NULL), BEARER_GRANTED, BEARER_OK, NULL,
                 "any");
    assert_string_equal(bearer_principal_client(unit_claims(f->p, "{'cid':'x'}"), &f->dir),
                        "x");
}

/* ---- check 11 ---------------------------------------------------------- */

static void test_revocation(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->revoked = BEARER_REVOKED;
    judge_expect(f, judge_token(f, "{'jti':'j1'}"), BEARER_DENIED,
                 BEARER_REVOKED, "on the list", "revoked");
    assert_string_equal(f->last_jti, "j1");
    assert_string_equal(f->last_iss, ISS);
    f->revoked = BEARER_REVOCATION_LIST;
    judge_expect(f, judge_token(f, NULL), BEARER_DENIED, BEARER_REVOCATION_LIST,
                 NULL, "no list");
    assert_null(f->last_jti);
    /* a number is a name, too */
    f->revoked = BEARER_OK;
    judge_expect(f, judge_token(f, "{'jti':42}"), BEARER_GRANTED, BEARER_OK,
                 NULL, "jti 42");
    assert_string_equal(f->last_jti, "42");
    judge_begin(f)->revoked = NULL;
    assert_int_equal(bearer_judge_jwt(&f->j, judge_token(f, NULL),
                                      strlen(judge_token(f, NULL))),
                     BEARER_GRANTED);
}

/* ---- order ------------------------------------------------------------- */

/* Everything is wrong; mended one by one, in the order of the checks. */
static void test_first_failure_counts(void **state)
{
    static const struct {
        const char *mend;
        bearer_reason_t reason;
    } steps[] = {
        { "{'aud':'x'}", BEARER_AUD },
        { "{'aud':['" AUD "','x']}", BEARER_EXP },
        { "{'exp':1767225900}", BEARER_NBF },
        { "{'nbf':0}", BEARER_IAT },
        { "{'iat':0}", BEARER_AGE },
        { "{'iat':1767225590}", BEARER_USER_CLAIM },
        { "{'sub':'a,b'}", BEARER_TYPE },
        { "{'nonce':" ABSENT "}", BEARER_AZP },
        { "{'azp':'x'}", BEARER_CLIENTS },
        { "{'azp':'web'}", BEARER_REVOKED },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    json_t *patch = unit_claims(f->p, "{'aud':'x','exp':1,'nbf':9999999999,"
                                "'iat':9999999999,'sub':7,'nonce':'n'}");
    unsigned i;

    bearer_settings_put(&f->dir, CLIENTS, clients, unit_list(f->p, "web"));
    f->revoked = BEARER_REVOKED;
    for (i = 0; i < UNIT_COUNT(steps); i++) {
        json_object_update(patch, unit_claims(f->p, steps[i].mend));
        judge_expect(f, judge_token(f, unit_json(f->p, patch)),
                     BEARER_DENIED, steps[i].reason, NULL, steps[i].mend);
    }
    f->revoked = BEARER_OK;
    judge_expect(f, judge_token(f, unit_json(f->p, patch)), BEARER_DENIED,
                 BEARER_IDENTIFIER, NULL, "identifier");
    json_object_set_new(patch, "sub", json_string("ann"));
    judge_expect(f, judge_token(f, unit_json(f->p, patch)), BEARER_GRANTED,
                 BEARER_OK, NULL, "all mended");
}

/* ---- claims that an issuer vouches for --------------------------------- */

static void answer_cases(judge_fixture_t *f, const judge_case_t *cases,
                         size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        bearer_judgement_t *j = judge_begin(f);
        bearer_verdict_t verdict;

        j->method = "introspection";
        verdict = bearer_judge_claims(j, judge_claims(f->p, cases[i].patch),
                                      f->issuer, "opaque", 6);
        UNIT_CHECK(j->why.reason == cases[i].reason
                   && verdict == (cases[i].reason ? BEARER_DENIED
                                                  : BEARER_GRANTED),
                   "%s: %s", cases[i].patch ? cases[i].patch : "-",
                   j->why.detail ? j->why.detail : "granted");
        UNIT_CHECK(!cases[i].detail
                   || unit_contains(j->why.detail, cases[i].detail), "%s",
                   j->why.detail);
    }
    assert_int_equal(f->asked, 0);
}

static void test_answers(void **state)
{
    static const judge_case_t cases[] = {
        { NULL, BEARER_OK, NULL },
        { "{'iss':" ABSENT "}", BEARER_OK, NULL },
        { "{'exp':" ABSENT "}", BEARER_OK, NULL },
        { "{'exp':1}", BEARER_EXP, NULL },
        { "{'exp':'x'}", BEARER_EXP_TYPE, NULL },
        { "{'nbf':9999999999}", BEARER_NBF, NULL },
        { "{'iat':9999999999}", BEARER_IAT, NULL },
        { "{'iat':1}", BEARER_OK, NULL },
        { "{'iss':'https://evil.example'}", BEARER_ISS, "the response names "
          "issuer 'https://evil.example', but the request went to issuer '" ISS "'" },
        { "{'iss':7}", BEARER_ISS, NULL },
        { "{'aud':'x'}", BEARER_AUD, NULL },
        { "{'aud':[]}", BEARER_AUD, NULL },
        { "{'aud':" ABSENT "}", BEARER_AUD, NULL },
        { "{'sub':" ABSENT "}", BEARER_USER_CLAIM, NULL },
        { "{'sub':'a,b'}", BEARER_IDENTIFIER, NULL },
        { "{'nonce':'n'}", BEARER_TYPE, NULL },
        { "{'typ':'ID'}", BEARER_TYPE, NULL },
        { "{'typ':'Bearer','token_type':'Bearer'}", BEARER_OK, NULL },
        { "{'token_use':'access'}", BEARER_OK, NULL },
        { "{'token_use':'access_token'}", BEARER_OK, NULL },
        { "{'token_use':'refresh_token'}", BEARER_TYPE, NULL },
        { "{'aud':['" AUD "','x']}", BEARER_AZP, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_judgement_t *j;

    answer_cases(f, cases, UNIT_COUNT(cases));
    j = judge_begin(f);
    j->method = "introspection";
    assert_int_equal(bearer_judge_claims(j, judge_claims(f->p, "{'iss':" ABSENT
                                                         "}"), f->issuer,
                                         NULL, 0), BEARER_GRANTED);
    assert_string_equal(j->principal->method, "introspection");
    assert_string_equal(j->principal->iss, ISS);
    assert_ptr_equal(j->principal->issuer, f->issuer);
}

/* The default age is for tokens that nobody can ask about; a written one is
 * for all. Of RFC 9068, the claims: a response has no header. */
static void test_answers_and_written_limits(void **state)
{
    static const judge_case_t cases[] = {
        { "{'iat':1,'jti':'j','client_id':'web'}", BEARER_AGE, NULL },
        { "{'iat':" ABSENT ",'jti':'j','client_id':'web'}", BEARER_AGE, NULL },
        { "{'jti':'j','client_id':'web'}", BEARER_OK, NULL },
        { "{'jti':'j'}", BEARER_PROFILE, "'client_id'" },
        { "{'client_id':'web'}", BEARER_PROFILE, "'jti'" },
        { "{'jti':'j','client_id':null}", BEARER_PROFILE, "'client_id'" },
        { "{'jti':'j','client_id':'web','exp':" ABSENT "}", BEARER_PROFILE, "'exp'" },
        { "{'jti':'j','client_id':'web','iss':" ABSENT "}", BEARER_PROFILE, "'iss'" },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, MAX_TOKEN_AGE, max_token_age,
                        apr_time_from_sec(25 * 3600));
    bearer_settings_put(&f->dir, TOKEN_PROFILE, token_profile,
                        BEARER_PROFILE_RFC9068);
    answer_cases(f, cases, UNIT_COUNT(cases));
}

static void test_answers_of_a_template(void **state)
{
    static const judge_case_t cases[] = {
        { "{'iss':'https://login.example/t1/v2.0'}", BEARER_OK, NULL },
        { "{'iss':'https://login.example/t2/v2.0'}", BEARER_TENANT, NULL },
        { "{'iss':" ABSENT ",'tid':'t1'}", BEARER_OK, NULL },
        { "{'iss':" ABSENT ",'tid':'t2'}", BEARER_TENANT, NULL },
        { "{'iss':" ABSENT "}", BEARER_TENANT, "has no tenant" },
        { "{'iss':'" ISS "'}", BEARER_ISS, NULL },
    };
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->issuer = judge_issuer(f->p, "https://login.example/{tenant}/v2.0");
    f->issuer->keys[0].kind = BEARER_SOURCE_FILE;
    f->issuer->keys[0].value = "/keys.json";
    f->issuer->tenants = unit_list(f->p, "t1");
    judge_declare(f, f->issuer);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u@%t");
    answer_cases(f, cases, UNIT_COUNT(cases));
    /* the tenant is part of the name, whichever member names it */
    judge_begin(f);
    assert_int_equal(bearer_judge_claims(&f->j, judge_claims(f->p, "{'iss':" ABSENT
                                         ",'tid':'t1'}"), f->issuer, "opaque", 6),
                     BEARER_GRANTED);
    assert_string_equal(f->j.principal->user, "ann@t1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_audience),
        UNIT_TEST(test_no_audience_accepted),
        UNIT_TEST(test_audience_layers),
        UNIT_TEST(test_times_at_the_edge),
        UNIT_TEST(test_parts_of_a_second),
        UNIT_TEST(test_age_at_the_edge),
        UNIT_TEST(test_time_types),
        UNIT_TEST(test_time_texts),
        UNIT_TEST(test_user_claim),
        UNIT_TEST(test_rfc9068_profile),
        UNIT_TEST(test_never_an_access_token),
        UNIT_TEST(test_marks_of_an_id_token),
        UNIT_TEST(test_client_of_an_id_token),
        UNIT_TEST(test_further_types),
        UNIT_TEST(test_header_typ),
        UNIT_TEST(test_own_client_id_as_audience),
        UNIT_TEST(test_calling_client),
        UNIT_TEST(test_clients),
        UNIT_TEST(test_revocation),
        UNIT_TEST(test_first_failure_counts),
        UNIT_TEST(test_answers),
        UNIT_TEST(test_answers_and_written_limits),
        UNIT_TEST(test_answers_of_a_template),
    };

    return UNIT_RUN("judge_claims", tests);
}
