/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file environment.c
 * Sets environment variables about a refusal and about the token, and logs the claims
 * that are not exported.
 */
#include "environment.h"
#include "trace.h"

#include "base/reason.h"
#include "judge/binding.h"
#include "state/revocation.h"

APLOG_USE_MODULE(auth_bearer);

void ab_environment_refusal(request_rec *r, bearer_reason_t reason)
{
    apr_table_setn(r->subprocess_env, "BEARER_ERROR",
                   bearer_category(bearer_reason_category(reason))->name);
    apr_table_setn(r->subprocess_env, "BEARER_ERROR_CHECK",
                   bearer_reason_name(reason));
}

const char *ab_environment_token_id(request_rec *r, const credential_t *credential)
{
    const char *id;

    if (!credential || !credential->token || !credential->len) {
        return NULL;
    }
    id = bearer_revocation_token_id(NULL, credential->token, credential->len, r->pool);
    apr_table_setn(r->subprocess_env, "BEARER_TOKEN_ID", id);
    return id;
}

void ab_environment_proven(request_rec *r, unsigned proven)
{
    const char *words = bearer_binding_proven(proven);

    if (words) {
        apr_table_setn(r->subprocess_env, "BEARER_PROOF", words);
    }
}

void ab_environment_left_out(request_rec *r, const apr_array_header_t *left_out)
{
    int i;

    for (i = 0; i < left_out->nelts && !r->main && !r->prev; i++) {
        ab_log(APLOG_INFO, r, AB(0105) "%s",
               APR_ARRAY_IDX(left_out, i, const char *));
    }
}
