/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* One key: thumbprints, limits, what it may be used for, and the way back. */
#include "unit_jose.h"

#include <openssl/bn.h>

/* The one report line of a key that is skipped; NULL if it was taken. */
static const char *skipped(apr_pool_t *p, const json_t *jwk,
                           bearer_jwks_origin_t origin)
{
    bearer_jwks_report_t report;
    bearer_jwks_t *set = unit_set_text(p, unit_jwks_text(p, jwk), origin,
                                       &report);

    assert_int_equal(report.keys, bearer_jwks_count(set));
    if (!report.skipped) {
        return NULL;
    }
    assert_int_equal(report.skipped, 1);
    assert_int_equal(report.keys, 0);
    assert_int_equal(report.lines->nelts, 1);
    return APR_ARRAY_IDX(report.lines, 0, const char *);
}

/* What the only key may verify, "" if nothing or if it was skipped. */
static const char *algs(apr_pool_t *p, const json_t *jwk,
                        bearer_jwks_origin_t origin)
{
    bearer_jwks_t *set = unit_set_text(p, unit_jwks_text(p, jwk), origin,
                                       NULL);
    const bearer_jwk_t *key = bearer_jwks_at(set, 0);

    return key ? bearer_alg_names(key->algs, p) : "";
}

static json_t *number(apr_pool_t *p, const BIGNUM *bn)
{
    unsigned char bytes[4096];
    int len = BN_bn2bin(bn, bytes);

    return json_string(bearer_b64url_encode(p, bytes, (apr_size_t)len));
}

/* A JWK of a modulus of so many bits: 2^(bits-1) + low. */
static json_t *rsa_of(apr_pool_t *p, int bits, unsigned low, unsigned long e)
{
    json_t *jwk = json_object();
    BIGNUM *bn = BN_new();

    BN_set_bit(bn, bits - 1);
    BN_add_word(bn, low);
    json_object_set_new(jwk, "kty", json_string("RSA"));
    json_object_set_new(jwk, "n", number(p, bn));
    BN_set_word(bn, e);
    json_object_set_new(jwk, "e", number(p, bn));
    BN_free(bn);
    bearer_json_tie(jwk, p);
    return jwk;
}

/* ---- RFC 7638 ---------------------------------------------------------- */

static void test_published_thumbprints(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rows = json_object_get(unit_vector_json(p, "jose.json"),
                                   "thumbprints");
    json_t *row;
    size_t i;

    assert_int_equal(json_array_size(rows), 2);
    assert_true(json_array_size(rows) > 0);
    json_array_foreach(rows, i, row) {
        const json_t *key = json_object_get(row, "key");

        assert_string_equal(bearer_jwk_thumbprint(key, p),
                            bearer_json_string(row, "thumbprint"));
        assert_string_equal(bearer_jwks_at(unit_set(p, key), 0)->thumbprint,
                            bearer_json_string(row, "thumbprint"));
    }
}

static void test_thumbprint_needs_plain_members(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *key = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    const char *print = bearer_jwk_thumbprint(key, p);

    /* other members do not count, the order of members neither */
    assert_string_equal(bearer_jwk_thumbprint(
        unit_with(p, key, "kid", json_string("x")), p), print);
    assert_string_equal(bearer_jwk_thumbprint(
        unit_with(p, unit_with(p, key, "crv", NULL), "crv",
                  json_string("P-256")), p), print);
    assert_null(bearer_jwk_thumbprint(unit_with(p, key, "y", NULL), p));
    assert_null(bearer_jwk_thumbprint(
        unit_with(p, key, "y", json_integer(1)), p));
    assert_null(bearer_jwk_thumbprint(
        unit_with(p, key, "y", json_string("a\",\"b\":\"c")), p));
    assert_null(bearer_jwk_thumbprint(
        unit_with(p, key, "kty", json_string("xyz")), p));
    assert_null(bearer_jwk_thumbprint(NULL, p));
}

/* ---- limits ------------------------------------------------------------ */

static void test_attack_rsa_size_and_exponent(void **state)
{
    static const struct {
        int bits;
        unsigned low;
        unsigned long e;
        const char *phrase;  /* NULL: taken */
    } cases[] = {
        { 2048, 1, 65537, NULL },
        { 2048, 1, 3, NULL },
        { 3072, 1, 65537, NULL },
        { 8192, 1, 65537, NULL },
        { 2048, 1, 4294967295UL, NULL },
        { 512, 1, 65537, "RSA 512 bits is below 2048" },
        { 1024, 1, 65537, "RSA 1024 bits is below 2048" },
        { 2047, 1, 65537, "RSA 2047 bits is below 2048" },
        { 8193, 1, 65537, "RSA 8193 bits is above 8192" },
        { 16384, 1, 65537, "RSA 16384 bits is above 8192" },
        { 32000, 1, 65537, "too long" },
        { 2048, 0, 65537, "modulus is even" },
        { 2048, 1, 1, "exponent" },
        { 2048, 1, 0, "exponent" },
        { 2048, 1, 2, "exponent" },
        { 2048, 1, 65536, "exponent" },
        { 2048, 1, 4294967297UL, "exponent" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *line = skipped(p, rsa_of(p, cases[i].bits, cases[i].low,
                                             cases[i].e),
                                   BEARER_JWKS_REMOTE);

        UNIT_CHECK(cases[i].phrase ? unit_contains(line, cases[i].phrase)
                                   : line == NULL,
                   "case %u: %s", (unsigned)i, line ? line : "(taken)");
    }
}

/* attacks.md: 3072 bits with an exponent of 3071 costs 7 ms a verification */
static void test_attack_rsa_huge_exponent(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = rsa_of(p, 3072, 1, 3);
    const json_t *e = json_object_get(rsa_of(p, 3071, 1, 3), "n");

    assert_true(unit_contains(
        skipped(p, unit_with(p, jwk, "e", json_incref((json_t *)(uintptr_t)e)),
                BEARER_JWKS_REMOTE), "exponent"));
}

static void test_leading_zero_of_a_modulus_is_tolerated(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7520 4.1"));
    const char *n = bearer_json_string(jwk, "n");
    unsigned char bytes[257] = { 0 };
    apr_size_t len;

    assert_int_equal(bearer_b64url_decode(bytes + 1, &len, n, 341),
                     APR_EINVAL);
    assert_int_equal(bearer_b64url_decode(bytes + 1, &len, n, strlen(n)),
                     APR_SUCCESS);
    json_object_set_new(jwk, "n", json_string(bearer_b64url_encode(p, bytes,
                                                                   257)));
    assert_int_equal(bearer_jwks_at(unit_set(p, jwk), 0)->bits, 2048);
}

static void test_attack_ec_coordinates(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    const char *x = bearer_json_string(jwk, "x");
    unsigned char bytes[34] = { 0 };
    apr_size_t len;
    static const char *const names[] = { "x", "y" };
    size_t i;

    assert_null(skipped(p, jwk, BEARER_JWKS_REMOTE));
    assert_int_equal(bearer_b64url_decode(bytes + 1, &len, x, strlen(x)),
                     APR_SUCCESS);
    for (i = 0; i < 2; i++) {
        /* 33, 31 and no octets */
        assert_true(unit_contains(skipped(p, unit_with(p, jwk, names[i],
            json_string(bearer_b64url_encode(p, bytes, 33))),
            BEARER_JWKS_REMOTE), "has 33 octets, not 32"));
        assert_true(unit_contains(skipped(p, unit_with(p, jwk, names[i],
            json_string(bearer_b64url_encode(p, bytes + 2, 31))),
            BEARER_JWKS_REMOTE), "has 31 octets, not 32"));
        assert_non_null(skipped(p, unit_with(p, jwk, names[i],
                                             json_string("")),
                                BEARER_JWKS_REMOTE));
        assert_true(unit_contains(skipped(p, unit_with(p, jwk, names[i],
            NULL), BEARER_JWKS_REMOTE), "is missing"));
    }
    /* a point of another curve, and one of none */
    assert_non_null(skipped(p, unit_with(p, jwk, "crv",
                                         json_string("secp256k1")),
                            BEARER_JWKS_REMOTE));
    bytes[5] ^= 1;
    assert_true(unit_contains(skipped(p, unit_with(p, jwk, "x",
        json_string(bearer_b64url_encode(p, bytes + 1, 32))),
        BEARER_JWKS_REMOTE), "not on the curve"));
    memset(bytes, 0, sizeof(bytes));
    assert_non_null(skipped(p, unit_with(p, unit_with(p, jwk, "x",
        json_string(bearer_b64url_encode(p, bytes, 32))), "y",
        json_string(bearer_b64url_encode(p, bytes, 32))), BEARER_JWKS_REMOTE));
    memset(bytes, 0xff, sizeof(bytes));
    assert_non_null(skipped(p, unit_with(p, jwk, "x",
        json_string(bearer_b64url_encode(p, bytes, 32))), BEARER_JWKS_REMOTE));
}

static void test_okp_lengths_and_curves(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 8037 A.4 and A.5"));

    assert_string_equal(algs(p, jwk, BEARER_JWKS_REMOTE), "EdDSA Ed25519");
    assert_string_equal(algs(p, unit_public(p, unit_new_key(p, "ED448", NULL)),
                             BEARER_JWKS_REMOTE), "EdDSA Ed448");
    assert_non_null(skipped(p, unit_with(p, jwk, "crv", json_string("Ed448")),
                            BEARER_JWKS_REMOTE));
    assert_true(unit_contains(
        skipped(p, unit_with(p, jwk, "crv", json_string("X25519")),
                BEARER_JWKS_REMOTE), "curve 'X25519'"));
    assert_non_null(skipped(p, unit_with(p, jwk, "x", json_string("AAAA")),
                            BEARER_JWKS_REMOTE));
}

/* ---- members of the wrong kind ----------------------------------------- */

static void test_malformed_keys_are_skipped(void **state)
{
    static const struct {
        const char *jwk, *phrase;
    } cases[] = {
        { "{}", "'kty' is missing" },
        { "{\"kty\":1}", "'kty' is missing" },
        { "{\"kty\":\"AKP\"}", "unknown kty 'AKP'" },
        { "{\"kty\":\"rsa\"}", "unknown kty" },
        { "{\"kty\":\"a\\nb\"}", "unknown kty 'a%0ab'" },
        { "{\"kty\":\"RSA\"}", "'n' is missing" },
        { "{\"kty\":\"RSA\",\"n\":\"AQAB\"}", "'e' is missing" },
        { "{\"kty\":\"RSA\",\"n\":\"AQ==\",\"e\":\"AQAB\"}",
          "'n' is not base64url" },
        { "{\"kty\":\"RSA\",\"n\":\"A+B/\",\"e\":\"AQAB\"}",
          "'n' is not base64url" },
        { "{\"kty\":\"EC\"}", "'crv' is missing" },
        { "{\"kty\":\"EC\",\"crv\":\"P-192\"}", "curve 'P-192'" },
        { "{\"kty\":\"EC\",\"crv\":\"Ed25519\"}", "curve 'Ed25519'" },
        { "{\"kty\":\"OKP\",\"crv\":\"P-256\"}", "curve 'P-256'" },
        { "{\"kid\":1,\"kty\":\"RSA\"}", "'kid' is not a string" },
        { "{\"kid\":\"me\",\"kty\":\"RSA\"}", "key 1 (kid 'me'): " },
        { "{\"issuer\":[],\"kty\":\"RSA\"}", "'issuer' is not a string" },
        { "1", "not an object" },
        { "null", "not an object" },
        { "[]", "not an object" },
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *jwk = json_loads(cases[i].jwk, JSON_DECODE_ANY, NULL);
        const char *line = skipped(p, jwk, BEARER_JWKS_REMOTE);

        UNIT_CHECK(unit_contains(line, cases[i].phrase), "%s: %s",
                   cases[i].jwk, line ? line : "(taken)");
        json_decref(jwk);
    }
}

static void test_kid_length(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    char kid[258];

    memset(kid, 'k', sizeof(kid));
    kid[257] = '\0';
    assert_true(unit_contains(
        skipped(p, unit_with(p, jwk, "kid", json_string(kid)),
                BEARER_JWKS_REMOTE), "longer than 256"));
    kid[256] = '\0';
    assert_null(skipped(p, unit_with(p, jwk, "kid", json_string(kid)),
                        BEARER_JWKS_REMOTE));
}

/* ---- use, key_ops, alg (RFC 7517 sections 4.2 to 4.4) ------------------ */

static void test_use_key_ops_and_alg(void **state)
{
    static const struct {
        const char *name, *value, *expect;
    } cases[] = {
        { "use", "\"sig\"", "ES256" },
        { "use", "\"enc\"", "" },
        { "use", "\"SIG\"", "" },
        { "use", "\"jwt-svid\"", "" },
        { "use", "1", "skipped" },
        { "use", "null", "ES256" },
        { "key_ops", "null", "ES256" },
        { "alg", "null", "ES256" },
        { "kid", "null", "ES256" },
        { "issuer", "null", "ES256" },
        { "d", "null", "ES256" },
        { "key_ops", "[\"verify\"]", "ES256" },
        { "key_ops", "[\"sign\",\"verify\"]", "ES256" },
        { "key_ops", "[\"sign\"]", "" },
        { "key_ops", "[\"encrypt\",\"deriveKey\"]", "" },
        { "key_ops", "[]", "" },
        { "key_ops", "[1]", "" },
        { "key_ops", "\"verify\"", "skipped" },
        { "alg", "\"ES256\"", "ES256" },
        { "alg", "\"ES384\"", "" },
        { "alg", "\"RS256\"", "" },
        { "alg", "\"HS256\"", "" },
        { "alg", "\"none\"", "" },
        { "alg", "\"ECDH-ES\"", "" },
        { "alg", "7", "skipped" },
    };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));
    size_t i;

    json_object_del(jwk, "use");
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *key = unit_with(p, jwk, cases[i].name,
                                json_loads(cases[i].value, JSON_DECODE_ANY,
                                           NULL));
        int skip = strcmp(cases[i].expect, "skipped") == 0;

        UNIT_CHECK((skipped(p, key, BEARER_JWKS_REMOTE) != NULL) == skip,
                   "%s %s", cases[i].name, cases[i].value);
        UNIT_CHECK(strcmp(algs(p, key, BEARER_JWKS_REMOTE),
                          skip ? "" : cases[i].expect) == 0,
                   "%s %s", cases[i].name, cases[i].value);
    }
}

/* RFC 8725bis: one algorithm per key, where the key says which. */
static void test_an_rsa_key_with_alg_does_only_that(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7520 4.1"));

    assert_string_equal(algs(p, jwk, BEARER_JWKS_REMOTE),
                        "RS256 RS384 RS512 PS256 PS384 PS512");
    assert_string_equal(algs(p, unit_with(p, jwk, "alg", json_string("PS384")),
                             BEARER_JWKS_REMOTE), "PS384");
    assert_string_equal(algs(p, unit_with(p, jwk, "alg",
                                          json_string("RSA-OAEP")),
                             BEARER_JWKS_REMOTE), "");
}

/* SPIFFE: JWT-SVID section 4, use "jwt-svid" */
static void test_spiffe_bundle(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));

    assert_string_equal(algs(p, unit_with(p, jwk, "use",
                                          json_string("jwt-svid")),
                             BEARER_JWKS_SPIFFE), "ES256");
    assert_string_equal(algs(p, unit_with(p, jwk, "use",
                                          json_string("x509-svid")),
                             BEARER_JWKS_SPIFFE), "");
    assert_string_equal(algs(p, unit_with(p, jwk, "use", json_string("sig")),
                             BEARER_JWKS_SPIFFE), "");
    assert_string_equal(algs(p, unit_with(p, jwk, "use", NULL),
                             BEARER_JWKS_SPIFFE), "");
}

/* ---- secrets in the wrong place ---------------------------------------- */

static void test_attack_oct_from_a_url(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_rfc_key(p, "RFC 7515 A.1");

    assert_string_equal(algs(p, jwk, BEARER_JWKS_LOCAL), "HS256 HS384 HS512");
    assert_true(unit_contains(skipped(p, jwk, BEARER_JWKS_REMOTE),
                              "only in a local file"));
    assert_true(unit_contains(skipped(p, jwk, BEARER_JWKS_SPIFFE),
                              "only in a local file"));
}

/* RFC 7518 section 3.2 */
static void test_oct_is_as_long_as_the_hash(void **state)
{
    static const struct {
        apr_size_t len;
        const char *names;
    } cases[] = {
        { 64, "HS256 HS384 HS512" }, { 63, "HS256 HS384" },
        { 48, "HS256 HS384" }, { 47, "HS256" }, { 32, "HS256" },
        { 31, NULL }, { 1, NULL }, { 0, NULL },
    };
    static const unsigned char zeros[64] = { 0 };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_rfc_key(p, "RFC 7515 A.1");
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *key = unit_with(p, jwk, "k", json_string(
            bearer_b64url_encode(p, zeros, cases[i].len)));

        if (cases[i].names) {
            assert_string_equal(algs(p, key, BEARER_JWKS_LOCAL),
                                cases[i].names);
            assert_int_equal(bearer_jwks_at(unit_set_text(
                p, unit_jwks_text(p, key), BEARER_JWKS_LOCAL, NULL), 0)->bits,
                             8 * cases[i].len);
        } else {
            assert_true(unit_contains(skipped(p, key, BEARER_JWKS_LOCAL),
                                      "is below 32"));
        }
    }
    assert_true(unit_contains(
        skipped(p, unit_with(p, unit_with(p, jwk, "alg",
                                          json_string("HS512")),
                             "k", json_string(bearer_b64url_encode(p, zeros,
                                                                   40))),
                BEARER_JWKS_LOCAL), "is below 64"));
}

/* A key may say whose it is: Entra's keys do. */
static void test_issuer_of_a_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_public(p, unit_rfc_key(p, "RFC 7515 A.3"));

    assert_null(bearer_jwks_at(unit_set(p, jwk), 0)->issuer);
    jwk = unit_with(p, jwk, "issuer", json_string("https://idp.example/{tenant}"));
    assert_string_equal(bearer_jwks_at(unit_set(p, jwk), 0)->issuer,
                        "https://idp.example/{tenant}");
}

/* A published private key proves nothing: anybody may have signed with it. */
static void test_attack_private_key_in_a_remote_set(void **state)
{
    static const char *const names[] = {
        "RFC 7520 4.1", "RFC 7515 A.3", "RFC 8037 A.4 and A.5"
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        json_t *jwk = unit_rfc_key(p, names[i]);
        bearer_jwks_report_t report;

        assert_true(unit_contains(skipped(p, jwk, BEARER_JWKS_REMOTE),
                                  "private member 'd'"));
        assert_null(skipped(p, unit_public(p, jwk), BEARER_JWKS_REMOTE));
        /* in one's own file it is a mistake that does no harm: named, used */
        unit_set_text(p, unit_jwks_text(p, jwk), BEARER_JWKS_LOCAL, &report);
        assert_int_equal(report.keys, 1);
        assert_int_equal(report.skipped, 0);
        assert_true(unit_contains(
            APR_ARRAY_IDX(report.lines, 0, const char *), "private key"));
    }
    assert_non_null(skipped(p, unit_with(p, unit_public(p,
        unit_rfc_key(p, "RFC 7520 4.1")), "qi", json_string("AQAB")),
        BEARER_JWKS_REMOTE));
}

/* ---- EVP_PKEY and back ------------------------------------------------- */

static void test_jwk_to_pkey_and_back(void **state)
{
    static const char *const names[] = {
        "RFC 7520 4.1", "RFC 7515 A.2", "RFC 7515 A.3", "RFC 7520 4.3",
        "RFC 8037 A.4 and A.5"
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        json_t *jwk = unit_rfc_key(p, names[i]);
        const char *print = bearer_jwk_thumbprint(jwk, p);
        json_t *private_back, *public_back;
        EVP_PKEY *pkey;
        const char *name, *error;
        json_t *value;

        assert_int_equal(bearer_jwk_private(&pkey, jwk, &error, p), APR_SUCCESS);
        assert_int_equal(bearer_jwk_from_pkey(&private_back, pkey, 1, p),
                         APR_SUCCESS);
        assert_int_equal(bearer_jwk_from_pkey(&public_back, pkey, 0, p),
                         APR_SUCCESS);
        assert_string_equal(bearer_json_string(public_back, "kid"), print);
        assert_null(json_object_get(public_back, "d"));
        assert_null(json_object_get(public_back, "p"));
        json_object_foreach(private_back, name, value) {
            if (strcmp(name, "kid") != 0) {
                UNIT_CHECK(json_equal(value, json_object_get(jwk, name)),
                           "%s: %s", names[i], name);
            }
        }
        assert_int_equal(json_object_size(private_back),
                         json_object_size(public_back)
                             + (bearer_json_string(jwk, "n") ? 6 : 1));
    }
}

static void test_rsa_private_key_of_d_alone(void **state)
{
    static const char *const extra[] = { "p", "q", "dp", "dq", "qi" };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_rfc_key(p, "RFC 7520 4.1");
    const char *token;
    size_t i;

    for (i = 0; i < UNIT_COUNT(extra); i++) {
        json_object_del(jwk, extra[i]);
    }
    token = unit_sign(p, "RS256", jwk, NULL, "x");
    assert_non_null(token);
}

static void test_private_key_errors(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *ec = unit_rfc_key(p, "RFC 7515 A.3");
    json_t *okp = unit_rfc_key(p, "RFC 8037 A.4 and A.5");
    json_t *other = unit_new_key(p, "EC", "P-256");
    json_t *other_okp = unit_new_key(p, "ED25519", NULL);
    const char *error;
    EVP_PKEY *pkey;

    assert_int_equal(bearer_jwk_private(&pkey, unit_public(p, ec), &error, p),
                     APR_EINVAL);
    assert_true(unit_contains(error, "no private part"));
    assert_int_equal(bearer_jwk_private(&pkey,
        unit_rfc_key(p, "RFC 7515 A.1"), &error, p), APR_EINVAL);
    json_object_set(ec, "d", json_object_get(other, "d"));
    assert_int_equal(bearer_jwk_private(&pkey, ec, &error, p), APR_EINVAL);
    assert_true(unit_contains(error, "does not fit"));
    json_object_set(okp, "d", json_object_get(other_okp, "d"));
    assert_int_equal(bearer_jwk_private(&pkey, okp, &error, p), APR_EINVAL);
    assert_true(unit_contains(error, "does not fit"));
    assert_null(pkey);
    assert_int_equal(bearer_jwk_private(&pkey, NULL, &error, p), APR_EINVAL);
}

static void test_x25519_is_no_jwk_here(void **state)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY *p224 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-224");
    json_t *jwk;

    assert_int_equal(bearer_jwk_from_pkey(&jwk, pkey, 0, unit_pool(state)),
                     APR_EINVAL);
    assert_int_equal(bearer_jwk_from_pkey(&jwk, p224, 0, unit_pool(state)),
                     APR_EINVAL);
    assert_null(jwk);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(p224);
}

/* Keys that clients send with proofs: for one algorithm, and never private. */
static void test_public_key_of_a_client(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_alg_t *es256 = bearer_alg_find("ES256");
    json_t *key = unit_new_key(p, "EC", "P-256");
    bearer_verifier_t *verifier;
    const char *problem;
    EVP_PKEY *pkey;

    assert_null(bearer_jwk_public(&pkey, &verifier, unit_public(p, key), es256, p));
    assert_non_null(pkey);
    assert_int_equal(bearer_verifier_check(verifier, "x", 1, (const unsigned char *)"y", 1),
                     BEARER_VERIFY_BAD);
    bearer_verifier_free(verifier);
    EVP_PKEY_free(pkey);
    problem = bearer_jwk_public(&pkey, &verifier, key, es256, p);
    assert_string_equal(problem, "it contains the private member 'd'");
    assert_null(pkey);
    assert_null(verifier);
    problem = bearer_jwk_public(&pkey, &verifier, unit_public(p, key),
                                bearer_alg_find("ES384"), p);
    assert_string_equal(problem, "it (EC P-256) cannot verify ES384");
    assert_null(pkey);
    problem = bearer_jwk_public(&pkey, &verifier, unit_rfc_key(p, "RFC 7515 A.1"),
                                bearer_alg_find("HS256"), p);
    assert_non_null(strstr(problem, "oct"));
    assert_null(pkey);
    problem = bearer_jwk_public(&pkey, &verifier, unit_with(p, unit_public(p, key), "use",
                                                            json_string("enc")), es256, p);
    assert_string_equal(problem, "its use is 'enc'");
    assert_null(pkey);
    assert_null(verifier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_published_thumbprints),
        UNIT_TEST(test_thumbprint_needs_plain_members),
        UNIT_TEST(test_attack_rsa_size_and_exponent),
        UNIT_TEST(test_attack_rsa_huge_exponent),
        UNIT_TEST(test_leading_zero_of_a_modulus_is_tolerated),
        UNIT_TEST(test_attack_ec_coordinates),
        UNIT_TEST(test_okp_lengths_and_curves),
        UNIT_TEST(test_malformed_keys_are_skipped),
        UNIT_TEST(test_kid_length),
        UNIT_TEST(test_use_key_ops_and_alg),
        UNIT_TEST(test_an_rsa_key_with_alg_does_only_that),
        UNIT_TEST(test_spiffe_bundle),
        UNIT_TEST(test_attack_oct_from_a_url),
        UNIT_TEST(test_oct_is_as_long_as_the_hash),
        UNIT_TEST(test_issuer_of_a_key),
        UNIT_TEST(test_attack_private_key_in_a_remote_set),
        UNIT_TEST(test_jwk_to_pkey_and_back),
        UNIT_TEST(test_rsa_private_key_of_d_alone),
        UNIT_TEST(test_private_key_errors),
        UNIT_TEST(test_x25519_is_no_jwk_here),
        UNIT_TEST(test_public_key_of_a_client),
    };

    return UNIT_RUN("jwk", tests);
}
