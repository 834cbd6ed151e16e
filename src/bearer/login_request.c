/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The way to the issuer: what an authorization request says, and how it gets
 * there, in the browser's address or pushed ahead of it. See login.h.
 */
#include "bearer/login_inside.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "bearer/b64url.h"
#include "bearer/json.h"
#include "bearer/text.h"

const char *bearer_login_parameter_error(const char *parameter, apr_pool_t *p)
{
    static const char *const own[] = {
        "client_id", "client_secret", "redirect_uri", "response_type",
        "response_mode", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "request", "request_uri", "id_token_hint",
        NULL
    };
    apr_size_t n = strspn(parameter, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~");
    int i;

    if (n == 0 || parameter[n] != '=' || strlen(parameter) > 512) {
        return apr_psprintf(p, "%s is not NAME=VALUE (a parameter of the "
                            "authorization request)",
                            bearer_text_quote(p, parameter));
    }
    for (i = 0; own[i]; i++) {
        if (strlen(own[i]) == n && strncmp(parameter, own[i], n) == 0) {
            return apr_psprintf(p, "%s is this module's own: it makes the login "
                                "safe", own[i]);
        }
    }
    if (strncmp(parameter, "max_age=", 8) == 0
        && (!parameter[8] || strspn(parameter + 8, "0123456789")
                             != strlen(parameter + 8)
            || strlen(parameter + 8) > 8)) {
        return "max_age is a number of seconds";
    }
    return NULL;
}

/* What was asked for is looked for in the ID token. */
static void note_expectation(bearer_attempt_t *a, const char *name,
                             const char *value, apr_pool_t *p)
{
    if (strcmp(name, "acr_values") == 0) {
        a->acr_values = bearer_login_words(value, p);
    } else if (strcmp(name, "max_age") == 0) {
        a->max_age = apr_time_from_sec(atoi(value));
    }
}

/* RFC 7636 section 4.2, S256. */
static const char *challenge(const char *verifier, apr_pool_t *p)
{
    unsigned char hash[BEARER_SHA256_SIZE];

    return bearer_text_sha256(verifier, strlen(verifier), hash) == APR_SUCCESS
               ? bearer_b64url_encode(p, hash, sizeof(hash)) : NULL;
}

static apr_table_t *request_of(bearer_attempt_t *a, const bearer_login_t *login,
                               const apr_array_header_t *parameters,
                               apr_pool_t *p)
{
    const bearer_settings_t *settings = login->access->settings;
    const char *code_challenge = challenge(a->verifier, p);
    apr_table_t *t = apr_table_make(p, 12);
    int i;

    if (!code_challenge) {
        return NULL;
    }
    apr_table_setn(t, "client_id", settings->client_id);
    apr_table_setn(t, "response_type", "code");
    apr_table_setn(t, "response_mode", "query");
    apr_table_setn(t, "redirect_uri", login->redirect_uri);
    apr_table_setn(t, "scope", apr_array_pstrcat(p, settings->login_scopes, ' '));
    apr_table_setn(t, "state", a->state);
    apr_table_setn(t, "nonce", a->nonce);
    apr_table_setn(t, "code_challenge", code_challenge);
    apr_table_setn(t, "code_challenge_method", "S256");
    for (i = 0; parameters && i < parameters->nelts; i++) {
        const char *one = APR_ARRAY_IDX(parameters, i, const char *);
        const char *value = strchr(one, '=') + 1;
        const char *name = apr_pstrmemdup(p, one, (apr_size_t)(value - one - 1));

        apr_table_setn(t, name, value);
        note_expectation(a, name, value, p);
    }
    return t;
}

/* RFC 9126. Where it is only offered, an issuer that will not have it for this
 * client is asked the plain way. */
static bearer_reason_t push(const char **url, const bearer_login_t *login,
                            const apr_table_t *request, bearer_refusal_t *why,
                            apr_pool_t *p)
{
    const bearer_metadata_t *m = login->metadata;
    const char *error = NULL, *uri;
    apr_table_t *t;
    json_t *answer;
    int status;
    apr_status_t rv = bearer_login_ask(&answer, &status, login,
                                       m->pushed_authorization_request_endpoint,
                                       request, &error, p);

    uri = answer ? bearer_json_string(answer, "request_uri") : NULL;
    if (rv == APR_SUCCESS && (status == 201 || status == 200) && uri
        && strlen(uri) < 512) {
        t = apr_table_make(p, 2);
        apr_table_setn(t, "client_id", login->access->settings->client_id);
        apr_table_setn(t, "request_uri", uri);
        *url = bearer_login_with_query(m->authorization_endpoint, t, p);
        return BEARER_OK;
    }
    if (status >= 400 && status < 500
        && !m->require_pushed_authorization_requests) {
        *url = bearer_login_with_query(m->authorization_endpoint, request, p);
        return BEARER_OK;
    }
    return bearer_login_no_use(answer, status, error, "the authorization request "
                               "could not be pushed", why, p);
}

bearer_reason_t bearer_login_begin(bearer_attempt_t **attempt, const char **url,
                                   const bearer_login_t *login,
                                   const apr_array_header_t *parameters,
                                   const char *target, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const bearer_metadata_t *m = login->metadata;
    apr_table_t *request;

    if (!m->authorization_endpoint || !m->token_endpoint) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "the metadata of issuer "
                             "%s names no authorization_endpoint or no "
                             "token_endpoint that may be used",
                             bearer_text_quote(p, login->access->issuer->url));
    }
    *attempt = bearer_attempt_new(login, target, p);
    request = *attempt ? request_of(*attempt, login, parameters, p) : NULL;
    if (!request) {
        return bearer_refuse(why, p, BEARER_INTERNAL, "no random bytes");
    }
    if (m->pushed_authorization_request_endpoint && !login->quiet) {
        return push(url, login, request, why, p);
    }
    if (m->pushed_authorization_request_endpoint
        && m->require_pushed_authorization_requests) {
        return bearer_refuse(why, p, BEARER_THROTTLED, "too many logins of this "
                             "address are under way (AuthBearerThrottle); nothing "
                             "was pushed to the issuer");
    }
    if (m->require_pushed_authorization_requests) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "the issuer demands "
                             "pushed authorization requests, but names no "
                             "endpoint for them");
    }
    *url = bearer_login_with_query(m->authorization_endpoint, request, p);
    return BEARER_OK;
}
