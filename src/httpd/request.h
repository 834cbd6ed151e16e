/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file request.h
 * The record of one request. Made by the first room that writes into it, lives as long
 * as the request, and belongs to the thread that serves it.
 */
#pragma once

#include "records.h"
#include "regex.h"

#include "base/reason.h"
#include "judge/principal.h"
#include "state/throttle.h"

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
    const struct said_t *said[BEARER_PROVIDER_COUNT]; /**< NULL: nobody was asked */
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
/** The request that the client made, of which this one was made in the end. */
request_rec *ab_request_first(const request_rec *r);
/** Sets a field of the request's head, or takes it away. The value is not copied. */
void ab_request_set_field(request_rec *r, const char *name, const char *value);
/** The nearest record, of r or on the way back, that has a principal; or NULL. */
const request_t *ab_request_principal(const request_rec *r);
/** r is a subrequest that was let in: mod_dir and mod_negotiation may go on with
 *  it in place of the request that they made it from. */
void ab_request_lend(request_rec *r);
/** Did r go on as such a subrequest, whose record was not made for it? */
int ab_request_borrows(const request_rec *r);
