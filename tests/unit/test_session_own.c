/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Sessions in the module's own memory: the record is the truth, what ended stays
 * ended, the place of a mark is reserved, and who makes room.
 */
#include "claims.h"
#include "unit_session.h"

#include "login/session_inside.h"

#define ISSUER "https://idp.example/"

typedef struct fixture_t {
    apr_pool_t *p;
    unit_world_t *w;
    unit_own_t *own;
    bearer_session_store_t store;
} fixture_t;

static fixture_t *fixture(void **state, int in_cookie)
{
    apr_pool_t *p = unit_pool(state);
    fixture_t *f = apr_pcalloc(p, sizeof(*f));

    f->p = p;
    f->w = unit_world(p);
    f->w->world.random = NULL;      /* many ids */
    f->own = unit_own(f->w, 2 * (128 * 1024));
    f->store = unit_store(f->w, &f->own->cache, in_cookie);
    return f;
}

static bearer_session_t *new_session(fixture_t *f, const char *sub, const char *sid)
{
    bearer_session_t *s;

    assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, unit_claims(f->p,
        apr_psprintf(f->p, "{'client':'app','access_token':'at','claims':{'sub':'%s',"
                     "'sid':'%s'}}", sub, sid)), f->p), APR_SUCCESS);
    return s;
}

static apr_status_t begin(fixture_t *f, bearer_session_t *s, const char **cookie,
                          unsigned address)
{
    unsigned char from[BEARER_OWNER_SIZE] = { 0 };

    memcpy(from, &address, sizeof(address));
    *cookie = NULL;
    return bearer_session_begin(cookie, s, &f->store, from, f->p);
}

static const char *make(fixture_t *f, const char *sub, const char *sid)
{
    const char *cookie;

    assert_int_equal(begin(f, new_session(f, sub, sid), &cookie, 1), APR_SUCCESS);
    return cookie;
}

static apr_status_t load(fixture_t *f, const char *cookie)
{
    bearer_session_t *s;

    return bearer_session_load(&s, &f->store, cookie, f->p);
}

static bearer_table_stats_t stats(const fixture_t *f)
{
    bearer_table_stats_t s;

    bearer_table_stats(f->own->table, &s);
    return s;
}

/* Marks, as many as there is room for. */
static void fill(fixture_t *f)
{
    unsigned char key[BEARER_CACHE_KEY_SIZE] = { 0 };
    const bearer_cache_entry_t entry = {
        BEARER_KEPT_MARK, key, 1, f->w->now + apr_time_from_sec(86400), NULL, 0
    };
    unsigned n = 1;

    do {
        memcpy(key, &n, sizeof(n));
        n += 7919;
    } while (bearer_table_keep(f->own->table, BEARER_TABLE_NEW, key, &entry, f->w->now)
             == APR_SUCCESS);
}

/* ---- the record is the truth --------------------------------------------- */

/* Who was under way when a session ended (a touch, a refresh, one that failed) does
 * not bring it back, and learns that it is over. */
static void test_not_brought_back(void **state)
{
    fixture_t *f = fixture(state, 0);
    unsigned char before[BEARER_SESSION_REVISION_SIZE];
    const char *cookie = make(f, "ann", "s1"), *told = NULL;
    bearer_session_t *mine, *theirs;

    bearer_session_load(&mine, &f->store, cookie, f->p);
    bearer_session_load(&theirs, &f->store, cookie, f->p);
    assert_int_equal(bearer_session_end(mine, &f->store, f->p), APR_SUCCESS);
    memcpy(before, theirs->revision, sizeof(before));
    f->w->now += apr_time_from_sec(120);    /* a mark would be gone */
    bearer_session_touch(&told, theirs, &f->store, f->p);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    assert_int_equal(bearer_session_replace(&told, theirs, before, &f->store, f->p),
                     APR_EOF);
    assert_int_equal(bearer_session_again(&theirs, &f->store, f->p), APR_EOF);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    assert_int_equal(stats(f).used, 0);     /* no mark is needed for that */
}

/* The issuer ends sessions: the records are gone, and that of a login which it had
 * answered before does not come. */
static void test_logout_during_a_login(void **state)
{
    fixture_t *f = fixture(state, 0);
    const char *cookie = make(f, "ann", "s1"), *late, *next;
    bearer_session_t *s = new_session(f, "ann", "s1"), *again;

    f->w->now += apr_time_from_sec(3);
    assert_int_equal(bearer_session_logout(&f->store, ISSUER, "app", "s1", NULL, f->p),
                     APR_SUCCESS);
    assert_int_equal(stats(f).sessions, 0);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    f->w->now += apr_time_from_sec(3);
    assert_int_equal(begin(f, s, &late, 1), APR_EOF);
    assert_int_equal(load(f, late), APR_NOTFOUND);
    assert_int_equal(stats(f).sessions, 0);
    /* who signs in after that stays */
    again = new_session(f, "ann", "s1");
    assert_int_equal(begin(f, again, &next, 1), APR_SUCCESS);
    assert_int_equal(load(f, next), APR_SUCCESS);
    f->w->now += apr_time_from_sec(700);
    assert_int_equal(load(f, next), APR_SUCCESS);
}

/* By sub, for all of somebody's sessions with one client. */
static void test_logout_by_sub(void **state)
{
    fixture_t *f = fixture(state, 0);
    const char *cookies[20];
    int i;

    for (i = 0; i < 20; i++) {
        cookies[i] = make(f, i % 2 ? "ann" : "bob", apr_psprintf(f->p, "s%d", i));
    }
    bearer_session_logout(&f->store, ISSUER, "other", NULL, "ann", f->p);
    bearer_session_logout(&f->store, "https://other/", "app", NULL, "ann", f->p);
    assert_int_equal(stats(f).sessions, 20);
    bearer_session_logout(&f->store, ISSUER, "app", NULL, "ann", f->p);
    assert_int_equal(stats(f).sessions, 10);
    for (i = 0; i < 20; i++) {
        assert_int_equal(load(f, cookies[i]), i % 2 ? APR_NOTFOUND : APR_SUCCESS);
    }
}

/* Foreign logins, however many, bring nothing back and sign nobody out who is not
 * of the address that they come from. */
static void test_foreign_logins(void **state)
{
    fixture_t *f = fixture(state, 0);
    const char *ended[20], *others[20], *cookie;
    int i;

    for (i = 0; i < 20; i++, f->w->now++) {
        assert_int_equal(begin(f, new_session(f, "ann", apr_psprintf(f->p, "e%d", i)),
                               &ended[i], 100 + (unsigned)i), APR_SUCCESS);
        assert_int_equal(begin(f, new_session(f, apr_psprintf(f->p, "o%d", i), "o"),
                               &others[i], 200 + (unsigned)i), APR_SUCCESS);
    }
    bearer_session_logout(&f->store, ISSUER, "app", NULL, "ann", f->p);
    for (i = 0; i < 3000; i++, f->w->now++) {
        const char *who = apr_psprintf(f->p, "foreign%d", i);

        assert_int_equal(bearer_session_once(&f->store, BEARER_SESSION_STATE, ISSUER,
                                             who, f->w->now + apr_time_from_sec(600),
                                             f->p), APR_SUCCESS);
        assert_int_equal(begin(f, new_session(f, who, who), &cookie, 1), APR_SUCCESS);
    }
    assert_true(stats(f).evicted > 1000);
    for (i = 0; i < 20; i++) {
        assert_int_equal(load(f, ended[i]), APR_NOTFOUND);
        assert_int_equal(load(f, others[i]), APR_SUCCESS);
    }
}

static void test_thirty_three(void **state)
{
    fixture_t *f = fixture(state, 0);
    const char *cookies[33];
    int i;

    for (i = 0; i < 33; i++, f->w->now++) {
        cookies[i] = make(f, "ann", apr_psprintf(f->p, "s%d", i));
    }
    assert_int_equal(load(f, cookies[0]), APR_NOTFOUND);
    for (i = 1; i < 33; i++) {
        assert_int_equal(load(f, cookies[i]), APR_SUCCESS);
    }
}

/* ---- marks have places ---------------------------------------------------- */

/* Signing out works, however full it is, and for as long as the cookie might. */
static void test_signing_out_never_fails(void **state)
{
    fixture_t *f = fixture(state, 1);
    const char *cookie = make(f, "ann", "s1"), *told;
    bearer_session_t *s;
    apr_time_t ends;

    bearer_session_load(&s, &f->store, cookie, f->p);
    ends = s->ends;
    fill(f);
    f->w->now += apr_time_from_sec(1200);
    bearer_session_touch(&told, s, &f->store, f->p);
    assert_non_null(told);
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_SUCCESS);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    assert_int_equal(load(f, told), APR_NOTFOUND);
    /* no shorter than the cookie, whatever becomes of `idle` */
    f->store.idle = 2 * f->store.max;
    f->w->now = ends - 1;
    assert_int_equal(load(f, told), APR_NOTFOUND);
}

static void test_no_place_no_session(void **state)
{
    fixture_t *f = fixture(state, 1);
    const char *cookie;

    fill(f);
    assert_int_equal(begin(f, new_session(f, "ann", "s1"), &cookie, 1), APR_ENOMEM);
    assert_true(stats(f).refused > 0);
    f = fixture(state, 0);
    fill(f);
    assert_int_equal(begin(f, new_session(f, "ann", "s1"), &cookie, 1), APR_ENOMEM);
}

/* One that began before there were places, or before the memory was new. */
static void test_signing_out_without_a_place(void **state)
{
    fixture_t *f = fixture(state, 1);
    const char *cookie = make(f, "ann", "s1");
    bearer_session_t *s;

    f->store.cache = &unit_own(f->w, (128 * 1024))->cache;
    assert_int_equal(bearer_session_load(&s, &f->store, cookie, f->p), APR_SUCCESS);
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_SUCCESS);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

/* Not known is not "not ended". */
static void test_memory_that_cannot_be_used(void **state)
{
    fixture_t *f = fixture(state, 1);
    const char *cookie = make(f, "ann", "s1"), *told = NULL;
    bearer_session_t *s;

    bearer_session_load(&s, &f->store, cookie, f->p);
    f->own->down = 1;
    assert_int_equal(load(f, cookie), APR_EGENERAL);
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_EGENERAL);
    assert_int_equal(bearer_session_replace(&told, s, s->revision, &f->store, f->p),
                     APR_EGENERAL);
    f->store.in_cookie = 0;
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_EGENERAL);
    assert_int_equal(bearer_session_logout(&f->store, ISSUER, "app", "s1", NULL, f->p),
                     APR_EGENERAL);
}

/* ---- what anybody can write ------------------------------------------------ */

static void test_attempts_displace_nothing(void **state)
{
    fixture_t *f = fixture(state, 0);
    const char *cookie = make(f, "ann", "s1");
    apr_time_t end = f->w->now + apr_time_from_sec(600);
    int i;

    bearer_session_once(&f->store, "jti", ISSUER, "j", end, f->p);
    for (i = 0; i < 5000; i++) {
        assert_int_equal(bearer_session_once(&f->store, BEARER_SESSION_STATE, ISSUER,
                                             apr_psprintf(f->p, "%d", i), end, f->p),
                         APR_SUCCESS);
    }
    assert_int_equal(bearer_session_once(&f->store, BEARER_SESSION_STATE, ISSUER,
                                         "4999", end, f->p), APR_EEXIST);
    assert_int_equal(bearer_session_once(&f->store, "jti", ISSUER, "j", end, f->p),
                     APR_EEXIST);
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    assert_int_equal(stats(f).evicted, 0);
}

/* Whoever can make the issuer tell of logouts signs nobody else out, and a login that
 * is under way meets the latest of them. */
static void test_logouts_displace_nothing(void **state)
{
    fixture_t *f = fixture(state, 0);
    apr_time_t end = f->w->now + apr_time_from_sec(600);
    const char *cookies[40], *late;
    bearer_session_t *under_way = new_session(f, "bob", "s-bob");
    int i;

    for (i = 0; i < 40; i++) {
        cookies[i] = make(f, apr_psprintf(f->p, "u%d", i), "s");
    }
    for (i = 0; i < 4000; i++, f->w->now++) {
        const char *sid = apr_psprintf(f->p, "unknown%d", i);

        assert_int_equal(bearer_session_once(&f->store, "jti", ISSUER, sid, end, f->p),
                         APR_SUCCESS);
        assert_int_equal(bearer_session_logout(&f->store, ISSUER, "app",
                                               i == 3999 ? "s-bob" : sid, NULL, f->p),
                         APR_SUCCESS);
    }
    /* one that comes twice is noted twice */
    assert_int_equal(bearer_session_logout(&f->store, ISSUER, "app", "s-bob", NULL,
                                           f->p), APR_SUCCESS);
    for (i = 0; i < 40; i++) {
        assert_int_equal(load(f, cookies[i]), APR_SUCCESS);
    }
    assert_int_equal(stats(f).evicted, 0);
    assert_int_equal(begin(f, under_way, &late, 1), APR_EOF);
    assert_int_equal(bearer_session_once(&f->store, "jti", ISSUER, "unknown3999", end,
                                         f->p), APR_EEXIST);
}

/* ---- what lies in the memory ------------------------------------------------ */

/* Tokens do not, in clear. */
static void test_sealed(void **state)
{
    fixture_t *f = fixture(state, 0);
    bearer_session_t *s = new_session(f, "a-user-of-the-issuer", "s1");
    const char *cookie;
    const bearer_cache_t *cache = f->store.cache;
    unsigned char name[BEARER_CACHE_KEY_SIZE], *value;
    apr_size_t len, i;

    assert_int_equal(begin(f, s, &cookie, 1), APR_SUCCESS);
    assert_int_equal(bearer_session_record_name(name, &f->store, "record", s->id, NULL),
                     APR_SUCCESS);
    assert_int_equal(cache->get(cache, name, &value, &len, f->p), APR_SUCCESS);
    for (i = 0; i + sizeof(s->id) <= len; i++) {
        assert_memory_not_equal(value + i, s->id, sizeof(s->id));
        assert_memory_not_equal(value + i, ISSUER, sizeof(ISSUER) - 1);
    }
    value[len - 1] ^= 1;
    assert_int_equal(cache->put(cache, name, value, len, s->ends, f->p), APR_SUCCESS);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

/* One at a time, and with them nothing else; what is not there leaves nothing behind. */
static void test_ended_by_sid(void **state)
{
    fixture_t *f = fixture(state, 0);
    const char *cookies[] = { make(f, "ann", "s1"), make(f, "bob", "s1"), make(f, "ann", "s2") };
    bearer_session_t *s;
    unsigned n = 0;

    assert_true(bearer_session_finds_sid(&f->store));
    while (bearer_session_end_sid(&s, &f->store, ISSUER, "app", "s1", f->p) == APR_SUCCESS) {
        assert_string_equal(bearer_session_string(s, "access_token", f->p), "at");
        assert_int_equal(stats(f).sessions, 2 - n++);
    }
    assert_int_equal(n, 2);
    assert_int_equal(load(f, cookies[0]), APR_NOTFOUND);
    assert_int_equal(load(f, cookies[1]), APR_NOTFOUND);
    assert_int_equal(load(f, cookies[2]), APR_SUCCESS);
    assert_int_equal(bearer_session_end_sid(&s, &f->store, ISSUER, "other", "s2", f->p),
                     APR_NOTFOUND);
    assert_int_equal(bearer_session_end_sid(&s, &f->store, "https://b.example/", "app", "s2",
                                            f->p), APR_NOTFOUND);
    assert_null(s);
    assert_int_equal(stats(f).others, 0);
    /* a session of a virtual host with another secret */
    f->store.seal = unit_seal(f->p, "two", "session");
    assert_int_equal(bearer_session_end_sid(&s, &f->store, ISSUER, "app", "s2", f->p),
                     APR_SUCCESS);
    assert_null(s);
    assert_int_equal(stats(f).sessions, 0);
    f->own->down = 1;
    assert_int_equal(bearer_session_end_sid(&s, &f->store, ISSUER, "app", "s2", f->p),
                     APR_EGENERAL);
    f->store.in_cookie = 1;
    assert_false(bearer_session_finds_sid(&f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_not_brought_back),
        UNIT_TEST(test_logout_during_a_login),
        UNIT_TEST(test_logout_by_sub),
        UNIT_TEST(test_foreign_logins),
        UNIT_TEST(test_thirty_three),
        UNIT_TEST(test_signing_out_never_fails),
        UNIT_TEST(test_no_place_no_session),
        UNIT_TEST(test_signing_out_without_a_place),
        UNIT_TEST(test_memory_that_cannot_be_used),
        UNIT_TEST(test_attempts_displace_nothing),
        UNIT_TEST(test_logouts_displace_nothing),
        UNIT_TEST(test_sealed),
        UNIT_TEST(test_ended_by_sid),
    };

    return UNIT_RUN("session_own", tests);
}
