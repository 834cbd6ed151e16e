/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Paths into the claims, and regular expression substitution. See path.h.
 */
#include "base/path.h"

#include <string.h>

#include <apr_strings.h>

#define PATH_MAX_BYTES 256

struct bearer_path_t {
    const char *text;         /* as written */
    const char *name;         /* escapes undone */
    apr_size_t len;
    const unsigned char *dots;/* offsets in name of the dots that may separate */
    int dot_count;
    int whole;                /* @this */
};

const bearer_path_t *bearer_path_compile(const char *text, apr_pool_t *p)
{
    apr_size_t len = text ? strlen(text) : 0;
    unsigned char dots[PATH_MAX_BYTES];
    bearer_path_t *path;
    char *out;

    if (!len || len > PATH_MAX_BYTES) {
        return NULL;
    }
    path = apr_pcalloc(p, sizeof(*path));
    path->text = apr_pstrmemdup(p, text, len);
    path->whole = strcmp(text, "@this") == 0;
    path->name = out = apr_palloc(p, len + 1);
    for (; *text; text++) {
        if (text[0] == '\\' && text[1] == '.') {
            text++;
        } else if (*text == '.') {
            dots[path->dot_count++] = (unsigned char)(out - path->name);
        }
        *out++ = *text;
    }
    *out = '\0';
    path->len = (apr_size_t)(out - path->name);
    path->dots = apr_pmemdup(p, dots, (apr_size_t)path->dot_count);
    return path;
}

const bearer_path_t *bearer_path_of_member(const char *name, apr_pool_t *p)
{
    bearer_path_t *path = apr_pcalloc(p, sizeof(*path));

    path->text = path->name = apr_pstrdup(p, name);
    path->len = strlen(name);
    return path;
}

static int begins_with(const bearer_path_t *path, const char *name)
{
    const apr_size_t len = strlen(name);
    int i = 0;

    if (len > path->len || memcmp(path->name, name, len) != 0) {
        return 0;
    }
    while (i < path->dot_count && path->dots[i] != len) {
        i++;
    }
    return len == path->len || i < path->dot_count;
}

const char *bearer_path_among(const bearer_path_t *path, const char *const *names)
{
    while (*names && !path->whole && !begins_with(path, *names)) {
        names++;
    }
    return *names;
}

const char *bearer_path_text(const bearer_path_t *path)
{
    return path->text;
}

/*
 * Finds the member that name[start..] leads to: first the whole rest as a name, then
 * shorter and shorter first names with the rest of the path. Only one spelling
 * reaches a member, so each member is visited at most once. `name` is scratch space.
 */
static json_t *find(const bearer_path_t *path, char *name, apr_size_t start,
                    int dot, const json_t *object)
{
    json_t *value;
    int i;

    if (!json_is_object(object)) {
        return NULL;
    }
    value = json_object_get(object, name + start);
    for (i = path->dot_count - 1; !value && i >= dot; i--) {
        apr_size_t at = path->dots[i];
        json_t *child;

        name[at] = '\0';
        child = json_object_get(object, name + start);
        name[at] = '.';
        if (child) {
            value = find(path, name, at + 1, i + 1, child);
        }
    }
    return value;
}

json_t *bearer_path_find(const bearer_path_t *path, const json_t *claims)
{
    char name[PATH_MAX_BYTES + 1];

    if (path->whole) {
        /* borrowed like every other result; callers must not write to it */
        union { const json_t *in; json_t *out; } same = { claims };

        return json_is_object(claims) ? same.out : NULL;
    }
    if (!path->dot_count) {
        return json_object_get(claims, path->name);
    }
    memcpy(name, path->name, path->len + 1);
    return find(path, name, 0, 0, claims);
}

/* ---- regular expressions ----------------------------------------------- */

const char *bearer_regex_error_text(int error)
{
    switch (error) {
    case BEARER_REGEX_TOO_LONG:
        return "a value is longer than 2048 bytes, the limit for regular expressions; compare the "
               "whole value (name:value)";
    case BEARER_REGEX_SPENT:
        return "the regular expressions of this request take too long; write them with ^ and "
               "without nested repetition";
    default:
        return "the regular expression takes too many steps over a value; write "
               "it with ^ and without nested repetition";
    }
}

#define GROUPS 10

/* Called twice: the first time with out NULL to measure, then to write. */
static apr_size_t expand(char *out, const char *substitution,
                         const char *subject, const int *starts,
                         const int *ends)
{
    apr_size_t len = 0;
    const char *s;

    for (s = substitution; *s; s++) {
        const char *from = s;
        apr_size_t n = 1;

        if (s[0] == '$' && s[1] == '$') {
            s++;
        } else if (s[0] == '$' && s[1] >= '0' && s[1] <= '9') {
            int group = *++s - '0';

            from = subject + (starts[group] < 0 ? 0 : starts[group]);
            n = starts[group] < 0 ? 0
                                  : (apr_size_t)(ends[group] - starts[group]);
        }
        if (out) {
            memcpy(out + len, from, n);
        }
        len += n;
    }
    return len;
}

int bearer_regex_substitute(const char **out, const bearer_regex_t *regex,
                            const char *substitution, const char *subject,
                            apr_pool_t *p)
{
    int starts[GROUPS], ends[GROUPS];
    apr_size_t len;
    char *text;
    int i, met;

    *out = NULL;
    if (strlen(subject) > BEARER_REGEX_MAX_VALUE) {
        return BEARER_REGEX_TOO_LONG;
    }

    for (i = 0; i < GROUPS; i++) {
        starts[i] = ends[i] = -1;
    }
    met = regex->match(regex->compiled, subject, starts, ends, GROUPS);
    if (met <= 0) {
        return met;
    }
    len = expand(NULL, substitution, subject, starts, ends);
    text = apr_palloc(p, len + 1);
    expand(text, substitution, subject, starts, ends);
    text[len] = '\0';
    *out = text;
    return 1;
}
