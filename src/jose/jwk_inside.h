/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file jwk_inside.h
 * What the files of this folder share of keys: one key (jwk.c), its numbers
 * (jwk_pkey.c), a set of keys (jwks.c), the one among them for a token
 * (jwks_select.c).
 */
#pragma once

#include <stdatomic.h>

#include <openssl/param_build.h>

#include "base/text.h"
#include "jose/jwk.h"

/** Octets of the largest field element, P-521's. */
#define EC_MAX 66

struct bearer_jwks_t {
    apr_pool_t *pool;
    atomic_uint references;
    bearer_jwk_t *keys;          /**< usable ones first, then the others: these */
    int usable;                  /**< only serve to explain a refusal */
    int total;
    const bearer_jwk_t **by_kid; /**< those with a kid, sorted by it */
    int named;
    unsigned char digest[BEARER_SHA256_SIZE];
};

/**
 * Reads one element of `keys`. Strings go into p; key->pkey and the verifiers
 * are the key's own until bearer_jwk_clear(), which may always be called.
 * @return NULL, and the key is usable if it has algs; or why it must be
 *         skipped, and then it has no algs, but its kid where that was a string
 */
const char *bearer_jwk_read(bearer_jwk_t *key, const json_t *jwk,
                            bearer_jwks_origin_t origin, apr_pool_t *p);

/** Frees what OpenSSL holds for a key. */
void bearer_jwk_clear(bearer_jwk_t *key);

/** Name of a member that only a private key has, or NULL. */
const char *bearer_jwk_private_member(const json_t *jwk);

/** "RSA 2048", "EC P-256", "OKP Ed25519", "oct 256" for the log, in p. */
const char *bearer_jwk_describe(const bearer_jwk_t *key, apr_pool_t *p);

/** The public key of its type into key: pkey or oct, curve, bits. NULL, or what is
 *  wrong with it. */
const char *bearer_jwk_read_numbers(bearer_jwk_t *key, const json_t *jwk,
                                    apr_pool_t *p);

/** A key of OpenSSL's type; NULL: it refuses it. */
EVP_PKEY *bearer_pkey_from_params(const char *type, int selection,
                                  OSSL_PARAM_BLD *build);
