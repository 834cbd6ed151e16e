/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file process.h
 * The state of a child process. start.c creates it in child_init. Afterwards it is
 * read-only for any thread, until the child's pool is destroyed.
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
#include "keys/keypool.h"
#include "state/revocation.h"
#include "state/throttle.h"
#include "state/tokencache.h"
#include "trust/tenants.h"

/** The client data of a virtual host for an issuer that another server declared. */
typedef struct vhost_client_t {
    const server_config_t *server;
    int issuer;                        /**< index of the issuer */
    bearer_client_t *client;
} vhost_client_t;

/** State of a child; created in child_init, read-only afterwards. */
typedef struct process_t {
    apr_pool_t *pool;
    server_rec *server;
    global_config_t *global;
    bearer_world_t world;
    bearer_keypool_t **keys;           /**< by issuer index */
    bearer_tenants_t **tenants;        /**< by issuer index; NULL: no tenants file */
    bearer_sha256_t *sha256;
    bearer_headers_t *headers;         /**< of recently verified tokens */
    bearer_client_t **clients;         /**< by issuer index, as the issuer's own vhost
                                        *   sets it */
    apr_array_header_t *vhost_clients; /**< vhost_client_t: other vhosts whose settings
                                        *   differ */
    bearer_introspect_t **introspects; /**< by issuer index; NULL: no introspection */
    bearer_session_asker_t *sessions;  /**< NULL: no session service */
    bearer_flights_t *refreshes;       /**< shared refreshes of browser sessions */
    const bearer_cache_t *answers;     /**< introspection responses; NULL: not cached */
    int waiting;                       /**< how many workers of the host may wait */
    bearer_tokencache_t *tokens;       /**< NULL: off */
    bearer_throttle_t *throttle;       /**< NULL: no memory for it */
    bearer_revocation_t *revocations;  /**< NULL: none */
    bearer_crew_t *crew;               /**< for background requests */
    struct revoking_t *revoking;       /**< tokens to revoke; browser_revoke.c */
    /** Adds what is due there (bearer_errand_t). Called by one background thread. */
    void (*more_errands)(struct process_t *process, apr_array_header_t *errands);
    /** Set for htbearer explain only: called for every check, and no check is skipped.
     *  NULL while serving. */
    void (*observe)(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j);
    void *observe_baton;
} process_t;

/** Returns the state of this child. NULL before child_init and after the child ended. */
process_t *ab_process(void);
/** Sets the state that ab_process() returns; NULL when the child ends. */
void ab_process_set(process_t *process);
/** Creates the key sets, clients and tenants of all issuers. */
apr_status_t ab_process_create_parts(process_t *process);

/** Returns how a server accesses an issuer: layer S of the server and layer I. */
const bearer_issuer_access_t *ab_process_access_of(process_t *process,
                                                   const bearer_issuer_t *issuer,
                                                   const server_config_t *server,
                                                   apr_pool_t *p);
/** Returns the same for the vhost that declared the issuer. */
const bearer_issuer_access_t *ab_process_access(process_t *process, int index);

/** Returns the client data of a virtual host for an issuer, for logins.
 *  @param issuer  index of the issuer */
bearer_client_t *ab_process_client(const process_t *process,
                                   const server_config_t *server, int issuer);
