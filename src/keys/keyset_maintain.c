/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Background maintenance of key sets: refreshes them ahead of time. See keyset.h, and
 * keyset_inside.h for how it works.
 */
#include "base/crew.h"
#include "keys/keyset_inside.h"

/** How often a process with maintenance synchronizes with the cache. */
#define SYNC_INTERVAL apr_time_from_sec(10)

/* The cache may have lost its entries (a restart, an eviction, a recovered back
 * end), and other processes may have fetched before this one is due. */
static void sync_with_cache(bearer_keyset_t *ks, apr_pool_t *p)
{
    bearer_keyset_attempt_t attempt;
    apr_time_t fetched;

    lock(ks);
    fetched = ks->kept ? ks->kept->record.fetched : 0;
    unlock(ks);
    if (bearer_keyset_attempt_get(&attempt, &ks->place, p) != APR_SUCCESS) {
        bearer_keyset_tell_all(ks, p);
    } else if (attempt.fetched > fetched) {
        bearer_keyset_look_into_cache(ks, p);
    }
}

typedef enum { REST, REFRESH, WARM_UP, SYNC } task_t;

/* Under the mutex. */
static task_t task_of(const bearer_keyset_t *ks, apr_time_t now)
{
    if (ks->in_flight || ks->syncing || !bearer_keyset_pause_is_over(ks, now)) {
        return REST;
    }
    if (!ks->set) {
        int may = bearer_keyset_may_try(ks, FOR_COLD, now)
               || bearer_keyset_may_look(ks, now);

        /* a tenant's set is fetched when a token needs it */
        return may && !ks->access.tenant ? WARM_UP : REST;
    }
    if (bearer_keyset_due_and_allowed(ks, now)) {
        return REFRESH;
    }
    if (ks->place.cache && !ks->watch
        && (now - ks->synced >= SYNC_INTERVAL || now < ks->synced)) {
        return SYNC;
    }
    return REST;
}

/* Under the mutex. */
static task_t begin_task(bearer_keyset_t *ks, apr_time_t now)
{
    task_t task;

    bearer_keyset_drop_if_gone(ks, now);
    task = task_of(ks, now);
    if (task == REFRESH || task == WARM_UP) {
        bearer_keyset_take_off(ks);
    } else if (task == SYNC) {
        ks->synced = now;
        ks->syncing = 1;
    }
    return task;
}

static void maintain_one(bearer_keyset_t *ks, int limited, apr_pool_t *ptemp)
{
    apr_interval_time_t quick = ks->access.settings->timeout.total / 4;
    apr_time_t now = now_of(ks), deadline = 0;
    task_t task;

    lock(ks);
    task = begin_task(ks, now);
    unlock(ks);
    if (limited) {
        deadline = now + (quick < QUICK_FETCH ? quick : QUICK_FETCH);
    }
    switch (task) {
    case REFRESH:
        bearer_keyset_fly(ks, FOR_DUE, NULL, 0, deadline, ptemp);
        break;
    case WARM_UP:
        bearer_keyset_fly(ks, FOR_COLD, NULL, 0, deadline, ptemp);
        break;
    case SYNC:
        sync_with_cache(ks, ptemp);
        lock(ks);
        ks->syncing = 0;
        unlock(ks);
        break;
    case REST:
        break;
    }
}

static void maintain_place(void *what, int limited, apr_pool_t *ptemp)
{
    bearer_keyset_t *set = bearer_keyset_hold(what);

    if (set) {
        maintain_one(set, limited, ptemp);
        bearer_keyset_release(set);
    }
}

static void run_errand(void *what, int limited, apr_pool_t *ptemp)
{
    maintain_one(what, limited, ptemp);
}

static void add_errand(apr_array_header_t *errands, bearer_keyset_t *ks,
                       bearer_errand_t errand)
{
    apr_time_t now = now_of(ks);
    task_t task;

    lock(ks);
    bearer_keyset_drop_if_gone(ks, now);
    task = task_of(ks, now);
    errand.slow = ks->slow || ks->attempt.failed;
    errand.last = ks->took_off;
    unlock(ks);
    if (task != REST) {
        APR_ARRAY_PUSH(errands, bearer_errand_t) = errand;
    }
}

/* A tenant's set may be removed before its errand runs, so the errand refers to its place. */
void bearer_keyset_errands(bearer_keyset_t *ks, apr_array_header_t *errands,
                           apr_pool_t *ptemp)
{
    bearer_errand_t errand = { run_errand, ks, 0, 0 };
    apr_array_header_t *places;
    int i;

    if (!ks->per_tenant) {
        add_errand(errands, ks, errand);
        return;
    }
    places = bearer_keyset_proved_places(ks, ptemp);
    errand.run = maintain_place;
    for (i = 0; i < places->nelts; i++) {
        bearer_keyset_t *set;

        errand.what = APR_ARRAY_IDX(places, i, tenant_place_t *);
        set = bearer_keyset_hold(errand.what);
        if (set) {
            add_errand(errands, set, errand);
            bearer_keyset_release(set);
        }
    }
}

void bearer_keyset_maintain(bearer_keyset_t *ks, apr_pool_t *ptemp)
{
    apr_array_header_t *errands = apr_array_make(ptemp, 1, sizeof(bearer_errand_t));
    int i;

    bearer_keyset_errands(ks, errands, ptemp);
    for (i = 0; i < errands->nelts; i++) {
        const bearer_errand_t *errand = &APR_ARRAY_IDX(errands, i, bearer_errand_t);

        errand->run(errand->what, 0, ptemp);
    }
}
