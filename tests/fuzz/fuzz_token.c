/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A compact token. Text that begins with `{` is not one: it is a header and, on
 * the next line, a payload, which are signed here with the HS256 key, so that
 * the fuzzer gets past the signature.
 */
#include "fuzz_judge.h"
#include "fuzz_sign.h"

/* Nobody but the seeds' author has the private keys. */
static void check_signature(const bearer_judgement_t *j)
{
    const char *jti = bearer_json_string(j->claims, "jti");

    FUZZ_CHECK(jti && strcmp(jti, "seed") == 0);
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    int is_signed = *text == '{', place;

    if (is_signed) {
        text = fuzz_sign(text, p);
        len = strlen(text);
    }
    for (place = 0; place < 4; place++) {
        /* the last time with keys that would have to be fetched */
        int at_hand = place < 3;
        bearer_judgement_t j;
        bearer_verdict_t verdict;

        fuzz_begin(&j, place % 3, &at_hand, p);
        verdict = bearer_judge_jwt(&j, text, len);
        fuzz_check_verdict(&j, verdict);
        if (verdict == BEARER_GRANTED) {
            fuzz_check_granted(&j, place % 3, p);
            FUZZ_CHECK(json_object_get(j.claims, "exp"));
            if (!is_signed) {
                check_signature(&j);
            }
        }
    }
}
