/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authn.c
 * check_user_id: credential -> chain -> principal -> r->user. Cheap local steps come
 * first: syntax, throttle, cache of verified tokens. The provider chain comes last.
 */
#include "authn.h"
#include "authz.h"
#include "browser.h"
#include "browser_domain.h"
#include "browser_session.h"
#include "check.h"
#include "credential.h"
#include "proof.h"
#include "refuse.h"
#include "session_cookies.h"
#include "shared.h"
#include "throttling.h"
#include "trace.h"
#include "verified.h"

#include <stddef.h>

#include <apr_strings.h>
#include <http_core.h>

APLOG_USE_MODULE(auth_bearer);

/* ---- the throttle ------------------------------------------------------- */

/* If time or the issuer can undo a refusal, the throttle does not repeat it from
 * memory. An inactive token is repeated and counts only once; otherwise one client
 * could send the issuer introspection requests without end. A session service may
 * accept the same cookie after the next login. */
static int lasting(bearer_reason_t reason)
{
    return bearer_reason_category(reason) != BEARER_CATEGORY_KEY
        && reason != BEARER_SESSION_DENIED && reason != BEARER_TENANT;
}

/* Counting is the only effect of a judgement ahead. If no authentication follows, the
 * refused token counts when the request ends. */
static void note_ahead(attempt_t *a, bearer_reason_t reason)
{
    if (a->throttling) {
        request_t *own = ab_request(ab_request_first(a->r));

        own->ahead_reason = reason;
        own->ahead_token = *ab_provider_counted(a, reason);
    }
}

int ab_authn_log_transaction(request_rec *r)
{
    const request_t *own = ab_request_peek(r);
    unsigned char address[BEARER_THROTTLE_KEY_SIZE];
    const bearer_settings_t *settings;

    if (!own || own->ahead_reason == BEARER_OK || own->asked) {
        return DECLINED;
    }
    settings = ab_config_of(r);
    if (ab_throttling_address(address, r, settings)) {
        ab_throttling_failure(r, settings, address, &own->ahead_token,
                              own->ahead_reason);
    }
    return DECLINED;
}

/* ---- ends --------------------------------------------------------------- */

/* A browser whose session has ended is sent to the login page of the session service. */
static int sign_in_elsewhere(const attempt_t *a, bearer_reason_t reason, const char *detail)
{
    return reason == BEARER_SESSION_DENIED && a->own->winner == &ab_session_credential
        ? ab_browser_login_url(a->r, a->settings, detail) : DECLINED;
}

static int refuse(attempt_t *a, bearer_reason_t reason, const char *detail)
{
    ab_refused_t more = { .retry = a->retry, .j = a->judged ? &a->judgement : NULL };
    int status;

    if (a->ahead) {
        note_ahead(a, reason);
        return HTTP_UNAUTHORIZED;
    }
    if (a->throttling) {
        ab_throttling_failure(a->r, a->settings, a->address,
                              ab_provider_counted(a, reason), reason);
    }
    if (a->vouched && bearer_category(bearer_reason_category(reason))->counted) {
        bearer_vouch_end(ab_shared_vouched(), ab_provider_presented(a)->digest);
    }
    status = sign_in_elsewhere(a, reason, detail);
    if (status != DECLINED) {
        return status;
    }
    if (reason == BEARER_NO_CREDENTIAL) {
        more.scopes = ab_authz_scopes(a->r, a->own->principal, a->own->settings);
    }
    return ab_refuse(a->r, reason, detail, &more);
}

static int grant(attempt_t *a, const bearer_principal_t *principal)
{
    if (a->ahead) {
        a->found = principal;
        return OK;
    }
    a->own->settings = ab_provider_settings(a, principal->issuer);
    a->own->principal = principal;
    a->own->proven = a->proven;
    a->own->reason = BEARER_OK;
    a->r->ap_auth_type = apr_pstrdup(a->r->pool, "Bearer");
    a->own->user = principal->user ? apr_pstrdup(a->r->pool, principal->user) : NULL;
    /* For a NULL user the core answers 500. authz.c sets an anonymous user to NULL
     * before any Require is evaluated. */
    a->r->user = a->own->user ? a->own->user : apr_pstrdup(a->r->pool, "");
    if (a->remembered && principal->user) {
        bearer_throttle_success(a->process->throttle, a->address, apr_time_now());
    }
    return OK;
}

static int grant_proven(attempt_t *a, const bearer_principal_t *principal)
{
    bearer_refusal_t why = { BEARER_OK, NULL };

    if (ab_proof_judge(a, principal, &why) == BEARER_OK) {
        return grant(a, principal);
    }
    a->vouched = 0;  /* the token is good: whoever has its key must not lose anything */
    if (!a->judged) {  /* the log and the metrics name the issuer of a known token, too */
        memset(&a->judgement, 0, sizeof(a->judgement));
        a->judgement.issuer = principal->issuer;
        a->judgement.iss = principal->iss;
        a->judged = 1;
    }
    return refuse(a, why.reason, why.detail);
}

/* A token that is bound to a key counts only with its proof, however it was judged. The
 * cookies of a session service are no token. A macro, because most tokens are not bound. */
#define GRANT_TOKEN(a, principal) \
    (AB_PROOF_CONCERNS(a, principal) && !(a)->by_cookies \
         ? grant_proven(a, principal) : grant(a, principal))

/* ---- the chain ---------------------------------------------------------- */

#define PROVIDER_JWT           ab_provider_jwt
#define PROVIDER_INTROSPECTION ab_provider_introspection
#define PROVIDER_SESSION       ab_provider_session

/* By bearer_provider_id_t. */
static bearer_verdict_t (*const provider_table[])(attempt_t *a) = {
#define X(symbol, word) PROVIDER_##symbol,
    BEARER_PROVIDERS(X)
#undef X
};

/* The weight of a provider's refusal for a token that it does not handle, from lowest
 * to highest: not a JWT; no provider takes opaque tokens; the issuer is not configured. */
static int weight(bearer_reason_t reason)
{
    return reason == BEARER_OK ? 0
         : reason == BEARER_SEGMENTS ? 1 : reason == BEARER_CHAIN ? 2 : 3;
}

/* Chooses the refusal if no provider handles the token. A token that is not a JWT is
 * malformed, unless an opaque one could have been accepted. */
static void note_not_mine(bearer_refusal_t *best, const bearer_refusal_t *why)
{
    if (weight(why->reason) > weight(best->reason)
        || (why->reason == BEARER_CHAIN && best->reason == BEARER_CHAIN)) {
        *best = *why;
    }
}

static int run_chain(attempt_t *a)
{
    bearer_refusal_t best = { BEARER_OK, NULL };
    int i;

    for (i = 0; i < a->settings->providers->nelts; i++) {
        int id = APR_ARRAY_IDX(a->settings->providers, i, int);
        bearer_verdict_t verdict;

        memset(&a->judgement, 0, sizeof(a->judgement));
        a->judged = 1;
        verdict = provider_table[id](a);
        if (verdict == BEARER_GRANTED) {
            return GRANT_TOKEN(a, a->judgement.principal);
        }
        if (verdict == BEARER_DENIED) {
            return refuse(a, a->judgement.why.reason, a->judgement.why.detail);
        }
        note_not_mine(&best, &a->judgement.why);
    }
    return best.reason != BEARER_OK
        ? refuse(a, best.reason, best.detail)
        : refuse(a, BEARER_CHAIN, "no provider in AuthBearerProvider accepts this kind of token");
}

/* Does a session service check cookies before another provider checks the token? Then
 * the token is not used, even if it was verified before. */
static int cookies_first(const attempt_t *a)
{
    const apr_array_header_t *chain = a->settings->providers;

    return a->cookies && APR_ARRAY_IDX(chain, chain->nelts - 1, int)
                         != BEARER_PROVIDER_SESSION;
}

/* Was the token verified before, by this child or another, in this generation or an
 * earlier one, so that it may be verified again? */
static int is_vouched(attempt_t *a)
{
    if (cookies_first(a) || !a->keyed || !a->process->tokens) {
        return 0;
    }
    a->vouched = bearer_vouched(ab_shared_vouched(), ab_provider_presented(a)->digest);
    return a->vouched || bearer_tokencache_noted(a->process->tokens, a->key);
}

/* Returns the remaining penalty in seconds; 0: none, or not for this token. */
static unsigned penalty(attempt_t *a)
{
    unsigned wait = a->remembered ? bearer_throttle_check(a->process->throttle,
                                                          a->address,
                                                          apr_time_now()) : 0;

    return wait && is_vouched(a) ? 0 : wait;
}

static int judge(attempt_t *a)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    const bearer_principal_t *principal = NULL;
    bearer_reason_t known;

    ab_verified_key(a);
    a->throttling = ab_throttling_address(a->address, a->r, a->settings);
    a->remembered = a->throttling
        && bearer_throttle_remembers(a->process->throttle, a->address);
    a->keys = a->remembered ? ab_provider_keys(a->process) : 0;
    if (a->credential->reason == BEARER_OK && !cookies_first(a)) {
        principal = ab_verified_find(a, &why);
    }
    if (principal) {
        return GRANT_TOKEN(a, principal);
    }
    if (why.reason != BEARER_OK) {
        return refuse(a, why.reason, why.detail);
    }
    a->retry = penalty(a);
    if (a->retry) {
        return refuse(a, BEARER_THROTTLED,
                      "too many refused tokens from this address (AuthBearerThrottle); the token "
                      "was not verified");
    }
    if (a->credential->reason != BEARER_OK
        && a->credential->reason != BEARER_NO_CREDENTIAL) {
        return refuse(a, a->credential->reason, a->credential->detail);
    }
    if (a->remembered
        && bearer_throttle_known_bad(a->process->throttle, a->address,
                                     ab_provider_presented(a), &a->settings->throttle,
                                     apr_time_now(), &known)
        && lasting(known)) {
        return refuse(a, known, "the same token was refused a moment ago; the line of the first "
                      "refusal has the cause");
    }
    return run_chain(a);
}

/* ---- no credential ------------------------------------------------------ */

/* Fetch standard, CORS preflight: a preflight request never carries credentials. */
static int is_preflight(request_rec *r)
{
    return r->method_number == M_OPTIONS
        && apr_table_get(r->headers_in, "Origin")
        && apr_table_get(r->headers_in, "Access-Control-Request-Method");
}

/* Redirects to the issuer (NULL: any) if logins are enabled here, else DECLINED. */
static int login(const attempt_t *a, const bearer_issuer_t *issuer)
{
    return a->settings->login.on ? ab_browser_login(a->r, a->settings, issuer) : DECLINED;
}

int ab_authn_sign_in_again(request_rec *r, const bearer_settings_t *settings,
                           const bearer_issuer_t *issuer, const char *why)
{
    ab_log(APLOG_DEBUG, r, AB(0110) "the user must log in again: %s", why);
    return ab_browser_login(r, settings, issuer);
}

/* A cookie without a valid session is not a credential: DECLINED. */
static int by_session(attempt_t *a)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    const bearer_principal_t *principal = NULL;
    const credential_t *credential = NULL;
    bearer_reason_t reason;
    int status = DECLINED;

    if (!a->settings->session || !a->server->issuers || ab_browser_elsewhere(a->r)) {
        return DECLINED;  /* elsewhere: see misdirected() */
    }
    reason = ab_browser_principal(a->r, a->settings, &principal, &credential, &why);
    a->own->no_session = why.detail;
    if (reason == BEARER_NO_CREDENTIAL) {
        return DECLINED;
    }
    if (!a->ahead) {
        a->own->winner = credential;
        if (reason == BEARER_OK) {
            ab_browser_fits(a->r);
        }
    }
    if ((reason == BEARER_OK || reason == BEARER_ACR)
        && ab_credential_cross_site(a->r, credential)) {
        reason = BEARER_CROSS_SITE;
        why.detail = ab_provider_cross_site;
    }
    if (reason == BEARER_ACR && !a->ahead && a->settings->login.on) {
        status = ab_authn_sign_in_again(a->r, a->settings, principal->issuer, why.detail);
    }
    return status != DECLINED ? status
         : reason == BEARER_OK ? grant(a, principal) : refuse(a, reason, why.detail);
}

/* The session or the token counts, as configured; the two are never combined. */
static int cookie_counts(const attempt_t *a)
{
    return !a->settings->prefer_bearer
        || a->credential->reason == BEARER_NO_CREDENTIAL;
}

/* Was a session cookie sent? Then it opened no session. */
static const char *no_session(const attempt_t *a)
{
    const browser_t *browser = ab_browser_of(a->r);

    if (a->own->no_session) {
        return apr_pstrcat(a->r->pool, "no session (AuthBearerSession): that of the cookie does "
                           "not count: ", a->own->no_session, NULL);
    }
    return browser && bearer_cookie_get(ab_browser_cookies(a->r), browser->names.session,
                                        a->r->pool)
        ? "no session (AuthBearerSession): that of the cookie has ended"
        : "no session (AuthBearerSession): the request has no session cookie";
}

static const char *no_token(const attempt_t *a)
{
    request_rec *r = a->r;
    const char *names = ab_session_cookie_names(r, a->settings);

    if (a->settings->session && a->server->issuers
        && bearer_judge_sessions_only(a->server->issuers, a->server->global->defaults,
                                      &a->server->settings, &a->dir->settings, r->pool)) {
        return no_session(a);
    }
    return apr_psprintf(r->pool, "%sno token found (AuthBearerTokenFrom %s)%s%s%s",
                        a->settings->session
                        ? apr_pstrcat(r->pool, no_session(a), "; ", NULL) : "",
                        bearer_settings_print(a->settings, BEARER_SET_TOKEN_FROM,
                                              r->pool),
                        names ? ", and none of the cookies of AuthBearerSessionCheck " : "",
                        names ? names : "",
                        apr_table_get(r->headers_in, "Authorization")
                        ? ": the Authorization header has another scheme"
                        : apr_table_get(r->headers_in, "X-Serverless-Authorization")
                        ? ": the token in X-Serverless-Authorization is for Cloud Run; the client "
                          "must send one for this server in Authorization"
                        : "");
}

/* With another Host, the session of this browser cannot be known. */
static int misdirected(attempt_t *a)
{
    const char *why;
    int status;

    if (!(a->settings->session || a->settings->login.on) || !ab_browser_elsewhere(a->r)) {
        return DECLINED;
    }
    status = ab_browser_go_home(a->r, &why);
    return status != DECLINED ? status : refuse(a, BEARER_MISDIRECTED, why);
}

static int without_credential(attempt_t *a)
{
    int preflight = is_preflight(a->r), status;
    const char *why;

    a->own->preflight = preflight && a->settings->preflight_pass;
    if (a->settings->optional || a->own->preflight) {
        return grant(a, bearer_principal_anonymous(a->r->pool));
    }
    status = misdirected(a);
    if (status == DECLINED) {
        status = login(a, NULL);
    }
    if (status != DECLINED) {
        return status;
    }
    why = preflight
        ? "a CORS preflight has no token; write AuthBearerPreflight pass to accept it"
        : no_token(a);
    status = ab_browser_login_url(a->r, a->settings, why);
    return status != DECLINED ? status : refuse(a, BEARER_NO_CREDENTIAL, why);
}

static void begin(attempt_t *a, request_rec *r)
{
    memset(a, 0, offsetof(attempt_t, judgement));
    a->r = r;
    a->process = ab_process();
    a->server = ab_config_server(r->server);
    a->dir = ab_config_dir(r);
    a->own = ab_request(r);
    a->settings = ab_config_of(r);
}

int ab_authn_check_user_id(request_rec *r)
{
    AB_TRACE(r);
    const char *contradiction;
    attempt_t a;
    int status;

    if (!ab_config_in_force(r)) {
        return DECLINED;
    }
    begin(&a, r);
    a.own->asked = 1;
    contradiction = ab_check_request(r);
    if (!contradiction && a.own->authorization) {
        contradiction = ab_check_foreign_request(r);
    }
    if (contradiction) {
        return ab_refuse(r, BEARER_CONFIGURATION, bearer_message_text(contradiction),
                         NULL);
    }
    a.credential = ab_credential_get(r);
    status = cookie_counts(&a) ? by_session(&a) : DECLINED;
    if (status != DECLINED) {
        return status;
    }
    a.own->winner = a.credential;
    a.cookies = ab_session_cookies(r, a.settings, &a.cookie_check);
    if (a.credential->reason == BEARER_NO_CREDENTIAL && !a.cookies) {
        return without_credential(&a);
    }
    if (ab_credential_cross_site(r, a.credential)) {
        return refuse(&a, BEARER_CROSS_SITE, ab_provider_cross_site);
    }
    return judge(&a);
}

/* Looks for a principal only. A refusal is not reported. */
static void judge_ahead(attempt_t *a)
{
    a->cookies = ab_session_cookies(a->r, a->settings, &a->cookie_check);
    if (a->credential->reason == BEARER_OK
        || (a->credential->reason == BEARER_NO_CREDENTIAL && a->cookies)) {
        judge(a);
    }
}

/* Has authentication already taken place, in this request or in one that led to it? */
static int asked(const request_rec *r)
{
    const request_t *own;

    for (; r; r = ab_request_parent(r)) {
        own = ab_request_peek(r);
        if (own && own->asked) {
            return 1;
        }
    }
    return 0;
}

/* No hook of this module surrounds this call, so it marks the request itself for log
 * lines and for requests to the issuer. */
const bearer_principal_t *ab_authn_ahead(request_rec *r)
{
    AB_TRACE(r);
    attempt_t a;

    if (asked(r) || !ab_config_in_force(r) || ab_check_request(r)) {
        return NULL;
    }
    begin(&a, r);
    if (a.own->ahead_of == r->per_dir_config) {
        return a.own->ahead;
    }
    a.own->ahead_of = r->per_dir_config;
    a.ahead = 1;
    a.credential = ab_credential_get(r);
    if ((!cookie_counts(&a) || by_session(&a) == DECLINED)
        && !ab_credential_cross_site(r, a.credential)) {
        judge_ahead(&a);
    }
    a.own->ahead = a.found;
    return a.found;
}
