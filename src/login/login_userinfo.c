/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The userinfo endpoint, and which of its claims may be added to those of an ID
 * token. See login.h.
 */
#include "login/login_inside.h"

#include <string.h>

#include <apr_strings.h>

#include "base/http.h"
#include "base/json.h"

static apr_status_t get(bearer_http_response_t **response,
                        const bearer_login_t *login, const char *url,
                        const char *token, const char **error, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 2);
    bearer_http_request_t request;
    apr_status_t rv = bearer_issuer_request(&request, login->access, "GET", url, headers,
                                            BEARER_LOGIN_ANSWER_MAX, error, p);

    apr_table_setn(headers, "Accept", "application/json");
    apr_table_setn(headers, "Authorization", apr_pstrcat(p, "Bearer ", token, NULL));
    return rv == APR_SUCCESS
        ? bearer_issuer_perform(response, login->access, &request, error, p) : rv;
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
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "userinfo gave no usable response: %s",
                             error ? error
                             : apr_psprintf(p, "status %d",
                                            response ? response->status : 0));
    }
    /* OpenID Connect Core section 5.3.2: otherwise it is about another user */
    about = bearer_json_string(*claims, "sub");
    if (!about || strcmp(about, sub) != 0) {
        *claims = NULL;
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                             "userinfo has another sub than the ID token");
    }
    return BEARER_OK;
}

static json_t *member(const json_t *claims, const char *name)
{
    json_t *value = json_object_get(claims, name);

    return json_is_null(value) ? NULL : value;
}

/* "Verified" refers to the address in the same source. The other source's value
 * counts only if it names the same address. */
static void pair_email(json_t *merged, const json_t *id_token,
                       const json_t *userinfo)
{
    const json_t *own = member(id_token, "email");
    const json_t *other = member(userinfo, "email");
    json_t *verified = own ? member(id_token, "email_verified") : NULL;

    if (!verified && other && (!own || json_equal(own, other))) {
        verified = member(userinfo, "email_verified");
    }
    json_object_del(merged, "email_verified");
    if (verified) {
        json_object_set(merged, "email_verified", verified);
    }
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
    json_object_foreach((json_t *)(apr_uintptr_t)id_token, name, value) {
        if (!json_is_null(value) || !json_object_get(merged, name)) {
            json_object_set(merged, name, value);
        }
    }
    pair_email(merged, id_token, userinfo);
    return merged;
}
