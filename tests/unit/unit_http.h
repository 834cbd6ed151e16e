/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_http.h
 * An HTTP client whose answers are scripted: pages by URL, no socket. Counts
 * what it was asked. Several threads may use it at once.
 */
#pragma once

#include <pthread.h>

#include "unit.h"

#include "base/http.h"

#define UNIT_HTTP_PAGES 16

typedef struct unit_http_page_t {
    const char *url;
    int status;
    const char *name, *value;   /**< one header, or NULL */
    const char *body;
    apr_status_t rv;            /**< other than APR_SUCCESS: no answer */
} unit_http_page_t;

typedef struct unit_http_t {
    bearer_http_client_t client;
    pthread_mutex_t mutex;
    unit_http_page_t pages[UNIT_HTTP_PAGES];
    int page_count;
    int requests;
    /** The last request. */
    char url[512], authorization[512];
    char target[512];           /**< "": the URL's own */
    char method[16], body[4096], fields[4096];   /**< "Name: value\n" each */
    bearer_http_request_t request;   /**< do not follow its pointers */
    /** Called during a request, without the lock; may be NULL. */
    void (*during)(void *baton);
    void *during_baton;
} unit_http_t;

static inline apr_status_t unit_http_answer(const unit_http_page_t *page,
                                            bearer_http_response_t **response,
                                            const char **error, apr_pool_t *p)
{
    bearer_http_response_t *r;

    if (!page || page->rv != APR_SUCCESS) {
        *error = "no answer (scripted)";
        return page ? page->rv : APR_EGENERAL;
    }
    r = apr_pcalloc(p, sizeof(*r));
    r->status = page->status;
    r->headers = apr_table_make(p, 2);
    if (page->name) {
        apr_table_set(r->headers, page->name, page->value);
    }
    r->body = apr_pstrdup(p, page->body ? page->body : "");
    r->body_len = strlen(r->body);
    *response = r;
    return APR_SUCCESS;
}

static inline void unit_http_note_fields(unit_http_t *h,
                                         const apr_table_t *headers)
{
    const apr_array_header_t *all = headers ? apr_table_elts(headers) : NULL;
    apr_size_t used = 0;
    int i;

    h->fields[0] = '\0';
    for (i = 0; all && i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        used += (apr_size_t)apr_snprintf(h->fields + used,
                                         sizeof(h->fields) - used, "%s: %s\n",
                                         e->key, e->val);
    }
}

static inline apr_status_t unit_http_perform(const bearer_http_client_t *client,
                                             const bearer_http_request_t *request,
                                             bearer_http_response_t **response,
                                             const char **error, apr_pool_t *p)
{
    unit_http_t *h = client->baton;
    const char *auth = request->headers
                           ? apr_table_get(request->headers, "Authorization")
                           : NULL;
    apr_status_t rv;
    int i;

    *response = NULL;
    *error = NULL;
    pthread_mutex_lock(&h->mutex);
    h->requests++;
    h->request = *request;
    apr_cpystrn(h->url, request->url, sizeof(h->url));
    apr_cpystrn(h->target, request->target ? request->target : "",
                sizeof(h->target));
    apr_cpystrn(h->authorization, auth ? auth : "", sizeof(h->authorization));
    apr_cpystrn(h->method, request->method, sizeof(h->method));
    apr_cpystrn(h->body, request->body ? request->body : "(none)",
                sizeof(h->body));
    unit_http_note_fields(h, request->headers);
    pthread_mutex_unlock(&h->mutex);
    if (h->during) {
        h->during(h->during_baton);
    }
    pthread_mutex_lock(&h->mutex);
    for (i = 0; i < h->page_count; i++) {
        if (strcmp(h->pages[i].url, request->url) == 0) {
            break;
        }
    }
    rv = unit_http_answer(i < h->page_count ? &h->pages[i] : NULL, response,
                          error, p);
    pthread_mutex_unlock(&h->mutex);
    return rv;
}

static inline unit_http_t *unit_http(apr_pool_t *p)
{
    unit_http_t *h = apr_pcalloc(p, sizeof(*h));

    pthread_mutex_init(&h->mutex, NULL);
    h->client.perform = unit_http_perform;
    h->client.baton = h;
    return h;
}

/** Scripts (or replaces) a page; body is kept by reference. */
static inline unit_http_page_t *unit_http_page(unit_http_t *h, const char *url,
                                               int status, const char *body)
{
    unit_http_page_t *page;
    int i;

    pthread_mutex_lock(&h->mutex);
    for (i = 0; i < h->page_count && strcmp(h->pages[i].url, url); i++) {
    }
    assert_true(i < UNIT_HTTP_PAGES);
    h->page_count = i == h->page_count ? i + 1 : h->page_count;
    page = &h->pages[i];
    memset(page, 0, sizeof(*page));
    page->url = url;
    page->status = status;
    page->body = body;
    pthread_mutex_unlock(&h->mutex);
    return page;
}

static inline int unit_http_requests(unit_http_t *h)
{
    int n;

    pthread_mutex_lock(&h->mutex);
    n = h->requests;
    pthread_mutex_unlock(&h->mutex);
    return n;
}
