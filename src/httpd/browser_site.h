/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.h
 * A virtual host as browsers see it. Constant once the server has started.
 */
#pragma once

#include "records.h"

/** The virtual host as browsers see it: SCHEME://HOST[:PORT], and the path of the
 *  endpoints. */
const char *ab_browser_base(server_rec *s, apr_pool_t *p);
const char *ab_browser_path(const server_rec *s);
/** The view of a request's virtual host; NULL: browsers have no session there. What
 *  takes a request in browser.h wants one that has it. */
const browser_t *ab_browser_of(const request_rec *r);
