/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Caches the headers of recently verified tokens. See headers.h. A page holds a few
 * of them; a thread has exclusive use of a page while it reads it.
 */
#include "jose/headers.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/shelf.h"

/* Number of headers (issuers and their changing keys) that one processor sees at a time. */
#define KEPT 8

typedef struct kept_t {
    apr_size_t len;           /* 0: none */
    bearer_header_facts_t facts;
    char text[BEARER_HEADERS_TEXT_MAX];
    char kid[BEARER_HEADERS_NAME_MAX], typ[BEARER_HEADERS_NAME_MAX];
} kept_t;

typedef struct page_t {
    unsigned next;
    kept_t kept[KEPT];
} page_t;

struct bearer_headers_t {
    bearer_shelf_t pages;
};

static apr_status_t free_pages(void *headers)
{
    bearer_shelf_clear(&((bearer_headers_t *)headers)->pages, free);
    return APR_SUCCESS;
}

bearer_headers_t *bearer_headers_create(apr_pool_t *p)
{
    bearer_headers_t *headers = apr_pcalloc(p, sizeof(*headers));

    apr_pool_cleanup_register(p, headers, free_pages, apr_pool_cleanup_null);
    return headers;
}

static const kept_t *find(const page_t *page, const char *text, apr_size_t len)
{
    int i;

    for (i = 0; i < KEPT; i++) {
        const kept_t *kept = &page->kept[i];

        if (kept->len == len && memcmp(kept->text, text, len) == 0) {
            return kept;
        }
    }
    return NULL;
}

int bearer_headers_find(bearer_headers_t *headers, bearer_header_facts_t *facts,
                        const char *text, apr_size_t len, apr_pool_t *p)
{
    page_t *page = headers && len ? bearer_shelf_take(&headers->pages) : NULL;
    const kept_t *kept;

    if (!page) {
        return 0;
    }
    kept = find(page, text, len);
    if (kept) {
        *facts = kept->facts;
        facts->kid = apr_pstrdup(p, kept->facts.kid);
        facts->typ = apr_pstrdup(p, kept->facts.typ);
    }
    bearer_shelf_give(&headers->pages, page, free);
    return kept != NULL;
}

static int fits(const char *name)
{
    return !name || strlen(name) < BEARER_HEADERS_NAME_MAX;
}

static const char *keep_name(char *room, const char *name)
{
    return name ? memcpy(room, name, strlen(name) + 1) : NULL;
}

void bearer_headers_keep(bearer_headers_t *headers, const char *text,
                         apr_size_t len, const bearer_header_facts_t *facts)
{
    page_t *page;
    kept_t *kept;

    if (!headers || !len || len > BEARER_HEADERS_TEXT_MAX || !fits(facts->kid)
        || !fits(facts->typ)) {
        return;
    }
    page = bearer_shelf_take(&headers->pages);
    if (!page) {
        page = calloc(1, sizeof(*page));
    }
    if (!page) {
        return;
    }
    if (!find(page, text, len)) {
        kept = &page->kept[page->next++ % KEPT];
        kept->len = len;
        memcpy(kept->text, text, len);
        kept->facts.alg = facts->alg;
        kept->facts.kid = keep_name(kept->kid, facts->kid);
        kept->facts.typ = keep_name(kept->typ, facts->typ);
    }
    bearer_shelf_give(&headers->pages, page, free);
}
