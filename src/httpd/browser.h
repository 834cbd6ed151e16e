/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser.h
 * Browser sessions: the data of a virtual host, created in post_config and read-only
 * afterwards, and the functions that the files browser_*.c share with each other and
 * with other files. Any thread may call them for the request that it serves.
 */
#pragma once

#include "browser_site.h"
#include "request.h"

#include "base/cookie.h"
#include "base/json.h"
#include "login/login.h"
#include "login/session.h"

struct process_t;

struct browser_t {
    const char *origin;          /**< SCHEME://HOST[:PORT] of the name in force */
    int elsewhere;               /**< 1: Host is none of several names, and the first one
                                  *   without * is in force: see ab_browser_elsewhere() */
    const char *site;            /**< what sessions are bound to: the origin, or the domain */
    const char *domain;          /**< AuthBearerSessionDomain, or NULL */
    const char *login;           /**< origin at which its hosts log in; NULL: each does */
    const char *path;            /**< AuthBearerLoginPath */
    const char *callback_path;   /**< common prefix of all callback paths */
    int several;                 /**< 1 if more than one issuer logs in; each then has
                                  *   its own callback */
    const char *logout;          /**< absolute URL */
    bearer_cookie_names_t names;
    bearer_seal_t *session_seal, *login_seal;
    int in_cookie;
    apr_interval_time_t max, idle;
    int persist;                 /**< 1: the cookie outlives the browser's window */
    const apr_array_header_t *named; /**< ab_browser_named_claims() */
    const apr_array_header_t *told;  /**< ab_browser_told_claims() */
};

/* browser.c: the endpoints below AuthBearerLoginPath. ab_browser_post_config() creates
 * browser_t for each virtual host that needs it and returns a hook status.
 * ab_browser_quick() is the quick handler; it answers the endpoints and returns
 * DECLINED for other paths. */
int ab_browser_post_config(apr_pool_t *pconf, server_rec *s);
int ab_browser_quick(request_rec *r, int lookup);

/* browser_names.c: the names of a virtual host (AuthBearerBaseURL) */
/** Makes *b of a virtual host speak for one name.
 *  @param origin  SCHEME://HOST[:PORT]; lives as long as *b */
void ab_browser_name(browser_t *b, const char *origin, apr_pool_t *p);
/** Is the request's Host none of several names? No session of this server can be there,
 *  and no login may begin or end there. Back-channel logout does not need the name. */
int ab_browser_elsewhere(const request_rec *r);

/** Did a page of this origin, under the name in force, send the request (Sec-Fetch-Site,
 *  else Origin)?
 *  @param unstated  the answer if the browser states neither */
int ab_browser_is_same_origin(const request_rec *r, int unstated);

/* browser_client.c */
/** Prepares *login with this server's client data for an issuer. BEARER_OK or
 *  BEARER_LOGIN_ISSUER. */
bearer_reason_t ab_browser_client(bearer_login_t *login, request_rec *r,
                                  const bearer_issuer_t *issuer, bearer_refusal_t *why);
/** The same without a request: login->redirect_uri is NULL. For background threads. */
bearer_reason_t ab_browser_client_of(bearer_login_t *login, struct process_t *process,
                                     const server_rec *s,
                                     const bearer_issuer_t *issuer,
                                     bearer_refusal_t *why, apr_pool_t *p);
/** Prepares a judgement with this server's issuers and their keys. */
void ab_browser_judgement(bearer_judgement_t *j, request_rec *r,
                          const bearer_expected_t *expected);
/** Returns the tenant in the iss of these claims; NULL if the issuer has no {tenant}. */
const char *ab_browser_tenant(const bearer_issuer_t *issuer, const json_t *claims,
                              apr_pool_t *p);
/** Is the tenant of these claims admitted (AuthBearerTenants)? 1 if the issuer has no
 *  {tenant}. */
int ab_browser_admits(const bearer_issuer_t *issuer, const json_t *claims, apr_pool_t *p);
/** Creates the body of a session from tokens and claims. The caller owns the reference.
 *  @param userinfo  NULL: none */
json_t *ab_browser_body(const bearer_login_t *login, const bearer_tokens_t *tokens,
                        json_t *claims, json_t *userinfo, apr_pool_t *p);

/* browser_cookies.c */
/** Returns the Cookie header as the browser sent it, or NULL. */
const char *ab_browser_cookies(const request_rec *r);
/** Sets a cookie. The header is sent with errors and redirects too. Other modules do
 *  not see the value. */
void ab_browser_set_cookie(request_rec *r, const char *line);
/** Sets the session cookie. With value NULL, deletes it in the browser.
 *  @param left  how long the session lasts; the cookie of AuthBearerSessionLifetime
 *               persist=on lasts as long */
void ab_browser_set_session(request_rec *r, const char *value, apr_interval_time_t left);
/** Deletes a cookie in the browser. */
void ab_browser_forget(request_rec *r, const char *name);
/** Registers the output filter that writes the Set-Cookie headers. */
void ab_browser_register(void);
/** Hides the values of Set-Cookie headers from the access log. */
void ab_browser_hide_set_cookies(request_rec *r);

/* browser_hide.c */
/** Removes this module's cookies from the request before httpd reads an .htaccess. */
int ab_browser_map_to_storage(request_rec *r);
/** Does the same for a subrequest, and restores the cookies if the application may see
 *  them. Called in fixups. */
void ab_browser_strip(request_rec *r);
/** Hides these cookies, and the query of a login response, from the access log. */
void ab_browser_hide(request_rec *r);
/** Hides the query of a login response from logs and error documents. The callback
 *  reads it from the request's record. */
void ab_browser_hide_answer(request_rec *r);

/* browser_login.c: the redirect to the issuer */
/** Sends a browser to the issuer: 302, or another status with a prepared error page.
 *  DECLINED if the request is not a navigation.
 *  @param issuer  of the session that does not suffice; NULL: there is none */
int ab_browser_login(request_rec *r, const bearer_settings_t *settings,
                     const bearer_issuer_t *issuer);
/** Does the request open a page: a GET that is not a script's, a prefetch or a subrequest? */
int ab_browser_navigates(request_rec *r);
/** Returns path and query of the URL that the browser requested, as far as it can be sent
 *  there again.
 *  @param origin  of this server */
const char *ab_browser_target(request_rec *r, const char *origin);
/** Answers a request that needs the name of this server but has another Host: sends a
 *  navigation to the same path at the first name, once (302).
 *  @return DECLINED if the caller must refuse it (BEARER_MISDIRECTED); *why says why */
int ab_browser_go_home(request_rec *r, const char **why);
/** Returns the name of the cookie that holds the login with this state. */
const char *ab_browser_attempt_name(request_rec *r, const char *state);
/** Is this a prefetch, which the browser sends before the user asks for the page? */
int ab_browser_speculates(const request_rec *r);
/** Deletes the oldest pending logins in the browser until at most `most` remain and
 *  their cookies fit in one header field.
 *  @param more  bytes that will be added to the field
 *  @return the number of bytes by which the field is still too long */
apr_size_t ab_browser_make_room(request_rec *r, apr_size_t more, int most);
/** Counts a successful login for a page. After too many in a row, the next login
 *  attempt shows an error page instead. */
void ab_browser_count_try(request_rec *r, const char *target);

/* browser_choice.c: logins with several issuers */
/** Returns the issuer for a login: the only one, or the one that the browser remembers.
 *  NULL: the user must choose.
 *  @param possible  ab_browser_possible() */
const bearer_issuer_t *ab_browser_chosen(request_rec *r, const apr_array_header_t *possible);
/** Lets the browser remember the issuer of a login. NULL: it forgets. */
void ab_browser_remember(request_rec *r, const bearer_issuer_t *issuer);
/** Answers a navigation with the page that asks for the issuer, 401. DECLINED: the client
 *  wants no page.
 *  @param settings  of the page that was requested
 *  @param target    its path and query */
int ab_browser_ask(request_rec *r, const bearer_settings_t *settings,
                   const apr_array_header_t *possible, const char *target);
/** Returns the links of such a page as HTML.
 *  @param query  further parameters of PATH/login */
const char *ab_browser_choices(request_rec *r, const apr_array_header_t *possible,
                               const char *query);
/** Reads `page` of such a link. Returns path and query of the page, and the parameters of
 *  a login there (NULL: none). NULL: this server did not make it. */
const char *ab_browser_sealed_page(request_rec *r, const char *sealed,
                                   const apr_array_header_t **parameters);

/* browser_room.c: addresses of pages that are too long for a cookie */
/** Creates the memory, in post_config; without it no such address is kept. */
void ab_browser_room_create(apr_pool_t *pconf, server_rec *s);
/** Keeps an attempt's target under its state, and leaves it only the part before the
 *  query, for the case that the whole is gone when the browser returns. */
void ab_browser_room_move(request_rec *r, bearer_attempt_t *attempt);
/** Returns the target of an attempt, in the request's pool: the whole if it is kept. */
const char *ab_browser_room_target(request_rec *r, const bearer_attempt_t *attempt);

/* browser_login_url.c: the redirect to AuthBearerLoginURL */
/** Sends a browser to the login page of a session service: 302. DECLINED if there is none
 *  here, if the request is not a navigation, or if the browser was sent there too often.
 *  @param why  for the log: why the browser has no session */
int ab_browser_login_url(request_rec *r, const bearer_settings_t *settings,
                         const char *why);

/* browser_callback.c: answers the issuer's redirect (OpenID Connect Core section
 * 3.1.2.5). Returns the status for the handler to return. */
int ab_browser_callback(request_rec *r);

/* browser_logout.c: answer a logout by the user (RP-Initiated Logout 1.0) and by the
 * issuer (Back-Channel Logout 1.0, Front-Channel Logout 1.0). Return the status for the
 * handler to return. */
int ab_browser_logout(request_rec *r);
int ab_browser_backchannel(request_rec *r);
int ab_browser_frontchannel(request_rec *r);
/** Returns the whole body of a POST; NULL: not a form, too long, or incomplete. */
const char *ab_browser_form(request_rec *r);

/* browser_login_path.c: answers PATH/login. Returns the status for the handler to return. */
int ab_browser_login_path(request_rec *r);
