/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file revocation.h
 * The durable list of revoked tokens (AuthBearerRevocations): a text file, one
 * entry a line, an empty file is a valid list.
 *
 *   # comment
 *   token SHA256-HEX UNTIL
 *   jti   SHA256-HEX-OF-ISSUER-NUL-JTI UNTIL
 *
 * UNTIL is seconds since the epoch (0: for ever); nothing in the file is a
 * secret. Readers keep a sorted or hashed table and look at the file's identity
 * at most every 500 ms; a list that cannot be read or has one bad line closes
 * access (BEARER_REVOCATION_LIST) until it is whole again.
 * Thread-safe; a look-up takes no lock that is held over I/O.
 */
#ifndef BEARER_REVOCATION_H
#define BEARER_REVOCATION_H

#include "bearer/reason.h"
#include "bearer/world.h"

typedef struct bearer_revocation_t bearer_revocation_t;

/** @param p  the process's pool. APR_SUCCESS also for an unreadable file: then
 *  every question is answered with BEARER_REVOCATION_LIST. */
apr_status_t bearer_revocation_create(bearer_revocation_t **list,
                                      const char *path,
                                      const bearer_world_t *world,
                                      apr_pool_t *p);

/** For configtest: NULL, or what is wrong with the file and the mend. */
const char *bearer_revocation_file_error(const char *path, apr_pool_t *p);

/**
 * @param jti,iss  either may be NULL
 * @param token    may be NULL; or its digest in token_sha256 (32 bytes), which
 *                 saves the hash where the caller has it
 */
bearer_reason_t bearer_revocation_ask(bearer_revocation_t *list,
                                      const char *iss, const char *jti,
                                      const unsigned char *token_sha256,
                                      bearer_refusal_t *why, apr_pool_t *p);

/** Number of live entries, and a number that changes whenever the list does. */
void bearer_revocation_state(bearer_revocation_t *list, unsigned *entries,
                             apr_uint64_t *generation);

/** Looks at the file now if the last look is older than 500 ms. Requests call
 *  it through bearer_revocation_ask. */
void bearer_revocation_refresh(bearer_revocation_t *list);

/** Appends one entry atomically (lock file, temporary file, fsync, rename; a
 *  reader sees the old list or the new one) and prunes expired ones. Creates
 *  the file with mode 0640 when it is not there. For htbearer. */
apr_status_t bearer_revocation_append_token(const char *path, const char *token,
                                            apr_size_t len, apr_time_t until,
                                            apr_time_t now, const char **error,
                                            apr_pool_t *p);
apr_status_t bearer_revocation_append_jti(const char *path, const char *iss,
                                          const char *jti, apr_time_t until,
                                          apr_time_t now, const char **error,
                                          apr_pool_t *p);

#endif
