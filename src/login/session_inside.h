/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_inside.h
 * For session*.c only: a session's record as bytes (session_record.c), and the
 * entries in a cache and their names (session_kept.c).
 *
 *   version (1) | id | revision | created, ends, seen, access_expires, retry (8
 *   each, most significant byte first) | marks by sid and sub | length of the
 *   issuer (2), issuer | length of the body (4), body, deflated JSON
 *
 * The body omits claims that its ID token contains.
 */
#pragma once

#include "login/session.h"

/** Deflates the body into the session. APR_ENOSPC: it is too long. */
apr_status_t bearer_session_pack(bearer_session_t *session, json_t *body,
                                 apr_pool_t *p);

unsigned char *bearer_session_encode(const bearer_session_t *s, apr_size_t *len,
                                     apr_pool_t *p);

/** Returns NULL if the bytes are not a record. packed points into `in`. */
bearer_session_t *bearer_session_decode(const unsigned char *in, apr_size_t len,
                                        apr_pool_t *p);

/** Computes the name for a list of texts. */
apr_status_t bearer_session_name(unsigned char *out, apr_pool_t *p, int n,
                                 const char *const *texts);
/** Computes the name of a session's entry, for this server and one purpose.
 *  @param revision  NULL: for all revisions */
apr_status_t bearer_session_record_name(unsigned char *out,
                                        const bearer_session_store_t *store,
                                        const char *what, const unsigned char *id,
                                        const unsigned char *revision);
/** Computes the name of the mark that a logout by sid or sub leaves. */
apr_status_t bearer_session_mark_name(unsigned char *out, const char *by,
                                      const char *issuer, const char *client,
                                      const char *value, apr_pool_t *p);
/** For sessions of a sub that have no sid, ended by a logout that has both. */
#define BEARER_SESSION_WITHOUT_SID "sub without sid"

/** Returns 1 if the cache reliably knows its entries. It then also has add and
 *  replace, and a missing record means that the session has ended. */
int bearer_session_is_certain(const bearer_session_store_t *store);
/** Stores an entry, sealed if necessary: in any case, only if there is none yet,
 *  or only if there is one (if the cache is certain). Returns as add and replace
 *  of bearer_cache_t. */
enum { BEARER_KEEP_PUT, BEARER_KEEP_ADD, BEARER_KEEP_REPLACE };
apr_status_t bearer_session_keep(const bearer_session_store_t *store, int how,
                                 const unsigned char *name,
                                 const bearer_cache_entry_t *entry, apr_pool_t *p);
/** Stores a mark, whether or not it exists. */
apr_status_t bearer_session_mark(const bearer_session_store_t *store,
                                 const unsigned char *name, const void *value,
                                 apr_size_t len, apr_time_t expires, apr_pool_t *p);
/** APR_NOTFOUND: it does not exist, or it belongs to a server with another secret
 *  (or was sealed with a secret that has been removed); APR_EGENERAL: unknown;
 *  APR_EINVAL: the entry is not one that this server wrote.
 *  @param kind  BEARER_KEPT_SESSION: contains tokens; else a mark */
apr_status_t bearer_session_fetch(const bearer_session_store_t *store,
                                  bearer_kept_t kind, const unsigned char *name,
                                  unsigned char **value, apr_size_t *len,
                                  apr_pool_t *p);
/** Fetches several marks, in one round trip if the cache supports it. APR_SUCCESS
 *  whatever it finds; APR_EGENERAL: unknown, or an entry that this server did not
 *  write. */
apr_status_t bearer_session_fetch_marks(const bearer_session_store_t *store,
                                        const unsigned char *const *names, int n,
                                        bearer_cache_value_t *values, apr_pool_t *p);

/** First byte of the mark of one session: it has ended, or the place is reserved. */
#define BEARER_SESSION_ENDED '+'
#define BEARER_SESSION_PLACE '-'
/** session_end.c: returns APR_SUCCESS if it has not ended; APR_EOF if it has;
 *  APR_EGENERAL: unknown. */
apr_status_t bearer_session_look_for_end(const bearer_session_t *s,
                                         const bearer_session_store_t *store,
                                         apr_pool_t *p);
/** The same for logouts by the issuer since the session was made. */
apr_status_t bearer_session_look_for_logout(const bearer_session_t *s,
                                            const bearer_session_store_t *store,
                                            apr_pool_t *p);
/** Reserves a place for the mark of a session whose record is in the cookie.
 *  APR_ENOMEM: no room. */
apr_status_t bearer_session_reserve(const bearer_session_t *s,
                                    const bearer_session_store_t *store,
                                    apr_pool_t *p);
/** Lets bearer_session_end_sid() find a new session in a cache that hosts share. */
apr_status_t bearer_session_index(const bearer_session_t *s,
                                  const bearer_session_store_t *store, apr_pool_t *p);
apr_status_t bearer_session_remove(const bearer_session_t *s,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p);

/** Write and read eight bytes; return the position after them. */
unsigned char *bearer_session_put_time(unsigned char *at, apr_time_t t);
const unsigned char *bearer_session_take_time(const unsigned char *at,
                                              apr_time_t *t);
