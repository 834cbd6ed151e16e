/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_site.h
 * A virtual host as browsers see it: its origin, which issuers it logs in with, and
 * where each sends the browser back. From the configuration alone; any thread once
 * that has been read.
 */
#pragma once

#include "records.h"

/** The virtual host as browsers see it: SCHEME://HOST[:PORT], and the path of the
 *  endpoints. */
const char *ab_browser_base(server_rec *s, apr_pool_t *p);
const char *ab_browser_path(const server_rec *s);
/** The view of a request's virtual host; NULL: browsers have no session there. What
 *  takes a request in browser.h wants one that has it. */
const browser_t *ab_browser_of(const request_rec *r);

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

/** Where this issuer sends browsers of the request's virtual host back. */
const char *ab_browser_own_callback(request_rec *r, const bearer_issuer_t *issuer);
/** Does this server have a client id at that issuer? */
int ab_browser_has_client(const server_config_t *server, const bearer_issuer_t *issuer);

/** What all callbacks end with, but for a NAME. */
#define CALLBACK "/callback"
