/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * AuthBearerUserFormat. See user_format.h.
 *
 * A format filled in for one source is a pattern: fixed characters, and one or more
 * characters of a class for each unknown part. Two sources can give the same name if
 * some string matches both patterns. Patterns are short, so all pairs of positions
 * are visited, row by row.
 */
#include "judge/user_format.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

const char *bearer_user_format_error(const char *format)
{
    int user = 0;

    for (; *format; format++) {
        if (*format != '%') {
            continue;
        }
        format++;
        if (*format == 'u') {
            user = 1;
        } else if (!*format || !strchr("it%", *format)) {
            return "expected only %u (the user claim), %i (the issuer's NAME), %t (the tenant) and "
                   "%%";
        }
    }
    return user ? NULL : "without %u (the user claim), all users would have the same name";
}

int bearer_user_format_has(const char *format, char what)
{
    for (; (format = strchr(format, '%')) && format[1]; format += 2) {
        if (format[1] == what) {
            return 1;
        }
    }
    return 0;
}

const char *bearer_user_format_apply(const char *format, const char *user,
                                     const char *name, const char *tenant,
                                     apr_pool_t *p)
{
    apr_array_header_t *parts;

    if (strcmp(format, "%u") == 0) {
        return user;
    }
    parts = apr_array_make(p, 4, sizeof(const char *));
    while (*format) {
        apr_size_t len = strcspn(format, "%");
        const char *part = apr_pstrmemdup(p, format, len);

        format += len;
        if (!len) {
            part = format[1] == 'u'   ? user
                   : format[1] == 'i' ? name
                   : format[1] == 't' ? tenant ? tenant : ""
                                      : "%";
            format += format[1] ? 2 : 1;
        }
        APR_ARRAY_PUSH(parts, const char *) = part;
    }
    return apr_array_pstrcat(p, parts, 0);
}

/* ---- collisions --------------------------------------------------------- */

enum { FIXED, TENANT, STRICT, PRINTABLE };

/* One character of a pattern; repeated: zero or more of its class. */
typedef struct piece_t {
    unsigned char class, c, repeated;
} piece_t;

/* The characters of a tenant (issuer.h), and those of check 12 except spaces at the ends. */
static int in_class(unsigned char class, unsigned char c)
{
    return class == TENANT ? c < 0x80 && (apr_isalnum(c) || (c && strchr("._-", c)))
                           : c >= 0x20 && c != 0x7f
               && (class == PRINTABLE || !strchr(",;=", c));
}

static int meet(const piece_t *a, const piece_t *b)
{
    if (a->class == FIXED) {
        return b->class == FIXED ? a->c == b->c : in_class(b->class, a->c);
    }
    return b->class != FIXED || in_class(a->class, b->c);
}

static void add(apr_array_header_t *pattern, unsigned char class, char c,
                int repeated)
{
    APR_ARRAY_PUSH(pattern, piece_t) =
        (piece_t){ class, (unsigned char)c, repeated != 0 };
}

static void add_text(apr_array_header_t *pattern, const char *text)
{
    for (; *text; text++) {
        add(pattern, FIXED, *text, 0);
    }
}

static void add_class(apr_array_header_t *pattern, unsigned char class)
{
    add(pattern, class, 0, 0);
    add(pattern, class, 0, 1);
}

static void fill_in(apr_array_header_t *pattern, const char *format,
                    const bearer_user_source_t *source)
{
    for (; *format; format++) {
        if (*format != '%') {
            add(pattern, FIXED, *format, 0);
        } else if (*++format == 'u') {
            add_class(pattern, source->printable ? PRINTABLE : STRICT);
        } else if (*format == 'i') {
            add_text(pattern, source->name);
        } else if (*format == 't' && source->tenant) {
            add_text(pattern, source->tenant);
        } else if (*format == 't') {
            add_class(pattern, TENANT);
        } else {
            add(pattern, FIXED, '%', 0);
        }
    }
}

/* State of a pair of positions: both patterns match one string up to there. If the
 * patterns are the same one, the flags tell whether the string is divided in the
 * same way or differently. */
#define TOGETHER 1
#define APART 2

typedef struct pattern_t {
    const piece_t *pieces;
    int len;
} pattern_t;

/* Completes row i of the pairs; next is row i + 1. */
static void walk_row(const pattern_t *a, const pattern_t *b, int i,
                     unsigned char *row, unsigned char *next)
{
    const piece_t *x = i < a->len ? &a->pieces[i] : NULL;
    int k;

    memset(next, 0, (apr_size_t)b->len + 1);
    for (k = 0; k <= b->len; k++) {
        const piece_t *y = k < b->len ? &b->pieces[k] : NULL;

        if (row[k] && x && y && meet(x, y)) {
            (x->repeated ? row : next)[y->repeated ? k : k + 1] |=
                i == k ? row[k] : APART;
        }
        if (x && x->repeated) {
            next[k] |= row[k];
        }
        if (y && y->repeated) {
            row[k + 1] |= row[k];
        }
    }
}

/* Compares the fixed ends of both; if they differ, the result is known. */
static int ends_differ(pattern_t *a, pattern_t *b)
{
    while (a->len && b->len && a->pieces->class == FIXED
           && b->pieces->class == FIXED) {
        if (a->pieces->c != b->pieces->c) {
            return 1;
        }
        a->pieces++, a->len--;
        b->pieces++, b->len--;
    }
    while (a->len && b->len && a->pieces[a->len - 1].class == FIXED
           && b->pieces[b->len - 1].class == FIXED) {
        a->len--, b->len--;
        if (a->pieces[a->len].c != b->pieces[b->len].c) {
            return 1;
        }
    }
    return 0;
}

/* rows: room for two of the longest pattern */
static int same_string(pattern_t a, pattern_t b, unsigned char *rows,
                       apr_size_t size)
{
    unsigned char *row = rows, *next = rows + size, *walked;
    int wanted = a.pieces == b.pieces ? APART : TOGETHER | APART, i;

    if (ends_differ(&a, &b)) {
        return 0;
    }
    memset(row, 0, size);
    row[0] = TOGETHER;
    for (i = 0; i < a.len; i++) {
        walk_row(&a, &b, i, row, next);
        walked = row;
        row = next;
        next = walked;
    }
    walk_row(&a, &b, i, row, next);
    return (row[b.len] & wanted) != 0;
}

/* Returns 1 if the two could be one tenant, of issuers that share their users. */
static int may_be_one(const bearer_user_source_t *a, const bearer_user_source_t *b)
{
    if (!a->tenant || !b->tenant) {
        return (!a->tenant || *a->tenant) && (!b->tenant || *b->tenant);
    }
    return strcmp(a->tenant, b->tenant) == 0;
}

static pattern_t *patterns_of(const char *format, const apr_array_header_t *sources,
                              int *longest, apr_pool_t *p)
{
    pattern_t *patterns = apr_palloc(p, sizeof(*patterns)
                                            * (apr_size_t)(sources->nelts + 1));
    int i;

    *longest = 0;
    for (i = 0; i < sources->nelts; i++) {
        apr_array_header_t *pattern = apr_array_make(p, 64, sizeof(piece_t));

        fill_in(pattern, format, &APR_ARRAY_IDX(sources, i, bearer_user_source_t));
        patterns[i].pieces = (const piece_t *)pattern->elts;
        patterns[i].len = pattern->nelts;
        *longest = pattern->nelts > *longest ? pattern->nelts : *longest;
    }
    return patterns;
}

int bearer_user_format_collides(const char *format,
                                const apr_array_header_t *sources,
                                const bearer_user_source_t **a,
                                const bearer_user_source_t **b, apr_pool_t *p)
{
    int by_issuer = bearer_user_format_has(format, 'i');
    int by_tenant = bearer_user_format_has(format, 't');
    int longest, i, k;
    pattern_t *patterns = patterns_of(format, sources, &longest, p);
    apr_size_t size = (apr_size_t)longest + 1;
    unsigned char *rows = apr_palloc(p, 2 * size);

    for (i = 0; i < sources->nelts; i++) {
        *a = &APR_ARRAY_IDX(sources, i, bearer_user_source_t);
        for (k = 0; k <= i; k++) {
            *b = &APR_ARRAY_IDX(sources, k, bearer_user_source_t);
            if (i == k ? (*a)->tenant || !by_tenant
                       : !by_issuer && may_be_one(*a, *b)) {
                continue;
            }
            if (same_string(patterns[i], patterns[k], rows, size)) {
                return 1;
            }
        }
    }
    return 0;
}
