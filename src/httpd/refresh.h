/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refresh.h
 * Background threads that look after key sets and files, so that no request has to.
 * Started with the child, stopped before anything that they use is released.
 */
#pragma once

#include <httpd.h>

#include "base/crew.h"

void ab_refresh_post_config(apr_pool_t *pconf, server_rec *s);
/** After ab_start_child_init(): from now on background threads look after the key
 *  sets. */
void ab_refresh_child_init(apr_pool_t *p, server_rec *s);
/** Is this thread one of those, and no worker? */
int ab_refresh_in_background(void);
/** For bearer_http_curl_create: is this a transfer of the background, and the
 *  child is stopping? */
int ab_refresh_must_stop(void);
/** What the background sends to the issuers. */
apr_status_t ab_refresh_crew(bearer_crew_t **crew, apr_pool_t *p);
/** The child ends, and ab_process() is NULL already: returns when no
 *  background job uses it any longer. */
void ab_refresh_end(bearer_crew_t *crew);
