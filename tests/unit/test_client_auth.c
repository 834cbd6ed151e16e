/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Proving who we are at an endpoint: what each method sends, what it needs, and
 * the life of a token by client_credentials.
 */
#include "unit_fault.h"
#include "unit_lab.h"

#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "unit_jose.h"

#include "ask/client_auth.h"
#include "base/filewatch.h"
#include "base/flight.h"

#define ENDPOINT "https://idp.example.com/introspect"
#define TOKEN_ENDPOINT "https://idp.example.com/token"
#define ANSWER "{\"active\":true}"
#define LONG_SECRET "0123456789abcdef0123456789abcdef"

typedef struct bench_t {
    lab_t *lab;
    bearer_client_t *client;
    const char *error;
    const char *token_endpoint;
    apr_pool_t *p;
} bench_t;

static const char *token_endpoint(void *baton, const char **error, apr_pool_t *p)
{
    bench_t *b = baton;

    (void)p;
    if (!b->token_endpoint) {
        *error = "metadata cannot be reached";
    }
    return b->token_endpoint;
}

static bearer_secret_t *secret_value(apr_pool_t *p, const char *value)
{
    bearer_secret_t *secret = NULL;

    assert_null(bearer_secret_parse(&secret, "env:X", "AuthBearerClientSecret",
                                    p));
    secret->value = apr_pstrdup(p, value);
    secret->len = strlen(value);
    return secret;
}

static bench_t *bench(apr_pool_t *p, int method, const char *id,
                      const char *secret)
{
    bench_t *b = apr_pcalloc(p, sizeof(*b));
    bearer_settings_t *s;

    b->p = p;
    b->lab = lab_open(p);
    b->token_endpoint = TOKEN_ENDPOINT;
    s = &b->lab->settings;
    bearer_settings_put(s, CLIENT_AUTH, client_auth, method);
    s->client_id = id;
    s->client_secret = secret ? secret_value(p, secret) : NULL;
    unit_http_page(b->lab->http, ENDPOINT, 200, ANSWER);
    return b;
}

static apr_status_t ask(bench_t *b)
{
    apr_table_t *form = apr_table_make(b->p, 1);
    bearer_http_response_t *response;
    apr_status_t rv;

    if (!b->client) {
        bearer_client_config_t config = { &b->lab->access, NULL, token_endpoint,
                                          b };

        assert_int_equal(bearer_client_create(&b->client, &config, b->p),
                         APR_SUCCESS);
    }
    apr_table_set(form, "token", "ory_at_a b+c");
    rv = bearer_client_post(&response, b->client, ENDPOINT, form, &b->error, b->p);
    if (rv == APR_SUCCESS) {
        assert_string_equal(response->body, ANSWER);
    }
    return rv;
}

static void asked(bench_t *b)
{
    UNIT_CHECK(ask(b) == APR_SUCCESS, "%s", b->error);
}

/* The value of a field of the last body, decoded as far as these tests need. */
static const char *field(bench_t *b, const char *name)
{
    const char *at = strstr(b->lab->http->body,
                            apr_pstrcat(b->p, name, "=", NULL));

    assert_non_null(at);
    at += strlen(name) + 1;
    return apr_pstrmemdup(b->p, at, strcspn(at, "&"));
}

/* ---- what is sent ------------------------------------------------------- */

static void test_request(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_NONE, NULL, NULL);

    b->lab->settings.ca_file = "/ca.pem";
    b->lab->settings.http_proxy = "http://proxy:3128";
    asked(b);
    assert_string_equal(b->lab->http->method, "POST");
    assert_string_equal(b->lab->http->url, ENDPOINT);
    assert_string_equal(b->lab->http->body, "token=ory_at_a+b%2Bc");
    assert_true(unit_contains(b->lab->http->fields, "Content-Type: "
                              "application/x-www-form-urlencoded\n"));
    assert_true(unit_contains(b->lab->http->fields,
                              "Accept: application/json\n"));
    assert_string_equal(b->lab->http->authorization, "");
    assert_string_equal(b->lab->http->request.ca_file, "/ca.pem");
    assert_string_equal(b->lab->http->request.proxy, "http://proxy:3128");
    assert_int_equal(b->lab->http->request.total_timeout,
                     b->lab->settings.timeout.total);
    assert_int_equal(b->lab->http->request.max_body, BEARER_ANSWER_MAX);
}

static void test_none_with_id(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_NONE, "my id", NULL);

    asked(b);
    assert_string_equal(b->lab->http->body,
                        "token=ory_at_a+b%2Bc&client_id=my+id");
}

/* RFC 6749 section 2.3.1: form-encoded before base64. */
static void test_basic(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_SECRET_BASIC, "my:id",
                       "p%ss +w\xc3\xb6rd");

    asked(b);
    /* my%3Aid:p%25ss+%2Bw%C3%B6rd */
    assert_string_equal(b->lab->http->authorization,
                        "Basic bXklM0FpZDpwJTI1c3MrJTJCdyVDMyVCNnJk");
    assert_false(unit_contains(b->lab->http->body, "client"));
}

static void test_post(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_SECRET_POST, "my id",
                       "a&b=c");

    asked(b);
    assert_string_equal(b->lab->http->authorization, "");
    assert_true(unit_contains(b->lab->http->body,
                              "&client_id=my+id&client_secret=a%26b%3Dc"));
}

static void test_tls(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_TLS, "id", NULL);

    b->lab->settings.client_cert = "/cert.pem";
    b->lab->settings.client_key = "/key.pem";
    asked(b);
    assert_string_equal(b->lab->http->request.client_cert, "/cert.pem");
    assert_string_equal(b->lab->http->request.client_key, "/key.pem");
    assert_string_equal(field(b, "client_id"), "id");
}

/* ---- assertions --------------------------------------------------------- */

static json_t *payload_of(apr_pool_t *p, const char *jwt, json_t **header)
{
    bearer_refusal_t why;
    bearer_jws_t jws;
    const char *error;
    json_t *claims;

    memset(&jws, 0, sizeof(jws));
    UNIT_CHECK(bearer_jws_parse(&jws, jwt, strlen(jwt), &why, p) == BEARER_OK,
               "%s", jwt);
    assert_int_equal(bearer_json_parse(&claims, jws.payload, jws.payload_len,
                                       &error, p), APR_SUCCESS);
    *header = jws.header;
    return claims;
}

static void check_signed(apr_pool_t *p, const char *jwt, json_t *jwk)
{
    char *text = json_dumps(jwk, 0), *set_text;
    const bearer_jwk_t *key;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jwks_t *set;
    bearer_jws_t jws;
    const char *error;
    int unknown;

    set_text = apr_pstrcat(p, "{\"keys\":[", text, "]}", NULL);
    free(text);
    assert_int_equal(bearer_jwks_parse(&set, set_text, strlen(set_text),
                                       BEARER_JWKS_LOCAL, NULL, &error, p),
                     APR_SUCCESS);
    memset(&jws, 0, sizeof(jws));
    assert_int_equal(bearer_jws_parse(&jws, jwt, strlen(jwt), &why, p),
                     BEARER_OK);
    UNIT_CHECK(bearer_jws_check_header(&jws, ~0u, &why, p) == BEARER_OK
                   && bearer_jws_check_kid(&jws, &why, p) == BEARER_OK
                   && bearer_jwks_select(&key, &unknown, set, jws.facts.alg, jws.facts.kid,
                                         NULL, NULL, &why, p) == BEARER_OK
                   && bearer_jws_verify(&jws, key, &why, p) == BEARER_OK,
               "%s", why.detail);
    bearer_jwks_release(set);
}

static void check_assertion(bench_t *b, const char *aud, json_t *jwk)
{
    const char *jwt = field(b, "client_assertion");
    json_t *header, *claims = payload_of(b->p, jwt, &header);
    json_int_t now = (json_int_t)apr_time_sec(atomic_load(&b->lab->now));

    assert_string_equal(field(b, "client_assertion_type"),
                        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
                        "%3Ajwt-bearer");
    assert_string_equal(field(b, "client_id"), "my-id");
    assert_string_equal(bearer_json_string(claims, "iss"), "my-id");
    assert_string_equal(bearer_json_string(claims, "sub"), "my-id");
    assert_string_equal(bearer_json_string(claims, "aud"), aud);
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")), now);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")),
                     now + 60);
    assert_true(strlen(bearer_json_string(claims, "jti")) >= 20);
    check_signed(b->p, jwt, jwk);
}

static void test_secret_jwt(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_SECRET_JWT, "my-id", LONG_SECRET);
    json_t *jwk = json_pack("{s:s, s:s}", "kty", "oct", "k",
                            bearer_b64url_encode(p, LONG_SECRET, 32));

    bearer_json_tie(jwk, p);
    asked(b);
    check_assertion(b, b->lab->issuer.url, jwk);
    assert_false(unit_contains(b->lab->http->body, LONG_SECRET));
}

/* RFC 7518 section 3.2: not shorter than the hash. */
static void test_secret_jwt_too_short(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_SECRET_JWT, "my-id",
                       "short");

    assert_int_not_equal(ask(b), APR_SUCCESS);
    assert_true(unit_contains(b->error, "shorter than the hash"));
    assert_int_equal(unit_http_requests(b->lab->http), 0);
}

static void test_unique_jti(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_SECRET_JWT, "my-id", LONG_SECRET);
    json_t *header;
    const char *first;

    asked(b);
    first = bearer_json_string(payload_of(p, field(b, "client_assertion"),
                                          &header), "jti");
    asked(b);
    assert_string_not_equal(first, bearer_json_string(
        payload_of(p, field(b, "client_assertion"), &header), "jti"));
}

static const char *temporary(apr_pool_t *p, const char *text)
{
    char *path = apr_pstrdup(p, "/tmp/bearer-client-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static const char *dumped(apr_pool_t *p, json_t *value)
{
    char *text = json_dumps(value, 0);
    const char *copy = apr_pstrdup(p, text);

    free(text);
    return copy;
}

static const char *pem_of(apr_pool_t *p, EVP_PKEY *pkey)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;
    char *data;
    long len;

    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL,
                                              NULL), 1);
    len = BIO_get_mem_data(bio, &data);
    text = apr_pstrmemdup(p, data, (apr_size_t)len);
    BIO_free(bio);
    return text;
}

/* As JWK, as the private one of a set, as PEM: each with its usual algorithm. */
static void test_private_key_jwt(void **state)
{
    static const struct {
        const char *alg, *expected;
        int pem, in_set;
    } cases[] = {
        { "RS256", "RS256", 0, 0 }, { "RS256", "RS256", 1, 0 },
        { "ES256", "ES256", 0, 1 }, { "ES384", "ES384", 1, 0 },
        { "EdDSA", "EdDSA", 0, 0 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, BEARER_CLIENT_PRIVATE_KEY_JWT, "my-id", NULL);
        json_t *jwk = unit_key_for(p, cases[i].alg), *header;
        const char *text, *error;
        EVP_PKEY *pkey;

        json_object_set_new(jwk, "kid", json_string("k1"));
        text = dumped(p, jwk);
        assert_int_equal(bearer_jwk_private(&pkey, jwk, &error, p),
                         APR_SUCCESS);
        if (cases[i].pem) {
            text = pem_of(p, pkey);
        } else if (cases[i].in_set) {
            text = apr_pstrcat(p, "{\"keys\":[", text, "]}", NULL);
        }
        b->lab->settings.client_key = temporary(p, text);
        asked(b);
        payload_of(p, field(b, "client_assertion"), &header);
        assert_string_equal(bearer_json_string(header, "alg"),
                            cases[i].expected);
        if (cases[i].pem) {
            assert_null(bearer_json_string(header, "kid"));
        } else {
            assert_string_equal(bearer_json_string(header, "kid"), "k1");
        }
        check_assertion(b, b->lab->issuer.url, jwk);
        unlink(b->lab->settings.client_key);
    }
}

/* A JWK may say which algorithm it is for. */
static void test_alg_of_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_PRIVATE_KEY_JWT, "my-id", NULL);
    json_t *jwk = unit_key_for(p, "RS256"), *header;

    json_object_set_new(jwk, "alg", json_string("PS256"));
    b->lab->settings.client_key = temporary(p, dumped(p, jwk));
    asked(b);
    payload_of(p, field(b, "client_assertion"), &header);
    assert_string_equal(bearer_json_string(header, "alg"), "PS256");
    unlink(b->lab->settings.client_key);
}

static void test_aud_endpoint(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_SECRET_JWT | BEARER_CLIENT_AUD_ENDPOINT,
                       "my-id", LONG_SECRET);
    json_t *header;

    asked(b);
    assert_string_equal(bearer_json_string(
        payload_of(p, field(b, "client_assertion"), &header), "aud"), ENDPOINT);
}

/* A self-signed certificate in a temporary file. */
static const char *new_cert(apr_pool_t *p, const json_t *jwk)
{
    X509 *cert = X509_new();
    const char *error;
    EVP_PKEY *pkey;
    char *path = apr_pstrdup(p, "/tmp/bearer-cert-XXXXXX");
    FILE *f = fdopen(mkstemp(path), "w");

    assert_int_equal(bearer_jwk_private(&pkey, jwk, &error, p), APR_SUCCESS);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, pkey);
    assert_true(X509_sign(cert, pkey, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
    X509_free(cert);
    return path;
}

static const char *thumbprint(apr_pool_t *p, const char *path)
{
    FILE *f = fopen(path, "r");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    unsigned char digest[32];
    unsigned len;

    fclose(f);
    X509_digest(cert, EVP_sha256(), digest, &len);
    X509_free(cert);
    return bearer_b64url_encode(p, digest, len);
}

/* The certificate's thumbprints go with the key (Entra ID). */
static void test_thumbprints(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_PRIVATE_KEY_JWT, "my-id", NULL);
    json_t *jwk = unit_key_for(p, "ES256"), *header;
    const char *path = new_cert(p, jwk);

    b->lab->settings.client_key = temporary(p, dumped(p, jwk));
    b->lab->settings.client_cert = path;
    asked(b);
    payload_of(p, field(b, "client_assertion"), &header);
    assert_string_equal(bearer_json_string(header, "x5t#S256"),
                        thumbprint(p, path));
    assert_int_equal(strlen(bearer_json_string(header, "x5t")), 27);
    unlink(b->lab->settings.client_key);
    unlink(path);
}

static void test_bad_keys(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "nothing", "no PEM private key" },
        { "{\"kty\":\"RSA\"}", "AuthBearerClientKey: " },
        { "{\"kty\":", "AuthBearerClientKey: " },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, BEARER_CLIENT_PRIVATE_KEY_JWT, "my-id", NULL);

        b->lab->settings.client_key = temporary(p, cases[i].text);
        UNIT_CHECK(ask(b) != APR_SUCCESS
                       && unit_contains(b->error, cases[i].error),
                   "%s: %s", cases[i].text, b->error);
        assert_int_equal(unit_http_requests(b->lab->http), 0);
        unlink(b->lab->settings.client_key);
    }
}

/* Somebody else rotates the assertion in its file. */
static void test_jwt_file(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_JWT_FILE, NULL, NULL);
    const char *path = temporary(p, "a.b.c\n");

    assert_null(bearer_secret_parse(&b->lab->settings.client_secret,
                                    apr_pstrcat(p, "file:", path, NULL),
                                    "AuthBearerClientSecret", p));
    asked(b);
    assert_string_equal(field(b, "client_assertion"), "a.b.c");
    assert_false(unit_contains(b->lab->http->body, "client_id"));
    assert_int_equal(rename(temporary(p, "d.e.f\n"), path), 0);
    lab_pass(b->lab, BEARER_FILEWATCH_INTERVAL);
    asked(b);
    assert_string_equal(field(b, "client_assertion"), "d.e.f");
    unlink(path);
}

/* ---- bearer ------------------------------------------------------------- */

static void test_bearer_of_file(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_BEARER, NULL, "t0ken");

    asked(b);
    assert_string_equal(b->lab->http->authorization, "Bearer t0ken");
    assert_int_equal(unit_http_requests(b->lab->http), 1);
}

static bench_t *granted_bench(apr_pool_t *p, const char *answer)
{
    bench_t *b = bench(p, BEARER_CLIENT_BEARER, "my-id", "s3cret");

    unit_http_page(b->lab->http, TOKEN_ENDPOINT, 200, answer);
    return b;
}

#define GRANT(token) "{\"access_token\":\"" token "\",\"token_type\":" \
                     "\"bearer\",\"expires_in\":100}"

typedef struct spy_t {
    unit_http_t *http;
    char url[8][64], authorization[8][128], body[8][128];
    int n;
} spy_t;

static void spy(void *baton)
{
    spy_t *s = baton;

    assert_true(s->n < 8);
    apr_cpystrn(s->url[s->n], s->http->url, 64);
    apr_cpystrn(s->authorization[s->n], s->http->authorization, 128);
    apr_cpystrn(s->body[s->n], s->http->body, 128);
    s->n++;
}

static spy_t *watched(bench_t *b)
{
    spy_t *s = apr_pcalloc(b->p, sizeof(*s));

    s->http = b->lab->http;
    b->lab->http->during = spy;
    b->lab->http->during_baton = s;
    return s;
}

static void test_client_credentials(void **state)
{
    bench_t *b = granted_bench(unit_pool(state), GRANT("t1"));
    spy_t *s = watched(b);

    asked(b);
    asked(b);
    assert_int_equal(s->n, 3);
    assert_string_equal(s->url[0], TOKEN_ENDPOINT);
    assert_string_equal(s->body[0], "grant_type=client_credentials");
    assert_string_equal(s->authorization[0], "Basic bXktaWQ6czNjcmV0");
    assert_string_equal(s->authorization[1], "Bearer t1");
    assert_string_equal(s->authorization[2], "Bearer t1");
}

/* With a key the token endpoint gets an assertion, not the secret. */
static void test_client_credentials_by_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = granted_bench(p, GRANT("t1"));
    const char *path = temporary(p, dumped(p, unit_key_for(p, "ES256")));
    spy_t *s = watched(b);

    b->lab->settings.client_key = path;
    asked(b);
    assert_string_equal(s->authorization[0], "");
    assert_true(unit_contains(s->body[0], "client_assertion_type="));
    assert_string_equal(s->authorization[1], "Bearer t1");
    unlink(path);
}

/* Ahead of time; and while that fails, the token that is good serves on. */
static void test_renewal(void **state)
{
    bench_t *b = granted_bench(unit_pool(state), GRANT("t1"));
    spy_t *s = watched(b);

    asked(b);
    unit_http_page(b->lab->http, TOKEN_ENDPOINT, 500, "");
    lab_pass(b->lab, SECONDS(79));
    asked(b);
    assert_int_equal(s->n, 3);
    lab_pass(b->lab, SECONDS(2));
    asked(b);
    assert_int_equal(s->n, 5);
    assert_string_equal(s->authorization[4], "Bearer t1");
    asked(b);
    assert_int_equal(s->n, 6);   /* not tried again at once */
    unit_http_page(b->lab->http, TOKEN_ENDPOINT, 200, GRANT("t2"));
    lab_pass(b->lab, SECONDS(6));
    asked(b);
    assert_int_equal(s->n, 8);
    assert_string_equal(s->authorization[7], "Bearer t2");
    assert_int_equal(lab_logged(b->lab, "answered 500"), 1);
    assert_int_equal(lab_logged(b->lab, "s3cret"), 0);
}

static void test_renewal_in_background(void **state)
{
    bench_t *b = granted_bench(unit_pool(state), GRANT("t1"));
    spy_t *s = watched(b);

    asked(b);
    bearer_client_maintain(b->client, b->p);
    assert_int_equal(s->n, 2);
    lab_pass(b->lab, SECONDS(81));
    bearer_client_maintain(b->client, b->p);
    assert_int_equal(s->n, 3);
    assert_string_equal(s->url[2], TOKEN_ENDPOINT);
    /* a renewal that ends with its process is no trouble of the issuer's */
    unit_http_page(b->lab->http, TOKEN_ENDPOINT, 0, NULL)->rv = APR_EINTR;
    lab_pass(b->lab, SECONDS(81));
    bearer_client_maintain(b->client, b->p);
    assert_int_equal(s->n, 4);
    assert_int_equal(b->lab->line_count, 0);
}

/* Revoked before its time: one more try with a new one, not more. */
static void test_token_refused(void **state)
{
    bench_t *b = granted_bench(unit_pool(state), GRANT("t1"));
    bearer_http_response_t *response;
    spy_t *s = watched(b);

    asked(b);
    unit_http_page(b->lab->http, ENDPOINT, 401, "");
    unit_http_page(b->lab->http, TOKEN_ENDPOINT, 200, GRANT("t2"));
    assert_int_equal(bearer_client_post(&response, b->client, ENDPOINT,
                                        apr_table_make(b->p, 1), &b->error, b->p), APR_SUCCESS);
    assert_int_equal(response->status, 401);
    assert_int_equal(s->n, 5);
    assert_string_equal(s->authorization[2], "Bearer t1");
    assert_string_equal(s->url[3], TOKEN_ENDPOINT);
    assert_string_equal(s->authorization[4], "Bearer t2");
}

static void test_bad_grants(void **state)
{
    static const char *const answers[] = {
        "", "{}", "[]", "{\"access_token\":1}", "{\"access_token\":\"\"}",
        "{\"access_token\":\"a b\"}", "{\"access_token\":\"a\\r\\nX: y\"}",
        "{\"access_token\":\"a\",\"token_type\":\"mac\"}",
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(answers); i++) {
        bench_t *b = granted_bench(p, answers[i]);

        UNIT_CHECK(ask(b) != APR_SUCCESS, "%s", answers[i]);
        assert_int_equal(unit_http_requests(b->lab->http), 1);
    }
}

static void test_no_token_endpoint(void **state)
{
    bench_t *b = granted_bench(unit_pool(state), GRANT("t1"));

    b->token_endpoint = NULL;
    assert_int_not_equal(ask(b), APR_SUCCESS);
    assert_true(unit_contains(b->error, "metadata cannot be reached"));
}

/* Several threads that need a token at once make one request for it. */
typedef struct crowd_t {
    bench_t *b;
    pthread_mutex_t mutex;
    int token_requests;
} crowd_t;

static void slow_token(void *baton)
{
    crowd_t *c = baton;
    int i;

    pthread_mutex_lock(&c->mutex);
    c->token_requests += unit_contains(c->b->lab->http->url, "/token");
    pthread_mutex_unlock(&c->mutex);
    for (i = 0; i < 50; i++) {
        usleep(1000);
    }
}

static void *one_of_the_crowd(void *baton)
{
    crowd_t *c = baton;
    bearer_http_response_t *response;
    const char *error;
    apr_pool_t *p;
    apr_status_t rv;

    apr_pool_create(&p, NULL);
    rv = bearer_client_post(&response, c->b->client, ENDPOINT,
                            apr_table_make(p, 1), &error, p);
    apr_pool_destroy(p);
    return (void *)(intptr_t)rv;
}

static void test_one_flight(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = granted_bench(p, GRANT("t1"));
    bearer_client_config_t config = { &b->lab->access, NULL, token_endpoint, b };
    crowd_t crowd = { b, PTHREAD_MUTEX_INITIALIZER, 0 };
    pthread_t threads[8];
    unsigned i;

    b->lab->settings.timeout.total = SECONDS(20);
    assert_int_equal(bearer_client_create(&b->client, &config, p), APR_SUCCESS);
    b->lab->http->during = slow_token;
    b->lab->http->during_baton = &crowd;
    for (i = 0; i < UNIT_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_the_crowd,
                                        &crowd), 0);
    }
    for (i = 0; i < UNIT_COUNT(threads); i++) {
        void *rv;

        pthread_join(threads[i], &rv);
        assert_null(rv);
    }
    assert_int_equal(unit_http_requests(b->lab->http), 1 + 8);
}

/* ---- what is missing ---------------------------------------------------- */

static int same(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static void test_lint(void **state)
{
    static const struct {
        int method;
        const char *id, *secret, *key, *cert, *error;
    } cases[] = {
        { BEARER_CLIENT_SECRET_BASIC, "i", "s", NULL, NULL, NULL },
        { BEARER_CLIENT_SECRET_BASIC, "i", NULL, NULL, NULL,
          "AuthBearerClientSecret" },
        { BEARER_CLIENT_SECRET_BASIC, NULL, "s", NULL, NULL,
          "AuthBearerClientID" },
        { BEARER_CLIENT_SECRET_POST, "i", NULL, NULL, NULL,
          "AuthBearerClientSecret" },
        { BEARER_CLIENT_SECRET_JWT, "i", NULL, NULL, NULL,
          "AuthBearerClientSecret" },
        { BEARER_CLIENT_PRIVATE_KEY_JWT, "i", NULL, "KEY", NULL, NULL },
        { BEARER_CLIENT_PRIVATE_KEY_JWT, "i", NULL, "/no/such", NULL,
          "/no/such" },
        { BEARER_CLIENT_PRIVATE_KEY_JWT, "i", NULL, "/etc/passwd", NULL,
          "no PEM private key" },
        { BEARER_CLIENT_PRIVATE_KEY_JWT, "i", NULL, "KEY", "/etc/passwd",
          "no PEM certificate" },
        { BEARER_CLIENT_PRIVATE_KEY_JWT, "i", "s", NULL, NULL,
          "AuthBearerClientKey" },
        { BEARER_CLIENT_JWT_FILE, NULL, NULL, NULL, NULL,
          "AuthBearerClientSecret" },
        { BEARER_CLIENT_JWT_FILE, NULL, "s", NULL, NULL, "file:PATH" },
        { BEARER_CLIENT_TLS, "i", NULL, NULL, "CERT", NULL },
        { BEARER_CLIENT_TLS, "i", NULL, NULL, "/no/such",
          "no PEM certificate" },
        { BEARER_CLIENT_TLS, "i", NULL, "k", NULL, "AuthBearerClientCert" },
        { BEARER_CLIENT_BEARER, NULL, "s", NULL, NULL, NULL },
        { BEARER_CLIENT_BEARER, "i", NULL, "KEY", NULL, NULL },
        { BEARER_CLIENT_BEARER, "i", NULL, NULL, NULL,
          "AuthBearerClientSecret" },
        { BEARER_CLIENT_NONE, NULL, NULL, NULL, NULL, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    const char *key = temporary(p, dumped(p, unit_key_for(p, "ES256")));
    const char *cert = new_cert(p, unit_key_for(p, "ES256"));
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, cases[i].method, cases[i].id, cases[i].secret);
        const char *error;

        b->lab->settings.client_key = same(cases[i].key, "KEY") ? key
                                                                : cases[i].key;
        b->lab->settings.client_cert = same(cases[i].cert, "CERT")
                                           ? cert : cases[i].cert;
        error = bearer_client_lint(&b->lab->settings, &b->lab->issuer, p);
        UNIT_CHECK(cases[i].error ? unit_contains(error, cases[i].error)
                                  : error == NULL,
                   "case %u: %s", i, error ? error : "(none)");
    }
    unlink(key);
    unlink(cert);
}

/* Nothing written: nothing proved (Hydra's admin port); an id alone is not
 * enough to guess that. */
static void test_unwritten(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_SECRET_BASIC, NULL, NULL);

    b->lab->settings.set = 0;
    assert_int_equal(bearer_client_method(&b->lab->settings),
                     BEARER_CLIENT_NONE);
    b->lab->settings.client_id = "i";
    assert_int_equal(bearer_client_method(&b->lab->settings),
                     BEARER_CLIENT_SECRET_BASIC);
    assert_true(unit_contains(bearer_client_lint(&b->lab->settings,
                                                 &b->lab->issuer, p),
                              "AuthBearerClientAuth none"));
}

static void test_metadata_off(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_BEARER, "i", "s");

    b->lab->issuer.metadata.kind = BEARER_SOURCE_OFF;
    assert_true(unit_contains(bearer_client_lint(&b->lab->settings,
                                                 &b->lab->issuer, p),
                              "AuthBearerMetadata off"));
}

static void test_plain_http_endpoint(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_NONE, NULL, NULL);
    bearer_client_config_t config = { &b->lab->access, NULL, NULL, NULL };
    bearer_http_response_t *response;

    assert_int_equal(bearer_client_create(&b->client, &config, b->p),
                     APR_SUCCESS);
    assert_int_not_equal(bearer_client_post(&response, b->client,
                                            "http://idp.example.com/x",
                                            apr_table_make(b->p, 1), &b->error, b->p), APR_SUCCESS);
    assert_true(unit_contains(b->error, "AuthBearerPlainHTTP"));
    assert_int_equal(unit_http_requests(b->lab->http), 0);
}

/* ---- what fails ---------------------------------------------------------- */

/* At each call in turn. What is sent is whole, or nothing is sent. */
static void fault_each(bench_t *b, json_t *jwk)
{
    int n, sent = 0, kept_back = 0;

    asked(b);  /* the files have been read */
    UNIT_FAULTS(n) {
        int before = unit_http_requests(b->lab->http);
        apr_status_t rv = ask(b);

        unit_fault.failing = 0;
        UNIT_CHECK(unit_http_requests(b->lab->http) == before + (rv == APR_SUCCESS),
                   "%s", unit_fault_name());
        if (rv == APR_SUCCESS) {
            check_assertion(b, b->lab->issuer.url, jwk);
            sent++;
        } else {
            UNIT_CHECK(b->error && unit_fault_happened(), "%s: %s", b->error, unit_fault_name());
            kept_back++;
        }
    }
    assert_true(sent > 0);
    assert_true(kept_back > 4);
}

static void test_faults_of_a_secret(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bench_t *b = bench(p, BEARER_CLIENT_SECRET_JWT, "my-id", LONG_SECRET);
    json_t *jwk = json_pack("{s:s, s:s}", "kty", "oct", "k",
                            bearer_b64url_encode(p, LONG_SECRET, 32));

    bearer_json_tie(jwk, p);
    b->lab->world.random = NULL;  /* OpenSSL's */
    fault_each(b, jwk);
}

static void test_faults_of_a_key(void **state)
{
    static const struct {
        const char *alg;
        int pem;
    } cases[] = { { "RS256", 0 }, { "ES256", 1 }, { "EdDSA", 0 } };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    unit_fault.pairs_are_good = 1;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bench_t *b = bench(p, BEARER_CLIENT_PRIVATE_KEY_JWT, "my-id", NULL);
        json_t *jwk = unit_key_for(p, cases[i].alg);
        const char *error;
        EVP_PKEY *pkey;

        json_object_set_new(jwk, "kid", json_string("k1"));
        assert_int_equal(bearer_jwk_private(&pkey, jwk, &error, p), APR_SUCCESS);
        b->lab->world.random = NULL;
        b->lab->settings.client_key = temporary(p, cases[i].pem ? pem_of(p, pkey)
                                                                : dumped(p, jwk));
        b->lab->settings.client_cert = i == 0 ? new_cert(p, jwk) : NULL;
        fault_each(b, jwk);
        unlink(b->lab->settings.client_key);
        if (b->lab->settings.client_cert) {
            unlink(b->lab->settings.client_cert);
        }
    }
}

static apr_status_t no_random(void *baton, unsigned char *bytes, apr_size_t len)
{
    (void)baton, (void)bytes, (void)len;
    return APR_EGENERAL;
}

static void test_no_random_bytes(void **state)
{
    bench_t *b = bench(unit_pool(state), BEARER_CLIENT_SECRET_JWT, "my-id",
                       LONG_SECRET);

    b->lab->world.random = no_random;
    assert_int_not_equal(ask(b), APR_SUCCESS);
    assert_true(unit_contains(b->error, "no random bytes"));
    assert_int_equal(unit_http_requests(b->lab->http), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_request),
        UNIT_TEST(test_none_with_id),
        UNIT_TEST(test_basic),
        UNIT_TEST(test_post),
        UNIT_TEST(test_tls),
        UNIT_TEST(test_secret_jwt),
        UNIT_TEST(test_secret_jwt_too_short),
        UNIT_TEST(test_unique_jti),
        UNIT_TEST(test_private_key_jwt),
        UNIT_TEST(test_alg_of_key),
        UNIT_TEST(test_aud_endpoint),
        UNIT_TEST(test_thumbprints),
        UNIT_TEST(test_bad_keys),
        UNIT_TEST(test_jwt_file),
        UNIT_TEST(test_bearer_of_file),
        UNIT_TEST(test_client_credentials),
        UNIT_TEST(test_client_credentials_by_key),
        UNIT_TEST(test_renewal),
        UNIT_TEST(test_renewal_in_background),
        UNIT_TEST(test_token_refused),
        UNIT_TEST(test_bad_grants),
        UNIT_TEST(test_no_token_endpoint),
        UNIT_TEST(test_one_flight),
        UNIT_TEST(test_lint),
        UNIT_TEST(test_unwritten),
        UNIT_TEST(test_metadata_off),
        UNIT_TEST(test_plain_http_endpoint),
        UNIT_TEST(test_faults_of_a_secret),
        UNIT_TEST(test_faults_of_a_key),
        UNIT_TEST(test_no_random_bytes),
    };
    return UNIT_RUN("client_auth", tests);
}
