/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The keys of an issuer from several sources. */
#include <unistd.h>

#include "unit_lab.h"

#include "base/crew.h"
#include "keys/keypool.h"

#define ONE "https://idp.example.com/keys"
#define TWO "https://keys.example.com/two"

static const char *document(apr_pool_t *p, const char *kid)
{
    return apr_psprintf(p, "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\","
                           "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}", kid);
}

static void publish(lab_t *lab, const char *url, const char *kid, apr_pool_t *p)
{
    unit_http_page(lab->http, url, kid ? 200 : 500, kid ? document(p, kid) : "");
}

static lab_t *two_sources(apr_pool_t *p)
{
    lab_t *lab = lab_open(p);

    lab->issuer.keys[1].kind = BEARER_SOURCE_URL;
    lab->issuer.keys[1].value = TWO;
    lab->issuer.key_sources = 2;
    return lab;
}

static bearer_keypool_t *pool_of(lab_t *lab, apr_pool_t *p)
{
    bearer_keypool_t *pool;

    assert_int_equal(bearer_keypool_create(&pool, &lab->access, p), APR_SUCCESS);
    bearer_keypool_set_maintained(pool, 1);
    return pool;
}

static bearer_reason_t get(bearer_keypool_t *pool, bearer_jwks_t **set,
                           bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_wish_t wish = { BEARER_WISH_KEYS, NULL, 0, 0 };

    return bearer_keypool_get(pool, NULL, &wish, set, why, p);
}

static bearer_reason_t look_for(bearer_keypool_t *pool, const char *kid,
                                bearer_jwks_t **set, bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_wish_t wish = { BEARER_WISH_KID, kid, APR_INT64_MAX, 0 };

    return bearer_keypool_get(pool, NULL, &wish, set, why, p);
}

static void maintain(bearer_keypool_t *pool, apr_pool_t *p)
{
    apr_array_header_t *errands = apr_array_make(p, 2, sizeof(bearer_errand_t));
    int i;

    bearer_keypool_look_at_files(pool, p);
    bearer_keypool_errands(pool, errands, p);
    for (i = 0; i < errands->nelts; i++) {
        const bearer_errand_t *errand = &APR_ARRAY_IDX(errands, i, bearer_errand_t);

        errand->run(errand->what, 0, p);
    }
}

/* The keys of both; the set stays the same object while neither changes. */
static void test_both(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_jwks_t *set, *again;
    bearer_keyset_state_t now;

    publish(lab, ONE, "a", p);
    publish(lab, TWO, "b", p);
    assert_int_equal(bearer_keypool_at_hand(pool, NULL), 0);
    maintain(pool, p);
    assert_int_equal(unit_http_requests(lab->http), 2);
    assert_int_equal(bearer_keypool_at_hand(pool, NULL), 1);
    assert_int_equal(get(pool, &set, NULL, p), BEARER_OK);
    assert_int_equal(bearer_jwks_count(set), 2);
    assert_true(bearer_keypool_stamp(pool) != 0);
    assert_int_equal(bearer_keypool_has(pool, NULL, set), 1);
    assert_int_equal(get(pool, &again, NULL, p), BEARER_OK);
    assert_ptr_equal(set, again);
    bearer_keypool_state(pool, &now, p);
    assert_int_equal(now.keys, 2);
    assert_int_equal(now.last_attempt_failed, 0);
    bearer_keypool_source_state(pool, 1, &now, p);
    assert_int_equal(now.keys, 1);
    bearer_jwks_release(set);
    bearer_jwks_release(again);
}

/* A request waits for one source only; the other is asked when it matters. */
static void test_cold(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jwks_t *set;

    publish(lab, ONE, "a", p);
    publish(lab, TWO, "b", p);
    assert_int_equal(get(pool, &set, &why, p), BEARER_OK);
    assert_int_equal(unit_http_requests(lab->http), 1);
    assert_int_equal(bearer_jwks_count(set), 1);
    /* the first fetch of a set spends no min */
    assert_int_equal(look_for(pool, "b", &set, &why, p), BEARER_OK);
    assert_int_equal(bearer_jwks_count(set), 2);
    bearer_jwks_release(set);
}

static void keep_silent(void *baton)
{
    lab_pass(baton, BEARER_KEYSET_KID_PATIENCE);
}

/* An unknown kid does not wait long for a source that was never reached. */
static void test_a_cold_source_is_waited_for_briefly(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_jwks_t *set;

    lab->settings.timeout.total = SECONDS(20);
    publish(lab, ONE, "a", p);
    assert_int_equal(get(pool, &set, NULL, p), BEARER_OK);
    assert_true(lab->http->request.total_timeout > SECONDS(19));
    lab->http->during = keep_silent;
    lab->http->during_baton = lab;
    assert_int_equal(look_for(pool, "z", &set, &(bearer_refusal_t){ BEARER_OK, NULL }, p),
                     BEARER_KEYS);
    assert_string_equal(lab->http->url, TWO);
    assert_true(lab->http->request.total_timeout <= BEARER_KEYSET_KID_PATIENCE);
    assert_true(lab->http->request.total_timeout > BEARER_KEYSET_KID_PATIENCE / 2);
    /* an attempt like any other */
    assert_int_equal(unit_http_requests(lab->http), 3);
    assert_int_equal(look_for(pool, "z", &set, &(bearer_refusal_t){ BEARER_OK, NULL }, p),
                     BEARER_KEYS);
    assert_int_equal(unit_http_requests(lab->http), 3);
    bearer_jwks_release(set);
}

/* One source has had what was wanted, so the others are held back, in all processes. */
static void test_min_is_of_the_issuer(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_wish_t wish = { BEARER_WISH_KID, "d", APR_INT64_MAX, 0 };
    bearer_keypool_t *pools[2];
    bearer_refusal_t why;
    bearer_jwks_t *set;
    int i;

    lab->world.keys_cache = &lab->cache;
    publish(lab, ONE, "a", p);
    publish(lab, TWO, "b", p);
    for (i = 0; i < 2; i++) {
        pools[i] = pool_of(lab, p);
        maintain(pools[i], p);
    }
    atomic_fetch_add(&lab->now, SECONDS(10));
    publish(lab, ONE, "c", p);
    publish(lab, TWO, "d", p);
    assert_int_equal(get(pools[0], &set, NULL, p), BEARER_OK);
    assert_int_equal(look_for(pools[0], "c", &set, NULL, p), BEARER_OK);
    bearer_jwks_release(set);
    assert_int_equal(unit_http_requests(lab->http), 3);
    atomic_fetch_add(&lab->now, SECONDS(10));
    for (i = 0; i < 2; i++) {
        assert_int_equal(get(pools[i], &set, NULL, p), BEARER_OK);
        /* the other process may take over what the first has fetched meanwhile */
        while (bearer_keypool_get(pools[i], NULL, &wish, &set, &why, p) == BEARER_OK) {
            assert_int_equal(bearer_jwks_names(set, "d"), 0);
        }
        assert_int_equal(wish.held_back, 1);
        bearer_jwks_release(set);
    }
    assert_int_equal(unit_http_requests(lab->http), 3);
    atomic_fetch_add(&lab->now, SECONDS(51));
    assert_int_equal(get(pools[1], &set, NULL, p), BEARER_OK);
    assert_int_equal(bearer_keypool_get(pools[1], NULL, &wish, &set, &why, p), BEARER_OK);
    assert_int_equal(bearer_jwks_names(set, "d"), 1);
    bearer_jwks_release(set);
}

static void test_one_fails(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_wish_t wish = { BEARER_WISH_KID, "z", APR_INT64_MAX, 0 };
    bearer_jwks_t *set;
    int asked;

    publish(lab, ONE, NULL, p);
    publish(lab, TWO, "b", p);
    assert_int_equal(get(pool, &set, &why, p), BEARER_OK);
    assert_int_equal(bearer_jwks_count(set), 1);
    asked = unit_http_requests(lab->http);
    assert_int_equal(bearer_keypool_at_hand(pool, NULL), 1);
    /* the kid may be one of the source that fails */
    assert_int_equal(look_for(pool, "z", &set, &why, p), BEARER_KEYS);
    assert_true(unit_contains(why.detail, "500"));
    assert_true(unit_contains(why.detail, ONE));
    /* that one failed just now; the other one is asked */
    assert_int_equal(unit_http_requests(lab->http), asked + 1);
    atomic_fetch_add(&lab->now, SECONDS(61));
    publish(lab, ONE, "a", p);
    assert_int_equal(look_for(pool, "z", &set, &why, p), BEARER_OK);
    assert_int_equal(bearer_jwks_count(set), 2);
    assert_int_equal(bearer_keypool_get(pool, NULL, &wish, &set, &why, p), BEARER_KEY);
    assert_int_equal(wish.held_back, 1);
    bearer_jwks_release(set);
}

/* Who has an old set gets what has been fetched since, without another fetch. */
static void test_newer_keys_are_there(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_wish_t wish = { BEARER_WISH_KID, "c", APR_INT64_MAX, 0 };
    bearer_keyset_state_t all, first;
    bearer_jwks_t *set;
    int asked;

    publish(lab, ONE, "a", p);
    publish(lab, TWO, "b", p);
    maintain(pool, p);
    assert_int_equal(get(pool, &set, NULL, p), BEARER_OK);
    publish(lab, ONE, "c", p);
    publish(lab, TWO, NULL, p);
    atomic_fetch_add(&lab->now, SECONDS(3600));
    maintain(pool, p);
    atomic_fetch_add(&lab->now, SECONDS(120));
    asked = unit_http_requests(lab->http);
    assert_int_equal(bearer_keypool_get(pool, NULL, &wish, &set, NULL, p), BEARER_OK);
    assert_int_equal(bearer_jwks_names(set, "c"), 1);
    assert_int_equal(unit_http_requests(lab->http), asked);
    bearer_jwks_release(set);
    /* the oldest keys of all */
    bearer_keypool_source_state(pool, 0, &first, p);
    bearer_keypool_state(pool, &all, p);
    assert_true(all.fetched && all.fetched < first.fetched);
}

static void test_all_fail(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jwks_t *set;

    publish(lab, ONE, NULL, p);
    publish(lab, TWO, NULL, p);
    assert_int_equal(get(pool, &set, &why, p), BEARER_KEYS);
    assert_true(unit_contains(why.detail, "answered 500"));
    assert_null(set);
}

/* Keys are forgotten with the source that had them. */
static void test_generation_follows_every_source(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    apr_uint64_t generation, stamp;

    publish(lab, ONE, "a", p);
    publish(lab, TWO, "b", p);
    maintain(pool, p);
    generation = bearer_keypool_generation(pool);
    stamp = bearer_keypool_stamp(pool);
    assert_true(generation > 1);
    publish(lab, TWO, "c", p);
    atomic_fetch_add(&lab->now, SECONDS(3600));
    maintain(pool, p);
    assert_true(bearer_keypool_generation(pool) != generation);
    assert_true(bearer_keypool_stamp(pool) != stamp);
}

/* The keys of one tenant are not those of another, and change the stamp of the whole. */
static void test_keys_per_tenant(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = two_sources(p);
    bearer_wish_t wish = { BEARER_WISH_KEYS, NULL, 0, 0 };
    bearer_keypool_t *pool;
    apr_uint64_t stamp;
    bearer_jwks_t *set;

    lab->issuer.url = "https://idp.example.com/{tenant}";
    lab->issuer.keys[0].value = "https://idp.example.com/{tenant}/keys";
    pool = pool_of(lab, p);
    publish(lab, "https://idp.example.com/t1/keys", "a", p);
    publish(lab, "https://idp.example.com/t2/keys", "b", p);
    publish(lab, TWO, "c", p);
    maintain(pool, p);
    stamp = bearer_keypool_stamp(pool);
    assert_true(stamp != 0);
    assert_int_equal(bearer_keypool_get(pool, "t1", &wish, &set, NULL, p), BEARER_OK);
    wish.kind = BEARER_WISH_KID;
    wish.kid = "a";
    wish.since = APR_INT64_MAX;
    assert_int_equal(bearer_keypool_get(pool, "t1", &wish, &set, NULL, p), BEARER_OK);
    assert_int_equal(bearer_keypool_has(pool, "t1", set), 1);
    assert_int_equal(bearer_keypool_has(pool, "t2", set), 0);
    assert_true(bearer_keypool_stamp(pool) != stamp);
    bearer_jwks_release(set);
}

/* ---- a key replaced under the same name -------------------------------- */

static bearer_reason_t replaced(bearer_keypool_t *pool, apr_time_t issued,
                                bearer_jwks_t **set, apr_pool_t *p)
{
    bearer_wish_t wish = { BEARER_WISH_REPLACED, "a", issued, 0 };
    bearer_refusal_t why = { BEARER_OK, NULL };

    return bearer_keypool_get(pool, NULL, &wish, set, &why, p);
}

static void replaced_in(lab_t *lab, int requests, apr_pool_t *p)
{
    bearer_keypool_t *pool = pool_of(lab, p);
    apr_time_t began = atomic_load(&lab->now);
    bearer_jwks_t *set;

    publish(lab, ONE, "a", p);
    publish(lab, TWO, "b", p);
    maintain(pool, p);
    assert_int_equal(get(pool, &set, NULL, p), BEARER_OK);
    atomic_fetch_add(&lab->now, SECONDS(10));
    publish(lab, ONE, "b", p);
    publish(lab, TWO, "a", p);
    assert_int_equal(replaced(pool, began - SECONDS(1), &set, p), BEARER_SIGNATURE);
    assert_int_equal(unit_http_requests(lab->http), requests);
    assert_int_equal(replaced(pool, began + SECONDS(2), &set, p), BEARER_OK);
    assert_int_equal(unit_http_requests(lab->http), 2 * requests);
    /* held back by min, although issued later */
    atomic_fetch_add(&lab->now, SECONDS(10));
    publish(lab, ONE, "c", p);
    assert_int_equal(replaced(pool, began + SECONDS(15), &set, p), BEARER_SIGNATURE);
    /* the same limit as for an unknown kid */
    assert_int_equal(look_for(pool, "c", &set, NULL, p), BEARER_KEY);
    assert_int_equal(unit_http_requests(lab->http), 2 * requests);
    atomic_fetch_add(&lab->now, SECONDS(60));
    assert_int_equal(replaced(pool, began + SECONDS(79), &set, p), BEARER_OK);
    bearer_jwks_release(set);
}

static void test_replaced(void **state)
{
    apr_pool_t *p = unit_pool(state);

    replaced_in(lab_open(p), 1, p);
}

static void test_replaced_in_one_of_two(void **state)
{
    apr_pool_t *p = unit_pool(state);

    replaced_in(two_sources(p), 2, p);
}

static void test_replaced_cannot_be_fetched(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keypool_t *pool = pool_of(lab, p);
    bearer_jwks_t *set;

    publish(lab, ONE, "a", p);
    assert_int_equal(get(pool, &set, NULL, p), BEARER_OK);
    publish(lab, ONE, NULL, p);
    atomic_fetch_add(&lab->now, SECONDS(5));
    assert_int_equal(replaced(pool, atomic_load(&lab->now), &set, p), BEARER_SIGNATURE);
    assert_int_equal(bearer_jwks_names(set, "a"), 1);
    bearer_jwks_release(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_both),
        UNIT_TEST(test_cold),
        UNIT_TEST(test_a_cold_source_is_waited_for_briefly),
        UNIT_TEST(test_min_is_of_the_issuer),
        UNIT_TEST(test_one_fails),
        UNIT_TEST(test_newer_keys_are_there),
        UNIT_TEST(test_all_fail),
        UNIT_TEST(test_generation_follows_every_source),
        UNIT_TEST(test_keys_per_tenant),
        UNIT_TEST(test_replaced),
        UNIT_TEST(test_replaced_in_one_of_two),
        UNIT_TEST(test_replaced_cannot_be_fetched),
    };

    return UNIT_RUN("keypool", tests);
}
