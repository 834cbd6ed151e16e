/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The table of lasting state under load: threads (for ThreadSanitizer), then
 * processes of which 200 are killed, each in the middle of something. Every worker
 * has records of its own, and writes down beside the table what it is about to do
 * and what is done: what was done must be there, what was about to be done may be,
 * nothing else may, and whoever looks sees a record whole or not at all. Some 20
 * seconds. Exit 0: so it was.
 */
#include "stress.h"
#include "unit_table.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>

#define WORKERS 4
#define RECORDS 256    /* of each worker */
#ifdef __SANITIZE_THREAD__  /* of one process */
#define KILLS 0
#else
#define KILLS 200
#endif
#define ROUNDS 15000   /* of a thread */


/** What a worker knows of a record of its own; -1: it is not there. */
typedef struct known_t {
    _Atomic long done, doing;
} known_t;

typedef struct shared_t {
    known_t known[WORKERS][RECORDS];
    _Atomic unsigned wrong;        /* of processes */
    _Atomic unsigned long changes;
} shared_t;

typedef struct worker_t {
    pthread_t thread;
    unsigned number;
    int small;                     /* the table: records may make room */
    apr_uint32_t random;
    bearer_table_t *t;
    shared_t *shared;
    apr_pool_t *p;
} worker_t;

static unsigned next(worker_t *w, unsigned n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return w->random % n;
}

/* ---- one worker ----------------------------------------------------------- */

static unsigned name_of(unsigned worker, unsigned record)
{
    return worker * 100000 + record;
}

/* The version that is there, -1; whatever it is, it is whole. */
static long version_of(worker_t *w, unsigned worker, unsigned record)
{
    unsigned char key[32], *value;
    apr_size_t len;
    apr_status_t rv;
    long version = -1;

    table_key(key, name_of(worker, record));
    rv = bearer_table_get(w->t, key, TABLE_T0, &value, &len, w->p);
    CHECK(rv == APR_SUCCESS || rv == APR_NOTFOUND);
    if (rv == APR_SUCCESS) {
        version = table_version(value, len, name_of(worker, record));
        CHECK(version >= 0);
    }
    apr_pool_clear(w->p);
    return version;
}

static void check_own(worker_t *w)
{
    unsigned i;

    for (i = 0; i < RECORDS && !w->small; i++) {
        known_t *known = &w->shared->known[w->number][i];
        long there = version_of(w, w->number, i);

        CHECK(there == known->done || there == known->doing);
        known->done = known->doing = there;
    }
}

static void change_one(worker_t *w)
{
    static _Thread_local unsigned char value[BEARER_TABLE_VALUE];
    unsigned i = next(w, RECORDS), name = name_of(w->number, i), op = next(w, 10);
    known_t *known = &w->shared->known[w->number][i];
    const bearer_owners_t owners = table_owned_by(name + 1, 1 + next(w, 40) + i / 8 * 40,
                                                  1 + next(w, 30));
    bearer_cache_entry_t entry = {
        BEARER_KEPT_SESSION, value, 8 + next(w, 3000),
        TABLE_T0 + apr_time_from_sec(60), &owners, 0
    };
    unsigned char key[32];
    apr_status_t rv;
    long version = known->done > known->doing ? known->done : known->doing;

    version = op == 0 ? -1 : (version + 1) % 1000000;
    table_key(key, name);
    known->doing = version;
    if (op == 0) {
        rv = bearer_table_remove(w->t, key);
    } else {
        table_value(value, entry.len, name, (unsigned)version);
        rv = bearer_table_keep(w->t, op < 5 ? BEARER_TABLE_OLD : BEARER_TABLE_EITHER,
                               key, &entry, TABLE_T0);
    }
    CHECK(rv == APR_SUCCESS || rv == APR_NOTFOUND);
    if (rv == APR_NOTFOUND) {
        CHECK(w->small || known->done == -1);
        known->doing = known->done;
    } else {
        known->done = version;
    }
    atomic_fetch_add_explicit(&w->shared->changes, 1, memory_order_relaxed);
}

static void work(worker_t *w)
{
    unsigned record = next(w, RECORDS);

    change_one(w);
    (void)version_of(w, next(w, WORKERS), record);
    if (!w->small) {
        known_t *known = &w->shared->known[w->number][record];

        CHECK(version_of(w, w->number, record) == known->done);
    }
    if (next(w, 64) == 0) {
        bearer_table_sweep(w->t, TABLE_T0);
    }
    if (next(w, 256) == 0) {
        bearer_owners_t owners = table_owned_by(77777777, 1, 1);

        CHECK(bearer_table_end(w->t, BEARER_OWNER_SID, owners.id[0], NULL) == APR_SUCCESS);
    }
}

/* ---- threads -------------------------------------------------------------- */

static void *run_thread(void *data)
{
    worker_t *w = data;
    unsigned n;

    for (n = 0; n < ROUNDS; n++) {
        work(w);
    }
    check_own(w);
    return NULL;
}

static void begin(worker_t *w, unsigned number, int small, bearer_table_t *t,
                  shared_t *shared)
{
    memset(w, 0, sizeof(*w));
    w->number = number;
    w->small = small;
    w->random = (apr_uint32_t)(getpid() * 7919) + number * 104729 + 1;
    w->t = t;
    w->shared = shared;
    /* an allocator of its own: pools of one parent share theirs */
    apr_pool_create_unmanaged_ex(&w->p, NULL, NULL);
}

static shared_t *nothing_known(void)
{
    shared_t *shared = table_block(sizeof(*shared));
    unsigned i, j;

    for (i = 0; i < WORKERS; i++) {
        for (j = 0; j < RECORDS; j++) {
            shared->known[i][j].done = shared->known[i][j].doing = -1;
        }
    }
    return shared;
}

static void threads(bearer_table_t *t, int small)
{
    shared_t *shared = nothing_known();
    worker_t workers[WORKERS];
    unsigned i;

    for (i = 0; i < WORKERS; i++) {
        begin(&workers[i], i, small, t, shared);
        if (pthread_create(&workers[i].thread, NULL, run_thread, &workers[i])) {
            perror("pthread_create");
            exit(1);
        }
    }
    for (i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        apr_pool_destroy(workers[i].p);
    }
    munmap(shared, sizeof(*shared));
}

/* ---- processes ------------------------------------------------------------ */

static pid_t start(unsigned number, int small, bearer_table_t *t, shared_t *shared)
{
    pid_t child = fork();
    worker_t w;

    if (child) {
        return child;
    }
    begin(&w, number, small, t, shared);
    check_own(&w);                 /* as the one before left it */
    atomic_fetch_add(&shared->wrong, atomic_exchange(&wrong, 0));
    for (;;) {
        work(&w);
        if (atomic_load(&wrong)) {
            atomic_fetch_add(&shared->wrong, atomic_exchange(&wrong, 0));
        }
    }
}

static void processes(bearer_table_t *t, int small)
{
    shared_t *shared = nothing_known();
    pid_t children[WORKERS];
    unsigned i;
    int kills;

    for (i = 0; i < WORKERS; i++) {
        children[i] = start(i, small, t, shared);
    }
    for (kills = 0; kills < KILLS; kills++) {
        i = (unsigned)rand() % WORKERS;
        usleep((useconds_t)(rand() % 40000));
        kill(children[i], SIGKILL);
        CHECK(waitpid(children[i], NULL, 0) == children[i]);
        children[i] = start(i, small, t, shared);
    }
    for (i = 0; i < WORKERS; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    printf("%lu changes, ", atomic_load(&shared->changes));
    CHECK(!atomic_load(&shared->wrong));
    munmap(shared, sizeof(*shared));
}

/* ---- all of it ------------------------------------------------------------ */

static void run(const char *name, void (*how)(bearer_table_t *t, int small),
                apr_size_t size, int small)
{
    apr_pool_t *p;
    void *block = table_block(size);
    bearer_table_stats_t stats;
    bearer_table_t *t;

    apr_pool_create(&p, NULL);
    CHECK(bearer_table_attach(&t, block, size, p) == APR_SUCCESS);
    how(t, small);
    CHECK(bearer_table_begin(t) == APR_SUCCESS);
    bearer_table_finish(t);
    CHECK(table_is_sound(t) && table_is_indexed(t));
    bearer_table_stats(t, &stats);
    printf("%s: %d records, %d made room, %d changes broken off\n", name,
           (int)(stats.sessions + stats.others), (int)stats.evicted,
           (int)stats.repaired);
    CHECK(small || !stats.evicted);
    apr_pool_destroy(p);
    munmap(block, size);
}

int main(void)
{
    apr_initialize();
    setvbuf(stdout, NULL, _IOLBF, 0);
    run("threads", threads, 8 * BEARER_TABLE_DEFAULT, 0);
    run("threads, too little room", threads, 4 * (128 * 1024), 1);
    if (KILLS) {
        run("processes", processes, 8 * BEARER_TABLE_DEFAULT, 0);
        run("processes, too little room", processes, 4 * (128 * 1024), 1);
    }
    apr_terminate();
    return atomic_load(&wrong) ? 1 : 0;
}
