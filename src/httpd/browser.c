/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser.c
 * Browsers: the way to the issuer, and the endpoints below AuthBearerLoginPath.
 *
 * The endpoints are answered in the quick handler, before ProxyPass, Alias and
 * RewriteRule are looked at and before anybody asks who is there: whatever the
 * rest of the configuration says, a browser that comes back from the issuer is
 * let in here. A path that is spelled in any other way than as it is written
 * goes the way of all requests.
 *
 * Whatever a browser or an issuer sent is either looked for in what this server
 * sealed, or judged, or thrown away; none of it gets into a header, a page or
 * the log as it came.
 */
#include "browser.h"

#include <ap_listen.h>
#include <http_vhost.h>

#include "bearer/return_url.h"

APLOG_USE_MODULE(auth_bearer);

#define LOGIN_PATH "/.auth"
#define DEFAULT_MAX apr_time_from_sec(8 * 3600)
#define DEFAULT_IDLE apr_time_from_sec(30 * 60)
/** Logins for one page that succeed in a row without being seen afterwards. */
#define TRIES_MAX 3
#define TRIES_LIFE 60 /* seconds */
#define TRIES_KEPT 4

/* ---- configuration ------------------------------------------------------ */

static int has_client(const server_config_t *server,
                      const bearer_issuer_t *issuer)
{
    bearer_settings_t s;

    bearer_settings_resolve(&s, server->global->defaults, &server->settings,
                            &issuer->settings, NULL);
    return s.client_id != NULL && !bearer_issuer_is_template(issuer);
}

const bearer_issuer_t *bearer_browser_issuer(const server_config_t *server,
                                             const bearer_settings_t *settings,
                                             const char **error, apr_pool_t *p)
{
    const bearer_issuer_t *only = NULL;
    int i, n = 0, count = server->issuers ? bearer_issuers_count(server->issuers)
                                          : 0;

    *error = NULL;
    if (settings->login_issuer) {
        only = server->issuers ? bearer_issuers_by_url(server->issuers,
                                                       settings->login_issuer)
                               : NULL;
        if (!only || !has_client(server, only)) {
            *error = apr_psprintf(p, "AuthBearerLoginIssuer %s is no issuer of "
                                  "this server with an AuthBearerClientID (and "
                                  "no template)", settings->login_issuer);
            return NULL;
        }
        return only;
    }
    for (i = 0; i < count; i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(server->issuers, i);

        if (has_client(server, issuer)) {
            only = issuer;
            n++;
        }
    }
    if (n != 1) {
        *error = n ? "several issuers have an AuthBearerClientID; name the one "
                     "that logs browsers in: AuthBearerLoginIssuer URL"
                   : "no issuer has an AuthBearerClientID, so no browser can be "
                     "sent there; write the client id that it gave this server";
        return NULL;
    }
    return only;
}

/* https by ServerName's scheme, or because the vhost speaks TLS itself. */
static const char *scheme_of(server_rec *s, apr_pool_t *p)
{
    request_rec r;

    if (s->server_scheme) {
        return s->server_scheme;
    }
    memset(&r, 0, sizeof(r));  /* what the hook looks at is the server */
    r.server = s;
    r.pool = p;
    return ap_run_http_scheme(&r);
}

static const char *origin_of(server_rec *s, apr_pool_t *p)
{
    const char *scheme = scheme_of(s, p), *host = s->server_hostname;
    int standard = strcmp(scheme, "https") == 0 ? 443 : 80;
    int port = s->port ? s->port
             : s->is_virtual && s->addrs && s->addrs->host_port
               ? s->addrs->host_port : standard;

    host = host ? host : "localhost";
    return port == standard ? apr_psprintf(p, "%s://%s", scheme, host)
                            : apr_psprintf(p, "%s://%s:%d", scheme, host, port);
}

const char *bearer_browser_origin(const server_rec *s)
{
    const browser_t *browser = bearer_config_server(s)->browser;

    return browser ? browser->origin : NULL;
}

static int make_browser(server_rec *s, server_config_t *server, apr_pool_t *p)
{
    const login_config_t *login = &server->login;
    browser_t *b = apr_pcalloc(p, sizeof(*b));
    const char *error = NULL;

    b->origin = login->base_url ? login->base_url : origin_of(s, p);
    b->path = login->path ? login->path : LOGIN_PATH;
    b->callback = apr_pstrcat(p, b->origin, b->path, "/callback", NULL);
    b->logout = apr_pstrcat(p, b->origin, b->path, "/logout", NULL);
    b->in_cookie = login->store == 2;
    b->max = login->max ? login->max : DEFAULT_MAX;
    b->idle = login->idle ? login->idle : DEFAULT_IDLE;
    bearer_cookie_names(&b->names, b->origin, p);
    if (bearer_seal_create(&b->session_seal, server->secret_files, "session",
                           &error, p) != APR_SUCCESS
        || bearer_seal_create(&b->login_seal, server->secret_files, "login",
                              &error, p) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "%s (AuthBearerSecretFile)",
                     error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    server->browser = b;
    return OK;
}

int bearer_browser_post_config(apr_pool_t *pconf, server_rec *s)
{
    int status = OK;

    for (; s && status == OK; s = s->next) {
        server_config_t *server = bearer_config_server(s);

        server->browser = NULL;
        if (server->login.used && server->issuers && server->secret_files) {
            status = make_browser(s, server, pconf);
        }
    }
    return status;
}

/* ---- this server as a client -------------------------------------------- */

void bearer_browser_set_cookie(request_rec *r, const char *line)
{
    apr_table_addn(r->err_headers_out, "Set-Cookie", line);
    apr_table_mergen(r->err_headers_out, "Cache-Control", "no-store");
}

void bearer_browser_set_session(request_rec *r, const browser_t *browser,
                                const char *value)
{
    const apr_array_header_t *lines =
        bearer_cookie_split(&browser->names, browser->names.session, value,
                            bearer_browser_cookies(r), r->pool);
    int i;

    for (i = 0; lines && i < lines->nelts; i++) {
        bearer_browser_set_cookie(r, APR_ARRAY_IDX(lines, i, const char *));
    }
}

static apr_status_t post(void *baton, bearer_http_response_t **response,
                         const char *endpoint, const apr_table_t *form,
                         const char **error, apr_pool_t *p)
{
    return bearer_client_post(response, baton, endpoint, form, "application/json",
                              BEARER_LOGIN_ANSWER_MAX, error, p);
}

bearer_reason_t bearer_browser_client(bearer_login_t *login, request_rec *r,
                                      const browser_t *browser,
                                      const bearer_issuer_t *issuer,
                                      bearer_refusal_t *why)
{
    const server_config_t *server = bearer_config_server(r->server);
    process_t *process = bearer_process();
    bearer_issuer_access_t *access = apr_pcalloc(r->pool, sizeof(*access));
    bearer_settings_t *settings = apr_palloc(r->pool, sizeof(*settings));
    const char *error = NULL;

    bearer_settings_resolve(settings, server->global->defaults, &server->settings,
                            &issuer->settings, NULL);
    access->issuer = issuer;
    access->settings = settings;
    access->plain_http = server->global->plain_http;
    access->world = &process->world;
    memset(login, 0, sizeof(*login));
    login->access = access;
    login->redirect_uri = browser->callback;
    login->post = post;
    login->post_baton = process->clients[issuer->index];
    login->metadata = bearer_keyset_metadata(process->keysets[issuer->index],
                                             &error, r->pool);
    if (!login->metadata) {
        return bearer_refuse(why, r->pool, BEARER_LOGIN_ISSUER, "the metadata of "
                             "issuer %s is not to be had: %s",
                             bearer_text_quote(r->pool, issuer->url),
                             error ? error : "AuthBearerMetadata off?");
    }
    return BEARER_OK;
}

static bearer_reason_t keys_of(void *baton, const bearer_issuer_t *issuer,
                               int unknown_kid, const char *kid,
                               bearer_jwks_t **set, bearer_refusal_t *why,
                               apr_pool_t *p)
{
    bearer_keyset_t *keyset = bearer_process()->keysets[issuer->index];

    (void)baton;
    return unknown_kid ? bearer_keyset_refresh_for_kid(keyset, kid, set, why, p)
                       : bearer_keyset_acquire(keyset, set, why, p);
}

void bearer_browser_judgement(bearer_judgement_t *j, request_rec *r,
                              const bearer_expected_t *expected)
{
    const server_config_t *server = bearer_config_server(r->server);

    memset(j, 0, sizeof(*j));
    j->p = r->pool;
    j->now = bearer_world_now(&bearer_process()->world);
    j->issuers = server->issuers;
    j->defaults = server->global->defaults;
    j->server = &server->settings;
    j->method = "cookie";
    j->keys = keys_of;
    j->expected = expected;
}

json_t *bearer_browser_body(const bearer_login_t *login,
                            const bearer_tokens_t *tokens, json_t *claims)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        { BEARER_SESSION_CLIENT, login->access->settings->client_id },
        { BEARER_SESSION_ID_TOKEN, tokens->id_token },
        { BEARER_SESSION_ACCESS_TOKEN, tokens->access_token },
        { BEARER_SESSION_REFRESH_TOKEN, tokens->refresh_token },
        { BEARER_SESSION_SCOPE, tokens->scope },
    };
    json_t *body = json_object();
    apr_size_t i;

    for (i = 0; body && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value) {
            json_object_set_new(body, rows[i].name, json_string(rows[i].value));
        }
    }
    if (body) {
        /* so that `Require scope` means the same on both paths */
        if (tokens->scope && !json_object_get(claims, "scope")) {
            json_object_set_new(claims, "scope", json_string(tokens->scope));
        }
        json_object_set(body, BEARER_SESSION_CLAIMS, claims);
    }
    return body;
}

/* ---- logins that come back ---------------------------------------------- */

/* One entry per page: HASH-N, the latest first, separated by `.`. */
static int tries_of(const browser_t *browser, const char *cookies,
                    const char *hash, const char **others, apr_pool_t *p)
{
    const char *value = bearer_cookie_get(cookies, browser->names.tries, p);
    char *rest, *entry;
    int tries = 0, kept = 0;

    *others = "";
    if (!value || strlen(value) > 128) {
        return 0;
    }
    entry = apr_strtok(apr_pstrdup(p, value), ".", &rest);
    for (; entry && kept < TRIES_KEPT; entry = apr_strtok(NULL, ".", &rest)) {
        apr_size_t len = strspn(entry, "0123456789abcdef");

        if (len != 8 || entry[8] != '-' || entry[9] < '1' || entry[9] > '9'
            || entry[10]) {
            continue;
        }
        if (strncmp(entry, hash, 8) == 0) {
            tries = entry[9] - '0';
        }
        else if (++kept < TRIES_KEPT) {
            *others = apr_pstrcat(p, *others, ".", entry, NULL);
        }
    }
    return tries;
}

static void count_try(request_rec *r, const browser_t *browser,
                      const char *target)
{
    const char *hash = bearer_text_fingerprint(r->pool, target, strlen(target));
    const char *others;
    int n = tries_of(browser, bearer_browser_cookies(r), hash, &others, r->pool);

    n = n < 9 ? n + 1 : 9;
    bearer_browser_set_cookie(r, bearer_cookie_set(&browser->names,
        browser->names.tries, apr_psprintf(r->pool, "%s-%d%s", hash, n, others),
        TRIES_LIFE, r->pool));
}

/* ---- the way to the issuer ---------------------------------------------- */

int bearer_browser_speculates(const request_rec *r)
{
    static const char *const fields[] = { "Sec-Purpose", "Purpose", "X-Purpose",
                                          "X-Moz" };
    apr_size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *purpose = apr_table_get(r->headers_in, fields[i]);

        if (purpose && (ap_strcasestr(purpose, "prefetch")
                        || ap_strcasestr(purpose, "prerender")
                        || ap_strcasestr(purpose, "preview"))) {
            return 1;
        }
    }
    return 0;
}

static int is_navigation(request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *accept = apr_table_get(r->headers_in, "Accept");

    if (r->main || r->method_number != M_GET || r->header_only
        || bearer_browser_speculates(r)
        || apr_table_get(r->headers_in, "X-Requested-With")) {
        return 0;
    }
    return mode ? !ap_cstr_casecmp(mode, "navigate")
                : accept && ap_strcasestr(accept, "text/html");
}

/* Where the browser was going, as far as it can be sent there again. */
static const char *target_of(request_rec *r, const browser_t *browser)
{
    const char *target, *scheme;

    while (r->prev) {
        r = r->prev;  /* what was asked for, not what an internal redirect made */
    }
    target = r->unparsed_uri;
    scheme = target ? strstr(target, "://") : NULL;
    if (scheme && *target != '/') {
        target = ap_strchr_c(scheme + 3, '/');  /* absolute-form */
    }
    if (target && bearer_return_url(browser->origin, target, r->pool)) {
        return target;
    }
    target = target ? apr_pstrmemdup(r->pool, target, strcspn(target, "?")) : "/";
    return bearer_return_url(browser->origin, target, r->pool) ? target : "/";
}

/** Cookies of logins under way. */
typedef struct attempts_t {
    request_rec *r;
    const browser_t *browser;
    const char *oldest;
    apr_time_t oldest_time;
    int count;
} attempts_t;

static void forget(request_rec *r, const browser_t *browser, const char *name)
{
    bearer_browser_set_cookie(r, bearer_cookie_set(&browser->names, name, "", 0,
                                                   r->pool));
}

static int look_at_attempt(void *baton, const char *name, const char *value)
{
    attempts_t *a = baton;
    apr_size_t prefix = strlen(a->browser->names.login);
    bearer_attempt_t *attempt;

    if (strncmp(name, a->browser->names.login, prefix) != 0
        || strlen(name) != prefix + BEARER_LOGIN_TAG) {
        return 1;
    }
    if (bearer_attempt_open(&attempt, value, a->browser->login_seal,
                            a->browser->origin, &bearer_process()->world,
                            a->r->pool) != APR_SUCCESS) {
        forget(a->r, a->browser, name);
    }
    else {
        a->count++;
        if (!a->oldest || attempt->created < a->oldest_time) {
            a->oldest = name;
            a->oldest_time = attempt->created;
        }
    }
    return 1;
}

/* A handful may be under way; who opens more tabs loses the oldest. */
static void limit_attempts(request_rec *r, const browser_t *browser)
{
    attempts_t a = { r, browser, NULL, 0, 0 };

    bearer_cookie_each(bearer_browser_cookies(r), look_at_attempt, &a, r->pool);
    if (a.count >= BEARER_LOGIN_ATTEMPTS) {
        forget(r, browser, a.oldest);
    }
}

static const char *attempt_name(const browser_t *browser, const char *state,
                                apr_pool_t *p)
{
    return apr_psprintf(p, "%s%.*s", browser->names.login, BEARER_LOGIN_TAG,
                        state);
}

static bearer_reason_t begin(request_rec *r, const browser_t *browser,
                             const bearer_settings_t *settings,
                             const char *target, const char **url,
                             unsigned *wait, bearer_refusal_t *why)
{
    const server_config_t *server = bearer_config_server(r->server);
    const char *error, *value;
    const bearer_issuer_t *issuer = bearer_browser_issuer(server, settings, &error,
                                                          r->pool);
    bearer_attempt_t *attempt;
    bearer_login_t login;
    bearer_reason_t reason;

    if (!issuer) {
        return bearer_refuse(why, r->pool, BEARER_CONFIGURATION, "%s", error);
    }
    reason = bearer_browser_client(&login, r, browser, issuer, why);
    if (reason == BEARER_OK) {
        if (login.metadata->pushed_authorization_request_endpoint) {
            *wait = bearer_throttling_login(r, settings);
            login.quiet = *wait != 0;
        }
        reason = bearer_login_begin(&attempt, url, &login,
                                    settings->login.parameters, target, why,
                                    r->pool);
    }
    if (reason != BEARER_OK) {
        return reason;
    }
    value = bearer_attempt_seal(attempt, browser->login_seal, browser->origin,
                                &bearer_process()->world, r->pool);
    if (!value || strlen(value) > BEARER_COOKIE_CHUNK) {
        return bearer_refuse(why, r->pool, BEARER_INTERNAL, "the login could not "
                             "be sealed into a cookie");
    }
    limit_attempts(r, browser);
    bearer_browser_set_cookie(r, bearer_cookie_set(&browser->names,
        attempt_name(browser, attempt->state, r->pool), value,
        (int)apr_time_sec(BEARER_LOGIN_LIFE), r->pool));
    return BEARER_OK;
}

int bearer_browser_login(request_rec *r, const bearer_settings_t *settings)
{
    const browser_t *browser = bearer_config_server(r->server)->browser;
    bearer_refusal_t why = { BEARER_OK, NULL };
    const char *target, *hash, *others, *url = NULL;
    bearer_reason_t reason;
    unsigned wait = 0;

    if (!browser || !is_navigation(r)) {
        return DECLINED;
    }
    target = target_of(r, browser);
    hash = bearer_text_fingerprint(r->pool, target, strlen(target));
    if (tries_of(browser, bearer_browser_cookies(r), hash, &others, r->pool)
        >= TRIES_MAX) {
        return bearer_answer_refuse(r, BEARER_LOGIN_LOOP, "the browser has just "
            "been signed in several times for this page, and comes without a "
            "session again: does it keep cookies, is AuthBearerBaseURL the URL "
            "that it uses, does the session store keep sessions, is the login "
            "issuer accepted here (AuthBearerAcceptIssuer)?", 0, NULL);
    }
    reason = begin(r, browser, settings, target, &url, &wait, &why);
    if (reason != BEARER_OK) {
        return bearer_answer_refuse(r, reason, why.detail, wait, NULL);
    }
    bearer_page_no_store(r);
    apr_table_setn(r->headers_out, "Location", url);
    bearer_log(APLOG_DEBUG, r, "a browser without a session is "
               "sent to the issuer");
    return HTTP_MOVED_TEMPORARILY;
}

/* ---- the way back ------------------------------------------------------- */

/** A login that comes back. */
typedef struct arrival_t {
    request_rec *r;
    const browser_t *browser;
    apr_table_t *parameters;
    bearer_attempt_t *attempt;
    bearer_login_t login;
    bearer_tokens_t tokens;
    json_t *claims;
    bearer_settings_t settings;    /**< of the vhost */
    unsigned wait;                 /**< for Retry-After */
    bearer_refusal_t why;
} arrival_t;

/* The attempt by the state that the answer names; its cookie has served. */
static bearer_reason_t find_attempt(arrival_t *a)
{
    const char *state = apr_table_get(a->parameters, "state");
    const char *name, *value = NULL;
    apr_status_t rv;

    if (!state || strlen(state) < BEARER_LOGIN_TAG
        || strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                  "0123456789-_") != strlen(state)) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE, "the answer "
                             "has no state of ours");
    }
    name = attempt_name(a->browser, state, a->r->pool);
    value = bearer_cookie_get(bearer_browser_cookies(a->r), name, a->r->pool);
    if (!value) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE, "the browser"
                             " brings no login under way for this state: it was "
                             "used before, is too old, began in another browser, "
                             "or cookies are off (is AuthBearerBaseURL what the "
                             "browser sees?)");
    }
    forget(a->r, a->browser, name);
    rv = bearer_attempt_open(&a->attempt, value, a->browser->login_seal,
                             a->browser->origin, &bearer_process()->world,
                             a->r->pool);
    if (rv == APR_SUCCESS) {
        return BEARER_OK;
    }
    return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE, rv == APR_TIMEUP
                         ? "the login took too long"
                         : "the login's cookie was not made by this server");
}

static bearer_reason_t find_issuer(arrival_t *a)
{
    const server_config_t *server = bearer_config_server(a->r->server);
    const bearer_issuer_t *issuer = bearer_issuers_by_url(server->issuers,
                                                          a->attempt->issuer);

    return issuer && has_client(server, issuer)
        ? bearer_browser_client(&a->login, a->r, a->browser, issuer, &a->why)
        : bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE, "the issuer of "
                        "this login is no longer declared");
}

/* The issuer is asked about one code of each attempt, however often the cookie is
 * sent. Without a cache (AuthBearerSessionStore cookie) there is the throttle. */
static bearer_reason_t use_attempt(arrival_t *a)
{
    bearer_session_store_t store;
    apr_status_t rv;

    bearer_browser_store(&store, a->browser);
    rv = bearer_session_once(&store, "state", a->attempt->issuer,
                             a->attempt->state,
                             a->attempt->created + BEARER_LOGIN_LIFE,
                             a->r->pool);
    if (rv == APR_EEXIST) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_LOGIN_STATE, "this login "
                             "has been completed, or has failed, before");
    }
    return rv == APR_SUCCESS || store.in_cookie ? BEARER_OK
        : bearer_refuse(&a->why, a->r->pool, BEARER_SESSION_STORE, "the session "
                        "store does not answer (AuthBearerSOCache for=sessions)");
}

static bearer_reason_t redeem(arrival_t *a, const char *code)
{
    static const bearer_throttle_token_t each = { 0, 0 };
    unsigned char address[BEARER_THROTTLE_KEY_SIZE];
    int counted = bearer_throttling_address(address, a->r, &a->settings);
    bearer_reason_t reason;

    a->wait = counted ? bearer_throttle_check(bearer_process()->throttle, address,
                                              apr_time_now()) : 0;
    if (a->wait) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_THROTTLED, "too many "
                             "refused codes or tokens from this address "
                             "(AuthBearerThrottle); the issuer was not asked");
    }
    reason = use_attempt(a);
    if (reason == BEARER_OK) {
        reason = bearer_login_redeem(&a->tokens, &a->login, a->attempt, code,
                                     &a->why, a->r->pool);
        if (counted) {
            bearer_throttling_failure(a->r, &a->settings, address, &each, reason);
        }
    }
    return reason;
}

static bearer_reason_t take_code(arrival_t *a)
{
    const char *code;
    bearer_reason_t reason = bearer_login_response(&code, a->attempt,
                                                   a->parameters,
                                                   a->login.metadata, &a->why,
                                                   a->r->pool);

    return reason == BEARER_OK ? redeem(a, code) : reason;
}

static bearer_reason_t judge_id_token(arrival_t *a)
{
    const bearer_attempt_t *attempt = a->attempt;
    bearer_expected_t expected = {
        a->login.access->issuer, attempt->nonce, a->tokens.access_token, NULL,
        attempt->acr_values, attempt->max_age
    };
    bearer_judgement_t j;

    bearer_browser_judgement(&j, a->r, &expected);
    if (bearer_judge_id_token(&j, a->tokens.id_token, strlen(a->tokens.id_token))
        != BEARER_GRANTED) {
        a->why = j.why;
        return j.why.reason;
    }
    a->claims = bearer_login_merge(j.claims, NULL, a->r->pool);
    return a->claims ? BEARER_OK : BEARER_INTERNAL;
}

/* Userinfo is asked when the ID token alone does not say who it is. */
static bearer_reason_t find_user(arrival_t *a)
{
    const bearer_issuer_access_t *access = a->login.access;
    const bearer_principal_t *principal;
    bearer_reason_t reason;
    json_t *more;

    reason = bearer_session_user_of(&principal, a->claims, access->issuer,
                                    access->settings, &a->why, a->r->pool);
    if (reason != BEARER_SESSION_USER || !a->login.metadata->userinfo_endpoint) {
        return reason;
    }
    reason = bearer_login_userinfo(&more, &a->login, a->tokens.access_token,
                                   bearer_json_string(a->claims, "sub"), &a->why,
                                   a->r->pool);
    if (reason != BEARER_OK) {
        return reason;
    }
    a->claims = bearer_login_merge(a->claims, more, a->r->pool);
    return a->claims ? bearer_session_user_of(&principal, a->claims,
                                              access->issuer, access->settings,
                                              &a->why, a->r->pool)
                     : BEARER_INTERNAL;
}

/* A new id at every login: what somebody planted before it is worth nothing. */
static void end_earlier(arrival_t *a, const bearer_session_store_t *store)
{
    bearer_session_t *earlier;
    const char *value = bearer_cookie_join(bearer_browser_cookies(a->r),
                                           a->browser->names.session, a->r->pool);

    if (value && bearer_session_load(&earlier, store, value, a->r->pool)
                 == APR_SUCCESS) {
        bearer_session_end(earlier, store, a->r->pool);
    }
}

static bearer_reason_t too_large(arrival_t *a, const bearer_session_store_t *store)
{
    return bearer_refuse(&a->why, a->r->pool, BEARER_SESSION_SIZE, store->in_cookie
        ? "the session is larger than cookies can hold (%d bytes sealed); write "
          "AuthBearerSessionStore cache, or let the issuer put less into its "
          "tokens"
        : "the session is larger than the store takes (%d bytes sealed); let the "
          "issuer put less into its tokens",
        store->in_cookie ? BEARER_COOKIE_MAX * 3 / 4 : BEARER_SESSION_MAX);
}

static bearer_reason_t make_session(arrival_t *a)
{
    const bearer_settings_t *settings = a->login.access->settings;
    bearer_session_store_t store;
    bearer_session_t *session;
    const char *value = NULL;
    apr_status_t rv = APR_EGENERAL;
    json_t *body;

    if (!a->tokens.scope) {  /* RFC 6749 section 5.1: as was asked for */
        a->tokens.scope = apr_array_pstrcat(a->r->pool, settings->login_scopes, ' ');
    }
    bearer_browser_store(&store, a->browser);
    end_earlier(a, &store);
    body = bearer_browser_body(&a->login, &a->tokens, a->claims);
    if (body) {
        rv = bearer_session_new(&session, &store, a->login.access->issuer->url,
                                body, a->r->pool);
        json_decref(body);
    }
    if (rv == APR_SUCCESS) {
        session->access_expires = a->tokens.refresh_token
                                  ? a->tokens.access_expires : 0;
        rv = bearer_session_save(&value, session, &store, a->r->pool);
    }
    if (rv == APR_ENOSPC) {
        return too_large(a, &store);
    }
    if (rv != APR_SUCCESS) {
        return bearer_refuse(&a->why, a->r->pool, BEARER_SESSION_STORE, "the "
                             "session could not be kept; does the cache answer "
                             "(AuthBearerSOCache for=sessions), and has it room?");
    }
    bearer_browser_set_session(a->r, a->browser, value);
    bearer_log(APLOG_INFO, a->r, "login, session %s, sub %s",
               bearer_text_fingerprint(a->r->pool, session->id,
                                       BEARER_SESSION_ID_SIZE),
               bearer_text_fingerprint(a->r->pool,
                                       bearer_json_string(a->claims, "sub"),
                                       strlen(bearer_json_string(a->claims,
                                                                 "sub"))));
    return BEARER_OK;
}

static int redirect(request_rec *r, const char *url)
{
    bearer_page_no_store(r);
    apr_table_setn(r->headers_out, "Location", url);
    return HTTP_SEE_OTHER;
}

static int callback(request_rec *r, const browser_t *browser)
{
    static bearer_reason_t (*const steps[])(arrival_t *a) = {
        find_attempt, find_issuer, take_code, judge_id_token, find_user,
        make_session
    };
    const server_config_t *server = bearer_config_server(r->server);
    const char *back = browser->origin;
    bearer_reason_t reason;
    arrival_t a;
    apr_size_t i;

    memset(&a, 0, sizeof(a));
    a.r = r;
    a.browser = browser;
    bearer_settings_resolve(&a.settings, server->global->defaults,
                            &server->settings, NULL, NULL);
    reason = bearer_login_parse(&a.parameters, r->args, &a.why, r->pool);
    for (i = 0; reason == BEARER_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        reason = steps[i](&a);
    }
    if (a.attempt) {
        const char *url = bearer_return_url(browser->origin, a.attempt->target,
                                            r->pool);
        back = url ? url : apr_pstrcat(r->pool, browser->origin, "/", NULL);
    }
    else {
        back = apr_pstrcat(r->pool, browser->origin, "/", NULL);
    }
    if (reason != BEARER_OK) {
        if (a.wait) {
            apr_table_setn(r->err_headers_out, "Retry-After",
                           apr_psprintf(r->pool, "%u", a.wait));
        }
        return bearer_page_refusal(r, reason, a.why.detail, back);
    }
    bearer_throttling_logged_in(r, &a.settings);
    count_try(r, browser, a.attempt->target);
    return redirect(r, back);
}

/* ---- the endpoints ------------------------------------------------------ */

static const struct {
    const char *name;
    apr_int64_t methods;
    const char *allow;
    int (*answer)(request_rec *r, const browser_t *browser);
} endpoints[] = {
    { "/callback", AP_METHOD_BIT << M_GET, "GET", callback },
    { "/logout", AP_METHOD_BIT << M_GET | AP_METHOD_BIT << M_POST, "GET, POST",
      bearer_browser_logout },
    { "/backchannel-logout", AP_METHOD_BIT << M_POST, "POST",
      bearer_browser_backchannel },
};

int bearer_browser_quick(request_rec *r, int lookup)
{
    const browser_t *browser = bearer_config_server(r->server)->browser;
    apr_size_t len, i;

    if (!browser || lookup || !r->uri) {
        return DECLINED;
    }
    len = strlen(browser->path);
    if (strncmp(r->uri, browser->path, len) != 0 || r->uri[len] != '/') {
        return DECLINED;
    }
    for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (strcmp(endpoints[i].name, r->uri + len) != 0) {
            continue;
        }
        if (r->method_number < 0 || r->method_number >= METHODS
            || !(endpoints[i].methods & (AP_METHOD_BIT << r->method_number))) {
            apr_table_setn(r->err_headers_out, "Allow", endpoints[i].allow);
            return HTTP_METHOD_NOT_ALLOWED;
        }
        return bearer_process()
            ? endpoints[i].answer(r, browser)
            : bearer_page_refusal(r, BEARER_CONFIGURATION, "this child could not "
                                  "be started", NULL);
    }
    return DECLINED;
}
