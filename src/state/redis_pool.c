/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The connections of one client: taken for a call, opened if none is idle, returned.
 * See redis_inside.h.
 */
#include "state/redis_inside.h"

#include <string.h>

#include <apr_strings.h>

/* ---- waiting ------------------------------------------------------------ */

int bearer_redis_may_wait(bearer_redis_wait_t *wait, bearer_redis_end_t *end)
{
    apr_time_t now = bearer_monotonic(), until = wait->until;

    if (now >= until) {
        *end = BEARER_REDIS_LATE;
        return 0;
    }
    if (wait->gate && !wait->entered && now < wait->moment) {
        until = wait->moment < until ? wait->moment : until;
    } else if (wait->gate && !wait->entered) {
        if (bearer_gate_enter(&wait->ticket, wait->gate, BEARER_PARTY_CACHE,
                              until - now)) {
            *end = BEARER_REDIS_CROWDED;
            return 0;
        }
        wait->entered = 1;
    }
    return (int)((until - now + 999) / 1000);
}

/* ---- the pool ----------------------------------------------------------- */

/* Under the mutex. */
static void close_slot(bearer_redis_t *redis, const bearer_redis_slot_t *slot)
{
    if (slot->connection) {
        bearer_redis_close(slot->connection);
    }
    redis->open_count--;
}

/* Returns 1 if the time is neither older than the limit nor in the future, as
 * after the clock was set. */
static int is_within(apr_time_t then, apr_interval_time_t limit, apr_time_t now)
{
    return now >= then && now - then < limit;
}

static int is_fresh(const bearer_redis_slot_t *slot, apr_time_t now)
{
    return is_within(slot->made, BEARER_REDIS_AGE, now)
        && is_within(slot->used, BEARER_REDIS_IDLE, now)
        && bearer_redis_is_open(slot->connection);
}

/* Under the mutex: takes the connection used last, or gets permission to open one. */
static int find_slot(bearer_redis_t *redis, bearer_redis_slot_t *slot)
{
    apr_time_t now = bearer_world_now(redis->world);

    while (redis->idle_count) {
        *slot = redis->idle[--redis->idle_count];
        if (is_fresh(slot, now)) {
            return 1;
        }
        close_slot(redis, slot);
    }
    memset(slot, 0, sizeof(*slot));
    if (redis->open_count >= redis->config->connections) {
        return 0;
    }
    redis->open_count++;
    return 1;
}

/* A call that waits for a connection stops if other calls find that the server is
 * unreachable. */
static int need_not_wait(const bearer_redis_call_t *call)
{
    return call->pass == BEARER_BREAKER_CLOSED
        && bearer_breaker_is_open(&call->redis->shared->breaker);
}

/* Sleeps until a connection may be available. */
static void sleep_a_while(bearer_redis_t *redis, int ms)
{
    apr_thread_mutex_lock(redis->mutex);
    if (!redis->idle_count && redis->open_count >= redis->config->connections) {
        (void)apr_thread_cond_timedwait(redis->changed, redis->mutex,
                                        apr_time_from_msec(ms));
    }
    apr_thread_mutex_unlock(redis->mutex);
}

static bearer_redis_end_t take_slot(bearer_redis_call_t *call,
                                    bearer_redis_slot_t *slot)
{
    bearer_redis_end_t end = BEARER_REDIS_DONE;
    bearer_redis_t *redis = call->redis;
    int found, ms;

    for (;;) {
        apr_thread_mutex_lock(redis->mutex);
        found = find_slot(redis, slot);
        apr_thread_mutex_unlock(redis->mutex);
        if (found) {
            break;
        }
        ms = bearer_redis_may_wait(&call->wait, &end);
        if (ms) {
            sleep_a_while(redis, ms);
        }
        if (!ms || need_not_wait(call)) {
            end = ms ? BEARER_REDIS_CROWDED : end;
            break;
        }
    }
    call->spared = !found;
    return end;
}

/* Under the mutex: closes connections that are never used, because the last one is
 * always taken first. */
static void close_unused(bearer_redis_t *redis, apr_time_t now)
{
    unsigned i = 0, n = 0;

    while (i < redis->idle_count
           && !is_within(redis->idle[i].used, BEARER_REDIS_IDLE, now)) {
        close_slot(redis, &redis->idle[i++]);
    }
    while (i && i < redis->idle_count) {
        redis->idle[n++] = redis->idle[i++];
    }
    redis->idle_count = i ? n : redis->idle_count;
}

static void give_slot(bearer_redis_t *redis, bearer_redis_slot_t *slot, int usable)
{
    slot->used = bearer_world_now(redis->world);
    apr_thread_mutex_lock(redis->mutex);
    close_unused(redis, slot->used);
    if (usable) {
        redis->idle[redis->idle_count++] = *slot;
    } else {
        close_slot(redis, slot);
    }
    apr_thread_cond_signal(redis->changed);
    apr_thread_mutex_unlock(redis->mutex);
}

void bearer_redis_drop_idle(bearer_redis_t *redis)
{
    apr_thread_mutex_lock(redis->mutex);
    while (redis->idle_count) {
        close_slot(redis, &redis->idle[--redis->idle_count]);
    }
    apr_thread_cond_broadcast(redis->changed);
    apr_thread_mutex_unlock(redis->mutex);
}

/* ---- opening ------------------------------------------------------------ */

void bearer_redis_add_bytes(bearer_redis_command_t *command, const char *bytes,
                            apr_size_t len)
{
    command->args[command->count] = bytes;
    command->lens[command->count++] = len;
}

void bearer_redis_add(bearer_redis_command_t *command, const char *text)
{
    bearer_redis_add_bytes(command, text, strlen(text));
}

static bearer_redis_end_t authenticate(bearer_redis_call_t *call,
                                       bearer_redis_slot_t *slot)
{
    const bearer_redis_config_t *config = call->redis->config;
    bearer_redis_command_t command = { 0 };
    bearer_redis_end_t end;
    apr_size_t len;
    char *password;

    if (!config->password) {
        return BEARER_REDIS_DONE;
    }
    if (bearer_secret_get(&password, &len, call->redis->password, &call->detail,
                          call->p) != APR_SUCCESS) {
        return BEARER_REDIS_BROKEN;
    }
    bearer_redis_add(&command, "AUTH");
    if (config->user) {
        bearer_redis_add(&command, config->user);
    }
    bearer_redis_add_bytes(&command, password, len);
    end = bearer_redis_exchange(slot->connection, &command, call);
    bearer_secret_wipe(password, len);
    return end;
}

static bearer_redis_end_t select_database(bearer_redis_call_t *call,
                                          bearer_redis_slot_t *slot)
{
    int database = call->redis->config->database;
    bearer_redis_command_t command = { 0 };

    if (!database || call->reply.is_error) {
        return BEARER_REDIS_DONE;
    }
    bearer_redis_add(&command, "SELECT");
    bearer_redis_add(&command, apr_itoa(call->p, database));
    return bearer_redis_exchange(slot->connection, &command, call);
}

/* Without a ticket, a call waits for a name look-up only for a moment. */
static int find_addresses(bearer_redis_call_t *call, bearer_address_t *addresses,
                          bearer_redis_end_t *end)
{
    bearer_redis_t *redis = call->redis;
    int n = 0, ms;

    if (!redis->resolver) {
        addresses[0] = redis->socket;
        return 1;
    }
    while (!n && (ms = bearer_redis_may_wait(&call->wait, end)) != 0) {
        apr_time_t until = bearer_monotonic() + apr_time_from_msec(ms);

        *end = BEARER_REDIS_BROKEN;
        n = bearer_resolver_get(redis->resolver, addresses, until, &call->detail);
        if (!n && bearer_monotonic() < until) {
            break;
        }
    }
    return n;
}

/* Tries the addresses in turn; an address that hangs is not tried first again. */
static bearer_redis_end_t connect_any(bearer_redis_call_t *call,
                                      bearer_redis_slot_t *slot)
{
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    bearer_redis_end_t end = BEARER_REDIS_LATE;
    bearer_redis_t *redis = call->redis;
    int i, n = find_addresses(call, addresses, &end);
    unsigned turn = atomic_load(&redis->turn);

    for (i = 0; i < n; i++) {
        unsigned which = (turn + (unsigned)i) % (unsigned)n;

        call->detail = NULL;
        end = bearer_redis_connect(&slot->connection, &addresses[which], call);
        if (end == BEARER_REDIS_DONE) {
            slot->made = bearer_world_now(redis->world);
            return end;
        }
        atomic_store(&redis->turn, which + 1);
    }
    return end;
}

/* If the server refuses authentication, the reply is an error. */
static bearer_redis_end_t open_slot(bearer_redis_call_t *call,
                                    bearer_redis_slot_t *slot)
{
    bearer_redis_end_t end = connect_any(call, slot);

    if (end == BEARER_REDIS_DONE) {
        end = authenticate(call, slot);
    }
    if (end == BEARER_REDIS_DONE) {
        end = select_database(call, slot);
    }
    return end;
}

/* ---- attempts ----------------------------------------------------------- */

bearer_redis_end_t bearer_redis_try(bearer_redis_call_t *call)
{
    bearer_redis_reply_t *reply = &call->reply;
    bearer_redis_slot_t slot;
    bearer_redis_end_t end = take_slot(call, &slot);
    int let_in;

    if (end != BEARER_REDIS_DONE) {
        return end;
    }
    call->asked = bearer_monotonic();
    if (!slot.connection) {
        end = open_slot(call, &slot);
    }
    let_in = end == BEARER_REDIS_DONE && !reply->is_error;
    if (let_in) {
        reply->text[0] = '\0';
        reply->integer = 0;
        end = bearer_redis_exchange(slot.connection, &call->command, call);
    } else {
        call->writes = 0;  /* a refusal here is not about a write */
    }
    give_slot(call->redis, &slot, let_in && end == BEARER_REDIS_DONE);
    return end;
}
