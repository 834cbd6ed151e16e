/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tell.h
 * Prints the results of explain and discover as text for people. Both results are JSON
 * values. The text consists of lines of printable ASCII, without control characters.
 * One thread; no state.
 */
#pragma once

#include <stdio.h>

#include <apr_pools.h>
#include <jansson.h>

/** Returns external text unchanged if it is printable ASCII, else quoted. */
const char *tell_shown(const char *s, apr_pool_t *p);

/** Returns the JSON after the last BEARER_EXPLAIN_MARK in httpd's output, released with
 *  p; NULL: there is none. */
json_t *tell_find_answer(const char *text, apr_pool_t *p);

/** Prints an explanation (ht_explain.c). */
void tell_answer(FILE *out, const json_t *answer, apr_pool_t *p);

/** Prints the result of offer_json(). */
void tell_offer(FILE *out, const json_t *offer, apr_pool_t *p);
