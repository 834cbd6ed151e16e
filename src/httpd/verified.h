/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file verified.h
 * Tokens that were verified before, by this child (tokencache.h) or by any of the
 * host (vouch.h). For authn.c and provider_*.c. A principal that is found lives as
 * long as the request.
 */
#pragma once

#include "provider.h"

/** Fills a->key; a->keyed is 0 where that fails. */
void ab_verified_key(attempt_t *a);

/** What was kept for this token and place, or NULL; why->reason is BEARER_OK unless
 *  the token has been revoked since. */
const bearer_principal_t *ab_verified_find(attempt_t *a, bearer_refusal_t *why);

/** Keeps the principal of a JWT that was granted, if its token is presented more
 *  than once. */
void ab_verified_keep(attempt_t *a);

/** Keeps the principal that another answered for.
 *  @param until  the last moment it may be used at without asking again; 0: none */
void ab_verified_keep_until(attempt_t *a, apr_time_t until);
