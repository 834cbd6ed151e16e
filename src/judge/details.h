/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file details.h
 * What a token may do in detail: the claim authorization_details (RFC 9396), and
 * `Require authorization-details`. Any thread may call these functions.
 */
#pragma once

#include <apr_tables.h>

#include "base/json.h"

/** The claim. */
#define BEARER_DETAILS "authorization_details"

/** One rule: an object of this type that names all of these actions and locations. */
typedef struct bearer_details_rule_t {
    const char *type;
    const apr_array_header_t *actions;    /**< const char *; NULL: any */
    const apr_array_header_t *locations;  /**< const char *; NULL: any */
} bearer_details_rule_t;

/**
 * Reads TYPE [actions=A,B] [locations=URL,URL].
 * @param rule   result; lives as long as the words and p
 * @param words  const char *: of the line
 * @param from   the index of TYPE
 * @return NULL, or what is wrong with the line
 */
const char *bearer_details_parse(bearer_details_rule_t *rule,
                                 const apr_array_header_t *words, int from,
                                 apr_pool_t *p);

/** Returns 1 if one object meets the whole rule; -1 if the claim is not an array of objects
 *  with a string as type (RFC 9396 section 2), and so nobody knows. */
int bearer_details_match(const bearer_details_rule_t *rule, const json_t *claims);
