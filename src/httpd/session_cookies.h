/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_cookies.h
 * The cookies of a session check (AuthBearerSessionCheck): a credential like a
 * token, found and taken away like one. Any thread, on its own request.
 */
#pragma once

#include "request.h"

/** The credential of a request that such cookies let in. */
extern const credential_t ab_session_credential;

/** Does the chain of a place have the provider session? */
int ab_session_in_chain(const bearer_settings_t *settings);

/** The cookies that a session store would be asked about here, or NULL. */
const char *ab_session_cookies(request_rec *r, const bearer_settings_t *settings);

/** Takes the cookies of a session check out of what others see of the request;
 *  keep: not if they are what let the request in. */
void ab_session_strip(request_rec *r, const bearer_settings_t *settings, int keep);
