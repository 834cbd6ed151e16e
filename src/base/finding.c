/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Lists of findings. See finding.h.
 */
#include "base/finding.h"

#include <apr_strings.h>

bearer_finding_t bearer_finding_make(apr_pool_t *p, bearer_log_level_t level,
                                     const char *directive, const char *format,
                                     va_list args)
{
    bearer_finding_t finding = { 0, level, directive, apr_pvsprintf(p, format, args) };

    finding.number = bearer_message_number(finding.text);
    return finding;
}

apr_array_header_t *bearer_findings_create(apr_pool_t *p)
{
    return apr_array_make(p, 2, sizeof(bearer_finding_t));
}

void bearer_findings_add(apr_array_header_t *findings, bearer_log_level_t level,
                         const char *directive, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    APR_ARRAY_PUSH(findings, bearer_finding_t) =
        bearer_finding_make(findings->pool, level, directive, format, args);
    va_end(args);
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
