/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A sign of life, or none, within its time. */
#include "unit_server.h"

#include <sys/un.h>

#include "base/ping.h"

#define TIMEOUT apr_time_from_msec(200)

/* A server that says one thing to whoever connects, and holds the connection. */
typedef struct talker_t {
    int fd;
    const char *says, *name;
    char asked[64];
    pthread_t thread;
    atomic_int stopping;
} talker_t;

static void *talk(void *baton)
{
    talker_t *t = baton;

    while (!atomic_load(&t->stopping)) {
        int fd = accept(t->fd, NULL, NULL);
        ssize_t n;

        if (fd < 0) {
            continue;
        }
        n = recv(fd, t->asked, sizeof(t->asked) - 1, 0);
        t->asked[n < 0 ? 0 : n] = '\0';
        (void)!send(fd, t->says, strlen(t->says), MSG_NOSIGNAL);
        (void)!recv(fd, t->asked + n, 1, 0);
        close(fd);
    }
    return NULL;
}

static talker_t *talker(apr_pool_t *p, const char *says, const char *path)
{
    talker_t *t = apr_pcalloc(p, sizeof(*t));
    struct sockaddr_in in;
    struct sockaddr_un un;
    struct sockaddr *address = path ? (void *)&un : (void *)&in;
    socklen_t len = path ? sizeof(un) : sizeof(in);

    memset(&in, 0, sizeof(in));
    memset(&un, 0, sizeof(un));
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    un.sun_family = AF_UNIX;
    apr_cpystrn(un.sun_path, path ? path : "", sizeof(un.sun_path));
    t->fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(t->fd, address, len), 0);
    assert_int_equal(listen(t->fd, 8), 0);
    assert_int_equal(getsockname(t->fd, address, &len), 0);
    t->name = path ? path
                   : apr_psprintf(p, "127.0.0.1:%d", ntohs(in.sin_port));
    t->says = says;
    assert_int_equal(pthread_create(&t->thread, NULL, talk, t), 0);
    return t;
}

static void stop(talker_t *t)
{
    atomic_store(&t->stopping, 1);
    shutdown(t->fd, SHUT_RDWR);
    pthread_join(t->thread, NULL);
    close(t->fd);
}

/* Nobody listens there. */
static const char *nobody(apr_pool_t *p)
{
    talker_t *t = talker(p, "", NULL);

    stop(t);
    return t->name;
}

static const char *ping(const char *servers, apr_pool_t *p)
{
    apr_time_t start = apr_time_now();
    const char *why = bearer_ping(BEARER_PING_REDIS, servers, TIMEOUT, p);

    assert_true(apr_time_now() - start
                < unit_slow() * (3 * TIMEOUT + apr_time_from_msec(100)));
    return why;
}

static void test_alive(void **state)
{
    apr_pool_t *p = unit_pool(state);
    talker_t *redis = talker(p, "+PONG\r\n", NULL);
    talker_t *memcached = talker(p, "VERSION 1.6.18\r\n", NULL);

    assert_null(ping(redis->name, p));
    assert_string_equal(redis->asked, "PING\r\n");
    assert_null(bearer_ping(BEARER_PING_MEMCACHED, memcached->name, TIMEOUT, p));
    assert_string_equal(memcached->asked, "version\r\n");
    assert_non_null(ping(memcached->name, p));
    stop(redis);
    stop(memcached);
}

static void test_by_path(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *path = apr_psprintf(p, "/tmp/bearer-ping-%ld", (long)getpid());
    talker_t *redis = talker(p, "+PONG\r\n", path);

    assert_null(ping(path, p));
    stop(redis);
    assert_non_null(ping(path, p));
    unlink(path);
    UNIT_CHECK(unit_contains(ping(path, p), path), "%s", ping(path, p));
}

static void test_not_alive(void **state)
{
    static const struct {
        const char *says, *text;
    } cases[] = {
        { "", "no response in time" },
        { "+PON", "no response in time" },
        { "-LOADING Redis is loading\r\n", "'-LOADING Redis is loading'" },
        { "-NOAUTH Authentication required.\r\n", "-NOAUTH" },
        { "HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400" },
        { "\x01\x02\x7f\xff\r\n", "answered" },
    };
    apr_pool_t *p = unit_pool(state);
    apr_size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        talker_t *t = talker(p, cases[i].says, NULL);
        const char *why = ping(t->name, p);

        UNIT_CHECK(unit_contains(why, cases[i].text), "%s", why ? why : "alive");
        UNIT_CHECK(unit_contains(why, t->name), "%s", why);
        UNIT_CHECK(!strpbrk(why, "\r\n\x01\x7f"), "%s", why);
        stop(t);
    }
    assert_true(unit_contains(ping(nobody(p), p), "refused"));
    assert_non_null(ping("", p));
    assert_non_null(ping(":", p));
    assert_non_null(ping("127.0.0.1:99999", p));
}

/* A long answer is not waited for. */
static void test_talkative(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *text = apr_pcalloc(p, 100001);
    talker_t *t;

    memset(text, 'x', 100000);
    t = talker(p, text, NULL);
    assert_true(strlen(ping(t->name, p)) < 300);
    stop(t);
}

/* Several: that one is away does not matter as long as it says so. */
static void test_several(void **state)
{
    apr_pool_t *p = unit_pool(state);
    talker_t *one = talker(p, "+PONG\r\n", NULL);
    talker_t *two = talker(p, "+PONG\r\n", NULL);
    talker_t *silent = talker(p, "", NULL);
    const char *away = nobody(p), *why;

    assert_null(ping(apr_pstrcat(p, one->name, ",", two->name, NULL), p));
    assert_null(ping(apr_pstrcat(p, one->name, ",", away, NULL), p));
    assert_null(ping(apr_pstrcat(p, away, ",", one->name, NULL), p));
    assert_non_null(ping(apr_pstrcat(p, away, ",", away, NULL), p));
    why = ping(apr_pstrcat(p, one->name, ",", away, ",", silent->name, NULL), p);
    UNIT_CHECK(unit_contains(why, silent->name), "%s", why ? why : "alive");
    stop(one);
    stop(two);
    stop(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_alive), UNIT_TEST(test_by_path),
        UNIT_TEST(test_not_alive), UNIT_TEST(test_talkative),
        UNIT_TEST(test_several)
    };

    return UNIT_RUN("ping", tests);
}
