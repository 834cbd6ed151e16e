/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.h
 * The server's status as HTML (for people), as JSON (the value itself, for programs)
 * and for Prometheus (text format 0.0.4). Pure functions over one JSON value from the
 * caller:
 *
 *   since, now, configuration
 *   issuers[]   name, url, keys {count, fetched, due, gone, last_attempt,
 *               last_error, metadata_fetched, metadata_error, list[]}; and, if
 *               no other issuer shares its label, the counts below
 *   counters[]  issuer (a label), issuers (how many configured issuers it covers),
 *               granted, turned_away, fetches {ok, failed, unknown_kid},
 *               introspection {ok, failed, kept, sum, buckets[]}; with issuers also
 *               keys {count: the sum; fetched, gone, metadata_fetched: the
 *               earliest}. Each count occurs here once, so that these add up
 *   refusals[]  issuer, reason, category, minute, hour, total
 *   counts      an object for each group of BEARER_COUNT_GROUPS, with its counts
 *   tokens      entries, used, bytes, hits, misses, evictions, children
 *   throttle    penalised, remembered, started
 *   revocations configured, closed, entries
 *   sessions    count, bytes, used, evicted, refused, surplus
 *   proofs      count, bytes, used, refused, share
 *   waiting     now, limit, services, cache (refused there)
 *
 * Times are seconds since the epoch, 0: never. Missing members are omitted from the
 * output. All strings are escaped for their output format.
 */
#pragma once

#include <apr_pools.h>
#include <jansson.h>

/** Returns a complete page without scripts and external resources. */
const char *bearer_status_html(const json_t *status, apr_pool_t *p);

/** Returns only the page's body, for mod_status. */
const char *bearer_status_section(const json_t *status, apr_pool_t *p);

/** Returns lines such as `BearerRefused: 12`, for mod_status' ?auto. */
const char *bearer_status_auto(const json_t *status, apr_pool_t *p);

/** Returns the status in the text format of Prometheus. */
const char *bearer_status_prometheus(const json_t *status, apr_pool_t *p);
