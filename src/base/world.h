/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file world.h
 * What the library needs from its environment: a log, a clock, random bytes, a cache
 * and an HTTP client. Each is a small set of function pointers, given at creation.
 * The glue fills them from httpd; a test fills them with fakes.
 *
 * All functions may be called from several threads at the same time.
 */
#pragma once

#include <stdatomic.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/event.h"
#include "base/gate.h"
#include "base/http.h"
#include "base/message.h"

/** Log levels, in syslog's order and without gaps. */
typedef enum {
    BEARER_LOG_ERROR,
    BEARER_LOG_WARNING,
    BEARER_LOG_NOTICE,
    BEARER_LOG_INFO,
    BEARER_LOG_DEBUG
} bearer_log_level_t;

/**
 * A cache shared by children or hosts. Keys are 32 bytes, always a SHA-256, so that
 * an implementation can pick its shard by the first byte. get() returns APR_NOTFOUND
 * if a value is absent, has expired or cannot be opened, and APR_EGENERAL if the
 * cache is unavailable, for callers that depend on the difference.
 */
#define BEARER_CACHE_KEY_SIZE 32
#define BEARER_CACHE_MANY 16
typedef struct bearer_cache_t bearer_cache_t;

/** The kind of an entry. It decides what may be removed if the cache is full. */
typedef enum {
    BEARER_KEPT_MARK,      /**< something has ended or was used: stays until it expires */
    BEARER_KEPT_SESSION,   /**< a session; the limits of its owners may end it */
    BEARER_KEPT_ATTEMPT,   /**< a login attempt, which any client can start: these have a
                                limited share of the room, and the oldest is removed
                                first */
    BEARER_KEPT_PROOF,     /**< a used proof of possession: stays until it expires */
    BEARER_KEPT_LOGOUT     /**< an issuer's logout of sessions that may not exist: takes
                                no room from sessions, the oldest is removed first */
} bearer_kept_t;

/** The owners of a session, as digests; all zero: none. */
#define BEARER_OWNER_SIZE 16
typedef enum {
    BEARER_OWNER_SID,      /**< for a logout by the issuer's session ID */
    BEARER_OWNER_SUB,      /**< for a logout by user */
    BEARER_OWNER_SUBJECT,  /**< a user of an issuer; has a limited number of sessions */
    BEARER_OWNER_ADDRESS,  /**< the client's address; the address with the most sessions
                                loses one first */
    BEARER_OWNERS
} bearer_owner_t;

typedef struct bearer_owners_t {
    unsigned char id[BEARER_OWNERS][BEARER_OWNER_SIZE];
} bearer_owners_t;

typedef struct bearer_cache_entry_t {
    bearer_kept_t kind;
    const unsigned char *value;
    apr_size_t len;
    apr_time_t expires;
    const bearer_owners_t *owners; /**< of a session; else NULL */
    apr_time_t ends;               /**< of a session: the latest expiry, however often
                                        the entry is replaced */
} bearer_cache_entry_t;

/** A value of a cache; data is NULL if there is none. */
typedef struct bearer_cache_value_t {
    unsigned char *data;
    apr_size_t len;
} bearer_cache_value_t;

struct bearer_cache_t {
    /** Copies a value into p. Returns APR_SUCCESS, APR_NOTFOUND or APR_EGENERAL. */
    apr_status_t (*get)(const bearer_cache_t *cache, const unsigned char *key,
                        unsigned char **value, apr_size_t *len, apr_pool_t *p);
    /** Gets several values at once, in p, at most BEARER_CACHE_MANY. Returns
     *  APR_SUCCESS whatever it finds, or APR_EGENERAL. NULL: it would not save a round trip. */
    apr_status_t (*get_many)(const bearer_cache_t *cache,
                             const unsigned char *const *keys, int n,
                             bearer_cache_value_t *values, apr_pool_t *p);
    /** Stores a value until `expires` at the latest. Callers must expect failures. */
    apr_status_t (*put)(const bearer_cache_t *cache, const unsigned char *key,
                        const unsigned char *value, apr_size_t len,
                        apr_time_t expires, apr_pool_t *p);
    apr_status_t (*remove)(const bearer_cache_t *cache,
                           const unsigned char *key, apr_pool_t *p);
    /**
     * Takes a lease. If the result is APR_SUCCESS, this caller is the only one on
     * this host that does the work that key names, until unlease() or `until`,
     * whichever is first. A holder that crashed therefore blocks no other caller for
     * longer. A cache that hosts share may extend the lease to them, as reliably as
     * it can. APR_EBUSY: another caller holds the lease. NULL: leases are not
     * supported and every caller may go ahead.
     */
    apr_status_t (*lease)(const bearer_cache_t *cache, const unsigned char *key,
                          apr_time_t until, apr_pool_t *p);
    void (*unlease)(const bearer_cache_t *cache, const unsigned char *key,
                    apr_pool_t *p);
    /** Waits while another process of this host holds the lease: until it is
     *  released or `longest` is over, or less. If another host may hold it, waits
     *  a short time. NULL: callers retry in steps. See bearer_cache_await(). */
    void (*await)(const bearer_cache_t *cache, const unsigned char *key,
                  apr_interval_time_t longest);
    /*
     * Functions for lasting state. Either all or none are set. If they are NULL,
     * callers use get and put instead, and a configtest warning says what may be
     * lost. A cache that has them returns APR_NOTFOUND only if it knows that the
     * entry does not exist.
     */
    /** Stores a new entry. APR_EEXIST: an entry exists and is unchanged;
     *  APR_ENOSPC: no room; APR_EGENERAL: the cache is unavailable. */
    apr_status_t (*add)(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p);
    /** Replaces an existing entry but not its owners. APR_NOTFOUND: there is no
     *  entry, and none is created. Other results as for add. */
    apr_status_t (*replace)(const bearer_cache_t *cache, const unsigned char *key,
                            const bearer_cache_entry_t *entry, apr_pool_t *p);
    /** Removes all sessions of the owner. NULL: the cache cannot find them, so the
     *  caller stores a mark that each session look-up checks. */
    apr_status_t (*end)(const bearer_cache_t *cache, bearer_owner_t by,
                        const unsigned char *owner, apr_pool_t *p);
    /** Copies the key of a session of the owner. APR_NOTFOUND: there is none. Set if end
     *  is. */
    apr_status_t (*find)(const bearer_cache_t *cache, bearer_owner_t by,
                         const unsigned char *owner, unsigned char *key, apr_pool_t *p);
    /** 1: the memory of this server's own processes; marks in it need no seal. */
    int is_own;
    void *baton;
};

typedef struct bearer_world_t {
    /** Writes a log line. message is printable, one line, and complete. */
    void (*log)(void *baton, bearer_log_level_t level, const char *message);
    void *log_baton;
    /** 1: another process of this server logs what each process would find at
     *  start (a secret that only root can read). */
    int is_told;
    /** Returns microseconds since the epoch. */
    apr_time_t (*now)(void *baton);
    void *now_baton;
    /** Returns len random bytes, suitable for secrets. APR_SUCCESS or APR_EGENERAL. */
    apr_status_t (*random)(void *baton, unsigned char *bytes, apr_size_t len);
    void *random_baton;
    /** NULL if nothing may be fetched (offline tools). */
    const bearer_http_client_t *http;
    /** A thread that waits for another server, or for a thread that does, must
     *  hold a ticket of this gate. NULL: no limit. */
    bearer_gate_t *gate;
    /** NULL: processes share nothing. */
    const bearer_cache_t *keys_cache;
    /** This host's local copy of entries of keys_cache. A process without keys
     *  reads it before it sends any request. It is never written through this
     *  pointer. NULL: none. */
    const bearer_cache_t *keys_home;
    /** Counts an event; NULL: events are not counted. issuer: its index in the
     *  configuration, -1: none; elapsed: microseconds, of an introspection request. */
    void (*event)(void *baton, bearer_event_t event, int issuer,
                  apr_interval_time_t elapsed);
    void *event_baton;
} bearer_world_t;

/** Formats and writes one log line; long lines are cut at 1024 bytes. */
void bearer_world_log(const bearer_world_t *world, bearer_log_level_t level,
                      const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Returns 1 once a minute, for a line that each request would otherwise log.
 *  last: when it last returned 1, 0 at first; processes may share it. */
int bearer_world_is_due(_Atomic apr_time_t *last, apr_time_t now);

/** Waits at most `longest` for a lease that another caller holds; the caller then
 *  tries again. */
#define BEARER_AWAIT_STEP apr_time_from_msec(20)
void bearer_cache_await(const bearer_cache_t *cache, const unsigned char *key,
                        apr_interval_time_t longest);

/** Takes a lease of a cache that may have none: APR_SUCCESS, or APR_EBUSY while
 *  another caller holds it. If the cache is NULL, has no leases or fails
 *  otherwise, the result is APR_SUCCESS. */
apr_status_t bearer_cache_lease(const bearer_cache_t *cache, const unsigned char *key,
                                apr_time_t until, apr_pool_t *p);
void bearer_cache_unlease(const bearer_cache_t *cache, const unsigned char *key,
                          apr_pool_t *p);

/** Reports an event to world->event. */
void bearer_world_event(const bearer_world_t *world, bearer_event_t event,
                        int issuer, apr_interval_time_t elapsed);

/** Reports an event of the whole server (BEARER_COUNTS). */
void bearer_world_count(const bearer_world_t *world, bearer_event_t event);

/** Returns the world's time, or apr_time_now() if it has no clock. */
apr_time_t bearer_world_now(const bearer_world_t *world);

/** Returns random bytes from the world, or from OpenSSL if it has no source. */
apr_status_t bearer_world_random(const bearer_world_t *world,
                                 unsigned char *bytes, apr_size_t len);
