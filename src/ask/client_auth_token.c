/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The token by client_credentials for AuthBearerClientAuth bearer: all threads share
 * it, and one of them renews it ahead of time. See client_auth.h.
 */
#include "ask/client_auth_inside.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"

/** Time until the next renewal after a failure, while the token is still valid. */
#define RENEW_AGAIN apr_time_from_sec(5)
/** A token is renewed when this fraction of its lifetime is left (one fifth). */
#define RENEW_PART 5

int bearer_client_by_credentials(const bearer_client_t *client)
{
    return client->method == BEARER_CLIENT_BEARER
           && bearer_client_settings(client)->client_id != NULL;
}

/* RFC 6749 section 5.1 */
static apr_status_t read_grant(char **token, apr_interval_time_t *life,
                               const bearer_http_response_t *response,
                               const char *endpoint, const char **error,
                               apr_pool_t *p)
{
    const char *url = bearer_http_url_shown(endpoint, p), *text, *type;
    const json_t *expires_in;
    json_t *answer;

    if (response->status != 200) {
        *error = apr_psprintf(p, "%s answered %d to client_credentials; check AuthBearerClientID, "
                              "AuthBearerClientSecret, and whether the client may use this grant",
                              url,
                              response->status);
        return APR_EGENERAL;
    }
    if (bearer_json_parse(&answer, response->body, response->body_len, &text, p)
        != APR_SUCCESS) {
        *error = apr_psprintf(p, "%s: the response is not JSON: %s", url, text);
        return APR_EGENERAL;
    }
    text = bearer_json_string(answer, "access_token");
    type = bearer_json_string(answer, "token_type");
    if (!text || !*text || bearer_text_b64token(text, strlen(text)) != strlen(text)
        || (type && strcasecmp(type, "Bearer") != 0)) {
        *error = apr_psprintf(p, "%s: the response has no bearer token", url);
        return APR_EGENERAL;
    }
    expires_in = json_object_get(answer, "expires_in");
    *life = json_is_integer(expires_in) && json_integer_value(expires_in) > 0
                && json_integer_value(expires_in) < 366 * 86400
            ? apr_time_from_sec((apr_time_t)json_integer_value(expires_in))
            : BEARER_CLIENT_TOKEN_LIFE;
    *token = apr_pstrdup(p, text);
    return APR_SUCCESS;
}

static apr_status_t fetch_token(bearer_client_t *client, char **token,
                                apr_interval_time_t *life, const char **error,
                                apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 1);
    bearer_http_response_t *response;
    const char *endpoint;
    char *sent;
    apr_status_t rv;

    *error = NULL;
    endpoint = client->config.token_endpoint
        ? client->config.token_endpoint(client->config.baton, error, p) : NULL;
    if (!endpoint) {
        *error = *error ? *error : "the issuer's metadata has no token endpoint";
        return APR_NOTFOUND;
    }
    apr_table_setn(form, "grant_type", "client_credentials");
    rv = bearer_client_post_as(&response, client,
                               client->key ? BEARER_CLIENT_PRIVATE_KEY_JWT
                                           : BEARER_CLIENT_SECRET_BASIC,
                               endpoint, form, &sent, error, p);
    if (rv == APR_SUCCESS) {
        rv = read_grant(token, life, response, endpoint, error, p);
        bearer_secret_wipe((char *)(apr_uintptr_t)response->body,
                           response->body_len);
    }
    return rv;
}

void bearer_client_drop_token(bearer_client_t *client)
{
    if (client->token) {
        bearer_secret_wipe(client->token, strlen(client->token));
        free(client->token);
        client->token = NULL;
    }
}

/* Called with the mutex held; releases it during the request. */
static void fly(bearer_client_t *client, apr_pool_t *p)
{
    apr_interval_time_t life = 0;
    const char *error = "";
    char *token = NULL;
    apr_status_t rv;
    apr_time_t now;

    client->flying = 1;
    apr_thread_mutex_unlock(client->mutex);
    rv = fetch_token(client, &token, &life, &error, p);
    apr_thread_mutex_lock(client->mutex);
    now = bearer_world_now(client->access.world);
    client->flying = 0;
    apr_cpystrn(client->error, rv == APR_SUCCESS ? "" : error, BEARER_CLIENT_ERROR_MAX);
    client->renew = now + RENEW_AGAIN;
    if (rv == APR_SUCCESS) {
        bearer_client_drop_token(client);
        client->token = strdup(token);
        bearer_secret_wipe(token, strlen(token));
        client->expires = now + life;
        client->renew = now + life - life / RENEW_PART;
    }
    apr_thread_cond_broadcast(client->landed);
    if (rv != APR_SUCCESS && rv != APR_EINTR) {
        bearer_world_log(client->access.world, BEARER_LOG_WARNING,
                         AB(0251) "no access token for introspection requests to issuer %s: %s",
                         bearer_text_quote(p, client->access.issuer->url), error);
    }
}

static int is_good(const bearer_client_t *client, apr_time_t now)
{
    return client->token && now < client->expires;
}

/* Returns 1 if a thread should fetch a token now. */
static int is_wanted(const bearer_client_t *client, apr_time_t now)
{
    return !client->flying && (!is_good(client, now) || now >= client->renew);
}

apr_status_t bearer_client_token(bearer_client_t *client, char **token,
                                 const char **error, apr_pool_t *p)
{
    apr_time_t now = bearer_world_now(client->access.world);
    apr_status_t rv = APR_SUCCESS;

    apr_thread_mutex_lock(client->mutex);
    if (is_wanted(client, now)) {
        fly(client, p);
    } else if (!is_good(client, now)) {  /* wait for one request's time at most */
        bearer_flight_wait(client->landed, client->mutex, &client->flying,
                           apr_time_now() + bearer_client_settings(client)->timeout.total);
    }
    if (is_good(client, now)) {
        *token = apr_pstrdup(p, client->token);
    } else {
        *error = apr_psprintf(p, "no token for the request: %s",
                              client->error[0] ? client->error
                                               : "it did not arrive in time");
        rv = APR_NOTFOUND;
    }
    apr_thread_mutex_unlock(client->mutex);
    return rv;
}

/* The token was refused: the next request gets another, unless a new one has
 * already arrived. */
void bearer_client_refuse_token(bearer_client_t *client, const char *token)
{
    apr_thread_mutex_lock(client->mutex);
    if (client->token && strcmp(client->token, token) == 0) {
        bearer_client_drop_token(client);
    }
    apr_thread_mutex_unlock(client->mutex);
}

/* Under the mutex: returns 1 if there is a token that should be renewed. */
static int is_due(const bearer_client_t *client)
{
    return client->token
        && is_wanted(client, bearer_world_now(client->access.world));
}

int bearer_client_is_due(bearer_client_t *client)
{
    int due;

    apr_thread_mutex_lock(client->mutex);
    due = is_due(client);
    apr_thread_mutex_unlock(client->mutex);
    return due;
}

void bearer_client_maintain(bearer_client_t *client, apr_pool_t *ptemp)
{
    apr_thread_mutex_lock(client->mutex);
    if (is_due(client)) {
        fly(client, ptemp);
    }
    apr_thread_mutex_unlock(client->mutex);
}
