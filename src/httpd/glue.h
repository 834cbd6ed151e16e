/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file glue.h
 * What the rooms of the glue share: configuration records, the record of one
 * request, the state of one process. Everything here knows httpd; nothing in
 * the library may include it.
 *
 * The way of one request (each step is a room of the same name):
 *   scrub (export) -> credential -> authn -> authz -> export -> content
 */
#ifndef GLUE_H
#define GLUE_H

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <ap_expr.h>
#include <ap_provider.h>
#include <ap_socache.h>
#include <apr_strings.h>
#include <util_mutex.h>

#include "ask/client_auth.h"
#include "ask/introspect.h"
#include "ask/session_check.h"
#include "base/breaker.h"
#include "base/budget.h"
#include "base/crew.h"
#include "base/message.h"
#include "base/seal.h"
#include "base/sha256.h"
#include "base/text.h"
#include "base/world.h"
#include "judge/judge.h"
#include "keys/keyset.h"
#include "state/revocation.h"
#include "state/table.h"
#include "state/throttle.h"
#include "state/tokencache.h"
#include "state/vouch.h"
#include "trust/issuer.h"
#include "trust/tenants.h"

extern module AP_MODULE_DECLARE_DATA auth_bearer_module;

/* ---- configuration ------------------------------------------------------ */

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

/** The handlers behind the door's directive table; cmd->info is the row. */
const char *ab_config_setting(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_issuer(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_issuer_section(cmd_parms *cmd, void *dir,
                                     const char *args);
const char *ab_config_in_issuer(cmd_parms *cmd, void *dir,
                                const char *args);
const char *ab_config_global(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_login(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_secret_file(cmd_parms *cmd, void *dir,
                                  const char *args);

/** Words of a directive's arguments, quotes undone; const char *. */
apr_array_header_t *ab_config_words(apr_pool_t *p, const char *args);
/** NULL, or that the directive stands inside <AuthBearerIssuer> and may not. */
const char *ab_config_not_inside(cmd_parms *cmd);

server_config_t *ab_config_server(const server_rec *s);
/** Never NULL; an empty record where nothing was written. */
const dir_config_t *ab_config_dir(const request_rec *r);
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

/* regex.c: httpd's regular expressions behind the library's interface */
const bearer_regex_t *ab_config_regex(const char *pattern,
                                      const char **error, apr_pool_t *p);
/** What the regular expressions of a request have taken; all 0 at first. */
typedef struct regex_effort_t {
    apr_time_t begun;            /**< 0: none was asked yet */
    apr_time_t used;             /**< processor time of the thread, then */
} regex_effort_t;
/** For bearer_claim_effort_t: 1 when a request has used up its time. */
int ab_regex_spent(void *effort);

/* check.c, and dump.c for -D DUMP_BEARER */
int ab_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                    server_rec *s);
void ab_check_dump(apr_pool_t *p, server_rec *s);
/** For what configtest could not see (.htaccess): the first contradiction of
 *  this request's settings, or NULL. */
const char *ab_check_request(request_rec *r);

/* check_foreign.c: the same of other modules' directives, before anybody is asked,
 * and of what they did since, where the record has `authorization` */
extern int ab_check_foreign_watch;  /**< 0: there is nothing to look at */
int ab_check_foreign_access(request_rec *r);
const char *ab_check_foreign_request(request_rec *r);

/* ---- the process -------------------------------------------------------- */

/** What a vhost is at an issuer that it did not declare itself. */
typedef struct vhost_client_t {
    const server_config_t *server;
    int issuer;                        /**< its index */
    bearer_client_t *client;
} vhost_client_t;

/** State of one child; made in child_init, only read afterwards. */
typedef struct process_t {
    apr_pool_t *pool;
    server_rec *server;
    global_config_t *global;
    bearer_world_t world;
    bearer_keyset_t **keysets;         /**< by issuer index */
    bearer_tenants_t **tenants;        /**< by issuer index; NULL: no file */
    int keyset_count;
    bearer_sha256_t *sha256;
    bearer_headers_t *headers;         /**< of tokens verified lately */
    bearer_client_t **clients;         /**< by issuer index, as its vhost says */
    apr_array_header_t *vhost_clients; /**< vhost_client_t: other vhosts', where
                                        *   these say something else */
    bearer_introspect_t **introspects; /**< by issuer index; NULL: not asked */
    bearer_session_asker_t *sessions;  /**< NULL: no session store is asked */
    bearer_flights_t *refreshes;       /**< of browsers' sessions */
    const bearer_cache_t *answers;     /**< NULL: none are kept */
    int waiting;                       /**< workers of the host that may wait */
    bearer_tokencache_t *tokens;       /**< NULL: off */
    bearer_throttle_t *throttle;       /**< NULL: no memory for it */
    bearer_revocation_t *revocations;  /**< NULL: none */
    bearer_crew_t *crew;               /**< the background's */
    /** htbearer explain: sees every check, of which none is left out. NULL in a
     *  server that serves. */
    void (*observe)(void *baton, const bearer_check_t *check,
                    bearer_reason_t reason, const bearer_judgement_t *j);
    void *observe_baton;
} process_t;

/** NULL before child_init. */
process_t *ab_process(void);
/** From then on it is the one that is found; NULL: there is none any more. */
void ab_process_set(process_t *process);
/** Key sets, clients and tenants of all issuers.
 *  @param maintained  background threads look after key sets */
apr_status_t ab_process_create_parts(process_t *process, int maintained);

/* start.c: for the door, and ab_start_child_init() for explain.c */
int ab_start_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int ab_start_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                         server_rec *s);
void ab_start_child_init(apr_pool_t *p, server_rec *s);
/** Registers the hook before authentication in which several rooms have a part. */
void ab_start_register(void);

/** The issuer's own view: S of the vhost that declared it, and I. */
const bearer_issuer_access_t *ab_process_access(process_t *process, int index);

/** What that vhost is at that issuer, by its index, for logins. */
bearer_client_t *ab_process_client(const process_t *process,
                                   const server_config_t *server, int issuer);

/* waiting.c: how many workers may wait */
/** Tells apart who is waited for. */
void ab_waiting_post_config(server_rec *s, apr_pool_t *ptemp);
/** The gate of this child, and the HTTP client behind it; after that client. */
apr_status_t ab_waiting_create(process_t *process);

/* asking.c: what is needed to ask issuers and session stores; after the clients */
apr_status_t ab_asking_create(process_t *process);

/* shared.c: memory that all children of the host share */
apr_status_t ab_shared_create(apr_pool_t *pconf, server_rec *s);
/** Memory for all children that a restart does not reach: made once for a layout
 *  and size, zeroed, and found again under them.
 *  @param file  below the runtime directory, where the system has no anonymous
 *               shared memory
 *  @param made  1: it is new
 *  @return NULL: there is none, and *rv says why */
void *ab_shared_keep(const char *layout, const char *file, apr_size_t size,
                     int *made, apr_pool_t *pconf, server_rec *s,
                     apr_status_t *rv);
/** The throttle's block, for BEARER_THROTTLE_ENTRIES; NULL: none. */
void *ab_shared_throttle(apr_size_t *size);
/** A host-wide lease: 1 when the caller has it now. It ends with unlease, with
 *  `until`, or with the process that took it. */
int ab_shared_lease(const unsigned char *key, apr_time_t now,
                    apr_time_t until);
void ab_shared_unlease(const unsigned char *key);
/** Waits while a process of this host holds it, for `longest` or less. 0: none
 *  does. */
int ab_shared_await(const unsigned char *key, apr_time_t now,
                    apr_interval_time_t longest);
/** Tokens that were verified on this host; NULL: none are remembered. */
bearer_vouched_t *ab_shared_vouched(void);
/** The host's part of the gate; NULL: none. */
bearer_gate_host_t *ab_shared_gate(void);
/** How often that issuer may be pushed requests for browsers that nobody knows;
 *  never NULL.
 *  @param issuer  its index in the configuration */
bearer_budget_t *ab_shared_pushes(int issuer);
/** What this host knows of a cache over the network; kind: a store_kind_t. */
typedef struct shared_cache_t {
    bearer_breaker_t down;             /**< it does not answer */
    bearer_breaker_t full;             /**< it refuses what it should keep */
    bearer_calls_t calls;
    _Atomic apr_uint32_t epoch;        /**< how often it has come back */
} shared_cache_t;
shared_cache_t *ab_shared_cache(int kind);
/** What tells this server from others that share a cache; NULL: nothing does. */
#define AB_SHARED_HOST_SIZE 16
const unsigned char *ab_shared_host(void);
/** 1 for the first caller on this host since the server was started. */
typedef enum {
    SHARED_WARN_FORWARDED_FOR,
    SHARED_WARN_CHILD,  /**< what each child finds alike */
    SHARED_WARNINGS
} shared_warning_t;
int ab_shared_first(shared_warning_t warning);

/* store_line.c */
const char *ab_store_directive(cmd_parms *cmd, void *dir, const char *args);

/* store.c: socache behind the library's cache interface */
/** What for= calls such values. */
const char *ab_store_word(store_kind_t kind);
int ab_store_pre_config(apr_pool_t *pconf);
int ab_store_post_config(apr_pool_t *pconf, apr_pool_t *ptemp,
                         server_rec *s);
void ab_store_child_init(apr_pool_t *p, server_rec *s);
/** The library's view of a store, or NULL where there is none. */
const bearer_cache_t *ab_store_cache(store_kind_t kind);
/** To look into: what this host's memory has of key sets; it asks nobody. */
const bearer_cache_t *ab_store_home(void);
/** 1 where values leave the host or may be written by others. */
int ab_store_is_foreign(const store_config_t *store);
/** While the configuration is checked: bytes of the module's own memory that keep
 *  sessions; 0: something else does. */
apr_uint64_t ab_store_own_size(const global_config_t *global);
/** 1 where all who share a store are children of this server. */
int ab_store_is_local(store_kind_t kind);

/** The longest value of STORE_KEYS. */
#define AB_STORE_KEYS_MAX (BEARER_JWKS_MAX_BYTES + 65536)

/* store_own.c: the module's own memory, for STORE_SESSIONS */
int ab_store_own_create(apr_uint64_t size, apr_pool_t *pconf, server_rec *s);
/** All but the leases. */
void ab_store_own_fill(bearer_cache_t *cache);
/** 0: it is not used. */
int ab_store_own_stats(bearer_table_stats_t *stats);
/** From a background thread, once a second. */
void ab_store_own_tick(void);

/* handover.c: the key cache's copy, which outlives a restart. Any process of the
 * server, any thread. */
/** @param sets  key sets that there may be */
apr_status_t ab_handover_create(unsigned sets, apr_pool_t *ptemp,
                                server_rec *s);
/** APR_NOTFOUND when there is none, or it is being written just now. */
apr_status_t ab_handover_get(const unsigned char *key, unsigned char **value,
                             apr_size_t *len, apr_time_t *expires,
                             apr_pool_t *p);
void ab_handover_put(const unsigned char *key, const unsigned char *value,
                     apr_size_t len, apr_time_t expires);
void ab_handover_remove(const unsigned char *key);

/* refresh.c: threads that look after key sets and files */
void ab_refresh_post_config(apr_pool_t *pconf, server_rec *s);
/** After ab_start_child_init(). */
void ab_refresh_child_init(apr_pool_t *p, server_rec *s);
/** Is a background thread looking after the key sets? */
int ab_refresh_active(void);
/** Is this thread one of those, and no worker? */
int ab_refresh_in_background(void);
/** For bearer_http_curl_stop_when: is this a transfer of the background, and the
 *  child is stopping? */
int ab_refresh_must_stop(void *nothing);
/** What the background sends to the issuers. */
apr_status_t ab_refresh_crew(bearer_crew_t **crew, apr_pool_t *p);
/** The child ends, and ab_process() is NULL already: returns when no
 *  background job uses it any longer. */
void ab_refresh_end(bearer_crew_t *crew);

/* explain.c: the server's side of htbearer explain, when it was started so */
void ab_explain_register(void);

/* status.c: what is counted, and how it is shown */
void ab_status_post_config(apr_pool_t *pconf, server_rec *s);
void ab_status_child_init(process_t *process);
void ab_status_register(void);
int ab_status_handler(request_rec *r);
/** issuer may be NULL: none is known. */
void ab_status_granted(const bearer_issuer_t *issuer);
void ab_status_refused(const bearer_issuer_t *issuer, bearer_reason_t reason);
void ab_status_throttled(void);
/** From the watchdog's thread. */
void ab_status_tick(const process_t *process);
/** No thread of this child serves or ticks any longer. */
void ab_status_child_ends(const process_t *process);

/* trace.c: which request a thread works for */
/** The thread works for r until leave() gets what enter() gave. */
request_rec *ab_trace_enter(request_rec *r);
void ab_trace_leave(request_rec *before);
/** The request's id (mod_unique_id), if it is fit for a page; or NULL. */
const char *ab_trace_id(const request_rec *r);
/** `, request ID` where mod_unique_id is there, else "". */
const char *ab_trace_suffix(const request_rec *r);
const char *ab_trace_suffix_here(void);
/** A client that sends the request's traceparent, where it has one. */
const bearer_http_client_t *ab_trace_http(const bearer_http_client_t *inner,
                                          apr_pool_t *p);
/** A line about a request, with its id. */
#define ab_log(level, r, ...) \
    do { \
        if (APLOG_R_IS_LEVEL(r, level)) { \
            ab_trace_log(APLOG_MARK, level, r, __VA_ARGS__); \
        } \
    } while (0)
void ab_trace_log(const char *file, int line, int module_index, int level,
                  const request_rec *r, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* ---- one request -------------------------------------------------------- */

typedef struct credential_t {
    bearer_reason_t reason;      /**< BEARER_OK, NO_CREDENTIAL, ... */
    const char *detail;          /**< for the log when it is neither */
    const char *token;           /**< NUL-terminated */
    apr_size_t len;
    const bearer_from_t *from;   /**< where it was found */
} credential_t;

typedef struct request_t {
    const bearer_settings_t *location;    /**< ab_config_of's, for: */
    const void *location_of;              /**< this per_dir_config */
    int scrubbed;
    credential_t *credential;    /**< NULL: not looked for yet */
    const credential_t *winner;  /**< the one that the principal comes from */
    const char *cookies;         /**< the Cookie field as it was, once ours are
                                      taken out of it */
    apr_array_header_t *set_cookies; /**< const char *: lines of Set-Cookie; in the
                                          first request, NULL for none */
    struct browser_session_t *session; /**< NULL: not looked for yet */
    const char *answer;          /**< the query of an issuer's answer, as it was */
    const char *checked_cookies; /**< the Cookie field as it was, once those of a
                                      session check are taken out of it */
    const struct session_said_t *session_said; /**< NULL: no store was asked */
    const struct issuer_said_t *issuer_said; /**< NULL: no issuer was asked */
    const char *authorization;   /**< the field before authentication, "" for none;
                                      NULL: nobody could have changed it since */
    const bearer_principal_t *principal;  /**< NULL: nobody was judged here */
    char *user;                  /**< r->user as this module set it; NULL: none */
    const bearer_settings_t *settings;    /**< resolved for that principal */
    bearer_reason_t reason;      /**< why it was refused; BEARER_OK: it was not */
    apr_array_header_t *rules;   /**< require_t *: rules asked, see authz.c */
    int negated;                 /**< a `Require not` of ours was among them */
    const struct alias_use_t *alias; /**< whose rule is being asked, or NULL */
    const char *undecided;       /**< why a rule could not be decided, or NULL */
    regex_effort_t regex_effort;
    int preflight;               /**< AuthBearerPreflight lets it pass */
    int asked;                   /**< check_user_id has been here */
    const void *ahead_of;        /**< configuration of the judgement ahead */
    const bearer_principal_t *ahead; /**< and what came of it, or NULL */
    bearer_reason_t ahead_reason;    /**< why it was refused; in the first request */
    bearer_throttle_token_t ahead_token;
    apr_array_header_t *unmet;   /**< const char *: what was asked and denied */
    int deciding;                /**< guard of the auth_checker hook */
    const struct request_t *lent; /**< of a subrequest that was let in; it counts
                                       once this request goes on under */
    const void *lent_of;         /**< its configuration */
    int json;                    /**< the page that was prepared is JSON */
} request_t;

/** This request's own record, made when there is none. */
request_t *ab_request(request_rec *r);
/** The own record or NULL. */
request_t *ab_request_peek(const request_rec *r);
/** The request this one was made from: its main, else its previous, or NULL. */
const request_rec *ab_request_parent(const request_rec *r);
/** The nearest record, of r or on the way back, that has a principal; or NULL. */
const request_t *ab_request_principal(const request_rec *r);
/** r is a subrequest that was let in: mod_dir and mod_negotiation may go on with
 *  it in place of the request that they made it from. */
void ab_request_lend(request_rec *r);
/** Did r go on as such a subrequest, whose record was not made for it? */
int ab_request_borrows(const request_rec *r);

/* credential.c */
/** Finds the one token of the request (check 1). Idempotent. */
const credential_t *ab_credential_get(request_rec *r);
/** Hides the parameters of that name in every copy of the request's URL. */
void ab_credential_mask(request_rec *r, const char *name);
/** Hides query tokens in everything that will be logged or passed on. */
void ab_credential_hide_query(request_rec *r,
                              const bearer_settings_t *settings);
/** A state-changing request from another site, by a credential that browsers add
 *  by themselves: a cookie, Basic? */
int ab_credential_cross_site(request_rec *r, const credential_t *credential);
/** Is this where the token was that was verified? */
int ab_credential_verified_from(const request_rec *r,
                                const bearer_from_t *from);
/** Does this SRC list have one of that kind? */
int ab_credential_from(const bearer_settings_t *settings,
                       bearer_from_kind_t kind);

/* browser.c: the endpoints below AuthBearerLoginPath, and the way to the issuer */
int ab_browser_post_config(apr_pool_t *pconf, server_rec *s);
int ab_browser_quick(request_rec *r, int lookup);
/** Sends a browser to the issuer: 302, or another status (an explanation was
 *  prepared); DECLINED where the request is no navigation. */
int ab_browser_login(request_rec *r, const bearer_settings_t *settings);
/** The issuer that logs in here: AuthBearerLoginIssuer, else the only one with a
 *  client id; NULL with *error. settings: resolved without an issuer. */
const bearer_issuer_t *ab_browser_issuer(const server_config_t *server,
                                         const bearer_settings_t *settings,
                                         const char **error, apr_pool_t *p);
/** Those of all sections of a virtual host; const bearer_issuer_t *. */
const apr_array_header_t *ab_browser_issuers(const server_rec *s, apr_pool_t *p);
/** Where an issuer sends the browser back.
 *  @param issuer  NULL: it is the only one of the virtual host */
const char *ab_browser_callback_url(const char *base, const char *path,
                                    const bearer_issuer_t *issuer, apr_pool_t *p);
/** Has the issuer a NAME that can stand in a path as it is? */
int ab_browser_has_name(const bearer_issuer_t *issuer);
/** The virtual host as browsers see it: SCHEME://HOST[:PORT], and the path of the
 *  endpoints. */
const char *ab_browser_base(server_rec *s, apr_pool_t *p);
const char *ab_browser_path(const server_rec *s);
/** This server as a browser sees it, without a path; NULL without a browser. */
const char *ab_browser_origin(const server_rec *s);
/* browser_hide.c */
/** Takes this module's own cookies out of what others see of the request: before
 *  an .htaccess is read. */
int ab_browser_map_to_storage(request_rec *r);
/** The same for a part of a page; and gives them back where the application may
 *  see them. In fixups. */
void ab_browser_strip(request_rec *r);
/** Hides them, and an issuer's answer, from the access log. */
void ab_browser_hide(request_rec *r);
void ab_browser_register(void);

/* browser_session.c: the session that a cookie opens */
/**
 * @param credential  for the winner: the session's access token, or none
 * @return BEARER_OK; BEARER_NO_CREDENTIAL: there is none that counts here; or why
 *         it cannot be said (BEARER_SESSION_STORE, BEARER_SESSION_USER, ...)
 */
bearer_reason_t ab_browser_principal(request_rec *r,
                                     const bearer_settings_t *settings,
                                     const bearer_principal_t **principal,
                                     const credential_t **credential,
                                     bearer_refusal_t *why);

/* page.c: what a person reads */
/** Sends a page about a refusal from a handler: its own, or by the status
 *  returned the administrator's ErrorDocument. `again`: a URL to go on to. */
int ab_page_refusal(request_rec *r, bearer_reason_t reason,
                    const char *detail, const char *again);
/** The same for a hook that only returns a status: prepares the page. */
void ab_page_prepare(request_rec *r, int status, bearer_reason_t reason);
/** Registers the filter that gives a prepared page its type. */
void ab_page_register(void);
/** A page with status 200 and a paragraph; form: HTML behind it, or "". */
int ab_page_say(request_rec *r, const char *title, const char *text,
                const char *form);
/** No copy of this answer anywhere. */
void ab_page_no_store(request_rec *r);

/* throttling.c: AuthBearerThrottle */
/** Whom a request counts for; 0: nobody, it is not throttled.
 *  @param address  BEARER_THROTTLE_KEY_SIZE bytes */
int ab_throttling_address(unsigned char *address, request_rec *r,
                          const bearer_settings_t *settings);
/** Counts a refusal, if its category is one that counts. */
void ab_throttling_failure(request_rec *r, const bearer_settings_t *settings,
                           const unsigned char *address,
                           const bearer_throttle_token_t *token,
                           bearer_reason_t reason);
/** A login is about to ask the issuer on behalf of somebody unknown: 0, and it is
 *  counted; or the seconds until this address may again. */
unsigned ab_throttling_login(request_rec *r, const bearer_settings_t *settings);
/** One comes back: the seconds until the issuer may be asked about it, or 0. */
unsigned ab_throttling_callback(request_rec *r,
                                const bearer_settings_t *settings);
/** One that came back ended in 503: it is counted, for those that begin, too. */
void ab_throttling_unanswered(request_rec *r,
                              const bearer_settings_t *settings);
/** One of them came to a good end. */
void ab_throttling_logged_in(request_rec *r, const bearer_settings_t *settings);

/* authn.c */
int ab_authn_check_user_id(request_rec *r);
int ab_authn_log_transaction(request_rec *r);
/**
 * Who it will be, for expressions that are evaluated before authentication
 * (<If>, SetEnvIfExpr): the token is judged by the configuration that is known
 * so far, and nothing comes of it, neither a user nor a refusal nor a count.
 * The real judgement follows. NULL: nobody, or authentication is over.
 */
const bearer_principal_t *ab_authn_ahead(request_rec *r);

/* authz_provider.c */
void ab_authz_register(apr_pool_t *p);
void ab_authz_pre_config(apr_pool_t *pconf);
/** The name, and the handler, of a directive that stands in no file. */
#define AB_AUTHZ_WRAP "AuthBearer:wrap-alias"
const char *ab_authz_wrap(cmd_parms *cmd, void *dir, const char *name);
/** Does a directive stand in <AuthzProviderAlias>? */
int ab_authz_in_alias(const cmd_parms *cmd);

/* authz_decision.c */
int ab_authz_force(request_rec *r);
int ab_authz_checker(request_rec *r);
/* authz.c */
/** Scopes that the location's rules name, as far as they were asked before
 *  authentication; with a principal only those that it does not meet. */
apr_array_header_t *ab_authz_scopes(request_rec *r,
                                    const bearer_principal_t *principal,
                                    const bearer_settings_t *settings);

/* resource.c: AuthBearerResource */
void ab_resource_post_config(apr_pool_t *pconf, server_rec *s);
int ab_resource_quick(request_rec *r, int lookup);

/* scrub.c */
/** Removes from the client's request and environment what only this module may set
 *  there, where it is in force; once. */
void ab_scrub(request_rec *r);
/** Takes whatever carries a token out of what others will see of the request;
 *  keep: the token stays where it is (but never in a query). */
void ab_scrub_credential(request_rec *r, const bearer_settings_t *settings,
                         int keep);
/** Removes from the environment what carried a credential, once its copy in the
 *  request is removed; keep: what was verified stays. */
void ab_scrub_environment(request_rec *r, const bearer_settings_t *settings,
                          int keep);
/** Cookies that are removed from the request go from the environment too. */
void ab_scrub_cookies(request_rec *r);
/** The same for a request that is about to be served as part of another: mod_include
 *  lets a page that is included have the environment of the one that includes it. */
void ab_scrub_includer(request_rec *r);

/* export.c */
int ab_export_header_parser(request_rec *r);
int ab_export_log_transaction(request_rec *r);
int ab_export_access_checker(request_rec *r);
int ab_export_fixups(request_rec *r);
/** In the last hook before a request is served: for those that no other saw. */
void ab_export_catch_up(request_rec *r);

/* foreign_user.c */
/** Where AuthType Bearer is in force: makes r->user (and ap_auth_type) the user
 *  that this module established for r, or none. */
void ab_foreign_user_settle(request_rec *r);
/** The same for a user that is not as this module left him. */
void ab_foreign_user_put_right(request_rec *r);
/** r was redirected to a location of AuthType Bearer: its user stays if this module
 *  established it. 1: there is none now. */
int ab_foreign_user_forget(request_rec *r);
void ab_foreign_user_register(void);

/* caches.c: what caches are told of a response */
void ab_caches_register(void);

/* functions.c: claim() and claims() in expressions */
int ab_functions_lookup(ap_expr_lookup_parms *parms);

#endif
