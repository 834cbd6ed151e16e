/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer keygen: writes a key pair as two JWK Sets, one to sign with and one for
 * AuthBearerKeys file:.
 */
#include "ht.h"

#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/b64url.h"
#include "base/json.h"
#include "jose/jwk.h"

/** Maximum size in octets of an oct key. */
#define OCT_MAX 512

/* EdDSA does not fix the curve (RFC 8037). Ed25519 has the widest support. */
static EVP_PKEY *make_pkey(const bearer_alg_t *alg, int bits)
{
    return alg->kty == BEARER_KTY_RSA
               ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits)
         : alg->kty == BEARER_KTY_EC ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", alg->curve)
         : EVP_PKEY_Q_keygen(NULL, NULL, alg->curve ? alg->curve : "Ed25519");
}

static int read_bits(const ht_call_t *call, const bearer_alg_t *alg, int *bits)
{
    int max = alg->kty == BEARER_KTY_RSA ? BEARER_RSA_MAX_BITS
            : alg->kty == BEARER_KTY_OCT ? 8 * OCT_MAX
            : 0;  /* the algorithm determines the size */
    int min = alg->min_key ? (int)alg->min_key * 8 : BEARER_RSA_MIN_BITS;
    apr_int64_t number = min;

    if (ht_has(call, "bits") && !max) {
        return ht_usage(call, "--bits is for RSA and HMAC: %s fixes the size of "
                              "its keys", alg->name);
    }
    if (ht_number(call, "bits", min, max, &number) != HT_OK) {
        return HT_USAGE;
    }
    if (number % 8) {
        return ht_usage(call, "--bits must be a multiple of 8");
    }
    *bits = (int)number;
    return HT_OK;
}

/* Returns {"keys": [jwk]}, for alg. jwk and its strings are wiped when the pool is
 * destroyed. */
static json_t *make_set(const ht_call_t *call, json_t *jwk, const bearer_alg_t *alg)
{
    json_t *set = json_pack("{s:[O]}", "keys", jwk);

    json_object_set_new(jwk, "use", json_string("sig"));
    json_object_set_new(jwk, "alg", json_string(alg->name));
    ht_wipe_json(call, set);
    json_decref(set);  /* the pool holds it */
    return set;
}

static int pkey_pair(const ht_call_t *call, const bearer_alg_t *alg, int bits,
                     json_t **private_jwk, json_t **public_jwk)
{
    EVP_PKEY *pkey = make_pkey(alg, bits);
    int made = pkey
        && bearer_jwk_from_pkey(private_jwk, pkey, 1, call->p) == APR_SUCCESS
        && bearer_jwk_from_pkey(public_jwk, pkey, 0, call->p) == APR_SUCCESS;

    EVP_PKEY_free(pkey);
    return made ? HT_OK : ht_fail(call, HT_USAGE, "OpenSSL did not make the key");
}

static int oct_key(const ht_call_t *call, int bits, json_t **jwk)
{
    unsigned char bytes[OCT_MAX];
    int len = bits / 8;
    char *k;

    if (RAND_priv_bytes(bytes, len) != 1) {
        return ht_fail(call, HT_USAGE, "OpenSSL returned no random bytes");
    }
    k = bearer_b64url_encode(call->p, bytes, (apr_size_t)len);
    *jwk = json_pack("{s:s, s:s}", "kty", "oct", "k", k);
    bearer_json_tie(*jwk, call->p);
    json_object_set_new(*jwk, "kid",
                        json_string(bearer_jwk_thumbprint(*jwk, call->p)));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(k, strlen(k));
    return HT_OK;
}

static int check_files(const ht_call_t *call, const bearer_alg_t *alg)
{
    const char *public_path = ht_value(call, "public");

    if (alg->kty == BEARER_KTY_OCT && public_path) {
        return ht_usage(call, "%s signs and verifies with one secret; use --private "
                        "only", alg->name);
    }
    if (alg->kty != BEARER_KTY_OCT && !public_path) {
        return ht_usage(call, "--public FILE is missing");
    }
    if (public_path && !strcmp(ht_value(call, "private"), public_path)) {
        return ht_usage(call, "--private and --public name the same file");
    }
    return HT_OK;
}

static int write_pair(const ht_call_t *call, const bearer_alg_t *alg,
                      json_t *private_jwk, json_t *public_jwk)
{
    const char *private_path = ht_value(call, "private");
    int force = ht_has(call, "force");
    int status = ht_create_json(call, private_path, 0600, force,
                                make_set(call, private_jwk, alg));

    if (status != HT_OK || !public_jwk) {
        return status;
    }
    status = ht_create_json(call, ht_value(call, "public"), 0644, force,
                            make_set(call, public_jwk, alg));
    if (status != HT_OK && !force) {
        unlink(private_path);  /* a private key without its public key is useless */
    }
    return status;
}

static int run(const ht_call_t *call)
{
    const char *name = ht_value(call, "alg");
    json_t *private_jwk = NULL, *public_jwk = NULL;
    const bearer_alg_t *alg = NULL;
    int bits = 0, status;

    if (ht_alg(call, name ? name : "RS256", &alg) != HT_OK
        || read_bits(call, alg, &bits) != HT_OK
        || check_files(call, alg) != HT_OK) {
        return HT_USAGE;
    }
    status = alg->kty == BEARER_KTY_OCT
                 ? oct_key(call, bits, &private_jwk)
                 : pkey_pair(call, alg, bits, &private_jwk, &public_jwk);
    return status == HT_OK ? write_pair(call, alg, private_jwk, public_jwk) : status;
}

static const ht_option_t options[] = {
    { "alg", "ALG", 0, "RS256 (default), PS256, ES256, Ed25519, "
      "HS256 or another" },
    { "bits", "N", 0, "size of an RSA key (2048 to 8192, default 2048) or HMAC "
      "secret" },
    { "private", "FILE", HT_REQUIRED, "JWK Set to sign with, mode 0600" },
    { "public", "FILE", 0, "JWK Set to verify with, for AuthBearerKeys file: (not for "
      "HS*)" },
    { "force", NULL, 0, "replace existing files" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_keygen = {
    "keygen", NULL, 0, "Make a key pair as two JWK Sets.",
    "The key's kid is its RFC 7638 thumbprint.", options, run
};
