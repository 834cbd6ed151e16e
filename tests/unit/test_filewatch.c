/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Files that are read again when they change. */
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/filewatch.h"

typedef struct reader_t {
    unit_world_t *w;
    bearer_filewatch_t *watch;
    const char *path;
    char content[64];     /* what is in force */
    int loads;
    const char *data;     /* as last given to load() */
    apr_size_t len;
} reader_t;

/* Content that begins with "bad" is wrong. */
static apr_status_t load(void *baton, const char *data, apr_size_t len,
                         const char **error, apr_pool_t *p)
{
    reader_t *r = baton;

    (void)p;
    assert_int_equal(strlen(data), len);
    r->loads++;
    r->data = data;
    r->len = len;
    if (strncmp(data, "bad", 3) == 0) {
        *error = "it is bad";
        return APR_EINVAL;
    }
    apr_cpystrn(r->content, data, sizeof(r->content));
    return APR_SUCCESS;
}

static void put(const reader_t *r, const char *text)
{
    const char *temporary = "test_filewatch.tmp";
    FILE *file = fopen(temporary, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(temporary, r->path), 0);
}

static reader_t *reader(apr_pool_t *p)
{
    reader_t *r = apr_pcalloc(p, sizeof(*r));

    r->w = unit_world(p);
    r->path = apr_psprintf(p, "test_filewatch.%ld", (long)getpid());
    unlink(r->path);
    assert_int_equal(bearer_filewatch_create(&r->watch, "AuthBearerThing",
                                             r->path, 32, load, r, &r->w->world,
                                             p), APR_SUCCESS);
    return r;
}

static apr_status_t look(reader_t *r, apr_pool_t *p)
{
    return bearer_filewatch_look(r->watch, BEARER_FILEWATCH_INTERVAL, p);
}

static void test_read_when_it_changes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    reader_t *r = reader(p);

    put(r, "one");
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_string_equal(r->content, "one");
    put(r, "two");
    r->w->now += apr_time_from_sec(5) - 1;
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_string_equal(r->content, "one");
    r->w->now += 1;
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_string_equal(r->content, "two");
    r->w->now += apr_time_from_sec(5);
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_int_equal(r->loads, 2);
    /* now, whatever the interval says */
    put(r, "six");
    assert_int_equal(bearer_filewatch_look(r->watch, 0, p), APR_SUCCESS);
    assert_string_equal(r->content, "six");
    assert_null(bearer_filewatch_error(r->watch, p));
    unlink(r->path);
}

/* A symbolic link that is turned to another file of the same size and time. */
static void test_link_is_followed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    reader_t *r = reader(p);
    const char *link_path = r->path;
    const char *a = apr_pstrcat(p, link_path, ".a", NULL);
    const char *b = apr_pstrcat(p, link_path, ".b", NULL);

    r->path = a;
    put(r, "aaa");
    r->path = b;
    put(r, "bbb");
    assert_int_equal(symlink(a, link_path), 0);
    assert_int_equal(look(r, p), APR_SUCCESS);
    unlink(link_path);
    assert_int_equal(symlink(b, link_path), 0);
    r->w->now += apr_time_from_sec(5);
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_string_equal(r->content, "bbb");
    unlink(link_path);
    unlink(a);
    unlink(b);
}

static void test_wrong_content_is_logged_once(void **state)
{
    apr_pool_t *p = unit_pool(state);
    reader_t *r = reader(p);
    int i;

    put(r, "good");
    assert_int_equal(look(r, p), APR_SUCCESS);
    put(r, "bad");
    for (i = 0; i < 10; i++) {
        r->w->now += apr_time_from_sec(5);
        assert_int_equal(look(r, p), APR_EINVAL);
    }
    assert_int_equal(r->loads, 2);
    assert_string_equal(r->content, "good");
    assert_int_equal(unit_world_logged(r->w, "AuthBearerThing: "), 1);
    assert_int_equal(unit_world_logged(r->w, "it is bad; the content read before stays "
                                             "in force"), 1);
    assert_true(unit_contains(bearer_filewatch_error(r->watch, p), "it is bad"));
    put(r, "better");
    r->w->now += apr_time_from_sec(5);
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_string_equal(r->content, "better");
    assert_int_equal(unit_world_logged(r->w, "was read again"), 1);
    assert_null(bearer_filewatch_error(r->watch, p));
    unlink(r->path);
}

static void test_unreadable(void **state)
{
    apr_pool_t *p = unit_pool(state);
    reader_t *r = reader(p);

    assert_int_not_equal(look(r, p), APR_SUCCESS);
    assert_int_equal(unit_world_logged(r->w, "it cannot be read"), 1);
    assert_int_equal(unit_world_logged(r->w, "stays in force"), 0);
    r->w->now += apr_time_from_sec(5);
    assert_int_not_equal(look(r, p), APR_SUCCESS);
    assert_int_equal(r->w->lines->nelts, 1);
    put(r, "one");
    r->w->now += apr_time_from_sec(5);
    assert_int_equal(look(r, p), APR_SUCCESS);
    put(r, "0123456789012345678901234567890123456789");
    r->w->now += apr_time_from_sec(5);
    assert_int_not_equal(look(r, p), APR_SUCCESS);
    assert_int_equal(unit_world_logged(r->w, "larger than 32 bytes; the content"),
                     1);
    assert_string_equal(r->content, "one");
    unlink(r->path);
}

/* It may be a key: nothing of it is left lying about. */
static void test_wiped(void **state)
{
    apr_pool_t *p = unit_pool(state);
    reader_t *r = reader(p);
    apr_size_t i;

    put(r, "secret");
    assert_int_equal(look(r, p), APR_SUCCESS);
    assert_int_equal(r->len, 6);
    for (i = 0; i < r->len; i++) {
        assert_int_equal(r->data[i], 0);
    }
    unlink(r->path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_read_when_it_changes),
        UNIT_TEST(test_wiped),
        UNIT_TEST(test_link_is_followed),
        UNIT_TEST(test_wrong_content_is_logged_once),
        UNIT_TEST(test_unreadable),
    };

    return UNIT_RUN("filewatch", tests);
}
