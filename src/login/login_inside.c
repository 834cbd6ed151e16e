/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Shared functions of the relying party. See login_inside.h.
 */
#include "login/login_inside.h"

#include <string.h>

#include <apr_strings.h>

#include "base/http.h"
#include "base/json.h"
#include "base/text.h"

const char *bearer_login_with_query(const char *url, const apr_table_t *t, apr_pool_t *p)
{
    const apr_array_header_t *rows = apr_table_elts(t);
    const char *separator = strchr(url, '?') ? "&" : "?";
    int i;

    for (i = 0; i < rows->nelts; i++, separator = "&") {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        url = apr_pstrcat(p, url, separator, bearer_http_form_escape(p, row->key), "=",
                          bearer_http_form_escape(p, row->val), NULL);
    }
    return url;
}

apr_status_t bearer_login_ask(json_t **answer, int *status,
                              const bearer_login_t *login, const char *endpoint,
                              const apr_table_t *form, const char **error,
                              apr_pool_t *p)
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
    (void)bearer_json_parse(answer, response->body, response->body_len, error, p);
    return APR_SUCCESS;
}

const char *bearer_login_error_of(const json_t *answer)
{
    const char *code = bearer_json_string(answer, "error");

    return code ? code : "";
}

/* RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core section 3.1.2.6, Unmet
 * Authentication Requirements 1.0, RFC 9101 section 7, RFC 9396 section 5, RFC 8707
 * section 2, RFC 9449 section 8. */
bearer_reason_t bearer_login_understand(bearer_said_t *said, const char *code)
{
    static const struct {
        const char *code;
        unsigned char what, reason;
    } rows[] = {
        { "access_denied", BEARER_SAID_DENIED, BEARER_LOGIN_DENIED },
        { "consent_required", BEARER_SAID_SILENT, BEARER_LOGIN_DENIED },
        { "login_required", BEARER_SAID_SILENT, BEARER_LOGIN_DENIED },
        { "interaction_required", BEARER_SAID_SILENT, BEARER_LOGIN_DENIED },
        { "account_selection_required", BEARER_SAID_SILENT, BEARER_LOGIN_DENIED },
        { "unmet_authentication_requirements", BEARER_SAID_WEAK, BEARER_LOGIN_DENIED },
        { "server_error", BEARER_SAID_TROUBLE, BEARER_LOGIN_ISSUER },
        { "temporarily_unavailable", BEARER_SAID_TROUBLE, BEARER_LOGIN_ISSUER },
        { "invalid_grant", BEARER_SAID_STATE, BEARER_LOGIN_RESPONSE },
        { "invalid_client", BEARER_SAID_CLIENT, BEARER_LOGIN_RESPONSE },
        { "unauthorized_client", BEARER_SAID_CLIENT, BEARER_LOGIN_RESPONSE },
        { "invalid_dpop_proof", BEARER_SAID_PROOF, BEARER_LOGIN_RESPONSE },
        { "use_dpop_nonce", BEARER_SAID_PROOF, BEARER_LOGIN_RESPONSE },
        { "invalid_request", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "invalid_scope", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "unsupported_response_type", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "unsupported_grant_type", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "invalid_request_object", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "invalid_redirect_uri", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "request_not_supported", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "invalid_authorization_details", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { "invalid_target", BEARER_SAID_REFUSED, BEARER_LOGIN_RESPONSE },
        { NULL, BEARER_SAID_ERROR, BEARER_LOGIN_RESPONSE },
    };
    unsigned i = 0;

    while (rows[i].code && strcmp(rows[i].code, code) != 0) {
        i++;
    }
    said->what = rows[i].what;
    said->code = rows[i].code;
    return rows[i].reason;
}

bearer_reason_t bearer_login_no_use(bearer_said_t *said, const json_t *answer, int status,
                                    const char *error, const char *what,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const char *code = bearer_login_error_of(answer);

    if (!status) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "%s: %s", what, error);
    }
    if (status >= 500 || status == 429) {
        said->what = BEARER_SAID_TROUBLE;
    } else if (status >= 400) {
        (void)bearer_login_understand(said, code);
    } else if (answer) {
        said->what = BEARER_SAID_UNUSABLE;
    }
    return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "%s: the issuer answered "
                         "%d, error %s, %s%s", what, status,
                         bearer_text_quote(p, code),
                         answer ? bearer_text_quote_long(p, bearer_json_string(
                                      answer, "error_description"))
                                : "not a JSON object",
                         strcmp(code, "invalid_client") == 0
                             ? "; compare AuthBearerClientID, AuthBearerClientSecret and "
                               "AuthBearerClientAuth with the registration" : "");
}
