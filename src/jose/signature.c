/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Raw signatures with OpenSSL's EVP interface. See signature.h for why contexts are
 * reused and for thread safety.
 */
#include "jose/signature.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/shelf.h"
#include "jose/jwk_inside.h"

/** Maximum octets of a DER ECDSA-Sig-Value with two integers. */
#define DER_MAX (3 + 2 * (2 + 1 + EC_MAX))

/* What one thread needs for a verification. */
typedef struct context_t {
    EVP_PKEY_CTX *pkey;  /* RSA, EC: ready to verify a digest */
    EVP_MD_CTX *ready;   /* OKP: initialized, only copied */
    EVP_MD_CTX *md;      /* scratch */
    EVP_MAC_CTX *mac;    /* oct: initialized with the key, only duplicated */
} context_t;

struct bearer_verifier_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    const unsigned char *oct;
    apr_size_t oct_len;
    EVP_MD *digest;                  /* fetched; NULL for OKP */
    apr_size_t signature_len;        /* exact */
    unsigned char order[EC_MAX];     /* EC: n, with the length of r */
    bearer_shelf_t contexts;
};

/* ---- contexts ---------------------------------------------------------- */

static void context_free(void *context)
{
    context_t *c = context;

    if (c) {
        EVP_PKEY_CTX_free(c->pkey);
        EVP_MD_CTX_free(c->ready);
        EVP_MD_CTX_free(c->md);
        EVP_MAC_CTX_free(c->mac);
        free(c);
    }
}

/* RFC 7518 section 3.5: the salt is as long as the hash, and MGF1 uses the same
 * hash (OpenSSL's default). */
static int set_padding(EVP_PKEY_CTX *ctx, const bearer_alg_t *alg)
{
    switch (alg->padding) {
    case BEARER_PADDING_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    case BEARER_PADDING_PSS:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0
               && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
                                                   RSA_PSS_SALTLEN_DIGEST) > 0;
    case BEARER_PADDING_NONE:
        break;
    }
    return 1;
}

static int init_digest_verify(context_t *c, const bearer_verifier_t *v)
{
    c->pkey = EVP_PKEY_CTX_new_from_pkey(NULL, v->pkey, NULL);
    return c->pkey && EVP_PKEY_verify_init(c->pkey) > 0
           && set_padding(c->pkey, v->alg)
           && EVP_PKEY_CTX_set_signature_md(c->pkey, v->digest) > 0;
}

static int init_message_verify(context_t *c, const bearer_verifier_t *v)
{
    c->ready = EVP_MD_CTX_new();
    return c->ready
           && EVP_DigestVerifyInit_ex(c->ready, NULL, NULL, NULL, NULL,
                                      v->pkey, NULL) > 0;
}

static EVP_MAC_CTX *new_hmac(const bearer_alg_t *alg, const unsigned char *oct,
                             apr_size_t oct_len)
{
    /* OpenSSL declares the name as char * but only reads it */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)(uintptr_t)alg->digest, 0),
        OSSL_PARAM_construct_end()
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

    EVP_MAC_free(mac);
    if (ctx && EVP_MAC_init(ctx, oct, oct_len, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static int init_mac(context_t *c, const bearer_verifier_t *v)
{
    c->mac = new_hmac(v->alg, v->oct, v->oct_len);
    return c->mac != NULL;
}

/* ---- a verifier -------------------------------------------------------- */

static int read_order(bearer_verifier_t *v)
{
    BIGNUM *n = NULL;
    int half = (int)(v->signature_len / 2);
    int good = half <= EC_MAX
               && EVP_PKEY_get_bn_param(v->pkey, OSSL_PKEY_PARAM_EC_ORDER, &n)
               && BN_bn2binpad(n, v->order, half) == half;

    BN_free(n);
    return good;
}

static int verifier_init(bearer_verifier_t *v)
{
    v->signature_len = v->alg->signature_len;
    if (!v->signature_len) {
        int size = v->pkey ? EVP_PKEY_get_size(v->pkey) : 0;

        if (size <= 0) {
            return 0;
        }
        v->signature_len = (apr_size_t)size;
    }
    if (v->alg->digest) {
        v->digest = EVP_MD_fetch(NULL, v->alg->digest, NULL);
        if (!v->digest) {
            return 0;
        }
    }
    return v->alg->kty != BEARER_KTY_EC || read_order(v);
}

bearer_verifier_t *bearer_verifier_create(const bearer_alg_t *alg,
                                          EVP_PKEY *pkey,
                                          const unsigned char *oct,
                                          apr_size_t oct_len)
{
    bearer_verifier_t *v = calloc(1, sizeof(*v));

    if (!v) {
        return NULL;
    }
    v->alg = alg;
    v->pkey = pkey;
    v->oct = oct;
    v->oct_len = oct_len;
    ERR_set_mark();
    if (!verifier_init(v)) {
        bearer_verifier_free(v);
        v = NULL;
    }
    ERR_pop_to_mark();
    return v;
}

void bearer_verifier_free(bearer_verifier_t *v)
{
    if (!v) {
        return;
    }
    bearer_shelf_clear(&v->contexts, context_free);
    EVP_MD_free(v->digest);
    free(v);
}

/* ---- ECDSA signatures: R || S (RFC 7518 section 3.4) and DER ----------- */

/* Checks 1 <= number < n; the lack of this check was CVE-2022-21449. */
static int in_range(const unsigned char *number, const unsigned char *order,
                    apr_size_t len)
{
    apr_size_t i;
    unsigned char any = 0;

    for (i = 0; i < len; i++) {
        any |= number[i];
    }
    return any && memcmp(number, order, len) < 0;
}

/* Writes one DER INTEGER of a positive number; returns the position after it. */
static unsigned char *put_integer(unsigned char *out,
                                  const unsigned char *number, apr_size_t len)
{
    while (len > 1 && *number == 0) {
        number++;
        len--;
    }
    *out++ = 0x02;
    if (*number & 0x80) {
        *out++ = (unsigned char)(len + 1);
        *out++ = 0;
    } else {
        *out++ = (unsigned char)len;
    }
    memcpy(out, number, len);
    return out + len;
}

/* Encodes a DER ECDSA-Sig-Value. The longest content, for P-521, has 138 octets,
 * so one or two length octets are enough. */
static apr_size_t der_from_raw(unsigned char der[DER_MAX],
                               const unsigned char *raw, apr_size_t half)
{
    unsigned char content[DER_MAX];
    unsigned char *end = put_integer(put_integer(content, raw, half),
                                     raw + half, half);
    apr_size_t len = (apr_size_t)(end - content);
    apr_size_t at = 0;

    der[at++] = 0x30;
    if (len >= 0x80) {
        der[at++] = 0x81;
    }
    der[at++] = (unsigned char)len;
    memcpy(der + at, content, len);
    return at + len;
}

static apr_status_t raw_from_der(unsigned char *raw, apr_size_t half,
                                 const unsigned char *der, apr_size_t len)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    const BIGNUM *r, *s;
    int good = 0;

    if (sig) {
        ECDSA_SIG_get0(sig, &r, &s);
        good = BN_bn2binpad(r, raw, (int)half) == (int)half
               && BN_bn2binpad(s, raw + half, (int)half) == (int)half;
    }
    ECDSA_SIG_free(sig);
    return good ? APR_SUCCESS : APR_EGENERAL;
}

/* ---- verification ------------------------------------------------------ */

static bearer_verify_t check_digest(const bearer_verifier_t *v, context_t *c,
                                    const void *data, apr_size_t len,
                                    const unsigned char *signature,
                                    apr_size_t signature_len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char der[DER_MAX];
    unsigned int digest_len;

    if (v->alg->kty == BEARER_KTY_EC) {
        apr_size_t half = signature_len / 2;

        if (!in_range(signature, v->order, half)
            || !in_range(signature + half, v->order, half)) {
            return BEARER_VERIFY_BAD;
        }
        signature_len = der_from_raw(der, signature, half);
        signature = der;
    }
    if (EVP_DigestInit_ex2(c->md, v->digest, NULL) != 1
        || EVP_DigestUpdate(c->md, data, len) != 1
        || EVP_DigestFinal_ex(c->md, digest, &digest_len) != 1) {
        return BEARER_VERIFY_BROKEN;
    }
    return EVP_PKEY_verify(c->pkey, signature, signature_len, digest,
                           digest_len) == 1
               ? BEARER_VERIFY_OK
               : BEARER_VERIFY_BAD;
}

static bearer_verify_t check_message(const bearer_verifier_t *v, context_t *c,
                                     const void *data, apr_size_t len,
                                     const unsigned char *signature,
                                     apr_size_t signature_len)
{
    (void)v;
    /* a copy, because OpenSSL does not promise that a finished context can start again */
    if (EVP_MD_CTX_copy_ex(c->md, c->ready) != 1) {
        return BEARER_VERIFY_BROKEN;
    }
    return EVP_DigestVerify(c->md, signature, signature_len, data, len) == 1
               ? BEARER_VERIFY_OK
               : BEARER_VERIFY_BAD;
}

static int finish_mac(EVP_MAC_CTX *ctx, const void *data, apr_size_t len,
                      unsigned char out[EVP_MAX_MD_SIZE], size_t *out_len)
{
    return ctx && EVP_MAC_update(ctx, data, len) == 1
           && EVP_MAC_final(ctx, out, out_len, EVP_MAX_MD_SIZE) == 1;
}

static bearer_verify_t check_mac(const bearer_verifier_t *v, context_t *c,
                                 const void *data, apr_size_t len,
                                 const unsigned char *signature,
                                 apr_size_t signature_len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_len = 0;
    EVP_MAC_CTX *copy = EVP_MAC_CTX_dup(c->mac);
    int good = finish_mac(copy, data, len, mac, &mac_len);

    (void)v;
    EVP_MAC_CTX_free(copy);
    if (!good) {
        return BEARER_VERIFY_BROKEN;
    }
    return mac_len == signature_len
                   && CRYPTO_memcmp(mac, signature, mac_len) == 0
               ? BEARER_VERIFY_OK
               : BEARER_VERIFY_BAD;
}

/* ---- by type of key ---------------------------------------------------- */

/* A public key without a known private key: 2^2047 + 1 has the size that policies check. */
static EVP_PKEY *probe_rsa(const bearer_alg_t *alg)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_new();
    EVP_PKEY *pkey = NULL;

    (void)alg;
    if (build && n && BN_set_bit(n, 2047) && BN_set_bit(n, 0)
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n)
        && OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_RSA_E, 65537)) {
        pkey = bearer_pkey_from_params("RSA", EVP_PKEY_PUBLIC_KEY, build);
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    return pkey;
}

static EVP_PKEY *probe_ec(const bearer_alg_t *alg)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", alg->curve);
}

static EVP_PKEY *probe_okp(const bearer_alg_t *alg)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, alg->curve ? alg->curve : "Ed25519");
}

static EVP_PKEY *probe_oct(const bearer_alg_t *alg)
{
    (void)alg;
    return NULL;
}

typedef struct kind_t {
    int (*init)(context_t *c, const bearer_verifier_t *v);
    bearer_verify_t (*check)(const bearer_verifier_t *v, context_t *c,
                             const void *data, apr_size_t len,
                             const unsigned char *signature,
                             apr_size_t signature_len);
    EVP_PKEY *(*probe)(const bearer_alg_t *alg);  /* any key of the type */
} kind_t;

#define KIND_RSA { init_digest_verify, check_digest, probe_rsa }
#define KIND_EC { init_digest_verify, check_digest, probe_ec }
#define KIND_OKP { init_message_verify, check_message, probe_okp }
#define KIND_OCT { init_mac, check_mac, probe_oct }

static const kind_t kinds[] = {
    { NULL, NULL, NULL },
#define X(symbol, name) KIND_##symbol,
    BEARER_KTYS(X)
#undef X
};

static context_t *context_new(const bearer_verifier_t *v)
{
    context_t *c = calloc(1, sizeof(*c));

    if (c) {
        c->md = EVP_MD_CTX_new();
        if (!kinds[v->alg->kty].init(c, v) || !c->md) {
            context_free(c);
            c = NULL;
        }
    }
    return c;
}

bearer_verify_t bearer_verifier_check(bearer_verifier_t *v, const void *data,
                                      apr_size_t len,
                                      const unsigned char *signature,
                                      apr_size_t signature_len)
{
    bearer_verify_t result = BEARER_VERIFY_BROKEN;
    context_t *c;

    if (signature_len != v->signature_len) {
        return BEARER_VERIFY_BAD;
    }
    /* mod_ssl reads this thread's error queue afterwards */
    ERR_set_mark();
    c = bearer_shelf_take(&v->contexts);
    if (!c) {
        c = context_new(v);
    }
    if (c) {
        result = kinds[v->alg->kty].check(v, c, data, len, signature, signature_len);
        bearer_shelf_give(&v->contexts, c, context_free);
    }
    ERR_pop_to_mark();
    return result;
}

/* ---- signing (tools and client assertions: not a hot path) ------------- */

static apr_status_t make_mac(unsigned char **signature,
                             apr_size_t *signature_len,
                             const bearer_alg_t *alg, const unsigned char *oct,
                             apr_size_t oct_len, const void *data,
                             apr_size_t len, apr_pool_t *p)
{
    EVP_MAC_CTX *ctx = new_hmac(alg, oct, oct_len);
    int good;

    *signature = apr_palloc(p, EVP_MAX_MD_SIZE);
    good = finish_mac(ctx, data, len, *signature, signature_len);
    EVP_MAC_CTX_free(ctx);
    return good ? APR_SUCCESS : APR_EGENERAL;
}

static apr_status_t make_with_pkey(unsigned char **signature,
                                   apr_size_t *signature_len,
                                   const bearer_alg_t *alg, EVP_PKEY *pkey,
                                   const void *data, apr_size_t len,
                                   apr_pool_t *p)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    int most = EVP_PKEY_get_size(pkey), good;
    size_t size = most > 0 ? (size_t)most : 0;

    *signature = apr_palloc(p, size);
    good = md && size
           && EVP_DigestSignInit_ex(md, &ctx, alg->digest, NULL, NULL, pkey,
                                    NULL) > 0
           && set_padding(ctx, alg)
           && EVP_DigestSign(md, *signature, &size, data, len) > 0;
    EVP_MD_CTX_free(md);
    *signature_len = size;
    return good ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t bearer_signature_make(unsigned char **signature,
                                   apr_size_t *signature_len,
                                   const bearer_alg_t *alg, EVP_PKEY *pkey,
                                   const unsigned char *oct,
                                   apr_size_t oct_len, const void *data,
                                   apr_size_t len, apr_pool_t *p)
{
    apr_status_t rv;

    ERR_set_mark();
    if (alg->kty == BEARER_KTY_OCT) {
        rv = make_mac(signature, signature_len, alg, oct, oct_len, data, len,
                      p);
    } else {
        rv = make_with_pkey(signature, signature_len, alg, pkey, data, len, p);
    }
    if (rv == APR_SUCCESS && alg->kty == BEARER_KTY_EC) {
        unsigned char *raw = apr_palloc(p, alg->signature_len);

        rv = raw_from_der(raw, alg->signature_len / 2, *signature,
                          *signature_len);
        *signature = raw;
        *signature_len = alg->signature_len;
    }
    ERR_pop_to_mark();
    return rv;
}

/* ---- algorithms that this OpenSSL supports ----------------------------- */

int bearer_signature_probe(const bearer_alg_t *alg)
{
    static const unsigned char oct[64] = { 0 };
    EVP_PKEY *pkey;
    bearer_verifier_t *v;
    context_t *c;
    int good;

    ERR_set_mark();
    pkey = kinds[alg->kty].probe(alg);
    v = pkey || alg->kty == BEARER_KTY_OCT
            ? bearer_verifier_create(alg, pkey, oct, sizeof(oct))
            : NULL;
    c = v ? context_new(v) : NULL;
    good = c != NULL;
    context_free(c);
    bearer_verifier_free(v);
    EVP_PKEY_free(pkey);
    ERR_pop_to_mark();
    return good;
}
