/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_session.h
 * The session that a cookie identifies: see browser_session.c.
 */
#pragma once

#include "browser.h"

/**
 * Finds the session of a request and judges it for this location.
 * @param credential  receives the session's access token as a credential, or one
 *                    without a token
 * @return BEARER_OK; BEARER_NO_CREDENTIAL if no session counts here; otherwise why the
 *         session cannot be used (BEARER_SESSION_STORE, BEARER_SESSION_USER, ...)
 */
bearer_reason_t ab_browser_principal(request_rec *r,
                                     const bearer_settings_t *settings,
                                     const bearer_principal_t **principal,
                                     const credential_t **credential,
                                     bearer_refusal_t *why);
/**
 * Finds the session of a request for ab_browser_principal(), which judges it. Call it
 * first.
 * @param extend  0: this request does not prolong the session, and does not refresh it
 * @return NULL if there is none
 */
const bearer_session_t *ab_browser_session(request_rec *r, int extend);
/** Prepares access to the sessions of the request's virtual host. */
void ab_browser_store(bearer_session_store_t *store, const request_rec *r);
/** The same without a request, for background threads. */
void ab_browser_store_of(bearer_session_store_t *store, const browser_t *browser,
                         struct process_t *process);
/** Log text for a session that cannot be looked up. */
#define BROWSER_NO_STORE \
    "the session cache does not answer (AuthBearerSOCache for=sessions)"
