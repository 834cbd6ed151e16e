/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file settings.h
 * The settings that may occur in more than one place, and which place takes effect.
 *
 * One struct serves all layers: a vhost (S), an issuer (I), a directory or an
 * .htaccess (D, H). Each setting has a bit that says whether this layer sets it.
 * bearer_settings_resolve() alone decides which value applies: the innermost D or H,
 * else the token's issuer's I, else S, else the default.
 *
 * settings_rows.h lists the settings.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "base/path.h"
#include "base/secret.h"
#include "jose/alg.h"
#include "trust/settings_rows.h"

typedef enum {
#define X(symbol, word) BEARER_PROVIDER_##symbol,
    BEARER_PROVIDERS(X)
#undef X
    BEARER_PROVIDER_COUNT
} bearer_provider_id_t;

typedef enum { BEARER_PROFILES(BEARER_SYMBOL) } bearer_profile_t;
typedef enum { BEARER_ID_TOKEN_MODES(BEARER_SYMBOL) } bearer_id_tokens_t;
typedef enum { BEARER_PUSHED(BEARER_SYMBOL) } bearer_pushed_t;
typedef enum {
#define X(symbol, word) BEARER_SCOPE_##symbol,
    BEARER_SCOPE_STRATEGIES(X)
#undef X
} bearer_scope_strategy_t;
typedef enum { BEARER_EXPORT_MODES(BEARER_SYMBOL) } bearer_export_mode_t;
typedef enum { BEARER_USERINFO_MODES(BEARER_SYMBOL) } bearer_userinfo_mode_t;
typedef enum { BEARER_FORWARD_BITS(BEARER_SYMBOL) } bearer_forward_bits_t;

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

typedef enum {
#define X(symbol, word, bits) symbol = (bits),
    BEARER_PROOF_MODES(X)
#undef X
} bearer_proof_mode_t;

#define BEARER_PROOF_WINDOW_MIN apr_time_from_sec(1)
#define BEARER_PROOF_WINDOW_MAX apr_time_from_sec(600)

/** AuthBearerProof: what a token bound to a key must prove (RFC 9449, RFC 8705). */
typedef struct bearer_proof_rule_t {
    int mode;                      /**< BEARER_PROOF_AUTO, BEARER_PROOF_IGNORE, or bits:
                                        only tokens bound in one of these ways */
    apr_interval_time_t window;    /**< how old a DPoP proof may be, without the skew */
    int nonce;                     /**< 1: a DPoP proof needs a nonce of this server */
    const char *certificate;       /**< the header in which a proxy sends the client
                                        certificate; NULL: none */
    /** apr_ipsubnet_t *: the proxies that may set it; and as written, const char *.
     *  NULL if and only if certificate is. */
    const apr_array_header_t *from, *from_text;
} bearer_proof_rule_t;

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

/** A path to a value in the claims, and how the value is transformed. */
typedef struct bearer_user_claim_t {
    const bearer_path_t *path;
    const bearer_regex_t *regex;   /**< NULL: the value is unchanged */
    const char *substitution;      /**< with $0..$9 */
    /** const bearer_path_t *: tried in this order if path is absent; NULL: none */
    const apr_array_header_t *further;
} bearer_user_claim_t;

/** Reads `PATH[,PATH...]` into path and further, in p. Returns 1, or 0 if a path
 *  does not name a claim. */
int bearer_user_claim_parse(bearer_user_claim_t *claim, const char *text,
                            apr_pool_t *p);

/** Returns the path with that index, beginning with path; NULL after the last. */
const bearer_path_t *bearer_user_claim_at(const bearer_user_claim_t *claim, int i);

/** Returns the paths joined by commas, in p (or a constant). */
const char *bearer_user_claim_text(const bearer_user_claim_t *claim, apr_pool_t *p);

/** Returns 1 if a path is `email`, which nobody has verified in a token. */
int bearer_user_claim_is_email(const bearer_user_claim_t *claim);

/** A flag in client_auth, beside a bearer_client_auth_t (client_auth.h): the
 *  client assertion names the endpoint as its audience, not the issuer. */
#define BEARER_CLIENT_AUD_ENDPOINT 0x100

typedef struct bearer_timeout_t {
    apr_interval_time_t connect, total;
} bearer_timeout_t;

typedef struct bearer_refresh_t {
    apr_interval_time_t min, max, stale;
} bearer_refresh_t;

/** On|Off [NAME=VALUE ...] */
typedef struct bearer_switch_t {
    int on;
    const apr_array_header_t *parameters; /**< const char *, NAME=VALUE: of the
                                               authorization request (AuthBearerLogin),
                                               of the challenge (AuthBearerChallenge);
                                               or NULL */
} bearer_switch_t;

/** AuthBearerLoginURL URL [return=NAME] */
typedef struct bearer_login_url_t {
    const char *url;
    const char *parameter;   /**< of the page's own address */
} bearer_login_url_t;

/** AuthBearerLogout [to=PATH|URL] [issuer=on|off] [NAME=VALUE ...] */
typedef struct bearer_logout_t {
    const char *to;          /**< where the browser goes at last; NULL: a page says so */
    int issuer;              /**< 0: it does not go to end_session_endpoint */
    const apr_array_header_t *parameters; /**< const char *, NAME=VALUE: of that endpoint;
                                               or NULL */
} bearer_logout_t;

typedef struct bearer_session_check_t bearer_session_check_t;
typedef struct bearer_resource_t bearer_resource_t;

/** Layers: S vhost, I issuer, D directory, H .htaccess. */
#define BEARER_WHERE_S 1
#define BEARER_WHERE_I 2
#define BEARER_WHERE_D 4
#define BEARER_WHERE_H 8

/** Kinds BEARER_KIND_kind, and the type of their values. */
typedef enum {
#define X(kind, type, printer, list, most) BEARER_KIND_##kind,
    BEARER_SETTING_KINDS(X)
#undef X
    BEARER_KIND_COUNT
} bearer_kind_t;
#define X(kind, type, printer, list, most) typedef type bearer_value_##kind;
BEARER_SETTING_KINDS(X)
#undef X

typedef enum {
#define X(symbol, member, kind, name, where, words, value, help) BEARER_SET_##symbol,
    BEARER_SETTINGS(X)
#undef X
    BEARER_SETTING_COUNT
} bearer_setting_t;

typedef struct bearer_settings_t {
    apr_uint64_t set;   /**< bit 1 << bearer_setting_t: this layer sets it */
#define X(symbol, member, kind, name, where, words, value, help) \
    bearer_value_##kind member;
    BEARER_SETTINGS(X)
#undef X
} bearer_settings_t;

/** Returns 1 if this layer sets the value; by bearer_setting_t, and by SYMBOL. */
#define bearer_settings_wrote(s, setting) (((s)->set >> (setting)) & 1u)
#define bearer_settings_has(s, symbol) bearer_settings_wrote(s, BEARER_SET_##symbol)

/** Sets one member and its bit. */
#define bearer_settings_put(s, symbol, member_, value) \
    ((s)->member_ = (value), (s)->set |= (apr_uint64_t)1 << BEARER_SET_##symbol)

/** Returns the default settings, in p. Call it once per configuration. */
const bearer_settings_t *bearer_settings_defaults(apr_pool_t *p);

/** Copies base to out and overlays what over sets; out may be either of them. */
void bearer_settings_merge(bearer_settings_t *out, const bearer_settings_t *base,
                           const bearer_settings_t *over);

/** Computes the effective value of each setting; out->set says which settings any
 *  layer sets. issuer may be NULL (not known yet). Does not allocate. */
void bearer_settings_resolve(bearer_settings_t *out,
                             const bearer_settings_t *defaults,
                             const bearer_settings_t *server,
                             const bearer_settings_t *issuer,
                             const bearer_settings_t *dir);

/** The row of a setting in settings_rows.h. */
typedef struct bearer_setting_row_t {
    const char *directive;
    const char *words;      /**< or NULL */
    unsigned char where;    /**< BEARER_WHERE_ bits */
    unsigned char kind;     /**< bearer_kind_t */
    unsigned short offset;  /**< offset and size of its member */
    unsigned short size;
} bearer_setting_row_t;

/** Returns the row, or NULL if there is no such setting. */
const bearer_setting_row_t *bearer_settings_row(bearer_setting_t setting);

/** Finds a setting by its directive's name; BEARER_SETTING_COUNT if there is none. */
bearer_setting_t bearer_settings_find(const char *directive);

/** The directive name and the BEARER_WHERE_ bits of a setting. */
const char *bearer_settings_directive(bearer_setting_t setting);
int bearer_settings_where(bearer_setting_t setting);

/** Returns a word for the configuration that httpd's reader (ap_getword_conf)
 *  turns into exactly s; in p.
 *  @param quoted  0: without quotes if it needs none */
const char *bearer_settings_word(const char *s, int quoted, apr_pool_t *p);

/** Returns the value of one setting as written in a configuration, with secrets
 *  masked; in p. For the configuration dump and for explain. Values of several lines
 *  are separated by LF. */
const char *bearer_settings_print(const bearer_settings_t *s,
                                  bearer_setting_t setting, apr_pool_t *p);
