/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status_inside.h
 * Shared by status.c and status_metrics.c: pieces of text, members of the status, and
 * escaping.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/event.h"
#include "report/status.h"

/** Format of an apr_int64_t. */
#define N "%" APR_INT64_T_FMT

/** Pieces that are joined to one string. */
typedef struct page_t {
    apr_pool_t *p;
    apr_array_header_t *pieces;
    const json_t *status;
    apr_int64_t now;
} page_t;

static inline void begin(page_t *page, const json_t *status, apr_pool_t *p)
{
    page->p = p;
    page->pieces = apr_array_make(p, 64, sizeof(const char *));
    page->status = status;
    page->now = (apr_int64_t)json_integer_value(json_object_get(status, "now"));
}

static inline void add(page_t *page, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline void add(page_t *page, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    APR_ARRAY_PUSH(page->pieces, const char *) = apr_pvsprintf(page->p, fmt, args);
    va_end(args);
}

static inline const char *end(page_t *page)
{
    return apr_array_pstrcat(page->p, page->pieces, 0);
}

/* ---- values --------------------------------------------------------------- */

static inline const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static inline apr_int64_t number(const json_t *object, const char *name)
{
    return (apr_int64_t)json_integer_value(member(object, name));
}

static inline const char *string(const json_t *object, const char *name)
{
    const char *s = json_string_value(member(object, name));

    return s ? s : "";
}

static inline int is_true(const json_t *object, const char *name)
{
    return json_is_true(member(object, name));
}

/** The groups of counts, in the order of their declaration. */
static const struct {
    const char *name, *label, *title, *help;
} count_groups[] = {
#define X(symbol, name, label, title, help) { name, label, title, help },
    BEARER_COUNT_GROUPS(X)
#undef X
};

/* ---- escaping ------------------------------------------------------------- */

typedef struct escape_t {
    char c;
    const char *text;
} escape_t;

static inline const char *escape(const char *s, const escape_t *escapes,
                                 apr_pool_t *p)
{
    char *out = apr_palloc(p, 6 * strlen(s) + 1), *o = out;

    for (; *s; s++) {
        const escape_t *e = escapes;

        while (e->c && e->c != *s) {
            e++;
        }
        if (e->c) {
            o = apr_cpystrn(o, e->text, strlen(e->text) + 1);
        } else {
            *o++ = (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s;
        }
    }
    *o = '\0';
    return out;
}
