/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_claims.h
 * Which claims sessions keep (AuthBearerSessionClaims).
 */
#pragma once

#include "browser.h"

/**
 * Drops the claims that a session does not keep from its body.
 * @param body    of the new or refreshed session
 * @param before  as for bearer_session_drop()
 * @param fresh   as for bearer_session_drop()
 * @return body; NULL if it is NULL or there is no memory, and body was released
 */
json_t *ab_browser_drop_claims(json_t *body, request_rec *r,
                               const bearer_issuer_access_t *access, const json_t *before,
                               int fresh);

/** While the configuration is checked: returns the name of a claim that
 *  AuthBearerSessionClaims leaves out although the virtual host names it; NULL: none.
 *  @param settings  of the issuer, resolved */
const char *ab_browser_claims_missing(const server_rec *s, const bearer_issuer_t *issuer,
                                      const bearer_settings_t *settings, apr_pool_t *p);
