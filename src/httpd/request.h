/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file request.h
 * The record of one request. The first function that writes to it creates it. It lives
 * as long as the request and belongs to the thread that serves the request.
 */
#pragma once

#include "records.h"
#include "regex.h"

#include "base/reason.h"
#include "judge/principal.h"
#include "state/throttle.h"

typedef struct credential_t {
    bearer_reason_t reason;      /**< BEARER_OK, NO_CREDENTIAL, ... */
    const char *detail;          /**< for the log, for other reasons */
    const char *token;           /**< NUL-terminated */
    apr_size_t len;
    const bearer_from_t *from;   /**< the source of the token */
    int dpop;                    /**< 1: it came as `Authorization: DPoP TOKEN` */
} credential_t;

typedef struct request_t {
    const bearer_settings_t *location;    /**< result of ab_config_of() for */
    const void *location_of;              /**< this per_dir_config */
    int scrubbed;
    const char *proof_field;     /**< the DPoP field that was removed; NULL: none */
    const char *certificate_field; /**< the same of the header of AuthBearerProof
                                  *   certificate=, which is: */
    const char *certificate_name;
    credential_t *credential;    /**< NULL: not searched yet */
    const credential_t *winner;  /**< the credential of the principal */
    const char *cookies;         /**< the original Cookie header, after this module's
                                  *   cookies were removed */
    apr_array_header_t *set_cookies; /**< const char *: Set-Cookie lines; in the first
                                      *   request only; NULL for none */
    struct browser_session_t *session; /**< NULL: not searched yet */
    const char *no_session;      /**< why it does not count; NULL: there is none */
    const char *unfit;           /**< fingerprints of a session of the domain that could not
                                  *   have begun here; NULL: there is none */
    const char *answer;          /**< the original query of a login response */
    const bearer_session_check_t *session_check; /**< the check whose cookies are the
                                                  *   credential, or NULL */
    const char *checked_cookies; /**< the original Cookie header, after the cookies of a
                                  *   session check were removed */
    const struct said_t *said[BEARER_PROVIDER_COUNT]; /**< by provider; NULL: not asked */
    const char *authorization;   /**< the Authorization header before authentication, ""
                                  *   for none; NULL if no other module could have
                                  *   changed it since */
    const bearer_principal_t *principal;  /**< NULL: no principal in this request */
    unsigned proven;             /**< what the client has proven of the principal's token:
                                  *   BEARER_BOUND_ bits */
    unsigned unproven;           /**< if it was refused for that (BEARER_BINDING): what the
                                  *   token or the location wants; 0: not known */
    char *user;                  /**< r->user as set by this module; NULL: none */
    const bearer_settings_t *settings;    /**< resolved for that principal */
    bearer_reason_t reason;      /**< why the request was refused; BEARER_OK: not refused */
    apr_array_header_t *rules;   /**< require_t *: evaluated rules, see authz.c */
    int negated;                 /**< 1: one of them was a `Require not` of this module */
    const struct alias_use_t *alias; /**< the alias whose rule is being evaluated, or
                                      *   NULL */
    const char *lost;            /**< a claim that a rule, or an expression so far, needed
                                  *   and that the session did not keep; or NULL */
    const char *maybe;           /**< such a claim, if a rule counts as not met without it */
    const char *undecided;       /**< why a rule could not be decided, or NULL */
    regex_effort_t regex_effort;
    const unsigned char *used_proof; /**< bearer_proof_t.id of the DPoP proof that was
                                  *   entered as used; in the first request only */
    int preflight;               /**< 1: allowed by AuthBearerPreflight */
    int asked;                   /**< 1: check_user_id has run */
    const void *ahead_of;        /**< configuration used for judging ahead */
    const bearer_principal_t *ahead; /**< its result, or NULL */
    bearer_reason_t ahead_reason;    /**< why it was refused; in the first request only */
    bearer_throttle_token_t ahead_token;
    apr_array_header_t *unmet;   /**< const char *: rules that were denied */
    const apr_array_header_t *weak;  /**< what the first `Require authentication` that was
                                      *   denied wants (bearer_login_parse_required()) */
    const char *weak_detail;     /**< why it was denied */
    int deciding;                /**< guards the auth_checker hook against recursion */
    const struct request_t *lent; /**< record of a subrequest that was allowed; it counts
                                   *   if this request continues with its configuration, */
    const void *lent_of;         /**< which is this one */
    const char *issuer_error;    /**< for the page: the issuer's error code, a static
                                  *   string; NULL: none */
    unsigned char page;          /**< an ab_page_t that says more than the reason; 0: none */
    const char *account_of;      /**< for the page: URL of the issuer with which a login
                                  *   began; NULL: none */
    int json;                    /**< 1: the prepared page is JSON */
    const struct browser_t *named;    /**< under the name in force, in the first request;
                                       *   of this virtual host: */
    const struct browser_t *named_of;
} request_t;

/** Returns this request's own record and creates it if necessary. */
request_t *ab_request(request_rec *r);
/** Returns this request's own record, or NULL. */
request_t *ab_request_peek(const request_rec *r);
/** Returns the request that led to this one: its main request, else the previous one,
 *  or NULL. */
const request_rec *ab_request_parent(const request_rec *r);
/** Returns the client's request, from which this one was made directly or indirectly. */
request_rec *ab_request_first(const request_rec *r);
/** Sets a request header; with value NULL, removes it. The value is not copied. */
void ab_request_set_field(request_rec *r, const char *name, const char *value);
/** Did a part of a page send this request, e.g. a script, and not a person who opens a
 *  page? Sec-Fetch-Mode (Fetch Metadata) decides where it is sent; else
 *  X-Requested-With, which the WebViews of apps send with each navigation, too, but with
 *  the app's name. Without either: no. */
int ab_request_by_script(const request_rec *r);
/** Returns the nearest record with a principal, starting from r and following its
 *  parents; or NULL. */
const request_t *ab_request_principal(const request_rec *r);
/** Notes that the subrequest r was allowed. mod_dir and mod_negotiation may continue
 *  with it in place of the request that created it. */
void ab_request_lend(request_rec *r);
/** Did r continue as such a subrequest, so that its record was made under another
 *  configuration? */
int ab_request_borrows(const request_rec *r);
