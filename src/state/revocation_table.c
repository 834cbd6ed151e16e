/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The revocation list as a table: sorted digests, indexed by their first bits.
 */
#include "state/revocation_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_BITS_MAX 20  /* at most 24: prefix_of() reads three bytes */

typedef bearer_revocation_entry_t entry_t;
typedef bearer_revocation_table_t table_t;

/* ---- tables -------------------------------------------------------------- */

void bearer_revocation_table_free(table_t *table)
{
    if (table) {
        free(table->index);
        free(table->entries);
        free(table);
    }
}

/* Compares the digests, which are at the start of the entries. */
static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, BEARER_REVOCATION_KEPT);
}

/* Of several entries for one digest, keeps the one that expires last. */
static void sort_entries(table_t *table)
{
    size_t i, n = 0;

    if (!table->entries || table->count == 0) {
        return;
    }
    qsort(table->entries, table->count, sizeof(entry_t), compare_entries);
    for (i = 1; i < table->count; i++) {
        const entry_t *next = &table->entries[i];
        entry_t *last = &table->entries[n];

        if (compare_entries(last, next) != 0) {
            table->entries[++n] = *next;
        } else if (last->until != 0
                 && (next->until == 0 || next->until > last->until)) {
            last->until = next->until;
        }
    }
    table->count = n + 1;
}

static size_t prefix_of(const table_t *table, const unsigned char *digest)
{
    const uint32_t first = (uint32_t)digest[0] << 16 | (uint32_t)digest[1] << 8
                           | digest[2];

    return first >> (24 - table->bits);
}

/* index[n]: the first entry whose leading bits are n or more. */
static int index_entries(table_t *table)
{
    size_t n, slots, i = 0;

    while (table->bits < INDEX_BITS_MAX
           && ((size_t)1 << table->bits) < table->count) {
        table->bits++;
    }
    slots = (size_t)1 << table->bits;
    table->index = malloc((slots + 1) * sizeof(*table->index));
    if (!table->index) {
        return 0;
    }
    for (n = 0; n <= slots; n++) {
        while (i < table->count
               && prefix_of(table, table->entries[i].digest) < n) {
            i++;
        }
        table->index[n] = (uint32_t)i;
    }
    return 1;
}

int bearer_revocation_table_has(const table_t *table, const unsigned char *digest,
                                apr_time_t now)
{
    const size_t n = prefix_of(table, digest);
    const entry_t *entry = bsearch(digest, table->entries + table->index[n],
                                   table->index[n + 1] - table->index[n],
                                   sizeof(entry_t), compare_entries);

    return entry && bearer_revocation_is_live(entry->until, now);
}

int bearer_revocation_table_same(const table_t *a, const table_t *b)
{
    return strcmp(a->closed, b->closed) == 0 && a->count == b->count
           && a->tokens == b->tokens && a->jtis == b->jtis
           && (a->count == 0
               || memcmp(a->entries, b->entries, a->count * sizeof(entry_t))
                      == 0);
}

static size_t count_lines(const bearer_revocation_text_t *text)
{
    const char *s = text->text, *end = s + text->len;
    size_t n = 0;

    for (; (s = memchr(s, '\n', (size_t)(end - s))) != NULL; s++) {
        n++;
    }
    return n;
}

static void add_entry(table_t *table, const bearer_revocation_line_t *line)
{
    entry_t *entry = &table->entries[table->count++];

    memcpy(entry->digest, line->digest, BEARER_REVOCATION_KEPT);
    entry->until = line->until;
    table->tokens |= line->kind == BEARER_REVOCATION_TOKEN;
    table->jtis |= line->kind == BEARER_REVOCATION_JTI;
}

/* Tokens and jtis share the table: no token contains the NUL in a jti's text.
 * Returns 0, with table->closed, if a line is invalid. */
static int fill_table(table_t *table, bearer_revocation_text_t *text,
                      apr_time_t now)
{
    bearer_revocation_line_t line;

    snprintf(table->closed, sizeof(table->closed), "out of memory");
    table->entries = malloc((count_lines(text) + 1) * sizeof(entry_t));
    while (table->entries && bearer_revocation_file_next(text, &line, table->closed)) {
        if (line.kind == BEARER_REVOCATION_BAD) {
            return 0;
        }
        if (line.kind != BEARER_REVOCATION_NOTHING
            && bearer_revocation_is_live(line.until, now)) {
            add_entry(table, &line);
        }
    }
    sort_entries(table);
    if (!table->entries || !index_entries(table)) {
        return 0;
    }
    table->closed[0] = '\0';
    return 1;
}

table_t *bearer_revocation_table_load(const char *path, struct stat *st,
                                      apr_time_t now)
{
    table_t *table = calloc(1, sizeof(*table));
    bearer_revocation_text_t text;

    memset(st, 0, sizeof(*st));
    if (!table) {
        return NULL;
    }
    if (bearer_revocation_file_read(&text, st, path, table->closed)
        != APR_SUCCESS) {
        st->st_mode = 0;
        return table;
    }
    if (!fill_table(table, &text, now)) {
        free(table->entries);
        table->entries = NULL;
        table->count = 0;
    }
    free(text.text);
    return table;
}
