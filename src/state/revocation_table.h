/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file revocation_table.h
 * The revocation list as a table in memory, for its reader only. A table does not
 * change once readers can see it. Memory is malloc'ed.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "state/revocation_file.h"

/** Number of bytes of a digest that are compared: enough against second preimages. */
#define BEARER_REVOCATION_KEPT 16

typedef struct bearer_revocation_entry_t {
    unsigned char digest[BEARER_REVOCATION_KEPT];
    apr_int64_t until;            /**< seconds; 0: no end */
} bearer_revocation_entry_t;

typedef struct bearer_revocation_table_t {
    char closed[BEARER_REVOCATION_ERROR_SIZE]; /**< why the list is unusable, or "" */
    int tokens, jtis;             /**< 1: there are entries of this kind */
    unsigned bits;                /**< number of leading digest bits that index the entries */
    uint32_t *index;              /**< 2^bits + 1 elements */
    size_t count;
    bearer_revocation_entry_t *entries;        /**< sorted by digest */
} bearer_revocation_table_t;

/** Returns the file as a table; if the file is invalid, `closed` says why. NULL:
 *  no memory. st->st_mode is 0 if the file could not be read at all. */
bearer_revocation_table_t *bearer_revocation_table_load(const char *path,
                                                        struct stat *st,
                                                        apr_time_t now);

/** Frees a table; table may be NULL. */
void bearer_revocation_table_free(bearer_revocation_table_t *table);

/** Returns 1 if the digest has an entry that is still in effect. */
int bearer_revocation_table_has(const bearer_revocation_table_t *table,
                                const unsigned char *digest, apr_time_t now);

/** Returns 1 if both tables have the same content. */
int bearer_revocation_table_same(const bearer_revocation_table_t *a,
                                 const bearer_revocation_table_t *b);
