/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_userinfo.h
 * The userinfo endpoint: when it is asked, and what becomes of it.
 */
#pragma once

#include "browser.h"

/** Adds the claims that a layer names, not those that it means by default, to a list
 *  (const bearer_path_t *). */
void ab_browser_named_by(apr_array_header_t *list, const bearer_settings_t *layer);
/** Adds what a session's user is taken from: with `email`, also whether it is verified. */
void ab_browser_named_user(apr_array_header_t *list, const bearer_user_claim_t *claim);
/** Does a line of that server count in this virtual host? */
int ab_browser_counts(const server_rec *s, const server_rec *where);
/** Returns the claims that the configuration of a virtual host names and of which userinfo
 *  may be asked (const bearer_path_t *). */
const apr_array_header_t *ab_browser_named_claims(const server_rec *s, apr_pool_t *p);
/**
 * Asks the userinfo endpoint if AuthBearerUserinfo says so.
 * @param claims  of the ID token
 * @param part    userinfo's claims: those of the session so far, NULL at a login; then
 *                those that count from now on, NULL: none
 * @return BEARER_OK, also if a response about another user is ignored (why->detail says
 *         so); BEARER_INACTIVE: the issuer does not accept the access token;
 *         BEARER_LOGIN_ISSUER: no usable response, *part is unchanged
 */
bearer_reason_t ab_browser_userinfo(json_t **part, request_rec *r,
                                    const bearer_login_t *login,
                                    const char *access_token, json_t *claims,
                                    bearer_refusal_t *why);
