/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file asking.c
 * What a child needs for introspection and session checks: a cache for responses, an
 * introspection client for each issuer with an endpoint, and one client for all session
 * services. Created after fork.
 */
#include "asking.h"
#include "store.h"

#include "ask/introspect.h"
#include "ask/session_check.h"
#include "base/flight.h"
#include "base/localcache.h"
#include "keys/keypool.h"
#include "trust/issuer.h"

/** Number of responses kept in a child's own memory if there is no shared cache. */
#define OWN_ANSWERS 256
#define OWN_ANSWER_MAX (BEARER_ANSWER_KEPT_MAX + BEARER_ANSWER_OVERHEAD)

/* ---- introspection ------------------------------------------------------ */

static const char *introspection_endpoint(void *keyset, const char **error,
                                          apr_pool_t *p)
{
    const bearer_metadata_t *metadata = bearer_keypool_metadata(keyset, error, p);

    return metadata ? metadata->introspection_endpoint : NULL;
}

static apr_status_t make_introspect(process_t *process, int index)
{
    bearer_introspect_config_t config = { 0 };

    config.access = ab_process_access(process, index);
    if (config.access->issuer->introspection.kind == BEARER_SOURCE_OFF) {
        return APR_SUCCESS;
    }
    config.client = process->clients[index];
    config.endpoint = introspection_endpoint;
    config.baton = process->keys[index];
    config.cache = config.access->issuer->introspection_ttl ? process->answers
                                                            : NULL;
    return bearer_introspect_create(&process->introspects[index], &config,
                                    process->pool);
}

/* ---- the whole ---------------------------------------------------------- */

static apr_status_t make_answers(process_t *process)
{
    process->answers = ab_store_cache(STORE_INTROSPECTION);
    return process->answers || !ab_config_keeps_answers(process->global)
        ? APR_SUCCESS
        : bearer_localcache_create(&process->answers, OWN_ANSWERS, OWN_ANSWER_MAX,
                                   &process->world, process->pool);
}

apr_status_t ab_asking_create(process_t *process)
{
    apr_status_t rv = make_answers(process);
    int i, n = process->global->issuers->nelts;

    process->introspects = apr_pcalloc(process->pool,
                                       sizeof(*process->introspects) * (apr_size_t)n);
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        rv = make_introspect(process, i);
    }
    if (rv == APR_SUCCESS) {
        rv = bearer_flights_create(&process->refreshes, &process->world,
                                   process->pool);
    }
    if (rv == APR_SUCCESS && process->global->session_checks->nelts) {
        rv = bearer_session_asker_create(&process->sessions, &process->world,
                                         process->answers, process->pool);
    }
    return rv;
}
