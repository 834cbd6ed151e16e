/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file claim.h
 * `Require claim SPEC` (docs/reference/require.md): the matcher. It is compiled at
 * configuration time, immutable and thread-safe.
 *
 *   name:value   equal (typed)      name~regex   matches      name   present
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "base/path.h"

typedef struct bearer_claim_rule_t bearer_claim_rule_t;

/**
 * Compiles one SPEC.
 * @param compile  regex engine, needed for `~`
 * @param error    an error message with the correction, in p
 * @return the rule, or NULL with *error
 */
const bearer_claim_rule_t *bearer_claim_compile(const char *spec,
                                                bearer_regex_compile_fn compile,
                                                const char **error,
                                                apr_pool_t *p);

/** Returns the value part with escapes undone; NULL for the other forms. The glue
 *  expands %{...} in it and passes the result to bearer_claim_match(). */
const char *bearer_claim_value(const bearer_claim_rule_t *rule);

/** Returns the path of the claim. */
const bearer_path_t *bearer_claim_path(const bearer_claim_rule_t *rule);

/** Returns 1 if the rule uses one of these paths (const bearer_path_t *). */
int bearer_claim_is_at(const bearer_claim_rule_t *rule, const apr_array_header_t *paths);

/** Limits a caller's total effort for regular expressions; called before each match. */
typedef struct bearer_claim_effort_t {
    int (*spent)(void *baton);   /**< returns 1 if the effort is used up (BEARER_REGEX_SPENT) */
    void *baton;
} bearer_claim_effort_t;

/**
 * @param value     replaces the rule's own value (expanded), or NULL
 * @param is_scope  1: the path is one of AuthBearerScopeClaim: a string matches as a
 *                  whole and by each space-separated member
 * @param effort    NULL: only the limit of each single match applies
 * @return 1 if the rule is met, 0 if not, or a bearer_regex_error_t if it cannot be
 *         decided; do not negate an error
 */
int bearer_claim_match(const bearer_claim_rule_t *rule, const json_t *claims,
                       const char *value, int is_scope,
                       const bearer_claim_effort_t *effort);
