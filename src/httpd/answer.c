/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.c
 * The response to each category of reasons (docs/reference/responses.md). Its status
 * is in BEARER_CATEGORIES; no other code chooses the status of a refusal.
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
#define TEXT_FORBIDDEN "You do not have access to this page", \
    "You are signed in, but this page is not for your account.", \
    "Ask the people who run this site for access, or sign in with another account."
#define TEXT_MISDIRECTED_REQUEST "This site has another address", \
    "You cannot sign in at the address that your browser shows.", \
    "Use the usual address of this site. If you did, tell the people who run it."
#define TEXT_TOO_MANY_REQUESTS "Too many attempts", \
    "Your network made too many failed attempts within a short time.", \
    "Please wait a minute and try again."
#define TEXT_SERVICE_UNAVAILABLE "Please try again", \
    "A service that this site needs is not responding.", \
    "Please try again in a moment."
#define TEXT_FAULT "This site is not set up correctly", \
    "It cannot answer this request.", "Tell the people who run this site."

/* One row for each status in BEARER_CATEGORIES. A status without a row does not compile. */
#define ANSWER(status, challenge, retry) \
    { HTTP_##status, challenge, retry, APLOG_INFO, { TEXT_##status } }

#define ANSWER_0(challenge)   { OK, challenge, 0, APLOG_ERR, { TEXT_FAULT } }
#define ANSWER_400(challenge) ANSWER(BAD_REQUEST, challenge, 0)
#define ANSWER_401(challenge) ANSWER(UNAUTHORIZED, challenge, 0)
#define ANSWER_403(challenge) ANSWER(FORBIDDEN, challenge, 0)
#define ANSWER_421(challenge) ANSWER(MISDIRECTED_REQUEST, challenge, 0)
#define ANSWER_429(challenge) ANSWER(TOO_MANY_REQUESTS, challenge, 1)
#define ANSWER_500(challenge) \
    { HTTP_INTERNAL_SERVER_ERROR, challenge, 0, APLOG_ERR, { TEXT_FAULT } }
#define ANSWER_503(challenge) ANSWER(SERVICE_UNAVAILABLE, challenge, 1)

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
