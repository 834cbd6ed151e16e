/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See session_signed_out.h. */
#include "login/session_signed_out.h"

#include <string.h>

#include <apr_strings.h>

#include "login/session_inside.h"

#define MINUTE apr_time_from_sec(60)
/** How many minutes an entry is kept at least, whatever its token's lifetime: if an
 *  entry were missing, later ones of its minute would not be found. A host that starts
 *  reads this many minutes. */
#define KEPT (26 * 60)
/** Maximum number of entries of one minute. */
#define EACH_MINUTE 4096

#define VALUE_SIZE (BEARER_SHA256_SIZE + 8)

int bearer_session_has_hosts(const bearer_session_store_t *store)
{
    return bearer_session_is_certain(store) && !store->cache->is_own;
}

static apr_status_t name_of(unsigned char *name, const bearer_session_store_t *store,
                            apr_int64_t minute, apr_uint32_t number, apr_pool_t *p)
{
    const char *const texts[] = {
        "signed out", store->server, apr_psprintf(p, "%" APR_INT64_T_FMT, minute),
        apr_psprintf(p, "%u", number)
    };

    return bearer_session_name(name, p, 4, texts);
}

/* Returns the first number of that minute that this host has not read. */
static apr_uint32_t unread(const bearer_signed_out_t *table, apr_int64_t minute)
{
    apr_uint64_t next = atomic_load(&table->next[minute % BEARER_SIGNED_OUT_MINUTES]);

    return next >> 16 == (apr_uint64_t)minute ? (apr_uint32_t)(next & 0xffff) : 0;
}

static void note_read(bearer_signed_out_t *table, apr_int64_t minute, apr_uint32_t number)
{
    _Static_assert(EACH_MINUTE <= 0xffff, "the low bits");
    atomic_store(&table->next[minute % BEARER_SIGNED_OUT_MINUTES],
                 (apr_uint64_t)minute << 16 | number);
}

apr_status_t bearer_session_announce(const bearer_session_store_t *store,
                                     const bearer_signed_out_t *table,
                                     const unsigned char *digest, apr_time_t until,
                                     apr_pool_t *p)
{
    const apr_int64_t minute = bearer_world_now(store->world) / MINUTE;
    const apr_time_t kept = (minute + KEPT + 1) * MINUTE;
    unsigned char value[VALUE_SIZE], name[BEARER_CACHE_KEY_SIZE];
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, value, sizeof(value),
                                         until > kept ? until : kept, NULL, 0 };
    apr_uint32_t i = unread(table, minute);
    apr_status_t rv = APR_EEXIST;

    memcpy(value, digest, BEARER_SHA256_SIZE);
    bearer_session_put_time(value + BEARER_SHA256_SIZE, until);
    for (; rv == APR_EEXIST && i < EACH_MINUTE; i++) {
        rv = name_of(name, store, minute, i, p);
        if (rv == APR_SUCCESS) {
            rv = bearer_session_keep(store, BEARER_KEEP_ADD, name, &entry, p);
        }
    }
    return rv == APR_EEXIST ? APR_ENOSPC : rv;
}

/** A host that reads. */
typedef struct reading_t {
    bearer_signed_out_t *table;
    const bearer_session_store_t *store;
    apr_time_t now;
    apr_int64_t from;              /**< the first minute */
    apr_uint32_t *next;            /**< by minute: the first number that is not read */
    apr_pool_t *p;
} reading_t;

/* Reads the next entry of some minutes. Sets *found to the number of entries.
 * @param minutes  offsets from r->from */
static apr_status_t read_next(const reading_t *r, const int *minutes, int n, int *found)
{
    unsigned char keys[BEARER_CACHE_MANY][BEARER_CACHE_KEY_SIZE];
    const unsigned char *names[BEARER_CACHE_MANY] = { NULL };
    bearer_cache_value_t values[BEARER_CACHE_MANY] = { { NULL, 0 } };
    apr_status_t rv = APR_SUCCESS;
    apr_time_t until;
    int i;

    *found = 0;
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        names[i] = keys[i];
        rv = name_of(keys[i], r->store, r->from + minutes[i], r->next[minutes[i]], r->p);
    }
    if (rv == APR_SUCCESS) {
        rv = bearer_session_fetch_marks(r->store, names, n, values, r->p);
    }
    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        if (values[i].data && values[i].len == VALUE_SIZE) {
            bearer_session_take_time(values[i].data + BEARER_SHA256_SIZE, &until);
            bearer_signed_out_add(r->table, values[i].data, until, r->now);
            r->next[minutes[i]]++;
            ++*found;
        }
    }
    return rv;
}

/* Reads all new entries of the minutes from first to last (offsets). */
static apr_status_t read_all(const reading_t *r, int first, int last)
{
    int minutes[BEARER_CACHE_MANY], i, n, found;
    apr_status_t rv = APR_SUCCESS;

    for (; first <= last && rv == APR_SUCCESS; first += n) {
        for (n = 0; n < BEARER_CACHE_MANY && first + n <= last; n++) {
            minutes[n] = first + n;
        }
        rv = read_next(r, minutes, n, &found);
        for (i = 0; found && i < n && rv == APR_SUCCESS; i++) {
            int more = r->next[minutes[i]] > 0;

            while (more && rv == APR_SUCCESS) {
                rv = read_next(r, &minutes[i], 1, &more);
            }
        }
    }
    return rv;
}

apr_status_t bearer_session_hear(bearer_signed_out_t *table,
                                 const bearer_session_store_t *store, apr_pool_t *p)
{
    reading_t r = { table, store, bearer_world_now(store->world), 0, NULL, p };
    const apr_int64_t minute = r.now / MINUTE;
    apr_status_t rv;
    int i, last;

    r.from = atomic_load(&table->minute);
    if (r.from < minute - KEPT || r.from > minute) {
        r.from = minute - KEPT;
    }
    last = (int)(minute + 1 - r.from);
    r.next = apr_pcalloc(p, sizeof(*r.next) * (KEPT + 2));
    for (i = 0; i <= last; i++) {
        r.next[i] = unread(table, r.from + i);
    }
    rv = read_all(&r, 0, last);
    if (rv == APR_SUCCESS) {
        atomic_store(&table->minute, minute - 1);
        for (i = 0; i < BEARER_SIGNED_OUT_MINUTES; i++) {
            apr_int64_t at = minute - 1 + i - r.from;

            note_read(table, minute - 1 + i, at >= 0 ? r.next[at] : 0);
        }
    }
    return rv;
}
