/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Which URLs may be fetched, and the small encodings of HTTP. */
#include "unit.h"

#include "base/http.h"

static const apr_array_header_t *plain_hosts(apr_pool_t *p)
{
    static const char *const hosts[] = { "idp.internal", "other.internal:8080",
                                         "[fd00::1]:9000", "fd00::2" };
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    size_t i;

    for (i = 0; i < UNIT_COUNT(hosts); i++) {
        APR_ARRAY_PUSH(list, const char *) = hosts[i];
    }
    return list;
}

static void test_urls_that_may_be_fetched(void **state)
{
    static const char *const good[] = {
        "https://idp.example.com/", "https://idp.example.com",
        "HTTPS://IDP.example.com:8443/keys?a=b&c=%20d",
        "https://[2001:db8::1]/keys", "https://[2001:db8::1]:8443",
        "https://192.0.2.1/", "https://a-b_c.example/",
        "http://localhost/", "http://LOCALHOST:81/x", "http://127.0.0.1:8080/",
        "http://127.9.9.9/", "http://[::1]:8080/",
        "http://idp.internal/", "http://IDP.internal:99/",
        "http://other.internal:8080/keys", "http://[fd00::1]:9000/",
        "http://[fd00::2]/", "http://[fd00::2]:81/",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        const char *error = bearer_http_url_error(good[i], NULL, plain_hosts(p),
                                                  p);

        UNIT_CHECK(error == NULL, "%s: %s", good[i], error);
    }
}

static void test_plain_http_is_named(void **state)
{
    static const char *const bad[] = {
        "http://idp.example.com/", "http://other.internal/",
        "http://other.internal:8081/", "http://xidp.internal/",
        "http://idp.internal.evil.example/", "http://[fd00::1]/",
        "http://[::2]/",
        /* what a resolver might still take for loopback */
        "http://127.1/", "http://2130706433/", "http://0x7f000001/",
        "http://0177.0.0.1/", "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/", "http://[::ffff:127.0.0.1]/",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        const char *error = bearer_http_url_error(bad[i], NULL, plain_hosts(p), p);

        UNIT_CHECK(unit_contains(error, "AuthBearerPlainHTTP"), "%s: %s",
                   bad[i], error ? error : "accepted");
    }
    assert_non_null(bearer_http_url_error("http://idp.internal/", NULL, NULL, p));
}

/* RFC 8414 lets a document name any URL; another host must not reach what listens
 * on this host's loopback. */
static void test_loopback_is_for_its_own_documents(void **state)
{
    static const struct {
        const char *url, *found_in;
        int allowed;
    } cases[] = {
        { "http://127.0.0.1:8080/x", "https://idp.example.com/m", 0 },
        { "http://127.9.9.9/", "https://idp.example.com/m", 0 },
        { "http://[::1]/x", "https://idp.example.com/m", 0 },
        { "http://LOCALHOST/x", "https://idp.example.com/m", 0 },
        { "http://localhost/x", "http://idp.internal/m", 0 },
        { "http://localhost/x", "https://localhost.evil.example/m", 0 },
        { "http://localhost/x", "https://127.0.0.1.evil.example/m", 0 },
        { "http://localhost/x", "https://127.1/m", 0 },
        { "http://localhost/x", "no URL", 0 },
        { "http://localhost/x", "", 0 },
        { "http://127.0.0.1:8080/x", "http://127.0.0.1/m", 1 },
        { "http://127.0.0.1:8080/x", "http://localhost:99/m", 1 },
        { "http://localhost/x", "https://[::1]:8443/m", 1 },
        /* the hosts that AuthBearerPlainHTTP names, wherever they were found */
        { "http://idp.internal/x", "https://idp.example.com/m", 1 },
        { "http://127.0.0.2:81/x", "https://idp.example.com/m", 1 },
        { "http://127.0.0.2:82/x", "https://idp.example.com/m", 0 },
        { "https://127.0.0.1/x", "https://idp.example.com/m", 1 },
    };
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *named = apr_array_copy(p, plain_hosts(p));
    size_t i;

    APR_ARRAY_PUSH(named, const char *) = "127.0.0.2:81";
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *error = bearer_http_url_error(cases[i].url, cases[i].found_in,
                                                  named, p);

        UNIT_CHECK((error == NULL) == cases[i].allowed, "%s in %s: %s", cases[i].url,
                   cases[i].found_in, error ? error : "accepted");
        UNIT_CHECK(!error || unit_contains(error, "from another host"), "%s",
                   error);
    }
}

static void test_urls_that_are_none(void **state)
{
    static const struct {
        const char *url, *says;
    } cases[] = {
        { "", "empty" },
        { "idp.example.com", "not absolute" },
        { "//idp.example.com/", "not absolute" },
        { "ftp://idp.example.com/", "not absolute" },
        { "file:///etc/passwd", "not absolute" },
        { "https:/idp.example.com/", "not absolute" },
        { "https://", "no host" },
        { "https:///x", "no host" },
        { "https://:443/", "no host" },
        { "https://user:pw@idp.example.com/", "credentials" },
        { "https://idp.example.com@evil.example/", "credentials" },
        { "https://idp.example.com/#x", "fragment" },
        { "https://idp.example.com/a b", "character" },
        { "https://idp.example.com/\r\nX: y", "character" },
        { "https://idp.example.com\\@evil.example/", "character" },
        { "https://idp.example.com/\xc3\xa4", "character" },
        { "https://idp.example.com/{tenant}/", "character" },
        { "https://idp%2eexample.com/", "host" },
        { "https://idp,example/", "host" },
        { "https://idp.example.com:/", "port" },
        { "https://idp.example.com:0/", "port" },
        { "https://idp.example.com:65536/", "port" },
        { "https://idp.example.com:4294967739/", "port" },
        { "https://idp.example.com:44x/", "port" },
        { "https://a:1:2/", "port" },
        { "https://[::1/", "IPv6" },
        { "https://[1:2]/", "IPv6" },
        { "https://[::1]x/", "host" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *error = bearer_http_url_error(cases[i].url, NULL, NULL, p);

        UNIT_CHECK(unit_contains(error, cases[i].says), "%s: %s",
                   cases[i].url, error ? error : "accepted");
    }
}

static void test_url_length_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *url = apr_palloc(p, BEARER_HTTP_URL_MAX + 2);

    memset(url, 'a', BEARER_HTTP_URL_MAX + 1);
    memcpy(url, "https://h/", 10);
    url[BEARER_HTTP_URL_MAX] = '\0';
    assert_null(bearer_http_url_error(url, NULL, NULL, p));
    url[BEARER_HTTP_URL_MAX] = 'a';
    url[BEARER_HTTP_URL_MAX + 1] = '\0';
    assert_true(unit_contains(bearer_http_url_error(url, NULL, NULL, p), "longer"));
}

static void test_parts_of_a_url(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_http_url_t url;

    assert_null(bearer_http_url_split(&url, "https://IDP.example/a?b=c", p));
    assert_int_equal(url.https, 1);
    assert_string_equal(url.host, "idp.example");
    assert_int_equal(url.port, 443);
    assert_string_equal(url.path, "/a?b=c");
    assert_null(bearer_http_url_split(&url, "http://[::1]:81?x", p));
    assert_int_equal(url.https, 0);
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 81);
    assert_string_equal(url.path, "?x");
}

static void test_same_origin(void **state)
{
    static const struct {
        const char *a, *b;
        int same;
    } cases[] = {
        { "https://h/a", "https://H:443/b", 1 },
        { "http://h/", "http://h:80", 1 },
        { "https://h/", "http://h/", 0 },
        { "https://h/", "https://h:8443/", 0 },
        { "https://h/", "https://h.evil/", 0 },
        { "https://h/", "https://evil/h", 0 },
        { "accounts.example.com", "accounts.example.com", 0 },
        { NULL, "https://h/", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(bearer_http_same_origin(cases[i].a, cases[i].b, p)
                       == cases[i].same, "case %u", (unsigned)i);
    }
}

static void test_shown_without_secrets(void **state)
{
    static const struct {
        const char *url, *shown, *masked;
    } cases[] = {
        { "https://h/p?token=s3cret", "https://h/p", "https://h/p?***" },
        { "https://h?s3cret", "https://h", "https://h?***" },
        { "https://u:s3cret@h/p#s3cret", "https://h/p", "https://***@h/p?***" },
        { "https://s3cret@h:81", "https://h:81", "https://***@h:81" },
        { "https://u:s3@cret@h/", "https://h/", "https://***@h/" },
        /* what should have been encoded */
        { "https://u:s3cret/s3cret@h/", "https://h/", "https://***@h/" },
        { "https://u:s3?cret@h/p?x", "https://h/p", "https://***@h/p?***" },
        { "https://u:9s3#cret@[::1]:81/", "https://[::1]:81/",
          "https://***@[::1]:81/" },
        { "u:s3cret@h:81", "h:81", "***@h:81" },
        /* an "@" that ends no credentials */
        { "https://h/@p", "https://h/@p", "https://h/@p" },
        { "https://h:81?e=s3cret@x", "https://h:81", "https://h:81?***" },
        { "https://[::1]:81/@p", "https://[::1]:81/@p", "https://[::1]:81/@p" },
        { "urn:x:y", "urn:x:y", "urn:x:y" },
        { "", "", "" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *shown = bearer_http_url_shown(cases[i].url, p);
        const char *masked = bearer_http_url_masked(cases[i].url, p);

        UNIT_CHECK(!strcmp(shown, apr_psprintf(p, "'%s'", cases[i].shown)),
                   "%s: %s", cases[i].url, shown);
        UNIT_CHECK(!strcmp(masked, cases[i].masked), "%s: %s", cases[i].url,
                   masked);
    }
    assert_string_equal(bearer_http_url_shown("http://h/\n", p),
                        "'http://h/%0a'");
}

/* Whatever is accepted, libcurl must take: its own complaint repeats the URL with
 * the password. */
static void test_proxies(void **state)
{
    static const char *const good[] = {
        "http://h", "http://h:3128", "https://h:3128/", "http://u:p@h:3128",
        "http://u:p%40%2f@[::1]:3128", "http://u@h",
    };
    static const char *const bad[] = {
        "", "h:3128", "socks5://u:p@h", "http://", "http://u:p@", "http://u:p@h:x",
        "http://u:p@h:99999", "http://u:p/q@h", "http://u:p?q@h", "http://u:p#q@h",
        "http://h:3128/#x", "http://h h",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        const char *error = bearer_http_proxy_error(good[i], p);

        UNIT_CHECK(!error, "%s: %s", good[i], error);
    }
    for (i = 0; i < UNIT_COUNT(bad); i++) {
        UNIT_CHECK(bearer_http_proxy_error(bad[i], p) != NULL, "%s", bad[i]);
    }
}

static void test_form_escape(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_http_form_escape(p, ""), "");
    assert_string_equal(bearer_http_form_escape(p, "aZ09*-._"), "aZ09*-._");
    assert_string_equal(bearer_http_form_escape(p, "a b&c=d+e%~/\xc3\xa4\n"),
                        "a+b%26c%3Dd%2Be%25%7E%2F%C3%A4%0A");
}

static void test_http_dates(void **state)
{
    static const char *const same[] = {   /* RFC 9110 section 5.6.7 */
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char *const none[] = { "0", "-1", "", "soon", "1994-11-06" };
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(same); i++) {
        UNIT_CHECK(bearer_http_date(same[i]) == apr_time_from_sec(784111777),
                   "%s", same[i]);
    }
    for (i = 0; i < UNIT_COUNT(none); i++) {
        UNIT_CHECK(bearer_http_date(none[i]) == 0, "%s", none[i]);
    }
    assert_int_equal(bearer_http_date(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_urls_that_may_be_fetched),
        UNIT_TEST(test_plain_http_is_named),
        UNIT_TEST(test_loopback_is_for_its_own_documents),
        UNIT_TEST(test_urls_that_are_none),
        UNIT_TEST(test_url_length_is_bounded),
        UNIT_TEST(test_parts_of_a_url),
        UNIT_TEST(test_same_origin),
        UNIT_TEST(test_shown_without_secrets),
        UNIT_TEST(test_proxies),
        UNIT_TEST(test_form_escape),
        UNIT_TEST(test_http_dates),
    };

    return UNIT_RUN("http", tests);
}
