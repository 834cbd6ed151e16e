/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file scrub.h
 * Removes data from a request so that only this module determines the user. Any thread
 * may call these functions for the request that it serves.
 */
#pragma once

#include <httpd.h>

#include "trust/settings.h"

/** If AuthType Bearer is in force, removes from the request and its environment what
 *  only this module may set there, and proofs of possession, which its record keeps.
 *  Runs once per request. Also used as a hook: returns DECLINED. */
int ab_scrub(request_rec *r);
/** Removes the token and its proofs from everything that others see of the request.
 *  @param keep  1: leaves the token in place, except in a query */
void ab_scrub_credential(request_rec *r, const bearer_settings_t *settings,
                         int keep);
/** Removes credentials from the environment after their removal from the request.
 *  @param keep  1: leaves the verified credential */
void ab_scrub_environment(request_rec *r, const bearer_settings_t *settings,
                          int keep);
/** Removes from the environment the cookies that were removed from the request. */
void ab_scrub_cookies(request_rec *r);
/** Does the same for a request about to be served as part of another: mod_include gives
 *  an included page the environment of the including page. */
void ab_scrub_includer(request_rec *r);
