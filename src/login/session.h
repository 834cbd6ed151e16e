/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session.h
 * A browser's session: what the issuer said at login, for how long, and where
 * it is kept. One record, two stores:
 *
 *   cache   the cookie holds 256 random bits; the record is in a cache under
 *           the SHA-256 of those bits and this server's name, so that neither
 *           who reads the cache can make a cookie of what he sees there, nor a
 *           cookie of one server is anything in another
 *   cookie  the cookie holds the record itself
 *
 * Either way the record is sealed (AES-256-GCM): the cache is trusted with
 * availability only.
 *
 *   record = head (fixed, read on every request) | body (JSON, deflated, read
 *            when a principal is built)
 *
 * The revision is a random name of the body's content: whoever has built a
 * principal of it may keep that under the revision.
 *
 * How a session ends, for good: session_end.c.
 *
 * Everything lives in the caller's pool; thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_time.h>
#include <jansson.h>

#include "base/seal.h"
#include "base/sha256.h"
#include "base/world.h"
#include "judge/principal.h"

#define BEARER_SESSION_ID_SIZE 32
#define BEARER_SESSION_REVISION_SIZE 16
/** A sealed record is at most so many bytes in a cache. */
#define BEARER_SESSION_MAX (16 * 1024)
/** ... and its body before it is deflated. */
#define BEARER_SESSION_BODY_MAX (64 * 1024)

typedef struct bearer_session_store_t {
    const bearer_seal_t *seal;     /**< of purpose "session" */
    const bearer_cache_t *cache;   /**< NULL only where in_cookie */
    const bearer_world_t *world;
    const char *server;            /**< this server's origin */
    int in_cookie;
    apr_interval_time_t max, idle;
    bearer_sha256_t *sha256;       /**< NULL: for each call anew */
} bearer_session_store_t;

typedef struct bearer_session_t {
    unsigned char id[BEARER_SESSION_ID_SIZE];
    unsigned char revision[BEARER_SESSION_REVISION_SIZE];
    apr_time_t created, ends;
    apr_time_t seen;               /**< to the precision of touching */
    apr_time_t access_expires;     /**< 0: not known, or nothing to refresh */
    apr_time_t retry;              /**< no refresh before */
    const char *issuer;            /**< URL as configured */
    unsigned char by_sid[BEARER_CACHE_KEY_SIZE];  /**< marks to look for; all */
    unsigned char by_sub[BEARER_CACHE_KEY_SIZE];  /**< zero: none */
    json_t *body;                  /**< bearer_session_body() */
    const unsigned char *packed;   /**< the body as it came */
    apr_size_t packed_len;
} bearer_session_t;

/* Members of the body; all strings but the last. */
#define BEARER_SESSION_CLIENT "client"
#define BEARER_SESSION_ID_TOKEN "id_token"
#define BEARER_SESSION_ACCESS_TOKEN "access_token"
#define BEARER_SESSION_REFRESH_TOKEN "refresh_token"
#define BEARER_SESSION_SCOPE "scope"
#define BEARER_SESSION_CLAIMS "claims"   /**< object: the ID token's, and what
                                              userinfo adds (kept once: what the
                                              ID token says is read from it) */

/**
 * A new one with a new id, now, not saved.
 * @param body  the members above; a reference is taken
 */
apr_status_t bearer_session_new(bearer_session_t **session,
                                const bearer_session_store_t *store,
                                const char *issuer, json_t *body,
                                apr_pool_t *p);

/** The content was changed: takes the body and gives it a new revision. */
apr_status_t bearer_session_renew(bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  json_t *body, apr_pool_t *p);

/**
 * Keeps a new one, and a place for the mark of its end where it needs one.
 * @param cookie   the cookie's value
 * @param address  the client's, BEARER_OWNER_SIZE bytes; NULL: not known
 * @return APR_SUCCESS; APR_ENOSPC when it is larger than the store takes;
 *         APR_ENOMEM when the store is full; APR_EOF when the issuer has ended it
 *         since `created`; APR_EGENERAL when the store does not answer
 */
apr_status_t bearer_session_begin(const char **cookie, bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  const unsigned char *address, apr_pool_t *p);

/** The cookie's value of one that is kept. */
apr_status_t bearer_session_cookie(const char **cookie, bearer_session_t *session,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p);

/**
 * The session that a cookie's value opens.
 * @return APR_SUCCESS; APR_NOTFOUND: none (junk, another server's, ended, idle
 *         for too long, logged out); APR_EGENERAL: the cache does not answer
 */
apr_status_t bearer_session_load(bearer_session_t **session,
                                 const bearer_session_store_t *store,
                                 const char *cookie, apr_pool_t *p);

/** It is in use: saves it if that is not known well enough. APR_SUCCESS with
 *  *cookie set where the browser is to be told. Never fails a request. */
void bearer_session_touch(const char **cookie, bearer_session_t *session,
                          const bearer_session_store_t *store, apr_pool_t *p);

/** Ends it for good, also for requests that are under way; telling the browser is
 *  the caller's matter. APR_EGENERAL: the store does not answer, or a mark that it
 *  needs found no room, and it goes on. */
apr_status_t bearer_session_end(const bearer_session_t *session,
                        const bearer_session_store_t *store, apr_pool_t *p);

/** The body, parsed; NULL: no such (never, unless memory ran out). */
const json_t *bearer_session_body(bearer_session_t *session, apr_pool_t *p);

/** The claims that outlast the ID token they came with when another one takes its
 *  place: what userinfo said, and who it is. All else (roles, groups) holds only as
 *  long as the issuer says it. Lives as long as p; NULL: no memory. */
json_t *bearer_session_lasting(bearer_session_t *session,
                               const char *user_claim, apr_pool_t *p);

const char *bearer_session_string(bearer_session_t *session, const char *member,
                                  apr_pool_t *p);

/** Is a refresh wanted now, and can there be one? */
int bearer_session_refresh_due(const bearer_session_t *session, apr_time_t now);

/**
 * One refresh at a time per session on this host: APR_SUCCESS, or APR_EBUSY.
 * Who has it looks again (bearer_session_again) before he asks the issuer.
 */
apr_status_t bearer_session_lease(const bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  apr_time_t until, apr_pool_t *p);
/** Waits for a lease that another process has, for `longest` or less. */
void bearer_session_await(const bearer_session_t *session,
                          const bearer_session_store_t *store,
                          apr_interval_time_t longest);
void bearer_session_unlease(const bearer_session_t *session,
                            const bearer_session_store_t *store, apr_pool_t *p);

/** What has become of it meanwhile. APR_SUCCESS: *session is another revision;
 *  APR_NOTFOUND: nothing new is known but, perhaps, when it may be refreshed
 *  again; APR_EOF: it was ended. */
apr_status_t bearer_session_again(bearer_session_t **session,
                                  const bearer_session_store_t *store,
                                  apr_pool_t *p);

/** After a refresh: keeps one that was there before; *cookie is set where the record
 *  is in it. As bearer_session_begin(); APR_EOF when it was ended meanwhile. Those who
 *  hold the cookie of `before` (a revision) find it with bearer_session_again(). */
apr_status_t bearer_session_replace(const char **cookie,
                                    bearer_session_t *session,
                                    const unsigned char *before,
                                    const bearer_session_store_t *store,
                                    apr_pool_t *p);

/**
 * Back-channel logout: ends all sessions of this issuer and client with that sid,
 * or where sid is NULL with that sub, made until now; where both are given also
 * those of that sub that have no sid; in every process and on every host that
 * shares the cache and the secret.
 */
apr_status_t bearer_session_logout(const bearer_session_store_t *store,
                                   const char *issuer, const char *client,
                                   const char *sid, const char *sub,
                                   apr_pool_t *p);

/** Of a login, which any client can begin: these do not displace anything else. */
#define BEARER_SESSION_STATE "state"

/** What serves once (`what`: "jti" of a logout token, BEARER_SESSION_STATE):
 *  APR_SUCCESS the first time that id of the issuer is seen until `until`, then
 *  APR_EEXIST; APR_EGENERAL: the cache does not answer. */
apr_status_t bearer_session_once(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_time_t until, apr_pool_t *p);

/** Was it seen? APR_EEXIST, else APR_SUCCESS, or APR_EGENERAL; nothing is kept.
 *  Where what it is for may fail and be tried again: ask first, and call
 *  bearer_session_once() when that is done. A cache that is down may say that it
 *  has not got it; then what follows fails. */
apr_status_t bearer_session_used(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_pool_t *p);

/**
 * The principal of a session: as of a token, but with the session's user claim
 * (`email` only when email_verified is true) and the session's end.
 * @param settings  resolved with the issuer's layer
 * @return BEARER_OK, BEARER_SESSION_USER, BEARER_IDENTIFIER
 */
bearer_reason_t bearer_session_principal(const bearer_principal_t **principal,
                                         bearer_session_t *session,
                                         const bearer_issuer_t *issuer,
                                         const bearer_settings_t *settings,
                                         bearer_refusal_t *why, apr_pool_t *p);

/** The same of claims that are no session yet. */
bearer_reason_t bearer_session_user_of(const bearer_principal_t **principal,
                                       json_t *claims,
                                       const bearer_issuer_t *issuer,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p);
