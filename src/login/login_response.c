/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The parameters that a browser brings back from the issuer, and whether they are the
 * response to its attempt. Sends no requests. See login.h.
 */
#include "login/login_inside.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

/** Maximum number of parameters of a response. */
#define PARAMETERS_MAX 32

bearer_reason_t bearer_login_parse(apr_table_t **parameters, const char *text,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    apr_table_t *t = *parameters = apr_table_make(p, 8);
    char *rest, *pair = text ? apr_strtok(apr_pstrdup(p, text), "&", &rest) : NULL;
    int n = 0;

    for (; pair; pair = apr_strtok(NULL, "&", &rest)) {
        const char *value = pair + strcspn(pair, "=");
        const char *name = bearer_text_form_decode(p, pair,
                                                   (apr_size_t)(value - pair));

        value += *value == '=';
        if (++n > PARAMETERS_MAX || strlen(value) > 3 * BEARER_LOGIN_PARAMETER_MAX
            || !name
            || !(value = bearer_text_form_decode(p, value, strlen(value)))
            || strlen(value) > BEARER_LOGIN_PARAMETER_MAX) {
            return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE,
                                 "there are too many parameters, or one is too long or wrongly "
                                 "encoded");
        }
        if (apr_table_get(t, name)) {
            return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE,
                                 "a parameter is given twice (RFC 6749 section 3.1)");
        }
        apr_table_setn(t, name, value);
    }
    return BEARER_OK;
}

/* RFC 9207 section 2.4: prevents mixing up issuers. */
static bearer_reason_t check_iss(const bearer_attempt_t *attempt, const char *iss,
                                 const bearer_metadata_t *metadata,
                                 bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_issuer_t issuer = { .url = attempt->issuer };

    if (iss ? strcmp(iss, attempt->issuer) == 0 || bearer_issuer_tenant_of(&issuer, iss, p)
            : !metadata->authorization_response_iss_parameter_supported) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE,
                         "the response is from issuer %s, but the browser was sent to %s (RFC "
                         "9207)",
                         bearer_text_quote(p, iss),
                         bearer_text_quote(p, attempt->issuer));
}

bearer_reason_t bearer_login_response(const char **code,
                                      bearer_attempt_t *attempt,
                                      const apr_table_t *parameters,
                                      const bearer_metadata_t *metadata,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    const char *state = apr_table_get(parameters, "state");
    const char *error = apr_table_get(parameters, "error");
    bearer_reason_t reason;

    *code = apr_table_get(parameters, "code");
    if (!state || !bearer_text_same_ct(state, attempt->state)) {
        return bearer_refuse(why, p, BEARER_LOGIN_STATE,
                             "the response's state is not that of this login");
    }
    reason = check_iss(attempt, apr_table_get(parameters, "iss"), metadata, why,
                       p);
    if (reason != BEARER_OK) {
        return reason;
    }
    if (error) {
        reason = bearer_login_understand(&attempt->said, error);
        return bearer_refuse(why, p, reason, "the issuer answered %s: %s",
                             bearer_text_quote(p, error), bearer_text_quote_long(p, apr_table_get(
                                 parameters, "error_description")));
    }
    if (!*code || !**code) {
        return bearer_refuse(why, p, BEARER_LOGIN_RESPONSE,
                             "the response has no code and no error");
    }
    return BEARER_OK;
}
