/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Checks 1 to 7: a token from its bytes to its signature. See judge.h.
 */
#include "judge/judge_checks.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"

/* ---- checks 1 and 2: bytes --------------------------------------------- */

bearer_reason_t bearer_check_credential(bearer_judgement_t *j)
{
    apr_size_t i;

    if (j->token_len > BEARER_TOKEN_MAX) {
        return BEARER_OK;   /* check 2 reports it */
    }
    i = bearer_text_b64token(j->token, j->token_len);
    if (i == 0) {
        return REFUSE(j, CREDENTIAL_SYNTAX,
                      "the token is empty, or its first character is not allowed (RFC 6750 section "
                      "2.1)");
    }
    if (i < j->token_len) {
        return REFUSE(j, CREDENTIAL_SYNTAX,
                      "byte %lu of the token is not allowed (RFC 6750 section 2.1); copy it "
                      "completely, without quotes, blanks and line ends", (unsigned long)i);
    }
    return BEARER_OK;
}

bearer_reason_t bearer_check_envelope(bearer_judgement_t *j)
{
    return bearer_jws_parse_known(&j->jws, j->headers, j->token, j->token_len,
                                  &j->why, j->p);
}

bearer_reason_t bearer_check_payload(bearer_judgement_t *j)
{
    const char *error = NULL;

    if (bearer_json_parse(&j->claims, j->jws.payload, j->jws.payload_len,
                          &error, j->p) != APR_SUCCESS) {
        return REFUSE(j, JSON, "the token's payload is not a JSON object: %s", error);
    }
    return BEARER_OK;
}

/* ---- checks 3 and 4: header -------------------------------------------- */

/* A text of its own for tokens that are refused for their algorithm, whatever it is. */
static bearer_reason_t or_type(bearer_judgement_t *j, bearer_reason_t reason)
{
    bearer_refusal_t why = j->why;

    if (reason != BEARER_ALG || bearer_judge_named_type(j) == BEARER_OK) {
        j->why = why;
        return reason;
    }
    return j->why.reason;
}

/* Google verifies a token for a service of Cloud Run, and takes its signature. */
static bearer_reason_t check_removed(bearer_judgement_t *j)
{
    static const char removed[] = "SIGNATURE_REMOVED_BY_GOOGLE";

    return j->jws.segment_len[2] != sizeof(removed) - 1
        || memcmp(j->jws.segment[2], removed, sizeof(removed) - 1) != 0 ? BEARER_OK
        : REFUSE(j, SIGNATURE_REMOVED, "the signature is %s: Cloud Run has used the token of "
                 "Authorization itself; the client must send that one in "
                 "X-Serverless-Authorization, and the token for this server in Authorization",
                 removed);
}

bearer_reason_t bearer_check_header(bearer_judgement_t *j)
{
    bearer_reason_t reason = bearer_jws_check_header(&j->jws, j->common->algorithms,
                                                     &j->why, j->p);

    return reason == BEARER_OK ? check_removed(j) : or_type(j, reason);
}

bearer_reason_t bearer_check_kid(bearer_judgement_t *j)
{
    return bearer_jws_check_kid(&j->jws, &j->why, j->p);
}

/* ---- check 5: issuer --------------------------------------------------- */

/* A refusal searches at most this many issuers for the intended one. */
#define ISSUERS_LOOKED_AT 100

static apr_size_t scheme_length(const char *s)
{
    static const char *const schemes[] = { "https://", "http://", "api://", "" };
    const char *const *scheme = schemes;

    while (strncasecmp(s, *scheme, strlen(*scheme)) != 0) {
        scheme++;
    }
    return strlen(*scheme);
}

static apr_size_t length_without_slash(const char *s)
{
    apr_size_t len = strlen(s);

    return len && s[len - 1] == '/' ? len - 1 : len;
}

const char *bearer_judge_difference(const char *seen, const char *wanted)
{
    apr_size_t seen_scheme = scheme_length(seen);
    apr_size_t wanted_scheme = scheme_length(wanted);
    const char *a = seen + seen_scheme;
    const char *b = wanted + wanted_scheme;
    apr_size_t n = length_without_slash(a);
    int scheme, letters, slash;

    if (n != length_without_slash(b) || strncasecmp(a, b, n) != 0) {
        return NULL;
    }
    scheme = seen_scheme != wanted_scheme;
    letters = memcmp(a, b, n) != 0
              || (!scheme && memcmp(seen, wanted, seen_scheme) != 0);
    slash = strlen(a) != strlen(b);
    if (scheme + letters + slash != 1) {
        return scheme + letters + slash
                   ? "only in spelling (scheme, case or trailing slash)" : NULL;
    }
    return scheme ? "only in the scheme"
           : letters ? "only in upper and lower case"
                     : "only by a trailing slash";
}

/* Lists the accepted issuers, for the log. */
static const char *accepted_issuers(const bearer_judgement_t *j)
{
    apr_array_header_t *urls = apr_array_make(j->p, 8, sizeof(const char *));
    int count = bearer_issuers_count(j->issuers);
    int i;

    for (i = 0; i < count && i < ISSUERS_LOOKED_AT; i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(j->issuers, i);

        if (bearer_judge_accepts(&j->settings, issuer)) {
            APR_ARRAY_PUSH(urls, const char *) = issuer->url;
        }
    }
    return bearer_text_quote_list(j->p, urls);
}

/* Returns the usual cause of an undeclared issuer; "" if none is known. */
static const char *issuer_hint(const bearer_judgement_t *j, const char *iss)
{
    int count = bearer_issuers_count(j->issuers);
    int i;

    for (i = 0; i < count && i < ISSUERS_LOOKED_AT; i++) {
        const char *url = bearer_issuers_at(j->issuers, i)->url;
        const char *difference = bearer_judge_difference(iss, url);

        if (difference) {
            return apr_psprintf(j->p, "; it differs from %s %s: the two must be identical",
                                bearer_text_quote(j->p, url), difference);
        }
        if (strncmp(iss, "https://sts.windows.net/", 24) == 0
            && strncmp(url, "https://login.microsoftonline.com/", 34) == 0) {
            return "; this is an Entra token of version 1, but the configured issuer is of version "
                   "2: set requestedAccessTokenVersion of the API's app registration to 2, or "
                   "configure the issuer of version 1";
        }
    }
    return "";
}

static bearer_reason_t not_declared(bearer_judgement_t *j)
{
    j->not_mine = 1;
    if (!*j->iss) {
        return REFUSE(j, ISS, "the token has no issuer (iss), and its sub is not in a trust domain "
                      "of an issuer with AuthBearerKeys spiffe:");
    }
    return REFUSE(j, ISS, "issuer %s is not configured: it is not in AuthBearerIssuer %s or an "
                  "AuthBearerIssuerAlias%s", bearer_text_quote(j->p, j->iss),
                  accepted_issuers(j), issuer_hint(j, j->iss));
}

/* A declared issuer may not be accepted here or for this provider. */
static bearer_reason_t check_responsible(bearer_judgement_t *j)
{
    const bearer_issuer_t *issuer = j->issuer;

    j->not_mine = 1;
    if (!bearer_judge_accepts(&j->settings, issuer)) {
        return REFUSE(j, ISS, "issuer %s is configured, but not accepted here by "
                      "AuthBearerAcceptIssuer %s", bearer_text_quote(j->p, issuer->url),
                      bearer_text_quote_list(j->p, j->settings.accept_issuer));
    }
    if (issuer->introspect_all && issuer->introspection.kind != BEARER_SOURCE_OFF) {
        return REFUSE(j, ISS, "issuer %s introspects all its tokens (AuthBearerIntrospection ... "
                      "for=all), so the provider jwt does not accept them",
                      bearer_text_quote(j->p, issuer->url));
    }
    j->not_mine = 0;
    return BEARER_OK;
}

/* Selects by iss. For a JWT-SVID, selects by the trust domain of its sub, whatever
 * iss says (the SPIFFE documents give iss no meaning). */
static const bearer_issuer_t *select_issuer(bearer_judgement_t *j)
{
    const char *sub = bearer_json_string(j->claims, "sub");
    const bearer_issuer_t *issuer = NULL;

    if (*j->iss) {
        issuer = bearer_issuers_find(j->issuers, j->iss, &j->tenant, j->p);
    }
    if (issuer && !bearer_issuer_is_spiffe(issuer)) {
        return issuer;
    }
    if (!sub || strncmp(sub, "spiffe://", 9) != 0) {
        return NULL;
    }
    return bearer_issuers_find_spiffe(j->issuers, sub, j->p);
}

bearer_reason_t bearer_check_issuer(bearer_judgement_t *j)
{
    const json_t *iss = bearer_json_member(j->claims, "iss");
    bearer_reason_t reason;

    if (iss && !json_is_string(iss)) {
        return REFUSE(j, ISS, "claim 'iss' is not a string (RFC 7519 section 4.1.1)");
    }
    j->iss = iss ? json_string_value(iss) : "";
    j->issuer = select_issuer(j);
    if (!j->issuer) {
        return not_declared(j);
    }
    reason = check_responsible(j);
    if (reason != BEARER_OK) {
        return reason;
    }
    if (bearer_issuer_is_spiffe(j->issuer)) {
        j->iss = j->issuer->url;
    }
    bearer_settings_resolve(&j->settings, j->defaults, j->server,
                            &j->issuer->settings, j->dir);
    return BEARER_OK;
}

/* ---- check 6: algorithm and key of that issuer ------------------------- */

bearer_algs_t bearer_judge_algorithms(const bearer_settings_t *settings,
                                      const bearer_issuer_t *issuer)
{
    /* also prevents RS256 -> HS256 confusion: a key from a URL is not a shared secret */
    return bearer_issuer_has_keys(issuer, BEARER_SOURCE_FILE)
               ? settings->algorithms
               : settings->algorithms & ~bearer_alg_symmetric();
}

static bearer_reason_t check_algorithm(bearer_judgement_t *j)
{
    const bearer_alg_t *alg = j->jws.facts.alg;

    if (alg->bit & bearer_judge_algorithms(&j->settings, j->issuer)) {
        return BEARER_OK;
    }
    if (alg->bit & j->settings.algorithms) {
        return REFUSE(j, ALG, "alg '%s' needs a shared key from a local file; for issuer %s, write "
                      "AuthBearerKeys file:PATH", alg->name,
                      bearer_text_quote(j->p, j->issuer->url));
    }
    return REFUSE(j, ALG, "alg '%s' is not among the AuthBearerAlgorithms of issuer %s "
                  "(%s)", alg->name, bearer_text_quote(j->p, j->issuer->url),
                  bearer_alg_names(j->settings.algorithms, j->p));
}

bearer_reason_t bearer_check_algorithm(bearer_judgement_t *j)
{
    return or_type(j, check_algorithm(j));
}

static bearer_reason_t select_key(bearer_judgement_t *j, int *unknown_kid)
{
    return bearer_jwks_select(&j->key, unknown_kid, j->set, j->jws.facts.alg,
                              j->jws.facts.kid, j->iss, j->tenant, &j->why, j->p);
}

static bearer_reason_t ask_for_keys(bearer_judgement_t *j, bearer_wish_kind_t kind,
                                    apr_time_t since)
{
    bearer_wish_t wish = { kind, j->jws.facts.kid, since, 0 };
    bearer_reason_t reason = j->keys(j->baton, j->issuer, &wish, &j->set, &j->why, j->p);

    j->held_back = wish.held_back;
    return reason;
}

/* With keep_going, each check runs in order. */
static int may_screen(const bearer_judgement_t *j)
{
    return j->keys_at_hand && !j->keep_going;
}

/* No key has that kid. A newer set may have it, but only a token that passes all
 * other checks is worth a request to the issuer. */
static bearer_reason_t refresh_keys(bearer_judgement_t *j)
{
    const char *url = bearer_text_quote(j->p, j->issuer->url);
    bearer_reason_t reason;
    int unknown_kid = 0;

    if (may_screen(j) && bearer_judge_screen(j) != BEARER_OK) {
        const char *detail = j->why.detail;

        return REFUSE(j, KEY, "no key of issuer %s has kid %s, and the keys are not fetched again, "
                      "because the token is refused anyway: %s", url,
                      bearer_text_quote(j->p, j->jws.facts.kid), detail);
    }
    reason = ask_for_keys(j, BEARER_WISH_KID, j->now);
    return reason == BEARER_OK ? select_key(j, &unknown_kid) : reason;
}

static bearer_reason_t find_key(bearer_judgement_t *j)
{
    bearer_reason_t reason = BEARER_OK;
    int unknown_kid = 0;

    if (may_screen(j) && !j->keys_at_hand(j->baton, j->issuer)) {
        reason = bearer_judge_screen(j);
    }
    if (reason == BEARER_OK) {
        reason = ask_for_keys(j, BEARER_WISH_KEYS, 0);
    }
    if (reason == BEARER_OK) {
        reason = select_key(j, &unknown_kid);
    }
    return unknown_kid ? refresh_keys(j) : reason;
}

bearer_reason_t bearer_check_key(bearer_judgement_t *j)
{
    if (!j->keys) {
        return REFUSE(j, KEYS, "there are no keys to verify with");
    }
    return find_key(j);
}

/* ---- check 7 ----------------------------------------------------------- */

/* If the first key does not match, a key of another source may. */
static bearer_reason_t verify(bearer_judgement_t *j)
{
    bearer_reason_t reason = bearer_jws_verify(&j->jws, j->key, &j->why, j->p);
    const bearer_jwk_t *second = reason == BEARER_SIGNATURE
        ? bearer_jwks_second(j->set, j->jws.facts.alg, j->jws.facts.kid, j->iss, j->tenant)
        : NULL;

    if (second && bearer_jws_verify(&j->jws, second, NULL, j->p) == BEARER_OK) {
        j->key = second;
        reason = BEARER_OK;
    }
    return reason;
}

/* The key may have been replaced under the same name, or without one. A token that was
 * issued after the keys were fetched, and passes all other checks, is worth a request to
 * the issuer. */
static bearer_reason_t verify_replaced(bearer_judgement_t *j)
{
    const bearer_refusal_t first = j->why;
    bearer_reason_t reason = BEARER_SIGNATURE;
    apr_time_t issued = 0;
    int unknown_kid = 0;

    if (bearer_json_date(&issued, j->claims, "iat") == APR_SUCCESS && issued
        && (j->keep_going || bearer_judge_screen(j) == BEARER_OK)) {
        reason = ask_for_keys(j, BEARER_WISH_REPLACED, issued);
    }
    if (reason != BEARER_OK) {
        j->why = first;
        return BEARER_SIGNATURE;
    }
    reason = select_key(j, &unknown_kid);
    return reason == BEARER_OK ? verify(j) : reason;
}

static int is_guess(const bearer_judgement_t *j)
{
    return bearer_jwks_guesses(j->set, j->jws.facts.kid);
}

/* The key without a kid does not match, so a key with that kid is needed. */
static bearer_reason_t verify_named(bearer_judgement_t *j)
{
    bearer_reason_t reason = refresh_keys(j);

    reason = reason == BEARER_OK ? verify(j) : reason;
    return reason == BEARER_SIGNATURE && is_guess(j)
        ? REFUSE(j, KEY, "no key of issuer %s has kid %s, and its key without a kid does not match",
                 bearer_text_quote(j->p, j->issuer->url),
                 bearer_text_quote(j->p, j->jws.facts.kid))
        : reason;
}

bearer_reason_t bearer_check_signature(bearer_judgement_t *j)
{
    bearer_reason_t reason = verify(j);

    if (reason == BEARER_SIGNATURE && j->keys) {
        reason = is_guess(j) ? verify_named(j) : verify_replaced(j);
    }
    if (reason == BEARER_OK) {
        bearer_jws_remember_header(&j->jws, j->headers);
    }
    return reason;
}
