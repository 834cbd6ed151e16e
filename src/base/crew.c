/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See crew.h. */
#include "base/crew.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <openssl/crypto.h>

/** A place for a thread. */
typedef struct member_t {
    bearer_crew_t *crew;
    apr_thread_t *thread;  /**< NULL: none */
    apr_pool_t *pool;      /**< its own pool */
    int done;              /**< it has ended and can be joined */
} member_t;

struct bearer_crew_t {
    void (*begin)(void);
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *ended;     /**< signalled when a thread has ended */
    /* under the mutex */
    member_t members[BEARER_CREW_SIZE];
    apr_pool_t *list_pool;
    bearer_errand_t *list;        /**< errands that have not begun */
    int waiting, waiting_slow;    /**< all of these; the slow ones among them */
    int threads;
    int running, running_long;    /**< running errands; those without a limit */
    int stop;
};

/* ---- the next errand; under the mutex ----------------------------------- */

/* Returns the errand whose last run is longest ago, quick ones first; -1: none. */
static int choose(const bearer_crew_t *crew)
{
    int i, best = -1;

    for (i = 0; i < crew->waiting; i++) {
        const bearer_errand_t *e = &crew->list[i];

        if (e->slow && crew->running_long >= BEARER_CREW_LONG) {
            continue;
        }
        if (best < 0 || e->slow < crew->list[best].slow
            || (e->slow == crew->list[best].slow
                && e->last < crew->list[best].last)) {
            best = i;
        }
    }
    return best;
}

static int is_limited(const bearer_crew_t *crew, const bearer_errand_t *errand)
{
    int quick = crew->waiting - crew->waiting_slow;

    return !errand->slow
        && (crew->running_long >= BEARER_CREW_LONG
            || quick + crew->running > BEARER_CREW_SIZE);
}

/* Returns 0 if no errand can begin now. */
static int take(bearer_crew_t *crew, bearer_errand_t *errand, int *limited)
{
    int i = crew->stop ? -1 : choose(crew);

    if (i < 0) {
        return 0;
    }
    *errand = crew->list[i];
    *limited = is_limited(crew, errand);
    crew->list[i] = crew->list[--crew->waiting];
    crew->waiting_slow -= errand->slow;
    crew->running++;
    crew->running_long += !*limited;
    return 1;
}

/* Returns how many threads could run an errand now. */
static int wanted(const bearer_crew_t *crew)
{
    int quick = crew->waiting - crew->waiting_slow;
    int rest = BEARER_CREW_LONG - crew->running_long;
    int slow = crew->waiting_slow < rest ? crew->waiting_slow : rest;
    int want = quick + (slow > 0 ? slow : 0);
    int room = crew->stop ? 0 : BEARER_CREW_SIZE - crew->threads;

    return want < room ? want : room;
}

/* ---- threads ------------------------------------------------------------ */

/* Returns 0 if there was nothing to do. The mutex is held before and after. */
static int run_one(bearer_crew_t *crew, apr_pool_t *ptemp)
{
    bearer_errand_t errand;
    int limited;

    if (!take(crew, &errand, &limited)) {
        return 0;
    }
    apr_thread_mutex_unlock(crew->mutex);
    errand.run(errand.what, limited, ptemp);
    apr_pool_clear(ptemp);
    apr_thread_mutex_lock(crew->mutex);
    crew->running--;
    crew->running_long -= !limited;
    return 1;
}

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    member_t *member = data;
    bearer_crew_t *crew = member->crew;
    apr_pool_t *ptemp;

    (void)thread;
    apr_setup_signal_thread(); /* signals are for the program's own threads */
    if (crew->begin) {
        crew->begin();
    }
    /* shares no allocator with other threads */
    if (apr_pool_create_unmanaged(&ptemp) != APR_SUCCESS) {
        ptemp = NULL;
    }
    apr_thread_mutex_lock(crew->mutex);
    while (ptemp && run_one(crew, ptemp)) {
    }
    crew->threads--;
    apr_thread_mutex_unlock(crew->mutex);
    if (ptemp) {
        apr_pool_destroy(ptemp);
    }
    OPENSSL_thread_stop(); /* its random generator */
    apr_thread_mutex_lock(crew->mutex);
    member->done = 1;
    apr_thread_cond_broadcast(crew->ended);
    apr_thread_mutex_unlock(crew->mutex);
    return NULL;
}

/* The rest under the mutex. */

/* Joins threads that have ended; they no longer need the mutex. */
static int reap(bearer_crew_t *crew)
{
    int i, left = 0;

    for (i = 0; i < BEARER_CREW_SIZE; i++) {
        member_t *member = &crew->members[i];
        apr_status_t rv;

        if (member->thread && member->done) {
            apr_thread_join(&rv, member->thread);
            apr_pool_destroy(member->pool);
            memset(member, 0, sizeof(*member));
        }
        left += member->thread != NULL;
    }
    return left;
}

static void start_thread(bearer_crew_t *crew)
{
    member_t *member = crew->members;

    while (member < crew->members + BEARER_CREW_SIZE && member->thread) {
        member++;
    }
    if (member == crew->members + BEARER_CREW_SIZE
        || apr_pool_create_unmanaged(&member->pool) != APR_SUCCESS) {
        return;
    }
    member->crew = crew;
    if (apr_thread_create(&member->thread, NULL, work, member, member->pool)
        == APR_SUCCESS) {
        crew->threads++;
    } else {
        apr_pool_destroy(member->pool);
        memset(member, 0, sizeof(*member));
    }
}

static void put_list(bearer_crew_t *crew, const bearer_errand_t *errands, int n)
{
    int i;

    apr_pool_clear(crew->list_pool);
    crew->list = apr_pmemdup(crew->list_pool, errands,
                             sizeof(*errands) * (apr_size_t)n);
    crew->waiting = n;
    crew->waiting_slow = 0;
    for (i = 0; i < n; i++) {
        crew->list[i].slow = errands[i].slow != 0;
        crew->waiting_slow += crew->list[i].slow;
    }
}

void bearer_crew_send(bearer_crew_t *crew, const bearer_errand_t *errands,
                      int n)
{
    apr_pool_t *ptemp;
    int want;

    apr_thread_mutex_lock(crew->mutex);
    reap(crew);
    put_list(crew, errands, n);
    for (want = wanted(crew); want > 0; want--) {
        start_thread(crew);
    }
    if (crew->waiting && !crew->threads
        && apr_pool_create_unmanaged(&ptemp) == APR_SUCCESS) {
        (void)run_one(crew, ptemp);
        apr_pool_destroy(ptemp);
    }
    apr_thread_mutex_unlock(crew->mutex);
}

int bearer_crew_end(bearer_crew_t *crew, apr_time_t until)
{
    apr_interval_time_t left;
    int threads;

    apr_thread_mutex_lock(crew->mutex);
    crew->stop = 1;
    while ((threads = reap(crew)) > 0
           && (left = until - apr_time_now()) > 0) {
        apr_thread_cond_timedwait(crew->ended, crew->mutex, left);
    }
    apr_thread_mutex_unlock(crew->mutex);
    return threads == 0;
}

static apr_status_t destroy(void *list_pool)
{
    apr_pool_destroy(list_pool);
    return APR_SUCCESS;
}

apr_status_t bearer_crew_create(bearer_crew_t **crew, void (*begin)(void),
                                apr_pool_t *p)
{
    bearer_crew_t *c = apr_pcalloc(p, sizeof(*c));
    apr_status_t rv;

    *crew = c;
    c->begin = begin;
    /* not a child of p, which other threads use */
    rv = apr_pool_create_unmanaged(&c->list_pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, c->list_pool, destroy, apr_pool_cleanup_null);
    rv = apr_thread_mutex_create(&c->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    return rv == APR_SUCCESS ? apr_thread_cond_create(&c->ended, p) : rv;
}
