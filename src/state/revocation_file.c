/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Reading the revocation list's file and its lines.
 */
#include "state/revocation_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "base/text.h"
#include "state/revocation.h"

/* More digits are not a date: they exceed the year 30,000,000. */
#define UNTIL_DIGITS_MAX 15

/* ---- lines --------------------------------------------------------------- */

static const char *const words[] = {
    "",
#define X(kind, word) word,
    BEARER_REVOCATIONS(X)
#undef X
};

const char *bearer_revocation_word(bearer_revocation_kind_t kind)
{
    return words[kind];
}

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t')) {
        s++;
    }
    return s;
}

/* Each takes one field and the spaces after it from *s, or returns 0. The byte at
 * `end` is a line feed. */

static int take_blanks(const char **s, const char *end)
{
    const char *begin = *s;

    *s = skip_blanks(begin, end);
    return *s > begin;
}

static int take_kind(bearer_revocation_kind_t *kind, const char **s,
                     const char *end)
{
    int i;

    for (i = BEARER_REVOCATION_TOKEN; i < BEARER_REVOCATION_BAD; i++) {
        const size_t len = strlen(words[i]);

        if ((size_t)(end - *s) > len && memcmp(*s, words[i], len) == 0) {
            *kind = (bearer_revocation_kind_t)i;
            *s += len;
            return take_blanks(s, end);
        }
    }
    return 0;
}

static int take_digest(unsigned char *digest, const char **s, const char *end)
{
    int i;

    if (end - *s <= 2 * BEARER_SHA256_SIZE) {
        return 0;
    }
    for (i = 0; i < BEARER_SHA256_SIZE; i++) {
        const int high = bearer_text_hex_digit((*s)[2 * i]);
        const int low = bearer_text_hex_digit((*s)[2 * i + 1]);

        if (high < 0 || low < 0) {
            return 0;
        }
        digest[i] = (unsigned char)(high << 4 | low);
    }
    *s += 2 * BEARER_SHA256_SIZE;
    return take_blanks(s, end);
}

static int take_until(apr_int64_t *until, const char **s, const char *end)
{
    const size_t digits = strspn(*s, "0123456789");

    *until = digits ? apr_strtoi64(*s, NULL, 10) : 0;
    *s = skip_blanks(*s + digits, end);
    return digits > 0 && digits <= UNTIL_DIGITS_MAX;
}

/* Finds entries that are well-formed but revoke nothing. */
static const char *mistake_in(const bearer_revocation_line_t *line)
{
    /* SHA-256 of empty input and of a line feed: from a command without its input */
    static const unsigned char nothings[2][BEARER_SHA256_SIZE] = {
        { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
          0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
          0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55 },
        { 0x01, 0xba, 0x47, 0x19, 0xc8, 0x0b, 0x6f, 0xe9, 0x11, 0xb0, 0x91,
          0xa7, 0xc0, 0x51, 0x24, 0xb6, 0x4e, 0xee, 0xce, 0x96, 0x4e, 0x09,
          0xc0, 0x58, 0xef, 0x8f, 0x98, 0x05, 0xda, 0xca, 0x54, 0x6b }
    };

    if (line->until && line->until < BEARER_REVOCATION_UNTIL_MIN) {
        return "UNTIL is before 2001; write seconds since 1970, or 0 for never";
    }
    return !memcmp(line->digest, nothings[0], BEARER_SHA256_SIZE)
                   || !memcmp(line->digest, nothings[1], BEARER_SHA256_SIZE)
               ? "the SHA-256 is not of a token; write the entry with htbearer revoke"
               : NULL;
}

static bearer_revocation_kind_t parse_line(bearer_revocation_line_t *line,
                                           const char *end, const char **wrong)
{
    const char *s = skip_blanks(line->start, end);
    bearer_revocation_kind_t kind;

    if (s == end || *s == '#') {
        return BEARER_REVOCATION_NOTHING;
    }
    if (!take_kind(&kind, &s, end) || !take_digest(line->digest, &s, end)
        || !take_until(&line->until, &s, end) || s != end) {
        *wrong = "expected `token SHA256-HEX UNTIL` or `jti SHA256-HEX UNTIL`";
    } else {
        *wrong = mistake_in(line);
    }
    return *wrong ? BEARER_REVOCATION_BAD : kind;
}

int bearer_revocation_file_next(bearer_revocation_text_t *text,
                                bearer_revocation_line_t *line, char *error)
{
    /* "UNTIL" may be truncated */
    const char *wrong = "the line feed is missing, so the file may be incomplete", *end;

    if (text->at >= text->len) {
        return 0;
    }
    line->start = text->text + text->at;
    end = memchr(line->start, '\n', text->len - text->at);
    line->len = end ? (apr_size_t)(end - line->start) + 1 : text->len - text->at;
    line->kind = end ? parse_line(line, end, &wrong) : BEARER_REVOCATION_BAD;
    text->at += line->len;
    text->line++;
    if (line->kind == BEARER_REVOCATION_BAD) {
        snprintf(error, BEARER_REVOCATION_ERROR_SIZE, "line %u: %s", text->line, wrong);
    }
    return 1;
}

int bearer_revocation_is_live(apr_int64_t until, apr_time_t now)
{
    return until == 0
           || apr_time_sec(now)
                  < until + apr_time_sec(BEARER_REVOCATION_GRACE);
}

apr_status_t bearer_revocation_jti_digest(bearer_sha256_t *sha256,
                                          unsigned char *digest,
                                          const char *iss, const char *jti)
{
    const bearer_sha256_piece_t pieces[] = {
        { iss, strlen(iss) + 1 }, { jti, strlen(jti) }
    };

    return bearer_sha256_of(sha256, digest, pieces, 2);
}

/* Returns the position after the next dot; NULL: there is none, or was none before. */
static const char *next_dot(const char *from, const char *end)
{
    const char *dot = from ? memchr(from, '.', (apr_size_t)(end - from)) : NULL;

    return dot ? dot + 1 : NULL;
}

apr_status_t bearer_revocation_token_digest(bearer_sha256_t *sha256,
                                            unsigned char *digest,
                                            const char *token, apr_size_t len)
{
    bearer_sha256_piece_t signed_part = { token, len };
    const char *end = token + len;
    const char *first = next_dot(token, end), *second = next_dot(first, end);

    if (second && !next_dot(second, end)) {
        signed_part.len = (apr_size_t)(second - 1 - token);
    }
    return bearer_sha256_of(sha256, digest, &signed_part, 1);
}

const char *bearer_revocation_token_id(bearer_sha256_t *sha256, const char *token,
                                       apr_size_t len, apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    return bearer_revocation_token_digest(sha256, digest, token, len) == APR_SUCCESS
               ? bearer_text_hex(p, digest, BEARER_REVOCATION_ID_SIZE)
               : "";
}

/* ---- the file ------------------------------------------------------------ */

static apr_status_t fail(char *error, const char *what, int code)
{
    char reason[BEARER_REVOCATION_ERROR_SIZE / 2];

    snprintf(error, BEARER_REVOCATION_ERROR_SIZE, "%s: %s", what,
             apr_strerror(code, reason, sizeof(reason)));
    return code;
}

/* Returns 1 if the file did not change while it was read, so that the data is
 * consistent. */
static int is_as_before(const struct stat *st, int fd)
{
    struct stat now;

    return fstat(fd, &now) == 0 && now.st_size == st->st_size
           && now.st_mtim.tv_sec == st->st_mtim.tv_sec
           && now.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

static apr_status_t read_open_file(bearer_revocation_text_t *text,
                                   struct stat *st, int fd, char *error)
{
    size_t len;
    int rv;

    if (fstat(fd, st) != 0) {
        return fail(error, "it cannot be examined", errno);
    }
    if (!S_ISREG(st->st_mode)) {
        apr_cpystrn(error, "it is not a regular file", BEARER_REVOCATION_ERROR_SIZE);
        return APR_EGENERAL;
    }
    if (st->st_size > BEARER_REVOCATION_MAX) {
        snprintf(error, BEARER_REVOCATION_ERROR_SIZE,
                 "it is larger than %d bytes", BEARER_REVOCATION_MAX);
        return APR_ENOSPC;
    }
    len = (size_t)st->st_size;
    text->text = malloc(len + 1);
    if (!text->text) {
        return fail(error, "it cannot be read", ENOMEM);
    }
    rv = bearer_text_read_fd(fd, text->text, &len);
    if (rv == 0 && is_as_before(st, fd)) {
        text->len = len;
        return APR_SUCCESS;
    }
    free(text->text);
    text->text = NULL;
    if (rv != 0) {
        return fail(error, "it cannot be read", rv);
    }
    apr_cpystrn(error, "it was written to while it was read", BEARER_REVOCATION_ERROR_SIZE);
    return APR_EAGAIN;
}

apr_status_t bearer_revocation_file_read(bearer_revocation_text_t *text,
                                         struct stat *st, const char *path,
                                         char *error)
{
    apr_status_t rv;
    int fd;

    memset(text, 0, sizeof(*text));
    /* O_NONBLOCK: a fifo must not block */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return fail(error, "it cannot be opened", errno);
    }
    rv = read_open_file(text, st, fd, error);
    close(fd);
    return rv;
}
