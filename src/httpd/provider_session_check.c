/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider_session_check.c
 * The provider `session`: asks a session service who the caller is
 * (AuthBearerSessionCheck), with the token found or with the client's cookies. The
 * cookies are a credential and are removed like a token.
 */
#include "credential.h"
#include "provider.h"
#include "session_cookies.h"

#include <apr_strings.h>

#include "ask/session_check.h"
#include "base/text.h"
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

/* Uses the path that is going to be served: normalized, unescaped and escaped again, so
 * that the service and this server mean the same resource. */
static void make_question(attempt_t *a, bearer_session_question_t *q,
                          unsigned char *policy)
{
    request_rec *r = a->r;

    memset(q, 0, sizeof(*q));
    ab_provider_policy(a, NULL, 0, policy);
    q->check = a->settings->session_check;
    q->settings = a->settings;
    q->policy = policy;
    q->method = r->method;
    q->path = *r->uri == '/' ? ap_os_escape_path(r->pool, r->uri, 1) : "/";
    q->query = r->args ? escaped(r->args, r->pool) : NULL;
    q->host = apr_table_get(r->headers_in, "Host");
    q->headers = r->headers_in;
    q->credential = a->cookies ? a->cookies : a->credential->token;
    bearer_session_question_prepare(q, r->pool);
}

static bearer_verdict_t ask(attempt_t *a)
{
    unsigned char policy[BEARER_SHA256_SIZE];
    bearer_session_question_t question;
    bearer_session_result_t result;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_verdict_t verdict;

    make_question(a, &question, policy);
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
static int is_revoked(attempt_t *a)
{
    bearer_judgement_t *j = &a->judgement;
    const char *credential = a->cookies ? a->cookies : a->credential->token;

    return j->revoked
        && j->revoked(j->baton, "", NULL, credential, strlen(credential),
                      &j->why, j->p) != BEARER_OK;
}

/* ---- the provider -------------------------------------------------------------- */

/* Does this check handle the credential, rather than the next provider? */
static int is_responsible(attempt_t *a, const bearer_session_check_t *check)
{
    const char *why;

    if (bearer_session_check_by_cookie(check)) {
        if (a->cookies) {
            return 1;
        }
        why = check->cookies
            ? apr_psprintf(a->r->pool, "AuthBearerSessionCheck needs one of the cookies %s, and "
                           "the request has none of them",
                           bearer_text_quote_list(a->r->pool, check->cookies))
            : "AuthBearerSessionCheck needs cookies, and the request has none";
    } else if (!ATTEMPT_HAS_TOKEN(a)
             || bearer_session_check_takes(check, a->credential->token,
                                           a->credential->len)) {
        return ATTEMPT_HAS_TOKEN(a);
    } else {
        why = apr_psprintf(a->r->pool, "the token does not begin with %s "
                           "(prefix= of AuthBearerSessionCheck)",
                           bearer_text_quote(a->r->pool, check->prefix));
    }
    bearer_refuse(&a->judgement.why, a->r->pool, BEARER_CHAIN, "%s", why);
    observe(a, BEARER_CHAIN);
    return 0;
}

bearer_verdict_t ab_provider_session(attempt_t *a)
{
    const bearer_session_check_t *check = a->settings->session_check;
    bearer_refusal_t *why = &a->judgement.why;
    bearer_verdict_t verdict;

    if (!check) {
        return denied(a, BEARER_CONFIGURATION, bearer_judge_no_session_check);
    }
    if (!is_responsible(a, check)) {
        return BEARER_NOT_MINE;
    }
    ab_provider_begin(a, "session");
    if (a->cookies) {
        if (!a->ahead) {
            a->own->winner = &ab_session_credential;
        }
        if (ab_credential_cross_site(a->r, &ab_session_credential)) {
            return denied(a, BEARER_CROSS_SITE, ab_provider_cross_site);
        }
    }
    if (is_revoked(a)) {
        return BEARER_DENIED;
    }
    verdict = ask(a);
    if (verdict == BEARER_DENIED && a->cookies) {
        why->detail = apr_psprintf(a->r->pool, "%s, cookies %s", why->detail,
                                   bearer_text_fingerprint(a->r->pool, a->cookies,
                                                           strlen(a->cookies)));
    }
    observe(a, why->reason);
    return verdict;
}
