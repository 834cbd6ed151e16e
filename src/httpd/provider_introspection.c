/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider_introspection.c
 * The provider for opaque tokens, and for JWTs of issuers configured to introspect all
 * tokens.
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

static bearer_verdict_t ask(attempt_t *a, const bearer_issuer_t *issuer)
{
    const credential_t *credential = a->credential;
    unsigned char digest[BEARER_SHA256_SIZE], policy[BEARER_SHA256_SIZE];
    bearer_verdict_t verdict;
    apr_time_t until;

    if (bearer_text_sha256(credential->token, credential->len, digest)
        != APR_SUCCESS) {
        bearer_refuse(&a->judgement.why, a->r->pool, BEARER_INTERNAL,
                      "OpenSSL cannot compute a SHA-256 digest");
        return BEARER_DENIED;
    }
    ab_provider_policy(a, NULL, 0, policy);
    verdict = bearer_introspect_judge(a->process->introspects[issuer->index],
                                      &a->judgement, credential->token,
                                      credential->len, digest, policy, &until);
    if (verdict == BEARER_GRANTED) {
        ab_verified_keep_until(a, until);
    }
    if (a->keyed) {
        ab_provider_note(a, BEARER_PROVIDER_INTROSPECTION, a->key, verdict);
    }
    return verdict;
}

bearer_verdict_t ab_provider_introspection(attempt_t *a)
{
    const credential_t *credential = a->credential;
    const bearer_issuer_t *issuer;
    bearer_verdict_t verdict;

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
    return a->keyed && ab_provider_recall(a, BEARER_PROVIDER_INTROSPECTION, a->key,
                                          &verdict)
        ? verdict : ask(a, issuer);
}
