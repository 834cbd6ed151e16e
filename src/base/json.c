/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Strict JSON over jansson. See json.h. Thread-safe; a parsed value belongs to
 * the thread of its pool.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_time.h>

/** The result of bearer_json_date() for dates that are too large. */
#define DATE_MAX (APR_INT64_MAX / 2)

/* jansson's texts quote the input; the log must not contain it. */
static const char *parse_error_phrase(enum json_error_code code)
{
    switch (code) {
    case json_error_duplicate_key:
        return "duplicate member name";
    case json_error_end_of_input_expected:
        return "bytes after the end";
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_invalid_utf8:
        return "invalid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "NUL character";
    case json_error_numeric_overflow:
        return "number out of range";
    case json_error_stack_overflow:
        return "nested too deeply";
    case json_error_out_of_memory:
        return "out of memory";
    default:
        return "not JSON";
    }
}

/* Counts opening brackets, inside and outside strings. */
static apr_size_t brackets(const char *text, apr_size_t len)
{
    apr_size_t i, count = 0;

    for (i = 0; i < len; i++) {
        count += (text[i] == '{') | (text[i] == '[');
    }
    return count;
}

/*
 * Returns the position of the bracket that exceeds the depth, or len. Scans before
 * parsing, so that an attacker's nesting costs this server little; most texts have
 * fewer brackets anyway. For text that is not JSON the result is meaningless, and the
 * parser refuses it.
 */
static apr_size_t too_deep_at(const char *text, apr_size_t len)
{
    apr_size_t i, depth = 0;
    int in_string = 0;

    if (brackets(text, len) <= BEARER_JSON_DEPTH) {
        return len;
    }
    for (i = 0; i < len; i++) {
        char c = text[i];

        if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            i += c == '\\';
        } else if (c == '{' || c == '[') {
            if (++depth > BEARER_JSON_DEPTH) {
                return i;
            }
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return len;
}

static apr_status_t fail(const char **error, apr_pool_t *p, const char *phrase,
                         apr_size_t position)
{
    if (error) {
        *error = apr_psprintf(p, "%s at byte %lu", phrase,
                              (unsigned long)position);
    }
    return APR_EINVAL;
}

static apr_status_t release_json(void *value)
{
    json_decref(value);
    return APR_SUCCESS;
}

json_t *bearer_json_tie(json_t *value, apr_pool_t *p)
{
    if (value) {
        apr_pool_cleanup_register(p, value, release_json,
                                  apr_pool_cleanup_null);
    }
    return value;
}

/* The depth is limited by too_deep_at(). */
static void remove_nulls(json_t *value)
{
    const char *name;
    json_t *member;
    void *next;
    size_t i;

    json_object_foreach_safe(value, next, name, member) {
        if (json_is_null(member)) {
            json_object_del(value, name);
        } else {
            remove_nulls(member);
        }
    }
    json_array_foreach(value, i, member) {
        remove_nulls(member);
    }
}

apr_status_t bearer_json_parse(json_t **object, const char *text,
                               apr_size_t len, const char **error,
                               apr_pool_t *p)
{
    apr_status_t rv = bearer_json_parse_whole(object, text, len, error, p);

    if (rv == APR_SUCCESS && memmem(text, len, "null", 4)) {
        remove_nulls(*object);
    }
    return rv;
}

apr_status_t bearer_json_parse_whole(json_t **object, const char *text,
                                     apr_size_t len, const char **error,
                                     apr_pool_t *p)
{
    json_error_t problem;
    json_t *value;
    apr_size_t deep = too_deep_at(text, len);

    *object = NULL;
    if (error) {
        *error = NULL;
    }
    if (deep < len) {
        return fail(error, p, "nested too deeply", deep);
    }
    value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
    if (!value) {
        return fail(error, p, parse_error_phrase(json_error_code(&problem)),
                    problem.position > 0 ? (apr_size_t)problem.position : 0);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return fail(error, p, "not an object", 0);
    }
    bearer_json_tie(value, p);
    *object = value;
    return APR_SUCCESS;
}

json_t *bearer_json_member(const json_t *object, const char *name)
{
    json_t *member = json_object_get(object, name);

    return json_is_null(member) ? NULL : member;
}

const char *bearer_json_string(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

char *bearer_json_text(const json_t *value, apr_pool_t *p)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    char *copy = apr_pstrdup(p, text);

    free(text);
    return copy;
}

json_t *bearer_json_strings(const apr_array_header_t *list)
{
    json_t *array = json_array();
    int i;

    for (i = 0; i < list->nelts; i++) {
        json_array_append_new(array, json_string(APR_ARRAY_IDX(list, i, const char *)));
    }
    return array;
}

apr_status_t bearer_json_date(apr_time_t *when, const json_t *object,
                              const char *name)
{
    const json_t *value = json_object_get(object, name);
    double seconds;

    *when = 0;
    if (!value) {
        return APR_NOTFOUND;
    }
    if (json_is_integer(value)) {
        json_int_t whole = json_integer_value(value);

        if (whole < 0) {
            return APR_EINVAL;
        }
        *when = whole > DATE_MAX / APR_USEC_PER_SEC ? DATE_MAX
                                                    : apr_time_from_sec(whole);
        return APR_SUCCESS;
    }
    if (!json_is_real(value)) {
        return APR_EINVAL;
    }
    seconds = json_real_value(value);
    if (!(seconds >= 0)) {
        return APR_EINVAL;
    }
    /* compared as double, so that the conversion below is always defined */
    *when = seconds >= (double)DATE_MAX / (double)APR_USEC_PER_SEC
                ? DATE_MAX
                : (apr_time_t)(seconds * (double)APR_USEC_PER_SEC);
    return APR_SUCCESS;
}
