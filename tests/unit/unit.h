/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit.h
 * What the unit tests share: a pool per test, vector files, a scripted world.
 *
 *     #include "unit.h"
 *     static void test_something(void **state)
 *     {
 *         apr_pool_t *p = unit_pool(state);
 *         ...
 *     }
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = { UNIT_TEST(test_something) };
 *         return UNIT_RUN("room", tests);
 *     }
 */
#pragma once

/* cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "base/json.h"
#include "base/text.h"
#include "base/world.h"

/** Elements of a table of cases. */
#define UNIT_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- a pool per test --------------------------------------------------- */

static inline int unit_group_setup(void **state)
{
    (void)state;
    return apr_initialize() == APR_SUCCESS ? 0 : -1;
}

static inline int unit_group_teardown(void **state)
{
    (void)state;
    apr_terminate();
    return 0;
}

static inline int unit_setup(void **state)
{
    apr_pool_t *p = NULL;
    apr_status_t rv = apr_pool_create(&p, NULL);

    *state = p;
    return rv == APR_SUCCESS ? 0 : -1;
}

static inline int unit_teardown(void **state)
{
    apr_pool_destroy((apr_pool_t *)*state);
    *state = NULL;
    return 0;
}

static inline apr_pool_t *unit_pool(void **state)
{
    return (apr_pool_t *)*state;
}

#define UNIT_TEST(f) \
    cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)

/** Seconds after which a program that hangs is ended by SIGALRM. */
#define UNIT_LONGEST 600

#define UNIT_RUN(name, tests) \
    (alarm(UNIT_LONGEST), \
     cmocka_run_group_tests_name(name, tests, unit_group_setup, unit_group_teardown))

/* ---- assertions that say which case of a table failed ------------------ */

/** Fails the test with a printf message. */
#define UNIT_FAIL(...) \
    do { \
        print_error(__VA_ARGS__); \
        print_error("\n"); \
        fail(); \
    } while (0)

/** What a line of the log has of a character: bearer_message_tame(). */
static inline int unit_tame(int c)
{
    return c == '"' ? '\'' : c < 0x20 || c > 0x7e || c == '\\' ? '?' : c;
}


/** Like assert_true, with a printf message about the case at hand. */
#define UNIT_CHECK(condition, ...) \
    do { \
        if (!(condition)) { \
            print_error("not so: %s: ", #condition); \
            UNIT_FAIL(__VA_ARGS__); \
        } \
    } while (0)

/** 1 if text contains part; both may be NULL. */
static inline int unit_contains(const char *text, const char *part)
{
    return text && part && strstr(text, part) != NULL;
}

/** BEARER_SLOW, the factor on waiting times under an emulator; 1 without. */
static inline unsigned unit_slow(void)
{
    const char *factor = getenv("BEARER_SLOW");

    return factor && atoi(factor) > 1 ? (unsigned)atoi(factor) : 1;
}

/* ---- files below tests/ ------------------------------------------------ */

/** Path of a source file; automake's VPATH builds set `srcdir`. */
static inline const char *unit_path(apr_pool_t *p, const char *name)
{
    const char *dir = getenv("srcdir");

    return apr_pstrcat(p, dir && *dir ? dir : ".", "/", name, NULL);
}

/** Contents of tests/vectors/NAME; the test fails without it. */
static inline const char *unit_vector(apr_pool_t *p, const char *name)
{
    const char *path = unit_path(p, apr_pstrcat(p, "tests/vectors/", name,
                                                NULL));
    const char *data = NULL, *error;
    apr_size_t len;

    if (bearer_text_read_file(&data, &len, path, 4 * 1024 * 1024, &error, p)
        != APR_SUCCESS) {
        UNIT_FAIL("%s: %s", path, error);
    }
    return data;
}

/** tests/vectors/NAME as JSON (object or array), released with p. */
static inline json_t *unit_vector_json(apr_pool_t *p, const char *name)
{
    json_error_t error;
    json_t *value = json_loads(unit_vector(p, name), 0, &error);

    if (!value) {
        UNIT_FAIL("%s: %s (line %d)", name, error.text, error.line);
    }
    bearer_json_tie(value, p);
    return value;
}

/* ---- a world whose clock stands still and whose log is kept ------------ */

typedef struct unit_world_t {
    bearer_world_t world;        /**< hand &w->world to the library */
    apr_time_t now;              /**< microseconds; set it to move the clock */
    apr_pool_t *p;
    apr_array_header_t *lines;   /**< const char *: what was logged */
    unsigned char next_random;   /**< random bytes count up from here */
} unit_world_t;

static inline void unit_world_log(void *baton, bearer_log_level_t level,
                                  const char *message)
{
    unit_world_t *w = baton;

    (void)level;
    APR_ARRAY_PUSH(w->lines, const char *) = apr_pstrdup(w->p, message);
}

static inline apr_time_t unit_world_now(void *baton)
{
    return ((unit_world_t *)baton)->now;
}

static inline apr_status_t unit_world_random(void *baton, unsigned char *bytes,
                                             apr_size_t len)
{
    unit_world_t *w = baton;

    while (len--) {
        *bytes++ = w->next_random++;
    }
    return APR_SUCCESS;
}

/** 2026-01-01T00:00:00Z, no HTTP client, no cache; single-threaded. */
static inline unit_world_t *unit_world(apr_pool_t *p)
{
    unit_world_t *w = apr_pcalloc(p, sizeof(*w));

    w->p = p;
    w->now = apr_time_from_sec(1767225600);
    w->lines = apr_array_make(p, 8, sizeof(const char *));
    w->world.log = unit_world_log;
    w->world.log_baton = w;
    w->world.now = unit_world_now;
    w->world.now_baton = w;
    w->world.random = unit_world_random;
    w->world.random_baton = w;
    return w;
}

/** How many log lines contain part. */
static inline int unit_world_logged(const unit_world_t *w, const char *part)
{
    int i, n = 0;

    for (i = 0; i < w->lines->nelts; i++) {
        n += unit_contains(APR_ARRAY_IDX(w->lines, i, const char *), part);
    }
    return n;
}
