/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.c
 * The table of answers (product.md 3.2): what each category becomes, and nothing else
 * decides a status.
 */
#include "answer.h"

#include <httpd.h>
#include <http_log.h>

/* One row for each category, by the category's name: the table is written by the
 * list of categories, so one without its row does not compile. */
#define ANSWER(status, challenge, retry) { status, challenge, retry, APLOG_INFO }
#define ANSWER_INVALID_TOKEN  ANSWER(HTTP_UNAUTHORIZED, 1, 0)

#define ANSWER_OK             { OK, 0, 0, APLOG_ERR }
#define ANSWER_NO_CREDENTIAL  ANSWER(HTTP_UNAUTHORIZED, 1, 0)
#define ANSWER_REQUEST        ANSWER(HTTP_BAD_REQUEST, 1, 0)
#define ANSWER_MALFORMED      ANSWER_INVALID_TOKEN
#define ANSWER_ALGORITHM      ANSWER_INVALID_TOKEN
#define ANSWER_KEY            ANSWER_INVALID_TOKEN
#define ANSWER_SIGNATURE      ANSWER_INVALID_TOKEN
#define ANSWER_ISSUER         ANSWER_INVALID_TOKEN
#define ANSWER_TYPE           ANSWER_INVALID_TOKEN
#define ANSWER_CLIENT         ANSWER_INVALID_TOKEN
#define ANSWER_IDENTIFIER     ANSWER_INVALID_TOKEN
#define ANSWER_INACTIVE       ANSWER_INVALID_TOKEN
#define ANSWER_REVOKED        ANSWER_INVALID_TOKEN
#define ANSWER_EXPIRED        ANSWER_INVALID_TOKEN
#define ANSWER_NOT_YET_VALID  ANSWER_INVALID_TOKEN
#define ANSWER_AGE            ANSWER_INVALID_TOKEN
#define ANSWER_AUDIENCE       ANSWER_INVALID_TOKEN
#define ANSWER_AUTHENTICATION ANSWER(HTTP_UNAUTHORIZED, 1, 0)
#define ANSWER_SCOPE          ANSWER(HTTP_FORBIDDEN, 1, 0)
#define ANSWER_REQUIRE        ANSWER(HTTP_FORBIDDEN, 0, 0)
#define ANSWER_CROSS_SITE     ANSWER(HTTP_FORBIDDEN, 0, 0)
#define ANSWER_THROTTLED      ANSWER(HTTP_TOO_MANY_REQUESTS, 0, 1)
#define ANSWER_UNAVAILABLE    ANSWER(HTTP_SERVICE_UNAVAILABLE, 0, 1)
#define ANSWER_MISCONFIGURED  { HTTP_INTERNAL_SERVER_ERROR, 0, 0, APLOG_ERR }

static const ab_answer_t answers[] = {
#define X(symbol, name, error, description, counted) \
    [BEARER_CATEGORY_##symbol] = ANSWER_##symbol,
    BEARER_CATEGORIES(X)
#undef X
};

/* httpd takes a status of 0 for OK: where a refusal is answered, that is a fault of
 * this module and ends in 500. */
const ab_answer_t *ab_answer_of(bearer_reason_t reason)
{
    static const ab_answer_t fault = ANSWER_MISCONFIGURED;
    const ab_answer_t *answer = &answers[bearer_reason_category(reason)];

    return answer->status < HTTP_BAD_REQUEST ? &fault : answer;
}
