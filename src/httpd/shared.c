/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file shared.c
 * Memory shared by all children of one server: leases for fetches, the gate's places
 * for waiting workers, budgets for pushed requests, the state of caches, warnings
 * already logged, and the throttle's table. It is created once and kept in the process
 * pool, so that a graceful restart loses no penalty. A build with another layout
 * creates its own memory. The throttle's table has a separate mapping and layout,
 * because penalties also survive an upgrade.
 */
#include "shared.h"
#include "records.h"
#include "trace.h"

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

/** Change it whenever the layout below changes. With the size, it names the memory. */
#define LAYOUT "mod_auth_bearer shared 10"
/** Number of leases: large enough that two keys rarely share one. */
#define LEASES 16384
#define PUSHES 64
/** Number of bells. A process that waits for a lease waits for one of them. */
#define BELLS 64
/** No bell rings when a process dies or a lease ends, so waiting processes look again
 *  after this time. */
#define LOOK_AGAIN apr_time_from_sec(1)

#define SIGNED_OUT_LAYOUT "mod_auth_bearer signed out 2"

/** The layout of the throttle. The next layout copies penalties from this one. */
#define THROTTLE_LAYOUT "mod_auth_bearer throttle 1"
/** Layout of version 0.1.0, in which the same table followed this much other data. */
#define LAYOUT_0_1 "mod_auth_bearer shared 4"
#define REST_0_1 ((apr_size_t)0x2a240)

typedef struct shared_t {
    /** milliseconds since the epoch until which the lease is held, and the process that
     *  holds it; 0: free */
    _Atomic apr_uint64_t leases[LEASES];
    bearer_bell_t bells[BELLS];
    bearer_gate_host_t gate;
    bearer_budget_t pushes[PUSHES];
    bearer_vouched_t vouched;
    shared_cache_t caches[STORE_SOCACHES];
    _Atomic int warned[SHARED_WARNINGS];
    unsigned char host[AB_SHARED_HOST_SIZE];
} shared_t;

static shared_t *shared;           /* NULL: no shared memory available */
static void *throttle;             /* NULL: no shared memory available */
static bearer_signed_out_t *signed_out;

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
    block = apr_shm_baseaddr_get(shm);  /* a new mapping is zeroed */
    apr_pool_userdata_setn(block, name, NULL, keep);
    return block;
}

/* Uses the table of version 0.1.0 in place: children of that version that are still
 * running count in it too. */
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
        ab_log_server(APLOG_ERR, rv, s,
                      AB(0905) "cannot allocate %" APR_SIZE_T_FMT " bytes of shared memory", size);
        return rv;
    }
    if (made) {
        bearer_world_random(NULL, shared->host, sizeof(shared->host));
    }
    return APR_SUCCESS;
}

void ab_shared_create_signed_out(apr_pool_t *pconf, server_rec *s)
{
    apr_status_t rv;
    int made;

    signed_out = ab_shared_keep(SIGNED_OUT_LAYOUT, "auth_bearer_signed_out",
                                sizeof(*signed_out), &made, pconf, s, &rv);
}

bearer_signed_out_t *ab_shared_signed_out(void)
{
    return signed_out;
}

void *ab_shared_throttle(void)
{
    return throttle;
}

/* A child without shared memory has its own budgets. */
bearer_budget_t *ab_shared_pushes(int issuer)
{
    static bearer_budget_t own[PUSHES];

    return &(shared ? shared->pushes : own)[issuer % PUSHES];
}

shared_cache_t *ab_shared_cache(int kind)
{
    static shared_cache_t own[STORE_SOCACHES];

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

#define PID_BITS 22              /* the maximum on Linux */
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

/* A lease of a dead process is not held. */
static int is_held(apr_uint64_t lease, apr_time_t now)
{
    pid_t pid = (pid_t)(lease & PID_MASK);

    return (lease >> PID_BITS) > (apr_uint64_t)apr_time_as_msec(now)
        && !(pid && kill(pid, 0) != 0 && errno == ESRCH);
}

/* One word per key, without probing: two keys that share a word take turns. A lease is
 * taken with an atomic exchange of a word that is not held, so two processes cannot
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
    apr_uint32_t rung;

    if (!shared) {
        return 0;
    }
    rung = bearer_bell_rung(bell_of(key));
    if (!is_held(atomic_load(lease_of(key)), now)) {
        return 0;
    }
    bearer_bell_wait(bell_of(key), rung, longest < LOOK_AGAIN ? longest : LOOK_AGAIN);
    return 1;
}
