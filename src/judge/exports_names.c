/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Roles and groups that count for nothing (principal.h) must not be read out of
 * the claims that they stand in either. See exports.h. Pure functions.
 */
#include "judge/exports.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

static int is_path_of(const apr_array_header_t *paths, const char *name)
{
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        const char *text = bearer_path_text(APR_ARRAY_IDX(paths, i,
                                                          const bearer_path_t *));

        if (*text == *name && strcmp(text, name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Commas are escaped in a claim's variable: they part nothing there. */
static int is_odd(const json_t *value)
{
    return json_is_string(value)
           && bearer_text_member_error(json_string_value(value), '\0');
}

static const json_t *members(const json_t *array, apr_pool_t *p)
{
    json_t *kept = NULL;
    apr_size_t i, k;

    for (i = 0; i < json_array_size(array); i++) {
        json_t *member = json_array_get(array, i);

        if (is_odd(member) && !kept) {
            kept = json_array();
            bearer_json_tie(kept, p);
            for (k = 0; k < i; k++) {
                json_array_append(kept, json_array_get(array, k));
            }
        } else if (kept && !is_odd(member)) {
            json_array_append(kept, member);
        }
    }
    return kept ? kept : array;
}

const json_t *bearer_exports_shown(const json_t *value, const char *name,
                                   const bearer_settings_t *settings,
                                   apr_pool_t *p)
{
    if (!is_path_of(settings->roles_claim, name)
        && !is_path_of(settings->groups_claim, name)) {
        return value;
    }
    return json_is_array(value) ? members(value, p) : is_odd(value) ? NULL : value;
}
