/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The redis client against a server that does what the test says. */
#include <errno.h>

#include <signal.h>

#include "unit.h"
#include "unit_redis.h"

#include "state/redis.h"

/** Of a call; tests wait for it, so it is short. */
#define TIMEOUT apr_time_from_msec(100 * (apr_time_t)unit_slow())
#define SECOND apr_time_from_sec(1)

typedef struct lab_t {
    unit_redis_t *server;
    unit_world_t *w;
    bearer_redis_config_t config;
    bearer_redis_shared_t shared;
    bearer_redis_t *redis;
    apr_pool_t *p;
} lab_t;

static void start_client(lab_t *lab, bearer_lookup_fn lookup)
{
    assert_int_equal(bearer_redis_create(&lab->redis, &lab->config, &lab->w->world,
                                         &lab->shared, lookup, lab->p),
                     APR_SUCCESS);
}

static lab_t *lab_of(apr_pool_t *p, const char *path)
{
    lab_t *lab = apr_pcalloc(p, sizeof(*lab));

    lab->p = p;
    lab->w = unit_world(p);
    lab->server = unit_redis(p, path);
    lab->config.name = "redis://test";
    lab->config.host = path ? NULL : "127.0.0.1";
    lab->config.port = lab->server->port;
    lab->config.path = path;
    lab->config.timeout = TIMEOUT;
    lab->config.connections = 4;
    return lab;
}

static lab_t *lab_with_client(apr_pool_t *p)
{
    lab_t *lab = lab_of(p, NULL);

    start_client(lab, NULL);
    return lab;
}

static void says(lab_t *lab, unit_redis_mode_t mode, const char *reply)
{
    unit_redis_says(lab->server, mode, reply, strlen(reply));
}

static apr_status_t get(lab_t *lab, const char *key, bearer_cache_value_t *value)
{
    return bearer_redis_get(lab->redis, &key, 1, value, 64, lab->p);
}

static apr_status_t get_it(lab_t *lab)
{
    bearer_cache_value_t value;

    return get(lab, "bearer-test:00", &value);
}

static apr_status_t set(lab_t *lab, bearer_redis_when_t when)
{
    return bearer_redis_set(lab->redis, "k", "v", 1, 1500, when, lab->p);
}

/* ---- commands and answers ----------------------------------------------- */

static void test_values(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    bearer_cache_value_t value;

    unit_redis_says(lab->server, UNIT_REDIS_SAY, "$5\r\na\0\r\nb\r\n", 11);
    assert_int_equal(get(lab, "bearer-test:00FF", &value), APR_SUCCESS);
    assert_int_equal(value.len, 5);
    assert_memory_equal(value.data, "a\0\r\nb", 5);
    assert_string_equal(unit_redis_log(lab->server, p), "GET bearer-test:00FF\n");
    says(lab, UNIT_REDIS_SAY, "$0\r\n\r\n");
    assert_int_equal(get(lab, "k", &value), APR_SUCCESS);
    assert_non_null(value.data);
    assert_int_equal(value.len, 0);
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get(lab, "k", &value), APR_SUCCESS);
    assert_null(value.data);
    assert_int_equal(atomic_load(&lab->server->connections), 1);
    unit_redis_stop(lab->server);
}

static void test_many_values(void **state)
{
    static const char *const keys[] = { "a", "b", "c" };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    bearer_cache_value_t values[3];

    says(lab, UNIT_REDIS_SAY, "*3\r\n$1\r\nx\r\n$-1\r\n$2\r\nyz\r\n");
    assert_int_equal(bearer_redis_get(lab->redis, keys, 3, values, 64, p),
                     APR_SUCCESS);
    assert_string_equal(unit_redis_log(lab->server, p), "MGET a b c\n");
    assert_string_equal((const char *)values[0].data, "x");
    assert_null(values[1].data);
    assert_string_equal((const char *)values[2].data, "yz");
    assert_int_equal(bearer_redis_get(lab->redis, keys, 0, values, 64, p),
                     APR_EGENERAL);
    says(lab, UNIT_REDIS_SAY, "*2\r\n$1\r\nx\r\n$-1\r\n");  /* of three */
    assert_int_equal(bearer_redis_get(lab->redis, keys, 3, values, 64, p),
                     APR_EGENERAL);
    assert_int_equal(bearer_redis_get(lab->redis, keys, BEARER_REDIS_VALUES + 1,
                                      values, 64, p), APR_EGENERAL);
    unit_redis_stop(lab->server);
}

static void test_writes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);

    says(lab, UNIT_REDIS_SAY, "+OK\r\n");
    assert_int_equal(set(lab, BEARER_REDIS_ALWAYS), APR_SUCCESS);
    assert_int_equal(set(lab, BEARER_REDIS_IF_ABSENT), APR_SUCCESS);
    assert_int_equal(set(lab, BEARER_REDIS_IF_PRESENT), APR_SUCCESS);
    assert_string_equal(unit_redis_log(lab->server, p),
                        "SET k v PX 2\nSET k v PX 2 NX\nSET k v PX 2 XX\n");
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(set(lab, BEARER_REDIS_IF_ABSENT), APR_EEXIST);
    assert_int_equal(set(lab, BEARER_REDIS_IF_PRESENT), APR_NOTFOUND);
    assert_int_equal(bearer_redis_set(lab->redis, "k", "v", 1, 0,
                                      BEARER_REDIS_ALWAYS, p), APR_EGENERAL);
    says(lab, UNIT_REDIS_SAY, ":1\r\n");
    assert_int_equal(bearer_redis_remove(lab->redis, "k", p), APR_SUCCESS);
    assert_string_equal(unit_redis_log(lab->server, p), "DEL k\n");
    says(lab, UNIT_REDIS_SAY, ":0\r\n");
    assert_int_equal(bearer_redis_remove(lab->redis, "k", p), APR_NOTFOUND);
    assert_int_equal(lab->w->lines->nelts, 0);
    unit_redis_stop(lab->server);
}

/* ---- who asks ----------------------------------------------------------- */

/* A session beside others of its user: one round trip, once. */
static void test_list(void **state)
{
    static const bearer_redis_list_t list = { "b:L", "b:", 5000 };
    static const struct {
        const char *reply;
        apr_status_t rv;
    } replies[] = {
        { "+OK\r\n", APR_SUCCESS }, { "$-1\r\n", APR_EEXIST },
        { "-OOM command not allowed\r\n", APR_ENOSPC },
        { "-READONLY You can't\r\n", APR_ENOSPC },
        { "-NOPERM this user\r\n", APR_ENOSPC },
        { "-ERR The user executing the script can't\r\n", APR_ENOSPC },
        { "-ERR unknown command 'EVAL'\r\n", APR_ENOSPC },
        { ":1\r\n", APR_EGENERAL }, { "*1\r\n:1\r\n", APR_EGENERAL },
    };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    const char *log, *after;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(replies); i++) {
        says(lab, UNIT_REDIS_SAY, replies[i].reply);
        UNIT_CHECK(bearer_redis_add_to_list(lab->redis, "b:K", "v", 1, 1500, &list, p)
                   == replies[i].rv, "%s", replies[i].reply);
        if (i == 0) {
            log = unit_redis_log(lab->server, p);
            after = strstr(log, " 2 b:K b:L v 2 5 2 32\n");
            assert_memory_equal(log, "EVAL local ", 11);
            assert_non_null(after);
            assert_null(strchr(after, '\n')[1] ? log : NULL);
        }
    }
    /* the list lives as long as what it names */
    says(lab, UNIT_REDIS_SAY, "+OK\r\n");
    bearer_redis_add_to_list(lab->redis, "b:K", "v", 1, 9000, &list, p);
    assert_non_null(strstr(unit_redis_log(lab->server, p), " b:K b:L v 9 9 2 32\n"));
    assert_int_equal(bearer_redis_add_to_list(lab->redis, "b:K", "v", 1, 0, &list, p),
                     APR_EGENERAL);
    unit_redis_stop(lab->server);
}

static void test_login(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, apr_psprintf(p, "/tmp/unit-redis-%d", (int)getpid()));
    bearer_secret_t *password = NULL;
    const char *error;

    setenv("UNIT_REDIS_PASSWORD", "the secret word", 1);
    assert_null(bearer_secret_parse(&password, "env:UNIT_REDIS_PASSWORD",
                                    "AuthBearerSOCache", p));
    assert_int_equal(bearer_secret_start(password, &error, p), APR_SUCCESS);
    lab->config.password = password;
    lab->config.user = "web";
    lab->config.database = 7;
    start_client(lab, NULL);
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get_it(lab), APR_SUCCESS);
    assert_int_equal(get_it(lab), APR_SUCCESS);
    assert_string_equal(unit_redis_log(lab->server, p),
                        "AUTH web the secret word\nSELECT 7\n"
                        "GET bearer-test:00\nGET bearer-test:00\n");
    /* an OK to the login is none to the command */
    lab->w->now += BEARER_REDIS_AGE;
    says(lab, UNIT_REDIS_SAY, ":1\r\n");
    assert_int_equal(set(lab, BEARER_REDIS_ALWAYS), APR_EGENERAL);
    assert_string_equal(unit_redis_log(lab->server, p),
                        "AUTH web the secret word\nSELECT 7\nSET k v PX 2\n");
    lab->server->auth = "-WRONGPASS invalid username-password pair\r\n";
    lab->w->now += BEARER_REDIS_AGE;
    says(lab, UNIT_REDIS_SAY, "+OK\r\n");
    assert_int_equal(set(lab, BEARER_REDIS_ALWAYS), APR_EGENERAL);
    assert_string_equal(unit_redis_log(lab->server, p), "AUTH web the secret word\n");
    assert_int_equal(unit_world_logged(lab->w, "WRONGPASS"), 1);
    assert_int_equal(unit_world_logged(lab->w, "check the user and password="), 1);
    assert_int_equal(unit_world_logged(lab->w, "secret word"), 0);
    unit_redis_stop(lab->server);
}

/* A path that would be cut names another socket. */
static void test_socket_paths(void **state)
{
    const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    size_t len;

    unit_redis_stop(lab->server);
    lab->config.host = NULL;
    for (len = most - 1; len <= most + 1; len++) {
        char *path = apr_pcalloc(p, len + 1);

        memset(path, '/', len);
        lab->config.path = path;
        assert_int_equal(bearer_redis_create(&lab->redis, &lab->config,
                                             &lab->w->world, &lab->shared, NULL, p),
                         len < most ? APR_SUCCESS : APR_ENAMETOOLONG);
    }
}

/* ---- who is refused ----------------------------------------------------- */

static void test_refused_writes(void **state)
{
    static const char *const refusals[] = {
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-MISCONF Redis is configured to save RDB snapshots\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
        "-NOPERM this user has no permissions to run the 'set' command\r\n",
    };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    size_t i;

    for (i = 0; i < UNIT_COUNT(refusals); i++) {
        lab->w->now += 60 * SECOND;
        lab->w->lines->nelts = 0;
        says(lab, UNIT_REDIS_SAY, refusals[i]);
        UNIT_CHECK(set(lab, BEARER_REDIS_ALWAYS) == APR_ENOSPC
                   && set(lab, BEARER_REDIS_IF_ABSENT) == APR_ENOSPC
                   && bearer_redis_remove(lab->redis, "k", p) == APR_ENOSPC,
                   "%s", refusals[i]);
        UNIT_CHECK(lab->w->lines->nelts == 1
                   && unit_world_logged(lab->w, "redis://test: '") == 1,
                   "%s", refusals[i]);
        says(lab, UNIT_REDIS_SAY, "$-1\r\n");
        assert_int_equal(get_it(lab), APR_SUCCESS);
        lab->w->now += 29 * SECOND;
    }
    assert_false(bearer_breaker_is_open(&lab->shared.breaker));
    unit_redis_stop(lab->server);
}

static void test_troubles(void **state)
{
    static const struct {
        const char *reply, *change;
    } cases[] = {
        { "-NOAUTH Authentication required.\r\n", "it needs password=" },
        { "-NOPERM no permissions to run 'get'\r\n", "+get" },
        { "-LOADING Redis is loading the dataset\r\n", "it is starting" },
        { "-MOVED 3999 127.0.0.1:6381\r\n", "name a single server" },
        { "-CLUSTERDOWN Hash slot not served\r\n", "name a single server" },
        { "-ERR DB index is out of range\r\n", "the database number" },
        { "-ERR \033[2Jwhat is that\r\n", "%1b" },
    };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    size_t i;
    int asked;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        says(lab, UNIT_REDIS_SAY, cases[i].reply);
        lab->w->lines->nelts = 0;
        UNIT_CHECK(get_it(lab) == APR_EGENERAL, "%s", cases[i].reply);
        asked = atomic_load(&lab->server->commands);
        UNIT_CHECK(get_it(lab) == APR_EGENERAL
                   && set(lab, BEARER_REDIS_ALWAYS) == APR_EGENERAL
                   && atomic_load(&lab->server->commands) == asked,
                   "%s: asked again", cases[i].reply);
        lab->w->now += SECOND;
        UNIT_CHECK(get_it(lab) == APR_EGENERAL && get_it(lab) == APR_EGENERAL
                   && atomic_load(&lab->server->commands) == asked + 1,
                   "%s: one probe a second", cases[i].reply);
        UNIT_CHECK(lab->w->lines->nelts == 1
                   && unit_world_logged(lab->w, cases[i].change) == 1,
                   "%s", cases[i].reply);
        lab->w->now += SECOND;
        says(lab, UNIT_REDIS_SAY, "$-1\r\n");
        UNIT_CHECK(get_it(lab) == APR_SUCCESS && get_it(lab) == APR_SUCCESS
                   && unit_world_logged(lab->w, "answers again") == 1,
                   "%s: over", cases[i].reply);
    }
    unit_redis_stop(lab->server);
}

/* ---- time --------------------------------------------------------------- */

static void check_elapsed(apr_time_t begun, const char *what)
{
    apr_interval_time_t took = bearer_monotonic() - begun;

    UNIT_CHECK(took >= TIMEOUT - 1000 && took < 2 * TIMEOUT + SECOND / 4,
               "%s took %" APR_TIME_T_FMT " us", what, took);
}

static void test_deadline(void **state)
{
    static const struct {
        unit_redis_mode_t mode;
        const char *reply;
    } cases[] = {
        { UNIT_REDIS_SILENT, "" },
        { UNIT_REDIS_SAY, "$64\r\nbegun" },
        { UNIT_REDIS_DRIP, "$60\r\n0123456789012345678901234567890123456789" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        lab_t *lab = lab_with_client(p);
        apr_time_t begun = bearer_monotonic();

        says(lab, cases[i].mode, cases[i].reply);
        assert_int_equal(get_it(lab), APR_EGENERAL);
        check_elapsed(begun, cases[i].reply);
        begun = bearer_monotonic();
        assert_int_equal(get_it(lab), APR_EGENERAL);
        UNIT_CHECK(bearer_monotonic() - begun < TIMEOUT / 2, "the next one waits");
        assert_int_equal(unit_world_logged(lab->w, "no answer within"), 1);
        unit_redis_stop(lab->server);
    }
}

/* The kernel takes the connection and what fits its buffers; nobody reads. */
static void test_server_that_reads_nothing(void **state)
{
    static char large[16 * 1024 * 1024];
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    apr_time_t begun;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(fd, 1), 0);
    lab->config.port = ntohs(address.sin_port);
    start_client(lab, NULL);
    begun = bearer_monotonic();
    assert_int_equal(bearer_redis_set(lab->redis, "k", large, sizeof(large), 1500,
                                      BEARER_REDIS_ALWAYS, p), APR_EGENERAL);
    check_elapsed(begun, "a value that is not read");
    assert_int_equal(unit_world_logged(lab->w, "no answer within"), 1);
    close(fd);
    unit_redis_stop(lab->server);
}

/* AUTH, SELECT and the reply share one deadline. */
static void test_deadline_of_all(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    bearer_secret_t *password = NULL;
    apr_time_t begun;

    assert_null(bearer_secret_parse(&password, "env:HOME", "AuthBearerSOCache", p));
    password->value = apr_pstrdup(p, "x");
    password->len = 1;
    lab->config.password = password;
    lab->config.database = 1;
    atomic_store(&lab->server->login_delay, (int)apr_time_as_msec(TIMEOUT) * 2 / 3);
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    start_client(lab, NULL);
    begun = bearer_monotonic();
    assert_int_equal(get_it(lab), APR_EGENERAL);
    check_elapsed(begun, "all of it");
    assert_int_equal(atomic_load(&lab->server->commands), 0);
    unit_redis_stop(lab->server);
}

static void test_nobody_there(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);

    unit_redis_stop(lab->server);
    assert_int_equal(get_it(lab), APR_EGENERAL);
    assert_int_equal(unit_world_logged(lab->w, "Connection refused"), 1);
    lab->w->now += SECOND;
    assert_int_equal(set(lab, BEARER_REDIS_ALWAYS), APR_EGENERAL);
    assert_int_equal(lab->w->lines->nelts, 1);
}

/* ---- connections -------------------------------------------------------- */

static void test_closed_while_idle(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    int i;

    says(lab, UNIT_REDIS_SAY_CLOSE, "+OK\r\n");
    for (i = 0; i < 8; i++) {
        assert_int_equal(set(lab, i % 2 ? BEARER_REDIS_IF_ABSENT
                                        : BEARER_REDIS_ALWAYS), APR_SUCCESS);
        while (atomic_load(&lab->server->open)) {
            apr_sleep(1000);
        }
    }
    assert_int_equal(atomic_load(&lab->server->connections), 8);
    assert_int_equal(atomic_load(&lab->server->commands), 8);
    assert_int_equal(lab->w->lines->nelts, 0);
    unit_redis_stop(lab->server);
}

/* Cut at the moment it is used again: what may be repeated is. */
static void test_cut_when_used_again(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);

    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get_it(lab), APR_SUCCESS);
    says(lab, UNIT_REDIS_SAY_CLOSE, "");
    assert_int_equal(set(lab, BEARER_REDIS_IF_ABSENT), APR_EGENERAL);
    assert_int_equal(atomic_load(&lab->server->commands), 2);
    assert_false(bearer_breaker_is_open(&lab->shared.breaker));
    assert_int_equal(lab->w->lines->nelts, 0);
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get_it(lab), APR_SUCCESS);
    says(lab, UNIT_REDIS_SAY_CLOSE, "");
    assert_int_equal(get_it(lab), APR_EGENERAL);
    assert_int_equal(atomic_load(&lab->server->commands), 5);  /* it was repeated */
    assert_true(bearer_breaker_is_open(&lab->shared.breaker));
    unit_redis_stop(lab->server);
}

static void test_age(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    int i, last = 0;

    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get_it(lab), APR_SUCCESS);
    lab->w->now += BEARER_REDIS_IDLE;
    assert_int_equal(get_it(lab), APR_SUCCESS);
    assert_int_equal(atomic_load(&lab->server->connections), 2);
    for (i = 0; i < 20; i++) {
        lab->w->now += BEARER_REDIS_IDLE - 1;
        assert_int_equal(get_it(lab), APR_SUCCESS);
        last = atomic_load(&lab->server->connections);
    }
    assert_int_equal(last, 3);
    lab->w->now -= 3600 * SECOND;
    assert_int_equal(get_it(lab), APR_SUCCESS);
    assert_int_equal(atomic_load(&lab->server->connections), 4);
    unit_redis_stop(lab->server);
}

typedef struct caller_t {
    lab_t *lab;
    int number, wrong;
} caller_t;

static void *call_often(void *baton)
{
    caller_t *caller = baton;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < 200; i++) {
        const char *key = apr_psprintf(p, "k-%d-%d", caller->number, i);
        bearer_cache_value_t value;

        caller->wrong += bearer_redis_get(caller->lab->redis, &key, 1, &value, 64, p)
                             != APR_SUCCESS
                         || !value.data || strcmp((char *)value.data, key) != 0;
    }
    apr_pool_destroy(p);
    return NULL;
}

/* Nobody gets another's answer, and there are never more connections. */
static void test_many_callers(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    caller_t callers[12];
    pthread_t threads[12];
    size_t i;

    lab->config.timeout = 20 * SECOND;
    start_client(lab, NULL);
    unit_redis_says(lab->server, UNIT_REDIS_ECHO, "", 0);
    for (i = 0; i < UNIT_COUNT(threads); i++) {
        callers[i] = (caller_t){ lab, (int)i, 0 };
        pthread_create(&threads[i], NULL, call_often, &callers[i]);
    }
    for (i = 0; i < UNIT_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
    assert_in_range(atomic_load(&lab->server->connections), 1, 4);
    assert_int_equal(atomic_load(&lab->server->commands), 12 * 200);
    unit_redis_stop(lab->server);
}

static void *call_once(void *baton)
{
    caller_t *caller = baton;
    bearer_cache_value_t value;
    const char *key = "k";
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    caller->wrong = bearer_redis_get(caller->lab->redis, &key, 1, &value, 64, p)
                    != APR_SUCCESS;
    apr_pool_destroy(p);
    return NULL;
}

/* Slow is not away: those who get no turn in time say so, and the breaker stays
 * closed. */
static void test_slow_server(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    caller_t callers[8];
    pthread_t threads[8];
    int refused = 0;
    size_t i;

    lab->config.connections = 1;
    lab->config.timeout = 3 * TIMEOUT;
    start_client(lab, NULL);
    says(lab, UNIT_REDIS_DRIP, "$-1\r\n");  /* 150 ms */
    for (i = 0; i < UNIT_COUNT(threads); i++) {
        callers[i] = (caller_t){ lab, 0, 0 };
        pthread_create(&threads[i], NULL, call_once, &callers[i]);
    }
    for (i = 0; i < UNIT_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        refused += callers[i].wrong;
    }
    assert_in_range(refused, 1, 7);
    assert_int_equal(unit_world_logged(lab->w, "connections were busy"), 1);
    assert_false(bearer_breaker_is_open(&lab->shared.breaker));
    unit_redis_stop(lab->server);
}

/* ---- the gate ----------------------------------------------------------- */

/* One thread may wait. */
static bearer_gate_t *narrow_gate(lab_t *lab)
{
    bearer_gate_config_t config = { 0 };
    bearer_gate_t *gate;

    config.world = &lab->w->world;
    config.own_limit = 1;
    config.cache = 1;
    assert_int_equal(bearer_gate_create(&gate, &config, lab->p), APR_SUCCESS);
    return lab->w->world.gate = gate;
}

typedef struct visitor_t {
    bearer_gate_t *gate;
    int leaves;                    /**< 0: it dies inside */
    const char *full;
} visitor_t;

static void *visit(void *baton)
{
    visitor_t *v = baton;
    bearer_ticket_t ticket;

    v->full = bearer_gate_enter(&ticket, v->gate, BEARER_PARTY_CACHE, SECOND);
    if (!v->full && v->leaves) {
        bearer_gate_leave(&ticket);
    }
    return NULL;
}

/* NULL: another thread found a place in the gate. */
static const char *visit_of_another(bearer_gate_t *gate, int leaves)
{
    visitor_t v = { gate, leaves, NULL };
    pthread_t thread;

    pthread_create(&thread, NULL, visit, &v);
    pthread_join(thread, NULL);
    return v.full;
}

static void test_gate(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    bearer_gate_t *gate = narrow_gate(lab);

    start_client(lab, NULL);
    says(lab, UNIT_REDIS_SILENT, "");
    assert_int_equal(get_it(lab), APR_EGENERAL);
    assert_true(bearer_breaker_is_open(&lab->shared.breaker));
    assert_null(visit_of_another(gate, 1));     /* the place was given back */
    unit_redis_stop(lab->server);
}

static void test_full_gate(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);
    apr_time_t begun;

    assert_null(visit_of_another(narrow_gate(lab), 0));
    lab->config.timeout = 20 * SECOND;
    start_client(lab, NULL);
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get_it(lab), APR_SUCCESS);  /* over in a moment */
    says(lab, UNIT_REDIS_SILENT, "");
    begun = bearer_monotonic();
    assert_int_equal(get_it(lab), APR_EGENERAL);
    UNIT_CHECK(bearer_monotonic() - begun < 10 * SECOND, "it waited");
    /* which says nothing about the server */
    assert_false(bearer_breaker_is_open(&lab->shared.breaker));
    assert_int_equal(unit_world_logged(lab->w, "redis://test"), 0);
    unit_redis_stop(lab->server);
}

/* ---- names -------------------------------------------------------------- */

static int port_of_nobody, port_of_server;

static void loopback(bearer_address_t *out, int port)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&out->address;

    memset(out, 0, sizeof(*out));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons((uint16_t)port);
    out->len = sizeof(*address);
}

static int two_addresses(const char *host, int port, bearer_address_t *addresses,
                         const char **error)
{
    (void)host, (void)port, (void)error;
    loopback(&addresses[0], port_of_nobody);
    loopback(&addresses[1], port_of_server);
    return 2;
}

static int never_found(const char *host, int port, bearer_address_t *addresses,
                       const char **error)
{
    (void)host, (void)port, (void)addresses;
    *error = "no such name";
    return -1;
}

static atomic_int waited_for;

static int slowly_found(const char *host, int port, bearer_address_t *addresses,
                        const char **error)
{
    (void)host, (void)port, (void)addresses, (void)error;
    while (!atomic_load(&waited_for)) {
        apr_sleep(1000);
    }
    return 0;
}

static void test_second_address(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_redis_t *gone = unit_redis(p, NULL);
    lab_t *lab = lab_of(p, NULL);

    unit_redis_stop(gone);
    port_of_nobody = gone->port;
    port_of_server = lab->server->port;
    lab->config.host = "cache.test";
    start_client(lab, two_addresses);
    says(lab, UNIT_REDIS_SAY, "$-1\r\n");
    assert_int_equal(get_it(lab), APR_SUCCESS);
    unit_redis_stop(lab->server);
}

static void test_names_without_address(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL), *slow = lab_of(p, NULL);
    apr_time_t begun;

    lab->config.host = slow->config.host = "cache.test";
    lab->config.timeout = 20 * SECOND;  /* which an answer does not take */
    start_client(lab, never_found);
    begun = bearer_monotonic();
    assert_int_equal(get_it(lab), APR_EGENERAL);
    assert_true(bearer_monotonic() - begun < 15 * SECOND);
    assert_int_equal(unit_world_logged(lab->w, "no such name"), 1);
    start_client(slow, slowly_found);
    begun = bearer_monotonic();
    assert_int_equal(get_it(slow), APR_EGENERAL);
    check_elapsed(begun, "looking it up");
    atomic_store(&waited_for, 1);
    assert_int_equal(unit_world_logged(slow->w, "being looked up"), 1);
    unit_redis_stop(lab->server);
    unit_redis_stop(slow->server);
}

/* ---- replies that nobody asked for -------------------------------------- */

static void test_replies_to_refuse(void **state)
{
    static const char *const replies[] = {
        ":1\r\n", "+OK\r\n", "*1\r\n$1\r\nx\r\n", "*-1\r\n", "*0\r\n",
        "*1000000000\r\n", "*1\r\n*1\r\n*1\r\n$1\r\nx\r\n", "*1\r\n:1\r\n",
        "*1\r\n-ERR\r\n", "$-2\r\n", "$99999999999999999999\r\n", "$1\r\nxyz\r\n",
        "$65\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "%1\r\n+a\r\n+b\r\n",
        ",1.5\r\n", "#t\r\n", "_\r\n", ">1\r\n+x\r\n", "$-1\r\n$-1\r\n",
        "$1\r\nx\r\n+OK\r\n", "\r\n", "$\r\n", "*\r\n"
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(replies); i++) {
        lab_t *lab = lab_with_client(p);
        bearer_cache_value_t value = { NULL, 0 };
        apr_status_t rv;

        says(lab, UNIT_REDIS_SAY_CLOSE, replies[i]);
        rv = get(lab, "k", &value);
        UNIT_CHECK(rv == APR_EGENERAL
                   || (rv == APR_SUCCESS && !value.data
                       && (!strcmp(replies[i], "*-1\r\n")
                           || !strcmp(replies[i], "_\r\n"))),
                   "%s: %d", replies[i], rv);
        unit_redis_stop(lab->server);
    }
}

static void test_reply_that_is_too_long(void **state)
{
    static const char *const begins[] = {
        "$100000000\r\n", "+", "-", "*1\r\n$100000000\r\n", ":", "$"
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(begins); i++) {
        lab_t *lab = lab_of(p, NULL);

        lab->config.timeout = 20 * SECOND;
        start_client(lab, NULL);
        says(lab, UNIT_REDIS_FLOOD, begins[i]);
        UNIT_CHECK(get_it(lab) == APR_EGENERAL, "%s", begins[i]);
        while (atomic_load(&lab->server->open)) {
            apr_sleep(1000);
        }
        /* what the sockets hold, but not all of it */
        UNIT_CHECK(atomic_load(&lab->server->flooded) < 20000000, "%s: %ld bytes",
                   begins[i], atomic_load(&lab->server->flooded));
        unit_redis_stop(lab->server);
    }
}

/* The same as before, whatever is changed in a good reply. */
static void test_mutated_replies(void **state)
{
    static const char *const good[] = {
        "*2\r\n$3\r\nabc\r\n$-1\r\n", "*2\r\n$1\r\nx\r\n$10\r\n0123456789\r\n",
        "-ERR no\r\n", "$4\r\nabcd\r\n"
    };
    static const char alphabet[] = "*$+-:\r\n0123456789ab\0\377,#_%>~(=!|";
    static const char *const keys[] = { "a", "b" };
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_with_client(p);
    unsigned seed = 1;
    int i, n;

    for (i = 0; i < 1500; i++) {
        const char *from = good[i % (int)UNIT_COUNT(good)];
        size_t len = strlen(from), j;
        bearer_cache_value_t values[2];
        apr_status_t rv;
        char reply[64];
        apr_pool_t *sub;

        memcpy(reply, from, len);
        for (n = 0; n < 1 + i % 4; n++) {
            seed = seed * 1103515245 + 12345;
            j = (seed >> 16) % len;
            seed = seed * 1103515245 + 12345;
            reply[j] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        apr_pool_create(&sub, p);
        unit_redis_says(lab->server, UNIT_REDIS_SAY_CLOSE, reply, len);
        rv = bearer_redis_get(lab->redis, keys, 2, values, 8, sub);
        UNIT_CHECK(rv == APR_SUCCESS || rv == APR_EGENERAL, "%d", rv);
        for (j = 0; j < 2 && rv == APR_SUCCESS; j++) {
            assert_true(values[j].len <= 8);
        }
        apr_pool_destroy(sub);
        lab->w->now += SECOND;
        /* many connections: the server counts them for good */
        if (atomic_load(&lab->server->connections) > UNIT_REDIS_PEERS - 8) {
            unit_redis_stop(lab->server);
            lab = lab_with_client(p);
        }
    }
    unit_redis_stop(lab->server);
}

/* A login that is refused is no write that has no room. */
static void test_refused_login_of_a_write(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_of(p, NULL);

    lab->config.database = 7;
    lab->server->auth = "-OOM command not allowed\r\n";
    start_client(lab, NULL);
    says(lab, UNIT_REDIS_SAY, "+OK\r\n");
    assert_int_equal(set(lab, BEARER_REDIS_ALWAYS), APR_EGENERAL);
    assert_string_equal(unit_redis_log(lab->server, p), "SELECT 7\n");
    unit_redis_stop(lab->server);
}

/* ---- a system that has no socket -------------------------------------------- */

static atomic_int socket_error, connect_error;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);

int __wrap_socket(int domain, int type, int protocol)
{
    errno = atomic_load(&socket_error);
    return errno ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    errno = atomic_load(&connect_error);
    return errno ? -1 : __real_connect(fd, to, len);
}

static void test_no_socket(void **state)
{
    apr_pool_t *p = unit_pool(state);
    int which;

    for (which = 0; which < 2; which++) {
        lab_t *lab = lab_with_client(p);

        says(lab, UNIT_REDIS_SAY, "+OK\r\n");
        atomic_store(which ? &connect_error : &socket_error,
                     which ? ENETUNREACH : EMFILE);
        assert_int_equal(set(lab, BEARER_REDIS_ALWAYS), APR_EGENERAL);
        assert_int_equal(unit_world_logged(lab->w, which ? "unreachable" : "open files"),
                         1);
        atomic_store(&socket_error, 0);
        atomic_store(&connect_error, 0);
        unit_redis_stop(lab->server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_values),
        UNIT_TEST(test_many_values),
        UNIT_TEST(test_writes),
        UNIT_TEST(test_list),
        UNIT_TEST(test_login),
        UNIT_TEST(test_socket_paths),
        UNIT_TEST(test_refused_writes),
        UNIT_TEST(test_troubles),
        UNIT_TEST(test_deadline),
        UNIT_TEST(test_server_that_reads_nothing),
        UNIT_TEST(test_deadline_of_all),
        UNIT_TEST(test_nobody_there),
        UNIT_TEST(test_closed_while_idle),
        UNIT_TEST(test_cut_when_used_again),
        UNIT_TEST(test_age),
        UNIT_TEST(test_many_callers),
        UNIT_TEST(test_slow_server),
        UNIT_TEST(test_gate),
        UNIT_TEST(test_full_gate),
        UNIT_TEST(test_second_address),
        UNIT_TEST(test_names_without_address),
        UNIT_TEST(test_replies_to_refuse),
        UNIT_TEST(test_reply_that_is_too_long),
        UNIT_TEST(test_mutated_replies),
        UNIT_TEST(test_refused_login_of_a_write),
        UNIT_TEST(test_no_socket),
    };

    if (bearer_redis_lacks(0)) {
        print_message("%s\n", bearer_redis_lacks(0));
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    return UNIT_RUN("redis", tests);
}
