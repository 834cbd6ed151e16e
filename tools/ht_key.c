/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Keys of sign and proof: read from a file, selected, and named by their thumbprint.
 */
#include "ht.h"

#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>
#include <openssl/pem.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"

/* ---- files ---------------------------------------------------------------- */

static int no_passphrase(char *buffer, int size, int writing, void *baton)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)baton;
    return -1;
}

/* Returns the private key as a JWK; NULL: the file has none without a passphrase. */
static json_t *private_of_pem(const ht_call_t *call, const char *data, apr_size_t len)
{
    BIO *bio = BIO_new_mem_buf(data, (int)len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    json_t *jwk = NULL;

    BIO_free(bio);
    if (pkey && bearer_jwk_from_pkey(&jwk, pkey, 1, call->p) == APR_SUCCESS) {
        ht_wipe_json(call, jwk);
    }
    EVP_PKEY_free(pkey);
    return jwk;
}

/* Returns the keys of a JWK Set, or one JWK as an array; NULL: it is neither. */
static json_t *keys_of_json(const ht_call_t *call, const char *data, apr_size_t len,
                            const char **error)
{
    json_t *document, *keys;

    if (bearer_json_parse(&document, data, len, error, call->p) != APR_SUCCESS) {
        return NULL;
    }
    ht_wipe_json(call, document);
    keys = json_object_get(document, "keys");
    if (!keys && json_object_get(document, "kty")) {
        keys = json_pack("[O]", document);
        bearer_json_tie(keys, call->p);
    }
    *error = "it has no keys";
    return json_is_array(keys) ? keys : NULL;
}

/* Reads the private keys of a file as JWKs. */
static int load_keys(const ht_call_t *call, const char *path, json_t **keys)
{
    const char *data, *error = NULL;
    apr_size_t len;
    json_t *jwk;

    if (ht_read_file(call, path, (apr_size_t)BEARER_JWKS_MAX_BYTES, &data, &len)
        != HT_OK) {
        return HT_USAGE;
    }
    jwk = private_of_pem(call, data, len);
    if (jwk) {
        *keys = json_pack("[O]", jwk);
        bearer_json_tie(*keys, call->p);
        return HT_OK;
    }
    *keys = keys_of_json(call, data, len, &error);
    return *keys ? HT_OK
                 : ht_fail(call, HT_USAGE, "%s is not a private JWK Set, JWK or PEM key: %s",
                           bearer_text_quote(call->p, path), error);
}

static void warn_if_open(const ht_call_t *call, const char *path)
{
    struct stat about;

    if (!stat(path, &about) && S_ISREG(about.st_mode)
        && (about.st_mode & (S_IROTH | S_IWOTH))) {
        ht_say(call, "warning: other users can read or write %s (mode %04o)",
               bearer_text_quote(call->p, path),
               (unsigned)about.st_mode & 07777u);
    }
}

/* ---- the key to sign with ------------------------------------------------- */

/* Returns the algorithms that this JWK may sign with. */
static bearer_algs_t algs_of(const json_t *jwk)
{
    const char *use = bearer_json_string(jwk, "use");
    const char *alg_name = bearer_json_string(jwk, "alg");
    const bearer_alg_t *alg = alg_name ? bearer_alg_find(alg_name) : NULL;
    bearer_algs_t algs = bearer_jwk_algs(jwk);

    if (use && strcmp(use, "sig") != 0) {
        return 0;
    }
    if (alg_name) {
        algs &= alg ? alg->bit : 0;
    }
    return bearer_alg_supported(algs);
}

static int key_fits(const json_t *jwk, const char *kid, bearer_algs_t wanted)
{
    const char *own = bearer_json_string(jwk, "kid");

    return (!kid || (own && !strcmp(own, kid))) && (algs_of(jwk) & wanted);
}

/* Returns the algorithm that the key names, else the one that most verifiers expect for
 * its type: RS256 before PS256 for RSA, and EdDSA, the older name, for Ed25519. */
static const bearer_alg_t *usual_alg(bearer_algs_t algs)
{
    static const char *const first[] = { "RS256", "ES256", "ES384", "ES512",
                                         "EdDSA", "HS256", NULL };
    unsigned i;

    for (i = 0; first[i]; i++) {
        const bearer_alg_t *alg = bearer_alg_find(first[i]);

        if (alg && (alg->bit & algs)) {
            return alg;
        }
    }
    return bearer_alg_next(&algs);
}

int ht_signing_key(const ht_call_t *call, bearer_algs_t wanted, json_t **chosen,
                   const bearer_alg_t **alg)
{
    const char *path = ht_value(call, "key"), *name = ht_value(call, "alg");
    const char *shown = bearer_text_quote(call->p, path);
    json_t *keys = NULL, *jwk;
    int found = 0;
    size_t i;

    if ((name && ht_alg(call, name, alg) != HT_OK)
        || load_keys(call, path, &keys) != HT_OK) {
        return HT_USAGE;
    }
    wanted &= name ? (*alg)->bit : wanted;
    json_array_foreach(keys, i, jwk) {
        if (key_fits(jwk, ht_value(call, "kid"), wanted)) {
            *chosen = jwk;
            found++;
        }
    }
    if (!found) {
        return ht_fail(call, HT_USAGE, "%s has no key that fits --kid and --alg", shown);
    }
    if (found > 1) {
        return ht_usage(call, "%s has %d such keys; choose one with --kid", shown, found);
    }
    warn_if_open(call, path);
    *alg = name ? *alg : usual_alg(algs_of(*chosen) & wanted);
    return HT_OK;
}

/* ---- the name of a key ---------------------------------------------------- */

/* Reads keys, private or public: of private ones, the public part. */
static int read_any(const ht_call_t *call, const char *data, apr_size_t len,
                    bearer_jwks_t **set, bearer_jwks_report_t *report, const char **error)
{
    json_t *keys = private_of_pem(call, data, len), *document;
    char *text;

    if (!keys && *(data + strspn(data, " \t\r\n")) != '{') {
        return bearer_jwks_parse_pem(set, data, len, error, call->p) == APR_SUCCESS;
    }
    if (keys) {
        keys = json_pack("[O]", keys);
        bearer_json_tie(keys, call->p);
    } else {
        keys = keys_of_json(call, data, len, error);
    }
    if (!keys) {
        return 0;
    }
    document = json_pack("{s:O}", "keys", keys);
    text = ht_json_text(document, &len, call->p);
    json_decref(document);
    return bearer_jwks_parse(set, text, len, BEARER_JWKS_LOCAL, report, error, call->p)
           == APR_SUCCESS;
}

int ht_thumbprint(const ht_call_t *call, const char *path, const char **thumbprint)
{
    const char *shown = bearer_text_quote(call->p, path), *data, *error = NULL;
    bearer_jwks_report_t report = { 0 };
    bearer_jwks_t *set;
    apr_size_t len;
    int n;

    if (ht_read_file(call, path, (apr_size_t)BEARER_JWKS_MAX_BYTES, &data, &len) != HT_OK) {
        return HT_USAGE;
    }
    if (!read_any(call, data, len, &set, &report, &error)) {
        return ht_fail(call, HT_USAGE, "%s is not a JWK or PEM key: %s", shown, error);
    }
    n = bearer_jwks_count(set);
    *thumbprint = n == 1 && bearer_jwks_at(set, 0)->pkey
                      ? apr_pstrdup(call->p, bearer_jwks_at(set, 0)->thumbprint) : NULL;
    bearer_jwks_release(set);
    if (*thumbprint) {
        return HT_OK;
    }
    return n > 1 ? ht_fail(call, HT_USAGE, "%s has %d keys, not one", shown, n)
         : n == 1 ? ht_fail(call, HT_USAGE, "%s is a shared secret; a client proves that it "
                            "has a private key", shown)
         : ht_fail(call, HT_USAGE, "%s has no usable key%s%s", shown,
                   apr_is_empty_array(report.lines) ? "" : ": ",
                   apr_is_empty_array(report.lines)
                       ? "" : APR_ARRAY_IDX(report.lines, 0, const char *));
}
