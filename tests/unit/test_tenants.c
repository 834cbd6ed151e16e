/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* AuthBearerTenants file:PATH: who is trusted, and since when. */
#include <unistd.h>

#include "unit.h"

#include "trust/issuer.h"
#include "trust/tenants.h"

typedef struct file_t {
    unit_world_t *w;
    bearer_tenants_t *tenants;
    const char *path;
} file_t;

static void put(const file_t *f, const char *text)
{
    const char *temporary = apr_pstrcat(f->w->p, f->path, ".new", NULL);
    FILE *out = fopen(temporary, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(rename(temporary, f->path), 0);
}

/* A file with that text (NULL: none), watched. */
static file_t *watched(const char *text, apr_pool_t *p)
{
    file_t *f = apr_pcalloc(p, sizeof(*f));

    f->w = unit_world(p);
    f->path = apr_psprintf(p, "test_tenants.%ld", (long)getpid());
    unlink(f->path);
    if (text) {
        put(f, text);
    }
    assert_int_equal(bearer_tenants_create(&f->tenants, f->path, &f->w->world,
                                           p), APR_SUCCESS);
    return f;
}

static int admits(const file_t *f, const char *tenant, apr_pool_t *p)
{
    bearer_issuer_t issuer;

    memset(&issuer, 0, sizeof(issuer));
    issuer.tenants_file = f->path;
    return bearer_issuer_tenant_admitted(&issuer, tenant,
                                         bearer_tenants_get(f->tenants, p));
}

static void later(const file_t *f)
{
    f->w->now += apr_time_from_sec(6);
}

static void test_grows_and_shrinks(void **state)
{
    apr_pool_t *p = unit_pool(state);
    file_t *f = watched("# ours\nt-1\n", p);

    assert_true(admits(f, "t-1", p));
    assert_false(admits(f, "t-2", p));
    put(f, "t-1\nt-2\n");
    later(f);
    assert_true(admits(f, "t-2", p));
    put(f, "t-2\n");
    later(f);
    assert_false(admits(f, "t-1", p));
    assert_true(admits(f, "t-2", p));
    unlink(f->path);
}

static void test_wrong_content_leaves_the_old(void **state)
{
    apr_pool_t *p = unit_pool(state);
    file_t *f = watched("t-1\n", p);

    put(f, "t-1\n../x\n");
    later(f);
    assert_true(admits(f, "t-1", p));
    assert_false(admits(f, "../x", p));
    assert_int_equal(unit_world_logged(f->w, "AuthBearerTenants"), 1);
    unlink(f->path);
    later(f);
    assert_true(admits(f, "t-1", p));
}

static void test_no_file_admits_nobody(void **state)
{
    apr_pool_t *p = unit_pool(state);
    file_t *f = watched(NULL, p);

    assert_int_equal(unit_world_logged(f->w, "AuthBearerTenants"), 1);
    assert_null(bearer_tenants_get(f->tenants, p));
    assert_false(admits(f, "t-1", p));
    put(f, "t-1\n");
    later(f);
    assert_true(admits(f, "t-1", p));
    unlink(f->path);
}

/* Who looks at a list keeps it, whatever becomes of the file meanwhile. */
static void test_a_reader_keeps_its_version(void **state)
{
    apr_pool_t *p = unit_pool(state), *request;
    file_t *f = watched("t-1\n", p);
    const apr_array_header_t *list;

    apr_pool_create(&request, p);
    list = bearer_tenants_get(f->tenants, request);
    put(f, "t-2\nt-3\n");
    later(f);
    assert_true(admits(f, "t-3", p));
    assert_int_equal(list->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(list, 0, const char *), "t-1");
    apr_pool_destroy(request);
    unlink(f->path);
}

/* What was judged by one content is not good for the next. */
static void test_version_counts_contents(void **state)
{
    apr_pool_t *p = unit_pool(state);
    file_t *f = watched("t-1\n", p);
    apr_uint64_t first = bearer_tenants_version(f->tenants, p), second;

    assert_true(first > 0);
    assert_true(bearer_tenants_version(f->tenants, p) == first);
    put(f, "t-1\n../x\n");
    later(f);
    assert_true(bearer_tenants_version(f->tenants, p) == first);
    put(f, "t-2\n");
    assert_true(bearer_tenants_version(f->tenants, p) == first);
    later(f);
    second = bearer_tenants_version(f->tenants, p);
    assert_true(second > first);
    put(f, "t-3\n");
    bearer_tenants_refresh(f->tenants, p);
    assert_true(bearer_tenants_version(f->tenants, p) > second);
    assert_true(admits(f, "t-3", p));
    unlink(f->path);
}

static void test_configtest_says_what_is_wrong(void **state)
{
    apr_pool_t *p = unit_pool(state);
    file_t *f = watched("t-1\n", p);

    assert_null(bearer_tenants_file_error(f->path, p));
    put(f, "t-1\n../x\n");
    assert_true(unit_contains(bearer_tenants_file_error(f->path, p), "line 2"));
    unlink(f->path);
    assert_non_null(bearer_tenants_file_error(f->path, p));
}

/* ---- what a list leaves behind ---------------------------------------------- */

/* The pools that lists live in (the linker puts these in the place of APR's). */
static apr_pool_t *lists[64];
static int list_count;

apr_status_t __real_apr_pool_create_unmanaged_ex(apr_pool_t **p, apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_unmanaged_ex(apr_pool_t **p, apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator);
void __real_apr_pool_destroy(apr_pool_t *p);
void __wrap_apr_pool_destroy(apr_pool_t *p);

apr_status_t __wrap_apr_pool_create_unmanaged_ex(apr_pool_t **p, apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator)
{
    apr_status_t rv = __real_apr_pool_create_unmanaged_ex(p, abort_fn, allocator);

    assert_true(rv == APR_SUCCESS && list_count < 64);
    lists[list_count++] = *p;
    return rv;
}

void __wrap_apr_pool_destroy(apr_pool_t *p)
{
    int i;

    for (i = 0; i < list_count; i++) {
        if (lists[i] == p) {
            lists[i] = lists[--list_count];
            break;
        }
    }
    __real_apr_pool_destroy(p);
}

/* The former list goes when the new one comes and nobody uses it any more. */
static void test_former_list_goes(void **state)
{
    apr_pool_t *p = unit_pool(state), *request;
    int i, before = list_count;
    file_t *f = watched("t1\n", p);

    assert_int_equal(list_count, before + 1);
    for (i = 0; i < 4; i++) {
        apr_pool_create(&request, p);
        assert_true(admits(f, i % 2 ? "t2" : "t1", request));
        put(f, i % 2 ? "t1\n" : "t2\n");
        later(f);
        assert_true(admits(f, i % 2 ? "t1" : "t2", request));
        assert_int_equal(list_count, before + 2);
        apr_pool_destroy(request);
        assert_int_equal(list_count, before + 1);
    }
    unlink(f->path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_grows_and_shrinks),
        UNIT_TEST(test_wrong_content_leaves_the_old),
        UNIT_TEST(test_no_file_admits_nobody),
        UNIT_TEST(test_a_reader_keeps_its_version),
        UNIT_TEST(test_version_counts_contents),
        UNIT_TEST(test_configtest_says_what_is_wrong),
        UNIT_TEST(test_former_list_goes),
    };

    return UNIT_RUN("tenants", tests);
}
