/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file gate.h
 * Limits how many threads wait for other servers at the same time: issuers, session
 * services, and caches on the network. A waiting thread is a worker that cannot serve
 * requests, so a server that does not answer must not block all workers.
 *
 * There are two limits, each half of the workers: one for the host, in memory that
 * its processes share, and one for the process. If there is more than one party to
 * wait for, one party may use at most half of either limit. If a cache on the network
 * is used, the other parties leave half of each limit to it.
 *
 * Each wait of a worker is covered by a ticket:
 *
 *     bearer_ticket_t ticket;
 *     const char *full = bearer_gate_enter(&ticket, gate, party, longest);
 *
 *     if (full) {
 *         return refuse(..., "%s", full);   // 503, or continue without the answer
 *     }
 *     ...                                   // wait: the network, or a thread
 *     bearer_gate_leave(&ticket);
 *
 * Waiting for another thread's request also needs a ticket. bearer_gate_http() wraps
 * the HTTP client, so that each request has a ticket. A caller that must not fail
 * halfway, or that waits for a thread, enters before it begins. A thread has one
 * ticket. Inside it the thread may enter again; each entry extends the ticket if
 * necessary. Threads that are not workers need no ticket (`exempt`).
 *
 * If the gate is full, a caller waits for a place while the party answers:
 * BEARER_GATE_PATIENCE for an answer of a cache, BEARER_GATE_QUEUE for one of the others,
 * and at most BEARER_GATE_TURNS times that long. The first caller that sees no answer
 * in that time ends this: further callers are refused immediately, until the party
 * answers as quickly again. So that open pages are served meanwhile, callers queue for
 * the others only while a quarter of the workers is left.
 *
 * bearer_gate_http() notes the answers. Write this around a call of the cache's client:
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
 * The gate counts refused callers (BEARER_EVENT_NO_PLACE, _SERVICE and _CACHE).
 *
 * The gate holds no lock while a thread waits. The places of a process that dies
 * become free when their time is over. Thread-safe.
 */
#pragma once

#include <stdatomic.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/bell.h"
#include "base/http.h"

struct bearer_world_t;

/** The maximum host limit: the number of workers of a host that may wait at the same time. */
#define BEARER_GATE_PLACES 4096
/** How long a thread waits for the next answer of a cache. A thread may also wait
 *  without a place for a flight that is younger than this: the limit applies once
 *  per flight, not once per thread. */
#define BEARER_GATE_PATIENCE apr_time_from_msec(50)
/** How long a thread waits for the next answer of an issuer or a session service. */
#define BEARER_GATE_QUEUE apr_time_from_msec(250)
/** At most so many times that long. */
#define BEARER_GATE_TURNS 8
/** A place stays taken for this time beyond the expected wait. */
#define BEARER_GATE_MARGIN apr_time_from_sec(2)

/** Parties: none in particular, caches on the network, the i-th issuer, the i-th
 *  session service. */
#define BEARER_PARTY_NONE 0
#define BEARER_PARTY_CACHE 1
#define BEARER_PARTY_ISSUER(i) (2 + 2 * (i))
#define BEARER_PARTY_SERVICE(i) (3 + 2 * (i))

/** A place: the time until which it is taken, and the party; 0: free. */
typedef _Atomic apr_uint64_t bearer_gate_place_t;

/** What the processes of a host share. It must be zeroed at first. */
typedef struct bearer_gate_host_t {
    bearer_bell_t bell;
    bearer_gate_place_t places[BEARER_GATE_PLACES];
} bearer_gate_host_t;

typedef struct bearer_gate_config_t {
    const struct bearer_world_t *world;  /**< clock and log */
    bearer_gate_host_t *host;      /**< NULL: nothing is shared */
    int host_limit, own_limit;     /**< threads; each at least 1 */
    int parties;                   /**< number of configured issuers and services */
    int cache;                     /**< 1: a cache on the network is used */
    int (*exempt)(void);           /**< returns 1 if this thread is not a worker; NULL:
                                        all are */
    /** Returns the name of a party for the log. The function or its result may be NULL. */
    const char *(*name)(void *baton, int party);
    void *name_baton;
} bearer_gate_config_t;

typedef struct bearer_gate_t bearer_gate_t;

/** Belongs to one thread. Only gate.c accesses the members. */
typedef struct bearer_ticket_t {
    bearer_gate_t *gate;           /**< NULL: nothing to release */
    int party;
    int places[2];                 /**< one for each limit */
    apr_uint64_t word;             /**< the value in the places */
} bearer_ticket_t;

/** @param config  copied; what it points to must live as long as p
 *  @param p       the process's pool */
apr_status_t bearer_gate_create(bearer_gate_t **gate,
                                const bearer_gate_config_t *config, apr_pool_t *p);

/**
 * Enters the gate before a wait.
 * @param gate     NULL: no limit (tools, tests)
 * @param longest  maximum time of the wait, in microseconds
 * @return NULL if the thread may wait; it must call bearer_gate_leave() afterwards.
 *         Else the reason for the log; *ticket need not be released
 */
const char *bearer_gate_enter(bearer_ticket_t *ticket, bearer_gate_t *gate,
                              int party, apr_interval_time_t longest);

/** Leaves the gate. The thread that entered must call it, for the outermost ticket last. */
void bearer_gate_leave(bearer_ticket_t *ticket);

/** Returns how many threads of the host are inside, and the limit. If nothing is
 *  shared, the numbers are the process's. Both are 0 if gate is NULL. */
void bearer_gate_stats(const bearer_gate_t *gate, int *inside, int *limit);

/** Records that the party answered after `elapsed` microseconds. */
void bearer_gate_answered(bearer_gate_t *gate, int party,
                          apr_interval_time_t elapsed);

/** Returns a client whose requests enter the gate for request->party. If the gate
 *  is full, perform() returns APR_EBUSY and sends nothing. */
const bearer_http_client_t *bearer_gate_http(bearer_gate_t *gate,
                                             const bearer_http_client_t *inner,
                                             apr_pool_t *p);
