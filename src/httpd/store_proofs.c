/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * See store_proofs.h. On this host, used proofs are in a table of their own
 * (state/table.h), which also counts those of each token. With Redis, an existing key
 * means that the proof was used; share.h limits how many keys a token can cause.
 */
#include "store_proofs.h"
#include "process.h"
#include "shared.h"
#include "store.h"
#include "store_own.h"
#include "trace.h"

#include <http_log.h>

#include "base/message.h"
#include "state/share.h"

APLOG_USE_MODULE(auth_bearer);

/* A proof is kept for longer than it can be accepted, because a caller may wait for a lock
 * or a server after it has looked at the clock. */
#define LONGER_HERE apr_time_from_sec(5)
#define LONGER_THERE apr_time_from_sec(40)  /* more than the largest timeout= */

/** How many proofs of a token a host enters in Redis within the longest window and skew. */
#define THERE_EACH 65536
#define SHARE_LAYOUT "mod_auth_bearer share of proofs 1"
#define TELL_EVERY apr_time_from_sec(60)

static const bearer_cache_t *there;  /* Redis; NULL: not used */
static bearer_share_t *share;        /* of `there` */

int ab_store_proofs_wanted(server_rec *s)
{
    return ab_config_server(s)->global->proofs.possible;
}

int ab_store_proofs_post_config(apr_pool_t *pconf, server_rec *s)
{
    const bearer_cache_t *cache = ab_store_cache(STORE_PROOFS);
    apr_status_t rv = APR_SUCCESS;
    int made;

    there = cache && cache->add ? cache : NULL;
    share = !there ? NULL
        : ab_shared_keep(SHARE_LAYOUT, "auth_bearer_share", sizeof(*share), &made, pconf, s, &rv);
    if (there && !share) {
        ab_log_server(APLOG_EMERG, rv, s, AB(0418) "cannot allocate %" APR_SIZE_T_FMT " bytes of "
                      "shared memory (AuthBearerSOCache for=proofs)", sizeof(*share));
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* ---- log ------------------------------------------------------------------ */

static void tell_full(bearer_table_t *table, const process_t *process, apr_time_t now)
{
    bearer_table_stats_t stats;
    apr_uint64_t evicted, refused;

    if (bearer_table_is_short(table, now, TELL_EVERY, &evicted, &refused)) {
        bearer_table_stats(table, &stats);
        ab_log_server(APLOG_WARNING, 0, process->server,
                      AB(0416) "the memory of used proofs is full (%" APR_UINT64_T_FMT " bytes, "
                      "%" APR_UINT64_T_FMT " proofs); requests with a proof that got 503: "
                      "%" APR_UINT64_T_FMT "; raise the size (AuthBearerSOCache shm:SIZE "
                      "for=proofs)%s", stats.size, stats.others, refused, ab_trace_suffix_here());
    }
}

static void tell_share(const process_t *process, apr_uint64_t most, apr_time_t now)
{
    static _Atomic apr_time_t told;

    if (bearer_world_is_due(&told, now)) {
        ab_log_server(APLOG_WARNING, 0, process->server,
                      AB(0417) "a token has used its share of the memory of used proofs "
                      "(%" APR_UINT64_T_FMT " proofs); more requests with it get 503 until older "
                      "proofs expire; if this client needs more, raise the size "
                      "(AuthBearerSOCache for=proofs)%s", most, ab_trace_suffix_here());
    }
}

/* ---- use ------------------------------------------------------------------ */

static apr_status_t use_here(bearer_table_t *table, const process_t *process,
                             const unsigned char *id, const unsigned char *token,
                             apr_time_t expires, apr_time_t now)
{
    bearer_table_stats_t stats;
    apr_status_t rv = bearer_table_use(table, id, token, expires + LONGER_HERE, now);

    if (rv == APR_EBUSY) {
        bearer_table_stats(table, &stats);
        tell_share(process, bearer_table_room_for_proofs(stats.size) / BEARER_TABLE_TOKENS, now);
        rv = APR_ENOSPC;
    } else if (rv == APR_ENOSPC) {
        tell_full(table, process, now);
    } else if (rv != APR_SUCCESS && rv != APR_EEXIST) {
        bearer_world_count(&process->world, BEARER_EVENT_CACHE_PROOFS);
        rv = APR_EGENERAL;
    }
    return rv;
}

/* A proof that was used before is not counted against the share, since another client
 * may have sent it. */
static apr_status_t use_there(const process_t *process, const unsigned char *id,
                              const unsigned char *token, apr_time_t expires, apr_time_t now,
                              apr_pool_t *p)
{
    const bearer_cache_entry_t entry = { BEARER_KEPT_PROOF, (const unsigned char *)"1", 1,
                                         expires + LONGER_THERE, NULL, 0 };
    const bearer_share_limit_t limit = { THERE_EACH, process->global->proofs.life };
    apr_status_t rv;

    if (!bearer_share_has(share, token, &limit, now)) {
        tell_share(process, THERE_EACH, now);
        return APR_ENOSPC;
    }
    rv = there->add(there, id, &entry, p);
    if (rv == APR_SUCCESS) {
        bearer_share_use(share, token, &limit, now);
    }
    return rv == APR_SUCCESS || rv == APR_EEXIST || rv == APR_ENOSPC ? rv : APR_EGENERAL;
}

apr_status_t ab_store_use_proof(const unsigned char id[32], const unsigned char token[32],
                                apr_time_t expires, apr_pool_t *p)
{
    const process_t *process = ab_process();
    bearer_table_t *table = ab_store_own_proofs();
    apr_time_t now = apr_time_now();

    if (!process || expires < now) {
        return APR_EGENERAL;
    }
    return table ? use_here(table, process, id, token, expires, now)
         : there ? use_there(process, id, token, expires, now, p) : APR_EGENERAL;
}
