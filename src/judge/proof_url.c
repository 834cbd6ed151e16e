/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The URL of a request, in one form. See bearer_proof_url() in proof.h. Two spellings of
 * one resource become equal; two resources never do, except wss and https, which differ
 * only in what follows the handshake.
 */
#include "judge/proof.h"

#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/text.h"

/** RFC 3986 section 3.3: pchar without unreserved and percent encoding, and the slash. */
#define PATH_CHARS "!$&'()*+,;=:@/"
/** RFC 3986 section 3.2.2: sub-delims of a name. */
#define NAME_CHARS "!$&'()*+,;="

typedef struct scheme_t {
    const char *name;
    apr_size_t len;
    const char *as;        /* what is compared */
    const char *port;      /* the default */
} scheme_t;

static const scheme_t schemes[] = {
    { "https", 5, "https", "443" },
    { "http", 4, "http", "80" },
    { "wss", 3, "https", "443" },
    { "ws", 2, "http", "80" },
};

static const scheme_t *scheme_of(const char *url)
{
    unsigned i;

    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const scheme_t *s = &schemes[i];

        if (strncasecmp(url, s->name, s->len) == 0 && strncmp(url + s->len, "://", 3) == 0) {
            return s;
        }
    }
    return NULL;
}

static int is_unreserved(unsigned char c)
{
    return (c < 0x80 && apr_isalnum(c)) || c == '-' || c == '.' || c == '_' || c == '~';
}

static char *put_encoded(char *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";

    *out++ = '%';
    *out++ = digits[c >> 4];
    *out++ = digits[c & 0xf];
    return out;
}

/*
 * Copies [in, end) with one spelling for each character: unreserved ones and those of
 * plain as they are, all others encoded. Controls, blanks and backslashes are refused: what
 * parsers make of them differs. out has room for three times the length. Returns its new
 * end, or NULL.
 */
static char *put_text(char *out, const char *in, const char *end, const char *plain)
{
    for (; in < end; in++) {
        unsigned char c = (unsigned char)*in;

        if (c == '%') {
            int high = end - in > 2 ? bearer_text_hex_digit(in[1]) : -1;
            int low = high < 0 ? -1 : bearer_text_hex_digit(in[2]);

            if (low < 0) {
                return NULL;
            }
            c = (unsigned char)(high << 4 | low);
            in += 2;
            if (is_unreserved(c)) {
                *out++ = (char)c;
            } else {
                out = put_encoded(out, c);
            }
        } else if (c <= ' ' || c == 0x7f || c == '\\') {
            return NULL;
        } else if (is_unreserved(c) || strchr(plain, c)) {
            *out++ = (char)c;
        } else {
            out = put_encoded(out, c);
        }
    }
    return out;
}

/* RFC 3986 section 3.2.2: an address in brackets. Its zone is not for other hosts. */
static char *put_literal(char *out, const char *in, const char *end)
{
    const char *close = memchr(in, ']', (apr_size_t)(end - in));

    if (close != end - 1 || close < in + 3
        || strspn(in + 1, "0123456789abcdefABCDEF:.") != (apr_size_t)(close - in - 1)) {
        return NULL;
    }
    while (in < end) {
        *out++ = (char)apr_tolower(*in++);
    }
    return out;
}

static char *put_host(char *out, const char *in, const char *end)
{
    char *begin = out, *c;

    if (in == end) {
        return NULL;
    }
    if (*in == '[') {
        return put_literal(out, in, end);
    }
    out = put_text(out, in, end, NAME_CHARS);
    for (c = begin; out && c < out; c++) {
        *c = (char)apr_tolower(*c);
        if (*c == '%') {  /* the digits of an encoding are upper case */
            c += 2;
        }
    }
    return out;
}

/* Writes ":PORT", or nothing for the default. */
static char *put_port(char *out, const char *in, const char *end, const scheme_t *scheme)
{
    apr_size_t len;

    while (in < end && *in == '0') {
        in++;
    }
    len = (apr_size_t)(end - in);
    if (strspn(in, "0123456789") < len || len > 5 || (len == 5 && memcmp(in, "65535", 5) > 0)) {
        return NULL;
    }
    if (!len) {
        return in[-1] == '0' ? NULL : out;
    }
    if (strlen(scheme->port) == len && memcmp(in, scheme->port, len) == 0) {
        return out;
    }
    *out++ = ':';
    memcpy(out, in, len);
    return out + len;
}

static char *put_authority(char *out, const char *in, const char *end, const scheme_t *scheme)
{
    const char *colon = end;

    if (memchr(in, '@', (apr_size_t)(end - in))) {
        return NULL;  /* a request has no user in its URL */
    }
    while (colon > in && colon[-1] != ':' && colon[-1] != ']') {
        colon--;
    }
    if (colon == in || colon[-1] == ']') {
        return put_host(out, in, end);
    }
    out = put_host(out, in, colon - 1);
    return out ? put_port(out, colon, end, scheme) : NULL;
}

/* Removes dot segments of an absolute path in place (RFC 3986 section 5.2.4). Returns its
 * new end. */
static char *remove_dots(char *path, const char *end)
{
    const char *in = path;
    char *out = path;

    while (in < end) {
        const char *next = memchr(in + 1, '/', (apr_size_t)(end - in - 1));
        apr_size_t len = (apr_size_t)((next ? next : end) - in);
        int dots = len == 2 && in[1] == '.' ? 1
            : len == 3 && in[1] == '.' && in[2] == '.' ? 2 : 0;

        if (dots == 2) {
            while (out > path && *--out != '/') {
            }
        }
        if (!dots) {
            memmove(out, in, len);
            out += len;
        } else if (!next) {
            *out++ = '/';
        }
        in += len;
    }
    return out;
}

const char *bearer_proof_url(const char *url, apr_pool_t *p)
{
    const scheme_t *scheme = url ? scheme_of(url) : NULL;
    const char *authority, *path, *end;
    char *result, *out, *begin;

    if (!scheme) {
        return NULL;
    }
    authority = url + scheme->len + 3;
    path = authority + strcspn(authority, "/?#");
    end = path + strcspn(path, "?#");
    result = apr_palloc(p, 3 * (apr_size_t)(end - url) + sizeof("https:///"));
    out = apr_cpystrn(result, scheme->as, sizeof("https"));
    memcpy(out, "://", 3);
    out = put_authority(out + 3, authority, path, scheme);
    begin = out;
    if (out && path == end) {
        *out++ = '/';
    } else if (out) {
        out = put_text(out, path, end, PATH_CHARS);
        out = out ? remove_dots(begin, out) : NULL;
    }
    if (!out) {
        return NULL;
    }
    *out = '\0';
    return result;
}
