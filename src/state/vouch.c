/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See vouch.h. */
#include "state/vouch.h"

#include <stddef.h>

/* The lower bits choose the set, other bits the way. */
static _Atomic apr_uint64_t *set_of(bearer_vouched_t *table, apr_uint64_t digest)
{
    return table->digests[digest % BEARER_VOUCH_SETS];
}

static _Atomic apr_uint64_t *find(bearer_vouched_t *table, apr_uint64_t digest)
{
    int i;

    for (i = 0; table && digest && i < BEARER_VOUCH_WAYS; i++) {
        if (atomic_load(&set_of(table, digest)[i]) == digest) {
            return &set_of(table, digest)[i];
        }
    }
    return NULL;
}

void bearer_vouch(bearer_vouched_t *table, apr_uint64_t digest)
{
    _Atomic apr_uint64_t *set;
    int i;

    if (!table || !digest || find(table, digest)) {
        return;
    }
    set = set_of(table, digest);
    for (i = 0; i < BEARER_VOUCH_WAYS; i++) {
        apr_uint64_t none = 0;

        if (atomic_compare_exchange_strong(&set[i], &none, digest)) {
            return;
        }
    }
    atomic_store(&set[(digest >> 32) % BEARER_VOUCH_WAYS], digest);
}

void bearer_vouch_end(bearer_vouched_t *table, apr_uint64_t digest)
{
    _Atomic apr_uint64_t *place = find(table, digest);

    if (place) {
        (void)atomic_compare_exchange_strong(place, &digest, 0);
    }
}

int bearer_vouched(bearer_vouched_t *table, apr_uint64_t digest)
{
    return find(table, digest) != NULL;
}
