/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * One key of a set: the members of a JWK, and what the key may be used for.
 * jwk_pkey.c handles its numbers. No shared state; thread-safe.
 */
#include "jose/jwk_inside.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"

/* Reads an optional string member. Returns NULL with *value set, or an error message. */
static const char *optional_string(const char **value, const json_t *jwk,
                                   const char *name, apr_pool_t *p)
{
    const json_t *member = json_object_get(jwk, name);

    *value = json_string_value(member);
    if (member && !*value) {
        return apr_psprintf(p, "member '%s' is not a string", name);
    }
    return NULL;
}

/* ---- what a key may be used for (RFC 7517 sections 4.2 to 4.4) --------- */

static const char *read_use(bearer_jwk_t *key, const json_t *jwk,
                            bearer_jwks_origin_t origin, apr_pool_t *p)
{
    const char *wanted = origin == BEARER_JWKS_SPIFFE ? "jwt-svid" : "sig";
    const char *use;
    const char *problem = optional_string(&use, jwk, "use", p);

    if (problem || (!use && origin != BEARER_JWKS_SPIFFE)) {
        return problem;
    }
    if (!use || strcmp(use, wanted) != 0) {
        key->algs = 0;
        key->unfit = apr_pstrcat(p, "its use is ", bearer_text_quote(p, use),
                                 NULL);
    }
    return NULL;
}

static const char *read_key_ops(bearer_jwk_t *key, const json_t *jwk)
{
    const json_t *ops = json_object_get(jwk, "key_ops");
    apr_size_t i;

    if (!ops) {
        return NULL;
    }
    if (!json_is_array(ops)) {
        return "member 'key_ops' is not an array";
    }
    for (i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));

        if (op && strcmp(op, "verify") == 0) {
            return NULL;
        }
    }
    key->algs = 0;
    key->unfit = "its key_ops lack 'verify'";
    return NULL;
}

static const char *read_alg(bearer_jwk_t *key, const json_t *jwk, apr_pool_t *p)
{
    const bearer_alg_t *row;
    const char *alg;
    const char *problem = optional_string(&alg, jwk, "alg", p);

    if (problem || !alg) {
        return problem;
    }
    row = bearer_alg_find(alg);
    key->algs &= row ? row->bit : 0;
    if (!key->unfit) {
        key->unfit = apr_pstrcat(p, "its alg is ", bearer_text_quote(p, alg),
                                 NULL);
    }
    return NULL;
}

/* RFC 7518 section 3.2: an HMAC key must be at least as long as the hash. */
static const char *limit_oct(bearer_jwk_t *key, apr_pool_t *p)
{
    const bearer_alg_t *row;
    bearer_algs_t left = key->algs;
    apr_size_t least = 0;

    while ((row = bearer_alg_next(&left)) != NULL) {
        if (key->oct_len < row->min_key) {
            key->algs &= ~row->bit;
            least = !least || row->min_key < least ? row->min_key : least;
        }
    }
    if (least && !key->algs) {
        return apr_psprintf(p, "oct key of %lu octets is below %lu",
                            (unsigned long)key->oct_len, (unsigned long)least);
    }
    if (least && !key->unfit) {
        key->unfit = apr_psprintf(p, "it has only %lu octets",
                                  (unsigned long)key->oct_len);
    }
    return NULL;
}

static const char *read_fitness(bearer_jwk_t *key, const json_t *jwk,
                                bearer_jwks_origin_t origin, apr_pool_t *p)
{
    const char *problem;

    key->algs = bearer_alg_for_key(key->kty, key->curve);
    problem = read_use(key, jwk, origin, p);
    if (!problem) {
        problem = read_key_ops(key, jwk);
    }
    if (!problem) {
        problem = read_alg(key, jwk, p);
    }
    if (!problem && key->kty == BEARER_KTY_OCT) {
        problem = limit_oct(key, p);
    }
    return problem;
}

/* ---- verifiers --------------------------------------------------------- */

static int algs_below(bearer_algs_t algs, bearer_algs_t bit)
{
    bearer_algs_t below = algs & (bit - 1);
    int n = 0;

    for (; below; below &= below - 1) {
        n++;
    }
    return n;
}

bearer_verifier_t *bearer_jwk_verifier(const bearer_jwk_t *key,
                                       const bearer_alg_t *alg)
{
    return alg && (key->algs & alg->bit) && key->verifiers
               ? key->verifiers[algs_below(key->algs, alg->bit)]
               : NULL;
}

static void make_verifiers(bearer_jwk_t *key, apr_pool_t *p)
{
    const bearer_alg_t *row;
    bearer_algs_t left = key->algs;
    int n = 0;

    key->verifiers = apr_pcalloc(p, sizeof(*key->verifiers)
                                        * (apr_size_t)(algs_below(left, 0) + 1));
    while ((row = bearer_alg_next(&left)) != NULL) {
        key->verifiers[n] = bearer_verifier_create(row, key->pkey, key->oct, key->oct_len);
        if (key->verifiers[n]) {
            n++;
        } else {
            key->algs &= ~row->bit;
            key->unfit = "OpenSSL does not support it";
        }
    }
}

void bearer_jwk_clear(bearer_jwk_t *key)
{
    int n = key->verifiers ? algs_below(key->algs, 0) : 0;

    while (n > 0) {
        bearer_verifier_free(key->verifiers[--n]);
    }
    key->verifiers = NULL;
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
}

/* ---- a complete key ---------------------------------------------------- */

const char *bearer_jwk_private_member(const json_t *jwk)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi", "oth", NULL };
    const char *const *name = names;

    while (*name && !json_object_get(jwk, *name)) {
        name++;
    }
    return *name;
}

static const char *read_names(bearer_jwk_t *key, const json_t *jwk,
                              apr_pool_t *p)
{
    const char *kid, *issuer;
    const char *problem = optional_string(&kid, jwk, "kid", p);

    if (!problem && kid && strlen(kid) > BEARER_KID_MAX) {
        problem = apr_psprintf(p, "its kid is longer than %d bytes",
                               BEARER_KID_MAX);
    }
    if (problem) {
        return problem;
    }
    key->kid = apr_pstrdup(p, kid);
    problem = optional_string(&issuer, jwk, "issuer", p);
    key->issuer = apr_pstrdup(p, issuer);
    return problem;
}

/* Refuses keys that another party must not send. */
static const char *origin_problem(const bearer_jwk_t *key, const json_t *jwk,
                                  bearer_jwks_origin_t origin, apr_pool_t *p)
{
    const char *member;

    if (origin == BEARER_JWKS_LOCAL) {
        return NULL;
    }
    if (key->kty == BEARER_KTY_OCT) {
        return "an oct key is accepted only in a local file";
    }
    /* anyone who can read that URL can sign: the key proves nothing */
    member = bearer_jwk_private_member(jwk);
    return member ? apr_psprintf(p, "it contains the private member '%s'",
                                 member)
                  : NULL;
}

static const char *read_key(bearer_jwk_t *key, const json_t *jwk,
                            bearer_jwks_origin_t origin, apr_pool_t *p)
{
    const char *kty = bearer_json_string(jwk, "kty");
    const char *problem;

    problem = read_names(key, jwk, p);
    if (problem) {
        return problem;
    }
    key->kty = bearer_kty_find(kty);
    if (key->kty == BEARER_KTY_NONE) {
        return kty ? apr_pstrcat(p, "unknown kty ", bearer_text_quote(p, kty),
                                 NULL)
                   : "member 'kty' is missing";
    }
    problem = origin_problem(key, jwk, origin, p);
    if (!problem) {
        problem = bearer_jwk_read_numbers(key, jwk, p);
    }
    if (!problem) {
        problem = read_fitness(key, jwk, origin, p);
    }
    if (!problem) {
        key->thumbprint = bearer_jwk_thumbprint(jwk, p);
        problem = key->thumbprint ? NULL : "it has no thumbprint";
    }
    return problem;
}

const char *bearer_jwk_read(bearer_jwk_t *key, const json_t *jwk,
                            bearer_jwks_origin_t origin, apr_pool_t *p)
{
    const char *problem;

    memset(key, 0, sizeof(*key));
    if (!json_is_object(jwk)) {
        return "it is not an object";
    }
    ERR_set_mark();
    problem = read_key(key, jwk, origin, p);
    if (problem) {
        key->algs = 0;
        key->unfit = problem;
    } else {
        make_verifiers(key, p);
    }
    ERR_pop_to_mark();
    return problem;
}

const char *bearer_jwk_public(EVP_PKEY **pkey, bearer_verifier_t **verifier,
                              const json_t *jwk, const bearer_alg_t *alg,
                              apr_pool_t *p)
{
    bearer_jwk_t key;
    const char *problem;

    memset(&key, 0, sizeof(key));
    *verifier = NULL;
    ERR_set_mark();
    problem = read_key(&key, jwk, BEARER_JWKS_REMOTE, p);
    if (!problem && !(key.algs & alg->bit)) {
        problem = key.unfit ? key.unfit
                            : apr_psprintf(p, "it (%s) cannot verify %s",
                                           bearer_jwk_describe(&key, p), alg->name);
    }
    if (!problem) {
        *verifier = bearer_verifier_create(alg, key.pkey, NULL, 0);
        problem = *verifier ? NULL : "OpenSSL does not support it";
    }
    ERR_pop_to_mark();
    if (problem) {
        EVP_PKEY_free(key.pkey);
        key.pkey = NULL;
    }
    *pkey = key.pkey;
    return problem;
}

const char *bearer_jwk_describe(const bearer_jwk_t *key, apr_pool_t *p)
{
    const char *kty = bearer_kty_name(key->kty);

    return !*kty        ? "of unknown type"
           : key->curve ? apr_pstrcat(p, kty, " ", key->curve, NULL)
                        : apr_psprintf(p, "%s %d", kty, key->bits);
}

bearer_algs_t bearer_jwk_algs(const json_t *jwk)
{
    return bearer_alg_for_key(bearer_kty_find(bearer_json_string(jwk, "kty")),
                              bearer_json_string(jwk, "crv"));
}

/* ---- RFC 7638 ---------------------------------------------------------- */

/* Values that need no escape in JSON, as for all required members. */
static int is_plain(const char *s)
{
    return s && *s
           && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789-_")] == '\0';
}

/* RFC 7638 section 3.2, sorted */
#define REQUIRED_RSA { "e", "kty", "n" }
#define REQUIRED_EC { "crv", "kty", "x", "y" }
#define REQUIRED_OKP { "crv", "kty", "x" }
#define REQUIRED_OCT { "k", "kty" }

static const char *const required[][5] = {
    { NULL },
#define X(symbol, name) REQUIRED_##symbol,
    BEARER_KTYS(X)
#undef X
};

const char *bearer_jwk_thumbprint(const json_t *jwk, apr_pool_t *p)
{
    bearer_kty_t kty = bearer_kty_find(bearer_json_string(jwk, "kty"));
    const char *const *name = required[kty];
    unsigned char digest[BEARER_SHA256_SIZE];
    const char *text = "{";

    for (; *name; name++) {
        const char *value = bearer_json_string(jwk, *name);

        if (!is_plain(value)) {
            return NULL;
        }
        text = apr_pstrcat(p, text, name > required[kty] ? ",\"" : "\"", *name,
                           "\":\"", value, "\"", NULL);
    }
    text = apr_pstrcat(p, text, "}", NULL);
    if (kty == BEARER_KTY_NONE || bearer_text_sha256(text, strlen(text), digest) != APR_SUCCESS) {
        return NULL;
    }
    return bearer_b64url_encode(p, digest, sizeof(digest));
}
