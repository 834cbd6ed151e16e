/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Asks a session service who the caller is. See session_check.h.
 */
#include "ask/session_check.h"

#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/credential_syntax.h"

/** Maximum Retry-After that is passed on, in seconds; a larger value is a mistake. */
#define RETRY_MAX 86400

struct bearer_session_asker_t {
    const bearer_world_t *world;
    const bearer_cache_t *cache;
    bearer_flights_t *flights;
};

/* ---- whether the check applies ------------------------------------------- */

const char *bearer_session_check_cookies(const bearer_session_check_t *check,
                                         const char *field, apr_pool_t *p)
{
    return field && bearer_session_check_by_cookie(check)
        ? bearer_syntax_cookies(field, check->cookies, p) : NULL;
}

int bearer_session_check_takes(const bearer_session_check_t *check,
                               const char *token, apr_size_t len)
{
    apr_size_t n = check->prefix ? strlen(check->prefix) : 0;

    return !bearer_session_check_by_cookie(check) && n <= len
        && (!n || memcmp(token, check->prefix, n) == 0);
}

/* ---- the question --------------------------------------------------------- */

/* Returns the path and query for the configured server; NULL: as configured. */
static const char *target_of(const bearer_session_question_t *q, apr_pool_t *p)
{
    const bearer_session_check_t *check = q->check;
    const char *path, *query, *mark;
    bearer_http_url_t parts;

    if ((!check->client_path && !check->client_query)
        || bearer_http_url_split(&parts, check->url, p)) {
        return NULL;
    }
    mark = strchr(parts.path, '?');
    query = check->client_query ? q->query : mark ? mark + 1 : NULL;
    path = check->client_path ? q->path
         : mark ? apr_pstrmemdup(p, parts.path, (apr_size_t)(mark - parts.path))
                : parts.path;
    return apr_pstrcat(p, *path ? path : "/", query ? "?" : "",
                       query ? query : "", NULL);
}

static void put_forwarded(const bearer_session_question_t *q,
                          apr_table_t *headers)
{
    const apr_array_header_t *names = q->check->headers;
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *value = apr_table_get(q->headers, name);

        if (value) {
            apr_table_setn(headers, name, value);
        }
    }
}

static int put_one(void *headers, const char *name, const char *value)
{
    apr_table_setn(headers, name, value);
    return 1;
}

/* Added last, so that nothing replaces it. */
static void put_credential(bearer_session_question_t *q, apr_table_t *headers,
                           apr_pool_t *p)
{
    const bearer_session_check_t *check = q->check;
    const char *value = q->credential;

    if (check->send == BEARER_SEND_AUTHORIZATION) {
        value = apr_pstrcat(p, "Bearer ", value, NULL);
    } else if (check->send == BEARER_SEND_FORM) {
        q->request.body = apr_pstrcat(p, bearer_http_form_escape(p, check->name), "=",
                                      bearer_http_form_escape(p, value), NULL);
        q->request.body_len = strlen(q->request.body);
        value = "application/x-www-form-urlencoded";
    }
    apr_table_setn(headers, bearer_session_check_field(check), value);
}

static apr_table_t *headers_of(bearer_session_question_t *q, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 6);

    apr_table_setn(headers, "Accept", "application/json");
    put_forwarded(q, headers);
    if (q->check->add) {
        apr_table_do(put_one, headers, q->check->add, NULL);
    }
    if (q->check->client_host && q->host) {
        apr_table_setn(headers, "Host", q->host);
        apr_table_setn(headers, "X-Forwarded-Host", q->host);
    }
    put_credential(q, headers, p);
    return headers;
}

static void make_key(bearer_session_question_t *q, apr_pool_t *p)
{
    const bearer_http_request_t *r = &q->request;
    const apr_array_header_t *rows = apr_table_elts(r->headers);
    apr_array_header_t *text = apr_array_make(p, 16, sizeof(const char *));
    const char *whole;
    int i;

    APR_ARRAY_PUSH(text, const char *) = apr_pstrcat(
        p, "session ", bearer_text_hex(p, q->policy, 32), "\n", r->method, " ",
        r->url, "\n", r->target ? r->target : "", NULL);
    for (i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        APR_ARRAY_PUSH(text, const char *) = apr_pstrcat(p, row->key, ": ",
                                                         row->val, NULL);
    }
    APR_ARRAY_PUSH(text, const char *) = r->body ? r->body : "";
    whole = apr_array_pstrcat(p, text, '\n');
    q->keyed = bearer_text_sha256(whole, strlen(whole), q->key) == APR_SUCCESS;
}

void bearer_session_question_prepare(bearer_session_question_t *q, apr_pool_t *p)
{
    const char *method = q->check->method ? q->check->method : q->method;
    bearer_http_request_t *r = &q->request;

    bearer_request_bound(r, q->settings, q->check->party, BEARER_ANSWER_MAX);
    r->method = bearer_session_check_answers(method) ? method : "GET";
    r->url = q->check->url;
    r->target = target_of(q, p);
    r->headers = headers_of(q, p);
    make_key(q, p);
}

/* ---- the status of the response --------------------------------------------- */

static unsigned retry_after(const bearer_http_response_t *response, apr_time_t now)
{
    const char *field = apr_table_get(response->headers, "Retry-After");
    apr_int64_t seconds = 0;
    char *end = NULL;

    if (!field) {
        return 0;
    }
    seconds = apr_strtoi64(field, &end, 10);
    if (end == field || *end) {
        apr_time_t when = bearer_http_date(field);

        seconds = when > now ? apr_time_sec(when - now) + 1 : 0;
    }
    return seconds < 1 ? 0 : seconds > RETRY_MAX ? RETRY_MAX : (unsigned)seconds;
}

static const char *mend_of(const bearer_session_question_t *q, int status)
{
    if (status / 100 == 3) {
        return ": redirects are not followed; name a URL that answers directly, not one that "
               "redirects to a login page";
    }
    switch (status) {
    case 400:
        return ": it does not understand the request; for an introspection endpoint, use "
               "AuthBearerProvider introspection";
    case 404:
        return q->check->client_path
            ? ": the client's path was requested (path=request); path=url requests the configured "
              "path"
            : ": the URL is not a session check";
    case 405:
        return ": try another method, method=GET or method=POST";
    case 201:
    case 202:
    case 204:
        return ": only 200 identifies the user";
    default:
        return "";
    }
}

static bearer_reason_t judge_status(const bearer_session_question_t *q,
                                    const bearer_http_response_t *response,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const char *url = bearer_http_url_shown(q->check->url, p);

    switch (response->status) {
    case 200:
        return BEARER_OK;
    case 401:
        return bearer_refuse(why, p, BEARER_SESSION_DENIED,
                             "the session service %s answered 401: the session has ended, or is "
                             "unknown there", url);
    case 403:
        return bearer_refuse(why, p, BEARER_SESSION_INSUFFICIENT,
                             "the session service %s answered 403: the session is valid, but does "
                             "not suffice (Ory Kratos: a second factor is missing)", url);
    case 429:
        return bearer_refuse(why, p, BEARER_SESSION_LIMIT,
                             "the session service %s answered 429: too many requests; ttl= of "
                             "AuthBearerSessionCheck caches its responses",
                             url);
    default:
        return bearer_refuse(why, p, BEARER_SESSION_CHECK,
                             "the session service %s answered %d%s (AuthBearerSessionCheck)", url,
                             response->status, mend_of(q, response->status));
    }
}

/** A question in progress. */
typedef struct asking_t {
    bearer_session_asker_t *asker;
    const bearer_session_question_t *q;
} asking_t;

static bearer_event_t result_of(bearer_reason_t reason)
{
    return reason == BEARER_OK ? BEARER_EVENT_SESSION_CHECK_OK
         : reason == BEARER_SESSION_DENIED ? BEARER_EVENT_SESSION_CHECK_REFUSED
                                           : BEARER_EVENT_SESSION_CHECK_FAILED;
}

static bearer_reason_t ask(void *asking_, bearer_answer_t *answer,
                           bearer_refusal_t *why, apr_pool_t *p)
{
    const asking_t *asking = asking_;
    const bearer_world_t *world = asking->asker->world;
    const bearer_session_question_t *q = asking->q;
    bearer_http_response_t *response = NULL;
    const char *error = "no requests are possible now";

    if (!world->http
        || world->http->perform(world->http, &q->request, &response, &error, p)
               != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_SESSION_CHECK,
                             "the request to the session service failed: %s "
                             "(AuthBearerSessionCheck)", error);
    }
    answer->text = response->body;
    answer->len = response->body_len;
    answer->retry = retry_after(response, bearer_world_now(world));
    return judge_status(q, response, why, p);
}

/* ---- the content of the response ---------------------------------------------- */

static bearer_reason_t unusable(const bearer_session_question_t *q,
                                bearer_refusal_t *why, apr_pool_t *p,
                                const char *what, const char *remedy)
{
    return bearer_refuse(why, p, BEARER_SESSION_CHECK,
                         "the response of the session service %s cannot be used: %s%s",
                         bearer_http_url_shown(q->check->url, p), what, remedy);
}

static bearer_reason_t read_subject(const bearer_session_question_t *q,
                                    const json_t *answer, const json_t **subject,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const json_t *active = json_object_get(answer, "active");
    const char *path = bearer_text_quote(p, bearer_path_text(q->check->subject));
    const char *error;

    if (active && !json_is_true(active)) {
        return unusable(q, why, p, "its 'active' is not JSON true",
                        "; a session service answers 401 for an ended session; for an "
                        "introspection endpoint, use AuthBearerProvider introspection");
    }
    *subject = bearer_path_find(q->check->subject, answer);
    if (!json_is_string(*subject) || !json_string_length(*subject)) {
        return unusable(q, why, p, apr_psprintf(p, "it has no string at %s",
                                                path),
                        "; name the user's place with subject= of AuthBearerSessionCheck (Ory "
                        "Kratos: subject=identity.id)");
    }
    error = strlen(json_string_value(*subject)) != json_string_length(*subject)
        ? "it contains NUL"
        : bearer_text_identifier_error(json_string_value(*subject),
                                       json_string_length(*subject),
                                       q->settings->user_chars_printable);
    return error ? unusable(q, why, p, apr_psprintf(
                       p, "%s at %s is not an acceptable user name: %s",
                       bearer_text_quote(p, json_string_value(*subject)), path,
                       error), "") : BEARER_OK;
}

/* Reads the claims: those at extra=, and the subject as `sub`. Another `sub` there
 * is replaced, because users may control parts of that data. */
static bearer_reason_t read_claims(const bearer_session_question_t *q,
                                   json_t *answer, json_t **claims,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    const json_t *subject = NULL;
    bearer_reason_t reason = read_subject(q, answer, &subject, why, p);
    json_t *extra;

    if (reason != BEARER_OK) {
        return reason;
    }
    extra = bearer_path_find(q->check->extra, answer);
    if (extra && !json_is_object(extra) && !json_is_null(extra)) {
        return unusable(q, why, p, apr_psprintf(
            p, "the value at %s is not an object", bearer_text_quote(
                p, bearer_path_text(q->check->extra))),
            "; extra= of AuthBearerSessionCheck must name an object of claims");
    }
    *claims = bearer_json_tie(json_is_object(extra) ? json_copy(extra) : json_object(),
                              p);
    json_object_set_new(*claims, "sub", json_string(json_string_value(subject)));
    return BEARER_OK;
}

static bearer_reason_t read_answer(const bearer_session_question_t *q,
                                   const bearer_answer_t *text, json_t **answer,
                                   const bearer_principal_t **principal,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_settings_t settings = *q->settings;
    const char *problem = NULL;
    bearer_reason_t reason;
    json_t *claims = NULL;

    if (bearer_json_parse(answer, text->text, text->len, &problem, p)
        != APR_SUCCESS) {
        return unusable(q, why, p, "it is not a JSON object: ", problem);
    }
    reason = read_claims(q, *answer, &claims, why, p);
    if (reason != BEARER_OK) {
        return reason;
    }
    settings.user_claim.path = q->check->user;
    settings.user_claim.regex = NULL;
    settings.user_claim.further = NULL;
    return bearer_principal_build(principal, "session", claims, NULL, NULL,
                                  NULL, &settings, why, p);
}

/* ---- the asker ------------------------------------------------------------------ */

static int take_kept(const bearer_session_asker_t *asker,
                     const bearer_session_question_t *q,
                     bearer_session_result_t *result, apr_pool_t *p)
{
    apr_time_t now = bearer_world_now(asker->world);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_answer_t kept;
    json_t *answer;

    if (!bearer_answer_kept(asker->cache, q->key, q->check->ttl, now, &kept, p)
        || read_answer(q, &kept, &answer, &result->principal, &why, p)
               != BEARER_OK
        || !bearer_answer_until(kept.asked, q->check->ttl, answer, now)) {
        return 0;
    }
    result->reason = BEARER_OK;
    return 1;
}

void bearer_session_ask(bearer_session_asker_t *asker,
                        const bearer_session_question_t *q,
                        bearer_session_result_t *result, bearer_refusal_t *why,
                        apr_pool_t *p)
{
    asking_t asking = { asker, q };
    bearer_ask_t how = { ask, &asking, q->settings->timeout.total,
                         q->check->party, BEARER_SESSION_CHECK, 0 };
    bearer_answer_t text;
    json_t *answer = NULL;
    int leader;

    memset(result, 0, sizeof(*result));
    if (!q->keyed) {
        result->reason = bearer_refuse(why, p, BEARER_INTERNAL,
                                       "OpenSSL cannot compute a SHA-256 digest");
        return;
    }
    if (take_kept(asker, q, result, p)) {
        return;
    }
    result->principal = NULL;
    leader = bearer_flights_share(asker->flights, q->key, &how, &text, why, p);
    result->reason = text.reason;
    result->retry = text.retry;
    if (text.reason == BEARER_OK) {
        result->reason = read_answer(q, &text, &answer, &result->principal, why,
                                     p);
    }
    if (leader) {
        bearer_world_count(asker->world, result_of(result->reason));
    }
    if (result->reason == BEARER_OK && leader) {
        bearer_answer_keep(asker->cache, q->key, &text,
                           bearer_answer_until(text.asked, q->check->ttl, answer,
                                               bearer_world_now(asker->world)), p);
    }
}

apr_status_t bearer_session_asker_create(bearer_session_asker_t **out,
                                         const bearer_world_t *world,
                                         const bearer_cache_t *cache,
                                         apr_pool_t *p)
{
    bearer_session_asker_t *asker = apr_pcalloc(p, sizeof(*asker));

    *out = asker;
    asker->world = world;
    asker->cache = cache;
    return bearer_flights_create(&asker->flights, world, p);
}
