/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Token introspection (RFC 7662). See introspect.h.
 */
#include "ask/introspect.h"

#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jws.h"

struct bearer_introspect_t {
    bearer_introspect_config_t config;
    bearer_issuer_access_t access;
    bearer_flights_t *flights;
};

/** One judgement by introspection. */
typedef struct question_t {
    bearer_introspect_t *in;
    bearer_judgement_t *j;
    const char *token;
    apr_size_t len;
    unsigned char key[BEARER_CACHE_KEY_SIZE];
    apr_time_t *until;
} question_t;

/* ---- selecting the issuer ----------------------------------------------- */

static int has_endpoint(const bearer_issuer_t *issuer)
{
    return issuer->introspection.kind != BEARER_SOURCE_OFF;
}

/* The longest matching prefix counts; if several issuers have it, the accepted one. */
static const bearer_issuer_t *by_prefix(const bearer_issuers_t *issuers,
                                        const bearer_settings_t *settings,
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

            if ((n > longest || (n == longest && !bearer_judge_accepts(settings, found)))
                && n <= len && memcmp(token, prefix, n) == 0) {
                longest = n;
                found = issuer;
            }
        }
    }
    return found;
}

/* Returns the claims of a JWT, unverified; NULL: it is none. */
static json_t *claims_of(const char *token, apr_size_t len, apr_pool_t *p)
{
    bearer_jws_t jws;
    json_t *claims;

    memset(&jws, 0, sizeof(jws));
    return bearer_jws_parse(&jws, token, len, NULL, p) == BEARER_OK
           && bearer_json_parse(&claims, jws.payload, jws.payload_len, NULL, p)
                  == APR_SUCCESS ? claims : NULL;
}

/* Finds the issuer by a JWT's unverified iss: it only selects where to send the request. */
static const bearer_issuer_t *by_iss(const bearer_issuers_t *issuers,
                                     const char *token, apr_size_t len,
                                     apr_pool_t *p)
{
    const json_t *claims = claims_of(token, len, p);
    const char *iss = claims ? bearer_json_string(claims, "iss") : NULL, *tenant;

    return iss ? bearer_issuers_find(issuers, iss, &tenant, p) : NULL;
}

static const bearer_issuer_t *catch_all(const bearer_issuers_t *issuers,
                                        const bearer_settings_t *settings)
{
    int i;

    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        if (has_endpoint(issuer) && bearer_judge_accepts(settings, issuer)
            && apr_is_empty_array(issuer->token_prefixes)) {
            return issuer;
        }
    }
    return NULL;
}

const bearer_issuer_t *bearer_introspect_whom(const bearer_issuers_t *issuers,
                                              const bearer_settings_t *settings,
                                              const char *token, apr_size_t len,
                                              bearer_refusal_t *why,
                                              apr_pool_t *p)
{
    const bearer_issuer_t *issuer = by_prefix(issuers, settings, token, len);
    const char *problem = NULL;

    if (len > BEARER_TOKEN_MAX) {
        bearer_refuse(why, p, BEARER_SIZE,
                      "the token is %lu bytes long; at most %d are introspected",
                      (unsigned long)len,
                      BEARER_TOKEN_MAX);
        return NULL;
    }
    if (!issuer && bearer_jws_looks_like(token, len, p)) {
        issuer = by_iss(issuers, token, len, p);
        problem = issuer && issuer->introspect_all ? NULL
            : "the token is a JWT, and its issuer introspects no JWTs; set AuthBearerIntrospection "
              "... for=all";
    } else if (!issuer) {
        issuer = catch_all(issuers, settings);
        problem = issuer ? NULL
            : "the opaque token has no AuthBearerTokenPrefix, and no accepted issuer introspects "
              "tokens without a prefix; set AuthBearerIntrospection";
    }
    if (!problem && !has_endpoint(issuer)) {
        problem = "the token's prefix belongs to an issuer without an introspection endpoint; set "
                  "AuthBearerIntrospection";
    } else if (!problem && !bearer_judge_accepts(settings, issuer)) {
        problem = "the token belongs to an issuer that is not accepted here "
                  "(AuthBearerAcceptIssuer)";
    }
    if (problem) {
        bearer_refuse(why, p, BEARER_CHAIN, "%s", problem);
        return NULL;
    }
    return issuer;
}

/* ---- the request -------------------------------------------------------- */

static const char *endpoint_of(bearer_introspect_t *in, const char **error,
                               apr_pool_t *p)
{
    const bearer_source_t *source = &in->access.issuer->introspection;

    return source->kind == BEARER_SOURCE_URL
               ? source->value
               : in->config.endpoint(in->config.baton, error, p);
}

/* Returns what a JSON error says, for the log; "" if the response is not one. A text
 * that repeats the token is left out. */
static const char *error_in(const question_t *q, const bearer_http_response_t *response,
                            int *denied, apr_pool_t *p)
{
    const char *code, *text;
    json_t *answer;

    if (bearer_json_parse(&answer, response->body, response->body_len, NULL, p)
            != APR_SUCCESS
        || !(code = bearer_json_string(answer, "error"))) {
        return "";
    }
    text = bearer_json_string(answer, "error_description");
    /* Keycloak of a realm that is not enabled; RFC 6749 section 5.2 has invalid_client */
    *denied = strcmp(code, "access_denied") == 0;
    if (bearer_text_repeats(code, q->token, q->len)
        || (text && bearer_text_repeats(text, q->token, q->len))) {
        return "";
    }
    return apr_psprintf(p, ", error %s, %s", bearer_text_quote(p, code),
                        bearer_text_quote_long(p, text));
}

static bearer_reason_t not_answered(const question_t *q,
                                    const bearer_http_response_t *response,
                                    bearer_refusal_t *why, const char *endpoint,
                                    apr_pool_t *p)
{
    int denied = 0, status = response->status;
    const char *error = error_in(q, response, &denied, p), *remedy = "";

    if (denied) {
        remedy = ": it refuses every client, e.g. because the realm is disabled";
    } else if (status == 401 || status == 403) {
        remedy = ": it does not accept this server as a client; check AuthBearerClientAuth, "
                 "AuthBearerClientID and AuthBearerClientSecret";
    } else if (status / 100 == 3) {
        remedy = ": redirects are not followed; AuthBearerIntrospection must name the final URL";
    } else if (status == 404 || status == 405) {
        remedy = "; AuthBearerIntrospection must name the issuer's introspection endpoint";
    }
    return bearer_refuse(why, p, BEARER_INTROSPECTION, "%s answered %d%s%s",
                         bearer_http_url_shown(endpoint, p), status, error, remedy);
}

static bearer_reason_t check_active(const json_t *answer, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    const json_t *active = json_object_get(answer, "active");

    if (json_is_true(active)) {
        return BEARER_OK;
    }
    if (json_is_false(active)) {
        return bearer_refuse(why, p, BEARER_INACTIVE,
                             "the issuer says that the token is not active: it has expired, was "
                             "revoked, or is from another issuer");
    }
    return bearer_refuse(why, p, BEARER_INACTIVE, "'active' is %s; only JSON "
                         "true counts (RFC 7662 section 2.2)",
                         active ? "neither true nor false" : "missing");
}

static bearer_reason_t judge_answer(const question_t *q,
                                    const bearer_http_response_t *response,
                                    const char *endpoint, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    const char *problem = NULL;
    json_t *answer;

    if (response->status != 200) {
        return not_answered(q, response, why, endpoint, p);
    }
    if (bearer_json_parse(&answer, response->body, response->body_len, &problem,
                          p) != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_INTROSPECTION,
                             "%s: the response is not a JSON object: %s",
                             bearer_http_url_shown(endpoint, p), problem);
    }
    return check_active(answer, why, p);
}

/* Section 2.1: posts a form that contains only the token. */
static bearer_reason_t ask_endpoint(question_t *q, bearer_answer_t *answer,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const char *error = NULL, *endpoint = endpoint_of(q->in, &error, p);
    apr_table_t *form = apr_table_make(p, 1);
    bearer_http_response_t *response;

    if (!endpoint) {
        return bearer_refuse(why, p, BEARER_INTROSPECTION,
                             "the introspection endpoint is unknown: %s",
                             error ? error
                             : "the issuer's metadata names none; write its URL, "
                               "AuthBearerIntrospection URL");
    }
    apr_table_setn(form, "token", apr_pstrmemdup(p, q->token, q->len));
    if (bearer_client_post(&response, q->in->config.client, endpoint, form, &error, p)
        != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_INTROSPECTION, "%s", error);
    }
    answer->text = response->body;
    answer->len = response->body_len;
    return judge_answer(q, response, endpoint, why, p);
}

/* The same, with counting. */
static bearer_reason_t ask(void *question, bearer_answer_t *answer,
                           bearer_refusal_t *why, apr_pool_t *p)
{
    question_t *q = question;
    const bearer_issuer_access_t *access = &q->in->access;
    apr_time_t started = bearer_world_now(access->world);
    bearer_reason_t reason = ask_endpoint(q, answer, why, p);

    bearer_world_event(access->world, reason == BEARER_INTROSPECTION
                       ? BEARER_EVENT_INTROSPECTION_FAILED
                       : BEARER_EVENT_INTROSPECTED, access->issuer->index,
                       bearer_world_now(access->world) - started);
    return reason;
}

/* ---- cached responses --------------------------------------------------- */

/* Returns 0 on failure: without a key, the answers about different tokens could be confused. */
static int make_key(question_t *q, const unsigned char *digest,
                    const unsigned char *policy)
{
    const bearer_issuer_t *issuer = q->in->access.issuer;
    const char *endpoint = issuer->introspection.value
                               ? issuer->introspection.value : "discover";
    const char *text = apr_pstrcat(q->j->p, "introspection",
                                   bearer_text_hex(q->j->p, digest, 32),
                                   bearer_text_hex(q->j->p, policy, 32), " ",
                                   endpoint, " ", issuer->url, NULL);

    if (bearer_text_sha256(text, strlen(text), q->key) != APR_SUCCESS) {
        bearer_refuse(&q->j->why, q->j->p, BEARER_INTERNAL,
                      "OpenSSL cannot compute a SHA-256 digest");
        return 0;
    }
    return 1;
}

/* A response without cnf does not unbind a JWT that has one. What the JWT itself says is
 * not verified here, but the issuer calls it active, and cnf only demands more. Returns 0 if
 * there is no memory. */
static int keep_binding(const question_t *q, json_t *claims)
{
    const int bound = bearer_json_member(claims, "cnf") != NULL;
    const json_t *own = bound ? NULL : claims_of(q->token, q->len, q->j->p);
    json_t *cnf = own ? json_object_get(own, "cnf") : NULL;

    return !cnf || json_object_set(claims, "cnf", cnf) == 0;
}

static bearer_verdict_t judge_text(question_t *q, const char *text,
                                   apr_size_t len, apr_time_t fetched)
{
    const bearer_issuer_t *issuer = q->in->access.issuer;
    bearer_verdict_t verdict;
    json_t *claims;

    if (bearer_json_parse(&claims, text, len, NULL, q->j->p) != APR_SUCCESS) {
        bearer_refuse(&q->j->why, q->j->p, BEARER_INTERNAL, "the cached response cannot be read");
        return BEARER_DENIED;
    }
    if (!keep_binding(q, claims)) {
        bearer_refuse(&q->j->why, q->j->p, BEARER_INTERNAL, "there is no memory for the response");
        return BEARER_DENIED;
    }
    verdict = bearer_judge_claims(q->j, claims, issuer, q->token, q->len);
    *q->until = verdict != BEARER_GRANTED ? 0
        : bearer_answer_until(fetched, issuer->introspection_ttl, q->j->claims,
                              q->j->now);
    return verdict;
}

/* Returns 1 if there was a cached response; *verdict is its current result. */
static int judge_kept(question_t *q, bearer_verdict_t *verdict)
{
    bearer_answer_t kept;

    if (!bearer_answer_kept(q->in->config.cache, q->key,
                            q->in->access.issuer->introspection_ttl, q->j->now, &kept,
                            q->j->p)) {
        return 0;
    }
    *verdict = judge_text(q, kept.text, kept.len, kept.asked);
    /* past its exp: the issuer may have extended it */
    return *verdict != BEARER_GRANTED || *q->until;
}

/* ---- judging ------------------------------------------------------------ */

/* Check 11 before the request: a token on the list is not introspected, and none
 * is while the list cannot be read. */
static int is_revoked(question_t *q)
{
    bearer_judgement_t *j = q->j;

    return j->revoked
        && j->revoked(j->baton, q->in->access.issuer->url, NULL, q->token,
                      q->len, &j->why, j->p) != BEARER_OK;
}

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
    bearer_ask_t how = { ask, &q, in->access.settings->timeout.total,
                         in->access.issuer->party, BEARER_INTROSPECTION, 0 };
    bearer_answer_t answer;
    int leader;

    *until = 0;
    if (!make_key(&q, digest, policy)) {
        return refused(&q, BEARER_INTERNAL);
    }
    if (judge_kept(&q, &verdict)) {
        bearer_world_event(in->access.world, BEARER_EVENT_ANSWER_KEPT,
                           in->access.issuer->index, 0);
        return verdict;
    }
    if (is_revoked(&q)) {
        return refused(&q, j->why.reason);
    }
    leader = bearer_flights_share(in->flights, q.key, &how, &answer, &j->why,
                                  j->p);
    if (answer.reason != BEARER_OK) {
        return refused(&q, answer.reason);
    }
    j->now = bearer_world_now(in->access.world);
    verdict = judge_text(&q, answer.text, answer.len, answer.asked);
    if (leader) {
        bearer_answer_keep(in->config.cache, q.key, &answer, *until, j->p);
    }
    return verdict;
}

apr_status_t bearer_introspect_create(bearer_introspect_t **out,
                                      const bearer_introspect_config_t *config,
                                      apr_pool_t *p)
{
    bearer_introspect_t *in = apr_pcalloc(p, sizeof(*in));

    *out = in;
    in->config = *config;
    in->access = *config->access;
    return bearer_flights_create(&in->flights, in->access.world, p);
}
