/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Secrets do not stay in memory that is given back: each place that holds one
 * is overwritten, with what was in it, by OPENSSL_cleanse(). */
#include "unit_lab.h"

#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/b64url.h"
#include "base/seal.h"
#include "base/secret.h"
#include "jose/jwk.h"

#define SECRET "correct horse battery staple, 48 bytes at least"
#define SECRET_WORD "correct-horse-battery-staple"
#define OTHER "another one that replaces it and is long enough"

/* ---- what was wiped ------------------------------------------------------ */

static unsigned char heap[1 << 16];
static size_t used;

void __real_OPENSSL_cleanse(void *place, size_t len);
void __wrap_OPENSSL_cleanse(void *place, size_t len);

/* Keeps what was there, with a byte of 0xff after each. */
void __wrap_OPENSSL_cleanse(void *place, size_t len)
{
    assert_true(used + len + 1 <= sizeof(heap));
    memcpy(heap + used, place, len);
    used += len;
    heap[used++] = 0xff;
    __real_OPENSSL_cleanse(place, len);
}

/* How often these bytes were in what was wiped. */
static int times(const void *bytes, size_t len)
{
    size_t i;
    int n = 0;

    for (i = 0; i + len <= used; i++) {
        n += memcmp(heap + i, bytes, len) == 0;
    }
    return n;
}

/* The same, and since the last call. */
static int wiped(const void *bytes, size_t len)
{
    int n = times(bytes, len);

    used = 0;
    return n;
}

static int wiped_text(const char *text)
{
    return wiped(text, strlen(text));
}

static const char *new_file(apr_pool_t *p, const char *content)
{
    char *path = apr_pstrdup(p, "/tmp/bearer-wiping-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    return path;
}

static bearer_secret_t *secret_in(const char *path, apr_pool_t *p)
{
    bearer_secret_t *secret = NULL;

    assert_null(bearer_secret_parse(&secret, apr_pstrcat(p, "file:", path, NULL),
                                    "AuthBearerClientSecret", p));
    return secret;
}

/* ---- secrets of the configuration ---------------------------------------- */

static void test_read_at_start(void **state)
{
    apr_pool_t *p = unit_pool(state), *start;
    bearer_secret_t *secret = secret_in(new_file(p, SECRET "\n"), p);
    const char *error;

    used = 0;
    apr_pool_create(&start, p);
    assert_int_equal(bearer_secret_start(secret, &error, start), APR_SUCCESS);
    assert_int_equal(wiped_text(SECRET), 1);   /* what was read */
    assert_string_equal(secret->value, SECRET);
    apr_pool_destroy(start);
    assert_int_equal(wiped_text(SECRET), 1);
}

static void test_not_taken(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_secret_t *secret = secret_in(new_file(p, SECRET "\nand a line"), p);
    const char *error, *warning;

    used = 0;
    assert_int_equal(bearer_secret_start(secret, &error, p), APR_EINVAL);
    assert_int_equal(wiped_text(SECRET), 1);
    secret = secret_in(new_file(p, SECRET), p);
    assert_null(bearer_secret_lint(secret, &warning, p));
    assert_int_equal(wiped_text(SECRET), 1);
}

static void test_replaced(void **state)
{
    apr_pool_t *p = unit_pool(state), *process;
    unit_world_t *w = unit_world(p);
    const char *path = new_file(p, SECRET), *error = NULL;
    bearer_secret_watch_t *watch;
    char *value;
    apr_size_t len;

    used = 0;
    apr_pool_create(&process, p);
    assert_int_equal(bearer_secret_watch(&watch, secret_in(path, p), &w->world,
                                         process), APR_SUCCESS);
    assert_int_equal(bearer_secret_get(&value, &len, watch, &error, p), APR_SUCCESS);
    assert_string_equal(value, SECRET);
    assert_int_equal(wiped_text(SECRET), 1);   /* what was read */
    assert_int_equal(rename(new_file(p, OTHER), path), 0);
    w->now += apr_time_from_sec(60);
    assert_int_equal(bearer_secret_get(&value, &len, watch, &error, p), APR_SUCCESS);
    assert_string_equal(value, OTHER);
    assert_int_equal(wiped_text(SECRET), 1);   /* the one that it replaces */
    apr_pool_destroy(process);
    assert_int_equal(wiped_text(OTHER), 1);
}

/* ---- seals --------------------------------------------------------------- */

static void test_seal(void **state)
{
    apr_pool_t *p = unit_pool(state), *server;
    unit_world_t *w = unit_world(p);
    apr_array_header_t *files = apr_array_make(p, 1, sizeof(const char *));
    unsigned char key[32], *sealed, *value;
    bearer_seal_t *seal;
    const char *error;
    apr_size_t len, n, text = strlen(SECRET);

    APR_ARRAY_PUSH(files, const char *) = new_file(p, SECRET);
    used = 0;
    apr_pool_create(&server, p);
    assert_int_equal(bearer_seal_create(&seal, files, "test", &error, server),
                     APR_SUCCESS);
    /* the key and its id were derived from it first */
    assert_int_equal(used, 32 + 4 + 1 + text + 1);
    memcpy(key, heap, sizeof(key));
    assert_int_equal(wiped_text(SECRET), 1);
    assert_int_equal(bearer_seal_close(&sealed, &len, seal, "c", 1, "the plaintext", 13,
                                       &w->world, p), APR_SUCCESS);
    sealed[len - 1] ^= 1;
    used = 0;
    assert_int_equal(bearer_seal_open(&value, &n, seal, "c", 1, sealed, len, p),
                     APR_EACCES);
    assert_int_equal(wiped_text("the plaintext"), 1);
    apr_pool_destroy(server);
    assert_int_equal(wiped(key, sizeof(key)), 1);
}

/* ---- keys ---------------------------------------------------------------- */

/* "a secret of 32 bytes for HS256.." */
#define K "YSBzZWNyZXQgb2YgMzIgYnl0ZXMgZm9yIEhTMjU2Li4"
#define K_BYTES "a secret of 32 bytes for HS256.."

static void test_shared_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_jwks_t *set;
    const char *error = NULL;
    int n;

    used = 0;
    assert_int_equal(bearer_jwks_load(&set, new_file(
        p, "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"h\",\"k\":\"" K
        "\"}]}"), BEARER_JWKS_LOCAL, NULL, &error, p), APR_SUCCESS);
    assert_int_equal(bearer_jwks_count(set), 1);
    n = wiped_text(K);
    assert_int_equal(n, 2);                    /* the file, the member of the JSON */
    bearer_jwks_release(set);
    assert_int_equal(wiped_text(K_BYTES), 1);
}

static void private_key(const char *type, const char *curve, apr_pool_t *p)
{
    EVP_PKEY *pkey = curve ? EVP_PKEY_Q_keygen(NULL, NULL, type, curve)
                           : EVP_PKEY_Q_keygen(NULL, NULL, type);
    unsigned char *d;
    EVP_PKEY *made;
    const char *error, *text;
    apr_size_t len;
    json_t *jwk;

    used = 0;
    assert_int_equal(bearer_jwk_from_pkey(&jwk, pkey, 1, p), APR_SUCCESS);
    text = json_string_value(json_object_get(jwk, "d"));
    assert_non_null(text);
    assert_int_equal(bearer_b64url_decode_p(&d, &len, text, strlen(text), p),
                     APR_SUCCESS);
    UNIT_CHECK(times(text, strlen(text)) == 1, "%s: the text", type);
    UNIT_CHECK(wiped(d, len) >= 1, "%s: its bytes", type);
    assert_int_equal(bearer_jwk_private(&made, jwk, &error, p), APR_SUCCESS);
    /* what was decoded, and the copy that OpenSSL's key was made from */
    UNIT_CHECK(wiped(d, len) >= 2, "%s: decoded", type);
    EVP_PKEY_free(pkey);
}

static void test_private_keys(void **state)
{
    private_key("EC", "P-256", unit_pool(state));
    private_key("ED25519", NULL, unit_pool(state));
}

/* ---- what is sent with a fetch ------------------------------------------- */

static void test_fetch_auth(void **state)
{
    apr_pool_t *p = unit_pool(state);
    lab_t *lab = lab_open(p);
    bearer_http_response_t *r;
    const char *error;

    lab->issuer.fetch_auth_file = new_file(p, SECRET_WORD);
    unit_http_page(lab->http, lab->issuer.keys[0].value, 200, "x");
    used = 0;
    assert_int_equal(bearer_issuer_get(&r, &lab->access, lab->issuer.keys[0].value, 77,
                                       &error, p), APR_SUCCESS);
    assert_string_equal(lab->http->authorization, "Bearer " SECRET_WORD);
    assert_int_equal(times("Bearer " SECRET_WORD, strlen("Bearer " SECRET_WORD)), 1);
    assert_int_equal(wiped_text(SECRET_WORD), 2);   /* what was read as well */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_read_at_start), UNIT_TEST(test_not_taken),
        UNIT_TEST(test_replaced), UNIT_TEST(test_seal), UNIT_TEST(test_shared_key),
        UNIT_TEST(test_private_keys), UNIT_TEST(test_fetch_auth),
    };

    return UNIT_RUN("wiping", tests);
}
