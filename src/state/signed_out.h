/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file signed_out.h
 * Access tokens of sessions whose users signed out, in memory that processes share
 * and that survives a graceful restart. Such a token is refused until it expires.
 *
 * An entry is the digest of a token (bearer_revocation_token_digest()) and a time.
 * Nothing displaces an entry: if there is no room, the new one is not added, and the
 * caller says so. Only signing out adds entries, so a client needs a session for each.
 *
 * A table is in the caller's memory, which must be zeroed at first. No lock.
 * Thread-safe and process-safe. Times are microseconds since the epoch.
 */
#pragma once

#include <stdatomic.h>

#include <apr_errno.h>
#include <apr_time.h>

#define BEARER_SIGNED_OUT_ENTRIES 16384
/** Entries that one digest may use. */
#define BEARER_SIGNED_OUT_WAYS 64

typedef struct bearer_signed_out_entry_t {
    _Atomic apr_int64_t until;     /**< 0: never used; a past time: free */
    _Atomic apr_uint64_t digest[2];
} bearer_signed_out_entry_t;

/** Minutes whose entries of other hosts are read again and again. */
#define BEARER_SIGNED_OUT_MINUTES 3

typedef struct bearer_signed_out_t {
    _Atomic apr_int64_t last;      /**< when the last entry expires */
    /** what this host has read of others: session_signed_out.h */
    _Atomic apr_int64_t minute;    /**< the first of the minutes; 0: none yet */
    /** by minute (modulo): the minute, and in the low 16 bits how many entries of it
     *  were read. Together, so that one minute's number never counts for another */
    _Atomic apr_uint64_t next[BEARER_SIGNED_OUT_MINUTES];
    _Atomic apr_int64_t heard;     /**< time of the last reading */
    bearer_signed_out_entry_t entries[BEARER_SIGNED_OUT_ENTRIES];
} bearer_signed_out_t;

/**
 * Adds a token.
 * @param table   NULL: there is none; the result is APR_ENOSPC
 * @param digest  BEARER_SHA256_SIZE bytes; the first half is kept
 * @return APR_SUCCESS, also if it is there or `until` is past; APR_ENOSPC: no room
 */
apr_status_t bearer_signed_out_add(bearer_signed_out_t *table,
                                   const unsigned char *digest, apr_time_t until,
                                   apr_time_t now);

/** Returns 1 if there may be an entry in effect; else no digest need be computed.
 *  table may be NULL. */
int bearer_signed_out_any(const bearer_signed_out_t *table, apr_time_t now);

/** Returns 1 if the token is in the table. table may be NULL. */
int bearer_signed_out_has(const bearer_signed_out_t *table,
                          const unsigned char *digest, apr_time_t now);
