/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * AuthBearerThrottle: what counts, when a penalty runs, who is forgotten, and
 * that processes share it.
 */
#include "unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/throttle_inside.h"

#define T0 apr_time_from_sec(1767225600)
#define SECONDS(n) apr_time_from_sec(n)

/* what AuthBearerThrottle is by default */
static const bearer_throttle_settings_t defaults = {
    1, 20, SECONDS(60), SECONDS(60)
};

typedef struct fixture_t {
    apr_pool_t *p;
    unit_world_t *w;
    void *block;
    apr_size_t size;
    unsigned entries;
    bearer_throttle_t *t;
} fixture_t;

static fixture_t table(void **state, unsigned entries)
{
    fixture_t f;

    f.p = unit_pool(state);
    f.w = unit_world(f.p);
    f.entries = entries;
    f.size = bearer_throttle_size(entries);
    f.block = apr_pcalloc(f.p, f.size);
    assert_int_equal(bearer_throttle_attach(&f.t, f.block, f.size, entries,
                                            &f.w->world, f.p),
                     APR_SUCCESS);
    return f;
}

/* The n-th of many addresses. */
static const unsigned char *address(unsigned n)
{
    static unsigned char key[BEARER_THROTTLE_KEY_SIZE];
    char ip[16];

    snprintf(ip, sizeof(ip), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255,
             n & 255);
    assert_int_equal(bearer_throttle_address(key, ip), APR_SUCCESS);
    return key;
}

/* The n-th refused token (from 1) comes from the a-th address. */
static int fail_with(fixture_t *f, unsigned a, unsigned n,
                     const bearer_throttle_settings_t *settings,
                     apr_time_t now)
{
    const bearer_throttle_token_t token = { n, 7 };

    return bearer_throttle_failure(f->t, address(a), &token, BEARER_SIGNATURE,
                                   settings, now);
}

static int fail_by(fixture_t *f, unsigned a, unsigned n, apr_time_t now)
{
    return fail_with(f, a, n, &defaults, now);
}

static unsigned check(fixture_t *f, unsigned a, apr_time_t now)
{
    return bearer_throttle_check(f->t, address(a), now);
}

/* ---- addresses ----------------------------------------------------------- */

static void test_addresses(void **state)
{
    static const struct {
        const char *a, *b;
        int same;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", 1 },
        { "192.0.2.1", "192.0.2.2", 0 },
        { "192.0.2.1", "::ffff:192.0.2.1", 1 },
        { "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", 1 },
        { "2001:db8:1:2::1", "2001:db8:1:3::1", 0 },
        { "fe80::1%eth0", "fe80::1", 1 },
        { "::1", "127.0.0.1", 0 },
        { "::ffff:0:0", "::1", 0 },
    };
    static const char *const wrong[] = {
        "", "localhost", "192.0.2", "192.0.2.1.5", "192.0.2.1 ", "1::2::3",
        "2001:db8:1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:1:2:3:4:5:6", "%eth0",
    };
    unsigned char a[BEARER_THROTTLE_KEY_SIZE], b[BEARER_THROTTLE_KEY_SIZE];
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_int_equal(bearer_throttle_address(a, cases[i].a), APR_SUCCESS);
        assert_int_equal(bearer_throttle_address(b, cases[i].b), APR_SUCCESS);
        UNIT_CHECK((memcmp(a, b, sizeof(a)) == 0) == cases[i].same, "%s and %s",
                   cases[i].a, cases[i].b);
    }
    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        UNIT_CHECK(bearer_throttle_address(a, wrong[i]) == APR_EINVAL, "%s",
                   wrong[i]);
    }
    assert_int_equal(bearer_throttle_address(a, NULL), APR_EINVAL);
}

/* ---- counting ------------------------------------------------------------ */

static void test_nth_failure_starts_the_penalty(void **state)
{
    fixture_t f = table(state, 100);
    unsigned n;

    for (n = 1; n < 20; n++) {
        assert_int_equal(fail_by(&f, 1, n, T0 + n), 0);
        assert_int_equal(check(&f, 1, T0 + n), 0);
    }
    assert_int_equal(fail_by(&f, 1, 20, T0 + 20), 1);
    assert_int_equal(check(&f, 1, T0 + 20), 60);
    assert_int_equal(check(&f, 2, T0 + 20), 0);
    /* Retry-After is rounded up, and never 0 while the penalty runs */
    assert_int_equal(check(&f, 1, T0 + 20 + 1), 60);
    assert_int_equal(check(&f, 1, T0 + 20 + SECONDS(1)), 59);
    assert_int_equal(check(&f, 1, T0 + 20 + SECONDS(60) - 1), 1);
    assert_int_equal(check(&f, 1, T0 + 20 + SECONDS(60)), 0);
}

static void test_penalty_clears_the_count(void **state)
{
    const bearer_throttle_settings_t s = { 1, 3, SECONDS(60), SECONDS(5) };
    const apr_time_t later = T0 + SECONDS(6);
    fixture_t f = table(state, 100);

    fail_with(&f, 1, 1, &s, T0);
    fail_with(&f, 1, 2, &s, T0);
    assert_int_equal(fail_with(&f, 1, 3, &s, T0), 1);
    assert_int_equal(fail_with(&f, 1, 4, &s, later), 0);
    assert_int_equal(fail_with(&f, 1, 5, &s, later), 0);
    assert_int_equal(check(&f, 1, later), 0);
    assert_int_equal(fail_with(&f, 1, 6, &s, later), 1);
}

static void test_failures_during_a_penalty_do_not_count(void **state)
{
    const bearer_throttle_settings_t s = { 1, 2, SECONDS(60), SECONDS(10) };
    fixture_t f = table(state, 100);
    unsigned n;

    fail_with(&f, 1, 1, &s, T0);
    assert_int_equal(fail_with(&f, 1, 2, &s, T0), 1);
    for (n = 3; n < 10; n++) {
        assert_int_equal(fail_with(&f, 1, n, &s, T0 + SECONDS(5)), 0);
    }
    assert_int_equal(check(&f, 1, T0 + SECONDS(9)), 1);
    assert_int_equal(check(&f, 1, T0 + SECONDS(10)), 0);
    assert_int_equal(fail_with(&f, 1, 20, &s, T0 + SECONDS(10)), 0);
}

/* A window that began with the first failure would see 10 and 10. */
static void test_window_slides(void **state)
{
    fixture_t f = table(state, 100);
    unsigned n;

    fail_by(&f, 1, 100, T0);
    for (n = 1; n <= 10; n++) {
        assert_int_equal(fail_by(&f, 1, n, T0 + SECONDS(50)), 0);
    }
    for (n = 11; n <= 19; n++) {
        assert_int_equal(fail_by(&f, 1, n, T0 + SECONDS(70)), 0);
    }
    assert_int_equal(fail_by(&f, 1, 20, T0 + SECONDS(70)), 1);
}

static void test_window_ends(void **state)
{
    const bearer_throttle_settings_t s = { 1, 2, SECONDS(60), SECONDS(60) };
    fixture_t f = table(state, 100);

    fail_with(&f, 1, 1, &s, T0);
    assert_int_equal(fail_with(&f, 1, 2, &s, T0 + SECONDS(60)), 0);
    fail_with(&f, 2, 1, &s, T0);
    assert_int_equal(fail_with(&f, 2, 2, &s, T0 + SECONDS(60) - 1), 1);
}

static void test_threshold_of_one(void **state)
{
    const bearer_throttle_settings_t s = { 1, 1, SECONDS(1), SECONDS(3) };
    fixture_t f = table(state, 100);

    assert_int_equal(fail_with(&f, 1, 1, &s, T0), 1);
    assert_int_equal(check(&f, 1, T0), 3);
}

static void test_threshold_beyond_the_records(void **state)
{
    const bearer_throttle_settings_t s = { 1, 1000, SECONDS(60), SECONDS(60) };
    fixture_t f = table(state, 1);
    unsigned n;

    for (n = 1; n < 1000; n++) {
        UNIT_CHECK(fail_with(&f, 1, n, &s, T0 + n) == 0, "failure %u", n);
    }
    assert_int_equal(fail_with(&f, 1, 1000, &s, T0 + 1000), 1);
}

static void test_off(void **state)
{
    const bearer_throttle_settings_t off = { 0, 1, SECONDS(60), SECONDS(60) };
    const bearer_throttle_token_t token = { 1, 1 };
    fixture_t f = table(state, 100);
    bearer_reason_t reason = BEARER_OK;
    unsigned penalised, used;

    assert_int_equal(fail_with(&f, 1, 1, &off, T0), 0);
    bearer_throttle_stats(f.t, T0, &penalised, &used);
    assert_int_equal(used, 0);
    assert_int_equal(bearer_throttle_failure(NULL, address(1), &token,
                                             BEARER_KEY, &defaults, T0), 0);
    assert_int_equal(bearer_throttle_check(NULL, address(1), T0), 0);
    assert_int_equal(bearer_throttle_known_bad(NULL, address(1), &token,
                                               &defaults, T0, &reason), 0);
    bearer_throttle_success(NULL, address(1), T0);
    bearer_throttle_stats(NULL, T0, &penalised, &used);
    assert_int_equal(used, 0);
}

/* ---- the same token ------------------------------------------------------ */

static void test_same_token_counts_once(void **state)
{
    fixture_t f = table(state, 100);
    unsigned n, round;

    /* 19 clients behind one address, each trying its bad token on and on */
    for (round = 0; round < 50; round++) {
        for (n = 1; n <= 19; n++) {
            assert_int_equal(fail_by(&f, 1, n, T0 + SECONDS(round)), 0);
        }
    }
    assert_int_equal(fail_by(&f, 1, 20, T0 + SECONDS(51)), 1);
}

static void test_same_token_counts_again_after_the_window(void **state)
{
    const bearer_throttle_settings_t s = { 1, 2, SECONDS(60), SECONDS(60) };
    fixture_t f = table(state, 100);

    assert_int_equal(fail_with(&f, 1, 1, &s, T0), 0);
    /* repeated within the window, which is counted from the first time */
    assert_int_equal(fail_with(&f, 1, 1, &s, T0 + SECONDS(30)), 0);
    assert_int_equal(fail_with(&f, 1, 1, &s, T0 + SECONDS(61)), 0);
    assert_int_equal(fail_with(&f, 1, 2, &s, T0 + SECONDS(62)), 1);
}

static void test_credential_without_identity_counts_each_time(void **state)
{
    fixture_t f = table(state, 100);
    unsigned n;

    for (n = 1; n < 20; n++) {
        assert_int_equal(fail_by(&f, 1, 0, T0 + n), 0);
    }
    assert_int_equal(fail_by(&f, 1, 0, T0 + n), 1);
}

static int known(fixture_t *f, unsigned a, apr_uint64_t digest,
                 apr_uint64_t policy, apr_time_t now, bearer_reason_t *reason)
{
    const bearer_throttle_token_t token = { digest, policy };

    *reason = BEARER_INTERNAL;
    return bearer_throttle_known_bad(f->t, address(a), &token, &defaults, now,
                                     reason);
}

static void test_refused_from_memory(void **state)
{
    fixture_t f = table(state, 100);
    bearer_reason_t reason;

    assert_int_equal(known(&f, 1, 1, 7, T0, &reason), 0);
    fail_by(&f, 1, 1, T0);
    fail_by(&f, 1, 0, T0);
    assert_int_equal(known(&f, 1, 1, 7, T0 + 1, &reason), 1);
    assert_int_equal(reason, BEARER_SIGNATURE);
    assert_int_equal(known(&f, 1, 2, 7, T0 + 1, &reason), 0);
    assert_int_equal(known(&f, 2, 1, 7, T0 + 1, &reason), 0);
    assert_int_equal(known(&f, 1, 0, 7, T0 + 1, &reason), 0);
    assert_int_equal(reason, BEARER_INTERNAL);
    assert_int_equal(known(&f, 1, 1, 7, T0 + SECONDS(60), &reason), 0);
}

/* A token that one location refuses may be good at another one. */
static void test_memory_is_of_one_policy(void **state)
{
    const bearer_throttle_settings_t s = { 1, 2, SECONDS(60), SECONDS(60) };
    const bearer_throttle_token_t here = { 1, 7 }, there = { 1, 8 };
    fixture_t f = table(state, 100);
    bearer_reason_t reason;

    bearer_throttle_failure(f.t, address(1), &here, BEARER_CLIENTS, &s, T0);
    assert_int_equal(known(&f, 1, 1, 8, T0, &reason), 0);
    /* refused there too: known at both, counted once */
    assert_int_equal(bearer_throttle_failure(f.t, address(1), &there,
                                             BEARER_ISS, &s, T0), 0);
    assert_int_equal(known(&f, 1, 1, 7, T0, &reason), 1);
    assert_int_equal(reason, BEARER_CLIENTS);
    assert_int_equal(known(&f, 1, 1, 8, T0, &reason), 1);
    assert_int_equal(reason, BEARER_ISS);
    assert_int_equal(fail_with(&f, 1, 2, &s, T0), 1);
}

static void test_every_reason_is_remembered(void **state)
{
    const bearer_throttle_settings_t s = { 1, 1000, SECONDS(60), SECONDS(60) };
    fixture_t f = table(state, 100);
    bearer_reason_t reason;
    unsigned i;

    for (i = 1; i < BEARER_REASON_COUNT; i++) {
        const bearer_throttle_token_t token = { i, 7 };

        bearer_throttle_failure(f.t, address(1), &token, (bearer_reason_t)i,
                                &s, T0);
        if (i < 64) {
            UNIT_CHECK(known(&f, 1, i, 7, T0, &reason) && reason == i, "%s",
                       bearer_reason_name((bearer_reason_t)i));
        } else { /* judged again */
            UNIT_CHECK(!known(&f, 1, i, 7, T0, &reason), "%s",
                       bearer_reason_name((bearer_reason_t)i));
        }
    }
}

static void test_block_holds_no_digest(void **state)
{
    const bearer_throttle_token_t token = { UINT64_C(0x1122334455667788),
                                            UINT64_C(0x99aabbccddeeff01) };
    fixture_t f = table(state, 1);
    apr_uint32_t half;
    apr_size_t i;

    bearer_throttle_failure(f.t, address(1), &token, BEARER_KEY, &defaults, T0);
    for (i = 0; i + sizeof(half) <= f.size; i++) {
        memcpy(&half, (char *)f.block + i, sizeof(half));
        assert_int_not_equal(half, 0x11223344);
        assert_int_not_equal(half, 0x55667788);
    }
}

/* ---- success ------------------------------------------------------------- */

static void test_success_clears_the_count(void **state)
{
    fixture_t f = table(state, 100);
    bearer_reason_t reason;
    unsigned n;

    for (n = 1; n < 20; n++) {
        fail_by(&f, 1, n, T0);
    }
    bearer_throttle_success(f.t, address(2), T0);
    bearer_throttle_success(f.t, address(1), T0);
    for (n = 21; n < 40; n++) {
        assert_int_equal(fail_by(&f, 1, n, T0), 0);
    }
    /* what was refused is still known, and still counted once */
    assert_int_equal(known(&f, 1, 1, 7, T0, &reason), 1);
    assert_int_equal(fail_by(&f, 1, 1, T0), 0);
    assert_int_equal(fail_by(&f, 1, 40, T0), 1);
}

static void test_success_leaves_the_penalty(void **state)
{
    fixture_t f = table(state, 100);
    unsigned n;

    for (n = 1; n <= 20; n++) {
        fail_by(&f, 1, n, T0);
    }
    bearer_throttle_success(f.t, address(1), T0 + 1);
    assert_int_equal(check(&f, 1, T0 + 1), 60);
}

/* Counts that made room for others are cleared with the rest. */
static void test_success_clears_lost_records(void **state)
{
    const bearer_throttle_settings_t s = { 1, 300, SECONDS(60), SECONDS(60) };
    fixture_t f = table(state, 1);
    unsigned n;

    for (n = 1; n < 300; n++) {
        fail_with(&f, 1, n, &s, T0);
    }
    bearer_throttle_success(f.t, address(1), T0);
    for (n = 301; n < 600; n++) {
        assert_int_equal(fail_with(&f, 1, n, &s, T0), 0);
    }
    assert_int_equal(fail_with(&f, 1, 600, &s, T0), 1);
}

/* ---- who is forgotten ---------------------------------------------------- */

static void test_100000_penalties(void **state)
{
    const bearer_throttle_settings_t s = { 1, 1, SECONDS(60), SECONDS(60) };
    const unsigned many = 100000;
    fixture_t f = table(state, many);
    unsigned n, penalised, used;

    assert_true(f.size < 20 * 1024 * 1024);
    for (n = 0; n < many; n++) {
        UNIT_CHECK(fail_with(&f, n, 1, &s, T0 + n) == 1, "address %u", n);
    }
    /* as many again, with a failure each: they displace each other */
    for (n = 0; n < 2 * many; n++) {
        fail_by(&f, many + n, 1, T0 + many + n);
    }
    for (n = 0; n < many; n++) {
        UNIT_CHECK(check(&f, n, T0 + n + SECONDS(60) - 1) == 1, "address %u",
                   n);
    }
    bearer_throttle_stats(f.t, T0 + many, &penalised, &used);
    assert_int_equal(penalised, many);
    assert_in_range(used, many, 2 * many);
}

/* entries 1: one bucket, whose places are counted first. */
static unsigned fill_bucket(fixture_t *f, const bearer_throttle_settings_t *s,
                            apr_time_t now)
{
    unsigned n, penalised, used = 0;

    for (n = 0; used == n; n++) {
        fail_with(f, n, 1, s, now + n);
        bearer_throttle_stats(f->t, now, &penalised, &used);
    }
    return used;
}

static void test_longest_idle_goes_first(void **state)
{
    const bearer_throttle_settings_t s = { 1, 3, SECONDS(60), SECONDS(60) };
    const apr_time_t later = T0 + SECONDS(1);
    fixture_t f = table(state, 1);
    const unsigned places = fill_bucket(&f, &s, T0);

    /* One more than there are places was added: address 0 is gone. Address 1
     * would be next, but fails once more; so address 2 goes. */
    fail_with(&f, 1, 2, &s, later);
    fail_with(&f, places + 1, 1, &s, later);
    assert_int_equal(fail_with(&f, 1, 3, &s, later + 1), 1);
    fail_with(&f, 3, 2, &s, later + 1);
    assert_int_equal(fail_with(&f, 3, 3, &s, later + 1), 1);
    fail_with(&f, 2, 2, &s, later + 1);
    assert_int_equal(fail_with(&f, 2, 3, &s, later + 1), 0);
}

static void test_full_of_penalties(void **state)
{
    const bearer_throttle_settings_t s = { 1, 1, SECONDS(60), SECONDS(60) };
    fixture_t f = table(state, 1);
    const unsigned places = fill_bucket(&f, &s, T0);
    unsigned n;

    for (n = 0; n < places; n++) {
        UNIT_CHECK(check(&f, n, T0 + n) == 60, "address %u", n);
    }
    assert_int_equal(fail_with(&f, places, 1, &s, T0 + places), 0);
    assert_int_equal(check(&f, places, T0 + places), 0);
    /* when one is over there is room again */
    assert_int_equal(fail_with(&f, places, 1, &s, T0 + SECONDS(60)), 1);
}

/* Many addresses share a bucket's records: their counts hold all the same. */
static void test_counts_outlive_records(void **state)
{
    fixture_t f = table(state, 1);
    unsigned a, n;

    for (n = 1; n < 20; n++) {
        for (a = 0; a < 60; a++) {
            UNIT_CHECK(fail_by(&f, a, n, T0 + n) == 0, "address %u, %u", a, n);
        }
    }
    for (a = 0; a < 60; a++) {
        UNIT_CHECK(fail_by(&f, a, 20, T0 + 20) == 1, "address %u", a);
    }
}

/* ... and are over with the window. */
static void test_lost_records_grow_old(void **state)
{
    fixture_t f = table(state, 1);
    unsigned a, n;

    for (n = 1; n < 20; n++) {
        for (a = 0; a < 60; a++) {
            fail_by(&f, a, n, T0);
        }
    }
    for (n = 21; n < 40; n++) {
        for (a = 0; a < 60; a++) {
            UNIT_CHECK(fail_by(&f, a, n, T0 + SECONDS(60)) == 0,
                       "address %u, %u", a, n);
        }
    }
}

/* ---- clocks -------------------------------------------------------------- */

static void test_clock_set_back(void **state)
{
    const bearer_throttle_settings_t s = { 1, 2, SECONDS(60), SECONDS(60) };
    const apr_time_t before = T0 - SECONDS(3600);
    fixture_t f = table(state, 100);

    fail_with(&f, 1, 1, &s, T0);
    fail_with(&f, 1, 2, &s, T0);
    fail_with(&f, 2, 1, &s, T0);
    assert_int_equal(check(&f, 1, T0 - 10), 60);
    assert_int_equal(check(&f, 1, before), 0);
    assert_int_equal(fail_with(&f, 2, 2, &s, before), 0);
    assert_int_equal(fail_with(&f, 2, 3, &s, before), 1);
}

/* ---- the block ----------------------------------------------------------- */

static void test_penalty_survives_a_restart(void **state)
{
    fixture_t f = table(state, 100), g = f;
    bearer_reason_t reason;
    unsigned n;

    for (n = 1; n <= 20; n++) {
        fail_by(&f, 1, n, T0);
    }
    for (n = 1; n < 20; n++) {
        fail_by(&f, 2, n, T0);
    }
    g.w->next_random = 99;
    assert_int_equal(bearer_throttle_attach(&g.t, g.block, g.size, g.entries,
                                            &g.w->world, g.p),
                     APR_SUCCESS);
    assert_int_equal(check(&g, 1, T0), 60);
    assert_int_equal(known(&g, 2, 1, 7, T0, &reason), 1);
    assert_int_equal(fail_by(&g, 2, 20, T0), 1);
}

static apr_status_t no_random(void *baton, unsigned char *bytes, apr_size_t len)
{
    (void)baton;
    (void)bytes;
    (void)len;
    return APR_EGENERAL;
}

static void test_block_that_does_not_fit(void **state)
{
    fixture_t f = table(state, 1000);
    bearer_throttle_t *t = f.t;
    unsigned char *raw = apr_pcalloc(f.p, f.size + 8);

    assert_int_equal(bearer_throttle_attach(&t, f.block, f.size - 1, 1000,
                                            &f.w->world, f.p),
                     APR_EINVAL);
    assert_null(t);
    assert_int_equal(bearer_throttle_attach(&t, raw + 1, f.size, 1000,
                                            &f.w->world, f.p),
                     APR_EINVAL);
    assert_int_equal(bearer_throttle_attach(&t, NULL, f.size, 1000,
                                            &f.w->world, f.p),
                     APR_EINVAL);
    assert_int_equal(bearer_throttle_attach(&t, f.block, f.size, 500,
                                            &f.w->world, f.p),
                     APR_EMISMATCH);
    ((unsigned char *)f.block)[2] ^= 2; /* of another version */
    assert_int_equal(bearer_throttle_attach(&t, f.block, f.size, 1000,
                                            &f.w->world, f.p),
                     APR_EMISMATCH);
    f.w->world.random = no_random;
    assert_int_equal(bearer_throttle_attach(&t, raw, f.size, 1000,
                                            &f.w->world, f.p),
                     APR_EGENERAL);
    assert_null(t);
}

/* An upgrade goes on with penalties and counts, but has reasons of its own. */
static void test_reasons_of_another_version(void **state)
{
    fixture_t f = table(state, 1000);
    const bearer_throttle_token_t token = { 1, 7 };
    bearer_reason_t reason;
    unsigned n;

    for (n = 1; n <= 20; n++) {
        fail_by(&f, 1, n, T0);
        fail_by(&f, 2, n % 19 + 1, T0);
    }
    assert_true(bearer_throttle_known_bad(f.t, address(2), &token, &defaults, T0,
                                          &reason));
    ((unsigned char *)f.block)[0] += 1; /* one reason more than ours */
    assert_int_equal(bearer_throttle_attach(&f.t, f.block, f.size, 1000,
                                            &f.w->world, f.p),
                     APR_SUCCESS);
    assert_int_equal(check(&f, 1, T0 + SECONDS(59)), 1);
    assert_int_equal(check(&f, 2, T0), 0);
    assert_false(bearer_throttle_known_bad(f.t, address(2), &token, &defaults, T0,
                                           &reason));
    assert_true(fail_by(&f, 2, 20, T0));
}

/* Where addresses land differs from block to block. */
static void test_places_depend_on_the_secret(void **state)
{
    const unsigned entries = 100000;
    fixture_t f = table(state, entries), g;
    apr_size_t i, differ = 0;
    unsigned n;

    g = f;
    g.block = apr_pcalloc(g.p, g.size);
    g.w->next_random = 99;
    assert_int_equal(bearer_throttle_attach(&g.t, g.block, g.size, entries,
                                            &g.w->world, g.p),
                     APR_SUCCESS);
    for (n = 0; n < 10; n++) {
        fail_by(&f, n, 1, T0);
        fail_by(&g, n, 1, T0);
    }
    for (i = 0; i + 4096 <= f.size; i += 4096) {
        differ += memcmp((char *)f.block + i, (char *)g.block + i, 4096) != 0;
    }
    assert_true(differ >= 12);
}

/* ---- processes ----------------------------------------------------------- */

static fixture_t shared_table(void **state, unsigned entries)
{
    fixture_t f;

    f.p = unit_pool(state);
    f.w = unit_world(f.p);
    f.entries = entries;
    f.size = bearer_throttle_size(entries);
    f.block = mmap(NULL, f.size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(f.block, MAP_FAILED);
    assert_int_equal(bearer_throttle_attach(&f.t, f.block, f.size, entries,
                                            &f.w->world, f.p),
                     APR_SUCCESS);
    return f;
}

static void test_processes_count_together(void **state)
{
    fixture_t f = shared_table(state, 100);
    unsigned n;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        for (n = 1; n <= 10; n++) {
            fail_by(&f, 1, n, T0);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    for (n = 11; n < 20; n++) {
        assert_int_equal(fail_by(&f, 1, n, T0), 0);
    }
    assert_int_equal(fail_by(&f, 1, 20, T0), 1);
    munmap(f.block, f.size);
}

static void test_flag_of_the_dead(void **state)
{
    const bearer_throttle_settings_t s = { 1, 2, SECONDS(60), SECONDS(60) };
    const apr_time_t over = T0 + BEARER_THROTTLE_HOLD + 2;
    fixture_t f = table(state, 1);
    bucket_t *only = (bucket_t *)((char *)f.block + f.size) - 1;
    bearer_reason_t reason;

    fail_with(&f, 1, 1, &s, T0);
    fail_with(&f, 2, 1, &s, T0);
    fail_with(&f, 2, 2, &s, T0);
    assert_int_equal(bearer_bucket_take(only, T0), 1);
    assert_int_equal(bearer_bucket_take(only, T0), 0);
    /* nobody waits; penalties are seen all the same */
    assert_int_equal(fail_with(&f, 1, 2, &s, T0 + 1), 0);
    assert_int_equal(known(&f, 1, 1, 7, T0 + 1, &reason), 0);
    assert_int_equal(check(&f, 2, T0 + 1), 60);
    /* and soon everything is as before */
    assert_int_equal(known(&f, 1, 1, 7, over, &reason), 1);
    assert_int_equal(fail_with(&f, 1, 2, &s, over), 1);
}

/* Children die anywhere; the table goes on. */
static void test_killed_processes(void **state)
{
    const bearer_throttle_settings_t s = { 1, 5, SECONDS(60), SECONDS(1) };
    fixture_t f = shared_table(state, 1);
    apr_time_t now = T0;
    unsigned a, n, round;

    for (round = 0; round < 20; round++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            for (n = 1;; n++) {
                fail_with(&f, n % 100, n, &s, now + n);
                bearer_throttle_success(f.t, address(n * 7 % 100), now + n);
            }
        }
        for (n = 1; n < 2000 * (round % 4 + 1); n++) {
            fail_with(&f, n % 100, n << 20, &s, now + n);
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        now += SECONDS(1000);
        for (a = 200; a < 210; a++) {
            for (n = 1; n < 5; n++) {
                assert_int_equal(fail_with(&f, a, n, &s, now), 0);
            }
            assert_int_equal(fail_with(&f, a, n, &s, now), 1);
            assert_int_equal(check(&f, a, now), 1);
        }
        now += SECONDS(1000);
    }
    munmap(f.block, f.size);
}

/* ---- one bucket ----------------------------------------------------------- */

/* A client of IPv6 is counted as its /64, in a place that another had before. */
static void test_ipv6(void **state)
{
    fixture_t f = table(state, 1);
    unsigned char a[BEARER_THROTTLE_KEY_SIZE], b[BEARER_THROTTLE_KEY_SIZE];
    unsigned n;

    assert_int_equal(bearer_throttle_address(a, "2001:db8:1:2::1"), APR_SUCCESS);
    assert_int_equal(bearer_throttle_address(b, "2001:db8:1:3::1"), APR_SUCCESS);
    for (n = 1; n <= 20; n++) {
        const bearer_throttle_token_t token = { n, 7 };

        assert_int_equal(bearer_throttle_failure(f.t, a, &token, BEARER_SIGNATURE,
                                                 &defaults, T0), n == 20);
    }
    assert_int_equal(bearer_throttle_check(f.t, a, T0), 60);
    assert_int_equal(bearer_throttle_check(f.t, b, T0), 0);
    assert_true(bearer_throttle_remembers(f.t, a));
    assert_false(bearer_throttle_remembers(f.t, b));
}

/* Who sends one bad token after the other displaces its own, and not those by which
 * another's token is known to be bad. */
static void test_a_flood_displaces_its_own(void **state)
{
    bearer_throttle_settings_t settings = defaults;
    bearer_reason_t reason;
    unsigned n, late;

    settings.threshold = 100000;
    for (late = 0; late < 2; late++) {  /* whichever has the first place */
        fixture_t f = table(state, 1);

        if (late) {
            fail_with(&f, 2, 999, &settings, T0);
        }
        for (n = 1; n <= 3; n++) {
            fail_with(&f, 1, n, &settings, T0 + n);
        }
        for (n = 1000; n < 3000; n++) {
            fail_with(&f, 2, n, &settings, T0 + n);
        }
        for (n = 1; n <= 3; n++) {
            const bearer_throttle_token_t token = { n, 7 };

            UNIT_CHECK(bearer_throttle_known_bad(f.t, address(1), &token, &settings,
                                                 T0 + 3000, &reason), "%u, %u", late, n);
            assert_int_equal(reason, BEARER_SIGNATURE);
        }
    }
}

static int is_remembered(fixture_t *f, unsigned a, unsigned n,
                         const bearer_throttle_settings_t *settings)
{
    const bearer_throttle_token_t token = { n, 7 };
    bearer_reason_t reason;

    return bearer_throttle_known_bad(f->t, address(a), &token, settings,
                                     T0 + SECONDS(1), &reason);
}

/* In a full bucket: who has less than half of it displaces the oldest of all, who has
 * half the oldest of its own. */
static void test_half_of_the_records(void **state)
{
    const unsigned half = 64;
    bearer_throttle_settings_t settings = defaults;
    fixture_t f = table(state, 1);
    unsigned n;

    settings.threshold = 100000;
    for (n = 0; n < half + 1; n++) {
        fail_with(&f, 1, 1 + n, &settings, T0 + n);
    }
    for (n = 0; n < half - 1; n++) {
        fail_with(&f, 2, 1001 + n, &settings, T0 + 1000 + n);
    }
    assert_true(is_remembered(&f, 1, 1, &settings));
    fail_with(&f, 2, 2001, &settings, T0 + 2001);
    assert_false(is_remembered(&f, 1, 1, &settings));
    assert_true(is_remembered(&f, 2, 1001, &settings));
    fail_with(&f, 2, 2002, &settings, T0 + 2002);
    assert_false(is_remembered(&f, 2, 1001, &settings));
    assert_true(is_remembered(&f, 1, 2, &settings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_addresses),
        UNIT_TEST(test_nth_failure_starts_the_penalty),
        UNIT_TEST(test_penalty_clears_the_count),
        UNIT_TEST(test_failures_during_a_penalty_do_not_count),
        UNIT_TEST(test_window_slides),
        UNIT_TEST(test_window_ends),
        UNIT_TEST(test_threshold_of_one),
        UNIT_TEST(test_threshold_beyond_the_records),
        UNIT_TEST(test_off),
        UNIT_TEST(test_same_token_counts_once),
        UNIT_TEST(test_same_token_counts_again_after_the_window),
        UNIT_TEST(test_credential_without_identity_counts_each_time),
        UNIT_TEST(test_refused_from_memory),
        UNIT_TEST(test_memory_is_of_one_policy),
        UNIT_TEST(test_every_reason_is_remembered),
        UNIT_TEST(test_block_holds_no_digest),
        UNIT_TEST(test_success_clears_the_count),
        UNIT_TEST(test_success_leaves_the_penalty),
        UNIT_TEST(test_success_clears_lost_records),
        UNIT_TEST(test_100000_penalties),
        UNIT_TEST(test_longest_idle_goes_first),
        UNIT_TEST(test_full_of_penalties),
        UNIT_TEST(test_counts_outlive_records),
        UNIT_TEST(test_lost_records_grow_old),
        UNIT_TEST(test_clock_set_back),
        UNIT_TEST(test_penalty_survives_a_restart),
        UNIT_TEST(test_block_that_does_not_fit),
        UNIT_TEST(test_reasons_of_another_version),
        UNIT_TEST(test_places_depend_on_the_secret),
        UNIT_TEST(test_processes_count_together),
        UNIT_TEST(test_flag_of_the_dead),
        UNIT_TEST(test_killed_processes),
        UNIT_TEST(test_ipv6),
        UNIT_TEST(test_a_flood_displaces_its_own),
        UNIT_TEST(test_half_of_the_records),
    };

    return UNIT_RUN("throttle", tests);
}
