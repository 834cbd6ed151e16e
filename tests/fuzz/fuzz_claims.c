/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Claims that an issuer vouches for: an introspection answer, judged and
 * exported. The first byte says which issuer was asked. */
#include "fuzz_judge.h"

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const bearer_issuer_t *issuer = &fuzz_issuer[*text == 'T'];
    const char *error;
    json_t *claims;
    int place;

    if (!len || bearer_json_parse(&claims, text + 1, len - 1, &error, p)
                != APR_SUCCESS) {
        return;
    }
    for (place = 0; place < 3; place++) {
        int at_hand = 1;
        bearer_judgement_t j;
        bearer_verdict_t verdict;

        fuzz_begin(&j, place, &at_hand, p);
        j.method = "introspection";
        verdict = bearer_judge_claims(&j, claims, issuer, NULL, 0);
        fuzz_check_verdict(&j, verdict);
        if (verdict == BEARER_GRANTED) {
            fuzz_check_granted(&j, place, p);
        }
    }
}
