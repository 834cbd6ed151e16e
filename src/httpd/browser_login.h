/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_login.h
 * Beginning a login: what pages of this server (browser_login.c) and PATH/login
 * (browser_login_path.c) share. Any thread may call these functions for the request that
 * it serves.
 */
#pragma once

#include "browser.h"

/** Does the request open a page, as a navigation by any method does: not that of a script,
 *  a prefetch, a HEAD request or a subrequest? */
int ab_browser_opens_page(request_rec *r);
/** Did several logins for this page succeed in a row without a lasting session? */
int ab_browser_loops(request_rec *r, const char *target);
/**
 * Begins a login: asks the issuer if requests are pushed, and has the browser keep the
 * attempt.
 * @param settings  of the path where it begins: parameters and limits
 * @param target    path and query of the page that it leads to
 * @param url       receives the URL of the issuer, in r->pool
 * @param wait      set to the seconds for Retry-After if the address began too many
 * @return BEARER_OK; BEARER_LOGIN_LOOP, BEARER_LOGIN_ISSUER, BEARER_LOGIN_LIMIT,
 *         BEARER_THROTTLED or BEARER_INTERNAL, with *why
 */
bearer_reason_t ab_browser_begin(request_rec *r, const bearer_settings_t *settings,
                                 const bearer_issuer_t *issuer, const char *target,
                                 const char **url, unsigned *wait, bearer_refusal_t *why);

/** Sends the browser to PATH/login of the host of login=: 302.
 *  @param issuer  NULL: any that the settings name; else the user must log in again
 *  @param target  path and query of the page of this server that it leads to */
int ab_browser_login_there(request_rec *r, const bearer_settings_t *settings,
                           const bearer_issuer_t *issuer, const char *target);
