/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file client_auth_inside.h
 * What the files of client_auth share; nobody else includes this.
 */
#pragma once

#include <openssl/evp.h>

#include "ask/client_auth.h"
#include "base/flight.h"
#include "jose/alg.h"

#define BEARER_CLIENT_ERROR_MAX 512

struct bearer_client_t {
    bearer_issuer_access_t access;
    bearer_client_auth_t method;
    bearer_client_config_t config;
    bearer_secret_watch_t *secret;   /* NULL: none is configured */
    bearer_secret_watch_t *key;
    /* a token by client_credentials; all under mutex */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    char *token;                     /* malloc'd; NULL: none */
    apr_time_t expires, renew;
    int flying;
    char error[BEARER_CLIENT_ERROR_MAX];  /* of the last flight; "" it went well */
};

/** A request being built; all that is secret in it is wiped afterwards. */
typedef struct bearer_post_t {
    bearer_client_t *client;
    bearer_client_auth_t method;
    const char *endpoint;
    bearer_http_request_t request;
    apr_table_t *headers;
    apr_table_t *form;
    apr_array_header_t *secrets;     /* char *: wiped at the end */
    const char *bearer;              /* the token that was sent, or NULL */
    const char *error;
    apr_pool_t *p;
} bearer_post_t;

static inline const bearer_settings_t *
bearer_client_settings(const bearer_client_t *client)
{
    return client->access.settings;
}

/* ---- a request (client_auth_prove.c) ------------------------------------ */

/** Text that is wiped when the request is over: text itself. */
char *bearer_post_keep(bearer_post_t *post, char *text);

/** Text as a form has it, kept so. */
const char *bearer_post_escape(bearer_post_t *post, const char *text);

void bearer_post_wipe(bearer_post_t *post);

/** Adds what proves who we are; else post->error says why it cannot. */
#define X(symbol, word, needs, prove) \
    apr_status_t bearer_prove_##prove(bearer_post_t *post);
BEARER_CLIENT_METHODS(X)
#undef X

/* ---- what signs an assertion (client_auth_key.c) ------------------------ */

/** Whatever signs an assertion: a private key, or a shared secret. */
typedef struct bearer_signer_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    const char *secret;
    json_t *header;
} bearer_signer_t;

/** A private key, PEM or JWK (or a set with one), and the algorithm that it signs
 *  with; p releases it. */
apr_status_t bearer_signer_load(bearer_signer_t *signer, const char *text,
                                apr_size_t len, const char **error, apr_pool_t *p);

/** x5t and x5t#S256 of AuthBearerClientCert into the header, if there is one. */
apr_status_t bearer_signer_thumbprints(bearer_post_t *post,
                                       const bearer_signer_t *signer);

/** What is wrong with the files of that method, or NULL. */
const char *bearer_signer_lint(const bearer_settings_t *s,
                               bearer_client_auth_t method, apr_pool_t *p);

/* ---- a token by client_credentials (client_auth_token.c) ---------------- */

int bearer_client_by_credentials(const bearer_client_t *client);

/** The token in p; waits for one that is on its way, for one request's time. */
apr_status_t bearer_client_token(bearer_client_t *client, char **token,
                                 const char **error, apr_pool_t *p);

/** It was refused: the next request gets another. */
void bearer_client_refuse_token(bearer_client_t *client, const char *token);

void bearer_client_drop_token(bearer_client_t *client);

/**
 * One request by a method (client_auth.c).
 * @param sent  the bearer token of ours that went with it, in p, to be wiped
 */
apr_status_t bearer_client_post_as(bearer_http_response_t **response,
                                   bearer_client_t *client,
                                   bearer_client_auth_t method,
                                   const char *endpoint, const apr_table_t *form,
                                   char **sent, const char **error, apr_pool_t *p);
