/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file gate.h
 * How many threads may wait for servers outside at once: for issuers, session
 * services, and caches over the network. A thread that waits is a worker that
 * serves nobody, so a server that keeps silent must not get all of them.
 *
 * There are two bounds, each half of the workers: the host's, in memory that its
 * processes share, and the process's own. If there is more than one party to wait
 * for, one party holds at most half of either bound. If a cache over the network
 * is used, the other parties leave it half.
 *
 * Every wait of a worker is inside a ticket:
 *
 *     bearer_ticket_t ticket;
 *     const char *full = bearer_gate_enter(&ticket, gate, party, longest);
 *
 *     if (full) {
 *         return refuse(..., "%s", full);   // 503, or go on without the answer
 *     }
 *     ...                                   // wait: the network, or a thread
 *     bearer_gate_leave(&ticket);
 *
 * Waiting for another thread that asks is waiting, too. bearer_gate_http() wraps
 * the HTTP client, so that no request goes out without a ticket; who must not fail
 * in the middle, or waits for a thread, enters before it begins. A thread has one
 * ticket: inside it the thread enters as often as it likes, and each time the
 * ticket is prolonged if need be. Threads that are no workers need none
 * (`exempt`).
 *
 * If the gate is full the caller is turned away at once. The exception is a cache,
 * which every request may need and which answers in a fraction of a millisecond:
 * as long as it does, a caller waits up to BEARER_GATE_PATIENCE for a place. Around
 * a call of the cache's client:
 *
 *     full = bearer_gate_enter(&ticket, gate, BEARER_PARTY_CACHE, timeout);
 *     if (full) {
 *         return APR_EGENERAL;              // as if the cache did not answer
 *     }
 *     started = apr_time_now();
 *     rv = provider->retrieve(...);
 *     bearer_gate_answered(gate, BEARER_PARTY_CACHE, apr_time_now() - started);
 *     bearer_gate_leave(&ticket);
 *
 * Who is turned away is counted (BEARER_EVENT_NO_PLACE and its like).
 *
 * No lock is held while a thread waits, and none at all elsewhere. A process that
 * dies gives its places back when their time is over. Thread-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/bell.h"
#include "base/http.h"

struct bearer_world_t;

/** Workers of a host that may wait at once; half of more of them is this. */
#define BEARER_GATE_PLACES 4096
/** How long a thread waits for a place, for a cache that answers. A flight that is
 *  younger may be waited for without a place: that is once for each flight, not
 *  once for each thread. */
#define BEARER_GATE_PATIENCE apr_time_from_msec(50)
/** A place is kept for so much longer than the wait should last. */
#define BEARER_GATE_MARGIN apr_time_from_sec(2)

/** Parties: nobody in particular, caches over the network, the i-th issuer, the
 *  i-th session service. */
#define BEARER_PARTY_NONE 0
#define BEARER_PARTY_CACHE 1
#define BEARER_PARTY_ISSUER(i) (2 + 2 * (i))
#define BEARER_PARTY_SERVICE(i) (3 + 2 * (i))

/** A place: until when it is taken, and for which party; 0: free. */
typedef _Atomic apr_uint64_t bearer_gate_place_t;

/** What the processes of a host share; zeroed when new. */
typedef struct bearer_gate_host_t {
    bearer_bell_t bell;
    bearer_gate_place_t places[BEARER_GATE_PLACES];
} bearer_gate_host_t;

typedef struct bearer_gate_config_t {
    const struct bearer_world_t *world;  /**< clock and log */
    bearer_gate_host_t *host;      /**< NULL: nothing is shared */
    int host_limit, own_limit;     /**< threads; at least one each */
    int parties;                   /**< issuers and services that there are */
    int cache;                     /**< a cache over the network is used */
    int (*exempt)(void);           /**< is this thread no worker? NULL: none is */
    /** For the log; NULL or a NULL name: not named. */
    const char *(*name)(void *baton, int party);
    void *name_baton;
} bearer_gate_config_t;

typedef struct bearer_gate_t bearer_gate_t;

/** Belongs to one thread; only gate.c looks inside. */
typedef struct bearer_ticket_t {
    bearer_gate_t *gate;           /**< NULL: there is nothing to give back */
    int party;
    int places[2];                 /**< one for each bound */
    apr_uint64_t word;             /**< their content */
} bearer_ticket_t;

/** @param config  copied; what it points to lives as long as p
 *  @param p       the process's pool */
apr_status_t bearer_gate_create(bearer_gate_t **gate,
                                const bearer_gate_config_t *config, apr_pool_t *p);

/**
 * @param gate     NULL: there is no bound (a tool, a test)
 * @param longest  how long the wait may last
 * @return NULL: the thread may wait, and calls bearer_gate_leave() afterwards;
 *         else why not, for the log, and *ticket need not be left
 */
const char *bearer_gate_enter(bearer_ticket_t *ticket, bearer_gate_t *gate,
                              int party, apr_interval_time_t longest);

/** By the thread that entered; the outermost ticket last. */
void bearer_gate_leave(bearer_ticket_t *ticket);

/** How many threads of the host are inside, and how many may be; of the process where
 *  nothing is shared. NULL: none. */
void bearer_gate_stats(const bearer_gate_t *gate, int *inside, int *limit);

/** The party has answered, this long after it was asked. */
void bearer_gate_answered(bearer_gate_t *gate, int party,
                          apr_interval_time_t elapsed);

/** A client whose requests each pass the gate, in the name of request->party. Its
 *  perform() is APR_EBUSY where the gate is full; nothing was sent then. */
const bearer_http_client_t *bearer_gate_http(bearer_gate_t *gate,
                                             const bearer_http_client_t *inner,
                                             apr_pool_t *p);
