/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See signed_out.h. */
#include "state/signed_out.h"

#include <string.h>

/** A digest as it is compared, and the first entry that it may use. */
typedef struct place_t {
    apr_uint64_t digest[2];
    apr_size_t first;
} place_t;

static place_t place_of(const unsigned char *digest)
{
    place_t place;

    memcpy(place.digest, digest, sizeof(place.digest));
    place.first = (apr_size_t)(place.digest[0] % BEARER_SIGNED_OUT_ENTRIES);
    return place;
}

static apr_size_t nth(const place_t *place, int i)
{
    return (place->first + (apr_size_t)i) % BEARER_SIGNED_OUT_ENTRIES;
}

static int is(const bearer_signed_out_entry_t *entry, const place_t *place)
{
    return atomic_load(&entry->digest[0]) == place->digest[0]
        && atomic_load(&entry->digest[1]) == place->digest[1];
}

int bearer_signed_out_any(const bearer_signed_out_t *table, apr_time_t now)
{
    return table && atomic_load(&table->last) > now;
}

/* An entry is never unused again, so the first unused one ends the search. */
int bearer_signed_out_has(const bearer_signed_out_t *table,
                          const unsigned char *digest, apr_time_t now)
{
    const place_t place = place_of(digest);
    int i;

    for (i = 0; bearer_signed_out_any(table, now) && i < BEARER_SIGNED_OUT_WAYS; i++) {
        const bearer_signed_out_entry_t *entry = &table->entries[nth(&place, i)];
        apr_int64_t until = atomic_load(&entry->until);

        if (!until) {
            return 0;
        }
        if (until > now && is(entry, &place)) {
            return 1;
        }
    }
    return 0;
}

static void note_last(bearer_signed_out_t *table, apr_time_t until)
{
    apr_int64_t last = atomic_load(&table->last);

    while (last < until
           && !atomic_compare_exchange_weak(&table->last, &last, until)) {
    }
}

/* Takes the entry by its time. Until the digest is stored, the entry has that of an
 * expired token. */
static int take(bearer_signed_out_entry_t *entry, const place_t *place,
                apr_time_t until, apr_time_t now)
{
    apr_int64_t seen = atomic_load(&entry->until);

    if (seen > now || !atomic_compare_exchange_strong(&entry->until, &seen, until)) {
        return 0;
    }
    atomic_store(&entry->digest[0], place->digest[0]);
    atomic_store(&entry->digest[1], place->digest[1]);
    return 1;
}

apr_status_t bearer_signed_out_add(bearer_signed_out_t *table,
                                   const unsigned char *digest, apr_time_t until,
                                   apr_time_t now)
{
    const place_t place = place_of(digest);
    int i;

    if (until <= now || bearer_signed_out_has(table, digest, now)) {
        return APR_SUCCESS;
    }
    for (i = 0; table && i < BEARER_SIGNED_OUT_WAYS; i++) {
        if (take(&table->entries[nth(&place, i)], &place, until, now)) {
            note_last(table, until);
            return APR_SUCCESS;
        }
    }
    return APR_ENOSPC;
}
