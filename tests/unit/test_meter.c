/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Counters in shared memory. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bearer/meter.h"

#define T0 apr_time_from_sec(1000000)

static bearer_meter_t *meter_in(apr_pool_t *p)
{
    return bearer_meter_attach(apr_pcalloc(p, bearer_meter_size()), T0);
}

static bearer_meter_refusals_t refusals(const bearer_meter_t *meter, int slot,
                                        bearer_reason_t reason, apr_time_t now)
{
    bearer_meter_refusals_t out;

    bearer_meter_read_refusals(meter, slot, reason, now, &out);
    return out;
}

static void test_names_have_slots(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    int i, a = bearer_meter_slot(meter, "a");

    assert_int_equal(bearer_meter_slot(meter, ""), BEARER_METER_NONE);
    assert_int_not_equal(a, BEARER_METER_NONE);
    assert_int_equal(bearer_meter_slot(meter, "a"), a);
    assert_string_equal(bearer_meter_name(meter, a), "a");
    assert_null(bearer_meter_name(meter, a + 1));
    assert_null(bearer_meter_name(meter, -1));
    assert_null(bearer_meter_name(meter, BEARER_METER_ISSUERS));
    for (i = 0; i < 100; i++) {
        bearer_meter_slot(meter, apr_psprintf(unit_pool(state), "n%d", i));
    }
    assert_int_equal(bearer_meter_slot(meter, "late"), BEARER_METER_OTHERS);
    assert_int_equal(bearer_meter_slot(meter, "a"), a);
    assert_string_equal(bearer_meter_name(meter, BEARER_METER_OTHERS), "(others)");
}

static void test_long_names_are_cut(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    char name[200];
    int slot;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    slot = bearer_meter_slot(meter, name);
    assert_int_equal(bearer_meter_slot(meter, name), slot);
    assert_int_equal(strlen(bearer_meter_name(meter, slot)),
                     BEARER_METER_NAME - 1);
}

static void test_last_minute_and_hour(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    int a = bearer_meter_slot(meter, "a"), i;
    bearer_meter_refusals_t r;

    for (i = 0; i < 3; i++) {
        bearer_meter_refused(meter, a, BEARER_AUD, T0);
    }
    bearer_meter_refused(meter, a, BEARER_AUD, T0 + apr_time_from_sec(30));
    r = refusals(meter, a, BEARER_AUD, T0 + apr_time_from_sec(30));
    assert_true(r.total == 4 && r.minute == 4 && r.hour == 4);
    r = refusals(meter, a, BEARER_AUD, T0 + apr_time_from_sec(70));
    assert_true(r.total == 4 && r.minute == 1 && r.hour == 4);
    r = refusals(meter, a, BEARER_AUD, T0 + apr_time_from_sec(3 * 3600));
    assert_true(r.total == 4 && r.minute == 0 && r.hour == 0);
    /* a cell of an old period begins anew */
    bearer_meter_refused(meter, a, BEARER_AUD, T0 + apr_time_from_sec(60));
    r = refusals(meter, a, BEARER_AUD, T0 + apr_time_from_sec(60));
    assert_true(r.total == 5 && r.minute == 2 && r.hour == 5);
    r = refusals(meter, a, BEARER_EXP, T0);
    assert_true(r.total == 0);
    r = refusals(meter, BEARER_METER_NONE, BEARER_AUD, T0);
    assert_true(r.total == 0);
}

static void test_latency(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    int a = bearer_meter_slot(meter, "a");
    bearer_meter_latency_t l;

    bearer_meter_event(meter, a, BEARER_EVENT_INTROSPECTED, 5000);
    bearer_meter_event(meter, a, BEARER_EVENT_INTROSPECTED, 5001);
    bearer_meter_event(meter, a, BEARER_EVENT_INTROSPECTION_FAILED,
                       apr_time_from_sec(60));
    bearer_meter_event(meter, a, BEARER_EVENT_FETCHED, 7);
    bearer_meter_read_latency(meter, a, &l);
    assert_true(l.below[0] == 1 && l.below[1] == 2);
    assert_true(l.below[BEARER_METER_BUCKETS - 2] == 2);
    assert_true(l.below[BEARER_METER_BUCKETS - 1] == 3);
    assert_true(l.sum == 10001 + apr_time_from_sec(60));
    assert_true(bearer_meter_read_event(meter, a, BEARER_EVENT_FETCHED) == 1);
    assert_true(bearer_meter_read_event(meter, a, BEARER_EVENT_INTROSPECTED) == 2);
}

static void test_children(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    bearer_meter_cache_t one = { 1024, 10, 1000, 5, 4, 3 }, sum;
    int children;

    bearer_meter_child(meter, 77, &one, T0);
    bearer_meter_child(meter, 77 + BEARER_METER_CHILDREN, &one, T0);
    bearer_meter_child(meter, 77, &one, T0 + 1);
    bearer_meter_read_caches(meter, T0 + 2, &sum, &children);
    assert_int_equal(children, 2);
    assert_true(sum.entries == 2048 && sum.used == 20 && sum.bytes == 2000);
    assert_true(sum.hits == 15 && sum.misses == 12 && sum.evictions == 9);
    bearer_meter_read_caches(meter, T0 + 2 * BEARER_METER_SILENT, &sum, &children);
    assert_int_equal(children, 0);
    assert_true(sum.used == 0 && sum.hits == 15);
    /* the places of the silent ones are given away */
    for (children = 1; children <= BEARER_METER_CHILDREN; children++) {
        bearer_meter_child(meter, (apr_uint64_t)children, &one,
                           T0 + 2 * BEARER_METER_SILENT);
    }
    bearer_meter_read_caches(meter, T0 + 2 * BEARER_METER_SILENT, &sum, &children);
    assert_int_equal(children, BEARER_METER_CHILDREN);
}

static void test_no_meter_is_zero(void **state)
{
    bearer_meter_refusals_t r;
    bearer_meter_cache_t c = { 1, 1, 1, 1, 1, 1 };
    bearer_meter_latency_t l;
    int children;

    (void)state;
    bearer_meter_granted(NULL, 1);
    bearer_meter_refused(NULL, 1, BEARER_AUD, T0);
    bearer_meter_throttled(NULL);
    bearer_meter_event(NULL, 1, BEARER_EVENT_FETCHED, 1);
    bearer_meter_child(NULL, 1, &c, T0);
    bearer_meter_read_refusals(NULL, 1, BEARER_AUD, T0, &r);
    bearer_meter_read_caches(NULL, T0, &c, &children);
    bearer_meter_read_latency(NULL, 1, &l);
    assert_true(!r.total && !c.entries && !children && !l.sum);
    assert_int_equal(bearer_meter_slot(NULL, "a"), BEARER_METER_NONE);
    assert_true(bearer_meter_since(NULL) == 0);
}

/* Out of range counts nothing, wherever it would land. */
static void test_wrong_labels(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    int i;

    bearer_meter_refused(meter, 0, (bearer_reason_t)1000, T0);
    bearer_meter_refused(meter, 1000, BEARER_AUD, T0);
    bearer_meter_granted(meter, -1);
    bearer_meter_event(meter, 0, (bearer_event_t)1000, 1);
    for (i = 0; i < BEARER_METER_ISSUERS; i++) {
        assert_true(bearer_meter_read_granted(meter, i) == 0);
        assert_true(refusals(meter, i, BEARER_AUD, T0).total == 0);
    }
}

static void hammer(bearer_meter_t *meter)
{
    int slot = bearer_meter_slot(meter, "shared"), i;

    for (i = 0; i < 10000; i++) {
        bearer_meter_granted(meter, slot);
        bearer_meter_refused(meter, slot, BEARER_EXP, T0);
    }
}

static void test_processes_lose_nothing(void **state)
{
    void *block = mmap(NULL, bearer_meter_size(), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bearer_meter_t *meter = bearer_meter_attach(block, T0);
    int i, slot;

    (void)state;
    for (i = 0; i < 4; i++) {
        if (fork() == 0) {
            hammer(meter);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    slot = bearer_meter_slot(meter, "shared");
    assert_true(bearer_meter_read_granted(meter, slot) == 40000);
    assert_true(refusals(meter, slot, BEARER_EXP, T0).minute == 40000);
    assert_null(bearer_meter_name(meter, slot + 1));
    munmap(block, bearer_meter_size());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_names_have_slots),     UNIT_TEST(test_long_names_are_cut),
        UNIT_TEST(test_last_minute_and_hour), UNIT_TEST(test_latency),
        UNIT_TEST(test_children),             UNIT_TEST(test_no_meter_is_zero),
        UNIT_TEST(test_wrong_labels),         UNIT_TEST(test_processes_lose_nothing),
    };

    return UNIT_RUN("meter", tests);
}
