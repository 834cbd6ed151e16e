/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See login.h. */
#include "bearer/login.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "bearer/b64url.h"
#include "bearer/http.h"
#include "bearer/json.h"
#include "bearer/text.h"

/** 256 bits each: state, nonce, verifier (RFC 7636 section 4.1: 43 characters). */
#define RANDOM_SIZE 32
/** Parameters of one answer. */
#define PARAMETERS_MAX 32

/* ---- parameters of the request ----------------------------------------- */

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

static const char *random_text(const bearer_world_t *world, apr_pool_t *p)
{
    unsigned char bytes[RANDOM_SIZE];

    return bearer_world_random(world, bytes, sizeof(bytes)) == APR_SUCCESS
               ? bearer_b64url_encode(p, bytes, sizeof(bytes)) : NULL;
}

static const apr_array_header_t *words(const char *text, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    char *rest, *word = apr_strtok(apr_pstrdup(p, text), " ", &rest);

    for (; word; word = apr_strtok(NULL, " ", &rest)) {
        APR_ARRAY_PUSH(list, const char *) = word;
    }
    return list;
}

/* What was asked for is looked for in the ID token. */
static void note_expectation(bearer_attempt_t *a, const char *name,
                             const char *value, apr_pool_t *p)
{
    if (strcmp(name, "acr_values") == 0) {
        a->acr_values = words(value, p);
    } else if (strcmp(name, "max_age") == 0) {
        a->max_age = apr_time_from_sec(atoi(value));
    }
}

/* Of a parameter, or NULL: it is another one. */
static const char *value_of(const char *parameter, const char *name)
{
    apr_size_t len = strlen(name);

    return strncmp(parameter, name, len) == 0 && parameter[len] == '='
               ? parameter + len + 1 : NULL;
}

static bearer_reason_t acr_suffices(const char *wanted, const json_t *claims,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const apr_array_header_t *list = words(wanted, p);
    const char *acr = bearer_json_string(claims, "acr");
    int i;

    for (i = 0; acr && i < list->nelts; i++) {
        if (strcmp(acr, APR_ARRAY_IDX(list, i, const char *)) == 0) {
            return BEARER_OK;
        }
    }
    return bearer_refuse(why, p, BEARER_ACR, "the session began with acr %s, "
                         "wanted here is one of %s (AuthBearerLogin acr_values=)",
                         bearer_text_quote(p, acr),
                         bearer_text_quote_list(p, list));
}

static bearer_reason_t age_suffices(const char *wanted, const json_t *claims,
                                    apr_time_t now, apr_interval_time_t skew,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    apr_time_t when;

    if (bearer_json_date(&when, claims, "auth_time") == APR_SUCCESS
        && now - when <= apr_time_from_sec(atoi(wanted)) + skew) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_ACR, "the user's authentication is more "
                         "than %s s ago, or the ID token did not say "
                         "(AuthBearerLogin max_age=, auth_time)", wanted);
}

bearer_reason_t bearer_login_suffices(const apr_array_header_t *parameters,
                                      const json_t *claims, apr_time_t now,
                                      apr_interval_time_t skew,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_reason_t reason = BEARER_OK;
    int i;

    for (i = 0; parameters && reason == BEARER_OK && i < parameters->nelts; i++) {
        const char *one = APR_ARRAY_IDX(parameters, i, const char *), *value;

        if ((value = value_of(one, "acr_values")) != NULL) {
            reason = acr_suffices(value, claims, why, p);
        } else if ((value = value_of(one, "max_age")) != NULL) {
            reason = age_suffices(value, claims, now, skew, why, p);
        }
    }
    return reason;
}

static bearer_attempt_t *new_attempt(const bearer_login_t *login,
                                     const char *target, apr_pool_t *p)
{
    const bearer_world_t *world = login->access->world;
    bearer_attempt_t *a = apr_pcalloc(p, sizeof(*a));

    a->state = random_text(world, p);
    a->nonce = random_text(world, p);
    a->verifier = random_text(world, p);
    a->issuer = login->access->issuer->url;
    a->target = target;
    a->created = bearer_world_now(world);
    a->max_age = -1;
    return a->state && a->nonce && a->verifier ? a : NULL;
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

typedef struct query_t {
    apr_pool_t *p;
    const char *text;
} query_t;

static int add_pair(void *baton, const char *name, const char *value)
{
    query_t *q = baton;

    q->text = apr_pstrcat(q->p, q->text, *q->text ? "&" : "",
                          bearer_http_form_escape(q->p, name), "=",
                          bearer_http_form_escape(q->p, value), NULL);
    return 1;
}

/* RFC 6749 section 3.1: an endpoint may have a query of its own. */
static const char *with_query(const char *url, const apr_table_t *t,
                              apr_pool_t *p)
{
    query_t q = { p, "" };

    apr_table_do(add_pair, &q, t, NULL);
    return apr_pstrcat(p, url, strchr(url, '?') ? "&" : "?", q.text, NULL);
}

/* ---- talking to the issuer --------------------------------------------- */

static apr_status_t post(json_t **answer, int *status, const bearer_login_t *login,
                         const char *endpoint, const apr_table_t *form,
                         const char **error, apr_pool_t *p)
{
    bearer_http_response_t *response = NULL;
    apr_status_t rv = login->post(login->post_baton, &response, endpoint, form,
                                  error, p);

    *answer = NULL;
    *status = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *status = response->status;
    *error = NULL;
    if (bearer_json_parse(answer, response->body, response->body_len, error, p)
        != APR_SUCCESS) {
        *answer = NULL;
    }
    return APR_SUCCESS;
}

/* An error code (RFC 6749 section 5.2) for the log and for comparing. */
static const char *error_of(const json_t *answer)
{
    const char *code = answer ? bearer_json_string(answer, "error") : NULL;

    return code ? code : "";
}

static bearer_reason_t no_use(const json_t *answer, int status, const char *error,
                              const char *what, bearer_refusal_t *why,
                              apr_pool_t *p)
{
    if (!status) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "%s: %s", what, error);
    }
    return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "%s: the issuer answered "
                         "%d, error %s, %s%s", what, status,
                         bearer_text_quote(p, error_of(answer)),
                         answer ? bearer_text_quote(p, bearer_json_string(answer,
                                                        "error_description"))
                                : "no JSON object",
                         strcmp(error_of(answer), "invalid_client") == 0
                             ? "; compare AuthBearerClientID, ClientSecret and "
                               "ClientAuth with the registration" : "");
}

/* ---- begin ------------------------------------------------------------- */

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
    apr_status_t rv = post(&answer, &status, login,
                           m->pushed_authorization_request_endpoint, request,
                           &error, p);

    uri = answer ? bearer_json_string(answer, "request_uri") : NULL;
    if (rv == APR_SUCCESS && (status == 201 || status == 200) && uri
        && strlen(uri) < 512) {
        t = apr_table_make(p, 2);
        apr_table_setn(t, "client_id", login->access->settings->client_id);
        apr_table_setn(t, "request_uri", uri);
        *url = with_query(m->authorization_endpoint, t, p);
        return BEARER_OK;
    }
    if (status >= 400 && status < 500
        && !m->require_pushed_authorization_requests) {
        *url = with_query(m->authorization_endpoint, request, p);
        return BEARER_OK;
    }
    return no_use(answer, status, error, "the authorization request could not be "
                  "pushed", why, p);
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
    *attempt = new_attempt(login, target, p);
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
    *url = with_query(m->authorization_endpoint, request, p);
    return BEARER_OK;
}

/* ---- the attempt as a cookie ------------------------------------------- */

static const char *attempt_context(const char *server, apr_pool_t *p)
{
    return apr_pstrcat(p, "login attempt ", server, NULL);
}

const char *bearer_attempt_seal(const bearer_attempt_t *a,
                                const bearer_seal_t *seal, const char *server,
                                const bearer_world_t *world, apr_pool_t *p)
{
    const char *context = attempt_context(server, p);
    json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "s", a->state,
                          "n", a->nonce, "v", a->verifier, "i", a->issuer,
                          "t", a->target, "c", (json_int_t)a->created,
                          "m", (json_int_t)a->max_age);
    unsigned char *sealed;
    apr_size_t len;
    const char *value = NULL;
    char *text;

    if (o && a->acr_values) {
        json_object_set_new(o, "a", json_string(apr_array_pstrcat(
                                            p, a->acr_values, ' ')));
    }
    text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text
        && bearer_seal_close(&sealed, &len, seal, context, strlen(context), text,
                             strlen(text), world, p) == APR_SUCCESS) {
        value = bearer_b64url_encode(p, sealed, len);
    }
    free(text);
    json_decref(o);
    return value;
}

static int attempt_from(bearer_attempt_t *a, const json_t *o, apr_pool_t *p)
{
    const char *acr = bearer_json_string(o, "a");

    a->state = bearer_json_string(o, "s");
    a->nonce = bearer_json_string(o, "n");
    a->verifier = bearer_json_string(o, "v");
    a->issuer = bearer_json_string(o, "i");
    a->target = bearer_json_string(o, "t");
    a->created = json_integer_value(json_object_get(o, "c"));
    a->max_age = json_integer_value(json_object_get(o, "m"));
    a->acr_values = acr ? words(acr, p) : NULL;
    return a->state && a->nonce && a->verifier && a->issuer && a->target;
}

apr_status_t bearer_attempt_open(bearer_attempt_t **attempt, const char *value,
                                 const bearer_seal_t *seal, const char *server,
                                 const bearer_world_t *world, apr_pool_t *p)
{
    const char *context = attempt_context(server, p);
    bearer_attempt_t *a = apr_pcalloc(p, sizeof(*a));
    unsigned char *sealed, *text;
    apr_size_t sealed_len, len;
    apr_time_t now = bearer_world_now(world);
    json_t *o;

    *attempt = NULL;
    if (strlen(value) > 8192
        || bearer_b64url_decode_p(&sealed, &sealed_len, value, strlen(value), p)
           != APR_SUCCESS
        || bearer_seal_open(&text, &len, seal, context, strlen(context), sealed,
                            sealed_len, p) != APR_SUCCESS
        || bearer_json_parse(&o, (const char *)text, len, NULL, p) != APR_SUCCESS
        || !attempt_from(a, o, p)) {
        return APR_NOTFOUND;
    }
    *attempt = a;
    return now - a->created < BEARER_LOGIN_LIFE && a->created <= now
               ? APR_SUCCESS : APR_TIMEUP;
}

/* ---- the answer -------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* In place; 0 for a wrong escape or a NUL. */
static int unescape(char *s)
{
    char *out = s;

    for (; *s; s++) {
        if (*s == '%') {
            int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

            if (low < 0 || high + low == 0) {
                return 0;
            }
            *out++ = (char)(high * 16 + low);
            s += 2;
        } else {
            *out++ = *s == '+' ? ' ' : *s;
        }
    }
    *out = '\0';
    return 1;
}

bearer_reason_t bearer_login_parse(apr_table_t **parameters, const char *text,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    apr_table_t *t = *parameters = apr_table_make(p, 8);
    char *rest, *pair = text ? apr_strtok(apr_pstrdup(p, text), "&", &rest) : NULL;
    int n = 0;

    for (; pair; pair = apr_strtok(NULL, "&", &rest)) {
        char *value = strchr(pair, '=');

        value = value ? value : pair + strlen(pair);
        if (*value) {
            *value++ = '\0';
        }
        if (++n > PARAMETERS_MAX || strlen(value) > 3 * BEARER_LOGIN_PARAMETER_MAX
            || !unescape(pair) || !unescape(value)
            || strlen(value) > BEARER_LOGIN_PARAMETER_MAX) {
            return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE, "the parameters "
                                 "are too many, too long or wrongly encoded");
        }
        if (apr_table_get(t, pair)) {
            return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE, "a parameter "
                                 "stands there twice (RFC 6749 section 3.1)");
        }
        apr_table_setn(t, pair, value);
    }
    return BEARER_OK;
}

/* RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6: what the
 * user or the issuer decided, what it could not do just now; all else is a
 * mistake in the request. */
static bearer_reason_t reason_of_error(const char *error)
{
    static const struct {
        const char *error;
        bearer_reason_t reason;
    } rows[] = {
        { "access_denied", BEARER_LOGIN_DENIED },
        { "consent_required", BEARER_LOGIN_DENIED },
        { "login_required", BEARER_LOGIN_DENIED },
        { "interaction_required", BEARER_LOGIN_DENIED },
        { "account_selection_required", BEARER_LOGIN_DENIED },
        { "unmet_authentication_requirements", BEARER_LOGIN_DENIED },
        { "server_error", BEARER_LOGIN_ISSUER },
        { "temporarily_unavailable", BEARER_LOGIN_ISSUER },
    };
    unsigned i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].error, error) == 0) {
            return rows[i].reason;
        }
    }
    return BEARER_LOGIN_RESPONSE;
}

static int same_ct(const char *a, const char *b)
{
    apr_size_t len = strlen(a);

    return len == strlen(b) && bearer_text_equal_ct(a, b, len);
}

/* RFC 9207 section 2.4: mix-up of issuers. */
static bearer_reason_t check_iss(const bearer_attempt_t *attempt, const char *iss,
                                 const bearer_metadata_t *metadata,
                                 bearer_refusal_t *why, apr_pool_t *p)
{
    if (iss ? strcmp(iss, attempt->issuer) == 0
            : !metadata->authorization_response_iss_parameter_supported) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE, "the answer is of issuer "
                         "%s, but the browser was sent to %s (RFC 9207)",
                         bearer_text_quote(p, iss),
                         bearer_text_quote(p, attempt->issuer));
}

bearer_reason_t bearer_login_response(const char **code,
                                      const bearer_attempt_t *attempt,
                                      const apr_table_t *parameters,
                                      const bearer_metadata_t *metadata,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    const char *state = apr_table_get(parameters, "state");
    const char *error = apr_table_get(parameters, "error");
    bearer_reason_t reason;

    *code = apr_table_get(parameters, "code");
    if (!state || !same_ct(state, attempt->state)) {
        return bearer_refuse(why, p, BEARER_LOGIN_STATE, "the answer's state is "
                             "not the one of this login");
    }
    reason = check_iss(attempt, apr_table_get(parameters, "iss"), metadata, why,
                       p);
    if (reason != BEARER_OK) {
        return reason;
    }
    if (error) {
        return bearer_refuse(why, p, reason_of_error(error), "the issuer "
                             "answered %s: %s", bearer_text_quote(p, error),
                             bearer_text_quote(p, apr_table_get(
                                 parameters, "error_description")));
    }
    if (!*code || !**code) {
        return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE, "the answer has "
                             "neither a code nor an error");
    }
    return BEARER_OK;
}

/* ---- tokens ------------------------------------------------------------ */

/* A token goes into a header field some day: nothing but visible ASCII. */
static const char *token_in(const json_t *answer, const char *name)
{
    const char *token = bearer_json_string(answer, name);
    const char *c;

    for (c = token; c && *c; c++) {
        if (*c < 0x21 || *c > 0x7e) {
            return NULL;
        }
    }
    return token && *token ? token : NULL;
}

static apr_time_t expiry_in(const json_t *answer, apr_time_t now)
{
    const json_t *value = json_object_get(answer, "expires_in");
    double seconds = json_number_value(value);

    /* some issuers write it as a string (RFC 6749 says number) */
    if (json_is_string(value)) {
        seconds = atoi(json_string_value(value));
    }
    return seconds > 0 && seconds < 1e9 ? now + apr_time_from_sec((int)seconds)
                                        : 0;
}

static bearer_reason_t take_tokens(bearer_tokens_t *tokens, const json_t *answer,
                                   apr_time_t now, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const char *type = bearer_json_string(answer, "token_type");

    memset(tokens, 0, sizeof(*tokens));
    tokens->id_token = token_in(answer, "id_token");
    tokens->access_token = token_in(answer, "access_token");
    tokens->refresh_token = token_in(answer, "refresh_token");
    tokens->scope = bearer_json_string(answer, "scope");
    tokens->access_expires = expiry_in(answer, now);
    if (!tokens->access_token || !type || strcasecmp(type, "Bearer") != 0) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "the issuer's token "
                             "answer has no access_token of token_type Bearer");
    }
    return BEARER_OK;
}

bearer_reason_t bearer_login_redeem(bearer_tokens_t *tokens,
                                    const bearer_login_t *login,
                                    const bearer_attempt_t *attempt,
                                    const char *code, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 4);
    apr_time_t now = bearer_world_now(login->access->world);
    const char *error = NULL;
    bearer_reason_t reason;
    json_t *answer;
    int status;

    apr_table_setn(form, "grant_type", "authorization_code");
    apr_table_setn(form, "code", code);
    apr_table_setn(form, "redirect_uri", login->redirect_uri);
    apr_table_setn(form, "code_verifier", attempt->verifier);
    if (post(&answer, &status, login, login->metadata->token_endpoint, form,
             &error, p) != APR_SUCCESS || status != 200 || !answer) {
        reason = no_use(answer, status, error, "the code could not be redeemed",
                        why, p);
        if (strcmp(error_of(answer), "invalid_grant") == 0) {
            why->reason = reason = BEARER_LOGIN_RESPONSE;
        }
        return reason;
    }
    reason = take_tokens(tokens, answer, now, why, p);
    if (reason == BEARER_OK && !tokens->id_token) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "the issuer's token "
                             "answer has no id_token; is \"openid\" among "
                             "AuthBearerLoginScopes?");
    }
    return reason;
}

bearer_reason_t bearer_login_refresh(bearer_tokens_t *tokens,
                                     const bearer_login_t *login,
                                     const char *refresh_token,
                                     bearer_refusal_t *why, apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 2);
    apr_time_t now = bearer_world_now(login->access->world);
    const char *error = NULL;
    bearer_reason_t reason;
    json_t *answer;
    int status;

    apr_table_setn(form, "grant_type", "refresh_token");
    apr_table_setn(form, "refresh_token", refresh_token);
    if (!login->metadata->token_endpoint
        || post(&answer, &status, login, login->metadata->token_endpoint, form,
                &error, p) != APR_SUCCESS || status != 200 || !answer) {
        if (!login->metadata->token_endpoint) {
            return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "no token_endpoint");
        }
        reason = no_use(answer, status, error, "the session could not be "
                        "refreshed", why, p);
        if (strcmp(error_of(answer), "invalid_grant") == 0) {
            why->reason = reason = BEARER_INACTIVE;
        }
        return reason;
    }
    reason = take_tokens(tokens, answer, now, why, p);
    if (reason == BEARER_OK && !tokens->refresh_token) {
        tokens->refresh_token = refresh_token;  /* RFC 6749 section 6 */
    }
    return reason;
}

/* ---- userinfo ---------------------------------------------------------- */

static apr_status_t get(bearer_http_response_t **response,
                        const bearer_login_t *login, const char *url,
                        const char *token, const char **error, apr_pool_t *p)
{
    const bearer_settings_t *s = login->access->settings;
    const bearer_http_client_t *http = login->access->world->http;
    apr_table_t *headers = apr_table_make(p, 2);
    bearer_http_request_t request;

    *error = bearer_http_url_error(url, login->access->plain_http, p);
    if (*error || !http) {
        return APR_EINVAL;
    }
    memset(&request, 0, sizeof(request));
    apr_table_setn(headers, "Accept", "application/json");
    apr_table_setn(headers, "Authorization", apr_pstrcat(p, "Bearer ", token,
                                                         NULL));
    request.method = "GET";
    request.url = url;
    request.headers = headers;
    request.connect_timeout = s->timeout.connect;
    request.total_timeout = s->timeout.total;
    request.max_body = BEARER_LOGIN_ANSWER_MAX;
    request.ca_file = s->ca_file;
    request.proxy = s->http_proxy;
    return http->perform(http, &request, response, error, p);
}

bearer_reason_t bearer_login_userinfo(json_t **claims,
                                      const bearer_login_t *login,
                                      const char *access_token, const char *sub,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    const char *url = login->metadata->userinfo_endpoint, *error = NULL, *about;
    bearer_http_response_t *response = NULL;

    *claims = NULL;
    if (!url || !access_token) {
        return BEARER_OK;
    }
    if (get(&response, login, url, access_token, &error, p) != APR_SUCCESS
        || response->status != 200
        || bearer_json_parse(claims, response->body, response->body_len, &error,
                             p) != APR_SUCCESS) {
        *claims = NULL;
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "userinfo gave no "
                             "answer of use: %s", error ? error : response
                             ? apr_psprintf(p, "status %d", response->status)
                             : "none came");
    }
    /* OpenID Connect Core section 5.3.2: about somebody else otherwise */
    about = bearer_json_string(*claims, "sub");
    if (!about || strcmp(about, sub) != 0) {
        *claims = NULL;
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "userinfo is not about "
                             "the ID token's sub");
    }
    return BEARER_OK;
}

json_t *bearer_login_merge(const json_t *id_token, const json_t *userinfo,
                           apr_pool_t *p)
{
    static const char *const bound[] = {
        "iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "jti", "sid",
        "acr", "amr", "auth_time", "at_hash", "c_hash", "scope", NULL
    };
    json_t *merged = json_object(), *value;
    const char *name;
    int i;

    if (!merged) {
        return NULL;
    }
    bearer_json_tie(merged, p);
    json_object_update(merged, (json_t *)(apr_uintptr_t)userinfo);
    for (i = 0; bound[i]; i++) {
        json_object_del(merged, bound[i]);
    }
    /* "verified" is said of an address, and of no other one */
    value = json_object_get(id_token, "email");
    if (value && !json_equal(value, json_object_get(userinfo, "email"))) {
        json_object_del(merged, "email_verified");
    }
    json_object_foreach((json_t *)(apr_uintptr_t)id_token, name, value) {
        json_object_set(merged, name, value);
    }
    return merged;
}

/* ---- the end ----------------------------------------------------------- */

const char *bearer_login_end_session(const bearer_login_t *login,
                                     const char *id_token,
                                     const char *back_to, apr_pool_t *p)
{
    apr_table_t *t = apr_table_make(p, 3);

    if (!login->metadata->end_session_endpoint) {
        return NULL;
    }
    if (id_token) {
        apr_table_setn(t, "id_token_hint", id_token);
    }
    apr_table_setn(t, "client_id", login->access->settings->client_id);
    apr_table_setn(t, "post_logout_redirect_uri", back_to);
    return with_query(login->metadata->end_session_endpoint, t, p);
}

bearer_reason_t bearer_login_revoke(const bearer_login_t *login,
                                    const char *token, const char *hint,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 2);
    bearer_http_response_t *response = NULL;
    const char *error = NULL;

    if (!login->metadata->revocation_endpoint || !token) {
        return BEARER_OK;
    }
    apr_table_setn(form, "token", token);
    apr_table_setn(form, "token_type_hint", hint);
    if (login->post(login->post_baton, &response,
                    login->metadata->revocation_endpoint, form, &error, p)
        == APR_SUCCESS && response->status == 200) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "the %s was not revoked: "
                         "%s", hint, response ? apr_psprintf(p, "status %d",
                                                             response->status)
                                              : error);
}
