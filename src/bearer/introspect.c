/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Asking an issuer about a token (RFC 7662). See introspect.h.
 */
#include "bearer/introspect.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include "bearer/json.h"
#include "bearer/jws.h"
#include "bearer/text.h"

#define DETAIL_MAX 512

/** One question under way; who asks and who waits hold references. */
typedef struct flight_t {
    struct flight_t *next;
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    int references, landed;
    bearer_reason_t reason;
    char detail[DETAIL_MAX];
    char *text;              /* the answer, malloc'd; NULL unless BEARER_OK */
    apr_size_t len;
    apr_time_t fetched;
} flight_t;

struct bearer_introspect_t {
    bearer_introspect_config_t config;
    bearer_issuer_access_t access;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    flight_t *flights;       /* under mutex */
};

/** One judgement by question. */
typedef struct question_t {
    bearer_introspect_t *in;
    bearer_judgement_t *j;
    const char *token;
    apr_size_t len;
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_time_t *until;
} question_t;

/* ---- whom to ask -------------------------------------------------------- */

static int has_endpoint(const bearer_issuer_t *issuer)
{
    return issuer->introspection.kind != BEARER_SOURCE_OFF;
}

static const bearer_issuer_t *by_prefix(const bearer_issuers_t *issuers,
                                        const char *token, apr_size_t len)
{
    const bearer_issuer_t *found = NULL;
    apr_size_t longest = 0;
    int i, k;

    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);
        const apr_array_header_t *prefixes = issuer->token_prefixes;

        for (k = 0; prefixes && k < prefixes->nelts; k++) {
            const char *prefix = APR_ARRAY_IDX(prefixes, k, const char *);
            apr_size_t n = strlen(prefix);

            if (n > longest && n <= len && memcmp(token, prefix, n) == 0) {
                longest = n;
                found = issuer;
            }
        }
    }
    return found;
}

/* The unverified issuer of a JWT: it decides who is asked, no more. */
static const bearer_issuer_t *by_iss(const bearer_issuers_t *issuers,
                                     const char *token, apr_size_t len,
                                     apr_pool_t *p)
{
    const char *iss, *tenant;
    bearer_jws_t jws;
    json_t *claims;

    memset(&jws, 0, sizeof(jws));
    if (bearer_jws_parse(&jws, token, len, NULL, p) != BEARER_OK
        || bearer_json_parse(&claims, jws.payload, jws.payload_len, NULL, p)
               != APR_SUCCESS) {
        return NULL;
    }
    iss = bearer_json_string(claims, "iss");
    return iss ? bearer_issuers_find(issuers, iss, &tenant, p) : NULL;
}

static const bearer_issuer_t *catch_all(const bearer_issuers_t *issuers,
                                        const bearer_settings_t *settings)
{
    int i;

    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        if (has_endpoint(issuer) && bearer_judge_accepts(settings, issuer)
            && !(issuer->token_prefixes && issuer->token_prefixes->nelts)) {
            return issuer;
        }
    }
    return NULL;
}

static const bearer_issuer_t *nobody(bearer_refusal_t *why, apr_pool_t *p,
                                     const char *detail)
{
    bearer_refuse(why, p, BEARER_CHAIN, "%s", detail);
    return NULL;
}

const bearer_issuer_t *bearer_introspect_whom(const bearer_issuers_t *issuers,
                                              const bearer_settings_t *settings,
                                              const char *token, apr_size_t len,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p)
{
    const bearer_issuer_t *issuer = by_prefix(issuers, token, len);
    int jwt = !issuer && bearer_jws_looks_like(token, len, p);

    if (len > BEARER_TOKEN_MAX) {
        bearer_refuse(why, p, BEARER_SIZE, "the token is %lu bytes long, more "
                      "than %d; nobody is asked about it", (unsigned long)len,
                      BEARER_TOKEN_MAX);
        return NULL;
    }
    if (jwt) {
        issuer = by_iss(issuers, token, len, p);
        if (!issuer || !issuer->introspect_all) {
            return nobody(why, p, "a JWT is asked about only where its issuer "
                                  "has AuthBearerIntrospection ... for=all");
        }
    } else if (!issuer) {
        issuer = catch_all(issuers, settings);
        if (!issuer) {
            return nobody(why, p, "the token is opaque and begins with no "
                                  "AuthBearerTokenPrefix, and no issuer without"
                                  " a prefix is accepted here that can be asked"
                                  " about it (AuthBearerIntrospection)");
        }
    }
    if (!has_endpoint(issuer)) {
        return nobody(why, p, "the token's prefix belongs to an issuer that "
                              "cannot be asked about it "
                              "(AuthBearerIntrospection)");
    }
    if (!bearer_judge_accepts(settings, issuer)) {
        return nobody(why, p, "the token belongs to an issuer that is not "
                              "accepted here (AuthBearerAcceptIssuer)");
    }
    return issuer;
}

/* ---- asking ------------------------------------------------------------- */

static const char *endpoint_of(bearer_introspect_t *in, const char **error,
                               apr_pool_t *p)
{
    const bearer_source_t *source = &in->access.issuer->introspection;

    return source->kind == BEARER_SOURCE_URL
               ? source->value
               : in->config.endpoint(in->config.baton, error, p);
}

static bearer_reason_t not_answered(bearer_refusal_t *why, apr_pool_t *p,
                                    const char *endpoint, int status)
{
    const char *mend = "";

    if (status == 401 || status == 403) {
        mend = ": it does not accept this server as a client "
               "(AuthBearerClientAuth, AuthBearerClientID, "
               "AuthBearerClientSecret)";
    } else if (status / 100 == 3) {
        mend = ": redirects are not followed, AuthBearerIntrospection must name"
               " the final URL";
    } else if (status == 404 || status == 405) {
        mend = ": AuthBearerIntrospection must name the issuer's introspection "
               "endpoint";
    }
    return bearer_refuse(why, p, BEARER_INTROSPECTION, "%s answered %d%s",
                         bearer_http_url_shown(endpoint, p), status, mend);
}

static bearer_reason_t check_active(const json_t *answer, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    const json_t *active = json_object_get(answer, "active");

    if (json_is_true(active)) {
        return BEARER_OK;
    }
    if (json_is_false(active)) {
        return bearer_refuse(why, p, BEARER_INACTIVE, "the issuer says that the"
                             " token is not active: expired, revoked, or not "
                             "one of its own");
    }
    return bearer_refuse(why, p, BEARER_INACTIVE, "\"active\" is %s; only JSON "
                         "true counts (RFC 7662 section 2.2)",
                         active ? "neither true nor false" : "missing");
}

/* *text: the answer, in p, when BEARER_OK. */
static bearer_reason_t judge_answer(const bearer_http_response_t *response,
                                    const char *endpoint, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    const char *problem = NULL;
    json_t *answer;

    if (response->status != 200) {
        return not_answered(why, p, endpoint, response->status);
    }
    if (bearer_json_parse(&answer, response->body, response->body_len, &problem,
                          p) != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_INTROSPECTION, "%s: the answer is "
                             "not a JSON object: %s",
                             bearer_http_url_shown(endpoint, p), problem);
    }
    return check_active(answer, why, p);
}

/* Section 2.1: a form, no more in it than the token. */
static bearer_reason_t ask_endpoint(question_t *q,
                                    const bearer_http_response_t **answer,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const char *error = NULL, *endpoint = endpoint_of(q->in, &error, p);
    apr_table_t *form = apr_table_make(p, 1);
    bearer_http_response_t *response;

    if (!endpoint) {
        return bearer_refuse(why, p, BEARER_INTROSPECTION, "the introspection "
                             "endpoint is not known: %s",
                             error ? error : "the issuer's metadata names none");
    }
    apr_table_setn(form, "token", apr_pstrmemdup(p, q->token, q->len));
    if (bearer_client_post(&response, q->in->config.client, endpoint, form,
                           "application/json", BEARER_INTROSPECT_MAX, &error, p)
        != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_INTROSPECTION, "%s", error);
    }
    *answer = response;
    return judge_answer(response, endpoint, why, p);
}

/* The same, counted. */
static bearer_reason_t ask(question_t *q, const bearer_http_response_t **answer,
                           bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_issuer_access_t *access = &q->in->access;
    apr_time_t started = bearer_world_now(access->world);
    bearer_reason_t reason = ask_endpoint(q, answer, why, p);

    bearer_world_event(access->world, reason == BEARER_INTROSPECTION
                       ? BEARER_EVENT_INTROSPECTION_FAILED
                       : BEARER_EVENT_INTROSPECTED, access->issuer->index,
                       bearer_world_now(access->world) - started);
    return reason;
}

/* ---- one flight per token ----------------------------------------------- */

/* Under mutex. */
static flight_t *join(bearer_introspect_t *in, const unsigned char *key)
{
    flight_t *flight;

    for (flight = in->flights; flight; flight = flight->next) {
        if (memcmp(flight->key, key, sizeof(flight->key)) == 0) {
            flight->references++;
            return flight;
        }
    }
    return NULL;
}

/* Under mutex. */
static flight_t *take_off(bearer_introspect_t *in, const unsigned char *key)
{
    flight_t *flight = calloc(1, sizeof(*flight));

    if (flight) {
        memcpy(flight->key, key, sizeof(flight->key));
        flight->references = 1;
        flight->next = in->flights;
        in->flights = flight;
    }
    return flight;
}

/* Under mutex: nobody joins it any more. */
static void unlist(bearer_introspect_t *in, flight_t *flight)
{
    flight_t **at = &in->flights;

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

static void land(bearer_introspect_t *in, flight_t *flight,
                 bearer_reason_t reason, const char *detail,
                 const bearer_http_response_t *answer)
{
    apr_thread_mutex_lock(in->mutex);
    flight->reason = reason;
    apr_cpystrn(flight->detail, detail ? detail : "", DETAIL_MAX);
    if (reason == BEARER_OK) {
        flight->len = answer->body_len;
        flight->text = malloc(answer->body_len + 1);
        if (flight->text) {
            memcpy(flight->text, answer->body, answer->body_len + 1);
        } else {
            flight->reason = BEARER_INTERNAL;
        }
    }
    flight->landed = 1;
    unlist(in, flight);
    apr_thread_cond_broadcast(in->landed);
    apr_thread_mutex_unlock(in->mutex);
}

/* Under mutex. A question may need a token of ours first, hence two times. */
static void wait_for(bearer_introspect_t *in, const flight_t *flight)
{
    apr_time_t end = apr_time_now() + 2 * in->access.settings->timeout.total;

    while (!flight->landed && apr_time_now() < end) {
        apr_thread_cond_timedwait(in->landed, in->mutex, end - apr_time_now());
    }
}

/** What a flight brought, copied for one of those who waited. */
typedef struct outcome_t {
    bearer_reason_t reason;
    const char *text;
    apr_size_t len;
    apr_time_t fetched;
} outcome_t;

static void fly(question_t *q, flight_t *flight)
{
    const bearer_http_response_t *answer = NULL;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason;

    /* before it is asked: the answer is never older than it is taken for */
    flight->fetched = bearer_world_now(q->in->access.world);
    reason = ask(q, &answer, &why, q->j->p);
    land(q->in, flight, reason, why.detail, answer);
}

static void copy_outcome(question_t *q, const flight_t *flight, outcome_t *out)
{
    apr_pool_t *p = q->j->p;

    if (!flight->landed) {
        out->reason = bearer_refuse(&q->j->why, p, BEARER_INTROSPECTION,
                                    "somebody else's question about the same "
                                    "token takes too long");
        return;
    }
    out->reason = flight->reason;
    out->fetched = flight->fetched;
    if (flight->reason == BEARER_OK) {
        out->text = apr_pstrmemdup(p, flight->text, flight->len);
        out->len = flight->len;
    } else {
        bearer_refuse(&q->j->why, p, flight->reason, "%s", flight->detail);
    }
}

/* 1: this caller was the one who asked. */
static int share(question_t *q, outcome_t *out)
{
    bearer_introspect_t *in = q->in;
    flight_t *flight;
    int leader;

    memset(out, 0, sizeof(*out));
    apr_thread_mutex_lock(in->mutex);
    flight = join(in, q->key);
    leader = !flight;
    if (leader) {
        flight = take_off(in, q->key);
    }
    if (!flight) {
        apr_thread_mutex_unlock(in->mutex);
        out->reason = bearer_refuse(&q->j->why, q->j->p, BEARER_INTERNAL,
                                    "out of memory");
        return 0;
    }
    if (leader) {
        apr_thread_mutex_unlock(in->mutex);
        fly(q, flight);
        apr_thread_mutex_lock(in->mutex);
    } else {
        wait_for(in, flight);
    }
    copy_outcome(q, flight, out);
    leave(flight);
    apr_thread_mutex_unlock(in->mutex);
    return leader;
}

/* Everybody who is going to wait passes the gate, also for another's flight:
 * a worker that waits is a worker that is missing. */
static int share_behind_gate(question_t *q, outcome_t *out)
{
    const bearer_gate_t *gate = q->in->config.gate;
    apr_time_t until = bearer_world_now(q->in->access.world)
                       + 4 * q->in->access.settings->timeout.total;
    int leader, ticket = gate ? gate->enter(gate->baton, until) : 0;

    if (ticket < 0) {
        memset(out, 0, sizeof(*out));
        out->reason = bearer_refuse(&q->j->why, q->j->p, BEARER_INTROSPECTION,
                                    "too many requests wait for an issuer or a "
                                    "session store already; is it slow?");
        return 0;
    }
    leader = share(q, out);
    if (gate) {
        gate->leave(gate->baton, ticket);
    }
    return leader;
}

/* ---- what is kept ------------------------------------------------------- */

static apr_interval_time_t ttl_of(const bearer_introspect_t *in)
{
    return in->access.issuer->introspection_ttl;
}

static void make_key(question_t *q, const unsigned char *digest,
                     const unsigned char *policy)
{
    const bearer_issuer_t *issuer = q->in->access.issuer;
    const char *endpoint = issuer->introspection.value
                               ? issuer->introspection.value : "discover";
    const char *text = apr_pstrcat(q->j->p, "introspection",
                                   bearer_text_hex(q->j->p, digest, 32),
                                   bearer_text_hex(q->j->p, policy, 32), " ",
                                   endpoint, " ", issuer->url, NULL);

    bearer_text_sha256(text, strlen(text), q->key);
}

/* The last moment for an answer: the TTL and its own exp, whichever is first. */
static apr_time_t until_when(const question_t *q, apr_time_t fetched)
{
    apr_time_t until = fetched + ttl_of(q->in), exp;

    if (bearer_json_date(&exp, q->j->claims, "exp") == APR_SUCCESS
        && exp < until) {
        until = exp;
    }
    return until > q->j->now ? until : 0;
}

static bearer_verdict_t judge_text(question_t *q, const char *text,
                                   apr_size_t len, apr_time_t fetched)
{
    bearer_verdict_t verdict;
    json_t *claims;

    if (bearer_json_parse(&claims, text, len, NULL, q->j->p) != APR_SUCCESS) {
        bearer_refuse(&q->j->why, q->j->p, BEARER_INTERNAL, "an answer that was"
                      " read before cannot be read");
        return BEARER_DENIED;
    }
    verdict = bearer_judge_claims(q->j, claims, q->in->access.issuer, q->token,
                                  q->len);
    *q->until = verdict == BEARER_GRANTED && ttl_of(q->in)
                    ? until_when(q, fetched) : 0;
    return verdict;
}

/* "TIME\nANSWER": when it was asked for, so that a shorter TTL counts at once. */
static void keep(question_t *q, const outcome_t *out)
{
    const bearer_cache_t *cache = q->in->config.cache;
    const char *value;

    if (!cache || !*q->until || out->len > BEARER_INTROSPECT_KEPT_MAX) {
        return;
    }
    value = apr_psprintf(q->j->p, "%" APR_TIME_T_FMT "\n%s", out->fetched,
                         out->text);
    cache->put(cache, q->key, (const unsigned char *)value, strlen(value),
               *q->until, q->j->p);
}

/* 1: something was kept, and *verdict is what it is worth now. */
static int judge_kept(question_t *q, bearer_verdict_t *verdict)
{
    const bearer_cache_t *cache = q->in->config.cache;
    apr_pool_t *p = q->j->p;
    unsigned char *value;
    apr_time_t fetched;
    apr_size_t len;
    char *text, *answer;

    if (!cache || !ttl_of(q->in)
        || cache->get(cache, q->key, &value, &len, p) != APR_SUCCESS) {
        return 0;
    }
    text = apr_pstrmemdup(p, (const char *)value, len);
    fetched = apr_strtoi64(text, &answer, 10);
    if (*answer != '\n' || fetched > q->j->now
        || fetched + ttl_of(q->in) <= q->j->now) {
        return 0;
    }
    answer++;
    *verdict = judge_text(q, answer, strlen(answer), fetched);
    /* past its exp: the issuer may have prolonged it */
    return *verdict != BEARER_GRANTED || *q->until;
}

/* ---- the whole ---------------------------------------------------------- */

static bearer_verdict_t refused(question_t *q, bearer_reason_t reason)
{
    q->j->why.reason = reason;
    q->j->issuer = q->in->access.issuer;
    q->j->iss = q->in->access.issuer->url;
    q->j->principal = NULL;
    return BEARER_DENIED;
}

bearer_verdict_t bearer_introspect_judge(bearer_introspect_t *in,
                                         bearer_judgement_t *j,
                                         const char *token, apr_size_t len,
                                         const unsigned char *digest,
                                         const unsigned char *policy,
                                         apr_time_t *until)
{
    question_t q = { in, j, token, len, { 0 }, until };
    bearer_verdict_t verdict = BEARER_DENIED;
    outcome_t out;
    int leader;

    *until = 0;
    make_key(&q, digest, policy);
    if (judge_kept(&q, &verdict)) {
        return verdict;
    }
    leader = share_behind_gate(&q, &out);
    if (out.reason != BEARER_OK) {
        return refused(&q, out.reason);
    }
    j->now = bearer_world_now(in->access.world);
    verdict = judge_text(&q, out.text, out.len, out.fetched);
    if (leader) {
        keep(&q, &out);
    }
    return verdict;
}

apr_status_t bearer_introspect_create(bearer_introspect_t **out,
                                      const bearer_introspect_config_t *config,
                                      apr_pool_t *p)
{
    bearer_introspect_t *in = apr_pcalloc(p, sizeof(*in));
    apr_status_t rv;

    *out = in;
    in->config = *config;
    in->access = *config->access;
    rv = apr_thread_mutex_create(&in->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    return rv == APR_SUCCESS ? apr_thread_cond_create(&in->landed, p) : rv;
}
