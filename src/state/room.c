/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See room.h. */
#include "state/room.h"

#include <string.h>

int bearer_room_put(bearer_room_t *room, const unsigned char *key, const void *value,
                    apr_size_t len)
{
    apr_uint64_t names[2], words[BEARER_ROOM_WORDS] = { 0 };
    unsigned i, place;

    if (len > BEARER_ROOM_BYTES) {
        return 0;
    }
    memcpy(names, key, sizeof(names));
    memcpy(words, value, len);
    place = (unsigned)(atomic_fetch_add(&room->next, 1) % BEARER_ROOM_PLACES);
    atomic_store(&room->places[place].key[0], 0);
    atomic_store(&room->places[place].len, len);
    for (i = 0; i < (len + 7) / 8; i++) {
        atomic_store_explicit(&room->places[place].words[i], words[i],
                              memory_order_relaxed);
    }
    atomic_store(&room->places[place].key[1], names[1]);
    atomic_store(&room->places[place].key[0], names[0]);
    return 1;
}

unsigned char *bearer_room_get(bearer_room_t *room, const unsigned char *key,
                               apr_size_t *len, apr_pool_t *p)
{
    apr_uint64_t names[2], *words;
    unsigned i, k;

    memcpy(names, key, sizeof(names));
    for (i = 0; i < BEARER_ROOM_PLACES; i++) {
        if (atomic_load(&room->places[i].key[0]) != names[0]
            || atomic_load(&room->places[i].key[1]) != names[1]) {
            continue;
        }
        *len = (apr_size_t)atomic_load(&room->places[i].len);
        if (*len > BEARER_ROOM_BYTES) {
            return NULL;
        }
        words = apr_palloc(p, *len + 8);
        for (k = 0; k < (*len + 7) / 8; k++) {
            words[k] = atomic_load_explicit(&room->places[i].words[k],
                                            memory_order_relaxed);
        }
        return (unsigned char *)words;
    }
    return NULL;
}
