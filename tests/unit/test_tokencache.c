/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * AuthBearerTokenCache: what is found, for how long, what makes room, and that
 * who holds an entry may use it whatever happens to the cache.
 */
#include "unit.h"

#include <stdatomic.h>

#include <apr_thread_proc.h>

#include "state/tokencache.h"

#define NOW apr_time_from_sec(1767225600)
#define SKEW apr_time_from_sec(60)

static const bearer_issuer_t an_issuer;

static const apr_array_header_t *words(apr_pool_t *p, const char *text)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    char *state, *word = apr_strtok(apr_pstrdup(p, text), " ", &state);

    for (; word; word = apr_strtok(NULL, " ", &state)) {
        APR_ARRAY_PUSH(list, const char *) = word;
    }
    return list;
}

static bearer_principal_t *a_principal(apr_pool_t *p)
{
    bearer_principal_t *principal = apr_pcalloc(p, sizeof(*principal));

    principal->method = apr_pstrdup(p, "jwt");
    principal->user = apr_pstrdup(p, "alice@idp");
    principal->user_value = apr_pstrdup(p, "alice");
    principal->issuer = &an_issuer;
    principal->iss = apr_pstrdup(p, "https://idp.example.com/");
    principal->client = apr_pstrdup(p, "app");
    principal->jti = apr_pstrdup(p, "id-1");
    principal->bound = BEARER_BOUND_MTLS;
    principal->expires = NOW + apr_time_from_sec(600);
    principal->not_before = NOW - apr_time_from_sec(10);
    principal->issued = NOW - apr_time_from_sec(5);
    principal->scopes = words(p, "orders.read orders.write");
    principal->roles = words(p, "admin");
    principal->groups = words(p, "");
    principal->scope = apr_pstrdup(p, "orders.read orders.write");
    principal->left_out = words(p, "said-once");
    principal->claims = json_pack("{s:s, s:[i,i], s:{s:b}}", "sub", "alice",
                                  "n", 1, 2, "o", "x", 1);
    memset(principal->token_digest, 0xab, sizeof(principal->token_digest));
    bearer_json_tie(principal->claims, p);
    return principal;
}

static const unsigned char *key_of(unsigned n)
{
    static unsigned char key[BEARER_SHA256_SIZE];

    bearer_text_sha256(&n, sizeof(n), key);
    return key;
}

static bearer_tokencache_t *cache_of(apr_pool_t *p, unsigned entries)
{
    bearer_tokencache_t *cache;

    assert_int_equal(bearer_tokencache_create(&cache, entries, p), APR_SUCCESS);
    return cache;
}

static void put(bearer_tokencache_t *cache, unsigned n, apr_pool_t *p)
{
    bearer_tokencache_put(cache, key_of(n), a_principal(p), 1, 0);
}

/* Is it there? Leaves no reference. */
static int has_at(bearer_tokencache_t *cache, unsigned n, apr_time_t now)
{
    bearer_tokencache_entry_t *entry;
    const bearer_principal_t *found;

    found = bearer_tokencache_get(cache, &entry, key_of(n), now, SKEW);
    assert_int_equal(found != NULL, entry != NULL);
    bearer_tokencache_release(entry);
    return found != NULL;
}

static int has(bearer_tokencache_t *cache, unsigned n)
{
    return has_at(cache, n, NOW);
}

static bearer_tokencache_stats_t stats_of(bearer_tokencache_t *cache)
{
    bearer_tokencache_stats_t stats;

    bearer_tokencache_stats(cache, &stats);
    return stats;
}

static void assert_words(const apr_array_header_t *list,
                         const apr_array_header_t *wanted)
{
    int i;

    assert_ptr_not_equal(list, wanted);
    assert_int_equal(list->nelts, wanted->nelts);
    for (i = 0; i < list->nelts; i++) {
        assert_string_equal(APR_ARRAY_IDX(list, i, const char *),
                            APR_ARRAY_IDX(wanted, i, const char *));
    }
}

static void assert_same(const bearer_principal_t *a,
                        const bearer_principal_t *wanted)
{
    assert_ptr_not_equal(a, wanted);
    assert_string_equal(a->method, wanted->method);
    assert_string_equal(a->user, wanted->user);
    assert_ptr_not_equal(a->user, wanted->user);
    assert_string_equal(a->user_value, wanted->user_value);
    assert_ptr_equal(a->issuer, wanted->issuer);
    assert_string_equal(a->iss, wanted->iss);
    assert_string_equal(a->client, wanted->client);
    assert_string_equal(a->jti, wanted->jti);
    assert_int_equal(a->bound, wanted->bound);
    assert_true(a->expires == wanted->expires);
    assert_true(a->not_before == wanted->not_before);
    assert_true(a->issued == wanted->issued);
    assert_words(a->scopes, wanted->scopes);
    assert_words(a->roles, wanted->roles);
    assert_words(a->groups, wanted->groups);
    assert_string_equal(a->scope, wanted->scope);
    assert_null(a->left_out);
    assert_memory_equal(a->token_digest, wanted->token_digest,
                        sizeof(a->token_digest));
    assert_ptr_not_equal(a->claims, wanted->claims);
    assert_ptr_not_equal(json_object_get(a->claims, "sub"),
                         json_object_get(wanted->claims, "sub"));
    assert_true(json_equal(a->claims, wanted->claims));
}

/* ---- copies -------------------------------------------------------------- */

static void test_copy_outlives_its_source(void **state)
{
    apr_pool_t *p = unit_pool(state), *other;
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *entry;
    const bearer_principal_t *from, *copy;

    apr_pool_create(&other, p);
    from = a_principal(other);
    bearer_tokencache_put(cache, key_of(1), from, 1, 0);
    copy = bearer_tokencache_get(cache, &entry, key_of(1), NOW, SKEW);
    assert_same(copy, from);
    apr_pool_destroy(other);
    assert_same(copy, a_principal(p));
    bearer_tokencache_release(entry);
}

static void test_copy_of_what_is_absent(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *entry;
    bearer_principal_t *from = a_principal(p);
    const bearer_principal_t *copy;

    from->user = from->user_value = from->client = from->jti = NULL;
    bearer_tokencache_put(cache, key_of(1), from, 1, 0);
    copy = bearer_tokencache_get(cache, &entry, key_of(1), NOW, SKEW);
    assert_null(copy->user);
    assert_null(copy->user_value);
    assert_null(copy->client);
    assert_null(copy->jti);
    assert_string_equal(copy->iss, from->iss);
    bearer_tokencache_release(entry);
}

/* ---- look-up ------------------------------------------------------------- */

static void test_off(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 0);

    assert_null(cache);
    put(cache, 1, p);
    assert_int_equal(has(cache, 1), 0);
    bearer_tokencache_release(NULL);
    assert_int_equal(stats_of(cache).entries, 0);
    assert_int_equal(bearer_tokencache_create(&cache, 1u << 30, p), APR_EINVAL);
    assert_null(cache);
}

static void test_what_is_put_is_found(void **state)
{
    apr_pool_t *p = unit_pool(state), *request;
    bearer_tokencache_t *cache = cache_of(p, 64);
    bearer_tokencache_entry_t *entry;
    const bearer_principal_t *from, *found;

    assert_int_equal(has(cache, 1), 0);
    apr_pool_create(&request, p);
    from = a_principal(request);
    bearer_tokencache_put(cache, key_of(1), from, 42, 0);
    found = bearer_tokencache_get(cache, &entry, key_of(1), NOW, SKEW);
    assert_non_null(found);
    assert_same(found, from);
    apr_pool_destroy(request);
    assert_same(found, a_principal(p));
    assert_true(bearer_tokencache_generation(entry) == 42);
    bearer_tokencache_release(entry);
    assert_int_equal(has(cache, 2), 0);
    assert_int_equal(stats_of(cache).hits, 1);
    assert_int_equal(stats_of(cache).misses, 2);
    assert_int_equal(stats_of(cache).used, 1);
    assert_int_equal(stats_of(cache).entries, 64);
    assert_in_range(stats_of(cache).bytes, 500, 5000);
}

static void test_notes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 64);
    unsigned i, kept = 0;

    assert_int_equal(bearer_tokencache_note(NULL, key_of(1)), 0);
    assert_int_equal(bearer_tokencache_noted(NULL, key_of(1)), 0);
    assert_int_equal(bearer_tokencache_noted(cache, key_of(1)), 0);
    assert_int_equal(bearer_tokencache_note(cache, key_of(1)), 0);
    assert_int_equal(bearer_tokencache_noted(cache, key_of(1)), 1);
    assert_int_equal(bearer_tokencache_note(cache, key_of(1)), 1);
    assert_int_equal(has(cache, 1), 0);
    /* bounded: some of more than there is room for are forgotten */
    for (i = 0; i < 1000; i++) {
        bearer_tokencache_note(cache, key_of(i));
    }
    for (i = 0; i < 1000; i++) {
        kept += (unsigned)bearer_tokencache_noted(cache, key_of(i));
    }
    assert_in_range(kept, 100, 4 * 64);
}

/* All 32 bytes of a key count. */
static void test_every_byte_of_the_key_counts(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *entry;
    unsigned char key[BEARER_SHA256_SIZE];
    size_t i;

    put(cache, 1, p);
    for (i = 0; i < sizeof(key); i++) {
        memcpy(key, key_of(1), sizeof(key));
        key[i] ^= 1;
        assert_null(bearer_tokencache_get(cache, &entry, key, NOW, SKEW));
    }
    assert_int_equal(has(cache, 1), 1);
}

/* ---- times --------------------------------------------------------------- */

static void test_expiry(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    const apr_time_t end = a_principal(p)->expires + SKEW;

    put(cache, 1, p);
    assert_int_equal(has_at(cache, 1, end - 1), 1);
    assert_int_equal(has_at(cache, 1, end), 0);
    assert_int_equal(stats_of(cache).used, 0);
    assert_int_equal(stats_of(cache).bytes, 0);
}

static void test_not_before(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    const apr_time_t begin = a_principal(p)->not_before - SKEW;

    put(cache, 1, p);
    assert_int_equal(has_at(cache, 1, begin - 1), 0);
    assert_int_equal(has_at(cache, 1, begin), 1);
}

static void test_valid_until(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_principal_t *principal = a_principal(p);

    principal->expires = 0;
    bearer_tokencache_put(cache, key_of(1), principal, 1, NOW + 10);
    bearer_tokencache_put(cache, key_of(2), principal, 1, 0);
    assert_int_equal(has_at(cache, 1, NOW + 10), 1);
    assert_int_equal(has_at(cache, 1, NOW + 11), 0);
    assert_int_equal(has_at(cache, 1, NOW), 0);
    assert_int_equal(has_at(cache, 2, NOW + apr_time_from_sec(86400 * 365)), 1);
}

/* ---- dropping ------------------------------------------------------------ */

static void test_dropped_entry_serves_its_holders(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *a, *b;
    const bearer_principal_t *first, *second;

    put(cache, 1, p);
    first = bearer_tokencache_get(cache, &a, key_of(1), NOW, SKEW);
    second = bearer_tokencache_get(cache, &b, key_of(1), NOW, SKEW);
    assert_ptr_equal(first, second);
    bearer_tokencache_drop(a);
    bearer_tokencache_drop(b);
    bearer_tokencache_release(a);
    assert_int_equal(has(cache, 1), 0);
    assert_same(second, a_principal(p));
    put(cache, 1, p); /* a new one beside it */
    assert_int_equal(has(cache, 1), 1);
    bearer_tokencache_release(b);
    assert_int_equal(has(cache, 1), 1);
    assert_int_equal(stats_of(cache).used, 1);
}

static void test_put_again(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *entry;

    put(cache, 1, p);
    put(cache, 1, p);
    assert_int_equal(stats_of(cache).used, 1);
    /* keys have changed since: the old judgement goes */
    bearer_tokencache_put(cache, key_of(1), a_principal(p), 2, 0);
    assert_int_equal(stats_of(cache).used, 1);
    assert_non_null(bearer_tokencache_get(cache, &entry, key_of(1), NOW, SKEW));
    assert_true(bearer_tokencache_generation(entry) == 2);
    bearer_tokencache_release(entry);
}

/* ---- what is attached ------------------------------------------------------ */

/* Counts how often it is freed. */
typedef struct thing_t {
    _Atomic int freed;
} thing_t;

static void free_thing(void *thing)
{
    ((thing_t *)thing)->freed++;
}

static bearer_tokencache_entry_t *entry_of(bearer_tokencache_t *cache, unsigned n)
{
    bearer_tokencache_entry_t *entry;

    bearer_tokencache_get(cache, &entry, key_of(n), NOW, SKEW);
    assert_non_null(entry);
    return entry;
}

static void test_first_thing_is_attached(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    thing_t first = { 0 }, second = { 0 };
    bearer_tokencache_entry_t *entry;

    put(cache, 1, p);
    put(cache, 2, p);
    entry = entry_of(cache, 1);
    assert_null(bearer_tokencache_attached(entry));
    assert_int_equal(bearer_tokencache_attach(entry, &first, free_thing), 1);
    assert_int_equal(bearer_tokencache_attach(entry, &second, free_thing), 0);
    bearer_tokencache_release(entry);
    entry = entry_of(cache, 2);
    assert_null(bearer_tokencache_attached(entry));
    bearer_tokencache_release(entry);
    /* a dropped entry frees it with its last reference */
    entry = entry_of(cache, 1);
    assert_ptr_equal(bearer_tokencache_attached(entry), &first);
    bearer_tokencache_drop(entry);
    assert_int_equal(first.freed, 0);
    bearer_tokencache_release(entry);
    assert_int_equal(first.freed, 1);
    assert_int_equal(second.freed, 0);
    put(cache, 1, p);
    entry = entry_of(cache, 1);
    assert_null(bearer_tokencache_attached(entry));
    bearer_tokencache_release(entry);
}

/* Attached after the drop, by a request that still holds the entry. */
static void test_dropped_entry_takes_a_thing(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *entry;
    thing_t thing = { 0 };

    put(cache, 1, p);
    entry = entry_of(cache, 1);
    bearer_tokencache_drop(entry);
    assert_int_equal(bearer_tokencache_attach(entry, &thing, free_thing), 1);
    bearer_tokencache_release(entry);
    assert_int_equal(thing.freed, 1);
}

static void test_eviction_and_end_free_things(void **state)
{
    apr_pool_t *p = unit_pool(state), *process;
    bearer_tokencache_entry_t *entry;
    bearer_tokencache_t *cache;
    thing_t things[100];
    unsigned n, freed = 0;

    memset(things, 0, sizeof(things));
    apr_pool_create(&process, p);
    cache = cache_of(process, 8);
    for (n = 0; n < 100; n++) {
        put(cache, n, p);
        entry = entry_of(cache, n);
        assert_int_equal(bearer_tokencache_attach(entry, &things[n], free_thing), 1);
        bearer_tokencache_release(entry);
    }
    for (n = 0; n < 100; n++) {
        freed += (unsigned)things[n].freed;
    }
    assert_int_equal(freed, 100 - 8);
    apr_pool_destroy(process);
    for (n = 0; n < 100; n++) {
        UNIT_CHECK(things[n].freed == 1, "%u: %d", n, things[n].freed);
    }
}

#define THREADS 8
#define ROUNDS 4000

/* Threads use, attach, drop and evict the same few entries. */
typedef struct attachers_t {
    bearer_tokencache_t *cache;
    _Atomic int made, freed, wrong;
} attachers_t;

typedef struct owned_t {
    attachers_t *all;
    unsigned token;
    int alive;
} owned_t;

static void free_owned(void *owned_)
{
    owned_t *owned = owned_;

    owned->all->freed++;
    owned->alive = 0;
    free(owned);
}

static void use_entry(attachers_t *all, bearer_tokencache_entry_t *entry, unsigned token)
{
    owned_t *owned = bearer_tokencache_attached(entry), *mine;

    if (!owned) {
        mine = calloc(1, sizeof(*mine));
        *mine = (owned_t){ all, token, 1 };
        all->made++;
        if (!bearer_tokencache_attach(entry, mine, free_owned)) {
            free_owned(mine);
        }
        owned = bearer_tokencache_attached(entry);
    }
    if (!owned || !owned->alive || owned->token != token) {
        all->wrong++;
    }
}

static void *APR_THREAD_FUNC attach(apr_thread_t *thread, void *all_)
{
    attachers_t *all = all_;
    apr_pool_t *p = apr_thread_pool_get(thread);
    const bearer_principal_t *principal = a_principal(p);
    bearer_tokencache_entry_t *entry;
    unsigned char key[BEARER_SHA256_SIZE];
    unsigned i, token;

    for (i = 0; i < ROUNDS; i++) {
        token = i % 12;
        bearer_text_sha256(&token, sizeof(token), key);
        bearer_tokencache_put(all->cache, key, principal, 1, 0);
        bearer_tokencache_get(all->cache, &entry, key, NOW, SKEW);
        if (entry) {
            use_entry(all, entry, token);
            if (i % 7 == 0) {
                bearer_tokencache_drop(entry);
            }
            bearer_tokencache_release(entry);
        }
    }
    return NULL;
}

static void test_threads_free_each_thing_once(void **state)
{
    apr_pool_t *p = unit_pool(state), *process;
    apr_thread_t *threads[THREADS];
    attachers_t all = { NULL, 0, 0, 0 };
    apr_status_t rv;
    int i;

    apr_pool_create(&process, p);
    all.cache = cache_of(process, 8);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(apr_thread_create(&threads[i], NULL, attach, &all, p), APR_SUCCESS);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
    }
    assert_true(all.made > 100);
    assert_int_equal(all.wrong, 0);
    assert_true(all.freed < all.made);
    apr_pool_destroy(process);
    assert_int_equal(all.freed, all.made);
}

/* ---- room ---------------------------------------------------------------- */

static void test_number_of_entries_is_bounded(void **state)
{
    static const unsigned wanted[][2] = { { 1, 8 }, { 8, 8 }, { 9, 16 }, { 16, 16 } };
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 20);
    unsigned n;

    for (n = 0; n < UNIT_COUNT(wanted); n++) {
        assert_int_equal(stats_of(cache_of(p, wanted[n][0])).entries, wanted[n][1]);
    }
    assert_int_equal(stats_of(cache).entries, 24);
    for (n = 0; n < 500; n++) {
        put(cache, n, p);
        assert_int_equal(has(cache, n), 1);
    }
    assert_int_equal(stats_of(cache).used, 24);
    assert_int_equal(stats_of(cache).evictions, 500 - 24);
}

static void test_used_entries_stay(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    unsigned n;

    for (n = 0; n < 100; n++) {
        put(cache, n, p);
        UNIT_CHECK(has(cache, 0), "after %u", n);
    }
}

static void test_held_entries_are_not_evicted(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_tokencache_entry_t *entries[8];
    unsigned n;

    for (n = 0; n < 8; n++) {
        put(cache, n, p);
        bearer_tokencache_get(cache, &entries[n], key_of(n), NOW, SKEW);
    }
    put(cache, 8, p);
    assert_int_equal(has(cache, 8), 0);
    for (n = 0; n < 8; n++) {
        assert_int_equal(has(cache, n), 1);
        bearer_tokencache_release(entries[n]);
    }
    put(cache, 8, p);
    assert_int_equal(has(cache, 8), 1);
}

static void test_large_principals_are_not_kept(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_principal_t *large = a_principal(p), *wide = a_principal(p),
                       *named = a_principal(p);
    json_t *list = json_array();
    int i;

    json_object_set_new(large->claims, "x",
                        json_string(apr_psprintf(p, "%*d",
                                                 BEARER_TOKENCACHE_ENTRY_MAX,
                                                 1)));
    bearer_tokencache_put(cache, key_of(1), large, 1, 0);
    assert_int_equal(has(cache, 1), 0);
    for (i = 0; i < BEARER_TOKENCACHE_ENTRY_MAX / 50; i++) {
        json_array_append_new(list, json_integer(i));
    }
    json_object_set_new(wide->claims, "x", list);
    bearer_tokencache_put(cache, key_of(2), wide, 1, 0);
    assert_int_equal(has(cache, 2), 0);
    named->user = apr_psprintf(p, "%*d", BEARER_TOKENCACHE_ENTRY_MAX, 1);
    bearer_tokencache_put(cache, key_of(3), named, 1, 0);
    assert_int_equal(has(cache, 3), 0);
    assert_int_equal(stats_of(cache).bytes, 0);
}

/* An Entra token with as many groups as fit into a header field. */
static void test_largest_usual_token_is_kept(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_tokencache_t *cache = cache_of(p, 8);
    bearer_principal_t *principal = a_principal(p);
    apr_array_header_t *groups = apr_array_make(p, 134, sizeof(const char *));
    json_t *list = json_array();
    int i;

    for (i = 0; i < 134; i++) {
        const char *id = apr_psprintf(p, "%08x-1111-2222-3333-444444444444",
                                      (unsigned)i);

        APR_ARRAY_PUSH(groups, const char *) = id;
        json_array_append_new(list, json_string(id));
    }
    principal->groups = groups;
    json_object_set_new(principal->claims, "groups", list);
    bearer_tokencache_put(cache, key_of(1), principal, 1, 0);
    assert_int_equal(has(cache, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_copy_outlives_its_source),
        UNIT_TEST(test_copy_of_what_is_absent),
        UNIT_TEST(test_off),
        UNIT_TEST(test_what_is_put_is_found),
        UNIT_TEST(test_notes),
        UNIT_TEST(test_every_byte_of_the_key_counts),
        UNIT_TEST(test_expiry),
        UNIT_TEST(test_not_before),
        UNIT_TEST(test_valid_until),
        UNIT_TEST(test_dropped_entry_serves_its_holders),
        UNIT_TEST(test_put_again),
        UNIT_TEST(test_first_thing_is_attached),
        UNIT_TEST(test_dropped_entry_takes_a_thing),
        UNIT_TEST(test_eviction_and_end_free_things),
        UNIT_TEST(test_threads_free_each_thing_once),
        UNIT_TEST(test_number_of_entries_is_bounded),
        UNIT_TEST(test_used_entries_stay),
        UNIT_TEST(test_held_entries_are_not_evicted),
        UNIT_TEST(test_large_principals_are_not_kept),
        UNIT_TEST(test_largest_usual_token_is_kept),
    };

    return UNIT_RUN("tokencache", tests);
}
