/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Who may still ask a server that does not answer. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/breaker.h"

#define NOW apr_time_from_sec(1000000)
#define SECOND apr_time_from_sec(1)
#define INTERVAL BEARER_BREAKER_INTERVAL

static bearer_breaker_pass_t ask(bearer_breaker_t *b, apr_time_t now)
{
    return bearer_breaker_ask(b, now, now + SECOND);
}

static void open_it(bearer_breaker_t *b, apr_time_t now)
{
    assert_int_equal(bearer_breaker_tell(b, ask(b, now), 0, now), 1);
    assert_true(bearer_breaker_is_open(b));
}

static void test_closed(void **state)
{
    bearer_breaker_t b = { 0 };
    int i;

    (void)state;
    for (i = 0; i < 100; i++) {
        assert_int_equal(ask(&b, NOW + i), BEARER_BREAKER_CLOSED);
        assert_int_equal(
            bearer_breaker_tell(&b, BEARER_BREAKER_CLOSED, 1, NOW + i), 0);
    }
    assert_false(bearer_breaker_is_open(&b));
}

/* The first failure is news, those of the others that were under way are not. */
static void test_opens_once(void **state)
{
    bearer_breaker_t b = { 0 };
    int i;

    (void)state;
    open_it(&b, NOW);
    for (i = 0; i < 10; i++) {
        assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_CLOSED, 0,
                                             NOW + SECOND / 2), 0);
    }
    /* nor do they put off the probe */
    assert_int_equal(ask(&b, NOW + INTERVAL), BEARER_BREAKER_PROBE);
}

static void test_one_probe_a_second(void **state)
{
    bearer_breaker_t b = { 0 };
    apr_time_t now;
    int probes = 0;

    (void)state;
    open_it(&b, NOW);
    for (now = NOW; now < NOW + 10 * SECOND; now += SECOND / 100) {
        bearer_breaker_pass_t pass = ask(&b, now);

        assert_int_not_equal(pass, BEARER_BREAKER_CLOSED);
        if (pass == BEARER_BREAKER_PROBE) {
            probes++;
            assert_int_equal(bearer_breaker_tell(&b, pass, 0, now), 0);
        }
    }
    assert_int_equal(probes, 9);
}

/* A probe that takes its time has no other beside it. */
static void test_slow_probe(void **state)
{
    bearer_breaker_t b = { 0 };
    apr_time_t now = NOW + INTERVAL, until = now + 5 * SECOND;

    (void)state;
    open_it(&b, NOW);
    assert_int_equal(bearer_breaker_ask(&b, now, until), BEARER_BREAKER_PROBE);
    assert_int_equal(bearer_breaker_ask(&b, until - 1, until - 1 + 5 * SECOND),
                     BEARER_BREAKER_OPEN);
    /* it has failed before its time: the next one is due after the interval */
    now += 2 * SECOND;
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_PROBE, 0, now), 0);
    assert_int_equal(ask(&b, now + INTERVAL - 1), BEARER_BREAKER_OPEN);
    assert_int_equal(ask(&b, now + INTERVAL), BEARER_BREAKER_PROBE);
    /* that one has died, or is stopped */
    now += INTERVAL + SECOND;
    assert_int_equal(ask(&b, now), BEARER_BREAKER_PROBE);
}

static void test_closes(void **state)
{
    bearer_breaker_t b = { 0 };

    (void)state;
    open_it(&b, NOW);
    /* a call of before says nothing about now */
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_CLOSED, 1, NOW), 0);
    assert_int_equal(ask(&b, NOW), BEARER_BREAKER_OPEN);
    assert_int_equal(ask(&b, NOW + INTERVAL), BEARER_BREAKER_PROBE);
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_PROBE, 1,
                                         NOW + INTERVAL), 1);
    assert_false(bearer_breaker_is_open(&b));
    assert_int_equal(ask(&b, NOW + INTERVAL), BEARER_BREAKER_CLOSED);
    /* it is as new */
    open_it(&b, NOW + 2 * INTERVAL);
    assert_int_equal(ask(&b, NOW + 3 * INTERVAL - 1), BEARER_BREAKER_OPEN);
    assert_int_equal(ask(&b, NOW + 3 * INTERVAL), BEARER_BREAKER_PROBE);
}

/* A false alarm is none; a true one opens the breaker. */
static void test_doubt(void **state)
{
    bearer_breaker_t b = { 0 };
    apr_time_t until = NOW + 3 * SECOND;

    (void)state;
    assert_int_equal(bearer_breaker_doubt(&b, NOW, until), BEARER_BREAKER_PROBE);
    assert_int_equal(bearer_breaker_doubt(&b, NOW, until), BEARER_BREAKER_OPEN);
    assert_int_equal(ask(&b, NOW), BEARER_BREAKER_OPEN);
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_PROBE, 1, NOW), 0);
    assert_int_equal(ask(&b, NOW), BEARER_BREAKER_CLOSED);
    assert_int_equal(bearer_breaker_doubt(&b, NOW, until), BEARER_BREAKER_PROBE);
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_PROBE, 0, NOW), 1);
    assert_true(bearer_breaker_is_open(&b));
    assert_int_equal(bearer_breaker_doubt(&b, NOW, until), BEARER_BREAKER_OPEN);
    assert_int_equal(ask(&b, NOW + INTERVAL), BEARER_BREAKER_PROBE);
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_PROBE, 1,
                                         NOW + INTERVAL), 1);
    /* who doubted has died */
    assert_int_equal(bearer_breaker_doubt(&b, NOW, until), BEARER_BREAKER_PROBE);
    assert_int_equal(ask(&b, until), BEARER_BREAKER_PROBE);
    assert_int_equal(ask(&b, until), BEARER_BREAKER_OPEN);
    assert_int_equal(bearer_breaker_tell(&b, BEARER_BREAKER_PROBE, 0, until), 1);
}

/* Calls that never end are noticed, once each. */
static void test_calls(void **state)
{
    bearer_calls_t calls;
    apr_time_t until = NOW + SECOND;
    int places[BEARER_CALLS], i, late;

    (void)state;
    memset(&calls, 0, sizeof(calls));
    for (i = 0; i < 1000; i++) {
        places[0] = bearer_calls_begin(&calls, NOW + i * SECOND,
                                       until + i * SECOND, &late);
        assert_true(places[0] >= 0);
        assert_int_equal(late, 0);
        bearer_place_give(calls.until, places[0], until + i * SECOND);
    }
    for (i = 0; i < BEARER_CALLS; i++) {
        places[i] = bearer_calls_begin(&calls, NOW + i, until + i, &late);
        assert_int_equal(places[i], i);
        assert_int_equal(late, 0);
    }
    assert_int_equal(bearer_calls_begin(&calls, NOW, until, &late), -1);
    assert_int_equal(late, 0);
    bearer_place_give(calls.until, -1, until);
    for (i = 1; i < BEARER_CALLS; i++) {
        bearer_place_give(calls.until, places[i], until + i);
    }
    i = bearer_calls_begin(&calls, until - 1, 2 * until, &late);
    assert_int_equal(late, 0);
    bearer_place_give(calls.until, i, 2 * until);
    i = bearer_calls_begin(&calls, until, 2 * until, &late);
    assert_int_equal(late, 1);
    bearer_place_give(calls.until, i, 2 * until);
    i = bearer_calls_begin(&calls, until, 2 * until, &late);
    assert_int_equal(late, 0);
    /* its end, after all, takes nobody else's place */
    bearer_place_give(calls.until, places[0], until);
    assert_true(atomic_load(&calls.until[i]) == 2 * until);
}

static void test_clock_set_back(void **state)
{
    bearer_breaker_t b = { 0 };
    apr_time_t before = NOW - apr_time_from_sec(3600);

    (void)state;
    open_it(&b, NOW);
    assert_int_equal(ask(&b, before), BEARER_BREAKER_PROBE);
    assert_int_equal(ask(&b, before), BEARER_BREAKER_OPEN);
    assert_int_equal(ask(&b, before + INTERVAL), BEARER_BREAKER_PROBE);
}

static void test_shared(void **state)
{
    bearer_breaker_t *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int i, status, probes = 0;

    (void)state;
    assert_ptr_not_equal(b, MAP_FAILED);
    open_it(b, NOW);
    for (i = 0; i < 8; i++) {
        if (fork() == 0) {
            int n = 0, j;

            for (j = 0; j < 1000; j++) {
                n += ask(b, NOW + INTERVAL) == BEARER_BREAKER_PROBE;
            }
            _exit(n);
        }
    }
    for (i = 0; i < 8; i++) {
        assert_true(wait(&status) > 0 && WIFEXITED(status));
        probes += WEXITSTATUS(status);
    }
    assert_int_equal(probes, 1);
    munmap(b, sizeof(*b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_closed), UNIT_TEST(test_opens_once),
        UNIT_TEST(test_one_probe_a_second), UNIT_TEST(test_slow_probe),
        UNIT_TEST(test_closes), UNIT_TEST(test_doubt),
        UNIT_TEST(test_calls), UNIT_TEST(test_clock_set_back),
        UNIT_TEST(test_shared)
    };

    return UNIT_RUN("breaker", tests);
}
