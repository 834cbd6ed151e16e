/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check.h
 * configtest: contradictions in what was written, before the server starts; and the
 * same for a request, about what configtest could not see. The hooks run in one thread,
 * the functions of a request in any.
 */
#pragma once

#include <httpd.h>

/* check.c, and dump.c for -D DUMP_BEARER */
int ab_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                    server_rec *s);
void ab_check_dump(apr_pool_t *p, server_rec *s);
/** For what configtest could not see (.htaccess): the first contradiction of
 *  this request's settings, or NULL. */
const char *ab_check_request(request_rec *r);

/* check_foreign.c: the same of other modules' directives, before anybody is asked,
 * and of what they did since, where the record has `authorization` */
extern int ab_check_foreign_watch;  /**< 0: there is nothing to look at */
int ab_check_foreign_access(request_rec *r);
const char *ab_check_foreign_request(request_rec *r);
