/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_cookies.h
 * The cookies of a session check (AuthBearerSessionCheck). They are a credential and
 * are found and removed like a token. Any thread may call these functions for the
 * request that it serves.
 */
#pragma once

#include "request.h"

/** The credential of a request that was allowed because of such cookies. */
extern const credential_t ab_session_credential;

/** Does the provider chain of a location include `session`? */
int ab_session_in_chain(const bearer_settings_t *settings);

/** Returns the cookies that a session service is asked about here, or NULL.
 *  @param check  receives the check that takes them: the first in the order written */
const char *ab_session_cookies(request_rec *r, const bearer_settings_t *settings,
                               const bearer_session_check_t **check);

/** Returns the names of all cookies that checks here look for, for the log; NULL: none. */
const char *ab_session_cookie_names(request_rec *r, const bearer_settings_t *settings);

/** Removes the cookies of a session check from what others see of the request.
 *  @param keep  1: leaves them if they are the credential that was accepted */
void ab_session_strip(request_rec *r, const bearer_settings_t *settings, int keep);
