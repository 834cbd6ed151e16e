/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider_introspection.c
 * The chain's provider for opaque tokens, and for JWTs of issuers that want to
 * be asked about all of theirs.
 */
#include "authn.h"

APLOG_USE_MODULE(auth_bearer);

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

bearer_verdict_t bearer_provider_introspection(attempt_t *a)
{
    const credential_t *credential = a->credential;
    unsigned char digest[BEARER_SHA256_SIZE], policy[BEARER_SHA256_SIZE];
    const bearer_issuer_t *issuer;
    bearer_verdict_t verdict;
    apr_time_t until;

    if (!ATTEMPT_HAS_TOKEN(a) || !a->server->issuers
        || !anybody_to_ask(a->server->issuers)) {
        return BEARER_NOT_MINE;
    }
    bearer_authn_begin_judgement(a, "introspection");
    issuer = bearer_introspect_whom(a->server->issuers, a->settings,
                                    credential->token, credential->len,
                                    &a->judgement.why, a->r->pool);
    if (!issuer) {
        return BEARER_NOT_MINE;
    }
    bearer_text_sha256(credential->token, credential->len, digest);
    bearer_authn_policy(a, policy);
    verdict = bearer_introspect_judge(a->process->introspects[issuer->index],
                                      &a->judgement, credential->token,
                                      credential->len, digest, policy, &until);
    if (verdict == BEARER_GRANTED) {
        bearer_authn_remember_until(a, until);
    }
    return verdict;
}
