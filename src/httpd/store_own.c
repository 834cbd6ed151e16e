/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_own.c
 * The module's own memory (AuthBearerSOCache shm): a table (state/table.h) of sessions,
 * attempts and marks, behind the library's cache interface, and one of used proofs. A
 * table is created once, in the process pool, so that the children before and after a
 * graceful restart use the same records. Only stop and start, or a build with another
 * layout, begins with an empty table.
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

/** Alignment of a block in bytes; apr_shm guarantees none. */
#define ALIGNMENT 128
#define TELL_EVERY apr_time_from_sec(60)
/** Instead of a size: the default of the kind. */
#define OWN_DEFAULT 1

/** One of the two tables. */
typedef struct own_t {
    const char *word;              /**< the word of for= */
    const char *kept;              /**< the name of the memory in the process pool, for
                                    *   every layout */
    const char *file;
    apr_status_t (*attach)(bearer_table_t **table, void *block, apr_size_t size,
                           apr_pool_t *p);
    bearer_table_t *table;         /**< NULL: not used */
} own_t;

static own_t sessions = {
    "sessions", "mod_auth_bearer table", "auth_bearer_table", bearer_table_attach, NULL
};
static own_t proofs = {
    "proofs", "mod_auth_bearer proofs", "auth_bearer_proofs", bearer_table_attach_proofs, NULL
};
static server_rec *main_server;

static own_t *own_of(store_kind_t kind)
{
    return kind == STORE_PROOFS ? &proofs : &sessions;
}

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
    store->own = word[3] ? size_of(word + 4) : OWN_DEFAULT;
    return store->own ? NULL
        : ab_parse_complain(in, AB(0637) "%s is not a size; write shm:8M, shm:64M or a "
                            "number of bytes, from 64K to 16G",
                            bearer_text_quote(in->p, word));
}

const char *ab_store_own_instead(store_config_t *store, store_kind_t kind, apr_pool_t *p)
{
    const char *size = store->args ? strchr(store->args, '(') : NULL;

    if (size) {
        store->own = (apr_uint64_t)apr_atoi64(size + 1);
        if (store->own < BEARER_TABLE_MIN) {
            store->own = BEARER_TABLE_MIN;
        }
    } else if (store->own <= OWN_DEFAULT) {
        store->own = ab_config_own_default(kind);
    }
    if (size) {
        store->args = size == store->args ? NULL
            : apr_pstrmemdup(p, store->args, (apr_size_t)(size - store->args));
    }
    store->provider = NULL;
    return store->own <= BEARER_TABLE_MAX ? NULL
        : AB(0638) "AuthBearerSOCache: the maximum for sessions and proofs is 16G";
}

/* ---- creation ----------------------------------------------------------- */

static apr_status_t attach(own_t *own, apr_shm_t *shm, apr_pool_t *pconf)
{
    char *base = apr_shm_baseaddr_get(shm);
    apr_size_t size = apr_shm_size_get(shm) - ALIGNMENT;

    base += (ALIGNMENT - (apr_uintptr_t)base % ALIGNMENT) % ALIGNMENT;
    return own->attach(&own->table, base, size, pconf);
}

static apr_status_t make(own_t *own, apr_size_t size, apr_pool_t *pconf, server_rec *s)
{
    apr_pool_t *keep = s->process->pool;
    apr_shm_t *shm = NULL;
    apr_status_t rv = apr_shm_create(&shm, size + ALIGNMENT, NULL, keep);

    if (APR_STATUS_IS_ENOTIMPL(rv)) {
        const char *file = ap_runtime_dir_relative(pconf, own->file);

        apr_shm_remove(file, pconf);
        rv = apr_shm_create(&shm, size + ALIGNMENT, file, keep);
    }
    if (rv == APR_SUCCESS) {
        rv = attach(own, shm, pconf);
    }
    return rv == APR_SUCCESS ? apr_pool_userdata_set(shm, own->kept, NULL, keep) : rv;
}

static void tell_of_size(const own_t *own, apr_uint64_t wanted, server_rec *s)
{
    bearer_table_stats_t stats;

    bearer_table_stats(own->table, &stats);
    if (stats.size != wanted) {
        ab_log_server(APLOG_NOTICE, 0, s,
                      AB(0411) "AuthBearerSOCache shm: for=%s: the new size takes effect after "
                      "stop and start; until then the size is %" APR_UINT64_T_FMT " bytes, "
                      "%" APR_UINT64_T_FMT " %s are in it", own->word, stats.size,
                      own == &proofs ? stats.others : stats.sessions, own->word);
    }
}

static void tell_of_layout(const own_t *own, server_rec *s)
{
    if (own == &proofs) {
        ab_log_server(APLOG_NOTICE, 0, s,
                      AB(0415) "this version stores used proofs in another layout; a proof that "
                      "was used before may be accepted once more, until its time is over");
        return;
    }
    ab_log_server(APLOG_NOTICE, 0, s,
                  AB(0412) "this version stores sessions in another layout; users must log in "
                  "again");
}

void ab_store_own_begin(void)
{
    sessions.table = proofs.table = NULL;
}

int ab_store_own_create(store_kind_t kind, apr_uint64_t size, apr_pool_t *pconf,
                        server_rec *s)
{
    own_t *own = own_of(kind);
    void *kept = NULL;
    apr_status_t rv;

    main_server = s;
    apr_pool_userdata_get(&kept, own->kept, s->process->pool);
    if (kept && attach(own, kept, pconf) == APR_SUCCESS) {
        tell_of_size(own, size, s);
        return OK;
    }
    if (kept) {
        apr_shm_destroy(kept);  /* children keep their mappings */
        apr_pool_userdata_set(NULL, own->kept, NULL, s->process->pool);
        tell_of_layout(own, s);
    }
    rv = make(own, (apr_size_t)size, pconf, s);
    if (rv != APR_SUCCESS) {
        own->table = NULL;
        ab_log_server(APLOG_EMERG, rv, s,
                      AB(0413) "cannot allocate %" APR_UINT64_T_FMT " bytes of shared memory "
                      "(AuthBearerSOCache for=%s)", size, own->word);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* ---- the library's interface -------------------------------------------- */

static apr_status_t get(const bearer_cache_t *cache, const unsigned char *key,
                        unsigned char **value, apr_size_t *len, apr_pool_t *p)
{
    (void)cache;
    return bearer_table_get(sessions.table, key, apr_time_now(), value, len, p);
}

/* Logs a failure at most once a minute. */
static apr_status_t told(apr_status_t rv)
{
    bearer_table_stats_t stats;
    apr_uint64_t evicted, refused;

    if (bearer_table_is_short(sessions.table, apr_time_now(), TELL_EVERY, &evicted,
                              &refused)) {
        bearer_table_stats(sessions.table, &stats);
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
    return told(bearer_table_keep(sessions.table, BEARER_TABLE_EITHER, key, &entry,
                                  apr_time_now()));
}

static apr_status_t add(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return told(bearer_table_keep(sessions.table, BEARER_TABLE_NEW, key, entry,
                                  apr_time_now()));
}

static apr_status_t replace(const bearer_cache_t *cache, const unsigned char *key,
                            const bearer_cache_entry_t *entry, apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return told(bearer_table_keep(sessions.table, BEARER_TABLE_OLD, key, entry,
                                  apr_time_now()));
}

static apr_status_t take_out(const bearer_cache_t *cache, const unsigned char *key,
                             apr_pool_t *p)
{
    (void)cache;
    (void)p;
    return bearer_table_remove(sessions.table, key);
}

static apr_status_t end(const bearer_cache_t *cache, bearer_owner_t by,
                        const unsigned char *owner, apr_pool_t *p)
{
    const process_t *process = ab_process();
    unsigned ended;
    apr_status_t rv = bearer_table_end(sessions.table, by, owner, &ended);

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
    return bearer_table_owned(sessions.table, by, owner, key);
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

int ab_store_own_stats(store_kind_t kind, bearer_table_stats_t *stats)
{
    const own_t *own = own_of(kind);

    if (own->table) {
        bearer_table_stats(own->table, stats);
    }
    return own->table != NULL;
}

void ab_store_own_tick(void)
{
    if (sessions.table) {
        bearer_table_sweep(sessions.table, apr_time_now());
    }
    if (proofs.table) {
        bearer_table_sweep(proofs.table, apr_time_now());
    }
}

bearer_table_t *ab_store_own_proofs(void)
{
    return proofs.table;
}
