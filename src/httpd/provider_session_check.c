/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider_session_check.c
 * The provider `session`: asks a session service who the caller is
 * (AuthBearerSessionCheck), with the token found or with the client's cookies. Of several
 * checks, the first that is responsible is asked, and its answer is final. The cookies
 * are a credential and are removed like a token.
 */
#include "credential.h"
#include "provider.h"
#include "session_cookies.h"

#include <apr_strings.h>

#include "ask/session_check.h"
#include "base/text.h"
#include "judge/credential_syntax.h"
#include "judge/judge.h"
#include "trust/session_check_line.h"

static bearer_verdict_t denied(attempt_t *a, bearer_reason_t reason,
                               const char *detail)
{
    a->judgement.why.reason = reason;
    a->judgement.why.detail = detail;
    return BEARER_DENIED;
}

/* ---- the request to the service ---------------------------------------------- */

/* Escapes bytes that are invalid in a URL; httpd accepts some of them. */
static const char *escaped(const char *query, apr_pool_t *p)
{
    char *text = apr_palloc(p, 3 * strlen(query) + 1), *out = text;

    for (; *query; query++) {
        if (*query <= 0x20 || *query >= 0x7f || *query == '#') {
            out += apr_snprintf(out, 4, "%%%02X", (unsigned char)*query);
        } else {
            *out++ = *query;
        }
    }
    *out = '\0';
    return text;
}

/* The client's query for query=request. A token in it does not leave: send= is how the
 * credential is sent, and another token is not for this service. */
static const char *query_of(attempt_t *a)
{
    const apr_array_header_t *sources = a->settings->token_from;
    const char *query = a->r->args;
    int i;

    for (i = 0; query && i < sources->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(sources, i, bearer_from_t);

        if (from->kind == BEARER_FROM_QUERY) {
            query = bearer_syntax_without_parameter(query, from->name, a->r->pool);
        }
    }
    return query ? escaped(query, a->r->pool) : NULL;
}

static const char *credential_of(const attempt_t *a, const bearer_session_check_t *check)
{
    return bearer_session_check_by_cookie(check) ? a->cookies : a->credential->token;
}

/* Uses the path that is going to be served: normalized, unescaped and escaped again, so
 * that the service and this server mean the same resource. */
static void make_question(attempt_t *a, const bearer_session_check_t *check,
                          bearer_session_question_t *q, unsigned char *policy)
{
    request_rec *r = a->r;

    memset(q, 0, sizeof(*q));
    ab_provider_policy(a, NULL, 0, policy);
    q->check = check;
    q->settings = a->settings;
    q->policy = policy;
    q->method = r->method;
    q->path = *r->uri == '/' ? ap_os_escape_path(r->pool, r->uri, 1) : "/";
    q->query = query_of(a);
    q->host = apr_table_get(r->headers_in, "Host");
    q->headers = r->headers_in;
    q->credential = credential_of(a, check);
    bearer_session_question_prepare(q, r->pool);
}

static bearer_verdict_t ask(attempt_t *a, const bearer_session_check_t *check)
{
    unsigned char policy[BEARER_SHA256_SIZE];
    bearer_session_question_t question;
    bearer_session_result_t result;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_verdict_t verdict;

    make_question(a, check, &question, policy);
    if (question.keyed && ab_provider_recall(a, BEARER_PROVIDER_SESSION, question.key,
                                             &verdict)) {
        return verdict;
    }
    bearer_session_ask(a->process->sessions, &question, &result, &why, a->r->pool);
    if (result.reason == BEARER_OK) {
        verdict = BEARER_GRANTED;
        a->judgement.principal = result.principal;
    } else {
        verdict = denied(a, result.reason, why.detail);
        a->retry = result.retry;
    }
    ab_provider_note(a, BEARER_PROVIDER_SESSION, question.key, verdict);
    return verdict;
}

/* ---- the credential itself ------------------------------------------------------ */

/** The name of this check for htbearer explain; it is not one of the token checks. */
static const bearer_check_t question_put = {
    0, "session service", "AuthBearerSessionCheck", 0, 0, 0, NULL
};

static void observe(const attempt_t *a, bearer_reason_t reason)
{
    if (a->process->observe) {
        a->process->observe(a->process->observe_baton, &question_put, reason,
                            &a->judgement);
    }
}

/* Check 11: no request is sent for a credential on the revocation list, or while the
 * list cannot be read. */
static int is_revoked(attempt_t *a, const char *credential)
{
    bearer_judgement_t *j = &a->judgement;

    return j->revoked
        && j->revoked(j->baton, "", NULL, credential, strlen(credential),
                      &j->why, j->p) != BEARER_OK;
}

/* ---- the provider -------------------------------------------------------------- */

/* Does this check handle the credential? If not, *why has the cause. */
static int is_responsible(attempt_t *a, const bearer_session_check_t *check,
                          const char **why)
{
    apr_pool_t *p = a->r->pool;

    if (bearer_session_check_by_cookie(check)) {
        *why = check->cookies
            ? apr_psprintf(p, "AuthBearerSessionCheck needs one of the cookies %s, and the "
                           "request has none of them",
                           bearer_text_quote_list(p, check->cookies))
            : "AuthBearerSessionCheck needs cookies, and the request has none";
        return a->cookies && check == a->cookie_check;
    }
    *why = apr_psprintf(p, "the token does not begin with %s (prefix= of "
                        "AuthBearerSessionCheck)",
                        bearer_text_quote(p, check->prefix ? check->prefix : ""));
    return ATTEMPT_HAS_TOKEN(a)
        && bearer_session_check_takes(check, a->credential->token, a->credential->len);
}

/* Returns the first check that handles the credential, in the order written. NULL: none
 * does, and the next provider tries. */
static const bearer_session_check_t *responsible(attempt_t *a)
{
    const bearer_session_check_t *check;
    const char *why = "", *one = "";
    int i;

    for (i = 0; (check = bearer_session_check_at(a->settings->session_checks, i)) != NULL
                && !is_responsible(a, check, &one); i++) {
        why = apr_pstrcat(a->r->pool, why, i ? "; " : "", one, NULL);
    }
    if (!check) {
        bearer_refuse(&a->judgement.why, a->r->pool, BEARER_CHAIN, "%s", why);
        observe(a, BEARER_CHAIN);
    }
    return check;
}

/* Cookies are a credential that browsers add by themselves. */
static int is_forged(attempt_t *a, const bearer_session_check_t *check)
{
    if (!a->ahead) {
        a->own->winner = &ab_session_credential;
        a->own->session_check = check;
    }
    return ab_credential_cross_site(a->r, &ab_session_credential);
}

bearer_verdict_t ab_provider_session(attempt_t *a)
{
    bearer_refusal_t *why = &a->judgement.why;
    const bearer_session_check_t *check;
    bearer_verdict_t verdict;
    int by_cookie;

    if (!a->settings->session_checks) {
        return denied(a, BEARER_CONFIGURATION, bearer_judge_no_session_check);
    }
    check = responsible(a);
    if (!check) {
        return BEARER_NOT_MINE;
    }
    a->by_cookies = by_cookie = bearer_session_check_by_cookie(check);
    ab_provider_begin(a, "session");
    if (by_cookie && is_forged(a, check)) {
        return denied(a, BEARER_CROSS_SITE, ab_provider_cross_site);
    }
    if (is_revoked(a, credential_of(a, check))) {
        return BEARER_DENIED;
    }
    verdict = ask(a, check);
    if (verdict == BEARER_DENIED && by_cookie) {
        why->detail = apr_psprintf(a->r->pool, "%s, cookies %s", why->detail,
                                   bearer_text_fingerprint(a->r->pool, a->cookies,
                                                           strlen(a->cookies)));
    }
    observe(a, why->reason);
    return verdict;
}
