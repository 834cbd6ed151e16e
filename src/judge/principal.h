/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file principal.h
 * Who is asking: the one value that every credential becomes, and the only
 * thing of a credential that authorization, export and logging see.
 *
 * Immutable once built; everything in it lives in one pool, so it can be kept
 * in a cache of verified tokens and read by many threads.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>
#include <jansson.h>

#include "base/reason.h"
#include "trust/issuer.h"
#include "trust/settings.h"

/** Between names in BEARER_ROLES, BEARER_GROUPS and their headers. */
#define BEARER_NAMES_SEPARATOR ','

typedef struct bearer_principal_t {
    const char *method;       /**< "jwt", "introspection", "session", "cookie",
                                   "anonymous" */
    const char *user;         /**< becomes r->user; NULL: anonymous */
    const char *user_value;   /**< %u: the user claim after its regex */
    const bearer_issuer_t *issuer;  /**< NULL for session checks */
    const char *iss;          /**< the actual iss; "" where there is none */
    const char *client;       /**< calling client, or NULL */
    const char *jti;          /**< or NULL */
    apr_time_t expires;       /**< 0: not known */
    apr_time_t not_before;    /**< 0: none */
    apr_time_t issued;        /**< 0: not known */
    const apr_array_header_t *scopes;  /**< const char *; never NULL */
    const apr_array_header_t *roles;   /**< roles only, pooled paths */
    const apr_array_header_t *groups;
    const char *scope;        /**< scopes joined by a space, "" if none */
    /** A line for the log (const char *) for each scope, role and group that counts
     *  for nothing, since an application would read another; NULL: none. */
    const apr_array_header_t *left_out;
    json_t *claims;           /**< an object; never modified; never NULL */
    /** Name, value, name, value ... (const char *) of what the application gets,
     *  prepared once by whoever keeps the principal (bearer_exports_prepare);
     *  NULL: not prepared. */
    const apr_array_header_t *exported_env, *exported_headers;
    /** What the revocation list knows the token by, for a later hit; filled by
     *  whoever keeps the principal, zero otherwise. */
    unsigned char token_digest[32];
} bearer_principal_t;

/** The anonymous principal (BEARER_METHOD=anonymous), in p. */
const bearer_principal_t *bearer_principal_anonymous(apr_pool_t *p);

/**
 * From claims that have passed the checks. Applies the user claim, its regex,
 * check 12 and the user format; collects scopes, roles and groups.
 * @param tenant    of a {tenant} issuer, else NULL
 * @param settings  resolved; its user_claim is the one to use
 * @param claims    live as long as p does; no reference is taken
 * @return BEARER_OK, BEARER_USER_CLAIM (absent, wrong type, regex does not
 *         match), BEARER_IDENTIFIER, or BEARER_CONFIGURATION (regex gives up)
 */
bearer_reason_t bearer_principal_build(const bearer_principal_t **principal,
                                       const char *method, json_t *claims,
                                       const bearer_issuer_t *issuer,
                                       const char *iss, const char *tenant,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p);

/** Check 8's part of the user claim: is it there and of the right type? A string;
 *  but for `sub` an integer will do. sub itself is a string wherever it is.
 *  BEARER_OK or BEARER_USER_CLAIM; nothing is allocated on BEARER_OK. */
bearer_reason_t bearer_principal_user_claim(const json_t *claims,
                                            const bearer_settings_t *settings,
                                            bearer_refusal_t *why,
                                            apr_pool_t *p);

/** Who the calling client is said to be: the first of azp, client_id, appid and cid
 *  that is there, and its name; NULL: none is. */
const json_t *bearer_principal_client_claim(const json_t *claims, const char **name);

/** The same as text; NULL also where it is empty or no string. */
const char *bearer_principal_client(const json_t *claims);

/** What the revocation list knows the token by beside its digest: jti, a string;
 *  an integer (which RFC 7519 does not allow, and some issue) in decimal, in p.
 *  NULL: none. */
const char *bearer_principal_jti(const json_t *claims, apr_pool_t *p);

/** X(symbol, the word after `Require`). Each has a row, KIND_symbol, in the glue's
 *  authz.c, and a case in htbearer's explain. CLAIM has a name that another module of
 *  httpd may use too. */
#define BEARER_REQUIRES(X) \
    X(CLAIM, "claim") \
    X(BEARER_CLAIM, "bearer-claim") \
    X(SCOPE, "scope") \
    X(ROLE, "role") \
    X(ISSUER, "issuer") \
    X(EXPR, "bearer-expr")

typedef enum {
#define X(symbol, word) BEARER_REQUIRE_##symbol,
    BEARER_REQUIRES(X)
#undef X
    BEARER_REQUIRE_COUNT
} bearer_require_t;

/** 1 if the granted scopes cover wanted under this strategy. */
int bearer_principal_has_scope(const bearer_principal_t *principal,
                               const char *wanted,
                               bearer_scope_strategy_t strategy);

/** 1 if role is among roles or groups. */
int bearer_principal_has_role(const bearer_principal_t *principal,
                              const char *role);

/** 1 if it is of this issuer: by the iss of its token, or by the URL that the
 *  configuration has for it (an alias, a {tenant}). */
int bearer_principal_is_of(const bearer_principal_t *principal, const char *issuer);
