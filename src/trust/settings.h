/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file settings.h
 * What an administrator may set in more than one place, and which place counts.
 *
 * One struct serves all layers: a vhost (S), an issuer (I), a directory or an
 * .htaccess (D, H). Each field has a bit that says whether this layer wrote it.
 * "The innermost D or H, else the token's issuer's I, else S, else the default"
 * is bearer_settings_resolve(); nobody else decides it.
 *
 * To add a setting: a member, a row in BEARER_SETTINGS, its default in
 * settings.c, a handler in the glue. Merging and the dump follow the table.
 */
#ifndef BEARER_SETTINGS_H
#define BEARER_SETTINGS_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "base/path.h"
#include "base/secret.h"
#include "jose/alg.h"

/** X(symbol, the word of AuthBearerProvider). Each has a function, PROVIDER_symbol,
 *  in the glue. */
#define BEARER_PROVIDERS(X) \
    X(JWT, "jwt") \
    X(INTROSPECTION, "introspection") \
    X(SESSION, "session")

typedef enum {
#define X(symbol, word) BEARER_PROVIDER_##symbol,
    BEARER_PROVIDERS(X)
#undef X
    BEARER_PROVIDER_COUNT
} bearer_provider_id_t;

typedef enum { BEARER_PROFILE_AUTO, BEARER_PROFILE_RFC9068 } bearer_profile_t;

typedef enum { BEARER_SCOPE_EXACT, BEARER_SCOPE_HIERARCHIC,
               BEARER_SCOPE_WILDCARD } bearer_scope_strategy_t;

typedef enum { BEARER_EXPORT_NONE = 0, BEARER_EXPORT_ENV = 1,
               BEARER_EXPORT_HEADERS = 2, BEARER_EXPORT_BOTH = 3 } bearer_export_mode_t;

typedef enum { BEARER_FORWARD_NONE = 0, BEARER_FORWARD_IDENTITY = 1,
               BEARER_FORWARD_TOKEN = 2 } bearer_forward_bits_t;

/** X(symbol, the word of AuthBearerTokenFrom, whether a name must follow it). Each
 *  has a function, READER_symbol, in the glue. */
#define BEARER_FROM_KINDS(X) \
    X(HEADER, "header", 0) \
    X(COOKIE, "cookie", 1) \
    X(QUERY, "query", 1) \
    X(ENV, "env", 1) \
    X(BASIC, "basic", 0)

typedef enum {
#define X(symbol, word, named) BEARER_FROM_##symbol,
    BEARER_FROM_KINDS(X)
#undef X
    BEARER_FROM_COUNT
} bearer_from_kind_t;

/** One SRC of AuthBearerTokenFrom. */
typedef struct bearer_from_t {
    bearer_from_kind_t kind;
    const char *name;   /**< header, cookie, query or variable name, Basic user;
                             NULL: `header` is Authorization, `basic` any user */
} bearer_from_t;

typedef struct bearer_throttle_settings_t {
    int on;
    int threshold;                 /**< failures */
    apr_interval_time_t window;
    apr_interval_time_t penalty;
} bearer_throttle_settings_t;

typedef struct bearer_export_settings_t {
    int mode;                      /**< bearer_export_mode_t */
    const char *env_prefix;
    const char *header_prefix;
    const apr_array_header_t *claims; /**< const char *; NULL: all (`*`) */
} bearer_export_settings_t;

/** Where a value is found in the claims and what becomes of it. */
typedef struct bearer_user_claim_t {
    const bearer_path_t *path;
    const bearer_regex_t *regex;   /**< NULL: the value as it is */
    const char *substitution;      /**< with $0..$9 */
} bearer_user_claim_t;

/** In client_auth, beside a bearer_client_auth_t (client_auth.h): an assertion
 *  of ours names the endpoint as its audience, not the issuer. */
#define BEARER_CLIENT_AUD_ENDPOINT 0x100

typedef struct bearer_timeout_t {
    apr_interval_time_t connect, total;
} bearer_timeout_t;

typedef struct bearer_refresh_t {
    apr_interval_time_t min, max, stale;
} bearer_refresh_t;

/** AuthBearerLogin On|Off [NAME=VALUE ...] */
typedef struct bearer_login_settings_t {
    int on;
    const apr_array_header_t *parameters; /**< const char *, NAME=VALUE of the
                                               authorization request; or NULL */
} bearer_login_settings_t;

typedef struct bearer_session_check_t bearer_session_check_t;
typedef struct bearer_resource_t bearer_resource_t;

/** where: S vhost, I issuer, D directory, H .htaccess. */
#define BEARER_WHERE_S 1
#define BEARER_WHERE_I 2
#define BEARER_WHERE_D 4
#define BEARER_WHERE_H 8

/**
 * X(SYMBOL, member, type, directive, where)
 * Arrays hold const char * unless said otherwise and are replaced whole.
 */
#define BEARER_SETTINGS(X) \
    X(ALGORITHMS, algorithms, bearer_algs_t, "AuthBearerAlgorithms", 3) \
    X(CLIENT_ID, client_id, const char *, "AuthBearerClientID", 3) \
    X(CLIENT_SECRET, client_secret, bearer_secret_t *, "AuthBearerClientSecret", 3) \
    X(CLIENT_AUTH, client_auth, int, "AuthBearerClientAuth", 3) \
    X(CLIENT_KEY, client_key, const char *, "AuthBearerClientKey", 3) \
    X(CLIENT_CERT, client_cert, const char *, "AuthBearerClientCert", 3) \
    X(CA_FILE, ca_file, const char *, "AuthBearerCAFile", 3) \
    X(HTTP_PROXY, http_proxy, const char *, "AuthBearerHTTPProxy", 3) \
    X(TIMEOUT, timeout, bearer_timeout_t, "AuthBearerTimeout", 3) \
    X(KEYS_REFRESH, keys_refresh, bearer_refresh_t, "AuthBearerKeysRefresh", 3) \
    X(PROVIDERS, providers, const apr_array_header_t *, "AuthBearerProvider", 12) /* int */ \
    X(ACCEPT_ISSUER, accept_issuer, const apr_array_header_t *, "AuthBearerAcceptIssuer", 12) \
    X(AUDIENCE, audience, const apr_array_header_t *, "AuthBearerAudience", 15) \
    X(NO_AUDIENCE, no_audience_accept, int, "AuthBearerNoAudience", 7) \
    X(CLIENTS, clients, const apr_array_header_t *, "AuthBearerClients", 15) \
    X(TOKEN_FROM, token_from, const apr_array_header_t *, \
      "AuthBearerTokenFrom", 4) /* bearer_from_t */ \
    X(MAX_TOKEN_AGE, max_token_age, apr_interval_time_t, "AuthBearerMaxTokenAge", 7) /* 0: off */ \
    X(CLOCK_SKEW, clock_skew, apr_interval_time_t, "AuthBearerClockSkew", 7) \
    X(TOKEN_PROFILE, token_profile, int, "AuthBearerTokenProfile", 7) \
    X(THROTTLE, throttle, bearer_throttle_settings_t, "AuthBearerThrottle", 5) \
    X(CHALLENGE, challenge, int, "AuthBearerChallenge", 12) \
    X(OPTIONAL, optional, int, "AuthBearerOptional", 12) \
    X(PREFLIGHT, preflight_pass, int, "AuthBearerPreflight", 12) \
    X(SESSION_CHECK, session_check, const bearer_session_check_t *, "AuthBearerSessionCheck", 4) \
    X(USER_CLAIM, user_claim, bearer_user_claim_t, "AuthBearerUserClaim", 15) \
    X(USER_FORMAT, user_format, const char *, "AuthBearerUserFormat", 13) \
    X(USER_CHARS, user_chars_printable, int, "AuthBearerUserChars", 3) \
    X(ROLES_CLAIM, roles_claim, const apr_array_header_t *, \
      "AuthBearerRolesClaim", 7) /* bearer_path_t * */ \
    X(GROUPS_CLAIM, groups_claim, const apr_array_header_t *, \
      "AuthBearerGroupsClaim", 7) /* bearer_path_t * */ \
    X(SCOPE_CLAIM, scope_claim, const apr_array_header_t *, \
      "AuthBearerScopeClaim", 7) /* bearer_path_t * */ \
    X(SCOPE_STRATEGY, scope_strategy, int, "AuthBearerScopeStrategy", 13) \
    X(EXPORT, exports, bearer_export_settings_t, "AuthBearerExport", 12) \
    X(FORWARD, forward, int, "AuthBearerForward", 12) \
    X(STRIP_COOKIES, strip_cookies, int, "AuthBearerStripCookies", 4) \
    X(SESSION, session, int, "AuthBearerSession", 12) \
    X(LOGIN, login, bearer_login_settings_t, "AuthBearerLogin", 12) \
    X(PREFER_BEARER, prefer_bearer, int, "AuthBearerPrefer", 12) \
    X(LOGIN_ISSUER, login_issuer, const char *, "AuthBearerLoginIssuer", 5) \
    X(LOGIN_SCOPES, login_scopes, const apr_array_header_t *, "AuthBearerLoginScopes", 3) \
    X(SESSION_USER_CLAIM, session_user_claim, bearer_user_claim_t, \
      "AuthBearerSessionUserClaim", 3) \
    X(RESOURCE, resource, const bearer_resource_t *, "AuthBearerResource", 4)

typedef enum {
#define X(symbol, member, type, directive, where) BEARER_SET_##symbol,
    BEARER_SETTINGS(X)
#undef X
    BEARER_SETTING_COUNT
} bearer_setting_t;

typedef struct bearer_settings_t {
    apr_uint64_t set;   /**< bit 1 << bearer_setting_t: this layer wrote it */
#define X(symbol, member, type, directive, where) type member;
    BEARER_SETTINGS(X)
#undef X
} bearer_settings_t;

/** Did this layer write it? By its bearer_setting_t, and by its SYMBOL. */
#define bearer_settings_wrote(s, setting) (((s)->set >> (setting)) & 1u)
#define bearer_settings_has(s, symbol) bearer_settings_wrote(s, BEARER_SET_##symbol)

/** Writes one member and its bit. */
#define bearer_settings_put(s, symbol, member_, value) \
    ((s)->member_ = (value), (s)->set |= (apr_uint64_t)1 << BEARER_SET_##symbol)

/** The defaults of product.md section 2, in p: build once per configuration. */
const bearer_settings_t *bearer_settings_defaults(apr_pool_t *p);

/** out = base overlaid with what over wrote; out may be base. */
void bearer_settings_merge(bearer_settings_t *out, const bearer_settings_t *base,
                           const bearer_settings_t *over);

/** The value that counts for each setting; out->set says which were written
 *  anywhere. issuer may be NULL (not known yet). No allocation. */
void bearer_settings_resolve(bearer_settings_t *out,
                             const bearer_settings_t *defaults,
                             const bearer_settings_t *server,
                             const bearer_settings_t *issuer,
                             const bearer_settings_t *dir);

/** Directive name and BEARER_WHERE_ bits of a setting. */
const char *bearer_settings_directive(bearer_setting_t setting);
int bearer_settings_where(bearer_setting_t setting);

/** The value of one setting as it would be written in a configuration, secrets
 *  masked; in p. For the dump and for explain. */
const char *bearer_settings_print(const bearer_settings_t *s,
                                  bearer_setting_t setting, apr_pool_t *p);

#endif
