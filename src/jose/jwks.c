/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A key set. Once parsed it is constant, so any number of threads can read it without
 * a lock; only its reference count changes. It has its own pool, which is not a child
 * of another pool and may be destroyed in any thread.
 */
#include "jose/jwk_inside.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/json.h"

/* ---- reference counts -------------------------------------------------- */

static apr_status_t set_create(bearer_jwks_t **set, int max_keys)
{
    apr_pool_t *pool;
    bearer_jwks_t *s;
    apr_status_t rv = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    s = apr_pcalloc(pool, sizeof(*s));
    s->pool = pool;
    s->keys = apr_pcalloc(pool, sizeof(*s->keys)
                                    * ((apr_size_t)max_keys + 1));
    atomic_init(&s->references, 1);
    *set = s;
    return APR_SUCCESS;
}

bearer_jwks_t *bearer_jwks_retain(bearer_jwks_t *set)
{
    if (set) {
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    }
    return set;
}

void bearer_jwks_release(bearer_jwks_t *set)
{
    int i;

    if (!set
        || atomic_fetch_sub_explicit(&set->references, 1,
                                     memory_order_acq_rel) != 1) {
        return;
    }
    for (i = 0; i < set->part_count; i++) {
        bearer_jwks_release(set->parts[i]);
    }
    for (i = 0; i < set->total && !set->parts; i++) {
        OPENSSL_cleanse((void *)(apr_uintptr_t)set->keys[i].oct,
                        set->keys[i].oct_len);
        bearer_jwk_clear(&set->keys[i]);
    }
    apr_pool_destroy(set->pool);
}

/* Usable keys come before the others; both keep the document's order. */
static void set_add(bearer_jwks_t *set, const bearer_jwk_t *key)
{
    int at = key->algs ? set->usable++ : set->total;

    memmove(&set->keys[at + 1], &set->keys[at],
            sizeof(*set->keys) * (apr_size_t)(set->total - at));
    set->keys[at] = *key;
    set->total++;
}

/* By kid, then by position in the document. */
static int compare_kids(const void *a, const void *b)
{
    const bearer_jwk_t *x = *(const bearer_jwk_t *const *)a;
    const bearer_jwk_t *y = *(const bearer_jwk_t *const *)b;
    int order = strcmp(x->kid, y->kid);

    return order ? order : (x > y) - (x < y);
}

static void set_index(bearer_jwks_t *set)
{
    int i;

    set->by_kid = apr_palloc(set->pool, sizeof(*set->by_kid)
                                            * ((apr_size_t)set->total + 1));
    for (i = 0; i < set->total; i++) {
        if (set->keys[i].kid) {
            set->by_kid[set->named++] = &set->keys[i];
            set->usable_named += i < set->usable;
        }
    }
    qsort(set->by_kid, (apr_size_t)set->named, sizeof(*set->by_kid),
          compare_kids);
}

/* Hashes lengths before the texts, so that no two sets give the same input. */
static apr_status_t set_finish(bearer_jwks_t *set, const char **error, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, set->usable + 1,
                                               sizeof(const char *));
    const char *text;
    apr_status_t rv;
    int i;

    set_index(set);
    for (i = 0; i < set->usable; i++) {
        const bearer_jwk_t *key = &set->keys[i];

        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
            p, "%s %lx %d:%s %d:%s\n", key->thumbprint,
            (unsigned long)key->algs,
            key->kid ? (int)strlen(key->kid) : -1, key->kid ? key->kid : "",
            key->issuer ? (int)strlen(key->issuer) : -1,
            key->issuer ? key->issuer : "");
    }
    text = apr_array_pstrcat(p, lines, 0);
    rv = bearer_text_sha256(text, strlen(text), set->digest);
    *error = rv == APR_SUCCESS ? NULL : "OpenSSL cannot compute its digest";
    return rv;
}

/* ---- pools ------------------------------------------------------------- */

static void pool_add(bearer_jwks_t *pool, bearer_jwks_t *part)
{
    memcpy(&pool->keys[pool->usable], part->keys,
           sizeof(*part->keys) * (apr_size_t)part->usable);
    pool->usable += part->usable;
    pool->total = pool->usable;
    pool->parts[pool->part_count++] = bearer_jwks_retain(part);
}

apr_status_t bearer_jwks_pool(bearer_jwks_t **set, bearer_jwks_t *const *parts, int n)
{
    unsigned char digests[BEARER_JWKS_MAX_PARTS * BEARER_SHA256_SIZE];
    int i, keys = 0;
    apr_status_t rv;

    *set = NULL;
    if (n < 1 || n > BEARER_JWKS_MAX_PARTS) {
        return APR_EINVAL;
    }
    for (i = 0; i < n; i++) {
        keys += parts[i]->usable;
        memcpy(digests + i * BEARER_SHA256_SIZE, parts[i]->digest, BEARER_SHA256_SIZE);
    }
    rv = set_create(set, keys);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    (*set)->parts = apr_palloc((*set)->pool, sizeof(*parts) * (apr_size_t)n);
    for (i = 0; i < n; i++) {
        pool_add(*set, parts[i]);
    }
    rv = bearer_text_sha256((const char *)digests, (apr_size_t)n * BEARER_SHA256_SIZE,
                            (*set)->digest);
    if (rv != APR_SUCCESS) {
        bearer_jwks_release(*set);
        *set = NULL;
    }
    return rv;
}

/* ---- queries ----------------------------------------------------------- */

int bearer_jwks_count(const bearer_jwks_t *set)
{
    return set->usable;
}

const bearer_jwk_t *bearer_jwks_at(const bearer_jwks_t *set, int i)
{
    return i >= 0 && i < set->usable ? &set->keys[i] : NULL;
}

apr_uint64_t bearer_jwks_stamp(const bearer_jwks_t *set)
{
    apr_uint64_t stamp = 0;
    int i;

    if (set && !set->parts) {
        memcpy(&stamp, set->digest, sizeof(stamp));
    }
    for (i = 0; set && i < set->part_count; i++) {
        stamp += bearer_jwks_stamp(set->parts[i]);
    }
    return stamp;
}

int bearer_jwks_part_count(const bearer_jwks_t *set)
{
    return set->parts ? set->part_count : 1;
}

const bearer_jwks_t *bearer_jwks_part(const bearer_jwks_t *set, int i)
{
    return set->parts ? set->parts[i] : set;
}

int bearer_jwks_contains(const bearer_jwks_t *set, const bearer_jwks_t *part)
{
    int i, found = 0;

    for (i = 0; i < bearer_jwks_part_count(set); i++) {
        found |= bearer_jwks_part(set, i) == part;
    }
    return found;
}

const unsigned char *bearer_jwks_digest(const bearer_jwks_t *set)
{
    return set->digest;
}

/* ---- JWK Set (RFC 7517 section 5) -------------------------------------- */

static void report_line(bearer_jwks_report_t *report, int index,
                        const bearer_jwk_t *key, const char *text,
                        apr_pool_t *p)
{
    APR_ARRAY_PUSH(report->lines, const char *) =
        key->kid ? apr_psprintf(p, "key %d (kid %s): %s", index + 1,
                                bearer_text_quote(p, key->kid), text)
                 : apr_psprintf(p, "key %d: %s", index + 1, text);
}

static void read_one(bearer_jwks_t *set, const json_t *jwk, int index,
                     bearer_jwks_origin_t origin, bearer_jwks_report_t *report,
                     apr_pool_t *p)
{
    bearer_jwk_t key;
    const char *problem = bearer_jwk_read(&key, jwk, origin, set->pool);

    set_add(set, &key);
    if (problem) {
        report_line(report, index, &key, problem, p);
    } else if (key.algs && bearer_jwk_private_member(jwk)) {
        report_line(report, index, &key, "it is a private key; the public part is enough here", p);
    }
    report->skipped += problem != NULL;
}

/* The keys now hold any secrets of a local file. jansson would free the strings
 * without wiping them. */
static void wipe_secret_members(const json_t *jwk)
{
    static const char *const names[] = { "k", "d", "p", "q", "dp", "dq", "qi" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *member = json_object_get(jwk, names[i]);

        if (json_is_string(member)) {
            OPENSSL_cleanse((void *)(apr_uintptr_t)json_string_value(member),
                            json_string_length(member));
        }
    }
}

static apr_status_t read_keys(bearer_jwks_t **set, const json_t *document,
                              bearer_jwks_origin_t origin,
                              bearer_jwks_report_t *report, const char **error,
                              apr_pool_t *p, apr_pool_t *scratch)
{
    const json_t *keys = json_object_get(document, "keys");
    size_t i, n = json_array_size(keys);
    apr_status_t rv;

    if (!json_is_array(keys)) {
        *error = "it has no array 'keys': not a JWK Set";
        return APR_EINVAL;
    }
    if (n > BEARER_JWKS_MAX_KEYS) {
        *error = apr_psprintf(p, "it has %lu keys; at most %d are accepted",
                              (unsigned long)n, BEARER_JWKS_MAX_KEYS);
        return APR_ENOSPC;
    }
    rv = set_create(set, (int)n);
    if (rv != APR_SUCCESS) {
        *error = "out of memory";
        return rv;
    }
    for (i = 0; i < n; i++) {
        read_one(*set, json_array_get(keys, i), (int)i, origin, report, p);
        wipe_secret_members(json_array_get(keys, i));
    }
    return set_finish(*set, error, scratch);
}

static apr_status_t read_json(bearer_jwks_t **set, const char *text, apr_size_t len,
                              bearer_jwks_origin_t origin,
                              bearer_jwks_report_t *report, const char **error,
                              apr_pool_t *p, apr_pool_t *scratch)
{
    const char *problem;
    json_t *document;
    apr_status_t rv = bearer_json_parse(&document, text, len, &problem, scratch);

    if (rv != APR_SUCCESS) {
        *error = apr_pstrcat(p, "it is not strict JSON: ", problem, NULL);
        return rv;
    }
    return read_keys(set, document, origin, report, error, p, scratch);
}

/* ---- PEM (RFC 7468) ---------------------------------------------------- */

typedef struct pem_block_t {
    char *name;
    char *header;
    unsigned char *data;
    long len;
} pem_block_t;

static EVP_PKEY *certificate_key(const unsigned char **der, long len)
{
    X509 *certificate = d2i_X509(NULL, der, len);
    EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;

    X509_free(certificate);
    return pkey;
}

/* Reads the public key of a block. Returns NULL, or an error message. */
static const char *block_key(EVP_PKEY **pkey, const pem_block_t *block,
                             apr_pool_t *p)
{
    const unsigned char *at = block->data;
    size_t len = strlen(block->name);

    *pkey = NULL;
    if (len >= 11 && strcmp(block->name + len - 11, "PRIVATE KEY") == 0) {
        return "it contains a private key; the server needs only the public key";
    }
    if (strcmp(block->name, "PUBLIC KEY") == 0) {
        *pkey = d2i_PUBKEY(NULL, &at, block->len);
    } else if (strcmp(block->name, "RSA PUBLIC KEY") == 0) {
        *pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, block->len);
    } else if (strcmp(block->name, "CERTIFICATE") == 0) {
        *pkey = certificate_key(&at, block->len);
    } else {
        return apr_psprintf(p, "PEM block %s is neither PUBLIC KEY nor "
                            "CERTIFICATE", bearer_text_quote(p, block->name));
    }
    if (!*pkey || at != block->data + block->len) {
        return apr_psprintf(p, "PEM block %s cannot be decoded",
                            bearer_text_quote(p, block->name));
    }
    return NULL;
}

/* A key that its certificate restricts to RSASSA-PSS is for PS* only, and for one
 * hash if its parameters name one (RFC 4055 section 1.2). */
static const char *pss_alg(EVP_PKEY *pkey, apr_pool_t *p)
{
    char hash[32] = "";

    if (!EVP_PKEY_is_a(pkey, "RSA-PSS")) {
        return NULL;
    }
    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_RSA_DIGEST, hash,
                                   sizeof(hash), NULL);
    return strlen(hash) > 3
               ? apr_pstrcat(p, "PS", hash + strlen(hash) - 3, NULL)
               : "PS256";
}

/* Converts the key to a JWK, so that the same limits apply to both forms. */
static const char *add_pkey(bearer_jwks_t *set, EVP_PKEY *pkey, apr_pool_t *p,
                            apr_pool_t *scratch)
{
    const char *alg = pss_alg(pkey, scratch);
    const char *problem;
    bearer_jwk_t key;
    json_t *jwk;

    if (bearer_jwk_from_pkey(&jwk, pkey, 0, scratch) != APR_SUCCESS) {
        return "a key is not RSA, EC on a known curve, Ed25519 or Ed448";
    }
    json_object_del(jwk, "kid");
    if (alg) {
        json_object_set_new(jwk, "alg", json_string(alg));
    }
    problem = bearer_jwk_read(&key, jwk, BEARER_JWKS_LOCAL, set->pool);
    set_add(set, &key);
    return apr_pstrdup(p, problem);
}

static const char *add_block(bearer_jwks_t *set, const pem_block_t *block,
                             apr_pool_t *p, apr_pool_t *scratch)
{
    EVP_PKEY *pkey;
    const char *problem;

    if (set->total >= BEARER_JWKS_MAX_KEYS) {
        return apr_psprintf(p, "it has more than %d keys",
                            BEARER_JWKS_MAX_KEYS);
    }
    problem = block_key(&pkey, block, p);
    if (!problem) {
        problem = add_pkey(set, pkey, p, scratch);
    }
    EVP_PKEY_free(pkey);
    return problem;
}

static const char *read_blocks(bearer_jwks_t *set, BIO *bio, apr_pool_t *p,
                               apr_pool_t *scratch)
{
    const char *problem = NULL;
    pem_block_t block;

    while (!problem
           && PEM_read_bio(bio, &block.name, &block.header, &block.data,
                           &block.len)) {
        problem = add_block(set, &block, p, scratch);
        OPENSSL_free(block.name);
        OPENSSL_free(block.header);
        OPENSSL_clear_free(block.data, (size_t)block.len);
    }
    if (!problem
        && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        problem = "a PEM block is damaged";
    }
    if (!problem && !set->total) {
        problem = "it contains no PEM block";
    }
    return problem;
}

static apr_status_t read_pem(bearer_jwks_t **set, const char *text, apr_size_t len,
                             const char **error, apr_pool_t *p, apr_pool_t *scratch)
{
    apr_status_t rv = set_create(set, BEARER_JWKS_MAX_KEYS);
    BIO *bio = rv == APR_SUCCESS ? BIO_new_mem_buf(text, (int)len) : NULL;

    if (!bio) {
        *error = "out of memory";
        return APR_ENOMEM;
    }
    ERR_set_mark();
    *error = read_blocks(*set, bio, p, scratch);
    rv = *error ? APR_EINVAL : set_finish(*set, error, scratch);
    ERR_pop_to_mark();
    BIO_free(bio);
    return rv;
}

/* ---- either form ------------------------------------------------------- */

/* Data needed only during parsing is in its own pool. */
static apr_status_t parse(bearer_jwks_t **set, const char *text, apr_size_t len,
                          int is_json, bearer_jwks_origin_t origin,
                          bearer_jwks_report_t *report, const char **error,
                          apr_pool_t *p)
{
    bearer_jwks_report_t nobody = { 0 };
    apr_pool_t *scratch;
    apr_status_t rv;

    *set = NULL;
    *error = NULL;
    report = report ? report : &nobody;
    report->keys = report->skipped = 0;
    report->lines = apr_array_make(p, 4, sizeof(const char *));
    if (len > BEARER_JWKS_MAX_BYTES) {
        *error = apr_psprintf(p, "it is larger than %d KiB", BEARER_JWKS_MAX_BYTES / 1024);
        return APR_ENOSPC;
    }
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        *error = "it begins with a byte order mark (EF BB BF); save it without one";
        return APR_EINVAL;
    }
    rv = apr_pool_create(&scratch, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = is_json ? read_json(set, text, len, origin, report, error, p, scratch)
                 : read_pem(set, text, len, error, p, scratch);
    apr_pool_destroy(scratch);
    if (rv == APR_SUCCESS) {
        report->keys = (*set)->usable;
    } else {
        bearer_jwks_release(*set);
        *set = NULL;
    }
    return rv;
}

apr_status_t bearer_jwks_parse(bearer_jwks_t **set, const char *text,
                               apr_size_t len, bearer_jwks_origin_t origin,
                               bearer_jwks_report_t *report,
                               const char **error, apr_pool_t *p)
{
    return parse(set, text, len, 1, origin, report, error, p);
}

apr_status_t bearer_jwks_parse_pem(bearer_jwks_t **set, const char *text,
                                   apr_size_t len, const char **error,
                                   apr_pool_t *p)
{
    return parse(set, text, len, 0, BEARER_JWKS_LOCAL, NULL, error, p);
}

apr_status_t bearer_jwks_parse_any(bearer_jwks_t **set, const char *text,
                                   apr_size_t len, bearer_jwks_origin_t origin,
                                   bearer_jwks_report_t *report,
                                   const char **error, apr_pool_t *p)
{
    int is_json = text[strspn(text, " \t\r\n")] == '{';

    return parse(set, text, len, is_json, origin, report, error, p);
}

apr_status_t bearer_jwks_load(bearer_jwks_t **set, const char *path,
                              bearer_jwks_origin_t origin,
                              bearer_jwks_report_t *report,
                              const char **error, apr_pool_t *p)
{
    const char *data;
    apr_size_t len;
    apr_status_t rv = bearer_text_read_file(&data, &len, path, BEARER_JWKS_MAX_BYTES, error,
                                            p);

    *set = NULL;
    if (rv == APR_SUCCESS) {
        rv = bearer_jwks_parse_any(set, data, len, origin, report, error, p);
        /* the data may contain oct keys */
        OPENSSL_cleanse((void *)(apr_uintptr_t)data, len);
    }
    return rv;
}
