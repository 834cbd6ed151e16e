/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Shares one request between threads with the same question, behind a gate, and
 * caches answers. See flight.h.
 */
#include "base/flight.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "base/json.h"

#define DETAIL_MAX 512

/** A request in progress. The thread that sends it and those that wait hold references. */
typedef struct flight_t {
    struct flight_t *next;
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    int references, flying;
    apr_time_t began;        /* by the real clock */
    bearer_answer_t answer;  /* its text is malloc'd; NULL unless BEARER_OK */
    char *text;
    char detail[DETAIL_MAX];
} flight_t;

struct bearer_flights_t {
    const bearer_world_t *world;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    flight_t *under_way;     /* under mutex */
    _Atomic apr_time_t told; /* when the last failure was logged */
};

apr_status_t bearer_flight_locks(apr_thread_mutex_t **mutex, apr_thread_cond_t **landed,
                                 apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(mutex, APR_THREAD_MUTEX_DEFAULT, p);

    return rv == APR_SUCCESS ? apr_thread_cond_create(landed, p) : rv;
}

int bearer_flight_wait(apr_thread_cond_t *landed, apr_thread_mutex_t *mutex,
                       const int *flying, apr_time_t until)
{
    apr_interval_time_t left;

    while (*flying && (left = until - apr_time_now()) > 0) {
        apr_thread_cond_timedwait(landed, mutex, left);
    }
    return !*flying;
}

/* ---- one flight --------------------------------------------------------- */

/* Under mutex. */
static flight_t *join(bearer_flights_t *all, const unsigned char *key)
{
    flight_t *flight;

    for (flight = all->under_way; flight; flight = flight->next) {
        if (memcmp(flight->key, key, sizeof(flight->key)) == 0) {
            flight->references++;
            return flight;
        }
    }
    return NULL;
}

/* Under mutex. */
static flight_t *take_off(bearer_flights_t *all, const unsigned char *key)
{
    flight_t *flight = calloc(1, sizeof(*flight));

    if (flight) {
        memcpy(flight->key, key, sizeof(flight->key));
        flight->references = flight->flying = 1;
        flight->began = apr_time_now();
        flight->next = all->under_way;
        all->under_way = flight;
    }
    return flight;
}

/* Under mutex: no further thread can join the flight. */
static void unlist(bearer_flights_t *all, flight_t *flight)
{
    flight_t **at = &all->under_way;

    while (*at && *at != flight) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = flight->next;
    }
}

/* Under mutex. */
static void leave(flight_t *flight)
{
    if (--flight->references == 0) {
        free(flight->text);
        free(flight);
    }
}

static void land(bearer_flights_t *all, flight_t *flight,
                 const bearer_answer_t *answer, const char *detail)
{
    apr_thread_mutex_lock(all->mutex);
    flight->answer = *answer;
    apr_cpystrn(flight->detail, detail ? detail : "", DETAIL_MAX);
    if (answer->reason == BEARER_OK) {
        flight->text = malloc(answer->len + 1);
        if (flight->text) {
            memcpy(flight->text, answer->text, answer->len + 1);
        } else {
            flight->answer.reason = BEARER_INTERNAL;
        }
    }
    flight->flying = 0;
    unlist(all, flight);
    apr_thread_cond_broadcast(all->landed);
    apr_thread_mutex_unlock(all->mutex);
}

/* The log line of a refused request has level info. This line also tells an
 * administrator who logs at the default level why clients get 503. */
static void tell(bearer_flights_t *all, const bearer_ask_t *ask,
                 const bearer_refusal_t *why)
{
    if (bearer_world_is_due(&all->told, bearer_world_now(all->world))) {
        bearer_world_log(all->world, BEARER_LOG_WARNING,
                         AB(0253) "%s: %s; requests that need a response get 503 (logged once a "
                         "minute)",
                         bearer_reason_name(ask->unavailable), why->detail);
    }
}

static void fly(bearer_flights_t *all, flight_t *flight, const bearer_ask_t *ask,
                apr_pool_t *p)
{
    bearer_answer_t answer = { BEARER_OK, "", 0, 0, 0 };
    bearer_refusal_t why = { BEARER_OK, NULL };

    answer.asked = bearer_world_now(all->world);
    answer.reason = ask->ask(ask->baton, &answer, &why, p);
    land(all, flight, &answer, why.detail);
    if (answer.reason == ask->unavailable) {
        tell(all, ask, &why);
    }
}

/* Under mutex: copies the answer for a thread that waited. */
static void copy_answer(const flight_t *flight, const bearer_ask_t *ask,
                        bearer_answer_t *answer, bearer_refusal_t *why,
                        apr_pool_t *p)
{
    if (flight->flying) {
        answer->reason = bearer_refuse(why, p, ask->unavailable,
                                       "a concurrent request for the same credential takes too "
                                       "long");
        return;
    }
    *answer = flight->answer;
    answer->text = NULL;
    if (answer->reason == BEARER_OK) {
        answer->text = apr_pstrmemdup(p, flight->text, answer->len);
    } else {
        bearer_refuse(why, p, answer->reason, "%s", flight->detail);
    }
}

/* Under mutex. flight: already joined, or NULL. */
static int share(bearer_flights_t *all, flight_t *flight,
                 const unsigned char *key, const bearer_ask_t *ask,
                 bearer_answer_t *answer, bearer_refusal_t *why, apr_pool_t *p)
{
    int leader;

    flight = flight ? flight : join(all, key);
    leader = !flight;
    if (leader) {
        flight = take_off(all, key);
    }
    if (!flight) {
        answer->reason = bearer_refuse(why, p, BEARER_INTERNAL, "out of memory");
        return 0;
    }
    if (leader) {
        apr_thread_mutex_unlock(all->mutex);
        fly(all, flight, ask, p);
        apr_thread_mutex_lock(all->mutex);
    } else {
        /* twice the time, because the request may first need an access token of this server */
        bearer_flight_wait(all->landed, all->mutex, &flight->flying,
                           apr_time_now() + 2 * ask->total);
    }
    copy_answer(flight, ask, answer, why, p);
    leave(flight);
    return leader;
}

/* Under mutex. Waits for a young flight without a place in the gate. Otherwise
 * many threads with the same question would be refused although the answer takes
 * only some milliseconds. */
static void turn_away(bearer_flights_t *all, flight_t *flight,
                      const bearer_ask_t *ask, const char *full,
                      bearer_answer_t *answer, bearer_refusal_t *why,
                      apr_pool_t *p)
{
    if (flight && !ask->only_first) {
        bearer_flight_wait(all->landed, all->mutex, &flight->flying,
                           flight->began + BEARER_GATE_PATIENCE);
    }
    if (flight && !flight->flying) {
        copy_answer(flight, ask, answer, why, p);
    } else {
        answer->reason = bearer_refuse(why, p, ask->unavailable, "%s", full);
    }
    if (flight) {
        leave(flight);
    }
}

/* A thread that waits for another's flight also enters the gate: it is a worker
 * that cannot serve requests. */
int bearer_flights_share(bearer_flights_t *all, const unsigned char *key,
                         const bearer_ask_t *ask, bearer_answer_t *answer,
                         bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_ticket_t ticket;
    flight_t *flight;
    const char *full;
    int leader = 0;

    memset(answer, 0, sizeof(*answer));
    apr_thread_mutex_lock(all->mutex);
    flight = join(all, key);
    apr_thread_mutex_unlock(all->mutex);
    full = flight && ask->only_first
        ? "another request is already under way"
        : bearer_gate_enter(&ticket, all->world->gate, ask->party, 2 * ask->total);
    apr_thread_mutex_lock(all->mutex);
    if (full) {
        turn_away(all, flight, ask, full, answer, why, p);
    } else {
        leader = share(all, flight, key, ask, answer, why, p);
    }
    apr_thread_mutex_unlock(all->mutex);
    if (!full) {
        bearer_gate_leave(&ticket);
    }
    return leader;
}

apr_status_t bearer_flights_create(bearer_flights_t **flights,
                                   const bearer_world_t *world, apr_pool_t *p)
{
    bearer_flights_t *all = apr_pcalloc(p, sizeof(*all));

    *flights = all;
    all->world = world;
    return bearer_flight_locks(&all->mutex, &all->landed, p);
}

/* ---- cached answers ----------------------------------------------------- */

/* Format "TIME\nANSWER". TIME is when the request was sent, so that a shorter ttl
 * takes effect at once. */
void bearer_answer_keep(const bearer_cache_t *cache, const unsigned char *key,
                        const bearer_answer_t *answer, apr_time_t until,
                        apr_pool_t *p)
{
    const char *value;

    if (!cache || !until || answer->len > BEARER_ANSWER_KEPT_MAX) {
        return;
    }
    value = apr_psprintf(p, "%" APR_TIME_T_FMT "\n%s", answer->asked,
                         answer->text);
    cache->put(cache, key, (const unsigned char *)value, strlen(value), until, p);
}

apr_time_t bearer_answer_until(apr_time_t asked, apr_interval_time_t ttl,
                               const json_t *content, apr_time_t now)
{
    apr_time_t until = asked + ttl, exp;

    if (bearer_json_date(&exp, content, "exp") == APR_SUCCESS && exp < until) {
        until = exp;
    }
    return ttl && until > now ? until : 0;
}

int bearer_answer_kept(const bearer_cache_t *cache, const unsigned char *key,
                       apr_interval_time_t ttl, apr_time_t now,
                       bearer_answer_t *answer, apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;
    char *text, *rest;

    memset(answer, 0, sizeof(*answer));
    if (!cache || !ttl
        || cache->get(cache, key, &value, &len, p) != APR_SUCCESS) {
        return 0;
    }
    text = apr_pstrmemdup(p, (const char *)value, len);
    answer->asked = apr_strtoi64(text, &rest, 10);
    if (*rest != '\n' || answer->asked > now || answer->asked + ttl <= now) {
        return 0;
    }
    answer->text = rest + 1;
    answer->len = strlen(answer->text);
    return 1;
}
