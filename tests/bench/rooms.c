/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What single rooms of the library cost a request, in processor time of this
 * thread: revocations with 100,000 entries, the throttle with 100,000 addresses,
 * and one RS256 and one ES256 verification for comparison. See rooms.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "state/revocation.h"
#include "base/text.h"
#include "state/throttle.h"

#define ENTRIES 100000
#define ROUNDS 200000
#define TOKEN_SIZE 800

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Of some runs the best: what else the machine does only ever adds. */
#define RUNS 5
static double best;

static void took(double start, unsigned rounds)
{
    double each = (now_ns() - start) / rounds / 1000;

    best = best == 0 || each < best ? each : best;
}

static void print(const char *what)
{
    printf("%-56s %8.3f us\n", what, best);
    best = 0;
}

static apr_time_t clock_of(void *baton)
{
    (void)baton;
    return apr_time_now();
}

static apr_status_t random_of(void *baton, unsigned char *bytes, apr_size_t len)
{
    (void)baton;
    return apr_generate_random_bytes(bytes, len);
}

/* ---- revocations --------------------------------------------------------- */

/** The beginning of a digest, as even as one; no two of them are the same. */
#define SPREAD(i) ((i) * 2654435761u)

static bearer_revocation_t *revocations(const bearer_world_t *world,
                                        const char *path, unsigned entries,
                                        apr_pool_t *p)
{
    bearer_revocation_t *list;
    FILE *file = fopen(path, "w");
    unsigned i;

    for (i = 0; file && i < entries; i++) {
        fprintf(file, "%s %08x%056x 0\n", i % 2 ? "jti" : "token", SPREAD(i), i);
    }
    if (!file || fclose(file)
        || bearer_revocation_create(&list, path, world, p) != APR_SUCCESS) {
        perror(path);
        exit(1);
    }
    return list;
}

/* A token seen before comes with its digest; a new one's is worked out. */
static unsigned ask(bearer_revocation_t *list, char *token, int known,
                    apr_pool_t *request)
{
    unsigned char digest[BEARER_SHA256_SIZE];
    unsigned i, wrong = 0;
    double start = now_ns();

    memset(digest, 0xff, sizeof(digest));  /* the list's go on with zeros */
    for (i = 0; i < ROUNDS; i++) {
        const unsigned first = SPREAD(i);
        char jti[16];

        snprintf(jti, sizeof(jti), "jti-%u", i);
        memcpy(digest, &first, sizeof(first));
        if (!known) {
            token[40 + i % 400] ^= 1;
            bearer_revocation_token_digest(NULL, digest, token, TOKEN_SIZE);
        }
        wrong += bearer_revocation_ask(list, "https://idp.example.com/", jti,
                                       digest, NULL, request) != BEARER_OK;
        apr_pool_clear(request);
    }
    took(start, ROUNDS);
    return wrong;
}

static void ask_all(const bearer_world_t *world, unsigned entries, apr_pool_t *p)
{
    char *path = apr_psprintf(p, "/tmp/auth_bearer_rooms.%d", (int)getpid());
    bearer_revocation_t *list = revocations(world, path, entries, p);
    char *token = apr_palloc(p, TOKEN_SIZE + 1);
    apr_pool_t *request;
    unsigned wrong = 0;
    int known, i;

    memset(token, 'A', TOKEN_SIZE);
    token[TOKEN_SIZE] = '\0';
    token[36] = token[TOKEN_SIZE - 343] = '.';
    apr_pool_create(&request, p);
    for (known = 1; known >= 0; known--) {
        for (i = 0; i < RUNS; i++) {
            wrong += ask(list, token, known, request);
        }
        print(apr_psprintf(p, "revocations, %u entries, a %s token", entries,
                           known ? "known" : "new"));
    }
    if (wrong) {
        printf("  (%u wrong answers)\n", wrong);
    }
    unlink(path);
}

/* ---- the throttle -------------------------------------------------------- */

static void address(unsigned char *key, unsigned i)
{
    char ip[20];

    snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
    bearer_throttle_address(key, ip);
}

static void throttle(const bearer_world_t *world, apr_pool_t *p)
{
    bearer_throttle_settings_t settings = { .on = 1, .threshold = 20,
                                            .window = apr_time_from_sec(3600),
                                            .penalty = apr_time_from_sec(3600) };
    apr_size_t size = bearer_throttle_size(ENTRIES);
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    unsigned char key[BEARER_THROTTLE_KEY_SIZE];
    bearer_throttle_t *table;
    unsigned i, penalised, used, waits = 0;
    double start;

    memset(block, 0, size);
    if (bearer_throttle_attach(&table, block, size, ENTRIES, world, p)
        != APR_SUCCESS) {
        exit(1);
    }
    start = now_ns();
    for (i = 0; i < ENTRIES; i++) {
        bearer_throttle_token_t token = { i + 1, 1 };

        address(key, i);
        bearer_throttle_failure(table, key, &token, BEARER_SIGNATURE, &settings,
                                apr_time_now());
    }
    took(start, ENTRIES);
    print("throttle, a failure counted, each a new address");
    bearer_throttle_stats(table, apr_time_now(), &penalised, &used);
    printf("  (%u addresses remembered, %.1f MB)\n", used, (double)size / 1e6);
    start = now_ns();
    for (i = 0; i < ROUNDS; i++) {
        address(key, i * 7919 % ENTRIES);
        waits += bearer_throttle_check(table, key, apr_time_now()) != 0;
    }
    took(start, ROUNDS);
    print("throttle, the question of every request");
    start = now_ns();
    for (i = 0; i < ENTRIES; i++) {
        address(key, i * 7919 % ENTRIES);
        bearer_throttle_success(table, key, apr_time_now());
    }
    took(start, ENTRIES);
    print("throttle, a success that clears a count");
    if (waits) {
        printf("  (%u wrong answers)\n", waits);
    }
    free(block);
}

/* ---- one verification ----------------------------------------------------- */

static void verify(const char *what, EVP_PKEY *pkey)
{
    static const unsigned char data[457];
    EVP_MD_CTX *sign = EVP_MD_CTX_new();
    unsigned char sig[512];
    size_t len = sizeof(sig);
    unsigned i, bad = 0;
    double start;

    EVP_DigestSignInit(sign, NULL, EVP_sha256(), NULL, pkey);
    EVP_DigestSign(sign, sig, &len, data, sizeof(data));
    EVP_MD_CTX_free(sign);
    start = now_ns();
    for (i = 0; i < 10000; i++) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey);
        bad += EVP_DigestVerify(ctx, sig, len, data, sizeof(data)) != 1;
        EVP_MD_CTX_free(ctx);
    }
    took(start, 10000);
    print(what);
    if (bad) {
        printf("  (%u not verified)\n", bad);
    }
    EVP_PKEY_free(pkey);
}

int main(void)
{
    bearer_world_t world = { 0 };
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    world.now = clock_of;
    world.random = random_of;
    ask_all(&world, 0, p);
    ask_all(&world, ENTRIES, p);
    throttle(&world, p);
    verify("one RS256 verification (OpenSSL alone)", EVP_RSA_gen(2048));
    verify("one ES256 verification (OpenSSL alone)", EVP_EC_gen("P-256"));
    apr_terminate();
    return 0;
}
