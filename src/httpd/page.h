/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page.h
 * HTML and JSON pages for users: errors and confirmations. Any thread may call these
 * functions for the request that it serves.
 */
#pragma once

#include <httpd.h>
#include <jansson.h>

#include "page_texts.h"

#include "base/reason.h"
#include "login/login.h"

/** Sends an error page from a handler: this module's page, or the administrator's
 *  ErrorDocument.
 *  @param detail  for the log
 *  @param wanted  URL of the page that the person wanted, on this server; NULL: unknown
 *  @return the status for the handler to return */
int ab_page_refusal(request_rec *r, bearer_reason_t reason,
                    const char *detail, const char *wanted);
/** Says more of the next refusal of this request than its reason, for its page. */
void ab_page_cause(request_rec *r, ab_page_t page);
/** The same for what an issuer said; nothing if it said nothing. */
void ab_page_said(request_rec *r, const bearer_said_t *said);
/** Does waiting help, so that the refusal has Retry-After? */
int ab_page_waits(const request_rec *r, bearer_reason_t reason);
/** Prepares an error page, for hooks that only return a status. */
void ab_page_prepare(request_rec *r, bearer_reason_t reason);
/** Registers the filter that sets the content type of a prepared page. */
void ab_page_register(void);
/** Sends a page with status 200.
 *  @param form  HTML after the text, or "": links and buttons */
int ab_page_say(request_rec *r, ab_page_t page, const char *form);
/** Sends an object with status 200, and takes the reference. */
int ab_page_json(request_rec *r, json_t *object);
/** Has a page sent with status 401 to a navigation, by a hook that returns this status.
 *  DECLINED: the client wants no page.
 *  @param links  HTML after the text */
int ab_page_ask(request_rec *r, ab_page_t page, const char *links);
/** Returns a link as HTML. */
const char *ab_page_link_to(request_rec *r, const char *url, const char *text);
/** The same with one of this module's own texts. */
const char *ab_page_link(request_rec *r, const char *url, ab_label_t label);
/** Returns a button that sends one field by POST, as HTML. */
const char *ab_page_button(request_rec *r, const char *action, const char *name,
                           const char *value, ab_label_t label);
/** Returns the name of the site: AuthName of the location, else the server's name. */
const char *ab_page_site(request_rec *r);
/** Redirects the browser and forbids caching of the response. Returns the status. */
int ab_page_redirect(request_rec *r, int status, const char *url);
/** Forbids caching of this response. */
void ab_page_no_store(request_rec *r);
