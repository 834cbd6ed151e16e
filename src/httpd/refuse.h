/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refuse.h
 * For hooks that refuse a request (product.md 3.2). What the answer names beside the
 * reason is handed in by the caller, who knows it: nothing here asks back. Any
 * thread, on its own request.
 */
#pragma once

#include <httpd.h>

#include "judge/judge.h"

/** What a refusal may name; all 0 for none of it. */
typedef struct ab_refused_t {
    unsigned retry;                    /**< seconds for Retry-After, where the
                                        *   category has one; 0: the default */
    const bearer_judgement_t *j;       /**< what is known of the token */
    const apr_array_header_t *scopes;  /**< for the challenge, where the category
                                        *   names scopes: ab_authz_scopes() */
} ab_refused_t;

/**
 * Writes the log line, BEARER_ERROR, the challenge and the rest of 3.2.
 * @param detail  for the log
 * @param more    NULL: nothing
 * @return the HTTP status
 */
int ab_refuse(request_rec *r, bearer_reason_t reason, const char *detail,
              const ab_refused_t *more);
