/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* How many threads may wait at once. */
#include "unit.h"

#include <stdatomic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_thread_proc.h>

#include "base/gate.h"

#define LONGEST apr_time_from_sec(5)
#define A BEARER_PARTY_ISSUER(0)
#define B BEARER_PARTY_ISSUER(1)
#define THREADS 32

/** One gate, and tickets as if each were of another thread. */
typedef struct bench_t {
    unit_world_t *w;
    bearer_gate_config_t config;
    bearer_gate_t *gate;
    apr_pool_t *p;
} bench_t;

static bearer_gate_host_t *shared_memory(void)
{
    void *memory = mmap(NULL, sizeof(bearer_gate_host_t), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static void begin(bench_t *b, apr_pool_t *p, int host, int own, int parties)
{
    memset(b, 0, sizeof(*b));
    b->p = p;
    b->w = unit_world(p);
    b->config.world = &b->w->world;
    b->config.host = shared_memory();
    b->config.host_limit = host;
    b->config.own_limit = own;
    b->config.parties = parties;
    assert_int_equal(bearer_gate_create(&b->gate, &b->config, p), APR_SUCCESS);
}

/* ---- threads that hold tickets ------------------------------------------ */

typedef struct holder_t {
    bench_t *b;
    int party;
    const char *full;
    apr_thread_t *thread;
    _Atomic int *answered;         /* how many have been told whether they may */
    _Atomic int *leave;            /* 1: those that hold a ticket give it back */
} holder_t;

static void *APR_THREAD_FUNC hold(apr_thread_t *thread, void *baton)
{
    holder_t *h = baton;
    bearer_ticket_t ticket;

    (void)thread;
    h->full = bearer_gate_enter(&ticket, h->b->gate, h->party, LONGEST);
    atomic_fetch_add(h->answered, 1);
    if (!h->full) {
        while (!atomic_load(h->leave)) {
            apr_sleep(1000);
        }
        bearer_gate_leave(&ticket);
    }
    return NULL;
}

/* So many threads of a party want in at once; when all have an answer, the number
 * of those that got in. They stay until *leave. */
typedef struct crowd_t {
    holder_t holders[THREADS];
    _Atomic int answered, leave;
    int n;
    apr_pool_t *p;                 /* of the threads: one of them may log, into b->p */
} crowd_t;

static int crowd(crowd_t *c, bench_t *b, int party, int n)
{
    int i, in = 0;

    memset(c, 0, sizeof(*c));
    c->n = n;
    assert_int_equal(apr_pool_create_unmanaged(&c->p), APR_SUCCESS);
    for (i = 0; i < n; i++) {
        c->holders[i].b = b;
        c->holders[i].party = party;
        c->holders[i].answered = &c->answered;
        c->holders[i].leave = &c->leave;
        assert_int_equal(apr_thread_create(&c->holders[i].thread, NULL, hold,
                                           &c->holders[i], c->p), APR_SUCCESS);
    }
    while (atomic_load(&c->answered) < n) {
        apr_sleep(1000);
    }
    for (i = 0; i < n; i++) {
        in += !c->holders[i].full;
    }
    return in;
}

static void disperse(crowd_t *c)
{
    apr_status_t rv;
    int i;

    atomic_store(&c->leave, 1);
    for (i = 0; i < c->n; i++) {
        assert_int_equal(apr_thread_join(&rv, c->holders[i].thread), APR_SUCCESS);
    }
    apr_pool_destroy(c->p);
}

static const char *why(const crowd_t *c)
{
    int i;

    for (i = 0; i < c->n && !c->holders[i].full; i++) {
    }
    return i < c->n ? c->holders[i].full : NULL;
}

/* ---- the bounds --------------------------------------------------------- */

static void test_own_bound(void **state)
{
    bench_t b;
    crowd_t c;

    begin(&b, unit_pool(state), 100, 4, 1);
    assert_int_equal(crowd(&c, &b, A, 12), 4);
    assert_true(unit_contains(why(&c), "half of the workers are already waiting"));
    disperse(&c);
    assert_int_equal(crowd(&c, &b, A, 4), 4);
    disperse(&c);
}

static void test_host_bound(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t b, other;
    crowd_t c, d;

    begin(&b, p, 6, 4, 1);
    other = b;
    assert_int_equal(bearer_gate_create(&other.gate, &b.config, p), APR_SUCCESS);
    assert_int_equal(crowd(&c, &b, A, 8), 4);
    assert_int_equal(crowd(&d, &other, A, 8), 2);
    disperse(&c);
    disperse(&d);
    assert_int_equal(crowd(&d, &other, A, 8), 4);
    disperse(&d);
}

/* So many of an issuer that keeps silent get in, and as many of its neighbour. */
static void check_share(void **state, int host, int process, int seed, int expected)
{
    bench_t b;
    crowd_t c, d;

    begin(&b, unit_pool(state), host, process, seed);
    assert_int_equal(crowd(&c, &b, A, 20), expected);
    assert_true(unit_contains(why(&c), "this issuer's share"));
    assert_int_equal(crowd(&d, &b, B, 20), expected);
    disperse(&d);
    disperse(&c);
}

static void test_share(void **state)
{
    check_share(state, 100, 8, 2, 4);
}

static void test_share_of_the_host(void **state)
{
    check_share(state, 6, 100, 3, 3);
}

/* Even the smallest gate lets one through, of each party in turn. */
static void test_one_place(void **state)
{
    bench_t b;
    crowd_t c;

    begin(&b, unit_pool(state), 0, 0, 5);
    assert_int_equal(crowd(&c, &b, A, 3), 1);
    disperse(&c);
    assert_int_equal(crowd(&c, &b, B, 3), 1);
    disperse(&c);
}

/* Sessions are in the cache: issuers that keep silent must not end them. */
static void test_room_for_the_cache(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t b;
    crowd_t c, d, e;

    begin(&b, p, 100, 8, 3);
    b.config.cache = 1;
    assert_int_equal(bearer_gate_create(&b.gate, &b.config, p), APR_SUCCESS);
    assert_int_equal(crowd(&c, &b, A, 10), 4);
    assert_int_equal(crowd(&d, &b, B, 10), 0);
    assert_int_equal(crowd(&e, &b, BEARER_PARTY_CACHE, 10), 4);
    assert_true(unit_contains(why(&e), "AuthBearerSOCache"));
    disperse(&e);
    disperse(&d);
    disperse(&c);
    assert_int_equal(crowd(&e, &b, BEARER_PARTY_CACHE, 10), 8);
    disperse(&e);
}

/* ---- tickets ------------------------------------------------------------ */

static void test_one_ticket_a_thread(void **state)
{
    bearer_ticket_t outer, inner, deeper;
    bench_t b;
    crowd_t c;

    begin(&b, unit_pool(state), 100, 1, 1);
    assert_null(bearer_gate_enter(&outer, b.gate, A, LONGEST));
    assert_null(bearer_gate_enter(&inner, b.gate, A, LONGEST));
    assert_null(bearer_gate_enter(&deeper, b.gate, B, LONGEST));
    bearer_gate_leave(&deeper);
    bearer_gate_leave(&inner);
    assert_int_equal(crowd(&c, &b, A, 1), 0);
    disperse(&c);
    bearer_gate_leave(&outer);
    assert_int_equal(crowd(&c, &b, A, 1), 1);
    disperse(&c);
}

/* Who died holds nothing for ever; who is alive and asks on keeps its place. */
static void test_deadline(void **state)
{
    bearer_ticket_t outer, inner;
    bench_t b;
    crowd_t c, d;

    begin(&b, unit_pool(state), 1, 1, 1);
    assert_null(bearer_gate_enter(&outer, b.gate, A, LONGEST));
    b.w->now += LONGEST;
    assert_null(bearer_gate_enter(&inner, b.gate, A, LONGEST));
    bearer_gate_leave(&inner);
    b.w->now += LONGEST;
    assert_int_equal(crowd(&c, &b, A, 1), 0);
    disperse(&c);
    b.w->now += BEARER_GATE_MARGIN;
    assert_int_equal(crowd(&c, &b, A, 1), 1);
    /* what is given back late is another's by now */
    bearer_gate_leave(&outer);
    assert_null(bearer_gate_enter(&outer, NULL, A, LONGEST));
    bearer_gate_leave(&outer);
    assert_int_equal(crowd(&d, &b, A, 1), 0);
    disperse(&d);
    disperse(&c);
}

static int nobody(void)
{
    return 1;
}

static void test_exempt(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t b;
    crowd_t c;

    begin(&b, p, 1, 1, 1);
    b.config.exempt = nobody;
    assert_int_equal(bearer_gate_create(&b.gate, &b.config, p), APR_SUCCESS);
    assert_int_equal(crowd(&c, &b, A, 10), 10);
    disperse(&c);
}

static void test_without_a_host(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t b;
    crowd_t c;

    begin(&b, p, 1, 3, 1);
    b.config.host = NULL;
    assert_int_equal(bearer_gate_create(&b.gate, &b.config, p), APR_SUCCESS);
    assert_int_equal(crowd(&c, &b, A, 10), 3);
    disperse(&c);
}

/* ---- patience ----------------------------------------------------------- */

typedef struct worker_t {
    bench_t *b;
    _Atomic int *waiting, *most, *refused, *done;
    int party, rounds;
    apr_interval_time_t each;
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *baton)
{
    worker_t *w = baton;
    bearer_ticket_t ticket;
    int i, now, most;

    (void)thread;
    for (i = 0; i < w->rounds; i++) {
        if (bearer_gate_enter(&ticket, w->b->gate, w->party, LONGEST)) {
            atomic_fetch_add(w->refused, 1);
            continue;
        }
        now = atomic_fetch_add(w->waiting, 1) + 1;
        most = atomic_load(w->most);
        while (now > most
               && !atomic_compare_exchange_weak(w->most, &most, now)) {
        }
        if (w->each) {
            apr_sleep(w->each);
        }
        atomic_fetch_sub(w->waiting, 1);
        bearer_gate_leave(&ticket);
        bearer_gate_answered(w->b->gate, w->party, w->each);
        atomic_fetch_add(w->done, 1);
    }
    return NULL;
}

static void run_workers(bench_t *b, int party, int n, int rounds,
                        apr_interval_time_t each, int *most, int *refused)
{
    _Atomic int waiting = 0, highest = 0, turned_away = 0, done = 0;
    worker_t w = { b, &waiting, &highest, &turned_away, &done, party,
                   rounds, each };
    apr_thread_t *threads[THREADS];
    apr_pool_t *p;  /* not b->p, into which one of them may log */
    apr_status_t rv;
    int i;

    assert_int_equal(apr_pool_create_unmanaged(&p), APR_SUCCESS);
    for (i = 0; i < n; i++) {
        assert_int_equal(apr_thread_create(&threads[i], NULL, work, &w, p),
                         APR_SUCCESS);
    }
    for (i = 0; i < n; i++) {
        apr_thread_join(&rv, threads[i]);
    }
    apr_pool_destroy(p);
    assert_int_equal(done + turned_away, n * rounds);
    *most = highest;
    *refused = turned_away;
}

static int inside(const bearer_gate_t *gate, int limit)
{
    int n, most;

    bearer_gate_stats(gate, &n, &most);
    assert_int_equal(most, limit);
    return n;
}

/* Of those that take and give all the time, never more than the bound are in; and
 * as many as the bound are never turned away by each other. */
static void test_many_threads(void **state)
{
    apr_pool_t *p = unit_pool(state);
    int most, refused;
    bench_t b;

    begin(&b, p, 100, 8, 2);
    run_workers(&b, A, 4, 20000, 0, &most, &refused);
    assert_int_equal(refused, 0);
    begin(&b, p, 8, 100, 2);
    run_workers(&b, A, 16, 5000, 0, &most, &refused);
    assert_in_range(most, 1, 4);
}

static apr_time_t next_microsecond(void *baton)
{
    return apr_time_from_sec(1000) + (apr_time_t)atomic_fetch_add((_Atomic int *)baton, 1);
}

/* Two that see the last place of their share free at the same moment, and take one
 * each, give back what is one too many. */
static void test_one_too_many(void **state)
{
    _Atomic int passed = 0;
    int most, refused;
    bench_t b;

    begin(&b, unit_pool(state), 2, 100, 2);
    b.w->world.now = next_microsecond;   /* or all begin to look at the same place */
    b.w->world.now_baton = &passed;
    run_workers(&b, A, 4, 200000 / (int)unit_slow(), 0, &most, &refused);
    assert_int_equal(most, 1);
    assert_int_equal(inside(b.gate, 2), 0);
}

/** A machine that is busy with other things may stop a thread for longer than the
 *  patience lasts. What is to be quick is quick in one of so many attempts. */
#define ATTEMPTS 20

/* A cache that answers is no outage, however many threads ask it at once. */
static void test_a_crowd_is_patient(void **state)
{
    int i, most = 0, refused = 1;
    bench_t b;

    for (i = 0; i < ATTEMPTS && (refused || most < 8); i++) {
        begin(&b, unit_pool(state), 100, 8, 1);
        run_workers(&b, BEARER_PARTY_CACHE, 16, 50, 1000, &most, &refused);
        assert_in_range(most, 1, 8);
    }
    assert_int_equal(most, 8);
    assert_int_equal(refused, 0);
}

static apr_interval_time_t turned_away_after(bench_t *b, int party)
{
    apr_time_t started = apr_time_now();
    bearer_ticket_t ticket;

    assert_non_null(bearer_gate_enter(&ticket, b->gate, party, LONGEST));
    return apr_time_now() - started;
}

/* How many of ATTEMPTS are turned away before the patience is over. */
static int turned_away_at_once(bench_t *b, int party)
{
    int i, n = 0;

    for (i = 0; i < ATTEMPTS; i++) {
        n += turned_away_after(b, party) < BEARER_GATE_PATIENCE;
    }
    return n;
}

/* One that keeps silent costs the patience once. */
static void test_an_outage_is_not(void **state)
{
    crowd_t c;
    bench_t b;

    begin(&b, unit_pool(state), 100, 2, 1);
    assert_int_equal(crowd(&c, &b, BEARER_PARTY_CACHE, 4), 2);
    assert_true(turned_away_at_once(&b, BEARER_PARTY_CACHE) > ATTEMPTS / 2);
    bearer_gate_answered(b.gate, BEARER_PARTY_CACHE, BEARER_GATE_PATIENCE);
    assert_true(turned_away_at_once(&b, BEARER_PARTY_CACHE) > ATTEMPTS / 2);
    bearer_gate_answered(b.gate, BEARER_PARTY_CACHE, 1000);
    assert_true(turned_away_after(&b, BEARER_PARTY_CACHE) >= BEARER_GATE_PATIENCE);
    disperse(&c);
}

/* More threads than an issuer's places: those that find none wait for one. A few threads
 * are refused if too few workers would be left. */
static void test_a_healthy_issuer_is_queued_for(void **state)
{
    int i, most = 0, refused = 1;
    bench_t b;

    for (i = 0; i < ATTEMPTS && (refused || most < 6); i++) {
        begin(&b, unit_pool(state), 100, 12, 2);
        run_workers(&b, A, 16, 10, 5000, &most, &refused);
        assert_in_range(most, 1, 6);
    }
    assert_int_equal(most, 6);
    assert_int_equal(refused, 0);
    run_workers(&b, A, 32, 1, apr_time_from_msec(50), &most, &refused);
    assert_true(refused > 0);
}

/* A silent issuer is waited for once, and its neighbour still is. */
static void test_a_silent_issuer_is_not(void **state)
{
    crowd_t c, d;
    bench_t b;

    begin(&b, unit_pool(state), 100, 6, 2);
    assert_int_equal(crowd(&c, &b, A, 3), 3);
    assert_int_equal(crowd(&d, &b, B, 3), 3);
    assert_true(turned_away_after(&b, A) >= BEARER_GATE_QUEUE);
    assert_true(turned_away_at_once(&b, A) > ATTEMPTS / 2);
    assert_true(turned_away_after(&b, B) >= BEARER_GATE_QUEUE);
    bearer_gate_answered(b.gate, A, BEARER_GATE_QUEUE);
    bearer_gate_answered(b.gate, B, 1000);
    assert_true(turned_away_at_once(&b, A) > ATTEMPTS / 2);
    bearer_gate_answered(b.gate, A, 1000);
    assert_true(turned_away_after(&b, A) >= BEARER_GATE_QUEUE);
    disperse(&d);
    disperse(&c);
}

/* ---- processes ---------------------------------------------------------- */

/* Each child is one worker (prefork): one that comes finds the place of one that
 * was killed when its time is over. */
static void test_processes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_ticket_t ticket;
    int i, status;
    pid_t pids[4];
    bench_t b;

    begin(&b, p, 4, 1, 1);
    for (i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            if (bearer_gate_enter(&ticket, b.gate, A, LONGEST)) {
                _exit(1);
            }
            for (;;) {
                pause();
            }
        }
    }
    for (i = 0; i < 4; i++) {
        int place, taken = 0;

        while (!taken) {
            for (place = 0; place < 4; place++) {
                taken += atomic_load(&b.config.host->places[place]) != 0;
            }
            taken = taken == 4;
            apr_sleep(1000);
        }
    }
    assert_non_null(bearer_gate_enter(&ticket, b.gate, A, LONGEST));
    for (i = 0; i < 4; i++) {
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    }
    assert_non_null(bearer_gate_enter(&ticket, b.gate, A, LONGEST));
    b.w->now += LONGEST + BEARER_GATE_MARGIN;
    assert_null(bearer_gate_enter(&ticket, b.gate, A, LONGEST));
    bearer_gate_leave(&ticket);
}

/* 1: another process that waits for the one place of the host gets it. */
static int place_for_a_process(apr_pool_t *p)
{
    bearer_ticket_t ticket;
    apr_time_t started;
    int status;
    pid_t pid;
    bench_t b;

    begin(&b, p, 1, 1, 1);
    assert_null(bearer_gate_enter(&ticket, b.gate, A, LONGEST));
    pid = fork();
    if (pid == 0) {
        bearer_gate_create(&b.gate, &b.config, b.p);
        _exit(bearer_gate_enter(&ticket, b.gate, BEARER_PARTY_CACHE, LONGEST) ? 1 : 0);
    }
    started = apr_time_now();
    while (!atomic_load(&b.config.host->bell.waiting)
           && apr_time_now() - started < apr_time_from_sec(2)) {
        apr_sleep(100);
    }
    bearer_gate_leave(&ticket);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    /* it waits no more, so no ring costs a system call */
    assert_int_equal(atomic_load(&b.config.host->bell.waiting), 0);
    return status == 0;
}

/* The bell reaches a process that waits. */
static void test_bell_between_processes(void **state)
{
    int i;

    for (i = 0; i < ATTEMPTS && !place_for_a_process(unit_pool(state)); i++) {
    }
    assert_in_range(i, 0, ATTEMPTS - 1);
}

/* ---- the log and the client --------------------------------------------- */

static const char *name_of(void *baton, int party)
{
    (void)baton;
    return party == A ? "https://a.test/" : NULL;
}

typedef struct counts_t {
    int issuers[2], services, caches, others;
} counts_t;

static void count(void *baton, bearer_event_t event, int issuer,
                  apr_interval_time_t elapsed)
{
    counts_t *counts = baton;

    (void)elapsed;
    if (event == BEARER_EVENT_NO_PLACE && issuer >= 0 && issuer < 2) {
        counts->issuers[issuer]++;
    } else if (issuer != -1) {
        counts->others += 100;
    } else {
        *(event == BEARER_EVENT_NO_PLACE_SERVICE ? &counts->services
          : event == BEARER_EVENT_NO_PLACE_CACHE ? &counts->caches
                                                 : &counts->others) += 1;
    }
}

/* Who is inside, how many may be, and for whom there was no place. */
static void test_it_is_counted(void **state)
{
    static const int parties[] = {
        BEARER_PARTY_ISSUER(0), BEARER_PARTY_ISSUER(1), BEARER_PARTY_ISSUER(1),
        BEARER_PARTY_SERVICE(0), BEARER_PARTY_SERVICE(1), BEARER_PARTY_CACHE
    };
    counts_t counts = { { 0, 0 }, 0, 0, 0 };
    apr_pool_t *p = unit_pool(state);
    bearer_ticket_t ticket;
    bench_t b, alone;
    crowd_t c;
    unsigned i;

    begin(&b, p, 2, 4, 1);
    assert_int_equal(inside(b.gate, 2), 0);
    assert_int_equal(crowd(&c, &b, A, 2), 2);
    assert_int_equal(inside(b.gate, 2), 2);
    b.w->world.event = count;
    b.w->world.event_baton = &counts;
    for (i = 0; i < UNIT_COUNT(parties); i++) {
        assert_non_null(bearer_gate_enter(&ticket, b.gate, parties[i], 1));
    }
    assert_int_equal(counts.issuers[0], 1);
    assert_int_equal(counts.issuers[1], 2);
    assert_int_equal(counts.services, 2);
    assert_int_equal(counts.caches, 1);
    assert_int_equal(counts.others, 0);
    disperse(&c);
    assert_int_equal(inside(b.gate, 2), 0);
    /* of the process, where nothing is shared */
    alone = b;
    alone.config.host = NULL;
    assert_int_equal(bearer_gate_create(&alone.gate, &alone.config, p), APR_SUCCESS);
    assert_int_equal(crowd(&c, &alone, A, 3), 3);
    assert_int_equal(inside(alone.gate, 4), 3);
    disperse(&c);
    assert_int_equal(inside(NULL, 0), 0);
}

static void test_it_is_said_once_a_minute(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_ticket_t ticket;
    crowd_t c;
    bench_t b;
    int i;

    begin(&b, p, 1, 1, 1);
    b.config.name = name_of;
    assert_int_equal(bearer_gate_create(&b.gate, &b.config, p), APR_SUCCESS);
    assert_int_equal(crowd(&c, &b, A, 1), 1);
    for (i = 0; i < 3; i++) {
        assert_non_null(bearer_gate_enter(&ticket, b.gate, A, LONGEST));
    }
    assert_int_equal(unit_world_logged(b.w, "half of the workers"), 1);
    assert_int_equal(unit_world_logged(b.w, "https://a.test/: half"), 1);
    b.w->now += apr_time_from_sec(60);
    disperse(&c);
    assert_int_equal(crowd(&c, &b, A, 1), 1);
    assert_non_null(bearer_gate_enter(&ticket, b.gate, B, LONGEST));
    assert_int_equal(unit_world_logged(b.w, "half of the workers"), 2);
    disperse(&c);
}

static int performed;

static apr_status_t perform(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p)
{
    (void)client;
    (void)request;
    *error = NULL;
    *response = apr_pcalloc(p, sizeof(**response));
    performed++;
    return APR_SUCCESS;
}

static void test_http(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_http_client_t inner = { perform, NULL };
    const bearer_http_client_t *http;
    bearer_http_request_t request;
    bearer_http_response_t *response;
    const char *error;
    bench_t b;
    crowd_t c;

    begin(&b, p, 1, 1, 1);
    memset(&request, 0, sizeof(request));
    request.party = A;
    request.total_timeout = LONGEST;
    http = bearer_gate_http(b.gate, &inner, p);
    performed = 0;
    assert_int_equal(http->perform(http, &request, &response, &error, p),
                     APR_SUCCESS);
    assert_int_equal(crowd(&c, &b, A, 1), 1);
    assert_int_equal(http->perform(http, &request, &response, &error, p),
                     APR_EBUSY);
    assert_null(response);
    assert_true(unit_contains(error, "half of the workers"));
    disperse(&c);
    assert_int_equal(performed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_own_bound), UNIT_TEST(test_host_bound),
        UNIT_TEST(test_share), UNIT_TEST(test_share_of_the_host),
        UNIT_TEST(test_one_place), UNIT_TEST(test_room_for_the_cache),
        UNIT_TEST(test_one_ticket_a_thread), UNIT_TEST(test_deadline),
        UNIT_TEST(test_exempt), UNIT_TEST(test_without_a_host),
        UNIT_TEST(test_many_threads), UNIT_TEST(test_one_too_many),
        UNIT_TEST(test_a_crowd_is_patient),
        UNIT_TEST(test_an_outage_is_not),
        UNIT_TEST(test_a_healthy_issuer_is_queued_for),
        UNIT_TEST(test_a_silent_issuer_is_not), UNIT_TEST(test_processes),
        UNIT_TEST(test_bell_between_processes),
        UNIT_TEST(test_it_is_counted), UNIT_TEST(test_it_is_said_once_a_minute),
        UNIT_TEST(test_http)
    };

    return UNIT_RUN("gate", tests);
}
