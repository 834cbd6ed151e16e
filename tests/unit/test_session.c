/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Sessions: both stores, their ends, refresh by one, logout by the issuer. */
#include "claims.h"
#include "unit_session.h"

#include "base/b64url.h"
#include "base/base61.h"
#include "base/cookie.h"
#include "login/session_inside.h"

#define ISSUER "https://idp.example/"

typedef struct fixture_t {
    apr_pool_t *p;
    unit_world_t *w;
    unit_cache_t *cache;
    unit_own_t *own;               /**< instead of it; or NULL */
    bearer_session_store_t store;
} fixture_t;

static fixture_t *fixture(apr_pool_t *p, int in_cookie)
{
    fixture_t *f = apr_pcalloc(p, sizeof(*f));

    f->p = p;
    f->w = unit_world(p);
    f->cache = unit_cache(f->w);
    f->store = unit_store(f->w, &f->cache->cache, in_cookie);
    return f;
}

/* The same in the module's own memory. */
static fixture_t *own_fixture(apr_pool_t *p, int in_cookie)
{
    fixture_t *f = fixture(p, in_cookie);

    f->own = unit_own(f->w, (128 * 1024));
    f->store.cache = &f->own->cache;
    return f;
}

static json_t *body_of(fixture_t *f, const char *claims)
{
    return unit_claims(f->p, apr_psprintf(f->p, "{'client':'app',"
        "'access_token':'at','refresh_token':'rt','id_token':'a.%s.c',"
        "'claims':%s}", bearer_b64url_encode(f->p, "{\"sub\":\"ann\"}", 13),
        claims));
}

#define CLAIMS "{'sub':'ann','sid':'s1','email':'a@b.example'," \
               "'email_verified':true}"

static const char *make(fixture_t *f, bearer_session_t **out)
{
    bearer_session_t *s;
    const char *cookie = NULL;

    assert_int_equal(bearer_session_new(&s, &f->store, ISSUER,
                                        body_of(f, CLAIMS), f->p), APR_SUCCESS);
    assert_int_equal(bearer_session_begin(&cookie, s, &f->store, NULL, f->p),
                     APR_SUCCESS);
    if (out) {
        *out = s;
    }
    return cookie;
}

static apr_status_t load(fixture_t *f, const char *cookie)
{
    bearer_session_t *s;

    return bearer_session_load(&s, &f->store, cookie, f->p);
}

static void both(void **state, void (*test)(fixture_t *f))
{
    test(fixture(unit_pool(state), 0));
    test(fixture(unit_pool(state), 1));
    test(own_fixture(unit_pool(state), 0));
    test(own_fixture(unit_pool(state), 1));
}

static void round_trip(fixture_t *f)
{
    const char *cookie = make(f, NULL);
    bearer_session_t *s;

    assert_int_equal(bearer_session_load(&s, &f->store, cookie, f->p),
                     APR_SUCCESS);
    assert_string_equal(s->issuer, ISSUER);
    assert_string_equal(bearer_session_string(s, "access_token", f->p), "at");
    assert_string_equal(bearer_json_string(
        json_object_get(bearer_session_body(s, f->p), "claims"), "email"),
        "a@b.example");
    assert_string_equal(bearer_json_string(
        json_object_get(bearer_session_body(s, f->p), "claims"), "sub"), "ann");
    assert_int_equal(s->ends, f->w->now + f->store.max);
    assert_string_not_equal(make(f, NULL), cookie);
}

static void test_round_trip(void **state)
{
    both(state, round_trip);
}

/* Every changed, cut or added character; another server; another secret. */
static void forged(fixture_t *f)
{
    const char *cookie = make(f, NULL);
    char *copy = apr_pstrdup(f->p, cookie);
    apr_size_t i, len = strlen(cookie);

    for (i = 0; i < len; i++) {
        copy[i] = cookie[i] == 'A' ? 'B' : 'A';
        UNIT_CHECK(load(f, copy) == APR_NOTFOUND, "byte %d", (int)i);
        copy[i] = cookie[i];
    }
    for (i = 0; i < len; i++) {
        assert_int_equal(load(f, apr_pstrmemdup(f->p, cookie, i)), APR_NOTFOUND);
    }
    assert_int_equal(load(f, apr_pstrcat(f->p, cookie, "A", NULL)), APR_NOTFOUND);
    f->store.server = "https://other.example";
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    f->store.server = "https://app.example";
    f->store.seal = unit_seal(f->p, "two", "session");
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    f->store.seal = unit_seal(f->p, "one", "login");
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    f->store.seal = unit_seal(f->p, "two one", "session"); /* rotation */
    assert_int_equal(load(f, cookie), APR_SUCCESS);
}

static void test_forged(void **state)
{
    both(state, forged);
}

static apr_interval_time_t least(apr_interval_time_t a, apr_interval_time_t b)
{
    return a < b ? a : b;
}

static void lifetime(fixture_t *f)
{
    const char *cookie = make(f, NULL), *told;
    bearer_session_t *s;
    apr_time_t start = f->w->now;
    int i;

    f->w->now = start + f->store.idle - 1;
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    f->w->now = start + f->store.idle;
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    f->w->now = start;
    cookie = make(f, NULL);
    /* in use: goes on until max */
    for (i = 0; f->w->now + apr_time_from_sec(1200) < start + f->store.max; i++) {
        assert_int_equal(bearer_session_load(&s, &f->store, cookie, f->p),
                         APR_SUCCESS);
        assert_int_equal(bearer_session_left(s, &f->store),
                         f->store.idle - (i ? apr_time_from_sec(1200) : 0));
        bearer_session_touch(&told, s, &f->store, f->p);
        assert_int_equal(bearer_session_left(s, &f->store), least(
            f->store.idle, start + f->store.max - f->w->now));
        assert_true((told != NULL) == (f->store.in_cookie && i > 0));
        cookie = told ? told : cookie;
        f->w->now += apr_time_from_sec(1200);
    }
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    f->w->now = start + f->store.max;
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

static void test_lifetime(void **state)
{
    both(state, lifetime);
}

/* A shorter maximum holds for sessions that are there already. */
/* When a session was last seen is noted to a 16th of its idle time, or a minute. */
static void test_noted_when_seen(void **state)
{
    static const struct {
        int idle, precision;
    } cases[] = { { 16, 1 }, { 320, 20 }, { 960, 60 }, { 3600, 60 }, { 36000, 60 } };
    fixture_t *f = fixture(unit_pool(state), 1);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *cookie, *told;
        bearer_session_t *s;

        f->store.idle = apr_time_from_sec(cases[i].idle);
        cookie = make(f, NULL);
        assert_int_equal(bearer_session_load(&s, &f->store, cookie, f->p), APR_SUCCESS);
        f->w->now += apr_time_from_sec(cases[i].precision) - 1;
        bearer_session_touch(&told, s, &f->store, f->p);
        UNIT_CHECK(!told, "idle %d: too early", cases[i].idle);
        f->w->now++;
        bearer_session_touch(&told, s, &f->store, f->p);
        UNIT_CHECK(told, "idle %d: too late", cases[i].idle);
    }
}

static void test_shorter_maximum(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 1);
    const char *cookie = make(f, NULL);

    f->store.max = apr_time_from_sec(60);
    f->w->now += apr_time_from_sec(61);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

/* A request that was under way does not bring an ended session back. */
static void ended(fixture_t *f)
{
    bearer_session_t *s, *other;
    const char *cookie = make(f, &s);

    assert_int_equal(bearer_session_load(&other, &f->store, cookie, f->p),
                     APR_SUCCESS);
    bearer_session_end(s, &f->store, f->p);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    assert_int_equal(bearer_session_replace(NULL, other, other->revision, &f->store,
                                            f->p), APR_EOF);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

static void test_ended(void **state)
{
    both(state, ended);
}

/* What a refresh gave is not overwritten by a request that began before. */
static void refreshed(fixture_t *f)
{
    unsigned char before[BEARER_SESSION_REVISION_SIZE];
    bearer_session_t *mine, *theirs;
    const char *cookie = make(f, NULL), *told = NULL;

    bearer_session_load(&mine, &f->store, cookie, f->p);
    bearer_session_load(&theirs, &f->store, cookie, f->p);
    assert_int_equal(bearer_session_lease(mine, &f->store, f->w->now + 9, f->p),
                     APR_SUCCESS);
    assert_int_equal(bearer_session_lease(theirs, &f->store, f->w->now + 9, f->p),
                     APR_EBUSY);
    assert_int_equal(bearer_session_again(&theirs, &f->store, f->p), APR_NOTFOUND);
    memcpy(before, mine->revision, sizeof(before));
    assert_int_equal(bearer_session_renew(mine, &f->store, unit_claims(f->p,
        "{'access_token':'new','claims':{'sub':'ann'}}"), f->p), APR_SUCCESS);
    assert_memory_not_equal(before, mine->revision, sizeof(before));
    assert_int_equal(bearer_session_replace(&told, mine, before, &f->store, f->p),
                     APR_SUCCESS);
    bearer_session_unlease(mine, &f->store, f->p);
    assert_int_equal(bearer_session_again(&theirs, &f->store, f->p), APR_SUCCESS);
    assert_string_equal(bearer_session_string(theirs, "access_token", f->p), "new");
    if (!f->store.in_cookie) {
        bearer_session_t *stale, *now;

        f->w->now += apr_time_from_sec(120);
        bearer_session_load(&stale, &f->store, cookie, f->p);
        memcpy(stale->revision, before, sizeof(before));
        bearer_session_touch(&told, stale, &f->store, f->p);
        bearer_session_load(&now, &f->store, cookie, f->p);
        assert_memory_equal(now->revision, mine->revision, sizeof(before));
    }
    bearer_session_end(mine, &f->store, f->p);
    assert_int_equal(bearer_session_again(&theirs, &f->store, f->p), APR_EOF);
}

static void test_refreshed(void **state)
{
    both(state, refreshed);
}

/* Who waited for a refresh that failed does not try at once once more. */
static void failed(fixture_t *f)
{
    unsigned char before[BEARER_SESSION_REVISION_SIZE];
    bearer_session_t *mine, *theirs;
    const char *cookie = make(f, NULL), *told = NULL;

    bearer_session_load(&mine, &f->store, cookie, f->p);
    bearer_session_load(&theirs, &f->store, cookie, f->p);
    theirs->access_expires = f->w->now;
    memcpy(before, mine->revision, sizeof(before));
    mine->retry = f->w->now + apr_time_from_sec(10);
    assert_int_equal(bearer_session_replace(&told, mine, before, &f->store, f->p),
                     APR_SUCCESS);
    assert_true(bearer_session_refresh_due(theirs, f->w->now));
    assert_int_equal(bearer_session_again(&theirs, &f->store, f->p), APR_NOTFOUND);
    assert_false(bearer_session_refresh_due(theirs, f->w->now));
    assert_memory_equal(before, theirs->revision, sizeof(before));
    /* and what succeeds afterwards is found */
    bearer_session_renew(mine, &f->store, body_of(f, CLAIMS), f->p);
    bearer_session_replace(&told, mine, before, &f->store, f->p);
    assert_int_equal(bearer_session_again(&theirs, &f->store, f->p), APR_SUCCESS);
    assert_memory_equal(mine->revision, theirs->revision, sizeof(before));
}

static void test_refresh_that_failed(void **state)
{
    both(state, failed);
}

/* What the issuer no longer says of somebody does not outlast a refresh; the name does. */
static void test_lasting(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    static const char said[] = "{\"sub\":\"ann\",\"roles\":[\"admin\"],"
        "\"upn\":\"ann@corp\",\"email\":\"a@b\"}";
    json_t *kept;
    bearer_session_t *s;

    assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, unit_claims(f->p,
        apr_psprintf(f->p, "{'client':'app','id_token':'a.%s.c','claims':{"
                     "'sub':'ann','roles':['admin'],'upn':'ann@corp',"
                     "'email':'a@b','phone':'1'}}",
                     bearer_b64url_encode(f->p, said, sizeof(said) - 1))),
        f->p), APR_SUCCESS);
    kept = bearer_session_lasting(s, "upn", f->p);
    assert_null(json_object_get(kept, "roles"));
    assert_null(json_object_get(kept, "phone"));
    assert_null(json_object_get(bearer_session_said(s, f->p), "phone"));
    assert_int_equal(json_array_size(json_object_get(bearer_session_said(s, f->p), "roles")), 1);
    assert_string_equal(bearer_json_string(kept, "upn"), "ann@corp");
    assert_string_equal(bearer_json_string(kept, "email"), "a@b");
}

/* The refreshed ID token has no sid: the issuer can still end the session. */
static void logout_after_refresh(fixture_t *f)
{
    unsigned char before[BEARER_SESSION_REVISION_SIZE];
    bearer_session_t *s;
    const char *told = NULL, *cookie = make(f, &s);

    memcpy(before, s->revision, sizeof(before));
    assert_int_equal(bearer_session_renew(s, &f->store, body_of(f,
        "{'sub':'ann','email':'a@b.example'}"), f->p), APR_SUCCESS);
    bearer_session_replace(&told, s, before, &f->store, f->p);
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    bearer_session_logout(&f->store, ISSUER, "app", "s1", NULL, f->p);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

static void test_logout_after_refresh(void **state)
{
    logout_after_refresh(fixture(unit_pool(state), 0));
    logout_after_refresh(own_fixture(unit_pool(state), 0));
}

static void test_refresh_due(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    bearer_session_t *s;

    make(f, &s);
    assert_false(bearer_session_refresh_due(s, f->w->now));
    s->access_expires = f->w->now + apr_time_from_sec(31);
    assert_false(bearer_session_refresh_due(s, f->w->now));
    assert_true(bearer_session_refresh_due(s, f->w->now + apr_time_from_sec(2)));
    s->retry = f->w->now + apr_time_from_sec(10);
    assert_false(bearer_session_refresh_due(s, f->w->now + apr_time_from_sec(9)));
}

static void logout_by_the_issuer(fixture_t *f)
{
    const char *cookie = make(f, NULL);

    bearer_session_logout(&f->store, ISSUER, "app", "s2", NULL, f->p);
    bearer_session_logout(&f->store, ISSUER, "other", "s1", NULL, f->p);
    bearer_session_logout(&f->store, "https://other/", "app", "s1", NULL, f->p);
    bearer_session_logout(&f->store, ISSUER, "app", NULL, "bob", f->p);
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    bearer_session_logout(&f->store, ISSUER, "app", "s1", NULL, f->p);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    f->w->now++;
    cookie = make(f, NULL);   /* logged in again */
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    bearer_session_logout(&f->store, ISSUER, "app", NULL, "ann", f->p);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

/* A cache that gives several marks at once. */
static fixture_t *many_fixture(apr_pool_t *p)
{
    fixture_t *f = fixture(p, 0);

    f->cache->cache.get_many = unit_cache_get_many;
    return f;
}

static void test_marks_at_once(void **state)
{
    fixture_t *f = many_fixture(unit_pool(state));
    const char *cookie = make(f, NULL);

    f->cache->manys = 0;
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    assert_int_equal(f->cache->manys, 1);
}

static void test_logout_by_the_issuer(void **state)
{
    logout_by_the_issuer(fixture(unit_pool(state), 0));
    logout_by_the_issuer(many_fixture(unit_pool(state)));
    logout_by_the_issuer(own_fixture(unit_pool(state), 0));
}

/* An ID token need not have a sid, although logout tokens have. */
static void logout_without_a_sid(fixture_t *f)
{
    const char *with = make(f, NULL), *without = NULL;
    bearer_session_t *s;

    assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, body_of(f,
        "{'sub':'ann','email':'a@b.example'}"), f->p), APR_SUCCESS);
    bearer_session_begin(&without, s, &f->store, NULL, f->p);
    bearer_session_logout(&f->store, ISSUER, "app", "s9", "bob", f->p);
    bearer_session_logout(&f->store, ISSUER, "app", "s9", NULL, f->p);
    assert_int_equal(load(f, without), APR_SUCCESS);
    bearer_session_logout(&f->store, ISSUER, "app", "s9", "ann", f->p);
    assert_int_equal(load(f, without), APR_NOTFOUND);
    assert_int_equal(load(f, with), APR_SUCCESS);
}

static void test_logout_without_a_sid(void **state)
{
    logout_without_a_sid(fixture(unit_pool(state), 0));
    logout_without_a_sid(many_fixture(unit_pool(state)));
    logout_without_a_sid(own_fixture(unit_pool(state), 0));
}

/* A deny-list that cannot be read is no permission: the record is there, and then
 * the cache fails. */
static void marks_that_cannot_be_read(fixture_t *f)
{
    const char *cookie = make(f, NULL);
    apr_hash_index_t *i;
    int gets;

    for (gets = 1; gets < 3; gets++) {  /* by sid, by sub */
        f->cache->gets_left = gets;
        assert_int_equal(load(f, cookie), APR_EGENERAL);
    }
    f->cache->gets_left = -1;
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    apr_hash_clear(f->cache->values);
    bearer_session_logout(&f->store, ISSUER, "app", "s1", NULL, f->p);
    for (i = apr_hash_first(f->p, f->cache->values); i; i = apr_hash_next(i)) {
        unit_value_t *v;

        apr_hash_this(i, NULL, NULL, (void **)&v);
        v->bytes[v->len - 1] ^= 1;      /* somebody else's hand */
    }
    cookie = make(f, NULL);
    assert_int_equal(load(f, cookie), APR_EGENERAL);
}

static void test_marks_that_cannot_be_read(void **state)
{
    marks_that_cannot_be_read(fixture(unit_pool(state), 0));
    marks_that_cannot_be_read(many_fixture(unit_pool(state)));
}

/* Two servers that share a cache and a client, but no secret: what one was told is
 * not the other's trouble. Nor is, after a secret was replaced, what was sealed
 * with the old one. */
static void marks_by_another_secret(fixture_t *f)
{
    const bearer_seal_t *own = f->store.seal;
    const char *cookie = make(f, NULL);

    f->store.seal = unit_seal(f->p, "two", "session");
    bearer_session_logout(&f->store, ISSUER, "app", NULL, "ann", f->p);
    f->store.seal = own;
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    bearer_session_logout(&f->store, ISSUER, "app", NULL, "ann", f->p);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

static void test_marks_by_another_secret(void **state)
{
    marks_by_another_secret(fixture(unit_pool(state), 0));
    marks_by_another_secret(many_fixture(unit_pool(state)));
}

static void once(fixture_t *f)
{
    apr_time_t end = f->w->now + apr_time_from_sec(60);

    assert_int_equal(bearer_session_used(&f->store, "jti", ISSUER, "j", f->p),
                     APR_SUCCESS);
    assert_int_equal(bearer_session_once(&f->store, "jti", ISSUER, "j", end, f->p),
                     APR_SUCCESS);
    assert_int_equal(bearer_session_used(&f->store, "jti", ISSUER, "j", f->p),
                     APR_EEXIST);
    assert_int_equal(bearer_session_once(&f->store, "jti", ISSUER, "j", end, f->p),
                     APR_EEXIST);
    assert_int_equal(bearer_session_once(&f->store, "state", ISSUER, "j", end,
                                         f->p), APR_SUCCESS);
    assert_int_equal(bearer_session_once(&f->store, "jti", "https://o/", "j", end, f->p),
                     APR_SUCCESS);
    f->cache->down = 1;
    if (f->own) {
        f->own->down = 1;
    }
    assert_int_equal(bearer_session_once(&f->store, "jti", ISSUER, "k", end, f->p),
                     APR_EGENERAL);
}

static void test_once(void **state)
{
    once(fixture(unit_pool(state), 0));
    once(own_fixture(unit_pool(state), 0));
}

static apr_status_t busy(const bearer_cache_t *cache, const unsigned char *key,
                         apr_time_t end, apr_pool_t *p)
{
    (void)cache;
    (void)key;
    (void)end;
    (void)p;
    return APR_EBUSY;
}

/* A lease that another key has for long (two may share one) is not this one's. */
static void test_once_beside_another_key(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    apr_time_t end = f->w->now + apr_time_from_sec(60);

    f->cache->cache.lease = busy;
    assert_int_equal(bearer_session_once(&f->store, "state", ISSUER, "j", end,
                                         f->p), APR_SUCCESS);
    assert_int_equal(bearer_session_once(&f->store, "state", ISSUER, "j", end,
                                         f->p), APR_EEXIST);
}

static void test_store_that_is_down(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    const char *kept = make(f, NULL), *cookie = kept;
    bearer_session_t *s;

    f->cache->down = 1;
    assert_int_equal(load(f, cookie), APR_EGENERAL);
    assert_int_equal(load(f, "junk"), APR_NOTFOUND);  /* asked nobody */
    bearer_session_new(&s, &f->store, ISSUER, body_of(f, CLAIMS), f->p);
    assert_int_equal(bearer_session_begin(&cookie, s, &f->store, NULL, f->p),
                     APR_EGENERAL);
    f->cache->down = 0;
    assert_int_equal(load(f, kept), APR_SUCCESS);
}

/* A cookie that opens nothing is a question to the cache, and nothing more. */
static void test_unknown_session_writes_nothing(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    const char *cookie = make(f, NULL);
    int puts;

    apr_hash_clear(f->cache->values);
    puts = f->cache->puts;
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    assert_int_equal(f->cache->puts, puts);
}

/* What is in the cache opens nothing: neither key nor value is the cookie's. */
static void test_cache_holds_no_cookie(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    unsigned char *id;
    const char *cookie = make(f, NULL);
    apr_hash_index_t *i;
    apr_size_t len;

    assert_int_equal(bearer_base61_decode(&id, &len, cookie, strlen(cookie), f->p), APR_SUCCESS);
    assert_int_equal(len, 32);
    for (i = apr_hash_first(f->p, f->cache->values); i; i = apr_hash_next(i)) {
        const void *key;
        apr_ssize_t key_len;
        void *value;
        apr_size_t k;

        apr_hash_this(i, &key, &key_len, &value);
        assert_memory_not_equal(key, id, 32);
        for (k = 0; k + 32 <= ((unit_value_t *)value)->len; k++) {
            assert_memory_not_equal(((unit_value_t *)value)->bytes + k, id, 32);
        }
    }
}

/* It can look like an id of today that is one byte shorter. */
static void test_cookie_of_an_earlier_version(void **state)
{
    static const char cookie[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1AAAAAAAAA";
    fixture_t *f = fixture(unit_pool(state), 0);
    unsigned char *looks;
    bearer_session_t *s;
    const char *today;
    apr_size_t len;

    assert_int_equal(bearer_base61_decode(&looks, &len, cookie, strlen(cookie), f->p),
                     APR_SUCCESS);
    assert_int_equal(len, BEARER_SESSION_ID_SIZE - 1);
    assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, body_of(f, CLAIMS), f->p),
                     APR_SUCCESS);
    assert_int_equal(bearer_b64url_decode(s->id, &len, cookie, strlen(cookie)), APR_SUCCESS);
    assert_int_equal(len, BEARER_SESSION_ID_SIZE);
    assert_int_equal(bearer_session_begin(&today, s, &f->store, NULL, f->p), APR_SUCCESS);
    assert_int_equal(load(f, today), APR_SUCCESS);
    assert_int_equal(load(f, cookie), APR_SUCCESS);
}

static void too_large(fixture_t *f)
{
    char *noise = apr_palloc(f->p, 60000);
    bearer_session_t *s;
    unsigned seed = 7;
    int i;

    for (i = 0; i < 59999; i++) {
        seed = seed * 1103515245u + 12345u;
        noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345"
                   "6789-_"[seed >> 20 & 63];
    }
    noise[59999] = '\0';
    if (bearer_session_new(&s, &f->store, ISSUER, unit_claims(f->p,
            apr_pstrcat(f->p, "{'claims':{'x':'", noise, "'}}", NULL)), f->p)
        == APR_SUCCESS) {
        const char *cookie;

        assert_int_equal(bearer_session_begin(&cookie, s, &f->store, NULL, f->p),
                         APR_ENOSPC);
    }
}

static void test_too_large(void **state)
{
    both(state, too_large);
}

static void test_principal(void **state)
{
    static const struct {
        const char *claims, *path;
        bearer_reason_t reason;
        const char *user;
    } cases[] = {
        { CLAIMS, "email", BEARER_OK, "a@b.example" },
        { CLAIMS, "sub", BEARER_OK, "ann" },
        { "{'email':'a@b'}", "email", BEARER_SESSION_USER, NULL },
        { "{'email':'a@b','email_verified':'true'}", "email",
          BEARER_SESSION_USER, NULL },
        { "{'email':'a@b','email_verified':1}", "email", BEARER_SESSION_USER, NULL },
        { "{'email_verified':true}", "email", BEARER_SESSION_USER, NULL },
        { "{'email':['a'],'email_verified':true}", "email", BEARER_SESSION_USER,
          NULL },
        { "{'email':'a\\nb','email_verified':true}", "email", BEARER_IDENTIFIER,
          NULL },
        { "{'name':'x'}", "preferred_username", BEARER_SESSION_USER, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t settings = *bearer_settings_defaults(p);
    bearer_issuer_t issuer;
    size_t i;

    memset(&issuer, 0, sizeof(issuer));
    issuer.url = issuer.name = ISSUER;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const bearer_principal_t *principal;
        bearer_refusal_t why = { BEARER_OK, NULL };
        bearer_reason_t reason;

        settings.session_user_claim.path = bearer_path_compile(cases[i].path, p);
        reason = bearer_session_user_of(&principal, unit_claims(p,
                                            cases[i].claims), &issuer, &settings,
                                        &why, p);
        UNIT_CHECK(reason == cases[i].reason, "%s: %s", cases[i].claims,
                   why.detail);
        if (reason == BEARER_OK) {
            assert_string_equal(principal->user, cases[i].user);
            assert_string_equal(principal->method, "cookie");
            assert_string_equal(principal->iss, ISSUER);
        }
    }
}

/* Of the same sub in two tenants, or at two issuers, a session is of one. */
static void test_tenant_of_a_session(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t settings = *bearer_settings_defaults(p);
    const bearer_principal_t *principal;
    bearer_issuer_t issuer;

    memset(&issuer, 0, sizeof(issuer));
    issuer.url = "https://login.example/{tenant}/v2.0";
    issuer.name = "login";
    settings.session_user_claim.path = bearer_path_compile("sub", p);
    settings.user_format = "%u@%t/%i";
    assert_int_equal(bearer_session_user_of(
        &principal, unit_claims(p, "{'sub':'ann','iss':"
                                   "'https://login.example/t-1/v2.0'}"),
        &issuer, &settings, NULL, p), BEARER_OK);
    assert_string_equal(principal->user, "ann@t-1/login");
}

/* ---- ends that are not the idle ones ------------------------------------- */

/* A longer maximum does not prolong what has begun. */
static void own_end(fixture_t *f)
{
    const char *cookie;
    apr_time_t start = f->w->now;

    f->store.idle = 100 * f->store.max;
    cookie = make(f, NULL);
    f->store.max *= 10;
    f->w->now = start + f->store.max / 10 - 1;
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    f->w->now++;
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

static void test_longer_maximum(void **state)
{
    both(state, own_end);
}

/* What a refresh waits for may meanwhile have been logged out by the issuer, or have
 * ended by itself: nothing goes on then. */
static void ended_meanwhile(fixture_t *f)
{
    int which;

    for (which = 0; which < 4; which++) {
        unsigned char before[BEARER_SESSION_REVISION_SIZE];
        bearer_session_t *mine, *theirs;
        const char *told = NULL, *cookie;

        f->w->now++;
        cookie = make(f, &mine);
        assert_int_equal(bearer_session_load(&theirs, &f->store, cookie, f->p),
                         APR_SUCCESS);
        memcpy(before, mine->revision, sizeof(before));
        assert_int_equal(bearer_session_renew(mine, &f->store, body_of(f, CLAIMS),
                                              f->p), APR_SUCCESS);
        assert_int_equal(bearer_session_replace(&told, mine, before, &f->store, f->p),
                         APR_SUCCESS);
        f->w->now++;
        switch (which) {
        case 0:
            bearer_session_logout(&f->store, ISSUER, "app", "s1", NULL, f->p);
            break;
        case 1:
            bearer_session_logout(&f->store, ISSUER, "app", NULL, "ann", f->p);
            break;
        case 2:
            f->store.max = 1;
            break;
        default:
            f->w->now += f->store.idle;
        }
        UNIT_CHECK(bearer_session_again(&theirs, &f->store, f->p) == APR_EOF, "%d",
                   which);
        f->store.max = apr_time_from_sec(8 * 3600);
    }
}

static void test_ended_meanwhile(void **state)
{
    ended_meanwhile(fixture(unit_pool(state), 0));
    ended_meanwhile(many_fixture(unit_pool(state)));
    ended_meanwhile(own_fixture(unit_pool(state), 0));
}

/* The cache cannot be asked: nobody knows, and the session stays what it was. */
static void test_again_while_the_cache_is_down(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    bearer_session_t *s, *same;

    make(f, &s);
    same = s;
    f->cache->down = 1;
    assert_int_equal(bearer_session_again(&s, &f->store, f->p), APR_NOTFOUND);
    assert_ptr_equal(s, same);
}

/* A cache that cannot remove it has not ended it. */
static apr_status_t cannot_remove(const bearer_cache_t *cache, const unsigned char *key,
                                  apr_pool_t *p)
{
    (void)cache, (void)key, (void)p;
    return APR_EGENERAL;
}

static void test_end_that_is_none(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    bearer_session_t *s;
    const char *cookie = make(f, &s);

    f->cache->cache.remove = cannot_remove;
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_EGENERAL);
    f->cache->cache.remove = unit_cache_remove;
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_SUCCESS);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
    /* what is gone already has ended */
    assert_int_equal(bearer_session_end(s, &f->store, f->p), APR_SUCCESS);
}

/* Whoever can write into the cache cannot give one session the name of another. */
static void record_of_another(fixture_t *f)
{
    bearer_cache_entry_t entry = { .kind = BEARER_KEPT_SESSION };
    unsigned char name[BEARER_CACHE_KEY_SIZE];
    const char *cookie;
    bearer_session_t *mine, *theirs;

    make(f, &theirs);
    cookie = make(f, &mine);
    assert_int_equal(load(f, cookie), APR_SUCCESS);
    entry.value = bearer_session_encode(theirs, &entry.len, f->p);
    entry.expires = theirs->ends;
    assert_int_equal(bearer_session_record_name(name, &f->store, "record", mine->id,
                                                NULL), APR_SUCCESS);
    assert_int_equal(bearer_session_keep(&f->store, f->own ? BEARER_KEEP_REPLACE
                                                           : BEARER_KEEP_PUT,
                                         name, &entry, f->p), APR_SUCCESS);
    assert_int_equal(load(f, cookie), APR_NOTFOUND);
}

static void test_record_of_another(void **state)
{
    record_of_another(fixture(unit_pool(state), 0));
    record_of_another(own_fixture(unit_pool(state), 0));
}

/* ---- waiting ------------------------------------------------------------- */

static apr_interval_time_t awaited;

static void note_await(const bearer_cache_t *cache, const unsigned char *key,
                       apr_interval_time_t longest)
{
    (void)cache;
    assert_non_null(key);
    awaited = longest;
}

static void test_await(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    bearer_session_t *s;

    make(f, &s);
    f->cache->cache.await = note_await;
    awaited = 0;
    bearer_session_await(s, &f->store, 123456);
    assert_int_equal(awaited, 123456);
    awaited = 0;
    bearer_session_await(s, &f->store, 0);
    assert_int_equal(awaited, 0);
}

/* ---- who it is ------------------------------------------------------------ */

static void test_principal_of_a_session(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 1);
    bearer_settings_t settings = *bearer_settings_defaults(f->p);
    const bearer_principal_t *principal = NULL;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_issuer_t issuer;
    bearer_session_t *s;

    memset(&issuer, 0, sizeof(issuer));
    issuer.url = issuer.name = ISSUER;
    settings.session_user_claim.path = bearer_path_compile("sub", f->p);
    assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, body_of(f,
        "{'sub':'ann','exp':1,'nbf':4102444800}"), f->p), APR_SUCCESS);
    assert_int_equal(bearer_session_principal(&principal, s, &issuer, &settings, &why,
                                              f->p), BEARER_OK);
    assert_string_equal(principal->user, "ann");
    assert_int_equal(principal->expires, s->ends);
    assert_int_equal(principal->not_before, 0);
    settings.session_user_claim.path = bearer_path_compile("email", f->p);
    assert_int_equal(bearer_session_principal(&principal, s, &issuer, &settings, &why,
                                              f->p), BEARER_SESSION_USER);
    assert_null(principal);
    /* a record that cannot be read is nobody's */
    s->body = NULL;
    s->packed = (const unsigned char *)"\0\0\0\7no zlib";
    s->packed_len = 11;
    assert_int_equal(bearer_session_principal(&principal, s, &issuer, &settings, &why,
                                              f->p), BEARER_INTERNAL);
    assert_true(unit_contains(why.detail, "record cannot be read"));
    s->packed_len = 3;
    assert_null(bearer_session_body(s, f->p));
    assert_null(bearer_session_string(s, "client", f->p));
    assert_null(bearer_session_lasting(s, "email", f->p));
}

/* Deflated, a body can be much larger than what is kept: not larger than said. */
static void test_body_that_is_too_large(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 1);
    char *text = apr_palloc(f->p, BEARER_SESSION_BODY_MAX + 100);
    const char *cookie = NULL;
    bearer_session_t *s;
    apr_size_t len;
    int more;

    for (more = -1; more < 2; more++) {
        /* {"claims":{"x":"..."}} */
        len = BEARER_SESSION_BODY_MAX - strlen("{\"claims\":{\"x\":\"\"}}")
            + (apr_size_t)more;
        memset(text, 'a', len);
        text[len] = '\0';
        assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, unit_claims(f->p,
            apr_pstrcat(f->p, "{'claims':{'x':'", text, "'}}", NULL)), f->p),
                         more > 0 ? APR_ENOSPC : APR_SUCCESS);
        if (more <= 0) {                /* and it is the same when it comes back */
            assert_int_equal(bearer_session_begin(&cookie, s, &f->store, NULL, f->p),
                             APR_SUCCESS);
            assert_int_equal(bearer_session_load(&s, &f->store, cookie, f->p),
                             APR_SUCCESS);
            assert_string_equal(bearer_json_string(json_object_get(
                bearer_session_body(s, f->p), "claims"), "x"), text);
        }
    }
    /* and one that says so is not even begun to be read */
    make(f, &s);
    s->body = NULL;
    s->packed = (const unsigned char *)"\0\1\0\1more than 64 KiB";
    s->packed_len = 20;
    assert_null(bearer_session_body(s, f->p));
}

static void test_long_issuer(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    char *url = apr_palloc(f->p, 2050);
    bearer_session_t *s;

    memset(url, 'i', 2050);
    url[2048] = '\0';
    assert_int_equal(bearer_session_new(&s, &f->store, url, body_of(f, CLAIMS), f->p),
                     APR_SUCCESS);
    url[2048] = 'i';
    url[2049] = '\0';
    assert_int_equal(bearer_session_new(&s, &f->store, url, body_of(f, CLAIMS), f->p),
                     APR_ENOSPC);
}

/* A record cut at any byte is none, or has all of its head. */
static void test_records_that_are_cut(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    const unsigned char *record;
    bearer_session_t *s, *cut;
    apr_size_t len, n, head = 1 + 32 + 16 + 5 * 8 + 2 * 32 + 2 + strlen(ISSUER);

    make(f, &s);
    record = bearer_session_encode(s, &len, f->p);
    assert_true(len > head);
    for (n = 0; n <= len; n++) {
        cut = bearer_session_decode(apr_pmemdup(f->p, record, n ? n : 1), n, f->p);
        UNIT_CHECK((cut != NULL) == (n >= head), "%d bytes", (int)n);
        if (cut) {
            assert_string_equal(cut->issuer, ISSUER);
            UNIT_CHECK((bearer_session_body(cut, f->p) != NULL) == (n == len),
                       "%d bytes", (int)n);
        }
    }
}

/* What the issuer says when it issues a token, and what the token itself says. */
static void test_the_end_of_the_access_token(void **state)
{
    fixture_t *f = fixture(unit_pool(state), 0);
    static const struct {
        const char *payload, *stated;
        apr_int64_t ends;
    } rows[] = {
        { NULL, NULL, 0 }, { NULL, "100", 100 }, { "{}", "100", 100 },
        { "{\"exp\":300}", NULL, 300 }, { "{\"exp\":300}", "100", 300 },
        { "{\"exp\":300}", "400", 400 }, { "{\"exp\":-1}", "100", 100 },
        { "{\"exp\":\"300\"}", "100", 100 }, { "[300]", "100", 100 },
        { "{\"exp\":300", NULL, 0 },
    };
    bearer_session_t *s;
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *body = body_of(f, CLAIMS);

        if (rows[i].payload) {
            json_object_set_new(body, BEARER_SESSION_ACCESS_TOKEN, json_string(apr_psprintf(
                f->p, "a.%s.c", bearer_b64url_encode(f->p, rows[i].payload,
                                                     strlen(rows[i].payload)))));
        }
        if (rows[i].stated) {
            json_object_set_new(body, BEARER_SESSION_ACCESS_ENDS, json_string(rows[i].stated));
        }
        assert_int_equal(bearer_session_new(&s, &f->store, ISSUER, body, f->p), APR_SUCCESS);
        UNIT_CHECK(bearer_session_access_ends(s, f->p) == apr_time_from_sec(rows[i].ends),
                   "row %d", (int)i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_round_trip), UNIT_TEST(test_forged),
        UNIT_TEST(test_lifetime), UNIT_TEST(test_noted_when_seen),
        UNIT_TEST(test_shorter_maximum),
        UNIT_TEST(test_ended), UNIT_TEST(test_refreshed),
        UNIT_TEST(test_refresh_that_failed),
        UNIT_TEST(test_lasting), UNIT_TEST(test_logout_after_refresh),
        UNIT_TEST(test_refresh_due), UNIT_TEST(test_marks_at_once),
        UNIT_TEST(test_logout_by_the_issuer),
        UNIT_TEST(test_logout_without_a_sid),
        UNIT_TEST(test_marks_that_cannot_be_read),
        UNIT_TEST(test_marks_by_another_secret),
        UNIT_TEST(test_once), UNIT_TEST(test_once_beside_another_key),
        UNIT_TEST(test_store_that_is_down),
        UNIT_TEST(test_unknown_session_writes_nothing),
        UNIT_TEST(test_cache_holds_no_cookie),
        UNIT_TEST(test_cookie_of_an_earlier_version), UNIT_TEST(test_too_large),
        UNIT_TEST(test_principal), UNIT_TEST(test_tenant_of_a_session),
        UNIT_TEST(test_longer_maximum),
        UNIT_TEST(test_ended_meanwhile),
        UNIT_TEST(test_again_while_the_cache_is_down),
        UNIT_TEST(test_end_that_is_none),
        UNIT_TEST(test_record_of_another),
        UNIT_TEST(test_await),
        UNIT_TEST(test_principal_of_a_session),
        UNIT_TEST(test_body_that_is_too_large),
        UNIT_TEST(test_long_issuer),
        UNIT_TEST(test_records_that_are_cut),
        UNIT_TEST(test_the_end_of_the_access_token),
    };

    return UNIT_RUN("session", tests);
}
