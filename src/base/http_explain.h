/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file http_explain.h
 * For http_curl.c only: explains a failed transfer to an administrator.
 */
#pragma once

#include <curl/curl.h>

#include "base/http.h"

typedef struct bearer_http_failure_t {
    CURL *curl;
    CURLcode code;
    const char *message;   /**< CURLOPT_ERRORBUFFER */
    const bearer_http_request_t *request;
    const char *host;      /**< host:port */
} bearer_http_failure_t;

/** Returns the status for the failure (see perform() in http.h), with *error in p. */
apr_status_t bearer_http_explain(const bearer_http_failure_t *failure,
                                 const char **error, apr_pool_t *p);
