/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_status.h
 * PATH/session: see browser_status.c.
 */
#pragma once

#include "browser.h"

/** Returns the claims that the <Location> of that very path names in AuthBearerExport
 *  (const char *); NULL: none. */
const apr_array_header_t *ab_browser_told_claims(const server_rec *s, const char *path,
                                                 apr_pool_t *p);
/** Answers PATH/session. Returns the status for the handler to return. */
int ab_browser_status(request_rec *r);
