/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Protected resource metadata, RFC 9728. */
#include "claims.h"

#include "trust/resource.h"

static const char *parse(const bearer_resource_t **resource, const char *line,
                         apr_pool_t *p)
{
    *resource = NULL;
    return bearer_resource_parse(resource, unit_list(p, line), p);
}

static const bearer_resource_t *parsed(const char *line, apr_pool_t *p)
{
    const bearer_resource_t *resource;
    const char *error = parse(&resource, line, p);

    if (error) {
        fail_msg("%s: %s", line, error);
    }
    return resource;
}

/* Section 3.1: inserted between host and path; a lone slash goes. */
static void test_where_the_document_is(void **state)
{
    static const struct {
        const char *url, *path, *metadata;
    } cases[] = {
        { "https://a.test", "", "https://a.test/.well-known/"
          "oauth-protected-resource" },
        { "https://a.test/", "", "https://a.test/.well-known/"
          "oauth-protected-resource" },
        { "https://A.test:8443/mcp", "/mcp", "https://A.test:8443/.well-known/"
          "oauth-protected-resource/mcp" },
        { "https://a.test/mcp/", "/mcp/", "https://a.test/.well-known/"
          "oauth-protected-resource/mcp/" },
        { "http://127.0.0.1:8080/a/b%20c", "/a/b%20c", "http://127.0.0.1:8080"
          "/.well-known/oauth-protected-resource/a/b%20c" },
        { "http://[::1]:8080/x", "/x", "http://[::1]:8080/.well-known/"
          "oauth-protected-resource/x" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const bearer_resource_t *resource = parsed(cases[i].url, p);

        assert_string_equal(resource->url, cases[i].url);
        assert_string_equal(resource->metadata, cases[i].metadata);
        assert_string_equal(resource->path,
                            apr_pstrcat(p, BEARER_RESOURCE_WELL_KNOWN,
                                        cases[i].path, NULL));
    }
}

static void test_options(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_resource_t *r = parsed("https://a.test/x name=Orders "
                                        "doc=https://a.test/doc?v=1 "
                                        "scopes=a,b.c", p);

    assert_string_equal(r->name, "Orders");
    assert_string_equal(r->doc, "https://a.test/doc?v=1");
    assert_int_equal(r->scopes->nelts, 2);
    assert_string_equal(bearer_resource_print(r, p),
                        "https://a.test/x \"name=Orders\" "
                        "doc=https://a.test/doc?v=1 scopes=a,b.c");
    /* as httpd splits name="Orders of all" doc=... */
    r = parsed("https://a.test/x name=\"Orders of all\" doc=https://d.test/", p);
    assert_string_equal(r->name, "Orders of all");
    assert_string_equal(r->doc, "https://d.test/");
    r = parsed("https://a.test/x name=\"Orders\"", p);
    assert_string_equal(r->name, "Orders");
}

static void test_what_is_refused(void **state)
{
    static const char *const lines[] = {
        "a.test/x", "ftp://a.test/", "https://a.test/x?y=1",
        "https://a.test/x#y", "https://u:p@a.test/", "http://a.test/",
        "https://a.test/ nam=x", "https://a.test/ x", "https://a.test/ name=",
        "https://a.test/ scopes=", "https://a.test/ scopes=a,\"",
        "https://a.test/ scopes=a,offline_access",
        "https://a.test/ doc=javascript:alert(1)", "https://a.test/ name=\xff",
    };
    apr_pool_t *p = unit_pool(state);
    const bearer_resource_t *resource;
    size_t i;

    assert_non_null(bearer_resource_parse(
        &resource, apr_array_make(p, 1, sizeof(const char *)), p));
    for (i = 0; i < UNIT_COUNT(lines); i++) {
        if (!parse(&resource, lines[i], p)) {
            fail_msg("%s is accepted", lines[i]);
        }
    }
}

static const apr_array_header_t *from(apr_pool_t *p, bearer_from_kind_t kind,
                                      const char *name)
{
    apr_array_header_t *list = apr_array_make(p, 1, sizeof(bearer_from_t));
    bearer_from_t *one = apr_array_push(list);

    one->kind = kind;
    one->name = name;
    return list;
}

/* Section 2: resource as configured; no empty arrays. */
static void test_document(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_resource_t *plain = parsed("https://a.test/x", p);
    const bearer_resource_t *full = parsed("https://a.test/x name=N "
                                           "doc=https://d.test/ scopes=s", p);

    assert_string_equal(
        bearer_resource_document(plain, unit_list(p, ""), NULL, NULL, p),
        "{\"resource\":\"https://a.test/x\"}");
    assert_string_equal(
        bearer_resource_document(plain, unit_list(p, "https://i.test/ https://j/"),
                                 unit_list(p, "a b"),
                                 from(p, BEARER_FROM_HEADER, NULL), p),
        "{\"resource\":\"https://a.test/x\",\"authorization_servers\":"
        "[\"https://i.test/\",\"https://j/\"],\"scopes_supported\":[\"a\",\"b\"],"
        "\"bearer_methods_supported\":[\"header\"]}");
    assert_string_equal(
        bearer_resource_document(full, NULL, unit_list(p, "a b"),
                                 from(p, BEARER_FROM_QUERY, "access_token"), p),
        "{\"resource\":\"https://a.test/x\",\"scopes_supported\":[\"s\"],"
        "\"bearer_methods_supported\":[\"query\"],\"resource_name\":\"N\","
        "\"resource_documentation\":\"https://d.test/\"}");
    /* ways that RFC 6750 does not know are no method */
    assert_null(strstr(bearer_resource_document(
        plain, NULL, NULL, from(p, BEARER_FROM_HEADER, "X-Token"), p), "methods"));
    assert_null(strstr(bearer_resource_document(
        plain, NULL, NULL, from(p, BEARER_FROM_QUERY, "t"), p), "methods"));
    assert_null(strstr(bearer_resource_document(
        plain, NULL, NULL, from(p, BEARER_FROM_COOKIE, "c"), p), "methods"));
}

static void test_which_one(void **state)
{
    static const char *const urls[] = {
        "https://a.test/long/path", "https://a.test/api", "https://b.test/api",
        "https://b.test/x"
    };
    static const struct {
        const char *path, *host;
        int index;
    } cases[] = {
        { "/api", "a.test", 1 }, { "/api", "B.test", 2 }, { "/api", NULL, 1 },
        { "/api", "other.test", 1 }, { "/long/path", "b.test", 0 },
        { "/api/", "a.test", -1 }, { "/ap", NULL, -1 }, { "/nothing", NULL, -1 },
        { "", "a.test", 1 }, { "", "b.test", 3 }, { "/", "b.test", 3 },
        { "", NULL, 3 },
    };
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(bearer_resource_t *));
    size_t i;

    for (i = 0; i < UNIT_COUNT(urls); i++) {
        APR_ARRAY_PUSH(list, const bearer_resource_t *) = parsed(urls[i], p);
    }
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_int_equal(bearer_resource_find(
            list, apr_pstrcat(p, BEARER_RESOURCE_WELL_KNOWN, cases[i].path, NULL),
            cases[i].host), cases[i].index);
    }
    assert_int_equal(bearer_resource_find(list, "/", NULL), -1);
    assert_int_equal(bearer_resource_find(NULL, BEARER_RESOURCE_WELL_KNOWN, NULL),
                     -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_where_the_document_is), UNIT_TEST(test_options),
        UNIT_TEST(test_what_is_refused),       UNIT_TEST(test_document),
        UNIT_TEST(test_which_one),
    };

    return UNIT_RUN("resource", tests);
}
