/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A judgement as JSON: each check, the principal, the settings, and who is asked. */
#include "judge_fixture.h"

#include "report/explain.h"

static json_t *tied(json_t *value, apr_pool_t *p)
{
    assert_non_null(value);
    bearer_json_tie(value, p);
    return value;
}

/* All checks, with the token judged to the end. */
static json_t *explained(judge_fixture_t *f, bearer_explain_t *explain,
                         const char *token)
{
    bearer_judgement_t *j = judge_begin(f);

    j->observe = bearer_explain_observe;
    j->observe_baton = explain;
    j->keep_going = 1;
    bearer_judge_jwt(j, token, strlen(token));
    return tied(bearer_explain_checks(explain), f->p);
}

static json_t *row_of(json_t *checks, const char *name)
{
    json_t *row;
    size_t i;

    json_array_foreach(checks, i, row) {
        if (strcmp(bearer_json_string(row, "check"), name) == 0) {
            return row;
        }
    }
    UNIT_FAIL("no check %s", name);
    return NULL;
}

static int count_of(json_t *checks, const char *result)
{
    json_t *row;
    size_t i;
    int n = 0;

    json_array_foreach(checks, i, row) {
        n += strcmp(bearer_json_string(row, "result"), result) == 0;
    }
    return n;
}

static void test_nothing_judged(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *checks = tied(bearer_explain_checks(bearer_explain_create(p)), p);

    assert_true(json_array_size(checks) > 15);
    assert_int_equal(count_of(checks, "not reached"), (int)json_array_size(checks));
}

static void test_granted(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    json_t *checks = explained(f, bearer_explain_create(f->p), judge_token(f, NULL));
    json_int_t number = 0;
    json_t *row;
    size_t i;

    assert_int_equal(count_of(checks, "passed"), (int)json_array_size(checks));
    json_array_foreach(checks, i, row) {  /* in product order */
        assert_true(json_integer_value(json_object_get(row, "number")) >= number);
        number = json_integer_value(json_object_get(row, "number"));
        assert_null(json_object_get(row, "reason"));
        assert_null(json_object_get(row, "detail"));
    }
    assert_int_equal(number, 12);
}

static void test_refused(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_explain_t *explain = bearer_explain_create(f->p);
    json_t *checks = explained(f, explain, judge_token(f, "{'aud':'other','exp':1767225000}"));
    json_t *row = row_of(checks, "audience");

    assert_string_equal(bearer_json_string(row, "result"), "failed");
    assert_string_equal(bearer_json_string(row, "reason"), "aud");
    assert_string_equal(bearer_json_string(row, "category"), "audience");
    assert_string_equal(bearer_json_string(row, "directive"), "AuthBearerAudience");
    assert_true(unit_contains(bearer_json_string(row, "detail"), "other"));
    row = row_of(checks, "expiry");
    assert_string_equal(bearer_json_string(row, "reason"), "exp");
    assert_true(count_of(checks, "failed") >= 2);
    assert_true(count_of(checks, "passed") > 10);
    /* without a directive that would change it none is named */
    checks = explained(f, explain, apr_pstrcat(f->p, judge_token(f, NULL), ".x", NULL));
    row = row_of(checks, "credential");
    assert_string_equal(bearer_json_string(row, "result"), "passed");
    row = row_of(checks, "envelope");
    assert_string_equal(bearer_json_string(row, "result"), "failed");
    assert_null(json_object_get(row, "directive"));
    /* and what needs more than was found is not reached; nothing is left of before */
    assert_string_equal(bearer_json_string(row_of(checks, "audience"), "result"),
                        "not reached");
    assert_string_equal(bearer_json_string(row_of(checks, "expiry"), "result"),
                        "not reached");
}

/* Another path of judgement after the first: its checks count. */
static void test_last_judgement_counts(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_explain_t *explain = bearer_explain_create(f->p);
    bearer_judgement_t *j;
    json_t *checks;

    explained(f, explain, judge_token(f, NULL));
    j = judge_begin(f);
    j->observe = bearer_explain_observe;
    j->observe_baton = explain;
    j->method = "introspection";
    bearer_judge_claims(j, unit_claims(f->p, "{'sub':'ann','aud':'" AUD "'}"),
                        f->issuer, "opaque", 6);
    checks = tied(bearer_explain_checks(explain), f->p);
    assert_true(count_of(checks, "passed") > 5);
    assert_int_equal(count_of(checks, "failed"), 0);
    assert_string_equal(bearer_json_string(row_of(checks, "audience"), "result"),
                        "passed");
}

/* A session service was asked: that is a row of its own, and alone if nothing of the
 * table was looked at. */
static void test_asked_elsewhere(void **state)
{
    static const bearer_check_t asked = { 0, "session service", "AuthBearerX", 0, 0, 0,
                                          NULL };
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_explain_t *explain = bearer_explain_create(f->p);
    bearer_judgement_t *j = judge_begin(f);
    json_t *checks;

    bearer_explain_observe(explain, &asked, BEARER_OK, j);
    checks = tied(bearer_explain_checks(explain), f->p);
    assert_int_equal(json_array_size(checks), 1);
    assert_string_equal(bearer_json_string(row_of(checks, "session service"), "result"),
                        "passed");
    bearer_refuse(&j->why, f->p, BEARER_SESSION_CHECK, "it is down");
    bearer_explain_observe(explain, &asked, BEARER_SESSION_CHECK, j);
    checks = tied(bearer_explain_checks(explain), f->p);
    assert_string_equal(bearer_json_string(row_of(checks, "session service"), "detail"),
                        "it is down");
    /* with a judgement beside it, it comes last */
    checks = explained(f, explain, judge_token(f, NULL));
    assert_true(json_array_size(checks) > 15);
    assert_string_equal(bearer_json_string(
        json_array_get(checks, json_array_size(checks) - 1), "check"),
        "session service");
}

/* Checks that are not in the table are rows of their own, however many there are. */
static void test_more_checks(void **state)
{
    bearer_check_t more[40];
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_explain_t *explain = bearer_explain_create(f->p);
    bearer_judgement_t *j;
    json_t *checks;
    size_t table;
    int i;

    table = json_array_size(explained(f, explain, judge_token(f, NULL)));
    j = judge_begin(f);
    for (i = 0; i < 40; i++) {
        more[i] = (bearer_check_t){ 11, apr_psprintf(f->p, "more %d", i), NULL, 0, 0, 0, NULL };
    }
    for (i = 0; i < 6; i++) {
        bearer_explain_observe(explain, &more[i % 3], BEARER_OK, j);
    }
    bearer_refuse(&j->why, f->p, BEARER_BINDING, "no proof");
    bearer_explain_observe(explain, &more[1], BEARER_BINDING, j);
    checks = tied(bearer_explain_checks(explain), f->p);
    assert_int_equal(json_array_size(checks), table + 3);
    assert_string_equal(bearer_json_string(row_of(checks, "more 1"), "detail"), "no proof");
    assert_string_equal(bearer_json_string(row_of(checks, "more 2"), "result"), "passed");
    for (i = 0; i < 40; i++) {
        bearer_explain_observe(explain, &more[i], BEARER_OK, j);
    }
    assert_true(json_array_size(tied(bearer_explain_checks(explain), f->p)) > table + 10);
}

/* The checks of a proof are rows after those of its token. */
static void test_proof(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_explain_t *explain = bearer_explain_create(f->p);
    bearer_proof_t proof = { .method = "GET", .url = "https://a.test/", .field = "e30.e30.AAAA",
                             .observe = bearer_explain_observe_proof,
                             .observe_baton = explain };
    size_t table = json_array_size(explained(f, explain, judge_token(f, NULL))), i;
    json_t *checks;

    for (i = 0; i < 2; i++) {  /* the last judgement counts */
        assert_int_equal(bearer_proof_judge(&proof, f->p), BEARER_PROOF);
    }
    checks = tied(bearer_explain_checks(explain), f->p);
    assert_string_equal(bearer_json_string(json_array_get(checks, table), "check"),
                        bearer_proof_check(0)->name);
    assert_string_equal(bearer_json_string(row_of(checks, "proof type"), "result"), "failed");
    assert_string_equal(bearer_json_string(row_of(checks, "proof type"), "reason"), "proof");
    assert_true(unit_contains(bearer_json_string(row_of(checks, "proof type"), "detail"),
                              "dpop+jwt"));
    assert_int_equal(json_integer_value(json_object_get(row_of(checks, "proof URL"), "number")),
                     BEARER_EXPLAIN_PROOF);
    assert_string_equal(bearer_json_string(row_of(checks, "proof URL"), "directive"),
                        "AuthBearerBaseURL");
    assert_true(json_array_size(checks) < table + 15);
}

static void test_principal(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_principal_t some;
    json_t *out;

    assert_int_equal(judge_it(f, judge_token(f, "{'scope':'a b','client_id':'c1'}")),
                     BEARER_GRANTED);
    out = tied(bearer_explain_principal(f->j.principal, f->p), f->p);
    assert_string_equal(bearer_json_string(out, "user"), "ann");
    assert_string_equal(bearer_json_string(out, "method"), "jwt");
    assert_string_equal(bearer_json_string(out, "issuer"), ISS);
    assert_string_equal(bearer_json_string(out, "client"), "c1");
    assert_int_equal(json_integer_value(json_object_get(out, "expires")), NOW + 300);
    assert_int_equal(json_array_size(json_object_get(out, "scopes")), 2);
    assert_string_equal(json_string_value(json_array_get(
        json_object_get(out, "scopes"), 1)), "b");
    assert_int_equal(json_array_size(json_object_get(out, "roles")), 0);
    assert_int_equal(json_array_size(json_object_get(out, "groups")), 0);
    assert_true(json_equal(json_object_get(out, "claims"), f->j.principal->claims));
    some = *f->j.principal;
    some.expires = 0;
    some.client = NULL;
    out = tied(bearer_explain_principal(&some, f->p), f->p);
    assert_true(json_is_null(json_object_get(out, "expires")));
    assert_true(json_is_null(json_object_get(out, "client")));
}

static void test_strings_and_tables(void **state)
{
    apr_pool_t *p = unit_pool(state);
    apr_table_t *table = apr_table_make(p, 3);
    json_t *out;

    assert_string_equal(json_string_value(tied(bearer_explain_string("\xc3\xa4", p), p)),
                        "\xc3\xa4");
    assert_string_equal(json_string_value(tied(bearer_explain_string("a\xff", p), p)),
                        "a%FF");
    assert_true(json_is_null(bearer_explain_string(NULL, p)));
    apr_table_setn(table, "A", "1");
    apr_table_setn(table, "B", "\xff");
    apr_table_setn(table, "\xff", "2");
    out = tied(bearer_explain_table(table, p), p);
    assert_int_equal(json_object_size(out), 2);
    assert_string_equal(bearer_json_string(out, "A"), "1");
    assert_string_equal(bearer_json_string(out, "B"), "%FF");
}

static void test_settings(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t settings;
    json_t *out;

    memset(&settings, 0, sizeof(settings));
    assert_int_equal(json_array_size(tied(bearer_explain_settings(&settings, p), p)), 0);
    bearer_settings_put(&settings, AUDIENCE, audience, unit_list(p, "a b"));
    bearer_settings_put(&settings, USER_FORMAT, user_format, "%u@%i");
    out = tied(bearer_explain_settings(&settings, p), p);
    assert_int_equal(json_array_size(out), 2);
    assert_string_equal(json_string_value(json_array_get(out, 0)),
                        "AuthBearerAudience a b");
    assert_string_equal(json_string_value(json_array_get(out, 1)),
                        "AuthBearerUserFormat %u@%i");
}

/* ---- requests ----------------------------------------------------------- */

static apr_status_t answer(const bearer_http_client_t *client,
                           const bearer_http_request_t *request,
                           bearer_http_response_t **response, const char **error,
                           apr_pool_t *p)
{
    (void)request, (void)error;
    ++*(int *)client->baton;
    *response = apr_pcalloc(p, sizeof(**response));
    return APR_SUCCESS;
}

static void say(void *baton, const char *line)
{
    *(const char **)baton = line;
}

static void test_requests_are_announced(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_http_request_t request = { .method = "POST",
                                      .url = "https://idp.example/x?secret=1" };
    bearer_http_response_t *response = NULL;
    const char *error = NULL, *line = NULL;
    int asked = 0;
    const bearer_http_client_t inner = { .perform = answer, .baton = &asked };
    const bearer_http_client_t *client = bearer_explain_http(&inner, say, &line, p);

    assert_int_equal(client->perform(client, &request, &response, &error, p),
                     APR_SUCCESS);
    assert_int_equal(asked, 1);
    assert_non_null(response);
    UNIT_CHECK(unit_contains(line, "requesting ") && unit_contains(line, "//idp.example/x")
                   && unit_contains(line, "(POST)"), "%s", line);
    assert_false(unit_contains(line, "secret"));
    client = bearer_explain_http(&inner, NULL, NULL, p);
    assert_int_equal(client->perform(client, &request, &response, &error, p),
                     APR_SUCCESS);
    assert_int_equal(asked, 2);
    client = bearer_explain_http(NULL, say, &line, p);
    line = NULL;
    assert_int_equal(client->perform(client, &request, &response, &error, p),
                     APR_EGENERAL);
    assert_true(unit_contains(error, "offline"));
    assert_false(unit_contains(error, "secret"));
    assert_null(line);
    assert_int_equal(asked, 2);
}

/* People write the SHA-256 of a whole JWT, which names no token here. */
static void test_digest_of_the_whole_token(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *token = judge_token(f, NULL), *line = NULL;
    const char *path = apr_psprintf(f->p, "explain-%d.revoked", (int)getpid());
    bearer_explain_t *explain = bearer_explain_create(f->p);
    unsigned char digest[BEARER_SHA256_SIZE];
    bearer_revocation_t *list;
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(bearer_text_sha256(token, strlen(token), digest), APR_SUCCESS);
    fprintf(file, "token %s 4102444800\n",
            bearer_text_hex(f->p, digest, sizeof(digest)));
    fclose(file);
    assert_int_equal(bearer_revocation_create(&list, path, &unit_world(f->p)->world,
                                              f->p),
                     APR_SUCCESS);
    bearer_explain_revocations(explain, list, say, &line);
    explained(f, explain, judge_token(f, "{'jti':'another'}"));
    assert_null(line);
    explained(f, explain, token);
    assert_true(unit_contains(line, "AuthBearerRevocations"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_nothing_judged),
        UNIT_TEST(test_granted),
        UNIT_TEST(test_refused),
        UNIT_TEST(test_last_judgement_counts),
        UNIT_TEST(test_asked_elsewhere),
        UNIT_TEST(test_more_checks),
        UNIT_TEST(test_proof),
        UNIT_TEST(test_principal),
        UNIT_TEST(test_strings_and_tables),
        UNIT_TEST(test_settings),
        UNIT_TEST(test_requests_are_announced),
        UNIT_TEST(test_digest_of_the_whole_token),
    };

    return UNIT_RUN("explain", tests);
}
