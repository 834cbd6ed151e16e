/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file json.h
 * Strict parsing with jansson: it refuses duplicate member names (escaped spellings
 * too), trailing bytes, a depth over BEARER_JSON_DEPTH, and a top that is not an
 * object.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

/** Maximum nesting; jansson's own limit is 2048. */
#define BEARER_JSON_DEPTH 32

/**
 * Parses one JSON object, which is released with p. *object is NULL on failure.
 * Members that are null, at any depth, are removed: to this module null is absence.
 * @param error  on failure an error message, in p: a fixed phrase and a byte
 *               position, but no part of the text; may be NULL
 * @return APR_SUCCESS or APR_EINVAL
 */
apr_status_t bearer_json_parse(json_t **object, const char *text,
                               apr_size_t len, const char **error,
                               apr_pool_t *p);

/** Like bearer_json_parse(), but keeps members that are null: for headers of tokens,
 *  in which a null `crit` or `b64` is refused, and to show a token as it is. */
apr_status_t bearer_json_parse_whole(json_t **object, const char *text,
                                     apr_size_t len, const char **error,
                                     apr_pool_t *p);

/** Returns a member, or NULL if it is absent or null. Borrowed. */
json_t *bearer_json_member(const json_t *object, const char *name);

/** Returns the string member of that name, or NULL if it is absent or not a
 *  string. Borrowed. */
const char *bearer_json_string(const json_t *object, const char *name);

/** Returns the compact text of a value, in p. NULL if value is NULL or memory is short. */
char *bearer_json_text(const json_t *value, apr_pool_t *p);

/** Returns a new array with the strings of a list (const char *), without those
 *  that are not UTF-8. NULL: no memory. */
json_t *bearer_json_strings(const apr_array_header_t *list);

/** Releases a reference that the caller owns when p is destroyed; returns the value. */
json_t *bearer_json_tie(json_t *value, apr_pool_t *p);

/**
 * Reads a NumericDate (RFC 7519 section 2): an integer or real that is not negative.
 * Huge values become APR_INT64_MAX / 2 microseconds.
 * @return APR_SUCCESS; APR_NOTFOUND if absent; APR_EINVAL if it is not such a number
 */
apr_status_t bearer_json_date(apr_time_t *when, const json_t *object,
                              const char *name);
