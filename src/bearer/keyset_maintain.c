/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The background's part in the life of a key set: refreshing it ahead of time. See
 * keyset.h, and for how it works keyset_inside.h.
 */
#include "bearer/crew.h"
#include "bearer/keyset_inside.h"

#include <apr_strings.h>

/** A process with maintenance compares itself with the cache so often. */
#define SYNC_INTERVAL apr_time_from_sec(10)

/* The cache may have been emptied (a restart, an eviction, a back end that came
 * back), and others may have fetched before this process is due. */
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

        return may && ks->eager ? WARM_UP : REST;
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

/* The set itself, or those of its tenants as they are now: bearer_keyset_t *. They
 * live as long as ks. */
static apr_array_header_t *parts_of(bearer_keyset_t *ks, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(bearer_keyset_t *));
    apr_hash_index_t *i;

    if (!ks->per_tenant) {
        APR_ARRAY_PUSH(list, bearer_keyset_t *) = ks;
        return list;
    }
    lock(ks);
    for (i = apr_hash_first(p, ks->tenants); i; i = apr_hash_next(i)) {
        void *tenant;

        apr_hash_this(i, NULL, NULL, &tenant);
        APR_ARRAY_PUSH(list, bearer_keyset_t *) = tenant;
    }
    unlock(ks);
    return list;
}

void bearer_keyset_maintain(bearer_keyset_t *ks, apr_pool_t *ptemp)
{
    apr_array_header_t *parts = parts_of(ks, ptemp);
    int i;

    for (i = 0; i < parts->nelts; i++) {
        maintain_one(APR_ARRAY_IDX(parts, i, bearer_keyset_t *), 0, ptemp);
    }
}

static void run_errand(void *what, int limited, apr_pool_t *ptemp)
{
    maintain_one(what, limited, ptemp);
}

void bearer_keyset_errands(bearer_keyset_t *ks, apr_array_header_t *errands,
                           apr_pool_t *ptemp)
{
    apr_array_header_t *parts = parts_of(ks, ptemp);
    int i;

    for (i = 0; i < parts->nelts; i++) {
        bearer_keyset_t *part = APR_ARRAY_IDX(parts, i, bearer_keyset_t *);
        apr_time_t now = now_of(part);
        bearer_errand_t errand = { run_errand, part, 0, 0 };
        task_t task;

        lock(part);
        bearer_keyset_drop_if_gone(part, now);
        task = task_of(part, now);
        errand.slow = part->slow || part->attempt.failed;
        errand.last = part->took_off;
        unlock(part);
        if (task != REST) {
            APR_ARRAY_PUSH(errands, bearer_errand_t) = errand;
        }
    }
}
