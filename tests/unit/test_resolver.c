/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The resolver: who waits, for how long, and what serves meanwhile. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include "unit.h"

#include "bearer/resolver.h"

#define MS(n) apr_time_from_msec((n) * (apr_time_t)unit_slow())

static atomic_int lookups, delay_ms, fails;

static int lookup(const char *host, int port, bearer_address_t *addresses,
                  const char **error)
{
    struct sockaddr_in *to = (struct sockaddr_in *)&addresses[0].address;
    int number = atomic_fetch_add(&lookups, 1) + 1;

    apr_sleep(MS(atomic_load(&delay_ms)));
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

/* The former addresses serve while new ones are looked up, and if that fails. */
static void test_next_lookup(void **state)
{
    bearer_resolver_t *r = resolver(unit_pool(state), 0, 0);
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    const char *error;
    apr_time_t until;

    assert_int_equal(ask(r, MS(5000), addresses, &error), 1);
    atomic_store(&delay_ms, 50);
    bearer_resolver_expire(r);
    until = bearer_monotonic() + MS(20000);
    while (atomic_load(&lookups) < 2 && bearer_monotonic() < until) {
        assert_int_equal(ask(r, 0, addresses, &error), 1);
        assert_int_equal(ntohs(((struct sockaddr_in *)&addresses[0].address)
                                   ->sin_port), 101);
        apr_sleep(1000);
    }
    while (ntohs(((struct sockaddr_in *)&addresses[0].address)->sin_port) != 102
           && bearer_monotonic() < until) {
        assert_int_equal(ask(r, 0, addresses, &error), 1);
        apr_sleep(1000);
    }
    assert_int_equal(atomic_load(&lookups), 2);
    atomic_store(&fails, 1);
    bearer_resolver_expire(r);
    while (atomic_load(&lookups) < 3 && bearer_monotonic() < until) {
        assert_int_equal(ask(r, 0, addresses, &error), 1);
        apr_sleep(1000);
    }
    assert_int_equal(atomic_load(&lookups), 3);
}

/* Whoever ends does not wait for a resolver that hangs. */
static void test_abandoned(void **state)
{
    apr_pool_t *p;
    apr_time_t begun;

    (void)state;
    apr_pool_create(&p, NULL);
    resolver(p, 3000, 0);
    begun = bearer_monotonic();
    apr_pool_destroy(p);
    UNIT_CHECK(bearer_monotonic() - begun < MS(2500), "it waited");
    apr_sleep(MS(3000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_numbers),
        UNIT_TEST(test_first_lookup),
        UNIT_TEST(test_no_such_name),
        UNIT_TEST(test_next_lookup),
        UNIT_TEST(test_abandoned),
    };

    return UNIT_RUN("resolver", tests);
}
