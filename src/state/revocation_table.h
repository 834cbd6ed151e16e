/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file revocation_table.h
 * The revocation list as a table in memory, for its reader; no other file calls
 * this. A table never changes once readers can see it; memory is malloc'ed.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "state/revocation_file.h"

/** Of a digest so many bytes are compared: enough against second preimages. */
#define BEARER_REVOCATION_KEPT 16

typedef struct bearer_revocation_entry_t {
    unsigned char digest[BEARER_REVOCATION_KEPT];
    apr_int64_t until;            /**< seconds; 0: for ever */
} bearer_revocation_entry_t;

typedef struct bearer_revocation_table_t {
    char closed[BEARER_REVOCATION_ERROR_SIZE]; /**< why, or "" */
    int tokens, jtis;             /**< are there any? */
    unsigned bits;                /**< entries are found by so many first bits */
    uint32_t *index;              /**< 2^bits + 1 */
    size_t count;
    bearer_revocation_entry_t *entries;        /**< sorted by digest */
} bearer_revocation_table_t;

/** The file as a table, a closed one if it is not whole; NULL: no memory.
 *  st->st_mode is 0 where it could not be read at all. */
bearer_revocation_table_t *bearer_revocation_table_load(const char *path,
                                                        struct stat *st,
                                                        apr_time_t now);

/** table may be NULL. */
void bearer_revocation_table_free(bearer_revocation_table_t *table);

/** Is there a live entry for the digest? */
int bearer_revocation_table_has(const bearer_revocation_table_t *table,
                                const unsigned char *digest, apr_time_t now);

/** Do both say the same? */
int bearer_revocation_table_same(const bearer_revocation_table_t *a,
                                 const bearer_revocation_table_t *b);
