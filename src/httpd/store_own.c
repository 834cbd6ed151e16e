/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_own.c
 * The module's own memory behind the library's cache interface (AuthBearerSOCache shm):
 * sessions, attempts and marks in a table (state/table.h). The table is created once,
 * in the process pool, so that the children before and after a graceful restart use the
 * same records. Only stop and start, or a build with another layout, begins with an
 * empty table.
 */
#include "store_own.h"
#include "process.h"
#include "records.h"
#include "trace.h"


#include <apr_lib.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "base/message.h"
#include "base/text.h"
#include "base/world.h"

APLOG_USE_MODULE(auth_bearer);

/** The name of the memory in the process pool, for every layout. */
#define KEPT "mod_auth_bearer table"
#define FILE_NAME "auth_bearer_table"
/** Alignment of a block in bytes; apr_shm guarantees none. */
#define ALIGNMENT 128
#define TELL_EVERY apr_time_from_sec(60)

static bearer_table_t *table;      /* NULL: not used */
static server_rec *main_server;

/* ---- configuration ------------------------------------------------------ */

int ab_store_own_is(const char *word)
{
    return !strcmp(word, "shm") || !strncmp(word, "shm:", 4);
}

/* Parses a number of bytes with K, M or G. Returns 0 if it is not a number or out of
 * range. */
static apr_uint64_t size_of(const char *text)
{
    static const char units[] = "KMG";
    char none[1] = "", *end = none;
    apr_int64_t n = *text >= '0' && *text <= '9' ? apr_strtoi64(text, &end, 10) : 0;
    const char *unit = *end ? strchr(units, apr_toupper(*end)) : NULL;

    if (n <= 0 || n > (apr_int64_t)BEARER_TABLE_MAX || (*end && (!unit || end[1]))) {
        return 0;
    }
    n <<= unit ? 10 * (unit - units + 1) : 0;
    return n < BEARER_TABLE_MIN || n > (apr_int64_t)BEARER_TABLE_MAX
        ? 0 : (apr_uint64_t)n;
}

const char *ab_store_own_parse(store_config_t *store, const parse_t *in)
{
    const char *word = WORD(in, 0);

    store->name = "shm";
    store->own = word[3] ? size_of(word + 4) : BEARER_TABLE_DEFAULT;
    return store->own ? NULL
        : ab_parse_complain(in, AB(0637) "%s is not a size; write shm:8M, shm:64M or a "
                            "number of bytes, from 64K to 16G",
                            bearer_text_quote(in->p, word));
}

const char *ab_store_own_instead(store_config_t *store, apr_pool_t *p)
{
    const char *size = store->args ? strchr(store->args, '(') : NULL;

    if (!store->own) {
        store->own = size ? (apr_uint64_t)apr_atoi64(size + 1) : BEARER_TABLE_DEFAULT;
        if (store->own < BEARER_TABLE_MIN) {
            store->own = BEARER_TABLE_MIN;
        }
    }
    if (size) {
        store->args = size == store->args ? NULL
            : apr_pstrmemdup(p, store->args, (apr_size_t)(size - store->args));
    }
    store->provider = NULL;
    return store->own <= BEARER_TABLE_MAX ? NULL
        : AB(0638) "AuthBearerSOCache: the maximum for sessions is 16G";
}

/* ---- creation ----------------------------------------------------------- */

static apr_status_t attach(apr_shm_t *shm, apr_pool_t *pconf)
{
    char *base = apr_shm_baseaddr_get(shm);
    apr_size_t size = apr_shm_size_get(shm) - ALIGNMENT;

    base += (ALIGNMENT - (apr_uintptr_t)base % ALIGNMENT) % ALIGNMENT;
    return bearer_table_attach(&table, base, size, pconf);
}

static apr_status_t make(apr_size_t size, apr_pool_t *pconf, server_rec *s)
{
    apr_pool_t *keep = s->process->pool;
    apr_shm_t *shm = NULL;
    apr_status_t rv = apr_shm_create(&shm, size + ALIGNMENT, NULL, keep);

    if (APR_STATUS_IS_ENOTIMPL(rv)) {
        const char *file = ap_runtime_dir_relative(pconf, FILE_NAME);

        apr_shm_remove(file, pconf);
        rv = apr_shm_create(&shm, size + ALIGNMENT, file, keep);
    }
    if (rv == APR_SUCCESS) {
        rv = attach(shm, pconf);
    }
    return rv == APR_SUCCESS ? apr_pool_userdata_set(shm, KEPT, NULL, keep) : rv;
}

static void tell_of_size(apr_uint64_t wanted, server_rec *s)
{
    bearer_table_stats_t stats;

    bearer_table_stats(table, &stats);
    if (stats.size != wanted) {
        ab_log_server(APLOG_NOTICE, 0, s,
                      AB(0411) "AuthBearerSOCache shm: the new size takes effect after stop and "
                      "start; until then the size is %" APR_UINT64_T_FMT " bytes, with room for "
                      "%" APR_UINT64_T_FMT " sessions", stats.size, stats.sessions);
    }
}

int ab_store_own_create(apr_uint64_t size, apr_pool_t *pconf, server_rec *s)
{
    void *kept = NULL;
    apr_status_t rv;

    main_server = s;
    table = NULL;
    apr_pool_userdata_get(&kept, KEPT, s->process->pool);
    if (kept && attach(kept, pconf) == APR_SUCCESS) {
        tell_of_size(size, s);
        return OK;
    }
    if (kept) {
        apr_shm_destroy(kept);  /* children keep their mappings */
        apr_pool_userdata_set(NULL, KEPT, NULL, s->process->pool);
        ab_log_server(APLOG_NOTICE, 0, s,
                      AB(0412) "this version stores sessions in another layout; users must log in "
                      "again");
    }
    rv = make((apr_size_t)size, pconf, s);
    if (rv != APR_SUCCESS) {
        table = NULL;
        ab_log_server(APLOG_EMERG, rv, s,
                      AB(0413) "cannot allocate %" APR_UINT64_T_FMT " bytes of shared memory "
                      "(AuthBearerSOCache for=sessions)", size);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* ---- the library's interface -------------------------------------------- */

static apr_status_t get(const bearer_cache_t *cache, const unsigned char *key,
                        unsigned char **value, apr_size_t *len, apr_pool_t *p)
{
    (void)cache;
    return bearer_table_get(table, key, apr_time_now(), value, len, p);
}

/* Logs a failure at most once a minute. */
static apr_status_t told(apr_status_t rv)
{
    bearer_table_stats_t stats;
    apr_uint64_t evicted, refused;

    if (bearer_table_is_short(table, apr_time_now(), TELL_EVERY, &evicted,
                              &refused)) {
        bearer_table_stats(table, &stats);
        ab_log_server(APLOG_WARNING, 0, main_server,
                      AB(0414) "the session cache is full (%" APR_UINT64_T_FMT " bytes, "
                      "%" APR_UINT64_T_FMT " sessions); sessions ended to make room: "
                      "%" APR_UINT64_T_FMT "; logins refused: %" APR_UINT64_T_FMT "; raise "
                      "the size (AuthBearerSOCache shm:SIZE for=sessions)", stats.size,
                      stats.sessions, evicted, refused);
    }
    return rv;
}

static apr_status_t put(const bearer_cache_t *cache, const unsigned char *key,
                        const unsigned char *value, apr_size_t len,
                        apr_time_t expires, apr_pool_t *p)
{
    const bearer_cache_entry_t entry = { BEARER_KEPT_MARK, value, len, expires, NULL,
                                         0 };

    (void)cache;
    (void)p;
    return told(bearer_table_keep(table, BEARER_TABLE_EITHER, key, &entry, apr_time_now()));
}

static apr_status_t add(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return told(bearer_table_keep(table, BEARER_TABLE_NEW, key, entry, apr_time_now()));
}

static apr_status_t replace(const bearer_cache_t *cache, const unsigned char *key,
                            const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return told(bearer_table_keep(table, BEARER_TABLE_OLD, key, entry, apr_time_now()));
}

static apr_status_t take_out(const bearer_cache_t *cache, const unsigned char *key,
                             apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return bearer_table_remove(table, key);
}

static apr_status_t end(const bearer_cache_t *cache, bearer_owner_t by,
                        const unsigned char *owner, apr_pool_t *p)
{
    const process_t *process = ab_process();
    unsigned ended;
    apr_status_t rv = bearer_table_end(table, by, owner, &ended);

    (void)cache;
    (void)p;
    for (; process && ended; ended--) {
        bearer_world_count(&process->world, BEARER_EVENT_ENDED_ISSUER);
    }
    return rv;
}

static apr_status_t find(const bearer_cache_t *cache, bearer_owner_t by,
                         const unsigned char *owner, unsigned char *key, apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return bearer_table_owned(table, by, owner, key);
}

void ab_store_own_fill(bearer_cache_t *cache)
{
    cache->get = get;
    cache->put = put;
    cache->remove = take_out;
    cache->add = add;
    cache->replace = replace;
    cache->end = end;
    cache->find = find;
    cache->is_own = 1;
}

int ab_store_own_stats(bearer_table_stats_t *stats)
{
    if (table) {
        bearer_table_stats(table, stats);
    }
    return table != NULL;
}

void ab_store_own_tick(void)
{
    if (table) {
        bearer_table_sweep(table, apr_time_now());
    }
}
