/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * SHA-256 with a fetched algorithm and reusable contexts. See sha256.h.
 */
#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/shelf.h"

struct bearer_sha256_t {
    EVP_MD *md;
    bearer_shelf_t contexts;
};

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static apr_status_t free_all(void *sha256_)
{
    bearer_sha256_t *sha256 = sha256_;

    bearer_shelf_clear(&sha256->contexts, free_context);
    EVP_MD_free(sha256->md);
    return APR_SUCCESS;
}

apr_status_t bearer_sha256_create(bearer_sha256_t **sha256, apr_pool_t *p)
{
    bearer_sha256_t *made = apr_pcalloc(p, sizeof(*made));

    *sha256 = made;
    made->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    apr_pool_cleanup_register(p, made, free_all, apr_pool_cleanup_null);
    return made->md ? APR_SUCCESS : APR_EGENERAL;
}

static int digest(EVP_MD_CTX *ctx, const EVP_MD *md, unsigned char *out,
                  const bearer_sha256_piece_t *pieces, int n)
{
    int i, ok = EVP_DigestInit_ex2(ctx, md, NULL);

    for (i = 0; ok && i < n; i++) {
        ok = !pieces[i].len || EVP_DigestUpdate(ctx, pieces[i].data, pieces[i].len);
    }
    return ok && EVP_DigestFinal_ex(ctx, out, NULL);
}

apr_status_t bearer_sha256_of(bearer_sha256_t *sha256, unsigned char *out,
                              const bearer_sha256_piece_t *pieces, int n)
{
    EVP_MD_CTX *ctx = sha256 ? bearer_shelf_take(&sha256->contexts) : NULL;
    int ok;

    if (!ctx) {
        ctx = EVP_MD_CTX_new();
    }
    ok = ctx && digest(ctx, sha256 ? sha256->md : EVP_sha256(), out, pieces, n);
    if (sha256 && ok) {
        bearer_shelf_give(&sha256->contexts, ctx, free_context);
    } else {
        EVP_MD_CTX_free(ctx);
    }
    return ok ? APR_SUCCESS : APR_EGENERAL;
}
