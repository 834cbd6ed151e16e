/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The table of checks and the one loop that runs it. See judge.h; the rows'
 * functions are declared in judge_checks.h.
 */
#include "judge/judge.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "judge/judge_checks.h"

#define JWT BEARER_ON_JWT
#define CLAIMS BEARER_ON_CLAIMS
#define BOTH (JWT | CLAIMS)
#define ID BEARER_ON_ID
#define LOGOUT BEARER_ON_LOGOUT
#define USERINFO BEARER_ON_USERINFO
#define EVENT (ID | LOGOUT)
#define LOGIN (EVENT | USERINFO)
#define SIGNED (JWT | LOGIN)
#define ALL (BOTH | LOGIN)
#define HAS(what) BEARER_HAS_##what

static const bearer_check_t checks[] = {
#define X(number, name, directive, on, needs, gives, function) \
    { number, name, directive, on, needs, gives, bearer_check_##function },
    BEARER_CHECKS(X)
#undef X
};

#define CHECK_COUNT ((int)(sizeof(checks) / sizeof(checks[0])))

const bearer_check_t *bearer_judge_check(int i)
{
    return i >= 0 && i < CHECK_COUNT ? &checks[i] : NULL;
}

static bearer_reason_t run_check(bearer_judgement_t *j, const bearer_check_t *c)
{
    bearer_reason_t reason;

    j->why.reason = BEARER_OK;
    j->why.detail = NULL;
    reason = c->run(j);
    if (reason == BEARER_OK) {
        j->has |= c->gives;
    }
    return reason;
}

/* Runs all checks of this path from a number on. The first refusal counts; with
 * keep_going the observer sees the others too. */
static bearer_reason_t run_checks(bearer_judgement_t *j)
{
    bearer_refusal_t first = { BEARER_OK, NULL };
    int i, not_mine = 0;

    for (i = 0; i < CHECK_COUNT; i++) {
        const bearer_check_t *c = &checks[i];
        bearer_reason_t reason;

        if (!(c->on & j->on) || (c->needs & ~j->has)) {
            continue;
        }
        reason = run_check(j, c);
        if (j->observe) {
            j->observe(j->observe_baton, c, reason, j);
        }
        if (reason == BEARER_OK) {
            continue;
        }
        if (first.reason == BEARER_OK) {
            first = j->why;
            not_mine = j->not_mine;
        }
        if (!j->keep_going) {
            break;
        }
    }
    j->why = first;
    j->not_mine = not_mine;
    return first.reason;
}

bearer_reason_t bearer_judge_screen(bearer_judgement_t *j)
{
    bearer_reason_t reason = BEARER_OK;
    int i;

    for (i = 0; i < CHECK_COUNT && reason == BEARER_OK; i++) {
        if (checks[i].number >= 8 && (checks[i].on & j->on)) {
            reason = run_check(j, &checks[i]);
        }
    }
    j->principal = NULL;
    return reason;
}

/* ---- entry points ------------------------------------------------------ */

static void begin(bearer_judgement_t *j, int on, const char *token, apr_size_t len)
{
    const apr_size_t kept = offsetof(bearer_judgement_t, on);

    memset((char *)j + kept, 0, sizeof(*j) - kept);
    j->on = on;
    j->token = token;
    j->token_len = len;
    j->iss = "";
}

/* For judgements that begin with the checks of bytes and keys. */
static void begin_signed(bearer_judgement_t *j, int on, const char *token,
                         apr_size_t len)
{
    begin(j, on, token, len);
    if (!j->common) {
        j->common = bearer_judge_prepare(j->issuers, j->defaults, j->server, j->p);
    }
}

static bearer_verdict_t end(bearer_judgement_t *j, bearer_reason_t reason)
{
    if (j->set) {
        bearer_jwks_release(j->set);
        j->set = NULL;
        j->key = NULL;
    }
    if (reason == BEARER_OK) {
        return BEARER_GRANTED;
    }
    j->principal = NULL;
    return j->not_mine ? BEARER_NOT_MINE : BEARER_DENIED;
}

static bearer_verdict_t not_mine(bearer_judgement_t *j, bearer_reason_t reason,
                                 const char *detail)
{
    j->not_mine = 1;
    j->why.reason = reason;
    j->why.detail = detail;
    return BEARER_NOT_MINE;
}

/* A matching AuthBearerTokenPrefix makes a token opaque, whatever its form. */
static int has_prefix(const bearer_judgement_t *j)
{
    int i;

    if (!j->token_len || !j->common->first[(unsigned char)*j->token]) {
        return 0;
    }
    for (i = 0; i < j->common->prefixes->nelts; i++) {
        const char *prefix = APR_ARRAY_IDX(j->common->prefixes, i, const char *);
        apr_size_t len = strlen(prefix);

        if (len <= j->token_len && memcmp(j->token, prefix, len) == 0) {
            return 1;
        }
    }
    return 0;
}

static int looks_like_jwt(const bearer_judgement_t *j)
{
    return bearer_jws_looks_like(j->token, j->token_len, j->p);
}

bearer_verdict_t bearer_judge_jwt(bearer_judgement_t *j, const char *token,
                                  apr_size_t len)
{
    static const char no_jwt[] = "the token is not a JWT, and no accepted issuer introspects "
                                 "opaque tokens; check what the client sends, or set "
                                 "AuthBearerIntrospection";
    bearer_reason_t reason;

    begin_signed(j, JWT, token, len);
    if (has_prefix(j)) {
        return not_mine(j, BEARER_CHAIN,
                        "the token begins with an AuthBearerTokenPrefix, so it is opaque");
    }
    if (j->observe && !looks_like_jwt(j)) {
        return not_mine(j, BEARER_SEGMENTS, no_jwt);
    }
    bearer_settings_resolve(&j->settings, j->defaults, j->server, NULL, j->dir);
    reason = run_checks(j);
    /* called only after a failure: what parsed as a JWS looks like a JWT */
    if (reason != BEARER_OK && !(j->has & BEARER_HAS_JWS)
        && !looks_like_jwt(j)) {
        return not_mine(j, BEARER_SEGMENTS, no_jwt);
    }
    return end(j, reason);
}

/* A token that is not for this module is refused, because there is no next provider. */
bearer_verdict_t bearer_judge_login(bearer_judgement_t *j, int on, const char *token)
{
    begin_signed(j, on, token, strlen(token));
    bearer_settings_resolve(&j->settings, j->defaults, j->server, NULL, NULL);
    return end(j, run_checks(j));
}

bearer_verdict_t bearer_judge_claims(bearer_judgement_t *j, json_t *claims,
                                     const bearer_issuer_t *issuer,
                                     const char *token, apr_size_t len)
{
    begin(j, CLAIMS, token, len);
    j->claims = claims;
    j->issuer = issuer;
    j->iss = issuer->url;
    j->has = BEARER_HAS_CLAIMS | BEARER_HAS_ISSUER;
    bearer_settings_resolve(&j->settings, j->defaults, j->server,
                            &issuer->settings, j->dir);
    return end(j, run_checks(j));
}

/* ---- queries ----------------------------------------------------------- */

int bearer_judge_accepts(const bearer_settings_t *settings,
                         const bearer_issuer_t *issuer)
{
    const apr_array_header_t *list = settings->accept_issuer;

    return apr_is_empty_array(list) || bearer_text_among(list, issuer->url);
}

int bearer_judge_provides(const bearer_settings_t *settings,
                          bearer_provider_id_t provider)
{
    const apr_array_header_t *list = settings->providers;
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        if (APR_ARRAY_IDX(list, i, int) == (int)provider) {
            return 1;
        }
    }
    return 0;
}
