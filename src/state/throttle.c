/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The throttle's table. Fields that bearer_throttle_check and find() read
 * without the bucket's flag are atomics; the others belong to its holder.
 *
 * A slot is taken in an order that leaves it free or whole wherever its writer
 * dies: tag to 0 first and from 0 last.
 */
#include "state/throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Addresses that a bucket can hold, and how many it is meant for: with twice
 * the room, 100,000 penalties at once overfill one bucket in 3,000 tables. */
#define SLOTS 64
#define FILL 32
#define RECORDS 128

_Static_assert(SLOTS <= 64, "a bit each");
#define ENTRIES_MAX (1u << 24)

/* How often the flag is tried: some microseconds. */
#define TRIES 100

/* Clocks of threads differ a little; one that was set back by more makes what
 * is "in the future" void, or a penalty would run for hours. */
#define CLOCK_SLACK apr_time_from_sec(60)

#define MAGIC (UINT64_C(0x4254485200000000) | UINT64_C(1) << 16 \
               | (uint64_t)BEARER_REASON_COUNT)

/* A record's reason byte: flags above the reason. */
#define COUNTED 0x80u
#define NAMELESS 0x40u
#define REASON_MASK 0x3fu

_Static_assert(BEARER_REASON_COUNT <= REASON_MASK + 1, "reason fits a record");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2
                   && ATOMIC_CHAR_LOCK_FREE == 2,
               "atomics work between processes");

typedef struct bucket_t {
    _Atomic uint64_t flag;           /* 0, or when its holder took it */
    _Atomic uint64_t used;           /* slots that ever were, a bit each */
    /* slots: an address each */
    _Atomic uint64_t hi[SLOTS], lo[SLOTS];
    _Atomic uint64_t until[SLOTS];   /* of the penalty */
    _Atomic uint64_t length[SLOTS];
    _Atomic uint32_t tag[SLOTS];     /* 0: free */
    _Atomic uint8_t dirty[SLOTS];    /* a success has something to clear */
    apr_time_t last[SLOTS];          /* failure */
    apr_interval_time_t window[SLOTS];
    apr_time_t lost_at[SLOTS];       /* newest of the records that made room */
    uint32_t lost[SLOTS];            /* how many of them count */
    /* records: a refused token each */
    apr_time_t at[RECORDS];
    uint32_t token[RECORDS];         /* keyed digest of the token */
    uint32_t judged[RECORDS];        /* keyed digest of token and policy */
    uint8_t owner[RECORDS];          /* slot + 1; 0: free */
    uint8_t reason[RECORDS];
} bucket_t;

typedef struct header_t {
    _Atomic uint64_t magic;          /* written last */
    _Atomic uint64_t layout;
    _Atomic uint64_t secret[2];
} header_t;

struct bearer_throttle_t {
    header_t *header;
    bucket_t *buckets;
    uint32_t count;
    uint64_t secret[2];
    int renumbered;                  /* its reasons are those of another version */
};

/* An address, located. */
typedef struct place_t {
    bucket_t *bucket;
    uint64_t hi, lo;
    uint32_t tag;
} place_t;

/* A credential as records know it. */
typedef struct mark_t {
    uint32_t token, judged;
    uint8_t reason;
} mark_t;

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

/* Whoever comes first decides; everybody sees the same value afterwards. */
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
    if ((magic ^ MAGIC) >> 16) {     /* below: how reasons are numbered */
        return APR_EMISMATCH;
    }
    t = apr_pcalloc(p, sizeof(*t));
    t->renumbered = magic != MAGIC;
    t->header = header;
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

static int is_at(const place_t *place, int i)
{
    const bucket_t *b = place->bucket;

    return atomic_load_explicit(&b->hi[i], memory_order_acquire) == place->hi
           && atomic_load_explicit(&b->lo[i], memory_order_acquire)
                  == place->lo;
}

/* The slot of an address, or -1. Without the flag the answer may be over by
 * the time it is used. */
static int find(const place_t *place)
{
    const bucket_t *b = place->bucket;
    uint64_t used = atomic_load_explicit(&b->used, memory_order_acquire);
    int i;

    for (i = 0; used; i++, used >>= 1) {
        if ((used & 1)
            && atomic_load_explicit(&b->tag[i], memory_order_acquire)
                   == place->tag
            && is_at(place, i)) {
            return i;
        }
    }
    return -1;
}

/* Microseconds of penalty that a slot has left; 0: none. */
static apr_interval_time_t penalty_left(const bucket_t *b, int i,
                                        apr_time_t now)
{
    const apr_time_t until = (apr_time_t)atomic_load_explicit(
        &b->until[i], memory_order_acquire);
    apr_interval_time_t length;

    if (until <= now) {
        return 0;
    }
    length = (apr_interval_time_t)atomic_load_explicit(&b->length[i],
                                                       memory_order_acquire);
    if (until - now > length + CLOCK_SLACK) {
        return 0;
    }
    return until - now < length ? until - now : length;
}

unsigned bearer_throttle_check(bearer_throttle_t *throttle,
                               const unsigned char *key, apr_time_t now)
{
    apr_interval_time_t left;
    place_t place;
    int i;

    if (!throttle) {
        return 0;
    }
    place = locate(throttle, key);
    i = find(&place);
    if (i < 0) {
        return 0;
    }
    left = penalty_left(place.bucket, i, now);
    /* Still this address's? A slot that changes hands loses its penalty
     * before its key. */
    if (left == 0 || !is_at(&place, i)) {
        return 0;
    }
    return (unsigned)((left + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);
}

/* ---- the flag ------------------------------------------------------------ */

static void pause_a_moment(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int is_abandoned(uint64_t flag, apr_time_t now)
{
    const apr_interval_time_t held = now - (apr_time_t)flag;

    return held > BEARER_THROTTLE_HOLD || held < -BEARER_THROTTLE_HOLD;
}

/* 1: the bucket is ours until release_flag() with the same now. */
static int take_flag(bucket_t *b, apr_time_t now)
{
    const uint64_t mine = (uint64_t)now | 1;
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        uint64_t seen = atomic_load_explicit(&b->flag, memory_order_relaxed);

        if ((seen == 0 || is_abandoned(seen, now))
            && atomic_compare_exchange_strong_explicit(
                &b->flag, &seen, mine, memory_order_acquire,
                memory_order_relaxed)) {
            return 1;
        }
        pause_a_moment();
    }
    return 0;
}

static void release_flag(bucket_t *b, apr_time_t now)
{
    uint64_t mine = (uint64_t)now | 1;

    /* Not ours any more: somebody took us for dead. */
    atomic_compare_exchange_strong_explicit(&b->flag, &mine, 0,
                                            memory_order_release,
                                            memory_order_relaxed);
}

int bearer_throttle_abandon(bearer_throttle_t *throttle,
                            const unsigned char *key, apr_time_t now)
{
    return throttle && take_flag(locate(throttle, key).bucket, now);
}

/* ---- slots (flag held) --------------------------------------------------- */

static void free_records(bucket_t *b, int slot)
{
    int r;

    for (r = 0; r < RECORDS; r++) {
        if (b->owner[r] == slot + 1) {
            b->owner[r] = 0;
        }
    }
}

/* A free slot, else the one idle for longest, never one under a penalty. */
static int choose_slot(const bucket_t *b, apr_time_t now)
{
    int i, best = -1;

    for (i = 0; i < SLOTS; i++) {
        if (atomic_load_explicit(&b->tag[i], memory_order_relaxed) == 0) {
            return i;
        }
        if (penalty_left(b, i, now) == 0
            && (best < 0 || b->last[i] < b->last[best])) {
            best = i;
        }
    }
    return best;
}

/* The address's slot, a new one if need be; -1: no room. */
static int take_slot(const place_t *place, apr_time_t now)
{
    bucket_t *b = place->bucket;
    int i = find(place);

    if (i >= 0) {
        return i;
    }
    i = choose_slot(b, now);
    if (i < 0) {
        return -1;
    }
    atomic_store_explicit(&b->tag[i], 0, memory_order_release);
    atomic_fetch_or_explicit(&b->used, UINT64_C(1) << i, memory_order_release);
    atomic_store_explicit(&b->until[i], 0, memory_order_release);
    atomic_store_explicit(&b->dirty[i], 0, memory_order_relaxed);
    free_records(b, i);
    b->lost[i] = 0;
    b->lost_at[i] = 0;
    atomic_store_explicit(&b->hi[i], place->hi, memory_order_release);
    atomic_store_explicit(&b->lo[i], place->lo, memory_order_release);
    atomic_store_explicit(&b->tag[i], place->tag, memory_order_release);
    return i;
}

/* ---- records (flag held) ------------------------------------------------- */

static int is_fresh(apr_time_t at, apr_interval_time_t window, apr_time_t now)
{
    return now - at < window && at - now < CLOCK_SLACK;
}

static mark_t mark_of(const bearer_throttle_t *t,
                      const bearer_throttle_token_t *token,
                      bearer_reason_t reason)
{
    const uint64_t judged = keyed_hash(t->secret, token->digest, token->policy);
    mark_t mark;

    mark.token = (uint32_t)keyed_hash(t->secret, token->digest, UINT64_MAX);
    mark.judged = (uint32_t)judged;
    mark.reason = (uint8_t)((unsigned)reason & REASON_MASK);
    if (token->digest == 0) {
        mark.reason |= NAMELESS;
    }
    return mark;
}

static int is_token(const bucket_t *b, int r, const mark_t *mark)
{
    return b->token[r] == mark->token && !(b->reason[r] & NAMELESS);
}

/* A record makes room; what it counted stays counted. */
static void lose_record(bucket_t *b, int r, apr_time_t now)
{
    const int slot = b->owner[r] - 1;

    if (slot < 0 || slot >= SLOTS || !(b->reason[r] & COUNTED)
        || !is_fresh(b->at[r], b->window[slot], now)) {
        return;
    }
    if (!is_fresh(b->lost_at[slot], b->window[slot], now)) {
        b->lost[slot] = 0;
    }
    b->lost[slot]++;
    if (b->lost_at[slot] < b->at[r]) {
        b->lost_at[slot] = b->at[r];
    }
}

/* Ways to choose a record to make room: those that count no more, those of the
 * same address (which has half of the bucket), all. */
typedef enum { SPENT, OWN, ANY } among_t;

static int oldest_record(const bucket_t *b, among_t among, int slot)
{
    int r, best = -1;

    for (r = 0; r < RECORDS; r++) {
        if ((among == SPENT && (b->reason[r] & COUNTED))
            || (among == OWN && b->owner[r] != slot + 1)) {
            continue;
        }
        if (best < 0 || b->at[r] < b->at[best]) {
            best = r;
        }
    }
    return best;
}

static int choose_record(const bucket_t *b, int slot)
{
    int r, own = 0;

    for (r = 0; r < RECORDS; r++) {
        if (b->owner[r] == 0) {
            return r;
        }
        own += b->owner[r] == slot + 1;
    }
    r = oldest_record(b, SPENT, slot);
    return r >= 0 ? r : oldest_record(b, own >= RECORDS / 2 ? OWN : ANY, slot);
}

static void add_record(bucket_t *b, int slot, const mark_t *mark, int counted,
                       apr_time_t now)
{
    const int r = choose_record(b, slot);

    lose_record(b, r, now);
    b->owner[r] = 0;
    b->at[r] = now;
    b->token[r] = mark->token;
    b->judged[r] = mark->judged;
    b->reason[r] = (uint8_t)(mark->reason | (counted ? COUNTED : 0));
    b->owner[r] = (uint8_t)(slot + 1);
}

static void clear_count(bucket_t *b, int slot)
{
    int r;

    for (r = 0; r < RECORDS; r++) {
        if (b->owner[r] == slot + 1) {
            b->reason[r] = (uint8_t)(b->reason[r] & ~COUNTED);
        }
    }
    b->lost[slot] = 0;
    atomic_store_explicit(&b->dirty[slot], 0, memory_order_relaxed);
}

/* What the records of an address say about it and one token. */
typedef struct tally_t {
    unsigned count;     /* failures within the window */
    int seen;           /* this token among what was refused within it */
    int judged;         /* under the same policy */
    bearer_reason_t reason;
} tally_t;

static tally_t tally_records(const bucket_t *b, int slot, const mark_t *mark,
                             apr_interval_time_t window, apr_time_t now)
{
    tally_t tally = { 0, 0, 0, BEARER_OK };
    int r;

    for (r = 0; r < RECORDS; r++) {
        if (b->owner[r] != slot + 1 || !is_fresh(b->at[r], window, now)) {
            continue;
        }
        tally.count += (b->reason[r] & COUNTED) != 0;
        if (is_token(b, r, mark)) {
            tally.seen = 1;
            if (b->judged[r] == mark->judged) {
                tally.judged = 1;
                tally.reason = (bearer_reason_t)(b->reason[r] & REASON_MASK);
            }
        }
    }
    if (is_fresh(b->lost_at[slot], window, now)) {
        tally.count += b->lost[slot];
    }
    return tally;
}

/* ---- failures and successes ---------------------------------------------- */

static void start_penalty(bucket_t *b, int slot, apr_interval_time_t length,
                          apr_time_t now)
{
    clear_count(b, slot);
    atomic_store_explicit(&b->length[slot], (uint64_t)length,
                          memory_order_release);
    atomic_store_explicit(&b->until[slot], (uint64_t)(now + length),
                          memory_order_release);
}

/* 1: a penalty began. Flag held. */
static int count_failure(bucket_t *b, int slot, const mark_t *mark,
                         const bearer_throttle_settings_t *settings,
                         apr_time_t now)
{
    const int nameless = (mark->reason & NAMELESS) != 0;
    const tally_t tally = tally_records(b, slot, mark, settings->window, now);
    const int punished = penalty_left(b, slot, now) > 0;

    b->last[slot] = now;
    b->window[slot] = settings->window;
    if (punished || tally.seen) {
        if (!nameless && !tally.judged) {
            add_record(b, slot, mark, 0, now);
        }
        return 0;
    }
    if (tally.count + 1 >= (unsigned)settings->threshold) {
        start_penalty(b, slot, settings->penalty, now);
        add_record(b, slot, mark, 0, now);
        return 1;
    }
    atomic_store_explicit(&b->dirty[slot], 1, memory_order_relaxed);
    add_record(b, slot, mark, 1, now);
    return 0;
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
    if (!take_flag(place.bucket, now)) {
        return 0;
    }
    slot = take_slot(&place, now);
    if (slot >= 0) {
        started = count_failure(place.bucket, slot, &mark, settings, now);
    }
    release_flag(place.bucket, now);
    return started;
}

int bearer_throttle_remembers(bearer_throttle_t *throttle,
                              const unsigned char *key)
{
    place_t place;

    if (!throttle) {
        return 0;
    }
    place = locate(throttle, key);
    return find(&place) >= 0;
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
        return 0;  /* judged anew */
    }
    place = locate(throttle, key);
    if (find(&place) < 0 || !take_flag(place.bucket, now)) {
        return 0;
    }
    mark = mark_of(throttle, token, BEARER_OK);
    slot = find(&place);
    if (slot >= 0) {
        tally = tally_records(place.bucket, slot, &mark, settings->window, now);
    }
    release_flag(place.bucket, now);
    if (tally.judged) {
        *reason = tally.reason;
    }
    return tally.judged;
}

void bearer_throttle_success(bearer_throttle_t *throttle,
                             const unsigned char *key, apr_time_t now)
{
    place_t place;
    int slot;

    if (!throttle) {
        return;
    }
    place = locate(throttle, key);
    slot = find(&place);
    if (slot < 0
        || !atomic_load_explicit(&place.bucket->dirty[slot],
                                 memory_order_relaxed)
        || !take_flag(place.bucket, now)) {
        return;
    }
    slot = find(&place);
    if (slot >= 0) {
        clear_count(place.bucket, slot);
    }
    release_flag(place.bucket, now);
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
            if (atomic_load_explicit(&b->tag[i], memory_order_relaxed)) {
                *used += 1;
                *penalised += penalty_left(b, i, now) > 0;
            }
        }
    }
}
