/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file records.h
 * The configuration records: of a virtual host, of a section, and of the whole server.
 * They are created while the configuration is read, completed in post_config, constant
 * after fork, and live as long as the configuration. Any thread may read them. The
 * members of the layers are described in trust/settings.h.
 */
#pragma once

#include "store_kinds.h"

#include <httpd.h>
#include <http_config.h>

#include "base/sha256.h"
#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/session_check_line.h"

extern module AP_MODULE_DECLARE_DATA auth_bearer_module;

/** A secret named by a directive. */
typedef struct configured_secret_t {
    bearer_secret_t *secret;
    const ap_directive_t *node;
} configured_secret_t;

/** One AuthBearerSessionCheck line. */
typedef struct configured_check_t {
    const bearer_session_check_t *check;
    const ap_directive_t *node;
} configured_check_t;

/** A claim that the configuration names. */
typedef struct named_claim_t {
    const server_rec *server;    /**< where it is named; those of the main server count in
                                  *   every virtual host */
    const bearer_path_t *path;   /**< NULL: the roles and groups of a Require role */
} named_claim_t;

/**
 * Settings of the whole server (layer S, global). One per configuration, created when
 * it is loaded; every virtual host points to it.
 */
typedef struct global_config_t {
    apr_array_header_t *plain_http;    /**< const char * */
    unsigned token_cache_entries;
    const char *revocations;           /**< path or NULL */
    store_config_t stores[STORE_KINDS];
    const ap_directive_t *throttle_store;   /**< the line whose for=throttle names a
                                             *   cache beyond this host */
    const apr_array_header_t *secret_files; /**< the main server's, or NULL */
    apr_array_header_t *issuers;       /**< bearer_issuer_t *, by index */
    apr_array_header_t *issuer_servers;/**< server_rec * of the declaring server, by
                                        *   index */
    apr_array_header_t *sections;      /**< section_t, for check_config */
    apr_array_header_t *required;      /**< named_claim_t: of Require claim, except in
                                        *   .htaccess */
    apr_array_header_t *expressed;     /**< const bearer_path_t *: of claim(), claims() */
    apr_array_header_t *secrets;       /**< configured_secret_t */
    apr_array_header_t *session_checks;/**< configured_check_t */
    int browsers;                      /**< 0: no browser can have a cookie of this module;
                                        *   set when the process starts */
    int login_urls;                    /**< 1: AuthBearerLoginURL is set somewhere */
    const bearer_settings_t *defaults;
    proof_needs_t proofs;              /**< set by check_config */
    const char *proof_algs;            /**< algorithms of DPoP proofs, for challenges */
    int parties;                       /**< number of issuers and session services that
                                        *   the gate distinguishes; waiting.c */
} global_config_t;

/** AuthBearerSessionStore; unset means the cache. */
enum { SESSIONS_UNSET, SESSIONS_IN_CACHE, SESSIONS_IN_COOKIE };

enum { AB_PERSIST_UNSET, AB_PERSIST_OFF, AB_PERSIST_ON }; /**< persist=; unset: off */

/** The browser settings of a virtual host; unset members are NULL or 0. */
typedef struct login_config_t {
    const char *path;            /**< AuthBearerLoginPath */
    const apr_array_header_t *names; /**< base_name_t: AuthBearerBaseURL; at least one is
                                  *   not wild */
    const char *domain;          /**< AuthBearerSessionDomain, in lower case */
    const char *domain_login;    /**< its login=, an origin */
    int store;                   /**< SESSIONS_*: AuthBearerSessionStore */
    apr_interval_time_t max, idle; /**< AuthBearerSessionLifetime */
    int persist;                 /**< AB_PERSIST_* */
    int used;                    /**< 1 if some section enables sessions or logins, or an
                                  *   .htaccess may: AuthBearerLoginPath */
    int on;                      /**< 1 if some section certainly does */
} login_config_t;

/** The same at run time, created in post_config; NULL if not used. */
typedef struct browser_t browser_t;

/** The AuthBearerResource documents that a virtual host serves; resource.c. */
typedef struct resources_t resources_t;

/** The record of a server or virtual host. */
typedef struct server_config_t {
    bearer_settings_t settings;        /**< layer S */
    apr_uint64_t own;                  /**< bit set of the settings that this server sets
                                        *   itself */
    bearer_issuers_t *issuers;         /**< NULL: none declared here */
    int inherits_issuers;              /**< 1: the vhost declares none and inherits */
    bearer_issuer_t *open;             /**< the <AuthBearerIssuer> being read */
    const apr_array_header_t *secret_files; /**< const char *, or NULL */
    login_config_t login;
    browser_t *browser;
    const char *origin;                /**< SCHEME://HOST[:PORT] as clients see it; set when
                                        *   the process starts; NULL if not needed */
    struct bearer_seal_t *nonces;      /**< seals nonces for DPoP proofs; set when the process
                                        *   starts; NULL: none are demanded */
    global_config_t *global;
    const bearer_judge_common_t *common; /**< created when the process starts */
    resources_t *resources;            /**< created when the process starts; NULL: none */
    unsigned char digest[BEARER_SHA256_SIZE]; /**< of all directives of the server */
} server_config_t;

/** The record of a Directory, Location, Files or If section, or of an .htaccess. */
typedef struct dir_config_t {
    bearer_settings_t settings;        /**< layers D and H */
    int from_htaccess;                 /**< 1: includes directives from .htaccess */
    int has_digest;
    unsigned char digest[BEARER_SHA256_SIZE];
} dir_config_t;

/** A section with directives of this module, and its place in the configuration. */
typedef struct section_t {
    server_rec *server;
    const ap_directive_t *node;
    dir_config_t *dir;
} section_t;

/** The functions with which httpd creates and merges records, in its own pools. Merging
 *  copies; neither input is changed. */
void *ab_config_create_server(apr_pool_t *p, server_rec *s);
void *ab_config_merge_server(apr_pool_t *p, void *base, void *over);
/** httpd gives a vhost without a directive of ours the main server's record; from
 *  here on it has its own, with the same values but the BaseURL, since each has its
 *  own origin. After the configuration has been read, before anything is made of it.
 *  @param s  the main server */
void ab_config_own_records(apr_pool_t *p, server_rec *s);
void *ab_config_create_dir(apr_pool_t *p, char *path);
void *ab_config_merge_dir(apr_pool_t *p, void *base, void *over);
/** Starts a new configuration. Called when the module is loaded. */
void ab_config_begin(apr_pool_t *pconf);

/** Returns the record of a server. Never NULL. */
server_config_t *ab_config_server(const server_rec *s);
/** Returns an issuer by its index. */
static inline bearer_issuer_t *ab_config_issuer_at(const global_config_t *global, int i)
{
    return APR_ARRAY_IDX(global->issuers, i, bearer_issuer_t *);
}
/** Returns the section record of a request. Never NULL; empty if no directive was set. */
const dir_config_t *ab_config_dir(const request_rec *r);
/** Merges the layers of a server, an issuer and a section over the defaults.
 *  @param issuer  NULL: not known yet
 *  @param dir  NULL: no section */
void ab_config_resolve(bearer_settings_t *out, const server_config_t *server,
                       const bearer_issuer_t *issuer, const bearer_settings_t *dir);
/** Returns the settings of this request before an issuer is known. They are merged once
 *  for each configuration that applies to the request, and live as long as the request. */
const bearer_settings_t *ab_config_of(request_rec *r);
/** Is AuthType Bearer in force for this request? */
int ab_config_in_force(request_rec *r);
/** Returns the key file that AuthBearerClientKey names, as read at start; NULL: no such
 *  path. */
const bearer_secret_t *ab_config_key(const global_config_t *global,
                                     const char *path);
/** Is an issuer or a session service configured? If not, the module allocates nothing
 *  and does nothing. */
int ab_config_is_used(const global_config_t *global);
/** Are responses of issuers or session services cached? */
int ab_config_keeps_answers(const global_config_t *global);
/** Returns 1 if values leave this host or if others can write them. */
int ab_config_is_foreign(const store_config_t *store);
/** While the configuration is checked: returns the size in bytes of the module's own
 *  memory for sessions or proofs; 0 if they are kept elsewhere. */
apr_uint64_t ab_config_own_size(const global_config_t *global, store_kind_t kind);
/** Returns its default. */
apr_uint64_t ab_config_own_default(store_kind_t kind);
