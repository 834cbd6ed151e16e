/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Functions for untrusted strings. See text.h. This file keeps no state.
 */
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <apr_escape.h>
#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

/** Maximum length in bytes of a list in a log line, before "...". */
#define LIST_MAX 384

static const char hex_digits[] = "0123456789abcdef";

/* ---- for the log ------------------------------------------------------- */

/* An apostrophe within a word, as in texts of other libraries, does not end a value. */
static int is_apostrophe(const char *s, apr_size_t len, apr_size_t i)
{
    return s[i] == '\'' && i > 0 && i + 1 < len && apr_isalpha(s[i - 1])
           && apr_isalpha(s[i + 1]);
}

static char *put_escaped(char *out, const char *s, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if ((c >= 0x20 && c < 0x7f && !strchr("'\"\\", c)) || is_apostrophe(s, len, i)) {
            *out++ = (char)c;
        } else {
            *out++ = '%';
            *out++ = hex_digits[c >> 4];
            *out++ = hex_digits[c & 15];
        }
    }
    return out;
}

static const char *quote(apr_pool_t *p, const char *s, apr_size_t len, apr_size_t most)
{
    apr_size_t shown = len > most ? most : len;
    char *quoted, *out;

    if (!s) {
        return "(none)";
    }
    out = quoted = apr_palloc(p, 3 * shown + sizeof("''..."));
    *out++ = '\'';
    out = put_escaped(out, s, shown);
    *out++ = '\'';
    apr_cpystrn(out, shown < len ? "..." : "", sizeof("..."));
    return quoted;
}

const char *bearer_text_quote_n(apr_pool_t *p, const char *s, apr_size_t len)
{
    return quote(p, s, len, BEARER_QUOTE_MAX);
}

const char *bearer_text_quote_long(apr_pool_t *p, const char *s)
{
    return quote(p, s, s ? strlen(s) : 0, BEARER_QUOTE_LONG_MAX);
}

int bearer_text_repeats(const char *s, const char *secret, apr_size_t len)
{
    char beginning[17];

    apr_cpystrn(beginning, secret, len < sizeof(beginning) ? len + 1 : sizeof(beginning));
    return *beginning && strstr(s, beginning) != NULL;
}

const char *bearer_text_quote(apr_pool_t *p, const char *s)
{
    return bearer_text_quote_n(p, s, s ? strlen(s) : 0);
}

const char *bearer_text_quote_list(apr_pool_t *p, const apr_array_header_t *list)
{
    char *line = apr_palloc(p, LIST_MAX + 4 * BEARER_QUOTE_MAX + 16);
    char *out = line;
    int i;

    *out++ = '(';
    for (i = 0; list && i < list->nelts; i++) {
        const char *s = APR_ARRAY_IDX(list, i, const char *);
        apr_size_t len = strlen(s);

        out = apr_cpystrn(out, i ? ", " : "", sizeof(", "));
        if (out - line > LIST_MAX) {
            out = apr_cpystrn(out, "...", sizeof("..."));
            break;
        }
        out = put_escaped(out, s, len > BEARER_QUOTE_MAX ? BEARER_QUOTE_MAX : len);
        out = apr_cpystrn(out, len > BEARER_QUOTE_MAX ? "..." : "", sizeof("..."));
    }
    *out++ = ')';
    *out = '\0';
    return line;
}

const char *bearer_text_hex(apr_pool_t *p, const void *data, apr_size_t len)
{
    return apr_pescape_hex(p, data, len, 0);
}

const char *bearer_text_status(apr_pool_t *p, apr_status_t status)
{
    char text[128];

    return apr_pstrdup(p, apr_strerror(status, text, sizeof(text)));
}

int bearer_text_has_control(const char *s, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
            return 1;
        }
    }
    return 0;
}

const char *bearer_text_fingerprint(apr_pool_t *p, const void *data, apr_size_t len)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    return bearer_text_sha256(data, len, digest) == APR_SUCCESS
        ? bearer_text_hex(p, digest, 4) : "????????";
}

/* ---- digests and comparison -------------------------------------------- */

apr_status_t bearer_text_sha256(const void *data, apr_size_t len, unsigned char *out)
{
    /* NULL with length 0 means the empty string here, but is an error to some providers */
    return EVP_Digest(data ? data : "", len, out, NULL, EVP_sha256(), NULL) == 1
        ? APR_SUCCESS : APR_EGENERAL;
}

int bearer_text_equal_ct(const void *a, const void *b, apr_size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

int bearer_text_same_ct(const char *a, const char *b)
{
    apr_size_t len = strlen(a);

    return len == strlen(b) && bearer_text_equal_ct(a, b, len);
}

/* ---- escapes (RFC 3986 section 2.1, forms) ------------------------------ */

int bearer_text_hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

int bearer_text_form_next(const char **s, const char *end)
{
    int high, low, c = (unsigned char)*(*s)++;

    if (c != '%') {
        return c == '+' ? ' ' : c ? c : -1;
    }
    if (end - *s < 2) {
        return -1;
    }
    high = bearer_text_hex_digit((*s)[0]);
    low = bearer_text_hex_digit((*s)[1]);
    *s += 2;
    c = high < 0 || low < 0 ? -1 : high * 16 + low;
    return c == 0 ? -1 : c;
}

char *bearer_text_form_decode(apr_pool_t *p, const char *s, apr_size_t len)
{
    char *plain = apr_palloc(p, len + 1), *out = plain;
    const char *end = s + len;

    while (s < end) {
        int c = bearer_text_form_next(&s, end);

        if (c < 0) {
            return NULL;
        }
        *out++ = (char)c;
    }
    *out = '\0';
    return plain;
}

/* ---- UTF-8 (RFC 3629) -------------------------------------------------- */

/** The result of next_point() for invalid octets. */
#define NO_POINT UINT_MAX

/* Reads one code point and advances *s, which is before end. Overlong forms,
 * surrogates and values above U+10FFFF are invalid. end may be NULL if the text
 * ends with a NUL. */
static unsigned next_point(const char **s, const char *end)
{
    static const unsigned least[] = { 0, 0x80, 0x800, 0x10000 };
    unsigned code = (unsigned char)*(*s)++;
    const unsigned more = code < 0xc0 || code > 0xf4 ? 0 : code < 0xe0 ? 1
                                                  : code < 0xf0        ? 2 : 3;
    unsigned i;

    if (code < 0x80) {
        return code;
    }
    code &= 0x3fU >> more;
    for (i = 0; i < more; i++) {
        if (*s == end || (**s & 0xc0) != 0x80) {
            return NO_POINT;
        }
        code = code << 6 | ((unsigned char)*(*s)++ & 0x3fU);
    }
    return !more || code < least[more] || (code >= 0xd800 && code <= 0xdfff)
        || code > 0x10ffff ? NO_POINT : code;
}

int bearer_text_is_utf8(const char *s, apr_size_t len)
{
    const char *end = s + len;

    while (s < end) {
        if (next_point(&s, end) == NO_POINT) {
            return 0;
        }
    }
    return 1;
}

/* ---- tokens ------------------------------------------------------------- */

/* Checks 16 bytes at once (gcc and clang), because this runs for each token. */
typedef unsigned char block_t __attribute__((vector_size(16)));

static int is_b64token_block(const char *s)
{
    block_t c, good;
    uint64_t half[2];

    memcpy(&c, s, sizeof(c));
    /* from `-` to `9` there are - . / and the digits */
    good = (block_t)(((c | 0x20) - 'a' < 26) | (c - '-' < 13) | (c == '_')
                     | (c == '~') | (c == '+'));
    memcpy(half, &good, sizeof(half));
    return (half[0] & half[1]) == UINT64_MAX;
}

apr_size_t bearer_text_b64token(const char *s, apr_size_t len)
{
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    apr_size_t n = 0;

    while (n + sizeof(block_t) <= len && is_b64token_block(s + n)) {
        n += sizeof(block_t);
    }
    while (n < len && s[n] && strchr(characters, s[n])) {
        n++;
    }
    if (n) {
        while (n < len && s[n] == '=') {
            n++;
        }
    }
    return n;
}

int bearer_text_is_scope(const char *s)
{
    const char *c;

    for (c = s; *c > ' ' && *c < 0x7f && *c != '"' && *c != '\\'; c++) {
    }
    return c > s && !*c;
}

int bearer_text_is_token(const char *s)
{
    apr_size_t n = strspn(s, "!#$%&'*+-.^_`|~0123456789"
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return n > 0 && s[n] == '\0';
}

/* ---- lists and identifiers --------------------------------------------- */

apr_array_header_t *bearer_text_split(apr_pool_t *p, const char *text,
                                      const char *separators)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(const char *));
    char *rest, *word = apr_strtok(apr_pstrdup(p, text), separators, &rest);

    for (; word; word = apr_strtok(NULL, separators, &rest)) {
        APR_ARRAY_PUSH(words, const char *) = word;
    }
    return words;
}

int bearer_text_among(const apr_array_header_t *list, const char *s)
{
    int i;

    for (i = 0; list && s && i < list->nelts; i++) {
        const char *one = APR_ARRAY_IDX(list, i, const char *);

        if (*one == *s && strcmp(one, s) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Unicode White_Space; the control characters among them never get here. */
static int is_space(unsigned c)
{
    return c == 0x20 || c == 0xa0 || c == 0x1680
           || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029
           || c == 0x202f || c == 0x205f || c == 0x3000;
}

static int is_control(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

static const char *character_error(unsigned c, int printable)
{
    if (is_control(c)) {
        return "it contains a control character";
    }
    if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) {
        return "it contains a bidirectional control character";
    }
    if (!printable && (c == ',' || c == ';' || c == '=')) {
        return "it contains one of , ; = (AuthBearerUserChars printable allows them)";
    }
    return NULL;
}

const char *bearer_text_html(apr_pool_t *p, const char *s)
{
    char *out = apr_palloc(p, 5 * strlen(s) + 1), *to = out;  /* `&#34;` */

    while (*s) {
        const unsigned c = next_point(&s, NULL);

        if (c == NO_POINT || is_control(c)) {
            *to++ = '?';
        } else if (c > '~' || strchr("&<>\"'", (int)c)) {
            to += apr_snprintf(to, sizeof("&#1114111;"), "&#%u;", c);
        } else {
            *to++ = (char)c;
        }
    }
    *to = '\0';
    return out;
}

const char *bearer_text_identifier_error(const char *s, apr_size_t len, int printable)
{
    const char *end = s + len, *start = s;
    unsigned c = 0;

    if (len == 0) {
        return "it is empty";
    }
    if (len > 256) {
        return "it is longer than 256 bytes";
    }
    if (!bearer_text_is_utf8(s, len)) {
        return "it is not valid UTF-8";
    }
    while (s < end) {
        int first = s == start;
        const char *error;

        c = next_point(&s, end);
        error = character_error(c, printable);
        if (error) {
            return error;
        }
        if (first && is_space(c)) {
            return "it begins with white space";
        }
    }
    return is_space(c) ? "it ends with white space" : NULL;
}

const char *bearer_text_member_error(const char *s, char separator)
{
    const char *start = s, *plain;
    int blank = 0;

    for (;;) {
        unsigned c;

        for (plain = s; *s > ' ' && *s < 0x7f && *s != separator; s++) {
        }
        if (!*s) {
            return blank && s == plain ? "it ends with white space" : NULL;
        }
        plain = s;
        c = next_point(&s, NULL);
        blank = is_space(c) || c == 0xfeff;  /* a BOM, for JavaScript's trim() */
        if (c == NO_POINT) {
            return "it is not valid UTF-8";
        }
        if (is_control(c)) {
            return "it has a control character";
        }
        if (blank && separator == ' ') {
            return "it has white space";
        }
        if (blank && plain == start) {
            return "it begins with white space";
        }
        if (c == (unsigned char)separator) {
            return "it has " BEARER_NAMES_SEPARATOR_IS ", which separates names";
        }
    }
}

/* ---- files ------------------------------------------------------------- */

int bearer_text_read_fd(int fd, char *to, apr_size_t *len)
{
    apr_size_t got = 0;
    ssize_t n = 1;

    while (n && got < *len) {
        n = read(fd, to + got, *len - got);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        got += n > 0 ? (apr_size_t)n : 0;
    }
    *len = got;
    return 0;
}

int bearer_text_write_fd(int fd, const char *data, apr_size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            data += n;
            len -= (apr_size_t)n;
        }
    }
    return 0;
}

static apr_status_t read_file(const char **data, apr_size_t *len, const char *path,
                              apr_size_t max, apr_pool_t *p)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t size = max, got = 0;
    char *buffer;
    apr_status_t rv;

    *data = NULL;
    *len = 0;
    rv = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY,
                       APR_FPROT_OS_DEFAULT, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_TYPE, file);
    if (rv == APR_SUCCESS && info.filetype == APR_DIR) {
        rv = APR_EACCES;
    }
    if (rv == APR_SUCCESS) {
        if (info.filetype == APR_REG && info.size < (apr_off_t)max) {
            size = (apr_size_t)info.size;
        }
        /* reads one byte more than allowed to detect a file that is too large,
         * also for a pipe or a growing file */
        buffer = apr_palloc(p, size + 2);
        rv = apr_file_read_full(file, buffer, size + 1, &got);
        if (rv == APR_SUCCESS) {
            rv = APR_ENOSPC;
        } else if (APR_STATUS_IS_EOF(rv)) {
            buffer[got] = '\0';
            *data = buffer;
            *len = got;
            rv = APR_SUCCESS;
        }
    }
    apr_file_close(file);
    return rv;
}

apr_status_t bearer_text_read_file(const char **data, apr_size_t *len,
                                   const char *path, apr_size_t max,
                                   const char **error, apr_pool_t *p)
{
    apr_status_t rv = read_file(data, len, path, max, p);

    if (rv == APR_ENOSPC) {
        *error = apr_psprintf(p, "it is larger than %" APR_SIZE_T_FMT " bytes", max);
    } else if (rv != APR_SUCCESS) {
        *error = apr_pstrcat(p, "it cannot be read: ", bearer_text_status(p, rv), NULL);
    }
    return rv;
}
