/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Exported values as text. See exports.h. Pure functions.
 */
#include "judge/exports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"

/* ---- as text ----------------------------------------------------------- */

static int is_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

/* Returns compact JSON of any value; a real has the fewest digits that give the
 * same number back. */
static const char *as_json(const json_t *value, apr_pool_t *p)
{
    char text[BEARER_EXPORT_MAX_VALUE];
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t len;

    if (json_is_real(value)) {
        len = json_dumpb(value, text, sizeof(text) - 1,
                         flags | JSON_REAL_PRECISION(15));
        text[len] = '\0';
        if (!(strtod(text, NULL) < json_real_value(value))
            && !(strtod(text, NULL) > json_real_value(value))) {
            return apr_pstrmemdup(p, text, len);
        }
    }
    len = json_dumpb(value, text, sizeof(text), flags);
    return len > 0 && len <= sizeof(text) ? apr_pstrmemdup(p, text, len) : NULL;
}

/* Uses the C library: APR's functions negate, which fails for the smallest number,
 * and apr_psprintf() is slow. */
const char *bearer_exports_number(apr_pool_t *p, json_int_t n)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, n);

    return apr_pstrmemdup(p, text, (apr_size_t)len);
}

static const char *scalar(const json_t *value, apr_pool_t *p)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        /* jansson's parser refuses NUL; a value built by code might contain one */
        return strlen(json_string_value(value)) == json_string_length(value)
                       && !strpbrk(json_string_value(value), "\r\n")
                   ? json_string_value(value) : NULL;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    case JSON_INTEGER:
        return bearer_exports_number(p, json_integer_value(value));
    default:
        return as_json(value, p);
    }
}

typedef struct buffer_t {
    char text[BEARER_EXPORT_MAX_VALUE];
    apr_size_t len;
    int full;
} buffer_t;

static void put(buffer_t *b, char c)
{
    if (b->len == sizeof(b->text)) {
        b->full = 1;
    } else {
        b->text[b->len++] = c;
    }
}

/* Returns scalars joined by `,`; NULL if one cannot be exported. */
static const char *joined(const json_t *array, apr_pool_t *p)
{
    buffer_t b;
    apr_size_t i;

    b.len = 0;
    b.full = 0;
    for (i = 0; i < json_array_size(array); i++) {
        const char *s = scalar(json_array_get(array, i), p);

        if (!s) {
            return NULL;
        }
        if (i) {
            put(&b, BEARER_NAMES_SEPARATOR);
        }
        for (; *s && !b.full; s++) {
            if (*s == BEARER_NAMES_SEPARATOR || *s == '\\') {
                put(&b, '\\');
            }
            put(&b, *s);
        }
    }
    return b.full ? NULL : apr_pstrmemdup(p, b.text, b.len);
}

static int all_scalars(const json_t *array)
{
    apr_size_t i;

    for (i = 0; i < json_array_size(array); i++) {
        if (!is_scalar(json_array_get(array, i))) {
            return 0;
        }
    }
    return 1;
}

const char *bearer_exports_value(const json_t *value, apr_pool_t *p)
{
    const char *text;

    if (!value) {
        return NULL;
    }
    if (is_scalar(value)) {
        text = scalar(value, p);
        return text && strlen(text) <= BEARER_EXPORT_MAX_VALUE ? text : NULL;
    }
    return json_is_array(value) && all_scalars(value) ? joined(value, p)
                                                      : as_json(value, p);
}

static int is_plain(char c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

const char *bearer_exports_header_value(const char *value, apr_pool_t *p)
{
    static const char hex[] = "0123456789ABCDEF";
    apr_size_t len = 0, more = 0;
    const char *first = value, *last;
    char *text, *out;

    for (; value[len]; len++) {
        more += is_plain(value[len]) ? 0 : 2;
    }
    /* a trailing space is not part of a field's value (RFC 9110 section 5.5) */
    last = len ? value + len - 1 : value;
    more += 2 * ((apr_size_t)(*first == ' ') + (*last == ' '));
    if (!more) {
        return value;
    }
    text = out = apr_palloc(p, len + more + 1);
    for (; *value; value++) {
        if (is_plain(*value)
            && (*value != ' ' || (value != first && value != last))) {
            *out++ = *value;
        } else {
            *out++ = '%';
            *out++ = hex[(unsigned char)*value >> 4];
            *out++ = hex[(unsigned char)*value & 15];
        }
    }
    *out = '\0';
    return text;
}

/* ---- the exported part -------------------------------------------------- */

/* Roles and groups that are ignored (principal.h) must not be visible in the
 * exported claims either. */
static int is_path_of(const apr_array_header_t *paths, const char *name)
{
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        const char *text = bearer_path_text(APR_ARRAY_IDX(paths, i,
                                                          const bearer_path_t *));

        if (*text == *name && strcmp(text, name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* In a claim's variable commas are escaped: they separate nothing there. */
static int is_odd(const json_t *value)
{
    return json_is_string(value)
           && bearer_text_member_error(json_string_value(value), '\0');
}

static const json_t *members(const json_t *array, apr_pool_t *p)
{
    json_t *kept = NULL;
    apr_size_t i, k;

    for (i = 0; i < json_array_size(array); i++) {
        json_t *member = json_array_get(array, i);

        if (is_odd(member) && !kept) {
            kept = bearer_json_tie(json_array(), p);
            for (k = 0; k < i; k++) {
                json_array_append(kept, json_array_get(array, k));
            }
        } else if (kept && !is_odd(member)) {
            json_array_append(kept, member);
        }
    }
    return kept ? kept : array;
}

const json_t *bearer_exports_shown(const json_t *value, const char *name,
                                   const bearer_settings_t *settings,
                                   apr_pool_t *p)
{
    if (!is_path_of(settings->roles_claim, name)
        && !is_path_of(settings->groups_claim, name)) {
        return value;
    }
    return json_is_array(value) ? members(value, p) : is_odd(value) ? NULL : value;
}
