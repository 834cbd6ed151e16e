/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page_texts.h
 * The pages that people see, by name; their texts are in page_texts.c, and nowhere else.
 *
 * To add a page or a label, add a row here and its text there; without the text it does
 * not compile. A test of each page is in tests/e2e/support/pages.py. A translation is
 * another file like page_texts.c.
 */
#pragma once

#include <apr_pools.h>

/** X(symbol): the pages */
#define AB_PAGES(X) \
    /* by status: a refusal whose reason has no page of its own */ \
    X(BAD_REQUEST) \
    X(NOT_SIGNED_IN) \
    X(NOT_KEPT) \
    X(NO_ACCESS) \
    X(MISDIRECTED) \
    X(THROTTLED) \
    X(FAULT) \
    X(UNAVAILABLE) \
    /* requests and sessions */ \
    X(SIGNATURE_REMOVED) \
    X(CROSS_SITE) \
    X(STRONGER) \
    X(STRONGER_ELSEWHERE) \
    X(USER) \
    X(SESSION_STORE) \
    X(SESSION_SIZE) \
    /* logins */ \
    X(LOGIN_STATE) \
    X(LOGIN_RESPONSE) \
    X(LOGIN_DENIED) \
    X(LOGIN_LOOP) \
    X(LOGIN_ISSUER) \
    X(LOGIN_REFUSED) \
    X(LOGIN_LIMIT) \
    /* sign-out */ \
    X(SIGN_OUT) \
    X(SIGNED_OUT)

/** X(symbol): words of links and buttons, and those that all pages have */
#define AB_LABELS(X) \
    X(TITLE) \
    X(REFERENCE) \
    X(TRY_AGAIN) \
    X(SIGN_OUT) \
    X(STAY) \
    X(START)

typedef enum {
#define X(symbol) AB_PAGE_##symbol,
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
