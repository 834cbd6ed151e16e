/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file verified.c
 * Tokens that were verified before. They are found by their policy and all of their
 * bytes. They are cached as long as their times, keys and tenants allow, and vouched
 * for if their address is throttled.
 */
#include "verified.h"
#include "environment.h"
#include "process.h"
#include "shared.h"

#include <apr_strings.h>

#include "base/reason.h"
#include "judge/exports.h"
#include "judge/principal.h"
#include "trust/issuer.h"
#include "trust/settings.h"

/* The key in the verified-token cache: a digest of the policy and the whole token. It
 * must include the signature; otherwise a forged token would match the verified one. */
void ab_verified_key(attempt_t *a)
{
    a->keyed = ab_provider_policy(a, a->credential->token, a->credential->len, a->key)
               == APR_SUCCESS;
}

static apr_status_t release_entry(void *entry)
{
    bearer_tokencache_release(entry);
    return APR_SUCCESS;
}

void ab_verified_hold(request_rec *r, bearer_tokencache_entry_t *entry)
{
    apr_pool_cleanup_register(r->pool, entry, release_entry, apr_pool_cleanup_null);
}

bearer_principal_t *ab_verified_copy(request_rec *r, const bearer_principal_t *judged,
                                     const bearer_settings_t *settings)
{
    bearer_principal_t *copy = apr_pmemdup(r->pool, judged, sizeof(*copy));
    apr_array_header_t *left_out = apr_array_make(r->pool, 1, sizeof(const char *));

    bearer_exports_prepare(copy, settings, left_out, r->pool);
    ab_environment_left_out(r, left_out);
    return copy;
}

/** For results that did not depend on keys: an introspection response has its own
 *  lifetime. */
#define NO_KEYS 1

static apr_uint64_t keys_generation(const process_t *process,
                                    const bearer_issuer_t *issuer)
{
    return bearer_keypool_generation(process->keys[issuer->index]);
}

/* The content of a tenants file affects results as keys do, so its version is added
 * above the bits of the generation. */
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

const bearer_principal_t *ab_verified_find(attempt_t *a, bearer_refusal_t *why)
{
    process_t *process = a->process;
    bearer_tokencache_entry_t *entry;
    const bearer_principal_t *principal;

    why->reason = BEARER_OK;
    if (!process->tokens || !a->keyed) {
        return NULL;
    }
    /* without clock skew: a token in its last seconds is judged in full */
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
    ab_verified_hold(a->r, entry);
    if ((process->revocations
         && bearer_revocation_ask(process->revocations, principal->iss,
                                  principal->jti, principal->token_digest, why,
                                  a->r->pool) != BEARER_OK)
        || ab_provider_signed_out(principal->token_digest, apr_time_now(), why,
                                  a->r->pool) != BEARER_OK) {
        return NULL;
    }
    a->entry = entry;
    return principal;
}

/* Returns the time until which the token's age allows caching; 0: no limit. An issuer
 * that has just called a token active knows its age, unless the configuration says
 * otherwise. */
static apr_time_t aged(const attempt_t *a, apr_uint64_t generation,
                       apr_time_t issued)
{
    const bearer_settings_t *settings = &a->judgement.settings;

    return issued && settings->max_token_age
        && (generation != NO_KEYS || bearer_settings_has(settings, MAX_TOKEN_AGE))
        ? issued + settings->max_token_age : 0;
}

/* until: 0: as long as the token's times allow */
static void remember(attempt_t *a, apr_uint64_t generation, apr_time_t until)
{
    const bearer_principal_t *judged = a->judgement.principal;
    apr_time_t old = aged(a, generation, judged->issued);
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
    keep = ab_verified_copy(a->r, judged, ab_provider_settings(a, judged->issuer));
    if (!a->process->revocations && a->credential->len) {  /* not computed yet for this
                                                            * request */
        bearer_revocation_token_digest(a->process->sha256, a->revocable,
                                       a->credential->token, a->credential->len);
    }
    memcpy(keep->token_digest, a->revocable, sizeof(keep->token_digest));
    a->judgement.principal = keep;
    bearer_tokencache_put(a->process->tokens, a->key, keep, generation, until);
}

/* For a throttled address: a child of the next generation does not know which tokens
 * this one has verified. */
static void vouch(attempt_t *a)
{
    if (a->throttling && a->process->tokens) {
        bearer_vouch(ab_shared_vouched(), ab_provider_presented(a)->digest);
    }
}

void ab_verified_keep_until(attempt_t *a, apr_time_t until)
{
    if (until) {
        vouch(a);
        remember(a, NO_KEYS, until);
    }
}

void ab_verified_keep(attempt_t *a)
{
    if (a->keyed) {
        vouch(a);
        /* a token that is used only once is not worth caching */
        if (bearer_tokencache_note(a->process->tokens, a->key)) {
            remember(a, a->generation, 0);
        }
    }
}
