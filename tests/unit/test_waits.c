/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Who waits for an issuer's keys or metadata is inside the gate: while it is full
 * nobody waits, nothing is fetched, and what is known goes on serving. */
#include <unistd.h>

#include "unit_lab.h"

#include "base/flight.h"
#include "keys/keyset.h"

#define URL "https://idp.example.com/keys"
#define OAUTH "https://idp.example.com/.well-known/oauth-authorization-server"
#define KEYS(kid) "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid "\"," \
                  "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
#define METADATA "{\"issuer\":\"https://idp.example.com/\",\"jwks_uri\":\"" URL "\"}"
#define FULL "half of the workers are already waiting"
#define CROWD 12

typedef struct bench_t {
    lab_t *lab;
    bearer_keyset_t *ks;
    unit_full_t full;
    bearer_refusal_t why;
    apr_pool_t *p;
} bench_t;

static void begin(bench_t *b, int places, apr_pool_t *p)
{
    memset(b, 0, sizeof(*b));
    b->p = p;
    b->lab = lab_open(p);
    lab_gate(b->lab, places, p);
    unit_http_page(b->lab->http, URL, 200, KEYS("a"));
    assert_int_equal(bearer_keyset_create(&b->ks, &b->lab->access, p), APR_SUCCESS);
    bearer_keyset_set_maintained(b->ks, 1);
}

static bearer_reason_t acquire(bench_t *b)
{
    bearer_jwks_t *set = NULL;
    bearer_reason_t reason = bearer_keyset_acquire(b->ks, &set, &b->why, b->p);

    if (set) {
        bearer_jwks_release(set);
    }
    return reason;
}

static bearer_reason_t ask_kid(bench_t *b, const char *kid)
{
    bearer_jwks_t *set = NULL;
    bearer_reason_t reason;

    assert_int_equal(bearer_keyset_acquire(b->ks, &set, &b->why, b->p), BEARER_OK);
    reason = bearer_keyset_refresh_for_kid(b->ks, kid, atomic_load(&b->lab->now), &set,
                                           &b->why, b->p);
    bearer_jwks_release(set);
    return reason;
}

static int requests(const bench_t *b)
{
    return unit_http_requests(b->lab->http);
}

static void test_cold_keys(void **state)
{
    bench_t b;

    begin(&b, 1, unit_pool(state));
    unit_full(&b.full, b.lab->world.gate);
    assert_int_equal(acquire(&b), BEARER_KEYS);
    assert_true(unit_contains(b.why.detail, FULL));
    assert_int_equal(requests(&b), 0);
    unit_not_full(&b.full);
    assert_int_equal(acquire(&b), BEARER_OK);    /* it was no failed attempt */
    unit_full(&b.full, b.lab->world.gate);
    assert_int_equal(acquire(&b), BEARER_OK);    /* known keys need no place */
    unit_not_full(&b.full);
    assert_int_equal(requests(&b), 1);
}

static void test_unknown_kid(void **state)
{
    bench_t b;

    begin(&b, 1, unit_pool(state));
    assert_int_equal(acquire(&b), BEARER_OK);
    lab_pass(b.lab, SECONDS(61));
    unit_http_page(b.lab->http, URL, 200, KEYS("b"));
    unit_full(&b.full, b.lab->world.gate);
    assert_int_equal(ask_kid(&b, "b"), BEARER_KEYS);
    assert_true(unit_contains(b.why.detail, FULL));
    assert_int_equal(requests(&b), 1);
    unit_not_full(&b.full);
    assert_int_equal(ask_kid(&b, "b"), BEARER_OK);
    /* one that was looked for in vain needs no place to be refused */
    assert_int_equal(ask_kid(&b, "c"), BEARER_KEY);
    unit_full(&b.full, b.lab->world.gate);
    assert_int_equal(ask_kid(&b, "d"), BEARER_KEY);
    unit_not_full(&b.full);
    assert_int_equal(requests(&b), 2);
}

/* A process without a background thread: old keys serve on. */
static void test_due(void **state)
{
    bench_t b;

    begin(&b, 1, unit_pool(state));
    bearer_keyset_set_maintained(b.ks, 0);
    assert_int_equal(acquire(&b), BEARER_OK);
    lab_pass(b.lab, SECONDS(3700));
    unit_full(&b.full, b.lab->world.gate);
    assert_int_equal(acquire(&b), BEARER_OK);
    assert_int_equal(requests(&b), 1);
    unit_not_full(&b.full);
    assert_int_equal(acquire(&b), BEARER_OK);
    assert_int_equal(requests(&b), 2);
}

static void test_metadata(void **state)
{
    const char *error;
    bench_t b;

    begin(&b, 1, unit_pool(state));
    unit_http_page(b.lab->http, OAUTH, 200, METADATA);
    unit_full(&b.full, b.lab->world.gate);
    assert_null(bearer_keyset_metadata(b.ks, &error, b.p));
    assert_true(unit_contains(error, FULL));
    assert_int_equal(requests(&b), 0);
    unit_not_full(&b.full);
    assert_non_null(bearer_keyset_metadata(b.ks, &error, b.p));
    lab_pass(b.lab, SECONDS(3700));
    unit_full(&b.full, b.lab->world.gate);
    assert_non_null(bearer_keyset_metadata(b.ks, &error, b.p));
    assert_int_equal(requests(&b), 1);
    unit_not_full(&b.full);
    assert_non_null(bearer_keyset_metadata(b.ks, &error, b.p));
    assert_int_equal(requests(&b), 2);
}

/* Discovered keys need metadata: one ticket for both. */
static void test_waits_inside_waits(void **state)
{
    const char *error;
    bench_t b;

    begin(&b, 1, unit_pool(state));
    b.lab->issuer.keys[0].kind = BEARER_SOURCE_DISCOVER;
    b.lab->world.http = bearer_gate_http(b.lab->world.gate, b.lab->world.http, b.p);
    unit_http_page(b.lab->http, OAUTH, 200, METADATA);
    assert_non_null(bearer_keyset_metadata(b.ks, &error, b.p));
    assert_int_equal(acquire(&b), BEARER_OK);
    assert_int_equal(requests(&b), 2);
    unit_full(&b.full, b.lab->world.gate);       /* every place was given back */
    unit_not_full(&b.full);
}

/* A file on this host is not waited for. */
static void test_files(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *path = apr_psprintf(p, "/tmp/bearer-waits-%d.json", (int)getpid());
    FILE *f = fopen(path, "w");
    bench_t b;

    assert_non_null(f);
    fputs(KEYS("a"), f);
    fclose(f);
    begin(&b, 1, p);
    b.lab->issuer.keys[0].kind = BEARER_SOURCE_FILE;
    b.lab->issuer.keys[0].value = path;
    assert_int_equal(bearer_keyset_create(&b.ks, &b.lab->access, p), APR_SUCCESS);
    unit_full(&b.full, b.lab->world.gate);
    assert_int_equal(acquire(&b), BEARER_OK);
    unit_not_full(&b.full);
    remove(path);
}

/* ---- a question without an answer's text --------------------------------- */

static bearer_reason_t say_nothing(void *baton, bearer_answer_t *answer,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    (void)answer;
    (void)why;
    (void)p;
    *(int *)baton += 1;
    return BEARER_OK;
}

/* It is empty, and nothing is read beyond its end. */
static void test_an_answer_without_a_text(void **state)
{
    static const unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_pool_t *p = unit_pool(state);
    int asked = 0;
    bearer_ask_t ask = { say_nothing, &asked, SECONDS(1), 0, BEARER_KEYS, 0 };
    bearer_flights_t *flights;
    bearer_answer_t answer;
    bench_t b;

    begin(&b, 1, p);
    assert_int_equal(bearer_flights_create(&flights, &b.lab->world, p), APR_SUCCESS);
    assert_int_equal(bearer_flights_share(flights, key, &ask, &answer, &b.why, p), 1);
    assert_int_equal(asked, 1);
    assert_int_equal(answer.reason, BEARER_OK);
    assert_string_equal(answer.text, "");
    assert_int_equal(answer.len, 0);
    assert_int_equal(answer.retry, 0);
}

/* ---- a crowd ------------------------------------------------------------ */

typedef struct asker_t {
    bench_t *b;
    bearer_reason_t reason;
    atomic_int *turned_away;
} asker_t;

/* The issuer answers when all who find the gate full have been told. */
static void until_others_are_told(void *turned_away)
{
    apr_time_t end = apr_time_now() + SECONDS(10);

    while (atomic_load((atomic_int *)turned_away) < CROWD - 3
           && apr_time_now() < end) {
        apr_sleep(1000);
    }
}

static void *asking(void *asker_)
{
    asker_t *asker = asker_;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jwks_t *set = NULL;
    apr_pool_t *p;

    apr_pool_create_unmanaged(&p);
    asker->reason = bearer_keyset_acquire(asker->b->ks, &set, &why, p);
    if (unit_contains(why.detail, FULL)) {
        atomic_fetch_add(asker->turned_away, 1);
    }
    if (set) {
        bearer_jwks_release(set);
    }
    apr_pool_destroy(p);
    return NULL;
}

/* A crowd asks at once, and the issuer does that meanwhile. How many got the keys;
 * the others were turned away. */
static int crowd(bench_t *b, void (*during)(void *baton))
{
    asker_t askers[CROWD];
    pthread_t threads[CROWD];
    atomic_int turned_away = 0;
    int i, granted = 0;

    b->lab->settings.timeout.total = SECONDS(20);
    b->lab->http->during = during;
    b->lab->http->during_baton = &turned_away;
    memset(askers, 0, sizeof(askers));
    for (i = 0; i < CROWD; i++) {
        askers[i].b = b;
        askers[i].turned_away = &turned_away;
        assert_int_equal(pthread_create(&threads[i], NULL, asking, &askers[i]), 0);
    }
    for (i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
        granted += askers[i].reason == BEARER_OK;
    }
    b->lab->http->during = NULL;
    assert_int_equal(requests(b), 1);
    assert_int_equal(granted + atomic_load(&turned_away), CROWD);
    return granted;
}

/* Waiting for the thread that fetches is waiting. */
static void test_who_waits_for_a_thread_counts(void **state)
{
    bench_t b;

    begin(&b, 3, unit_pool(state));
    assert_int_equal(crowd(&b, until_others_are_told), 3);
    assert_int_equal(acquire(&b), BEARER_OK);
}

static void takes_a_moment(void *baton)
{
    (void)baton;
    apr_sleep(BEARER_GATE_PATIENCE / 4);
}

/* A fetch that has just begun is waited for without a place, so that a crowd at a
 * cold start is not turned away for an issuer that answers. */
static void test_a_young_flight_is_waited_for(void **state)
{
    int granted;
    bench_t b;

    begin(&b, 1, unit_pool(state));
    granted = crowd(&b, takes_a_moment);
    /* under a load that keeps threads from running for so long, fewer */
    assert_in_range(granted, unit_slow() == 1 ? 2 : 1, CROWD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_cold_keys), UNIT_TEST(test_unknown_kid),
        UNIT_TEST(test_due), UNIT_TEST(test_metadata),
        UNIT_TEST(test_waits_inside_waits), UNIT_TEST(test_files),
        UNIT_TEST(test_an_answer_without_a_text),
        UNIT_TEST(test_who_waits_for_a_thread_counts),
        UNIT_TEST(test_a_young_flight_is_waited_for)
    };

    return UNIT_RUN("waits", tests);
}
