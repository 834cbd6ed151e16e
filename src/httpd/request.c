/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file request.c
 * The record of one request, and the way back to the requests that it was created from.
 * A subrequest and an internal redirect start with an empty request_config, but come
 * from the same client with the same credential.
 */
#include "request.h"

#include <http_config.h>

request_t *ab_request_peek(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &auth_bearer_module);
}

request_t *ab_request(request_rec *r)
{
    request_t *own = ab_request_peek(r);

    if (!own) {
        own = apr_pcalloc(r->pool, sizeof(*own));
        ap_set_module_config(r->request_config, &auth_bearer_module, own);
    }
    return own;
}

const request_rec *ab_request_parent(const request_rec *r)
{
    return r->main ? r->main : r->prev;
}

request_rec *ab_request_first(const request_rec *r)
{
    const request_rec *parent;

    while ((parent = ab_request_parent(r)) != NULL) {
        r = parent;
    }
    return (request_rec *)(apr_uintptr_t)r;
}

void ab_request_set_field(request_rec *r, const char *name, const char *value)
{
    if (value) {
        apr_table_setn(r->headers_in, name, value);
    } else {
        apr_table_unset(r->headers_in, name);
    }
}

int ab_request_by_script(const request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *with = apr_table_get(r->headers_in, "X-Requested-With");

    return mode ? ap_cstr_casecmp(mode, "navigate") != 0
                : with && !ap_cstr_casecmp(with, "XMLHttpRequest");
}

const request_t *ab_request_principal(const request_rec *r)
{
    for (; r; r = ab_request_parent(r)) {
        const request_t *own = ab_request_peek(r);

        if (own && own->principal) {
            return own;
        }
        if (ab_request_borrows(r)) {
            return own->lent;
        }
    }
    return NULL;
}

/* ---- ap_internal_fast_redirect ------------------------------------------- */

/* The request gets the subrequest's configuration and environment, but not its user,
 * headers or record. */
int ab_request_borrows(const request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    return own && own->lent && own->lent_of == r->per_dir_config;
}

static apr_status_t take_back(void *r_)
{
    const request_rec *r = r_;
    request_t *to = ab_request_peek(r->main);

    if (to->lent == ab_request_peek(r)) {
        to->lent = NULL;
    }
    return APR_SUCCESS;
}

void ab_request_lend(request_rec *r)
{
    request_t *to = ab_request(r->main);

    to->lent = ab_request_peek(r);
    to->lent_of = r->per_dir_config;
    apr_pool_cleanup_register(r->pool, r, take_back, apr_pool_cleanup_null);
}
