/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The tables for reason.h, and recording a refusal. Look-ups in constant data;
 * thread-safe.
 */
#include "base/reason.h"

#include <stdarg.h>
#include <stdio.h>

#include <apr_strings.h>

/** Maximum length of a detail: one log line; httpd cuts lines at about 8 KB. */
#define DETAIL_MAX 768

typedef struct reason_row_t {
    const char *number;
    const char *name;
    bearer_category_t category;
} reason_row_t;

static const bearer_category_row_t categories[] = {
#define X(symbol, name, status, challenge, error, description, counted) \
    { name, error, description, status, counted },
    BEARER_CATEGORIES(X)
#undef X
};

static const reason_row_t reasons[] = {
#define X(number, symbol, name, category) \
    { AB(number), name, BEARER_CATEGORY_##category },
    BEARER_REASONS(X)
#undef X
};

/* A value outside the enum must not be shown as "ok": it becomes `internal`. */
static const reason_row_t *reason_row(bearer_reason_t reason)
{
    return (unsigned)reason < BEARER_REASON_COUNT ? &reasons[reason]
                                                  : &reasons[BEARER_INTERNAL];
}

const char *bearer_reason_name(bearer_reason_t reason)
{
    return reason_row(reason)->name;
}

const char *bearer_reason_number(bearer_reason_t reason)
{
    return reason_row(reason)->number;
}

bearer_category_t bearer_reason_category(bearer_reason_t reason)
{
    return reason_row(reason)->category;
}

const bearer_category_row_t *bearer_category(bearer_category_t category)
{
    return (unsigned)category < BEARER_CATEGORY_COUNT
        ? &categories[category] : &categories[BEARER_CATEGORY_UNAVAILABLE];
}

bearer_reason_t bearer_refuse(bearer_refusal_t *why, apr_pool_t *p,
                              bearer_reason_t reason, const char *fmt, ...)
{
    char line[DETAIL_MAX];
    va_list args;

    if (why) {
        va_start(args, fmt);
        if (vsnprintf(line, sizeof(line), fmt, args) < 0) {
            line[0] = '\0';
        }
        va_end(args);
        bearer_message_tame(line);
        why->reason = reason;
        why->detail = apr_pstrdup(p, line);
    }
    return reason;
}
