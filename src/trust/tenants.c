/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Tenants from a file. Each content read is a version with its own reference count,
 * so that no thread waits for a reader.
 */
#include "trust/tenants.h"

#include <stdatomic.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "base/filewatch.h"
#include "base/text.h"
#include "trust/issuer.h"

typedef struct version_t {
    bearer_tenants_t *of;
    apr_pool_t *pool;
    const apr_array_header_t *list;
    int users;                     /* under the mutex; the version in force counts as one */
} version_t;

struct bearer_tenants_t {
    bearer_filewatch_t *watch;
    apr_thread_mutex_t *mutex;
    version_t *current;            /* NULL: nothing has been read yet */
    _Atomic apr_uint64_t changes;
};

static apr_status_t let_go(void *data)
{
    version_t *version = data;
    bearer_tenants_t *tenants = version->of;
    int last;

    apr_thread_mutex_lock(tenants->mutex);
    last = --version->users == 0;
    apr_thread_mutex_unlock(tenants->mutex);
    if (last) {
        apr_pool_destroy(version->pool);
    }
    return APR_SUCCESS;
}

static version_t *exchange(bearer_tenants_t *tenants, version_t *version)
{
    version_t *old;

    apr_thread_mutex_lock(tenants->mutex);
    old = tenants->current;
    tenants->current = version;
    apr_thread_mutex_unlock(tenants->mutex);
    return old;
}

/* bearer_filewatch_load_fn */
static apr_status_t load(void *baton, const char *data, apr_size_t len,
                         const char **error, apr_pool_t *ptemp)
{
    bearer_tenants_t *tenants = baton;
    version_t *version, *old;
    const char *wrong = NULL;
    apr_pool_t *pool;
    apr_status_t rv;

    /* not a child of another pool: the last thread that releases it destroys it */
    rv = apr_pool_create_unmanaged(&pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    version = apr_pcalloc(pool, sizeof(*version));
    version->of = tenants;
    version->pool = pool;
    version->users = 1;
    rv = bearer_issuer_tenants_parse(&version->list, data, len, &wrong, pool);
    if (rv != APR_SUCCESS) {
        *error = apr_pstrdup(ptemp, wrong);
        apr_pool_destroy(pool);
        return rv;
    }
    old = exchange(tenants, version);
    /* afterwards: a thread that has read the number before does not have the older list */
    atomic_fetch_add(&tenants->changes, 1);
    if (old) {
        (void)let_go(old);
    }
    return APR_SUCCESS;
}

static apr_status_t forget(void *data)
{
    version_t *old = exchange(data, NULL);

    return old ? let_go(old) : APR_SUCCESS;
}

apr_status_t bearer_tenants_create(bearer_tenants_t **tenants, const char *path,
                                   const bearer_world_t *world, apr_pool_t *p)
{
    bearer_tenants_t *t = apr_pcalloc(p, sizeof(*t));
    apr_pool_t *ptemp;
    apr_status_t rv;

    rv = apr_thread_mutex_create(&t->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = bearer_filewatch_create(&t->watch, "AuthBearerTenants", path,
                                     BEARER_TENANTS_MAX, load, t, world, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&ptemp, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, t, forget, apr_pool_cleanup_null);
    (void)bearer_filewatch_look(t->watch, 0, ptemp);
    apr_pool_destroy(ptemp);
    *tenants = t;
    return APR_SUCCESS;
}

const apr_array_header_t *bearer_tenants_get(bearer_tenants_t *tenants,
                                             apr_pool_t *p)
{
    version_t *version;

    (void)bearer_filewatch_look(tenants->watch, BEARER_FILEWATCH_INTERVAL, p);
    apr_thread_mutex_lock(tenants->mutex);
    version = tenants->current;
    if (version) {
        version->users++;
    }
    apr_thread_mutex_unlock(tenants->mutex);
    if (!version) {
        return NULL;
    }
    apr_pool_cleanup_register(p, version, let_go, apr_pool_cleanup_null);
    return version->list;
}

apr_uint64_t bearer_tenants_version(bearer_tenants_t *tenants,
                                    apr_pool_t *ptemp)
{
    (void)bearer_filewatch_look(tenants->watch, BEARER_FILEWATCH_INTERVAL,
                                ptemp);
    return atomic_load(&tenants->changes) + 1;
}

void bearer_tenants_refresh(bearer_tenants_t *tenants, apr_pool_t *ptemp)
{
    (void)bearer_filewatch_look(tenants->watch, 0, ptemp);
}

const char *bearer_tenants_file_error(const char *path, apr_pool_t *p)
{
    const apr_array_header_t *list;
    const char *data, *error = NULL;
    apr_size_t len;

    if (bearer_text_read_file(&data, &len, path, BEARER_TENANTS_MAX, &error, p)
        != APR_SUCCESS) {
        return apr_psprintf(p, "%s: %s; one tenant a line",
                            bearer_text_quote(p, path), error);
    }
    if (bearer_issuer_tenants_parse(&list, data, len, &error, p)
        != APR_SUCCESS) {
        return apr_psprintf(p, "%s: %s", bearer_text_quote(p, path), error);
    }
    return NULL;
}
