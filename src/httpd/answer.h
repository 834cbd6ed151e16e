/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.h
 * The HTTP response for each refusal reason: status, headers, log level and page.
 * For refuse.c and page.c. The data is constant; any thread may read it.
 */
#pragma once

#include "page_texts.h"

#include "base/reason.h"

/** The HTTP response for a category of reasons. */
typedef struct ab_answer_t {
    int status;
    int challenge;   /**< WWW-Authenticate is sent */
    int retry;       /**< Retry-After is sent */
    int level;       /**< of the log line, APLOG_* */
    ab_page_t page;  /**< unless the reason has its own */
} ab_answer_t;

/** Returns the response for a reason. Never NULL; the status is always an error status.
 *  The result is constant. */
const ab_answer_t *ab_answer_of(bearer_reason_t reason);

/** Retry-After in seconds, for requests that failed because a server could not be
 *  reached. */
#define ANSWER_RETRY_AFTER 5
