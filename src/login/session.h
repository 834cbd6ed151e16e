/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file session.h
 * A browser's session: what the issuer stated at login, its lifetime, and its store.
 * There is one record format and two stores:
 *
 *   cache   the cookie holds 256 random bits. The record is in a cache, under the
 *           SHA-256 of those bits and this server's name. Someone who can read the
 *           cache therefore cannot build a cookie from it, and a cookie of one server
 *           is worthless on another
 *   cookie  the cookie holds the record itself
 *
 * In both cases the record is sealed (AES-256-GCM): the cache is trusted only to be
 * available.
 *
 *   record = head (fixed, read on every request) | body (JSON, deflated, read
 *            when a principal is built)
 *
 * The revision is a random name of the body's content: a principal built from the
 * body may be cached under the revision.
 *
 * session_end.c describes how a session ends permanently.
 *
 * Everything is in the caller's pool; thread-safe.
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
/** Maximum size of a sealed record in a cache, in bytes. */
#define BEARER_SESSION_MAX (16 * 1024)
/** Maximum size of its body before it is deflated, in bytes. */
#define BEARER_SESSION_BODY_MAX (64 * 1024)

typedef struct bearer_session_store_t {
    const bearer_seal_t *seal;     /**< of purpose "session" */
    const bearer_cache_t *cache;   /**< NULL only if in_cookie */
    const bearer_world_t *world;
    const char *server;            /**< this server's origin */
    int in_cookie;
    apr_interval_time_t max, idle;
    bearer_sha256_t *sha256;       /**< NULL: computed without a shared object */
} bearer_session_store_t;

typedef struct bearer_session_t {
    unsigned char id[BEARER_SESSION_ID_SIZE];
    unsigned char revision[BEARER_SESSION_REVISION_SIZE];
    apr_time_t created, ends;
    apr_time_t seen;               /**< last use, to the precision of touching */
    apr_time_t access_expires;     /**< 0: not known, or no refresh possible */
    apr_time_t retry;              /**< no refresh before this time */
    const char *issuer;            /**< URL as configured */
    unsigned char by_sid[BEARER_CACHE_KEY_SIZE];  /**< names of marks to check; zero: none */
    unsigned char by_sub[BEARER_CACHE_KEY_SIZE];
    json_t *body;                  /**< bearer_session_body() */
    const unsigned char *packed;   /**< the body as read */
    apr_size_t packed_len;
} bearer_session_t;

/* Members of the body; strings, unless stated otherwise. */
#define BEARER_SESSION_CLIENT "client"
#define BEARER_SESSION_ID_TOKEN "id_token"
#define BEARER_SESSION_ACCESS_TOKEN "access_token"
#define BEARER_SESSION_REFRESH_TOKEN "refresh_token"
#define BEARER_SESSION_SCOPE "scope"
#define BEARER_SESSION_TENANT "tenant"   /**< missing: the issuer has no {tenant} */
#define BEARER_SESSION_ACCESS_ENDS "access_ends" /**< seconds since the epoch; missing:
                                                      the issuer did not say */
#define BEARER_SESSION_CLAIMS "claims"   /**< object: the ID token's (each stored once:
                                              they are read from the ID token) */
#define BEARER_SESSION_USERINFO "userinfo" /**< object: userinfo's, replaced as a whole;
                                              absent: userinfo was not asked */
#define BEARER_SESSION_SAID "said"       /**< object: the ID token's claims, if the token is
                                              not kept because some were dropped */
#define BEARER_SESSION_DROPPED "dropped" /**< object: names of claims that were stated and
                                              not kept, with the parts (BEARER_PART_*) that
                                              stated them; missing: none */
#define BEARER_SESSION_OWED "owed"       /**< integer: userinfo must be asked again with
                                              this access token, which expires then
                                              (microseconds) */

/**
 * Creates a session with a new id, now; does not store it.
 * @param body  the members above; a reference is taken
 */
apr_status_t bearer_session_new(bearer_session_t **session,
                                const bearer_session_store_t *store,
                                const char *issuer, json_t *body,
                                apr_pool_t *p);

/** Replaces the body after a change, and sets a new revision. */
apr_status_t bearer_session_renew(bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  json_t *body, apr_pool_t *p);

/**
 * Stores a new session, and reserves a place for the mark of its end if it needs one.
 * @param cookie   the cookie's value
 * @param address  the client's, BEARER_OWNER_SIZE bytes; NULL: not known
 * @return APR_SUCCESS; APR_ENOSPC: larger than the store accepts; APR_ENOMEM: the
 *         store is full; APR_EOF: the issuer has ended it since `created`;
 *         APR_EGENERAL: the store does not answer
 */
apr_status_t bearer_session_begin(const char **cookie, bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  const unsigned char *address, apr_pool_t *p);

/** Returns the cookie's value for a stored session. */
apr_status_t bearer_session_cookie(const char **cookie, bearer_session_t *session,
                                   const bearer_session_store_t *store,
                                   apr_pool_t *p);

/**
 * Loads the session of a cookie's value.
 * @return APR_SUCCESS; APR_NOTFOUND: none (invalid, another server's, ended, idle for
 *         too long, signed out); APR_EGENERAL: the cache does not answer
 */
apr_status_t bearer_session_load(bearer_session_t **session,
                                 const bearer_session_store_t *store,
                                 const char *cookie, apr_pool_t *p);

/** Returns how long the session lasts from now on if nobody uses it; 0 or less: it has
 *  ended. */
apr_interval_time_t bearer_session_left(const bearer_session_t *session,
                                        const bearer_session_store_t *store);

/** Records that the session is in use; stores it if the stored time is too old, and sets
 *  `seen` then. *cookie is set if the browser needs a new value. Never fails a
 *  request. */
void bearer_session_touch(const char **cookie, bearer_session_t *session,
                          const bearer_session_store_t *store, apr_pool_t *p);

/** Ends the session permanently, also for running requests. The caller must remove
 *  the cookie. APR_EGENERAL: the store does not answer, or there was no room for a
 *  necessary mark, and the session continues. */
apr_status_t bearer_session_end(const bearer_session_t *session,
                        const bearer_session_store_t *store, apr_pool_t *p);

/** Returns the body, parsed; NULL only if memory is short. */
const json_t *bearer_session_body(bearer_session_t *session, apr_pool_t *p);

/** Returns the claims that stay valid when another ID token replaces the one they
 *  came with: those that identify the user. All others (roles, groups) are valid only
 *  while the issuer states them. Lives as long as p; NULL: no memory. */
json_t *bearer_session_lasting(bearer_session_t *session,
                               const char *user_claim, apr_pool_t *p);

/** Returns the claims of the session's own ID token. Lives as long as p; NULL: none. */
json_t *bearer_session_said(bearer_session_t *session, apr_pool_t *p);

/** Returns when the session's access token ends: the later of the issuer's expires_in and
 *  the exp of a JWT. 0: not known. */
apr_time_t bearer_session_access_ends(bearer_session_t *session, apr_pool_t *p);

/** The parts of a session's claims: those of the ID token, those of userinfo. */
enum { BEARER_PART_ID = 1, BEARER_PART_USERINFO = 2 };
/** Does a session keep the claim with this name? */
typedef int (*bearer_session_keeps_fn)(void *baton, const char *name);
/**
 * Removes from a body the claims that the session does not keep, and notes their names: a
 * rule must not take them for absent. If the ID token has one of them, its other claims are
 * kept in its place.
 * @param before  the body so far; NULL at a login
 * @param fresh   the parts that are not those of `before`
 * @return APR_SUCCESS, or APR_ENOMEM
 */
apr_status_t bearer_session_drop(json_t *body, const json_t *before, int fresh,
                                 bearer_session_keeps_fn keeps, void *baton, apr_pool_t *p);
/** Returns the claims of a body's own ID token, to be changed; NULL: none. Lives as long
 *  as p. */
json_t *bearer_session_said_in(const json_t *body, apr_pool_t *p);

/** Returns a string member of the body, or NULL. It lives as long as the session. */
const char *bearer_session_string(bearer_session_t *session, const char *member,
                                  apr_pool_t *p);

/** Makes the session due for a refresh at this time or, with a shorter access token,
 *  earlier, without regard to its access token's expiry. */
void bearer_session_expect(bearer_session_t *session, apr_time_t when);

/** Returns 1 if userinfo must be asked again (BEARER_SESSION_OWED) and the access token
 *  needs no refresh for it. */
int bearer_session_owes(bearer_session_t *session, apr_time_t now, apr_pool_t *p);

/** Returns 1 if a refresh is due and possible. */
int bearer_session_refresh_due(const bearer_session_t *session, apr_time_t now);

/**
 * Takes the lease for a refresh: one at a time per session on this host. Returns
 * APR_SUCCESS or APR_EBUSY. The holder calls bearer_session_again() before it sends a
 * request to the issuer.
 */
apr_status_t bearer_session_lease(const bearer_session_t *session,
                                  const bearer_session_store_t *store,
                                  apr_time_t until, apr_pool_t *p);
/** Waits at most `longest` for a lease that another process holds. */
void bearer_session_await(const bearer_session_t *session,
                          const bearer_session_store_t *store,
                          apr_interval_time_t longest);
void bearer_session_unlease(const bearer_session_t *session,
                            const bearer_session_store_t *store, apr_pool_t *p);

/** Loads the session again to see changes. APR_SUCCESS: *session is another
 *  revision; APR_NOTFOUND: nothing new, except perhaps when it may be refreshed
 *  again; APR_EOF: it was ended. */
apr_status_t bearer_session_again(bearer_session_t **session,
                                  const bearer_session_store_t *store,
                                  apr_pool_t *p);

/** Stores an existing session after a refresh. *cookie is set if the cookie holds
 *  the record. Returns as bearer_session_begin(); APR_EOF if it was ended
 *  meanwhile. Browsers with the cookie of revision `before` find it by
 *  bearer_session_again(). */
apr_status_t bearer_session_replace(const char **cookie,
                                    bearer_session_t *session,
                                    const unsigned char *before,
                                    const bearer_session_store_t *store,
                                    apr_pool_t *p);

/**
 * Back-channel logout: ends all sessions of this issuer and client made until now
 * that have that sid or, if sid is NULL, that sub. If both are given, it also ends
 * sessions of that sub that have no sid. It applies to all processes and to all hosts
 * that share the cache and the secret.
 */
apr_status_t bearer_session_logout(const bearer_session_store_t *store,
                                   const char *issuer, const char *client,
                                   const char *sid, const char *sub,
                                   apr_pool_t *p);

/** Returns 1 if a session can be found by its issuer's session ID: see
 *  bearer_session_end_sid(). */
int bearer_session_finds_sid(const bearer_session_store_t *store);

/**
 * Front-channel logout: ends one live session of this issuer and client with that sid.
 * Nothing is written for others, so anyone may ask.
 * @param session  the session that ended; NULL if this server cannot read it
 * @return APR_SUCCESS: there may be another one; APR_NOTFOUND: there is none;
 *         APR_EGENERAL: the cache does not answer
 */
apr_status_t bearer_session_end_sid(bearer_session_t **session,
                                    const bearer_session_store_t *store,
                                    const char *issuer, const char *client,
                                    const char *sid, apr_pool_t *p);

/** For a login attempt, which any client can start: these displace no other entries. */
#define BEARER_SESSION_STATE "state"

/** Marks an identifier as used (`what`: "jti" of a logout token,
 *  BEARER_SESSION_STATE). Returns APR_SUCCESS the first time until `until`, then
 *  APR_EEXIST; APR_EGENERAL: the cache does not answer. */
apr_status_t bearer_session_once(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_time_t until, apr_pool_t *p);

/** Checks whether an identifier was used, without marking it: APR_EEXIST, else
 *  APR_SUCCESS, or APR_EGENERAL. If the action may fail and be tried again, call
 *  this first, and bearer_session_once() when the action is done. A cache that is
 *  down may report that it has no such entry; the action itself fails then. */
apr_status_t bearer_session_used(const bearer_session_store_t *store,
                                 const char *what, const char *issuer,
                                 const char *id, apr_pool_t *p);

/**
 * Builds the principal of a session, as for a token, but with the session's user
 * claim (`email` only if email_verified is true) and the session's end.
 * @param settings  resolved with the issuer's layer
 * @return BEARER_OK, BEARER_SESSION_USER, BEARER_IDENTIFIER
 */
bearer_reason_t bearer_session_principal(const bearer_principal_t **principal,
                                         bearer_session_t *session,
                                         const bearer_issuer_t *issuer,
                                         const bearer_settings_t *settings,
                                         bearer_refusal_t *why, apr_pool_t *p);

/** The same for claims that are not yet a session. */
bearer_reason_t bearer_session_user_of(const bearer_principal_t **principal,
                                       json_t *claims,
                                       const bearer_issuer_t *issuer,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p);

/** If bearer_session_user_of() returns BEARER_SESSION_USER: is it because the e-mail address
 *  of these claims is not verified? */
int bearer_session_email_is_open(const json_t *claims, const bearer_settings_t *settings);
