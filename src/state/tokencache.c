/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The cache of verified tokens. The states of an entry, in its one atomic word:
 *
 *   EMPTY --put--> BUSY ----> VALID --drop--> DEAD --last release--> EMPTY
 *                   ^           |
 *                   +--evict----+ only without references
 *
 * References are only taken from VALID. A thread that changes EMPTY or an
 * unreferenced VALID to BUSY, or that releases the last reference of DEAD, therefore
 * has exclusive access to the entry.
 */
#include "state/tokencache.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Tags of a set fill one cache line. */
#define WAYS 8
#define ENTRIES_MAX (1u << 20)

#define ALIGNMENT _Alignof(max_align_t)

/* States; the lower half of the word counts references. */
#define EMPTY UINT64_C(0)
#define VALID (UINT64_C(1) << 32)
#define DEAD (UINT64_C(2) << 32)
#define BUSY (UINT64_C(4) << 32)

struct bearer_tokencache_entry_t {
    _Atomic uint64_t state;
    _Atomic size_t bytes;
    _Atomic uint8_t used;         /* since the clock hand passed */
    unsigned char key[BEARER_SHA256_SIZE];
    bearer_principal_t *principal; /* one piece of memory, without the claims */
    apr_uint64_t generation;
    apr_time_t valid_until;
    _Atomic(void *) attached;
    void (*release)(void *thing);  /* of attached; read only with exclusive access */
};

typedef struct set_t {
    _Atomic uint64_t tags[WAYS];  /* first bytes of the keys, for the search */
    _Atomic unsigned hand;
    _Atomic uint64_t hits, misses, evictions;
    bearer_tokencache_entry_t entries[WAYS];
} set_t;

/* Notes for each way. */
#define NOTES 4

struct bearer_tokencache_t {
    uint32_t count;
    set_t *sets;
    _Atomic uint64_t *notes;  /* bytes of keys; 0: none */
};

/* ---- copies of principals ------------------------------------------------ */

/* Memory allocated in order; without memory it only measures. */
typedef struct arena_t {
    char *memory;
    apr_size_t at;
} arena_t;

static void *take(arena_t *arena, apr_size_t size)
{
    void *place = arena->memory ? arena->memory + arena->at : NULL;

    arena->at += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return place;
}

static const char *copy_string(arena_t *arena, const char *s)
{
    const apr_size_t size = s ? strlen(s) + 1 : 0;
    char *copy = s ? take(arena, size) : NULL;

    return copy ? memcpy(copy, s, size) : NULL;
}

static const apr_array_header_t *copy_strings(arena_t *arena,
                                              const apr_array_header_t *list)
{
    const int n = list ? list->nelts : 0;
    apr_array_header_t *copy = list ? take(arena, sizeof(*copy)) : NULL;
    const char **strings = take(arena, (apr_size_t)n * sizeof(*strings));
    int i;

    for (i = 0; i < n; i++) {
        const char *s = copy_string(arena, APR_ARRAY_IDX(list, i, const char *));

        if (strings) {
            strings[i] = s;
        }
    }
    if (copy) {
        copy->pool = NULL;
        copy->elt_size = (int)sizeof(*strings);
        copy->nelts = copy->nalloc = n;
        copy->elts = (char *)strings;
    }
    return copy;
}

/* Copies everything except the claims; returns NULL when measuring. */
static bearer_principal_t *copy_flat(arena_t *arena,
                                     const bearer_principal_t *from)
{
    bearer_principal_t *to = take(arena, sizeof(*to));
    bearer_principal_t copy = *from;

    copy.method = copy_string(arena, from->method);
    copy.user = copy_string(arena, from->user);
    copy.user_value = copy_string(arena, from->user_value);
    copy.iss = copy_string(arena, from->iss);
    copy.client = copy_string(arena, from->client);
    copy.jti = copy_string(arena, from->jti);
    copy.scope = copy_string(arena, from->scope);
    copy.scopes = copy_strings(arena, from->scopes);
    copy.roles = copy_strings(arena, from->roles);
    copy.groups = copy_strings(arena, from->groups);
    copy.dropped = copy_strings(arena, from->dropped);
    copy.exported_env = copy_strings(arena, from->exported_env);
    copy.exported_headers = copy_strings(arena, from->exported_headers);
    copy.left_out = NULL;  /* logged when the token arrived */
    copy.claims = NULL;
    if (to) {
        *to = copy;
    }
    return to;
}

/* Returns the approximate memory of a JSON value, rather too high: jansson's
 * structures and an allocator's overhead. Stops counting beyond the limit. */
static apr_size_t json_size(json_t *value, apr_size_t limit)
{
    apr_size_t size = 48;
    const char *name;
    json_t *member;
    size_t i;

    if (json_is_string(value)) {
        return size + json_string_length(value);
    }
    if (json_is_array(value)) {
        size += 64 + 16 * json_array_size(value);
        json_array_foreach(value, i, member) {
            if (size > limit) {
                return size;
            }
            size += json_size(member, limit - size);
        }
    } else if (json_is_object(value)) {
        size += 192;
        json_object_foreach(value, name, member) {
            size += 112 + strlen(name);
            if (size > limit) {
                return size;
            }
            size += json_size(member, limit - size);
        }
    }
    return size;
}

static void free_kept(bearer_principal_t *principal)
{
    if (principal) {
        json_decref(principal->claims);
        free(principal);
    }
}

/* Returns NULL if it is too large or memory is short. */
static bearer_principal_t *make_kept(const bearer_principal_t *from,
                                     apr_size_t *bytes)
{
    bearer_principal_t *principal;
    arena_t arena = { NULL, 0 };
    apr_size_t flat;

    copy_flat(&arena, from);
    flat = arena.at;
    if (flat > BEARER_TOKENCACHE_ENTRY_MAX) {
        return NULL;
    }
    *bytes = flat + json_size(from->claims, BEARER_TOKENCACHE_ENTRY_MAX - flat);
    if (*bytes > BEARER_TOKENCACHE_ENTRY_MAX) {
        return NULL;
    }
    arena.memory = malloc(flat);
    arena.at = 0;
    if (!arena.memory) {
        return NULL;
    }
    principal = copy_flat(&arena, from);
    principal->claims = json_deep_copy(from->claims);
    if (!principal->claims) {
        free_kept(principal);
        return NULL;
    }
    return principal;
}

/* ---- references ---------------------------------------------------------- */

/* Returns 1 if the entry was valid; it stays unchanged until it is released. */
static int hold(bearer_tokencache_entry_t *entry)
{
    uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed);

    while (state & VALID) {
        if (atomic_compare_exchange_weak_explicit(
                &entry->state, &state, state + 1, memory_order_acquire,
                memory_order_relaxed)) {
            return 1;
        }
    }
    return 0;
}

/* Frees what the entry owns. The caller must have exclusive access to it. */
static void clear(bearer_tokencache_entry_t *entry)
{
    void *thing = atomic_load_explicit(&entry->attached, memory_order_relaxed);

    if (thing) {
        entry->release(thing);
        atomic_store_explicit(&entry->attached, NULL, memory_order_relaxed);
    }
    free_kept(entry->principal);
    entry->principal = NULL;
}

/* The caller must have exclusive access to the entry. */
static void empty(bearer_tokencache_entry_t *entry)
{
    clear(entry);
    atomic_store_explicit(&entry->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->state, EMPTY, memory_order_release);
}

void bearer_tokencache_release(bearer_tokencache_entry_t *entry)
{
    if (entry
        && atomic_fetch_sub_explicit(&entry->state, 1, memory_order_acq_rel)
               == DEAD + 1) {
        empty(entry);
    }
}

void bearer_tokencache_drop(bearer_tokencache_entry_t *entry)
{
    uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed);

    while (state & VALID
           && !atomic_compare_exchange_weak_explicit(
               &entry->state, &state, (state & ~VALID) | DEAD,
               memory_order_acq_rel, memory_order_relaxed)) {
    }
}

apr_uint64_t
bearer_tokencache_generation(const bearer_tokencache_entry_t *entry)
{
    return entry->generation;
}

int bearer_tokencache_attach(bearer_tokencache_entry_t *entry, void *thing,
                             void (*release)(void *thing))
{
    void *none = NULL;

    if (!atomic_compare_exchange_strong_explicit(&entry->attached, &none, thing,
                                                 memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        return 0;
    }
    /* read after this thread has released its reference */
    entry->release = release;
    return 1;
}

void *bearer_tokencache_attached(bearer_tokencache_entry_t *entry)
{
    return atomic_load_explicit(&entry->attached, memory_order_acquire);
}

/* ---- look-up ------------------------------------------------------------- */

static set_t *set_of(const bearer_tokencache_t *cache,
                     const unsigned char *key, uint64_t *tag)
{
    uint64_t spread;

    memcpy(tag, key, sizeof(*tag));
    memcpy(&spread, key + sizeof(*tag), sizeof(spread));
    return &cache->sets[((spread >> 32) * cache->count) >> 32];
}

/* Returns the entry of a key with a reference, or NULL. */
static bearer_tokencache_entry_t *find(set_t *set, uint64_t tag,
                                       const unsigned char *key)
{
    int way;

    for (way = 0; way < WAYS; way++) {
        bearer_tokencache_entry_t *entry = &set->entries[way];

        if (atomic_load_explicit(&set->tags[way], memory_order_relaxed) != tag
            || !hold(entry)) {
            continue;
        }
        if (memcmp(entry->key, key, sizeof(entry->key)) == 0) {
            return entry;
        }
        bearer_tokencache_release(entry);
    }
    return NULL;
}

static int is_over(const bearer_tokencache_entry_t *entry, apr_time_t now,
                   apr_interval_time_t skew)
{
    const apr_time_t expires = entry->principal->expires;

    return (expires != 0 && now - skew >= expires)
           || (entry->valid_until != 0 && now > entry->valid_until);
}

const bearer_principal_t *
bearer_tokencache_get(bearer_tokencache_t *cache,
                      bearer_tokencache_entry_t **entry,
                      const unsigned char *key, apr_time_t now,
                      apr_interval_time_t skew)
{
    bearer_tokencache_entry_t *found;
    uint64_t tag;
    set_t *set;

    *entry = NULL;
    if (!cache) {
        return NULL;
    }
    set = set_of(cache, key, &tag);
    found = find(set, tag, key);
    if (found && is_over(found, now, skew)) {
        bearer_tokencache_drop(found);
    } else if (found && found->principal->not_before <= now + skew) {
        atomic_fetch_add_explicit(&set->hits, 1, memory_order_relaxed);
        if (!atomic_load_explicit(&found->used, memory_order_relaxed)) {
            atomic_store_explicit(&found->used, 1, memory_order_relaxed);
        }
        *entry = found;
        return found->principal;
    }
    bearer_tokencache_release(found);
    atomic_fetch_add_explicit(&set->misses, 1, memory_order_relaxed);
    return NULL;
}

/* ---- putting ------------------------------------------------------------- */

static int become_busy(bearer_tokencache_entry_t *entry, uint64_t from)
{
    return atomic_compare_exchange_strong_explicit(
        &entry->state, &from, BUSY, memory_order_acquire,
        memory_order_relaxed);
}

/* Returns a way that this thread now owns (BUSY), or -1. Walks round twice: an
 * entry used since the hand passed is spared once. */
static int choose_way(set_t *set)
{
    int way, i;

    for (way = 0; way < WAYS; way++) {
        if (become_busy(&set->entries[way], EMPTY)) {
            return way;
        }
    }
    for (i = 0; i < 2 * WAYS; i++) {
        bearer_tokencache_entry_t *entry;

        way = (int)(atomic_fetch_add_explicit(&set->hand, 1,
                                              memory_order_relaxed) % WAYS);
        entry = &set->entries[way];
        if (!atomic_exchange_explicit(&entry->used, 0, memory_order_relaxed)
            && become_busy(entry, VALID)) {
            atomic_fetch_add_explicit(&set->evictions, 1,
                                      memory_order_relaxed);
            return way;
        }
    }
    return -1;
}

/* Returns 1 if the key is cached with this generation. Removes an entry of another
 * generation. */
static int is_kept(set_t *set, uint64_t tag, const unsigned char *key,
                   apr_uint64_t generation)
{
    bearer_tokencache_entry_t *entry = find(set, tag, key);
    const int kept = entry && entry->generation == generation;

    if (entry && !kept) {
        bearer_tokencache_drop(entry);
    }
    bearer_tokencache_release(entry);
    return kept;
}

void bearer_tokencache_put(bearer_tokencache_t *cache, const unsigned char *key,
                           const bearer_principal_t *principal,
                           apr_uint64_t generation, apr_time_t valid_until)
{
    bearer_tokencache_entry_t *entry;
    bearer_principal_t *kept;
    apr_size_t bytes;
    uint64_t tag;
    set_t *set;
    int way;

    if (!cache) {
        return;
    }
    set = set_of(cache, key, &tag);
    if (is_kept(set, tag, key, generation)) {
        return;
    }
    kept = make_kept(principal, &bytes);
    if (!kept) {
        return;
    }
    way = choose_way(set);
    if (way < 0) {
        free_kept(kept);
        return;
    }
    entry = &set->entries[way];
    clear(entry);
    entry->principal = kept;
    entry->generation = generation;
    entry->valid_until = valid_until;
    memcpy(entry->key, key, sizeof(entry->key));
    atomic_store_explicit(&entry->bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&entry->used, 0, memory_order_relaxed);
    atomic_store_explicit(&set->tags[way], tag, memory_order_relaxed);
    atomic_store_explicit(&entry->state, VALID, memory_order_release);
}

/* ---- notes --------------------------------------------------------------- */

/* Bytes of the key that set_of() does not use. */
static _Atomic uint64_t *note_of(const bearer_tokencache_t *cache,
                                 const unsigned char *key, uint64_t *tag)
{
    const uint64_t count = (uint64_t)cache->count * WAYS * NOTES;
    uint64_t spread;

    memcpy(tag, key + 16, sizeof(*tag));
    memcpy(&spread, key + 24, sizeof(spread));
    return &cache->notes[((spread >> 32) * count) >> 32];
}

int bearer_tokencache_noted(const bearer_tokencache_t *cache,
                            const unsigned char *key)
{
    uint64_t tag;

    return cache && atomic_load_explicit(note_of(cache, key, &tag),
                                         memory_order_relaxed) == tag;
}

int bearer_tokencache_note(bearer_tokencache_t *cache, const unsigned char *key)
{
    uint64_t tag;
    _Atomic uint64_t *note = cache ? note_of(cache, key, &tag) : NULL;

    return note && atomic_exchange_explicit(note, tag, memory_order_relaxed) == tag;
}

/* ---- the whole cache ----------------------------------------------------- */

void bearer_tokencache_stats(bearer_tokencache_t *cache,
                             bearer_tokencache_stats_t *stats)
{
    uint32_t i;
    int way;

    memset(stats, 0, sizeof(*stats));
    for (i = 0; cache && i < cache->count; i++) {
        set_t *set = &cache->sets[i];

        for (way = 0; way < WAYS; way++) {
            stats->entries++;
            stats->used += (atomic_load(&set->entries[way].state) & VALID) != 0;
            stats->bytes += atomic_load(&set->entries[way].bytes);
        }
        stats->hits += atomic_load(&set->hits);
        stats->misses += atomic_load(&set->misses);
        stats->evictions += atomic_load(&set->evictions);
    }
}

static apr_status_t free_cache(void *data)
{
    const bearer_tokencache_t *cache = data;
    uint32_t i;

    for (i = 0; i < cache->count * WAYS; i++) {
        clear(&cache->sets[i / WAYS].entries[i % WAYS]);
    }
    return APR_SUCCESS;
}

apr_status_t bearer_tokencache_create(bearer_tokencache_t **cache,
                                      unsigned entries, apr_pool_t *p)
{
    bearer_tokencache_t *c;

    *cache = NULL;
    if (entries == 0) {
        return APR_SUCCESS;
    }
    if (entries > ENTRIES_MAX) {
        return APR_EINVAL;
    }
    c = apr_pcalloc(p, sizeof(*c));
    c->count = (entries + WAYS - 1) / WAYS;
    c->sets = apr_pcalloc(p, c->count * sizeof(set_t));
    c->notes = apr_pcalloc(p, (apr_size_t)c->count * WAYS * NOTES
                                  * sizeof(*c->notes));
    apr_pool_cleanup_register(p, c, free_cache, apr_pool_cleanup_null);
    *cache = c;
    return APR_SUCCESS;
}
