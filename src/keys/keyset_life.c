/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The lifetime of a key set by its response headers (RFC 9111). Declared in keyset.h;
 * a pure function. This is a private cache, so s-maxage is ignored.
 */
#include "keys/keyset.h"

#include <string.h>

#include <apr_strings.h>

/** The headers state no lifetime. */
#define UNSAID APR_INT64_C(-1)
/** RFC 9111 section 1.2.2: a larger number counts as this. */
#define SECONDS_MAX 2147483648LL

/* delta-seconds; UNSAID if it is not a number */
static apr_interval_time_t delta_seconds(const char *s, apr_size_t len)
{
    apr_int64_t n;

    if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
        s++;
        len -= 2;
    }
    if (len == 0 || strspn(s, "0123456789") != len) {
        return UNSAID;
    }
    n = apr_atoi64(s); /* the largest value if it does not fit */
    return apr_time_from_sec(n > SECONDS_MAX ? SECONDS_MAX : n);
}

static int is_name(const char *s, apr_size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(s, name, len) == 0;
}

/* Handles one Cache-Control directive; the shortest lifetime wins. */
static void take_directive(apr_interval_time_t *life, const char *s, apr_size_t len)
{
    const char *equals = memchr(s, '=', len);
    apr_size_t name_len = equals ? (apr_size_t)(equals - s) : len;
    apr_interval_time_t said = UNSAID;

    if (is_name(s, name_len, "no-store") || is_name(s, name_len, "no-cache")) {
        said = 0;
    } else if (is_name(s, name_len, "max-age")) {
        /* section 4.2.1: an invalid value counts as stale */
        said = equals ? delta_seconds(equals + 1, len - name_len - 1) : 0;
        said = said == UNSAID ? 0 : said;
    }
    if (said != UNSAID && (*life == UNSAID || said < *life)) {
        *life = said;
    }
}

static apr_interval_time_t cache_control(const char *value)
{
    apr_interval_time_t life = UNSAID;

    if (!value) {
        return UNSAID;
    }
    while (*value) {
        const char *end;
        int quoted = 0;

        value += strspn(value, " \t,");
        for (end = value; *end && (quoted || *end != ','); end++) {
            quoted ^= *end == '"';
        }
        if (end > value) {
            apr_size_t len = (apr_size_t)(end - value);

            while (len && strchr(" \t", value[len - 1])) {
                len--;
            }
            take_directive(&life, value, len);
        }
        value = end;
    }
    return life;
}

/* Computes Expires relative to Date, so that the clocks need not agree. */
static apr_interval_time_t expires(const apr_table_t *headers, apr_time_t now)
{
    const char *value = apr_table_get(headers, "Expires");
    apr_time_t until = bearer_http_date(value);
    apr_time_t from = bearer_http_date(apr_table_get(headers, "Date"));

    if (!value) {
        return UNSAID;
    }
    from = from ? from : now;
    return until > from ? until - from : 0;
}

apr_interval_time_t bearer_keyset_life(const apr_table_t *headers,
                                       apr_time_t now, apr_interval_time_t min,
                                       apr_interval_time_t max)
{
    apr_interval_time_t life = UNSAID;

    if (headers) {
        const char *age = apr_table_get(headers, "Age");
        apr_interval_time_t old = age ? delta_seconds(age, strlen(age)) : 0;

        life = cache_control(apr_table_get(headers, "Cache-Control"));
        if (life == UNSAID) {
            life = expires(headers, now);
        }
        if (life != UNSAID && old != UNSAID) {
            life -= old;
        }
    }
    if (life == UNSAID) {
        life = BEARER_KEYSET_DEFAULT_LIFE;
    }
    life = life < min ? min : life;
    return life > max ? max : life;
}
