/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file finding.h
 * One result of a configuration check. configtest prints it. A caller that must
 * distinguish findings compares their numbers, never their text.
 *
 * A list of findings is an array of bearer_finding_t; texts are in its pool.
 */
#pragma once

#include <stdarg.h>

#include <apr_tables.h>

#include "base/world.h"

typedef struct bearer_finding_t {
    int number;                /**< of the message: 711 for AB0711 */
    bearer_log_level_t level;  /**< BEARER_LOG_ERROR: the server must not start */
    const char *directive;     /**< the directive to change; NULL: see where it was found */
    const char *text;          /**< begins with the number */
} bearer_finding_t;

/** Returns one finding, with its text in p. format begins with AB(number). */
bearer_finding_t bearer_finding_make(apr_pool_t *p, bearer_log_level_t level,
                                     const char *directive, const char *format,
                                     va_list args)
    __attribute__((format(printf, 4, 0)));

/** Creates an empty list in p. */
apr_array_header_t *bearer_findings_create(apr_pool_t *p);

/** Appends one finding. format begins with AB(number). */
void bearer_findings_add(apr_array_header_t *findings, bearer_log_level_t level,
                         const char *directive, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Returns the first error, or NULL. */
const bearer_finding_t *bearer_findings_error(const apr_array_header_t *findings);
