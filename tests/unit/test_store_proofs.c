/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The memory of used proofs as a request meets it: what each result of the table or of
 * the cache server becomes, for how long a proof is kept, and what counts as the share
 * of its token. Only "it is new" is a success.
 */
#include "unit.h"
#include "unit_table.h"

static apr_time_t the_time;
static apr_time_t time_of_test(void);
#define apr_time_now time_of_test
#include "httpd/store_proofs.c"
#undef apr_time_now

#define SECONDS(n) apr_time_from_sec(n)
#define SIZE (128 * 1024)

/* ---- what the file needs of a server ------------------------------------------ */

module AP_MODULE_DECLARE_DATA auth_bearer_module;

static process_t the_process;
static process_t *process_now;
static global_config_t the_global;
static server_config_t the_config;
static bearer_table_t *the_table;
static bearer_cache_t the_cache, *cache_now;
static bearer_share_t the_share;
static int share_fails, lines, errors;
static char last_line[512];

static apr_time_t time_of_test(void)
{
    return the_time;
}

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    va_list args;

    (void)file, (void)line, (void)module_index, (void)level, (void)status, (void)s;
    va_start(args, fmt);
    apr_vsnprintf(last_line, sizeof(last_line), fmt, args);
    va_end(args);
    lines++;
}

process_t *ab_process(void)
{
    return process_now;
}

server_config_t *ab_config_server(const server_rec *s)
{
    (void)s;
    return &the_config;
}

const char *ab_trace_suffix_here(void)
{
    return "";
}

bearer_table_t *ab_store_own_proofs(void)
{
    return the_table;
}

const bearer_cache_t *ab_store_cache(store_kind_t kind)
{
    assert_int_equal(kind, STORE_PROOFS);
    return cache_now;
}

void *ab_shared_keep(const char *layout, const char *file, apr_size_t size, int *made,
                     apr_pool_t *pconf, server_rec *s, apr_status_t *rv)
{
    (void)layout, (void)file, (void)pconf, (void)s;
    assert_int_equal(size, sizeof(the_share));
    *made = 1;
    *rv = APR_ENOMEM;
    return share_fails ? NULL : &the_share;
}

static void count_event(void *baton, bearer_event_t event, int issuer, apr_interval_time_t elapsed)
{
    (void)baton, (void)issuer, (void)elapsed;
    assert_int_equal(event, BEARER_EVENT_CACHE_PROOFS);
    errors++;
}

/* ---- the server of this test ---------------------------------------------------- */

static void begin(void)
{
    memset(&the_process, 0, sizeof(the_process));
    memset(&the_share, 0, sizeof(the_share));
    memset(&the_cache, 0, sizeof(the_cache));
    the_process.global = the_config.global = &the_global;
    the_process.world.event = count_event;
    process_now = &the_process;
    the_global.proofs.life = SECONDS(120);
    the_global.proofs.possible = 1;
    the_table = NULL;
    cache_now = NULL;
    share_fails = lines = errors = 0;
    the_time += SECONDS(3600);
    last_line[0] = '\0';
}

static apr_status_t use(unsigned id, unsigned token, apr_interval_time_t life, apr_pool_t *p)
{
    unsigned char key[32], digest[32];

    table_key(key, id);
    table_key(digest, 1u << 31 | token);
    return ab_store_use_proof(key, digest, the_time + life, p);
}

/* ---- nothing is there ------------------------------------------------------------- */

static void test_nothing_opens(void **state)
{
    apr_pool_t *p = unit_pool(state);

    begin();
    assert_int_equal(ab_store_proofs_wanted(NULL), 1);
    the_global.proofs.possible = 0;
    assert_int_equal(ab_store_proofs_wanted(NULL), 0);
    assert_int_equal(ab_store_proofs_post_config(p, NULL), OK);
    assert_int_equal(use(1, 1, SECONDS(100), p), APR_EGENERAL);
    cache_now = &the_cache;    /* one of httpd's: it cannot enter what is absent only */
    assert_int_equal(ab_store_proofs_post_config(p, NULL), OK);
    assert_int_equal(use(1, 1, SECONDS(100), p), APR_EGENERAL);
}

/* ---- the module's own memory --------------------------------------------------------- */

static void *own_memory(apr_pool_t *p)
{
    void *block = table_block(SIZE);

    begin();
    assert_int_equal(bearer_table_attach_proofs(&the_table, block, SIZE, p), APR_SUCCESS);
    assert_int_equal(ab_store_proofs_post_config(p, NULL), OK);
    return block;
}

static void test_once(void **state)
{
    apr_pool_t *p = unit_pool(state);
    void *block = own_memory(p);

    assert_int_equal(use(1, 1, SECONDS(100), p), APR_SUCCESS);
    assert_int_equal(use(1, 1, SECONDS(100), p), APR_EEXIST);
    assert_int_equal(use(1, 2, SECONDS(100), p), APR_EEXIST);
    process_now = NULL;        /* the child ends */
    assert_int_equal(use(2, 1, SECONDS(100), p), APR_EGENERAL);
    munmap(block, SIZE);
}

/* A request may take long between its look at the clock and this. */
static void test_its_time(void **state)
{
    apr_pool_t *p = unit_pool(state);
    void *block = own_memory(p);

    assert_int_equal(use(1, 1, -1, p), APR_EGENERAL);
    assert_int_equal(use(1, 1, 0, p), APR_SUCCESS);
    assert_int_equal(use(1, 1, 0, p), APR_EEXIST);
    the_time += SECONDS(4);
    bearer_table_sweep(the_table, the_time);
    assert_int_equal(use(1, 1, 0, p), APR_EEXIST);
    the_time += SECONDS(1);
    assert_int_equal(use(1, 1, 0, p), APR_SUCCESS);
    munmap(block, SIZE);
}

static void test_full(void **state)
{
    const unsigned room = (unsigned)bearer_table_room_for_proofs(SIZE);
    apr_pool_t *p = unit_pool(state);
    void *block = own_memory(p);
    unsigned i;

    for (i = 0; i < room; i++) {
        assert_int_equal(use(i, i, SECONDS(100), p), APR_SUCCESS);
    }
    assert_int_equal(lines, 0);
    for (i = 0; i < 5; i++) {
        assert_int_equal(use(room + i, i, SECONDS(100), p), APR_ENOSPC);
    }
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "AB0416"));
    assert_non_null(strstr(last_line, "for=proofs"));
    the_time += SECONDS(106);
    for (i = 0; i < room; i++) {
        assert_int_equal(use(i, i, SECONDS(100), p), APR_SUCCESS);
    }
    assert_int_equal(errors, 0);
    munmap(block, SIZE);
}

static void test_share_of_a_token(void **state)
{
    const unsigned each = (unsigned)bearer_table_room_for_proofs(SIZE) / BEARER_TABLE_TOKENS;
    apr_pool_t *p = unit_pool(state);
    void *block = own_memory(p);
    char number[16];
    unsigned i;

    for (i = 0; i < each; i++) {
        assert_int_equal(use(i, 1, SECONDS(100), p), APR_SUCCESS);
    }
    for (i = 0; i < 5; i++) {
        assert_int_equal(use(1000 + i, 1, SECONDS(100), p), APR_ENOSPC);
    }
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "AB0417"));
    apr_snprintf(number, sizeof(number), "(%u proofs)", each);
    assert_non_null(strstr(last_line, number));
    assert_int_equal(use(1, 1, SECONDS(100), p), APR_EEXIST);
    assert_int_equal(use(2000, 2, SECONDS(100), p), APR_SUCCESS);
    munmap(block, SIZE);
}

/* The memory is of no use: of another kind, here. */
static void test_unusable(void **state)
{
    apr_pool_t *p = unit_pool(state);
    void *block = table_block(SIZE);

    begin();
    assert_int_equal(bearer_table_attach(&the_table, block, SIZE, p), APR_SUCCESS);
    assert_int_equal(use(1, 1, SECONDS(100), p), APR_EGENERAL);
    assert_int_equal(errors, 1);
    munmap(block, SIZE);
}

/* ---- a cache server -------------------------------------------------------------------- */

static apr_status_t result_of_add;
static unsigned calls;
static apr_time_t kept_until;

static apr_status_t add(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    (void)key, (void)p;
    assert_ptr_equal(cache, &the_cache);
    assert_int_equal(entry->kind, BEARER_KEPT_PROOF);
    assert_null(entry->owners);
    calls++;
    kept_until = entry->expires;
    return result_of_add;
}

static void redis(apr_pool_t *p)
{
    begin();
    the_cache.add = add;
    cache_now = &the_cache;
    result_of_add = APR_SUCCESS;
    calls = 0;
    assert_int_equal(ab_store_proofs_post_config(p, NULL), OK);
}

static void test_results_of_a_server(void **state)
{
    static const apr_status_t results[][2] = {
        { APR_SUCCESS, APR_SUCCESS }, { APR_EEXIST, APR_EEXIST }, { APR_ENOSPC, APR_ENOSPC },
        { APR_EGENERAL, APR_EGENERAL }, { APR_NOTFOUND, APR_EGENERAL },
        { APR_EINVAL, APR_EGENERAL }, { APR_TIMEUP, APR_EGENERAL },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    redis(p);
    for (i = 0; i < UNIT_COUNT(results); i++) {
        result_of_add = results[i][0];
        assert_int_equal(use(i, 1, SECONDS(100), p), results[i][1]);
        assert_int_equal(kept_until, the_time + SECONDS(140));
    }
    assert_int_equal(calls, UNIT_COUNT(results));
    assert_int_equal(use(1, 1, -1, p), APR_EGENERAL);
    assert_int_equal(calls, UNIT_COUNT(results));
}

/* Only what the server has taken counts: not what somebody repeats. */
static void test_share_on_a_server(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    redis(p);
    result_of_add = APR_EEXIST;
    for (i = 0; i < 2 * THERE_EACH; i++) {
        assert_int_equal(use(i, 1, SECONDS(100), p), APR_EEXIST);
    }
    result_of_add = APR_SUCCESS;
    for (i = calls = 0; use(i, 1, SECONDS(100), p) == APR_SUCCESS; i++) {
    }
    assert_in_range(i, THERE_EACH, THERE_EACH + THERE_EACH / 1000);
    assert_int_equal(calls, i);
    assert_int_equal(use(i, 1, SECONDS(100), p), APR_ENOSPC);
    assert_int_equal(calls, i);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "AB0417"));
    assert_int_equal(use(i, 2, SECONDS(100), p), APR_SUCCESS);
    the_time += the_global.proofs.life;
    for (i = 0; i < THERE_EACH; i++) {
        assert_int_equal(use(i, 1, SECONDS(100), p), APR_SUCCESS);
    }
}

static void test_no_memory_for_the_share(void **state)
{
    apr_pool_t *p = unit_pool(state);

    begin();
    the_cache.add = add;
    cache_now = &the_cache;
    share_fails = 1;
    assert_int_equal(ab_store_proofs_post_config(p, NULL), HTTP_INTERNAL_SERVER_ERROR);
    assert_non_null(strstr(last_line, "AB0418"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_nothing_opens),
        UNIT_TEST(test_once),
        UNIT_TEST(test_its_time),
        UNIT_TEST(test_full),
        UNIT_TEST(test_share_of_a_token),
        UNIT_TEST(test_unusable),
        UNIT_TEST(test_results_of_a_server),
        UNIT_TEST(test_share_on_a_server),
        UNIT_TEST(test_no_memory_for_the_share),
    };
    the_time = TABLE_T0;
    return UNIT_RUN("store_proofs", tests);
}
