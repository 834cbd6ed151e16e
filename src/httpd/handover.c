/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file handover.c
 * What this host knows of its issuers' keys, kept where a restart of the server
 * does not reach: a graceful restart empties shmcb, and redis may be down just
 * then. So whatever goes into the key cache is put here, too, and what is missing
 * there is looked for here: a new generation does not start cold.
 *
 * The memory is anonymous and belongs to the server's own processes, as shmcb's
 * does: no file that somebody could write a key into, nothing to seal. It is made
 * once, in the process pool, and made anew only for a configuration that needs
 * more. Pages that nothing was written to cost nothing.
 *
 * There are no locks, because the generations have none in common and a child may
 * die at any moment. A slot is claimed by its name, and what is in it counts only
 * with the right digest: what is half written, or was written by two at once, is
 * not there, and costs a fetch.
 */
#include "handover.h"
#include "store.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "base/message.h"
#include "base/text.h"

APLOG_USE_MODULE(auth_bearer);

/** Changes whenever memory_t, slot_t or content_t does: it names the memory. A
 *  version that changes them looks for this name, too, and takes over what is
 *  there. Where only sizes differ, it is taken over below. */
#define LAYOUT "mod_auth_bearer handover 2"

/** A slot holds a value up to so many bytes; the large ones are for the few key
 *  sets that are very long. */
static const apr_size_t room_of[] = { 16384, AB_STORE_KEYS_MAX };
#define SIZES 2
/** What is fetched by a changed policy has another name, and the one before stays
 *  until it makes room: so many more, for what changes within one refresh. */
#define SPARE 16

/** Digest over everything that follows it. */
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
    _Atomic apr_int64_t written; /**< when, to choose whom to overwrite */
} slot_t;

/** In the process pool; points into the shared memory. */
typedef struct memory_t {
    apr_shm_t *shm;
    unsigned count[SIZES];
    slot_t *slots[SIZES];
    char *contents[SIZES];
} memory_t;

static memory_t *memory;         /* NULL: none to be had */

#define ALIGNED(n) (((n) + 63) & ~(apr_size_t)63)

static apr_size_t size_of_content(int size)
{
    return ALIGNED(sizeof(content_t) + room_of[size]);
}

/* ---- creation ----------------------------------------------------------- */

/* Lays the slots and contents out; with base NULL it measures only. */
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

/* From one content to the next, in memory that may be of a version with other
 * sizes: what is read and written there is its business. */
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
    made->count[0] = 2 * sets + SPARE;  /* the document, the last attempt */
    made->count[1] = 1 + sets / 8;
    size = lay_out(made, NULL);
    rv = apr_shm_create(&made->shm, size, NULL, keep);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, AB(0904) "no shared memory of %"
                     APR_SIZE_T_FMT " bytes: after a graceful restart keys are "
                     "fetched again", size);
        return rv;
    }
    lay_out(made, apr_shm_baseaddr_get(made->shm));  /* zeroed, being new */
    memory = made;
    if (old) {
        take_over(old, ptemp);
        apr_shm_destroy(old->shm);      /* children keep their mapping of it */
    }
    /* copies the name, which goes with this module when it is unloaded */
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

/* The slot of that name, or -1. */
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

/* Claims a free slot, else the one that was written longest ago: what is in use is
 * written with each refresh. */
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

/* A copy of what is in a slot, whole and valid; NULL: nothing is. */
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

/* Made outside of the shared memory: a digest of what is there would be right for
 * what two have written at once, too. NULL: out of memory. */
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

/* The digest last: until then what is there does not count. In this order, or the
 * compiler may find that the zeros are of no use. */
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
    int size;

    for (size = 0; memory && size < SIZES; size++) {
        clear(memory, size, name_of(key));
    }
}
