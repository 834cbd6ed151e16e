/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authn.c
 * check_user_id: credential -> chain -> principal -> r->user. Cheap and local
 * first: syntax, throttle, the tokens verified before, and only then the chain.
 */
#include "authn.h"

#include "judge/exports.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- the throttle ------------------------------------------------------- */

static void throttle_begin(attempt_t *a)
{
    a->throttling = ab_throttling_address(a->address, a->r, a->settings);
    a->remembered = a->throttling
        && bearer_throttle_remembers(a->process->throttle, a->address);
}

/* What the throttle knows the token (and the cookies) by; worked out for those
 * only who have something against them. An empty token is not the same one each
 * time, but none: each counts. */
static const bearer_throttle_token_t *presented(attempt_t *a)
{
    const bearer_sha256_piece_t pieces[] = {
        {a->credential->token, a->credential->len},
        {a->cookies, a->cookies ? strlen(a->cookies) : 0}
    };
    unsigned char digest[BEARER_SHA256_SIZE];

    if (!a->presented.digest && (pieces[0].len || pieces[1].len)
        && bearer_sha256_of(a->process->sha256, digest, pieces, 2)
               == APR_SUCCESS) {
        memcpy(&a->presented.digest, digest, sizeof(a->presented.digest));
        memcpy(&a->presented.policy, a->key, sizeof(a->presented.policy));
    }
    return &a->presented;
}

/* A refusal that time or the issuer can undo is not answered from memory; but an
 * inactive token is, or one client alone could make the issuer answer for ever: it
 * counts only once. A session store's no may be a yes after the next login, with
 * the same cookie. */
static int lasting(bearer_reason_t reason)
{
    return bearer_reason_category(reason) != BEARER_CATEGORY_KEY
        && reason != BEARER_SESSION_DENIED && reason != BEARER_TENANT;
}

/* Nothing comes of what is judged ahead but this: where nobody is asked who he is
 * afterwards, a refused token counts when the request is over. */
static void note_ahead(attempt_t *a, bearer_reason_t reason)
{
    const request_rec *first = a->r, *parent;
    request_t *own;

    while ((parent = ab_request_parent(first)) != NULL) {
        first = parent;
    }
    if (a->throttling) {
        own = ab_request((request_rec *)(apr_uintptr_t)first);
        own->ahead_reason = reason;
        own->ahead_token = *presented(a);
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

static int refuse(attempt_t *a, bearer_reason_t reason, const char *detail,
                  unsigned retry)
{
    if (a->ahead) {
        note_ahead(a, reason);
        return HTTP_UNAUTHORIZED;
    }
    if (a->throttling) {
        ab_throttling_failure(a->r, a->settings, a->address, presented(a),
                              reason);
    }
    if (a->vouched && bearer_category_counted(bearer_reason_category(reason))) {
        bearer_vouch_end(ab_shared_vouched(), presented(a)->digest);
    }
    return ab_answer_refuse(a->r, reason, detail, retry, &a->judgement);
}

/* The issuer's layer is known now, where it has one. */
static const bearer_settings_t *settings_of(attempt_t *a,
                                            const bearer_issuer_t *issuer)
{
    bearer_settings_t *settings;

    if (!issuer || !issuer->settings.set) {
        return a->settings;
    }
    settings = apr_palloc(a->r->pool, sizeof(*settings));
    bearer_settings_resolve(settings, a->server->global->defaults,
                            &a->server->settings, &issuer->settings,
                            &a->dir->settings);
    return settings;
}

static int grant(attempt_t *a, const bearer_principal_t *principal)
{
    if (a->ahead) {
        a->found = principal;
        return OK;
    }
    a->own->settings = settings_of(a, principal->issuer);
    a->own->principal = principal;
    a->own->reason = BEARER_OK;
    a->r->ap_auth_type = apr_pstrdup(a->r->pool, "Bearer");
    a->own->user = principal->user ? apr_pstrdup(a->r->pool, principal->user) : NULL;
    /* The core answers 500 for no user at all; authz.c makes an anonymous one
     * NULL before any Require is asked. */
    a->r->user = a->own->user ? a->own->user : apr_pstrdup(a->r->pool, "");
    if (a->remembered && principal->user) {
        bearer_throttle_success(a->process->throttle, a->address, apr_time_now());
    }
    return OK;
}

/* ---- tokens verified before --------------------------------------------- */

/* The key of the verified-token cache: of the policy and of the whole token. The
 * signature must be part of it, or a forged one would be taken for the token
 * verified before. */
static void token_key(attempt_t *a)
{
    const bearer_sha256_piece_t pieces[] = {
        {a->server->digest, BEARER_SHA256_SIZE},
        {a->dir->digest, BEARER_SHA256_SIZE},
        {a->credential->token, a->credential->len}
    };

    a->keyed = bearer_sha256_of(a->process->sha256, a->key, pieces, 3)
               == APR_SUCCESS;
}

static apr_status_t release_entry(void *entry)
{
    bearer_tokencache_release(entry);
    return APR_SUCCESS;
}


/** What did not depend on keys: an introspection answer is good for its time. */
#define NO_KEYS 1

static apr_uint64_t keys_generation(const process_t *process,
                                    const bearer_issuer_t *issuer)
{
    return bearer_keyset_generation(process->keysets[issuer->index]);
}

/* The content of a tenants file counts like keys: above their numbers. */
static apr_uint64_t with_tenants(apr_uint64_t generation, apr_uint64_t version)
{
    return generation + (version << 40);
}

static apr_uint64_t generation_now(const process_t *process,
                                   const bearer_principal_t *principal,
                                   apr_pool_t *p)
{
    bearer_tenants_t *tenants = process->tenants[principal->issuer->index];
    apr_uint64_t generation = strcmp(principal->method, "jwt") == 0
        ? keys_generation(process, principal->issuer) : NO_KEYS;

    return tenants ? with_tenants(generation, bearer_tenants_version(tenants, p))
                   : generation;
}

static bearer_reason_t ask_revoked(void *baton, const char *iss, const char *jti,
                                   const char *token, apr_size_t len,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    attempt_t *a = baton;

    return bearer_revocation_ask_token(a->process->revocations, iss, jti, token, len,
                                       a->revocable, why, p);
}

static const bearer_principal_t *seen_before(attempt_t *a, bearer_refusal_t *why)
{
    process_t *process = a->process;
    bearer_tokencache_entry_t *entry;
    const bearer_principal_t *principal;

    why->reason = BEARER_OK;
    if (!process->tokens || !a->keyed) {
        return NULL;
    }
    /* without skew: a token in its last seconds is judged in full */
    principal = bearer_tokencache_get(process->tokens, &entry, a->key,
                                      apr_time_now(), 0);
    if (!principal) {
        return NULL;
    }
    if (bearer_tokencache_generation(entry)
        != generation_now(process, principal, a->r->pool)) {
        bearer_tokencache_drop(entry);
        bearer_tokencache_release(entry);
        return NULL;
    }
    apr_pool_cleanup_register(a->r->pool, entry, release_entry,
                              apr_pool_cleanup_null);
    if (process->revocations
        && bearer_revocation_ask(process->revocations, principal->iss,
                                 principal->jti, principal->token_digest, why,
                                 a->r->pool) != BEARER_OK) {
        return NULL;
    }
    return principal;
}

/* Until when its age allows it; 0: for ever. An issuer that has just called a
 * token active knows its age, unless the administrator says otherwise. */
static apr_time_t aged(const attempt_t *a, apr_uint64_t generation,
                       apr_time_t issued)
{
    const bearer_settings_t *settings = &a->judgement.settings;

    return issued && settings->max_token_age
        && (generation != NO_KEYS || bearer_settings_has(settings, MAX_TOKEN_AGE))
        ? issued + settings->max_token_age : 0;
}

/* until: 0: as long as its times allow */
static void remember(attempt_t *a, apr_uint64_t generation, apr_time_t until)
{
    const bearer_principal_t *judged = a->judgement.principal;
    apr_time_t old = aged(a, generation, judged->issued);
    apr_array_header_t *left_out;
    bearer_principal_t *keep;

    if (!a->process->tokens || !a->keyed || !generation) {
        return;
    }
    if (judged->issuer->tenants_file) {
        if (!a->tenants_version) {
            return;
        }
        generation = with_tenants(generation, a->tenants_version);
    }
    if (old && (!until || old < until)) {
        until = old;
    }
    keep = apr_pmemdup(a->r->pool, judged, sizeof(*keep));
    if (!a->process->revocations && a->credential->len) {  /* nobody asked for it yet */
        bearer_revocation_token_digest(a->process->sha256, a->revocable,
                                       a->credential->token, a->credential->len);
    }
    memcpy(keep->token_digest, a->revocable, sizeof(keep->token_digest));
    left_out = apr_array_make(a->r->pool, 1, sizeof(const char *));
    bearer_exports_prepare(keep, settings_of(a, keep->issuer), left_out,
                           a->r->pool);
    ab_export_tell(a->r, left_out);
    a->judgement.principal = keep;
    bearer_tokencache_put(a->process->tokens, a->key, keep, generation, until);
}

/* For when its address is throttled: a child of the next generation knows nothing
 * of what this one has verified. */
static void vouch(attempt_t *a)
{
    if (a->throttling && a->process->tokens) {
        bearer_vouch(ab_shared_vouched(), presented(a)->digest);
    }
}

void ab_authn_remember_until(attempt_t *a, apr_time_t until)
{
    if (until) {
        vouch(a);
        remember(a, NO_KEYS, until);
    }
}

/* ---- the chain ---------------------------------------------------------- */

static const apr_array_header_t *tenants_of(void *baton,
                                            const bearer_issuer_t *issuer,
                                            apr_pool_t *p)
{
    attempt_t *a = baton;
    bearer_tenants_t *tenants = a->process->tenants[issuer->index];

    if (tenants && !a->tenants_version) {
        a->tenants_version = bearer_tenants_version(tenants, p);
    }
    return tenants ? bearer_tenants_get(tenants, p) : NULL;
}

/* The key set to ask, to be released: the issuer's, or where its URL names the
 * tenant, that tenant's; NULL: not a tenant, or none is free. A token must not decide
 * what is fetched or kept, so the tenant is admitted here, before the judge's own
 * check. */
static bearer_keyset_t *keyset_of(attempt_t *a, const bearer_issuer_t *issuer)
{
    bearer_keyset_t *keyset = a->process->keysets[issuer->index];
    const char *tenant = a->judgement.tenant;

    if (!tenant) {
        return keyset;
    }
    return bearer_issuer_tenant_admitted(issuer, tenant,
                                         tenants_of(a, issuer, a->r->pool))
        ? bearer_keyset_of_tenant(keyset, tenant) : NULL;
}

static int keys_at_hand(void *baton, const bearer_issuer_t *issuer)
{
    bearer_keyset_t *keyset = keyset_of(baton, issuer);

    int at_hand = keyset && bearer_keyset_at_hand(keyset);

    bearer_keyset_release(keyset);
    return at_hand;
}

static bearer_reason_t keys_of(void *baton, const bearer_issuer_t *issuer,
                               int unknown_kid, const char *kid,
                               bearer_jwks_t **set, bearer_refusal_t *why,
                               apr_pool_t *p)
{
    attempt_t *a = baton;
    bearer_keyset_t *keyset = keyset_of(a, issuer);
    bearer_reason_t reason;

    if (!keyset) {
        return bearer_refuse(why, p, BEARER_KEYS, "the keys of %d tenants are being "
                             "used or fetched just now, which is as many as are kept",
                             BEARER_KEYSET_MAX_TENANTS);
    }
    if (unknown_kid) {
        a->generation = 0;
        reason = bearer_keyset_refresh_for_kid(keyset, kid, set, why, p);
    } else {
        /* Read before the keys are: if they change meanwhile, the next look-up
         * finds another number and judges again. */
        a->generation = keys_generation(a->process, issuer);
        reason = bearer_keyset_acquire(keyset, set, why, p);
    }
    bearer_keyset_release(keyset);
    return reason;
}

void ab_authn_policy(const attempt_t *a, unsigned char *policy)
{
    const bearer_sha256_piece_t pieces[] = {
        {a->server->digest, BEARER_SHA256_SIZE},
        {a->dir->digest, BEARER_SHA256_SIZE}
    };

    if (bearer_sha256_of(a->process->sha256, policy, pieces, 2)
        != APR_SUCCESS) {
        memset(policy, 0, BEARER_SHA256_SIZE);
    }
}

void ab_authn_begin_judgement(attempt_t *a, const char *method)
{
    bearer_judgement_t *j = &a->judgement;

    memset(j, 0, sizeof(*j));
    a->tenants_version = 0;
    j->p = a->r->pool;
    j->now = bearer_world_now(&a->process->world);
    j->issuers = a->server->issuers;
    j->defaults = a->server->global->defaults;
    j->server = &a->server->settings;
    j->dir = &a->dir->settings;
    j->common = a->server->common;
    j->method = method;
    j->keys = keys_of;
    j->keys_at_hand = keys_at_hand;
    j->keys_baton = a;
    j->tenants = tenants_of;
    j->tenants_baton = a;
    j->observe = a->process->observe;
    j->observe_baton = a->process->observe_baton;
    j->keep_going = j->observe != NULL;
    j->headers = j->keep_going ? NULL : a->process->headers;
    if (a->process->revocations) {
        j->revoked = ask_revoked;
        j->revoked_baton = a;
    }
}

static bearer_verdict_t provider_jwt(attempt_t *a)
{
    bearer_verdict_t verdict;

    if (!ATTEMPT_HAS_TOKEN(a) || !a->server->issuers) {
        return BEARER_NOT_MINE;
    }
    ab_authn_begin_judgement(a, "jwt");
    verdict = bearer_judge_jwt(&a->judgement, a->credential->token,
                               a->credential->len);
    if (verdict == BEARER_GRANTED && a->judgement.tenant) {
        bearer_keyset_served(a->process->keysets[a->judgement.issuer->index],
                             a->judgement.tenant);
    }
    if (verdict == BEARER_GRANTED && a->keyed) {
        vouch(a);
        /* one that is used once is not worth its place */
        if (bearer_tokencache_note(a->process->tokens, a->key)) {
            remember(a, a->generation, 0);
        }
    }
    return verdict;
}

#define PROVIDER_JWT           provider_jwt
#define PROVIDER_INTROSPECTION ab_provider_introspection
#define PROVIDER_SESSION       ab_provider_session

/* By bearer_provider_id_t. */
static bearer_verdict_t (*const provider_table[])(attempt_t *a) = {
#define X(symbol, word) PROVIDER_##symbol,
    BEARER_PROVIDERS(X)
#undef X
};

/* How much a provider says about a token that is not its own: that its issuer is
 * not declared, that no provider takes an opaque token, that it is no JWT. */
static int weight(bearer_reason_t reason)
{
    return reason == BEARER_OK ? 0
         : reason == BEARER_SEGMENTS ? 1 : reason == BEARER_CHAIN ? 2 : 3;
}

/* What the chain's refusal says when no provider takes the token. A token that is
 * no JWT is malformed, unless an opaque one might have been taken. */
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
        verdict = provider_table[id](a);
        if (verdict == BEARER_GRANTED) {
            return grant(a, a->judgement.principal);
        }
        if (verdict == BEARER_DENIED) {
            return refuse(a, a->judgement.why.reason, a->judgement.why.detail,
                          a->retry);
        }
        note_not_mine(&best, &a->judgement.why);
    }
    if (best.reason == BEARER_OK) {
        return refuse(a, BEARER_CHAIN, "no provider of AuthBearerProvider takes this "
                      "token", 0);
    }
    return refuse(a, best.reason, best.detail, 0);
}

/* Cookies that a session store is asked about, ahead of another provider: then
 * it is not the token that decides, whether it was verified before or not. */
static int cookies_first(const attempt_t *a)
{
    const apr_array_header_t *chain = a->settings->providers;

    return a->cookies && APR_ARRAY_IDX(chain, chain->nelts - 1, int)
                         != BEARER_PROVIDER_SESSION;
}

/* It was verified before, in this child or another, of this generation or an earlier
 * one, and is about to be again. */
static int is_vouched(attempt_t *a)
{
    if (cookies_first(a) || !a->keyed || !a->process->tokens) {
        return 0;
    }
    a->vouched = bearer_vouched(ab_shared_vouched(), presented(a)->digest);
    return a->vouched || bearer_tokencache_noted(a->process->tokens, a->key);
}

/* Seconds of it that are left, 0: none, or not for this token. */
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
    unsigned wait;

    token_key(a);
    throttle_begin(a);
    if (a->credential->reason == BEARER_OK && !cookies_first(a)) {
        principal = seen_before(a, &why);
    }
    if (principal) {
        return grant(a, principal);
    }
    if (why.reason != BEARER_OK) {
        return refuse(a, why.reason, why.detail, 0);
    }
    wait = penalty(a);
    if (wait) {
        return refuse(a, BEARER_THROTTLED, "too many refused tokens from this "
                      "address (AuthBearerThrottle); nothing was verified", wait);
    }
    if (a->credential->reason != BEARER_OK
        && a->credential->reason != BEARER_NO_CREDENTIAL) {
        return refuse(a, a->credential->reason, a->credential->detail, 0);
    }
    if (a->remembered
        && bearer_throttle_known_bad(a->process->throttle, a->address,
                                     presented(a), &a->settings->throttle,
                                     apr_time_now(), &known)
        && lasting(known)) {
        return refuse(a, known, "the same token was refused a moment ago; the "
                      "first refusal's line says why", 0);
    }
    return run_chain(a);
}

/* ---- no credential ------------------------------------------------------ */

const char ab_authn_cross_site[] =
    "a request that changes state came with a cookie or a Basic password from "
    "another site (Sec-Fetch-Site, Origin)";

/* Fetch standard, CORS preflight: it never carries credentials. */
static int is_preflight(request_rec *r)
{
    return r->method_number == M_OPTIONS
        && apr_table_get(r->headers_in, "Origin")
        && apr_table_get(r->headers_in, "Access-Control-Request-Method");
}

/* A session that began with less than is asked for here: back to the issuer. */
static int step_up(attempt_t *a, const bearer_refusal_t *why)
{
    if (!a->settings->login.on) {
        return DECLINED;
    }
    ab_log(APLOG_DEBUG, a->r, AB(0110) "another login is needed: %s", why->detail);
    return ab_browser_login(a->r, a->settings);
}

/* A cookie that opens no session is no credential: DECLINED. */
static int by_session(attempt_t *a)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    const bearer_principal_t *principal = NULL;
    const credential_t *credential = NULL;
    bearer_reason_t reason;

    if (!a->settings->session || !a->server->issuers) {
        return DECLINED;
    }
    reason = ab_browser_principal(a->r, a->settings, &principal, &credential,
                                  &why);
    if (reason == BEARER_NO_CREDENTIAL) {
        return DECLINED;
    }
    if (!a->ahead) {
        a->own->winner = credential;
    }
    if ((reason == BEARER_OK || reason == BEARER_ACR)
        && ab_credential_cross_site(a->r, credential)) {
        reason = BEARER_CROSS_SITE;
        why.detail = ab_authn_cross_site;
    }
    if (reason == BEARER_ACR && !a->ahead) {
        int status = step_up(a, &why);

        if (status != DECLINED) {
            return status;
        }
    }
    return reason == BEARER_OK ? grant(a, principal)
                               : refuse(a, reason, why.detail, 0);
}

/* One of them counts, whichever is preferred; they are never merged. */
static int cookie_counts(const attempt_t *a)
{
    return !a->settings->prefer_bearer
        || a->credential->reason == BEARER_NO_CREDENTIAL;
}

static const char *no_token(const attempt_t *a)
{
    request_rec *r = a->r;

    return apr_psprintf(r->pool, "the request carries no token where "
                        "AuthBearerTokenFrom looks for one (%s)%s",
                        bearer_settings_print(a->settings, BEARER_SET_TOKEN_FROM,
                                              r->pool),
                        apr_table_get(r->headers_in, "Authorization")
                        ? "; its Authorization is of no scheme that is read there"
                        : "");
}

static int without_credential(attempt_t *a)
{
    int preflight = is_preflight(a->r), status;

    a->own->preflight = preflight && a->settings->preflight_pass;
    if (a->settings->optional || a->own->preflight) {
        return grant(a, bearer_principal_anonymous(a->r->pool));
    }
    status = a->settings->login.on ? ab_browser_login(a->r, a->settings)
                                   : DECLINED;
    if (status != DECLINED) {
        return status;
    }
    return refuse(a, BEARER_NO_CREDENTIAL,
                  preflight
                  ? "a CORS preflight carries no token; AuthBearerPreflight pass "
                    "lets it through"
                  : no_token(a), 0);
}

static void begin(attempt_t *a, request_rec *r)
{
    memset(a, 0, sizeof(*a));
    a->r = r;
    a->process = ab_process();
    a->server = ab_config_server(r->server);
    a->dir = ab_config_dir(r);
    a->own = ab_request(r);
    a->settings = ab_config_of(r);
}

static int check_user_id(request_rec *r)
{
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
        contradiction = bearer_message_text(contradiction);
        return ab_answer_refuse(r, BEARER_CONFIGURATION, contradiction, 0, NULL);
    }
    a.credential = ab_credential_get(r);
    status = cookie_counts(&a) ? by_session(&a) : DECLINED;
    if (status != DECLINED) {
        return status;
    }
    a.own->winner = a.credential;
    a.cookies = ab_session_cookies(r, a.settings);
    if (a.credential->reason == BEARER_NO_CREDENTIAL && !a.cookies) {
        return without_credential(&a);
    }
    if (ab_credential_cross_site(r, a.credential)) {
        return refuse(&a, BEARER_CROSS_SITE, ab_authn_cross_site, 0);
    }
    return judge(&a);
}

int ab_authn_check_user_id(request_rec *r)
{
    request_rec *before = ab_trace_enter(r);
    int status = check_user_id(r);

    ab_trace_leave(before);
    return status;
}

/* Only what may be granted: nobody is told of a refusal. */
static void judge_ahead(attempt_t *a)
{
    a->cookies = ab_session_cookies(a->r, a->settings);
    if (a->credential->reason == BEARER_OK
        || (a->credential->reason == BEARER_NO_CREDENTIAL && a->cookies)) {
        judge(a);
    }
}

/* Did authentication take place already, here or in what led here? */
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

static const bearer_principal_t *ahead(request_rec *r)
{
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

/* No hook of ours runs around it: the library's log lines and requests to the
 * issuer are for this request all the same. */
const bearer_principal_t *ab_authn_ahead(request_rec *r)
{
    request_rec *before = ab_trace_enter(r);
    const bearer_principal_t *found = ahead(r);

    ab_trace_leave(before);
    return found;
}
