/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Errands side by side: what takes long holds up nothing else. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/crew.h"

/** As long as anything is waited for here: what takes longer has failed. */
#define PATIENCE apr_time_from_sec(60)

/* What happens to an errand. A silent one ends at once if it is limited, else when
 * the test says so. */
typedef struct job_t {
    int silent;
    atomic_int begun, limited, ended;
    apr_time_t end;
} job_t;

static atomic_int under_way, most, begun_threads, may_end;

static void begin(void)
{
    atomic_fetch_add(&begun_threads, 1);
}

/* Until the number is there, or the test has failed. */
static void await(atomic_int *number, int wanted)
{
    apr_time_t until = apr_time_now() + PATIENCE;

    while (atomic_load(number) < wanted && apr_time_now() < until) {
        apr_sleep(500);
    }
    assert_true(atomic_load(number) >= wanted);
}

static void run(void *what, int limited, apr_pool_t *ptemp)
{
    job_t *job = what;
    int now, highest = atomic_load(&most);

    assert_non_null(apr_palloc(ptemp, 1000));
    /* the test reads each of these once it has seen the next */
    atomic_fetch_add(&job->limited, limited);
    atomic_fetch_add(&job->begun, 1);
    now = atomic_fetch_add(&under_way, 1) + 1;
    while (now > highest
           && !atomic_compare_exchange_weak(&most, &highest, now)) {
    }
    if (job->silent && !limited) {
        await(&may_end, 1);
    }
    job->end = apr_time_now();
    atomic_fetch_sub(&under_way, 1);
    atomic_fetch_add(&job->ended, 1);
}

static bearer_crew_t *crew_of(apr_pool_t *p)
{
    bearer_crew_t *crew;

    atomic_store(&under_way, 0);
    atomic_store(&most, 0);
    atomic_store(&begun_threads, 0);
    atomic_store(&may_end, 0);
    assert_int_equal(bearer_crew_create(&crew, begin, p), APR_SUCCESS);
    return crew;
}

/* All jobs that were not begun, or were limited and silent each time. One that a
 * thread has taken and not begun is sent twice. */
static void send_due(bearer_crew_t *crew, job_t *jobs, int n)
{
    bearer_errand_t errands[64];
    int i, due = 0;

    for (i = 0; i < n; i++) {
        int ended = atomic_load(&jobs[i].ended);
        int begun = atomic_load(&jobs[i].begun);
        int again = jobs[i].silent && begun
                 && atomic_load(&jobs[i].limited) == begun;

        if (begun == ended && (!begun || again)) {
            errands[due++] = (bearer_errand_t){ run, &jobs[i], again, jobs[i].end };
        }
    }
    bearer_crew_send(crew, errands, due);
}

static void finish(bearer_crew_t *crew)
{
    atomic_store(&may_end, 1);
    assert_int_equal(bearer_crew_end(crew, apr_time_now() + PATIENCE), 1);
}

static void test_side_by_side(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_crew_t *crew = crew_of(p);
    job_t jobs[20];
    int i;

    memset(jobs, 0, sizeof(jobs));
    send_due(crew, jobs, 20);
    for (i = 0; i < 20; i++) {
        await(&jobs[i].ended, 1);
        assert_int_equal(atomic_load(&jobs[i].begun), 1);
    }
    finish(crew);
    assert_in_range(atomic_load(&begun_threads), 1, BEARER_CREW_SIZE);
    /* nothing begins any longer */
    memset(jobs, 0, sizeof(jobs));
    send_due(crew, jobs, 20);
    assert_int_equal(atomic_load(&jobs[0].begun), 0);
}

/* Sixteen keep silent and one does not: nobody knows which, and it comes last. It
 * ends while those that have all the time go on. */
static void test_silent_ones_hold_up_nobody(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_crew_t *crew = crew_of(p);
    apr_time_t until = apr_time_now() + PATIENCE;
    job_t jobs[17];
    int i, done = 0;

    memset(jobs, 0, sizeof(jobs));
    for (i = 0; i < 16; i++) {
        jobs[i].silent = 1;
    }
    send_due(crew, jobs, 17);
    await(&jobs[16].ended, 1);
    /* all of them have as long as they need in the end */
    atomic_store(&may_end, 1);
    while (done < 16 && apr_time_now() < until) {
        send_due(crew, jobs, 17);
        for (i = done = 0; i < 16; i++) {
            done += atomic_load(&jobs[i].ended) > atomic_load(&jobs[i].limited);
        }
        apr_sleep(500);
    }
    assert_int_equal(done, 16);
    assert_in_range(atomic_load(&most), 2, BEARER_CREW_SIZE);
    finish(crew);
}

/* What is known to be slow leaves room for the others, whenever they come. */
static void test_room_for_others(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_crew_t *crew = crew_of(p);
    bearer_errand_t slow[16], quick;
    job_t jobs[16], good = { 0 };
    int i, begun = 0;

    memset(jobs, 0, sizeof(jobs));
    for (i = 0; i < 16; i++) {
        jobs[i].silent = 1;
        slow[i] = (bearer_errand_t){ run, &jobs[i], 1, 0 };
    }
    bearer_crew_send(crew, slow, 16);
    await(&under_way, BEARER_CREW_LONG);
    quick = (bearer_errand_t){ run, &good, 0, 0 };
    bearer_crew_send(crew, &quick, 1);
    await(&good.ended, 1);
    for (i = 0; i < 16; i++) {
        begun += atomic_load(&jobs[i].begun);
        assert_int_equal(atomic_load(&jobs[i].limited), 0);
        assert_int_equal(atomic_load(&jobs[i].ended), 0);
    }
    assert_int_equal(begun, BEARER_CREW_LONG);
    finish(crew);
}

/* Wherever on the list it is: which was not tried for the longest time comes first. */
static void test_longest_ago_first(void **state)
{
    apr_pool_t *p = unit_pool(state);
    int oldest, i, wrong = 0;

    for (oldest = 0; oldest < 16; oldest++) {
        bearer_crew_t *crew = crew_of(p);
        bearer_errand_t slow[16];
        job_t jobs[16];

        memset(jobs, 0, sizeof(jobs));
        for (i = 0; i < 16; i++) {
            jobs[i].silent = 1;
            slow[i] = (bearer_errand_t){ run, &jobs[i], 1, 1000 + (i - oldest + 16) % 16 };
        }
        bearer_crew_send(crew, slow, 16);
        await(&under_way, BEARER_CREW_LONG);
        for (i = 0; i < 16; i++) {
            wrong += atomic_load(&jobs[i].begun)
                  != ((i - oldest + 16) % 16 < BEARER_CREW_LONG);
        }
        finish(crew);
    }
    assert_int_equal(wrong, 0);
}

/* A few have all the time, and still one that comes later finds a thread. */
static void test_late_one(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_crew_t *crew = crew_of(p);
    job_t jobs[9];
    int i, limited = 0, ended = 0;

    memset(jobs, 0, sizeof(jobs));
    for (i = 0; i < 8; i++) {
        jobs[i].silent = 1;
    }
    send_due(crew, jobs, 8);
    for (i = 0; i < 8; i++) {
        await(&jobs[i].begun, 1);
        limited += atomic_load(&jobs[i].limited);
    }
    assert_int_equal(limited, BEARER_CREW_SIZE - BEARER_CREW_LONG);
    await(&under_way, BEARER_CREW_LONG);
    send_due(crew, jobs, 9);
    await(&jobs[8].ended, 1);
    for (i = 0; i < 8; i++) {
        await(&jobs[i].ended, atomic_load(&jobs[i].limited));
        ended += atomic_load(&jobs[i].ended);
    }
    assert_int_equal(ended, limited);
    finish(crew);
}

/* Who ends does not wait longer than it wants to. */
static void test_end(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_crew_t *crew = crew_of(p);
    job_t job;

    memset(&job, 0, sizeof(job));
    job.silent = 1;
    send_due(crew, &job, 1);
    await(&job.begun, 1);
    assert_int_equal(bearer_crew_end(crew, apr_time_now() + 1000), 0);
    assert_int_equal(atomic_load(&job.ended), 0);
    finish(crew);
    assert_int_equal(atomic_load(&job.ended), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_side_by_side),
        UNIT_TEST(test_silent_ones_hold_up_nobody),
        UNIT_TEST(test_room_for_others), UNIT_TEST(test_longest_ago_first),
        UNIT_TEST(test_late_one),
        UNIT_TEST(test_end)
    };

    return UNIT_RUN("crew", tests);
}
