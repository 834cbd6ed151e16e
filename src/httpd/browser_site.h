/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.h
 * A virtual host as browsers see it: its origin, the issuers that log in there, and
 * their callback URLs. All of this comes from the configuration. Any thread may call
 * these functions after the configuration has been read.
 */
#pragma once

#include "records.h"

/** The defaults of AuthBearerSessionLifetime. */
#define AB_SESSION_MAX apr_time_from_sec(8 * 3600)
#define AB_SESSION_IDLE apr_time_from_sec(30 * 60)

/** One name in AuthBearerBaseURL. */
typedef struct base_name_t {
    const char *origin;          /**< SCHEME://HOST[:PORT], normalised; HOST may be *.DOMAIN */
    int https, port;
    int wild;                    /**< 1: HOST is one label and DOMAIN */
    const char *host;            /**< of a wild name: .DOMAIN */
} base_name_t;

/** Returns the origin of the virtual host, SCHEME://HOST[:PORT], that of its first name
 *  without *, and the path of the endpoints. */
const char *ab_browser_base(server_rec *s, apr_pool_t *p);
const char *ab_browser_path(const server_rec *s);
/** Returns the origin that one of the names (base_name_t) has with a Host; NULL: none. */
const char *ab_browser_origin_of(const apr_array_header_t *names, const char *host,
                                 apr_pool_t *p);
/** Is a host, or the .DOMAIN of a wild name, in a domain, or the domain itself? */
int ab_browser_within(const char *host, const char *domain);
/** Returns the browser data of the request's virtual host under the name in force
 *  (browser_names.c); NULL if browser sessions are not used there. Functions in browser.h
 *  that take a request need a virtual host with this data. */
const browser_t *ab_browser_of(const request_rec *r);

/** Returns the issuers that log in here (const bearer_issuer_t *, at least one):
 *  those of AuthBearerLoginIssuer that AuthBearerAcceptIssuer accepts, in the order
 *  written, else the only issuer with a client id. NULL with *error.
 *  @param settings  resolved without an issuer */
const apr_array_header_t *ab_browser_possible(const server_config_t *server,
                                              const bearer_settings_t *settings,
                                              const char **error, apr_pool_t *p);
/** Returns the login issuers of all sections of a virtual host (const bearer_issuer_t
 *  *). */
const apr_array_header_t *ab_browser_issuers(const server_rec *s, apr_pool_t *p);
/** Returns the callback URL of an issuer.
 *  @param issuer  NULL if it is the only one of the virtual host */
const char *ab_browser_callback_url(const char *base, const char *path,
                                    const bearer_issuer_t *issuer, apr_pool_t *p);
/** Does the issuer have a NAME that needs no escaping in a path? */
int ab_browser_has_name(const bearer_issuer_t *issuer);

/** Returns the callback URL of this issuer for the request's virtual host. */
const char *ab_browser_own_callback(request_rec *r, const bearer_issuer_t *issuer);
/** Does this server have a client id for that issuer? */
int ab_browser_has_client(const server_config_t *server, const bearer_issuer_t *issuer);

/** The end of every callback path, before an optional /NAME. */
#define CALLBACK "/callback"
