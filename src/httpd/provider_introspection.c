/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider_introspection.c
 * The chain's provider for opaque tokens, and for JWTs of issuers that want to
 * be asked about all of theirs.
 */
#include "request.h"
#include "verified.h"

#include "ask/introspect.h"
#include "base/text.h"
#include "judge/judge.h"
#include "trust/issuer.h"

static int anybody_to_ask(const bearer_issuers_t *issuers)
{
    int i;

    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        if (bearer_issuers_at(issuers, i)->introspection.kind
            != BEARER_SOURCE_OFF) {
            return 1;
        }
    }
    return 0;
}

/** What came of a question in this request, so that it is not put twice: for an
 *  <If> ahead of authentication, which is evaluated more than once, and again for
 *  a subrequest. */
typedef struct issuer_said_t {
    unsigned char key[BEARER_SHA256_SIZE]; /**< of policy and token */
    bearer_verdict_t verdict;
    const bearer_issuer_t *issuer;
    const char *iss;
    const bearer_principal_t *principal;
    bearer_refusal_t why;
} issuer_said_t;

static const issuer_said_t *said_before(const attempt_t *a)
{
    const request_rec *r;

    for (r = a->keyed ? a->r : NULL; r; r = ab_request_parent(r)) {
        const request_t *record = ab_request_peek(r);

        if (record && record->issuer_said
            && !memcmp(record->issuer_said->key, a->key, BEARER_SHA256_SIZE)) {
            return record->issuer_said;
        }
    }
    return NULL;
}

static bearer_verdict_t say_again(attempt_t *a, const issuer_said_t *said)
{
    a->judgement.issuer = said->issuer;
    a->judgement.iss = said->iss;
    a->judgement.principal = said->principal;
    a->judgement.why = said->why;
    return said->verdict;
}

static void write_down(attempt_t *a, bearer_verdict_t verdict)
{
    issuer_said_t *said = apr_pcalloc(a->r->pool, sizeof(*said));

    memcpy(said->key, a->key, BEARER_SHA256_SIZE);
    said->verdict = verdict;
    said->issuer = a->judgement.issuer;
    said->iss = a->judgement.iss;
    said->principal = a->judgement.principal;
    said->why = a->judgement.why;
    a->own->issuer_said = said;
}

static bearer_verdict_t ask(attempt_t *a, const bearer_issuer_t *issuer)
{
    const credential_t *credential = a->credential;
    unsigned char digest[BEARER_SHA256_SIZE], policy[BEARER_SHA256_SIZE];
    bearer_verdict_t verdict;
    apr_time_t until;

    if (bearer_text_sha256(credential->token, credential->len, digest)
        != APR_SUCCESS) {
        bearer_refuse(&a->judgement.why, a->r->pool, BEARER_INTERNAL,
                      "OpenSSL could not make a SHA-256");
        return BEARER_DENIED;
    }
    ab_provider_policy(a, policy);
    verdict = bearer_introspect_judge(a->process->introspects[issuer->index],
                                      &a->judgement, credential->token,
                                      credential->len, digest, policy, &until);
    if (verdict == BEARER_GRANTED) {
        ab_verified_keep_until(a, until);
    }
    if (a->keyed) {
        write_down(a, verdict);
    }
    return verdict;
}

bearer_verdict_t ab_provider_introspection(attempt_t *a)
{
    const credential_t *credential = a->credential;
    const bearer_issuer_t *issuer;
    const issuer_said_t *before;

    if (!ATTEMPT_HAS_TOKEN(a) || !a->server->issuers
        || !anybody_to_ask(a->server->issuers)) {
        return BEARER_NOT_MINE;
    }
    ab_provider_begin(a, "introspection");
    issuer = bearer_introspect_whom(a->server->issuers, a->settings,
                                    credential->token, credential->len,
                                    &a->judgement.why, a->r->pool);
    if (!issuer) {
        return BEARER_NOT_MINE;
    }
    before = said_before(a);
    return before ? say_again(a, before) : ask(a, issuer);
}
