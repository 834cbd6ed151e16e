/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What the signatures of some tokens cost with OpenSSL and nothing around it:
 *
 *     verify KEY.pem ALG TOKENS SECONDS THREADS
 *
 * One token a line. Each is verified once per round, by EVP_DigestVerify over
 * its signing input: the digest of its text, then the key. THREADS do that at
 * the same time, so that the processor is as busy as under a server. Prints two
 * figures, microseconds of CPU per token: with a context that is set up for each
 * (EVP_DigestVerifyInit), and with one that is copied from one set up before.
 * Splitting the tokens and decoding base64url is done before the clock starts.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ecdsa.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct token_t {
    char *text;
    size_t input_len, signature_len;
    unsigned char signature[1024];
} token_t;

typedef struct work_t {
    pthread_t thread;
    int copied;
    double cpu_us;
} work_t;

static token_t *tokens;
static size_t count;
static EVP_PKEY *key;
static const EVP_MD *md;
static const char *algorithm;
static double seconds;

static void die(const char *what)
{
    fprintf(stderr, "verify: %s\n", what);
    exit(2);
}

static size_t decode(unsigned char *out, const char *in, size_t len)
{
    char text[2048];
    size_t i, padded = (len + 3) / 4 * 4;
    int n;

    for (i = 0; i < padded; i++) {
        text[i] = i >= len ? '=' : in[i] == '-' ? '+' : in[i] == '_' ? '/' : in[i];
    }
    n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)padded);
    if (n < 0) {
        die("a signature is not base64url");
    }
    return (size_t)n - (padded - len);
}

/* R || S, as in a token, into the DER that OpenSSL wants. */
static size_t to_der(unsigned char *raw, size_t len)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *out = raw;
    int half = (int)len / 2;

    ECDSA_SIG_set0(sig, BN_bin2bn(raw, half, NULL),
                   BN_bin2bn(raw + half, half, NULL));
    len = (size_t)i2d_ECDSA_SIG(sig, &out);
    ECDSA_SIG_free(sig);
    return len;
}

static void read_tokens(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[8192];

    while (file && count < 2000 && fgets(line, sizeof(line), file)) {
        char *dot = strrchr(line, '.');
        token_t *t;

        line[strcspn(line, "\n")] = '\0';
        tokens = realloc(tokens, (count + 1) * sizeof(*tokens));
        t = &tokens[count++];
        t->text = strdup(line);
        t->input_len = (size_t)(dot - line);
        t->signature_len = decode(t->signature, dot + 1, strlen(dot + 1));
        if (strncmp(algorithm, "ES", 2) == 0) {
            t->signature_len = to_der(t->signature, t->signature_len);
        }
    }
    if (!count) {
        die("no tokens");
    }
}

static EVP_MD_CTX *set_up(EVP_MD_CTX *ctx)
{
    EVP_PKEY_CTX *inside;

    if (EVP_DigestVerifyInit(ctx, &inside, md, NULL, key) != 1
        || (*algorithm == 'P'
            && (EVP_PKEY_CTX_set_rsa_padding(inside, RSA_PKCS1_PSS_PADDING) != 1
                || EVP_PKEY_CTX_set_rsa_pss_saltlen(inside, RSA_PSS_SALTLEN_DIGEST)
                       != 1))) {
        die("the key does not fit");
    }
    return ctx;
}

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void *verify_all(void *work_)
{
    work_t *work = work_;
    EVP_MD_CTX *ready = set_up(EVP_MD_CTX_new()), *ctx = EVP_MD_CTX_new();
    double begin = cpu(), done = 0;
    size_t i;

    while (cpu() - begin < seconds * 1e6) {
        for (i = 0; i < count; i++, done++) {
            const token_t *t = &tokens[i];

            if (work->copied) {
                EVP_MD_CTX_copy_ex(ctx, ready);
            } else {
                EVP_MD_CTX_free(ctx);
                ctx = set_up(EVP_MD_CTX_new());
            }
            if (EVP_DigestVerify(ctx, t->signature, t->signature_len,
                                 (const unsigned char *)t->text, t->input_len)
                != 1) {
                die("a signature is wrong");
            }
        }
    }
    work->cpu_us = (cpu() - begin) / done;
    EVP_MD_CTX_free(ctx);
    EVP_MD_CTX_free(ready);
    return NULL;
}

static double measure(int copied, int threads)
{
    work_t work[64];
    double sum = 0;
    int i;

    for (i = 0; i < threads; i++) {
        work[i].copied = copied;
        pthread_create(&work[i].thread, NULL, verify_all, &work[i]);
    }
    for (i = 0; i < threads; i++) {
        pthread_join(work[i].thread, NULL);
        sum += work[i].cpu_us;
    }
    return sum / threads;
}

int main(int argc, char **argv)
{
    int threads = argc == 6 ? atoi(argv[5]) : 0;
    BIO *bio;

    if (threads < 1 || threads > 64) {
        die("KEY.pem ALG TOKENS SECONDS THREADS");
    }
    algorithm = argv[2];
    seconds = atof(argv[4]);
    bio = BIO_new_file(argv[1], "r");
    key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    if (!key) {
        die("the key cannot be read");
    }
    md = *algorithm == 'E' && algorithm[1] == 'd' ? NULL
                                                  : EVP_MD_fetch(NULL, "SHA256", NULL);
    read_tokens(argv[3]);
    printf("%.2f %.2f\n", measure(0, threads), measure(1, threads));
    return 0;
}
