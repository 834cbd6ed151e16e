/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file json.h
 * jansson, strictly: duplicate member names refused (escaped spellings too),
 * no trailing bytes, depth at most BEARER_JSON_DEPTH, the top an object.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

/** Nesting accepted anywhere; jansson itself would go to 2048. */
#define BEARER_JSON_DEPTH 32

/**
 * Parses one JSON object; it is released with p. NULL if that fails.
 * @param error  on failure what is wrong and where, in p: a fixed phrase and a
 *               byte position, nothing of the text itself; may be NULL
 * @return APR_SUCCESS or APR_EINVAL
 */
apr_status_t bearer_json_parse(json_t **object, const char *text,
                               apr_size_t len, const char **error,
                               apr_pool_t *p);

/** The string member name of object, or NULL when absent or no string. */
const char *bearer_json_string(const json_t *object, const char *name);

/** Compact text of a value, in p; NULL: no value, or no memory. */
char *bearer_json_text(const json_t *value, apr_pool_t *p);

/** A new array of a list's strings (const char *), but for those that are not UTF-8;
 *  NULL: no memory. */
json_t *bearer_json_strings(const apr_array_header_t *list);

/** Ties a reference that the caller owns to p; returns the value. */
json_t *bearer_json_tie(json_t *value, apr_pool_t *p);

/**
 * A NumericDate (RFC 7519 section 2): integer or real, not negative; huge
 * values saturate at APR_INT64_MAX / 2 microseconds.
 * @return APR_SUCCESS; APR_NOTFOUND when absent; APR_EINVAL when no such number
 */
apr_status_t bearer_json_date(apr_time_t *when, const json_t *object,
                              const char *name);
