/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Secrets that the configuration only refers to. See secret.h.
 */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_env.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <openssl/crypto.h>

#include "base/filewatch.h"
#include "base/text.h"

/** Maximum run time of a command. */
#define EXEC_TIME apr_time_from_sec(10)

struct bearer_secret_watch_t {
    const bearer_secret_t *secret;
    bearer_filewatch_t *file;    /* NULL: the value read at start stays in use */
    apr_thread_mutex_t *mutex;
    char *value;                 /* malloc'd, under mutex; NULL: none yet */
    apr_size_t len;
};

void bearer_secret_wipe(void *value, apr_size_t len)
{
    if (value) {
        OPENSSL_cleanse(value, len);
    }
}

/* ---- sources ------------------------------------------------------------ */

static const char *const prefixes[] = {
#define X(kind, prefix) prefix,
    BEARER_SECRETS(X)
#undef X
};
#define KINDS (sizeof(prefixes) / sizeof(prefixes[0]))

static bearer_secret_t *new_secret(bearer_secret_kind_t kind,
                                   const char *source, const char *directive,
                                   apr_pool_t *p)
{
    bearer_secret_t *secret = apr_pcalloc(p, sizeof(*secret));

    secret->kind = kind;
    secret->source = apr_pstrdup(p, source);
    secret->directive = directive;
    return secret;
}

const char *bearer_secret_parse(bearer_secret_t **secret, const char *text,
                                const char *directive, apr_pool_t *p)
{
    unsigned i;

    for (i = 0; i < KINDS; i++) {
        apr_size_t len = strlen(prefixes[i]);

        if (strncmp(text, prefixes[i], len) == 0 && text[len]) {
            *secret = new_secret((bearer_secret_kind_t)i, text + len, directive, p);
            return NULL;
        }
    }
    return "a literal secret is not accepted; use file:PATH, exec:COMMAND or env:NAME";
}

bearer_secret_t *bearer_secret_of_file(const char *path, const char *directive,
                                       apr_pool_t *p)
{
    bearer_secret_t *secret = new_secret(BEARER_SECRET_FILE, path, directive,
                                         p);

    secret->whole = 1;
    return secret;
}

void bearer_secret_take(bearer_secret_t *secret, apr_pool_t *keep,
                        apr_pool_t *ptemp)
{
    bearer_secret_env_t *taken;
    char *key, *value = NULL;
    void *data = NULL;

    if (secret->kind != BEARER_SECRET_ENV) {
        return;
    }
    /* another build of the module also finds the value under this name */
    key = apr_pstrcat(ptemp, "mod_auth_bearer env 1 ", secret->source, NULL);
    apr_pool_userdata_get(&data, key, keep);
    taken = data;
    if (apr_env_get(&value, secret->source, ptemp) == APR_SUCCESS) {
        if (!taken) {
            taken = apr_pcalloc(keep, sizeof(*taken));
            /* no clean-up: this code is unloaded before that pool ends */
            apr_pool_userdata_set(taken, key, NULL, keep);
        }
        bearer_secret_wipe(taken->value, taken->len);
        taken->len = strlen(value);
        taken->value = apr_pstrmemdup(keep, value, taken->len);
        /* overwritten in place: /proc shows the original memory of the variables */
        bearer_secret_wipe(value, taken->len);
        apr_env_delete(secret->source, ptemp);
    }
    secret->taken = taken;
}

/* ---- reading ------------------------------------------------------------ */

/* Removes trailing white space and checks the rest. */
static const char *tidy(const bearer_secret_t *secret, const char *data,
                        apr_size_t *len)
{
    while (!secret->whole && *len && strchr(" \t\r\n", data[*len - 1])) {
        --*len;
    }
    if (!*len) {
        return "it is empty";
    }
    return !secret->whole && bearer_text_has_control(data, *len)
        ? "it has more than one line, or a control character" : NULL;
}

static apr_status_t read_file(const bearer_secret_t *secret, const char **data,
                              apr_size_t *len, const char **error,
                              apr_pool_t *p)
{
    return bearer_text_read_file(data, len, secret->source, BEARER_SECRET_MAX, error,
                                 p);
}

static apr_status_t start_command(apr_proc_t *process, const char *command,
                                  apr_pool_t *p)
{
    apr_procattr_t *attributes;
    char **words;
    apr_status_t rv = apr_tokenize_to_argv(command, &words, p);

    if (rv == APR_SUCCESS && !words[0]) {
        rv = APR_EINVAL;
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_create(&attributes, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_io_set(attributes, APR_NO_PIPE, APR_FULL_BLOCK,
                                 APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_cmdtype_set(attributes, APR_PROGRAM_ENV);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_error_check_set(attributes, 1);
    }
    return rv == APR_SUCCESS
               ? apr_proc_create(process, words[0], (const char *const *)words,
                                 NULL, attributes, p)
               : rv;
}

static apr_status_t read_output(apr_proc_t *process, const char **data,
                                apr_size_t *len, apr_pool_t *p)
{
    char *buffer = apr_palloc(p, BEARER_SECRET_MAX + 1);
    apr_status_t rv;

    apr_file_pipe_timeout_set(process->out, EXEC_TIME);
    rv = apr_file_read_full(process->out, buffer, BEARER_SECRET_MAX + 1, len);
    *data = buffer;
    if (rv == APR_SUCCESS) {
        return APR_ENOSPC;
    }
    return APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
}

static apr_status_t read_exec(const bearer_secret_t *secret, const char **data,
                              apr_size_t *len, const char **error,
                              apr_pool_t *p)
{
    apr_exit_why_e why = APR_PROC_EXIT;
    apr_proc_t process;
    int status = 0;
    apr_status_t rv = start_command(&process, secret->source, p);

    if (rv != APR_SUCCESS) {
        *error = apr_pstrcat(p, "the command cannot be run: ",
                             bearer_text_status(p, rv), NULL);
        return rv;
    }
    rv = read_output(&process, data, len, p);
    if (rv != APR_SUCCESS) {
        apr_proc_kill(&process, SIGKILL);
    }
    apr_proc_wait(&process, &status, &why, APR_WAIT);
    if (rv != APR_SUCCESS) {
        *error = rv == APR_ENOSPC ? "the command's output is longer than 64 KiB"
            : apr_pstrcat(p, "the command's output cannot be read: ",
                          bearer_text_status(p, rv), NULL);
        return rv;
    }
    if (!APR_PROC_CHECK_EXIT(why) || status != 0) {
        *error = apr_psprintf(p, "the command failed with status %d", status);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

static apr_status_t read_env(const bearer_secret_t *secret, const char **data,
                             apr_size_t *len, const char **error, apr_pool_t *p)
{
    const bearer_secret_env_t *taken = secret->taken;
    char *value = taken ? taken->value : NULL;
    apr_status_t rv = taken ? APR_SUCCESS : apr_env_get(&value, secret->source, p);

    if (rv != APR_SUCCESS) {
        *error = "the environment has no such variable; set it for the server, and for configtest";
        return rv;
    }
    *len = taken ? taken->len : strlen(value);
    *data = apr_pstrmemdup(p, value, *len);   /* a copy, which is wiped; the original is not */
    return APR_SUCCESS;
}

static const char *named(const bearer_secret_t *secret, apr_pool_t *p)
{
    return apr_psprintf(p, "%s %s%s", secret->directive,
                        secret->whole ? "" : prefixes[secret->kind],
                        bearer_text_quote(p, secret->source));
}

static apr_status_t wipe_value(void *baton)
{
    bearer_secret_t *secret = baton;

    bearer_secret_wipe(secret->value, secret->len);
    secret->value = NULL;
    return APR_SUCCESS;
}

#define READ_FILE read_file
#define READ_EXEC read_exec
#define READ_ENV read_env

/* Reads the value into data and len, in ptemp. */
static apr_status_t read_now(const bearer_secret_t *secret, const char **data,
                             apr_size_t *len, const char **error,
                             apr_pool_t *ptemp)
{
    static apr_status_t (*const readers[])(const bearer_secret_t *,
                                           const char **, apr_size_t *,
                                           const char **, apr_pool_t *) = {
#define X(kind, prefix) READ_##kind,
        BEARER_SECRETS(X)
#undef X
    };
    apr_status_t rv;

    *len = 0;
    rv = readers[secret->kind](secret, data, len, error, ptemp);
    if (rv == APR_SUCCESS) {
        apr_size_t all = *len;

        *error = tidy(secret, *data, len);
        if (*error) {
            bearer_secret_wipe((char *)(apr_uintptr_t)*data, all);
            rv = APR_EINVAL;
        }
    }
    return rv;
}

apr_status_t bearer_secret_start(bearer_secret_t *secret, const char **error,
                                 apr_pool_t *p)
{
    const char *data = NULL, *problem = NULL;
    apr_pool_t *ptemp;
    apr_status_t rv;

    *error = NULL;
    rv = apr_pool_create(&ptemp, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = read_now(secret, &data, &secret->len, &problem, ptemp);
    if (rv == APR_SUCCESS) {
        secret->value = apr_pstrmemdup(p, data, secret->len);
        bearer_secret_wipe((char *)(apr_uintptr_t)data, secret->len);
        apr_pool_cleanup_register(p, secret, wipe_value, apr_pool_cleanup_null);
    } else {
        *error = apr_psprintf(p, "%s: %s", named(secret, p), problem);
    }
    apr_pool_destroy(ptemp);
    return rv;
}

/* ---- configtest --------------------------------------------------------- */

static const char *lint_file(const bearer_secret_t *secret,
                             const char **warning, apr_pool_t *p)
{
    apr_finfo_t info;
    apr_status_t rv = apr_stat(&info, secret->source,
                               APR_FINFO_PROT | APR_FINFO_TYPE, p);

    if (rv != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(rv)) {
        return apr_pstrcat(p, named(secret, p), ": it cannot be read: ",
                           bearer_text_status(p, rv), NULL);
    }
    if (info.filetype == APR_DIR) {
        return apr_psprintf(p, "%s is a directory", named(secret, p));
    }
    if (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE)) {
        *warning = apr_psprintf(p, "%s: %s is readable or writable by other users; run chmod o-rwx "
                                "%s", secret->directive,
                                secret->source, secret->source);
    }
    return NULL;
}

const char *bearer_secret_lint(const bearer_secret_t *secret,
                               const char **warning, apr_pool_t *p)
{
    const char *problem = NULL, *data;
    apr_size_t len = 0;

    *warning = NULL;
    if (secret->kind == BEARER_SECRET_EXEC) {
        return NULL;   /* a configuration test does not run commands */
    }
    if (secret->kind == BEARER_SECRET_FILE) {
        problem = lint_file(secret, warning, p);
        if (problem) {
            return problem;
        }
    }
    if (read_now(secret, &data, &len, &problem, p) != APR_SUCCESS) {
        return apr_psprintf(p, "%s: %s", named(secret, p), problem);
    }
    bearer_secret_wipe((char *)(apr_uintptr_t)data, len);
    return NULL;
}

/* ---- in a child process ------------------------------------------------- */

static void replace(bearer_secret_watch_t *w, const char *data, apr_size_t len)
{
    char *value = malloc(len);

    if (!value) {
        return;
    }
    memcpy(value, data, len);
    apr_thread_mutex_lock(w->mutex);
    bearer_secret_wipe(w->value, w->len);
    free(w->value);
    w->value = value;
    w->len = len;
    apr_thread_mutex_unlock(w->mutex);
}

static apr_status_t load(void *baton, const char *data, apr_size_t len,
                         const char **error, apr_pool_t *ptemp)
{
    bearer_secret_watch_t *w = baton;

    (void)ptemp;
    *error = tidy(w->secret, data, &len);
    if (!*error) {
        replace(w, data, len);  /* filewatch.c wipes the data */
    }
    return *error ? APR_EINVAL : APR_SUCCESS;
}

static apr_status_t forget(void *baton)
{
    bearer_secret_watch_t *w = baton;

    bearer_secret_wipe(w->value, w->len);
    free(w->value);
    w->value = NULL;
    return APR_SUCCESS;
}

apr_status_t bearer_secret_watch(bearer_secret_watch_t **watch,
                                 const bearer_secret_t *secret,
                                 const bearer_world_t *world, apr_pool_t *p)
{
    bearer_secret_watch_t *w = apr_pcalloc(p, sizeof(*w));
    apr_status_t rv = apr_thread_mutex_create(&w->mutex,
                                              APR_THREAD_MUTEX_DEFAULT, p);

    *watch = w;
    w->secret = secret;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, w, forget, apr_pool_cleanup_null);
    if (secret->value) {
        replace(w, secret->value, secret->len);
    }
    if (secret->kind != BEARER_SECRET_FILE) {
        return APR_SUCCESS;
    }
    if (secret->value && access(secret->source, R_OK) != 0) {
        if (!world || !world->is_told) {
            bearer_world_log(world, BEARER_LOG_INFO,
                             AB(0256) "%s: %s is not readable by the server's user; changes take "
                             "effect at the next graceful restart", secret->directive,
                             bearer_text_quote(p, secret->source));
        }
        return APR_SUCCESS;
    }
    return bearer_filewatch_create(&w->file, secret->directive, secret->source,
                                   BEARER_SECRET_MAX, load, w, world, p);
}

apr_status_t bearer_secret_get(char **value, apr_size_t *len,
                               bearer_secret_watch_t *w, const char **error,
                               apr_pool_t *p)
{
    *value = NULL;
    *error = NULL;
    if (w->file) {
        bearer_filewatch_look(w->file, BEARER_FILEWATCH_INTERVAL, p);
    }
    apr_thread_mutex_lock(w->mutex);
    if (w->value) {
        *value = apr_pstrmemdup(p, w->value, w->len);
        *len = w->len;
    }
    apr_thread_mutex_unlock(w->mutex);
    if (!*value) {
        *error = w->file ? bearer_filewatch_error(w->file, p) : NULL;
        if (!*error) {
            *error = apr_psprintf(p, "%s was not read", named(w->secret, p));
        }
    }
    return *value ? APR_SUCCESS : APR_NOTFOUND;
}
