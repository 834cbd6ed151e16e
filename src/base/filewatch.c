/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Files that are read again when they change. See filewatch.h.
 */
#include "base/filewatch.h"

#include <stdatomic.h>
#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <apr_thread_mutex.h>

#include "base/text.h"

#define ERROR_MAX 512

typedef struct identity_t {
    apr_status_t rv;        /* of stat */
    apr_ino_t inode;
    apr_dev_t device;
    apr_off_t size;
    apr_time_t mtime, ctime;
} identity_t;

struct bearer_filewatch_t {
    const char *directive, *path;
    apr_size_t max;
    bearer_filewatch_load_fn load;
    void *baton;
    const bearer_world_t *world;
    atomic_flag busy;
    _Atomic apr_time_t looked;     /* 0: never */
    atomic_int status;             /* of the last look */
    apr_thread_mutex_t *mutex;     /* for error */
    char error[ERROR_MAX];
    /* of the thread that is busy */
    identity_t seen;               /* what was read last, well or not */
    int read_once, loaded_once;
};

apr_status_t bearer_filewatch_create(bearer_filewatch_t **watch,
                                     const char *directive, const char *path,
                                     apr_size_t max,
                                     bearer_filewatch_load_fn load, void *baton,
                                     const bearer_world_t *world, apr_pool_t *p)
{
    bearer_filewatch_t *w = apr_pcalloc(p, sizeof(*w));

    w->directive = directive;
    w->path = apr_pstrdup(p, path);
    w->max = max;
    w->load = load;
    w->baton = baton;
    w->world = world;
    atomic_flag_clear(&w->busy);
    atomic_init(&w->looked, 0);
    atomic_init(&w->status, APR_EAGAIN);
    *watch = w;
    return apr_thread_mutex_create(&w->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

static identity_t identify(const char *path, apr_pool_t *ptemp)
{
    identity_t identity;
    apr_finfo_t info;

    memset(&identity, 0, sizeof(identity));
    identity.rv = apr_stat(&info, path,
                           APR_FINFO_INODE | APR_FINFO_DEV | APR_FINFO_SIZE
                               | APR_FINFO_MTIME | APR_FINFO_CTIME,
                           ptemp);
    if (APR_STATUS_IS_INCOMPLETE(identity.rv)) {
        identity.rv = APR_SUCCESS;
    }
    if (identity.rv == APR_SUCCESS) {
        identity.inode = info.inode;
        identity.device = info.device;
        identity.size = info.size;
        identity.mtime = info.mtime;
        identity.ctime = info.ctime;
    }
    return identity;
}

static int same(const identity_t *a, const identity_t *b)
{
    return a->rv == b->rv && a->inode == b->inode && a->device == b->device
           && a->size == b->size && a->mtime == b->mtime
           && a->ctime == b->ctime;
}

/* Remembers error; 1 if it is another one than at the last look. */
static int note_error(bearer_filewatch_t *w, const char *error)
{
    int changed;

    apr_thread_mutex_lock(w->mutex);
    changed = strncmp(w->error, error, ERROR_MAX - 1) != 0;
    apr_cpystrn(w->error, error, ERROR_MAX);
    apr_thread_mutex_unlock(w->mutex);
    return changed;
}

const char *bearer_filewatch_error(bearer_filewatch_t *w, apr_pool_t *p)
{
    const char *error;

    apr_thread_mutex_lock(w->mutex);
    error = w->error[0] ? apr_pstrdup(p, w->error) : NULL;
    apr_thread_mutex_unlock(w->mutex);
    return error;
}

static void log_failure(bearer_filewatch_t *w, const char *error)
{
    bearer_world_log(w->world, BEARER_LOG_ERROR, AB(0254) "%s%s", error,
                     w->loaded_once ? "; what was read before stays in force"
                                    : "");
}

static void log_success(bearer_filewatch_t *w, int recovered, apr_pool_t *ptemp)
{
    if (w->loaded_once || recovered) {
        bearer_world_log(w->world,
                         recovered ? BEARER_LOG_NOTICE : BEARER_LOG_INFO,
                         AB(0255) "%s: %s was read again", w->directive,
                         bearer_text_quote(ptemp, w->path));
    }
}

static apr_status_t read_and_load(bearer_filewatch_t *w, const char **error,
                                  int *readable, apr_pool_t *ptemp)
{
    const char *data;
    apr_size_t len;
    apr_status_t rv = bearer_text_read_file(&data, &len, w->path, w->max, error,
                                            ptemp);

    *readable = rv == APR_SUCCESS;
    if (*readable) {
        *error = NULL;
        rv = w->load(w->baton, data, len, error, ptemp);
        /* it may have been a secret */
        OPENSSL_cleanse((void *)(apr_uintptr_t)data, len);
    }
    return rv;
}

static void look(bearer_filewatch_t *w, apr_pool_t *ptemp)
{
    identity_t now = identify(w->path, ptemp);
    const char *error = "";
    int readable;
    apr_status_t rv;

    if (w->read_once && same(&now, &w->seen)) {
        return;
    }
    rv = read_and_load(w, &error, &readable, ptemp);
    if (rv == APR_SUCCESS) {
        log_success(w, note_error(w, "") && w->read_once, ptemp);
        w->loaded_once = 1;
    } else {
        error = apr_psprintf(ptemp, "%s: %s: %s", w->directive,
                             bearer_text_quote(ptemp, w->path),
                             error ? error : "it cannot be used");
        if (note_error(w, error)) {
            log_failure(w, error);
        }
    }
    /* what cannot be read is tried again each time, whoever forbids it; what
     * is wrong inside stays wrong until the file changes */
    w->read_once = 1;
    w->seen = now;
    if (!readable) {
        w->seen.rv = APR_EGENERAL;
    }
    atomic_store(&w->status, rv);
}

apr_status_t bearer_filewatch_look(bearer_filewatch_t *w,
                                   apr_interval_time_t interval,
                                   apr_pool_t *ptemp)
{
    apr_time_t now = bearer_world_now(w->world);
    apr_time_t looked = atomic_load(&w->looked);

    if (looked == 0 || interval == 0 || now - looked >= interval
        || now < looked) {
        if (!atomic_flag_test_and_set(&w->busy)) {
            look(w, ptemp);
            atomic_store(&w->looked, now ? now : 1);
            atomic_flag_clear(&w->busy);
        }
    }
    return atomic_load(&w->status);
}
