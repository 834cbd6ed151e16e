/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file fuzz.h
 * What the fuzzers share. A fuzzer defines fuzz(); the rest is here: one pool
 * per input, the input in memory of its exact size, and pools that take each
 * piece from malloc(), so that AddressSanitizer sees where a piece ends.
 *
 * A fuzzer looks for more than crashes: FUZZ_CHECK() states what must hold of
 * any input. With clang's libFuzzer it is linked as it is; with any other
 * compiler together with replay.c, which runs files through it.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "fuzz_entry.h"

/** Ends the program unless condition holds. */
#define FUZZ_CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
                    #condition); \
            abort(); \
        } \
    } while (0)

/** One input: len bytes and a NUL behind them. p ends with it. */
static void fuzz(const char *text, size_t len, apr_pool_t *p);

/** What all inputs share, in p; called once. */
static void fuzz_setup(apr_pool_t *p);

/* ---- pools of single pieces --------------------------------------------- */

static void **fuzz_pieces;
static size_t fuzz_piece_count, fuzz_piece_room;
static apr_pool_t *fuzz_shared;   /* and what belongs to it: */
static size_t fuzz_shared_pieces;

/* Takes the place of APR's, in APR's own functions as well. */
void *apr_palloc(apr_pool_t *p, apr_size_t size)
{
    void *piece = malloc(size ? size : 1);

    (void)p;
    if (!piece) {
        abort();
    }
    if (fuzz_piece_count == fuzz_piece_room) {
        fuzz_piece_room = 2 * fuzz_piece_room + 1024;
        fuzz_pieces = realloc(fuzz_pieces,
                              fuzz_piece_room * sizeof(*fuzz_pieces));
        if (!fuzz_pieces) {
            abort();
        }
    }
    fuzz_pieces[fuzz_piece_count++] = piece;
    return piece;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    apr_pool_create(&fuzz_shared, NULL);
    fuzz_setup(fuzz_shared);
    fuzz_shared_pieces = fuzz_piece_count;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    apr_pool_t *p;

    if (!text) {
        abort();
    }
    memcpy(text, data, size);
    text[size] = '\0';
    apr_pool_create(&p, NULL);
    fuzz(text, size, p);
    apr_pool_destroy(p);
    while (fuzz_piece_count > fuzz_shared_pieces) {
        free(fuzz_pieces[--fuzz_piece_count]);
    }
    free(text);
    return 0;
}

/* ---- what must hold of texts that leave the library ---------------------- */

/** A line for the log: printable ASCII, bounded. */
static inline void fuzz_check_line(const char *line)
{
    const char *s;

    FUZZ_CHECK(line && *line);
    for (s = line; *s; s++) {
        FUZZ_CHECK(*s >= 0x20 && *s <= 0x7e);
    }
    FUZZ_CHECK(s - line < 8192);
}

/** The part of text up to sep, in p; *text moves behind it. */
static inline const char *fuzz_part(const char **text, char sep, apr_pool_t *p)
{
    const char *start = *text, *end = strchr(start, sep);

    if (!end) {
        *text += strlen(start);
        return apr_pstrdup(p, start);
    }
    *text = end + 1;
    return apr_pstrmemdup(p, start, (apr_size_t)(end - start));
}
