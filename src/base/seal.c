/* Licensed under the Apache License, Version 2.0; see LICENSE. */
#include "base/seal.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/b64url.h"
#include "base/base61.h"
#include "base/text.h"

#define VERSION 1
#define ID_SIZE 4
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define KEY_SIZE 32
#define HEAD_SIZE (1 + ID_SIZE + NONCE_SIZE)
#define SECRET_MAX 65536

typedef struct secret_t {
    unsigned char id[ID_SIZE];
    unsigned char key[KEY_SIZE];
} secret_t;

struct bearer_seal_t {
    EVP_CIPHER *cipher;      /* fetched once: the look-up costs more than a value */
    int count;
    secret_t *secrets;
};

static apr_status_t wipe(void *data)
{
    bearer_seal_t *seal = data;

    EVP_CIPHER_free(seal->cipher);
    OPENSSL_cleanse(seal->secrets, sizeof(secret_t) * (size_t)seal->count);
    return APR_SUCCESS;
}

/* RFC 5869: one call derives the key and its public id, so that opening tries only one key. */
static int derive(secret_t *out, const char *secret, apr_size_t len,
                  const char *purpose, apr_pool_t *p)
{
    unsigned char bytes[KEY_SIZE + ID_SIZE];
    const char *info = apr_pstrcat(p, "mod_auth_bearer seal ", purpose, NULL);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[4];
    int ok;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                                  (void *)(apr_uintptr_t)secret, len);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
                                                  (void *)(apr_uintptr_t)info,
                                                  strlen(info));
    params[3] = OSSL_PARAM_construct_end();
    ok = ctx && EVP_KDF_derive(ctx, bytes, sizeof(bytes), params) > 0;
    if (ok) {
        memcpy(out->key, bytes, KEY_SIZE);
        memcpy(out->id, bytes + KEY_SIZE, ID_SIZE);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

static apr_status_t load(secret_t *out, const char *path, const char *purpose,
                         const char **error, apr_pool_t *p)
{
    const char *data;
    apr_size_t len;
    apr_status_t rv = bearer_text_read_file(&data, &len, path, SECRET_MAX, error, p);
    int ok;

    if (rv != APR_SUCCESS) {
        *error = apr_psprintf(p, "secret file %s: %s", path, *error);
        return rv;
    }
    if (len < BEARER_SEAL_MIN_SECRET) {
        *error = apr_psprintf(p, "secret file %s has %" APR_SIZE_T_FMT
                              " bytes; at least %d random bytes are needed: "
                              "(umask 077; openssl rand -out %s 48)", path, len,
                              BEARER_SEAL_MIN_SECRET, path);
        return APR_EINVAL;
    }
    ok = derive(out, data, len, purpose, p);
    OPENSSL_cleanse((void *)(apr_uintptr_t)data, len);
    if (!ok) {
        *error = "OpenSSL cannot derive a key (HKDF-SHA-256)";
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

apr_status_t bearer_seal_create(bearer_seal_t **seal,
                                const apr_array_header_t *files,
                                const char *purpose, const char **error,
                                apr_pool_t *p)
{
    bearer_seal_t *made = apr_pcalloc(p, sizeof(*made));

    made->secrets = apr_pcalloc(p, sizeof(secret_t) * (apr_size_t)files->nelts);
    apr_pool_cleanup_register(p, made, wipe, apr_pool_cleanup_null);
    made->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (!made->cipher) {
        *error = "this OpenSSL has no AES-256-GCM";
        return APR_ENOTIMPL;
    }
    for (; made->count < files->nelts; made->count++) {
        apr_status_t rv = load(&made->secrets[made->count],
                               APR_ARRAY_IDX(files, made->count, const char *),
                               purpose, error, p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    *seal = made;
    return APR_SUCCESS;
}

apr_status_t bearer_seal_close(unsigned char **sealed, apr_size_t *sealed_len,
                               const bearer_seal_t *seal, const void *context,
                               apr_size_t context_len, const void *value,
                               apr_size_t len, const bearer_world_t *world,
                               apr_pool_t *p)
{
    const secret_t *secret = &seal->secrets[0];
    unsigned char *out = apr_palloc(p, len + BEARER_SEAL_OVERHEAD);
    unsigned char *nonce = out + 1 + ID_SIZE;
    EVP_CIPHER_CTX *ctx;
    int n = 0, ok;

    out[0] = VERSION;
    memcpy(out + 1, secret->id, ID_SIZE);
    if (len > APR_INT32_MAX || context_len > APR_INT32_MAX
        || bearer_world_random(world, nonce, NONCE_SIZE) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    ctx = EVP_CIPHER_CTX_new();
    ok = ctx
        && EVP_EncryptInit_ex(ctx, seal->cipher, NULL, secret->key, nonce)
        && EVP_EncryptUpdate(ctx, NULL, &n, out, 1 + ID_SIZE)
        && EVP_EncryptUpdate(ctx, NULL, &n, context, (int)context_len)
        && EVP_EncryptUpdate(ctx, out + HEAD_SIZE, &n, value, (int)len)
        && EVP_EncryptFinal_ex(ctx, out + HEAD_SIZE + n, &n)
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE,
                               out + HEAD_SIZE + len);
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        return APR_EGENERAL;
    }
    *sealed = out;
    *sealed_len = len + BEARER_SEAL_OVERHEAD;
    return APR_SUCCESS;
}

static const secret_t *find(const bearer_seal_t *seal, const unsigned char *id)
{
    int i;

    for (i = 0; i < seal->count; i++) {
        if (memcmp(seal->secrets[i].id, id, ID_SIZE) == 0) {
            return &seal->secrets[i];
        }
    }
    return NULL;
}

apr_status_t bearer_seal_open(unsigned char **value, apr_size_t *len,
                              const bearer_seal_t *seal, const void *context,
                              apr_size_t context_len, const void *sealed,
                              apr_size_t sealed_len, apr_pool_t *p)
{
    const unsigned char *in = sealed;
    const secret_t *secret;
    unsigned char *out, tag[TAG_SIZE];
    apr_size_t out_len;
    EVP_CIPHER_CTX *ctx;
    int n = 0, ok;

    if (sealed_len < BEARER_SEAL_OVERHEAD || sealed_len > APR_INT32_MAX
        || context_len > APR_INT32_MAX || in[0] != VERSION) {
        return APR_EACCES;
    }
    secret = find(seal, in + 1);
    if (!secret) {
        return APR_NOTFOUND;
    }
    out_len = sealed_len - BEARER_SEAL_OVERHEAD;
    out = apr_palloc(p, out_len + 1);
    memcpy(tag, in + HEAD_SIZE + out_len, TAG_SIZE);
    ctx = EVP_CIPHER_CTX_new();
    ok = ctx
        && EVP_DecryptInit_ex(ctx, seal->cipher, NULL, secret->key,
                              in + 1 + ID_SIZE)
        && EVP_DecryptUpdate(ctx, NULL, &n, in, 1 + ID_SIZE)
        && EVP_DecryptUpdate(ctx, NULL, &n, context, (int)context_len)
        && EVP_DecryptUpdate(ctx, out, &n, in + HEAD_SIZE, (int)out_len)
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag)
        && EVP_DecryptFinal_ex(ctx, out + n, &n) > 0;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        OPENSSL_cleanse(out, out_len);
        return APR_EACCES;
    }
    out[out_len] = '\0';
    *value = out;
    *len = out_len;
    return APR_SUCCESS;
}

const char *bearer_seal_text(const bearer_seal_t *seal, const char *context,
                             const void *value, apr_size_t len,
                             const bearer_world_t *world, apr_pool_t *p)
{
    unsigned char *sealed;
    apr_size_t sealed_len;

    return bearer_seal_close(&sealed, &sealed_len, seal, context, strlen(context), value,
                             len, world, p) == APR_SUCCESS
        ? bearer_base61_encode(p, sealed, sealed_len) : NULL;
}

apr_status_t bearer_seal_read(unsigned char **value, apr_size_t *len,
                              const bearer_seal_t *seal, const char *context,
                              const char *text, apr_pool_t *p)
{
    /* base64url: from an earlier version; its texts can look like base61, too */
    static apr_status_t (*const decoders[])(unsigned char **, apr_size_t *, const char *,
                                            apr_size_t, apr_pool_t *) = {
        bearer_base61_decode, bearer_b64url_decode_p
    };
    apr_status_t rv = APR_EACCES;
    unsigned char *sealed;
    apr_size_t sealed_len, i;

    for (i = 0; rv != APR_SUCCESS && i < sizeof(decoders) / sizeof(decoders[0]); i++) {
        if (decoders[i](&sealed, &sealed_len, text, strlen(text), p) == APR_SUCCESS) {
            rv = bearer_seal_open(value, len, seal, context, strlen(context), sealed,
                                  sealed_len, p);
        }
    }
    return rv;
}
