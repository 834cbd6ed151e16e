/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file claim.h
 * `Require claim SPEC`: the matcher of product.md 3.6, compiled at
 * configuration time, immutable, thread-safe.
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
 * @param error    what is wrong with it and the mend, in p
 */
const bearer_claim_rule_t *bearer_claim_compile(const char *spec,
                                                bearer_regex_compile_fn compile,
                                                const char **error,
                                                apr_pool_t *p);

/** The value part as written, escapes undone; NULL for the other forms. The
 *  glue expands %{...} in it and hands the result to bearer_claim_match. */
const char *bearer_claim_value(const bearer_claim_rule_t *rule);

/** Is the rule about one of these paths (const bearer_path_t *)? */
int bearer_claim_is_at(const bearer_claim_rule_t *rule, const apr_array_header_t *paths);

/** What a caller still spends on regular expressions, asked before each. */
typedef struct bearer_claim_effort_t {
    int (*spent)(void *baton);   /**< 1: no more, BEARER_REGEX_SPENT */
    void *baton;
} bearer_claim_effort_t;

/**
 * @param value     replaces the rule's own value (expanded), or NULL
 * @param is_scope  the path is one of AuthBearerScopeClaim: a string matches by
 *                  any space-separated member, and whole
 * @param effort    NULL: only each regular expression for itself is bounded
 * @return 1 it is met, 0 it is not, or a bearer_regex_error_t: it cannot be
 *         decided, which is no answer that could be negated
 */
int bearer_claim_match(const bearer_claim_rule_t *rule, const json_t *claims,
                       const char *value, int is_scope,
                       const bearer_claim_effort_t *effort);
