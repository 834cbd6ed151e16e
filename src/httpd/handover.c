/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file handover.c
 * The issuers' keys known to this host, kept in memory that survives a restart. A
 * graceful restart empties shmcb, and redis may be unavailable at that moment. So every
 * value written to the key cache is stored here too, and a value missing there is
 * looked up here. A new generation thus does not start without keys.
 *
 * The memory is anonymous and belongs to the server's processes, as shmcb's does: there
 * is no file into which others could write a key, and nothing needs encryption. It is
 * created once, in the process pool, and again only for a configuration that needs
 * more. Pages never written use no memory.
 *
 * There are no locks, because generations have no lock in common and a child may die at
 * any moment. A slot is claimed by its name, and its content counts only with a correct
 * digest. A half-written value, or one written by two processes at once, is ignored and
 * costs one fetch.
 */
#include "handover.h"
#include "store.h"
#include "trace.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "base/message.h"
#include "base/text.h"

APLOG_USE_MODULE(auth_bearer);

/** The name of the memory. Change it whenever memory_t, slot_t or content_t changes. A
 *  version that changes them must also look for this name and copy the content. If only
 *  sizes differ, the code below copies it. */
#define LAYOUT "mod_auth_bearer handover 2"

/** Maximum size in bytes of a value in a slot of each kind. The large slots are for the
 *  few very long key sets. */
static const apr_size_t room_of[] = { 16384, AB_STORE_KEYS_MAX };
#define SIZES 2
/** Additional slots for changes within one refresh: after a change of policy, values
 *  have new names, and the old ones stay until their slots are needed. */
#define SPARE 16

/** A value with a digest of all members after it. */
typedef struct content_t {
    unsigned char digest[BEARER_SHA256_SIZE];
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_int64_t expires;
    apr_uint64_t len;
    unsigned char value[];
} content_t;
#define DIGESTED(len) \
    (offsetof(content_t, value) - offsetof(content_t, key) + (apr_size_t)(len))

typedef struct slot_t {
    _Atomic apr_uint64_t name;   /**< first 8 bytes of the key; 0: free */
    _Atomic apr_int64_t written; /**< time, to choose the slot to overwrite */
} slot_t;

/** Allocated in the process pool; points to the shared memory. */
typedef struct memory_t {
    apr_shm_t *shm;
    unsigned count[SIZES];
    slot_t *slots[SIZES];
    char *contents[SIZES];
} memory_t;

static memory_t *memory;         /* NULL: not available */

#define ALIGNED(n) (((n) + 63) & ~(apr_size_t)63)

static apr_size_t size_of_content(int size)
{
    return ALIGNED(sizeof(content_t) + room_of[size]);
}

/* ---- creation ----------------------------------------------------------- */

/* Computes the layout of slots and contents; with base NULL, only the size. */
static apr_size_t lay_out(memory_t *m, char *base)
{
    apr_size_t at = 0;
    int i;

    for (i = 0; i < SIZES; i++) {
        m->slots[i] = base ? (slot_t *)(void *)(base + at) : NULL;
        at += ALIGNED(m->count[i] * sizeof(slot_t));
        m->contents[i] = base ? base + at : NULL;
        at += m->count[i] * size_of_content(i);
    }
    return at;
}

/* Returns the distance between two contents. The memory may be from a version with
 * other sizes, which determine what is read and written there. */
static apr_size_t stride_of(const memory_t *m, int size)
{
    const char *end = size + 1 < SIZES
        ? (const char *)m->slots[size + 1]
        : (const char *)apr_shm_baseaddr_get(m->shm) + apr_shm_size_get(m->shm);

    return (apr_size_t)(end - m->contents[size]) / m->count[size];
}

static int has_our_sizes(const memory_t *m)
{
    int i;

    for (i = 0; i < SIZES && stride_of(m, i) == size_of_content(i); i++) {
    }
    return i == SIZES;
}

static void take_over(const memory_t *old, apr_pool_t *ptemp);

apr_status_t ab_handover_create(unsigned sets, apr_pool_t *ptemp,
                                server_rec *s)
{
    apr_pool_t *keep = s->process->pool;
    memory_t *old = NULL, *made;
    void *kept = NULL;
    apr_size_t size;
    apr_status_t rv;

    apr_pool_userdata_get(&kept, LAYOUT, keep);
    old = kept;
    memory = old && has_our_sizes(old) ? old : NULL;
    if (memory && old->count[0] >= 2 * sets + SPARE) {
        return APR_SUCCESS;
    }
    made = apr_pcalloc(keep, sizeof(*made));
    made->count[0] = 2 * sets + SPARE;  /* the key set, the last attempt */
    made->count[1] = 1 + sets / 8;
    size = lay_out(made, NULL);
    rv = apr_shm_create(&made->shm, size, NULL, keep);
    if (rv != APR_SUCCESS) {
        ab_log_server(APLOG_WARNING, rv, s,
                      AB(0904) "cannot allocate %" APR_SIZE_T_FMT " bytes of shared memory; keys "
                      "are fetched again after a graceful restart", size);
        return rv;
    }
    lay_out(made, apr_shm_baseaddr_get(made->shm));  /* a new mapping is zeroed */
    memory = made;
    if (old) {
        take_over(old, ptemp);
        apr_shm_destroy(old->shm);      /* children keep their mappings */
    }
    /* copies the name, which is unloaded with this module */
    return apr_pool_userdata_set(made, LAYOUT, NULL, keep);
}

/* ---- slots -------------------------------------------------------------- */

static apr_uint64_t name_of(const unsigned char *key)
{
    apr_uint64_t name;

    memcpy(&name, key, sizeof(name));
    return name ? name : 1;
}

static content_t *content_of(const memory_t *m, int size, unsigned i)
{
    return (content_t *)(void *)(m->contents[size] + i * stride_of(m, size));
}

/* Returns the slot with that name, or -1. */
static int find(const memory_t *m, int size, apr_uint64_t name)
{
    unsigned i;

    for (i = 0; i < m->count[size]; i++) {
        if (atomic_load(&m->slots[size][i].name) == name) {
            return (int)i;
        }
    }
    return -1;
}

/* Claims a free slot, else the one with the oldest write: every refresh writes the
 * slots in use. */
static int claim(const memory_t *m, int size, apr_uint64_t name)
{
    slot_t *slots = m->slots[size];
    unsigned i, oldest = 0;
    apr_uint64_t seen;

    for (i = 0; i < m->count[size]; i++) {
        seen = 0;
        if (atomic_compare_exchange_strong(&slots[i].name, &seen, name)) {
            return (int)i;
        }
        if (atomic_load(&slots[i].written)
            < atomic_load(&slots[oldest].written)) {
            oldest = i;
        }
    }
    seen = atomic_load(&slots[oldest].name);
    return atomic_compare_exchange_strong(&slots[oldest].name, &seen, name)
        ? (int)oldest : -1;
}

static void clear(const memory_t *m, int size, apr_uint64_t name)
{
    int i = find(m, size, name);

    if (i >= 0) {
        memset(content_of(m, size, (unsigned)i)->digest, 0, BEARER_SHA256_SIZE);
        atomic_store(&m->slots[size][i].written, 0);
        atomic_compare_exchange_strong(&m->slots[size][i].name, &name, 0);
    }
}

/* Returns a copy of the content of a slot if it is complete and valid, else NULL. */
static content_t *copy_of(const memory_t *m, int size, unsigned i,
                          apr_pool_t *p)
{
    const content_t *there = content_of(m, size, i);
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_uint64_t len = there->len;
    content_t *copy;

    if (len == 0 || len > stride_of(m, size) - sizeof(*there)) {
        return NULL;
    }
    copy = apr_pmemdup(p, there, offsetof(content_t, value) + (apr_size_t)len);
    if (copy->len != len
        || bearer_text_sha256(copy->key, DIGESTED(len), digest) != APR_SUCCESS
        || memcmp(digest, copy->digest, sizeof(digest)) != 0) {
        return NULL;
    }
    return copy;
}

static void take_over(const memory_t *old, apr_pool_t *ptemp)
{
    int size;
    unsigned i;

    for (size = 0; size < SIZES; size++) {
        for (i = 0; i < old->count[size]; i++) {
            const content_t *content = copy_of(old, size, i, ptemp);

            if (content) {
                ab_handover_put(content->key, content->value,
                                (apr_size_t)content->len, content->expires);
            }
        }
    }
}

/* ---- values ------------------------------------------------------------- */

apr_status_t ab_handover_get(const unsigned char *key, unsigned char **value,
                             apr_size_t *len, apr_time_t *expires,
                             apr_pool_t *p)
{
    apr_uint64_t name = name_of(key);
    int size;

    for (size = 0; memory && size < SIZES; size++) {
        int i = find(memory, size, name);
        content_t *content =
            i >= 0 ? copy_of(memory, size, (unsigned)i, p) : NULL;

        if (content && content->expires > apr_time_now()
            && memcmp(content->key, key, sizeof(content->key)) == 0) {
            *value = content->value;
            *len = (apr_size_t)content->len;
            *expires = content->expires;
            return APR_SUCCESS;
        }
    }
    return APR_NOTFOUND;
}

/* Created outside the shared memory: a digest over shared content would also match what
 * two processes wrote at once. NULL: out of memory. */
static content_t *make_content(const unsigned char *key,
                               const unsigned char *value, apr_size_t len,
                               apr_time_t expires)
{
    content_t *made = calloc(1, offsetof(content_t, value) + len);

    if (made) {
        memcpy(made->key, key, sizeof(made->key));
        made->expires = expires;
        made->len = len;
        memcpy(made->value, value, len);
        if (bearer_text_sha256(made->key, DIGESTED(len), made->digest)
            != APR_SUCCESS) {
            free(made);
            made = NULL;
        }
    }
    return made;
}

/* The digest is written last; until then, the content does not count. Without the
 * fences, the compiler could remove the zeros as unused. */
static void write_content(content_t *there, const content_t *made)
{
    memset(there->digest, 0, sizeof(there->digest));
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(there->key, made->key, DIGESTED(made->len));
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(there->digest, made->digest, sizeof(there->digest));
}

void ab_handover_put(const unsigned char *key, const unsigned char *value,
                     apr_size_t len, apr_time_t expires)
{
    apr_uint64_t name = name_of(key);
    int size = len > room_of[0];
    content_t *made;
    int i;

    if (!memory || len == 0 || len > room_of[size]) {
        return;
    }
    made = make_content(key, value, len, expires);
    if (!made) {
        return;
    }
    clear(memory, !size, name);
    i = find(memory, size, name);
    if (i < 0) {
        i = claim(memory, size, name);
    }
    if (i >= 0) {
        write_content(content_of(memory, size, (unsigned)i), made);
        atomic_store(&memory->slots[size][i].written, apr_time_now());
    }
    free(made);
}

void ab_handover_remove(const unsigned char *key)
{
    if (memory) {
        clear(memory, 0, name_of(key));
        clear(memory, 1, name_of(key));
    }
}
