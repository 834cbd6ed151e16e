/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* An issuer's metadata document, and the URLs in it. */
#include "fuzz.h"

#include <strings.h>

#include <arpa/inet.h>
#include <curl/curl.h>

#include "base/http.h"
#include "trust/issuer.h"

#define ISSUER "https://idp.example/"
#define SOURCE ISSUER ".well-known/openid-configuration"

static apr_array_header_t *plain_http;

static void fuzz_setup(apr_pool_t *p)
{
    plain_http = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(plain_http, const char *) = "inside.example";
}

static int is_named(const char *host)
{
    return strcasecmp(host, "inside.example") == 0;
}

static int is_number(const char *host)
{
    return host[strspn(host, "0123456789abcdefABCDEFxX.")] == '\0';
}

static int same_host(const char *shown, const char *host, apr_pool_t *p)
{
    unsigned char a[16], b[16];

    if (*shown != '[') {
        return strcasecmp(shown, host) == 0;
    }
    shown = apr_pstrmemdup(p, shown + 1, strlen(shown) - 2);
    return inet_pton(AF_INET6, shown, a) == 1
           && inet_pton(AF_INET6, host, b) == 1 && memcmp(a, b, 16) == 0;
}

/* What was judged must be what libcurl would connect to. It reads numbers as
 * addresses in more ways than one; here only 127.0.0.1 is one. */
static void check_with_curl(const char *url, apr_pool_t *p)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL;
    bearer_http_url_t parts;

    FUZZ_CHECK(!bearer_http_url_split(&parts, url, p));
    FUZZ_CHECK(curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK);
    FUZZ_CHECK(curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK);
    FUZZ_CHECK(curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK);
    FUZZ_CHECK(strcmp(scheme, parts.https ? "https" : "http") == 0);
    FUZZ_CHECK(is_number(parts.host) || same_host(host, parts.host, p));
    FUZZ_CHECK(parts.https || is_named(host));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
}

static void check_url(const char *url, apr_pool_t *p)
{
    if (url) {
        FUZZ_CHECK(!bearer_http_url_error(url, SOURCE, plain_http, p));
        fuzz_check_line(bearer_http_url_shown(url, p));
        check_with_curl(url, p);
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    bearer_metadata_t *m = NULL;
    const char *error = NULL;
    int i;

    error = bearer_http_url_error(text, SOURCE, plain_http, p);
    if (error) {
        fuzz_check_line(error);
    } else {
        check_url(text, p);
    }
    if (bearer_metadata_parse(&m, text, len, ISSUER, SOURCE, plain_http, &error,
                              p)
        != APR_SUCCESS) {
        fuzz_check_line(error);
        return;
    }
    FUZZ_CHECK(strcmp(m->issuer, ISSUER) == 0);
    check_url(m->jwks_uri, p);
    check_url(m->introspection_endpoint, p);
    check_url(m->authorization_endpoint, p);
    check_url(m->token_endpoint, p);
    check_url(m->userinfo_endpoint, p);
    check_url(m->end_session_endpoint, p);
    check_url(m->revocation_endpoint, p);
    for (i = 0; m->left_out && i < m->left_out->nelts; i++) {
        fuzz_check_line(APR_ARRAY_IDX(m->left_out, i, const char *));
    }
}
