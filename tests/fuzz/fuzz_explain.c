/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What htbearer explain makes of a hostile token: all checks are asked, also
 * behind one that failed, and everything is printed. Text that begins with a
 * line "answer" is what a httpd wrote that was asked to explain; text that
 * begins with `{` is a header and, on the next line, a payload, signed here.
 */
#include "fuzz_judge.h"
#include "fuzz_sign.h"
#include "fuzz_tell.h"

/* To go on behind a failed check must not change the verdict. */
static void check_same_verdict(const bearer_judgement_t *j,
                               bearer_verdict_t verdict, const char *token,
                               size_t len, int place, apr_pool_t *p)
{
    int at_hand = 1;
    bearer_judgement_t plain;

    fuzz_begin(&plain, place, &at_hand, p);
    FUZZ_CHECK(bearer_judge_jwt(&plain, token, len) == verdict);
    FUZZ_CHECK(plain.why.reason == j->why.reason);
}

static int count_failed(const json_t *checks)
{
    const json_t *check;
    int failed = 0;
    size_t i;

    json_array_foreach(checks, i, check) {
        failed += strcmp(bearer_json_string(check, "result"), "failed") == 0;
    }
    return failed;
}

/* The last segment may be guessed at by its first eight characters. */
static void check_no_signature(const json_t *answer, const char *token,
                               apr_pool_t *p)
{
    const char *last = strrchr(token, '.');
    char *text;

    if (!last || strlen(last) < 40) {
        return;
    }
    text = json_dumps(answer, JSON_COMPACT);
    FUZZ_CHECK(!text || !strstr(text, apr_pstrmemdup(p, last + 1, 32)));
    free(text);
}

static void explain(const char *token, size_t len, int is_signed, int place,
                    apr_pool_t *p)
{
    int at_hand = 1;
    json_t *answer = json_object(), *checks;
    bearer_verdict_t verdict;
    bearer_judgement_t j;

    bearer_json_tie(answer, p);
    fuzz_begin(&j, place, &at_hand, p);
    j.observe = bearer_explain_observe;
    j.observe_baton = bearer_explain_create(p);
    j.keep_going = 1;
    verdict = bearer_judge_jwt(&j, token, len);
    fuzz_check_verdict(&j, verdict);
    check_same_verdict(&j, verdict, token, len, place, p);
    checks = bearer_explain_checks(j.observe_baton);
    json_object_set_new(answer, "checks", checks);
    /* what is no JWT at all is not checked */
    FUZZ_CHECK(j.why.reason == BEARER_CHAIN
               || (verdict == BEARER_NOT_MINE && j.why.reason == BEARER_SEGMENTS)
               || (verdict == BEARER_GRANTED) == (count_failed(checks) == 0));
    FUZZ_CHECK(verdict != BEARER_GRANTED || count_failed(checks) == 0);
    if (verdict == BEARER_GRANTED) {
        fuzz_check_granted(&j, place, p);
        json_object_set_new(answer, "principal",
                            bearer_explain_principal(j.principal, p));
    }
    if (is_signed) {
        check_no_signature(answer, token, p);
    }
    fuzz_told(tell_answer, answer, p);
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    int is_signed = *text == '{', place;
    json_t *answer;

    if (strncmp(text, "answer\n", 7) == 0) {
        answer = tell_find_answer(text, p);
        if (answer) {
            fuzz_told(tell_answer, answer, p);
        }
        return;
    }
    if (is_signed) {
        text = fuzz_sign(text, p);
        len = strlen(text);
    }
    for (place = 0; place < 3; place++) {
        explain(text, len, is_signed, place, p);
    }
}
