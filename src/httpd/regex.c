/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file regex.c
 * httpd's regular expressions behind the library's interface, with limits: their input
 * comes from clients, and a pattern that backtracks can take seconds on a few
 * characters.
 *
 * PCRE limits one match, for each position at which it may begin. With
 * auto-possessification off, every repeated character counts as a step. Together with
 * BEARER_REGEX_MAX_VALUE, one match takes less than 100 ms. All matches of a request
 * together are limited by processor time.
 */
#include "regex.h"

#include <time.h>

#include <httpd.h>
#include <apr_strings.h>

#include "base/text.h"

/* Options at the start of a pattern may come in any order. A limit in the pattern
 * itself replaces this one (PCRE2 10.42); the author of the pattern configures the
 * server. */
#define BOUNDS "(*LIMIT_MATCH=4000)(*NO_AUTO_POSSESS)"

#define GROUPS 10

/** Maximum processor time for the regular expressions of one request. */
#define EFFORT_MAX apr_time_from_msec(20)

static int match(const void *compiled, const char *subject, int *starts, int *ends,
                 int n)
{
    ap_regmatch_t groups[GROUPS];
    int rc, i;

    if (n > GROUPS) {
        n = GROUPS;
    }
    rc = ap_regexec(compiled, subject, (apr_size_t)n, groups, 0);
    if (rc) {
        return rc == AP_REG_NOMATCH ? 0 : BEARER_REGEX_GAVE_UP;
    }
    for (i = 0; i < n; i++) {
        starts[i] = groups[i].rm_so;
        ends[i] = groups[i].rm_eo;
    }
    return 1;
}

const bearer_regex_t *ab_config_regex(const char *pattern,
                                      const char **error, apr_pool_t *p)
{
    bearer_regex_t *regex = apr_pcalloc(p, sizeof(*regex));

    regex->pattern = apr_pstrdup(p, pattern);
    regex->match = match;
    regex->compiled = ap_pregcomp(p, apr_pstrcat(p, BOUNDS, pattern, NULL),
                                  AP_REG_EXTENDED);
    if (!regex->compiled) {
        *error = apr_psprintf(p, "%s is not a valid regular expression",
                              bearer_text_quote(p, pattern));
        return NULL;
    }
    return regex;
}

/* Processor time of this thread, or the clock's time if the system does not report it. */
static apr_time_t thread_time(void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec t;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0) {
        return apr_time_make(t.tv_sec, t.tv_nsec / 1000);
    }
#endif
    return apr_time_now();
}

int ab_regex_spent(void *effort_)
{
    regex_effort_t *effort = effort_;
    apr_time_t now = apr_time_now();

    if (!effort->begun) {
        effort->begun = now;
        effort->used = thread_time();
        return 0;
    }
    /* processor time never exceeds elapsed time, which is cheaper to read */
    return now - effort->begun > EFFORT_MAX
        && thread_time() - effort->used > EFFORT_MAX;
}
