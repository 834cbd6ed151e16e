/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A key set: the first byte says where it is from, the rest is the document. */
#include "fuzz.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "jose/jwk.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

static void check_rsa(const bearer_jwk_t *key)
{
    BIGNUM *e = NULL;

    FUZZ_CHECK(key->bits >= BEARER_RSA_MIN_BITS);
    FUZZ_CHECK(key->bits <= BEARER_RSA_MAX_BITS);
    FUZZ_CHECK(EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e));
    FUZZ_CHECK(BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 33);
    BN_free(e);
}

static void check_key(const bearer_jwk_t *key, bearer_jwks_origin_t origin)
{
    FUZZ_CHECK(key->algs && key->thumbprint);
    FUZZ_CHECK((key->kty == BEARER_KTY_OCT) == (key->pkey == NULL));
    FUZZ_CHECK(key->kty != BEARER_KTY_OCT || origin == BEARER_JWKS_LOCAL);
    FUZZ_CHECK(!(key->algs & bearer_alg_symmetric())
               == (key->kty != BEARER_KTY_OCT));
    FUZZ_CHECK(!key->kid || strlen(key->kid) <= BEARER_KID_MAX);
    if (key->kty == BEARER_KTY_RSA) {
        check_rsa(key);
    }
}

static void check_selection(const bearer_jwks_t *set, const char *kid,
                            apr_pool_t *p)
{
    const bearer_alg_t *alg;
    bearer_algs_t all = BEARER_ALGS_ALL;

    while ((alg = bearer_alg_next(&all)) != NULL) {
        bearer_refusal_t why = { BEARER_OK, NULL };
        const bearer_jwk_t *key = NULL;
        int unknown = 0;
        bearer_reason_t reason = bearer_jwks_select(&key, &unknown, set, alg,
                                                    kid, "https://a/t/v2.0",
                                                    "t", &why, p);

        FUZZ_CHECK((reason == BEARER_OK) == (key != NULL));
        if (key) {
            FUZZ_CHECK(key->algs & alg->bit);
            (void)bearer_jwk_verifier(key, alg);
        } else {
            fuzz_check_line(why.detail);
        }
    }
}

static void check_set(const bearer_jwks_t *set, bearer_jwks_origin_t origin,
                      apr_pool_t *p)
{
    int i;

    FUZZ_CHECK(bearer_jwks_count(set) <= BEARER_JWKS_MAX_KEYS);
    for (i = 0; i < bearer_jwks_count(set); i++) {
        check_key(bearer_jwks_at(set, i), origin);
        check_selection(set, bearer_jwks_at(set, i)->kid, p);
    }
    check_selection(set, NULL, p);
    check_selection(set, "unknown", p);
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    bearer_jwks_origin_t origin;
    bearer_jwks_report_t report;
    const char *error = NULL;
    bearer_jwks_t *set = NULL;
    int i;

    if (!len) {
        return;
    }
    origin = *text == 'L' ? BEARER_JWKS_LOCAL
           : *text == 'S' ? BEARER_JWKS_SPIFFE : BEARER_JWKS_REMOTE;
    memset(&report, 0, sizeof(report));
    if (bearer_jwks_parse(&set, text + 1, len - 1, origin, &report, &error, p)
        != APR_SUCCESS) {
        fuzz_check_line(error);
        return;
    }
    for (i = 0; report.lines && i < report.lines->nelts; i++) {
        fuzz_check_line(APR_ARRAY_IDX(report.lines, i, const char *));
    }
    FUZZ_CHECK(report.keys == bearer_jwks_count(set));
    check_set(set, origin, p);
    bearer_jwks_release(set);
}
