/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.h
 * How it is doing, written for a person (HTML), a program (JSON is the value
 * itself) and Prometheus (text format 0.0.4). Pure functions over one JSON value
 * that the caller collected:
 *
 *   since, now, configuration
 *   issuers[]   name, url, keys {count, fetched, due, gone, last_attempt,
 *               last_error, metadata_fetched, metadata_error, list[]}; and, where
 *               no other issuer is counted under its label, the counts below
 *   counters[]  issuer (a label), issuers (how many the configuration has of it),
 *               granted, turned_away, fetches {ok, failed, unknown_kid}, introspection {ok,
 *               failed, kept, sum, buckets[]}; with issuers also keys {count: the
 *               sum; fetched, gone, metadata_fetched: the earliest}. What is
 *               counted stands here once, so that these add up
 *   refusals[]  issuer, reason, category, minute, hour, total
 *   tokens      entries, used, bytes, hits, misses, evictions, children
 *   throttle    penalised, remembered, started
 *   revocations configured, closed, entries
 *   sessions    count, bytes, used, evicted, refused, surplus
 *   waiting     now, limit, services, cache (turned away there)
 *
 * Times are seconds since the epoch, 0: never. A member that is missing is left
 * out. Every string is escaped for where it is written.
 */
#pragma once

#include <apr_pools.h>
#include <jansson.h>

/** A whole page, self-contained: no script, no external resource. */
const char *bearer_status_html(const json_t *status, apr_pool_t *p);

/** The page's body alone, for mod_status. */
const char *bearer_status_section(const json_t *status, apr_pool_t *p);

/** `BearerRefused: 12` lines, for mod_status' ?auto. */
const char *bearer_status_auto(const json_t *status, apr_pool_t *p);

const char *bearer_status_prometheus(const json_t *status, apr_pool_t *p);
