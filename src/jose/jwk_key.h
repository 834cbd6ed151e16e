/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file jwk_key.h
 * What jwk.c (one key) gives to jwks.c (a set of them), and to nobody else.
 */
#ifndef BEARER_JWK_KEY_H
#define BEARER_JWK_KEY_H

#include "jose/jwk.h"

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

#endif
