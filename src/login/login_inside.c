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

bearer_reason_t bearer_login_no_use(const json_t *answer, int status,
                                    const char *error, const char *what,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const char *code = bearer_login_error_of(answer);

    if (!status) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER, "%s: %s", what, error);
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
