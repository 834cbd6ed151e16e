/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The throttle's table and its public functions. See throttle_inside.h.
 */
#include "state/throttle_inside.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define ENTRIES_MAX (1u << 24)

#define MAGIC (UINT64_C(0x4254485200000000) | UINT64_C(1) << 16 \
               | (uint64_t)BEARER_REASON_COUNT)

typedef struct header_t {
    _Atomic uint64_t magic;          /* written last */
    _Atomic uint64_t layout;
    _Atomic uint64_t secret[2];
} header_t;

struct bearer_throttle_t {
    bucket_t *buckets;
    uint32_t count;
    uint64_t secret[2];
    int renumbered;                  /* its reason numbers are those of another version */
};

/* ---- keyed hash: SipHash-2-4 (Aumasson, Bernstein 2012) of 16 bytes ------ */

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_rounds(uint64_t v[4], int n)
{
    while (n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

static uint64_t keyed_hash(const uint64_t key[2], uint64_t a, uint64_t b)
{
    const uint64_t words[3] = { a, b, UINT64_C(16) << 56 };
    uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575),
                      key[1] ^ UINT64_C(0x646f72616e646f6d),
                      key[0] ^ UINT64_C(0x6c7967656e657261),
                      key[1] ^ UINT64_C(0x7465646279746573) };
    int i;

    for (i = 0; i < 3; i++) {
        v[3] ^= words[i];
        sip_rounds(v, 2);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the block ----------------------------------------------------------- */

static uint32_t bucket_count(unsigned entries)
{
    if (entries > ENTRIES_MAX) {
        entries = ENTRIES_MAX;
    }
    return entries <= FILL ? 1 : (entries + FILL - 1) / FILL;
}

apr_size_t bearer_throttle_size(unsigned entries)
{
    return sizeof(header_t) + bucket_count(entries) * sizeof(bucket_t);
}

/* The first process sets the value; all see the same value afterwards. */
static uint64_t settle(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t seen = 0;

    return atomic_compare_exchange_strong(word, &seen, value) ? value : seen;
}

apr_status_t bearer_throttle_attach(bearer_throttle_t **throttle, void *block,
                                    apr_size_t size, unsigned entries,
                                    const bearer_world_t *world, apr_pool_t *p)
{
    const uint64_t layout = (uint64_t)sizeof(bucket_t) << 32
                            | bucket_count(entries);
    header_t *header = block;
    bearer_throttle_t *t;
    uint64_t secret[2], magic;
    apr_status_t rv;
    int i;

    *throttle = NULL;
    if (!block || size < bearer_throttle_size(entries)
        || (uintptr_t)block % _Alignof(bucket_t) != 0) {
        return APR_EINVAL;
    }
    if (atomic_load(&header->magic) == 0) {
        rv = bearer_world_random(world, (unsigned char *)secret, sizeof(secret));
        if (rv != APR_SUCCESS) {
            return rv;
        }
        for (i = 0; i < 2; i++) {
            settle(&header->secret[i], secret[i] ? secret[i] : 1);
        }
        settle(&header->layout, layout);
    }
    magic = atomic_load(&header->layout) == layout ? settle(&header->magic, MAGIC) : 0;
    if ((magic ^ MAGIC) >> 16) {     /* the lower bits contain the version of the reason
                                        numbers */
        return APR_EMISMATCH;
    }
    t = apr_pcalloc(p, sizeof(*t));
    t->renumbered = magic != MAGIC;
    t->buckets = (bucket_t *)(void *)(header + 1);
    t->count = bucket_count(entries);
    for (i = 0; i < 2; i++) {
        t->secret[i] = atomic_load(&header->secret[i]);
    }
    *throttle = t;
    return APR_SUCCESS;
}

/* ---- addresses ----------------------------------------------------------- */

static apr_status_t address_v6(unsigned char *key, const char *ip)
{
    const size_t len = strcspn(ip, "%"); /* fe80::1%eth0 */
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;

    if (len >= sizeof(text)) {
        return APR_EINVAL;
    }
    memcpy(text, ip, len);
    text[len] = '\0';
    if (inet_pton(AF_INET6, text, &v6) != 1) {
        return APR_EINVAL;
    }
    memcpy(key, &v6, IN6_IS_ADDR_V4MAPPED(&v6) ? 16 : 8);
    return APR_SUCCESS;
}

apr_status_t bearer_throttle_address(unsigned char *key, const char *ip)
{
    struct in_addr v4;

    memset(key, 0, BEARER_THROTTLE_KEY_SIZE);
    if (!ip) {
        return APR_EINVAL;
    }
    if (inet_pton(AF_INET, ip, &v4) != 1) {
        return address_v6(key, ip);
    }
    key[10] = key[11] = 0xff;
    memcpy(key + 12, &v4, 4);
    return APR_SUCCESS;
}

/* ---- finding ------------------------------------------------------------- */

static place_t locate(const bearer_throttle_t *t, const unsigned char *key)
{
    place_t place;
    uint64_t hash;

    memcpy(&place.hi, key, 8);
    memcpy(&place.lo, key + 8, 8);
    hash = keyed_hash(t->secret, place.hi, place.lo);
    place.bucket = &t->buckets[((hash >> 32) * t->count) >> 32];
    place.tag = (uint32_t)hash | 1;
    return place;
}

/* Finds the slot of an address in its bucket, at *place; -1: the table does not have it. */
static int find(const bearer_throttle_t *t, const unsigned char *key, place_t *place)
{
    if (!t) {
        return -1;
    }
    *place = locate(t, key);
    return bearer_bucket_find(place);
}

unsigned bearer_throttle_check(bearer_throttle_t *throttle,
                               const unsigned char *key, apr_time_t now)
{
    apr_interval_time_t left;
    place_t place;
    int i = find(throttle, key, &place);

    if (i < 0) {
        return 0;
    }
    left = bearer_bucket_penalty(place.bucket, i, now);
    /* Checks that the slot still belongs to the address. A slot that is reassigned
     * loses its penalty before its key. */
    if (left == 0 || !bearer_bucket_is_at(&place, i)) {
        return 0;
    }
    return (unsigned)((left + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);
}

/* ---- failures and successes ---------------------------------------------- */

static mark_t mark_of(const bearer_throttle_t *t,
                      const bearer_throttle_token_t *token,
                      bearer_reason_t reason)
{
    const uint64_t judged = keyed_hash(t->secret, token->digest, token->policy);
    mark_t mark;

    mark.token = (uint32_t)keyed_hash(t->secret, token->digest, UINT64_MAX);
    mark.judged = (uint32_t)judged;
    mark.reason = (uint8_t)((unsigned)reason <= REASON_MASK ? reason : BEARER_OK);
    if (token->digest == 0) {
        mark.reason |= NAMELESS;
    }
    return mark;
}

static int is_on(const bearer_throttle_t *throttle,
                 const bearer_throttle_settings_t *settings)
{
    return throttle && settings->on && settings->threshold > 0;
}

int bearer_throttle_failure(bearer_throttle_t *throttle,
                            const unsigned char *key,
                            const bearer_throttle_token_t *token,
                            bearer_reason_t reason,
                            const bearer_throttle_settings_t *settings,
                            apr_time_t now)
{
    int slot, started = 0;
    mark_t mark;
    place_t place;

    if (!is_on(throttle, settings)) {
        return 0;
    }
    place = locate(throttle, key);
    mark = mark_of(throttle, token, reason);
    if (!bearer_bucket_take(place.bucket, now)) {
        return 0;
    }
    slot = bearer_bucket_slot(&place, now);
    if (slot >= 0) {
        started = bearer_bucket_fail(place.bucket, slot, &mark, settings, now);
    }
    bearer_bucket_release(place.bucket, now);
    return started;
}

int bearer_throttle_remembers(bearer_throttle_t *throttle,
                              const unsigned char *key)
{
    place_t place;

    return find(throttle, key, &place) >= 0;
}

int bearer_throttle_known_bad(bearer_throttle_t *throttle,
                              const unsigned char *key,
                              const bearer_throttle_token_t *token,
                              const bearer_throttle_settings_t *settings,
                              apr_time_t now, bearer_reason_t *reason)
{
    tally_t tally = { 0, 0, 0, BEARER_OK };
    mark_t mark;
    place_t place;
    int slot;

    if (!is_on(throttle, settings) || token->digest == 0 || throttle->renumbered) {
        return 0;  /* to be judged again */
    }
    if (find(throttle, key, &place) < 0 || !bearer_bucket_take(place.bucket, now)) {
        return 0;
    }
    mark = mark_of(throttle, token, BEARER_OK);
    slot = bearer_bucket_find(&place);
    if (slot >= 0) {
        bearer_bucket_tally(&tally, place.bucket, slot, &mark, settings->window, now);
    }
    bearer_bucket_release(place.bucket, now);
    if (tally.reason != BEARER_OK) {
        *reason = tally.reason;
    }
    return tally.reason != BEARER_OK;
}

void bearer_throttle_success(bearer_throttle_t *throttle,
                             const unsigned char *key, apr_time_t now)
{
    place_t place;
    int slot = find(throttle, key, &place);

    if (slot < 0 || !LOAD(place.bucket->dirty[slot], relaxed)
        || !bearer_bucket_take(place.bucket, now)) {
        return;
    }
    slot = bearer_bucket_find(&place);
    if (slot >= 0) {
        bearer_bucket_clear(place.bucket, slot);
    }
    bearer_bucket_release(place.bucket, now);
}

/* ---- status -------------------------------------------------------------- */

void bearer_throttle_stats(bearer_throttle_t *throttle, apr_time_t now,
                           unsigned *penalised, unsigned *used)
{
    uint32_t n;
    int i;

    *penalised = *used = 0;
    for (n = 0; throttle && n < throttle->count; n++) {
        const bucket_t *b = &throttle->buckets[n];

        for (i = 0; i < SLOTS; i++) {
            if (LOAD(b->tag[i], relaxed)) {
                *used += 1;
                *penalised += bearer_bucket_penalty(b, i, now) > 0;
            }
        }
    }
}
