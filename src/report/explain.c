/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A judgement as JSON. See explain.h.
 */
#include "report/explain.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"
#include "judge/exports.h"

/** Maximum number of rows in the judge's table. */
#define ROWS_MAX 64

/** Maximum number of checks that are not in it. */
#define MORE_MAX 32

/** The result of a check. */
typedef struct outcome_t {
    const bearer_check_t *check;   /* NULL: not reached */
    bearer_reason_t reason;
    const char *detail;
} outcome_t;

struct bearer_explain_t {
    apr_pool_t *p;
    int on;                        /**< the path that was judged last */
    int judged;                    /**< 1: rows of the table were reached */
    outcome_t rows[ROWS_MAX];
    outcome_t more[MORE_MAX];      /**< results of checks that are not in the table */
    int more_count;
    bearer_revocation_t *revocations;
    bearer_explain_say_fn say;
    void *baton;
};

bearer_explain_t *bearer_explain_create(apr_pool_t *p)
{
    bearer_explain_t *explain = apr_pcalloc(p, sizeof(*explain));

    explain->p = p;
    explain->on = BEARER_ON_JWT;
    return explain;
}

void bearer_explain_revocations(bearer_explain_t *explain, bearer_revocation_t *list,
                                bearer_explain_say_fn say, void *baton)
{
    explain->revocations = list;
    explain->say = say;
    explain->baton = baton;
}

/* Called after check 11 accepted the token. */
static void look_for_whole(const bearer_explain_t *explain, const bearer_judgement_t *j)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    if (bearer_text_sha256(j->token, j->token_len, digest) == APR_SUCCESS
        && bearer_revocation_ask(explain->revocations, NULL, NULL, digest, NULL, j->p)
           == BEARER_REVOKED) {
        explain->say(explain->baton,
                     "warning: AuthBearerRevocations has the SHA-256 of the whole token, which "
                     "revokes nothing; revoke the token with htbearer revoke");
    }
}

static int row_of(const bearer_check_t *check)
{
    int i;

    for (i = 0; i < ROWS_MAX && bearer_judge_check(i); i++) {
        if (bearer_judge_check(i) == check) {
            return i;
        }
    }
    return -1;
}

/* Returns the place for a check that is not in the table. */
static outcome_t *more_of(bearer_explain_t *explain, const char *name)
{
    int i = 0;

    while (i < explain->more_count && strcmp(explain->more[i].check->name, name) != 0) {
        i++;
    }
    if (i == MORE_MAX) {
        return &explain->more[i - 1];
    }
    explain->more_count += i == explain->more_count;
    return &explain->more[i];
}

void bearer_explain_observe(void *explain_, const bearer_check_t *check,
                            bearer_reason_t reason, const bearer_judgement_t *j)
{
    bearer_explain_t *explain = explain_;
    int row = row_of(check);
    outcome_t *outcome = row < 0 ? more_of(explain, check->name) : &explain->rows[row];

    if (row >= 0) {
        if (explain->on != j->on || outcome->check) {  /* a new judgement */
            memset(explain->rows, 0, sizeof(explain->rows));
            explain->on = j->on;
        }
        explain->judged = 1;
    }
    outcome->check = check;
    outcome->reason = reason;
    outcome->detail = j->why.detail ? apr_pstrdup(explain->p, j->why.detail) : NULL;
    if (check->number == 11 && reason == BEARER_OK && j->token && explain->revocations) {
        look_for_whole(explain, j);
    }
}

const bearer_check_t bearer_explain_binding = {
    BEARER_EXPLAIN_PROOF, "binding", "AuthBearerProof", 0, 0, 0, NULL
};
const bearer_check_t bearer_explain_certificate = {
    BEARER_EXPLAIN_PROOF, "certificate", "AuthBearerProof", 0, 0, 0, NULL
};

void bearer_explain_observe_proof(void *explain_, const bearer_proof_check_t *check,
                                  const bearer_refusal_t *why)
{
    bearer_explain_t *explain = explain_;
    const bearer_check_t row = { BEARER_EXPLAIN_PROOF, check->name, check->directive, 0, 0, 0,
                                 NULL };
    outcome_t *outcome = more_of(explain, check->name);

    outcome->check = apr_pmemdup(explain->p, &row, sizeof(row));
    outcome->reason = why->reason;
    outcome->detail = why->detail ? apr_pstrdup(explain->p, why->detail) : NULL;
}

static json_t *check_json(const bearer_check_t *check, const outcome_t *outcome)
{
    int seen = outcome->check != NULL;
    bearer_reason_t reason = outcome->reason;
    int failed = seen && reason != BEARER_OK;

    return json_pack(
        "{s:i s:s s:s s:s* s:s* s:s* s:s*}", "number", check->number, "check", check->name,
        "result", failed ? "failed" : seen ? "passed" : "not reached",
        "reason", failed ? bearer_reason_name(reason) : NULL,
        "category", failed ? bearer_category(bearer_reason_category(reason))->name : NULL,
        "detail", !failed ? NULL : outcome->detail ? outcome->detail : "",
        "directive", failed ? check->directive : NULL);
}

json_t *bearer_explain_checks(const bearer_explain_t *explain)
{
    const bearer_check_t *check;
    json_t *list = json_array();
    int i;

    /* if a session service was asked and nothing was judged here, the table has no results */
    for (i = 0; i < ROWS_MAX && (explain->judged || !explain->more_count)
                && (check = bearer_judge_check(i)) != NULL; i++) {
        if (check->on & explain->on) {
            json_array_append_new(list, check_json(check, &explain->rows[i]));
        }
    }
    for (i = 0; i < explain->more_count; i++) {
        json_array_append_new(list, check_json(explain->more[i].check, &explain->more[i]));
    }
    return list;
}

/* ---- strings ------------------------------------------------------------ */

/* A header may contain any byte, JSON only UTF-8. */
json_t *bearer_explain_string(const char *s, apr_pool_t *p)
{
    if (!s) {
        return json_null();
    }
    return json_string(bearer_text_is_utf8(s, strlen(s))
                       ? s : bearer_exports_header_value(s, p));
}

static json_t *strings(const apr_array_header_t *list, apr_pool_t *p)
{
    json_t *out = json_array();
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        json_array_append_new(out, bearer_explain_string(
            APR_ARRAY_IDX(list, i, const char *), p));
    }
    return out;
}

json_t *bearer_explain_table(const apr_table_t *table, apr_pool_t *p)
{
    const apr_array_header_t *rows = apr_table_elts(table);
    json_t *out = json_object();
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        if (row->key && bearer_text_is_utf8(row->key, strlen(row->key))) {
            json_object_set_new(out, row->key,
                                bearer_explain_string(row->val, p));
        }
    }
    return out;
}

json_t *bearer_explain_settings(const bearer_settings_t *settings, apr_pool_t *p)
{
    json_t *out = json_array();
    int i, j;

    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        const bearer_setting_t setting = (bearer_setting_t)i;
        apr_array_header_t *lines = bearer_text_split(p, bearer_settings_wrote(settings, i)
            ? bearer_settings_print(settings, setting, p) : "", "\n");

        for (j = 0; j < lines->nelts; j++) {
            json_array_append_new(out, bearer_explain_string(
                apr_pstrcat(p, bearer_settings_directive(setting), " ",
                            APR_ARRAY_IDX(lines, j, const char *), NULL), p));
        }
    }
    return out;
}

/* ---- the principal ------------------------------------------------------ */

json_t *bearer_explain_principal(const bearer_principal_t *principal, apr_pool_t *p)
{
    return json_pack(
        "{s:o s:o s:o s:o s:o s:o s:o s:o s:o}",
        "user", bearer_explain_string(principal->user, p),
        "method", bearer_explain_string(principal->method, p),
        "issuer", bearer_explain_string(principal->iss, p),
        "client", bearer_explain_string(principal->client, p),
        "expires", principal->expires ? json_integer(apr_time_sec(principal->expires))
                                      : json_null(),
        "scopes", strings(principal->scopes, p), "roles", strings(principal->roles, p),
        "groups", strings(principal->groups, p),
        "claims", json_deep_copy(principal->claims));
}

/* ---- reported requests --------------------------------------------------- */

typedef struct announced_t {
    bearer_http_client_t client;
    const bearer_http_client_t *inner;
    bearer_explain_say_fn say;
    void *baton;
} announced_t;

static apr_status_t perform(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p)
{
    const announced_t *announced = client->baton;

    if (!announced->inner) {
        *error = apr_pstrcat(p, bearer_http_url_shown(request->url, p),
                             " is not requested: offline", NULL);
        return APR_EGENERAL;
    }
    if (announced->say) {
        announced->say(announced->baton,
                       apr_psprintf(p, "requesting %s (%s)",
                                    bearer_http_url_shown(request->url, p), request->method));
    }
    return announced->inner->perform(announced->inner, request, response, error, p);
}

const bearer_http_client_t *bearer_explain_http(const bearer_http_client_t *client,
                                                bearer_explain_say_fn say, void *baton,
                                                apr_pool_t *p)
{
    announced_t *announced = apr_pcalloc(p, sizeof(*announced));

    *announced = (announced_t){ { perform, announced }, client, say, baton };
    return &announced->client;
}
