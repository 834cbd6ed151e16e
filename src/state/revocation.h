/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file revocation.h
 * The durable list of revoked tokens (AuthBearerRevocations): a text file, one
 * entry a line, an empty file is a valid list.
 *
 *   # comment
 *   token SHA256-HEX UNTIL               (bearer_revocation_token_digest)
 *   jti   SHA256-HEX-OF-ISSUER-NUL-JTI UNTIL
 *
 * Fields are separated by blanks or tabs. UNTIL is seconds since the epoch, the
 * token's exp (0: for ever); an entry lives BEARER_REVOCATION_GRACE longer, because
 * a token may be accepted for that long after its exp. Less than
 * BEARER_REVOCATION_UNTIL_MIN is no date but a mistake, as is a digest of nothing:
 * such a line is bad. Every line ends with a line feed: a last line without one
 * shows a file that was cut. Nothing in the file is a secret.
 *
 * Readers keep an immutable table in memory and look at the file's identity at
 * most every BEARER_REVOCATION_LOOK, one thread at a time, the others going on
 * with the table they have. A file that is missing, cannot be read or has one
 * bad line closes access (BEARER_REVOCATION_LIST) until it is whole again; so
 * does a look that takes longer than a second. One log line per change of
 * state.
 *
 * Thread-safe. A question takes no lock; only when the last look is more than
 * BEARER_REVOCATION_FRESH old does it wait for the thread that is looking.
 * Create it in each process, after fork.
 */
#pragma once

#include "base/reason.h"
#include "base/sha256.h"
#include "base/world.h"

typedef struct bearer_revocation_t bearer_revocation_t;

/** Between two looks at the file. */
#define BEARER_REVOCATION_LOOK apr_time_from_msec(500)

/** An answer is never given from an older look: a change is effective within
 *  this time everywhere. */
#define BEARER_REVOCATION_FRESH apr_time_from_msec(900)

/** 2001-09-09: no token expired earlier; who writes less means a number of seconds
 *  from now. */
#define BEARER_REVOCATION_UNTIL_MIN APR_INT64_C(1000000000)

/** The largest AuthBearerClockSkew. */
#define BEARER_REVOCATION_GRACE apr_time_from_sec(300)

/** Larger files are not read (about 800,000 entries). */
#define BEARER_REVOCATION_MAX (64 * 1024 * 1024)

/** @param p  the process's pool. APR_SUCCESS also for an unreadable file: then
 *  every question is answered with BEARER_REVOCATION_LIST. */
apr_status_t bearer_revocation_create(bearer_revocation_t **list,
                                      const char *path,
                                      const bearer_world_t *world,
                                      apr_pool_t *p);

/** For configtest: NULL, or what is wrong with the file and the mend. */
const char *bearer_revocation_file_error(const char *path, apr_pool_t *p);

/** 8 hex digits of a token's digest, as a list has it: how the log and
 *  BEARER_TOKEN_ID name a token. "" if there is no SHA-256. */
#define BEARER_REVOCATION_ID_SIZE 4
const char *bearer_revocation_token_id(bearer_sha256_t *sha256, const char *token,
                                       apr_size_t len, apr_pool_t *p);

/**
 * What a token is named by in the list: SHA-256 of a JWT's signing input (all
 * before its last dot), or of the whole of any other token. The signature is
 * left out because an ECDSA signature has a valid twin, (r, n - s), that anybody
 * can compute: with it the same token would go by another name.
 * @param sha256  NULL: for once
 * @param digest  BEARER_SHA256_SIZE bytes
 */
apr_status_t bearer_revocation_token_digest(bearer_sha256_t *sha256,
                                            unsigned char *digest,
                                            const char *token, apr_size_t len);

/**
 * @param list     NULL: there is none, the answer is BEARER_OK
 * @param jti,iss  either may be NULL; iss as the token has it
 * @param token_sha256  of bearer_revocation_token_digest; may be NULL
 * @param why      may be NULL
 * @param p        lifetime of the detail; nothing else is allocated
 * @return BEARER_OK, BEARER_REVOKED or BEARER_REVOCATION_LIST
 */
bearer_reason_t bearer_revocation_ask(bearer_revocation_t *list,
                                      const char *iss, const char *jti,
                                      const unsigned char *token_sha256,
                                      bearer_refusal_t *why, apr_pool_t *p);

/**
 * The same of a token, whose digest is made here, for later questions too.
 * @param token_sha256  filled; zero if it could not be made
 */
bearer_reason_t bearer_revocation_ask_token(bearer_revocation_t *list,
                                            const char *iss, const char *jti,
                                            const char *token, apr_size_t len,
                                            unsigned char *token_sha256,
                                            bearer_refusal_t *why, apr_pool_t *p);

typedef struct bearer_revocation_state_t {
    int closed;               /**< every question gets BEARER_REVOCATION_LIST */
    unsigned entries;
} bearer_revocation_state_t;

/** For status pages. Does not look at the file. */
void bearer_revocation_state(bearer_revocation_t *list,
                             bearer_revocation_state_t *state);

/** Looks at the file now if the last look is older than
 *  BEARER_REVOCATION_LOOK. Requests call it through bearer_revocation_ask; a
 *  watchdog may, so that no request pays for reading a long list. */
void bearer_revocation_refresh(bearer_revocation_t *list);

/** One entry of a list. */
typedef struct bearer_revocation_listed_t {
    const char *kind;         /**< "token" or "jti" */
    const unsigned char *digest;
    apr_int64_t until;        /**< seconds since the epoch; 0: for ever */
    int is_live;              /**< 0: it is of no effect any more */
} bearer_revocation_listed_t;

/** Calls each for every entry, in the order of the file. APR_SUCCESS, or *error
 *  says in p what is wrong with the file; then entries before a bad line may have
 *  been told. For htbearer. */
apr_status_t bearer_revocation_list_entries(
    const char *path, apr_time_t now,
    void (*each)(void *baton, const bearer_revocation_listed_t *entry), void *baton,
    const char **error, apr_pool_t *p);

/**
 * Appends one entry and prunes expired ones, atomically: lock file (PATH.lock,
 * which stays), temporary file PATH.new, fsync, rename. A reader sees the old
 * list or the new one, and of several writers none loses anything. Keeps
 * comments, mode and owner; a file that is not there is created with mode 0644,
 * for the server's children, who have to read it, are another user. A damaged
 * list is left as it is. For htbearer.
 * @param until  the token's exp, 0: for ever. An entry that would be expired
 *               already is not written
 * @param error  on failure what is wrong and the mend, in p
 */
apr_status_t bearer_revocation_append_token(const char *path, const char *token,
                                            apr_size_t len, apr_time_t until,
                                            apr_time_t now, const char **error,
                                            apr_pool_t *p);
apr_status_t bearer_revocation_append_jti(const char *path, const char *iss,
                                          const char *jti, apr_time_t until,
                                          apr_time_t now, const char **error,
                                          apr_pool_t *p);
