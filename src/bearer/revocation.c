/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The revocation list in memory. A table never changes once readers can see it.
 * Tables sit in a few places; a reader counts itself in at the current place
 * and makes sure that it still is the current one, so that a place is reused,
 * and its table freed, only when nobody is there.
 */
#include "bearer/revocation.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include "bearer/bell.h"
#include "bearer/revocation_file.h"

/* The current table, and old ones that somebody still reads. */
#define PLACES 4

/* Of a digest so many bytes are compared: enough against second preimages. */
#define KEPT 16

#define INDEX_BITS_MAX 20

/* A file that changed so recently may change again without showing it: its
 * times are as coarse as the file system's. The next look reads it again. */
#define SETTLED_AFTER 2

/* How long a request waits for another thread's look that is overdue; and when it
 * looks itself, if that one failed. */
#define LOOK_TAKES apr_time_from_sec(1)
#define LOOK_AGAIN apr_time_from_msec(20)

typedef struct entry_t {
    unsigned char digest[KEPT];
    apr_int64_t until;            /* seconds; 0: for ever */
} entry_t;

typedef struct table_t {
    char closed[BEARER_REVOCATION_ERROR_SIZE]; /* why, or "" */
    int tokens, jtis;             /* are there any? */
    unsigned bits;                /* entries are found by so many first bits */
    uint32_t *index;              /* 2^bits + 1 */
    size_t count;
    entry_t *entries;             /* sorted by digest */
} table_t;

/* What tells one state of the file from another. */
typedef struct identity_t {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
} identity_t;

struct bearer_revocation_t {
    const char *path;
    const bearer_world_t *world;
    bearer_sha256_t *sha256;
    struct {
        _Atomic unsigned readers;
        table_t *table;
    } places[PLACES];
    _Atomic unsigned current;
    _Atomic uint64_t generation;
    _Atomic apr_time_t looked;    /* when the last look began */
    bearer_bell_t looked_bell;    /* rings when a look is over */
    atomic_flag looking;          /* what follows belongs to its holder */
    identity_t identity;
    int settled;                  /* same identity means same content */
};

/* ---- tables -------------------------------------------------------------- */

static void free_table(table_t *table)
{
    if (table) {
        free(table->index);
        free(table->entries);
        free(table);
    }
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(((const entry_t *)a)->digest, ((const entry_t *)b)->digest,
                  KEPT);
}

/* Of several entries for one digest the one that lives longest. */
static void sort_entries(table_t *table)
{
    size_t i, n = 0;

    if (table->count == 0) {
        return;
    }
    qsort(table->entries, table->count, sizeof(entry_t), compare_entries);
    for (i = 1; i < table->count; i++) {
        const entry_t *next = &table->entries[i];
        entry_t *last = &table->entries[n];

        if (compare_entries(last, next) != 0) {
            table->entries[++n] = *next;
        }
        else if (last->until != 0
                 && (next->until == 0 || next->until > last->until)) {
            last->until = next->until;
        }
    }
    table->count = n + 1;
}

static size_t prefix_of(const table_t *table, const unsigned char *digest)
{
    const uint32_t first = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16
                           | (uint32_t)digest[2] << 8 | digest[3];

    return table->bits ? first >> (32 - table->bits) : 0;
}

/* index[n]: where entries whose first bits are n or more start. */
static int index_entries(table_t *table)
{
    size_t n, slots, i = 0;

    while (table->bits < INDEX_BITS_MAX
           && ((size_t)1 << table->bits) < table->count) {
        table->bits++;
    }
    slots = (size_t)1 << table->bits;
    table->index = malloc((slots + 1) * sizeof(*table->index));
    if (!table->index) {
        return 0;
    }
    for (n = 0; n <= slots; n++) {
        while (i < table->count
               && prefix_of(table, table->entries[i].digest) < n) {
            i++;
        }
        table->index[n] = (uint32_t)i;
    }
    return 1;
}

static int table_has(const table_t *table, const unsigned char *digest,
                     apr_time_t now)
{
    const size_t n = prefix_of(table, digest);
    size_t low = table->index[n], high = table->index[n + 1];

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const entry_t *entry = &table->entries[middle];
        const int order = memcmp(digest, entry->digest, KEPT);

        if (order == 0) {
            return bearer_revocation_is_live(entry->until, now);
        }
        if (order < 0) {
            high = middle;
        }
        else {
            low = middle + 1;
        }
    }
    return 0;
}

static int is_same_table(const table_t *a, const table_t *b)
{
    return strcmp(a->closed, b->closed) == 0 && a->count == b->count
           && a->tokens == b->tokens && a->jtis == b->jtis
           && (a->count == 0
               || memcmp(a->entries, b->entries, a->count * sizeof(entry_t))
                      == 0);
}

static size_t count_lines(const bearer_revocation_text_t *text)
{
    const char *s = text->text, *end = s + text->len;
    size_t n = 0;

    for (; (s = memchr(s, '\n', (size_t)(end - s))) != NULL; s++) {
        n++;
    }
    return n;
}

static void add_entry(table_t *table, const bearer_revocation_line_t *line)
{
    entry_t *entry = &table->entries[table->count++];

    memcpy(entry->digest, line->digest, KEPT);
    entry->until = line->until;
    table->tokens |= line->kind == BEARER_REVOCATION_TOKEN;
    table->jtis |= line->kind == BEARER_REVOCATION_JTI;
}

/* Tokens and jtis share the table: no token contains the NUL of a jti's text.
 * 0, with table->closed, when a line is bad. */
static int fill_table(table_t *table, bearer_revocation_text_t *text,
                      apr_time_t now)
{
    bearer_revocation_line_t line;

    snprintf(table->closed, sizeof(table->closed), "no memory for it");
    table->entries = malloc((count_lines(text) + 1) * sizeof(entry_t));
    while (table->entries && bearer_revocation_file_next(text, &line)) {
        if (line.kind == BEARER_REVOCATION_BAD) {
            bearer_revocation_file_bad(text, table->closed);
            return 0;
        }
        if (line.kind != BEARER_REVOCATION_NOTHING
            && bearer_revocation_is_live(line.until, now)) {
            add_entry(table, &line);
        }
    }
    sort_entries(table);
    if (!table->entries || !index_entries(table)) {
        return 0;
    }
    table->closed[0] = '\0';
    return 1;
}

/* The file as a table, a closed one if it is not whole; NULL: no memory.
 * st->st_mode is 0 where it could not be read at all. */
static table_t *load_table(const char *path, struct stat *st, apr_time_t now)
{
    table_t *table = calloc(1, sizeof(*table));
    bearer_revocation_text_t text;

    memset(st, 0, sizeof(*st));
    if (!table) {
        return NULL;
    }
    if (bearer_revocation_file_read(&text, st, path, table->closed)
        != APR_SUCCESS) {
        st->st_mode = 0;
        return table;
    }
    if (!fill_table(table, &text, now)) {
        free(table->entries);
        table->entries = NULL;
        table->count = 0;
    }
    free(text.text);
    return table;
}

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

/* Frees the tables nobody reads any more. A place that is free now, or -1. */
static int tidy_places(bearer_revocation_t *list)
{
    const unsigned current = atomic_load(&list->current);
    unsigned i;
    int place = -1;

    for (i = 0; i < PLACES; i++) {
        if (i != current && atomic_load(&list->places[i].readers) == 0) {
            free_table(list->places[i].table);
            list->places[i].table = NULL;
            place = (int)i;
        }
    }
    return place;
}

/* ---- looking at the file (list->looking held) ---------------------------- */

static void identify(identity_t *identity, const struct stat *st)
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

static int is_same_file(const identity_t *a, const identity_t *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size
           && is_same_time(&a->mtime, &b->mtime)
           && is_same_time(&a->ctime, &b->ctime);
}

static int is_unchanged(const bearer_revocation_t *list)
{
    identity_t now;
    struct stat st;

    if (!list->settled || stat(list->path, &st) != 0) {
        return 0;
    }
    identify(&now, &st);
    return is_same_file(&now, &list->identity);
}

static void log_table(const bearer_revocation_t *list, const table_t *old,
                      const table_t *table)
{
    if (table->closed[0]) {
        bearer_world_log(list->world, BEARER_LOG_ERROR,
                         AB(0261) "revocation list %s %s: access is closed until it is "
                         "whole again (AuthBearerRevocations)",
                         list->path, table->closed);
    }
    else if (old && old->closed[0]) {
        bearer_world_log(list->world, BEARER_LOG_NOTICE,
                         AB(0262) "revocation list %s is whole again, %lu entries",
                         list->path, (unsigned long)table->count);
    }
    else {
        bearer_world_log(list->world, BEARER_LOG_INFO,
                         AB(0263) "revocation list %s: %lu entries", list->path,
                         (unsigned long)table->count);
    }
}

/* Makes table the current one, if it says anything new. 0: not possible now. */
static int publish(bearer_revocation_t *list, table_t *table)
{
    const table_t *old = list->places[atomic_load(&list->current)].table;
    int place;

    if (old && is_same_table(old, table)) {
        free_table(table);
        return 1;
    }
    place = tidy_places(list);
    if (place < 0) {
        free_table(table);
        return 0;
    }
    log_table(list, old, table);
    list->places[place].table = table;
    atomic_store(&list->current, (unsigned)place);
    atomic_fetch_add(&list->generation, 1);
    tidy_places(list);
    return 1;
}

/* 1: what is in memory now is what the file said during this call. */
static int look(bearer_revocation_t *list, apr_time_t now)
{
    const time_t present = time(NULL); /* the file system's, not the world's */
    struct stat st;
    table_t *table;

    if (is_unchanged(list)) {
        tidy_places(list);
        return 1;
    }
    table = load_table(list->path, &st, now);
    if (!table || !publish(list, table)) {
        list->settled = 0;
        return 0;
    }
    identify(&list->identity, &st);
    list->settled = st.st_mode != 0
                    && (st.st_ctime < present - SETTLED_AFTER
                        || st.st_ctime > present + SETTLED_AFTER);
    return 1;
}

static int is_older(const bearer_revocation_t *list, apr_interval_time_t age,
                    apr_time_t now)
{
    const apr_interval_time_t past = now - atomic_load(&list->looked);

    /* less than nothing: the clock was set back */
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

/* After an idle time several threads come at once and one of them looks: the
 * others must not answer from what was true before. 0: the look takes too
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

/* ---- questions ----------------------------------------------------------- */

static bearer_reason_t closed(const bearer_revocation_t *list,
                              const char *cause, bearer_refusal_t *why,
                              apr_pool_t *p)
{
    return bearer_refuse(why, p, BEARER_REVOCATION_LIST,
                         "revocation list %s %s (AuthBearerRevocations)",
                         list->path, cause);
}

static bearer_reason_t ask_table(const table_t *table, bearer_sha256_t *sha256,
                                 const char *iss, const char *jti,
                                 const unsigned char *token_sha256,
                                 apr_time_t now, bearer_refusal_t *why,
                                 apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    if (table->tokens && token_sha256 && table_has(table, token_sha256, now)) {
        return bearer_refuse(why, p, BEARER_REVOKED,
                             "the token is in AuthBearerRevocations");
    }
    if (!table->jtis || !iss || !jti) {
        return BEARER_OK;
    }
    if (bearer_revocation_jti_digest(sha256, digest, iss, jti) != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_REVOCATION_LIST,
                             "the jti's digest could not be made");
    }
    if (table_has(table, digest, now)) {
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
    const table_t *table;
    bearer_reason_t reason;
    unsigned place;
    apr_time_t now;

    if (!list) {
        return BEARER_OK;
    }
    now = bearer_world_now(list->world);
    if (!is_fresh(list, now)) {
        return closed(list, "takes longer than a second to read", why, p);
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
        return closed(list, "cannot be searched: no SHA-256 of the token", why, p);
    }
    return bearer_revocation_ask(list, iss, jti, token_sha256, why, p);
}

void bearer_revocation_state(bearer_revocation_t *list,
                             bearer_revocation_state_t *state)
{
    const table_t *table;
    unsigned place;

    memset(state, 0, sizeof(*state));
    if (!list) {
        return;
    }
    place = enter(list);
    table = list->places[place].table;
    state->closed = table->closed[0] != '\0';
    state->entries = (unsigned)table->count;
    state->generation = atomic_load(&list->generation);
    leave(list, place);
}

/* ---- beginning and end --------------------------------------------------- */

static apr_status_t free_list(void *data)
{
    bearer_revocation_t *list = data;
    int i;

    for (i = 0; i < PLACES; i++) {
        free_table(list->places[i].table);
        list->places[i].table = NULL;
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
    table_t *table = load_table(path, &st, apr_time_now());
    const char *error = NULL;

    if (!table) {
        return "no memory for the revocation list";
    }
    if (table->closed[0]) {
        error = apr_psprintf(p,
                             "revocation list %s %s; mend the file, or create "
                             "an empty one to begin with",
                             path, table->closed);
    }
    free_table(table);
    return error;
}
