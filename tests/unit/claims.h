/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file claims.h
 * JSON in test tables: with ' for ", so that a table stays readable.
 */
#pragma once

#include "unit.h"

/** Any JSON value, released with p. */
static inline json_t *unit_value(apr_pool_t *p, const char *text)
{
    char *json = apr_pstrdup(p, text);
    json_error_t error;
    json_t *value;
    char *c;

    for (c = json; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    value = json_loads(json, JSON_DECODE_ANY, &error);
    if (!value) {
        UNIT_FAIL("%s: %s", text, error.text);
    }
    bearer_json_tie(value, p);
    return value;
}

/** A JSON object. */
static inline json_t *unit_claims(apr_pool_t *p, const char *text)
{
    json_t *value = unit_value(p, text);

    assert_true(json_is_object(value));
    return value;
}

/** JSON text of a value, in p. */
static inline const char *unit_json(apr_pool_t *p, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *copy = apr_pstrdup(p, text);

    free(text);
    return copy;
}

/** "a b" as an array of const char *. */
static inline apr_array_header_t *unit_list(apr_pool_t *p, const char *words)
{
    apr_array_header_t *array = apr_array_make(p, 2, sizeof(const char *));
    char *copy = apr_pstrdup(p, words);
    char *last;
    const char *word;

    while ((word = apr_strtok(copy, " ", &last))) {
        APR_ARRAY_PUSH(array, const char *) = word;
        copy = NULL;
    }
    return array;
}

/** "a b" as an array of const bearer_path_t *. */
#define UNIT_PATHS(p, words) unit_paths(p, unit_list(p, words))

#include "base/path.h"

static inline apr_array_header_t *unit_paths(apr_pool_t *p,
                                             const apr_array_header_t *words)
{
    apr_array_header_t *array = apr_array_make(p, 2,
                                               sizeof(const bearer_path_t *));
    int i;

    for (i = 0; i < words->nelts; i++) {
        APR_ARRAY_PUSH(array, const bearer_path_t *) =
            bearer_path_compile(APR_ARRAY_IDX(words, i, const char *), p);
    }
    return array;
}

/** One line per element, for messages. */
static inline const char *unit_lines(apr_pool_t *p,
                                     const apr_array_header_t *lines)
{
    return apr_array_pstrcat(p, lines, '\n');
}
