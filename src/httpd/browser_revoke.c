/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_revoke.c
 * After a user has signed out: see browser_revoke.h. Only requests with a session add
 * to the list, and the user does not wait for the issuer. Nor does any request wait for
 * what other hosts have written.
 */
#include "browser_revoke.h"
#include "browser_session.h"
#include "refresh.h"
#include "shared.h"
#include "trace.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <openssl/crypto.h>

#include "login/session_signed_out.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

/** Maximum number of tokens that wait in a child. */
#define WAITING 256
/** Maximum number of them that wait for one issuer at once: the same threads fetch keys. */
#define AT_ONCE 2
/** Lifetime of an access token if neither the issuer nor the configuration limits it. */
#define UNKNOWN_LIFE apr_time_from_sec(25 * 3600)

/** Time between two readings of what other hosts wrote. */
#define HEAR apr_time_from_msec(900)

enum { FREE, DUE, UNDER_WAY };

/** A token to revoke. */
typedef struct to_revoke_t {
    struct revoking_t *all;
    int state;                     /**< FREE, DUE, UNDER_WAY */
    apr_time_t due;
    server_rec *server;
    const bearer_issuer_t *issuer;
    const char *hint;              /**< token_type_hint, a static string */
    char *token;                   /**< malloc'ed */
} to_revoke_t;

struct revoking_t {
    process_t *process;
    apr_thread_mutex_t *mutex;     /**< for the members below */
    to_revoke_t each[WAITING];
    atomic_int hearing;            /**< 1: other hosts are being read */
};

static int is_due(const to_revoke_t *one, apr_time_t now)
{
    return one->state == DUE && one->due <= now;
}

/* Under the mutex, or without other threads. */
static void release(to_revoke_t *one)
{
    OPENSSL_cleanse(one->token, strlen(one->token));
    free(one->token);
    one->token = NULL;
    one->state = FREE;
}

/* The child ends. A thread that still sends one keeps it. */
static apr_status_t forget(void *revoking)
{
    struct revoking_t *all = revoking;
    int i;

    for (i = 0; i < WAITING; i++) {
        if (all->each[i].state == DUE) {
            release(&all->each[i]);
        }
    }
    return APR_SUCCESS;
}

void ab_browser_not_told(server_rec *s, const char *detail)
{
    ab_log_server(APLOG_INFO, 0, s, AB(0322) "logout: %s%s", detail,
                  ab_trace_suffix_here());
}

static int wait_for_turn(struct revoking_t *all, const to_revoke_t *how)
{
    int i;

    apr_thread_mutex_lock(all->mutex);
    for (i = 0; i < WAITING && all->each[i].state != FREE; i++) {
    }
    if (i < WAITING) {
        all->each[i] = *how;
    }
    apr_thread_mutex_unlock(all->mutex);
    return i < WAITING;
}

void ab_browser_revoke(request_rec *r, const bearer_issuer_t *issuer,
                       bearer_session_t *session, apr_interval_time_t after)
{
    struct revoking_t *all = ab_process()->revoking;
    const char *refresh = bearer_session_string(session, BEARER_SESSION_REFRESH_TOKEN,
                                                r->pool);
    const char *token = refresh ? refresh
        : bearer_session_string(session, BEARER_SESSION_ACCESS_TOKEN, r->pool);
    to_revoke_t how = { all, DUE, apr_time_now() + after, r->server, issuer,
                       refresh ? "refresh_token" : "access_token", NULL };

    if (!token || !all) {
        return;
    }
    how.token = strdup(token);
    if (!how.token || !wait_for_turn(all, &how)) {
        free(how.token);
        ab_browser_not_told(r->server, apr_psprintf(
            r->pool, "the %s is not revoked: %d revocations wait for issuers", how.hint,
            WAITING));
    }
}

/* ---- in the background ---------------------------------------------------- */

/* Returns 1 if this thread now sends it. An errand may have been handed out twice. */
static int begin(to_revoke_t *one)
{
    int mine;

    apr_thread_mutex_lock(one->all->mutex);
    mine = is_due(one, apr_time_now());
    if (mine) {
        one->state = UNDER_WAY;
    }
    apr_thread_mutex_unlock(one->all->mutex);
    return mine;
}

/* Returns the next one that is due for the same issuer, which this thread now sends. */
static to_revoke_t *end(to_revoke_t *one)
{
    struct revoking_t *all = one->all;
    to_revoke_t *next = NULL;
    int i;

    apr_thread_mutex_lock(all->mutex);
    release(one);
    for (i = 0; i < WAITING && !next && !ab_refresh_must_stop(); i++) {
        if (all->each[i].issuer == one->issuer && is_due(&all->each[i], apr_time_now())) {
            next = &all->each[i];
            next->state = UNDER_WAY;
        }
    }
    apr_thread_mutex_unlock(all->mutex);
    return next;
}

static void tell(const to_revoke_t *one, apr_pool_t *ptemp)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_login_t login;

    if (ab_browser_client_of(&login, one->all->process, one->server, one->issuer, &why,
                             ptemp) == BEARER_OK) {
        bearer_login_revoke(&login, one->token, one->hint, &why, ptemp);
    }
    if (why.detail) {
        ab_browser_not_told(one->server, why.detail);
    }
}

static void revoke_due(void *what, int limited, apr_pool_t *ptemp)
{
    to_revoke_t *one = what;
    apr_pool_t *p;

    (void)limited;
    apr_pool_create(&p, ptemp);
    for (one = begin(one) ? one : NULL; one; one = end(one)) {
        apr_pool_clear(p);
        tell(one, p);
    }
}

/* ---- other hosts ----------------------------------------------------------- */

/* All hosts have the same configuration, so they take the same virtual host's seal. */
static int first_store(bearer_session_store_t *store, process_t *process)
{
    const server_rec *s = process->server;

    while (s && !ab_config_server(s)->browser) {
        s = s->next;
    }
    if (!s) {
        return 0;
    }
    ab_browser_store_of(store, ab_config_server(s)->browser, process);
    return bearer_session_has_hosts(store);
}

/* One child of the host reads, for all. */
static void hear(void *process, int limited, apr_pool_t *ptemp)
{
    static const unsigned char lease[BEARER_SHA256_SIZE] = "signed out";
    struct revoking_t *all = ((process_t *)process)->revoking;
    bearer_signed_out_t *table = ab_shared_signed_out();
    apr_time_t now = apr_time_now(), heard = atomic_load(&table->heard);
    bearer_session_store_t store;

    (void)limited;
    atomic_store(&all->hearing, 1);
    /* a clock that was set back must not stop the readings */
    if ((now - heard >= HEAR || now < heard) && first_store(&store, process)
        && ab_shared_lease(lease, now, now + apr_time_from_sec(60))) {
        if (bearer_session_hear(table, &store, ptemp) == APR_SUCCESS) {
            atomic_store(&table->heard, now);
        }
        ab_shared_unlease(lease);
    }
    atomic_store(&all->hearing, 0);
}

/* ---- what is due ------------------------------------------------------------ */

/* Counts the revocations that the issuer of this one has not answered, and those that are
 * due before it. */
static int count_ahead(const struct revoking_t *all, int which, apr_time_t now)
{
    int i, n = 0;

    for (i = 0; i < WAITING; i++) {
        const to_revoke_t *one = &all->each[i];

        n += one->issuer == all->each[which].issuer
            && (one->state == UNDER_WAY || (i < which && is_due(one, now)));
    }
    return n;
}

static void add_errands(process_t *process, apr_array_header_t *errands)
{
    struct revoking_t *all = process->revoking;
    apr_time_t now = apr_time_now();
    bearer_session_store_t store;
    int i;

    if (ab_shared_signed_out() && !atomic_load(&all->hearing)
        && first_store(&store, process)) {
        APR_ARRAY_PUSH(errands, bearer_errand_t)
            = (bearer_errand_t){ hear, process, 0, now };
    }
    apr_thread_mutex_lock(all->mutex);
    for (i = 0; i < WAITING; i++) {
        if (is_due(&all->each[i], now) && count_ahead(all, i, now) < AT_ONCE) {
            APR_ARRAY_PUSH(errands, bearer_errand_t)
                = (bearer_errand_t){ revoke_due, &all->each[i], 1, all->each[i].due };
        }
    }
    apr_thread_mutex_unlock(all->mutex);
}

apr_status_t ab_browser_revoke_create(process_t *process)
{
    struct revoking_t *all = apr_pcalloc(process->pool, sizeof(*all));
    apr_status_t rv = apr_thread_mutex_create(&all->mutex, APR_THREAD_MUTEX_DEFAULT,
                                              process->pool);

    all->process = process;
    process->more_errands = add_errands;
    process->revoking = rv == APR_SUCCESS ? all : NULL;
    apr_pool_cleanup_register(process->pool, all, forget, apr_pool_cleanup_null);
    return rv;
}

/* ---- here ------------------------------------------------------------------ */

void ab_browser_refuse_token(request_rec *r, bearer_session_t *session)
{
    const char *token = bearer_session_string(session, BEARER_SESSION_ACCESS_TOKEN, r->pool);
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_time_t now = apr_time_now(), until = bearer_session_access_ends(session, r->pool);
    bearer_signed_out_t *table = ab_shared_signed_out();
    bearer_session_store_t store;

    if (!token) {
        return;
    }
    /* whatever the clocks say */
    until = (until ? until : now + UNKNOWN_LIFE) + BEARER_REVOCATION_GRACE;
    if (bearer_revocation_token_digest(NULL, digest, token, strlen(token)) != APR_SUCCESS
        || bearer_signed_out_add(table, digest, until, now) != APR_SUCCESS) {
        ab_log(APLOG_WARNING, r, AB(0325) "logout: the access token stays valid until it "
               "expires: there is no room for more than %d tokens of signed-out sessions",
               BEARER_SIGNED_OUT_ENTRIES);
        return;
    }
    if (first_store(&store, ab_process())
        && bearer_session_announce(&store, table, digest, until, r->pool) != APR_SUCCESS) {
        ab_log(APLOG_WARNING, r, AB(0326) "logout: on other hosts the access token stays valid "
               "until it expires: %s", BROWSER_NO_STORE);
    }
}
