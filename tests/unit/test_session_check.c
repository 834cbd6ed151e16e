/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Session services: parsing of the directive, requests, evaluation of responses, and
 * how long they are cached.
 */
#include "unit_fault.h"
#include "unit_lab.h"

#include <unistd.h>

#include "claims.h"

#include "ask/session_check.h"
#include "base/text.h"
#include "judge/credential_syntax.h"
#include "judge/exports.h"

#define URL "https://kratos.example.com/sessions/whoami"
#define TOKEN "ory_st_0123456789"
#define NOW 1767225600
#define GOOD "{\"sub\":\"ann\",\"extra\":{\"team\":\"a\",\"sub\":\"root\"}}"
#define WHOAMI "{\"id\":\"s-1\",\"active\":true,\"identity\":{\"id\":\"id-7\"," \
               "\"traits\":{\"email\":\"ann@example.com\",\"roles\":[\"r\"]}}}"

/* ---- the line ------------------------------------------------------------ */

static const char *parse(apr_pool_t *p, const char *line,
                         bearer_session_check_t **check)
{
    return bearer_session_check_parse(check, unit_list(p, line), p);
}

static bearer_session_check_t *line(apr_pool_t *p, const char *text)
{
    bearer_session_check_t *check = NULL;
    const char *error = parse(p, text, &check);

    UNIT_CHECK(!error, "%s: %s", text, error);
    return check;
}

static void test_defaults(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_session_check_print(line(p, URL), p),
                        URL " send=authorization method=same path=url query=url "
                        "host=url subject=sub extra=extra ttl=0s");
}

/* What is printed reads as what was written. */
static void test_printed(void **state)
{
    static const char *const lines[] = {
        URL " send=form:t prefix=ory_st_ method=POST path=request query=request "
            "host=request headers=A,B-C subject=identity.id extra=@this ttl=0s",
        URL " send=header:X-Session-Token method=GET path=url query=url host=url "
            "subject=sub extra=identity.traits ttl=0s",
        URL " cookies=a,b method=same path=url query=url host=url subject=sub "
            "extra=extra ttl=0s",
        URL " send=cookie method=same path=url query=url host=url subject=sub "
            "extra=extra ttl=0s",
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(lines); i++) {
        const char *written = apr_pstrmemdup(p, lines[i],
                                             strlen(lines[i]) - strlen(" ttl=0s"));

        assert_string_equal(bearer_session_check_print(line(p, written), p),
                            lines[i]);
    }
}

static void test_values_of_add_are_masked(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_session_check_t *check = line(p, URL " add=X-Key:hunter2 add=X-B:c:d");

    assert_string_equal(apr_table_get(check->add, "X-Key"), "hunter2");
    assert_string_equal(apr_table_get(check->add, "X-B"), "c:d");
    assert_true(unit_contains(bearer_session_check_print(check, p),
                              " add=X-Key:*** add=X-B:***"));
}

static void test_lines_that_cannot_be_meant(void **state)
{
    static const struct {
        const char *line, *mend;
    } cases[] = {
        { "", "URL of the session service is missing" },
        { "kratos", "must be the URL of the session service" },
        { "https://u:p@k.test/", "credentials" },
        { URL " color=red", "one of: send=" },
        { URL " send", "one of: send=" },
        { URL " send=body", "send=form:NAME" },
        { URL " send=form:", "send=form:NAME" },
        { URL " send=header:", "send=header:NAME" },
        { URL " send=header:a:b", "send=header:NAME" },
        { URL " send=header:Authorization", "send=authorization" },
        { URL " send=header:cookie", "cookies=a,b" },
        { URL " send=header:Host", "cannot be used" },
        { URL " send=form:a send=form:b", "send= is given twice" },
        { URL " cookies=", "empty" },
        { URL " cookies=a;b", "is not the name of a cookie" },
        { URL " cookies=a send=authorization", "cannot be combined with send=" },
        { URL " cookies=a prefix=b", "prefix= is for tokens" },
        { URL " send=cookie prefix=b", "prefix= is for tokens" },
        { URL " prefix=", "remove it" },
        { URL " method=get", "in capitals" },
        { URL " method=HEAD", "use GET" },
        { URL " method=TRACE", "use GET" },
        { URL " method=CONNECT", "use GET" },
        { URL " send=form:t method=GET", "method=POST" },
        { URL " send=form:t method=same", "method=POST" },
        { URL " path=client", "path=request" },
        { URL " query=yes", "query=request" },
        { URL " host=k.test", "host=request" },
        { URL " headers=Authorization", "send=" },
        { URL " headers=cookie", "cookies=a,b" },
        { URL " headers=Content-Length", "not forwarded" },
        { URL " headers=transfer-encoding", "not forwarded" },
        { URL " headers=Host", "host=request" },
        { URL " headers=a:b", "is not the name of a header" },
        { URL " add=X-A", "a colon" },
        { URL " add=:v", "not the name of a header" },
        { URL " add=X-A:b\x01", "control character" },
        { URL " add=Host:k.test", "cannot be configured" },
        { URL " add=authorization:Basic", "carries the credential" },
        { URL " cookies=a add=Cookie:b=c", "carries the credential" },
        { URL " send=form:t add=Content-Type:x", "carries the credential" },
        { URL " send=header:X-T add=x-t:y", "carries the credential" },
        { URL " subject=", "identity.id" },
        { URL " subject=@this", "identity.id" },
        { URL " extra=", "@this" },
        /* the mistakes of the handlers that this one stands for */
        { "https://h.test/admin/oauth2/introspect", "AuthBearerProvider "
          "introspection" },
        { "https://h.test/admin/oauth2/introspect", "AuthBearerIntrospection "
          "https://h.test/admin/oauth2/introspect" },
        { "https://h.test/oauth2/introspect/ method=POST", "introspection" },
        { "https://h.test/as/introspect.oauth2?a=b", "introspection" },
        { "https://h.test/introspect send=header:X-T", "introspection" },
        { "https://h.test/introspect cookies=a", "introspection" },
        { "https://h.test/%69ntrospect", "introspection" },
        { "https://h.test/oauth2%2Fintros%70ect?a=b", "introspection" },
        { "https://h.test/INTROSPECT/.", "introspection" },
        { "https://h.test/introspect/x/..", "introspection" },
        { "https://h.test/x/%2e%2e/introspect/%2e/", "introspection" },
        { URL " subject_from=sub", "write subject=" },
        { URL " extra_from=@this", "write extra=" },
        { URL " token_from=header", "AuthBearerTokenFrom" },
        { URL " check_session_url:x", "the first argument" },
        { URL " preserve_path=true", "path=url" },
        { URL " preserve_query=true", "query=url" },
        { URL " preserve_host=true", "host=request" },
        { URL " force_method=POST", "method=" },
        { URL " only=a", "cookies=" },
        { URL " forward_http_headers=A", "headers=" },
        { URL " additional_headers=A", "add=" },
        { URL " introspection_url=x", "AuthBearerIntrospection" },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_session_check_t *check;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *error = parse(p, cases[i].line, &check);

        UNIT_CHECK(error && unit_contains(error, cases[i].mend), "%s: %s",
                   cases[i].line, error ? error : "(no error)");
    }
}

/* Only the path says whether the URL is an introspection endpoint. */
static void test_not_introspection(void **state)
{
    static const char *const lines[] = {
        "https://introspect.example.com", "https://introspect.example.com/",
        "https://h.test/introspect/../whoami", "https://h.test/introspect/whoami",
        "https://h.test/whoami?a=/introspect", "https://h.test/..",
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(lines); i++) {
        line(p, lines[i]);
    }
}

/* ---- several lines --------------------------------------------------------- */

static void test_unreached(void **state)
{
    static const struct {
        const char *lines[4];
        int unreached;              /* -1: each of them is used */
    } cases[] = {
        { { "" }, -1 },
        { { "", "" }, 1 },
        { { "", "prefix=a" }, 1 },
        { { "prefix=a", "" }, -1 },
        { { "prefix=a", "prefix=b" }, -1 },
        { { "prefix=ab", "prefix=a" }, -1 },
        { { "prefix=a", "prefix=ab" }, 1 },
        { { "cookies=a", "" }, -1 },
        { { "", "cookies=a" }, -1 },
        { { "send=cookie", "" }, -1 },
        { { "cookies=a", "cookies=b" }, -1 },
        { { "cookies=a", "cookies=a,b" }, -1 },
        { { "cookies=a,b", "cookies=b" }, 1 },
        { { "cookies=a", "cookies=b", "cookies=a,b" }, 2 },
        { { "cookies=a", "send=cookie" }, -1 },
        { { "send=cookie", "cookies=a" }, 1 },
        { { "send=cookie", "prefix=x", "send=cookie" }, 2 },
        { { "send=header:X-T", "cookies=a", "send=form:t" }, 2 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;
    int j;

    assert_null(bearer_session_check_unreached(NULL));
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_array_header_t *checks = apr_array_make(p, 4, sizeof(bearer_session_check_t *));

        for (j = 0; j < 4 && cases[i].lines[j]; j++) {
            APR_ARRAY_PUSH(checks, bearer_session_check_t *) = line(
                p, apr_pstrcat(p, URL " ", cases[i].lines[j], NULL));
        }
        assert_null(bearer_session_check_at(checks, j));
        UNIT_CHECK(bearer_session_check_unreached(checks)
                   == (cases[i].unreached < 0 ? NULL
                       : bearer_session_check_at(checks, cases[i].unreached)),
                   "case %u", i);
    }
}

static void test_plain_http(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_session_check_t *check = line(p, "http://kratos:4433/sessions/whoami");

    assert_true(unit_contains(bearer_session_check_error(check, NULL, p),
                              "AuthBearerPlainHTTP"));
    assert_null(bearer_session_check_error(check, unit_list(p, "kratos"), p));
    assert_null(bearer_session_check_error(line(p, "http://127.0.0.1:1/w"), NULL,
                                           p));
}

static void test_lint(void **state)
{
    static const struct {
        const char *line, *part;
    } cases[] = {
        { URL " subject=identity.id", NULL },
        { URL, "subject=identity.id extra=identity.traits" },
        { URL " subject=sub", NULL },
        { "https://h.test/whoami", NULL },
        { "https://h.test/whoami subject=identity.traits.email", "other users" },
        { "https://h.test/whoami subject=email", "other users" },
        { "https://h.test/introspect send=form:token", "introspection" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_array_header_t *warnings = bearer_findings_create(p);

        bearer_session_check_lint(warnings, line(p, cases[i].line));
        UNIT_CHECK(warnings->nelts == (cases[i].part ? 1 : 0)
                   && (!cases[i].part
                       || unit_contains(APR_ARRAY_IDX(warnings, 0, bearer_finding_t).text,
                                        cases[i].part)), "%s", cases[i].line);
    }
}

/* ---- cookies --------------------------------------------------------------- */

static void test_cookies(void **state)
{
    static const struct {
        const char *names, *field, *sent, *left;
    } cases[] = {
        { "a,b", "a=1; b=2; c=3", "a=1; b=2", "c=3" },
        { "a,b", "c=3; b=2", "b=2", "c=3" },
        { "a", "a=1", "a=1", NULL },
        { "a", "b=1", NULL, "b=1" },
        { "a", "", NULL, "" },
        { "a", "a=", NULL, NULL },
        { "a", "a", NULL, "a" },
        { "a", "A=1; aa=2; xa=3", NULL, "A=1; aa=2; xa=3" },
        { "a", " a = 1 ;b=2", "a = 1", "b=2" },
        { "a", "a=1;a=2", "a=1; a=2", NULL },
        { "a", "a=1, b=2", "a=1", "b=2" },
        { "a", "b=2, a=x,y; c=3", "a=x,y", "b=2; c=3" },
        { "a", "b=2,a=1", NULL, "b=2" },
        { "a", "b=x, y; a=1", "a=1", "b=x, y" },
        { "__Host-a", "b=2, __Host-a=1", NULL, "b=2" },
        { "__Host-a", "b=2; __Host-a=1", "__Host-a=1", "b=2" },
        { "a", "a=x=y==; b=1", "a=x=y==", "b=1" },
        { "a", "a=\"q;r\"", "a=\"q", "r\"" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const apr_array_header_t *names = line(p, apr_pstrcat(
            p, URL " cookies=", cases[i].names, NULL))->cookies;
        const char *sent = bearer_syntax_cookies(cases[i].field, names, p);
        const char *left = bearer_syntax_without_cookies(cases[i].field, names, p);

        UNIT_CHECK(!strcmp(sent ? sent : "-", cases[i].sent ? cases[i].sent : "-"),
                   "%s: sent %s", cases[i].field, sent ? sent : "-");
        UNIT_CHECK(!strcmp(left ? left : "-", cases[i].left ? cases[i].left : "-"),
                   "%s: left %s", cases[i].field, left ? left : "-");
    }
    assert_string_equal(bearer_syntax_cookies("a=1;b=;c=2", NULL, p), "a=1; c=2");
}

static void test_responsible(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_session_check_t *all = line(p, URL), *some = line(p, URL " prefix=ory_");
    bearer_session_check_t *cookie = line(p, URL " cookies=a");
    bearer_session_check_t *any = line(p, URL " send=cookie");

    assert_true(bearer_session_check_takes(all, "x", 1));
    assert_true(bearer_session_check_takes(some, "ory_", 4));
    assert_false(bearer_session_check_takes(some, "ory", 3));
    assert_false(bearer_session_check_takes(some, "Ory_x", 5));
    assert_false(bearer_session_check_takes(cookie, "x", 1));
    assert_null(bearer_session_check_cookies(all, "a=1", p));
    assert_null(bearer_session_check_cookies(cookie, NULL, p));
    assert_string_equal(bearer_session_check_cookies(cookie, "b=2; a=1", p), "a=1");
    assert_string_equal(bearer_session_check_cookies(any, "b=2; a=1", p),
                        "b=2; a=1");
}

/* ---- the bench --------------------------------------------------------------- */

typedef struct bench_t {
    lab_t *lab;
    bearer_session_asker_t *asker;
    bearer_session_question_t q;
    bearer_session_result_t result;
    bearer_refusal_t why;
    apr_table_t *headers;
    unsigned char policy[32];
    apr_pool_t *p;
} bench_t;

static bench_t *bench(apr_pool_t *p, const char *text)
{
    bench_t *b = apr_pcalloc(p, sizeof(*b));
    bearer_settings_t *settings = apr_palloc(p, sizeof(*settings));

    b->p = p;
    b->lab = lab_open(p);
    *settings = *bearer_settings_defaults(p);
    settings->timeout = b->lab->settings.timeout;
    b->headers = apr_table_make(p, 4);
    b->q.check = line(p, text);
    b->q.settings = settings;
    b->q.policy = b->policy;
    b->q.method = "GET";
    b->q.path = "/orders/7";
    b->q.headers = b->headers;
    b->q.credential = TOKEN;
    assert_int_equal(bearer_session_asker_create(&b->asker, &b->lab->world,
                                                 &b->lab->cache, p),
                     APR_SUCCESS);
    unit_http_page(b->lab->http, b->q.check->url, 200, GOOD);
    return b;
}

static bearer_session_check_t *check_of(bench_t *b)
{
    return (bearer_session_check_t *)(apr_uintptr_t)b->q.check;
}

static bearer_reason_t ask(bench_t *b)
{
    b->why.reason = BEARER_OK;
    b->why.detail = NULL;
    bearer_session_question_prepare(&b->q, b->p);
    bearer_session_ask(b->asker, &b->q, &b->result, &b->why, b->p);
    return b->result.reason;
}

static void granted(bench_t *b, const char *user)
{
    UNIT_CHECK(ask(b) == BEARER_OK, "%s/%s", bearer_reason_name(b->result.reason),
               b->why.detail);
    assert_string_equal(b->result.principal->user, user);
}

static void refused(bench_t *b, bearer_reason_t reason, const char *detail)
{
    UNIT_CHECK(ask(b) == reason, "%s/%s", bearer_reason_name(b->result.reason),
               b->why.detail);
    assert_null(b->result.principal);
    UNIT_CHECK(b->why.reason == reason && unit_contains(b->why.detail, detail),
               "%s", b->why.detail);
}

static int asked(const bench_t *b)
{
    return unit_http_requests(b->lab->http);
}

/* ---- the question ------------------------------------------------------------ */

static void test_question_by_authorization(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);

    granted(b, "ann");
    assert_string_equal(b->lab->http->method, "GET");
    assert_string_equal(b->lab->http->url, URL);
    assert_string_equal(b->lab->http->target, "");
    assert_string_equal(b->lab->http->body, "(none)");
    assert_string_equal(b->lab->http->fields, "Accept: application/json\n"
                        "Authorization: Bearer " TOKEN "\n");
    assert_int_equal(b->lab->http->request.max_body, 65536);
    assert_int_equal(b->lab->http->request.total_timeout,
                     apr_time_from_msec(200));
}

static void test_question_by_form(void **state)
{
    bench_t *b = bench(unit_pool(state), URL " send=form:the/token");

    b->q.credential = "a+b/c==";
    granted(b, "ann");
    assert_string_equal(b->lab->http->method, "POST");
    assert_string_equal(b->lab->http->body, "the%2Ftoken=a%2Bb%2Fc%3D%3D");
    assert_string_equal(b->lab->http->fields, "Accept: application/json\n"
                        "Content-Type: application/x-www-form-urlencoded\n");
}

static void test_question_by_header(void **state)
{
    bench_t *b = bench(unit_pool(state), URL " send=header:X-Session-Token");

    granted(b, "ann");
    assert_string_equal(b->lab->http->fields, "Accept: application/json\n"
                        "X-Session-Token: " TOKEN "\n");
}

static void test_question_by_cookie(void **state)
{
    bench_t *b = bench(unit_pool(state), URL " cookies=a");

    b->q.credential = "a=1";
    granted(b, "ann");
    assert_string_equal(b->lab->http->fields, "Accept: application/json\n"
                        "Cookie: a=1\n");
}

static void test_method(void **state)
{
    static const struct {
        const char *key, *client, *sent;
    } cases[] = {
        { "", "GET", "GET" },              { "", "POST", "POST" },
        { "", "DELETE", "DELETE" },        { " method=same", "PUT", "PUT" },
        { "", "HEAD", "GET" },             { "", "TRACE", "GET" },
        { "", "CONNECT", "GET" },          { " method=GET", "POST", "GET" },
        { " method=POST", "GET", "POST" }, { " method=REPORT", "GET", "REPORT" },
        { " send=form:t", "GET", "POST" }, { " send=form:t method=PUT", "GET", "PUT" }
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, apr_pstrcat(p, URL, cases[i].key, NULL));

        b->q.method = cases[i].client;
        granted(b, "ann");
        assert_string_equal(b->lab->http->method, cases[i].sent);
    }
}

static void test_target(void **state)
{
    static const struct {
        const char *url, *keys, *path, *query, *target;
    } cases[] = {
        { "https://k.test/w?a=b", "", "/x", "q=1", "" },
        { "https://k.test/w?a=b", " path=request", "/x/y", "q=1", "/x/y?a=b" },
        { "https://k.test/w?a=b", " query=request", "/x", "q=1", "/w?q=1" },
        { "https://k.test/w?a=b", " query=request", "/x", NULL, "/w" },
        { "https://k.test/w", " path=request query=request", "/x", "q=1", "/x?q=1" },
        { "https://k.test/w", " path=request", "/x", "q=1", "/x" },
        { "https://k.test", " query=request", "/x", "q=1", "/?q=1" },
        { "https://k.test?a=b", " path=request", "//evil.test/", NULL,
          "//evil.test/?a=b" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, apr_pstrcat(p, cases[i].url, cases[i].keys, NULL));

        b->q.path = cases[i].path;
        b->q.query = cases[i].query;
        granted(b, "ann");
        /* who is asked never depends on the client */
        assert_string_equal(b->lab->http->url, cases[i].url);
        assert_string_equal(b->lab->http->target, cases[i].target);
    }
}

static void test_fields(void **state)
{
    bench_t *b = bench(unit_pool(state), URL " headers=X-A,Accept,X-None,X-Key "
                       "add=X-Key:own host=request");

    apr_table_set(b->headers, "x-a", "1, 2");
    apr_table_set(b->headers, "Accept", "text/html");
    apr_table_set(b->headers, "X-Key", "the client's");
    apr_table_set(b->headers, "X-Other", "not named");
    apr_table_set(b->headers, "Authorization", "not as it came");
    b->q.host = "api.example.com:8443";
    granted(b, "ann");
    assert_string_equal(b->lab->http->fields, "Accept: text/html\nX-A: 1, 2\n"
                        "X-Key: own\nHost: api.example.com:8443\n"
                        "X-Forwarded-Host: api.example.com:8443\n"
                        "Authorization: Bearer " TOKEN "\n");
    b->q.host = NULL;
    granted(b, "ann");
    assert_false(unit_contains(b->lab->http->fields, "Host"));
}

/* ---- the answer -------------------------------------------------------------- */

static void test_principal(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);
    const bearer_principal_t *principal;

    granted(b, "ann");
    principal = b->result.principal;
    assert_string_equal(principal->method, "session");
    assert_null(principal->issuer);
    assert_string_equal(principal->iss, "");
    assert_string_equal(json_string_value(json_object_get(principal->claims,
                                                          "team")), "a");
    /* the store's users may write parts of it: never who they are */
    assert_string_equal(json_string_value(json_object_get(principal->claims,
                                                          "sub")), "ann");
}

static void test_kratos(void **state)
{
    bench_t *b = bench(unit_pool(state), URL " subject=identity.id "
                       "extra=identity.traits");
    const json_t *claims;

    unit_http_page(b->lab->http, URL, 200, WHOAMI);
    granted(b, "id-7");
    claims = b->result.principal->claims;
    assert_int_equal(json_object_size(claims), 3);
    assert_string_equal(json_string_value(json_object_get(claims, "email")),
                        "ann@example.com");
    assert_true(bearer_principal_has_role(b->result.principal, "r"));
}

static void test_extra(void **state)
{
    static const struct {
        const char *extra, *body;
        int claims;           /* with sub; -1: not to be used */
    } cases[] = {
        { "", "{\"sub\":\"ann\"}", 1 },
        { "", "{\"sub\":\"ann\",\"extra\":null}", 1 },
        { "", "{\"sub\":\"ann\",\"extra\":{}}", 1 },
        { "", "{\"sub\":\"ann\",\"extra\":\"x\"}", -1 },
        { "", "{\"sub\":\"ann\",\"extra\":[1]}", -1 },
        { " extra=@this", "{\"sub\":\"ann\",\"a\":1,\"b\":{}}", 3 },
        { " extra=a.b", "{\"sub\":\"ann\",\"a\":{\"b\":{\"c\":1}}}", 2 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, apr_pstrcat(p, URL, cases[i].extra, NULL));

        unit_http_page(b->lab->http, URL, 200, cases[i].body);
        if (cases[i].claims < 0) {
            refused(b, BEARER_SESSION_CHECK, "extra= of AuthBearerSessionCheck");
            continue;
        }
        granted(b, "ann");
        assert_int_equal(json_object_size(b->result.principal->claims),
                         cases[i].claims);
    }
}

static void test_settings_of_a_principal(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, URL);
    bearer_settings_t settings = *b->q.settings;

    b->q.settings = &settings;
    settings.user_format = "%u@%i";
    settings.user_claim.path = bearer_path_compile("team", p); /* of tokens */
    granted(b, "ann@session");
    settings.roles_claim = unit_paths(p, unit_list(p, "team"));
    granted(b, "ann@session");
    assert_true(bearer_principal_has_role(b->result.principal, "a"));
}

static void test_answers_that_cannot_be_used(void **state)
{
    static const struct {
        const char *body, *detail;
    } cases[] = {
        { "", "not a JSON object" },
        { "<html>", "not a JSON object" },
        { "[]", "not a JSON object" },
        { "{\"sub\":\"ann\",\"sub\":\"bob\"}", "not a JSON object" },
        { "{\"sub\":\"ann\"}x", "not a JSON object" },
        { "{}", "it has no string at 'sub'" },
        { "{\"sub\":null}", "it has no string" },
        { "{\"sub\":7}", "it has no string" },
        { "{\"sub\":\"\"}", "it has no string" },
        { "{\"sub\":[\"ann\"]}", "it has no string" },
        { "{\"sub\":\"a\\nb\"}", "not an acceptable user name" },
        { "{\"sub\":\" ann\"}", "not an acceptable user name" },
        { "{\"sub\":\"a,b\"}", "not an acceptable user name" },
        { "{\"sub\":\"ann\",\"active\":false}", "'active' is not JSON true" },
        { "{\"sub\":\"ann\",\"active\":\"true\"}", "'active' is not JSON true" },
        { "{\"sub\":\"ann\",\"active\":1}", "AuthBearerProvider introspection" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, URL);

        check_of(b)->ttl = SECONDS(60);
        unit_http_page(b->lab->http, URL, 200, cases[i].body);
        refused(b, BEARER_SESSION_CHECK, cases[i].detail);
        unit_http_page(b->lab->http, URL, 200, GOOD);
        granted(b, "ann");   /* nothing of it was kept */
    }
    {
        bench_t *b = bench(p, URL);

        unit_http_page(b->lab->http, URL, 200, "{\"sub\":\"ann\",\"active\":true}");
        granted(b, "ann");
    }
}

static void test_statuses(void **state)
{
    static const struct {
        int status;
        bearer_reason_t reason;
        const char *detail;
    } cases[] = {
        { 401, BEARER_SESSION_DENIED, "answered 401" },
        { 403, BEARER_SESSION_INSUFFICIENT, "answered 403" },
        { 429, BEARER_SESSION_LIMIT, "ttl=" },
        { 201, BEARER_SESSION_CHECK, "only 200" },
        { 204, BEARER_SESSION_CHECK, "only 200" },
        { 206, BEARER_SESSION_CHECK, "answered 206" },
        { 302, BEARER_SESSION_CHECK, "redirects are not followed" },
        { 307, BEARER_SESSION_CHECK, "redirects are not followed" },
        { 400, BEARER_SESSION_CHECK, "AuthBearerProvider introspection" },
        { 404, BEARER_SESSION_CHECK, "the URL is not a session check" },
        { 405, BEARER_SESSION_CHECK, "method=GET" },
        { 500, BEARER_SESSION_CHECK, "answered 500" },
        { 503, BEARER_SESSION_CHECK, "answered 503" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, URL);

        unit_http_page(b->lab->http, URL, cases[i].status, GOOD);
        refused(b, cases[i].reason, cases[i].detail);
    }
    {
        bench_t *b = bench(p, URL " path=request");

        unit_http_page(b->lab->http, URL, 404, "");
        refused(b, BEARER_SESSION_CHECK, "(path=request)");
        unit_http_page(b->lab->http, URL, 200, "")->rv = APR_TIMEUP;
        refused(b, BEARER_SESSION_CHECK, "failed: no answer");
        b->lab->world.http = NULL;
        refused(b, BEARER_SESSION_CHECK, "no requests are possible now");
    }
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *field;
        unsigned seconds;
    } cases[] = {
        { "30", 30 },    { "0", 0 },      { "-5", 0 },  { "soon", 0 },
        { "7 s", 0 },    { "", 0 },       { "999999999", 86400 },
        { "99999999999999999999", 86400 },
        { "Thu, 01 Jan 2026 00:00:10 GMT", 11 },
        { "Thu, 01 Jan 2020 00:00:00 GMT", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, URL);
        unit_http_page_t *page = unit_http_page(b->lab->http, URL, 429, "");

        page->name = "Retry-After";
        page->value = cases[i].field;
        refused(b, BEARER_SESSION_LIMIT, "429");
        UNIT_CHECK(b->result.retry == cases[i].seconds, "%s: %u", cases[i].field,
                   b->result.retry);
    }
}

/* ---- what is kept ------------------------------------------------------------- */

static void test_ttl(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);

    granted(b, "ann");
    granted(b, "ann");
    assert_int_equal(asked(b), 2);
    assert_int_equal(b->lab->puts, 0);
    check_of(b)->ttl = SECONDS(30);
    granted(b, "ann");
    lab_pass(b->lab, SECONDS(29));
    granted(b, "ann");
    assert_int_equal(asked(b), 3);
    lab_pass(b->lab, SECONDS(1));
    granted(b, "ann");
    assert_int_equal(asked(b), 4);
    lab_pass(b->lab, SECONDS(10));
    check_of(b)->ttl = SECONDS(5);   /* counts for what is kept already */
    granted(b, "ann");
    assert_int_equal(asked(b), 5);
}

static void test_never_past_exp(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);

    check_of(b)->ttl = SECONDS(3600);
    unit_http_page(b->lab->http, URL, 200, "{\"sub\":\"ann\",\"exp\":1767225610}");
    granted(b, "ann");
    lab_pass(b->lab, SECONDS(9));
    granted(b, "ann");
    assert_int_equal(asked(b), 1);
    lab_pass(b->lab, SECONDS(1));
    granted(b, "ann");
    assert_int_equal(asked(b), 2);
    granted(b, "ann");
    assert_int_equal(asked(b), 3);
}

/* Nothing of a refusal is kept, and a kept answer does not outlive its reading. */
static void test_refusals_are_not_kept(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);

    check_of(b)->ttl = SECONDS(60);
    unit_http_page(b->lab->http, URL, 401, GOOD);
    refused(b, BEARER_SESSION_DENIED, "401");
    assert_int_equal(b->lab->puts, 0);
    unit_http_page(b->lab->http, URL, 200, GOOD);
    granted(b, "ann");
    check_of(b)->subject = bearer_path_compile("extra.team", b->p);
    granted(b, "a");                 /* read anew */
    assert_int_equal(asked(b), 2);
}

/* Whatever may change the answer makes another question. */
static void test_key(void **state)
{
    bench_t *b = bench(unit_pool(state), URL " path=request query=request "
                       "host=request headers=X-A");
    int n = 1;

    check_of(b)->ttl = SECONDS(60);
    granted(b, "ann");
#define ANOTHER(change) \
    change; \
    granted(b, "ann"); \
    assert_int_equal(asked(b), ++n); \
    granted(b, "ann"); \
    assert_int_equal(asked(b), n)
    ANOTHER(b->q.credential = "another");
    ANOTHER(b->q.path = "/x");
    ANOTHER(b->q.query = "a=b");
    ANOTHER(b->q.host = "a.test");
    ANOTHER(b->q.method = "POST");
    ANOTHER(apr_table_set(b->headers, "X-A", "1"));
    ANOTHER(b->policy[31] = 1);
#undef ANOTHER
    apr_table_set(b->headers, "X-B", "not forwarded");
    granted(b, "ann");
    assert_int_equal(asked(b), n);
}

static void test_gate(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);
    unit_full_t full;

    lab_gate(b->lab, 1, b->p);
    unit_full(&full, b->lab->world.gate);
    refused(b, BEARER_SESSION_CHECK, "half of the workers");
    assert_int_equal(asked(b), 0);
    unit_not_full(&full);
    check_of(b)->ttl = SECONDS(60);
    granted(b, "ann");
    unit_full(&full, b->lab->world.gate);
    granted(b, "ann");   /* what is kept needs no gate */
    unit_not_full(&full);
}

/* ---- many at once --------------------------------------------------------------- */

static void slow(void *baton)
{
    (void)baton;
    usleep(100000);
}

static void *asking(void *bench_)
{
    const bench_t *b = bench_;
    bearer_session_question_t q = b->q;
    bearer_session_result_t result;
    bearer_refusal_t why;
    apr_pool_t *p;
    int same;

    apr_pool_create(&p, NULL);
    bearer_session_question_prepare(&q, p);
    bearer_session_ask(b->asker, &q, &result, &why, p);
    same = result.reason == BEARER_OK && !strcmp(result.principal->user, "ann");
    apr_pool_destroy(p);
    return same ? bench_ : NULL;
}

static void test_one_flight(void **state)
{
    bench_t *b = bench(unit_pool(state), URL);
    bearer_settings_t settings = *b->q.settings;
    pthread_t threads[8];
    void *same;
    unsigned i;

    settings.timeout.total = SECONDS(20);
    b->q.settings = &settings;
    b->lab->http->during = slow;
    for (i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, asking, b), 0);
    }
    for (i = 0; i < 8; i++) {
        pthread_join(threads[i], &same);
        assert_ptr_equal(same, b);
    }
    /* a thread that came late enough may have asked once more */
    assert_in_range(asked(b), 1, 3);
}

/* Without a digest of the question no answer is known to be the one of this
 * credential: nobody is asked, and no answer about another one serves. */
static void test_no_digest(void **state)
{
    static const char *const credentials[] = { "another", TOKEN };
    bench_t *b = bench(unit_pool(state), URL);
    size_t i;

    check_of(b)->ttl = SECONDS(60);
    for (i = 0; i < UNIT_COUNT(credentials); i++) {
        b->q.credential = credentials[i];
        unit_fault_next(1);
        refused(b, BEARER_INTERNAL, "OpenSSL");
        assert_string_equal(unit_fault_name(), "EVP_Digest");
        assert_int_equal(asked(b), 0);
        unit_no_fault();
    }
    granted(b, "ann");
    assert_int_equal(asked(b), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_defaults),
        UNIT_TEST(test_printed),
        UNIT_TEST(test_values_of_add_are_masked),
        UNIT_TEST(test_lines_that_cannot_be_meant),
        UNIT_TEST(test_not_introspection),
        UNIT_TEST(test_unreached),
        UNIT_TEST(test_plain_http),
        UNIT_TEST(test_lint),
        UNIT_TEST(test_cookies),
        UNIT_TEST(test_responsible),
        UNIT_TEST(test_question_by_authorization),
        UNIT_TEST(test_question_by_form),
        UNIT_TEST(test_question_by_header),
        UNIT_TEST(test_question_by_cookie),
        UNIT_TEST(test_method),
        UNIT_TEST(test_target),
        UNIT_TEST(test_fields),
        UNIT_TEST(test_principal),
        UNIT_TEST(test_kratos),
        UNIT_TEST(test_extra),
        UNIT_TEST(test_settings_of_a_principal),
        UNIT_TEST(test_answers_that_cannot_be_used),
        UNIT_TEST(test_statuses),
        UNIT_TEST(test_retry_after),
        UNIT_TEST(test_ttl),
        UNIT_TEST(test_never_past_exp),
        UNIT_TEST(test_refusals_are_not_kept),
        UNIT_TEST(test_key),
        UNIT_TEST(test_gate),
        UNIT_TEST(test_one_flight),
        UNIT_TEST(test_no_digest),
    };

    return UNIT_RUN("session_check", tests);
}
