/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file process.h
 * The state of one child. Made in child_init, by start.c, and only read afterwards, by
 * any thread, until the child's pool goes.
 */
#pragma once

#include "records.h"

#include "ask/client_auth.h"
#include "ask/introspect.h"
#include "ask/session_check.h"
#include "base/crew.h"
#include "base/flight.h"
#include "base/world.h"
#include "jose/headers.h"
#include "keys/keyset.h"
#include "state/revocation.h"
#include "state/throttle.h"
#include "state/tokencache.h"
#include "trust/tenants.h"

/** What a vhost is at an issuer that it did not declare itself. */
typedef struct vhost_client_t {
    const server_config_t *server;
    int issuer;                        /**< its index */
    bearer_client_t *client;
} vhost_client_t;

/** State of one child; made in child_init, only read afterwards. */
typedef struct process_t {
    apr_pool_t *pool;
    server_rec *server;
    global_config_t *global;
    bearer_world_t world;
    bearer_keyset_t **keysets;         /**< by issuer index */
    bearer_tenants_t **tenants;        /**< by issuer index; NULL: no file */
    bearer_sha256_t *sha256;
    bearer_headers_t *headers;         /**< of tokens verified lately */
    bearer_client_t **clients;         /**< by issuer index, as its vhost says */
    apr_array_header_t *vhost_clients; /**< vhost_client_t: other vhosts', where
                                        *   these say something else */
    bearer_introspect_t **introspects; /**< by issuer index; NULL: not asked */
    bearer_session_asker_t *sessions;  /**< NULL: no session store is asked */
    bearer_flights_t *refreshes;       /**< of browsers' sessions */
    const bearer_cache_t *answers;     /**< NULL: none are kept */
    int waiting;                       /**< workers of the host that may wait */
    bearer_tokencache_t *tokens;       /**< NULL: off */
    bearer_throttle_t *throttle;       /**< NULL: no memory for it */
    bearer_revocation_t *revocations;  /**< NULL: none */
    bearer_crew_t *crew;               /**< the background's */
    /** htbearer explain: sees every check, of which none is left out. NULL in a
     *  server that serves. */
    void (*observe)(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j);
    void *observe_baton;
} process_t;

/** NULL before child_init. */
process_t *ab_process(void);
/** From then on it is the one that is found; NULL: there is none any more. */
void ab_process_set(process_t *process);
/** Key sets, clients and tenants of all issuers. */
apr_status_t ab_process_create_parts(process_t *process);

/** An issuer as a server sees it: S, and I. */
const bearer_issuer_access_t *ab_process_access_of(process_t *process,
                                                   const bearer_issuer_t *issuer,
                                                   const server_config_t *server,
                                                   apr_pool_t *p);
/** The issuer's own view: S of the vhost that declared it, and I. */
const bearer_issuer_access_t *ab_process_access(process_t *process, int index);

/** What that vhost is at that issuer, by its index, for logins. */
bearer_client_t *ab_process_client(const process_t *process,
                                   const server_config_t *server, int issuer);
