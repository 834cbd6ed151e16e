/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Threads over the state that they share: throttle, token cache, revocation
 * list. Made for ThreadSanitizer (clang -fsanitize=thread); it also checks that
 * no thread ever sees what is not there. A fixed number of rounds, a few
 * seconds. Exit 0: nothing found.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "stress.h"
#include "base/json.h"
#include "state/revocation.h"
#include "state/throttle.h"
#include "state/tokencache.h"

#define THREADS 4
#define ROUNDS 20000
#define TOKENS 48

static _Atomic apr_time_t clock_now = apr_time_from_sec(1767225600);

static apr_time_t tick(void *baton)
{
    (void)baton;
    return atomic_fetch_add(&clock_now, 200) + 200;
}

static const bearer_world_t world = { .now = tick };

typedef struct shared_t {
    bearer_throttle_t *throttle;
    bearer_tokencache_t *cache;
    bearer_revocation_t *list;
    const char *path;
} shared_t;

typedef struct worker_t {
    pthread_t thread;
    shared_t *shared;
    apr_pool_t *p;       /* a thread's own */
    uint32_t random;
} worker_t;

static uint32_t next(worker_t *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return w->random;
}

static void run(shared_t *shared, void *(*work)(void *),
                const char *name)
{
    worker_t workers[THREADS];
    unsigned i;

    for (i = 0; i < THREADS; i++) {
        workers[i].shared = shared;
        workers[i].random = 12345 + i;
        /* an allocator of its own: pools of one parent share theirs */
        apr_pool_create_unmanaged_ex(&workers[i].p, NULL, NULL);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            perror("pthread_create");
            exit(1);
        }
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        apr_pool_destroy(workers[i].p);
    }
    printf("%s: done\n", name);
}

/* ---- throttle ------------------------------------------------------------ */

static void *work_throttle(void *data)
{
    static const bearer_throttle_settings_t settings = {
        1, 5, apr_time_from_sec(1), apr_time_from_sec(1)
    };
    worker_t *w = data;
    bearer_throttle_t *t = w->shared->throttle;
    unsigned n;

    for (n = 0; n < ROUNDS; n++) {
        unsigned char key[BEARER_THROTTLE_KEY_SIZE] = { 0 };
        const bearer_throttle_token_t token = { 1 + next(w) % 16, 1 };
        bearer_reason_t reason = BEARER_OK;
        unsigned penalised, used;
        apr_time_t now = tick(NULL);

        key[0] = (unsigned char)(next(w) % 100); /* more than places */
        CHECK(bearer_throttle_check(t, key, now) <= 1);
        bearer_throttle_failure(t, key, &token,
                                token.digest % 2 ? BEARER_KEY : BEARER_ISS,
                                &settings, now);
        if (bearer_throttle_known_bad(t, key, &token, &settings, now,
                                      &reason)) {
            CHECK(reason == (token.digest % 2 ? BEARER_KEY : BEARER_ISS));
        }
        if (next(w) % 4 == 0) {
            bearer_throttle_success(t, key, now);
        }
        if (n % 1000 == 0) {
            bearer_throttle_stats(t, now, &penalised, &used);
            CHECK(used <= 64);
        }
    }
    return NULL;
}

/* ---- token cache --------------------------------------------------------- */

static void key_of(unsigned char *key, unsigned n)
{
    bearer_text_sha256(&n, sizeof(n), key);
}

static void put_token(worker_t *w, unsigned n)
{
    const apr_array_header_t *none = apr_array_make(w->p, 1, sizeof(char *));
    unsigned char key[BEARER_SHA256_SIZE];
    bearer_principal_t principal = { .method = "jwt", .iss = "", .scope = "" };

    principal.user = apr_psprintf(w->p, "user-%u", n);
    principal.scopes = principal.roles = principal.groups = none;
    principal.claims = json_pack("{s:s}", "sub", principal.user);
    bearer_json_tie(principal.claims, w->p);
    key_of(key, n);
    bearer_tokencache_put(w->shared->cache, key, &principal, n, 0);
}

static void get_token(worker_t *w, unsigned n)
{
    bearer_tokencache_entry_t *entry;
    const bearer_principal_t *found;
    unsigned char key[BEARER_SHA256_SIZE];
    char user[32];

    key_of(key, n);
    found = bearer_tokencache_get(w->shared->cache, &entry, key, 1, 0);
    if (!found) {
        put_token(w, n);
        return;
    }
    if (next(w) % 8 == 0) {
        bearer_tokencache_drop(entry);
    }
    if (next(w) % 8 == 0) {
        json_t *copy = json_deep_copy(found->claims);
        char *text = json_dumps(found->claims, JSON_COMPACT | JSON_SORT_KEYS);

        CHECK(json_equal(copy, found->claims));
        free(text);
        json_decref(copy);
    }
    snprintf(user, sizeof(user), "user-%u", n);
    CHECK(strcmp(found->user, user) == 0);
    CHECK(strcmp(bearer_json_string(found->claims, "sub"), user) == 0);
    CHECK(bearer_tokencache_generation(entry) == n);
    bearer_tokencache_release(entry);
}

static void *work_cache(void *data)
{
    worker_t *w = data;
    unsigned n;

    for (n = 0; n < ROUNDS; n++) {
        get_token(w, next(w) % TOKENS);
        if (n % 64 == 0) {
            bearer_tokencache_stats_t stats;

            bearer_tokencache_stats(w->shared->cache, &stats);
            CHECK(stats.used <= stats.entries);
            apr_pool_clear(w->p);
        }
    }
    return NULL;
}

/* ---- revocation list ----------------------------------------------------- */

static void append(worker_t *w, const char *token)
{
    const char *error = NULL;

    CHECK(bearer_revocation_append_token(w->shared->path, token, strlen(token),
                                         0, tick(NULL), &error, w->p)
          == APR_SUCCESS);
}

static bearer_reason_t ask(worker_t *w, const char *token)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    bearer_text_sha256(token, strlen(token), digest);
    return bearer_revocation_ask(w->shared->list, "issuer", "jti", digest, NULL,
                                 w->p);
}

static void *work_list(void *data)
{
    worker_t *w = data;
    unsigned n;

    for (n = 0; n < ROUNDS; n++) {
        if (n % 500 == 0) {
            const char *token = apr_psprintf(w->p, "%u %u", n, next(w));
            bearer_revocation_state_t state;

            append(w, token);
            atomic_fetch_add(&clock_now, BEARER_REVOCATION_FRESH);
            CHECK(ask(w, token) == BEARER_REVOKED);
            bearer_revocation_state(w->shared->list, &state);
            CHECK(!state.closed && state.entries > 1);
            apr_pool_clear(w->p);
        }
        CHECK(ask(w, "always") == BEARER_REVOKED);
        CHECK(ask(w, "never") == BEARER_OK);
    }
    return NULL;
}

static void run_list(shared_t *shared, apr_pool_t *p)
{
    char *dir = apr_pstrdup(p, "/tmp/stress_shared.XXXXXX");
    worker_t first = { .shared = shared, .p = p };

    if (!mkdtemp(dir)) {
        perror("mkdtemp");
        exit(1);
    }
    shared->path = apr_pstrcat(p, dir, "/list", NULL);
    append(&first, "always");
    if (bearer_revocation_create(&shared->list, shared->path, &world, p)
        != APR_SUCCESS) {
        exit(1);
    }
    run(shared, work_list, "revocation");
    unlink(shared->path);
    unlink(apr_pstrcat(p, shared->path, ".lock", NULL));
    rmdir(dir);
}

int main(void)
{
    const unsigned entries = 1;
    const apr_size_t size = bearer_throttle_size(entries);
    shared_t shared = { NULL, NULL, NULL, NULL };
    apr_pool_t *p;
    void *block;

    apr_initialize();
    apr_pool_create(&p, NULL);
    block = apr_pcalloc(p, size);
    if (bearer_throttle_attach(&shared.throttle, block, size, entries, &world,
                               p) != APR_SUCCESS
        || bearer_tokencache_create(&shared.cache, TOKENS / 2, p)
               != APR_SUCCESS) {
        return 1;
    }
    run(&shared, work_throttle, "throttle");
    run(&shared, work_cache, "tokencache");
    run_list(&shared, p);
    apr_pool_destroy(p);
    apr_terminate();
    if (atomic_load(&wrong)) {
        fprintf(stderr, "%u wrong answers\n", atomic_load(&wrong));
    }
    return atomic_load(&wrong) ? 1 : 0;
}
