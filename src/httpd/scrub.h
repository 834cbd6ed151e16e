/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file scrub.h
 * What is removed from a request, so that only this module says who the user is. Any
 * thread, on its own request.
 */
#pragma once

#include <httpd.h>

#include "trust/settings.h"

/** Removes from the client's request and environment what only this module may set
 *  there, where it is in force; once. A hook, too: DECLINED. */
int ab_scrub(request_rec *r);
/** Takes whatever carries a token out of what others will see of the request;
 *  keep: the token stays where it is (but never in a query). */
void ab_scrub_credential(request_rec *r, const bearer_settings_t *settings,
                         int keep);
/** Removes from the environment what carried a credential, once its copy in the
 *  request is removed; keep: what was verified stays. */
void ab_scrub_environment(request_rec *r, const bearer_settings_t *settings,
                          int keep);
/** Cookies that are removed from the request go from the environment too. */
void ab_scrub_cookies(request_rec *r);
/** The same for a request that is about to be served as part of another: mod_include
 *  lets a page that is included have the environment of the one that includes it. */
void ab_scrub_includer(request_rec *r);
