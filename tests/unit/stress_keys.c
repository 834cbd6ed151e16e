/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Threads that verify with the same key sets while others take their place, and
 * ask who is a tenant while the file changes. Made for ThreadSanitizer, like
 * stress_shared.c; it also checks that every answer is right. Exit 0: nothing
 * found.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "stress.h"
#include "base/json.h"
#include "base/sha256.h"
#include "jose/headers.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "trust/issuer.h"
#include "trust/tenants.h"

#define THREADS 4
#define ROUNDS 1500
#define KINDS 3

static _Atomic apr_time_t clock_now = apr_time_from_sec(1767225600);

static apr_time_t tick(void *baton)
{
    (void)baton;
    return atomic_fetch_add(&clock_now, 200) + 200;
}

static const bearer_world_t world = { .now = tick };

typedef struct shared_t {
    const char *document;
    const char *tokens[KINDS];
    bearer_headers_t *headers;
    bearer_sha256_t *sha256;
    pthread_mutex_t mutex;       /* for set */
    bearer_jwks_t *set;
    bearer_tenants_t *tenants;
    const char *path;
    atomic_int stop;
} shared_t;

/* ---- keys ---------------------------------------------------------------- */

static bearer_jwks_t *parse(const shared_t *shared, apr_pool_t *p)
{
    const char *error = NULL;
    bearer_jwks_t *set = NULL;

    CHECK(bearer_jwks_parse(&set, shared->document, strlen(shared->document),
                            BEARER_JWKS_REMOTE, NULL, &error, p)
          == APR_SUCCESS);
    return set;
}

static bearer_jwks_t *take(shared_t *shared)
{
    bearer_jwks_t *set;

    pthread_mutex_lock(&shared->mutex);
    set = bearer_jwks_retain(shared->set);
    pthread_mutex_unlock(&shared->mutex);
    return set;
}

static bearer_reason_t verify(const shared_t *shared, const bearer_jwks_t *set,
                              const char *token, apr_pool_t *p)
{
    const bearer_jwk_t *key;
    bearer_refusal_t why;
    bearer_jws_t jws;
    bearer_reason_t reason;
    int unknown;

    if (bearer_jws_parse_known(&jws, shared->headers, token, strlen(token), &why,
                               p) != BEARER_OK
        || bearer_jws_check_header(&jws, bearer_alg_defaults(), &why, p)
               != BEARER_OK
        || bearer_jws_check_kid(&jws, &why, p) != BEARER_OK) {
        return why.reason;
    }
    if (bearer_jwks_select(&key, &unknown, set, jws.facts.alg, jws.facts.kid, NULL, NULL,
                           &why, p) != BEARER_OK) {
        return why.reason;
    }
    reason = bearer_jws_verify(&jws, key, &why, p);
    if (reason == BEARER_OK) {
        bearer_jws_remember_header(&jws, shared->headers);
    }
    return reason;
}

/* The contexts are shared: is each digest the right one? */
static int is_digested(const shared_t *shared, const char *token)
{
    const bearer_sha256_piece_t piece = { token, strlen(token) };
    unsigned char once[BEARER_SHA256_SIZE], kept[BEARER_SHA256_SIZE];

    return bearer_text_sha256(token, piece.len, once) == APR_SUCCESS
           && bearer_sha256_of(shared->sha256, kept, &piece, 1) == APR_SUCCESS
           && memcmp(once, kept, sizeof(once)) == 0;
}

/* Another payload under the same signature. */
static const char *forged(const char *token, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, token);
    char *payload = strchr(copy, '.') + 4;

    *payload = *payload == 'A' ? 'B' : 'A';
    return copy;
}

static void *use_keys(void *data)
{
    shared_t *shared = data;
    apr_pool_t *p;
    int n;

    apr_pool_create_unmanaged(&p);
    for (n = 0; n < ROUNDS; n++) {
        bearer_jwks_t *set = take(shared);
        const char *token = shared->tokens[n % KINDS];

        CHECK(verify(shared, set, token, p) == BEARER_OK);
        CHECK(verify(shared, set, forged(token, p), p) == BEARER_SIGNATURE);
        CHECK(is_digested(shared, token));
        bearer_jwks_release(set);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

static void *exchange_keys(void *data)
{
    shared_t *shared = data;
    apr_pool_t *p;

    apr_pool_create_unmanaged(&p);
    while (!atomic_load(&shared->stop)) {
        bearer_jwks_t *set = parse(shared, p), *old;

        pthread_mutex_lock(&shared->mutex);
        old = shared->set;
        shared->set = set;
        pthread_mutex_unlock(&shared->mutex);
        bearer_jwks_release(old);
        apr_pool_clear(p);
        usleep(300);
    }
    apr_pool_destroy(p);
    return NULL;
}

/* ---- tenants ------------------------------------------------------------- */

static void put(const shared_t *shared, int n)
{
    char name[200];
    FILE *out;

    snprintf(name, sizeof(name), "%s.new", shared->path);
    out = fopen(name, "w");
    CHECK(out);
    if (out) {
        fprintf(out, "always\n%.*s", n % 2 ? 10 : 0, "sometimes\n");
        fclose(out);
        CHECK(rename(name, shared->path) == 0);
    }
}

static void *use_tenants(void *data)
{
    shared_t *shared = data;
    bearer_issuer_t issuer;
    apr_pool_t *p;
    int n;

    memset(&issuer, 0, sizeof(issuer));
    issuer.tenants_file = shared->path;
    apr_pool_create_unmanaged(&p);
    for (n = 0; n < 10 * ROUNDS; n++) {
        const apr_array_header_t *list = bearer_tenants_get(shared->tenants, p);

        CHECK(bearer_issuer_tenant_admitted(&issuer, "always", list));
        CHECK(!bearer_issuer_tenant_admitted(&issuer, "never", list));
        if (n % 100 == 0) {
            atomic_fetch_add(&clock_now, apr_time_from_sec(6));
            apr_pool_clear(p);
        }
    }
    apr_pool_destroy(p);
    return NULL;
}

static void *change_tenants(void *data)
{
    shared_t *shared = data;
    int n;

    for (n = 0; !atomic_load(&shared->stop); n++) {
        put(shared, n);
        usleep(300);
    }
    return NULL;
}

/* ---- all together -------------------------------------------------------- */

static void run(shared_t *shared, void *(*use)(void *), void *(*change)(void *),
                const char *what)
{
    pthread_t users[THREADS], changer;
    int i;

    fprintf(stderr, "%s\n", what);
    atomic_store(&shared->stop, 0);
    pthread_create(&changer, NULL, change, shared);
    for (i = 0; i < THREADS; i++) {
        pthread_create(&users[i], NULL, use, shared);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(users[i], NULL);
    }
    atomic_store(&shared->stop, 1);
    pthread_join(changer, NULL);
}

static const char *sign(EVP_PKEY *key, const char *alg, const char *kid,
                        apr_pool_t *p)
{
    json_t *header = json_object();
    const char *error = NULL;
    char *token = NULL;

    json_object_set_new(header, "kid", json_string(kid));
    CHECK(bearer_jws_sign(&token, header, "{\"sub\":\"ann\"}", 13,
                          bearer_alg_find(alg), key, NULL, 0, &error, p)
          == APR_SUCCESS);
    json_decref(header);
    return token;
}

static void prepare(shared_t *shared, apr_pool_t *p)
{
    static const char *const algs[KINDS] = { "ES256", "EdDSA", "PS256" };
    EVP_PKEY *keys[KINDS] = { EVP_EC_gen("P-256"),
                              EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
                              EVP_RSA_gen(2048) };
    const char *document = "{\"keys\":[";
    int i;

    for (i = 0; i < KINDS; i++) {
        json_t *jwk = NULL;
        char *text;

        CHECK(bearer_jwk_from_pkey(&jwk, keys[i], 0, p) == APR_SUCCESS);
        json_object_set_new(jwk, "kid", json_string(algs[i]));
        text = json_dumps(jwk, 0);
        document = apr_pstrcat(p, document, i ? "," : "", text, NULL);
        free(text);
        shared->tokens[i] = sign(keys[i], algs[i], algs[i], p);
        EVP_PKEY_free(keys[i]);
    }
    shared->document = apr_pstrcat(p, document, "]}", NULL);
    shared->set = parse(shared, p);
    pthread_mutex_init(&shared->mutex, NULL);
    shared->path = apr_psprintf(p, "stress_keys.%ld", (long)getpid());
    put(shared, 0);
    CHECK(bearer_tenants_create(&shared->tenants, shared->path, &world, p)
          == APR_SUCCESS);
}

int main(void)
{
    static shared_t shared;
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    prepare(&shared, p);
    shared.headers = bearer_headers_create(p);
    CHECK(bearer_sha256_create(&shared.sha256, p) == APR_SUCCESS);
    run(&shared, use_keys, exchange_keys, "key sets");
    run(&shared, use_tenants, change_tenants, "tenants");
    bearer_jwks_release(shared.set);
    unlink(shared.path);
    apr_pool_destroy(p);
    apr_terminate();
    return atomic_load(&wrong) ? 1 : 0;
}
