/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The relying party: what is asked, what is accepted as an answer. */
#include "claims.h"
#include "unit_http.h"
#include "unit_session.h"

#include "base/b64url.h"
#include "login/login.h"

#define ISSUER "https://idp.example/"
#define SERVER "https://app.example"

typedef struct fixture_t {
    apr_pool_t *p;
    unit_world_t *w;
    bearer_login_t login;
    bearer_metadata_t metadata;
    bearer_settings_t settings;
    bearer_issuer_t issuer;
    bearer_issuer_access_t access;
    unit_http_t *http;
    /* the next answer to a form, and the last form */
    int status;
    const char *body;
    const apr_table_t *form;
    const char *endpoint;
    bearer_refusal_t why;
} fixture_t;

static apr_status_t post(void *baton, bearer_http_response_t **response,
                         const char *endpoint, const apr_table_t *form,
                         const char **error, apr_pool_t *p)
{
    fixture_t *f = baton;
    bearer_http_response_t *r = apr_pcalloc(p, sizeof(*r));

    f->endpoint = endpoint;
    f->form = apr_table_copy(f->p, form);
    if (!f->status) {
        *error = "no answer (scripted)";
        return APR_TIMEUP;
    }
    r->status = f->status;
    r->headers = apr_table_make(p, 1);
    r->body = f->body;
    r->body_len = strlen(f->body);
    *response = r;
    return APR_SUCCESS;
}

static fixture_t *fixture(apr_pool_t *p)
{
    fixture_t *f = apr_pcalloc(p, sizeof(*f));

    f->p = p;
    f->w = unit_world(p);
    f->http = unit_http(p);
    f->w->world.http = &f->http->client;
    f->settings = *bearer_settings_defaults(p);
    f->settings.client_id = "app&co";
    f->issuer.url = f->issuer.name = ISSUER;
    f->access.issuer = &f->issuer;
    f->access.settings = &f->settings;
    f->access.world = &f->w->world;
    f->metadata.authorization_endpoint = "https://idp.example/auth?tenant=1";
    f->metadata.token_endpoint = "https://idp.example/token";
    f->login.access = &f->access;
    f->login.metadata = &f->metadata;
    f->login.redirect_uri = SERVER "/.auth/callback";
    f->login.post = post;
    f->login.post_baton = f;
    return f;
}

static bearer_attempt_t *begin(fixture_t *f, const char **url,
                               const apr_array_header_t *parameters)
{
    bearer_attempt_t *a = NULL;

    assert_int_equal(bearer_login_begin(&a, url, &f->login, parameters, "/x?y=1",
                                        &f->why, f->p), BEARER_OK);
    return a;
}

static void test_request(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    unsigned char hash[32];
    const char *url;
    bearer_attempt_t *a = begin(f, &url, NULL), *b;

    assert_int_equal(strncmp(url, "https://idp.example/auth?tenant=1&", 34), 0);
    assert_true(unit_contains(url, "client_id=app%26co"));
    assert_true(unit_contains(url, "response_type=code"));
    assert_true(unit_contains(url, "response_mode=query"));
    assert_true(unit_contains(url, "scope=openid+profile+email"));
    assert_true(unit_contains(url, "code_challenge_method=S256"));
    assert_true(unit_contains(url, "redirect_uri=https%3A%2F%2Fapp.example%2F."
                                   "auth%2Fcallback"));
    bearer_text_sha256(a->verifier, strlen(a->verifier), hash);
    assert_true(unit_contains(url, apr_pstrcat(f->p, "code_challenge=",
        bearer_b64url_encode(f->p, hash, 32), NULL)));
    assert_false(unit_contains(url, a->verifier));
    assert_int_equal(strlen(a->verifier), 43);
    b = begin(f, &url, NULL);
    assert_string_not_equal(a->state, b->state);
    assert_string_not_equal(a->nonce, b->nonce);
    assert_string_not_equal(a->verifier, b->verifier);
}

static void test_parameters(void **state)
{
    static const char *const refused[] = {
        "state=x", "nonce=x", "redirect_uri=x", "client_id=x", "scope=x",
        "response_type=token", "response_mode=fragment", "request=x",
        "request_uri=x", "code_challenge=x", "Redirect_URI=x", "NONCE=x",
        "Scope=x", "=x", "x", "a b=c", "max_age=-1",
        "max_age=", "max_age=1e3"
    };
    fixture_t *f = fixture(unit_pool(state));
    apr_array_header_t *list = apr_array_make(f->p, 4, sizeof(const char *));
    bearer_attempt_t *a;
    const char *url;
    size_t i;

    for (i = 0; i < UNIT_COUNT(refused); i++) {
        UNIT_CHECK(bearer_login_parameter_error(refused[i], f->p), "%s",
                   refused[i]);
    }
    APR_ARRAY_PUSH(list, const char *) = "acr_values=gold silver";
    APR_ARRAY_PUSH(list, const char *) = "max_age=60";
    APR_ARRAY_PUSH(list, const char *) = "ui=a&b=c";
    for (i = 0; i < 3; i++) {
        assert_null(bearer_login_parameter_error(
            APR_ARRAY_IDX(list, i, const char *), f->p));
    }
    a = begin(f, &url, list);
    assert_true(unit_contains(url, "ui=a%26b%3Dc"));
    assert_int_equal(a->acr_values->nelts, 2);
    assert_int_equal(a->max_age, apr_time_from_sec(60));
}

static bearer_reason_t suffices(fixture_t *f, const char *one, const char *claims)
{
    apr_array_header_t *list = apr_array_make(f->p, 2, sizeof(const char *));

    APR_ARRAY_PUSH(list, const char *) = "prompt=login";
    APR_ARRAY_PUSH(list, const char *) = one;
    return bearer_login_suffices(list, unit_claims(f->p, claims),
                                 apr_time_from_sec(2000), apr_time_from_sec(10),
                                 &f->why, f->p);
}

/* RFC 9470: a session that began with less than a place asks for. */
static void test_suffices(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    static const struct {
        const char *parameter, *claims;
        bearer_reason_t reason;
    } rows[] = {
        { "ui=x", "{}", BEARER_OK },
        { "acr_values=gold", "{'acr':'gold'}", BEARER_OK },
        { "acr_values=silver gold", "{'acr':'gold'}", BEARER_OK },
        { "acr_values=gold", "{'acr':'golden'}", BEARER_ACR },
        { "acr_values=gold", "{'acr':['tin','gold']}", BEARER_OK },
        { "acr_values=gold", "{'acr':['tin',['gold']]}", BEARER_ACR },
        { "acr_values=gold", "{}", BEARER_ACR },
        { "max_age=100", "{'auth_time':1890}", BEARER_OK },
        { "max_age=100", "{'auth_time':1889}", BEARER_ACR },
        { "max_age=100", "{'auth_time':'1990'}", BEARER_ACR },
        { "max_age=100", "{}", BEARER_ACR },
        { "max_age=0", "{'auth_time':1990}", BEARER_OK },
        { "max_age=0", "{'auth_time':1989}", BEARER_ACR },
    };
    apr_size_t i;

    assert_int_equal(bearer_login_suffices(NULL, unit_claims(f->p, "{}"), 0, 0,
                                           &f->why, f->p), BEARER_OK);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(suffices(f, rows[i].parameter, rows[i].claims),
                         rows[i].reason);
    }
}

static void test_reading_what_is_required(void **state)
{
    static const struct {
        const char *line, *result;   /* parameters, or the beginning of an error */
    } rows[] = {
        { "acr=gold", "acr_values=gold" },
        { "max-age=1h acr=a,b", "max_age=3600|acr_values=a b" },
        { "max-age=10", "max_age=10" }, { "max-age=10s", "max_age=10" },
        { "max-age=10min", "max_age=600" }, { "max-age=0", "max_age=0" },
        { "max-age=366h", "max_age=1317600" },
        { "", "it needs acr=A,B" }, { "acr=", "acr= needs" }, { "acr=,", "acr= needs" },
        { "max-age=", "max-age= needs" }, { "max-age=s", "max-age= needs" },
        { "max-age=1d", "max-age= needs" }, { "max-age=-1", "max-age= needs" },
        { "max-age=9000h", "max-age= needs" },
        { "max-age=9999999999999999999h", "max-age= needs" },
        { "acr=a acr=b", "'acr=b' is neither" }, { "max-age=1 max-age=1", "'max-age=1' is" },
        { "amr=otp", "'amr=otp' is neither" }, { "acr", "'acr' is neither" },
    };
    apr_pool_t *p = unit_pool(state);
    const apr_array_header_t *parameters;
    apr_size_t i;

    for (i = 0; i < UNIT_COUNT(rows); i++) {
        const char *error = bearer_login_parse_required(
            &parameters, bearer_text_split(p, rows[i].line, " "), 0, p);
        const char *got = error ? error : apr_array_pstrcat(p, parameters, '|');

        UNIT_CHECK(!strncmp(got, rows[i].result, strlen(rows[i].result)), "%s: %s",
                   rows[i].line, got);
    }
}

static void test_pushed(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    bearer_attempt_t *a;
    const char *url;

    f->metadata.pushed_authorization_request_endpoint = "https://idp.example/par";
    f->status = 201;
    f->body = "{\"request_uri\":\"urn:x&y\",\"expires_in\":60}";
    a = begin(f, &url, NULL);
    assert_string_equal(url, "https://idp.example/auth?tenant=1&client_id=app%26co"
                             "&request_uri=urn%3Ax%26y");
    assert_string_equal(apr_table_get(f->form, "state"), a->state);
    f->body = "{\"request_uri\":\"\"}";  /* a name that names nothing */
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_LOGIN_ISSUER);
    f->status = 400;  /* offered, not for us */
    f->body = "{\"error\":\"unauthorized_client\"}";
    begin(f, &url, NULL);
    assert_true(unit_contains(url, "code_challenge="));
    f->metadata.require_pushed_authorization_requests = 1;
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_LOGIN_ISSUER);
    f->login.quiet = 1;             /* nobody is asked, and nobody is sent there */
    f->status = 0;
    f->endpoint = NULL;
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_THROTTLED);
    assert_null(f->endpoint);
    f->metadata.require_pushed_authorization_requests = 0;
    begin(f, &url, NULL);
    assert_non_null(strstr(url, "code_challenge="));
    assert_null(f->endpoint);
    f->login.quiet = 0;
    f->metadata.require_pushed_authorization_requests = 1;
    f->metadata.pushed_authorization_request_endpoint = NULL;
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_LOGIN_ISSUER);
    assert_int_equal(a->said.what, BEARER_SAID_UNUSABLE);
}

/* The codes that a page may name; others are the issuer's words. */
static void test_pushed_and_refused(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    bearer_attempt_t *a;
    const char *url;

    f->metadata.pushed_authorization_request_endpoint = "https://idp.example/par";
    f->metadata.require_pushed_authorization_requests = 1;
    f->status = 401;
    f->body = "{\"error\":\"invalid_client\"}";
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_LOGIN_ISSUER);
    assert_int_equal(a->said.what, BEARER_SAID_CLIENT);
    assert_string_equal(a->said.code, "invalid_client");
    f->body = "{\"error\":\"<b>\"}";
    bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why, f->p);
    assert_int_equal(a->said.what, BEARER_SAID_ERROR);
    assert_null(a->said.code);
    f->body = "no JSON";
    bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why, f->p);
    assert_int_equal(a->said.what, BEARER_SAID_ERROR);
    f->body = "{\"error\":\"invalid_request\"}";
    f->status = 500;                /* it may be well again */
    bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why, f->p);
    assert_int_equal(a->said.what, BEARER_SAID_TROUBLE);
    assert_null(a->said.code);
}

/* A client that nobody knows makes us ask the issuer so often, and no more. */
static void test_pushes_are_bounded(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    bearer_budget_t pushes = { 0 };
    bearer_attempt_t *a;
    const char *url;
    int i;

    f->metadata.pushed_authorization_request_endpoint = "https://idp.example/par";
    f->metadata.require_pushed_authorization_requests = 1;
    f->login.pushes = &pushes;
    f->login.flying = 1;
    f->status = 201;
    f->body = "{\"request_uri\":\"urn:x\"}";
    for (i = 0; i < BEARER_BUDGET_AT_ONCE; i++) {
        begin(f, &url, NULL);
        assert_true(unit_contains(url, "request_uri=urn%3Ax"));
    }
    f->endpoint = NULL;
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_LOGIN_LIMIT);
    assert_true(unit_contains(f->why.detail, "AuthBearerThrottle"));
    assert_true(unit_contains(f->why.detail, "100 at once, then 10/s"));
    assert_null(f->endpoint);
    /* where it is only offered: the plain way, with everything in it */
    f->metadata.require_pushed_authorization_requests = 0;
    a = begin(f, &url, NULL);
    assert_true(unit_contains(url, "code_challenge="));
    assert_true(unit_contains(url, a->state));
    assert_null(f->endpoint);
    f->w->now += BEARER_BUDGET_EACH;
    begin(f, &url, NULL);
    assert_true(unit_contains(url, "request_uri="));
    f->endpoint = NULL;
    begin(f, &url, NULL);
    assert_null(f->endpoint);
    /* an issuer without an answer is no reason to ask it more */
    f->status = 0;
    f->w->now += BEARER_BUDGET_EACH;
    assert_int_equal(bearer_login_begin(&a, &url, &f->login, NULL, "/", &f->why,
                                        f->p), BEARER_LOGIN_ISSUER);
    begin(f, &url, NULL);
    assert_true(unit_contains(url, "code_challenge="));
    for (i = 0; i < BEARER_BUDGET_FLYING; i++) {   /* nothing is left behind */
        assert_int_equal(pushes.flying[i], 0);
    }
}

/* What another version may have written: one of the members is not there. */
static const char *sealed_without(fixture_t *f, const char *form, const char *member,
                                  const bearer_seal_t *seal)
{
    json_t *o = unit_claims(f->p, form);
    const char *text;

    json_object_del(o, member);
    json_object_set_new(o, "c", json_integer(f->w->now));
    text = bearer_json_text(o, f->p);
    return bearer_seal_text(seal, "login attempt " SERVER, text, strlen(text),
                            &f->w->world, f->p);
}

static void test_attempt_cookie(void **state)
{
    static const struct {
        const char *form, *member;
        apr_status_t rv;
    } cases[] = {
        { "{'v':'v','i':'i','t':'t'}", "-", APR_SUCCESS },
        { "{'v':'v','i':'i','t':'t'}", "v", APR_NOTFOUND },
        { "{'v':'v','i':'i','t':'t'}", "i", APR_NOTFOUND },
        { "{'v':'v','i':'i','t':'t'}", "t", APR_NOTFOUND },
        { "{'s':'s','n':'n','v':'v','i':'i','t':'t','m':-1}", "-", APR_SUCCESS },
        { "{'s':'s','n':'n','v':'v','i':'i','t':'t','m':-1}", "n", APR_NOTFOUND },
        { "{'s':'s','n':'n','v':'v','i':'i','t':'t','m':-1}", "v", APR_NOTFOUND },
        { "{'s':'s','n':'n','v':'v','i':'i','t':'t','m':-1}", "t", APR_NOTFOUND }
    };
    fixture_t *f = fixture(unit_pool(state));
    bearer_seal_t *seal = unit_seal(f->p, "one", "login");
    bearer_attempt_t *a, *b;
    const char *url, *value;
    unsigned i;

    a = begin(f, &url, NULL);
    value = bearer_attempt_seal(a, seal, SERVER, &f->w->world, f->p);
    assert_int_equal(bearer_attempt_open(&b, value, seal, SERVER, &f->w->world,
                                         f->p), APR_SUCCESS);
    assert_string_equal(b->state, a->state);
    assert_string_equal(b->nonce, a->nonce);
    assert_string_equal(b->verifier, a->verifier);
    assert_string_equal(b->target, "/x?y=1");
    assert_int_equal(b->max_age, -1);
    assert_int_equal(b->elsewhere, 0);
    a->elsewhere = 1;
    a->max_age = 60;
    assert_int_equal(bearer_attempt_open(&b, bearer_attempt_seal(
        a, seal, SERVER, &f->w->world, f->p), seal, SERVER, &f->w->world, f->p),
        APR_SUCCESS);
    assert_int_equal(b->elsewhere, 1);
    assert_int_equal(b->max_age, 60);
    assert_int_equal(bearer_attempt_open(&b, value, seal, "https://other",
                                         &f->w->world, f->p), APR_NOTFOUND);
    assert_int_equal(bearer_attempt_open(&b, value, unit_seal(f->p, "one",
        "session"), SERVER, &f->w->world, f->p), APR_NOTFOUND);
    assert_int_equal(bearer_attempt_open(&b, "AAAA", seal, SERVER, &f->w->world,
                                         f->p), APR_NOTFOUND);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_int_equal(bearer_attempt_open(
            &b, sealed_without(f, cases[i].form, cases[i].member, seal), seal, SERVER,
            &f->w->world, f->p), cases[i].rv);
    }
    /* the host that it comes back to has a clock of its own */
    f->w->now -= apr_time_from_sec(2);
    assert_int_equal(bearer_attempt_open(&b, value, seal, SERVER, &f->w->world,
                                         f->p), APR_SUCCESS);
    f->w->now -= apr_time_from_sec(60);
    assert_int_equal(bearer_attempt_open(&b, value, seal, SERVER, &f->w->world,
                                         f->p), APR_TIMEUP);
    f->w->now += apr_time_from_sec(62) + BEARER_LOGIN_LIFE;
    assert_int_equal(bearer_attempt_open(&b, value, seal, SERVER, &f->w->world,
                                         f->p), APR_TIMEUP);
}

static void test_parse(void **state)
{
    static const char *const refused[] = {
        "a=1&a=2", "a=%", "a=%4", "a=%zz", "a=%00", "a=1&%61=2"
    };
    apr_pool_t *p = unit_pool(state);
    char *text = apr_pstrdup(p, "");
    apr_table_t *t;
    size_t i;

    assert_int_equal(bearer_login_parse(&t, "a=b%20c+d&e&f=", NULL, p), BEARER_OK);
    assert_string_equal(apr_table_get(t, "a"), "b c d");
    assert_string_equal(apr_table_get(t, "e"), "");
    assert_int_equal(bearer_login_parse(&t, NULL, NULL, p), BEARER_OK);
    for (i = 0; i < UNIT_COUNT(refused); i++) {
        UNIT_CHECK(bearer_login_parse(&t, refused[i], NULL, p)
                       == BEARER_LOGIN_RESPONSE, "%s", refused[i]);
    }
    for (i = 0; i <= 32; i++) {
        assert_int_equal(bearer_login_parse(&t, text, NULL, p), BEARER_OK);
        text = apr_psprintf(p, "%s&a%d=1", text, (int)i);
    }
    assert_int_equal(bearer_login_parse(&t, text, NULL, p), BEARER_LOGIN_RESPONSE);
}

static void test_longest_parameter(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *text = apr_pcalloc(p, 2 + 3 * BEARER_LOGIN_PARAMETER_MAX + 2);
    apr_table_t *t;
    int i;

    memcpy(text, "a=", 2);
    memset(text + 2, 'x', BEARER_LOGIN_PARAMETER_MAX);
    assert_int_equal(bearer_login_parse(&t, text, NULL, p), BEARER_OK);
    text[2 + BEARER_LOGIN_PARAMETER_MAX] = 'x';
    assert_int_equal(bearer_login_parse(&t, text, NULL, p), BEARER_LOGIN_RESPONSE);
    /* each of its bytes may be written as %HH */
    for (i = 0; i < BEARER_LOGIN_PARAMETER_MAX; i++) {
        memcpy(text + 2 + 3 * i, "%78", 3);
    }
    assert_int_equal(bearer_login_parse(&t, text, NULL, p), BEARER_OK);
    assert_int_equal(strlen(apr_table_get(t, "a")), BEARER_LOGIN_PARAMETER_MAX);
}

static void test_response(void **state)
{
    static const struct {
        const char *query;
        int promised;    /* the issuer promises iss */
        bearer_reason_t reason;
        int said;
    } cases[] = {
        { "state=S&code=c", 0, BEARER_OK, 0 },
        { "state=S&code=c&iss=https://idp.example/", 1, BEARER_OK, 0 },
        { "state=S&code=c&iss=https://idp.example/", 0, BEARER_OK, 0 },
        { "state=S&code=c", 1, BEARER_LOGIN_RESPONSE, 0 },
        { "state=S&code=c&iss=https://idp.example", 0, BEARER_LOGIN_RESPONSE, 0 },
        { "state=S&code=c&iss=", 0, BEARER_LOGIN_RESPONSE, 0 },
        { "state=T&code=c", 0, BEARER_LOGIN_STATE, 0 },
        { "state=&code=c", 0, BEARER_LOGIN_STATE, 0 },
        { "code=c", 0, BEARER_LOGIN_STATE, 0 },
        { "state=S", 0, BEARER_LOGIN_RESPONSE, 0 },
        { "state=S&code=", 0, BEARER_LOGIN_RESPONSE, 0 },
        { "state=S&error=access_denied", 0, BEARER_LOGIN_DENIED, BEARER_SAID_DENIED },
        { "state=S&error=access_denied&code=c", 0, BEARER_LOGIN_DENIED, BEARER_SAID_DENIED },
        { "state=S&error=server_error", 0, BEARER_LOGIN_ISSUER, BEARER_SAID_TROUBLE },
        { "state=S&error=invalid_scope", 0, BEARER_LOGIN_RESPONSE, BEARER_SAID_REFUSED },
        { "state=S&error=login_required", 0, BEARER_LOGIN_DENIED, BEARER_SAID_SILENT },
        { "state=S&error=unmet_authentication_requirements", 0, BEARER_LOGIN_DENIED,
          BEARER_SAID_WEAK },
        { "state=S&error=invalid_client", 0, BEARER_LOGIN_RESPONSE, BEARER_SAID_CLIENT },
        { "state=S&error=Invalid_scope", 0, BEARER_LOGIN_RESPONSE, BEARER_SAID_ERROR },
        { "state=S&error=", 0, BEARER_LOGIN_RESPONSE, BEARER_SAID_ERROR },
        { "state=T&error=access_denied", 0, BEARER_LOGIN_STATE, 0 },
    };
    fixture_t *f = fixture(unit_pool(state));
    bearer_attempt_t a;
    size_t i;

    memset(&a, 0, sizeof(a));
    a.state = "S";
    a.issuer = ISSUER;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_table_t *t;
        const char *code;
        bearer_reason_t reason;

        f->metadata.authorization_response_iss_parameter_supported =
            cases[i].promised;
        memset(&a.said, 0, sizeof(a.said));
        bearer_login_parse(&t, cases[i].query, NULL, f->p);
        reason = bearer_login_response(&code, &a, t, &f->metadata, &f->why, f->p);
        UNIT_CHECK(reason == cases[i].reason && (int)a.said.what == cases[i].said,
                   "%s: %s, %d", cases[i].query, bearer_reason_name(reason),
                   (int)a.said.what);
    }
}

static void test_redeem(void **state)
{
    static const struct {
        int status;
        const char *body;
        bearer_reason_t reason;
        int said;
    } cases[] = {
        { 200, "{'access_token':'a','token_type':'bearer','id_token':'i.j.k'}",
          BEARER_OK, 0 },
        { 200, "{'access_token':'a','token_type':'Bearer'}", BEARER_LOGIN_ISSUER,
          BEARER_SAID_UNUSABLE },
        { 200, "{'access_token':'a','token_type':'mac','id_token':'i'}",
          BEARER_LOGIN_ISSUER, BEARER_SAID_UNUSABLE },
        { 200, "{'token_type':'Bearer','id_token':'i'}", BEARER_LOGIN_ISSUER,
          BEARER_SAID_UNUSABLE },
        { 200, "{'access_token':'a\\r\\nX: y','token_type':'Bearer',"
               "'id_token':'i'}", BEARER_LOGIN_ISSUER, BEARER_SAID_UNUSABLE },
        { 200, "{'access_token':7,'token_type':'Bearer','id_token':'i'}",
          BEARER_LOGIN_ISSUER, BEARER_SAID_UNUSABLE },
        { 200, "[]", BEARER_LOGIN_ISSUER, 0 }, { 200, "", BEARER_LOGIN_ISSUER, 0 },
        { 400, "{'error':'invalid_grant'}", BEARER_LOGIN_RESPONSE, BEARER_SAID_STATE },
        { 401, "{'error':'invalid_client'}", BEARER_LOGIN_ISSUER, BEARER_SAID_CLIENT },
        { 400, "{'error':7}", BEARER_LOGIN_ISSUER, BEARER_SAID_ERROR },
        { 429, "{'error':'invalid_request'}", BEARER_LOGIN_ISSUER, BEARER_SAID_TROUBLE },
        { 400, "{'error':'use_dpop_nonce'}", BEARER_LOGIN_ISSUER, BEARER_SAID_PROOF },
        { 302, "", BEARER_LOGIN_ISSUER, 0 },
        { 302, "{}", BEARER_LOGIN_ISSUER, BEARER_SAID_UNUSABLE },
        { 200, "{'access_token':'a','token_type':'dpop','id_token':'i'}",
          BEARER_LOGIN_ISSUER, BEARER_SAID_PROOF },
        { 500, "oops", BEARER_LOGIN_ISSUER, BEARER_SAID_TROUBLE },
        { 0, "", BEARER_LOGIN_ISSUER, 0 },
    };
    fixture_t *f = fixture(unit_pool(state));
    bearer_tokens_t tokens;
    bearer_attempt_t a;
    size_t i;

    memset(&a, 0, sizeof(a));
    a.verifier = "v";
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        char *c, *body = apr_pstrdup(f->p, cases[i].body);
        bearer_reason_t reason;

        for (c = body; *c; c++) {
            *c = *c == '\'' ? '"' : *c;
        }
        f->status = cases[i].status;
        f->body = body;
        f->why.detail = "";
        memset(&a.said, 0, sizeof(a.said));
        reason = bearer_login_redeem(&tokens, &f->login, &a, "c", &f->why, f->p);
        UNIT_CHECK(reason == cases[i].reason && (int)a.said.what == cases[i].said,
                   "%d %s: %s, %d", f->status, body, bearer_reason_name(reason),
                   (int)a.said.what);
        UNIT_CHECK(unit_contains(f->why.detail, "compare AuthBearerClientID")
                       == unit_contains(body, "invalid_client"), "%s: %s", body,
                   f->why.detail);
        assert_string_equal(apr_table_get(f->form, "code_verifier"), "v");
        assert_string_equal(apr_table_get(f->form, "grant_type"),
                            "authorization_code");
    }
    assert_string_equal(f->endpoint, "https://idp.example/token");
}

static void test_refresh(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    bearer_tokens_t t;

    f->status = 200;
    f->body = "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
              "\"expires_in\":\"60\"}";
    assert_int_equal(bearer_login_refresh(&t, &f->login, "old", &f->why, f->p),
                     BEARER_OK);
    assert_string_equal(t.refresh_token, "old");  /* not rotated */
    assert_int_equal(t.access_expires, f->w->now + apr_time_from_sec(60));
    f->body = "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
              "\"refresh_token\":\"new\",\"expires_in\":-1}";
    bearer_login_refresh(&t, &f->login, "old", &f->why, f->p);
    assert_string_equal(t.refresh_token, "new");
    assert_int_equal(t.access_expires, 0);
    f->status = 400;
    f->body = "{\"error\":\"invalid_grant\"}";
    assert_int_equal(bearer_login_refresh(&t, &f->login, "old", &f->why, f->p),
                     BEARER_INACTIVE);
    f->status = 503;
    assert_int_equal(bearer_login_refresh(&t, &f->login, "old", &f->why, f->p),
                     BEARER_INACTIVE);
    f->body = "{}";
    assert_int_equal(bearer_login_refresh(&t, &f->login, "old", &f->why, f->p),
                     BEARER_LOGIN_ISSUER);
    f->metadata.token_endpoint = f->endpoint = NULL;
    assert_int_equal(bearer_login_refresh(&t, &f->login, "old", &f->why, f->p),
                     BEARER_LOGIN_ISSUER);
    assert_null(f->endpoint);       /* no request was sent */
}

static void test_userinfo(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    const char *url = "https://idp.example/me";
    json_t *claims;

    f->metadata.userinfo_endpoint = url;
    unit_http_page(f->http, url, 200, "{\"sub\":\"ann\",\"email\":\"a\"}");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why, f->p), BEARER_OK);
    assert_string_equal(bearer_json_string(claims, "email"), "a");
    assert_string_equal(f->http->authorization, "Bearer at");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "bob", NULL,
                                           &f->why, f->p), BEARER_OK);
    assert_null(claims);
    assert_true(unit_contains(f->why.detail, "another sub"));
    unit_http_page(f->http, url, 200, "x.y.z");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why, f->p), BEARER_LOGIN_ISSUER);
}

/* What is null, or not userinfo's to say, is not kept. */
static void test_userinfo_members(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    json_t *claims;

    f->metadata.userinfo_endpoint = "https://idp.example/me";
    unit_http_page(f->http, "https://idp.example/me", 200,
                   "{\"sub\":\"ann\",\"email\":null,\"nick\":\"a\",\"tid\":\"t\","
                   "\"act\":{\"sub\":\"x\"},\"cnf\":{},\"scope\":\"s\"}");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL, &f->why,
                                           f->p), BEARER_OK);
    assert_int_equal(json_object_size(claims), 1);
    assert_string_equal(bearer_json_string(claims, "nick"), "a");
}

/* 401 and 403 are about the access token; a signed answer needs somebody to judge it. */
static void test_userinfo_refused(void **state)
{
    static const struct {
        int status;
        const char *body;
        bearer_reason_t reason;
        const char *says;
    } cases[] = {
        { 401, "", BEARER_INACTIVE, "status 401" },
        { 403, "{}", BEARER_INACTIVE, "status 403" },
        { 404, "", BEARER_LOGIN_ISSUER, "status 404" },
        { 200, "e30.e30.AA", BEARER_LOGIN_ISSUER, "signed" },
        { 200, "e30.e30.e30.e30.AA\n", BEARER_LOGIN_ISSUER, "JWE" },
    };
    fixture_t *f = fixture(unit_pool(state));
    json_t *claims;
    size_t i;

    f->metadata.userinfo_endpoint = "https://idp.example/me";
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        unit_http_page(f->http, "https://idp.example/me", cases[i].status, cases[i].body);
        UNIT_CHECK(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL, &f->why, f->p)
                   == cases[i].reason, "%d %s", cases[i].status, cases[i].body);
        assert_null(claims);
        assert_true(unit_contains(f->why.detail, cases[i].says));
    }
}

static void test_merge(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *merged = bearer_login_merge(
        unit_claims(p, "{'iss':'i','sub':'ann','name':'A'}"),
        unit_claims(p, "{'iss':'evil','sub':'bob','name':'B','email':'e',"
                       "'aud':'x','sid':'s','scope':'admin','acr':'gold'}"), p);

    assert_string_equal(bearer_json_string(merged, "iss"), "i");
    assert_string_equal(bearer_json_string(merged, "sub"), "ann");
    assert_string_equal(bearer_json_string(merged, "name"), "A");
    assert_string_equal(bearer_json_string(merged, "email"), "e");
    assert_null(json_object_get(merged, "aud"));
    assert_null(json_object_get(merged, "sid"));
    assert_null(json_object_get(merged, "scope"));
    assert_null(json_object_get(merged, "acr"));
}

/* Of which address is it said that it is verified? */
/* email and email_verified are a pair of one source. */
static void test_merge_email(void **state)
{
    static const struct {
        const char *id_token, *userinfo, *email, *verified;
    } cases[] = {
        { "{'email':'yours'}", "{'email':'mine','email_verified':true}", "yours",
          NULL },
        { "{'email':'mine'}", "{'email':'mine','email_verified':true}", "mine",
          "true" },
        { "{'sub':'s'}", "{'email':'mine','email_verified':true}", "mine", "true" },
        { "{'email_verified':true}", "{'email':'mine'}", "mine", NULL },
        { "{'email_verified':true}", "{'email':'mine','email_verified':false}",
          "mine", "false" },
        { "{'email_verified':true,'email':null}", "{'email':'mine'}", "mine",
          NULL },
        { "{'email_verified':false}", "{'email':'mine','email_verified':true}",
          "mine", "true" },
        { "{'email':'yours','email_verified':true}", "{'email':'mine'}", "yours",
          "true" },
        { "{'email':'mine','email_verified':false}",
          "{'email':'mine','email_verified':true}", "mine", "false" },
        { "{'email':'mine','email_verified':null}",
          "{'email':'mine','email_verified':true}", "mine", "true" },
        { "{'email':'yours'}", "{'email_verified':true}", "yours", NULL },
        { "{'email':'yours'}", "{'email':null,'email_verified':true}", "yours",
          NULL },
        { "{'email_verified':true}", "{'email_verified':true}", NULL, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *merged = bearer_login_merge(unit_claims(p, cases[i].id_token),
                                            unit_claims(p, cases[i].userinfo), p);
        const json_t *verified = json_object_get(merged, "email_verified");
        const char *text = json_is_true(verified)    ? "true"
                           : json_is_false(verified) ? "false"
                                                     : NULL;
        const char *email = json_string_value(json_object_get(merged, "email"));

        assert_true(cases[i].email ? email && !strcmp(email, cases[i].email)
                                   : !email);
        assert_true(cases[i].verified ? text && !strcmp(text, cases[i].verified)
                                      : !verified);
    }
}

static void test_end(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    const apr_array_header_t *more = bearer_text_split(f->p, "logout_uri=a&b x=", " ");

    assert_null(bearer_login_end_session(&f->login, "i", SERVER, NULL, f->p));
    f->metadata.end_session_endpoint = "https://idp.example/end";
    assert_string_equal(bearer_login_end_session(&f->login, "i.j.k", SERVER "/o", more,
                                                 f->p),
                        "https://idp.example/end?id_token_hint=i.j.k&client_id="
                        "app%26co&post_logout_redirect_uri=https%3A%2F%2F"
                        "app.example%2Fo&logout_uri=a%26b&x=");
    assert_int_equal(bearer_login_revoke(&f->login, "t", "refresh_token", &f->why,
                                         f->p), BEARER_OK);
    assert_null(f->form);  /* no endpoint: nobody was asked */
    f->metadata.revocation_endpoint = "https://idp.example/revoke";
    f->status = 200;
    f->body = "";
    assert_int_equal(bearer_login_revoke(&f->login, "t", "refresh_token", &f->why,
                                         f->p), BEARER_OK);
    assert_string_equal(apr_table_get(f->form, "token"), "t");
}

static void test_length_of_a_parameter(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *text = apr_palloc(p, 514);

    memset(text, 'x', 513);
    text[1] = '=';
    text[512] = '\0';
    assert_null(bearer_login_parameter_error(text, p));
    text[512] = 'x';
    text[513] = '\0';
    assert_non_null(bearer_login_parameter_error(text, p));
    assert_null(bearer_login_parameter_error("max_age=12345678", p));
    assert_non_null(bearer_login_parameter_error("max_age=123456789", p));
}

/* The access token goes over https only, and only where there is a client for it. */
static void test_userinfo_request(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    json_t *claims;

    f->metadata.userinfo_endpoint = "https://idp.example/me";
    unit_http_page(f->http, "https://idp.example/me", 200, "{\"sub\":\"ann\"}");
    f->settings.ca_file = "/ca.pem";
    f->settings.http_proxy = "http://proxy:3128";
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why,
                                           f->p), BEARER_OK);
    assert_string_equal(f->http->method, "GET");
    assert_true(unit_contains(f->http->fields, "Accept: application/json, application/jwt\n"));
    assert_string_equal(f->http->request.ca_file, "/ca.pem");
    assert_string_equal(f->http->request.proxy, "http://proxy:3128");
    assert_int_equal(f->http->request.total_timeout, f->settings.timeout.total);
    assert_int_equal(f->http->request.connect_timeout, f->settings.timeout.connect);
    assert_int_equal(f->http->request.max_body, BEARER_LOGIN_ANSWER_MAX);
    assert_int_equal(unit_http_requests(f->http), 1);
    /* whatever else is answered is no userinfo */
    unit_http_page(f->http, "https://idp.example/me", 201, "{\"sub\":\"ann\"}");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why,
                                           f->p), BEARER_LOGIN_ISSUER);
    assert_null(claims);
    unit_http_page(f->http, "https://idp.example/me", 200, "{\"name\":\"ann\"}");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why,
                                           f->p), BEARER_OK);
    assert_null(claims);
    /* http */
    f->metadata.userinfo_endpoint = "http://idp.example/me";
    unit_http_page(f->http, "http://idp.example/me", 200, "{\"sub\":\"ann\"}");
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why,
                                           f->p), BEARER_LOGIN_ISSUER);
    assert_null(claims);
    assert_int_equal(unit_http_requests(f->http), 3);
    /* no endpoint or no token: nothing to ask, and nothing is wrong */
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, NULL, "ann", NULL,
                                           &f->why,
                                           f->p), BEARER_OK);
    assert_null(claims);
    f->metadata.userinfo_endpoint = "https://idp.example/me";
    f->w->world.http = NULL;
    assert_int_equal(bearer_login_userinfo(&claims, &f->login, "at", "ann", NULL,
                                           &f->why,
                                           f->p), BEARER_LOGIN_ISSUER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_request), UNIT_TEST(test_parameters),
        UNIT_TEST(test_suffices), UNIT_TEST(test_reading_what_is_required),
        UNIT_TEST(test_pushed),
        UNIT_TEST(test_pushed_and_refused), UNIT_TEST(test_pushes_are_bounded),
        UNIT_TEST(test_attempt_cookie),
        UNIT_TEST(test_parse),
        UNIT_TEST(test_longest_parameter), UNIT_TEST(test_response), UNIT_TEST(test_redeem),
        UNIT_TEST(test_refresh), UNIT_TEST(test_userinfo), UNIT_TEST(test_merge),
        UNIT_TEST(test_merge_email), UNIT_TEST(test_end),
        UNIT_TEST(test_length_of_a_parameter),
        UNIT_TEST(test_userinfo_request), UNIT_TEST(test_userinfo_members),
        UNIT_TEST(test_userinfo_refused),
    };

    return UNIT_RUN("login", tests);
}
