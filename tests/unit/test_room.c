/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A fixed room: the oldest value goes first. */
#include "unit.h"

#include "state/room.h"

static unsigned char *key_of(unsigned char *key, unsigned n)
{
    memset(key, 0x55, BEARER_ROOM_KEY);
    memcpy(key + 3, &n, sizeof(n));
    return key;
}

static void test_oldest_first(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_room_t *room = apr_pcalloc(p, sizeof(*room));
    unsigned char key[BEARER_ROOM_KEY], *value;
    apr_size_t len;
    unsigned n, first;

    assert_null(bearer_room_get(room, key_of(key, 0), &len, p));
    for (n = 0; n < BEARER_ROOM_PLACES + 3; n++) {
        assert_true(bearer_room_put(room, key_of(key, n), &n, sizeof(n)));
        first = n < BEARER_ROOM_PLACES ? 0 : n - BEARER_ROOM_PLACES + 1;
        assert_non_null(value = bearer_room_get(room, key_of(key, first), &len, p));
        assert_int_equal(len, sizeof(n));
        assert_memory_equal(value, &first, sizeof(n));
        if (first) {
            assert_null(bearer_room_get(room, key_of(key, first - 1), &len, p));
        }
    }
}

static void test_sizes(void **state)
{
    static const apr_size_t sizes[] = { 0, 1, 7, 8, 9, 300, BEARER_ROOM_BYTES - 1,
                                        BEARER_ROOM_BYTES };
    apr_pool_t *p = unit_pool(state);
    bearer_room_t *room = apr_pcalloc(p, sizeof(*room));
    unsigned char key[BEARER_ROOM_KEY], text[BEARER_ROOM_BYTES + 1], *value;
    apr_size_t len;
    unsigned i;

    for (i = 0; i < sizeof(text); i++) {
        text[i] = (unsigned char)(i * 7 + (i >> 8));
    }
    for (i = 0; i < UNIT_COUNT(sizes); i++) {
        assert_true(bearer_room_put(room, key_of(key, i), text, sizes[i]));
    }
    assert_false(bearer_room_put(room, key_of(key, i), text, BEARER_ROOM_BYTES + 1));
    assert_null(bearer_room_get(room, key_of(key, i), &len, p));
    for (i = 0; i < UNIT_COUNT(sizes); i++) {
        assert_non_null(value = bearer_room_get(room, key_of(key, i), &len, p));
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(value, text, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { UNIT_TEST(test_oldest_first), UNIT_TEST(test_sizes) };

    return UNIT_RUN("room", tests);
}
