/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file principal.h
 * The caller's identity. Every credential is converted to a principal; authorization,
 * export and logging see only the principal.
 *
 * A principal is immutable once built. All its data is in one pool, so that it can be
 * cached with verified tokens and read by many threads.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>
#include <jansson.h>

#include "base/reason.h"
#include "trust/issuer.h"
#include "trust/settings.h"

/** How a token is bound to a key, by its `cnf` (RFC 7800 section 3.1). OTHER: not in a way
 *  that this module knows: it is not an object, has neither `jkt` nor `x5t#S256`, or one
 *  that is not the base64url of 32 octets. */
#define BEARER_BOUND_DPOP 1u   /**< jkt: RFC 9449 section 6 */
#define BEARER_BOUND_MTLS 2u   /**< x5t#S256: RFC 8705 section 3.1 */
#define BEARER_BOUND_OTHER 4u

typedef struct bearer_principal_t {
    const char *method;       /**< "jwt", "introspection", "session", "cookie",
                                   "anonymous" */
    const char *user;         /**< becomes r->user; NULL: anonymous */
    const char *user_value;   /**< %u: the user claim after applying its regex */
    const bearer_issuer_t *issuer;  /**< NULL for session checks */
    const char *iss;          /**< the actual iss; "" if there is none */
    const char *client;       /**< calling client, or NULL */
    const char *jti;          /**< or NULL */
    unsigned bound;           /**< BEARER_BOUND_...; 0: not bound to a key (no cnf) */
    apr_time_t expires;       /**< 0: not known */
    apr_time_t not_before;    /**< 0: none */
    apr_time_t issued;        /**< 0: not known */
    const apr_array_header_t *scopes;  /**< const char *; never NULL */
    const apr_array_header_t *roles;   /**< roles only, pooled paths */
    const apr_array_header_t *groups;
    const char *scope;        /**< scopes joined by a space, "" if none */
    /** One log line (const char *) for each scope, role and group that is ignored
     *  because an application would read another name; NULL: none. */
    const apr_array_header_t *left_out;
    json_t *claims;           /**< an object; never modified; never NULL */
    /** Names (const char *) of claims that the issuer stated and the session did not keep
     *  (AuthBearerSessionClaims); NULL: none. Their values are unknown, not absent. */
    const apr_array_header_t *dropped;
    /** Name, value, name, value ... (const char *) for the application. Code that
     *  caches the principal prepares it once (bearer_exports_prepare); NULL: not
     *  prepared. */
    const apr_array_header_t *exported_env, *exported_headers;
    /** The token's digest in the revocation list, for a later cache hit. Code that
     *  caches the principal fills it; else zero. */
    unsigned char token_digest[32];
} bearer_principal_t;

/** Returns the anonymous principal (BEARER_METHOD=anonymous), in p. */
const bearer_principal_t *bearer_principal_anonymous(apr_pool_t *p);

/**
 * Builds a principal from claims that have passed the checks. Applies the user claim,
 * its regex, check 12 and the user format; collects scopes, roles and groups.
 * @param tenant    of a {tenant} issuer, else NULL
 * @param settings  resolved; its user_claim is used
 * @param claims    must live as long as p; no reference is taken
 * @return BEARER_OK, BEARER_USER_CLAIM (absent, wrong type, regex does not match),
 *         BEARER_IDENTIFIER, or BEARER_CONFIGURATION (the regex fails)
 */
bearer_reason_t bearer_principal_build(const bearer_principal_t **principal,
                                       const char *method, json_t *claims,
                                       const bearer_issuer_t *issuer,
                                       const char *iss, const char *tenant,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p);

/** Check 8 for the user claim: the first of its paths that is present must be a string.
 *  Except for `sub`, an integer is accepted. If sub is present, it must be a string in
 *  any case.
 *  Returns BEARER_OK or BEARER_USER_CLAIM; allocates nothing for BEARER_OK. */
bearer_reason_t bearer_principal_user_claim(const json_t *claims,
                                            const bearer_settings_t *settings,
                                            bearer_refusal_t *why,
                                            apr_pool_t *p);

/** Returns the claim that names the calling client: the first of azp, client_id,
 *  appid and cid that is present; *name is its name. NULL: none. */
const json_t *bearer_principal_client_claim(const json_t *claims, const char **name);

/** Returns the same as text; NULL also if it is empty or not a string. Under
 *  AuthBearerIDTokens accept, the only aud is the client of a token that names none. */
const char *bearer_principal_client(const json_t *claims,
                                    const bearer_settings_t *settings);

/** Returns the jti by which the revocation list may name the token (besides its
 *  digest): a string, or in decimal, in p, an integer, which RFC 7519 does not
 *  allow but some issuers use. NULL: none. */
const char *bearer_principal_jti(const json_t *claims, apr_pool_t *p);

/** Returns the name of a dropped claim in which a value at the path could be; NULL: what
 *  the claims say about the path is all that the issuer said. */
const char *bearer_principal_lost(const bearer_principal_t *principal,
                                  const bearer_path_t *path);
/** The same for paths that are pooled (const bearer_path_t *). */
const char *bearer_principal_lost_of(const bearer_principal_t *principal,
                                     const apr_array_header_t *paths);

/** Returns the thumbprint of the key that must sign proofs (RFC 9449 section 6): 43
 *  characters. NULL: not BEARER_BOUND_DPOP. Borrowed from the claims. */
const char *bearer_principal_jkt(const bearer_principal_t *principal);

/** Returns the thumbprint of the client's certificate (RFC 8705 section 3.1): 43
 *  characters. NULL: not BEARER_BOUND_MTLS. Borrowed from the claims. */
const char *bearer_principal_x5t(const bearer_principal_t *principal);

/** X(symbol, the word after `Require`). Each has a row KIND_symbol in the glue's
 *  authz.c, and a case in htbearer's explain. Another httpd module may also use
 *  the name of CLAIM. */
#define BEARER_REQUIRES(X) \
    X(CLAIM, "claim") \
    X(BEARER_CLAIM, "bearer-claim") \
    X(SCOPE, "scope") \
    X(ROLE, "role") \
    X(ISSUER, "issuer") \
    X(ACTOR, "actor") \
    X(DETAILS, "authorization-details") \
    X(AUTHENTICATION, "authentication") \
    X(EXPR, "bearer-expr")

typedef enum {
#define X(symbol, word) BEARER_REQUIRE_##symbol,
    BEARER_REQUIRES(X)
#undef X
    BEARER_REQUIRE_COUNT
} bearer_require_t;

/** Returns 1 if the granted scopes include wanted under this strategy. */
int bearer_principal_has_scope(const bearer_principal_t *principal,
                               const char *wanted,
                               bearer_scope_strategy_t strategy);

/** Returns 1 if role is one of the roles or groups. */
int bearer_principal_has_role(const bearer_principal_t *principal,
                              const char *role);

/** Returns 1 if this is the subject of the outermost `act` (RFC 8693 section 4.1); -1 if
 *  that is malformed, and so nobody knows. */
int bearer_principal_has_actor(const bearer_principal_t *principal, const char *sub);

/** Returns 1 if `acr` is one of these authentication contexts, or an array with one of
 *  them. wanted: const char *. */
int bearer_principal_acr_among(const json_t *claims, const apr_array_header_t *wanted);
/** Returns `acr` for the log, quoted, in p. */
const char *bearer_principal_acr_text(const json_t *claims, apr_pool_t *p);

/** Returns 1 if the principal comes from this issuer: by the iss of its token, or
 *  by the issuer's URL in the configuration (for an alias or a {tenant}). */
int bearer_principal_is_of(const bearer_principal_t *principal, const char *issuer);
