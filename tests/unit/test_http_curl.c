/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The HTTP client against a scripted server: what it sends, what it refuses. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "unit_server.h"

#include "base/http.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* The clock of the client and of this test (the linker puts it in the place of
 * apr_time_now): the machine's, or ten times as quick since some moment. */
static _Atomic apr_time_t quicker_since;

apr_time_t __real_apr_time_now(void);
apr_time_t __wrap_apr_time_now(void);

apr_time_t __wrap_apr_time_now(void)
{
    apr_time_t now = __real_apr_time_now(), since = atomic_load(&quicker_since);

    return since ? since + 10 * (now - since) : now;
}

typedef struct asked_t {
    apr_status_t rv;
    bearer_http_response_t *response;
    const char *error;
    apr_interval_time_t took;
} asked_t;

static bearer_http_request_t get(const char *url)
{
    bearer_http_request_t r;

    memset(&r, 0, sizeof(r));
    r.method = "GET";
    r.url = url;
    r.connect_timeout = unit_slow() * apr_time_from_sec(10);
    r.total_timeout = unit_slow() * apr_time_from_sec(20);
    r.max_body = 1000;
    return r;
}

static const bearer_http_client_t *new_client(apr_pool_t *p)
{
    return bearer_http_curl_create("unit/1", NULL, p);
}

static asked_t ask_with(const bearer_http_client_t *client,
                        const bearer_http_request_t *request, apr_pool_t *p)
{
    asked_t a;
    apr_time_t start = apr_time_now();

    a.rv = client->perform(client, request, &a.response, &a.error, p);
    a.took = apr_time_now() - start;
    if (a.rv == APR_SUCCESS) {
        assert_non_null(a.response);
        assert_null(a.error);
    } else {
        assert_null(a.response);
        assert_non_null(a.error);
    }
    return a;
}

static asked_t ask(const bearer_http_request_t *request, apr_pool_t *p)
{
    return ask_with(new_client(p), request, p);
}

static asked_t ask_for(const char *answer, apr_pool_t *p)
{
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r = get(s->url);
    asked_t a;

    unit_server_says(s, answer);
    a = ask(&r, p);
    unit_server_stop(s);
    return a;
}

#define assert_says(error, part) \
    UNIT_CHECK(unit_contains(error, part), "%s", (error) ? (error) : "(none)")

/* ---- plain answers ----------------------------------------------------- */

static void test_status_headers_body(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asked_t a = ask_for("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n"
                        "X-One:  a \r\nX-Two: 1\r\nx-two: 2\r\n\r\nhello", p);

    assert_int_equal(a.rv, APR_SUCCESS);
    assert_int_equal(a.response->status, 404);
    assert_string_equal(apr_table_get(a.response->headers, "x-one"), "a");
    assert_string_equal(apr_table_get(a.response->headers, "X-Two"), "2");
    assert_int_equal(a.response->body_len, 5);
    assert_string_equal(a.response->body, "hello");
}

static void test_any_status_is_an_answer(void **state)
{
    static const int statuses[] = { 200, 204, 401, 429, 500, 503 };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(statuses); i++) {
        asked_t a = ask_for(apr_psprintf(p, "HTTP/1.1 %d X\r\n"
                                            "Content-Length: 0\r\n\r\n",
                                         statuses[i]), p);

        assert_int_equal(a.rv, APR_SUCCESS);
        assert_int_equal(a.response->status, statuses[i]);
        assert_string_equal(a.response->body, "");
    }
}

static void test_interim_answers_leave_nothing(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asked_t a = ask_for("HTTP/1.1 103 Early Hints\r\nCache-Control: max-age=9"
                        "\r\n\r\n" OK_EMPTY, p);

    assert_int_equal(a.rv, APR_SUCCESS);
    assert_int_equal(a.response->status, 200);
    assert_null(apr_table_get(a.response->headers, "Cache-Control"));
}

static void test_chunked_body(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asked_t a = ask_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", p);

    assert_int_equal(a.rv, APR_SUCCESS);
    assert_string_equal(a.response->body, "abcde");
}

/* ---- what is sent ------------------------------------------------------ */

static void test_get_as_sent(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL);
    apr_table_t *headers = apr_table_make(p, 2);
    bearer_http_request_t r = get(apr_pstrcat(p, s->url, "/k?a=b", NULL));

    unit_server_says(s, OK_EMPTY);
    apr_table_setn(headers, "Accept", "application/json");
    apr_table_setn(headers, "Authorization", "Bearer x");
    apr_table_setn(headers, "X-Empty", "");
    r.headers = headers;
    assert_int_equal(ask(&r, p).rv, APR_SUCCESS);
    unit_server_stop(s);
    assert_int_equal(strncmp(s->request, "GET /k?a=b HTTP/1.1\r\n", 21), 0);
    assert_says(s->request, "\r\nUser-Agent: unit/1\r\n");
    assert_says(s->request, "\r\nAccept: application/json\r\n");
    assert_says(s->request, "\r\nAuthorization: Bearer x\r\n");
    assert_says(s->request, "\r\nX-Empty:\r\n");
    assert_false(unit_contains(s->request, "Accept-Encoding"));
}

/* Another path and query, at the same server: whatever it looks like. */
static void test_target(void **state)
{
    static const struct {
        const char *target, *line;
    } cases[] = {
        { "/x?a=b", "GET /x?a=b HTTP/1.1\r\n" },
        { "/a/../b/./c", "GET /a/../b/./c HTTP/1.1\r\n" },
        { "//evil.test/", "GET //evil.test/ HTTP/1.1\r\n" },
        { "/@evil.test:1/", "GET /@evil.test:1/ HTTP/1.1\r\n" },
        { "@evil.test/", NULL },  { ".evil.test/", NULL },
        { "", NULL },             { "/a b", NULL },
        { "/a\r\nX: y", NULL },   { "/a#b", NULL },
        { "/\xc3\xa4", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        unit_server_t *s = unit_server(p, NULL);
        bearer_http_request_t r = get(apr_pstrcat(p, s->url, "/w?c=d", NULL));

        unit_server_says(s, OK_EMPTY);
        r.target = cases[i].target;
        UNIT_CHECK((ask(&r, p).rv == APR_SUCCESS) == (cases[i].line != NULL), "%s",
                   cases[i].target);
        unit_server_stop(s);
        UNIT_CHECK(!cases[i].line || !strncmp(s->request, cases[i].line,
                                              strlen(cases[i].line)), "%s",
                   s->request);
    }
}

static void test_post_and_other_methods(void **state)
{
    static const struct {
        const char *method, *body, *line, *end;
    } cases[] = {
        { "POST", "a=b&c", "POST / HTTP/1.1\r\n", "\r\n\r\na=b&c" },
        { "POST", NULL, "POST / HTTP/1.1\r\n", "\r\n\r\n" },
        { "PUT", "x", "PUT / HTTP/1.1\r\n", "\r\n\r\nx" },
        { "DELETE", NULL, "DELETE / HTTP/1.1\r\n", "\r\n\r\n" },
        { "HEAD", NULL, "HEAD / HTTP/1.1\r\n", "\r\n\r\n" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        unit_server_t *s = unit_server(p, NULL);
        bearer_http_request_t r = get(s->url);
        size_t len, end = strlen(cases[i].end);

        unit_server_says(s, OK_EMPTY);
        r.method = cases[i].method;
        r.body = cases[i].body;
        r.body_len = r.body ? strlen(r.body) : 0;
        assert_int_equal(ask(&r, p).rv, APR_SUCCESS);
        unit_server_stop(s);
        len = strlen(s->request);
        UNIT_CHECK(strncmp(s->request, cases[i].line, strlen(cases[i].line))
                       == 0, "%s", s->request);
        UNIT_CHECK(len > end && strcmp(s->request + len - end, cases[i].end)
                       == 0, "%s", s->request);
        assert_false(unit_contains(s->request, "Expect:"));
    }
}

static void test_attack_header_injection(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        { "X-A", "1\r\nX-B: 2" }, { "X-A", "1\n" }, { "X-A\r\nX-B", "1" },
        { "X-A:", "1" }, { "", "1" }, { "X-A", "\x7f" },
    };
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL);
    size_t i;

    unit_server_says(s, OK_EMPTY);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_table_t *headers = apr_table_make(p, 1);
        bearer_http_request_t r = get(s->url);
        asked_t a;

        apr_table_setn(headers, cases[i].name, cases[i].value);
        r.headers = headers;
        a = ask(&r, p);
        assert_int_equal(a.rv, APR_EGENERAL);
        assert_says(a.error, "control characters");
    }
    unit_server_stop(s);
    assert_int_equal(atomic_load(&s->requests), 0);
}

static void test_environment_proxy_is_ignored(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL), *proxy = unit_server(p, NULL);
    bearer_http_request_t r = get(s->url);
    asked_t a;

    unit_server_says(s, OK_EMPTY);
    unit_server_says(proxy, "HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n");
    setenv("http_proxy", proxy->url, 1);
    setenv("ALL_PROXY", proxy->url, 1);
    a = ask(&r, p);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    unit_server_stop(s);
    unit_server_stop(proxy);
    assert_int_equal(a.rv, APR_SUCCESS);
    assert_int_equal(a.response->status, 200);
    assert_int_equal(atomic_load(&proxy->requests), 0);
}

static void test_configured_proxy_is_used(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *proxy = unit_server(p, NULL);
    bearer_http_request_t r = get("http://idp.invalid/keys");
    asked_t a;

    unit_server_says(proxy, OK_EMPTY);
    setenv("no_proxy", "idp.invalid", 1);
    r.proxy = proxy->url;
    a = ask(&r, p);
    unsetenv("no_proxy");
    unit_server_stop(proxy);
    assert_int_equal(a.rv, APR_SUCCESS);
    assert_says(proxy->request, "GET http://idp.invalid/keys HTTP/1.1");
}

/* ---- what is refused --------------------------------------------------- */

static void test_redirects_are_not_followed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *target = unit_server(p, NULL);
    asked_t a;

    unit_server_says(target, OK_EMPTY);
    a = ask_for(apr_psprintf(p, "HTTP/1.1 302 Found\r\nLocation: %s/\r\n"
                                "Content-Length: 0\r\n\r\n", target->url), p);
    unit_server_stop(target);
    assert_int_equal(a.rv, APR_SUCCESS);
    assert_int_equal(a.response->status, 302);
    assert_int_equal(atomic_load(&target->connections), 0);
}

static void test_other_protocols(void **state)
{
    static const char *const urls[] = {
        "file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/",
        "127.0.0.1", "http://user:secret@127.0.0.1/",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(urls); i++) {
        bearer_http_request_t r = get(urls[i]);
        asked_t a = ask(&r, p);

        assert_int_equal(a.rv, APR_EGENERAL);
        assert_false(unit_contains(a.error, "secret"));
    }
}

/* In our words or in those of libcurl, of which newer versions see more. */
static void assert_says_either(const char *text, const char *ours,
                               const char *theirs)
{
    if (!unit_contains(text, theirs)) {
        assert_says(text, ours);
    }
}

static void test_body_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *long_body = apr_palloc(p, 1002);
    asked_t a;

    memset(long_body, 'x', 1001);
    long_body[1001] = '\0';
    /* announced, and not announced */
    a = ask_for(apr_pstrcat(p, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
                            long_body, NULL), p);
    assert_int_equal(a.rv, APR_ENOSPC);
    a = ask_for(apr_pstrcat(p, "HTTP/1.1 200 OK\r\n\r\n", long_body, NULL), p);
    assert_int_equal(a.rv, APR_ENOSPC);
    assert_says_either(a.error, "larger than 1000 bytes", "too large");
    a = ask_for(apr_pstrcat(p, "HTTP/1.1 200 OK\r\n\r\n", long_body + 1, NULL),
                p);
    assert_int_equal(a.rv, APR_SUCCESS);
    assert_int_equal(a.response->body_len, 1000);
}

static void test_headers_are_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *fields = apr_pstrdup(p, "");
    asked_t a;
    int i;

    for (i = 0; i < 300; i++) {
        fields = apr_pstrcat(p, fields, "A: b\r\n", NULL);
    }
    a = ask_for(apr_pstrcat(p, "HTTP/1.1 200 OK\r\n", fields,
                            "Content-Length: 0\r\n\r\n", NULL), p);
    assert_int_equal(a.rv, APR_EGENERAL);
    assert_says(a.error, "too many headers");
}

static void test_attack_compressed_answers(void **state)
{
    static const char *const codings[] = {
        "Content-Encoding: gzip", "content-encoding: br",
        "Content-Encoding: identity, gzip", "Transfer-Encoding: gzip, chunked",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(codings); i++) {
        asked_t a = ask_for(apr_psprintf(p, "HTTP/1.1 200 OK\r\n%s\r\n"
                                            "Content-Length: 2\r\n\r\n{}",
                                         codings[i]), p);

        assert_int_equal(a.rv, APR_EGENERAL);
        assert_says_either(a.error, "compressed", "Transfer-Encoding (gzip)");
    }
    assert_int_equal(ask_for("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n"
                             "Content-Length: 0\r\n\r\n", p).rv, APR_SUCCESS);
}

static void test_broken_answers(void **state)
{
    static const struct {
        const char *answer, *says;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "before the end" },
        { "not HTTP at all\r\n\r\n", "" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        asked_t a = ask_for(cases[i].answer, p);

        assert_int_equal(a.rv, APR_EGENERAL);
        assert_says(a.error, cases[i].says);
    }
}

/* ---- time -------------------------------------------------------------- */

static asked_t ask_slow(unit_server_mode_t mode, apr_interval_time_t total,
                        apr_pool_t *p)
{
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r = get(apr_pstrcat(p, s->url, "/?x=s3cret", NULL));
    asked_t a;

    unit_server_does(s, mode, "HTTP/1.1 200 OK\r\n\r\n{");
    r.total_timeout = total;
    a = ask(&r, p);
    unit_server_stop(s);
    return a;
}

static void test_slow_answers_end_in_time(void **state)
{
    static const unit_server_mode_t modes[] = { UNIT_SERVER_TRICKLE,
                                                UNIT_SERVER_SILENT };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(modes); i++) {
        asked_t a = ask_slow(modes[i], apr_time_from_msec(150), p);

        assert_int_equal(a.rv, APR_TIMEUP);
        assert_true(a.took >= apr_time_from_msec(140));
        assert_true(a.took < unit_slow() * apr_time_from_sec(3));
        assert_says(a.error, "AuthBearerTimeout total=");
        assert_false(unit_contains(a.error, "s3cret"));
    }
}

typedef struct patient_t {
    pthread_t thread;
    unit_server_mode_t mode;
    apr_pool_t *p;
    asked_t a;
} patient_t;

static void *be_patient(void *patient_)
{
    patient_t *patient = patient_;

    patient->a = ask_slow(patient->mode, unit_slow() * apr_time_from_msec(1200),
                          patient->p);
    return NULL;
}

/* Who allows for a slow issuer by AuthBearerTimeout total= is not cut short; an
 * answer that has begun and does not go on is: after five seconds, which are half a
 * second here. Side by side. */
static void test_silence_and_standstill(void **state)
{
    apr_time_t start = __real_apr_time_now();
    apr_interval_time_t took;
    patient_t silent = { .mode = UNIT_SERVER_SILENT };
    patient_t stalled = { .mode = UNIT_SERVER_STALL };
    patient_t *both[] = { &silent, &stalled };
    size_t i;

    (void)state;
    atomic_store(&quicker_since, start);
    for (i = 0; i < 2; i++) {
        apr_pool_create_unmanaged(&both[i]->p);
        assert_int_equal(pthread_create(&both[i]->thread, NULL, be_patient,
                                        both[i]), 0);
    }
    for (i = 0; i < 2; i++) {
        pthread_join(both[i]->thread, NULL);
        assert_int_equal(both[i]->a.rv, APR_TIMEUP);
    }
    took = __real_apr_time_now() - start;
    atomic_store(&quicker_since, 0);
    assert_true(took >= apr_time_from_msec(1150));
    assert_says(silent.a.error, "AuthBearerTimeout total=");
    assert_true(stalled.a.took >= apr_time_from_msec(4900));
    assert_says(stalled.a.error, "stopped");
    for (i = 0; i < 2; i++) {
        apr_pool_destroy(both[i]->p);
    }
}

/* TLS asked of a server that takes the bytes and never shakes hands. */
static void test_connect_timeout(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r;
    asked_t a;

    unit_server_does(s, UNIT_SERVER_SILENT, "");
    r = get(apr_psprintf(p, "https://127.0.0.1:%d/", s->port));
    r.connect_timeout = apr_time_from_msec(150);
    a = ask(&r, p);
    unit_server_stop(s);
    assert_int_equal(a.rv, APR_TIMEUP);
    assert_true(a.took < unit_slow() * apr_time_from_sec(3));
    assert_says(a.error, "AuthBearerTimeout connect=");
}

/*
 * A resolver that does not answer, and a kernel that forbids: these functions
 * stand before libc's, as far as the linker and the sanitizers let them.
 */
#if defined(__GLIBC__) && !defined(__clang__) \
    && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WITH_OWN_LIBC
static atomic_int connect_errno;

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
    static int (*real)(int, __CONST_SOCKADDR_ARG, socklen_t);
    void *symbol = dlsym(RTLD_NEXT, "connect");

    if (atomic_load(&connect_errno)) {
        errno = atomic_load(&connect_errno);
        return -1;
    }
    memcpy(&real, &symbol, sizeof(real));
    return real(fd, address, len);
}

/* A file that stands for the authorities which libcurl trusts by itself; or NULL. */
static const char *_Atomic authorities;

/* OpenSSL's way to files. */
FILE *fopen64(const char *path, const char *mode)
{
    static FILE *(*real)(const char *, const char *);
    const char *usual = curl_version_info(CURLVERSION_NOW)->cainfo;
    const char *other = atomic_load(&authorities);
    void *symbol = dlsym(RTLD_NEXT, "fopen64");

    memcpy(&real, &symbol, sizeof(real));
    return real(other && usual && strcmp(path, usual) == 0 ? other : path, mode);
}

static atomic_int resolver_released, resolver_ended;
static atomic_int moved;   /* moving.test to 127.0.0.2 */
static atomic_long passed; /* seconds, as far as libcurl and APR know */

time_t time(time_t *to)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (to) {
        *to = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);

    now->tv_sec += atomic_load(&passed);
    return (int)result;
}

int getaddrinfo(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **result)
{
    static int (*real)(const char *, const char *, const struct addrinfo *,
                       struct addrinfo **);
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    int i;

    if (host && strcmp(host, "slow.invalid") == 0) {
        for (i = 0; i < 300 && !atomic_load(&resolver_released); i++) {
            (void)poll(NULL, 0, 10);
        }
        atomic_store(&resolver_ended, 1);
        return EAI_AGAIN;
    }
    if (host && strcmp(host, "moving.test") == 0) {
        host = atomic_load(&moved) ? "127.0.0.2" : "127.0.0.1";
    }
    memcpy(&real, &symbol, sizeof(real));
    return real(host, service, hints, result);
}
#endif

/* A server that moves is found at its new address after a while, although it is
 * asked all the time and the old one goes on answering. */
static void test_a_server_that_moves(void **state)
{
#ifdef WITH_OWN_LIBC
    apr_pool_t *p = unit_pool(state);
    const bearer_http_client_t *client = new_client(p);
    unit_server_t *before = unit_server(p, NULL);
    unit_server_t *after = unit_server_at(p, NULL, 2, before->port);
    bearer_http_request_t r =
        get(apr_psprintf(p, "http://moving.test:%d/", before->port));
    int i;

    unit_server_does(before, UNIT_SERVER_ANSWER, OK_EMPTY);
    unit_server_does(after, UNIT_SERVER_ANSWER, OK_EMPTY);
    for (i = 0; i < 3; i++) {
        assert_int_equal(ask_with(client, &r, p).rv, APR_SUCCESS);
    }
    assert_int_equal(atomic_load(&before->connections), 1);
    atomic_store(&moved, 1);
    for (i = 0; i < 90 && !atomic_load(&after->requests); i++) {
        assert_int_equal(ask_with(client, &r, p).rv, APR_SUCCESS);
        atomic_fetch_add(&passed, 1);
    }
    assert_in_range(i, 1, 62);
    assert_int_equal(atomic_load(&before->connections), 1);
    assert_int_equal(ask_with(client, &r, p).rv, APR_SUCCESS);
    assert_int_equal(atomic_load(&after->connections), 1);
    atomic_store(&passed, 0);
    atomic_store(&moved, 0);
    unit_server_stop(before);
    unit_server_stop(after);
#else
    (void)state;
    skip();
#endif
}

static void test_slow_resolver_ends_in_time(void **state)
{
#ifdef WITH_OWN_LIBC
    apr_pool_t *p = unit_pool(state);
    bearer_http_request_t r = get("http://slow.invalid/");
    asked_t a;

    if (curl_version_info(CURLVERSION_NOW)->version_num < 0x075700) {
        skip();
    }
    r.total_timeout = apr_time_from_msec(200);
    a = ask(&r, p);
    assert_int_equal(a.rv, APR_TIMEUP);
    assert_int_equal(atomic_load(&resolver_ended), 0);
    atomic_store(&resolver_released, 1);
    while (!atomic_load(&resolver_ended)) {
        (void)poll(NULL, 0, 10);
    }
#else
    (void)state;
    skip();
#endif
}

static int stop_now(void)
{
    return 1;
}

static void test_stopping_ends_a_transfer(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_http_client_t *client = bearer_http_curl_create("unit/1", stop_now, p);
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r = get(s->url);
    asked_t a;

    unit_server_does(s, UNIT_SERVER_TRICKLE, "HTTP/1.1 200 OK\r\n\r\n");
    r.total_timeout = r.connect_timeout = apr_time_from_sec(20);
    a = ask_with(client, &r, p);
    unit_server_stop(s);
    assert_int_equal(a.rv, APR_EINTR);
    assert_true(a.took < unit_slow() * apr_time_from_sec(5));
    assert_says(a.error, "the server is stopping");
}

/* ---- connections ------------------------------------------------------- */

static void test_connections_are_used_again(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_http_client_t *client = new_client(p);
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r = get(s->url);
    apr_table_t *headers = apr_table_make(p, 1);

    unit_server_does(s, UNIT_SERVER_ANSWER, OK_EMPTY);
    apr_table_setn(headers, "Authorization", "Bearer x");
    r.headers = headers;
    r.method = "PUT";
    r.body = "x";
    r.body_len = 1;
    assert_int_equal(ask_with(client, &r, p).rv, APR_SUCCESS);
    r = get(s->url);
    assert_int_equal(ask_with(client, &r, p).rv, APR_SUCCESS);
    unit_server_stop(s);
    assert_false(unit_contains(s->request, "Authorization"));
    assert_int_equal(strncmp(s->request, "GET / ", 6), 0);
    assert_int_equal(atomic_load(&s->requests), 2);
    assert_int_equal(atomic_load(&s->connections), 1);
}

/* After a transfer that was given up nothing of it reaches the next one. */
static void test_handle_is_dropped_after_an_error(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_http_client_t *client = new_client(p);
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r = get(s->url);

    unit_server_does(s, UNIT_SERVER_ANSWER,
                     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                     "Content-Length: 0\r\n\r\n");
    assert_int_equal(ask_with(client, &r, p).rv, APR_EGENERAL);
    unit_server_does(s, UNIT_SERVER_ANSWER, OK_EMPTY);
    assert_int_equal(ask_with(client, &r, p).rv, APR_SUCCESS);
    unit_server_stop(s);
    assert_int_equal(atomic_load(&s->connections), 2);
}

typedef struct worker_t {
    const bearer_http_client_t *client;
    const char *url;
    int good;
} worker_t;

static void *work(void *baton)
{
    worker_t *w = baton;
    bearer_http_request_t r = get(w->url);
    int i;

    for (i = 0; i < 10; i++) {
        apr_pool_t *p;
        bearer_http_response_t *response;
        const char *error;

        apr_pool_create(&p, NULL);
        w->good += w->client->perform(w->client, &r, &response, &error, p)
                       == APR_SUCCESS
                   && response->status == 200;
        apr_pool_destroy(p);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL);
    const bearer_http_client_t *client = new_client(p);
    pthread_t threads[4];
    worker_t workers[4];
    int i, good = 0;

    unit_server_says(s, OK_EMPTY);
    for (i = 0; i < 4; i++) {
        workers[i].client = client;
        workers[i].url = s->url;
        workers[i].good = 0;
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        good += workers[i].good;
    }
    unit_server_stop(s);
    assert_int_equal(good, 40);
}

/* ---- errors that explain themselves ------------------------------------ */

static void test_connection_refused(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r = get(apr_pstrcat(p, s->url, "/k?secret=1", NULL));
    asked_t a;

    unit_server_stop(s);
    a = ask(&r, p);
    assert_int_equal(a.rv, APR_EGENERAL);
    assert_says(a.error, "refused the connection");
    assert_says(a.error, apr_psprintf(p, "127.0.0.1:%d/k'", s->port));
    assert_false(unit_contains(a.error, "secret"));
}

static void test_connection_forbidden(void **state)
{
#ifdef WITH_OWN_LIBC
    apr_pool_t *p = unit_pool(state);
    bearer_http_request_t r = get("http://127.0.0.1:9/");
    asked_t a;

    atomic_store(&connect_errno, EACCES);
    a = ask(&r, p);
    atomic_store(&connect_errno, 0);
    assert_int_equal(a.rv, APR_EGENERAL);
    assert_says(a.error, "setsebool -P httpd_can_network_connect on");
#else
    (void)state;
    skip();
#endif
}

static void test_name_that_does_not_exist(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_http_request_t r = get("http://does-not-exist.invalid/");
    asked_t a = ask(&r, p);

    assert_int_not_equal(a.rv, APR_SUCCESS);
    assert_says(a.error, "does-not-exist.invalid");
    assert_says(a.error, "resolve");
}

static void test_proxy_that_is_not_there(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_http_request_t r = get("http://idp.invalid/");
    asked_t a;

    r.proxy = "http://no-proxy.invalid:3128";
    a = ask(&r, p);
    assert_int_not_equal(a.rv, APR_SUCCESS);
    assert_says(a.error, "AuthBearerHTTPProxy");
}

/* ---- TLS --------------------------------------------------------------- */

static const char *temporary(apr_pool_t *p)
{
    char *path = apr_pstrdup(p, "test_http_curl.XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    return path;
}

static asked_t ask_tls(const char *names, long from, long until, int trusted,
                       apr_pool_t *p)
{
    const char *pem = temporary(p);
    unit_server_t *s = unit_server(p, unit_server_tls(names, from, until, pem));
    bearer_http_request_t r = get(s->url);
    asked_t a;

    unit_server_says(s, OK_EMPTY);
    r.ca_file = trusted ? pem : NULL;
    a = ask(&r, p);
    unit_server_stop(s);
    unlink(pem);
    UNIT_CHECK((a.rv == APR_SUCCESS) == (atomic_load(&s->requests) == 1),
               "a request was sent to a server that was not verified");
    return a;
}

static void test_tls_with_ca_file(void **state)
{
    asked_t a = ask_tls("IP:127.0.0.1", -60, 3600, 1, unit_pool(state));

    UNIT_CHECK(a.rv == APR_SUCCESS, "%s", a.error);
    assert_int_equal(a.response->status, 200);
}

/* Without AuthBearerCAFile the authorities of the system are trusted. */
static void test_tls_with_the_systems_authorities(void **state)
{
#ifdef WITH_OWN_LIBC
    apr_pool_t *p = unit_pool(state);
    const char *pem;
    bearer_http_request_t r;
    unit_server_t *s;
    asked_t a;

    if (!curl_version_info(CURLVERSION_NOW)->cainfo) {
        skip();
    }
    pem = temporary(p);
    s = unit_server(p, unit_server_tls("IP:127.0.0.1", -60, 3600, pem));
    r = get(s->url);
    unit_server_says(s, OK_EMPTY);
    atomic_store(&authorities, pem);
    a = ask(&r, p);
    atomic_store(&authorities, NULL);
    unit_server_stop(s);
    unlink(pem);
    UNIT_CHECK(a.rv == APR_SUCCESS, "%s", a.error);
#else
    (void)state;
    skip();
#endif
}

static void test_attack_tls_not_verified(void **state)
{
    static const struct {
        const char *names;
        long from, until;
        int trusted;
        const char *says;
    } cases[] = {
        { "IP:127.0.0.1", -60, 3600, 0, "AuthBearerCAFile" },
        { "DNS:other.example", -60, 3600, 1, "for another host" },
        { "IP:127.0.0.1", -7200, -3600, 1, "expired" },
        { "IP:127.0.0.1", 3600, 7200, 1, "not valid yet" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        asked_t a = ask_tls(cases[i].names, cases[i].from, cases[i].until,
                            cases[i].trusted, p);

        assert_int_equal(a.rv, APR_EGENERAL);
        assert_says(a.error, cases[i].says);
    }
}

static void test_ca_file_that_is_not_there(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, unit_server_tls("IP:127.0.0.1", -60, 3600,
                                                      NULL));
    bearer_http_request_t r = get(s->url);
    asked_t a;

    unit_server_says(s, OK_EMPTY);
    r.ca_file = "does/not/exist.pem";
    a = ask(&r, p);
    unit_server_stop(s);
    assert_int_equal(a.rv, APR_EGENERAL);
    assert_says(a.error, "AuthBearerCAFile");
}

static void test_plain_port_asked_for_tls(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_server_t *s = unit_server(p, NULL);
    bearer_http_request_t r;
    asked_t a;

    unit_server_says(s, OK_EMPTY);
    r = get(apr_psprintf(p, "https://127.0.0.1:%d/", s->port));
    r.total_timeout = unit_slow() * apr_time_from_sec(1);
    a = ask(&r, p);
    unit_server_stop(s);
    assert_int_not_equal(a.rv, APR_SUCCESS);
    assert_int_equal(atomic_load(&s->requests), 0);
}

/* ---- libcurl stays mapped ---------------------------------------------------- */

static int opened_with, opened;

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);

void *__wrap_dlopen(const char *name, int flags)
{
    opened_with = flags;
    opened++;
    return __real_dlopen(name, flags);
}

/* The module may be unloaded while libcurl's threads look a name up. */
static void test_libcurl_stays(void **state)
{
    opened = 0;
    new_client(unit_pool(state));
    assert_int_equal(opened, 1);
    assert_int_equal(opened_with, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static int group_setup(void **state)
{
    signal(SIGPIPE, SIG_IGN);   /* OpenSSL writes without MSG_NOSIGNAL */
    return unit_group_setup(state)
           || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK;
}

static int group_teardown(void **state)
{
    curl_global_cleanup();
    return unit_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_status_headers_body),
        UNIT_TEST(test_any_status_is_an_answer),
        UNIT_TEST(test_interim_answers_leave_nothing),
        UNIT_TEST(test_chunked_body),
        UNIT_TEST(test_get_as_sent),
        UNIT_TEST(test_target),
        UNIT_TEST(test_post_and_other_methods),
        UNIT_TEST(test_attack_header_injection),
        UNIT_TEST(test_environment_proxy_is_ignored),
        UNIT_TEST(test_configured_proxy_is_used),
        UNIT_TEST(test_redirects_are_not_followed),
        UNIT_TEST(test_other_protocols),
        UNIT_TEST(test_body_is_bounded),
        UNIT_TEST(test_headers_are_bounded),
        UNIT_TEST(test_attack_compressed_answers),
        UNIT_TEST(test_broken_answers),
        UNIT_TEST(test_slow_answers_end_in_time),
        UNIT_TEST(test_silence_and_standstill),
        UNIT_TEST(test_connect_timeout),
        UNIT_TEST(test_a_server_that_moves),
        UNIT_TEST(test_slow_resolver_ends_in_time),
        UNIT_TEST(test_stopping_ends_a_transfer),
        UNIT_TEST(test_connections_are_used_again),
        UNIT_TEST(test_handle_is_dropped_after_an_error),
        UNIT_TEST(test_many_threads),
        UNIT_TEST(test_connection_refused),
        UNIT_TEST(test_connection_forbidden),
        UNIT_TEST(test_name_that_does_not_exist),
        UNIT_TEST(test_proxy_that_is_not_there),
        UNIT_TEST(test_tls_with_ca_file),
        UNIT_TEST(test_tls_with_the_systems_authorities),
        UNIT_TEST(test_attack_tls_not_verified),
        UNIT_TEST(test_ca_file_that_is_not_there),
        UNIT_TEST(test_plain_port_asked_for_tls),
        UNIT_TEST(test_libcurl_stays),
    };

    return cmocka_run_group_tests_name("http_curl", tests, group_setup,
                                       group_teardown);
}
