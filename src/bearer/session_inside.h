/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session_inside.h
 * A session's record as bytes, for session*.c only.
 *
 *   version (1) | id | revision | created, ends, seen, access_expires, retry (8
 *   each, most significant byte first) | marks by sid and sub | length of the
 *   issuer (2), issuer | length of the body (4), body, deflated JSON
 *
 * The body leaves out the claims that its ID token has as well.
 */
#ifndef BEARER_SESSION_INSIDE_H
#define BEARER_SESSION_INSIDE_H

#include "bearer/session.h"

/** Takes the body, deflated. APR_ENOSPC: it is too long. */
apr_status_t bearer_session_pack(bearer_session_t *session, json_t *body,
                                 apr_pool_t *p);

unsigned char *bearer_session_encode(const bearer_session_t *s, apr_size_t *len,
                                     apr_pool_t *p);

/** NULL: it is none. packed points into `in`. */
bearer_session_t *bearer_session_decode(const unsigned char *in, apr_size_t len,
                                        apr_pool_t *p);

/** Eight bytes; return what follows them. */
unsigned char *bearer_session_put_time(unsigned char *at, apr_time_t t);
const unsigned char *bearer_session_take_time(const unsigned char *at,
                                              apr_time_t *t);

#endif
