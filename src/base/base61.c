/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See base61.h. */
#include "base/base61.h"

#define BYTES 8
#define CHARS 11

static const char alphabet[] =
    "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define BASE (sizeof(alphabet) - 1)

/* Characters for a number of bytes: the fewest that can hold them. */
static const unsigned char chars_of[BYTES + 1] = { 0, 2, 3, 5, 6, 7, 9, 10, CHARS };

char *bearer_base61_encode(apr_pool_t *p, const void *in, apr_size_t len)
{
    const unsigned char *from = in;
    char *text = apr_palloc(p, (len / BYTES + 1) * CHARS + 1), *to = text;

    while (len) {
        const apr_size_t n = len < BYTES ? len : BYTES;
        apr_uint64_t number = 0;
        apr_size_t i;

        for (i = 0; i < n; i++) {
            number = number << 8 | *from++;
        }
        for (i = chars_of[n]; i-- > 0; number /= BASE) {
            to[i] = alphabet[number % BASE];
        }
        to += chars_of[n];
        len -= n;
    }
    *to = '\0';
    return text;
}

/* Returns BASE for other characters. */
static unsigned value_of(unsigned char c)
{
    return c >= '1' && c <= '9' ? c - 49u
         : c >= 'A' && c <= 'Z' ? c - 65u + 9
         : c >= 'a' && c <= 'z' ? c - 97u + 35 : (unsigned)BASE;
}

/* Reads a group of characters as a number; 0 if it has others or is too large. */
static int read_number(apr_uint64_t *number, const char *in, apr_size_t len)
{
    const apr_uint64_t most = ~(apr_uint64_t)0;

    for (*number = 0; len; len--, in++) {
        const unsigned digit = value_of((unsigned char)*in);

        if (digit >= BASE || *number > (most - digit) / BASE) {
            return 0;
        }
        *number = *number * BASE + digit;
    }
    return 1;
}

/* Returns the number of bytes that so many characters encode; 0: none. */
static apr_size_t bytes_of(apr_size_t chars)
{
    apr_size_t n = BYTES;

    while (n && chars_of[n] != chars) {
        n--;
    }
    return n;
}

apr_status_t bearer_base61_decode(unsigned char **out, apr_size_t *out_len,
                                  const char *in, apr_size_t len, apr_pool_t *p)
{
    unsigned char *bytes = apr_palloc(p, (len / CHARS + 1) * BYTES + 1);
    apr_size_t done = 0, chars, n, i;
    apr_uint64_t number;

    *out = NULL;
    *out_len = 0;
    for (; len; len -= chars, in += chars) {
        chars = len < CHARS ? len : CHARS;
        n = bytes_of(chars);
        if (!n || !read_number(&number, in, chars) || (n < BYTES && number >> (8 * n))) {
            return APR_EINVAL;
        }
        for (i = n; i-- > 0; number >>= 8) {
            bytes[done + i] = (unsigned char)number;
        }
        done += n;
    }
    bytes[done] = '\0';
    *out = bytes;
    *out_len = done;
    return APR_SUCCESS;
}
