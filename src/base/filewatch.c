/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Files that are read again when they change. See filewatch.h.
 */
#include "base/filewatch.h"

#include <stdatomic.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <apr_thread_mutex.h>

#include "base/text.h"

#define ERROR_MAX 512

struct bearer_filewatch_t {
    const char *directive, *path;
    apr_size_t max;
    bearer_filewatch_load_fn load;
    void *baton;
    const bearer_world_t *world;
    atomic_flag busy;
    _Atomic apr_time_t looked;     /* 0: never */
    atomic_int status;             /* of the last check */
    apr_thread_mutex_t *mutex;     /* protects error */
    char error[ERROR_MAX];
    /* for the thread that is checking only */
    bearer_file_identity_t seen;   /* the state read last, valid or not */
    int there;                     /* 0: the file was absent or unreadable */
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
    atomic_init(&w->status, APR_EAGAIN);
    *watch = w;
    return apr_thread_mutex_create(&w->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

void bearer_file_identify(bearer_file_identity_t *identity, const struct stat *st)
{
    memset(identity, 0, sizeof(*identity));
    identity->dev = st->st_dev;
    identity->ino = st->st_ino;
    identity->size = st->st_size;
    identity->mtime = st->st_mtim;
    identity->ctime = st->st_ctim;
}

static int is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int bearer_file_is_same(const bearer_file_identity_t *a, const bearer_file_identity_t *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size
           && is_same_time(&a->mtime, &b->mtime)
           && is_same_time(&a->ctime, &b->ctime);
}

/* Stores error; returns 1 if it differs from that of the last check. */
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
                     w->loaded_once ? "; the content read before stays in force"
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
        /* the data may be a secret */
        OPENSSL_cleanse((void *)(apr_uintptr_t)data, len);
    }
    return rv;
}

static void look(bearer_filewatch_t *w, apr_pool_t *ptemp)
{
    bearer_file_identity_t now;
    const char *error = "";
    struct stat st;
    int readable, there = stat(w->path, &st) == 0;
    apr_status_t rv;

    if (there) {
        bearer_file_identify(&now, &st);
        if (w->there && bearer_file_is_same(&now, &w->seen)) {
            return;
        }
        w->seen = now;
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
    /* an unreadable file is tried again each time; an invalid one only when it changes */
    w->read_once = 1;
    w->there = there && readable;
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
