/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Who is trusted: declarations, look-up by iss, metadata. */
#include <unistd.h>

#include "unit_http.h"

#include "trust/issuer.h"

#define ISSUER "https://idp.example.com/"
#define TEMPLATE "https://login.example.com/{tenant}/v2.0"
/* A tenant can stand here, but not a segment later. */
#define DEEP "https://h/1/2/3/4/5/6/7/8/9/10/11/12/"

static apr_array_header_t *list_of(apr_pool_t *p, const char *a, const char *b)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));

    APR_ARRAY_PUSH(list, const char *) = a;
    if (b) {
        APR_ARRAY_PUSH(list, const char *) = b;
    }
    return list;
}

static bearer_issuer_t *declare(apr_pool_t *p, const char *url)
{
    bearer_issuer_t *issuer = apr_pcalloc(p, sizeof(*issuer));

    issuer->url = issuer->name = url;
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    if (strstr(url, "{tenant}")) {
        issuer->keys[0].kind = BEARER_SOURCE_URL;
        issuer->keys[0].value = "https://login.example.com/keys";
        issuer->tenants = list_of(p, "t-1", "t_2");
    }
    return issuer;
}

static void add(bearer_issuers_t *issuers, const bearer_issuer_t *issuer)
{
    const char *error = bearer_issuers_add(issuers, issuer);

    UNIT_CHECK(error == NULL, "%s: %s", issuer->url, error);
}

#define assert_says(error, part) \
    UNIT_CHECK(unit_contains(error, part), "%s", (error) ? (error) : "(none)")

/* ---- look-up ----------------------------------------------------------- */

static void test_found_byte_for_byte(void **state)
{
    static const char *const others[] = {
        "https://idp.example.com", "https://idp.example.com//",
        "HTTPS://idp.example.com/", "https://idp.example.com/x",
        "https://idp.example.com/ ", "", "idp.example.com",
    };
    apr_pool_t *p = unit_pool(state);
    bearer_issuers_t *issuers = bearer_issuers_create(p);
    bearer_issuer_t *a = declare(p, ISSUER), *b = declare(p, "urn:other");
    const char *tenant = "x";
    size_t i;

    b->keys[0].kind = BEARER_SOURCE_FILE;
    b->keys[0].value = "/keys.pem";
    a->aliases = list_of(p, "accounts.example.com", NULL);
    add(issuers, a);
    add(issuers, b);
    assert_ptr_equal(bearer_issuers_find(issuers, ISSUER, &tenant, p), a);
    assert_null(tenant);
    assert_ptr_equal(bearer_issuers_find(issuers, "accounts.example.com",
                                         &tenant, p), a);
    assert_ptr_equal(bearer_issuers_find(issuers, "urn:other", &tenant, p), b);
    for (i = 0; i < UNIT_COUNT(others); i++) {
        UNIT_CHECK(!bearer_issuers_find(issuers, others[i], &tenant, p), "%s",
                   others[i]);
    }
    assert_null(bearer_issuers_find(issuers, NULL, &tenant, p));
    assert_int_equal(bearer_issuers_count(issuers), 2);
    assert_ptr_equal(bearer_issuers_at(issuers, 1), b);
    assert_null(bearer_issuers_at(issuers, 2));
    assert_null(bearer_issuers_at(issuers, -1));
    assert_ptr_equal(bearer_issuers_by_url(issuers, ISSUER), a);
    assert_null(bearer_issuers_by_url(issuers, "accounts.example.com"));
}

static void test_template(void **state)
{
    static const struct {
        const char *iss, *tenant;
    } cases[] = {
        { "https://login.example.com/t-1/v2.0", "t-1" },
        { "https://login.example.com/not_listed.9/v2.0", "not_listed.9" },
        { "https://sts.example.com/abc/", "abc" },
        { "https://sts.example.com/abc", NULL },
        { DEEP "abc", "abc" },
        { "https://login.example.com//v2.0", NULL },
        { "https://login.example.com/./v2.0", NULL },
        { "https://login.example.com/../v2.0", NULL },
        { "https://login.example.com/a%20b/v2.0", NULL },
        { "https://login.example.com/a b/v2.0", NULL },
        { "https://login.example.com/\xc3\xa4/v2.0", NULL },
        { "https://login.example.com/a/b/v2.0", NULL },
        { "https://login.example.com/a/v2.0/", NULL },
        { "https://login.example.com/a/v2", NULL },
        { "https://login.example.com/{tenant}/v2.0", NULL },
        { "https://evil.example.com/a/v2.0", NULL },
        { "https://login.example.com/"
          "0123456789012345678901234567890123456789012345678901234567890123"
          "4/v2.0", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_issuers_t *issuers = bearer_issuers_create(p);
    bearer_issuer_t *issuer = declare(p, TEMPLATE);
    size_t i;

    issuer->aliases = list_of(p, "https://sts.example.com/{tenant}/", DEEP "{tenant}");
    add(issuers, issuer);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *tenant;
        const bearer_issuer_t *found = bearer_issuers_find(issuers,
                                                           cases[i].iss,
                                                           &tenant, p);

        UNIT_CHECK((found == issuer) == (cases[i].tenant != NULL), "%s",
                   cases[i].iss);
        if (cases[i].tenant) {
            assert_string_equal(tenant, cases[i].tenant);
        } else {
            assert_null(tenant);
        }
    }
}

/* A plain issuer stands before a template that covers it. */
static void test_plain_before_template(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_issuers_t *issuers = bearer_issuers_create(p);
    bearer_issuer_t *plain = declare(p, "https://login.example.com/t-1/v2.0");
    const char *tenant;

    add(issuers, declare(p, TEMPLATE));
    add(issuers, plain);
    assert_ptr_equal(bearer_issuers_find(issuers, plain->url, &tenant, p),
                     plain);
    assert_null(tenant);
}

static void test_spiffe_by_trust_domain(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_issuers_t *issuers = bearer_issuers_create(p);
    bearer_issuer_t *a = declare(p, "spiffe://example.org");
    bearer_issuer_t *b = declare(p, "https://not.spiffe/");

    a->keys[0].kind = BEARER_SOURCE_SPIFFE_FILE;
    a->keys[0].value = "/bundle.json";
    add(issuers, a);
    assert_ptr_equal(bearer_issuers_find_spiffe(issuers,
                                                "spiffe://example.org/ns/x", p),
                     a);
    assert_null(bearer_issuers_find_spiffe(issuers,
                                           "spiffe://example.org.evil/x", p));
    assert_null(bearer_issuers_find_spiffe(issuers,
                                           "spiffe://x@example.org/x", p));
    assert_null(bearer_issuers_find_spiffe(issuers, "spiffe://Example.org/x",
                                           p));
    assert_null(bearer_issuers_find_spiffe(issuers, "alice", p));
    assert_null(bearer_issuers_find_spiffe(issuers, NULL, p));
    b->keys[0] = a->keys[0];
    assert_says(bearer_issuers_add(issuers, b), "spiffe://example.org");
}

/* ---- declarations that contradict themselves --------------------------- */

static void no_change(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)i;
    (void)p;
}

static void no_tenants(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->tenants = NULL;
}

static void bad_tenant(bearer_issuer_t *i, apr_pool_t *p)
{
    i->tenants = list_of(p, "ok", "..");
}

static void with_tenants(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->tenants_any = 1;
}

static void discovered_keys(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->keys[0].kind = BEARER_SOURCE_DISCOVER;
}

static void everybody_by_template(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->tenants = NULL;
    i->tenants_any = 1;
    i->keys[0].value = "https://login.example.com/{tenant}/keys";
}

static void template_keys(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->keys[0].kind = BEARER_SOURCE_URL;
    i->keys[0].value = "https://idp.example.com/{tenant}";
}

static void plain_alias(bearer_issuer_t *i, apr_pool_t *p)
{
    i->aliases = list_of(p, "plain", NULL);
}

static void template_alias(bearer_issuer_t *i, apr_pool_t *p)
{
    i->aliases = list_of(p, "https://x.example/{tenant}", NULL);
}

static void no_metadata(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->metadata.kind = BEARER_SOURCE_OFF;
}

static void no_metadata_but_introspection(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->metadata.kind = BEARER_SOURCE_OFF;
    i->keys[0].kind = BEARER_SOURCE_FILE;
    i->keys[0].value = "/k";
    i->introspection.kind = BEARER_SOURCE_DISCOVER;
}

static void declared_alias(bearer_issuer_t *i, apr_pool_t *p)
{
    i->aliases = list_of(p, "https://first.example/", NULL);
}

static void metadata_url(bearer_issuer_t *i, apr_pool_t *p)
{
    (void)p;
    i->metadata.kind = BEARER_SOURCE_URL;
    i->metadata.value = "https://login.example.com/{tenant}";
}

static void test_contradictions(void **state)
{
    static const struct {
        const char *url;
        void (*change)(bearer_issuer_t *i, apr_pool_t *p);
        const char *says;
    } cases[] = {
        { "", no_change, "empty" },
        { "a\nb", no_change, "control" },
        { "https://first.example/", no_change, "already configured, at x.conf:7" },
        { ISSUER, declared_alias, "already configured" },
        { "the-alias", no_change, "as an alias" },
        { TEMPLATE, no_tenants, "needs AuthBearerTenants" },
        { TEMPLATE, bad_tenant, "'..' is not a tenant" },
        { ISSUER, with_tenants, "needs {tenant}" },
        { TEMPLATE, discovered_keys, "URL or file in AuthBearerKeys" },
        { TEMPLATE, everybody_by_template, "AuthBearerTenants *" },
        { TEMPLATE, plain_alias, "AuthBearerIssuerAlias" },
        { TEMPLATE, metadata_url, "AuthBearerMetadata" },
        { ISSUER, template_alias, "AuthBearerIssuerAlias" },
        { ISSUER, template_keys, "the issuer does not" },
        { ISSUER, no_metadata, "AuthBearerMetadata off" },
        { ISSUER, no_metadata_but_introspection, "AuthBearerIntrospection" },
        { "https://{tenant}.example.com/", no_change, "whole segment" },
        { "https://{tenant}/", no_change, "whole segment" },
        { "https://h/x{tenant}/", no_change, "whole segment" },
        { "https://h/{tenant}x/", no_change, "whole segment" },
        { "https://h/{tenant}/{tenant}", no_change, "whole segment" },
        { DEEP "13/{tenant}", no_change, "whole segment" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_issuers_t *issuers = bearer_issuers_create(p);
        bearer_issuer_t *first = declare(p, "https://first.example/");
        bearer_issuer_t *issuer = declare(p, cases[i].url);
        const char *error;

        first->file = "x.conf";
        first->line = 7;
        first->aliases = list_of(p, "the-alias", NULL);
        add(issuers, first);
        cases[i].change(issuer, p);
        error = bearer_issuers_add(issuers, issuer);
        UNIT_CHECK(unit_contains(error, cases[i].says), "%s: %s", cases[i].url,
                   error ? error : "accepted");
        assert_int_equal(bearer_issuers_count(issuers), 1);
    }
}

static void test_what_would_be_fetched(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_issuer_t *issuer = declare(p, "http://idp.example.com/");
    apr_array_header_t *plain = list_of(p, "idp.example.com", NULL);

    assert_says(bearer_issuer_fetch_error(issuer, NULL, p),
                "AuthBearerPlainHTTP");
    assert_null(bearer_issuer_fetch_error(issuer, plain, p));
    /* any string is an issuer if its keys are named */
    issuer->url = "my-idp";
    assert_says(bearer_issuer_fetch_error(issuer, plain, p), "AuthBearerKeys");
    issuer->keys[0].kind = BEARER_SOURCE_URL;
    issuer->keys[0].value = "https://idp.example.com/keys";
    assert_null(bearer_issuer_fetch_error(issuer, NULL, p));
    issuer->keys[0].value = "http://keys.example.com/";
    assert_says(bearer_issuer_fetch_error(issuer, NULL, p), "AuthBearerKeys:");
    issuer->keys[0].kind = BEARER_SOURCE_FILE;
    assert_null(bearer_issuer_fetch_error(issuer, NULL, p));
    issuer = declare(p, TEMPLATE);
    issuer->keys[0].value = "https://login.example.com/{tenant}/keys";
    assert_null(bearer_issuer_fetch_error(issuer, NULL, p));
}

/* ---- tenants ----------------------------------------------------------- */

static void test_tenant_of(void **state)
{
    static const struct {
        const char *iss, *tenant;
    } cases[] = {
        { "https://login.example.com/t-1/v2.0", "t-1" },
        { "https://sts.example.com/t-2/", "t-2" },
        { "https://login.example.com/t-1/v2.0/", NULL },
        { "https://login.example.com/t-1", NULL },
        { "https://login.example.com/", NULL },
        { "https://login.example.com//v2.0", NULL },
        { "https://login.example.com/../v2.0", NULL },
        { "https://login.example.com/a/b/v2.0", NULL },
        { "https://login.example.com/{tenant}/v2.0", NULL },
        { "https://other.example.com/t-1/v2.0", NULL },
        { "http", NULL },
        { "", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_issuer_t *issuer = apr_pcalloc(p, sizeof(*issuer));
    size_t i;

    issuer->url = "https://login.example.com/{tenant}/v2.0";
    issuer->aliases = list_of(p, "https://x.example.com/{tenant}/v2.0",
                              "https://sts.example.com/{tenant}/");
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *tenant = bearer_issuer_tenant_of(issuer, cases[i].iss, p);

        assert_true(cases[i].tenant ? tenant && !strcmp(tenant, cases[i].tenant)
                                    : !tenant);
    }
    issuer->url = "https://login.example.com/";
    issuer->aliases = NULL;
    assert_null(bearer_issuer_tenant_of(issuer, "https://login.example.com/", p));
}

static void test_tenants(void **state)
{
    static const char file[] = "# who\n t-9 \r\n\nB.c # note\na_b";
    apr_pool_t *p = unit_pool(state);
    bearer_issuer_t *issuer = declare(p, TEMPLATE);
    const apr_array_header_t *tenants;
    const char *error;

    assert_int_equal(bearer_issuer_tenants_parse(&tenants, file, strlen(file),
                                                 &error, p), APR_SUCCESS);
    assert_int_equal(tenants->nelts, 3);
    assert_true(bearer_issuer_tenant_admitted(issuer, "t-1", NULL));
    assert_true(bearer_issuer_tenant_admitted(issuer, "t-9", tenants));
    assert_true(bearer_issuer_tenant_admitted(issuer, "B.c", tenants));
    assert_true(bearer_issuer_tenant_admitted(issuer, "a_b", tenants));
    assert_false(bearer_issuer_tenant_admitted(issuer, "t-9", NULL));
    assert_false(bearer_issuer_tenant_admitted(issuer, "b.c", tenants));
    assert_false(bearer_issuer_tenant_admitted(issuer, "note", tenants));
    assert_false(bearer_issuer_tenant_admitted(issuer, "", tenants));
    assert_false(bearer_issuer_tenant_admitted(issuer, NULL, tenants));
    issuer->tenants_any = 1;
    assert_true(bearer_issuer_tenant_admitted(issuer, "anybody", NULL));
    assert_false(bearer_issuer_tenant_admitted(issuer, "..", NULL));
    assert_int_equal(bearer_issuer_tenants_parse(&tenants, "a\nb c\nd/e", 9,
                                                 &error, p), APR_EINVAL);
    assert_says(error, "line 3: 'd/e'");
    assert_int_equal(bearer_issuer_tenants_parse(&tenants, "", 0, &error, p),
                     APR_SUCCESS);
    assert_int_equal(tenants->nelts, 0);
    assert_false(bearer_issuer_tenant_admitted(declare(p, TEMPLATE), "x",
                                               tenants));
}

static void test_expand(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_issuer_expand("https://h/{tenant}/k", "t", p),
                        "https://h/t/k");
    assert_string_equal(bearer_issuer_expand("https://h/k", "t", p),
                        "https://h/k");
    assert_string_equal(bearer_issuer_expand("{tenant}", NULL, p), "{tenant}");
    assert_null(bearer_issuer_expand(NULL, "t", p));
}

/* ---- metadata ---------------------------------------------------------- */

static void test_well_known_urls(void **state)
{
    static const struct {
        const char *issuer, *oauth, *openid;
    } cases[] = {
        { "https://h", "https://h/.well-known/oauth-authorization-server",
          "https://h/.well-known/openid-configuration" },
        { "https://h/", "https://h/.well-known/oauth-authorization-server",
          "https://h/.well-known/openid-configuration" },
        { "https://h:8443/realms/a",
          "https://h:8443/.well-known/oauth-authorization-server/realms/a",
          "https://h:8443/realms/a/.well-known/openid-configuration" },
        { "https://h/a/",
          "https://h/.well-known/oauth-authorization-server/a",
          "https://h/a/.well-known/openid-configuration" },
    };
    apr_pool_t *p = unit_pool(state);
    const apr_array_header_t *urls;
    bearer_issuer_t *issuer;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        urls = bearer_issuer_metadata_urls(declare(p, cases[i].issuer), p);
        assert_int_equal(urls->nelts, 2);
        assert_string_equal(APR_ARRAY_IDX(urls, 0, const char *),
                            cases[i].oauth);
        assert_string_equal(APR_ARRAY_IDX(urls, 1, const char *),
                            cases[i].openid);
    }
    issuer = declare(p, ISSUER);
    issuer->metadata.kind = BEARER_SOURCE_URL;
    issuer->metadata.value = "https://elsewhere/m";
    urls = bearer_issuer_metadata_urls(issuer, p);
    assert_int_equal(urls->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(urls, 0, const char *),
                        "https://elsewhere/m");
    issuer->metadata.kind = BEARER_SOURCE_OFF;
    assert_int_equal(bearer_issuer_metadata_urls(issuer, p)->nelts, 0);
    assert_int_equal(bearer_issuer_metadata_urls(declare(p, TEMPLATE), p)->nelts,
                     0);
    assert_int_equal(bearer_issuer_metadata_urls(declare(p, "https://h/?a"),
                                                 p)->nelts, 0);
}

static apr_status_t parse(bearer_metadata_t **m, const char *text,
                          const char **error, apr_pool_t *p)
{
    return bearer_metadata_parse(m, text, strlen(text), ISSUER,
                                 ISSUER ".well-known/openid-configuration", NULL,
                                 error, p);
}

static void test_metadata_document(void **state)
{
    static const char text[] =
        "{\"issuer\": \"" ISSUER "\","
        "\"jwks_uri\": \"https://keys.example.com/jwks\","
        "\"introspection_endpoint\": \"http://idp.example.com/introspect\","
        "\"token_endpoint\": \"https://idp.example.com/token\","
        "\"require_pushed_authorization_requests\": true,"
        "\"authorization_response_iss_parameter_supported\": \"true\","
        "\"scopes_supported\": [\"openid\", 7, \"email\"],"
        "\"prompt_values_supported\": [\"login\"],"
        "\"revocation_endpoint\": null,"
        "\"unknown\": {}}";
    apr_pool_t *p = unit_pool(state);
    bearer_metadata_t *m, *n;
    const char *error;

    assert_int_equal(parse(&m, text, &error, p), APR_SUCCESS);
    assert_string_equal(m->issuer, ISSUER);
    assert_string_equal(m->jwks_uri, "https://keys.example.com/jwks");
    assert_string_equal(m->token_endpoint, "https://idp.example.com/token");
    assert_null(m->userinfo_endpoint);
    assert_int_equal(m->require_pushed_authorization_requests, 1);
    assert_int_equal(m->authorization_response_iss_parameter_supported, 0);
    assert_int_equal(m->scopes_supported->nelts, 2);
    assert_int_equal(m->prompt_values_supported->nelts, 1);
    assert_null(m->revocation_endpoint);
    assert_int_equal(parse(&n, "{\"issuer\": \"" ISSUER "\", \"jwks_uri\": null}", &error, p),
                     APR_SUCCESS);
    assert_null(n->jwks_uri);
    /* not https: not used, and said so */
    assert_null(m->introspection_endpoint);
    assert_int_equal(m->left_out->nelts, 1);
    assert_says(APR_ARRAY_IDX(m->left_out, 0, const char *),
                "introspection_endpoint: ");
}

/* Every endpoint: another host's document must not have this host ask itself. */
static void test_metadata_names_no_loopback(void **state)
{
    static const char *const others[] = {
        "introspection_endpoint", "authorization_endpoint", "token_endpoint",
        "userinfo_endpoint", "end_session_endpoint", "revocation_endpoint",
        "pushed_authorization_request_endpoint",
    };
    apr_pool_t *p = unit_pool(state);
    bearer_metadata_t *m;
    const char *error, *text;
    size_t i;

    for (i = 0; i < UNIT_COUNT(others); i++) {
        text = apr_psprintf(p, "{\"issuer\": \"" ISSUER "\", \"%s\": "
                            "\"http://127.0.0.1:9/x\"}", others[i]);
        assert_int_equal(parse(&m, text, &error, p), APR_SUCCESS);
        assert_non_null(m->left_out);
        assert_says(APR_ARRAY_IDX(m->left_out, 0, const char *), others[i]);
        assert_null(m->token_endpoint);
        assert_int_equal(bearer_metadata_parse(&m, text, strlen(text), ISSUER,
                                               "http://127.0.0.1:8/m", NULL,
                                               &error, p), APR_SUCCESS);
        assert_null(m->left_out);
    }
    text = "{\"issuer\": \"" ISSUER "\", \"jwks_uri\": "
           "\"http://localhost:9/x\"}";
    assert_int_equal(parse(&m, text, &error, p), APR_EINVAL);
    assert_says(error, "from another host");
}

static void test_metadata_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "" },
        { "<html>", "not JSON" },
        { "[]", "" },
        { "{}", "its issuer is (none)" },
        { "{\"issuer\": 1}", "its issuer is (none)" },
        { "{\"issuer\": null}", "its issuer is (none)" },
        { "{\"issuer\": \"https://idp.example.com\"}", "final slash" },
        { "{\"issuer\": \"https://evil.example/\"}", "https://evil.example/" },
        { "{\"issuer\": \"" ISSUER "\", \"issuer\": \"x\"}", "duplicate" },
        { "{\"issuer\": \"" ISSUER "\", \"jwks_uri\": \"http://h/\"}",
          "AuthBearerPlainHTTP" },
        { "{\"issuer\": \"" ISSUER "\", \"jwks_uri\": \"file:///etc/x\"}",
          "jwks_uri" },
        { "{\"issuer\": \"" ISSUER "\", \"jwks_uri\": 1}", "jwks_uri" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_metadata_t *m;
        const char *error = NULL;

        UNIT_CHECK(parse(&m, cases[i].text, &error, p) == APR_EINVAL, "%s",
                   cases[i].text);
        assert_null(m);
        assert_says(error, cases[i].says);
    }
}

/* ---- asking ------------------------------------------------------------ */

typedef struct asking_t {
    unit_world_t *w;
    unit_http_t *http;
    bearer_settings_t settings;
    bearer_issuer_t *issuer;
    bearer_issuer_access_t access;
} asking_t;

static asking_t *asking(apr_pool_t *p)
{
    asking_t *a = apr_pcalloc(p, sizeof(*a));

    a->w = unit_world(p);
    a->http = unit_http(p);
    a->w->world.http = &a->http->client;
    a->settings.timeout.connect = apr_time_from_sec(2);
    a->settings.timeout.total = apr_time_from_sec(5);
    a->settings.ca_file = "/ca.pem";
    a->issuer = declare(p, ISSUER);
    a->access.issuer = a->issuer;
    a->access.settings = &a->settings;
    a->access.world = &a->w->world;
    return a;
}

#define OAUTH ISSUER ".well-known/oauth-authorization-server"
#define OPENID ISSUER ".well-known/openid-configuration"
#define DOCUMENT "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/\"}"

static void test_discovery_first_that_fits(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_metadata_t *m;
    const char *error;

    unit_http_page(a->http, OAUTH, 200, "<html>a catch-all page</html>");
    unit_http_page(a->http, OPENID, 200, DOCUMENT);
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p),
                     APR_SUCCESS);
    assert_string_equal(m->source, OPENID);
    assert_string_equal(m->jwks_uri, "https://k.example/");
    assert_int_equal(unit_http_requests(a->http), 2);
    unit_http_page(a->http, OAUTH, 200, DOCUMENT);
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p),
                     APR_SUCCESS);
    assert_string_equal(m->source, OAUTH);
    assert_int_equal(unit_http_requests(a->http), 3);
}

#define LISTED(list, i) APR_ARRAY_IDX((list), (i), const char *)

static void test_both_documents_for_a_login(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_metadata_t *m;
    const char *error;

    a->access.for_login = 1;
    unit_http_page(a->http, OAUTH, 200, "{\"issuer\":\"" ISSUER "\","
                   "\"jwks_uri\":\"https://k.example/\",\"token_endpoint\":"
                   "\"https://t.example/1\",\"userinfo_endpoint\":null,"
                   "\"authorization_response_iss_parameter_supported\":true}");
    unit_http_page(a->http, OPENID, 200, "{\"issuer\":\"" ISSUER "\","
                   "\"jwks_uri\":\"https://other.example/\",\"token_endpoint\":"
                   "\"https://t.example/2\",\"userinfo_endpoint\":"
                   "\"https://u.example/\",\"end_session_endpoint\":"
                   "\"https://e.example/\",\"scopes_supported\":[\"openid\"],"
                   "\"authorization_response_iss_parameter_supported\":false,"
                   "\"require_pushed_authorization_requests\":true}");
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p), APR_SUCCESS);
    assert_int_equal(unit_http_requests(a->http), 2);
    assert_string_equal(m->source, OAUTH);
    assert_string_equal(m->jwks_uri, "https://k.example/");
    assert_string_equal(m->token_endpoint, "https://t.example/1");
    assert_string_equal(m->userinfo_endpoint, "https://u.example/");
    assert_string_equal(m->end_session_endpoint, "https://e.example/");
    assert_int_equal(m->scopes_supported->nelts, 1);
    assert_true(m->authorization_response_iss_parameter_supported);
    assert_true(m->require_pushed_authorization_requests);
    assert_null(m->left_out);
    /* one that is missing is no failure */
    unit_http_page(a->http, OPENID, 404, "");
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p), APR_SUCCESS);
    assert_null(m->end_session_endpoint);
    assert_null(m->left_out);
    assert_null(error);
    unit_http_page(a->http, OAUTH, 404, "");
    unit_http_page(a->http, OPENID, 200, DOCUMENT);
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p), APR_SUCCESS);
    assert_string_equal(m->source, OPENID);
    assert_null(m->left_out);
}

/* The keys need only one document: a second one that is no good spoils nothing. */
static void test_a_second_document_that_is_no_good(void **state)
{
    static const struct {
        int status;
        const char *text, *says;
    } cases[] = {
        { 200, "{\"issuer\":\"https://mallory.example/\",\"end_session_endpoint\":"
               "\"https://mallory.example/end\"}", "its issuer is 'https://mallory" },
        { 200, "{\"issuer\":null,\"end_session_endpoint\":\"https://m.example/\"}",
          "its issuer is (none)" },
        { 200, "<html>", "not JSON" },
        { 500, "", "answered 500" },
    };
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_metadata_t *m;
    const char *error;
    size_t i;

    a->access.for_login = 1;
    unit_http_page(a->http, OAUTH, 200, DOCUMENT);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        unit_http_page(a->http, OPENID, cases[i].status, cases[i].text);
        UNIT_CHECK(bearer_metadata_fetch(&m, &a->access, &error, p) == APR_SUCCESS,
                   "%s", cases[i].text);
        assert_string_equal(m->jwks_uri, "https://k.example/");
        assert_null(m->end_session_endpoint);
        assert_int_equal(m->left_out->nelts, 1);
        assert_says(LISTED(m->left_out, 0), cases[i].says);
    }
}

/* Within one deadline the second document gets half of the time that is left. */
static void test_a_second_document_leaves_time(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_metadata_t *m;
    const char *error;

    a->access.for_login = 1;
    a->access.deadline = bearer_world_now(&a->w->world) + apr_time_from_sec(4);
    unit_http_page(a->http, OAUTH, 200, DOCUMENT);
    unit_http_page(a->http, OPENID, 200, DOCUMENT);
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p), APR_SUCCESS);
    assert_int_equal(apr_time_as_msec(a->http->request.total_timeout), 2000);
}

/* Entra ID's document for all tenants. */
static void test_metadata_of_a_template(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_metadata_t *m;
    const char *error;
    const char *const good[] = { "{tenant}", "{tenantid}" };
    const char *const bad[] = { "{other}", "{tenant}{tenantid}", "t-1", "" };
    size_t i;

    for (i = 0; i < UNIT_COUNT(good) + UNIT_COUNT(bad); i++) {
        int is_good = i < UNIT_COUNT(good);
        const char *text = apr_psprintf(
            p, "{\"issuer\":\"https://login.example.com/%s/v2.0\"}",
            is_good ? good[i] : bad[i - UNIT_COUNT(good)]);

        UNIT_CHECK((bearer_metadata_parse(&m, text, strlen(text), TEMPLATE,
                                          "https://login.example.com/m", NULL, &error, p)
                    == APR_SUCCESS) == is_good, "%s", text);
    }
    assert_int_not_equal(bearer_metadata_parse(
        &m, "{\"issuer\":\"https://idp.example.com/{tenantid}\"}", 45,
        "https://idp.example.com/x", "https://idp.example.com/m", NULL, &error, p),
        APR_SUCCESS);
}

static void test_discovery_failures_are_told(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_metadata_t *m;
    const char *error;

    unit_http_page(a->http, OAUTH, 404, "");
    unit_http_page(a->http, OPENID, 302, "");
    assert_int_not_equal(bearer_metadata_fetch(&m, &a->access, &error, p),
                         APR_SUCCESS);
    assert_null(m);
    assert_says(error, "answered 404");
    assert_says(error, "redirects are not followed");
    /* a host that does not answer is asked once */
    unit_http_page(a->http, OAUTH, 0, NULL)->rv = APR_TIMEUP;
    assert_int_equal(bearer_metadata_fetch(&m, &a->access, &error, p),
                     APR_TIMEUP);
    assert_int_equal(unit_http_requests(a->http), 3);
    a->issuer->metadata.kind = BEARER_SOURCE_OFF;
    assert_int_not_equal(bearer_metadata_fetch(&m, &a->access, &error, p),
                         APR_SUCCESS);
    assert_non_null(error);
}

static void test_get_bounds_and_status(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;

    a->settings.http_proxy = "http://proxy:3128";
    unit_http_page(a->http, "https://h/a", 200, "x");
    assert_int_equal(bearer_issuer_get(&r, &a->access, "https://h/a", 77, &error,
                                       p), APR_SUCCESS);
    assert_int_equal(a->http->request.max_body, 77);
    assert_int_equal(a->http->request.connect_timeout, apr_time_from_sec(2));
    assert_int_equal(a->http->request.total_timeout, apr_time_from_sec(5));
    assert_string_equal(a->http->request.ca_file, "/ca.pem");
    assert_string_equal(a->http->request.proxy, "http://proxy:3128");
    assert_string_equal(a->http->authorization, "");
    unit_http_page(a->http, "https://h/a", 403, "x");
    assert_int_equal(bearer_issuer_get(&r, &a->access, "https://h/a?q=s", 77,
                                       &error, p), APR_EGENERAL);
    unit_http_page(a->http, "https://h/a", 410, "x");
    assert_int_equal(bearer_issuer_get(&r, &a->access, "https://h/a", 77, &error,
                                       p), APR_NOTFOUND);
    assert_says(error, "'https://h/a' answered 410");
    assert_int_equal(bearer_issuer_get(&r, &a->access, "http://h/a", 77, &error,
                                       p), APR_EINVAL);
    assert_says(error, "AuthBearerPlainHTTP");
    assert_int_equal(unit_http_requests(a->http), 3);
}

static void test_deadline(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;

    unit_http_page(a->http, "https://h/a", 200, "x");
    a->access.deadline = a->w->now + apr_time_from_sec(3);
    assert_int_equal(bearer_issuer_get(&r, &a->access, "https://h/a", 77, &error,
                                       p), APR_SUCCESS);
    assert_int_equal(a->http->request.total_timeout, apr_time_from_sec(3));
    a->w->now = a->access.deadline;
    assert_int_equal(bearer_issuer_get(&r, &a->access, "https://h/a", 77, &error,
                                       p), APR_TIMEUP);
    assert_int_equal(unit_http_requests(a->http), 1);
}

static void test_offline(void **state)
{
    apr_pool_t *p = unit_pool(state);
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;

    a->w->world.http = NULL;
    assert_int_equal(bearer_issuer_get(&r, &a->access, "https://h/a", 77, &error,
                                       p), APR_ENOTIMPL);
    assert_non_null(error);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_fetch_auth_goes_to_own_hosts(void **state)
{
    static const struct {
        const char *url;
        int sent;
    } cases[] = {
        { "https://idp.example.com/keys", 1 },
        { "https://IDP.example.com:443/keys", 1 },
        { "https://api.example.com:6443/openid/v1/jwks", 1 },
        { "https://meta.example.com/x", 1 },
        { "https://api.example.com/openid/v1/jwks", 0 },
        { "http://localhost/keys", 0 },
        { "https://keys.example.com/", 0 },
        { "https://idp.example.com.evil.example/", 0 },
        { "https://idp.example.com:8443/", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    const char *path = apr_psprintf(p, "test_issuer.%ld", (long)getpid());
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;
    size_t i;

    a->issuer->fetch_auth_file = path;
    a->issuer->keys[0].kind = BEARER_SOURCE_URL;
    a->issuer->keys[0].value = "https://api.example.com:6443/openid/v1/jwks";
    a->issuer->metadata.kind = BEARER_SOURCE_URL;
    a->issuer->metadata.value = "https://meta.example.com/m";
    write_file(path, " s3cret.token\n");
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        unit_http_page(a->http, cases[i].url, 200, "x");
        assert_int_equal(bearer_issuer_get(&r, &a->access, cases[i].url, 77,
                                           &error, p), APR_SUCCESS);
        UNIT_CHECK(strcmp(a->http->authorization,
                          cases[i].sent ? "Bearer s3cret.token" : "") == 0,
                   "%s: %s", cases[i].url, a->http->authorization);
    }
    /* the file rotates: it is read each time */
    write_file(path, "second");
    assert_int_equal(bearer_issuer_get(&r, &a->access, cases[0].url, 77, &error,
                                       p), APR_SUCCESS);
    assert_string_equal(a->http->authorization, "Bearer second");
    a->issuer->keys[0].kind = BEARER_SOURCE_SPIFFE_URL;
    assert_int_equal(bearer_issuer_get(&r, &a->access, cases[2].url, 77, &error,
                                       p), APR_SUCCESS);
    assert_string_equal(a->http->authorization, "Bearer second");
    unlink(path);
}

/* Kubernetes' metadata names its keys on an address of its own. */
static void test_fetch_auth_in_messages(void **state)
{
    static const char own[] = "https://idp.example.com/keys";
    static const char other[] = "https://10.0.0.1:6443/openid/v1/jwks";
    apr_pool_t *p = unit_pool(state);
    const char *path = apr_psprintf(p, "test_issuer.%ld", (long)getpid());
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;

    unit_http_page(a->http, own, 401, "");
    unit_http_page(a->http, other, 403, "");
    bearer_issuer_get(&r, &a->access, own, 77, &error, p);
    assert_says(error, "answered 401; AuthBearerFetchAuth can send");
    write_file(path, "t");
    a->issuer->fetch_auth_file = path;
    bearer_issuer_get(&r, &a->access, own, 77, &error, p);
    assert_says(error, "does not accept the token of AuthBearerFetchAuth");
    bearer_issuer_get(&r, &a->access, other, 77, &error, p);
    assert_says(error, "name this URL in AuthBearerKeys");
    unlink(path);
}

static void test_fetch_auth_unusable(void **state)
{
    static const char *const texts[] = { "", " \n", "a b", "a\r\nX: y" };
    apr_pool_t *p = unit_pool(state);
    const char *path = apr_psprintf(p, "test_issuer.%ld", (long)getpid());
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;
    char *large;
    size_t i;

    a->issuer->fetch_auth_file = path;
    for (i = 0; i < UNIT_COUNT(texts); i++) {
        write_file(path, texts[i]);
        assert_int_not_equal(bearer_issuer_get(&r, &a->access, ISSUER "k", 77,
                                               &error, p), APR_SUCCESS);
        assert_says(error, "AuthBearerFetchAuth");
    }
    large = apr_palloc(p, 16 * 1024 + 2);
    memset(large, 'x', 16 * 1024 + 1);
    large[16 * 1024 + 1] = '\0';
    write_file(path, large);
    assert_int_not_equal(bearer_issuer_get(&r, &a->access, ISSUER "k", 77,
                                           &error, p), APR_SUCCESS);
    assert_says(error, "larger than 16384 bytes");
    assert_int_equal(unit_http_requests(a->http), 0);
    large[16 * 1024] = '\0';
    write_file(path, large);
    unit_http_page(a->http, ISSUER "k", 200, "x");
    assert_int_equal(bearer_issuer_get(&r, &a->access, ISSUER "k", 77, &error, p),
                     APR_SUCCESS);
    assert_int_equal(unit_http_requests(a->http), 1);
    unlink(path);
    assert_int_not_equal(bearer_issuer_get(&r, &a->access, ISSUER "k", 77,
                                           &error, p), APR_SUCCESS);
    assert_says(error, "cannot be read");
    assert_int_equal(unit_http_requests(a->http), 1);
}

/* A token of the API server goes to no other host, whatever the kind of its keys. */
static void test_fetch_auth_of_other_sources(void **state)
{
    static const struct {
        bearer_source_kind_t kind;
        const char *value;
        int sent;
    } cases[] = {
        { BEARER_SOURCE_SPIFFE_URL, "https://bundle.example.com/b", 1 },
        { BEARER_SOURCE_URL, "https://bundle.example.com/b", 1 },
        { BEARER_SOURCE_FILE, "https://bundle.example.com/b", 0 },
        { BEARER_SOURCE_DISCOVER, NULL, 0 },
    };
    apr_pool_t *p = unit_pool(state);
    const char *path = apr_psprintf(p, "test_issuer.%ld", (long)getpid());
    asking_t *a = asking(p);
    bearer_http_response_t *r;
    const char *error;
    size_t i;

    a->issuer->fetch_auth_file = path;
    write_file(path, "s3cret");
    unit_http_page(a->http, "https://bundle.example.com/x", 200, "x");
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        a->issuer->keys[0].kind = cases[i].kind;
        a->issuer->keys[0].value = cases[i].value;
        assert_int_equal(bearer_issuer_get(&r, &a->access, "https://bundle.example.com"
                                           "/x", 77, &error, p), APR_SUCCESS);
        UNIT_CHECK((*a->http->authorization != '\0') == cases[i].sent, "%d", (int)i);
    }
    unlink(path);
}

/* AuthBearerEndpoint: over what the metadata says, or without any. */
static void test_endpoints_by_hand(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_issuer_t *issuer = declare(p, ISSUER);
    const bearer_metadata_t found = {
        .issuer = ISSUER, .token_endpoint = "https://outer/token",
        .end_session_endpoint = "https://outer/end", .userinfo_endpoint = "https://outer/me"
    };
    const bearer_metadata_t *m;

    assert_int_equal(bearer_endpoint_any(issuer), 0);
    issuer->endpoints[BEARER_HAND_TOKEN].kind = BEARER_SOURCE_URL;
    issuer->endpoints[BEARER_HAND_TOKEN].value = "https://inner/token";
    issuer->endpoints[BEARER_HAND_END_SESSION].kind = BEARER_SOURCE_OFF;
    assert_int_equal(bearer_endpoint_any(issuer), 1);
    m = bearer_endpoint_apply(&found, issuer, p);
    assert_string_equal(m->token_endpoint, "https://inner/token");
    assert_string_equal(m->userinfo_endpoint, "https://outer/me");
    assert_null(m->end_session_endpoint);
    m = bearer_endpoint_apply(NULL, issuer, p);
    assert_string_equal(m->issuer, ISSUER);
    assert_string_equal(m->token_endpoint, "https://inner/token");
    assert_null(m->userinfo_endpoint);
    assert_int_equal(bearer_endpoint_possible(issuer, BEARER_HAND_USERINFO), 1);
    assert_int_equal(bearer_endpoint_possible(issuer, BEARER_HAND_END_SESSION), 0);
    issuer->metadata.kind = BEARER_SOURCE_OFF;
    assert_int_equal(bearer_endpoint_possible(issuer, BEARER_HAND_USERINFO), 0);
    assert_null(bearer_endpoint_error(issuer, NULL, p));
    issuer->endpoints[BEARER_HAND_TOKEN].value = "http://inner/token";
    assert_true(unit_contains(bearer_endpoint_error(issuer, NULL, p),
                              "AuthBearerEndpoint token"));
    assert_null(bearer_endpoint_name(-1));
    assert_null(bearer_endpoint_name(BEARER_HAND_COUNT));
}

static void test_names_of_tenants(void **state)
{
    static const struct {
        const char *name;
        int good;
    } cases[] = {
        { ".", 0 }, { "..", 0 }, { ".a", 1 }, { "a.", 1 }, { "...", 1 }, { "", 0 },
        { "a", 1 }, { "a/b", 0 }, { "a%b", 0 }, { "a b", 0 }, { "\xc3\xa4", 0 },
        { "-_", 1 }, { "a@b", 0 },
        { "0123456789012345678901234567890123456789012345678901234567890123", 1 },
        { "01234567890123456789012345678901234567890123456789012345678901234", 0 }
    };
    apr_pool_t *p = unit_pool(state);
    bearer_issuers_t *issuers = bearer_issuers_create(p);
    bearer_issuer_t *issuer = declare(p, TEMPLATE);
    const char *tenant;
    size_t i;

    assert_null(bearer_issuers_add(issuers, issuer));
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *url = apr_pstrcat(p, "https://login.example.com/", cases[i].name,
                                      "/v2.0", NULL);

        UNIT_CHECK((bearer_issuers_find(issuers, url, &tenant, p) != NULL)
                   == cases[i].good, "%s", cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_found_byte_for_byte),
        UNIT_TEST(test_template),
        UNIT_TEST(test_plain_before_template),
        UNIT_TEST(test_spiffe_by_trust_domain),
        UNIT_TEST(test_contradictions),
        UNIT_TEST(test_what_would_be_fetched),
        UNIT_TEST(test_tenants),
        UNIT_TEST(test_tenant_of),
        UNIT_TEST(test_expand),
        UNIT_TEST(test_endpoints_by_hand),
        UNIT_TEST(test_well_known_urls),
        UNIT_TEST(test_metadata_document),
        UNIT_TEST(test_metadata_names_no_loopback),
        UNIT_TEST(test_metadata_refused),
        UNIT_TEST(test_metadata_of_a_template),
        UNIT_TEST(test_both_documents_for_a_login),
        UNIT_TEST(test_a_second_document_that_is_no_good),
        UNIT_TEST(test_a_second_document_leaves_time),
        UNIT_TEST(test_discovery_first_that_fits),
        UNIT_TEST(test_discovery_failures_are_told),
        UNIT_TEST(test_get_bounds_and_status),
        UNIT_TEST(test_deadline),
        UNIT_TEST(test_offline),
        UNIT_TEST(test_fetch_auth_goes_to_own_hosts),
        UNIT_TEST(test_fetch_auth_in_messages),
        UNIT_TEST(test_fetch_auth_unusable),
        UNIT_TEST(test_fetch_auth_of_other_sources),
        UNIT_TEST(test_names_of_tenants),
    };

    return UNIT_RUN("issuer", tests);
}
