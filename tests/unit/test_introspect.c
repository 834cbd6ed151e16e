/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Asking an issuer about a token: whom, what is sent, what an answer is worth,
 * what is kept and for how long, and what happens when many ask at once.
 */
#include "unit_fault.h"
#include "unit_lab.h"

#include <unistd.h>

#include "claims.h"

#include "ask/introspect.h"
#include "base/b64url.h"

#define ENDPOINT "https://idp.example.com/introspect"
#define TOKEN "ory_at_0123456789"
#define NOW 1767225600
#define GOOD "{\"active\":true,\"sub\":\"ann\",\"aud\":[\"api://orders\"]," \
             "\"client_id\":\"c1\",\"scope\":\"a b\",\"exp\":1767225700}"

typedef struct bench_t {
    lab_t *lab;
    bearer_settings_t dir;
    bearer_issuers_t *issuers;
    bearer_introspect_t *in;
    bearer_introspect_config_t config;
    const char *discovered;
    unsigned char policy[32];
    bearer_judgement_t j;
    apr_time_t until;
    apr_pool_t *p;
} bench_t;

static const char *discover(void *baton, const char **error, apr_pool_t *p)
{
    bench_t *b = baton;

    (void)p;
    if (!b->discovered) {
        *error = "metadata cannot be reached";
    }
    return b->discovered;
}

static bench_t *bench(apr_pool_t *p)
{
    bench_t *b = apr_pcalloc(p, sizeof(*b));
    bearer_client_config_t client = { NULL, NULL, NULL, NULL };

    b->p = p;
    b->lab = lab_open(p);
    b->lab->issuer.introspection.kind = BEARER_SOURCE_URL;
    b->lab->issuer.introspection.value = ENDPOINT;
    b->lab->issuer.introspection_ttl = SECONDS(60);
    b->issuers = bearer_issuers_create(p);
    assert_null(bearer_issuers_add(b->issuers, &b->lab->issuer));
    bearer_settings_put(&b->dir, AUDIENCE, audience, unit_list(p,
                                                               "api://orders"));
    client.access = &b->lab->access;
    assert_int_equal(bearer_client_create(&b->config.client, &client, p),
                     APR_SUCCESS);
    b->config.access = &b->lab->access;
    b->config.endpoint = discover;
    b->config.baton = b;
    b->config.cache = &b->lab->cache;
    unit_http_page(b->lab->http, ENDPOINT, 200, GOOD);
    return b;
}

static void begin(bench_t *b, bearer_judgement_t *j, apr_pool_t *p)
{
    memset(j, 0, sizeof(*j));
    j->p = p;
    j->now = atomic_load(&b->lab->now);
    j->issuers = b->issuers;
    j->defaults = bearer_settings_defaults(p);
    j->dir = &b->dir;
    j->method = "introspection";
}

static bearer_verdict_t judge_with(bench_t *b, bearer_judgement_t *j,
                                   const char *token, apr_time_t *until,
                                   apr_pool_t *p)
{
    unsigned char digest[32];

    begin(b, j, p);
    bearer_text_sha256(token, strlen(token), digest);
    return bearer_introspect_judge(b->in, j, token, strlen(token), digest,
                                   b->policy, until);
}

static bearer_verdict_t judge(bench_t *b, const char *token)
{
    if (!b->in) {
        assert_int_equal(bearer_introspect_create(&b->in, &b->config, b->p),
                         APR_SUCCESS);
    }
    return judge_with(b, &b->j, token, &b->until, b->p);
}

static void granted(bench_t *b, const char *token)
{
    UNIT_CHECK(judge(b, token) == BEARER_GRANTED, "%s/%s",
               bearer_reason_name(b->j.why.reason), b->j.why.detail);
}

static void refused(bench_t *b, const char *token, bearer_reason_t reason)
{
    UNIT_CHECK(judge(b, token) == BEARER_DENIED, "granted");
    UNIT_CHECK(b->j.why.reason == reason, "%s/%s",
               bearer_reason_name(b->j.why.reason), b->j.why.detail);
    assert_null(b->j.principal);
    assert_non_null(b->j.why.detail);
}

static int asked(bench_t *b)
{
    return unit_http_requests(b->lab->http);
}

/* ---- question and answer ------------------------------------------------ */

static void test_granted(void **state)
{
    bench_t *b = bench(unit_pool(state));

    granted(b, TOKEN);
    assert_string_equal(b->lab->http->method, "POST");
    assert_string_equal(b->lab->http->url, ENDPOINT);
    assert_string_equal(b->lab->http->body, "token=" TOKEN);
    assert_true(unit_contains(b->lab->http->fields,
                              "Accept: application/json\n"));
    assert_string_equal(b->j.principal->user, "ann");
    assert_string_equal(b->j.principal->method, "introspection");
    assert_string_equal(b->j.principal->client, "c1");
    assert_string_equal(b->j.principal->scope, "a b");
    assert_string_equal(b->j.principal->iss, b->lab->issuer.url);
    assert_int_equal(b->j.principal->expires, SECONDS(NOW + 100));
}

/* Every row: what is answered, and what it is refused for. The second request
 * finds the issuer mended, so nothing of the first was kept. */
static void test_bad_answers(void **state)
{
    static const struct {
        int status;
        const char *body;
        bearer_reason_t reason;
    } cases[] = {
        { 200, "{\"active\":false}", BEARER_INACTIVE },
        { 200, "{\"active\":\"true\",\"sub\":\"ann\"}", BEARER_INACTIVE },
        { 200, "{\"active\":1,\"sub\":\"ann\"}", BEARER_INACTIVE },
        { 200, "{\"active\":null}", BEARER_INACTIVE },
        { 200, "{\"sub\":\"ann\",\"aud\":\"api://orders\"}", BEARER_INACTIVE },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"account\"}",
          BEARER_AUD },
        { 200, "{\"active\":true,\"sub\":\"ann\"}", BEARER_AUD },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":[]}", BEARER_AUD },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\","
               "\"iss\":\"https://other.example/\"}", BEARER_ISS },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\","
               "\"exp\":1767225000}", BEARER_EXP },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\","
               "\"nbf\":1767229000}", BEARER_NBF },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\","
               "\"nonce\":\"n\"}", BEARER_TYPE },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\","
               "\"token_use\":\"refresh_token\"}", BEARER_TYPE },
        { 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\","
               "\"token_type\":\"refresh_token\"}", BEARER_TYPE },
        { 200, "{\"active\":true,\"sub\":\"a,b\",\"aud\":\"api://orders\"}",
          BEARER_IDENTIFIER },
        { 200, "{\"active\":true,\"aud\":\"api://orders\"}",
          BEARER_USER_CLAIM },
        { 200, "active", BEARER_INTROSPECTION },
        { 200, "", BEARER_INTROSPECTION },
        { 200, "[true]", BEARER_INTROSPECTION },
        { 200, "{\"active\":true,\"active\":true}", BEARER_INTROSPECTION },
        { 200, GOOD "x", BEARER_INTROSPECTION },
        { 500, GOOD, BEARER_INTROSPECTION },
        { 503, GOOD, BEARER_INTROSPECTION },
        { 302, GOOD, BEARER_INTROSPECTION },
        { 307, GOOD, BEARER_INTROSPECTION },
        { 400, GOOD, BEARER_INTROSPECTION },
        { 401, GOOD, BEARER_INTROSPECTION },
        { 403, GOOD, BEARER_INTROSPECTION },
        { 404, GOOD, BEARER_INTROSPECTION },
        { 429, GOOD, BEARER_INTROSPECTION },
        { 201, GOOD, BEARER_INTROSPECTION },
        { 204, "", BEARER_INTROSPECTION },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p);

        unit_http_page(b->lab->http, ENDPOINT, cases[i].status, cases[i].body);
        UNIT_CHECK(judge(b, TOKEN) == BEARER_DENIED
                       && b->j.why.reason == cases[i].reason,
                   "%d %s: %s/%s", cases[i].status, cases[i].body,
                   bearer_reason_name(b->j.why.reason), b->j.why.detail);
        assert_int_equal(b->until, 0);
        assert_int_equal(b->lab->puts, 0);
        assert_ptr_equal(b->j.issuer, &b->lab->issuer);
        unit_http_page(b->lab->http, ENDPOINT, 200, GOOD);
        granted(b, TOKEN);
        assert_int_equal(asked(b), 2);
    }
}

static void test_no_answer(void **state)
{
    static const apr_status_t failures[] = { APR_TIMEUP, APR_ENOSPC,
                                             APR_EGENERAL };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(failures); i++) {
        bench_t *b = bench(p);

        unit_http_page(b->lab->http, ENDPOINT, 200, GOOD)->rv = failures[i];
        refused(b, TOKEN, BEARER_INTROSPECTION);
        unit_http_page(b->lab->http, ENDPOINT, 200, GOOD);
        granted(b, TOKEN);
    }
}

/* 64 KiB and not a byte more are asked for. */
static void test_size(void **state)
{
    bench_t *b = bench(unit_pool(state));

    granted(b, TOKEN);
    assert_int_equal(b->lab->http->request.max_body, 64 * 1024);
}

static void test_mends(void **state)
{
    static const struct {
        int status;
        const char *mend;
    } cases[] = { { 401, "AuthBearerClientSecret" }, { 302, "redirects" },
                  { 405, "introspection endpoint" } };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p);

        unit_http_page(b->lab->http, ENDPOINT, cases[i].status, "secret body");
        refused(b, TOKEN, BEARER_INTROSPECTION);
        assert_true(unit_contains(b->j.why.detail, cases[i].mend));
        assert_false(unit_contains(b->j.why.detail, "secret body"));
        assert_false(unit_contains(b->j.why.detail, TOKEN));
    }
}

static const char *detail_of(bench_t *b, int status, const char *body)
{
    unit_http_page(b->lab->http, ENDPOINT, status, body);
    refused(b, TOKEN, BEARER_INTROSPECTION);
    return b->j.why.detail;
}

/* A JSON error is shown, and only a client that is wrong is called so. */
static void test_errors_of_the_issuer(void **state)
{
    bench_t *b = bench(unit_pool(state));
    const char *detail;

    detail = detail_of(b, 403, "{\"error\":\"access_denied\","
                               "\"error_description\":\"Realm not enabled\"}");
    assert_true(unit_contains(detail, "answered 403, error 'access_denied', "
                                      "'Realm not enabled'"));
    assert_false(unit_contains(detail, "AuthBearerClient"));
    detail = detail_of(b, 401, "{\"error\":\"invalid_request\",\"error_description\":"
                               "\"Authentication failed.\"}");
    assert_true(unit_contains(detail, "'Authentication failed.'"));
    assert_true(unit_contains(detail, "AuthBearerClientSecret"));
    /* what repeats the token is not shown */
    detail = detail_of(b, 401, "{\"error\":\"x\",\"error_description\":\"bad " TOKEN "\"}");
    assert_false(unit_contains(detail, TOKEN));
    assert_true(unit_contains(detail, "AuthBearerClientSecret"));
}

static void test_no_audience_accepted(void **state)
{
    bench_t *b = bench(unit_pool(state));

    bearer_settings_put(&b->dir, NO_AUDIENCE, no_audience_accept, 1);
    unit_http_page(b->lab->http, ENDPOINT, 200,
                   "{\"active\":true,\"sub\":\"ann\",\"aud\":[]}");
    granted(b, TOKEN);
}

static void test_discovered(void **state)
{
    bench_t *b = bench(unit_pool(state));

    b->lab->issuer.introspection.kind = BEARER_SOURCE_DISCOVER;
    b->lab->issuer.introspection.value = NULL;
    refused(b, TOKEN, BEARER_INTROSPECTION);
    assert_true(unit_contains(b->j.why.detail, "metadata cannot be reached"));
    assert_int_equal(asked(b), 0);
    b->discovered = ENDPOINT;
    granted(b, TOKEN);
    assert_string_equal(b->lab->http->url, ENDPOINT);
}

static const char *names_none(void *baton, const char **error, apr_pool_t *p)
{
    (void)baton;
    (void)error;
    (void)p;
    return NULL;
}

static void test_metadata_without_endpoint(void **state)
{
    bench_t *b = bench(unit_pool(state));

    b->lab->issuer.introspection.kind = BEARER_SOURCE_DISCOVER;
    b->lab->issuer.introspection.value = NULL;
    b->config.endpoint = names_none;
    refused(b, TOKEN, BEARER_INTROSPECTION);
    assert_true(unit_contains(b->j.why.detail, "AuthBearerIntrospection URL"));
}

/* ---- what is kept ------------------------------------------------------- */

static void test_kept_for_the_ttl(void **state)
{
    bench_t *b = bench(unit_pool(state));

    granted(b, TOKEN);
    assert_int_equal(b->until, SECONDS(NOW + 60));
    lab_pass(b->lab, SECONDS(59));
    granted(b, TOKEN);
    assert_int_equal(asked(b), 1);
    assert_int_equal(b->until, SECONDS(NOW + 60));
    lab_pass(b->lab, SECONDS(1));
    granted(b, TOKEN);
    assert_int_equal(asked(b), 2);
}

static void test_never_past_exp(void **state)
{
    bench_t *b = bench(unit_pool(state));

    b->lab->issuer.introspection_ttl = SECONDS(3600);
    granted(b, TOKEN);
    assert_int_equal(b->until, SECONDS(NOW + 100));
    lab_pass(b->lab, SECONDS(99));
    granted(b, TOKEN);
    assert_int_equal(asked(b), 1);
    lab_pass(b->lab, SECONDS(1));
    granted(b, TOKEN);           /* within the skew, but asked again */
    assert_int_equal(asked(b), 2);
    assert_int_equal(b->until, 0);
    granted(b, TOKEN);
    assert_int_equal(asked(b), 3);
}

/* An exp that is not there: the TTL alone. */
static void test_without_exp(void **state)
{
    bench_t *b = bench(unit_pool(state));

    unit_http_page(b->lab->http, ENDPOINT, 200,
                   "{\"active\":true,\"sub\":\"ann\",\"aud\":\"api://orders\"}");
    granted(b, TOKEN);
    assert_int_equal(b->until, SECONDS(NOW + 60));
}

static void test_ttl_zero(void **state)
{
    bench_t *b = bench(unit_pool(state));

    b->lab->issuer.introspection_ttl = 0;
    granted(b, TOKEN);
    assert_int_equal(b->until, 0);
    granted(b, TOKEN);
    assert_int_equal(asked(b), 2);
    assert_int_equal(b->lab->puts, 0);
    assert_int_equal(b->lab->gets, 0);
}

/* A TTL that was shortened counts for what is kept already. */
static void test_shorter_ttl(void **state)
{
    bench_t *b = bench(unit_pool(state));

    granted(b, TOKEN);
    lab_pass(b->lab, SECONDS(20));
    b->lab->issuer.introspection_ttl = SECONDS(10);
    granted(b, TOKEN);
    assert_int_equal(asked(b), 2);
}

static void test_cache_down(void **state)
{
    bench_t *b = bench(unit_pool(state));

    b->lab->cache_down = 1;
    granted(b, TOKEN);
    granted(b, TOKEN);
    assert_int_equal(asked(b), 2);
    b->in = NULL;
    b->config.cache = NULL;
    granted(b, TOKEN);
    assert_int_equal(asked(b), 3);
}

static const char *padded(apr_pool_t *p, apr_size_t len)
{
    char *text = apr_pstrcat(p, GOOD, apr_psprintf(p, "%65536s", ""), NULL);

    text[len] = '\0';
    return text;
}

/* What would not fit into the cache is not offered to it. */
static void test_kept_size(void **state)
{
    bench_t *b = bench(unit_pool(state));

    unit_http_page(b->lab->http, ENDPOINT, 200,
                   padded(b->p, BEARER_ANSWER_KEPT_MAX));
    granted(b, TOKEN);
    assert_int_equal(b->lab->puts, 1);
    unit_http_page(b->lab->http, ENDPOINT, 200,
                   padded(b->p, BEARER_ANSWER_KEPT_MAX + 1));
    granted(b, TOKEN "x");
    assert_int_equal(b->lab->puts, 1);
}

/* Token, policy, endpoint and issuer are told apart. */
static void test_key(void **state)
{
    bench_t *b = bench(unit_pool(state));
    unsigned char digest[32] = { 0 };
    int i;

    granted(b, TOKEN);
    granted(b, TOKEN "x");
    assert_int_equal(asked(b), 2);
    b->policy[31] = 1;
    granted(b, TOKEN);
    assert_int_equal(asked(b), 3);
    b->policy[31] = 0;
    granted(b, TOKEN);
    assert_int_equal(asked(b), 3);
    b->lab->issuer.introspection.value = "https://idp.example.com/2";
    unit_http_page(b->lab->http, "https://idp.example.com/2", 200, GOOD);
    granted(b, TOKEN);
    assert_int_equal(asked(b), 4);
    /* by all bytes of their digests */
    for (i = 0; i < 32; i++) {
        digest[i] = 1;
        begin(b, &b->j, b->p);
        assert_int_equal(bearer_introspect_judge(b->in, &b->j, TOKEN, strlen(TOKEN),
                                                 digest, b->policy, &b->until),
                         BEARER_GRANTED);
        assert_int_equal(asked(b), 5 + i);
    }
}

/* Judged again on every hit: here under a policy that became stricter without
 * the caller's noticing. */
static void test_judged_on_every_hit(void **state)
{
    bench_t *b = bench(unit_pool(state));

    granted(b, TOKEN);
    bearer_settings_put(&b->dir, AUDIENCE, audience,
                        unit_list(b->p, "api://other"));
    refused(b, TOKEN, BEARER_AUD);
    bearer_settings_put(&b->dir, AUDIENCE, audience,
                        unit_list(b->p, "api://orders"));
    bearer_settings_put(&b->dir, CLIENTS, clients, unit_list(b->p, "c2"));
    refused(b, TOKEN, BEARER_CLIENTS);
    assert_int_equal(asked(b), 1);
}

static void test_kept_is_not_trusted_blindly(void **state)
{
    static const char *const values[] = {
        "", "x", "1767225600000000", "1767225600000000{}",
        "99999999999999999\n" GOOD, "-1\n" GOOD,
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        bench_t *b = bench(p);
        unsigned n;

        granted(b, TOKEN);
        for (n = 0; n < LAB_ENTRIES; n++) {
            if (b->lab->entries[n].value) {
                free(b->lab->entries[n].value);
                b->lab->entries[n].value = (unsigned char *)strdup(values[i]);
                b->lab->entries[n].len = strlen(values[i]);
            }
        }
        UNIT_CHECK(judge(b, TOKEN) == BEARER_GRANTED && asked(b) == 2, "%s",
                   values[i]);
    }
}

/* ---- many at once ------------------------------------------------------- */

static void slow(void *baton)
{
    (void)baton;
    usleep(100000 * unit_slow());
}

typedef struct asker_t {
    bench_t *b;
    const char *token;
    bearer_verdict_t verdict;
    bearer_reason_t reason;
} asker_t;

static void *asking(void *baton)
{
    asker_t *a = baton;
    bearer_judgement_t j;
    apr_time_t until;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    a->verdict = judge_with(a->b, &j, a->token, &until, p);
    a->reason = j.why.reason;
    apr_pool_destroy(p);
    return NULL;
}

static void together(bench_t *b, asker_t *askers, unsigned n)
{
    pthread_t threads[16];
    unsigned i;

    assert_int_equal(bearer_introspect_create(&b->in, &b->config, b->p),
                     APR_SUCCESS);
    b->lab->settings.timeout.total = SECONDS(20);
    b->lab->http->during = slow;
    for (i = 0; i < n; i++) {
        askers[i].b = b;
        assert_int_equal(pthread_create(&threads[i], NULL, asking, &askers[i]),
                         0);
    }
    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_one_flight(void **state)
{
    bench_t *b = bench(unit_pool(state));
    asker_t askers[12];
    unsigned i;

    b->config.cache = NULL;
    for (i = 0; i < 12; i++) {
        askers[i].token = i % 2 ? TOKEN : TOKEN "x";
    }
    together(b, askers, 12);
    for (i = 0; i < 12; i++) {
        assert_int_equal(askers[i].verdict, BEARER_GRANTED);
    }
    /* two tokens; a thread that came late enough may have asked once more */
    assert_in_range(asked(b), 2, 4);
}

static void test_failure_is_shared(void **state)
{
    bench_t *b = bench(unit_pool(state));
    asker_t askers[12];
    unsigned i;

    unit_http_page(b->lab->http, ENDPOINT, 500, "");
    for (i = 0; i < 12; i++) {
        askers[i].token = TOKEN;
    }
    together(b, askers, 12);
    for (i = 0; i < 12; i++) {
        assert_int_equal(askers[i].verdict, BEARER_DENIED);
        assert_int_equal(askers[i].reason, BEARER_INTROSPECTION);
    }
    assert_in_range(asked(b), 1, 3);
}

/* The gate is full: an answer at once, and not a question more. */
static void test_gate(void **state)
{
    bench_t *b = bench(unit_pool(state));
    unit_full_t full;

    lab_gate(b->lab, 1, b->p);
    unit_full(&full, b->lab->world.gate);
    refused(b, TOKEN, BEARER_INTROSPECTION);
    assert_true(unit_contains(b->j.why.detail, "half of the workers"));
    assert_int_equal(asked(b), 0);
    unit_not_full(&full);
    granted(b, TOKEN);
    unit_full(&full, b->lab->world.gate);
    granted(b, TOKEN);   /* what is kept needs no gate */
    unit_not_full(&full);
}

/* Who shares another's flight waits as well. */
static void test_gate_counts_who_waits(void **state)
{
    bench_t *b = bench(unit_pool(state));
    asker_t askers[12];
    unsigned i, turned_away = 0;

    lab_gate(b->lab, 3, b->p);
    for (i = 0; i < 12; i++) {
        askers[i].token = TOKEN;
    }
    b->config.cache = NULL;
    together(b, askers, 12);
    for (i = 0; i < 12; i++) {
        turned_away += askers[i].verdict != BEARER_GRANTED;
    }
    assert_true(turned_away >= 1);
    assert_true(turned_away <= 11);
}

/* ---- whom --------------------------------------------------------------- */

static bearer_issuer_t *declare(bench_t *b, const char *url, const char *prefix,
                                const char *endpoint, int all)
{
    bearer_issuer_t *issuer = apr_pcalloc(b->p, sizeof(*issuer));

    issuer->url = issuer->name = url;
    issuer->introspection.kind = endpoint ? BEARER_SOURCE_URL
                                          : BEARER_SOURCE_OFF;
    issuer->introspection.value = endpoint;
    issuer->introspect_all = all;
    issuer->token_prefixes = prefix ? unit_list(b->p, prefix) : NULL;
    assert_null(bearer_issuers_add(b->issuers, issuer));
    return issuer;
}

static const char *jwt_of(apr_pool_t *p, const char *payload)
{
    return apr_pstrcat(p, bearer_b64url_encode(p, "{\"alg\":\"RS256\"}", 15),
                       ".", bearer_b64url_encode(p, payload, strlen(payload)),
                       ".c2ln", NULL);
}

static const char *whom(bench_t *b, const char *token)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_settings_t settings;
    const bearer_issuer_t *issuer;

    bearer_settings_resolve(&settings, bearer_settings_defaults(b->p), NULL,
                            NULL, &b->dir);
    issuer = bearer_introspect_whom(b->issuers, &settings, token, strlen(token),
                                    &why, b->p);
    assert_true(issuer ? why.reason == BEARER_OK
                       : why.reason == BEARER_CHAIN && why.detail != NULL);
    return issuer ? issuer->url : "nobody";
}

static void test_whom(void **state)
{
    bench_t *b = bench(unit_pool(state));
    const char *main_url = b->lab->issuer.url;
    const char *of_all, *of_main, *of_nobody;

    declare(b, "https://ory2", "ory_at_2", "https://ory2/i", 0);
    declare(b, "https://ory", "ory_at_ ory_ac_", "https://ory/i", 0);
    declare(b, "https://ory3", "ory_at_3", "https://ory3/i", 0);
    declare(b, "https://mute", "mute_", NULL, 0);
    declare(b, "https://all", "all_", "https://all/i", 1);
    of_all = jwt_of(b->p, "{\"iss\":\"https://all\"}");
    of_main = jwt_of(b->p, apr_psprintf(b->p, "{\"iss\":\"%s\"}", main_url));
    of_nobody = jwt_of(b->p, "{\"iss\":\"https://unknown\"}");

    assert_string_equal(whom(b, "opaque"), main_url);
    assert_string_equal(whom(b, "ory_at_1"), "https://ory");
    assert_string_equal(whom(b, "ory_ac_1"), "https://ory");
    assert_string_equal(whom(b, "ory_at_2x"), "https://ory2");   /* longest */
    assert_string_equal(whom(b, "ory_at_3x"), "https://ory3");
    assert_string_equal(whom(b, "ory_at_"), "https://ory");
    assert_string_equal(whom(b, "ory_at"), main_url);
    /* known by its prefix, and so not shown to the one without a prefix */
    assert_string_equal(whom(b, "mute_1"), "nobody");
    assert_string_equal(whom(b, of_all), "https://all");
    assert_string_equal(whom(b, of_main), "nobody");
    assert_string_equal(whom(b, of_nobody), "nobody");
    assert_string_equal(whom(b, jwt_of(b->p, "no json")), "nobody");
    assert_string_equal(whom(b, jwt_of(b->p, "{\"iss\":1}")), "nobody");
    /* a prefix makes a JWT opaque */
    assert_string_equal(whom(b, apr_pstrcat(b->p, "ory_at_", of_all, NULL)),
                        "https://ory");
}

/* Who has no endpoint is passed over. */
static void test_whom_has_an_endpoint(void **state)
{
    bench_t *b = bench(unit_pool(state));

    b->lab->issuer.introspection.kind = BEARER_SOURCE_OFF;
    assert_string_equal(whom(b, "opaque"), "nobody");
    declare(b, "https://two", NULL, "https://two/i", 0);
    assert_string_equal(whom(b, "opaque"), "https://two");
}

static void test_whom_is_accepted(void **state)
{
    bench_t *b = bench(unit_pool(state));

    declare(b, "https://ory", "ory_at_", "https://ory/i", 0);
    declare(b, "https://all", "all_", "https://all/i", 1);
    bearer_settings_put(&b->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(b->p, "https://other"));
    assert_string_equal(whom(b, "opaque"), "nobody");
    assert_string_equal(whom(b, "ory_at_1"), "nobody");
    assert_string_equal(whom(b, jwt_of(b->p, "{\"iss\":\"https://all\"}")),
                        "nobody");
    bearer_settings_put(&b->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(b->p, b->lab->issuer.url));
    assert_string_equal(whom(b, "opaque"), b->lab->issuer.url);
    assert_string_equal(whom(b, "ory_at_1"), "nobody");
}

/* Two issuers have the same prefix: the one that is accepted here counts. */
static void test_whom_of_two_with_one_prefix(void **state)
{
    bench_t *b = bench(unit_pool(state));

    declare(b, "https://one", "ory_at_", "https://one/i", 0);
    declare(b, "https://two", "ory_at_", "https://two/i", 0);
    declare(b, "https://long", "ory_at_x", "https://long/i", 0);
    bearer_settings_put(&b->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(b->p, "https://one"));
    assert_string_equal(whom(b, "ory_at_1"), "https://one");
    b->dir.accept_issuer = unit_list(b->p, "https://two");
    assert_string_equal(whom(b, "ory_at_1"), "https://two");
    /* longest first: the token is another's */
    assert_string_equal(whom(b, "ory_at_x1"), "nobody");
}

/* Without a digest of the question no answer is known to be the one of this token:
 * nobody is asked, and no answer about another token serves. */
static void test_no_digest(void **state)
{
    static const char *const tokens[] = { "another", TOKEN };
    bench_t *b = bench(unit_pool(state));
    unsigned char digest[32] = { 0 };
    size_t i;

    assert_int_equal(bearer_introspect_create(&b->in, &b->config, b->p), APR_SUCCESS);
    for (i = 0; i < UNIT_COUNT(tokens); i++) {
        begin(b, &b->j, b->p);
        unit_fault_next(1);
        assert_int_equal(bearer_introspect_judge(b->in, &b->j, tokens[i],
                                                 strlen(tokens[i]), digest, b->policy,
                                                 &b->until), BEARER_DENIED);
        assert_string_equal(unit_fault_name(), "EVP_Digest");
        assert_int_equal(b->j.why.reason, BEARER_INTERNAL);
        assert_null(b->j.principal);
        assert_int_equal(asked(b), 0);
        assert_int_equal(b->until, 0);
        unit_no_fault();
    }
    granted(b, TOKEN);
    assert_int_equal(asked(b), 1);
}

/* Whatever fails: what the issuer refuses is refused. */
static void test_faults(void **state)
{
    bench_t *b = bench(unit_pool(state));
    int n;

    unit_http_page(b->lab->http, ENDPOINT, 200, "{\"active\":false}");
    refused(b, TOKEN, BEARER_INACTIVE);
    UNIT_FAULTS(n) {
        UNIT_CHECK(judge(b, TOKEN) == BEARER_DENIED, "%s", unit_fault_name());
        UNIT_CHECK(b->j.why.reason == BEARER_INACTIVE
                   || (unit_fault_happened() && b->j.why.reason == BEARER_INTERNAL)
                   || (unit_fault_happened() && b->j.why.reason == BEARER_INTROSPECTION),
                   "%s: %s", bearer_reason_name(b->j.why.reason), unit_fault_name());
    }
    assert_true(n > 1);
}

/* A prefix of nothing is none: it takes no token, and leaves none to its issuer. */
static void test_empty_prefix(void **state)
{
    bench_t *b = bench(unit_pool(state));
    bearer_issuer_t *issuer = declare(b, "https://empty.example/",
                                      "https://empty.example/introspect", NULL, 0);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_settings_t settings = *bearer_settings_defaults(b->p);

    issuer->token_prefixes = apr_array_make(b->p, 1, sizeof(const char *));
    APR_ARRAY_PUSH((apr_array_header_t *)(apr_uintptr_t)issuer->token_prefixes,
                   const char *) = "";
    assert_ptr_equal(bearer_introspect_whom(b->issuers, &settings, "opaque", 6, &why,
                                            b->p), &b->lab->issuer);
    b->lab->issuer.token_prefixes = unit_list(b->p, "ory_");
    assert_null(bearer_introspect_whom(b->issuers, &settings, "opaque", 6, &why, b->p));
    assert_ptr_equal(bearer_introspect_whom(b->issuers, &settings, "ory_x", 5, &why,
                                            b->p), &b->lab->issuer);
    assert_ptr_equal(bearer_introspect_whom(b->issuers, &settings, "ory_", 4, &why,
                                            b->p), &b->lab->issuer);
    assert_null(bearer_introspect_whom(b->issuers, &settings, "ory", 3, &why, b->p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_granted),
        UNIT_TEST(test_bad_answers),
        UNIT_TEST(test_no_answer),
        UNIT_TEST(test_size),
        UNIT_TEST(test_mends), UNIT_TEST(test_errors_of_the_issuer),
        UNIT_TEST(test_no_audience_accepted),
        UNIT_TEST(test_discovered), UNIT_TEST(test_metadata_without_endpoint),
        UNIT_TEST(test_kept_for_the_ttl),
        UNIT_TEST(test_never_past_exp),
        UNIT_TEST(test_without_exp),
        UNIT_TEST(test_ttl_zero),
        UNIT_TEST(test_shorter_ttl),
        UNIT_TEST(test_cache_down),
        UNIT_TEST(test_kept_size),
        UNIT_TEST(test_key),
        UNIT_TEST(test_judged_on_every_hit),
        UNIT_TEST(test_kept_is_not_trusted_blindly),
        UNIT_TEST(test_one_flight),
        UNIT_TEST(test_failure_is_shared),
        UNIT_TEST(test_gate),
        UNIT_TEST(test_gate_counts_who_waits),
        UNIT_TEST(test_whom),
        UNIT_TEST(test_whom_has_an_endpoint),
        UNIT_TEST(test_whom_is_accepted), UNIT_TEST(test_whom_of_two_with_one_prefix),
        UNIT_TEST(test_no_digest),
        UNIT_TEST(test_faults),
        UNIT_TEST(test_empty_prefix),
    };
    return UNIT_RUN("introspect", tests);
}
