/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file filewatch.h
 * Reads a file again when it changes, without a restart: keys, tenants, secrets. If a
 * file becomes unreadable or invalid, the content read before stays in force, and one
 * log line says so.
 *
 * The file's inode, size, mtime and ctime identify its content, through symbolic
 * links (Kubernetes swaps them).
 *
 * Thread-safe. One thread at a time checks the file; the others use the content in
 * force.
 */
#pragma once

#include <sys/stat.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/world.h"

/** Identifies one state of a file. */
typedef struct bearer_file_identity_t {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
} bearer_file_identity_t;

/** Fills the identity from the result of stat(). */
void bearer_file_identify(bearer_file_identity_t *identity, const struct stat *st);

/** Returns 1 if both identify the same state of a file. */
int bearer_file_is_same(const bearer_file_identity_t *a, const bearer_file_identity_t *b);

/** Minimum time between two checks of a file. */
#define BEARER_FILEWATCH_INTERVAL apr_time_from_sec(5)

typedef struct bearer_filewatch_t bearer_filewatch_t;

/**
 * Takes new content over, or refuses it; the content before must then stay in force.
 * Never called by two threads at the same time.
 * @param error  on failure an error message, in ptemp
 */
typedef apr_status_t (*bearer_filewatch_load_fn)(void *baton, const char *data,
                                                 apr_size_t len,
                                                 const char **error,
                                                 apr_pool_t *ptemp);

/**
 * Creates a watch; reads nothing yet.
 * @param directive  the directive that names the file, for the log: "AuthBearerKeys"
 * @param max        maximum size of the file, in bytes
 * @param world      must live as long as p
 */
apr_status_t bearer_filewatch_create(bearer_filewatch_t **watch,
                                     const char *directive, const char *path,
                                     apr_size_t max,
                                     bearer_filewatch_load_fn load, void *baton,
                                     const bearer_world_t *world,
                                     apr_pool_t *p);

/**
 * Checks the file if the last check is older than interval (0: always), and loads it
 * if it changed.
 * @return APR_SUCCESS if the file's content is in force. Else the reason why it is
 *         not; content loaded before stays in force. APR_EAGAIN: another thread is
 *         loading the file for the first time
 */
apr_status_t bearer_filewatch_look(bearer_filewatch_t *watch,
                                   apr_interval_time_t interval,
                                   apr_pool_t *ptemp);

/** Returns what was wrong at the last check, in p; NULL: nothing. */
const char *bearer_filewatch_error(bearer_filewatch_t *watch, apr_pool_t *p);
