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
#pragma once

#include "base/finding.h"
#include "base/reason.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "judge/principal.h"
#include "trust/issuer.h"
#include "trust/settings.h"

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
    unsigned needs;          /**< BEARER_HAS_...: not run without */
    unsigned gives;          /**< what is known once it has passed */
    bearer_reason_t (*run)(bearer_judgement_t *j);
} bearer_check_t;
#define BEARER_ON_JWT 1
#define BEARER_ON_CLAIMS 2
#define BEARER_ON_ID 4       /**< ID tokens (OpenID Connect Core 1.0) */
#define BEARER_ON_LOGOUT 8   /**< logout tokens (Back-Channel Logout 1.0) */

#define BEARER_HAS_JWS 1u      /**< j->jws is parsed */
#define BEARER_HAS_CLAIMS 2u   /**< j->claims */
#define BEARER_HAS_ALG 4u      /**< j->jws.facts.alg */
#define BEARER_HAS_KID 8u      /**< j->jws.facts.kid is looked at */
#define BEARER_HAS_ISSUER 16u  /**< j->issuer, and its layer in j->settings */
#define BEARER_HAS_KEY 32u     /**< j->key */

/** What judging needs of all issuers together; made once per configuration. */
typedef struct bearer_judge_common_t {
    bearer_algs_t algorithms;    /**< check 3: accepted of any issuer */
    const apr_array_header_t *prefixes; /**< const char *: every
                                             AuthBearerTokenPrefix */
    unsigned char first[256];    /**< 1: a prefix begins with this byte */
} bearer_judge_common_t;

/** What an ID token or a logout token is measured by, beside the tables. */
typedef struct bearer_expected_t {
    const bearer_issuer_t *issuer;  /**< the one that was asked; NULL for a logout
                                         token: any that is declared */
    const char *nonce;         /**< as sent; NULL: a refreshed ID token, which
                                    need not have one */
    const char *access_token;  /**< for at_hash; NULL: there is none */
    const char *sub;           /**< a refreshed ID token is about the same
                                    person; NULL: not asked */
    const apr_array_header_t *acr_values; /**< const char *: one of them must be
                                    in acr; NULL: none was asked for */
    apr_interval_time_t max_age; /**< auth_time is at most so long ago; below 0:
                                    not asked for */
} bearer_expected_t;

struct bearer_judgement_t {
    /* ---- given by the caller; all outlive the call ---- */
    apr_pool_t *p;                       /**< results */
    apr_time_t now;
    const bearer_issuers_t *issuers;     /**< declared in this vhost */
    const bearer_settings_t *defaults, *server, *dir;  /**< layers; server
                                              and dir may be NULL */
    const bearer_judge_common_t *common; /**< of bearer_judge_prepare(issuers,
                                              defaults, server); NULL: made for
                                              this judgement */
    const char *method;                  /**< "jwt", "introspection", ... */
    /**
     * Check 6: a counted reference to the issuer's keys. With unknown_kid the
     * caller holds *set already and found nothing in it: refresh if that is
     * due, replace *set and answer BEARER_OK, else BEARER_KEY or BEARER_KEYS.
     * Where the issuer is a template, j->tenant (admitted) says whose keys.
     */
    bearer_reason_t (*keys)(void *baton, const bearer_issuer_t *issuer,
                            int unknown_kid, const char *kid,
                            bearer_jwks_t **set, bearer_refusal_t *why,
                            apr_pool_t *p);
    /**
     * 1: keys() with unknown_kid 0 would answer from memory or a local file
     * now. Where it would ask the network, or an unknown kid makes it, every
     * other check is run before, so that nothing is fetched for a token that is
     * refused anyway. NULL: keys() never asks the network.
     */
    int (*keys_at_hand)(void *baton, const bearer_issuer_t *issuer);
    /** Check 11; NULL: there is no list. BEARER_OK, BEARER_REVOKED or
     *  BEARER_REVOCATION_LIST. token may be NULL. */
    bearer_reason_t (*revoked)(void *baton, const char *iss, const char *jti,
                               const char *token, apr_size_t token_len,
                               bearer_refusal_t *why, apr_pool_t *p);
    /** Content of a tenants file, or NULL. */
    const apr_array_header_t *(*tenants)(void *baton,
                                         const bearer_issuer_t *issuer,
                                         apr_pool_t *p);
    void *baton;                         /**< of the four above */
    /** Sees each check after it ran; may be NULL. */
    void (*observe)(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j);
    void *observe_baton;
    /** explain: go on behind a failed check where that makes sense. */
    int keep_going;
    /** Headers of tokens verified lately; NULL: each is parsed. */
    bearer_headers_t *headers;
    /** For ID tokens and logout tokens only. */
    const bearer_expected_t *expected;

    /* ---- filled on the way ---- */
    bearer_settings_t settings;          /**< resolved, with the issuer's layer
                                              from check 5 on */
    int on;                              /**< BEARER_ON_...; from here on zero when
                                              it begins */
    unsigned has;                        /**< BEARER_HAS_ bits */
    const char *token;                   /**< as presented; or NULL */
    apr_size_t token_len;
    bearer_jws_t jws;
    json_t *claims;
    const char *iss;                     /**< unverified until check 7 */
    const bearer_issuer_t *issuer;
    const char *tenant;
    apr_uint64_t key_digest;             /**< first 8 bytes of the set's digest */
    const bearer_jwk_t *key;             /**< these two while the checks run:
                                              the judge releases the set */
    bearer_jwks_t *set;
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

/**
 * Judges what an issuer says about a login. j->claims are its claims when granted;
 * there is no principal. j->dir is not used.
 * @param on  BEARER_ON_ID: an ID token of the issuer that j->expected names (OpenID
 *            Connect Core 1.0 section 3.1.3.7; without a nonce: section 12.2).
 *            BEARER_ON_LOGOUT: a logout token (Back-Channel Logout 1.0 section 2.6),
 *            all but the replay of its jti; j->issuer when granted
 */
bearer_verdict_t bearer_judge_login(bearer_judgement_t *j, int on, const char *token);

/** Once per configuration, in p. */
const bearer_judge_common_t *
bearer_judge_prepare(const bearer_issuers_t *issuers,
                     const bearer_settings_t *defaults,
                     const bearer_settings_t *server, apr_pool_t *p);

/** Row i of the table, NULL behind the last. */
const bearer_check_t *bearer_judge_check(int i);

/** Is this issuer accepted where these settings are in force? */
int bearer_judge_accepts(const bearer_settings_t *settings,
                         const bearer_issuer_t *issuer);

/** Is this provider in their chain? */
int bearer_judge_provides(const bearer_settings_t *settings,
                          bearer_provider_id_t provider);

/** May tokens of this issuer be signed so? Symmetric algorithms count only where
 *  its keys come from a local file. settings: resolved with its layer. */
bearer_algs_t bearer_judge_algorithms(const bearer_settings_t *settings,
                                      const bearer_issuer_t *issuer);

/**
 * What the configuration contradicts itself in, as far as judging goes
 * (audience missing, email as user claim, several issuers without a user
 * format, NoAudience accept without Clients, ...): appends to findings. Layers as in
 * the judgement. Meant for one section with `AuthType Bearer`; a text about an issuer
 * is the same for every section that accepts it.
 */
void bearer_judge_lint(apr_array_header_t *findings, const bearer_issuers_t *issuers,
                       const bearer_settings_t *defaults,
                       const bearer_settings_t *server,
                       const bearer_settings_t *dir, apr_pool_t *p);

/** The numbers of its errors that another section, or an .htaccess file, may still
 *  correct: an audience or a session service is missing. */
#define BEARER_FINDING_NO_AUDIENCE 713
#define BEARER_FINDING_NO_SESSION_CHECK 723

/**
 * What keeps two people apart that issuers know by the same claim: NULL, or what
 * AuthBearerUserFormat lacks where several issuers are accepted, or several tenants
 * of issuer (NULL: not known). Nothing is allocated for NULL.
 * @param here  resolved
 */
const char *bearer_judge_names_error(const bearer_issuers_t *issuers,
                                     const bearer_settings_t *here,
                                     const bearer_issuer_t *issuer,
                                     apr_pool_t *p);

/** Warns if a format can give users of two issuers or tenants the same name because
 *  a separator is part of a name. Layers as for bearer_judge_lint(). */
void bearer_judge_lint_names(apr_array_header_t *findings,
                             const bearer_issuers_t *issuers,
                             const bearer_settings_t *defaults,
                             const bearer_settings_t *server,
                             const bearer_settings_t *dir, apr_pool_t *p);

/** The text of BEARER_FINDING_NO_SESSION_CHECK. */
extern const char bearer_judge_no_session_check[];

/** The text of BEARER_FINDING_NO_AUDIENCE, or NULL. */
const char *bearer_judge_audience_error(const bearer_issuers_t *issuers,
                                        const bearer_settings_t *defaults,
                                        const bearer_settings_t *server,
                                        const bearer_settings_t *dir,
                                        apr_pool_t *p);
