/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file jwk_inside.h
 * Shared by the files of this folder that handle keys: one key (jwk.c), its numbers
 * (jwk_pkey.c), a key set (jwks.c), and selecting the key for a token
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
    bearer_jwk_t *keys;          /**< usable keys first; the others only serve to explain
                                      a refusal */
    int usable;
    int total;
    const bearer_jwk_t **by_kid; /**< those with a kid, sorted by kid */
    int named;
    int usable_named;            /**< usable keys with a kid */
    bearer_jwks_t **parts;       /**< a pool: the sets that own the keys; else NULL */
    int part_count;
    unsigned char digest[BEARER_SHA256_SIZE];
};

/**
 * Reads one element of `keys`. Strings go into p. The key owns key->pkey and the
 * verifiers until bearer_jwk_clear(), which may be called in any case.
 * @return NULL if the key was read; it is usable if it has algs. Else why it must be
 *         skipped; it then has no algs, but a kid if that was a string
 */
const char *bearer_jwk_read(bearer_jwk_t *key, const json_t *jwk,
                            bearer_jwks_origin_t origin, apr_pool_t *p);

/** Frees the OpenSSL objects of a key. */
void bearer_jwk_clear(bearer_jwk_t *key);

/** Returns "RSA 2048", "EC P-256", "OKP Ed25519" or "oct 256" for the log, in p. */
const char *bearer_jwk_describe(const bearer_jwk_t *key, apr_pool_t *p);

/** Reads the public key by its type into key: pkey or oct, curve, bits. Returns
 *  NULL, or an error message. */
const char *bearer_jwk_read_numbers(bearer_jwk_t *key, const json_t *jwk,
                                    apr_pool_t *p);

/** Creates a key of OpenSSL's type; NULL if OpenSSL refuses it. */
EVP_PKEY *bearer_pkey_from_params(const char *type, int selection,
                                  OSSL_PARAM_BLD *build);
