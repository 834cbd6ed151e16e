/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_inside.h
 * What the rooms of sessions share, for session*.c only: a session's record as
 * bytes (session_record.c), and what is kept in a cache under which name
 * (session_kept.c).
 *
 *   version (1) | id | revision | created, ends, seen, access_expires, retry (8
 *   each, most significant byte first) | marks by sid and sub | length of the
 *   issuer (2), issuer | length of the body (4), body, deflated JSON
 *
 * The body leaves out the claims that its ID token has as well.
 */
#pragma once

#include "login/session.h"

/** Takes the body, deflated. APR_ENOSPC: it is too long. */
apr_status_t bearer_session_pack(bearer_session_t *session, json_t *body,
                                 apr_pool_t *p);

unsigned char *bearer_session_encode(const bearer_session_t *s, apr_size_t *len,
                                     apr_pool_t *p);

/** NULL: it is none. packed points into `in`. */
bearer_session_t *bearer_session_decode(const unsigned char *in, apr_size_t len,
                                        apr_pool_t *p);

/** The name of a list of texts. */
apr_status_t bearer_session_name(unsigned char *out, apr_pool_t *p, int n,
                                 const char *const *texts);
/** The name of something of a session: of this server, for one purpose.
 *  @param revision  NULL: of all of them */
apr_status_t bearer_session_record_name(unsigned char *out,
                                        const bearer_session_store_t *store,
                                        const char *what, const unsigned char *id,
                                        const unsigned char *revision);
/** Where a logout by sid or sub leaves its mark. */
apr_status_t bearer_session_mark_name(unsigned char *out, const char *by,
                                      const char *issuer, const char *client,
                                      const char *value, apr_pool_t *p);
/** For sessions of a sub that have no sid, by a logout that has both. */
#define BEARER_SESSION_WITHOUT_SID "sub without sid"

/** Does the cache know what it has? Then it also has add and replace, and a record
 *  is the truth about a session. */
int bearer_session_is_certain(const bearer_session_store_t *store);
/** Keeps an entry, sealed where that is needed: whatever its kind, or only if there
 *  is none yet, or only if there is one (where the cache is certain). As add and
 *  replace of bearer_cache_t. */
enum { BEARER_KEEP_PUT, BEARER_KEEP_ADD, BEARER_KEEP_REPLACE };
apr_status_t bearer_session_keep(const bearer_session_store_t *store, int how,
                                 const unsigned char *name,
                                 const bearer_cache_entry_t *entry, apr_pool_t *p);
/** A mark, whether or not there is one. */
apr_status_t bearer_session_mark(const bearer_session_store_t *store,
                                 const unsigned char *name, const void *value,
                                 apr_size_t len, apr_time_t expires, apr_pool_t *p);
/** APR_NOTFOUND: it is not there, or of a server with another secret (or ours of
 *  before the last one was dropped); APR_EGENERAL: it is not known; APR_EINVAL: what
 *  is there is not what we put there.
 *  @param kind  BEARER_KEPT_SESSION: tokens are in it; else a mark */
apr_status_t bearer_session_fetch(const bearer_session_store_t *store,
                                  bearer_kept_t kind, const unsigned char *name,
                                  unsigned char **value, apr_size_t *len,
                                  apr_pool_t *p);
/** Several marks, in one round trip if the cache can. APR_SUCCESS, whatever is there;
 *  APR_EGENERAL: it is not known, or not what we put there. */
apr_status_t bearer_session_fetch_marks(const bearer_session_store_t *store,
                                        const unsigned char *const *names, int n,
                                        bearer_cache_value_t *values, apr_pool_t *p);

/** What a mark of one session begins with: it has ended, or this is the place for
 *  saying so. */
#define BEARER_SESSION_ENDED '+'
#define BEARER_SESSION_PLACE '-'
/** session_end.c: APR_SUCCESS: it has not ended; APR_EOF; APR_EGENERAL: unknown. */
apr_status_t bearer_session_look_for_end(const bearer_session_t *s,
                                         const bearer_session_store_t *store,
                                         apr_pool_t *p);
/** The same of logouts by the issuer, since it was made. */
apr_status_t bearer_session_look_for_logout(const bearer_session_t *s,
                                            const bearer_session_store_t *store,
                                            apr_pool_t *p);
/** A place for the mark of a session whose record is in the cookie. APR_ENOMEM:
 *  there is no room. */
apr_status_t bearer_session_reserve(const bearer_session_t *s,
                                    const bearer_session_store_t *store,
                                    apr_pool_t *p);
apr_status_t bearer_session_remove(const bearer_session_t *s,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p);

/** Eight bytes; return what follows them. */
unsigned char *bearer_session_put_time(unsigned char *at, apr_time_t t);
const unsigned char *bearer_session_take_time(const unsigned char *at,
                                              apr_time_t *t);
