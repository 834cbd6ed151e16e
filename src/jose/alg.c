/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The algorithm table and its look-ups. See alg.h. Constant data.
 */
#include "jose/alg.h"

#include <string.h>

#include <apr_strings.h>

#include "jose/signature.h"

/* names() and htbearer show this order. */
#define ALGS(RSA, EC, OKP, OCT) \
    RSA(RS256, "SHA256", PKCS1) \
    RSA(RS384, "SHA384", PKCS1) \
    RSA(RS512, "SHA512", PKCS1) \
    RSA(PS256, "SHA256", PSS) \
    RSA(PS384, "SHA384", PSS) \
    RSA(PS512, "SHA512", PSS) \
    EC(ES256, "P-256", "SHA256", 64, 1) \
    EC(ES384, "P-384", "SHA384", 96, 1) \
    EC(ES512, "P-521", "SHA512", 132, 1) \
    EC(ES256K, "secp256k1", "SHA256", 64, 0) \
    OKP(EdDSA, NULL, 0) \
    OKP(Ed25519, "Ed25519", 64) \
    OKP(Ed448, "Ed448", 114) \
    OCT(HS256, "SHA256", 32) \
    OCT(HS384, "SHA384", 48) \
    OCT(HS512, "SHA512", 64)

enum {
#define X(name, ...) BIT_##name,
    ALGS(X, X, X, X)
#undef X
    ROWS
};

/* clang-format off */
#define RSA(name, digest, padding) \
    { #name, 1U << BIT_##name, BEARER_KTY_RSA, NULL, digest, \
      BEARER_PADDING_##padding, 0, 0, 1 },
#define EC(name, curve, digest, len, in_default) \
    { #name, 1U << BIT_##name, BEARER_KTY_EC, curve, digest, \
      BEARER_PADDING_NONE, len, 0, in_default },
#define OKP(name, curve, len) \
    { #name, 1U << BIT_##name, BEARER_KTY_OKP, curve, NULL, \
      BEARER_PADDING_NONE, len, 0, 1 },
#define OCT(name, digest, len) \
    { #name, 1U << BIT_##name, BEARER_KTY_OCT, NULL, digest, \
      BEARER_PADDING_NONE, len, len, 0 },

static const bearer_alg_t table[] = { ALGS(RSA, EC, OKP, OCT) };
/* clang-format on */

static const char *const kty_names[] = {
    "",
#define X(symbol, name) name,
    BEARER_KTYS(X)
#undef X
};

const char *bearer_kty_name(bearer_kty_t kty)
{
    return kty_names[kty];
}

bearer_kty_t bearer_kty_find(const char *name)
{
    unsigned i = name ? sizeof(kty_names) / sizeof(kty_names[0]) - 1 : 0;

    for (; i && strcmp(kty_names[i], name) != 0; i--) {
    }
    return (bearer_kty_t)i;
}

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

const bearer_alg_t *bearer_alg_next(bearer_algs_t *set)
{
    unsigned i;

    for (i = 0; i < ROWS; i++) {
        if (*set & table[i].bit) {
            *set &= ~table[i].bit;
            return &table[i];
        }
    }
    return NULL;
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
    const bearer_alg_t *row;
    bearer_algs_t set = 0;

    while ((row = bearer_alg_next(&wanted)) != NULL) {
        set |= bearer_signature_probe(row) ? row->bit : 0;
    }
    return set;
}

/* A row without a curve accepts any key of its type. An OKP key must also be a
 * signing key: X25519 and X448 are not (RFC 8037 section 3.1). */
static int row_fits(const bearer_alg_t *row, bearer_kty_t kty, const char *curve)
{
    if (row->kty != kty) {
        return 0;
    }
    if (row->curve) {
        return curve && strcmp(row->curve, curve) == 0;
    }
    return kty != BEARER_KTY_OKP
           || (curve && (strcmp(curve, "Ed25519") == 0 || strcmp(curve, "Ed448") == 0));
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
    const bearer_alg_t *row;
    const char *names = "";

    while ((row = bearer_alg_next(&set)) != NULL) {
        names = apr_pstrcat(p, names, *names ? " " : "", row->name, NULL);
    }
    return names;
}
