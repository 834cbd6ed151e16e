/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file http.h
 * Bounded outgoing requests. One implementation (libcurl, http_curl.c) and one
 * interface, so that a test can script the issuer without a socket.
 *
 * Whatever the caller asks, the client follows no redirect, takes no proxy
 * from the environment, accepts no compressed body, verifies TLS, stops at
 * max_body bytes, at total_timeout and when an answer that has begun stands still
 * for some seconds, and never logs a body or an Authorization field.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

typedef struct bearer_http_request_t {
    const char *method;          /**< "GET", "POST", ... */
    const char *url;             /**< absolute, http or https */
    const char *target;          /**< path and query to ask for in place of the
                                      URL's, beginning with `/`; or NULL. What a
                                      client sent may be in it: it never changes
                                      who is asked */
    const apr_table_t *headers;  /**< may be NULL */
    const char *body;            /**< may be NULL */
    apr_size_t body_len;
    apr_interval_time_t connect_timeout;  /**< microseconds, > 0 */
    apr_interval_time_t total_timeout;    /**< microseconds, > 0 */
    apr_size_t max_body;         /**< bytes of answer accepted, > 0 */
    const char *ca_file;         /**< PEM; NULL: the system's */
    const char *proxy;           /**< URL; NULL: none */
    const char *client_cert;     /**< PEM path for TLS client auth, or NULL */
    const char *client_key;      /**< PEM path, or NULL */
    int party;                   /**< who is asked, as the gate knows it (gate.h);
                                      0: nobody in particular */
} bearer_http_request_t;

typedef struct bearer_http_response_t {
    int status;                  /**< 100..599 */
    apr_table_t *headers;        /**< last value of each name wins */
    const char *body;            /**< NUL-terminated, never NULL */
    apr_size_t body_len;
} bearer_http_response_t;

typedef struct bearer_http_client_t bearer_http_client_t;
struct bearer_http_client_t {
    /**
     * Performs one request; blocks the calling thread for total_timeout at most.
     * @param error  on failure one printable sentence for the log, with the
     *               mend where one is known (name resolution, TLS, EACCES and
     *               the SELinux boolean); in p
     * @return APR_SUCCESS for any complete answer whatever its status;
     *         APR_TIMEUP; APR_ENOSPC when max_body was exceeded;
     *         APR_EBUSY when the gate is full (gate.h), nothing was sent then;
     *         APR_EINTR when this process stops (bearer_http_curl_create),
     *         which says nothing about the server;
     *         APR_EGENERAL for everything else
     */
    apr_status_t (*perform)(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p);
    void *baton;
};

/**
 * A client over libcurl with a bounded free list of easy handles. Create it in
 * each child, after fork; curl_global_init() is the caller's, once, before.
 * Thread-safe. Its handles are released with p.
 * @param stopping  transfers end early (APR_EINTR, within about a second) once it
 *                  answers non-zero: whoever joins a thread at shutdown need not wait
 *                  for a slow issuer. It is asked from every thread that has a
 *                  transfer and must be cheap. NULL: they do not
 */
const bearer_http_client_t *bearer_http_curl_create(const char *user_agent,
                                                    int (*stopping)(void), apr_pool_t *p);

/** A URL taken apart, as strictly as bearer_http_url_error judges it. */
typedef struct bearer_http_url_t {
    int https;          /**< 0: http */
    const char *host;   /**< lower case; an IPv6 address without brackets */
    int port;           /**< the scheme's where none is written */
    const char *path;   /**< from the path on, query included; may be "" */
} bearer_http_url_t;

/** Longer ones are refused. */
#define BEARER_HTTP_URL_MAX 2048
#define BEARER_HTTP_TARGET_MAX 16384

/** @return NULL, or what is wrong: not absolute, scheme, host, port,
 *  credentials, fragment, characters that a URL cannot have; in p */
const char *bearer_http_url_split(bearer_http_url_t *parts, const char *url,
                                  apr_pool_t *p);

/** url with target (bearer_http_request_t; NULL: as it is) in place of its path and
 *  query, in p; NULL: not with this target. */
const char *bearer_http_url_to(const char *url, const char *target, apr_pool_t *p);

/** Same scheme, host and port? 0 also when one of them is no URL. */
int bearer_http_same_origin(const char *a, const char *b, apr_pool_t *p);

/** A URL for the log: quoted, bounded, without query and credentials. */
const char *bearer_http_url_shown(const char *url, apr_pool_t *p);

/** A URL for the dump of the configuration: not quoted, with *** for its query and
 *  its credentials. */
const char *bearer_http_url_masked(const char *url, apr_pool_t *p);

/** Like bearer_http_url_split(), of a URL that may have user:password@. */
const char *bearer_http_proxy_error(const char *url, apr_pool_t *p);

/** localhost, 127.0.0.0/8, ::1. */
int bearer_http_is_loopback(const char *host);

/** An HTTP-date (RFC 9110 section 5.6.7); 0 when it is none. */
apr_time_t bearer_http_date(const char *date);

/**
 * Judges a URL that is going to be fetched: absolute, https, or http to a host
 * in plain_http ("host" or "host:port") or to loopback, no credentials, no
 * fragment, no control characters.
 * @param found_in  URL of the document that names this one: only a document from
 *                  loopback can name loopback over http, because another host's
 *                  loopback is not its own. NULL: the administrator wrote the URL,
 *                  or it was judged when the document was read
 * @return NULL if it may be fetched, else what is wrong with it and how to fix it
 */
const char *bearer_http_url_error(const char *url, const char *found_in,
                                  const apr_array_header_t *plain_http,
                                  apr_pool_t *p);

/** NULL when path is PEM with at least one certificate in it, else what is wrong
 *  with it; in p. */
const char *bearer_http_ca_file_error(const char *path, apr_pool_t *p);

/** Percent-encodes for application/x-www-form-urlencoded (space as '+'). */
const char *bearer_http_form_escape(apr_pool_t *p, const char *s);
