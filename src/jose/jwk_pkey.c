/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The numbers of one key: JWK to EVP_PKEY and back, with limits that OpenSSL does not
 * set itself (it accepts RSA with 512 bits and e = 1). Thread-safe.
 */
#include "jose/jwk_inside.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"

typedef struct curve_t {
    const char *crv;
    const char *ossl;     /* OpenSSL's name of the group or key type */
    bearer_kty_t kty;
    apr_size_t octets;    /* of x (and y) */
    int bits;
} curve_t;

static const curve_t curves[] = {
    { "P-256", "prime256v1", BEARER_KTY_EC, 32, 256 },
    { "P-384", "secp384r1", BEARER_KTY_EC, 48, 384 },
    { "P-521", "secp521r1", BEARER_KTY_EC, 66, 521 },
    { "secp256k1", "secp256k1", BEARER_KTY_EC, 32, 256 },
    { "Ed25519", "ED25519", BEARER_KTY_OKP, 32, 256 },
    { "Ed448", "ED448", BEARER_KTY_OKP, 57, 456 },
};

typedef struct rsa_member_t {
    const char *jwk;
    const char *ossl;
} rsa_member_t;

/* RFC 7518 section 6.3: two public members, then the private ones. */
static const rsa_member_t rsa_members[] = {
    { "n", OSSL_PKEY_PARAM_RSA_N },
    { "e", OSSL_PKEY_PARAM_RSA_E },
    { "d", OSSL_PKEY_PARAM_RSA_D },
    { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
    { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },
    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
    { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 },
    { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

#define RSA_PUBLIC_MEMBERS 2
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const curve_t *curve_by_crv(const char *crv, bearer_kty_t kty)
{
    apr_size_t i;

    for (i = 0; crv && i < COUNT(curves); i++) {
        if (curves[i].kty == kty && strcmp(curves[i].crv, crv) == 0) {
            return &curves[i];
        }
    }
    return NULL;
}

/* ---- members ----------------------------------------------------------- */

/* Decodes a base64url member. Returns NULL, or an error message. */
static const char *octets(unsigned char **bytes, apr_size_t *len,
                          const json_t *jwk, const char *name, apr_pool_t *p)
{
    const char *text = bearer_json_string(jwk, name);

    *bytes = NULL;
    *len = 0;
    if (!text) {
        return apr_psprintf(p, "member '%s' is missing", name);
    }
    if (bearer_b64url_decode_p(bytes, len, text, strlen(text), p)
        != APR_SUCCESS) {
        return apr_psprintf(p, "member '%s' is not base64url", name);
    }
    return NULL;
}

/* Reads a number. OpenSSL wipes all copies of a secret one. */
static const char *number(BIGNUM **bn, const json_t *jwk, const char *name,
                          int secret, apr_pool_t *p)
{
    unsigned char *bytes;
    apr_size_t len;
    const char *problem = octets(&bytes, &len, jwk, name, p);

    *bn = NULL;
    if (problem) {
        return problem;
    }
    /* twice the limit leaves enough room for leading zeros */
    if (len > 2 * BEARER_RSA_MAX_BITS / 8) {
        return apr_psprintf(p, "member '%s' is too long", name);
    }
    *bn = secret ? BN_secure_new() : BN_new();
    if (*bn && !BN_bin2bn(bytes, (int)len, *bn)) {
        BN_free(*bn);
        *bn = NULL;
    }
    OPENSSL_cleanse(bytes, len);
    return *bn ? NULL : "OpenSSL has no memory";
}

/* ---- EVP_PKEY from numbers --------------------------------------------- */

EVP_PKEY *bearer_pkey_from_params(const char *type, int selection,
                                  OSSL_PARAM_BLD *build)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY *pkey = NULL;

    if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) <= 0
        || EVP_PKEY_fromdata(ctx, &pkey, selection, params) <= 0) {
        pkey = NULL;
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* Checks n and e against the limits; OpenSSL would accept any. */
static const char *rsa_limits(const BIGNUM *n, const BIGNUM *e, apr_pool_t *p)
{
    int bits = BN_num_bits(n);

    if (bits < BEARER_RSA_MIN_BITS) {
        return apr_psprintf(p, "RSA %d bits is below %d", bits,
                            BEARER_RSA_MIN_BITS);
    }
    if (bits > BEARER_RSA_MAX_BITS) {
        return apr_psprintf(p, "RSA %d bits is above %d", bits,
                            BEARER_RSA_MAX_BITS);
    }
    if (!BN_is_odd(n)) {
        return "the RSA modulus is even";
    }
    if (!BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > 32) {
        return "the RSA exponent is not an odd number from 3 to 2^32";
    }
    return NULL;
}

/* Builds an RSA key from the first `count` members that are present. */
static const char *rsa_build(EVP_PKEY **pkey, const json_t *jwk,
                             apr_size_t count, apr_pool_t *p)
{
    BIGNUM *bn[COUNT(rsa_members)] = { NULL };
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    int selection = count > RSA_PUBLIC_MEMBERS ? EVP_PKEY_KEYPAIR
                                               : EVP_PKEY_PUBLIC_KEY;
    const char *problem = build ? NULL : "OpenSSL has no memory";
    apr_size_t i;

    for (i = 0; !problem && i < count; i++) {
        problem = number(&bn[i], jwk, rsa_members[i].jwk,
                         i >= RSA_PUBLIC_MEMBERS, p);
        if (!problem
            && !OSSL_PARAM_BLD_push_BN(build, rsa_members[i].ossl, bn[i])) {
            problem = "OpenSSL has no memory";
        }
    }
    if (!problem) {
        problem = rsa_limits(bn[0], bn[1], p);
    }
    if (!problem) {
        *pkey = bearer_pkey_from_params("RSA", selection, build);
        problem = *pkey ? NULL : "OpenSSL does not accept the RSA key";
    }
    for (i = 0; i < COUNT(rsa_members); i++) {
        BN_clear_free(bn[i]);
    }
    OSSL_PARAM_BLD_free(build);
    return problem;
}

static const char *coordinate(unsigned char *out, const json_t *jwk,
                              const char *name, apr_size_t size, apr_pool_t *p)
{
    unsigned char *bytes;
    apr_size_t len;
    const char *problem = octets(&bytes, &len, jwk, name, p);

    if (problem) {
        return problem;
    }
    if (!bytes || len != size) {
        return apr_psprintf(p, "member '%s' has %lu octets, not %lu", name,
                            (unsigned long)len, (unsigned long)size);
    }
    memcpy(out, bytes, len);
    OPENSSL_cleanse(bytes, len);
    return NULL;
}

/* Builds an EC key. d: its private number, or NULL. */
static const char *ec_build(EVP_PKEY **pkey, const curve_t *curve,
                            const json_t *jwk, BIGNUM *d, apr_pool_t *p)
{
    unsigned char point[1 + 2 * EC_MAX] = { 0x04 }; /* SEC 1: uncompressed */
    OSSL_PARAM_BLD *build;
    const char *problem;

    problem = coordinate(point + 1, jwk, "x", curve->octets, p);
    if (!problem) {
        problem = coordinate(point + 1 + curve->octets, jwk, "y",
                             curve->octets, p);
    }
    if (problem) {
        return problem;
    }
    build = OSSL_PARAM_BLD_new();
    if (build
        && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
                                           curve->ossl, 0)
        && OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, 1 + 2 * curve->octets)
        && (!d
            || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d))) {
        *pkey = bearer_pkey_from_params("EC", d ? EVP_PKEY_KEYPAIR
                                         : EVP_PKEY_PUBLIC_KEY, build);
    }
    OSSL_PARAM_BLD_free(build);
    return *pkey ? NULL : "the point is not on the curve";
}

/* fromdata() already refuses points off the curve; this is a second check. */
static int ec_public_check(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    int good = ctx && EVP_PKEY_public_check(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* ---- the key types ----------------------------------------------------- */

static const char *read_rsa(bearer_jwk_t *key, const json_t *jwk, apr_pool_t *p)
{
    const char *problem = rsa_build(&key->pkey, jwk, RSA_PUBLIC_MEMBERS, p);

    if (!problem) {
        key->bits = EVP_PKEY_get_bits(key->pkey);
    }
    return problem;
}

/* Reads the curve of an EC or OKP key into key. */
static const char *read_curve(bearer_jwk_t *key, const curve_t **curve,
                              const json_t *jwk, apr_pool_t *p)
{
    const char *crv = bearer_json_string(jwk, "crv");

    if (!crv) {
        return "member 'crv' is missing";
    }
    *curve = curve_by_crv(crv, key->kty);
    if (!*curve) {
        return apr_psprintf(p, "curve %s is not supported for signatures",
                            bearer_text_quote(p, crv));
    }
    key->curve = (*curve)->crv;
    key->bits = (*curve)->bits;
    return NULL;
}

static const char *read_ec(bearer_jwk_t *key, const json_t *jwk, apr_pool_t *p)
{
    const curve_t *curve;
    const char *problem = read_curve(key, &curve, jwk, p);

    if (!problem) {
        problem = ec_build(&key->pkey, curve, jwk, NULL, p);
    }
    if (!problem && !ec_public_check(key->pkey)) {
        problem = "the point is not on the curve";
    }
    return problem;
}

static const char *read_okp(bearer_jwk_t *key, const json_t *jwk, apr_pool_t *p)
{
    unsigned char x[EC_MAX];
    const curve_t *curve;
    const char *problem = read_curve(key, &curve, jwk, p);

    if (!problem) {
        problem = coordinate(x, jwk, "x", curve->octets, p);
    }
    if (!problem) {
        key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, curve->ossl, NULL, x,
                                                   curve->octets);
        problem = key->pkey ? NULL : "OpenSSL does not accept the key";
    }
    return problem;
}

static const char *read_oct(bearer_jwk_t *key, const json_t *jwk, apr_pool_t *p)
{
    unsigned char *bytes;
    const char *problem = octets(&bytes, &key->oct_len, jwk, "k", p);

    key->oct = bytes;
    key->bits = (int)(8 * key->oct_len);
    return problem;
}

#define READ_RSA read_rsa
#define READ_EC read_ec
#define READ_OKP read_okp
#define READ_OCT read_oct

const char *bearer_jwk_read_numbers(bearer_jwk_t *key, const json_t *jwk,
                                    apr_pool_t *p)
{
    static const char *(*const read[])(bearer_jwk_t *, const json_t *,
                                       apr_pool_t *) = {
        NULL,
#define X(symbol, name) READ_##symbol,
        BEARER_KTYS(X)
#undef X
    };

    return read[key->kty](key, jwk, p);
}

/* ---- EVP_PKEY to JWK --------------------------------------------------- */

static int put_string(json_t *jwk, const char *name, const char *value)
{
    return json_object_set_new(jwk, name, json_string(value)) == 0;
}

static int put_octets(json_t *jwk, const char *name, unsigned char *bytes,
                      apr_size_t len, apr_pool_t *p)
{
    char *text = bearer_b64url_encode(p, bytes, len);
    int good = put_string(jwk, name, text);

    OPENSSL_cleanse(text, strlen(text));
    OPENSSL_cleanse(bytes, len);
    return good;
}

/* size: octets; 0: the number's own length. */
static int put_number(json_t *jwk, const char *name, EVP_PKEY *pkey,
                      const char *param, apr_size_t size, apr_pool_t *p)
{
    BIGNUM *bn = NULL;
    unsigned char *bytes;
    int good = 0;

    if (EVP_PKEY_get_bn_param(pkey, param, &bn)) {
        if (!size) {
            size = (apr_size_t)BN_num_bytes(bn);
        }
        bytes = apr_palloc(p, size);
        good = BN_bn2binpad(bn, bytes, (int)size) == (int)size
               && put_octets(jwk, name, bytes, size, p);
    }
    BN_clear_free(bn);
    return good;
}

static int put_rsa(json_t *jwk, EVP_PKEY *pkey, int with_private, apr_pool_t *p)
{
    apr_size_t count = with_private ? COUNT(rsa_members) : RSA_PUBLIC_MEMBERS;
    apr_size_t i;
    int good = 1;

    for (i = 0; good && i < count; i++) {
        good = put_number(jwk, rsa_members[i].jwk, pkey, rsa_members[i].ossl,
                          0, p);
    }
    return good;
}

static int put_ec(json_t *jwk, EVP_PKEY *pkey, const curve_t *curve,
                  int with_private, apr_pool_t *p)
{
    return put_number(jwk, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, curve->octets,
                      p)
           && put_number(jwk, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y,
                         curve->octets, p)
           && (!with_private
               || put_number(jwk, "d", pkey, OSSL_PKEY_PARAM_PRIV_KEY,
                             curve->octets, p));
}

static int put_okp(json_t *jwk, EVP_PKEY *pkey, const curve_t *curve,
                   int with_private, apr_pool_t *p)
{
    unsigned char bytes[EC_MAX];
    size_t len = sizeof(bytes);

    if (EVP_PKEY_get_raw_public_key(pkey, bytes, &len) != 1
        || len != curve->octets || !put_octets(jwk, "x", bytes, len, p)) {
        return 0;
    }
    len = sizeof(bytes);
    return !with_private
           || (EVP_PKEY_get_raw_private_key(pkey, bytes, &len) == 1
               && put_octets(jwk, "d", bytes, len, p));
}

static const curve_t *curve_of_pkey(EVP_PKEY *pkey)
{
    char group[64] = "";
    int is_ec = EVP_PKEY_is_a(pkey, "EC");
    apr_size_t i;

    if (is_ec
        && !EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME,
                                           group, sizeof(group), NULL)) {
        return NULL;
    }
    for (i = 0; i < COUNT(curves); i++) {
        const curve_t *curve = &curves[i];

        if (is_ec ? curve->kty == BEARER_KTY_EC
                        && (strcmp(group, curve->ossl) == 0
                            || strcmp(group, curve->crv) == 0)
                  : curve->kty == BEARER_KTY_OKP
                        && EVP_PKEY_is_a(pkey, curve->ossl)) {
            return curve;
        }
    }
    return NULL;
}

static int put_key(json_t *jwk, EVP_PKEY *pkey, int with_private, apr_pool_t *p)
{
    const curve_t *curve;

    if (EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS")) {
        return put_string(jwk, "kty", "RSA") && put_rsa(jwk, pkey, with_private, p);
    }
    curve = curve_of_pkey(pkey);
    return curve && put_string(jwk, "crv", curve->crv)
           && put_string(jwk, "kty", bearer_kty_name(curve->kty))
           && (curve->kty == BEARER_KTY_EC ? put_ec(jwk, pkey, curve, with_private, p)
                                           : put_okp(jwk, pkey, curve, with_private, p));
}

apr_status_t bearer_jwk_from_pkey(json_t **jwk, EVP_PKEY *pkey,
                                  int with_private, apr_pool_t *p)
{
    json_t *object = json_object();
    const char *thumbprint = NULL;

    *jwk = NULL;
    bearer_json_tie(object, p);
    ERR_set_mark();
    if (object && put_key(object, pkey, with_private, p)) {
        thumbprint = bearer_jwk_thumbprint(object, p);
    }
    ERR_pop_to_mark();
    if (!thumbprint || !put_string(object, "kid", thumbprint)) {
        return APR_EINVAL;
    }
    *jwk = object;
    return APR_SUCCESS;
}

/* ---- private JWK to EVP_PKEY ------------------------------------------- */

static apr_status_t release_pkey(void *pkey)
{
    EVP_PKEY_free(pkey);
    return APR_SUCCESS;
}

/* RFC 7518 section 6.3.2: either d alone, or all other members too. */
static apr_size_t rsa_private_count(const json_t *jwk)
{
    return json_object_get(jwk, "p") ? COUNT(rsa_members)
                                     : RSA_PUBLIC_MEMBERS + 1;
}

static const char *build_private(EVP_PKEY **pkey, const bearer_jwk_t *half,
                                 const json_t *jwk, apr_pool_t *p)
{
    const curve_t *curve = curve_by_crv(half->curve, half->kty);
    const char *problem;
    unsigned char d[EC_MAX];
    BIGNUM *bn;

    if (half->kty == BEARER_KTY_RSA) {
        return rsa_build(pkey, jwk, rsa_private_count(jwk), p);
    }
    if (!curve) {
        return "an oct key has no private part";
    }
    problem = coordinate(d, jwk, "d", curve->octets, p);
    if (problem) {
        return problem;
    }
    if (half->kty == BEARER_KTY_EC) {
        bn = BN_secure_new();
        problem = bn && BN_bin2bn(d, (int)curve->octets, bn)
                  ? ec_build(pkey, curve, jwk, bn, p) : "OpenSSL does not accept the key";
        BN_clear_free(bn);
    } else {
        *pkey = EVP_PKEY_new_raw_private_key_ex(NULL, curve->ossl, NULL, d,
                                                curve->octets);
        problem = *pkey ? NULL : "OpenSSL does not accept the key";
    }
    OPENSSL_cleanse(d, sizeof(d));
    return problem;
}

/* Checks that the private and public parts match. Otherwise the public part could
 * not verify this key's signatures, and the error would appear elsewhere. */
static const char *check_pair(EVP_PKEY *pkey, const json_t *jwk, apr_pool_t *p)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    const char *x = bearer_json_string(jwk, "x");
    int good = ctx != NULL;
    json_t *back;

    /* OpenSSL checks an RSA pair only by its factors */
    if (good && (x || json_object_get(jwk, "p"))) {
        good = EVP_PKEY_pairwise_check(ctx) == 1;
    }
    EVP_PKEY_CTX_free(ctx);
    if (good && x) {
        good = bearer_jwk_from_pkey(&back, pkey, 0, p) == APR_SUCCESS
               && strcmp(bearer_json_string(back, "x"), x) == 0;
    }
    return good ? NULL : "the private part does not fit the public part";
}

apr_status_t bearer_jwk_private(EVP_PKEY **pkey, const json_t *jwk,
                                const char **error, apr_pool_t *p)
{
    bearer_jwk_t half;
    EVP_PKEY *made = NULL;
    const char *problem;

    *pkey = NULL;
    ERR_set_mark();
    problem = bearer_jwk_read(&half, jwk, BEARER_JWKS_LOCAL, p);
    if (!problem && !json_object_get(jwk, "d")) {
        problem = "it has no private part";
    }
    if (!problem) {
        problem = build_private(&made, &half, jwk, p);
    }
    if (!problem) {
        problem = check_pair(made, jwk, p);
    }
    bearer_jwk_clear(&half);
    ERR_pop_to_mark();
    *error = problem;
    if (problem) {
        EVP_PKEY_free(made);
        return APR_EINVAL;
    }
    apr_pool_cleanup_register(p, made, release_pkey, apr_pool_cleanup_null);
    *pkey = made;
    return APR_SUCCESS;
}
