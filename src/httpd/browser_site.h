/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.h
 * A virtual host as browsers see it. Constant once the server has started.
 */
#pragma once

#include <httpd.h>

/** The virtual host as browsers see it: SCHEME://HOST[:PORT], and the path of the
 *  endpoints. */
const char *ab_browser_base(server_rec *s, apr_pool_t *p);
const char *ab_browser_path(const server_rec *s);
/** This server as a browser sees it, without a path; NULL without a browser. */
const char *ab_browser_origin(const server_rec *s);
