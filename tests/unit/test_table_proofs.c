/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The table of used proofs: each is used once, whoever asks; one token cannot fill it;
 * nothing makes room but time.
 */
#include "unit.h"
#include "unit_table.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINUTE apr_time_from_sec(60)
#define SIZE (256 * 1024)
#define ROOM ((unsigned)bearer_table_room_for_proofs(SIZE))
#define EACH (ROOM / BEARER_TABLE_TOKENS)

typedef struct fixture_t {
    apr_pool_t *p;
    bearer_table_t *t;
    void *block;
    apr_size_t size;
    apr_time_t now;
} fixture_t;

static fixture_t table_of(void **state, apr_size_t size)
{
    fixture_t f = { unit_pool(state), NULL, table_block(size), size, TABLE_T0 };

    assert_int_equal(bearer_table_attach_proofs(&f.t, f.block, size, f.p), APR_SUCCESS);
    return f;
}

/* Do the numbers agree with the records? */
static int is_counted(const bearer_table_t *t)
{
    const apr_size_t n = (apr_size_t)t->owner_mask + 1;
    apr_uint32_t *numbers = calloc(BEARER_OWNERS * n, sizeof(*numbers)), b, part;
    int by, same = 1;
    chunk_t i;

    for (b = 0; b <= t->bucket_mask; b++) {
        for (i = t->buckets[b]; i; i = table_head(t, i)->chain) {
            for (by = 0; by < BEARER_OWNERS; by++) {
                memcpy(&part, table_head(t, i)->value + 4 * by, 4);
                numbers[(apr_size_t)by * n + (part & t->owner_mask)]++;
            }
        }
    }
    for (by = 0; by < BEARER_OWNERS; by++) {
        same &= !memcmp(numbers + (apr_size_t)by * n, t->by_owner[by], n * sizeof(*numbers));
    }
    free(numbers);
    return same;
}

static void done(fixture_t *f)
{
    assert_true(table_is_sound(f->t));
    assert_true(is_counted(f->t));
    munmap(f->block, f->size);
}

static bearer_table_stats_t stats(const fixture_t *f)
{
    bearer_table_stats_t s;

    bearer_table_stats(f->t, &s);
    return s;
}

static apr_status_t use_for(fixture_t *f, unsigned id, unsigned token, apr_interval_time_t life)
{
    unsigned char key[32], digest[32];

    table_key(key, id);
    table_key(digest, 1u << 31 | token);
    return bearer_table_use(f->t, key, digest, f->now + life, f->now);
}

static apr_status_t use(fixture_t *f, unsigned id, unsigned token)
{
    return use_for(f, id, token, MINUTE);
}

/* ---- one caller ------------------------------------------------------------ */

static void test_once(void **state)
{
    fixture_t f = table_of(state, SIZE);

    assert_int_equal(use(&f, 1, 1), APR_SUCCESS);
    assert_int_equal(use(&f, 1, 1), APR_EEXIST);
    assert_int_equal(use(&f, 1, 2), APR_EEXIST);
    assert_int_equal(use(&f, 2, 1), APR_SUCCESS);
    f.now += MINUTE - 1;
    assert_int_equal(use(&f, 1, 1), APR_EEXIST);
    bearer_table_sweep(f.t, f.now);
    assert_int_equal(use(&f, 1, 1), APR_EEXIST);
    f.now += 1;
    assert_int_equal(use(&f, 1, 1), APR_SUCCESS);
    assert_int_equal(use(&f, 1, 1), APR_EEXIST);
    done(&f);
}

/* What the generation before has used. */
static void test_attached_again(void **state)
{
    fixture_t f = table_of(state, SIZE);
    bearer_table_t *again;

    assert_int_equal(use(&f, 1, 1), APR_SUCCESS);
    assert_int_equal(bearer_table_attach_proofs(&again, f.block, SIZE, f.p), APR_SUCCESS);
    f.t = again;
    assert_int_equal(use(&f, 1, 1), APR_EEXIST);
    assert_int_equal(bearer_table_attach_proofs(&again, f.block, SIZE / 2, f.p), APR_EMISMATCH);
    done(&f);
}

/* Sessions and proofs have tables of their own. */
static void test_two_kinds_of_tables(void **state)
{
    fixture_t f = table_of(state, SIZE);
    const bearer_cache_entry_t mark = { BEARER_KEPT_MARK, (const unsigned char *)"", 0,
                                        TABLE_T0 + MINUTE, NULL, 0 };
    bearer_cache_entry_t proof = mark;
    unsigned char key[32] = "";
    bearer_table_t *sessions;
    void *block = table_block(SIZE);

    proof.kind = BEARER_KEPT_PROOF;
    assert_int_equal(bearer_table_attach(&sessions, f.block, SIZE, f.p), APR_EMISMATCH);
    assert_int_equal(bearer_table_keep(f.t, BEARER_TABLE_NEW, key, &mark, f.now), APR_EINVAL);
    assert_int_equal(bearer_table_keep(f.t, BEARER_TABLE_NEW, key, &proof, f.now), APR_EINVAL);
    assert_int_equal(bearer_table_attach(&sessions, block, SIZE, f.p), APR_SUCCESS);
    assert_int_equal(bearer_table_keep(sessions, BEARER_TABLE_NEW, key, &proof, f.now),
                     APR_EINVAL);
    assert_int_equal(bearer_table_use(sessions, key, key, TABLE_T0 + MINUTE, f.now), APR_EINVAL);
    assert_int_equal(bearer_table_attach_proofs(&sessions, block, SIZE, f.p), APR_EMISMATCH);
    munmap(block, SIZE);
    done(&f);
}

static void test_room(void **state)
{
    (void)state;
    assert_in_range(bearer_table_room_for_proofs(BEARER_TABLE_PROOFS), 65536, 66000);
    assert_true(bearer_table_room_for_proofs(BEARER_TABLE_MIN) > 300);
    assert_int_equal(bearer_table_room_for_proofs(0), 0);
    print_message("%.1f bytes of the block for each proof\n", (double)BEARER_TABLE_PROOFS
                  / (double)bearer_table_room_for_proofs(BEARER_TABLE_PROOFS));
}

/* Nothing makes room but time. */
static void test_full(void **state)
{
    fixture_t f = table_of(state, SIZE);
    apr_uint64_t evicted, refused;
    unsigned i;

    for (i = 0; i < ROOM; i++) {
        assert_int_equal(use(&f, i, i), APR_SUCCESS);
    }
    f.now += MINUTE - 1;
    for (i = 0; i < 10; i++) {
        assert_int_equal(use(&f, ROOM + i, i), APR_ENOSPC);
    }
    assert_int_equal(stats(&f).refused, 10);
    assert_int_equal(stats(&f).evicted, 0);
    assert_int_equal(stats(&f).others, ROOM);
    assert_int_equal(bearer_table_is_short(f.t, f.now, MINUTE, &evicted, &refused), 1);
    assert_int_equal(refused, 10);
    for (i = 0; i < ROOM; i++) {
        assert_int_equal(use(&f, i, 7), APR_EEXIST);
    }
    /* the block was looked through for others a moment ago */
    f.now += apr_time_from_sec(1);
    for (i = 0; i < ROOM; i++) {
        assert_int_equal(use(&f, ROOM + i, i), APR_SUCCESS);
    }
    assert_int_equal(stats(&f).others, ROOM);
    done(&f);
}

/* ---- the share of a token ----------------------------------------------------- */

static void test_share(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i;

    for (i = 0; i < EACH; i++) {
        assert_int_equal(use(&f, i, 1), APR_SUCCESS);
    }
    f.now += MINUTE / 2;
    for (i = 0; i < 2 * ROOM; i++) {
        assert_int_equal(use(&f, 100000 + i, 1), APR_EBUSY);
    }
    assert_int_equal(use(&f, 3, 1), APR_EEXIST);
    assert_int_equal(stats(&f).others, EACH);
    assert_int_equal(stats(&f).surplus, 2 * ROOM);
    assert_int_equal(stats(&f).refused, 0);
    for (i = 0; i < EACH; i++) {
        assert_int_equal(use(&f, 200000 + i, 2), APR_SUCCESS);
    }
    f.now += MINUTE / 2;
    for (i = 0; i < EACH; i++) {   /* also the first one: what has expired does not count */
        assert_int_equal(use(&f, i, 1), APR_SUCCESS);
    }
    assert_int_equal(use(&f, 100000, 2), APR_EBUSY);
    assert_int_equal(use(&f, 100000, 1), APR_EBUSY);
    done(&f);
}

/* Nobody below the share is refused because of others, as long as there is room. */
static void test_others(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned token, i;

    for (token = 0; token < BEARER_TABLE_TOKENS - 1; token++) {
        for (i = 0; i < EACH; i++) {
            assert_int_equal(use(&f, token * EACH + i, token), APR_SUCCESS);
        }
        assert_int_equal(use(&f, 100000, token), APR_EBUSY);
    }
    for (i = 0; i < EACH; i++) {
        assert_int_equal(use(&f, 200000 + i, 1000 + i), APR_SUCCESS);
    }
    done(&f);
}

/* The same in the smallest table, in which many tokens meet. */
static void test_others_in_a_small_one(void **state)
{
    fixture_t f = table_of(state, BEARER_TABLE_MIN);
    const unsigned room = (unsigned)bearer_table_room_for_proofs(BEARER_TABLE_MIN);
    unsigned i;

    for (i = 0; i < room; i++) {
        assert_int_equal(use(&f, i, i % 17), APR_SUCCESS);
    }
    assert_int_equal(use(&f, room, 99), APR_ENOSPC);
    done(&f);
}

/* A client whose proofs expire as fast as it makes new ones. */
static void test_steady(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i;

    for (i = 0; i < 20 * EACH; i++) {
        f.now += MINUTE * 105 / 100 / EACH;
        assert_int_equal(use(&f, i, 1), APR_SUCCESS);
        assert_int_equal(use(&f, 100000 + i, 2 + i % 5), APR_SUCCESS);
    }
    done(&f);
}

/* Only all four parts of the digest make another token the same. */
static void test_parts(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned char key[32], token[32], other[32];
    unsigned i, part;

    table_key(token, 1);
    for (i = 0; i < EACH; i++) {
        table_key(key, i);
        assert_int_equal(bearer_table_use(f.t, key, token, f.now + MINUTE, f.now), APR_SUCCESS);
    }
    for (part = 0; part < 4; part++) {
        memcpy(other, token, sizeof(other));
        other[4 * part] ^= 1;
        table_key(key, 1000 + part);
        assert_int_equal(bearer_table_use(f.t, key, other, f.now + MINUTE, f.now), APR_SUCCESS);
    }
    memset(other, 0x55, sizeof(other));
    memcpy(other, token, BEARER_OWNER_SIZE);
    table_key(key, 2000);
    assert_int_equal(bearer_table_use(f.t, key, other, f.now + MINUTE, f.now), APR_EBUSY);
    done(&f);
}

/* A process was killed in a change: the numbers are made from the records. */
static void test_numbers_are_mended(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i;

    for (i = 0; i < EACH; i++) {
        assert_int_equal(use(&f, i, 1), APR_SUCCESS);
    }
    for (i = 0; i < BEARER_OWNERS; i++) {
        memset(f.t->by_owner[i], 0x55, sizeof(chunk_t) * ((apr_size_t)f.t->owner_mask + 1));
    }
    atomic_store(&f.t->header->changing, 1);
    assert_int_equal(use(&f, 9999, 5), APR_SUCCESS);
    assert_int_equal(use(&f, 1, 1), APR_EEXIST);
    assert_int_equal(use(&f, 8888, 1), APR_EBUSY);
    assert_int_equal(stats(&f).repaired, 1);
    done(&f);
}

/* ---- many callers --------------------------------------------------------------- */

#define PROCESSES 4
#define THREADS 4
#define IDS 10000

typedef struct crowd_t {
    _Atomic unsigned succeeded[IDS], others;
    bearer_table_t *t;
} crowd_t;

/* Each has the same ids, in the same order, so that many meet. */
static void *enter_all(void *data)
{
    crowd_t *crowd = data;
    fixture_t f = { .t = crowd->t, .now = TABLE_T0 };
    unsigned i;

    for (i = 0; i < IDS; i++) {
        apr_status_t rv = use(&f, i, i);

        if (rv == APR_SUCCESS) {
            crowd->succeeded[i]++;
        } else if (rv != APR_EEXIST) {
            crowd->others++;
        }
    }
    return NULL;
}

static pid_t start(crowd_t *crowd)
{
    pthread_t threads[THREADS];
    pid_t child = fork();
    int i;

    if (child) {
        return child;
    }
    for (i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, enter_all, crowd);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    _exit(0);
}

static void count(const crowd_t *crowd, unsigned *never, unsigned *often)
{
    unsigned i;

    for (i = *never = *often = 0; i < IDS; i++) {
        *never += !crowd->succeeded[i];
        *often += crowd->succeeded[i] > 1;
    }
    assert_int_equal(crowd->others, 0);
}

static void test_many_callers(void **state)
{
    fixture_t f = table_of(state, BEARER_TABLE_PROOFS);
    crowd_t *crowd = table_block(sizeof(*crowd));
    pid_t children[PROCESSES];
    unsigned never, often;
    int i, status;

    crowd->t = f.t;
    for (i = 0; i < PROCESSES; i++) {
        children[i] = start(crowd);
    }
    for (i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    count(crowd, &never, &often);
    assert_int_equal(never, 0);
    assert_int_equal(often, 0);
    assert_int_equal(stats(&f).others, IDS);
    munmap(crowd, sizeof(*crowd));
    done(&f);
}

/* Processes are killed anywhere: one of their proofs may count as used without a success
 * that could be written down, but none counts twice. */
static void test_killed_callers(void **state)
{
    fixture_t f = table_of(state, BEARER_TABLE_PROOFS);
    crowd_t *crowd = table_block(sizeof(*crowd));
    unsigned never, often, kills = 0;
    int i, status;

    crowd->t = f.t;
    srand(5);
    for (i = 0; i < 40; i++) {
        pid_t child = start(crowd), other = start(crowd);

        usleep((useconds_t)(rand() % 5000));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        kills += WIFSIGNALED(status) != 0;
        if (i < 39) {
            kill(other, SIGKILL);
        }
        waitpid(other, &status, 0);
    }
    count(crowd, &never, &often);
    assert_int_equal(often, 0);
    assert_in_range(never, 0, 80 * THREADS);
    assert_true(kills > 20);
    assert_int_equal(bearer_table_begin(f.t), APR_SUCCESS);
    bearer_table_finish(f.t);
    assert_int_equal(stats(&f).others, IDS);
    print_message("%u killed, %u changes mended, %u of %u without a success\n", kills,
                  (unsigned)stats(&f).repaired, never, IDS);
    munmap(crowd, sizeof(*crowd));
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_once),
        UNIT_TEST(test_attached_again),
        UNIT_TEST(test_two_kinds_of_tables),
        UNIT_TEST(test_room),
        UNIT_TEST(test_full),
        UNIT_TEST(test_share),
        UNIT_TEST(test_others),
        UNIT_TEST(test_others_in_a_small_one),
        UNIT_TEST(test_steady),
        UNIT_TEST(test_parts),
        UNIT_TEST(test_numbers_are_mended),
        UNIT_TEST(test_many_callers),
        UNIT_TEST(test_killed_callers),
    };
    return UNIT_RUN("table_proofs", tests);
}
