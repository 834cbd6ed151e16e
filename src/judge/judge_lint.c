/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Contradictions in a configuration, found before the first request (product 3.7).
 * See judge.h. Each rule is a function for one place with `AuthType Bearer`; each
 * text says how to fix the problem.
 */
#include "judge/judge.h"

#include <string.h>

#include "base/text.h"
#include "judge/exports.h"
#include "judge/user_format.h"
#include "trust/session_check_line.h"

typedef struct place_t {
    apr_array_header_t *findings;
    const bearer_issuers_t *issuers;
    const bearer_settings_t *defaults, *server, *dir;
    apr_pool_t *p;
    int jwt, introspection, session;   /* providers */
    int tokens;                        /* jwt or introspection */
    apr_array_header_t *accepted;      /* const bearer_issuer_t * */
    bearer_settings_t here;            /* resolved without an issuer */
} place_t;

/* level: ERROR or WARNING; setting: that of the directive to change */
#define FIND(place, level, setting, ...) \
    bearer_findings_add((place)->findings, BEARER_LOG_##level, \
                        bearer_settings_directive(BEARER_SET_##setting), __VA_ARGS__)

/* Computes the other members from the layers. */
static void look_at(place_t *place)
{
    int i;

    bearer_settings_resolve(&place->here, place->defaults, place->server, NULL,
                            place->dir);
    place->jwt = bearer_judge_provides(&place->here, BEARER_PROVIDER_JWT);
    place->introspection = bearer_judge_provides(&place->here,
                                                 BEARER_PROVIDER_INTROSPECTION);
    place->session = bearer_judge_provides(&place->here, BEARER_PROVIDER_SESSION);
    place->tokens = place->jwt || place->introspection;
    place->accepted = apr_array_make(place->p, 4, sizeof(const bearer_issuer_t *));
    for (i = 0; i < bearer_issuers_count(place->issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(place->issuers, i);

        if (bearer_judge_accepts(&place->here, issuer)) {
            APR_ARRAY_PUSH(place->accepted, const bearer_issuer_t *) = issuer;
        }
    }
}

static const bearer_issuer_t *accepted(const place_t *place, int i)
{
    return i < place->accepted->nelts
               ? APR_ARRAY_IDX(place->accepted, i, const bearer_issuer_t *)
               : NULL;
}

static void resolve_for(bearer_settings_t *s, const place_t *place,
                        const bearer_issuer_t *issuer)
{
    bearer_settings_resolve(s, place->defaults, place->server,
                            &issuer->settings, place->dir);
}

/* ---- the rules --------------------------------------------------------- */

static void lint_issuers(place_t *place)
{
    const apr_array_header_t *list = place->here.accept_issuer;
    int i;

    if (!bearer_issuers_count(place->issuers) && !place->session
        && !place->here.session) {
        FIND(place, ERROR, ACCEPT_ISSUER,
            AB(0711) "no issuer is configured, so no token can be accepted; write AuthBearerIssuer "
            "URL in this virtual host");
    }
    for (i = 0; list && i < list->nelts; i++) {
        const char *url = APR_ARRAY_IDX(list, i, const char *);

        if (!bearer_issuers_by_url(place->issuers, url)) {
            FIND(place, ERROR, ACCEPT_ISSUER,
                AB(0712) "AuthBearerAcceptIssuer names %s, but no AuthBearerIssuer of this virtual "
                "host is identical to it; check case and trailing slash",
                bearer_text_quote(place->p, url));
        }
    }
}

/* Returns an accepted issuer without an audience in force here, or NULL; *any: one
 * has an audience. */
static const bearer_issuer_t *without_audience(const place_t *place, int *any)
{
    const bearer_issuer_t *lacking = NULL;
    bearer_settings_t s;
    int i;

    *any = !apr_is_empty_array(place->here.audience);
    for (i = 0; accepted(place, i); i++) {
        resolve_for(&s, place, accepted(place, i));
        if (apr_is_empty_array(s.audience)) {
            lacking = accepted(place, i);
        } else {
            *any = 1;
        }
    }
    return lacking;
}

static const char *audience_error(const place_t *place)
{
    int any;

    if (!place->tokens || !bearer_issuers_count(place->issuers)) {
        return NULL;
    }
    without_audience(place, &any);
    /* if sessions are accepted here, tokens are optional: they are refused */
    return any || place->here.session ? NULL
               : AB(0713) "without AuthBearerAudience, tokens issued for any other service would "
                 "be accepted; write this service's audience, e.g. AuthBearerAudience "
                 "https://api.example.com/";
}

static void lint_audience(place_t *place)
{
    const char *error = audience_error(place);
    const bearer_issuer_t *lacking;
    int any;

    if (!accepted(place, 0) && !apr_is_empty_array(place->here.accept_issuer)) {
        return;  /* AuthBearerAcceptIssuer names none: that error is reported */
    }
    if (error) {
        FIND(place, ERROR, AUDIENCE, "%s", error);
        return;
    }
    lacking = without_audience(place, &any);
    if (!any && place->here.session) {
        return;  /* only sessions are accepted here */
    }
    if (lacking && place->tokens) {
        FIND(place, WARNING, AUDIENCE,
            AB(0714) "no AuthBearerAudience applies to issuer %s here, so its tokens get 500; set "
            "one here or for the issuer, or leave the issuer out of AuthBearerAcceptIssuer",
            bearer_text_quote(place->p, lacking->url));
    }
}

static void lint_user_claim(place_t *place)
{
    bearer_settings_t s;
    int bad = bearer_user_claim_is_email(&place->here.user_claim);
    int i;

    for (i = 0; accepted(place, i) && !bad; i++) {
        resolve_for(&s, place, accepted(place, i));
        bad = bearer_user_claim_is_email(&s.user_claim);
    }
    if (bad && place->tokens) {
        FIND(place, ERROR, USER_CLAIM,
            AB(0715) "AuthBearerUserClaim email: the address may be unverified, so users could "
            "claim those of others; use sub, or a claim that only the issuer can set");
    }
}

static void lint_user_format(place_t *place)
{
    const char *error = bearer_user_format_error(place->here.user_format);
    int i;

    if (error) {
        FIND(place, ERROR, USER_FORMAT,
            AB(0716) "AuthBearerUserFormat %s: %s",
            bearer_text_quote(place->p, place->here.user_format), error);
    }
    if (!place->tokens && !place->here.session) {
        return;
    }
    for (i = 0, error = NULL; accepted(place, i) && !error; i++) {
        error = bearer_judge_names_error(place->issuers, &place->here,
                                         accepted(place, i), place->p);
    }
    if (error) {
        FIND(place, ERROR, USER_FORMAT,
            AB(0717) "%s", error);
    }
}

/* What is accepted of any client of an issuer. */
static void lint_clients(place_t *place)
{
    const bearer_issuer_t *issuer;
    bearer_settings_t s;
    int i;

    for (i = 0; (issuer = accepted(place, i)) != NULL; i++) {
        resolve_for(&s, place, issuer);
        if (!apr_is_empty_array(s.clients)) {
            continue;
        }
        if (s.no_audience_accept) {
            FIND(place, WARNING, CLIENTS,
                AB(0718) "AuthBearerNoAudience accept without AuthBearerClients accepts tokens "
                "that issuer %s issued to any client for any purpose; name the clients",
                bearer_text_quote(place->p, issuer->url));
        }
        if (place->tokens && s.id_tokens == BEARER_ID_TOKENS_ACCEPT) {
            FIND(place, WARNING, ID_TOKENS,
                AB(0736) "AuthBearerIDTokens accept without AuthBearerClients accepts ID tokens "
                "that issuer %s issued to any client about its users; name the clients",
                bearer_text_quote(place->p, issuer->url));
        }
    }
}

/* A response has no header, so nothing shows its typ. */
static void lint_profile(place_t *place)
{
    const bearer_issuer_t *issuer;
    bearer_settings_t s;
    int i;

    for (i = 0; place->introspection && (issuer = accepted(place, i)) != NULL; i++) {
        resolve_for(&s, place, issuer);
        if (issuer->introspection.kind != BEARER_SOURCE_OFF
            && s.token_profile == BEARER_PROFILE_RFC9068) {
            FIND(place, NOTICE, TOKEN_PROFILE,
                AB(0737) "of tokens that issuer %s introspects, AuthBearerTokenProfile rfc9068 "
                "can demand the claims only: a response shows neither the header nor the signature",
                bearer_text_quote(place->p, issuer->url));
        }
    }
}

/* HS* needs a key file; without one it is never used. */
static void lint_algorithms(place_t *place)
{
    bearer_settings_t s;
    int i;

    for (i = 0; accepted(place, i); i++) {
        const bearer_issuer_t *issuer = accepted(place, i);
        const char *url = bearer_text_quote(place->p, issuer->url);
        bearer_algs_t symmetric;

        resolve_for(&s, place, issuer);
        symmetric = s.algorithms & bearer_alg_symmetric();
        if (!bearer_judge_algorithms(&s, issuer)) {
            FIND(place, ERROR, ALGORITHMS,
                AB(0719) "AuthBearerAlgorithms leaves no algorithm for "
                "issuer %s%s", url, symmetric
                    ? "; HS* needs AuthBearerKeys file:PATH" : "");
        } else if (symmetric && !bearer_issuer_has_keys(issuer, BEARER_SOURCE_FILE)) {
            FIND(place, WARNING, ALGORITHMS,
                AB(0720) "AuthBearerAlgorithms %s has no effect for "
                "issuer %s, whose keys are not in a local file "
                "(AuthBearerKeys file:PATH)", bearer_alg_names(symmetric, place->p), url);
        }
    }
}

/* A prefix must identify one accepted issuer, because the token is sent to it. */
static void lint_prefixes(place_t *place, const bearer_issuer_t *issuer)
{
    const apr_array_header_t *list = issuer->token_prefixes;
    const bearer_issuer_t *other;
    int i, k;

    for (i = 0; (other = accepted(place, i)) && other != issuer; i++) {
        for (k = 0; list && k < list->nelts; k++) {
            const char *prefix = APR_ARRAY_IDX(list, k, const char *);

            if (bearer_text_among(other->token_prefixes, prefix)) {
                FIND(place, ERROR, ACCEPT_ISSUER,
                    AB(0728) "issuers %s and %s have AuthBearerTokenPrefix %s, and a token with it "
                    "could belong to either; narrow with AuthBearerAcceptIssuer, or write a longer "
                    "prefix for one of them",
                    bearer_text_quote(place->p, other->url),
                    bearer_text_quote(place->p, issuer->url),
                    bearer_text_quote(place->p, prefix));
            }
        }
    }
}

/* An opaque token must have exactly one issuer that introspects it, before it is sent. */
static void lint_introspection(place_t *place)
{
    const bearer_issuer_t *catch_all = NULL;
    int endpoints = 0;
    int i;

    for (i = 0; accepted(place, i); i++) {
        const bearer_issuer_t *issuer = accepted(place, i);

        if (issuer->introspection.kind == BEARER_SOURCE_OFF) {
            continue;
        }
        endpoints++;
        if (place->introspection) {
            lint_prefixes(place, issuer);
        }
        if (!apr_is_empty_array(issuer->token_prefixes)) {
            continue;
        }
        if (catch_all && place->introspection) {
            FIND(place, ERROR, ACCEPT_ISSUER,
                AB(0721) "issuers %s and %s could both introspect the same opaque token; set "
                "AuthBearerTokenPrefix for one of them, or narrow with AuthBearerAcceptIssuer",
                bearer_text_quote(place->p, catch_all->url),
                bearer_text_quote(place->p, issuer->url));
            return;
        }
        catch_all = issuer;
    }
    if (place->introspection && !place->jwt && !endpoints) {
        FIND(place, ERROR, PROVIDERS,
            AB(0722) "AuthBearerProvider names introspection, but no accepted issuer has an "
            "introspection endpoint; write AuthBearerIntrospection URL or discover in "
            "<AuthBearerIssuer>");
    }
}

const char bearer_judge_no_session_check[] =
    AB(0723) "AuthBearerProvider names session, but no session service is configured here; write "
    "AuthBearerSessionCheck URL";

/* A session check that applies to every token leaves none to the next provider. */
static void lint_session_first(place_t *place)
{
    const apr_array_header_t *chain = place->here.providers;
    const bearer_session_check_t *check;
    int i;

    for (i = 0; (check = bearer_session_check_at(place->here.session_checks, i)) != NULL
                && (bearer_session_check_by_cookie(check) || check->prefix); i++) {
    }
    if (check && APR_ARRAY_IDX(chain, chain->nelts - 1, int) != BEARER_PROVIDER_SESSION) {
        FIND(place, WARNING, PROVIDERS,
            AB(0724) "AuthBearerSessionCheck takes every token here, so providers after session "
            "are never used; put session last in AuthBearerProvider, or name the session service's "
            "tokens with prefix=");
    }
}

static void lint_session(place_t *place)
{
    const bearer_session_check_t *unreached;

    if (!place->session) {
        if (place->here.session_checks) {
            FIND(place, WARNING, SESSION_CHECK,
                AB(0725) "AuthBearerSessionCheck has no effect here: "
                "AuthBearerProvider does not name session");
        }
        return;
    }
    if (!place->here.session_checks) {
        FIND(place, ERROR, SESSION_CHECK, "%s", bearer_judge_no_session_check);
        return;
    }
    unreached = bearer_session_check_unreached(place->here.session_checks);
    if (unreached) {
        FIND(place, ERROR, SESSION_CHECK,
            AB(0730) "AuthBearerSessionCheck %s is never used: the lines before it take every "
            "request that it would take; change their order, cookies= or prefix=, or remove it",
            bearer_session_check_print(unreached, place->p));
    }
    lint_session_first(place);
    if (place->tokens && !bearer_issuers_count(place->issuers)) {
        FIND(place, WARNING, PROVIDERS,
            AB(0726) "AuthBearerProvider names jwt or introspection, but there is no issuer here "
            "for them; write AuthBearerIssuer URL, or name only session");
    }
}

static void lint_challenge(place_t *place)
{
    if (!place->here.challenge.on && place->here.challenge.parameters) {
        FIND(place, WARNING, CHALLENGE,
            AB(0729) "AuthBearerChallenge Off sends no parameters; write On, or remove them");
    }
}

const char bearer_judge_two_logins[] =
    AB(0709) "AuthBearerLoginURL and AuthBearerLogin On both say where browsers sign in; remove "
    "one, or write AuthBearerLogin Off";

static void lint_login_url(place_t *place)
{
    if (place->here.login_url && place->here.login.on) {
        FIND(place, ERROR, LOGIN_URL, "%s", bearer_judge_two_logins);
    }
}

/* A DPoP token is read from Authorization only (RFC 9449 section 7.1). */
static void lint_proof(place_t *place)
{
    const bearer_proof_rule_t *rule = &place->here.proof;
    const apr_array_header_t *sources = place->here.token_from;
    int i, header = 0;

    for (i = 0; i < sources->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(sources, i, bearer_from_t);

        header |= from->kind == BEARER_FROM_HEADER && !from->name;
        if (rule->certificate && from->kind == BEARER_FROM_HEADER && from->name
            && bearer_exports_same_name(from->name, rule->certificate)) {
            FIND(place, ERROR, PROOF,
                AB(0738) "AuthBearerProof certificate=%s and AuthBearerTokenFrom header:%s name "
                "the same header; change one", rule->certificate, from->name);
        }
    }
    if (rule->mode == BEARER_PROOF_DPOP && !header && !place->here.session && !place->session) {
        FIND(place, ERROR, PROOF,
            AB(0739) "AuthBearerProof dpop accepts only tokens of the scheme DPoP, which "
            "AuthBearerTokenFrom does not read here; add header to AuthBearerTokenFrom");
    }
    if (rule->nonce && !place->here.challenge.on) {
        FIND(place, WARNING, PROOF,
            AB(0740) "AuthBearerProof nonce=on needs challenges that tell clients to use a nonce; "
            "they are sent in spite of AuthBearerChallenge Off");
    }
}

void bearer_judge_lint(apr_array_header_t *findings, const bearer_issuers_t *issuers,
                       const bearer_settings_t *defaults,
                       const bearer_settings_t *server,
                       const bearer_settings_t *dir, apr_pool_t *p)
{
    static void (*const rules[])(place_t *) = {
        lint_issuers, lint_audience, lint_user_claim, lint_user_format,
        lint_clients, lint_profile, lint_algorithms, lint_introspection,
        lint_session, lint_challenge, lint_login_url, lint_proof
    };
    place_t place = { findings, issuers, defaults, server, dir, p, .jwt = 0 };
    unsigned i;

    look_at(&place);
    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        rules[i](&place);
    }
}

const char *bearer_judge_audience_error(const bearer_issuers_t *issuers,
                                        const bearer_settings_t *defaults,
                                        const bearer_settings_t *server,
                                        const bearer_settings_t *dir,
                                        apr_pool_t *p)
{
    place_t place = { NULL, issuers, defaults, server, dir, p, .jwt = 0 };

    look_at(&place);
    return audience_error(&place);
}

int bearer_judge_sessions_only(const bearer_issuers_t *issuers,
                               const bearer_settings_t *defaults,
                               const bearer_settings_t *server,
                               const bearer_settings_t *dir, apr_pool_t *p)
{
    place_t place = { NULL, issuers, defaults, server, dir, p, .jwt = 0 };
    int any;

    look_at(&place);
    without_audience(&place, &any);
    return place.here.session && place.tokens && !place.session && !any;
}
