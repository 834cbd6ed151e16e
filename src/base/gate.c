/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Threads take places by atomic exchange, without a lock. The limits per party are
 * enforced by checking again: a thread that took a place counts, and gives it back if
 * there are now too many. If two threads take the last place at the same moment, both
 * may give it back; they try again. See gate.h.
 */
#include "base/gate.h"

#include <string.h>

#include <apr_thread_proc.h>

#include "base/world.h"

/** A place's word: microseconds since the epoch above the party. */
#define PARTY_BITS 12
#define PARTY_MASK ((1u << PARTY_BITS) - 1)
/** How often a thread gives a place back and tries again. */
#define TRIES 16

/** Why a thread gets no place. */
enum { FULL = -1, SHARE = -2 };

/** A limit: the host's or the process's. */
typedef struct level_t {
    bearer_gate_place_t *places;
    bearer_bell_t *bell;
    int limit;                     /* places */
    int share;                     /* of one party */
    int others;                    /* of all parties except the cache */
} level_t;

/** Whether a party answers. If a thread has waited in vain since the last answer, do not
 *  wait for a place. */
typedef struct party_t {
    atomic_uint answers;           /* number of quick ones */
    atomic_uint in_vain;           /* that number when a thread waited in vain, plus 1 */
} party_t;

/** How long one thread waits for a place. */
typedef struct patience_t {
    apr_interval_time_t each;      /* without an answer */
    apr_time_t until;              /* for the next answer */
    apr_time_t end;                /* at most */
    unsigned answers;              /* seen so far */
} patience_t;

struct bearer_gate_t {
    bearer_gate_config_t config;
    level_t levels[2];             /* the process's, then the host's */
    int count;                     /* number of levels */
    bearer_bell_t bell;
    apr_threadkey_t *current;      /* the thread's outermost ticket */
    _Atomic apr_time_t told;
    atomic_int queued;             /* threads that wait for a place */
    party_t parties[PARTY_MASK + 1];
};

typedef struct count_t {
    int free;                      /* index of a free place; -1: none */
    int party, others;             /* places taken by this party; by all except the cache */
} count_t;

/* ---- one level ---------------------------------------------------------- */

static apr_uint64_t word_of(apr_time_t until, int party)
{
    return (apr_uint64_t)until << PARTY_BITS | ((unsigned)party & PARTY_MASK);
}

static int is_free(apr_uint64_t word, apr_time_t now)
{
    return (apr_time_t)(word >> PARTY_BITS) <= now;
}

/* Threads start the search at different places. */
static void look(count_t *count, const level_t *level, int party, apr_time_t now)
{
    int first = (int)(now % level->limit), i;

    count->free = -1;
    count->party = count->others = 0;
    for (i = 0; i < level->limit; i++) {
        int place = first + i < level->limit ? first + i : first + i - level->limit;
        apr_uint64_t word = atomic_load(&level->places[place]);
        int holder = (int)(word & PARTY_MASK);

        if (is_free(word, now)) {
            count->free = count->free < 0 ? place : count->free;
        } else {
            count->party += holder == party;
            count->others += holder != BEARER_PARTY_CACHE;
        }
    }
}

static void give(const level_t *level, int place, apr_uint64_t word)
{
    if (atomic_compare_exchange_strong(&level->places[place], &word, 0)) {
        bearer_bell_ring(level->bell);
    }
}

/* Returns 1 if the number of a limited kind is at its limit or above. */
static int is_beyond(const level_t *level, int party, const count_t *count,
                     int more)
{
    return party != BEARER_PARTY_CACHE
        && (count->party >= level->share + more
            || count->others >= level->others + more);
}

/* Returns the index of a place, FULL or SHARE. */
static int take(const level_t *level, int party, apr_uint64_t word, apr_time_t now)
{
    int tries = TRIES;
    count_t count;

    while (tries) {
        apr_uint64_t seen;

        look(&count, level, party, now);
        if (count.free < 0 || is_beyond(level, party, &count, 0)) {
            return count.free < 0 ? FULL : SHARE;
        }
        seen = atomic_load(&level->places[count.free]);
        if (!is_free(seen, now)
            || !atomic_compare_exchange_strong(&level->places[count.free], &seen,
                                               word)) {
            continue;              /* another thread was faster: try another place */
        }
        tries--;
        seen = (apr_uint64_t)count.free;
        look(&count, level, party, now);
        if (!is_beyond(level, party, &count, 1)) {
            return (int)seen;
        }
        give(level, (int)seen, word);
    }
    return SHARE;
}

/* ---- a thread's ticket -------------------------------------------------- */

static bearer_ticket_t *current(const bearer_gate_t *gate)
{
    void *ticket = NULL;

    return apr_threadkey_private_get(&ticket, gate->current) == APR_SUCCESS
        ? ticket : NULL;
}

static void prolong(bearer_ticket_t *ticket, apr_time_t until)
{
    apr_uint64_t later = word_of(until, ticket->party);
    int i;

    for (i = 0; later > ticket->word && i < ticket->gate->count; i++) {
        apr_uint64_t word = ticket->word;

        (void)atomic_compare_exchange_strong(
            &ticket->gate->levels[i].places[ticket->places[i]], &word, later);
    }
    ticket->word = later > ticket->word ? later : ticket->word;
}

/* Releases the places of the first n levels. */
static void give_all(const bearer_gate_t *gate, const bearer_ticket_t *ticket, int n)
{
    while (n-- > 0) {
        give(&gate->levels[n], ticket->places[n], ticket->word);
    }
}

/* Returns the level without a free place, and the reason; or the number of levels. */
static int try(bearer_ticket_t *ticket, bearer_gate_t *gate, apr_time_t now, int *why)
{
    int i;

    for (i = 0; i < gate->count; i++) {
        ticket->places[i] = take(&gate->levels[i], ticket->party, ticket->word, now);
        if (ticket->places[i] < 0) {
            *why = ticket->places[i];
            give_all(gate, ticket, i);
            return i;
        }
    }
    ticket->gate = gate;
    return i;
}

static apr_interval_time_t patience_of(int party)
{
    return party == BEARER_PARTY_CACHE ? BEARER_GATE_PATIENCE : BEARER_GATE_QUEUE;
}

/* Returns 1 if this thread may queue, and counts it. A level's limit is half of its workers.
 * At most three quarters of them wait for a party or a place; the rest stay free for requests
 * that need no other server. A process with one worker does not queue. The number is not in
 * shared memory, because a killed process would leave it too high. */
static int queue_up(bearer_gate_t *gate, int party, apr_time_t now)
{
    const int queued = atomic_fetch_add(&gate->queued, 1);
    int i, may = 1;

    for (i = 0; party != BEARER_PARTY_CACHE && may && i < gate->count; i++) {
        const level_t *level = &gate->levels[i];
        count_t count;

        look(&count, level, party, now);
        may = gate->levels[0].limit > 1 && count.others + queued < level->limit * 3 / 2;
    }
    if (!may) {
        atomic_fetch_sub(&gate->queued, 1);
    }
    return may;
}

/* Returns how much longer a thread waits for a place, in microseconds; 0: no longer.
 * A new answer prolongs the wait. */
static apr_interval_time_t time_left(party_t *party, patience_t *patience)
{
    unsigned answers = atomic_load(&party->answers);
    apr_time_t now = apr_time_now();

    if (patience->answers != answers) {
        patience->answers = answers;
        patience->until = now + patience->each < patience->end
            ? now + patience->each : patience->end;
    }
    if (patience->until > now && atomic_load(&party->in_vain) != answers + 1) {
        return patience->until - now;
    }
    if (patience->until < patience->end) {
        atomic_store(&party->in_vain, answers + 1);
    }
    return 0;
}

/* Reads both bells before it looks for a place, so that it misses no ring. */
static int wait_for_place(bearer_ticket_t *ticket, bearer_gate_t *gate,
                          apr_interval_time_t longest, int *why)
{
    party_t *party = &gate->parties[ticket->party];
    patience_t patience = { 0 };

    patience.each = patience_of(ticket->party);
    patience.answers = atomic_load(&party->answers);
    patience.until = apr_time_now() + patience.each;
    patience.end = patience.until + patience.each * (BEARER_GATE_TURNS - 1);
    for (;;) {
        apr_time_t now = bearer_world_now(gate->config.world);
        apr_interval_time_t left;
        apr_uint32_t rung[2];
        int i;

        for (i = 0; i < gate->count; i++) {
            rung[i] = bearer_bell_rung(gate->levels[i].bell);
        }
        ticket->word = word_of(now + longest + BEARER_GATE_MARGIN, ticket->party);
        i = try(ticket, gate, now, why);
        if (i == gate->count) {
            return 1;
        }
        left = time_left(party, &patience);
        if (!left || !queue_up(gate, ticket->party, now)) {
            return 0;
        }
        bearer_bell_wait(gate->levels[i].bell, rung[i], left);
        atomic_fetch_sub(&gate->queued, 1);
    }
}

/* ---- log lines ---------------------------------------------------------- */

static const char *text_of(int why, int party)
{
    if (party == BEARER_PARTY_CACHE) {
        return "half of the workers are already waiting; check the cache server "
               "(AuthBearerSOCache)";
    }
    if (party > BEARER_PARTY_CACHE && party % 2) {
        return "half of the workers, or this server's share of them, are already "
               "waiting; check the session service, or lower AuthBearerTimeout "
               "total=";
    }
    return why == FULL
        ? "half of the workers are already waiting for issuers; check the issuer, "
          "or lower AuthBearerTimeout total="
        : "of the half of the workers that may wait, this issuer's share is "
          "already waiting; check the issuer, or lower AuthBearerTimeout total=";
}

/* The log line of a refused request has level info. This line also tells an
 * administrator who logs at the default level the cause of a 503. */
static void tell(bearer_gate_t *gate, int party, const char *text)
{
    const bearer_gate_config_t *c = &gate->config;
    const char *name = c->name ? c->name(c->name_baton, party) : NULL;

    if (bearer_world_is_due(&gate->told, bearer_world_now(c->world))) {
        bearer_world_log(c->world, BEARER_LOG_WARNING,
                         AB(0252) "%s%s%s; requests that need a response get 503 (logged once a "
                         "minute)",
                         name ? name : "", name ? ": " : "", text);
    }
}

static void count_refusal(const bearer_gate_t *gate, int party)
{
    int is_issuer = party >= BEARER_PARTY_ISSUER(0) && party % 2 == 0;

    bearer_world_event(gate->config.world,
                       party == BEARER_PARTY_CACHE ? BEARER_EVENT_NO_PLACE_CACHE
                       : party > BEARER_PARTY_CACHE && !is_issuer
                       ? BEARER_EVENT_NO_PLACE_SERVICE : BEARER_EVENT_NO_PLACE,
                       is_issuer ? (party - BEARER_PARTY_ISSUER(0)) / 2 : -1, 0);
}

void bearer_gate_stats(const bearer_gate_t *gate, int *inside, int *limit)
{
    const level_t *level = gate ? &gate->levels[gate->count - 1] : NULL;
    apr_time_t now;
    int i;

    *inside = 0;
    *limit = level ? level->limit : 0;
    if (level) {
        now = bearer_world_now(gate->config.world);
        for (i = 0; i < level->limit; i++) {
            *inside += !is_free(atomic_load(&level->places[i]), now);
        }
    }
}

/* ---- the gate ----------------------------------------------------------- */

const char *bearer_gate_enter(bearer_ticket_t *ticket, bearer_gate_t *gate,
                              int party, apr_interval_time_t longest)
{
    bearer_ticket_t *outer = gate ? current(gate) : NULL;
    const char *text;
    int why = FULL;

    memset(ticket, 0, sizeof(*ticket));
    ticket->party = (int)((unsigned)party & PARTY_MASK);
    if (outer) {
        prolong(outer, bearer_world_now(gate->config.world) + longest
                       + BEARER_GATE_MARGIN);
    }
    if (!gate || outer || (gate->config.exempt && gate->config.exempt())) {
        return NULL;
    }
    if (wait_for_place(ticket, gate, longest, &why)) {
        apr_threadkey_private_set(ticket, gate->current);
        return NULL;
    }
    ticket->gate = NULL;
    text = text_of(why, party);
    count_refusal(gate, party);
    tell(gate, party, text);
    return text;
}

void bearer_gate_leave(bearer_ticket_t *ticket)
{
    bearer_gate_t *gate = ticket->gate;

    if (gate) {
        ticket->gate = NULL;
        apr_threadkey_private_set(NULL, gate->current);
        give_all(gate, ticket, gate->count);
    }
}

void bearer_gate_answered(bearer_gate_t *gate, int party,
                          apr_interval_time_t elapsed)
{
    if (gate && elapsed < patience_of(party)) {
        atomic_fetch_add(&gate->parties[(unsigned)party & PARTY_MASK].answers, 1);
    }
}

static void set_bounds(level_t *level, const bearer_gate_config_t *config,
                       int limit)
{
    level->limit = limit < 1 ? 1 : limit;
    level->share = config->parties > 1 && level->limit > 1 ? level->limit / 2
                                                           : level->limit;
    level->others = config->cache ? level->limit - level->limit / 2 : level->limit;
}

static apr_status_t forget(void *key)
{
    return apr_threadkey_private_delete(key);
}

apr_status_t bearer_gate_create(bearer_gate_t **out,
                                const bearer_gate_config_t *config, apr_pool_t *p)
{
    bearer_gate_t *gate = apr_pcalloc(p, sizeof(*gate));
    level_t *own = &gate->levels[0], *host = &gate->levels[1];
    apr_status_t rv;

    gate->config = *config;
    set_bounds(own, config, config->own_limit);
    own->places = apr_pcalloc(p, sizeof(*own->places) * (apr_size_t)own->limit);
    own->bell = &gate->bell;
    gate->count = 1;
    if (config->host) {
        set_bounds(host, config, config->host_limit < BEARER_GATE_PLACES
                                     ? config->host_limit : BEARER_GATE_PLACES);
        host->places = config->host->places;
        host->bell = &config->host->bell;
        gate->count = 2;
    }
    *out = gate;
    rv = apr_threadkey_private_create(&gate->current, NULL, p);
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, gate->current, forget, apr_pool_cleanup_null);
    }
    return rv;
}

/* ---- the HTTP client ---------------------------------------------------- */

typedef struct gated_t {
    bearer_http_client_t client;
    const bearer_http_client_t *inner;
    bearer_gate_t *gate;
} gated_t;

static apr_status_t perform(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p)
{
    const gated_t *gated = client->baton;
    bearer_ticket_t ticket;
    apr_time_t started;
    apr_status_t rv;

    *response = NULL;
    *error = bearer_gate_enter(&ticket, gated->gate, request->party,
                               request->total_timeout);
    if (*error) {
        return APR_EBUSY;
    }
    started = apr_time_now();
    rv = gated->inner->perform(gated->inner, request, response, error, p);
    if (rv == APR_SUCCESS) {
        bearer_gate_answered(gated->gate, request->party, apr_time_now() - started);
    }
    bearer_gate_leave(&ticket);
    return rv;
}

const bearer_http_client_t *bearer_gate_http(bearer_gate_t *gate,
                                             const bearer_http_client_t *inner,
                                             apr_pool_t *p)
{
    gated_t *gated = apr_pcalloc(p, sizeof(*gated));

    gated->client.perform = perform;
    gated->client.baton = gated;
    gated->inner = inner;
    gated->gate = gate;
    return &gated->client;
}
