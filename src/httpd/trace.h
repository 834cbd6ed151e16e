/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file trace.h
 * The request that the current thread works for, and log lines about a request or a
 * server. Each thread has its own state.
 */
#pragma once

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

#include "base/http.h"
#include "base/message.h"

/** Marks r as the request of this thread until the block ends. */
#define AB_TRACE(r) \
    request_rec *ab_trace_before __attribute__((unused, cleanup(ab_trace_leave))) = \
        ab_trace_enter(r)
/** For AB_TRACE() only. */
request_rec *ab_trace_enter(request_rec *r);
void ab_trace_leave(request_rec **before);
/** Returns the request's id (mod_unique_id) if it is safe to show in a page; or NULL. */
const char *ab_trace_id(const request_rec *r);
/** Returns `, request ID` if the thread works for a request and mod_unique_id is
 *  loaded, else "". */
const char *ab_trace_suffix_here(void);
/** Returns a client that adds the request's traceparent, if there is one. */
const bearer_http_client_t *ab_trace_http(const bearer_http_client_t *inner,
                                          apr_pool_t *p);
/** Logs a line about a server. rv: its text stands before the line, unless it is 0. */
#define ab_log_server(level, rv, s, ...) \
    ap_log_error(APLOG_MARK, level, rv, s, __VA_ARGS__)
/** Logs a line about a request, with its id. */
#define ab_log(level, r, ...) \
    do { \
        if (APLOG_R_IS_LEVEL(r, level)) { \
            ab_trace_log(APLOG_MARK, level, r, __VA_ARGS__); \
        } \
    } while (0)
/** For ab_log() only. */
void ab_trace_log(const char *file, int line, int module_index, int level,
                  const request_rec *r, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
