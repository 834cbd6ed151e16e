/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file judge.h
 * The checks of product.md 3.1, in their order, as one table. The server runs
 * it for every token; `htbearer explain` runs the same table and watches.
 *
 * The first half (checks 2 to 7) is about a JWT; the second half (8 to 12) is
 * about claims, and judges an introspection answer just as well.
 *
 * A judgement is a value on the caller's stack; several threads may judge at
 * once as long as each has its own. Nothing is fetched before the checks that
 * need nothing have passed: only check 6 calls `keys`.
 */
#ifndef BEARER_JUDGE_H
#define BEARER_JUDGE_H

#include "bearer/issuer.h"
#include "bearer/jwk.h"
#include "bearer/jws.h"
#include "bearer/principal.h"
#include "bearer/reason.h"
#include "bearer/settings.h"

typedef enum {
    BEARER_NOT_MINE,   /**< the next provider may try */
    BEARER_GRANTED,
    BEARER_DENIED      /**< final; the reason's category tells unavailable too */
} bearer_verdict_t;

typedef struct bearer_judgement_t bearer_judgement_t;

/** One row of the table. */
typedef struct bearer_check_t {
    int number;              /**< of product.md 3.1 */
    const char *name;        /**< e.g. "audience" */
    const char *directive;   /**< what an administrator would change, or NULL */
    int on;                  /**< BEARER_ON_JWT | BEARER_ON_CLAIMS */
    bearer_reason_t (*run)(bearer_judgement_t *j);
} bearer_check_t;
#define BEARER_ON_JWT 1
#define BEARER_ON_CLAIMS 2

struct bearer_judgement_t {
    /* ---- given by the caller; all outlive the call ---- */
    apr_pool_t *p;                       /**< results */
    apr_time_t now;
    const bearer_issuers_t *issuers;     /**< declared in this vhost */
    const bearer_settings_t *defaults, *server, *dir;  /**< layers */
    const char *method;                  /**< "jwt", "introspection", ... */
    /**
     * Check 6: a counted reference to the issuer's keys. With unknown_kid the
     * caller holds *set already and found nothing in it: refresh if that is
     * due, replace *set and answer BEARER_OK, else BEARER_KEY or BEARER_KEYS.
     */
    bearer_reason_t (*keys)(void *baton, const bearer_issuer_t *issuer,
                            int unknown_kid, const char *kid,
                            bearer_jwks_t **set, bearer_refusal_t *why,
                            apr_pool_t *p);
    void *keys_baton;
    /** Check 11; NULL: there is no list. BEARER_OK, BEARER_REVOKED or
     *  BEARER_REVOCATION_LIST. token may be NULL. */
    bearer_reason_t (*revoked)(void *baton, const char *iss, const char *jti,
                               const char *token, apr_size_t token_len,
                               bearer_refusal_t *why, apr_pool_t *p);
    void *revoked_baton;
    /** Content of a tenants file, or NULL. */
    const apr_array_header_t *(*tenants)(void *baton,
                                         const bearer_issuer_t *issuer,
                                         apr_pool_t *p);
    void *tenants_baton;
    /** Sees each check after it ran; may be NULL. */
    void (*observe)(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j);
    void *observe_baton;
    /** explain: go on behind a failed check where that makes sense. */
    int keep_going;

    /* ---- filled on the way ---- */
    bearer_settings_t settings;          /**< resolved, with the issuer's layer
                                              from check 5 on */
    bearer_jws_t jws;
    json_t *claims;
    const char *iss;                     /**< unverified until check 7 */
    const bearer_issuer_t *issuer;
    const char *tenant;
    const bearer_jwk_t *key;
    apr_uint64_t key_digest;             /**< first 8 bytes of the set's digest */
    bearer_jwks_t *set;                  /**< released by the judge */
    int not_mine;                        /**< set by check 5 */
    const bearer_principal_t *principal; /**< when granted */
    bearer_refusal_t why;                /**< when denied or not mine */
};

/**
 * Judges a compact JWT. BEARER_NOT_MINE if it does not look like one, or its
 * issuer is not declared, not accepted here, or asked about by introspection
 * (for=all); `why` says which, for the log of the whole chain.
 */
bearer_verdict_t bearer_judge_jwt(bearer_judgement_t *j, const char *token,
                                  apr_size_t len);

/**
 * Judges claims that issuer vouches for (an introspection answer; token only for
 * the revocation list). An absent iss is the issuer's; an absent exp is allowed.
 */
bearer_verdict_t bearer_judge_claims(bearer_judgement_t *j, json_t *claims,
                                     const bearer_issuer_t *issuer,
                                     const char *token, apr_size_t len);

/** Row i of the table, NULL behind the last. */
const bearer_check_t *bearer_judge_check(int i);

/** Is this issuer accepted where these settings are in force? */
int bearer_judge_accepts(const bearer_settings_t *settings,
                         const bearer_issuer_t *issuer);

/** The calling client of some claims: azp, else client_id, appid, cid. */
const char *bearer_judge_client(const json_t *claims);

/**
 * What the configuration contradicts itself in, as far as judging goes
 * (audience missing, email as user claim, several issuers without a user
 * format, NoAudience accept without Clients, ...). const char *, each with the
 * mend; errors and warnings apart. Layers as in the judgement.
 */
void bearer_judge_lint(apr_array_header_t *errors, apr_array_header_t *warnings,
                       const bearer_issuers_t *issuers,
                       const bearer_settings_t *defaults,
                       const bearer_settings_t *server,
                       const bearer_settings_t *dir, apr_pool_t *p);

#endif
