/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page_texts.h
 * The pages that people see, by name; their texts are in page_texts.c, and nowhere else.
 *
 * To add a page or a label, add a row here and its text there; without the text it does
 * not compile. tests/e2e/test_pages.py has a row for each page. A translation is another
 * file like page_texts.c.
 */
#pragma once

#include <apr_pools.h>

/** X(symbol, next): the pages. next: what page.c offers there. AGAIN, ACCOUNT, SIGN_IN,
 *  START: a link; AGAIN becomes START if nobody knows which page was wanted. WAIT:
 *  waiting helps, so that a 503 has Retry-After. */
#define AB_PAGES(X) \
    /* by status: a refusal whose reason has no page of its own */ \
    X(BAD_REQUEST, NONE) \
    X(NOT_SIGNED_IN, SIGN_IN) \
    X(NOT_KEPT, SIGN_IN) \
    X(NO_ACCESS, ACCOUNT) \
    X(MISDIRECTED, AGAIN) \
    X(THROTTLED, WAIT | AGAIN) \
    X(FAULT, NONE) \
    X(UNAVAILABLE, WAIT | AGAIN) \
    /* requests and sessions */ \
    X(SIGNATURE_REMOVED, NONE) \
    X(CROSS_SITE, START) \
    X(STRONGER, NONE) \
    X(STRONGER_ELSEWHERE, NONE) \
    X(USER, ACCOUNT) \
    X(EMAIL, AGAIN | ACCOUNT) \
    X(SESSION_STORE, WAIT | AGAIN) \
    X(SESSION_SIZE, START) \
    X(SESSION_LIMIT, WAIT | AGAIN) \
    /* logins */ \
    X(COOKIES, AGAIN) \
    X(CHOICE, NONE) \
    X(LOGIN_STATE, AGAIN) \
    X(LOGIN_EXPIRED, AGAIN) \
    X(LOGIN_RESPONSE, AGAIN) \
    X(LOGIN_ENDED, AGAIN) \
    X(LOGIN_LOOP, NONE) \
    X(LOGIN_ISSUER, WAIT | AGAIN) \
    X(LOGIN_WAIT, WAIT) \
    X(LOGIN_LIMIT, WAIT | AGAIN) \
    /* what the issuer says: BEARER_SAYINGS */ \
    X(LOGIN_DENIED, AGAIN | ACCOUNT) \
    X(LOGIN_SILENT, ACCOUNT) \
    X(LOGIN_WEAK, AGAIN) \
    X(LOGIN_TROUBLE, WAIT | AGAIN) \
    X(LOGIN_CLIENT, START) \
    X(LOGIN_PROOF, START) \
    X(LOGIN_REFUSED, START) \
    X(LOGIN_ERROR, AGAIN) \
    X(LOGIN_UNUSABLE, START) \
    /* the ID token */ \
    X(LOGIN_TOKEN, START) \
    X(LOGIN_CLOCK, START) \
    X(LOGIN_TENANT, ACCOUNT) \
    /* sign-out */ \
    X(SIGN_OUT, NONE) \
    X(SIGNED_OUT, NONE)

/** X(symbol): words of links and buttons, and those that all pages have */
#define AB_LABELS(X) \
    X(TITLE) \
    X(ANSWER) \
    X(REFERENCE) \
    X(TRY_AGAIN) \
    X(SIGN_IN) \
    X(ACCOUNT) \
    X(SIGN_OUT) \
    X(STAY) \
    X(START)

typedef enum {
#define X(symbol, next) AB_PAGE_##symbol,
    AB_PAGES(X)
#undef X
    AB_PAGE_COUNT
} ab_page_t;

typedef enum {
#define X(symbol) AB_LABEL_##symbol,
    AB_LABELS(X)
#undef X
    AB_LABEL_COUNT
} ab_label_t;

/** The text of a page, UTF-8: what happened, and what the person can do. */
typedef struct ab_text_t {
    const char *title, *what, *todo; /**< todo may be "" */
} ab_text_t;

/** The language of the texts (RFC 5646). */
extern const char ab_page_language[];
/** Returns the text of a page. Constant; any thread may call it. */
ab_text_t ab_page_text(ab_page_t page);
/** Returns the text of a label. Constant; any thread may call it. */
const char *ab_page_label(ab_label_t label);
/** Returns a text with its arguments in the places of {1} and {2}. */
const char *ab_page_fill(const char *text, const char *one, const char *two, apr_pool_t *p);
