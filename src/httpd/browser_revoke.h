/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_revoke.h
 * After a user has signed out: the tokens of the session are revoked with the issuer
 * (RFC 7009) by a background thread, and the access token is refused here.
 */
#pragma once

#include "browser.h"
#include "process.h"

/** Creates the child's list of tokens to revoke. */
apr_status_t ab_browser_revoke_create(process_t *process);
/** How long a browser may need from the logout here to end_session_endpoint. */
#define AB_BROWSER_ARRIVES apr_time_from_sec(10)
/**
 * Has a session's refresh token, or without one its access token, revoked in the
 * background. If the child's list is full, or
 * the child ends before `after` is over, the token is not revoked.
 * @param issuer  of the session
 * @param after   from now; a browser that is on its way to end_session_endpoint must
 *                arrive there first, because issuers end their session with the token
 */
void ab_browser_revoke(request_rec *r, const bearer_issuer_t *issuer,
                       bearer_session_t *session, apr_interval_time_t after);
/** Logs that an issuer was not told of a logout. */
void ab_browser_not_told(server_rec *s, const char *detail);
/** Has the session's access token refused on this host until it expires. */
void ab_browser_refuse_token(request_rec *r, bearer_session_t *session);
