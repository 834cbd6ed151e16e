/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file shared.c
 * Memory that all children of one server share: leases (who fetches), the gate's
 * places for who waits, what may be pushed to issuers, which caches answer, which
 * warnings have been given, and the throttle's table. It is made once and kept in
 * the process pool, so that a graceful restart loses no penalty. A build with another
 * layout makes its own; the throttle's table has a mapping and a layout of its own,
 * because penalties go on over an upgrade, too.
 */
#include "shared.h"
#include "records.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "base/bell.h"
#include "base/message.h"
#include "base/world.h"
#include "state/throttle.h"

APLOG_USE_MODULE(auth_bearer);

/** Changes whenever the layout below does; with the size it names the memory. */
#define LAYOUT "mod_auth_bearer shared 10"
/** So many that two keys hardly ever share one. */
#define LEASES 16384
#define PUSHES 64
/** Whoever waits for a lease waits for one of these to ring. */
#define BELLS 64
/** A process that dies rings no bell: who waits looks again after this. */
#define LOOK_AGAIN apr_time_from_sec(1)

/** The throttle's: see there. The next layout takes penalties over from this one. */
#define THROTTLE_LAYOUT "mod_auth_bearer throttle 1"
/** Of version 0.1.0, where the same table stood behind this much of the rest. */
#define LAYOUT_0_1 "mod_auth_bearer shared 4"
#define REST_0_1 ((apr_size_t)0x2a240)

typedef struct shared_t {
    /** milliseconds since the epoch until when it is held, and by which process;
     *  0: free */
    _Atomic apr_uint64_t leases[LEASES];
    bearer_bell_t bells[BELLS];
    bearer_gate_host_t gate;
    bearer_budget_t pushes[PUSHES];
    bearer_vouched_t vouched;
    shared_cache_t caches[STORE_KINDS];
    _Atomic int warned[SHARED_WARNINGS];
    unsigned char host[AB_SHARED_HOST_SIZE];
} shared_t;

static shared_t *shared;           /* NULL: no shared memory to be had */
static void *throttle;             /* likewise */

static const char *name_of(const char *layout, apr_size_t size, apr_pool_t *p)
{
    return apr_psprintf(p, "%s %" APR_SIZE_T_FMT, layout, size);
}

void *ab_shared_keep(const char *layout, const char *file, apr_size_t size,
                     int *made, apr_pool_t *pconf, server_rec *s,
                     apr_status_t *rv)
{
    apr_pool_t *keep = s->process->pool;
    const char *name = name_of(layout, size, keep);
    apr_shm_t *shm = NULL;
    void *block = NULL;

    *made = 0;
    apr_pool_userdata_get(&block, name, keep);
    if (block) {
        return block;
    }
    *rv = apr_shm_create(&shm, size, NULL, keep);
    if (APR_STATUS_IS_ENOTIMPL(*rv)) {
        file = ap_runtime_dir_relative(pconf, file);
        apr_shm_remove(file, pconf);
        *rv = apr_shm_create(&shm, size, file, keep);
    }
    if (*rv != APR_SUCCESS) {
        return NULL;
    }
    *made = 1;
    block = apr_shm_baseaddr_get(shm);  /* zeroed: a new mapping */
    apr_pool_userdata_setn(block, name, NULL, keep);
    return block;
}

/* The table that version 0.1.0 left is used where it is: children of that version
 * that still answer count in it, too. */
static void create_throttle(apr_pool_t *pconf, server_rec *s)
{
    apr_size_t size = bearer_throttle_size(BEARER_THROTTLE_ENTRIES);
    void *old = NULL;
    apr_status_t rv;
    int made;

    apr_pool_userdata_get(&old, name_of(LAYOUT_0_1, REST_0_1 + size, pconf),
                          s->process->pool);
    if (old) {
        throttle = (char *)old + REST_0_1;
        return;
    }
    throttle = ab_shared_keep(THROTTLE_LAYOUT, "auth_bearer_throttle", size,
                              &made, pconf, s, &rv);
}

apr_status_t ab_shared_create(apr_pool_t *pconf, server_rec *s)
{
    apr_size_t size = sizeof(shared_t);
    apr_status_t rv;
    int made;

    create_throttle(pconf, s);
    shared = ab_shared_keep(LAYOUT, "auth_bearer_shared", size, &made, pconf, s,
                            &rv);
    if (!shared) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, AB(0905) "no shared "
                     "memory of %" APR_SIZE_T_FMT " bytes", size);
        return rv;
    }
    if (made) {
        bearer_world_random(NULL, shared->host, sizeof(shared->host));
    }
    return APR_SUCCESS;
}

void *ab_shared_throttle(void)
{
    return throttle;
}

/* A child that shares nothing has bounds of its own. */
bearer_budget_t *ab_shared_pushes(int issuer)
{
    static bearer_budget_t own[PUSHES];

    return &(shared ? shared->pushes : own)[issuer % PUSHES];
}

shared_cache_t *ab_shared_cache(int kind)
{
    static shared_cache_t own[STORE_KINDS];

    return &(shared ? shared->caches : own)[kind];
}

int ab_shared_first(shared_warning_t warning)
{
    return shared && !atomic_load(&shared->warned[warning])
        && !atomic_exchange(&shared->warned[warning], 1);
}

bearer_vouched_t *ab_shared_vouched(void)
{
    return shared ? &shared->vouched : NULL;
}

bearer_gate_host_t *ab_shared_gate(void)
{
    return shared ? &shared->gate : NULL;
}

const unsigned char *ab_shared_host(void)
{
    return shared ? shared->host : NULL;
}

/* ---- leases ------------------------------------------------------------- */

#define PID_BITS 22              /* Linux has no more */
#define PID_MASK (((apr_uint64_t)1 << PID_BITS) - 1)

static _Atomic apr_uint64_t *lease_of(const unsigned char *key)
{
    apr_uint64_t n;

    memcpy(&n, key, sizeof(n));
    return &shared->leases[n % LEASES];
}

static bearer_bell_t *bell_of(const unsigned char *key)
{
    return &shared->bells[(lease_of(key) - shared->leases) % BELLS];
}

static apr_uint64_t me(void)
{
    apr_uint64_t pid = (apr_uint64_t)getpid();

    return pid > PID_MASK ? 0 : pid;
}

/* Whoever died with a lease holds nothing. */
static int is_held(apr_uint64_t lease, apr_time_t now)
{
    pid_t pid = (pid_t)(lease & PID_MASK);

    return (lease >> PID_BITS) > (apr_uint64_t)apr_time_as_msec(now)
        && !(pid && kill(pid, 0) != 0 && errno == ESRCH);
}

/* One word per key, no probing: two keys that share one take turns. It is taken
 * by exchanging a word that is not held for one that is, so two takers cannot
 * both succeed. */
int ab_shared_lease(const unsigned char *key, apr_time_t now,
                    apr_time_t until)
{
    apr_uint64_t mine = (apr_uint64_t)apr_time_as_msec(until) << PID_BITS | me();
    apr_uint64_t seen;

    if (!shared) {
        return 1;
    }
    seen = atomic_load(lease_of(key));
    return !is_held(seen, now)
        && atomic_compare_exchange_strong(lease_of(key), &seen, mine);
}

void ab_shared_unlease(const unsigned char *key)
{
    apr_uint64_t seen;

    if (!shared) {
        return;
    }
    seen = atomic_load(lease_of(key));
    if ((seen & PID_MASK) == me()
        && atomic_compare_exchange_strong(lease_of(key), &seen, 0)) {
        bearer_bell_ring(bell_of(key));
    }
}

int ab_shared_await(const unsigned char *key, apr_time_t now,
                    apr_interval_time_t longest)
{
    apr_interval_time_t left;
    apr_uint64_t lease;
    apr_uint32_t rung;

    if (!shared) {
        return 0;
    }
    rung = bearer_bell_rung(bell_of(key));
    lease = atomic_load(lease_of(key));
    if (!is_held(lease, now)) {
        return 0;
    }
    left = (apr_time_t)((lease >> PID_BITS) + 1) * 1000 - now; /* it may just run out */
    longest = longest < LOOK_AGAIN ? longest : LOOK_AGAIN;
    bearer_bell_wait(bell_of(key), rung, longest < left ? longest : left);
    return 1;
}
