/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* ID tokens and logout tokens: each rule, by a patch to a good one. */
#include "judge_fixture.h"

#define CLIENT "app"
#define NONCE "n-0S6_WzA2Mj"
#define ACCESS "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"

typedef struct login_fixture_t {
    judge_fixture_t *f;
    bearer_expected_t expected;
} login_fixture_t;

static login_fixture_t *begin(apr_pool_t *p)
{
    login_fixture_t *l = apr_pcalloc(p, sizeof(*l));

    l->f = judge_fixture(p);
    bearer_settings_put(&l->f->server, CLIENT_ID, client_id, CLIENT);
    l->expected.issuer = l->f->issuer;
    l->expected.nonce = NONCE;
    l->expected.access_token = ACCESS;
    l->expected.max_age = -1;
    return l;
}

static const char *good_id(apr_pool_t *p, const char *patch)
{
    return apr_psprintf(p, "{'aud':'" CLIENT "','nonce':'" NONCE "'%s%s}",
                        *patch ? "," : "", patch);
}

static bearer_reason_t judge_id(login_fixture_t *l, const char *header,
                                const char *patch)
{
    bearer_judgement_t *j = judge_begin(l->f);
    const char *token = judge_sign(l->f, 0, header, good_id(l->f->p, patch));
    bearer_verdict_t verdict;

    j->expected = &l->expected;
    j->dir = NULL;
    verdict = bearer_judge_login(j, BEARER_ON_ID, token);
    assert_true((verdict == BEARER_GRANTED) == (j->why.reason == BEARER_OK));
    assert_true(verdict != BEARER_NOT_MINE);
    assert_null(j->principal);
    return j->why.reason;
}

static void test_id_token(void **state)
{
    static const judge_case_t cases[] = {
        { "", BEARER_OK, NULL },
        { "'iss':'https://evil.example/'", BEARER_ISS, NULL },
        { "'iss':7", BEARER_ISS, NULL },
        { "'iss':" ABSENT, BEARER_ISS, NULL },
        { "'iss':''", BEARER_ISS, NULL },
        { "'aud':'other'", BEARER_AUD, NULL },
        { "'aud':['other']", BEARER_AUD, NULL },
        { "'aud':" ABSENT, BEARER_AUD, NULL },
        { "'aud':['app','other']", BEARER_AZP, NULL },
        { "'aud':['app','other'],'azp':'app'", BEARER_OK, NULL },
        { "'azp':'other'", BEARER_AZP, NULL },
        { "'azp':7", BEARER_AZP, NULL },
        { "'azp':null", BEARER_OK, NULL },
        { "'azp':null,'aud':['app','other']", BEARER_AZP, NULL },
        { "'at_hash':null", BEARER_OK, NULL },
        { "'nonce':null", BEARER_NONCE, NULL },
        { "'nonce':'other'", BEARER_NONCE, NULL },
        { "'nonce':7", BEARER_NONCE, NULL },
        { "'nonce':" ABSENT, BEARER_NONCE, NULL },
        { "'exp':1", BEARER_EXP, NULL },
        { "'exp':" ABSENT, BEARER_EXP_TYPE, NULL },
        { "'iat':" ABSENT, BEARER_IAT_TYPE, NULL },
        { "'iat':4102444800", BEARER_IAT, NULL },
        { "'iat':1", BEARER_AGE, NULL },
        { "'sub':" ABSENT, BEARER_USER_CLAIM, NULL },
        { "'sub':''", BEARER_USER_CLAIM, NULL },
        { "'sub':7", BEARER_USER_CLAIM, NULL },
        /* OpenID Connect Core 1.0, A.3: the access token above, SHA-256 */
        { "'at_hash':'77QmUPtjPfzWtF2AnpK9RQ'", BEARER_OK, NULL },
        { "'at_hash':'77QmUPtjPfzWtF2AnpK9RR'", BEARER_AT_HASH, NULL },
        { "'at_hash':7", BEARER_AT_HASH, NULL },
        { "'events':{}", BEARER_TYPE, NULL },
    };
    login_fixture_t *l = begin(unit_pool(state));
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_reason_t reason = judge_id(l, NULL, cases[i].patch);

        UNIT_CHECK(reason == cases[i].reason, "%s: %s", cases[i].patch,
                   bearer_reason_name(reason));
    }
}

static void test_id_token_header(void **state)
{
    login_fixture_t *l = begin(unit_pool(state));

    assert_int_equal(judge_id(l, "{'typ':'jwt'}", ""), BEARER_OK);
    assert_int_equal(judge_id(l, "{'typ':'at+jwt'}", ""), BEARER_TYPE);
    assert_int_equal(judge_id(l, "{'typ':'logout+jwt'}", ""), BEARER_TYPE);
    assert_int_equal(judge_id(l, "{'typ':'application/JWT'}", ""), BEARER_OK);
    assert_int_equal(judge_id(l, "{'typ':'Application/jwt'}", ""), BEARER_OK);
    assert_int_equal(judge_id(l, "{'typ':'application/at+jwt'}", ""), BEARER_TYPE);
    assert_int_equal(judge_id(l, "{'typ':'application/logout+jwt'}", ""), BEARER_TYPE);
    assert_int_equal(judge_id(l, "{'typ':'applicatio/jwt'}", ""), BEARER_TYPE);
    assert_int_equal(judge_id(l, "{'typ':'application/'}", ""), BEARER_TYPE);
    assert_int_equal(judge_id(l, "{'kid':'two'}", ""), BEARER_KEY);
}

static void test_what_was_asked_for(void **state)
{
    login_fixture_t *l = begin(unit_pool(state));

    l->expected.acr_values = unit_list(l->f->p, "gold silver");
    assert_int_equal(judge_id(l, NULL, ""), BEARER_LOGIN_WEAK);
    assert_int_equal(judge_id(l, NULL, "'acr':'bronze'"), BEARER_LOGIN_WEAK);
    l->expected.acr_values = unit_list(l->f->p, "gold");
    assert_int_equal(judge_id(l, NULL, "'acr':'gold'"), BEARER_OK);
    l->expected.acr_values = NULL;
    l->expected.max_age = apr_time_from_sec(100);
    assert_int_equal(judge_id(l, NULL, ""), BEARER_LOGIN_WEAK);
    assert_int_equal(judge_id(l, NULL, "'auth_time':1767225400"), BEARER_LOGIN_WEAK);
    assert_int_equal(judge_id(l, NULL, "'auth_time':1767225550"), BEARER_OK);
}

static void test_another_issuer_of_ours(void **state)
{
    login_fixture_t *l = begin(unit_pool(state));
    bearer_issuer_t *other = judge_issuer(l->f->p, "https://other.example/");

    judge_declare(l->f, other);
    assert_int_equal(judge_id(l, NULL, "'iss':'https://other.example/'"),
                     BEARER_ISS);
}

static bearer_reason_t judge_logout(login_fixture_t *l, const char *header,
                                    const char *patch)
{
    static const bearer_expected_t any = { .max_age = -1 };
    bearer_judgement_t *j = judge_begin(l->f);
    const char *token = judge_sign(l->f, 0, header, apr_psprintf(l->f->p,
        "{'aud':'" CLIENT "','jti':'1','sid':'s','events':{'http://schemas.openid."
        "net/event/backchannel-logout':{}}%s%s}", *patch ? "," : "", patch));

    j->expected = &any;
    j->dir = NULL;
    bearer_judge_login(j, BEARER_ON_LOGOUT, token);
    return j->why.reason;
}

/* An admitted tenant; at a refresh the tenant of the session. */
static void test_tenants(void **state)
{
    static const char *const iss = "'iss':'https://login.example/t1/v2.0'";
    static const char *const other = "'iss':'https://login.example/t2/v2.0'";
    login_fixture_t *l = begin(unit_pool(state));
    bearer_issuer_t *many = judge_issuer(l->f->p,
                                         "https://login.example/{tenant}/v2.0");

    many->keys[0].kind = BEARER_SOURCE_URL;
    many->keys[0].value = "https://login.example/{tenant}/keys";
    many->tenants = unit_list(l->f->p, "t1");
    judge_declare(l->f, many);
    assert_int_equal(judge_logout(l, NULL, iss), BEARER_OK);
    assert_int_equal(judge_logout(l, NULL, other), BEARER_TENANT);
    assert_int_equal(judge_id(l, NULL, iss), BEARER_ISS);
    assert_true(unit_contains(l->f->j.why.detail, "https://login.example/t1/v2.0"));
    l->expected.issuer = many;
    assert_int_equal(judge_id(l, NULL, iss), BEARER_OK);
    assert_int_equal(judge_id(l, NULL, other), BEARER_TENANT);
    assert_int_equal(judge_id(l, NULL, "'iss':'https://login.example/t1/v2.0','tid':'t2'"),
                     BEARER_TENANT);
    l->expected.tenant = "t1";
    assert_int_equal(judge_id(l, NULL, iss), BEARER_OK);
    l->expected.tenant = "t3";
    assert_int_equal(judge_id(l, NULL, iss), BEARER_TENANT);
}

/* What is exactly as much as allowed, and one more. */
static void test_limits(void **state)
{
    login_fixture_t *l = begin(unit_pool(state));
    apr_time_t skew = bearer_settings_defaults(l->f->p)->clock_skew;
    int recent = NOW - 600 - (int)apr_time_sec(skew), n;

    for (n = 256; n <= 257; n++) {
        char *text = apr_palloc(l->f->p, 300);

        memset(text, 'x', 300);
        text[n] = '\0';
        assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'sub':'%s'", text)),
                         n == 256 ? BEARER_OK : BEARER_USER_CLAIM);
        assert_int_equal(judge_logout(l, NULL, apr_psprintf(l->f->p, "'jti':'%s'",
                                                            text)),
                         n == 256 ? BEARER_OK : BEARER_LOGOUT_TOKEN);
    }
    assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'iat':%d", recent)),
                     BEARER_OK);
    assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'iat':%d", recent - 1)),
                     BEARER_AGE);
    l->expected.max_age = apr_time_from_sec(100);
    assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'auth_time':%d",
        NOW - 100 - (int)apr_time_sec(skew))), BEARER_OK);
    assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'auth_time':%d",
        NOW - 101 - (int)apr_time_sec(skew))), BEARER_LOGIN_WEAK);
    l->expected.max_age = 0;
    assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'auth_time':%d",
        NOW - (int)apr_time_sec(skew))), BEARER_OK);
    assert_int_equal(judge_id(l, NULL, apr_psprintf(l->f->p, "'auth_time':%d",
        NOW - 1 - (int)apr_time_sec(skew))), BEARER_LOGIN_WEAK);
}

static void test_refreshed(void **state)
{
    login_fixture_t *l = begin(unit_pool(state));

    l->expected.nonce = NULL;
    l->expected.sub = "ann";
    assert_int_equal(judge_id(l, NULL, "'nonce':" ABSENT), BEARER_OK);
    assert_int_equal(judge_id(l, NULL, "'sub':'bob'"), BEARER_USER_CLAIM);
}

static void test_logout_token(void **state)
{
    static const judge_case_t cases[] = {
        { "", BEARER_OK, NULL },
        { "'sid':" ABSENT, BEARER_OK, NULL },        /* there is a sub */
        { "'sid':" ABSENT ",'sub':" ABSENT, BEARER_LOGOUT_TOKEN, NULL },
        { "'nonce':'n'", BEARER_LOGOUT_TOKEN, NULL },
        { "'jti':" ABSENT, BEARER_LOGOUT_TOKEN, NULL },
        { "'jti':7", BEARER_LOGOUT_TOKEN, NULL },
        { "'events':{}", BEARER_LOGOUT_TOKEN, NULL },
        { "'events':" ABSENT, BEARER_TYPE, NULL },
        { "'events':{'http://schemas.openid.net/event/backchannel-logout':1}",
          BEARER_LOGOUT_TOKEN, NULL },
        { "'iss':'https://evil.example/'", BEARER_ISS, NULL },
        { "'iss':" ABSENT, BEARER_ISS, NULL },
        { "'aud':'other'", BEARER_AUD, NULL },
        { "'exp':" ABSENT, BEARER_OK, NULL },    /* iat and jti limit it */
        { "'exp':" ABSENT ",'iat':" ABSENT, BEARER_IAT_TYPE, NULL },
        { "'exp':" ABSENT ",'iat':1", BEARER_AGE, NULL },
        { "'exp':" ABSENT ",'jti':" ABSENT, BEARER_LOGOUT_TOKEN, NULL },
        { "'exp':'soon'", BEARER_EXP_TYPE, NULL },
        { "'exp':1", BEARER_EXP, NULL },
        { "'iat':" ABSENT, BEARER_IAT_TYPE, NULL },
        { "'iat':1", BEARER_AGE, NULL },
    };
    login_fixture_t *l = begin(unit_pool(state));
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_reason_t reason = judge_logout(l, NULL, cases[i].patch);

        UNIT_CHECK(reason == cases[i].reason, "%s: %s", cases[i].patch,
                   bearer_reason_name(reason));
    }
    assert_int_equal(judge_logout(l, "{'typ':'logout+jwt'}", ""), BEARER_OK);
    assert_int_equal(judge_logout(l, "{'typ':'at+jwt'}", ""), BEARER_TYPE);
    assert_int_equal(judge_logout(l, "{'typ':'application/logout+jwt'}", ""),
                     BEARER_OK);
    assert_int_equal(judge_logout(l, "{'typ':'APPLICATION/LOGOUT+JWT'}", ""),
                     BEARER_OK);
    assert_int_equal(judge_logout(l, "{'typ':'JWT'}", ""), BEARER_OK);
    assert_int_equal(judge_logout(l, "{'typ':'application/at+jwt'}", ""), BEARER_TYPE);
}

/* What one kind of token must not do, another cannot either. */
static void test_not_as_an_access_token(void **state)
{
    login_fixture_t *l = begin(unit_pool(state));
    const char *token = judge_sign(l->f, 0, NULL, good_id(l->f->p,
                                                          "'aud':'" AUD "'"));

    judge_expect(l->f, token, BEARER_DENIED, BEARER_TYPE, "nonce", "ID token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_id_token), UNIT_TEST(test_id_token_header),
        UNIT_TEST(test_what_was_asked_for),
        UNIT_TEST(test_another_issuer_of_ours), UNIT_TEST(test_tenants),
        UNIT_TEST(test_limits), UNIT_TEST(test_refreshed),
        UNIT_TEST(test_logout_token), UNIT_TEST(test_not_as_an_access_token)
    };

    return UNIT_RUN("judge_login", tests);
}
