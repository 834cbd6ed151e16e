/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See resolver.h. */
#include "base/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_proc.h>

/** How long the process waits for a lookup when it ends. */
#define PATIENCE apr_time_from_sec(1)
/** Time between two lookups after the first one failed. */
#define AGAIN apr_time_from_sec(1)
/** Shared by its owner and the running lookup; the last of them releases it. */
struct bearer_resolver_t {
    apr_pool_t *own;             /**< holds all of this */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *changed;
    bearer_lookup_fn lookup;     /**< NULL: no lookup is needed */
    const char *host;
    int port;
    /* under the mutex */
    int owned, looking;
    int count;                   /**< number of addresses; 0: none known yet */
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    apr_time_t due;              /**< the next lookup must not begin before */
    const char *error;           /**< of the last lookup; NULL: it succeeded */
};

apr_time_t bearer_monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

/* ---- lookups ------------------------------------------------------------ */

static int ask_system(const char *host, int port, bearer_address_t *addresses,
                      const char **error, int flags)
{
    struct addrinfo hints, *found, *next;
    char service[16];
    int rv, n = 0;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    apr_snprintf(service, sizeof(service), "%d", port);
    rv = getaddrinfo(host, service, &hints, &found);
    if (rv != 0) {
        *error = gai_strerror(rv);
        return -1;
    }
    for (next = found; next && n < BEARER_RESOLVER_MAX; next = next->ai_next) {
        memcpy(&addresses[n].address, next->ai_addr, next->ai_addrlen);
        addresses[n++].len = next->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

static int system_lookup(const char *host, int port, bearer_address_t *addresses,
                         const char **error)
{
    return ask_system(host, port, addresses, error, 0);
}

static void *look_up(void *data)
{
    bearer_address_t addresses[BEARER_RESOLVER_MAX];
    bearer_resolver_t *r = data;
    const char *error = "no address";
    int owned, n;

    apr_setup_signal_thread();  /* signals are for the server's threads */
    n = r->lookup(r->host, r->port, addresses, &error);
    apr_thread_mutex_lock(r->mutex);
    if (n > 0) {
        memcpy(r->addresses, addresses, sizeof(*addresses) * (size_t)n);
        r->count = n;
    }
    r->due = bearer_monotonic() + (n > 0 ? BEARER_RESOLVER_FRESH : AGAIN);
    r->error = n > 0 ? NULL : error;
    r->looking = 0;
    owned = r->owned;
    apr_thread_cond_broadcast(r->changed);
    apr_thread_mutex_unlock(r->mutex);
    if (!owned) {
        apr_pool_destroy(r->own);
    }
    return NULL;
}

/* Under the mutex. */
static void start(bearer_resolver_t *r)
{
    pthread_t thread;

    r->looking = pthread_create(&thread, NULL, look_up, r) == 0;
    if (r->looking) {
        pthread_detach(thread);
    } else {
        r->error = "no thread could be created to look it up";
    }
}

/* Under the mutex. Returns 0 if `until` has passed. */
static int wait_for_change(bearer_resolver_t *r, apr_time_t until)
{
    apr_interval_time_t left = until - bearer_monotonic();

    if (left > 0) {
        (void)apr_thread_cond_timedwait(r->changed, r->mutex, left);
    }
    return left > 0;
}

/* ---- creation and destruction ------------------------------------------- */

static apr_status_t leave(void *data)
{
    apr_time_t until = bearer_monotonic() + PATIENCE;
    bearer_resolver_t *r = data;
    int looking;

    apr_thread_mutex_lock(r->mutex);
    while (r->looking && wait_for_change(r, until)) {
    }
    looking = r->looking;
    r->owned = 0;
    apr_thread_mutex_unlock(r->mutex);
    if (!looking) {
        apr_pool_destroy(r->own);
    }
    return APR_SUCCESS;
}

apr_status_t bearer_resolver_create(bearer_resolver_t **resolver,
                                    const char *host, int port,
                                    bearer_lookup_fn lookup, apr_pool_t *p)
{
    bearer_resolver_t *r;
    apr_pool_t *own;
    apr_status_t rv = apr_pool_create_unmanaged(&own);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    r = apr_pcalloc(own, sizeof(*r));
    r->own = own;
    rv = apr_thread_mutex_create(&r->mutex, APR_THREAD_MUTEX_DEFAULT, own);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&r->changed, own);
    }
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(own);
        return rv;
    }
    *resolver = r;
    r->host = apr_pstrdup(r->own, host);
    r->port = port;
    r->owned = 1;
    apr_pool_cleanup_register(p, r, leave, apr_pool_cleanup_null);
    r->count = ask_system(host, port, r->addresses, &r->error, AI_NUMERICHOST);
    if (r->count <= 0) {
        r->count = 0;
        r->lookup = lookup ? lookup : system_lookup;
        apr_thread_mutex_lock(r->mutex);
        start(r);
        apr_thread_mutex_unlock(r->mutex);
    }
    return APR_SUCCESS;
}

/* ---- queries ------------------------------------------------------------ */

int bearer_resolver_get(bearer_resolver_t *r, bearer_address_t *addresses,
                        apr_time_t until, const char **error)
{
    int n;

    apr_thread_mutex_lock(r->mutex);
    if (r->lookup && !r->looking && bearer_monotonic() >= r->due) {
        start(r);
    }
    while (!r->count && r->looking && wait_for_change(r, until)) {
    }
    n = r->count;
    memcpy(addresses, r->addresses, sizeof(*addresses) * (size_t)n);
    *error = n ? NULL : r->looking ? "its address is still being looked up" : r->error;
    apr_thread_mutex_unlock(r->mutex);
    return n;
}

void bearer_resolver_expire(bearer_resolver_t *r)
{
    apr_time_t soon = bearer_monotonic() + AGAIN;

    apr_thread_mutex_lock(r->mutex);
    if (r->due > soon) {
        r->due = soon;
    }
    apr_thread_mutex_unlock(r->mutex);
}
