/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See bell.h. */
#include "base/bell.h"

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Not FUTEX_PRIVATE: the memory may be shared with other processes. */
static void wait_here(_Atomic apr_uint32_t *word, apr_uint32_t seen,
                      apr_interval_time_t longest)
{
    struct timespec left;

    left.tv_sec = (time_t)apr_time_sec(longest);
    left.tv_nsec = (long)apr_time_usec(longest) * 1000;
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &left, NULL, 0);
}

static void wake_all(_Atomic apr_uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

#else

static void wait_here(_Atomic apr_uint32_t *word, apr_uint32_t seen,
                      apr_interval_time_t longest)
{
    (void)word;
    (void)seen;
    apr_sleep(longest < BEARER_BELL_STEP ? longest : BEARER_BELL_STEP);
}

static void wake_all(_Atomic apr_uint32_t *word)
{
    (void)word;
}
#endif

apr_uint32_t bearer_bell_rung(bearer_bell_t *bell)
{
    return atomic_load(&bell->rung);
}

/* The futex compares the number, so it does not wait if the bell has rung meanwhile. */
void bearer_bell_wait(bearer_bell_t *bell, apr_uint32_t rung,
                      apr_interval_time_t longest)
{
    if (longest > 0) {
        atomic_fetch_add(&bell->waiting, 1);
        wait_here(&bell->rung, rung, longest);
        atomic_fetch_sub(&bell->waiting, 1);
    }
}

/* Increments first, so that a thread that begins to wait now sees another number. */
void bearer_bell_ring(bearer_bell_t *bell)
{
    atomic_fetch_add(&bell->rung, 1);
    if (atomic_load(&bell->waiting)) {
        wake_all(&bell->rung);
    }
}
