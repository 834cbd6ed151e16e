/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See return_url.h. */
#include "login/return_url.h"

#include <string.h>

#include <apr_strings.h>

/* RFC 3986 sections 3.3 and 3.4: pchar, "/" and "?", and characters that browsers
 * send unencoded. Excluded are the backslash, which browsers read as a slash, "#",
 * and everything that could end a header field or an HTML attribute. */
static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789"
                              "-._~!$&()*+,;=:@%/?[]|^{}";

const char *bearer_return_escape(const char *target, apr_pool_t *p)
{
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = apr_palloc(p, 3 * strlen(target) + 1), *out = escaped;
    int query = 0;

    for (; *target; target++) {
        unsigned char c = (unsigned char)*target;

        query |= c == '?';
        if (c > 0x7e || c == '\'' || (query && strchr("\"<>`\\", c))) {
            *out++ = '%';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        } else {
            *out++ = (char)c;
        }
    }
    *out = '\0';
    return escaped;
}

/* Returns 1 if an encoded byte hides a character that is refused in plain form. If
 * a proxy or an application decodes the path once, it must not become another
 * host. */
static int hides_something(const char *path)
{
    static const char *const hidden[] = {
        "%00", "%09", "%0a", "%0d", "%5c", "%2f%2f", "/%2f", NULL
    };
    int i = 0;

    while (hidden[i] && !strcasestr(path, hidden[i])) {
        i++;
    }
    return hidden[i] != NULL;
}

const char *bearer_return_here(const char *base, const char *target, apr_pool_t *p)
{
    apr_size_t len = target ? strlen(target) : 0;

    return len == 0 || len > BEARER_RETURN_MAX || *target != '/' || target[1] == '/'
        || target[strspn(target, allowed)] ? NULL : apr_pstrcat(p, base, target, NULL);
}

const char *bearer_return_url(const char *base, const char *target, apr_pool_t *p)
{
    const char *url = bearer_return_here(base, target, p);
    const char *path = url ? apr_pstrmemdup(p, target, strcspn(target, "?")) : "";

    /* two slashes anywhere: dot segments may be removed before the path is read again */
    return strstr(path, "//") || hides_something(path) ? NULL : url;
}
