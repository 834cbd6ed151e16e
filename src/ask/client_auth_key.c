/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The private key that signs an assertion, and its certificate. See client_auth.h.
 */
#include "ask/client_auth_inside.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"

static int no_passphrase(char *buffer, int size, int writing, void *baton)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)baton;
    return -1;   /* a server cannot ask for a passphrase */
}

static apr_status_t free_pkey(void *pkey)
{
    EVP_PKEY_free(pkey);
    return APR_SUCCESS;
}

static apr_status_t key_from_pem(bearer_signer_t *signer, const char *text,
                                 apr_size_t len, const char **error,
                                 apr_pool_t *p)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);

    signer->pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                       : NULL;
    BIO_free(bio);
    if (!signer->pkey) {
        *error = "it has no PEM private key without a passphrase";
        return APR_EINVAL;
    }
    apr_pool_cleanup_register(p, signer->pkey, free_pkey,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

/* Returns a JWK, or the first private one of a set. */
static const json_t *private_jwk(const json_t *document)
{
    const json_t *keys = json_object_get(document, "keys");
    apr_size_t i;

    for (i = 0; i < json_array_size(keys); i++) {
        if (json_object_get(json_array_get(keys, i), "d")) {
            return json_array_get(keys, i);
        }
    }
    return document;
}

static apr_status_t key_from_jwk(bearer_signer_t *signer, const char *text,
                                 apr_size_t len, const char **error,
                                 apr_pool_t *p)
{
    const json_t *jwk;
    const char *kid, *alg;
    json_t *document;
    apr_status_t rv = bearer_json_parse(&document, text, len, error, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    jwk = private_jwk(document);
    rv = bearer_jwk_private(&signer->pkey, jwk, error, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    kid = bearer_json_string(jwk, "kid");
    alg = bearer_json_string(jwk, "alg");
    if (kid) {
        json_object_set_new(signer->header, "kid", json_string(kid));
    }
    signer->alg = alg ? bearer_alg_find(alg) : NULL;
    if (alg && !signer->alg) {
        *error = "its alg is not a signature algorithm";
        return APR_EINVAL;
    }
    return APR_SUCCESS;
}

/* Returns the first algorithm of the table that fits: RS256, ES256, ES384, EdDSA ... */
static const bearer_alg_t *usual_alg(EVP_PKEY *pkey, apr_pool_t *p)
{
    bearer_algs_t fit;
    json_t *jwk;

    if (bearer_jwk_from_pkey(&jwk, pkey, 0, p) != APR_SUCCESS) {
        return NULL;
    }
    fit = bearer_jwk_algs(jwk);
    return bearer_alg_next(&fit);
}

apr_status_t bearer_signer_load(bearer_signer_t *signer, const char *text, apr_size_t len,
                             const char **error, apr_pool_t *p)
{
    const char *start = text + strspn(text, " \t\r\n");
    apr_status_t rv = *start == '{' ? key_from_jwk(signer, text, len, error, p)
                                    : key_from_pem(signer, text, len, error, p);

    if (rv == APR_SUCCESS && !signer->alg) {
        signer->alg = usual_alg(signer->pkey, p);
    }
    if (rv == APR_SUCCESS && !signer->alg) {
        *error = "no JWS algorithm uses a key of that type";
        rv = APR_EINVAL;
    }
    return rv;
}

static X509 *read_cert(const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    return cert;
}

/* Entra ID identifies a key by its certificate: RFC 7515 sections 4.1.7, 4.1.8. */
apr_status_t bearer_signer_thumbprints(bearer_post_t *post, const bearer_signer_t *signer)
{
    static const struct {
        const char *name, *digest;
    } members[] = { { "x5t", "SHA1" }, { "x5t#S256", "SHA256" } };
    const char *path = bearer_client_settings(post->client)->client_cert;
    X509 *cert = path ? read_cert(path) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned i, len;

    if (path && !cert) {
        post->error = apr_psprintf(post->p, "AuthBearerClientCert %s cannot be read, or has no PEM "
                                   "certificate",
                                   bearer_text_quote(post->p, path));
        return APR_EINVAL;
    }
    for (i = 0; cert && i < 2; i++) {
        if (X509_digest(cert, EVP_get_digestbyname(members[i].digest), digest,
                        &len)) {
            json_object_set_new(signer->header, members[i].name, json_string(
                bearer_b64url_encode(post->p, digest, len)));
        }
    }
    X509_free(cert);
    return APR_SUCCESS;
}


/* ---- at configtest ------------------------------------------------------ */

/* Checks the files before they are needed. */
static const char *lint_key(const bearer_settings_t *s, apr_pool_t *p)
{
    bearer_signer_t signer = { NULL, NULL, NULL, bearer_json_tie(json_object(), p) };
    bearer_secret_t *key = bearer_secret_of_file(s->client_key,
                                                 "AuthBearerClientKey", p);
    const char *problem = NULL, *error;

    if (bearer_secret_start(key, &error, p) != APR_SUCCESS) {
        return apr_psprintf(p, AB(0747) "%s", error);
    }
    return bearer_signer_load(&signer, key->value, key->len, &problem, p) == APR_SUCCESS
               ? NULL
               : apr_psprintf(p, AB(0746) "AuthBearerClientKey %s: %s", s->client_key,
                              problem ? problem : "no usable key");
}

static const char *lint_cert(const bearer_settings_t *s, apr_pool_t *p)
{
    X509 *cert = read_cert(s->client_cert);

    X509_free(cert);
    return cert ? NULL
                : apr_psprintf(p, AB(0745) "AuthBearerClientCert %s cannot be read, or has no PEM "
                               "certificate",
                               s->client_cert);
}

const char *bearer_signer_lint(const bearer_settings_t *s,
                               bearer_client_auth_t method, apr_pool_t *p)
{
    const char *error = NULL;
    int signs = method == BEARER_CLIENT_PRIVATE_KEY_JWT
                || method == BEARER_CLIENT_BEARER;

    if (s->client_key && (signs || method == BEARER_CLIENT_TLS)) {
        error = lint_key(s, p);
    }
    if (!error && s->client_cert && (signs || method == BEARER_CLIENT_TLS)) {
        error = lint_cert(s, p);
    }
    return error;
}
