/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file judge.h
 * The checks of docs/architecture.md, in order, as a table. The server runs it for every
 * token; `htbearer explain` runs the same table with an observer.
 *
 * The first half (checks 2 to 7) is for JWTs. The second half (8 to 12) checks
 * claims, and also applies to introspection responses.
 *
 * A judgement is a value on the caller's stack. Several threads may judge at the same
 * time, each with its own judgement. Only checks 6 and 7 (`keys`) fetch anything, after
 * the checks that need no fetch have passed.
 */
#pragma once

#include "base/finding.h"
#include "base/reason.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "judge/principal.h"
#include "keys/keypool.h"
#include "trust/issuer.h"
#include "trust/settings.h"

typedef enum {
    BEARER_NOT_MINE,   /**< the next provider may try */
    BEARER_GRANTED,
    BEARER_DENIED      /**< final; the reason's category also says if something is
                            unavailable */
} bearer_verdict_t;

typedef struct bearer_judgement_t bearer_judgement_t;

/** One row of the table. */
typedef struct bearer_check_t {
    int number;              /**< number in docs/architecture.md */
    const char *name;        /**< e.g. "audience" */
    const char *directive;   /**< the directive to change, or NULL */
    int on;                  /**< BEARER_ON_JWT | BEARER_ON_CLAIMS */
    unsigned needs;          /**< BEARER_HAS_...: required to run */
    unsigned gives;          /**< BEARER_HAS_...: known after it has passed */
    bearer_reason_t (*run)(bearer_judgement_t *j);
} bearer_check_t;
#define BEARER_ON_JWT 1
#define BEARER_ON_CLAIMS 2
#define BEARER_ON_ID 4       /**< ID tokens (OpenID Connect Core 1.0) */
#define BEARER_ON_LOGOUT 8   /**< logout tokens (Back-Channel Logout 1.0) */
#define BEARER_ON_USERINFO 16 /**< signed userinfo (OpenID Connect Core section 5.3.2) */

/** An ID token is fetched when it is issued, and a logout token is delivered at
 *  once. An older token was stored in between, and is refused. */
#define BEARER_LOGIN_RECENT apr_time_from_sec(600)

#define BEARER_HAS_JWS 1u      /**< j->jws is parsed */
#define BEARER_HAS_CLAIMS 2u   /**< j->claims */
#define BEARER_HAS_ALG 4u      /**< j->jws.facts.alg */
#define BEARER_HAS_KID 8u      /**< j->jws.facts.kid was checked */
#define BEARER_HAS_ISSUER 16u  /**< j->issuer, and its layer in j->settings */
#define BEARER_HAS_KEY 32u     /**< j->key */

/** Data about all issuers together; computed once per configuration. */
typedef struct bearer_judge_common_t {
    bearer_algs_t algorithms;    /**< check 3: algorithms accepted for any issuer */
    const apr_array_header_t *prefixes; /**< const char *: all AuthBearerTokenPrefix values */
    unsigned char first[256];    /**< 1: a prefix begins with this byte */
} bearer_judge_common_t;

/** What an ID token or a logout token is compared with, in addition to the tables. */
typedef struct bearer_expected_t {
    const bearer_issuer_t *issuer;  /**< the issuer of the login; NULL for a logout
                                         token: any declared issuer */
    const char *nonce;         /**< as sent; NULL: a refreshed ID token, which may have none */
    const char *access_token;  /**< for at_hash; NULL: none */
    const char *sub;           /**< a refreshed ID token must have the same sub; NULL:
                                    not checked */
    const apr_array_header_t *acr_values; /**< const char *: acr must be one of them;
                                               NULL: not requested */
    apr_interval_time_t max_age; /**< maximum age of auth_time; negative: not requested */
    const char *tenant;        /**< of the session, if the issuer has {tenant}; NULL: any
                                    admitted tenant */
} bearer_expected_t;

struct bearer_judgement_t {
    /* ---- set by the caller; all must outlive the call ---- */
    apr_pool_t *p;                       /**< results */
    apr_time_t now;
    const bearer_issuers_t *issuers;     /**< issuers declared in this vhost */
    const bearer_settings_t *defaults, *server, *dir;  /**< layers; server and dir may be
                                                            NULL */
    const bearer_judge_common_t *common; /**< from bearer_judge_prepare(issuers,
                                              defaults, server); NULL: computed for this
                                              judgement */
    const char *method;                  /**< "jwt", "introspection", ... */
    /**
     * Checks 6 and 7: returns a counted reference to the issuer's keys, or to newer
     * ones than *set, as bearer_keypool_get() does. If the issuer is a template,
     * j->tenant (accepted) says whose keys to return.
     */
    bearer_reason_t (*keys)(void *baton, const bearer_issuer_t *issuer,
                            bearer_wish_t *wish, bearer_jwks_t **set,
                            bearer_refusal_t *why, apr_pool_t *p);
    /**
     * Returns 1 if keys() for BEARER_WISH_KEYS would now return from memory or a local
     * file. If it would use the network, or if the kid is unknown, all other checks
     * run first, so that nothing is fetched for a token that is refused anyway. NULL:
     * keys() never uses the network.
     */
    int (*keys_at_hand)(void *baton, const bearer_issuer_t *issuer);
    /** Check 11; NULL: no list. Returns BEARER_OK, BEARER_REVOKED or
     *  BEARER_REVOCATION_LIST. token may be NULL. */
    bearer_reason_t (*revoked)(void *baton, const char *iss, const char *jti,
                               const char *token, apr_size_t token_len,
                               bearer_refusal_t *why, apr_pool_t *p);
    /** Returns the content of a tenants file, or NULL. */
    const apr_array_header_t *(*tenants)(void *baton,
                                         const bearer_issuer_t *issuer,
                                         apr_pool_t *p);
    void *baton;                         /**< for the four functions above */
    /** Called after each check; may be NULL. */
    void (*observe)(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j);
    void *observe_baton;
    /** For explain: continue after a failed check if that makes sense. */
    int keep_going;
    /** Cached headers of recently verified tokens; NULL: each header is parsed. */
    bearer_headers_t *headers;
    /** For ID tokens and logout tokens only. */
    const bearer_expected_t *expected;

    /* ---- filled by the judge ---- */
    bearer_settings_t settings;          /**< resolved; from check 5 on, with the
                                              issuer's layer */
    int on;                              /**< BEARER_ON_...; this and the following
                                              members are zeroed at the start */
    unsigned has;                        /**< BEARER_HAS_ bits */
    const char *token;                   /**< as presented; or NULL */
    apr_size_t token_len;
    bearer_jws_t jws;
    json_t *claims;
    const char *iss;                     /**< unverified until check 7 */
    const bearer_issuer_t *issuer;
    const char *tenant;
    int held_back;                       /**< refused because of an unknown kid, and a
                                              fetch for it must wait (bearer_wish_t) */
    const bearer_jwk_t *key;             /**< key and set are valid only while the checks
                                              run: the judge releases the set */
    bearer_jwks_t *set;
    int not_mine;                        /**< set by check 5 */
    const bearer_principal_t *principal; /**< when granted */
    bearer_refusal_t why;                /**< when denied or not mine */
};

/**
 * Judges a compact JWT. Returns BEARER_NOT_MINE if it does not look like a JWT, or if
 * its issuer is not declared, not accepted here, or uses introspection for all tokens
 * (for=all); `why` then says which, for the log.
 */
bearer_verdict_t bearer_judge_jwt(bearer_judgement_t *j, const char *token,
                                  apr_size_t len);

/**
 * Judges claims that issuer confirmed (an introspection response). token is only
 * needed for the revocation list. If iss is absent, it is the issuer's; exp may be
 * absent.
 */
bearer_verdict_t bearer_judge_claims(bearer_judgement_t *j, json_t *claims,
                                     const bearer_issuer_t *issuer,
                                     const char *token, apr_size_t len);

/**
 * Judges a token about a login. If granted, j->claims are its claims; there is no
 * principal. j->dir is not used.
 * @param on  BEARER_ON_ID: an ID token of the issuer in j->expected (OpenID Connect
 *            Core 1.0 section 3.1.3.7; without a nonce: section 12.2).
 *            BEARER_ON_LOGOUT: a logout token (Back-Channel Logout 1.0 section 2.6),
 *            except the replay check of its jti; sets j->issuer if granted. exp may
 *            be absent: some issuers omit it, and BEARER_LOGIN_RECENT limits the use.
 *            BEARER_ON_USERINFO: signed userinfo of the issuer in j->expected; the
 *            caller compares its sub
 */
bearer_verdict_t bearer_judge_login(bearer_judgement_t *j, int on, const char *token);

/** Computes the common data, in p. Call it once per configuration. */
const bearer_judge_common_t *
bearer_judge_prepare(const bearer_issuers_t *issuers,
                     const bearer_settings_t *defaults,
                     const bearer_settings_t *server, apr_pool_t *p);

/** Returns row i of the table, or NULL after the last. */
const bearer_check_t *bearer_judge_check(int i);

/** Returns 1 if these settings accept this issuer. */
int bearer_judge_accepts(const bearer_settings_t *settings,
                         const bearer_issuer_t *issuer);

/** Returns 1 if these settings include this provider. */
int bearer_judge_provides(const bearer_settings_t *settings,
                          bearer_provider_id_t provider);

/** Returns the algorithms accepted for tokens of this issuer. Symmetric algorithms
 *  count only if its keys come from a local file. settings must be resolved with
 *  its layer. */
bearer_algs_t bearer_judge_algorithms(const bearer_settings_t *settings,
                                      const bearer_issuer_t *issuer);

/**
 * Appends findings about contradictions in the configuration that affect judging
 * (audience missing, email as user claim, several issuers without a user format,
 * NoAudience accept without Clients, ...). Layers as in the judgement. Call it for
 * one section with `AuthType Bearer`. The text about an issuer is the same for all
 * sections that accept it.
 */
void bearer_judge_lint(apr_array_header_t *findings, const bearer_issuers_t *issuers,
                       const bearer_settings_t *defaults,
                       const bearer_settings_t *server,
                       const bearer_settings_t *dir, apr_pool_t *p);

/** Numbers of errors that another section or an .htaccess file may still correct:
 *  a missing audience or session service. */
#define BEARER_FINDING_NO_AUDIENCE 713
#define BEARER_FINDING_NO_SESSION_CHECK 723

/**
 * Checks that the user names of different issuers or tenants differ. Returns NULL, or
 * what AuthBearerUserFormat lacks if several issuers are accepted, or several tenants
 * of issuer (NULL: not known). Allocates nothing if the result is NULL.
 * @param here  resolved
 */
const char *bearer_judge_names_error(const bearer_issuers_t *issuers,
                                     const bearer_settings_t *here,
                                     const bearer_issuer_t *issuer,
                                     apr_pool_t *p);

/** Warns if a format can give users of two issuers or tenants the same name
 *  because a name may contain the separator. Layers as for bearer_judge_lint(). */
void bearer_judge_lint_names(apr_array_header_t *findings,
                             const bearer_issuers_t *issuers,
                             const bearer_settings_t *defaults,
                             const bearer_settings_t *server,
                             const bearer_settings_t *dir, apr_pool_t *p);

/** Returns what a token with this typ in its header is ("a DPoP proof"), if it is
 *  never an access token whatever the configuration; else NULL. */
const char *bearer_judge_other_kind(const char *typ);

/** The text of BEARER_FINDING_NO_SESSION_CHECK. */
extern const char bearer_judge_no_session_check[];
/** The text if two ways to sign in meet. */
extern const char bearer_judge_two_logins[];

/** Returns the text of BEARER_FINDING_NO_AUDIENCE, or NULL if it does not apply. */
const char *bearer_judge_audience_error(const bearer_issuers_t *issuers,
                                        const bearer_settings_t *defaults,
                                        const bearer_settings_t *server,
                                        const bearer_settings_t *dir,
                                        apr_pool_t *p);

/** Returns 1 if sessions are accepted here and tokens are not, because none has an
 *  audience that would do. Layers as for bearer_judge_lint(). */
int bearer_judge_sessions_only(const bearer_issuers_t *issuers,
                               const bearer_settings_t *defaults,
                               const bearer_settings_t *server,
                               const bearer_settings_t *dir, apr_pool_t *p);
