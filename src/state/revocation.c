/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The revocation list in memory. Tables (revocation_table.h) are in a few places. A
 * reader increments the count of the current place, then verifies that the place is
 * still current. A place is therefore reused, and its table freed, only if no reader
 * is left.
 *
 * The file may be read while it is being overwritten in place (cp): it may then be
 * empty or truncated. A change of the same file is therefore read only after the file
 * has been unchanged for a moment, and an unreadable file gets another attempt.
 * During that time the last table stays in use, or requests wait.
 */
#include "state/revocation.h"

#include <stdatomic.h>
#include <string.h>

#include <apr_strings.h>

#include "base/bell.h"
#include "base/filewatch.h"
#include "state/revocation_table.h"

/* The current table, and old ones that still have readers. */
#define PLACES 4

/* A file that changed less than this ago may change again without a visible sign,
 * because its times have the resolution of the file system. The next check reads
 * it again. */
#define SETTLED_AFTER 2

/* A file that was overwritten in place less than this ago may be incomplete,
 * especially if it has become shorter. For a file that is appended to repeatedly,
 * the wait is limited to LEFT_ALONE_WITHIN. Each of these plus the interval
 * between checks is less than BEARER_REVOCATION_FRESH. */
#define LEFT_ALONE apr_time_from_msec(100)
#define LEFT_ALONE_SHORTER apr_time_from_msec(350)
#define LEFT_ALONE_WITHIN apr_time_from_msec(350)

/* If an unreadable list is not readable again after this time, requests are refused. */
#define WHOLE_WITHIN apr_time_from_msec(900)

/* How long a request waits for another thread's overdue check; and when it checks
 * itself if that one failed. */
#define LOOK_TAKES apr_time_from_sec(1)
#define LOOK_AGAIN apr_time_from_msec(20)

struct bearer_revocation_t {
    const char *path;
    const bearer_world_t *world;
    bearer_sha256_t *sha256;
    struct {
        _Atomic unsigned readers;
        bearer_revocation_table_t *table;
    } places[PLACES];
    _Atomic unsigned current;
    _Atomic apr_time_t looked;    /* start of the last check */
    bearer_bell_t looked_bell;    /* rings when a check ends */
    atomic_flag looking;          /* its holder owns the following members */
    bearer_file_identity_t identity;
    bearer_file_identity_t writing; /* a later state of that file, */
    apr_time_t written;           /* and when it was first seen */
    int settled;                  /* same identity means same content */
    apr_time_t unsure;            /* since when a change has been postponed; 0: none. By
                                     the system's clock, like the other two */
    apr_time_t tried;             /* the last check that failed */
};

/* ---- readers and places -------------------------------------------------- */

static unsigned enter(bearer_revocation_t *list)
{
    for (;;) {
        const unsigned place = atomic_load(&list->current);

        atomic_fetch_add(&list->places[place].readers, 1);
        if (atomic_load(&list->current) == place) {
            return place;
        }
        atomic_fetch_sub(&list->places[place].readers, 1);
    }
}

static void leave(bearer_revocation_t *list, unsigned place)
{
    atomic_fetch_sub(&list->places[place].readers, 1);
}

/* Frees the tables without readers. Returns a free place, or -1. */
static int tidy_places(bearer_revocation_t *list)
{
    const unsigned current = atomic_load(&list->current);
    unsigned i;
    int place = -1;

    for (i = 0; i < PLACES; i++) {
        if (i != current && atomic_load(&list->places[i].readers) == 0) {
            bearer_revocation_table_free(list->places[i].table);
            list->places[i].table = NULL;
            place = (int)i;
        }
    }
    return place;
}

/* ---- checking the file (list->looking held) ------------------------------ */

/* Returns 1 if this is the file that was read before and it was written to since
 * the last check. The file's own times may come from another clock, or be late. */
static int is_being_written(bearer_revocation_t *list,
                            const bearer_file_identity_t *seen, apr_time_t present)
{
    const apr_interval_time_t left_alone =
        seen->size < list->identity.size ? LEFT_ALONE_SHORTER : LEFT_ALONE;

    if (seen->dev != list->identity.dev || seen->ino != list->identity.ino
        || bearer_file_is_same(seen, &list->identity)) {
        return 0;
    }
    if (!bearer_file_is_same(seen, &list->writing) || list->written > present) {
        list->writing = *seen;
        list->written = present;
    }
    return present - list->written < left_alone;
}

/* Returns 1 if an uncertain change may be left for the next check. */
static int may_wait(bearer_revocation_t *list, apr_time_t present,
                    apr_interval_time_t longest)
{
    if (!list->unsure || list->unsure > present) {
        list->unsure = present;
    }
    return present - list->unsure < longest;
}

static void log_table(const bearer_revocation_t *list, const bearer_revocation_table_t *old,
                      const bearer_revocation_table_t *table)
{
    const char *entries = table->count == 1 ? "entry" : "entries";

    if (table->closed[0]) {
        bearer_world_log(list->world, BEARER_LOG_ERROR,
                         AB(0261) "revocation list %s: %s; every request with a token gets 503 "
                         "until the list can be read (AuthBearerRevocations)",
                         list->path, table->closed);
    } else if (old && old->closed[0]) {
        bearer_world_log(list->world, BEARER_LOG_NOTICE,
                         AB(0262) "revocation list %s can be read again: %lu %s",
                         list->path, (unsigned long)table->count, entries);
    } else {
        bearer_world_log(list->world, BEARER_LOG_INFO,
                         AB(0263) "revocation list %s: %lu %s", list->path,
                         (unsigned long)table->count, entries);
    }
}

/* Makes table the current one if its content is new. Returns 0 if that is not possible now. */
static int publish(bearer_revocation_t *list, bearer_revocation_table_t *table)
{
    const bearer_revocation_table_t *old = list->places[atomic_load(&list->current)].table;
    int place;

    if (old && bearer_revocation_table_same(old, table)) {
        bearer_revocation_table_free(table);
        return 1;
    }
    place = tidy_places(list);
    if (place < 0) {
        bearer_revocation_table_free(table);
        return 0;
    }
    log_table(list, old, table);
    list->places[place].table = table;
    atomic_store(&list->current, (unsigned)place);
    tidy_places(list);
    return 1;
}

static int is_open(const bearer_revocation_t *list)
{
    const bearer_revocation_table_t *table =
        list->places[atomic_load(&list->current)].table;

    return table && !table->closed[0];
}

/* Returns 1 if the memory now has the file's content at some time during this
 * call. seen: what was known of the file before; NULL: nothing. */
static int read_file(bearer_revocation_t *list, const bearer_file_identity_t *seen,
                     apr_time_t now, apr_time_t present)
{
    const time_t begun = apr_time_sec(present);
    bearer_revocation_table_t *table;
    bearer_file_identity_t read;
    struct stat st;

    table = bearer_revocation_table_load(list->path, &st, now);
    bearer_file_identify(&read, &st);
    if (table && is_open(list)
        && (table->closed[0] || !seen || !bearer_file_is_same(seen, &read))
        && may_wait(list, present, WHOLE_WITHIN)) {
        bearer_revocation_table_free(table);
        return 0;
    }
    if (!table || !publish(list, table)) {
        list->settled = 0;
        return 0;
    }
    list->identity = read;
    list->settled = st.st_mode != 0
                    && (st.st_ctime < begun - SETTLED_AFTER
                        || st.st_ctime > begun + SETTLED_AFTER);
    return 1;
}

/* The same, without reading a file that has not changed. */
static int look(bearer_revocation_t *list, apr_time_t now)
{
    const apr_time_t present = apr_time_now(); /* the time of the file system, not of the
                                                  world */
    bearer_file_identity_t seen;
    struct stat st;
    int there;

    if (present >= list->tried && present - list->tried < LOOK_AGAIN) {
        return 0;
    }
    list->tried = present;
    there = stat(list->path, &st) == 0;
    if (there) {
        bearer_file_identify(&seen, &st);
        if (is_being_written(list, &seen, present)
            && (may_wait(list, present, LEFT_ALONE_WITHIN)
                || seen.size < list->identity.size)) {
            return 0;
        }
    }
    if (there && list->settled && bearer_file_is_same(&seen, &list->identity)) {
        tidy_places(list);
    } else if (!read_file(list, there ? &seen : NULL, now, present)) {
        return 0;
    }
    list->unsure = 0;
    list->tried = 0;
    return 1;
}

static int is_older(const bearer_revocation_t *list, apr_interval_time_t age,
                    apr_time_t now)
{
    const apr_interval_time_t past = now - atomic_load(&list->looked);

    /* negative: the clock was set back */
    return past >= age || past < -BEARER_REVOCATION_LOOK;
}

static void refresh(bearer_revocation_t *list, apr_time_t now)
{
    if (!is_older(list, BEARER_REVOCATION_LOOK, now)
        || atomic_flag_test_and_set(&list->looking)) {
        return;
    }
    if (is_older(list, BEARER_REVOCATION_LOOK, now) && look(list, now)) {
        atomic_store(&list->looked, now);
    }
    atomic_flag_clear(&list->looking);
    bearer_bell_ring(&list->looked_bell);
}

void bearer_revocation_refresh(bearer_revocation_t *list)
{
    if (list) {
        refresh(list, bearer_world_now(list->world));
    }
}

/* After an idle time several threads arrive at once and one of them checks the
 * file. The others must not answer from old data. Returns 0 if the check takes too
 * long. */
static int is_fresh(bearer_revocation_t *list, apr_time_t now)
{
    apr_time_t give_up = 0;
    apr_uint32_t rung;

    refresh(list, now);
    for (;;) {
        rung = bearer_bell_rung(&list->looked_bell);
        if (!is_older(list, BEARER_REVOCATION_FRESH, now)) {
            return 1;
        }
        if (!give_up) {
            give_up = apr_time_now() + LOOK_TAKES;
        } else if (apr_time_now() >= give_up) {
            return 0;
        }
        bearer_bell_wait(&list->looked_bell, rung, LOOK_AGAIN);
        refresh(list, now);
    }
}

/* ---- queries ------------------------------------------------------------- */

static bearer_reason_t closed(const bearer_revocation_t *list,
                              const char *cause, bearer_refusal_t *why,
                              apr_pool_t *p)
{
    return bearer_refuse(why, p, BEARER_REVOCATION_LIST,
                         "revocation list %s: %s (AuthBearerRevocations)",
                         list->path, cause);
}

static bearer_reason_t ask_table(const bearer_revocation_table_t *table, bearer_sha256_t *sha256,
                                 const char *iss, const char *jti,
                                 const unsigned char *token_sha256,
                                 apr_time_t now, bearer_refusal_t *why,
                                 apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    if (table->tokens && token_sha256 && bearer_revocation_table_has(table, token_sha256, now)) {
        return bearer_refuse(why, p, BEARER_REVOKED,
                             "the token is in AuthBearerRevocations");
    }
    if (!table->jtis || !iss || !jti) {
        return BEARER_OK;
    }
    if (bearer_revocation_jti_digest(sha256, digest, iss, jti) != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_REVOCATION_LIST,
                             "the digest of the jti cannot be computed");
    }
    if (bearer_revocation_table_has(table, digest, now)) {
        return bearer_refuse(why, p, BEARER_REVOKED,
                             "jti %s of issuer %s is in AuthBearerRevocations",
                             bearer_text_quote(p, jti),
                             bearer_text_quote(p, iss));
    }
    return BEARER_OK;
}

bearer_reason_t bearer_revocation_ask(bearer_revocation_t *list,
                                      const char *iss, const char *jti,
                                      const unsigned char *token_sha256,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_revocation_table_t *table;
    bearer_reason_t reason;
    unsigned place;
    apr_time_t now;

    if (!list) {
        return BEARER_OK;
    }
    now = bearer_world_now(list->world);
    if (!is_fresh(list, now)) {
        return closed(list, "reading it takes longer than a second", why, p);
    }
    place = enter(list);
    table = list->places[place].table;
    reason = table->closed[0]
                 ? closed(list, table->closed, why, p)
                 : ask_table(table, list->sha256, iss, jti, token_sha256, now, why, p);
    leave(list, place);
    return reason;
}

bearer_reason_t bearer_revocation_ask_token(bearer_revocation_t *list,
                                            const char *iss, const char *jti,
                                            const char *token, apr_size_t len,
                                            unsigned char *token_sha256,
                                            bearer_refusal_t *why, apr_pool_t *p)
{
    if (list && bearer_revocation_token_digest(list->sha256, token_sha256, token, len)
                    != APR_SUCCESS) {
        memset(token_sha256, 0, BEARER_SHA256_SIZE);
        return closed(list, "it cannot be searched: the SHA-256 of the token is missing", why, p);
    }
    return bearer_revocation_ask(list, iss, jti, token_sha256, why, p);
}

void bearer_revocation_state(bearer_revocation_t *list,
                             bearer_revocation_state_t *state)
{
    const bearer_revocation_table_t *table;
    unsigned place;

    memset(state, 0, sizeof(*state));
    if (!list) {
        return;
    }
    place = enter(list);
    table = list->places[place].table;
    state->closed = table->closed[0] != '\0';
    state->entries = (unsigned)table->count;
    leave(list, place);
}

/* ---- creation and destruction -------------------------------------------- */

static apr_status_t free_list(void *data)
{
    const bearer_revocation_t *list = data;
    int i;

    for (i = 0; i < PLACES; i++) {
        bearer_revocation_table_free(list->places[i].table);
    }
    return APR_SUCCESS;
}

apr_status_t bearer_revocation_create(bearer_revocation_t **list,
                                      const char *path,
                                      const bearer_world_t *world,
                                      apr_pool_t *p)
{
    const apr_time_t now = bearer_world_now(world);
    bearer_revocation_t *l = apr_pcalloc(p, sizeof(*l));

    l->path = apr_pstrdup(p, path);
    l->world = world;
    atomic_flag_clear(&l->looking);
    *list = NULL;
    if (bearer_sha256_create(&l->sha256, p) != APR_SUCCESS || !look(l, now)) {
        return APR_ENOMEM;
    }
    atomic_store(&l->looked, now);
    apr_pool_cleanup_register(p, l, free_list, apr_pool_cleanup_null);
    *list = l;
    return APR_SUCCESS;
}

const char *bearer_revocation_file_error(const char *path, apr_pool_t *p)
{
    struct stat st;
    bearer_revocation_table_t *table = bearer_revocation_table_load(path, &st, apr_time_now());
    const char *error = NULL;

    if (!table) {
        return "out of memory for the revocation list";
    }
    if (table->closed[0]) {
        error = apr_psprintf(p,
                             "revocation list %s: %s; correct it with htbearer revoke, or start "
                             "with an empty file",
                             path, table->closed);
    }
    bearer_revocation_table_free(table);
    return error;
}
