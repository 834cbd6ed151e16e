/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser.h
 * Browsers: a vhost's view of them, made in post_config and only read afterwards, and
 * what the rooms browser_*.c offer each other and those outside. Any thread, on its
 * own request.
 */
#pragma once

#include "browser_site.h"
#include "request.h"

#include "base/cookie.h"
#include "base/json.h"
#include "login/login.h"
#include "login/session.h"

struct browser_t {
    const char *origin;          /**< SCHEME://HOST[:PORT] */
    const char *path;            /**< AuthBearerLoginPath */
    const char *callback_path;   /**< what every callback's path begins with */
    int several;                 /**< issuers log in: each has its own callback */
    const char *logout;          /**< absolute URL */
    bearer_cookie_names_t names;
    bearer_seal_t *session_seal, *login_seal;
    int in_cookie;
    apr_interval_time_t max, idle;
};

/* browser.c: the endpoints below AuthBearerLoginPath */
int ab_browser_post_config(apr_pool_t *pconf, server_rec *s);
int ab_browser_quick(request_rec *r, int lookup);

/* browser_client.c */
/** This server as a client of an issuer. BEARER_OK or BEARER_LOGIN_ISSUER. */
bearer_reason_t ab_browser_client(bearer_login_t *login, request_rec *r,
                                  const bearer_issuer_t *issuer, bearer_refusal_t *why);
/** A judgement of this server's issuers with their keys. */
void ab_browser_judgement(bearer_judgement_t *j, request_rec *r,
                          const bearer_expected_t *expected);
/** Body of a session from tokens and claims; the caller owns the reference. */
json_t *ab_browser_body(const bearer_login_t *login, const bearer_tokens_t *tokens,
                        json_t *claims);

/* browser_cookies.c */
/** The Cookie field as the browser sent it, or NULL. */
const char *ab_browser_cookies(const request_rec *r);
/** Set-Cookie that goes with errors and redirects, too. No other module sees the
 *  value. */
void ab_browser_set_cookie(request_rec *r, const char *line);
/** The session's cookie; value NULL takes it from the browser. */
void ab_browser_set_session(request_rec *r, const char *value);
/** Takes a cookie from the browser. */
void ab_browser_forget(request_rec *r, const char *name);
/** Registers the filter that sends what was set. */
void ab_browser_register(void);
/** The access log shows no value that was set. */
void ab_browser_hide_set_cookies(request_rec *r);

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
/** The sessions of a vhost. */
void ab_browser_store(bearer_session_store_t *store, const request_rec *r);
/** Why a session cannot be looked up, for the log. */
#define BROWSER_NO_STORE \
    "the session store does not answer (AuthBearerSOCache for=sessions)"

/* browser_hide.c */
/** Takes this module's own cookies out of what others see of the request: before
 *  an .htaccess is read. */
int ab_browser_map_to_storage(request_rec *r);
/** The same for a part of a page; and gives them back where the application may
 *  see them. In fixups. */
void ab_browser_strip(request_rec *r);
/** Hides them, and an issuer's answer, from the access log. */
void ab_browser_hide(request_rec *r);
/** Hides an issuer's answer from logs and from error documents; the callback finds
 *  it in the request's record. */
void ab_browser_hide_answer(request_rec *r);

/* browser_login.c: the way to the issuer */
/** Sends a browser to the issuer: 302, or another status (an explanation was
 *  prepared); DECLINED where the request is no navigation. */
int ab_browser_login(request_rec *r, const bearer_settings_t *settings);
/** The cookie of the login whose state that is. */
const char *ab_browser_attempt_name(request_rec *r, const char *state);
/** Does the browser fetch this page ahead, before the user asks for it? */
int ab_browser_speculates(const request_rec *r);
/** Takes the oldest logins under way from the browser until at most so many stay
 *  and their cookies fit into one header field, with so many bytes to come.
 *  Returns how many bytes are too many all the same. */
apr_size_t ab_browser_make_room(request_rec *r, apr_size_t more, int most);
/** A login for that page has succeeded; too many in a row, and the next one is
 *  an explanation. */
void ab_browser_count_try(request_rec *r, const char *target);

/* browser_callback.c */
int ab_browser_callback(request_rec *r);

/* browser_logout.c */
int ab_browser_logout(request_rec *r);
int ab_browser_backchannel(request_rec *r);
