/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authn.h
 * Authentication: who sent the request. Any thread may call these functions for the
 * request that it serves.
 */
#pragma once

#include <httpd.h>

#include "judge/principal.h"

/** Hook: authenticates the request. Returns OK, DECLINED or an HTTP status. */
int ab_authn_check_user_id(request_rec *r);
/** Redirects a browser whose session began with less than a location requires. DECLINED: the
 *  request is not a navigation.
 *  @param why  for the log */
int ab_authn_sign_in_again(request_rec *r, const bearer_settings_t *settings,
                           const bearer_issuer_t *issuer, const char *why);
/** Hook: counts a refused token that was only judged ahead. */
int ab_authn_log_transaction(request_rec *r);
/**
 * Returns the principal for expressions that httpd evaluates before authentication
 * (<If>, SetEnvIfExpr). The token is judged with the configuration known so far. This
 * judgement sets no user, refuses nothing and counts nothing; check_user_id judges
 * again. The result lives as long as the request. NULL if there is no principal, or if
 * authentication has already taken place.
 */
const bearer_principal_t *ab_authn_ahead(request_rec *r);
