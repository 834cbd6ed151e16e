/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A process that is killed while it changes the table, at any instruction: the
 * process is led through each kind of change one instruction at a time, and
 * whenever the memory is another than before, a copy of it is what the others
 * would find. In each copy every record must be as it was before the change or as
 * it is after it, and everything must work. Where processes may not be traced, the
 * tests are skipped; tests/unit/stress_table.c kills at random.
 *
 * With BEARER_EVERY_STATE in the environment each state is looked at, else one in
 * SOME, which ones depends on the process.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu() */
#endif
#include "unit.h"
#include "unit_table.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (64 * 1024)
#define RECORDS 80
#define NEW_RECORD 70
#define EXPIRED 60
#define MARK 50
#define ATTEMPTS 1000 /* and so many, when they are many */
#define SOME 48

/* ---- the table and what is in it ----------------------------------------- */

/** What was prepared last: the same again costs no instructions, of which each takes
 *  its time below. */
static struct {
    unsigned n, version;
    apr_size_t len;
    unsigned char key[32], value[BEARER_TABLE_VALUE];
    bearer_owners_t owners;
} last;

static const unsigned char *prepare(unsigned n, unsigned version, apr_size_t len)
{
    if (last.n != n || last.version != version || last.len != len) {
        last.n = n;
        last.version = version;
        last.len = len;
        last.owners = table_owned_by(1 + n / 2, 100 + n % 5, 1 + n % 3);
        table_key(last.key, n);
        table_value(last.value, len, n, version);
    }
    return last.key;
}

static apr_status_t put(bearer_table_t *t, unsigned n, bearer_kept_t kind,
                        apr_size_t len, unsigned version, apr_time_t expires)
{
    const unsigned char *key = prepare(n, version, len);
    const bearer_cache_entry_t entry = {
        kind, last.value, len, expires,
        kind == BEARER_KEPT_SESSION ? &last.owners : NULL, 0
    };

    return bearer_table_keep(t, BEARER_TABLE_EITHER, key, &entry, TABLE_T0);
}

#define LATER (TABLE_T0 + apr_time_from_sec(3600))

static void fill(bearer_table_t *t)
{
    unsigned n;

    for (n = 0; n < 30; n++) {  /* some chunks were given back */
        assert_int_equal(put(t, n, BEARER_KEPT_SESSION, 100 + 37 * n, 0, LATER),
                         APR_SUCCESS);
        assert_int_equal(put(t, n, BEARER_KEPT_SESSION, 400 + 11 * (n % 7), 1, LATER),
                         APR_SUCCESS);
    }
    for (n = MARK; n < MARK + 5; n++) {
        assert_int_equal(put(t, n, BEARER_KEPT_MARK, 8, 0, LATER), APR_SUCCESS);
    }
    for (n = EXPIRED; n < EXPIRED + 3; n++) {
        assert_int_equal(put(t, n, BEARER_KEPT_SESSION, 300, 0, TABLE_T0 + 1),
                         APR_SUCCESS);
    }
}

static void fill_up(bearer_table_t *t)
{
    unsigned n;

    for (n = 2000; put(t, n, BEARER_KEPT_MARK, 8, 0, LATER) == APR_SUCCESS
                   && !atomic_load(&t->header->evicted); n++) {
    }
}

static void fill_attempts(bearer_table_t *t)
{
    unsigned n;

    for (n = 0; n < t->shares[QUEUE_ATTEMPTS]; n++) {
        assert_int_equal(put(t, ATTEMPTS + n, BEARER_KEPT_ATTEMPT, 8, 0, LATER),
                         APR_SUCCESS);
    }
}

/* The version of each record; -1: it is not there. */
static void look(bearer_table_t *t, long *versions, apr_pool_t *p)
{
    unsigned char key[32], *value;
    apr_size_t len;
    unsigned n;

    for (n = 0; n < RECORDS; n++) {
        apr_status_t rv;

        table_key(key, n);
        rv = bearer_table_get(t, key, TABLE_T0, &value, &len, p);
        assert_true(rv == APR_SUCCESS || rv == APR_NOTFOUND);
        versions[n] = rv == APR_SUCCESS ? table_version(value, len, n) : -1;
        assert_true(rv == APR_NOTFOUND || versions[n] >= 0);
    }
}

/* ---- changes ------------------------------------------------------------- */

static void add(bearer_table_t *t)
{
    put(t, NEW_RECORD, BEARER_KEPT_SESSION, 700, 0, LATER);
}

static void replace(bearer_table_t *t)
{
    put(t, 3, BEARER_KEPT_SESSION, 470, 2, LATER);
}

static void grow(bearer_table_t *t)
{
    put(t, 4, BEARER_KEPT_SESSION, 900, 2, LATER);
}

static void change_mark(bearer_table_t *t)
{
    put(t, MARK, BEARER_KEPT_MARK, 9, 2, LATER);
}

static void add_attempt(bearer_table_t *t)
{
    put(t, NEW_RECORD, BEARER_KEPT_ATTEMPT, 8, 0, LATER);
}

static void take_away(bearer_table_t *t)
{
    bearer_table_remove(t, prepare(5, 0, 8));
}

static void end(bearer_table_t *t)
{
    prepare(2, 0, 8);
    bearer_table_end(t, BEARER_OWNER_SUB, last.owners.id[BEARER_OWNER_SUB], NULL);
}

static void sweep(bearer_table_t *t)
{
    bearer_table_sweep(t, TABLE_T0 + 1);  /* to the end, and from the beginning */
    bearer_table_sweep(t, TABLE_T0 + 1);
}

static void mend(bearer_table_t *t)
{
    if (bearer_table_begin(t) == APR_SUCCESS) {
        bearer_table_finish(t);
    }
}

/* ---- the copies ----------------------------------------------------------- */

typedef struct trial_t {
    bearer_table_t *t;
    void *copy;                    /* of its block */
    void (*change)(bearer_table_t *t);
    long before[RECORDS], after[RECORDS];
    apr_pool_t *p;
    unsigned states, copies, steps;
} trial_t;

/* Their holder is gone, and none of them is held in the copy. */
static bearer_table_t *copy_of(trial_t *trial, const void *block)
{
    bearer_table_t *t;
    int i;

    memcpy(trial->copy, block, SIZE);
    assert_int_equal(bearer_table_attach(&t, trial->copy, SIZE, trial->p),
                     APR_SUCCESS);
    assert_int_equal(bearer_table_make_lock(&t->header->change), APR_SUCCESS);
    for (i = 0; i < STRIPES; i++) {
        assert_int_equal(bearer_table_make_lock(&t->stripes[i].lock), APR_SUCCESS);
    }
    return t;
}

static void check_copy(trial_t *trial)
{
    bearer_table_t *t = copy_of(trial, trial->t->header);
    long now[RECORDS];
    unsigned n;

    look(t, now, trial->p);
    for (n = 0; n < RECORDS; n++) {
        UNIT_CHECK(now[n] == trial->before[n] || now[n] == trial->after[n],
                   "record %u is %ld, step %u", n, now[n], trial->steps);
    }
    mend(t);
    UNIT_CHECK(table_is_sound(t) && table_is_indexed(t), "step %u", trial->steps);
    look(t, now, trial->p);
    for (n = 0; n < RECORDS; n++) {
        UNIT_CHECK(now[n] == trial->before[n] || now[n] == trial->after[n],
                   "record %u is %ld, mended, step %u", n, now[n], trial->steps);
    }
    /* and goes on to work */
    trial->change(t);
    look(t, now, trial->p);
    UNIT_CHECK(!memcmp(now, trial->after, sizeof(now)), "step %u", trial->steps);
    fill_up(t);
    UNIT_CHECK(table_is_sound(t) && table_is_indexed(t), "step %u", trial->steps);
    apr_pool_clear(trial->p);
    trial->copies++;
}

/* ---- one instruction after the other -------------------------------------- */

static pid_t begin(trial_t *trial)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(3);
        }
        raise(SIGSTOP);
        trial->change(trial->t);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status)) {
        return 0;
    }
    return child;
}

static int step(pid_t child)
{
    int status;

    assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSTOPPED(status);
}

/* Tracer and child take turns, so on two processors each would only wait for the
 * other to wake up. */
static void stay_on_this_processor(void)
{
    cpu_set_t here;
    int n = sched_getcpu();

    if (n >= 0 && n < CPU_SETSIZE) {
        CPU_ZERO(&here);
        CPU_SET((unsigned)n, &here);
        (void)sched_setaffinity(0, sizeof(here), &here);
    }
}

/* Traces the change to its end; 0: tracing is not allowed here. */
static int lead_through(trial_t *trial)
{
    const unsigned every = getenv("BEARER_EVERY_STATE") ? 1 : SOME;
    void *seen = malloc(SIZE);
    pid_t child = begin(trial);

    if (!child) {
        free(seen);
        return 0;
    }
    memcpy(seen, trial->t->header, SIZE);
    do {
        trial->steps++;
        if (memcmp(seen, trial->t->header, SIZE) != 0) {
            memcpy(seen, trial->t->header, SIZE);
            if ((trial->states++ + (unsigned)getpid()) % every == 0) {
                check_copy(trial);
            }
        }
    } while (step(child));
    free(seen);
    return 1;
}

static void try(void **state, void (*before)(bearer_table_t *t),
                void (*change)(bearer_table_t *t))
{
    trial_t trial = { .change = change };
    void *block = table_block(SIZE);
    bearer_table_t *t;

    trial.copy = table_block(SIZE);
    apr_pool_create(&trial.p, unit_pool(state));
    assert_int_equal(bearer_table_attach(&trial.t, block, SIZE, unit_pool(state)),
                     APR_SUCCESS);
    fill(trial.t);
    if (before) {
        before(trial.t);
    }
    t = copy_of(&trial, block);
    look(t, trial.before, trial.p);
    t = copy_of(&trial, block);
    change(t);
    look(t, trial.after, trial.p);
    if (!lead_through(&trial)) {
        skip();
    }
    print_message("%u instructions, %u states, looked at %u\n", trial.steps,
                  trial.states, trial.copies);
    assert_true(trial.states > 20 && trial.copies >= trial.states / SOME);
    munmap(block, SIZE);
    munmap(trial.copy, SIZE);
}

static void test_add(void **state)
{
    try(state, NULL, add);
}

static void test_add_to_a_full_one(void **state)
{
    try(state, fill_up, add);
}

static void test_replace(void **state)
{
    try(state, NULL, replace);
}

static void test_replace_in_a_full_one(void **state)
{
    try(state, fill_up, replace);
}

static void test_grow_in_a_full_one(void **state)
{
    try(state, fill_up, grow);
}

static void test_mark(void **state)
{
    try(state, NULL, change_mark);
}

static void test_remove(void **state)
{
    try(state, NULL, take_away);
}

static void test_end(void **state)
{
    try(state, NULL, end);
}

static void test_attempt_for_attempt(void **state)
{
    try(state, fill_attempts, add_attempt);
}

static void test_sweep(void **state)
{
    try(state, NULL, sweep);
}

/* Killed in the middle of a replacement: what is to be mended. */
static void break_off(bearer_table_t *t)
{
    unsigned char key[32];
    chunk_t old;
    const bearer_cache_entry_t entry = {
        BEARER_KEPT_SESSION, (const unsigned char *)"\3\0\0\0\1\0\0\0", 8, LATER, NULL, 0
    };

    table_key(key, 3);
    old = bearer_table_find(t, key);
    atomic_store(&t->header->changing, 1);
    atomic_store(&table_stripe(t, key)->changing, 1);
    bearer_table_commit(table_head(t, bearer_table_compose(t, key, &entry, old,
                                                           TABLE_T0)), COMMITTED);
    t->buckets[table_bucket(t, key)] = 0;
    table_owners(t, old)->lists[RING_MATES].next = 0;
    t->header->free = 12345678;
}

static void test_killed_while_mending(void **state)
{
    try(state, break_off, mend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_add),
        UNIT_TEST(test_add_to_a_full_one),
        UNIT_TEST(test_replace),
        UNIT_TEST(test_replace_in_a_full_one),
        UNIT_TEST(test_grow_in_a_full_one),
        UNIT_TEST(test_mark),
        UNIT_TEST(test_remove),
        UNIT_TEST(test_end),
        UNIT_TEST(test_attempt_for_attempt),
        UNIT_TEST(test_sweep),
        UNIT_TEST(test_killed_while_mending),
    };
    stay_on_this_processor();
    return UNIT_RUN("table_killed", tests);
}
