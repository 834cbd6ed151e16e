/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authn.h
 * What the providers of the chain get from authn.c, and it from them. For
 * authn.c and provider_*.c only.
 *
 * A provider answers BEARER_NOT_MINE (the next one), BEARER_GRANTED with
 * a->judgement.principal, or BEARER_DENIED with a->judgement.why, whose category
 * tells "denied" from "unavailable".
 */
#ifndef AUTHN_H
#define AUTHN_H

#include "glue.h"

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
void ab_authn_begin_judgement(attempt_t *a, const char *method);

/** Keeps the principal that was granted among the verified tokens.
 *  @param until  the last moment it may be used at without asking again */
void ab_authn_remember_until(attempt_t *a, apr_time_t until);

/** 32 bytes that differ wherever something else was written for this place or its
 *  server. */
void ab_authn_policy(const attempt_t *a, unsigned char *policy);

/** Why a cookie from another site is refused, for the log. */
extern const char ab_authn_cross_site[];

/* provider_introspection.c */
bearer_verdict_t ab_provider_introspection(attempt_t *a);

/* provider_session_check.c */
bearer_verdict_t ab_provider_session(attempt_t *a);

#endif
