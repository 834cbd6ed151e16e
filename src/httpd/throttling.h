/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttling.h
 * AuthBearerThrottle as requests meet it. The counts are in shared memory; any thread,
 * on its own request.
 */
#pragma once

#include <httpd.h>

#include "base/reason.h"
#include "state/throttle.h"
#include "trust/settings.h"

/** Whom a request counts for; 0: nobody, it is not throttled.
 *  @param address  BEARER_THROTTLE_KEY_SIZE bytes */
int ab_throttling_address(unsigned char *address, request_rec *r,
                          const bearer_settings_t *settings);
/** Counts a refusal, if its category is one that counts. */
void ab_throttling_failure(request_rec *r, const bearer_settings_t *settings,
                           const unsigned char *address,
                           const bearer_throttle_token_t *token,
                           bearer_reason_t reason);
/** A login is about to ask the issuer on behalf of somebody unknown: 0, and it is
 *  counted; or the seconds until this address may again. */
unsigned ab_throttling_login(request_rec *r, const bearer_settings_t *settings);
/** One comes back: the seconds until the issuer may be asked about it, or 0. */
unsigned ab_throttling_callback(request_rec *r,
                                const bearer_settings_t *settings);
/** One that came back ended in 503: it is counted, for those that begin, too. */
void ab_throttling_unanswered(request_rec *r,
                              const bearer_settings_t *settings);
/** One of them came to a good end. */
void ab_throttling_logged_in(request_rec *r, const bearer_settings_t *settings);
