/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file client_auth.h
 * Client authentication at an issuer's endpoint (AuthBearerClientAuth): posts a form
 * with what the method requires.
 *
 *   client_secret_basic   RFC 6749 section 2.3.1, id and secret form-encoded
 *   client_secret_post    the same section, in the body
 *   client_secret_jwt     RFC 7523, HS256 with the secret
 *   private_key_jwt       RFC 7523, AuthBearerClientKey
 *   jwt_file              RFC 7523, an assertion that another program renews in the
 *                         file that AuthBearerClientSecret names
 *   tls_client_auth       RFC 8705, AuthBearerClientCert
 *   bearer                RFC 6750: without AuthBearerClientID the content of
 *                         AuthBearerClientSecret is the token; with it, a token
 *                         from the token endpoint (client_credentials), renewed
 *                         ahead of time by one thread
 *   none                  client_id in the body if configured
 *
 * An assertion that this server signs is valid for a minute and has its own jti. Its
 * aud is the issuer (RFC 7523bis: a token endpoint as audience may belong to another
 * server). With `aud=endpoint`, it is the endpoint's URL, for issuers that require
 * it.
 *
 * Used for introspection and for the token endpoint. Thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "base/secret.h"
#include "trust/issuer.h"
#include "trust/settings.h"

typedef enum {
#define X(symbol, word, needs, prove) BEARER_CLIENT_##symbol,
    BEARER_CLIENT_METHODS(X)
#undef X
} bearer_client_auth_t;

/** Lifetime of an assertion that this server signs. */
#define BEARER_CLIENT_ASSERTION_LIFE apr_time_from_sec(60)

/** Lifetime of a token if the token response does not state one. */
#define BEARER_CLIENT_TOKEN_LIFE apr_time_from_sec(60)

/** Returns the method in force: `none` if no client is configured. */
bearer_client_auth_t bearer_client_method(const bearer_settings_t *settings);

/** Returns what is missing for the method in force and how to fix it; or NULL.
 *  @param settings  resolved with the issuer's layer */
const char *bearer_client_lint(const bearer_settings_t *settings,
                               const bearer_issuer_t *issuer, apr_pool_t *p);

typedef struct bearer_client_t bearer_client_t;

typedef struct bearer_client_config_t {
    const bearer_issuer_access_t *access;  /**< copied */
    /** AuthBearerClientKey as read at start; NULL: it is read when first needed. */
    const bearer_secret_t *key;
    /** Returns the issuer's token endpoint, for `bearer`; NULL with *error. */
    const char *(*token_endpoint)(void *baton, const char **error,
                                  apr_pool_t *p);
    void *baton;
} bearer_client_config_t;

/** @param p  the process's pool; what config points to must live as long */
apr_status_t bearer_client_create(bearer_client_t **client,
                                  const bearer_client_config_t *config,
                                  apr_pool_t *p);

/**
 * Posts a form to an endpoint, authenticated, with the issuer's timeouts, CA file and
 * proxy. The response is JSON of at most BEARER_ANSWER_MAX bytes (flight.h).
 * @param form  names and values, not escaped; not changed
 * @return APR_SUCCESS for any complete response, whatever its status; else *error,
 *         one sentence for the log
 */
apr_status_t bearer_client_post(bearer_http_response_t **response,
                                bearer_client_t *client, const char *endpoint,
                                const apr_table_t *form, const char **error,
                                apr_pool_t *p);

/** Returns 1 if bearer_client_maintain() would send a request to the issuer. */
int bearer_client_is_due(bearer_client_t *client);

/** For a background thread: renews a token that is due. */
void bearer_client_maintain(bearer_client_t *client, apr_pool_t *ptemp);
