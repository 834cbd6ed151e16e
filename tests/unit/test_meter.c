/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Counters in shared memory. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "state/meter_inside.h"

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
    assert_string_equal(bearer_meter_label(meter, a), "a");
    assert_null(bearer_meter_label(meter, a + 1));
    assert_null(bearer_meter_label(meter, -1));
    assert_null(bearer_meter_label(meter, BEARER_METER_SLOTS));
    for (i = 0; i < 100; i++) {
        bearer_meter_slot(meter, apr_psprintf(unit_pool(state), "n%d", i));
    }
    assert_int_equal(bearer_meter_slot(meter, "late"), BEARER_METER_OTHERS);
    assert_int_equal(bearer_meter_slot(meter, "a"), a);
    assert_string_equal(bearer_meter_label(meter, BEARER_METER_OTHERS), "(others)");
}

static char *long_name(char last, apr_pool_t *p)
{
    char *name = apr_pcalloc(p, 201);

    memset(name, 'x', 199);
    name[199] = last;
    return name;
}

/* Cut alike, and yet two labels. */
static void test_long_names_are_told_apart(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_meter_t *meter = meter_in(p);
    int a = bearer_meter_slot(meter, long_name('a', p));
    int b = bearer_meter_slot(meter, long_name('b', p));
    const char *label = bearer_meter_label(meter, a);

    assert_int_not_equal(a, b);
    assert_int_equal(bearer_meter_slot(meter, long_name('a', p)), a);
    assert_int_equal(strlen(label), BEARER_METER_LABEL - 1);
    assert_int_equal(label[BEARER_METER_LABEL - 1 - 17], '~');
    assert_int_equal(strncmp(label, bearer_meter_label(meter, b),
                             BEARER_METER_LABEL - 1 - 16), 0);
}

static void test_no_character_is_cut(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_meter_t *meter = meter_in(p);
    char *name = long_name('a', p);
    const char *label;

    memcpy(name + BEARER_METER_LABEL - 1 - 18, "\xc3\xa4", 2);
    label = bearer_meter_label(meter, bearer_meter_slot(meter, name));
    assert_true(bearer_text_is_utf8(label, strlen(label)));
}

/* The bound is the documented one; who comes later is counted with the others. */
static void test_named_issuers(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_meter_t *meter = meter_in(p);
    int i, slot = 0;

    for (i = 0; i < BEARER_METER_NAMED; i++) {
        slot = bearer_meter_slot(meter, apr_psprintf(p, "n%d", i));
        assert_int_equal(slot, i + 1);
    }
    assert_null(bearer_meter_label(meter, BEARER_METER_OTHERS));
    assert_int_equal(bearer_meter_slot(meter, "one more"), BEARER_METER_OTHERS);
    bearer_meter_granted(meter, slot);
    bearer_meter_granted(meter, BEARER_METER_OTHERS);
    assert_true(bearer_meter_read_granted(meter, slot) == 1);
}

/* An issuer with the name of the last slot gets no second one of that label. */
static void test_named_like_the_others(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));

    assert_int_equal(bearer_meter_slot(meter, "(others)"), BEARER_METER_OTHERS);
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
    bearer_meter_read_caches(meter, T0 + 2, NULL, &sum, &children);
    assert_int_equal(children, 2);
    assert_true(sum.entries == 2048 && sum.used == 20 && sum.bytes == 2000);
    assert_true(sum.hits == 15 && sum.misses == 12 && sum.evictions == 9);
    bearer_meter_read_caches(meter, T0 + 2 * BEARER_METER_SILENT, NULL, &sum, &children);
    assert_int_equal(children, 0);
    assert_true(sum.used == 0 && sum.hits == 15);
    /* the places of the silent ones are given away */
    for (children = 1; children <= BEARER_METER_CHILDREN; children++) {
        bearer_meter_child(meter, (apr_uint64_t)children, &one,
                           T0 + 2 * BEARER_METER_SILENT);
    }
    bearer_meter_read_caches(meter, T0 + 2 * BEARER_METER_SILENT, NULL, &sum, &children);
    assert_int_equal(children, BEARER_METER_CHILDREN);
}

static int is_even(apr_uint64_t pid)
{
    return pid % 2 == 0;
}

/* One said that it ends, one was killed: what both counted stays. */
static void test_ended_children(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    bearer_meter_cache_t one = { 1024, 10, 1000, 5, 4, 3 }, sum;
    int children;

    bearer_meter_child(meter, 2, &one, T0);
    bearer_meter_child(meter, 3, &one, T0);
    bearer_meter_child(meter, 4, &one, T0);
    bearer_meter_child_ended(meter, 4);
    bearer_meter_child_ended(meter, 5);
    bearer_meter_read_caches(meter, T0, is_even, &sum, &children);
    assert_int_equal(children, 1);
    assert_true(sum.entries == 1024 && sum.used == 10 && sum.bytes == 1000);
    assert_true(sum.hits == 15 && sum.misses == 12 && sum.evictions == 9);
    /* a pid that comes again is a child again */
    bearer_meter_child(meter, 4, &one, T0);
    bearer_meter_read_caches(meter, T0, is_even, &sum, &children);
    assert_int_equal(children, 2);
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
    bearer_meter_read_caches(NULL, T0, NULL, &c, &children);
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
    for (i = 0; i < BEARER_METER_SLOTS; i++) {
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
    assert_null(bearer_meter_label(meter, slot + 1));
    munmap(block, bearer_meter_size());
}

/* Who died while it named a place has it for ever; the others go on without it. */
static void test_a_name_that_is_never_ready(void **state)
{
    bearer_meter_t *meter = meter_in(unit_pool(state));
    int first = bearer_meter_slot(meter, "a"), other;
    const char *label = bearer_meter_label(meter, first);
    /* the state stands before the name */
    atomic_int *place = (atomic_int *)(apr_uintptr_t)(label - sizeof(atomic_int));
    apr_time_t begun = apr_time_now();

    assert_int_equal(atomic_load(place), 2);
    atomic_store(place, 1);
    other = bearer_meter_slot(meter, "a");
    assert_int_not_equal(other, first);
    assert_string_equal(bearer_meter_label(meter, other), "a");
    assert_true(apr_time_now() - begun < apr_time_from_sec(60));
}

/* ---- another version's --------------------------------------------------- */

/* A word of a block of version 0.1.0: 32 slots of 1553 words, of which 9 are before
 * the counters, behind 5 words. */
static apr_uint64_t *word_0_1(apr_uint64_t *block, int slot, int word)
{
    return block + 5 + slot * 1553 + 9 + word;
}

static void name_0_1(apr_uint64_t *block, int slot, const char *name)
{
    char *at = (char *)(block + 5 + slot * 1553);
    int named = 2;

    memcpy(at, &named, sizeof(named));
    strcpy(at + sizeof(named), name);
}

static void test_counters_of_0_1_go_on(void **state)
{
    apr_pool_t *p = unit_pool(state);
    apr_uint64_t *old = apr_pcalloc(p, BEARER_METER_0_1_SIZE);
    bearer_meter_t *meter = meter_in(p);
    bearer_meter_latency_t latency;
    bearer_meter_refusals_t seen;
    int slot;

    old[0] = (apr_uint64_t)T0 - 1000;               /* since */
    old[1] = 7;                                     /* throttled */
    name_0_1(old, 0, "");
    name_0_1(old, 3, "main");
    *word_0_1(old, 3, 0) = 11;                      /* granted */
    *word_0_1(old, 3, 1) = 2;                       /* BEARER_EVENT_FETCHED */
    *word_0_1(old, 3, 6) = 3;                       /* BEARER_EVENT_ANSWER_KEPT */
    *word_0_1(old, 3, 7) = 4;                       /* the lowest latency */
    *word_0_1(old, 3, 18) = 4000;                   /* its sum */
    *word_0_1(old, 3, 19 + 60 * 25) = 5;            /* "internal", the last reason */
    *word_0_1(old, 3, 19 + 18 * 25) = 6;            /* "aud" */
    *word_0_1(old, 3, 19 + 18 * 25 + 1 + T0 / apr_time_from_sec(5) % 12) =
        (apr_uint64_t)(T0 / apr_time_from_sec(5)) << 32 | 1;
    *word_0_1(old, 5, 0) = 99;                      /* no name: no counter */

    bearer_meter_take_over(meter, old, BEARER_METER_0_1);
    slot = bearer_meter_slot(meter, "main");
    assert_int_equal(bearer_meter_since(meter), T0 - 1000);
    assert_int_equal(bearer_meter_read_throttled(meter), 7);
    assert_int_equal(bearer_meter_read_granted(meter, slot), 11);
    assert_int_equal(bearer_meter_read_event(meter, slot, BEARER_EVENT_FETCHED), 2);
    assert_int_equal(bearer_meter_read_event(meter, slot, BEARER_EVENT_ANSWER_KEPT), 3);
    assert_int_equal(bearer_meter_read_event(meter, slot, BEARER_EVENT_NO_PLACE), 0);
    bearer_meter_read_latency(meter, slot, &latency);
    assert_int_equal(latency.below[0], 4);
    assert_int_equal(latency.sum, 4000);
    assert_int_equal(refusals(meter, slot, BEARER_INTERNAL, T0).total, 5);
    seen = refusals(meter, slot, BEARER_AUD, T0);
    assert_int_equal(seen.total, 6);
    assert_int_equal(seen.minute, 1);
    assert_int_equal(refusals(meter, slot, BEARER_AUD_TYPE, T0).total, 0);
    assert_null(bearer_meter_label(meter, 2));
}

/* A block that says how it is laid out: here one with its reasons in another order. */
static void test_counters_go_on_by_name(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_meter_t *old = meter_in(p), *meter = meter_in(p);
    meter_shape_t *shape = (meter_shape_t *)old;
    int slot = bearer_meter_slot(old, "main");

    bearer_meter_granted(old, slot);
    bearer_meter_refused(old, slot, BEARER_AUD, T0);
    bearer_meter_refused(old, slot, BEARER_SCOPE, T0);
    bearer_meter_refused(old, slot, (bearer_reason_t)0, T0);
    strcpy(shape->names[0], "exp");
    strcpy(shape->names[BEARER_AUD], "scope");
    strcpy(shape->names[BEARER_SCOPE], "of_the_future");
    assert_int_equal(bearer_meter_slot(meter, "other"), 1);
    bearer_meter_take_over(meter, old, BEARER_METER_LATER);
    slot = bearer_meter_slot(meter, "main");
    assert_int_equal(bearer_meter_read_granted(meter, slot), 1);
    assert_int_equal(refusals(meter, slot, BEARER_AUD, T0).total, 0);
    assert_int_equal(refusals(meter, slot, BEARER_SCOPE, T0).total, 1);
    assert_int_equal(refusals(meter, slot, BEARER_SCOPE, T0).minute, 1);
    assert_int_equal(refusals(meter, slot, BEARER_EXP, T0).total, 1);
    shape->magic++;
    bearer_meter_take_over(meter, old, BEARER_METER_LATER);
    assert_int_equal(bearer_meter_read_granted(meter, slot), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_names_have_slots),
        UNIT_TEST(test_long_names_are_told_apart),
        UNIT_TEST(test_no_character_is_cut),
        UNIT_TEST(test_named_issuers),
        UNIT_TEST(test_named_like_the_others),
        UNIT_TEST(test_last_minute_and_hour),
        UNIT_TEST(test_latency),
        UNIT_TEST(test_children),
        UNIT_TEST(test_ended_children),
        UNIT_TEST(test_no_meter_is_zero),
        UNIT_TEST(test_wrong_labels),
        UNIT_TEST(test_processes_lose_nothing),
        UNIT_TEST(test_a_name_that_is_never_ready),
        UNIT_TEST(test_counters_of_0_1_go_on),
        UNIT_TEST(test_counters_go_on_by_name),
    };

    return UNIT_RUN("meter", tests);
}
