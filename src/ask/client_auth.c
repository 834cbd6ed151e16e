/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Client authentication at an issuer's endpoint. See client_auth.h. Each method is a
 * row of one table: what it needs from the configuration, and what it adds to a
 * request (client_auth_prove.c).
 */
#include "ask/client_auth_inside.h"

#include <string.h>

#include <apr_strings.h>

/* ---- the table ---------------------------------------------------------- */

#define NEEDS_ID 1
#define NEEDS_SECRET 2
#define NEEDS_KEY 4
#define NEEDS_CERT 8

static const struct {
    const char *name;
    int needs;
    apr_status_t (*prove)(bearer_post_t *post);
} methods[] = {
#define X(symbol, word, needs, prove) { word, needs, bearer_prove_##prove },
    BEARER_CLIENT_METHODS(X)
#undef X
};

bearer_client_auth_t bearer_client_method(const bearer_settings_t *s)
{
    if (!bearer_settings_has(s, CLIENT_AUTH) && !s->client_id
        && !s->client_secret && !s->client_key) {
        return BEARER_CLIENT_NONE;
    }
    return (bearer_client_auth_t)(s->client_auth & ~BEARER_CLIENT_AUD_ENDPOINT);
}

/* ---- missing settings --------------------------------------------------- */

static const char *missing(const bearer_settings_t *s, int needs)
{
    return (needs & NEEDS_ID) && !s->client_id           ? "AuthBearerClientID"
           : (needs & NEEDS_SECRET) && !s->client_secret ? "AuthBearerClientSecret"
           : (needs & NEEDS_KEY) && !s->client_key       ? "AuthBearerClientKey"
           : (needs & NEEDS_CERT) && !s->client_cert     ? "AuthBearerClientCert"
                                                         : NULL;
}

static const char *lint_bearer(const bearer_settings_t *s,
                               const bearer_issuer_t *issuer, apr_pool_t *p)
{
    if (!s->client_secret && !(s->client_id && s->client_key)) {
        return AB(0741) "AuthBearerClientAuth bearer needs AuthBearerClientSecret: the token "
               "itself (file:PATH), or with AuthBearerClientID the secret to obtain one";
    }
    if (s->client_id && issuer->metadata.kind == BEARER_SOURCE_OFF) {
        return apr_psprintf(p, AB(0742) "AuthBearerClientAuth bearer with AuthBearerClientID needs "
                            "the token endpoint of issuer %s, which is unknown with "
                            "AuthBearerMetadata off", issuer->url);
    }
    return NULL;
}

const char *bearer_client_lint(const bearer_settings_t *s,
                               const bearer_issuer_t *issuer, apr_pool_t *p)
{
    bearer_client_auth_t method = bearer_client_method(s);
    const char *lacking = missing(s, methods[method].needs);

    if (lacking) {
        return apr_psprintf(p, AB(0743) "issuer %s: AuthBearerClientAuth %s needs %s%s",
                            issuer->url, methods[method].name, lacking,
                            bearer_settings_has(s, CLIENT_AUTH) ? ""
                            : "; write it, or AuthBearerClientAuth none if the endpoint needs no "
                              "authentication");
    }
    if (method == BEARER_CLIENT_JWT_FILE
        && s->client_secret->kind != BEARER_SECRET_FILE) {
        return AB(0744) "AuthBearerClientAuth jwt_file needs AuthBearerClientSecret file:PATH, the "
               "file with the current assertion";
    }
    lacking = method == BEARER_CLIENT_BEARER ? lint_bearer(s, issuer, p) : NULL;
    return lacking ? lacking : bearer_signer_lint(s, method, p);
}

/* ---- one request -------------------------------------------------------- */

static const char *encode_form(bearer_post_t *post)
{
    const apr_array_header_t *fields = apr_table_elts(post->form);
    apr_array_header_t *parts = apr_array_make(post->p, 8, sizeof(char *));
    int i;

    for (i = 0; i < fields->nelts; i++) {
        const apr_table_entry_t *field = &APR_ARRAY_IDX(fields, i,
                                                        apr_table_entry_t);

        APR_ARRAY_PUSH(parts, const char *) = i ? "&" : "";
        APR_ARRAY_PUSH(parts, const char *) =
            bearer_http_form_escape(post->p, field->key);
        APR_ARRAY_PUSH(parts, const char *) = "=";
        APR_ARRAY_PUSH(parts, const char *) = bearer_post_escape(post, field->val);
    }
    return bearer_post_keep(post, apr_array_pstrcat(post->p, parts, 0));
}

static apr_status_t perform(bearer_post_t *post, bearer_http_response_t **response)
{
    const bearer_issuer_access_t *access = &post->client->access;
    apr_status_t rv = bearer_issuer_request(&post->request, access, "POST",
                                            post->endpoint, post->headers,
                                            BEARER_ANSWER_MAX, &post->error, post->p);

    apr_table_setn(post->headers, "Content-Type", "application/x-www-form-urlencoded");
    apr_table_setn(post->headers, "Accept", "application/json");
    if (rv == APR_SUCCESS) {
        rv = methods[post->method].prove(post);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    post->request.body = encode_form(post);
    post->request.body_len = strlen(post->request.body);
    return bearer_issuer_perform(response, access, &post->request, &post->error,
                                 post->p);
}

/* *sent: set to the bearer token that was sent, in p; the caller must wipe it. */
apr_status_t bearer_client_post_as(bearer_http_response_t **response,
                                   bearer_client_t *client,
                                   bearer_client_auth_t method,
                                   const char *endpoint, const apr_table_t *form,
                                   char **sent, const char **error, apr_pool_t *p)
{
    bearer_post_t post = {
        .client = client, .method = method, .endpoint = endpoint, .p = p,
        .headers = apr_table_make(p, 4), .form = apr_table_clone(p, form),
        .secrets = apr_array_make(p, 8, sizeof(char *))
    };
    apr_status_t rv;

    *response = NULL;
    rv = perform(&post, response);
    *sent = post.bearer ? apr_pstrdup(p, post.bearer) : NULL;
    bearer_post_wipe(&post);
    *error = post.error;
    return rv;
}

/* ---- the client --------------------------------------------------------- */

apr_status_t bearer_client_post(bearer_http_response_t **response,
                                bearer_client_t *client, const char *endpoint,
                                const apr_table_t *form, const char **error,
                                apr_pool_t *p)
{
    char *sent = NULL;
    apr_status_t rv;
    int tries;

    for (tries = 0; tries < 2; tries++) {
        rv = bearer_client_post_as(response, client, client->method, endpoint, form,
                                   &sent, error, p);
        if (rv != APR_SUCCESS || !sent || (*response)->status != 401) {
            break;
        }
        bearer_client_refuse_token(client, sent);   /* revoked before it expired */
        bearer_secret_wipe(sent, strlen(sent));
    }
    if (sent) {
        bearer_secret_wipe(sent, strlen(sent));
    }
    return rv;
}

static apr_status_t forget(void *baton)
{
    bearer_client_drop_token(baton);
    return APR_SUCCESS;
}

static apr_status_t watch_secrets(bearer_client_t *client, apr_pool_t *p)
{
    const bearer_settings_t *s = bearer_client_settings(client);
    const bearer_secret_t *key = client->config.key;
    apr_status_t rv = APR_SUCCESS;

    if (s->client_secret) {
        rv = bearer_secret_watch(&client->secret, s->client_secret,
                                 client->access.world, p);
    }
    if (rv == APR_SUCCESS && s->client_key
        && client->method != BEARER_CLIENT_TLS) {
        key = key ? key : bearer_secret_of_file(s->client_key,
                                                "AuthBearerClientKey", p);
        rv = bearer_secret_watch(&client->key, key, client->access.world, p);
    }
    return rv;
}

apr_status_t bearer_client_create(bearer_client_t **out,
                                  const bearer_client_config_t *config,
                                  apr_pool_t *p)
{
    bearer_client_t *client = apr_pcalloc(p, sizeof(*client));
    apr_status_t rv;

    *out = client;
    client->config = *config;
    client->access = *config->access;
    client->method = bearer_client_method(client->access.settings);
    rv = bearer_flight_locks(&client->mutex, &client->landed, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, client, forget, apr_pool_cleanup_null);
    return watch_secrets(client, p);
}
