/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Raw signatures: exact lengths, ranges, and threads that share a verifier. */
#include "unit_jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <apr_thread_proc.h>

#include "jose/signature.h"

static const char data[] = "what was signed";

typedef struct pair_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    bearer_verifier_t *verifier;
    unsigned char *signature;
    apr_size_t len;
} pair_t;

static apr_status_t free_verifier(void *verifier)
{
    bearer_verifier_free((bearer_verifier_t *)verifier);
    return APR_SUCCESS;
}

/* A key for alg, its verifier, and a good signature of data. */
static pair_t *pair_for(apr_pool_t *p, const char *name)
{
    static const unsigned char oct[64] = "sixty-four octets of no secret";
    pair_t *pair = apr_pcalloc(p, sizeof(*pair));
    const char *error = "";

    pair->alg = bearer_alg_find(name);
    if (pair->alg->kty != BEARER_KTY_OCT
        && bearer_jwk_private(&pair->pkey, unit_key_for(p, name), &error, p)
               != APR_SUCCESS) {
        UNIT_FAIL("%s: %s", name, error);
    }
    pair->verifier = bearer_verifier_create(pair->alg, pair->pkey, oct,
                                            sizeof(oct));
    UNIT_CHECK(pair->verifier != NULL, "%s", name);
    apr_pool_cleanup_register(p, pair->verifier, free_verifier,
                              apr_pool_cleanup_null);
    assert_int_equal(bearer_signature_make(&pair->signature, &pair->len,
                                           pair->alg, pair->pkey, oct,
                                           sizeof(oct), data, sizeof(data), p),
                     APR_SUCCESS);
    return pair;
}

static bearer_verify_t check(const pair_t *pair, const unsigned char *signature,
                             apr_size_t len)
{
    return bearer_verifier_check(pair->verifier, data, sizeof(data), signature,
                                 len);
}

static void test_every_algorithm_signs_and_verifies(void **state)
{
    const bearer_alg_t *alg;
    bearer_algs_t all = BEARER_ALGS_ALL;

    while ((alg = bearer_alg_next(&all)) != NULL) {
        pair_t *pair = pair_for(unit_pool(state), alg->name);
        unsigned n;

        if (alg->signature_len) {
            assert_int_equal(pair->len, alg->signature_len);
        }
        /* contexts are used again: many times each way, mixed */
        for (n = 0; n < 3; n++) {
            UNIT_CHECK(check(pair, pair->signature, pair->len)
                           == BEARER_VERIFY_OK, "%s", alg->name);
            pair->signature[n * 7] ^= 1;
            UNIT_CHECK(check(pair, pair->signature, pair->len)
                           == BEARER_VERIFY_BAD, "%s", alg->name);
            pair->signature[n * 7] ^= 1;
            UNIT_CHECK(bearer_verifier_check(pair->verifier, "else", 4,
                                             pair->signature, pair->len)
                           == BEARER_VERIFY_BAD, "%s", alg->name);
        }
    }
}

static void test_attack_signature_length(void **state)
{
    const bearer_alg_t *alg;
    bearer_algs_t all = BEARER_ALGS_ALL;

    while ((alg = bearer_alg_next(&all)) != NULL) {
        pair_t *pair = pair_for(unit_pool(state), alg->name);
        unsigned char longer[1100] = { 0 };

        memcpy(longer, pair->signature, pair->len);
        assert_int_equal(check(pair, longer, 0), BEARER_VERIFY_BAD);
        assert_int_equal(check(pair, longer, pair->len - 1),
                         BEARER_VERIFY_BAD);
        assert_int_equal(check(pair, longer, pair->len + 1),
                         BEARER_VERIFY_BAD);
        assert_int_equal(check(pair, longer, sizeof(longer)),
                         BEARER_VERIFY_BAD);
    }
}

/* Sets one half of an ECDSA signature to a number of the curve's octets. */
static void set_half(unsigned char *raw, apr_size_t half, int which,
                     const BIGNUM *bn)
{
    assert_int_equal(BN_bn2binpad(bn, raw + (which ? half : 0), (int)half),
                     (int)half);
}

static void test_attack_ecdsa_range(void **state)
{
    static const char *const names[] = { "ES256", "ES384", "ES512", "ES256K" };
    apr_pool_t *p = unit_pool(state);
    size_t i;
    int which;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        pair_t *pair = pair_for(p, names[i]);
        apr_size_t half = pair->len / 2;
        BIGNUM *n = NULL, *bn = BN_new();
        unsigned char raw[132];

        assert_int_equal(EVP_PKEY_get_bn_param(pair->pkey,
                                               OSSL_PKEY_PARAM_EC_ORDER, &n),
                         1);
        /* both zero: the signature of CVE-2022-21449 */
        memset(raw, 0, sizeof(raw));
        assert_int_equal(check(pair, raw, pair->len), BEARER_VERIFY_BAD);
        for (which = 0; which < 2; which++) {
            memcpy(raw, pair->signature, pair->len);
            BN_zero(bn);
            set_half(raw, half, which, bn);
            assert_int_equal(check(pair, raw, pair->len), BEARER_VERIFY_BAD);
            set_half(raw, half, which, n);
            assert_int_equal(check(pair, raw, pair->len), BEARER_VERIFY_BAD);
            BN_copy(bn, n);
            BN_add_word(bn, 1);
            set_half(raw, half, which, bn);
            assert_int_equal(check(pair, raw, pair->len), BEARER_VERIFY_BAD);
            memset(raw + (which ? half : 0), 0xff, half);
            assert_int_equal(check(pair, raw, pair->len), BEARER_VERIFY_BAD);
        }
        /* r + n where it fits: the same residue, another spelling */
        BN_bin2bn(pair->signature, (int)half, bn);
        BN_add(bn, bn, n);
        if (BN_num_bytes(bn) <= (int)half) {
            memcpy(raw, pair->signature, pair->len);
            set_half(raw, half, 0, bn);
            assert_int_equal(check(pair, raw, pair->len), BEARER_VERIFY_BAD);
        }
        BN_free(bn);
        BN_free(n);
    }
}

/* The form that OpenSSL speaks, and JWS does not. */
static void test_attack_ecdsa_der(void **state)
{
    pair_t *pair = pair_for(unit_pool(state), "ES256");
    unsigned char der[80];
    size_t len;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int n;

    for (n = 0; n < 20; n++) {
        len = sizeof(der);
        assert_int_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", NULL, NULL,
                                               pair->pkey, NULL), 1);
        assert_int_equal(EVP_DigestSign(md, der, &len,
                                        (const unsigned char *)data,
                                        sizeof(data)), 1);
        assert_int_equal(check(pair, der, len), BEARER_VERIFY_BAD);
    }
    EVP_MD_CTX_free(md);
}

static void sign_pss(const pair_t *pair, int salt, const char *mgf1,
                     unsigned char *out)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    size_t len = 256;

    assert_int_equal(EVP_DigestSignInit_ex(md, &ctx, pair->alg->digest, NULL,
                                           NULL, pair->pkey, NULL), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
    assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) > 0);
    assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, mgf1, NULL) > 0);
    assert_int_equal(EVP_DigestSign(md, out, &len, (const unsigned char *)data,
                                    sizeof(data)), 1);
    EVP_MD_CTX_free(md);
}

/* RFC 7518 section 3.5 */
static void test_attack_pss_parameters(void **state)
{
    apr_pool_t *p = unit_pool(state);
    pair_t *ps256 = pair_for(p, "PS256");
    pair_t *ps512 = pair_for(p, "PS512");
    static const int salts[] = { 0, 1, 20, 31, 33, 48, 64, 190 };
    unsigned char signature[256];
    size_t i;

    sign_pss(ps256, 32, "SHA256", signature);
    assert_int_equal(check(ps256, signature, 256), BEARER_VERIFY_OK);
    for (i = 0; i < UNIT_COUNT(salts); i++) {
        sign_pss(ps256, salts[i], "SHA256", signature);
        UNIT_CHECK(check(ps256, signature, 256) == BEARER_VERIFY_BAD,
                   "salt of %d", salts[i]);
    }
    sign_pss(ps256, 32, "SHA1", signature);
    assert_int_equal(check(ps256, signature, 256), BEARER_VERIFY_BAD);
    sign_pss(ps512, 64, "SHA512", signature);
    assert_int_equal(check(ps512, signature, 256), BEARER_VERIFY_OK);
    sign_pss(ps512, 32, "SHA512", signature);
    assert_int_equal(check(ps512, signature, 256), BEARER_VERIFY_BAD);
}

/* A signature of one RSA algorithm is none of another, with the same key. */
static void test_attack_rsa_algorithms_mixed(void **state)
{
    static const char *const names[] = { "RS256", "RS384", "RS512",
                                         "PS256", "PS384", "PS512" };
    pair_t *pairs[UNIT_COUNT(names)];
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        pairs[i] = pair_for(unit_pool(state), names[i]);
    }
    for (i = 0; i < UNIT_COUNT(names); i++) {
        for (j = 0; j < UNIT_COUNT(names); j++) {
            UNIT_CHECK(check(pairs[i], pairs[j]->signature, 256)
                           == (i == j ? BEARER_VERIFY_OK : BEARER_VERIFY_BAD),
                       "%s as %s", names[j], names[i]);
        }
    }
}

/* s and s + n are the same number modulo n; only the smaller is a signature. */
static void test_attack_rsa_not_reduced(void **state)
{
    pair_t *pair = pair_for(unit_pool(state), "RS256");
    unsigned char signature[256];

    memset(signature, 0xff, sizeof(signature));
    assert_int_equal(check(pair, signature, 256), BEARER_VERIFY_BAD);
    memset(signature, 0, sizeof(signature));
    assert_int_equal(check(pair, signature, 256), BEARER_VERIFY_BAD);
    signature[255] = 1;
    assert_int_equal(check(pair, signature, 256), BEARER_VERIFY_BAD);
}

/* mod_ssl takes what it finds in the thread's queue for its own trouble. */
static void test_error_queue_is_left_as_it_was(void **state)
{
    pair_t *rsa = pair_for(unit_pool(state), "RS256");
    pair_t *ec = pair_for(unit_pool(state), "ES256");
    unsigned char bad[256];

    ERR_clear_error();
    memset(bad, 0x55, sizeof(bad));
    assert_int_equal(check(rsa, bad, 256), BEARER_VERIFY_BAD);
    assert_int_equal(check(ec, bad, 64), BEARER_VERIFY_BAD);
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, 77);
    assert_int_equal(check(rsa, bad, 256), BEARER_VERIFY_BAD);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 77);
    assert_int_equal(ERR_peek_error(), 0);
}

#define THREADS 24
#define ROUNDS 40

typedef struct stress_t {
    pair_t *pairs[4];
    int wrong[THREADS];
} stress_t;

typedef struct worker_t {
    stress_t *stress;
    int number;
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *arg)
{
    worker_t *worker = arg;
    int n, *wrong = &worker->stress->wrong[worker->number];

    for (n = 0; n < ROUNDS; n++) {
        const pair_t *pair = worker->stress->pairs[(n + worker->number) % 4];
        unsigned char copy[256];

        memcpy(copy, pair->signature, pair->len);
        *wrong += check(pair, copy, pair->len) != BEARER_VERIFY_OK;
        copy[n % 32] ^= 0x10;
        *wrong += check(pair, copy, pair->len) != BEARER_VERIFY_BAD;
    }
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

/* More threads than there are slots, each answer right all the same. */
static void test_threads_share_a_verifier(void **state)
{
    static const char *const names[] = { "RS256", "ES256", "Ed25519", "HS256" };
    apr_pool_t *p = unit_pool(state);
    stress_t *stress = apr_pcalloc(p, sizeof(*stress));
    apr_thread_t *threads[THREADS];
    worker_t workers[THREADS];
    apr_status_t rv;
    int i;

    for (i = 0; i < 4; i++) {
        stress->pairs[i] = pair_for(p, names[i]);
    }
    for (i = 0; i < THREADS; i++) {
        workers[i].stress = stress;
        workers[i].number = i;
        assert_int_equal(apr_thread_create(&threads[i], NULL, work,
                                           &workers[i], p), APR_SUCCESS);
    }
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(apr_thread_join(&rv, threads[i]), APR_SUCCESS);
        assert_int_equal(stress->wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_every_algorithm_signs_and_verifies),
        UNIT_TEST(test_attack_signature_length),
        UNIT_TEST(test_attack_ecdsa_range),
        UNIT_TEST(test_attack_ecdsa_der),
        UNIT_TEST(test_attack_pss_parameters),
        UNIT_TEST(test_attack_rsa_algorithms_mixed),
        UNIT_TEST(test_attack_rsa_not_reduced),
        UNIT_TEST(test_error_queue_is_left_as_it_was),
        UNIT_TEST(test_threads_share_a_verifier),
    };

    return UNIT_RUN("signature", tests);
}
