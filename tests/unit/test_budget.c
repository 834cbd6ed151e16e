/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* How often somebody else may be called. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/budget.h"

#define NOW apr_time_from_sec(1000000)
#define LATER (NOW + apr_time_from_sec(10))

static int begin(bearer_budget_t *b, apr_time_t now, apr_time_t until)
{
    return bearer_budget_begin(b, BEARER_BUDGET_FLYING, now, until);
}

/* Calls that are let in at that time, each over at once. */
static int calls(bearer_budget_t *b, apr_time_t now, int wanted)
{
    int n = 0;

    for (; wanted > 0; wanted--) {
        apr_time_t until = now + apr_time_from_sec(10);
        int place = begin(b, now, until);

        if (place >= 0) {
            n++;
            bearer_place_give(b->flying, place, until);
        }
    }
    return n;
}

static void test_rate(void **state)
{
    bearer_budget_t b = { 0 };
    apr_time_t now = NOW;

    (void)state;
    assert_int_equal(calls(&b, now, 1000), BEARER_BUDGET_AT_ONCE);
    now += BEARER_BUDGET_EACH - 1;
    assert_int_equal(calls(&b, now, 1000), 0);
    assert_int_equal(calls(&b, now + 1, 1000), 1);
    assert_int_equal(calls(&b, now + 1 + 7 * BEARER_BUDGET_EACH, 1000), 7);
    /* nothing is saved up beyond what may be called at once */
    now += apr_time_from_sec(86400);
    assert_int_equal(calls(&b, now, 1000), BEARER_BUDGET_AT_ONCE);
}

/* What the clients do in the meantime costs nothing. */
static void test_refused_is_free(void **state)
{
    bearer_budget_t b = { 0 };

    (void)state;
    calls(&b, NOW, 100000);
    assert_int_equal(calls(&b, NOW + 3 * BEARER_BUDGET_EACH, 1000), 3);
}

static void test_under_way(void **state)
{
    bearer_budget_t b = { 0 };
    int places[BEARER_BUDGET_FLYING], i, j;

    (void)state;
    for (i = 0; i < BEARER_BUDGET_FLYING; i++) {
        places[i] = begin(&b, NOW, LATER);
        assert_in_range(places[i], 0, BEARER_BUDGET_FLYING - 1);
        for (j = 0; j < i; j++) {
            assert_int_not_equal(places[i], places[j]);
        }
    }
    assert_int_equal(begin(&b, NOW, LATER), -1);
    bearer_place_give(b.flying, places[3], LATER);
    assert_int_equal(begin(&b, NOW, LATER), places[3]);
    assert_int_equal(begin(&b, LATER - 1, LATER + 1), -1);
    /* a call for which there was no place has cost nothing: the rest is there */
    bearer_place_give(b.flying, places[0], LATER);
    assert_int_equal(calls(&b, NOW, 1000),
                     BEARER_BUDGET_AT_ONCE - BEARER_BUDGET_FLYING - 1);
    assert_int_equal(begin(&b, NOW, LATER), -1);
    /* who died under way holds nothing for ever */
    assert_in_range(begin(&b, LATER, LATER + 1), 0,
                    BEARER_BUDGET_FLYING - 1);
}

/* Who comes back after his time frees no place that is another's by now. */
static void test_late(void **state)
{
    bearer_budget_t b = { 0 };
    int place = bearer_budget_begin(&b, 1, NOW, LATER);

    (void)state;
    assert_int_equal(place, 0);
    assert_int_equal(bearer_budget_begin(&b, 1, LATER, LATER + 10), 0);
    bearer_place_give(b.flying, place, LATER);
    assert_int_equal(bearer_budget_begin(&b, 1, LATER, LATER + 10), -1);
    bearer_place_give(b.flying, place, LATER + 10);
    assert_int_equal(bearer_budget_begin(&b, 1, LATER, LATER + 10), 0);
}

/* A server with few workers has others to serve. */
static void test_fewer_under_way(void **state)
{
    bearer_budget_t b = { 0 };

    (void)state;
    assert_int_not_equal(bearer_budget_begin(&b, 2, NOW, LATER), -1);
    assert_int_not_equal(bearer_budget_begin(&b, 2, NOW, LATER), -1);
    assert_int_equal(bearer_budget_begin(&b, 2, NOW, LATER), -1);
    assert_int_not_equal(bearer_budget_begin(&b, 1000, NOW, LATER), -1);
}

/* A clock that was wrong for a while does not stop anything. */
static void test_clock_set_back(void **state)
{
    bearer_budget_t b = { 0 };

    (void)state;
    calls(&b, NOW + apr_time_from_sec(86400), 1000);
    assert_int_equal(calls(&b, NOW, 1000), BEARER_BUDGET_AT_ONCE);
    assert_int_equal(calls(&b, NOW, 1000), 0);
}

/* Children that share it have one budget together. */
static void test_shared(void **state)
{
    bearer_budget_t *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int i, status, sum = 0;
    pid_t pids[4];

    (void)state;
    assert_ptr_not_equal(b, MAP_FAILED);
    for (i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            _exit(calls(b, NOW, 20000));
        }
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        sum += WEXITSTATUS(status);
    }
    assert_int_equal(sum, BEARER_BUDGET_AT_ONCE);
    munmap(b, sizeof(*b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_rate), UNIT_TEST(test_refused_is_free),
        UNIT_TEST(test_under_way), UNIT_TEST(test_fewer_under_way),
        UNIT_TEST(test_late), UNIT_TEST(test_clock_set_back),
        UNIT_TEST(test_shared)
    };

    return UNIT_RUN("budget", tests);
}
