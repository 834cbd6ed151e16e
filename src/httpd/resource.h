/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file resource.h
 * AuthBearerResource: documents made in post_config, answered before anything else
 * looks at the request.
 */
#pragma once

#include <httpd.h>

void ab_resource_post_config(apr_pool_t *pconf, server_rec *s);
int ab_resource_quick(request_rec *r, int lookup);
