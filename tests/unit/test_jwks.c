/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Key sets: limits, PEM, life across threads, and the choice of a key. */
#include "unit_jose.h"

#include <apr_file_io.h>
#include <apr_thread_proc.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* {"keys":[a, b, ...]} of n JWK objects, references stolen by the array */
static const char *text_of(apr_pool_t *p, json_t *const *keys, size_t n)
{
    const char *text = "";
    size_t i;

    for (i = 0; i < n; i++) {
        char *dump = json_dumps(keys[i], JSON_COMPACT);

        text = apr_pstrcat(p, text, i ? "," : "", dump, NULL);
        free(dump);
    }
    return apr_pstrcat(p, "{\"keys\":[", text, "]}", NULL);
}

static json_t *named(apr_pool_t *p, const json_t *jwk, const char *kid)
{
    return unit_with(p, unit_public(p, jwk), "kid", json_string(kid));
}

static apr_status_t parse(apr_pool_t *p, const char *text, apr_size_t len,
                          const char **error)
{
    bearer_jwks_report_t report;
    bearer_jwks_t *set;
    apr_status_t rv = bearer_jwks_parse(&set, text, len, BEARER_JWKS_REMOTE,
                                        &report, error, p);

    assert_int_equal(set != NULL, rv == APR_SUCCESS);
    bearer_jwks_release(set);
    return rv;
}

/* ---- documents --------------------------------------------------------- */

static void test_no_key_set_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":null}",
        "{\"keys\":\"\"}", "{\"Keys\":[]}", "{\"kty\":\"oct\",\"k\":\"\"}",
        "{\"keys\":[],\"keys\":[]}", "{\"keys\":[]} x", "\xef\xbb\xbf{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"k\\u0074y\":\"EC\"}]}",
        "<html>not found</html>",
    };
    apr_pool_t *p = unit_pool(state);
    const char *error;
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        UNIT_CHECK(parse(p, bad[i], strlen(bad[i]), &error) == APR_EINVAL,
                   "%s", bad[i]);
        assert_non_null(error);
    }
    assert_int_equal(parse(p, "{\"keys\":[]}", 11, &error), APR_SUCCESS);
    assert_null(error);
}

/* What an editor put in front is named, in either form. */
static void test_byte_order_mark(void **state)
{
    static const char *const texts[] = {
        "\xef\xbb\xbf{\"keys\":[]}", "\xef\xbb\xbf-----BEGIN PUBLIC KEY-----\n", "\xef\xbb\xbf"
    };
    apr_pool_t *p = unit_pool(state);
    bearer_jwks_t *set;
    const char *error;
    size_t i;

    for (i = 0; i < UNIT_COUNT(texts); i++) {
        assert_int_equal(bearer_jwks_parse_any(&set, texts[i], strlen(texts[i]),
                                               BEARER_JWKS_LOCAL, NULL, &error, p), APR_EINVAL);
        assert_null(set);
        assert_true(unit_contains(error, "byte order mark"));
    }
}

static void test_attack_too_many_keys(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    json_t *keys[101];
    const char *text, *error;
    size_t i;

    for (i = 0; i < 101; i++) {
        keys[i] = jwk;
    }
    text = text_of(p, keys, 100);
    assert_int_equal(parse(p, text, strlen(text), &error), APR_SUCCESS);
    text = text_of(p, keys, 101);
    assert_int_equal(parse(p, text, strlen(text), &error), APR_ENOSPC);
    assert_true(unit_contains(error, "101 keys"));
}

static void test_attack_large_document(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *text = apr_palloc(p, BEARER_JWKS_MAX_BYTES + 2);
    const char *error;

    memset(text, ' ', BEARER_JWKS_MAX_BYTES + 2);
    memcpy(text, "{\"keys\":[]}", 11);
    assert_int_equal(parse(p, text, BEARER_JWKS_MAX_BYTES, &error),
                     APR_SUCCESS);
    assert_int_equal(parse(p, text, BEARER_JWKS_MAX_BYTES + 1, &error),
                     APR_ENOSPC);
    assert_true(unit_contains(error, "256 KiB"));
}

/* RFC 7517 section 5: what is not understood does not spoil the rest. */
static void test_other_keys_do_not_spoil_a_set(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *good = named(p, unit_rfc_key(p, "RFC 7515 A.3"), "good");
    json_t *keys[4];
    bearer_jwks_report_t report;
    bearer_jwks_t *set;

    keys[0] = json_loads("{\"kty\":\"PQC\",\"kid\":\"new\"}", 0, NULL);
    keys[1] = json_loads("{\"kty\":\"RSA\",\"kid\":\"x\",\"n\":\"AQAB\","
                         "\"e\":\"AQAB\"}", 0, NULL);
    keys[2] = unit_with(p, named(p, good, "secret"), "use", json_string("enc"));
    keys[3] = good;
    set = unit_set_text(p, text_of(p, keys, 4), BEARER_JWKS_REMOTE, &report);
    assert_int_equal(bearer_jwks_count(set), 1);
    assert_string_equal(bearer_jwks_at(set, 0)->kid, "good");
    assert_null(bearer_jwks_at(set, 1));
    assert_null(bearer_jwks_at(set, -1));
    assert_int_equal(report.keys, 1);
    assert_int_equal(report.skipped, 2);
    assert_int_equal(report.lines->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(report.lines, 0, const char *),
                        "key 1 (kid 'new'): unknown kty 'PQC'");
    assert_string_equal(APR_ARRAY_IDX(report.lines, 1, const char *),
                        "key 2 (kid 'x'): RSA 17 bits is below 2048");
    json_decref(keys[0]);
    json_decref(keys[1]);
}

/* ---- digest ------------------------------------------------------------ */

static void test_digest_follows_the_usable_keys(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *ec = named(p, unit_rfc_key(p, "RFC 7515 A.3"), "a");
    json_t *rsa = named(p, unit_rfc_key(p, "RFC 7520 4.1"), "b");
    json_t *other = json_loads("{\"kty\":\"x\",\"kid\":\"y\"}", 0, NULL);
    json_t *enc = unit_with(p, rsa, "use", json_string("enc"));
    json_t *same[][3] = { { ec, rsa, NULL }, { ec, other, rsa },
                          { enc, ec, rsa } };
    json_t *different[][2] = {
        { rsa, ec },
        { ec, NULL },
        { ec, named(p, rsa, "c") },
        { ec, unit_with(p, rsa, "kid", NULL) },
        { ec, unit_with(p, rsa, "alg", json_string("RS256")) },
        { ec, unit_with(p, rsa, "issuer", json_string("i")) },
        { ec, named(p, unit_rfc_key(p, "RFC 7515 A.2"), "b") },
    };
    const unsigned char *digest;
    size_t i;

    digest = bearer_jwks_digest(unit_set_text(p, text_of(p, same[0], 2),
                                              BEARER_JWKS_REMOTE, NULL));
    for (i = 1; i < UNIT_COUNT(same); i++) {
        assert_memory_equal(digest, bearer_jwks_digest(unit_set_text(
            p, text_of(p, same[i], 3), BEARER_JWKS_REMOTE, NULL)), 32);
    }
    for (i = 0; i < UNIT_COUNT(different); i++) {
        assert_memory_not_equal(digest, bearer_jwks_digest(unit_set_text(
            p, text_of(p, different[i], different[i][1] ? 2 : 1),
            BEARER_JWKS_REMOTE, NULL)), 32);
    }
    json_decref(other);
}

/* ---- check 6 ----------------------------------------------------------- */

typedef struct choice_t {
    bearer_reason_t reason;
    const bearer_jwk_t *key;
    int unknown_kid;
    const char *detail;
} choice_t;

static choice_t choose(apr_pool_t *p, const bearer_jwks_t *set, const char *alg,
                       const char *kid, const char *iss, const char *tenant)
{
    bearer_refusal_t why = { BEARER_OK, "" };
    choice_t choice;

    choice.reason = bearer_jwks_select(&choice.key, &choice.unknown_kid, set,
                                       bearer_alg_find(alg), kid, iss, tenant,
                                       &why, p);
    choice.detail = why.detail;
    assert_int_equal(why.reason, choice.reason);
    assert_int_equal(choice.key == NULL, choice.reason != BEARER_OK);
    /* and the same without anybody who wants to know why */
    assert_int_equal(bearer_jwks_select(&choice.key, &choice.unknown_kid, set,
                                        bearer_alg_find(alg), kid, iss, tenant,
                                        NULL, p), choice.reason);
    return choice;
}

static void test_select_by_kid(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_rfc_key(p, "RFC 7520 4.1");
    json_t *keys[30];
    bearer_jwks_t *set;
    choice_t c;
    int i;

    for (i = 0; i < 30; i++) {
        keys[i] = named(p, rsa, apr_psprintf(p, "k%d", (i * 7) % 30));
    }
    set = unit_set_text(p, text_of(p, keys, 30), BEARER_JWKS_REMOTE, NULL);
    for (i = 0; i < 30; i++) {
        const char *kid = apr_psprintf(p, "k%d", i);

        c = choose(p, set, "RS256", kid, NULL, NULL);
        assert_int_equal(c.reason, BEARER_OK);
        assert_string_equal(c.key->kid, kid);
    }
    /* byte for byte: no prefix, no other case */
    c = choose(p, set, "RS256", "k", NULL, NULL);
    assert_int_equal(c.reason, BEARER_KEY);
    assert_int_equal(c.unknown_kid, 1);
    assert_true(unit_contains(c.detail, "key 'k'"));
    assert_int_equal(choose(p, set, "RS256", "K1", NULL, NULL).unknown_kid, 1);
    assert_int_equal(choose(p, set, "RS256", "k30", NULL, NULL).unknown_kid, 1);
    assert_int_equal(choose(p, set, "RS256", "a", NULL, NULL).unknown_kid, 1);
    assert_int_equal(choose(p, set, "RS256", "z", NULL, NULL).unknown_kid, 1);
}

static void test_select_says_why_a_key_does_not_do(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_public(p, unit_rfc_key(p, "RFC 7520 4.1"));
    json_t *ec = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    json_t *ops = json_pack("[s]", "sign");
    json_t *keys[] = {
        named(p, rsa, "rsa"),
        named(p, ec, "ec"),
        named(p, unit_with(p, rsa, "use", json_string("enc")), "enc"),
        named(p, unit_with(p, rsa, "key_ops", ops), "ops"),
        named(p, unit_with(p, rsa, "alg", json_string("PS256")), "ps"),
        named(p, unit_with(p, rsa, "n", json_string("AQAB")), "weak"),
        named(p, unit_with(p, rsa, "kty", json_string("new")), "new"),
    };
    static const struct {
        const char *alg, *kid, *phrase;
    } cases[] = {
        { "ES256", "rsa", "it is RSA 2048" },
        { "HS256", "rsa", "it is RSA 2048" },
        { "RS256", "ec", "it is EC P-256" },
        { "ES384", "ec", "it is EC P-256" },
        { "ES256K", "ec", "it is EC P-256" },
        { "RS256", "enc", "its use is 'enc'" },
        { "RS256", "ops", "its key_ops lack 'verify'" },
        { "RS256", "ps", "its alg is 'PS256'" },
        { "ES256", "ps", "it is RSA 2048" },
        { "RS256", "weak", "RSA 17 bits is below 2048" },
        { "RS256", "new", "unknown kty 'new'" },
    };
    bearer_jwks_t *set = unit_set_text(p, text_of(p, keys, UNIT_COUNT(keys)),
                                       BEARER_JWKS_REMOTE, NULL);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        choice_t c = choose(p, set, cases[i].alg, cases[i].kid, NULL, NULL);

        UNIT_CHECK(c.reason == BEARER_KEY, "case %u", (unsigned)i);
        UNIT_CHECK(unit_contains(c.detail, cases[i].phrase), "%s", c.detail);
        /* the set knows that key: fetching it again would not help */
        assert_int_equal(c.unknown_kid, 0);
    }
    assert_int_equal(choose(p, set, "PS256", "ps", NULL, NULL).reason,
                     BEARER_OK);
}

static void test_select_without_kid(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_rfc_key(p, "RFC 7520 4.1");
    json_t *keys[] = {
        named(p, rsa, "a"),
        named(p, unit_rfc_key(p, "RFC 7515 A.3"), "b"),
        named(p, unit_with(p, rsa, "alg", json_string("PS256")), "c"),
    };
    bearer_jwks_t *set = unit_set_text(p, text_of(p, keys, 3),
                                       BEARER_JWKS_REMOTE, NULL);
    choice_t c;

    assert_int_equal(choose(p, set, "ES256", NULL, NULL, NULL).reason,
                     BEARER_OK);
    assert_int_equal(choose(p, set, "RS256", NULL, NULL, NULL).reason,
                     BEARER_OK);
    c = choose(p, set, "PS256", NULL, NULL, NULL);
    assert_int_equal(c.reason, BEARER_KID);
    assert_int_equal(c.unknown_kid, 0);
    assert_true(unit_contains(c.detail, "2 keys"));
    c = choose(p, set, "ES384", NULL, NULL, NULL);
    assert_int_equal(c.reason, BEARER_KEY);
    assert_int_equal(c.unknown_kid, 1);
}

/* A key that cannot be used must not decide how the others are chosen. */
static void test_an_unusable_key_with_a_kid_changes_nothing(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_public(p, unit_rfc_key(p, "RFC 7520 4.1"));
    json_t *keys[] = {
        unit_with(p, rsa, "kid", NULL),
        named(p, unit_with(p, rsa, "use", json_string("enc")), "enc"),
        named(p, unit_with(p, rsa, "n", json_string("AQAB")), "weak"),
    };
    bearer_jwks_t *set = unit_set_text(p, text_of(p, keys, 3), BEARER_JWKS_REMOTE, NULL);

    assert_int_equal(choose(p, set, "RS256", NULL, NULL, NULL).reason, BEARER_OK);
    assert_int_equal(choose(p, set, "RS256", "other", NULL, NULL).reason, BEARER_OK);
    /* the token names it */
    assert_int_equal(choose(p, set, "RS256", "enc", NULL, NULL).reason, BEARER_KEY);
    assert_int_equal(choose(p, set, "RS256", "weak", NULL, NULL).reason, BEARER_KEY);
}

/* ---- pools --------------------------------------------------------------- */

static bearer_jwks_t *set_of(apr_pool_t *p, json_t *key)
{
    return unit_set_text(p, text_of(p, &key, 1), BEARER_JWKS_REMOTE, NULL);
}

static const bearer_jwk_t *second(const bearer_jwks_t *set, const char *alg,
                                  const char *kid)
{
    return bearer_jwks_second(set, bearer_alg_find(alg), kid, NULL, NULL);
}

static void test_pool_selects_from_its_parts(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_public(p, unit_rfc_key(p, "RFC 7520 4.1"));
    json_t *ec = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    json_t *other = unit_public(p, unit_key_for(p, "ES256"));
    bearer_jwks_t *parts[] = {
        set_of(p, unit_with(p, ec, "kid", NULL)), set_of(p, named(p, rsa, "a")),
        set_of(p, named(p, other, "b")), set_of(p, named(p, ec, "b")),
    };
    bearer_jwks_t *pool = NULL;
    choice_t c;

    assert_int_equal(bearer_jwks_pool(&pool, parts, 4), APR_SUCCESS);
    assert_int_equal(bearer_jwks_count(pool), 4);
    assert_string_equal(bearer_jwks_at(pool, 1)->kid, "a");
    c = choose(p, pool, "RS256", "a", NULL, NULL);
    assert_string_equal(c.key->kid, "a");
    assert_null(second(pool, "RS256", "a"));
    /* the first as written, before the key without a kid; then the other */
    c = choose(p, pool, "ES256", "b", NULL, NULL);
    assert_ptr_equal(c.key->pkey, bearer_jwks_at(parts[2], 0)->pkey);
    assert_ptr_equal(second(pool, "ES256", "b")->pkey,
                     bearer_jwks_at(parts[3], 0)->pkey);
    /* no part knows this kid: the key without one is tried */
    c = choose(p, pool, "ES256", "c", NULL, NULL);
    assert_ptr_equal(c.key->pkey, bearer_jwks_at(parts[0], 0)->pkey);
    c = choose(p, pool, "RS256", "c", NULL, NULL);
    assert_int_equal(c.reason, BEARER_KEY);
    assert_int_equal(c.unknown_kid, 1);
    c = choose(p, pool, "ES384", "a", NULL, NULL);
    assert_int_equal(c.reason, BEARER_KEY);
    assert_int_equal(c.unknown_kid, 0);
    bearer_jwks_release(pool);
}

static void test_pool_has_a_digest_and_a_limit(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_public(p, unit_rfc_key(p, "RFC 7520 4.1"));
    json_t *ec = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    bearer_jwks_t *parts[BEARER_JWKS_MAX_PARTS + 1], *turned[2], *one, *two;
    int i;

    for (i = 0; i <= BEARER_JWKS_MAX_PARTS; i++) {
        parts[i] = set_of(p, i ? rsa : ec);
    }
    turned[0] = parts[1];
    turned[1] = parts[0];
    assert_int_equal(bearer_jwks_pool(&one, parts, BEARER_JWKS_MAX_PARTS + 1), APR_EINVAL);
    assert_int_equal(bearer_jwks_pool(&one, parts, 2), APR_SUCCESS);
    assert_int_equal(bearer_jwks_pool(&two, turned, 2), APR_SUCCESS);
    assert_memory_not_equal(bearer_jwks_digest(one), bearer_jwks_digest(two),
                            BEARER_SHA256_SIZE);
    /* one of its parts is enough to find the key only once */
    assert_null(second(two, "RS256", NULL));
    bearer_jwks_release(one);
    bearer_jwks_release(two);
}

static void test_select_among_keys_of_one_kid(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *keys[] = {
        named(p, unit_rfc_key(p, "RFC 7520 4.1"), "same"),
        named(p, unit_rfc_key(p, "RFC 7515 A.3"), "same"),
    };
    bearer_jwks_t *set = unit_set_text(p, text_of(p, keys, 2),
                                       BEARER_JWKS_REMOTE, NULL);

    assert_int_equal(choose(p, set, "RS256", "same", NULL, NULL).key->kty,
                     BEARER_KTY_RSA);
    assert_int_equal(choose(p, set, "ES256", "same", NULL, NULL).key->kty,
                     BEARER_KTY_EC);
    assert_int_equal(choose(p, set, "ES512", "same", NULL, NULL).reason,
                     BEARER_KEY);
}

/* Entra: keys that say for which issuer they are. */
static void test_select_with_the_keys_own_issuer(void **state)
{
    static const char template[] = "https://login.example/{tenantid}/v2.0";
    static const struct {
        const char *kid, *iss, *tenant;
        bearer_reason_t reason;
    } cases[] = {
        { "plain", "https://login.example/t1/v2.0", "t1", BEARER_OK },
        { "any", "https://login.example/t1/v2.0", "t1", BEARER_OK },
        { "any", "https://login.example/t2/v2.0", "t2", BEARER_OK },
        { "any", "https://login.example/t2/v2.0", "t1", BEARER_KEY },
        { "any", "https://login.example/t1/v2.0", NULL, BEARER_OK },
        { "any", "https://login.example/t1/x/v2.0", NULL, BEARER_KEY },
        { "any", "https://login.example//v2.0", NULL, BEARER_KEY },
        { "any", "https://login.example/t1/v2.0/x", NULL, BEARER_KEY },
        { "any", "https://login.example/t1", NULL, BEARER_KEY },
        { "any", "https://login.example.evil/t1/v2.0", NULL, BEARER_KEY },
        { "any", "https://login.example/t1", "t1", BEARER_KEY },
        { "any", "https://login.example/t1/v2.0/x", "t1", BEARER_KEY },
        { "any", "https://login.example/{tenantid}/v2.0", "t1", BEARER_KEY },
        { "any", "", "t1", BEARER_KEY },
        { "any", NULL, NULL, BEARER_OK },
        { "msa", "https://login.example/9188/v2.0", "9188", BEARER_OK },
        { "msa", "https://login.example/t1/v2.0", "t1", BEARER_KEY },
    };
    apr_pool_t *p = unit_pool(state);
    json_t *rsa = unit_rfc_key(p, "RFC 7520 4.1");
    json_t *keys[] = {
        named(p, rsa, "plain"),
        unit_with(p, named(p, rsa, "any"), "issuer", json_string(template)),
        unit_with(p, named(p, rsa, "msa"), "issuer",
                  json_string("https://login.example/9188/v2.0")),
    };
    bearer_jwks_t *set = unit_set_text(p, text_of(p, keys, 3),
                                       BEARER_JWKS_REMOTE, NULL);
    size_t i;

    assert_string_equal(bearer_jwks_at(set, 1)->issuer, template);
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        choice_t c = choose(p, set, "RS256", cases[i].kid, cases[i].iss,
                            cases[i].tenant);

        UNIT_CHECK(c.reason == cases[i].reason, "case %u: %s", (unsigned)i,
                   c.detail);
        assert_int_equal(c.unknown_kid, 0);
    }
    assert_true(unit_contains(
        choose(p, set, "RS256", "msa", "https://x", "t").detail,
        "to issuer 'https://login.example/9188/v2.0'"));
}

/* ---- PEM --------------------------------------------------------------- */

typedef int (*pem_writer_t)(BIO *bio, EVP_PKEY *pkey);

static int write_public(BIO *bio, EVP_PKEY *pkey)
{
    return PEM_write_bio_PUBKEY(bio, pkey);
}

static int write_private(BIO *bio, EVP_PKEY *pkey)
{
    return PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
}

static int write_pkcs1(BIO *bio, EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int len = i2d_PublicKey(pkey, &der);
    int written = PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, len);

    OPENSSL_free(der);
    return written;
}

static int write_trailing_byte(BIO *bio, EVP_PKEY *pkey)
{
    unsigned char *der = NULL, longer[512] = { 0 };
    int len = i2d_PUBKEY(pkey, &der);

    memcpy(longer, der, (size_t)len);
    OPENSSL_free(der);
    return PEM_write_bio(bio, "PUBLIC KEY", "", longer, len + 1);
}

static int write_certificate(BIO *bio, EVP_PKEY *pkey)
{
    X509 *cert = X509_new();
    int written;

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, pkey);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    assert_true(X509_sign(cert, pkey, EVP_sha256()) > 0);
    written = PEM_write_bio_X509(bio, cert);
    X509_free(cert);
    return written;
}

static const char *pem(apr_pool_t *p, EVP_PKEY *pkey, pem_writer_t writer)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;
    const char *text;

    assert_true(writer(bio, pkey) > 0);
    len = BIO_get_mem_data(bio, &data);
    text = apr_pstrmemdup(p, data, (apr_size_t)len);
    BIO_free(bio);
    return text;
}

static EVP_PKEY *pkey_of(apr_pool_t *p, const char *name)
{
    EVP_PKEY *pkey = NULL;
    const char *error;

    assert_int_equal(bearer_jwk_private(&pkey, unit_rfc_key(p, name), &error, p),
                     APR_SUCCESS);
    return pkey;
}

static bearer_jwks_t *pem_set(apr_pool_t *p, const char *text)
{
    const char *error;
    bearer_jwks_t *set;

    if (bearer_jwks_parse_pem(&set, text, strlen(text), &error, p)
        != APR_SUCCESS) {
        UNIT_FAIL("PEM refused: %s", error);
    }
    apr_pool_cleanup_register(p, set, unit_release_set, apr_pool_cleanup_null);
    return set;
}

static void test_pem_forms(void **state)
{
    apr_pool_t *p = unit_pool(state);
    EVP_PKEY *rsa = pkey_of(p, "RFC 7520 4.1");
    EVP_PKEY *ec = pkey_of(p, "RFC 7515 A.3");
    const char *thumbprint = bearer_jwk_thumbprint(
        unit_rfc_key(p, "RFC 7520 4.1"), p);
    static const pem_writer_t writers[] = { write_public, write_pkcs1,
                                            write_certificate };
    bearer_jwks_t *set;
    size_t i;

    for (i = 0; i < UNIT_COUNT(writers); i++) {
        set = pem_set(p, apr_pstrcat(p, "a comment\n", pem(p, rsa, writers[i]),
                                     NULL));
        assert_int_equal(bearer_jwks_count(set), 1);
        assert_string_equal(bearer_jwks_at(set, 0)->thumbprint, thumbprint);
        assert_null(bearer_jwks_at(set, 0)->kid);
        assert_int_equal(bearer_jwks_at(set, 0)->bits, 2048);
    }
    set = pem_set(p, apr_pstrcat(p, pem(p, rsa, write_public),
                                 pem(p, ec, write_certificate), NULL));
    assert_int_equal(bearer_jwks_count(set), 2);
    assert_int_equal(choose(p, set, "ES256", NULL, NULL, NULL).reason,
                     BEARER_OK);
    assert_int_equal(choose(p, set, "PS512", NULL, NULL, NULL).reason,
                     BEARER_OK);
}

static void test_pem_of_every_key_type(void **state)
{
    static const struct {
        const char *type, *curve, *names;
    } cases[] = {
        { "EC", "P-256", "ES256" }, { "EC", "P-384", "ES384" },
        { "EC", "P-521", "ES512" }, { "EC", "secp256k1", "ES256K" },
        { "ED25519", NULL, "EdDSA Ed25519" }, { "ED448", NULL, "EdDSA Ed448" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, cases[i].type,
                                           cases[i].curve);
        bearer_jwks_t *set = pem_set(p, pem(p, pkey, write_public));

        assert_string_equal(bearer_alg_names(bearer_jwks_at(set, 0)->algs, p),
                            cases[i].names);
        EVP_PKEY_free(pkey);
    }
}

/* RFC 4055: a key bound to RSASSA-PSS is not for PKCS #1 v1.5. */
static void test_pem_rsa_pss_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *pkey = NULL;
    bearer_jwks_t *set;

    assert_true(EVP_PKEY_keygen_init(ctx) > 0);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    EVP_PKEY_CTX_free(ctx);
    set = pem_set(p, pem(p, pkey, write_public));
    assert_string_equal(bearer_alg_names(bearer_jwks_at(set, 0)->algs, p),
                        "PS256");
    EVP_PKEY_free(pkey);
}

static void test_bad_pem_is_refused(void **state)
{
    apr_pool_t *p = unit_pool(state);
    EVP_PKEY *rsa = pkey_of(p, "RFC 7520 4.1");
    const char *good = pem(p, rsa, write_public);
    EVP_PKEY *small = EVP_RSA_gen(1024);
    EVP_PKEY *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    const struct {
        const char *text, *phrase;
    } cases[] = {
        { "", "no PEM block" },
        { "just text", "no PEM block" },
        { pem(p, rsa, write_private), "private key" },
        { apr_pstrcat(p, good, pem(p, rsa, write_private), NULL),
          "private key" },
        { pem(p, small, write_public), "RSA 1024 bits is below 2048" },
        { apr_pstrcat(p, good, pem(p, small, write_certificate), NULL),
          "RSA 1024 bits" },
        { pem(p, x25519, write_public), "not RSA, EC" },
        { "-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n",
          "'DH PARAMETERS' is neither" },
        { "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
          "cannot be decoded" },
        { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          "cannot be decoded" },
        { pem(p, rsa, write_trailing_byte), "cannot be decoded" },
        { "-----BEGIN PUBLIC KEY-----\nMAA=\n", "damaged" },
        { "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
          "damaged" },
        { apr_pstrcat(p, good, "-----BEGIN PUBLIC KEY-----\nMAA=\n", NULL),
          "damaged" },
    };
    bearer_jwks_t *set;
    const char *error;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(bearer_jwks_parse_pem(&set, cases[i].text,
                                         strlen(cases[i].text), &error, p)
                       == APR_EINVAL, "case %u accepted", (unsigned)i);
        UNIT_CHECK(unit_contains(error, cases[i].phrase), "case %u: %s",
                   (unsigned)i, error);
        assert_null(set);
    }
    EVP_PKEY_free(small);
    EVP_PKEY_free(x25519);
}

static void test_pem_limits(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *one = pem(p, pkey_of(p, "RFC 7515 A.3"), write_public);
    char *large = apr_palloc(p, BEARER_JWKS_MAX_BYTES + 1);
    const char *many = "", *error;
    bearer_jwks_t *set;
    int i;

    for (i = 0; i < 100; i++) {
        many = apr_pstrcat(p, many, one, NULL);
    }
    assert_int_equal(bearer_jwks_count(pem_set(p, many)), 100);
    many = apr_pstrcat(p, many, one, NULL);
    assert_int_equal(bearer_jwks_parse_pem(&set, many, strlen(many), &error,
                                           p), APR_EINVAL);
    assert_true(unit_contains(error, "more than 100"));
    memset(large, ' ', BEARER_JWKS_MAX_BYTES + 1);
    assert_int_equal(bearer_jwks_parse_pem(&set, large,
                                           BEARER_JWKS_MAX_BYTES + 1, &error,
                                           p), APR_ENOSPC);
}

/* ---- files ------------------------------------------------------------- */

static const char *temporary(apr_pool_t *p, const char *text)
{
    char *path = apr_pstrdup(p, "bearer-test-XXXXXX");
    apr_file_t *file;

    assert_int_equal(apr_file_mktemp(&file, path,
                                     APR_FOPEN_CREATE | APR_FOPEN_WRITE
                                         | APR_FOPEN_EXCL, p), APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, text, strlen(text), NULL),
                     APR_SUCCESS);
    assert_int_equal(apr_file_close(file), APR_SUCCESS);
    return path;
}

static int loaded(apr_pool_t *p, const char *text, const char **error)
{
    const char *path = temporary(p, text);
    bearer_jwks_report_t report;
    bearer_jwks_t *set;
    apr_status_t rv = bearer_jwks_load(&set, path, BEARER_JWKS_LOCAL, &report,
                                       error, p);
    int count = rv == APR_SUCCESS ? bearer_jwks_count(set) : -1;

    assert_int_equal(apr_file_remove(path, p), APR_SUCCESS);
    if (count >= 0) {
        assert_int_equal(report.keys, count);
    }
    bearer_jwks_release(set);
    return count;
}

static void test_load_tells_json_from_pem(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *json = unit_jwks_text(p, unit_rfc_key(p, "RFC 7515 A.1"));
    const char *text = pem(p, pkey_of(p, "RFC 7520 4.1"), write_public);
    const char *error;
    bearer_jwks_t *set;

    assert_int_equal(loaded(p, json, &error), 1);
    assert_int_equal(loaded(p, apr_pstrcat(p, "\n \t", json, NULL), &error),
                     1);
    assert_int_equal(loaded(p, text, &error), 1);
    assert_int_equal(loaded(p, "", &error), -1);
    assert_int_equal(loaded(p, "{", &error), -1);
    assert_true(unit_contains(error, "not strict JSON"));
    assert_int_not_equal(bearer_jwks_load(&set, "no/such/file",
                                          BEARER_JWKS_LOCAL, NULL, &error, p),
                         APR_SUCCESS);
    assert_true(unit_contains(error, "cannot be read"));
    assert_null(set);
}

/* ---- life -------------------------------------------------------------- */

static void *APR_THREAD_FUNC hold_and_release(apr_thread_t *thread, void *arg)
{
    bearer_jwks_t *set = arg;
    int i;

    for (i = 0; i < 1000; i++) {
        bearer_jwks_release(bearer_jwks_retain(set));
    }
    bearer_jwks_release(set);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

/* It outlives the pool it was parsed with and ends in whatever thread. */
static void test_a_set_outlives_its_pool(void **state)
{
    apr_pool_t *p = unit_pool(state), *request;
    const char *text = unit_jwks_text(p, unit_rfc_key(p, "RFC 7520 4.1"));
    apr_thread_t *threads[4];
    bearer_jwks_t *set;
    const char *error;
    apr_status_t rv;
    int i;

    assert_int_equal(apr_pool_create(&request, p), APR_SUCCESS);
    assert_int_equal(bearer_jwks_parse(&set, text, strlen(text),
                                       BEARER_JWKS_LOCAL, NULL, &error, request),
                     APR_SUCCESS);
    apr_pool_destroy(request);
    assert_string_equal(bearer_jwks_at(set, 0)->kid,
                        "bilbo.baggins@hobbiton.example");
    for (i = 0; i < 4; i++) {
        assert_int_equal(apr_thread_create(&threads[i], NULL, hold_and_release,
                                           bearer_jwks_retain(set), p),
                         APR_SUCCESS);
    }
    bearer_jwks_release(set);
    for (i = 0; i < 4; i++) {
        assert_int_equal(apr_thread_join(&rv, threads[i]), APR_SUCCESS);
    }
    bearer_jwks_release(NULL);
    assert_null(bearer_jwks_retain(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_no_key_set_is_refused),
        UNIT_TEST(test_byte_order_mark),
        UNIT_TEST(test_attack_too_many_keys),
        UNIT_TEST(test_attack_large_document),
        UNIT_TEST(test_other_keys_do_not_spoil_a_set),
        UNIT_TEST(test_digest_follows_the_usable_keys),
        UNIT_TEST(test_select_by_kid),
        UNIT_TEST(test_select_says_why_a_key_does_not_do),
        UNIT_TEST(test_select_without_kid),
        UNIT_TEST(test_an_unusable_key_with_a_kid_changes_nothing),
        UNIT_TEST(test_pool_selects_from_its_parts),
        UNIT_TEST(test_pool_has_a_digest_and_a_limit),
        UNIT_TEST(test_select_among_keys_of_one_kid),
        UNIT_TEST(test_select_with_the_keys_own_issuer),
        UNIT_TEST(test_pem_forms),
        UNIT_TEST(test_pem_of_every_key_type),
        UNIT_TEST(test_pem_rsa_pss_key),
        UNIT_TEST(test_bad_pem_is_refused),
        UNIT_TEST(test_pem_limits),
        UNIT_TEST(test_load_tells_json_from_pem),
        UNIT_TEST(test_a_set_outlives_its_pool),
    };

    return UNIT_RUN("jwks", tests);
}
