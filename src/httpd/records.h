/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file records.h
 * The configuration's records: a vhost's, a section's, and what there is once for the
 * whole server. Made while the configuration is read, completed in post_config, and
 * constant after fork; they live as long as the configuration. Any thread may read
 * them. What the members of the layers are: trust/settings.h.
 */
#pragma once

#include <httpd.h>
#include <http_config.h>
#include <ap_socache.h>

#include "base/sha256.h"
#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/session_check_line.h"

extern module AP_MODULE_DECLARE_DATA auth_bearer_module;

/** What may be kept in a socache: the words of AuthBearerSOCache's for=. */
#define AB_STORES(X) \
    X(KEYS, "keys") \
    X(INTROSPECTION, "introspection") \
    X(SESSIONS, "sessions")

typedef enum {
#define X(symbol, word) STORE_##symbol,
    AB_STORES(X)
#undef X
    STORE_KINDS
} store_kind_t;

/** One AuthBearerSOCache line, or the default. */
typedef struct store_config_t {
    apr_uint64_t own;            /**< bytes of the module's own memory; 0: not there,
                                  *   unless it is the default */
    const ap_directive_t *node;  /**< NULL: the default */
    const ap_socache_provider_t *provider;
    const char *name;            /**< provider name, e.g. "shmcb" */
    const char *args;
    ap_socache_instance_t *instance;
} store_config_t;

/** A secret that some directive points to. */
typedef struct configured_secret_t {
    bearer_secret_t *secret;
    const ap_directive_t *node;
} configured_secret_t;

/** A line AuthBearerSessionCheck. */
typedef struct configured_check_t {
    const bearer_session_check_t *check;
    const ap_directive_t *node;
} configured_check_t;

/**
 * Process-wide settings (S, global): one per configuration, made when it is loaded;
 * every vhost points to it.
 */
typedef struct global_config_t {
    apr_array_header_t *plain_http;    /**< const char * */
    unsigned token_cache_entries;
    const char *revocations;           /**< path or NULL */
    store_config_t stores[STORE_KINDS];
    const ap_directive_t *throttle_store;   /**< for=throttle beyond this host */
    const apr_array_header_t *secret_files; /**< the main server's, or NULL */
    apr_array_header_t *issuers;       /**< bearer_issuer_t *, by index */
    apr_array_header_t *issuer_servers;/**< server_rec * that declared it */
    apr_array_header_t *sections;      /**< section_t, for check_config */
    apr_array_header_t *secrets;       /**< configured_secret_t */
    apr_array_header_t *session_checks;/**< configured_check_t */
    int browsers;                      /**< vhosts that browsers have a session at;
                                        *   made when the process starts */
    const bearer_settings_t *defaults;
    int parties;                       /**< issuers and session services that are
                                        *   told apart at the gate; waiting.c */
} global_config_t;

/** AuthBearerSessionStore; unset is the cache. */
enum { SESSIONS_UNSET, SESSIONS_IN_CACHE, SESSIONS_IN_COOKIE };

/** What a vhost says about browsers; unset members are NULL or 0. */
typedef struct login_config_t {
    const char *path;            /**< AuthBearerLoginPath */
    const char *base_url;        /**< AuthBearerBaseURL */
    int store;                   /**< SESSIONS_*: AuthBearerSessionStore */
    apr_interval_time_t max, idle;
    int used;                    /**< some section has a session or a login, or
                                  *   an .htaccess may: AuthBearerLoginPath */
    int on;                      /**< some section has, for sure */
} login_config_t;

/** The same at run time, made in post_config; NULL where nothing is used. */
typedef struct browser_t browser_t;

/** The documents of AuthBearerResource that a vhost serves; resource.c. */
typedef struct resources_t resources_t;

/** A vhost. */
typedef struct server_config_t {
    bearer_settings_t settings;        /**< layer S */
    apr_uint64_t own;                  /**< which of them it wrote itself */
    bearer_issuers_t *issuers;         /**< NULL: none declared here */
    int inherits_issuers;              /**< a vhost that declares none */
    bearer_issuer_t *open;             /**< inside <AuthBearerIssuer> just now */
    const apr_array_header_t *secret_files; /**< const char *, or NULL */
    login_config_t login;
    browser_t *browser;
    global_config_t *global;
    const bearer_judge_common_t *common; /**< made when the process starts */
    resources_t *resources;            /**< the same; NULL: none */
    unsigned char digest[BEARER_SHA256_SIZE]; /**< of all that was written */
} server_config_t;

/** A Directory, Location, Files, If or .htaccess. */
typedef struct dir_config_t {
    bearer_settings_t settings;        /**< layers D and H */
    int from_htaccess;                 /**< some of it came from .htaccess */
    int has_digest;
    unsigned char digest[BEARER_SHA256_SIZE];
} dir_config_t;

/** Where a section of the configuration with directives of ours stands. */
typedef struct section_t {
    server_rec *server;
    const ap_directive_t *node;
    dir_config_t *dir;
} section_t;

void *ab_config_create_server(apr_pool_t *p, server_rec *s);
void *ab_config_merge_server(apr_pool_t *p, void *base, void *over);
void *ab_config_create_dir(apr_pool_t *p, char *path);
void *ab_config_merge_dir(apr_pool_t *p, void *base, void *over);
/** A new configuration; when the module is loaded. */
void ab_config_begin(apr_pool_t *pconf);

server_config_t *ab_config_server(const server_rec *s);
/** By index. */
static inline bearer_issuer_t *ab_config_issuer_at(const global_config_t *global, int i)
{
    return APR_ARRAY_IDX(global->issuers, i, bearer_issuer_t *);
}
/** Never NULL; an empty record where nothing was written. */
const dir_config_t *ab_config_dir(const request_rec *r);
/** The layers of a server, of an issuer and of a section, over the defaults.
 *  @param issuer  NULL: not known yet
 *  @param dir     NULL: of no section */
void ab_config_resolve(bearer_settings_t *out, const server_config_t *server,
                       const bearer_issuer_t *issuer, const bearer_settings_t *dir);
/** Layers resolved for this request, before an issuer is known: once for each
 *  configuration that is in force for it. */
const bearer_settings_t *ab_config_of(request_rec *r);
/** Is AuthType Bearer in force? */
int ab_config_in_force(request_rec *r);
/** What AuthBearerClientKey named, as read at start; NULL: no such path. */
const bearer_secret_t *ab_config_key(const global_config_t *global,
                                     const char *path);
/** Is anybody declared who can say who a caller is, an issuer or a session store?
 *  Where nobody is, the module makes and does nothing. */
int ab_config_is_used(const global_config_t *global);
/** Does anything keep answers of issuers (or session stores) for a while? */
int ab_config_keeps_answers(const global_config_t *global);
/** 1 where values leave the host or may be written by others. */
int ab_config_is_foreign(const store_config_t *store);
/** While the configuration is checked: bytes of the module's own memory that keep
 *  sessions; 0: something else does. */
apr_uint64_t ab_config_own_size(const global_config_t *global);
