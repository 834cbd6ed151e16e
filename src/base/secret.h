/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file secret.h
 * A secret that the configuration only refers to: `file:PATH`, `exec:COMMAND` or
 * `env:NAME` (AuthBearerClientSecret), or the path of a private key.
 *
 * The secret is read once at start, by the user that starts the server (often root),
 * so that the children's user need not be able to read the file. A child that can
 * read the file reads it again when it changes. A child that cannot uses the value
 * read at start.
 *
 * These functions never log a value. A caller that gets a copy must wipe it.
 */
#pragma once

#include <apr_pools.h>

#include "base/world.h"

/** Maximum length of a secret, an assertion or a private key, in bytes. */
#define BEARER_SECRET_MAX (64 * 1024)

/** X(kind, prefix). Each kind has a reader READ_kind in secret.c. */
#define BEARER_SECRETS(X) X(FILE, "file:") X(EXEC, "exec:") X(ENV, "env:")

typedef enum {
#define X(kind, prefix) BEARER_SECRET_##kind,
    BEARER_SECRETS(X)
#undef X
} bearer_secret_kind_t;

/** The value of a variable that was removed from the environment. */
typedef struct bearer_secret_env_t {
    char *value;
    apr_size_t len;
} bearer_secret_env_t;

typedef struct bearer_secret_t {
    bearer_secret_kind_t kind;
    const char *source;      /**< path, command or name */
    const char *directive;   /**< for messages: "AuthBearerClientSecret" */
    int whole;               /**< 1: a file with several lines (a key), used unchanged;
                                  0: one line, without trailing white space */
    const bearer_secret_env_t *taken;  /**< env: set by bearer_secret_take(), or NULL */
    char *value;             /**< as read at start, NUL-terminated; NULL: not yet */
    apr_size_t len;
} bearer_secret_t;

/**
 * Parses `file:PATH`, `exec:COMMAND` or `env:NAME`; reads nothing.
 * @return NULL, or an error message about the text, with the correction, in p
 */
const char *bearer_secret_parse(bearer_secret_t **secret, const char *text,
                                const char *directive, apr_pool_t *p);

/**
 * Moves the variable of an `env:` secret out of this process's environment, where
 * programs, scripts and .htaccess could read it (PassEnv, osenv(), /proc). Another
 * secret with the same name, and the next configuration, find it in keep. Does
 * nothing for other secrets. Not thread-safe: it changes the environment.
 * @param keep  must outlive the configuration; holds the value until the process ends
 */
void bearer_secret_take(bearer_secret_t *secret, apr_pool_t *keep,
                        apr_pool_t *ptemp);

/** Returns a secret for a file that is used unchanged, such as a private key. */
bearer_secret_t *bearer_secret_of_file(const char *path, const char *directive,
                                       apr_pool_t *p);

/**
 * Reads the secret now: the file, the variable, or the command's standard output. The
 * command runs without a shell, for at most ten seconds, and must exit with 0.
 * @param p  holds the value, which is wiped when p is destroyed
 */
apr_status_t bearer_secret_start(bearer_secret_t *secret, const char **error,
                                 apr_pool_t *p);

/** Checks the secret for configtest, without running a command. Returns NULL, or
 *  an error message. *warning is set if others can read the file, else NULL. */
const char *bearer_secret_lint(const bearer_secret_t *secret,
                               const char **warning, apr_pool_t *p);

/** A secret in a child process. Thread-safe. */
typedef struct bearer_secret_watch_t bearer_secret_watch_t;

/** @param secret, world  must live as long as p, the process's pool */
apr_status_t bearer_secret_watch(bearer_secret_watch_t **watch,
                                 const bearer_secret_t *secret,
                                 const bearer_world_t *world, apr_pool_t *p);

/**
 * Copies the value in force into p, NUL-terminated. Call bearer_secret_wipe() after
 * use. A file is checked again every few seconds.
 * @return APR_SUCCESS, or why there is no value, with *error
 */
apr_status_t bearer_secret_get(char **value, apr_size_t *len,
                               bearer_secret_watch_t *watch, const char **error,
                               apr_pool_t *p);

/** Overwrites len bytes; does nothing if value is NULL. */
void bearer_secret_wipe(void *value, apr_size_t len);
