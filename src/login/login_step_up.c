/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Locations that require more than others (RFC 9470): checks whether the login of a
 * session suffices. See login.h.
 */
#include "login/login_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* Returns the value of a parameter, or NULL if it has another name. */
static const char *value_of(const char *parameter, const char *name)
{
    apr_size_t len = strlen(name);

    return strncmp(parameter, name, len) == 0 && parameter[len] == '='
               ? parameter + len + 1 : NULL;
}

static bearer_reason_t acr_suffices(const char *wanted, const json_t *claims,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const apr_array_header_t *list = bearer_text_split(p, wanted, " ");
    const char *acr = bearer_json_string(claims, "acr");

    return bearer_text_among(list, acr) ? BEARER_OK
        : bearer_refuse(why, p, BEARER_ACR,
                        "the session began with acr %s, but one of %s is needed here "
                        "(AuthBearerLogin acr_values=)",
                        bearer_text_quote(p, acr), bearer_text_quote_list(p, list));
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
    return bearer_refuse(why, p, BEARER_ACR,
                         "the user's authentication is older than %s s, or the ID token had no "
                         "auth_time (AuthBearerLogin max_age=)", wanted);
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
