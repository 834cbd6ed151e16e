/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refuse.h
 * Refusing a request from a hook (responses.md). The caller passes everything that
 * the response names in addition to the reason. Any thread may call this function for
 * the request that it serves.
 */
#pragma once

#include <httpd.h>

#include "judge/judge.h"

/** Optional details of a refusal; all zero for none. */
typedef struct ab_refused_t {
    unsigned retry;                    /**< seconds for Retry-After, if the category has
                                        *   one; 0: the default */
    const bearer_judgement_t *j;       /**< judgement of the token */
    const apr_array_header_t *scopes;  /**< for the challenge, if the category names
                                        *   scopes: ab_authz_scopes() */
    const apr_array_header_t *login;   /**< for the challenge, if the authentication does
                                        *   not suffice; NULL: that of AuthBearerLogin */
} ab_refused_t;

/**
 * Refuses the request: writes the log line, BEARER_ERROR, the challenge and the rest of
 * docs/reference/responses.md.
 * @param detail  for the log
 * @param more  NULL: no details
 * @return the HTTP status
 */
int ab_refuse(request_rec *r, bearer_reason_t reason, const char *detail,
              const ab_refused_t *more);
