/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider.c
 * Prepares a judgement for the providers of the chain: with the issuers, keys, tenants
 * and revocations of the location, and its settings.
 */
#include "provider.h"
#include "shared.h"

#include <apr_strings.h>

#include "base/reason.h"
#include "base/sha256.h"
#include "base/text.h"
#include "base/world.h"
#include "jose/jwk.h"
#include "judge/judge.h"
#include "keys/keypool.h"
#include "state/revocation.h"
#include "state/throttle.h"
#include "trust/issuer.h"
#include "trust/settings.h"
#include "trust/tenants.h"

const char ab_provider_cross_site[] =
    "a request that changes state came with a cookie or a Basic password from "
    "another site (Sec-Fetch-Site, Origin)";

/* The issuer is known now, so its layer can be added. */
const bearer_settings_t *ab_provider_settings(attempt_t *a,
                                              const bearer_issuer_t *issuer)
{
    bearer_settings_t *settings;

    if (!issuer || !issuer->settings.set) {
        return a->settings;
    }
    settings = apr_palloc(a->r->pool, sizeof(*settings));
    ab_config_resolve(settings, a->server, issuer, &a->dir->settings);
    return settings;
}

apr_uint64_t ab_provider_keys(const process_t *process)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < process->global->issuers->nelts; i++) {
        sum += bearer_keypool_stamp(process->keys[i]);
    }
    return sum;
}

/* Computes the keys of the token and the cookies for the throttle, only for addresses
 * with failures. An empty token has no key: each one counts. */
const bearer_throttle_token_t *ab_provider_presented(attempt_t *a)
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
    }
    if (a->presented.digest) {
        memcpy(&a->presented.policy, a->key, sizeof(a->presented.policy));
        a->presented.policy += a->keys;
    }
    return &a->presented;
}

/* A name for an unknown kid of an issuer. 0 on failure: each token counts. */
static apr_uint64_t digest_of_kid(const attempt_t *a)
{
    const bearer_judgement_t *j = &a->judgement;
    const char *iss = j->iss, *kid = j->jws.facts.kid;
    const bearer_sha256_piece_t pieces[] = {
        { iss, strlen(iss) + 1 }, { kid, strlen(kid) }
    };
    unsigned char hash[BEARER_SHA256_SIZE];
    apr_uint64_t digest = 0;

    if (bearer_sha256_of(a->process->sha256, hash, pieces, 2) == APR_SUCCESS) {
        memcpy(&digest, hash, sizeof(digest));
    }
    return digest;
}

const bearer_throttle_token_t *ab_provider_counted(attempt_t *a, bearer_reason_t reason)
{
    const bearer_throttle_token_t *presented = ab_provider_presented(a);
    bearer_throttle_token_t *counted;

    if (reason == BEARER_KEY && a->judged && a->judgement.held_back && a->judgement.jws.facts.kid) {
        counted = apr_pcalloc(a->r->pool, sizeof(*counted));
        counted->digest = digest_of_kid(a);
        return counted;
    }
    if (reason == BEARER_SIGNATURE && a->keys_uncertain) {
        counted = apr_pmemdup(a->r->pool, presented, sizeof(*counted));
        counted->policy = ~counted->policy;
        return counted;
    }
    return presented;
}

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

/* Keys may be fetched and stored only for a tenant that is accepted. The tenant is
 * checked here, before the judge checks it, because a token must not determine what is
 * fetched or stored. */
static int is_admitted(attempt_t *a, const bearer_issuer_t *issuer)
{
    const char *tenant = a->judgement.tenant;

    return !tenant
        || bearer_issuer_tenant_admitted(issuer, tenant,
                                         tenants_of(a, issuer, a->r->pool));
}

static int keys_at_hand(void *baton, const bearer_issuer_t *issuer)
{
    attempt_t *a = baton;

    return is_admitted(a, issuer)
        && bearer_keypool_at_hand(a->process->keys[issuer->index], a->judgement.tenant);
}

static bearer_reason_t keys_of(void *baton, const bearer_issuer_t *issuer,
                               bearer_wish_t *wish, bearer_jwks_t **set,
                               bearer_refusal_t *why, apr_pool_t *p)
{
    attempt_t *a = baton;
    bearer_keypool_t *pool = a->process->keys[issuer->index];
    bearer_reason_t reason;

    if (!is_admitted(a, issuer)) {
        return bearer_refuse(why, p, BEARER_KEYS, "the keys of a tenant that is not accepted "
                             "are not fetched");
    }
    /* Read before the keys are used: if they change meanwhile, the next lookup finds
     * another number and judges again. */
    a->generation = wish->kind == BEARER_WISH_KEYS ? bearer_keypool_generation(pool) : 0;
    reason = bearer_keypool_get(pool, a->judgement.tenant, wish, set, why, p);
    if (reason == BEARER_OK) {
        a->keys = ab_provider_keys(a->process);
        a->keys_uncertain = !bearer_keypool_has(pool, a->judgement.tenant, *set);
    }
    return reason;
}

static bearer_reason_t ask_revoked(void *baton, const char *iss, const char *jti,
                                   const char *token, apr_size_t len,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    attempt_t *a = baton;
    bearer_signed_out_t *signed_out = ab_shared_signed_out();
    bearer_reason_t reason = bearer_revocation_ask_token(
        a->process->revocations, iss, jti, token, len, a->revocable, why, p);

    if (reason != BEARER_OK || !bearer_signed_out_any(signed_out, a->judgement.now)) {
        return reason;
    }
    if (!a->process->revocations
        && bearer_revocation_token_digest(a->process->sha256, a->revocable, token, len)
           != APR_SUCCESS) {
        return bearer_refuse(why, p, BEARER_INTERNAL, "no SHA-256 of the token");
    }
    return ab_provider_signed_out(a->revocable, a->judgement.now, why, p);
}

bearer_reason_t ab_provider_signed_out(const unsigned char *digest, apr_time_t now,
                                       bearer_refusal_t *why, apr_pool_t *p)
{
    return !bearer_signed_out_has(ab_shared_signed_out(), digest, now) ? BEARER_OK
        : bearer_refuse(why, p, BEARER_REVOKED,
                        "the user signed out of the session that this access token was "
                        "issued for; the client must get a new one");
}

apr_status_t ab_provider_policy(const attempt_t *a, const char *more, apr_size_t len,
                                unsigned char *policy)
{
    const bearer_sha256_piece_t pieces[] = {
        {a->server->digest, BEARER_SHA256_SIZE},
        {a->dir->digest, BEARER_SHA256_SIZE},
        {more, len}
    };
    apr_status_t rv = bearer_sha256_of(a->process->sha256, policy, pieces, 3);

    if (rv != APR_SUCCESS) {
        memset(policy, 0, BEARER_SHA256_SIZE);
    }
    return rv;
}

/* ---- earlier results ------------------------------------------------------------ */

typedef struct said_t {
    unsigned char key[BEARER_SHA256_SIZE];
    bearer_verdict_t verdict;
    const bearer_issuer_t *issuer;
    const char *iss;
    const bearer_principal_t *principal;
    bearer_refusal_t why;
    unsigned retry;
} said_t;

int ab_provider_recall(attempt_t *a, bearer_provider_id_t by, const unsigned char *key,
                       bearer_verdict_t *verdict)
{
    const request_rec *r;

    for (r = a->r; r; r = ab_request_parent(r)) {
        const request_t *record = ab_request_peek(r);
        const said_t *said = record ? record->said[by] : NULL;

        if (said && !memcmp(said->key, key, sizeof(said->key))) {
            a->judgement.issuer = said->issuer;
            a->judgement.iss = said->iss;
            a->judgement.principal = said->principal;
            a->judgement.why = said->why;
            a->retry = said->retry;
            *verdict = said->verdict;
            return 1;
        }
    }
    return 0;
}

void ab_provider_note(attempt_t *a, bearer_provider_id_t by, const unsigned char *key,
                      bearer_verdict_t verdict)
{
    const bearer_judgement_t *j = &a->judgement;
    said_t *said = apr_palloc(a->r->pool, sizeof(*said));

    *said = (said_t){ { 0 }, verdict, j->issuer, j->iss, j->principal, j->why, a->retry };
    memcpy(said->key, key, sizeof(said->key));
    a->own->said[by] = said;
}

/* ---- the judgement --------------------------------------------------------------- */

void ab_provider_begin(attempt_t *a, const char *method)
{
    bearer_judgement_t *j = &a->judgement;

    memset(j, 0, sizeof(*j));
    a->tenants_version = 0;
    a->keys_uncertain = 0;
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
    j->baton = a;
    j->tenants = tenants_of;
    j->observe = a->process->observe;
    j->observe_baton = a->process->observe_baton;
    j->keep_going = j->observe != NULL;
    j->headers = j->keep_going ? NULL : a->process->headers;
    if (a->process->revocations || ab_shared_signed_out()) {
        j->revoked = ask_revoked;
    }
}
