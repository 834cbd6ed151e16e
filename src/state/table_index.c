/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * How records of a table are found: by key, by owner, by age, and by the address with
 * the most sessions; and how many proofs a token has. All of this is derived from the
 * records and rebuilt after an interrupted change. See table_inside.h.
 */
#include "state/table_inside.h"

/** Maximum number of an address's sessions that are checked for the one to remove. */
#define VICTIMS 64
/** Up to this number of chunks (1 MB), the proofs of a token are counted one by one before
 *  it is refused. */
#define SMALL 8192

/* ---- by key ------------------------------------------------------------- */

chunk_t bearer_table_find(const bearer_table_t *t, const unsigned char *key)
{
    chunk_t i = t->buckets[table_bucket(t, key)];

    while (i && memcmp(table_head(t, i)->key, key, BEARER_CACHE_KEY_SIZE) != 0) {
        i = table_head(t, i)->chain;
    }
    return i;
}

void bearer_table_link(bearer_table_t *t, chunk_t i)
{
    head_t *head = table_head(t, i);
    chunk_t *first = &t->buckets[table_bucket(t, head->key)];

    head->chain = *first;
    *first = i;
}

void bearer_table_unlink(bearer_table_t *t, chunk_t i)
{
    const head_t *head = table_head(t, i);
    chunk_t *at = &t->buckets[table_bucket(t, head->key)];

    while (*at && *at != i) {
        at = &table_head(t, *at)->chain;
    }
    if (*at) {
        *at = head->chain;
    }
}

/* ---- lists of sessions -------------------------------------------------- */

static void push(bearer_table_t *t, chunk_t *first, int list, chunk_t i)
{
    links_t *links = &table_owners(t, i)->lists[list];

    links->prev = 0;
    links->next = *first;
    if (*first) {
        table_owners(t, *first)->lists[list].prev = i;
    }
    *first = i;
}

static void pull(bearer_table_t *t, chunk_t *first, int list, chunk_t i)
{
    const links_t *links = &table_owners(t, i)->lists[list];

    if (links->prev) {
        table_owners(t, links->prev)->lists[list].next = links->next;
    } else {
        *first = links->next;
    }
    if (links->next) {
        table_owners(t, links->next)->lists[list].prev = links->prev;
    }
}

static chunk_t *list_of(const bearer_table_t *t, bearer_owner_t by,
                        const unsigned char *owner)
{
    apr_uint32_t n;

    memcpy(&n, owner, sizeof(n));
    return &t->by_owner[by][n & t->owner_mask];
}

static chunk_t seek(const bearer_table_t *t, bearer_owner_t by,
                    const unsigned char *owner, chunk_t i)
{
    while (i && memcmp(table_owners(t, i)->of.id[by], owner, BEARER_OWNER_SIZE)) {
        i = table_owners(t, i)->lists[by].next;
    }
    return i;
}

chunk_t bearer_table_first(const bearer_table_t *t, bearer_owner_t by,
                           const unsigned char *owner)
{
    return seek(t, by, owner, *list_of(t, by, owner));
}

chunk_t bearer_table_after(const bearer_table_t *t, bearer_owner_t by, chunk_t i)
{
    const owners_t *owners = table_owners(t, i);

    return seek(t, by, owners->of.id[by], owners->lists[by].next);
}

/* ---- by address --------------------------------------------------------- */

/* Adds at the end of the ring that begins with first; 0: a new ring. */
static void ring_add(bearer_table_t *t, chunk_t first, int ring, chunk_t i)
{
    links_t *links = &table_owners(t, i)->lists[ring], *other;

    if (!first) {
        links->next = links->prev = i;
        return;
    }
    other = &table_owners(t, first)->lists[ring];
    links->next = first;
    links->prev = other->prev;
    table_owners(t, other->prev)->lists[ring].next = i;
    other->prev = i;
}

/* Returns the next member; 0: it was the only one. */
static chunk_t ring_remove(bearer_table_t *t, int ring, chunk_t i)
{
    const links_t *links = &table_owners(t, i)->lists[ring];

    if (links->next == i) {
        return 0;
    }
    table_owners(t, links->prev)->lists[ring].next = links->next;
    table_owners(t, links->next)->lists[ring].prev = links->prev;
    return links->next;
}

static void rank(bearer_table_t *t, chunk_t i, apr_uint32_t count)
{
    chunk_t *first = &t->header->ranks[count < RANKS ? count : RANKS];

    table_owners(t, i)->count = count;
    ring_add(t, *first, RING_RANK, i);
    if (!*first) {
        *first = i;
    }
}

static void unrank(bearer_table_t *t, chunk_t i)
{
    apr_uint32_t count = table_owners(t, i)->count;
    chunk_t *first = &t->header->ranks[count < RANKS ? count : RANKS];
    chunk_t after = ring_remove(t, RING_RANK, i);

    if (*first == i) {
        *first = after;
    }
}

static void join_address(bearer_table_t *t, chunk_t i)
{
    owners_t *owners = table_owners(t, i);
    const unsigned char *address = owners->of.id[BEARER_OWNER_ADDRESS];
    chunk_t leader = bearer_table_first(t, BEARER_OWNER_ADDRESS, address);

    ring_add(t, leader, RING_MATES, i);
    if (!leader) {
        push(t, list_of(t, BEARER_OWNER_ADDRESS, address), LIST_ADDRESS, i);
        rank(t, i, 1);
        return;
    }
    owners->count = 0;
    unrank(t, leader);
    rank(t, leader, table_owners(t, leader)->count + 1);
}

static void leave_address(bearer_table_t *t, chunk_t i)
{
    owners_t *owners = table_owners(t, i);
    const unsigned char *address = owners->of.id[BEARER_OWNER_ADDRESS];
    chunk_t leader = bearer_table_first(t, BEARER_OWNER_ADDRESS, address);
    chunk_t mate = ring_remove(t, RING_MATES, i);
    apr_uint32_t n = table_owners(t, leader)->count - 1;

    unrank(t, leader);
    if (leader == i) {
        pull(t, list_of(t, BEARER_OWNER_ADDRESS, address), LIST_ADDRESS, i);
        leader = mate;
        if (leader) {
            push(t, list_of(t, BEARER_OWNER_ADDRESS, address), LIST_ADDRESS, leader);
        }
    }
    if (leader) {
        rank(t, leader, n);
    }
}

static chunk_t largest(const bearer_table_t *t, chunk_t but)
{
    chunk_t first, i, found = 0;
    int n = RANKS;

    while (n && !t->header->ranks[n]) {
        n--;
    }
    first = i = n ? t->header->ranks[n] : 0;
    while (i) {
        /* it has a session other than `but`, and more sessions than the best so far */
        if ((i != but || table_owners(t, i)->count > 1)
            && (!found || table_owners(t, i)->count > table_owners(t, found)->count)) {
            found = i;
        }
        i = table_owners(t, i)->lists[RING_RANK].next;
        if (i == first || (found && n < RANKS)) {
            break;
        }
    }
    return found;
}

chunk_t bearer_table_older(const bearer_table_t *t, chunk_t oldest, chunk_t i,
                           chunk_t but)
{
    return i != but
        && (!oldest || table_head(t, i)->touched < table_head(t, oldest)->touched)
        ? i : oldest;
}

/* A used session moves to the end of the ring, so the first was unused for
 * longest. After a rebuild the order of the ring may differ. */
chunk_t bearer_table_victim(const bearer_table_t *t, chunk_t but)
{
    chunk_t first = largest(t, but), i = first, oldest = 0;
    int looks = VICTIMS;

    if (!first) {
        return 0;
    }
    do {
        oldest = bearer_table_older(t, oldest, i, but);
        i = table_owners(t, i)->lists[RING_MATES].next;
    } while (i != first && --looks);
    return oldest;
}

/* ---- all lists ---------------------------------------------------------- */

static const unsigned char nobody[BEARER_OWNER_SIZE];

/* Adds the session to the lists of its owners, or removes it. */
static void change_lists(bearer_table_t *t, chunk_t i,
                         void (*change)(bearer_table_t *, chunk_t *, int, chunk_t))
{
    const owners_t *owners = table_owners(t, i);
    int by;

    for (by = 0; by < BEARER_OWNER_ADDRESS; by++) {
        if (memcmp(owners->of.id[by], nobody, sizeof(nobody))) {
            change(t, list_of(t, (bearer_owner_t)by, owners->of.id[by]), by, i);
        }
    }
}

static queue_t *queue_of(const bearer_table_t *t, const head_t *head)
{
    int queue = table_queue(head->kind);

    return queue < 0 ? NULL : &t->header->queues[queue];
}

static void enqueue(bearer_table_t *t, queue_t *q, chunk_t i)
{
    head_t *head = table_head(t, i);

    head->newer = 0;
    head->older = q->newest;
    *(q->newest ? &table_head(t, q->newest)->newer : &q->oldest) = i;
    q->newest = i;
    q->chunks += table_chunks_of(head);
}

static void dequeue(bearer_table_t *t, queue_t *q, chunk_t i)
{
    const head_t *head = table_head(t, i);

    *(head->older ? &table_head(t, head->older)->newer : &q->oldest) = head->newer;
    *(head->newer ? &table_head(t, head->newer)->older : &q->newest) = head->older;
    q->chunks -= table_chunks_of(head);
}

/* Each part of the digest selects a number. */
static chunk_t *number_of(const bearer_table_t *t, const unsigned char *token, int by)
{
    return list_of(t, (bearer_owner_t)by, token + (apr_size_t)by * sizeof(apr_uint32_t));
}

/* A small table has so few numbers that many tokens meet in each; it is counted quickly. */
static apr_uint32_t count_all(const bearer_table_t *t, const unsigned char *token)
{
    apr_uint32_t n = 0;
    chunk_t i;

    for (i = 1; i < t->header->fresh; i++) {
        n += t->kinds[i] == CHUNK_HEAD
            && !memcmp(table_head(t, i)->value, token, BEARER_OWNER_SIZE);
    }
    return n;
}

apr_uint32_t bearer_table_proofs_of(const bearer_table_t *t, const unsigned char *token)
{
    apr_uint32_t least = *number_of(t, token, 0);
    int by;

    for (by = 1; by < BEARER_OWNERS; by++) {
        const apr_uint32_t n = *number_of(t, token, by);

        least = n < least ? n : least;
    }
    return least >= t->each && t->header->chunks <= SMALL ? count_all(t, token) : least;
}

static void count_proof(bearer_table_t *t, const head_t *head, int sign)
{
    int by;

    for (by = 0; by < BEARER_OWNERS; by++) {
        *number_of(t, head->value, by) += (apr_uint32_t)sign;
    }
}

static void count(bearer_table_t *t, const head_t *head, int sign)
{
    header_t *h = t->header;

    if (t->each) {
        count_proof(t, head, sign);
    }
    atomic_fetch_add_explicit(table_is_owned(head) ? &h->sessions : &h->others,
                              (apr_uint64_t)(apr_int64_t)sign, memory_order_relaxed);
}

void bearer_table_enlist(bearer_table_t *t, chunk_t i)
{
    const head_t *head = table_head(t, i);
    queue_t *q = queue_of(t, head);

    if (table_is_owned(head)) {
        change_lists(t, i, push);
        join_address(t, i);
    }
    if (q) {
        enqueue(t, q, i);
    }
    if (head->expires < t->header->soonest) {
        t->header->soonest = head->expires;
    }
    count(t, head, 1);
}

void bearer_table_delist(bearer_table_t *t, chunk_t i)
{
    const head_t *head = table_head(t, i);
    queue_t *q = queue_of(t, head);

    if (table_is_owned(head)) {
        change_lists(t, i, pull);
        leave_address(t, i);
    }
    if (q) {
        dequeue(t, q, i);
    }
    count(t, head, -1);
}
