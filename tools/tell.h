/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file tell.h
 * What explain and discover found, for people to read. Both results are JSON
 * values; whatever is in them, the text is lines of printable ASCII, and nothing
 * in it steers a terminal. One thread; no state.
 */
#pragma once

#include <stdio.h>

#include <apr_pools.h>
#include <jansson.h>

/** Text from outside as it is where that is printable ASCII, else in quotes. */
const char *tell_shown(const char *s, apr_pool_t *p);

/** The JSON behind the last BEARER_EXPLAIN_MARK of what a httpd wrote, released
 *  with p; NULL: there is none. */
json_t *tell_find_answer(const char *text, apr_pool_t *p);

/** An explanation (ht_explain.c). */
void tell_answer(FILE *out, const json_t *answer, apr_pool_t *p);

/** What offer_json() gave. */
void tell_offer(FILE *out, const json_t *offer, apr_pool_t *p);
