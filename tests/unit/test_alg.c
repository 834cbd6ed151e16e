/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The algorithm table. */
#include "unit.h"

#include <openssl/evp.h>

#include "jose/alg.h"

static void test_rows_are_consistent(void **state)
{
    const bearer_alg_t *row;
    bearer_algs_t seen = 0, left = BEARER_ALGS_ALL;
    unsigned i;

    (void)state;
    for (i = 0; (row = bearer_alg_next(&left)) != NULL; i++) {
        assert_ptr_equal(bearer_alg_find(row->name), row);
        assert_int_equal(row->bit, 1U << i);
        assert_false(seen & row->bit);
        seen |= row->bit;
    }
    assert_int_equal(i, 16);
    left = 1U << 3 | 1U << 1;
    assert_string_equal(bearer_alg_next(&left)->name, "RS384");
    assert_int_equal(left, 1U << 3);
}

static void test_default_list(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_alg_names(bearer_alg_defaults(), p),
                        "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 "
                        "EdDSA Ed25519 Ed448");
    assert_string_equal(bearer_alg_names(bearer_alg_symmetric(), p),
                        "HS256 HS384 HS512");
    assert_string_equal(bearer_alg_names(0, p), "");
}

static void test_names_are_exact(void **state)
{
    static const char *const none[] = {
        "none", "None", "nOnE", "NONE", "", "rs256", "RS256 ", "HS1",
        "RS256\n", "ES256k", "eddsa", "ED25519", "RSA-OAEP", "dir"
    };
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(none); i++) {
        UNIT_CHECK(!bearer_alg_find(none[i]), "%s", none[i]);
    }
    assert_null(bearer_alg_find(NULL));
}

static void test_which_key_verifies_what(void **state)
{
    static const struct {
        bearer_kty_t kty;
        const char *curve, *names;
    } cases[] = {
        { BEARER_KTY_RSA, NULL, "RS256 RS384 RS512 PS256 PS384 PS512" },
        { BEARER_KTY_EC, "P-256", "ES256" },
        { BEARER_KTY_EC, "P-384", "ES384" },
        { BEARER_KTY_EC, "P-521", "ES512" },
        { BEARER_KTY_EC, "secp256k1", "ES256K" },
        { BEARER_KTY_EC, "Ed25519", "" },
        { BEARER_KTY_EC, NULL, "" },
        { BEARER_KTY_OKP, "Ed25519", "EdDSA Ed25519" },
        { BEARER_KTY_OKP, "Ed448", "EdDSA Ed448" },
        { BEARER_KTY_OKP, "X25519", "" },
        { BEARER_KTY_OKP, "X448", "" },
        { BEARER_KTY_OKP, NULL, "" },
        { BEARER_KTY_OCT, NULL, "HS256 HS384 HS512" },
        { BEARER_KTY_NONE, NULL, "" },
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *names = bearer_alg_names(
            bearer_alg_for_key(cases[i].kty, cases[i].curve),
            unit_pool(state));

        UNIT_CHECK(strcmp(names, cases[i].names) == 0, "case %u: %s",
                   (unsigned)i, names);
    }
}

/* Asked of OpenSSL itself: under a policy that no provider meets, nothing. */
static void test_supported_asks_openssl(void **state)
{
    bearer_algs_t all = bearer_alg_defaults() | bearer_alg_symmetric();

    (void)state;
    assert_int_equal(bearer_alg_supported(all), all);
    assert_int_equal(bearer_alg_supported(bearer_alg_find("ES384")->bit),
                     bearer_alg_find("ES384")->bit);
    assert_int_equal(bearer_alg_supported(0), 0);

    assert_int_equal(EVP_set_default_properties(NULL, "provider=nobody"), 1);
    assert_int_equal(bearer_alg_supported(all), 0);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    assert_int_equal(bearer_alg_supported(all), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_rows_are_consistent),
        UNIT_TEST(test_default_list),
        UNIT_TEST(test_names_are_exact),
        UNIT_TEST(test_which_key_verifies_what),
        UNIT_TEST(test_supported_asks_openssl),
    };

    return UNIT_RUN("alg", tests);
}
