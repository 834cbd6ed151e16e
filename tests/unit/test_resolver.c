/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The resolver: who waits, for how long, and what serves meanwhile. */
#include <arpa/inet.h>
#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <time.h>

#include "unit.h"

#include "base/resolver.h"

#define MS(n) apr_time_from_msec((n) * (apr_time_t)unit_slow())

static atomic_int lookups, delay_ms, fails, held;

/* The resolver's clock (the linker puts this in the place of clock_gettime): the
 * machine's, and so many seconds more. */
static atomic_long ahead;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int rv = __real_clock_gettime(id, now);

    now->tv_sec += atomic_load(&ahead);
    return rv;
}

static int lookup(const char *host, int port, bearer_address_t *addresses,
                  const char **error)
{
    struct sockaddr_in *to = (struct sockaddr_in *)&addresses[0].address;
    int number = atomic_fetch_add(&lookups, 1) + 1;

    apr_sleep(MS(atomic_load(&delay_ms)));
    while (atomic_load(&held)) {
        apr_sleep(500);
    }
    if (atomic_load(&fails)) {
        *error = "no such name";
        return -1;
    }
    assert_string_equal(host, "cache.test");
    memset(to, 0, sizeof(*to));
    to->sin_family = AF_INET;
    to->sin_port = htons((uint16_t)(port + number));
    addresses[0].len = sizeof(*to);
    return 1;
}

static atomic_int system_error;

int __real_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);

int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
    int error = hints->ai_flags & AI_NUMERICHOST ? 0 : atomic_load(&system_error);

    return error ? error : __real_getaddrinfo(host, service, hints, found);
}

static bearer_resolver_t *resolver(apr_pool_t *p, int delay, int failing)
{
    bearer_resolver_t *r;

    atomic_store(&lookups, 0);
    atomic_store(&delay_ms, delay);
    atomic_store(&fails, failing);
    assert_int_equal(bearer_resolver_create(&r, "cache.test", 100, lookup, p),
                     APR_SUCCESS);
    return r;
}

static int ask(bearer_resolver_t *r, apr_interval_time_t patience,
               bearer_address_t *addresses, const char **error)
{
    return bearer_resolver_get(r, addresses, bearer_monotonic() + patience, error);
}

static void test_numbers(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "::1" };
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    bearer_resolver_t *r;
    const char *error;
    size_t i;

    for (i = 0; i < UNIT_COUNT(hosts); i++) {
        atomic_store(&lookups, 0);
        assert_int_equal(bearer_resolver_create(&r, hosts[i], 6379, lookup,
                                                unit_pool(state)), APR_SUCCESS);
        assert_int_equal(ask(r, 0, addresses, &error), 1);
        assert_null(error);
        assert_int_equal(addresses[0].address.ss_family, i ? AF_INET6 : AF_INET);
        assert_int_equal(atomic_load(&lookups), 0);
    }
}

static void test_first_lookup(void **state)
{
    bearer_resolver_t *r = resolver(unit_pool(state), 100, 0);
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    const char *error;

    assert_int_equal(ask(r, 0, addresses, &error), 0);
    assert_string_equal(error, "its address is still being looked up");
    assert_int_equal(ask(r, MS(5000), addresses, &error), 1);
    assert_int_equal(ask(r, 0, addresses, &error), 1);
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_no_such_name(void **state)
{
    bearer_resolver_t *r = resolver(unit_pool(state), 0, 1);
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    const char *error;
    int i;

    for (i = 0; i < 20; i++) {
        assert_int_equal(ask(r, MS(5000), addresses, &error), 0);
        assert_string_equal(error, "no such name");
    }
    assert_int_equal(atomic_load(&lookups), 1);  /* not so soon again */
}

static int port_of(const bearer_address_t *address)
{
    return ntohs(((const struct sockaddr_in *)&address->address)->sin_port);
}

/* Asks until that many lookups have begun, and `port` is what is answered if it is
 * not 0; until then the former one is, at once. */
static void ask_until(bearer_resolver_t *r, int wanted, int former, int port)
{
    apr_time_t until = bearer_monotonic() + MS(60000);
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    const char *error;

    do {
        assert_int_equal(ask(r, 0, addresses, &error), 1);
        assert_null(error);
        if (port_of(&addresses[0]) != port) {
            assert_int_equal(port_of(&addresses[0]), former);
        }
        apr_sleep(500);
    } while ((atomic_load(&lookups) < wanted
              || (port && port_of(&addresses[0]) != port))
             && bearer_monotonic() < until);
    assert_int_equal(atomic_load(&lookups), wanted);
    assert_int_equal(port_of(&addresses[0]), port ? port : former);
}

/* The former addresses serve while new ones are looked up, and if that fails. */
static void test_next_lookup(void **state)
{
    bearer_resolver_t *r = resolver(unit_pool(state), 0, 0);
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    const char *error;

    assert_int_equal(ask(r, MS(5000), addresses, &error), 1);
    atomic_store(&held, 1);
    bearer_resolver_expire(r);
    assert_int_equal(ask(r, 0, addresses, &error), 1);
    assert_int_equal(atomic_load(&lookups), 1);  /* not so soon */
    atomic_fetch_add(&ahead, 2);
    ask_until(r, 2, 101, 0);
    atomic_store(&held, 0);
    ask_until(r, 2, 101, 102);
    atomic_store(&fails, 1);
    bearer_resolver_expire(r);
    atomic_fetch_add(&ahead, 2);
    ask_until(r, 3, 102, 0);
}

/* Nothing said that they are of no use: they are looked up again in time. */
static void test_freshness(void **state)
{
    bearer_resolver_t *r = resolver(unit_pool(state), 0, 0);
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    const char *error;

    assert_int_equal(ask(r, MS(5000), addresses, &error), 1);
    atomic_fetch_add(&ahead, (long)apr_time_sec(BEARER_RESOLVER_FRESH) - 5);
    assert_int_equal(ask(r, 0, addresses, &error), 1);
    assert_int_equal(atomic_load(&lookups), 1);
    atomic_fetch_add(&ahead, 5);
    ask_until(r, 2, 101, 102);
}

static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;

    while (tasks && readdir(tasks)) {
        n++;
    }
    if (tasks) {
        closedir(tasks);
    }
    return n;
}

/* Whoever ends does not wait for a resolver that hangs. */
static void test_abandoned(void **state)
{
    int before = threads(), i;
    apr_pool_t *p;

    (void)state;
    apr_pool_create(&p, NULL);
    atomic_store(&held, 1);
    resolver(p, 0, 0);
    apr_pool_destroy(p);           /* it would take for ever if it waited */
    atomic_store(&held, 0);
    for (i = 0; i < 10000 && threads() > before; i++) {
        apr_sleep(1000);           /* the lookup releases what is left */
    }
    assert_true(threads() <= before);
}

/* The system is asked where the owner brings nothing else. */
static void test_system(void **state)
{
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    bearer_resolver_t *r;
    const char *error;

    atomic_store(&system_error, EAI_AGAIN);
    assert_int_equal(bearer_resolver_create(&r, "cache.test", 100, NULL,
                                            unit_pool(state)), APR_SUCCESS);
    assert_int_equal(ask(r, MS(60000), addresses, &error), 0);
    assert_string_equal(error, gai_strerror(EAI_AGAIN));
    atomic_store(&system_error, 0);
    assert_int_equal(bearer_resolver_create(&r, "localhost", 6379, NULL,
                                            unit_pool(state)), APR_SUCCESS);
    assert_true(ask(r, MS(60000), addresses, &error) >= 1);
    assert_null(error);
    assert_int_equal(port_of(&addresses[0]), 6379);
    assert_true(addresses[0].len >= sizeof(struct sockaddr_in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_numbers),
        UNIT_TEST(test_first_lookup),
        UNIT_TEST(test_no_such_name),
        UNIT_TEST(test_next_lookup),
        UNIT_TEST(test_freshness),
        UNIT_TEST(test_abandoned),
        UNIT_TEST(test_system),
    };

    return UNIT_RUN("resolver", tests);
}
