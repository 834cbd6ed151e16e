/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file verified.h
 * Tokens that were verified before, by this child (tokencache.h) or by any of the
 * host (vouch.h). For authn.c, provider_*.c and browser_session.c. A principal that is
 * found lives as long as the request.
 */
#pragma once

#include "provider.h"

/** Fills a->key; a->keyed is 0 where that fails. */
void ab_verified_key(attempt_t *a);

/** What was kept for this token and place, or NULL; why->reason is BEARER_OK unless
 *  the token has been revoked since. */
const bearer_principal_t *ab_verified_find(attempt_t *a, bearer_refusal_t *why);

/** Releases an entry when the request ends. */
void ab_verified_hold(request_rec *r, bearer_tokencache_entry_t *entry);

/** A copy, with what the application gets of it made ready; logs what that leaves
 *  out. */
bearer_principal_t *ab_verified_copy(request_rec *r, const bearer_principal_t *judged,
                                     const bearer_settings_t *settings);

/** Keeps the principal of a JWT that was granted, if its token is presented more
 *  than once. */
void ab_verified_keep(attempt_t *a);

/** Keeps the principal that another answered for.
 *  @param until  the last moment it may be used at without asking again; 0: none */
void ab_verified_keep_until(attempt_t *a, apr_time_t until);
