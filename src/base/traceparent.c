/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Trace Context. See traceparent.h.
 */
#include "base/traceparent.h"

#include <string.h>

#include <apr_strings.h>

/* Returns 1 for n lower-case hex digits. */
static int is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") >= n;
}

/* Returns 1 for an id that is not all zero. */
static int is_id(const char *s, size_t n)
{
    return is_hex(s, n) && strspn(s, "0") < n;
}

const char *bearer_traceparent(const char *value, apr_pool_t *p)
{
    if (!value || strlen(value) < BEARER_TRACEPARENT_LEN
        || !is_hex(value, 2) || !strncmp(value, "ff", 2) || value[2] != '-'
        || !is_id(value + 3, 32) || value[35] != '-'
        || !is_id(value + 36, 16) || value[52] != '-' || !is_hex(value + 53, 2)) {
        return NULL;
    }
    /* a later version may append data after another dash; version 00 may not */
    if (value[BEARER_TRACEPARENT_LEN]
        && (value[BEARER_TRACEPARENT_LEN] != '-' || !strncmp(value, "00", 2))) {
        return NULL;
    }
    return apr_pstrmemdup(p, value, BEARER_TRACEPARENT_LEN);
}
