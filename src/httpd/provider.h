/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider.h
 * An authentication in progress, and the functions that the providers of the chain
 * share. For authn.c, verified.c and provider_*.c only. An attempt belongs to its
 * request and thread.
 *
 * A provider returns BEARER_NOT_MINE (the next provider tries), BEARER_GRANTED with
 * a->judgement.principal, or BEARER_DENIED with a->judgement.why. The category of the
 * reason distinguishes "denied" from "unavailable".
 */
#pragma once

#include "process.h"
#include "request.h"

/** An authentication in progress. */
typedef struct attempt_t {
    request_rec *r;
    process_t *process;
    const server_config_t *server;
    const dir_config_t *dir;
    request_t *own;
    const bearer_settings_t *settings;  /**< before an issuer is known */
    const credential_t *credential;
    const char *cookies;           /**< cookies for a session service, or NULL */
    int by_cookies;                /**< 1: a session service judges them, not the token */
    const bearer_session_check_t *cookie_check; /**< the check that takes them */
    unsigned char key[BEARER_SHA256_SIZE];    /**< of policy and token */
    int keyed;                     /**< 1: key is set */
    unsigned char revocable[BEARER_SHA256_SIZE]; /**< key in the revocation list */
    int throttling;           /**< failures count for the address */
    int remembered;           /**< the throttle has an entry for the address */
    int vouched;              /**< the address is throttled, but the token was verified
                               *   before */
    unsigned char address[BEARER_THROTTLE_KEY_SIZE];
    bearer_throttle_token_t presented;
    bearer_tokencache_entry_t *entry; /**< of the verified token; NULL: judged just now */
    unsigned proven;               /**< BEARER_BOUND_ bits, by proof.c */
    int renew_nonce;               /**< 1: the nonce of the proof will expire soon */
    apr_uint64_t generation;       /**< generation of the keys used; 0: uncertain */
    apr_uint64_t keys;             /**< ab_provider_keys(), for the throttle */
    int keys_uncertain;            /**< 1: the token may have been judged by other keys */
    apr_uint64_t tenants_version;  /**< version before the tenant lookup; 0: no lookup */
    unsigned retry;                /**< seconds for Retry-After; 0: the default */
    int ahead;                     /**< judged ahead: the only result is `found` */
    const bearer_principal_t *found;
    int judged;                    /**< 1: a provider was asked, and the judgement is set */
    bearer_judgement_t judgement;  /**< last, because only a provider needs it zeroed */
} attempt_t;

/** Does the request have exactly one, well-formed token? */
#define ATTEMPT_HAS_TOKEN(a) ((a)->credential->reason == BEARER_OK)

/** Prepares a->judgement with what every provider needs. */
void ab_provider_begin(attempt_t *a, const char *method);

/** Computes a digest (32 bytes) of the settings of the location and its server, and of
 *  `more`. All zero on failure.
 *  @param more  a token; NULL: nothing, with len 0 */
apr_status_t ab_provider_policy(const attempt_t *a, const char *more, apr_size_t len,
                                unsigned char *policy);

/** Refuses a token of a session whose user signed out: BEARER_OK or BEARER_REVOKED.
 *  @param digest  of bearer_revocation_token_digest() */
bearer_reason_t ab_provider_signed_out(const unsigned char *digest, apr_time_t now,
                                       bearer_refusal_t *why, apr_pool_t *p);

/** Returns the names of the token and the cookies for the throttle. A refusal is
 *  remembered together with the keys in force, a->keys. */
const bearer_throttle_token_t *ab_provider_presented(attempt_t *a);

/** Returns what a refusal for this reason counts for: the token, or once for all tokens
 *  that name an unknown kid, while AuthBearerKeysRefresh min= prevents a fetch for it. */
const bearer_throttle_token_t *ab_provider_counted(attempt_t *a, bearer_reason_t reason);

/** Returns a number that changes when the keys of some issuer change. */
apr_uint64_t ab_provider_keys(const process_t *process);

/** Has this provider already answered the same question in this request? Then returns 1
 *  and restores its result. An <If> ahead of authentication is evaluated more than
 *  once, and again for each subrequest.
 *  @param key  BEARER_SHA256_SIZE bytes that identify the question */
int ab_provider_recall(attempt_t *a, bearer_provider_id_t by, const unsigned char *key,
                       bearer_verdict_t *verdict);
/** Records the result in the judgement for ab_provider_recall(). */
void ab_provider_note(attempt_t *a, bearer_provider_id_t by, const unsigned char *key,
                      bearer_verdict_t verdict);

/** Returns the settings of the location, including the issuer's layer if it has one. */
const bearer_settings_t *ab_provider_settings(attempt_t *a,
                                              const bearer_issuer_t *issuer);

/** Log text for a cookie refused because the request came from another site. */
extern const char ab_provider_cross_site[];

/* The providers, each in its provider_*.c. See the top of this file for the results. */
bearer_verdict_t ab_provider_jwt(attempt_t *a);
bearer_verdict_t ab_provider_introspection(attempt_t *a);
bearer_verdict_t ab_provider_session(attempt_t *a);
