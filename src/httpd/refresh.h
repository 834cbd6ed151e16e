/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refresh.h
 * Background threads that refresh key sets and files, so that requests do not wait for
 * them. They start with the child and stop before anything that they use is released.
 */
#pragma once

#include <httpd.h>

#include "base/crew.h"

/** Registers the jobs with mod_watchdog, if it is loaded. */
void ab_refresh_post_config(apr_pool_t *pconf, server_rec *s);
/** Starts the background threads that refresh the key sets. Call it after
 *  ab_start_child_init(). */
void ab_refresh_child_init(apr_pool_t *p, server_rec *s);
/** Is the current thread a background thread rather than a worker? */
int ab_refresh_in_background(void);
/** For bearer_http_curl_create(): returns 1 if a background transfer must stop because
 *  the child is ending. */
int ab_refresh_must_stop(void);
/** Creates the crew of background threads that send requests to issuers. */
apr_status_t ab_refresh_crew(bearer_crew_t **crew, apr_pool_t *p);
/** Waits until no background job uses the process state. Call it when the child ends,
 *  after ab_process() has become NULL. */
void ab_refresh_end(bearer_crew_t *crew);
