/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Strict base64url. See b64url.h. Each value has exactly one accepted spelling, so
 * that a respelled token cannot bypass a cache or a revocation.
 */
#include "base/b64url.h"

#include <limits.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value + 1 of each character, 0 for all others. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,
    ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12,
    ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
    ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
    ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
    ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

/* Decodes the last 2 or 3 characters, which have 4 or 2 unused bits that must be zero. */
static apr_status_t decode_tail(unsigned char *out, apr_size_t *done,
                                const unsigned char *in, apr_size_t n)
{
    const unsigned a = values[in[0]] - 1u, b = n > 1 ? values[in[1]] - 1u : UINT_MAX,
                   c = n > 2 ? values[in[2]] - 1u : 0;

    if ((a | b | c) > 63 || (n == 2 ? b & 0xf : c & 0x3)) {
        return APR_EINVAL;
    }
    out[(*done)++] = (unsigned char)(a << 2 | b >> 4);
    if (n == 3) {
        out[(*done)++] = (unsigned char)(b << 4 | c >> 2);
    }
    return APR_SUCCESS;
}

apr_status_t bearer_b64url_decode(unsigned char *out, apr_size_t *out_len,
                                  const char *in, apr_size_t len)
{
    const unsigned char *s = (const unsigned char *)in;
    apr_size_t done = 0;

    *out_len = 0;
    for (; len >= 4; len -= 4, s += 4) {
        /* 0 - 1 has all bits set: one test for four characters */
        const unsigned a = values[s[0]] - 1u, b = values[s[1]] - 1u,
                       c = values[s[2]] - 1u, d = values[s[3]] - 1u;

        if ((a | b | c | d) > 63) {
            return APR_EINVAL;
        }
        out[done++] = (unsigned char)(a << 2 | b >> 4);
        out[done++] = (unsigned char)(b << 4 | c >> 2);
        out[done++] = (unsigned char)(c << 6 | d);
    }
    if (len && decode_tail(out, &done, s, len) != APR_SUCCESS) {
        return APR_EINVAL;
    }
    *out_len = done;
    return APR_SUCCESS;
}

apr_status_t bearer_b64url_decode_p(unsigned char **out, apr_size_t *out_len,
                                    const char *in, apr_size_t len,
                                    apr_pool_t *p)
{
    unsigned char *buffer = apr_palloc(p, BEARER_B64URL_DECODED_MAX(len) + 1);
    apr_status_t rv = bearer_b64url_decode(buffer, out_len, in, len);

    *out = NULL;
    if (rv == APR_SUCCESS) {
        buffer[*out_len] = '\0';
        *out = buffer;
    }
    return rv;
}

char *bearer_b64url_encode(apr_pool_t *p, const void *in, apr_size_t len)
{
    const unsigned char *s = in;
    char *text = apr_palloc(p, (len / 3) * 4 + 5);
    char *out = text;

    for (; len >= 3; len -= 3, s += 3) {
        *out++ = alphabet[s[0] >> 2];
        *out++ = alphabet[(s[0] & 0x3) << 4 | s[1] >> 4];
        *out++ = alphabet[(s[1] & 0xf) << 2 | s[2] >> 6];
        *out++ = alphabet[s[2] & 0x3f];
    }
    if (len) {
        *out++ = alphabet[s[0] >> 2];
        *out++ = alphabet[(s[0] & 0x3) << 4 | (len == 2 ? s[1] >> 4 : 0)];
    }
    if (len == 2) {
        *out++ = alphabet[(s[1] & 0xf) << 2];
    }
    *out = '\0';
    return text;
}
