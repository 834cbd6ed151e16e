/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.c
 * The response table (product.md 3.2): what each category of reasons becomes. No other
 * code chooses the status of a refusal.
 */
#include "answer.h"

#include <httpd.h>
#include <http_log.h>

/* A status without its text does not compile. */
#define TEXT_UNAUTHORIZED "You are not signed in", \
    "This page is only for people who are signed in.", "Sign in and try again."
#define TEXT_BAD_REQUEST "This request cannot be understood", \
    "The browser sent something that this site did not expect.", \
    "Go back and try again."
#define TEXT_FORBIDDEN "You may not see this page", \
    "You are signed in, but this page is not for your account.", \
    "Ask the people who run this site for access, or sign in with another account."
#define TEXT_TOO_MANY_REQUESTS "Too many attempts", \
    "There were too many failed attempts from your network within a short time.", \
    "Please wait a minute and try again."
#define TEXT_SERVICE_UNAVAILABLE "Please try again", \
    "Something that this site needs does not answer just now.", \
    "Please try again in a moment."
#define TEXT_FAULT "This site is not set up correctly", \
    "It cannot answer this request.", "Tell the people who run this site."

/* One row for each category. The list of categories generates the table, so a category
 * without a row does not compile. */
#define ANSWER(status, challenge, retry) \
    { HTTP_##status, challenge, retry, APLOG_INFO, { TEXT_##status } }
#define ANSWER_INVALID_TOKEN  ANSWER(UNAUTHORIZED, 1, 0)

#define ANSWER_OK             { OK, 0, 0, APLOG_ERR, { TEXT_FAULT } }
#define ANSWER_NO_CREDENTIAL  ANSWER(UNAUTHORIZED, 1, 0)
#define ANSWER_REQUEST        ANSWER(BAD_REQUEST, 1, 0)
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
#define ANSWER_AUTHENTICATION ANSWER(UNAUTHORIZED, 1, 0)
#define ANSWER_SCOPE          ANSWER(FORBIDDEN, 1, 0)
#define ANSWER_REQUIRE        ANSWER(FORBIDDEN, 0, 0)
#define ANSWER_CROSS_SITE     ANSWER(FORBIDDEN, 0, 0)
#define ANSWER_THROTTLED      ANSWER(TOO_MANY_REQUESTS, 0, 1)
#define ANSWER_UNAVAILABLE    ANSWER(SERVICE_UNAVAILABLE, 0, 1)
#define ANSWER_MISCONFIGURED  { HTTP_INTERNAL_SERVER_ERROR, 0, 0, APLOG_ERR, { TEXT_FAULT } }

static const ab_answer_t answers[] = {
#define X(symbol, name, error, description, counted) \
    [BEARER_CATEGORY_##symbol] = ANSWER_##symbol,
    BEARER_CATEGORIES(X)
#undef X
};

/* httpd treats status 0 as OK. A refusal must never have it: that is a fault in this
 * module, and the client gets 500. */
const ab_answer_t *ab_answer_of(bearer_reason_t reason)
{
    static const ab_answer_t fault = ANSWER_MISCONFIGURED;
    const ab_answer_t *answer = &answers[bearer_reason_category(reason)];

    return answer->status < HTTP_BAD_REQUEST ? &fault : answer;
}
