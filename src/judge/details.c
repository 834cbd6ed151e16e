/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file details.c
 * `Require authorization-details` (RFC 9396).
 */
#include "judge/details.h"

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

static const struct option_t {
    const char *name;   /* the option, and the member that it is compared with */
    apr_size_t at;
} options[] = {
    { "actions", offsetof(bearer_details_rule_t, actions) },
    { "locations", offsetof(bearer_details_rule_t, locations) },
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* The list of an option in a rule. */
static const apr_array_header_t **list_at(bearer_details_rule_t *rule, apr_size_t i)
{
    return (const apr_array_header_t **)(void *)((char *)rule + options[i].at);
}

static const char *parse_option(bearer_details_rule_t *rule, const char *word,
                                apr_pool_t *p)
{
    apr_size_t i, len = strcspn(word, "=");

    for (i = 0; i < OPTIONS && word[len]; i++) {
        const apr_array_header_t **list = list_at(rule, i);

        if (strncmp(options[i].name, word, len) != 0 || options[i].name[len]) {
            continue;
        }
        if (*list) {
            return apr_psprintf(p, "%s= appears twice", options[i].name);
        }
        *list = bearer_text_split(p, word + len + 1, ",");
        return (*list)->nelts ? NULL : apr_psprintf(p, "%s= is empty", options[i].name);
    }
    return apr_psprintf(p, "%s is neither actions=A,B nor locations=URL,URL",
                        bearer_text_quote(p, word));
}

const char *bearer_details_parse(bearer_details_rule_t *rule,
                                 const apr_array_header_t *words, int from,
                                 apr_pool_t *p)
{
    const char *error = NULL;
    int i;

    memset(rule, 0, sizeof(*rule));
    if (words->nelts <= from) {
        return "it needs a type";
    }
    rule->type = APR_ARRAY_IDX(words, from, const char *);
    for (i = from + 1; !error && i < words->nelts; i++) {
        error = parse_option(rule, APR_ARRAY_IDX(words, i, const char *), p);
    }
    return error;
}

/* Are all wanted strings in this array of JSON? */
static int has_all(const json_t *array, const apr_array_header_t *wanted)
{
    int i;

    for (i = 0; wanted && i < wanted->nelts; i++) {
        const char *word = APR_ARRAY_IDX(wanted, i, const char *);
        const json_t *member;
        size_t k;
        int found = 0;

        json_array_foreach(array, k, member) {
            found |= json_is_string(member) && !strcmp(json_string_value(member), word);
        }
        if (!found) {
            return 0;
        }
    }
    return 1;
}

int bearer_details_match(const bearer_details_rule_t *rule, const json_t *claims)
{
    const json_t *details = json_object_get(claims, BEARER_DETAILS), *one;
    int met = details && !json_is_array(details) ? -1 : 0;
    size_t i;

    json_array_foreach(details, i, one) {
        const char *type = bearer_json_string(one, "type");

        if (!type) {
            return -1;
        }
        met |= !strcmp(type, rule->type)
            && has_all(json_object_get(one, "actions"), rule->actions)
            && has_all(json_object_get(one, "locations"), rule->locations);
    }
    return met;
}
