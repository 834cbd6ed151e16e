/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The table of lasting state: what is kept and found, what ends by whose owner,
 * and who makes room for whom. What a killed process leaves: test_table_killed.c.
 */
#include "unit.h"
#include "unit_table.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS(n) apr_time_from_sec(n)
#define HOUR SECONDS(3600)
#define SIZE (256 * 1024)

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

    assert_int_equal(bearer_table_attach(&f.t, f.block, size, f.p), APR_SUCCESS);
    return f;
}

/* A table is looked at as a whole after each test. */
static void done(fixture_t *f)
{
    assert_true(table_is_sound(f->t));
    assert_true(table_is_indexed(f->t));
    munmap(f->block, f->size);
}

static bearer_table_stats_t stats(const fixture_t *f)
{
    bearer_table_stats_t s;

    bearer_table_stats(f->t, &s);
    return s;
}

/** Record n, of that length, for an hour. */
static apr_status_t do_it(fixture_t *f, int may, bearer_kept_t kind, unsigned n,
                          apr_size_t len, const bearer_owners_t *owners)
{
    static unsigned char value[BEARER_TABLE_VALUE + 1];
    const bearer_cache_entry_t entry = { kind, value, len, f->now + HOUR, owners,
                                         0 };
    unsigned char key[32];

    table_key(key, n);
    if (len >= 8) {
        table_value(value, len < BEARER_TABLE_VALUE ? len : BEARER_TABLE_VALUE, n, 0);
    }
    return bearer_table_keep(f->t, may, key, &entry, f->now);
}

static apr_status_t mark(fixture_t *f, unsigned n, apr_size_t len)
{
    return do_it(f, BEARER_TABLE_NEW, BEARER_KEPT_MARK, n, len, NULL);
}

static apr_status_t session(fixture_t *f, unsigned n, unsigned sub, unsigned address)
{
    const bearer_owners_t owners = table_owned_by(1000000 + n, sub, address);

    return do_it(f, BEARER_TABLE_NEW, BEARER_KEPT_SESSION, n, 1000, &owners);
}

static int is_there(fixture_t *f, unsigned n)
{
    unsigned char key[32], *value;
    apr_size_t len = 0;
    apr_status_t rv;

    table_key(key, n);
    rv = bearer_table_get(f->t, key, f->now, &value, &len, f->p);
    assert_true(rv == APR_SUCCESS || rv == APR_NOTFOUND);
    if (rv == APR_SUCCESS && len >= 8) {
        assert_int_not_equal(table_version(value, len, n), -1);
    }
    return rv == APR_SUCCESS;
}

static unsigned there(fixture_t *f, unsigned from, unsigned to)
{
    unsigned n = 0;

    for (; from < to; from++) {
        n += (unsigned)is_there(f, from);
    }
    return n;
}

/* ---- the block ---------------------------------------------------------- */

static void test_attach(void **state)
{
    fixture_t f = table_of(state, SIZE);
    bearer_table_t *again;
    char *other = table_block(SIZE);

    assert_int_equal(mark(&f, 1, 8), APR_SUCCESS);
    assert_int_equal(bearer_table_attach(&again, f.block, SIZE, f.p), APR_SUCCESS);
    f.t = again;
    assert_true(is_there(&f, 1));
    assert_int_equal(bearer_table_attach(&again, f.block, SIZE / 2, f.p),
                     APR_EMISMATCH);
    ((header_t *)f.block)->layout++;
    assert_int_equal(bearer_table_attach(&again, f.block, SIZE, f.p),
                     APR_EMISMATCH);
    ((header_t *)f.block)->layout--;
    other[0] = 'x';
    assert_int_equal(bearer_table_attach(&again, other, SIZE, f.p), APR_EMISMATCH);
    assert_int_equal(bearer_table_attach(&again, other + 8, SIZE, f.p), APR_EINVAL);
    assert_int_equal(bearer_table_attach(&again, other, BEARER_TABLE_MIN - 1, f.p),
                     APR_EINVAL);
    munmap(other, SIZE);
    done(&f);
}

/* What nothing was written to takes no memory: a table of 1 GB is touched in its
 * first pages only. */
static void test_untouched(void **state)
{
    const apr_size_t size = (apr_size_t)1 << 30;
    fixture_t f = table_of(state, size);
    static unsigned char pages[1 << 18];
    apr_size_t i, touched = 0;

    assert_int_equal(session(&f, 1, 1, 1), APR_SUCCESS);
    assert_int_equal(mincore(f.block, size, pages), 0);
    for (i = 0; i < sizeof(pages); i++) {
        touched += pages[i] & 1u;
    }
    UNIT_CHECK(touched < 32, "%d pages", (int)touched);
    assert_true(is_there(&f, 1));
    munmap(f.block, size);
}

/* ---- keeping and finding ------------------------------------------------ */

static void test_values(void **state)
{
    static const apr_size_t lengths[] = {
        0, 1, 8, INLINE - 1, INLINE, INLINE + 1, INLINE + CHUNK, INLINE + CHUNK + 1,
        1000, 3000, BEARER_TABLE_VALUE - 1, BEARER_TABLE_VALUE
    };
    const bearer_owners_t owners = table_owned_by(1, 2, 3);
    fixture_t f = table_of(state, 8 * SIZE);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        assert_int_equal(mark(&f, i, lengths[i]), APR_SUCCESS);
        assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_SESSION, 100 + i,
                               lengths[i], &owners), APR_SUCCESS);
    }
    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        unsigned char key[32], *value;
        apr_size_t len;

        table_key(key, i);
        assert_int_equal(bearer_table_get(f.t, key, f.now, &value, &len, f.p),
                         APR_SUCCESS);
        assert_int_equal(len, lengths[i]);
        assert_true(is_there(&f, i) && is_there(&f, 100 + i));
    }
    assert_int_equal(mark(&f, 50, BEARER_TABLE_VALUE + 1), APR_EINVAL);
    assert_false(is_there(&f, 50));
    done(&f);
}

static void test_add_replace_put_remove(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned char key[32];
    unsigned i;

    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_MARK, 1, 8, NULL),
                     APR_NOTFOUND);
    assert_false(is_there(&f, 1));
    assert_int_equal(mark(&f, 1, 8), APR_SUCCESS);
    assert_int_equal(mark(&f, 1, 900), APR_EEXIST);
    for (i = 0; i < 5000; i++) {
        assert_int_equal(do_it(&f, i % 2 ? BEARER_TABLE_OLD : BEARER_TABLE_EITHER,
                               BEARER_KEPT_MARK, 1, 8 + i % 2000, NULL),
                         APR_SUCCESS);
    }
    assert_true(is_there(&f, 1));
    table_key(key, 1);
    assert_int_equal(bearer_table_remove(f.t, key), APR_SUCCESS);
    assert_int_equal(bearer_table_remove(f.t, key), APR_NOTFOUND);
    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_MARK, 1, 8, NULL),
                     APR_NOTFOUND);
    assert_int_equal(do_it(&f, BEARER_TABLE_EITHER, BEARER_KEPT_MARK, 1, 8, NULL),
                     APR_SUCCESS);
    assert_int_equal(stats(&f).used, 1);
    done(&f);
}

static void test_expiry(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i;

    assert_int_equal(mark(&f, 1, 8), APR_SUCCESS);
    assert_int_equal(session(&f, 2, 1, 1), APR_SUCCESS);
    f.now += HOUR - 1;
    assert_int_equal(there(&f, 1, 3), 2);
    assert_int_equal(mark(&f, 1, 8), APR_EEXIST);
    f.now += 1;
    assert_int_equal(there(&f, 1, 3), 0);
    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_MARK, 1, 8, NULL),
                     APR_NOTFOUND);
    assert_int_equal(mark(&f, 1, 8), APR_SUCCESS);
    assert_int_equal(there(&f, 1, 3), 1);
    for (i = 0; i < 10 && stats(&f).sessions; i++) {
        bearer_table_sweep(f.t, f.now);
    }
    assert_int_equal(stats(&f).sessions, 0);
    assert_int_equal(stats(&f).used, 1);
    done(&f);
}

/* What is expired is no reason to end a session, and makes room at once. */
static void test_expired_makes_room_first(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n = (unsigned)bearer_table_room(SIZE, 1000);

    for (i = 0; i < n; i++) {
        assert_int_equal(session(&f, i, i, i), APR_SUCCESS);
        f.now += i == n / 2 ? HOUR / 2 : 0;
    }
    f.now += HOUR / 2;
    for (i = 0; i < n / 2; i++) {
        assert_int_equal(session(&f, n + i, n + i, n + i), APR_SUCCESS);
    }
    assert_int_equal(stats(&f).evicted, 0);
    assert_int_equal(there(&f, n / 2 + 1, n + n / 2), n - 1);
    /* and it is known when there is something to look for again */
    assert_true(f.t->header->soonest > f.now);
    done(&f);
}

/* A bit that fell over: not a value, and not "not there". */
static void test_checked(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned char key[32], *value;
    apr_size_t len;

    assert_int_equal(mark(&f, 1, 1000), APR_SUCCESS);
    table_key(key, 1);
    f.t->chunks[(apr_size_t)f.t->next[bearer_table_find(f.t, key)] * CHUNK] ^= 1;
    assert_int_equal(bearer_table_get(f.t, key, f.now, &value, &len, f.p),
                     APR_EGENERAL);
    done(&f);
}

/* ---- owners ------------------------------------------------------------- */

static void test_end(void **state)
{
    fixture_t f = table_of(state, 4 * SIZE);
    bearer_owners_t owners;
    unsigned i, ended;

    for (i = 0; i < 60; i++) {  /* three sessions of each sid, ten of a sub */
        owners = table_owned_by(1 + i / 3, 100 + i % 6, 7);
        assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_SESSION, i, 200,
                               &owners), APR_SUCCESS);
    }
    owners = table_owned_by(5, 103, 7);
    assert_int_equal(bearer_table_end(f.t, BEARER_OWNER_SID,
                                      owners.id[BEARER_OWNER_SID], &ended), APR_SUCCESS);
    assert_int_equal(ended, 3);
    assert_int_equal(there(&f, 12, 15), 0);
    assert_int_equal(there(&f, 0, 60), 57);
    assert_int_equal(bearer_table_end(f.t, BEARER_OWNER_SUB,
                                      owners.id[BEARER_OWNER_SUB], NULL), APR_SUCCESS);
    assert_int_equal(there(&f, 0, 60), 47);
    assert_int_equal(bearer_table_end(f.t, BEARER_OWNER_SUB,
                                      owners.id[BEARER_OWNER_SUB], NULL), APR_SUCCESS);
    assert_int_equal(there(&f, 0, 60), 47);
    memset(&owners, 0, sizeof(owners));
    assert_int_equal(bearer_table_end(f.t, BEARER_OWNER_SID,
                                      owners.id[BEARER_OWNER_SID], NULL),
                     APR_SUCCESS);
    assert_int_equal(there(&f, 0, 60), 47);
    done(&f);
}

/* A replacement keeps the owners, whatever it says. */
static void test_owners_stay(void **state)
{
    fixture_t f = table_of(state, SIZE);
    const bearer_owners_t owners = table_owned_by(1, 2, 3), other = { 0 };

    assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_SESSION, 1, 500,
                           &owners), APR_SUCCESS);
    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_SESSION, 1, 2000,
                           NULL), APR_SUCCESS);
    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_SESSION, 1, 10,
                           &other), APR_SUCCESS);
    assert_int_equal(stats(&f).sessions, 1);
    assert_int_equal(bearer_table_end(f.t, BEARER_OWNER_SID, owners.id[0], NULL),
                     APR_SUCCESS);
    assert_false(is_there(&f, 1));
    done(&f);
}

/* One more than a user may have ends the one that was unused for longest. */
static void test_sessions_of_a_user(void **state)
{
    fixture_t f = table_of(state, 4 * SIZE);
    unsigned i;

    for (i = 0; i < BEARER_TABLE_EACH; i++, f.now++) {
        assert_int_equal(session(&f, i, 9, i), APR_SUCCESS);
        assert_int_equal(session(&f, 100 + i, 1000 + i, i), APR_SUCCESS);
    }
    for (i = 0; i < BEARER_TABLE_EACH; i++, f.now++) {
        if (i != 5 && i != 7) {  /* in use */
            assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_SESSION, i,
                                   1000, NULL), APR_SUCCESS);
        }
    }
    assert_int_equal(session(&f, 50, 9, 1), APR_SUCCESS);
    assert_false(is_there(&f, 5));
    f.now++;
    assert_int_equal(session(&f, 51, 9, 2), APR_SUCCESS);
    assert_false(is_there(&f, 7));
    assert_int_equal(there(&f, 0, BEARER_TABLE_EACH), BEARER_TABLE_EACH - 2);
    assert_int_equal(there(&f, 50, 52), 2);
    assert_int_equal(there(&f, 100, 100 + BEARER_TABLE_EACH), BEARER_TABLE_EACH);
    assert_int_equal(stats(&f).surplus, 2);
    assert_int_equal(stats(&f).evicted, 0);
    done(&f);
}

/* ---- room --------------------------------------------------------------- */

/* The address with most sessions pays, and no login is refused. */
static void test_full(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n = (unsigned)bearer_table_room(SIZE, 1000), many = n - 20;

    assert_true(n > 100);
    for (i = 0; i < 20; i++, f.now++) {    /* the oldest of all */
        assert_int_equal(session(&f, i, i, i + 1), APR_SUCCESS);
    }
    for (i = 0; i < many; i++, f.now++) {
        assert_int_equal(session(&f, 1000 + i, 1000 + i, 77), APR_SUCCESS);
    }
    assert_int_equal(stats(&f).evicted, 0);
    assert_int_equal(there(&f, 1000, 1000 + many), many);
    for (i = 0; i < many / 2; i++, f.now++) {
        assert_int_equal(session(&f, 5000 + i, 5000 + i, 77), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 1000, 1000 + many / 2), 0);
    assert_int_equal(there(&f, 1000 + many / 2, 1000 + many), many - many / 2);
    for (i = 0; i < 20; i++, f.now++) {    /* from elsewhere */
        assert_int_equal(session(&f, 9000 + i, 9000 + i, 500 + i), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 0, 20), 20);
    assert_int_equal(there(&f, 9000, 9020), 20);
    assert_int_equal(stats(&f).evicted, many / 2 + 20);
    assert_int_equal(stats(&f).refused, 0);
    done(&f);
}

/* Where no address has more than others, it is who was not there for longest. */
static void test_full_of_equals(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n = (unsigned)bearer_table_room(SIZE, 1000);

    for (i = 0; i < n; i++, f.now++) {
        assert_int_equal(session(&f, i, i, i + 1), APR_SUCCESS);
    }
    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_SESSION, 0, 1000,
                           NULL), APR_SUCCESS);
    for (i = 0; i < 5; i++, f.now++) {
        assert_int_equal(session(&f, n + i, n + i, n + i + 1), APR_SUCCESS);
    }
    assert_true(is_there(&f, 0));
    assert_int_equal(there(&f, 1, 6), 0);
    assert_int_equal(there(&f, 6, n + 5), n - 1);
    done(&f);
}

/* Also of those that have very many the one with the most. */
static void test_victim_of_many(void **state)
{
    fixture_t f = table_of(state, 8 * SIZE);
    unsigned i;

    for (i = 0; i < 2 * RANKS + 50; i++, f.now++) {
        assert_int_equal(session(&f, i, 1000 + i, i < RANKS + 10 ? 1 : 2), APR_SUCCESS);
    }
    assert_int_equal(stats(&f).sessions, 2 * RANKS + 50);
    i = bearer_table_victim(f.t, 0);
    assert_int_equal(table_head(f.t, i)->touched, TABLE_T0 + RANKS + 10);
    done(&f);
}

/* Marks make sessions go, never the other way round. */
static void test_marks_stay(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n, refused = 0;

    for (i = 0; session(&f, i, i, i + 1) == APR_SUCCESS && !stats(&f).evicted; i++) {
    }
    for (n = 0; mark(&f, 10000 + n, 8) == APR_SUCCESS; n++) {
    }
    assert_int_equal(stats(&f).sessions, 0);
    for (i = 0; i < 10; i++) {
        refused += session(&f, 5000 + i, i, i + 1) == APR_ENOSPC;
    }
    assert_int_equal(refused, 10);
    assert_int_equal(there(&f, 10000, 10000 + n), n);
    assert_int_equal(stats(&f).refused, 11);
    /* what has a place changes in it, however full it is */
    for (i = 0; i < n; i++) {
        assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_MARK,
                               10000 + i, 8, NULL), APR_SUCCESS);
    }
    /* but does not grow */
    assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_MARK, 10000, 1000,
                           NULL), APR_ENOSPC);
    assert_true(is_there(&f, 10000));
    done(&f);
}

/* Logins that anybody can begin: they displace each other only, and nothing
 * displaces them. */
static void test_attempts(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n = (unsigned)bearer_table_room(SIZE, 1000), share;

    for (i = 0; i < n; i++) {
        assert_int_equal(session(&f, i, i, i + 1), APR_SUCCESS);
    }
    share = f.t->shares[QUEUE_ATTEMPTS];
    for (i = 0; i < 3 * share; i++) {
        assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_ATTEMPT, 10000 + i,
                               8, NULL), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 0, n), n);
    assert_int_equal(there(&f, 10000, 10000 + 2 * share), 0);
    assert_int_equal(there(&f, 10000 + 2 * share, 10000 + 3 * share), share);
    for (i = 0; i < n; i++) {
        assert_int_equal(session(&f, n + i, n + i, n + i + 1), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 10000 + 2 * share, 10000 + 3 * share), share);
    done(&f);
}

/* However many logouts the issuer tells of, no session makes room for them; sessions
 * take back what logouts have beyond their share, the oldest first. */
static void test_logouts(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n = (unsigned)bearer_table_room(SIZE, 1000), share, all;

    share = f.t->shares[QUEUE_LOGOUTS];
    all = f.t->header->chunks;
    assert_true(share > 8);
    for (i = 0; i < 2 * all; i++) {
        assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_LOGOUT, 10000 + i,
                               8, NULL), APR_SUCCESS);
    }
    assert_true(there(&f, 10000 + all, 10000 + 2 * all) > all / 2);
    assert_true(is_there(&f, 10000 + 2 * all - 1));
    for (i = 0; i < n; i++) {
        assert_int_equal(session(&f, i, i, i + 1), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 0, n), n);
    assert_int_equal(there(&f, 10000 + 2 * all - share, 10000 + 2 * all), share);
    assert_true(there(&f, 10000, 10000 + 2 * all) < 2 * share);
    for (i = 0; i < 3 * share; i++) {
        assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_LOGOUT, 90000 + i,
                               8, NULL), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 0, n), n);
    assert_int_equal(there(&f, 90000 + 2 * share, 90000 + 3 * share), share);
    assert_int_equal(stats(&f).evicted + stats(&f).refused, 0);
    /* attempts have theirs beside them */
    for (i = 0; i < f.t->shares[QUEUE_ATTEMPTS]; i++) {
        assert_int_equal(do_it(&f, BEARER_TABLE_NEW, BEARER_KEPT_ATTEMPT, 50000 + i,
                               8, NULL), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 50000, 50000 + i), i);
    assert_int_equal(there(&f, 90000 + 2 * share, 90000 + 3 * share), share);
    done(&f);
}

/* A session that grows when there is no room: another makes it, not itself. */
static void test_grows_when_full(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned i, n = (unsigned)bearer_table_room(SIZE, 1000);

    for (i = 0; i < n; i++) {
        assert_int_equal(session(&f, i, i, 1), APR_SUCCESS);
    }
    for (i = 0; i < 5; i++) {
        assert_int_equal(do_it(&f, BEARER_TABLE_OLD, BEARER_KEPT_SESSION, 0,
                               3000 + 1000 * i, NULL), APR_SUCCESS);
        assert_true(is_there(&f, 0));
    }
    assert_true(stats(&f).evicted >= 4);
    done(&f);
}

/* The formula of docs/operations.md is enough, and not far too much. */
static void test_room(void **state)
{
    static const apr_size_t lengths[] = { 600, 1130, 3000, 4000, 9000, 16000 };
    static const apr_uint64_t sizes[] = {
        BEARER_TABLE_DEFAULT, 64 << 20, (apr_uint64_t)1 << 30, (apr_uint64_t)8 << 30
    };
    unsigned i, j;

    (void)state;
    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        for (j = 0; j < UNIT_COUNT(sizes); j++) {
            apr_uint64_t n = bearer_table_room(sizes[j], lengths[i]);
            double formula = ((double)sizes[j] - 65536)
                           / ((double)(lengths[i] + 340) * 1.145);

            UNIT_CHECK((double)n >= formula - 1 && (double)n < formula * 1.15,
                       "%d bytes in %d MB: %d, by the formula %d", (int)lengths[i],
                       (int)(sizes[j] >> 20), (int)n, (int)formula);
        }
    }
    assert_true(bearer_table_room(BEARER_TABLE_DEFAULT, 3000) >= 2000);
    assert_true(bearer_table_room(64 << 20, 3000) >= 10000);
}

/* ---- all of it, against a model ------------------------------------------ */

#define RECORDS 300
#define USERS 40     /* none has more than it may */
#define ADDRESSES 9

typedef struct model_t {
    int there, sub, address;
    apr_time_t expires, touched;
    apr_size_t len;
} model_t;

static void check_model(fixture_t *f, const model_t *model)
{
    unsigned n;

    for (n = 0; n < RECORDS; n++) {
        UNIT_CHECK(is_there(f, n) == (model[n].there && model[n].expires > f->now),
                   "record %u", n);
    }
}

static void end_in_model(fixture_t *f, model_t *model, int sub)
{
    const bearer_owners_t owners = table_owned_by(0, (unsigned)sub, 1);
    unsigned n;

    assert_int_equal(bearer_table_end(f->t, BEARER_OWNER_SUB,
                                      owners.id[BEARER_OWNER_SUB], NULL),
                     APR_SUCCESS);
    for (n = 0; n < RECORDS; n++) {
        model[n].there = model[n].there && model[n].sub != sub;
    }
}

static void change_in_model(fixture_t *f, model_t *model, unsigned n, int op,
                            apr_size_t len)
{
    model_t *m = &model[n];
    int alive = m->there && m->expires > f->now;
    bearer_owners_t owners;
    apr_status_t rv, wanted = APR_SUCCESS;

    m->sub = alive ? m->sub : 1 + rand() % USERS;
    m->address = alive ? m->address : 1 + rand() % ADDRESSES;
    owners = table_owned_by(n + 1, (unsigned)m->sub, (unsigned)m->address);
    rv = do_it(f, op == 0 ? BEARER_TABLE_NEW : op == 1 ? BEARER_TABLE_OLD
                                                       : BEARER_TABLE_EITHER,
               BEARER_KEPT_SESSION, n, len, &owners);
    wanted = op == 0 && alive ? APR_EEXIST : op == 1 && !alive ? APR_NOTFOUND
                                                               : APR_SUCCESS;
    assert_int_equal(rv, wanted);
    if (rv == APR_SUCCESS) {
        m->there = 1;
        m->touched = f->now;
        m->expires = f->now + HOUR;
    }
}

static void test_model(void **state)
{
    fixture_t f = table_of(state, 16 * SIZE);   /* room for all */
    static model_t model[RECORDS];
    unsigned round, n;
    unsigned char key[32];

    memset(model, 0, sizeof(model));
    srand(7);
    for (round = 0; round < 20000; round++) {
        int op = rand() % 12;

        n = (unsigned)rand() % RECORDS;
        f.now += rand() % 100 ? 1 : HOUR / 20;
        if (op < 9) {
            change_in_model(&f, model, n, op / 3, (apr_size_t)(rand() % 5000));
        } else if (op < 11) {
            table_key(key, n);
            (void)bearer_table_remove(f.t, key);
            model[n].there = 0;
        } else if (rand() % 8 == 0) {
            end_in_model(&f, model, 1 + rand() % USERS);
        }
        if (round % 500 == 0) {
            check_model(&f, model);
            assert_true(table_is_sound(f.t) && table_is_indexed(f.t));
            apr_pool_clear(f.p);
            assert_int_equal(bearer_table_attach(&f.t, f.block, f.size, f.p),
                             APR_SUCCESS);
        }
    }
    assert_int_equal(stats(&f).refused, 0);
    done(&f);
}

/* What the next change does after one that was broken off. */
static void repair(fixture_t *f)
{
    atomic_store(&f->t->header->changing, 1);
    assert_int_equal(bearer_table_begin(f->t), APR_SUCCESS);
    bearer_table_finish(f->t);
    assert_true(table_is_sound(f->t));
}

/* A server that was started anew takes its records back, the long ones whole. */
static void test_taken_back(void **state)
{
    fixture_t f = table_of(state, SIZE);
    unsigned char key[32], *value;
    apr_size_t len;
    unsigned n;

    for (n = 0; n < 20; n++) {
        assert_int_equal(mark(&f, n, 8 + 150 * n), APR_SUCCESS);
    }
    assert_int_equal(mark(&f, 40, BEARER_TABLE_VALUE), APR_SUCCESS);
    f.t->header->free = 12345678;            /* whoever changed it died then */
    repair(&f);
    for (n = 0; n < 20; n++) {
        table_key(key, n);
        assert_int_equal(bearer_table_get(f.t, key, f.now, &value, &len, f.p),
                         APR_SUCCESS);
        assert_int_equal(len, 8 + 150 * n);
    }
    /* and their chunks are theirs: new records take others */
    for (n = 20; n < 40; n++) {
        assert_int_equal(mark(&f, n, 8 + 150 * (n - 20)), APR_SUCCESS);
    }
    assert_int_equal(there(&f, 0, 41), 41);
    assert_true(table_is_sound(f.t));
    done(&f);
}

static chunk_t chunk_of(fixture_t *f, unsigned n)
{
    unsigned char key[32];

    table_key(key, n);
    return bearer_table_find(f->t, key);
}

/* A record does not come back with chunks of another, or with such as were never
 * written to. */
static void test_chunks_of_another(void **state)
{
    int which;

    for (which = 0; which < 2; which++) {
        fixture_t f = table_of(state, SIZE);
        unsigned n;

        for (n = 0; n < 3; n++) {
            assert_int_equal(mark(&f, n, 150), APR_SUCCESS);
        }
        f.t->next[chunk_of(&f, 1)] = which ? f.t->header->fresh
                                           : f.t->next[chunk_of(&f, 0)];
        repair(&f);
        assert_true(is_there(&f, 0));
        assert_false(is_there(&f, 1));
        assert_true(is_there(&f, 2));
        done(&f);
    }
}

/* Broken off when the new one already counted, and the old one still did. */
static void test_two_of_one_key(void **state)
{
    static const unsigned char value[] = "the later";
    fixture_t f = table_of(state, SIZE);
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, value, sizeof(value),
                                         f.now + HOUR, NULL, 0 };
    unsigned char key[32], *found;
    apr_size_t len;
    chunk_t i;

    assert_int_equal(mark(&f, 1, 300), APR_SUCCESS);
    table_key(key, 1);
    assert_int_equal(bearer_table_begin(f.t), APR_SUCCESS);
    i = bearer_table_compose(f.t, key, &entry, 0, f.now);
    bearer_table_commit(table_head(f.t, i), COMMITTED);
    bearer_table_finish(f.t);
    repair(&f);
    assert_int_equal(stats(&f).others, 1);
    assert_int_equal(bearer_table_get(f.t, key, f.now, &found, &len, f.p), APR_SUCCESS);
    assert_int_equal(len, sizeof(value));
    assert_memory_equal(found, value, sizeof(value));
    done(&f);
}

/* ---- locks that fail, and holders that die ----------------------------------- */

/* Which call of these fails, counted from 1 (the linker puts them in the place of
 * libc's); 0: none. */
static struct {
    int calls, failing, happened;
} locks;

static int lock_fails(void)
{
    int fails = ++locks.calls == locks.failing;

    locks.happened |= fails;
    return fails;
}

#define FAULTY_LOCK(name, parameters, arguments) \
    int __real_##name parameters; \
    int __wrap_##name parameters; \
    int __wrap_##name parameters \
    { \
        return lock_fails() ? EINVAL : __real_##name arguments; \
    }

/* clang-format takes the parameters for products */
/* clang-format off */
FAULTY_LOCK(pthread_mutex_trylock, (pthread_mutex_t *lock), (lock))
FAULTY_LOCK(pthread_mutex_init, (pthread_mutex_t *lock, const pthread_mutexattr_t *how),
            (lock, how))
FAULTY_LOCK(pthread_mutexattr_init, (pthread_mutexattr_t *how), (how))
FAULTY_LOCK(pthread_mutexattr_settype, (pthread_mutexattr_t *how, int type), (how, type))
FAULTY_LOCK(pthread_mutexattr_setpshared, (pthread_mutexattr_t *how, int shared),
            (how, shared))
FAULTY_LOCK(pthread_mutexattr_setrobust, (pthread_mutexattr_t *how, int robust),
            (how, robust))
/* clang-format on */

static void test_locks_that_cannot_be_made(void **state)
{
    pthread_mutex_t lock;
    int n = 0;

    (void)state;
    do {
        memset(&locks, 0, sizeof(locks));
        locks.failing = ++n;
        assert_int_equal(bearer_table_make_lock(&lock),
                         n <= 5 ? APR_EGENERAL : APR_SUCCESS);
    } while (locks.happened);
    assert_int_equal(n, 6);
    pthread_mutex_destroy(&lock);
    memset(&locks, 0, sizeof(locks));
}

enum { DO_ADD, DO_REPLACE, DO_REMOVE, DO_END, DO_GET, DO_SWEEP, DO_REPAIR, DOINGS };

static apr_status_t do_one(fixture_t *f, int what)
{
    bearer_owners_t owners = table_owned_by(1000000 + 3, 7, 8);
    unsigned char key[32], *value;
    apr_size_t len;
    apr_status_t rv = APR_SUCCESS;

    table_key(key, 3);
    switch (what) {
    case DO_ADD:
        return mark(f, 50, 900);
    case DO_REPLACE:
        return do_it(f, BEARER_TABLE_EITHER, BEARER_KEPT_SESSION, 3, 500, &owners);
    case DO_REMOVE:
        return bearer_table_remove(f->t, key);
    case DO_END:
        return bearer_table_end(f->t, BEARER_OWNER_SUB, owners.id[BEARER_OWNER_SUB], NULL);
    case DO_GET:
        return bearer_table_get(f->t, key, f->now, &value, &len, f->p);
    case DO_SWEEP:
        bearer_table_sweep(f->t, f->now + HOUR);
        break;
    default:
        atomic_store(&f->t->header->changing, 1);
        rv = bearer_table_begin(f->t);
        if (rv == APR_SUCCESS) {
            bearer_table_finish(f->t);
        }
    }
    return rv;
}

/* A lock that cannot be had is no "not there", and the table is whole afterwards. */
static void test_locks_that_fail(void **state)
{
    int what, n, failed = 0;

    for (what = 0; what < DOINGS; what++) {
        n = 0;
        do {
            fixture_t f = table_of(state, SIZE);
            apr_status_t rv;
            unsigned i;

            for (i = 0; i < 6; i++) {
                assert_int_equal(session(&f, i, 7, i), APR_SUCCESS);
            }
            memset(&locks, 0, sizeof(locks));
            locks.failing = ++n;
            rv = do_one(&f, what);
            locks.failing = 0;
            UNIT_CHECK(rv == APR_EGENERAL || rv == APR_SUCCESS, "%d, call %d: %d", what,
                       n, rv);
            UNIT_CHECK(locks.happened || rv == APR_SUCCESS, "%d, call %d", what, n);
            failed += rv == APR_EGENERAL;
            assert_int_equal(do_one(&f, DO_REPAIR), APR_SUCCESS);
            assert_int_equal(mark(&f, 60, 100), APR_SUCCESS);
            assert_true(is_there(&f, 60));
            done(&f);
        } while (locks.happened);
        UNIT_CHECK(n > 1, "%d", what);
    }
    assert_true(failed > DOINGS);
}

/* Forks a process that does that, and dies at once or ends in time. */
static void another(fixture_t *f, stripe_t *stripe, int dies)
{
    int ready[2];
    pid_t child;
    char c;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        int good = bearer_table_begin(f->t) == APR_SUCCESS
                && (!stripe || bearer_table_enter(f->t, stripe, 1) == APR_SUCCESS)
                && write(ready[1], "x", 1) == 1;

        if (!dies) {
            usleep(50000);
            bearer_table_finish(f->t);
        }
        _exit(!good);
    }
    assert_true(child > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    if (dies) {
        int status;

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static void test_holder_that_died(void **state)
{
    int which;

    for (which = 0; which < 3; which++) {
        fixture_t f = table_of(state, SIZE);
        unsigned char key[32];
        unsigned i;

        for (i = 0; i < 20; i++) {
            assert_int_equal(mark(&f, i, 300), APR_SUCCESS);
        }
        table_key(key, 3);
        another(&f, which ? table_stripe(f.t, key) : NULL, 1);
        if (which == 1) {
            assert_true(is_there(&f, 3));  /* who only reads mends as well */
        }
        assert_int_equal(mark(&f, 30, 300), APR_SUCCESS);
        assert_int_equal(do_it(&f, BEARER_TABLE_EITHER, BEARER_KEPT_MARK, 3, 200, NULL),
                         APR_SUCCESS);
        assert_int_equal(there(&f, 0, 20), 20);
        assert_true(is_there(&f, 30));
        assert_int_equal(atomic_load(&f.t->header->repaired), 1);
        done(&f);
    }
}

static void test_holder_that_takes_a_moment(void **state)
{
    fixture_t f = table_of(state, SIZE);

    another(&f, NULL, 0);
    assert_int_equal(mark(&f, 1, 300), APR_SUCCESS);
    assert_true(is_there(&f, 1));
    assert_true(wait(NULL) > 0);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_attach),
        UNIT_TEST(test_untouched),
        UNIT_TEST(test_values),
        UNIT_TEST(test_add_replace_put_remove),
        UNIT_TEST(test_expiry),
        UNIT_TEST(test_expired_makes_room_first),
        UNIT_TEST(test_checked),
        UNIT_TEST(test_end),
        UNIT_TEST(test_owners_stay),
        UNIT_TEST(test_sessions_of_a_user),
        UNIT_TEST(test_full),
        UNIT_TEST(test_full_of_equals),
        UNIT_TEST(test_victim_of_many),
        UNIT_TEST(test_marks_stay),
        UNIT_TEST(test_attempts),
        UNIT_TEST(test_logouts),
        UNIT_TEST(test_grows_when_full),
        UNIT_TEST(test_room),
        UNIT_TEST(test_model),
        UNIT_TEST(test_taken_back),
        UNIT_TEST(test_chunks_of_another),
        UNIT_TEST(test_two_of_one_key),
        UNIT_TEST(test_locks_that_cannot_be_made),
        UNIT_TEST(test_locks_that_fail),
        UNIT_TEST(test_holder_that_died),
        UNIT_TEST(test_holder_that_takes_a_moment),
    };
    return UNIT_RUN("table", tests);
}
