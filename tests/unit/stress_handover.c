/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Processes over the memory that handover.c keeps, which has no locks: whoever
 * looks must find a value whole, under its own key, or none. Some are killed in
 * the middle of it. A fixed number of rounds, a few seconds. Exit 0: nothing was
 * ever half of something.
 */
#include "httpd/handover.c"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETS 1
#define KEYS 24 /* more than there are slots */
#define CHILDREN 4
#define ROUNDS 6000

/* What the file needs of a server. */
module AP_MODULE_DECLARE_DATA auth_bearer_module;

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    fprintf(stderr, "%s\n", fmt);
}

static void key_of(unsigned char *key, int number)
{
    bearer_text_sha256(&number, sizeof(number), key);
}

/* All bytes of a value are the same, and say which key's it is. */
static void write_one(unsigned char *value, unsigned random)
{
    unsigned char key[BEARER_SHA256_SIZE];
    int number = (int)(random % KEYS);
    apr_size_t len = random % 3 ? 1 + random % 16000 : 20000 + random % 200000;

    key_of(key, number);
    memset(value, number + KEYS * (int)(random / 7 % 10), len);
    ab_handover_put(key, value, len,
                    apr_time_now() + apr_time_from_sec(random % 3600));
}

static int read_one(unsigned random, apr_pool_t *p)
{
    unsigned char key[BEARER_SHA256_SIZE], *value;
    int number = (int)(random % KEYS);
    apr_time_t expires;
    apr_size_t len, i;

    key_of(key, number);
    if (ab_handover_get(key, &value, &len, &expires, p) != APR_SUCCESS) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        if (value[i] != value[0] || value[i] % KEYS != number) {
            fprintf(stderr, "key %d: byte %lu of %lu is %d\n", number,
                    (unsigned long)i, (unsigned long)len, value[i]);
            exit(1);
        }
    }
    return 1;
}

static void work(unsigned seed, apr_pool_t *parent)
{
    unsigned char *value = malloc(AB_STORE_KEYS_MAX);
    unsigned char key[BEARER_SHA256_SIZE];
    apr_pool_t *p;
    int i, found = 0;

    apr_pool_create(&p, parent);
    for (i = 0; value && i < ROUNDS; i++) {
        seed = seed * 1103515245u + 12345u;
        switch ((seed >> 28) % 8) {
        case 0:
        case 1:
            write_one(value, seed >> 8);
            break;
        case 2:
            key_of(key, (int)((seed >> 8) % KEYS));
            ab_handover_remove(key);
            break;
        default:
            found += read_one(seed >> 8, p);
            apr_pool_clear(p);
            break;
        }
    }
    free(value);
    exit(found ? 0 : 2);
}

static pid_t begin(unsigned seed, apr_pool_t *p)
{
    pid_t pid = fork();

    if (pid == 0) {
        work(seed, p);
    }
    return pid;
}

/* One of them dies in the middle, again and again. */
static void kill_some(apr_pool_t *p)
{
    int i, status;

    for (i = 0; i < 50; i++) {
        pid_t pid = begin(1000u + (unsigned)i, p);

        usleep(2000);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
}

int main(void)
{
    process_rec process = {0};
    server_rec server = {0};
    apr_pool_t *p;
    int i, status, wrong = 0;

    apr_initialize();
    apr_pool_create(&p, NULL);
    process.pool = p;
    server.process = &process;
    if (ab_handover_create(SETS, p, &server) != APR_SUCCESS) {
        return 77;
    }
    for (i = 0; i < CHILDREN; i++) {
        begin((unsigned)i + 1, p);
    }
    kill_some(p);
    /* a configuration with more issuers comes meanwhile */
    ab_handover_create(2 * SETS, p, &server);
    for (i = 0; i < 200; i++) {
        static unsigned char value[AB_STORE_KEYS_MAX];

        write_one(value, (unsigned)i * 16 * 31 + 1);
        read_one((unsigned)i, p);
    }
    while (wait(&status) > 0) {
        wrong |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    printf("%s\n", wrong ? "something is wrong" : "nothing found");
    return wrong;
}
