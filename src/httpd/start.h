/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file start.h
 * The hooks in which several files take part, and their order. For mod_auth_bearer.c;
 * explain.c also calls ab_start_child_init().
 */
#pragma once

#include <httpd.h>

/** Hooks in the order in which httpd calls them. The first two return OK or an HTTP
 *  status. */
int ab_start_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int ab_start_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                         server_rec *s);
void ab_start_child_init(apr_pool_t *p, server_rec *s);
/** Registers the hook before authentication in which several files take part. */
void ab_start_register(void);
