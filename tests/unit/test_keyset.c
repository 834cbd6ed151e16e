/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The life of a key set: time, threads and processes, all of them injected. */
#include <sys/stat.h>
#include <unistd.h>

#include "unit_lab.h"

#include "base/crew.h"
#include "keys/keyset_inside.h"

#define URL "https://idp.example.com/keys"
#define MINUTE SECONDS(60)
#define HOUR SECONDS(3600)
#define DAY SECONDS(86400)

/* ---- helpers ----------------------------------------------------------- */

/* A document with one key per word: the key of RFC 8037 A.2 under that kid. */
static const char *document(apr_pool_t *p, const char *kids)
{
    const char *text = "";
    char *state, *kid;

    for (kid = apr_strtok(apr_pstrdup(p, kids), " ", &state); kid;
         kid = apr_strtok(NULL, " ", &state)) {
        text = apr_psprintf(p, "%s%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                               "\"kid\":\"%s\",\"x\":"
                               "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
                            text, *text ? "," : "", kid);
    }
    return apr_pstrcat(p, "{\"keys\":[", text, "]}", NULL);
}

static void publish(lab_t *lab, const char *kids, apr_pool_t *p)
{
    unit_http_page(lab->http, URL, 200, document(p, kids));
}

static void no_answer(lab_t *lab, apr_status_t rv)
{
    unit_http_page_t *page = unit_http_page(lab->http, URL, 0, NULL);

    pthread_mutex_lock(&lab->http->mutex);
    page->rv = rv;
    pthread_mutex_unlock(&lab->http->mutex);
}

static void issuer_down(lab_t *lab)
{
    no_answer(lab, APR_TIMEUP);
}

static bearer_keyset_t *process(lab_t *lab, int maintained, apr_pool_t *p)
{
    bearer_keyset_t *ks;

    assert_int_equal(bearer_keyset_create(&ks, &lab->access, p), APR_SUCCESS);
    bearer_keyset_set_maintained(ks, maintained);
    return ks;
}

static int has(const bearer_jwks_t *set, const char *kid)
{
    int i;

    for (i = 0; i < bearer_jwks_count(set); i++) {
        const char *other = bearer_jwks_at(set, i)->kid;

        if (other && strcmp(other, kid) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The kids of words, all of them and no more? */
static int holds(const bearer_jwks_t *set, const char *kids, apr_pool_t *p)
{
    char *state, *kid;
    int n = 0;

    for (kid = apr_strtok(apr_pstrdup(p, kids), " ", &state); kid;
         kid = apr_strtok(NULL, " ", &state)) {
        if (!has(set, kid)) {
            return 0;
        }
        n++;
    }
    return n == bearer_jwks_count(set);
}

/* A request: are exactly these keys in force? "": none. */
static void expect_keys(bearer_keyset_t *ks, const char *kids, apr_pool_t *p)
{
    bearer_jwks_t *set = NULL;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason = bearer_keyset_acquire(ks, &set, &why, p);

    if (!*kids) {
        assert_int_equal(reason, BEARER_KEYS);
        assert_int_equal(why.reason, BEARER_KEYS);
        assert_non_null(why.detail);
        assert_null(set);
        return;
    }
    UNIT_CHECK(reason == BEARER_OK, "%s", why.detail);
    UNIT_CHECK(holds(set, kids, p), "not the keys %s", kids);
    bearer_jwks_release(set);
}

#define expect_nothing(ks, p) expect_keys(ks, "", p)

/* A request with a kid that the set does not have. */
static bearer_reason_t ask_kid(bearer_keyset_t *ks, const char *kid,
                               bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_jwks_t *set = NULL;
    bearer_reason_t reason = bearer_keyset_acquire(ks, &set, why, p);

    if (reason != BEARER_OK) {
        return reason;
    }
    if (!has(set, kid)) {
        bearer_jwks_t *old = bearer_jwks_retain(set);

        reason = bearer_keyset_refresh_for_kid(ks, kid, now_of(ks), &set, why, p);
        assert_true((reason == BEARER_OK) == (set != old));
        bearer_jwks_release(old);
        if (reason == BEARER_OK && !has(set, kid)) {
            reason = BEARER_KEY;
        }
    }
    bearer_jwks_release(set);
    return reason;
}

static void expect_kid(bearer_keyset_t *ks, const char *kid,
                       bearer_reason_t wanted, apr_pool_t *p)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason = ask_kid(ks, kid, &why, p);

    UNIT_CHECK(reason == wanted, "kid %s: %s (%s)", kid,
               bearer_reason_name(reason), why.detail ? why.detail : "");
}

static bearer_keyset_state_t state_of(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_state_t state;

    bearer_keyset_state(ks, &state, p);
    return state;
}

#define assert_requests(lab, n) \
    assert_int_equal(unit_http_requests((lab)->http), n)

/* ---- how long a document lives (RFC 9111) ------------------------------ */

static void test_life(void **state)
{
    static const struct {
        const char *cache_control, *age, *expires, *date;
        apr_interval_time_t life;
    } cases[] = {
        { NULL, NULL, NULL, NULL, HOUR },
        { "max-age=900", NULL, NULL, NULL, SECONDS(900) },
        { "Max-Age=\"900\", must-revalidate", NULL, NULL, NULL, SECONDS(900) },
        { "public,max-age=900 ,no-transform", NULL, NULL, NULL, SECONDS(900) },
        { "max-age=900, max-age=600", NULL, NULL, NULL, SECONDS(600) },
        { "max-age=900", "300", NULL, NULL, SECONDS(600) },
        { "max-age=900", "x", NULL, NULL, SECONDS(900) },
        { "max-age=900", "100000", NULL, NULL, MINUTE },
        { "max-age=15", NULL, NULL, NULL, MINUTE },
        { "max-age=0", NULL, NULL, NULL, MINUTE },
        { "max-age=-5", NULL, NULL, NULL, MINUTE },
        { "max-age=soon", NULL, NULL, NULL, MINUTE },
        { "max-age", NULL, NULL, NULL, MINUTE },
        { "max-age=99999999", NULL, NULL, NULL, DAY },
        { "max-age=99999999999999999999999", NULL, NULL, NULL, DAY },
        { "no-cache", NULL, NULL, NULL, MINUTE },
        { "no-store, max-age=900", NULL, NULL, NULL, MINUTE },
        { "private=\"a, no-cache\", max-age=900", NULL, NULL, NULL,
          SECONDS(900) },
        { "s-maxage=900", NULL, NULL, NULL, HOUR },
        { "must-revalidate", NULL, NULL, NULL, HOUR },
        { "x-max-age=900", NULL, NULL, NULL, HOUR },
        { NULL, NULL, "Thu, 01 Jan 2026 00:10:00 GMT", NULL, SECONDS(600) },
        { NULL, NULL, "Thu, 01 Jan 2026 02:10:00 GMT",
          "Thu, 01 Jan 2026 02:00:00 GMT", SECONDS(600) },
        { NULL, "60", "Thu, 01 Jan 2026 00:10:00 GMT", NULL, SECONDS(540) },
        { NULL, NULL, "Wed, 31 Dec 2025 00:00:00 GMT", NULL, MINUTE },
        { NULL, NULL, "0", NULL, MINUTE },
        { "max-age=900", NULL, "0", NULL, SECONDS(900) },
        { "", NULL, NULL, NULL, HOUR },
        { ",,,=,", NULL, NULL, NULL, HOUR },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_table_t *headers = apr_table_make(p, 4);
        apr_interval_time_t life;

        if (cases[i].cache_control) {
            apr_table_setn(headers, "Cache-Control", cases[i].cache_control);
        }
        if (cases[i].age) {
            apr_table_setn(headers, "Age", cases[i].age);
        }
        if (cases[i].expires) {
            apr_table_setn(headers, "Expires", cases[i].expires);
        }
        if (cases[i].date) {
            apr_table_setn(headers, "Date", cases[i].date);
        }
        life = bearer_keyset_life(headers, SECONDS(1767225600), MINUTE, DAY);
        UNIT_CHECK(life == cases[i].life, "case %u: %ld s", (unsigned)i,
                   (long)apr_time_sec(life));
    }
    assert_int_equal(bearer_keyset_life(NULL, 0, 2 * HOUR, DAY), 2 * HOUR);
    assert_int_equal(bearer_keyset_life(NULL, 0, 0, MINUTE), MINUTE);
}

/* ---- fresh, due, stale, gone ------------------------------------------- */

static void test_fetched_once(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    int i;

    publish(lab, "a b", p);
    assert_requests(lab, 0);
    assert_int_equal(state_of(ks, p).fetched, 0);
    for (i = 0; i < 5; i++) {
        expect_keys(ks, "a b", p);
    }
    assert_requests(lab, 1);
    assert_int_equal(lab->http->request.max_body, BEARER_JWKS_MAX_BYTES);
    assert_int_equal(state_of(ks, p).keys, 2);
    assert_int_equal(state_of(ks, p).fetched, lab_now(lab));
    assert_int_equal(state_of(ks, p).gone, lab_now(lab) + HOUR + DAY);
    assert_int_equal(lab_logged(lab, "2 keys from '" URL "'"), 1);
}

static void test_refreshed_ahead_of_time(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    apr_time_t due;

    publish(lab, "a", p);
    bearer_keyset_maintain(ks, p);     /* before anybody asks */
    assert_requests(lab, 1);
    due = state_of(ks, p).due;
    assert_true(due < lab_now(lab) + HOUR);
    assert_true(due > lab_now(lab) + HOUR * 8 / 10);
    publish(lab, "a b", p);
    lab_pass(lab, due - lab_now(lab) - 1);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "a", p);
    assert_requests(lab, 1);
    lab_pass(lab, 1);
    expect_keys(ks, "a", p);           /* not by a request */
    assert_requests(lab, 1);
    bearer_keyset_maintain(ks, p);
    assert_requests(lab, 2);
    expect_keys(ks, "a b", p);
}

/* Keys that must not be stale (stale=0) are not gone before others are there,
 * however short the issuer says that they live. */
static void test_refreshed_before_they_are_gone(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    unit_http_page_t *page = unit_http_page(lab->http, URL, 200,
                                            document(p, "a"));
    int i;

    page->name = "Cache-Control";
    page->value = "no-cache";
    lab->settings.keys_refresh.stale = 0;
    bearer_keyset_maintain(ks, p);
    for (i = 0; i < 600; i++) {
        assert_true(bearer_keyset_at_hand(ks));
        lab_pass(lab, SECONDS(1));
        bearer_keyset_maintain(ks, p);
    }
    assert_int_equal(lab_logged(lab, "older than"), 0);
    assert_in_range(unit_http_requests(lab->http), 11, 13);
}

/* Short lives, too: maintenance comes by once a second. */
static void test_refreshed_within_its_life(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    apr_interval_time_t phase;

    publish(lab, "a", p);
    lab->settings.keys_refresh.min = SECONDS(1);
    lab->settings.keys_refresh.max = SECONDS(4);
    for (phase = 0; phase < SECONDS(1); phase += SECONDS(1) / 10) {
        bearer_keyset_t *ks = process(lab, 1, p);
        apr_time_t fetched;

        bearer_keyset_maintain(ks, p);
        fetched = state_of(ks, p).fetched;
        lab_pass(lab, phase);
        while (state_of(ks, p).fetched == fetched) {
            lab_pass(lab, SECONDS(1));
            assert_true(lab_now(lab) <= fetched + SECONDS(4));
            bearer_keyset_maintain(ks, p);
        }
    }
}

static apr_status_t no_luck(void *baton, unsigned char *bytes, apr_size_t len)
{
    (void)baton;
    memset(bytes, 0, len);
    return APR_SUCCESS;
}

/* By a 20th of its life at least, and by a second or a quarter of its life. */
static void test_how_far_ahead(void **state)
{
    static const struct {
        int life, early;    /* in ms */
    } cases[] = {
        { 2000, 100 + 500 }, { 4000, 200 + 1000 }, { 8000, 400 + 1000 },
        { 60000, 3000 + 1000 },
    };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    size_t i;

    publish(lab, "a", p);
    lab->world.random = no_luck;
    lab->settings.keys_refresh.min = SECONDS(1);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_keyset_t *ks = process(lab, 1, p);

        lab->settings.keys_refresh.max = apr_time_from_msec(cases[i].life);
        bearer_keyset_maintain(ks, p);
        assert_int_equal(state_of(ks, p).due - lab_now(lab),
                         apr_time_from_msec(cases[i].life - cases[i].early));
    }
}

/* ---- errands ------------------------------------------------------------ */

/* The one errand that there is now; NULL: none. */
static const bearer_errand_t *errand_of(bearer_keyset_t *ks, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 1, sizeof(bearer_errand_t));

    bearer_keyset_errands(ks, list, p);
    assert_in_range(list->nelts, 0, 1);
    return list->nelts ? &APR_ARRAY_IDX(list, 0, bearer_errand_t) : NULL;
}

static void test_errands(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    const bearer_errand_t *errand = errand_of(ks, p);

    publish(lab, "a", p);
    assert_non_null(errand);
    assert_int_equal(errand->slow, 0);
    errand->run(errand->what, 1, p);
    assert_requests(lab, 1);
    expect_keys(ks, "a", p);
    assert_null(errand_of(ks, p));
    lab_pass(lab, HOUR);
    errand = errand_of(ks, p);
    assert_non_null(errand);
    assert_true(errand->last > 0);
    /* done meanwhile: there is nothing left to do */
    bearer_keyset_maintain(ks, p);
    assert_requests(lab, 2);
    errand->run(errand->what, 0, p);
    assert_requests(lab, 2);
    issuer_down(lab);
    lab_pass(lab, HOUR);
    errand = errand_of(ks, p);
    errand->run(errand->what, 0, p);
    assert_int_equal(lab_logged(lab, "stay usable"), 1);
    lab_pass(lab, HOUR);
    assert_int_equal(errand_of(ks, p)->slow, 1);
}

/* Of the half of a second that a limited errand has. */
static void until_10_ms_are_left(void *lab)
{
    lab_pass(lab, apr_time_from_msec(490));
}

static void until_11_ms_are_left(void *lab)
{
    lab_pass(lab, apr_time_from_msec(489));
}

/* What was limited and got no answer did not fail: it comes again at once, as a
 * slow errand, and then it has all its time. */
static void test_limited_errand(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    const bearer_errand_t *errand;

    lab->settings.timeout.total = SECONDS(5);
    publish(lab, "a", p);
    bearer_keyset_maintain(ks, p);
    lab_pass(lab, HOUR);
    issuer_down(lab);
    lab->http->during = until_10_ms_are_left;
    lab->http->during_baton = lab;
    errand = errand_of(ks, p);
    assert_int_equal(errand->slow, 0);
    errand->run(errand->what, 1, p);
    assert_requests(lab, 2);
    assert_int_equal(lab->http->request.total_timeout, SECONDS(1) / 2);
    assert_false(state_of(ks, p).last_attempt_failed);
    assert_int_equal(lab_logged(lab, "stay usable"), 0);
    errand = errand_of(ks, p);
    assert_int_equal(errand->slow, 1);
    publish(lab, "b", p);
    errand->run(errand->what, 0, p);
    assert_int_equal(lab->http->request.total_timeout, SECONDS(5));
    expect_keys(ks, "b", p);
    lab_pass(lab, HOUR);
    assert_int_equal(errand_of(ks, p)->slow, 0);
    /* a failure while there was time is one */
    issuer_down(lab);
    lab->http->during = until_11_ms_are_left;
    errand = errand_of(ks, p);
    errand->run(errand->what, 1, p);
    assert_true(state_of(ks, p).last_attempt_failed);
}

/* A fetch that ends with its process says nothing about the issuer: no line, and
 * another process fetches at once. */
static void test_ended_with_its_process(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ending, *other;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    ending = process(lab, 1, p);
    other = process(lab, 1, p);
    bearer_keyset_maintain(ending, p);
    expect_keys(other, "a", p);
    lab_forget_log(lab);
    no_answer(lab, APR_EINTR);
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ending, p);
    assert_requests(lab, 2);
    assert_int_equal(lab->line_count, 0);
    assert_false(state_of(ending, p).last_attempt_failed);
    publish(lab, "b", p);
    bearer_keyset_maintain(other, p);
    assert_requests(lab, 3);
    assert_false(state_of(other, p).last_attempt_failed);
    expect_keys(other, "b", p);
}

static void test_cache_headers_count(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 0, p);
    unit_http_page_t *page = unit_http_page(lab->http, URL, 200,
                                            document(p, "a"));

    page->name = "Cache-Control";
    page->value = "max-age=600";
    expect_keys(ks, "a", p);
    assert_int_equal(state_of(ks, p).due, lab_now(lab) + SECONDS(600));
}

/* Where mod_watchdog is missing, a request does it: one of them. */
static void test_refreshed_by_a_request(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 0, p);

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    publish(lab, "b", p);
    lab_pass(lab, HOUR - 1);
    expect_keys(ks, "a", p);
    assert_requests(lab, 1);
    lab_pass(lab, 1);
    expect_keys(ks, "b", p);
    expect_keys(ks, "b", p);
    assert_requests(lab, 2);
}

static void test_stale_then_gone_then_back(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    issuer_down(lab);
    lab_pass(lab, HOUR + DAY - 1);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "a", p);
    assert_int_equal(state_of(ks, p).last_attempt_failed, 1);
    assert_non_null(state_of(ks, p).last_error);
    assert_int_equal(lab_logged(lab, "cached keys stay usable for 0 s"), 1);
    lab_pass(lab, 1);
    expect_nothing(ks, p);
    assert_int_equal(lab_logged(lab, "AuthBearerKeysRefresh stale="), 1);
    assert_int_equal(state_of(ks, p).keys, 0);
    publish(lab, "b", p);
    lab_pass(lab, MINUTE * 2);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
    assert_int_equal(state_of(ks, p).last_attempt_failed, 0);
    assert_null(state_of(ks, p).last_error);
}

/* A minute-long outage costs no request a wait and the issuer no storm; and no
 * rhythm that many servers could fall into together. */
static void test_retries_slow_down(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    apr_interval_time_t shortest = HOUR, longest = 0;
    apr_time_t last;
    int i, requests;

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    issuer_down(lab);
    lab_pass(lab, HOUR);
    last = lab_now(lab);
    requests = 1;
    for (i = 0; i < 3600; i++) {
        bearer_keyset_maintain(ks, p);
        expect_keys(ks, "a", p);
        if (unit_http_requests(lab->http) > requests) {
            requests = unit_http_requests(lab->http);
            UNIT_CHECK(lab_now(lab) - last <= SECONDS(76), "try %d", requests);
            if (requests > 10) {
                apr_interval_time_t pause = lab_now(lab) - last;

                UNIT_CHECK(pause >= SECONDS(45), "try %d", requests);
                shortest = pause < shortest ? pause : shortest;
                longest = pause > longest ? pause : longest;
            }
            last = lab_now(lab);
        }
        lab_pass(lab, SECONDS(1));
    }
    assert_true(requests > 50 && requests < 80);
    assert_true(longest - shortest >= SECONDS(10));
    publish(lab, "b", p);
    lab_pass(lab, SECONDS(75));
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
    assert_int_equal(lab_logged(lab, "1 key from"), 2);
}

static void test_removed_key_and_generation(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    apr_uint64_t generation, next;
    bearer_jwks_t *held;

    assert_int_equal(bearer_keyset_generation(ks), FIRST_GENERATION);
    publish(lab, "a b", p);
    assert_int_equal(bearer_keyset_acquire(ks, &held, NULL, p), BEARER_OK);
    generation = bearer_keyset_generation(ks);
    assert_true(generation != 0);
    /* the same keys in another text are the same keys */
    unit_http_page(lab->http, URL, 200, apr_pstrcat(p, " ", document(p, "a b"),
                                                    NULL));
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    assert_requests(lab, 2);
    assert_true(bearer_keyset_generation(ks) == generation);
    publish(lab, "b", p);
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
    next = bearer_keyset_generation(ks);
    assert_true(next != generation);
    assert_int_equal(state_of(ks, p).generation, 2);
    assert_true(has(held, "a"));       /* who holds the old set may go on */
    bearer_jwks_release(held);
}

/* A cache of verified tokens must not outlive the keys. */
static void test_generation_tells_when_time_is_over(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *maintained = process(lab, 1, p);
    bearer_keyset_t *alone = process(lab, 0, p);
    apr_uint64_t a, b;

    publish(lab, "a", p);
    expect_keys(maintained, "a", p);
    expect_keys(alone, "a", p);
    a = bearer_keyset_generation(maintained);
    b = bearer_keyset_generation(alone);
    lab_pass(lab, HOUR);
    assert_true(bearer_keyset_generation(maintained) == a);
    assert_true(bearer_keyset_generation(alone) != b);
    /* a request comes by, the issuer has nothing new */
    expect_keys(alone, "a", p);
    assert_true(bearer_keyset_generation(alone) == b);
    /* nor does an issuer that is down cost every hit a look */
    issuer_down(lab);
    lab_pass(lab, HOUR);
    assert_int_equal(bearer_keyset_generation(alone), 0);
    expect_keys(alone, "a", p);
    assert_true(bearer_keyset_generation(alone) == b);
    lab_pass(lab, DAY);
    /* what was answered while the set was overdue is no answer now */
    assert_int_equal(bearer_keyset_generation(maintained), 0);
    assert_int_equal(bearer_keyset_generation(alone), 0);
    assert_true(a != 0 && b != 0);
}

/* ---- bad documents ----------------------------------------------------- */

static const struct {
    int status;
    const char *body;     /* NULL: more keys than are accepted */
    apr_status_t rv;
} bad_documents[] = {
    { 500, "{\"keys\":[]}", APR_SUCCESS },
    { 404, "", APR_SUCCESS },
    { 302, "", APR_SUCCESS },
    { 204, "", APR_SUCCESS },
    { 200, "", APR_SUCCESS },
    { 200, "<html>", APR_SUCCESS },
    { 200, "[]", APR_SUCCESS },
    { 200, "{}", APR_SUCCESS },
    { 200, "{\"keys\":{}}", APR_SUCCESS },
    { 200, "{\"keys\":[],\"keys\":[]}", APR_SUCCESS },
    { 200, "{\"keys\":[]}", APR_SUCCESS },
    { 200, "{\"keys\":[{\"kty\":\"OCT2\"},{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
      APR_SUCCESS },
    { 200, NULL, APR_SUCCESS },
    { 0, "", APR_TIMEUP },
    { 0, "", APR_ENOSPC },
    { 0, "", APR_EGENERAL },
};

static void publish_bad(lab_t *lab, size_t i, apr_pool_t *p)
{
    const char *body = bad_documents[i].body;
    int n;

    if (!body) {
        body = "x";
        for (n = 0; n < BEARER_JWKS_MAX_KEYS; n++) {
            body = apr_pstrcat(p, body, " x", NULL);
        }
        body = document(p, body);
    }
    unit_http_page(lab->http, URL, bad_documents[i].status, body)->rv =
        bad_documents[i].rv;
}

static void test_attack_bad_documents_displace_nothing(void **state)
{
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad_documents); i++) {
        lab_t *lab = lab_open(p);
        bearer_keyset_t *ks = process(lab, 1, p);
        apr_uint64_t generation;

        publish(lab, "a", p);
        expect_keys(ks, "a", p);
        generation = bearer_keyset_generation(ks);
        publish_bad(lab, i, p);
        lab_pass(lab, HOUR);
        bearer_keyset_maintain(ks, p);
        assert_requests(lab, 2);
        UNIT_CHECK(state_of(ks, p).last_attempt_failed, "case %u", (unsigned)i);
        expect_keys(ks, "a", p);
        assert_true(bearer_keyset_generation(ks) == generation);
        UNIT_CHECK(lab_logged(lab, "stay usable for") == 1, "case %u",
                   (unsigned)i);
        /* until stale is over */
        lab_pass(lab, DAY);
        expect_nothing(ks, p);
    }
}

static void test_bad_documents_when_cold(void **state)
{
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad_documents); i++) {
        lab_t *lab = lab_open(p);
        bearer_keyset_t *ks = process(lab, 0, p);
        int n;

        publish_bad(lab, i, p);
        for (n = 0; n < 20; n++) {
            expect_nothing(ks, p);
        }
        assert_requests(lab, 1);       /* not one per request */
        publish(lab, "a", p);
        lab_pass(lab, SECONDS(76));
        expect_keys(ks, "a", p);
    }
}

/* An empty set does not fill in two seconds; a network comes back. */
static void test_useless_answers_are_asked_for_less(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 0, p), *other = process(lab, 0, p);

    unit_http_page(lab->http, URL, 200, "{\"keys\":[]}");
    expect_nothing(ks, p);
    lab_pass(lab, SECONDS(44));
    expect_nothing(ks, p);
    assert_requests(lab, 1);
    issuer_down(lab);
    expect_nothing(other, p);
    publish(lab, "a", p);
    lab_pass(lab, SECONDS(3));
    expect_keys(other, "a", p);
}

static void test_skipped_keys_are_logged_once(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    const char *good = document(p, "a");
    const char *text = apr_pstrcat(p, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":"
                                      "\"weak\",\"n\":\"AQAB\",\"e\":\"AQAB\"},",
                                   good + strlen("{\"keys\":["), NULL);
    int i;

    unit_http_page(lab->http, URL, 200, text);
    for (i = 0; i < 5; i++) {
        expect_keys(ks, "a", p);
        lab_pass(lab, HOUR);
        bearer_keyset_maintain(ks, p);
    }
    assert_requests(lab, 6);
    assert_int_equal(lab_logged(lab, "weak"), 1);
    unit_http_page(lab->http, URL, 200, apr_pstrcat(p, text, " ", NULL));
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    assert_int_equal(lab_logged(lab, "weak"), 2);
    assert_int_equal(lab_logged(lab, "AB0201"), 2);    /* and no other line */
}

/* Also of a document that never comes into force. */
static void test_skipped_keys_of_a_useless_document(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    int i;

    unit_http_page(lab->http, URL, 200,
                   "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"weak\","
                   "\"n\":\"AQAB\",\"e\":\"AQAB\"}]}");
    for (i = 0; i < 5; i++) {
        expect_nothing(ks, p);
        lab_pass(lab, HOUR);
    }
    assert_requests(lab, 5);
    assert_int_equal(lab_logged(lab, "'weak'"), 1);
}

/* ---- unknown kid ------------------------------------------------------- */

static void test_rotation_is_seen_at_once(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    lab_pass(lab, SECONDS(1));
    publish(lab, "a b", p);
    expect_kid(ks, "b", BEARER_OK, p);
    assert_requests(lab, 2);
    expect_kid(ks, "b", BEARER_OK, p);
    expect_kid(ks, "a", BEARER_OK, p);
    assert_requests(lab, 2);
}

static void test_attack_unknown_kid_flood(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    bearer_refusal_t why;
    int i;

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    for (i = 0; i < 10000; i++) {
        expect_kid(ks, apr_psprintf(p, "evil-%d", i), BEARER_KEY, p);
        lab_pass(lab, apr_time_from_msec(12));  /* two minutes in all */
    }
    assert_requests(lab, 1 + 2);
    assert_int_equal(ask_kid(ks, "x\n", &why, p), BEARER_KEY);
    assert_true(unit_contains(why.detail, "'x%0a' is not among the 1 key of"));
    assert_true(unit_contains(why.detail, "AuthBearerKeysRefresh min="));
}

static void test_unknown_kid_when_the_fetch_fails(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    bearer_refusal_t why;
    int i;

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    lab_pass(lab, SECONDS(1));
    issuer_down(lab);
    for (i = 0; i < 59; i++) {
        expect_kid(ks, "b", BEARER_KEYS, p);
        bearer_keyset_maintain(ks, p);
        lab_pass(lab, SECONDS(1));
    }
    assert_requests(lab, 2);
    assert_int_equal(ask_kid(ks, "b", &why, p), BEARER_KEYS);
    assert_true(unit_contains(why.detail, "no answer (scripted)"));
    /* known keys do not suffer */
    expect_kid(ks, "a", BEARER_OK, p);
    publish(lab, "a b", p);
    lab_pass(lab, SECONDS(1));
    expect_kid(ks, "b", BEARER_OK, p);
    assert_requests(lab, 3);
    expect_kid(ks, "c", BEARER_KEY, p);
    assert_requests(lab, 3);
}

static void test_kid_of_a_set_just_fetched(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    publish(lab, "a", p);
    expect_kid(ks, "b", BEARER_KEY, p);
    assert_requests(lab, 1);
    publish(lab, "b", p);
    lab_pass(lab, SECONDS(1));
    expect_kid(ks, "b", BEARER_OK, p);
    /* but keys that were published right after a refresh are fetched at once */
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    assert_requests(lab, 3);
    publish(lab, "c", p);
    lab_pass(lab, 1);
    expect_kid(ks, "c", BEARER_OK, p);
}

/* A request that began with the old set finds the new one without a fetch. */
static void test_newer_set_is_there_already(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    bearer_jwks_t *set;

    publish(lab, "a", p);
    assert_int_equal(bearer_keyset_acquire(ks, &set, NULL, p), BEARER_OK);
    publish(lab, "b", p);
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    assert_int_equal(bearer_keyset_refresh_for_kid(ks, "b", now_of(ks), &set, NULL, p),
                     BEARER_OK);
    assert_true(holds(set, "b", p));
    bearer_jwks_release(set);
    assert_requests(lab, 2);
}

/* ---- several processes, one cache -------------------------------------- */

static void test_one_fetch_serves_all(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    int i;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    for (i = 0; i < 8; i++) {
        bearer_keyset_t *ks = process(lab, i & 1, p);

        expect_keys(ks, "a", p);
        assert_int_equal(state_of(ks, p).gone, lab_now(lab) + HOUR + DAY);
    }
    assert_requests(lab, 1);
}

static void test_refreshed_once_for_all(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks[4];
    int i, n;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    for (i = 0; i < 4; i++) {
        ks[i] = process(lab, 1, p);
        expect_keys(ks[i], "a", p);
    }
    publish(lab, "b", p);
    for (n = 0; n < 3600; n++) {
        for (i = 0; i < 4; i++) {
            bearer_keyset_maintain(ks[i], p);
        }
        lab_pass(lab, SECONDS(1));
    }
    assert_requests(lab, 2);
    for (i = 0; i < 4; i++) {
        expect_keys(ks[i], "b", p);
    }
}

static void test_unknown_kid_host_wide(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *a, *b;
    int i;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    a = process(lab, 1, p);
    b = process(lab, 1, p);
    expect_keys(a, "a", p);
    expect_keys(b, "a", p);
    lab_pass(lab, SECONDS(2));
    publish(lab, "a b", p);
    expect_kid(a, "b", BEARER_OK, p);
    expect_kid(b, "b", BEARER_OK, p);   /* from the cache */
    assert_requests(lab, 2);
    for (i = 0; i < 50; i++) {
        expect_kid(i & 1 ? a : b, "c", BEARER_KEY, p);
        lab_pass(lab, SECONDS(1));
    }
    assert_requests(lab, 2);
    /* a failure is everybody's, too */
    lab_pass(lab, SECONDS(20));
    issuer_down(lab);
    expect_kid(a, "c", BEARER_KEYS, p);
    expect_kid(b, "c", BEARER_KEYS, p);
    assert_requests(lab, 3);
}

static void test_cold_failure_host_wide(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *a, *b;
    bearer_jwks_t *set;
    bearer_refusal_t why;

    lab->world.keys_cache = &lab->cache;
    a = process(lab, 1, p);
    b = process(lab, 1, p);
    issuer_down(lab);
    expect_nothing(a, p);
    assert_int_equal(bearer_keyset_acquire(b, &set, &why, p), BEARER_KEYS);
    assert_true(unit_contains(why.detail, "no answer (scripted)"));
    assert_requests(lab, 1);
    /* b finds what a has fetched, also while it would not fetch itself */
    publish(lab, "a", p);
    lab_pass(lab, SECONDS(3));
    expect_keys(a, "a", p);
    expect_keys(b, "a", p);
    assert_requests(lab, 2);
}

/* A process that must not try again yet still finds what another has fetched. */
static void test_found_while_it_may_not_try(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;
    int i;

    lab->world.keys_cache = &lab->cache;
    ks = process(lab, 1, p);
    issuer_down(lab);
    lab->cache_down = 1;            /* the others do not hear of the failures */
    for (i = 0; i < 4; i++) {
        lab_pass(lab, MINUTE);
        expect_nothing(ks, p);
    }
    assert_requests(lab, 4);
    lab->cache_down = 0;
    publish(lab, "a", p);
    expect_keys(process(lab, 1, p), "a", p);
    lab_pass(lab, SECONDS(2));
    publish(lab, "b", p);
    expect_keys(ks, "a", p);
    assert_requests(lab, 5);
}

/* Another process has the lease: who has keys serves on, who has none waits for
 * the total timeout at most. */
static void test_another_process_fetches(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *warm = process(lab, 0, p), *cold;
    apr_time_t start;

    publish(lab, "a", p);
    lab->world.keys_cache = &lab->cache;
    warm = process(lab, 0, p);
    expect_keys(warm, "a", p);
    lab_empty_cache(lab);
    cold = process(lab, 0, p);
    lab_pass(lab, HOUR);
    lab->lease_until = lab_now(lab) + SECONDS(30);
    start = apr_time_now();
    expect_keys(warm, "a", p);
    assert_true(apr_time_now() - start
                < unit_slow() * apr_time_from_msec(100));
    start = apr_time_now();
    expect_nothing(cold, p);
    assert_true(apr_time_now() - start >= apr_time_from_msec(150));
    assert_requests(lab, 1);
    /* it crashed: its lease runs out and wedges nobody */
    lab_pass(lab, SECONDS(31));
    expect_keys(cold, "a", p);
    assert_requests(lab, 2);
    expect_keys(warm, "a", p);
    assert_requests(lab, 2);
}

/* A process that was stopped while it fetched keeps the others waiting no longer
 * than an issuer that keeps silent. */
static void note_lease(void *baton)
{
    lab_t *lab = baton;

    lab->http->during = NULL;
    assert_true(lab->lease_until > lab_now(lab));
    assert_true(lab->lease_until
                <= lab_now(lab) + lab->settings.timeout.total + SECONDS(1));
}

static void test_lease_is_short(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);

    publish(lab, "a", p);
    lab->settings.timeout.total = SECONDS(5);
    lab->world.keys_cache = &lab->cache;
    lab->http->during = note_lease;
    lab->http->during_baton = lab;
    bearer_keyset_maintain(process(lab, 1, p), p);
    assert_null(lab->http->during);
    lab_empty_cache(lab);
    lab->http->during = note_lease;
    expect_keys(process(lab, 0, p), "a", p);
    assert_null(lab->http->during);
}

static void deliver(void *baton)
{
    lab_t *lab = baton;
    bearer_keyset_t *other;
    apr_pool_t *p;

    /* the fetch of one is the wait of the other */
    lab->http->during = NULL;
    apr_pool_create(&p, NULL);
    other = process(lab, 0, p);
    expect_nothing(other, p);
    apr_pool_destroy(p);
}

static void test_lease_is_held_during_a_fetch(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);

    publish(lab, "a", p);
    lab->world.keys_cache = &lab->cache;
    lab->http->during = deliver;
    lab->http->during_baton = lab;
    expect_keys(process(lab, 0, p), "a", p);
    assert_requests(lab, 1);
    assert_int_equal(lab->lease_until, 0);
}

/* "Not there" may mean "down": no fetch per request, nothing lost. */
static void test_cache_down(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *a, *b;
    int i;

    lab->world.keys_cache = &lab->cache;
    lab->cache_down = 1;
    publish(lab, "a", p);
    a = process(lab, 1, p);
    b = process(lab, 1, p);
    for (i = 0; i < 100; i++) {
        expect_keys(a, "a", p);
        expect_keys(b, "a", p);
        bearer_keyset_maintain(a, p);
        bearer_keyset_maintain(b, p);
    }
    assert_requests(lab, 2);
    /* it comes back: the next process finds the keys there */
    lab->cache_down = 0;
    lab_pass(lab, SECONDS(10));
    bearer_keyset_maintain(a, p);
    expect_keys(process(lab, 1, p), "a", p);
    assert_requests(lab, 2);
}

/* A process learns of newer keys before it is due itself. */
static void test_newer_keys_are_noticed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *a, *b;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    a = process(lab, 1, p);
    b = process(lab, 1, p);
    expect_keys(a, "a", p);
    expect_keys(b, "a", p);
    lab_pass(lab, SECONDS(5));
    publish(lab, "b", p);
    expect_kid(a, "b", BEARER_OK, p);
    lab_pass(lab, SECONDS(10));
    bearer_keyset_maintain(b, p);
    expect_keys(b, "b", p);
    assert_requests(lab, 2);
}

static void test_attack_garbage_in_the_cache(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    static const char *const garbage[] = {
        "", "x", "{}", "BEARER-KEYS-1 ", "BEARER-KEYS-1 0\n",
        "BEARER-KEYS-1 99999999999999999999\n{}", "BEARER-KEYS-1 -5\n{}",
        "BEARER-KEYS-1 2\n{}", "BEARER-KEYS-1 3\n{}", "BEARER-KEYS-1 2\n[]",
        "BEARER-KEYS-1 14\n{\"fetched\":99}{\"keys\":[]}",
    };
    size_t i;
    int n;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    expect_keys(process(lab, 1, p), "a", p);
    for (i = 0; i < UNIT_COUNT(garbage); i++) {
        for (n = 0; n < LAB_ENTRIES; n++) {
            if (lab->entries[n].value) {
                free(lab->entries[n].value);
                lab->entries[n].len = strlen(garbage[i]);
                lab->entries[n].value = malloc(lab->entries[n].len + 1);
                memcpy(lab->entries[n].value, garbage[i],
                       lab->entries[n].len + 1);
            }
        }
        expect_keys(process(lab, 1, p), "a", p);
    }
    assert_requests(lab, 1 + (int)UNIT_COUNT(garbage));
}

/* Two servers that trust one issuer by different means share nothing. */
static void test_policies_are_apart(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_settings_t strict;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    expect_keys(process(lab, 1, p), "a", p);
    strict = lab->settings;
    strict.ca_file = "/own-ca.pem";
    lab->access.settings = &strict;
    expect_keys(process(lab, 1, p), "a", p);
    assert_requests(lab, 2);
    assert_string_equal(lab->http->request.ca_file, "/own-ca.pem");
    lab->issuer.url = "https://other.example.com/";
    expect_keys(process(lab, 1, p), "a", p);
    assert_requests(lab, 3);
}

/* A host whose clock is wrong cannot make keys live for ever. */
static void test_another_clock(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    lab_pass(lab, DAY * 3650);
    expect_keys(process(lab, 1, p), "a", p);
    lab_pass(lab, -DAY * 3650);
    ks = process(lab, 1, p);
    expect_keys(ks, "a", p);
    assert_true(state_of(ks, p).gone <= lab_now(lab) + HOUR + DAY);
    publish(lab, "b", p);
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
}

/* A fetch that failed in the far future, by another host's clock, is none of now. */
static void test_failure_of_another_clock(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    lab->world.keys_cache = &lab->cache;
    issuer_down(lab);
    lab_pass(lab, DAY * 3650);
    expect_nothing(process(lab, 1, p), p);
    assert_requests(lab, 1);
    lab_pass(lab, -DAY * 3650);
    publish(lab, "a", p);
    ks = process(lab, 1, p);
    expect_keys(ks, "a", p);
    assert_requests(lab, 2);
    /* a clock that is ahead by less is believed, but not for longer than that */
    issuer_down(lab);
    lab_empty_cache(lab);
    lab_pass(lab, SECONDS(50));
    expect_nothing(process(lab, 1, p), p);
    assert_requests(lab, 3);
    lab_pass(lab, -SECONDS(50));
    publish(lab, "b", p);
    ks = process(lab, 1, p);
    expect_nothing(ks, p);
    assert_requests(lab, 3);
    lab_pass(lab, SECONDS(110));
    expect_keys(ks, "b", p);
}

/* Nor does one that is set back here. */
static void test_clock_is_set_back(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    lab_pass(lab, -100 * DAY);
    publish(lab, "b", p);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
    assert_int_equal(state_of(ks, p).fetched, lab_now(lab));
    assert_requests(lab, 2);
}

/* What was put off until a time of the clock before is not put off for hours. */
static void test_clock_is_set_back_after_a_failure(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    issuer_down(lab);
    expect_nothing(ks, p);
    assert_requests(lab, 1);
    expect_nothing(ks, p);
    assert_requests(lab, 1);
    lab_pass(lab, -HOUR);
    publish(lab, "a", p);
    expect_keys(ks, "a", p);
}

static void test_clock_is_set_back_during_a_pause(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    ks = process(lab, 1, p);
    expect_keys(ks, "a", p);
    publish(lab, "b", p);
    lab_pass(lab, HOUR);
    lab->lease_until = lab_now(lab) + SECONDS(20); /* another process */
    bearer_keyset_maintain(ks, p);
    assert_requests(lab, 1);
    lab->lease_until = 0;
    lab_pass(lab, -2 * HOUR);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
}

/* A host whose clock is a little ahead has looked for a kid: it was looked for. */
static void test_unknown_kid_of_another_clock(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *one, *two;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    one = process(lab, 1, p);
    two = process(lab, 1, p);
    expect_keys(one, "a", p);
    expect_keys(two, "a", p);
    lab_pass(lab, SECONDS(100));
    expect_kid(one, "x", BEARER_KEY, p);
    assert_requests(lab, 2);
    lab_pass(lab, -SECONDS(10));
    expect_kid(two, "x", BEARER_KEY, p);
    assert_requests(lab, 2);
    lab_pass(lab, SECONDS(70));
    expect_kid(two, "x", BEARER_KEY, p);
    assert_requests(lab, 3);
}

/* ---- a new generation of the server ------------------------------------ */

/* It finds in the cache what the one before knew, and asks nobody. */
static void test_a_new_generation_does_not_start_cold(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    lab->world.keys_cache = &lab->cache;
    publish(lab, "a", p);
    expect_keys(process(lab, 1, p), "a", p);
    issuer_down(lab);
    lab_pass(lab, HOUR + SECONDS(100));
    ks = process(lab, 1, p);
    expect_keys(ks, "a", p);
    assert_int_equal(state_of(ks, p).fetched, lab_now(lab) - HOUR - SECONDS(100));
    assert_requests(lab, 1);
    /* when it is too old even to be stale, it counts for nothing */
    lab_pass(lab, DAY);
    expect_nothing(process(lab, 1, p), p);
    assert_requests(lab, 2);
}

/* ---- discovery --------------------------------------------------------- */

#define OAUTH "https://idp.example.com/.well-known/oauth-authorization-server"
#define ISSUER_AND "{\"issuer\":\"https://idp.example.com/\","
#define METADATA ISSUER_AND "\"jwks_uri\":\"" URL \
    "\",\"token_endpoint\":\"https://idp.example.com/token\"," \
    "\"scopes_supported\":[\"openid\"]}"

static lab_t *lab_discovering(apr_pool_t *p)
{
    lab_t *lab = lab_open(p);

    lab->issuer.keys[0].kind = BEARER_SOURCE_DISCOVER;
    lab->issuer.keys[0].value = NULL;
    unit_http_page(lab->http, OAUTH, 200, METADATA);
    publish(lab, "a", p);
    return lab;
}

static void test_discovered(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_discovering(p);
    bearer_keyset_t *ks = process(lab, 1, p), *other;
    const bearer_metadata_t *metadata;
    const char *error;

    lab->world.keys_cache = &lab->cache;
    ks = process(lab, 1, p);
    expect_keys(ks, "a", p);
    assert_requests(lab, 2);
    metadata = bearer_keyset_metadata(ks, &error, p);
    assert_non_null(metadata);
    assert_string_equal(metadata->token_endpoint,
                        "https://idp.example.com/token");
    assert_string_equal(metadata->source, OAUTH);
    /* it comes with the keys out of the cache */
    other = process(lab, 1, p);
    metadata = bearer_keyset_metadata(other, &error, p);
    assert_non_null(metadata);
    assert_string_equal(metadata->source, OAUTH);
    assert_int_equal(metadata->scopes_supported->nelts, 1);
    assert_requests(lab, 2);
}

static void test_metadata_is_asked_again(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_discovering(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    expect_keys(ks, "a", p);
    lab_pass(lab, SECONDS(61));
    expect_kid(ks, "b", BEARER_KEY, p);
    assert_requests(lab, 3);           /* the keys only */
    /* the keys move: the old place fails once, then they are found */
    unit_http_page(lab->http, URL, 404, "");
    unit_http_page(lab->http, "https://idp.example.com/k2", 200,
                   document(p, "a b"));
    unit_http_page(lab->http, OAUTH, 200,
                   "{\"issuer\":\"https://idp.example.com/\",\"jwks_uri\":"
                   "\"https://idp.example.com/k2\"}");
    lab_pass(lab, SECONDS(61));
    expect_kid(ks, "b", BEARER_KEYS, p);
    lab_pass(lab, SECONDS(61));
    expect_kid(ks, "b", BEARER_OK, p);
    assert_requests(lab, 3 + 1 + 2);
}

/* Keys go on without metadata, as long as they are where they were. */
static void test_metadata_is_down(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_discovering(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    expect_keys(ks, "a", p);
    unit_http_page(lab->http, OAUTH, 0, NULL)->rv = APR_TIMEUP;
    publish(lab, "b", p);
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    expect_keys(ks, "b", p);
}

static void test_discovery_fails(void **state)
{
    static const char *const bodies[] = {
        "{\"issuer\":\"https://evil.example/\",\"jwks_uri\":\"" URL "\"}",
        "{\"issuer\":\"https://idp.example.com/\"}",
        ISSUER_AND "\"jwks_uri\":\"http://169.254.169.254/\"}",
        "<html>",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bodies); i++) {
        lab_t *lab = lab_discovering(p);
        bearer_keyset_t *ks = process(lab, 1, p);
        int asked;

        unit_http_page(lab->http, OAUTH, 200, bodies[i]);
        expect_nothing(ks, p);
        asked = unit_http_requests(lab->http);
        UNIT_CHECK(strcmp(lab->http->url, URL) != 0, "case %u", (unsigned)i);
        expect_nothing(ks, p);
        assert_requests(lab, asked);
    }
}

static void test_metadata_of_named_keys(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    const char *error;

    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    assert_null(bearer_keyset_metadata(ks, &error, p));
    assert_non_null(error);
    assert_requests(lab, 2);
    unit_http_page(lab->http, OAUTH, 200, METADATA);
    assert_null(bearer_keyset_metadata(ks, &error, p));
    assert_requests(lab, 2);           /* failures have a pause, too */
    lab_pass(lab, MINUTE);
    assert_non_null(bearer_keyset_metadata(ks, &error, p));
    assert_non_null(bearer_keyset_metadata(ks, &error, p));
    assert_requests(lab, 3);
    /* what is old serves on while the issuer is down */
    lab_pass(lab, HOUR);
    unit_http_page(lab->http, OAUTH, 0, NULL)->rv = APR_TIMEUP;
    assert_non_null(bearer_keyset_metadata(ks, &error, p));
    assert_non_null(bearer_keyset_metadata(ks, &error, p));
    assert_requests(lab, 4);
}

/* ---- files ------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    const char *temporary = "test_keyset.tmp";
    FILE *file = fopen(temporary, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(temporary, path), 0);
}

static lab_t *lab_with_file(apr_pool_t *p)
{
    lab_t *lab = lab_open(p);

    lab->issuer.keys[0].kind = BEARER_SOURCE_FILE;
    lab->issuer.keys[0].value = apr_psprintf(p, "test_keyset.%ld",
                                          (long)getpid());
    unlink(lab->issuer.keys[0].value);
    return lab;
}

static void test_file_is_read_again(void **state)
{
    apr_pool_t *p = unit_pool(state);
    int maintained;

    for (maintained = 0; maintained < 2; maintained++) {
        lab_t *lab = lab_with_file(p);
        const char *path = lab->issuer.keys[0].value;
        bearer_keyset_t *ks = process(lab, maintained, p);
        apr_uint64_t generation;

        write_file(path, document(p, "a"));
        expect_keys(ks, "a", p);
        generation = bearer_keyset_generation(ks);
        assert_int_equal(state_of(ks, p).gone, 0);
        write_file(path, document(p, "a b"));
        lab_pass(lab, SECONDS(4));
        bearer_keyset_maintain(ks, p);
        expect_keys(ks, "a", p);
        lab_pass(lab, SECONDS(1));
        if (maintained) {
            expect_keys(ks, "a", p);
            bearer_keyset_maintain(ks, p);
        } else {
            assert_true(bearer_keyset_generation(ks) != generation);
        }
        expect_keys(ks, "a b", p);
        assert_true(bearer_keyset_generation(ks) != generation);
        /* no stale for files */
        lab_pass(lab, DAY * 100);
        unlink(path);
        bearer_keyset_maintain(ks, p);
        expect_keys(ks, "a b", p);
        assert_requests(lab, 0);
    }
}

static void test_bad_file_keeps_the_old_content(void **state)
{
    static const char *const bad[] = {
        NULL, "", "{\"keys\":[]}", "{", "-----BEGIN PUBLIC KEY-----\n",
    };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_file(p);
    const char *path = lab->issuer.keys[0].value;
    bearer_keyset_t *ks = process(lab, 1, p);
    size_t i;
    int n;

    write_file(path, document(p, "a"));
    expect_keys(ks, "a", p);
    for (i = 0; i < UNIT_COUNT(bad); i++) {
        lab_forget_log(lab);
        if (bad[i]) {
            write_file(path, bad[i]);
        } else {
            unlink(path);
        }
        for (n = 0; n < 5; n++) {
            lab_pass(lab, SECONDS(5));
            bearer_keyset_maintain(ks, p);
            expect_keys(ks, "a", p);
        }
        UNIT_CHECK(lab_logged(lab, "stays in force") == 1, "case %u",
                   (unsigned)i);
        assert_int_equal(state_of(ks, p).last_attempt_failed, 1);
        expect_kid(ks, "b", BEARER_KEYS, p);
    }
    write_file(path, document(p, "b"));
    lab_pass(lab, SECONDS(5));
    expect_kid(ks, "b", BEARER_OK, p);
    assert_int_equal(lab_logged(lab, "was read again"), 1);
    expect_kid(ks, "c", BEARER_KEY, p);
    unlink(path);
}

static void test_file_that_appears_later(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_file(p);
    bearer_keyset_t *ks = process(lab, 0, p);
    bearer_jwks_t *set;
    bearer_refusal_t why;

    assert_int_equal(bearer_keyset_acquire(ks, &set, &why, p), BEARER_KEYS);
    assert_true(unit_contains(why.detail, "AuthBearerKeys"));
    assert_true(unit_contains(why.detail, "cannot be read"));
    write_file(lab->issuer.keys[0].value, document(p, "a"));
    expect_nothing(ks, p);
    lab_pass(lab, SECONDS(5));
    expect_keys(ks, "a", p);
    unlink(lab->issuer.keys[0].value);
}

static void test_pem_file(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_file(p);
    bearer_keyset_t *ks = process(lab, 0, p);
    bearer_jwks_t *set;

    write_file(lab->issuer.keys[0].value,
               "a comment\n"
               "-----BEGIN PUBLIC KEY-----\n"
               "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
               "-----END PUBLIC KEY-----\n");
    assert_int_equal(bearer_keyset_acquire(ks, &set, NULL, p), BEARER_OK);
    assert_int_equal(bearer_jwks_count(set), 1);
    bearer_jwks_release(set);
    unlink(lab->issuer.keys[0].value);
}

/* ---- SPIFFE and tenants ------------------------------------------------ */

#define SVID_KEY(use, kid) \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"" use "\",\"kid\":\"" kid \
    "\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

static void test_spiffe_bundle(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    const char *bundle = "{\"spiffe_sequence\":1,\"keys\":["
                         SVID_KEY("jwt-svid", "a") ","
                         SVID_KEY("x509-svid", "b") ","
                         SVID_KEY("sig", "c") "]}";

    lab->issuer.url = "spiffe://example.org";
    lab->issuer.keys[0].kind = BEARER_SOURCE_SPIFFE_URL;
    unit_http_page(lab->http, URL, 200, bundle);
    expect_keys(process(lab, 1, p), "a", p);
    lab->issuer.keys[0].kind = BEARER_SOURCE_SPIFFE_FILE;
    lab->issuer.keys[0].value = apr_psprintf(p, "test_keyset.%ld", (long)getpid());
    write_file(lab->issuer.keys[0].value, bundle);
    expect_keys(process(lab, 1, p), "a", p);
    unlink(lab->issuer.keys[0].value);
}

static void test_tenants_have_their_own_keys(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks, *one, *two;

    lab->world.keys_cache = &lab->cache;
    lab->issuer.url = "https://idp.example.com/{tenant}/";
    lab->issuer.keys[0].value = "https://idp.example.com/{tenant}/keys";
    unit_http_page(lab->http, "https://idp.example.com/t1/keys", 200,
                   document(p, "a"));
    unit_http_page(lab->http, "https://idp.example.com/t2/keys", 200,
                   document(p, "b"));
    ks = process(lab, 1, p);
    one = bearer_keyset_of_tenant(ks, "t1");
    two = bearer_keyset_of_tenant(ks, "t2");
    assert_ptr_equal(bearer_keyset_of_tenant(ks, "t1"), one);
    expect_keys(one, "a", p);
    expect_keys(two, "b", p);
    assert_requests(lab, 2);
    assert_null(bearer_keyset_of_tenant(ks, "../x"));
    assert_null(bearer_keyset_of_tenant(ks, NULL));
    assert_true(bearer_keyset_generation(ks) == 0);
    bearer_keyset_served(ks, "t1");
    bearer_keyset_served(ks, "t2");
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(ks, p);
    assert_requests(lab, 4);
    /* one URL for all tenants is one set */
    lab->issuer.keys[0].value = URL;
    ks = process(lab, 1, p);
    assert_ptr_equal(bearer_keyset_of_tenant(ks, "t1"), ks);
}

/* ---- threads ----------------------------------------------------------- */

typedef struct crowd_t {
    lab_t *lab;
    bearer_keyset_t *ks;
    pthread_barrier_t barrier;
    atomic_int good, bad, stop;
    _Atomic(const char *) latest;    /* kid in force at the issuer */
} crowd_t;

#define CROWD 50
#define EACH 20

static void *arrive_cold(void *baton)
{
    crowd_t *crowd = baton;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    pthread_barrier_wait(&crowd->barrier);
    for (i = 0; i < EACH; i++) {
        bearer_jwks_t *set;
        bearer_refusal_t why;

        if (bearer_keyset_acquire(crowd->ks, &set, &why, p) == BEARER_OK) {
            atomic_fetch_add(&crowd->good, 1);
            bearer_jwks_release(set);
        } else {
            atomic_fetch_add(&crowd->bad, 1);
        }
    }
    apr_pool_destroy(p);
    return NULL;
}

static void take_a_while(void *baton)
{
    (void)baton;
    usleep(20000);   /* so that the others really find it under way */
}

static void cold_crowd(lab_t *lab, int good, apr_pool_t *p)
{
    pthread_t threads[CROWD];
    crowd_t crowd;
    int i;

    memset(&crowd, 0, sizeof(crowd));
    crowd.ks = process(lab, 0, p);
    pthread_barrier_init(&crowd.barrier, NULL, CROWD);
    for (i = 0; i < CROWD; i++) {
        pthread_create(&threads[i], NULL, arrive_cold, &crowd);
    }
    for (i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&crowd.barrier);
    assert_int_equal(atomic_load(&crowd.good), good ? CROWD * EACH : 0);
    assert_int_equal(atomic_load(&crowd.bad), good ? 0 : CROWD * EACH);
    assert_requests(lab, 1);
}

static void test_a_thousand_arrive_cold(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);

    lab->settings.timeout.total = SECONDS(20);
    lab->http->during = take_a_while;
    publish(lab, "a", p);
    cold_crowd(lab, 1, p);
}

static void test_a_thousand_arrive_cold_in_vain(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);

    lab->settings.timeout.total = SECONDS(20);
    lab->http->during = take_a_while;
    issuer_down(lab);
    cold_crowd(lab, 0, p);
}

static void *fetch_in_vain(void *baton)
{
    crowd_t *crowd = baton;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    bearer_keyset_maintain(crowd->ks, p);
    apr_pool_destroy(p);
    return NULL;
}

static void hold_until_told(void *baton)
{
    crowd_t *crowd = baton;

    atomic_store(&crowd->good, 1);
    while (!atomic_load(&crowd->stop)) {
        usleep(1000);
    }
}

/* While a fetch is stalled: known keys at once, unknown ones in bounded time. */
static void test_a_stalled_issuer_stops_nobody(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    pthread_t thread;
    crowd_t crowd;
    apr_time_t start;
    int i;

    memset(&crowd, 0, sizeof(crowd));
    crowd.ks = process(lab, 1, p);
    publish(lab, "a", p);
    expect_keys(crowd.ks, "a", p);
    lab_pass(lab, HOUR);
    lab->http->during = hold_until_told;
    lab->http->during_baton = &crowd;
    pthread_create(&thread, NULL, fetch_in_vain, &crowd);
    while (!atomic_load(&crowd.good)) {
        usleep(1000);
    }
    start = apr_time_now();
    for (i = 0; i < 1000; i++) {
        expect_keys(crowd.ks, "a", p);
    }
    assert_true(apr_time_now() - start < unit_slow() * SECONDS(1));
    expect_kid(crowd.ks, "b", BEARER_KEYS, p);   /* total is 200 ms here */
    assert_true(apr_time_now() - start < unit_slow() * SECONDS(2));
    /* patience counts from the flight's beginning: the next do not wait at all */
    start = apr_time_now();
    for (i = 0; i < 100; i++) {
        expect_kid(crowd.ks, "c", BEARER_KEYS, p);
    }
    assert_true(apr_time_now() - start < unit_slow() * SECONDS(5));
    atomic_store(&crowd.stop, 1);
    pthread_join(thread, NULL);
    assert_requests(lab, 2);
}

static void *use_keys(void *baton)
{
    crowd_t *crowd = baton;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < 400; i++) {
        const char *kid = atomic_load(&crowd->latest);
        bearer_jwks_t *set;
        bearer_refusal_t why;

        if (bearer_keyset_acquire(crowd->ks, &set, &why, p) == BEARER_OK) {
            if (!has(set, kid)) {
                (void)bearer_keyset_refresh_for_kid(crowd->ks, kid, now_of(crowd->ks),
                                                    &set, &why, p);
            }
            if (bearer_jwks_count(set) == 1) {
                atomic_fetch_add(&crowd->good, 1);
            }
            bearer_jwks_release(set);
        }
        (void)bearer_keyset_generation(crowd->ks);
        if (i % 50 == 0) {
            const char *error;

            (void)state_of(crowd->ks, p);
            (void)bearer_keyset_metadata(crowd->ks, &error, p);
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

static void *maintain(void *baton)
{
    crowd_t *crowd = baton;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    while (!atomic_load(&crowd->stop)) {
        bearer_keyset_maintain(crowd->ks, p);
        apr_pool_clear(p);
        usleep(200);
    }
    apr_pool_destroy(p);
    return NULL;
}

static void *rotate(void *baton)
{
    static const char *const kids[] = { "a", "b", "c", "d" };
    crowd_t *crowd = baton;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 1; !atomic_load(&crowd->stop); i++) {
        if (i % 7 == 0) {
            issuer_down(crowd->lab);
        } else {
            publish(crowd->lab, kids[i % 4], p);
            atomic_store(&crowd->latest, kids[i % 4]);
        }
        lab_pass(crowd->lab, SECONDS(i % 3 == 0 ? 3000 : 30));
        usleep(500);
    }
    publish(crowd->lab, "a", p);
    atomic_store(&crowd->latest, "a");
    /* p holds the documents: destroyed with the test */
    return p;
}

/* What this host has in its memory serves a new process at once: before it is
 * asked for anything, and also if it came there later. */
static void test_at_home(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *first, *primed, *late;

    publish(lab, "a", p);
    lab->world.keys_cache = &lab->cache;
    first = process(lab, 1, p);
    lab->world.keys_cache = NULL;
    lab->world.keys_home = &lab->cache;
    late = process(lab, 1, p);
    bearer_keyset_prime(late, p);   /* there is nothing yet */
    assert_false(bearer_keyset_at_hand(late));
    expect_keys(first, "a", p);
    assert_requests(lab, 1);
    primed = process(lab, 1, p);
    bearer_keyset_prime(primed, p);
    assert_true(bearer_keyset_at_hand(primed));
    expect_keys(primed, "a", p);
    expect_keys(late, "a", p);
    assert_requests(lab, 1);
    lab_pass(lab, 3 * DAY);         /* too old: no keys any more */
    late = process(lab, 1, p);
    bearer_keyset_prime(late, p);
    assert_false(bearer_keyset_at_hand(late));
}

/* What a client's token may make happen depends on this answer. */
static void test_at_hand(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 0, p);

    publish(lab, "a", p);
    assert_false(bearer_keyset_at_hand(ks));
    assert_requests(lab, 0);
    expect_keys(ks, "a", p);
    assert_true(bearer_keyset_at_hand(ks));
    lab_pass(lab, HOUR);            /* due: the next request fetches */
    assert_false(bearer_keyset_at_hand(ks));
    bearer_keyset_set_maintained(ks, 1);
    assert_true(bearer_keyset_at_hand(ks));
    lab_pass(lab, DAY);             /* gone */
    assert_false(bearer_keyset_at_hand(ks));
}

/* Meant for ThreadSanitizer; without it a smoke test. */
static void test_stress(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_discovering(p);
    pthread_t users[8], keeper, issuer;
    void *documents;
    crowd_t crowd;
    int i;

    memset(&crowd, 0, sizeof(crowd));
    lab->world.keys_cache = &lab->cache;
    lab->settings.timeout.total = SECONDS(20);
    crowd.lab = lab;
    crowd.ks = process(lab, 1, p);
    atomic_store(&crowd.latest, "a");
    pthread_create(&keeper, NULL, maintain, &crowd);
    pthread_create(&issuer, NULL, rotate, &crowd);
    for (i = 0; i < 8; i++) {
        pthread_create(&users[i], NULL, use_keys, &crowd);
    }
    for (i = 0; i < 8; i++) {
        pthread_join(users[i], NULL);
    }
    atomic_store(&crowd.stop, 1);
    pthread_join(keeper, NULL);
    pthread_join(issuer, &documents);
    /* on a crowded machine the lab's days may pass faster than anybody fetches */
    assert_true(atomic_load(&crowd.good) > 8 * 400 / 2);
    lab_pass(lab, HOUR);
    bearer_keyset_maintain(crowd.ks, p);
    expect_kid(crowd.ks, "a", BEARER_OK, p);
    apr_pool_destroy(documents);
}

/* ---- what has no effect ----------------------------------------------------- */

static void test_served_without_tenants(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    bearer_keyset_served(ks, "t-1");
    bearer_keyset_served(ks, NULL);
    publish(lab, "a", p);
    expect_keys(ks, "a", p);
}

/* However soon the configuration wants to try again: not at once, for ever. */
static void test_delay_of_another_try(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    lab->settings.keys_refresh.min = 0;
    ks = process(lab, 1, p);
    assert_int_equal(bearer_keyset_retry_delay(ks, 1, 0.5), SECONDS(1));
    assert_int_equal(bearer_keyset_retry_delay(ks, 100, 0.5), SECONDS(1));
    assert_int_equal(bearer_keyset_retry_delay(ks, 100, 0), SECONDS(1) * 3 / 4);
    lab->settings.keys_refresh.min = SECONDS(60);
    assert_true(bearer_keyset_retry_delay(ks, 1, 0.5) == BEARER_KEYSET_RETRY);
    assert_true(bearer_keyset_retry_delay(ks, 2, 0.5) == 2 * BEARER_KEYSET_RETRY);
    assert_int_equal(bearer_keyset_retry_delay(ks, 100, 0.5), SECONDS(60));
}

/* ---- who waits for what another thread fetches ------------------------------ */

typedef struct waiting_t {
    bearer_keyset_t *ks;
    const char *kid;              /* NULL: the metadata */
    atomic_int fetching, asking;
    int good;
} waiting_t;

/* The issuer answers when another thread has asked, and a moment later. */
static void until_another_asks(void *waiting_)
{
    waiting_t *waiting = waiting_;
    int i;

    atomic_store(&waiting->fetching, 1);
    for (i = 0; i < 20000 && !atomic_load(&waiting->asking); i++) {
        usleep(1000);
    }
    usleep(200000);
}

static int ask_once(waiting_t *waiting)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    const char *error;
    apr_pool_t *p;
    int good;

    apr_pool_create_unmanaged(&p);
    good = waiting->kid ? ask_kid(waiting->ks, waiting->kid, &why, p) == BEARER_OK
                        : bearer_keyset_metadata(waiting->ks, &error, p) != NULL;
    apr_pool_destroy(p);
    return good;
}

static void *fetch_first(void *waiting_)
{
    waiting_t *waiting = waiting_;

    waiting->good = ask_once(waiting);
    return NULL;
}

static void wait_for_another(lab_t *lab, bearer_keyset_t *ks, const char *kid)
{
    waiting_t waiting = { .ks = ks, .kid = kid };
    pthread_t thread;

    lab->http->during = until_another_asks;
    lab->http->during_baton = &waiting;
    assert_int_equal(pthread_create(&thread, NULL, fetch_first, &waiting), 0);
    while (!atomic_load(&waiting.fetching)) {
        usleep(1000);
    }
    atomic_store(&waiting.asking, 1);
    assert_true(ask_once(&waiting));
    pthread_join(thread, NULL);
    assert_true(waiting.good);
    lab->http->during = NULL;
}

static void test_wait_for_a_kid(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);

    lab->settings.timeout.total = SECONDS(20);
    publish(lab, "a", p);
    expect_keys(ks, "a", p);
    lab_pass(lab, SECONDS(100));
    publish(lab, "a b", p);
    wait_for_another(lab, ks, "b");
    assert_requests(lab, 2);
}

static void test_wait_for_metadata(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    lab->settings.timeout.total = SECONDS(20);
    unit_http_page(lab->http, OAUTH, 200, METADATA);
    ks = process(lab, 1, p);
    wait_for_another(lab, ks, NULL);
    assert_requests(lab, 1);
}

static lab_t *slow_lab;

static apr_status_t slow_lease(const bearer_cache_t *cache, const unsigned char *key,
                               apr_time_t until, apr_pool_t *p)
{
    lab_pass(slow_lab, SECONDS(2));
    return lab_lease(cache, key, until, p);
}

static void the_rest_of_the_time(void *lab)
{
    lab_pass(lab, SECONDS(3));
}

/* A fetch that had most of its time, and was not answered, has failed. */
static void test_most_of_the_time_is_an_attempt(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;

    slow_lab = lab;
    lab->world.keys_cache = &lab->cache;
    lab->cache.lease = slow_lease;
    lab->settings.timeout.total = SECONDS(5);
    issuer_down(lab);
    lab->http->during = the_rest_of_the_time;
    lab->http->during_baton = lab;
    ks = process(lab, 1, p);
    expect_nothing(ks, p);
    assert_requests(lab, 1);
    assert_true(state_of(ks, p).last_attempt_failed);
}

/* Who allows more time than AuthBearerTimeout total= does not get it. */
static void test_a_longer_wait_is_cut(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks;
    bearer_jwks_t *set;

    slow_lab = lab;
    lab->world.keys_cache = &lab->cache;
    lab->cache.lease = slow_lease;
    lab->settings.timeout.total = SECONDS(5);
    publish(lab, "a", p);
    ks = process(lab, 1, p);
    assert_int_equal(bearer_keyset_acquire_within(ks, SECONDS(20), &set, NULL, p), BEARER_OK);
    assert_true(lab->http->request.total_timeout <= SECONDS(3));
    bearer_jwks_release(set);
}

/* The keys that a request has may have become too old before it asks for newer ones. */
static void test_unknown_kid_when_the_keys_are_gone(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_keyset_t *ks = process(lab, 1, p);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jwks_t *set = NULL, *had;

    publish(lab, "a", p);
    assert_int_equal(bearer_keyset_acquire(ks, &set, &why, p), BEARER_OK);
    had = set;
    issuer_down(lab);
    lab_pass(lab, 10 * DAY);
    assert_int_equal(bearer_keyset_refresh_for_kid(ks, "b", now_of(ks), &set, &why, p),
                     BEARER_KEYS);
    assert_ptr_equal(set, had);
    assert_int_equal(why.reason, BEARER_KEYS);
    assert_non_null(why.detail);
    bearer_jwks_release(set);
}

/* ---- locks ---------------------------------------------------------------- */

/* Each unlocking has its locking (the linker puts these in the place of APR's). */
static _Thread_local int held;
static atomic_int unheld;

apr_status_t __real_apr_thread_mutex_lock(apr_thread_mutex_t *mutex);
apr_status_t __wrap_apr_thread_mutex_lock(apr_thread_mutex_t *mutex);
apr_status_t __real_apr_thread_mutex_unlock(apr_thread_mutex_t *mutex);
apr_status_t __wrap_apr_thread_mutex_unlock(apr_thread_mutex_t *mutex);

apr_status_t __wrap_apr_thread_mutex_lock(apr_thread_mutex_t *mutex)
{
    held++;
    return __real_apr_thread_mutex_lock(mutex);
}

apr_status_t __wrap_apr_thread_mutex_unlock(apr_thread_mutex_t *mutex)
{
    if (--held < 0) {
        atomic_fetch_add(&unheld, 1);
    }
    return __real_apr_thread_mutex_unlock(mutex);
}

/* After all other tests, in all of their threads. */
static void test_locks_are_paired(void **state)
{
    (void)state;
    assert_int_equal(held, 0);
    assert_int_equal(atomic_load(&unheld), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_life),
        UNIT_TEST(test_fetched_once),
        UNIT_TEST(test_at_hand),
        UNIT_TEST(test_at_home),
        UNIT_TEST(test_refreshed_ahead_of_time),
        UNIT_TEST(test_refreshed_before_they_are_gone),
        UNIT_TEST(test_refreshed_within_its_life), UNIT_TEST(test_how_far_ahead),
        UNIT_TEST(test_errands),
        UNIT_TEST(test_limited_errand), UNIT_TEST(test_ended_with_its_process),
        UNIT_TEST(test_cache_headers_count),
        UNIT_TEST(test_refreshed_by_a_request),
        UNIT_TEST(test_stale_then_gone_then_back),
        UNIT_TEST(test_retries_slow_down),
        UNIT_TEST(test_removed_key_and_generation),
        UNIT_TEST(test_generation_tells_when_time_is_over),
        UNIT_TEST(test_attack_bad_documents_displace_nothing),
        UNIT_TEST(test_bad_documents_when_cold),
        UNIT_TEST(test_useless_answers_are_asked_for_less),
        UNIT_TEST(test_skipped_keys_are_logged_once),
        UNIT_TEST(test_skipped_keys_of_a_useless_document),
        UNIT_TEST(test_rotation_is_seen_at_once),
        UNIT_TEST(test_attack_unknown_kid_flood),
        UNIT_TEST(test_unknown_kid_when_the_fetch_fails),
        UNIT_TEST(test_kid_of_a_set_just_fetched),
        UNIT_TEST(test_newer_set_is_there_already),
        UNIT_TEST(test_one_fetch_serves_all),
        UNIT_TEST(test_refreshed_once_for_all),
        UNIT_TEST(test_unknown_kid_host_wide),
        UNIT_TEST(test_cold_failure_host_wide),
        UNIT_TEST(test_found_while_it_may_not_try),
        UNIT_TEST(test_another_process_fetches),
        UNIT_TEST(test_lease_is_short),
        UNIT_TEST(test_lease_is_held_during_a_fetch),
        UNIT_TEST(test_cache_down),
        UNIT_TEST(test_newer_keys_are_noticed),
        UNIT_TEST(test_attack_garbage_in_the_cache),
        UNIT_TEST(test_policies_are_apart),
        UNIT_TEST(test_another_clock),
        UNIT_TEST(test_failure_of_another_clock),
        UNIT_TEST(test_clock_is_set_back),
        UNIT_TEST(test_clock_is_set_back_after_a_failure),
        UNIT_TEST(test_clock_is_set_back_during_a_pause),
        UNIT_TEST(test_unknown_kid_of_another_clock),
        UNIT_TEST(test_a_new_generation_does_not_start_cold),
        UNIT_TEST(test_discovered),
        UNIT_TEST(test_metadata_is_asked_again),
        UNIT_TEST(test_metadata_is_down),
        UNIT_TEST(test_discovery_fails),
        UNIT_TEST(test_metadata_of_named_keys),
        UNIT_TEST(test_file_is_read_again),
        UNIT_TEST(test_bad_file_keeps_the_old_content),
        UNIT_TEST(test_file_that_appears_later),
        UNIT_TEST(test_pem_file),
        UNIT_TEST(test_spiffe_bundle),
        UNIT_TEST(test_tenants_have_their_own_keys),
        UNIT_TEST(test_a_thousand_arrive_cold),
        UNIT_TEST(test_a_thousand_arrive_cold_in_vain),
        UNIT_TEST(test_a_stalled_issuer_stops_nobody),
        UNIT_TEST(test_stress),
        UNIT_TEST(test_served_without_tenants),
        UNIT_TEST(test_delay_of_another_try),
        UNIT_TEST(test_wait_for_a_kid),
        UNIT_TEST(test_wait_for_metadata),
        UNIT_TEST(test_most_of_the_time_is_an_attempt),
        UNIT_TEST(test_a_longer_wait_is_cut),
        UNIT_TEST(test_unknown_kid_when_the_keys_are_gone),
        UNIT_TEST(test_locks_are_paired),
    };

    return UNIT_RUN("keyset", tests);
}
