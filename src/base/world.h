/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file world.h
 * What the library needs from the world: a log, a clock, random bytes, a cache
 * and an HTTP client, each a small struct of function pointers given at
 * creation. The glue fills them from httpd; a test fills them with fakes.
 *
 * Every function may be called from several threads at once.
 */
#pragma once

#include <stdatomic.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/gate.h"
#include "base/http.h"
#include "base/message.h"

/** Levels of the log, in syslog's order and without a gap. */
typedef enum {
    BEARER_LOG_ERROR,
    BEARER_LOG_WARNING,
    BEARER_LOG_NOTICE,
    BEARER_LOG_INFO,
    BEARER_LOG_DEBUG
} bearer_log_level_t;

/**
 * A cache shared by children or hosts. Keys are 32 bytes, always a SHA-256, so
 * that an implementation which picks its shard by the first byte spreads them.
 * A value that is not there, has expired or cannot be opened is APR_NOTFOUND. If
 * the cache cannot be asked just now it is APR_EGENERAL, for callers whose answer
 * depends on the difference.
 */
#define BEARER_CACHE_KEY_SIZE 32
typedef struct bearer_cache_t bearer_cache_t;

/** What an entry is, and so what may happen to it when there is no room left. */
typedef enum {
    BEARER_KEPT_MARK,      /**< something has ended or was used: stays until it
                                expires */
    BEARER_KEPT_SESSION,   /**< may be ended, as its owner says */
    BEARER_KEPT_ATTEMPT,   /**< a login's, which any client can begin: these have
                                a part of the room, where the oldest goes first */
    BEARER_KEPT_PROOF,     /**< a proof of possession that was used: stays */
    BEARER_KEPT_LOGOUT     /**< the issuer's, of sessions that may not be there: takes
                                nothing from sessions, the oldest goes first */
} bearer_kept_t;

/** Whose session it is: digests, all zero: none. */
#define BEARER_OWNER_SIZE 16
typedef enum {
    BEARER_OWNER_SID,      /**< what a logout by the issuer's session ends */
    BEARER_OWNER_SUB,      /**< what a logout by the user ends */
    BEARER_OWNER_SUBJECT,  /**< a user of an issuer: has a bounded number of them */
    BEARER_OWNER_ADDRESS,  /**< the client's: the one that has most makes room */
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
    apr_time_t ends;               /**< of a session: never kept for longer, however
                                        often it is replaced */
} bearer_cache_entry_t;

/** A value of a cache; data is NULL where there is none. */
typedef struct bearer_cache_value_t {
    unsigned char *data;
    apr_size_t len;
} bearer_cache_value_t;

struct bearer_cache_t {
    /** Copies a value into p. APR_SUCCESS, APR_NOTFOUND, or APR_EGENERAL. */
    apr_status_t (*get)(const bearer_cache_t *cache, const unsigned char *key,
                        unsigned char **value, apr_size_t *len, apr_pool_t *p);
    /** Several at once, into p. APR_SUCCESS, whatever is there, or APR_EGENERAL.
     *  NULL: no round trip would be saved. */
    apr_status_t (*get_many)(const bearer_cache_t *cache,
                             const unsigned char *const *keys, int n,
                             bearer_cache_value_t *values, apr_pool_t *p);
    /** Keeps a value until expires at the latest. A failure is normal life. */
    apr_status_t (*put)(const bearer_cache_t *cache, const unsigned char *key,
                        const unsigned char *value, apr_size_t len,
                        apr_time_t expires, apr_pool_t *p);
    apr_status_t (*remove)(const bearer_cache_t *cache,
                           const unsigned char *key, apr_pool_t *p);
    /**
     * A lease: the caller for whom it answers APR_SUCCESS is the only one of
     * this host who does the thing that key names, until it calls unlease() or
     * until `until`, whichever is first (a holder that crashed wedges nobody).
     * A cache that hosts share may do the same among them as well as it can.
     * APR_EBUSY: another holds it. NULL: no sharing, every caller has it.
     */
    apr_status_t (*lease)(const bearer_cache_t *cache, const unsigned char *key,
                          apr_time_t until, apr_pool_t *p);
    void (*unlease)(const bearer_cache_t *cache, const unsigned char *key,
                    apr_pool_t *p);
    /** Waits while another process of this host holds the lease: until it gives it
     *  up, until `longest` is over, or less. If another host may hold it, a moment.
     *  NULL: callers look again in steps. See bearer_cache_await(). */
    void (*await)(const bearer_cache_t *cache, const unsigned char *key,
                  apr_interval_time_t longest);
    /*
     * What lasting state needs. Both or none: where they are NULL, the caller makes
     * do with get and put, and a configtest warning says what may be lost. A cache
     * that has them answers APR_NOTFOUND only when it knows that nothing is there.
     */
    /** Keeps a new entry. APR_EEXIST: there is one, and it stays as it is;
     *  APR_ENOSPC: no room; APR_EGENERAL: the cache cannot be asked. */
    apr_status_t (*add)(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p);
    /** Puts it in the place of the one that is there, whose owners stay. Where none
     *  is, none is made: APR_NOTFOUND. Else as add. */
    apr_status_t (*replace)(const bearer_cache_t *cache, const unsigned char *key,
                            const bearer_cache_entry_t *entry, apr_pool_t *p);
    /** Removes all sessions of that owner. NULL: this cache cannot find them, so
     *  marks are left that each look at a session finds. */
    apr_status_t (*end)(const bearer_cache_t *cache, bearer_owner_t by,
                        const unsigned char *owner, apr_pool_t *p);
    /** 1: memory of this server's own processes, in which a mark needs no seal. */
    int is_own;
    void *baton;
};

/** What may be worth counting. */
typedef enum {
    BEARER_EVENT_FETCHED,              /**< a key set, from the issuer */
    BEARER_EVENT_FETCH_FAILED,
    BEARER_EVENT_UNKNOWN_KID,          /**< it was asked for because of a kid */
    BEARER_EVENT_INTROSPECTED,         /**< an answer came, whatever it says */
    BEARER_EVENT_INTROSPECTION_FAILED, /**< none, or none that can be used */
    BEARER_EVENT_ANSWER_KEPT,          /**< it was at hand, nobody was asked */
    BEARER_EVENT_NO_PLACE,             /**< at the gate, to wait for this issuer */
    BEARER_EVENT_NO_PLACE_SERVICE,     /**< for a session service */
    BEARER_EVENT_NO_PLACE_CACHE,       /**< for a cache */
    BEARER_EVENTS
} bearer_event_t;

typedef struct bearer_world_t {
    /** message: printable, one line, complete. */
    void (*log)(void *baton, bearer_log_level_t level, const char *message);
    void *log_baton;
    /** 1: another process of this server says what each would find alike when it
     *  starts (a secret that only root can read). */
    int is_told;
    /** Microseconds since the epoch. */
    apr_time_t (*now)(void *baton);
    void *now_baton;
    /** len random bytes fit for secrets; APR_SUCCESS or APR_EGENERAL. */
    apr_status_t (*random)(void *baton, unsigned char *bytes, apr_size_t len);
    void *random_baton;
    /** NULL where nothing may be fetched (offline tools). */
    const bearer_http_client_t *http;
    /** Whoever waits for somebody outside, or for a thread that does, is inside a
     *  ticket of it. NULL: anybody may wait. */
    bearer_gate_t *gate;
    /** NULL: nothing is shared between processes. */
    const bearer_cache_t *keys_cache;
    /** What this host has in its own memory of what is in keys_cache: only ever
     *  looked into, by a process without keys, and before anybody is asked.
     *  NULL: nothing. */
    const bearer_cache_t *keys_home;
    /** Counts; NULL: nobody does. issuer: its index in the configuration;
     *  elapsed: microseconds, of an introspection. */
    void (*event)(void *baton, bearer_event_t event, int issuer,
                  apr_interval_time_t elapsed);
    void *event_baton;
} bearer_world_t;

/** Formats and emits one log line; long lines are cut at 1024 bytes. */
void bearer_world_log(const bearer_world_t *world, bearer_log_level_t level,
                      const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** 1, once a minute: time for a line that the log would else have with each request.
 *  last: when that was, 0 when new; may be shared by processes. */
int bearer_world_is_due(_Atomic apr_time_t *last, apr_time_t now);

/** Waits for a lease that is held, for as long as `longest` or less; then the caller
 *  tries again. */
#define BEARER_AWAIT_STEP apr_time_from_msec(20)
void bearer_cache_await(const bearer_cache_t *cache, const unsigned char *key,
                        apr_interval_time_t longest);

/** The lease of a cache for callers that do without one: APR_SUCCESS, or APR_EBUSY while
 *  another holds it. Where the cache is NULL, has no leases or fails otherwise, nothing
 *  is shared. */
apr_status_t bearer_cache_lease(const bearer_cache_t *cache, const unsigned char *key,
                                apr_time_t until, apr_pool_t *p);
void bearer_cache_unlease(const bearer_cache_t *cache, const unsigned char *key,
                          apr_pool_t *p);

/** Says that something happened, to whoever counts it. */
void bearer_world_event(const bearer_world_t *world, bearer_event_t event,
                        int issuer, apr_interval_time_t elapsed);

/** The time of this world, or apr_time_now() where it brings no clock. */
apr_time_t bearer_world_now(const bearer_world_t *world);

/** Random bytes of this world, or OpenSSL's where it brings none. */
apr_status_t bearer_world_random(const bearer_world_t *world,
                                 unsigned char *bytes, apr_size_t len);
