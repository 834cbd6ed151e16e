/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Key sets per tenant, if the keys' URL contains {tenant}. See keyset.h, and
 * keyset_inside.h for how a set works.
 *
 * The tenant comes from a token that is not yet verified, so a client can name any
 * tenant. There are places for BEARER_KEYSET_MAX_TENANTS sets. If all are taken, a
 * set that has verified no token is removed, the least recently used first; if there
 * is none, the set whose last verified token is longest ago. A set that a thread uses
 * stays.
 *
 * A set that was removed has no memory of earlier fetches when it returns. Fetches
 * for such tokens therefore have their own limit, for all tenants together and for
 * each.
 */
#include "keys/keyset_inside.h"

#include <string.h>

/** How long a request waits for its turn to fetch. */
#define TURN_PATIENCE apr_time_from_msec(500)
/** Time until the next attempt after a refused turn. */
#define TURN_RETRY apr_time_from_sec(1)
/** Maximum number of turns within `min`: this many at once, and this many as time passes. */
#define TURNS (2 * BEARER_KEYSET_MAX_TENANTS)

typedef struct turn_t {
    apr_uint64_t set; /* hash of set and purpose */
    apr_time_t when;
} turn_t;

/* Under the mutex of the issuer's key set. */
struct tenants_t {
    apr_hash_t *by_name; /* tenant_place_t */
    apr_array_header_t *places; /* tenant_place_t * */
    apr_uint64_t clock; /* source of the values of `used` */
    apr_time_t even; /* when the full number of turns is available again */
    turn_t *turns; /* the latest TURNS turns; NULL: none yet */
    int next_turn;
};

static tenant_place_t *place_at(const tenants_t *tenants, int i)
{
    return APR_ARRAY_IDX(tenants->places, i, tenant_place_t *);
}

void bearer_keyset_tenants_init(bearer_keyset_t *ks)
{
    ks->tenants = apr_pcalloc(ks->own, sizeof(*ks->tenants));
    ks->tenants->by_name = apr_hash_make(ks->own);
    ks->tenants->places = apr_array_make(ks->own, 4, sizeof(tenant_place_t *));
}

void bearer_keyset_tenants_destroy(bearer_keyset_t *ks)
{
    int i;

    for (i = 0; ks->tenants && i < ks->tenants->places->nelts; i++) {
        tenant_place_t *place = place_at(ks->tenants, i);

        if (place->set) {
            bearer_keyset_destroy(place->set);
        }
    }
}

/* ---- places; under the mutex -------------------------------------------- */

static int goes_before(const tenant_place_t *a, const tenant_place_t *b)
{
    return a->proved != b->proved ? b->proved : a->used < b->used;
}

/* Returns a free place, or one made free; the caller destroys *old. NULL: threads
 * use all of them. */
static tenant_place_t *place_for_another(bearer_keyset_t *ks, bearer_keyset_t **old)
{
    tenants_t *tenants = ks->tenants;
    tenant_place_t *found = NULL;
    int i;

    *old = NULL;
    if (tenants->places->nelts < BEARER_KEYSET_MAX_TENANTS) {
        found = apr_pcalloc(ks->own, sizeof(*found));
        found->of = ks;
        APR_ARRAY_PUSH(tenants->places, tenant_place_t *) = found;
        return found;
    }
    for (i = 0; i < tenants->places->nelts; i++) {
        tenant_place_t *place = place_at(tenants, i);

        if (!place->set) {
            return place;
        }
        if (!place->users && (!found || goes_before(place, found))) {
            found = place;
        }
    }
    if (found) {
        *old = found->set;
        found->set = NULL;
        atomic_fetch_sub(&ks->stamp, atomic_load(&(*old)->stamp));
        apr_hash_set(tenants->by_name, (*old)->access.tenant, APR_HASH_KEY_STRING,
                     NULL);
    }
    return found;
}

static tenant_place_t *settle(bearer_keyset_t *ks, const char *tenant,
                              bearer_keyset_t **old)
{
    tenant_place_t *place = place_for_another(ks, old);
    bearer_issuer_access_t access = ks->access;

    access.tenant = tenant;
    if (!place || bearer_keyset_make(&place->set, &access) != APR_SUCCESS) {
        return NULL;
    }
    place->set->home = place;
    place->proved = 0;
    apr_hash_set(ks->tenants->by_name, place->set->access.tenant,
                 APR_HASH_KEY_STRING, place);
    return place;
}

bearer_keyset_t *bearer_keyset_of_tenant(bearer_keyset_t *ks,
                                         const char *tenant)
{
    bearer_keyset_t *set = NULL, *old = NULL;
    tenant_place_t *place;

    if (!ks->per_tenant) {
        return ks;
    }
    if (!bearer_issuer_tenant_valid(tenant)) {
        return NULL;
    }
    lock(ks);
    place = apr_hash_get(ks->tenants->by_name, tenant, APR_HASH_KEY_STRING);
    if (!place) {
        place = settle(ks, tenant, &old);
    }
    if (place) {
        place->users++;
        place->used = place->proved ? place->used : ++ks->tenants->clock;
        set = place->set;
    }
    unlock(ks);
    if (old) {
        bearer_keyset_destroy(old);
    }
    return set;
}

void bearer_keyset_release(bearer_keyset_t *set)
{
    if (set && set->home) {
        bearer_keyset_t *ks = set->home->of;

        lock(ks);
        set->home->users--;
        unlock(ks);
    }
}

void bearer_keyset_served(bearer_keyset_t *ks, const char *tenant)
{
    tenant_place_t *place;

    if (!ks->per_tenant || !tenant) {
        return;
    }
    lock(ks);
    place = apr_hash_get(ks->tenants->by_name, tenant, APR_HASH_KEY_STRING);
    if (place) {
        place->used = ++ks->tenants->clock;
        if (!place->proved) {
            place->proved = 1;
            bearer_keyset_set_maintained(place->set, ks->maintained);
        }
    }
    unlock(ks);
}

/* ---- for background maintenance ----------------------------------------- */

void bearer_keyset_tenants_maintained(bearer_keyset_t *ks)
{
    int i;

    for (i = 0; ks->tenants && i < ks->tenants->places->nelts; i++) {
        tenant_place_t *place = place_at(ks->tenants, i);

        if (place->set && place->proved) {
            bearer_keyset_set_maintained(place->set, ks->maintained);
        }
    }
}

apr_array_header_t *bearer_keyset_proved_places(bearer_keyset_t *ks, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(tenant_place_t *));
    int i;

    lock(ks);
    for (i = 0; i < ks->tenants->places->nelts; i++) {
        tenant_place_t *place = place_at(ks->tenants, i);

        if (place->set && place->proved) {
            APR_ARRAY_PUSH(list, tenant_place_t *) = place;
        }
    }
    unlock(ks);
    return list;
}

bearer_keyset_t *bearer_keyset_hold(tenant_place_t *place)
{
    bearer_keyset_t *set;

    lock(place->of);
    set = place->set;
    if (set) {
        place->users++;
    }
    unlock(place->of);
    return set;
}

/* ---- turns -------------------------------------------------------------- */

/* Under the mutex. */
static int was_recent(const tenants_t *tenants, apr_uint64_t set, apr_time_t now,
                      apr_interval_time_t min)
{
    int i;

    for (i = 0; i < TURNS; i++) {
        const turn_t *turn = &tenants->turns[i];

        if (turn->set == set && now >= turn->when && now - turn->when < min) {
            return 1;
        }
    }
    return 0;
}

/* Returns the time until its turn; more than TURN_PATIENCE: it gets none. */
static apr_interval_time_t turn(bearer_keyset_t *ks, apr_uint64_t set, int first,
                                apr_time_t now)
{
    apr_interval_time_t min = refresh_of(ks)->min, each, wait;
    tenants_t *tenants = ks->tenants;

    min = min < apr_time_from_sec(1) ? apr_time_from_sec(1) : min;
    each = min / BEARER_KEYSET_MAX_TENANTS;
    lock(ks);
    if (!tenants->turns) {
        tenants->turns = apr_pcalloc(ks->own, sizeof(turn_t) * TURNS);
    }
    if (tenants->even < now
        || tenants->even > now + min + TURN_PATIENCE + each) { /* a clock that was set back */
        tenants->even = now;
    }
    wait = tenants->even - min - now;
    if (first && was_recent(tenants, set, now, min)) {
        wait = NEVER;
    }
    if (wait <= TURN_PATIENCE) {
        tenants->even += each;
        tenants->turns[tenants->next_turn].set = set;
        tenants->turns[tenants->next_turn].when = now;
        tenants->next_turn = (tenants->next_turn + 1) % TURNS;
    }
    unlock(ks);
    return wait;
}

int bearer_keyset_take_turn(bearer_keyset_t *ks, purpose_t purpose)
{
    apr_time_t now = now_of(ks);
    apr_interval_time_t wait;
    apr_uint64_t set;
    int first;

    if (!ks->home || purpose == FOR_DUE) {
        return 1;
    }
    memcpy(&set, ks->place.record, sizeof(set));
    lock(ks);
    first = !(ks->turns & 1u << purpose);
    unlock(ks);
    wait = turn(ks->home->of, set + (apr_uint64_t)purpose, first, now);
    lock(ks);
    if (wait <= TURN_PATIENCE) {
        ks->turns |= 1u << purpose;
    } else {
        bearer_keyset_note_attempt(ks, FOR_COLD, now,
                                   "the keys of too many tenants are being fetched, or these were "
                                   "fetched within AuthBearerKeysRefresh min=", 0);
        ks->attempt.failures--;
        ks->attempt.retry_at = now + TURN_RETRY;
        bearer_keyset_set_alarm(ks);
    }
    unlock(ks);
    if (wait > 0 && wait <= TURN_PATIENCE) {
        apr_sleep(wait);
    }
    return wait <= TURN_PATIENCE;
}
