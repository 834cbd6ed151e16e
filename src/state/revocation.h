/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file revocation.h
 * The durable list of revoked tokens (AuthBearerRevocations): a text file with one
 * entry per line. An empty file is a valid list.
 *
 *   # comment
 *   token SHA256-HEX UNTIL               (bearer_revocation_token_digest)
 *   jti   SHA256-HEX-OF-ISSUER-NUL-JTI UNTIL
 *
 * Spaces or tabs separate the fields. UNTIL is the token's exp in seconds since the
 * epoch; 0 means no end. An entry stays in effect BEARER_REVOCATION_GRACE longer,
 * because a token may be accepted for that time after its exp. A value below
 * BEARER_REVOCATION_UNTIL_MIN is a mistake, not a date, and so is the digest of an
 * empty text: such a line is invalid. Every line ends with a line feed; a last line
 * without one shows that the file was truncated. The file contains no secrets.
 *
 * Readers hold an immutable table in memory. One thread at a time checks the file's
 * identity, at most every BEARER_REVOCATION_LOOK; the others use the current table.
 * If the file is missing, unreadable or has an invalid line, or if the check takes
 * longer than a second, every query returns BEARER_REVOCATION_LIST until the file can
 * be read completely. Each change of state is logged once.
 *
 * Thread-safe. A query takes no lock. Only if the last check is older than
 * BEARER_REVOCATION_FRESH does it wait for the thread that checks the file. Create
 * the list in each process, after fork.
 */
#pragma once

#include "base/reason.h"
#include "base/sha256.h"
#include "base/world.h"

typedef struct bearer_revocation_t bearer_revocation_t;

/** Time between two checks of the file. */
#define BEARER_REVOCATION_LOOK apr_time_from_msec(500)

/** A query is never answered from an older check: a change takes effect everywhere
 *  within this time. */
#define BEARER_REVOCATION_FRESH apr_time_from_msec(900)

/** 2001-09-09: no token expired earlier. A smaller number is probably a number of
 *  seconds from now. */
#define BEARER_REVOCATION_UNTIL_MIN APR_INT64_C(1000000000)

/** The largest AuthBearerClockSkew. */
#define BEARER_REVOCATION_GRACE apr_time_from_sec(300)

/** Larger files are not read (about 800,000 entries). In bytes. */
#define BEARER_REVOCATION_MAX (64 * 1024 * 1024)

/** Creates the list. The result is APR_SUCCESS also for an unreadable file; every
 *  query then returns BEARER_REVOCATION_LIST.
 *  @param p  the process's pool */
apr_status_t bearer_revocation_create(bearer_revocation_t **list,
                                      const char *path,
                                      const bearer_world_t *world,
                                      apr_pool_t *p);

/** For configtest: returns NULL, or an error message with the correction. */
const char *bearer_revocation_file_error(const char *path, apr_pool_t *p);

/** Returns the first 8 hex digits of a token's digest in a list, by which the log
 *  and BEARER_TOKEN_ID identify a token. "" if SHA-256 is unavailable. */
#define BEARER_REVOCATION_ID_SIZE 4
const char *bearer_revocation_token_id(bearer_sha256_t *sha256, const char *token,
                                       apr_size_t len, apr_pool_t *p);

/**
 * Computes the digest that identifies a token in the list: the SHA-256 of a JWT's
 * signing input (all before its last dot), or of any other token as a whole. The
 * signature is excluded, because for each ECDSA signature anyone can compute a second
 * valid one, (r, n - s). With that signature the same token would have another
 * digest.
 * @param sha256  NULL: works without a shared object, more slowly
 * @param digest  BEARER_SHA256_SIZE bytes
 */
apr_status_t bearer_revocation_token_digest(bearer_sha256_t *sha256,
                                            unsigned char *digest,
                                            const char *token, apr_size_t len);

/**
 * Queries the list.
 * @param list          NULL: there is no list; the result is BEARER_OK
 * @param jti,iss       either may be NULL; iss as in the token
 * @param token_sha256  from bearer_revocation_token_digest(); may be NULL
 * @param why           may be NULL
 * @param p             lifetime of the detail; nothing else is allocated
 * @return BEARER_OK, BEARER_REVOKED or BEARER_REVOCATION_LIST
 */
bearer_reason_t bearer_revocation_ask(bearer_revocation_t *list,
                                      const char *iss, const char *jti,
                                      const unsigned char *token_sha256,
                                      bearer_refusal_t *why, apr_pool_t *p);

/**
 * Like bearer_revocation_ask(), but computes the token's digest and returns it for
 * later queries.
 * @param token_sha256  filled; zero if it could not be computed
 */
bearer_reason_t bearer_revocation_ask_token(bearer_revocation_t *list,
                                            const char *iss, const char *jti,
                                            const char *token, apr_size_t len,
                                            unsigned char *token_sha256,
                                            bearer_refusal_t *why, apr_pool_t *p);

typedef struct bearer_revocation_state_t {
    int closed;               /**< every query returns BEARER_REVOCATION_LIST */
    unsigned entries;
} bearer_revocation_state_t;

/** Returns the state for status pages, without checking the file. */
void bearer_revocation_state(bearer_revocation_t *list,
                             bearer_revocation_state_t *state);

/** Checks the file now if the last check is older than BEARER_REVOCATION_LOOK.
 *  Requests call it through bearer_revocation_ask(). A watchdog may call it, so
 *  that no request has to read a long list. */
void bearer_revocation_refresh(bearer_revocation_t *list);

/** One entry of a list. */
typedef struct bearer_revocation_listed_t {
    const char *kind;         /**< "token" or "jti" */
    const unsigned char *digest;
    apr_int64_t until;        /**< seconds since the epoch; 0: no end */
    int is_live;              /**< 0: expired */
} bearer_revocation_listed_t;

/** Calls each() for every entry, in the order of the file. Returns APR_SUCCESS, or
 *  sets *error, in p, to an error message about the file; entries before an invalid
 *  line may have been reported then. For htbearer. */
apr_status_t bearer_revocation_list_entries(
    const char *path, apr_time_t now,
    void (*each)(void *baton, const bearer_revocation_listed_t *entry), void *baton,
    const char **error, apr_pool_t *p);

/**
 * Appends one entry and removes expired ones, atomically: lock file (PATH.lock, which
 * stays), temporary file PATH.new, fsync, rename. A reader sees the old list or the
 * new one, and concurrent writers do not lose entries. Comments, mode and owner are
 * preserved. A new file gets mode 0644, because the server's children run as another
 * user and must read it. A damaged list is not changed. For htbearer.
 * @param until  the token's exp; 0: no end. An entry that has already expired is not
 *               written
 * @param error  on failure an error message with the correction, in p
 */
apr_status_t bearer_revocation_append_token(const char *path, const char *token,
                                            apr_size_t len, apr_time_t until,
                                            apr_time_t now, const char **error,
                                            apr_pool_t *p);
apr_status_t bearer_revocation_append_jti(const char *path, const char *iss,
                                          const char *jti, apr_time_t until,
                                          apr_time_t now, const char **error,
                                          apr_pool_t *p);
