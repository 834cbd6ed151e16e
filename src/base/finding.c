/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Lists of findings. See finding.h.
 */
#include "base/finding.h"

#include <stdarg.h>

#include <apr_strings.h>

apr_array_header_t *bearer_findings_create(apr_pool_t *p)
{
    return apr_array_make(p, 2, sizeof(bearer_finding_t));
}

void bearer_findings_add(apr_array_header_t *findings, bearer_log_level_t level,
                         const char *directive, const char *format, ...)
{
    bearer_finding_t *finding = apr_array_push(findings);
    va_list args;

    va_start(args, format);
    finding->text = apr_pvsprintf(findings->pool, format, args);
    va_end(args);
    finding->number = bearer_message_number(finding->text);
    finding->level = level;
    finding->directive = directive;
}

const bearer_finding_t *bearer_findings_error(const apr_array_header_t *findings)
{
    int i;

    for (i = 0; i < findings->nelts; i++) {
        const bearer_finding_t *finding = &APR_ARRAY_IDX(findings, i, bearer_finding_t);

        if (finding->level == BEARER_LOG_ERROR) {
            return finding;
        }
    }
    return NULL;
}
