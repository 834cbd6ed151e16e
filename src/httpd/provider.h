/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file provider.h
 * One authentication under way, and what the providers of the chain need for it.
 * For authn.c, verified.c and provider_*.c only; an attempt belongs to its request
 * and thread.
 *
 * A provider answers BEARER_NOT_MINE (the next one), BEARER_GRANTED with
 * a->judgement.principal, or BEARER_DENIED with a->judgement.why, whose category
 * tells "denied" from "unavailable".
 */
#pragma once

#include "process.h"
#include "request.h"

/** One authentication under way. */
typedef struct attempt_t {
    request_rec *r;
    process_t *process;
    const server_config_t *server;
    const dir_config_t *dir;
    request_t *own;
    const bearer_settings_t *settings;  /**< before an issuer is known */
    const credential_t *credential;
    const char *cookies;           /**< those that a session store would be asked
                                        about, or NULL */
    unsigned char key[BEARER_SHA256_SIZE];    /**< of policy and token */
    int keyed;                     /**< key is filled */
    unsigned char revocable[BEARER_SHA256_SIZE]; /**< the revocation list's */
    int throttling;           /**< failures count for the address */
    int remembered;           /**< something is known of it */
    int vouched;              /**< it is throttled; the token was verified before */
    unsigned char address[BEARER_THROTTLE_KEY_SIZE];
    bearer_throttle_token_t presented;
    apr_uint64_t generation;       /**< of the keys it is judged with; 0: unsure */
    apr_uint64_t tenants_version;  /**< before its tenant was looked up; 0: not */
    unsigned retry;                /**< seconds for Retry-After; 0: the default */
    bearer_judgement_t judgement;
    int ahead;                     /**< nothing may come of it but this: */
    const bearer_principal_t *found;
} attempt_t;

/** Is there one token, well-formed? */
#define ATTEMPT_HAS_TOKEN(a) ((a)->credential->reason == BEARER_OK)

/** Fills a->judgement with what every judgement needs. */
void ab_provider_begin(attempt_t *a, const char *method);

/** 32 bytes that differ wherever something else was written for this place or its
 *  server, or is behind it. All 0 if that fails.
 *  @param more  a token; NULL: nothing, with len 0 */
apr_status_t ab_provider_policy(const attempt_t *a, const char *more, apr_size_t len,
                                unsigned char *policy);

/** What the throttle knows the token (and the cookies) by. */
const bearer_throttle_token_t *ab_provider_presented(attempt_t *a);

/** Was that provider's question put in this request before? 1, and the judgement says
 *  again what came of it: for an <If> ahead of authentication, which is evaluated more
 *  than once, and again for a subrequest.
 *  @param key  BEARER_SHA256_SIZE bytes that tell the question from others */
int ab_provider_recall(attempt_t *a, bearer_provider_id_t by, const unsigned char *key,
                       bearer_verdict_t *verdict);
/** Writes down for that what the judgement says. */
void ab_provider_note(attempt_t *a, bearer_provider_id_t by, const unsigned char *key,
                      bearer_verdict_t verdict);

/** The settings of the place, with the issuer's layer where it has one. */
const bearer_settings_t *ab_provider_settings(attempt_t *a,
                                              const bearer_issuer_t *issuer);

/** Why a cookie from another site is refused, for the log. */
extern const char ab_provider_cross_site[];

/* the providers: one provider_*.c each */
bearer_verdict_t ab_provider_jwt(attempt_t *a);
bearer_verdict_t ab_provider_introspection(attempt_t *a);
bearer_verdict_t ab_provider_session(attempt_t *a);
