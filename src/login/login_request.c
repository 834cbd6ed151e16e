/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The authorization request: its parameters, and how it reaches the issuer, in the
 * browser's URL or pushed in advance. See login.h.
 */
#include "login/login_inside.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"

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
        /* ignores case, because the table of parameters does */
        if (strlen(own[i]) == n && strncasecmp(parameter, own[i], n) == 0) {
            return apr_psprintf(p, "%s cannot be set: it protects the login", own[i]);
        }
    }
    if (strncmp(parameter, "max_age=", 8) == 0
        && (!parameter[8] || strspn(parameter + 8, "0123456789")
                             != strlen(parameter + 8)
            || strlen(parameter + 8) > 8)) {
        return "max_age must be a number of seconds";
    }
    return NULL;
}

/* Records the parameters that the ID token must satisfy. */
static void note_expectation(bearer_attempt_t *a, const char *name,
                             const char *value, apr_pool_t *p)
{
    if (strcmp(name, "acr_values") == 0) {
        a->acr_values = bearer_text_split(p, value, " ");
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

static bearer_reason_t ask(const char **uri, const bearer_login_t *login,
                           const apr_table_t *request, bearer_refusal_t *why,
                           apr_pool_t *p)
{
    const bearer_metadata_t *m = login->metadata;
    const char *error = NULL;
    json_t *answer;
    int status;
    apr_status_t rv = bearer_login_ask(&answer, &status, login,
                                       m->pushed_authorization_request_endpoint,
                                       request, &error, p);

    *uri = answer ? bearer_json_string(answer, "request_uri") : NULL;
    if (rv == APR_SUCCESS && (status == 201 || status == 200) && *uri && **uri
        && strlen(*uri) < 512) {
        return BEARER_OK;
    }
    *uri = NULL;
    if (status >= 400 && status < 500
        && !m->require_pushed_authorization_requests) {
        return BEARER_OK;          /* the issuer does not accept pushed requests from
                                      this client */
    }
    return bearer_login_no_use(answer, status, error, "the authorization request cannot be pushed",
                               why, p);
}

/* Limits what all addresses together may cause. */
static bearer_reason_t push_within_budget(const char **uri,
                                          const bearer_login_t *login,
                                          const apr_table_t *request,
                                          bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_timeout_t *timeout = &login->access->settings->timeout;
    apr_time_t now = bearer_world_now(login->access->world);
    apr_time_t until = now + timeout->total;
    bearer_reason_t reason;
    int place = 0;

    if (login->pushes) {
        place = bearer_budget_begin(login->pushes, login->flying, now, until);
    }
    if (place < 0) {
        return bearer_refuse(why, p, BEARER_LOGIN_LIMIT,
                             "too many logins begin for pushed requests to issuer %s (%d at once, "
                             "then %d/s, %d under way); if they are not users, limit them with "
                             "AuthBearerThrottle, and with mod_remoteip behind a proxy",
                             bearer_text_quote(p, login->access->issuer->url),
                             BEARER_BUDGET_AT_ONCE,
                             (int)(APR_USEC_PER_SEC / BEARER_BUDGET_EACH),
                             login->flying < BEARER_BUDGET_FLYING
                                 ? login->flying : BEARER_BUDGET_FLYING);
    }
    reason = ask(uri, login, request, why, p);
    if (login->pushes) {
        bearer_place_give(login->pushes->flying, place, until);
    }
    return reason;
}

/* RFC 9126. Any client can cause a pushed request, so there are limits: for one
 * address, for waiting threads, and for all addresses together. No directive
 * disables the last one. */
static bearer_reason_t push(const char **uri, const bearer_login_t *login,
                            const apr_table_t *request, bearer_refusal_t *why,
                            apr_pool_t *p)
{
    const bearer_issuer_access_t *access = login->access;
    bearer_ticket_t ticket;
    bearer_reason_t reason;
    const char *full;

    *uri = NULL;
    if (login->quiet) {
        return bearer_refuse(why, p, BEARER_THROTTLED,
                             "too many logins from this address are under way "
                             "(AuthBearerThrottle); no request was pushed to the issuer");
    }
    full = bearer_gate_enter(&ticket, access->world->gate, access->issuer->party,
                             access->settings->timeout.total);
    if (full) {
        return bearer_refuse(why, p, BEARER_LOGIN_LIMIT, "%s", full);
    }
    reason = push_within_budget(uri, login, request, why, p);
    bearer_gate_leave(&ticket);
    return reason;
}

/* Returns the request, or the issuer's name for a pushed one. */
static bearer_reason_t send_request(const char **uri, const bearer_login_t *login,
                                    const apr_table_t *request,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_metadata_t *m = login->metadata;
    int required = m->require_pushed_authorization_requests;
    bearer_refusal_t own = { BEARER_OK, NULL };
    bearer_reason_t reason;

    *uri = NULL;
    if (!m->pushed_authorization_request_endpoint) {
        return !required ? BEARER_OK
            : bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                            "the issuer requires pushed authorization requests, but its metadata "
                            "has no endpoint for them");
    }
    reason = push(uri, login, request, &own, p);
    if (!required && (reason == BEARER_THROTTLED || reason == BEARER_LOGIN_LIMIT)) {
        bearer_world_log(login->access->world, BEARER_LOG_INFO,
                         AB(0302) "the login uses a plain redirect, without a pushed authorization "
                         "request: %s", own.detail);
        return BEARER_OK;
    }
    if (reason != BEARER_OK) {
        *why = own;
    }
    return reason;
}

bearer_reason_t bearer_login_begin(bearer_attempt_t **attempt, const char **url,
                                   const bearer_login_t *login,
                                   const apr_array_header_t *parameters,
                                   const char *target, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const bearer_metadata_t *m = login->metadata;
    bearer_reason_t reason;
    apr_table_t *request;
    const char *uri;

    if (!m->authorization_endpoint || !m->token_endpoint) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                             "the metadata of issuer %s has no usable authorization_endpoint or "
                             "token_endpoint",
                             bearer_text_quote(p, login->access->issuer->url));
    }
    *attempt = bearer_attempt_new(login, target, p);
    request = *attempt ? request_of(*attempt, login, parameters, p) : NULL;
    if (!request) {
        return bearer_refuse(why, p, BEARER_INTERNAL, "no random bytes");
    }
    reason = send_request(&uri, login, request, why, p);
    if (reason == BEARER_OK && uri) {
        apr_table_clear(request);
        apr_table_setn(request, "client_id", login->access->settings->client_id);
        apr_table_setn(request, "request_uri", uri);
    }
    if (reason == BEARER_OK) {
        *url = bearer_login_with_query(m->authorization_endpoint, request, p);
    }
    return reason;
}
