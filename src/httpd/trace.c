/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file trace.c
 * The request that a thread works for, so that work on its behalf can be traced:
 * `traceparent` (W3C Trace Context) is forwarded to issuers, and the request's id
 * (mod_unique_id) appears in every log line, including the library's.
 */
#include "trace.h"

#include <apr_strings.h>

#include "base/text.h"
#include "base/traceparent.h"

APLOG_USE_MODULE(auth_bearer);

static _Thread_local request_rec *working_for;

request_rec *ab_trace_enter(request_rec *r)
{
    request_rec *before = working_for;

    working_for = r;
    return before;
}

void ab_trace_leave(request_rec **before)
{
    working_for = *before;
}

/* ---- the log ----------------------------------------------------------------- */

static const char *id_of(const request_rec *r)
{
    for (; r; r = r->main ? r->main : r->prev) {
        const char *id = apr_table_get(r->subprocess_env, "UNIQUE_ID");

        if (id) {
            return id;
        }
    }
    return NULL;
}

static int is_plain(const char *id)
{
    return *id && strlen(id) <= 64
        && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                  "0123456789@_-") == strlen(id);
}

const char *ab_trace_id(const request_rec *r)
{
    const char *id = id_of(r);

    return id && is_plain(id) ? id : NULL;
}

static const char *suffix_of(const request_rec *r)
{
    const char *id = id_of(r);

    return id ? apr_psprintf(r->pool, ", request %s",
                             is_plain(id) ? id : bearer_text_quote(r->pool, id))
              : "";
}

void ab_trace_log(const char *file, int line, int module_index, int level,
                  const request_rec *r, const char *fmt, ...)
{
    char *message;
    va_list args;

    va_start(args, fmt);
    message = apr_pvsprintf(r->pool, fmt, args);
    va_end(args);
    bearer_message_tame(message);
    ap_log_rerror(file, line, module_index, level, 0, r, "%s%s", message,
                  suffix_of(r));
}

const char *ab_trace_suffix_here(void)
{
    return working_for ? suffix_of(working_for) : "";
}

/* ---- traceparent --------------------------------------------------------------- */

static apr_status_t perform(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p)
{
    const bearer_http_client_t *inner = client->baton;
    const char *parent = !working_for ? NULL : bearer_traceparent(
        apr_table_get(working_for->headers_in, "traceparent"), p);
    bearer_http_request_t traced = *request;
    apr_table_t *headers;

    if (!parent) {
        return inner->perform(inner, request, response, error, p);
    }
    headers = request->headers ? apr_table_copy(p, request->headers)
                               : apr_table_make(p, 1);
    apr_table_setn(headers, "traceparent", parent);
    traced.headers = headers;
    return inner->perform(inner, &traced, response, error, p);
}

const bearer_http_client_t *ab_trace_http(const bearer_http_client_t *inner,
                                          apr_pool_t *p)
{
    bearer_http_client_t *client = apr_pcalloc(p, sizeof(*client));

    client->perform = perform;
    client->baton = (void *)(apr_uintptr_t)inner;
    return client;
}
