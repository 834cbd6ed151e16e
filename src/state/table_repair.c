/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The locks of a table, and recovery after their holder died: all records are
 * checked, valid ones are kept, and all other data is rebuilt from them.
 *
 * This is sufficient wherever the holder was. A head becomes valid when its state
 * says so, which is written last, and invalid when its state says so, which is
 * written first. The chunks of a valid head are never written to. If a record was
 * being replaced, both may be valid: the later one stays. The repair may be
 * interrupted and repeated. See table_inside.h.
 */
#include "state/table_inside.h"

#include <errno.h>
#include <time.h>

/** Longer than any change takes: the holder is not running. Seconds. */
#define LOCK_WAIT 2
/** Maximum number of holders of one lock that die in turn before a caller gives up. */
#define MENDED 16

/* ---- locks -------------------------------------------------------------- */

apr_status_t bearer_table_make_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t how;
    int rv;

    if (pthread_mutexattr_init(&how)) {
        return APR_EGENERAL;
    }
    /* a signal handler may call these functions while its process holds a lock */
    rv = pthread_mutexattr_settype(&how, PTHREAD_MUTEX_ERRORCHECK)
        || pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED)
        || pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST)
        || pthread_mutex_init(lock, &how);
    pthread_mutexattr_destroy(&how);
    return rv ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t take(pthread_mutex_t *lock)
{
    int rv = pthread_mutex_trylock(lock);
    struct timespec end;

    if (rv == EBUSY) {
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += LOCK_WAIT;
        rv = pthread_mutex_timedlock(lock, &end);
    }
    if (rv == EOWNERDEAD) {
        rv = pthread_mutex_consistent(lock);  /* `changing` says whether a change was
                                                 interrupted */
    }
    return rv ? APR_EGENERAL : APR_SUCCESS;
}

/* The fences keep this order. */
static void set(_Atomic apr_uint32_t *changing, apr_uint32_t value)
{
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store(changing, value);
    atomic_thread_fence(memory_order_seq_cst);
}

void bearer_table_commit(head_t *head, apr_uint32_t state)
{
    set(&head->state, state);
}

void bearer_table_leave(stripe_t *stripe)
{
    set(&stripe->changing, 0);
    pthread_mutex_unlock(&stripe->lock);
}

void bearer_table_finish(bearer_table_t *t)
{
    set(&t->header->changing, 0);
    pthread_mutex_unlock(&t->header->change);
}

apr_status_t bearer_table_enter(bearer_table_t *t, stripe_t *stripe, int change)
{
    int tries;

    for (tries = 0; tries < MENDED; tries++) {
        if (take(&stripe->lock) != APR_SUCCESS) {
            return APR_EGENERAL;
        }
        if (change) {
            set(&stripe->changing, 1);
            return APR_SUCCESS;
        }
        if (!atomic_load_explicit(&stripe->changing, memory_order_relaxed)) {
            return APR_SUCCESS;
        }
        pthread_mutex_unlock(&stripe->lock);
        /* a process that died while it changed this stripe had begun a change of the table */
        if (bearer_table_begin(t) != APR_SUCCESS) {
            return APR_EGENERAL;
        }
        bearer_table_finish(t);
    }
    return APR_EGENERAL;
}

/* ---- repair ------------------------------------------------------------- */

static void forget_derived(bearer_table_t *t)
{
    header_t *h = t->header;
    int i;

    memset(t->buckets, 0, sizeof(chunk_t) * ((apr_size_t)t->bucket_mask + 1));
    for (i = 0; i < BEARER_OWNERS; i++) {
        memset(t->by_owner[i], 0, sizeof(chunk_t) * ((apr_size_t)t->owner_mask + 1));
    }
    memset(h->ranks, 0, sizeof(h->ranks));
    memset(h->queues, 0, sizeof(h->queues));
    h->free = 0;
    h->soonest = 0;
    atomic_store(&h->used, 0);
    atomic_store(&h->sessions, 0);
    atomic_store(&h->others, 0);
}

/* Returns 1 if a head has as many chunks as it says, and no other record has them. */
static int has_chain(const bearer_table_t *t, chunk_t i)
{
    const head_t *head = table_head(t, i);
    apr_uint32_t n = table_chunks_of(head);

    while (--n) {
        i = t->next[i];
        if (i == 0 || i >= t->header->fresh || t->kinds[i] != CHUNK_FREE) {
            return 0;
        }
    }
    return t->next[i] == 0;
}

static int counts(const bearer_table_t *t, chunk_t i)
{
    const head_t *head = table_head(t, i);

    return atomic_load(&head->state) == COMMITTED
        && head->len <= BEARER_TABLE_VALUE && has_chain(t, i)
        && head->check == bearer_table_check(t, i);
}

/* Puts a record back into the lists; of two with one key, the later one. */
static void take_in(bearer_table_t *t, chunk_t i)
{
    head_t *head = table_head(t, i);
    int good = counts(t, i);
    chunk_t other = good ? bearer_table_find(t, head->key) : 0;

    if (!good || (other && table_head(t, other)->serial > head->serial)) {
        bearer_table_commit(head, 0);
        t->kinds[i] = CHUNK_FREE;
        return;
    }
    if (other) {
        bearer_table_unlink(t, other);
        bearer_table_delist(t, other);
        bearer_table_commit(table_head(t, other), 0);
        bearer_table_mark(t, other, CHUNK_FREE);
    }
    bearer_table_mark(t, i, CHUNK_MORE);
    bearer_table_link(t, i);
    bearer_table_enlist(t, i);
}

static void make_anew(bearer_table_t *t)
{
    header_t *h = t->header;
    chunk_t i;

    forget_derived(t);
    for (i = 1; i < h->fresh; i++) {
        if (t->kinds[i] != CHUNK_HEAD) {
            t->kinds[i] = CHUNK_FREE;
        }
    }
    for (i = 1; i < h->fresh; i++) {
        if (t->kinds[i] == CHUNK_HEAD) {
            take_in(t, i);
        }
    }
    for (i = h->fresh; --i > 0;) {
        if (t->kinds[i] == CHUNK_FREE) {
            t->next[i] = h->free;
            h->free = i;
        }
    }
    atomic_fetch_add(&h->repaired, 1);
}

/* Rebuilds all derived data, without readers. */
static apr_status_t rebuild(bearer_table_t *t)
{
    apr_status_t rv = APR_SUCCESS;
    int n, done;

    for (n = 0; n < STRIPES && rv == APR_SUCCESS; n++) {
        rv = bearer_table_enter(t, &t->stripes[n], 1);
    }
    done = rv == APR_SUCCESS;
    if (done) {
        make_anew(t);
    } else {
        n--;  /* the lock of that stripe was not available */
    }
    while (n-- > 0) {
        if (done) {
            bearer_table_leave(&t->stripes[n]);
        } else {
            pthread_mutex_unlock(&t->stripes[n].lock);  /* the stripe keeps `changing` */
        }
    }
    return rv;
}

apr_status_t bearer_table_begin(bearer_table_t *t)
{
    header_t *h = t->header;

    if (take(&h->change) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    if (atomic_load(&h->changing) && rebuild(t) != APR_SUCCESS) {
        pthread_mutex_unlock(&h->change);
        return APR_EGENERAL;
    }
    set(&h->changing, 1);
    return APR_SUCCESS;
}
