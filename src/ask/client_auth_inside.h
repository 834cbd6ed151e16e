/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file client_auth_inside.h
 * Shared by the client_auth*.c files only.
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
    /* a token by client_credentials; all of this under mutex */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    char *token;                     /* malloc'd; NULL: none */
    apr_time_t expires, renew;
    int flying;
    char error[BEARER_CLIENT_ERROR_MAX];  /* of the last flight; "" if it succeeded */
};

/** A request being built; its secrets are wiped afterwards. */
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

/** Registers text to be wiped when the request is over; returns text. */
char *bearer_post_keep(bearer_post_t *post, char *text);

/** Returns the text form-encoded, to be wiped as well. */
const char *bearer_post_escape(bearer_post_t *post, const char *text);

void bearer_post_wipe(bearer_post_t *post);

/** Adds the client's authentication; on failure post->error says why. */
#define X(symbol, word, needs, prove) \
    apr_status_t bearer_prove_##prove(bearer_post_t *post);
BEARER_CLIENT_METHODS(X)
#undef X

/* ---- what signs an assertion (client_auth_key.c) ------------------------ */

/** What signs an assertion: a private key or a shared secret. */
typedef struct bearer_signer_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    const char *secret;
    json_t *header;
} bearer_signer_t;

/** Reads a private key, PEM or JWK (or a set with one), and selects the algorithm
 *  for it. It is released with p. */
apr_status_t bearer_signer_load(bearer_signer_t *signer, const char *text,
                                apr_size_t len, const char **error, apr_pool_t *p);

/** Adds x5t and x5t#S256 of AuthBearerClientCert, if there is one, to the header. */
apr_status_t bearer_signer_thumbprints(bearer_post_t *post,
                                       const bearer_signer_t *signer);

/** Returns an error message about the files of that method, or NULL. */
const char *bearer_signer_lint(const bearer_settings_t *s,
                               bearer_client_auth_t method, apr_pool_t *p);

/* ---- a token by client_credentials (client_auth_token.c) ---------------- */

int bearer_client_by_credentials(const bearer_client_t *client);

/** Gets the token, in p. If another thread is fetching it, waits for at most one
 *  request's time. */
apr_status_t bearer_client_token(bearer_client_t *client, char **token,
                                 const char **error, apr_pool_t *p);

/** Reports that the token was refused: the next request gets another. */
void bearer_client_refuse_token(bearer_client_t *client, const char *token);

void bearer_client_drop_token(bearer_client_t *client);

/**
 * Sends one request by a method (client_auth.c).
 * @param sent  set to the bearer token that was sent, in p; the caller must wipe it
 */
apr_status_t bearer_client_post_as(bearer_http_response_t **response,
                                   bearer_client_t *client,
                                   bearer_client_auth_t method,
                                   const char *endpoint, const apr_table_t *form,
                                   char **sent, const char **error, apr_pool_t *p);
