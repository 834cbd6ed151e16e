/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* JSON as it is taken from everywhere, dates, paths. */
#include "fuzz.h"

#include "base/json.h"
#include "base/path.h"
#include "base/text.h"

static const bearer_path_t *paths[3];

static void fuzz_setup(apr_pool_t *p)
{
    paths[0] = bearer_path_compile("a.b", p);
    paths[1] = bearer_path_compile("realm_access.roles", p);
    paths[2] = bearer_path_compile("a\\.b", p);
}

static int depth_of(const json_t *value)
{
    int deepest = 0, depth;
    const char *name;
    json_t *member;
    size_t i;

    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, member) {
            FUZZ_CHECK(bearer_text_is_utf8(name, strlen(name)));
            depth = depth_of(member);
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    json_array_foreach(value, i, member) {
        depth = depth_of(member);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_array(value) ? deepest + 1 : 0;
}

static void check_date(const json_t *object, const char *name)
{
    apr_time_t when = -1;
    apr_status_t rv = bearer_json_date(&when, object, name);

    FUZZ_CHECK(rv == APR_SUCCESS || rv == APR_NOTFOUND || rv == APR_EINVAL);
    FUZZ_CHECK(rv != APR_SUCCESS
               || (json_is_number(json_object_get(object, name)) && when >= 0
                   && when <= APR_INT64_MAX / 2));
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const char *error = NULL;
    json_t *object = NULL;
    int i;

    if (bearer_json_parse(&object, text, len, &error, p) != APR_SUCCESS) {
        fuzz_check_line(error);
        return;
    }
    FUZZ_CHECK(json_is_object(object));
    FUZZ_CHECK(depth_of(object) <= BEARER_JSON_DEPTH);
    FUZZ_CHECK(bearer_text_is_utf8(text, len));
    check_date(object, "exp");
    check_date(object, "iat");
    for (i = 0; i < 3; i++) {
        (void)bearer_path_find(paths[i], object);
    }
    (void)bearer_json_string(object, "sub");
}
