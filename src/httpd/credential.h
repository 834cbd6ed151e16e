/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file credential.h
 * The token of a request: finding it, and hiding it in URLs. Any thread may call these
 * functions for the request that it serves.
 */
#pragma once

#include "request.h"

/** Finds the token of the request (check 1). Later calls return the same result, which
 *  lives as long as the request. */
const credential_t *ab_credential_get(request_rec *r);
/** Returns the DPoP field of the client's request, several lines joined by ", "; NULL:
 *  none. Also finds it after its removal, and for requests made from the client's. */
const char *ab_credential_proof(request_rec *r);
/** The same for the header of AuthBearerProof certificate=, whoever sent it: the caller
 *  must compare the connection's peer with from=. NULL: none, or none is configured. */
const char *ab_credential_certificate(request_rec *r);
/** Keeps both fields in the request's record, before they are removed. */
void ab_credential_keep_proof(request_rec *r, const bearer_settings_t *settings);
/** Masks the query parameters with that name in every copy of the request's URL. */
void ab_credential_mask(request_rec *r, const char *name);
/** Masks query tokens in everything that is logged or forwarded. */
void ab_credential_hide_query(request_rec *r,
                              const bearer_settings_t *settings);
/** Is this a state-changing request from another site, with a credential that browsers
 *  send automatically (a cookie, Basic)? */
int ab_credential_cross_site(request_rec *r, const credential_t *credential);
/** Was the verified token found in this source? */
int ab_credential_verified_from(const request_rec *r,
                                const bearer_from_t *from);
/** Does AuthBearerTokenFrom contain a source of this kind? */
int ab_credential_from(const bearer_settings_t *settings,
                       bearer_from_kind_t kind);
/** Does AuthBearerTokenFrom contain a source of another kind? */
int ab_credential_from_other(const bearer_settings_t *settings,
                             bearer_from_kind_t kind);
