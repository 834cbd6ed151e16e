/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file filewatch.h
 * A file that is read again when it changes, without a restart: keys, tenants,
 * secrets. A file that has become unreadable or wrong leaves what was read
 * before in force, and that is logged once.
 *
 * What identifies the content is the file's inode, size, mtime and ctime,
 * through symbolic links (Kubernetes swaps them).
 *
 * Thread-safe: one thread at a time looks, the others go on with what is there.
 */
#pragma once

#include <sys/stat.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/world.h"

/** What tells one state of a file from another. */
typedef struct bearer_file_identity_t {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
} bearer_file_identity_t;

void bearer_file_identify(bearer_file_identity_t *identity, const struct stat *st);
int bearer_file_is_same(const bearer_file_identity_t *a, const bearer_file_identity_t *b);

/** How often a file is looked at, at most. */
#define BEARER_FILEWATCH_INTERVAL apr_time_from_sec(5)

typedef struct bearer_filewatch_t bearer_filewatch_t;

/**
 * Takes new content over, or refuses it (then the content before must stay in
 * force). Never called by two threads at once.
 * @param error  on failure what is wrong, in ptemp
 */
typedef apr_status_t (*bearer_filewatch_load_fn)(void *baton, const char *data,
                                                 apr_size_t len,
                                                 const char **error,
                                                 apr_pool_t *ptemp);

/**
 * Nothing is read yet.
 * @param directive  who names the file, for the log: "AuthBearerKeys"
 * @param max        bytes accepted
 * @param world      lives as long as p
 */
apr_status_t bearer_filewatch_create(bearer_filewatch_t **watch,
                                     const char *directive, const char *path,
                                     apr_size_t max,
                                     bearer_filewatch_load_fn load, void *baton,
                                     const bearer_world_t *world,
                                     apr_pool_t *p);

/**
 * Looks at the file when the last look is older than interval (0: now), and
 * loads it when it changed.
 * @return APR_SUCCESS: the file's content is in force. Else why not: what was
 *         loaded before, if anything, is in force still. APR_EAGAIN: another
 *         thread is at it for the first time.
 */
apr_status_t bearer_filewatch_look(bearer_filewatch_t *watch,
                                   apr_interval_time_t interval,
                                   apr_pool_t *ptemp);

/** What was wrong at the last look, in p; NULL: nothing. */
const char *bearer_filewatch_error(bearer_filewatch_t *watch, apr_pool_t *p);
