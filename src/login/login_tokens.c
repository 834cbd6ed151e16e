/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Requests to the token endpoint (tokens for a code, refreshed tokens), and the end
 * of a session with the issuer: revocation, and the URL for signing out. See login.h.
 */
#include "login/login_inside.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"

/* A token may later be sent in a header field, so only visible ASCII is accepted. */
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

    /* some issuers write it as a string (RFC 6749 requires a number) */
    if (json_is_string(value)) {
        seconds = atoi(json_string_value(value));
    }
    return seconds > 0 && seconds < 1e9 ? now + apr_time_from_sec((int)seconds)
                                        : 0;
}

static bearer_reason_t take_tokens(bearer_tokens_t *tokens, bearer_said_t *said,
                                   const json_t *answer, apr_time_t now,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    const char *type = bearer_json_string(answer, "token_type");

    memset(tokens, 0, sizeof(*tokens));
    tokens->id_token = token_in(answer, "id_token");
    tokens->access_token = token_in(answer, "access_token");
    tokens->refresh_token = token_in(answer, "refresh_token");
    tokens->scope = bearer_json_string(answer, "scope");
    tokens->access_expires = expiry_in(answer, now);
    if (!tokens->access_token || !type || strcasecmp(type, "Bearer") != 0) {
        said->what = type && strcasecmp(type, "DPoP") == 0 ? BEARER_SAID_PROOF
                                                           : BEARER_SAID_UNUSABLE;
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                             "the issuer's token response has no access_token of token_type "
                             "Bearer (token_type: %s)%s", bearer_text_quote(p, type),
                             said->what == BEARER_SAID_PROOF
                                 ? "; configure the issuer not to require DPoP of this client"
                                 : "");
    }
    return BEARER_OK;
}

/* RFC 6749 section 5. The caller interprets a refused grant. */
static bearer_reason_t ask(bearer_tokens_t *tokens, bearer_said_t *said,
                           const bearer_login_t *login, const apr_table_t *form,
                           const char *what, bearer_reason_t invalid_grant,
                           bearer_refusal_t *why, apr_pool_t *p)
{
    const char *endpoint = login->metadata->token_endpoint, *error = NULL;
    apr_time_t now = bearer_world_now(login->access->world);
    bearer_reason_t reason;
    json_t *answer;
    int status;

    if (!endpoint) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "no token_endpoint");
    }
    if (bearer_login_ask(&answer, &status, login, endpoint, form, &error, p)
        == APR_SUCCESS && status == 200 && answer) {
        return take_tokens(tokens, said, answer, now, why, p);
    }
    reason = bearer_login_no_use(said, answer, status, error, what, why, p);
    if (strcmp(bearer_login_error_of(answer), "invalid_grant") == 0) {
        why->reason = reason = invalid_grant;
    }
    return reason;
}

bearer_reason_t bearer_login_redeem(bearer_tokens_t *tokens,
                                    const bearer_login_t *login,
                                    bearer_attempt_t *attempt,
                                    const char *code, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 4);
    bearer_reason_t reason;

    apr_table_setn(form, "grant_type", "authorization_code");
    apr_table_setn(form, "code", code);
    apr_table_setn(form, "redirect_uri", login->redirect_uri);
    apr_table_setn(form, "code_verifier", attempt->verifier);
    reason = ask(tokens, &attempt->said, login, form, "the code cannot be redeemed",
                 BEARER_LOGIN_RESPONSE, why, p);
    if (reason == BEARER_OK && !tokens->id_token) {
        attempt->said.what = BEARER_SAID_UNUSABLE;
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                             "the issuer's token response has no id_token; check that "
                             "AuthBearerLoginScopes has 'openid'");
    }
    return reason;
}

bearer_reason_t bearer_login_refresh(bearer_tokens_t *tokens,
                                     const bearer_login_t *login,
                                     const char *refresh_token,
                                     bearer_refusal_t *why, apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 2);
    bearer_said_t said;
    bearer_reason_t reason;

    apr_table_setn(form, "grant_type", "refresh_token");
    apr_table_setn(form, "refresh_token", refresh_token);
    reason = ask(tokens, &said, login, form, "the session cannot be refreshed",
                 BEARER_INACTIVE, why, p);
    if (reason == BEARER_OK && !tokens->refresh_token) {
        tokens->refresh_token = refresh_token;  /* RFC 6749 section 6 */
    }
    return reason;
}

const char *bearer_login_end_session(const bearer_login_t *login,
                                     const char *id_token, const char *back_to,
                                     const apr_array_header_t *parameters,
                                     apr_pool_t *p)
{
    apr_table_t *t = apr_table_make(p, 4);
    const char *value;
    int i;

    if (!login->metadata->end_session_endpoint) {
        return NULL;
    }
    if (id_token) {
        apr_table_setn(t, "id_token_hint", id_token);
    }
    apr_table_setn(t, "client_id", login->access->settings->client_id);
    apr_table_setn(t, "post_logout_redirect_uri", back_to);
    for (i = 0; parameters && i < parameters->nelts; i++) {
        bearer_login_add(t, APR_ARRAY_IDX(parameters, i, const char *), &value, p);
    }
    return bearer_login_with_query(login->metadata->end_session_endpoint, t, p);
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
