/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Secrets that the configuration points to.
 */
#include "unit.h"

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/filewatch.h"
#include "base/secret.h"

#define DIRECTIVE "AuthBearerClientSecret"

static const char *new_file(apr_pool_t *p, const char *content)
{
    char *path = apr_pstrdup(p, "/tmp/bearer-secret-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)),
                     (ssize_t)strlen(content));
    close(fd);
    return path;
}

/* Replaced as an editor does: another inode. */
static void rewrite(apr_pool_t *p, const char *path, const char *content)
{
    assert_int_equal(rename(new_file(p, content), path), 0);
}

static bearer_secret_t *parsed(apr_pool_t *p, const char *text)
{
    bearer_secret_t *secret = NULL;

    assert_null(bearer_secret_parse(&secret, text, DIRECTIVE, p));
    return secret;
}

static const char *started(apr_pool_t *p, const char *text)
{
    bearer_secret_t *secret = parsed(p, text);
    const char *error;

    return bearer_secret_start(secret, &error, p) == APR_SUCCESS ? secret->value
                                                                 : error;
}

static const char *got(apr_pool_t *p, bearer_secret_watch_t *watch)
{
    const char *error = NULL;
    apr_size_t len;
    char *value;

    return bearer_secret_get(&value, &len, watch, &error, p) == APR_SUCCESS
               ? value : error;
}

/* A secret in plain text, or nothing behind the colon, is refused. */
static void test_words(void **state)
{
    static const char *const wrong[] = { "s3cret", "", "file:", "exec:", "env:",
                                         "File:/x", "http://x" };
    apr_pool_t *p = unit_pool(state);
    bearer_secret_t *secret;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        UNIT_CHECK(unit_contains(bearer_secret_parse(&secret, wrong[i],
                                                     DIRECTIVE, p),
                                 "file:PATH"), "%s", wrong[i]);
    }
    assert_int_equal(parsed(p, "exec:/bin/x y")->kind, BEARER_SECRET_EXEC);
    assert_string_equal(parsed(p, "exec:/bin/x y")->source, "/bin/x y");
}

static void test_file(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *path = new_file(p, "s3cret \r\n\n");
    const char *error;

    assert_string_equal(started(p, apr_pstrcat(p, "file:", path, NULL)),
                        "s3cret");
    rewrite(p, path, "  two words\n");
    assert_string_equal(started(p, apr_pstrcat(p, "file:", path, NULL)),
                        "  two words");
    rewrite(p, path, "one\ntwo\n");
    error = started(p, apr_pstrcat(p, "file:", path, NULL));
    assert_true(unit_contains(error, "more than one line"));
    assert_true(unit_contains(error, path));
    assert_false(unit_contains(error, "two\n"));
    rewrite(p, path, "\n");
    assert_true(unit_contains(started(p, apr_pstrcat(p, "file:", path, NULL)),
                              "empty"));
    unlink(path);
    assert_true(unit_contains(started(p, apr_pstrcat(p, "file:", path, NULL)),
                              "cannot be read"));
}

/* A private key keeps its lines. */
static void test_whole_file(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *path = new_file(p, "-----BEGIN\nx\n");
    bearer_secret_t *key = bearer_secret_of_file(path, "AuthBearerClientKey", p);
    const char *error;

    assert_int_equal(bearer_secret_start(key, &error, p), APR_SUCCESS);
    assert_string_equal(key->value, "-----BEGIN\nx\n");
    unlink(path);
}

static void test_exec(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(started(p, "exec:/bin/echo s3cret"), "s3cret");
    /* no shell: the semicolon is an argument */
    assert_string_equal(started(p, "exec:/bin/echo a;b"), "a;b");
    assert_true(unit_contains(started(p, "exec:/bin/false"),
                              "failed with status"));
    assert_true(unit_contains(started(p, "exec:/bin/true"), "empty"));
    assert_true(unit_contains(started(p, "exec:/no/such/command"),
                              "cannot be run"));
    assert_true(unit_contains(started(p, "exec:/bin/dd if=/dev/zero bs=70000 "
                                         "count=1 status=none"), "64 KiB"));
}

static void test_env(void **state)
{
    apr_pool_t *p = unit_pool(state);

    setenv("BEARER_TEST_SECRET", "s3cret", 1);
    assert_string_equal(started(p, "env:BEARER_TEST_SECRET"), "s3cret");
    assert_string_equal(started(p, "env:BEARER_TEST_SECRET"), "s3cret");
    assert_string_equal(getenv("BEARER_TEST_SECRET"), "s3cret");
    unsetenv("BEARER_TEST_SECRET");
    assert_true(unit_contains(started(p, "env:BEARER_TEST_SECRET"),
                              "no such variable"));
}

/* Out of the environment, also out of the bytes where it was (/proc/PID/environ);
 * found again by another secret, in the next configuration, and for a new value. */
static void test_env_is_taken(void **state)
{
    static char where[] = "BEARER_TEST_SECRET=s3cret";
    apr_pool_t *keep = unit_pool(state), *p, *next;
    bearer_secret_t *one, *two;
    const char *error, *warning;

    apr_pool_create(&p, keep);
    apr_pool_create(&next, keep);
    one = parsed(p, "env:BEARER_TEST_SECRET");
    two = parsed(next, "env:BEARER_TEST_SECRET");
    setenv("BEARER_TEST_OTHER", "another", 1);
    putenv(where);
    bearer_secret_take(one, keep, p);
    assert_null(getenv("BEARER_TEST_SECRET"));
    assert_null(memmem(where, sizeof(where), "s3cret", 6));
    assert_string_equal(getenv("BEARER_TEST_OTHER"), "another");
    assert_null(bearer_secret_lint(one, &warning, p));
    assert_int_equal(bearer_secret_start(one, &error, p), APR_SUCCESS);
    assert_string_equal(one->value, "s3cret");
    apr_pool_destroy(p);
    bearer_secret_take(two, keep, next);
    assert_null(bearer_secret_lint(two, &warning, next));
    assert_int_equal(bearer_secret_start(two, &error, next), APR_SUCCESS);
    assert_string_equal(two->value, "s3cret");
    setenv("BEARER_TEST_SECRET", "n3w", 1);
    bearer_secret_take(two, keep, next);
    assert_null(getenv("BEARER_TEST_SECRET"));
    assert_int_equal(bearer_secret_start(two, &error, next), APR_SUCCESS);
    assert_string_equal(two->value, "n3w");
    unsetenv("BEARER_TEST_OTHER");
}

/* What was never there stays an error; what is there and empty, too. */
static void test_env_that_cannot_be_taken(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_secret_t *none = parsed(p, "env:BEARER_NOT_SET");
    bearer_secret_t *empty = parsed(p, "env:BEARER_TEST_EMPTY");
    const char *warning;

    bearer_secret_take(none, p, p);
    assert_true(unit_contains(bearer_secret_lint(none, &warning, p),
                              "no such variable"));
    setenv("BEARER_TEST_EMPTY", "", 1);
    bearer_secret_take(empty, p, p);
    assert_true(unit_contains(bearer_secret_lint(empty, &warning, p), "empty"));
}

/* configtest: what cannot be read is an error, what others can read a warning,
 * and nothing is run. */
static void test_lint(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *path = new_file(p, "s3cret\n"), *warning;
    bearer_secret_t *file = parsed(p, apr_pstrcat(p, "file:", path, NULL));

    assert_null(bearer_secret_lint(file, &warning, p));
    assert_null(warning);
    assert_int_equal(chmod(path, 0604), 0);
    assert_null(bearer_secret_lint(file, &warning, p));
    assert_true(unit_contains(warning, "chmod o-rwx"));
    unlink(path);
    assert_true(unit_contains(bearer_secret_lint(file, &warning, p), path));
    assert_true(unit_contains(bearer_secret_lint(parsed(p, "file:/tmp"),
                                                 &warning, p), "directory"));
    assert_null(bearer_secret_lint(parsed(p, "exec:/no/such/command"), &warning,
                                   p));
    assert_null(warning);
    assert_true(unit_contains(bearer_secret_lint(parsed(p, "env:BEARER_NOT_SET"),
                                                 &warning, p),
                              "BEARER_NOT_SET"));
}

/* What was read at start is wiped with its pool. */
static void test_wiped(void **state)
{
    apr_pool_t *p = unit_pool(state), *start;
    bearer_secret_t *secret = parsed(p, "exec:/bin/echo s3cret");
    const char *error;

    assert_int_equal(apr_pool_create(&start, p), APR_SUCCESS);
    assert_int_equal(bearer_secret_start(secret, &error, start), APR_SUCCESS);
    assert_non_null(secret->value);
    apr_pool_destroy(start);
    assert_null(secret->value);
}

static void test_rotation(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const char *path = new_file(p, "first\n");
    bearer_secret_watch_t *watch;

    assert_int_equal(bearer_secret_watch(&watch,
                                         parsed(p, apr_pstrcat(p, "file:", path,
                                                               NULL)),
                                         &w->world, p), APR_SUCCESS);
    assert_string_equal(got(p, watch), "first");
    rewrite(p, path, "second\n");
    assert_string_equal(got(p, watch), "first");   /* not looked at yet */
    w->now += BEARER_FILEWATCH_INTERVAL;
    assert_string_equal(got(p, watch), "second");
    rewrite(p, path, "\n");
    w->now += BEARER_FILEWATCH_INTERVAL;
    assert_string_equal(got(p, watch), "second");
    assert_int_equal(unit_world_logged(w, "stays in force"), 1);
    assert_int_equal(unit_world_logged(w, "second"), 0);
    unlink(path);
}

static void test_missing_file(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    bearer_secret_watch_t *watch;

    assert_int_equal(bearer_secret_watch(&watch, parsed(p, "file:/no/such"),
                                         &w->world, p), APR_SUCCESS);
    assert_true(unit_contains(got(p, watch), "/no/such"));
}

/* A file that only root can read is read at start, and that is that. */
static void test_read_at_start_only(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const char *path = new_file(p, "s3cret\n"), *error;
    bearer_secret_t *secret = parsed(p, apr_pstrcat(p, "file:", path, NULL));
    bearer_secret_watch_t *watch;

    assert_int_equal(bearer_secret_start(secret, &error, p), APR_SUCCESS);
    unlink(path);   /* as good as unreadable, also for root */
    assert_int_equal(bearer_secret_watch(&watch, secret, &w->world, p),
                     APR_SUCCESS);
    assert_string_equal(got(p, watch), "s3cret");
    w->now += BEARER_FILEWATCH_INTERVAL;
    assert_string_equal(got(p, watch), "s3cret");
    assert_int_equal(unit_world_logged(w, "graceful restart"), 1);
}

/* The copy that a process keeps ends where the secret ends, whatever was there. */
static void test_end_of_a_secret(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *path = new_file(p, "s3cret-of-16-b.\n"), *error = NULL;
    bearer_secret_t *secret = parsed(p, apr_pstrcat(p, "file:", path, NULL));
    bearer_secret_watch_t *watch;
    int i;

    mallopt(M_PERTURB, 0x5a);    /* what malloc gives is not zero */
    assert_int_equal(bearer_secret_start(secret, &error, p), APR_SUCCESS);
    assert_int_equal(bearer_secret_watch(&watch, secret, &unit_world(p)->world, p),
                     APR_SUCCESS);
    for (i = 0; i < 3; i++) {
        assert_string_equal(got(p, watch), "s3cret-of-16-b.");
    }
    mallopt(M_PERTURB, 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_words),
        UNIT_TEST(test_file),
        UNIT_TEST(test_whole_file),
        UNIT_TEST(test_exec),
        UNIT_TEST(test_env),
        UNIT_TEST(test_env_is_taken),
        UNIT_TEST(test_env_that_cannot_be_taken),
        UNIT_TEST(test_lint),
        UNIT_TEST(test_wiped),
        UNIT_TEST(test_rotation),
        UNIT_TEST(test_missing_file),
        UNIT_TEST(test_read_at_start_only),
        UNIT_TEST(test_end_of_a_secret),
    };
    return UNIT_RUN("secret", tests);
}
