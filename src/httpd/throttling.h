/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttling.h
 * Applies AuthBearerThrottle to requests. The counters are in shared memory. Any thread
 * may call these functions for the request that it serves.
 */
#pragma once

#include <httpd.h>

#include "base/reason.h"
#include "state/throttle.h"
#include "trust/settings.h"

/** Sets the address that a request counts for. Returns 0 if the request is not
 *  throttled.
 *  @param address  BEARER_THROTTLE_KEY_SIZE bytes */
int ab_throttling_address(unsigned char *address, request_rec *r,
                          const bearer_settings_t *settings);
/** Counts a refusal if its category counts. */
void ab_throttling_failure(request_rec *r, const bearer_settings_t *settings,
                           const unsigned char *address,
                           const bearer_throttle_token_t *token,
                           bearer_reason_t reason);
/** Call before a request to the issuer for an unauthenticated browser. Returns 0 and
 *  counts the login, or returns the seconds until this address may start another. */
unsigned ab_throttling_login(request_rec *r, const bearer_settings_t *settings);
/** Call when a browser returns from the issuer. Returns the seconds until the issuer
 *  may be asked, or 0. */
unsigned ab_throttling_callback(request_rec *r,
                                const bearer_settings_t *settings);
/** Counts a returned login that ended in 503. New logins from the address are limited
 *  too. */
void ab_throttling_unanswered(request_rec *r,
                              const bearer_settings_t *settings);
/** Notes that a login succeeded. */
void ab_throttling_logged_in(request_rec *r, const bearer_settings_t *settings);
