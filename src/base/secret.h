/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file secret.h
 * A secret that the configuration only points to: `file:PATH`, `exec:COMMAND`
 * or `env:NAME` (AuthBearerClientSecret), or the path of a private key.
 *
 * It is read once at start, by whoever starts the server (often root), so that
 * the children's user need not be able to read the file. A child that can read
 * it looks at it again when it changes; one that cannot goes on with what was
 * read at start.
 *
 * Nothing here ever writes a value to a log. Whoever gets a copy wipes it.
 */
#pragma once

#include <apr_pools.h>

#include "base/world.h"

/** A secret, an assertion or a private key is at most so long. */
#define BEARER_SECRET_MAX (64 * 1024)

/** X(kind, prefix). Each has its reader, READ_kind, in secret.c. */
#define BEARER_SECRETS(X) X(FILE, "file:") X(EXEC, "exec:") X(ENV, "env:")

typedef enum {
#define X(kind, prefix) BEARER_SECRET_##kind,
    BEARER_SECRETS(X)
#undef X
} bearer_secret_kind_t;

/** The value of a variable that was taken out of the environment. */
typedef struct bearer_secret_env_t {
    char *value;
    apr_size_t len;
} bearer_secret_env_t;

typedef struct bearer_secret_t {
    bearer_secret_kind_t kind;
    const char *source;      /**< path, command or name */
    const char *directive;   /**< for messages: "AuthBearerClientSecret" */
    int whole;               /**< 1: a file with lines (a key), taken as it is;
                                  0: one line, blanks at its end do not count */
    const bearer_secret_env_t *taken;  /**< env: by bearer_secret_take(), or NULL */
    char *value;             /**< as read at start, NUL-terminated; NULL: not yet */
    apr_size_t len;
} bearer_secret_t;

/**
 * From `file:PATH`, `exec:COMMAND` or `env:NAME`; nothing is read.
 * @return NULL, or what is wrong with the text and the mend, in p
 */
const char *bearer_secret_parse(bearer_secret_t **secret, const char *text,
                                const char *directive, apr_pool_t *p);

/**
 * Moves the variable of an `env:` out of the environment of this process, where
 * programs, scripts and .htaccess could read it (PassEnv, osenv(), /proc). Another
 * secret of the same name, and the next configuration, find it in keep. Nothing is
 * done for other secrets. Not thread-safe: it changes the environment.
 * @param keep  outlives the configuration; holds the value until the process ends
 */
void bearer_secret_take(bearer_secret_t *secret, apr_pool_t *keep,
                        apr_pool_t *ptemp);

/** A file that is taken as it is, such as a private key. */
bearer_secret_t *bearer_secret_of_file(const char *path, const char *directive,
                                       apr_pool_t *p);

/**
 * Reads it now: the file, the command's standard output (run without a shell,
 * it has ten seconds and must exit with 0), or the variable.
 * @param p  the value lives in it and is wiped with it
 */
apr_status_t bearer_secret_start(bearer_secret_t *secret, const char **error,
                                 apr_pool_t *p);

/** For configtest; nothing is run. NULL, or what is wrong; *warning: a file
 *  that others can read, or NULL. */
const char *bearer_secret_lint(const bearer_secret_t *secret,
                               const char **warning, apr_pool_t *p);

/** A secret in a process. Thread-safe. */
typedef struct bearer_secret_watch_t bearer_secret_watch_t;

/** @param secret, world  live as long as p, the process's pool */
apr_status_t bearer_secret_watch(bearer_secret_watch_t **watch,
                                 const bearer_secret_t *secret,
                                 const bearer_world_t *world, apr_pool_t *p);

/**
 * A copy of the value in force, NUL-terminated, in p: bearer_secret_wipe() it
 * after use. A file is looked at again every few seconds.
 * @return APR_SUCCESS, or why there is none, with *error
 */
apr_status_t bearer_secret_get(char **value, apr_size_t *len,
                               bearer_secret_watch_t *watch, const char **error,
                               apr_pool_t *p);

/** Overwrites len bytes; NULL is nothing. */
void bearer_secret_wipe(void *value, apr_size_t len);
