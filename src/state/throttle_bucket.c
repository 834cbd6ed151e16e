/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * One bucket of the throttle's table: addresses in slots, refused tokens in records.
 * See throttle_inside.h.
 */
#include "state/throttle_inside.h"

/* Number of attempts to take the flag: some microseconds. */
#define TRIES 100

/* ---- finding ------------------------------------------------------------- */

int bearer_bucket_is_at(const place_t *place, int i)
{
    const bucket_t *b = place->bucket;

    return LOAD(b->hi[i], acquire) == place->hi
           && LOAD(b->lo[i], acquire) == place->lo;
}

int bearer_bucket_find(const place_t *place)
{
    const bucket_t *b = place->bucket;
    uint64_t used = LOAD(b->used, acquire);
    int i;

    for (i = 0; used; i++, used >>= 1) {
        if ((used & 1) && LOAD(b->tag[i], acquire) == place->tag
            && bearer_bucket_is_at(place, i)) {
            return i;
        }
    }
    return -1;
}

apr_interval_time_t bearer_bucket_penalty(const bucket_t *b, int i, apr_time_t now)
{
    const apr_time_t until = (apr_time_t)LOAD(b->until[i], acquire);
    apr_interval_time_t length;

    if (until <= now) {
        return 0;
    }
    length = (apr_interval_time_t)LOAD(b->length[i], acquire);
    if (until - now > length + CLOCK_SLACK) {
        return 0;
    }
    return until - now < length ? until - now : length;
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

int bearer_bucket_take(bucket_t *b, apr_time_t now)
{
    const uint64_t mine = (uint64_t)now | 1;
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        uint64_t seen = LOAD(b->flag, relaxed);

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

void bearer_bucket_release(bucket_t *b, apr_time_t now)
{
    uint64_t mine = (uint64_t)now | 1;

    /* Fails if another thread assumed that this one had died and took the flag. */
    atomic_compare_exchange_strong_explicit(&b->flag, &mine, 0,
                                            memory_order_release,
                                            memory_order_relaxed);
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

/* Returns a free slot, else the one idle for longest, but never one under a penalty. */
static int choose_slot(const bucket_t *b, apr_time_t now)
{
    int i, best = -1;

    for (i = 0; i < SLOTS; i++) {
        if (LOAD(b->tag[i], relaxed) == 0) {
            return i;
        }
        if (bearer_bucket_penalty(b, i, now) == 0
            && (best < 0 || b->last[i] < b->last[best])) {
            best = i;
        }
    }
    return best;
}

int bearer_bucket_slot(const place_t *place, apr_time_t now)
{
    bucket_t *b = place->bucket;
    int i = bearer_bucket_find(place);

    if (i >= 0) {
        return i;
    }
    i = choose_slot(b, now);
    if (i < 0) {
        return -1;
    }
    STORE(b->tag[i], 0, release);
    atomic_fetch_or_explicit(&b->used, UINT64_C(1) << i, memory_order_release);
    STORE(b->until[i], 0, release);
    STORE(b->dirty[i], 0, relaxed);
    free_records(b, i);
    b->lost[i] = 0;
    b->lost_at[i] = 0;
    STORE(b->hi[i], place->hi, release);
    STORE(b->lo[i], place->lo, release);
    STORE(b->tag[i], place->tag, release);
    return i;
}

/* ---- records (flag held) ------------------------------------------------- */

static int is_fresh(apr_time_t at, apr_interval_time_t window, apr_time_t now)
{
    return now - at < window && at - now < CLOCK_SLACK;
}

static int is_token(const bucket_t *b, int r, const mark_t *mark)
{
    return b->token[r] == mark->token && !(b->reason[r] & NAMELESS);
}

/* Removes a record; its failure still counts. */
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

/* Order in which records are removed: those that no longer count, those of the
 * same address (if it has half of the bucket), all. */
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

void bearer_bucket_clear(bucket_t *b, int slot)
{
    int r;

    for (r = 0; r < RECORDS; r++) {
        if (b->owner[r] == slot + 1) {
            b->reason[r] = (uint8_t)(b->reason[r] & ~COUNTED);
        }
    }
    b->lost[slot] = 0;
    STORE(b->dirty[slot], 0, relaxed);
}

void bearer_bucket_tally(tally_t *tally, const bucket_t *b, int slot,
                         const mark_t *mark, apr_interval_time_t window,
                         apr_time_t now)
{
    int r;

    memset(tally, 0, sizeof(*tally));
    for (r = 0; r < RECORDS; r++) {
        if (b->owner[r] != slot + 1 || !is_fresh(b->at[r], window, now)) {
            continue;
        }
        tally->count += (b->reason[r] & COUNTED) != 0;
        if (is_token(b, r, mark)) {
            tally->seen = 1;
            if (b->judged[r] == mark->judged) {
                tally->judged = 1;
                tally->reason = (bearer_reason_t)(b->reason[r] & REASON_MASK);
            }
        }
    }
    if (is_fresh(b->lost_at[slot], window, now)) {
        tally->count += b->lost[slot];
    }
}

/* ---- failures ------------------------------------------------------------ */

static void start_penalty(bucket_t *b, int slot, apr_interval_time_t length,
                          apr_time_t now)
{
    bearer_bucket_clear(b, slot);
    STORE(b->length[slot], (uint64_t)length, release);
    STORE(b->until[slot], (uint64_t)(now + length), release);
}

int bearer_bucket_fail(bucket_t *b, int slot, const mark_t *mark,
                       const bearer_throttle_settings_t *settings, apr_time_t now)
{
    const int nameless = (mark->reason & NAMELESS) != 0;
    const int punished = bearer_bucket_penalty(b, slot, now) > 0;
    tally_t tally;

    bearer_bucket_tally(&tally, b, slot, mark, settings->window, now);
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
    STORE(b->dirty[slot], 1, relaxed);
    add_record(b, slot, mark, 1, now);
    return 0;
}
