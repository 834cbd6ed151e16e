/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.c
 * The response to each category of reasons (docs/reference/responses.md). Its status
 * is in BEARER_CATEGORIES; no other code chooses the status of a refusal.
 */
#include "answer.h"

#include <httpd.h>
#include <http_log.h>

/* One row for each status in BEARER_CATEGORIES. A status without a row does not compile. */
#define ANSWER(status, page, challenge, retry) \
    { HTTP_##status, challenge, retry, APLOG_INFO, AB_PAGE_##page }

#define ANSWER_0(challenge)   { OK, challenge, 0, APLOG_ERR, AB_PAGE_FAULT }
#define ANSWER_400(challenge) ANSWER(BAD_REQUEST, BAD_REQUEST, challenge, 0)
#define ANSWER_401(challenge) ANSWER(UNAUTHORIZED, NOT_SIGNED_IN, challenge, 0)
#define ANSWER_403(challenge) ANSWER(FORBIDDEN, NO_ACCESS, challenge, 0)
#define ANSWER_421(challenge) ANSWER(MISDIRECTED_REQUEST, MISDIRECTED, challenge, 0)
#define ANSWER_429(challenge) ANSWER(TOO_MANY_REQUESTS, THROTTLED, challenge, 1)
#define ANSWER_500(challenge) \
    { HTTP_INTERNAL_SERVER_ERROR, challenge, 0, APLOG_ERR, AB_PAGE_FAULT }
#define ANSWER_503(challenge) ANSWER(SERVICE_UNAVAILABLE, UNAVAILABLE, challenge, 1)

static const ab_answer_t answers[] = {
#define X(symbol, name, status, challenge, error, description, counted) \
    [BEARER_CATEGORY_##symbol] = ANSWER_##status(challenge),
    BEARER_CATEGORIES(X)
#undef X
};

/* httpd treats status 0 as OK. A refusal must never have it: that is a fault in this
 * module, and the client gets 500. */
const ab_answer_t *ab_answer_of(bearer_reason_t reason)
{
    static const ab_answer_t fault = ANSWER_500(0);
    const ab_answer_t *answer = &answers[bearer_reason_category(reason)];

    return answer->status < HTTP_BAD_REQUEST ? &fault : answer;
}
