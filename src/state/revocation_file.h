/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file revocation_file.h
 * The file format of revocation.h, for its reader and its writer only. Memory is
 * malloc'ed, because the reader runs in any thread and without a pool. Thread-safe.
 */
#pragma once

#include <sys/stat.h>

#include <apr_time.h>

#include "base/sha256.h"

/** Size of a buffer for an error text. */
#define BEARER_REVOCATION_ERROR_SIZE 160

/** X(kind, word): the words that may begin a line. */
#define BEARER_REVOCATIONS(X) X(TOKEN, "token") X(JTI, "jti")

typedef enum {
    BEARER_REVOCATION_NOTHING,   /**< an empty line or a comment */
#define X(kind, word) BEARER_REVOCATION_##kind,
    BEARER_REVOCATIONS(X)
#undef X
    BEARER_REVOCATION_BAD
} bearer_revocation_kind_t;

/** Returns the word of TOKEN or JTI. */
const char *bearer_revocation_word(bearer_revocation_kind_t kind);

typedef struct bearer_revocation_line_t {
    bearer_revocation_kind_t kind;
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_int64_t until;           /**< seconds since the epoch; 0: no end */
    const char *start;           /**< the line, with its line feed */
    apr_size_t len;
} bearer_revocation_line_t;

/** A file in memory. */
typedef struct bearer_revocation_text_t {
    char *text;                  /**< malloc'ed */
    apr_size_t len;
    apr_size_t at;               /**< start of the next line */
    unsigned line;               /**< number of the last line read, from 1 */
} bearer_revocation_text_t;

/**
 * Reads the whole file.
 * @param st     filled for the file that was read
 * @param error  BEARER_REVOCATION_ERROR_SIZE bytes, written on failure
 * @return APR_SUCCESS, or why the file cannot be read; then there is nothing to free
 */
apr_status_t bearer_revocation_file_read(bearer_revocation_text_t *text,
                                         struct stat *st, const char *path,
                                         char *error);

/** Parses the next line; returns 0 at the end.
 *  @param error  BEARER_REVOCATION_ERROR_SIZE bytes. For an invalid line: its
 *                number and an error message; else unchanged */
int bearer_revocation_file_next(bearer_revocation_text_t *text,
                                bearer_revocation_line_t *line, char *error);

/** Returns 1 if an entry with this until is still in effect. */
int bearer_revocation_is_live(apr_int64_t until, apr_time_t now);

/** Computes the SHA-256 of iss, NUL, jti. */
apr_status_t bearer_revocation_jti_digest(bearer_sha256_t *sha256,
                                          unsigned char *digest,
                                          const char *iss, const char *jti);
