/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file http.h
 * Bounded outgoing requests. There is one implementation (libcurl, http_curl.c)
 * behind an interface, so that a test can script the issuer without a socket.
 *
 * For every request, the client follows no redirect, takes no proxy from the
 * environment, accepts no compressed body and verifies TLS. It stops at max_body
 * bytes, at total_timeout, and when a response that has begun stalls for some
 * seconds. It never logs a body or an Authorization field.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

typedef struct bearer_http_request_t {
    const char *method;          /**< "GET", "POST", ... */
    const char *url;             /**< absolute, http or https */
    const char *target;          /**< path and query that replace those of url, beginning
                                      with `/`; or NULL. It may contain client input: it
                                      never changes which server gets the request */
    const apr_table_t *headers;  /**< may be NULL */
    const char *body;            /**< may be NULL */
    apr_size_t body_len;
    apr_interval_time_t connect_timeout;  /**< microseconds, > 0 */
    apr_interval_time_t total_timeout;    /**< microseconds, > 0 */
    apr_size_t max_body;         /**< maximum body of the response, bytes, > 0 */
    const char *ca_file;         /**< PEM; NULL: the system's */
    const char *proxy;           /**< URL; NULL: none */
    const char *client_cert;     /**< PEM path for TLS client auth, or NULL */
    const char *client_key;      /**< PEM path, or NULL */
    int party;                   /**< the party that gets the request (gate.h); 0: none
                                      in particular */
} bearer_http_request_t;

typedef struct bearer_http_response_t {
    int status;                  /**< 100..599 */
    apr_table_t *headers;        /**< the last value of each name */
    const char *body;            /**< NUL-terminated, never NULL */
    apr_size_t body_len;
} bearer_http_response_t;

typedef struct bearer_http_client_t bearer_http_client_t;
struct bearer_http_client_t {
    /**
     * Performs one request; blocks the calling thread for total_timeout at most.
     * @param error  on failure one printable sentence for the log, in p. It says how
     *               to fix the problem if that is known (name resolution, TLS, EACCES
     *               and the SELinux boolean)
     * @return APR_SUCCESS for any complete response, whatever its status; APR_TIMEUP;
     *         APR_ENOSPC if max_body was exceeded; APR_EBUSY if the gate is full
     *         (gate.h); nothing was sent; APR_EINTR if this process is stopping
     *         (bearer_http_curl_create), which says nothing about the server;
     *         APR_EGENERAL for any other failure
     */
    apr_status_t (*perform)(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p);
    void *baton;
};

/**
 * Creates a client that uses libcurl, with a bounded free list of easy handles. Call
 * it in each child, after fork. The caller must call curl_global_init() once before.
 * Thread-safe. The handles are released with p.
 * @param stopping  once it returns non-zero, transfers end early (APR_EINTR, within
 *                  about a second), so that joining a thread at shutdown does not
 *                  wait for a slow issuer. Every thread with a transfer calls it; it
 *                  must be cheap. NULL: transfers do not end early
 */
const bearer_http_client_t *bearer_http_curl_create(const char *user_agent,
                                                    int (*stopping)(void), apr_pool_t *p);

/** The parts of a URL, checked as strictly as in bearer_http_url_error(). */
typedef struct bearer_http_url_t {
    int https;          /**< 0: http */
    const char *host;   /**< lower case; an IPv6 address without brackets */
    int port;           /**< the scheme's default if the URL has none */
    const char *path;   /**< path and query; may be "" */
} bearer_http_url_t;

/** Maximum lengths; longer URLs are refused. */
#define BEARER_HTTP_URL_MAX 2048
#define BEARER_HTTP_TARGET_MAX 16384

/** Splits a URL.
 *  @return NULL, or an error message, in p: not absolute, scheme, host, port,
 *          credentials, fragment, or characters that a URL cannot contain */
const char *bearer_http_url_split(bearer_http_url_t *parts, const char *url,
                                  apr_pool_t *p);

/** Returns url with target in place of its path and query, in p. With target NULL,
 *  url is unchanged. Returns NULL if the target is not acceptable
 *  (bearer_http_request_t). */
const char *bearer_http_url_to(const char *url, const char *target, apr_pool_t *p);

/** Returns 1 if scheme, host and port are the same; 0 also if one of them is not a URL. */
int bearer_http_same_origin(const char *a, const char *b, apr_pool_t *p);

/** Returns a URL for the log: quoted, bounded, without query and credentials. */
const char *bearer_http_url_shown(const char *url, apr_pool_t *p);

/** Returns a URL for the configuration dump: not quoted, with *** in place of
 *  query and credentials. */
const char *bearer_http_url_masked(const char *url, apr_pool_t *p);

/** Checks a proxy URL like bearer_http_url_split(), but allows user:password@. */
const char *bearer_http_proxy_error(const char *url, apr_pool_t *p);

/** Returns 1 for localhost, 127.0.0.0/8 and ::1. */
int bearer_http_is_loopback(const char *host);

/** Parses an HTTP-date (RFC 9110 section 5.6.7); returns 0 if it is not one. */
apr_time_t bearer_http_date(const char *date);

/**
 * Checks a URL before it is fetched: absolute, and https, or http to loopback or to a
 * host in plain_http ("host" or "host:port"). Credentials, a fragment and control
 * characters are refused.
 * @param found_in  URL of the document that contains this URL. Only a document from
 *                  loopback may name loopback with http, because loopback means
 *                  another machine to another host. NULL: the administrator wrote the
 *                  URL, or it was checked when the document was read
 * @return NULL if it may be fetched, else an error message with the correction
 */
const char *bearer_http_url_error(const char *url, const char *found_in,
                                  const apr_array_header_t *plain_http,
                                  apr_pool_t *p);

/** Returns NULL if the file is PEM with at least one certificate, else an error in p. */
const char *bearer_http_ca_file_error(const char *path, apr_pool_t *p);

/** Percent-encodes for application/x-www-form-urlencoded (space as '+'). */
const char *bearer_http_form_escape(apr_pool_t *p, const char *s);
