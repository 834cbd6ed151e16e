/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file credential.h
 * The token of a request: which it is, where it was, and its parameters in URLs. Any
 * thread, on its own request.
 */
#pragma once

#include "request.h"

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
