/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Collects the findings of configtest and prints them with file and line.
 */
#include "check_inside.h"
#include "trace.h"

#include <stdarg.h>

#include "base/world.h"

APLOG_USE_MODULE(auth_bearer);

void ab_check_add(walk_t *w, const ap_directive_t *at,
                  const bearer_finding_t *finding)
{
    place_finding_t *placed = apr_array_push(w->findings);

    placed->finding = *finding;
    placed->file = at ? at->filename : NULL;
    placed->line = at ? at->line_num : 0;
}

void ab_check_say(walk_t *w, bearer_log_level_t level, const ap_directive_t *at,
                  const char *format, ...)
{
    bearer_finding_t finding;
    va_list args;

    va_start(args, format);
    finding = bearer_finding_make(w->p, level, at ? at->directive : NULL, format, args);
    va_end(args);
    ab_check_add(w, at, &finding);
}

int ab_check_said(const walk_t *w, int number, const ap_directive_t *at)
{
    int i;

    for (i = 0; i < w->findings->nelts; i++) {
        const place_finding_t *placed = &APR_ARRAY_IDX(w->findings, i,
                                                       place_finding_t);

        if (placed->finding.number == number
            && (!at || (placed->file && placed->line == at->line_num
                        && !strcmp(placed->file, at->filename)))) {
            return 1;
        }
    }
    return 0;
}

void ab_check_no_secret(walk_t *w, const ap_directive_t *at)
{
    ab_check_say(w, BEARER_LOG_ERROR, at,
                 AB(0701) "AuthBearerSession and AuthBearerLogin need AuthBearerSecretFile PATH; "
                 "create the file with: (umask 077; openssl rand -out PATH 48)");
}

static void print(const walk_t *w, const place_finding_t *placed)
{
    const char *text = placed->finding.text;
    const bearer_log_level_t level = placed->finding.level;
    char *line;

    if (placed->file) {
        text = bearer_message_with(w->p, text,
                                   apr_psprintf(w->p, "%s:%d: ", placed->file,
                                                placed->line));
    }
    line = apr_pstrdup(w->p, text);
    bearer_message_tame(line);
    ab_log_server(APLOG_STARTUP | (level == BEARER_LOG_ERROR     ? APLOG_ERR
                                   : level == BEARER_LOG_WARNING ? APLOG_WARNING
                                                                 : APLOG_NOTICE),
                  0, w->main, "%s%s",
                  level == BEARER_LOG_ERROR     ? ""
                  : level == BEARER_LOG_WARNING ? "warning: "
                                                : "note: ", line);
}

int ab_check_print(const walk_t *w)
{
    int i, pass, errors = 0;

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < w->findings->nelts; i++) {
            const place_finding_t *placed = &APR_ARRAY_IDX(w->findings, i,
                                                           place_finding_t);
            const int is_error = placed->finding.level == BEARER_LOG_ERROR;

            if (is_error == pass) {
                print(w, placed);
                errors += is_error;
            }
        }
    }
    return errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
