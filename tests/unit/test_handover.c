/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* What a restart does not reach: a value is found whole, under its own key, until
 * its time, or not at all. Processes over it: stress_handover.c. */
#include "unit.h"

/* copy_of() calls this between its look at a slot and its copy of it. */
static void (*before_copying)(void *slot);
static void *copied(apr_pool_t *p, const void *from, apr_size_t n);
#define apr_pmemdup copied
#include "httpd/handover.c"
#undef apr_pmemdup

#define SETS 2
#define PLACES (2 * SETS + SPARE)
#define SOON (apr_time_now() + apr_time_from_sec(60))

/* What the file needs of a server. */
module AP_MODULE_DECLARE_DATA auth_bearer_module;

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    (void)fmt;
}

static void *copied(apr_pool_t *p, const void *from, apr_size_t n)
{
    if (before_copying) {
        before_copying((void *)(apr_uintptr_t)from);
    }
    return apr_pmemdup(p, from, n);
}

static process_rec process;
static server_rec server;

static void create(unsigned sets, apr_pool_t *p)
{
    server.process = &process;
    assert_int_equal(ab_handover_create(sets, p, &server), APR_SUCCESS);
}

static void start(apr_pool_t *p)
{
    before_copying = NULL;
    memory = NULL;
    process.pool = p;
    create(SETS, p);
}

static void key_of(unsigned char *key, int number)
{
    bearer_text_sha256(&number, sizeof(number), key);
}

static void put_until(int number, const char *text, apr_time_t expires)
{
    unsigned char key[BEARER_CACHE_KEY_SIZE];

    key_of(key, number);
    ab_handover_put(key, (const unsigned char *)text, strlen(text), expires);
}

static void put(int number, const char *text)
{
    put_until(number, text, SOON);
}

/* What is there, or NULL. */
static const char *get(int number, apr_pool_t *p)
{
    unsigned char key[BEARER_CACHE_KEY_SIZE], *value;
    apr_time_t expires = 0;
    apr_size_t len;

    key_of(key, number);
    if (ab_handover_get(key, &value, &len, &expires, p) != APR_SUCCESS) {
        return NULL;
    }
    assert_true(expires > apr_time_now());
    return apr_pstrmemdup(p, (const char *)value, len);
}

static void assert_there(int number, const char *text, apr_pool_t *p)
{
    const char *found = get(number, p);

    assert_non_null(found);
    assert_string_equal(found, text);
}

static content_t *content_at(int number, int size)
{
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    int i;

    key_of(key, number);
    i = find(memory, size, name_of(key));
    assert_in_range(i, 0, memory->count[size] - 1);
    return content_of(memory, size, (unsigned)i);
}

/* As many bytes, all alike. */
static const char *long_text(apr_size_t len, apr_pool_t *p)
{
    char *text = apr_palloc(p, len + 1);

    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

/* ---- finding ------------------------------------------------------------- */

static void test_what_is_put_is_found(void **state)
{
    apr_pool_t *p = unit_pool(state);

    start(p);
    assert_null(get(1, p));
    put(1, "one");
    put(2, "two");
    assert_there(1, "one", p);
    assert_there(2, "two", p);
    put(1, "one again");
    assert_there(1, "one again", p);
    assert_null(get(3, p));
}

static void test_until_its_time(void **state)
{
    apr_pool_t *p = unit_pool(state);

    start(p);
    put_until(1, "over", apr_time_now());
    put_until(2, "over long since", 0);
    assert_null(get(1, p));
    assert_null(get(2, p));
}

/* A slot is found by eight bytes of the key: keys that share them share nothing
 * else. */
static void test_under_its_own_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char key[BEARER_CACHE_KEY_SIZE], *value;
    apr_time_t expires;
    apr_size_t len, i;

    start(p);
    put(1, "one");
    key_of(key, 1);
    for (i = sizeof(apr_uint64_t); i < sizeof(key); i++) {
        key[i] ^= 1;
        assert_int_equal(ab_handover_get(key, &value, &len, &expires, p),
                         APR_NOTFOUND);
        key[i] ^= 1;
    }
    assert_int_equal(ab_handover_get(key, &value, &len, &expires, p),
                     APR_SUCCESS);
}

/* A name of 0 is that of a free slot. */
static void test_a_key_that_begins_with_zeros(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char key[BEARER_CACHE_KEY_SIZE] = { 0 }, *value;
    apr_time_t expires;
    apr_size_t len;

    start(p);
    assert_int_equal(ab_handover_get(key, &value, &len, &expires, p),
                     APR_NOTFOUND);
    ab_handover_put(key, (const unsigned char *)"zeros", 5, SOON);
    put(1, "one");
    assert_int_equal(ab_handover_get(key, &value, &len, &expires, p),
                     APR_SUCCESS);
    assert_int_equal(len, 5);
    assert_there(1, "one", p);
}

static void test_removed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char key[BEARER_CACHE_KEY_SIZE];

    start(p);
    put(1, "one");
    put(2, long_text(room_of[0] + 1, p));
    put(3, "three");
    key_of(key, 1);
    ab_handover_remove(key);
    key_of(key, 2);
    ab_handover_remove(key);
    assert_null(get(1, p));
    assert_null(get(2, p));
    assert_there(3, "three", p);
}

/* ---- whole or not at all ----------------------------------------------------- */

static void test_no_byte_of_it_may_change(void **state)
{
    apr_pool_t *p = unit_pool(state);
    content_t *there;
    unsigned char *byte;

    start(p);
    put(1, "one");
    there = content_at(1, 0);
    for (byte = there->digest; byte < there->value + 3; byte++) {
        *byte ^= 1;
        assert_null(get(1, p));
        *byte ^= 1;
    }
    assert_there(1, "one", p);
    there->value[3] ^= 1; /* not its own */
    assert_there(1, "one", p);
}

static void make_longer(void *slot)
{
    ((content_t *)slot)->len++;
}

static void make_shorter(void *slot)
{
    ((content_t *)slot)->len--;
}

static void make_huge(void *slot)
{
    ((content_t *)slot)->len = (apr_uint64_t)-1;
}

/* Another process writes while this one copies. */
static void put_longer(void *slot)
{
    (void)slot;
    before_copying = NULL;
    put(1, "one that is longer");
}

static void put_shorter(void *slot)
{
    (void)slot;
    before_copying = NULL;
    put(1, "o");
}

static void test_changed_while_it_is_copied(void **state)
{
    static void (*const changes[])(void *slot) = {
        make_longer, make_shorter, make_huge, put_longer, put_shorter
    };
    apr_pool_t *p = unit_pool(state);
    apr_size_t i;

    for (i = 0; i < UNIT_COUNT(changes); i++) {
        start(p);
        put(1, "one");
        before_copying = changes[i];
        assert_null(get(1, p));
        before_copying = NULL;
    }
}

static void test_lengths(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const apr_size_t good[] = { 1, room_of[0], room_of[0] + 1, room_of[1] };
    apr_size_t i;

    start(p);
    for (i = 0; i < UNIT_COUNT(good); i++) {
        put(1, long_text(good[i], p));
        assert_there(1, long_text(good[i], p), p);
        content_at(1, good[i] > room_of[0]); /* in the smallest that it fits */
    }
    put(1, "");
    assert_there(1, long_text(room_of[1], p), p);
    put(2, "");
    put(3, long_text(room_of[1] + 1, p));
    assert_null(get(2, p));
    assert_null(get(3, p));
    content_at(1, 1)->len = room_of[1] + 1;
    assert_null(get(1, p));
    content_at(1, 1)->len = 0;
    assert_null(get(1, p));
}

/* What has become long, or short, is not found as it was before. */
static void test_from_one_size_to_the_other(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *large = long_text(room_of[0] + 1, p);

    start(p);
    put(1, "small");
    put(1, large);
    assert_there(1, large, p);
    put(1, "small again");
    assert_there(1, "small again", p);
    memset(content_at(1, 0)->digest, 0, BEARER_SHA256_SIZE);
    assert_null(get(1, p));
}

/* ---- room ------------------------------------------------------------------ */

/* apr_time_now() may be the same twice. */
static void written_at(int number, apr_time_t when)
{
    unsigned char key[BEARER_CACHE_KEY_SIZE];

    key_of(key, number);
    atomic_store(&memory->slots[0][find(memory, 0, name_of(key))].written, when);
}

/* Those that are there, of so many. */
static int count(int n, apr_pool_t *p)
{
    int found = 0;

    while (n-- > 0) {
        found += get(n, p) != NULL;
    }
    return found;
}

/* What was written longest ago makes room, and a free place is taken first. */
static void test_the_oldest_makes_room(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    int i;

    start(p);
    for (i = 0; i < PLACES; i++) {
        put(i, "value");
        written_at(i, 1000 + (i + 5) % PLACES);
    }
    put(PLACES - 5, "written again");
    put(PLACES, "one more");
    assert_null(get(PLACES - 4, p));
    assert_int_equal(count(PLACES + 1, p), PLACES);
    key_of(key, 7);
    ab_handover_remove(key);
    put(PLACES + 1, "and one");
    assert_int_equal(count(PLACES + 2, p), PLACES);
}

static void test_a_configuration_that_needs_more(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *large = long_text(room_of[0] + 1, p);
    const memory_t *before;

    start(p);
    put(1, "one");
    put(2, large);
    put_until(3, "over", apr_time_now());
    put(4, "half written");
    content_at(4, 0)->value[0] ^= 1;
    before = memory;
    create(SETS, p);
    assert_ptr_equal(memory, before);
    create(SETS - 1, p);
    assert_ptr_equal(memory, before);
    create(SETS + 1, p);
    assert_ptr_not_equal(memory, before);
    assert_there(1, "one", p);
    assert_there(2, large, p);
    assert_null(get(3, p));
    assert_null(get(4, p));
    /* the next one finds what is there now */
    before = memory;
    create(SETS, p);
    assert_ptr_equal(memory, before);
    assert_there(1, "one", p);
}

/* ---- another version ----------------------------------------------------- */

/* What a version left that has these rooms and is like this one otherwise. */
static memory_t *left_by_another(const apr_size_t *rooms, apr_pool_t *p)
{
    memory_t *m = apr_pcalloc(p, sizeof(*m));
    apr_size_t size = 0, i;
    char *base;

    m->count[0] = PLACES;
    m->count[1] = 2;
    for (i = 0; i < SIZES; i++) {
        size += ALIGNED(m->count[i] * sizeof(slot_t))
            + m->count[i] * ALIGNED(sizeof(content_t) + rooms[i]);
    }
    assert_int_equal(apr_shm_create(&m->shm, size, NULL, p), APR_SUCCESS);
    base = apr_shm_baseaddr_get(m->shm);
    for (i = 0; i < SIZES; i++) {
        m->slots[i] = (slot_t *)(void *)base;
        m->contents[i] = base + ALIGNED(m->count[i] * sizeof(slot_t));
        base = m->contents[i]
            + m->count[i] * ALIGNED(sizeof(content_t) + rooms[i]);
    }
    return m;
}

static void leave(const memory_t *m, int size, apr_size_t room, int number,
                  const char *text)
{
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    content_t *made;

    key_of(key, number);
    made = make_content(key, (const unsigned char *)text, strlen(text), SOON);
    assert_non_null(made);
    memcpy(m->contents[size] + ALIGNED(sizeof(*made) + room), made,
           sizeof(*made) + strlen(text));
    atomic_store(&m->slots[size][1].name, name_of(key));
    free(made);
}

static void test_another_version_had_other_sizes(void **state)
{
    const apr_size_t rooms[][SIZES] = {
        { 8192, room_of[1] }, { 32768, room_of[1] },
        { room_of[0], room_of[1] / 2 }, { room_of[0], 2 * room_of[1] },
        { room_of[0] / 2, 2 * room_of[1] }
    };
    apr_pool_t *p = unit_pool(state);
    const char *longer = long_text(room_of[0] + 1, p);
    const char *longest = long_text(room_of[1], p);
    apr_size_t i;

    for (i = 0; i < UNIT_COUNT(rooms); i++) {
        memory_t *left = left_by_another(rooms[i], p);

        leave(left, 0, rooms[i][0], 1, "one");
        leave(left, 1, rooms[i][1], 2, longer);
        start(p);
        apr_pool_userdata_set(left, LAYOUT, NULL, p);
        create(SETS, p);
        assert_ptr_not_equal(memory, left);
        assert_there(1, "one", p);
        assert_there(2, longer, p);
        put(2, longest);
        assert_there(2, longest, p);
        assert_there(1, "one", p);
        apr_shm_destroy(memory->shm);
        apr_pool_userdata_set(NULL, LAYOUT, NULL, p);
    }
}

/* A change here needs a new name, and code that takes over what has this one:
 * this is the memory of version 0.1.0. */
static void test_the_layout_that_the_name_stands_for(void **state)
{
    (void)state;
    assert_string_equal(LAYOUT, "mod_auth_bearer handover 2");
    assert_int_equal(SIZES, 2);
    assert_int_equal(offsetof(memory_t, count), sizeof(void *));
    assert_int_equal(offsetof(memory_t, slots), sizeof(void *) + 8);
    assert_int_equal(offsetof(memory_t, contents), 3 * sizeof(void *) + 8);
    assert_int_equal(sizeof(memory_t), 5 * sizeof(void *) + 8);
    assert_int_equal(sizeof(slot_t), 16);
    assert_int_equal(offsetof(content_t, key), 32);
    assert_int_equal(offsetof(content_t, expires), 64);
    assert_int_equal(offsetof(content_t, len), 72);
    assert_int_equal(offsetof(content_t, value), 80);
    assert_int_equal(ALIGNED(65), 128);
}

static void test_no_memory(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char key[BEARER_CACHE_KEY_SIZE];

    start(p);
    memory = NULL;
    put(1, "one");
    assert_null(get(1, p));
    key_of(key, 1);
    ab_handover_remove(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_what_is_put_is_found),
        UNIT_TEST(test_until_its_time),
        UNIT_TEST(test_under_its_own_key),
        UNIT_TEST(test_a_key_that_begins_with_zeros),
        UNIT_TEST(test_removed),
        UNIT_TEST(test_no_byte_of_it_may_change),
        UNIT_TEST(test_changed_while_it_is_copied),
        UNIT_TEST(test_lengths),
        UNIT_TEST(test_from_one_size_to_the_other),
        UNIT_TEST(test_the_oldest_makes_room),
        UNIT_TEST(test_a_configuration_that_needs_more),
        UNIT_TEST(test_another_version_had_other_sizes),
        UNIT_TEST(test_the_layout_that_the_name_stands_for),
        UNIT_TEST(test_no_memory),
    };

    return UNIT_RUN("handover", tests);
}
