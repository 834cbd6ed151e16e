/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The userinfo endpoint, and which of its claims may be added to those of an ID
 * token. See login.h.
 */
#include "login/login_inside.h"

#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/http.h"
#include "base/json.h"
#include "jose/jws.h"

static apr_status_t get(bearer_http_response_t **response,
                        const bearer_login_t *login, const char *url,
                        const char *token, const char **error, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 2);
    bearer_http_request_t request;
    apr_status_t rv = bearer_issuer_request(&request, login->access, "GET", url, headers,
                                            BEARER_LOGIN_ANSWER_MAX, error, p);

    apr_table_setn(headers, "Accept", "application/json, application/jwt");
    apr_table_setn(headers, "Authorization", apr_pstrcat(p, "Bearer ", token, NULL));
    return rv == APR_SUCCESS
        ? bearer_issuer_perform(response, login->access, &request, error, p) : rv;
}

const char *const bearer_login_bound[] = {
    "iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "jti", "sid", "acr", "amr",
    "auth_time", "at_hash", "c_hash", "scope", "tid", "act", "cnf", NULL
};

int bearer_login_binds(const char *name)
{
    int i = 0;

    while (bearer_login_bound[i] && strcmp(bearer_login_bound[i], name) != 0) {
        i++;
    }
    return bearer_login_bound[i] != NULL;
}

static void remove_bound(json_t *claims)
{
    int i;

    for (i = 0; bearer_login_bound[i]; i++) {
        json_object_del(claims, bearer_login_bound[i]);
    }
}

/* ---- the response ------------------------------------------------------- */

static bearer_reason_t no_use(bearer_refusal_t *why, const char *error, apr_pool_t *p)
{
    return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "userinfo gave no usable response: %s",
                         error);
}

static bearer_reason_t check_status(int status, bearer_refusal_t *why, apr_pool_t *p)
{
    if (status == 401 || status == 403) {
        return bearer_refuse(why, p, BEARER_INACTIVE,
                             "userinfo does not accept the access token (status %d)", status);
    }
    return status == 200 ? BEARER_OK : no_use(why, apr_psprintf(p, "status %d", status), p);
}

static int is_signed(const bearer_http_response_t *response, apr_pool_t *p)
{
    const char *type = apr_table_get(response->headers, "Content-Type");

    return (type && strncasecmp(type, "application/jwt", 15) == 0)
        || bearer_jws_looks_like(response->body, response->body_len, p);
}

static int count_dots(const char *text)
{
    int n = 0;

    for (; *text; text++) {
        n += *text == '.';
    }
    return n;
}

/* OpenID Connect Core section 5.3.2. */
static bearer_reason_t read_signed(json_t **claims, const char *token, bearer_judgement_t *j,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    if (count_dots(token) == 4) {
        return no_use(why, "it is encrypted (a JWE); configure the issuer not to encrypt this "
                      "client's userinfo", p);
    }
    if (!j || bearer_judge_login(j, BEARER_ON_USERINFO, token) != BEARER_GRANTED) {
        return no_use(why, !j ? "it is signed" : apr_psprintf(
            p, "its signed response is refused, %s: %s", bearer_reason_name(j->why.reason),
            j->why.detail), p);
    }
    *claims = json_copy(j->claims);
    return BEARER_OK;
}

static bearer_reason_t read_claims(json_t **claims, const bearer_http_response_t *response,
                                   bearer_judgement_t *j, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    json_t *parsed;
    const char *error = NULL;
    bearer_reason_t reason = BEARER_OK;

    if (is_signed(response, p)) {
        apr_size_t len = response->body_len;

        while (len && apr_isspace(response->body[len - 1])) {
            len--;
        }
        reason = read_signed(claims, apr_pstrmemdup(p, response->body, len), j, why, p);
    } else if (bearer_json_parse(&parsed, response->body, response->body_len, &error, p)
               != APR_SUCCESS) {
        reason = no_use(why, error, p);
    } else {
        *claims = json_copy(parsed);
    }
    if (reason == BEARER_OK && !*claims) {
        reason = BEARER_INTERNAL;
    }
    return reason;
}

bearer_reason_t bearer_login_userinfo(json_t **claims,
                                      const bearer_login_t *login,
                                      const char *access_token, const char *sub,
                                      bearer_judgement_t *j,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    const char *url = login->metadata->userinfo_endpoint, *error = NULL, *about;
    bearer_http_response_t *response = NULL;
    bearer_reason_t reason;

    *claims = NULL;
    if (!url || !access_token) {
        return BEARER_OK;
    }
    if (get(&response, login, url, access_token, &error, p) != APR_SUCCESS) {
        return no_use(why, error, p);
    }
    reason = check_status(response->status, why, p);
    if (reason == BEARER_OK) {
        reason = read_claims(claims, response, j, why, p);
    }
    if (reason != BEARER_OK) {
        return reason;
    }
    bearer_json_tie(*claims, p);
    /* section 5.3.2: otherwise it is about another user */
    about = bearer_json_string(*claims, "sub");
    if (!about || strcmp(about, sub) != 0) {
        *claims = NULL;
        bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                      "userinfo has another sub than the ID token");
        return BEARER_OK;
    }
    remove_bound(*claims);
    return BEARER_OK;
}

/* ---- both sources ------------------------------------------------------- */

/* "Verified" refers to the address in the same source. The other source's value
 * counts only if it names the same address. */
static void pair_email(json_t *merged, const json_t *id_token,
                       const json_t *userinfo)
{
    const json_t *own = bearer_json_member(id_token, "email");
    const json_t *other = bearer_json_member(userinfo, "email");
    json_t *verified = own ? bearer_json_member(id_token, "email_verified") : NULL;

    if (!verified && other && (!own || json_equal(own, other))) {
        verified = bearer_json_member(userinfo, "email_verified");
    }
    json_object_del(merged, "email_verified");
    if (verified) {
        json_object_set(merged, "email_verified", verified);
    }
}

json_t *bearer_login_merge(const json_t *id_token, const json_t *userinfo,
                           apr_pool_t *p)
{
    json_t *merged = json_object(), *value;
    const char *name;

    if (!merged) {
        return NULL;
    }
    bearer_json_tie(merged, p);
    json_object_update(merged, (json_t *)(apr_uintptr_t)userinfo);
    remove_bound(merged);
    json_object_foreach((json_t *)(apr_uintptr_t)id_token, name, value) {
        if (!json_is_null(value) || !json_object_get(merged, name)) {
            json_object_set(merged, name, value);
        }
    }
    pair_email(merged, id_token, userinfo);
    return merged;
}
