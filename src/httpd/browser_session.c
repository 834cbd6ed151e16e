/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_session.c
 * The session that a cookie identifies. It is found once per chain of requests,
 * refreshed before its tokens expire by one request at a time, and judged for each
 * location.
 */
#include "browser.h"
#include "browser_claims.h"
#include "browser_domain.h"
#include "browser_session.h"
#include "browser_userinfo.h"
#include "store.h"
#include "trace.h"
#include "verified.h"

#include "base/gate.h"
#include "base/path.h"
#include "base/text.h"
#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/settings.h"

APLOG_USE_MODULE(auth_bearer);

/** Time until the next refresh after one that got no response. */
#define RETRY apr_time_from_sec(10)
/** How often a request looks for the result of a refresh on another host, which cannot
 *  wake it. */
#define LOOK apr_time_from_msec(20)
#define LOOKS 10

/** What is known about a request's session. */
typedef struct browser_session_t {
    bearer_reason_t reason;
    bearer_refusal_t why;
    bearer_session_t *session;
} browser_session_t;

/* ---- finding ------------------------------------------------------------ */

void ab_browser_store(bearer_session_store_t *store, const request_rec *r)
{
    ab_browser_store_of(store, ab_browser_of(r), ab_process());
}

void ab_browser_store_of(bearer_session_store_t *store, const browser_t *browser,
                         process_t *process)
{
    store->seal = browser->session_seal;
    store->cache = ab_store_cache(STORE_SESSIONS);
    store->world = &process->world;
    store->server = browser->site;
    store->in_cookie = browser->in_cookie;
    store->max = browser->max;
    store->idle = browser->idle;
    store->sha256 = process->sha256;
}

/* ---- refreshing --------------------------------------------------------- */

/** The session of one request, while it is refreshed. */
typedef struct visit_t {
    request_rec *r;
    bearer_session_store_t store;
    bearer_session_t *session;
    int extend;                    /**< 0: the session is only looked at */
    const char *cookie;            /**< new cookie for the browser, or NULL */
    apr_interval_time_t timeout;   /**< limit for one request to the issuer */
} visit_t;

/* Returns the issuer of a session; NULL if it is no longer configured. */
static const bearer_issuer_t *issuer_of(const request_rec *r, const bearer_session_t *session)
{
    return bearer_issuers_by_url(ab_config_server(r->server)->issuers, session->issuer);
}

static void log_refresh(const visit_t *v, int level, const char *what, const char *detail)
{
    ab_log(level, v->r, "%s (session %s): %s", what,
           bearer_text_fingerprint(v->r->pool, v->session->id,
                                   BEARER_SESSION_ID_SIZE), detail);
}

/* How and when the user authenticated is a property of the login. A refreshed ID token
 * may omit it (OpenID Connect Core section 12.2). */
static void keep_authentication(json_t *claims, const json_t *before)
{
    static const char *const names[] = { "acr", "amr", "auth_time" };
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!json_object_get(claims, names[i]) && json_object_get(before, names[i])) {
            json_object_set(claims, names[i], json_object_get(before, names[i]));
        }
    }
}

/* The ID token of a refresh replaces the claims of the first one. Without one, those of
 * the first one stay. */
static bearer_reason_t new_claims(visit_t *v, const bearer_tokens_t *tokens,
                                  const bearer_issuer_access_t *access,
                                  json_t **claims, bearer_refusal_t *why)
{
    bearer_expected_t expected = { access->issuer, NULL, tokens->access_token,
                                   NULL, NULL, -1, NULL };
    const bearer_path_t *user = access->settings->session_user_claim.path;
    const json_t *before = json_object_get(bearer_session_body(v->session, v->r->pool),
                                           BEARER_SESSION_CLAIMS);
    json_t *said;
    bearer_judgement_t j;

    if (tokens->id_token) {
        expected.sub = bearer_json_string(before, "sub");
        expected.tenant = ab_browser_tenant(access->issuer, before, v->r->pool);
        ab_browser_judgement(&j, v->r, &expected);
        if (bearer_judge_login(&j, BEARER_ON_ID, tokens->id_token) != BEARER_GRANTED) {
            *why = j.why;
            return j.why.reason;
        }
        said = j.claims;
    } else {
        said = bearer_session_said(v->session, v->r->pool);
    }
    *claims = bearer_login_merge(said, bearer_session_lasting(v->session, bearer_path_text(user),
                                                              v->r->pool), v->r->pool);
    if (*claims) {
        keep_authentication(*claims, before);
    }
    return *claims ? BEARER_OK : BEARER_INTERNAL;
}

static void keep(bearer_tokens_t *tokens, visit_t *v)
{
    apr_pool_t *p = v->r->pool;

    if (!tokens->id_token) {
        tokens->id_token = bearer_session_string(v->session,
                                                 BEARER_SESSION_ID_TOKEN, p);
    }
    if (!tokens->scope) {
        tokens->scope = bearer_session_string(v->session, BEARER_SESSION_SCOPE, p);
    }
}

/* If a token's lifetime is shorter than the time before expiry at which it is
 * refreshed, not every request refreshes it. */
static apr_time_t next_refresh(const visit_t *v, apr_time_t expires)
{
    apr_time_t now = bearer_world_now(v->store.world);

    return expires > now ? now + (expires - now) / 4 * 3 : 0;
}

/* Asks userinfo, and makes the body of the refreshed session. If userinfo cannot be
 * asked, what it said before stays, and the body says that it must be asked again. */
static bearer_reason_t new_body(json_t **body, visit_t *v, const bearer_login_t *login,
                                const bearer_tokens_t *tokens, json_t *claims, int fresh,
                                bearer_refusal_t *why)
{
    const json_t *before = bearer_session_body(v->session, v->r->pool);
    json_t *earlier = json_object_get(before, BEARER_SESSION_USERINFO), *part = earlier;
    bearer_reason_t reason = ab_browser_userinfo(&part, v->r, login, tokens->access_token,
                                                 claims, why);

    if (reason == BEARER_INACTIVE) {
        return reason;
    }
    *body = ab_browser_body(login, tokens, claims, part, v->r->pool);
    if (*body && reason != BEARER_OK) {
        log_refresh(v, APLOG_WARNING,
                    AB(0318) "userinfo was not asked again; its earlier claims stay", why->detail);
        json_object_set_new(*body, BEARER_SESSION_OWED, json_integer(tokens->access_expires));
    }
    *body = ab_browser_drop_claims(*body, v->r, login->access, before,
                                   fresh | (part == earlier ? 0 : BEARER_PART_USERINFO));
    return *body ? BEARER_OK : BEARER_INTERNAL;
}

/* Sets the time of the next refresh. */
static void set_times(visit_t *v, const bearer_tokens_t *tokens, int owed)
{
    bearer_session_t *session = v->session;
    apr_time_t now = bearer_world_now(v->store.world);

    session->seen = now;
    session->access_expires = tokens->access_expires;
    session->retry = next_refresh(v, tokens->access_expires);
    if (owed) {
        session->retry = now + RETRY;
        bearer_session_expect(session, session->retry);
    }
}

/* Stores the refreshed session. */
static bearer_reason_t replace(visit_t *v, const bearer_tokens_t *tokens, json_t *body,
                               bearer_refusal_t *why)
{
    unsigned char before[BEARER_SESSION_REVISION_SIZE];
    apr_status_t rv;

    memcpy(before, v->session->revision, sizeof(before));
    rv = bearer_session_renew(v->session, &v->store, body, v->r->pool);
    if (rv == APR_SUCCESS) {
        set_times(v, tokens, json_object_get(body, BEARER_SESSION_OWED) != NULL);
        rv = bearer_session_replace(&v->cookie, v->session, before, &v->store, v->r->pool);
    }
    if (rv == APR_EOF) {
        return bearer_refuse(why, v->r->pool, BEARER_INACTIVE, "it has ended in the meantime");
    }
    return rv == APR_SUCCESS ? BEARER_OK
        : bearer_refuse(why, v->r->pool, BEARER_SESSION_STORE,
                        "the refreshed session cannot be stored%s", rv == APR_ENOSPC
                        ? ": it is too large (AuthBearerSessionClaims)" : "");
}

static bearer_reason_t take_refreshed(visit_t *v, const bearer_login_t *login,
                                      bearer_tokens_t *tokens, bearer_refusal_t *why)
{
    bearer_reason_t reason;
    json_t *claims, *body;
    int fresh;

    reason = new_claims(v, tokens, login->access, &claims, why);
    if (reason == BEARER_KEYS || reason == BEARER_KEY) {
        /* the key is not known yet: the token is not used, but the old refresh token
         * may have become invalid */
        log_refresh(v, APLOG_WARNING, AB(0312) "refreshed, but the new ID token is ignored",
                    why->detail);
        tokens->id_token = NULL;
        reason = new_claims(v, tokens, login->access, &claims, why);
    }
    if (reason != BEARER_OK) {
        return reason;
    }
    fresh = tokens->id_token ? BEARER_PART_ID : 0;
    keep(tokens, v);
    reason = new_body(&body, v, login, tokens, claims, fresh, why);
    if (reason == BEARER_OK) {
        reason = replace(v, tokens, body, why);
        json_decref(body);
    }
    return reason;
}

/* If only userinfo must be asked again, the tokens of the session are used. */
static bearer_reason_t get_tokens(bearer_tokens_t *tokens, visit_t *v,
                                  const bearer_login_t *login, bearer_refusal_t *why)
{
    apr_pool_t *p = v->r->pool;
    const char *refresh_token = bearer_session_string(v->session, BEARER_SESSION_REFRESH_TOKEN,
                                                      p);

    if (!bearer_session_owes(v->session, bearer_world_now(v->store.world), p)) {
        return bearer_login_refresh(tokens, login, refresh_token, why, p);
    }
    memset(tokens, 0, sizeof(*tokens));
    tokens->access_token = bearer_session_string(v->session, BEARER_SESSION_ACCESS_TOKEN, p);
    tokens->refresh_token = refresh_token;
    tokens->access_expires = json_integer_value(json_object_get(
        bearer_session_body(v->session, p), BEARER_SESSION_OWED));
    return BEARER_OK;
}

/* Looks for a result of another request; like bearer_session_again(). */
static apr_status_t look_again(visit_t *v)
{
    apr_status_t rv = bearer_session_again(&v->session, &v->store, v->r->pool);

    if (rv == APR_SUCCESS && v->store.in_cookie) {
        bearer_session_cookie(&v->cookie, v->session, &v->store, v->r->pool);
    }
    return rv;
}

/* A lease covers one host only. If two hosts refresh at the same time, an issuer that
 * rotates refresh tokens refuses one of them. The tokens of the other host are valid
 * for both. */
static int refreshed_elsewhere(visit_t *v)
{
    int looks = ab_store_is_local(STORE_SESSIONS) ? 1 : LOOKS;
    apr_status_t rv = look_again(v);

    while (rv == APR_NOTFOUND && --looks > 0) {
        apr_sleep(LOOK);
        rv = look_again(v);
    }
    return rv == APR_SUCCESS;
}

static void put_off(visit_t *v)
{
    unsigned char revision[BEARER_SESSION_REVISION_SIZE];

    v->session->retry = bearer_world_now(v->store.world) + RETRY;
    memcpy(revision, v->session->revision, sizeof(revision));
    bearer_session_replace(&v->cookie, v->session, revision, &v->store,
                           v->r->pool);
}

/* Sends the request to the issuer. Only the holder of the lease calls it. */
static bearer_reason_t ask(visit_t *v)
{
    const bearer_issuer_t *issuer = issuer_of(v->r, v->session);
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_tokens_t tokens;
    bearer_login_t login;
    bearer_reason_t reason;

    reason = issuer ? ab_browser_client(&login, v->r, issuer, &why)
                    : BEARER_NO_CREDENTIAL;
    if (reason == BEARER_OK) {
        reason = get_tokens(&tokens, v, &login, &why);
    }
    if (reason == BEARER_OK) {
        reason = take_refreshed(v, &login, &tokens, &why);
    }
    if (reason == BEARER_OK) {
        log_refresh(v, APLOG_DEBUG, AB(0313) "refreshed", "the issuer issued new tokens");
        bearer_world_count(v->store.world, BEARER_EVENT_REFRESH_OK);
    } else if (reason == BEARER_INACTIVE && refreshed_elsewhere(v)) {
        log_refresh(v, APLOG_DEBUG, AB(0314) "refreshed", "by another host");
        reason = BEARER_OK;
    } else if (reason == BEARER_INACTIVE) {
        log_refresh(v, APLOG_INFO, AB(0315) "ended", why.detail);
        bearer_world_count(v->store.world, BEARER_EVENT_REFRESH_REFUSED);
        if (bearer_session_end(v->session, &v->store, v->r->pool) == APR_SUCCESS) {
            bearer_world_count(v->store.world, BEARER_EVENT_ENDED_REFRESH);
        }
    } else {
        log_refresh(v, APLOG_WARNING, AB(0316) "not refreshed, continues unchanged",
                    why.detail ? why.detail : bearer_reason_name(reason));
        bearer_world_count(v->store.world, BEARER_EVENT_REFRESH_FAILED);
        put_off(v);
        reason = BEARER_OK;
    }
    return reason;
}

/* Runs with the lease held. Another request may have refreshed the session between the
 * last look and now. */
static bearer_reason_t refresh_alone(visit_t *v)
{
    if (look_again(v) == APR_EOF) {
        return BEARER_INACTIVE;
    }
    return bearer_session_refresh_due(v->session,
                                      bearer_world_now(v->store.world))
               ? ask(v) : BEARER_OK;
}

static int is_still_good(const visit_t *v)
{
    return bearer_world_now(v->store.world) < v->session->access_expires;
}

/* bearer_ask_t: one request of this process comes here. Of the processes of the host,
 * the one with the lease sends the request to the issuer. The lease lasts long enough
 * to fetch metadata, tokens, keys and userinfo. */
static bearer_reason_t refresh_for_all(void *visit, bearer_answer_t *answer,
                                       bearer_refusal_t *why, apr_pool_t *p)
{
    visit_t *v = visit;
    apr_time_t now = apr_time_now(), give_up = now + 2 * v->timeout;
    bearer_reason_t reason;

    (void)answer;
    (void)why;
    while (bearer_session_lease(v->session, &v->store, now + 5 * v->timeout, p)
           != APR_SUCCESS) {
        if (is_still_good(v) || now >= give_up) {
            return BEARER_OK;
        }
        bearer_session_await(v->session, &v->store, give_up - now);
        now = apr_time_now();
    }
    reason = refresh_alone(v);
    bearer_session_unlease(v->session, &v->store, p);
    return reason;
}

/* Concurrent requests of a session share one refresh. A request with a valid access
 * token does not wait for it. If the gate is full, a request continues without a
 * refresh. */
static bearer_reason_t refresh(visit_t *v)
{
    const bearer_issuer_t *issuer = issuer_of(v->r, v->session);
    bearer_ask_t how = { refresh_for_all, v, 0, 0, BEARER_LOGIN_ISSUER, 0 };
    unsigned char key[BEARER_CACHE_KEY_SIZE] = { 0 };
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_settings_t settings;
    bearer_answer_t answer;

    ab_config_resolve(&settings, ab_config_server(v->r->server), issuer, NULL);
    how.total = v->timeout = settings.timeout.total;
    how.party = issuer ? issuer->party : BEARER_PARTY_NONE;
    how.only_first = is_still_good(v);
    memcpy(key, v->session->id, BEARER_SESSION_ID_SIZE);
    if (bearer_flights_share(ab_process()->refreshes, key, &how, &answer, &why,
                             v->r->pool)) {
        return answer.reason;
    }
    if (answer.reason == BEARER_OK && look_again(v) == APR_EOF) {
        answer.reason = BEARER_INACTIVE;
    }
    if (why.detail && answer.reason == BEARER_LOGIN_ISSUER) {
        log_refresh(v, APLOG_INFO, AB(0317) "not refreshed, continues unchanged", why.detail);
    }
    return answer.reason == BEARER_INACTIVE ? BEARER_INACTIVE : BEARER_OK;
}

static bearer_reason_t open_session(visit_t *v, bearer_refusal_t *why)
{
    bearer_reason_t reason = ab_browser_only_session(&v->session, &v->store, v->r, why);
    apr_time_t seen;

    if (reason != BEARER_OK || !v->extend) {
        return reason;
    }
    seen = v->session->seen;
    if (bearer_session_refresh_due(v->session, bearer_world_now(v->store.world))
        && ab_browser_is_own(v->r, v->session) && refresh(v) != BEARER_OK) {
        return BEARER_NO_CREDENTIAL;
    }
    if (!v->cookie) {
        bearer_session_touch(&v->cookie, v->session, &v->store, v->r->pool);
    }
    if (!v->cookie && ab_browser_of(v->r)->persist && v->session->seen != seen) {
        bearer_session_cookie(&v->cookie, v->session, &v->store, v->r->pool);
    }
    return BEARER_OK;
}

static browser_session_t *find(request_rec *r, int extend)
{
    browser_session_t *found = apr_pcalloc(r->pool, sizeof(*found));
    visit_t v = { .r = r, .extend = extend };

    ab_browser_store(&v.store, r);
    found->reason = open_session(&v, &found->why);
    found->session = v.session;
    if (v.cookie) {
        ab_browser_set_session(r, v.cookie, bearer_session_left(v.session, &v.store));
    }
    return found;
}

/* Finds the session of a request, before checking whether it counts at the location. */
static const browser_session_t *session_of(request_rec *r)
{
    request_t *own = ab_request(r);
    const request_rec *parent = r;

    while (!own->session && (parent = ab_request_parent(parent)) != NULL) {
        const request_t *record = ab_request_peek(parent);

        own->session = record ? record->session : NULL;
    }
    if (!own->session) {
        own->session = find(r, 1);
    }
    return own->session;
}

const bearer_session_t *ab_browser_session(request_rec *r, int extend)
{
    request_t *own = ab_request(r);

    own->session = find(r, extend);
    return own->session->session;
}

/* ---- judging ------------------------------------------------------------ */

/* Returns the issuer of the session if the location accepts it. */
static const bearer_issuer_t *accepted(request_rec *r,
                                       const bearer_settings_t *settings,
                                       bearer_session_t *session, bearer_refusal_t *why)
{
    const bearer_issuer_t *issuer = issuer_of(r, session);

    if (issuer && bearer_issuer_is_template(issuer)
        && !ab_browser_admits(issuer, json_object_get(bearer_session_body(session, r->pool),
                                                      BEARER_SESSION_CLAIMS), r->pool)) {
        bearer_refuse(why, r->pool, BEARER_NO_CREDENTIAL, "its tenant is not in "
                      "AuthBearerTenants");
        return NULL;
    }
    if (issuer && bearer_judge_accepts(settings, issuer)
        && (!settings->login_issuer
            || bearer_text_among(settings->login_issuer, issuer->url))) {
        return issuer;
    }
    bearer_refuse(why, r->pool, BEARER_NO_CREDENTIAL, "issuer %s is not accepted here",
                  bearer_text_quote(r->pool, session->issuer));
    return NULL;
}

/* The key of a session's principal: 128 random bits of the session and 128 bits of two
 * digests. Clients choose none of them, so no further hash is needed, and the key does
 * not collide with the SHA-256 keys of tokens. */
static void principal_key(unsigned char *key, request_rec *r,
                          const bearer_session_t *session)
{
    const unsigned char *server = ab_config_server(r->server)->digest;
    const unsigned char *dir = ab_config_dir(r)->digest;
    int i;

    memcpy(key, session->revision, BEARER_SESSION_REVISION_SIZE);
    for (i = BEARER_SESSION_REVISION_SIZE; i < BEARER_SHA256_SIZE; i++) {
        /* crosswise, so that two equal digests do not cancel out */
        key[i] = (unsigned char)(server[i] ^ dir[BEARER_SHA256_SIZE - 1 - i]);
    }
}

static bearer_reason_t principal_of(request_rec *r, bearer_session_t *session,
                                    const bearer_issuer_t *issuer,
                                    const bearer_principal_t **principal,
                                    bearer_refusal_t *why)
{
    const server_config_t *server = ab_config_server(r->server);
    bearer_tokencache_t *cache = ab_process()->tokens;
    bearer_tokencache_entry_t *entry;
    unsigned char key[BEARER_SHA256_SIZE];
    bearer_settings_t settings;
    bearer_reason_t reason;
    const char *error;

    principal_key(key, r, session);
    *principal = bearer_tokencache_get(cache, &entry, key, apr_time_now(), 0);
    if (*principal) {
        ab_verified_hold(r, entry);
        return BEARER_OK;
    }
    ab_config_resolve(&settings, server, issuer, &ab_config_dir(r)->settings);
    error = bearer_judge_names_error(server->issuers, &settings, issuer, r->pool);
    reason = !ab_browser_is_own(r, session)
        ? bearer_refuse(why, r->pool, BEARER_NO_CREDENTIAL,
                        "it began with another AuthBearerClientID")
        : error ? bearer_refuse(why, r->pool, BEARER_CONFIGURATION, "%s", error)
                   : bearer_session_principal(principal, session, issuer, &settings,
                                              why, r->pool);
    if (reason == BEARER_OK && cache) {
        *principal = ab_verified_copy(r, *principal, &settings);
        bearer_tokencache_put(cache, key, *principal, 1, session->ends);
    }
    return reason;
}

static const credential_t *credential_of(request_rec *r, bearer_session_t *session,
                                         const bearer_settings_t *settings)
{
    credential_t *credential = apr_pcalloc(r->pool, sizeof(*credential));
    bearer_from_t *from = apr_pcalloc(r->pool, sizeof(*from));

    from->kind = BEARER_FROM_COOKIE;
    from->name = ab_browser_of(r)->names.session;
    credential->from = from;
    credential->reason = BEARER_NO_CREDENTIAL;  /* no token to forward */
    if (settings->forward & BEARER_FORWARD_TOKEN) {
        credential->token = bearer_session_string(session,
                                                  BEARER_SESSION_ACCESS_TOKEN, r->pool);
    }
    if (credential->token) {
        credential->len = strlen(credential->token);
        credential->reason = BEARER_OK;
    }
    return credential;
}

bearer_reason_t ab_browser_principal(request_rec *r,
                                     const bearer_settings_t *settings,
                                     const bearer_principal_t **principal,
                                     const credential_t **credential,
                                     bearer_refusal_t *why)
{
    const browser_session_t *found = ab_browser_of(r) ? session_of(r) : NULL;
    const bearer_issuer_t *issuer;
    bearer_reason_t reason;

    if (!found || found->reason != BEARER_OK) {
        *why = found ? found->why : *why;
        return found ? found->reason : BEARER_NO_CREDENTIAL;
    }
    issuer = accepted(r, settings, found->session, why);
    if (issuer) {
        *credential = credential_of(r, found->session, settings);
    }
    reason = issuer ? principal_of(r, found->session, issuer, principal, why)
                    : BEARER_NO_CREDENTIAL;
    if (reason == BEARER_OK && settings->login.parameters) {
        reason = bearer_login_suffices(settings->login.parameters, (*principal)->claims,
                                       bearer_world_now(&ab_process()->world),
                                       settings->clock_skew, why, r->pool);
    }
    return ab_browser_fitting(r, found->session, reason);
}
