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

/* Returns what is wrong with a parameter of a request in the browser's URL, or NULL.
 * @param own  the names of those that the module sends */
static const char *parameter_error(const char *parameter, const char *const *own,
                                   const char *request, const char *reason, apr_pool_t *p)
{
    apr_size_t n = strspn(parameter, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~");
    int i;

    if (n == 0 || parameter[n] != '=' || strlen(parameter) > 512) {
        return apr_psprintf(p, "%s is not NAME=VALUE (a parameter of the %s)",
                            bearer_text_quote(p, parameter), request);
    }
    for (i = 0; own[i]; i++) {
        /* ignores case, because the table of parameters does */
        if (strlen(own[i]) == n && strncasecmp(parameter, own[i], n) == 0) {
            return apr_psprintf(p, "%s cannot be set: %s", own[i], reason);
        }
    }
    return NULL;
}

const char *bearer_logout_parameter_error(const char *parameter, apr_pool_t *p)
{
    static const char *const own[] = {
        "id_token_hint", "client_id", "client_secret", "post_logout_redirect_uri", "state",
        NULL
    };

    return parameter_error(parameter, own, "request to end_session_endpoint",
                           "the module sends it", p);
}

const char *bearer_login_parameter_error(const char *parameter, apr_pool_t *p)
{
    static const char *const own[] = {
        "client_id", "client_secret", "redirect_uri", "response_type",
        "response_mode", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "request", "request_uri", "id_token_hint",
        NULL
    };
    const char *error = parameter_error(parameter, own, "authorization request",
                                        "it protects the login", p);

    if (error) {
        return error;
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

const char *bearer_login_add(apr_table_t *t, const char *parameter, const char **value,
                             apr_pool_t *p)
{
    const char *name = apr_pstrmemdup(p, parameter, strcspn(parameter, "="));

    *value = parameter + strlen(name) + 1;
    apr_table_setn(t, name, *value);
    return name;
}

/* Initiating User Registration via OpenID Connect 1.0, section 4.2: an issuer that lists
 * its prompts refuses or ignores others. To sign in again lets the user choose, too. */
static void set_possible_prompt(apr_table_t *t, const apr_array_header_t *prompts)
{
    static const char choice[] = "select_account";
    const char *prompt = apr_table_get(t, "prompt");

    if (prompt && prompts && !strcmp(prompt, choice) && !bearer_text_among(prompts, choice)) {
        apr_table_setn(t, "prompt", "login");
    }
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
        const char *value = NULL;
        const char *name = bearer_login_add(t, APR_ARRAY_IDX(parameters, i, const char *),
                                            &value, p);

        note_expectation(a, name, value, p);
    }
    set_possible_prompt(t, login->metadata->prompt_values_supported);
    return t;
}

/** A request on its way to the issuer. */
typedef struct sending_t {
    const bearer_login_t *login;
    const apr_table_t *request;
    apr_pool_t *p;
    const char *uri;               /**< the issuer's name for a pushed request, or NULL */
    int is_refused;                /**< 1: the issuer refused a pushed request (4xx) */
    bearer_said_t said;            /**< of bearer_attempt_t */
    bearer_refusal_t why;
} sending_t;

/* The issuer's server may require pushed requests of all clients, or of this one only,
 * which metadata cannot say. */
static int is_required(const bearer_login_t *login)
{
    int pushed = login->access->settings->pushed;

    return pushed == BEARER_PUSHED_REQUIRED
        || (pushed == BEARER_PUSHED_AUTO
            && login->metadata->require_pushed_authorization_requests);
}

int bearer_login_pushes(const bearer_login_t *login)
{
    return login->access->settings->pushed != BEARER_PUSHED_OFF
        && login->metadata->pushed_authorization_request_endpoint;
}

static bearer_reason_t ask(sending_t *s)
{
    const char *error = NULL;
    json_t *answer;
    int status;
    apr_status_t rv = bearer_login_ask(
        &answer, &status, s->login,
        s->login->metadata->pushed_authorization_request_endpoint, s->request, &error,
        s->p);

    s->uri = answer ? bearer_json_string(answer, "request_uri") : NULL;
    if (rv == APR_SUCCESS && (status == 201 || status == 200) && s->uri && *s->uri
        && strlen(s->uri) < 512) {
        return BEARER_OK;
    }
    s->uri = NULL;
    s->is_refused = status >= 400 && status < 500;
    (void)bearer_login_no_use(&s->said, answer, status, error,
                              "the authorization request cannot be pushed", &s->why, s->p);
    if (s->said.what == BEARER_SAID_DENIED) {
        s->said.what = BEARER_SAID_REFUSED;  /* no person has been asked */
    }
    return BEARER_LOGIN_ISSUER;
}

/* Limits what all addresses together may cause. */
static bearer_reason_t push_within_budget(sending_t *s)
{
    const bearer_login_t *login = s->login;
    const bearer_timeout_t *timeout = &login->access->settings->timeout;
    apr_time_t now = bearer_world_now(login->access->world);
    apr_time_t until = now + timeout->total;
    bearer_reason_t reason;
    int place = 0;

    if (login->pushes) {
        place = bearer_budget_begin(login->pushes, login->flying, now, until);
    }
    if (place < 0) {
        return bearer_refuse(&s->why, s->p, BEARER_LOGIN_LIMIT,
                             "too many logins begin for pushed requests to issuer %s (%d at once, "
                             "then %d/s, %d under way); if they are not users, limit them with "
                             "AuthBearerThrottle, and with mod_remoteip behind a proxy",
                             bearer_text_quote(s->p, login->access->issuer->url),
                             BEARER_BUDGET_AT_ONCE,
                             (int)(APR_USEC_PER_SEC / BEARER_BUDGET_EACH),
                             login->flying < BEARER_BUDGET_FLYING
                                 ? login->flying : BEARER_BUDGET_FLYING);
    }
    reason = ask(s);
    if (login->pushes) {
        bearer_place_give(login->pushes->flying, place, until);
    }
    return reason;
}

/* RFC 9126. Any client can cause a pushed request, so there are limits: for one
 * address, for waiting threads, and for all addresses together. No directive
 * disables the last one. */
static bearer_reason_t push(sending_t *s)
{
    const bearer_issuer_access_t *access = s->login->access;
    bearer_ticket_t ticket;
    bearer_reason_t reason;
    const char *full;

    if (s->login->quiet) {
        return bearer_refuse(&s->why, s->p, BEARER_THROTTLED,
                             "too many logins from this address are under way "
                             "(AuthBearerThrottle); no request was pushed to the issuer");
    }
    full = bearer_gate_enter(&ticket, access->world->gate, access->issuer->party,
                             access->settings->timeout.total);
    if (full) {
        return bearer_refuse(&s->why, s->p, BEARER_LOGIN_LIMIT, "%s", full);
    }
    reason = push_within_budget(s);
    bearer_gate_leave(&ticket);
    return reason;
}

/* Pushes the request, or leaves it to the browser's URL (s->uri is NULL). */
static bearer_reason_t send_request(sending_t *s)
{
    int required = is_required(s->login);
    bearer_reason_t reason;

    if (!bearer_login_pushes(s->login)) {
        s->said.what = BEARER_SAID_UNUSABLE;
        return !required ? BEARER_OK
            : bearer_refuse(&s->why, s->p, BEARER_LOGIN_ISSUER,
                            "pushed authorization requests are required (%s), but the metadata "
                            "of issuer %s has no endpoint for them",
                            s->login->access->settings->pushed == BEARER_PUSHED_REQUIRED
                                ? "AuthBearerPushed required" : "by the issuer",
                            bearer_text_quote(s->p, s->login->access->issuer->url));
    }
    reason = push(s);
    if (required || (reason != BEARER_THROTTLED && reason != BEARER_LOGIN_LIMIT
                     && !s->is_refused)) {
        return reason;
    }
    bearer_world_log(s->login->access->world, BEARER_LOG_INFO,
                     AB(0302) "the login uses a plain redirect, without a pushed authorization "
                     "request: %s", s->why.detail);
    return BEARER_OK;
}

bearer_reason_t bearer_login_begin(bearer_attempt_t **attempt, const char **url,
                                   const bearer_login_t *login,
                                   const apr_array_header_t *parameters,
                                   const char *target, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const bearer_metadata_t *m = login->metadata;
    sending_t s = { .login = login, .p = p };
    bearer_reason_t reason;
    apr_table_t *request;

    *attempt = NULL;
    if (!m->authorization_endpoint || !m->token_endpoint) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                             "the metadata of issuer %s has no usable authorization_endpoint or "
                             "token_endpoint",
                             bearer_text_quote(p, login->access->issuer->url));
    }
    *attempt = bearer_attempt_new(login, target, p);
    s.request = request = *attempt ? request_of(*attempt, login, parameters, p) : NULL;
    if (!request) {
        return bearer_refuse(why, p, BEARER_INTERNAL, "no random bytes");
    }
    reason = send_request(&s);
    if (reason != BEARER_OK) {
        (*attempt)->said = s.said;
        *why = s.why;
        return reason;
    }
    if (s.uri) {
        apr_table_clear(request);
        apr_table_setn(request, "client_id", login->access->settings->client_id);
        apr_table_setn(request, "request_uri", s.uri);
    }
    *url = bearer_login_with_query(m->authorization_endpoint, request, p);
    return BEARER_OK;
}
