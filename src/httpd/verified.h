/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file verified.h
 * Tokens that this child (tokencache.h) or another child of the host (vouch.h) has
 * already verified. For authn.c, provider_*.c and browser_session.c. A returned
 * principal lives as long as the request.
 */
#pragma once

#include "provider.h"

/** Sets a->key. On failure, a->keyed is 0. */
void ab_verified_key(attempt_t *a);

/** Returns the cached principal for this token and location, or NULL. why->reason is
 *  BEARER_OK unless the token has been revoked since. */
const bearer_principal_t *ab_verified_find(attempt_t *a, bearer_refusal_t *why);

/** Releases a cache entry when the request ends. */
void ab_verified_hold(request_rec *r, bearer_tokencache_entry_t *entry);

/** Returns a copy with the values for the application prepared. Logs the values that
 *  are left out. */
bearer_principal_t *ab_verified_copy(request_rec *r, const bearer_principal_t *judged,
                                     const bearer_settings_t *settings);

/** Caches the principal of an accepted JWT if its token is presented more than once. */
void ab_verified_keep(attempt_t *a);

/** Caches a principal that an issuer or a session service confirmed.
 *  @param until  the last moment at which it may be used without asking again; 0: not
 *                cached */
void ab_verified_keep_until(attempt_t *a, apr_time_t until);
