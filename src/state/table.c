/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The operations of table.h: reading and changing records, and the room for them. For
 * layout and locks see table_inside.h; for finding records, table_index.c.
 */
#include "state/table_inside.h"

/** Number of chunks checked for expired records, at each change and by sweep. */
#define SWEEP 32
#define SWEEP_MORE 1024
/** Minimum time between two checks of all chunks if there is no room. */
#define SWEEP_AGAIN apr_time_from_sec(1)
/** The fractions of the chunks reserved for attempts and for logouts: one in this many. */
#define ATTEMPTS 16
#define LOGOUTS 64
/** Bytes of the block per chunk: the chunk, its kind, its next, and a part of the buckets. */
#define CHUNK_COST (CHUNK + 7)

/* ---- layout ------------------------------------------------------------- */

#define ALIGNED(n) (((n) + CHUNK - 1) / CHUNK * CHUNK)
#define FIXED (ALIGNED(sizeof(header_t)) + ALIGNED(sizeof(stripe_t) * STRIPES) \
               + (3 + BEARER_OWNERS) * CHUNK)

static apr_uint32_t chunks_of(apr_uint64_t size)
{
    return (apr_uint32_t)((size - FIXED) / CHUNK_COST);
}

static apr_uint32_t reserve_of(apr_uint32_t chunks)
{
    apr_uint32_t most = table_chunks(BEARER_TABLE_VALUE, 1);

    return chunks / 8 < most ? chunks / 8 : most;
}

/* Returns the largest power of two up to n. */
static apr_uint32_t power(apr_uint32_t n)
{
    while (n & (n - 1)) {
        n &= n - 1;
    }
    return n;
}

static void *part(char **at, apr_size_t size)
{
    void *begin = *at;

    *at += ALIGNED(size);
    return begin;
}

static void lay_out(bearer_table_t *t, char *at, apr_uint32_t chunks)
{
    apr_uint32_t buckets = power(chunks / 4), owners = power(chunks / 16);
    int i;

    t->header = part(&at, sizeof(header_t));
    t->stripes = part(&at, sizeof(stripe_t) * STRIPES);
    t->buckets = part(&at, sizeof(chunk_t) * buckets);
    for (i = 0; i < BEARER_OWNERS; i++) {
        t->by_owner[i] = part(&at, sizeof(chunk_t) * owners);
    }
    t->kinds = part(&at, chunks);
    t->next = part(&at, sizeof(chunk_t) * chunks);
    t->chunks = part(&at, 0);
    t->bucket_mask = buckets - 1;
    t->owner_mask = owners - 1;
    t->shares[QUEUE_ATTEMPTS] = chunks / ATTEMPTS;
    t->shares[QUEUE_LOGOUTS] = chunks / LOGOUTS;
    t->reserve = reserve_of(chunks);
}

/* The number of chunks for proofs; the first one is not used. */
static apr_uint32_t chunks_of_proofs(apr_uint64_t size)
{
    return chunks_of(size) - 1 - reserve_of(chunks_of(size));
}

static apr_uint32_t layout_of(const bearer_table_t *t)
{
    return t->each ? LAYOUT_PROOFS : LAYOUT;
}

static apr_status_t begin_block(bearer_table_t *t, apr_size_t size)
{
    header_t *h = t->header;
    apr_status_t rv = bearer_table_make_lock(&h->change);
    int i;

    for (i = 0; i < STRIPES && rv == APR_SUCCESS; i++) {
        rv = bearer_table_make_lock(&t->stripes[i].lock);
    }
    h->layout = layout_of(t);
    h->size = size;
    h->chunks = chunks_of(size);
    h->fresh = h->hand = 1;
    if (rv == APR_SUCCESS) {
        memcpy(h->magic, MAGIC, sizeof(h->magic));
    }
    return rv;
}

static apr_status_t attach(bearer_table_t **table, void *block, apr_size_t size,
                           int of_proofs, apr_pool_t *p)
{
    static const char nothing[sizeof(((header_t *)0)->magic)];
    bearer_table_t *t;

    *table = NULL;
    if (size < BEARER_TABLE_MIN || size > BEARER_TABLE_MAX
        || (apr_uintptr_t)block % CHUNK) {
        return APR_EINVAL;
    }
    *table = t = apr_pcalloc(p, sizeof(*t));
    lay_out(t, block, chunks_of(size));
    if (of_proofs) {
        memset(t->shares, 0, sizeof(t->shares));
        t->each = chunks_of_proofs(size) / BEARER_TABLE_TOKENS;
    }
    if (!memcmp(t->header->magic, nothing, sizeof(nothing))) {
        return begin_block(t, size);
    }
    return !memcmp(t->header->magic, MAGIC, sizeof(t->header->magic))
        && t->header->layout == layout_of(t) && t->header->size == size
        ? APR_SUCCESS : APR_EMISMATCH;
}

apr_status_t bearer_table_attach(bearer_table_t **table, void *block,
                                 apr_size_t size, apr_pool_t *p)
{
    return attach(table, block, size, 0, p);
}

apr_status_t bearer_table_attach_proofs(bearer_table_t **table, void *block,
                                        apr_size_t size, apr_pool_t *p)
{
    return attach(table, block, size, 1, p);
}

apr_uint64_t bearer_table_room_for_proofs(apr_uint64_t size)
{
    return size < BEARER_TABLE_MIN ? 0 : chunks_of_proofs(size);
}

apr_uint64_t bearer_table_room(apr_uint64_t size, apr_size_t len)
{
    apr_uint32_t chunks = chunks_of(size);

    return size < BEARER_TABLE_MIN ? 0
        : (chunks - 1 - chunks / ATTEMPTS - chunks / LOGOUTS - reserve_of(chunks))
        / table_chunks(len, 1);
}

/* ---- room --------------------------------------------------------------- */

/* Removes a record. */
static apr_status_t drop(bearer_table_t *t, chunk_t i)
{
    head_t *head = table_head(t, i);
    stripe_t *stripe = table_stripe(t, head->key);

    if (bearer_table_enter(t, stripe, 1) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    bearer_table_commit(head, 0);
    bearer_table_unlink(t, i);
    bearer_table_leave(stripe);
    bearer_table_delist(t, i);
    bearer_table_release(t, i);
    return APR_SUCCESS;
}

/* Checks n chunks from i on; returns the first one not checked. */
static chunk_t sweep(bearer_table_t *t, chunk_t i, apr_uint32_t n, apr_time_t now,
                     apr_int64_t *soonest)
{
    for (; n && i < t->header->fresh; n--, i++) {
        if (t->kinds[i] != CHUNK_HEAD) {
            continue;
        }
        if (table_head(t, i)->expires > now) {
            *soonest = table_head(t, i)->expires < *soonest
                ? table_head(t, i)->expires : *soonest;
        } else if (drop(t, i) != APR_SUCCESS) {
            *soonest = 0;
        }
    }
    return i;
}

static void sweep_on(bearer_table_t *t, apr_uint32_t n, apr_time_t now)
{
    header_t *h = t->header;
    apr_int64_t unused = 0;

    h->hand = sweep(t, h->hand, n, now, &unused);
    if (h->hand >= h->fresh) {
        h->hand = 1;
    }
}

/* Called rarely: a large block takes a while, and no other thread can change it meanwhile. */
static void sweep_all(bearer_table_t *t, apr_time_t now)
{
    header_t *h = t->header;
    apr_int64_t soonest = APR_INT64_MAX;

    if (now >= h->soonest && (now - h->swept >= SWEEP_AGAIN || now < h->swept)) {
        sweep(t, 1, h->fresh, now, &soonest);
        h->soonest = soonest;
        h->swept = now;
    }
}

static apr_uint32_t chunks_free(const bearer_table_t *t)
{
    /* chunk 0 is not used */
    return t->header->chunks - 1
        - (apr_uint32_t)atomic_load_explicit(&t->header->used, memory_order_relaxed);
}

/* Returns the unused part of a queue's share. */
static apr_uint32_t unused(const bearer_table_t *t, int queue)
{
    apr_uint32_t chunks = t->header->queues[queue].chunks;

    return chunks < t->shares[queue] ? t->shares[queue] - chunks : 0;
}

/* Returns the chunks that a record of that kind may take. Logouts may exceed their
 * share while no other kind needs the room. */
static apr_uint32_t room_for(const bearer_table_t *t, bearer_kept_t kind)
{
    apr_uint32_t own = unused(t, QUEUE_ATTEMPTS), room = chunks_free(t);
    apr_uint32_t others = t->reserve + own + unused(t, QUEUE_LOGOUTS);

    if (kind == BEARER_KEPT_ATTEMPT) {
        return own;
    }
    own = kind == BEARER_KEPT_LOGOUT ? unused(t, QUEUE_LOGOUTS) : 0;
    return own + (room > others ? room - others : 0);
}

/* Returns the record to remove for a new record of that kind; 0: none. */
static chunk_t who_goes(const bearer_table_t *t, bearer_kept_t kind, chunk_t but)
{
    const queue_t *logouts = &t->header->queues[QUEUE_LOGOUTS];
    int queue = table_queue(kind);
    chunk_t i;

    if (queue < 0) {
        return logouts->chunks > t->shares[QUEUE_LOGOUTS] ? logouts->oldest
                                                          : bearer_table_victim(t, but);
    }
    i = t->header->queues[queue].oldest;
    return i == but ? table_head(t, i)->newer : i;
}

/* Makes room for n more chunks; `but` stays. */
static apr_status_t make_room(bearer_table_t *t, bearer_kept_t kind, apr_uint32_t n,
                              chunk_t but, apr_time_t now)
{
    if (room_for(t, kind) < n) {
        sweep_all(t, now);
    }
    while (room_for(t, kind) < n) {
        chunk_t i = who_goes(t, kind, but);
        int is_session = i && table_is_owned(table_head(t, i));

        if (!i) {
            atomic_fetch_add_explicit(&t->header->refused, 1, memory_order_relaxed);
            return APR_ENOSPC;
        }
        if (drop(t, i) != APR_SUCCESS) {
            return APR_EGENERAL;
        }
        if (is_session) {
            atomic_fetch_add_explicit(&t->header->evicted, 1, memory_order_relaxed);
        }
    }
    return APR_SUCCESS;
}

/* Limits the sessions of a user; the latest ones stay. */
static void bound(bearer_table_t *t, chunk_t newest)
{
    const unsigned char *subject = table_owners(t, newest)->of.id[BEARER_OWNER_SUBJECT];
    chunk_t i = bearer_table_first(t, BEARER_OWNER_SUBJECT, subject), oldest = 0;
    unsigned n = 0;

    for (; i; i = bearer_table_after(t, BEARER_OWNER_SUBJECT, i)) {
        n++;
        oldest = bearer_table_older(t, oldest, i, newest);
    }
    if (n > BEARER_TABLE_EACH && drop(t, oldest) == APR_SUCCESS) {
        atomic_fetch_add_explicit(&t->header->surplus, 1, memory_order_relaxed);
    }
}

/* ---- reading ------------------------------------------------------------ */

apr_status_t bearer_table_get(bearer_table_t *t, const unsigned char *key,
                              apr_time_t now, unsigned char **value,
                              apr_size_t *len, apr_pool_t *p)
{
    stripe_t *stripe = table_stripe(t, key);
    unsigned char kind = BEARER_KEPT_MARK;
    apr_uint32_t sum = 0;
    chunk_t i;

    if (bearer_table_enter(t, stripe, 0) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    i = bearer_table_find(t, key);
    if (i && table_head(t, i)->expires <= now) {
        i = 0;
    }
    if (i) {
        *len = table_head(t, i)->len;
        *value = apr_palloc(p, *len + 1);
        bearer_table_copy(t, i, *value);
        sum = table_head(t, i)->sum;
        kind = table_head(t, i)->kind;
    }
    pthread_mutex_unlock(&stripe->lock);
    if (!i) {
        return APR_NOTFOUND;
    }
    /* this code never changes a value; the check detects other writers */
    return kind == BEARER_KEPT_SESSION || sum == bearer_table_sum(*value, *len)
        ? APR_SUCCESS : APR_EGENERAL;
}

/* ---- changing ----------------------------------------------------------- */

/* Replaces old, if there is one, so that readers see one record at any time. */
static apr_status_t publish(bearer_table_t *t, chunk_t i, chunk_t old)
{
    stripe_t *stripe = table_stripe(t, table_head(t, i)->key);

    if (bearer_table_enter(t, stripe, 1) != APR_SUCCESS) {
        bearer_table_release(t, i);
        return APR_EGENERAL;
    }
    bearer_table_commit(table_head(t, i), COMMITTED);
    if (old) {
        bearer_table_commit(table_head(t, old), 0);
        bearer_table_unlink(t, old);
    }
    bearer_table_link(t, i);
    bearer_table_leave(stripe);
    if (old) {
        bearer_table_delist(t, old);
        bearer_table_release(t, old);
    }
    bearer_table_enlist(t, i);
    return APR_SUCCESS;
}

static apr_status_t keep(bearer_table_t *t, int may, const unsigned char *key,
                         const bearer_cache_entry_t *entry, apr_time_t now)
{
    apr_uint32_t n = table_chunks(entry->len, entry->owners != NULL), has = 0;
    chunk_t old = bearer_table_find(t, key), i;
    apr_status_t rv = APR_SUCCESS;

    if (old && table_head(t, old)->expires <= now) {
        rv = drop(t, old);
        old = 0;
    }
    if (rv != APR_SUCCESS || !(may & (old ? BEARER_TABLE_OLD : BEARER_TABLE_NEW))) {
        return rv != APR_SUCCESS ? rv : old ? APR_EEXIST : APR_NOTFOUND;
    }
    if (old) {
        n = table_chunks(entry->len, table_is_owned(table_head(t, old)));
        has = table_chunks_of(table_head(t, old));
    }
    if (n > has) {
        rv = make_room(t, entry->kind, n - has, old, now);
    }
    if (rv == APR_SUCCESS) {
        i = bearer_table_compose(t, key, entry, old, now);
        rv = publish(t, i, old);
        if (rv == APR_SUCCESS && !old && entry->owners) {
            bound(t, i);
        }
    }
    return rv;
}

apr_status_t bearer_table_keep(bearer_table_t *t, int may, const unsigned char *key,
                               const bearer_cache_entry_t *entry, apr_time_t now)
{
    apr_status_t rv;

    if (entry->len > BEARER_TABLE_VALUE || t->each || entry->kind == BEARER_KEPT_PROOF
        || table_chunks(entry->len, 1) > t->reserve) {
        return APR_EINVAL;
    }
    rv = bearer_table_begin(t);
    if (rv == APR_SUCCESS) {
        rv = keep(t, may, key, entry, now);
        sweep_on(t, SWEEP, now);
        bearer_table_finish(t);
    }
    return rv;
}

/* Expired records still count until they are removed. */
static int has_its_share(bearer_table_t *t, const unsigned char *token, apr_time_t now)
{
    if (bearer_table_proofs_of(t, token) >= t->each) {
        sweep_all(t, now);
    }
    return bearer_table_proofs_of(t, token) >= t->each;
}

/* The token's share is looked at last: a proof that was used before is told as such. */
static apr_status_t use(bearer_table_t *t, const unsigned char *id,
                        const bearer_cache_entry_t *entry, apr_time_t now)
{
    const chunk_t i = bearer_table_find(t, id);

    if (i && table_head(t, i)->expires > now) {
        return APR_EEXIST;
    }
    if (has_its_share(t, entry->value, now)) {
        atomic_fetch_add_explicit(&t->header->surplus, 1, memory_order_relaxed);
        return APR_EBUSY;
    }
    return keep(t, BEARER_TABLE_NEW, id, entry, now);
}

apr_status_t bearer_table_use(bearer_table_t *t, const unsigned char *id,
                              const unsigned char *token, apr_time_t expires,
                              apr_time_t now)
{
    const bearer_cache_entry_t entry = { BEARER_KEPT_PROOF, token, BEARER_OWNER_SIZE,
                                         expires, NULL, 0 };
    apr_status_t rv = t->each ? bearer_table_begin(t) : APR_EINVAL;

    if (rv == APR_SUCCESS) {
        rv = use(t, id, &entry, now);
        sweep_on(t, SWEEP, now);
        bearer_table_finish(t);
    }
    return rv;
}

apr_status_t bearer_table_remove(bearer_table_t *t, const unsigned char *key)
{
    apr_status_t rv = bearer_table_begin(t);
    chunk_t i;

    if (rv == APR_SUCCESS) {
        i = bearer_table_find(t, key);
        rv = i ? drop(t, i) : APR_NOTFOUND;
        bearer_table_finish(t);
    }
    return rv;
}

apr_status_t bearer_table_end(bearer_table_t *t, bearer_owner_t by,
                              const unsigned char *owner, unsigned *ended)
{
    apr_status_t rv = bearer_table_begin(t);
    unsigned n = 0;
    chunk_t i;

    if (rv == APR_SUCCESS) {
        while (rv == APR_SUCCESS && (i = bearer_table_first(t, by, owner)) != 0) {
            rv = drop(t, i);
            n += rv == APR_SUCCESS;
        }
        bearer_table_finish(t);
    }
    if (ended) {
        *ended = n;
    }
    return rv;
}

apr_status_t bearer_table_owned(bearer_table_t *t, bearer_owner_t by,
                                const unsigned char *owner, unsigned char *key)
{
    apr_status_t rv = bearer_table_begin(t);
    chunk_t i;

    if (rv == APR_SUCCESS) {
        i = bearer_table_first(t, by, owner);
        if (i) {
            memcpy(key, table_head(t, i)->key, BEARER_CACHE_KEY_SIZE);
        }
        bearer_table_finish(t);
        rv = i ? APR_SUCCESS : APR_NOTFOUND;
    }
    return rv;
}

/* ---- other operations --------------------------------------------------- */

void bearer_table_sweep(bearer_table_t *t, apr_time_t now)
{
    if (bearer_table_begin(t) == APR_SUCCESS) {
        sweep_on(t, SWEEP_MORE, now);
        bearer_table_finish(t);
    }
}

void bearer_table_stats(const bearer_table_t *t, bearer_table_stats_t *out)
{
    header_t *h = t->header;

    out->size = h->size;
    out->sessions = atomic_load(&h->sessions);
    out->others = atomic_load(&h->others);
    out->used = atomic_load(&h->used);
    out->all = h->chunks;
    out->evicted = atomic_load(&h->evicted);
    out->surplus = atomic_load(&h->surplus);
    out->refused = atomic_load(&h->refused);
    out->repaired = atomic_load(&h->repaired);
}

int bearer_table_is_short(bearer_table_t *t, apr_time_t now,
                          apr_interval_time_t every, apr_uint64_t *evicted,
                          apr_uint64_t *refused)
{
    header_t *h = t->header;
    apr_int64_t told = atomic_load(&h->told);

    *evicted = atomic_load(&h->evicted);
    *refused = atomic_load(&h->refused);
    if ((*evicted == atomic_load(&h->told_evicted)
         && *refused == atomic_load(&h->told_refused))
        || (now - told < every && now >= told)
        || !atomic_compare_exchange_strong(&h->told, &told, now)) {
        return 0;
    }
    *evicted -= atomic_exchange(&h->told_evicted, *evicted);
    *refused -= atomic_exchange(&h->told_refused, *refused);
    return 1;
}
