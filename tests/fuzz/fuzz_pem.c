/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A PEM file of public keys and certificates. */
#include "fuzz.h"

#include "jose/jwk.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const char *error = NULL;
    bearer_jwks_t *set = NULL;
    int i;

    if (bearer_jwks_parse_pem(&set, text, len, &error, p) != APR_SUCCESS) {
        fuzz_check_line(error);
        return;
    }
    FUZZ_CHECK(bearer_jwks_count(set) <= BEARER_JWKS_MAX_KEYS);
    for (i = 0; i < bearer_jwks_count(set); i++) {
        const bearer_jwk_t *key = bearer_jwks_at(set, i);

        FUZZ_CHECK(key->pkey && !key->kid && key->algs);
        FUZZ_CHECK(key->kty != BEARER_KTY_RSA
                   || (key->bits >= BEARER_RSA_MIN_BITS
                       && key->bits <= BEARER_RSA_MAX_BITS));
    }
    bearer_jwks_release(set);
}
