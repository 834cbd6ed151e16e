/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * One record of a table: its chunks, its value, its checksums. See table_inside.h.
 */
#include "state/table_inside.h"

#include <stddef.h>

#include <zlib.h>

_Static_assert(sizeof(head_t) == CHUNK, "a head is one chunk");
_Static_assert(sizeof(owners_t) <= CHUNK, "owners are one chunk");

apr_uint32_t bearer_table_check(const bearer_table_t *t, chunk_t i)
{
    const head_t *head = table_head(t, i);
    uLong sum = crc32(0, &head->kind, offsetof(head_t, check)
                                      - offsetof(head_t, kind));

    return (apr_uint32_t)(table_is_owned(head)
        ? crc32(sum, table_owners(t, i)->of.id[0], sizeof(bearer_owners_t)) : sum);
}

apr_uint32_t bearer_table_sum(const unsigned char *value, apr_size_t len)
{
    return (apr_uint32_t)crc32(0, value, (uInt)len);
}

void bearer_table_copy(const bearer_table_t *t, chunk_t i, unsigned char *to)
{
    const head_t *head = table_head(t, i);
    apr_size_t len = head->len, n = len < INLINE ? len : INLINE;

    memcpy(to, head->value, n);
    i = table_is_owned(head) ? t->next[i] : i;
    while ((len -= n) != 0) {
        to += n;
        i = t->next[i];
        n = len < CHUNK || head->how & STRAIGHT ? len : CHUNK;
        memcpy(to, t->chunks + (apr_size_t)i * CHUNK, n);
    }
}

static void write_more(const bearer_table_t *t, chunk_t i, const unsigned char *from,
                       apr_size_t len)
{
    while (len) {
        apr_size_t n = len < CHUNK ? len : CHUNK;

        i = t->next[i];
        memcpy(t->chunks + (apr_size_t)i * CHUNK, from, n);
        from += n;
        len -= n;
    }
}

static chunk_t take_chunk(bearer_table_t *t)
{
    header_t *h = t->header;
    chunk_t i = h->free;

    if (i) {
        h->free = t->next[i];
    } else {
        i = h->fresh++;
    }
    return i;
}

/* Sets *how to STRAIGHT or 0. */
static chunk_t take_chunks(bearer_table_t *t, apr_uint32_t n, int *how)
{
    chunk_t first = take_chunk(t), i = first;

    *how = STRAIGHT;
    atomic_fetch_add_explicit(&t->header->used, n, memory_order_relaxed);
    bearer_table_commit(table_head(t, first), 0);
    t->kinds[first] = CHUNK_HEAD;
    while (--n) {
        t->next[i] = take_chunk(t);
        *how = t->next[i] == i + 1 ? *how : 0;
        i = t->next[i];
        t->kinds[i] = CHUNK_MORE;
    }
    t->next[i] = 0;
    return first;
}

chunk_t bearer_table_mark(bearer_table_t *t, chunk_t i, unsigned char kind)
{
    apr_uint32_t n = table_chunks_of(table_head(t, i));

    atomic_fetch_add_explicit(&t->header->used, kind == CHUNK_FREE ? -(apr_uint64_t)n : n,
                              memory_order_relaxed);
    t->kinds[i] = kind == CHUNK_FREE ? CHUNK_FREE : CHUNK_HEAD;
    while (--n) {
        i = t->next[i];
        t->kinds[i] = kind;
    }
    return i;
}

/* Releases the chunks in order, so that the next record gets contiguous chunks. */
void bearer_table_release(bearer_table_t *t, chunk_t first)
{
    t->next[bearer_table_mark(t, first, CHUNK_FREE)] = t->header->free;
    t->header->free = first;
}

chunk_t bearer_table_compose(bearer_table_t *t, const unsigned char *key,
                             const bearer_cache_entry_t *entry, chunk_t old,
                             apr_time_t now)
{
    int owned = old ? table_is_owned(table_head(t, old)) : entry->owners != NULL;
    int how;
    chunk_t i = take_chunks(t, table_chunks(entry->len, owned), &how), more = i;
    apr_size_t begin = entry->len < INLINE ? entry->len : INLINE;
    head_t *head = table_head(t, i);

    head->kind = (unsigned char)entry->kind;
    head->how = (unsigned char)(how | (owned ? OWNED : 0));
    head->len = (apr_uint16_t)entry->len;
    memcpy(head->key, key, sizeof(head->key));
    head->serial = ++t->header->serial;
    head->expires = entry->expires;
    head->touched = now;
    memcpy(head->value, entry->value, begin);
    if (owned) {
        table_owners(t, i)->of = old ? table_owners(t, old)->of : *entry->owners;
        more = t->next[i];
    }
    write_more(t, more, entry->value + begin, entry->len - begin);
    head->sum = entry->kind == BEARER_KEPT_SESSION
        ? 0 : bearer_table_sum(entry->value, entry->len);
    head->check = bearer_table_check(t, i);
    return i;
}
