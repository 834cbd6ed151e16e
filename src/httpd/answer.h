/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.h
 * What a reason becomes in HTTP: for refuse.c and page.c. Constant; any thread.
 */
#pragma once

#include "base/reason.h"

/** What a page says: what happened, and what to do. ASCII, fit for HTML and JSON as it
 *  is. */
typedef struct ab_text_t {
    const char *title, *what, *todo;
} ab_text_t;

/** What a category becomes. */
typedef struct ab_answer_t {
    int status;
    int challenge;   /**< WWW-Authenticate is sent */
    int retry;       /**< Retry-After is sent */
    int level;       /**< of the log line */
    ab_text_t text;  /**< of a page, where the reason has none of its own */
} ab_answer_t;

/** Never NULL; the status is one of an error. */
const ab_answer_t *ab_answer_of(bearer_reason_t reason);

/** Seconds a client is told to wait when something cannot be reached. */
#define ANSWER_RETRY_AFTER 5
