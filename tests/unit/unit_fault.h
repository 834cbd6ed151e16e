/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_fault.h
 * OpenSSL, the random source and the allocator fail, one call after the other. The
 * linker puts the functions below in the place of those that the library would
 * call (`fault_ldflags` in Makefile.am lists the same names).
 *
 *     UNIT_FAULTS(n) {
 *         rv = the_operation();
 *         ... if unit_fault_happened(), rv must be a failure, else a success ...
 *     }
 *
 * runs the block once for each call that the operation makes, with that call
 * failing, and a last time with none. What fails with 0 or less fails in both ways.
 */
#pragma once

#include "unit.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

static struct {
    int calls;          /**< since the block began */
    int failing;        /**< this one fails; 0: none */
    int result;         /**< of a function that fails with 0 or less */
    int pairs_are_good; /**< the halves of keys are not compared */
    const char *name;   /**< what has failed; NULL: nothing has */
} unit_fault;

/** 1: this call fails. */
static inline int unit_fault_now(const char *name)
{
    if (++unit_fault.calls != unit_fault.failing) {
        return 0;
    }
    unit_fault.name = name;
    return 1;
}

static inline int unit_fault_happened(void)
{
    return unit_fault.name != NULL;
}

/** For messages: what has failed. */
static inline const char *unit_fault_name(void)
{
    return unit_fault.name ? unit_fault.name : "nothing";
}

/* Between the runs: 0 after the last one. */
static inline int unit_fault_next(int n)
{
    const int more = n == 1 || unit_fault.name != NULL;

    unit_fault.failing = more ? (n + 1) / 2 : 0;
    unit_fault.result = n % 2 ? 0 : -1;
    unit_fault.calls = 0;
    unit_fault.name = NULL;
    return more;
}

/** More calls than any operation makes. */
#define UNIT_FAULTS_MAX 20000

#define UNIT_FAULTS(n) \
    for ((n) = 1; (n) < UNIT_FAULTS_MAX && unit_fault_next(n); (n)++)

/** From here on nothing fails. */
static inline void unit_no_fault(void)
{
    unit_fault.failing = 0;
    unit_fault.name = NULL;
    unit_fault.pairs_are_good = 0;
}

#define UNIT_FAULTY(type, name, parameters, arguments, failure) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        return unit_fault_now(#name) ? (failure) : __real_##name arguments; \
    }

/* clang-format takes the parameters for products */
/* clang-format off */

/* ---- memory ------------------------------------------------------------- */

UNIT_FAULTY(void *, malloc, (size_t n), (n), NULL)
UNIT_FAULTY(void *, calloc, (size_t n, size_t size), (n, size), NULL)
UNIT_FAULTY(char *, strdup, (const char *s), (s), NULL)

/* ---- random bytes, digests ---------------------------------------------- */

UNIT_FAULTY(int, RAND_bytes, (unsigned char *out, int n), (out, n),
            unit_fault.result)
UNIT_FAULTY(EVP_MD *, EVP_MD_fetch,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties),
            (lib, name, properties), NULL)
UNIT_FAULTY(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
UNIT_FAULTY(int, EVP_MD_CTX_copy_ex, (EVP_MD_CTX *to, const EVP_MD_CTX *from),
            (to, from), 0)
UNIT_FAULTY(int, EVP_Digest,
            (const void *data, size_t n, unsigned char *out, unsigned *len,
             const EVP_MD *md, ENGINE *engine),
            (data, n, out, len, md, engine), 0)
UNIT_FAULTY(int, EVP_Q_digest,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties,
             const void *data, size_t n, unsigned char *out, size_t *len),
            (lib, name, properties, data, n, out, len), 0)
UNIT_FAULTY(int, EVP_DigestInit_ex2,
            (EVP_MD_CTX *ctx, const EVP_MD *md, const OSSL_PARAM *params),
            (ctx, md, params), 0)
UNIT_FAULTY(int, EVP_DigestUpdate, (EVP_MD_CTX *ctx, const void *data, size_t n),
            (ctx, data, n), 0)
UNIT_FAULTY(int, EVP_DigestFinal_ex,
            (EVP_MD_CTX *ctx, unsigned char *out, unsigned *len), (ctx, out, len), 0)
UNIT_FAULTY(int, X509_digest,
            (const X509 *cert, const EVP_MD *md, unsigned char *out, unsigned *len),
            (cert, md, out, len), 0)

/* ---- message authentication, signatures ---------------------------------- */

UNIT_FAULTY(EVP_MAC *, EVP_MAC_fetch,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties),
            (lib, name, properties), NULL)
UNIT_FAULTY(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC *mac), (mac), NULL)
UNIT_FAULTY(EVP_MAC_CTX *, EVP_MAC_CTX_dup, (const EVP_MAC_CTX *ctx), (ctx), NULL)
UNIT_FAULTY(int, EVP_MAC_init,
            (EVP_MAC_CTX *ctx, const unsigned char *key, size_t n,
             const OSSL_PARAM *params),
            (ctx, key, n, params), 0)
UNIT_FAULTY(int, EVP_MAC_update,
            (EVP_MAC_CTX *ctx, const unsigned char *data, size_t n), (ctx, data, n), 0)
UNIT_FAULTY(int, EVP_MAC_final,
            (EVP_MAC_CTX *ctx, unsigned char *out, size_t *len, size_t size),
            (ctx, out, len, size), 0)
UNIT_FAULTY(int, EVP_DigestVerifyInit_ex,
            (EVP_MD_CTX *ctx, EVP_PKEY_CTX **of, const char *name,
             OSSL_LIB_CTX *lib, const char *properties, EVP_PKEY *key,
             const OSSL_PARAM *params),
            (ctx, of, name, lib, properties, key, params), unit_fault.result)
UNIT_FAULTY(int, EVP_DigestVerify,
            (EVP_MD_CTX *ctx, const unsigned char *signature, size_t len,
             const unsigned char *data, size_t n),
            (ctx, signature, len, data, n), unit_fault.result)
UNIT_FAULTY(int, EVP_DigestSignInit_ex,
            (EVP_MD_CTX *ctx, EVP_PKEY_CTX **of, const char *name,
             OSSL_LIB_CTX *lib, const char *properties, EVP_PKEY *key,
             const OSSL_PARAM *params),
            (ctx, of, name, lib, properties, key, params), unit_fault.result)
UNIT_FAULTY(int, EVP_DigestSign,
            (EVP_MD_CTX *ctx, unsigned char *out, size_t *len,
             const unsigned char *data, size_t n),
            (ctx, out, len, data, n), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_verify_init, (EVP_PKEY_CTX *ctx), (ctx), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_verify,
            (EVP_PKEY_CTX *ctx, const unsigned char *signature, size_t len,
             const unsigned char *digest, size_t n),
            (ctx, signature, len, digest, n), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_CTX_set_rsa_padding, (EVP_PKEY_CTX *ctx, int padding),
            (ctx, padding), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_CTX_set_rsa_pss_saltlen, (EVP_PKEY_CTX *ctx, int len),
            (ctx, len), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_CTX_set_signature_md, (EVP_PKEY_CTX *ctx, const EVP_MD *md),
            (ctx, md), unit_fault.result)
UNIT_FAULTY(ECDSA_SIG *, d2i_ECDSA_SIG,
            (ECDSA_SIG **sig, const unsigned char **in, long n), (sig, in, n), NULL)

/* ---- keys --------------------------------------------------------------- */

UNIT_FAULTY(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_pkey,
            (OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *properties),
            (lib, key, properties), NULL)
UNIT_FAULTY(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties),
            (lib, name, properties), NULL)
UNIT_FAULTY(int, EVP_PKEY_fromdata_init, (EVP_PKEY_CTX *ctx), (ctx), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_fromdata,
            (EVP_PKEY_CTX *ctx, EVP_PKEY **key, int what, OSSL_PARAM params[]),
            (ctx, key, what, params), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_public_check, (EVP_PKEY_CTX *ctx), (ctx), unit_fault.result)

/* Of an RSA key it takes long. */
int __real_EVP_PKEY_pairwise_check(EVP_PKEY_CTX *ctx);
int __wrap_EVP_PKEY_pairwise_check(EVP_PKEY_CTX *ctx);

int __wrap_EVP_PKEY_pairwise_check(EVP_PKEY_CTX *ctx)
{
    return unit_fault_now("EVP_PKEY_pairwise_check") ? unit_fault.result
         : unit_fault.pairs_are_good                 ? 1
                                     : __real_EVP_PKEY_pairwise_check(ctx);
}

UNIT_FAULTY(int, EVP_PKEY_get_size, (const EVP_PKEY *key), (key), unit_fault.result)
UNIT_FAULTY(int, EVP_PKEY_get_bn_param,
            (const EVP_PKEY *key, const char *name, BIGNUM **number),
            (key, name, number), 0)
UNIT_FAULTY(int, EVP_PKEY_get_utf8_string_param,
            (const EVP_PKEY *key, const char *name, char *out, size_t size,
             size_t *len),
            (key, name, out, size, len), 0)
UNIT_FAULTY(int, EVP_PKEY_get_raw_private_key,
            (const EVP_PKEY *key, unsigned char *out, size_t *len), (key, out, len), 0)
UNIT_FAULTY(int, EVP_PKEY_get_raw_public_key,
            (const EVP_PKEY *key, unsigned char *out, size_t *len), (key, out, len), 0)
UNIT_FAULTY(EVP_PKEY *, EVP_PKEY_new_raw_private_key_ex,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties,
             const unsigned char *in, size_t n),
            (lib, name, properties, in, n), NULL)
UNIT_FAULTY(EVP_PKEY *, EVP_PKEY_new_raw_public_key_ex,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties,
             const unsigned char *in, size_t n),
            (lib, name, properties, in, n), NULL)
UNIT_FAULTY(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_new, (void), (), NULL)
UNIT_FAULTY(OSSL_PARAM *, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD *build), (build),
            NULL)
UNIT_FAULTY(int, OSSL_PARAM_BLD_push_uint,
            (OSSL_PARAM_BLD *build, const char *name, unsigned n), (build, name, n), 0)
UNIT_FAULTY(int, OSSL_PARAM_BLD_push_BN,
            (OSSL_PARAM_BLD *build, const char *name, const BIGNUM *number),
            (build, name, number), 0)
UNIT_FAULTY(int, OSSL_PARAM_BLD_push_utf8_string,
            (OSSL_PARAM_BLD *build, const char *name, const char *text, size_t size),
            (build, name, text, size), 0)
UNIT_FAULTY(int, OSSL_PARAM_BLD_push_octet_string,
            (OSSL_PARAM_BLD *build, const char *name, const void *bytes, size_t n),
            (build, name, bytes, n), 0)
UNIT_FAULTY(BIGNUM *, BN_new, (void), (), NULL)
UNIT_FAULTY(BIGNUM *, BN_secure_new, (void), (), NULL)
UNIT_FAULTY(BIGNUM *, BN_bin2bn, (const unsigned char *in, int n, BIGNUM *out),
            (in, n, out), NULL)
UNIT_FAULTY(int, BN_bn2binpad, (const BIGNUM *number, unsigned char *out, int n),
            (number, out, n), -1)
UNIT_FAULTY(int, BN_set_bit, (BIGNUM *number, int n), (number, n), 0)
UNIT_FAULTY(BIO *, BIO_new_mem_buf, (const void *bytes, int n), (bytes, n), NULL)
UNIT_FAULTY(BIO *, BIO_new_file, (const char *path, const char *mode), (path, mode),
            NULL)
UNIT_FAULTY(EVP_PKEY *, PEM_read_bio_PrivateKey,
            (BIO *in, EVP_PKEY **key, pem_password_cb *ask, void *baton),
            (in, key, ask, baton), NULL)
UNIT_FAULTY(X509 *, PEM_read_bio_X509,
            (BIO *in, X509 **cert, pem_password_cb *ask, void *baton),
            (in, cert, ask, baton), NULL)
UNIT_FAULTY(EVP_PKEY *, X509_get_pubkey, (X509 *cert), (cert), NULL)

/* ---- encryption --------------------------------------------------------- */

UNIT_FAULTY(EVP_KDF *, EVP_KDF_fetch,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties),
            (lib, name, properties), NULL)
UNIT_FAULTY(EVP_KDF_CTX *, EVP_KDF_CTX_new, (EVP_KDF *kdf), (kdf), NULL)
UNIT_FAULTY(int, EVP_KDF_derive,
            (EVP_KDF_CTX *ctx, unsigned char *out, size_t n,
             const OSSL_PARAM params[]),
            (ctx, out, n, params), unit_fault.result)
UNIT_FAULTY(EVP_CIPHER *, EVP_CIPHER_fetch,
            (OSSL_LIB_CTX *lib, const char *name, const char *properties),
            (lib, name, properties), NULL)
UNIT_FAULTY(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)
UNIT_FAULTY(int, EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX *ctx, int what, int n, void *to),
            (ctx, what, n, to), 0)
UNIT_FAULTY(int, EVP_EncryptInit_ex,
            (EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, ENGINE *engine,
             const unsigned char *key, const unsigned char *iv),
            (ctx, cipher, engine, key, iv), 0)
UNIT_FAULTY(int, EVP_EncryptUpdate,
            (EVP_CIPHER_CTX *ctx, unsigned char *out, int *len,
             const unsigned char *in, int n),
            (ctx, out, len, in, n), 0)
UNIT_FAULTY(int, EVP_EncryptFinal_ex,
            (EVP_CIPHER_CTX *ctx, unsigned char *out, int *len), (ctx, out, len), 0)
UNIT_FAULTY(int, EVP_DecryptInit_ex,
            (EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, ENGINE *engine,
             const unsigned char *key, const unsigned char *iv),
            (ctx, cipher, engine, key, iv), 0)
UNIT_FAULTY(int, EVP_DecryptUpdate,
            (EVP_CIPHER_CTX *ctx, unsigned char *out, int *len,
             const unsigned char *in, int n),
            (ctx, out, len, in, n), 0)
UNIT_FAULTY(int, EVP_DecryptFinal_ex,
            (EVP_CIPHER_CTX *ctx, unsigned char *out, int *len), (ctx, out, len),
            unit_fault.result)

/* clang-format on */
