/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider_jwt.c
 * The provider for JWTs: verifies them locally with the issuer's keys.
 */
#include "verified.h"

#include "judge/judge.h"
#include "keys/keypool.h"

bearer_verdict_t ab_provider_jwt(attempt_t *a)
{
    bearer_verdict_t verdict;

    if (!ATTEMPT_HAS_TOKEN(a) || !a->server->issuers) {
        return BEARER_NOT_MINE;
    }
    ab_provider_begin(a, "jwt");
    verdict = bearer_judge_jwt(&a->judgement, a->credential->token,
                               a->credential->len);
    if (verdict == BEARER_GRANTED) {
        if (a->judgement.tenant) {
            bearer_keypool_served(a->process->keys[a->judgement.issuer->index],
                                 a->judgement.tenant);
        }
        ab_verified_keep(a);
    }
    return verdict;
}
