/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file start.h
 * What happens when: the hooks in which all rooms have a part. For the door, and
 * ab_start_child_init() for explain.c.
 */
#pragma once

#include <httpd.h>

int ab_start_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int ab_start_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                         server_rec *s);
void ab_start_child_init(apr_pool_t *p, server_rec *s);
/** Registers the hook before authentication in which several rooms have a part. */
void ab_start_register(void);
