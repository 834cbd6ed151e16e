/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The algorithm table and what is read from it. See alg.h; constant data.
 */
#include "jose/alg.h"

#include <string.h>

#include <apr_strings.h>

#include "jose/signature.h"

/* clang-format off */
#define RSA(i, name, digest, padding) \
    { name, 1U << (i), BEARER_KTY_RSA, NULL, digest, padding, 0, 0, 1 }
#define EC(i, name, curve, digest, len, in_default) \
    { name, 1U << (i), BEARER_KTY_EC, curve, digest, BEARER_PADDING_NONE, \
      len, 0, in_default }
#define OKP(i, name, curve, len) \
    { name, 1U << (i), BEARER_KTY_OKP, curve, NULL, BEARER_PADDING_NONE, \
      len, 0, 1 }
#define OCT(i, name, digest, len) \
    { name, 1U << (i), BEARER_KTY_OCT, NULL, digest, BEARER_PADDING_NONE, \
      len, len, 0 }

static const bearer_alg_t table[] = {
    RSA(0,  "RS256",   "SHA256", BEARER_PADDING_PKCS1),
    RSA(1,  "RS384",   "SHA384", BEARER_PADDING_PKCS1),
    RSA(2,  "RS512",   "SHA512", BEARER_PADDING_PKCS1),
    RSA(3,  "PS256",   "SHA256", BEARER_PADDING_PSS),
    RSA(4,  "PS384",   "SHA384", BEARER_PADDING_PSS),
    RSA(5,  "PS512",   "SHA512", BEARER_PADDING_PSS),
    EC(6,   "ES256",   "P-256",     "SHA256", 64,  1),
    EC(7,   "ES384",   "P-384",     "SHA384", 96,  1),
    EC(8,   "ES512",   "P-521",     "SHA512", 132, 1),
    EC(9,   "ES256K",  "secp256k1", "SHA256", 64,  0),
    OKP(10, "EdDSA",   NULL,      0),
    OKP(11, "Ed25519", "Ed25519", 64),
    OKP(12, "Ed448",   "Ed448",   114),
    OCT(13, "HS256",   "SHA256", 32),
    OCT(14, "HS384",   "SHA384", 48),
    OCT(15, "HS512",   "SHA512", 64),
};
/* clang-format on */

#define ROWS (sizeof(table) / sizeof(table[0]))

const bearer_alg_t *bearer_alg_find(const char *name)
{
    unsigned i;

    for (i = 0; name && i < ROWS; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

const bearer_alg_t *bearer_alg_at(unsigned i)
{
    return i < ROWS ? &table[i] : NULL;
}

bearer_algs_t bearer_alg_defaults(void)
{
    bearer_algs_t set = 0;
    unsigned i;

    for (i = 0; i < ROWS; i++) {
        set |= table[i].in_default ? table[i].bit : 0;
    }
    return set;
}

bearer_algs_t bearer_alg_symmetric(void)
{
    return bearer_alg_for_key(BEARER_KTY_OCT, NULL);
}

bearer_algs_t bearer_alg_supported(bearer_algs_t wanted)
{
    bearer_algs_t set = 0;
    unsigned i;

    for (i = 0; i < ROWS; i++) {
        if ((wanted & table[i].bit) && bearer_signature_probe(&table[i])) {
            set |= table[i].bit;
        }
    }
    return set;
}

/* A row without a curve takes any key of its type, but an OKP key only if it
 * is one that signs: X25519 and X448 are none (RFC 8037 section 3.1). */
static int row_fits(const bearer_alg_t *row, bearer_kty_t kty,
                    const char *curve)
{
    if (row->kty != kty) {
        return 0;
    }
    if (row->curve) {
        return curve && strcmp(row->curve, curve) == 0;
    }
    return kty != BEARER_KTY_OKP
           || (curve && (strcmp(curve, "Ed25519") == 0
                         || strcmp(curve, "Ed448") == 0));
}

bearer_algs_t bearer_alg_for_key(bearer_kty_t kty, const char *curve)
{
    bearer_algs_t set = 0;
    unsigned i;

    for (i = 0; i < ROWS; i++) {
        set |= row_fits(&table[i], kty, curve) ? table[i].bit : 0;
    }
    return set;
}

const char *bearer_alg_names(bearer_algs_t set, apr_pool_t *p)
{
    const char *names = "";
    unsigned i;

    for (i = 0; i < ROWS; i++) {
        if (set & table[i].bit) {
            names = apr_pstrcat(p, names, *names ? " " : "", table[i].name,
                                NULL);
        }
    }
    return names;
}
