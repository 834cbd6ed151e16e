/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The calls, and the log lines about the server. See redis.h.
 */
#include "state/redis_inside.h"

#include <string.h>

#include <apr_strings.h>
#include <sys/un.h>

#include "base/text.h"

/** Most calls end within this time and do not enter the gate. */
#define MOMENT apr_time_from_msec(20)

/* ---- log lines ---------------------------------------------------------- */

/** The server is not reachable, or does not speak the protocol. */
#define AWAY 1
#define TROUBLES 2

/** The permissions that the server's user needs. */
#define ALLOW "+get +mget +set +del +select +eval +pttl ~bearer-*"

/** The errors with which a server refuses, and what to change. The order matters. */
static const struct {
    const char *begins;
    int writing;                   /**< only writes are refused */
    const char *change;
} errors[] = {
    { "OOM", 1, "raise maxmemory" },
    { "READONLY", 1, "this is a replica; name the primary" },
    { "MISCONF", 1, "redis cannot write to its disk" },
    { "NOREPLICAS", 1, "too few replicas are connected" },
    { "NOPERM", 1, "allow " ALLOW },
    { "NOPERM", 0, "allow " ALLOW },
    /* redis writes this if a script causes the error */
    { "ERR The user executing the script", 1, "allow " ALLOW },
    { "ERR ACL failure in script", 1, "allow " ALLOW },
    { "ERR unknown command", 1, "rename none of GET, MGET, SET, DEL, EVAL, PTTL" },
    { "NOAUTH", 0, "it needs password=" },
    { "WRONGPASS", 0, "check the user and password=" },
    { "ERR invalid password", 0, "check password=" },
    { "ERR AUTH", 0, "this user has no password; remove password=" },
    { "ERR Client sent AUTH", 0, "it has no password; remove password=" },
    { "LOADING", 0, "it is starting" },
    { "MOVED", 0, "a cluster is not supported; name a single server" },
    { "ASK", 0, "a cluster is not supported; name a single server" },
    { "CLUSTERDOWN", 0, "a cluster is not supported; name a single server" },
    { "CROSSSLOT", 0, "a cluster is not supported; name a single server" },
    { "ERR SELECT", 0, "a cluster is not supported; name a single server" },
    { "ERR DB index", 0, "check the database number" },
    { "ERR invalid DB", 0, "check the database number" },
    { "", 0, "this is not expected" },
};
#define ERRORS ((int)(sizeof(errors) / sizeof(errors[0])))

static int error_of(const char *text, int writing)
{
    int i = 0;

    while (i < ERRORS - 1
           && (strncmp(text, errors[i].begins, strlen(errors[i].begins)) != 0
               || (errors[i].writing && !writing))) {
        i++;
    }
    return i;
}

static void say_trouble(const bearer_redis_call_t *call, int trouble, const char *what,
                        const char *change)
{
    const bearer_redis_t *redis = call->redis;

    if (atomic_load(&redis->shared->trouble) != trouble
        && atomic_exchange(&redis->shared->trouble, trouble) != trouble) {
        bearer_world_log(redis->world, BEARER_LOG_ERROR,
                         AB(0431) "AuthBearerSOCache %s: %s%s%s; nothing can be read or cached "
                         "there; next attempt in 1 s",
                         redis->config->name, what, change ? "; " : "",
                         change ? change : "");
    }
}

static void say_over(const bearer_redis_t *redis)
{
    if (atomic_exchange(&redis->shared->trouble, 0)) {
        bearer_world_log(redis->world, BEARER_LOG_NOTICE, AB(0432) "AuthBearerSOCache %s: "
                         "answers again", redis->config->name);
    }
}

/* Logs once a minute for all processes of the host. */
static void say_refused(const bearer_redis_call_t *call, const char *what,
                        const char *change)
{
    const bearer_redis_t *redis = call->redis;

    if (bearer_world_is_due(&redis->shared->refused, bearer_world_now(redis->world))) {
        bearer_world_log(redis->world, BEARER_LOG_WARNING, AB(0433) "AuthBearerSOCache %s: "
                         "%s; %s", redis->config->name, what, change);
    }
}

/* ---- a call ------------------------------------------------------------- */

/* The connection was closed before any byte of the reply arrived: by a restart, or
 * because redis closes idle connections. */
static bearer_redis_end_t try_twice(bearer_redis_call_t *call)
{
    bearer_redis_end_t end = bearer_redis_try(call);

    if (end == BEARER_REDIS_CUT) {
        bearer_redis_drop_idle(call->redis);
        call->spared = call->once;
        if (!call->once) {
            end = bearer_redis_try(call);
        }
    }
    return end;
}

static void tell_breaker(const bearer_redis_call_t *call, int answered)
{
    bearer_redis_t *redis = call->redis;

    if (answered || !call->spared || call->pass == BEARER_BREAKER_PROBE) {
        int changed = bearer_breaker_tell(&redis->shared->breaker, call->pass,
                                          answered,
                                          bearer_world_now(redis->world));

        if (changed && answered) {
            say_over(redis);
        }
    }
    if (!answered && !call->spared) {
        bearer_redis_drop_idle(redis);
        if (redis->resolver) {
            bearer_resolver_expire(redis->resolver);
        }
    }
}

static const char *why(const bearer_redis_call_t *call, bearer_redis_end_t end)
{
    return call->detail ? call->detail
        : end == BEARER_REDIS_LATE
        ? apr_psprintf(call->p, "no answer within %" APR_TIME_T_FMT " ms",
                       apr_time_as_msec(call->redis->config->timeout))
        : "the command cannot be sent";
}

/* Returns the status for an error reply of the server. */
static apr_status_t judge_error(const bearer_redis_call_t *call)
{
    const char *text = bearer_text_quote(call->p, call->reply.text);
    int i = error_of(call->reply.text, call->writes);

    if (errors[i].writing) {
        say_refused(call, text, errors[i].change);
        tell_breaker(call, 1);
        return APR_ENOSPC;
    }
    say_trouble(call, TROUBLES + i, text, errors[i].change);
    tell_breaker(call, 0);
    return APR_EGENERAL;
}

static apr_status_t judge(bearer_redis_call_t *call, bearer_redis_end_t end)
{
    if (end == BEARER_REDIS_DONE && call->reply.is_error) {
        return judge_error(call);
    }
    if (end == BEARER_REDIS_DONE) {
        bearer_gate_answered(call->redis->world->gate, BEARER_PARTY_CACHE,
                             bearer_monotonic() - call->wait.begun);
        tell_breaker(call, 1);
        return APR_SUCCESS;
    }
    if (end == BEARER_REDIS_UNFIT) {
        say_refused(call, "a value is too long, or has another type",
                    "do not let other programs write to bearer-*");
        tell_breaker(call, 1);
        return APR_EGENERAL;
    }
    if (end == BEARER_REDIS_LATE
        && call->wait.until - call->asked < call->redis->config->timeout / 2) {
        call->spared = 1;  /* its turn came too late to judge the server */
    }
    if (call->spared && end == BEARER_REDIS_LATE) {
        say_refused(call, "all connections were busy for the whole timeout",
                    "redis is too slow");
    } else if (!call->spared && end != BEARER_REDIS_CROWDED) {
        say_trouble(call, AWAY, why(call, end), NULL);
    }
    call->spared |= end == BEARER_REDIS_CROWDED;
    tell_breaker(call, 0);
    return APR_EGENERAL;
}

static apr_status_t perform(bearer_redis_call_t *call)
{
    bearer_redis_t *redis = call->redis;
    apr_time_t now = bearer_world_now(redis->world);
    apr_status_t rv;

    call->pass = bearer_breaker_ask(&redis->shared->breaker, now,
                                    now + redis->config->timeout);
    if (call->pass == BEARER_BREAKER_OPEN) {
        return APR_EGENERAL;
    }
    call->wait.begun = bearer_monotonic();
    call->wait.until = call->wait.begun + redis->config->timeout;
    call->wait.moment = call->wait.begun + MOMENT;
    /* one per second and host */
    call->wait.gate = call->pass == BEARER_BREAKER_PROBE ? NULL
                                                         : redis->world->gate;
    rv = judge(call, try_twice(call));
    if (call->wait.entered) {
        bearer_gate_leave(&call->wait.ticket);
    }
    return rv;
}

static void begin(bearer_redis_call_t *call, bearer_redis_t *redis,
                  const char *command, apr_pool_t *p)
{
    memset(call, 0, sizeof(*call));
    call->redis = redis;
    call->p = call->reply.p = p;
    bearer_redis_add(&call->command, command);
}

apr_status_t bearer_redis_get(bearer_redis_t *redis, const char *const *keys,
                              int n, bearer_cache_value_t *values,
                              apr_size_t max, apr_pool_t *p)
{
    bearer_redis_call_t call;
    apr_status_t rv;
    int i;

    if (n < 1 || n > BEARER_REDIS_VALUES) {
        return APR_EGENERAL;
    }
    begin(&call, redis, n == 1 ? "GET" : "MGET", p);
    memset(values, 0, sizeof(*values) * (apr_size_t)n);
    call.reply.values = values;
    call.reply.count = n;
    call.reply.max = max;
    for (i = 0; i < n; i++) {
        bearer_redis_add(&call.command, keys[i]);
    }
    rv = perform(&call);
    if (rv == APR_SUCCESS
        && (n > 1 ? !call.reply.is_array
                  : call.reply.is_array || (!values[0].data && !call.reply.is_nil))) {
        rv = APR_EGENERAL;  /* no answer to this command */
    }
    return rv;
}

static void add_number(bearer_redis_call_t *call, apr_int64_t number)
{
    bearer_redis_add(&call->command,
                     apr_psprintf(call->p, "%" APR_INT64_T_FMT, number));
}

/* Adds the lifetime in milliseconds, rounded up. */
static void add_life(bearer_redis_call_t *call, apr_interval_time_t life)
{
    add_number(call, (life + 999) / 1000);
}

static apr_status_t write_new(bearer_redis_call_t *call, apr_interval_time_t life,
                              bearer_redis_when_t when)
{
    apr_status_t rv;

    call->once = when == BEARER_REDIS_IF_ABSENT;
    call->writes = 1;
    rv = life > 0 ? perform(call) : APR_EGENERAL;
    if (rv == APR_SUCCESS && call->reply.is_nil) {
        rv = when == BEARER_REDIS_IF_ABSENT ? APR_EEXIST : APR_NOTFOUND;
    } else if (rv == APR_SUCCESS && strcmp(call->reply.text, "OK") != 0) {
        rv = APR_EGENERAL;
    }
    return rv;
}

apr_status_t bearer_redis_set(bearer_redis_t *redis, const char *key,
                              const void *value, apr_size_t len,
                              apr_interval_time_t life, bearer_redis_when_t when,
                              apr_pool_t *p)
{
    bearer_redis_call_t call;

    begin(&call, redis, "SET", p);
    bearer_redis_add(&call.command, key);
    bearer_redis_add_bytes(&call.command, value, len);
    bearer_redis_add(&call.command, "PX");
    add_life(&call, life);
    if (when != BEARER_REDIS_ALWAYS) {
        bearer_redis_add(&call.command, when == BEARER_REDIS_IF_ABSENT ? "NX" : "XX");
    }
    return write_new(&call, life, when);
}

/* KEYS: the value's key, the list's key. ARGV: the value, its lifetime, the list's
 * lifetime, the length of the prefix, the maximum number of keys. The list
 * contains keys without their prefix; expired keys are removed from it. A client
 * that can write to the list can make this script delete any key of this module,
 * which it could also do without the list. The server reports every error before
 * it has changed anything. */
static const char add_to_list[] =
    "local list = redis.pcall('GET', KEYS[2]) "
    "if type(list) == 'table' then return list end "
    "local n, most = tonumber(ARGV[4]), tonumber(ARGV[5]) "
    "local prefix, last = string.sub(KEYS[1], 1, n), tonumber(ARGV[3]) "
    "local there = {} "
    "for name in string.gmatch(string.sub(list or '', -64 * most), "
        "string.rep('%x', 64)) do "
      "local left = redis.pcall('PTTL', prefix .. name) "
      "if type(left) == 'table' then return left end "
      "if left ~= -2 then table.insert(there, { name, left }) end "
      "if left > last then last = left end "
    "end "
    "local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') "
    "if not set or set.err then return set end "
    "table.sort(there, function(a, b) return a[2] > b[2] end) "
    "while #there >= most do "
      "redis.call('DEL', prefix .. table.remove(there)[1]) "
    "end "
    "local names = { string.sub(KEYS[1], n + 1) } "
    "for i = 1, #there do names[i + 1] = there[i][1] end "
    "redis.call('SET', KEYS[2], table.concat(names), 'PX', last) "
    "return set";

apr_status_t bearer_redis_add_to_list(bearer_redis_t *redis, const char *key,
                                      const void *value, apr_size_t len,
                                      apr_interval_time_t life,
                                      const bearer_redis_list_t *list,
                                      apr_pool_t *p)
{
    bearer_redis_call_t call;

    begin(&call, redis, "EVAL", p);
    bearer_redis_add_bytes(&call.command, add_to_list, sizeof(add_to_list) - 1);
    bearer_redis_add(&call.command, "2");
    bearer_redis_add(&call.command, key);
    bearer_redis_add(&call.command, list->key);
    bearer_redis_add_bytes(&call.command, value, len);
    add_life(&call, life);
    add_life(&call, list->life > life ? list->life : life);
    add_number(&call, (apr_int64_t)strlen(list->prefix));
    add_number(&call, BEARER_REDIS_EACH);
    return write_new(&call, life, BEARER_REDIS_IF_ABSENT);
}

apr_status_t bearer_redis_remove(bearer_redis_t *redis, const char *key,
                                 apr_pool_t *p)
{
    bearer_redis_call_t call;
    apr_status_t rv;

    begin(&call, redis, "DEL", p);
    bearer_redis_add(&call.command, key);
    call.writes = 1;
    rv = perform(&call);
    return rv == APR_SUCCESS && !call.reply.integer ? APR_NOTFOUND : rv;
}

/* ---- creation and destruction ------------------------------------------- */

static apr_status_t close_all(void *data)
{
    bearer_redis_t *redis = data;

    bearer_redis_drop_idle(redis);
    return APR_SUCCESS;
}

static apr_status_t find_socket(bearer_redis_t *redis)
{
    struct sockaddr_un *to = (struct sockaddr_un *)&redis->socket.address;
    const char *path = redis->config->path;

    if (strlen(path) >= sizeof(to->sun_path)) {
        return APR_ENAMETOOLONG;
    }
    to->sun_family = AF_UNIX;
    apr_cpystrn(to->sun_path, path, sizeof(to->sun_path));
    redis->socket.len = sizeof(*to);
    return APR_SUCCESS;
}

apr_status_t bearer_redis_create(bearer_redis_t **result,
                                 const bearer_redis_config_t *config,
                                 const bearer_world_t *world,
                                 bearer_redis_shared_t *shared,
                                 bearer_lookup_fn lookup, apr_pool_t *p)
{
    bearer_redis_t *redis = apr_pcalloc(p, sizeof(*redis));
    const char *error = bearer_redis_lacks(config->tls);
    apr_status_t rv = error ? APR_ENOTIMPL : APR_SUCCESS;

    redis->config = config;
    redis->world = world;
    redis->shared = shared;
    if (rv == APR_SUCCESS && config->tls) {
        redis->tls = bearer_redis_tls(config->ca_file, &error, p);
        rv = redis->tls ? APR_SUCCESS : APR_EGENERAL;
    }
    if (rv == APR_SUCCESS && config->password) {
        rv = bearer_secret_watch(&redis->password, config->password, world, p);
    }
    if (rv == APR_SUCCESS) {
        rv = config->host ? bearer_resolver_create(&redis->resolver, config->host,
                                                   config->port, lookup, p)
                          : find_socket(redis);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&redis->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&redis->changed, p);
    }
    if (rv != APR_SUCCESS) {
        bearer_world_log(world, BEARER_LOG_ERROR,
                         AB(0434) "AuthBearerSOCache %s: cannot be used%s%s",
                         config->name, error ? ": " : "",
                         error ? error : "");
        return rv;
    }
    apr_pool_cleanup_register(p, redis, close_all, apr_pool_cleanup_null);
    *result = redis;
    return APR_SUCCESS;
}
