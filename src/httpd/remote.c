/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file remote.c
 * Calls of httpd's providers for network caches, redis and memcache. Their clients have
 * no reliable time limit, and log each failure. For five seconds after a failure, they
 * report every key as "not found". Connections that the server closed meanwhile then
 * fail one after the other. Therefore:
 *
 *   the gate     limits how many workers are inside such a call
 *   the breaker  of the host opens after a failure or a call that does not end; then
 *                calls are skipped, and once a second one request looks for a sign of
 *                life over a separate connection (ping.h)
 *   the client   of a process is replaced after a failure, and each time that the
 *                server becomes available again
 *   the canary   is an entry that always exists; if another call may just have failed,
 *                "not found" is trusted only if the canary is found
 *
 * A cache that refuses a value because its memory is full has answered. For the next
 * second, no further values are stored there.
 */
#include "process.h"
#include "shared.h"
#include "store_inside.h"
#include "trace.h"

#include <stdatomic.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <http_log.h>

#include "base/message.h"
#include "base/ping.h"

APLOG_USE_MODULE(auth_bearer);

/** A call that takes longer counts as late. */
#define LATE_AFTER apr_time_from_sec(1)
/** Time limit of a probe, for each server. */
#define PING_TIME apr_time_from_sec(1)
/** How long the gate holds the place of a call that does not end. */
#define CALL_TIME apr_time_from_sec(10)
/** Minimum time between replacements of failed clients. */
#define CLIENT_LASTS apr_time_from_sec(1)
/** A call that failed within this time is repeated once with another client. */
#define FAST apr_time_from_msec(200)
#define CANARY_LIFE apr_time_from_sec(3600)

/** A client of a provider. Access under the mutex only. */
typedef struct client_t {
    ap_socache_instance_t *instance;
    apr_pool_t *pool;              /**< NULL: the pool of the configuration */
    apr_time_t made;
    apr_uint32_t epoch;            /**< epoch of the server when the client was created */
    int users;                     /**< number of running calls */
    int failed;                    /**< 1: a call failed */
} client_t;

struct remote_t {
    const store_t *store;
    int protocol;                  /**< for ping; -1: unknown */
    apr_interval_time_t ping_time; /**< for all servers together */
    shared_cache_t *shared;
    apr_thread_mutex_t *mutex;
    client_t *client;              /**< under the mutex: the client to use */
};

/** A running call. */
typedef struct call_t {
    remote_t *remote;
    apr_pool_t *p;
    bearer_breaker_pass_t pass;
    bearer_ticket_t ticket;
    apr_time_t begun;
    int place;
    client_t *client;
} call_t;

remote_t *ab_remote_create(const store_t *store, apr_pool_t *p)
{
    const store_config_t *config = store->config;
    remote_t *remote;
    const char *c;

    if (!ab_config_is_foreign(config) || ab_store_redis_has(config)
        || config->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        return NULL;
    }
    remote = apr_pcalloc(p, sizeof(*remote));
    remote->store = store;
    remote->protocol = !strcmp(config->name, "redis") ? BEARER_PING_REDIS
                     : !strcmp(config->name, "memcache") ? BEARER_PING_MEMCACHED
                                                         : -1;
    remote->shared = ab_shared_cache((int)store->kind->number);
    remote->ping_time = PING_TIME;
    for (c = config->args ? config->args : ""; *c; c++) {
        remote->ping_time += *c == ',' ? PING_TIME : 0;
    }
    remote->client = apr_pcalloc(p, sizeof(client_t));
    remote->client->instance = config->instance;
    remote->client->epoch = atomic_load(&remote->shared->epoch);
    return apr_thread_mutex_create(&remote->mutex, APR_THREAD_MUTEX_DEFAULT, p)
        == APR_SUCCESS ? remote : NULL;
}

/* ---- clients -------------------------------------------------------------- */

/* For many threads: httpd's memcached and redis clients allocate each connection from
 * the allocator of their own pool. */
static apr_status_t create_shared_pool(apr_pool_t **pool)
{
    apr_thread_mutex_t *mutex;
    apr_status_t rv = apr_pool_create_unmanaged(pool);  /* with its own allocator */

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, *pool);
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(*pool);
        return rv;
    }
    apr_allocator_mutex_set(apr_pool_allocator_get(*pool), mutex);
    return APR_SUCCESS;
}

/* Creates a client, which connects on first use. NULL: out of memory. */
static client_t *make_client(const store_t *store, apr_time_t now, apr_uint32_t epoch)
{
    const ap_socache_provider_t *provider = store->config->provider;
    apr_pool_t *pool;
    client_t *client;

    if (create_shared_pool(&pool) != APR_SUCCESS) {
        return NULL;
    }
    client = apr_pcalloc(pool, sizeof(*client));
    client->pool = pool;
    client->made = now;
    client->epoch = epoch;
    if (provider->create(&client->instance, store->config->args, pool, pool)
        || provider->init(client->instance, store->kind->id, &store->kind->hints,
                          store->server, pool) != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return NULL;
    }
    return client;
}

/* Call under the mutex, when no thread can take the client any more. */
static void drop_client(const remote_t *remote, client_t *client)
{
    if (client != remote->client && !client->users && client->pool) {
        apr_pool_destroy(client->pool);
    }
}

static client_t *take_client(remote_t *remote, apr_time_t now)
{
    apr_uint32_t epoch = atomic_load(&remote->shared->epoch);
    client_t *client, *other;

    apr_thread_mutex_lock(remote->mutex);
    client = remote->client;
    if (remote->protocol >= 0
        && (client->epoch != epoch
            || (client->failed && now - client->made >= CLIENT_LASTS))) {
        other = make_client(remote->store, now, epoch);
        if (other) {
            remote->client = other;
            drop_client(remote, client);
            client = other;
        }
    }
    client->users++;
    apr_thread_mutex_unlock(remote->mutex);
    return client;
}

static void give_client(remote_t *remote, client_t *client, int failed)
{
    apr_thread_mutex_lock(remote->mutex);
    client->users--;
    client->failed |= failed;
    drop_client(remote, client);
    apr_thread_mutex_unlock(remote->mutex);
}

/* ---- availability --------------------------------------------------------- */

static void say(const remote_t *remote, int level, const char *number,
                const char *text, const char *more)
{
    const store_t *store = remote->store;
    const char *args = store->config->args;

    ab_log_server(level, 0, store->server,
                  "%sAuthBearerSOCache %s:%s for=%s: %s%s", number, store->config->name,
                  args ? args : "", store->kind->word, text, more);
}

/* @param why NULL: the servers are available */
static void tell(const remote_t *remote, bearer_breaker_pass_t pass,
                 const char *why, apr_pool_t *p)
{
    if (!bearer_breaker_tell(&remote->shared->down, pass, !why, apr_time_now())) {
        return;
    }
    if (why) {
        say(remote,
            remote->store->kind->number == STORE_SESSIONS ? APLOG_ERR : APLOG_WARNING,
            AB(0421), why,
            apr_pstrcat(p, "; ", remote->store->kind->loss, "; next attempt in 1 s", NULL));
    } else {
        atomic_fetch_add(&remote->shared->epoch, 1);
        say(remote, APLOG_NOTICE, AB(0422), "answers again", "");
    }
}

static int shows_life(const remote_t *remote, bearer_breaker_pass_t pass,
                      apr_pool_t *p)
{
    const char *why = bearer_ping((bearer_ping_protocol_t)remote->protocol,
                                  remote->store->config->args, PING_TIME, p);

    tell(remote, pass, why, p);
    return !why;
}

/* Did the server fail? If not, it has no such value, or no memory for it. */
static int is_failure(apr_status_t rv, int reading)
{
    return rv == APR_EGENERAL
               ? reading  /* after an error, the value is unknown */
               : rv != APR_SUCCESS && rv != APR_NOTFOUND && rv != APR_EEXIST
                     && rv != APR_EINVAL && rv != APR_ENOMEM && rv != APR_ENOSPC;
}

/* ---- one call ------------------------------------------------------------- */

/* Probes the server if the breaker requests it, and before each call of the key
 * cache, which is rarely used. So none of these calls hangs. */
static int may_call(call_t *call)
{
    remote_t *remote = call->remote;
    shared_cache_t *shared = remote->shared;
    apr_time_t now = call->begun, until = now + remote->ping_time;
    int late;

    call->pass = bearer_breaker_ask(&shared->down, now, until);
    if (call->pass == BEARER_BREAKER_CLOSED) {
        call->place = bearer_calls_begin(&shared->calls, now, now + LATE_AFTER,
                                         &late);
        if (late) {
            call->pass = bearer_breaker_doubt(&shared->down, now, until);
        }
    }
    if (call->pass == BEARER_BREAKER_OPEN) {
        return 0;
    }
    if (remote->protocol < 0
        || (call->pass == BEARER_BREAKER_CLOSED && !remote->store->kind->handed_over)) {
        return 1;
    }
    if (!shows_life(remote, call->pass, call->p)) {
        return 0;
    }
    call->pass = BEARER_BREAKER_CLOSED;
    return 1;
}

static bearer_gate_t *the_gate(void)
{
    process_t *process = ab_process();

    return process ? process->world.gate : NULL;
}

static int begin(call_t *call, remote_t *remote, apr_pool_t *p)
{
    memset(call, 0, sizeof(*call));
    call->remote = remote;
    call->p = p;
    call->begun = apr_time_now();
    call->place = -1;
    if (!may_call(call)
        || bearer_gate_enter(&call->ticket, the_gate(), BEARER_PARTY_CACHE,
                             CALL_TIME)) {
        bearer_place_give(remote->shared->calls.until, call->place,
                         call->begun + LATE_AFTER);
        return 0;
    }
    call->client = take_client(remote, call->begun);
    return 1;
}

static void look_after_failure(const call_t *call, apr_status_t rv)
{
    remote_t *remote = call->remote;
    apr_time_t now = apr_time_now();

    if (remote->protocol < 0) {
        tell(remote, call->pass, bearer_text_status(call->p, rv), call->p);
    } else if (bearer_breaker_doubt(&remote->shared->down, now,
                                    now + remote->ping_time)
               == BEARER_BREAKER_PROBE) {
        (void)shows_life(remote, BEARER_BREAKER_PROBE, call->p);
    }
}

/* Returns 1 if the call failed and may be repeated. */
static int end(call_t *call, apr_status_t rv, int reading)
{
    remote_t *remote = call->remote;
    apr_interval_time_t took = apr_time_now() - call->begun;
    int failed = is_failure(rv, reading);

    give_client(remote, call->client, failed);
    bearer_place_give(remote->shared->calls.until, call->place,
                     call->begun + LATE_AFTER);
    bearer_gate_answered(the_gate(), BEARER_PARTY_CACHE, took);
    bearer_gate_leave(&call->ticket);
    if (failed) {
        look_after_failure(call, rv);
    } else if (call->pass == BEARER_BREAKER_PROBE) {
        tell(remote, call->pass, NULL, call->p);
    }
    return failed && took < FAST;
}

/* ---- operations ------------------------------------------------------------ */

static apr_status_t ask(const call_t *call, store_question_t *q)
{
    return ab_store_ask(call->remote->store, call->client->instance, q, call->p);
}

/* Stores a missing canary. After that, a client that does not ask the server finds "not
 * found" again; one that does gets an answer, even if it is a refusal. */
static int finds_canary(const call_t *call)
{
    static const unsigned char key[BEARER_CACHE_KEY_SIZE] = "canary";
    unsigned char value[16] = "1";
    store_question_t q = { STORE_RETRIEVE, key, value, sizeof(value), 0 };
    apr_status_t rv = ask(call, &q);

    if (rv == APR_NOTFOUND) {
        if (bearer_breaker_is_open(&call->remote->shared->full)) {
            return 1;
        }
        q.what = STORE_KEEP;
        q.len = 1;
        q.expires = apr_time_now() + CANARY_LIFE;
        rv = ask(call, &q);
    }
    return rv == APR_SUCCESS || rv == APR_EGENERAL;
}

/* Can "not found" be trusted? */
static int is_sure(const call_t *call)
{
    remote_t *remote = call->remote;
    int failed, others;

    if (remote->protocol < 0) {
        return 1;
    }
    apr_thread_mutex_lock(remote->mutex);
    failed = call->client->failed;
    others = call->client->users > 1;
    apr_thread_mutex_unlock(remote->mutex);
    return !failed && (!others || finds_canary(call));
}

/* APR_EGENERAL: no usable answer. */
static apr_status_t answer_to(remote_t *remote, store_question_t *question,
                              apr_pool_t *p)
{
    int tries, reading = question->what == STORE_RETRIEVE;

    for (tries = 0; tries < 2; tries++) {
        store_question_t q = *question;
        apr_status_t rv;
        call_t call;
        int sure, fast;

        if (!begin(&call, remote, p)) {
            break;
        }
        rv = ask(&call, &q);
        if (!reading && rv == APR_EGENERAL) {
            rv = APR_ENOSPC;       /* the server refuses the value */
        }
        sure = rv != APR_NOTFOUND || (q.what != STORE_KEEP && is_sure(&call));
        fast = end(&call, rv, reading);
        if (sure && !is_failure(rv, reading)) {
            question->len = q.len;
            return rv;
        }
        if (!fast) {
            break;
        }
    }
    return APR_EGENERAL;
}

apr_status_t ab_remote_ask(remote_t *remote, store_question_t *question, apr_pool_t *p)
{
    bearer_breaker_t *full = &remote->shared->full;
    apr_time_t now = apr_time_now();
    bearer_breaker_pass_t pass;
    apr_status_t rv;

    if (question->what != STORE_KEEP) {
        return answer_to(remote, question, p);
    }
    pass = bearer_breaker_ask(full, now, now + LATE_AFTER);
    if (pass == BEARER_BREAKER_OPEN) {
        return APR_ENOSPC;
    }
    rv = answer_to(remote, question, p);
    if (rv == APR_EGENERAL) {
        return rv;
    }
    if (bearer_breaker_tell(full, pass, rv == APR_SUCCESS, apr_time_now())) {
        if (rv == APR_SUCCESS) {
            say(remote, APLOG_NOTICE, AB(0423), "stores new values again", "");
        } else {
            say(remote, APLOG_WARNING, AB(0424),
                "does not store new values; check whether its memory is full, or it is a replica; "
                "next attempt in 1 s", "");
        }
    }
    return rv;
}
