/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file resource.h
 * AuthBearerResource: documents created in post_config and served before other modules
 * process the request. RFC 9728. After post_config, any thread may serve them.
 */
#pragma once

#include <httpd.h>

/** Creates the documents of all virtual hosts. */
void ab_resource_post_config(apr_pool_t *pconf, server_rec *s);
/** Hook: answers a request for one of the documents, else returns DECLINED. */
int ab_resource_quick(request_rec *r, int lookup);
