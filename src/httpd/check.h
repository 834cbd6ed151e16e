/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check.h
 * Configuration checks: reports contradictions before the server starts (configtest),
 * and checks each request for those that configtest cannot see. The hooks run in one
 * thread. The request functions may run in any thread, each for its own request.
 */
#pragma once

#include <httpd.h>

/* Hooks, in check.c and, for -D DUMP_BEARER, in dump.c. ab_check_config() prints the
 * findings and returns the status for httpd; ab_check_dump() prints the sections with
 * their values. */
int ab_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                    server_rec *s);
void ab_check_dump(apr_pool_t *p, server_rec *s);
/** Returns the first contradiction in this request's settings that configtest could not
 *  see (.htaccess), or NULL. */
const char *ab_check_request(request_rec *r);

/* check_foreign.c: directives of other modules. ab_check_foreign_access() runs before
 * authentication and returns DECLINED or the status of a refusal.
 * ab_check_foreign_request() runs afterwards, if the request's record has
 * `authorization`, and returns NULL or the contradiction. */
extern int ab_check_foreign_watch;  /**< 0: no foreign module to check */
int ab_check_foreign_access(request_rec *r);
const char *ab_check_foreign_request(request_rec *r);
