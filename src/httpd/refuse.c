/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refuse.c
 * Refuses a request: the status from the table in answer.c, and the headers, the
 * environment and the log line.
 */
#include "refuse.h"
#include "answer.h"
#include "credential.h"
#include "environment.h"
#include "page.h"
#include "request.h"
#include "scrub.h"
#include "status.h"
#include "trace.h"

#include <apr_strings.h>
#include <http_core.h>

#include "base/text.h"
#include "judge/challenge.h"
#include "trust/resource.h"

APLOG_USE_MODULE(auth_bearer);

/* ---- challenges --------------------------------------------------------- */

_Static_assert((int)BEARER_PROOF_DPOP == (int)BEARER_BOUND_DPOP
               && (int)BEARER_PROOF_MTLS == (int)BEARER_BOUND_MTLS,
               "a mode of AuthBearerProof is what a token may be bound to");

/** Which schemes of tokens a refusal offers. The error is in `first`, if there is one. */
typedef struct offer_t {
    int first_dpop;  /**< 1: DPoP comes first, else Bearer */
    int both;        /**< 1: the other one follows */
} offer_t;

/* The DPoP scheme is read only from Authorization. */
static int takes_dpop(const bearer_settings_t *settings)
{
    int i;

    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i, bearer_from_t);

        if (from->kind == BEARER_FROM_HEADER && !from->name) {
            return 1;
        }
    }
    return 0;
}

static int is_about_proof(bearer_category_t category)
{
    return category == BEARER_CATEGORY_PROOF || category == BEARER_CATEGORY_PROOF_TIME
        || category == BEARER_CATEGORY_PROOF_NONCE;
}

/* Could the client have succeeded with DPoP? */
static int wants_dpop(const request_t *own, const bearer_settings_t *settings,
                      bearer_category_t category)
{
    const int mode = settings->proof.mode;

    return (mode & BEARER_PROOF_DPOP)
        || (category == BEARER_CATEGORY_BINDING
            && (own->unproven ? (own->unproven & BEARER_BOUND_DPOP) != 0
                              : mode != BEARER_PROOF_MTLS));
}

/* Does only DPoP lead on from here? */
static int is_dpop_only(const bearer_settings_t *settings)
{
    return settings->proof.mode == BEARER_PROOF_DPOP && takes_dpop(settings);
}

/* RFC 9449 section 7.1: the error is in the scheme that the client used; a second scheme
 * helps with a 401 only. */
static offer_t choose(const request_t *own, const bearer_settings_t *settings,
                      bearer_category_t category)
{
    const credential_t *credential = own->winner ? own->winner : own->credential;
    const int proof = is_about_proof(category);
    offer_t offer = { proof, 0 };

    if (!settings->challenge.on) {
        return offer;
    }
    if (category == BEARER_CATEGORY_NO_CREDENTIAL) {
        offer.both = takes_dpop(settings) && wants_dpop(own, settings, category);
        return offer;
    }
    offer.first_dpop = proof || (credential && credential->dpop) || is_dpop_only(settings);
    offer.both = bearer_category(category)->status == HTTP_UNAUTHORIZED
        && (offer.first_dpop ? !is_dpop_only(settings)
                             : takes_dpop(settings) && wants_dpop(own, settings, category));
    return offer;
}

/* Browsers answer Basic with a window that asks for a password. A page of people who
 * have sessions must not open one for what its script sent. A password proves no key. */
static int offers_basic(const request_rec *r, const bearer_settings_t *settings)
{
    return ab_credential_from(settings, BEARER_FROM_BASIC) && !is_dpop_only(settings)
        && !(settings->session && ab_request_by_script(r));
}

/* Where Basic is the only source it comes first: git, pip and container clients use the
 * first challenge they know. */
static void send_challenges(request_rec *r, const bearer_settings_t *settings,
                            const apr_array_header_t *tokens, const char *basic)
{
    static const char field[] = "WWW-Authenticate";
    const int basic_too = offers_basic(r, settings);
    const int basic_first = basic_too && !ab_credential_from_other(settings,
                                                                   BEARER_FROM_BASIC);
    apr_table_t *out = r->err_headers_out;
    int i;

    apr_table_unset(out, field);
    if (basic_first) {
        apr_table_addn(out, field, basic);
    }
    for (i = 0; i < tokens->nelts && (settings->challenge.on || !basic_first); i++) {
        apr_table_addn(out, field, APR_ARRAY_IDX(tokens, i, const char *));
    }
    if (basic_too && !basic_first) {
        apr_table_addn(out, field, basic);
    }
}

static void challenge(request_rec *r, bearer_category_t category, const ab_refused_t *more)
{
    const bearer_settings_t *settings = ab_config_of(r);
    const char *algs = ab_config_server(r->server)->global->proof_algs;
    const offer_t offer = choose(ab_request(r), settings, category);
    apr_array_header_t *tokens = apr_array_make(r->pool, 2, sizeof(const char *));
    bearer_challenge_t c = { ab_page_site(r), category, NULL, NULL, NULL,
                             settings->challenge.parameters, !settings->challenge.on,
                             offer.first_dpop ? algs : NULL };

    if (category != BEARER_CATEGORY_REQUEST) {  /* 401, or 403 because of a scope */
        c.resource_metadata = settings->resource ? settings->resource->metadata
                                                 : NULL;
    }
    if (category == BEARER_CATEGORY_SCOPE || category == BEARER_CATEGORY_NO_CREDENTIAL) {
        c.scopes = more->scopes;
    }
    if (category == BEARER_CATEGORY_AUTHENTICATION) {
        c.login = more->login ? more->login : settings->login.parameters;
    }
    APR_ARRAY_PUSH(tokens, const char *) = bearer_challenge_write(&c, r->pool);
    if (offer.both) {
        c.category = BEARER_CATEGORY_NO_CREDENTIAL;
        c.login = NULL;
        c.algs = offer.first_dpop ? NULL : algs;
        APR_ARRAY_PUSH(tokens, const char *) = bearer_challenge_write(&c, r->pool);
    }
    send_challenges(r, settings, tokens, bearer_challenge_basic(c.realm, r->pool));
}

/* ---- the log ------------------------------------------------------------- */

/* Returns what is known of the token and may be logged. */
static const char *about(request_rec *r, const char *token, const bearer_judgement_t *j)
{
    const char *text = "";

    if (j && j->issuer) {
        text = apr_psprintf(r->pool, ", issuer %s",
                            bearer_text_quote(r->pool, j->iss));
    }
    if (j && j->jws.facts.kid) {
        text = apr_psprintf(r->pool, "%s, kid %s", text,
                            bearer_text_quote(r->pool, j->jws.facts.kid));
    }
    if (token) {
        text = apr_psprintf(r->pool, "%s, token %s", text, token);
    }
    if (r->user && *r->user) {
        text = apr_psprintf(r->pool, "%s, user %s", text,
                            bearer_text_fingerprint(r->pool, r->user,
                                                    strlen(r->user)));
    }
    return text;
}

int ab_refuse(request_rec *r, bearer_reason_t reason, const char *detail,
              const ab_refused_t *more)
{
    static const ab_refused_t nothing;
    bearer_category_t category = bearer_reason_category(reason);
    const ab_answer_t *answer = ab_answer_of(reason);
    request_t *own = ab_request(r);
    const char *token;

    more = more ? more : &nothing;
    own->reason = reason;
    ab_status_refused(more->j && more->j->issuer ? more->j->issuer
                      : own->principal ? own->principal->issuer : NULL,
                      reason);
    ab_environment_refusal(r, reason);
    token = ab_environment_token_id(r, own->credential);
    if (answer->challenge) {
        challenge(r, category, more);
    }
    if (ab_page_waits(r, reason)) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%u",
                                    more->retry ? more->retry
                                                : ANSWER_RETRY_AFTER));
    }
    if (apr_table_get(r->headers_in, "Origin")) {
        apr_table_mergen(r->err_headers_out, "Access-Control-Expose-Headers",
                         "WWW-Authenticate");
    }
    ab_log(answer->level, r,
           "%srefused, %s/%s: %s%s", bearer_reason_number(reason),
           bearer_category(category)->name, bearer_reason_name(reason),
           detail ? detail : "no detail", about(r, token, more->j));
    ab_page_prepare(r, reason);
    /* the error document may belong to anyone, and fixups no longer run */
    ab_credential_get(r);
    ab_scrub_credential(r, own->settings ? own->settings
                                             : ab_config_of(r), 0);
    return answer->status;
}
