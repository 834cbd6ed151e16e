/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Messages, limited input, output, and files with keys.
 */
#include "ht.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/b64url.h"
#include "base/text.h"
#include "jose/jws.h"

/* ---- messages ------------------------------------------------------------ */

static void say(const ht_call_t *call, const char *hint, const char *fmt,
                va_list args)
{
    const char *text = ht_own_words(call, apr_pvsprintf(call->p, fmt, args));

    if (hint) {
        fprintf(stderr, "htbearer %s: %s (see: htbearer help %s)\n",
                call->command->name, text, hint);
    } else {
        fprintf(stderr, "htbearer %s: %s\n", call->command->name, text);
    }
}

void ht_say(const ht_call_t *call, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(call, NULL, fmt, args);
    va_end(args);
}

void ht_say_line(void *call, const char *line)
{
    ht_say(call, "%s", line);
}

int ht_fail(const ht_call_t *call, int status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(call, NULL, fmt, args);
    va_end(args);
    return status;
}

int ht_usage(const ht_call_t *call, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(call, call->command->name, fmt, args);
    va_end(args);
    return HT_USAGE;
}

int ht_refused(const ht_call_t *call, bearer_reason_t reason,
               const bearer_refusal_t *why)
{
    return ht_fail(call, HT_REFUSED, "refused: %s: %s",
                   bearer_reason_name(reason),
                   why->detail ? why->detail : "no details");
}

/* ---- input --------------------------------------------------------------- */

typedef struct secret_t {
    void *data;
    apr_size_t size;
} secret_t;

static apr_status_t wipe_secret(void *data)
{
    secret_t *secret = data;

    OPENSSL_cleanse(secret->data, secret->size);
    return APR_SUCCESS;
}

static char *alloc_secret(apr_size_t size, apr_pool_t *p)
{
    secret_t *secret = apr_palloc(p, sizeof(*secret));

    secret->data = apr_palloc(p, size);
    secret->size = size;
    apr_pool_cleanup_register(p, secret, wipe_secret, apr_pool_cleanup_null);
    return secret->data;
}

static apr_size_t without_newline(const char *data, apr_size_t len)
{
    if (len && data[len - 1] == '\n') {
        len--;
        if (len && data[len - 1] == '\r') {
            len--;
        }
    }
    return len;
}

int ht_read_token(const ht_call_t *call, const char **token, apr_size_t *len)
{
    apr_size_t max = (apr_size_t)BEARER_TOKEN_MAX + 2;  /* a CRLF may follow */
    char *buffer = alloc_secret(max + 2, call->p);
    int error;

    if (isatty(STDIN_FILENO)) {
        ht_say(call, "waiting for a token on standard input");
    }
    *len = max + 1;
    error = bearer_text_read_fd(STDIN_FILENO, buffer, len);
    if (error) {
        return ht_fail(call, HT_USAGE, "standard input cannot be read: %s",
                       strerror(error));
    }
    *len = *len > max ? *len : without_newline(buffer, *len);
    if (*len > (apr_size_t)BEARER_TOKEN_MAX) {
        return ht_fail(call, HT_REFUSED, "refused: %s: the token is longer than %d bytes",
                       bearer_reason_name(BEARER_SIZE), BEARER_TOKEN_MAX);
    }
    buffer[*len] = '\0';
    *token = buffer;
    return HT_OK;
}

int ht_read_file(const ht_call_t *call, const char *path, apr_size_t max,
                 const char **data, apr_size_t *len)
{
    int is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char *buffer;
    int error;

    if (fd < 0) {
        return ht_fail(call, HT_USAGE, "%s: %s",
                       bearer_text_quote(call->p, path), strerror(errno));
    }
    buffer = alloc_secret(max + 2, call->p);
    *len = max + 1;
    error = bearer_text_read_fd(fd, buffer, len);
    if (!is_stdin) {
        close(fd);
    }
    if (error || *len > max) {
        return ht_fail(call, HT_USAGE, "%s: %s",
                       is_stdin ? "standard input"
                                : bearer_text_quote(call->p, path),
                       error ? strerror(error)
                             : apr_psprintf(call->p, "larger than %lu bytes",
                                            (unsigned long)max));
    }
    buffer[*len] = '\0';
    *data = buffer;
    return HT_OK;
}

/* ---- output -------------------------------------------------------------- */

int ht_write(const ht_call_t *call, const char *data, apr_size_t len)
{
    if (fwrite(data, 1, len, stdout) != len) {
        return ht_fail(call, HT_USAGE, "standard output cannot be written: %s",
                       strerror(errno));
    }
    return HT_OK;
}

char *ht_json_text(const json_t *value, apr_size_t *len, apr_pool_t *p)
{
    apr_size_t flags = JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY;
    char *text;

    *len = json_dumpb(value, NULL, 0, flags);
    text = alloc_secret(*len + 2, p);
    json_dumpb(value, text, *len, flags);
    text[(*len)++] = '\n';
    text[*len] = '\0';
    return text;
}

int ht_write_json(const ht_call_t *call, const json_t *value)
{
    apr_size_t len;
    const char *text = ht_json_text(value, &len, call->p);

    return ht_write(call, text, len);
}

int ht_report(const ht_call_t *call, const json_t *value,
              void (*tell)(FILE *out, const json_t *value, apr_pool_t *p))
{
    if (ht_has(call, "json")) {
        return ht_write_json(call, value);
    }
    tell(stdout, value, call->p);
    return HT_OK;
}

/* Returns a name next to path that cannot be guessed, so that no file can be placed
 * there in advance. */
static const char *name_beside(const char *path, apr_pool_t *p)
{
    unsigned char random[9];

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NULL;
    }
    return apr_pstrcat(p, path, ".",
                       bearer_b64url_encode(p, random, sizeof(random)), NULL);
}

/* Creates a complete file on disk under a new name, or no file. Returns 0, or errno. */
static int create_file(const char *path, int mode, const char *data,
                       apr_size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    int error;

    if (fd < 0) {
        return errno;
    }
    error = bearer_text_write_fd(fd, data, len);
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (close(fd) && !error) {
        error = errno;
    }
    if (error) {
        unlink(path);
    }
    return error;
}

int ht_create_json(const ht_call_t *call, const char *path, int mode,
                   int force, const json_t *value)
{
    apr_size_t len;
    const char *text = ht_json_text(value, &len, call->p);
    const char *target = force ? name_beside(path, call->p) : path;
    int error = target ? create_file(target, mode, text, len) : EIO;

    if (!error && force && rename(target, path)) {
        error = errno;
        unlink(target);
    }
    if (error == EEXIST) {
        return ht_fail(call, HT_USAGE, "%s already exists; --force replaces it",
                       bearer_text_quote(call->p, path));
    }
    if (error) {
        return ht_fail(call, HT_USAGE, "%s cannot be written: %s",
                       bearer_text_quote(call->p, path), strerror(error));
    }
    return HT_OK;
}

/* ---- secrets in JSON ----------------------------------------------------- */

/* The depth is limited: by the strict parser, or because this program built the value. */
static void wipe_strings(json_t *value)
{
    const char *name;
    json_t *member;
    size_t i;

    if (json_is_string(value)) {
        OPENSSL_cleanse((char *)(apr_uintptr_t)json_string_value(value),
                        json_string_length(value));
    }
    json_object_foreach(value, name, member) {
        wipe_strings(member);
    }
    json_array_foreach(value, i, member) {
        wipe_strings(member);
    }
}

static apr_status_t wipe_json(void *value)
{
    wipe_strings(value);
    json_decref(value);
    return APR_SUCCESS;
}

void ht_wipe_json(const ht_call_t *call, json_t *value)
{
    apr_pool_cleanup_register(call->p, json_incref(value), wipe_json,
                              apr_pool_cleanup_null);
}
