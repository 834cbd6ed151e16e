/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Key sets by tenant, when more tenants are asked for than are kept: who makes room,
 * what a client can cause to be fetched that names them all, and threads that use a
 * set while it is to make room.
 */
#include "unit_lab.h"

#include "keys/keyset.h"

#define MANY BEARER_KEYSET_MAX_TENANTS
#define MINUTE SECONDS(60)

/* ---- an issuer with all tenants ----------------------------------------- */

typedef struct fixture_t {
    lab_t *lab;
    bearer_http_client_t client;
    bearer_keyset_t *ks;
    atomic_int requests, down;
} fixture_t;

/* The keys of tenant X are one with kid X. */
static apr_status_t answer(const bearer_http_client_t *client,
                           const bearer_http_request_t *request,
                           bearer_http_response_t **response, const char **error,
                           apr_pool_t *p)
{
    fixture_t *f = client->baton;
    char *tenant = apr_pstrdup(p, request->url + strlen("https://idp.example.com/"));
    bearer_http_response_t *r = apr_pcalloc(p, sizeof(*r));

    atomic_fetch_add(&f->requests, 1);
    tenant[strcspn(tenant, "/")] = '\0';
    *error = "down";
    if (atomic_load(&f->down)) {
        return APR_EGENERAL;
    }
    r->status = 200;
    r->headers = apr_table_make(p, 1);
    r->body = apr_psprintf(p, "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                              "\"kid\":\"%s\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPap"
                              "iMlrwIaaPcHURo\"}]}", tenant);
    r->body_len = strlen(r->body);
    *response = r;
    return APR_SUCCESS;
}

static fixture_t *fixture(apr_pool_t *p)
{
    fixture_t *f = apr_pcalloc(p, sizeof(*f));

    f->lab = lab_open(p);
    f->client.perform = answer;
    f->client.baton = f;
    f->lab->world.http = &f->client;
    f->lab->issuer.url = "https://idp.example.com/{tenant}/";
    f->lab->issuer.keys[0].value = "https://idp.example.com/{tenant}/keys";
    assert_int_equal(bearer_keyset_create(&f->ks, &f->lab->access, p), APR_SUCCESS);
    bearer_keyset_set_maintained(f->ks, 1);
    return f;
}

static const char *name_of(apr_pool_t *p, int i)
{
    return apr_psprintf(p, "t%d", i);
}

/* A token that names the tenant; its keys are right, or there are none. */
static bearer_reason_t ask(fixture_t *f, const char *tenant, apr_pool_t *p)
{
    bearer_keyset_t *set = bearer_keyset_of_tenant(f->ks, tenant);
    bearer_jwks_t *keys = NULL;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason;

    assert_non_null(set);
    reason = bearer_keyset_acquire(set, &keys, &why, p);
    if (reason == BEARER_OK) {
        assert_int_equal(bearer_jwks_count(keys), 1);
        assert_string_equal(bearer_jwks_at(keys, 0)->kid, tenant);
        bearer_jwks_release(keys);
    }
    bearer_keyset_release(set);
    return reason;
}

static void ask_many(fixture_t *f, int from, int to, apr_pool_t *p)
{
    apr_pool_t *each;
    int i;

    apr_pool_create(&each, p);
    for (i = from; i < to; i++) {
        ask(f, name_of(each, i), each);
        apr_pool_clear(each);
    }
    apr_pool_destroy(each);
}

/* ---- who makes room ------------------------------------------------------ */

static void test_forged_tokens_do_not_fill_the_places(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p);

    ask_many(f, 0, MANY, p);
    assert_int_equal(atomic_load(&f->requests), MANY);
    lab_pass(f->lab, MINUTE);
    assert_int_equal(ask(f, "one-more", p), BEARER_OK);
    bearer_keyset_served(f->ks, "one-more");
    bearer_keyset_served(f->ks, NULL);      /* a token without a tenant */
    lab_pass(f->lab, MINUTE);
    ask_many(f, MANY, 2 * MANY, p);
    /* what has verified a token stayed: nothing is fetched for it */
    atomic_store(&f->down, 1);
    assert_int_equal(ask(f, "one-more", p), BEARER_OK);
}

static apr_uint64_t stamp_of(fixture_t *f, const char *tenant)
{
    bearer_keyset_t *set = bearer_keyset_of_tenant(f->ks, tenant);
    apr_uint64_t stamp = bearer_keyset_stamp(set);

    bearer_keyset_release(set);
    assert_true(stamp != 0);
    return stamp;
}

static void test_who_makes_room(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p);
    apr_uint64_t others;
    int i;

    ask_many(f, 0, MANY, p);
    for (i = 1; i < MANY; i++) {
        bearer_keyset_served(f->ks, name_of(p, i));
    }
    lab_pass(f->lab, MINUTE);
    assert_int_equal(ask(f, "unproved", p), BEARER_OK);     /* takes that of t0 */
    others = bearer_keyset_stamp(f->ks) - stamp_of(f, "unproved");
    assert_int_equal(ask(f, "another", p), BEARER_OK);      /* of unproved */
    assert_true(bearer_keyset_stamp(f->ks) == others + stamp_of(f, "another"));
    bearer_keyset_served(f->ks, "another");
    bearer_keyset_served(f->ks, "t1");
    assert_int_equal(ask(f, "third", p), BEARER_OK);        /* of t2 */
    atomic_store(&f->down, 1);
    assert_int_equal(ask(f, "another", p), BEARER_OK);
    assert_int_equal(ask(f, "t1", p), BEARER_OK);
    assert_int_equal(ask(f, "third", p), BEARER_OK);
    assert_int_equal(ask(f, "t3", p), BEARER_OK);
    assert_int_equal(ask(f, "t2", p), BEARER_KEYS);
}

static void test_sets_in_use_stay(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p);
    bearer_keyset_t *held[MANY];
    int i;

    for (i = 0; i < MANY; i++) {
        held[i] = bearer_keyset_of_tenant(f->ks, name_of(p, i));
        assert_non_null(held[i]);
    }
    assert_null(bearer_keyset_of_tenant(f->ks, "more"));
    assert_ptr_equal(bearer_keyset_of_tenant(f->ks, "t7"), held[7]);
    bearer_keyset_release(held[7]);
    bearer_keyset_release(held[8]);
    assert_int_equal(ask(f, "more", p), BEARER_OK);     /* takes that of t8 */
    assert_ptr_equal(bearer_keyset_of_tenant(f->ks, "t7"), held[7]);
    for (i = 0; i < MANY; i++) {
        if (i != 8) {
            bearer_keyset_release(held[i]);
        }
    }
}

/* ---- what is fetched ----------------------------------------------------- */

/* All tenants named in a row: so many fetches at once, then so many a minute; and a
 * request that finds no turn left is told at once. */
static void test_fetches_are_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p);
    apr_time_t started;

    f->lab->settings.keys_refresh.min = SECONDS(600);
    ask_many(f, 0, MANY, p);
    started = apr_time_now();
    assert_int_equal(ask(f, "waits", p), BEARER_OK);
    /* the clock of this test stands still, so that nothing is earned again */
    assert_int_equal(ask(f, "has-no-turn", p), BEARER_KEYS);
    ask_many(f, 5000, 5200, p);
    assert_true(apr_time_now() - started < SECONDS(2));
    assert_int_equal(atomic_load(&f->requests), MANY + 1);
    assert_int_equal(lab_logged(f->lab, "too many tenants"), 0);
    lab_pass(f->lab, SECONDS(6));
    assert_int_equal(ask(f, "has-no-turn", p), BEARER_OK);
    lab_pass(f->lab, SECONDS(600));
    ask_many(f, 6000, 6000 + MANY, p);
    assert_int_equal(atomic_load(&f->requests), 2 * MANY + 2);
}

/* A set that made room has forgotten when it was fetched. */
static void test_each_tenant_once_a_minute(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p);
    int i, n;

    for (i = 1; i < MANY; i++) {
        bearer_keyset_release(bearer_keyset_of_tenant(f->ks, name_of(p, i)));
        bearer_keyset_served(f->ks, name_of(p, i));
    }
    for (i = 0; i < 50; i++) {      /* one place is left for both */
        ask(f, "a", p);
        ask(f, "b", p);
        lab_pass(f->lab, SECONDS(1));
    }
    assert_int_equal(atomic_load(&f->requests), 2);
    lab_pass(f->lab, SECONDS(10));      /* the minute is over */
    assert_int_equal(ask(f, "a", p), BEARER_OK);
    /* its own failures do not keep a set from trying again */
    lab_pass(f->lab, MINUTE);
    atomic_store(&f->down, 1);
    n = atomic_load(&f->requests);
    assert_int_equal(ask(f, "c", p), BEARER_KEYS);
    lab_pass(f->lab, SECONDS(5));
    atomic_store(&f->down, 0);
    assert_int_equal(ask(f, "c", p), BEARER_OK);
    assert_int_equal(atomic_load(&f->requests), n + 2);
}

/* The background looks after those that were of use, not after those that a client
 * has named. */
static void test_maintenance_of_those_that_serve(void **state)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = fixture(p);

    ask_many(f, 0, 100, p);
    bearer_keyset_served(f->ks, "t7");
    lab_pass(f->lab, SECONDS(3600));
    bearer_keyset_maintain(f->ks, p);
    assert_int_equal(atomic_load(&f->requests), 101);
    /* a request refreshes what is not looked after */
    assert_int_equal(ask(f, "t8", p), BEARER_OK);
    assert_int_equal(ask(f, "t7", p), BEARER_OK);
    assert_int_equal(atomic_load(&f->requests), 102);
    bearer_keyset_set_maintained(f->ks, 0);
    lab_pass(f->lab, SECONDS(3600));
    assert_int_equal(ask(f, "t7", p), BEARER_OK);
    assert_int_equal(atomic_load(&f->requests), 103);
}

/* ---- threads ------------------------------------------------------------- */

static atomic_int stop;

static void *ask_any(void *baton)
{
    fixture_t *f = baton;
    unsigned n = (unsigned)(apr_uintptr_t)pthread_self();
    apr_pool_t *p;
    int i;

    apr_pool_create_unmanaged(&p);
    for (i = 0; i < 4000; i++) {
        n = n * 1103515245u + 12345u;
        if (ask(f, name_of(p, (int)(n >> 8) % (MANY + 50)), p) == BEARER_OK
            && n & 0x100) {
            bearer_keyset_served(f->ks, name_of(p, (int)(n >> 8) % (MANY + 50)));
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

static void *maintain(void *baton)
{
    fixture_t *f = baton;
    apr_pool_t *p;

    apr_pool_create_unmanaged(&p);
    while (!atomic_load(&stop)) {
        bearer_keyset_maintain(f->ks, p);
        bearer_keyset_set_maintained(f->ks, 1);
        lab_pass(f->lab, SECONDS(30));
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

/* A set is never another tenant's, whatever makes room meanwhile (ask() looks). */
static void test_threads(void **state)
{
    fixture_t *f = fixture(unit_pool(state));
    pthread_t threads[4], background;
    int i;

    atomic_store(&stop, 0);
    f->lab->settings.keys_refresh.min = SECONDS(1);
    assert_int_equal(pthread_create(&background, NULL, maintain, f), 0);
    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_any, f), 0);
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&stop, 1);
    pthread_join(background, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_forged_tokens_do_not_fill_the_places),
        UNIT_TEST(test_who_makes_room), UNIT_TEST(test_sets_in_use_stay),
        UNIT_TEST(test_fetches_are_bounded),
        UNIT_TEST(test_each_tenant_once_a_minute),
        UNIT_TEST(test_maintenance_of_those_that_serve), UNIT_TEST(test_threads)
    };

    return UNIT_RUN("keyset_tenants", tests);
}
