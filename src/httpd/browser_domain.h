/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_domain.h
 * Sessions that other hosts of a domain share or can set: see browser_domain.c.
 */
#pragma once

#include "browser.h"

/** Loads the sessions that the request's cookies name.
 *  @param sessions  room for BEARER_COOKIE_VALUES
 *  @return their number; if there are several, none may count. -1: the store does not
 *          answer */
int ab_browser_sessions(bearer_session_t **sessions, const bearer_session_store_t *store,
                        request_rec *r);
/** The same for a request that uses the session.
 *  @return BEARER_OK; BEARER_NO_CREDENTIAL: none, or several; BEARER_SESSION_STORE */
bearer_reason_t ab_browser_only_session(bearer_session_t **session,
                                        const bearer_session_store_t *store, request_rec *r,
                                        bearer_refusal_t *why);
/** Has this server the session's issuer, and in a domain also its client id there? Only
 *  then can it refresh or revoke the session's tokens. */
int ab_browser_is_own(const request_rec *r, bearer_session_t *session);
/** Turns the judgement on a session of the domain that could not have begun here into
 *  BEARER_NO_CREDENTIAL, so that a login begins; returns any other as it is. Notes such a
 *  session, and one that does not suffice (BEARER_ACR). */
bearer_reason_t ab_browser_fitting(request_rec *r, const bearer_session_t *session,
                                   bearer_reason_t reason);
/** Notes that the session does not satisfy a rule (`Require authentication`), before a
 *  login. */
void ab_browser_too_weak(request_rec *r, const char *why);
/** Parameters of a login that the host of login= takes from another host, ends with NULL:
 *  anyone can send them, so they only ask the issuer for more. */
extern const char *const ab_browser_passed[];
/** Returns the index there of the name in NAME=VALUE, or -1. */
int ab_browser_passes(const char *parameter);
/** Notes that the session counts here, so that the next one that does not leads to a
 *  login again. */
void ab_browser_fits(request_rec *r);
/** Before a login: has an earlier one just replaced a session that does not count here by
 *  another that does not? Otherwise notes which session the browser has. */
int ab_browser_unfit_again(request_rec *r);
/** Returns the issuer that logs in at pages with these settings; NULL: there are several, or
 *  *error says why there is none. */
const bearer_issuer_t *ab_browser_only_issuer(request_rec *r, const bearer_settings_t *settings,
                                              const char **error);
/** Do browsers log in at another host, the one of login=? */
int ab_browser_is_guest(const browser_t *browser);
/** Returns the URL of a page to which a login may lead: of a path and query of this
 *  server; with login=, also of an https URL of a virtual host of the domain. NULL: it may
 *  not. Anyone may have chosen the target. */
const char *ab_browser_page(const request_rec *r, const char *target);
