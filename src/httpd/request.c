/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file request.c
 * The record of one request, and the way back to the requests it was made
 * from: a subrequest and an internal redirect start with empty request_config,
 * but it is the same client with the same credential.
 */
#include "glue.h"

request_t *bearer_request_peek(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &auth_bearer_module);
}

request_t *bearer_request(request_rec *r)
{
    request_t *own = bearer_request_peek(r);

    if (!own) {
        own = apr_pcalloc(r->pool, sizeof(*own));
        ap_set_module_config(r->request_config, &auth_bearer_module, own);
    }
    return own;
}

const request_rec *bearer_request_parent(const request_rec *r)
{
    return r->main ? r->main : r->prev;
}

const request_t *bearer_request_principal(const request_rec *r)
{
    for (; r; r = bearer_request_parent(r)) {
        const request_t *own = bearer_request_peek(r);

        if (own && own->principal) {
            return own;
        }
    }
    return NULL;
}
