/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Adds entries to the revocation list. Writers queue at a lock file, which is never
 * removed (it must not be the list itself, because that is replaced). The new list is
 * completely on disk before it gets the old one's name.
 */
#include "state/revocation.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <apr_strings.h>

#include "base/text.h"
#include "state/revocation_file.h"

/* The list contains no secrets. If root starts the server, the children must be
 * able to read a file that root created. */
#define NEW_MODE 0644

/* Maximum size of a line: kind, digest, 20 digits. */
#define LINE_MAX_SIZE 128

/* A change of a list. */
typedef struct change_t {
    const char *path;             /* path of the list itself, not of a symbolic link */
    const char *temporary;
    bearer_revocation_kind_t kind;
    const unsigned char *digest;
    apr_int64_t until;
    apr_time_t now;
    int exists;                   /* 1: there is an old list */
    struct stat st;               /* mode and owner of the old list */
    char *text;                   /* the new list, malloc'ed */
    apr_size_t len;
    const char *error;
    apr_pool_t *p;
} change_t;

static apr_status_t fail(change_t *change, const char *what, const char *path,
                         int code)
{
    change->error = apr_psprintf(change->p, "cannot %s %s: %s", what, path,
                                 bearer_text_status(change->p, code));
    return code;
}

/* ---- the new text -------------------------------------------------------- */

static int lives_as_long(apr_int64_t until, apr_int64_t wanted)
{
    return until == 0 || (wanted != 0 && until >= wanted);
}

static void keep(change_t *change, const char *text, apr_size_t len)
{
    memcpy(change->text + change->len, text, len);
    change->len += len;
}

static void add_line(change_t *change)
{
    const char *line = apr_psprintf(
        change->p, "%s %s %" APR_INT64_T_FMT "\n", bearer_revocation_word(change->kind),
        bearer_text_hex(change->p, change->digest, BEARER_SHA256_SIZE), change->until);

    keep(change, line, strlen(line));
}

/* Keeps comments and live entries unchanged. Adds the entry unless it exists;
 * replaces one that would expire earlier. */
static apr_status_t merge(change_t *change, bearer_revocation_text_t *old)
{
    char error[BEARER_REVOCATION_ERROR_SIZE];
    bearer_revocation_line_t line;
    int there = 0;

    while (bearer_revocation_file_next(old, &line, error)) {
        if (line.kind == BEARER_REVOCATION_BAD) {
            change->error = apr_psprintf(change->p, "%s: %s; correct the file first",
                                         change->path, error);
            return APR_EINVAL;
        }
        if (line.kind != BEARER_REVOCATION_NOTHING
            && !bearer_revocation_is_live(line.until, change->now)) {
            continue;
        }
        if (line.kind == change->kind
            && memcmp(line.digest, change->digest, BEARER_SHA256_SIZE) == 0) {
            if (there || !lives_as_long(line.until, change->until)) {
                continue;
            }
            there = 1;
        }
        keep(change, line.start, line.len);
    }
    if (!there) {
        add_line(change);
    }
    return APR_SUCCESS;
}

static apr_status_t make_text(change_t *change)
{
    bearer_revocation_text_t old;
    char error[BEARER_REVOCATION_ERROR_SIZE];
    apr_status_t rv;

    rv = bearer_revocation_file_read(&old, &change->st, change->path, error);
    change->exists = !APR_STATUS_IS_ENOENT(rv);
    if (rv != APR_SUCCESS && change->exists) {
        change->error = apr_psprintf(change->p, "%s: %s", change->path, error);
        return rv;
    }
    change->text = malloc(old.len + LINE_MAX_SIZE);
    rv = change->text ? merge(change, &old)
                      : fail(change, "read", change->path, ENOMEM);
    free(old.text);
    if (rv == APR_SUCCESS && change->len > BEARER_REVOCATION_MAX) {
        change->error = apr_psprintf(change->p,
                                     "%s would be larger than %d bytes, and the server would not "
                                     "read it",
                                     change->path, BEARER_REVOCATION_MAX);
        rv = APR_ENOSPC;
    }
    return rv;
}

/* ---- the new file -------------------------------------------------------- */

/* With another owner the server might be unable to read the list. No new list is
 * better than an unreadable one. */
static apr_status_t keep_owner(change_t *change, int fd)
{
    const struct stat *old = &change->st;
    struct stat st;

    if (!change->exists) {
        return fchmod(fd, NEW_MODE) == 0
                   ? APR_SUCCESS
                   : fail(change, "set the mode of", change->temporary, errno);
    }
    if (fstat(fd, &st) != 0) {
        return fail(change, "look at", change->temporary, errno);
    }
    if ((st.st_uid != old->st_uid || st.st_gid != old->st_gid)
        && fchown(fd, old->st_uid, old->st_gid) != 0) {
        return fail(change, "keep the owner and group of", change->path, errno);
    }
    return fchmod(fd, old->st_mode & 07777) == 0
               ? APR_SUCCESS : fail(change, "keep the mode of", change->path, errno);
}

static apr_status_t fill_file(change_t *change, int fd)
{
    apr_status_t rv = keep_owner(change, fd);
    int code = rv ? 0 : bearer_text_write_fd(fd, change->text, change->len);

    if (rv == APR_SUCCESS && code == 0 && fsync(fd) != 0) {
        code = errno;
    }
    return code ? fail(change, "write", change->temporary, code) : rv;
}

static apr_status_t write_file(change_t *change)
{
    apr_status_t rv;
    int fd;

    /* a writer that died left it; this process holds the lock */
    if (unlink(change->temporary) != 0 && errno != ENOENT) {
        return fail(change, "remove", change->temporary, errno);
    }
    fd = open(change->temporary,
              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(change, "create", change->temporary, errno);
    }
    rv = fill_file(change, fd);
    if (close(fd) != 0 && rv == APR_SUCCESS) {
        rv = fail(change, "write", change->temporary, errno);
    }
    if (rv == APR_SUCCESS && rename(change->temporary, change->path) != 0) {
        rv = fail(change, "replace", change->path, errno);
    }
    if (rv != APR_SUCCESS) {
        unlink(change->temporary);
    }
    return rv;
}

/* Syncs the directory, which makes the name durable. */
static apr_status_t sync_directory(change_t *change)
{
    const char *name = dirname(apr_pstrdup(change->p, change->path));
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = 0;

    if (fd < 0) {
        return fail(change, "open", name, errno);
    }
    if (fsync(fd) != 0 && errno != EINVAL) {
        code = errno;
    }
    close(fd);
    return code == 0 ? APR_SUCCESS : fail(change, "write", name, code);
}

/* ---- one at a time ------------------------------------------------------- */

/* Returns the lock's descriptor, or -1. A process holds the lock only during a
 * write, and the kernel releases it if the process dies. */
static int lock(change_t *change)
{
    const char *path = apr_pstrcat(change->p, change->path, ".lock", NULL);
    int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, NEW_MODE);

    if (fd < 0) {
        fail(change, "open", path, errno);
        return -1;
    }
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            fail(change, "lock", path, errno);
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* rename() would replace a symbolic link instead of the list. */
static const char *real_path(const char *path, apr_pool_t *p)
{
    char *real = realpath(path, NULL);
    const char *result = apr_pstrdup(p, real ? real : path);

    free(real);
    return result;
}

static apr_status_t apply(change_t *change)
{
    apr_status_t rv;
    int fd;

    if (!bearer_revocation_is_live(change->until, change->now)) {
        return APR_SUCCESS;
    }
    fd = lock(change);
    if (fd < 0) {
        return APR_EGENERAL;
    }
    rv = make_text(change);
    if (rv == APR_SUCCESS) {
        rv = write_file(change);
    }
    if (rv == APR_SUCCESS) {
        rv = sync_directory(change);
    }
    free(change->text);
    close(fd);
    return rv;
}

/* digested: the status of computing the digest */
static apr_status_t append(const char *path, bearer_revocation_kind_t kind,
                           const unsigned char *digest, apr_status_t digested,
                           apr_time_t until, apr_time_t now, const char **error,
                           apr_pool_t *p)
{
    const char *real = real_path(path, p);
    change_t change = {
        .path = real, .temporary = apr_pstrcat(p, real, ".new", NULL), .kind = kind,
        .digest = digest, .until = until > 0 ? apr_time_sec(until - 1) + 1 : 0,
        .now = now, .p = p, .error = "SHA-256 is not available"
    };
    apr_status_t rv;

    rv = digested == APR_SUCCESS ? apply(&change) : APR_EGENERAL;
    if (error) {
        *error = rv == APR_SUCCESS ? NULL : change.error;
    }
    return rv;
}

apr_status_t bearer_revocation_append_token(const char *path, const char *token,
                                            apr_size_t len, apr_time_t until,
                                            apr_time_t now, const char **error,
                                            apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_status_t rv = bearer_revocation_token_digest(NULL, digest, token, len);

    return append(path, BEARER_REVOCATION_TOKEN, digest, rv, until, now, error, p);
}

apr_status_t bearer_revocation_append_jti(const char *path, const char *iss,
                                          const char *jti, apr_time_t until,
                                          apr_time_t now, const char **error,
                                          apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_status_t rv = bearer_revocation_jti_digest(NULL, digest, iss, jti);

    return append(path, BEARER_REVOCATION_JTI, digest, rv, until, now, error, p);
}

apr_status_t bearer_revocation_list_entries(
    const char *path, apr_time_t now,
    void (*each)(void *baton, const bearer_revocation_listed_t *entry), void *baton,
    const char **error, apr_pool_t *p)
{
    bearer_revocation_text_t text;
    char wrong[BEARER_REVOCATION_ERROR_SIZE];
    bearer_revocation_line_t line;
    struct stat st;
    apr_status_t rv = bearer_revocation_file_read(&text, &st, path, wrong);

    while (rv == APR_SUCCESS && bearer_revocation_file_next(&text, &line, wrong)) {
        bearer_revocation_listed_t entry = {
            NULL, line.digest, line.until, bearer_revocation_is_live(line.until, now)
        };

        if (line.kind == BEARER_REVOCATION_BAD) {
            rv = APR_EINVAL;
        } else if (line.kind != BEARER_REVOCATION_NOTHING) {
            entry.kind = bearer_revocation_word(line.kind);
            each(baton, &entry);
        }
    }
    free(text.text);
    *error = rv == APR_SUCCESS ? NULL : apr_psprintf(p, "%s: %s", path, wrong);
    return rv;
}
